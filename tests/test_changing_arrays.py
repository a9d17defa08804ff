"""Arrays that another thread changes while they are checked, and while a fit runs over them.

Their numbers may change under the kernels; what a kernel counts with may not: shapes, labels, row
numbers.
"""

import itertools
import sys
import threading
from contextlib import contextmanager, suppress

import numpy as np
import pytest

import fastdl as fd
from fastdl import _check, ops
from fastdl.network import core_of
from tests import nightly

pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::fastdl.ScalingWarning"),
    pytest.mark.timeout(nightly.count(300, 3600)),
]
N, D, K = 300, 20, 5
DOUBLE = np.dtype(np.float64)


def outcomes(check, array, change):
    """What a check of the array answers if the array is changed before its 1st, 2nd ... line."""
    for at in itertools.count(1):
        given, lines = array.copy(), itertools.count(1)

        def trace(frame, event, _, given=given, lines=lines, at=at):
            in_check = frame.f_code.co_filename == _check.__file__
            if event == "line" and in_check and next(lines) == at:
                change(given)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        result = None
        try:
            with suppress(ValueError):
                result = check(given)
        finally:
            sys.settrace(before)
        if next(lines) <= at:
            return
        change(given)
        yield result


def out_of_range(array):
    array[...] = np.iinfo(array.dtype).max


def other_shape(array):
    array.shape = array.shape[::-1] if array.ndim > 1 else (1, -1)


COUNTED = {
    "labels": lambda a: _check.labels("y", a, N, K),
    "order": lambda a: _check.order("order", a, K),
}
SHAPED = {
    **COUNTED,
    "rows": lambda a: _check.rows("x", a, K),
    "floats": lambda a: _check.floats("x", a, (N, K)),
    "targets": lambda a: _check.targets("y", a, N, K, DOUBLE),
    "weights": lambda a: _check.weights("w", a, N, DOUBLE),
    "vector": lambda a: _check.vector("shift", a, N),
    "writable": lambda a: _check.writable("param", a, np.ones((N, K))),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.intc, np.intp])
@pytest.mark.parametrize("kind", COUNTED)
def test_numbers_that_change_while_they_are_checked_stay_in_range(kind, dtype):
    found = [*outcomes(COUNTED[kind], (np.arange(N) % K).astype(dtype), out_of_range)]
    assert len(found) > 10
    for result in found:
        assert result is None or result.max() < K


@pytest.mark.parametrize("kind", SHAPED)
def test_a_shape_that_changes_while_it_is_checked_is_refused_or_as_it_was(kind):
    array = np.arange(N) % K if kind in COUNTED else np.ones((N, K))
    array = array[:, 0].copy() if kind in ("weights", "vector") else array
    for result in outcomes(SHAPED[kind], array, other_shape):
        assert result is None or result.shape == array.shape


def data(dtype):
    rng = np.random.default_rng(3)
    return rng.integers(0, 255, (N, D)).astype(dtype), rng.integers(0, K, N)


def train(x, y, **settings):
    network = fd.Network([D, 16, K], seed=0)
    trainer = fd.Trainer(network, fd.SGD(0.01), batch_size=10, **settings)
    trainer.fit(x, y, epochs=3, progress=False)
    return network.parameters.values()


@contextmanager
def changing(*changes):
    """Make the changes again and again in another thread, which has its turn very often.

    Yields what counts them.
    """
    done, before, made = threading.Event(), sys.getswitchinterval(), itertools.count()

    def work():
        for change in itertools.cycle(changes):
            if done.is_set():
                return
            change()
            next(made)

    thread = threading.Thread(target=work)
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        yield made
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)


def until_done(times, work):
    """Do the work until it was done so many times; how often it was refused before that."""
    refused = done = 0
    while done < times:
        try:
            work()
            done += 1
        except ValueError:  # for labels out of range
            refused += 1
            assert refused < 1000 * times
    return refused


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_data_that_change_under_a_fit_crash_nothing(dtype, n_threads):
    x, y = data(dtype)
    right = y.copy()

    def fit():
        assert all(np.isfinite(a).all() for a in train(x, y, n_threads=n_threads))

    def spoil(value):
        return lambda: x.fill(value)  # NumPy lets go of the interpreter: the fit has its turn here

    fits = nightly.count(100, 10_000)
    wrong, mend = lambda: y.fill(2**31 - 1), lambda: np.copyto(y, right)
    with changing(wrong, spoil(1), mend, spoil(2), spoil(3), spoil(4)) as made:
        refused = until_done(fits, fit)
    changes = next(made)
    assert refused > 0
    assert changes > fits
    found = {"fits": fits, "refused": refused, "changes": changes}
    nightly.report(f"changing {np.dtype(dtype)}, {n_threads} threads", **found)


class Meddler(fd.Callback):
    """Gives the arrays of a fit, once it runs, another shape, and labels that there are not."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def on_record(self, run):
        self.x.shape = (1, -1)
        out_of_range(self.y)


def test_a_fit_keeps_its_labels_and_the_shape_of_its_rows():
    x, y = data(np.float64)
    results = []
    for meddlers in ([], [Meddler(x, y)]):
        network = fd.Network([D, 16, K], dtype="float64", seed=0)
        trainer = fd.Trainer(network, fd.SGD(0.01), batch_size=10)
        trainer.fit(x, y, epochs=4, record=2, callbacks=meddlers)
        results.append(core_of(network).flat.tobytes())
    assert results[0] == results[1]


def test_order_and_labels_that_change_under_an_op_crash_nothing():
    x, y = data(np.float64)
    right, logits = y.copy(), x[:, :K].copy()
    calls = nightly.count(300, 30_000)
    with changing(lambda: y.fill(2**62), lambda: np.copyto(y, right)):
        refused = until_done(calls, lambda: ops.gather(x, y))
        refused += until_done(calls, lambda: ops.hinge(logits, y))
    nightly.report("changing order and labels", calls=2 * calls, refused=refused)
