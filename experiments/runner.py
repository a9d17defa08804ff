"""Does the trials of assignments stage by stage, and writes what they have given."""

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import assignments, claims, compare, data, folder, report, reported, results
from .compare import Comparison
from .meant import meant
from .page import Page
from .results import FEW, Results, Trial
from .spec import Assignment, Training
from .store import ResultError, Store, whole

_SESSION = "session.json"
Engine = Callable[[Sequence[Trial], int], None]


class SessionError(ResultError, ValueError):
    """Results that are asked for and are not there."""


@dataclass(frozen=True)
class Session:
    """How an assignment is run; what ``compare`` and ``report`` need to find its results again.

    Attributes
    ----------
    name : str
        Of the assignment.
    quick : bool
    seeds : int or None
        See ``Results``.
    stand_in : tuple of str
        The data sets that stand-ins take the place of.
    file : str
        Of an assignment of one's own; empty where it is the project's.
    """

    name: str
    quick: bool
    seeds: int | None
    stand_in: tuple[str, ...]
    file: str = ""

    @property
    def most_seeds(self) -> int:
        """Of any of its runs."""
        return FEW if self.seeds is None else self.seeds

    @property
    def way(self) -> str:
        """How it is run, in words."""
        stand_ins = f"stand-ins for {', '.join(self.stand_in)}" if self.stand_in else "real data"
        return f"a quick look, {stand_ins}" if self.quick else f"in full, {stand_ins}"

    @property
    def assignment(self) -> Assignment:
        """The assignment as it is run."""
        spec = assignments.get(self.name)
        spec = spec.quick() if self.quick else spec
        return spec.on_stand_in(frozenset(self.stand_in))

    def collect(self, store: Store) -> Results:
        """What is stored of it."""
        return results.collect(self.name, self.assignment, self.seeds, store)

    def save(self, out: Path) -> None:
        """Write it into the folder of the assignment."""
        path = out / self.name / _SESSION
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")


def sessions(out: Path, names: Iterable[str] = ()) -> list[Session]:
    """Those that a folder of results holds.

    Parameters
    ----------
    out : Path
    names : iterable of str
        Only these; none: all.

    Raises
    ------
    SessionError
        If one that was named is not there, or none is.
    """
    found = _stored(out)
    wanted = [Path(name).stem if name.endswith(".py") else name for name in names] or list(found)
    for name in wanted or ["an assignment"]:
        if name not in found:
            near = meant(name, found)
            raise SessionError(
                f"{out} must hold results of {name}; got none{near or ', run it first'}"
            )
    return [found[name] for name in wanted]


def _stored(out: Path) -> dict[str, Session]:
    """By name, in the order of the assignments; those of one's own come last."""
    known = assignments.names()
    paths = {path.parent.name: path for path in sorted(out.glob(f"*/{_SESSION}"))}
    found = {}
    for name in [*known, *(name for name in paths if name not in known)]:
        if name in paths:
            found[name] = _session(paths[name])
            _take_in(found[name], paths[name].parent)
    return found


def _session(path: Path) -> Session:
    try:
        kept = json.loads(path.read_text("utf-8"))
        return Session(**{**kept, "stand_in": tuple(kept["stand_in"])})
    except (ValueError, TypeError, KeyError) as error:
        raise SessionError(
            f"{path} must be as run has written it; it is damaged ({error}): remove {path.parent} "
            "and run again with --resume"
        ) from error


def _take_in(session: Session, folder: Path) -> None:
    """Have the file of an assignment of one's own at hand."""
    try:
        if session.file and not assignments.there(session.name):
            assignments.named(session.file)
    except ValueError as error:
        raise SessionError(
            f"{error}; mend that, or remove {folder} to leave its results out of the report"
        ) from error


def plan(
    names: Sequence[str], *, quick: bool, seeds: int | None, data_dir: Path | None
) -> list[Session]:
    """How these assignments are to be run on the data at hand.

    Parameters
    ----------
    names : sequence of str
        Or paths of files.
    quick : bool
    seeds : int or None
        See ``Session``.
    data_dir : Path or None
        See ``data.load``.

    Raises
    ------
    ValueError
        If an assignment does not exist, or answers an id that no report has.
    fd.datasets.DatasetError
        If data are damaged, or missing from a ``data_dir`` that was given.
    """
    specs = {name: assignments.get(name) for name in map(assignments.named, names)}
    for name, spec in specs.items():
        known = {row.id for row in reported.of(name)}
        if wrong := {id for item in spec.items for id in item.answers} - known:
            raise ValueError(
                f"answers of {name} must be ids of reported.csv or {name}.csv; "
                f"got {', '.join(sorted(wrong))}"
            )
    sources = {name: spec.sources for name, spec in specs.items()}
    absent = data.missing(frozenset().union(*sources.values()), data_dir)
    project = assignments.names()
    return [
        Session(name, quick, seeds, tuple(sorted(wanted & absent)),
                "" if name in project else str(assignments.file(name)))
        for name, wanted in sources.items()
    ]  # fmt: skip


