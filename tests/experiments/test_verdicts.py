from dataclasses import replace

import numpy as np
import pytest

from experiments import compare, noise, spread
from experiments.reported import Reported
from experiments.results import GroupResult, Results
from experiments.spec import Mnist, Surface
from experiments.store import Outcome
from experiments.verdicts import Verdict

ROW = Reported(id="1-2", metric="test_accuracy", ours="test_accuracy", reported=0.5)
BANDED = replace(ROW, band_low=0.4, band_high=0.6, band_from="public")
LOSS = replace(ROW, metric="test_loss", ours="test_loss")
EMPTY = {"provenance": "", "note": "", "rows": {}, "classes": ()}


def outcomes(run, *metrics):
    """An outcome a seed; None for a failure."""
    return tuple(
        Outcome(run=run, seed=seed, metrics=each or {}, failure="" if each else "it blew up (so)",
                **EMPTY)
        for seed, each in enumerate(metrics)
    )  # fmt: skip


def given(found, **metrics):
    """The results with these metrics, a seed each, in place of what these runs have got."""
    runs = dict(found.runs)
    for name, each in metrics.items():
        ranked = [known and {"validation_accuracy": 0.5} | known for known in each]
        runs[name] = replace(runs[name], outcomes=outcomes(runs[name].run, *ranked))
    groups = found.groups | {"best": replace(found.groups["best"], runs=(runs["best"],))}
    return replace(found, runs=runs, groups=groups)


def judged(found, row, *metrics, **others):
    """The one comparison of a row with a fit that has these metrics."""
    (comparison,) = compare.compare(given(found, fit=metrics, **others), [row])
    return comparison


def accuracies(*values):
    return [{"test_accuracy": value} for value in values]


def losses(*values):
    return [{"test_loss": value} for value in values]


# --- given bands ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "verdict"), [(0.4, "reproduced"), (0.6, "reproduced"), (0.38, "outside")]
)
def test_a_band_ends_where_it_ends(found, ours, verdict):
    comparison = judged(found, BANDED, *accuracies(ours))
    assert comparison.verdict == verdict
    assert (comparison.band, comparison.band_from) == ((0.4, 0.6), "public")


@pytest.mark.parametrize("reported", [0.4, 0.6])
@pytest.mark.parametrize("ours", [0.4, 0.5, 0.6])
def test_a_reported_number_at_the_end_of_its_band_is_inside(found, reported, ours):
    comparison = judged(found, replace(BANDED, reported=reported), *accuracies(ours))
    assert (comparison.verdict, comparison.why) == ("reproduced", "")


def test_a_mean_that_is_outside_by_less_than_its_noise_is_inside(found):
    comparison = judged(found, BANDED, *accuracies(0.38, 0.41, 0.40))
    assert comparison.mean == pytest.approx(1.19 / 3)
    assert comparison.sd == pytest.approx(np.std([0.38, 0.41, 0.40], ddof=1))
    assert comparison.verdict is Verdict.REPRODUCED
    assert comparison.reason == "Ours is outside the band by less than the noise of our mean."
    assert judged(found, BANDED, *accuracies(0.38, 0.38, 0.381)).verdict is Verdict.OUTSIDE
    of_one_seed_more = judged(found, BANDED, *accuracies(0.374, 0.38, 0.386))
    assert of_one_seed_more.verdict is Verdict.OUTSIDE  # 0.02, of 0.015 for the mean, 0.03 for one
    assert judged(found, BANDED, *accuracies(0.37, 0.40)).verdict is Verdict.OUTSIDE


@pytest.mark.parametrize(
    ("spread", "verdict"), [(0.35, "not judged"), (0.11, "not judged"), (0.05, "reproduced")]
)
def test_noise_wider_than_a_band_excuses_nothing(found, spread, verdict):
    """The band is 0.2 wide, the mean known to 4.3 / √3 of the spread of three seeds."""
    comparison = judged(found, BANDED, *accuracies(0.35 - spread, 0.35 + spread, 0.35))
    why = "Our seeds differ too much to tell." if verdict == "not judged" else ""
    assert (comparison.verdict, comparison.why) == (verdict, why or comparison.why)


