"""The splits of CIFAR-10, and what its loader says of arguments."""

import os

import numpy as np
import pytest

from fastdl.datasets import CIFAR10_LABELS, MissingDatasetError, load_cifar10


@pytest.fixture
def root(small, make, tmp_path):
    make.cifar10(tmp_path, "binary")
    return tmp_path


def test_batches_become_splits_in_the_order_given(root, make):
    (x, y), (xv, yv), (xt, yt) = load_cifar10(train=[3, 1], validation=[2], data_dir=root)
    for split, batches in (
        ((x, y), ["data_batch_3", "data_batch_1"]),
        ((xv, yv), ["data_batch_2"]),
        ((xt, yt), ["test_batch"]),
    ):
        labels, pixels = zip(*map(make.cifar10_rows, batches), strict=True)
        np.testing.assert_array_equal(split[0], np.concatenate(pixels))
        np.testing.assert_array_equal(split[1], np.concatenate(labels))


def test_the_default_is_one_batch_each(root, make):
    (x, _), (xv, _), (xt, _) = load_cifar10(data_dir=root)
    assert (x == make.cifar10_rows("data_batch_1")[1]).all()
    assert (xv == make.cifar10_rows("data_batch_2")[1]).all()
    assert (xt == make.cifar10_rows("test_batch")[1]).all()


@pytest.mark.parametrize("validation", [[2], [], 0, 3])
def test_arrays_are_plain(root, validation):
    for x, y in load_cifar10(validation=validation, data_dir=root):
        assert x.dtype == np.uint8
        assert y.dtype == np.int64
        assert x.shape == (len(y), 3072)
        assert all(a.flags.c_contiguous and a.flags.writeable for a in (x, y))


def test_drawn_rows_leave_the_training_rows(root, make):
    (x, y), (xv, yv), _ = load_cifar10(train=[1, 2, 3], validation=5, data_dir=root)
    assert (len(y), len(yv)) == (7, 5)
    labels, pixels = zip(*(make.cifar10_rows(f"data_batch_{i}") for i in (1, 2, 3)), strict=True)
    every = {
        row.tobytes(): label
        for row, label in zip(np.vstack(pixels), np.hstack(labels), strict=True)
    }
    split = dict(zip([row.tobytes() for row in (*x, *xv)], (*y, *yv), strict=True))
    assert split == every
    places = [list(every).index(row.tobytes()) for row in x]
    assert places == sorted(places)


def test_a_seed_draws_the_same_rows_again(root):
    first, again, other = (
        load_cifar10(train=range(1, 6), validation=8, seed=seed, data_dir=root)
        for seed in (1, 1, 2)
    )
    assert (first[1][0] == again[1][0]).all()
    assert (first[1][0] != other[1][0]).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": [6]}, r"train\[0\] must lie in \[1, 5\]; got 6"),
        ({"train": [1, 1]}, "train must name each batch once"),
        ({"train": []}, "at least one"),
        ({"validation": [1]}, r"must not share batches; both name \[1\]"),
        ({"validation": [0]}, r"validation\[0\] must lie in \[1, 5\]; got 0"),
        ({"validation": 4}, r"validation must lie in \[0, 3\]; got 4"),
        ({"validation": -1}, "validation must lie in"),
        ({"validation": 1, "seed": -1}, "seed must lie in"),
    ],
)
def test_wrong_values_are_told(root, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_cifar10(**arguments, data_dir=root)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": 1}, "train must list batches"),
        ({"train": "12"}, "train must list batches"),
        ({"train": [1.0]}, r"train\[0\] must be an integer in \[1, 5\]"),
        ({"train": [True]}, r"train\[0\] must be an integer in \[1, 5\]"),
        ({"validation": 0.1}, "validation must be an integer"),
        ({"validation": True}, "validation must be an integer"),
        ({"data_dir": 5}, "data_dir must be a string or a PathLike"),
    ],
)
def test_wrong_types_are_told(root, arguments, message):
    with pytest.raises(TypeError, match=message):
        load_cifar10(**{"data_dir": root} | arguments)


def test_a_missing_data_set_names_places_and_command(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "there"))
    with pytest.raises(MissingDatasetError) as caught:
        load_cifar10()
    message = str(caught.value)
    assert "python -m fastdl.datasets download cifar10" in message
    for place in ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", "cifar-10-batches-py"):
        assert os.path.join(tmp_path, "there", place) in message


def test_there_are_ten_labels():
    assert len(set(CIFAR10_LABELS)) == 10


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="needs FASTDL_DATA_DIR")
def test_real_data():
    (x, y), (xv, yv), (xt, yt) = load_cifar10(train=range(1, 6), validation=1000)
    assert (len(x), len(xv), len(xt)) == (49_000, 1_000, 10_000)
    assert np.bincount(np.concatenate([y, yv])).tolist() == [5000] * 10
    assert np.bincount(yt).tolist() == [1000] * 10
    assert [CIFAR10_LABELS[i] for i in yt[:4]] == ["cat", "ship", "ship", "airplane"]
    planes = np.concatenate([x, xv]).reshape(-1, 3, 1024).mean((0, 2))
    np.testing.assert_allclose(planes, [125.3, 123.0, 113.9], atol=1)
