"""Where something lives that was looked for under another name."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn


def near(name: object, names: Iterable[str], least: float = 0.55) -> str:
    """``, did you mean 'loss'?`` where one of the names is close to this one, or nothing."""
    found = nearest(name, names, least) if isinstance(name, str) else None
    return "" if found is None else f", did you mean {found!r}?"


def nearest(name: str, names: Iterable[str], least: float = 0.55) -> str | None:
    """The name that is probably meant, if one is as near as that; 1 is the same."""
    import difflib  # here: whoever spells everything right need not wait for it

    by_lower = {each.lower(): each for each in names}
    lower = name.lower()
    found = [each for each in by_lower if len(lower) > 2 and each.startswith(lower)]
    found = found or difflib.get_close_matches(lower, by_lower, 1, cutoff=least)
    return by_lower[found[0]] if found else None


def table(names_of: Mapping[str, str]) -> dict[str, str]:
    """What to use by the name looked for, from the names, in one string, by what to use."""
    return {name: use for use, names in names_of.items() for name in names.split()}


class Hinted:
    """An object whose missing attributes tell where what was meant by them lives."""

    __slots__ = ()  # for those that have some

    def _elsewhere(self) -> Mapping[str, str]:
        """Names that other libraries use, with what to use here; setting them would do nothing."""
        return {}

    if not TYPE_CHECKING:  # a type checker is to go on refusing names that are not there

        def __getattr__(self, name: str) -> Any:
            kind = type(self)
            if name.startswith("_") or hasattr(kind, name):  # the latter: a property has failed
                return object.__getattribute__(self, name)
            # Named without its object, or Python would suggest a name a second time.
            raise AttributeError(f"{kind.__name__} has no {name}{self._hint(name)}", name=name)

        def __setattr__(self, name: str, value: object) -> None:
            kind = type(self)
            free = name.startswith("_") or hasattr(kind, name) or kind.__module__[:7] != "fastdl."
            if not free and (name in self._elsewhere() or not hasattr(self, "__dict__")):
                raise AttributeError(f"{kind.__name__} has no {name} to set{self._hint(name)}")
            object.__setattr__(self, name, value)

    def _hint(self, name: str) -> str:
        """The end of a sentence about a name that is not there."""
        use = self._elsewhere().get(name)
        if use is not None:
            return f"; use {use}"
        return near(name, [each for each in dir(self) if not each.startswith("_")])


if TYPE_CHECKING:
    maker = classmethod
else:

    class maker(classmethod):
        """A class method that makes an object; it is refused on one, which it would not change."""

        def __get__(self, one: object, kind: type | None = None) -> Callable[..., Any]:
            if one is None:
                return super().__get__(one, kind)
            return _refused_on(one, self.__func__)


def _refused_on(one: object, function: Callable[..., Any]) -> Callable[..., NoReturn]:
    @functools.wraps(function)
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        kind, name = type(one), function.__name__
        owner = f"fd.{kind.__name__}" if kind.__module__[:7] == "fastdl." else kind.__name__
        first = list(inspect.signature(function).parameters)[1]
        result = kind.__name__.lower().replace("network", "net")
        raise TypeError(
            f"{name} must be called on the class, for it makes another {kind.__name__}; got one, "
            f"which would stay as it is, use {result} = {owner}.{name}({first})"
        )

    return refuse
