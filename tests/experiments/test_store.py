import os
from dataclasses import replace

import numpy as np
import pytest

from experiments.store import Outcome, Store, whole


@pytest.fixture
def outcome(made_up):
    return Outcome(
        run=made_up.items[1],
        seed=7,
        metrics={"test_accuracy": 0.25},
        provenance="made up",
        note="few",
        rows={"train": 3},
        classes=("a", "b"),
        environment={"threads": 2},
        history={"epoch": np.array([1, 2])},
        arrays={"weights": np.ones((2, 3), np.float32)},
    )


def test_what_is_saved_comes_back(outcome, tmp_path):
    store = Store(tmp_path / "trials")
    assert store.load(outcome.run, 7) is None
    store.save(outcome)
    assert [path.name for path in store.folder.iterdir()] == [f"{outcome.key}.npz"]
    again = store.load(replace(outcome.run, title="another"), 7)
    assert again.run.title == "another"
    for name in ("seed", "metrics", "provenance", "note", "rows", "classes", "environment"):
        assert getattr(again, name) == getattr(outcome, name)
    assert again.failure == ""
    np.testing.assert_array_equal(again.history["epoch"], [1, 2])
    np.testing.assert_array_equal(again.arrays["weights"], np.ones((2, 3)))
    assert again.arrays["weights"].dtype == np.float32


def test_what_is_too_old_does_not_count(outcome, tmp_path):
    Store(tmp_path).save(outcome)
    os.utime(Store(tmp_path).path(outcome.key), (1_000, 1_000))
    assert Store(tmp_path, since=1_000).has(outcome.key)
    assert Store(tmp_path, since=1_001).load(outcome.run, 7) is None
    assert Store(tmp_path).load(outcome.run, 7) is not None


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 half"])
def test_a_damaged_file_is_named(outcome, tmp_path, content):
    store = Store(tmp_path)
    path = store.path(outcome.key)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"whole .npz file; got .*{path.name}.*delete it"):
        store.load(outcome.run, 7)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def write():
        with whole(path) as part:
            part.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]
