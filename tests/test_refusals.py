"""Refusals whose remedy is followed mechanically, and the second try succeeds.

A row is what somebody brings and what the sentence tells him to bring instead: see ``remedies``.
Where the remedy is a network of another size, the call makes the network by its arguments ``d``
and ``k``. Wrong arrays in every public function are in test_bad_input.py, settings in
test_bad_settings.py; both follow remedies too.
"""

import datetime
import re
import tempfile
from contextlib import suppress

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import fastdl as fd
from tests import remedies

N, D, K = 12, 4, 3
RNG = np.random.default_rng(5)
X = RNG.standard_normal((N, D))
Y = np.arange(N) % K
TARGETS = RNG.standard_normal((N, 2))
WORDS = np.array(["cat", "dog", "owl"])[Y]


class Tensor:
    """As another library's that must not be converted behind its back."""

    def __init__(
        self, array, dtype="float32", why="Can't call numpy() on a tensor with a gradient"
    ):
        self.array, self.dtype, self.why = array, f"library.{dtype}", why

    def __array__(self, *args, **kwargs):
        raise RuntimeError(self.why)

    def detach(self):
        return self

    cpu = detach

    def float(self):
        return Tensor(self.array)

    def numpy(self):
        assert self.dtype.endswith("float32")
        return self.array


def as_frame(x, **columns):
    return pd.DataFrame(x, columns=list("abcd")[: x.shape[1]]).assign(**columns)


def fit(x=X, y=Y, k=K, d=None, loss="softmax_cross_entropy", scaling=None, **settings):
    """A network of as many inputs as the rows have, unless d is given."""
    columns = np.shape(x)[1] if np.ndim(x) == 2 else D
    network = fd.Network([columns if d is None else d, 5, k], loss=loss, scaling=scaling)
    return fd.Trainer(network, fd.SGD(0.01), batch_size=5).fit(x, y, **settings)


def evaluate(x=X, y=Y, k=K, d=D, loss="softmax_cross_entropy", sample_weight=None):
    network = fd.Network([d, 5, k], loss=loss)
    return network.evaluate(x, y, sample_weight=sample_weight)


def of_pixels(x):
    pixels = RNG.integers(0, 256, (N, D)).astype(np.uint8)
    network = fd.Network([D, K])
    fd.Trainer(network, fd.SGD(0.01)).fit(pixels, Y)
    return network.predict(x)


def of_numbers(x):
    network = fd.Network([D, K])
    fd.Trainer(network, fd.SGD(0.01)).fit(X, Y)
    return network.predict(x)


def graph_of_numbers(rows):
    network = fd.Network([D, K])
    fd.Trainer(network, fd.SGD(0.01)).fit(X, Y)
    if rows != "uint8":
        pytest.importorskip("onnx")
    with tempfile.TemporaryDirectory() as folder:
        network.to_onnx(f"{folder}/net.onnx", rows=rows)


def of_columns(x, network):
    return network.predict(x)


def fitted_on_columns():
    network = fd.Network([D, K])
    fd.Trainer(network, fd.SGD(0.01)).fit(as_frame(X), Y)
    return network


def twice(network):
    """A fit while BUSY is being fitted."""
    with BUSY.exclusive():
        return fd.Trainer(network, fd.SGD(0.01)).fit(X, Y)


def update(parameters):
    fd.Network([D, K]).parameters.update(parameters)


def squared(logits, y):
    return ((logits - y) ** 2).sum(axis=1), 2 * (logits - y)


def led(**given):
    """A step by a gradient that is given, and what of it does not go with that."""
    trainer = fd.Trainer(fd.Network([D, 2], loss="mse"), fd.SGD(0.01))
    return trainer.step(X, **({"dlogits": TARGETS} | given))


def by_own(loss, y=TARGETS):
    return fd.Trainer(fd.Network([D, 2], loss=loss), fd.SGD(0.01)).step(X, y)


