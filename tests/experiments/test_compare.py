import csv
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from experiments import assignments, compare
from experiments.compare import Reported, Verdict
from experiments.results import GroupResult, Results
from experiments.spec import GradientCheck, Search, Surface
from experiments.store import Outcome

ROW = Reported(id="1-2", metric="test_accuracy", ours="test_accuracy", reported=0.5)
BANDED = replace(ROW, band_low=0.4, band_high=0.6)
METRIC = re.compile(
    r"(train|validation|test)_(loss|cost|accuracy)|last_batch_(loss|accuracy)"
    r"|((train|val)_cost|test_accuracy)@\d+|(train|test)_mse_m\d+|weights|seconds|max_abs_gap"
    r"|percent_(weight|bias)_errors_below_1e-6|max_(weight|bias)_error|winner|best_decay"
)
EMPTY = {"provenance": "", "note": "", "rows": {}, "classes": ()}


def outcomes(run, *metrics):
    """An outcome a seed; None for a failure."""
    return tuple(
        Outcome(run=run, seed=seed, metrics=each or {}, failure="" if each else "it blew up (so)",
                **EMPTY)
        for seed, each in enumerate(metrics)
    )  # fmt: skip


def given(found, name, *metrics):
    """The results with these metrics, a seed each, in place of what a run has got."""
    run = replace(found.runs[name], outcomes=outcomes(found.runs[name].run, *metrics))
    return replace(found, runs=found.runs | {name: run})


def judged(found, row, *metrics):
    """The one comparison of a row with a fit that has these metrics."""
    (comparison,) = compare.compare(given(found, "fit", *metrics), [row])
    return comparison


def accuracies(*values):
    return [{"test_accuracy": value} for value in values]


# --- bands and noise ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(0.4, "reproduced"), (0.6, "reproduced"), (0.3996, "reproduced"), (0.399, "outside")],
)
def test_a_band_holds_to_a_tenth_of_a_point(found, ours, verdict):
    comparison = judged(found, BANDED, *accuracies(ours))
    assert comparison.verdict == verdict
    assert (comparison.band, comparison.band_from) == ((0.4, 0.6), "reports")


def test_the_mean_is_judged_and_doubt_is_told(found):
    comparison = judged(found, BANDED, *accuracies(0.30, 0.48, 0.40))
    assert comparison.mean == pytest.approx(1.18 / 3)
    assert comparison.sd == pytest.approx(np.std([0.30, 0.48, 0.40], ddof=1))
    assert comparison.n == 3
    assert comparison.verdict is Verdict.OUTSIDE
    assert comparison.reason == "Ours is outside by less than the noise of our mean."
    assert judged(found, BANDED, *accuracies(0.30, 0.30, 0.31)).reason == ""


def test_without_a_band_there_is_a_tolerance(found):
    inside, outside = (judged(found, ROW, *accuracies(ours)) for ours in (0.509, 0.511))
    assert (inside.verdict, outside.verdict) == ("reproduced", "outside")
    assert inside.band == pytest.approx((0.49, 0.51))
    assert inside.band_from == "tolerance"


def test_noise_widens_the_tolerance_where_it_is_known(found):
    values = (0.53, 0.50, 0.56)
    comparison = judged(found, ROW, *accuracies(*values))
    assert comparison.band_from == "noise"
    assert comparison.verdict is Verdict.REPRODUCED
    two = judged(found, ROW, *accuracies(*values[:2]))
    assert (two.band_from, two.verdict) == ("tolerance", "outside")


def test_a_band_is_never_wider_than_the_number_nor_over_100_percent(found):
    wild = judged(found, ROW, *accuracies(0.1, 0.9, 0.5))
    assert wild.band == pytest.approx((0.0, 1.0))
    assert judged(found, replace(ROW, reported=0.995), *accuracies(0.99)).band[1] == 1.0


def test_counts_must_agree_exactly(found):
    row = replace(ROW, metric="weights", ours="weights", reported=30_720.0)
    assert judged(found, row, {"weights": 30_720.0}).verdict is Verdict.REPRODUCED
    assert judged(found, row, {"weights": 30_721.0}).verdict is Verdict.OUTSIDE


# --- wrong reports --------------------------------------------------------------------------------


