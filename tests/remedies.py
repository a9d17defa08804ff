"""Follows what a refusal says, as a user would who knows nothing else: the second try must succeed.

The words of a sentence that tell what to do, in the order in which they are looked for:

- ``use CODE``: an expression in the place of the argument, ``name=value`` for another argument, or
  an assignment; the longest beginning of the words after it that Python can read;
- ``did you mean 'NAME'``: that name;
- ``keep the rows of MASK``: of all arrays that were given;
- else the rule: ``must be one of A, B``, ``must lie in [a, b)``, ``must be an integer`` and so on.

A sentence about ``NAME[i]``, ``KEY of NAME[i]`` or ``a key of NAME`` is followed in that place.
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
    if path := _path(message, given):
        item = given
        for key in path:
            item = item[key]
        changed = _follow(message, _ITEM, given | {_ITEM: item}, known)
        return _replaced(_without(changed), path, changed[_ITEM])
    if found := re.match(r"a key of (\w+) must", message):
        whole = given[found[1]]
        key = next(key for key in whole if f"got {key!r}" in message)
        changed = _follow(message, _ITEM, given | {_ITEM: key}, known)
        renamed = {changed[_ITEM] if each is key else each: whole[each] for each in whole}
        return _without(changed) | {found[1]: renamed}
    return _follow(message, name, given, known)


def instead(message: str, **known: Any) -> Any:
    """What the code gives that a sentence tells to use in the place of a whole call."""
    return _follow(message, _ITEM, {_ITEM: None}, known)[_ITEM]


_ITEM = "the item"  # of an argument that holds several, a name that no argument has


def _path(message: str, given: dict[str, Any]) -> list[Any]:
    """Where in the arguments the item lies that a sentence is about; nothing for a whole one."""
    found = re.match(r"(?:(\w+) of )?((\w+)\[([^\]]+)\]) must", message)
    if not found or found[2] in given or found[3] not in given:
        return []
    return [found[3], ast.literal_eval(found[4]), *([found[1]] if found[1] else [])]


def _replaced(whole: Any, path: list[Any], item: Any) -> Any:
    """A copy with another item at a place."""
    if not path:
        return item
    key, kind = path[0], type(whole)
    copy = list(whole) if kind is tuple else whole.copy()
    inner = copy.get(key) if isinstance(copy, dict) else copy[key]
    copy[key] = _replaced(inner, path[1:], item)
    return kind(copy) if kind is tuple else copy


def _without(changed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changed.items() if name != _ITEM}


def _follow(
    message: str, name: str, given: dict[str, Any], known: dict[str, Any]
) -> dict[str, Any]:
    pair = [given.get("validation[0]"), given.get("validation[1]")]
    names = {"np": np, "fd": fd, "validation": pair, **known, **given}
    for words in re.findall(r"\buse (.+)", message):
        if (followed := _code(words, name, given, names)) is not None:
            return followed
    if found := re.search(r"did you mean '([^']+)'", message):
        return given | {name: found[1]}
    if found := re.search(r"keep the rows of (.+)", message):
        code = next(text for text in _beginnings(found[1]) if _read(text, "eval"))
        mask = np.asarray(eval(code, names), bool)
        return {key: _kept(value, mask) for key, value in given.items()}
    return given | {name: _by_rule(message, known)}


def _kept(value: Any, mask: Any) -> Any:
    """The rows of a mask, of whatever has so many."""
    if isinstance(value, tuple):
        return tuple(_kept(item, mask) for item in value)
    return np.asarray(value)[mask] if np.shape(value)[:1] == mask.shape else value


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
    ends = {len(words), *(found.start() for found in re.finditer(r"[ ,;?:]", words))}
    for end in sorted(ends)[::-1]:
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
    if found := re.search(
        r"must (?:be finite and lie|lie|be an integer) in ([\[(])(\S+), (\S+?)([\])])", message
    ):
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
