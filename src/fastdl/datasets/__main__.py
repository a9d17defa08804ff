"""Fetch the data sets, or say what is where: ``python -m fastdl.datasets --help``."""

import argparse
import sys
from collections.abc import Sequence

from fastdl.datasets import DatasetError, download, provenance
from fastdl.datasets._sources import NAMES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m fastdl.datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--dir", help="instead of $FASTDL_DATA_DIR or else the user's cache")
    fetching = commands.add_parser("download", parents=[where], help="fetch data sets")
    fetching.add_argument("names", nargs="+", choices=NAMES, metavar="name", help=", ".join(NAMES))
    status = commands.add_parser("status", parents=[where], help="say which are found, and where")
    status.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="name", help="or all")
    chosen = parser.parse_args(arguments)
    if chosen.command == "status":
        return max(_report(name, chosen.dir) for name in chosen.names or NAMES)
    return max(_download(name, chosen.dir) for name in chosen.names)


def _download(name: str, data_dir: str | None) -> int:
    try:
        download(name, data_dir=data_dir)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command continues", file=sys.stderr)
        return 130
    return _report(name, data_dir)


def _report(name: str, data_dir: str | None) -> int:
    try:
        print(provenance(name, data_dir=data_dir))
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
