"""trainer.py: shuffling, records, weights, divergence, going on, the range test."""

import contextlib
import copy
import pickle

import numpy as np
import pytest

import fastdl as fd
from fastdl.arrays import ArrayFit
from fastdl.network import core_of

N, SIZE = 10, 4  # rows and batch size: two whole batches and one of two rows


@pytest.fixture
def problem(rng):
    """Ten rows of three features in two classes."""
    return rng.standard_normal((N, 3)), np.array([0, 1] * 5)


def make(loss="softmax_cross_entropy", **settings):
    return fd.Network([3, 6, 2], loss=loss, dtype="float64", seed=4, **settings)


def trained(x, y, *, batch_size=SIZE, shuffle=None, epochs=2, **settings):
    """A network after a fit, and the history."""
    network = make()
    trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=batch_size, shuffle=shuffle)
    return network, trainer.fit(x, y, epochs=epochs, **settings)


def bits(network):
    return [p.tobytes() for p in network.parameters.values()]


class Rates:
    """A schedule: 0.01, but far too high at some steps (counted from 0)."""

    def __init__(self, at, high):
        self.at, self.high = at, high

    def rates(self, steps, epoch):
        return np.where(np.isin(steps, self.at), self.high, 0.01)


# --- shuffling -------------------------------------------------------------------------------


def visits(shuffle, batch_size, epochs=1, drop_last=False, seed=0):
    """The mean of the row numbers of every batch, an epoch a list: a rate of zero changes nothing,
    so the squared error of a network that answers 0 tells the targets."""
    network = fd.Network([1, 1], loss="mse", init=fd.init.Normal(0.0), dtype="float64")
    trainer = fd.Trainer(
        network, fd.SGD(0.0), batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, seed=seed
    )
    x, y = np.zeros((N, 1)), np.sqrt(np.arange(N))
    history = trainer.fit(x, y, epochs=epochs, record=1, train_metrics="batches")
    return history["loss"].round(9).reshape(epochs, -1).tolist()


def test_rows_are_each_visited_once_an_epoch_in_another_order():
    epochs = visits("rows", 1, epochs=4)
    assert all(sorted(order) == list(range(N)) for order in epochs)
    assert len({tuple(order) for order in epochs}) == 4


def test_batches_stay_together_and_change_places():
    epochs = visits("batches", SIZE, epochs=20)
    assert all(sorted(order) == [1.5, 5.5, 8.5] for order in epochs)
    assert {order.index(8.5) for order in epochs} == {0, 1, 2}


def test_no_shuffling_is_in_order():
    assert visits(None, SIZE, epochs=2) == [[1.5, 5.5, 8.5]] * 2


def test_a_dropped_batch_is_never_visited():
    assert visits(None, SIZE, drop_last=True) == [[1.5, 5.5]]
    assert {len(order) for order in visits("rows", SIZE, epochs=5, drop_last=True)} == {2}
    batches = visits("batches", SIZE, epochs=5, drop_last=True)
    assert all(sorted(order) == [1.5, 5.5] for order in batches)


def test_shuffled_training_is_training_in_that_order(problem):
    x, y = problem
    order = np.array(visits("rows", 1)[0], int)
    shuffled, _ = trained(x, y, shuffle="rows", epochs=1)
    in_order, _ = trained(x[order], y[order], epochs=1)
    for one, other in zip(shuffled.parameters.values(), in_order.parameters.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


# --- records ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "steps"),
    [("epoch", [3, 6]), (1, [1, 2, 3, 4, 5, 6]), (4, [4, 6]), (3, [3, 6]), (100, [6]), (None, [])],
)
@pytest.mark.parametrize("shuffle", ["rows", "batches", None])
def test_records_are_where_asked_for_and_at_the_last_step(problem, record, steps, shuffle):
    network, history = trained(*problem, record=record, shuffle=shuffle)
    assert history.n_records == len(steps)
    if steps:
        assert history["step"].tolist() == steps
        np.testing.assert_allclose(history["epoch"], np.array(steps) / 3)
    assert bits(network) == bits(trained(*problem, shuffle=shuffle)[0])


