"""The plain trainer does what fastdl does, and each mistake what it says."""

from dataclasses import replace

import numpy as np
import pytest

import fastdl as fd
from experiments.check import mistakes, recipe, report, student
from experiments.data import load
from experiments.spec import Cifar10, Model, Training

ROWS, BATCH, L2 = 120, 20, 0.1
MODEL = Model(widths=(3072, 6, 10), activations=("relu",), init=fd.init.Xavier())
RUN = Training(
    name="run", title="run", data=Cifar10(train=(1,), validation=(2,), rows=ROWS, stand_in=True),
    model=MODEL, optimiser=fd.SGD(fd.schedules.Triangular(1e-4, 0.01, 5)), batch_size=BATCH,
    epochs=3, l2=L2, shuffle=None,
)  # fmt: skip
RIGHT = recipe.of(RUN)
LEAST = {"a1": 20, "a1-2019": 20, "a2": 20, "hw2": 10}  # mistakes of each course
LINES = {str(each): each for course in LEAST for each in mistakes.read(course)}
NAMED = {each.name: each for each in reversed(LINES.values())}


@pytest.fixture(scope="module")
def data():
    return load(RUN.data, 0, None)


@pytest.fixture(scope="module")
def traced(data):
    """traced(recipe): what two seeds of it go through, with curves as they are told."""

    def make(wanted, seeds=(0, 1)):
        x, y = student.inputs(data, wanted.scaling), student.labels(data, wanted)
        trace = student.train(wanted, x, y, seeds, choose=True)
        rows = {name: len(each) for name, each in y.items()}
        return trace, report.told(trace, wanted.reported, rows)

    return make


@pytest.fixture(scope="module")
def right(traced):
    return traced(RIGHT)


def fitted(data, seed, **settings):
    """The curves of fastdl, with some settings other than the run's."""
    run = replace(RUN, **{k: v for k, v in settings.items() if hasattr(RUN, k)})
    model = replace(MODEL, **{k: v for k, v in settings.items() if hasattr(MODEL, k)})
    scaling = settings.get("scaling", data.scaling)
    layers = [fd.Dense(3072, 6, (*model.activations, "identity")[0]), fd.Dense(6, 10)]
    net = fd.Network(layers, init=model.init, scaling=scaling, seed=seed)
    net.set_penalty(l2=run.l2)
    trainer = fd.Trainer(net, run.optimiser, batch_size=BATCH, l2=run.l2, shuffle=None)
    history = trainer.fit(*data.train, epochs=3, validation=data.validation, progress=False)
    return history, net


@pytest.mark.parametrize("seed", [0, 1])
def test_correct_code_is_what_fastdl_does(seed, data, right):
    history, net = fitted(data, seed)
    trace, told = right
    assert trace.epochs == (1, 2, 3)
    for ours, theirs in (
        ("train_loss", "loss"),
        ("train_cost", "cost"),
        ("validation_loss", "val_loss"),
    ):
        np.testing.assert_allclose(told[ours][seed], history[theirs], rtol=1e-4)
    for ours, theirs in (("train_accuracy", "accuracy"), ("validation_accuracy", "val_accuracy")):
        np.testing.assert_allclose(told[ours][seed], history[theirs], atol=0.01)
    evaluation = net.evaluate(*data.test)
    assert told["test_loss"][seed, -1] == pytest.approx(evaluation.loss, rel=1e-4)
    looks = trace.weights
    weight = net.parameters["layers.0.weight"]
    assert looks["weight1"][seed] == pytest.approx(np.sqrt((weight**2).mean()), rel=1e-4)


HIGH = fd.SGD(fd.schedules.Constant(0.01))
# What a mistake does is fastdl with another setting; the losses are compared, for costs keep L2.
SAME_AS = {
    "penalty_half": {"l2": L2 / 2},
    "penalty_over_batch": {"l2": L2 / BATCH},
    "penalty_not_in_gradient": {"l2": 0.0},
    "rate_times_10": {"optimiser": fd.SGD(fd.schedules.Triangular(1e-3, 0.1, 5))},
    "rate_by_10": {"optimiser": fd.SGD(fd.schedules.Triangular(1e-5, 0.001, 5))},
    "rate_at_peak": {"optimiser": HIGH},
    "rate_half_cycle": {"optimiser": fd.SGD(fd.schedules.Triangular(1e-4, 0.01, 2))},
    "pixels_divided": {"scaling": None},
    "no_activation": {"activations": ("identity",)},
    "init_zero": {"init": fd.init.Normal(0.0)},
    "softmax_unshifted": {},
}