def by_own_of_one_output(y):
    return fd.Trainer(fd.Network([D, 1], loss=squared), fd.SGD(0.01)).step(X, y)


def step_before_a_fit_goes_on():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/fit.safetensors"
        trainer = fd.Trainer(fd.Network([D, K]), fd.SGD(0.01))
        trainer.fit(X, Y, callbacks=[fd.Checkpoint(path)])
        trainer.resume(path)
        trainer.step(X, Y)


def batches():
    yield X, Y


def dates(kind, first, step):
    """A table of them, as objects."""
    return np.array([[kind(first + step * i)] * D for i in range(N)], object)


def in_frame(column):
    return as_frame(X[:, :3]).assign(when=pd.Series(column[:, 0], dtype=object))


START, HOUR = datetime.datetime(2026, 1, 1), datetime.timedelta(hours=1)
TIMES = {  # what: rows of it, seconds of a step, seconds of the unit that is told
    "days": (dates(datetime.date.fromordinal, 738000, 1), 86400, 86400),
    "times of days": (dates(lambda at: at, START, HOUR), 3600, 1e-6),
    "times of a zone": (
        dates(lambda at: at.replace(tzinfo=datetime.UTC), START, HOUR), 3600, 1,
    ),
    "written times": (dates(datetime.datetime.isoformat, START, HOUR), 3600, 1e-6),
    "written days": (
        dates(lambda at: str(datetime.date.fromordinal(at)), 738000, 1).astype(str), 86400, 1e-6,
    ),
    "spans": (dates(lambda at: at, HOUR, HOUR), 3600, 1e-6),
}  # fmt: skip
INSTEAD_ERRORS = (TypeError, ValueError, AttributeError, KeyError)
PARAM, BUSY, NET = np.ones((3, 2)), fd.Network([D, K]), fd.Network([D, K])
LARGE = np.where(X > 1, 1e300, X)
NORMED = {"x": X, "gamma": np.ones(D), "beta": np.zeros(D)}
ROWS = {  # what: the call, the argument that is wrong, what is given
    "a mean without a variance": (fd.ops.batch_norm, "variance", NORMED | {"mean": X[0]}),
    "a variance without a mean": (fd.ops.batch_norm, "mean", NORMED | {"variance": X[0] ** 2}),
    # labels
    "words": (fit, "y", {"y": WORDS}),
    "a list of words": (fit, "y", {"y": WORDS.tolist()}),
    "bytes": (fit, "y", {"y": WORDS.astype("S")}),
    "a series of words": (fit, "y", {"y": pd.Series(WORDS)}),
    "categories": (fit, "y", {"y": pd.Series(WORDS, dtype="category")}),
    "words and numbers": (fit, "y", {"y": np.array(["cat", 1, 2] * 4, object)}),
    "more words than outputs": (fit, "y", {"y": np.array(list("abcdefghijkl"))}),
    "one-hot": (fit, "y", {"y": np.eye(K)[Y]}),
    "one-hot bools": (fit, "y", {"y": np.eye(K, dtype=bool)[Y]}),
    "one-hot, classes first": (fit, "y", {"y": np.eye(K, dtype=int)[Y].T}),
    "several labels a row": (fit, "y", {"y": np.array([[1, 1, 0], [0, 1, 1]] * 6)}),
    "a table of labels": (fit, "y", {"y": np.column_stack([Y, Y])}),
    "counted from one": (fit, "y", {"y": Y + 1}),
    "zero to K": (fit, "y", {"y": np.arange(N) % (K + 1)}),
    "far apart": (fit, "y", {"y": 10 * Y}),
    "plus and minus one": (fit, "y", {"y": 2 * (np.arange(N) % 2) - 1}),
    "minus one for none": (fit, "y", {"y": np.arange(N) % (K + 1) - 1}),
    "more than outputs, far apart": (fit, "y", {"y": 100 * (np.arange(N) % 5)}),
    "fractions": (fit, "y", {"y": Y + 0.25}),
    "a missing label": (fit, "y", {"y": np.where(np.arange(N) == 3, np.nan, Y)}),
    "a missing nullable label": (fit, "y", {"y": pd.Series([0, None, 1] * 4, dtype="Int64")}),
    "None among labels": (fit, "y", {"y": np.array([0, None, 1] * 4, object)}),
    # rows
    "one row": (of_numbers, "x", {"x": X[0]}),
    "a list of one row": (of_numbers, "x", {"x": X[0].tolist()}),
    "one feature": (fit, "x", {"x": X[:, 0], "d": 1}),
    "inputs first": (of_numbers, "x", {"x": X[:3].T}),
    "images": (fit, "x", {"x": X.reshape(N, 2, 2)}),
    "one image": (of_numbers, "x", {"x": X[0].reshape(2, 2)}),
    "images of channels": (of_numbers, "x", {"x": X.reshape(N, 2, 2, 1)}),
    "numerals": (of_numbers, "x", {"x": X.astype(str)}),
    "complex numbers": (of_numbers, "x", {"x": X + 0j}),
    "a sparse matrix": (fit, "x", {"x": sparse.csr_matrix(X), "d": D}),
    "a sparse array": (fit, "x", {"x": sparse.coo_array(X), "d": D}),
    "masked": (fit, "x", {"x": np.ma.masked_array(X, X > 1)}),
    "a word in a frame": (fit, "x", {"x": as_frame(X, town=WORDS)}),
    "two columns of words": (fit, "x", {"x": as_frame(X, town=WORDS, kind=WORDS)}),
    "categories in a frame": (fit, "x", {"x": as_frame(X, town=pd.Categorical(WORDS))}),
    "a table of records": (
        of_numbers, "x", {"x": np.zeros(N, [(name, float) for name in "abcd"])},
    ),
    "a dictionary of columns": (fit, "x", {"x": dict(as_frame(X)), "d": D}),
    "a generator of rows": (fit, "x", {"x": map(list, X), "d": D}),
    "None in a row": (of_numbers, "x", {"x": np.where(X > 1, None, X)}),
    "numerals in a frame": (fit, "x", {"x": as_frame(X, town=X[:, 0].astype(str))}),
    "times in a frame": (
        evaluate, "x", {"x": as_frame(X, when=pd.date_range("2026", periods=N)), "d": D + 1},
    ),
    "complex numbers in a frame": (fit, "x", {"x": as_frame(X, z=X[:, 0] + 1j)}),
    "one row of labels": (fit, "y", {"y": Y[None]}),
    "large integers beside fractions": (
        evaluate, "x", {"x": np.array([[2**60 + 1, 0.5]] * N, object), "d": 2},
    ),
    "digits lost in float32": (
        fit, "y", {"y": 1.7e9 + np.arange(float(N)), "k": 1, "loss": "mse"},
    ),
    "the weights of classes": (fit, "sample_weight", {"sample_weight": "balanced"}),
    "NaN in a row": (fit, "x", {"x": np.where(X > 1.5, np.nan, X)}),
    "a missing value in a frame": (fit, "x", {"x": as_frame(X).where(X < 1.5)}),
    "a number too large": (fit, "x", {"x": LARGE}),
    "long integers": (fit, "x", {"x": 2**60 + np.arange(N * D).reshape(N, D)}),
    "nanoseconds": (fit, "x", {"x": 1_700_000_000_123_456_789 + np.arange(N)[:, None]}),
    "times": (fit, "x", {"x": (np.arange(N * D).reshape(N, D) * 10**9).astype("M8[ns]")}),
    "a tensor with a gradient": (of_numbers, "x", {"x": Tensor(X)}),
    "a tensor of bfloat16": (of_numbers, "x", {"x": Tensor(X, "bfloat16", "unsupported dtype")}),
    "images of integers": (
        fit, "x", {"x": RNG.integers(0, 256, (N, 64)), "y": Y},
    ),
    "floats for pixels": (of_pixels, "x", {"x": 100.0 + X}),
    "a frame for pixels": (of_pixels, "x", {"x": as_frame(RNG.integers(0, 256, (N, D)))}),
    "pixels for numbers": (of_numbers, "x", {"x": np.arange(D, dtype=np.uint8)[None]}),
    # targets
    "numbers for yes and no": (fit, "y", {"y": TARGETS, "k": 2, "loss": "binary_cross_entropy"}),
    "labels for yes and no": (fit, "y", {"y": Y, "k": K, "loss": "binary_cross_entropy"}),
    "counts below zero": (fit, "y", {"y": TARGETS, "k": 2, "loss": "poisson"}),
    "labels as targets": (fit, "y", {"y": Y, "k": K, "loss": "mse"}),
    "outputs first": (fit, "y", {"y": TARGETS.T, "k": 2, "loss": "mse"}),
    "words as targets": (fit, "y", {"y": TARGETS.astype(str), "k": 2, "loss": "mse"}),
    "a missing target": (
        fit, "y", {"y": np.where(TARGETS > 1, np.nan, TARGETS), "k": 2, "loss": "mse"},
    ),
    # weights
    "a negative weight": (evaluate, "sample_weight", {"sample_weight": X[:, 0]}),
    "no weight": (evaluate, "sample_weight", {"sample_weight": np.zeros(N)}),
    "a missing weight": (
        evaluate, "sample_weight",
        {"x": X, "y": Y, "sample_weight": np.where(Y == 1, np.nan, 1.0)},
    ),
    "weights whose products are too large": (
        fit, "sample_weight", {"sample_weight": np.full(N, 1e300), "class_weight": [1e300] * K},
    ),
    "a weight a column": (evaluate, "sample_weight", {"sample_weight": np.ones((N, K))}),
    # ops
    "factors that do not agree": (fd.ops.matmul, "b", {"a": X, "b": X}),
    "a shift without a scale": (fd.ops.gather, "scale", {"x": X, "order": [0], "shift": X[0]}),
    "factors of two dtypes": (fd.ops.matmul, "b", {"a": np.float32(X), "b": X.T}),
    "an order of rows that there are not": (fd.ops.gather, "order", {"x": X, "order": [0, N, -1]}),
    "an order of fractions": (fd.ops.gather, "order", {"x": X, "order": np.array([0.0, 1.0])}),
    "an order in a table": (fd.ops.gather, "order", {"x": X, "order": [[0, 1]]}),
    "a parameter in another order": (
        fd.ops.sgd_update, "param", {"param": X.T, "grad": X.T, "learning_rate": 0.1},
    ),
    "a parameter that is its gradient": (
        fd.ops.sgd_update, "grad", {"param": PARAM, "grad": PARAM, "learning_rate": 0.1},
    ),
    # networks
    "columns in another order": (
        of_columns, "x", {"x": as_frame(X)[list("dcba")], "network": fitted_on_columns()},
    ),
    "pixels for a graph of numbers": (graph_of_numbers, "rows", {"rows": "uint8"}),
    "parameters transposed": (
        update, "parameters", {"parameters": {"layers.0.weight": np.ones((K, D))}},
    ),
    "parameters that are not finite": (
        update, "parameters", {"parameters": {"layers.0.bias": [0, np.nan, np.inf]}},
    ),
    "large integers in a frame": (fit, "x", {"x": as_frame(X, when=2**60 + np.arange(N))}),
    "missing values in a frame of objects": (
        fit, "x", {"x": as_frame(X).astype(object).where(X < 1, None)},
    ),
    "a network in another fit": (twice, "network", {"network": BUSY}),
    "a gradient and targets": (led, "dlogits", {"dlogits": TARGETS, "y": TARGETS}),
    "a gradient and weights": (led, "sample_weight", {"sample_weight": np.ones(N)}),
    "a gradient that lies across": (led, "dlogits", {"dlogits": TARGETS.T}),
    "a gradient that is not finite": (led, "dlogits", {"dlogits": TARGETS * [[np.nan, 1]]}),
    "numbers of one output for one's own loss": (by_own_of_one_output, "y", {"y": X[:, 0]}),
    "a loss of one argument": (by_own, "loss", {"loss": lambda logits: logits}),
    "a list of large integers": (fit, "x", {"x": (2**60 + np.arange(N)[:, None]).tolist()}),
    "a list of complex numbers": (of_numbers, "x", {"x": (X + 0j).tolist()}),
    **{f"{what} as objects": (of_numbers, "x", {"x": x}) for what, (x, *_) in TIMES.items()},
    **{
        f"{what} in a frame": (of_numbers, "x", {"x": in_frame(x)})
        for what, (x, *_) in TIMES.items()
    },
    "a dictionary of labels": (fit, "y", {"y": dict(enumerate(Y.tolist()))}),
    "a dictionary of weights": (
        fit, "sample_weight", {"sample_weight": dict(enumerate(np.ones(N)))},
    ),
    "a dictionary of a column": (fit, "y", {"y": {"label": Y}}),
    "a method that was not called": (of_numbers, "x", {"x": as_frame(X).to_numpy}),
    "batches and labels": (fit, "y", {"x": batches, "y": Y}),
    "a list of numerals": (of_numbers, "x", {"x": X.astype(str).tolist()}),
}  # fmt: skip
HISTORY = fit()
SOME = {"layers.0.bias": np.ones(K)}
INSTEAD = {  # what: the call, and what a user has at hand for what is told to use in its place
    "calling a network": (lambda: NET(X), {"net": NET, "x": X}),
    "a state of some parameters": (lambda: NET.load_state(SOME), {"net": NET, "state": SOME}),
    "a network that fits": (lambda: NET.fit(X, Y), {"net": NET, "x": X, "y": Y}),
    "a trainer that predicts": (
        lambda: fd.Trainer(NET, fd.SGD(0.1)).predict(X),
        {"trainer": fd.Trainer(NET, fd.SGD(0.1)), "x": X},
    ),
    "setting what there is not": (
        lambda: setattr(NET, "learning_rate", 1),
        {"net": NET, "x": X, "y": Y},
    ),
    "an activation in the place of the units": (lambda: fd.Dense(3, "relu"), {}),
    "probabilities of hinge": (
        lambda: fd.Network([D, K], loss="hinge").predict_proba(X),
        {"net": NET, "x": X},
    ),
    "a history as an array": (lambda: np.array(HISTORY), {"history": HISTORY}),
    "histories that differ": (
        lambda: HISTORY + fit(validation=(X, Y)),
        {"first": HISTORY, "second": HISTORY, "pd": pd},
    ),
    "widths that are no list": (lambda: fd.Network(D, 16, K), {}),
    "a column of a validation set that was not there": (
        lambda: HISTORY["val_loss"],
        {"in": HISTORY},
    ),
    "the same as an attribute": (lambda: HISTORY.val_loss, {"in": HISTORY}),
    "a column by a name nearly right": (lambda: HISTORY["los"], {"in": HISTORY}),
    "a parameter by a name nearly right": (
        lambda: NET.parameters["layers.0.weights"],
        {"in": NET.parameters},
    ),
}