def test_a_wrong_number_is_called_so_and_shown_by_a_run(found):
    row = replace(BANDED, reported=0.3, wrong="It is low.", shown_by=("best:test_accuracy",))
    results = given(found, "best", {"test_accuracy": 0.302, "validation_accuracy": 0.3})
    groups = {"best": replace(found.groups["best"], runs=(results.runs["best"],))}
    comparison = judged(replace(results, groups=found.groups | groups), row, *accuracies(0.5))
    assert comparison.verdict is Verdict.WRONG
    title = results.runs["best"].run.title
    assert comparison.why == "It is low."
    assert comparison.evidence == f"{title} gives test accuracy 30.20 %, as reported."
    assert comparison.reason == f"{comparison.why} {comparison.evidence}"


def test_a_number_that_we_get_too_is_reproduced_whatever_else_is_wrong(found):
    comparison = judged(found, replace(BANDED, wrong="The text is."), *accuracies(0.5))
    assert comparison.verdict is Verdict.REPRODUCED
    assert comparison.reason == "Reproduced, but: The text is."


def test_a_number_without_its_sign_is_not_reproduced_but_recognised(found):
    row = replace(
        ROW, metric="test_loss", ours="test_loss", reported=-0.01, wrong="Its sign is.",
        shown_by=("fit:test_loss",),
    )  # fmt: skip
    comparison = judged(found, row, *({"test_loss": loss} for loss in (0.0101, 0.02, 0.001)))
    assert comparison.verdict is Verdict.WRONG
    assert comparison.evidence.endswith(", as reported but for the sign.")


def test_a_note_explains_and_changes_nothing(found):
    comparison = judged(found, replace(BANDED, note="Read off."), *accuracies(0.5))
    assert (comparison.verdict, comparison.reason) == ("reproduced", "Read off.")


# --- what has no number ---------------------------------------------------------------------------


def test_what_is_missing_was_not_run(found):
    comparison = judged(found, BANDED)
    assert (comparison.verdict, comparison.n, comparison.mean) == ("not run", 0, None)
    empty = Results("made_up", found.assignment, 2, dict(found.runs), {}, [])
    groups = replace(empty, assignment=with_answers(found, "search"))
    (comparison,) = compare.compare(groups, [BANDED])
    assert (comparison.verdict, comparison.run) == ("not run", "search")


def test_what_has_failed_is_outside_and_says_why(found):
    comparison = judged(found, BANDED, None, None)
    assert comparison.verdict is Verdict.OUTSIDE
    assert comparison.reason == "2 of our 2 seeds failed: it blew up."
    some = judged(found, BANDED, None, *accuracies(0.5))
    assert (some.verdict, some.n) == ("reproduced", 1)
    assert some.reason == "1 of our 2 seeds failed: it blew up."


def test_numbers_of_a_stand_in_are_not_judged(found):
    (comparison,) = compare.compare(found, [BANDED, replace(BANDED, id="9-9")])
    assert comparison.verdict is Verdict.NOT_JUDGED
    assert comparison.mean == found.runs["fit"].mean("test_accuracy")
    assert comparison.reason == found.note
    assert comparison.evidence == ""


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
    assignment = replace(found.assignment, items=(small, large))
    runs = {run.name: replace(found.runs["fit"], run=run, outcomes=()) for run in (small, large)}
    (comparison,) = compare.compare(Results("made_up", assignment, 1, runs, {}, []), [row])
    assert comparison.run_name == "m1000"


# --- searches -------------------------------------------------------------------------------------


def with_answers(found, name):
    """The made-up assignment whose one answer is this item's."""
    items = tuple(
        replace(item, answers=ROW.id if item.name == name else ())
        for item in found.assignment.items
    )
    items = tuple(replace(item, answers=(ROW.id,) if item.answers else ()) for item in items)
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


