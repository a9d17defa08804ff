"""A fresh interpreter: what a test asks of a whole process, it asks of another one."""

import os
import subprocess
import sys
from pathlib import Path


def run_python(code: str, timeout: float = 60, **environment: str) -> str:
    """What these lines print."""
    return _run("-c", code, timeout=timeout, **environment)


def run_file(path: Path, *arguments: str, timeout: float = 60, **environment: str) -> str:
    """What this file prints; a process that it spawns reads the file again."""
    return _run(str(path), *arguments, timeout=timeout, **environment)


def _run(*arguments: str, timeout: float, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=os.environ | environment, timeout=timeout,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
