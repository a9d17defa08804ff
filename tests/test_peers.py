"""The comparison with other libraries: that they do the same, and that what is missing is said."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"
if not BENCH.is_dir():
    pytest.skip("compares from the source tree", allow_module_level=True)
sys.path.insert(0, str(BENCH))

from limits import Limits  # noqa: E402
from peers import data, race, show  # noqa: E402
from peers.adapters import PEERS, Jax, missing  # noqa: E402
from peers.workloads import SEED, WORKLOADS, draw  # noqa: E402

pytestmark = pytest.mark.needs("affinity")
# Few rows, and a last batch of fewer.
TINY = [
    replace(workload, n=95, widths=(8, *workload.widths[1:]), batch_size=20, epochs=1, images="")
    for workload in (WORKLOADS["a1"], WORKLOADS["a2"], WORKLOADS["reg"])
]


def after_an_epoch(peer, workload):
    x, y = data.make(workload)
    made = PEERS[peer](workload, x, y, 1)
    made.epoch(np.random.default_rng(SEED).permutation(workload.n))
    parameters = [np.array(parameter) for parameter in made.parameters()]
    made.train(1)
    return parameters


@pytest.fixture(params=TINY, ids=lambda workload: workload.name)
def tiny(request):
    return request.param


@pytest.mark.parametrize("name", [name for name in PEERS if name not in ("NumPy", "torch.compile")])
def test_a_peer_computes_what_numpy_does(name, tiny):
    module = PEERS[name].module
    pytest.importorskip(module, reason=f"{module} is large: compared where it is installed")
    parameters = {peer: after_an_epoch(peer, tiny) for peer in ("NumPy", name)}
    assert race.check(parameters) == {}


def test_the_check_notices_an_epoch_without_the_penalty(tiny, monkeypatch):
    right = after_an_epoch("NumPy", tiny)
    monkeypatch.setattr("peers.adapters.L2", 0.0)
    wrong = race.check({"NumPy": right, "fastdl": after_an_epoch("fastdl", tiny)})
    assert "off after an epoch, mend its adapter" in wrong["fastdl"]


def test_rows_are_aligned_and_the_same_for_every_worker(tiny):
    x, y = data.make(tiny)
    with data.written(tiny) as folder:
        x_read, y_read = data.read(tiny, folder)
    assert x.dtype == x_read.dtype == np.float32
    assert x_read.ctypes.data % 64 == 0
    np.testing.assert_array_equal(x, x_read)
    np.testing.assert_array_equal(y, y_read)


@pytest.mark.parametrize("name", ["mnist_128", "a1"])
def test_without_the_images_there_are_stand_ins_and_that_is_said(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path))
    data.images.cache_clear()
    workload = replace(WORKLOADS[name], n=200)
    x, y = data.make(workload)
    assert x.shape == (200, workload.widths[0])
    assert 0 <= x.min() < x.max() <= 1
    assert set(y) <= set(range(10))
    assert "made-up images" in data.origin(workload.images)
    data.images.cache_clear()


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="needs FASTDL_DATA_DIR")
@pytest.mark.parametrize(("name", "zeros"), [("mnist_128", 0.81), ("a1", 0.0)])
def test_images_are_real_where_there_are_some(name, zeros):
    workload = WORKLOADS[name]
    x, y = data.make(workload)
    assert x.shape == (workload.n, workload.widths[0])
    assert len(y) == workload.n
    assert np.mean(x == 0) == pytest.approx(zeros, abs=0.01)
    assert "made-up" not in data.origin(workload.images)


def test_operations_and_bytes_of_assignment_2():
    assert WORKLOADS["a2"].operations == 2 * 10_000 * (2 * 3072 * 50 + 3 * 50 * 10)
    assert WORKLOADS["a2"].n_bytes == 10_000 * 3072 * 4


def test_the_limit_is_the_slower_of_computing_and_reading():
    limits = Limits(sgemm=100.0, bandwidth=10.0)
    assert limits.seconds(1000, 10) == 10
    assert limits.seconds(10, 1000) == 100


def test_a_race_is_timed_in_turns_and_shown(tmp_path):
    result = race.run(TINY[1], ["fastdl", "NumPy"], sorted(os.sched_getaffinity(0))[:1], rounds=2)
    assert result.fastest == "NumPy"
    assert all(len(timing.seconds) == 2 for timing in result.timings.values())
    assert all(0 < timing.resident <= timing.peak for timing in result.timings.values())
    assert result.limit_ms > 0
    text = "\n".join([*show.times([result]), *show.costs([result]), *show.curves([result])])
    assert TINY[1].name in text
    show.save(tmp_path / "record.json", [result], {"a1": {1: 1.0, 2: 1.0, None: 1.0}})
    assert '"processor"' in (tmp_path / "record.json").read_text()
    show.chart(tmp_path / "chart.png", [result])
    assert (tmp_path / "chart.png").stat().st_size > 0


def test_shapes_are_drawn_within_their_bounds_and_the_first_ones_stay():
    drawn = draw(200, seed=1)
    assert drawn[:20] == draw(20, seed=1) != draw(20, seed=2)
    assert len({workload.name for workload in drawn}) == 200
    for workload in drawn:
        d, *hidden, k = workload.widths
        assert 4 <= d <= 4000
        assert len(hidden) <= 3
        assert all(8 <= h <= 1200 for h in hidden)
        assert 2 <= k <= 1000
        assert 1 <= workload.batch_size <= 4096
        assert workload.n % workload.batch_size == 0
        assert workload.n >= 2 * workload.batch_size
    sizes = np.array([workload.batch_size for workload in drawn])
    assert 0.3 < np.mean(sizes < 64) < 0.7  # of a uniform draw: .02


def test_ratios_of_drawn_shapes_are_spread_in_a_table_and_a_chart(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    cores = sorted(os.sched_getaffinity(0))[:1]
    small = replace(draw(1, seed=3)[0], n=40, widths=(8, 4, 3), batch_size=20)
    races = [race.run(small, ["fastdl", "NumPy"], cores, rounds=1)]
    told = "\n".join(show.quantiles(races))
    assert "ratio of 1 shapes" in told
    assert races[0].least_ratio == races[0].limit_ms / races[0].timings["NumPy"].ms
    assert f"at the limit {races[0].least_ratio:.2f}" in " ".join(told.split())
    assert f"worst: {small.name} {races[0].ratio:.2f}" in told
    fast, numpy = show.blas(races)
    assert fast.startswith("fastdl: products by openblas")
    assert "Prescott" not in fast + numpy
    show.distribution(tmp_path / "spread.png", races)
    assert (tmp_path / "spread.png").stat().st_size > 0


def test_a_peer_that_fails_is_left_out():
    cores = sorted(os.sched_getaffinity(0))[:1]
    broken = replace(TINY[0], batch_size=-1)
    result = race.run(broken, ["fastdl"], cores, rounds=1)
    assert not result.timings
    assert "fastdl failed: ValueError: batch_size must" in result.left_out["fastdl"]


def run_it(*arguments):
    command = [sys.executable, str(BENCH / "peers.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_wrong_name_is_an_error_of_one_line():
    done = run_it("a3")
    assert done.returncode == 2
    assert "a name must be one of a1, a2, hw2_1, hw2_10" in done.stderr


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(Jax, "module", "a_library_that_nobody_has")
    assert missing(["fastdl", "JAX"]) == {"JAX": "a_library_that_nobody_has"}
