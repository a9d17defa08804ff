"""The process of one peer: it trains and tells its times. Started by ``peers.race``.

It is sent a Task and answers with Ready; then it answers a number of epochs with the seconds that
one took, as often as asked, and None with its peak memory. An error goes back as text.
"""

import os
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

LIMITS = "limits"  # the name of the worker that measures the machine


class Task(NamedTuple):
    """What a worker is to do.

    Attributes
    ----------
    peer : str
        Its name, or LIMITS.
    workload : Workload
    n_threads : int or None
    folder : str
        Where the workload's rows are.
    """

    peer: str
    workload: Any
    n_threads: int | None
    folder: str


class Ready(NamedTuple):
    """What a worker has done first.

    Attributes
    ----------
    first : float
        Seconds to import the library (with NumPy), make the network and train one epoch.
    resident : float
        Megabytes before that epoch.
    parameters : list of array
        After it.
    blas : str
        The libraries of matrix products in the process, and which kernel each runs.
    """

    first: float
    resident: float
    parameters: list[Any]
    blas: str


def memory(field):
    """Megabytes of this process: VmRSS now, or VmHWM at most.

    Not ru_maxrss, which starts from the size of the process that started this one.
    """
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


def kernels():
    """What threadpoolctl tells of the libraries of matrix products that are loaded."""
    from threadpoolctl import threadpool_info

    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    told = (
        f"{each['internal_api']} {each['version']} {each.get('architecture') or ''}".strip()
        for each in found
    )
    return ", ".join(dict.fromkeys(told)) or "its own"


def prepare(task, numpy_seconds):
    """Train the first epoch; return Ready, and a function from epochs to seconds an epoch."""
    import numpy as np

    from peers import data
    from peers.adapters import PEERS
    from peers.workloads import SEED

    x, y = data.read(task.workload, task.folder)
    order = np.random.default_rng(SEED).permutation(len(x))
    began = time.perf_counter()
    peer = PEERS[task.peer](task.workload, x, y, task.n_threads)
    del x, y
    made = time.perf_counter() - began
    resident = memory("VmRSS")
    began = time.perf_counter()
    peer.epoch(order)
    parameters = [np.array(parameter) for parameter in peer.parameters()]
    first = numpy_seconds + made + time.perf_counter() - began
    peer.train(1)

    clock = time.process_time if task.n_threads == 1 else time.perf_counter

    def seconds(epochs):
        began = clock()
        peer.train(epochs)
        return (clock() - began) / epochs

    return Ready(first, resident, parameters, kernels()), seconds


def serve(connection):
    """Do the task that comes first, then answer until None comes."""
    began = time.perf_counter()
    import numpy  # noqa: F401 (timed here, as the workload in the task imports it too)

    numpy_seconds = time.perf_counter() - began
    task = connection.recv()
    if task.peer == LIMITS:
        from limits import Meter

        meter = Meter(task.n_threads)
        ready, answer = None, lambda _: meter.measure()
    else:
        ready, answer = prepare(task, numpy_seconds)
    connection.send(ready)
    while (epochs := connection.recv()) is not None:
        connection.send(answer(epochs))
    connection.send(memory("VmHWM"))


def main(descriptor, cores):
    """Serve at the end of a pipe, on these cores; an error is the last answer."""
    # Before any library is loaded: many count the cores then.
    os.sched_setaffinity(0, cores)
    pipe = Connection(descriptor)
    try:
        serve(pipe)
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}".splitlines()[0])
