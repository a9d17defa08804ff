"""parameters.py: views by name; what is written is in the network, or refused and nothing is."""

import copy
import io
import pickle
from collections.abc import MutableMapping

import numpy as np
import pytest

import fastdl as fd

NAMES = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
WIDTHS = [[5, 3, 2], [600, 33, 10]]  # the second's first weight lies unit by unit


def bits(network):
    return [p.tobytes() for p in network.parameters.values()]


@pytest.fixture(params=WIDTHS, ids=str)
def network(request, dtype):
    return fd.Network(request.param, dtype=dtype)


def test_it_is_a_mapping_of_views(network):
    parameters = network.parameters
    assert isinstance(parameters, MutableMapping)
    assert [*parameters] == [*parameters.keys()] == [*dict(parameters)] == NAMES
    assert len(parameters) == 4
    assert "layers.0.weight" in parameters
    assert "layers.2.weight" not in parameters
    assert parameters.get("weight") is None
    for name, view in parameters.items():
        assert np.shares_memory(view, network.parameters[name])
        assert np.shares_memory(view, dict(parameters)[name])
    for view in parameters.values():
        view[...] = 0.5
    assert all((p == 0.5).all() for p in network.parameters.values())
    assert repr(parameters).startswith("<Parameters: layers.0.weight (")


VALUES = {
    "its own dtype": lambda w: w,
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "reversed": lambda w: np.ascontiguousarray(w[::-1])[::-1],
    "float64": lambda w: w.astype(np.float64),
    "float32": lambda w: w.astype(np.float32),
    "float16": lambda w: w.astype(np.float16),
    "int64": lambda w: (4 * w).astype(np.int64),
    "uint8": lambda w: np.abs(4 * w).astype(np.uint8),
    "bool": lambda w: w > 0,
    "other byte order": lambda w: w.astype(w.dtype.newbyteorder()),
    "lists": lambda w: w.tolist(),
    "read-only": lambda w: np.frombuffer(w.tobytes(), w.dtype).reshape(w.shape),
}


@pytest.mark.parametrize("how", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_assigned_is_in_the_network(network, name, how, rng):
    shape = network.parameters[name].shape
    value = how(rng.integers(-8, 8, shape).astype(network.dtype) / 4)
    view = network.parameters[name]
    others = {other: p.copy() for other, p in network.parameters.items() if other != name}
    network.parameters[name] = value
    assert network.parameters[name].tolist() == view.tolist() == np.asarray(value).tolist()
    for other, before in others.items():
        assert (network.parameters[other] == before).all()


def test_what_is_assigned_answers(rng, dtype):
    network = fd.Network([5, 3], dtype=dtype)
    w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((5, 3), 3))
    network.parameters["layers.0.weight"] = w
    network.parameters["layers.0.bias"] = b
    x = rng.standard_normal((4, 5)).astype(dtype)
    np.testing.assert_allclose(network.logits(x), x @ w + b, atol=1e-5)
    w[:] = 0  # the network has values of its own
    assert network.parameters["layers.0.weight"].any()


def test_arithmetic_in_place(network):
    before = {name: p.copy() for name, p in network.parameters.items()}
    for name in network.parameters:
        network.parameters[name] *= 0.5
    for name, p in network.parameters.items():
        assert p.tolist() == (0.5 * before[name]).tolist()


BAD = {  # for a parameter (5, 3) of float32
    "shape": (
        np.zeros((3, 5), np.float32),
        ValueError,
        r"must have the shape \(5, 3\); got \(3, 5",
    ),
    "a number": (0.0, ValueError, r"must have the shape \(5, 3\); got \(\)"),
    "one row": (np.zeros(3, np.float32), ValueError, r"must have the shape \(5, 3\)"),
    "nan": (
        np.full((5, 3), np.nan, "f4"),
        ValueError,
        "must be finite; got nan at row 0, column 0",
    ),
    "inf": (np.full((5, 3), np.inf), ValueError, "must be finite; got inf"),
    "too large": (np.full((5, 3), 1e300), ValueError, "must be finite in float32"),
    "complex": (np.zeros((5, 3), complex), TypeError, "must hold real numbers; got complex"),
    "text": (np.full((5, 3), "1"), TypeError, r"\[.layers.0.weight.\] must hold"),
    "None": (None, TypeError, r"\[.layers.0.weight.\] must be an array; got None"),
}


