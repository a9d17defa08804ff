"""Starts a worker for every peer and asks them in turn, so that a slow minute is everyone's."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
from limits import Limits

from peers import data
from peers.worker import LIMITS, Task
from peers.workloads import Workload

TOLERANCE = 1e-4  # of parameters after an epoch
REFERENCE = "NumPy"
PAUSE = 0.05  # seconds between two turns: threads of BLAS and OpenMP spin a while before they sleep
# Some environments choose the kernels of OpenBLAS for all that runs in them, and not the best ones.
BLAS_VARIABLES = "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"
THREAD_VARIABLES = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


class PeerError(RuntimeError):
    """A peer could not do the workload."""


@dataclass
class Timing:
    """What was measured of one peer.

    Attributes
    ----------
    first : float
        Seconds to import the library, make the network and train one epoch, in a new process.
    blas : str
        See ``worker.Ready``.
    resident, peak : float
        Megabytes of its process before the first epoch, and at most.
    seconds : list of float
        Of an epoch, one number a round.
    """

    first: float
    blas: str
    resident: float
    peak: float = 0.0
    seconds: list[float] = field(default_factory=list)

    @property
    def ms(self):
        """The median time of an epoch."""
        return 1e3 * statistics.median(self.seconds)


@dataclass
class Race:
    """What was measured of a workload on some cores.

    Attributes
    ----------
    workload : Workload
    n_cores : int
    timings : dict of str to Timing
    left_out : dict of str to str
        Why a peer is missing.
    limits : Limits
        Of the cores, measured between the rounds.
    """

    workload: Workload
    n_cores: int
    timings: dict[str, Timing]
    left_out: dict[str, str]
    limits: Limits

    @property
    def limit_ms(self):
        """The least time of an epoch, by the limits of the cores."""
        return 1e3 * self.limits.seconds(self.workload.operations, self.workload.n_bytes)

    @property
    def ratio(self):
        """Our time over the fastest peer's; None where one of them is missing."""
        if "fastdl" not in self.timings or self.fastest is None:
            return None
        return self.timings["fastdl"].ms / self.timings[self.fastest].ms

    @property
    def least_ratio(self):
        """The same of a library that is as fast as the limit; None where there is no peer."""
        return self.limit_ms / self.timings[self.fastest].ms if self.fastest else None

    @property
    def fastest(self):
        """The fastest peer's name; None where fastdl is alone."""
        others = [name for name in self.timings if name != "fastdl"]
        return min(others, key=lambda name: self.timings[name].ms, default=None)


class Worker:
    """The process of one peer, at the end of a pipe.

    Parameters
    ----------
    task : Task
    cores : list of int
    """

    def __init__(self, task, cores):
        self._peer = task.peer
        self._pipe, theirs = Pipe()
        # An empty cache: the first call compiles, as it does for a new user.
        self._cache = tempfile.TemporaryDirectory()
        n_threads = "1" if task.peer == LIMITS else str(len(cores))
        variables = {n: v for n, v in os.environ.items() if n not in BLAS_VARIABLES}
        code = f"from peers.worker import main; main({theirs.fileno()}, {cores})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=Path(__file__).parents[1],
            env={
                **variables, **dict.fromkeys(THREAD_VARIABLES, n_threads),
                "TORCHINDUCTOR_CACHE_DIR": self._cache.name,
            },
            pass_fds=[theirs.fileno()],
        )  # fmt: skip
        theirs.close()
        self._pipe.send(task)

    def answer(self):
        """What it sends next."""
        try:
            answer = self._pipe.recv()
        except EOFError:
            answer = f"its process ended with {self._process.wait()}"
        if isinstance(answer, str):
            raise PeerError(f"{self._peer} failed: {answer}")
        return answer

    def ask(self, question):
        """Send it a number of epochs, or None, and wait for its answer."""
        self._pipe.send(question)
        return self.answer()

    def close(self):
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()
        self._cache.cleanup()


