"""Small data sets in the official formats, and a mirror on the loopback address."""

import contextlib
import gzip
import io
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fastdl.datasets import _cifar10_forms, _mnist

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
    """Let a batch of CIFAR-10 have 4 rows, and MNIST 6 and 4."""
    monkeypatch.setattr(_cifar10_forms, "ROWS", ROWS)
    monkeypatch.setattr(_mnist, "N_TRAIN", 6)
    monkeypatch.setattr(_mnist, "N_TEST", 4)


def cifar10_rows(batch: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(BATCHES.index(batch))
    return rng.integers(0, 10, ROWS, np.uint8), rng.integers(0, 256, (ROWS, 3072), np.uint8)


def binary_batch(batch: str) -> bytes:
    labels, pixels = cifar10_rows(batch)
    return np.column_stack([labels, pixels]).tobytes()


def python_batch(batch: str) -> bytes:
    """Pickle as Python 2 did, memo and all."""

    def text(value: str) -> bytes:
        return b"U%c%s" % (len(value), value.encode())

    labels, pixels = cifar10_rows(batch)
    shape = b"".join(b"M" + n.to_bytes(2, "little") for n in pixels.shape)
    return b"".join(
        [
            b"\x80\x02}q\x01(",
            text("batch_label") + b"q\x02" + text("training batch 1 of 5") + b"q\x03",
            text("labels") + b"q\x04]q\x05(" + b"".join(b"K%c" % i for i in labels) + b"e",
            text("data") + b"q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07",
            b"cnumpy\nndarray\nq\x08K\x00\x85U\x01bq\x09\x87Rq\x0a(K\x01" + shape + b"\x86",
            b"cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87Rq\x0c",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + pixels.size.to_bytes(4, "little") + pixels.tobytes() + b"tb",
            text("filenames") + b"r\x0d\x00\x00\x00]q\x0e(",
            b"".join(text(f"camion_s_{i:06}.png") for i in range(ROWS)) + b"eu.",
        ]
    )


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


def idx(array: np.ndarray) -> bytes:
    magic = 2048 + array.ndim
    return struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.tobytes()


def mnist_rows(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)


def write_mnist(root: Path, packed: bool = True) -> Path:
    """Write 6 training rows and 4 test rows; return the folder."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", 6), ("t10k", 4)):
        images, labels = mnist_rows(n)
        for kind, rows in (("images-idx3", images), ("labels-idx1", labels)):
            file = folder / f"{part}-{kind}-ubyte{'.gz' if packed else ''}"
            content = idx(rows)
            file.write_bytes(gzip.compress(content, mtime=0) if packed else content)
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
