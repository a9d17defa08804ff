"""What a list of the C kernels has and nothing serves, or serves otherwise, does not compile."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "fastdl" / "c"
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
pytestmark = [
    pytest.mark.skipif(not SOURCE.is_dir(), reason="reads the source tree"),
    pytest.mark.skipif(not shutil.which(COMPILER[0]), reason="needs a C compiler"),
]
SLIPS = {  # the file, a text of it, what stands there instead, what the compiler names
    "loss": ("losses.h", "X(mse)", "X(mse) X(forgotten)", "loss_forgotten"),
    "activation": ("activations.h", "X(tanh)", "X(tanh) X(forgotten)", "forgotten"),
    "optimiser": ("updates.h", "X(adam)", "X(adam) X(forgotten)", "forgotten"),
    "kernel": ("kernels.h", "X(void, add,", "X(void, forgotten, (void)) X(void, add,", "forgotten"),
    "signature": ("sums.h", "fill)(double value", "fill)(float value", "incompatible-pointer"),
    "rows": ("targets/avx2.c", "DOT_ROWS 3", "DOT_ROWS 13", "UP_TO_13"),
    "vectors": ("targets/avx2.c", "FLAT_VECTORS 8", "FLAT_VECTORS 1", "a tile has room"),
}


def compiled(folder, target):
    """The compiler's exit status for one target, and what it says."""
    command = [*COMPILER, "-fsyntax-only", str(folder / "targets" / f"{target}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("target", [path.stem for path in (SOURCE / "targets").glob("*.c")])
def test_every_target_compiles_without_a_warning(target):
    assert compiled(SOURCE, target) == (0, "")


@pytest.mark.parametrize("slip", SLIPS)
def test_a_line_that_nothing_serves_does_not_compile(slip, tmp_path):
    file, text, other, told = SLIPS[slip]
    target = "avx2" if "avx2" in file else "baseline"
    folder = shutil.copytree(SOURCE, tmp_path / "c")
    whole = (folder / file).read_text()
    assert whole.count(text) == 1
    (folder / file).write_text(whole.replace(text, other))
    status, output = compiled(folder, target)
    if "x86" not in sysconfig.get_platform() and target == "avx2":
        pytest.skip("not compiled here")
    assert status != 0
    assert told in output
