"""_warnings.py: a warning names the line of whoever called, whichever way it came."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastdl as fd
from fastdl import _pools, river
from fastdl._warnings import warn
from fastdl.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor

N, D, K = 300, 40, 3
X = np.random.default_rng(0).standard_normal((N, D))
LABELS = np.arange(N) % K
NUMBERS = LABELS.astype(float)
FAR = X + 50_000
COLUMN = LABELS[:, None]
CLASSES = {"classes": range(K)}
ROW = dict(zip("abc", (1.0, 2.0, 3.0), strict=True))
WIDE = [D, 300, K]


def trainer(layers=WIDE, batch_size=100, **settings):
    return fd.Trainer(fd.Network(layers, **settings), fd.SGD(0.05), batch_size=batch_size)


def by_rows():
    return trainer([fd.Dense(D, 4), fd.BatchNorm(), fd.Dense(K)], 1)


def far(loss="softmax_cross_entropy"):
    return trainer([D, 8, 1 if loss == "mse" else K], loss=loss)


def sigmoid():
    return fd.Network([fd.Dense(D, 1, "sigmoid")], loss="binary_cross_entropy")


def loaded(path):
    with pytest.warns(UserWarning, match="sigmoid"):
        sigmoid().save(path)
    return fd.Network.load(path)


def resumed(path):
    trainer().fit(X, LABELS, epochs=1, callbacks=[fd.Checkpoint(path)])
    again = trainer()
    again.resume(path)
    return again.fit(X, LABELS, epochs=1)


def interrupt(estimator):
    raise KeyboardInterrupt


def mlp(**settings):
    return MLPClassifier(5, **({"max_iter": 2} | settings))


# Words of the warning; the call, which is given a path.
WAYS = {
    "a network": ("sigmoid", lambda path: sigmoid()),
    "a network from a file": ("sigmoid", loaded),
    "a river model": (
        "sigmoid", lambda path: river.Classifier([fd.Dense(D, 1, "sigmoid")], fd.SGD(0.1)),
    ),
    "a fit by rows": ("one row", lambda path: by_rows().fit(X, LABELS)),
    "an estimator by rows": (
        "one row", lambda path: NetworkClassifier(by_rows(), epochs=1).fit(X, LABELS),
    ),
    "a resumed fit": ("is left to train", resumed),
    "a fit of large inputs": ("learnt nothing", lambda path: far().fit(FAR, LABELS, epochs=4)),
    "a classifier of large inputs": (
        "learnt nothing", lambda path: NetworkClassifier(far(), epochs=4).fit(FAR, LABELS),
    ),
    "a regressor of large targets": (
        "learnt nothing",
        lambda path: NetworkRegressor(
            lambda d, k: fd.Trainer(fd.Network([d, k], loss="mse"), fd.SGD(1e-9)), epochs=4
        ).fit(X, 1e6 * NUMBERS),
    ),
    "a classifier in a pipeline": (
        "learnt nothing",
        lambda path: make_pipeline("passthrough", NetworkClassifier(far(), epochs=4))
        .fit(FAR, LABELS),
    ),
    "a classifier in a search": (
        "learnt nothing",
        lambda path: GridSearchCV(NetworkClassifier(far(), epochs=5), {}, cv=2).fit(FAR, LABELS),
    ),
    "an MLP": (r"Maximum iterations \(2\)", lambda path: mlp().fit(X, LABELS)),
    "an MLP in a pipeline": (
        r"Maximum iterations \(2\)", lambda path: make_pipeline(StandardScaler(), mlp())
        .fit(X, LABELS),
    ),
    "an MLP in a search": (
        r"Maximum iterations \(2\)", lambda path: GridSearchCV(mlp(), {}, cv=2).fit(X, LABELS),
    ),
    "an MLP of large batches": (
        "to be clipped", lambda path: mlp(batch_size=N + 1).partial_fit(X, LABELS, **CLASSES),
    ),
    "an MLP and Ctrl-C": ("interrupted", lambda path: mlp(callbacks=interrupt).fit(X, LABELS)),
    "an MLP of a column": ("column-vector", lambda path: mlp().partial_fit(X, COLUMN, **CLASSES)),
    "an MLP of a column of numbers": (
        "column-vector", lambda path: MLPRegressor(max_iter=1).partial_fit(X, COLUMN),
    ),
    "a classifier of a column": (
        "column-vector", lambda path: NetworkClassifier(trainer(), epochs=1).fit(X, COLUMN),
    ),
    "a regressor of a column": (
        "column-vector", lambda path: NetworkRegressor(trainer([D, 1], loss="mse"), epochs=1)
        .fit(X, COLUMN / 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_warning_names_the_line_of_the_caller(way, tmp_path):
    words, call = WAYS[way]
    with pytest.warns(Warning, match=words) as told:
        call(tmp_path / "saved.safetensors")
    assert {warning.filename for warning in told} == {__file__}


def batches():
    yield X, LABELS


def as_frame():
    return pytest.importorskip("pandas").DataFrame(X)


double = {"dtype": "float64"}
OF_BLAS = {  # calls of products, which may be those of a BLAS that cannot be held
    "logits": lambda: fd.Network(WIDE, **double).logits(X),
    "predict": lambda: fd.Network(WIDE, **double).predict(X),
    "evaluate": lambda: fd.Network(WIDE, **double).evaluate(X, LABELS),
    "gradients": lambda: fd.Network(WIDE, **double).gradients(X, LABELS),
    "fit": lambda: trainer(**double).fit(X, LABELS),
    "fit of batches": lambda: trainer(**double).fit(batches),
    "step": lambda: trainer(**double).step(X, LABELS),
    "range_test": lambda: trainer(**double).range_test(X, LABELS),
    "matmul": lambda: fd.ops.matmul(X, X.T),
    "river": lambda: river.Classifier(trainer(**double)).learn_many(as_frame(), LABELS),
    "an estimator": lambda: NetworkClassifier(trainer(**double), epochs=1).fit(X, LABELS),
    "an MLP": lambda: MLPClassifier(300).partial_fit(X, LABELS, **CLASSES),
}


@pytest.mark.parametrize("way", OF_BLAS)
def test_a_warning_of_blas_names_it_too(way, monkeypatch):
    monkeypatch.setattr(_pools, "unknown", lambda: "cannot hold the BLAS")
    _pools.tell_if_unknown.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="cannot hold the BLAS") as told:
            OF_BLAS[way]()
        assert {warning.filename for warning in told} == {__file__}
    finally:
        _pools.tell_if_unknown.cache_clear()


@pytest.mark.parametrize(
    ("name", "is_between"),
    [
        *((name, True) for name in ("fastdl.trainer", "sklearn.pipeline", "joblib.parallel")),
        *((name, True) for name in ("river.compose.pipeline", "contextlib")),
        *((name, False) for name in ("", "__main__", "mine.fastdl", "sklearn_of_mine", "fast")),
    ],
)
def test_only_packages_that_call_for_a_caller_are_between(name, is_between):
    between = {"__name__": name}
    exec(compile("def call(function): function('told')", "between.py", "exec"), between)
    with pytest.warns(UserWarning, match="told") as told:
        between["call"](warn)
    assert told[0].filename == (__file__ if is_between else "between.py")
