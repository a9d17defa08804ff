"""What is handed in is understood in the forms that students use, and refused in a sentence."""

import csv

import numpy as np
import pytest

from experiments.check import stored, submission
from experiments.check.submission import SubmissionError, number, setting_of

NAME = "lambda0.1_eta0.001"
WANTED = stored.settings("dd2424_a1")[NAME]
EPOCHS = 40


@pytest.mark.parametrize(
    "text",
    [
        NAME, "lambda=.1, eta=.001", "lambda=0.1,eta=1e-3", "l2 = 0.1; lr = .001", "λ=.1, η=.001",
        "learning_rate=.001, reg=.1, batch=100", "lambda=.1", "weight-decay=.1",
        "lambda=.1 eta=.001", "weight decay = .1 eta = .001",
    ],
)  # fmt: skip
def test_a_setting_by_name_or_by_its_numbers(text):
    assert setting_of("dd2424_a1", text).run == WANTED.run


def test_cycles_are_told_by_their_steps():
    assert setting_of("dd2424_a2", "n_s=500").run.name == "figure3"
    assert setting_of("hw2_batch_size", "batch=1024").run.name == "batch1024"
    assert setting_of("hw2_regularization", "").run.name == "sweep_l2_l20.0005"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dd2424_a", "", "must be one of dd2424_a1, .*did you mean dd2424_a2?"),
        ("nothing like it", "", "must be one of dd2424_a1"),
        ("dd2424_a1", "lambda=.2", r"one of the settings of dd2424_a1, .*got 'lambda=.2'"),
        ("dd2424_a1", "eta=.001", "which fits several"),
        ("dd2424_a1", "", "must be one of the settings"),
        ("dd2424_a1", "lambda0.1_eta.001", f"did you mean {NAME}?"),
        ("dd2424_a1", "lamda=.1", "got 'lamda'; did you mean lambda?"),
        ("dd2424_a1", "lambda=a", "--run lambda must be a number; got 'a'"),
    ],
)
def test_a_setting_that_is_none(name, text, message):
    with pytest.raises(SubmissionError, match=message):
        setting_of(name, text)


@pytest.mark.parametrize(
    ("text", "value", "rounding"),
    [
        ("35.9", 0.359, 0.0005), ("35.9 %", 0.359, 0.0005), ("0.3590", 0.359, 0.00005),
        ("36", 0.36, 0.005), ("0.9%", 0.009, 0.0005), ("100", 1.0, 0.005), ("0", 0.0, 0.5),
    ],
)  # fmt: skip
def test_an_accuracy_is_a_share_or_per_cent(text, value, rounding):
    found = number("test_accuracy", text)
    assert found.value == pytest.approx(value)
    assert found.rounding == pytest.approx(rounding)


def test_a_loss_is_what_it_is():
    assert number("train_loss", "1.650").value == 1.65
    assert np.isnan(number("train_loss", "nan").value)


@pytest.mark.parametrize("text", ["", "x", "101", "-3", "1e400", "nan", "3,5"])
def test_an_accuracy_that_is_none(text):
    with pytest.raises(SubmissionError, match="--test-accuracy must"):
        number("test_accuracy", text)


# --- curves --------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    """write(names, rows): a curve in a file."""

    def make(names, rows, delimiter=","):
        path = tmp_path / "curve.csv"
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([names, *rows])
        return path

    return make


def read(path):
    return submission.read_curve(path, WANTED.recipe, 10_000)


def rows(n, first=1):
    return [[first + i, 2 - 0.01 * i, 20 + 0.1 * i] for i in range(n)]


