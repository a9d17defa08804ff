"""The activations: what the rest of the library needs to know of each."""

from __future__ import annotations

from typing import NamedTuple

from fastdl import _check, _hints, _kernels


class Activation(NamedTuple):
    """An activation.

    Attributes
    ----------
    name : str
        Its name in ``fastdl.ops`` and for ``Dense``.
    kinked : bool
        Whether its derivative jumps at zero.
    any_number : bool
        Whether it gives every number for some input.
    """

    name: str
    kinked: bool = False
    any_number: bool = False

    @property
    def code(self) -> int:
        """The number by which the kernels know it."""
        return _kernels.ACTIVATIONS[self.name]

    @property
    def by_input(self) -> bool:
        """Whether its derivative is found from its input, not from its output."""
        return self.name in _kernels.BY_INPUT


_KINKED = {"relu", "leaky_relu", "selu"}
_ANY_NUMBER = {"identity", "leaky_relu"}
ACTIVATIONS = {
    name: Activation(name, name in _KINKED, name in _ANY_NUMBER) for name in _kernels.ACTIVATIONS
}


_ELSEWHERE = _hints.table(  # what other libraries call them
    {
        "'identity': the loss has the softmax, and so has net.predict_proba": "softmax",
        "'identity'": "linear none",
        "'sigmoid'": "logistic",
        "'silu'": "swish",
        "'exp'": "exponential",
    }
)


def get(name: object) -> Activation:
    """The activation of this name."""
    return ACTIVATIONS[_check.choice("activation", name, tuple(ACTIVATIONS), _ELSEWHERE)]
