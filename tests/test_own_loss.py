"""A loss of one's own, and gradients that somebody else has found: as the library's, or refused."""

import copy
import pickle

import numpy as np
import pytest

import fastdl as fd

N, D, K = 12, 7, 5
RNG = np.random.default_rng(0)
X, LABELS, TARGETS = RNG.normal(size=(N, D)), RNG.integers(0, K, N), RNG.normal(size=(N, K))
WEIGHTS = RNG.uniform(0.1, 2, N)


def cross_entropy(logits, y):
    """In place, as one may do with an array of one's own."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    losses = -np.log(logits[rows, y])
    logits[rows, y] -= 1
    return losses, logits


def squared(logits, y):
    off = logits - y
    return np.square(off).mean(axis=1), 2 * off / logits.shape[1]


def wrong(logits, y):
    losses, dlogits = squared(logits, y)
    return losses, 1.01 * dlogits


KINDS = {
    "softmax_cross_entropy": (cross_entropy, LABELS), "mse": (squared, TARGETS)
}  # fmt: skip


def make(loss, widths=(D, 6, K), dtype="float64", layers=None, **settings):
    net = fd.Network(layers or list(widths), activation="tanh", loss=loss, dtype=dtype)
    return fd.Trainer(net, fd.SGD(0.1, momentum=0.9), **{"batch_size": 5} | settings)


def parameters(trainer):
    return {name: p.copy() for name, p in trainer.network.parameters.items()}


def near(one, other, rtol=1e-9):
    for name, p in parameters(one).items():
        np.testing.assert_allclose(p, parameters(other)[name], rtol=rtol, atol=rtol * 1e-2)


def bits(trainer):
    return [p.tobytes() for p in parameters(trainer).values()], trainer.n_steps


# --- as the library's own losses ---------------------------------------------------------------


@pytest.mark.parametrize("settings", [
    {}, {"shuffle": None}, {"shuffle": "batches"}, {"l1": 1e-3, "l2": 1e-2}, {"clip_norm": 0.05},
    {"drop_last": True}, {"n_threads": 2},
])  # fmt: skip
@pytest.mark.parametrize("name", KINDS)
def test_a_fit_is_that_with_the_loss_of_the_library(name, settings):
    function, y = KINDS[name]
    own, ours = make(function, **settings), make(name, **settings)
    for weights in (None, WEIGHTS):
        for train_metrics in ("full", "batches"):
            history, expected = (
                each.fit(
                    X, y, epochs=2, sample_weight=weights, validation=(X[:4], y[:4], WEIGHTS[:4]),
                    train_metrics=train_metrics,
                )
                for each in (own, ours)
            )  # fmt: skip
            near(own, ours)
            columns = ["epoch", "step", "learning_rate", "loss", "cost", "val_loss", "val_cost"]
            assert list(history) == [*columns, "seconds"]
            for column in columns:
                np.testing.assert_allclose(history[column], expected[column], rtol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_a_step_is_one_too(name):
    function, y = KINDS[name]
    own, ours, fits = make(function), make(name), make(function, batch_size=N, shuffle=None)
    for weights in (None, WEIGHTS):
        loss, expected = (each.step(X, y, weights) for each in (own, ours))
        fits.fit(X, y, sample_weight=weights, record=None)
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        near(own, ours)
        assert bits(own) == bits(fits)


@pytest.mark.parametrize("n", [1, 64, 700, 1500])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_of_any_size_on_any_number_of_threads(n, dtype):
    """Also of more rows than lie in the workspace at once."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n, 300)).astype(dtype), rng.integers(0, K, n)
    found = []
    for loss, n_threads in ((cross_entropy, 1), (cross_entropy, 2), ("softmax_cross_entropy", 1)):
        trainer = make(loss, [300, 40, K], dtype, batch_size=n, n_threads=n_threads)
        trainer.fit(x, y, epochs=3, record=None)
        found.append(trainer)
    assert bits(found[0]) == bits(found[1])
    near(found[0], found[2], 1e-3 if dtype == "float32" else 1e-9)


def test_with_dropout_the_logits_are_those_of_the_step():
    layers = [fd.Dropout(0.3), fd.Dense(D, 20, "relu"), fd.Dropout(0.5), fd.Dense(K)]
    own, ours = make(squared, layers=layers, seed=3), make("mse", layers=layers, seed=3)
    for each in (own, ours):
        each.fit(X, TARGETS, epochs=3, record=None)
        each.step(X, TARGETS)
    near(own, ours)