@pytest.mark.parametrize(
    ("first", "second", "verdict", "said"),
    [
        (WORSE, BETTER, "reproduced", ""),
        (BETTER, WORSE, "outside", "9.67 ± 1.43 % apart, ours the better one."),
        (BETTER, NOISY, "reproduced", "apart: no difference beyond the noise."),
        (BETTER[:1], (0.495,), "reproduced", "0.50 % apart: no difference beyond the tolerance."),
        (BETTER[:1], WORSE[:1], "outside", "10.00 % apart, ours the better one."),
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
    (loss,) = compare.compare(results, [replace(ROW, ours="test_loss", reported=0.25)])
    assert loss.mean == pytest.approx(sum(BETTER) / 6)
    assert loss.run == "search: λ = 0"
    shown = replace(CHOICE, wrong="It is.", reported="λ = 7",
                    shown_by=("search:winner", "search:winner_by_train_accuracy"))  # fmt: skip
    (wrong,) = compare.compare(results, [shown])
    assert wrong.verdict is Verdict.WRONG
    assert wrong.evidence == (
        "search gives winner λ = 0. search gives winner by training accuracy λ = 0.1."
    )


def test_a_choice_where_nothing_was_to_choose_is_wrong(found):
    row = replace(CHOICE, ours="best_decay", reported=1e-4, wrong="Nothing was to choose.")
    comparison = judged(found, row, *accuracies(0.5))
    assert (comparison.verdict, comparison.reason) == ("report wrong", row.wrong)


# --- tables ---------------------------------------------------------------------------------------


@pytest.fixture
def comparisons(found):
    rows = [
        replace(BANDED, note="A note."),
        replace(ROW, reported=0.3, wrong="It | is low.", shown_by=("fit:test_accuracy",)),
        replace(BANDED, metric="test_loss", ours="test_loss", reported=None, note="A note."),
    ]
    metrics = [{"test_accuracy": value, "test_loss": 0.5} for value in (0.5, 0.51)]
    return compare.compare(given(found, "fit", *metrics), rows)


def test_lines_for_a_terminal(comparisons):
    lines = compare.table(comparisons)
    assert max(map(len, lines)) <= 110
    assert lines[2] == "fit (2 seeds)"
    assert re.fullmatch(
        r"1-2 +test accuracy +50.00 % +50.50 ± 0.71 % +40.00 to 60.00 % +reproduced \[1\]", lines[3]
    )
    assert re.search(r"≈ 29.00 to 31.00 % +report wrong \[2\]$", lines[4])
    assert lines[5].strip() == "fit gives test accuracy 50.50 ± 0.71 %."
    assert [line for line in lines if line.startswith("[")] == ["[1] A note.", "[2] It | is low."]
    assert compare.table([]) == ["no reported number is answered"]


def test_markdown(comparisons):
    lines = compare.markdown(comparisons).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert rows[2].endswith("| 40.00 to 60.00 % | reproduced [1] |")
    assert "1. A note." in lines


def test_a_table_for_programs(comparisons, tmp_path):
    compare.write_csv(tmp_path / "table.csv", comparisons)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["verdict"] for line in lines] == ["reproduced", "report wrong", "reproduced"]
    assert float(lines[0]["ours"]) == comparisons[0].mean
    assert lines[1]["reason"] == comparisons[1].reason


# --- reported.csv ---------------------------------------------------------------------------------


def test_no_number_of_the_five_reports_is_missing():
    rows = [row for row in compare.read() if row.report]
    assert len(rows) == 206
    assert len({row.id for row in rows}) == 74
    ids = Counter(row.report for row in rows)
    assert ids == {"000": 50, "001": 8, "002": 10, "003": 8, "004": 130}


def test_every_id_belongs_to_exactly_one_assignment():
    of = {
        name: {row for item in assignments.get(name).items for row in item.answers}
        for name in assignments.names()
    }
    known = {row.id for row in compare.read()}
    assert set().union(*of.values()) == known
    assert sum(map(len, of.values())) == len(known)


def test_reported_rows_are_whole():
    rows = compare.read()
    assert len({(row.id, row.metric) for row in rows}) == len(rows)
    for row in rows:
        assert row.setting
        assert row.report in {"", "000", "001", "002", "003", "004"}
        assert not row.ours or METRIC.fullmatch(row.ours)
        assert (row.band_low is None) == (row.band_high is None)
        if row.band_low is not None:
            assert row.band_low <= row.band_high
            outside = row.reported and not row.band_low <= row.reported <= row.band_high
            assert not outside or row.wrong or row.note
        for text in (row.wrong, row.note):
            assert not text or (text[0] == text[0].upper() and text.endswith("."))


def test_every_row_is_of_an_item_that_gives_it():
    rows = compare.read()
    for name in assignments.names():
        items = {item.name: item for item in assignments.get(name).items}
        answered = [
            (row, item) for item in items.values() for row in rows if row.id in item.answers
        ]
        for row, item in answered:
            check = isinstance(item, GradientCheck)
            assert check == row.ours.startswith(("percent", "max_weight", "max_bias"))
            if "@" in row.ours:
                assert int(row.ours.partition("@")[2]) in item.marks
            if row.ours == "winner":
                titles = [item.run(each).title for each in item.settings()]
                assert row.reported in titles
            if row.ours == "best_decay":
                assert isinstance(item, Search) or row.wrong
            assert {each.partition(":")[0] for each in row.shown_by} <= set(items)
