"""What docs/promises.md says of numbers, on every instruction set that this machine has."""

import inspect
import itertools

import numpy as np
import pytest

from fastdl import _kernels, _reference, losses, ops
from tests import cases, nightly
from tests.fresh import run_python

CHUNK = 2**22  # numbers at once
SAMPLES = nightly.count(2**20, 2**24)
MANY = 10_000_000  # rows whose sum must still be right

pytestmark = [pytest.mark.timeout(nightly.count(300, 7200)), pytest.mark.usefixtures("isa")]


def bit_patterns(last, step):
    """Every step-th float32 from zero to ``last``, a chunk at a time."""
    end = int(np.float32(last).view(np.uint32)) + 1
    for start in range(0, end, CHUNK * step):
        stop = min(end, start + CHUNK * step)
        yield np.arange(start, stop, step, dtype=np.uint32).view(np.float32)


def magnitudes(dtype, last):
    """Positive numbers over the whole range, in the nightly form every float32 there is."""
    if dtype == np.float32:
        yield from bit_patterns(last, nightly.count(1021, 1))
    else:
        yield np.geomspace(np.finfo(dtype).smallest_subnormal, last, SAMPLES)
        yield np.linspace(0, last, SAMPLES)


def row_losses(name, logits, labels):
    out = np.empty(len(logits))
    _kernels.row_losses(
        _kernels.LOSSES[name], logits, labels.astype(np.intc), None, losses.get(name).numbers, out
    )
    return out


def ulps(actual, exact):
    """The greatest distance in units of the last place of the exact numbers."""
    spacing = np.spacing(np.abs(exact).astype(actual.dtype)).astype(exact.dtype)
    return float((np.abs(actual.astype(exact.dtype) - exact) / spacing).max())


# --- the exponential, and what is made of it -------------------------------------------------


def exponential(x):
    """exp(-x) for x >= 0 as the loss takes it: log(1 + exp(-x)) is the loss of logits -x and 0."""
    logits = np.zeros((len(x), 2), x.dtype)
    logits[:, 0] = -x
    return np.expm1(row_losses("softmax_cross_entropy", logits, np.ones(len(x))))


WIDER = {"float32": np.float64, "float64": np.longdouble}  # a chunk of doubles is exact enough


def worst(function, exact, dtype, last, signs=(1,)):
    """The most ULPs between a function and the exact one, and how many numbers were tried."""
    most, tried = 0.0, 0
    for x in magnitudes(dtype, last):
        for sign in signs:
            wide = (sign * x).astype(WIDER[dtype.name])
            most = max(most, ulps(function(sign * x), exact(wide).astype(wide.dtype)))
            tried += len(x)
    return most, tried


def test_the_exponential_of_the_loss_is_within_4_ulps(dtype, isa):
    last = 104 if dtype == np.float32 else 746  # beyond them it is zero
    most, tried = worst(lambda x: exponential(x).astype(dtype), lambda x: np.exp(-x), dtype, last)
    nightly.report(f"exponential, {dtype}, {isa}", inputs=tried, ulps=most)
    assert most <= 4


@pytest.mark.parametrize(("name", "exact"), [
    ("sigmoid", lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x)))),
    ("tanh", np.tanh),
])  # fmt: skip
def test_sigmoid_and_tanh_are_within_4_ulps(name, exact, dtype, isa):
    last = 104 if dtype == np.float32 else 746
    most, tried = worst(getattr(ops, name), exact, dtype, last, signs=(1, -1))
    nightly.report(f"{name}, {dtype}, {isa}", inputs=tried, ulps=most)
    assert most <= 4


