"""_epoch.pyx: whole epochs and evaluations do what plain NumPy does in float64, in the same bits
for any number of threads."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import fastdl as fd
from fastdl import _kernels, _memory, _reference, losses
from fastdl._epoch import Batches, Workspace, often_sparse
from fastdl.data import data_sets, rows_of_fit
from fastdl.layers import without_masks
from fastdl.network import answering, core_of
from fastdl.parameters import is_running
from fastdl.state import State
from tests import cases, nightly
from tests.cases import ACTIVATIONS

OPTIMISERS = {name: row.made for name, row in cases.OPTIMISERS.items()}
WIDTHS = {
    "one narrow layer": [7, 5],
    "one wide layer": [20, 150],
    "one input and two outputs": [1, 2],
    "narrow, narrow": [33, 16, 10],
    "a few by unit": [20, 12, 3],
    "wide, narrow": [130, 200, 10],
    "inputs of three pieces": [600, 65, 4],
    "narrow and long": [300, 20, 10],
    "narrow and long, hidden": [64, 300, 20, 5],
    "multiples of 64": [128, 64, 128, 64],
    "multiples of 64, by unit": [256, 16, 192, 10],
    "a weight larger than the cache": [520, 520, 5],
    "three layers": [40, 17, 130, 3],
    "batches of several slices": [4000, 10],
    "batches of several slices, wide": [4000, 50, 4],
}
DTYPES = ("float32", "float64")
BATCHES = {  # rows, batch_size, drop_last
    "last one partial": (40, 16, False),
    "last one dropped": (40, 16, True),
    "none partial": (48, 16, True),
    "of one tile": (1024, 512, False),
    "of three tiles": (1500, 1300, False),
    "larger than the data": (40, 100, False),
    "of one row": (9, 1, False),
    "one row in all": (1, 16, False),
}


class Oracle:
    """A network and its training in plain NumPy and float64, the batches in order."""

    def __init__(self, network, optimiser=None, clip_norm=np.inf):
        self.network, self.optimiser, self.t = network, optimiser, 0
        self.clip_norm, self.n_clipped = clip_norm, 0
        self.seed = None  # of masks, where they are on
        self.by_batch = False  # norms: else by their running values
        every = {name: p.astype(float) for name, p in network.parameters.items()}
        self.parameters = [p for name, p in every.items() if not is_running(name)]
        self.running = [p for name, p in every.items() if is_running(name)]
        self.all = list(every.values())
        self.moments = [[np.zeros_like(p) for p in self.parameters] for _ in range(2)]
        self.trained = without_masks(network.layers)

    def outputs(self, x):
        """What the first layer sees, then what every layer gives; by: what the way back needs."""
        network = self.network
        scaling = network.scaling
        if scaling is None and x.dtype == np.uint8:
            scaling = fd.Scaling.divided(x.shape[1])
        result = [x.astype(float)]
        if scaling is not None:
            result = [(result[0] - scaling.shift) * scaling.scale]
        self.by = []
        parameters, running, self.of_batch = iter(self.parameters), iter(self.running), []
        for i, layer in enumerate(network.layers):
            if isinstance(layer, fd.Dropout):
                result.append(self.masked(i, result[-1]))
                self.by.append(None)
                continue
            x, weight, bias = result[-1], next(parameters), next(parameters)
            if isinstance(layer, fd.Dense):
                z = _reference.matmul(x, weight)
            else:
                moments = x.mean(axis=0), x.var(axis=0)
                self.of_batch += moments
                used = moments if self.by_batch else (next(running), next(running))
                z = _reference.batch_norm(x, weight, 0 * bias, *used, epsilon=layer.epsilon)
            result.append(_reference.bias_activation(z, bias, layer.activation))
            self.by.append(z + bias if layer.activation in _kernels.BY_INPUT else result[-1])
        return result

    def masked(self, i, x):
        """Rows, or their gradient, times the factors of layer i in this step."""
        layer = self.network.layers[i]
        rate = layer.rate if self.seed is not None else 0
        place = {"seed": self.seed or 0, "step": max(0, self.t - 1), "layer": i}
        return getattr(_reference, layer.name)(x, rate=rate, **place)

    def loss(self, outputs, y):
        loss = self.network.loss_function
        y = y if loss.y == "labels" else y.astype(float)
        return getattr(_reference, loss.name)(outputs, y, **loss.settings)

    def gradients(self, x, y):
        self.by_batch = True
        outputs = self.outputs(x)
        self.by_batch = False
        dout, result, weights = self.loss(outputs[-1], y)[1], [], self.parameters[::2]
        for i, layer in reversed(list(enumerate(self.network.layers))):
            if isinstance(layer, fd.Dropout):
                dout = self.masked(i, dout)
                continue
            dz, db = _reference.bias_activation_backward(dout, self.by[i], layer.activation)
            if isinstance(layer, fd.Dense):
                result[:0] = [_reference.matmul(outputs[i], dz, transpose_a=True), db]
                dout = _reference.matmul(dz, weights.pop(), transpose_b=True)
            else:
                of = dz, outputs[i], weights.pop()
                dout, *gradients = _reference.batch_norm_backward(*of, epsilon=layer.epsilon)
                result[:0] = gradients
        return result

    def step(self, x, y):
        self.t += 1
        gradients = self.gradients(x, y)
        for i, layer in enumerate(self.trained):
            if isinstance(layer, fd.Dense):
                weight = self.parameters[2 * i]
                gradients[2 * i] += _reference.penalty(weight, l1=layer.l1, l2=layer.l2)[1]
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        self.n_clipped += norm > self.clip_norm
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            clipped = g * min(1.0, self.clip_norm / norm) if norm else g
            moments = [m[i] for m in self.moments]
            free = bool(i % 2) or isinstance(self.trained[i // 2], fd.BatchNorm)
            cases.update(_reference, self.optimiser, p, clipped, moments, self.t, free)
        norms = [each for each in self.trained if isinstance(each, fd.BatchNorm)]
        for i, (running, batch) in enumerate(zip(self.running, self.of_batch, strict=True)):
            keep = norms[i // 2].momentum
            running[...] = keep * running + (1 - keep) * batch

    def fit(self, x, y, batch_size, epochs=2, drop_last=False):
        stop = len(x) // batch_size * batch_size if drop_last else len(x)
        for _ in range(epochs):
            for start in range(0, stop, batch_size):
                self.step(x[start : start + batch_size], y[start : start + batch_size])


def make(widths, loss="softmax_cross_entropy", activation="tanh", dtype="float64", **settings):
    """A network with an l1 and an l2 of its own on every layer, and biases that are not zero."""
    layers = [
        fd.Dense(d, h, activation, l1=0.001 * i, l2=0.01 / (i + 1))
        for i, (d, h) in enumerate(pairwise(widths))
    ]
    layers[-1] = fd.Dense(*widths[-2:], cases.last_activation(loss), l2=0.003)
    network = fd.Network(layers, loss=loss, dtype=dtype, seed=5, **settings)
    for i, view in enumerate(network.parameters.values()):
        if i % 2:
            view[...] = np.linspace(-0.3, 0.2, len(view))
    return network


def data(network, n, rng):
    """Rows, and labels or targets."""
    d, k = network.layers[0].d, network.layers[-1].h
    x = rng.standard_normal((n, d)).astype(network.dtype)
    return x, cases.wanted(network.loss, rng, n, k, network.dtype)


def agrees_after_training(
    network, optimiser, x, y, agree, batch_size, drop_last=False, clip_norm=None
):
    oracle = Oracle(network, optimiser, clip_norm or np.inf)
    trainer = fd.Trainer(
        network, optimiser, batch_size=batch_size, drop_last=drop_last, shuffle=None,
        clip_norm=clip_norm,
    )  # fmt: skip
    oracle.seed = State.first(core_of(network).flat, 0, trainer.seed).shuffling.stream
    trainer.fit(x, y, epochs=2, record=None)
    oracle.fit(x, y, batch_size, drop_last=drop_last)
    agree(network.parameters.values(), oracle.all, network.dtype)
    return oracle


# --- training is what NumPy does -------------------------------------------------------------


def together(names, *factors):
    """Cases in which any two values of two factors meet, instruction sets and dtypes among them."""
    return pytest.mark.parametrize(
        names,
        nightly.pairs(*factors),
        indirect=[name for name in ("isa", "dtype") if name in names],
    )


@together(
    ("loss", "activation", "optimiser", "dtype"), losses.LOSSES, ACTIVATIONS, OPTIMISERS, DTYPES
)
def test_every_loss_activation_and_optimiser(loss, activation, optimiser, dtype, rng, agree):
    network = make([7, 9, 5], loss, activation, dtype)
    x, y = data(network, 40, rng)
    x *= cases.SIZE_OF_ROWS.get(activation, 1)
    agrees_after_training(network, OPTIMISERS[optimiser], x, y, agree, 16)


@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS)
def test_any_widths_on_any_instruction_set(widths, isa, dtype, rng, agree):
    network = make(widths, dtype=dtype)
    x, y = data(network, 150, rng)
    agrees_after_training(network, OPTIMISERS["nesterov"], x, y, agree, 64)


def test_one_input_and_one_output(isa, dtype, rng, agree):
    network = make([1, 1], "mse", dtype=dtype)
    x, y = data(network, 150, rng)
    agrees_after_training(network, OPTIMISERS["nesterov"], x, y, agree, 64)


@pytest.mark.parametrize("widths", [[128, 64, 128, 64], [300, 129, 10]])
def test_what_lies_between_the_rows_of_the_workspace_is_not_read(
    widths, isa, dtype, rng, agree, monkeypatch
):
    def empty(size, dtype):
        return np.full(size, np.nan, dtype)

    network = make(widths, dtype=dtype)
    monkeypatch.setattr(_memory, "empty", empty)
    x = mostly_zero(rng, 150, widths[0], dtype)
    agrees_after_training(network, OPTIMISERS["sgd"], x, np.arange(150) % 10, agree, 64)
    assert np.isfinite(network.logits(x)).all()


@pytest.mark.parametrize("batch_size", [20, 40])  # without and with transposed weights
def test_the_rows_of_a_fit_s_largest_batch_decide_how_it_sums(batch_size, isa, dtype, rng, agree):
    network = make([40, 17, 130, 3], dtype=dtype)
    x, y = data(network, 87, rng)
    agrees_after_training(network, OPTIMISERS["momentum"], x, y, agree, batch_size)
    found = set()
    for record in (None, 1, 2, "epoch"):
        network = make([40, 17, 130, 3], dtype=dtype)
        fd.Trainer(network, OPTIMISERS["momentum"], batch_size=batch_size).fit(
            x, y, epochs=2, record=record
        )
        found.add(network.logits(x).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize(("n", "batch_size", "drop_last"), BATCHES.values(), ids=BATCHES)
def test_batches_of_any_size(n, batch_size, drop_last, optimiser, dtype, rng, agree):
    network = make([33, 16, 10], dtype=dtype)
    x, y = data(network, n, rng)
    agrees_after_training(network, OPTIMISERS[optimiser], x, y, agree, batch_size, drop_last)


@pytest.mark.parametrize("widths", [[100, 100, 90, 3], [300, 400, 20, 5], [70, 33, 17, 2]])
@together(
    ("batch_size", "optimiser", "isa", "dtype"),
    [1, 3, 10, 16, 17], ["sgd", "momentum"], _kernels.ISAS, DTYPES,
)  # fmt: skip
def test_batches_of_a_few_rows(widths, batch_size, optimiser, isa, dtype, rng, agree):
    network = make(widths, dtype=dtype)
    x, y = data(network, 2 * batch_size + 1, rng)
    agrees_after_training(network, OPTIMISERS[optimiser], x, y, agree, batch_size)


@pytest.mark.parametrize("batch_size", [6, 10, 16])
@pytest.mark.parametrize("widths", [[100, 100, 90, 3], [40, 70, 130, 100, 4]])
def test_steps_that_are_folded_into_the_gradient_of_weights_with_a_transposed_copy(
    widths, batch_size, isa, dtype, rng, agree
):
    """Plain SGD without an l1 folds; a hidden layer of at most 16 units a row has the copy."""
    network = make(widths, dtype=dtype)
    network.set_penalty(l1=0.0)
    x, y = data(network, 4 * batch_size + 1, rng)
    agrees_after_training(network, OPTIMISERS["sgd"], x, y, agree, batch_size)


# --- a gradient whose norm has a bound -------------------------------------------------------


@together(  # of which all batches are clipped, some, or none
    ("bound", "optimiser", "isa", "dtype"), [0.02, 1.0, 1e6], OPTIMISERS, _kernels.ISAS, DTYPES
)
def test_a_bound_of_the_gradient_s_norm(bound, optimiser, isa, dtype, rng, agree):
    network = make([7, 9, 5], dtype=dtype)
    x, y = data(network, 100, rng)
    x[::16] *= 4
    oracle = agrees_after_training(network, OPTIMISERS[optimiser], x, y, agree, 8, clip_norm=bound)
    assert (oracle.n_clipped > 0) == (bound < 1e6)
    assert (oracle.n_clipped == oracle.t) == (bound == 0.02)


@together(("widths", "batch_size", "dtype"), WIDTHS, [1, 10, 64, 650], DTYPES)
def test_the_norm_is_that_of_all_parts_of_all_layers(widths, batch_size, dtype, rng, agree):
    network = make(WIDTHS[widths], dtype=dtype)
    x, y = data(network, max(2 * batch_size, 20) + 3, rng)
    oracle = agrees_after_training(
        network, OPTIMISERS["sgd"], x, y, agree, batch_size, clip_norm=0.1
    )
    assert oracle.n_clipped > 0


def test_a_bound_where_rows_are_mostly_zero(isa, dtype, rng, agree):
    x = mostly_zero(rng, 90, 300, "uint8")
    network = make([300, 129, 10], dtype=dtype, scaling=fd.Scaling.standard(x))
    y = rng.integers(0, 10, len(x))
    agrees_after_training(network, OPTIMISERS["momentum"], x, y, agree, 40, clip_norm=0.2)


@together(
    ("widths", "batch_size", "dtype"),
    [[33, 16, 10], [600, 65, 4], [4000, 50, 4]], [1, 8, 50, 650], DTYPES,
)  # fmt: skip
def test_a_bound_gives_the_same_bits_on_any_number_of_threads(widths, batch_size, dtype):
    first = everything(widths, dtype, batch_size, 1, clip_norm=0.1)
    assert first != everything(widths, dtype, batch_size, 1)
    for n_threads in (2, 3):
        assert everything(widths, dtype, batch_size, n_threads, clip_norm=0.1) == first


def test_a_gradient_that_is_not_finite_ends_a_fit_with_a_bound(dtype):
    large = 1e30 if dtype == "float32" else 1e160  # the loss is finite, its gradient's norm is not
    x, y = np.full((4, 2), large), np.zeros(4)
    network = fd.Network([2, 1], loss="mse", dtype=dtype, init=fd.init.Normal(0.0))
    network.parameters["layers.0.bias"][...] = 1e10
    before = [view.copy() for view in network.parameters.values()]
    trainer = fd.Trainer(network, fd.SGD(0.0), clip_norm=1.0)
    with pytest.raises(fd.DivergenceError, match="got inf at epoch 1, step 1"):
        trainer.fit(x, y)
    for view, old in zip(network.parameters.values(), before, strict=True):
        np.testing.assert_array_equal(view, old)


@pytest.mark.filterwarnings("ignore:.*last layer of sigmoid")
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_outputs_with_an_activation_and_losses_with_settings(loss, dtype, rng, agree):
    last = cases.last_activation(loss, "sigmoid")
    layers = [fd.Dense(6, 20, "leaky_relu", l2=0.01), fd.Dense(20, 4, last, l1=0.01)]
    network = fd.Network(layers, loss=cases.made(loss), dtype=dtype)
    x, y = data(network, 50, rng)
    agrees_after_training(network, OPTIMISERS["sgd"], x, y, agree, 20)


def assert_order_alone_counts(widths, x, y, batch_size, dtype):
    """The same bits of rows that a fit shuffles and of those that lie so."""
    order = np.random.default_rng(8).permutation(len(x))
    trained = []
    for rows, labels, shuffle in ((x, y, "rows"), (x[order], y[order], None)):
        network = make(widths, dtype=dtype)
        fd.Trainer(network, fd.SGD(0.1), batch_size=batch_size, shuffle=shuffle, seed=8).fit(
            rows, labels
        )
        trained.append(network.logits(x))
    assert trained[0].tobytes() == trained[1].tobytes()


@together(
    ("kind", "widths", "size", "isa", "dtype"),
    ["uint8", "float32", "float64"], [[70, 10], [1100, 50, 3], [40, 30]],
    [(130, 40), (700, 600), (5, 1)], _kernels.ISAS, DTYPES,
)  # fmt: skip
def test_shuffled_rows_are_those_rows_in_that_order(kind, widths, size, isa, dtype, rng):
    n, batch_size = size
    whole = rng.integers(0, 256, (2 * n, widths[0])).astype(kind)
    x = (whole if kind == "uint8" else whole / np.asarray(255, kind))[::2]
    y = rng.integers(0, widths[-1], n)
    assert_order_alone_counts(widths, x, y, batch_size, dtype)


@pytest.mark.parametrize("widths", [[1100, 50, 3], [1100, 11, 3]])
def test_shuffled_rows_are_taken_where_they_lie(widths, isa, dtype, rng):
    x, y = data(make(widths, dtype=dtype), 150, rng)
    assert_order_alone_counts(widths, x, y, 64, dtype)


@together(
    ("loss", "batch_size", "shuffle", "isa", "dtype"),
    losses.LOSSES, [4, 40, 600], ["rows", "batches"], _kernels.ISAS, DTYPES,
)  # fmt: skip
def test_weights_go_with_their_rows_in_any_order(loss, batch_size, shuffle, isa, dtype, rng):
    n = 3 * batch_size
    x, y = data(make([20, 30, 4], loss), n, rng)
    weights = rng.integers(0, 8, n) / 8  # sums of these are exact in any order
    weights[0], shuffled = 1.0, np.random.default_rng(8)
    if shuffle == "rows":
        order = shuffled.permutation(n)
    else:
        order = np.arange(n).reshape(3, batch_size)[shuffled.permutation(3)].ravel()
    results = []
    for given, how in ((x, y, weights), shuffle), ((x[order], y[order], weights[order]), None):
        network = make([20, 30, 4], loss, dtype=dtype)
        trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=batch_size, shuffle=how, seed=8)
        history = trainer.fit(*given[:2], sample_weight=given[2], train_metrics="batches")
        results.append((network.logits(x).tobytes(), history["loss"].tolist()))
    assert results[0] == results[1]


STRIDES = {"in order": np.s_[::1], "every second": np.s_[::2], "backwards": np.s_[::-1]}


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("scaled", [False, True], ids=["unscaled", "scaled"])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_rows_of_any_kind_scaling_and_stride(kind, scaled, stride, dtype, rng, agree):
    whole = rng.integers(0, 256, (90, 20)).astype(kind)
    scaling = fd.Scaling.standard(whole) if scaled else None
    x = (whole if scaled or kind == "uint8" else whole / np.asarray(255, kind))[STRIDES[stride]]
    network = make([20, 30, 6], dtype=dtype, scaling=scaling)
    y = rng.integers(0, 6, len(x))
    agrees_after_training(network, OPTIMISERS["momentum"], x, y, agree, 32)


def mostly_zero(rng, n, d, kind, share=0.2):
    """Rows of pixels, a share of which is not zero; every fifth row has no zeros."""
    x = rng.integers(1, 256, (n, d)) * (rng.random((n, d)) < share)
    x[::5] = rng.integers(1, 256, x[::5].shape)
    return x.astype(kind) if kind == "uint8" else (x / 255).astype(kind)


@pytest.mark.parametrize(
    ("widths", "n", "batch_size"),
    [
        ([70, 50], 90, 40),
        ([192, 128, 10], 90, 40),
        ([300, 129, 10], 90, 40),
        ([300, 129, 10], 600, 550),  # of two tiles
    ],
)
@together(
    ("kind", "scaled", "isa", "dtype"),
    ["uint8", "float32", "float64"], [False, True], _kernels.ISAS, DTYPES,
)  # fmt: skip
def test_rows_that_are_mostly_zero(kind, scaled, widths, n, batch_size, isa, dtype, rng, agree):
    x = mostly_zero(rng, n, widths[0], kind)
    scaling = fd.Scaling.standard(x) if scaled else None
    network = make(widths, dtype=dtype, scaling=scaling)
    y = rng.integers(0, widths[-1], len(x))
    oracle = Oracle(network)
    agree([network.logits(x)], [oracle.outputs(x)[-1]], dtype)
    agrees_after_training(network, OPTIMISERS["momentum"], x, y, agree, batch_size)


@pytest.mark.parametrize("scaled", [False, True], ids=["unscaled", "scaled"])
@pytest.mark.parametrize("widths", [[64, 100, 3], [300, 53, 10]])
def test_of_rows_of_double_more_are_sparse_where_the_network_is_of_double(
    widths, scaled, isa, dtype, rng, agree
):
    x = mostly_zero(rng, 300, widths[0], "float64", 0.5)
    assert often_sparse(x, np.dtype(dtype).itemsize) == (dtype == "float64")
    assert not often_sparse(mostly_zero(rng, 300, 300, "float64", 0.75), 8)
    network = make(widths, dtype=dtype, scaling=fd.Scaling.standard(x) if scaled else None)
    y = rng.integers(0, widths[-1], len(x))
    agrees_after_training(network, OPTIMISERS["adam"], x, y, agree, 130)


@pytest.mark.parametrize("scaled", [False, True], ids=["unscaled", "scaled"])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("widths", [[300, 129, 10], [1100, 70, 3]])
def test_the_bits_of_a_row_do_not_depend_on_its_neighbours(widths, kind, scaled, dtype, rng):
    if _kernels.ISA == "baseline":
        pytest.skip("the order in which BLAS sums is its own")
    x = mostly_zero(rng, 300, widths[0], kind)
    scaling = fd.Scaling.standard(x) if scaled else None
    network = make(widths, dtype=dtype, scaling=scaling)
    whole = network.logits(x)
    for i in (0, 1, 127, 128, 255):
        assert network.logits(x[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_few_sparse_rows_among_others_change_no_sum_but_by_rounding(share, dtype, rng, agree):
    x = rng.integers(1, 256, (300, 80), np.uint8)
    x[rng.random(len(x)) < share] = 0
    network = make([80, 64, 3], dtype=dtype, scaling=fd.Scaling.standard(x))
    agrees_after_training(network, OPTIMISERS["sgd"], x, rng.integers(0, 3, len(x)), agree, 100)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_rows_of_zeros_alone(kind, isa, dtype, rng, agree):
    x = np.zeros((60, 100), kind)
    network = make([100, 64, 3], dtype=dtype, scaling=fd.Scaling.centred(x + 1))
    agrees_after_training(network, OPTIMISERS["sgd"], x, rng.integers(0, 3, len(x)), agree, 32)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_is_not_skipped(bad, isa, dtype):
    x = np.zeros((3, 100), dtype)
    x[1, 70] = bad
    network = make([100, 64, 3], activation="identity", dtype=dtype)
    assert np.isnan(network.logits(x)).any(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize("batch_size", [16, 20])
@pytest.mark.parametrize("widths", [[256, 16, 192, 10], [30, 17, 50, 17]])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_between_the_rows_of_a_weight_lie_zeros(optimiser, widths, batch_size, dtype, rng):
    network = make(widths, dtype=dtype)
    network.set_penalty(l1=0.01, l2=0.02)
    x, y = data(network, 40, rng)
    fd.Trainer(network, OPTIMISERS[optimiser], batch_size=batch_size).fit(x, y, epochs=2)
    for view in network.parameters.values():
        view[...] = 0
    assert len(core_of(network).flat) > network.n_parameters
    assert not core_of(network).flat.any()


def test_an_epsilon_that_single_precision_takes_for_zero(rng):
    network = make([5, 128, 3], dtype="float32")
    network.set_penalty(l1=0, l2=0)
    x, y = data(network, 40, rng)
    x[:, 2] = 0  # these weights have no gradient, as what lies between the rows of a weight
    before = network.parameters["layers.0.weight"].copy()
    fd.Trainer(network, fd.Adam(0.01, epsilon=1e-60), batch_size=16).fit(x, y, epochs=2)
    changed = (network.parameters["layers.0.weight"] != before).any(axis=1)
    assert changed.tolist() == [True, True, False, True, True]
    assert np.isfinite(core_of(network).flat).all()


def test_adam_with_its_own_epsilon(rng):
    """Looser: gradients as small as this epsilon are rounding."""
    network = make([7, 9, 5])
    x, y = data(network, 40, rng)
    oracle = Oracle(network, fd.Adam(0.01))
    fd.Trainer(network, fd.Adam(0.01), batch_size=16, shuffle=None).fit(x, y, epochs=2)
    oracle.fit(x, y, 16)
    for actual, expected in zip(network.parameters.values(), oracle.parameters, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-10)


# --- with masks ------------------------------------------------------------------------------

MASKED = {  # layers, rows, batch size
    "between two layers": ([fd.Dense(33, 16, "tanh"), 0.5, fd.Dense(10)], 40, 16),
    "of one row": ([fd.Dense(7, 20, "relu"), 0.5, fd.Dense(4)], 9, 1),
    "first": ([0.2, fd.Dense(70, 50, "sigmoid"), fd.Dense(4)], 40, 16),
    "first, by unit": ([0.2, fd.Dense(300, 10, "relu"), fd.Dense(4)], 40, 16),
    "first of a single layer": ([0.4, fd.Dense(70, 5)], 40, 16),
    "two in a row": ([fd.Dense(20, 33, "relu"), 0.1, 0.3, fd.Dense(4)], 40, 16),
    "everywhere": (
        [0.1, fd.Dense(64, 130, "relu", l2=0.01), 0.5, fd.Dense(17, activation="gelu"), 0.3,
         fd.Dense(40), 0.6, fd.Dense(3, l1=0.001)], 150, 64,
    ),
    "in three tiles": ([fd.Dense(33, 16, "relu"), 0.5, fd.Dense(10)], 1500, 1300),
    "in several slices": ([0.1, fd.Dense(4000, 10, "relu"), 0.5, fd.Dense(4)], 170, 150),
    "beside a weight larger than the cache": (
        [0.1, fd.Dense(520, 520, "relu"), 0.5, fd.Dense(4)], 300, 300,
    ),
}  # fmt: skip


def masked(form, dtype, **settings):
    """A network with dropout at such rates between its layers."""
    layers = [fd.Dropout(at) if isinstance(at, float) else at for at in MASKED[form][0]]
    return fd.Network(layers, dtype=dtype, seed=5, **settings)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("form", MASKED)
def test_masks_are_those_of_numpy(form, optimiser, isa, dtype, rng, agree):
    network = masked(form, dtype)
    x, y = data(network, MASKED[form][1], rng)
    agrees_after_training(network, OPTIMISERS[optimiser], x, y, agree, MASKED[form][2])


@pytest.mark.parametrize("form", MASKED)
def test_rows_that_are_mostly_zero_are_masked_too(form, dtype, rng, agree):
    x = mostly_zero(rng, MASKED[form][1], masked(form, dtype).layers[0].d, "uint8")
    network = masked(form, dtype, scaling=fd.Scaling.standard(x))
    y = rng.integers(0, network.layers[-1].h, len(x))
    agrees_after_training(network, OPTIMISERS["momentum"], x, y, agree, MASKED[form][2])


@pytest.mark.parametrize("form", MASKED)
def test_masks_have_the_same_bits_on_any_number_of_threads(form, dtype):
    found = set()
    for n_threads, record in ((1, 1), (2, 1), (3, "epoch"), (1, "epoch")):
        network = masked(form, dtype)
        x, y = data(network, MASKED[form][1], np.random.default_rng(3))
        trainer = fd.Trainer(
            network, fd.SGD(0.01), batch_size=MASKED[form][2], n_threads=n_threads, seed=9
        )
        trainer.fit(x, y, epochs=3, train_metrics="batches", record=record)
        found.add(network.logits(x).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("form", MASKED)
def test_a_network_answers_as_if_it_had_no_masks(form, dtype, rng, agree):
    network = masked(form, dtype)
    x, y = data(network, MASKED[form][1], rng)
    plain = answering(network).copy(dtype)
    assert all(isinstance(layer, fd.Dense) for layer in plain.layers)
    agree([network.logits(x)], [plain.logits(x)], dtype)
    agree([network.evaluate(x, y).loss], [plain.evaluate(x, y).loss], dtype)
    gradients = network.gradients(x, y)
    assert list(gradients) == list(network.parameters)
    agree(gradients.values(), plain.gradients(x, y).values(), dtype)


@pytest.mark.parametrize("seed", [3, None])
def test_masks_differ_from_step_to_step_fit_to_fit_and_seed_to_seed(seed, rng):
    x, y = np.ones((16, 8)), np.zeros(16, int)
    network = fd.Network([fd.Dropout(0.5), fd.Dense(8, 2)], dtype="float64")
    before, seen = network.copy(), set()
    for seed_of_fit in (seed, 4):
        trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=8, shuffle=None, seed=seed_of_fit)
        for _ in range(2):
            for name, view in network.parameters.items():
                view[...] = before.parameters[name]
            history = trainer.fit(x, y, record=1, train_metrics="batches")
            seen |= set(history["loss"].tolist())
    assert len(seen) == 8


# --- batch normalisation ---------------------------------------------------------------------

NORM = fd.BatchNorm()
NORMED = {  # layers, rows, batch size
    "before an activation": (
        [fd.Dense(33, 16), fd.BatchNorm(activation="tanh"), fd.Dense(10)], 40, 16,
    ),
    "behind one, then dropout": (
        [fd.Dense(70, 50, "softplus"), fd.BatchNorm(0.5, 0.1), fd.Dropout(0.3), fd.Dense(4)],
        40, 16,
    ),
    "of one row": ([fd.Dense(7, 20), fd.BatchNorm(activation="gelu"), fd.Dense(4)], 9, 1),
    "two in a row, behind dropout": (
        [fd.Dense(300, 10, "tanh"), fd.Dropout(0.2), NORM, NORM, fd.Dense(4)], 60, 20,
    ),
    "everywhere, with penalties": (
        [fd.Dropout(0.1), fd.Dense(64, 130, l2=0.01), fd.BatchNorm(0.0, activation="silu"),
         fd.Dense(17, l1=0.001), fd.BatchNorm(activation="tanh"), fd.Dense(40, activation="elu"),
         NORM, fd.Dense(3)], 150, 64,
    ),
    "more rows than a tile": ([fd.Dense(5, 20), fd.BatchNorm(activation="tanh"), fd.Dense(3)],
                              9500, 5000),
    "in several slices": (
        [fd.Dense(4000, 20), fd.BatchNorm(activation="tanh"), fd.Dense(4)], 170, 150,
    ),
}  # fmt: skip


def normed(layers, dtype="float32", **settings):
    """A network with norms whose gamma and beta, and biases before them, are not as they begin."""
    network = fd.Network(layers, dtype=dtype, seed=5, **settings)
    for name, view in network.parameters.items():
        if name.endswith(("gamma", "beta", "bias")):
            view += np.linspace(-0.3, 0.4, len(view))
    return network


@pytest.mark.filterwarnings("ignore:a batch of one row has no variance")
@pytest.mark.parametrize("optimiser", ["momentum", "adamw"])
@pytest.mark.parametrize("form", NORMED)
def test_norms_are_those_of_numpy(form, optimiser, isa, dtype, rng, agree):
    network = normed(NORMED[form][0], dtype)
    x, y = data(network, NORMED[form][1], rng)
    bound = 0.5 if optimiser == "momentum" else None
    agrees_after_training(
        network, OPTIMISERS[optimiser], x, y, agree, NORMED[form][2], clip_norm=bound
    )


@pytest.mark.filterwarnings("ignore:a batch of one row has no variance")
@pytest.mark.parametrize("form", NORMED)
def test_norms_have_the_same_bits_on_any_number_of_threads(form, isa, dtype):
    found = set()
    x, y = data(normed(NORMED[form][0], dtype), NORMED[form][1], np.random.default_rng(3))
    for n_threads, record in ((1, 1), (2, 1), (3, "epoch"), (1, "epoch")):
        network = normed(NORMED[form][0], dtype)
        trainer = fd.Trainer(
            network, fd.Adam(0.01), batch_size=NORMED[form][2], n_threads=n_threads, seed=9
        )
        trainer.fit(x, y, epochs=2, train_metrics="batches", record=record)
        crc = b"".join(view.tobytes() for view in network.state_dict().values())
        found.add(crc + network.logits(x, n_threads=n_threads).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("form", NORMED)
def test_a_network_answers_by_running_values_and_has_the_gradient_of_a_batch(
    form, isa, dtype, rng, agree
):
    network = normed(NORMED[form][0], dtype)
    network.set_penalty(l1=0.0, l2=0.0)
    x, y = data(network, NORMED[form][1], rng)
    for name, view in network.parameters.items():
        if is_running(name):
            view += rng.uniform(0, 2, len(view))
    before, oracle = network.state_dict(), Oracle(network)
    agree([network.logits(x)], [oracle.outputs(x)[-1]], dtype)
    agree([network.logits(x[:1])], [oracle.outputs(x[:1])[-1]], dtype)  # a small call
    agree([network.evaluate(x, y).loss], [oracle.loss(oracle.outputs(x)[-1], y)[0]], dtype)
    gradients = network.gradients(x, y)
    assert list(gradients) == [name for name in network.parameters if not is_running(name)]
    # All as one vector: that of a bias before a norm is zero but for rounding.
    agree(*([np.concatenate([np.ravel(each) for each in found])]
            for found in (gradients.values(), oracle.gradients(x, y))), dtype)  # fmt: skip
    for name, value in network.state_dict().items():
        assert value.tobytes() == before[name].tobytes()


def test_rows_of_every_form_are_normalised(dtype, rng, agree):
    layers = [fd.Dense(70, 50), fd.BatchNorm(activation="tanh"), fd.Dense(4)]
    for kind, share in (("uint8", 0.2), ("float32", 0.2), ("float64", 1)):
        x, y = mostly_zero(rng, 60, 70, kind, share), rng.integers(0, 4, 60)
        network = normed(layers, dtype, scaling=fd.Scaling.standard(x))
        agrees_after_training(network, OPTIMISERS["sgd"], x, y, agree, 20)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_moves_no_norm(bad, dtype, rng):
    network = normed(NORMED["before an activation"][0], dtype)
    x, y = data(network, 40, rng)
    trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=16)
    trainer.step(x, y)
    before = network.state_dict()
    x[30, 3] = bad
    for call in (lambda: trainer.step(x, y), lambda: trainer.fit(x, y), lambda: network.predict(x)):
        with pytest.raises(ValueError, match=r"x must be finite; got .* at row 30"):
            call()
    for name, value in network.state_dict().items():
        assert value.tobytes() == before[name].tobytes()


def test_a_variance_that_the_type_cannot_hold_is_no_step(rng):
    network = fd.Network([fd.Dense(3, 4), NORM, fd.Dense(2)])
    x = np.array([[1e25, 0, 0], [-1e25, 0, 0]], np.float32)
    with pytest.raises(fd.DivergenceError):
        fd.Trainer(network, fd.SGD(0.1)).step(x, [0, 1])
    assert network.parameters["layers.1.running_variance"].tolist() == [1, 1, 1, 1]
    network.parameters["layers.1.running_variance"][...] = np.inf
    with pytest.raises(ValueError, match="x must give outputs that are finite"):
        network.predict(x)


def test_digits_of_rows_far_from_zero_are_kept(rng, agree):
    x, y = rng.standard_normal((64, 5)), rng.integers(0, 3, 64)
    network = fd.Network([fd.Dense(5, 4), fd.BatchNorm(0.0), fd.Dense(3)], dtype="float64")
    plain = network.copy()
    network.parameters["layers.0.bias"][...] = 1e8  # x^2 would lose all of a variance of 1
    for each in (network, plain):
        fd.Trainer(each, fd.SGD(0.1), batch_size=64).step(x, y)
    for name in ("layers.1.running_variance", "layers.2.weight"):
        np.testing.assert_allclose(
            network.parameters[name], plain.parameters[name], rtol=1e-6, atol=1e-6
        )


def test_a_loss_of_your_own_sees_the_logits_of_the_batch(dtype, rng, agree):
    def squares(logits, y):
        return (logits**2).sum(axis=1), 2 * logits

    x, y = rng.standard_normal((40, 7)).astype(dtype), rng.standard_normal((40, 3)).astype(dtype)
    layers = [fd.Dense(7, 20), fd.BatchNorm(activation="tanh"), fd.Dense(3)]
    own, known = (normed(layers, dtype, loss=loss) for loss in (squares, "mse"))
    for network, factor in ((own, 1), (known, 3)):  # that loss is a mean over the outputs
        trainer = fd.Trainer(network, fd.SGD(0.05 * factor), batch_size=16, shuffle=None)
        trainer.fit(x, 0 * y, epochs=2)
        trainer.step(x, 0 * y)
    agree(own.parameters.values(), known.parameters.values(), dtype)
    agree([own.gradients(x, 0 * y)["layers.1.gamma"]],
          [3 * known.gradients(x, 0 * y)["layers.1.gamma"]], dtype)  # fmt: skip
    assert fd.check_gradients(own, x, 0 * y)


# --- so are evaluations ----------------------------------------------------------------------


@together(
    ("loss", "n", "isa", "dtype"), losses.LOSSES, [1, 127, 128, 129, 1000], _kernels.ISAS, DTYPES
)
def test_evaluations_of_any_size(loss, n, isa, dtype, rng, agree):
    network = make([33, 140, 10], loss, dtype=dtype)
    x, y = data(network, n, rng)
    oracle = Oracle(network)
    outputs = oracle.outputs(x)[-1]
    expected = oracle.loss(outputs, y)[0]
    penalty = sum(
        _reference.penalty(w, l1=layer.l1, l2=layer.l2)[0]
        for w, layer in zip(oracle.parameters[::2], network.layers, strict=True)
    )
    result = network.evaluate(x, y)
    agree([network.logits(x)], [outputs], dtype)
    agree([result.loss, result.cost], [expected, expected + penalty], dtype)
    right = network.predict(x) == y
    if losses.LOSSES[loss].y == "numbers":
        assert not hasattr(result, "accuracy")
    else:
        assert result.accuracy == (right if right.ndim == 1 else right.all(axis=1)).mean()


@together(("widths", "n", "dtype"), WIDTHS, [1, 100, 1300], DTYPES)
def test_gradients_are_those_of_numpy(widths, n, dtype, rng, agree):
    network = make(WIDTHS[widths], dtype=dtype)
    x, y = data(network, n, rng)
    oracle = Oracle(network)
    expected = oracle.gradients(x, y)
    for i, layer in enumerate(network.layers):
        weight = oracle.parameters[2 * i]
        expected[2 * i] += _reference.penalty(weight, l1=layer.l1, l2=layer.l2)[1]
    gradients = network.gradients(x, y)
    assert list(gradients) == list(network.parameters)
    agree(gradients.values(), expected, dtype)


@pytest.mark.parametrize("n", [9, 700])
@pytest.mark.parametrize("widths", [[70, 50, 4], [600, 129, 10]])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_gradients_and_losses_of_rows_that_are_mostly_zero(kind, widths, n, isa, dtype, rng, agree):
    x, y = mostly_zero(rng, n, widths[0], kind), rng.integers(0, widths[-1], n)
    network = make(widths, dtype=dtype, scaling=fd.Scaling.standard(x))
    network.set_penalty(l1=0.0, l2=0.0)
    oracle = Oracle(network)
    agree(network.gradients(x, y).values(), oracle.gradients(x, y), dtype)
    agree([network.evaluate(x, y).loss], [oracle.loss(oracle.outputs(x)[-1], y)[0]], dtype)


# --- where two of these meet: see test_pairs.py ----------------------------------------------

FORMS = {  # rows, widths, batch size: how the first layer's gradient is found
    "skipping zeros": ("sparse", [70, 50, 4], 40),
    "where they lie": ("dense", [100, 10, 4], 40),
    "by unit, scaled": ("scaled", [100, 10, 4], 40),
    "folded": ("dense", [40, 70, 130, 4], 8),
    "in two tiles": ("dense", [30, 20, 4], 600),
    "copied": ("uint8", [30, 20, 4], 40),
}


def given(form, n, dtype, rng, optimiser="sgd", **settings):
    """Rows of such a form, their labels, and a trainer of a network for them."""
    kind, widths, batch_size = FORMS[form]
    x = rng.standard_normal((n, widths[0])).astype(dtype)
    if kind in ("sparse", "uint8"):
        x = mostly_zero(rng, n, widths[0], "uint8", 0.2 if kind == "sparse" else 1)
    scaling = None if kind == "dense" else fd.Scaling.standard(x)
    network = make(widths, dtype=dtype, scaling=scaling)
    network.set_penalty(l1=0.0 if form == "folded" else 0.001, l2=0.01)
    settings = {"batch_size": batch_size, "shuffle": None} | settings
    return x, rng.integers(0, 4, n), fd.Trainer(network, OPTIMISERS[optimiser], **settings)


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_of_so_many_is_the_row_so_often_in_every_form(form, isa, dtype, rng, agree):
    x, y, trainer = given(form, FORMS[form][2], dtype, rng)
    times = rng.integers(0, 3, len(x))
    times[0] = 2
    weighted, repeated = trainer.network, trainer.network.copy()
    trainer.fit(x, y, sample_weight=times.astype(float))
    often = np.repeat(np.arange(len(x)), times)
    fd.Trainer(repeated, trainer.optimiser, batch_size=len(often)).fit(x[often], y[often])
    agree(weighted.parameters.values(), repeated.parameters.values(), dtype)


@together(("form", "optimiser", "isa", "dtype"), FORMS, OPTIMISERS, _kernels.ISAS, DTYPES)
def test_every_form_with_every_optimiser_and_both_penalties(
    form, optimiser, isa, dtype, rng, agree
):
    x, y, trainer = given(form, 3 * FORMS[form][2] + 1, dtype, rng, optimiser)
    oracle = Oracle(trainer.network, trainer.optimiser)
    trainer.fit(x, y, record=None)
    oracle.fit(x, y, trainer.batch_size, epochs=1)
    agree(trainer.network.parameters.values(), oracle.parameters, dtype)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_shuffled_rows_is_those_rows_in_that_order(form, isa, dtype, rng):
    x, y, trainer = given(form, 2 * FORMS[form][2] + 3, dtype, rng, shuffle="rows", seed=8)
    network, order = trainer.network.copy(), np.random.default_rng(8).permutation(len(x))
    trainer.fit(x, y)
    batch_size = trainer.batch_size
    fd.Trainer(network, trainer.optimiser, batch_size=batch_size, shuffle=None).fit(
        np.ascontiguousarray(x[order]), y[order]
    )
    assert network.logits(x).tobytes() == trainer.network.logits(x).tobytes()


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_bits_on_any_number_of_threads(form, optimiser, dtype):
    results = set()
    for n_threads in (1, 2, 3):
        rng = np.random.default_rng(5)
        x, y, trainer = given(
            form, 3 * FORMS[form][2], dtype, rng, optimiser, shuffle="rows", n_threads=n_threads
        )
        weights = rng.uniform(0, 2, len(x))
        history = trainer.fit(x, y, epochs=2, sample_weight=weights, train_metrics="batches")
        results.add((trainer.network.logits(x).tobytes(), *history["loss"].tolist()))
    assert len(results) == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_fit_after_the_penalties_were_changed_goes_by_those(form, dtype, rng):
    x, y, trainer = given(form, 2 * FORMS[form][2], dtype, rng)
    trainer.fit(x, y)
    fresh = trainer.network.copy()
    for network in (fresh, trainer.network):
        network.set_penalty(l1=0.003, l2=0.004)
    trainer.fit(x, y)
    fd.Trainer(fresh, trainer.optimiser, batch_size=trainer.batch_size, shuffle=None).fit(x, y)
    assert fresh.logits(x).tobytes() == trainer.network.logits(x).tobytes()


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_mean_over_the_batches_is_weighted(loss, dtype, rng, agree):
    network = make([20, 30, 4], loss, dtype=dtype)
    x, y = data(network, 100, rng)
    weights = rng.uniform(0, 2, 100)
    trainer = fd.Trainer(network, fd.SGD(0.0), batch_size=30)
    history = trainer.fit(x, y, sample_weight=weights, train_metrics="batches")
    expected = network.evaluate(x, y, sample_weight=weights)
    agree([history["loss"][0]], [expected.loss], dtype)


# --- a later fit begins anew -----------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [10, 40])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("widths", [[100, 50, 90, 3], [300, 20, 130, 17, 5]])
def test_a_fit_after_the_parameters_were_changed_begins_with_those(
    widths, sparse, batch_size, isa, dtype, rng
):
    x, y = rng.integers(0, 256, (90, widths[0]), np.uint8), rng.integers(0, widths[-1], 90)
    if sparse:
        x = mostly_zero(rng, 90, widths[0], "uint8")
    network = make(widths, dtype=dtype, scaling=fd.Scaling.standard(x))
    trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=batch_size, shuffle=None)
    trainer.fit(x, y)
    for view in network.parameters.values():
        view[...] += rng.standard_normal(view.shape) / 10
    fresh = network.copy()
    trainer.fit(x, y)
    fd.Trainer(fresh, fd.SGD(0.1), batch_size=batch_size, shuffle=None).fit(x, y)
    assert network.logits(x).tobytes() == fresh.logits(x).tobytes()


# --- a call that is longer than a stretch ----------------------------------------------------

THREE_STRETCHES = 0.15  # seconds: the threads of a call are asked anew at least every 0.05


class Often(fd.Callback):
    """Cuts an epoch into calls that are shorter than a stretch; tells how long it has taken."""

    def __init__(self, steps):
        self.steps = steps

    def on_begin(self, run):
        self.began = time.perf_counter()

    def on_epoch(self, run):
        self.took = time.perf_counter() - self.began


@together(
    ("optimiser", "batch_size", "more", "dtype"),
    OPTIMISERS, [3, 40], [(0, 0, 1), (0.01, 0, 2), (0.01, 0.5, 2)], DTYPES,
)  # fmt: skip
def test_penalties_count_as_often_as_each_batch_says(optimiser, batch_size, more, dtype, rng):
    """In one call, to the bits of a call a batch with penalties of that size."""
    l1, clip_norm, n_threads = more
    n, made = 4, OPTIMISERS[optimiser]
    often, x = np.array([1.0, 0.25, 2.0, 0.5]), rng.normal(size=(n * batch_size, 20)).astype(dtype)
    y, starts = rng.integers(0, 3, len(x)), batch_size * np.arange(n)
    hyper = made.hyper._replace(clip_norm=clip_norm)
    ends, told = [], []
    for together in (True, False):
        layers = [fd.Dense(20, 150, "tanh", l1=l1, l2=0.1), fd.Dense(150, 3, l2=0.3)]
        core = core_of(fd.Network(layers, dtype=dtype, seed=1))
        rows = rows_of_fit(core, data_sets(core, x, y)[0])
        moments = [_memory.zeros(len(core.flat), dtype) for _ in range(made.n_moments)]
        penalties, losses = np.stack([often, np.zeros(n)]), np.empty(n)
        for i in [slice(0, n)] if together else [slice(i, i + 1) for i in range(n)]:
            scaled = [replace(at, l1=often[i][0] * at.l1, l2=often[i][0] * at.l2) for at in layers]
            if not together:
                penalties[1, i] = core.places.penalty(core.flat, scaled)
            program = core.compiled(tuple(layers if together else scaled))
            space = Workspace(program, batch=batch_size, moments=moments)
            batches = Batches(
                None, starts[i], starts[i] + batch_size, np.full(len(starts[i]), 0.01), losses[i],
                np.empty(len(starts[i]), np.intp), np.zeros(3), penalties if together else None,
            )  # fmt: skip
            program.train(
                rows, space, batches, hyper, starts[i][0] // batch_size, core.flat, n_threads
            )
        ends.append(core.flat.tobytes() + losses.tobytes())
        told.append(penalties[1])
    assert ends[0] == ends[1]
    np.testing.assert_allclose(told[0], told[1], rtol=1e-6)


def windows(rng, n, d):
    """Rows that overlap in memory: many of them take little."""
    return np.lib.stride_tricks.sliding_window_view(rng.standard_normal(n + d - 1), d)


@pytest.mark.parametrize(("n", "batch_size", "shuffle"), [(10_000, 2, None), (80_000, 40, "rows")])
def test_a_long_call_has_the_bits_of_many_short_ones(n, batch_size, shuffle, n_threads, rng):
    """Corrections, rates, sums and the order of the rows count on from stretch to stretch."""
    optimiser, long = fd.Adam(fd.schedules.Triangular(1e-4, 1e-3, 5000)), Often(None)
    for rows in (n, 4 * n, 16 * n, 64 * n):
        x, results = windows(rng, rows, 20), []
        for often in (long, Often(25)):
            network = fd.Network([20, 200, 100, 2], seed=1)
            trainer = fd.Trainer(
                network, optimiser, batch_size=batch_size, shuffle=shuffle, n_threads=n_threads
            )
            y = (x[:, 0] > x[:, 1]).astype(int)
            history = trainer.fit(x, y, train_metrics="batches", callbacks=[often])
            metrics = [history[name].tolist() for name in ("loss", "accuracy")]
            results.append((network.logits(x[:100]).tobytes(), metrics))
        assert results[0] == results[1]
        if long.took > THREE_STRETCHES:
            return
    pytest.fail("no call was longer than three stretches")


def test_a_long_evaluation_is_that_of_its_parts(n_threads, rng):
    network = make([16, 200, 9])
    for n in (300_000, 1_200_000):
        x, y = windows(rng, n, 16), rng.integers(0, 9, n)
        began = time.perf_counter()
        logits = network.logits(x, n_threads=n_threads)
        took = time.perf_counter() - began
        parts = [network.logits(x[at : at + 7_000], n_threads=1) for at in range(0, n, 7_000)]
        np.testing.assert_allclose(logits, np.concatenate(parts), rtol=1e-12, atol=1e-12)
        whole = network.evaluate(x, y, n_threads=n_threads)
        expected = _reference.softmax_cross_entropy(logits, y)[0]
        assert whole.loss == pytest.approx(expected, rel=1e-10)
        assert whole.accuracy == (logits.argmax(axis=1) == y).mean()
        weights = rng.integers(0, 3, n) / 2
        weighted = network.evaluate(x, y, sample_weight=weights, n_threads=n_threads)
        expected = _reference.softmax_cross_entropy(logits, y, sample_weight=weights)[0]
        assert weighted.loss == pytest.approx(expected / weights.mean(), rel=1e-10)
        if took > THREE_STRETCHES:
            return
    pytest.fail("no evaluation was longer than three stretches")


# --- the bits do not depend on threads -------------------------------------------------------


def everything(widths, dtype, batch_size, n_threads, sparse=False, clip_norm=None):
    """The bits of all that a training gives."""
    network = make(widths, dtype=dtype)
    x, y = data(network, 50 + max(50, batch_size), np.random.default_rng(3))
    if sparse:
        x = mostly_zero(np.random.default_rng(4), *x.shape, "uint8")
    trainer = fd.Trainer(
        network, OPTIMISERS["nesterov"], batch_size=batch_size, n_threads=n_threads, seed=9,
        clip_norm=clip_norm,
    )  # fmt: skip
    history = trainer.fit(x, y, epochs=2, record=8, validation=(x[:100], y[:100]))
    values = [history[name].tobytes() for name in history.columns if name != "seconds"]
    values += [p.tobytes() for p in network.parameters.values()]
    values += [network.logits(x, n_threads=n_threads).tobytes()]
    values += [network.predict_proba(x, n_threads=n_threads).tobytes()]
    return [*values, network.evaluate(x, y, n_threads=n_threads)]


@together(("widths", "batch_size", "dtype"), WIDTHS, [8, 50, 650], DTYPES)
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(widths, batch_size, dtype):
    first = everything(WIDTHS[widths], dtype, batch_size, 1)
    for n_threads in (2, 3):
        assert everything(WIDTHS[widths], dtype, batch_size, n_threads) == first


@pytest.mark.parametrize("batch_size", [50, 650])
def test_rows_that_are_mostly_zero_give_the_same_bits_too(batch_size, isa, dtype):
    first = everything([600, 70, 4], dtype, batch_size, 1, sparse=True)
    for n_threads in (1, 2, 3):
        assert everything([600, 70, 4], dtype, batch_size, n_threads, sparse=True) == first


def test_another_seed_gives_other_bits():
    x, y = data(make([7, 5]), 40, np.random.default_rng(0))
    found = set()
    for seed in (0, 0, 1, None, None):
        network = make([7, 5])
        fd.Trainer(network, fd.SGD(0.1), batch_size=7, seed=seed).fit(x, y)
        found.add(network.logits(x).tobytes())
    assert len(found) == 4
