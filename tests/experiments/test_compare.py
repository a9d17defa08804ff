from dataclasses import replace

import pytest

from experiments import assignments, compare

ROW = compare.Reported("1-2", "", "", "test_accuracy", 0.5, 0.4, 0.6, "")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.4, "inside the band"), (0.6, "inside the band"), (0.39, "outside"), (None, "")],
)
def test_verdict(value, verdict):
    assert ROW.verdict(value) == verdict


def test_without_a_band_there_is_no_verdict():
    assert replace(ROW, band_low=None, band_high=None).verdict(0.5) == "no band"


def test_numbers_got_with_a_stand_in_are_not_judged(results):
    (comparison,) = compare.compare(results, [ROW, replace(ROW, id="9-9")])
    assert comparison.verdict == "not judged"
    assert comparison.ours == results[1].metrics["test_accuracy"]
    assert comparison.run == "fit"


def test_a_gradient_check_is_judged_on_any_rows(results):
    row = replace(ROW, metric="max_weight_error", band_low=0.0, band_high=1e-6)
    check = replace(results[0], run=replace(results[0].run, answers=("1-2",)))
    (comparison,) = compare.compare([check], [row])
    assert comparison.verdict == "inside the band"


def test_every_reported_row_is_answered_by_exactly_one_run():
    answers = [
        row for name in assignments.names() for run in assignments.get(name).runs
        for row in run.answers
    ]  # fmt: skip
    assert len(answers) == len(set(answers))
    assert set(answers) == {row.id for row in compare.read()}


def test_reported_rows_are_whole():
    rows = compare.read()
    assert len({(row.id, row.metric) for row in rows}) == len(rows)
    for row in rows:
        assert row.setting
        assert row.output
        assert (row.band_low is None) == (row.band_high is None)
        assert row.note or row.verdict(row.reported) == "inside the band"