def distance(parameters, reference):
    """The greatest difference of a layer's parameters, relative to their length.

    Weight and bias together: a bias starts from zero and stays so short that one unit of a ReLU
    that two roundings put on different sides of its kink shows in it as 1e-4.
    """
    pairs = list(zip(parameters, reference, strict=True))
    squares = [(np.sum((a - b) ** 2), np.sum(b**2)) for a, b in pairs]
    layers = [np.add(*squares[i : i + 2]) for i in range(0, len(squares), 2)]
    return max(float(np.sqrt(difference / length)) for difference, length in layers)


def run(workload, names, cores, rounds):
    """Let peers train a workload, each on these cores with as many threads, and in turn.

    Parameters
    ----------
    workload : Workload
    names : sequence of str
        Of installed peers; one that fails, or computes something else, is left out.
    cores : list of int
    rounds : int

    Returns
    -------
    Race
    """
    left_out, ready, workers = {}, {}, {}
    with ExitStack() as stack:
        folder = stack.enter_context(data.written(workload))

        def start(name):
            task = Task(name, workload, len(cores), folder)
            return stack.enter_context(closing(Worker(task, cores)))

        meter = start(LIMITS)
        meter.answer()
        # One after the other: each first call has the machine for itself.
        for name in names:
            worker = start(name)
            try:
                ready[name], workers[name] = worker.answer(), worker
            except PeerError as error:
                left_out[name] = str(error)
        wrong = check({name: answer.parameters for name, answer in ready.items()})
        left_out |= wrong
        workers = {name: worker for name, worker in workers.items() if name not in wrong}
        timings = {
            name: Timing(ready[name].first, ready[name].blas, ready[name].resident)
            for name in workers
        }
        limits = take_turns(workers, timings, workload.epochs, rounds, meter)
        for name, worker in workers.items():
            timings[name].peak = worker.ask(None)
    return Race(workload, len(cores), timings, left_out, limits)


def check(parameters):
    """Hold everyone's parameters after an epoch against the reference's; say who is wrong."""
    wrong = {}
    reference = parameters.get(REFERENCE) or next(iter(parameters.values()), None)
    for name, values in parameters.items():
        difference = distance(values, reference)
        if not difference <= TOLERANCE:
            wrong[name] = (
                f"{name} must compute what the others do to {TOLERANCE:g}; got parameters "
                f"{difference:.1e} off after an epoch, mend its adapter"
            )
    return wrong


def take_turns(workers, timings, epochs, rounds, meter):
    """Fill in the seconds of every round; return the medians of the machine's limits."""
    measured = []
    for _ in range(rounds):
        measured.append(meter.ask(1))
        for name, worker in workers.items():
            time.sleep(PAUSE)
            timings[name].seconds.append(worker.ask(epochs))
    return Limits(*(statistics.median(values) for values in zip(*measured, strict=True)))


def run_busy(workload, cores, rounds):
    """Let fastdl train on two cores while another process keeps one of them busy.

    Returns
    -------
    dict of (int or None) to float
        Threads, None for fastdl's choice: the median milliseconds of an epoch.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(data.written(workload))
        workers = {}
        for n_threads in (1, 2, None):
            task = Task("fastdl", workload, n_threads, folder)
            # One thread gets the free core: left to the scheduler it may stay on the busy one.
            own = cores[1:2] if n_threads == 1 else cores[:2]
            workers[n_threads] = stack.enter_context(closing(Worker(task, own)))
            workers[n_threads].answer()
        stack.enter_context(busy(cores[0]))
        seconds = {n_threads: [] for n_threads in workers}
        for _ in range(rounds):
            for n_threads, worker in workers.items():
                time.sleep(PAUSE)
                seconds[n_threads].append(worker.ask(workload.epochs))
    return {n_threads: 1e3 * statistics.median(values) for n_threads, values in seconds.items()}


@contextmanager
def busy(core):
    """A process that does nothing else than to keep a core busy."""
    code = f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()
