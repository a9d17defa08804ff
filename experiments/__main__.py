"""Where the commands begin: ``python -m experiments`` in a clone, else ``fastdl-experiments``."""

import signal
import sys
from types import FrameType

from .calling import command


def run() -> int:
    """Do what the command line asks for.

    Returns
    -------
    int
        See ``commands.main``; 1 where a package is missing that the experiments need.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from .commands import main

        return main()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__package__):
            raise
        print(
            f"error: {command()} needs the package {error.name}, which is not installed; "
            "pip install 'fastdl[experiments]' installs it",
            file=sys.stderr,
        )
        return 1


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt("terminated")  # workers end with the command that has started them


if __name__ == "__main__":
    sys.exit(run())
