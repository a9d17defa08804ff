"""What the commands do that train or show trials: they alone load Optuna and matplotlib."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from . import assignments, claims, compare, runner, screen, search
from .results import Results, Trial
from .spec import Assignment, Group
from .storage import default_storage
from .store import Store

_CLOCK = 0.05  # seconds by which a file's time may be behind the clock


def do_run(options: argparse.Namespace) -> int:
    """Run assignments; write figures, tables and a report."""
    if bool(options.names) == options.all:
        raise argparse.ArgumentTypeError("run takes either names of assignments or --all")
    if options.all and options.year:
        raise argparse.ArgumentTypeError("--year goes with names; --all has the years' protocols")
    names = assignments.names() if options.all else _of_year(options.names, options.year)
    began = time.monotonic()
    study = "all" if options.all else " ".join(Path(name).stem for name in names)
    found, said = _done(options, names, study=study)
    store = Store(options.out / "trials")
    path = runner.write(
        options.out, found, store, seconds=time.monotonic() - began, jobs=options.jobs
    )
    if options.verbose:
        _print(found)
    pages = [runner.page(options.out, each) for each in found]
    print("\n".join(screen.overview(pages, path, said, time.monotonic() - began)))
    return 0


def do_search(options: argparse.Namespace) -> int:
    """Do the trials of one assignment, and rank its searches."""
    if not any(isinstance(item, Group) for item in _get(options.name).items):
        raise argparse.ArgumentTypeError(f"{options.name} has no searches; use run")
    (found,), said = _done(options, [options.name], study=Path(options.name).stem)
    print("\n".join([*screen.rankings(found), *said]))
    print(
        f"results of the trials: {options.out / 'trials'}; run {options.name} --resume shows them"
    )
    return 0


def _get(given: str) -> Assignment:
    try:
        return assignments.get(assignments.named(given))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _done(
    options: argparse.Namespace, names: Sequence[str], study: str
) -> tuple[list[Results], list[str]]:
    """What there is of these assignments when all trials are done, and what to say of it."""
    try:
        wanted = runner.plan(
            names, quick=options.quick, seeds=options.seeds, data_dir=options.data_dir
        )
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    # What is there stays until its new result takes its place.
    since = 0.0 if options.resume else time.time() - _CLOCK
    store, everything = (Store(options.out / "trials", each) for each in (since, 0.0))
    shown, said = runner.keep(options.out, wanted, everything)
    runner.begin(options.out, shown)
    shared = search.Shared(
        storage=options.storage or default_storage(options.out),
        store=store,
        data_dir=options.data_dir,
        heartbeat=options.heartbeat,
    )

    def engine(trials: Sequence[Trial], done: int) -> None:
        search.do(trials, shared, study=study, jobs=options.jobs, done=done)

    done = runner.run(wanted, store, engine)
    more = [
        now if session == asked else session.collect(everything)
        for now, asked, session in zip(done, wanted, shown, strict=True)
    ]
    return more, said


def do_compare(options: argparse.Namespace) -> int:
    """Print reported and own numbers."""
    _print(_stored(options))
    return 0


def do_report(options: argparse.Namespace) -> int:
    """Write figures, tables and the report again."""
    print(runner.write(options.out, _stored(options), Store(options.out / "trials")))
    return 0


def _stored(options: argparse.Namespace) -> list[Results]:
    store = Store(options.out / "trials")
    return [each.collect(store) for each in runner.sessions(options.out, options.names)]


def do_worker(options: argparse.Namespace) -> int:
    """Do trials that wait in a storage."""
    shared = search.Shared(
        storage=options.storage,
        store=Store(options.out / "trials"),
        data_dir=options.data_dir,
        heartbeat=options.heartbeat,
    )
    done = search.work(
        shared,
        study=options.study,
        idle=options.idle,
        position=options.position,
        parent=options.parent,
    )
    if options.position == 0:  # not among the bars of the command that started this
        print(f"{done} trials done", file=sys.stderr)
    return 0


def _print(found: Sequence[Results]) -> None:
    for each in found:
        comparisons = runner.compared(each)
        found_claims = claims.table(claims.judge(each, claims.read()))
        parts = (screen.summary(each, comparisons), compare.table(comparisons), found_claims)
        tqdm.write("\n\n".join("\n".join(lines) for lines in parts if lines) + "\n")


def _of_year(names: Sequence[str], year: int | None) -> list[str]:
    """The names with the year's protocol."""
    if year is None:
        return list(names)
    for name in names:
        if f"{name}_{year}" not in assignments.names():
            known = [each.removeprefix(f"{name}_") for each in assignments.names()]
            years = [each for each in known if each.isdecimal()]
            rule = f"be {' or '.join(years)}" if years else "be left out"
            raise argparse.ArgumentTypeError(
                f"--year must {rule} with {name}, by the protocols that it has; got {year}"
            )
    return [f"{name}_{year}" for name in names]
