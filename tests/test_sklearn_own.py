"""scikit-learn's own tests of its multilayer perceptrons, run on the library's."""

import importlib.util

import pytest
import sklearn.neural_network as peer

from fastdl.sklearn import MLPClassifier, MLPRegressor

# Trainings that end by themselves, at a loss of their own or not at all, are what these are about.
pytestmark = pytest.mark.filterwarnings("default")
NOT_OURS = {"test_gradient"}  # calls a private method with buffers for what NumPy would do


def with_ours():
    """The tests of the installed module, which sees our classes where it imports its own."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(peer, "MLPClassifier", MLPClassifier)
        patched.setattr(peer, "MLPRegressor", MLPRegressor)
        spec.loader.exec_module(module)
    found = {name: each for name, each in vars(module).items() if name.startswith("test_")}
    return {name: found[name] for name in found if name not in NOT_OURS}


@pytest.fixture
def global_random_seed():
    return 42


def test_there_are_some():
    assert len([name for name in globals() if name.startswith("test_")]) > 40


globals().update(with_ours())
