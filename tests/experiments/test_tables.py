from dataclasses import replace

import pytest

import fastdl as fd
from experiments import tables
from experiments.results import RunResult


@pytest.mark.parametrize(
    ("metric", "mean", "sd", "text"),
    [
        ("test_accuracy", 0.38814, 0.0015, "38.81 ± 0.15 %"),
        ("test_accuracy@10", 0.5, None, "50.00 %"),
        ("train_cost", 1.89912, 0.0021, "1.899 ± 0.002"),
        ("percent_weight_errors_below_1e-6", 100.0, 0.0, "100.00 ± 0.00 %"),
        ("max_weight_error", 1.18e-11, None, "1.18e-11"),
        ("weights", 668_672.0, 0.0, "668,672"),
        ("seconds", 12.345, 0.61, "12.3 ± 0.6 s"),
        ("test_loss", None, None, "–"),
        ("test_loss", 0.0, None, "0.000"),
    ],
)
def test_numbers_have_units_and_their_spread_the_same_decimals(metric, mean, sd, text):
    assert tables.shown(metric, mean, sd) == text


def test_metrics_in_words():
    assert tables.label("train_cost@10") == "training cost at epoch 10"
    assert tables.label("percent_weight_errors_below_1e-6") == "percent weight errors < 1e-6"


def test_settings_are_those_that_are_not_by_default():
    assert tables.brief(fd.SGD(0.1)) == "SGD (0.1)"
    assert tables.brief(fd.SGD(fd.schedules.ExponentialDecay(0.02, 0.9), momentum=0.5)) == (
        "SGD (learning rate ExponentialDecay (rate 0.02, decay 0.9), momentum 0.5)"
    )
    assert tables.brief(fd.init.Normal()) == "Normal (0.01)"
    assert tables.brief(fd.init.Xavier()).startswith("Xavier")


def test_settings_that_all_runs_share_are_said_once(found):
    table = tables.training_table("search", found.groups["search"].ranked())
    assert "batches of 50; 2 epochs" in table.note
    assert "λ = 0.1" not in table.note
    assert sorted(row[1] for row in table.rows) == ["λ = 0.1", "–"]
    assert all(len(row) == len(table.heads) for row in table.rows)


def test_what_only_some_have_is_their_own():
    assert tables.apart([["a", "b", "c"], ["a", "c"], ["d", "a"]]) == ("a", ["b; c", "c", "d"])
    assert tables.apart([]) == ("", [])


def test_a_search_is_ranked_by_validation_and_by_training_rows(found):
    group = found.groups["search"]
    assert tables.ranked_by(group) == ["validation_accuracy", "train_accuracy"]
    table = tables.ranking(group, "train_accuracy", top=1)
    (row,) = table.rows
    assert row[1] == group.ranked("train_accuracy")[0].run.title


def test_runs_of_a_search_do_not_stand_alone(found):
    assert [run.run.name for run in tables.alone(found)] == ["check", "fit", "best"]


def test_a_run_without_numbers_has_dashes(found):
    run = found.runs["fit"]
    failed = tuple(replace(each, metrics={}, failure="diverged") for each in run.outcomes)
    table = tables.training_table("t", [run, RunResult(replace(run.run, l2=0.0), failed)])
    assert table.rows[1][2:] == ["0", "–", "–", "–", "–", "–"]


def test_machines_and_times(found):
    (row,) = tables.machines(found.outcomes).rows
    assert row[4] == str(len(found.outcomes))
    ((known, done),) = tables.environments(found.outcomes)
    assert "ended" not in known
    assert len(done) == len(found.outcomes)
    began, ended = tables.period(found.outcomes)
    assert began < ended
    assert tables.period([]) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, "0.2 s"), (59.94, "59.9 s"), (90, "1 min 30 s"), (7320, "2 h 2 min")],
)
def test_durations(seconds, said):
    assert tables.duration(seconds) == said


def test_a_long_name_is_cut_where_names_are_alike():
    assert tables.shortened("short", 10) == "short"
    names = [f"weights of a long name, m = {m}, 2-128-1" for m in (100, 1_000)]
    cut = [tables.shortened(name, 30) for name in names]
    assert len(set(cut)) == 2
    assert all(len(each) <= 30 and "…" in each and each.endswith("2-128-1") for each in cut)


def test_the_period_is_from_the_first_beginning_to_the_last_end(found):
    first, second = found.runs["fit"].outcomes
    ended = ("2026-11-21T12:00:00+00:00", "2026-11-21T11:59:00+00:00")
    given = [
        replace(each, metrics={"seconds": seconds}, environment=each.environment | {"ended": end})
        for each, end, seconds in zip((first, second), ended, (3.0, 5.0), strict=True)
    ]
    for outcomes in (given, given[::-1]):
        began, last = tables.period(outcomes)
        assert began.isoformat() == "2026-11-21T11:58:55+00:00"
        assert last.isoformat() == ended[0]
    assert tables.period([]) is None
    assert tables.seconds(given) == 8.0
