"""Estimators as ONNX graphs, judged by onnxruntime."""

import numpy as np
import pytest

import fastdl as fd

pytest.importorskip("sklearn", minversion="1.7")
pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from fastdl.sklearn import (  # noqa: E402 - scikit-learn is there
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
)

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
RNG = np.random.default_rng(0)
N, D = 80, 5
X = RNG.normal(size=(N, D))
CLASSES = {
    "integers": np.array([3, 7, 40]), "words": np.array(["a", "bb", "c"]),
    "two": np.array(["no", "yes"]), "truth": np.array([False, True]),
    "floats": np.array([1.0, 2.0, 5.0]),
}  # fmt: skip


def labels(classes):
    return classes[RNG.integers(0, len(classes), N)]


def run(estimator, x, path):
    estimator.to_onnx(path)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": x}), strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", CLASSES)
def test_labels_and_probabilities(tmp_path, kind, dtype):
    x = X.astype(dtype)
    y = labels(CLASSES[kind])
    clf = MLPClassifier((8,), max_iter=3, tol=0, n_iter_no_change=9, random_state=0)
    clf.fit(x, y)
    found = run(clf, x, tmp_path / "clf.onnx")
    assert list(found) == ["label", "probabilities"]
    assert found["label"].tolist() == clf.predict(x).tolist()
    np.testing.assert_allclose(found["probabilities"], clf.predict_proba(x), rtol=1e-5, atol=1e-6)
    assert found["probabilities"].dtype == dtype


def test_several_labels_a_row(tmp_path):
    clf = MLPClassifier((8,), max_iter=3, random_state=0).fit(X, RNG.integers(0, 2, (N, 3)))
    found = run(clf, X, tmp_path / "clf.onnx")
    np.testing.assert_array_equal(found["label"], clf.predict(X))
    np.testing.assert_allclose(found["probabilities"], clf.predict_proba(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [
    {}, {"loss": "poisson"}, {"loss": "huber", "target_scaling": "standard"},
])  # fmt: skip
@pytest.mark.parametrize("k", [1, 3])
def test_numbers(tmp_path, settings, k):
    y = RNG.poisson(3, (N, k)).astype(float)
    one = MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, random_state=0, **settings)
    one.fit(X, y if k > 1 else y[:, 0])
    found = run(one, X, tmp_path / "one.onnx")
    assert list(found) == ["variable"]
    expected = one.predict(X).reshape(N, k)
    np.testing.assert_allclose(found["variable"], expected, rtol=1e-5, atol=1e-6)


def test_estimators_over_a_trainer(tmp_path):
    def made(d, k, **settings):
        return fd.Trainer(fd.Network([d, 9, k], **settings), fd.Adam(0.01))

    pixels = RNG.integers(0, 256, (N, D), np.uint8)
    y = labels(CLASSES["words"])
    clf = NetworkClassifier(made, epochs=2).fit(pixels, y)
    found = run(clf, pixels, tmp_path / "clf.onnx")
    assert found["label"].tolist() == clf.predict(pixels).tolist()
    hinge = NetworkClassifier(lambda d, k: made(d, k, loss="hinge"), epochs=2).fit(X, y)
    found = run(hinge, X.astype(np.float32), tmp_path / "hinge.onnx")
    assert list(found) == ["label", "scores"]
    assert found["label"].tolist() == hinge.predict(X.astype(np.float32)).tolist()
    one = NetworkRegressor(lambda d, k: made(d, k, loss="mse"), epochs=2).fit(X, X[:, 0])
    found = run(one, X.astype(np.float32), tmp_path / "one.onnx")
    np.testing.assert_allclose(found["variable"][:, 0], one.predict(X), rtol=1e-4, atol=1e-5)


def test_what_is_not_fitted_is_not_written(tmp_path):
    with pytest.raises(Exception, match="fitted"):
        MLPClassifier().to_onnx(tmp_path / "clf.onnx")
    assert not list(tmp_path.iterdir())
