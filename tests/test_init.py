"""init.py: the statistics of every initialisation, seeded."""

import numpy as np
import pytest

import fastdl as fd
from fastdl import init

D, H = 400, 500
NORMAL = {
    "normal": (init.Normal(), 0.01),
    "normal of 0.3": (init.Normal(0.3), 0.3),
    "normal of 0": (init.Normal(0.0), 0.0),
    "xavier": (init.Xavier(), np.sqrt(1 / D)),
    "he": (init.He(), np.sqrt(2 / D)),
}


@pytest.mark.parametrize(("chosen", "deviation"), NORMAL.values(), ids=NORMAL)
def test_normal_of_its_deviation(chosen, deviation, rng):
    weight = chosen.draw(rng, D, H)
    assert weight.shape == (D, H)
    assert weight.dtype == np.float64
    assert weight.std() == pytest.approx(deviation, rel=0.01)
    assert abs(weight.mean()) <= 5 * deviation / np.sqrt(D * H)
    inside = (np.abs(weight) < deviation).mean()
    assert inside == pytest.approx(0.6827, abs=0.01) or deviation == 0


def test_uniform_between_its_bounds(rng):
    weight, bound = init.Uniform().draw(rng, D, H), 1 / np.sqrt(D)
    assert np.abs(weight).max() <= bound
    assert weight.max() > 0.999 * bound
    assert weight.min() < -0.999 * bound
    assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.01)


@pytest.mark.parametrize("name", init.INITS)
def test_a_network_draws_by_name_from_its_seed(name):
    network = fd.Network([D, H], init=name, seed=12, dtype="float64")
    expected = init.get(name).draw(np.random.default_rng(12), D, H)
    np.testing.assert_array_equal(network.parameters["layers.0.weight"], expected)


def test_anything_with_draw_is_an_initialisation():
    class Ones:
        def draw(self, rng, d, h):
            return np.ones((d, h))

    network = fd.Network([3, 20, 2], init=Ones())
    assert all(p.all() for name, p in network.parameters.items() if name.endswith("weight"))
    chosen = init.Normal(0.2)
    assert init.get(chosen) is chosen
