"""network.py: making a network, its parameters, what it answers, copies and files."""

import copy
import pickle
import threading
import tracemalloc

import numpy as np
import pytest

import fastdl as fd
from fastdl import _kernels, _reference, losses
from tests import cases
from tests.cases import LABELLED


def make(loss="softmax_cross_entropy", dtype="float64", **settings):
    layers = [
        fd.Dense(5, 20, "tanh", l1=0.01, l2=0.02),
        fd.Dense(20, 7, "leaky_relu", init=fd.init.Normal(0.5)),
        fd.Dense(7, 3, (*losses.get(loss).outputs, "identity")[0], l2=0.03),
    ]
    return fd.Network(layers, loss=loss, dtype=dtype, seed=3, **settings)


def bits(network):
    return {name: (p.shape, p.dtype, p.tobytes()) for name, p in network.parameters.items()}


# --- making ----------------------------------------------------------------------------------


def test_widths_are_layers_with_the_activation_on_all_but_the_last():
    network = fd.Network([4, 8, 6, 3], activation="sigmoid")
    assert [(layer.d, layer.h, layer.activation) for layer in network.layers] == [
        (4, 8, "sigmoid"), (8, 6, "sigmoid"), (6, 3, "identity"),
    ]  # fmt: skip
    assert network.n_parameters == 4 * 8 + 8 + 8 * 6 + 6 + 6 * 3 + 3
    assert bits(fd.Network(np.array([4, 8, 6, 3]))) == bits(network)
    assert bits(fd.Network(network.layers)) == bits(network)


def test_names_shapes_and_dtype_of_parameters(dtype):
    parameters = fd.Network([4, 30, 3], dtype=dtype).parameters
    assert {name: p.shape for name, p in parameters.items()} == {
        "layers.0.weight": (4, 30), "layers.0.bias": (30,),
        "layers.1.weight": (30, 3), "layers.1.bias": (3,),
    }  # fmt: skip
    assert all(p.dtype == dtype for p in parameters.values())


def test_a_seed_gives_the_same_parameters_in_both_dtypes():
    single, double = fd.Network([4, 9, 3], seed=7), fd.Network([4, 9, 3], seed=7, dtype="float64")
    assert bits(single) == bits(fd.Network([4, 9, 3], seed=7))
    assert bits(single) != bits(fd.Network([4, 9, 3], seed=8))
    assert bits(fd.Network([4, 3], seed=None)) != bits(fd.Network([4, 3], seed=None))
    for name, p in double.parameters.items():
        np.testing.assert_array_equal(single.parameters[name], p.astype(np.float32))


def test_a_layer_may_have_its_own_initialisation_and_biases_are_zero():
    network = make(init=fd.init.Normal(0.0))
    weights = [network.parameters[f"layers.{i}.weight"] for i in range(3)]
    assert [bool(w.any()) for w in weights] == [False, True, False]
    assert not any(p.any() for name, p in make().parameters.items() if name.endswith("bias"))


@pytest.mark.parametrize("h", [3, 16, 17, 150])
def test_writing_to_a_view_changes_the_network(h, dtype, rng):
    network = fd.Network([5, h], dtype=dtype)
    weight, bias = rng.standard_normal((5, h)), rng.standard_normal(h)
    network.parameters["layers.0.weight"][...] = weight
    network.parameters["layers.0.bias"][:] = bias
    x = rng.standard_normal((9, 5)).astype(dtype)
    np.testing.assert_allclose(network.logits(x), x @ weight + bias, atol=1e-5)


CONFIG = [
    {"input": 6, "output": 20, "nonlinear": "relu", "regularization": "l2"},
    {"input": 20, "output": 8, "nonlinear": "sigmoid", "regularization": "l1"},
    {"input": 8, "output": 4, "nonlinear": "softmax"},
]


