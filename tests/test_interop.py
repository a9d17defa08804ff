"""Networks from other libraries and back."""

import subprocess
import sys

import numpy as np
import pytest

import fastdl as fd

D, H, K, N = 5, 8, 3, 30
X = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)


# --- states ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_state_makes_a_network_alike(dtype):
    one, other = (fd.Network([D, H, K], dtype=dtype, seed=seed) for seed in (0, 1))
    state = one.state_dict()
    assert all(array.flags.c_contiguous and array.flags.owndata for array in state.values())
    other.load_state(state)
    assert other.logits(X).tobytes() == one.logits(X).tobytes()
    state["layers.0.bias"][:] = 7
    assert not one.parameters["layers.0.bias"].any()


@pytest.mark.parametrize("change", [
    lambda state: state.pop("layers.0.bias"),
    lambda state: state.update({"layers.9.bias": np.zeros(3)}),
    lambda state: state.update({"layers.1.weight": np.zeros((K, H))}),
    lambda state: state.update({"layers.1.weight": np.full((H, K), np.nan)}),
])  # fmt: skip
def test_a_state_that_does_not_fit_changes_nothing(change):
    net = fd.Network([D, H, K])
    state = fd.Network([D, H, K], seed=1).state_dict()
    before = net.logits(X)
    change(state)
    with pytest.raises((ValueError, KeyError), match="parameter"):
        net.load_state(state)
    assert net.logits(X).tobytes() == before.tobytes()


def test_a_state_of_pytorch_is_told_what_takes_it():
    tensor = type("Tensor", (np.ndarray,), {"__module__": "torch"})
    state = {"0.weight": np.zeros((H, D)).view(tensor), "0.bias": np.zeros(H).view(tensor)}
    with pytest.raises(ValueError, match=r"none named 'layers.0.weight', use fd\.from_torch\(mod"):
        fd.Network([D, H]).load_state(state)


# --- PyTorch ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is large: compared where it is installed")


