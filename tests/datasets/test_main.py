"""The command line."""

import hashlib
import subprocess
import sys

import pytest

from fastdl.datasets import _sources
from fastdl.datasets.__main__ import main
from fastdl.datasets._sources import Remote


@pytest.mark.usefixtures("small")
def test_status_says_what_is_found_and_what_is_missing(make, tmp_path, capsys):
    make.cifar10(tmp_path, "binary")
    assert main(["status", "--dir", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert f"cifar10: binary files in {tmp_path}" in printed.out
    assert "mnist was not found" in printed.err
    make.mnist(tmp_path)
    assert main(["status", "mnist", "cifar10", "--dir", str(tmp_path)]) == 0


@pytest.mark.usefixtures("small")
def test_download_fetches_and_says_where(make, mirror, tmp_path, monkeypatch, capsys):
    """The archive is read as it comes: nothing is unpacked."""
    content = make.cifar10(tmp_path, "binary", archived=True).read_bytes()

    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content)

    name = "cifar-10-binary.tar.gz"
    digest = hashlib.sha256(content).hexdigest()
    remote = Remote(name, len(content), digest, (mirror.serve("/", answer),))
    monkeypatch.setitem(_sources.REMOTES, "cifar10", (remote,))
    root = tmp_path / "cache"
    assert main(["download", "cifar10", "--dir", str(root)]) == 0
    assert f"binary files in {root / name}" in capsys.readouterr().out
    assert [path.name for path in root.rglob("*")] == [name]


def test_a_failure_is_one_message_and_a_status(tmp_path, monkeypatch, capsys):
    closed = Remote("file", 1, "", ("http://127.0.0.1:1/closed",))
    monkeypatch.setitem(_sources.REMOTES, "mnist", (closed,))
    assert main(["download", "mnist", "--dir", str(tmp_path)]) == 1
    assert "no mirror has given file:\n  http://127.0.0.1:1/closed: " in (capsys.readouterr().err)


@pytest.mark.parametrize("arguments", [[], ["download"], ["download", "svhn"]])
def test_wrong_arguments_are_told(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "usage: python -m fastdl.datasets" in capsys.readouterr().err


def test_importing_loads_nothing_that_only_a_download_needs():
    """HTTP, archives, hashes and progress bars come in when they are used."""
    script = (
        "import sys, numpy; before = set(sys.modules); import fastdl.datasets;"
        "print(*set(sys.modules) - before)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"tqdm", "urllib.request", "gzip", "fastdl.datasets._http"} & set(loaded)
