"""_keywords.py: a keyword that is not there is told what to write; nothing else changes."""

import inspect
import pickle
import re
import traceback
import warnings

import numpy as np
import pytest

import fastdl as fd
import fastdl.sklearn
from fastdl import _keywords
from tests import public

X, Y = np.eye(4), np.array([0, 1, 2, 0])
NET = fd.Network([4, 3])
TRAINER = fd.Trainer(NET, fd.SGD(0.1))
CALLS = {  # what is told of, and that it is a call that works
    "SGD": lambda **more: fd.SGD(0.1, **more),
    "Adam": fd.Adam,
    "Network": lambda *args, **more: fd.Network([4, 3], *args, **more),
    "Network.evaluate": lambda *args, **more: NET.evaluate(X, Y, *args, **more),
    "Dense": lambda **more: fd.Dense(4, **more),
    "Dropout": lambda **more: fd.Dropout(**(more if "p" in more else {"rate": 0.5} | more)),
    "BatchNorm": fd.BatchNorm,
    "Trainer": lambda *args, **more: fd.Trainer(NET, fd.SGD(0.1), *args, **more),
    "Trainer.fit": lambda *args, **more: TRAINER.fit(X, Y, *args, **more),
    "EarlyStopping": fd.EarlyStopping,
    "sklearn.MLPClassifier": fastdl.sklearn.MLPClassifier,
    "sklearn.MLPRegressor": fastdl.sklearn.MLPRegressor,
    "sklearn.NetworkClassifier": lambda **more: fastdl.sklearn.NetworkClassifier(TRAINER, **more),
    "sklearn.NetworkRegressor": lambda **more: fastdl.sklearn.NetworkRegressor(TRAINER, **more),
    "losses.Hinge": fd.losses.Hinge,
    "schedules.Cosine": lambda **more: fd.schedules.Cosine(0.1, 10, **more),
}
TOLD = [
    ("SGD", "lr", "; use learning_rate"),
    ("SGD", "weight_decay", ", which is l2 of fd.Trainer (weight_decay / 2)"),
    ("SGD", "momentm", ", did you mean 'momentum'?"),
    ("SGD", "amsgrad", "; it takes learning_rate, momentum, nesterov"),
    ("Adam", "betas", "; use beta1 (and beta2)"),
    ("Network", "random_state", "; use seed"),
    ("Network", "dropout", "; use fd.Dropout(0.5) among the layers"),
    ("Network", "learning_rate", ", which fd.SGD takes"),
    ("Network.evaluate", "batch_size", ", which fd.Trainer takes"),
    ("Dense", "units", "; use h (the number of units, which comes first: fd.Dense(64))"),
    (
        "Dense",
        "in_features",
        "; use d (the number of inputs, which comes before the units: fd.Dense(784, 64))",
    ),
    ("Dense", "weight_decay", "; use l2 (weight_decay / 2)"),
    ("Dense", "use_bias", "; leave it out, layers have biases"),
    ("Dense", "trainable", "; it takes d, h, activation, l1, l2, init"),
    ("Dropout", "p", "; use rate"),
    ("Dropout", "lr", ", which is learning_rate of fd.SGD"),
    ("BatchNorm", "num_features", "; use d"),
    ("BatchNorm", "eps", "; use epsilon"),
    ("Trainer", "optimizer", "; use optimiser"),
    ("Trainer", "max_iter", ", which is epochs of fd.Trainer.fit"),
    ("Trainer", "alpha", "; use l2 (alpha / 2 / batch_size)"),
    ("Trainer.fit", "validation_data", "; use validation"),
    ("Trainer.fit", "shuffle", ", which fd.Trainer takes"),
    ("Trainer.fit", "verbose", "; use progress (False shows no bar)"),
    ("Trainer.fit", "class_weights", ", did you mean 'class_weight'?"),
    ("Trainer.fit", "early_stopping", "; use fd.EarlyStopping('val_loss') among the callbacks"),
    (
        "Trainer.fit",
        "steps_per_epoch",
        "; leave it out, an epoch ends where its rows or batches do",
    ),
    ("Trainer", "device", "; leave it out, a network lives on the CPU"),
    (
        "EarlyStopping",
        "restore_best_weights",
        "; leave it out, EarlyStopping goes back to the best all the same",
    ),
    ("sklearn.MLPClassifier", "lr", "; use learning_rate_init"),
    ("sklearn.MLPClassifier", "epochs", "; use max_iter"),
    ("sklearn.MLPClassifier", "seed", "; use random_state"),
    ("sklearn.MLPRegressor", "n_threads", "; use n_jobs"),
    ("sklearn.MLPRegressor", "weight_decay", ", which is l2 of fd.Trainer (weight_decay / 2)"),
    ("sklearn.NetworkClassifier", "max_iter", "; use epochs"),
    ("sklearn.NetworkRegressor", "batch_size", ", which fd.Trainer takes"),
    ("EarlyStopping", "tol", "; use min_delta"),
    ("losses.Hinge", "delta", ", which fd.losses.Huber takes"),
    ("schedules.Cosine", "eta_min", "; use low"),
]


