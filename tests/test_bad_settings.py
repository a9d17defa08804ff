"""Bad settings, for every public function: an error that names what is wrong.

A new function is a row or two of SETTINGS; the remedy is followed, and the second try succeeds: see
``remedies``. Bad arrays are in test_bad_input.py, bad files in test_bad_files.py.
"""

import contextlib
import inspect
import os
import re
import shutil

import numpy as np
import pytest

import fastdl as fd
from fastdl import datasets, init, ops, schedules
from fastdl.datasets import _download
from tests import public, remedies
from tests.cases import OPS, named

# --- settings of ops, by the name of the parameter -----------------------------------------------

NOT_REAL = (None, "1", True, 1j, np.nan, np.inf, 10**400, np.ones(2), [1.0])
NOT_INTEGER = (None, "1", 1.5, True, np.ones(2), 0, -1, 2**31, 10**400)
NOT_PENALTY = (*NOT_REAL, -1e-9)
NOT_SHARE = (*NOT_PENALTY, 1.0)
NOT_POSITIVE = (*NOT_PENALTY, 0.0)
NOT_COUNTER = (None, "1", 1.5, True, -1, 2**63)
WRONG = {
    "margin": NOT_PENALTY,
    "label_smoothing": NOT_SHARE,
    "delta": NOT_POSITIVE,
    "q": (*NOT_POSITIVE, 1.0),
    "l1": NOT_PENALTY,
    "l2": NOT_PENALTY,
    "learning_rate": NOT_PENALTY,
    "weight_decay": NOT_PENALTY,
    "epsilon": NOT_PENALTY,
    "momentum": NOT_SHARE,
    "beta1": NOT_SHARE,
    "beta2": NOT_SHARE,
    "t": NOT_INTEGER,
    "rate": NOT_SHARE,
    "seed": NOT_COUNTER,
    "step": NOT_COUNTER,
    "layer": NOT_COUNTER,
    "n_threads": ("1", 1.5, True, 0, -1),
    "activation": (None, "Relu", "softmax", 3, ["relu"]),
    "dtype": (None, "nonsense", "float16", int, complex, ">f4", object()),
}
FLAGS = ("transpose_a", "transpose_b", "nesterov")
PARAMETERS = {op: inspect.signature(getattr(ops, op)).parameters for op in ops.__all__}


def naming(*names):
    return rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)"


@pytest.mark.parametrize("op", ops.__all__)
def test_bad_settings_of_an_op_are_refused_by_name(op, arguments, call):
    for name in set(PARAMETERS[op]) & set(WRONG):
        for value in WRONG[name]:
            with pytest.raises((TypeError, ValueError, OverflowError), match=naming(name)):
                call(ops, op, arguments(op) | {name: value})


@pytest.mark.parametrize("op", ["bias_activation", "bias_activation_backward"])
def test_a_wrong_activation_is_refused_also_where_there_is_nothing_to_do(op):
    with pytest.raises(ValueError, match="activation must be one of"):
        getattr(ops, op)(
            np.zeros((0, 3)), np.zeros(3) if op == "bias_activation" else np.zeros((0, 3)), "x"
        )


@pytest.mark.parametrize("op", ops.__all__)
def test_every_setting_of_an_op_is_tested(op):
    assert set(PARAMETERS[op]) <= set(OPS[op].arrays) | set(WRONG) | set(FLAGS)


# --- constructors and methods --------------------------------------------------------------------

X, Y = np.ones((6, 3)), np.array([0, 1, 1, 0, 1, 0])


def net(**settings):
    return fd.Network([3, 4, 2], **settings)


def trainer(optimiser=None, **settings):
    return fd.Trainer(net(), optimiser or fd.SGD(0.1), **{"batch_size": 2, **settings})


def fit(**settings):
    return trainer().fit(X, Y, **settings)


def train(**settings):
    return trainer(**settings).fit(X, Y)


