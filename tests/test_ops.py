"""fastdl.ops against the NumPy reference, against differences, and at the edges of the numbers.

Every op by the table of cases.py, on every instruction set; more of the losses in test_losses.py.
"""

import inspect
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fastdl import _kernels, _reference, losses, ops
from tests import cases
from tests.cases import ACTIVATIONS, OPS

ROWS = (1, 255, 256, 257, 513)  # around _kernels.BLOCK_ROWS
THREADED = [op for op in OPS if "n_threads" in inspect.signature(getattr(ops, op)).parameters]
CHANGED = [(op, name) for op, row in OPS.items() for name in row.state]
floats = st.floats(-1e3, 1e3)


def test_every_op_loss_and_optimiser_has_its_row():
    assert set(OPS) == set(ops.__all__)
    assert set(cases.LOSSES) == set(losses.LOSSES)
    assert set(cases.OPTIMISERS) == set(_kernels.OPTIMISERS)


@pytest.mark.parametrize("op", OPS)
def test_a_row_names_the_arrays_of_its_op_and_which_may_be_none(op):
    parameters = inspect.signature(getattr(ops, op)).parameters
    assert set(OPS[op].arrays) | set(OPS[op].settings) <= set(parameters)
    may_be_none = {name for name, p in parameters.items() if p.default is None} - {"n_threads"}
    assert set(OPS[op].optional) == may_be_none


# --- every op --------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPS)
def test_agrees_with_the_reference(op, isa, dtype, arguments, call, as_double, agree):
    absent = dict.fromkeys(OPS[op].optional)
    for n in ROWS:
        for form in ({}, absent, *OPS[op].forms):
            given_arguments = arguments(op, n, dtype, **form)
            expected = call(_reference, op, as_double(given_arguments))
            agree(call(ops, op, given_arguments), expected, dtype)


def outcome(op, known, by, dout=1.0):
    """A function of one argument: the sum of the first result, weighted."""

    def of(x):
        result = getattr(ops, op)(**known | {by: x})
        return np.sum(dout * (result[0] if isinstance(result, tuple) else result))

    return of


@pytest.mark.parametrize("op", [op for op, row in OPS.items() if row.gradient_of])
def test_gradient_is_the_derivative(op, isa, rng, derivative):
    by = OPS[op].gradient_of
    for k in (1, 2, 10):
        for absent in ({}, dict.fromkeys(OPS[op].optional)):
            known = OPS[op].arguments(rng, settings=absent, n=5, k=k)
            numerical = derivative(outcome(op, known, by), known[by])
            _, gradient = getattr(ops, op)(**known)
            np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("op", [op for op, row in OPS.items() if row.backward_of])
def test_backward_is_the_derivative(op, isa, rng, derivative, call):
    forward = OPS[op].backward_of
    for form in ({}, *OPS[op].forms):
        settings = OPS[op].settings | form
        known = OPS[forward].arguments(rng, settings=settings)
        out = getattr(ops, forward)(**known)
        by_input = settings.get("activation") in _kernels.BY_INPUT
        more = {
            "dout": rng.standard_normal(out.shape),
            "out": known["z"] + known["bias"] if by_input else out,
        }
        wanted = {name: (known | more)[name] for name in OPS[op].arrays}
        gradients = call(ops, op, wanted | settings)
        for by, gradient in zip(OPS[forward].arrays, gradients, strict=True):
            numerical = derivative(outcome(forward, known, by, more["dout"]), known[by])
            np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("op", OPS)
def test_results_have_the_dtype_of_the_arguments(op, dtype, arguments, call):
    for result in call(ops, op, arguments(op, dtype=dtype)):
        assert isinstance(result, float) or result.dtype == dtype


@pytest.mark.parametrize("op", THREADED)
def test_bits_do_not_depend_on_threads(op, isa, dtype, arguments, call):
    for form in ({}, *OPS[op].forms):
        given_arguments = arguments(op, 1025, dtype, **form)
        one = call(ops, op, given_arguments | {"n_threads": 1})
        for n_threads in (2, 3, None):
            other = call(ops, op, given_arguments | {"n_threads": n_threads})
            assert [np.asarray(a).tobytes() for a in one] == [
                np.asarray(a).tobytes() for a in other
            ]


