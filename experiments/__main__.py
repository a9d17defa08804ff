"""The command line: ``python -m experiments list`` and ``python -m experiments run NAME...``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

import fastdl as fd
from experiments import assignments, runner
from experiments.report import Report


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Parameters
    ----------
    arguments : sequence of str, optional
        None: those of the process.

    Returns
    -------
    int
        0; 1 where data are damaged, a fit diverges or a file cannot be written; 130 after Ctrl-C.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "list":
        for name in assignments.names():
            print(f"{name:24} {assignments.get(name).title}")
        return 0
    if bool(options.names) == options.all:
        parser.error("run takes either names of assignments or --all")
    names = assignments.names() if options.all else options.names
    try:
        specs = {name: assignments.get(name) for name in names}
    except ValueError as error:
        parser.error(str(error))
    if options.quick:
        specs = {name: spec.quick() for name, spec in specs.items()}
    try:
        for name, spec in specs.items():
            # A quick look never takes the place of results that took longer.
            folder = options.out / (f"{name}_quick" if options.quick else name)
            report = Report(folder, name, spec, seed=options.seed, say=_say)
            _run(report, options.data_dir)
    except KeyboardInterrupt as stop:
        what = str(stop) or "interrupted"
        print(f"{what}; the runs that were finished are in {options.out}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (fd.DivergenceError, fd.datasets.DatasetError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(report: Report, data_dir: Path | None) -> None:
    spec = report.assignment
    results = runner.run(spec, seed=report.seed, data_dir=data_dir)
    with tqdm(total=len(spec.runs), desc=report.name, unit="run", disable=None) as bar:
        for result in results:
            report.add(result)
            bar.update()
    report.close()


def _say(line: str) -> None:
    tqdm.write(line)
    sys.stdout.flush()  # a log is to show each run when it ends


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on; got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the assignments that there are")
    run = commands.add_parser("run", help="run assignments and write figures and tables")
    run.add_argument("names", nargs="*", metavar="NAME", help="assignments")
    run.add_argument("--all", action="store_true", help="all assignments")
    run.add_argument("--data-dir", type=Path, help="where CIFAR-10 lies; it must be there")
    run.add_argument("--out", type=Path, default=Path("results"), help="default: %(default)s")
    run.add_argument("--seed", type=_seed, default=0, help="default: %(default)s")
    run.add_argument("--quick", action="store_true", help="few rows and epochs: a look in seconds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
