"""CIFAR, MNIST, sets like them and stand-ins for them: found, fetched, read.

>>> from fastdl import datasets
>>> (x, y), (xv, yv), (xt, yt) = datasets.stand_in("mnist", 500, seed=0)
>>> x.shape, x.dtype, y.dtype
((500, 784), dtype('uint8'), dtype('int64'))
"""

from fastdl.datasets._cifar10 import CIFAR10_LABELS, load_cifar10
from fastdl.datasets._cifar100 import CIFAR100_COARSE_LABELS, CIFAR100_LABELS, load_cifar100
from fastdl.datasets._download import download
from fastdl.datasets._emnist import EMNIST_LABELS, load_emnist
from fastdl.datasets._errors import DatasetError, MissingDatasetError
from fastdl.datasets._idx import load_idx
from fastdl.datasets._mnist import (
    FASHION_MNIST_LABELS,
    KMNIST_LABELS,
    load_fashion_mnist,
    load_kmnist,
    load_mnist,
)
from fastdl.datasets._provenance import provenance
from fastdl.datasets._stand_in import stand_in
from fastdl.datasets._types import Provenance

__all__ = [
    "CIFAR10_LABELS",
    "CIFAR100_COARSE_LABELS",
    "CIFAR100_LABELS",
    "EMNIST_LABELS",
    "FASHION_MNIST_LABELS",
    "KMNIST_LABELS",
    "DatasetError",
    "MissingDatasetError",
    "Provenance",
    "download",
    "load_cifar10",
    "load_cifar100",
    "load_emnist",
    "load_fashion_mnist",
    "load_idx",
    "load_kmnist",
    "load_mnist",
    "provenance",
    "stand_in",
]