@pytest.mark.parametrize(
    ("reported", "said"), [(0.39, "1.0 points below"), (0.63, "3.0 points above")]
)
def test_a_report_outside_a_band_that_ours_is_in_is_wrong(found, reported, said):
    comparison = judged(found, replace(BANDED, reported=reported), *accuracies(0.4))
    assert comparison.verdict is Verdict.WRONG
    assert comparison.why == f"The report's number is {said} the band of other public reports."
    both = judged(found, replace(BANDED, reported=reported), *accuracies(0.3))
    assert (both.verdict, both.why) == ("outside", "")


def test_a_limit_alone_says_nothing_of_the_number(found):
    row = replace(LOSS, reported=0.02, band_low=0.0, band_high=0.5, band_from="limit")
    assert judged(found, row, *losses(0.02, 0.021, 0.022)).verdict is Verdict.REPRODUCED
    assert judged(found, row, *losses(0.12, 0.121, 0.122)).verdict is Verdict.OUTSIDE
    assert judged(found, row, *losses(0.6, 0.61, 0.62)).verdict is Verdict.OUTSIDE


# --- too few seeds --------------------------------------------------------------------------------


@pytest.fixture
def known(monkeypatch):
    """A deviation of a point over five seeds is known of the fit."""
    stored = {("made_up", "fit", "test_accuracy"): (0.01, 5)}
    monkeypatch.setattr(spread, "read", lambda: stored)


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ((0.391,), Verdict.ONE_SEED),
        ((0.373,), Verdict.ONE_SEED),  # 2.7 points, and one seed may be 2.78 off
        ((0.37,), Verdict.OUTSIDE),
        ((0.628,), Verdict.OUTSIDE),
        ((0.379, 0.385), Verdict.TWO_SEEDS),
        ((0.37, 0.38), Verdict.OUTSIDE),  # 2.5 points, and the mean of two may be 1.96 off
        ((0.391, 0.3911, 0.3912), Verdict.OUTSIDE),
        ((0.4,), Verdict.REPRODUCED),
    ],
)
@pytest.mark.usefixtures("known")
def test_too_few_seeds_raise_no_alarm(found, ours, verdict):
    assert judged(found, BANDED, *accuracies(*ours)).verdict is verdict


@pytest.mark.usefixtures("known")
def test_too_few_seeds_call_no_report_wrong_and_say_why(found):
    comparison = judged(found, replace(BANDED, reported=0.3), *accuracies(0.391))
    assert comparison.verdict is Verdict.ONE_SEED
    assert comparison.why == "Ours is outside the band by 0.90 %, and one seed may be 2.78 % off."
    two = judged(found, BANDED, *accuracies(0.379, 0.385))
    assert two.why.endswith("and the mean of two may be 1.96 % off.")


@pytest.mark.usefixtures("known")
def test_a_tolerance_is_widened_by_what_is_known(found):
    assert judged(found, ROW, *accuracies(0.52)).verdict is Verdict.ONE_SEED
    assert judged(found, ROW, *accuracies(0.54)).verdict is Verdict.OUTSIDE


def test_where_nothing_is_known_the_tolerance_stands_in_beside_a_given_band(found):
    assert judged(found, BANDED, *accuracies(0.391)).verdict is Verdict.ONE_SEED
    assert judged(found, BANDED, *accuracies(0.389)).verdict is Verdict.OUTSIDE
    assert judged(found, ROW, *accuracies(0.515)).verdict is Verdict.OUTSIDE


# --- bands of our own -----------------------------------------------------------------------------


def test_with_few_seeds_there_is_a_tolerance(found):
    inside, outside = (judged(found, ROW, *accuracies(0.53, ours)) for ours in (0.489, 0.495))
    assert (inside.verdict, outside.verdict) == ("reproduced", "outside")
    assert inside.band == pytest.approx((0.49, 0.51))
    assert inside.band_from == "tolerance"


def test_with_three_seeds_there_is_the_noise_alone(found):
    values = (0.098, 0.099, 0.1)
    comparison = judged(found, replace(LOSS, reported=0.102), *losses(*values))
    width = noise.of_next(np.std(values, ddof=1), 3)
    assert comparison.band == pytest.approx((0.102 - width, 0.102 + width))
    assert (comparison.band_from, comparison.verdict) == ("noise", "reproduced")
    far = judged(found, replace(LOSS, reported=0.104), *losses(*values))
    assert far.verdict is Verdict.OUTSIDE  # though 5 % only