def test_columns_with_and_without_a_validation_set(problem):
    metrics = ["loss", "cost", "accuracy"]
    before, after = ["epoch", "step", "learning_rate"], ["seconds"]
    assert trained(*problem)[1].columns == before + metrics + after
    _, history = trained(*problem, validation=problem)
    assert history.columns == before + metrics + [f"val_{name}" for name in metrics] + after


def test_full_metrics_are_what_evaluate_says_at_each_record(problem, rng):
    x, y = problem
    held_out = rng.standard_normal((7, 3)), rng.integers(0, 2, 7)
    found = []

    def look(run):
        found.append((*run.network.evaluate(x, y), *run.network.evaluate(*held_out)))

    network = make()
    network.set_penalty(l1=0.01, l2=0.02)
    trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=SIZE)
    history = trainer.fit(x, y, epochs=3, validation=held_out, callbacks=[fd.Snapshot(1, look)])
    names = ["loss", "cost", "accuracy", "val_loss", "val_cost", "val_accuracy"]
    assert [tuple(row) for row in np.transpose([history[name] for name in names])] == found
    penalty = sum(
        0.01 * np.abs(w).sum() + 0.02 * (w**2).sum()
        for name, w in network.parameters.items()
        if name.endswith("weight")
    )
    assert history["cost"][-1] - history["loss"][-1] == pytest.approx(penalty, rel=1e-12)
    assert (np.diff(history["seconds"]) > 0).all()


def test_metrics_of_the_batches_are_those_before_each_step(problem):
    x, y = problem
    network = make()
    trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=SIZE)
    expected = []
    for start in (0, 4, 8):
        batch = x[start : start + SIZE], y[start : start + SIZE]
        expected.append(network.evaluate(*batch))
        trainer.fit(*batch, record=None)
    losses, _, accuracies = zip(*expected, strict=True)
    _, history = trained(x, y, epochs=1, record=1, train_metrics="batches")
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(history["accuracy"], accuracies, rtol=1e-12)
    _, history = trained(x, y, epochs=1, train_metrics="batches")
    weights = [0.4, 0.4, 0.2]
    np.testing.assert_allclose(history["loss"], [np.dot(losses, weights)], rtol=1e-12)
    np.testing.assert_allclose(history["accuracy"], [np.dot(accuracies, weights)], rtol=1e-12)


def test_metrics_of_the_batches_have_the_same_bits_whoever_looks_on(rng):
    """A progress bar cuts an epoch into spans by the clock."""
    x, y = rng.standard_normal((300, 3)), rng.integers(0, 2, 300)
    settings = {"batch_size": 1, "train_metrics": "batches", "epochs": 3}
    alone, watched = (trained(x, y, progress=bar, **settings)[1] for bar in (False, True))
    assert alone["loss"].tolist() == watched["loss"].tolist()


# --- a second fit goes on --------------------------------------------------------------------

GOING_ON = {
    "momentum, by rows": (fd.SGD(fd.schedules.Triangular(0.01, 0.2, 4), momentum=0.9), "rows"),
    "adam, by batches": (fd.Adam(fd.schedules.ExponentialDecay(0.1, 0.7)), "batches"),
    "sgd, in order": (fd.SGD(fd.schedules.Cosine(0.1, 15)), None),
}


