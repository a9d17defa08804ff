"""The losses: one row each. Network, trainer, tests and benchmarks go by this table."""

from dataclasses import dataclass

from fastdl import _check, _kernels


@dataclass(frozen=True)
class Loss:
    """What the rest of the library needs to know of a loss.

    Attributes
    ----------
    name : str
        Its name in ``fastdl.ops`` and for ``Network(loss=...)``.
    targets : bool
        Whether y is float targets (n, k) rather than integer labels (n,).
    probabilities : str or None
        How outputs become probabilities: "softmax", "sigmoid" or not at all.
    """

    name: str
    targets: bool = False
    probabilities: str | None = None

    @property
    def code(self) -> int:
        """The number by which the kernels know it."""
        return _kernels.LOSSES[self.name]


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("softmax_cross_entropy", probabilities="softmax"),
        Loss("hinge"),
        Loss("sigmoid_cross_entropy", probabilities="sigmoid"),
        Loss("mse", targets=True),
    )
}


def get(name: object) -> Loss:
    """The loss of this name."""
    return LOSSES[_check.choice("loss", name, tuple(LOSSES))]
