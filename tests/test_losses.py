"""Every loss of the table: any shape, weights, extremes; what all ops share is in test_ops.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl import _kernels, _reference, losses, ops
from tests import cases
from tests.cases import LABELLED

LOSSES = sorted(losses.LOSSES)
SHIFT_FREE = [name for name in LOSSES if cases.LOSSES[name].shift_free]
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def problem(name, rng, n, k, dtype="float64"):
    return cases.problem(name, rng, n, k, dtype, scale=3.0)


def reference(name, outputs, y, **settings):
    y = y if losses.LOSSES[name].y == "labels" else y.astype(float)
    return getattr(_reference, name)(outputs.astype(float), y, **settings)


@pytest.mark.parametrize("name", LOSSES)
def test_table_names_an_op_and_a_kernel(name):
    loss = losses.get(name)
    assert loss.name == name in ops.__all__
    assert loss.code == _kernels.LOSSES[name]
    assert loss.probabilities in (None, "softmax", "sigmoid")


def test_table_has_every_kernel_and_refuses_other_names():
    assert set(losses.LOSSES) == set(_kernels.LOSSES)
    for wrong in ("cross_entropy", None, 3):
        with pytest.raises(ValueError, match="loss must be one of softmax_cross_entropy"):
            losses.get(wrong)


@given(shapes, st.integers(0, 2**32 - 1), st.sampled_from(LOSSES))
def test_any_shape_agrees_with_the_reference(shape, seed, name):
    outputs, y = problem(name, np.random.default_rng(seed), *shape)
    loss, doutputs = getattr(ops, name)(outputs, y)
    expected, dexpected = reference(name, outputs, y)
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    np.testing.assert_allclose(doutputs, dexpected, rtol=1e-11, atol=1e-15)


@given(shapes, st.integers(0, 2**32 - 1), st.sampled_from(SHIFT_FREE))
def test_rows_of_the_gradient_sum_to_zero(shape, seed, name):
    """These losses do not change when all logits of a row do by the same."""
    logits, labels = problem(name, np.random.default_rng(seed), *shape)
    np.testing.assert_allclose(getattr(ops, name)(logits, labels)[1].sum(axis=1), 0, atol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_weights(name, dtype, rng, agree):
    outputs, y = problem(name, rng, 300, 4, dtype)
    weight = rng.uniform(0, 2, 300).astype(dtype)
    weight[7] = 0
    weight[15::16] = weight[:288:16]  # of 16 rows at once the first and the last weigh the same
    weighted = getattr(ops, name)(outputs, y, sample_weight=weight)
    agree(weighted, reference(name, outputs, y, sample_weight=weight.astype(float)), dtype)
    assert not weighted[1][7].any()
    plain, ones = getattr(ops, name)(outputs, y), np.ones(300, dtype)
    again = getattr(ops, name)(outputs, y, sample_weight=ones)
    assert again[0] == plain[0]
    np.testing.assert_array_equal(again[1], plain[1])


@pytest.mark.parametrize("n", [1, 16, 70])  # softmax takes 16 rows at once
@pytest.mark.parametrize("name", LOSSES)
def test_one_weight_of_all_rows_is_a_factor(name, n, isa, dtype, rng, agree):
    outputs, y = problem(name, rng, n, 10, dtype)
    weighted = getattr(ops, name)(outputs, y, sample_weight=np.full(n, 2.5, dtype))
    agree(weighted, [2.5 * part for part in reference(name, outputs, y)], dtype)


@pytest.mark.parametrize("k", [10, 200])
@pytest.mark.parametrize("name", LOSSES)
def test_extreme_outputs_give_a_finite_and_right_loss(name, k, dtype, rng):
    outputs, y = problem(name, rng, 300, k, dtype)
    outputs = rng.choice(np.array([-1e4, 0, 1e4], dtype), (300, k)) + outputs
    loss, doutputs = getattr(ops, name)(outputs, y)
    assert loss == pytest.approx(reference(name, outputs, y)[0], rel=1e-6)
    assert np.isfinite(doutputs).all()


@pytest.mark.parametrize("n", [1, 20])
@pytest.mark.parametrize("margin", [30.0, 1e4])
def test_cross_entropies_of_sure_rows(margin, n, dtype):
    logits = np.tile(np.array([margin, 0.0, -margin], dtype), (n, 1))
    double = logits.astype(float)
    for label in range(3):
        labels = np.full(n, label)
        rest = np.delete(double[0], label) - double[0, label]
        loss, dlogits = ops.softmax_cross_entropy(logits, labels)
        assert loss == pytest.approx(np.logaddexp.reduce([0, *rest]), rel=1e-6, abs=0)
        assert abs(dlogits.sum()) <= 1e-6
        signed = np.where(np.arange(3) == label, -1, 1) * double[0]
        loss, _ = ops.sigmoid_cross_entropy(logits, labels)
        assert loss == pytest.approx(np.logaddexp(0, signed).mean(), rel=1e-6, abs=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 20])
@pytest.mark.parametrize("k", [1, 2, 3, 18, 150])
@pytest.mark.parametrize("name", LABELLED)
def test_one_bad_logit_gives_the_class_that_numpy_gives(name, k, n, bad, dtype, rng):
    for at in range(0, k, 1 + k // 20):
        for label in range(k) if k < 20 else {0, at, k - 1}:
            logits, labels = rng.standard_normal((n, k)).astype(dtype), np.full(n, label)
            logits[n // 2, at] = bad
            with np.errstate(all="ignore"):
                expected = reference(name, logits, labels)[0]
            loss = getattr(ops, name)(logits, labels)[0]
            assert str(loss) == str(expected) or np.isfinite([loss, expected]).all(), (at, label)


@pytest.mark.parametrize("k", [100, 3000])
def test_losses_of_equal_logits(k, dtype):
    logits, labels = np.zeros((20, k), dtype), np.arange(20)
    assert ops.sigmoid_cross_entropy(logits, labels)[0] == pytest.approx(np.log(2))
    assert ops.softmax_cross_entropy(logits, labels)[0] == pytest.approx(np.log(k))


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 20.0])
def test_hinge_of_any_margin(margin, dtype, rng, agree):
    logits, labels = problem("hinge", rng, 300, 10, dtype)
    actual = ops.hinge(logits, labels, margin=margin)
    agree(actual, reference("hinge", logits, labels, margin=margin), dtype)


def test_hinge_at_the_kink_has_no_gradient(dtype):
    loss, dlogits = ops.hinge(np.array([[1.0, 0.0]], dtype), [0], margin=1.0)
    assert loss == 0
    assert not dlogits.any()


def test_mse_of_one_output_takes_a_vector(dtype, rng):
    outputs, targets = rng.standard_normal((6, 1)).astype(dtype), rng.standard_normal(6)
    loss, doutputs = ops.mse(outputs, targets)
    again, same = ops.mse(outputs, targets[:, None])
    assert loss == again
    np.testing.assert_array_equal(doutputs, same)


def test_accuracy_takes_the_first_of_equals(dtype):
    logits = np.array([[1, 1, 0], [0, 2, 2], [3, 0, 0]], dtype)
    assert ops.accuracy(logits, [0, 1, 1]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", LABELLED)
def test_every_integer_dtype_of_labels_means_the_same(name, rng):
    logits, labels = problem(name, rng, 20, 5)
    expected = getattr(ops, name)(logits, labels)
    for kind in ("u1", "i1", "i2", "u4", "i8", "u8", ">i4"):
        loss, dlogits = getattr(ops, name)(logits, labels.astype(kind))
        assert loss == expected[0]
        np.testing.assert_array_equal(dlogits, expected[1])