@pytest.mark.parametrize("op", [op for op, row in OPS.items() if not row.state])
def test_arguments_are_left_alone(op, dtype, arguments, call):
    given_arguments = arguments(op, dtype=dtype)
    before = {k: v.copy() for k, v in given_arguments.items() if isinstance(v, np.ndarray)}
    results = call(ops, op, given_arguments)
    for name, value in before.items():
        np.testing.assert_array_equal(given_arguments[name], value)
        for result in results:
            assert not np.may_share_memory(result, given_arguments[name])


def classes(x):
    """0 finite, 1 +Inf, 2 -Inf, 3 NaN."""
    return np.select([np.isnan(x), np.isposinf(x), np.isneginf(x)], [3, 1, 2], 0)


def extremes(kind, dtype):
    """The special numbers that an array of this kind may hold; others are in test_bad_input.py."""
    large = np.sqrt(np.finfo(dtype).max) / 8  # its square does not overflow
    finite = (large, -large, np.finfo(dtype).smallest_subnormal)
    special = (np.nan, np.inf, -np.inf)
    known = {"labels": (), "weights": (), "counts": (), "targets": finite}
    return known.get(kind, special + finite)


@pytest.mark.parametrize("op", OPS)
def test_special_numbers_give_the_class_that_numpy_gives(
    op, isa, dtype, arguments, call, as_double
):
    for name, array in OPS[op].arrays.items():
        for bad, form in product(extremes(array.kind, dtype), ({}, *OPS[op].forms)):
            given_arguments = arguments(op, dtype=dtype, **form)
            given_arguments[name].flat[::3] = bad
            with np.errstate(all="ignore"):
                expected = call(_reference, op, as_double(given_arguments))
                expected = [np.asarray(e).astype(dtype) for e in expected]
            for a, e in zip(call(ops, op, given_arguments), expected, strict=True):
                np.testing.assert_array_equal(
                    classes(a), classes(e), err_msg=f"{name} = {bad}, {form}"
                )


@pytest.mark.parametrize("shape", [(0, 7), (6, 0), (0, 0)])
@pytest.mark.parametrize("op", [op for op, row in OPS.items() if row.of_nothing])
def test_nothing_gives_nothing_of_the_right_shape(op, shape, rng, call):
    n, d = shape
    given_arguments = OPS[op].arguments(rng, n=n, d=d, k=d, m=6)
    expected = call(_reference, op, given_arguments)
    for a, e in zip(call(ops, op, given_arguments), expected, strict=True):
        np.testing.assert_array_equal(a, e, strict=not isinstance(a, float))


@pytest.mark.parametrize("op", [op for op, row in OPS.items() if not row.of_nothing])
def test_the_mean_of_nothing_is_refused(op, arguments, call):
    given_arguments = arguments(op, 0)
    with pytest.raises(ValueError, match=r"(logits|outputs) must have at least one row"):
        call(ops, op, given_arguments)


# --- products and reading --------------------------------------------------------------------

sizes = st.integers(1, 70)


@given(sizes, sizes, sizes, st.booleans(), st.booleans(), st.sampled_from(["f4", "f8"]))
def test_matmul_of_any_shape_in_every_transpose_form(n, d, h, transpose_a, transpose_b, dtype):
    rng = np.random.default_rng([n, d, h])
    a = rng.standard_normal((d, n) if transpose_a else (n, d)).astype(dtype)
    b = rng.standard_normal((h, d) if transpose_b else (d, h)).astype(dtype)
    forms = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    expected = _reference.matmul(a.astype(float), b.astype(float), **forms)
    bound = _reference.matmul(abs(a).astype(float), abs(b).astype(float), **forms)
    error = abs(ops.matmul(a, b, **forms) - expected)
    assert (error <= d * np.finfo(dtype).eps * bound).all()


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "h"),
    [(100, 3072, 10), (100, 3072, 50), (128, 784, 128), (100, 50, 10), (784, 128, 128)],
)
def test_matmul_at_the_shapes_of_the_assignments(
    n, d, h, transpose_a, transpose_b, dtype, rng, agree
):
    a = rng.standard_normal((d, n) if transpose_a else (n, d)).astype(dtype)
    b = rng.standard_normal((h, d) if transpose_b else (d, h)).astype(dtype)
    forms = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    expected = _reference.matmul(a.astype(float), b.astype(float), **forms)
    agree([ops.matmul(a, b, **forms)], [expected], dtype)


