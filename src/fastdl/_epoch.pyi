from collections.abc import Sequence
from typing import Any, Self, TypeGuard, final

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]
_Scaling = tuple[_Array | None, _Array | None, _Array | None]
_Hyper = tuple[int, tuple[float, ...], float]

KIND_DENSE: int
KIND_MASK: int
KIND_NORM: int
ANSWERS: dict[str, int]

def weight_stride(columns: int) -> int: ...
def often_sparse(x: _Array, item: int) -> bool: ...
def ready_labels(y: object, n: int, k: int) -> NDArray[np.intc] | None: ...
def ready_numbers(y: object, n: int, k: int, single: bool) -> TypeGuard[_Array]: ...

@final
class Rows:
    def __new__(
        cls,
        x: _Array,
        scaling: _Scaling,
        labels: _Array | None,
        targets: _Array | None,
        weights: _Array | None,
        scan_zeros: bool,
        check_finite: bool,
    ) -> Self: ...

@final
class Batches:
    @property
    def done(self) -> int: ...
    def __new__(
        cls,
        order: _Array | None,
        starts: _Array,
        stops: _Array,
        rates: _Array,
        losses: _Array,
        n_correct: _Array,
        sums: _Array,
        penalties: _Array | None = None,
    ) -> Self: ...

@final
class Workspace:
    @property
    def grads(self) -> _Array: ...
    def __new__(
        cls,
        program: Program,
        *,
        batch: int = 0,
        moments: Sequence[_Array] = (),
        seed: int = 0,
        n_threads: int = 1,
    ) -> Self: ...

@final
class Program:
    def __new__(
        cls, layers: _Array, settings: _Array, loss: int, of_loss: _Array, single: bool
    ) -> Self: ...
    def train(
        self,
        rows: Rows,
        workspace: Workspace,
        batches: Batches,
        hyper: _Hyper,
        t: int,
        params: _Array,
        n_threads: int,
    ) -> int: ...
    def gradient(
        self,
        rows: Rows,
        workspace: Workspace,
        params: _Array,
        doutputs: _Array | None = None,
        outputs: _Array | None = None,
    ) -> float: ...
    def evaluate(
        self,
        rows: Rows,
        workspace: Workspace,
        params: _Array,
        out: _Array | None,
        results: _Array | None,
        n_threads: int,
    ) -> tuple[float, int]: ...
    def answer(self, reading: Reading, x: object, params: _Array, kind: int) -> _Array | None: ...
    def needs_blas(self, n: int, trains: bool) -> bool: ...
    def chunks(self, n: int) -> int: ...
    def stages(self, batch: int, n_threads: int) -> list[list[int]]: ...
    def evaluation_pieces(self, n: int, n_threads: int) -> list[int]: ...

@final
class Reading:
    takes: tuple[bool, bool, bool]
    def __new__(cls, d: int, most: int, scalings: Sequence[_Scaling]) -> Self: ...
    def has(self, x: object) -> bool: ...

@final
class Steps:
    t: int
    @property
    def n_correct(self) -> int: ...
    def __new__(
        cls,
        program: Program,
        hyper: _Hyper,
        params: _Array,
        moments: Sequence[_Array],
        seed: int,
        reading: Reading,
        y: str,
    ) -> Self: ...
    def take_ready(self, x: object, y: object, rate: float) -> float | None: ...
    def follow_ready(self, x: object, doutputs: object, rate: float) -> float | None: ...
    def take(self, rows: Rows, rate: float, n_threads: int) -> float: ...
    def outputs(self, rows: Rows, n_threads: int) -> _Array | None: ...
    def follow(self, rows: Rows, doutputs: _Array, rate: float, n_threads: int) -> float: ...
