from dataclasses import dataclass, replace

import numpy as np
import pytest

import fastdl as fd
from experiments import trial
from experiments.spec import Model, Run, Surface


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
    outcome = do(run)
    assert outcome.metrics["test_mse_m20"] == outcome.metrics["test_loss"]
    assert "test_accuracy" not in outcome.metrics
    assert outcome.arrays["predictions"].shape == (25, 1)


def test_the_seed_decides(fit):
    first, again, other = (do(fit, seed).arrays["weights"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


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
