"""What a wheel and an sdist have, and the commands where the experiments are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastdl as fd

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "src").is_dir(), reason="reads the source tree")
SCRIPT = """
import sys
from fastdl.experiments.__main__ import run
sys.exit(run())
"""


@pytest.fixture
def command(tmp_path):
    """command(*arguments, lacking=None): the installed command, in a folder elsewhere."""
    package = tmp_path / "library" / "fastdl"
    shutil.copytree(Path(fd.__file__).parent, package, ignore=shutil.ignore_patterns("experiments"))
    shutil.copytree(ROOT / "experiments", package / "experiments")
    script = tmp_path / "fastdl-experiments"
    script.write_text(SCRIPT)
    path = os.pathsep.join(filter(None, (str(package.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "FASTDL_DATA_DIR": str(tmp_path / "none")}

    def do(*arguments, lacking=None):
        if lacking is not None:
            text = f"raise ModuleNotFoundError(name={lacking!r})"
            (package.parent / f"{lacking}.py").write_text(text)
        return subprocess.run(
            [sys.executable, str(script), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return do


def test_every_file_of_the_packages_is_in_the_wheel(monkeypatch):
    setuptools = pytest.importorskip("setuptools")
    monkeypatch.chdir(ROOT)
    distribution = setuptools.Distribution({"script_name": "setup.py"})
    distribution.parse_config_files(["pyproject.toml"])
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    held = {Path(path) for _, _, path in build.find_all_modules()}
    held |= {Path(folder, name) for _, folder, _, names in build.data_files for name in names}
    wanted = {
        path.relative_to(ROOT)
        for path in (ROOT / "experiments").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    wanted |= {path.relative_to(ROOT) for path in (ROOT / "src" / "fastdl").rglob("*.py")}
    assert held >= wanted


def test_every_file_that_tests_need_is_in_the_sdist(monkeypatch):
    """`make wheels` unpacks one and runs the tests there."""
    egg_info = pytest.importorskip("setuptools.command.egg_info")
    monkeypatch.chdir(ROOT)
    held = egg_info.FileList()
    held.findall()
    for line in Path("MANIFEST.in").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            held.process_template_line(line)
    folders = ("src", "tests", "bench", "docs", "experiments", ".ci")
    wanted = {path for folder in folders for path in Path(folder).rglob("*") if path.is_file()}
    made = (".pyc", ".pyo", ".so", ".html")
    wanted = {
        path
        for path in wanted
        if path.suffix not in made and not any("egg-info" in part for part in path.parts)
    }
    wanted |= {Path("Makefile"), *Path().glob("*.md")}
    python = {path for path in wanted if path.parts[0] == "src" and path.suffix == ".py"}
    assert {Path(name) for name in held.files} >= wanted - python - {Path("src/fastdl/py.typed")}


def test_the_command_tells_itself_by_its_name(command):
    done = command("--help")
    assert done.stdout.startswith("usage: fastdl-experiments [-h] COMMAND")
    assert done.returncode == 0
    done = command("check", "--help")
    assert "fastdl-experiments check dd2424_a1 --run" in done.stdout
    done = command("run", "nothing")
    assert "see fastdl-experiments list" in done.stderr
    assert done.returncode == 2


def test_an_assignment_of_ones_own_runs_where_the_package_is_installed(command, tmp_path):
    done = command("new", "mine")
    assert done.returncode == 0, done.stderr
    assert "fastdl-experiments run ./mine.py --quick" in done.stdout
    done = command("run", "./mine.py", "--quick", "--seeds", "1", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "quick" / "report.html").is_file()


@pytest.mark.parametrize("package", ["optuna", "PIL", "jinja2", "matplotlib"])
def test_a_package_that_is_missing_is_named_with_the_remedy(package, command):
    done = command("report", lacking=package)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: fastdl-experiments needs the package {package}")
    assert "pip install 'fastdl[experiments]'" in line
