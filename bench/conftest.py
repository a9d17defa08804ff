"""What the benchmarks share. One thread for both sides, data in memory."""

import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

# pytest's importlib mode leaves sys.path alone; baseline.py and limits.py lie here.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def sgemm(one_thread):
    """Operations a second of a large square product on this machine."""
    from limits import Meter

    return Meter().measure().sgemm


@pytest.fixture
def counted(benchmark, request):
    """counted(operations): the record is to tell their rate, and that of sgemm."""

    def count(operations):
        if not benchmark.disabled:
            sgemm = request.getfixturevalue("sgemm")
            benchmark.extra_info.update(operations=operations, sgemm=sgemm)

    return count


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def share(benchmark):
    """share(n): n rows where times are taken, a hundredth where benchmarks run as plain tests."""

    def rows(n):
        return max(20, n // 100) if benchmark.disabled else n

    return rows
