"""Files that are no network: refused with an error of the library, whatever their bytes are."""

import os
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


HISTORY = fd.Trainer(fd.Network([1, 2]), fd.SGD(0.1)).fit(np.zeros((2, 1)), [0, 1])
WRITE = {
    "a network": lambda path: fd.Network([3, 2]).save(path),
    "a graph": lambda path: pytest.importorskip("onnx") and fd.Network([3, 2]).to_onnx(path),
    "a history": HISTORY.to_csv,
    "a log": lambda path: fd.Trainer(fd.Network([1, 2]), fd.SGD(0.1)).fit(
        np.zeros((2, 1)), [0, 1], callbacks=[fd.CSVLog(path)]
    ),
    "a checkpoint": lambda path: fd.Trainer(fd.Network([1, 2]), fd.SGD(0.1)).fit(
        np.zeros((2, 1)), [0, 1], callbacks=[fd.Checkpoint(path)]
    ),
}
READ = {
    "a network": fd.Network.load,
    "a checkpoint": lambda path: fd.Trainer(fd.Network([1, 2]), fd.SGD(0.1)).resume(path),
}


@pytest.mark.parametrize("what", WRITE)
def test_a_folder_that_is_missing_is_told_how_to_make(what, tmp_path):
    path = tmp_path / "no" / "such" / "file"
    with pytest.raises(FileNotFoundError, match=r"path must lie in a folder that exists") as caught:
        WRITE[what](path)
    exec(re.search("use (.+) before", str(caught.value))[1], {"os": os})
    WRITE[what](path)
    for below in (path / "file", path / "more" / "file"):
        with pytest.raises(NotADirectoryError, match=r"in what is a file, choose another one"):
            WRITE[what](below)


@pytest.mark.parametrize("use", [*WRITE.values(), *READ.values()])
def test_a_folder_in_the_place_of_a_file_is_told(use, tmp_path):
    with pytest.raises(IsADirectoryError, match=r"got the folder '.*', add the file's name"):
        use(tmp_path)


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
