"""How often an answer is right: runs with seeds that no stored run has, and what is said of them.

python -m experiments.check.proof --make    trains what is not stored (minutes, on the real data)
python -m experiments.check.proof           docs/check.md again, from what is stored
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..data import load
from . import make, mistakes, report, stored
from .mistakes import RIGHT
from .ranking import Candidate, Number, grouped, rank, verdict
from .report import TOLD
from .stored import Runs, Setting

FOLDER = stored.FOLDER.with_name("held_out")
PAGE = Path(__file__).parents[2] / "docs" / "check.md"
# Seeds that are stored for answers begin at 0; runs from 1,000 on were looked at while tuning.
_FIRST_SEED = 2_000
_RIGHT, _WRONG = 5, 5  # runs of correct code, and mistakes with a run each, a setting


@dataclass(frozen=True)
class Case:
    """A run with a seed of its own, and what is said of it.

    Attributes
    ----------
    setting : Setting
    mistake : str
        The truth.
    by_curve, by_number : tuple of Candidate
        The likeliest first, by all its curves and by its test accuracy alone.
    """

    setting: Setting
    mistake: str
    by_curve: tuple[Candidate, ...]
    by_number: tuple[Candidate, ...]

    @property
    def where(self) -> str:
        """The setting in a table."""
        return f"{self.setting.assignment} {self.setting.run.name}"

    @property
    def truth(self) -> Candidate:
        """The truth, held against the curves."""
        return _candidate(self.by_curve, self.mistake)

    @property
    def answers(self) -> list[list[str]]:
        """What is answered by the curves: names that nothing tells apart are one answer."""
        return [[each.mistake.name for each in group] for group in grouped(self.by_curve)]

    @property
    def place(self) -> int:
        """Of the answer that has the truth, from 1 on."""
        return next(i for i, names in enumerate(self.answers, 1) if self.mistake in names)

    @property
    def place_by_name(self) -> int:
        """Of the truth alone, by likelihood, from 1 on; all ways of correct code are one."""
        names = [each.mistake.name if each.mistake.wrong else RIGHT.name for each in self.by_curve]
        truth = self.mistake if self.truth.mistake.wrong else RIGHT.name
        return 1 + list(dict.fromkeys(names)).index(truth)


def _candidate(candidates: Sequence[Candidate], name: str) -> Candidate:
    return next(each for each in candidates if each.mistake.name == name)


def settings() -> list[Setting]:
    """All of them."""
    return [each for name in mistakes.SETTINGS for each in stored.settings(name).values()]


def drawn(setting: Setting) -> list[str]:
    """The mistakes of a setting that are held out, by a draw of its own."""
    names = [each.name for each in setting.mistakes if each.wrong]
    name = f"{setting.assignment} {setting.run.name}"
    rng = np.random.default_rng([_FIRST_SEED, *name.encode()])
    return sorted(rng.choice(names, _WRONG, replace=False).tolist(), key=names.index)


def train(data_dir: Path | None) -> None:
    """Train the runs that are held out; those that are stored already are kept."""
    for setting in settings():
        if _held_out(setting).path.exists():
            continue
        memory = make.Inputs(load(setting.run.data, 0, data_dir))
        seeds = tuple(range(_FIRST_SEED, _FIRST_SEED + _RIGHT))
        found = {RIGHT.name: make.trace(setting.recipe, memory, seeds, choose=True)}
        for name in tqdm(drawn(setting), desc=setting.run.name):
            recipe = _of(setting, name).applied(setting.recipe)
            if recipe.training != setting.recipe:
                found[name] = make.trace(recipe.training, memory, seeds[:1])
        rows = {name: len(values) for name, values in memory.of(setting.recipe)[1].items()}
        stored.save(_held_out(setting), found, rows)


def _of(setting: Setting, name: str) -> mistakes.Mistake:
    return next(each for each in setting.mistakes if each.name == name)


def _held_out(setting: Setting) -> Setting:
    return replace(setting, folder=FOLDER)


def cases() -> list[Case]:
    """What is said of every run that is held out."""
    found = []
    for setting in settings():
        runs = stored.load(setting)
        traces, rows = stored.traces(_held_out(setting))
        for i in range(_RIGHT):
            found.append(
                _case(runs, RIGHT.name, report.told(traces[RIGHT.name], "all rows", rows), i)
            )
        for i, name in enumerate(drawn(setting)):
            recipe = _of(setting, name).applied(setting.recipe)
            own = name in traces
            told = report.told(traces[name if own else RIGHT.name], recipe.reported, rows)
            found.append(_case(runs, name, told, 0 if own else i))
    return found


def _case(runs: Runs, name: str, told: report.Columns, run: int) -> Case:
    numbers = [
        Number(column, float(told[column][run, point]), point)
        for column in TOLD
        for point in range(len(runs.epochs))
    ]
    accuracy = float(told["test_accuracy"][run, -1])
    alone = [Number("test_accuracy", round(accuracy, 3), rounding=0.0005)]
    return Case(runs.setting, name, tuple(rank(runs, numbers)), tuple(rank(runs, alone)))


# --- the page -------------------------------------------------------------------------------------


def shares(found: Sequence[Case]) -> dict[str, float]:
    """The shares that the page begins with."""
    wrong = [case for case in found if case.truth.mistake.wrong]
    right = [case for case in found if not case.truth.mistake.wrong]
    traced = [case for case in wrong if _leaves_a_trace(case)]

    def share(held: Sequence[float]) -> float:
        return float(np.mean(held))

    return {
        "first": share([case.place == 1 for case in found]),
        "among three": share([case.place <= 3 for case in found]),
        "names in an answer": share([len(case.answers[case.place - 1]) for case in found]),
        "names in an answer to a mistake": share(
            [len(case.answers[case.place - 1]) for case in traced]
        ),
        "first, by name": share([case.place_by_name == 1 for case in found]),
        "among three, by name": share([case.place_by_name <= 3 for case in found]),
        "first, by name, of traces": share([case.place_by_name == 1 for case in traced]),
        "among three, by name, of traces": share([case.place_by_name <= 3 for case in traced]),
        "named by the number": share(
            [_candidate(case.by_number, case.mistake).plausible for case in found]
        ),
        "size of the set": share([sum(each.plausible for each in c.by_number) for c in found]),
        "false alarms by the curve": share([verdict(case.by_curve) != "correct" for case in right]),
        "false alarms by the number": share(
            [verdict(case.by_number) != "correct" for case in right]
        ),
    }


def _leaves_a_trace(case: Case) -> bool:
    """Whether the stored runs of the mistake differ from those of correct code."""
    return RIGHT.name not in case.truth.twins


def page(found: Sequence[Case]) -> str:
    """The page, as Markdown."""
    given = shares(found)
    wrong = [case for case in found if case.truth.mistake.wrong]
    quiet = [case for case in wrong if not _leaves_a_trace(case)]
    missed = [case for case in found if case.place_by_name > 3]
    rows = [
        ("the curves: the first answer has the truth", given["first"], "80 %"),
        ("the curves: one of the first three answers has it", given["among three"], "95 %"),
        ("the test accuracy alone: the truth is in the set that is named",
         given["named by the number"], "95 %"),
        ("the curves: correct code is called a mistake", given["false alarms by the curve"],
         "at most 5 %"),
        ("the test accuracy alone: correct code is called a mistake",
         given["false alarms by the number"], "at most 5 %"),
        ("the curves, every name an answer of its own: the truth is first",
         given["first, by name"], ""),
        ("the same: it is among the first three", given["among three, by name"], ""),
        ("the same, of mistakes that leave a trace: first", given["first, by name, of traces"], ""),
        ("the same, of mistakes that leave a trace: among the first three",
         given["among three, by name, of traces"], ""),
    ]  # fmt: skip
    table = [f"| {what} | {share:.1%} | {asked} |" for what, share, asked in rows]
    n_settings = len({case.where for case in found})
    return f"""# How often `check` is right

