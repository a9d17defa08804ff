import time
from dataclasses import MISSING, dataclass, fields, replace

import numpy as np
import pytest

import fastdl as fd
from experiments import trial
from experiments.spec import Cifar10, Model, Run, Surface, Training


def do(run, seed=1):
    return trial.do(run, seed, data_dir=None)


@pytest.fixture(scope="module")
def fit(made_up):
    return made_up.items[1]


def test_a_check_gives_its_errors(made_up):
    outcome = do(made_up.items[0])
    assert outcome.metrics["percent_weight_errors_below_1e-6"] == 100
    assert outcome.metrics["max_bias_error"] < 1e-6
    assert outcome.metrics["seconds"] > 0
    assert outcome.note == "stand-in data; 200 rows"
    assert outcome.environment["versions"]["fastdl"] == fd.__version__


def test_a_fit_gives_metrics_curves_and_arrays(fit):
    outcome = do(replace(fit, test_curve=True, marks=(1, 2), watch=9.0))
    metrics, history = outcome.metrics, outcome.history
    assert metrics["weights"] == 30_720
    assert metrics["train_cost"] > metrics["train_loss"]
    for name in ("train_cost", "test_accuracy"):
        assert metrics[f"{name}@2"] == pytest.approx(metrics[name], rel=1e-6)
    assert metrics["val_cost@1"] == history["val_cost"][0]
    assert metrics["max_abs_gap"] == np.abs(history["cost"] - history["val_cost"]).max()
    assert len(history["test_loss"]) == 2
    assert outcome.arrays["weights"].shape == (3072, 10)
    assert outcome.arrays["scale"].shape == (3072,)
    assert outcome.rows == {"train": 200, "validation": 200, "test": 200}


def test_the_last_batch_is_told_from_the_whole_training_set(fit):
    metrics = do(replace(fit, record=1, train_metrics="batches", validate=False)).metrics
    assert metrics["last_batch_loss"] != metrics["train_loss"]
    assert 0 <= metrics["last_batch_accuracy"] <= 1
    assert metrics["validation_accuracy"] > 0


def test_numbers_and_arrays_are_of_the_rows_that_they_are_called_by(fit, monkeypatch):
    networks, make = [], trial._network
    monkeypatch.setattr(trial, "_network", lambda *a: networks.append(make(*a)) or networks[-1])
    kept = ("weights", "gradients", "predictions")
    began = time.perf_counter()
    outcome = do(replace(fit, keep=kept, record=1, train_metrics="batches"))
    assert 0 < outcome.metrics["seconds"] < time.perf_counter() - began
    (network,), data = networks, trial.load(fit.data, 1, None)
    for split in ("train", "validation", "test"):
        for name, value in network.evaluate(*getattr(data, split))._asdict().items():
            assert outcome.metrics[f"{split}_{name}"] == value
    for name in ("loss", "accuracy"):
        assert outcome.metrics[f"last_batch_{name}"] == outcome.history[name][-1]
    weight = network.parameters["layers.0.weight"]
    expected = {
        "weights": weight, "gradients": network.gradients(*data.train)["layers.0.weight"],
        "predictions": network.logits(data.test[0]), "scale": data.scaling.scale,
    }  # fmt: skip
    assert outcome.arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(outcome.arrays[name], array)


def test_gradients_and_snapshots(fit):
    arrays = do(replace(fit, keep=("gradients", "snapshots"), every=1)).arrays
    assert arrays["gradients"].shape == (3072, 10)
    assert arrays["snapshots"].shape == (2, 3072, 10)
    assert not np.array_equal(*arrays["snapshots"])


def test_a_surface_has_errors_named_by_its_points(fit):
    run = replace(
        fit, data=Surface(target="sum", m=20, side=5), keep=("predictions",),
        model=Model(widths=(2, 4, 1), activations=("relu",), loss="mse"),
    )  # fmt: skip
    outcome = do(replace(run, test_curve=True, marks=(1,)))
    assert outcome.metrics["test_mse_m20"] == outcome.metrics["test_loss"]
    assert outcome.metrics["test_r2"] == outcome.history["test_r2"][-1] < 1
    assert not [name for name in outcome.metrics if "accuracy" in name]
    assert outcome.arrays["predictions"].shape == (25, 1)
    assert outcome.rows == {"train": 20, "validation": 10, "test": 25}


