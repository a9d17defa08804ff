"""audit.py: each planted mistake is named, in every layout; correct code has none."""

import re
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd
import pytest

import fastdl as fd
from tests import cases, nightly

N, D, H, J, K = 9, 7, 6, 5, 3
L2 = 0.1


@dataclass
class Student:
    """A student's gradients of a net of ReLU layers, in one layout, with one mistake.

    Inside, everything is by rows: x (n, d), W (d, h), b (h,).
    """

    columns: bool = False
    by_unit: bool = False
    bias: tuple = (-1,)
    one_hot: bool = False
    mistake: str = ""
    wrong: dict = field(default_factory=dict)

    def __call__(self, x, y, W, b, lam):
        if self.columns:
            x = self.demand(x, (D, None)).T
        self.demand(x, (None, D))
        k = b[-1].size
        if self.one_hot:
            y = self.demand(y, (k, len(x)) if self.columns else (len(x), k))
            y = (y.T if self.columns else y).argmax(axis=1)
        self.demand(y, (len(x),))
        weights = [w.T if self.by_unit else w for w in W]
        for c in b:
            self.demand(c, np.zeros(c.size).reshape(self.bias).shape)
        grads_w, grads_b = self.gradients(x, y, weights, [c.reshape(-1) for c in b], lam)
        return (
            [g.T if self.by_unit else g for g in grads_w],
            [c.reshape(self.bias) if c.ndim == 1 else c for c in grads_b],
        )

    def demand(self, array, shape):
        fits = len(shape) == array.ndim and all(
            want in (None, got) for want, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"shape {array.shape}")
        return array

    def gradients(self, x, y, weights, biases, lam):
        m, n, k = self.mistake, len(x), biases[-1].size
        outputs, zs = [x], []
        for i, (w, c) in enumerate(zip(weights, biases, strict=True)):
            zs.append(outputs[-1] @ w + (0 if m == "forward without biases" else c))
            outputs.append(np.maximum(zs[-1], 0) if i + 1 < len(weights) else zs[-1])
        axis = 0 if m == "softmax over rows" else 1
        p = np.exp(zs[-1] - zs[-1].max(axis=axis, keepdims=True))
        p /= p.sum(axis=axis, keepdims=True)
        dz = p - np.eye(k)[y]
        if m == "no y":
            dz = p.copy()
        if m == "only y":
            dz = -np.eye(k)[y]
        if m == "last row":
            dz[:-1] = 0
        if m == "no softmax":
            dz = zs[-1] - np.eye(k)[y]
        if m == "sigmoid for softmax":
            dz = 1 / (1 + np.exp(-zs[-1])) - np.eye(k)[y]
        if m == "predicted labels":
            dz = np.eye(k)[p.argmax(axis=1)] - np.eye(k)[y]
        if m == "labels off by one":
            dz = p - np.eye(k)[(y + 1) % k]
        if m == "squared error":
            dz = 2 * p * (dz - (dz * p).sum(axis=1, keepdims=True))
        divisor = {
            "sum": 1,
            "mean twice": n * n,
            "divided by k": n * k,
            "n - 1": n - 1,
            "d": x.shape[1],
        }
        dz /= divisor.get(m, n)
        if m == "sign":
            dz = -dz
        grads_w, grads_b = [], []
        for i in reversed(range(len(weights))):
            inputs = [x, *zs][i] if m == "before the activation" else outputs[i]
            dw = inputs.T @ dz
            if m == "mean twice in layer 2" and i == 1:
                dw = dw / n
            if m == "n more in the first":
                dw = dw * n if i == 0 else dw
            w = weights[i]
            penalty = {
                "penalty missing": 0 * w, "penalty half": lam * w, "penalty / n": 2 * lam * w / n,
                "penalty sign": -2 * lam * w, "penalty l1": lam * np.sign(w),
                "penalty value": lam * (w**2).sum() + 0 * w, "penalty squared": lam * w**2,
            }.get(m, 2 * lam * w)  # fmt: skip
            dw = dw + penalty
            if m == "transposed square" and w.shape[0] == w.shape[1]:
                dw = dw.T
            if m == "one element" and i == 0:
                dw[2, 1] += 0.01
            db = dz.sum(axis=0)
            if m == "bias mean":
                db = db / n
            if m == "bias penalised":
                db = db + 2 * lam * biases[i]
            if m == "bias missing":
                db = 0 * db
            if m == "bias not summed":
                db = dz
            if m == "bias over units":
                db = dz.sum(axis=1)
            grads_w.insert(0, dw)
            grads_b.insert(0, db)
            if i:
                da = dz @ (w if m == "untransposed" and w.shape[0] == w.shape[1] else w.T)
                mask = outputs[i] > 0
                if m == "mask left out":
                    mask = 1
                if m == "mask of the gradient":
                    mask = da > 0
                if m == "mask of the wrong layer" and outputs[i - 1].shape == outputs[i].shape:
                    mask = outputs[i - 1] > 0
                if m == "leaky":
                    mask = np.where(mask, 1, 0.01)
                if m == "sigmoid":
                    mask = outputs[i] * (1 - outputs[i])
                dz = da * mask
        if m == "layers reversed":
            grads_w.reverse()
        if m == "overflow":
            grads_w[0][0, 0] = np.nan
        return grads_w, grads_b


