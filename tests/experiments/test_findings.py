from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

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
    assert "1 needs the real data" in agrees
    assert differs == "0 numbers are judged wrong in the report, none is outside our noise."
    assert claimed == "No claim about a difference can be judged here."
    assert reached.startswith("The best on test rows: a linear layer on CIFAR-10 ")


def test_of_real_data(page):
    found = [Verdict.REPRODUCED, Verdict.MISLABELLED, Verdict.WRONG, Verdict.OUTSIDE,
             Verdict.ONE_SEED]  # fmt: skip
    run, agrees, differs, *_ = findings.sentences([on_real_data(page, *found)])
    assert "on the real data" in run
    assert agrees == (
        "Of 4 reported numbers that can be judged 2 come out again, 1 of which belong to another "
        "quantity than the report names."
    )
    assert differs == (
        "1 number is judged wrong in the report, outside our noise is 1-2; of 1 too few seeds "
        "cannot tell."
    )


@pytest.mark.parametrize(("outcomes", "said"), [
    (["unknown", "unknown"], "No claim about a difference can be judged here."),
    (["none", "unknown"], "Of 1 claim about a difference 1 is within the noise."),
    (
        ["holds", "holds", "opposite", "none"],
        "Of 4 claims about a difference 2 hold, 1 is the other way round, 1 is within the noise.",
    ),
])  # fmt: skip
def test_of_claims(outcomes, said, page, monkeypatch):
    judged = [SimpleNamespace(outcome=outcome) for outcome in outcomes]
    monkeypatch.setattr(claims, "judge", lambda *_: judged)
    assert findings.sentences([page])[3] == said
