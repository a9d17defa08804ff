"""The estimators beside scikit-learn's own: python bench/estimators.py [case ...] [--float32]

Both train on one thread, in turns, by scikit-learn's defaults but for the number of epochs, and
have to end with the same losses. Times are those of the process, which busy neighbours do not
lengthen as they do the clock's; a ratio is the median of the pairs'. Beside it stands the ratio "at
most": of a fit that takes no longer than BLAS would take for its multiply-adds in one large square
product of the same type, in the same minute. Where zeros are not multiplied (MNIST, and in float64
digits) a fit may go beyond it; of sparse rows it says nothing. Images are the real ones where
fastdl finds them (FASTDL_DATA_DIR), else stand-ins.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402

import numpy as np  # noqa: E402
import sklearn.neural_network as peer  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402
from sklearn.datasets import load_digits, make_classification, make_regression  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

from fastdl import datasets  # noqa: E402
from fastdl import sklearn as ours  # noqa: E402


def digits():
    return *load_digits(return_X_y=True), {"max_iter": 40}


def table():
    x, y = make_classification(20_000, 54, n_informative=20, n_classes=7, random_state=0)
    return x, y, {"max_iter": 10}


def mnist():
    try:
        (x, y), *_ = datasets.load_mnist(validation=0)
    except datasets.MissingDatasetError:
        (x, y), *_ = datasets.stand_in("mnist", 60_000)
    return x.reshape(len(x), -1) / 255, y, {"max_iter": 2, "hidden_layer_sizes": (128,)}


def regression():
    x, y = make_regression(10_000, 20, noise=10, random_state=0)
    return x, y / y.std(), {"max_iter": 15, "hidden_layer_sizes": (64, 64)}


def sparse(n=10_000, d=20_000):
    """Rows of 20 numbers among thousands of columns, which fastdl makes dense a few at a time."""
    rng = np.random.default_rng(0)
    place = np.repeat(np.arange(n), 20), rng.integers(0, d, 20 * n)
    x = csr_matrix((rng.normal(size=20 * n), place), (n, d))
    y = (x[:, : d // 2].sum(axis=1) > 0).A1.astype(int)
    return x, y, {"max_iter": 3, "hidden_layer_sizes": (20,)}


def wide():
    return sparse(2_000, 100_000)


SIDE = 1024  # of the square product
CASES = {"digits": digits, "table": table, "mnist": mnist, "regression": regression}
CASES |= {"sparse": sparse, "wide": wide}


def both(x, y, settings):
    """scikit-learn's estimator and ours."""
    name = "MLPRegressor" if y.dtype.kind == "f" else "MLPClassifier"
    return [getattr(library, name)(random_state=0, **settings) for library in (peer, ours)]


def seconds(call):
    began = time.process_time()
    call()
    return time.process_time() - began


def multiply_adds(one, n):
    """Those of a fit with n rows; the first layer's inputs need no gradient."""
    sizes = [weight.size for weight in one.coefs_]
    return n * one.n_iter_ * (3 * sum(sizes) - sizes[0])


def fits(name, dtype, rounds):
    """The seconds of each fit, and of its multiply-adds (rounds, 3), once both agree."""
    x, y, settings = CASES[name]()
    x, estimators = x.astype(dtype), both(x, y, settings)
    square = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(dtype)
    times = []
    for _ in range(rounds):
        times.append([seconds(lambda one=one: one.fit(x, y)) for one in estimators])
        curves = [one.loss_curve_ for one in estimators]
        np.testing.assert_allclose(*curves, rtol=1e-6 if dtype == "float64" else 1e-3)
        product = min(seconds(lambda: square @ square) for _ in range(3))
        times[-1].append(product * multiply_adds(estimators[1], x.shape[0]) / SIDE**3)
    return np.array(times), [one.predict for one in estimators], x[:1]


def rows(predicts, row, rounds):
    """The seconds of an answer to one row (rounds, 2)."""
    calls = [(one, 300 if i else 30) for i, one in enumerate(predicts)]
    times = [
        [seconds(lambda one=one, n=n: [one(row) for _ in range(n)]) / n for one, n in calls]
        for _ in range(rounds)
    ]
    return np.array(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", help=" ".join(CASES))
    parser.add_argument("--float32", action="store_true", help="rows of float32")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    dtype = "float32" if given.float32 else "float64"
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"{'':22}scikit-learn      fastdl   times  at most")
    for name in given.cases or CASES:
        found, predicts, row = fits(name, dtype, given.rounds)
        for what, times, unit in (
            (name, found * 1e3, "ms"),
            ("  predict of one row", rows(predicts, row, given.rounds) * 1e6, "us"),
        ):
            theirs, own = np.median(times, axis=0)[:2]
            ratios = np.median(times[:, :1] / times[:, 1:], axis=0)
            told = "".join(f"{ratio:8.2f}" for ratio in ratios)
            print(f"{what:22}{theirs:9.1f} {unit}{own:9.1f} {unit}{told}")


if __name__ == "__main__":
    main()
