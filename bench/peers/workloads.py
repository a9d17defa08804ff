"""What the peers train: dense ReLU networks by plain SGD with L2, in float32, from memory."""

from dataclasses import dataclass, replace

import numpy as np

SEED = 1  # of the shuffling; everything else goes by the workload alone
LEARNING_RATE = 0.01
L2 = 0.003  # so much that an epoch without it, or with half of it, is noticed in every workload
# Of a workload that is drawn: about the operations of an epoch, the most bytes of its rows and the
# most of its batches, of which there are two at least. After many small batches ReLUs magnify
# the roundings of any two libraries, so an epoch has few of them, and several epochs are timed.
OPERATIONS, BYTES, BATCHES, EPOCHS = 2e9, 128e6, 200, 5


@dataclass(frozen=True)
class Workload:
    """A network and the data that it is trained on.

    Attributes
    ----------
    name : str
    n : int
        Rows of the data.
    widths : tuple of int
        Of the network's layers, inputs first.
    batch_size : int
    epochs : int
        Trained at a stretch each time that a peer is timed.
    regression : bool
        Mean squared error instead of softmax cross-entropy.
    images : str
        "mnist" or "cifar10": pixels in [0, 1]. Empty: random numbers around zero.
    """

    name: str
    n: int
    widths: tuple[int, ...]
    batch_size: int
    epochs: int
    regression: bool = False
    images: str = ""

    @property
    def layers(self):
        """(inputs, outputs) of every layer."""
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def operations(self):
        """Of an epoch's matrix products: forward, gradients of weights and of inner layers."""
        inner = sum(d * h for d, h in self.layers[1:])
        return 2 * self.forward_operations + 2 * self.n * inner

    @property
    def forward_operations(self):
        """Of the matrix products of an evaluation."""
        return 2 * self.n * sum(d * h for d, h in self.layers)

    @property
    def n_bytes(self):
        """Of the inputs, which an epoch has to read once."""
        return 4 * self.n * self.widths[0]

    def start(self):
        """The parameters to start from: weight (d, h) and bias (h,) of every layer in turn."""
        rng = np.random.default_rng(0)
        parameters = []
        for d, h in self.layers:
            weight = rng.standard_normal((d, h), np.float32)
            weight *= np.float32(np.sqrt(2 / d))
            parameters += [weight, np.zeros(h, np.float32)]
        return parameters


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("a1", 10_000, (3072, 10), 100, epochs=5, images="cifar10"),
        Workload("a2", 10_000, (3072, 50, 10), 100, epochs=5, images="cifar10"),
        Workload("hw2_1", 2_000, (784, 128, 10), 1, epochs=3),
        Workload("hw2_10", 20_000, (784, 128, 10), 10, epochs=1),
        Workload("hw2_128", 60_000, (784, 128, 10), 128, epochs=3),
        Workload("hw2_1024", 60_000, (784, 128, 10), 1024, epochs=3),
        Workload("hw2_10k", 60_000, (784, 128, 10), 10_000, epochs=3),
        Workload("hw2_deep", 60_000, (784, 512, 512, 10), 1024, epochs=1),
        Workload("mnist_128", 60_000, (784, 128, 10), 128, epochs=3, images="mnist"),
        Workload("mnist_1024", 60_000, (784, 128, 10), 1024, epochs=3, images="mnist"),
        Workload("mnist_10k", 60_000, (784, 128, 10), 10_000, epochs=3, images="mnist"),
        Workload("mnist_deep", 60_000, (784, 512, 512, 10), 1024, epochs=1, images="mnist"),
        Workload("reg", 1_000, (2, 128, 64, 1), 100, epochs=200, regression=True),
        Workload("reg10", 100, (2, 128, 64, 1), 10, epochs=500, regression=True),
    )
}


def draw(count, seed):
    """Workloads of shapes that are drawn log-uniformly; the first ones are the same for any count.

    4 to 4,000 inputs, no to three hidden layers of 8 to 1,200 units, 2 to 1,000 classes, batches of
    1 to 4,096 rows. Their names say them all.
    """
    rng = np.random.default_rng(seed)

    def number(least, most):
        return round(np.exp(rng.uniform(np.log(least), np.log(most))))

    drawn = []
    for _ in range(count):
        hidden = [number(8, 1200) for _ in range(rng.integers(4))]
        widths = number(4, 4000), *hidden, number(2, 1000)
        size = number(1, 4096)
        one = Workload("-".join(map(str, widths)) + f"@{size}", size, widths, size, epochs=1)
        batches = max(2, round(min(OPERATIONS / one.operations, BYTES / one.n_bytes, BATCHES)))
        epochs = EPOCHS if batches == BATCHES else 1
        drawn.append(replace(one, n=size * batches, epochs=epochs))
    return drawn