UNSURE = fd.Network([D, 5, K])  # it multiplies infinity by zero
UNSURE.parameters.update(
    {"layers.0.weight": np.full((D, 5), 3e38), "layers.1.weight": np.zeros((5, K))}
)
BROKEN = fd.Network([D, K])
BROKEN.parameters["layers.0.bias"][...] = np.nan


def set_meanwhile():
    class Meddler(fd.Callback):
        def on_epoch(self, run):
            run.trainer.batch_size = 3

    fit(callbacks=[Meddler()])


NOTHING_TO_TELL = {  # what is refused without a remedy, for nobody can know one
    "no rows": lambda: fit(X[:0], Y[:0]),
    "rows of no outputs": lambda: fd.ops.softmax_cross_entropy(np.zeros((3, 0)), [0, 0, 0]),
    "more rows than a C int counts": lambda: fd.ops.relu(np.broadcast_to(1.0, (2**31, 1))),
    "outputs that are no numbers": lambda: UNSURE.predict(9 * X),
    "a parameter that is no number": lambda: fd.Trainer(BROKEN, fd.SGD(0.1)).fit(X, Y),
    "a setting of a fit that runs": set_meanwhile,
    "a parameter taken out": lambda: NET.parameters.pop("layers.0.bias"),
    "a margin where there is none": lambda: NET.margin,
    "steps before a fit goes on": step_before_a_fit_goes_on,
    "a norm of x": lambda: fd.Network([fd.BatchNorm(), fd.Dense(D, 2)]),
    "an activation of nothing": lambda: fd.Network([fd.Activation("relu"), fd.Dense(D, 2)]),
    "a negative variance": lambda: fd.Network(
        [fd.Dense(D, 2), fd.BatchNorm(), fd.Dense(2)]
    ).parameters.update({"layers.1.running_variance": [-1.0, 1.0]}),
    "an audit of a norm": lambda: fd.audit_gradients(
        print, fd.Network([fd.Dense(D, 2), fd.BatchNorm(), fd.Dense(2)]), X, Y % 2
    ),
    "a gradient of logits under Dropout": lambda: fd.Trainer(
        fd.Network([fd.Dense(D, 2), fd.Dropout(0.5), fd.Dense(2)]), fd.SGD(0.1)
    ).step(X, dlogits=TARGETS),
    "something for too few rows": lambda: by_own(squared, TARGETS[1:]),
    "a loss that is no pair": lambda: by_own(lambda logits, y: logits),
    "a loss that is a mean": lambda: by_own(lambda logits, y: (0.0, logits)),
    "things that are no numbers": lambda: of_numbers(np.array([[1, object(), 2, 3]], object)),
    "a record of other columns": lambda: fit().append({"loss": 0.0}),
}