@pytest.fixture
def unusual():
    """A training with nothing at its default."""
    run = Training(
        name="unusual", title="unusual", answers=("1-2",), seeds=3, cut="3 of 9 epochs",
        data=Cifar10(train=(1,), validation=(2,), rows=200, stand_in=True),
        model=Model(
            widths=(3072, 20, 10), activations=("tanh",), loss="hinge", init=fd.init.Uniform()
        ),
        optimiser=fd.Adam(0.002, beta1=0.8), batch_size=30, epochs=3, l1=0.01, l2=0.02,
        shuffle="batches", drop_last=True, record=4, train_metrics="batches", validate=False,
        test_curve=True, marks=(1,), watch=9.0, keep=("weights",), every=2,
            searched=True,
    )  # fmt: skip
    for each in (*fields(run), *fields(run.model)):
        holder = run if hasattr(run, each.name) else run.model
        made = None if each.default_factory is MISSING else each.default_factory()
        assert getattr(holder, each.name) not in (each.default, made), each.name
    return replace(run, watch=None)


def test_every_setting_of_a_run_reaches_the_library(unusual, monkeypatch):
    heard = {}

    def hear(kind, name):
        now = getattr(kind, name)

        def call(self, *arguments, **settings):
            heard[kind, name] = arguments, settings
            return now(self, *arguments, **settings)

        monkeypatch.setattr(kind, name, call)

    calls = (fd.Network, "__init__"), (fd.Trainer, "__init__"), (fd.Trainer, "fit")
    for call in calls:
        hear(*call)
    do(unusual, seed=7)
    (network, how_made), (trained, how_trained), (rows, how_fitted) = (heard[c] for c in calls)
    model = unusual.model
    assert network == ([fd.Dense(3072, 20, "tanh"), fd.Dense(20, 10, "identity")],)
    assert how_made.pop("scaling") is not None
    assert how_made == {"loss": model.loss, "init": model.init, "seed": 7}
    assert trained[1:] == (unusual.optimiser,)
    assert how_trained == {
        "batch_size": 30, "shuffle": "batches", "drop_last": True, "seed": 7
    }  # fmt: skip
    assert {(layer.l1, layer.l2) for layer in trained[0].layers} == {(0.01, 0.02)}
    assert [array.shape for array in rows] == [(200, 3072), (200,)]
    assert len(how_fitted.pop("callbacks")) == 1
    assert how_fitted == {
        "epochs": 3, "validation": None, "record": 4, "train_metrics": "batches", "progress": False,
    }  # fmt: skip
    do(replace(unusual, validate=True))
    validation, _ = heard[calls[2]][1]["validation"]
    assert not np.array_equal(validation, rows[0])


def test_a_check_is_of_the_cost_with_its_penalty_and_of_so_many_rows(made_up, monkeypatch):
    seen = []

    def check(network, x, y, now=fd.check_gradients):
        seen.append(([layer.l2 for layer in network.layers], len(x), len(y)))
        return now(network, x, y)

    monkeypatch.setattr(fd, "check_gradients", check)
    do(replace(made_up.items[0], l2=0.3))
    assert seen == [([0.3], 3, 3)]


def test_the_seed_is_that_of_the_first_weights_and_of_the_order(fit):
    still = replace(fit, optimiser=fd.SGD(0.0))
    first, again, other = (do(still, seed).arrays["weights"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    alike = replace(fit, model=replace(fit.model, init=fd.init.Normal(0.0)))
    first, again, other = (do(alike, seed).arrays["weights"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_snapshots_are_of_the_ends_of_every_so_many_epochs(fit):
    arrays = do(replace(fit, keep=("snapshots",), every=2, epochs=5)).arrays
    ends = [do(replace(fit, epochs=epochs)).arrays["weights"] for epochs in (2, 4)]
    np.testing.assert_array_equal(arrays["snapshots"], ends)


def test_a_diverged_fit_is_an_outcome_without_metrics(fit):
    outcome = do(replace(fit, optimiser=fd.SGD(1e30), epochs=20))
    assert "the loss must stay finite" in outcome.failure
    assert set(outcome.metrics) == {"seconds"}


def test_the_watch_warns(fit):
    with pytest.warns(UserWarning, match="fit: training and validation cost are .* apart"):
        do(replace(fit, watch=0.0))


def test_progress_goes_to_one(fit):
    seen = []
    trial.do(fit, 0, data_dir=None, progress=seen.append)
    assert 0 < seen[0] < seen[-1] == 1
    assert seen == sorted(seen)


def test_an_interrupted_fit_is_an_interruption(fit, monkeypatch):
    def interrupted(trainer, *_, **__):
        history = fd.History()
        history.stopped = "interrupted in epoch 1, after step 3"
        return history

    monkeypatch.setattr(fd.Trainer, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt, match="fit: interrupted in epoch 1, after step 3"):
        do(fit)


def test_an_unknown_kind_of_run_is_refused(made_up):
    @dataclass(frozen=True, kw_only=True)
    class Dance(Run):
        pass

    check = made_up.items[0]
    with pytest.raises(TypeError, match="got Dance"):
        do(Dance(name="a", title="a", data=check.data, model=check.model))
