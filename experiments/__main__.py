"""The command line: ``python -m experiments COMMAND``."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from tqdm import tqdm

import fastdl as fd
from experiments import assignments, claims, compare, report, runner, search
from experiments.results import Results
from experiments.storage import default_storage
from experiments.store import Store

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
    parser = _parser()
    options = parser.parse_args(arguments)
    if getattr(options, "out", _OUT) is None:
        options.out = _OUT / "quick" if options.quick else _OUT
    try:
        command: Callable[[argparse.Namespace], int] = options.do
        return command(options)
    except KeyboardInterrupt as stop:
        what = str(stop) or "interrupted"
        print(f"{what}; --resume goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    except (fd.datasets.DatasetError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _list(options: argparse.Namespace) -> int:
    for name in assignments.names():
        print(f"{name:22} {assignments.get(name).title}")
    return 0


def _run(options: argparse.Namespace) -> int:
    if bool(options.names) == options.all:
        raise argparse.ArgumentTypeError("run takes either names of assignments or --all")
    names = assignments.names() if options.all else _years(options.names, options.year)
    began = time.monotonic()
    found = _done(options, names, study=f"run {datetime.now().isoformat()} {os.getpid()}")
    store = Store(options.out / "trials")
    page = runner.write(options.out, found, store, time.monotonic() - began)
    _print(found)
    print(f"report, figures and tables: {page}")
    return 0


def _search(options: argparse.Namespace) -> int:
    found = _done(options, [options.name], study=options.name)
    for line in report.rankings(found[0]):
        print(line)
    return 0


def _done(options: argparse.Namespace, names: Sequence[str], study: str) -> list[Results]:
    """The trials of these assignments, all of them done."""
    try:
        wanted = runner.plan(
            names, quick=options.quick, seeds=options.seeds, data_dir=options.data_dir
        )
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    store = Store(options.out / "trials")
    if not options.resume:
        runner.forget(wanted, store)
    for session in wanted:
        session.save(options.out)
    engine = partial(
        search.do,
        study=study,
        storage=options.storage or default_storage(options.out),
        store=store,
        jobs=options.jobs,
        data_dir=options.data_dir,
        heartbeat=options.heartbeat,
    )
    return runner.run(wanted, store, engine)


def _compare(options: argparse.Namespace) -> int:
    _print(_stored(options))
    return 0


def _report(options: argparse.Namespace) -> int:
    print(runner.write(options.out, _stored(options), Store(options.out / "trials"), None))
    return 0


def _stored(options: argparse.Namespace) -> list[Results]:
    store = Store(options.out / "trials")
    return [each.collect(store) for each in runner.sessions(options.out, options.names)]


def _worker(options: argparse.Namespace) -> int:
    done = search.work(
        storage=options.storage,
        store=Store(options.out / "trials"),
        data_dir=options.data_dir,
        study=options.study,
        idle=options.idle,
        heartbeat=options.heartbeat,
        position=options.position,
    )
    if options.position == 0:  # not among the bars of the command that started this
        print(f"{done} trials done", file=sys.stderr)
    return 0


def _print(found: Sequence[Results]) -> None:
    for each in found:
        comparisons = runner.compared(each)
        found_claims = claims.table(claims.judge(each, claims.read()))
        parts = (report.summary(each, comparisons), compare.table(comparisons), found_claims)
        tqdm.write("\n\n".join("\n".join(lines) for lines in parts if lines) + "\n")
        sys.stdout.flush()  # a log is to show each assignment when it is done


def _years(names: Sequence[str], year: int | None) -> list[str]:
    """The names with the year's protocol, where an assignment has one of its own."""
    if year is None:
        return list(names)
    return [f"{name}_{year}" for name in names]


def _whole(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} on; got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Callable[[argparse.Namespace], int], text: str) -> _Parser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(do=do)
        return added

    command("list", _list, "the assignments that there are")
    run = command("run", _run, "run assignments; figures, tables and a report")
    run.add_argument("names", nargs="*", metavar="NAME", help="assignments")
    run.add_argument("--all", action="store_true", help="all assignments")
    run.add_argument("--year", type=_whole, help="the protocol of that year: dd2424_a1 --year 2019")
    seek = command("search", _search, "do the trials of one assignment, and rank its searches")
    seek.add_argument("name", metavar="NAME")
    for each in (run, seek):
        _run_options(each)
        _common_options(each)
    for name, do, text in (
        ("compare", _compare, "print reported and own numbers of what was run"),
        ("report", _report, "write figures, tables and the report of what was run again"),
    ):
        shown = command(name, do, text)
        shown.add_argument("names", nargs="*", metavar="NAME", help="assignments; none: all")
        _out_options(shown)
    worker = command("worker", _worker, "do trials that wait in a storage, here or on another host")
    worker.add_argument("--storage", required=True, metavar="URL", help="an Optuna RDB storage")
    worker.add_argument("--study", help="only this study's trials")
    worker.add_argument(
        "--idle",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="leave when nothing has waited for so long; default: %(default)g",
    )
    worker.add_argument("--position", type=_whole, default=0, help=argparse.SUPPRESS)
    _common_options(worker)
    return parser


_Parser = argparse.ArgumentParser


def _run_options(parser: _Parser) -> None:
    parser.add_argument(
        "--seeds",
        type=partial(_whole, least=1),
        default=1,
        metavar="N",
        help="seeds a run; default: %(default)s",
    )
    parser.add_argument(
        "--jobs",
        type=_whole,
        default=1,
        metavar="N",
        help="worker processes, each with its share of the cores; 0: only workers "
        "that you start elsewhere; default: %(default)s",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="an Optuna RDB storage, postgresql+psycopg2://... for instance; "
        "default: SQLite in the folder of the results",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep the results that there are, and do only what is missing",
    )


def _common_options(parser: _Parser) -> None:
    parser.add_argument("--data-dir", type=Path, help="where the data sets lie; they must be there")
    parser.add_argument(
        "--heartbeat",
        type=partial(_whole, least=1),
        default=10,
        metavar="SECONDS",
        help="a worker that misses three is given up; default: %(default)s",
    )
    _out_options(parser)


def _out_options(parser: _Parser) -> None:
    parser.add_argument("--out", type=Path, help=f"default: {_OUT}, or {_OUT}/quick with --quick")
    parser.add_argument(
        "--quick", action="store_true", help="few rows and epochs: every figure in a minute"
    )


if __name__ == "__main__":
    sys.exit(main())
