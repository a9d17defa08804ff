"""Bad settings, for every public function: an error that names what is wrong.

A new function is a row or two of SETTINGS. Bad arrays are in test_bad_input.py, bad files in
test_bad_files.py.
"""

import inspect
import os
import re

import numpy as np
import pytest

import fastdl as fd
from fastdl import datasets, init, ops, schedules
from tests import public

# --- settings of ops, by the name of the parameter -----------------------------------------------

NOT_REAL = (None, "1", True, 1j, np.nan, np.inf, 10**400, np.ones(2), [1.0])
NOT_INTEGER = (None, "1", 1.5, True, np.ones(2), 0, -1, 2**31, 10**400)
NOT_PENALTY = (*NOT_REAL, -1e-9)
NOT_SHARE = (*NOT_PENALTY, 1.0)
WRONG = {
    "margin": NOT_PENALTY,
    "l1": NOT_PENALTY,
    "l2": NOT_PENALTY,
    "learning_rate": NOT_PENALTY,
    "epsilon": NOT_PENALTY,
    "momentum": NOT_SHARE,
    "beta1": NOT_SHARE,
    "beta2": NOT_SHARE,
    "t": NOT_INTEGER,
    "n_threads": ("1", 1.5, True, 0, -1, 10**6),
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
def test_every_setting_of_an_op_is_tested(op, arguments):
    arrays = {name for name, value in arguments(op).items() if isinstance(value, np.ndarray)}
    assert set(PARAMETERS[op]) <= arrays | set(WRONG) | set(FLAGS)


# --- constructors and methods --------------------------------------------------------------------

X, Y = np.ones((6, 3)), np.array([0, 1, 1, 0, 1, 0])


def net(**settings):
    return fd.Network([3, 4, 2], **settings)


def trainer(optimiser=None, **settings):
    return fd.Trainer(net(), optimiser or fd.SGD(0.1), **{"batch_size": 2, **settings})


def fit(**settings):
    return trainer().fit(X, Y, **settings)


def from_config(nonlinear="relu", last="softmax", **settings):
    first = {"input": 3, "output": 4, "nonlinear": nonlinear, "regularization": "l2"}
    return fd.Network.from_config([first, {"input": 4, "output": 2, "nonlinear": last}], **settings)


class Rates:
    """A schedule that answers whatever it is told to."""

    def __init__(self, answer):
        self.answer = answer

    def rates(self, steps, steps_per_epoch):
        return self.answer


def scheduled(answer):
    return trainer(fd.SGD(Rates(answer))).fit(X, Y)


NOT_BOOLEAN = (None, "no", 0, 1, 1.0, [])
NOT_COUNT = (None, "1", 1.5, True, 0, -1, 2**31)
NOT_SEED = ("1", 1.5, True, -1, 2**63)
NOT_POSITIVE = (*NOT_PENALTY, 0.0)
NOT_WIDTHS = (
    None,
    3,
    "ab",
    [],
    [3],
    [3, 0],
    [3, -2],
    [3, 2.0],
    [3, True],
    [3, 2**31],
    {3, 2},
    [[3, 2]],
)
NOT_SHUFFLE = ("all", 3, True)
NOT_PATH = (None, 1.5, ["a"])
NOT_NAME = (None, 3, "svhn", ["mnist"])
SETTINGS = [  # called with, what the message names, wrong values
    (fd.Network, "layers?", NOT_WIDTHS),
    (lambda v: fd.Network([fd.Dense(3, 4), v]), "layers?", (5, None, fd.Dense(5, 2))),
    (lambda v: net(activation=v), "activation", WRONG["activation"]),
    (lambda v: net(loss=v), "loss", (None, "cross_entropy", 3)),
    (lambda v: net(init=v), "init", (None, "kaiming", 3)),
    (lambda v: net(dtype=v), "dtype", WRONG["dtype"]),
    (lambda v: net(seed=v), "seed", NOT_SEED),
    (lambda v: net(margin=v), "margin", NOT_PENALTY),
    (lambda v: net(scaling=v), "scaling", (5, np.ones(3), fd.Scaling.divided(4))),
    (lambda v: net().copy(v), "dtype", WRONG["dtype"][1:]),
    (lambda v: net().set_penalty(l1=v), "l1", NOT_PENALTY[1:]),
    (lambda v: net().set_penalty(l2=v), "l2", NOT_PENALTY[1:]),
    (lambda v: net().logits(X, n_threads=v), "n_threads", WRONG["n_threads"]),
    (lambda v: net().predict(X, n_threads=v), "n_threads", WRONG["n_threads"]),
    (lambda v: net().evaluate(X, Y, n_threads=v), "n_threads", WRONG["n_threads"]),
    (lambda v: net(loss=v).predict_proba(X), "predict_proba", ("hinge", "mse")),
    (fd.Network.from_config, "(config|layers?)", (None, 3, [], ["relu"], [None], [{}])),
    (lambda v: from_config(nonlinear=v), "nonlinear", (None, "tanhh", "softmax", 3)),
    (lambda v: from_config(last=v), "nonlinear", ("none", "relu")),
    (lambda v: from_config(loss=v), "loss", (None, "hinge", 3)),
    (lambda v: from_config(weight_decay=v), "weight_decay", NOT_PENALTY),
    (lambda v: fd.Dense(v, 2), "d", NOT_COUNT),
    (lambda v: fd.Dense(3, v), "h", NOT_COUNT),
    (lambda v: fd.Dense(3, 2, activation=v), "activation", WRONG["activation"]),
    (lambda v: fd.Dense(3, 2, l1=v), "l1", NOT_PENALTY),
    (lambda v: fd.Dense(3, 2, l2=v), "l2", NOT_PENALTY),
    (lambda v: fd.Network([fd.Dense(3, 2, init=v)]), "init", ("kaiming", 3)),
    (fd.init.Normal, "sigma", NOT_PENALTY),
    (lambda v: fd.Scaling(np.ones(3), v), "scale", (np.ones(2), np.ones((3, 1)), 1.0)),
    (fd.Scaling.divided, "d", NOT_COUNT),
    (lambda v: fd.Scaling.divided(3, v), "divisor", NOT_POSITIVE),
    (lambda v: fd.Scaling.centred(X, v), "divisor", NOT_POSITIVE),
    (lambda v: fd.Trainer(v, fd.SGD(0.1)), "network", (None, 5, fd.Network)),
    (lambda v: trainer(drop_last=v), "drop_last", NOT_BOOLEAN),
    (lambda v: fit(progress=v), "progress", NOT_BOOLEAN[1:]),
    (lambda v: fd.Trainer(net(), v), "optimiser", (None, 0.1, "sgd", fd.SGD)),
    (lambda v: trainer(batch_size=v), "batch_size", NOT_COUNT),
    (lambda v: trainer(l1=v), "l1", NOT_PENALTY[1:]),
    (lambda v: trainer(l2=v), "l2", NOT_PENALTY[1:]),
    (lambda v: trainer(shuffle=v), "shuffle", NOT_SHUFFLE),
    (lambda v: trainer(seed=v), "seed", NOT_SEED),
    (lambda v: trainer(n_threads=v), "n_threads", WRONG["n_threads"]),
    (lambda v: trainer(batch_size=v, drop_last=True).fit(X, Y), "batch_size", (7, 100)),
    (lambda v: fit(epochs=v), "epochs", NOT_COUNT),
    (lambda v: fit(record=v), "record", ("step", 1.5, True, 0, -1)),
    (lambda v: fit(train_metrics=v), "train_metrics", (None, "all", 3)),
    (lambda v: fit(validation=v), "validation", (5, X, (X,), (X, Y, Y), (X, None), (None, Y))),
    (lambda v: fit(callbacks=v), "callbacks", (5, [None], [object()])),
    (
        lambda v: fit(class_weight=v), "class_weight",
        (3, "even", [1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan], ["a", "b"], [1j, 1.0],
         {2: 1.0}, {-1: 1.0}, {"a": 1.0}, {0: -1.0}, {0: None}, {0: np.nan}),
    ),
    (lambda v: trainer().range_test(X, Y, low=v), "low", NOT_POSITIVE),
    (lambda v: trainer().range_test(X, Y, high=v), "high", (*NOT_REAL, 1e-5)),
    (lambda v: trainer().range_test(X, Y, steps=v), "steps", (*NOT_COUNT, 1)),
    (lambda v: fd.check_gradients(v, X, Y), "network", (None, 5)),
    (lambda v: fd.check_gradients(net(), X, Y, step=v), "step", NOT_POSITIVE),
    (lambda v: fd.check_gradients(net(), X, Y, tolerance=v), "tolerance", NOT_POSITIVE),
    (lambda v: fd.audit_gradients(v, net(), X, Y), "function", (None, 5, "text")),
    (lambda v: fd.audit_gradients(net().gradients, v, X, Y), "net", (None, 5)),
    (lambda v: fd.audit_gradients(net().gradients, net(), X, Y, v), "l2", NOT_PENALTY),
    (fd.SGD, "learning_rate", NOT_PENALTY),
    (lambda v: fd.SGD(0.1, momentum=v), "momentum", NOT_SHARE),
    (lambda v: fd.SGD(0.1, nesterov=v), "momentum", (True,)),
    (fd.Adam, "learning_rate", NOT_PENALTY),
    (lambda v: fd.Adam(beta1=v), "beta1", NOT_SHARE),
    (lambda v: fd.Adam(beta2=v), "beta2", NOT_SHARE),
    (lambda v: fd.Adam(epsilon=v), "epsilon", NOT_POSITIVE),
    (schedules.Constant, "rate", NOT_PENALTY),
    (lambda v: schedules.ExponentialDecay(v, 0.5), "rate", NOT_PENALTY),
    (lambda v: schedules.ExponentialDecay(1.0, v), "decay", (*NOT_POSITIVE, 1.1)),
    (lambda v: schedules.ExponentialDecay(1.0, 0.5, every=v), "every", NOT_POSITIVE),
    (lambda v: schedules.ExponentialDecay(1.0, 0.5, unit=v), "unit", (None, "epochs", 3)),
    (lambda v: schedules.ExponentialDecay(1.0, 0.5, floor=v), "floor", NOT_PENALTY),
    (schedules.StepDecay, "rate", NOT_PENALTY),
    (lambda v: schedules.StepDecay(1.0, factor=v), "factor", (*NOT_POSITIVE, 1.0)),
    (lambda v: schedules.StepDecay(1.0, every=v), "every", NOT_COUNT),
    (lambda v: schedules.Triangular(v, 1.0, 5), "low", NOT_PENALTY),
    (lambda v: schedules.Triangular(0.1, v, 5), "high", (*NOT_REAL, 0.05)),
    (lambda v: schedules.Triangular(0.1, 1.0, v), "half_cycle", NOT_COUNT),
    (lambda v: schedules.Cosine(v, 5), "high", (*NOT_REAL, -1.0)),
    (lambda v: schedules.Cosine(1.0, v), "steps", NOT_COUNT),
    (lambda v: schedules.Cosine(1.0, 5, low=v), "low", NOT_PENALTY),
    (
        scheduled, "rates",
        (None, "abc", np.full(2, 0.1), np.full(4, 0.1), np.full((3, 1), 0.1)),
    ),
    (fd.EarlyStopping, "monitor", (None, 3)),
    (lambda v: fit(callbacks=[fd.EarlyStopping(v)]), "monitor", ("val_loss", "nonsense")),
    (lambda v: fd.EarlyStopping(patience=v), "patience", NOT_COUNT),
    (lambda v: fd.EarlyStopping(min_delta=v), "min_delta", NOT_PENALTY),
    (fd.CSVLog, "(path|PathLike)", NOT_PATH),
    (lambda v: fd.Snapshot(v, print), "every", NOT_COUNT),
    (lambda v: fd.Snapshot(1, v), "take", (None, 5)),
    (fd.Checkpoint, "(path|PathLike)", NOT_PATH),
    (lambda v: fd.Checkpoint("net", every=v), "every", NOT_COUNT),
    (lambda v: fd.Checkpoint("net", unit=v), "unit", (None, "epochs", 3)),
    (lambda v: trainer().resume(v), "(path|PathLike)", NOT_PATH),
    (fd.OverfitWatch, "threshold", NOT_PENALTY),
    (lambda v: fd.OverfitWatch(stop=v), "stop", NOT_BOOLEAN),
    (lambda v: fit(callbacks=[v]), "OverfitWatch", (fd.OverfitWatch(),)),
    (lambda v: net().save(v), "(path|PathLike)", NOT_PATH),
    (fd.Network.load, "(path|PathLike)", NOT_PATH),
    (lambda v: fd.GradientCheck((), 1.0).of(v), "kind", (None, 3, "weights")),
    (lambda v: fd.GradientAudit((), "").of(v), "name", (None, 3, "W1")),
    (init.get, "init", (None, 3, "kaiming")),
    (schedules.get, "learning_rate", NOT_PENALTY),
    (lambda v: datasets.load_cifar10(train=v), "train", (None, 1, "1", [1.0], [True], [6], [1, 1])),
    (lambda v: datasets.load_cifar10(validation=v), "validation", (None, "2", 1.5, True, -1, [1])),
    (lambda v: datasets.load_cifar10(validation=5, seed=v), "seed", NOT_SEED),
    (lambda v: datasets.load_cifar10(data_dir=v), "data_dir", NOT_PATH[1:]),
    (lambda v: datasets.load_mnist(validation=v), "validation", (None, "1", 1.5, True, -1, 60_000)),
    (lambda v: datasets.load_mnist(data_dir=v), "data_dir", NOT_PATH[1:]),
    (datasets.stand_in, "name", NOT_NAME),
    (lambda v: datasets.stand_in("mnist", n=v), "n", NOT_COUNT),
    (lambda v: datasets.stand_in("mnist", seed=v), "seed", NOT_SEED),
    (datasets.download, "name", NOT_NAME),
    (lambda v: datasets.download("mnist", data_dir=v), "data_dir", NOT_PATH[1:]),
    (datasets.provenance, "name", NOT_NAME),
    (lambda v: datasets.provenance("mnist", data_dir=v), "data_dir", NOT_PATH[1:]),
    (lambda v: fit().to_csv(v), "(path|PathLike)", NOT_PATH),
    (lambda v: fit().plot(v), "x must be one of", (None, 3, "nonsense", "loss")),
]  # fmt: skip


def identify(value):
    return re.sub(r" at 0x\w+|\s+", " ", repr(value))[:40]


@pytest.mark.parametrize(
    ("function", "name", "value"),
    [
        pytest.param(function, name, value, id=f"{i}-{name}-{identify(value)}")
        for i, (function, name, values) in enumerate(SETTINGS)
        for value in values
    ],
)
def test_bad_settings_are_refused_by_name(function, name, value):
    errors = (TypeError, ValueError, OverflowError, KeyError)
    with pytest.raises(errors, match=rf"(?<!\w){name}(?!\w)"):
        function(value)


PUBLIC = dict(public.functions())
OURS = (  # the library makes these, or calls them with what it has checked
    *("Error", "Evaluation", "GradientCheck", "GradientAudit", "RangeTest", "Run", "Provenance"),
    *("Init", "Schedule"),
    *("on_begin", "on_record", "on_step", "on_epoch", "on_interrupt", "on_end", "stop", "keep"),
    *("keeps", "go_back", "append", "draw", "rates"),
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
    told = " ".join([row[1] for row in SETTINGS])
    assert SETTINGS_OF[name] - ANYTHING <= {*re.findall(r"\w+", told)}


def test_networks_that_no_machine_holds_are_refused(little_memory):
    for widths in ([2**31 - 1, 2**31 - 1], [2**31 - 1] * 4, [2**20, 2**20]):
        with pytest.raises((MemoryError, OverflowError, ValueError)):
            fd.Network(widths)


def test_numbers_of_numpy_are_numbers(tmp_path):
    layers = [fd.Dense(np.int64(3), np.int32(2), l1=np.float32(0.5), l2=np.float64(0.25))]
    network = fd.Network(layers, seed=np.int64(1), margin=np.float32(1))
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
