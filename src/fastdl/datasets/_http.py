"""Fetch a file over HTTP: from whichever mirror answers, whole and verified, or not at all."""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from tqdm import tqdm

from fastdl import _system
from fastdl.datasets._errors import DatasetError
from fastdl.datasets._sources import Remote

_TIMEOUT = 30.0
_TRIES = 3  # at one mirror, each from where the last broke off
_CHUNK = 1 << 18
_SLOWEST = 1024  # bytes a second, over a timeout: a mirror below that stalls
_TROUBLE = (OSError, ValueError, http.client.HTTPException)


class _MirrorError(Exception):
    """Why a mirror did not do."""


def fetch(remote: Remote, target: Path, timeout: float = _TIMEOUT) -> None:
    """Put the file in its place, unless the official one is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f"{target.name}.part")
    with _system.alone(target.with_name(f"{target.name}.lock")):
        if _is_official_at(target, remote):
            path.unlink(missing_ok=True)
            return
        try:
            with path.open("a+b") as part:
                _complete(part, remote, timeout)
                os.fsync(part.fileno())
        finally:  # what it holds stays, for the next download to continue
            if path.exists() and not path.stat().st_size:
                path.unlink()
        os.replace(path, target)
        _system.sync_folder(target.parent)


def _complete(part: BufferedIOBase, remote: Remote, timeout: float) -> None:
    """Try the mirrors in turn until the part is the whole official file."""
    reasons = []
    for url in remote.mirrors:
        try:
            _complete_from(part, remote, url, timeout)
        except _MirrorError as error:
            reasons.append(f"\n  {url}: {error}")
        else:
            return
    raise DatasetError(f"no mirror has given {remote.path}:{''.join(reasons)}")


def _complete_from(part: BufferedIOBase, remote: Remote, url: str, timeout: float) -> None:
    """Try one mirror again as long as it brings something."""
    for _ in range(_TRIES):
        start = _length(part)
        try:
            _receive(part, remote, url, timeout)
        except _MirrorError as error:
            trouble = error
            if _length(part) == start:
                break
        else:
            if _is_official(part, remote):
                return
            part.truncate(0)
            trouble = _MirrorError("its file is not the official one: the SHA-256 differs")
            if not start:  # else the beginning, which came from elsewhere, may be the culprit
                break
    raise trouble


def _receive(part: BufferedIOBase, remote: Remote, url: str, timeout: float) -> None:
    """Append what the part lacks, or start anew where the mirror cannot continue."""
    if _length(part) > remote.size:
        part.truncate(0)
    if _length(part) == remote.size:
        return
    with _answer(part, remote, url, timeout) as response:
        start = _length(part)
        missing = remote.size - start
        announced = response.headers.get("Content-Length", str(missing))
        if announced != str(missing):
            raise _MirrorError(f"it announces {announced} bytes where {missing} are missing")
        with tqdm(
            desc=remote.path,
            total=remote.size,
            initial=start,
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar:
            for block in _blocks(response, missing, timeout):
                part.write(block)
                bar.update(len(block))


def _answer(
    part: BufferedIOBase, remote: Remote, url: str, timeout: float
) -> http.client.HTTPResponse:
    """Ask for what the part lacks; empty it where the answer is not just that."""
    start = _length(part)
    asked = {"Range": f"bytes={start}-"} if start else {}
    request = urllib.request.Request(url, headers={"User-Agent": "fastdl", **asked})
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.truncate(0)
        raise _MirrorError(f"it answers {error.code} {error.reason}") from error
    except _TROUBLE as error:
        raise _MirrorError(str(getattr(error, "reason", error)) or repr(error)) from error
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        part.truncate(0)
    elif response.headers["Content-Range"] != f"bytes {start}-{remote.size - 1}/{remote.size}":
        response.close()
        part.truncate(0)
        raise _MirrorError("it continues at another place than it was asked to")
    return response


def _blocks(response: http.client.HTTPResponse, missing: int, timeout: float) -> Iterator[bytes]:
    """Yield what comes in, as long as it comes fast enough and is not too much."""
    deadline, recent = time.monotonic() + timeout, 0
    while True:
        try:
            block = response.read1(_CHUNK)
        except _TROUBLE as error:
            raise _MirrorError(f"it broke off: {error or repr(error)}") from error
        if not block:
            break
        missing -= len(block)
        if missing < 0:
            raise _MirrorError("it sends more than the official file has")
        yield block
        recent += len(block)
        if time.monotonic() > deadline:
            if recent < _SLOWEST * timeout:
                raise _MirrorError("it stalls")
            deadline, recent = time.monotonic() + timeout, 0
    if missing:
        raise _MirrorError(f"it broke off {missing} bytes early")


def _length(part: BufferedIOBase) -> int:
    return part.seek(0, os.SEEK_END)


def _is_official(file: BufferedIOBase, remote: Remote) -> bool:
    if _length(file) != remote.size:
        return False
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest() == remote.sha256


def _is_official_at(path: Path, remote: Remote) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _is_official(file, remote)
