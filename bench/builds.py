"""Two builds of fastdl in turns, on one thread: python bench/builds.py FOLDER FOLDER [workload ...]

make build/gcc/lib build/clang/lib
taskset -c 1 python bench/builds.py build/gcc/lib build/clang/lib

A folder is what PYTHONPATH takes a build from. Each build trains in a process of its own and both
have to end with the same parameters. Times are those of the process, which busy neighbours do not
lengthen as they do the clock's; a ratio is the median of the rounds', that of the second build over
the first. Images are the real ones where fastdl finds them (FASTDL_DATA_DIR), else stand-ins.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from peers import data
from peers.adapters import Fastdl
from peers.race import BLAS_VARIABLES, TOLERANCE, distance
from peers.workloads import WORKLOADS


class Build:
    """The process of one build: it trains a workload as often as it is asked.

    Parameters
    ----------
    folder, name, dtype : str
        Of the build, of the workload, of its numbers.
    """

    def __init__(self, folder, name, dtype):
        kept = {key: value for key, value in os.environ.items() if key not in BLAS_VARIABLES}
        self._pipe, theirs = Pipe()
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(theirs.fileno()), name, dtype],
            env={**kept, "PYTHONPATH": str(Path(folder).resolve())},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self.parameters = self._pipe.recv()

    def seconds(self, epochs):
        """Of the processor, for one of so many epochs."""
        self._pipe.send(epochs)
        return self._pipe.recv()

    def close(self):
        self._process.kill()
        self._process.wait()


def serve(descriptor, name, dtype):
    """What a build does in its process."""
    pipe, workload = Connection(int(descriptor)), WORKLOADS[name]
    x, y = data.make(workload)
    peer = Fastdl(workload, x.astype(dtype, copy=False), y, 1)
    peer.train(1)
    pipe.send(peer.parameters())
    while True:
        epochs = pipe.recv()
        began = time.process_time()
        peer.train(epochs)
        pipe.send((time.process_time() - began) / epochs)


def compare(folders, name, dtype, rounds):
    """The seconds of an epoch of each build (rounds, 2)."""
    with ExitStack() as stack:
        builds = [stack.enter_context(closing(Build(each, name, dtype))) for each in folders]
        off = distance(builds[1].parameters, builds[0].parameters)
        if not off <= TOLERANCE:
            sys.exit(f"both builds must train alike; got parameters of {name} {off:.1e} apart")
        epochs = WORKLOADS[name].epochs
        return [[build.seconds(epochs) for build in builds] for _ in range(rounds)]


def digits(ms):
    """Three of them, or all before the point."""
    return f"{ms:,.0f}" if ms >= 1000 else f"{ms:.3g}"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs=2, metavar="FOLDER")
    parser.add_argument("workloads", nargs="*", metavar="workload", help=" ".join(WORKLOADS))
    parser.add_argument("--float64", action="store_true", help="all numbers in double precision")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args(arguments)
    dtype = "float64" if given.float64 else "float32"
    print(f"| {dtype}, ms an epoch | {' | '.join(given.folders)} | ratio |\n|---|---|---|---|")
    for name in given.workloads or WORKLOADS:
        times = compare(given.folders, name, dtype, given.rounds)
        first, second = (1e3 * statistics.median(each) for each in zip(*times, strict=True))
        ratio = statistics.median(after / before for before, after in times)
        print(f"| {name} | {digits(first)} | {digits(second)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main(sys.argv[1:])
