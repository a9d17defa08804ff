import json
from dataclasses import replace

import numpy as np
import pytest

from experiments import results
from experiments.store import Store


def test_nothing_is_stored_yet(made_up, tmp_path):
    found = results.collect("made_up", made_up, 2, Store(tmp_path))
    assert [(t.run.name, t.seed) for t in found.missing] == [
        ("check", 0), ("check", 1), ("fit", 0), ("fit", 1),
        ("search_l20.0", 0), ("search_l20.0", 1),
    ]  # fmt: skip
    # The search's second run is the fit under another name, and its best is not known yet.
    assert "best" not in found.groups
    assert found.runs["fit"].mean("test_accuracy") is None


def test_runs_over_their_seeds(found):
    fit = found.runs["fit"]
    values = fit.values("test_accuracy")
    assert len(values) == 2
    assert fit.mean("test_accuracy") == values.mean()
    assert fit.sd("test_accuracy") == pytest.approx(abs(values[0] - values[1]) / np.sqrt(2))
    assert fit.curve("val_loss").shape == (2, 2)
    assert fit.mean("no_such_metric") is None
    assert fit.sd("no_such_metric") is None
    assert fit.curve("no_such_column") is None
    assert found.note == fit.note == "stand-in data; 200 rows"
    assert found.runs["check"].note == ""
    assert found.missing == []


def test_groups_are_ranked_and_followed(found):
    ranked = found.groups["search"].ranked()
    first, second = (run.mean("validation_accuracy") for run in ranked)
    assert first >= second
    least = found.groups["search"].ranked("validation_loss")
    assert least[0].mean("validation_loss") <= least[1].mean("validation_loss")
    (best,) = found.groups["best"].runs
    assert best.run.l2 == ranked[0].settings["l2"]
    assert found.runs["best"] is best


@pytest.mark.parametrize(
    ("metric", "first"), [("validation_accuracy", 0.9), ("test_loss", 0.2), ("train_cost", 0.2)]
)
def test_the_better_run_is_the_first(found, metric, first):
    group = found.groups["search"]
    runs = tuple(
        replace(run, outcomes=tuple(replace(o, metrics={metric: value}) for o in run.outcomes))
        for run, value in zip(group.runs, (0.2, 0.9), strict=True)
    )
    for given in (runs, runs[::-1]):
        assert replace(group, runs=given).ranked(metric)[0].mean(metric) == first


def test_equal_trials_are_counted_once(found):
    names = {outcome.run.name for outcome in found.outcomes}
    assert len(found.outcomes) == 2 * 3
    assert len(names) == 3


def test_a_run_may_ask_for_fewer_seeds(made_up, tmp_path):
    once = replace(made_up, items=(replace(made_up.items[1], seeds=1),))
    assert len(results.collect("made_up", once, 5, Store(tmp_path)).missing) == 1
    thrice = replace(made_up, items=(replace(made_up.items[1], seeds=3),))
    assert len(results.collect("made_up", thrice, 2, Store(tmp_path)).missing) == 2


def test_a_group_waits_until_all_of_the_other_is_done(made_up, found, tmp_path):
    store, (search, best) = Store(tmp_path), made_up.items[2:]
    only = replace(made_up, items=(search, best), figures=())
    done = [outcome for run in found.groups["search"].runs for outcome in run.outcomes]
    for outcome in done:
        assert "best" not in results.collect("made_up", only, 2, store).groups
        store.save(outcome)
    assert "best" in results.collect("made_up", only, 2, store).groups


def test_one_seed_on_a_stand_in_is_enough_for_a_note(found):
    fit = found.runs["fit"]
    first, second = fit.outcomes
    noted = replace(fit, outcomes=(replace(first, note=""), replace(second, note="made up")))
    assert noted.note == "made up"
    assert replace(found, runs=found.runs | {"fit": noted}).note != ""


def test_failed_trials_count_as_done(made_up, found, tmp_path):
    store = Store(tmp_path)
    for outcome in found.outcomes:
        store.save(replace(outcome, failure="it diverged", metrics={}))
    again = results.collect("made_up", made_up, 2, store)
    assert not again.missing
    assert again.runs["fit"].first is None
    assert "best" not in again.groups
    json.dumps({name: run.mean("test_accuracy") for name, run in again.runs.items()})


def test_a_cheap_run_has_three_seeds_where_nobody_says_how_many(made_up, tmp_path, monkeypatch):
    found = results.collect("made_up", made_up, None, Store(tmp_path))
    assert [t.seed for t in found.missing if t.run.name == "fit"] == [0, 1, 2]
    monkeypatch.setattr(results, "CHEAP", 1.0)
    found = results.collect("made_up", made_up, None, Store(tmp_path))
    assert [t.seed for t in found.missing if t.run.name == "fit"] == [0]


def test_what_was_cut_is_told_and_not_judged(made_up, store):
    small = made_up.quick()
    found = results.collect("made_up", small, 1, store)
    assert found.cut == {
        "search": "1 of 2 settings", "best": "chosen by a cut search",
    }  # fmt: skip
    notes = {name: run.note for name, run in found.runs.items()}
    assert notes["fit"] == "stand-in data; 200 rows"
    assert notes["search_l20.0"] == "stand-in data; 200 rows; quick look: 1 of 2 settings"
    assert found.most_seeds == 1
