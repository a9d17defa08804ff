"""Stored runs: made once, read back as they were, and added to."""

from dataclasses import replace

import numpy as np
import pytest

import fastdl as fd
from experiments.check import make, report, stored, student
from experiments.data import load


def test_what_is_made_is_read_back(tiny):
    make.make([tiny], None, seeds=3)
    runs = stored.load(tiny)
    assert {*runs.told} == {each.name for each in tiny.mistakes}
    assert runs.epochs == (1, 2)
    assert runs.rows == {"train": 60, "validation": 60, "test": 60}
    for mistake in tiny.mistakes:
        told = runs.told[mistake.name]
        assert {*told.curves} == {*report.TOLD}
        trained = mistake.applied(tiny.recipe).training != tiny.recipe
        n = 3 if trained else 6  # correct code has two runs for one of a mistake
        assert all(values.shape == (n, 2) for values in told.curves.values())
    half = runs.told["cost_half_penalty"].curves
    right = runs.told["none"].curves
    np.testing.assert_allclose(
        half["train_cost"], (right["train_loss"] + right["train_cost"]) / 2, rtol=1e-6
    )
    np.testing.assert_array_equal(
        runs.told["test_is_train"].curves["test_loss"], right["train_loss"]
    )


def test_numbers_are_shortened_far_below_their_noise(tiny):
    make.make([tiny], None, seeds=2)
    x, y = make.Inputs(load(tiny.run.data, 0, None)).of(tiny.recipe)
    exact = student.train(tiny.recipe, x, y, (0, 1, 2, 3), choose=True)
    held, _ = stored.traces(tiny)
    for name, values in exact.columns.items():
        np.testing.assert_allclose(held["none"].columns[name], values, rtol=1e-4)


def test_what_is_stored_is_not_trained_again(tiny, monkeypatch):
    make.make([tiny], None, seeds=2)
    monkeypatch.setattr(student, "train", None)
    make.make([tiny], None, seeds=2)


def test_runs_that_were_lost_are_kept(tiny):
    lost = replace(tiny, run=replace(tiny.run, optimiser=fd.SGD(1e6)))
    make.make([lost], None, seeds=2)
    assert np.isnan(stored.load(lost).told["none"].curves["train_loss"]).any()


def test_a_file_that_is_missing_is_told(tiny):
    with pytest.raises(OSError, match=r"tiny\.npz"):
        stored.load(tiny)
