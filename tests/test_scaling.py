"""scaling.py: the three ways to scale, and that a network reads its rows so."""

import numpy as np
import pytest

import fastdl as fd


@pytest.fixture(params=["uint8", "float32", "float64"])
def rows(request, rng):
    """More rows than are summed at once."""
    return rng.integers(0, 256, (700, 5)).astype(request.param)


def test_standard_has_mean_zero_and_deviation_one(rows):
    scaling = fd.Scaling.standard(rows)
    scaled = (rows.astype(float) - scaling.shift) * scaling.scale
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, -1e-12, 1e300])
@pytest.mark.parametrize("n", [1, 2, 1000])
def test_a_constant_feature_becomes_zero(value, n):
    x = np.full((n, 2), value)
    scaling = fd.Scaling.standard(x)
    scaled = (x - scaling.shift) * scaling.scale
    np.testing.assert_allclose(scaled, 0, atol=1e-12 * max(1, abs(value)))


def test_standard_of_large_numbers_with_small_differences(rng):
    """E(x^2) - E(x)^2 would lose them all."""
    x = 1e8 + rng.standard_normal((1000, 3))
    np.testing.assert_allclose(1 / fd.Scaling.standard(x).scale, x.std(axis=0), rtol=1e-6)


def test_centred_takes_the_mean_away_and_divides(rows):
    scaling = fd.Scaling.centred(rows)
    np.testing.assert_allclose(scaling.shift, rows.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(scaling.scale, np.full(5, 1 / 255))
    assert fd.Scaling.centred(rows, 2.0).scale[0] == 0.5


def test_divided():
    scaling = fd.Scaling.divided(3, 2.0)
    assert (scaling.shift.tolist(), scaling.scale.tolist()) == ([0, 0, 0], [0.5, 0.5, 0.5])
    assert fd.Scaling.divided(1).scale[0] == 1 / 255


def test_a_scaling_is_float64_of_its_own_and_does_not_change():
    shift = np.array([1, 2, 3], np.float32)
    scaling = fd.Scaling(shift, [0.5, 0.5, 1])
    shift[0] = 99
    assert scaling.shift.tolist() == [1, 2, 3]
    assert scaling.shift.dtype == scaling.scale.dtype == np.float64
    for array in (scaling.shift, scaling.scale):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        scaling.shift = shift


@pytest.mark.parametrize("scaled", [False, True])
def test_a_network_reads_its_rows_scaled(rows, scaled, dtype):
    scaling = fd.Scaling.standard(rows) if scaled else None
    weight = fd.Network([5, 5], dtype=dtype, scaling=scaling)
    weight.parameters["layers.0.weight"][...] = np.eye(5)
    expected = rows.astype(float)
    if scaled:
        expected = (expected - scaling.shift) * scaling.scale
    elif rows.dtype == np.uint8:
        expected = expected / 255
    np.testing.assert_allclose(weight.logits(rows), expected, rtol=1e-5, atol=1e-5)


def test_scaled_rows_train_as_rows_that_were_scaled_before(rows, agree):
    scaling, y = fd.Scaling.standard(rows), np.arange(700) % 3
    results = []
    for x, given in ((rows, scaling), ((rows - scaling.shift) * scaling.scale, None)):
        network = fd.Network([5, 8, 3], dtype="float64", scaling=given)
        fd.Trainer(network, fd.SGD(0.1), batch_size=50).fit(x, y, epochs=2)
        results.append(network.parameters.values())
    agree(*results, "float64")