@pytest.fixture
def problem(rng):
    return rng.standard_normal((N, D)), rng.integers(0, K, N)


def make(widths=(D, H, H, K), **settings):
    net = fd.Network(list(widths), seed=3, init=fd.init.Normal(0.7), **settings)
    rng = np.random.default_rng(0)
    for name, view in net.parameters.items():
        if name.endswith("bias"):
            view[...] = rng.normal(0, 0.3, view.shape)
    return net


MISTAKES = {  # of the first two layers' weights, then of the last one's bias
    "sum": ("ours · n: a sum is taken",) * 2,
    "mean twice": ("ours / n: a mean is taken twice",) * 2,
    "mean twice in layer 2": ("", "ours / n: a mean is taken twice"),
    "n more in the first": ("ours · n", ""),
    "divided by k": ("divided by the number of classes",) * 2,
    "sign": ("has the wrong sign",) * 2,
    "n - 1": ("it is divided by n - 1",) * 2,
    "d": ("divided by the number of inputs, not by that of the rows",) * 2,
    "no softmax": ("softmax is left out",) * 2,
    "sigmoid for softmax": ("a sigmoid stands for softmax",) * 2,
    "predicted labels": ("predicted labels stand for probabilities",) * 2,
    "labels off by one": ("labels are one class off",) * 2,
    "squared error": ("gradient of a squared error",) * 2,
    "no y": ("Y is not taken off P",) * 2,
    "only y": ("P is left out",) * 2,
    "softmax over rows": ("softmax sums over the rows",) * 2,
    "last row": ("only the last row",) * 2,
    "forward without biases": ("biases are left out of the forward pass",) * 2,
    "before the activation": ("", "before the activation"),
    "mask left out": ("mask of the ReLU is left out",) * 2,
    "mask of the gradient": ("of the gradient, not of the layer's values",) * 2,
    "mask of the wrong layer": ("mask of the ReLU is taken from the wrong layer",) * 2,
    "sigmoid": ("h (1 - h), that of a sigmoid",) * 2,
    "leaky": ("derivative is that of leaky_relu, not of relu",) * 2,
    "untransposed": ("not through its transpose", ""),
    "penalty missing": ("missing 2 λ W",) * 2,
    "penalty half": ("factor 2 is missing",) * 2,
    "penalty / n": ("divided by the batch size",) * 2,
    "penalty sign": ("the penalty has the wrong sign",) * 2,
    "penalty l1": ("by the sign of W",) * 2,
    "penalty value": ("value is added in place of its gradient",) * 2,
    "penalty squared": ("goes by W²",) * 2,
    "transposed square": ("", "is transposed"),
    "one element": ("none of the known mistakes: 2% of its elements are off, the most at [", ""),
    "overflow": ("has NaN or infinities", ""),
    "bias mean": ("ours / n: a mean is taken twice",),
    "bias penalised": ("the penalty counts the bias too",),
    "bias missing": ("is zero",),
    "bias over units": ("is summed over the units, not over the rows",),
    "bias not summed": ("is not summed over the rows",),
}
OF_BIAS = {name for name in MISTAKES if name.startswith("bias")}
LAYOUT = {
    "columns": (True, False),
    "by_unit": (True, False),
    "bias": ((-1, 1), (-1,), (1, -1)),
    "one_hot": (True, False),
}


def called(layout):
    return "-".join(str(int(v) if isinstance(v, bool) else v) for v in layout)


@pytest.mark.parametrize("layout", [*product(*LAYOUT.values())], ids=called)
@pytest.mark.parametrize("widths", [(D, K), (D, H, K), (D, H, H, K), (D, H, J, K)])
def test_correct_code_is_right_in_every_layout(widths, layout, problem):
    audit = fd.audit_gradients(Student(*layout), make(widths), *problem, l2=L2)
    assert audit.right, audit
    assert "Every gradient is right." in str(audit)
    assert all(row.difference < 1e-10 for row in audit.parameters)
    assert all(row.from_numerical < 1e-6 for row in audit.parameters)


