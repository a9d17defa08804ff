from typing import Any, Self, final

from numpy.typing import NDArray

_Array = NDArray[Any]

def weight_stride(columns: int) -> int: ...

@final
class Rows:
    def __new__(
        cls,
        x: _Array,
        shift: _Array | None,
        scale: _Array | None,
        offset: _Array | None,
        labels: _Array | None,
        targets: _Array | None,
        weights: _Array | None,
    ) -> Self: ...
    def judge(self) -> None: ...
    def trust(self, trusted: bool) -> None: ...

@final
class Program:
    done: int
    def __new__(
        cls, layers: _Array, penalties: _Array, loss: int, margin: float, single: bool
    ) -> Self: ...
    def training_size(self, batch: int) -> int: ...
    def evaluation_size(self, n_threads: int) -> int: ...
    def train(
        self,
        rows: Rows,
        order: _Array | None,
        starts: _Array,
        stops: _Array,
        rates: _Array,
        hyper: tuple[int, float, float, float, float],
        t: int,
        params: _Array,
        grads: _Array,
        first: _Array | None,
        second: _Array | None,
        workspace: _Array,
        losses: _Array,
        n_correct: _Array,
        sums: _Array,
        n_threads: int,
    ) -> int: ...
    def gradient(self, rows: Rows, params: _Array, grads: _Array, workspace: _Array) -> float: ...
    def evaluate(
        self,
        rows: Rows,
        params: _Array,
        workspace: _Array,
        out: _Array | None,
        results: _Array | None,
        n_threads: int,
    ) -> tuple[float, int]: ...
    def pieces(self, n: int) -> int: ...
