"""layers.py: what a layer may be, and how layers are chained. Bad settings of one layer are in
test_bad_settings.py."""

import dataclasses
import re
import warnings

import numpy as np
import pytest

import fastdl as fd
from fastdl import activations, layers, losses


def test_a_layer_is_plain_unless_told_otherwise():
    layer = fd.Dense(3, 2)
    assert (layer.d, layer.h, layer.activation, layer.l1, layer.l2, layer.init) == (
        3, 2, "identity", 0.0, 0.0, None,
    )  # fmt: skip
    assert layer == fd.Dense(3, 2) != fd.Dense(3, 2, l2=0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.h = 5


def test_widths():
    assert layers.from_widths([5, 2], "relu", "identity") == (fd.Dense(5, 2),)
    assert layers.from_widths([5, 4, 3, 2], "tanh", "identity") == (
        fd.Dense(5, 4, "tanh"), fd.Dense(4, 3, "tanh"), fd.Dense(3, 2),
    )  # fmt: skip


DICTIONARIES = {  # nonlinear, regularization, the layer with a weight decay of 0.5
    "relu, l2": ("relu", "l2", fd.Dense(3, 2, "relu", l2=0.5)),
    "sigmoid, l1": ("sigmoid", "l1", fd.Dense(3, 2, "sigmoid", l1=0.5)),
    "softmax, none": ("softmax", "none", fd.Dense(3, 2)),
    "none, l2": ("none", "l2", fd.Dense(3, 2, l2=0.5)),
}


@pytest.mark.parametrize(
    ("nonlinear", "regularization", "layer"), DICTIONARIES.values(), ids=DICTIONARIES
)
def test_dictionaries(nonlinear, regularization, layer):
    entry = {
        "input": 3, "output": 2, "nonlinear": nonlinear, "regularization": regularization,
    }  # fmt: skip
    assert layers.from_dictionaries([entry], 0.5) == (layer,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": 2}, r"config\[1\] must have the keys input, output"),
        ({"regularization": "l3"}, r"regularization of config\[1\] must be one of l1, l2, none"),
        ({"regularization": None}, r"regularization of config\[1\]"),
        ({"nonlinear": "tanhh"}, r"nonlinear of config\[1\] must be one of relu, sigmoid"),
        ({"input": "3"}, r"input of config\[1\] must be an integer"),
    ],
)
def test_a_wrong_dictionary_is_named_by_its_place(change, message):
    good = {"input": 3, "output": 3}
    with pytest.raises((TypeError, ValueError), match=message):
        layers.from_dictionaries([good, good | change], 0.0)


def test_softmax_is_the_last_layers_alone():
    softmax = {"input": 3, "output": 3, "nonlinear": "softmax"}
    with pytest.raises(ValueError, match=r"nonlinear of config\[0\] must not be softmax"):
        layers.from_dictionaries([softmax, softmax], 0.0)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (
            [fd.Dense(3, 4), fd.Dense(4, 5), fd.Dense(6, 2)],
            r"layers\[2\] must take the 5 .* got d=6",
        ),
        ([], "at least one layer"),
        ([fd.Dense(4), fd.Dense(2)], r"layers\[0\] must give its inputs .* use fd.Dense\(784, 4\)"),
        ([fd.Dropout(0.5), fd.Dense(4)], r"layers\[1\] must give its inputs .* got 4 units alone"),
        (
            [fd.Dense(3, 4), fd.Dropout(0.5)],
            r"layers\[-1\] must be a Dense .* got Dropout\(rate=0.5",
        ),
        (
            [fd.Dropout(0.5, 4), fd.Dense(3, 2)],
            r"layers\[0\] must take the 3 inputs .* use fd.Dropout\(0.5\)",
        ),
        (
            [fd.Dropout(0.5), fd.BatchNorm(), fd.Dense(3, 2)],
            r"layers\[1\] must come after a Dense layer",
        ),
        (
            [fd.Dense(3, 4), fd.Activation("relu"), fd.BatchNorm(d=3), fd.Dense(2)],
            r"layers\[2\] must take the 4 outputs of layers\[1\]; got d=3, use fd.BatchNorm\(\)",
        ),
        ([fd.Dense(3, 4), fd.BatchNorm()], r"layers\[-1\] must be a Dense .* got BatchNorm"),
        ([fd.Activation("relu"), fd.Dense(3, 2)], r"layers\[0\] .* got nothing before it"),
        (
            [fd.Dense(3, 4), fd.Dropout(0.5), fd.Activation("relu"), fd.Dense(2)],
            r"layers\[2\] .* got it after Dropout\(.*, put it right after such a layer",
        ),
        (
            [fd.Dense(3, 4, "relu"), fd.Activation("tanh"), fd.Dense(2)],
            r"layers\[1\] .* got it after Dense\(.*, name one of the two",
        ),
    ],
)
def test_layers_must_fit_each_other(chain, message):
    with pytest.raises(ValueError, match=message):
        layers.joined(chain)
    with pytest.raises(ValueError, match="layer"):
        fd.Network(chain)


