"""Networks that learn row by row, beside the steps of a trainer; River itself where it is there."""

import copy
import pickle

import numpy as np
import pytest

import fastdl as fd
from fastdl import river

NAMES = ("a", "b", "c")
ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
LABELS = (ROWS[:, 0] > 0).astype(np.int64)


def dictionary(row):
    return dict(zip(NAMES, row.tolist(), strict=True))


def trainer(widths=(3, 8, 2), optimiser=None, **settings):
    return fd.Trainer(fd.Network(widths, **settings), optimiser or fd.Adam(0.01))


def parameters(made):
    return [view.copy() for view in made.network.parameters.values()]


def assert_same(one, other):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "hinge", "binary_cross_entropy"])
def test_rows_of_a_classifier_are_steps_to_the_bit(loss, dtype):
    binary = loss == "binary_cross_entropy"
    given = trainer((3, 8, 1 if binary else 2), loss=loss, dtype=dtype)
    if loss == "hinge":
        with pytest.raises(ValueError, match="model must have a loss that gives each class"):
            river.Classifier(given)
        return
    before, own = parameters(given), copy.deepcopy(given)
    model = river.Classifier(given, classes=["left", "right"])
    for row, label in zip(ROWS, LABELS, strict=True):
        model.learn_one(dictionary(row), ("left", "right")[label])
        y = np.array([[label]], dtype) if binary else [label]
        own.step(row[None].astype(dtype), y)
    assert_same(model.trainer, own)
    for a, b in zip(parameters(given), before, strict=True):
        np.testing.assert_array_equal(a, b)  # a copy learns
    row = dictionary(ROWS[0])
    found = model.predict_proba_one(row)
    expected = own.network.predict_proba(ROWS[:1].astype(dtype))[0].tolist()
    assert list(found) == ["left", "right"]
    assert list(found.values()) == ([1 - expected[0], *expected] if binary else expected)
    assert model.predict_one(row) == max(found, key=found.get)


@pytest.mark.parametrize("loss", ["mse", "huber", "poisson"])
def test_rows_of_a_regressor_are_steps_to_the_bit(loss):
    own = trainer((3, 8, 1), loss=loss)
    model = river.Regressor(own)
    for row, label in zip(ROWS, LABELS, strict=True):
        model.learn_one(dictionary(row), label)
        own.step(row[None], np.array([[label]], np.float32))
    assert_same(model.trainer, own)
    assert model.predict_one(dictionary(ROWS[1])) == own.network.predict(ROWS[1:2])[0]


def test_layers_become_a_network():
    assert river.Classifier([3, 2], fd.SGD(0.1)).trainer.network.loss == "softmax_cross_entropy"
    assert river.Classifier([3, 1], fd.SGD(0.1)).trainer.network.loss == "binary_cross_entropy"
    layers = [fd.Dense(3, 4, "tanh"), fd.Dropout(0.5), fd.Dense(1)]
    assert river.Classifier(layers, fd.SGD(0.1)).trainer.network.loss == "binary_cross_entropy"
    assert river.Regressor(layers, fd.SGD(0.1)).trainer.network.loss == "mse"


def test_features_go_by_their_names_and_count_as_0_where_they_are_missing():
    model, own = (
        river.Regressor([3, 4, 1], fd.SGD(0.1)),
        trainer((3, 4, 1), fd.SGD(0.1), loss="mse"),
    )
    for row, values in (
        ({"a": 1}, [1, 0, 0]),
        ({}, [0, 0, 0]),
        ({"b": np.float64(2), "a": True}, [1, 2, 0]),
        ({"c": 4, "b": 3}, [0, 3, 4]),
        ({"c": 1.5, "b": 2, "a": 3}, [3, 2, 1.5]),
        ({"c": 2}, [0, 0, 2]),
    ):
        model.learn_one(row, 1.0)
        own.step(np.array([values], np.float32), np.ones((1, 1), np.float32))
        expected = own.network.predict(np.array([values], np.float32))[0]
        assert model.predict_one(row) == expected
    assert_same(model.trainer, own)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("made", [river.Classifier, river.Regressor])
def test_the_network_knows_the_names_once_all_are_there(made, many, tmp_path):
    pd = pytest.importorskip("pandas")
    k = 2 if made is river.Classifier else 1
    model = made([3, 8, k], fd.SGD(0.01))
    for names in ("ba", "bac"):
        x, y = dict.fromkeys(names, 0.5), 1
        if many:
            model.learn_many(pd.DataFrame([x] * 2), pd.Series([y] * 2))
        else:
            model.learn_one(x, y)
        assert model.trainer.network.inputs == ("numbers", (*"bac",) if names == "bac" else None)
    model.trainer.network.save(tmp_path / "net.safetensors")
    frame = pd.DataFrame(ROWS, columns=[*"bac"])
    for net in (model.trainer.network, fd.Network.load(tmp_path / "net.safetensors")):
        np.testing.assert_array_equal(net.logits(frame), net.logits(ROWS))
        with pytest.raises(ValueError, match="columns on which this network was fitted"):
            net.predict(frame[[*"abc"]])


