"""Saying what was found."""

import hashlib
import os

import pytest

from fastdl.datasets import MissingDatasetError, _sources, provenance


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("form", ["binary", "python"])
@pytest.mark.parametrize("archived", [True, False])
def test_the_official_rows_are_known_in_every_form(make, tmp_path, monkeypatch, form, archived):
    path = make.cifar10(tmp_path, form, archived)
    found = provenance("cifar10", data_dir=tmp_path)
    assert (found.path, found.official) == (str(path), False)
    digest = hashlib.sha256(make.binary_batch("data_batch_1")).hexdigest()
    monkeypatch.setitem(_sources.OFFICIAL, "cifar10", digest)
    found = provenance("cifar10", data_dir=tmp_path)
    assert found.official
    title = {"binary": "binary", "python": "Python"}[form]
    assert str(found) == f"cifar10: {title} files in {path} (the official data)"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_known_packed_or_not(make, tmp_path, monkeypatch, packed):
    folder = make.mnist(tmp_path, packed)
    assert not provenance("mnist", data_dir=tmp_path).official
    plain = make.mnist(tmp_path / "plain", packed=False)
    digest = hashlib.sha256((plain / "train-images-idx3-ubyte").read_bytes()).hexdigest()
    monkeypatch.setitem(_sources.OFFICIAL, "mnist", digest)
    assert str(provenance("mnist", data_dir=tmp_path)) == (
        f"mnist: idx files in {folder} (the official data)"
    )


def test_what_is_missing_and_what_is_unknown(tmp_path):
    with pytest.raises(MissingDatasetError):
        provenance("mnist", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"name must be one of cifar10, .*; got 'svhn'"):
        provenance("svhn")


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="needs FASTDL_DATA_DIR")
def test_real_data():
    assert provenance("mnist").official
    assert provenance("cifar10").path.startswith(os.environ["FASTDL_DATA_DIR"])


@pytest.mark.usefixtures("small")
def test_what_is_known_packed_alone_is_compared_so(make, tmp_path, monkeypatch):
    folder = make.mnist(tmp_path, folder="KMNIST/raw")
    assert provenance("kmnist", data_dir=tmp_path).official is False
    first, *rest = _sources.REMOTES["kmnist"]
    content = (folder / "train-images-idx3-ubyte.gz").read_bytes()
    known = first._replace(sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(_sources.REMOTES, "kmnist", (known, *rest))
    assert provenance("kmnist", data_dir=tmp_path).official is True
    make.mnist(tmp_path / "plain", packed=False, folder="KMNIST/raw")
    found = provenance("kmnist", data_dir=tmp_path / "plain")
    assert found.official is None
    assert str(found).endswith("(not compared)")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [True, False])
def test_emnist_is_found_by_any_of_its_splits(make, tmp_path, packed):
    archive = make.emnist(tmp_path, "balanced" if packed else "letters", packed)
    found = provenance("emnist", data_dir=tmp_path)
    assert (found.path, found.official) == (str(archive), False if packed else None)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("form", ["binary", "python"])
def test_cifar100_is_known_in_every_form(make, tmp_path, monkeypatch, form):
    make.cifar100(tmp_path, form)
    assert provenance("cifar100", data_dir=tmp_path).official is False
    digest = hashlib.sha256(make.cifar100_binary("train")).hexdigest()
    monkeypatch.setitem(_sources.OFFICIAL, "cifar100", digest)
    assert provenance("cifar100", data_dir=tmp_path).official is True