def test_rounding_reading_and_copies_of_the_pixels_widen_the_noise(found):
    row = replace(ROW, rounding=0.0005, read_off=0.002)
    same = accuracies(0.5, 0.5, 0.5)
    assert judged(found, row, *same).band == pytest.approx((0.4925, 0.5075))
    fit = found.runs["fit"]
    other = replace(found, runs=found.runs | {"fit": replace(
        fit, run=replace(fit.run, data=Mnist())
    )})  # fmt: skip
    assert judged(other, row, *same).band == pytest.approx((0.4975, 0.5025))


def test_one_seed_may_have_the_noise_of_another_run(found):
    row = replace(LOSS, noise_of="best:test_loss")
    others = losses(0.2, 0.21, 0.22)
    comparison = judged(found, row, *losses(0.55), best=others)
    width = noise.of_next(0.01, 1, 3)
    assert comparison.band == pytest.approx((0.5 - width, 0.5 + width))
    assert (comparison.band_from, comparison.sd) == ("noise", None)


def test_noise_as_large_as_the_number_tells_nothing(found):
    wild = judged(found, ROW, *accuracies(0.1, 0.9, 0.5))
    assert (wild.verdict, wild.band) == ("not judged", pytest.approx((0.0, 1.0)))


def test_counts_must_agree_exactly(found):
    row = replace(ROW, metric="weights", ours="weights", reported=30_720.0)
    same = [{"weights": 30_720.0}] * 3
    assert judged(found, row, *same).verdict is Verdict.REPRODUCED
    assert judged(found, row, {"weights": 30_721.0}).verdict is Verdict.OUTSIDE


# --- wrong, explained, mislabelled ----------------------------------------------------------------


@pytest.mark.parametrize("ours", [0.5, 0.2])
def test_what_contradicts_the_number_itself_is_wrong_whatever_ours_is(found, ours):
    row = replace(BANDED, wrong="It is of other rows.")
    comparison = judged(found, row, *accuracies(ours))
    assert (comparison.verdict, comparison.why) == ("report wrong", "It is of other rows.")


@pytest.mark.parametrize(
    ("other", "verdict", "told"),
    [
        ((0.302, 0.302, 0.303), "report wrong", "30.23 ± 0.06 %, as reported."),
        ((0.302,), "report wrong", "30.20 %, as reported."),
        ((0.33, 0.33, 0.331), "outside, explained", "33.03 ± 0.06 %."),
        ((0.1, 0.5, 0.3), "outside, explained", "30.00 ± 20.00 %, too noisy to tell."),
        ((0.1, 0.5, 0.1), "outside, explained", "23.33 ± 23.09 %, too noisy to tell."),
    ],
)
def test_an_explanation_makes_a_report_wrong_where_a_run_shows_it(found, other, verdict, told):
    row = replace(ROW, reported=0.3, explains="Another rate.", shown_by=("best:test_accuracy",))
    comparison = judged(found, row, *accuracies(0.5, 0.5, 0.5), best=accuracies(*other))
    title = found.runs["best"].run.title
    assert (comparison.verdict, comparison.why) == (verdict, "Another rate.")
    assert comparison.evidence == f"{title} gives test accuracy {told}"
    assert comparison.reason == f"{comparison.why} {comparison.evidence}"


@pytest.mark.parametrize("slack", ["rounding", "read_off"])
def test_what_a_report_rounds_or_is_read_off_with_counts_as_near(found, slack):
    row = replace(ROW, reported=0.3, explains="Another rate.", shown_by=("best:test_accuracy",))
    found = given(found, fit=accuracies(0.5, 0.5, 0.5), best=accuracies(0.325))
    for each, verdict in ((0.0, "outside, explained"), (0.02, "report wrong")):
        (comparison,) = compare.compare(found, [replace(row, **{slack: each})])
        assert comparison.verdict == verdict


def test_without_an_explanation_a_miss_is_just_outside(found):
    comparison = judged(found, replace(ROW, note="Printed."), *accuracies(0.4, 0.4, 0.4))
    assert (comparison.verdict, comparison.reason) == ("outside", "Printed.")


