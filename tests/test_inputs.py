"""What rows mean: pixels or numbers, whatever their dtype; and scaling before digits are lost."""

import copy
import pickle
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest

import fastdl as fd

# Raw numbers teach a network little.
pytestmark = pytest.mark.filterwarnings("ignore::fastdl.ScalingWarning")

D, K, N = 64, 3, 90


@pytest.fixture
def pixels(rng):
    """Images of three classes, told from each other by where they are bright."""
    y = rng.integers(0, K, N)
    x = rng.integers(0, 120, (N, D))
    for k in range(K):
        x[y == k, 20 * k : 20 * k + 20] += 130
    return x.astype(np.uint8), y


def fitted(x, y, **settings):
    network = fd.Network([x.shape[1], 8, K], **settings)
    fd.Trainer(network, fd.SGD(0.1), batch_size=10).fit(x, y, epochs=5)
    return network


# --- pixels or numbers -----------------------------------------------------------------------

WIDER = (np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, ">i4")


@pytest.mark.parametrize("dtype", WIDER)
def test_a_network_of_pixels_takes_the_same_digits_in_any_integer_dtype(pixels, dtype):
    x, y = pixels
    network = fitted(x, y)
    assert network.inputs == ("pixels", None)
    np.testing.assert_array_equal(network.logits(x.astype(dtype)), network.logits(x))
    np.testing.assert_array_equal(network.logits(x.tolist()), network.logits(x))
    np.testing.assert_array_equal(network.logits(x > 99), network.logits((x > 99).astype(np.uint8)))
    assert network.evaluate(x.astype(dtype), y) == network.evaluate(x, y)