def of_numbers(class_weight):
    network = fd.Network([3, 2], loss="mse")
    return fd.Trainer(network, fd.SGD(0.1)).fit(X, np.ones((6, 2)), class_weight=class_weight)


def range_test(**settings):
    return trainer().range_test(X, Y, **settings)


def blown_up(low):
    return range_test(low=low, high=1e301).suggestion


def stopping(monitor, mode=None, **settings):
    return fit(callbacks=[fd.EarlyStopping(monitor, mode=mode)], **settings)


def logged_twice(path):
    """By one trainer, to a file that has the columns of its first fit."""
    made = trainer()
    made.fit(X, Y, callbacks=[fd.CSVLog("log.csv")])
    return made.fit(X, Y, validation=(X, Y), callbacks=[fd.CSVLog(path)])


def hits(y, predicted):
    return float((y == predicted).sum())


def in_words_of_its_own(pictures, classes, first, second, strength):
    return net().gradients(pictures, classes)


def fails(x, y):
    raise RuntimeError("a slip of mine")


class Rates:
    """A schedule that answers whatever it is told to."""

    def __init__(self, answer):
        self.answer = answer

    def rates(self, steps, steps_per_epoch):
        return self.answer


def scheduled(rates):
    return trainer(fd.SGD(Rates(rates))).fit(X, Y)


NOT_BOOLEAN = (None, "no", 0, 1, 1.0, [])
NOT_COUNT = (None, "1", 1.5, True, 0, -1, 2**31)
NOT_SEED = ("1", 1.5, True, -1, 2**63)
NOT_WIDTHS = (
    None,
    3,
    "ab",
    [],
    [3],
    [3, 0, 2],
    [3, -2, 2],
    [3, 2.0, 2],
    [3, True, 2],
    [3, 2**31, 2],
    {3, 2},
    [[3, 2]],
)
NOT_SHUFFLE = ("all", 3, True, False, 0)
NOT_PATH = (None, 1.5, ["a"])
FOREIGN = tuple(f"one{each}" for each in (
    ".npz", ".npy", ".pkl", ".pickle", ".joblib", ".h5", ".hdf5", ".keras", ".pt", ".PTH", ".json",
    ".parquet", ".xlsx", ".onnx",
))  # fmt: skip
NOT_SAFETENSORS = (*NOT_PATH, *FOREIGN, "one.csv")
NOT_CSV = (*NOT_PATH, *FOREIGN, "one.safetensors")
NOT_MODE = ("rise", 3, True, ["max"], "auto")
NOT_NAME = (None, 3, "svhn", ["mnist"])
NOT_UNIT = (None, "epochs", 3)
HOLED = np.where(np.arange(18).reshape(6, 3) == 4, np.nan, X)
ENTRIES = [  # of Network.from_config: two layers that go together, and one that does not
    {"input": 3, "output": 4, "nonlinear": "relu", "regularization": "l2"},
    {"input": 4, "output": 2, "nonlinear": "softmax"},
    {"input": 5, "output": 2, "nonlinear": "softmax"},
]
WRONG_ENTRIES = {  # by the loss
    "cross-entropy": [
        {"nonlinear": "none"}, {"nonlinear": "relu"}, {"regularization": "l3"}, {"outputs": 2},
        *({"input": value} for value in NOT_COUNT),
    ],
    "MSE": [
        *({"nonlinear": value} for value in (None, "tanhh", 3, "softmax")),
        *({"output": value, "nonlinear": "none"} for value in NOT_COUNT),
    ],
}  # fmt: skip
AUDITED = {"function": net().gradients, "net": net(), "x": X, "y": Y}
REFUSALS = (TypeError, ValueError, OverflowError, LookupError)


def identify(value):
    return re.sub(r" at 0x\w+|\s+", " ", repr(value))[:40]


