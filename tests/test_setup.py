"""setup.py: whose threads a build has, and which instruction sets, as it finds its compiler."""

import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("setuptools")
pytest.importorskip("Cython")

from distutils.ccompiler import new_compiler
from distutils.core import run_setup
from distutils.extension import Extension
from distutils.sysconfig import customize_compiler

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="reads the source tree"),
    pytest.mark.skipif(not shutil.which("gcc"), reason="asks GCC"),
]
LACKING = str(ROOT / "tests" / "cc_without_openmp")


@pytest.fixture
def building(monkeypatch):
    """building(**environment): the command that builds the extensions, with its compiler."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("Cython.Build.cythonize", lambda modules, **settings: modules)

    def make(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command = run_setup("setup.py", stop_after="init").get_command_obj("build_ext")
        command.ensure_finalized()
        command.compiler = new_compiler()
        customize_compiler(command.compiler)
        return command

    return make


@pytest.fixture
def brew(tmp_path):
    """A folder as Homebrew's, with an OpenMP that links."""
    include, lib = tmp_path / "opt/libomp/include", tmp_path / "opt/libomp/lib"
    include.mkdir(parents=True)
    lib.mkdir()
    (include / "omp.h").write_text("int omp_get_max_threads(void);\n")
    (lib / "omp.c").write_text("int omp_get_max_threads(void) { return 1; }\n")
    command = ["gcc", "-shared", "-fPIC", str(lib / "omp.c"), "-o", str(lib / "libomp.so")]
    subprocess.run(command, check=True)
    return str(tmp_path)


def test_a_compiler_with_openmp_is_asked_for_it(building, brew):
    command = building(CC="gcc", HOMEBREW_PREFIX=brew)
    assert command.threads() == ("OpenMP", ["-fopenmp"], ["-fopenmp"])


def test_an_openmp_of_homebrew_is_taken_where_the_compiler_has_none(building, brew):
    whose, compiling, linking = building(CC=LACKING, HOMEBREW_PREFIX=brew).threads()
    assert whose == f"OpenMP ({brew}/opt/libomp)"
    assert compiling == ["-Xpreprocessor", "-fopenmp", f"-I{brew}/opt/libomp/include"]
    assert linking == [f"-L{brew}/opt/libomp/lib", "-lomp"]


@pytest.mark.skipif(os.path.isdir("/opt/homebrew/opt/libomp"), reason="there is one")
def test_threads_are_its_own_where_there_is_no_openmp(building, tmp_path):
    whose, *flags = building(CC=LACKING, HOMEBREW_PREFIX=str(tmp_path)).threads()
    assert whose.startswith("its own")
    assert flags == [["-pthread"]] * 2


def test_a_build_says_in_a_line_what_it_has(building, monkeypatch, caplog):
    command = building(CC="gcc")
    command.extensions = []
    command.parallel = 1
    with caplog.at_level(logging.INFO):
        command.build_extensions()
    (line,) = (text for text in caplog.messages if text.startswith("fastdl: "))
    assert line == f"fastdl: threads of OpenMP; instruction sets: {command.instruction_sets()}"


def test_instruction_sets_are_those_of_the_compiler(building):
    machine = subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True, check=True)
    best = {"x86_64": "avx512", "aarch64": "neon"}.get(machine.stdout.partition("-")[0], "baseline")
    assert building(CC="gcc").instruction_sets().startswith(best)
    cross = shutil.which("aarch64-linux-gnu-gcc")
    if cross:
        assert building(CC=cross).instruction_sets() == "neon, baseline"


WINDOWS = """#!/bin/sh
exec {clang} --driver-mode=cl --target=x86_64-pc-windows-msvc "$@"
"""


@pytest.fixture
def on_windows(building, monkeypatch, tmp_path):
    """on_windows(CC=...): the command where setuptools has found cl.exe; clang is what is here."""
    clang = tmp_path / "clang-cl"
    clang.write_text(WINDOWS.format(clang=shutil.which("clang")))
    clang.chmod(0o755)

    def make(CC=str(clang)):
        command = building(CC=CC)
        command.compiler = new_compiler(compiler="msvc")
        monkeypatch.setattr(command.compiler, "initialize", lambda: None)
        command.take_clang()
        return command

    return make


@pytest.mark.skipif(not shutil.which("clang"), reason="asks clang")
def test_on_windows_clang_compiles_under_flags_of_its_own(on_windows, monkeypatch):
    command = on_windows()
    assert command.compiler.cc.endswith("clang-cl")
    assert command.instruction_sets().startswith("avx512")
    whose, compiling, (library,) = command.threads()
    assert (whose, compiling) == ("its own", [])
    assert Path(library).name.startswith("clang_rt.builtins")
    command.extensions = [Extension("fastdl.nothing", [])]
    command.parallel = 1
    monkeypatch.setattr(command, "build_extension", lambda extension: None)
    command.build_extensions()
    flags = command.extensions[0].extra_compile_args
    assert {"/clang:-O3", "/clang:-ffp-contract=off", "/clang:-mllvm"} < set(flags)
    assert all(flag.startswith("/clang:") for flag in flags)


def test_on_windows_a_missing_clang_is_told_with_the_remedy(on_windows):
    with pytest.raises(SystemExit, match=r"clang-cl compiles fastdl, .*winget install LLVM"):
        on_windows(CC="no-such-clang")
