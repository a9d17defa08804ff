"""Stored runs: made once, read back as they were, and added to."""

from dataclasses import replace

import numpy as np
import pytest

import fastdl as fd
from experiments.check import make, report, stored, student
from experiments.data import load
from experiments.spec import Cifar10, Model, Training

RUN = Training(
    name="tiny", title="tiny", data=Cifar10(train=(1,), validation=(2,), rows=60, stand_in=True),
    model=Model(widths=(3072, 4, 10), activations=("relu",), init=fd.init.Xavier()),
    optimiser=fd.SGD(fd.schedules.Triangular(1e-4, 0.01, 5)), batch_size=20, epochs=2, l2=0.1,
    shuffle=None,
)  # fmt: skip


@pytest.fixture
def setting(tmp_path):
    return stored.Setting("dd2424_a2", RUN, tmp_path)


def test_what_is_made_is_read_back(setting):
    make.make([setting], None, seeds=3)
    runs = stored.load(setting)
    assert {*runs.told} == {each.name for each in setting.mistakes}
    assert runs.epochs == (1, 2)
    assert runs.rows == {"train": 60, "validation": 60, "test": 60}
    for told in runs.told.values():
        assert {*told.curves} == {*report.TOLD}
        assert all(values.shape == (3, 2) for values in told.curves.values())
    half = runs.told["cost_half_penalty"].curves
    right = runs.told["none"].curves
    np.testing.assert_allclose(
        half["train_cost"], (right["train_loss"] + right["train_cost"]) / 2, rtol=1e-6
    )
    np.testing.assert_array_equal(
        runs.told["test_is_train"].curves["test_loss"], right["train_loss"]
    )


def test_numbers_are_shortened_far_below_their_noise(setting):
    make.make([setting], None, seeds=2)
    x, y = make.Inputs(load(RUN.data, 0, None)).of(setting.recipe)
    exact = student.train(setting.recipe, x, y, (0, 1), choose=True)
    held, _ = stored.traces(setting)
    for name, values in exact.columns.items():
        np.testing.assert_allclose(held["none"].columns[name], values, rtol=1e-4)


def test_what_is_stored_is_not_trained_again(setting, monkeypatch):
    make.make([setting], None, seeds=2)
    monkeypatch.setattr(student, "train", None)
    make.make([setting], None, seeds=2)


def test_runs_that_were_lost_are_kept(setting):
    lost = replace(setting, run=replace(RUN, optimiser=fd.SGD(1e6)))
    make.make([lost], None, seeds=2)
    assert np.isnan(stored.load(lost).told["none"].curves["train_loss"]).any()


def test_a_file_that_is_missing_is_told(setting):
    with pytest.raises(OSError, match=r"tiny\.npz"):
        stored.load(setting)
