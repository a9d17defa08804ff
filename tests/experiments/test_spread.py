import csv
import json

from experiments import assignments, reported, spread


def test_what_is_known_is_of_numbers_that_are_compared():
    compared = {
        (name, item.name, row.ours)
        for name in assignments.names()
        for item in assignments.get(name).items
        for row in reported.read()
        if row.id in item.answers
    }
    known = spread.read()
    assert known.keys() <= compared
    assert all(sd > 0 and n >= 3 for sd, n in known.values())
    assert 0.0005 < known["dd2424_a1", "lambda0_eta0.001", "test_accuracy"][0] < 0.005


def tables(folder, n=3, **about):
    """The files of an assignment of which these are read."""
    folder.mkdir()
    about = {"stand_in": False, "quick": False} | about
    (folder / "results.json").write_text(json.dumps(about))
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "metric", "sd", "n"])
        writer.writerows([["fit", "test_accuracy", 0.00123, n], ["fit", "seconds", 1.0, n]])
    return folder / "table.csv"


def test_deviations_are_collected_and_read_again(tmp_path):
    paths = [
        tables(tmp_path / "mine"),
        tables(tmp_path / "few", n=2),
        tables(tmp_path / "made_up", stand_in=True),
        tables(tmp_path / "cut", quick=True),
    ]
    found = spread.collect(paths)
    assert found == {("mine", "fit", "test_accuracy"): (0.00123, 3)}
    spread.write(tmp_path / "spread.csv", found)
    assert spread.read(tmp_path / "spread.csv") == found
