"""What was found, in five sentences."""

from collections import Counter
from collections.abc import Iterable, Sequence

from . import claims
from .page import Page, stand_ins, verdicts
from .results import RunResult
from .spec import Training
from .tables import alone, shown
from .verdicts import Verdict

_NAMES = {"cifar10": "CIFAR-10", "mnist": "MNIST"}
_RIGHT = (Verdict.REPRODUCED, Verdict.MISLABELLED)
_OUT = (Verdict.EXPLAINED, Verdict.OUTSIDE)
_UNCLEAR = (Verdict.ONE_SEED, Verdict.TWO_SEEDS)
_CLAIMED = {
    "holds": ("holds", "hold"),
    "opposite": ("is the other way round", "are the other way round"),
    "none": ("is within the noise", "are within the noise"),
}


def sentences(pages: Sequence[Page]) -> list[str]:
    """What was run, what agrees, what does not, what of the claims holds, and what was reached."""
    return [_run(pages), _agrees(pages), _differs(pages), _claimed(pages), _reached(pages)]


def names(sources: Iterable[str]) -> str:
    """Data sets as people call them."""
    return " and ".join(_NAMES.get(source, source) for source in sources)


def _run(pages: Sequence[Page]) -> str:
    trials = {o.key for page in pages for o in page.results.outcomes}
    most = max((page.results.most_seeds for page in pages), default=0)
    seeds = "one seed each" if most <= 1 else f"up to {most} seeds each"
    made_up = names(stand_ins(pages))
    data = f"images that stand in for {made_up}" if made_up else "the real data"
    was = "was" if len(pages) == 1 else "were"
    what = f"{_count(len(pages), 'assignment')} {was} run again on {data}"
    return f"{what}: {_count(len(trials), 'trial')}, {seeds}."


def _agrees(pages: Sequence[Page]) -> str:
    counts = verdicts([each for page in pages for each in page.comparisons])
    n = sum(counts.get(each, 0) for each in (*_RIGHT, *_OUT, Verdict.WRONG))
    right = sum(counts.get(each, 0) for each in _RIGHT)
    if stand_ins(pages):
        left = counts.get(Verdict.NOT_JUDGED, 0)
        return (
            f"{right} of {n} numbers that may be judged on any rows, those of gradient checks "
            f"among them, are as reported; {left} {'needs' if left == 1 else 'need'} the real data."
        )
    renamed = counts.get(Verdict.MISLABELLED, 0)
    return (
        f"Of {n} reported numbers that can be judged {right} come out again, {renamed} of which "
        "belong to another quantity than the report names."
    )


def _differs(pages: Sequence[Page]) -> str:
    found = [each for page in pages for each in page.comparisons]
    wrong = sum(each.verdict == Verdict.WRONG for each in found)
    out = list(dict.fromkeys(each.row.id for each in found if each.verdict in _OUT))
    unclear = sum(each.verdict in _UNCLEAR for each in found)
    said = f"{_count(wrong, 'number')} {'is' if wrong == 1 else 'are'} judged wrong in the report, "
    are = "is" if len(out) == 1 else "are"
    said += f"outside our noise {are} {', '.join(out)}" if out else "none is outside our noise"
    return said + (f"; of {unclear} too few seeds cannot tell." if unclear else ".")


def _claimed(pages: Sequence[Page]) -> str:
    every = claims.read()
    judged = [each for page in pages for each in claims.judge(page.results, every)]
    counts: Counter[str] = Counter(each.outcome for each in judged)
    parts = [
        f"{counts[outcome]} {one if counts[outcome] == 1 else many}"
        for outcome, (one, many) in _CLAIMED.items()
        if counts[outcome]
    ]
    if not parts:
        return "No claim about a difference can be judged here."
    n = sum(counts[outcome] for outcome in _CLAIMED)
    return f"Of {_count(n, 'claim')} about a difference {', '.join(parts)}."


def _reached(pages: Iterable[Page]) -> str:
    """The best accuracies on test rows, by data set and depth."""
    best: dict[tuple[str, bool], RunResult] = {}
    for page in pages:
        for run in alone(page.results):
            mean, source = run.mean("test_accuracy"), run.run.data.source
            if mean is None or source is None or not isinstance(run.run, Training):
                continue
            at = (source, len(run.run.model.widths) > 2)
            known = best.get(at)
            if known is None or mean > (known.mean("test_accuracy") or 0.0):
                best[at] = run
    parts = [
        f"{'hidden layers' if hidden else 'a linear layer'} on {names([source])} "
        + shown("test_accuracy", run.mean("test_accuracy"), run.sd("test_accuracy"))
        for (source, hidden), run in sorted(best.items())
    ]
    return f"The best on test rows: {', '.join(parts)}." if parts else "No accuracy was measured."


def _count(n: int, name: str) -> str:
    return f"{n:,} {name}{'s' * (n != 1)}"
