from dataclasses import dataclass

import numpy as np
import pytest

import fastdl as fd
from experiments import runner
from experiments.spec import Assignment, Run


def test_a_check_and_a_fit_give_their_metrics(results):
    check, fit = results
    assert check.metrics["percent_weight_errors_below_1e-6"] == 100
    assert check.metrics["max_bias_error"] < 1e-6
    assert check.history is None
    assert len(fit.history) == 2
    assert fit.metrics["train_cost"] > fit.metrics["train_loss"]
    assert fit.metrics["validation_accuracy"] == fit.history["val_accuracy"][-1]
    assert fit.metrics["test_accuracy"] == fit.network.evaluate(*fit.data.test).accuracy
    assert 0 < fit.history["seconds"][-1] <= fit.seconds


@pytest.mark.usefixtures("no_data")
def test_the_seed_decides(made_up, results):
    weight = "layers.0.weight"
    for seed, same in ((1, True), (2, False)):
        again = list(runner.run(made_up, seed=seed))[1].network.parameters[weight]
        assert np.array_equal(again, results[1].network.parameters[weight]) == same


@pytest.mark.usefixtures("no_data")
def test_an_interrupted_fit_interrupts_the_assignment(made_up, monkeypatch):
    def interrupted(trainer, *_, **__):
        history = fd.History()
        history.stopped = "interrupted in epoch 1, after step 3"
        return history

    monkeypatch.setattr(fd.Trainer, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt, match="fit: interrupted in epoch 1, after step 3"):
        list(runner.run(made_up))


@pytest.mark.usefixtures("no_data")
def test_an_unknown_kind_of_run_is_refused(made_up):
    @dataclass(frozen=True, kw_only=True)
    class Dance(Run):
        pass

    check = made_up.runs[0]
    dance = Dance(name="a", title="a", answers=(), data=check.data, model=check.model)
    with pytest.raises(TypeError, match="got Dance"):
        list(runner.run(Assignment(title="", runs=(dance,), figures=())))
