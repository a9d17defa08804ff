"""The compiled extensions; everything else about the package stands in pyproject.toml."""

import hashlib
import logging
import os
import shutil
import subprocess
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from glob import glob
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("FASTDL_DEBUG") == "1"
SANITIZE = os.environ.get("FASTDL_SANITIZE", "")  # as -fsanitize takes it: "address,undefined"
HEADERS = glob("src/fastdl/**/*.h", recursive=True)
# One build for every Python from 3.11 on; those without a GIL have no limited API.
ABI3 = not sysconfig.get_config_var("Py_GIL_DISABLED")
# Where Homebrew keeps LLVM's OpenMP, which Apple's clang has not.
BREWS = [os.environ.get("HOMEBREW_PREFIX", "/opt/homebrew"), "/opt/homebrew", "/usr/local"]
# What a compiler defines where these can be built, the best first.
INSTRUCTION_SETS = {"__x86_64__": "avx512, avx2, baseline", "__aarch64__": "neon, baseline"}
USES_OPENMP = """#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }"""

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "auto_pickle": False,
    "embedsignature": False,
    "freethreading_compatible": True,
    "show_performance_hints": not DEBUG,
}


class build_ext_portable(build_ext):
    """Adds the flags that this compiler takes; compiles what has changed, sources side by side.

    OpenMP only where a program with it links; elsewhere c/team.c starts threads by itself. Objects
    lie in a folder for each compiler and its flags, so that none is taken that was compiled with
    others; each has beside it what it was made from. On Windows clang-cl compiles, which takes the
    flags of clang behind a word of its own.
    """

    @property
    def windows(self) -> bool:
        return self.compiler.compiler_type == "msvc"

    @property
    def command(self) -> list[str]:
        return [self.compiler.cc] if self.windows else self.compiler.compiler_so

    def finalize_options(self) -> None:
        super().finalize_options()
        self.force = True  # links what may have been linked with other flags
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        super().run()
        folders = [Path(self.build_lib, "fastdl")] + [Path("src/fastdl")] * bool(self.inplace)
        for folder in folders if ABI3 else ():
            for left in folder.glob("_*.cp*"):  # of one version, which would take it first
                left.unlink()

    def take_clang(self) -> None:
        """Have clang in the place of cl.exe, which setuptools finds and which reads no kernel."""
        clang = shutil.which(os.environ.get("CC", "clang-cl"))
        if clang is None:
            raise SystemExit(
                "on Windows clang-cl compiles fastdl, and there is none in PATH; install LLVM "
                "(winget install LLVM.LLVM), or name it in the environment variable CC"
            )
        if not self.compiler.initialized:
            self.compiler.initialize()
        self.compiler.cc = clang

    def build_extensions(self) -> None:
        if self.windows:
            self.take_clang()
        # -fno-math-errno and -fno-trapping-math change no result: they let loops vectorise.
        # With bounds checks GCC warns of line numbers that Cython keeps for its tracebacks.
        checks = ["-O1", "-g", "-UNDEBUG", "-Wno-maybe-uninitialized"]
        wanted = checks if DEBUG else ["-O3"]
        wanted += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
        # clang-cl would lay what a source includes into the current folder, not beside the object.
        wanted += [] if self.windows else ["-MMD"]
        # GCC makes a loop of its own for what a tile asks for; clang has to be told to.
        wanted += ["-mllvm -unswitch-threshold=500"]
        wanted += ["-march=x86-64-v2", "-mtune=generic"]
        word = "/clang:" if self.windows else ""
        split = [[word + part for part in flag.split()] for flag in wanted]
        flags = [part for parts in split if self.compiles(parts) for part in parts]
        whose, threads, libraries = self.threads()
        sets = self.instruction_sets()
        self.announce(f"fastdl: threads of {whose}; instruction sets: {sets}", logging.INFO)
        # Not asked whether it compiles: a build that checks nothing would pass every test. Python
        # wraps integers that overflow, which would keep the sanitizer from seeing one.
        sanitize = [f"-fsanitize={SANITIZE}", "-O1", "-g1", "-fno-wrapv"] if SANITIZE else []
        for extension in self.extensions:
            extension.extra_compile_args += flags + threads + sanitize
            extension.extra_link_args += libraries + sanitize
        self.build_temp = f"build/objects/{self.key()}"
        compile_one = self.compiler.compile
        with ThreadPoolExecutor(self.parallel) as pool:

            def compile_changed(sources: list[str], output_dir: str, **settings: Any) -> list[str]:
                objects = self.compiler.object_filenames(sources, output_dir=output_dir)
                of = dict(zip(sources, objects, strict=True))
                changed = [[source] for source in sources if is_old(source, of[source])]
                list(pool.map(partial(compile_one, output_dir=output_dir, **settings), changed))
                return objects

            self.compiler.compile = compile_changed
            super().build_extensions()

    def key(self) -> str:
        """A name for this compiler with these flags, for this Python."""
        version = subprocess.run([self.command[0], "--version"], capture_output=True, check=False)
        told = [self.command, version.stdout, sysconfig.get_config_var("EXT_SUFFIX")]
        for each in self.extensions:
            told += [each.include_dirs, each.define_macros, each.extra_compile_args]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def threads(self) -> tuple[str, list[str], list[str]]:
        """Whose threads a build has, and the flags for its compiler and for its linker."""
        if self.windows:
            return "its own", [], self.runtime()
        if self.compiles(["-fopenmp"], USES_OPENMP):
            return "OpenMP", ["-fopenmp"], ["-fopenmp"]
        for brew in BREWS:
            compiling = ["-Xpreprocessor", "-fopenmp", f"-I{brew}/opt/libomp/include"]
            linking = [f"-L{brew}/opt/libomp/lib", "-lomp"]
            if self.compiles([*compiling, *linking], USES_OPENMP):
                return f"OpenMP ({brew}/opt/libomp)", compiling, linking
        posix = ["-pthread"] if self.compiles(["-pthread"]) else []
        return "its own, for the compiler finds no OpenMP", posix, posix

    def runtime(self) -> list[str]:
        """What clang links by itself, and Microsoft's linker does not: what tells of processors."""
        ask = [self.compiler.cc, "/clang:--print-libgcc-file-name", "/clang:--rtlib=compiler-rt"]
        told = subprocess.run(ask, capture_output=True, text=True, check=True)
        return [told.stdout.strip()]

    def instruction_sets(self) -> str:
        for machine, names in INSTRUCTION_SETS.items():
            if self.compiles([], f"int main(void) {{ return !{machine}; }}"):
                return names
        return "baseline"

    def compiles(self, flags: list[str], source: str = "int main(void) { return 0; }") -> bool:
        """Whether a program compiles and, but on Windows, links with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "probe.c")
            path.write_text(source + "\n")
            out = ["/c", f"/Fo{folder}/probe"] if self.windows else ["-o", f"{folder}/probe"]
            command = [*self.command, str(path), *flags, *out]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0


def is_old(source: str, made: str) -> bool:
    """Whether an object file is older than anything that it was made from."""
    listed = Path(made).with_suffix(".d")  # by -MMD
    if not Path(made).exists():
        return True
    files = HEADERS
    if listed.exists():
        files = listed.read_text().replace("\\\n", " ").partition(": ")[2].split()
    time = os.path.getmtime(made)
    return any(not os.path.exists(f) or os.path.getmtime(f) >= time for f in [source, *files])


def extension(name: str, *sources: str) -> Extension:
    macros = [("FASTDL_DEBUG", str(int(DEBUG)))]
    return Extension(
        f"fastdl.{name}",
        [f"src/fastdl/{name}.pyx", *sources],
        include_dirs=["src/fastdl/c"],
        define_macros=macros + [("Py_LIMITED_API", "0x030B0000")] * ABI3,
        py_limited_api=ABI3,
    )


setup(
    ext_modules=cythonize(
        [
            extension("_kernels", *sorted(glob("src/fastdl/c/**/*.c", recursive=True))),
            extension("_epoch"),
        ],
        compiler_directives=DIRECTIVES,
        include_path=["src"],
        build_dir="build/debug" if DEBUG else "build/release",
    ),
    cmdclass={"build_ext": build_ext_portable},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
