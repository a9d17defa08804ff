"""history.py: a mapping of columns, joined histories, CSV, frames, figures."""

import copy
import csv
import pickle
import re
import sys
import types
from collections.abc import Mapping

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


@pytest.fixture
def plt():
    """pyplot without a window, and without figures before and after."""
    pytest.importorskip("matplotlib").use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


def recorded(*records, stopped=None):
    result = fd.History()
    for record in records:
        result.append(record)
    result.stopped = stopped
    return result


def table(history):
    return {name: column.tolist() for name, column in history.items()}


def test_columns_are_arrays_of_the_records(history):
    assert history.n_records == 2
    assert history.columns == ["epoch", "step", "loss", "accuracy"]
    assert history["epoch"].tolist() == [1, 1.5]
    assert history["step"].dtype.kind == "i"
    assert history["loss"].tolist() == [0.1 + 0.2, 1e-300]
    assert history.stopped is None


def test_it_is_a_mapping_of_columns(history):
    names = ["epoch", "step", "loss", "accuracy"]
    assert isinstance(history, Mapping)
    assert [*history] == [*history.keys()] == history.columns == names
    assert len(history) == 4
    assert [name for name in (*names, "val_loss", "los", None, 0) if name in history] == names
    for pairs in (
        history.items(),
        dict(history).items(),
        zip(names, history.values(), strict=True),
    ):
        for name, column in pairs:
            np.testing.assert_array_equal(column, history[name])
    assert history.get("val_loss") is None
    assert (lambda **columns: [*columns])(**history) == names


def test_an_array_is_the_callers(history):
    history["loss"][:] = 9
    assert history["loss"].tolist() == [0.1 + 0.2, 1e-300]


def test_a_record_is_copied():
    record = {"epoch": 1, "loss": 0.5}
    history = recorded(record)
    record["loss"] = 7.0
    record["extra"] = 1.0
    history.records[0]["loss"] = 8.0
    assert table(history) == {"epoch": [1], "loss": [0.5]}


def test_a_record_in_another_order_is_put_in_order():
    history = recorded({"epoch": 1, "loss": 0.5}, {"loss": 0.25, "epoch": 2})
    assert [*history.last] == history.columns == ["epoch", "loss"]


def test_the_last_record_is_a_copy(history):
    history.last["step"] = 99
    assert history.last["step"] == history["step"][-1] == 4


@pytest.mark.parametrize(("name", "told"), [
    ("val_los", "got 'val_los', did you mean 'val_loss'?"),
    ("val_acc", "got 'val_acc', did you mean 'val_accuracy'?"),
    ("acc", "got 'acc', did you mean 'accuracy'?"),
    ("Val_Loss", "got 'Val_Loss', did you mean 'val_loss'?"),
    ("lr", "got 'lr'"), ("zzz", "got 'zzz'"), (0, "got 0"), (["loss"], "got ['loss']"),
])  # fmt: skip
def test_a_column_that_is_not_there_is_named_with_those_that_are(fitted, name, told):
    with pytest.raises(KeyError) as caught:
        fitted[name]
    rule = f"a column must be one of {', '.join(fitted.columns)}; "
    assert caught.value.args == (rule + told,)


@pytest.mark.parametrize(("name", "use"), [
    ("val_loss", "history['val_loss']"), ("history", "history itself, such as history['loss']"),
])  # fmt: skip
def test_a_column_that_is_asked_for_as_an_attribute(fitted, name, use):
    with pytest.raises(AttributeError, match=re.escape(f"History has no {name}; use {use}")):
        getattr(fitted, name)
    assert not hasattr(fitted, name)


def test_records_of_other_columns_are_refused(history):
    with pytest.raises(ValueError, match="columns"):
        history.append({"epoch": 1})
    assert history.n_records == 2


def test_no_records_are_a_history_too(tmp_path):
    empty = fd.History()
    assert (len(empty), empty.columns, empty.n_records, "loss" in empty) == (0, [], 0, False)
    assert not empty
    assert dict(empty) == {}
    assert repr(empty) == "<History: 0 records>"
    with pytest.raises(KeyError, match="must be of a history that has records; got 'loss'"):
        empty["loss"]
    empty.to_csv(tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_text().strip() == ""


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h))])
def test_copies_are_equal(fitted, how):
    fitted.stopped = "enough"
    assert how(fitted) == fitted
    other = how(fitted)
    other.stopped = None
    assert other != fitted


def test_what_is_equal(history):
    assert history == recorded(*RECORDS)  # though it holds NaN
    assert history != recorded(RECORDS[0])
    assert history != recorded(RECORDS[1], RECORDS[0])
    assert history != dict(history)
    assert fd.History() == fd.History() != history


# --- two fits --------------------------------------------------------------------------------


