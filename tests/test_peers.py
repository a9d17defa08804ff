"""The comparison with other libraries: that they do the same, and that what is missing is said."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"
if not BENCH.is_dir() or not hasattr(os, "sched_getaffinity"):
    pytest.skip("compares from the source tree, on Linux", allow_module_level=True)
sys.path.insert(0, str(BENCH))

from limits import Limits  # noqa: E402
from peers import race, show  # noqa: E402
from peers.adapters import PEERS, Jax, missing  # noqa: E402
from peers.workloads import SEED, WORKLOADS, aligned  # noqa: E402

# Few rows, and a last batch of fewer.
TINY = [
    replace(workload, n=95, widths=(8, *workload.widths[1:]), batch_size=20, epochs=1)
    for workload in (WORKLOADS["a1"], WORKLOADS["a2"], WORKLOADS["reg"])
]


def after_an_epoch(peer, workload):
    x, y = workload.data()
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
    pytest.importorskip(PEERS[name].module)
    parameters = {peer: after_an_epoch(peer, tiny) for peer in ("NumPy", name)}
    assert race.check(parameters) == {}


def test_the_check_notices_an_epoch_without_the_penalty(tiny, monkeypatch):
    right = after_an_epoch("NumPy", tiny)
    monkeypatch.setattr("peers.adapters.L2", 0.0)
    wrong = race.check({"NumPy": right, "fastdl": after_an_epoch("fastdl", tiny)})
    assert "off after an epoch, mend its adapter" in wrong["fastdl"]


def test_data_are_aligned_and_the_same_every_time(tiny):
    (x, y), (x_again, y_again) = tiny.data(), tiny.data()
    assert x.dtype == np.float32
    assert aligned(3, 5).ctypes.data % 64 == 0
    np.testing.assert_array_equal(x, x_again)
    np.testing.assert_array_equal(y, y_again)


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
