"""checkpoint.py: a file is written whole or not at all. Bad files are in test_bad_files.py, round
trips in test_network.py."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load

import fastdl as fd
from fastdl import checkpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def test_the_file_is_plain_safetensors(path):
    network = fd.Network([3, 20, 2], scaling=fd.Scaling.divided(3))
    network.save(path)
    arrays = load(path.read_bytes())
    for name, p in network.parameters.items():
        np.testing.assert_array_equal(arrays[name], p)
    np.testing.assert_array_equal(arrays["scaling.scale"], np.full(3, 1 / 255))
    assert len(arrays) == 6


@pytest.mark.parametrize(
    "order",
    [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, 1)[:, ::2],
     lambda a: a[::-1].copy()[::-1], lambda a: a.T.copy().T],
)  # fmt: skip
def test_arrays_of_any_memory_order_are_read_back(path, order, rng):
    array = rng.standard_normal((4, 3))
    checkpoint.write(path, {"a": order(array)}, {"some": ["thing", 1.5, None]})
    assert checkpoint.read_config(path) == {"some": ["thing", 1.5, None]}
    back = checkpoint.read_arrays(path, {"a": ((4, 3), array.dtype)})
    np.testing.assert_array_equal(back["a"], array)


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_the_old_file_stays_when_writing_fails(path, monkeypatch, call):
    fd.Network([3, 2], seed=0).save(path)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError("no more")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="no more"):
        fd.Network([3, 2], seed=1).save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


FULL = """
import resource, signal, sys
import fastdl as fd
path = sys.argv[1]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    fd.Network([100, 100]).save(path)
except OSError as error:
    assert error.errno == 27, error
else:
    raise AssertionError("the limit was not met")
fd.Network([3, 2], seed=5).save(path + ".small")
"""


def test_the_old_file_stays_when_the_disk_is_full(path):
    pytest.importorskip("resource")
    fd.Network([3, 2]).save(path)
    before = path.read_bytes()
    subprocess.run([sys.executable, "-c", FULL, path], check=True, timeout=60)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, path.name + ".small"]


KILLED = """
import sys
import fastdl as fd
one, two = (fd.Network([300, 300], init=fd.init.Normal(sigma)) for sigma in (0.0, 1.0))
print("begun", flush=True)
while True:
    one.save(sys.argv[1])
    two.save(sys.argv[1])
"""


def test_a_file_is_whole_whenever_the_process_is_killed(path):
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"begun\n"
        while not path.exists():
            assert process.poll() is None
        process.kill()
        process.communicate(timeout=60)
        weight = fd.Network.load(path).parameters["layers.0.weight"]
        assert not weight.any() or (weight != 0).mean() > 0.99


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_has_the_permissions_of_any_new_one(path, mask, mode):
    before = os.umask(mask)
    try:
        fd.Network([3, 2]).save(path)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = fd.Network([3, 2])
    for path in ("net", "./net", tmp_path / "ä ö", "n" * 200):
        network.save(path)
        assert fd.Network.load(path).n_parameters == 8