@pytest.mark.parametrize(("optimiser", "shuffle"), GOING_ON.values(), ids=GOING_ON)
def test_two_fits_are_one_long_fit(problem, optimiser, shuffle):
    one, two = make(), make()
    settings = {"batch_size": SIZE, "shuffle": shuffle, "l2": 0.01}
    long = fd.Trainer(one, optimiser, **settings).fit(*problem, epochs=5, record=2)
    trainer = fd.Trainer(two, optimiser, **settings)
    parts = [trainer.fit(*problem, epochs=epochs, record=2) for epochs in (2, 3)]
    assert bits(one) == bits(two)
    assert (trainer.epoch, trainer.n_steps) == (5, 15)
    for name in ("step", "epoch", "learning_rate", "loss"):
        joined = np.concatenate([part[name] for part in parts])
        assert joined.tolist() == long[name].tolist()
    schedule, steps = optimiser.learning_rate, long["step"] - 1
    expected = [schedule.rates(np.array([step]), step // 3)[0] for step in steps]
    assert long["learning_rate"].tolist() == expected


def penalised(l1, l2):
    return fd.Network([fd.Dense(3, 6, "relu", l1=l1, l2=0.3), fd.Dense(6, 2, l1=l1, l2=l2)])


@pytest.mark.parametrize("given", [{"l2": 0.1}, {"l1": 0.2, "l2": 0.0}, {"l1": 0.0}, {}])
def test_the_penalties_of_a_trainer_are_those_of_layers_that_have_them(problem, given):
    own, others = penalised(0.1, 0.2), penalised(0.1, 0.2)
    others.set_penalty(**given)
    before = own.layers
    history = fd.Trainer(own, fd.SGD(0.1), batch_size=SIZE, **given).fit(*problem, epochs=2)
    expected = fd.Trainer(others, fd.SGD(0.1), batch_size=SIZE).fit(*problem, epochs=2)
    assert bits(own) == bits(others)
    assert history["cost"].tolist() == expected["cost"].tolist()
    assert own.layers == before
    assert own.evaluate(*problem).cost == pytest.approx(own.evaluate(*problem).loss + own.penalty())


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), ZeroDivisionError()], ids=repr)
def test_a_network_has_its_own_penalties_whatever_happens(problem, error, tmp_path):
    network = penalised(0.0, 0.2)
    before, seen = network.layers, []

    def look(run):
        run.network.save(tmp_path / "net")
        seen.append((run.network.layers, fd.Network.load(tmp_path / "net").layers))
        if error is not None:
            raise error

    with contextlib.suppress(ZeroDivisionError):
        trainer = fd.Trainer(network, fd.SGD(0.1), l2=0.5)
        trainer.fit(*problem, callbacks=[fd.Snapshot(1, look)])
    assert seen == [(before, before)]
    assert network.layers == before


def test_another_penalty_counts_from_the_next_fit_on(problem):
    one, other = make(), make()
    trainer = fd.Trainer(one, fd.SGD(0.1), batch_size=SIZE, shuffle=None)
    for l2 in (None, 0.5, 0.1):
        trainer.l2 = l2
        trainer.fit(*problem)
        fd.Trainer(other, fd.SGD(0.1), batch_size=SIZE, shuffle=None, l2=l2).fit(*problem)
        assert bits(one) == bits(other)


def test_what_is_learned_of_threads_lasts_from_fit_to_fit(problem):
    network = fd.Network([3, 4, 2])
    trainer = fd.Trainer(network, fd.SGD(0.1), l2=0.5)
    seen, look = [], lambda run: seen.append(run._fit._terms.program)
    for l2 in (0.5, 0.5, None, None):
        trainer.l2 = l2
        trainer.fit(*problem, callbacks=[fd.Snapshot(1, look)])
    assert seen[0] is seen[1]
    assert seen[2] is seen[3] is core_of(network).program
    network.set_penalty(l2=0.0)
    assert core_of(network).program is seen[3]
    network.set_penalty(l2=0.1)
    assert core_of(network).program is not seen[3]


# --- weights ---------------------------------------------------------------------------------


def test_a_weight_of_two_is_the_row_twice(problem, agree):
    x, y = problem
    times = np.array([1, 2, 0, 1, 3, 1, 1, 2, 1, 1])
    weighted, history = trained(x, y, batch_size=100, sample_weight=times.astype(float))
    repeated, expected = trained(np.repeat(x, times, 0), np.repeat(y, times), batch_size=100)
    agree(weighted.parameters.values(), repeated.parameters.values(), "float64")
    agree([history["loss"]], [expected["loss"]], "float64")


def test_only_the_ratios_of_weights_matter(problem, rng, agree):
    weight = rng.uniform(0.5, 2, N)
    one, other = (trained(*problem, sample_weight=w)[0] for w in (weight, 7 * weight))
    agree(one.parameters.values(), other.parameters.values(), "float64")
    assert bits(trained(*problem, sample_weight=np.full(N, 3.0))[0]) == bits(trained(*problem)[0])


