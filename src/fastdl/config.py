"""What this installation is made of."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastdl import _kernels, _pools, _threads

_PACKAGES = ("fastdl", "numpy", "scipy", "threadpoolctl", "safetensors", "tqdm")
_OWN_THREADS = (
    "no: fastdl starts threads of its own; to have OpenMP's, install it for the compiler (macOS: "
    "brew install libomp; Debian's clang: apt install libomp-dev) and build fastdl again"
)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def config() -> dict[str, str]:
    """Versions, instruction sets, OpenMP and both BLAS pools, a short text each."""
    import numpy as np  # noqa: F401 - loads the pools that are asked below
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    result = {
        "python": f"{platform.python_version()} on {platform.platform()}",
        **{package: _version(package) for package in _PACKAGES},
        "instruction sets": f"{_kernels.ISA} in use; this machine has {', '.join(_kernels.ISAS)}",
        "OpenMP": f"yes, {_kernels.OPENMP}" if _kernels.OPENMP else _OWN_THREADS,
        "bounds checks": "yes (FASTDL_DEBUG)" if _kernels.DEBUG else "no",
        "cores": str(_threads.available()),
        "BLAS in fits": _pools.unknown() or "held to one thread",
    }
    for pool in threadpool_info():
        if pool["internal_api"] == "fastdl":  # told above
            continue
        owner = next((part for part in Path(pool["filepath"]).parts if "lib" in part), "")
        for package in ("numpy", "scipy"):
            if f"{package}.libs" in pool["filepath"]:
                owner = package
        label = f"{pool['user_api']} pool ({owner})"
        text = f"{pool['internal_api']} {pool.get('version') or ''}, {pool['num_threads']} threads"
        result[label] = text.replace(" ,", ",")
    return result


def show_config() -> None:
    """Print versions, instruction sets, OpenMP, and both BLAS pools with their threads.

    Examples
    --------
    >>> fd.show_config()  # doctest: +ELLIPSIS
    python   ...
    """
    for name, value in config().items():
        print(f"{name:22} {value}")
