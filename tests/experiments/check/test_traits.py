"""Traits of curves: which mistakes show them, how rounding hides them, what chance counts."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.check import stored
from experiments.check.ranking import Number, grouped, rank, verdict
from experiments.check.report import TOLD

RUNS = stored.load(stored.settings("dd2424_a1")["lambda0_eta0.1"])


def numbers(curves, rounding=0.0):
    return [
        Number(column, float(value), point, rounding)
        for column, values in curves.items()
        for point, value in enumerate(values)
    ]


def told(name, run=0):
    return {column: RUNS.told[name].curves[column][run] for column in TOLD}


def first(curves, rounding=0.0):
    return [each.mistake.name for each in grouped(rank(RUNS, numbers(curves, rounding)))[0]]


@pytest.mark.parametrize("name", ["test_is_validation", "last_batch", "validation_is_train"])
def test_a_trait_tells_what_values_do_not(name):
    assert first(told(name)) == [name]
    assert name not in first(told("none"))


def test_columns_that_are_nearly_the_same_are_not():
    curves = told("test_is_validation")
    curves["test_loss"] = curves["test_loss"] * 1.001
    found = {each.mistake.name: each for each in rank(RUNS, numbers(curves))}
    assert not found["test_is_validation"].plausible


def test_rounding_that_hides_a_trait_says_nothing():
    assert "test_is_validation" in first(told("none"), rounding=0.2)


def test_two_points_are_no_curve():
    short = {column: values[-2:] for column, values in told("test_is_validation").items()}
    assert "none" in first(short)


def test_a_batch_between_two_points_is_no_sign_against_it():
    curves = told("last_batch")
    curves["train_accuracy"] = curves["train_accuracy"] + 0.003
    found = {each.mistake.name: each for each in rank(RUNS, numbers(curves))}
    assert found["last_batch"].plausible


def test_what_chance_does_too_is_no_alarm():
    curves = told("none")
    curves["test_accuracy"] = np.sort(curves["test_accuracy"])
    assert verdict(rank(RUNS, numbers(curves))) == "correct"


def test_runs_that_are_lost_have_no_traits():
    curves = {column: np.full_like(values, np.nan) for column, values in told("none").items()}
    found = rank(RUNS, numbers(curves))
    assert sum(each.likelihood for each in found) == pytest.approx(1)


def test_the_ways_of_correct_code_are_one_group():
    names = {each.mistake.name for each in grouped(rank(RUNS, numbers(told("none"))))[0]}
    assert {"none", "rows_shuffled"} <= names


def test_a_group_has_what_nothing_tells_apart_and_no_name_is_twice():
    candidates = rank(RUNS, numbers(told("gradient_summed")))
    groups = grouped(candidates)
    names = [each.mistake.name for group in groups for each in group]
    assert sorted(names) == sorted(each.mistake.name for each in candidates)
    sums = [sum(each.likelihood for each in group) for group in groups]
    assert sums == sorted(sums, reverse=True)
    assert len(grouped([replace(each, twins=()) for each in candidates])) == len(candidates) - 1