@pytest.mark.parametrize("what", NOTHING_TO_TELL)
def test_what_has_no_remedy_is_told_all_the_same(what):
    refusals = (TypeError, ValueError, OverflowError, RuntimeError, AttributeError)
    with pytest.raises(refusals, match=r"must|cannot"):
        NOTHING_TO_TELL[what]()


@pytest.mark.parametrize("what", INSTEAD)
def test_what_is_told_to_use_instead_works(what):
    call, known = INSTEAD[what]
    with pytest.raises(INSTEAD_ERRORS) as caught:
        call()
    told = remedies.instead(str(caught.value.args[0]), **known)
    assert "in" not in known or known["in"][told] is not None


def second_try(message, call, argument, given):
    """The arguments that the message asks for: what is told in code, and how many outputs."""
    known = {
        "pd": pd,
        "x": X,
        "y": Y,
        "net": BUSY,
        "loss": given.get("loss", "softmax_cross_entropy"),
    }
    outputs = re.search(r"(\d+) outputs", message)
    if outputs and "use " not in message:
        return given | {"k": int(outputs[1])}
    more = {"k": int(outputs[1])} if outputs else {}
    return remedies.follow(message, argument, given, **known) | more


@pytest.mark.parametrize("what", ROWS)
def test_a_remedy_works_when_followed(what):
    call, argument, given = ROWS[what]
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        call(**given)
    message = str(caught.value)
    assert re.search(rf"\b{re.escape(argument)}\b", message) or "outputs" in message
    given = {"x": X, "y": Y} | given if call is fit else given
    call(**second_try(message, call, argument, given))


