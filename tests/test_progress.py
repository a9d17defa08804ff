"""progress.py: a bar where somebody looks on, nothing elsewhere."""

import sys
import types

import numpy as np
import pytest
import tqdm

import fastdl as fd
from fastdl.progress import Progress


@pytest.fixture
def written(capsys):
    """written(): what stderr was told since the last call."""
    return lambda: capsys.readouterr().err


def fit(progress=None, loss="softmax_cross_entropy", epochs=4, n=60, **settings):
    rng = np.random.default_rng(0)
    network = fd.Network([3, 2], loss=loss)
    x = rng.standard_normal((n, 3))
    y = x[:, :2] if loss == "mse" else rng.integers(0, 2, n)
    trainer = fd.Trainer(network, fd.SGD(0.125), batch_size=10)
    return trainer.fit(x, y, epochs=epochs, progress=progress, **settings)


@pytest.mark.parametrize(("terminal", "progress", "shown"), [
    (True, True, True), (False, True, True), (True, None, True),
    (False, None, False), (True, False, False), (False, False, False),
])  # fmt: skip
def test_shown_where_somebody_looks_on_or_as_told(written, monkeypatch, terminal, progress, shown):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    fit(progress)
    assert bool(written()) == shown


def test_shown_in_a_notebook(written, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("tqdm.auto.tqdm", tqdm.tqdm)
    fit()
    assert "24/24" in written()


def test_no_stderr_at_all(monkeypatch):
    """So it is in a process without a console."""
    monkeypatch.setattr(sys, "stderr", None)
    assert len(fit()) == 4


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("epochs", [1, 4])
def test_the_bar_ends_with_the_last_record(written, epochs, validated):
    rng = np.random.default_rng(1)
    held_out = {"validation": (rng.standard_normal((7, 3)), rng.integers(0, 2, 7))}
    last = fit(True, epochs=epochs, **(held_out if validated else {})).last
    text = written().split("\r")[-1]
    accuracy = last["val_accuracy" if validated else "accuracy"]
    assert f"{6 * epochs}/{6 * epochs}" in text
    assert "step/s" in text
    assert f"loss {last['loss']:.4f}" in text
    assert f"accuracy {accuracy:.2%}" in text
    assert "rate 0.125" in text


def test_targets_have_no_accuracy(written):
    fit(True, loss="mse")
    text = written()
    assert "loss" in text
    assert "accuracy" not in text


@pytest.mark.parametrize("record", [None, "epoch", 5])
def test_the_bar_changes_nothing(record):
    shown, hidden = fit(True, record=record), fit(False, record=record)
    assert shown.columns == hidden.columns
    for name in set(shown.columns) - {"seconds"}:
        assert shown[name].tolist() == hidden[name].tolist()


def test_the_bar_is_closed_when_a_fit_ends_early(written):
    stop = fd.Snapshot(2, lambda run: run.stop("enough"))
    assert fit(True, callbacks=[stop]).stopped == "enough"
    text = written()
    assert "12/24" in text
    assert text.endswith("\n")


def test_a_hidden_bar_asks_for_all_steps_at_once():
    hidden = Progress(False, 1000)
    assert hidden.span == 1000
    hidden.advance(10, fd.History())
    hidden.close()


def test_a_shown_bar_asks_for_the_steps_of_a_fraction_of_a_second(monkeypatch):
    now = iter([10.0, 10.5])
    monkeypatch.setattr("fastdl.progress.time.perf_counter", lambda: next(now, 12.0))
    bar = Progress(True, 10_000)
    assert bar.span == 1
    bar.advance(500, fd.History())
    assert bar.span == 200
    bar.close()