SETTINGS = [  # called with, the argument that the message names, wrong values, other arguments
    (fd.Network, "layers", NOT_WIDTHS),
    (fd.Network, "layers", [[fd.Dense(3, 4), last] for last in (5, None, 0, fd.Dense(5, 2))]),
    (fd.Network, "layers", ([5, fd.Dense(3, 2)], [fd.Dense(3, 4), None, fd.Dense(2, 2)])),
    *(
        (fd.Network, "layers", ([3, 1], (3, 4, 1), [fd.Dense(3, 1)]), {"loss": loss})
        for loss in ("softmax_cross_entropy", "hinge", "sigmoid_cross_entropy")
    ),
    (net, "activation", WRONG["activation"]),
    (net, "loss", (None, "cross_entropy", 3)),
    (net, "init", (None, "kaiming", 3)),
    (net, "dtype", WRONG["dtype"]),
    (net, "seed", NOT_SEED),
    (net, "margin", NOT_PENALTY[1:], {"loss": "hinge"}),
    (net, "margin", (0.5,)),
    (net, "loss", (fd.losses.Hinge,)),
    (fd.losses.Hinge, "margin", NOT_PENALTY),
    (fd.losses.SoftmaxCrossEntropy, "label_smoothing", NOT_SHARE),
    (fd.losses.Huber, "delta", NOT_POSITIVE),
    (fd.losses.Quantile, "q", (*NOT_POSITIVE, 1.0)),
    (fd.Network, "layers", ([fd.Dense(3, 1)], [fd.Dense(3, 4), fd.Dense(4, 2, "relu")]),
     {"loss": "poisson"}),
    (net, "scaling", (5, np.ones(3), fd.Scaling.divided(4))),
    (net, "scaling", (fd.Scaling(np.zeros(3), np.full(3, 1e-60)),)),
    (net().copy, "dtype", WRONG["dtype"][1:]),
    (net().set_penalty, "l1", NOT_PENALTY[1:]),
    (net().set_penalty, "l2", NOT_PENALTY[1:]),
    (net().logits, "n_threads", WRONG["n_threads"], {"x": X}),
    (net().predict, "n_threads", WRONG["n_threads"], {"x": X}),
    (net().predict_proba, "n_threads", WRONG["n_threads"], {"x": X}),
    (net().evaluate, "n_threads", WRONG["n_threads"], {"x": X, "y": Y}),
    (fd.Network.from_config, "config", (None, 3, [], ["relu"], [None], [{}], ENTRIES[0])),
    *(
        (fd.Network.from_config, "config", [[ENTRIES[1] | wrong] for wrong in entries],
         {"loss": loss})
        for loss, entries in WRONG_ENTRIES.items()
    ),
    (fd.Network.from_config, "config", (ENTRIES[::2], [ENTRIES[1], ENTRIES[1] | {"input": 2}])),
    (fd.Network.from_config, "loss", (None, "hinge", 3), {"config": ENTRIES[:2]}),
    (fd.Network.from_config, "weight_decay", NOT_PENALTY, {"config": ENTRIES[:2]}),
    (fd.Dense, "d", NOT_COUNT[1:], {"h": 2}),
    (fd.Dense, "h", NOT_COUNT, {"d": None}),
    (fd.Dense, "h", NOT_COUNT[1:], {"d": 3}),
    (fd.Dense, "activation", WRONG["activation"], {"d": 3, "h": 2}),
    (fd.Dense, "l1", NOT_PENALTY, {"d": 3, "h": 2}),
    (fd.Dense, "l2", NOT_PENALTY, {"d": 3, "h": 2}),
    (lambda init: fd.Network([fd.Dense(3, 2, init=init)]), "init", ("kaiming", 3)),
    (fd.BatchNorm, "momentum", NOT_SHARE),
    (fd.BatchNorm, "epsilon", NOT_POSITIVE),
    (fd.BatchNorm, "activation", WRONG["activation"]),
    (fd.BatchNorm, "d", NOT_COUNT[1:]),
    (fd.Activation, "activation", WRONG["activation"]),
    (fd.Dropout, "rate", NOT_SHARE),
    (fd.Dropout, "d", NOT_COUNT[1:], {"rate": 0.5}),
    (fd.Network, "layers", ([fd.Dense(5), fd.Dense(3)], [fd.Dropout(0.5), fd.Dense(3)])),
    (fd.Network, "layers", ([fd.Dense(3, 4), fd.Dropout(0.5)], [fd.Dropout(0.5)])),
    (fd.Network, "layers", ([fd.Dropout(0.5, 4), fd.Dense(3, 2)],)),
    (fd.Network, "layers", ([fd.Dense(3, 4), fd.Dropout(0.5, 3), fd.Dense(2)],)),
    (fd.Network, "layers", ([fd.Dense(3, 4), fd.BatchNorm(d=3), fd.Dense(2)],)),
    (fd.Network, "layers", ([fd.Dropout(0.5), 3, fd.Dense(2)],)),
    (fd.init.Normal, "sigma", NOT_PENALTY),
    (fd.Scaling, "scale", (np.ones(2), np.ones((3, 1)), 1.0, np.full(3, np.inf)),
     {"shift": np.ones(3)}),
    (fd.Scaling.divided, "d", NOT_COUNT),
    (fd.Scaling.divided, "divisor", NOT_POSITIVE, {"d": 3}),
    (fd.Scaling.centred, "divisor", NOT_POSITIVE, {"x": X}),
    (fd.Trainer, "network", (None, 5, fd.Network), {"optimiser": fd.SGD(0.1)}),
    (fd.Trainer, "optimiser", (None, 0.1, "sgd", "Adam", fd.SGD), {"network": net()}),
    (trainer, "drop_last", NOT_BOOLEAN),
    (trainer, "batch_size", NOT_COUNT),
    (trainer, "l1", NOT_PENALTY[1:]),
    (trainer, "l2", NOT_PENALTY[1:]),
    (trainer, "clip_norm", NOT_POSITIVE[1:]),
    (trainer, "shuffle", NOT_SHUFFLE),
    (trainer, "seed", NOT_SEED),
    (trainer, "n_threads", WRONG["n_threads"]),
    (train, "batch_size", (7, 100), {"drop_last": True}),
    (fit, "progress", NOT_BOOLEAN[1:]),
    (fit, "epochs", NOT_COUNT),
    (fit, "record", ("step", 1.5, True, 0, -1)),
    (fit, "train_metrics", ("all", 3)),
    (
        fit, "validation",
        (5, X, (X,), (X, Y, Y / 1, Y), {"x": X}, (X, None), (None, Y), (HOLED, Y),
         (X, Y, Y / 0.5 - 1), (X, Y, np.zeros(6)), (X, Y, X)),
    ),
    (fit, "validation_split", (*NOT_SHARE[1:], 0.05, 0.95)),
    (fit, "validation_split", (0.5,), {"validation": (X, Y)}),
    (fit, "validation", (None,), {"callbacks": [fd.OverfitWatch()]}),
    (
        fit, "metrics",
        (5, [print], print, {3: hits}, {"f1": None}, {"": hits}, {"loss": hits}, {"val_f1": hits},
         {"seconds": hits}, {"r2": hits}, {"f1": lambda *_: "1"}, {"f1": lambda *_: None},
         {"f1": lambda *_: True}, {"f1": lambda *_: np.ones(2)}, {"f1": len},
         {"f1": lambda y: 1.0}, {"f1": lambda y, p, more: 1.0}),
    ),
    (fit, "record", (None,), {"metrics": {"f1": hits}}),
    (fit, "train_metrics", ("batches",), {"metrics": {"f1": hits}}),
    (fit, "callbacks", (5, [None], [object()], fd.CSVLog("log"))),
    (fit, "record", (None,), {"callbacks": [fd.EarlyStopping("loss")]}),
    (lambda **settings: fit(**settings).last, "record", (None,)),
    (lambda **settings: fit(**settings)["loss"], "record", (None,)),
    (lambda **settings: fit(**settings).plot(), "record", (None,)),
    (
        fit, "class_weight",
        (3, "even", [1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan], ["a", "b"], [1j, 1.0],
         {2: 1.0}, {-1: 1.0}, {"a": 1.0}, {"0": 1.0}, {0.5: 1.0}, {None: 1.0}, {0: -1.0},
         {0: None}, {0: np.nan}, {0: 0.0, 1: 0.0}),
    ),
    (of_numbers, "class_weight", ([1.0, 2.0],)),
    (fit, "sample_weight", (np.full(6, 1e300),), {"class_weight": [1e300, 1e300]}),
    (range_test, "low", NOT_POSITIVE),
    (range_test, "high", (*NOT_REAL, 1e-5)),
    (range_test, "steps", (*NOT_COUNT, 1)),
    (blown_up, "low", (1e300,)),
    (fd.check_gradients, "network", (None, 5), {"x": X, "y": Y}),
    (fd.check_gradients, "step", NOT_POSITIVE, {"network": net(), "x": X, "y": Y}),
    (fd.check_gradients, "tolerance", NOT_POSITIVE, {"network": net(), "x": X, "y": Y}),
    (
        fd.audit_gradients, "function",
        (None, 5, "text", in_words_of_its_own, fails, lambda x, y: None, lambda x, y: "text",
         lambda x, y: [x, x, x]),
        AUDITED,
    ),
    (fd.audit_gradients, "net", (None, 5), AUDITED),
    (fd.audit_gradients, "l2", NOT_PENALTY, AUDITED),
    (fd.audit_gradients(**AUDITED).of, "name", (None, 3, "W1", "layers.0.weights")),
    (fd.SGD, "learning_rate", NOT_PENALTY),
    (fd.SGD, "momentum", NOT_SHARE, {"learning_rate": 0.1}),
    (fd.SGD, "nesterov", (True,), {"learning_rate": 0.1}),
    (fd.Adam, "learning_rate", NOT_PENALTY),
    (fd.Adam, "beta1", NOT_SHARE),
    (fd.Adam, "beta2", NOT_SHARE),
    (fd.Adam, "epsilon", NOT_POSITIVE),
    (fd.AdamHat, "learning_rate", NOT_PENALTY),
    (fd.AdamHat, "beta1", NOT_SHARE),
    (fd.AdamHat, "beta2", NOT_SHARE),
    (fd.AdamHat, "epsilon", NOT_POSITIVE),
    (fd.AdamW, "learning_rate", NOT_PENALTY),
    (fd.AdamW, "weight_decay", NOT_PENALTY),
    (fd.AdamW, "beta1", NOT_SHARE),
    (fd.AdamW, "beta2", NOT_SHARE),
    (fd.AdamW, "epsilon", NOT_POSITIVE),
    (schedules.Constant, "rate", NOT_PENALTY),
    (schedules.ExponentialDecay, "rate", NOT_PENALTY, {"decay": 0.5}),
    (schedules.ExponentialDecay, "decay", (*NOT_POSITIVE, 1.1), {"rate": 1.0}),
    (schedules.ExponentialDecay, "every", NOT_POSITIVE, {"rate": 1.0, "decay": 0.5}),
    (schedules.ExponentialDecay, "unit", NOT_UNIT, {"rate": 1.0, "decay": 0.5}),
    (schedules.ExponentialDecay, "floor", NOT_PENALTY, {"rate": 1.0, "decay": 0.5}),
    (schedules.StepDecay, "rate", NOT_PENALTY),
    (schedules.StepDecay, "factor", (*NOT_POSITIVE, 1.0), {"rate": 1.0}),
    (schedules.StepDecay, "every", NOT_COUNT, {"rate": 1.0}),
    (schedules.Triangular, "low", NOT_PENALTY, {"high": 1.0, "half_cycle": 5}),
    (schedules.Triangular, "high", (*NOT_REAL, 0.05), {"low": 0.1, "half_cycle": 5}),
    (schedules.Triangular, "half_cycle", NOT_COUNT, {"low": 0.1, "high": 1.0}),
    (schedules.Triangular, "unit", NOT_UNIT, {"low": 0.1, "high": 1.0, "half_cycle": 5}),
    (schedules.Cosine, "high", (*NOT_REAL, -1.0), {"steps": 5}),
    (schedules.Cosine, "steps", NOT_COUNT, {"high": 1.0}),
    (schedules.Cosine, "low", NOT_PENALTY, {"high": 1.0, "steps": 5}),
    (schedules.Cosine, "unit", NOT_UNIT, {"high": 1.0, "steps": 5}),
    (schedules.Warmup, "schedule", (*NOT_PENALTY, schedules.Cosine), {"steps": 5}),
    (schedules.Warmup, "steps", NOT_COUNT, {"schedule": 0.1}),
    (schedules.Warmup, "unit", NOT_UNIT, {"schedule": 0.1, "steps": 5}),
    (
        scheduled, "rates",
        (None, "abc", np.full(2, 0.1), np.full(4, 0.1), np.full((3, 1), 0.1),
         np.array([0.1, -0.1, 0.1]), [0.1, np.nan, 0.1]),
    ),
    (fd.EarlyStopping, "monitor", (None, 3)),
    (stopping, "monitor", ("val_loss", "nonsense", "accuracyy")),
    (stopping, "mode", (None,), {"monitor": "f1", "metrics": {"f1": hits}}),
    (fd.EarlyStopping, "patience", NOT_COUNT),
    (fd.EarlyStopping, "min_delta", NOT_PENALTY),
    (fd.EarlyStopping, "mode", NOT_MODE),
    (fd.ReduceOnPlateau, "monitor", (None, 3)),
    (lambda monitor: fit(callbacks=[fd.ReduceOnPlateau(monitor)]), "monitor", ("val_los", "zzz")),
    (fd.ReduceOnPlateau, "factor", (*NOT_POSITIVE, 1.0)),
    (fd.ReduceOnPlateau, "patience", NOT_COUNT),
    (fd.ReduceOnPlateau, "min_delta", NOT_PENALTY),
    (fd.ReduceOnPlateau, "least", NOT_PENALTY),
    (fd.ReduceOnPlateau, "mode", NOT_MODE),
    (
        lambda factor: fit(callbacks=[fd.Snapshot(1, lambda run: run.scale_rate(factor))]),
        "factor", NOT_POSITIVE,
    ),
    (fd.CSVLog, "path", NOT_CSV),
    (logged_twice, "path", ("log.csv",)),
    (fd.Snapshot, "every", NOT_COUNT, {"take": print}),
    (fd.Snapshot, "take", (None, 5), {"every": 1}),
    (fd.Checkpoint, "path", NOT_SAFETENSORS),
    (fd.Checkpoint, "every", NOT_COUNT, {"path": "net"}),
    (fd.Checkpoint, "unit", NOT_UNIT, {"path": "net"}),
    (fd.Checkpoint, "best", (3, ["loss"]), {"path": "net"}),
    (fd.Checkpoint, "every", (2,), {"path": "net", "best": "loss"}),
    (fd.Checkpoint, "unit", ("step",), {"path": "net", "best": "loss"}),
    (
        lambda best: fit(callbacks=[fd.Checkpoint("net", best=best)]),
        "best", ("val_loss", "nonsense"),
    ),
    (fd.Checkpoint, "mode", NOT_MODE, {"path": "net", "best": "loss"}),
    (fd.Checkpoint, "mode", ("max", "min"), {"path": "net"}),
    (lambda path: trainer().resume(path), "path", NOT_PATH),
    (fd.OverfitWatch, "threshold", NOT_PENALTY),
    (fd.OverfitWatch, "stop", NOT_BOOLEAN),
    (net().save, "path", NOT_SAFETENSORS),
    (fd.Network.load, "path", NOT_PATH),
    (fd.GradientCheck((), 1.0).of, "kind", (None, 3, "weights")),
    (init.get, "init", (None, 3, "kaiming")),
    (lambda learning_rate: schedules.get(learning_rate), "learning_rate", NOT_PENALTY),
    (datasets.load_cifar10, "train", (None, 1, "1", [], [1.0], [True], [6], [1, 1])),
    (datasets.load_cifar10, "validation", (None, "2", 1.5, True, -1, [1])),
    (datasets.load_cifar10, "seed", NOT_SEED, {"validation": 5}),
    (datasets.load_cifar10, "data_dir", NOT_PATH[1:]),
    (datasets.load_mnist, "validation", (None, "1", 1.5, True, -1, 60_000)),
    (datasets.load_mnist, "data_dir", NOT_PATH[1:]),
    (datasets.load_fashion_mnist, "validation", (None, "1", 1.5, True, -1, 60_000)),
    (datasets.load_fashion_mnist, "data_dir", NOT_PATH[1:]),
    (datasets.load_kmnist, "validation", (None, "1", 1.5, True, -1, 60_000)),
    (datasets.load_kmnist, "data_dir", NOT_PATH[1:]),
    (datasets.load_emnist, "split", NOT_NAME),
    (datasets.load_emnist, "validation", (None, "1", 1.5, True, -1, 112_800)),
    (datasets.load_emnist, "data_dir", NOT_PATH[1:]),
    (datasets.load_cifar100, "labels", NOT_NAME),
    (datasets.load_cifar100, "validation", (None, "2", 1.5, True, -1, 50_000)),
    (datasets.load_cifar100, "seed", NOT_SEED),
    (datasets.load_cifar100, "data_dir", NOT_PATH[1:]),
    (datasets.load_idx, "path", NOT_PATH),
    (datasets.stand_in, "name", NOT_NAME),
    (datasets.stand_in, "n", NOT_COUNT, {"name": "cifar10"}),
    (datasets.stand_in, "seed", NOT_SEED, {"name": "cifar10", "n": 9}),
    (datasets.download, "name", NOT_NAME),
    (datasets.download, "data_dir", NOT_PATH[1:], {"name": "mnist"}),
    (datasets.provenance, "name", NOT_NAME),
    (datasets.provenance, "data_dir", NOT_PATH[1:], {"name": "mnist"}),
    (fit().to_csv, "path", NOT_CSV),
    (fit().plot, "x", (None, 3, "nonsense", "loss")),
]  # fmt: skip
ROWS = [
    pytest.param(call, name, [{**more, name: value} for value in values], id=f"{i}-{name}")
    for i, (call, name, values, more) in enumerate((*row, {})[:4] for row in SETTINGS)
]
NO_REMEDY = (  # nobody can know what belongs where nothing was given, or words
    "must be an array; got None",
    "must hold real numbers; got words",
)


