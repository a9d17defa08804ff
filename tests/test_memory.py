"""Memory: nothing beyond an array is touched, too little of it is a MemoryError, none is lost.

What changes a whole process (guarded pages, limits, hours of fits) is done in another one.
"""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from fastdl import _kernels
from tests import nightly
from tests.fresh import run_python

pytestmark = [
    pytest.mark.needs("proc", "resource"),
    pytest.mark.timeout(nightly.count(300, 14_400)),
]

# --- beyond the ends of arrays ---------------------------------------------------------------

GUARDED = """
import ctypes, mmap, sys
import numpy as np

PAGE = mmap.PAGESIZE
mprotect = ctypes.CDLL(None).mprotect
mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
FIRST = sys.argv[1] == "before"

def guarded(size, dtype):
    # A flat array between pages that kill who touches them; it begins or ends at one.
    n = size * np.dtype(dtype).itemsize
    inner = -(-n // PAGE) * PAGE
    pages = np.frombuffer(mmap.mmap(-1, inner + 2 * PAGE), np.uint8)
    for page in (0, PAGE + inner):
        assert mprotect(pages.ctypes.data + page, PAGE, 0) == 0
    start = PAGE if FIRST else PAGE + inner - n
    return pages[start : start + n].view(dtype)

def like(array):
    result = guarded(array.size, array.dtype).reshape(array.shape)
    result[...] = array
    return result
"""
OVERRUN = """
array = guarded(100, np.float32)
array[:] = array[::-1]
ctypes.memset(array.ctypes.data + (-1 if FIRST else array.nbytes), 0, 1)
"""
PRODUCTS = """
from fastdl import _kernels

rng = np.random.default_rng(0)
SIZES = [(m, n, k) for m in (1, 5, 6, 7, 12, 13) for n in (1, 5, 10, 15, 16, 17, 33, 64, 129)
         for k in (1, 17, 257)]
for isa in _kernels.ISAS:
    _kernels.use_isa(isa)
    for dtype in (np.float32, np.float64):
        for m, n, k in SIZES:
            a, b = like(rng.random((m, k), dtype)), like(rng.random((k, n), dtype))
            at, bt = like(a.T), like(b.T)
            expected = a @ b
            for transposed, left, right in [(0, a, b), (1, a, bt), (2, at, b), (3, at, bt)]:
                out = like(np.full((m, n), np.nan, dtype))
                _kernels.gemm(transposed > 1, transposed % 2, left, right, out, 1)
                assert np.allclose(out, expected, rtol=1e-4), (isa, m, n, k, transposed)
"""
LOSSES = """
from fastdl import _kernels, losses

SIZES = [(n, k) for n in (1, 7, 8, 13, 16, 18) for k in (1, 2, 8, 15, 16, 17, 32, 33, 49)]
for isa in _kernels.ISAS:
    _kernels.use_isa(isa)
    for dtype in (np.float32, np.float64):
        for n, k in SIZES:
            outputs, labels = like(np.ones((n, k), dtype)), like(np.zeros(n, np.intc))
            partial = guarded(2, np.float64).reshape(1, 2)
            for name in _kernels.LOSSES:
                loss = losses.get(name)
                doutputs = like(np.full((n, k), np.nan, dtype))
                answers = (labels, None) if loss.y == "labels" else (None, outputs)
                for out in (None, doutputs):
                    _kernels.loss_forward_backward(
                        loss.code, outputs, (*answers, None), loss.numbers, 1.0, out, partial, 1)
                assert np.isfinite(doutputs).all(), (isa, name, n, k)
            probabilities = like(outputs)
            _kernels.softmax(probabilities, 1)
            assert np.allclose(probabilities, 1 / k)
"""
FITS = """
import fastdl as fd
from fastdl import _kernels, _memory

_memory.empty = guarded  # parameters, moments and workspace
shuffled = fd.arrays.ArrayFit._shuffled


def guarded_order(fit):
    starts, stops, order = shuffled(fit)
    return starts, stops, like(order)


fd.arrays.ArrayFit._shuffled = guarded_order
rng = np.random.default_rng(0)
WIDTHS = [[1, 1], [7, 5], [20, 150], [33, 16, 10], [130, 200, 10], [300, 20, 4], [784, 50, 10],
          [40, 17, 130, 3], [64, 128, 64]]
for isa in _kernels.ISAS:
    _kernels.use_isa(isa)
    for widths in WIDTHS:
        y, weights = np.arange(150) % widths[-1], rng.random(150)
        loss = "softmax_cross_entropy"
        if widths[-1] == 1:
            y, loss = y + 0.5, "mse"
        pixels = rng.integers(1, 256, (150, widths[0]), np.uint8)
        sparse = pixels * (rng.random(pixels.shape) < 0.1)
        for x in map(like, (pixels, sparse, pixels / np.float32(256), pixels / 256)):
            for dtype in ("float32", "float64"):
                network = fd.Network(widths, loss=loss, dtype=dtype)
                for size in (1, 13, 150):
                    trainer = fd.Trainer(network, fd.Adam(), batch_size=size, n_threads=2)
                    trainer.fit(x[:5 * size], y[:5 * size])
                fd.Trainer(network, fd.SGD(0.1)).fit(x, y, sample_weight=weights)
                network.evaluate(x, y)
                network.gradients(x[:9], y[:9])
                layers = [fd.Dense(widths[0], 33), fd.BatchNorm(activation="gelu")]
                normed = fd.Network([*layers, fd.Dense(widths[-1])], loss=loss, dtype=dtype)
                fd.Trainer(normed, fd.SGD(0.1), batch_size=70, n_threads=2).fit(x, y)
                assert np.isfinite(normed.logits(x)).all()
                assert np.isfinite(network.logits(x)).all()
"""