@pytest.mark.parametrize("what", TIMES)
def test_times_become_times_and_not_codes(what):
    x, step, unit = TIMES[what]
    for given in (x, in_frame(x)):
        with pytest.raises(TypeError) as caught:
            of_numbers(given)
        numbers = np.array(remedies.follow(str(caught.value), "x", {"x": given})["x"])
        np.testing.assert_array_equal(np.diff(numbers[:, -1]) * unit, step)


@pytest.mark.parametrize("make", [
    lambda x: x, lambda x: x.tolist(), pd.DataFrame, lambda x: x.astype(str),
])  # fmt: skip
def test_one_word_among_numbers_is_told_of_its_place(make):
    x = X.astype(object)
    x[3, 1] = "?"
    place = "row 3" if make is pd.DataFrame else "row 3, column 1"
    with pytest.raises(TypeError, match=f"got '.' at {place}, put a number there or leave out the"):
        fit(make(x))
    x[3, 1] = 0.5
    fit(pd.DataFrame(x) if make is pd.DataFrame else x.astype(float))
    fit(np.delete(X, 3, axis=0), np.delete(Y, 3))


@pytest.mark.parametrize("odd", ["3", "nan", "inf"])
def test_words_of_which_one_reads_as_a_number_are_told_of_numbers_for_all(odd):
    x = np.array([["red"] * 4, ["blue"] * 4, [odd] + ["red"] * 3], object)
    with pytest.raises(TypeError, match="words such as 'red', replace them by numbers") as caught:
        of_numbers(x)
    code = str(caught.value).partition(", as ")[2].removesuffix(" does")
    of_numbers(eval(code, {"np": np, "x": x})[1].reshape(x.shape))


