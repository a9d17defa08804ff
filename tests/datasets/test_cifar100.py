"""CIFAR-100 in its four forms, with either kind of labels."""

import numpy as np
import pytest

from fastdl.datasets import (
    CIFAR100_COARSE_LABELS,
    CIFAR100_LABELS,
    DatasetError,
    MissingDatasetError,
    load_cifar100,
)

pytestmark = pytest.mark.usefixtures("small")
FORMS = [("binary", False), ("python", False), ("binary", True), ("python", True)]


@pytest.mark.parametrize("labels", ["fine", "coarse"])
@pytest.mark.parametrize(("form", "archived"), FORMS)
def test_every_form_holds_the_same(make, tmp_path, form, archived, labels):
    make.cifar100(tmp_path, form, archived)
    (x, y), (xv, yv), (xt, yt) = load_cifar100(labels=labels, validation=0, data_dir=tmp_path)
    for split, batch in (((x, y), "train"), ((xt, yt), "test")):
        coarse, fine, pixels = make.cifar100_rows(batch)
        np.testing.assert_array_equal(split[0], pixels)
        np.testing.assert_array_equal(split[1], fine if labels == "fine" else coarse)
        assert (split[0].dtype, split[1].dtype) == (np.uint8, np.int64)
        assert all(a.flags.c_contiguous and a.flags.writeable for a in split)
    assert (xv.shape, yv.shape) == ((0, 3072), (0,))


def test_drawn_rows_leave_the_training_rows_and_keep_their_order(make, tmp_path):
    make.cifar100(tmp_path, "binary")
    (x, y), (xv, yv), _ = load_cifar100(validation=2, seed=3, data_dir=tmp_path)
    _, fine, pixels = make.cifar100_rows("train")
    every = [row.tobytes() for row in pixels]
    places = [every.index(row.tobytes()) for row in x], [every.index(row.tobytes()) for row in xv]
    assert [len(each) for each in places] == [4, 2]
    assert all(each == sorted(each) for each in places)
    assert sorted(places[0] + places[1]) == list(range(6))
    np.testing.assert_array_equal(np.concatenate([y, yv]), fine[places[0] + places[1]])
    again = load_cifar100(validation=2, seed=3, data_dir=tmp_path)
    assert (again[1][0] == xv).all()


def test_every_class_has_a_name_of_its_own():
    assert len({*CIFAR100_LABELS}) == 100
    assert list(CIFAR100_LABELS) == sorted(CIFAR100_LABELS)
    assert list(CIFAR100_COARSE_LABELS) == sorted({*CIFAR100_COARSE_LABELS})
    assert len(CIFAR100_COARSE_LABELS) == 20


@pytest.mark.parametrize(("at", "k"), [(0, 20), (1, 100)])
def test_a_label_out_of_range_is_told_whichever_is_asked_for(make, tmp_path, at, k):
    content = bytearray(make.cifar100_binary("train"))
    content[2 * 3074 + at] = k
    (make.cifar100(tmp_path, "binary") / "train.bin").write_bytes(content)
    message = rf"train\.bin .*\[0, {k}\), but row 2 has {k}; give it another name and run"
    with pytest.raises(DatasetError, match=message):
        load_cifar100(validation=0, data_dir=tmp_path)


@pytest.mark.parametrize("name", [b"fine_labels", b"coarse_labels", b"data"])
def test_a_pickle_without_what_it_needs_is_told(make, tmp_path, name):
    content = make.cifar100_python("train").replace(name, name[:-1] + b"_", 1)
    (make.cifar100(tmp_path, "python") / "train").write_bytes(content)
    with pytest.raises(DatasetError, match="no dict of a data matrix and 6 labels"):
        load_cifar100(validation=0, data_dir=tmp_path)


def test_a_pickle_that_would_call_something_runs_nothing(make, tmp_path):
    (make.cifar100(tmp_path, "python") / "train").write_bytes(
        (b"cos\nsystem\n(S'exit 1'\ntR." + bytes(6 * 3100))[: 6 * 3100]
    )
    with pytest.raises(DatasetError, match="which is not allowed"):
        load_cifar100(validation=0, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"labels": "finer"},
            "labels must be one of coarse, fine; got 'finer', did you mean",
        ),
        ({"validation": 6}, r"validation must lie in \[0, 5\]; got 6"),
        ({"validation": 1, "seed": -1}, "seed must lie in"),
    ],
)
def test_wrong_values_are_told(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_cifar100(**arguments, data_dir=tmp_path)


def test_a_missing_data_set_names_places_and_command(tmp_path):
    with pytest.raises(MissingDatasetError, match=r"cifar-100-python, .*download cifar100`"):
        load_cifar100(validation=0, data_dir=tmp_path)
