"""Damaged files of every format end in data or in a DatasetError: soon, and in little memory."""

import gzip
import io
import os
import shutil
import struct
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fastdl.datasets import DatasetError, load_cifar10, load_cifar100, load_emnist, load_mnist
from fastdl.datasets import _cifar10_forms as forms
from tests import nightly

pytestmark = pytest.mark.timeout(nightly.count(300, 7200))
CUTS = nightly.count(16, 64)
PADDING = CUTS // 8  # how often a file is cut short, and how many of these may cut tar's zeros
SLOWEST = 5.0  # seconds of the processor a file
MARGIN = 4 << 20  # bytes: buffers of a fixed size, and the interpreter's own tables
IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

one_batch = partial(load_cifar10, train=[1], validation=[])
mnist = partial(load_mnist, validation=1)
emnist = partial(load_emnist, split="digits", validation=1)
cifar100 = partial(load_cifar100, labels="coarse", validation=1)


class Format(NamedTuple):
    """A file that a writer of conftest.py makes, and who reads it."""

    load: Callable
    writer: str
    arguments: tuple
    file: str
    seen: float  # least share of changed bytes that show: not those of pixels
    inside: bool = False  # damage what is packed, so that the checksum is right
    k: int = 10  # classes


def archive(form, seen, inside=False):
    file = f"../cifar-10-{form}.tar.gz"
    return Format(one_batch, "cifar10", (form, True), file, seen, inside)


FORMATS = {
    "CIFAR-10, binary": Format(one_batch, "cifar10", ("binary",), "data_batch_1.bin", 0.001),
    "CIFAR-10, Python": Format(one_batch, "cifar10", ("python",), "data_batch_1", 0.06),
    "CIFAR-10, binary archive": archive("binary", 0.99),
    "CIFAR-10, binary archive, inside": archive("binary", 0.5, inside=True),
    "CIFAR-10, Python archive": archive("python", 0.99),
    "CIFAR-10, Python archive, inside": archive("python", 0.5, inside=True),
    "MNIST, images": Format(mnist, "mnist", (False,), IMAGES, 0.008),
    "MNIST, labels": Format(mnist, "mnist", (False,), LABELS, 0.95),
    "MNIST, packed images": Format(mnist, "mnist", (True,), f"{IMAGES}.gz", 0.99),
    "MNIST, packed labels": Format(mnist, "mnist", (True,), f"{LABELS}.gz", 0.8),
    "EMNIST": Format(emnist, "emnist", ("digits",), "gzip.zip", 0.3),
    "CIFAR-100, binary": Format(cifar100, "cifar100", ("binary",), "train.bin", 0.0, k=20),
    "CIFAR-100, Python": Format(cifar100, "cifar100", ("python",), "train", 0.03, k=20),
}


def measured(load):
    """What a load returns, None for a DatasetError; the seconds and the bytes that it took."""
    tracemalloc.reset_peak()
    before, start = tracemalloc.get_traced_memory()[0], time.process_time()
    try:
        splits = load()
    except DatasetError:
        splits = None
    return splits, time.process_time() - start, tracemalloc.get_traced_memory()[1] - before


def survey(file, contents, cuts, load, pack=lambda content: content, k=10):
    """Load the file with each content, the first of which are cut; return what came of it."""
    whole = load()
    shapes = [(a.shape, a.dtype) for split in whole for a in split]
    checked = file.suffix == ".gz" and pack is not gzip.compress
    found = {"files": 0, "refused": 0, "refused_cuts": 0, "slowest": 0.0, "memory": 0}
    tracemalloc.start()
    try:
        for content in contents:
            file.write_bytes(pack(content))
            splits, seconds, memory = measured(load)
            found["files"] += 1
            found["slowest"] = max(found["slowest"], seconds)
            found["memory"] = max(found["memory"], memory)
            if splits is None:
                found["refused"] += 1
                found["refused_cuts"] += found["files"] <= cuts
                continue
            assert [(a.shape, a.dtype) for split in splits for a in split] == shapes
            assert all(((y >= 0) & (y < k)).all() for _, y in splits)
            if checked:  # what has passed the checksum is what was packed
                assert all(
                    (a == b).all()
                    for split, right in zip(splits, whole, strict=True)
                    for a, b in zip(split, right, strict=True)
                )
    finally:
        tracemalloc.stop()
    twice = 2 * sum(x.nbytes for x, _ in whole)
    assert found["memory"] < twice + MARGIN
    assert found["slowest"] < SLOWEST
    return found


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_give_data_or_an_error(make, tmp_path, damaged, name):
    form = FORMATS[name]
    root = getattr(make, form.writer)(tmp_path, *form.arguments)
    file = root if root.is_file() else root / form.file
    content = file.read_bytes()
    if form.inside:
        content = gzip.decompress(content)
    load = partial(form.load, data_dir=tmp_path)
    pack = gzip.compress if form.inside else bytes
    changes = nightly.count(100 if form.seen >= 0.01 else 300, 10_000)
    found = survey(file, damaged(content, CUTS, changes), CUTS, load, pack, form.k)
    nightly.report(f"damaged files: {name}", **found)
    assert found["refused_cuts"] >= CUTS - (PADDING if form.inside else 0)
    assert found["refused"] - found["refused_cuts"] >= form.seen * changes


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["CIFAR-10, binary archive", "MNIST, packed labels"])
def test_a_packed_file_of_nothing_is_not_read_for_long(make, tmp_path, name):
    form = FORMATS[name]
    root = getattr(make, form.writer)(tmp_path, *form.arguments)
    file = root if root.is_file() else root / form.file
    file.write_bytes(gzip.compress(b"") * 50_000)
    with pytest.raises(DatasetError, match=r"it should hold 0 to .* bytes, but holds 1,000,000"):
        form.load(data_dir=tmp_path)


