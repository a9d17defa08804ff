"""An assignment: runs and groups of runs, and the figures of them."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

from .figures import Figure
from .groups import Group
from .runs import Run

Item = Run | Group


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """An assignment; its name is that of its module in ``experiments/assignments``.

    Attributes
    ----------
    title : str
    asked : str
        What the assignment asks for, in some sentences.
    items : tuple of Run or Group
        A group that goes by another one comes after it.
    figures : tuple of Figure
    """

    title: str
    asked: str
    items: tuple[Item, ...]
    figures: tuple[Figure, ...]

    def __post_init__(self) -> None:
        names = [item.name for item in self.items]
        unknown = {name for figure in self.figures for name in figure.of} - set(names)
        if unknown:
            raise ValueError(
                f"figures must be of items, {', '.join(names)}; got {', '.join(sorted(unknown))}"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"items must have names of their own; got {', '.join(names)}")

    def quick(self) -> Self:
        """The same assignment with its long runs and its searches cut."""
        return replace(self, items=tuple(item.quick() for item in self.items))

    def on_stand_in(self, sources: Collection[str]) -> Self:
        """The same assignment with made-up rows for these data sets."""
        return replace(self, items=tuple(item.on_stand_in(sources) for item in self.items))

    @property
    def sources(self) -> frozenset[str]:
        """The data sets that it needs."""
        sources = (item.data.source for item in self.items)
        return frozenset(source for source in sources if source is not None)
