"""A fit of batches that come one by one, read ahead by a thread while others are trained on."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NoReturn

import numpy as np

from fastdl import _check, batch
from fastdl._check import Array
from fastdl.core import Core
from fastdl.data import Data, check, weighted
from fastdl.fit import MOST_EVALUATED, Fit, Terms
from fastdl.inputs import Inputs
from fastdl.records import Asked, Records

_AHEAD = 2  # batches that wait, at most
_PAUSE = 0.1  # seconds after which the thread looks whether anybody still wants its batch
_DOUBLE = np.dtype(np.float64)
_EXAMPLE = "trainer.fit(lambda: zip(np.split(x, 10), np.split(y, 10)), epochs=3)"

Batch = tuple[Any, Any] | tuple[Any, Any, Any]
Source = Iterable[Batch] | Callable[[], Iterable[Batch]]


def source(given: object, epochs: int) -> Callable[[], Iterator[Batch]]:
    """A function that begins an epoch's batches, from what ``fit`` was given in place of arrays."""
    if callable(given):
        return lambda: iter(_iterable(given()))
    iterable = _iterable(given)
    if isinstance(iterable, Iterator) and epochs > 1:  # to begin one may cost, as a loader's does
        raise ValueError(
            f"epochs must be 1 with an iterator, which is spent after one; got {epochs}, use "
            "trainer.fit(function, epochs=...) with a function that begins a new one"
        )
    return lambda: iter(iterable)


def _iterable(given: object) -> Iterable[Batch]:
    if hasattr(given, "__array__") or hasattr(given, "columns") or isinstance(given, str | bytes):
        raise TypeError(
            f"y must be given with an array x; got None, use y=labels, or batches in place of x: "
            f"{_EXAMPLE}"
        )
    if not isinstance(given, Iterable):
        raise TypeError(
            f"batches must be an iterable of (x, y), or a function that gives one; got "
            f"{given!r:.100}, use {_EXAMPLE}"
        )
    return given


def _tell_batch(error: BaseException, at: int, is_refusal: bool) -> None:
    """Have an error say in which batch: a refusal in its sentence, any other in a note."""
    where = f"batch {at} of the epoch, counted from 0"
    if is_refusal and type(error) in (TypeError, ValueError):
        error.args = (f"{error} ({where})",)
    else:
        error.add_note(f"in {where}")


class Reader:
    """Reads an epoch's batches in a thread of its own.

    Parameters
    ----------
    batches : iterator
    read : callable
        Gives a checked batch, in memory of its own, for what the iterator gives.
    """

    def __init__(self, batches: Iterator[Batch], read: Callable[[object], Data]) -> None:
        self._waiting: queue.Queue[Data | BaseException | None] = queue.Queue(_AHEAD)
        self._is_wanted = True
        arguments = batches, read
        self._thread = threading.Thread(
            target=self._run, args=arguments, name="fastdl reader", daemon=True
        )
        self._thread.start()

    def _run(self, batches: Iterator[Batch], read: Callable[[object], Data]) -> None:
        at, reads = 0, False
        try:
            for given in batches:
                reads = True
                self._put(read(given))
                at, reads = at + 1, False
                if not self._is_wanted:
                    return
        except BaseException as error:  # which the fit raises where the batch would have come
            _tell_batch(error, at, reads)
            self._put(error)
        else:
            self._put(None)
        finally:
            if hasattr(batches, "close"):  # of a generator: what it holds open is closed
                batches.close()

    def _put(self, what: Data | BaseException | None) -> None:
        while self._is_wanted:
            try:
                self._waiting.put(what, timeout=_PAUSE)
            except queue.Full:
                continue
            return

    def next(self) -> Data | None:
        """The next batch, None after the last; raises what reading it has raised."""
        found = self._waiting.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """Read no more; the thread ends with the batch that it is reading."""
        self._is_wanted = False
        self._thread.join(10 * _PAUSE)  # so that what a generator holds open is closed by now


class StreamFit(Fit):
    """A fit of batches that are asked for one after another."""

    _reader: Reader | None = None
    _next: Data | None = None

    def __init__(
        self,
        terms: Terms,
        batches: Callable[[], Iterator[Batch]],
        validation: Data | None,
        asked: Asked,
    ) -> None:
        super().__init__(terms, asked, terms.state.epoch, n_batches=1)
        core = self.core
        self._batches, self._steps = batches, terms.steps()
        self._known = core.inputs if validation is None else validation.inputs
        threads = core.threads(self._settings.n_threads, MOST_EVALUATED)
        self.records = Records(core, asked, threads)
        if asked.record is not None:
            workspace = terms.room.of_records(core.program, threads)
            self.records.measure(None, None, validation, workspace)

    def serial_blas(self) -> AbstractContextManager[None]:
        return self.core.serial_blas(MOST_EVALUATED)

    def begin_epoch(self) -> None:
        self._reader = Reader(self._batches(), self._read)
        self._next = self._reader.next()
        if self._next is None:
            raise ValueError(
                "batches must hold one at least; got none in epoch "
                f"{self.state.epoch + 1}, use a function that begins anew each epoch: {_EXAMPLE}"
            )

    def _read(self, given: object) -> Data:
        """A batch, checked, in memory that nobody else writes to."""
        data = read_batch(self.core, given, self._known)
        self._known = data.inputs
        return data

    @property
    def has_batches(self) -> bool:
        return self._next is not None

    def steps(self, most: int) -> int:
        done = 0
        while done < most and self._next is not None:
            self._step(self._next)
            assert self._reader is not None
            self._next = self._reader.next()
            done += 1
        return done

    def _step(self, data: Data) -> None:
        core, state, steps = self.core, self.state, self._steps
        self._train, steps.t = data, state.step
        self.rates.plan_another(state.step, state.epoch)
        self.is_steady = self.kept.gone_back = False
        try:
            loss = batch.take(
                core, steps, data, float(self.rates.values[0]), self._settings.n_threads
            )
        finally:
            state.step = steps.t
            self.is_steady = True
        if loss - loss != 0:
            at = self.at
            state.step += 1
            try:
                self._diverge(loss)
            except ValueError as error:
                _tell_batch(error, at, True)
                raise
        core.inputs = data.inputs
        n = len(data.x)
        self.records.sums += loss * n, steps.n_correct, n

    def _place(self, ends: bool) -> list[float]:
        return [self.state.epoch + ends, self.state.step]

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def save(self, path: str | os.PathLike[str]) -> NoReturn:
        raise RuntimeError(
            f"{os.fspath(path)} must be of a fit of arrays, which can go on in the middle of an "
            "epoch; got one of batches, use net.save(path), or pickle the trainer between fits"
        )


def read_batch(core: Core, given: object, known: Inputs | None) -> Data:
    """(x, y) or (x, y, sample_weight) as a data set that shares no memory with them."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        parts = isinstance(given, tuple | list)
        got = f"{len(given)} parts" if parts else type(given).__name__  # type: ignore[arg-type]
        raise TypeError(f"a batch must be (x, y) or (x, y, sample_weight); got {got}")
    x, y, *weights = given
    data = check(core, x, y, known=known)
    data = data._replace(x=_own(data.x, x), targets=_own(data.targets, y))
    if not weights or weights[0] is None:
        return data
    return weighted(core, data, _check.weights("sample_weight", weights[0], len(data.x), _DOUBLE))


def _own(array: Array | None, given: object) -> Any:
    """An array that a generator cannot fill with its next batch meanwhile."""
    if array is None or (array is not given and array.flags.owndata):
        return array
    return array.copy()
