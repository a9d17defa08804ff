"""config.py, and the instruction set that the environment may choose."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import fastdl as fd
from fastdl import _kernels


def lines(capsys):
    fd.show_config()
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_show_config_prints_versions(capsys):
    found = lines(capsys)
    assert found["fastdl"] == fd.__version__
    assert found["numpy"] == np.__version__
    assert found["python"].startswith(platform.python_version())
    assert all(found[name][0].isdigit() for name in ("scipy", "threadpoolctl", "safetensors"))


def test_show_config_prints_what_the_build_is(capsys):
    fd.show_config()
    text = capsys.readouterr().out
    assert f"{_kernels.ISA} in use" in text
    assert all(isa in text for isa in _kernels.ISAS)
    (openmp,) = (line for line in text.splitlines() if line.startswith("OpenMP"))
    told = f"yes, {_kernels.OPENMP}" if _kernels.OPENMP else "threads of its own"
    assert told in openmp


def test_show_config_prints_both_blas_pools_with_their_threads(capsys):
    fd.show_config()
    pools = [line for line in capsys.readouterr().out.splitlines() if line.startswith("blas pool")]
    assert pools
    assert all("threads" in line and any(c.isdigit() for c in line) for line in pools)
    from threadpoolctl import threadpool_info

    loaded = {pool["filepath"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    assert len(pools) == len(loaded)


def test_a_build_without_openmp_says_so_and_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(_kernels, "OPENMP", "")
    told = lines(capsys)["OpenMP"]
    assert told.startswith("no: fastdl starts threads of its own")
    assert "brew install libomp" in told


def test_a_package_that_is_not_there_is_no_error(capsys, monkeypatch):
    monkeypatch.setattr("fastdl.config._PACKAGES", ("no-such-package",))
    assert lines(capsys)["no-such-package"] == "not installed"


# --- the instruction set ---------------------------------------------------------------------

TRAIN = """
import numpy as np
import fastdl as fd
from fastdl import _kernels
x = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float32)
network = fd.Network([40, 150, 10, 5])
fd.Trainer(network, fd.SGD(0.1), batch_size=64).fit(x, np.arange(300) % 5, epochs=2)
print(_kernels.ISA, *network.logits(x[:50]).ravel())
"""


def run_with(isa):
    return subprocess.run(
        [sys.executable, "-c", TRAIN], env=os.environ | {"FASTDL_ISA": isa},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_environment_chooses_among_instruction_sets_that_agree():
    logits = []
    for isa in _kernels.ISAS:
        name, *numbers = run_with(isa).stdout.split()
        assert name == isa
        logits.append(np.array(numbers, float))
    for other in logits[1:]:
        largest = np.abs(other).max()
        np.testing.assert_allclose(other, logits[0], atol=1e-5 * largest)


@pytest.mark.parametrize("wrong", ["neon", ""])
def test_an_instruction_set_that_is_not_there_is_named_with_those_that_are(wrong):
    done = run_with(wrong)
    assert done.returncode != 0
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ValueError: FASTDL_ISA must be one of")
    assert repr(wrong) in message
    assert all(isa in message for isa in _kernels.ISAS)
