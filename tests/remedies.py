"""Follows what a refusal says, as a user would who knows nothing else: the second try must succeed.

The words of a sentence that tell what to do, in the order in which they are looked for:

- ``use CODE``: an expression in the place of the argument, ``name=value`` for another argument, or
  an assignment; the longest beginning of the words after it that Python can read;
- ``did you mean 'NAME'``: that name;
- ``keep the rows of MASK``: of all arrays that were given;
- else the rule: ``must be one of A, B``, ``must lie in [a, b)``, ``must be an integer`` and so on.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

import fastdl as fd

_RULES = (  # what a rule asks for, and something that meets it
    (r"must be an integer|must be integers", 1),
    (r"must be a number|must be finite and", 0.5),
    (r"must be True or False", True),
    (r"must be float32 or float64", "float32"),
    (r"must be a string or a PathLike", "PATH"),
    (r"must be a Network", "NETWORK"),
    (r"must be callable", print),
)


def follow(message: str, name: str, given: dict[str, Any], **known: Any) -> dict[str, Any]:
    """The arguments of the second try.

    Parameters
    ----------
    message : str
        Of the refusal.
    name : str
        The argument that was refused.
    given : dict
        The arguments of the first try.
    **known
        What else a user has at hand: ``network``, ``path``, ``x``.

    Raises
    ------
    AssertionError
        Where the sentence tells nothing that could be done.
    """
    pair = [given.get("validation[0]"), given.get("validation[1]")]
    names = {"np": np, "fd": fd, "validation": pair, **known, **given}
    for words in re.findall(r"\buse (.+)", message):
        if (followed := _code(words, name, given, names)) is not None:
            return followed
    if found := re.search(r"did you mean '([^']+)'", message):
        return given | {name: found[1]}
    if found := re.search(r"keep the rows of (.+)", message):
        mask = eval(next(text for text in _beginnings(found[1]) if _read(text, "eval")), names)
        return {
            key: np.asarray(value)[mask] if np.shape(value)[:1] == mask.shape else value
            for key, value in given.items()
        }
    return given | {name: _by_rule(message, known)}


def _code(
    words: str, name: str, given: dict[str, Any], names: dict[str, Any]
) -> dict[str, Any] | None:
    """What the code at the beginning of some words makes of the arguments."""
    for text in _beginnings(words):
        if keyword := _read(f"f({text})", "eval"):
            arguments = keyword.body.keywords
            if arguments and not keyword.body.args:
                return given | {one.arg: eval(ast.unparse(one.value), names) for one in arguments}
        if _read(text, "eval"):
            return given | {name: eval(text, names)}
        if _read(text, "exec"):
            exec(text, names)
            return {key: names[key] for key in given}
    return None


def _beginnings(words: str) -> Iterator[str]:
    """Words up to where a phrase may end, the longest first."""
    for end in sorted({len(words), *(m.start() for m in re.finditer(r"[ ,;?:]", words))})[::-1]:
        yield words[:end].rstrip(",;?: ")


def _read(text: str, mode: str) -> Any:
    try:
        return ast.parse(text, mode=mode)
    except SyntaxError:
        return None


def _by_rule(message: str, known: dict[str, Any]) -> Any:
    """Something that meets the rule."""
    if found := re.search(r"must be one of ([^,;]+)", message):
        return found[1]
    if found := re.search(r"must (?:be finite and )?lie in ([\[(])(\S+), (\S+?)([\])])", message):
        low, high = float(found[2]), float(found[3])
        if found[1] == "[" and np.isfinite(low):
            return int(low) if low == int(low) else low
        if np.isfinite(low):
            return low + min(1.0, high - low) / 2
        return min(high, 1.0) / 2 if np.isfinite(high) else 0.5
    for pattern, value in _RULES:
        if re.search(pattern, message):
            return known.get(value.lower(), value) if isinstance(value, str) else value
    raise AssertionError(f"nothing to follow in: {message}")
