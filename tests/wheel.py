"""Tries a wheel where it was not built: other Pythons, the oldest packages, no compiler.

    python tests/wheel.py make FOLDER NAME ...        makes the environments, side by side
    python tests/wheel.py try FOLDER WHEEL NAME ...   the wheel in each, and tests of each kind

A name is a version of Python ("3.12") or "oldest": this Python with the oldest packages that
pyproject.toml allows. A Python is found by its command or in pyenv's folder; one that is not there
is told, and left out. In an environment there is no command but its own, so no compiler. "3.13t", a
Python without a GIL, takes no such wheel: for it one is compiled.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ("hypothesis", "pytest", "pytest-benchmark", "pytest-timeout")
TESTS = (
    "tests/test_import.py",
    "tests/test_config.py",
    "tests/test_pools.py",
    "tests/test_beside.py",
    "tests/test_ops.py",
    "tests/test_epoch.py::test_any_widths_on_any_instruction_set",
    "tests/test_epoch.py::test_every_form_has_the_same_bits_on_any_number_of_threads",
    "tests/test_network.py",
    "tests/test_files.py",
    "tests/datasets/test_cifar10.py",
    "tests/datasets/test_cifar10_forms.py",
    "tests/datasets/test_mnist.py",
    "tests/datasets/test_damage.py::test_a_whole_archive_is_read_batch_by_batch",
    "tests/datasets/test_damage.py::test_a_whole_mnist_takes_little_more_than_its_size",
)
# Where there is no GIL: whether it stays so, and what several threads may do. Files are left out,
# for safetensors has no wheel for such a Python yet.
FREE_TESTS = (
    "tests/test_threads.py",
    *(test for test in TESTS if "_ops" in test or "_epoch" in test),
)
FREE_LACKS = ("safetensors",)


def is_free(name: str) -> bool:
    """Whether it is of a Python without a GIL."""
    return name[0].isdigit() and name.endswith("t")


def oldest() -> list[str]:
    """The packages that fastdl needs, each in the oldest version that it allows."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return [each.replace(">=", "==") for each in tomllib.load(file)["project"]["dependencies"]]


def interpreter(name: str) -> str | None:
    """The Python of an environment, if there is one."""
    if name == "oldest":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    version, free = name.removesuffix("t"), "t" * is_free(name)
    folders = pyenv.glob(f"versions/{version}.*[0-9]{free}/bin/python")
    found = [f"python{name}", *map(str, folders)]
    return next((each for each in found if shutil.which(each) and answers(each)), None)


def answers(python: str) -> bool:
    """Whether it runs: pyenv has commands that only say where they would be found."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def make(folder: Path, name: str) -> str:
    """An environment with what fastdl needs; what came of it, empty where all is well."""
    python = interpreter(name)
    if python is None:
        print(f"no Python {name}: the wheel is not tried there")
        return ""
    newest = [each.partition("=")[0] for each in oldest()]
    packages = oldest() if name == "oldest" else [*newest, "scikit-learn"]
    if is_free(name):
        packages = ["--only-binary", ":all:", "setuptools", "Cython"]
        packages += [each for each in newest if each not in FREE_LACKS]
    commands = (
        [python, "-m", "venv", "--clear", str(folder / name)],
        [str(folder / name / "bin" / "pip"), "install", "-q", *packages, *TOOLS],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{name}: {' '.join(command)} failed\n{done.stdout}{done.stderr}"
    if beside := os.environ.get("FASTDL_BESIDE"):
        (library,) = (folder / name).glob("lib/python*/site-packages")
        (library / "beside.pth").write_text(beside + "\n")
    return ""


def attempt(folder: Path, wheel: Path, name: str) -> str:
    """The wheel in an environment that was made, and its tests; what failed."""
    place = folder.resolve() / name / "bin"
    if not place.is_dir():
        return ""
    hidden = ("PYTHONPATH", "CC", "LD_LIBRARY_PATH")
    settings = {key: value for key, value in os.environ.items() if key not in hidden}
    settings |= {"PATH": str(place), "OMP_NUM_THREADS": "2"}
    free = is_free(name)
    what, which = (["--no-build-isolation", ROOT], FREE_TESTS) if free else ([wheel], TESTS)
    install = ["-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", *map(str, what)]
    # Those that are to run alone do so in `make test`; here other environments are busy beside.
    test = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not alone", *which]
    for arguments, env in ((install, dict(os.environ) if free else settings), (test, settings)):
        done = subprocess.run(
            [str(place / "python"), *arguments],
            cwd=ROOT, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return f"{name}: {' '.join(arguments)} failed\n{done.stdout}{done.stderr}"
    print(f"{name}: {done.stdout.splitlines()[-1]}")
    return ""


def main(what: str, folder: str, *rest: str) -> int:
    """All environments side by side; how many of them failed."""
    if what == "make":
        names, calls = rest, [(make, Path(folder), name) for name in rest]
    else:
        wheel, *names = rest
        calls = [(attempt, Path(folder), Path(wheel).resolve(), name) for name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [each for each in pool.map(lambda call: call[0](*call[1:]), calls) if each]
    print(*failed, sep="\n", end="")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