def test_an_explanation_is_not_told_of_what_agrees(found):
    row = replace(ROW, explains="Another rate.", shown_by=("best:test_accuracy",))
    comparison = judged(found, row, *accuracies(0.5, 0.5, 0.5), best=accuracies(0.5, 0.5, 0.5))
    assert (comparison.verdict, comparison.why) == ("reproduced", "")
    assert comparison.evidence.endswith("gives test accuracy 50.00 ± 0.00 %.")


def test_a_run_that_is_as_near_as_our_own_shows_nothing(found):
    row = replace(BANDED, reported=0.395, shown_by=("best:test_accuracy",))
    comparison = judged(found, row, *accuracies(0.4), best=accuracies(0.4))
    assert comparison.verdict is Verdict.WRONG
    assert comparison.evidence.endswith("gives test accuracy 40.00 %.")


def test_a_negative_number_is_compared_without_its_sign(found):
    row = replace(LOSS, reported=-0.02, wrong="Its sign is.", shown_by=("best:test_loss",))
    comparison = judged(found, row, *losses(0.011, 0.01, 0.012), best=losses(0.0201, 0.02, 0.0199))
    assert comparison.verdict is Verdict.WRONG
    assert comparison.band[0] > 0
    assert comparison.evidence.endswith(", as reported but for the sign.")
    same = judged(found, replace(row, wrong=""), *losses(0.02, 0.021, 0.022))
    assert same.verdict is Verdict.OUTSIDE


def test_a_number_of_something_else_is_reproduced_but_mislabelled(found):
    row = replace(LOSS, mislabelled="It is of a batch.", shown_by=("fit:test_accuracy",))
    metrics = [{"test_loss": each, "test_accuracy": 0.9} for each in (0.49, 0.5, 0.51)]
    comparison = judged(found, row, *metrics)
    assert (comparison.verdict, comparison.why) == ("mislabelled", "It is of a batch.")
    assert comparison.evidence == "The same run gives test accuracy 90.00 ± 0.00 %."
    assert judged(found, replace(row, reported=0.9), *metrics).verdict is Verdict.OUTSIDE


# --- what has no number ---------------------------------------------------------------------------


def test_what_is_missing_was_not_run(found):
    comparison = judged(found, BANDED)
    assert (comparison.verdict, comparison.n, comparison.mean) == ("not run", 0, None)
    unknown = Results("made_up", with_answers(found, "search"), 2, dict(found.runs), {}, [])
    (comparison,) = compare.compare(unknown, [BANDED])
    assert (comparison.verdict, comparison.run) == ("not run", "search")


def test_a_metric_that_a_finished_run_does_not_have(found):
    comparison = judged(found, BANDED, *losses(0.5))
    assert (comparison.verdict, comparison.why) == ("not run", "Our run has no test accuracy.")


def test_what_has_failed_is_outside_and_says_why(found):
    assert judged(found, BANDED, None).verdict is Verdict.ONE_SEED
    assert judged(found, BANDED, None, None).verdict is Verdict.TWO_SEEDS
    comparison = judged(found, BANDED, None, None, None)
    assert comparison.verdict is Verdict.OUTSIDE
    assert comparison.reason == "3 of our 3 seeds failed: it blew up."
    some = judged(found, BANDED, None, *accuracies(0.5))
    assert (some.verdict, some.n) == ("reproduced", 1)
    assert some.reason == "1 of our 2 seeds failed: it blew up."


def test_numbers_of_a_stand_in_are_not_judged(found):
    (comparison,) = compare.compare(found, [BANDED, replace(BANDED, id="9-9")])
    assert comparison.verdict is Verdict.NOT_JUDGED
    assert comparison.mean == found.runs["fit"].mean("test_accuracy")
    assert (comparison.reason, comparison.evidence) == (found.note, "")


def test_a_gradient_check_is_judged_on_any_rows(found):
    row = replace(ROW, ours="max_weight_error", reported=6e-8, band_low=0.0, band_high=1e-6)
    results = replace(found, assignment=with_answers(found, "check"))
    (comparison,) = compare.compare(results, [row])
    assert comparison.verdict is Verdict.REPRODUCED