def test_layers_take_what_the_one_before_gives():
    dropout = fd.Dropout(0.2)
    given = [
        dropout,
        fd.Dense(7, 5, "relu", l2=0.1),
        dropout,
        fd.Dense(4, activation="tanh"),
        fd.Dense(3),
    ]
    network = fd.Network(given)
    assert network.layers == (
        fd.Dropout(0.2, 7), fd.Dense(7, 5, "relu", l2=0.1), fd.Dropout(0.2, 5),
        fd.Dense(5, 4, "tanh"), fd.Dense(4, 3),
    )  # fmt: skip
    assert [(layer.d, layer.h) for layer in network.layers] == [
        (7, 7), (7, 5), (5, 5), (5, 4), (4, 3),
    ]  # fmt: skip
    assert [layer.d for layer in given] == [None, 7, None, None, None]
    assert fd.Network(network.layers).layers == network.layers
    assert fd.Dense(50) == fd.Dense(h=50) != fd.Dense(50, 50)


def test_an_activation_is_that_of_the_layer_before():
    given = [fd.Dense(7, 5), fd.BatchNorm(0.5), fd.Activation("gelu"), fd.Dropout(0.2),
             fd.Dense(3), fd.Activation("exp")]  # fmt: skip
    network = fd.Network(given, loss="poisson")
    assert network.layers == (
        fd.Dense(7, 5), fd.BatchNorm(0.5, activation="gelu", d=5), fd.Dropout(0.2, 5),
        fd.Dense(5, 3, "exp"),
    )  # fmt: skip
    assert network.n_parameters == 7 * 5 + 5 + 2 * 5 + 5 * 3 + 3
    assert {name: set(view) for name, view in network.parameters.items() if ".1." in name} == {
        "layers.1.gamma": {1}, "layers.1.beta": {0},
        "layers.1.running_mean": {0}, "layers.1.running_variance": {1},
    }  # fmt: skip


def test_parameters_are_named_after_the_number_of_their_layer():
    network = fd.Network([fd.Dense(7, 5), fd.Dropout(0.5), fd.Dense(3)])
    assert {name: view.shape for name, view in network.parameters.items()} == {
        "layers.0.weight": (7, 5), "layers.0.bias": (5,),
        "layers.2.weight": (5, 3), "layers.2.bias": (3,),
    }  # fmt: skip
    assert network.n_parameters == 7 * 5 + 5 + 5 * 3 + 3


def test_penalties_are_those_of_the_dense_layers():
    network = fd.Network([fd.Dropout(0.5), fd.Dense(7, 3)])
    network.set_penalty(l1=0.5, l2=0.25)
    assert network.layers == (fd.Dropout(0.5, 7), fd.Dense(7, 3, l1=0.5, l2=0.25))
    weight = network.parameters["layers.1.weight"]
    expected = 0.5 * np.abs(weight).sum() + 0.25 * np.square(weight).sum()
    assert network.penalty() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("activation", activations.ACTIVATIONS)
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_a_last_layer_that_cannot_give_logits_is_warned_of(loss, activation):
    kind = losses.LOSSES[loss]
    made = lambda: fd.Network(  # noqa: E731 - a function of two tries
        [fd.Dense(4, 8, activation), fd.Dense(8, 3, activation)], loss=loss
    )
    if kind.outputs and activation not in kind.outputs:
        with pytest.raises(ValueError, match=r"layers\[-1\] must have"):
            made()
        return
    given = getattr(fd.ops, activation)(np.array([[-1e4, -30, 30, 1e4]]))
    gives_all = given.min() < -10 and given.max() > 10
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made()
        fd.Network([fd.Dense(4, 3), fd.Activation("identity")], loss="mse")
    assert len(caught) == (kind.y in ("labels", "binary") and not gives_all)
    twice = activation == kind.probabilities
    for each in caught:
        expected = f"the {activation} of the outputs itself, .* twice" if twice else "size and sign"
        assert re.search(
            rf"^{loss} takes .*{expected}.* last layer of {activation}: use fd\.Dense\(3\) there$",
            str(each.message),
        )
        assert each.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fd.Network([fd.Dense(4, 8, activation), fd.Dense(3)], loss="hinge")


def test_dropout_is_named_where_an_argument_is_not_known():
    with pytest.raises(TypeError, match=r"^Dropout takes no p"):
        fd.Dropout(p=0.5)


def test_batches_of_one_row_with_batch_normalisation_are_warned_of():
    x, y = np.eye(3, dtype=np.float32), np.array([0, 1, 1])
    net = fd.Network([fd.Dense(3, 4), fd.BatchNorm(), fd.Dense(2)])
    with pytest.warns(
        UserWarning, match="batch of one row has no variance.* use a batch_size of 8"
    ):
        fd.Trainer(net, fd.SGD(0.1), batch_size=1).fit(x, y)
    fd.Trainer(net, fd.SGD(0.1), batch_size=2).fit(x, y)
    fd.Trainer(fd.Network([3, 4, 2]), fd.SGD(0.1), batch_size=1).fit(x, y)
