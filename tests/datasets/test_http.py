"""Fetching from mirrors that break off, lie, stall, or serve something else."""

import hashlib
import os
import threading
import time

import pytest

from fastdl.datasets import DatasetError, _http
from fastdl.datasets._sources import Remote

BODY = os.urandom(600_000)
NAME = "archive.tar.gz"


def remote(*mirrors: str) -> Remote:
    return Remote(NAME, len(BODY), hashlib.sha256(BODY).hexdigest(), mirrors)


def send(handler, body, status=200, **headers):
    headers = {"Content_Length": len(body), **headers}
    handler.send_response(status)
    for name, value in headers.items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


def good(handler):
    """Serve the file, from the middle on if asked to."""
    start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
    span = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    send(handler, BODY[start:], 206 if start else 200, Content_Range=span)


def whole(handler):
    """Serve the file from its beginning, whatever is asked for."""
    send(handler, BODY)


def breaks_off(handler):
    start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
    span = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    send(
        handler,
        BODY[start : start + 250_000],
        206 if start else 200,
        Content_Length=len(BODY) - start,
        Content_Range=span,
    )


def wrong(handler):
    send(handler, BODY[::-1])


def announces_less(handler):
    send(handler, BODY[:1000])


def sends_more(handler):
    send(handler, BODY + BODY, Content_Length=None)


def sends_less(handler):
    send(handler, BODY[:1000], Content_Length=None)


def silent(handler):
    time.sleep(2)


def stalls(handler):
    send(handler, BODY[:1000], Content_Length=len(BODY))
    time.sleep(2)


def drips(handler):
    send(handler, b"", Content_Length=len(BODY))
    try:
        for i in range(100):
            handler.wfile.write(BODY[i : i + 1])
            time.sleep(0.05)
    except OSError:
        pass


def absent(handler):
    send(handler, b"<html>", 404)


def elsewhere(handler):
    """Continue at another place than was asked for."""
    if handler.headers["Range"]:
        send(handler, BODY[7:], 206, Content_Range=f"bytes 7-{len(BODY) - 1}/{len(BODY)}")
    else:
        send(handler, BODY)


def cannot_continue(handler):
    if handler.headers["Range"]:
        send(handler, b"", 416)
    else:
        send(handler, BODY)


def redirects_to_a_file(handler):
    send(handler, b"", 302, Location="file:///etc/hostname")


def speaks_nonsense(handler):
    handler.wfile.write(b"\x00\xff" * 1000)


FAULTS = {
    absent: "it answers 404 Not Found",
    wrong: "SHA-256 differs",
    announces_less: "it announces 1000 bytes where 600000 are missing",
    sends_more: "it sends more than the official file has",
    sends_less: "it broke off 599000 bytes early",
    silent: "timed out",
    stalls: "it broke off: timed out",
    drips: "it stalls",
    redirects_to_a_file: "it answers 302",
    speaks_nonsense: "",
}


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / NAME


def fetch(source, target):
    _http.fetch(source, target, timeout=0.4)


def expect_done(target):
    assert target.read_bytes() == BODY
    assert os.listdir(target.parent) == [NAME]


def part_of(target, content):
    target.parent.mkdir()
    target.with_name(f"{NAME}.part").write_bytes(content)


def test_a_good_mirror_is_enough(mirror, target):
    url = mirror.serve("/good", good)
    fetch(remote(url, url), target)
    expect_done(target)
    assert mirror.requests == [("/good", None)]


def test_the_file_and_then_its_folder_reach_the_disk(mirror, target, on_disk):
    fetch(remote(mirror.serve("/good", good)), target)
    assert on_disk == ["file", f"replace {NAME}", "folder cache"]


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_bad_mirror_the_next_one_serves(mirror, target, fault):
    fetch(remote(mirror.serve("/bad", fault), mirror.serve("/good", good)), target)
    expect_done(target)
    assert mirror.requests[-1][0] == "/good"


@pytest.mark.parametrize("fault", FAULTS)
def test_no_good_mirror_leaves_no_file(mirror, target, fault):
    url = mirror.serve("/bad", fault)
    with pytest.raises(DatasetError, match=f"no mirror has given {NAME}") as caught:
        fetch(remote(url, "http://127.0.0.1:1/closed"), target)
    message = str(caught.value)
    assert f"{url}: " in message
    assert FAULTS[fault] in message
    assert "Connection refused" in message
    assert not target.exists()
    for part in target.parent.iterdir():  # what is right so far waits for the next time
        assert BODY.startswith(part.read_bytes())


def test_a_mirror_that_breaks_off_continues(mirror, target):
    fetch(remote(mirror.serve("/breaks", breaks_off)), target)
    expect_done(target)
    assert [start for _, start in mirror.requests] == [None, "bytes=250000-", "bytes=500000-"]


def test_another_mirror_continues(mirror, target):
    fetch(remote(mirror.serve("/stalls", stalls), mirror.serve("/good", good)), target)
    expect_done(target)
    assert mirror.requests[-1] == ("/good", "bytes=1000-")


@pytest.mark.parametrize("answer", [good, whole, elsewhere, cannot_continue])
def test_what_an_earlier_download_left_is_used_or_dropped(mirror, target, answer):
    part_of(target, BODY[:1000])
    fetch(remote(mirror.serve("/", answer)), target)
    expect_done(target)
    assert mirror.requests[0] == ("/", "bytes=1000-")


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 1)])
def test_a_spoilt_part_does_not_spoil_the_mirror(mirror, target, left):
    part_of(target, left)
    fetch(remote(mirror.serve("/", good)), target)
    expect_done(target)


def test_a_whole_part_needs_no_mirror(target):
    part_of(target, BODY)
    fetch(remote("http://127.0.0.1:1/closed"), target)
    expect_done(target)


def test_the_official_file_is_not_fetched_again(target):
    target.parent.mkdir()
    target.write_bytes(BODY)
    fetch(remote(), target)
    expect_done(target)


@pytest.mark.parametrize("content", [b"", BODY[:-1], BODY[::-1]])
def test_another_file_is_replaced_once_the_official_one_is_whole(mirror, target, content):
    target.parent.mkdir()
    target.write_bytes(content)
    with pytest.raises(DatasetError):
        fetch(remote(mirror.serve("/bad", wrong)), target)
    assert target.read_bytes() == content
    fetch(remote(mirror.serve("/good", good)), target)
    expect_done(target)


def test_several_at_once_fetch_once(mirror, target):
    source = remote(mirror.serve("/breaks", breaks_off))
    threads = [threading.Thread(target=fetch, args=(source, target)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect_done(target)
    assert len(mirror.requests) == 3


def test_an_interrupted_download_is_continued(mirror, target, monkeypatch):
    source = remote(mirror.serve("/", good))
    with monkeypatch.context() as patch:
        patch.setattr(_http, "_CHUNK", 100_000)
        patch.setattr(_http.tqdm, "update", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            fetch(source, target)
    assert not target.exists()
    fetch(source, target)
    expect_done(target)
    assert mirror.requests[1][1] not in (None, "bytes=0-")


def interrupt():
    raise KeyboardInterrupt
