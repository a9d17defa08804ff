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


WRITERS = {
    "cifar10": lambda make, root: make.cifar10(root, "binary", True),
    "cifar100": lambda make, root: make.cifar100(root, "binary", True),
    "mnist": lambda make, root: make.mnist(root),
    "fashion_mnist": lambda make, root: make.mnist(root, folder="FashionMNIST/raw"),
    "kmnist": lambda make, root: make.mnist(root, folder="KMNIST/raw"),
    "emnist": lambda make, root: make.emnist(root, "balanced"),
}


@pytest.fixture
def serve(make, small, mirror, tmp_path, monkeypatch):
    """Serve a small data set as if it were the official one; return the data directory."""

    def begin(name):
        (tmp_path / "served").mkdir()
        WRITERS[name](make, tmp_path / "served")
        remotes = []
        for remote in _sources.REMOTES[name]:
            content = (tmp_path / "served" / remote.path).read_bytes()
            url = mirror.serve("/" + remote.mirrors[0].rpartition("/")[2], partial(send, content))
            digest = hashlib.sha256(content).hexdigest()
            remotes.append(Remote(remote.path, len(content), digest, (url,)))
        monkeypatch.setitem(_sources.REMOTES, name, tuple(remotes))
        few = partial(_download._LOADERS[name], validation=1)
        monkeypatch.setitem(_download._LOADERS, name, few)
        return tmp_path / "data"

    return begin


@pytest.fixture
def mnist_mirror(serve):
    return serve("mnist")


@pytest.mark.parametrize("name", _sources.NAMES)
def test_every_set_is_fetched_to_where_its_loader_looks(serve, mirror, name):
    place = serve(name)
    download(name, data_dir=place)
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.suffix != ".lock")
    assert files == sorted(place / remote.path for remote in _sources.REMOTES[name])
    for remote in _sources.REMOTES[name]:
        content = (place / remote.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == remote.sha256
    (x, y), *_ = _download._LOADERS[name](data_dir=place)
    assert len(x) == len(y) > 0
    download(name, data_dir=place)
    assert len(mirror.requests) == len(files)


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
