"""The known mistakes, a line of ``mistakes.csv`` each: a name, what it changes, and words."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from .recipe import Recipe

MISTAKES = Path(__file__).with_name("mistakes.csv")
# The courses of the assignments that can be checked, as the file calls them, and the runs that
# have stored distributions.
COURSES = {
    "dd2424_a1": "a1", "dd2424_a1_2019": "a1-2019", "dd2424_a2": "a2", "hw2_batch_size": "hw2",
    "hw2_regularization": "hw2",
}  # fmt: skip
SETTINGS = {
    "dd2424_a1": (
        "lambda0_eta0.1", "lambda0_eta0.001", "lambda0.1_eta0.001", "lambda1_eta0.001"
    ),
    "dd2424_a1_2019": (
        "lambda0_eta0.1", "lambda0_eta0.01", "lambda0.1_eta0.01", "lambda1_eta0.01"
    ),
    "dd2424_a2": ("figure3", "figure4"),
    "hw2_batch_size": ("batch128", "batch1024"),
    "hw2_regularization": ("sweep_l2_l20.0005",),
}  # fmt: skip
_OF_PENALTY = (
    "penalty", "penalty_over_batch", "penalised", "cost without penalty", "cost with half",
    "loss is cost",
)  # fmt: skip


@dataclass(frozen=True)
class Mistake:
    """Something that goes wrong in a student's code.

    Attributes
    ----------
    name : str
        In tables and files.
    says : str
        What the code does, in words.
    changes : mapping of str to value
        Fields of the recipe, and what they are instead.
    wrong : bool
        False for code that does what is asked for, maybe in another way than ours.
    """

    name: str
    says: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    wrong: bool = True

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with this mistake."""
        return replace(recipe, **self.changes)

    def shows(self, recipe: Recipe) -> bool:
        """Whether it can change anything: what is done to a penalty of zero cannot."""
        about = {*self.changes, self.changes.get("reported")}
        return bool(recipe.l2) or not about & {*_OF_PENALTY}


RIGHT = Mistake("none", "code that does what the assignment asks for", wrong=False)


@cache
def read(course: str) -> tuple[Mistake, ...]:
    """The mistakes of a course, in the order of the file."""
    with MISTAKES.open(newline="", encoding="utf-8") as file:
        return tuple(
            Mistake(line["name"], line["says"], _changes(line["changes"]), line["wrong"] == "yes")
            for line in csv.DictReader(file)
            if course in line["of"].split()
        )


def _changes(text: str) -> dict[str, Any]:
    """What ``penalty = 1.0; reported = last batch`` says."""
    pairs = (part.split(" = ") for part in text.split("; "))
    return {name: _value(value) for name, value in pairs}


def of(assignment: str, recipe: Recipe) -> tuple[Mistake, ...]:
    """Correct code and then the mistakes that can show in a setting."""
    return (RIGHT, *(each for each in read(COURSES[assignment]) if each.shows(recipe)))


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value
