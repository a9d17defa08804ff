"""Getting a data set that is missing or damaged, and leaving alone one that is there."""

import errno
import hashlib
import os
from functools import partial

import pytest

from fastdl.datasets import DatasetError, _download, _sources, download, load_mnist
from fastdl.datasets._sources import Remote


def send(content, handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def mnist_mirror(make, small, mirror, tmp_path, monkeypatch):
    """Serve a small MNIST as if it were the official one; return the data directory."""
    folder = make.mnist(tmp_path / "served")
    remotes = []
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        url = mirror.serve(f"/{file.name}", partial(send, content))
        digest = hashlib.sha256(content).hexdigest()
        remotes.append(Remote(f"MNIST/raw/{file.name}", len(content), digest, (url,)))
    monkeypatch.setitem(_sources.REMOTES, "mnist", tuple(remotes))
    monkeypatch.setattr(_download, "_LOADERS", {"mnist": partial(load_mnist, validation=1)})
    return tmp_path / "data"


def test_a_data_set_is_fetched_once(mnist_mirror, mirror):
    download("mnist", data_dir=mnist_mirror)
    assert len(load_mnist(validation=1, data_dir=mnist_mirror)[0][0]) == 5
    download("mnist", data_dir=mnist_mirror)
    assert len(mirror.requests) == 4


def test_a_damaged_file_alone_is_fetched_again(mnist_mirror, mirror):
    download("mnist", data_dir=mnist_mirror)
    (mnist_mirror / "MNIST/raw/train-labels-idx1-ubyte.gz").write_bytes(b"damage")
    download("mnist", data_dir=mnist_mirror)
    load_mnist(validation=1, data_dir=mnist_mirror)
    assert [path for path, _ in mirror.requests[4:]] == ["/train-labels-idx1-ubyte.gz"]


def test_a_full_disk_is_told_and_leaves_no_file(mnist_mirror, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatasetError, match=r"cannot be written: .*No space left"):
        download("mnist", data_dir=mnist_mirror)
    assert not list(mnist_mirror.rglob("*.gz"))


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match="name must be one of"):
        download("svhn")