def exact_cross_entropy(logits, labels):
    """Each row's loss and softmax - onehot in float64, with every digit of a small loss."""
    rows = np.arange(len(labels))
    ahead = logits.astype(float) - logits[rows, labels].astype(float)[:, None]
    most = ahead.max(axis=1, keepdims=True)
    shares = np.exp(ahead - most)
    own, shares[rows, labels] = shares[rows, labels], 0
    others = shares.sum(axis=1)
    gradient = shares / (others + own)[:, None]
    gradient[rows, labels] = -others / (others + own)
    small = np.log1p(others)
    return np.where(most[:, 0] == 0, small, most[:, 0] + np.log(others + own)), gradient


@pytest.mark.parametrize("k", [2, 10])
@pytest.mark.parametrize("largest", [1, 30, 87, 1e4, 1e30])
def test_softmax_cross_entropy_is_within_a_millionth(largest, k, isa, rng):
    n = SAMPLES // 16
    logits = (largest * rng.uniform(-1, 1, (n, k))).astype(np.float32)
    labels = np.where(rng.random(n) < 0.5, logits.argmax(axis=1), rng.integers(0, k, n))
    found = row_losses("softmax_cross_entropy", logits, labels)
    exact, gradient = exact_cross_entropy(logits, labels)
    least = np.finfo(np.float32).tiny  # where the exponential leaves the normal numbers
    relative = np.abs(found - exact) / np.maximum(exact, least)
    normal = exact >= least
    most = float(relative[normal].max(initial=0))
    nightly.report(f"cross-entropy up to {largest:g}, {k} classes, {isa}", inputs=n, relative=most)
    assert most <= 1e-6
    assert (relative[~normal] <= 1).all()
    mean, dlogits = ops.softmax_cross_entropy(logits, labels)
    assert mean == pytest.approx(exact.mean(), rel=1e-6, abs=float(least))
    np.testing.assert_allclose(dlogits.astype(float) * n, gradient, rtol=1e-6, atol=1e-6)


# --- exactly ---------------------------------------------------------------------------------


def test_relu_is_exact(isa):
    tried = 0
    for magnitude in bit_patterns(np.inf, nightly.count(1021, 1)):
        for x in (magnitude, -magnitude):
            tried += len(x)
            np.testing.assert_array_equal(ops.relu(x), np.maximum(x, 0))
            np.testing.assert_array_equal(ops.relu_backward(x, x), np.where(x > 0, x, 0))
    nightly.report(f"relu, {isa}", inputs=tried)


@pytest.mark.parametrize("k", [2, 10])
def test_hinge_is_exact(k, dtype, rng):
    """Of numbers whose differences and sums can be written exactly, so in whatever order."""
    n = 2**14
    logits = (rng.integers(-(2**12), 2**12, (n, k)) / 2**8).astype(dtype)
    labels = rng.integers(0, k, n)
    loss, dlogits = ops.hinge(logits, labels, margin=0.75)
    expected, gradient = _reference.hinge(logits.astype(float), labels, margin=0.75)
    assert loss == expected
    np.testing.assert_array_equal(dlogits, gradient)


# --- special numbers -------------------------------------------------------------------------


def specials(dtype):
    info = np.finfo(dtype)
    tiny, least = info.tiny, info.smallest_subnormal
    large = np.sqrt(info.max) / 8  # its square does not overflow
    return np.array([np.nan, np.inf, -np.inf, 0, least, least - tiny, 1, large, -large], dtype)


def tuples(dtype, length):
    """Every tuple of special numbers, (n, length)."""
    return np.array(list(itertools.product(specials(dtype), repeat=length)), dtype)


def classes(x):
    """NaN, each infinity, subnormal with its sign, or 0 for any other number."""
    x = np.asarray(x)
    subnormal = (x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)
    return np.select([np.isnan(x), np.isinf(x), subnormal], [3, np.sign(x), 10 * np.sign(x)], 0)


def assert_same_classes(op, call, *arguments, **settings):
    """An op and its NumPy twin on the same arguments, in their own dtype."""
    with np.errstate(all="ignore"):
        expected = call(_reference, op, dict(*arguments, **settings))
    for a, e in zip(call(ops, op, dict(*arguments, **settings)), expected, strict=True):
        np.testing.assert_array_equal(classes(a), classes(e))