{len(found)} runs with seeds that no stored run has, {len(found) - len(wrong)} of correct code and
{len(wrong)} with a mistake, drawn for each of {n_settings} settings. No choice was made by them.
`python -m experiments.check.proof` writes this page from the stored runs; with `--make` it trains
those that are not there first.

| by | share | asked for |
|---|---|---|
{_joined(table)}

Correct code that shuffles its rows and correct code that does not are one answer, and so are
mistakes that give the same numbers up to half of their noise; the answer names them all:
the answer with the truth has {given["names in an answer"]:.1f} names on average,
{given["names in an answer to a mistake"]:.1f} where a mistake leaves a trace. By one test accuracy
alone a set has {given["size of the set"]:.1f} names on average, correct code among them where it
gives the number too: a number near the right one says little.

Where every name is an answer of its own, the order within such a group is chance. Of the
{len(wrong)} runs with a mistake {len(quiet)} leave no trace: their curves are those of correct code
up to its noise, in that setting ({_listed(quiet)}).
Correct code stands first there, and beside it only two of all the mistakes without a trace can be
among the first three. Of the {len(missed)} runs whose truth is not among the first three names
{sum(case in quiet for case in missed)} are of this kind; the others are
{_listed([case for case in missed if case not in quiet])}.

## How an answer is found