def test_a_trainer_that_was_fitted_on_a_frame_has_its_names():
    pd = pytest.importorskip("pandas")
    given = trainer()
    given.fit(pd.DataFrame(ROWS, columns=[*"abc"]), LABELS)
    model = river.Classifier(given, classes=[0, 1])
    for row in ROWS[:5]:
        likely = model.predict_proba_one({"c": row[2], "a": row[0], "b": row[1]})
        np.testing.assert_allclose(likely[1], given.network.predict_proba(row[None])[0, 1], 1e-6)
    with pytest.raises(ValueError, match="must have features that the network"):
        model.learn_one({"d": 1.0}, 0)


@pytest.mark.parametrize("labels", [(1, 0, 2), (("x", 1), ("x", 2), ("y", 1)), ("b", 2, None)])
def test_labels_that_are_no_words_are_those_of_the_rows(labels):
    model = river.Classifier(trainer(), classes=[0, 1])
    rows = [dict(zip(labels, row, strict=True)) for row in ROWS]
    for row, label in zip(rows, LABELS, strict=True):
        model.learn_one(row, label)
    again = river.Classifier(model.trainer, classes=[0, 1])
    for row in rows:
        turned = dict(reversed(row.items()))
        assert again.predict_proba_one(turned) == model.predict_proba_one(row)
    again.learn_one(rows[0], 1)


def test_a_prediction_learns_no_names():
    model = river.Classifier([2, 2], fd.SGD(0.1))
    assert model.predict_proba_one({"x": 1.0, "y": 2.0}) == {}
    assert model.predict_one({"z": 1.0}) is None
    model.learn_one({"a": 1.0, "b": 2.0}, "yes")
    assert model.predict_proba_one({"b": 1.0}) == {"yes": 1.0}
    assert model.predict_one({"b": 1.0}) == "yes"


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_probabilities_are_of_the_classes_that_have_come_up(loss):
    model = river.Classifier(trainer((3, 4), loss=loss))
    for row, y in zip(ROWS, "abcabcaabb", strict=False):
        model.learn_one(dictionary(row), y)
    found = model.predict_proba_one(dictionary(ROWS[0]))
    raw = model.trainer.network.predict_proba(ROWS[:1])[0, :3]
    assert list(found) == ["a", "b", "c"]
    np.testing.assert_allclose(list(found.values()), raw / raw.sum(), rtol=1e-6)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("widths", [(3, 8, 2), (3, 8, 1)])
def test_frames_are_one_step_and_answers_are_of_their_library(library, widths):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({name: ROWS[:, i] for i, name in enumerate(NAMES)})
    binary = widths[-1] == 1
    own = trainer(widths, loss="binary_cross_entropy" if binary else "softmax_cross_entropy")
    model = river.Classifier(own, classes=("no", "yes"))
    model.learn_many(frame, frames.Series([("no", "yes")[label] for label in LABELS]))
    own.step(ROWS, LABELS.astype(np.float32)[:, None] if binary else LABELS)
    assert_same(model.trainer, own)
    backwards = frame[["c", "b", "a"]]
    likely, labels = model.predict_proba_many(backwards), model.predict_many(backwards)
    assert isinstance(likely, frames.DataFrame)
    assert isinstance(labels, frames.Series)
    assert list(likely.columns) == ["no", "yes"]
    one = [model.predict_proba_one(dictionary(row)) for row in ROWS]
    np.testing.assert_allclose(likely.to_numpy(), [[*each.values()] for each in one], rtol=1e-5)
    assert list(labels) == [max(each, key=each.get) for each in one]


def test_a_regressor_takes_frames_whose_index_comes_back():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=list(NAMES), index=range(100, 140))
    own = trainer((3, 8, 1), loss="mse")
    model = river.Regressor(own)
    model.learn_many(frame, pandas.Series(ROWS[:, 1], index=frame.index))
    own.step(ROWS, ROWS[:, 1])
    assert_same(model.trainer, own)
    found = model.predict_many(frame[["a", "c"]])
    without = np.where(np.arange(3) == 1, 0, ROWS).astype(np.float32)
    np.testing.assert_array_equal(found, own.network.predict(without))
    assert list(found.index) == list(frame.index)
    unlearnt = river.Classifier([3, 2], fd.SGD(0.1)).predict_many(frame)
    assert list(unlearnt) == [None] * 40


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_goes_on_alike(copied):
    model = river.Classifier([3, 8, 2], fd.Adam(0.01))
    model.learn_one(dictionary(ROWS[0]), "a")
    other = copied(model)
    for each in (model, other):
        each.learn_one(dictionary(ROWS[1]), "b")
    assert_same(model.trainer, other.trainer)
    assert other.predict_proba_one({"b": 1.0}) == model.predict_proba_one({"b": 1.0})


