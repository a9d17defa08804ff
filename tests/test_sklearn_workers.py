"""sklearn/: searches over the estimators by workers that other libraries start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from fastdl.sklearn import MLPClassifier

X = np.random.RandomState(0).normal(size=(120, 4))
Y = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")


@pytest.mark.filterwarnings("ignore")  # of what Dask's servers leave open
def test_a_grid_over_dasks_workers():
    distributed = pytest.importorskip("distributed")
    one = MLPClassifier(8, solver="lbfgs", max_iter=20, random_state=0)
    grid = GridSearchCV(one, {"alpha": [1e-4, 1e-1, 10.0]}, cv=2)
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(processes=True, **settings) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        found = grid.fit(X, Y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, grid.fit(X, Y).cv_results_["mean_test_score"])


def work(path, n_trials, waits_at=None):
    """Some trials of a queue in a file; at one, if asked to, it waits until it is killed."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    def score(trial):
        alpha = trial.suggest_float("alpha", 1e-5, 1.0, log=True)
        if trial.number == waits_at:
            print("waits", flush=True)
            sys.stdin.read()
        one = MLPClassifier(8, alpha=alpha, solver="lbfgs", max_iter=20, random_state=0)
        return cross_val_score(one, X, Y, cv=2).mean()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="mlp", load_if_exists=True)
    study.optimize(score, n_trials=n_trials)
    return study


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.needs("signals")
def test_a_worker_of_optunas_queue_that_is_killed_loses_no_result(tmp_path):
    pytest.importorskip("optuna")
    path = tmp_path / "journal"
    code = f"from tests.test_sklearn_workers import work; work({str(path)!r}, 4, waits_at=2)"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as killed:  # fmt: skip
        assert killed.stdout.readline() == "waits\n"
        os.kill(killed.pid, signal.SIGKILL)
    trials = work(path, n_trials=2).trials
    assert [trial.number for trial in trials if trial.value is not None] == [0, 1, 3, 4]
