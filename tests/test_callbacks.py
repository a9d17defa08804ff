"""callbacks.py: each of them, and that every one hears the end of every fit."""

import contextlib
import csv
from types import SimpleNamespace

import numpy as np
import pytest

import fastdl as fd


@pytest.fixture
def problem(rng):
    """Labels that are noise: what is learned of them is wrong for the validation set."""
    x, y = rng.standard_normal((60, 8)), rng.integers(0, 3, 60)
    return {"x": x[:30], "y": y[:30], "validation": (x[30:], y[30:])}


def make(seed=0, rate=0.5):
    network = fd.Network([8, 40, 3], dtype="float64", seed=seed)
    return network, fd.Trainer(network, fd.SGD(rate), batch_size=10)


def bits(network):
    return [p.tobytes() for p in network.parameters.values()]


class Log(fd.Callback):
    """Writes down what it is told; may stop or raise at an event."""

    def __init__(self, at=None, action=None):
        self.at, self.action, self.events = at, action, []

    def hear(self, event, run):
        self.events.append((event, run.epoch, run.step, len(run.history)))
        if event == self.at:
            self.action(run)

    def on_begin(self, run):
        self.hear("begin", run)

    def on_record(self, run):
        self.hear("record", run)

    def on_epoch(self, run):
        self.hear("epoch", run)

    def on_end(self, run):
        self.hear("end", run)


def throw(error):
    def action(run):
        raise error

    return action


# --- when they are called --------------------------------------------------------------------


def test_events_come_in_order(problem):
    log = Log()
    make()[1].fit(**problem, epochs=2, callbacks=[log])
    assert log.events == [
        ("begin", 0, 0, 0), ("record", 0, 3, 1), ("epoch", 1, 3, 1),
        ("record", 1, 6, 2), ("epoch", 2, 6, 2), ("end", 2, 6, 2),
    ]  # fmt: skip


def test_a_run_shows_the_fit(problem):
    network, trainer = make()
    trainer.fit(**problem)
    seen = []
    history = trainer.fit(**problem, epochs=3, callbacks=[fd.Snapshot(1, seen.append)])
    (run,) = set(seen)
    assert run.trainer is trainer
    assert run.network is network
    assert run.history is history
    assert (run.last_epoch, run.epoch, run.step) == (4, 4, 12)


ENDS = {  # at which event, what is done there, what the fit raises
    "to its last epoch": (None, None, None),
    "stopped before it began": ("begin", lambda run: run.stop("enough"), None),
    "stopped at a record": ("record", lambda run: run.stop("enough"), None),
    "stopped after an epoch": ("epoch", lambda run: run.stop("enough"), None),
    "interrupted": ("record", throw(KeyboardInterrupt()), None),
    "failed when it began": ("begin", throw(ZeroDivisionError()), ZeroDivisionError),
    "failed": ("epoch", throw(ZeroDivisionError()), ZeroDivisionError),
    "diverged": ("epoch", lambda run: run.network.parameters["layers.0.bias"].fill(np.inf),
                 fd.DivergenceError),
}  # fmt: skip


@pytest.mark.parametrize(("at", "action", "error"), ENDS.values(), ids=ENDS)
def test_every_callback_hears_every_end(problem, at, action, error):
    log, other = Log(at, action), Log()
    trainer = make()[1]
    if error:
        with pytest.raises(error):
            trainer.fit(**problem, epochs=3, callbacks=[log, other])
    else:
        history = trainer.fit(**problem, epochs=3, callbacks=[log, other])
        assert (history.stopped is None) == (at is None)
    assert [callback.events[-1][0] for callback in (log, other)] == ["end", "end"]


def test_the_other_callbacks_hear_the_end_when_one_fails_there(problem):
    other = Log()
    with pytest.raises(ZeroDivisionError):
        make()[1].fit(**problem, callbacks=[Log("end", throw(ZeroDivisionError())), other])
    assert other.events[-1][0] == "end"


@pytest.mark.parametrize("watch", [fd.EarlyStopping(), fd.OverfitWatch()])
def test_an_end_without_a_beginning_hides_no_error(problem, watch):
    """The callback before this one fails when the fit begins, in a first fit or in a second."""
    failing = Log("begin", throw(ZeroDivisionError()))
    network, trainer = make()
    with pytest.raises(ZeroDivisionError):
        trainer.fit(**problem, callbacks=[failing, watch])
    trainer.fit(**problem, epochs=2, callbacks=[watch])
    trainer.fit(**problem)
    before = bits(network)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(**problem, callbacks=[failing, watch])
    assert bits(network) == before