# What a trainer has is checked when it is set; what it has no setter for cannot be set.
SETTERS = {
    "batch_size": NOT_COUNT,
    "l1": NOT_PENALTY[1:],
    "l2": NOT_PENALTY[1:],
    "shuffle": NOT_SHUFFLE,
    "drop_last": NOT_BOOLEAN,
    "n_threads": WRONG["n_threads"],
}
READ_ONLY = ("network", "optimiser", "seed", "epoch", "step", "learning_rate", "bacth_size")


@pytest.mark.parametrize("name", SETTERS)
def test_a_bad_setting_is_refused_when_it_is_set(name):
    made = trainer()
    before = getattr(made, name)
    for value in SETTERS[name]:
        with pytest.raises((TypeError, ValueError, OverflowError), match=naming(name)):
            setattr(made, name, value)
    assert getattr(made, name) == before


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_a_trainer_goes_by_cannot_be_set(name):
    with pytest.raises(AttributeError, match=naming(name)):
        setattr(trainer(), name, 1)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The file of a fit that can be gone on with."""
    path = tmp_path_factory.mktemp("fit") / "fit"
    fit(callbacks=[fd.Checkpoint(path)])
    return path


@pytest.fixture
def path(fitted, tmp_path, monkeypatch):
    """Of a copy of that fit, in a folder of its own; no data set is to be had."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(_download, "REMOTES", dict.fromkeys(_download.REMOTES, ()))
    return str(shutil.copy(fitted, tmp_path / "fit"))