@pytest.mark.parametrize(
    ("mistake", "layout"),
    [(mistake, layout) for mistake, *layout in nightly.pairs(MISTAKES, *LAYOUT.values())],
    ids=lambda value: value if isinstance(value, str) else called(value),
)
def test_a_planted_mistake_is_named_in_every_layout(mistake, layout, problem):
    audit = fd.audit_gradients(Student(*layout, mistake=mistake), make(), *problem, l2=L2)
    kind = "bias" if mistake in OF_BIAS else "weight"
    assert not audit.right
    for i, words in enumerate(MISTAKES[mistake]):
        found = audit.of(f"layers.{i}.{kind}")
        assert words in found.diagnosis if words else not found.diagnosis, audit
        if found.diagnosis and np.isfinite(found.from_numerical):
            assert found.difference > 1e-4
            assert found.from_numerical > 1e-4
    if kind == "bias":
        assert not any(row.diagnosis for row in audit.parameters if row.name.endswith("weight"))
    assert re.search(r"\d of 6 gradients are wrong", str(audit))


# --- how a function is called, and what it may return --------------------------------------------


def linear(x, y, w, b, lam):
    """Of one layer, in the first course's layout."""
    s = w @ x + b
    p = np.exp(s) / np.exp(s).sum(axis=0)
    g = (p - y) / x.shape[1]
    return g @ x.T + 2 * lam * w, g.sum(axis=1, keepdims=True)


def two_layers(x, y, w1, b1, w2, b2, lam):
    h = np.maximum(w1 @ x + b1, 0)
    s = w2 @ h + b2
    p = np.exp(s) / np.exp(s).sum(axis=0)
    g = (p - y) / x.shape[1]
    back = (w2.T @ g) * (h > 0)
    return (
        back @ x.T + 2 * lam * w1, back.sum(axis=1, keepdims=True),
        g @ h.T + 2 * lam * w2, g.sum(axis=1, keepdims=True),
    )  # fmt: skip


def of_probabilities(X, Y, P, W, lambda_):
    return {
        "grad_W": (P - Y) @ X.T / X.shape[1] + 2 * lambda_ * W,
        "grad_b": (P - Y).mean(axis=1),
    }