ACTIVATIONS = {
    "identity": "Identity()", "relu": "ReLU()", "leaky_relu": "LeakyReLU()", "tanh": "Tanh()",
    "sigmoid": "Sigmoid()", "elu": "ELU()", "selu": "SELU()", "softplus": "Softplus()",
    "gelu": "GELU(approximate='tanh')", "silu": "SiLU()", "mish": "Mish()",
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_from_torch_and_back(torch, activation, dtype):
    nn = torch.nn
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(D, H), eval(f"nn.{ACTIVATIONS[activation]}"), nn.Dropout(0.3),
        nn.Sequential(nn.Linear(H, K, bias=False)),
    ).to(getattr(torch, dtype)).eval()  # fmt: skip
    rows = X.astype(dtype)
    expected = module(torch.from_numpy(rows)).detach().numpy()
    net = fd.from_torch(module)
    assert net.dtype == dtype
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "Dropout", "Dense"]
    np.testing.assert_allclose(net.logits(rows), expected, rtol=1e-5, atol=1e-6)
    again = fd.to_torch(net).eval()
    found = again(torch.from_numpy(rows)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert fd.from_torch(again).layers == net.layers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_from_torch_and_back(torch, dtype):
    nn = torch.nn
    module = nn.Sequential(
        nn.Linear(D, H), nn.BatchNorm1d(H, 0.01, 0.3), nn.Tanh(), nn.Linear(H, K),
        nn.BatchNorm1d(K, affine=False), nn.Linear(K, K),
    ).to(getattr(torch, dtype))  # fmt: skip
    rows = torch.from_numpy(X.astype(dtype))
    module(rows)
    expected = module.eval()(rows).detach().numpy()
    net = fd.from_torch(module)
    assert net.layers[1] == fd.BatchNorm(0.7, 0.01, "tanh", d=H)
    np.testing.assert_allclose(net.logits(X.astype(dtype)), expected, rtol=1e-5, atol=1e-6)
    again = fd.to_torch(net).eval()
    np.testing.assert_allclose(again(rows).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert fd.from_torch(again).layers == net.layers
    assert again[1].momentum == 0.3
    # A step has the same gradient.
    loss = nn.functional.cross_entropy(again.train()(rows), torch.arange(N) % K)
    loss.backward()
    found = net.gradients(X.astype(dtype), np.arange(N) % K)
    for name, tensor in (("layers.1.gamma", again[1].weight), ("layers.0.weight", again[0].weight)):
        own = tensor.grad.numpy().T
        np.testing.assert_allclose(found[name], own, rtol=1e-4, atol=1e-6)


def test_a_scaling_goes_into_the_first_weight(torch):
    x = X * 9 + 4
    net = fd.Network([D, H, K], scaling=fd.Scaling.standard(x))
    found = fd.to_torch(net)(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, net.logits(x), rtol=1e-4, atol=1e-5)


def test_one_linear_module(torch):
    module = torch.nn.Linear(D, 2)
    expected = module(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(fd.from_torch(module).logits(X), expected, rtol=1e-5, atol=1e-6)


REFUSED = {
    "no module": ("3", "module must be a torch.nn.Sequential"),
    "nothing": ("nn.Sequential()", "must hold a dense layer"),
    "a convolution": ("nn.Sequential(nn.Conv2d(1, 2, 3))", "got Conv2d"),
    "another gelu": ("nn.Sequential(nn.Linear(5, 3), nn.GELU())", "GELU.approximate='tanh'"),
    "another slope": ("nn.Sequential(nn.Linear(5, 3), nn.LeakyReLU(.2))", "negative_slope=0.2"),
    "a softmax": ("nn.Sequential(nn.Linear(5, 3), nn.Softmax(1))", "leave it out"),
    "an activation first": (
        "nn.Sequential(nn.ReLU(), nn.Linear(5, 3))",
        "after a dense layer",
    ),
    "two of them": ("nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Tanh())", "after a dense"),
    "a norm first": (
        "nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 3))",
        "after a dense layer",
    ),
    "a norm of the batch alone": (
        "nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3, track_running_stats=False))",
        "with running statistics and a momentum",
    ),
    "two dtypes": ("nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3).double())", "one dtype"),
    "half": ("nn.Linear(5, 3).half()", "dtype must be float32 or float64"),
    "widths that do not join": ("nn.Sequential(nn.Linear(5, 4), nn.Linear(5, 3))", "must take"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_only_torch_knows(torch, what):
    code, told = REFUSED[what]
    with pytest.raises((TypeError, ValueError), match=told):
        fd.from_torch(eval(code, {"nn": torch.nn}))


def test_what_torch_has_no_module_of(torch):
    with pytest.raises(ValueError, match="got 'exp' in layers"):
        fd.to_torch(fd.Network([fd.Dense(D, 1, "exp")], loss="poisson"))


@pytest.mark.parametrize("call", ["from_torch(3)", "to_torch(fd.Network([2, 2]))"])
def test_without_torch_it_says_what_to_install(call):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import fastdl as fd\n"
        f"try: fd.{call}\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "use pip install torch" in done.stdout


# --- Keras -----------------------------------------------------------------------------------


class Layer:
    """What Keras's layers tell of themselves."""

    def __init__(self, *weights, **config):
        self._weights, self._config = list(weights), config

    def get_weights(self):
        return self._weights

    def get_config(self):
        return self._config


KINDS = "Dense", "Activation", "ReLU", "Dropout", "Flatten", "InputLayer", "Conv2D", "Softmax"
KINDS = *KINDS, "BatchNormalization"
LAYERS = {name: type(name, (Layer,), {}) for name in KINDS}


class Sequential:
    def __init__(self, *layers):
        self.layers = list(layers)


def keras(*layers):
    return Sequential(*(LAYERS[name](*weights, **config) for name, weights, config in layers))


W = np.random.default_rng(1).normal(size=(D, H)).astype(np.float32)
V, B = W.T[:, :K].copy(), np.arange(K, dtype=np.float32)


def test_from_keras():
    model = keras(
        ("InputLayer", (), {}), ("Flatten", (), {}), ("Dense", (W, W[0]), {"activation": "relu"}),
        ("Dropout", (), {"rate": 0.2}), ("Dense", (V,), {"activation": "linear"}),
        ("Activation", (), {"activation": "softmax"}),
    )  # fmt: skip
    net = fd.from_keras(model)
    expected = np.maximum(X @ W + W[0], 0) @ V
    np.testing.assert_allclose(net.logits(X), expected, rtol=1e-5, atol=1e-5)
    one = fd.from_keras(keras(("Dense", (V, B), {"activation": "exponential"})), loss="poisson")
    assert one.layers[0].activation == "exp"
    layers = ("Dense", (V, B), {"activation": "linear"}), ("ReLU", (), {})
    two = fd.from_keras(keras(*layers), loss="mse")
    assert two.layers[0].activation == "relu"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_from_keras_itself():
    keras = pytest.importorskip("keras", exc_type=ImportError, reason="compared where it runs")
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((D,)), layers.Dense(H), layers.BatchNormalization(), layers.ReLU(),
        layers.Dropout(0.2), layers.Dense(H, "swish"), layers.Dense(K, use_bias=False),
    ])  # fmt: skip
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, np.arange(N) % K, verbose=0)  # so that the norm's statistics have moved
    net = fd.from_keras(model)
    assert [type(layer).__name__ for layer in net.layers] == [
        "Dense", "BatchNorm", "Dropout", "Dense", "Dense",
    ]  # fmt: skip
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(net.logits(X), expected, rtol=1e-5, atol=1e-5)


def test_norms_from_keras():
    settings = {"momentum": 0.99, "epsilon": 0.001, "scale": False, "center": True}
    beta, mean, variance = B + 1, B - 1, B + 0.5
    model = keras(
        ("Dense", (V, B), {"activation": "linear"}),
        ("BatchNormalization", (beta, mean, variance), settings), ("ReLU", (), {}),
        ("Dense", (V[:K],), {"activation": "linear"}),
    )  # fmt: skip
    net = fd.from_keras(model)
    assert net.layers[1] == fd.BatchNorm(0.99, 0.001, "relu", d=K)
    x = X @ W
    hidden = np.maximum((x @ V + B - mean) / np.sqrt(variance + 0.001) + beta, 0)
    np.testing.assert_allclose(net.logits(x), hidden @ V[:K], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("layers", "told"), [
    ([("Conv2D", (), {})], "got Conv2D at place 0"),
    ([("Dense", (V, B), {"activation": "gelu"})], "got 'gelu', use one of"),
    ([("Dense", (W,), {"activation": "softmax"}), ("Dense", (V,), {"activation": "linear"})],
     "got 'softmax'"),
    ([("Dense", (), {"activation": "relu"})], "model must be built"),
    ([], "must hold a dense layer"),
])  # fmt: skip
def test_what_only_keras_knows(layers, told):
    with pytest.raises(ValueError, match=told):
        fd.from_keras(keras(*layers))


def test_what_is_no_model():
    with pytest.raises(TypeError, match=r"model must be a keras\.Sequential"):
        fd.from_keras([3, 2])
