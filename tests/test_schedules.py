"""schedules.py: rates at points computed by hand, and between their bounds everywhere."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastdl as fd
from fastdl import schedules
from fastdl.schedules import Constant, Cosine, ExponentialDecay, StepDecay, Triangular, Warmup

PER_EPOCH = 10
BY_HAND = {  # schedule, {step: rate}
    "constant": (Constant(0.3), {0: 0.3, 999: 0.3}),
    "triangular": (
        Triangular(0.1, 0.5, 4),
        {0: 0.1, 1: 0.2, 2: 0.3, 4: 0.5, 5: 0.4, 7: 0.2, 8: 0.1, 12: 0.5, 16: 0.1, 4_000_004: 0.5},
    ),
    "triangular of one step": (Triangular(0, 1, 1), {0: 0, 1: 1, 2: 0, 3: 1}),
    "by ten": (StepDecay(1.0, every=2), {0: 1, 19: 1, 20: 0.1, 39: 0.1, 40: 0.01, 79: 0.001}),
    "by half": (StepDecay(0.8, factor=0.5, every=1), {9: 0.8, 10: 0.4, 35: 0.1}),
    "decay by epochs": (ExponentialDecay(1.0, 0.9), {0: 1, 9: 1, 10: 0.9, 29: 0.81, 30: 0.729}),
    "decay by steps": (
        ExponentialDecay(2.0, 0.25, every=2, unit="step"), {0: 2, 1: 1, 2: 0.5, 3: 0.25, 4: 0.125},
    ),
    "decay to a floor": (ExponentialDecay(1.0, 0.5, floor=0.3), {0: 1, 10: 0.5, 20: 0.3, 500: 0.3}),
    "no decay": (ExponentialDecay(0.7, 1.0), {0: 0.7, 10**6: 0.7}),
    "cosine": (Cosine(0.9, 8, low=0.1), {0: 0.9, 4: 0.5, 8: 0.1, 9: 0.1, 10**6: 0.1}),
    "cosine at a third": (Cosine(1.0, 6), {0: 1.0, 2: 0.75, 3: 0.5, 4: 0.25, 6: 0}),
    "triangular by epochs": (
        Triangular(0.1, 0.5, 4, unit="epoch"),
        {0: 0.1, 9: 0.1, 10: 0.2, 25: 0.3, 40: 0.5, 59: 0.4, 80: 0.1},
    ),
    "cosine by epochs": (
        Cosine(1.0, 6, unit="epoch"), {0: 1, 9: 1, 20: 0.75, 29: 0.75, 30: 0.5, 60: 0, 99: 0},
    ),
    "warm-up": (Warmup(0.8, 4), {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 0.8, 10**6: 0.8}),
    "warm-up of one step": (Warmup(0.8, 1), {0: 0.8, 1: 0.8}),
    "warm-up by epochs": (Warmup(0.8, 2, unit="epoch"), {0: 0.4, 9: 0.4, 10: 0.8, 20: 0.8}),
    "warm-up to a cosine": (
        Warmup(Cosine(0.9, 8, low=0.1), 5), {0: 0.18, 4: 0.5, 8: 0.1, 9: 0.1},
    ),
    "warm-up by steps to steps by epochs": (
        Warmup(StepDecay(1.0, every=1), 20), {0: 0.05, 9: 0.5, 10: 0.055, 19: 0.1, 20: 0.01},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schedule", "points"), BY_HAND.values(), ids=BY_HAND)
def test_rates_at_points_computed_by_hand(schedule, points):
    for step, rate in points.items():
        rates = schedule.rates(np.array([step]), step // PER_EPOCH)
        assert rates.dtype == np.float64
        np.testing.assert_allclose(rates, [rate], rtol=1e-12, atol=1e-15)


bounds = st.floats(0, 10), st.floats(0, 10)
counts = st.integers(1, 10**6)
ALL = {  # a schedule of (low, high, count, factor), its least and greatest rate
    "triangular": lambda low, high, n, f: Triangular(low, high, n),
    "cosine": lambda low, high, n, f: Cosine(high, n, low=low),
    "by epochs": lambda low, high, n, f: ExponentialDecay(high, f, every=n, floor=low),
    "by steps": lambda low, high, n, f: ExponentialDecay(high, f, every=n, unit="step", floor=low),
    "steps down": lambda low, high, n, f: StepDecay(high, factor=f, every=n),
    "triangular by epochs": lambda low, high, n, f: Triangular(low, high, n, unit="epoch"),
    "cosine by epochs": lambda low, high, n, f: Cosine(high, n, low=low, unit="epoch"),
    "warm-up": lambda low, high, n, f: Warmup(Cosine(high, n, low=low), n),
}


@given(
    st.sampled_from(sorted(ALL)), *bounds, counts, st.floats(0.01, 0.99),
    st.lists(st.integers(0, 2**40), min_size=1), counts,
)  # fmt: skip
def test_rates_lie_between_their_bounds(name, one, other, n, factor, steps, epoch):
    low, high = sorted((one, other))
    rates = ALL[name](low, high, n, factor).rates(np.array(steps), epoch)
    rounding = 4 * np.finfo(float).eps * high
    assert rates.shape == (len(steps),)
    assert (rates >= (0 if name in ("steps down", "warm-up") else low - rounding)).all()
    assert (rates <= high + rounding).all()


@given(st.sampled_from(sorted(ALL)), counts, st.integers(0, 2**40), st.integers(0, 500))
def test_a_rate_depends_on_its_step_and_epoch_alone(name, n, first, epoch):
    schedule = ALL[name](0.1, 1.0, n, 0.5)
    steps = np.arange(first, first + 20)
    together = schedule.rates(steps, epoch)
    alone = np.concatenate([schedule.rates(steps[i : i + 1], epoch) for i in range(20)])
    np.testing.assert_array_equal(together, alone)


def test_get_takes_a_number_or_anything_with_rates():
    triangular = Triangular(0.1, 0.5, 4)
    assert schedules.get(0.3) == Constant(0.3)
    assert schedules.get(1) == Constant(1.0)
    assert schedules.get(triangular) is triangular
    assert Triangular(0.1, 0.5, 4) == triangular


# --- epochs at a rate of 0 -------------------------------------------------------------------


class Own:
    def rates(self, steps, epoch):
        return np.where((steps > 4) & (steps < 20), 0.0, 0.1)


IDLE = {  # a schedule and epochs of five steps: which learn nothing
    "steps for epochs": (Cosine(0.1, 8), 8, "6 of 8 epochs learnt nothing, .* from step 8 on: "),
    "too few epochs": (Cosine(0.1, 3, unit="epoch"), 4, "1 of 4 epochs .* from step 15 on: "),
    "a warm-up to it": (Warmup(Cosine(0.1, 8), 5), 3, "1 of 3 epochs .* from step 8 on: "),
    "an epoch at the low": (Triangular(0, 0.1, 2, "epoch"), 6, "2 of 6 epochs .* is 0: got Tri"),
    "decay to nothing": (ExponentialDecay(0.1, 1e-200), 4, "2 of 4 epochs .* from step 10 on: "),
    "steps to nothing": (StepDecay(0.1, 1e-200, 1), 4, "2 of 4 epochs .* from step 10 on: "),
    "nothing to begin with": (Cosine(0.0, 3), 2, "2 of 2 epochs .* is 0: got Cos"),
    "one's own": (Own(), 6, "3 of 6 epochs .* from step 5: got .*use rates above 0"),
}
BUSY = {  # which all learn something
    "a last epoch that ends at 0": (Cosine(0.1, 11), 3),
    "a low of 0": (Triangular(0, 0.1, 2), 3),
    "what is 0 by word": (Constant(0.0), 3),
    "cosine by epochs": (Cosine(0.1, 3, unit="epoch"), 3),
}


def told(schedule, epochs, in_batches=False):
    """What a fit warns of."""
    x, y = np.eye(10), np.arange(10) % 2
    trainer = fd.Trainer(fd.Network([10, 2]), fd.SGD(schedule), batch_size=2)
    given = [lambda: zip(np.split(x, 5), np.split(y, 5), strict=True)] if in_batches else [x, y]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(*given, epochs=epochs)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize("in_batches", [False, True])
@pytest.mark.parametrize("what", IDLE)
def test_epochs_at_a_rate_of_0_are_told_once_with_a_remedy_that_works(what, in_batches):
    schedule, epochs, expected = IDLE[what]
    (message,) = told(schedule, epochs, in_batches)
    assert re.search(expected, message)
    remedies = message.partition(", use ")[2].split(" or ")
    if "=" in remedies[0]:
        inner = schedule.schedule if isinstance(schedule, Warmup) else schedule
        for remedy in remedies:
            assert told(replace(inner, **eval(f"dict({remedy})")), epochs, in_batches) == []


def test_a_fit_that_ends_early_is_told_what_all_its_epochs_need():
    trainer = fd.Trainer(fd.Network([10, 2]), fd.SGD(Cosine(0.1, 8)), batch_size=2)
    ends = fd.EarlyStopping("loss", patience=4, min_delta=100)
    with pytest.warns(UserWarning, match=r"3 of 5 epochs .* steps=40, unit='epoch' or steps=200$"):
        trainer.fit(np.eye(10), np.arange(10) % 2, epochs=40, callbacks=[ends])


@pytest.mark.parametrize("in_batches", [False, True])
@pytest.mark.parametrize("what", BUSY)
def test_epochs_with_one_rate_above_0_are_not_told_of(what, in_batches):
    assert told(*BUSY[what], in_batches) == []
