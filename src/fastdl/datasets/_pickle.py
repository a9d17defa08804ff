"""Read the one kind of pickle that CIFAR-10 is published in, without unpickling.

An interpreter of the opcodes that Python 2 wrote for a dict of strings, lists and one uint8 array.
It imports nothing and calls nothing: the three names that such a file refers to stand for inert
tokens, and any other name or opcode is an error. What it allocates is bounded by ``most_opcodes``;
long strings are views of the file.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastdl.datasets._errors import DatasetError


class _Token:
    """Stands for an importable name, and for the dtype that is made out of one."""


_RECONSTRUCT, _NDARRAY, _DTYPE, _UINT8 = _Token(), _Token(), _Token(), _Token()

_NAMES = {
    b"numpy.core.multiarray\n_reconstruct\n": _RECONSTRUCT,
    b"numpy._core.multiarray\n_reconstruct\n": _RECONSTRUCT,
    b"numpy\nndarray\n": _NDARRAY,
    b"numpy\ndtype\n": _DTYPE,
}
_LONGEST_NAME = max(map(len, _NAMES))


class _Array:
    """An array between its making (REDUCE) and its filling (BUILD)."""

    value: NDArray[np.uint8] | None = None


def load(data: memoryview, most_opcodes: int) -> object:
    """Return what the pickle holds: dict, list, tuple, int, bytes, None, bool and uint8 arrays.

    Strings come as bytes up to 255 bytes, as views of ``data`` beyond; so do the pixels of arrays.

    Raises
    ------
    DatasetError
        If the file needs anything else, ends early, or has more than ``most_opcodes`` opcodes.
    """
    machine = _Machine(data)
    for _ in range(most_opcodes):
        opcode = machine.take(1)[0]
        if opcode == ord("."):
            return _finish(machine.pop())
        action = _ACTIONS.get(opcode)
        if action is None:
            raise DatasetError(f"its pickle uses opcode {bytes([opcode])!r}, which is not allowed")
        action(machine)
    raise DatasetError(f"its pickle has more than {most_opcodes:,} opcodes")


def _finish(value: object) -> object:
    """Put the arrays in the place of what was built to hold them."""
    if isinstance(value, dict):
        return {key: v.value if isinstance(v, _Array) else v for key, v in value.items()}
    return value


class _Machine:
    """The stack, the marks and the memo of the pickle protocol."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def take(self, n: int) -> memoryview:
        """Return the next n bytes of the file."""
        if not 0 <= n <= len(self._data) - self._at:
            raise DatasetError("its pickle ends early")
        self._at += n
        return self._data[self._at - n : self._at]

    def number(self, n: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(n), "little", signed=signed)

    def protocol(self) -> None:
        """Pass over the number of the protocol: which opcodes may follow is settled here."""
        self.take(1)

    def push(self, value: object) -> None:
        self._stack.append(value)

    def pop(self) -> object:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise DatasetError("its pickle takes more from the stack than there is")
        return self._stack.pop()

    def pop_many(self, n: int) -> tuple[object, ...]:
        return tuple(self.pop() for _ in range(n))[::-1]

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def pop_mark(self) -> list[object]:
        if not self._marks:
            raise DatasetError("its pickle has no mark where it needs one")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def put(self, index: int) -> None:
        value = self.pop()
        self._memo[index] = value
        self.push(value)

    def get(self, index: int) -> None:
        if index not in self._memo:
            raise DatasetError("its pickle refers to something that it never stored")
        self.push(self._memo[index])

    def name(self) -> None:
        """Push the token of a name: two lines of text."""
        ahead = bytes(self._data[self._at : self._at + _LONGEST_NAME])
        for name, token in _NAMES.items():
            if ahead.startswith(name):
                self.take(len(name))
                self.push(token)
                return
        raise DatasetError(f"its pickle refers to {ahead!r}, which is not allowed")

    def reduce(self) -> None:
        """Make an empty array, or the uint8 dtype; nothing else can be called."""
        function, arguments = self.pop_many(2)
        if function is _RECONSTRUCT and arguments == (_NDARRAY, (0,), b"b"):
            self.push(_Array())
        elif function is _DTYPE and arguments == (b"u1", 0, 1):
            self.push(_UINT8)
        else:
            raise DatasetError("its pickle calls something other than a uint8 array")

    def build(self) -> None:
        """Fill an array; the state of the uint8 dtype is always the same, so it is dropped."""
        target, state = self.pop_many(2)
        self.push(target)
        if isinstance(target, _Array) and target.value is None:
            target.value = _array(state)
        elif target is not _UINT8:
            raise DatasetError("its pickle fills something other than a uint8 array")

    def append_all(self) -> None:
        items = self.pop_mark()
        target = self.pop()
        if not isinstance(target, list):
            raise DatasetError("its pickle appends to something other than a list")
        target += items
        self.push(target)

    def set_all(self) -> None:
        items = self.pop_mark()
        target = self.pop()
        keys = items[::2]
        if not isinstance(target, dict) or len(items) % 2:
            raise DatasetError("its pickle stores items in something other than a dict")
        if not all(isinstance(key, bytes) for key in keys):
            raise DatasetError("its pickle has a dict with keys other than strings")
        target.update(zip(keys, items[1::2], strict=True))
        self.push(target)


def _array(state: object) -> NDArray[np.uint8]:
    """Return the array that NumPy's pickled state describes, as a view of its bytes."""
    match state:
        case (1, (int() as n, int() as d), dtype, bool() as fortran, memoryview() as data):
            if dtype is _UINT8 and n > 0 and d > 0 and n * d == len(data):
                flat: NDArray[np.uint8] = np.frombuffer(data, np.uint8)
                return flat.reshape((n, d), order="F" if fortran else "C")
    raise DatasetError("its pickle holds an array that is not a matrix of uint8")


_ACTIONS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine.protocol,
    ord("("): _Machine.mark,
    ord("}"): lambda m: m.push({}),
    ord("]"): lambda m: m.push([]),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.number(1)),
    ord("M"): lambda m: m.push(m.number(2)),
    ord("J"): lambda m: m.push(m.number(4, signed=True)),
    ord("U"): lambda m: m.push(bytes(m.take(m.number(1)))),
    ord("T"): lambda m: m.push(m.take(m.number(4, signed=True))),
    ord(")"): lambda m: m.push(()),
    0x85: lambda m: m.push(m.pop_many(1)),
    0x86: lambda m: m.push(m.pop_many(2)),
    0x87: lambda m: m.push(m.pop_many(3)),
    ord("t"): lambda m: m.push(tuple(m.pop_mark())),
    ord("q"): lambda m: m.put(m.number(1)),
    ord("r"): lambda m: m.put(m.number(4)),
    ord("h"): lambda m: m.get(m.number(1)),
    ord("j"): lambda m: m.get(m.number(4)),
    ord("c"): _Machine.name,
    ord("R"): _Machine.reduce,
    ord("b"): _Machine.build,
    ord("e"): _Machine.append_all,
    ord("u"): _Machine.set_all,
}
