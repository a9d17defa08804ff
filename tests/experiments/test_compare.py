import csv
import re
from dataclasses import replace

import pytest

from experiments import compare
from experiments.reported import Reported
from experiments.store import Outcome

ROW = Reported(id="1-2", metric="test_accuracy", ours="test_accuracy", reported=0.5)
BANDED = replace(ROW, band_low=0.4, band_high=0.6, band_from="public")


@pytest.fixture
def comparisons(found):
    rows = [
        replace(BANDED, note="A note."),
        replace(ROW, reported=0.3, wrong="It | is low.", shown_by=("fit:test_accuracy",)),
        replace(BANDED, metric="test_loss", ours="test_loss", reported=None, note="A note."),
    ]
    run = found.runs["fit"].run
    outcomes = tuple(
        Outcome(run, seed, {"test_accuracy": value, "test_loss": 0.5}, "", "", {}, ())
        for seed, value in enumerate((0.5, 0.51))
    )
    fit = replace(found.runs["fit"], outcomes=outcomes)
    return compare.compare(replace(found, runs=found.runs | {"fit": fit}), rows)


def test_lines_for_a_terminal(comparisons):
    lines = compare.table(comparisons)
    assert max(map(len, lines)) <= 110
    assert lines[2] == "fit (2 seeds)"
    assert re.fullmatch(
        r"1-2 +test accuracy +50.00 % +50.50 ± 0.71 % +40.00–60.00 % +public +reproduced \[1\]",
        lines[3],
    )
    assert re.search(r"29.00–31.00 % +tolerance +report wrong \[2\]$", lines[4])
    assert lines[5].strip() == "The same run gives test accuracy 50.50 ± 0.71 %."
    assert [line for line in lines if line.startswith("[")] == ["[1] A note.", "[2] It | is low."]
    assert compare.table([]) == ["no reported number is answered"]


def test_markdown(comparisons):
    lines = compare.markdown(comparisons).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert rows[2].endswith("| 40.00–60.00 % | public | reproduced [1] |")
    assert "1. A note." in lines


def test_a_table_for_programs(comparisons, tmp_path):
    compare.write_csv(tmp_path / "table.csv", comparisons)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["verdict"] for line in lines] == ["reproduced", "report wrong", "reproduced"]
    assert float(lines[0]["ours"]) == comparisons[0].mean
    assert lines[1]["reason"] == comparisons[1].reason