@pytest.mark.parametrize("name", SAME_AS)
def test_a_mistake_is_fastdl_with_another_setting(name, data, traced):
    _, told = traced(NAMED[name].applied(RIGHT), (0,))
    history, _ = fitted(data, 0, **SAME_AS[name])
    np.testing.assert_allclose(told["train_loss"][0], history["loss"], rtol=2e-4)
    np.testing.assert_allclose(told["validation_loss"][0], history["val_loss"], rtol=2e-4)


def test_the_centred_pixels_are_those_of_fastdl(data):
    x = student.inputs(data, "centred")["test"]
    scaling = fd.Scaling.centred(data.train[0])
    np.testing.assert_allclose(x, (data.test[0] - scaling.shift) * scaling.scale, atol=1e-6)


def test_a_sum_is_a_rate_times_the_batch_without_a_penalty(traced):
    alone = replace(RIGHT, l2=0.0, schedule=fd.schedules.Constant(0.001))
    _, summed = traced(replace(alone, gradient="sum"))
    _, larger = traced(replace(alone, schedule=fd.schedules.Constant(0.001 * BATCH)))
    np.testing.assert_allclose(summed["train_loss"], larger["train_loss"], rtol=1e-4)
    _, twice = traced(replace(alone, gradient="twice"))
    _, smaller = traced(replace(alone, schedule=fd.schedules.Constant(0.001 / BATCH)))
    np.testing.assert_allclose(twice["train_loss"], smaller["train_loss"], rtol=1e-4)


# Where a mistake shows only in a run of its own kind.
BASES = {
    "not_shuffled": replace(RIGHT, order="rows"),
    "best_on_test": replace(RIGHT, schedule=fd.schedules.Constant(1.0)),
    "pixels_z_scored": replace(RIGHT, scaling="divided"),
}


@pytest.mark.parametrize(
    "mistake",
    [each for each in LINES.values() if each.name != "softmax_unshifted"],
    ids=lambda each: each.name,
)
def test_every_mistake_changes_what_is_told(mistake, traced):
    base = BASES.get(mistake.name, RIGHT)
    (trace, told), (right, rightly) = traced(mistake.applied(base)), traced(base)
    weights = any((trace.weights[k] != right.weights[k]).any() for k in trace.weights)
    curves = any(not np.array_equal(told[k], rightly[k], equal_nan=True) for k in told)
    assert weights or curves


def test_the_lists_are_as_long_as_they_must_be():
    for course, least in LEAST.items():
        assert sum(each.wrong for each in mistakes.read(course)) >= least
        assert len({each.name for each in mistakes.read(course)}) == len(mistakes.read(course))


def test_seeds_side_by_side_are_those_one_by_one(traced, right):
    _, alone = traced(RIGHT, (1,))
    for name, values in alone.items():
        np.testing.assert_allclose(values[0], right[1][name][1], rtol=1e-4)


def test_shuffled_seeds_have_their_own_orders(traced):
    shuffled = replace(RIGHT, order="rows", init_factor=0.0, l2=0.0)
    _, told = traced(replace(shuffled, schedule=fd.schedules.Constant(0.01)))
    assert told["train_loss"].shape == (2, 3)


def test_a_penalty_of_zero_hides_its_mistakes():
    hidden = {"penalty_half", "cost_without_penalty", "bias_penalised"}
    shown = {each.name for each in mistakes.of("dd2424_a1", replace(RIGHT, l2=0.0))}
    assert not hidden & shown
    assert hidden <= {each.name for each in mistakes.of("dd2424_a1", RIGHT)}


def test_points_of_a_curve():
    assert student.points(replace(RIGHT, epochs=10)) == tuple(range(1, 11))
    assert student.points(replace(RIGHT, epochs=48)) == tuple(range(4, 49, 4))
    constant = replace(RIGHT, epochs=40, schedule=fd.schedules.Constant(0.1))
    assert student.points(constant)[:4] == (1, 2, 3, 4)
    assert student.points(constant)[-1] == 40
    assert student.points(replace(constant, epochs=10)) == (1, 2, 3, 4, 6, 10)
    assert student.points(replace(constant, epochs=4)) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "changes",
    [{"optimiser": fd.Adam()}, {"l1": 0.1}, {"model": replace(MODEL, loss="hinge")},
     {"optimiser": fd.SGD(0.1, momentum=0.9)}, {"model": replace(MODEL, activations=("tanh",))}],
)  # fmt: skip
def test_runs_that_the_plain_trainer_does_not_know(changes):
    with pytest.raises(ValueError, match="must have softmax, ReLU, plain SGD"):
        recipe.of(replace(RUN, **changes))
