import os
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

import fastdl as fd
from experiments import data
from experiments.spec import Cifar10, Data, Mnist, Surface

FEW = Cifar10(train=(1,), validation=(2,), rows=50, stand_in=True)


@pytest.mark.usefixtures("no_data")
def test_a_stand_in_says_so():
    loaded = data.load(FEW, 0, None)
    assert loaded.note == "stand-in data; 50 rows"
    assert "download cifar10" in loaded.provenance
    assert loaded.classes[3] == "class 3"
    for x, y in (loaded.train, loaded.validation, loaded.test):
        assert x.shape == (50, 3072)
        assert y.shape == (50,)
    np.testing.assert_allclose(loaded.scaling.shift, loaded.train[0].mean(axis=0))


def test_the_whole_stand_in_is_as_long_as_the_training_batches():
    loaded = data.load(replace(FEW, rows=None, train_rows=70, scaling="divided"), 0, None)
    assert len(loaded.train[0]) == 70
    assert len(loaded.validation[0]) == 2_000
    assert loaded.scaling is None
    assert loaded.note == "stand-in data"


def test_digits_are_centred():
    loaded = data.load(Mnist(rows=80, stand_in=True), 0, None)
    assert loaded.classes[3] == "3"
    np.testing.assert_allclose(loaded.scaling.shift, loaded.train[0].mean(axis=0))
    np.testing.assert_allclose(loaded.scaling.scale, 1 / 255)


@pytest.mark.parametrize("target", ["product", "sum"])
def test_a_surface_is_made_by_the_seed_over_the_grid(target):
    loaded = data.load(Surface(target=target, m=20, side=5), 3, None)
    (x, y), (xv, _), (xt, yt) = loaded.train, loaded.validation, loaded.test
    assert (len(x), len(xv), len(xt)) == (20, 10, 25)
    hill = np.exp(-(x.astype(float) ** 2).sum(axis=1))
    expected = x[:, 0] * hill if target == "product" else x[:, 0] + hill
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_allclose(xt[[0, 1, 24]], [[-2, -2], [-2, -1], [2, 2]])
    assert yt[12] == (0 if target == "product" else 1)
    many = data.load(Surface(target=target, m=1000), 3, None).train[0]
    np.testing.assert_allclose([many.min(axis=0), many.max(axis=0)], [[-2, -2], [2, 2]], atol=0.02)
    assert not np.array_equal(x, data.load(Surface(target=target, m=20), 4, None).train[0])
    assert loaded.note == ""


def test_a_given_folder_must_hold_the_data(tmp_path):
    with pytest.raises(fd.datasets.MissingDatasetError, match="not found"):
        data.load(replace(FEW, stand_in=False), 0, tmp_path)
    with pytest.raises(fd.datasets.MissingDatasetError, match="not found"):
        data.missing(frozenset({"mnist"}), tmp_path)


@pytest.mark.usefixtures("no_data")
def test_what_is_missing():
    assert data.missing(frozenset({"cifar10", "mnist"}), None) == {"cifar10", "mnist"}
    assert data.missing(frozenset(), None) == set()


def test_blocks_of_eight_pixels_are_seen():
    rng = np.random.default_rng(0)
    smooth = rng.normal(0, 1, (200, 32, 32)).cumsum(axis=1).cumsum(axis=2)
    plain = np.clip(128 + 2 * smooth, 0, 255).astype(np.uint8)
    blocks = np.kron(rng.integers(-20, 20, (200, 4, 4)), np.ones((8, 8)))
    coded = np.clip(128 + 2 * smooth + blocks, 0, 255).astype(np.uint8)
    assert 0.9 < data.block_steps(np.tile(plain.reshape(-1, 1024), 3)) < 1.1
    assert data.block_steps(np.tile(coded.reshape(-1, 1024), 3)) > 1.3


def test_an_unknown_kind_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Songs(Data):
        source: ClassVar[str | None] = "songs"

    with pytest.raises(TypeError, match="got Songs"):
        data.load(Songs(), 0, None)


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="FASTDL_DATA_DIR is not set")
def test_the_real_data_say_where_they_are_from_and_are_drawn_by_the_seed():
    wanted = Cifar10(train=(1,), validation=100)
    first, second = (data.load(wanted, seed, None) for seed in (0, 1))
    assert first.note == ""
    assert first.provenance.startswith("cifar10: ")
    assert first.classes == fd.datasets.CIFAR10_LABELS
    assert len(first.train[0]) == 9_900
    assert not np.array_equal(first.validation[0], second.validation[0])
