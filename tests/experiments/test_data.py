from dataclasses import replace

import numpy as np
import pytest

import fastdl as fd
from experiments import data
from experiments.spec import Cifar10

FEW = Cifar10(train=(1,), validation=(2,), rows=50)


@pytest.mark.usefixtures("no_data")
def test_stand_in_says_so():
    loaded = data.load(FEW, None)
    assert loaded.stand_in
    assert loaded.note == "stand-in data, not CIFAR-10; quick look at 50 rows"
    assert "download cifar10" in loaded.provenance
    assert loaded.classes[3] == "class 3"
    for x, y in (loaded.train, loaded.validation, loaded.test):
        assert x.shape == (50, 3072)
        assert y.shape == (50,)
    np.testing.assert_allclose(loaded.scaling.shift, loaded.train[0].mean(axis=0))


@pytest.mark.usefixtures("no_data")
def test_the_whole_stand_in_is_as_long_as_the_training_batches():
    loaded = data.load(replace(FEW, rows=None), None)
    assert len(loaded.train[0]) == 10_000
    assert loaded.note == "stand-in data, not CIFAR-10"


def test_a_given_folder_must_hold_the_data(tmp_path):
    with pytest.raises(fd.datasets.MissingDatasetError, match="not found"):
        data.load(FEW, tmp_path)
