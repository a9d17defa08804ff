"""Experiments run from the root of the repository; here on stand-in data, a few rows of it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import rcParams

sys.path.insert(0, str(Path(__file__).parents[2]))

import fastdl as fd
from experiments import assignments, results, runner, search, trial
from experiments.plots import sheet
from experiments.spec import (
    Assignment,
    Best,
    Cifar10,
    Curves,
    GradientCheck,
    Model,
    Search,
    Templates,
    Training,
)
from experiments.store import Store


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "no data"))


@pytest.fixture(scope="session")
def made_up():
    """An assignment of a check, a fit that answers a reported row, a search and its best."""
    common = {
        "data": Cifar10(train=(1,), validation=(2,), rows=200, stand_in=True),
        "model": Model(widths=(3072, 10), init=fd.init.Normal(0.01)),
    }
    check = GradientCheck(name="check", title="check", samples=3, **common)
    fit = Training(
        name="fit", title="fit", answers=("1-2",), optimiser=fd.SGD(0.01), l2=0.1, batch_size=50,
        epochs=2, keep=("weights",), **common,
    )  # fmt: skip
    search = Search(name="search", title="search", base=fit, axes={"l2": (0.0, 0.1)})
    best = Best(name="best", title="best", base=fit, of="search")
    return Assignment(
        title="made up",
        asked="Nothing.",
        items=(check, fit, search, best),
        figures=(
            Curves(of=("fit",), caption="Curves."),
            Templates(of=("fit",), caption="Weights."),
        ),
    )


def tiny(item):
    """A run or a group on a few rows for a few epochs, whose figures are all there."""
    base = getattr(item, "base", item)
    small = replace(base, data=replace(base.data, rows=200))
    if isinstance(item, GradientCheck):
        return replace(small, samples=2)
    if isinstance(item, Search):
        item = replace(item, axes={name: values[:6] for name, values in item.axes.items()})
    if isinstance(base, Training):
        every = 20 if base.record != "epoch" else "epoch"
        batch = base.batch_size if base.data.source is None else min(base.batch_size, 50)
        small = replace(
            small, epochs=min(base.epochs, 3), every=1, batch_size=batch,
            record=min(every, 4) if every != "epoch" else every,
        )  # fmt: skip
    return replace(item, base=small) if hasattr(item, "base") else small


@pytest.fixture
def sketches(monkeypatch):
    """Figures of few pixels that nobody lays out: how they look is for test_plots.py to see."""
    monkeypatch.setitem(rcParams, "savefig.dpi", 40)
    monkeypatch.setattr(sheet, "settle", lambda drawn: drawn.set_layout_engine("none"))


@pytest.fixture
def tiny_assignments(monkeypatch, sketches):
    """Assignments whose runs take a moment, one after the other without a queue: test_search.py."""
    whole = assignments.get

    def at_once(trials, shared, **_):
        for each in trials:
            shared.store.save(trial.do(each.run, each.seed, data_dir=shared.data_dir))

    def get(name):
        spec = whole(name)
        return replace(spec, items=tuple(map(tiny, spec.items)))

    monkeypatch.setattr(runner.assignments, "get", get)
    monkeypatch.setattr(search, "do", at_once)


def do_all(name, assignment, seeds, store):
    """All trials of an assignment, in this process."""
    while (found := results.collect(name, assignment, seeds, store)).missing:
        for each in found.missing:
            store.save(trial.do(each.run, each.seed, data_dir=None))
    return found


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("trials"))


@pytest.fixture(scope="session")
def found(made_up, store):
    """The results of the made-up assignment with two seeds."""
    return do_all("made_up", made_up, 2, store)