Every mistake was trained over {_seeds(found, right=False)} seeds by a plain NumPy loop, correct
code over {_seeds(found, right=True)}, and the curves are stored. A number is held against the mean
and the spread of each of them by Student's t, losses by their logarithm. The spread of a few seeds
is held to be that of correct code in part, where that is larger, and on CIFAR-10 a quarter of a
point of accuracy and 0.05 % of a loss are added, for copies of the images differ. The points of a
curve hang together and count as one number, all curves as four at most. Beside the values count a
few facts that no seed changes: two columns that are the same, training accuracies that are shares
of one batch, a test accuracy that never falls. Correct code is given half of the likelihood before
any number is seen. A mistake is named as long as 1 % of its own runs are further off, so one whose
runs all end at 36.05 % is named for 35.9 % as well; correct code is called wrong where it is
further off than that, or where mistakes that fit have 98 % of the likelihood. In the table of a
class (`--csv`) the column `fit` is the share of correct code's runs that are further off than this
one, so 3e-05 is as good as none.

## What is taken for what, by the curves

First and among three: answers, as above. By name: the truth itself is first.

| the truth | runs | first | among three | first by name | taken for |
|---|---|---|---|---|---|
{_joined(_confusions(found))}

## How many answers one test accuracy leaves

| setting | of correct code | of a mistake |
|---|---|---|
{_joined(_sizes(found))}
"""


def _seeds(found: Sequence[Case], *, right: bool) -> str:
    """How many seeds a setting has of each mistake, or of correct code."""
    counts = {
        len(told.curves["test_accuracy"])
        for setting in {case.where: case.setting for case in found}.values()
        for name, told in stored.load(setting).told.items()
        if (name == RIGHT.name) == right
    }
    return f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"


def _joined(rows: Sequence[str]) -> str:
    return "\n".join(rows)


def _listed(cases: Sequence[Case]) -> str:
    return ", ".join(sorted({case.mistake for case in cases})) or "none"


def _confusions(found: Sequence[Case]) -> list[str]:
    rows = []
    for name in dict.fromkeys(case.mistake for case in found):
        own = [case for case in found if case.mistake == name]
        others = Counter(
            f"{case.by_curve[0].mistake.name} ({case.where})"
            for case in own
            if case.place_by_name > 1
        )
        taken = ", ".join(f"{other} {n}" if n > 1 else other for other, n in others.items())
        counts = [
            len(own),
            sum(case.place == 1 for case in own),
            sum(case.place <= 3 for case in own),
            sum(case.place_by_name == 1 for case in own),
        ]
        rows.append(f"| {name} | {' | '.join(map(str, counts))} | {taken} |")
    return rows


def _sizes(found: Sequence[Case]) -> list[str]:
    rows = []
    for setting in dict.fromkeys(case.where for case in found):
        sizes = [
            np.mean(
                [
                    sum(each.plausible for each in case.by_number)
                    for case in found
                    if case.where == setting and case.truth.mistake.wrong == wrong
                ]
            )
            for wrong in (False, True)
        ]
        rows.append(f"| {setting} | {sizes[0]:.1f} | {sizes[1]:.1f} |")
    return rows


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", action="store_true", help="train the runs that are held out")
    parser.add_argument("--data-dir", type=Path, help="where the data lie")
    options = parser.parse_args()
    if options.make:
        train(options.data_dir)
    PAGE.write_text(page(cases()), "utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