@pytest.mark.parametrize("form", [np.float32, np.uint8, np.int16, list, np.asfortranarray])
def test_rows_of_any_form(form):
    x = np.rint(9 * np.abs(X))
    x = x.tolist() if form is list else form(x)
    own, ours = make(squared), make("mse")
    for each in (own, ours):
        each.fit(x, TARGETS, record=None)
    near(own, ours)


@pytest.mark.parametrize("name", KINDS)
def test_evaluations_and_gradients(name):
    function, y = KINDS[name]
    own, ours = make(function).network, make(name).network
    for net in (own, ours):
        net.set_penalty(l2=0.1)
    for weights in (None, WEIGHTS):
        found = own.evaluate(X, y, sample_weight=weights)
        expected = ours.evaluate(X, y, sample_weight=weights)
        assert found._fields == ("loss", "cost")
        np.testing.assert_allclose(found, expected[:2], rtol=1e-12)
    for each, expected in zip(
        own.gradients(X, y).values(), ours.gradients(X, y).values(), strict=True
    ):
        np.testing.assert_allclose(each, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(own.predict(X), own.logits(X))


# --- what the function sees --------------------------------------------------------------------


class Seen:
    """A loss that keeps what it is given."""

    def __init__(self):
        self.logits, self.y = [], []

    def __call__(self, logits, y):
        self.logits.append(logits)
        self.y.append(y)
        return np.zeros(len(logits)), np.zeros(logits.shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_called_once_a_batch_with_that_batch(dtype):
    seen = Seen()
    trainer = make(seen, dtype=dtype, shuffle=None)
    y = np.arange(2 * N, dtype=np.int16).reshape(N, 2)
    trainer.fit(X, y, record=None)
    assert [len(each) for each in seen.logits] == [5, 5, 2]
    assert all(each.dtype == dtype and each.flags.writeable for each in seen.logits)
    assert all(each.dtype == np.int16 for each in seen.y)
    np.testing.assert_array_equal(np.concatenate(seen.y), y)
    logits = np.concatenate(seen.logits)
    np.testing.assert_allclose(logits, trainer.network.logits(X), rtol=1e-6)
    trainer.network.evaluate(X, y)
    assert len(seen.logits[-1]) == N


def test_metrics_tell_what_else_there_is_to_know():
    metrics = {"accuracy": lambda y, outputs: float((outputs.argmax(axis=1) == y).mean())}
    with pytest.raises(ValueError, match="must be a name that no other column has"):
        make(cross_entropy).fit(X, LABELS, metrics=metrics)
    metrics = {"hits": metrics["accuracy"]}
    history = make(cross_entropy).fit(X, LABELS, epochs=60, metrics=metrics)
    assert history["hits"][-1] == 1.0


def test_rows_that_are_not_finite_are_named_and_it_is_not_called():
    seen, bad = Seen(), X.copy()
    bad[8, 2] = np.nan
    trainer = make(seen, shuffle=None)
    for call in (trainer.fit, trainer.step, trainer.network.evaluate, trainer.network.gradients):
        with pytest.raises(ValueError, match="x must be finite; got nan at row 8, column 2"):
            call(bad, TARGETS)
    assert all(np.isfinite(each).all() for each in seen.logits)
    assert trainer.n_steps == 0


def test_logits_that_are_not_finite_diverge():
    trainer = make(squared, dtype="float32")
    trainer.network.parameters["layers.1.weight"][...] = 3e38
    before = bits(trainer)
    for call in (trainer.fit, trainer.step):
        with pytest.raises(fd.DivergenceError, match="got nan at epoch 1, step 1"):
            call(X, TARGETS)
    assert bits(trainer) == before


# --- what it may not return ---------------------------------------------------------------------

RETURNED = {
    "no pair": (lambda a, b: a, r"must return \(losses, dlogits\); got a ndarray"),
    "a mean": (lambda a, b: (a.mean(), b), r"losses must be a loss for each of \d+ rows"),
    "columns": (lambda a, b: (a[:, None], b), r"losses must have the shape \(\d+,\)"),
    "too few": (lambda a, b: (a, b[:, 1:]), r"dlogits must have the shape \(\d+, 5\)"),
    "transposed": (lambda a, b: (a, b.T), r"dlogits must have the shape"),
    "nan loss": (
        lambda a, b: (a * np.nan, b),
        r"losses must be finite; got nan at row 0, use np",
    ),
    "infinite": (lambda a, b: (a, b / 0), "dlogits must be finite; got -?inf at row 0, column 0"),
    "words": (lambda a, b: (a, np.full(b.shape, "a")), "dlogits must hold real numbers"),
    "complex": (lambda a, b: (a, b * 1j), "dlogits must hold real numbers"),
    "nothing": (lambda a, b: (None, b), "losses must be"),
}


@pytest.mark.parametrize("name", RETURNED)
def test_what_it_may_not_return(name):
    change, told = RETURNED[name]

    def loss(logits, y):
        with np.errstate(all="ignore"):
            return change(*squared(logits, y))

    trainer = make(loss, batch_size=4)
    before = bits(trainer)
    calls = trainer.fit, trainer.step, trainer.network.evaluate, trainer.network.gradients
    for call in calls:
        with pytest.raises((TypeError, ValueError), match=told):
            call(X, TARGETS)
        assert bits(trainer) == before


def test_what_it_raises_passes_and_takes_no_step():
    calls = []

    def loss(logits, y):
        calls.append(len(y))
        if len(calls) == 4:
            raise ZeroDivisionError("mine")
        return squared(logits, y)

    trainer = make(loss, shuffle=None)
    with pytest.raises(ZeroDivisionError, match="mine"):
        trainer.fit(X, TARGETS, epochs=2, record=None)
    assert trainer.n_steps == 3
    trainer.step(X, TARGETS)
    assert trainer.n_steps == 4


@pytest.mark.parametrize("y", [TARGETS[1:], 3.0, None, "words", [["a"] * K] * N])
def test_what_y_may_not_be(y):
    with pytest.raises((TypeError, ValueError), match=r"^y must"):
        make(squared).fit(X, y)


def test_numbers_of_one_output_are_a_column_as_logits_are():
    trainer = fd.Trainer(fd.Network([D, 1], loss=squared), fd.SGD(0.01))
    y = TARGETS[:, 0]
    for call in (trainer.fit, trainer.step, trainer.network.evaluate, trainer.network.gradients):
        with pytest.raises(ValueError, match=r"y must have the shape .* use np.asarray\(y\)"):
            call(X, y)
        call(X, y[:, None])


@pytest.mark.parametrize("loss", [len, lambda logits: 0, fd.losses.Own, dict, 3])
def test_what_is_no_loss(loss):
    with pytest.raises((TypeError, ValueError), match="loss"):
        fd.Network([2, 1], loss=loss)


def test_there_are_no_probabilities():
    with pytest.raises(
        ValueError, match="predict_proba must have a loss with probabilities; got own"
    ):
        make(squared).network.predict_proba(X)


# --- files and copies ----------------------------------------------------------------------------


def test_a_file_has_its_name_alone(tmp_path):
    path = tmp_path / "net.safetensors"
    net = make(squared).network
    net.save(path)
    with pytest.raises(fd.CheckpointError, match=r"loss must be given .* use loss=squared"):
        fd.Network.load(path)
    again = fd.Network.load(path, loss=squared)
    assert again.evaluate(X, TARGETS) == net.evaluate(X, TARGETS)
    fd.Network([2, 2]).save(path)
    with pytest.raises(fd.CheckpointError, match="loss must be left out"):
        fd.Network.load(path, loss=squared)


def test_copies_keep_it():
    trainer = make(squared)
    trainer.fit(X, TARGETS, record=None)
    for other in (copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        other.fit(X, TARGETS, record=None)
        other.step(X, TARGETS)
        copied = make(squared, n_threads=1)
        copied.network.parameters.update(other.network.parameters)
    trainer.fit(X, TARGETS, record=None)
    trainer.step(X, TARGETS)
    assert bits(trainer) == bits(other)
    net = trainer.network.copy("float32")
    np.testing.assert_allclose(net.evaluate(X, TARGETS), trainer.network.evaluate(X, TARGETS), 1e-5)
    assert "own squared" in repr(net)
    assert net.loss == "own"


def test_a_fit_goes_on_to_the_same_bits(tmp_path):
    path = tmp_path / "fit.safetensors"
    whole = make(squared)
    history = whole.fit(X, TARGETS, epochs=4, sample_weight=WEIGHTS, train_metrics="batches")

    class Stop(fd.Callback):
        steps = 1

        def on_step(self, run):
            if run.step == 5:
                raise KeyboardInterrupt

    given = {"epochs": 4, "sample_weight": WEIGHTS, "train_metrics": "batches"}
    saves = fd.Checkpoint(path, every=1, unit="step")
    make(squared).fit(X, TARGETS, callbacks=[saves, Stop()], **given)
    with pytest.raises(fd.CheckpointError, match="function must be 'squared'"):
        make(wrong).resume(path)
    again = make(squared)
    again.resume(path)
    found = again.fit(X, TARGETS, callbacks=[fd.Checkpoint(path)], **given)
    assert bits(again) == bits(whole)
    np.testing.assert_array_equal(found["loss"], history["loss"])


# --- the checks of gradients ----------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_checked(name):
    function, y = KINDS[name]
    assert fd.check_gradients(make(function, dtype="float32").network, X, y)


def test_a_wrong_gradient_is_found():
    assert not fd.check_gradients(make(wrong).network, X, TARGETS)


def test_a_gradient_that_is_given_is_checked():
    net = make("mse").network
    assert fd.check_gradients(net, X, dlogits=TARGETS)


def test_an_audit_knows_it():
    net = fd.Network([D, K], loss=squared)

    def mine(x, y, W, b, lam):
        off = 2 * (W @ x + b - y) / K
        return off @ x.T / x.shape[1] + 2 * lam * W, off.mean(axis=1, keepdims=True)

    assert fd.audit_gradients(mine, net, X, TARGETS, l2=0.1).right


# --- gradients that are given ---------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"l2": 0.1}, {"clip_norm": 0.01}, {"n_threads": 2}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_given_gradient_is_used_as_it_is(dtype, settings):
    ours, given = (make("mse", dtype=dtype, **settings) for _ in range(2))
    x, y = X.astype(dtype), TARGETS.astype(dtype)
    for form in (np.asarray, np.asfortranarray, np.ndarray.tolist, np.float64):
        ours.step(x, y)
        dlogits = fd.ops.mse(given.network.logits(x), y)[1]
        assert given.step(x, dlogits=form(dlogits)) is None
        near(ours, given, 1e-5 if dtype == "float32" else 1e-12)
    assert given.n_steps == ours.n_steps == 4
    found, expected = given.network.gradients(x, dlogits=dlogits), ours.network.gradients
    assert found.keys() == expected(x, y).keys()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dlogits": np.zeros((N, K - 1))}, r"dlogits must have the shape \(12, 5\)"),
        ({"dlogits": np.full((N, K), np.nan)}, "dlogits must be finite"),
        ({"dlogits": np.full((N, K), np.nan, np.float32)}, "dlogits must be finite"),
        ({"dlogits": "a"}, "dlogits must"),
        ({"dlogits": np.zeros((N, K)), "y": TARGETS}, "dlogits must go without y"),
        ({"dlogits": np.zeros((N, K)), "sample_weight": WEIGHTS}, "must go without sample_weight"),
        ({}, "y must be given, or dlogits instead of it; got neither"),
    ],
)
def test_what_may_not_be_given(given, told):
    trainer = make("mse", dtype="float32")
    trainer.step(X, TARGETS)
    before = bits(trainer)
    for x in (X, X.astype(np.float32)):
        with pytest.raises((TypeError, ValueError), match=told):
            trainer.step(x, **given)
    assert bits(trainer) == before


def test_with_dropout_nobody_else_knows_the_logits():
    for layer in (fd.Dropout(0.5), fd.BatchNorm()):
        trainer = make("mse", layers=[fd.Dense(D, K), layer, fd.Dense(K)])
        with pytest.raises(ValueError, match="dlogits must be of a network without Dropout"):
            trainer.step(X, dlogits=TARGETS)


def test_a_gradient_of_one_output_may_be_one_number_a_row():
    one, other = (fd.Trainer(fd.Network([D, 1], loss="mse"), fd.SGD(0.1)) for _ in range(2))
    column = TARGETS[:, :1].astype(np.float32)
    one.step(X, dlogits=column)
    for given in (column[:, 0], column[:, 0].tolist()):
        again = fd.Trainer(fd.Network([D, 1], loss="mse"), fd.SGD(0.1))
        again.step(X, dlogits=given)
        assert bits(again) == bits(one) != bits(other)


def test_rows_of_a_given_gradient_are_checked():
    trainer, bad = make("mse"), X.copy()
    bad[3, 1] = np.inf
    for _ in range(2):
        with pytest.raises(ValueError, match="x must be finite; got inf at row 3, column 1"):
            trainer.step(bad, dlogits=TARGETS)
        trainer.step(X, dlogits=TARGETS)
    assert trainer.n_steps == 2
