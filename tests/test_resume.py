"""resume.py, run.py: a fit that was stopped anywhere and resumed ends with the bits of one that
never was. What damaged files do is in tests/fuzz, how they are written in test_files.py."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load

import fastdl as fd
from fastdl import _check, files
from fastdl.arrays import ArrayFit
from tests import nightly

pytestmark = pytest.mark.filterwarnings("ignore:nothing of the resumed fit is left")
N, SIZE, EPOCHS = 10, 4, 3  # three batches an epoch
STEPS = 3 * EPOCHS
TRIANGULAR = fd.schedules.Triangular(0.01, 0.2, 4)
MOMENTUM = fd.SGD(TRIANGULAR, momentum=0.9)
MASKED = (fd.Dropout(0.2), fd.Dense(3, 6, "relu"), fd.Dropout(0.5), fd.Dense(2))
TRAINERS = {
    "sgd, in order": {"optimiser": fd.SGD(0.1), "shuffle": None},
    "momentum, by rows": {"optimiser": MOMENTUM, "shuffle": "rows"},
    "adam, by batches": {
        "optimiser": fd.Adam(fd.schedules.ExponentialDecay(0.1, 0.7)), "shuffle": "batches",
    },
    "dropout": {"layers": MASKED, "seed": 7},
    "batch norm": {
        "layers": (fd.Dense(3, 6), fd.BatchNorm(activation="tanh"), fd.Dense(2)),
        "optimiser": fd.Adam(0.01), "clip_norm": 0.5,
    },
}  # fmt: skip


@pytest.fixture
def problem(rng):
    x, y = rng.standard_normal((N, 3)), rng.integers(0, 2, N)
    return {"x": x, "y": y, "validation": (rng.standard_normal((7, 3)), rng.integers(0, 2, 7))}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def make(optimiser=MOMENTUM, init=4, layers=(3, 6, 2), **settings):
    network = fd.Network(layers, dtype="float64", seed=init)
    return fd.Trainer(network, optimiser, **{"batch_size": SIZE, "l2": 0.01} | settings)


def resumed(path, **settings):
    """A trainer of another network's numbers, until it has those of the file."""
    trainer = make(init=5, **settings)
    trainer.resume(path)
    return trainer


def result(trainer, history):
    """All that a fit leaves behind, but the seconds."""
    columns = {name: history[name].tolist() for name in history.columns if name != "seconds"}
    parameters = [p.tobytes() for p in trainer.network.parameters.values()]
    return parameters, repr(columns), history.stopped, trainer.epoch, trainer.n_steps


class Copies(fd.Callback):
    """Keeps the bytes of every checkpoint; stands after it."""

    def __init__(self, saving):
        self.path, self.steps, self.contents = saving.path, saving.steps, []

    def on_step(self, run):
        with open(self.path, "rb") as file:
            self.contents.append(file.read())

    def on_epoch(self, run):
        if self.steps is None:
            self.on_step(run)

    on_end = on_step


class At(fd.Callback):
    """Raises or stops after a step."""

    steps = 1

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step(self, run):
        if run.step == self.step:
            self.action(run)


def interrupt(run):
    raise KeyboardInterrupt


# --- the same bits ---------------------------------------------------------------------------


