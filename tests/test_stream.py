"""Fits of batches that come one by one."""

import threading
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import fastdl as fd

N, D, K, SIZE = 90, 7, 4, 20
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, D)).astype(np.float32), RNG.integers(0, K, N)
TARGETS = RNG.normal(size=(N, K)).astype(np.float32)


def trainer(loss="softmax_cross_entropy", optimiser=None, d=D, **settings):
    net = fd.Network([fd.Dense(d, 9, "relu"), fd.Dropout(0.3), fd.Dense(K)], loss=loss)
    optimiser = optimiser or fd.Adam(0.01)
    return fd.Trainer(net, optimiser, batch_size=SIZE, shuffle=None, **settings)


def batches(x=X, y=Y, *more, size=SIZE):
    for i in range(0, len(x), size):
        yield tuple(each[i : i + size] for each in (x, y, *more))


def bits(one):
    return one.network.state_dict()["layers.0.weight"].tobytes(), one.epoch, one.n_steps


# --- the same bits as of arrays ------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mse", "own"])
@pytest.mark.parametrize("optimiser", [
    fd.SGD(fd.schedules.ExponentialDecay(0.1, 0.5)), fd.Adam(fd.schedules.Triangular(1e-3, 0.1, 3)),
])  # fmt: skip
def test_the_bits_are_those_of_a_fit_of_arrays(optimiser, loss, threads):
    def own(logits, y):
        return ((logits - y) ** 2).sum(axis=1), 2 * (logits - y)

    loss = own if loss == "own" else loss
    y = Y if loss == "softmax_cross_entropy" else TARGETS
    one, other = (trainer(loss, optimiser, n_threads=threads, clip_norm=1.0) for _ in range(2))
    settings = {"epochs": 3, "validation": (X[:30], y[:30]), "train_metrics": "batches"}
    expected = one.fit(X, y, **settings)
    found = other.fit(lambda: batches(X, y), **settings)
    assert bits(other) == bits(one)
    for name in set(expected) - {"seconds"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", ["pixels", "sparse", "float64", "scaled"])
def test_rows_of_every_kind(kind):
    x = {
        "pixels": (255 * (RNG.random((N, D)) < 0.2)).astype(np.uint8),
        "sparse": X * (RNG.random((N, D)) < 0.1),
    }.get(kind, X.astype(np.float64))
    scaling = fd.Scaling.standard(x) if kind == "scaled" else None
    nets = [fd.Network([D, 8, K], scaling=scaling) for _ in range(2)]
    one, other = (fd.Trainer(net, fd.SGD(0.1), batch_size=SIZE, shuffle=None) for net in nets)
    one.fit(x, Y, epochs=2)
    other.fit(lambda: batches(x), epochs=2)
    assert bits(other) == bits(one)
    assert nets[0].inputs == nets[1].inputs


def test_it_goes_on_after_other_fits_and_before_them():
    one, other = trainer(), trainer()
    for _ in range(2):
        one.fit(X, Y, epochs=2)
    other.fit(lambda: batches(), epochs=2)
    other.fit(X, Y)
    other.fit(batches())
    assert bits(other) == bits(one)


# --- what batches may be -------------------------------------------------------------------------


class Loader:
    """Iterable again and again, as other libraries' loaders are."""

    def __iter__(self):
        return (list(each) for each in batches())


FORMS = {
    "a list": lambda: list(batches()), "a function": lambda: batches, "a loader": Loader,
    "frames": lambda: [(pd.DataFrame(x), pd.Series(y)) for x, y in batches()],
    "lists": lambda: [(x.tolist(), y.tolist()) for x, y in batches()],
    "read-only": lambda: [tuple(map(read_only, each)) for each in batches()],
}  # fmt: skip


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_batches(form):
    one, other = trainer(), trainer()
    one.fit(X, Y, epochs=2)
    other.fit(FORMS[form](), epochs=2)
    assert bits(other) == bits(one)


def test_weights_count_within_a_batch():
    weights = RNG.uniform(0.1, 2, N)
    one, other = trainer(), trainer()
    for x, y, weight in batches(X, Y, weights):
        one.step(x, y, weight)
    other.fit(batches(X, Y, weights))
    assert bits(other)[0] == bits(one)[0]


@pytest.mark.parametrize("y", [Y, TARGETS])
def test_a_generator_may_fill_one_array_again_and_again(y):
    loss = "softmax_cross_entropy" if y.ndim == 1 else "mse"

    def refilled():
        x, labels = np.empty((SIZE, D), np.float32), np.empty((SIZE, *y.shape[1:]), y.dtype)
        for i in range(0, 80, SIZE):
            x[:], labels[:] = X[i : i + SIZE], y[i : i + SIZE]
            yield x, labels

    one, other = trainer(loss), trainer(loss)
    one.fit(X[:80], y[:80], epochs=2)
    other.fit(refilled, epochs=2)
    assert bits(other) == bits(one)


# --- ahead, but not far --------------------------------------------------------------------------


def test_few_batches_are_read_ahead_and_none_after_the_end():
    read, most = [], []

    def counted():
        for i, each in enumerate(batches()):
            read.append(i)
            yield each

    class Watch(fd.Callback):
        steps = 1

        def on_step(self, run):
            time.sleep(0.02)
            most.append(len(read) - run.step)
            if run.step == 2:
                run.stop("enough")

    before = threading.active_count()
    history = trainer().fit(lambda: counted(), epochs=3, callbacks=[Watch()])
    assert history.stopped == "enough"
    assert max(most) <= 4
    assert len(read) <= 5
    assert threading.active_count() == before


def test_memory_is_that_of_a_few_batches():
    d, n = 2000, 250

    def made():
        for i in range(12):
            yield np.full((n, d), i / 12, np.float32), np.zeros(n, int)

    one = trainer(d=d)
    one.fit(lambda: list(made())[:1], record=None)
    tracemalloc.start()
    one.fit(made, record=None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * d * 4


# --- what goes wrong -----------------------------------------------------------------------------


def test_what_a_generator_raises_passes_and_says_where():
    closed = []

    def broken():
        try:
            yield X, Y
            yield X, Y
            raise ZeroDivisionError("mine")
        finally:
            closed.append(True)

    one = trainer()
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        one.fit(broken)
    assert caught.value.__notes__ == ["in batch 2 of the epoch, counted from 0"]
    assert (one.n_steps, closed) == (2, [True])
    one.fit(X, Y)


BATCH = r".*\(batch {} of the epoch, counted from 0\)$"
WRONG = {
    "one array": (lambda: X, TypeError, "y must be given with an array x"),
    "a number": (lambda: 3, TypeError, "batches must be an iterable"),
    "no pairs": (lambda: [X], TypeError, r"a batch must be \(x, y\)" + BATCH.format(0)),
    "four parts": (lambda: [(X, Y, Y, Y)], TypeError, "got 4 parts"),
    "none": (list, ValueError, "batches must hold one at least; got none in epoch 1"),
    "other columns": (lambda: [(X, Y), (X[:, 1:], Y)], ValueError,
                      f"x must have {D} columns" + BATCH.format(1)),
    "labels beyond": (lambda: [(X, Y + K)], ValueError, r"y must lie in \[0, 4\)"),
    "nan": (lambda: [(X, Y), (X, Y), (X * np.nan, Y)], ValueError,
            "x must be finite; got nan at row 0" + BATCH.format(2)),
    "pixels after numbers": (
        lambda: [(X, Y), (np.zeros((9, D), np.uint8), Y[:9])], TypeError, "x must hold numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_batches_may_not_be(what):
    given, error, told = WRONG[what]
    one = trainer()
    with pytest.raises(error, match=told):
        one.fit(given())
    one.fit(X, Y)


def test_an_iterator_is_spent_after_one_epoch():
    one = trainer()
    with pytest.raises(ValueError, match="epochs must be 1 with an iterator"):
        one.fit(batches(), epochs=2)
    spent = list(batches())
    with pytest.raises(ValueError, match="got none in epoch 2"):
        one.fit(lambda: [spent.pop() for _ in range(len(spent))], epochs=2)


@pytest.mark.parametrize("given", [
    {"sample_weight": np.ones(N)}, {"class_weight": "balanced"}, {"validation_split": 0.5},
])  # fmt: skip
def test_what_goes_with_arrays_alone(given):
    with pytest.raises(ValueError, match="must go with arrays x and y"):
        trainer().fit(batches(), **given)


def test_metrics_of_all_rows_are_refused_and_a_validation_set_is_no_stream(tmp_path):
    with pytest.raises(ValueError, match="got 'full', use train_metrics=None"):
        trainer().fit(batches(), train_metrics="full")
    expected = trainer().fit(batches(), train_metrics=None, validation=(X, Y))
    for given in (batches, batches(), lambda: batches()):
        with pytest.raises(TypeError, match=r"use arrays, or memory maps .*np\.load\(path, mmap"):
            trainer().fit(batches(), validation=given)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = trainer().fit(batches(), validation=(mapped, Y))
    assert found["val_loss"].tolist() == expected["val_loss"].tolist()


def test_a_fit_of_batches_is_not_saved(tmp_path):
    with pytest.raises(RuntimeError, match="must be of a fit of arrays"):
        trainer().fit(batches, callbacks=[fd.Checkpoint(tmp_path / "fit.safetensors")])
    assert not list(tmp_path.iterdir())


def test_a_divergence_goes_back_to_the_last_good_epoch():
    one = trainer(optimiser=fd.SGD(0.01))
    one.fit(batches, epochs=1)
    before = bits(one)[:2]

    def wild():
        yield X, Y
        yield X * np.float32(1e30), Y
        yield X * np.float32(1e30), Y

    with pytest.raises(fd.DivergenceError, match="at epoch 2, step 8"):
        one.fit(lambda: wild(), epochs=1)
    assert bits(one)[:2] == before


def test_ctrl_c_ends_it_cleanly(monkeypatch):
    def interrupted():
        yield X, Y
        raise KeyboardInterrupt

    one = trainer()
    before = threading.active_count()
    history = one.fit(interrupted)
    assert history.stopped == "interrupted in epoch 1, after step 1"
    assert threading.active_count() == before


def test_records_and_callbacks_hear_of_steps():
    heard = []

    class Hears(fd.Callback):
        steps = 2

        def on_step(self, run):
            heard.append(run.step)

    history = trainer().fit(batches, epochs=2, record=3, callbacks=[Hears()], progress=True)
    assert history["step"].tolist() == [3, 6, 9, 10]
    assert history["epoch"].tolist() == [0, 1, 1, 2]
    assert heard == [2, 4, 6, 8, 10]
    assert set(history) == {"epoch", "step", "learning_rate", "loss", "cost", "accuracy", "seconds"}
