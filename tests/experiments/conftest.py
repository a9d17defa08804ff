"""Experiments run from the root of the repository; here on stand-in data, a few rows of it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

import fastdl as fd
from experiments import runner
from experiments.spec import Assignment, Cifar10, Curves, GradientCheck, Model, Templates, Training


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "no data"))


@pytest.fixture(scope="session")
def made_up():
    """An assignment of a check and a fit, answering one reported row."""
    common = {
        "data": Cifar10(train=(1,), validation=(2,), rows=200),
        "model": Model(widths=(3072, 10), loss="softmax_cross_entropy", init=fd.init.Normal(0.01)),
    }
    check = GradientCheck(name="check", title="check", answers=(), samples=3, **common)
    fit = Training(
        name="fit", title="fit", answers=("1-2",), optimiser=fd.SGD(0.01), l2=0.1, batch_size=50,
        epochs=2, shuffle="rows", **common,
    )  # fmt: skip
    return Assignment(title="made up", runs=(check, fit), figures=(Curves("fit"), Templates("fit")))


@pytest.fixture(scope="session")
def results(made_up, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTDL_DATA_DIR", str(tmp_path_factory.mktemp("empty")))
        return list(runner.run(made_up, seed=1))