def learnt(k=2):
    model = river.Classifier([2, k], fd.SGD(0.1))
    model.learn_one({"a": 1.0, "b": 2.0}, "x")
    model.learn_one({"a": 1.0, "b": 2.0}, "y")
    return model


def number():
    return river.Regressor([2, 1], fd.SGD(0.1))


def normal(kind):
    return kind([fd.Dense(2, 4), fd.BatchNorm(), fd.Dense(1)], fd.SGD(0.1))


def numbers():
    model = number()
    model.learn_one({"a": 1.0, "b": 2.0}, 1.0)
    return model


REFUSED = {
    "a network": (
        lambda: river.Classifier(fd.Network([2, 2])),
        r"model must be a Trainer, or layers with an optimiser; got <Network.*use fd\.Trainer",
    ),
    "no optimiser": (lambda: river.Regressor([2, 1]), "model must be a Trainer, or layers with"),
    "two optimisers": (
        lambda: river.Classifier(trainer(), fd.SGD(0.1)),
        "optimiser must go with layers; got a trainer, which has its own, use optimiser=None",
    ),
    "several labels": (
        lambda: river.Classifier(trainer(loss="binary_cross_entropy")),
        "model must have a loss that gives each class a probability",
    ),
    "numbers": (lambda: river.Classifier(trainer(loss="mse")), "model must have a loss that gives"),
    "labels": (lambda: river.Regressor(trainer()), "model must have one output and a loss of numb"),
    "two numbers": (lambda: river.Regressor([2, 2], fd.SGD(0.1)), "one output .* 2 outputs, use"),
    "classes": (
        lambda: river.Classifier([2, 2], fd.SGD(0.1), classes="abc"),
        "y must be one of the 2 classes that the network has outputs for, 'a', 'b'; got 'c'",
    ),
    "a third class": (lambda: learnt().learn_one({"a": 1.0}, "z"), "y must be one of the 2 cla"),
    "a third feature": (
        lambda: learnt().learn_one({"a": 1.0, "z": 2.0}, "x"),
        "x must have features that the network's 2 inputs are for; got 'z' beside 'a', 'b', leave",
    ),
    "asked of a third one": (
        lambda: learnt().predict_one({"z": 2.0}),
        "x must have features that the network's 2 inputs are for",
    ),
    "a list": (
        lambda: learnt().learn_one([1.0, 2.0], "x"),
        r"x must be a dictionary of features; got \[1.0, 2.0\], use dict\(enumerate\(x\)\)",
    ),
    "a word": (
        lambda: learnt().learn_one({"a": "red", "b": 1.0}, "x"),
        "x must have numbers as features; got 'red' as 'a', leave it out or encode it",
    ),
    "nothing": (
        lambda: learnt().predict_one({"a": None}),
        "x must have numbers .* got None as 'a'",
    ),
    "NaN": (
        lambda: learnt().learn_one({"a": np.nan}, "x"),
        "float32; got nan as 'a', leave",
    ),
    "too large": (lambda: number().learn_one({"a": 1e300, "b": 1}, 1), r"got 1e\+300 as 'a'"),
    "a word for a number": (
        lambda: number().learn_one({"a": 1.0}, "red"),
        "y must be a number; go",
    ),
    "NaN for a number": (lambda: number().learn_one({"a": 1.0}, np.nan), "y must be finite"),
    "asked of NaN": (lambda: learnt().predict_one({"a": 1, "b": np.nan}), "got nan as 'b', leave"),
    "a number asked of NaN": (lambda: numbers().predict_one({"b": -np.inf}), "got -inf as 'b'"),
    "no class": (lambda: learnt(3).learn_one({"a": 1.0}, None), "y must be a class; got None, lea"),
    "NaN for a class": (lambda: learnt(3).learn_one({"a": 1.0}, np.nan), "a class; got nan, leave"),
    "a list for a class": (
        lambda: learnt().learn_one({"a": 1.0}, ["x"]),
        r"y must be a class, such as a word or a number; got \['x'\]",
    ),
    "three features at once": (
        lambda: number().learn_one({"a": 1.0, "b": 1.0, "c": 1.0}, 1.0),
        "2 inputs are for; got 'c' beside 'a', 'b', leave",
    ),
    "one row for a batch": (
        lambda: normal(river.Classifier).learn_one({"a": 1.0}, "x"),
        "model must be without BatchNorm to learn one row.* use learn_many",
    ),
    "one row for a batch of numbers": (
        lambda: normal(river.Regressor).learn_one({"a": 1.0}, 1.0),
        "model must be without BatchNorm to learn one row.* use learn_many",
    ),
    "an array": (
        lambda: number().learn_many(np.ones((3, 2)), np.ones(3)),
        "X must be a data frame whose columns are the features; got array",
    ),
}