def test_rows_of_weight_zero_do_not_matter(problem):
    x, y = problem
    weight = np.where(np.arange(N) % 3 == 0, 0.0, 1.5)
    network, history = trained(x, y, sample_weight=weight)
    other_x, other_y = np.where(weight[:, None] == 0, 100.0, x), np.where(weight == 0, 1 - y, y)
    other, same = trained(other_x, other_y, sample_weight=weight)
    assert bits(network) == bits(other)
    assert history["loss"].tolist() == same["loss"].tolist()


CLASS_WEIGHTS = {  # of 6, 3 and 1 rows in three classes
    "balanced": ("balanced", [10 / 18, 10 / 9, 10 / 3]),
    "list": ([1, 0, 2.5], [1.0, 0.0, 2.5]),
    "mapping": ({2: 4.0}, [1.0, 1.0, 4.0]),
}


@pytest.mark.parametrize(("given", "by_class"), CLASS_WEIGHTS.values(), ids=CLASS_WEIGHTS)
@pytest.mark.parametrize("own", [None, np.linspace(0.5, 2, N)], ids=["alone", "times its own"])
def test_class_weights_are_the_weights_of_their_rows(rng, agree, given, by_class, own):
    x, y = rng.standard_normal((N, 3)), np.repeat([0, 1, 2], [6, 3, 1])
    weight = np.array(by_class)[y] * (1 if own is None else own)
    results = []
    for weights in ({"class_weight": given, "sample_weight": own}, {"sample_weight": weight}):
        network = fd.Network([3, 4, 3], dtype="float64")
        fd.Trainer(network, fd.SGD(0.1), batch_size=SIZE).fit(x, y, epochs=2, **weights)
        results.append(network.parameters.values())
    agree(*results, "float64")


def test_class_weights_of_targets_are_refused(problem):
    network = make("mse")
    with pytest.raises(ValueError, match="class_weight must go with labels"):
        fd.Trainer(network, fd.SGD(0.1)).fit(problem[0], problem[0][:, :2], class_weight="balanced")


# --- divergence ------------------------------------------------------------------------------


def diverge(problem, at, epochs=5, momentum=0.0, high=1e160, size=SIZE, **settings):
    """A fit whose rate is far too high at some steps: error, trainer, every good epoch."""
    network, good = make("mse"), {}
    watch = fd.Snapshot(1, lambda run: good.update({run.epoch: bits(run.network)}))
    optimiser = fd.SGD(Rates(at, high), momentum=momentum)
    trainer = fd.Trainer(network, optimiser, batch_size=size, shuffle=None)
    with pytest.raises(fd.DivergenceError) as caught:
        trainer.fit(problem[0], problem[0][:, :2], epochs=epochs, callbacks=[watch], **settings)
    return caught.value, trainer, good


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(
    ("record", "step", "records"), [("epoch", 9, 2), (1, 8, 7), (2, 8, 3), (None, 9, 0)]
)
def test_divergence_names_the_place_and_keeps_the_last_good_epoch(
    problem, record, step, records, momentum
):
    """A record shows what the step has done, else the next batch does."""
    error, trainer, good = diverge(problem, 7, record=record, momentum=momentum)
    assert (error.epoch, error.step) == (3, step)
    assert f"epoch 3, step {step}" in str(error)
    assert bits(trainer.network) == good[2]
    assert error.history.n_records == records
    assert trainer.network.predict(problem[0]).shape == (N, 2)


def test_divergence_in_the_first_epoch_gives_back_what_was_there(problem):
    error, trainer, _ = diverge(problem, 0)
    assert (error.epoch, error.step) == (1, 2)
    assert bits(trainer.network) == bits(make("mse"))


def test_an_epoch_whose_recorded_loss_is_not_finite_is_no_good_one(problem):
    error, trainer, good = diverge(problem, 5, epochs=2)
    assert error.epoch == 2
    assert bits(trainer.network) == good[1]


def test_a_last_step_to_parameters_that_are_not_finite_is_divergence_without_a_record(problem):
    x, y = problem
    error, trainer, _ = diverge((1000 * x, y), 2, epochs=1, high=1e307, record=None)
    assert (error.epoch, error.step) == (1, 3)
    assert bits(trainer.network) == bits(make("mse"))