ONE = {
    "weight, bias": linear,
    "probabilities, a dict": of_probabilities,
    "any": lambda *a: linear(*a),
    "bias first": lambda X, Y, W, b, reg: linear(X, Y, W, b, reg)[::-1],
    "a loss beside": lambda X, Y, W, b, reg: (0.3, linear(X, Y, W, b, reg)),
    "lists": lambda X, Y, W, b, lam: [[g] for g in linear(X, Y, W[0], b[0], lam)],
    "no default needed": lambda X, Y, W, b, lam, h_step=1e-5: linear(X, Y, W, b, lam),
    "a step": lambda X, Y, W, b, lam, h=1e-6: linear(X, Y, W, b, lam + 0 * h),
    "a penalty by default": lambda X, Y, W, b, lam=0.0: linear(X, Y, W, b, lam),
    "scores": lambda X, Y, S, W, lam: of_probabilities(X, Y, np.exp(S) / np.exp(S).sum(0), W, lam),
    "float32": lambda X, Y, W, b, lam: linear(
        *(each.astype(np.float32) for each in (X, Y, W, b)), np.float32(lam)
    ),
}
TWO = {
    "in turn": two_layers,
    "all weights, then all biases": lambda X, Y, W, b, lam: [
        two_layers(X, Y, W[0], b[0], W[1], b[1], lam)[i] for i in (0, 2, 1, 3)
    ],
    "last layer first": lambda X, Y, W, b, lam: [
        two_layers(X, Y, W[0], b[0], W[1], b[1], lam)[i] for i in (2, 3, 0, 1)
    ],
    "counted from 0": lambda X, Y, W_0, b_0, W_1, b_1, l2: dict(
        zip(("dW0", "db0", "dW1", "db1"), two_layers(X, Y, W_0, b_0, W_1, b_1, l2), strict=True)
    ),
    "a dict of parameters": lambda X, Y, params, lam: dict(
        zip(
            ("grad_W1", "grad_b1", "grad_W2", "grad_b2"),
            two_layers(X, Y, *(params[each] for each in ("W1", "b1", "W2", "b2")), lam),
            strict=True,
        )
    ),
    "a dict of lists": lambda X, Y, network, lam: {
        kind: [two_layers(X, Y, *network["W"][:1], *network["b"][:1], *network["W"][1:],
                          *network["b"][1:], lam)[i] for i in which]
        for kind, which in (("W", (0, 2)), ("b", (1, 3)))
    },
    "the hidden layer too": lambda X, Y, P, H, W1, b1, W2, b2, lam: two_layers(
        X, Y, W1, b1, W2, b2, lam + 0 * H[0, 0] + 0 * P[0, 0]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_forms_of_one_layer(name, problem):
    assert fd.audit_gradients(ONE[name], make((D, K)), *problem, l2=L2).right


@pytest.mark.parametrize("name", TWO)
def test_forms_of_two_layers(name, problem):
    assert fd.audit_gradients(TWO[name], make((D, H, K)), *problem, l2=L2).right


def test_dropout_is_left_out_and_not_counted(problem):
    layers = [fd.Dropout(0.2), fd.Dense(D, H, "relu"), fd.Dropout(0.5), fd.Dense(K)]
    audit = fd.audit_gradients(two_layers, fd.Network(layers), *problem, l2=L2)
    assert audit.right
    assert audit.of("layers.1.weight").diagnosis == ""


def test_a_function_with_weights_of_its_own(problem):
    net = make((D, K))
    own = [net.parameters[f"layers.0.{kind}"].T.astype(float) for kind in ("weight", "bias")]
    audit = fd.audit_gradients(
        lambda X, Y, lam: linear(X, Y, own[0], own[1][:, None], lam), net, *problem, l2=L2
    )
    assert audit.right


def test_biases_alone_may_be_missing(problem):
    audit = fd.audit_gradients(
        lambda X, Y, W, b, lam: linear(X, Y, W, b, lam)[0], make((D, K)), *problem
    )
    assert [row.diagnosis for row in audit.parameters] == ["", "was not returned as an array"]
    assert "l2 is 0: mistakes in the penalty do not show" in str(audit)


@pytest.mark.parametrize(("loss", "activation"), nightly.each(cases.LOSSES, cases.ACTIVATIONS))
def test_every_loss_and_activation(loss, activation, rng):
    """By the library's own gradients, with and without a factor."""
    net = make((D, H, K), loss=loss, activation=activation, dtype="float64")
    x = rng.standard_normal((N, D))
    y = cases.wanted(loss, rng, N, K)

    def mine(x, y, factor=1.0):
        return {name: factor * g for name, g in net.gradients(x, y).items()}

    assert fd.audit_gradients(mine, net, x, y).right
    half = fd.audit_gradients(lambda x, y: mine(x, y, 0.5), net, x, y)
    assert {row.diagnosis for row in half.parameters} == {"is half of ours"}


def test_zero_biases_do_not_hide_mistakes(problem):
    net = fd.Network([D, K], seed=3)
    audit = fd.audit_gradients(
        lambda X, Y, W, b, lam: (linear(X, Y, W, b, lam)[0], linear(X, Y, W, b, lam)[1] + lam * b),
        net, *problem, l2=L2,
    )  # fmt: skip
    assert "the penalty counts the bias too" in audit.of("layers.0.bias").diagnosis
    assert "All biases were zero" in str(audit)
    assert not net.parameters["layers.0.bias"].any()


def test_rows_are_taken_as_the_network_takes_them(rng):
    x = rng.integers(0, 256, (N, D), np.uint8)
    net = make((D, K), scaling=fd.Scaling.standard(x))
    audit = fd.audit_gradients(linear, net, x, rng.integers(0, K, N), l2=L2)
    assert audit.right
    assert all(row.from_numerical < 1e-6 for row in audit.parameters)


def test_rows_mean_what_those_meant_that_the_network_was_fitted_on(rng):
    pixels, y = rng.integers(0, 256, (N, D), np.uint8), rng.integers(0, K, N)
    net = make((D, K))
    fd.Trainer(net, fd.SGD(0.01)).fit(pixels, y)
    for x in (pixels, pixels.astype(np.int64), pixels.tolist()):
        audit = fd.audit_gradients(linear, net, x, y[:, None].astype(float), l2=L2)
        assert audit.right
        assert all(row.from_numerical < 1e-6 for row in audit.parameters)
    frame = pd.DataFrame(rng.standard_normal((N, D)), columns=list("abcdefg"))
    fd.Trainer(named := make((D, K)), fd.SGD(0.01)).fit(frame, y)
    assert fd.audit_gradients(linear, named, frame, y, l2=L2).right
    with pytest.raises(ValueError, match="x must have the columns"):
        fd.audit_gradients(linear, named, frame[list("gfedcba")], y, l2=L2)


def test_ours_are_the_library_s_and_the_differences_an_opinion_of_their_own(problem, monkeypatch):
    right = fd.Network.gradients
    monkeypatch.setattr(
        fd.Network, "gradients",
        lambda self, x, y: {name: 3 * g for name, g in right(self, x, y).items()},
    )  # fmt: skip
    audit = fd.audit_gradients(linear, make((D, K)), *problem, l2=L2)
    assert not audit.right
    assert all(row.difference > 0.1 and row.from_numerical < 1e-6 for row in audit.parameters)


@pytest.mark.parametrize("n", [K, D, H])
def test_a_row_is_left_out_where_their_number_is_a_width(n, rng):
    audit = fd.audit_gradients(
        two_layers, make((D, H, K)), rng.standard_normal((n, D)), rng.integers(0, K, n), l2=L2
    )
    assert audit.right


def test_one_row_has_no_mean_to_be_wrong(problem):
    x, y = problem
    audit = fd.audit_gradients(Student(mistake="sum"), make(), x[:1], y[:1], l2=L2)
    assert audit.right
    assert "There is one row" in str(audit)
    wrong = fd.audit_gradients(Student(mistake="penalty half"), make(), x[:1], y[:1], l2=L2)
    assert "factor 2 is missing" in wrong.of("layers.0.weight").diagnosis


def test_of_sizes_that_coincide_the_plainest_words_are_taken(rng):
    x, y = rng.standard_normal((N, D)), rng.standard_normal((N, 1))
    one = fd.Network([D, H, 1], loss="mse", dtype="float64", seed=3)

    def unmasked(x, y):
        h = np.ones_like(x @ one.parameters["layers.0.weight"])
        dz = 2 * (one.logits(x) - y) / len(x)
        back = dz @ one.parameters["layers.1.weight"].T * h
        return {"W1": x.T @ back, "b1": back.sum(axis=0)} | {
            name: one.gradients(x, y)[f"layers.1.{kind}"]
            for name, kind in (("W2", "weight"), ("b2", "bias"))
        }

    words = fd.audit_gradients(unmasked, one, x, y).of("layers.0.weight").diagnosis
    assert words == "the mask of the ReLU is left out on the way back"
    two = fd.Network([D, 2], dtype="float64", seed=3)
    labels = rng.integers(0, 2, N)
    twice = fd.audit_gradients(
        lambda x, y: [2 * g for g in two.gradients(x, y).values()], two, x, labels
    )
    assert twice.of("layers.0.weight").diagnosis == "is twice ours"


# --- what is wrong with the call -----------------------------------------------------------------


def fails(x, y):
    raise RuntimeError("a slip of mine")


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (None, TypeError, "function must be callable; got None"),
        (lambda x, y, foo: 0, TypeError, "names such as x, y, weights, biases, l2; got foo, use"),
        (fails, ValueError, "got RuntimeError: a slip of mine with these"),
        (lambda x, y: None, ValueError, "got 0 arrays"),
        (lambda x, y: "text", ValueError, "arrays of numbers; got 'text'"),
        (lambda x, y: [x, x, x], ValueError, "gradients of 1 weights and 1 biases"),
        (lambda x, y: 1.0, ValueError, "got 0 arrays"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_be_used(function, error, message, problem):
    with pytest.raises(error, match=re.escape(message)):
        fd.audit_gradients(function, make((D, K)), *problem)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"l2": -1.0}, ValueError, "l2 must be finite and lie in"),
        ({"net": 3}, TypeError, "net must be a Network; got 3"),
        ({"y": [7] * N}, ValueError, "y must lie in [0, 3)"),
        ({"x": np.zeros((N, 2))}, ValueError, "x must have 7 columns"),
    ],
)
def test_bad_arguments(settings, error, message, problem):
    arguments = dict(zip(("x", "y"), problem, strict=True)) | {"net": make((D, K))} | settings
    with pytest.raises(error, match=re.escape(message)):
        fd.audit_gradients(linear, **arguments)


def test_of_asks_for_a_parameter(problem):
    audit = fd.audit_gradients(linear, make((D, K)), *problem, l2=L2)
    with pytest.raises(ValueError, match=r"name must be one of layers\.0\.weight"):
        audit.of("W1")
