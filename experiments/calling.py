"""By which command the experiments were called: what they advise can be typed as it stands."""

import sys
from pathlib import Path

SCRIPT = "fastdl-experiments"


def command() -> str:
    """The beginning of a command line: the installed command, or the package run by Python."""
    called = Path(sys.argv[0]).stem
    return SCRIPT if called == SCRIPT else f"python -m {__package__}"
