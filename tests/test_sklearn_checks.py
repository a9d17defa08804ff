"""sklearn/: scikit-learn's checks of estimators; none fails that its own estimators pass."""

import warnings

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastdl as fd
from fastdl.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor


class Making:
    """A function whose representation, by which workers know tests, has no address in it."""

    def __init__(self, loss):
        self.loss = loss

    def __call__(self, d, k):
        least = 1 if self.loss == "mse" else 2
        net = fd.Network([d, 32, max(k, least)], loss=self.loss, dtype="float64")
        return fd.Trainer(net, fd.Adam(0.02), batch_size=32)

    def __repr__(self):
        return f"Making({self.loss!r})"


ESTIMATORS = [
    MLPClassifier(max_iter=100),
    MLPRegressor(max_iter=100),
    NetworkClassifier(Making("softmax_cross_entropy"), epochs=40),
    NetworkRegressor(Making("mse"), epochs=40),
]


@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix for nan or inf")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_check(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("default", fd.ScalingWarning)  # of rows of noise
        check(estimator)
