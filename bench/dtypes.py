"""How many times as long an epoch takes in float64: python bench/dtypes.py [workload ...]

Both networks are in one process, on one thread, and train in turns; the ratio is the median of a
pair's. The rows are of the network's dtype.
"""

import sys
import time
from statistics import median

from peers import data
from peers.adapters import Fastdl
from peers.workloads import WORKLOADS

NAMES = ("a1", "a2", "mnist_128", "hw2_128", "hw2_deep", "reg")
ROUNDS = 5


def fit_of(workload, dtype):
    """A function that trains an epoch, and gives the seconds of the processor."""
    x, y = data.make(workload)
    peer = Fastdl(workload, x.astype(dtype, copy=False), y, 1)

    def fit():
        began = time.process_time()
        peer.train(workload.epochs)
        return time.process_time() - began

    return fit


if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        fits = [fit_of(WORKLOADS[name], dtype) for dtype in ("float32", "float64")]
        for fit in fits:
            fit()
        ratios = []
        for _ in range(ROUNDS):
            single, double = (fit() for fit in fits)
            ratios.append(double / single)
        print(f"{name:12}{median(ratios):6.2f}   {min(ratios):.2f} to {max(ratios):.2f}")