# --- files of the official size ------------------------------------------------------------------


def least_memory(load, most):
    """Load or refuse; less than so many bytes are in use at any time."""
    tracemalloc.start()
    try:
        splits, _, memory = measured(load)
    finally:
        tracemalloc.stop()
    assert memory < most
    return splits


ROW = 1 + forms.D


@pytest.mark.parametrize("label", [9, 10])
def test_a_whole_batch_takes_less_than_twice_its_size(tmp_path, label):
    records = np.zeros((forms.ROWS, ROW), np.uint8)
    records[-1, 0] = label
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name in ("data_batch_1.bin", "test_batch.bin"):
        records.tofile(tmp_path / "cifar-10-batches-bin" / name)
    splits = least_memory(partial(one_batch, data_dir=tmp_path), 4 * records.nbytes)
    assert (splits is None) == (label > 9)


def test_a_whole_archive_is_read_batch_by_batch(tmp_path):
    batch = np.zeros((forms.ROWS, ROW), np.uint8)
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as archive:
        for name in ("data_batch_1.bin", "test_batch.bin"):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = batch.nbytes
            archive.addfile(member, io.BytesIO(batch.data))
    load = partial(one_batch, data_dir=tmp_path)
    splits = least_memory(load, 3 * batch.nbytes + MARGIN)  # what is read, and what it becomes
    assert splits is not None


@pytest.mark.parametrize("label", [9, 10])
def test_a_whole_mnist_takes_little_more_than_its_size(tmp_path, label):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", 60_000), ("t10k", 10_000)):
        images = struct.pack(">4i", 2051, n, 28, 28) + bytes(784 * n)
        labels = struct.pack(">2i", 2049, n) + bytes(n - 1) + bytes([label])
        (folder / f"{part}-{IMAGES[6:]}.gz").write_bytes(gzip.compress(images, 1))
        (folder / f"{part}-{LABELS[5:]}").write_bytes(labels)
    load = partial(load_mnist, data_dir=tmp_path)
    splits = least_memory(load, 70_000 * 792 + MARGIN)  # labels become int64
    assert (splits is None) == (label > 9)


@pytest.mark.parametrize(
    "opcode",
    [b"]", b"}", b")", b"N", b"(", b"U\xff" + bytes(255), b"K\x00q\x00", b"J\x00\x00\x00\x40"],
)
def test_no_opcode_repeated_takes_more_than_twice_the_file(tmp_path, opcode):
    """The dearest pickles of the size that a batch may have."""
    _, most = forms.FORMS[1].batch_size(forms.ROWS)
    content = (opcode * (most // len(opcode)))[:most]
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(content)
    found = forms.locate(tmp_path, ["data_batch_1"])
    assert least_memory(lambda: [*forms.read_batches(found, ["data_batch_1"])], 2 * most) is None


REAL = {  # how many bytes are changed: in a day's run a few, in a nightly one so many
    "CIFAR-10, binary": ("cifar-10-batches-bin/data_batch_1.bin", one_batch, 10_000),
    "CIFAR-10, Python": ("cifar-10-batches-py/data_batch_1", one_batch, 10_000),
    "MNIST, packed images": (f"MNIST/raw/{IMAGES}.gz", load_mnist, 1000),
    "MNIST, packed labels": (f"MNIST/raw/{LABELS}.gz", load_mnist, 1000),
}


@pytest.mark.real_data
@pytest.mark.needs("posix")
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="needs FASTDL_DATA_DIR")
@pytest.mark.parametrize("name", REAL)
def test_damaged_real_files_give_data_or_an_error(tmp_path, damaged, name):
    path, load, most = REAL[name]
    source = Path(os.environ["FASTDL_DATA_DIR"], path)
    if not source.exists():
        pytest.skip(f"no {path} in FASTDL_DATA_DIR")
    cuts, changes = nightly.count(2, CUTS), nightly.count(2, most)
    shutil.copytree(source.parent, (tmp_path / path).parent, copy_function=os.symlink)
    (tmp_path / path).unlink()
    shutil.copy(source, tmp_path / path)
    contents = damaged(source.read_bytes(), cuts, changes)
    found = survey(tmp_path / path, contents, cuts, partial(load, data_dir=tmp_path))
    nightly.report(f"damaged real files: {name}", **found)
    assert found["refused_cuts"] == cuts
