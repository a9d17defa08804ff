"""Worker processes of a search on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ..storage import SearchError
from ..store import environment
from .queue import ATTEMPTS, Shared

_PACKAGE = __package__.rpartition(".")[0]  # as it was imported: of a clone, or of fastdl
_PATIENCE = 1.0  # seconds for workers to leave by themselves
_LAST_PATIENCE = 15.0  # and once they were told to


class Helpers:
    """Worker processes; one that ends while there is work is started again."""

    def __init__(self, n: int, command: Sequence[str]) -> None:
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * n
        self._command = command
        self._deaths = 0

    def keep(self, progress: bool) -> None:
        """Start those that do not run.

        Parameters
        ----------
        progress : bool
            Whether trials were finished since the last call.

        Raises
        ------
        SearchError
            If they die again and again.
        """
        self._deaths = 0 if progress else self._deaths
        for i, process in enumerate(self._processes):
            code = None if process is None else process.poll()
            if process is not None and code is None:
                continue
            self._deaths += bool(code)
            if self._deaths > ATTEMPTS * len(self._processes):
                raise SearchError(
                    f"worker processes died {self._deaths} times without finishing a trial, the "
                    f"last with exit code {code}; see above, or try fewer jobs"
                )
            command = [*self._command, "--position", str(i + 1)]
            self._processes[i] = subprocess.Popen(command, env=self._variables())

    def _variables(self) -> dict[str, str]:
        """The environment of a worker: its share of the cores, and where this package lies."""
        threads = max(1, environment()["threads"] // len(self._processes))
        variables = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        if "." in _PACKAGE:  # installed: any process of this interpreter finds it
            return variables
        paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
        return variables | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # They leave when there is no work, and when a terminal has sent Ctrl-C to all.
            for process in self._alive(_PATIENCE):
                process.send_signal(signal.SIGINT)
            self._alive(_LAST_PATIENCE)
        finally:
            for process in self._alive(0):
                process.kill()
                process.wait()

    def _alive(self, patience: float) -> list[subprocess.Popen[bytes]]:
        """Those that have not ended after some seconds."""
        deadline = time.monotonic() + patience
        alive = []
        for process in filter(None, self._processes):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                alive.append(process)
        return alive


def command(shared: Shared, study: str) -> list[str]:
    """The command line of a worker process."""
    line = [sys.executable, "-m", _PACKAGE, "worker", "--storage", shared.storage]
    line += ["--study", study, "--out", str(shared.store.folder.parent), "--idle", "0"]
    line += ["--heartbeat", str(shared.heartbeat), "--parent", str(os.getpid())]
    return line if shared.data_dir is None else [*line, "--data-dir", str(shared.data_dir)]