@pytest.mark.parametrize("record", ["epoch", 1, None])
def test_a_fit_after_divergence_goes_on_from_the_last_good_epoch(problem, record):
    """The loss grows step by step within the second epoch, and the velocity with it."""
    x, y = problem[0], problem[0][:, :2]
    bad = range(11, 19)
    _, trainer, _ = diverge(problem, bad, momentum=0.9, high=1e30, size=1, record=record)
    trainer.optimiser.learning_rate.at = []
    history = trainer.fit(x, y, epochs=2)
    assert history["epoch"].tolist() == [2, 3]
    assert history["step"].tolist() == [20, 30]
    smooth = make("mse")
    fd.Trainer(smooth, fd.SGD(0.01, momentum=0.9), batch_size=1, shuffle=None).fit(x, y, epochs=3)
    assert bits(trainer.network) == bits(smooth)


@pytest.mark.parametrize("shuffle", ["rows", "batches", None])
@pytest.mark.parametrize("drop_last", [False, True])
def test_adam_goes_back_with_its_moments_its_count_and_its_order(problem, drop_last, shuffle):
    x, y = problem[0], problem[0][:, :2]
    settings = {"batch_size": SIZE, "drop_last": drop_last, "shuffle": shuffle, "seed": 2}
    n = 2 if drop_last else 3
    diverging, smooth = make("mse"), make("mse")
    trainer = fd.Trainer(diverging, fd.Adam(Rates([2 * n], 1e200)), **settings)
    with pytest.raises(fd.DivergenceError):
        trainer.fit(x, y, epochs=4, record=1)
    assert (trainer.epoch, trainer.n_steps) == (2, 2 * n)
    other = fd.Trainer(smooth, fd.Adam(Rates([], 0)), **settings)
    other.fit(x, y, epochs=2)
    assert bits(diverging) == bits(smooth)
    if shuffle:
        # Of the epoch that diverged.
        other._state.shuffling.permutation(len(x) if shuffle == "rows" else n)
    trainer.optimiser.learning_rate.at = []
    for each in (trainer, other):
        each.fit(x, y, epochs=2)
    assert bits(diverging) == bits(smooth)


def test_a_bad_row_without_a_weight_is_refused_too(problem):
    x, y = problem
    x[4, 1] = np.nan
    weights = np.arange(N) != 4
    with pytest.raises(ValueError, match="x must be finite; got nan at row 4, column 1"):
        fd.Trainer(make(), fd.SGD(0.1)).fit(x, y, sample_weight=weights.astype(float))


def test_divergence_travels_between_processes(problem):
    error = diverge(problem, 7)[0]
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.epoch, again.step) == (str(error), error.epoch, error.step)
    assert again.history["loss"].tolist() == error.history["loss"].tolist()


# --- rows that are not finite ----------------------------------------------------------------


# Widths, dtype of the network and of x: whether rows are copied goes by these.
SPOILT = {
    "as they lie": ([100, 10, 2], "float32", "float32"),
    "copied": ([100, 40, 2], "float32", "float32"),
    "converted": ([100, 10, 2], "float32", "float64"),
    "in float64": ([100, 10, 2], "float64", "float64"),
}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shuffle", ["rows", "batches", None])
@pytest.mark.parametrize(("widths", "dtype", "source"), SPOILT.values(), ids=SPOILT)
def test_a_row_that_is_not_finite_is_named_as_if_nothing_had_happened(
    rng, n_threads, widths, dtype, source, shuffle, bad
):
    x, y = rng.standard_normal((1300, 100)).astype(source), rng.integers(0, 2, 1300)
    right = x[1290, 2]
    results = []
    for spoils in (True, False):
        network = fd.Network(widths, dtype=dtype, seed=4)
        optimiser = fd.SGD(0.1, momentum=0.9)
        trainer = fd.Trainer(
            network, optimiser, batch_size=600, shuffle=shuffle, seed=3, n_threads=n_threads
        )
        if spoils:
            before = bits(network)
            x[1290, 2] = bad
            with pytest.raises(ValueError, match=f"x must be finite; got {bad} at row 1290, col"):
                trainer.fit(x, y, epochs=2)
            assert bits(network) == before
            assert trainer.epoch == trainer.n_steps == 0
            x[1290, 2] = right
        trainer.fit(x, y, epochs=2)
        results.append(bits(network))
    assert results[0] == results[1]


