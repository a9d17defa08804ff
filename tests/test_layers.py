"""layers.py: what a layer may be, and how layers are chained. Bad settings of one layer are in
test_bad_settings.py."""

import dataclasses

import pytest

import fastdl as fd
from fastdl import layers


def test_a_layer_is_plain_unless_told_otherwise():
    layer = fd.Dense(3, 2)
    assert (layer.d, layer.h, layer.activation, layer.l1, layer.l2, layer.init) == (
        3, 2, "identity", 0.0, 0.0, None,
    )  # fmt: skip
    assert layer == fd.Dense(3, 2) != fd.Dense(3, 2, l2=0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.h = 5


def test_widths():
    assert layers.from_widths([5, 2], "relu") == (fd.Dense(5, 2),)
    assert layers.from_widths([5, 4, 3, 2], "tanh") == (
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
    ],
)
def test_layers_must_fit_each_other(chain, message):
    with pytest.raises(ValueError, match=message):
        layers.check_chain(chain)
    with pytest.raises(ValueError, match="layer"):
        fd.Network(chain)