def test_a_fit_that_a_record_stops_in_the_middle_of_an_epoch(problem):
    log = Log("record", lambda run: run.stop("enough"))
    history = make()[1].fit(**problem, epochs=3, record=2, callbacks=[log])
    assert history["step"].tolist() == [2]
    assert history.stopped == "enough"
    assert "stopped: enough" in repr(history)
    assert [event[0] for event in log.events] == ["begin", "record", "end"]


# --- early stopping --------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy", "loss"])
def test_early_stopping_goes_back_to_the_best(problem, monitor):
    network, trainer = make()
    kept = {}
    stopping = fd.EarlyStopping(monitor, patience=4)
    snapshot = fd.Snapshot(1, lambda run: kept.update({run.epoch: bits(run.network)}))
    history = trainer.fit(**problem, epochs=40, callbacks=[stopping, snapshot])
    column = history[monitor]
    best = column.argmax() if monitor.endswith("accuracy") else column.argmin()
    assert bits(network) == kept[best + 1]
    assert stopping.best_epoch == history["epoch"][best]
    if monitor == "loss":
        assert history.stopped is None
    else:
        assert len(history) == best + 1 + 4
        assert history.stopped == f"no better {monitor} in 4 records"


def test_early_stopping_wants_the_least_improvement(problem):
    stopping = fd.EarlyStopping("loss", patience=2, min_delta=100.0)
    history = make()[1].fit(**problem, epochs=40, callbacks=[stopping])
    assert len(history) == 3


def test_early_stopping_forgets_an_earlier_fit(problem):
    stopping = fd.EarlyStopping("loss", patience=2)
    make(rate=0.5)[1].fit(**problem, epochs=20, callbacks=[stopping])
    network, trainer = make(seed=1, rate=0.01)
    history = trainer.fit(**problem, epochs=3, callbacks=[stopping])
    assert len(history) == 3
    assert network.evaluate(problem["x"], problem["y"]).loss == history["loss"][-1]


# --- files -----------------------------------------------------------------------------------


def test_csv_log_is_what_the_history_writes(problem, tmp_path):
    path = tmp_path / "log.csv"
    for seed in range(2):  # the first fit of another trainer replaces the file
        history = make(seed)[1].fit(**problem, epochs=3, record=2, callbacks=[fd.CSVLog(path)])
        history.to_csv(tmp_path / "history.csv")
        assert path.read_bytes() == (tmp_path / "history.csv").read_bytes()
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"].tolist()


@pytest.mark.parametrize("again", [True, False], ids=["the same object", "a new one"])
def test_a_later_fit_appends_to_a_csv_log(problem, tmp_path, again):
    path, trainer = tmp_path / "log.csv", make()[1]
    log, steps = fd.CSVLog(path), []
    for _ in range(3):
        log = log if again else fd.CSVLog(path)
        steps += trainer.fit(**problem, epochs=2, callbacks=[log])["step"].tolist()
    lines = path.read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["step", *map(str, steps)]


def test_a_later_fit_writes_a_csv_log_of_its_own(problem, tmp_path):
    trainer = make()[1]
    trainer.fit(**problem)
    trainer.fit(**problem, callbacks=[fd.CSVLog(tmp_path / "log.csv")])
    assert (tmp_path / "log.csv").read_text().startswith("epoch,step")


@pytest.mark.parametrize("content", [b"a,b\r\n1,2\r\n", b"\xff\xfe\r\n"])
def test_a_later_fit_does_not_append_to_a_file_of_other_columns(problem, tmp_path, content):
    path, (network, trainer) = tmp_path / "log.csv", make()
    trainer.fit(**problem)
    path.write_bytes(content)
    before = bits(network)
    with pytest.raises(ValueError, match="path must be that of a file with the columns epoch,step"):
        trainer.fit(**problem, callbacks=[fd.CSVLog(path)])
    assert bits(network) == before
    assert path.read_bytes() == content


def test_csv_log_is_there_after_each_record_and_after_a_failure(problem, tmp_path):
    path, lines = tmp_path / "log.csv", []

    def look(run):
        lines.append(path.read_text().count("\n"))
        if run.epoch == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make()[1].fit(**problem, epochs=4, callbacks=[fd.CSVLog(path), fd.Snapshot(1, look)])
    assert lines == [2, 3]