ORDERS = """
import fastdl as fd

shuffled, fit = fd.arrays.ArrayFit._shuffled, fd.arrays.ArrayFit
fit._shuffled = lambda self: (*shuffled(self)[:2], like(np.random.permutation(len(x))))
x, y = np.ones((150, 100), np.float32), np.zeros(150, int)
for h in (10, 50):  # rows taken where they lie, and copied
    for size in (1, 16, 20, 70, 100, 149, 150):
        fd.Trainer(fd.Network([100, h]), fd.SGD(0.1), batch_size=size, n_threads=2).fit(x, y)
"""


def run_guarded(code, guard):
    command = [sys.executable, "-c", GUARDED + code, guard]
    return subprocess.run(command, timeout=1200, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("guard", ["before", "behind"])
def test_who_touches_a_guarded_page_is_killed(guard):
    assert run_guarded(OVERRUN, guard).returncode == -signal.SIGSEGV


@pytest.mark.parametrize("guard", ["before", "behind"])
@pytest.mark.parametrize("code", [PRODUCTS, LOSSES, FITS], ids=["products", "losses", "fits"])
def test_kernels_touch_nothing_beyond_an_array(code, guard):
    """Masked loads and stores of every instruction set too, which no sanitizer looks at."""
    done = run_guarded(code, guard)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("guard", ["before", "behind"])
def test_the_order_of_an_epoch_is_not_read_beyond_its_end(guard):
    """The rows of the next batch are asked for while there is one."""
    done = run_guarded(ORDERS, guard)
    assert done.returncode == 0, done.stderr


# --- too little memory -----------------------------------------------------------------------

LIMIT = """
import os, resource

HARD = resource.getrlimit(resource.RLIMIT_AS)[1]

def limit(more):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, HARD))

def lift():
    resource.setrlimit(resource.RLIMIT_AS, (HARD, HARD))
"""
IMPORT = """
import numpy, scipy.linalg, threadpoolctl

limit({more})
try:
    import fastdl
except (MemoryError, ImportError):
    print("refused")
else:
    print("ready")
"""
SWEEP = """
import safetensors.numpy, threadpoolctl
import numpy as np
import fastdl as fd

path, name, n_threads, step = {path!r}, {name!r}, 2, {step}
rng = np.random.default_rng(0)
x, y = rng.random((2000, 300)), rng.integers(0, 10, 2000)

def build():
    network = fd.Network([300, 200, 10], dtype="float64", seed=3)
    settings = {{"batch_size": 200, "shuffle": None, "n_threads": n_threads}}
    return network, fd.Trainer(network, fd.Adam(), **settings)

def state(network):
    return b"".join(p.tobytes() for p in network.parameters.values())

def fit(network, trainer):
    trainer.fit(x, y)
    return state(network)

work = {{
    "build": lambda network, trainer: state(build()[0]),
    "fit": fit,
    "logits": lambda network, trainer: network.logits(x, n_threads=n_threads).tobytes(),
    "evaluate": lambda network, trainer: network.evaluate(x, y, n_threads=n_threads),
    "gradients": lambda network, trainer: [g.tobytes() for g in network.gradients(x, y).values()],
    "save": lambda network, trainer: network.save(path),
    "load": lambda network, trainer: state(fd.Network.load(path)),
}}[name]

class Keep(fd.Callback):
    def on_record(self, run):
        after[run.step] = state(run.network)

network, trainer = build()
after = {{0: state(network)}}
network.save(path)
expected = work(network, trainer)
network, trainer = build()
trainer.fit(x, y, record=1, callbacks=[Keep()])

more = done = failed = 0
while done < 3:
    network, trainer = build()
    limit(more)
    try:
        found = work(network, trainer)
        done += 1
    except MemoryError:
        failed += 1
        lift()
        assert state(network) == after[trainer.n_steps], trainer.n_steps
        found = work(network, trainer) if trainer.n_steps == 0 else expected
    lift()
    assert found == expected
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
    assert state(fd.Network.load(path)) == after[0]
    more += step
print(failed)
"""
NO_THREADS = """
import numpy as np
import fastdl as fd

class Smaller(fd.Callback):
    def on_epoch(self, run):
        fd.ops.softmax(x[:, :10], n_threads=2)
        if run.epoch == 3:
            limit({more})

network = fd.Network([300, 200, 10])
x, y = np.ones((2000, 300), np.float32), np.arange(2000) % 10
{work}
"""
WORK = {
    "predictions": """
limit({more})
network.logits(x, n_threads=16)
""",
    "a fit of an older trainer": """
trainer = fd.Trainer(network, fd.SGD(0.1), n_threads=16)
limit({more})
trainer.fit(x, y)
""",
    "a fit beside smaller calls": """
fd.Trainer(network, fd.SGD(0.1), n_threads=16).fit(x, y, epochs=30, callbacks=[Smaller()])
""",
}
MEBIBYTES = (4, 12, 20, 36, 100, 122, 124) if nightly.LONG else (4, 20, 122)  # a stack takes 8


def test_an_import_with_too_little_memory_is_refused():
    steps = nightly.count(3, 100)
    found = [run_python(LIMIT + IMPORT.format(more=i * 2**24 // steps)) for i in range(steps)]
    assert run_python(LIMIT + IMPORT.format(more=2**30)) == "ready\n"
    nightly.report("imports with too little memory", limits=steps, refused=found.count("refused\n"))
    assert found[0] == "refused\n"


OPERATIONS = ["build", "fit", "logits", "evaluate", "gradients", "save", "load"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_too_little_memory_is_a_memory_error_and_all_stays_usable(name, tmp_path):
    """In float64, of which BLAS has a part; memory that is freed goes back to the system."""
    step = nightly.count(2**18, 2**12)
    code = SWEEP.format(path=f"{tmp_path}/network", name=name, step=step)
    failed = int(run_python(LIMIT + code, timeout=7200, MALLOC_MMAP_THRESHOLD_="65536"))
    nightly.report(f"too little memory: {name}", limits=failed + 3, refused=failed)
    assert failed > 0


@pytest.mark.skipif(
    _kernels.OPENMP == "LLVM's",
    reason="one time of five LLVM's OpenMP has no memory for what it needs beside the threads",
)
@pytest.mark.parametrize("name", WORK)
def test_a_thread_that_cannot_be_started_ends_no_process(name):
    """OpenMP would end it; there may be too little memory for the work as well."""
    for mebibytes in MEBIBYTES:
        more = mebibytes << 20
        code = NO_THREADS.format(more=more, work=WORK[name].format(more=more))
        run_python(f"{LIMIT}try:\n{textwrap.indent(code, '    ')}\nexcept MemoryError:\n    pass")


# --- what a fit takes ------------------------------------------------------------------------

STATUS = """
import numpy as np
import fastdl as fd

def mebibytes(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

def fit(x, y, **settings):
    network = fd.Network([3072, 50, 10])
    trainer = fd.Trainer(network, fd.SGD(0.01), batch_size=100, l2=0.003)
    trainer.fit(x, y, epochs=2, **settings)
"""
OF_PIXELS = """
train, validation, test = fd.datasets.load_cifar10(train=(1, 2, 3, 4, 5), validation=5000)
assert len(train[0]) == 45_000 and train[0].dtype == np.uint8
fit(*train, validation=validation)
print(mebibytes("VmHWM"))
"""
OF_FLOATS = """
rng = np.random.default_rng(0)
x, y = rng.random((10_000, 3072), np.float32), rng.integers(0, 10, 10_000)
before = mebibytes("VmRSS")
fit(x, y, validation=(x, y))
print(mebibytes("VmHWM") - before)
"""


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="needs FASTDL_DATA_DIR")
def test_assignment_2_on_all_images_takes_little_memory():
    """From the files to the end of the fit: uint8 pixels have 150 MB, as float32 they had 590."""
    assert float(run_python(STATUS + OF_PIXELS)) < 350


def test_a_fit_of_floats_takes_little_memory():
    assert float(run_python(STATUS + OF_FLOATS)) < 60


# --- memory over time ------------------------------------------------------------------------

HOURS = """
import os, tempfile, threading, time
import numpy as np
import fastdl as fd

SAMPLES = 24
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (400, 120), np.uint8), rng.integers(0, 10, 400)
path = os.path.join(tempfile.mkdtemp(), "network")

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

def work(i):
    dtype, optimiser = ("float32", "float64")[i % 2], (fd.SGD(0.1, momentum=0.9), fd.Adam())[i % 2]
    network = fd.Network([120, 150, 10], dtype=dtype)
    trainer = fd.Trainer(network, optimiser, batch_size=64, n_threads=1 + i // 2 % 2)
    trainer.fit(x, y, epochs=2, validation=(x, y), record=2)
    network.save(path)
    fd.Network.load(path).evaluate(x, y)
    network.gradients(x[:20], y[:20])
    fd.ops.softmax_cross_entropy(network.logits(x), y)
    for wrong in (y + 10, y[1:]):
        try:
            trainer.fit(x, wrong)
        except ValueError:
            pass
    thread = threading.Thread(target=network.predict, args=(x,), kwargs={{"n_threads": 2}})
    thread.start()
    thread.join()

began, fits, curve = time.monotonic(), 0, []
while len(curve) < SAMPLES:
    work(fits)
    fits += 1
    if time.monotonic() - began > {seconds} * (len(curve) + 1) / SAMPLES:
        curve.append(resident())
os.unlink(path)
os.rmdir(os.path.dirname(path))
print(fits, *curve)
"""


def test_resident_memory_stays_flat():
    """From a third of the time on: before, caches fill."""
    seconds = nightly.count(10, 7200)
    fits, *curve = map(float, run_python(HOURS.format(seconds=seconds), 60 + 2 * seconds).split())
    settled = curve[len(curve) // 3 :]
    grown = settled[-1] - settled[0]
    nightly.report(
        "resident memory", seconds=seconds, fits=fits, grown_mib=grown,
        curve_mib=" ".join(f"{mebibytes:.1f}" for mebibytes in curve),
    )  # fmt: skip
    assert grown < 1  # MiB
