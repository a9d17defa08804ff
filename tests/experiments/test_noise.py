from types import SimpleNamespace

import pytest
from scipy.stats import ttest_ind

from experiments import noise
from experiments.spec import Cifar10, Mnist


def run(data="the same", **metrics):
    """A run whose metrics have a value a seed."""
    (n,) = {len(values) for values in metrics.values()}
    outcomes = tuple(
        SimpleNamespace(seed=seed, metrics={name: metrics[name][seed] for name in metrics})
        for seed in range(n)
    )
    return SimpleNamespace(good=outcomes, run=SimpleNamespace(data=data))


def test_intervals_are_those_of_the_t_distribution():
    assert noise.of_mean(1.0, 5) == pytest.approx(2.776445 / 5**0.5)
    assert noise.of_next(1.0, 5) == pytest.approx(2.776445 * 1.2**0.5)
    assert noise.of_next(1.0, 1, 5) == pytest.approx(2.776445 * 2**0.5)


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        ("test_accuracy", 0.5, 0.01),
        ("test_accuracy@100", 0.5, 0.01),
        ("train_cost@1000", 2.0, 0.01),
        ("max_abs_gap", 0.02, 0.01),
        ("test_loss", 0.1, 0.008),
        ("last_batch_loss", 0.1, 0.03),
        ("last_batch_accuracy", 0.9, 0.01),
        ("test_mse_m1000", -0.01, 0.005),
        ("weights", 50_816, 0.0),
    ],
)
def test_tolerance_goes_by_the_kind_of_number(metric, value, expected):
    assert noise.tolerance(metric, value) == pytest.approx(expected)


def test_only_copies_of_cifar10_differ():
    cifar, mnist = (
        SimpleNamespace(data=data) for data in (Cifar10(train=(1,), validation=(2,)), Mnist())
    )
    assert noise.of_data(cifar, "test_accuracy@10", 0.4) == 0.005
    assert noise.of_data(cifar, "val_cost", 2.0) == pytest.approx(0.002)
    assert noise.of_data(cifar, "max_weight_error", 1e-8) == 0.0
    assert noise.of_data(mnist, "test_accuracy", 0.4) == 0.0


def test_a_difference_is_taken_seed_by_seed():
    shared = [0.1, 0.5, 0.3, 0.9]  # would hide the difference of two unpaired runs
    a = run(test_loss=[each + 0.01 for each in shared])
    b = run(test_loss=[0.0, 0.0, 0.001, -0.001])
    b = run(test_loss=[s + d.metrics["test_loss"] for s, d in zip(shared, b.good, strict=True)])
    found = noise.difference(a, b, "test_loss")
    assert found.mean == pytest.approx(0.01)
    assert found.beyond_noise
    assert found.n == 4
    back = noise.difference(b, a, "test_loss")
    assert (back.mean, back.noise) == pytest.approx((-found.mean, found.noise))


def test_a_difference_within_the_noise_is_none():
    found = noise.difference(run(x=[0.1, 0.2, 0.3]), run(x=[0.2, 0.2, 0.1]), "x")
    assert found.beyond_noise is False


def test_equal_numbers_without_noise_do_not_differ():
    assert noise.difference(run(x=[0.5, 0.5]), run(x=[0.5, 0.5]), "x").beyond_noise is False
    assert noise.difference(run(x=[0.5, 0.5]), run("others", x=[0.5, 0.5]), "x").noise == 0
    assert noise.difference(run(x=[0.5, 0.5]), run(x=[0.4, 0.4]), "x").beyond_noise


def test_runs_on_different_rows_are_not_paired():
    x, y = [0.1, 0.5, 0.3, 0.9], [0.12, 0.51, 0.33, 0.9]
    found = noise.difference(run(x=x), run("others", x=y), "x")
    interval = ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    assert (found.mean - found.noise, found.mean + found.noise) == pytest.approx(interval)
    assert found.n == 4
    assert noise.difference(run(x=[1.0, 1.0]), run("others", x=[2.0, 2.0]), "x").beyond_noise
    assert noise.difference(run(x=x), run("others", x=y[:2]), "x").n == 2  # the noise is of few


def test_one_seed_is_held_against_the_spread_of_several():
    found = noise.difference(run(x=[0.4]), run(x=[0.1, 0.2, 0.3]), "x")
    assert found.mean == pytest.approx(0.2)
    assert found.noise == pytest.approx(noise.of_next(0.1, 3))
    assert found.n == 3


def test_one_seed_each_tells_nothing_of_the_noise():
    found = noise.difference(run(x=[0.1]), run(x=[0.4]), "x")
    assert (found.mean, found.noise, found.n) == (pytest.approx(-0.3), None, 1)
    assert not found.beyond_noise


def test_the_difference_of_two_metrics():
    a = run(test_loss=[0.5, 0.6], train_loss=[0.1, 0.2])
    b = run(test_loss=[0.2, 0.2], train_loss=[0.1, 0.1])
    assert noise.difference(a, b, "test_loss - train_loss").mean == pytest.approx(0.3)


def test_without_numbers_there_is_no_difference():
    assert noise.difference(run(x=[1.0]), run(x=[]), "x") is None
    assert noise.difference(run(x=[1.0]), run(y=[1.0]), "x") is None
