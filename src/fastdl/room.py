"""What fits of arrays write to beside their results, and which rows are a batch."""

from __future__ import annotations

import numpy as np

from fastdl import resume
from fastdl._epoch import Program, Workspace
from fastdl.state import State


class Batched:
    """The batches of n rows.

    Attributes
    ----------
    starts, stops : intp array
        Where each starts and stops.
    largest : int
        The rows of the largest one.
    losses : float64 array
        Of each, once trained on.
    correct : intp array
    """

    def __init__(self, n: int, size: int, drop_last: bool) -> None:
        starts = np.arange(0, n, size, dtype=np.intp)
        stops = np.minimum(starts + size, n)
        if drop_last and n % size:
            starts, stops = starts[:-1], stops[:-1]
            if not len(starts):
                raise ValueError(
                    f"batch_size must be at most the {n} rows with drop_last; got {size}, "
                    f"use batch_size={n} or drop_last=False"
                )
        self.starts, self.stops, self.largest = starts, stops, min(n, size)
        self.losses, self.correct = np.empty(len(starts)), np.empty(len(starts), np.intp)


class Room:
    """What fits write to beside their results: it lasts while their batches stay alike."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._records_of: tuple[object, ...] = ()

    def take(
        self, program: Program, state: State, n: int, settings: resume.Settings
    ) -> tuple[Workspace, Batched]:
        """A workspace for batches of n rows, and where they are."""
        size, drop_last = settings.batch_size, settings.drop_last
        of = program, n, size, drop_last, state.shuffling.stream
        if of != self._of:
            batched = Batched(n, size, drop_last)
            self._made = (
                Workspace(
                    program, batch=batched.largest, moments=state.moments,
                    seed=state.shuffling.stream,
                ),
                batched,
            )  # fmt: skip
            self._of = of
        return self._made

    def of_records(self, program: Program, n_threads: int) -> Workspace:
        """One for evaluations."""
        of = program, n_threads
        if of != self._records_of:
            self._evaluates, self._records_of = Workspace(program, n_threads=n_threads), of
        return self._evaluates