@pytest.mark.parametrize(("call", "name", "settings"), ROWS)
def test_bad_settings_are_refused_by_name_and_the_remedy_works(call, name, settings, fitted, path):
    for given in settings:
        shutil.copy(fitted, path)
        with named(identify(given[name])):
            with pytest.raises(REFUSALS, match=naming(name)) as caught:
                call(**given)
            message = str(caught.value.args[0])
            if any(words in message for words in NO_REMEDY):
                continue
            second = remedies.follow(message, name, given, network=net(), x=X, y=Y, path=path)
            with contextlib.suppress(datasets.DatasetError):  # of which none is there
                call(**second)


PUBLIC = dict(public.functions())
OURS = (  # the library makes these, or calls them with what it has checked
    *("Error", "Evaluation", "GradientAudit", "GradientCheck", "RangeTest", "Run", "Provenance"),
    *("Init", "Schedule"),
    *("from_torch", "to_torch", "from_keras"),  # which need other libraries: test_interop.py
    "to_onnx",  # likewise: test_export.py
    *("on_check", "on_begin", "on_record", "on_step", "on_epoch", "on_interrupt", "on_finish"),
    *("on_end", "stop", "keep", "keeps", "go_back", "is_at", "append", "draw", "rates"),
)
ANYTHING = {"nesterov", "drop_last", "progress", "stop"}  # has a truth value
ANYTHING |= {"x", "settings"}  # a column of the history; Network's own
SETTINGS_OF = {
    name: {p.name for p in public.parameters(function) if "rray" not in str(p.annotation)}
    for name, function in PUBLIC.items()
    if not name.startswith("ops.") and not name.endswith(OURS)
}


