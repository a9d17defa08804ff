"""trainer.step: one batch is an epoch of fit with it, to the bit, and refused as there."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastdl as fd

D, K = 7, 5
OPTIMISERS = {
    "sgd": fd.SGD(0.05), "momentum": fd.SGD(0.05, momentum=0.9),
    "nesterov": fd.SGD(0.05, momentum=0.9, nesterov=True), "adam": fd.Adam(0.01),
    "adamw": fd.AdamW(0.01), "decay": fd.SGD(fd.schedules.ExponentialDecay(0.1, 0.5, 2, "step")),
    "cosine": fd.Adam(fd.schedules.Warmup(fd.schedules.Cosine(0.05, 6, low=0.01), 3)),
}  # fmt: skip
SETTINGS = {
    "plain": {}, "l1": {"l1": 1e-3}, "l2": {"l2": 1e-2}, "clipped": {"clip_norm": 0.01, "l2": 0.1},
    "unclipped": {"clip_norm": 1e9},
}  # fmt: skip
LOSSES = (
    *("softmax_cross_entropy", "hinge", "sigmoid_cross_entropy", "binary_cross_entropy", "mse"),
    *("mae", "huber", "quantile", "poisson"),
)
ROWS = {
    "float32": lambda x: x.astype(np.float32), "float64": lambda x: x,
    "uint8": lambda x: (50 * np.abs(x)).astype(np.uint8),
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2], "backwards": lambda x: x[::-1][::-1][::-1],
    "by column": np.asfortranarray, "list": lambda x: x.tolist(),
    "big endian": lambda x: x.astype(">f4"), "half": lambda x: x.astype(np.float16),
    "integers": lambda x: (9 * x).astype(np.int16),
    "unaligned": lambda x: _unaligned(x),
}  # fmt: skip
LABELS = {
    "int64": lambda y: y, "int32": lambda y: y.astype(np.int32), "uint8": lambda y: y.astype("u1"),
    "float": lambda y: y.astype(np.float64), "list": lambda y: y.tolist(),
    "column": lambda y: y[:, None], "strided": lambda y: np.repeat(y, 3)[::3],
    "big endian": lambda y: y.astype(">i8"),
}  # fmt: skip


def _unaligned(x):
    room = np.zeros(x.nbytes + 1, np.uint8)
    result = room[1:].view(np.float64).reshape(x.shape)
    result[...] = x
    return result


def rows(n, d=D, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def answers(loss, n, k=K, dtype="float32"):
    rng = np.random.default_rng(1)
    if fd.losses.LOSSES[loss].y == "labels":
        return rng.integers(0, k, n)
    kinds = {"binary_cross_entropy": rng.integers(0, 2, (n, k)), "poisson": rng.poisson(2, (n, k))}
    return kinds.get(loss, rng.normal(size=(n, k))).astype(dtype)


def trainer(widths=(D, 6, K), optimiser=OPTIMISERS["momentum"], n=10, network=None, **settings):
    of_network = {
        name: settings.pop(name) for name in ("loss", "dtype", "scaling") if name in settings
    }
    network = network or fd.Network(list(widths), **of_network)
    return fd.Trainer(network, optimiser, batch_size=n, shuffle=None, **settings)


def bits(trainer):
    state = trainer.__getstate__()["_state"]
    return [array.tobytes() for array in state.arrays], state.step


def alike(one, other, x, y, steps=3, sample_weight=None):
    """Steps of one trainer and epochs of the other one come to the same bits."""
    for _ in range(steps):
        loss = one.step(x, y, sample_weight)
        history = other.fit(x, y, sample_weight=sample_weight, train_metrics="batches")
        assert isinstance(loss, float)
        np.testing.assert_allclose(loss, history.last["loss"], rtol=1e-14)
        assert bits(one) == bits(other)
    assert one.network.inputs == other.network.inputs


# --- the same bits as a fit --------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_step_is_an_epoch_of_that_batch(optimiser, settings):
    def make():
        return trainer(optimiser=OPTIMISERS[optimiser], **SETTINGS[settings])

    alike(make(), make(), rows(10).astype(np.float32), answers("hinge", 10))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_with_any_loss(loss, dtype):
    last = "exp" if loss == "poisson" else "identity"
    layers = [fd.Dense(D, 6, "tanh"), fd.Dense(6, K, last)]
    one, other = (trainer(network=fd.Network(layers, loss=loss, dtype=dtype)) for _ in range(2))
    alike(one, other, rows(10).astype(dtype), answers(loss, 10, dtype=dtype))


@pytest.mark.parametrize("n_threads", [1, 2, None])
@pytest.mark.parametrize(
    ("widths", "n"),
    [([D, K], 1), ([D, 6, K], 17), ([2, 128, 64, 1], 10), ([784, 128, 10], 1), ([784, 32, 3], 700),
     ([50, 60, 200, 5], 5), ([300, 200, 40], 130), ([3072, 10], 40)],
)  # fmt: skip
def test_with_any_shape_and_number_of_threads(widths, n, n_threads):
    x = np.maximum(rows(n, widths[0]), 0.7) - 0.7  # mostly zeros
    loss = "hinge" if widths[-1] > 1 else "mse"
    one, other = (trainer(widths, n=n, n_threads=n_threads, loss=loss) for _ in range(2))
    alike(one, other, x.astype(np.float32), answers(loss, n, widths[-1]))


@pytest.mark.parametrize("form", ROWS)
def test_with_rows_of_any_form(form):
    x, y = ROWS[form](rows(12)), answers("hinge", 12)
    for scaling in (None, fd.Scaling.standard(rows(50) + 0.5)):
        alike(trainer(n=12, scaling=scaling), trainer(n=12, scaling=scaling), x, y)


@pytest.mark.parametrize("form", LABELS)
def test_with_labels_of_any_form(form):
    alike(trainer(), trainer(), rows(10), LABELS[form](answers("hinge", 10)))


@pytest.mark.parametrize("k", [1, 3])
def test_with_targets_of_any_form(k):
    for y in (rows(10, k), rows(10, k).astype(np.float32), rows(10, k)[::-1], rows(10, k).tolist()):
        alike(trainer([D, k], loss="mse"), trainer([D, k], loss="mse"), rows(10), y)
    if k == 1:
        y = rows(10, 1).astype(np.float32)[:, 0]
        alike(trainer([D, k], loss="mse"), trainer([D, k], loss="mse"), rows(10), y)
        alike(
            trainer([D, k], loss="mse"), trainer([D, k], loss="mse"), rows(10), np.repeat(y, 2)[::2]
        )


def test_with_weights_of_rows():
    weights = np.arange(10.0)
    for form in (weights, weights.astype(np.float32), weights.tolist()):
        alike(trainer(), trainer(), rows(10), answers("hinge", 10), sample_weight=form)


def test_with_dropout():
    layers = [fd.Dropout(0.2, D), fd.Dense(D, 6, "relu"), fd.Dropout(0.5), fd.Dense(K)]
    one, other = (trainer(network=fd.Network(layers), seed=3) for _ in range(2))
    alike(one, other, rows(10), answers("hinge", 10), steps=5)


@pytest.mark.filterwarnings("ignore:a batch of one row has no variance")
@pytest.mark.parametrize("n", [1, 10, 5000])
def test_with_norms(n):
    layers = [fd.Dense(D, 6), fd.BatchNorm(activation="relu"), fd.Dropout(0.5), fd.Dense(K)]
    one, other = (trainer(network=fd.Network(layers), n=n, seed=3) for _ in range(2))
    alike(one, other, rows(n), answers("hinge", n), steps=3)


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    n=st.integers(1, 70),
    loss=st.sampled_from(["mse", "binary_cross_entropy", "hinge"]),
    dtype=st.sampled_from(["float32", "float64"]),
    form=st.sampled_from(sorted(ROWS)),
    optimiser=st.sampled_from(sorted(OPTIMISERS)),
)
def test_of_any_shape_at_all(widths, n, loss, dtype, form, optimiser):
    if loss == "hinge":
        widths[-1] += 1
    x = ROWS[form](rows(n, widths[0]))
    one, other = (
        trainer(widths, OPTIMISERS[optimiser], n, loss=loss, dtype=dtype) for _ in range(2)
    )
    alike(one, other, x, answers(loss, n, widths[-1], dtype), steps=2)


def test_batches_may_differ_in_size():
    one, other = trainer(), trainer()
    for n in (10, 3, 600, 1, 20, 3):
        other.batch_size = n
        alike(one, other, rows(n).astype(np.float32), answers("hinge", n), steps=2)


@pytest.mark.parametrize("writeable", [True, False])
def test_nothing_that_is_given_is_changed(writeable):
    x, y, weights = rows(10).astype(np.float32), answers("hinge", 10), np.ones(10)
    for array in (x, y, weights):
        array.flags.writeable = writeable
    before = [array.tobytes() for array in (x, y, weights)]
    one = trainer()
    one.step(x, y)
    one.step(x, y, weights)
    assert [array.tobytes() for array in (x, y, weights)] == before


# --- between fits ------------------------------------------------------------------------------


def test_steps_and_fits_go_on_from_each_other():
    x, y = rows(30).astype(np.float32), answers("hinge", 30)
    one, other = (trainer(optimiser=OPTIMISERS["cosine"]) for _ in range(2))
    one.fit(x, y, record=None)
    for _ in range(2):
        for start in range(0, 30, 10):
            one.step(x[start : start + 10], y[start : start + 10])
    one.fit(x, y, record=None)
    other.fit(x, y, epochs=4, record=None)
    assert bits(one) == bits(other)
    assert (one.n_steps, one.epoch, other.epoch) == (12, 2, 4)


@pytest.mark.parametrize("change", [
    {"l2": 0.5}, {"l1": 0.1}, {"clip_norm": 1e-3}, {"n_threads": 2}, {"batch_size": 3},
])  # fmt: skip
def test_settings_hold_from_the_next_step_on(change):
    x, y = rows(10).astype(np.float32), answers("hinge", 10)
    one, other = trainer(), trainer()
    alike(one, other, x, y)
    for each in (one, other):
        for name, value in change.items():
            setattr(each, name, value)
    other.batch_size = 10
    alike(one, other, x, y)
    for each in (one, other):
        each.network.set_penalty(l2=0.3)
    alike(one, other, x, y)


def test_parameters_that_are_written_between_steps_count():
    x, y = rows(40, 300).astype(np.float32), answers("hinge", 40, 10)
    one, other = (trainer([300, 150, 10], n=40) for _ in range(2))
    for value in (0.01, -0.02):
        alike(one, other, x, y)
        for each in (one, other):
            each.network.parameters["layers.1.weight"][...] = value


@pytest.mark.parametrize("again", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_goes_on_by_itself(again):
    x, y = rows(10).astype(np.float32), answers("hinge", 10)
    one = trainer()
    one.step(x, y)
    before, other = bits(one), again(one)
    other.step(x, y)
    assert bits(one) == before
    one.step(x, y)
    assert bits(one) == bits(other)


# --- what is refused ---------------------------------------------------------------------------

X, Y = rows(10).astype(np.float32), answers("hinge", 10)
NAN = X.copy()
NAN[3, 2] = np.nan
WRONG = {
    "columns": (X[:, 1:], Y), "axes": (X[0], Y), "rows": (X, Y[1:]), "no rows": (X[:0], Y[:0]),
    "nan": (NAN, Y), "infinity": (np.where(np.isnan(NAN), np.inf, NAN), Y),
    "nan of double": (NAN.astype(float), Y), "too large": (np.full((10, D), 1e300), Y),
    "label": (X, np.full(10, K)), "negative": (X, np.full(10, -1)),
    "nan label": (X, X[:, 0] * np.nan),
    "words": (X, ["a"] * 10), "times": (X.astype("M8[s]"), Y), "complex": (X.astype(complex), Y),
    "none": (None, Y),
    "one-hot": (X, np.eye(K)[Y]), "half": (X, Y + 0.5), "large": (X, np.full(10, 2**40)),
    "masked": (np.ma.array(X, mask=NAN != NAN), Y),
}  # fmt: skip
WRONG_TARGETS = {
    "nan": np.full((10, K), np.nan), "nan of float": np.full((10, K), np.nan, np.float32),
    "shape": np.zeros((10, K - 1), np.float32), "labels": Y, "transposed": np.zeros((K, 10)),
    "infinity": np.full((10, K), np.inf, np.float32), "words": [["a"] * K] * 10,
}  # fmt: skip


def refusal(call, *given, **more):
    with pytest.raises((ValueError, TypeError, OverflowError)) as caught:
        call(*given, **more)
    return type(caught.value), str(caught.value)


def refused_alike(make, x, y, **weights):
    """As fit refuses it, before any step and after one; and nothing has changed then."""
    for ready in (False, True):
        one, other = make(), make()
        if ready:
            for each in (one, other):
                right = Y if each.network.loss != "mse" else rows(10, K).astype(np.float32)
                each.fit(X, right, record=None)
                each.step(X, right)
        before = bits(one), one.network.inputs
        assert refusal(one.step, x, y, **weights) == refusal(other.fit, x, y, **weights)
        assert (bits(one), one.network.inputs) == before


@pytest.mark.parametrize("name", WRONG)
def test_what_a_fit_refuses_a_step_refuses_alike(name):
    refused_alike(trainer, *WRONG[name])


@pytest.mark.parametrize("name", WRONG_TARGETS)
def test_likewise_targets(name):
    refused_alike(lambda: trainer(loss="mse"), X, WRONG_TARGETS[name])


@pytest.mark.parametrize("weights", [np.zeros(10), -np.ones(10), np.ones(9), np.full(10, np.nan)])
def test_likewise_weights(weights):
    refused_alike(trainer, X, Y, sample_weight=weights)


def test_a_network_remembers_what_it_was_trained_on():
    one = trainer()
    one.step(X, Y)
    assert one.network.inputs.kind == "numbers"
    with pytest.raises(TypeError, match="must hold numbers, on which this network was fitted"):
        one.step(X.astype(np.uint8), Y)
    for answer in (one.network.predict, one.network.logits, one.network.predict_proba):
        with pytest.raises(TypeError, match="must hold numbers"):
            answer(X.astype(np.uint8))
    pixels = trainer()
    pixels.step(ROWS["uint8"](X), Y)
    for call in (pixels.network.predict, lambda x: pixels.step(x, Y)):
        with pytest.raises(TypeError, match="must hold pixels"):
            call(X)


def test_a_loss_that_is_not_finite_takes_no_step():
    one = trainer(loss="mse", optimiser=fd.SGD(0.1))
    y = rows(10, K).astype(np.float32)
    one.step(X, y)
    one.network.parameters["layers.1.weight"][...] = 3e38
    before = bits(one)
    with pytest.raises(fd.DivergenceError, match=r"at epoch 1, step 2, .* of step 1\)") as caught:
        one.step(X, y)
    assert bits(one) == before
    assert caught.value.history.n_records == 0
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_parameters_that_are_not_finite_take_no_step():
    one = trainer()
    one.network.parameters["layers.1.bias"][2] = np.nan
    with pytest.raises(ValueError, match=r"parameters\['layers.1.bias'\] must be finite"):
        one.step(X, Y)
    one.network.parameters["layers.1.bias"][2] = 0
    one.step(X, Y)
    one.network.parameters["layers.1.bias"][2] = np.nan
    with pytest.raises(fd.DivergenceError, match=r"got nan .* holds some that are not finite"):
        one.step(X, Y)
    assert one.n_steps == 1


def test_rates_are_asked_for_step_by_step():
    class Table:
        def rates(self, steps, epoch):
            return np.array([0.1, 0.2, -1.0])[steps]

    one = trainer(optimiser=fd.SGD(Table()))
    one.step(X, Y)
    one.step(X, Y)
    before = bits(one)
    with pytest.raises(ValueError, match="rates must not be negative"):
        one.step(X, Y)
    assert bits(one) == before


def test_no_step_while_a_fit_runs():
    one = trainer()

    class Steps(fd.Callback):
        def on_epoch(self, run):
            run.trainer.step(X, Y)

    with pytest.raises(RuntimeError, match="must be free for a fit or a step"):
        one.fit(X, Y, callbacks=[Steps()])
    one.step(X, Y)


def test_a_fit_that_goes_on_comes_before_steps(tmp_path):
    path = tmp_path / "fit.safetensors"
    trainer(n=5).fit(X, Y, callbacks=[fd.Checkpoint(path)])
    one = trainer(n=5)
    one.step(X, Y)
    one.resume(path)
    with pytest.raises(RuntimeError, match="step must come after the fit"):
        one.step(X, Y)
    one.fit(X, Y, epochs=2, callbacks=[fd.Checkpoint(path)])
    whole = trainer(n=5)
    whole.fit(X, Y, epochs=2)
    assert bits(one) == bits(whole)
    one.step(X, Y)
    whole.step(X, Y)
    assert bits(one) == bits(whole)


def test_two_networks_step_side_by_side():
    expected, found = [], []
    for results, start in ((expected, False), (found, True)):
        trainers = [trainer(seed=seed) for seed in range(4)]

        def work(each, i):
            for _ in range(50):
                each.step(X + i, Y)

        threads = [threading.Thread(target=work, args=(each, i)) for i, each in enumerate(trainers)]
        for thread in threads:
            thread.start()
            if not start:
                thread.join()
        for thread in threads:
            thread.join()
        results += [bits(each) for each in trainers]
    assert found == expected


@pytest.mark.parametrize("n", [1, 3, 5000])
def test_targets_of_0_and_1_that_come_ready_are_as_those_that_are_read(n):
    """Ready ones go to the loops at once, integers are looked at; wrong ones are refused alike."""
    x = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.float32)
    both = [
        fd.Trainer(fd.Network([4, 3, 1], loss="binary_cross_entropy"), fd.Adam(0.1)) for _ in "12"
    ]
    for _ in range(3):
        assert both[0].step(x, y) == both[1].step(x, y.astype(int))
    for wrong in (0.5, -1, np.nan):
        bad = y.copy()
        bad[-1] = wrong
        before = both[0].n_steps
        with pytest.raises(ValueError, match="y must be"):
            both[0].step(x, bad)
        assert both[0].n_steps == before
    for a, b in zip(*(each.network.parameters.values() for each in both), strict=True):
        np.testing.assert_array_equal(a, b)