def test_rows_of_a_frame_teach_a_network_with_batch_normalisation():
    pandas = pytest.importorskip("pandas")
    frame, own = pandas.DataFrame(ROWS[:, :2], columns=["a", "b"]), normal(river.Regressor)
    before = own.trainer.network.parameters["layers.0.weight"].copy()
    own.learn_many(frame, pandas.Series(ROWS[:, 1]))
    assert (own.trainer.network.parameters["layers.0.weight"] != before).any()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learnt_is_refused_and_no_step_is_taken(name):
    call, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_a_row_that_is_refused_changes_nothing():
    model = learnt()
    before = parameters(model.trainer)
    for x, y in (({"a": np.nan}, "x"), ({"a": "1"}, "x"), ({"c": 1}, "x"), ({"a": 1}, "z")):
        with pytest.raises((TypeError, ValueError)):
            model.learn_one(x, y)
    for a, b in zip(parameters(model.trainer), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.trainer.n_steps == 2


@pytest.mark.parametrize(("x", "y"), [
    ({"b": np.inf}, "l"), ({"b": "red"}, "l"), ({"b": 1.0}, None), ({"b": 1.0, "c": 1, "d": 1}, "l")
])  # fmt: skip
def test_a_row_that_is_refused_takes_no_place_of_a_feature_or_a_class(x, y):
    model = river.Classifier([2, 4, 2], fd.SGD(0.1))
    with pytest.raises((TypeError, ValueError)):
        model.learn_one(x, y)
    model.learn_one({"e": 1.0, "f": 2.0}, "r")
    model.learn_one({"e": 1.0, "f": 2.0}, "s")
    assert list(model.predict_proba_one({"e": 1.0})) == ["r", "s"]


def test_rows_and_numbers_that_are_refused_take_no_place_either():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"b": [1.0, np.nan], "c": [1.0, 2.0]})
    classes, numbers = river.Classifier([2, 4, 2], fd.SGD(0.1)), number()
    for call in (
        lambda: classes.learn_many(frame, ["p", "q"]),
        lambda: classes.learn_many(frame.fillna(0), ["p"]),
        lambda: numbers.learn_many(frame, [1.0, 2.0]),
        lambda: numbers.learn_many(frame.fillna(0), [1.0, np.nan]),
        lambda: numbers.learn_one({"b": 1.0}, np.nan),
    ):
        with pytest.raises(ValueError, match="must"):
            call()
    good = pandas.DataFrame({"e": [1.0, 2.0], "f": [1.0, 2.0]})
    classes.learn_many(good, ["r", "s"])
    numbers.learn_many(good, [1.0, 2.0])
    assert list(classes.predict_proba_one({"e": 1.0})) == ["r", "s"]
    with pytest.raises(ValueError, match=r"got nan at row 1 in 'e', use X\.fillna"):
        numbers.predict_many(pandas.DataFrame({"f": [1.0, 2.0], "e": [0.0, np.nan]}))


def test_in_pipelines_and_evaluations_of_river():
    pytest.importorskip("river")
    from river import datasets, evaluate, metrics, preprocessing

    scaled = preprocessing.StandardScaler() | river.Classifier([9, 16, 1], fd.Adam(0.01))
    found = evaluate.progressive_val_score(datasets.Phishing(), scaled, metrics.Accuracy())
    assert found.get() > 0.85
    again = scaled.clone()
    assert again["Classifier"].trainer.n_steps == 0
    numbers = preprocessing.StandardScaler() | river.Regressor([3, 16, 1], fd.Adam(0.01))
    rows = [(dictionary(row), float(row[0])) for row in np.tile(ROWS, (20, 1))]
    assert evaluate.progressive_val_score(rows, numbers, metrics.MAE()).get() < 0.3


@pytest.mark.parametrize(("kind", "y"), [(river.Classifier, "up"), (river.Regressor, 1.0)])
def test_ctrl_c_in_a_step_goes_on_to_the_caller(kind, y, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    model = kind([3, 1], fd.SGD(0.1))
    monkeypatch.setattr(fd.Trainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.learn_one(dictionary(ROWS[0]), y)