def test_two_fits_are_joined(rng):
    x, y = rng.standard_normal((20, 3)), rng.integers(0, 2, 20)
    trainer = fd.Trainer(fd.Network([3, 2]), fd.SGD(0.1))
    first, second = (trainer.fit(x, y, epochs=n, validation=(x, y)) for n in (3, 2))
    alone = table(first), table(second)
    joined = first + second
    assert (table(first), table(second)) == alone
    assert joined["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert (np.diff(joined["seconds"]) > 0).all()
    assert joined["seconds"][3:].tolist() == (first["seconds"][-1] + second["seconds"]).tolist()
    for name in set(joined) - {"seconds"}:
        assert joined[name].tolist() == [*first[name], *second[name]]


@pytest.mark.parametrize("stopped", [(None, None), ("enough", None), (None, "enough")])
def test_the_later_fit_says_why_it_ended(stopped):
    first, second = (recorded({"loss": 1.0}, stopped=why) for why in stopped)
    assert (first + second).stopped == stopped[1]


def test_a_history_of_no_records_adds_none(history):
    assert history + fd.History() == history == fd.History() + history
    assert fd.History() + fd.History() == fd.History()


def test_columns_in_another_order_are_joined():
    joined = recorded({"epoch": 1, "loss": 0.5}) + recorded({"loss": 0.25, "epoch": 2})
    assert table(joined) == {"epoch": [1, 2], "loss": [0.5, 0.25]}


def test_only_histories_of_the_same_columns_are_joined(history):
    other = recorded({"epoch": 1, "step": 3, "loss": 1.0, "val_loss": 2.0})
    with pytest.raises(ValueError, match=r"same columns .* got accuracy, val_loss in one alone"):
        history + other
    with pytest.raises(TypeError, match="unsupported operand"):
        history + dict(history)


# --- what becomes of it ----------------------------------------------------------------------


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


def test_a_frame_of_pandas(fitted):
    pd = pytest.importorskip("pandas")
    frame = fitted.to_frame()
    pd.testing.assert_frame_equal(frame, pd.DataFrame(fitted.records))
    assert [*frame] == fitted.columns
    assert fd.History().to_frame().empty
    # As it is, pandas would make a frame of the names: its rule for whatever is no dict.
    with pytest.raises(TypeError, match=r"use .*history.to_frame\(\), or dict\(history\)"):
        pd.DataFrame(fitted)
    pd.testing.assert_frame_equal(pd.DataFrame(dict(fitted)), frame)


@pytest.mark.parametrize(("package", "use"), [
    ("pandas", fd.History.to_frame), ("matplotlib", fd.History.plot),
])  # fmt: skip
def test_a_package_that_is_not_there_is_named_with_the_remedy(fitted, monkeypatch, package, use):
    def find_spec(name, path=None, target=None):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [types.SimpleNamespace(find_spec=find_spec)])
    with pytest.raises(ModuleNotFoundError, match=rf"must have {package}.*; pip install {package}"):
        use(fitted)


def test_a_package_that_is_broken_speaks_for_itself(fitted, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ModuleNotFoundError, match=r"import of matplotlib.pyplot halted"):
        fitted.plot()


# --- figures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("x", ["step", "epoch", "seconds"])
def test_figures_show_training_and_validation(fitted, x, plt):
    figure = fitted.plot(x)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "cost", "accuracy"]
    for axes in figure.axes:
        training, validation = axes.lines
        name = axes.get_ylabel()
        assert axes.get_xlabel() == x
        np.testing.assert_array_equal(training.get_xdata(), fitted[x])
        np.testing.assert_array_equal(training.get_ydata(), fitted[name])
        np.testing.assert_array_equal(validation.get_ydata(), fitted[f"val_{name}"])
        assert [text.get_text() for text in axes.get_legend().texts] == ["training", "validation"]


def test_a_script_can_show_a_figure(fitted, plt, tmp_path):
    settings = dict(plt.rcParams)
    figure = fitted.plot()
    assert plt.get_fignums() == [figure.number]
    assert plt.gcf() is figure
    assert figure.canvas.manager is not None
    assert dict(plt.rcParams) == settings
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_whatever_metric_there_is_is_drawn(plt):
    history = recorded(*(
        {"epoch": i, "step": 9 * i, "learning_rate": 0.1, "loss": 1 / i, "r2": 0.1, "f1": 0.2,
         "accuracy": np.nan, "val_loss": 2 / i, "val_f1": 0.3, "val_only": 4.0, "val_accuracy": 0.5,
         "seconds": 0.1 * i}
        for i in (1, 2, 3)
    ))  # fmt: skip
    shown = {axes.get_ylabel(): [line.get_label() for line in axes.lines]
             for axes in history.plot("epoch").axes}  # fmt: skip
    both = ["training", "validation"]
    assert shown == {"loss": both, "r2": both[:1], "f1": both, "only": both[1:],
                     "accuracy": both[1:]}  # fmt: skip


def test_figures_leave_out_what_there_is_not(history, plt):
    assert [axes.get_ylabel() for axes in history.plot().axes] == ["loss"]


def test_one_record_is_a_dot(plt):
    (axes,) = recorded({"epoch": 1, "step": 5, "loss": 0.5}).plot().axes
    assert [line.get_marker() for line in axes.lines] == ["o"]


@pytest.mark.parametrize(("epochs", "whole"), [((1, 2, 3), True), ((0.5, 1, 1.5, 2, 2.5), False)])
def test_whole_epochs_are_told_as_whole_numbers(plt, epochs, whole):
    history = recorded(*({"epoch": epoch, "loss": 0.5} for epoch in epochs))
    (axes,) = history.plot("epoch").axes
    assert all(tick == int(tick) for tick in axes.get_xticks()) == whole


def test_nothing_to_draw_is_refused(plt):
    numbers = {"epoch": 1, "step": 5, "loss": np.nan, "seconds": 0.1}
    for history in (fd.History(), recorded(numbers), recorded({"step": 1})):
        with pytest.raises(ValueError, match="must hold a metric to plot"):
            history.plot()
    with pytest.raises(KeyError, match="a column must be one of loss"):
        recorded({"loss": 0.5}).plot()
    assert plt.get_fignums() == []