@pytest.mark.parametrize("settings", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize(
    ("unit", "fit"),
    [
        ("step", {"record": 2, "train_metrics": "batches"}),
        ("step", {}),
        ("epoch", {"record": None}),
    ],
)
def test_a_resumed_fit_ends_with_the_same_bits(path, problem, settings, unit, fit):
    saving = fd.Checkpoint(path, unit=unit)
    copies = Copies(saving)
    trainer = make(**settings)
    history = trainer.fit(**problem, **fit, epochs=EPOCHS, callbacks=[saving, copies])
    expected = result(trainer, history)
    after = result(trainer, trainer.fit(**problem, **fit, epochs=2))
    assert len(copies.contents) == (STEPS if unit == "step" else EPOCHS) + 1
    plain = make(**settings)
    assert result(plain, plain.fit(**problem, **fit, epochs=EPOCHS)) == expected
    for content in copies.contents:
        path.write_bytes(content)
        again = resumed(path, **settings)
        assert result(again, again.fit(**problem, **fit, epochs=EPOCHS)) == expected
        assert result(again, again.fit(**problem, **fit, epochs=2)) == after


def test_dropout_of_no_seed_goes_on_with_the_masks_of_the_fit_that_was_stopped(path, problem):
    saving = fd.Checkpoint(path, unit="step")
    copies, trainer = Copies(saving), make(layers=MASKED, seed=None)
    expected = result(trainer, trainer.fit(**problem, epochs=EPOCHS, callbacks=[saving, copies]))
    other = make(layers=MASKED, seed=None)
    assert result(other, other.fit(**problem, epochs=EPOCHS)) != expected
    for content in copies.contents:
        path.write_bytes(content)
        again = resumed(path, layers=MASKED, seed=None)
        assert result(again, again.fit(**problem, epochs=EPOCHS)) == expected


TOGETHER = {  # settings of the trainer, arguments of the fit
    "the last batch dropped": ({"drop_last": True}, {}),
    "batches, the last one dropped": ({"drop_last": True, "shuffle": "batches"}, {}),
    "weights": ({}, {"sample_weight": np.arange(1.0, N + 1)}),
    "weights, and means over batches": (
        {"shuffle": "batches"},
        {"sample_weight": np.arange(1.0, N + 1), "train_metrics": "batches", "record": 4},
    ),
    "weights of classes": ({"optimiser": fd.Adam(0.1)}, {"class_weight": "balanced"}),
    "an l1": ({"l1": 0.01, "optimiser": fd.Adam(0.1)}, {"record": 2}),
    "a bound of the gradient": ({"clip_norm": 0.1, "optimiser": fd.AdamW(0.1)}, {"record": 2}),
}


@pytest.mark.parametrize(("settings", "fit"), TOGETHER.values(), ids=TOGETHER)
def test_what_goes_together_with_resuming(path, problem, settings, fit):
    saving = fd.Checkpoint(path, unit="step")
    copies, whole, arguments = Copies(saving), make(**settings), problem | fit
    history = whole.fit(**arguments, epochs=EPOCHS, callbacks=[saving, copies])
    expected = result(whole, history)
    assert len(copies.contents) > 2 * EPOCHS
    for content in copies.contents:
        path.write_bytes(content)
        again = resumed(path, **settings)
        assert result(again, again.fit(**arguments, epochs=EPOCHS)) == expected


@pytest.mark.parametrize("step", [2, 3, 4])
def test_a_refused_row_leaves_a_resumed_fit_where_it_was(path, problem, step):
    saving = fd.Checkpoint(path, unit="step")
    copies, whole = Copies(saving), make()
    history = whole.fit(**problem, epochs=EPOCHS, callbacks=[saving, copies])
    expected = result(whole, history)
    path.write_bytes(copies.contents[step - 1])
    again, right = resumed(path), problem["x"][5, 1]
    problem["x"][5, 1] = np.nan
    with pytest.raises(ValueError, match="x must be finite; got nan at row 5, column 1"):
        again.fit(**problem, epochs=EPOCHS)
    problem["x"][5, 1] = right
    assert result(again, again.fit(**problem, epochs=EPOCHS)) == expected


def test_an_interrupt_while_a_divergence_is_looked_into_saves_nothing(path, problem, monkeypatch):
    before = []

    def spoil(run):
        before.append(path.read_bytes())
        problem["x"][:] = np.nan
        monkeypatch.setattr(_check, "finite", lambda *_: interrupt(None))

    trainer = make(optimiser=fd.SGD(0.1))
    callbacks = [fd.Checkpoint(path, unit="step"), At(5, spoil)]
    assert trainer.fit(**problem, epochs=EPOCHS, callbacks=callbacks).stopped.startswith("interr")
    assert path.read_bytes() == before[0]


@pytest.mark.parametrize("order", [1, -1], ids=["before the checkpoint", "after it"])
def test_callbacks_end_as_if_the_fit_had_never_stopped(path, problem, tmp_path, order):
    def callbacks():
        stopping = fd.EarlyStopping("val_loss", patience=4, min_delta=1e-3)
        watch, log = fd.OverfitWatch(0.01), fd.CSVLog(tmp_path / "log.csv")
        return stopping, watch, log

    def heard(callbacks):
        stopping, watch, log = callbacks
        with open(log.path) as file:
            lines = [line.rpartition(",")[0] for line in file]
        return stopping.best, stopping.best_epoch, watch.largest_gap, watch.epoch, lines

    saving = fd.Checkpoint(path, every=2, unit="step")
    copies, first = Copies(saving), callbacks()
    trainer, fit = make(), {**problem, "record": 2, "epochs": 40}
    history = trainer.fit(**fit, callbacks=[*[*first, saving][::order], copies])
    expected = result(trainer, history), heard(first)
    assert history.stopped == "no better val_loss in 4 records"
    for content in copies.contents:
        path.write_bytes(content)
        again, second = resumed(path), callbacks()
        history = again.fit(**fit, callbacks=[*second, fd.Checkpoint(path)][::order])
        assert (result(again, history), heard(second)) == expected


def test_more_epochs_go_on_and_fewer_are_refused(path, problem):
    make().fit(**problem, epochs=2, callbacks=[fd.Checkpoint(path)])
    whole, longer = make(), resumed(path)
    expected = result(whole, whole.fit(**problem, epochs=5))
    assert result(longer, longer.fit(**problem, epochs=5)) == expected
    fewer = resumed(path)
    with pytest.raises(fd.CheckpointError, match=r"epochs must be at least 2, .* got 1"):
        fewer.fit(**problem, epochs=1)
    assert result(fewer, fewer.fit(**problem, epochs=5)) == expected
    make().fit(**problem, epochs=3, callbacks=[At(7, interrupt), fd.Checkpoint(path)])
    with pytest.raises(fd.CheckpointError, match=r"epochs must be at least 3, .* got 2"):
        resumed(path).fit(**problem, epochs=2)


def test_a_fit_that_is_done_says_so_and_the_next_one_trains(path, problem):
    make().fit(**problem, epochs=2, callbacks=[fd.Checkpoint(path)])
    done = resumed(path)
    with pytest.warns(UserWarning, match=r"is left to train: its epochs are done, ask"):
        assert done.fit(**problem, epochs=2)["epoch"].tolist() == [1, 2]
    assert done.fit(**problem, epochs=1)["epoch"].tolist() == [3]


def test_a_fit_that_was_stopped_says_so_and_refuses_more_epochs(path, problem):
    callbacks = [At(4, lambda run: run.stop("enough")), fd.Checkpoint(path)]
    trainer = make()
    expected = result(trainer, trainer.fit(**problem, epochs=5, callbacks=callbacks))
    again = resumed(path)
    with pytest.raises(fd.CheckpointError, match=r"epochs must be 5, as before: .*'enough'; got 6"):
        again.fit(**problem, epochs=6)
    with pytest.warns(UserWarning, match=r"left to train: it was stopped, with 'enough'"):
        assert result(again, again.fit(**problem, epochs=5)) == expected
    remedy = fd.Trainer(fd.Network.load(path), MOMENTUM)
    assert len(remedy.fit(**problem, epochs=1).records) == 1


def test_a_second_fit_is_resumed_with_its_own_epochs_and_history(path, problem):
    trainer, saved = make(), []
    trainer.fit(**problem, epochs=2)
    keep = At(10, lambda run: saved.append(path.read_bytes()))
    saving = fd.Checkpoint(path, unit="step")
    history = trainer.fit(**problem, epochs=3, callbacks=[saving, keep])
    path.write_bytes(saved[0])
    again = resumed(path)
    assert result(again, again.fit(**problem, epochs=3)) == result(trainer, history)
    assert history["epoch"].tolist() == [3, 4, 5]


def test_seconds_are_those_of_all_parts(path, problem):
    def earlier(run):
        run._fit.records.began -= 1000

    keep = At(3, earlier)
    make().fit(**problem, epochs=2, callbacks=[keep, fd.Checkpoint(path)])
    history = resumed(path).fit(**problem, epochs=3)
    assert (np.diff(history["seconds"]) > 0).all()
    assert history["seconds"][-1] > 1000


def test_divergence_after_a_resume_goes_back_to_the_last_good_epoch(path, problem):
    class Rates:
        def rates(self, steps, epoch):
            return np.where(steps == 8, 1e300, 0.01)

    def diverge(trainer, *callbacks):
        with pytest.raises(fd.DivergenceError) as caught:
            trainer.fit(**problem, record=2, epochs=5, callbacks=callbacks)
        return str(caught.value), result(trainer, caught.value.history)

    optimiser = fd.SGD(Rates(), momentum=0.9)
    saving = fd.Checkpoint(path, every=8, unit="step")
    expected = diverge(make(optimiser), saving)
    assert diverge(resumed(path, optimiser=optimiser)) == expected
    assert "the end of epoch 3" in expected[0]


def test_divergence_in_the_middle_of_a_resumed_epoch_goes_back_and_is_saved_so(path, problem):
    """The checkpoint lies between the end of an epoch and the step that is far too large."""

    class Rates:
        def __init__(self, huge):
            self.huge = huge

        def rates(self, steps, epoch):
            return np.where(steps == self.huge, 1e300, 0.01)

    def diverge(trainer, *callbacks):
        with pytest.raises(fd.DivergenceError) as caught:
            trainer.fit(**problem, record=2, epochs=5, callbacks=callbacks)
        return str(caught.value), result(trainer, caught.value.history)

    def at(huge):
        return {"optimiser": fd.SGD(Rates(huge), momentum=0.9), "shuffle": None}

    expected = diverge(make(**at(7)), fd.Checkpoint(path, every=7, unit="step"))
    assert "the end of epoch 2" in expected[0]
    again = resumed(path, **at(7))
    assert diverge(again) == expected
    assert again.n_steps == 6
    again.optimiser.learning_rate.huge = None
    whole = make(**at(None))
    whole.fit(**problem, epochs=2)
    assert result(again, again.fit(**problem)) == result(whole, whole.fit(**problem))


def test_a_checkpoint_of_a_resumed_epoch_has_the_good_parameters_of_before(path, problem):
    """Saved, resumed and saved again within one epoch."""
    callbacks = [At(7, interrupt), fd.Checkpoint(path)]
    make().fit(**problem, epochs=3, callbacks=callbacks)
    first = load(path.read_bytes())
    resumed(path).fit(**problem, epochs=3, callbacks=[At(8, interrupt), fd.Checkpoint(path)])
    second = load(path.read_bytes())
    good = [name for name in first if name.startswith("training.good.")]
    assert len(good) == 8  # a weight and a bias of two layers, and their velocities
    for name in good:
        np.testing.assert_array_equal(first[name], second[name])


# --- callbacks that come to the same again ---------------------------------------------------

KINDS = {
    "stops": lambda folder: [fd.EarlyStopping(patience=2, min_delta=0.01)],
    "lowers": lambda folder: [
        fd.ReduceOnPlateau(patience=2, factor=0.3, min_delta=0.02),
        fd.ReduceOnPlateau("loss", patience=1, factor=0.7, min_delta=0.05, least=1e-3),
    ],
    "all": lambda folder: [
        fd.ReduceOnPlateau("own", mode="max", patience=1, factor=0.5),
        fd.EarlyStopping("val_own", mode="min", patience=6),
        fd.EarlyStopping(patience=5),
    ],
    "never a number": lambda folder: [fd.EarlyStopping("nan", mode="min", patience=7)],
}
OWN = {"own": lambda y, predicted: float((y == predicted).mean()), "nan": lambda *_: np.nan}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("saving", [{"unit": "step"}, {"best": "val_loss"}, {}], ids=str)
def test_callbacks_come_to_the_same_wherever_a_fit_is_resumed(
    path, problem, tmp_path, kind, order, saving
):
    """Rates, stops, best parameters, and the file of the best; one record in two steps."""
    best = tmp_path / "best"

    def callbacks(path):
        return [*kind(tmp_path), fd.Checkpoint(best, best="loss"), fd.Checkpoint(path, **saving)]

    contents, save = [], fd.Run.save

    def copying(run, where):
        save(run, where)
        if where == str(path):
            contents.append((path.read_bytes(), best.read_bytes() if best.exists() else None))

    fit = problem | {"record": 2, "epochs": 6, "metrics": OWN}
    trainer = make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fd.Run, "save", copying)
        history = trainer.fit(**fit, callbacks=callbacks(path)[::order])
    expected, expected_best = result(trainer, history), load(best.read_bytes())
    assert contents
    for content, best_of_then in contents:
        path.write_bytes(content)
        best.unlink()
        if best_of_then is not None:
            best.write_bytes(best_of_then)
        again = resumed(path)
        found = again.fit(**fit, callbacks=callbacks(tmp_path / "other")[::order])
        assert result(again, found) == expected
        found_best = load(best.read_bytes())
        for name in again.network.parameters:
            np.testing.assert_array_equal(found_best[name], expected_best[name])