@pytest.mark.parametrize(
    "other",
    [
        partial(np.asarray, dtype=np.float32),
        partial(np.asarray, dtype=np.float16),
        lambda x: x / 255,
        lambda x: x.astype(np.int64) - 1,
        lambda x: x.astype(np.int64) + 100,
        pd.DataFrame,
        lambda x: pd.DataFrame(x.astype(np.int64)),
    ],
)
def test_a_network_of_pixels_refuses_all_else_and_says_how_to_go_on(pixels, other):
    x, y = pixels
    network = fitted(x, y)
    for method in (network.logits, network.predict, lambda x: network.evaluate(x, y)):
        with pytest.raises(TypeError, match="x must hold pixels, uint8 from 0 to 255"):
            method(other(x))
    with pytest.raises(TypeError, match="must hold pixels"):
        fd.Trainer(network, fd.SGD(0.1)).fit(other(x), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_a_network_of_numbers_refuses_pixels(pixels, dtype):
    x, y = pixels
    network = fitted((x / 255).astype(dtype), y)
    assert network.inputs == ("numbers", None)
    with pytest.raises(TypeError, match="x must hold numbers, on which this network was fitted"):
        network.evaluate(x, y)
    network.evaluate(x / 255, y)


def test_numbers_are_taken_alike_whatever_their_dtype(rng):
    x, y = rng.integers(0, 100, (N, 4)), rng.integers(0, K, N)
    expected = fitted(x.astype(float), y).logits(x.astype(float))
    for dtype in (np.int8, np.uint16, np.int64, np.float16, ">f8", object):
        network = fitted(x.astype(dtype), y)
        np.testing.assert_array_equal(network.logits(x.astype(float)), expected)
        np.testing.assert_array_equal(network.logits(x.astype(dtype)), expected)


@pytest.mark.parametrize("dtype", WIDER)
def test_images_of_a_wider_dtype_must_say_what_they_are(pixels, dtype):
    x, y = pixels
    wide = x.astype(dtype)
    for function in (fitted, lambda x, y: fd.Network([D, K]).evaluate(x, y)):
        with pytest.raises(ValueError, match=r"uint8\) for pixels.*float32\) for numbers"):
            function(wide, y)
    assert fitted(wide.astype(np.uint8), y).evaluate(x, y).accuracy == 1
    fitted(wide.astype(np.float32), y)
    fitted(wide, y, scaling=fd.Scaling.standard(wide))


def test_columns_of_a_frame_are_never_divided(pixels, rng):
    x, y = pixels
    numbers = fitted(x.astype(np.float32), y).logits(x.astype(np.float32))
    frame = pd.DataFrame(x)
    mixed = frame.astype({0: np.float32, 1: np.int64, 2: "UInt8", 3: "float64[pyarrow]"})
    for given in (frame, frame.astype(np.int64), frame.astype("UInt8"), mixed):
        network = fitted(given, y)
        assert network.inputs.kind == "numbers"
        np.testing.assert_array_equal(network.logits(x.astype(np.float32)), numbers)


def test_a_scaling_holds_for_every_dtype(pixels):
    x, y = pixels
    network = fitted(x, y, scaling=fd.Scaling.standard(x))
    expected = network.logits(x)
    for given in (x.astype(np.int64), x.astype(np.float32), pd.DataFrame(x), x.tolist()):
        np.testing.assert_allclose(network.logits(given), expected, rtol=1e-5, atol=1e-5)


def test_what_it_was_fitted_on_goes_with_a_network(pixels, tmp_path):
    x, y = pixels
    network = fitted(x, y)
    network.save(tmp_path / "net")
    for other in (
        fd.Network.load(tmp_path / "net"), network.copy(), copy.deepcopy(network),
        pickle.loads(pickle.dumps(network)),
    ):  # fmt: skip
        assert other.inputs == ("pixels", None)
        with pytest.raises(TypeError, match="must hold pixels"):
            other.predict(x.astype(np.float32))


def test_a_checkpoint_knows_what_it_was_fitted_on(pixels, tmp_path):
    x, y = pixels
    network = fd.Network([D, K])
    callbacks = [fd.Checkpoint(tmp_path / "fit")]
    fd.Trainer(network, fd.SGD(0.1)).fit(x, y, callbacks=callbacks)
    assert fd.Network.load(tmp_path / "fit").inputs == ("pixels", None)
    resumed = fd.Trainer(fd.Network([D, K]), fd.SGD(0.1))
    resumed.resume(tmp_path / "fit")
    resumed.fit(x, y, epochs=2, callbacks=callbacks)
    assert resumed.network.inputs == ("pixels", None)


def test_a_fit_that_takes_no_step_teaches_nothing(pixels):
    x, y = pixels
    network = fd.Network([D, K])
    bad = (x / 255).astype(np.float32)
    bad[3, 4] = np.nan
    with pytest.raises(ValueError, match="row 3, column 4"):
        fd.Trainer(network, fd.SGD(0.1)).fit(bad, y)
    assert network.inputs is None
    assert fitted(x, y).inputs.kind == "pixels"


def test_validation_must_mean_what_training_means(pixels):
    x, y = pixels
    trainer = fd.Trainer(fd.Network([D, K]), fd.SGD(0.1))
    with pytest.raises(TypeError, match=r"validation\[0\] must hold pixels"):
        trainer.fit(x, y, validation=(x / 255, y))
    with pytest.raises(TypeError, match=r"validation\[0\] must hold numbers"):
        trainer.fit(x / 255, y, validation=(x, y))
    wide = trainer.fit(x, y, validation=(x.astype(np.int64), y))
    assert wide["val_loss"] == wide["loss"]


# --- the columns of a frame ------------------------------------------------------------------


def frame(rng, columns="abcd"):
    return pd.DataFrame(rng.standard_normal((N, len(columns))), columns=list(columns))


def test_columns_in_another_order_are_refused(rng, tmp_path):
    x, y = frame(rng), rng.integers(0, K, N)
    network = fitted(x, y)
    assert network.inputs == ("numbers", ("a", "b", "c", "d"))
    network.save(tmp_path / "net")
    for known in (network, fd.Network.load(tmp_path / "net")):
        with pytest.raises(ValueError, match=r"in their order; got d, c, b, a, use x\[list"):
            known.predict(x[list("dcba")])
        swapped = x[list("dcba")]
        np.testing.assert_array_equal(
            known.predict(swapped[list(known.inputs.columns)]), known.predict(x)
        )
        np.testing.assert_array_equal(known.predict(x.to_numpy()), known.predict(x))
        with pytest.raises(ValueError, match="got none named 'a', did you mean 'A'"):
            known.predict(x.rename(columns={"a": "A"}))


def test_numbered_columns_have_no_names(rng):
    x, y = pd.DataFrame(rng.standard_normal((N, 4))), rng.integers(0, K, N)
    network = fitted(x, y)
    assert network.inputs.columns is None
    network.predict(x[[3, 2, 1, 0]].set_axis(list("abcd"), axis=1))


# --- precision before scaling ----------------------------------------------------------------

FAR = {  # far from zero beside how much they vary
    "timestamps": lambda t: 1.7e9 + t,
    "milliseconds": lambda t: 1.7e12 + t,
    "integer timestamps": lambda t: (1.7e9 + t).astype(np.int64),
    "unsigned": lambda t: (3e9 + t).astype(np.uint32),
    "coordinates": lambda t: 59.334591 + 1e-7 * t,
    "identifiers": lambda t: (2**50 + t).astype(np.int64),
    "cents": lambda t: 123_456_789_012 + t,
    "tiny": lambda t: 1e-300 + 1e-305 * t,
    "huge": lambda t: 1e300 + 1e290 * t,
    "negative": lambda t: -1e15 - t,
}


@pytest.mark.parametrize("beside", [0, 300], ids=["alone", "among zeros"])
@pytest.mark.parametrize("name", FAR)
def test_rows_far_from_zero_keep_their_digits(name, beside, dtype):
    """Beside many zeros a row is a sparse one, which the loops would rather not shift."""
    if name in ("tiny", "huge"):  # a scale that float32 does not hold
        dtype = np.dtype(np.float64)
    t = np.arange(60.0)
    x = np.zeros((60, 1 + beside), FAR[name](t).dtype)
    x[:, 0] = FAR[name](t)
    settings = {"dtype": dtype, "scaling": fd.Scaling.standard(x)}
    network = fd.Network([1 + beside, 64, 2], **settings)
    inputs = np.zeros(x.shape)
    inputs[:, 0] = (1 if x[1, 0] > x[0, 0] else -1) * (t - t.mean()) / t.std()
    expected = fd.Network([1 + beside, 64, 2], dtype="float64").logits(inputs)
    np.testing.assert_allclose(network.logits(x), expected, atol=1e-2)
    y = (t >= 30).astype(int)
    trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=10)
    history = trainer.fit(x, y, epochs=30, validation=(x, y))
    assert history["val_accuracy"][-1] == network.evaluate(x, y).accuracy > 0.95
    assert history["val_loss"][-1] == pytest.approx(network.evaluate(x, y).loss)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int64])