def test_the_dictionaries_of_hw2():
    network = fd.Network.from_config(CONFIG, weight_decay=5e-5, seed=2, dtype="float64")
    assert network.layers == (
        fd.Dense(6, 20, "relu", l2=5e-5), fd.Dense(20, 8, "sigmoid", l1=5e-5), fd.Dense(8, 4),
    )  # fmt: skip
    assert network.loss == "softmax_cross_entropy"
    assert bits(network) == bits(
        fd.Network(network.layers, init="uniform", seed=2, dtype="float64")
    )
    plain = [{"input": 6, "output": 2, "nonlinear": "none", "regularization": "none"}]
    assert fd.Network.from_config(plain, loss="MSE").loss == "mse"


def test_penalties():
    network = make()
    total = sum(
        _reference.penalty(network.parameters[f"layers.{i}.weight"], l1=layer.l1, l2=layer.l2)[0]
        for i, layer in enumerate(network.layers)
    )
    assert network.penalty() == pytest.approx(total, rel=1e-12)
    network.set_penalty(l1=0.5)
    assert [(layer.l1, layer.l2) for layer in network.layers] == [
        (0.5, 0.02),
        (0.5, 0),
        (0.5, 0.03),
    ]
    network.set_penalty(l1=0.0, l2=0.0)
    assert network.penalty() == 0.0


def test_what_is_printed_tells_widths_loss_and_size():
    text = repr(fd.Network([784, 128, 10]))
    for part in ("784-128-10", "relu", "softmax_cross_entropy", "float32", "101,770"):
        assert part in text


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LABELLED)
def test_predictions_are_the_likeliest_labels(loss, dtype, rng):
    network, x = make(loss, dtype), rng.standard_normal((300, 5))
    labels = network.predict(x)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, network.logits(x).argmax(axis=1))


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_probabilities(loss, dtype, rng, agree):
    network, x = make(loss, dtype), rng.standard_normal((300, 5))
    function = _reference.softmax if loss.startswith("softmax") else _reference.sigmoid
    found = network.predict_proba(x)
    assert found.dtype == dtype
    agree([found], [function(network.logits(x).astype(float))], dtype)


@pytest.mark.parametrize("k", [1, 3])
def test_predictions_of_mse_are_the_outputs(k, dtype, rng):
    network, x = fd.Network([5, k], loss="mse", dtype=dtype), rng.standard_normal((8, 5))
    found = network.predict(x)
    assert found.shape == ((8,) if k == 1 else (8, k))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.ravel(), network.logits(x).ravel())
    assert network.evaluate(x, found).loss == 0