@pytest.mark.parametrize(
    "names",
    [
        ["epoch", "train_loss", "val_accuracy"], ["Epoch", "Training loss", "Validation accuracy"],
        ["epochs", "loss", "val_acc"], ["epoch", "loss_train", "accuracy (validation)"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_curve_by_any_usual_names(names, delimiter, write):
    curve = read(write(names, rows(EPOCHS), delimiter))
    assert curve.columns["train_loss"].values[0] == 2
    assert curve.columns["validation_accuracy"].values[-1] == pytest.approx(0.239)
    assert curve.columns["train_loss"].epochs.tolist() == list(range(1, EPOCHS + 1))


def test_where_the_points_of_a_curve_are(write):
    def epochs(names, lines):
        return read(write(names, lines)).columns["train_loss"].epochs

    assert epochs(["epoch", "loss"], [r[:2] for r in rows(40, 0)])[0] == 1
    assert epochs(["epoch", "loss"], [r[:2] for r in rows(41, 0)])[0] == 0
    by_step = [[100 * (i + 1), 2 - 0.01 * i] for i in range(40)]
    assert epochs(["step", "loss"], by_step).tolist() == list(range(1, 41))
    assert epochs(["loss"], [r[1:2] for r in rows(40)])[-1] == 40


def test_the_last_digit_of_a_curve_is_known(write):
    curve = read(write(["epoch", "loss", "acc"], [[1, "1.65", 38.9], [2, "1.6", 39]]))
    assert curve.columns["train_loss"].rounding == pytest.approx(0.005)
    assert curve.columns["train_accuracy"].rounding == pytest.approx(0.0005)


def test_cells_without_a_number_are_left_out(write):
    curve = read(write(["epoch", "loss", "val_loss"], [[1, 2, ""], [2, 1.9, 1.95], [3, 1.8, ""]]))
    assert curve.columns["validation_loss"].epochs.tolist() == [2]
    assert curve.columns["train_loss"].epochs.tolist() == [1, 2, 3]


def test_columns_that_say_nothing_are_passed_over(write):
    curve = read(write(["epoch", "train_loss", "seconds"], rows(3)))
    assert curve.passed_over == ("seconds",)


def test_the_points_between_which_a_stored_one_lies(write):
    runs = stored.load(WANTED)
    halves = [[0.5 + i, 2 - 0.01 * i] for i in range(40)]
    curve = read(write(["epoch", "train_loss"], halves))
    found = submission.Submission(WANTED, {}, curve).numbers(runs)
    assert found[0].value == pytest.approx(2 - 0.005)
    sparse = read(write(["epoch", "train_loss"], [[10, 1.8], [40, 1.7]]))
    points = submission.Submission(WANTED, {}, sparse).numbers(runs)
    assert [runs.epochs[each.point] for each in points] == [10, 40]


@pytest.mark.parametrize(
    ("names", "lines", "message"),
    [
        (["epoch", "loss"], [], "a line of names and lines of numbers"),
        (["a", "b"], [[1, 2]], "must have columns such as epoch, train_loss"),
        (["epoch", "loss"], [[1, 2], [2]], "2 columns in every line; got 1 in line 3"),
        (["epoch", "loss"], [[1, "x"]], "line 2, train_loss must be a number; got 'x'"),
        (["epoch", "loss"], [[2, 1], [1, 1]], "epoch or step that grows"),
        (["epoch", "loss", "train_loss"], [[1, 2, 2]], "one column of train_loss; got two"),
        (["epoch", "acc"], [[1, 140]], "must lie between 0 and 100 %"),
        (["epoch", "acc"], [[1, -3]], "must lie between 0 and 100 %"),
        (["epoch", "loss"], [["", 1]], "line 2, epoch must be a number; got ''"),
        (["loss"], [[2], [1]], "or a line for each of 40 epochs; got 2 lines without"),
    ],
)
def test_a_curve_that_is_none(names, lines, message, write):
    with pytest.raises(SubmissionError, match=message):
        read(write(names, lines))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "bytes").write_bytes(bytes(range(256)) * 9)
    for path in (tmp_path / "none", tmp_path, tmp_path / "bytes"):
        with pytest.raises(SubmissionError, match=str(path)):
            read(path)
        with pytest.raises(SubmissionError, match=str(path)):
            submission.read_weights(path, WANTED.recipe)


def test_a_curve_of_other_epochs_has_nothing_to_compare(write):
    curve = read(write(["epoch", "loss"], [[0.25, 2.1], [0.5, 2.0]]))
    with pytest.raises(SubmissionError, match="got none within the 40 epochs"):
        submission.Submission(WANTED, {}, curve).numbers(stored.load(WANTED))


# --- weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_weights_in_either_orientation(turned, tmp_path, rng):
    weight, bias = rng.standard_normal((3072, 10)), rng.standard_normal(10)
    np.savez(
        tmp_path / "w.npz", b=bias[:, None] if turned else bias, W=weight.T if turned else weight
    )
    looks = submission.read_weights(tmp_path / "w.npz", WANTED.recipe)
    assert looks["weight1"] == pytest.approx(np.sqrt((weight**2).mean()))
    assert looks["bias1"] == pytest.approx(np.sqrt((bias**2).mean()))
    assert looks["roughness"] == pytest.approx(2, rel=0.05)


def test_weights_of_another_network(tmp_path):
    np.savez(tmp_path / "w.npz", W=np.zeros((3, 4)))
    with pytest.raises(SubmissionError, match=r"weight of layer 1, \(10, 3072\) or .*got \(3, 4\)"):
        submission.read_weights(tmp_path / "w.npz", WANTED.recipe)
