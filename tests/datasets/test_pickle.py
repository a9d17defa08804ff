"""Pickles that are not what CIFAR-10 is published in run nothing and allocate little."""

import copyreg
import io
import os
import pickle
import time
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest

from fastdl.datasets import DatasetError, _pickle, load_cifar10

LIMIT = 1000


def load(content: bytes) -> object:
    return _pickle.load(memoryview(content), LIMIT)


EXTENSION = [(240).to_bytes(size, "little") for size in (1, 2, 4)]
HARMLESS = {  # these run nothing, whoever reads them
    "call of a token",
    "call of an array",
    "object array",
    "state of a dict",
}


class Evil:
    """Unpickles by touching a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class EvilState(Evil):
    """Unpickles by setting a state."""

    def __reduce__(self):
        return EvilState, ("",), {"path": self.path}

    def __setstate__(self, state):
        os.mkdir(state["path"])


class EvilNew:
    """Unpickles by being made."""

    def __new__(cls, path):
        os.mkdir(path)


def payloads(sentinel: str) -> dict[str, bytes]:
    path = sentinel.encode()
    text = b"U%c%s" % (len(path), path)
    call = b"cos\nmkdir\n(" + text + b"tR."
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    return {
        **{f"reduce, protocol {i}": pickle.dumps(Evil(sentinel), i) for i in range(6)},
        **{f"build, protocol {i}": pickle.dumps(EvilState(sentinel), i) for i in range(6)},
        "global": call,
        "global, hidden by a name": b"cnumpy\nndarray\n" + call,
        "stack global": b"\x8c\x02os\x8c\x05mkdir\x93" + text + b"\x85R.",
        "instance": b"(" + text + b"ios\nmkdir\n.",
        "object": b"(cos\nmkdir\n" + text + b"o.",
        "new object": f"c{__name__}\nEvilNew\n".encode() + text + b"\x85\x81.",
        "persistent id": b"P" + path + b"\n.",
        "binary persistent id": text + b"Q.",
        **{
            f"extension code of {len(code)} bytes": opcode + code + text + b"\x85R."
            for opcode, code in zip((b"\x82", b"\x83", b"\x84"), EXTENSION, strict=True)
        },
        "nested pickle": b"c_pickle\nloads\n(T" + len(call).to_bytes(4, "little") + call + b"tR.",
        "call of a token": b"cnumpy\nndarray\n(" + text + b"tR.",
        "call of an array": array + b"(" + text + b"tR.",
        "object array": b"cnumpy\ndtype\n(U\x01OK\x00K\x01tR.",
        "state of a dict": b"}(" + text + b"K\x01ub}b.",
    }


def bombs() -> dict[str, bytes]:
    huge = (1 << 62).to_bytes(8, "little")
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
    shape = b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"
    return {
        "string": b"T\xff\xff\xff\x7f",
        "string of negative length": b"T\xff\xff\xff\xff",
        "unicode": b"\x8d" + huge,
        "bytes": b"\x8e" + huge,
        "bytearray": b"\x96" + huge,
        "frame": b"\x80\x04\x95" + huge,
        "long": b"\x8b\xff\xff\xff\x7f",
        "memo": b"Nr\xff\xff\xff\xff" * 50_000 + b".",
        "lists": b"]" * 100_000 + b".",
        "nested tuples": b")" + b"\x85" * 100_000 + b".",
        "marks": b"(" * 100_000 + b".",
        "list of itself": b"]q\x00(" + b"h\x00" * 100_000 + b"e.",
        "shape": array + b"(K\x01" + shape + dtype + b"\x89U\x01atb.",
        "negative shape": array
        + b"(K\x01J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"
        + dtype
        + b"\x89U\x01atb.",
        "array filled twice": (array + b"(K\x01K\x01K\x01\x86" + dtype + b"\x89U\x01atb" + b"b."),
    }


class Unpickler(pickle.Unpickler):
    """One as it is written where persistent ids are in use."""

    def persistent_load(self, path):
        os.mkdir(path)


@pytest.mark.parametrize("name", sorted(payloads("").keys() - HARMLESS))
def test_pickle_runs_the_payloads(tmp_path, monkeypatch, name):
    """So they are what they claim to be."""
    monkeypatch.setitem(copyreg._inverted_registry, 240, ("os", "mkdir"))
    sentinel = tmp_path / "sentinel"
    payload = payloads(str(sentinel))[name]
    with suppress(Exception):
        Unpickler(io.BytesIO(payload), encoding="bytes").load()
    assert sentinel.exists()


@pytest.mark.parametrize("name", payloads(""))
def test_payloads_run_nothing(small, make, tmp_path, name):
    sentinel = tmp_path / "sentinel"
    payload = payloads(str(sentinel))[name]
    with pytest.raises(DatasetError, match="its pickle"):
        load(payload)
    folder = make.cifar10(tmp_path / "data", "python")
    size = len(make.python_batch("data_batch_1"))
    (folder / "data_batch_1").write_bytes(payload + bytes(size - len(payload)))
    with pytest.raises(DatasetError, match="data_batch_1 cannot be read: its pickle"):
        load_cifar10(data_dir=tmp_path / "data")
    assert not sentinel.exists()


@pytest.mark.parametrize("name", bombs())
def test_bombs_are_cheap(name):
    content = bombs()[name]
    start = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="its pickle"):
            load(content)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"h\x00.",
        b"(.",
        b"N(.",
        b"u.",
        b"e.",
        b"N(e.",
        b"}(Nu.",
        b"}(]Nu.",
        b"K",
        b"U\x05abc",
        b"c",
        b"cnumpy",
        b"R.",
        b"b.",
        b"\x85.",
        b"N",
        b"q\x00.",
    ],
)
def test_nonsense_is_an_error(content):
    with pytest.raises(DatasetError, match="its pickle"):
        load(content)


def test_a_fortran_array_is_read_in_its_order(make):
    content = make.python_batch("data_batch_1").replace(b"tb\x89T", b"tb\x88T")
    pixels = make.cifar10_rows("data_batch_1")[1]
    expected = pixels.ravel().reshape(pixels.shape, order="F")
    np.testing.assert_array_equal(load(content)[b"data"], expected)


def test_what_is_read_is_what_pickle_reads(make):
    """For a harmless file both readers agree, but for views in the place of long strings."""
    content = make.python_batch("data_batch_2").replace(b"numpy.core", b"numpy._core")
    mine, theirs = load(content), pickle.loads(content, encoding="bytes")
    assert mine.keys() == theirs.keys()
    np.testing.assert_array_equal(mine.pop(b"data"), theirs.pop(b"data"))
    assert mine == theirs