@pytest.mark.parametrize("row", [0, 4095, 4096, 8191, 9000])
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_bad_row_anywhere_in_many_is_named(row, drop_last):
    """It is looked for in blocks: before the fit where a row is dropped, else when one was read."""
    x, y = np.ones((9001, 3), np.float32), np.zeros(9001, int)
    x[row, 1] = np.nan
    trainer = fd.Trainer(fd.Network([3, 2]), fd.SGD(0.1), batch_size=1000, drop_last=drop_last)
    with pytest.raises(ValueError, match=f"x must be finite; got nan at row {row}, column 1"):
        trainer.fit(x, y)
    with pytest.raises(ValueError, match=f"got nan at row {row}, column 1"):
        fd.Scaling.standard(x)


class Counter(fd.Callback):
    """Looks on at every step."""

    steps = 1

    def __init__(self):
        self.seen = []

    def on_step(self, run):
        self.seen.append(run.step)


@pytest.mark.parametrize("shuffle", ["rows", "batches", None])
@pytest.mark.parametrize(("widths", "dtype", "source"), SPOILT.values(), ids=SPOILT)
def test_a_row_is_refused_at_its_batch_though_its_loss_is_finite(widths, dtype, source, shuffle):
    """No unit of a ReLU hears of minus infinity."""
    x, y = np.ones((6, 100), source), np.zeros(6, int)
    network = fd.Network(widths, dtype=dtype)
    network.parameters["layers.0.weight"][...] = 1e-3
    x[3] = -np.inf
    assert np.isfinite(fd.ops.softmax_cross_entropy(network.logits(x), y)[0])
    counter = Counter()
    trainer = fd.Trainer(network, fd.SGD(1e-6), batch_size=1, shuffle=shuffle, seed=5)
    with pytest.raises(ValueError, match="x must be finite; got -inf at row 3, column 0"):
        trainer.fit(x, y, callbacks=[counter])
    order = np.arange(6) if shuffle is None else np.random.default_rng(5).permutation(6)
    before = order.tolist().index(3)
    assert 0 < before < 5  # after the last one the end of the epoch would see it too
    assert counter.seen == [*range(1, before + 1)]


class Spoiler(fd.Callback):
    """Puts something into the data after the first epoch, and counts the steps."""

    steps = 1

    def __init__(self, x, bad):
        self.x, self.bad = x, bad

    def on_step(self, run):
        self.step = run.step

    def on_epoch(self, run):
        self.x[-1] = self.bad
        self.good = bits(run.network)


def test_a_row_that_is_spoilt_meanwhile_is_named_and_the_last_good_epoch_kept(problem):
    x, y = problem
    network, spoiler = make(), Spoiler(x, np.nan)
    with pytest.raises(ValueError, match="x must be finite; got nan at row 9, column 0"):
        fd.Trainer(network, fd.SGD(0.1), batch_size=SIZE).fit(x, y, epochs=3, callbacks=[spoiler])
    assert bits(network) == spoiler.good


def test_after_the_first_epoch_nothing_is_looked_at(problem):
    """Of minus infinity no unit of a ReLU hears: the parameters tell at the end of the epoch."""
    x, y = np.ones((N, 3)), problem[1]
    network, spoiler = make(), Spoiler(x, -np.inf)
    network.parameters["layers.0.weight"][...] = 1
    trainer = fd.Trainer(network, fd.SGD(1e-6), batch_size=SIZE, shuffle=None)
    with pytest.raises(ValueError, match="got -inf at row 9"):
        trainer.fit(x, y, epochs=2, record=None, callbacks=[spoiler])
    assert spoiler.step == 6
    assert bits(network) == spoiler.good


def test_rows_that_an_epoch_drops_are_looked_at_before(problem):
    x, y = problem
    x[-1] = -np.inf
    trainer = fd.Trainer(make(), fd.SGD(0.1), batch_size=SIZE, shuffle=None, drop_last=True)
    counter = Counter()
    with pytest.raises(ValueError, match="got -inf at row 9"):
        trainer.fit(x, y, train_metrics="batches", callbacks=[counter])
    assert counter.seen == []


