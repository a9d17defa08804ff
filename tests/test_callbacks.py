"""callbacks.py: each of them, and that every one hears the end of every fit."""

import contextlib
import copy
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
        self.events.append((event, run.epoch, run.step, run.history.n_records))
        if event == self.at:
            self.action(run)

    def on_check(self, run):
        self.hear("check", run)

    def on_begin(self, run):
        self.hear("begin", run)

    def on_record(self, run):
        self.hear("record", run)

    def on_epoch(self, run):
        self.hear("epoch", run)

    def on_finish(self, run):
        self.hear("finish", run)

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
        ("check", 0, 0, 0), ("begin", 0, 0, 0), ("record", 0, 3, 1), ("epoch", 1, 3, 1),
        ("record", 1, 6, 2), ("epoch", 2, 6, 2), ("finish", 2, 6, 2), ("end", 2, 6, 2),
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
    assert (run.first_epoch, run.last_epoch, run.epoch, run.step) == (1, 4, 4, 12)
    assert run.columns == history.columns
    assert run.resumed is False
    for name in ("epoch", "step", "first_epoch", "last_epoch", "columns"):
        with pytest.raises(AttributeError):
            setattr(run, name, 1)


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
    for callback in (log, other):
        heard = [event[0] for event in callback.events]
        assert heard[-1] == "end"
        assert ("finish" in heard) == (error is None)


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
    assert [event[0] for event in log.events] == ["check", "begin", "record", "finish", "end"]


# --- what is refused before anything begins --------------------------------------------------


class Every(fd.Callback):
    def __init__(self, steps):
        self.steps = steps


REFUSED = {  # a callback, what else the fit is given, error, message
    "no validation set": (
        lambda p: fd.EarlyStopping(), {"validation": None}, ValueError,
        "monitor must be one of .*; got 'val_loss', use 'loss', or give fit a validation set",
    ),
    "a near name": (
        lambda p: fd.EarlyStopping("val_acc"), {}, ValueError,
        r"monitor must be one of .*; got 'val_acc', did you mean 'val_accuracy'\?$",
    ),
    "a near name and no validation set": (
        lambda p: fd.ReduceOnPlateau("val_acc"), {"validation": None}, ValueError,
        "got 'val_acc', use 'accuracy', or give fit a validation set for 'val_accuracy'",
    ),
    "no name": (
        lambda p: fd.ReduceOnPlateau("xyz"), {}, ValueError, "monitor must be .*; got 'xyz'$",
    ),
    "no column of labels": (
        lambda p: fd.Checkpoint(p / "net", best="r2"), {}, ValueError, "best must be one of .*'r2'",
    ),
    "no mode": (
        lambda p: fd.EarlyStopping("own"), {"metrics": {"own": max}}, ValueError,
        "mode must be 'max' or 'min' for own, a metric of your own; got None, use mode='max'",
    ),
    "no mode of validation": (
        lambda p: fd.Checkpoint(p / "net", best="val_own"), {"metrics": {"own": max}}, ValueError,
        "mode must be 'max' or 'min' for val_own",
    ),
    "no validation to watch": (
        lambda p: fd.OverfitWatch(), {"validation": None}, ValueError, "must have a validation set",
    ),
    "no records": (
        lambda p: fd.Checkpoint(p / "net", best="loss"), {"record": None}, ValueError,
        "record must not be None with Checkpoint",
    ),
    "a log nowhere": (
        lambda p: fd.CSVLog(p / "no" / "log"), {}, FileNotFoundError,
        "path must lie in a folder that exists; got .*, use os.makedirs",
    ),
    "a checkpoint nowhere": (
        lambda p: fd.Checkpoint(p / "no" / "net"), {}, FileNotFoundError, "path must lie in a",
    ),
    "a log that is a folder": (lambda p: fd.CSVLog(p), {}, IsADirectoryError, "got the folder"),
    "a checkpoint that is a folder": (
        lambda p: fd.Checkpoint(p), {}, IsADirectoryError, "path must be that of a file",
    ),
    "steps of nothing": (
        lambda p: Every(steps=0), {}, ValueError, r"steps of .* lie in \[1",
    ),
    "steps of a half": (
        lambda p: Every(steps=0.5), {}, TypeError, "steps of .* an integer",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make_one", "fit", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_fit_would_fail_of_is_refused_before_it_begins(
    problem, tmp_path, make_one, fit, error, message
):
    network, trainer = make()
    before, log = bits(network), Log()
    with pytest.raises(error, match=message):
        trainer.fit(**problem | fit, callbacks=[make_one(tmp_path), log])
    assert log.events == []
    assert bits(network) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [fd.CSVLog, fd.Checkpoint])
