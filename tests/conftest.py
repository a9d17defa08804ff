"""What the tests share: a generator, dtypes, instruction sets, thread counts, calls of ops."""

import importlib.util
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from fastdl import _kernels
from tests import cases

settings.register_profile("fastdl", deadline=None)  # a busy machine is no failure
settings.load_profile("fastdl")

# What a test may need that not every system has, and whether this one does.
HAS = {
    "affinity": hasattr(os, "sched_setaffinity"),
    "fork": hasattr(os, "fork"),
    "posix": os.name == "posix",  # permissions, users, symbolic links
    "proc": os.path.isdir("/proc/self/task"),
    "resource": importlib.util.find_spec("resource") is not None,
    "signals": hasattr(signal, "SIGKILL"),  # from one process to another, and alarms
    "terminals": importlib.util.find_spec("fcntl") is not None,
}


def require(*needed):
    for what in needed:
        if not HAS[what]:
            pytest.skip(f"needs {what}")


def pytest_runtest_setup(item):
    for marker in item.iter_markers("needs"):
        require(*marker.args)


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread():
    """NumPy's products, beside which ours are held: its threads wait by turning in circles."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk():
    """What a power cut would leave is not tested; the order in which files are written is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(params=_kernels.ISAS)
def isa(request):
    """Every instruction set that this machine has."""
    before = _kernels.ISA
    _kernels.use_isa(request.param)
    yield request.param
    _kernels.use_isa(before)


@pytest.fixture
def rng():
    return np.random.default_rng(20261121)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[1, 2])
def n_threads(request):
    return request.param


@pytest.fixture
def arguments(rng):
    """arguments(op, n, dtype): good arguments for an op of fastdl.ops, by name, with n rows."""

    def make(op, n=6, dtype=np.float64, **settings):
        return cases.OPS[op].arguments(rng, dtype, settings, n=n)

    return make


@pytest.fixture
def call():
    """call(module, op, arguments): the results as a tuple; what is changed in place is copied."""

    def run(module, op, arguments):
        state = cases.OPS[op].state
        changed = {name for name in state if type(arguments[name]) is np.ndarray}
        arguments = arguments | {name: arguments[name].copy() for name in changed}
        result = getattr(module, op)(**arguments)
        if result is None:
            return tuple(arguments[name] for name in state)
        return result if isinstance(result, tuple) else (result,)

    return run


@pytest.fixture
def as_double():
    """as_double(arguments): the same numbers in float64."""

    def convert(arguments):
        double = {"dtype": np.dtype(np.float64)} if "dtype" in arguments else {}
        for name, value in arguments.items():
            if isinstance(value, np.ndarray) and value.dtype == np.float32:
                double[name] = value.astype(np.float64)
        return arguments | double

    return convert


@pytest.fixture
def agree():
    """agree(actual, expected, dtype): 1e-5 (float32) or 1e-12 (float64) of the greatest element."""

    def check(actual, expected, dtype):
        tolerance = cases.TOLERANCE[np.dtype(dtype).name]
        for a, e in zip(actual, expected, strict=True):
            assert np.shape(a) == np.shape(e)
            largest = np.abs(e).max(initial=0.0)
            np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * largest)

    return check


@pytest.fixture
def derivative():
    """derivative(f, x): the centred differences of a scalar function of a float64 array."""

    def differences(f, x, step=1e-5):
        result = np.empty_like(x)
        for at in np.ndindex(x.shape):
            up, down = x.copy(), x.copy()
            up[at] += step
            down[at] -= step
            result[at] = (f(up) - f(down)) / (2 * step)
        return result

    return differences


@pytest.fixture
def on_disk(monkeypatch):
    """What reaches the disk from now on, in its order: files, their new names, and folders."""
    calls = []

    def replace(source, target, now=os.replace):
        now(source, target)
        calls.append(f"replace {Path(target).name}")

    def fsync(descriptor, now=os.fsync):
        now(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        calls.append(f"folder {path.name}" if path.is_dir() else "file")

    require("proc")
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "fsync", fsync)
    return calls


@pytest.fixture
def little_memory():
    """A gigabyte more than now, and no more: what would fill the machine fails instead."""
    require("proc", "resource")
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
