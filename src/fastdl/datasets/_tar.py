"""The members of a tar archive as a stream: allow-listed, of known sizes, regular, each once.

Nothing is ever extracted, and no header can make the reader allocate: the standard library's
tarfile would read a header extension of any size into memory, and obey what it says.
"""

import io
from collections.abc import Iterator, Mapping

import numpy as np

from fastdl.datasets._errors import DatasetError
from fastdl.datasets._files import expect_size, fill
from fastdl.datasets._types import Stream

_BLOCK = 512
_MOST_HEADERS = 100
_MOST_EXTENSION = 1 << 16
_MOST_PADDING = 1 << 20  # after the last member; GNU tar fills up to 10 kB, some writers more


class Member(io.RawIOBase):
    """The bytes of one member, no more."""

    def __init__(self, stream: Stream, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._left = size

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override]
        """Read what is left of the member into the buffer, as far as it reaches."""
        n = self._stream.readinto(buffer[: self._left])
        self._left -= n or 0
        return n

    def skip_rest(self) -> None:
        """Read on to the next header."""
        _skip(self._stream, self._left + -self.size % _BLOCK)
        self._left = 0


def members(stream: Stream, sizes: Mapping[str, tuple[int, int]]) -> Iterator[Member]:
    """Yield the members in turn; each is to be read before the next is asked for.

    ``sizes`` holds the least and the greatest size of every name that is allowed; a directory's
    name ends in a slash. Any other member, or one that comes twice, raises DatasetError.
    """
    unseen = dict(sizes)
    for _ in range(_MOST_HEADERS):
        header = _read(stream, _BLOCK)
        if not header.strip(b"\0"):
            _expect_padding(stream)
            return
        name, size, kind = _parse(header)
        member = Member(stream, name, size)
        if kind in b"xg":  # remarks on the next member, such as its exact date: not needed
            expect_size(size, 0, _MOST_EXTENSION)
        else:
            _admit(name, size, kind, unseen)
            yield member
        member.skip_rest()
    raise DatasetError(f"it has more than {_MOST_HEADERS} members")


def _admit(name: str, size: int, kind: bytes, unseen: dict[str, tuple[int, int]]) -> None:
    if name not in unseen:
        raise DatasetError(f"it holds a member {name[:100]!r} that is unknown or comes twice")
    if kind != (b"5" if name.endswith("/") else b"0"):
        raise DatasetError(f"its member {name!r} is not a regular file")
    expect_size(size, *unseen.pop(name))


def _parse(header: bytes) -> tuple[str, int, bytes]:
    """Return name, size and kind (a regular file is b"0")."""
    if header[257:262] != b"ustar" or _octal(header[148:156]) != (
        sum(header) - sum(header[148:156]) + 8 * ord(" ")
    ):
        raise DatasetError("it is not a tar archive, or one of its headers is damaged")
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0]
    full = b"/".join(part for part in (prefix, name) if part)
    kind = header[156:157].replace(b"\0", b"0")
    return full.decode("latin-1"), _octal(header[124:136]), kind


def _octal(field: bytes) -> int:
    digits = field.strip(b"\0 ")
    if not digits or digits.strip(b"01234567"):
        raise DatasetError("one of its headers holds a number that is not octal")
    return int(digits, 8)


def _read(stream: Stream, n: int) -> bytes:
    block = np.empty(n, np.uint8)
    fill(stream, block)
    return block.tobytes()


def _skip(stream: Stream, n: int) -> None:
    scratch = np.empty(min(n, 1 << 16), np.uint8)
    while n:
        step = min(n, scratch.size)
        fill(stream, scratch[:step])
        n -= step


def _expect_padding(stream: Stream) -> None:
    """Read to the end, so that the checksum of a gzip file is compared."""
    scratch = memoryview(bytearray(1 << 16))
    left = _MOST_PADDING
    while n := stream.readinto(scratch):
        left -= n
        if left < 0 or any(scratch[:n]):
            raise DatasetError("something follows the end of the archive")
