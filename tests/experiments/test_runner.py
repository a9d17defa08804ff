import pytest

from experiments import runner, trial
from experiments.runner import Session
from experiments.store import Store


class InProcess:
    """An engine that does trials here, and counts them."""

    def __init__(self, store):
        self.store, self.calls = store, []

    def __call__(self, trials):
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
    runner.forget([session], store)
    assert not list(store.folder.iterdir())


def test_an_engine_that_leaves_a_trial_out_is_told(session, tmp_path):
    with pytest.raises(RuntimeError, match="every trial must have a result"):
        runner.run([session], Store(tmp_path), lambda trials: None)


def test_the_longest_come_first_and_data_stay_together(session, tmp_path):
    engine = InProcess(Store(tmp_path))
    runner.run([session], engine.store, engine)
    assert engine.calls[0][-1] == "check"


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