@pytest.mark.parametrize("activation", _kernels.ACTIVATIONS)
def test_activations_of_special_numbers_are_those_of_numpy(activation, dtype, call):
    x, y = tuples(dtype, 2).T.copy()
    assert_same_classes(activation, call, x=x)
    by = "x" if activation in _kernels.BY_INPUT else "out"
    assert_same_classes(f"{activation}_backward", call, **{"dout": x, by: y})
    for bias in specials(dtype):
        z, biases = x[:, None], np.array([bias])
        assert_same_classes("bias_activation", call, z=z, bias=biases, activation=activation)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_losses_of_special_numbers_are_those_of_numpy(name, dtype, call):
    """Row by row: in a mean one NaN would hide the others."""
    three = np.array(nightly.pairs(*[specials(dtype)] * 3))
    for row in [*three[:, None], *np.tile(tuples(dtype, 2)[:, None], (9, 1))]:
        outputs, y = list(inspect.signature(getattr(ops, name)).parameters)[:2]
        right = np.ones(len(row), int) if y == "labels" else np.ones_like(row)
        assert_same_classes(name, call, **{outputs: row, y: right})


def test_softmax_of_special_numbers_is_that_of_numpy(dtype, call):
    assert_same_classes("softmax", call, logits=tuples(dtype, 3))


@pytest.mark.parametrize("op", [op for op, row in cases.OPS.items() if row.state])
def test_updates_by_special_numbers_are_those_of_numpy(op, dtype, call):
    param, grad = tuples(dtype, 2).T.copy()
    moments = {name: np.ones_like(param) for name in cases.OPS[op].state}
    settings = {"learning_rate": 0.5, "l1": 0.25, "l2": 0.5}
    settings |= {"t": 1} if "t" in cases.OPS[op].settings else {}
    assert_same_classes(op, call, **moments | {"param": param, "grad": grad}, **settings)


DENORMALS = """
import threading
import numpy as np
import fastdl as fd

least = 5e-324
x = np.full((4096, 8), least)

def check():
    assert least * 1.0 == least > 0 and 2.2e-308 / 4 == 5.5e-309
    for n_threads in (1, 2):
        sums = fd.ops.bias_activation(x, np.zeros(8), "identity", n_threads=n_threads)
        assert (sums == least).all()

check()
fd.Trainer(fd.Network([8, 300, 2]), fd.SGD(0.1), n_threads=2).fit(x, np.zeros(4096, int))
check()
errors = []
threading.excepthook = errors.append
thread = threading.Thread(target=check)
thread.start()
thread.join()
assert not errors, errors
"""


def test_denormal_numbers_exist_in_every_thread(isa):
    """Also in those of a call: code built with -ffast-math would flush them to zero."""
    run_python(DENORMALS, FASTDL_ISA=isa)


# --- sums over many rows ---------------------------------------------------------------------


@pytest.fixture(scope="module", params=["random", "constant"])
def many(request):
    """Positive numbers (n, 1): a running sum of constants errs to one side."""
    rng = np.random.default_rng(1)
    if request.param == "random":
        return rng.random((MANY, 1), np.float32)
    return np.full((MANY, 1), 0.1, np.float32)


def test_sums_over_ten_million_rows_are_within_a_millionth(many):
    total = float(many.sum(dtype=float))
    _, dbias = ops.bias_activation_backward(many, many, "identity")
    assert dbias[0] == pytest.approx(total, rel=1e-6)
    mean_square, _ = ops.mse(many, np.zeros_like(many))
    assert mean_square == pytest.approx(np.square(many, dtype=float).mean(), rel=1e-6)
    cost, _ = ops.penalty(many, l1=1.0)
    assert cost == pytest.approx(total, rel=1e-6)
