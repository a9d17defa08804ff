"""Estimators of scikit-learn's protocol: its MLPs on the library's loops, and networks of your own.

>>> from fastdl.sklearn import MLPClassifier
>>> MLPClassifier().fit([[0.0], [1.0]] * 20, ["no", "yes"] * 20).predict([[1.0]]).item()
'yes'
"""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "fastdl.sklearn must have scikit-learn; got none, use pip install 'fastdl[sklearn]'"
    ) from error

from fastdl import _keywords
from fastdl.sklearn.classifier import MLPClassifier
from fastdl.sklearn.networks import NetworkClassifier, NetworkRegressor
from fastdl.sklearn.regressor import MLPRegressor

_keywords.answer(
    MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor, module="sklearn."
)

__all__ = ["MLPClassifier", "MLPRegressor", "NetworkClassifier", "NetworkRegressor"]