def run(wanted: Sequence[Session], store: Store, engine: Engine) -> list[Results]:
    """Do all trials that are missing, stage by stage, until none is.

    Parameters
    ----------
    wanted : sequence of Session
    store : Store
    engine : callable
        Does trials and leaves their results in the store; told how many were done before.

    Raises
    ------
    RuntimeError
        If the engine leaves out a trial.
    """
    asked: set[str] = set()
    while True:
        found = [session.collect(store) for session in wanted]
        missing = {t.key: t for each in found for t in each.missing}
        if not missing:
            return found
        if left := asked & set(missing):
            trial = missing[left.pop()]
            raise RuntimeError(f"every trial must have a result; {trial.run.name} has none")
        engine(sorted(missing.values(), key=_order), len(asked))
        asked |= set(missing)


def _order(trial: Trial) -> tuple[float, str, int]:
    """The longest first, so that none is left alone at the end; then as the data lie in memory."""
    cost = trial.run.cost if isinstance(trial.run, Training) else 0.0
    return -cost, repr(trial.run.data), trial.seed


def keep(out: Path, wanted: Sequence[Session], store: Store) -> tuple[list[Session], list[str]]:
    """These sessions with all the seeds that are stored, so that fewer do not shrink a report.

    Parameters
    ----------
    out : Path
    wanted : sequence of Session
    store : Store
        With all results, old ones too.

    Returns
    -------
    shown : list of Session
        What reports are to show of them.
    said : list of str
        Where that is not what was asked for, or not what was there before, a sentence.
    """
    stored, shown, said = _stored(out), [], []
    for now in wanted:
        before = replace(stored.get(now.name, now), file=now.file)
        if replace(before, seeds=now.seeds) != now:
            said.append(
                f"{now.name} was run another way before ({before.way}); the report now shows this "
                f"one ({now.way}), and the results of the other stay in {store.folder}"
            )
        elif _ranked(before) > _ranked(now):
            if before.collect(store).missing:
                said.append(
                    f"{now.name} has unfinished results of {before.most_seeds} seeds, which the "
                    f"report does not show; --seeds {before.most_seeds} --resume finishes them"
                )
            else:
                now = before
                said.append(
                    f"{now.name} is shown with all {before.most_seeds} seeds that are stored"
                )
        shown.append(now)
    return shown, said


def _ranked(session: Session) -> tuple[int, bool]:
    """More where there are more seeds."""
    return session.most_seeds, session.seeds is not None


def begin(out: Path, wanted: Sequence[Session]) -> None:
    """Note how these assignments are run, and drop figures of another way from their folders."""
    before = {path.parent.name: path.read_text("utf-8") for path in out.glob(f"*/{_SESSION}")}
    for session in wanted:
        session.save(out)
        if (out / session.name / _SESSION).read_text("utf-8") != before.get(session.name):
            folder.forget(out / session.name)


def compared(found: Results) -> list[Comparison]:
    """Every reported number that the assignment answers beside ours."""
    return compare.compare(found, reported.of(found.name))


def page(out: Path, found: Results) -> Page:
    """An assignment as reports show it."""
    return Page(out / found.name, found, compared(found))


def write(
    out: Path,
    found: Sequence[Results],
    store: Store,
    *,
    seconds: float | None = None,
    jobs: int = 1,
) -> Path:
    """Write the folders of these assignments, and two reports of all that ``out`` holds.

    Parameters
    ----------
    out : Path
    found : sequence of Results
    store : Store
        For the other assignments of the report.
    seconds : float or None
        What the command took, if that is known.
    jobs : int
        Processes that draw the figures.

    Returns
    -------
    Path
        Of the report in HTML; ``compare.md`` beside it has the numbers alone.
    """
    known = {each.name: each for each in found}
    pages = [
        page(out, known.get(session.name) or session.collect(store)) for session in sessions(out)
    ]
    _write_folders([each for each in pages if each.results.name in known], jobs)
    with whole(out / "compare.md") as path:
        path.write_text(markdown(pages), "utf-8")
    return report.html(out, pages, seconds)


def _write_folders(pages: Sequence[Page], jobs: int) -> None:
    """In processes of their own, the one with the most figures first: to draw takes long."""
    if min(jobs, len(pages)) <= 1:
        for each in pages:
            folder.write(each.folder, each.results, each.comparisons)
        return
    ordered = sorted(pages, key=lambda each: -len(each.results.assignment.figures))
    pool = ProcessPoolExecutor(
        min(jobs, len(pages)),
        mp_context=multiprocessing.get_context("spawn"),
        # Ctrl-C is for this process, which ends the others.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        tasks = [
            pool.submit(folder.write, each.folder, each.results, each.comparisons)
            for each in ordered
        ]
        for task in tasks:
            task.result()
    finally:
        pool.shutdown(cancel_futures=True)


def markdown(pages: Sequence[Page]) -> str:
    """Reported and own numbers of some assignments, and the claims, for a document."""
    sections = []
    for each in pages:
        results = each.results
        most = results.most_seeds
        seeds = "one seed" if most == 1 else f"up to {most} seeds"
        head = f"## {results.assignment.title}\n\n`{results.name}`, {seeds}."
        judged = claims.markdown(claims.judge(results, claims.read()))
        sections += [head, results.note, compare.markdown(each.comparisons), judged]
    return "\n\n".join(text.strip() for text in sections if text) + "\n"
