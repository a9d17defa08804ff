"""progress.py: a bar where somebody looks on, nothing elsewhere."""

import contextlib
import os
import struct
import subprocess
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


@pytest.mark.parametrize("progress", [None, True])
def test_no_stderr_at_all(monkeypatch, progress):
    """So it is in a process without a console."""
    monkeypatch.setattr(sys, "stderr", None)
    assert fit(progress).n_records == 4


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


@pytest.mark.parametrize(("more", "text"), [
    ({}, ""), ({"accuracy": 0.5}, ", accuracy 50.00%"), ({"accuracy": np.nan}, ""),
    ({"accuracy": 0.5, "val_accuracy": 0.25, "val_loss": 3.0}, ", val_accuracy 25.00%"),
    ({"accuracy": np.nan, "val_accuracy": np.nan, "val_loss": 3.0}, ", val_loss 3.0000"),
    ({"r2": 0.5, "val_r2": 0.25, "val_loss": 3.0}, ", val_loss 3.0000"), ({"f1": 0.5}, ""),
])  # fmt: skip
def test_whatever_a_record_has(written, more, text):
    history = fd.History()
    history.append({"learning_rate": 0.125, "loss": 2.0, **more})
    bar = Progress(True, 10)
    bar.advance(10, history)
    bar.close()
    assert f"loss 2.0000{text}, rate 0.125]" in written()


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


# --- terminals -------------------------------------------------------------------------------

SCRIPT = """
import numpy as np, fastdl as fd
trainer = fd.Trainer(fd.Network([3, 2]), fd.SGD(0.125), batch_size=10)
trainer.fit(np.ones((60, 3)), np.arange(60) % 2, epochs=4)
"""


def on_a_terminal(rows, columns, **environment):
    """What a fit writes to a terminal that says it has so many rows and columns."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {name: os.environ[name] for name in os.environ if name not in ("COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=theirs, stdout=theirs, stderr=theirs, env=kept | environment,
    )  # fmt: skip
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError), open(ours, "rb", buffering=0) as terminal:
        while part := terminal.read(65536):  # OSError once the child has closed its end
            text += part
    assert child.wait() == 0
    return text.decode()


@pytest.mark.needs("terminals")
@pytest.mark.parametrize(("size", "environment"), [
    ((0, 0), {}), ((0, 0), {"TERM": "dumb"}), ((0, 0), {"COLUMNS": "0", "LINES": "0"}),
    ((0, 0), {"COLUMNS": "wide"}), ((24, 0), {}), ((24, 200), {"COLUMNS": "wide"}),
], ids=str)  # fmt: skip
def test_a_terminal_shows_the_bar_whether_or_not_it_tells_its_size(size, environment):
    text = on_a_terminal(*size, **environment)
    for part in ("100%|█", "24/24", "loss 0.", "accuracy 50.00%", "rate 0.125]"):
        assert part in text


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_rows_of_a_terminal_do_not_matter(rows):
    text = on_a_terminal(rows, 120)
    assert "rate 0.125]" in text
    assert "hidden" not in text


@pytest.mark.needs("terminals")
@pytest.mark.parametrize(("columns", "environment", "width"), [
    (60, {}, 59), (120, {"COLUMNS": "60"}, 119), (0, {"COLUMNS": "60"}, 59), (0, {}, 99),
])  # fmt: skip
def test_the_bar_is_as_wide_as_the_terminal_but_for_a_column(columns, environment, width):
    shown = on_a_terminal(24, columns, **environment).split("\r")
    assert {len(part) for part in shown if part.strip()} == {width}


def test_the_bar_follows_the_width_of_the_terminal(written, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    widths = iter([90])
    monkeypatch.setattr("fastdl.progress._columns", lambda: next(widths, 70))
    bar = Progress(None, 10)
    bar.advance(10, fd.History())
    bar.close()
    assert [len(part.rstrip()) for part in written().split("\r") if part.strip()] == [90, 70]
