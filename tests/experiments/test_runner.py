from dataclasses import replace
from types import SimpleNamespace

import pytest

from experiments import runner, trial
from experiments.runner import Session
from experiments.spec import Model, Surface
from experiments.store import Store

SMALL = Model(widths=(2, 2, 1), activations=("relu",), loss="mse")


class InProcess:
    """An engine that does trials here, and counts them."""

    def __init__(self, store):
        self.store, self.calls = store, []

    def __call__(self, trials, done):
        assert done == sum(map(len, self.calls))
        self.calls.append([each.run.name for each in trials])
        for each in trials:
            self.store.save(trial.do(each.run, each.seed, data_dir=None))


@pytest.fixture
def session(made_up, monkeypatch):
    monkeypatch.setattr(runner.assignments, "get", lambda name: made_up)
    monkeypatch.setattr(runner.assignments, "names", lambda: ["made_up"])
    return Session("made_up", quick=False, seeds=1, stand_in=("cifar10",))


def test_stage_by_stage_and_nothing_twice(session, tmp_path):
    store = Store(tmp_path / "trials")
    engine = InProcess(store)
    (found,) = runner.run([session], store, engine)
    assert not found.missing
    first, *later = engine.calls
    assert set(first) == {"check", "fit", "search_l20.0"}
    # The best has the settings of one of the trials that are done.
    assert later == []
    runner.run([session], store, engine)
    assert len(engine.calls) == 1


def test_an_engine_that_leaves_a_trial_out_is_told(session, tmp_path):
    with pytest.raises(RuntimeError, match="every trial must have a result"):
        runner.run([session], Store(tmp_path), lambda trials, done: None)


def test_the_longest_come_first_and_data_stay_together(session, made_up, tmp_path, monkeypatch):
    fit = made_up.items[1]
    long = replace(fit, name="long", epochs=4)
    drawn = replace(fit, name="drawn", data=Surface(target="sum", m=4), model=SMALL)
    spec = replace(made_up, items=(made_up.items[0], drawn, fit, long))
    monkeypatch.setattr(runner.assignments, "get", lambda name: spec)
    engine = InProcess(Store(tmp_path))
    runner.run([replace(session, seeds=2)], engine.store, engine)
    assert engine.calls == [["long", "long", "fit", "fit", "drawn", "drawn", "check", "check"]]


def test_figures_of_another_way_are_dropped(session, tmp_path):
    runner.begin(tmp_path, [session])
    picture = tmp_path / "made_up" / "fit_curves.png"
    picture.touch()
    (tmp_path / "made_up" / "results.json").write_text('{"files": ["fit_curves.png"]}')
    runner.begin(tmp_path, [session])
    assert picture.exists()
    runner.begin(tmp_path, [replace(session, seeds=2)])
    assert not picture.exists()
    assert runner.sessions(tmp_path) == [replace(session, seeds=2)]


def test_sessions_are_found_again(session, tmp_path):
    session.save(tmp_path)
    assert runner.sessions(tmp_path) == [session]
    assert runner.sessions(tmp_path, ["made_up"]) == [session]
    with pytest.raises(ValueError, match="must hold results of other; got none, run it first"):
        runner.sessions(tmp_path, ["other"])
    with pytest.raises(ValueError, match="must hold results of an assignment"):
        runner.sessions(tmp_path / "nowhere")


@pytest.mark.usefixtures("no_data")
def test_a_plan_names_the_stand_ins(session):
    (planned,) = runner.plan(["made_up"], quick=True, seeds=3, data_dir=None)
    assert planned == Session("made_up", quick=True, seeds=3, stand_in=("cifar10",))
    assert planned.assignment.items[0].data.stand_in


@pytest.mark.usefixtures("no_data")
def test_an_answer_to_nothing_is_told(made_up, monkeypatch):
    spec = replace(made_up, items=(replace(made_up.items[0], answers=("9-9",)), *made_up.items[1:]))
    monkeypatch.setattr(runner.assignments, "get", lambda name: spec)
    with pytest.raises(ValueError, match=r"must be ids of reported.csv or made_up.csv; got 9-9"):
        runner.plan(["made_up"], quick=True, seeds=1, data_dir=None)


def sessions_after(tmp_path, session, before, store=None):
    """What a report shows of a session, and what is said, where another was there before."""
    before.save(tmp_path)
    return runner.keep(tmp_path, [session], store or Store(tmp_path / "trials"))


@pytest.mark.parametrize(("asked", "stored"), [(1, 2), (1, None), (None, 5), (None, 3)])
def test_fewer_seeds_do_not_shrink_a_report(session, tmp_path, monkeypatch, asked, stored):
    monkeypatch.setattr(runner.results, "collect", lambda *_: SimpleNamespace(missing=[]))
    before, now = (replace(session, seeds=seeds) for seeds in (stored, asked))
    shown, said = sessions_after(tmp_path, now, before)
    assert shown == [before]
    assert said == [f"made_up is shown with all {before.most_seeds} seeds that are stored"]


def test_as_many_seeds_or_more_take_the_place_of_fewer(session, tmp_path):
    for asked, stored in ((2, 2), (3, 2), (3, None), (None, None), (None, 2)):
        now = replace(session, seeds=asked)
        assert sessions_after(tmp_path, now, replace(session, seeds=stored)) == ([now], [])


def test_unfinished_seeds_and_another_way_are_told(session, tmp_path):
    shown, (said,) = sessions_after(tmp_path, session, replace(session, seeds=4))
    assert shown == [session]
    assert "unfinished results of 4 seeds" in said
    assert "--seeds 4 --resume finishes them" in said
    shown, (said,) = sessions_after(tmp_path, session, replace(session, stand_in=(), seeds=5))
    assert shown == [session]
    assert "another way before (in full, real data)" in said
    assert "now shows this one (in full, stand-ins for cifar10)" in said
