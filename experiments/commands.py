"""The command line: its commands, what each takes, and how they end."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import fastdl as fd

from . import assignments, new, places
from .calling import command as called
from .check import command as check
from .meant import meant
from .results import FEW
from .store import ResultError

_PURPOSE = (
    "Runs assignments of deep-learning courses again, and holds them against published reports."
)
_OUT = Path("results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Parameters
    ----------
    arguments : sequence of str, optional
        None: those of the process.

    Returns
    -------
    int
        0; 1 where data are damaged, a trial fails or a file cannot be written; 130 after Ctrl-C.
    """
    parser, commands = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _understood(parser, commands, given)
    try:
        if getattr(options, "out", _OUT) is None:
            options.out = _OUT / "quick" if options.quick else _OUT
            if options.writes:
                _writable(options.out)
        command: Callable[[argparse.Namespace], int] = options.do
        return command(options)
    except KeyboardInterrupt as stop:
        after = "; --resume goes on where it stopped" if "resume" in options else ""
        print(f"{str(stop) or 'interrupted'}{after}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except argparse.ArgumentTypeError as error:
        chosen: _Parser = options.parser
        chosen.error(str(error))
    except (fd.datasets.DatasetError, ResultError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # what could be written when the command began
        print(
            f"error: every file must be read and written; {error.filename or 'one'} cannot be "
            f"({error.strerror or error}), see to its folder and to the space on the disk",
            file=sys.stderr,
        )
        return 1


def _writable(out: Path) -> None:
    """See that the folder of results can be written where no --out was given."""
    try:
        places.new_folder(str(out))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"argument --out: {error}") from error


def _understood(
    parser: "_Parser", commands: Mapping[str, "_Parser"], given: list[str]
) -> argparse.Namespace:
    """The options that are given; names that are wrong are refused with what may be meant."""
    if given and not given[0].startswith("-") and given[0] not in commands:
        near = meant(given[0], commands)
        parser.error(f"a command must be one of {', '.join(commands)}; got {given[0]!r}{near}")
    options, left = parser.parse_known_args(given)
    if left:
        known = re.findall(r"--[a-z][a-z-]+", options.parser.format_help())
        near = meant(left[0], known) if left[0].startswith("-") else ""
        options.parser.error(f"the command has no argument {' '.join(left)}{near}")
    return options


def _list(options: argparse.Namespace) -> int:
    for name in assignments.names():
        try:
            print(f"{name:22} {assignments.get(name).title}")
        except ValueError as error:  # the others can be run all the same
            print(f"{name:22} error: {error}")
    return 0


def _new(options: argparse.Namespace) -> int:
    try:
        written = new.write(options.name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    print("\n".join(map(str, written)))
    print(f"edit them, then: {called()} run {written[0]} --quick")
    return 0


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    """The function of doing.py with this name: what it loads, most commands do without."""

    def do(options: argparse.Namespace) -> int:
        from . import doing

        found: Callable[[argparse.Namespace], int] = getattr(doing, name)
        return found(options)

    return do


# --- the command line -----------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Refuses in one sentence, without the usage, which is longer than a screen has room for."""

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and end."""
        self.exit(2, f"error: {message}\n{self.prog} --help tells what it takes\n")


def _parser() -> tuple[_Parser, Mapping[str, _Parser]]:
    """The parser of the command line, and those of its commands by their names."""
    parser = _Parser(prog=called(), description=_PURPOSE)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Callable[[argparse.Namespace], int], text: str) -> _Parser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(do=do, parser=added, writes=name != "compare")
        return added

    command("list", _list, "list the assignments")
    run = command("run", _later("do_run"), "run assignments; write figures, tables and a report")
    run.add_argument(
        "names", nargs="*", metavar="NAME", help="assignments, or files such as ./mine.py"
    )
    run.add_argument("--all", action="store_true", help="all assignments")
    run.add_argument(
        "-v", "--verbose", action="store_true", help="print every number, as compare does"
    )
    run.add_argument("--year", type=_whole, help="the protocol of that year: dd2424_a1 --year 2019")
    seek = command(
        "search", _later("do_search"), "do the trials of one assignment, and rank its searches"
    )
    seek.add_argument("name", metavar="NAME", help="an assignment, or a file such as ./mine.py")
    for each in (run, seek):
        _add_trials(each)
        _add_workers(each)
    for name, do, text in (
        ("compare", _later("do_compare"), "print reported and own numbers; nothing is run"),
        (
            "report",
            _later("do_report"),
            "write figures, tables and the report again; nothing is run",
        ),
    ):
        shown = command(name, do, text)
        shown.add_argument(
            "names", nargs="*", metavar="NAME", help="assignments, or files; none: all"
        )
        where = shown.add_mutually_exclusive_group()
        where.add_argument(
            "--out", type=places.folder, help=f"the folder of results; default: {_OUT}"
        )
        where.add_argument("--quick", action="store_true", help=f"look in {_OUT / 'quick'}")
    check.add(
        command("check", check.do, "say whether numbers of your own are right, and if not why")
    )
    begun = command("new", _new, "begin an assignment of your own: a commented file and its bands")
    begun.add_argument(
        "name", metavar="NAME", help="of the assignment and its files; FOLDER/NAME: in that folder"
    )
    worker = command(
        "worker", _later("do_worker"), "do trials that wait in a storage, here or on another host"
    )
    _add_queue(worker)
    _add_workers(worker)
    return parser, commands.choices


def _add_queue(worker: _Parser) -> None:
    _add_storage(worker, required=True)
    worker.add_argument("--study", help="do the trials of this study only")
    worker.add_argument(
        "--idle",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="leave when nothing has waited for so long; default: %(default)g",
    )
    worker.add_argument(
        "--out",
        type=places.new_folder,
        default=str(_OUT),
        help="the folder of results, the same as for the search; default: %(default)s",
    )
    worker.add_argument("--position", type=_whole, default=0, help=argparse.SUPPRESS)
    worker.add_argument("--parent", type=_whole, help=argparse.SUPPRESS)


def _add_trials(parser: _Parser) -> None:
    parser.add_argument(
        "--seeds",
        type=partial(_whole, least=1),
        metavar="N",
        help=f"random seeds per run; default: {FEW} of a run that takes seconds, one of others",
    )
    parser.add_argument(
        "--jobs",
        type=_whole,
        default=1,
        metavar="N",
        help="worker processes, each with its share of the cores; 0: only workers "
        "that you start elsewhere; default: %(default)s",
    )
    _add_storage(parser, required=False)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="do only what has no result yet; without it everything is done again",
    )
    parser.add_argument(
        "--out",
        type=places.new_folder,
        help=f"the folder of results; default: {_OUT}, with --quick {_OUT}/quick",
    )
    parser.add_argument(
        "--quick", action="store_true", help="the longest run and the searches cut: all in minutes"
    )


def _add_workers(parser: _Parser) -> None:
    parser.add_argument(
        "--data-dir",
        type=places.folder,
        help="where the data sets lie; an error if they do not. Default: where "
        "fastdl looks, and stand-ins if nothing is there",
    )
    parser.add_argument(
        "--heartbeat",
        type=partial(_whole, least=1),
        default=10,
        metavar="SECONDS",
        help="a worker that misses three is taken for dead; the same for all; default: %(default)s",
    )


def _add_storage(parser: _Parser, *, required: bool) -> None:
    parser.add_argument(
        "--storage",
        required=required,
        metavar="URL",
        help="where trials wait: a URL for Optuna, postgresql+psycopg2://... for "
        "instance" + ("" if required else "; default: SQLite beside the results"),
    )


def _whole(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} on; got {text!r}")
    return int(text)