@pytest.mark.parametrize(("value", "error", "told"), BAD.values(), ids=BAD)
def test_what_cannot_be_taken_is_refused_and_nothing_is_written(value, error, told):
    network = fd.Network([5, 3])
    before = bits(network)
    with pytest.raises(error, match=told) as caught:
        network.parameters["layers.0.weight"] = value
    assert "layers.0.weight" in str(caught.value)
    with pytest.raises(error):
        network.parameters.update({"layers.0.bias": np.ones(3), "layers.0.weight": value})
    assert bits(network) == before


def test_numbers_that_have_to_be_rounded_are_taken_once_they_are():
    network, tenth = fd.Network([5, 3]), np.full((5, 3), 0.1)
    network.parameters["layers.0.weight"] = tenth.astype(np.float32)
    assert (network.parameters["layers.0.weight"] == np.float32(0.1)).all()


@pytest.mark.parametrize(("name", "near"), [
    ("layer.0.weight", "layers.0.weight"), ("layers.0.weights", "layers.0.weight"),
    ("layers.1.Bias", "layers.1.bias"), ("zzz", None), (0, None),
])  # fmt: skip
def test_a_name_that_is_not_there_is_refused(name, near):
    network = fd.Network(WIDTHS[0])
    before = bits(network)
    hint = f", did you mean {near!r}?" if near else ""
    told = f"a parameter must be one of {', '.join(NAMES)}; got {name!r}{hint}"
    for use in (
        lambda p: p[name],
        lambda p: p.__setitem__(name, np.zeros(2)),
        lambda p: p.update({name: np.zeros(2), "layers.1.bias": np.ones(2)}),
        lambda p: p.setdefault(name, np.zeros(2)),
    ):
        with pytest.raises(KeyError) as caught:
            use(network.parameters)
        assert caught.value.args == (told,)
    assert bits(network) == before


def test_nothing_is_deleted(network):
    before = bits(network)
    for use in (
        lambda p: p.__delitem__("layers.0.bias"),
        lambda p: p.pop("layers.0.bias"),
        lambda p: p.popitem(),
        lambda p: p.clear(),
    ):
        with pytest.raises(TypeError, match="a parameter cannot be deleted; got 'layers"):
            use(network.parameters)
    assert bits(network) == before


def test_all_parameters_of_another_network(network):
    other = fd.Network([layer.d for layer in network.layers] + [network.layers[-1].h], seed=5,
                       dtype=network.dtype)  # fmt: skip
    network.parameters.update(other.parameters)
    assert bits(network) == bits(other)


def test_parameters_from_a_file_of_numpy(network):
    file = io.BytesIO()
    np.savez(file, **network.parameters)
    before = bits(network)
    for view in network.parameters.values():
        view[...] = 0
    file.seek(0)
    with np.load(file) as arrays:
        network.parameters.update(arrays)
    assert bits(network) == before


def test_two_weights_change_places():
    network = fd.Network([3, 3, 3])
    a, b = (network.parameters[f"layers.{i}.weight"].tolist() for i in (0, 1))
    views = network.parameters
    views.update(
        {"layers.0.weight": views["layers.1.weight"], "layers.1.weight": views["layers.0.weight"]}
    )
    views["layers.0.weight"] = views["layers.0.weight"].T
    assert views["layers.0.weight"].tolist() == np.transpose(b).tolist()
    assert views["layers.1.weight"].tolist() == a


@pytest.mark.parametrize("how", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_have_values_of_their_own(network, how):
    other = how(network.parameters)
    assert [*other] == NAMES
    assert [p.tobytes() for p in other.values()] == bits(network)
    other["layers.0.bias"] = np.ones(network.layers[0].h)
    assert not network.parameters["layers.0.bias"].any()


def test_a_copy_of_the_mapping_alone_would_be_none():
    parameters = fd.Network([3, 2]).parameters
    with pytest.raises(AttributeError, match=r"Parameters has no copy; use net\.copy\(\)"):
        parameters.copy()
