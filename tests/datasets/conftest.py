"""Small data sets in the official formats, and a mirror on the loopback address."""

import contextlib
import gzip
import io
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fastdl.datasets import _cifar10_forms, _cifar100, _emnist, _mnist

ROWS = 4
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, request):
    """Hide the user's own data and proxies, except from the tests of real data."""
    monkeypatch.setenv("no_proxy", "*")
    if "real_data" not in request.keywords:
        monkeypatch.delenv("FASTDL_DATA_DIR", raising=False)


@pytest.fixture
def small(monkeypatch):
    """Let a batch of CIFAR-10 have 4 rows, CIFAR-100 6 and 4, and MNIST and its like, too."""
    monkeypatch.setattr(_cifar10_forms, "ROWS", ROWS)
    monkeypatch.setattr(_cifar100, "ROWS", {"train": 6, "test": 4})
    for name in ("MNIST", "FASHION_MNIST", "KMNIST"):
        monkeypatch.setattr(_mnist, name, getattr(_mnist, name)._replace(n_train=6, n_test=4))
    for name, split in _emnist.SPLITS.items():
        monkeypatch.setitem(_emnist.SPLITS, name, split._replace(n_train=6, n_test=4))


def cifar10_rows(batch: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(BATCHES.index(batch))
    return rng.integers(0, 10, ROWS, np.uint8), rng.integers(0, 256, (ROWS, 3072), np.uint8)


def binary_batch(batch: str) -> bytes:
    labels, pixels = cifar10_rows(batch)
    return np.column_stack([labels, pixels]).tobytes()


def python_batch(batch: str) -> bytes:
    """Pickle as Python 2 did, memo and all."""
    labels, pixels = cifar10_rows(batch)
    names = [f"camion_s_{i:06}.png" for i in range(ROWS)]
    words = {"batch_label": "training batch 1 of 5"}
    return pickled({"labels": labels, "filenames": names}, pixels, words)


def pickled(
    lists: dict[str, list[str] | np.ndarray],
    pixels: np.ndarray,
    words: dict[str, str] | None = None,
) -> bytes:
    """A dict of words, lists and the matrix "data", as Python 2 wrote it."""

    def text(value: str) -> bytes:
        return b"U%c%s" % (len(value), value.encode())

    shape = b"".join(b"M" + n.to_bytes(2, "little") for n in pixels.shape)
    parts = [b"\x80\x02}q\x01("]
    for i, (name, word) in enumerate((words or {}).items()):
        parts += [text(name), b"q%c" % (32 + 2 * i), text(word), b"q%c" % (33 + 2 * i)]
    for i, (name, items) in enumerate(lists.items()):
        each = [b"K%c" % v if not isinstance(v, str) else text(v) for v in items]
        parts += [text(name), b"q%c]r%c\x00\x00\x00(" % (64 + 2 * i, 65 + 2 * i), *each, b"e"]
    parts += [
        text("data") + b"q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07",
        b"cnumpy\nndarray\nq\x08K\x00\x85U\x01bq\x09\x87Rq\x0a(K\x01" + shape + b"\x86",
        b"cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87Rq\x0c",
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
        b"T" + pixels.size.to_bytes(4, "little") + pixels.tobytes() + b"tb",
    ]
    return b"".join([*parts, b"u."])


WRITERS = {
    "binary": ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", ".bin", binary_batch),
    "python": ("cifar-10-batches-py", "cifar-10-python.tar.gz", "", python_batch),
}


def tar_gz(members: list[tuple[str | tarfile.TarInfo, bytes]]) -> bytes:
    """Pack members as GNU tar does."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            if isinstance(name, str) and name.endswith("/"):
                member.type = tarfile.DIRTYPE
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def cifar10_members(form: str) -> list[tuple[str | tarfile.TarInfo, bytes]]:
    folder, _, suffix, content = WRITERS[form]
    members: list[tuple[str | tarfile.TarInfo, bytes]] = [(f"{folder}/", b"")]
    members += [(f"{folder}/{batch}{suffix}", content(batch)) for batch in reversed(BATCHES)]
    return [*members, (f"{folder}/readme.html", b"<html>")]


def write_cifar10(root: Path, form: str, archived: bool = False) -> Path:
    """Write six batches of 4 rows; return the folder or the archive."""
    folder, archive, suffix, content = WRITERS[form]
    root.mkdir(parents=True, exist_ok=True)
    if archived:
        (root / archive).write_bytes(tar_gz(cifar10_members(form)))
        return root / archive
    (root / folder).mkdir()
    for batch in BATCHES:
        (root / folder / f"{batch}{suffix}").write_bytes(content(batch))
    return root / folder


def cifar100_rows(batch: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coarse labels, fine ones, pixels."""
    n = {"train": 6, "test": 4}[batch]
    rng = np.random.default_rng(n)
    coarse, fine = (rng.integers(0, k, n, np.uint8) for k in (20, 100))
    return coarse, fine, rng.integers(0, 256, (n, 3072), np.uint8)


def cifar100_binary(batch: str) -> bytes:
    return np.column_stack(cifar100_rows(batch)).tobytes()


def cifar100_python(batch: str) -> bytes:
    """The pickle of CIFAR-10 with two kinds of labels."""
    coarse, fine, pixels = cifar100_rows(batch)
    names = [f"bos_taurus_s_{i:06}.png" for i in range(len(fine))]
    return pickled({"filenames": names, "fine_labels": fine, "coarse_labels": coarse}, pixels)


def write_cifar100(root: Path, form: str, archived: bool = False) -> Path:
    """Write 6 training rows and 4 test rows; return the folder or the archive."""
    content = {"binary": cifar100_binary, "python": cifar100_python}[form]
    suffix, remark = {"binary": (".bin", "fine_label_names.txt"), "python": ("", "meta")}[form]
    folder = f"cifar-100-{form}"
    files = {f"{folder}/{batch}{suffix}": content(batch) for batch in ("test", "train")}
    if archived:
        members = [(f"{folder}/", b""), (f"{folder}/{remark}", b"apple"), *files.items()]
        (root / f"{folder}.tar.gz").write_bytes(tar_gz(members))
        return root / f"{folder}.tar.gz"
    (root / folder).mkdir()
    for name, packed in files.items():
        (root / name).write_bytes(packed)
    return root / folder


def idx(array: np.ndarray) -> bytes:
    magic = 2048 + array.ndim
    return struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.tobytes()


def mnist_rows(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)


def write_mnist(root: Path, packed: bool = True, folder: str = "MNIST/raw") -> Path:
    """Write 6 training rows and 4 test rows; return the folder."""
    place = root / folder
    place.mkdir(parents=True)
    for part, n in (("train", 6), ("t10k", 4)):
        images, labels = mnist_rows(n)
        for kind, rows in (("images-idx3", images), ("labels-idx1", labels)):
            file = place / f"{part}-{kind}-ubyte{'.gz' if packed else ''}"
            content = idx(rows)
            file.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return place


def write_emnist(root: Path, split: str, packed: bool = True) -> Path:
    """Write a split as it was published, the images lying on their side; or unpacked files."""
    files = {}
    for part, n in (("train", 6), ("test", 4)):
        images, labels = mnist_rows(n)
        first = int(split == "letters")
        for kind, rows in (("images-idx3", images.swapaxes(1, 2)), ("labels-idx1", labels + first)):
            content = idx(np.ascontiguousarray(rows, np.uint8))
            files[f"emnist-{split}-{part}-{kind}-ubyte"] = content
    if packed:
        archive = root / "EMNIST" / "gzip.zip"
        archive.parent.mkdir(parents=True)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            for name, content in files.items():
                members.writestr(f"gzip/{name}.gz", gzip.compress(content, mtime=0))
        return archive
    folder = root / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def make() -> SimpleNamespace:
    """The writers of this file: test modules cannot import one another."""
    return SimpleNamespace(
        rows=ROWS,
        batches=BATCHES,
        cifar10=write_cifar10,
        cifar10_rows=cifar10_rows,
        cifar10_members=cifar10_members,
        binary_batch=binary_batch,
        python_batch=python_batch,
        tar_gz=tar_gz,
        mnist=write_mnist,
        mnist_rows=mnist_rows,
        emnist=write_emnist,
        cifar100=write_cifar100,
        cifar100_rows=cifar100_rows,
        cifar100_binary=cifar100_binary,
        cifar100_python=cifar100_python,
    )


@pytest.fixture
def damaged() -> Callable[[bytes, int, int], Iterator[bytes]]:
    """Yield truncations and then single-byte changes, half of them near the ends."""

    def damage(content: bytes, n_cuts: int, n_changes: int) -> Iterator[bytes]:
        rng = np.random.default_rng(1)
        for size in np.linspace(0, len(content) - 1, n_cuts).astype(int):
            yield content[:size]
        edge = min(600, len(content))
        for i in range(n_changes):
            at = int(rng.integers(0, len(content)))
            if i % 2:
                at = int(rng.integers(0, edge)) * (1 if i % 4 == 1 else -1) % len(content)
            changed = bytearray(content)
            changed[at] ^= int(rng.integers(1, 256))
            yield bytes(changed)

    return damage


class Mirror:
    """A server on the loopback address whose every path runs a function of the test."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self._answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                mirror.requests.append((self.path, self.headers["Range"]))
                self.close_connection = True
                with contextlib.suppress(BrokenPipeError):  # a client that has heard enough
                    mirror._answers[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def serve(self, path: str, answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        """Return the address under which the function answers."""
        self._answers[path] = answer
        return f"http://127.0.0.1:{self.server.server_port}{path}"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()
    thread.join()
