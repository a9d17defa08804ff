"""Plants the slips of slips.toml one at a time, and sees that the test of each fails.

    python -m tests.mutants [--only ID ...] [--jobs N]

First every named test has to pass where nothing is planted. Then a test that passes over its slip,
or hangs, crashes or cannot be collected, is told, and the exit status is 1. It works in copies of
the repository, in build/mutants.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests.mutants import slips
from tests.mutants.slips import Slip

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutants"
COPIED = ("src", "tests", "experiments", "bench", "docs")
SECONDS = 300  # of one test


class Result(NamedTuple):
    """What came of a slip."""

    slip: Slip
    word: str
    seconds: float
    output: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="ID", help="these slips alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tests at once")
    asked = parser.parse_args(arguments)
    every = slips.read()
    if unknown := {*(asked.only or ())} - {slip.id for slip in every}:
        parser.error(f"--only must name slips of the list; got {', '.join(sorted(unknown))}")
    chosen = [slip for slip in every if not asked.only or slip.id in asked.only]
    trees = [prepare(every, f"tree-{job}") for job in range(asked.jobs)]
    if not sound(trees, sorted({slip.test for slip in chosen})):
        return 1
    results = [*planted(trees, chosen)]
    alive = [result for result in results if result.word != "killed"]
    for result in alive:
        print(f"\n--- {result.slip.id}: {result.word}\n{result.output[-3000:]}")
    print(f"\n{len(results)} slips, {len(alive)} not killed")
    return 1 if alive else 0


# --- copies of the repository ----------------------------------------------------------------


def prepare(every: Sequence[Slip], name: str) -> Path:
    """A copy of the repository whose compiled modules have all slips; compiled if need be."""
    tree = BUILD / name
    shutil.rmtree(tree, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", "*.so", ".benchmarks")
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tree / folder, ignore=skip)
    for path in ROOT.glob("*"):
        if path.is_file():
            shutil.copy(path, tree)
    instrument(tree, [slip for slip in every if slip.is_compiled])
    source = tree / "src" / "fastdl"
    mark = _digest(path for path in source.rglob("*") if path.suffix in slips.COMPILED)
    built = BUILD / f"built-{mark[:16]}"
    if not built.exists():
        compile_in(tree)
        for old in BUILD.glob("built-*"):
            shutil.rmtree(old)
        built.mkdir()
        for module in source.glob("*.so"):
            shutil.move(module, built)
    for module in built.iterdir():
        shutil.copy(module, source)
    return tree


def instrument(tree: Path, compiled: Sequence[Slip]) -> None:
    """Put the slips of C and Cython into a copy of the repository."""
    folder = tree / "src/fastdl/c"
    (folder / "_slip.h").write_text(slips.HEADER)
    for file in sorted({slip.file for slip in compiled}):
        path, own = tree / file, [slip for slip in compiled if slip.file == file]
        path.write_text(slips.instrumented(path.read_text("utf-8"), own))
    for path in folder.rglob("*.c"):  # before it asks for an instruction set
        path.write_text('#include "_slip.h"\n' + path.read_text("utf-8"))


def compile_in(tree: Path) -> None:
    """Build the extensions of a copy."""
    print("compiling: some minutes", flush=True)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    quiet = {"CFLAGS": f"{os.environ.get('CFLAGS', '')} -w"}  # a planted else may look misplaced
    subprocess.run(command, cwd=tree, env=os.environ | quiet, check=True)


def _digest(paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


# --- tests -----------------------------------------------------------------------------------


def pytest(tree: Path, tests: Iterable[str], number: int = 0, *more: str) -> tuple[int, str]:
    """Run some tests of a copy where a slip is chosen; the exit status and the output."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider"]
    own = {"PYTHONPATH": f"{tree / 'src'}", "FASTDL_SLIP": f"{number}"}
    done = subprocess.run(
        [*command, "-o", f"timeout={SECONDS}", *more, *sorted(tests)], cwd=tree, text=True,
        env=os.environ | own | {"PYTHONDONTWRITEBYTECODE": "1"}, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


def sound(trees: Sequence[Path], tests: Sequence[str]) -> bool:
    """Whether all of the tests pass, and run at all, where nothing is planted."""
    print(f"{len(tests)} tests where nothing is planted", flush=True)

    def passed(tree: Path, part: Sequence[str]) -> set[str]:
        """The nodes, functions and files of which something has passed."""
        report = tree / "report.xml"
        status, output = pytest(tree, part, 0, f"--junitxml={report}")
        if status != 0:
            raise SystemExit(f"{output}\nthe tests must pass where nothing is planted")
        cases = ET.parse(report).iter("testcase")
        ran = {_node(case) for case in cases if case.find("skipped") is None}
        return ran | {node.partition(mark)[0] for node in ran for mark in ("[", "::")}

    parts = [tests[i :: len(trees)] for i in range(min(len(trees), len(tests)))]
    with ThreadPoolExecutor(len(trees)) as pool:
        ran = set().union(*pool.map(passed, trees, parts))
    skipped = [test for test in tests if test not in ran]
    if skipped:
        print("skipped here, so they see nothing:", *skipped, sep="\n  ")
    return not skipped


def _node(case: ET.Element) -> str:
    return f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"


def planted(trees: Sequence[Path], chosen: Sequence[Slip]) -> Iterable[Result]:
    """Plant every slip in some free copy; a line each as soon as it is known."""
    free: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def work(slip: Slip) -> Result:
        tree = free.get()
        try:
            return try_one(tree, slip)
        finally:
            free.put(tree)

    width = max(len(slip.id) for slip in chosen)
    with ThreadPoolExecutor(len(trees)) as pool:
        for result in pool.map(work, chosen):
            slip, word, seconds = result.slip, result.word, result.seconds
            print(f"{slip.id:{width}}  {word:8}  {seconds:5.1f} s  {slip.test}", flush=True)
            yield result


def try_one(tree: Path, slip: Slip) -> Result:
    """Plant one slip and run its test."""
    path, began = tree / slip.file, time.monotonic()
    source = path.read_text("utf-8")
    try:
        if not slip.is_compiled:
            path.write_text(slips.patched(source, slip), "utf-8")
        status, output = pytest(tree, [slip.test], slip.number)
    finally:
        path.write_text(source, "utf-8")
    return Result(slip, verdict(status, output), time.monotonic() - began, output)


def verdict(status: int, output: str) -> str:
    """A test has to fail: one that hangs, crashes or is not found has seen nothing."""
    if status == 0:
        return "LIVES"
    if status != 1:
        return f"BROKEN ({status})"
    return "HANGS" if "Failed: Timeout" in output else "killed"


if __name__ == "__main__":
    sys.exit(main())
