"""files.py: a file is written whole or not at all. Bad files are in test_bad_files.py, round
trips in test_network.py."""

import errno
import json
import os
import re
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load, save

import fastdl as fd
from fastdl import files


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


@pytest.mark.parametrize("name", ["net", "net.ckpt", "net.v2", "net.SAFETENSORS", "net.npz/net"])
def test_an_ending_that_tells_no_other_format_is_taken(name, tmp_path):
    network, path = fd.Network([3, 2]), tmp_path / name
    path.parent.mkdir(exist_ok=True)
    for given in (path, str(path)):
        network.save(given)
        assert fd.Network.load(given).layers == network.layers
        assert fd.Checkpoint(given).path == str(path)


@pytest.mark.parametrize("n", range(1, 9))  # characters of a name, which shift what follows
def test_arrays_lie_at_multiples_of_the_size_of_their_items(path, n):
    arrays = {"a" * n: np.ones(3, np.float32), "b": np.ones(3), "c": np.ones(1, np.float32)}
    files.write(path, arrays, {})
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for name, array in arrays.items():
        at = start + header[name]["data_offsets"][0]
        assert at % array.itemsize == 0
        assert content[at : at + array.nbytes] == array.tobytes()


@pytest.mark.parametrize(
    "order",
    [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, 1)[:, ::2],
     lambda a: a[::-1].copy()[::-1], lambda a: a.T.copy().T],
)  # fmt: skip
def test_arrays_of_any_memory_order_are_read_back(path, order, rng):
    array = rng.standard_normal((4, 3))
    files.write(path, {"a": order(array)}, {"some": ["thing", 1.5, None]})
    config, back = files.read(path, lambda config: {"a": ((4, 3), array.dtype)})
    assert config == {"some": ["thing", 1.5, None]}
    np.testing.assert_array_equal(back["a"], array)


def test_the_file_and_then_its_folder_reach_the_disk(path, on_disk):
    fd.Network([3, 2], seed=0).save(path)
    assert on_disk == ["file", f"replace {path.name}", f"folder {path.parent.name}"]


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO, errno.EDQUOT])
def test_the_old_file_stays_when_writing_fails(path, monkeypatch, call, number):
    fd.Network([3, 2], seed=0).save(path)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    message = f"{os.strerror(number)}; nothing was changed: '{path}'"
    with pytest.raises(OSError, match=re.escape(message)) as caught:
        fd.Network([3, 2], seed=1).save(path)
    assert caught.value.errno == number
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_stays_when_the_new_one_does_not_read_back(path, monkeypatch):
    fd.Network([3, 2], seed=0).save(path)
    before = path.read_bytes()

    def pack(*arguments, packed=files.pack):
        data, digests = packed(*arguments)
        return data[:-1] + bytes([data[-1] ^ 1]), digests

    monkeypatch.setattr(files, "pack", pack)
    with pytest.raises(OSError, match="does not read back the same; nothing was changed"):
        fd.Network([3, 2], seed=1).save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_fit_whose_disk_is_full_says_so_and_keeps_the_last_checkpoint(path, monkeypatch):
    class Fill(fd.Callback):
        def on_epoch(self, run):
            if run.epoch == 2:
                monkeypatch.setattr(os, "fsync", fail)

    def fail(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    x, y = np.zeros((10, 3)), np.zeros(10, int)
    trainer = fd.Trainer(fd.Network([3, 2]), fd.SGD(0.1))
    with pytest.raises(OSError, match="No space left on device"):
        trainer.fit(x, y, epochs=5, callbacks=[Fill(), fd.Checkpoint(path)])
    trainer.resume(path)
    assert trainer.epoch == 1


DENIED = """
import os, sys
import fastdl as fd
path = sys.argv[1]
fd.Network([3, 2]).save(path)
os.chdir(os.path.dirname(path))
path = os.path.basename(path)
os.chmod(".", 0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    fd.Network([3, 2]).save(path)
except PermissionError as error:
    assert error.filename == path, error
else:
    raise AssertionError("it was permitted")
"""


@pytest.mark.needs("posix")
def test_the_old_file_stays_when_permission_is_denied(path):
    subprocess.run([sys.executable, "-c", DENIED, path], check=True, timeout=60)
    assert fd.Network.load(path).n_parameters == 8
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_when_it_is_old(path):
    old, new, other, directory = (
        path.with_name(name)
        for name in (".net.safetensors.1.00.part", ".net.safetensors.1.01.part",
                     ".other.safetensors.1.00.part", ".net.safetensors.1.02.part")
    )  # fmt: skip
    for each in (old, new, other):
        each.write_bytes(b"half")
    directory.mkdir()
    for each in (old, other, directory):
        os.utime(each, (0, 0))
    fd.Network([3, 2]).save(path)
    assert set(path.parent.iterdir()) == {path, new, other, directory}


def test_a_changed_byte_is_refused_wherever_it_is(path, rng):
    network = fd.Network([3, 4, 2], scaling=fd.Scaling.divided(3))
    network.save(path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= rng.integers(1, 256)
        path.write_bytes(changed)
        with pytest.raises(fd.CheckpointError):
            fd.Network.load(path)


@pytest.mark.parametrize("digests", ["", "5", "{", "[" * 10_000, '{"config": "0"}'])
def test_a_file_without_its_digests_is_refused(path, digests):
    files.write(path, {"a": np.zeros(2)}, {})
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    path.write_bytes(save({"a": np.zeros(2)}, metadata | {"sha256": digests}))
    with pytest.raises(fd.CheckpointError):
        files.read(path, lambda config: {"a": ((2,), np.dtype(float))})


def test_a_configuration_that_would_fill_the_memory_is_refused(path):
    with pytest.raises(fd.CheckpointError, match="4194304 characters"):
        files.write(path, {}, {"long": "x" * 2**22})
    assert not path.exists()


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


@pytest.mark.needs("resource")
def test_the_old_file_stays_when_the_disk_is_full(path):
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


@pytest.mark.needs("posix")
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
