"""How often answers are right, by the runs that are held out and stored."""

import pytest

from experiments.check import proof

SHARES = proof.shares(proof.cases())


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("first", 0.8), ("among three", 0.95), ("first, of those with a trace", 0.8),
        ("among three, by name", 0.9), ("named by the number", 0.95),
    ],
)  # fmt: skip
def test_answers_are_right(name, least):
    assert SHARES[name] >= least


@pytest.mark.parametrize("name", ["false alarms by the curve", "false alarms by the number"])
def test_correct_code_is_not_called_wrong(name):
    assert SHARES[name] <= 0.05


def test_the_page_is_of_these_runs():
    assert proof.PAGE.read_text("utf-8") == proof.page(proof.cases())


def test_there_are_enough_of_them():
    found = proof.cases()
    assert len(found) >= 60
    assert sum(case.wrong for case in found) >= 40
