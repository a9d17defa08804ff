"""What results look like in a notebook."""

import re
import sys

import numpy as np
import pytest

import fastdl as fd

X, Y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20


@pytest.fixture
def trainer():
    return fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))


@pytest.fixture(params=[True, False], ids=["with matplotlib", "without"])
def draws(request, monkeypatch):
    """Whether there is matplotlib."""
    if request.param:
        pytest.importorskip("matplotlib")
    else:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    return request.param


def cells(text):
    """The cells of a table, a row a list."""
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]


def test_a_network_shows_its_layers_and_what_summary_tells_below_them():
    net = fd.Network([fd.Dense(784, 128, "relu"), fd.Dropout(0.5), fd.Dense(10, l2=0.1)])
    text = net._repr_html_()
    names, *rows, total = cells(text)
    assert names[:3] == ["layer", "kind", "inputs"]
    assert [row[1] for row in rows] == ["Dense", "Dropout", "Dense"]
    assert total[5] == "101,770"
    assert "<div>loss: softmax_cross_entropy</div>" in text


def test_a_name_cannot_write_html():
    def loss(logits, y):
        return logits[:, 0], np.ones_like(logits)

    loss.__qualname__ = "<script>"
    assert "own &lt;script&gt;" in fd.Network([2, 1], loss=loss)._repr_html_()


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mse"])
def test_an_evaluation_is_a_row(loss):
    found = fd.Network([1, 2], loss=loss).evaluate(X, Y if "soft" in loss else np.c_[X, X])
    names, row = cells(found._repr_html_())
    assert tuple(names) == found._fields
    assert [float(cell) for cell in row] == pytest.approx(list(found), rel=1e-3)


def test_a_history_is_a_figure_and_a_table(trainer, draws):
    text = trainer.fit(X, Y, epochs=3, validation_split=0.2)._repr_html_()
    assert text.startswith("<img ") == draws
    names, *rows = cells(text)
    assert "val_loss" in names
    assert [row[0] for row in rows] == ["1", "2", "3"]


def test_of_a_long_history_the_first_and_last_records_are_shown(trainer):
    trainer.fit(X, Y)
    rows = cells(trainer.fit(X, Y, epochs=40)._repr_html_())[1:]
    assert [row[0] for row in rows] == [*"23456", "…", *("37", "38", "39", "40", "41")]


def test_a_history_without_records_and_one_that_was_stopped(trainer):
    assert "<img" not in trainer.fit(X, Y, record=None)._repr_html_()
    early = fd.EarlyStopping("loss", patience=1, min_delta=9.0)
    assert (
        "<div>stopped: no better loss"
        in trainer.fit(X, Y, epochs=9, callbacks=[early])._repr_html_()
    )


def test_a_range_test_is_a_figure_and_its_suggestion(trainer, draws):
    text = trainer.range_test(X, Y, steps=20)._repr_html_()
    assert text.startswith("<img ") == draws
    names, row = cells(text)
    assert names == ["steps", "rates", "loss", "suggestion"]
    assert row[0] == "20"
    assert "<img" not in fd.RangeTest(np.ones(1), np.ones(1))._repr_html_()