def test_what_may_not_be_written_to_is_refused(problem, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("os.access", lambda path, mode: path != str(tmp_path))
    with pytest.raises(PermissionError, match="path must lie in a folder that may be written to"):
        make()[1].fit(**problem, callbacks=[kind(tmp_path / "file")])
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("os.access", lambda path, mode: path != str(tmp_path / "file"))
    if kind is fd.CSVLog:  # a checkpoint is replaced, not written to
        with pytest.raises(PermissionError, match="path must be that of a file to write to"):
            make()[1].fit(**problem, callbacks=[kind(tmp_path / "file")])


@pytest.mark.parametrize("rates", [[0.1], [-0.1] * 3, [np.nan] * 3])
def test_rates_of_the_first_epoch_are_looked_at_before_it(problem, rates):
    class Bad:
        def rates(self, steps, epoch):
            return np.array(rates)

    log = Log()
    trainer = fd.Trainer(make()[0], fd.SGD(Bad()), batch_size=10)
    with pytest.raises(ValueError, match="rates must"):
        trainer.fit(**problem, callbacks=[log])
    assert [event[0] for event in log.events] == ["check"]


def test_steps_that_change_to_nothing_end_a_fit_in_an_error(problem):
    class Shrinking(fd.Callback):
        steps = 1

        def on_step(self, run):
            self.steps = -run.step

    with pytest.raises(ValueError, match="steps must lie in"):
        make()[1].fit(**problem, callbacks=[Shrinking()])


def test_callbacks_show_their_settings(tmp_path):
    made = [
        fd.EarlyStopping("loss", patience=3, mode="max"),
        fd.ReduceOnPlateau(factor=0.5),
        fd.OverfitWatch(0.25, stop=True),
        fd.Checkpoint("net", every=2, unit="step"),
        fd.CSVLog("log.csv"),
    ]
    for each in made:
        assert repr(eval(f"fd.{each!r}")) == repr(each)
    assert repr(made[0]) == ("EarlyStopping(monitor='loss', patience=3, min_delta=0.0, mode='max')")
    assert repr(fd.Snapshot(2, print)).startswith("Snapshot(every=2, take=")


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
        assert history.n_records == best + 1 + 4
        assert history.stopped == f"no better {monitor} in 4 records"


def test_early_stopping_wants_the_least_improvement(problem):
    stopping = fd.EarlyStopping("loss", patience=2, min_delta=100.0)
    history = make()[1].fit(**problem, epochs=40, callbacks=[stopping])
    assert history.n_records == 3


def test_early_stopping_forgets_an_earlier_fit(problem):
    stopping = fd.EarlyStopping("loss", patience=2)
    make(rate=0.5)[1].fit(**problem, epochs=20, callbacks=[stopping])
    network, trainer = make(seed=1, rate=0.01)
    history = trainer.fit(**problem, epochs=3, callbacks=[stopping])
    assert history.n_records == 3
    assert network.evaluate(problem["x"], problem["y"]).loss == history["loss"][-1]


def told(values, callback, monitor="val_loss"):
    """What a callback makes of these values: a run that keeps, and that scales its rate."""

    class Told:
        def __init__(self):
            self.history, self.columns = fd.History(), [monitor]
            self.step, self.kept, self.stopped, self.rates = 0, [], None, [1.0]

        def is_at(self, step):
            return False

        def keep(self, name):
            self.kept.append(self.step)

        def stop(self, reason):
            self.stopped = self.stopped or self.step

        def scale_rate(self, factor):
            self.rates.append(self.rates[-1] * factor)

    run = Told()
    callback.on_begin(run)
    for value in values:
        run.step += 1
        run.history.append(
            {"epoch": run.step, "step": run.step, "learning_rate": run.rates[-1], monitor: value}
        )
        callback.on_record(run)
    return run


NAN, INF = np.nan, np.inf
PATIENT = {  # values, which of them are kept, after which it stops, the best
    "nan, then better": ([NAN, 1.0, 0.5], [2, 3], None, 0.5),
    "nan between": ([1.0, NAN, 0.5, NAN], [1, 3], None, 0.5),
    "nan alone": ([NAN] * 5, [], 3, NAN),
    "infinite, then nan": ([INF, NAN, -INF, 3.0], [4], 3, 3.0),
    "worse and nan": ([1.0, 2.0, NAN, 1.0], [1], 4, 1.0),
    "equal": ([1.0] * 4, [1], 4, 1.0),
    "worse, better, worse": ([3.0, 4.0, 4.0, 2.0, 4.0, 4.0, 1.0, 5.0], [1, 4, 7], None, 1.0),
}


@pytest.mark.parametrize(("values", "kept", "stop", "best"), PATIENT.values(), ids=PATIENT)
def test_what_is_no_number_is_no_improvement(values, kept, stop, best):
    stopping = fd.EarlyStopping(patience=3)
    run = told(values, stopping)
    assert (run.kept, run.stopped) == (kept, stop)
    np.testing.assert_equal(stopping.best, best)
    assert stopping.best_epoch == (kept[-1] if kept else None)


MODES = {  # monitor, mode, whether it rises
    **{name: (name, None, True) for name in ("accuracy", "val_accuracy", "r2", "val_r2")},
    **{name: (name, None, False) for name in ("loss", "val_cost", "val_mean_absolute_error")},
    "told to fall": ("val_accuracy", "min", False),
    "told to rise": ("loss", "max", True),
    "of one's own": ("val_f1", "max", True),
}


@pytest.mark.parametrize(("monitor", "mode", "rises"), MODES.values(), ids=MODES)
def test_what_is_better_goes_by_the_column_or_the_mode(monitor, mode, rises):
    run = told([2.0, 3.0, 1.0], fd.EarlyStopping(monitor, mode=mode), monitor)
    assert run.kept == ([1, 2] if rises else [1, 3])


def test_a_fit_whose_monitor_is_never_a_number_ends(problem):
    network, trainer = make()
    stopping = fd.EarlyStopping("own", mode="max", patience=3)
    metrics = {"own": lambda y, predicted: np.nan}
    history = trainer.fit(**problem, epochs=50, metrics=metrics, callbacks=[stopping])
    assert len(history["step"]) == 3
    assert history.stopped == "no better own in 3 records"
    assert np.isnan(stopping.best)
    other, trainer = make()
    trainer.fit(**problem, epochs=3)
    assert bits(network) == bits(other)


# --- the rate --------------------------------------------------------------------------------

PLATEAUS = {  # values, settings, the rate after each
    "after its patience": (
        [2, 2, 2, 2, 2], {"patience": 2, "factor": 0.5}, [1, 1, 0.5, 0.5, 0.25],
    ),
    "not while it falls": ([3, 2, 1, 1, 0.5], {"patience": 2}, [1, 1, 1, 1, 1]),
    "to the least": (
        [1, 1, 1, 1, 1], {"patience": 1, "factor": 0.5, "least": 0.3}, [1, 0.5, 0.3, 0.3, 0.3],
    ),
    "too small an improvement": (
        [1, 0.95, 0.9], {"patience": 2, "factor": 0.5, "min_delta": 0.2}, [1, 1, 0.5],
    ),
    "nan": ([NAN, NAN, 1, NAN], {"patience": 2, "factor": 0.5}, [1, 0.5, 0.5, 0.5]),
    "rising": ([1, 2, 2, 2], {"patience": 2, "factor": 0.5, "mode": "max"}, [1, 1, 1, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize(("values", "settings", "rates"), PLATEAUS.values(), ids=PLATEAUS)
def test_the_rate_is_lowered_on_a_plateau(values, settings, rates):
    found = [
        told(values[:n], fd.ReduceOnPlateau(**settings)).rates[-1]
        for n in range(1, len(values) + 1)
    ]
    np.testing.assert_allclose(found, rates, rtol=1e-15)


@pytest.mark.parametrize("record", ["epoch", 2])
@pytest.mark.parametrize(
    "rate", [0.5, fd.schedules.Triangular(0.1, 0.5, 4)], ids=["constant", "triangular"]
)
def test_a_lowered_rate_scales_the_schedule_until_the_fit_ends(problem, record, rate):
    """A threshold that is never met: every record lowers it."""
    network, plain = make()[0], make()[0]
    settings = {"batch_size": 10, "shuffle": None}
    trainer = fd.Trainer(network, fd.SGD(rate), **settings)
    lower = fd.ReduceOnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    history = trainer.fit(**problem, epochs=3, record=record, callbacks=[lower])
    schedule, steps = fd.schedules.get(rate), np.arange(9)
    every = 3 if record == "epoch" else record
    # The first record is the best, the second lowers the rate of the steps after it.
    halvings = np.maximum(np.minimum(steps, 8) // every - 1, 0)
    rates = np.concatenate([schedule.rates(steps[i : i + 3], i // 3) for i in (0, 3, 6)])
    expected = rates * 0.5**halvings
    np.testing.assert_allclose(history["learning_rate"], expected[history["step"] - 1], rtol=1e-15)

    class Same:
        def rates(self, steps, epoch):
            return expected[steps]

    fd.Trainer(plain, fd.SGD(Same()), **settings).fit(**problem, epochs=3)
    assert bits(network) == bits(plain)
    again = trainer.fit(**problem)
    assert again["learning_rate"][-1] == schedule.rates(np.array([11]), 3)[0]


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


def max_of(y, predicted):
    return float(max(y.max(), predicted.max()))


@pytest.mark.parametrize("again", [True, False], ids=["the same object", "a new one"])
def test_a_later_fit_appends_to_a_csv_log(problem, tmp_path, again):
    path, trainer = tmp_path / "log.csv", make()[1]
    log, steps = fd.CSVLog(path), []
    for _ in range(3):
        log = log if again else fd.CSVLog(path)
        history = trainer.fit(**problem, epochs=2, metrics={'of "a", b': max_of}, callbacks=[log])
        steps += history["step"].tolist()
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
    with pytest.raises(ValueError, match="path must be that of a file with the columns epoch, "):
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


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_callbacks_does_not_decide_what_is_saved(problem, tmp_path, order):
    network, trainer = make()

    class Averages(fd.Callback):
        """Changes the parameters once more, after the last batch."""

        def on_finish(self, run):
            run.network.parameters["layers.1.bias"].fill(7.0)

    callbacks = [fd.EarlyStopping(patience=2), Averages(), fd.Checkpoint(tmp_path / "net")]
    history = trainer.fit(**problem, epochs=40, callbacks=callbacks[::order])
    assert "no better" in history.stopped
    saved = fd.Network.load(tmp_path / "net")
    assert bits(saved) == bits(network)
    best = history["val_loss"].argmin()
    network, trainer = make()
    trainer.fit(**problem, epochs=int(best) + 1)
    np.testing.assert_array_equal(
        saved.parameters["layers.0.weight"], network.parameters["layers.0.weight"]
    )


WRITES = {  # settings of 2 epochs of 3 steps, after which steps it is saved
    "every epoch": ({}, [3, 6, 6]),
    "every second": ({"every": 2}, [6, 6]),
    "every step": ({"unit": "step"}, [1, 2, 3, 4, 5, 6, 6]),
    "every fourth step": ({"unit": "step", "every": 4}, [4, 6]),
    "never": ({"every": 100}, [6]),
}


@pytest.mark.parametrize(("settings", "steps"), WRITES.values(), ids=WRITES)
def test_a_checkpoint_is_saved_when_it_is_told_to_and_at_the_end(
    problem, tmp_path, monkeypatch, settings, steps
):
    found, save = [], fd.Run.save
    monkeypatch.setattr(fd.Run, "save", lambda run, path: found.append(run.step) or save(run, path))
    make()[1].fit(**problem, epochs=2, callbacks=[fd.Checkpoint(tmp_path / "net", **settings)])
    assert found == steps


BEST = {  # the column, its mode, the values of a metric of one's own
    "val_loss": ("val_loss", None, None),
    "val_accuracy": ("val_accuracy", None, None),
    "own": ("own", "max", [1.0, NAN, 3.0, 3.0, 2.0, 4.0, -1.0]),
    "own, falling": ("own", "min", [NAN, 2.0, 3.0, 1.0, INF, 4.0, NAN]),
    "never a number": ("own", "min", [NAN] * 7),
}


@pytest.mark.parametrize(("column", "mode", "values"), BEST.values(), ids=BEST)
def test_a_checkpoint_of_the_best_is_that_of_the_best_record(
    problem, tmp_path, monkeypatch, column, mode, values
):
    path, kept, found, save = tmp_path / "net", {}, [], fd.Run.save
    monkeypatch.setattr(fd.Run, "save", lambda run, path: found.append(run.step) or save(run, path))
    coming = iter(values or ())
    metrics = {"own": lambda y, predicted: next(coming)} if values else None
    fit = problem | ({"validation": None} if values else {})
    snapshot = fd.Snapshot(1, lambda run: kept.update({run.epoch: bits(run.network)}))
    best = fd.Checkpoint(path, best=column, mode=mode)
    network, trainer = make()
    history = trainer.fit(**fit, epochs=7, metrics=metrics, callbacks=[best, snapshot])
    sign = 1 if column == "val_loss" or mode == "min" else -1
    so_far, steps = np.inf, []
    for step, value in zip(history["step"], sign * history[column], strict=True):
        if np.isfinite(value) and value < so_far:
            so_far, steps = value, [*steps, step]
    assert found == steps
    assert path.exists() == bool(steps)
    if steps:
        assert bits(fd.Network.load(path)) == kept[steps[-1] // 3]
    assert bits(network) == kept[7]


def test_a_checkpoint_of_the_best_begins_anew_with_each_fit(problem, tmp_path):
    trainer = make()[1]
    best = fd.Checkpoint(tmp_path / "net", best="val_loss")
    trainer.fit(**problem, epochs=20, callbacks=[best])
    first = trainer.fit(**problem, callbacks=[best])
    loaded = fd.Network.load(tmp_path / "net")
    assert loaded.evaluate(*problem["validation"]).loss == first["val_loss"][0]


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
    assert history.n_records == (gaps > 1.0).argmax() + 1 < 30
    assert "apart" in history.stopped


def test_a_log_goes_on_after_a_fit_that_was_stopped_in_its_first_epoch(tmp_path, rng):
    x, y = rng.standard_normal((40, 3)), rng.integers(0, 2, 40)
    trainer = fd.Trainer(fd.Network([3, 2]), fd.SGD(0.1), batch_size=4)

    class Stop(fd.Callback):
        def on_record(self, run):
            run.stop("enough")

    log = fd.CSVLog(tmp_path / "log.csv")
    trainer.fit(x, y, record=2, callbacks=[log, Stop()])
    assert trainer.epoch == 0
    before = (tmp_path / "log.csv").read_text()
    trainer.fit(x, y, callbacks=[fd.CSVLog(tmp_path / "log.csv")])
    after = (tmp_path / "log.csv").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == len(before.splitlines()) + 1
    assert repr(copy.deepcopy(log)) == repr(log)


def test_a_fit_that_is_refused_at_its_first_batch_leaves_the_log_of_another(tmp_path, rng):
    x, y = rng.standard_normal((40, 3)), rng.integers(0, 2, 40)
    log = fd.CSVLog(tmp_path / "log.csv")
    fd.Trainer(fd.Network([3, 2]), fd.SGD(0.1)).fit(x, y, callbacks=[log])
    before = (tmp_path / "log.csv").read_text()
    x[1, 1] = np.nan
    with pytest.raises(ValueError, match="x must be finite"):
        fd.Trainer(fd.Network([3, 2]), fd.SGD(0.1)).fit(x, y, callbacks=[log])
    assert (tmp_path / "log.csv").read_text() == before