@given(
    arrays(
        st.sampled_from([np.uint8, np.float32, np.float64]), array_shapes(min_dims=2, max_dims=2)
    ),
    st.lists(st.integers(0, 1000), max_size=20),
    st.sampled_from(["float32", "float64"]),
)
def test_gather_takes_any_rows_in_any_order(x, order, dtype):
    order = np.array(order, np.intp) % len(x)
    with np.errstate(all="ignore"):
        expected = x[order].astype(dtype)
    np.testing.assert_array_equal(ops.gather(x, order, dtype=dtype), expected)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_gather_scales_while_it_reads(kind, dtype, rng, agree):
    x = rng.integers(0, 256, (300, 33)).astype(kind)
    shift, scale = rng.uniform(100, 150, 33).astype(dtype), rng.uniform(0.5, 2, 33).astype(dtype)
    order = rng.integers(0, 300, 520)
    expected = (x[order] - shift.astype(float)) * scale
    agree([ops.gather(x, order, shift=shift, scale=scale, dtype=dtype)], [expected], dtype)


# --- activations -----------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_take_any_shape(activation, rng):
    for shape in [(), (3,), (2, 3, 4), (0, 2)]:
        x = rng.standard_normal(shape)
        out = getattr(ops, activation)(x)
        np.testing.assert_allclose(out, getattr(_reference, activation)(x), rtol=1e-12)
        assert out.shape == getattr(ops, f"{activation}_backward")(x, out).shape == shape


@given(arrays(np.float64, array_shapes(max_dims=3), elements=floats))
def test_identities_of_the_activations(x):
    np.testing.assert_array_equal(ops.relu(x) + ops.relu(-x), np.abs(x))
    np.testing.assert_array_equal(ops.identity(x), x)
    np.testing.assert_array_equal(ops.tanh(-x), -ops.tanh(x))
    np.testing.assert_allclose(ops.sigmoid(x) + ops.sigmoid(-x), 1, rtol=1e-15)
    np.testing.assert_allclose(ops.leaky_relu(x), ops.relu(x) - 0.01 * ops.relu(-x), rtol=1e-15)


def test_subnormal_numbers_are_not_flushed(dtype):
    tiny = np.array([np.finfo(dtype).smallest_subnormal], dtype)
    assert ops.relu(tiny) == ops.identity(tiny) == tiny > 0


# --- penalties and updates -------------------------------------------------------------------


def test_penalty_gradient_at_zero_is_zero(dtype):
    assert not ops.penalty(np.zeros(3, dtype), l1=1.0, l2=1.0)[1].any()


@pytest.mark.parametrize("name", cases.OPTIMISERS)
def test_optimisers_stay_with_the_reference_for_ten_steps(name, isa, dtype, rng, agree):
    optimiser = cases.OPTIMISERS[name].made
    state = np.zeros((1 + optimiser.n_moments, 4, 5), dtype)
    state[0] = rng.standard_normal((4, 5))
    double = state.astype(float)
    for t in range(1, 11):
        grad = rng.standard_normal((4, 5)).astype(dtype)
        for module, (param, *moments), g in (
            (ops, state, grad),
            (_reference, double, grad.astype(float)),
        ):
            cases.update(module, optimiser, param, g, moments, t, l1=0.001, l2=0.01)
    agree([state], [double], dtype)


@pytest.mark.parametrize("how", ["read-only", "Fortran order", "steps", "misaligned"])
@pytest.mark.parametrize(("op", "name"), CHANGED)
def test_what_is_changed_in_place_must_be_in_order(op, name, how, arguments):
    given_arguments = arguments(op)
    array = given_arguments[name]
    if how == "read-only":
        array.flags.writeable = False
    else:
        memory = np.zeros(2 * array.nbytes + 1, np.uint8)
        given_arguments[name] = {
            "Fortran order": np.asfortranarray(array),
            "steps": memory[:-1].view(float).reshape(6, 14)[:, ::2],
            "misaligned": memory[1:].view(float).reshape(12, 7)[:6],
        }[how]
    before = {k: np.array(v) for k, v in given_arguments.items()}
    with pytest.raises(ValueError, match=f"{name} must be writable and in C order"):
        getattr(ops, op)(**given_arguments)
    for k, v in before.items():
        np.testing.assert_array_equal(given_arguments[k], v)


@pytest.mark.parametrize(("op", "name"), CHANGED)
def test_what_is_changed_in_place_must_not_overlap(op, name, arguments):
    for other in {*OPS[op].state, "grad"} - {name}:
        given_arguments, memory = arguments(op), np.zeros(43)
        given_arguments[name] = memory[1:].reshape(6, 7)
        given_arguments[other] = memory[:-1].reshape(6, 7)
        with pytest.raises(ValueError, match="must not share memory") as error:
            getattr(ops, op)(**given_arguments)
        assert name in str(error.value)
        assert other in str(error.value)
        assert not memory.any()


