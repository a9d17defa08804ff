"""The sets like MNIST, and EMNIST, whose images lie on their side in its files."""

import gzip
import os
import zipfile

import numpy as np
import pytest

from fastdl import datasets
from fastdl.datasets import DatasetError, MissingDatasetError, _emnist, _mnist

FOLDERS = {"fashion_mnist": "FashionMNIST/raw", "kmnist": "KMNIST/raw"}
small = pytest.mark.usefixtures("small")


def assert_holds(make, splits, validation):
    images, labels = make.mnist_rows(6)
    n = 6 - validation
    for (x, y), rows, expected in zip(
        splits,
        (images[:n], images[n:], make.mnist_rows(4)[0]),
        (labels[:n], labels[n:], make.mnist_rows(4)[1]),
        strict=True,
    ):
        np.testing.assert_array_equal(x, rows.reshape(len(rows), 784))
        np.testing.assert_array_equal(y, expected)
        assert (x.dtype, y.dtype) == (np.uint8, np.int64)
        assert all(a.flags.c_contiguous and a.flags.writeable for a in (x, y))


@small
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", FOLDERS)
def test_a_set_like_mnist_is_read_from_a_folder_of_its_own(make, tmp_path, name, packed):
    make.mnist(tmp_path, packed, FOLDERS[name])
    load = getattr(datasets, f"load_{name}")
    assert_holds(make, load(validation=2, data_dir=tmp_path), 2)
    assert len(getattr(datasets, f"{name.upper()}_LABELS")) == 10


@small
def test_the_systems_files_are_found_where_no_folder_is_named(make, tmp_path, monkeypatch):
    place = make.mnist(tmp_path, folder="system")
    moved = _mnist.FASHION_MNIST._replace(system=str(place))
    monkeypatch.setattr(_mnist, "FASHION_MNIST", moved)
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "none"))
    assert_holds(make, datasets.load_fashion_mnist(validation=1), 1)
    assert datasets.provenance("fashion_mnist").path == str(place)
    with pytest.raises(MissingDatasetError, match="download fashion_mnist"):
        datasets.load_fashion_mnist(data_dir=tmp_path / "none", validation=1)
    make.mnist(tmp_path / "none", folder="FashionMNIST/raw")  # one's own come first
    assert "FashionMNIST" in datasets.provenance("fashion_mnist").path


@small
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("split", list(_emnist.SPLITS))
def test_images_of_emnist_are_turned_upright_and_labels_count_from_0(make, tmp_path, split, packed):
    make.emnist(tmp_path, split, packed)
    found = datasets.load_emnist(split=split, validation=2, data_dir=tmp_path)
    assert_holds(make, found, 2)


def test_more_images_than_are_turned_at_a_time(make, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets._idx_sets, "_BLOCK", 4)
    for name, split in _emnist.SPLITS.items():
        monkeypatch.setitem(_emnist.SPLITS, name, split._replace(n_train=6, n_test=4))
    make.emnist(tmp_path, "mnist")
    assert_holds(make, datasets.load_emnist(split="mnist", validation=0, data_dir=tmp_path), 0)


@pytest.mark.parametrize(
    ("split", "k"),
    [("balanced", 47), ("bymerge", 47), ("byclass", 62), ("letters", 26), ("digits", 10)],
)
def test_every_class_of_emnist_has_a_name_of_its_own(split, k):
    assert len(datasets.EMNIST_LABELS[split]) == len({*datasets.EMNIST_LABELS[split]}) == k


@small
def test_a_label_of_emnist_that_there_is_not_is_told(make, tmp_path):
    folder = make.emnist(tmp_path, "letters", packed=False)
    file = folder / "emnist-letters-train-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(DatasetError, match=r"labels must lie in \[1, 27\), but row 0 has 0"):
        datasets.load_emnist(split="letters", validation=1, data_dir=tmp_path)


@small
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda archive: archive.write_bytes(b"PK"), "File is not a zip file"),
        (lambda archive: zipfile.ZipFile(archive, "w").close(), "There is no item named"),
    ],
)
def test_an_archive_of_emnist_that_is_none_is_told(make, tmp_path, damage, message):
    damage(make.emnist(tmp_path, "digits"))
    with pytest.raises(DatasetError, match=rf"gzip\.zip cannot be read.*{message}"):
        datasets.load_emnist(split="digits", validation=1, data_dir=tmp_path)


@small
def test_a_member_of_nothing_but_zeros_is_given_up_early(make, tmp_path):
    archive = make.emnist(tmp_path, "digits")
    bomb = gzip.compress(b"") * 50_000
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("gzip/emnist-digits-train-images-idx3-ubyte.gz", bomb)
    with pytest.raises(DatasetError, match=r"it should hold 0 to .* bytes, but holds 1,000,000"):
        datasets.load_emnist(split="digits", validation=1, data_dir=tmp_path)


@pytest.mark.parametrize("validation", [-1, 124_800])
def test_wrong_values_are_told(validation):
    with pytest.raises(ValueError, match=r"validation must lie in \[0, 124799\]"):
        datasets.load_emnist(split="letters", validation=validation)


SYSTEM = _mnist.FASHION_MNIST.system


@pytest.mark.skipif(not os.path.isdir(SYSTEM), reason="needs Debian's dataset-fashion-mnist")
def test_debians_files_are_the_official_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path))
    assert str(datasets.provenance("fashion_mnist")) == (
        f"fashion_mnist: idx files in {SYSTEM} (the official data)"
    )
    (x, y), (xv, yv), (xt, yt) = datasets.load_fashion_mnist()
    assert (len(x), len(xv), len(xt)) == (50_000, 10_000, 10_000)
    assert [datasets.FASHION_MNIST_LABELS[i] for i in y[:3]] == (
        ["Ankle boot", "T-shirt/top", "T-shirt/top"]
    )
    assert np.bincount(np.concatenate([y, yv])).tolist() == [6000] * 10
    assert np.bincount(yt).tolist() == [1000] * 10