def test_the_log_of_a_resumed_later_fit_has_each_record_once(path, problem, tmp_path):
    log, trainer = tmp_path / "log.csv", make()
    steps = trainer.fit(**problem, epochs=2, callbacks=[fd.CSVLog(log)])["step"].tolist()
    saving = fd.Checkpoint(path, every=100)
    callbacks = [fd.CSVLog(log), At(10, interrupt), saving]
    trainer.fit(**problem, epochs=3, callbacks=callbacks)
    with open(log, "a") as file:
        file.write("9.0,99,a line of what came after the checkpoint\n,half a li")
    steps += resumed(path).fit(**problem, epochs=3, callbacks=[fd.CSVLog(log)])["step"].tolist()
    lines = log.read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["step", *map(str, steps)]


def test_a_split_is_drawn_again_when_a_fit_is_resumed(path, problem):
    def fit(trainer, *callbacks):
        split = problem | {"validation": None, "validation_split": 0.3}
        return trainer.fit(**split, epochs=4, callbacks=callbacks)

    whole = make()
    expected = result(whole, fit(whole))
    fit(make(), At(3, interrupt), fd.Checkpoint(path))
    again = resumed(path)
    assert result(again, fit(again)) == expected


# --- Ctrl-C ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_an_interrupted_fit_is_resumed_where_it_was(path, problem, step, order):
    def fit(trainer, *more):
        callbacks = [fd.EarlyStopping("val_loss"), fd.Checkpoint(path, every=100), *more]
        return trainer.fit(**problem, epochs=EPOCHS, record=2, callbacks=callbacks[::order])

    whole, trainer = make(), make()
    expected = result(whole, fit(whole))
    assert "interrupted" in fit(trainer, At(step, interrupt)).stopped
    again = resumed(path)
    assert again.n_steps == step
    assert result(again, fit(again)) == expected


