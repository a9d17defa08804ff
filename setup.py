"""The compiled extensions; everything else about the package stands in pyproject.toml."""

import os
import platform
import subprocess
import tempfile
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("FASTDL_DEBUG") == "1"
SANITIZE = os.environ.get("FASTDL_SANITIZE", "")  # as -fsanitize takes it: "address,undefined"
X86 = platform.machine().lower() in {"x86_64", "amd64"}

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "auto_pickle": False,
    "embedsignature": False,
}


class build_ext_portable(build_ext):
    """Adds the flags that this compiler takes; OpenMP only where a program with it links."""

    def finalize_options(self) -> None:
        super().finalize_options()
        # What was compiled with other flags looks up to date by its date.
        self.force = True
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        # -fno-math-errno and -fno-trapping-math change no result: they let loops vectorise.
        wanted = ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3"]
        wanted += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
        wanted += ["-march=x86-64-v2", "-mtune=generic"] if X86 else []
        flags = [flag for flag in wanted if self.compiles([flag])]
        openmp = ["-fopenmp"] if self.compiles(["-fopenmp"]) else []
        # Not asked whether it compiles: a build that checks nothing would pass every test. Python
        # wraps integers that overflow, which would keep the sanitizer from seeing one.
        sanitize = [f"-fsanitize={SANITIZE}", "-O1", "-g1", "-fno-wrapv"] if SANITIZE else []
        for extension in self.extensions:
            extension.extra_compile_args += flags + openmp + sanitize
            extension.extra_link_args += openmp + sanitize
        super().build_extensions()

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


def extension(name: str, *sources: str) -> Extension:
    return Extension(
        f"fastdl.{name}",
        [f"src/fastdl/{name}.pyx", *sources],
        depends=glob("src/fastdl/*.h"),
        include_dirs=["src/fastdl"],
        define_macros=[("FASTDL_DEBUG", str(int(DEBUG)))],
    )


setup(
    ext_modules=cythonize(
        [extension("_kernels", "src/fastdl/_isa.c"), extension("_epoch")],
        compiler_directives=DIRECTIVES,
        include_path=["src"],
        build_dir="build/debug" if DEBUG else "build/release",
    ),
    cmdclass={"build_ext": build_ext_portable},
)
