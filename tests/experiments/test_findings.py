from dataclasses import replace
from pathlib import Path

import pytest

from experiments import claims, compare, findings, reported
from experiments.page import Page
from experiments.verdicts import Verdict


@pytest.fixture
def page(found):
    return Page(Path("nowhere"), found, compare.compare(found, reported.read()))


def on_real_data(page, *verdicts):
    """The page as if its rows were real, with these verdicts on its number."""
    real = {}
    for name, run in page.results.runs.items():
        data = replace(run.run.data, stand_in=False)
        real[name] = replace(run, run=replace(run.run, data=data))
    (each,) = page.comparisons
    comparisons = [replace(each, verdict=verdict) for verdict in verdicts]
    return replace(page, results=replace(page.results, runs=real), comparisons=comparisons)


def test_of_stand_ins(page):
    run, agrees, differs, claimed, reached = findings.sentences([page])
    assert run == (
        "1 assignment was run again on images that stand in for CIFAR-10: 6 trials, up to 2 seeds "
        "each."
    )
    assert "1 need the real data" in agrees
    assert differs == "0 numbers are judged wrong in the report, none is outside our noise."
    assert claimed == "None of 0 claims about a difference can be judged here."
    assert reached.startswith("The best on test rows: a linear layer on CIFAR-10 ")


def test_of_real_data(page):
    found = [Verdict.REPRODUCED, Verdict.MISLABELLED, Verdict.WRONG, Verdict.OUTSIDE,
             Verdict.ONE_SEED]  # fmt: skip
    run, agrees, differs, *_ = findings.sentences([on_real_data(page, *found)])
    assert "on the real data" in run
    assert agrees == (
        "Of 4 reported numbers that can be judged 2 are reproduced, 1 of which are not of what "
        "the report says."
    )
    assert differs == (
        "1 number is judged wrong in the report, outside our noise are 1-2; of 1 too few seeds "
        "cannot tell."
    )


def test_of_claims(page, monkeypatch):
    claim = claims.Claim(
        assignment="made_up", report="004", claim="", first="fit", second="best",
        metric="test_accuracy", says="more",
    )  # fmt: skip
    monkeypatch.setattr(claims, "read", lambda: [claim] * 2)
    assert findings.sentences([page])[3].startswith("None of 2 claims")