def test_checkpoints_load_and_are_the_newest(problem, tmp_path):
    network, trainer = make()
    path, found = tmp_path / "net.safetensors", []

    def look(run):
        saved = path.exists() and fd.Network.load(path)
        found.append(bits(saved) == bits(network) if saved else None)

    checkpoint = fd.Checkpoint(path, every=2)
    trainer.fit(**problem, epochs=5, callbacks=[checkpoint, fd.Snapshot(1, look)])
    assert found == [None, True, False, True, False]
    assert bits(fd.Network.load(path)) == bits(network)
    assert list(tmp_path.iterdir()) == [path]


def test_checkpoints_are_written_every_so_many_steps(problem, tmp_path):
    network, trainer = make()
    path, found = tmp_path / "net.safetensors", []

    class Look(fd.Callback):
        steps = 1

        def on_step(self, run):
            found.append(path.exists() and bits(fd.Network.load(path)) == bits(network))

    checkpoint = fd.Checkpoint(path, every=2, unit="step")
    trainer.fit(**problem, epochs=2, callbacks=[checkpoint, Look()])
    assert found == [False, True, False, True, False, True]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()], ids=repr)
def test_an_interrupted_fit_is_saved_as_it_is_and_a_failed_one_is_not(problem, tmp_path, error):
    path, seen = tmp_path / "net", []

    class Stop(fd.Callback):
        steps = 5

        def on_step(self, run):
            seen.append(bits(run.network))
            raise error

    callbacks = [fd.EarlyStopping("loss"), Stop(), fd.Checkpoint(path)]
    network, trainer = make()
    with contextlib.suppress(ZeroDivisionError):
        trainer.fit(**problem, epochs=3, callbacks=callbacks)
    saved = bits(fd.Network.load(path))
    assert (saved == seen[0]) == isinstance(error, KeyboardInterrupt)
    assert saved != bits(network)


def test_the_end_of_a_stopped_fit_is_saved_with_the_best_parameters(problem, tmp_path):
    network, trainer = make()
    callbacks = [fd.EarlyStopping(patience=2), fd.Checkpoint(tmp_path / "net", every=100)]
    assert "no better" in trainer.fit(**problem, epochs=40, callbacks=callbacks).stopped
    assert bits(fd.Network.load(tmp_path / "net")) == bits(network)


def test_a_step_is_told_to_those_who_count_it(problem):
    class Count(fd.Callback):
        def __init__(self, steps):
            self.steps, self.heard = steps, []

        def on_step(self, run):
            self.heard.append(run.step)

    counts = [Count(None), Count(1), Count(2), Count(4)]
    make()[1].fit(**problem, epochs=2, callbacks=counts)
    assert [count.heard for count in counts] == [[], [1, 2, 3, 4, 5, 6], [2, 4, 6], [4]]


# --- the others ------------------------------------------------------------------------------


def test_snapshots_are_taken_every_so_many_epochs(problem):
    epochs, trainer = [], make()[1]
    trainer.fit(**problem)
    trainer.fit(**problem, epochs=6, callbacks=[fd.Snapshot(3, lambda r: epochs.append(r.epoch))])
    assert epochs == [3, 6]


def test_overfit_watch_finds_the_gap(problem):
    watch = fd.OverfitWatch(1.0)
    history = make()[1].fit(**problem, epochs=30, callbacks=[watch])
    gaps = np.abs(history["cost"] - history["val_cost"])
    assert watch.largest_gap == gaps.max() > 1.0 > gaps[0]
    assert watch.epoch == history["epoch"][(gaps > 1.0).argmax()]
    assert history.stopped is None
    make()[1].fit(**problem, callbacks=[watch])
    assert watch.largest_gap == gaps[0]
    assert watch.epoch is None


def test_overfit_watch_keeps_the_largest_gap_of_the_costs():
    watch, history = fd.OverfitWatch(1.0), fd.History()
    run = SimpleNamespace(history=history, columns=["cost", "val_cost"])
    watch.on_begin(run)
    for epoch, cost, val_cost in ((1, 2.0, 2.5), (2, 1.0, 2.25), (3, 4.0, 2.5), (4, 1.0, 1.0)):
        history.append(
            {"epoch": epoch, "loss": 0, "val_loss": 9, "cost": cost, "val_cost": val_cost}
        )
        watch.on_record(run)
    assert (watch.largest_gap, watch.epoch) == (1.5, 2)


def test_overfit_watch_stops_the_fit(problem):
    watch = fd.OverfitWatch(1.0, stop=True)
    history = make()[1].fit(**problem, epochs=30, callbacks=[watch])
    gaps = np.abs(history["cost"] - history["val_cost"])
    assert len(history) == (gaps > 1.0).argmax() + 1 < 30
    assert "apart" in history.stopped