def test_seconds_and_figures(found):
    seconds = judged(found, replace(ROW, ours="seconds", reported=100.0), {"seconds": 4.0})
    assert (seconds.verdict, seconds.text) == ("not comparable", "4.00 s; 25 ×")
    figure = replace(ROW, ours="", metric="", reported=None)
    assert judged(found, figure, *accuracies(0.5)).verdict is Verdict.DRAWN
    assert judged(found, figure, None).verdict is Verdict.NOT_RUN


def test_a_row_is_answered_by_the_run_of_its_size(found):
    row = replace(ROW, ours="test_mse_m1000", reported=0.1)
    small, large = (
        replace(found.runs["fit"].run, name=f"m{m}", data=Surface(target="sum", m=m))
        for m in (100, 1000)
    )
    assignment = replace(found.assignment, items=(small, large), figures=())
    runs = {run.name: replace(found.runs["fit"], run=run, outcomes=()) for run in (small, large)}
    (comparison,) = compare.compare(Results("made_up", assignment, 1, runs, {}, []), [row])
    assert comparison.run_name == "m1000"


# --- searches -------------------------------------------------------------------------------------


def with_answers(found, name):
    """The made-up assignment whose one answer is this item's."""
    items = tuple(
        replace(item, answers=(ROW.id,) if item.name == name else ())
        for item in found.assignment.items
    )
    return replace(found.assignment, items=items)


def search(found, first, second):
    """The results whose search over λ of 0 and 0.1 has these validation accuracies by seed."""
    group = found.groups["search"]
    runs = tuple(
        replace(run, outcomes=outcomes(run.run, *(
            {"validation_accuracy": value, "train_accuracy": 1 - value, "test_loss": value / 2}
            for value in values
        )))
        for run, values in zip(group.runs, (first, second), strict=True)
    )  # fmt: skip
    groups = found.groups | {"search": GroupResult(group.group, runs)}
    return replace(found, assignment=with_answers(found, "search"), groups=groups)


CHOICE = replace(ROW, metric="winner", ours="winner", reported="λ = 0.1")
BETTER, WORSE, NOISY = (0.50, 0.51, 0.50), (0.40, 0.41, 0.41), (0.30, 0.60, 0.45)
FEW = "A choice needs 3 seeds: with fewer it is noise."


@pytest.mark.parametrize(
    ("first", "second", "verdict", "said"),
    [
        (WORSE, BETTER, "reproduced", ""),
        (BETTER, WORSE, "outside", "9.67 ± 1.43 % apart, ours the better one."),
        (BETTER, NOISY, "reproduced", "apart: no difference beyond the noise."),
        (WORSE[:1], BETTER[:1], "not judged", FEW),
        (BETTER[:2], WORSE[:2], "not judged", FEW),
    ],
)
@pytest.mark.parametrize(
    "row", [CHOICE, replace(CHOICE, ours="best_decay", metric="best_decay", reported=0.1)]
)
def test_a_choice_within_the_noise_of_the_reported_one_is_no_other(
    found, row, first, second, verdict, said
):
    (comparison,) = compare.compare(search(found, first, second), [row])
    assert comparison.verdict == verdict
    assert comparison.reason.endswith(said)
    assert comparison.n == len(first)


def test_what_a_search_gives(found):
    results = search(found, BETTER, WORSE)
    row = replace(CHOICE, reported="minimal", ours="best_decay")
    (least,) = compare.compare(results, [row])
    assert (least.verdict, least.text, least.mean) == ("reproduced", "0", 0.0)
    (loss,) = compare.compare(results, [replace(LOSS, reported=0.25)])
    assert loss.mean == pytest.approx(sum(BETTER) / 6)
    assert loss.run == "search: λ = 0"


def test_other_ways_to_choose_explain_and_prove_nothing(found):
    row = replace(
        CHOICE, explains="By which rows is not said.", shown_by=("search:winner_by_train_accuracy",)
    )
    (comparison,) = compare.compare(search(found, BETTER, WORSE), [row])
    assert comparison.verdict is Verdict.EXPLAINED
    assert comparison.evidence == "The same search gives winner by training accuracy λ = 0.1."


def test_a_choice_where_nothing_was_to_choose_is_wrong(found):
    row = replace(CHOICE, ours="best_decay", reported=1e-4, wrong="Nothing was to choose.")
    comparison = judged(found, row, *accuracies(0.5))
    assert (comparison.verdict, comparison.reason) == ("report wrong", row.wrong)