def test_a_fit_that_is_interrupted_before_its_first_batch_leaves_the_file(
    path, problem, monkeypatch
):
    """An EarlyStopping goes back to the best parameters: they are not those of the place."""

    def fit(trainer, *more):
        callbacks = [fd.EarlyStopping("val_loss"), fd.Checkpoint(path, every=100), *more]
        return trainer.fit(**problem, epochs=EPOCHS, record=2, callbacks=callbacks)

    def interrupted(*_):
        raise KeyboardInterrupt

    fit(make(), At(STEPS - 1, interrupt))
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("fastdl.loop.Progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(resumed(path))
    assert path.read_bytes() == before


@pytest.mark.needs("signals")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(nightly.count(300, 3600))
def test_a_fit_that_is_interrupted_anywhere_ends_with_the_same_bits(path, problem, rng):
    """A signal comes after some time, wherever the fit then is, or a callback of the interpreter,
    where Python drops it with a warning."""

    def fit(trainer):
        callbacks = [fd.EarlyStopping("val_loss", patience=100)]
        callbacks.append(fd.Checkpoint(path, every=7, unit="step"))
        return trainer.fit(**problem, epochs=EPOCHS, record=2, callbacks=callbacks)

    def interrupted_fit():
        """Whether it has come to its end."""
        trainer = make()
        timer = threading.Timer(rng.uniform(0, took), os.kill, (os.getpid(), signal.SIGUSR1))
        try:
            timer.start()
            if path.exists():
                trainer.resume(path)
            history = fit(trainer)
            timer.cancel()
            timer.join()
        except KeyboardInterrupt:
            return False
        finally:
            timer.join()
        if history.stopped is None:
            assert result(trainer, history) == expected
        return history.stopped is None

    whole, began = make(), time.perf_counter()
    expected, took = result(whole, fit(whole)), time.perf_counter() - began
    path.unlink()
    tries, finished = nightly.count(100, 5_000), 0
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        for _ in range(tries):
            if interrupted_fit():
                finished += 1
                path.unlink()
    finally:
        signal.signal(signal.SIGUSR1, before)
        gc.collect()  # of files that a signal left open Python warns here, not in a later test
    nightly.report("interrupted fits", interruptions=tries - finished, finished=finished)
    assert 0 < finished < tries


# --- what is refused -------------------------------------------------------------------------

OTHERS = {  # what is wrong, the name that the message begins with
    "batch_size": ({"batch_size": 3}, "batch_size must be 4"),
    "shuffle": ({"shuffle": None}, "shuffle must be 'rows'"),
    "drop_last": ({"drop_last": True}, "drop_last"),
    "seed": ({"seed": 1}, "seed must be 0"),
    "l2": ({"l2": 0.5}, "l2 must be 0.01"),
    "l1": ({"l1": 0.5}, "l1 must be None"),
    "clip_norm": ({"clip_norm": 0.5}, "clip_norm must be None"),
    "optimiser": ({"optimiser": fd.Adam(0.1)}, "optimiser"),
    "momentum": ({"optimiser": fd.SGD(TRIANGULAR, momentum=0.8)},
                 "optimiser"),
    "schedule": ({"optimiser": fd.SGD(fd.schedules.Triangular(0.01, 0.2, 5), momentum=0.9)},
                 "optimiser"),
}  # fmt: skip
NETWORKS = {
    "widths": ({"layers": [3, 7, 2]}, "layers"),
    "activation": ({"activation": "tanh"}, "layers"),
    "loss": ({"loss": "hinge"}, "loss must be 'softmax_cross_entropy'"),
    "dtype": ({"dtype": "float64"}, "dtype must be 'float32'"),
    "settings": ({"loss": fd.losses.SoftmaxCrossEntropy(0.1)}, "settings"),
    "scaled": ({"scaling": None}, "scaled must be True"),
    "scaling": ({"scaling": fd.Scaling.divided(3, 2.0)}, "scaling.scale"),
    "shift": ({"scaling": fd.Scaling(np.ones(3), fd.Scaling.divided(3).scale)}, "scaling.shift"),
    "penalty": ({"layers": [fd.Dense(3, 6, "relu", l2=0.1), fd.Dense(6, 2)]}, "layers"),
    "dropout": ({"layers": [fd.Dropout(0.1), fd.Dense(3, 6, "relu"), fd.Dense(2)]}, "layers"),
}
DATA = {
    "rows": (lambda p: {"x": p["x"][1:], "y": p["y"][1:]}, "the rows of x must be 10"),
    "inputs": (lambda p: {"x": p["x"] + np.uint8(1)}, "x must be what the fit was given"),
    "labels": (lambda p: {"y": 1 - p["y"]}, "y must be what the fit was given"),
    "weights": (
        lambda p: {"sample_weight": np.arange(1.0, 11)},
        "sample_weight and class_weight must be what",
    ),
    "class weights": (
        lambda p: {"class_weight": {0: 3}},
        "sample_weight and class_weight must be what",
    ),
    "validation": (lambda p: {"validation": None}, "the rows of validation must be 7"),
    "record": (lambda p: {"record": 2}, "record must be 'epoch'"),
    "train_metrics": (lambda p: {"train_metrics": "batches"}, "train_metrics must be 'full'"),
    "metrics": (lambda p: {"metrics": {"own": max}}, "the columns of records must be"),
}


def refused(trainer, path, message):
    before = [p.copy() for p in trainer.network.parameters.values()]
    with pytest.raises(fd.CheckpointError, match=f"^{message}") as caught:
        trainer.resume(path)
    assert str(path) in str(caught.value)
    np.testing.assert_equal(list(trainer.network.parameters.values()), before)
    assert (trainer.epoch, trainer.n_steps) == (0, 0)


@pytest.mark.parametrize(("settings", "message"), OTHERS.values(), ids=OTHERS)
def test_the_checkpoint_of_another_trainer_is_refused(path, problem, settings, message):
    make().fit(**problem, callbacks=[fd.Checkpoint(path)])
    refused(make(init=5, **settings), path, message)


@pytest.mark.parametrize(("settings", "message"), NETWORKS.values(), ids=NETWORKS)
def test_the_checkpoint_of_another_network_is_refused(path, problem, settings, message):
    def trainer(**others):
        settings = {"layers": [3, 6, 2], "scaling": fd.Scaling.divided(3)} | others
        return fd.Trainer(fd.Network(**settings), fd.SGD(0.1), batch_size=SIZE)

    trainer().fit(**problem, callbacks=[fd.Checkpoint(path)])
    refused(trainer(**settings), path, message)


@pytest.mark.parametrize(("change", "message"), DATA.values(), ids=DATA)
@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_other_data_are_refused_and_the_right_ones_then_taken(path, problem, change, message, unit):
    whole = make()
    expected = result(whole, whole.fit(**problem, epochs=2))
    interrupted = [fd.Checkpoint(path), At(4, interrupt)]
    make().fit(**problem, epochs=2, callbacks=interrupted if unit == "step" else interrupted[:1])
    trainer = resumed(path)
    with pytest.raises(fd.CheckpointError, match=f"^{message}.* as in .*{path.name}"):
        trainer.fit(**problem | change(problem), epochs=2)
    assert result(trainer, trainer.fit(**problem, epochs=2)) == expected


def test_a_saved_network_is_no_checkpoint_and_a_fitted_one_is_busy(path, problem):
    trainer = make()
    trainer.network.save(path)
    refused(trainer, path, f"{path} must be a checkpoint of a fit")
    with pytest.raises(RuntimeError, match="must be free"):
        trainer.fit(**problem, callbacks=[At(1, lambda run: trainer.resume(path))])
    with pytest.raises(FileNotFoundError):
        trainer.resume(path.with_name("nothing"))


def test_an_epoch_that_numpy_shuffles_otherwise_is_refused(path, problem, monkeypatch):
    make().fit(**problem, callbacks=[At(2, interrupt), fd.Checkpoint(path)])
    trainer = resumed(path)
    shuffled = ArrayFit._shuffled
    monkeypatch.setattr(ArrayFit, "_shuffled", lambda fit: (*shuffled(fit)[:2], np.arange(N)))
    with pytest.raises(fd.CheckpointError, match=r"where NumPy shuffles as .*\d does"):
        trainer.fit(**problem)


def test_schedules_of_ones_own_are_known_by_their_type(path, problem):
    class Own:
        def rates(self, steps, epoch):
            return np.full(len(steps), 0.1)

    class Other(Own):
        pass

    make(fd.SGD(Own())).fit(**problem, callbacks=[fd.Checkpoint(path)])
    resumed(path, optimiser=fd.SGD(Own()))
    refused(make(fd.SGD(Other())), path, "optimiser")


FORGED = {  # what a checkpoint after step 4 of three batches an epoch is made to say
    "columns": {"columns": list("abcdefghij")},
    "no columns": {"columns": []},
    "no batches since the last record": {"sums": [0.0, 0.0, 0.0]},
    "fewer than none": {"sums": [1.0, 1.0, -4.0]},
    "batches beyond the epoch": {"batches": 4},
    "batches beyond the steps": {"batches": 5},
    "generator": {"generator": {"bit_generator": "PCG64"}},
    "names that fill the memory": {"kept": [str(i) for i in range(65)]},
    "names twice": {"kept": ["best", "best"]},
    "neither there nor back": {"gone_back": 2},
    "records": {"n_records": -1},
    "more": {"more": 1},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_forged_place_is_refused(path, problem, change):
    make().fit(**problem, epochs=2, callbacks=[At(4, interrupt), fd.Checkpoint(path)])
    with safe_open(path, framework="numpy") as file:
        config = json.loads(file.metadata()["config"])
    config["training"] |= change
    files.write(path, load(path.read_bytes()), config)
    trainer = make()
    with pytest.raises(fd.CheckpointError, match=f"^{path} must tell "):
        trainer.resume(path) or trainer.fit(**problem, epochs=2)


# --- SIGKILL ---------------------------------------------------------------------------------

KILLED = """
import hashlib, json, os, pathlib, random, signal, sys, time
import numpy as np
import fastdl as fd
from fastdl import files

path, number = pathlib.Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
x, y = rng.standard_normal((1000, 20)), rng.integers(0, 3, 1000)
validation = x[:100] + 0.1, y[:100]

def resumed(path):
    network = fd.Network([20, 100, 3], seed=1)
    trainer = fd.Trainer(network, fd.Adam(0.01), batch_size=10, n_threads=1)
    if path.exists():
        trainer.resume(path)
    return trainer

def train(path):
    trainer = resumed(path)
    callbacks = [fd.Checkpoint(path, every=34, unit="step"), fd.EarlyStopping(patience=1000)]
    history = trainer.fit(x, y, epochs=EPOCHS, validation=validation, record=30,
                          train_metrics="batches", callbacks=callbacks)
    columns = [history[name].tobytes() for name in history.columns if name != "seconds"]
    parameters = [p.tobytes() for p in trainer.network.parameters.values()]
    return hashlib.sha256(b"".join(parameters + columns)).hexdigest()

def child(work):
    process = os.fork()
    if process == 0:
        work()
        os._exit(0)
    return process

def end():
    if train(path) != expected:
        os._exit(1)

def dead(process):
    status = os.waitpid(process, 0)[1]
    assert os.WIFSIGNALED(status) or status == 0, status
    return os.WIFSIGNALED(status)
"""
ANY_MOMENT = """
kills = number
began = time.perf_counter()
expected = train(path.with_name("whole"))
took, moments = time.perf_counter() - began, random.Random(kills)
found = {"kills": 0, "in a write": 0, "before the first": 0, "finished": 0}
while found["kills"] < kills:
    process = child(end)
    time.sleep(moments.uniform(0, took / 2))
    os.kill(process, signal.SIGKILL)
    if not dead(process):
        found["finished"] += 1
        path.unlink()
        continue
    found["kills"] += 1
    parts = list(path.parent.glob(".*.part"))
    found["in a write"] += len(parts)
    for part in parts:
        part.unlink()
    if path.exists():
        fd.Network.load(path)
    else:
        found["before the first"] += 1
assert not dead(child(end))
print(json.dumps(found))
"""
EVERY_LINE = """
stride = number  # how many lines for each fit that is resumed to its end
expected = train(path.with_name("whole"))
written = files.write

def killed_at(line):
    calls, seen = [0], set()

    def trace(frame, event, argument):
        seen.add((frame.f_code, frame.f_lineno))
        if len(seen) == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def enter(frame, event, argument):
        ours = frame.f_code.co_filename == files.__file__
        return trace(frame, "call", None) if ours else None

    def write(*arguments):
        calls[0] += 1
        sys.settrace(enter if calls[0] == 2 else None)
        written(*arguments)
        sys.settrace(None)

    files.write = write
    train(path)
    os._exit(0)

line, steps = 0, []
while True:
    line += 1
    path.unlink(missing_ok=True)
    if not dead(child(lambda: killed_at(line))):
        break
    steps.append(resumed(path).n_steps)
    if line % stride == 0:
        assert not dead(child(end))
print(json.dumps({"lines": len(steps), "old": steps.count(34), "new": steps.count(68)}))
"""


def run(program, path, epochs, number):
    text = (KILLED + program).replace("EPOCHS", str(epochs))
    done = subprocess.run(
        [sys.executable, "-c", text, path, str(number)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.needs("fork", "signals")
@pytest.mark.timeout(nightly.count(300, 3600))
def test_a_fit_that_is_killed_at_any_moment_ends_with_the_same_bits(path):
    found = run(ANY_MOMENT, path, 5, nightly.count(12, 400))
    nightly.report("fits killed at any moment", **found)
    assert found["in a write"] < found["kills"]


@pytest.mark.needs("fork", "signals")
def test_a_fit_that_is_killed_at_any_line_of_a_write_ends_with_the_same_bits(path):
    found = run(EVERY_LINE, path, 1, nightly.count(12, 1))
    nightly.report("fits killed at a line of a write", **found)
    assert found["old"] + found["new"] == found["lines"] > 40
    assert 0 < found["new"] < found["old"]


class Full(fd.Callback):
    def on_begin(self, run):
        raise OSError("disk full")


@pytest.mark.parametrize("stopper", [Full, None])
def test_a_resumed_fit_that_fails_before_its_first_step_can_be_gone_on_with(stopper, problem, path):
    make().fit(**problem, epochs=2, callbacks=[fd.Checkpoint(path)])
    trainer = resumed(path)
    if stopper is None:
        with pytest.raises(ValueError, match="must be finite"):
            trainer.fit(np.full((N, 3), np.nan), problem["y"], epochs=4)
    else:
        with pytest.raises(OSError, match="disk full"):
            trainer.fit(**problem, epochs=4, callbacks=[stopper()])
    assert trainer.fit(**problem, epochs=4)["epoch"].tolist() == [1, 2, 3, 4]


def test_settings_that_are_changed_after_resuming_are_refused(problem, path):
    make().fit(**problem, epochs=2, callbacks=[fd.Checkpoint(path)])
    for name, value in (("batch_size", SIZE + 1), ("l2", 5.0), ("shuffle", None)):
        trainer = resumed(path)
        setattr(trainer, name, value)
        with pytest.raises(files.CheckpointError, match=name):
            trainer.fit(**problem, epochs=4)