TWICE = {  # two faults at once: after the first remedy the second is told
    "no time": ("x", {"x": np.where(X > 1, "NaT", "2026-01-01").astype("M8[D]"), "y": Y}),
    "a dictionary of one row": ("x", {"x": dict(zip("abcd", X[0], strict=True)), "y": Y[:1]}),
    "words and none": ("y", {"x": X, "y": np.where(Y == 1, None, WORDS)}),
    "words and NaN": ("y", {"x": X, "y": pd.Series(WORDS).where(Y != 1)}),
    "numbers and none": ("y", {"x": X, "y": np.where(Y == 1, None, Y + 1.0), "k": 2}),
}


@pytest.mark.parametrize("what", TWICE)
@pytest.mark.filterwarnings("ignore::fastdl.ScalingWarning")
def test_remedies_of_two_faults_work_one_after_the_other(what):
    argument, given = TWICE[what]
    for _ in range(2):
        with pytest.raises((TypeError, ValueError)) as caught:
            fit(**given)
        given = second_try(str(caught.value), fit, argument, given)
    with suppress(fd.DivergenceError):  # days since 1970 are large
        fit(**given)


def test_columns_in_another_order(rng):
    network, x = fitted_on_columns(), as_frame(X)[list("dcba")]
    with pytest.raises(ValueError, match="in their order") as caught:
        of_columns(x, network)
    given = remedies.follow(str(caught.value), "x", {"x": x, "network": network})
    np.testing.assert_array_equal(of_columns(**given), network.predict(as_frame(X)))


def test_one_column_of_words_is_named():
    with pytest.raises(TypeError, match=r"column 'town' of x must hold real numbers; got words"):
        fit(as_frame(X, town=WORDS))
    with pytest.raises(TypeError, match=r"column 'when' of x must hold real numbers; got times"):
        fit(as_frame(X, when=pd.date_range("2026-01-01", periods=N)))
    with pytest.raises(TypeError, match=r"column 'z' of validation\[0\] must hold real numbers"):
        fit(validation=(as_frame(X).rename(columns={"a": "z"}).assign(z=WORDS), Y))


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.int4, ml_dtypes.bfloat16])
def test_narrow_numbers_of_another_library_are_numbers(dtype):
    x = RNG.integers(-4, 4, (N, D))
    for y in (Y, Y.astype(dtype)):
        narrow, plain = fit(x.astype(dtype), y), fit(x.astype(float), Y)
        assert narrow["loss"].tolist() == plain["loss"].tolist()
