"""How often answers are right, by the runs that are held out and stored."""

import pytest

from experiments.check import make, proof


@pytest.fixture(scope="module")
def cases():
    return proof.cases()


@pytest.fixture(scope="module")
def shares(cases):
    return proof.shares(cases)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("first", 0.8), ("among three", 0.95), ("first, by name", 0.8),
        ("among three, by name, of traces", 0.95), ("named by the number", 0.95),
    ],
)  # fmt: skip
def test_answers_are_right(name, least, shares):
    assert shares[name] >= least


@pytest.mark.parametrize("name", ["false alarms by the curve", "false alarms by the number"])
def test_correct_code_is_not_called_wrong(name, shares):
    assert shares[name] <= 0.05


def test_the_page_is_of_these_runs(cases):
    assert proof.PAGE.read_text("utf-8") == proof.page(cases)


def test_there_are_enough_of_them(cases):
    assert len(cases) >= 120
    assert sum(case.truth.mistake.wrong for case in cases) >= 60


def test_runs_are_held_out_and_told(tiny, tmp_path, monkeypatch):
    """Of a small setting on made-up rows, from its training to its page."""
    monkeypatch.setattr(proof, "settings", lambda: [tiny])
    monkeypatch.setattr(proof, "FOLDER", tmp_path / "held_out")
    make.make([tiny], None, seeds=3)
    proof.train(None)
    found = proof.cases()
    assert [case.mistake for case in found].count("none") == 5
    assert {case.mistake for case in found if case.truth.mistake.wrong} == {*proof.drawn(tiny)}
    page = proof.page(found)
    assert "10 runs with seeds that no stored run has, 5 of correct code and\n5 with a" in page
    for name in proof.drawn(tiny):
        assert f"| {name} | 1 |" in page
