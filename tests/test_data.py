"""intake.py: equal sets are measured equally, weights go along, rows are held out by the seed."""

import numpy as np
import pytest

import fastdl as fd
from fastdl import losses
from tests import cases

# Raw numbers teach a network little.
pytestmark = pytest.mark.filterwarnings("ignore::fastdl.ScalingWarning")

N = 50
METRICS = ("loss", "cost", "accuracy")


def data(rng, loss="softmax_cross_entropy", n=N, zeros=0.0):
    x = rng.standard_normal((n, 8)) * (rng.random((n, 8)) >= zeros)
    labelled = losses.LOSSES[loss].y == "labels"
    return x, np.arange(n) % 7 % 3 if labelled else cases.wanted(loss, rng, n, 3)


def fitted(x, y, *, loss="softmax_cross_entropy", dtype="float64", seed=0, **settings):
    network = fd.Network([8, 6, 3], loss=loss, dtype=dtype, seed=1)
    trainer = fd.Trainer(network, fd.SGD(0.05), batch_size=8, seed=seed, l2=0.01)
    return network, trainer.fit(x, y, **{"epochs": 3} | settings)


def bits(network):
    return [p.tobytes() for p in network.parameters.values()]


# --- validation ------------------------------------------------------------------------------

WEIGHTS = {
    "none": {},
    "balanced": {"class_weight": "balanced"},
    "by class": {"class_weight": {0: 3.0, 2: 0.1}},
    "by row": {"sample_weight": np.linspace(0.0, 2.0, N)},
    "both": {"class_weight": [1.0, 0.0, 5.0], "sample_weight": np.linspace(2.0, 0.0, N)},
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("zeros", [0.0, 0.6, 0.95], ids=["dense", "some zeros", "mostly zeros"])
def test_the_same_rows_have_the_same_bits_on_both_sides(rng, dtype, loss, weights, zeros):
    x, y = data(rng, loss, zeros=zeros)
    if losses.LOSSES[loss].y != "labels":
        weights = {name: w for name, w in weights.items() if name == "sample_weight"}
    own = (weights["sample_weight"],) if "sample_weight" in weights else ()
    watch = fd.OverfitWatch(0.0, stop=True)
    settings = {"validation": (x, y, *own), "callbacks": [watch], **weights}
    _, history = fitted(x, y, loss=loss, dtype=dtype, **settings)
    measured = [name for name in history.columns if f"val_{name}" in history.columns]
    assert set(measured) >= {"loss", "cost"}
    for name in measured:
        assert history[name].tolist() == history[f"val_{name}"].tolist()
    assert watch.largest_gap == 0
    assert history.stopped is None


def test_class_weights_of_validation_are_those_of_the_training_labels(rng):
    (x, y), (xv, yv) = data(rng), data(rng, n=20)
    network, history = fitted(x, y, validation=(xv, yv), class_weight="balanced")
    by_class = N / (3 * np.bincount(y))
    expected = network.evaluate(xv, yv, sample_weight=by_class[yv])
    assert history["val_loss"][-1] == pytest.approx(expected.loss, rel=1e-12)


def test_weights_of_validation_change_no_training(rng):
    (x, y), (xv, yv) = data(rng), data(rng, n=20)
    weight = np.linspace(1, 2, 20)
    network, history = fitted(x, y, validation=(xv, yv, weight))
    assert bits(network) == bits(fitted(x, y)[0])
    expected = network.evaluate(xv, yv, sample_weight=weight)
    assert history["val_loss"][-1] == pytest.approx(expected.loss, rel=1e-12)


WEIGHTLESS = {  # settings, what the message says
    "validation by row": (
        lambda x, y: {"validation": (x, y, np.zeros(N))}, r"validation\[2\] must leave some row",
    ),
    "validation by class": (
        lambda x, y: {"validation": (x, np.zeros(N, int)), "class_weight": {0: 0.0}},
        "class_weight must leave some row of validation a weight above 0",
    ),
    "both": (
        lambda x, y: {
            "validation": (x, y, (y == 1).astype(float)), "class_weight": [1.0, 0.0, 1.0],
        },
        "sample_weight times class_weight must leave some row of validation",
    ),
    "what is trained on": (
        lambda x, y: {"sample_weight": (y == 1).astype(float), "class_weight": [1.0, 0.0, 1.0]},
        "sample_weight times class_weight must leave some row of x",
    ),
    "what is drawn": (
        lambda x, y: {"sample_weight": np.eye(N)[0], "validation_split": 0.1},
        "sample_weight must leave some row of what validation_split draws",
    ),
    "what is left": (
        lambda x, y: {"sample_weight": np.eye(N)[0], "validation_split": 0.9, "seed": 1},
        "sample_weight must leave some row of x",
    ),
}  # fmt: skip


class Begun(fd.Callback):
    def on_begin(self, run):
        pytest.fail("a batch would be next")


@pytest.mark.parametrize(("settings", "message"), WEIGHTLESS.values(), ids=WEIGHTLESS)
def test_sets_without_any_weight_are_refused_before_the_first_batch(rng, settings, message):
    x, y = data(rng)
    with pytest.raises(ValueError, match=message):
        fitted(x, y, callbacks=[Begun()], **settings(x, y))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_validation_that_is_not_finite_is_refused_by_its_row(rng, bad):
    x, y = data(rng)
    held_out = x.copy()
    held_out[7, 2] = bad
    with pytest.raises(ValueError, match=rf"validation\[0\] must be finite; got {bad} at row 7, c"):
        fitted(x, y, validation=(held_out, y), callbacks=[Begun()])


def test_keys_of_class_weight_are_labels_in_whatever_type_whole_numbers_come(rng):
    x, y = data(rng)
    expected = bits(fitted(x, y, class_weight={0: 1.0, 1: 3.0})[0])
    for one in (1.0, True, np.int8(1), np.float32(1)):
        assert bits(fitted(x, y, class_weight={one: 3})[0]) == expected


# --- rows held out by the trainer ------------------------------------------------------------


def numbered(n=N):
    """Rows that tell their numbers."""
    return np.repeat(np.arange(n, dtype=float)[:, None], 8, axis=1), np.zeros(n, int)


class Sets(fd.Callback):
    """The numbers of the rows on both sides."""

    def on_begin(self, run):
        both = (run._fit._train.x[:, 0], run._fit._validation.x[:, 0])
        self.train, self.drawn = (rows.astype(int).tolist() for rows in both)


def split(share, seed=0, n=N):
    sets = Sets()
    fitted(*numbered(n), validation_split=share, seed=seed, callbacks=[sets], epochs=1)
    return sets.train, sets.drawn


@pytest.mark.parametrize(("share", "n", "drawn"), [(0.2, N, 10), (0.5, 3, 2), (0.97, N, 48)])
def test_a_share_of_the_rows_is_held_out_and_the_rest_is_trained_on(share, n, drawn):
    train, held_out = split(share, n=n)
    assert len(held_out) == drawn
    assert sorted(train + held_out) == list(range(n))
    assert (train, held_out) == (sorted(train), sorted(held_out))


def test_rows_are_held_out_by_the_seed_in_each_fit_alike():
    assert split(0.3) == split(0.3)
    assert split(0.3, seed=1)[1] != split(0.3)[1]
    for seed in (0, None):
        trainer = fd.Trainer(fd.Network([8, 3]), fd.SGD(1e-6), seed=seed)
        found = []
        for _ in range(2):
            sets = Sets()
            trainer.fit(*numbered(), validation_split=0.3, callbacks=[sets])
            found.append(sets.drawn)
        assert found[0] == found[1]
    assert len({tuple(split(0.3, seed=None)[1]) for _ in range(3)}) == 3


@pytest.mark.parametrize("name", ["none", "balanced", "both"])
def test_a_split_is_a_validation_set_of_those_rows(rng, name):
    """Shuffled alike, too: the rows are drawn from another stream than the shuffling's."""
    x, y = data(rng)
    weights = WEIGHTS[name]
    train, drawn = split(0.3)
    network, history = fitted(x, y, validation_split=0.3, **weights)
    parts = [(x[rows], y[rows]) for rows in (train, drawn)]
    given = dict(weights)
    if "sample_weight" in weights:
        given["sample_weight"] = weights["sample_weight"][train]
        parts[1] += (weights["sample_weight"][drawn],)
    other, expected = fitted(*parts[0], validation=parts[1], **given)
    assert bits(network) == bits(other)
    for name in set(history.columns) - {"seconds"}:
        assert history[name].tolist() == expected[name].tolist()


def test_a_bad_row_is_named_by_its_number_before_the_split(rng):
    x, y = data(rng)
    x[31, 4] = np.nan
    with pytest.raises(ValueError, match="x must be finite; got nan at row 31, column 4"):
        fitted(x, y, validation_split=0.5, callbacks=[Begun()])


def test_weights_of_classes_in_a_series_go_by_their_labels(rng):
    pd = pytest.importorskip("pandas")
    x, y = data(rng)
    weights = {0: 0.5, 1: 3.0, 2: 1.5}
    series = pd.Series(weights).sort_values()
    assert list(series.index) != [0, 1, 2]
    expected, _ = fitted(x, y, class_weight=weights)
    for given in (series, series[::-1]):
        assert bits(fitted(x, y, class_weight=given)[0]) == bits(expected)


def test_squares_are_about_a_row_of_weight(rng):
    x, y = data(rng, "mse")
    y[:] = 7.0
    y[0] = 1e20
    network, _ = fitted(x, y[:, :3], loss="mse", sample_weight=np.r_[0.0, np.ones(len(x) - 1)])
    found = network.evaluate(x, y, sample_weight=np.r_[0.0, np.ones(len(x) - 1)])
    assert found.r2 in (0.0, 1.0)


def test_targets_that_lose_their_digits_are_refused():
    x, y = np.ones((60, 2)), 1.7e9 + np.arange(60.0)
    for dtype, refused in (("float32", True), ("float64", False)):
        network = fd.Network([2, 1], loss="mse", dtype=dtype)
        if refused:
            with pytest.raises(ValueError, match=r"y must keep its digits in float32.* - np\.mean"):
                network.evaluate(x, y)
            network.evaluate(x, y - np.mean(y, axis=0))
        else:
            network.evaluate(x, y)
    fd.Network([2, 1], loss="mse").evaluate(x, np.full(60, 1.7e9 + 1))
    fd.Network([2, 1], loss="mse").evaluate(x, np.linspace(0, 1, 60) / 3)
