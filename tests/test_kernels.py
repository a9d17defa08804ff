"""_kernels.pyx, called as fastdl.ops and the epoch call it."""

import itertools

import numpy as np
import pytest

from fastdl import _kernels, _reference, losses
from tests import cases
from tests.cases import LABELLED, named, problem

BLOCK = _kernels.BLOCK_ROWS
ROWS = (1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 1, 1025)
CLASSES = (1, 2, 15, 16, 17, 32, 33, 128, 129, 144, 300)  # of which 16 exponentials go at a time
FEW_AND_MORE = (5, 8, 13, 22)  # rows, of which exponentials are taken together from 8 on
pytestmark = pytest.mark.usefixtures("isa")  # that is, on every one of this machine


def readonly(array):
    array.flags.writeable = False
    return array


def loss_and_correct(name, logits, y, weights=None, dlogits=None, scale=1.0, n_threads=1):
    """loss_forward_backward with its workspace."""
    n = len(logits)
    targets = losses.LOSSES[name].y != "labels"
    labels, targets = (None, y) if targets else (y.astype(np.intc), None)
    blocks = -(-n // BLOCK)
    return _kernels.loss_forward_backward(
        _kernels.LOSSES[name], logits, (labels, targets, weights),
        losses.get(name).numbers, scale, dlogits,
        np.full((blocks, 2), np.nan), n_threads,
    )  # fmt: skip


def test_what_the_build_says_of_itself(isa):
    assert isa == _kernels.ISA
    assert isinstance(_kernels.OPENMP, str)
    assert isinstance(_kernels.DEBUG, bool)
    for table in (_kernels.ACTIVATIONS, _kernels.LOSSES, _kernels.OPTIMISERS):
        assert len(set(table.values())) == len(table)


# --- losses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [10, 16, 41, 150])
@pytest.mark.parametrize("name", LABELLED)
def test_number_correct(name, k, dtype, rng):
    for n, n_threads in itertools.product(ROWS, (1, 2)):
        logits, labels = problem(name, rng, n, k, dtype)
        _, n_correct = loss_and_correct(name, logits, labels, n_threads=n_threads)
        assert n_correct == (logits.argmax(axis=1) == labels).sum(), (n, n_threads)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_number_correct_of_ties_is_the_first_class(name, dtype):
    labelled = losses.LOSSES[name].y == "labels"
    for n, k in itertools.product(FEW_AND_MORE, (4, 20, 40, 200)):
        logits = np.ones((n, k), dtype)
        logits[:, 0] -= (np.arange(n) % 2).astype(dtype)  # the greatest are all but the first
        y = np.arange(n) % 2 if labelled else np.zeros((n, k), dtype)
        _, n_correct = loss_and_correct(name, logits, y)
        assert n_correct == (n if labelled else 0), (n, k)
        if labelled:
            _, n_correct = loss_and_correct(name, logits, y + 1)
            assert n_correct == 0, (n, k)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_loss_is_the_sum_and_the_gradient_is_scaled(name, dtype, rng, agree):
    for n in ROWS:
        logits, y = problem(name, rng, n, 10, dtype)
        weights, dlogits = rng.uniform(0, 2, n).astype(dtype), np.empty((n, 10), dtype)
        total, _ = loss_and_correct(name, logits, y, weights, dlogits, scale=0.25)
        double = (x.astype(float) if x.dtype == dtype else x for x in (logits, y))
        loss, gradient = getattr(_reference, name)(*double, sample_weight=weights.astype(float))
        with named(f"{n} rows"):
            agree([total, dlogits], [loss * n, gradient * (n * 0.25)], dtype)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_loss_of_any_number_of_classes(name, dtype, rng, agree):
    for k in CLASSES:
        logits, y = problem(name, rng, 70, k, dtype)
        logits *= 20  # so that some probabilities vanish
        dlogits = np.full_like(logits, np.nan)
        total, n_correct = loss_and_correct(name, readonly(logits), y, dlogits=dlogits)
        double = (x.astype(float) if x.dtype == dtype else x for x in (logits, y))
        loss, gradient = getattr(_reference, name)(*double)
        with named(f"{k} classes"):
            agree([total, dlogits], [loss * 70, gradient * 70], dtype)
            if name in LABELLED:
                assert n_correct == (logits.argmax(axis=1) == y).sum()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", FEW_AND_MORE)
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_a_loss_of_what_is_not_finite_is_not_either(name, n, bad, dtype, rng):
    for k in CLASSES:
        logits = rng.standard_normal((n, k)).astype(dtype)
        for j in range(0, k, 1 if k < 100 else 7):
            row = logits.copy()
            row[2, j] = bad
            for label in {0, j, k - 1}:
                loss, _ = loss_and_correct(name, row, np.full(n, label))
                certain = name == "sigmoid_cross_entropy" and bad == np.inf and label == j
                assert np.isfinite(loss) == certain, (k, j, label)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_loss_is_the_same_with_no_gradient_or_in_place(name, dtype, rng):
    for n, k in [(5, 10), (300, 10), (300, 20), (300, 41), (300, 150)]:
        logits, y = problem(name, rng, n, k, dtype)
        dlogits, over = np.empty_like(logits), logits.copy()
        expected = loss_and_correct(name, logits, y, dlogits=dlogits)
        assert loss_and_correct(name, logits, y) == expected, (n, k)
        assert loss_and_correct(name, over, y, dlogits=over) == expected, (n, k)
        np.testing.assert_array_equal(over, dlogits)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_loss_bits_do_not_depend_on_threads(name, dtype, rng):
    logits, y = problem(name, rng, 2000, 10, dtype)
    one, two = np.empty_like(logits), np.empty_like(logits)
    assert loss_and_correct(name, logits, y, dlogits=one) == loss_and_correct(
        name, logits, y, dlogits=two, n_threads=2
    )
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_row_losses_are_those_of_each_row_alone(name, dtype, rng, agree):
    logits, y = problem(name, rng, 20, 6, dtype)
    out = np.full(20, np.nan)
    labels, targets = (None, y) if losses.LOSSES[name].y != "labels" else (y.astype(np.intc), None)
    _kernels.row_losses(
        _kernels.LOSSES[name], logits, labels, targets, losses.get(name).numbers, out
    )
    double = logits.astype(float), (y.astype(float) if y.dtype == dtype else y)
    alone = [
        getattr(_reference, name)(double[0][i : i + 1], double[1][i : i + 1])[0] for i in range(20)
    ]
    agree([out], [np.array(alone)], dtype)
    assert out.sum() == pytest.approx(loss_and_correct(name, logits, y)[0], rel=1e-12)


# --- the other kernels ---------------------------------------------------------------------------


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
def test_gemm_writes_every_element_once(transpose_a, transpose_b, dtype, rng, agree):
    for n in ROWS:
        a = readonly(rng.standard_normal((33, n) if transpose_a else (n, 33)).astype(dtype))
        b = readonly(rng.standard_normal((10, 33) if transpose_b else (33, 10)).astype(dtype))
        forms = {"transpose_a": transpose_a, "transpose_b": transpose_b}
        out, two = np.full((2, n, 10), np.nan, dtype)
        _kernels.gemm(transpose_a, transpose_b, a, b, out, 1)
        _kernels.gemm(transpose_a, transpose_b, a, b, two, 2)
        with named(f"{n} rows"):
            agree([out], [_reference.matmul(a.astype(float), b.astype(float), **forms)], dtype)
            assert out.tobytes() == two.tobytes()


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
def test_gemm_of_sizes_around_every_tile(transpose_a, transpose_b, dtype, rng, agree):
    for m in (1, 2, 4, 7, 10, 12, 13):
        for n in (1, 5, 10, 15, 16, 17, 33, 50, 65, 129, 200):
            for k in (1, 17, 257):
                a = rng.standard_normal((k, m) if transpose_a else (m, k)).astype(dtype)
                b = rng.standard_normal((n, k) if transpose_b else (k, n)).astype(dtype)
                out = np.full((m, n), np.nan, dtype)
                _kernels.gemm(transpose_a, transpose_b, a, b, out, 1)
                left, right = (a.T if transpose_a else a), (b.T if transpose_b else b)
                agree([out], [left.astype(float) @ right.astype(float)], dtype)


@pytest.mark.parametrize("k", [1023, 1025, 4097, 9001])
def test_dot_products_of_any_depth(k, dtype, rng, agree):
    a, b = rng.standard_normal((7, k)).astype(dtype), rng.standard_normal((10, k)).astype(dtype)
    out = np.full((7, 10), np.nan, dtype)
    _kernels.gemm(False, True, a, b, out, 1)
    agree([out], [a.astype(float) @ b.T.astype(float)], dtype)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("k", [127, 128, 383, 385, 767, 769, 1281])
def test_products_of_any_depth(k, transpose_a, dtype, rng, agree):
    a = rng.standard_normal((k, 25) if transpose_a else (25, k)).astype(dtype)
    b, out = rng.standard_normal((k, 150)).astype(dtype), np.full((25, 150), np.nan, dtype)
    _kernels.gemm(transpose_a, False, a, b, out, 1)
    left = (a.T if transpose_a else a).astype(float)
    agree([out], [left @ b.astype(float)], dtype)
    if not _kernels.leaves_to_blas(dtype == np.float32, False, 25, 150, k):
        part = np.full((9, 100), np.nan, dtype)
        _kernels.gemm(
            transpose_a, False, np.ascontiguousarray(a[:, 3:12] if transpose_a else a[3:12]),
            np.ascontiguousarray(b[:, :100]), part, 1,
        )  # fmt: skip
        np.testing.assert_array_equal(part, out[3:12, :100])


def test_narrow_layers_of_some_inputs_lie_by_unit_but_where_zeros_are_skipped():
    assert [_kernels.lies_by_unit(d, 10, True, True) for d in (13, 30, 64)] == [False, False, True]
    assert [_kernels.lies_by_unit(d, 10, True, False) for d in (32, 64)] == [False, True]
    assert [_kernels.lies_by_unit(1000, h, False, False) for h in (10, 16)] == [True, False]
    assert [_kernels.lies_by_unit(d, 20, True, True) for d in (175, 260, 300)] == [
        False,
        False,
        True,
    ]
    assert [_kernels.lies_by_unit(d, 50, True, True) for d in (784, 1024)] == [False, True]
    assert _kernels.lies_by_unit(784, 50, True, False)
    assert not _kernels.lies_by_unit(3072, 50, False, True)
    assert not _kernels.lies_by_unit(3072, 64, True, True)


def test_gather_reads_strided_rows(dtype, n_threads, rng):
    x = readonly(rng.integers(0, 256, (50, 40), np.uint8))[::-3, 5:18]
    for n in ROWS:
        order = rng.integers(0, len(x), n)
        out = np.empty((n, 13), dtype)
        _kernels.gather(x, order, out, None, None, n_threads)
        np.testing.assert_array_equal(out, x[order])


SHAPES = [*((n, 9) for n in ROWS), (3, 1), (3, 16), (3, 31), (3, 300)]


@pytest.mark.parametrize("activation", _kernels.ACTIVATIONS)
def test_activations_run_over_every_unit(activation, dtype, rng, agree):
    code = _kernels.ACTIVATIONS[activation]
    for (n, h), n_threads in itertools.product(SHAPES, (1, 2)):
        z, bias = rng.standard_normal((n, h)).astype(dtype), rng.standard_normal(h).astype(dtype)
        out, dout = z.copy(), z.copy()
        _kernels.bias_activation(code, readonly(bias), out, n_threads)
        double = _reference.bias_activation(z.astype(float), bias.astype(float), activation)
        agree([out], [double], dtype)
        by = z + bias if activation in _kernels.BY_INPUT else out
        _kernels.activation_backward(code, readonly(by), dout, n_threads)
        backward = getattr(_reference, f"{activation}_backward")
        double = backward(z.astype(float), by.astype(float))
        agree([dout], [double], dtype)


@pytest.mark.parametrize(("activation", "slope"), [("relu", 0), ("leaky_relu", 0.01)])
def test_a_derivative_at_zero_is_that_of_the_left_side(activation, slope, dtype, n_threads):
    """A unit whose input is 0 gives 0 or -0."""
    code, out = _kernels.ACTIVATIONS[activation], np.zeros((3, 37), dtype)
    out[1] = -out[1]
    dout = np.full_like(out, 3)
    _kernels.activation_backward(code, out, dout, n_threads)
    np.testing.assert_array_equal(dout, np.full_like(out, 3 * dtype.type(slope)))
    z = np.zeros((1, 37), dtype)
    _kernels.bias_activation(code, np.zeros(37, dtype), z, n_threads)
    assert not z.any()


def test_softmax(dtype, n_threads, rng, agree):
    for n, k in [*((n, 10) for n in ROWS), *((3, k) for k in CLASSES)]:
        logits = (10 * rng.standard_normal((n, k))).astype(dtype)
        out = logits.copy()
        _kernels.softmax(out, n_threads)
        with named(f"{n} x {k}"):
            agree([out], [_reference.softmax(logits.astype(float))], dtype)


def test_sum_rows(dtype, rng, agree):
    for n, h in [*((n, 9) for n in ROWS), (20, 64), (20, 65), (20, 150)]:
        x, out = readonly(rng.standard_normal((n, h)).astype(dtype)), np.full(h, np.nan, dtype)
        _kernels.sum_rows(x, out)
        with named(f"{n} x {h}"):
            agree([out], [x.sum(axis=0, dtype=float)], dtype)


@pytest.mark.parametrize("h", [1, 64, 65])
def test_no_number_of_rows_wears_a_sum_out(h, dtype):
    """In float32 alone the sum of so many tenths is off by some percent."""
    x, out = np.full((2_000_000 // h, h), 0.1, dtype), np.zeros(h, dtype)
    _kernels.sum_rows(x, out)
    np.testing.assert_allclose(out, len(x) * float(dtype.type(0.1)), rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_finite(bad, dtype):
    x = np.full(70, np.finfo(dtype).max, dtype)
    assert _kernels.finite(readonly(x))
    for i in range(len(x)):
        one = x.copy()
        one[i] = bad
        assert not _kernels.finite(one)


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (0.1, 0), (0, 0.1), (0.1, 0.2)])
def test_penalty_and_its_gradient(l1, l2, dtype, rng, agree):
    weight, dweight = readonly(rng.standard_normal(1000).astype(dtype)), np.empty(1000, dtype)
    _kernels.penalty_gradient(weight, l1, l2, dweight)
    expected = _reference.penalty(weight.astype(float), l1=l1, l2=l2)
    agree([_kernels.penalty(weight, l1, l2), dweight], expected, dtype)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_penalty_of_a_weight_of_zero_has_no_gradient(zero, dtype):
    weight, dweight = np.full(100, zero, dtype), np.ones(100, dtype)
    _kernels.penalty_gradient(weight, 0.5, 0.25, dweight)
    assert not dweight.any()


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("optimiser", _kernels.OPTIMISERS)
def test_an_l1_leaves_a_weight_of_zero_where_it_is(optimiser, zero, dtype):
    param, grad = np.full(100, zero, dtype), np.zeros(100, dtype)
    moments = np.zeros((2, 100), dtype)
    param[::9] = 1
    made = cases.OPTIMISERS[optimiser].made
    _kernels.update(made.hyper, 0.1, 1, 0.5, 0, param, grad, moments[: made.n_moments])
    assert (param[::9] < 1).all()
    assert np.count_nonzero(param) == len(param[::9])


@pytest.mark.parametrize("optimiser", _kernels.OPTIMISERS)
def test_update_leaves_the_moments_it_has_not(optimiser, dtype, rng):
    made = cases.OPTIMISERS[optimiser].made
    param, first, second = rng.random((3, 100)).astype(dtype)
    before = param.copy(), first.copy(), second.copy()
    ones, moments = readonly(np.ones(100, dtype)), [first, second][: made.n_moments]
    _kernels.update(made.hyper, 0.1, 1, 0, 0, param, ones, moments)
    changed = [(new != old).any() for new, old in zip((param, first, second), before, strict=True)]
    assert changed == [True, made.n_moments > 0, made.n_moments > 1]
