from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

_Array = NDArray[Any]
_Answers = tuple[_Array | None, _Array | None, _Array | None]  # labels, targets, weights

OPENMP: str
DEBUG: bool
MOST_THREADS: int
ISA: str
ISAS: tuple[str, ...]
ACTIVATIONS: dict[str, int]
BY_INPUT: set[str]
LOSSES: dict[str, int]
MASKS: dict[str, int]
OPTIMISERS: dict[str, int]
BLOCK_ROWS: int
N_SETTINGS: int

def openmp_limit() -> int: ...
def available_isas() -> tuple[str, ...]: ...
def use_isa(name: str) -> None: ...
def leaves_to_blas(single: bool, is_transposed: bool, m: int, n: int, k: int) -> bool: ...
def lies_by_unit(d: int, h: int, single: bool, first: bool) -> bool: ...
def gemm(
    transpose_a: bool, transpose_b: bool, a: _Array, b: _Array, out: _Array, n_threads: int
) -> None: ...
def gather(
    x: _Array,
    order: _Array,
    out: _Array,
    shift: _Array | None,
    scale: _Array | None,
    n_threads: int,
) -> None: ...
def bias_activation(activation: int, bias: _Array, z: _Array, n_threads: int) -> None: ...
def activation_backward(activation: int, by: _Array, dout: _Array, n_threads: int) -> None: ...
def mask(
    code: int,
    place: tuple[int, ...],
    rate: float,
    x: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
def normalise(
    x: _Array,
    moments: _Array,
    of_batch: bool,
    epsilon: float,
    gamma: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
def normalise_back(
    x: _Array,
    dout: _Array,
    moments: _Array,
    epsilon: float,
    gamma: _Array,
    dx: _Array,
    grads: _Array,
    n_threads: int,
) -> None: ...
def softmax(logits: _Array, n_threads: int) -> None: ...
def sum_rows(x: _Array, out: _Array) -> None: ...
def loss_forward_backward(
    loss: int,
    logits: _Array,
    answers: _Answers,
    settings: _Array,
    scale: float,
    dlogits: _Array | None,
    partial: _Array,
    n_threads: int,
) -> tuple[float, int]: ...
def row_losses(
    loss: int,
    logits: _Array,
    labels: _Array | None,
    targets: _Array | None,
    settings: _Array,
    out: _Array,
) -> None: ...
def finite(x: _Array) -> bool: ...
def penalty(weight: _Array, l1: float, l2: float) -> float: ...
def penalty_gradient(weight: _Array, l1: float, l2: float, dweight: _Array) -> None: ...
def update(
    hyper: tuple[int, tuple[float, ...], float],
    learning_rate: float,
    t: int,
    l1: float,
    l2: float,
    param: _Array,
    grad: _Array,
    moments: Sequence[_Array],
) -> None: ...
