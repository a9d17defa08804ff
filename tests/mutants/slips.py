"""The list of slips, slips.toml, and how a slip is put into a source.

A slip of Python is patched into its file, one at a time. All slips of C and Cython are compiled
into one build, where ``fastdl_slip``, read once from FASTDL_SLIP, chooses between a text and its
slip: a text that ends with a line break is whole statements, any other one is an expression.
"""

import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("slips.toml")
COMPILED = {".pyx", ".pxd", ".h", ".c"}
HEADER = """\
#ifndef FASTDL_SLIP_H
#define FASTDL_SLIP_H
#include <stdlib.h>
static int fastdl_slip;
__attribute__((constructor)) static void fastdl_read_slip(void)
{
    const char *number = getenv("FASTDL_SLIP");
    fastdl_slip = number ? atoi(number) : 0;
}
#endif
"""
EXTERN = '\ncdef extern from "_slip.h" nogil:\n    int fastdl_slip\n'


@dataclass(frozen=True)
class Slip:
    """A slip of the kind that a developer makes.

    Attributes
    ----------
    number : int
        Its place in the list, from 1.
    id : str
    file : str
        From the root of the repository.
    text : str
        What the file has exactly once.
    slip : str
        What stands there instead.
    test : str
        The pytest node that has to fail then.
    why : str
        Why somebody would make it.
    """

    number: int
    id: str
    file: str
    text: str
    slip: str
    test: str
    why: str

    @property
    def is_compiled(self) -> bool:
        """Whether it is chosen at run time."""
        return Path(self.file).suffix in COMPILED


def read() -> list[Slip]:
    """The list."""
    entries = tomllib.loads(LIST.read_text("utf-8"))["slip"]
    return [Slip(number=number, **entry) for number, entry in enumerate(entries, 1)]


def patched(source: str, slip: Slip) -> str:
    """A source with one slip in it."""
    find(source, slip)
    return source.replace(slip.text, slip.slip)


def find(source: str, slip: Slip) -> int:
    """Where the text lies, which must be there exactly once.

    Raises
    ------
    ValueError
        Where the list no longer fits the source.
    """
    if (times := source.count(slip.text)) != 1:
        raise ValueError(
            f"the text of {slip.id} must stand once in {slip.file}; found it {times} times"
        )
    return source.index(slip.text)


def instrumented(source: str, slips: Sequence[Slip]) -> str:
    """A source of C or Cython with all of its slips, to be chosen from at run time."""
    cython = Path(slips[0].file).suffix in {".pyx", ".pxd"}
    places: dict[tuple[int, str], list[Slip]] = {}
    for slip in slips:
        places.setdefault((find(source, slip), slip.text), []).append(slip)
    parts, at = [], 0
    for (start, text), alike in sorted(places.items()):
        if start < at:
            raise ValueError(f"{alike[0].id} must not overlap with another slip; it does")
        choose = _statements if text.endswith("\n") else _expression
        parts += [source[at:start], choose(text, alike, cython)]
        at = start + len(text)
    whole = "".join([*parts, source[at:]])
    return whole + EXTERN if cython else '#include "_slip.h"\n' + whole


def _expression(text: str, slips: Sequence[Slip], cython: bool) -> str:
    result = text
    for slip in slips:
        condition = f"fastdl_slip == {slip.number}"
        if cython:
            result = f"(({slip.slip}) if {condition} else ({result}))"
        else:
            result = f"({condition} ? ({slip.slip}) : ({result}))"
    return result


def _statements(text: str, slips: Sequence[Slip], cython: bool) -> str:
    indent = text[: len(text) - len(text.lstrip())]
    result, word = "", "if"
    for slip in slips:
        condition = f"fastdl_slip == {slip.number}"
        result += (
            f"{indent}{word} {condition}:\n" if cython else f"{indent}{word} ({condition}) {{\n"
        )
        result += _inner(slip.slip or (f"{indent}pass\n" if cython else ""))
        word = "elif" if cython else "} else if"
    result += f"{indent}else:\n" if cython else f"{indent}}} else {{\n"
    return result + _inner(text) + ("" if cython else f"{indent}}}\n")


def _inner(text: str) -> str:
    return textwrap.indent(text, "    ")
