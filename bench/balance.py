"""How evenly threads share a batch: no clock, and no core, is needed to see it.

python bench/balance.py [threads ...]    2 4 8 16 32 64 where none are named

Of every workload of peers.py: the multiply-adds of the thread that has most of a batch, over its
even share. Pieces are those that the loops make, and whoever is free first takes the next.
"""

import heapq
import sys

# This folder's package; this file is run, never imported.
from peers.workloads import WORKLOADS

import fastdl as fd
from fastdl.network import core_of


def longest(pieces, n_threads):
    """The multiply-adds of the thread that has most."""
    busy = [0] * n_threads
    for piece in pieces:
        heapq.heapreplace(busy, busy[0] + piece)
    return max(busy)


def over_share(workload, n_threads):
    """The longest thread's part of a batch, over an even share."""
    program = core_of(fd.Network(list(workload.widths), loss="mse")).program
    stages = program.stages(workload.batch_size, n_threads)
    whole = sum(map(sum, stages))
    return n_threads * sum(longest(pieces, n_threads) for pieces in stages) / whole


def main(arguments):
    counts = [int(count) for count in arguments] or [2, 4, 8, 16, 32, 64]
    print(f"{'over an even share':22}" + "".join(f"{count:>8}" for count in counts))
    shapes = {(w.widths, w.batch_size): w for w in WORKLOADS.values()}
    for workload in shapes.values():
        cells = [f"{over_share(workload, count):8.2f}" for count in counts]
        print(f"{workload.name:22}" + "".join(cells))


if __name__ == "__main__":
    main(sys.argv[1:])
