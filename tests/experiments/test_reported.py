import hashlib
import re
from collections import Counter
from dataclasses import replace

import pytest

from experiments import assignments, reported
from experiments.reported import CHOICES, Reported
from experiments.spec import GradientCheck, Search

METRIC = re.compile(
    r"(train|validation|test)_(loss|cost|accuracy)|last_batch_(loss|accuracy)"
    r"|((train|val)_cost|test_accuracy)@\d+|(train|test)_mse_m\d+|weights|seconds|max_abs_gap"
    r"|percent_(weight|bias)_errors_below_1e-6|max_(weight|bias)_error|winner|best_decay"
)


def test_no_number_of_the_five_reports_is_missing():
    rows = [row for row in reported.read() if row.report]
    assert len(rows) == 206
    assert len({row.id for row in rows}) == 74
    ids = Counter(row.report for row in rows)
    assert ids == {"000": 50, "001": 8, "002": 10, "003": 8, "004": 130}


def test_every_number_is_the_one_that_was_copied():
    rows = [row for row in reported.read() if row.report]
    numbers = "\n".join(
        f"{row.id} {'words' if isinstance(row.reported, str) else row.reported}" for row in rows
    )
    assert hashlib.sha256(numbers.encode()).hexdigest() == (
        "c2844c8e7ef1b291896416087cb76c64a4d52b56facc6152d3b2f16e56478b35"
    )


def test_every_id_belongs_to_exactly_one_assignment():
    of = {
        name: {row for item in assignments.get(name).items for row in item.answers}
        for name in assignments.names()
    }
    known = {row.id for row in reported.read()}
    assert set().union(*of.values()) == known
    assert sum(map(len, of.values())) == len(known)


@pytest.mark.parametrize("row", reported.read(), ids=lambda row: f"{row.id} {row.metric}")
def test_a_row_is_whole(row):
    assert row.setting
    assert row.report in {"", "000", "001", "002", "003", "004"}
    assert not row.ours or METRIC.fullmatch(row.ours)
    assert (row.band_low is None) == (row.band_high is None)
    assert row.band_from in ({"public", "reruns", "spec", "limit"} if row.band else {""})
    if row.band:
        assert row.band_low <= row.band_high
    if isinstance(row.reported, float) and row.reported < 0:
        assert row.wrong  # nothing of ours is negative
    for text in (row.wrong, row.explains, row.mislabelled, row.note):
        assert not text or (text[0] == text[0].upper() and text.endswith("."))


def test_no_row_is_there_twice():
    assert max(Counter((row.id, row.metric) for row in reported.read()).values()) == 1


def test_every_row_is_of_an_item_that_gives_it():
    rows = reported.read()
    for name in assignments.names():
        items = {item.name: item for item in assignments.get(name).items}
        answered = [
            (row, item) for item in items.values() for row in rows if row.id in item.answers
        ]
        for row, item in answered:
            check = isinstance(item, GradientCheck)
            assert check == row.ours.startswith(("percent", "max_weight", "max_bias"))
            if "@" in row.ours:
                assert int(row.ours.partition("@")[2]) in item.marks
            if row.ours == "winner":
                titles = [item.run(each).title for each in item.settings()]
                assert row.reported in titles
            if row.ours in CHOICES:
                assert isinstance(item, Search) or row.wrong
            named = (*row.shown_by, row.noise_of) if row.noise_of else row.shown_by
            assert {each.partition(":")[0] for each in named} <= set(items)
            assert bool(row.noise_of) == (getattr(item, "seeds", None) == 1)


@pytest.mark.parametrize(
    ("text", "rounding"),
    [("0.530", 0.0005), ("-1.6", 0.05), ("5e-07", 5e-8), ("50816", 0.0), ("minimal", 0.0)],
)
def test_half_a_unit_of_the_last_digit(tmp_path, text, rounding):
    names = [*(name for name in Reported.__dataclass_fields__ if name != "rounding")]
    values = ["test_loss" if name == "metric" else "" for name in names]
    values[names.index("reported")] = text
    path = tmp_path / "reported.csv"
    path.write_text("\n".join(map(",".join, (names, values))), "utf-8")
    (row,) = reported.read(path)
    assert row.rounding == pytest.approx(rounding)
    assert row.band is None
    assert replace(row, band_low=0.0, band_high=1.0).band == (0.0, 1.0)