def test_a_bad_row_that_a_step_of_the_range_test_reads_is_refused(problem):
    x, y = problem
    x[-1] = np.nan
    network = make()
    trainer, before = fd.Trainer(network, fd.SGD(0.1), batch_size=SIZE), bits(network)
    with pytest.raises(ValueError, match="got nan at row 9"):
        trainer.range_test(x, y)
    assert bits(network) == before


# --- the range test --------------------------------------------------------------------------


def blobs(rng):
    y = rng.integers(0, 2, 400)
    return rng.standard_normal((400, 3)) + 3 * y[:, None], y


@pytest.mark.parametrize("high", [1.0, 1e300], ids=["to its end", "to its divergence"])
def test_range_test_leaves_no_trace(problem, high):
    x, y = problem[0], problem[0][:, :2]
    names, results = ("epoch", "step", "learning_rate", "loss"), []
    for tested in (False, True):
        network = make("mse")
        optimiser = fd.SGD(fd.schedules.Triangular(0.01, 0.1, 2), momentum=0.9)
        trainer = fd.Trainer(network, optimiser, batch_size=SIZE)
        trainer.fit(x, y)
        if tested:
            before = bits(network)
            with np.errstate(all="ignore"):
                trainer.range_test(x, y, high=high, steps=30)
            assert bits(network) == before
        history = trainer.fit(x, y, epochs=2)
        results.append((bits(network), *(history[name].tolist() for name in names)))
    assert results[0] == results[1]


def test_range_test_leaves_the_penalties(problem):
    network = make()
    before = network.layers
    fd.Trainer(network, fd.SGD(0.1), l2=0.1).range_test(*problem, steps=5)
    assert network.layers == before


def test_range_test_falls_then_rises_and_suggests_rates_between(rng):
    trainer = fd.Trainer(fd.Network([3, 20, 2]), fd.SGD(0.1), batch_size=20)
    result = trainer.range_test(*blobs(rng), low=1e-4, high=1e4, steps=200)
    least = result.loss.argmin()
    assert 0 < least < len(result.loss) - 1
    assert result.loss[least] < 0.5 * result.loss[0]
    assert result.loss[-1] > 4 * result.loss[least]
    assert result.loss[-2] <= 4 * result.loss[least]
    low, high = result.suggestion
    assert 1e-4 <= low < high == result.learning_rate[least]


def test_range_test_ends_early_where_the_loss_blows_up(rng):
    x, _ = blobs(rng)
    trainer = fd.Trainer(fd.Network([3, 3], loss="mse"), fd.SGD(0.1), batch_size=20)
    result = trainer.range_test(x, x, low=1e-5, high=1e5, steps=200)
    assert 1 < len(result.loss) < 150
    assert len(result.learning_rate) == len(result.loss)
    assert np.isfinite(result.loss).all()
    whole = np.geomspace(1e-5, 1e5, 200)
    np.testing.assert_array_equal(result.learning_rate, whole[: len(result.loss)])


def test_a_range_test_smooths_losses_as_computed_by_hand(monkeypatch):
    """The running mean m = .9 m + .1 loss, over what the first losses have of it: 1 - .9^t."""
    given, at = [2.0, 1.0, 3.0, 0.5], iter(range(4))

    def steps(fit, *_):
        fit._losses[0] = given[next(at)]

    monkeypatch.setattr(ArrayFit, "_steps", steps)
    result = fd.Trainer(make(), fd.SGD(0.1)).range_test(
        np.zeros((N, 3)), np.zeros(N, int), low=0.1, high=100.0, steps=4
    )
    by_hand = [2.0, 0.28 / 0.19, (0.9 * 0.28 + 0.3) / 0.271, (0.81 * 0.28 + 0.27 + 0.05) / 0.3439]
    np.testing.assert_allclose(result.loss, by_hand, rtol=1e-12)
    np.testing.assert_allclose(result.learning_rate, [0.1, 1.0, 10.0, 100.0], rtol=1e-12)
    assert result.suggestion == (result.learning_rate[1], result.learning_rate[1])


