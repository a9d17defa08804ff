"""What the benchmarks share. One thread for both sides, data in memory, random numbers."""

import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

# pytest's importlib mode leaves sys.path alone; baseline.py lies here.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def share(benchmark):
    """share(n): n rows where times are taken, a twentieth where benchmarks run as plain tests."""

    def rows(n):
        return max(20, n // 20) if benchmark.disabled else n

    return rows