def test_numbers_that_are_all_alike_are_no_deviation(kind):
    x = np.full((1000, 3), 113, kind)
    x[:, 1] = np.arange(1000) % 7
    scaling = fd.Scaling.standard(x)
    assert scaling.scale[0] == scaling.scale[2] == 1 != scaling.scale[1]
    np.testing.assert_allclose((x[:, 0] - scaling.shift[0]) * scaling.scale[0], 0, atol=1e-10)


def test_a_range_that_no_float_holds_is_refused():
    with pytest.raises(ValueError, match="the range of x must be finite"):
        fd.Scaling.standard([[1e308], [-1e308]])


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_a_scale_that_the_network_does_not_hold_is_refused_with_a_remedy(scale):
    scaling = fd.Scaling([0.0], [scale])
    with pytest.raises(ValueError, match=r"scaling.scale must .* use dtype='float64'"):
        fd.Network([1, 2], scaling=scaling)
    fd.Network([1, 2], scaling=scaling, dtype="float64")


@pytest.mark.parametrize("bad", [1e300, -1e39])
def test_what_float32_does_not_hold_is_named_and_not_the_learning_rate(bad, rng):
    x, y = rng.standard_normal((20, 4)), rng.integers(0, K, 20)
    good = x.copy()
    x[5, 2] = bad
    network = fd.Network([4, 8, K])
    trainer = fd.Trainer(network, fd.SGD(0.0))
    for use in (
        lambda: trainer.fit(x, y),
        lambda: trainer.fit(good, y, validation=(x, y)),
        lambda: network.evaluate(x, y),
        lambda: network.predict(x),
    ):
        with pytest.raises(
            ValueError, match=re.escape(f"finite in float32; got {bad} at row 5, column 2")
        ):
            use()
    assert np.isfinite(network.copy("float64").evaluate(x, y).loss)


def test_a_resumed_trainer_knows_what_it_was_fitted_on(pixels, rng, tmp_path):
    x, y = pixels
    for given, other in (
        (x, x / 255),
        (frame(rng), frame(rng)[list("dcba")]),
    ):
        network = fd.Network([given.shape[1], K])
        callbacks = [fd.Checkpoint(tmp_path / "fit")]
        fd.Trainer(network, fd.SGD(0.1)).fit(given, y, callbacks=callbacks)
        resumed = fd.Trainer(fd.Network([given.shape[1], K]), fd.SGD(0.1))
        resumed.resume(tmp_path / "fit")
        assert resumed.network.inputs == network.inputs
        with pytest.raises((TypeError, ValueError), match="on which this network was fitted"):
            resumed.network.predict(other)


def test_validation_has_the_columns_of_training_also_after_a_fit_of_an_array(rng):
    x, y = frame(rng), rng.integers(0, K, N)
    network = fitted(x.to_numpy(), y)
    with pytest.raises(ValueError, match=r"validation\[0\] must have the columns"):
        fd.Trainer(network, fd.SGD(0.1)).fit(x, y, validation=(x[list("dcba")], y))
    fd.Trainer(network, fd.SGD(0.1)).fit(x, y, validation=(x, y))
    with pytest.raises(ValueError, match="x must have the columns"):
        network.predict(x[list("dcba")])


def test_numbered_columns_in_another_order_are_refused_once_they_are_names(rng):
    x, y = pd.DataFrame(rng.standard_normal((N, 4)))[[2, 0, 1, 3]], rng.integers(0, K, N)
    network = fitted(x, y)
    assert network.inputs.columns == ("2", "0", "1", "3")
    with pytest.raises(ValueError, match="x must have the columns"):
        network.predict(x[[0, 1, 2, 3]].rename(columns={3: 4}))