@pytest.mark.parametrize(("name", "word", "end"), TOLD)
def test_a_keyword_that_is_not_there_is_told_what_to_write(name, word, end):
    CALLS[name]()
    with pytest.raises(TypeError) as caught:
        CALLS[name](**{word: 1})
    assert str(caught.value) == f"{name} takes no {word}{end}"
    assert caught.value.__suppress_context__


def test_the_names_of_other_libraries_are_told_everywhere_and_what_is_told_is_there():
    for name, function in _keywords._answered.items():
        named = inspect.signature(function).parameters
        for word, use in _keywords._ELSEWHERE.items():
            if word in named:
                continue
            told = _keywords._instead(name, word, tuple(named)[1:])
            if use.startswith("leave it out"):
                assert told == f"; {use}"
            elif use.startswith("fd."):
                assert told == f"; use {use}"
                eval(use.partition(" among")[0], {"fd": fd})
            elif owner := re.search(r" of fd\.([\w.]+)", told):
                assert use.partition(" ")[0] in inspect.signature(_of(owner[1])).parameters, name
            else:
                assert told.removeprefix("; use ").partition(" ")[0] in named, (name, word)


def _of(path):
    found = fd
    for each in path.split("."):
        found = getattr(found, each)
    return found


@pytest.mark.parametrize(("name", "first"), [
    ("Network", "layers"), ("Trainer", "network and optimiser"), ("Trainer.fit", "x and y"),
    ("Network.evaluate", "x and y"),
])  # fmt: skip
def test_a_value_without_its_name_is_told_the_names(name, first):
    with pytest.raises(TypeError, match=f"^{name} takes {first} without a name; got . values, use"):
        CALLS[name](10)


@pytest.mark.parametrize(("given", "told"), [
    ((8, 16, 3), "3 values, use fd.Network([8, 16, 3])"),
    ((fd.Dense(8, 16), fd.Dense(3)), "2 values, use fd.Network([...])"),
])  # fmt: skip
def test_layers_that_are_no_list_are_told_to_be_one(given, told):
    with pytest.raises(TypeError) as caught:
        fd.Network(*given)
    assert str(caught.value) == f"Network takes layers as one list; got {told}"
    assert len(fd.Network([*given]).layers) == 2


def test_what_others_raise_passes_as_it_is():
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'optimiser'"):
        fd.Trainer(NET)
    with pytest.raises(TypeError, match="learning_rate must be") as caught:
        fd.SGD("fast")
    places = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert places[1:3] == ["call", "__init__"]

    def own(y, predicted):
        return predicted.mean(banana=3)

    with pytest.raises(TypeError, match="banana") as caught:
        TRAINER.fit(X, Y, metrics={"own": own})
    assert "takes no" not in str(caught.value)


def test_everything_that_is_called_has_the_signature_and_docstring_that_it_had():
    for name, function in _keywords._answered.items():
        told = _of(name)
        expected = list(inspect.signature(function).parameters.values())[1:]
        found = list(inspect.signature(told).parameters.values())
        assert [each for each in found if each.name != "self"] == expected
        method = told.__init__ if inspect.isclass(told) else told
        assert (method.__doc__, method.__qualname__) == (function.__doc__, function.__qualname__)
        any_number = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS  # of which none is unknown
        assert not function.__code__.co_flags & any_number


def test_what_trains_and_answers_row_by_row_is_called_as_it_stands():
    for method in (fd.Trainer.step, fd.Network.predict, fd.Network.logits):
        assert not hasattr(method, "__wrapped__")


def test_every_class_that_is_made_from_settings_is_answered():
    made = {
        name.rpartition(".")[2] for name, value in public.functions()
        if inspect.isclass(value) and public.parameters(value) and not name.startswith("ops.")
    }  # fmt: skip
    results = {"Evaluation", "RegressionEvaluation", "GradientAudit", "GradientCheck", "RangeTest"}
    rest = results | {"DivergenceError", "Provenance", "Run", "Init", "Schedule"}
    assert made - rest <= {name.rpartition(".")[2] for name in _keywords._answered}


def test_objects_are_pickled_and_warnings_name_the_line_of_the_caller():
    assert pickle.loads(pickle.dumps(fd.SGD(0.1))) == fd.SGD(0.1)
    normed = fd.Trainer(
        fd.Network([fd.Dense(4, 3), fd.BatchNorm(), fd.Dense(3)]), fd.SGD(0.1), batch_size=1
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fd.Network([fd.Dense(4, 1, "sigmoid")], loss="binary_cross_entropy")
        normed.fit(X, Y)
        x = np.random.default_rng(0).normal(size=(300, 6))
        y = np.digitize(x[:, 0] + x[:, 1], (-0.6, 0.6))
        far = fd.Trainer(fd.Network([6, 8, 3]), fd.SGD(0.05), batch_size=30)
        far.fit(1e-6 * x, y, epochs=3)
    assert [each.filename for each in caught] == [__file__] * 3