@pytest.mark.parametrize(
    ("losses", "suggestion"),
    [
        ([2.0, 1.95, 1.89, 1.0, 1.5], (3, 4)),  # a tenth of the fall from 2 to 1 is done at 1.89
        ([2.0, 1.85, 1.89, 1.0, 1.5], (2, 4)),
        ([1.0, 2.0, 3.0], (1, 1)),
        ([3.0, 2.0, 1.0], (2, 3)),
    ],
)
def test_a_range_test_suggests_rates_of_given_losses(losses, suggestion):
    rates = np.arange(1.0, len(losses) + 1)
    assert fd.RangeTest(rates, np.array(losses)).suggestion == suggestion


def test_a_range_test_clips_as_a_fit_does(rng):
    x, y = blobs(rng)
    plain, loose, tight = (
        fd.Trainer(make(), fd.SGD(0.1), clip_norm=bound).range_test(x, y, low=1e-2, high=10.0).loss
        for bound in (None, 1e9, 1e-6)
    )
    np.testing.assert_allclose(plain[:20], loose[:20], rtol=1e-9)
    assert len(tight) == 200
    assert tight[-1] > 0.9 * tight[0] > 2 * plain.min()


def test_a_range_test_and_a_trainer_show_what_they_are(problem):
    result = fd.RangeTest(np.array([0.1, 1.0, 10.0]), np.array([3.0, 2.0, 1.0]))
    assert repr(result) == (
        "<RangeTest: 3 steps, rates 0.1 to 10, loss 3 to 1; suggestion 1 to 10>"
    )
    assert "blew up at once" in repr(fd.RangeTest(np.ones(1), np.ones(1)))
    shown = repr(fd.Trainer(make(), fd.SGD(0.1), l2=0.5, shuffle=None))
    assert shown.startswith("Trainer(network=<Network 3-6-2: ")
    assert "optimiser=SGD(learning_rate=0.1, momentum=0.0, nesterov=False)" in shown
    assert shown.endswith(
        "l1=None, l2=0.5, clip_norm=None, shuffle=None, drop_last=False, seed=0, n_threads=None)"
    )


@pytest.mark.parametrize("given", ["sgd", "Adam", fd.SGD, fd.Adam, 0.1, None])
def test_the_remedy_for_an_optimiser_that_is_none_works(given):
    with pytest.raises(TypeError, match=r"use fd\.") as caught:
        fd.Trainer(make(), given)
    optimiser = eval(str(caught.value).partition("use ")[2])
    assert isinstance(optimiser, fd.Adam) == ("adam" in str(given).lower())
    fd.Trainer(make(), optimiser)


# --- trainers that travel --------------------------------------------------------------------


class Named(fd.Trainer):
    name = "nobody"


def test_a_subclass_travels_with_what_it_has_besides():
    trainer = Named(make(), fd.SGD(0.1))
    trainer.name = "somebody"
    assert copy.copy(trainer).name == "somebody"


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_trainer_that_travels_goes_on_as_the_one_that_stays(problem, travel):
    """Moments that arrive in memory that is not to be written to are the trainer's own."""
    trainer = fd.Trainer(make(), fd.Adam(0.01), batch_size=SIZE, l2=0.1)
    trainer.fit(*problem, epochs=2)
    other = travel(trainer)
    state = other.__getstate__()
    for moments in state["_state"].moments:
        moments.flags.writeable = False
    other.__setstate__(state)
    assert other.network is not trainer.network
    trainer.fit(*problem, epochs=2)
    other.fit(*problem, epochs=2)
    assert bits(other.network) == bits(trainer.network)
    assert (other.epoch, other.n_steps) == (trainer.epoch, trainer.n_steps) == (4, 12)


def test_a_copy_counts_for_itself(problem):
    trainer = fd.Trainer(make(), fd.SGD(0.1))
    trainer.fit(*problem)
    other = copy.copy(trainer)
    other.fit(*problem, epochs=3)
    assert (trainer.epoch, other.epoch) == (1, 4)


def test_nesterov_is_true_or_false():
    for value in ("no", 1, None, np.nan):
        with pytest.raises(TypeError, match="nesterov must be True or False"):
            fd.SGD(0.1, momentum=0.9, nesterov=value)