def test_a_row_alone_has_the_logits_that_it_has_among_others(rng):
    network, x = make(), rng.standard_normal((300, 5))
    alone = np.concatenate([network.logits(x[i : i + 1]) for i in range(300)])
    np.testing.assert_allclose(alone, network.logits(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_weighted_evaluations_are_those_of_repeated_rows(loss, rng):
    network, x = make(loss), rng.standard_normal((200, 5))
    y = cases.wanted(loss, rng, 200, 3)
    times = rng.integers(0, 4, 200)
    weighted = network.evaluate(x, y, sample_weight=0.3 * times)
    repeated = network.evaluate(np.repeat(x, times, 0), np.repeat(y, times, 0))
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-12)
    assert weighted.cost == pytest.approx(weighted.loss + network.penalty(), rel=1e-12)
    if losses.LOSSES[loss].y != "numbers":
        assert weighted.accuracy == network.evaluate(x, y).accuracy


def evaluation(network):
    return lambda x: network.evaluate(x, np.zeros(len(x), int))


def test_rows_that_are_not_numbers_are_seen_in_logits_and_refused_elsewhere(dtype, rng):
    network, x = make(dtype=dtype), rng.standard_normal((300, 5))
    clean = network.logits(x)
    x[200, 2] = np.nan
    logits = network.logits(x)
    assert np.isnan(logits[200]).all()
    np.testing.assert_array_equal(np.delete(logits, 200, 0), np.delete(clean, 200, 0))
    for bad in (np.nan, np.inf, -np.inf):
        x[200, 2] = bad
        for answer in (network.predict, network.predict_proba, evaluation(network)):
            with pytest.raises(ValueError, match=f"x must be finite; got {bad} at row 200, column"):
                answer(x)


def test_an_evaluation_keeps_nothing_of_the_size_of_its_layers():
    network = fd.Network([50, 200, 10])
    x = np.broadcast_to(np.ones(50, np.float32), (200_000, 50))
    y = np.zeros(200_000, np.intc)
    peaks = []
    for n in (20_000, 200_000):
        tracemalloc.start()
        network.evaluate(x[:n], y[:n], n_threads=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 180_000 < 8  # bytes a row: its label is looked at


# --- copies and files ------------------------------------------------------------------------


COPIES = {
    "copy": fd.Network.copy,
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda network: pickle.loads(pickle.dumps(network)),
}


SAVED = {
    "file": lambda network, path: (network.save(path), fd.Network.load(path))[1],
    **{name: lambda network, path, how=how: how(network) for name, how in COPIES.items()},
}


@pytest.mark.parametrize("how", SAVED.values(), ids=SAVED)
def test_dropout_is_copied_and_saved(how, dtype, tmp_path, rng):
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    layers = [fd.Dropout(0.1), fd.Dense(5, 20, "relu"), fd.Dropout(0.5), fd.Dense(3)]
    stays_as_saved(fd.Network(layers, dtype=dtype), how, tmp_path, x, y)


@pytest.mark.parametrize("how", SAVED.values(), ids=SAVED)
def test_norms_are_copied_and_saved(how, dtype, tmp_path, rng):
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    layers = [fd.Dense(5, 20), fd.BatchNorm(0.7, 0.01, "tanh"), fd.Dropout(0.5), fd.Dense(3)]
    network = fd.Network(layers, dtype=dtype)
    fd.Trainer(network, fd.SGD(0.1)).fit(x, y)
    other = fd.Network(layers, dtype=dtype)
    other.load_state(network.state_dict())
    assert bits(network) == bits(other)
    stays_as_saved(network, how, tmp_path, x, y)


def stays_as_saved(network, how, tmp_path, x, y):
    other = how(network, tmp_path / "net")
    assert other.layers == network.layers
    for each in (network, other):
        fd.Trainer(each, fd.SGD(0.1), batch_size=16).fit(x, y)
    assert bits(network) == bits(other)


@pytest.mark.parametrize("how", COPIES.values(), ids=COPIES)
def test_copies_are_equal_and_independent(how, rng, dtype):
    x, y = rng.standard_normal((60, 5)), rng.integers(0, 3, 60)
    network = make(dtype=dtype, scaling=fd.Scaling.standard(x), loss="hinge", margin=0.5)
    other = how(network)
    assert (other.layers, other.loss, other.margin) == (network.layers, "hinge", 0.5)
    assert other.evaluate(x, y) == network.evaluate(x, y)
    before = bits(network)
    fd.Trainer(other, fd.SGD(0.1), l2=0.5).fit(x, y)
    assert bits(network) == before != bits(other)
    assert network.layers[0].l2 == 0.02
    fd.Trainer(network, fd.SGD(0.1), l2=0.5).fit(x, y)
    assert bits(network) == bits(other)


def test_a_copy_in_the_other_dtype(dtype, rng):
    x = rng.standard_normal((60, 5))
    network = make(dtype=dtype, scaling=fd.Scaling.standard(x))
    other = network.copy("float32" if dtype == "float64" else "float64")
    assert other.dtype != network.dtype == dtype
    assert {p.dtype for p in other.parameters.values()} == {other.dtype}
    np.testing.assert_allclose(other.logits(x), network.logits(x), atol=1e-5)
    there_and_back = make().copy("float32").copy("float64").copy("float32")
    assert bits(there_and_back) == bits(make().copy("float32"))


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_a_copy_in_the_other_dtype_reads_rows_of_every_kind(kind, scaled, dtype, rng):
    x, y = rng.integers(0, 256, (60, 5)).astype(kind), rng.integers(0, 3, 60)
    network = make(dtype=dtype, scaling=fd.Scaling.standard(x) if scaled else None)
    other = network.copy("float32" if dtype == "float64" else "float64")
    largest = np.abs(network.logits(x)).max()
    np.testing.assert_allclose(other.logits(x), network.logits(x), atol=1e-5 * largest)
    assert other.evaluate(x, y).loss == pytest.approx(network.evaluate(x, y).loss, rel=1e-5)
    gradients = network.gradients(x, y)
    for name, gradient in other.gradients(x, y).items():
        atol = 1e-4 * np.abs(gradients[name]).max()
        np.testing.assert_allclose(gradient, gradients[name], atol=atol)


@pytest.mark.parametrize(
    "widths", [[300, 20, 10], [600, 33, 10], [3072, 50, 10], [784, 50, 40, 10]]
)
def test_a_copy_in_the_other_dtype_has_the_same_weights_however_they_lie(widths, isa):
    network = fd.Network(widths, seed=3)
    for name, view in network.copy("float64").parameters.items():
        assert view.tolist() == network.parameters[name].tolist()
    _kernels.use_isa("baseline")
    assert bits(network.copy()) == bits(network)
    _kernels.use_isa(isa)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_a_file_gives_back_the_same_bits(loss, scaled, dtype, tmp_path, rng):
    x = rng.integers(0, 256, (50, 5), np.uint8)
    scaling = fd.Scaling.centred(x) if scaled else None
    network = make(cases.made(loss), dtype, scaling=scaling)
    network.save(tmp_path / "net.safetensors")
    other = fd.Network.load(str(tmp_path / "net.safetensors"))
    assert bits(other) == bits(network)
    assert (other.loss, other.dtype) == (loss, dtype)
    assert other.loss_function == network.loss_function == cases.made(loss)
    for one, same in zip(network.layers, other.layers, strict=True):
        assert (same.d, same.h, same.activation) == (one.d, one.h, one.activation)
        assert (same.l1, same.l2) == (one.l1, one.l2)
    assert other.logits(x).tobytes() == network.logits(x).tobytes()


@pytest.mark.parametrize("activation", _kernels.ACTIVATIONS)
def test_every_activation_is_saved(activation, tmp_path):
    network = fd.Network([fd.Dense(3, 20, activation), fd.Dense(20, 2, activation)], loss="mse")
    network.save(tmp_path / "net")
    assert fd.Network.load(tmp_path / "net").layers == network.layers


# --- what is not finite ----------------------------------------------------------------------


def test_no_answer_is_given_to_what_the_network_does_not_hold():
    network, x = fd.Network([4, 8, 3]), np.ones((5, 4))
    x[2, 1] = 1e300
    for answer in (network.predict, network.predict_proba, evaluation(network)):
        with pytest.raises(ValueError, match=r"finite in float32; got 1e\+300 at row 2, column 1"):
            answer(x)
    network.parameters["layers.1.bias"][...] = [np.inf, 0, 0]
    for answer in (network.predict, network.predict_proba):
        with pytest.raises(ValueError, match="x must give outputs that are finite"):
            answer(np.ones((5, 4)))
    with pytest.raises(ValueError, match=r"parameters\['layers.1.bias'\] must be finite; got inf"):
        fd.Trainer(network, fd.SGD(0.1)).fit(np.ones((5, 4)), np.zeros(5, int))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_of_rows_that_are_not_finite_are_refused(bad):
    x = np.ones((5, 4))
    x[3, 2] = bad
    with pytest.raises(ValueError, match=f"x must be finite; got {bad} at row 3, column 2"):
        fd.Network([4, 3], loss="hinge").gradients(x, np.zeros(5, int))


def test_a_copy_of_a_subclass_is_one():
    class Own(fd.Network):
        pass

    assert type(Own([3, 2]).copy()) is type(copy.copy(Own([3, 2]))) is Own


def test_a_network_can_be_saved_while_it_is_fitted(tmp_path, rng):
    network = fd.Network([64, 64, 2])
    x, y = rng.standard_normal((500, 64)), rng.integers(0, 2, 500)
    done = threading.Event()

    def fit():
        while not done.is_set():
            fd.Trainer(network, fd.SGD(0.01), batch_size=4, n_threads=1).fit(x, y, record=None)

    thread = threading.Thread(target=fit)
    thread.start()
    try:
        for _ in range(60):
            network.save(tmp_path / "net")
    finally:
        done.set()
        thread.join()
    assert fd.Network.load(tmp_path / "net").n_parameters == network.n_parameters
