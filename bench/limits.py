"""What the machine can do at most: operations of sgemm and bytes from memory, a second.

python bench/limits.py [threads]    one by default; each is a thread with a product of its own
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

SIZE = 1536  # of the square product
STREAMED = 64 * 2**20  # numbers that are read: 256 MB, more than any cache holds
REPEATS = 3


class Limits(NamedTuple):
    """The limits of some cores together.

    Attributes
    ----------
    sgemm : float
        Operations a second in a large square product.
    bandwidth : float
        Bytes a second, read from memory.
    """

    sgemm: float
    bandwidth: float

    def seconds(self, operations, n_bytes):
        """The least time in which this can be computed, and this read meanwhile."""
        return max(operations / self.sgemm, n_bytes / self.bandwidth)


class Meter:
    """Measures the limits, again and again on the same arrays.

    Parameters
    ----------
    n_threads : int
        BLAS is to be held to one thread: each of these threads calls it for itself.
    """

    def __init__(self, n_threads=1):
        import numpy as np

        self.np, self.n_threads = np, n_threads
        self.pool = ThreadPoolExecutor(n_threads)
        rng = np.random.default_rng(0)
        shape = n_threads, SIZE, SIZE
        self.a, self.b = (rng.standard_normal(shape, np.float32) for _ in range(2))
        self.c = np.empty(shape, np.float32)
        self.stream = np.ones((n_threads, STREAMED // n_threads), np.float32)

    def measure(self):
        """The best of a few times, as nothing is faster than the machine."""
        product = self._seconds(lambda i: self.np.matmul(self.a[i], self.b[i], out=self.c[i]))
        reading = self._seconds(lambda i: self.stream[i] @ self.stream[i])
        return Limits(self.n_threads * 2 * SIZE**3 / product, self.stream.nbytes / reading)

    def _seconds(self, work):
        best = float("inf")
        clock = time.process_time if self.n_threads == 1 else time.perf_counter
        for _ in range(REPEATS):
            start = clock()
            list(self.pool.map(work, range(self.n_threads)))
            best = min(best, clock() - start)
        return best


def main(arguments):
    n_threads = int(arguments[0]) if arguments else 1
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    limits = Meter(n_threads).measure()
    print(f"sgemm      {limits.sgemm / 1e9:6.1f} GFLOP/s")
    print(f"from memory {limits.bandwidth / 1e9:5.1f} GB/s")


if __name__ == "__main__":
    main(sys.argv[1:])