@pytest.mark.parametrize("name", [name for name, settings in SETTINGS_OF.items() if settings])
def test_every_public_function_with_settings_has_its_rows(name):
    """By name: every function is called above, and each of its settings is told."""
    last = name.rpartition(".")[2]
    assert re.search(rf"\.{last}\b", inspect.getsource(inspect.getmodule(net)))
    assert SETTINGS_OF[name] - ANYTHING <= {row[1] for row in SETTINGS}


def test_networks_that_no_machine_holds_are_refused(little_memory):
    for widths in ([2**31 - 1, 2**31 - 1], [2**31 - 1] * 4, [2**20, 2**20]):
        with pytest.raises((MemoryError, OverflowError, ValueError)):
            fd.Network(widths)


def test_numbers_of_numpy_are_numbers(tmp_path):
    layers = [fd.Dense(np.int64(3), np.int32(2), l1=np.float32(0.5), l2=np.float64(0.25))]
    network = fd.Network(layers, seed=np.int64(1), loss="hinge", margin=np.float32(1))
    network.save(tmp_path / "net")
    assert fd.Network.load(tmp_path / "net").layers == network.layers
    trained = trainer(batch_size=np.int32(2)).fit(X, Y, epochs=np.int8(2), record=np.int64(2))
    assert trained["step"].tolist() == fit(epochs=2, record=2)["step"].tolist() == [2, 4, 6]


def test_a_file_number_is_no_path():
    for write in (fit().to_csv, lambda number: fit(callbacks=[fd.CSVLog(number)])):
        number = os.open(os.devnull, os.O_WRONLY)
        with pytest.raises(TypeError, match="path"):
            write(number)
        os.close(number)
