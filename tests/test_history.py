"""history.py: columns, CSV, figures."""

import csv

import numpy as np
import pytest

import fastdl as fd

RECORDS = [
    {"epoch": 1, "step": 3, "loss": 0.1 + 0.2, "accuracy": float("nan")},
    {"epoch": 1.5, "step": 4, "loss": 1e-300, "accuracy": float("nan")},
]


@pytest.fixture
def history():
    result = fd.History()
    for record in RECORDS:
        result.append(record)
    return result


@pytest.fixture
def fitted(rng):
    x, y = rng.standard_normal((20, 3)), rng.integers(0, 2, 20)
    trainer = fd.Trainer(fd.Network([3, 2]), fd.SGD(0.1))
    return trainer.fit(x, y, epochs=4, validation=(x, y))


def test_columns_are_arrays_of_the_records(history):
    assert len(history) == 2
    assert history.columns == ["epoch", "step", "loss", "accuracy"]
    assert history["epoch"].tolist() == [1, 1.5]
    assert history["step"].dtype.kind == "i"
    assert history["loss"].tolist() == [0.1 + 0.2, 1e-300]
    assert "loss" in history
    assert "val_loss" not in history
    assert history.stopped is None


def test_the_last_record_is_a_copy(history):
    history.last["step"] = 99
    assert history.last["step"] == history["step"][-1] == 4


def test_a_column_that_is_not_there_is_named_with_those_that_are(history):
    with pytest.raises(KeyError, match=r"val_loss.*epoch, step, loss, accuracy"):
        history["val_loss"]


def test_records_of_other_columns_are_refused(history):
    with pytest.raises(ValueError, match="columns"):
        history.append({"epoch": 1})
    assert len(history) == 2


def test_no_records_are_a_history_too(tmp_path):
    empty = fd.History()
    assert (len(empty), empty.columns, "loss" in empty) == (0, [], False)
    assert repr(empty) == "<History: 0 records>"
    empty.to_csv(tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_text().strip() == ""


def test_what_is_printed_tells_columns_and_the_end(history):
    history.stopped = "enough"
    assert repr(history) == ("<History: 2 records of epoch, step, loss, accuracy; stopped: enough>")


def test_csv_holds_every_digit(history, tmp_path):
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == history.columns
    for row, record in zip(rows, RECORDS, strict=True):
        np.testing.assert_array_equal([float(value) for value in row.values()],
                                      list(record.values()))  # fmt: skip


@pytest.mark.parametrize("x", ["step", "epoch", "seconds"])
def test_figures_show_training_and_validation(fitted, x):
    pytest.importorskip("matplotlib")
    figure = fitted.plot(x)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "cost", "accuracy"]
    for axes in figure.axes:
        training, validation = axes.lines
        name = axes.get_ylabel()
        np.testing.assert_array_equal(training.get_xdata(), fitted[x])
        np.testing.assert_array_equal(training.get_ydata(), fitted[name])
        np.testing.assert_array_equal(validation.get_ydata(), fitted[f"val_{name}"])


def test_figures_leave_out_what_there_is_not(history, tmp_path):
    pytest.importorskip("matplotlib")
    figure = history.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss"]
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="record"):
        fd.History().plot()
