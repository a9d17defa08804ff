"""Files that are no network: refused with an error of the library, whatever their bytes are."""

import re

import numpy as np
import pytest
from safetensors.numpy import load

import fastdl as fd
from fastdl import files


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.safetensors"
    fd.Network([3, 4, 2], scaling=fd.Scaling.divided(3)).save(path)
    return path


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        fd.Network.load(tmp_path / "nothing")
    with pytest.raises(OSError, match="nowhere"):
        fd.Network([3, 2]).save(tmp_path / "nowhere" / "net")
    with pytest.raises((fd.CheckpointError, OSError)):
        fd.Network.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100, b"\xff" * 100, b"PK\3\4" + b"x" * 50])
def test_a_file_that_is_none_of_ours_is_refused(saved, content):
    saved.write_bytes(content)
    with pytest.raises(fd.CheckpointError, match=re.escape(str(saved))):
        fd.Network.load(saved)


def test_every_truncation_is_refused(saved):
    whole = saved.read_bytes()
    for size in range(len(whole)):
        saved.write_bytes(whole[:size])
        with pytest.raises(fd.CheckpointError):
            fd.Network.load(saved)


def test_flipped_bytes_are_refused_or_harmless(saved, rng):
    whole = saved.read_bytes()
    for at in rng.integers(0, len(whole), 1500):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << rng.integers(8)
        saved.write_bytes(flipped)
        try:
            network = fd.Network.load(saved)
        except fd.CheckpointError:
            continue
        assert network.logits(np.zeros((1, network.layers[0].d))).shape == (1, network.layers[-1].h)


CONFIG = {
    "layers": [{"d": 3, "h": 4, "activation": "relu"}, {"d": 4, "h": 2}],
    "loss": "hinge", "settings": {"margin": 1.0}, "dtype": "float32", "scaled": True,
}  # fmt: skip
WRONG_CONFIGS = {
    "layers": (None, 5, [], [5], [{}], [{"d": 3}], [{"d": 3, "h": "2"}], [{"d": 3, "h": 2**31}],
               [{"d": 2**31 - 1, "h": 2**31 - 1}], [{"d": 3, "h": 4, "init": 5}, {"d": 4, "h": 2}],
               [{"d": 3, "h": 4}, {"d": 5, "h": 2}], [{"d": 3, "h": 2, "more": 1}]),
    "loss": (None, 5, "nonsense", ["mse"]),
    "dtype": (None, 5, "float16", "float64", "O", {}),
    "settings": (None, 5, {"more": 1}, *({"margin": wrong} for wrong in (None, "1", -1, 1e999))),
    "scaled": (False,),
}  # fmt: skip


def test_the_configuration_below_is_right_before_it_is_changed(saved):
    arrays = load(saved.read_bytes())
    files.write(saved, arrays, CONFIG)
    assert fd.Network.load(saved).loss_function == fd.losses.Hinge()


@pytest.mark.parametrize("key", WRONG_CONFIGS)
def test_a_configuration_that_does_not_fit_is_refused(saved, key):
    arrays = load(saved.read_bytes())
    for value in [*WRONG_CONFIGS[key], "missing"]:
        config = CONFIG | {key: value}
        if value == "missing":
            del config[key]
        files.write(saved, arrays, config)
        with pytest.raises(fd.CheckpointError):
            fd.Network.load(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_scaling_that_is_not_finite_is_refused(saved, value):
    arrays = load(saved.read_bytes())
    arrays["scaling.scale"] = np.full(3, value)
    files.write(saved, arrays, CONFIG)
    with pytest.raises(fd.CheckpointError, match="scale"):
        fd.Network.load(saved)
