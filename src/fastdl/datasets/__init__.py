"""CIFAR-10, MNIST and stand-ins for them: found, fetched, read.

>>> from fastdl import datasets
>>> (x, y), (xv, yv), (xt, yt) = datasets.stand_in("mnist", 500, seed=0)
>>> x.shape, x.dtype, y.dtype
((500, 784), dtype('uint8'), dtype('int64'))
"""

from fastdl.datasets._cifar10 import CIFAR10_LABELS, load_cifar10
from fastdl.datasets._download import download
from fastdl.datasets._errors import DatasetError, MissingDatasetError
from fastdl.datasets._mnist import load_mnist
from fastdl.datasets._provenance import provenance
from fastdl.datasets._stand_in import stand_in
from fastdl.datasets._types import Provenance

__all__ = [
    "CIFAR10_LABELS",
    "DatasetError",
    "MissingDatasetError",
    "Provenance",
    "download",
    "load_cifar10",
    "load_mnist",
    "provenance",
    "stand_in",
]
