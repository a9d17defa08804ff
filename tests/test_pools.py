"""_pools.py: the BLAS that products call is one that can be held to one thread, or one is told."""

import warnings

import numpy as np
import pytest

import fastdl as fd
from fastdl import _pools


@pytest.fixture
def forget():
    """Ask again what is asked once a process."""
    caches = _pools.unknown, _pools.tell_if_unknown
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.fixture
def strange(forget, monkeypatch):
    """A threadpoolctl that does not know SciPy's BLAS, as one before 3.5 with newer ones."""
    monkeypatch.setattr(_pools, "loaded", list)


def answer():
    """By a product that is BLAS's: float64, of many rows and units."""
    return fd.Network([40, 300, 3], dtype="float64").logits(np.ones((300, 40)))


@pytest.mark.usefixtures("forget")
def test_the_blas_of_scipy_is_one_of_those_that_are_held():
    assert _pools.loaded()
    assert _pools.unknown() == ""
    answer()  # a warning would be an error


@pytest.mark.usefixtures("strange")
def test_a_blas_that_cannot_be_held_is_told_once_and_the_remedy_silences_it(capsys):
    with pytest.warns(RuntimeWarning, match=r"cannot hold the BLAS of SciPy .* does not know it"):
        answer()
    answer()
    fd.show_config()
    assert "cannot hold the BLAS of SciPy" in capsys.readouterr().out
    _pools.tell_if_unknown.cache_clear()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fastdl cannot hold the BLAS")
        answer()


@pytest.mark.usefixtures("forget")
def test_a_blas_of_others_alone_is_not_taken_for_that_of_scipy(monkeypatch):
    others = [pool for pool in _pools.loaded() if "numpy.libs" in pool.filepath]
    if not others:
        pytest.skip("needs a NumPy that brings its own BLAS")
    monkeypatch.setattr(_pools, "loaded", lambda: others)
    assert "does not know it" in _pools.unknown()


@pytest.mark.usefixtures("forget")
def test_where_scipys_module_is_not_found_any_blas_is_taken_for_it(monkeypatch):
    monkeypatch.setattr(_pools.importlib.machinery.PathFinder, "find_spec", lambda *_: None)
    assert _pools.unknown() == ""
