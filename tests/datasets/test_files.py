"""Where data are looked for."""

from pathlib import Path

import pytest

from fastdl.datasets._files import data_root


def test_the_argument_comes_first_then_the_variable_then_the_cache(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert data_root(None) == Path("/home/someone/.cache/fastdl")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert data_root(None) == Path("/caches/fastdl")
    monkeypatch.setenv("FASTDL_DATA_DIR", "~/data")
    assert data_root(None) == Path("/home/someone/data")
    assert data_root("~/other") == Path("/home/someone/other")
    assert data_root(Path("here")) == Path("here")


@pytest.mark.parametrize("empty", ["FASTDL_DATA_DIR", "XDG_CACHE_HOME"])
def test_an_empty_variable_is_as_none(monkeypatch, empty):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(empty, "")
    assert data_root(None) == Path("/home/someone/.cache/fastdl")
