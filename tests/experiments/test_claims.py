from dataclasses import replace

import pytest

from experiments import assignments, claims
from experiments.spec import Best
from experiments.store import Outcome

CLAIM = claims.Claim(
    assignment="made_up", report="004", claim="It is more.", first="fit", second="best",
    metric="test_accuracy", says="more",
)  # fmt: skip


def given(found, **accuracies):
    """The results with these accuracies, a seed each, in place of what was trained."""
    runs = dict(found.runs)
    for name, values in accuracies.items():
        outcomes = tuple(
            Outcome(runs[name].run, seed, {"test_accuracy": value}, "", "", {}, ())
            for seed, value in enumerate(values)
        )
        runs[name] = replace(runs[name], outcomes=outcomes)
    return replace(found, runs=runs)


@pytest.mark.parametrize(
    ("fit", "says", "verdict", "outcome"),
    [
        ((0.50, 0.51, 0.50), "more", "the claim holds", "holds"),
        ((0.50, 0.51, 0.50), "same", "a difference is found", "opposite"),
        ((0.50, 0.51, 0.50), "less", "the opposite holds", "opposite"),
        ((0.38, 0.42, 0.40), "more", "no difference found (± 4.30 %)", "none"),
        ((0.38, 0.42, 0.40), "same", "none found (± 4.30 %)", "holds"),
        ((0.50,), "more", "not judged: noise is known from 3 seeds on", "unknown"),
        ((0.50, 0.51), "more", "not judged: noise is known from 3 seeds on", "unknown"),
        ((), "more", "not run", "unknown"),
    ],
)
def test_verdicts(found, fit, says, verdict, outcome):
    results = given(found, fit=fit, best=(0.40, 0.41, 0.39)[: len(fit)])
    (finding,) = claims.judge(results, [replace(CLAIM, says=says)])
    assert finding.verdict == verdict
    assert finding.outcome == outcome


def test_claims_about_other_assignments_and_unknown_runs(found):
    assert claims.judge(found, [replace(CLAIM, assignment="another")]) == []
    (finding,) = claims.judge(found, [replace(CLAIM, first="later")])
    assert finding.verdict == "not run"


def test_numbers_of_a_stand_in_are_not_judged(found):
    (finding,) = claims.judge(found, [CLAIM])
    assert finding.verdict == f"not judged: {found.note}"


def test_what_is_shown(found):
    results = given(found, fit=(0.50, 0.51, 0.50), best=(0.40, 0.41, 0.39))
    findings = claims.judge(results, [CLAIM])
    _, claim, runs, ours = claims.table(findings)
    assert claim == "004  It is more."
    assert runs == f"     A: fit. B: {results.runs['best'].run.title}."
    assert ours == "     test accuracy, A − B = 10.33 ± 1.43 %: the claim holds"
    assert claims.table([]) == []
    assert claims.markdown(findings).splitlines()[2] == (
        f"| 004 | It is more. | fit | {results.runs['best'].run.title} | "
        "test accuracy, A − B = 10.33 ± 1.43 % | the claim holds |"
    )
    assert claims.markdown([]) == ""


def test_a_difference_of_two_metrics_names_both(found):
    (finding,) = claims.judge(found, [replace(CLAIM, metric="test_loss - train_loss")])
    assert finding.quantity == "test loss − training loss"


def test_every_claim_is_about_runs_that_there_are():
    for claim in claims.read():
        items = {item.name: item for item in assignments.get(claim.assignment).items}
        for name in (claim.first, claim.second):
            assert not hasattr(items[name], "base") or isinstance(items[name], Best)
        assert claim.says in ("more", "less", "same")
        assert claim.report in {"000", "001", "002", "003", "004"}