# --- batch normalisation ---------------------------------------------------------------------


@pytest.mark.parametrize("h", [1, 16, 50, 300])
def test_batch_norm_of_any_width(h, isa, dtype, rng, agree):
    x, dout = rng.standard_normal((2, 40, h)).astype(dtype)
    gamma, beta = rng.standard_normal((2, h)).astype(dtype)
    double = [a.astype(float) for a in (x, gamma, beta, dout)]
    agree([ops.batch_norm(x, gamma, beta)], [_reference.batch_norm(*double[:3])], dtype)
    found = ops.batch_norm_backward(dout, x, gamma)
    agree(found, _reference.batch_norm_backward(double[3], *double[:2]), dtype)


def test_batch_norm_backward_is_the_derivative(isa, rng, derivative):
    known = OPS["batch_norm"].arguments(rng, settings={"mean": None, "variance": None})
    dout = rng.standard_normal(known["x"].shape)
    gradients = ops.batch_norm_backward(dout, known["x"], known["gamma"])
    for by, gradient in zip(("x", "gamma", "beta"), gradients, strict=True):
        numerical = derivative(outcome("batch_norm", known, by, dout), known[by])
        np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-8)


def test_batch_norm_of_rows_that_are_alike_is_beta(dtype):
    x, beta = np.full((5, 3), 0.1, dtype), np.array([1, 2, 3], dtype)
    for rows in (x, x[:1]):
        out = ops.batch_norm(rows, np.ones(3, dtype), beta)
        np.testing.assert_allclose(out, beta + 0 * rows, rtol=1e-3)
        assert not ops.batch_norm_backward(np.ones_like(rows), rows, beta)[0].any()


# --- masks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
def test_dropout_sets_a_share_to_zero_and_keeps_the_mean(rate, dtype, isa):
    x = np.ones((700, 301), dtype)
    found = ops.dropout(x, rate=rate, seed=3, step=4, layer=5)
    deviation = np.sqrt(rate * (1 - rate) / x.size)
    assert (found == 0).mean() == pytest.approx(rate, abs=5 * deviation)
    assert found.mean() == pytest.approx(1, abs=5 * deviation / (1 - rate))
    assert np.unique(found).tolist() == np.array([0, 1 / (1 - rate)], dtype).tolist()
    for axis in (0, 1):  # no row and no unit is favoured
        shares = (found == 0).mean(axis=axis)
        n = x.shape[axis]
        assert np.abs(shares - rate).max() < 5.5 * np.sqrt(rate * (1 - rate) / n)


@pytest.mark.parametrize("by", ["seed", "step", "layer", "row", "unit"])
def test_what_dropout_drops_once_tells_nothing_of_what_it_drops_else(by):
    x = np.ones((513, 513))
    place = {"seed": 3, "step": 4, "layer": 5}
    one = ops.dropout(x, rate=0.5, **place) > 0
    if by in place:
        one, other = one, ops.dropout(x, rate=0.5, **place | {by: place[by] + 1}) > 0
    else:
        one, other = (one[1:], one[:-1]) if by == "row" else (one[:, 1:], one[:, :-1])
    assert (one == other).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(other.size))


def test_dropout_of_nothing_and_of_some_rows(dtype, isa, rng):
    x = rng.standard_normal((300, 37)).astype(dtype)
    assert ops.dropout(x, rate=0, seed=3).tobytes() == x.tobytes()
    whole = ops.dropout(x, rate=0.5, seed=3)
    assert ops.dropout(x[:7], rate=0.5, seed=3).tobytes() == whole[:7].tobytes()
    assert ops.dropout(x[:, :9], rate=0.5, seed=3).tobytes() == whole[:, :9].tobytes()


def test_dropout_of_the_largest_numbers(dtype):
    place = {"seed": 2**63 - 1, "step": 2**63 - 1, "layer": 2**63 - 1}
    x = np.ones((20, 30), dtype)
    expected = _reference.dropout(x, rate=0.5, **place)
    assert ops.dropout(x, rate=0.5, **place).tobytes() == expected.tobytes()
    assert set(np.unique(ops.dropout(x, rate=np.nextafter(1, 0), **place))) == {0}
