"""The compiled extensions; everything else about the package stands in pyproject.toml."""

import hashlib
import os
import platform
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
X86 = platform.machine().lower() in {"x86_64", "amd64"}
HEADERS = glob("src/fastdl/**/*.h", recursive=True)
# One build for every Python from 3.11 on; those without a GIL have no limited API.
ABI3 = not sysconfig.get_config_var("Py_GIL_DISABLED")

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
    others; each has beside it what it was made from.
    """

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

    def build_extensions(self) -> None:
        # -fno-math-errno and -fno-trapping-math change no result: they let loops vectorise.
        # With bounds checks GCC warns of line numbers that Cython keeps for its tracebacks.
        checks = ["-O1", "-g", "-UNDEBUG", "-Wno-maybe-uninitialized"]
        wanted = checks if DEBUG else ["-O3"]
        wanted += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-MMD"]
        wanted += ["-march=x86-64-v2", "-mtune=generic"] if X86 else []
        flags = [flag for flag in wanted if self.compiles([flag])]
        threads = next(([one] for one in ("-fopenmp", "-pthread") if self.compiles([one])), [])
        # Not asked whether it compiles: a build that checks nothing would pass every test. Python
        # wraps integers that overflow, which would keep the sanitizer from seeing one.
        sanitize = [f"-fsanitize={SANITIZE}", "-O1", "-g1", "-fno-wrapv"] if SANITIZE else []
        for extension in self.extensions:
            extension.extra_compile_args += flags + threads + sanitize
            extension.extra_link_args += threads + sanitize
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
        command, python = self.compiler.compiler_so, sysconfig.get_config_var("EXT_SUFFIX")
        version = subprocess.run([command[0], "--version"], capture_output=True, check=False)
        told = [command, version.stdout, python]
        for each in self.extensions:
            told += [each.include_dirs, each.define_macros, each.extra_compile_args]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def compiles(self, flags: list[str]) -> bool:
        """Whether a program that calls OpenMP's runtime (if asked for) compiles and links."""
        source = "int main(void) { return 0; }"
        if "-fopenmp" in flags:
            source = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "probe.c")
            path.write_text(source + "\n")
            command = [*self.compiler.compiler_so, *flags, str(path), "-o", f"{folder}/probe"]
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
