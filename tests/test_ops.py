"""fastdl.ops against the NumPy reference, against differences, and at the edges of the numbers."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fastdl import _kernels, _reference, ops

ROWS = (1, 255, 256, 257, 513)  # around _kernels.BLOCK_ROWS
ACTIVATIONS = sorted(_kernels.ACTIVATIONS)
THREADED = [
    op for op in ops.__all__ if "n_threads" in inspect.signature(getattr(ops, op)).parameters
]
LOSSES = ("softmax_cross_entropy", "hinge", "sigmoid_cross_entropy", "mse", "accuracy")
OTHERS = [op for op in ops.__all__ if op not in LOSSES]
SPECIAL = (np.nan, np.inf, -np.inf)
floats = st.floats(-1e3, 1e3)


# --- every op --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", ROWS)
@pytest.mark.parametrize("op", ops.__all__)
def test_agrees_with_the_reference(op, n, dtype, arguments, call, as_double, agree):
    given_arguments = arguments(op, n, dtype)
    expected = call(_reference, op, as_double(given_arguments))
    agree(call(ops, op, given_arguments), expected, dtype)


@pytest.mark.parametrize("op", ops.__all__)
def test_results_have_the_dtype_of_the_arguments(op, dtype, arguments, call):
    for result in call(ops, op, arguments(op, dtype=dtype)):
        assert isinstance(result, float) or result.dtype == dtype


@pytest.mark.parametrize("op", THREADED)
def test_bits_do_not_depend_on_threads(op, dtype, arguments, call):
    given_arguments = arguments(op, 1025, dtype)
    one = call(ops, op, given_arguments | {"n_threads": 1})
    for n_threads in (2, 3, None):
        other = call(ops, op, given_arguments | {"n_threads": n_threads})
        assert [np.asarray(a).tobytes() for a in one] == [np.asarray(a).tobytes() for a in other]


@pytest.mark.parametrize("op", [op for op in ops.__all__ if not op.endswith("_update")])
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


@pytest.mark.parametrize("value", [*SPECIAL, "large", "-large", "tiny"])
@pytest.mark.parametrize("op", ops.__all__)
def test_special_numbers_give_the_class_that_numpy_gives(
    op, value, dtype, arguments, call, as_double
):
    large = np.sqrt(np.finfo(dtype).max) / 8  # its square does not overflow
    tiny = np.finfo(dtype).smallest_subnormal
    bad = {"large": large, "-large": -large, "tiny": tiny}.get(value, value)
    arrays = [k for k, v in arguments(op).items() if isinstance(v, np.ndarray) and v.dtype == float]
    for name in arrays:
        if name == "sample_weight" or (name == "targets" and value in SPECIAL):
            continue  # refused: test_bad_input.py
        given_arguments = arguments(op, dtype=dtype)
        given_arguments[name].flat[::3] = bad
        with np.errstate(all="ignore"):
            expected = call(_reference, op, as_double(given_arguments))
            expected = [np.asarray(e).astype(dtype) for e in expected]
        for a, e in zip(call(ops, op, given_arguments), expected, strict=True):
            np.testing.assert_array_equal(classes(a), classes(e), err_msg=f"{name} = {bad}")


@pytest.mark.parametrize("shape", [(0, 7), (6, 0), (0, 0)])
@pytest.mark.parametrize("op", OTHERS)
def test_nothing_gives_nothing_of_the_right_shape(op, shape, arguments, call):
    def cut(value):
        if not isinstance(value, np.ndarray):
            return value
        return value[: shape[0], : shape[1]] if value.ndim == 2 else value[: shape[1]]

    given_arguments = {name: cut(value) for name, value in arguments(op).items()}
    if op == "matmul":
        given_arguments["b"] = np.zeros((shape[1], 4))
    if op == "gather":
        given_arguments["order"] = np.arange(shape[0])
    expected = call(_reference, op, given_arguments)
    for a, e in zip(call(ops, op, given_arguments), expected, strict=True):
        np.testing.assert_array_equal(a, e, strict=not isinstance(a, float))


@pytest.mark.parametrize("op", LOSSES)
def test_the_mean_of_nothing_is_refused(op, arguments, call):
    given_arguments = {
        name: value[:0] if isinstance(value, np.ndarray) else value
        for name, value in arguments(op).items()
    }
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
def test_bias_activation_agrees_with_the_reference(activation, dtype, n_threads, rng, agree):
    z, bias = 4 * rng.standard_normal((300, 9)).astype(dtype), rng.standard_normal(9).astype(dtype)
    expected = _reference.bias_activation(z.astype(float), bias.astype(float), activation)
    actual = ops.bias_activation(z, bias, activation, n_threads=n_threads)
    agree([actual], [expected], dtype)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bias_activation_backward_is_the_derivative(activation, rng, derivative):
    z, bias, dout = rng.standard_normal((4, 6)), rng.standard_normal(6), rng.standard_normal((4, 6))
    z[np.abs(z + bias) < 1e-3] += 0.1  # away from the kink
    out = ops.bias_activation(z, bias, activation)
    dz, dbias = ops.bias_activation_backward(dout, out, activation)
    numerical = derivative(lambda z: (dout * ops.bias_activation(z, bias, activation)).sum(), z)
    np.testing.assert_allclose(dz, numerical, rtol=1e-6, atol=1e-9)
    numerical = derivative(lambda b: (dout * ops.bias_activation(z, b, activation)).sum(), bias)
    np.testing.assert_allclose(dbias, numerical, rtol=1e-6, atol=1e-9)


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


def test_penalty_gradient_is_the_derivative(rng, derivative):
    weight = rng.standard_normal((5, 4))
    _, dweight = ops.penalty(weight, l1=0.3, l2=0.7)
    numerical = derivative(lambda w: ops.penalty(w, l1=0.3, l2=0.7)[0], weight)
    np.testing.assert_allclose(dweight, numerical, rtol=1e-6)


def test_penalty_gradient_at_zero_is_zero(dtype):
    assert not ops.penalty(np.zeros(3, dtype), l1=1.0, l2=1.0)[1].any()


@pytest.mark.parametrize(
    ("op", "moments", "settings"),
    [
        ("sgd_update", (), {}),
        ("momentum_update", ("velocity",), {"momentum": 0.9}),
        ("momentum_update", ("velocity",), {"momentum": 0.9, "nesterov": True}),
        ("adam_update", ("mean", "square"), {}),
    ],
)
def test_optimisers_stay_with_the_reference_for_ten_steps(op, moments, settings, dtype, rng, agree):
    state = {name: np.zeros((4, 5), dtype) for name in ("param", *moments)}
    state["param"][...] = rng.standard_normal((4, 5))
    double = {name: value.astype(float) for name, value in state.items()}
    settings = settings | {"learning_rate": 0.1, "l1": 0.001, "l2": 0.01}
    for t in range(1, 11):
        grad = rng.standard_normal((4, 5)).astype(dtype)
        more = {"t": t} if op == "adam_update" else {}
        getattr(ops, op)(grad=grad, **state, **settings, **more)
        getattr(_reference, op)(grad=grad.astype(float), **double, **settings, **more)
    agree(state.values(), double.values(), dtype)


UPDATES = {
    "sgd_update": ["param"],
    "momentum_update": ["param", "velocity"],
    "adam_update": ["param", "mean", "square"],
}
CHANGED = [(op, name) for op, names in UPDATES.items() for name in names]


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
    for other in {*UPDATES[op], "grad"} - {name}:
        given_arguments, memory = arguments(op), np.zeros(43)
        given_arguments[name] = memory[1:].reshape(6, 7)
        given_arguments[other] = memory[:-1].reshape(6, 7)
        with pytest.raises(ValueError, match="must not share memory") as error:
            getattr(ops, op)(**given_arguments)
        assert name in str(error.value)
        assert other in str(error.value)
        assert not memory.any()
