"""Networks as ONNX graphs, judged by onnxruntime."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastdl as fd
from fastdl.activations import ACTIVATIONS

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

D, H, K, N = 6, 9, 3, 40
ROWS = "uint8", "float32", "float64"
DTYPES = "float32", "float64"
LOSSES = dict.fromkeys(fd.losses.LOSSES, "identity") | {"poisson": "exp"}


def rows(kind, seed=0, n=N):
    rng = np.random.default_rng(seed)
    if kind == "uint8":
        return rng.integers(0, 256, (n, D), np.uint8)
    return rng.normal(size=(n, D)).astype(kind)


def network(x, dtype="float32", activation="relu", loss="mse", scaled=False, seed=0):
    layers = [
        fd.Dense(D, H, activation, init=fd.init.Normal(0.3)), fd.Dropout(0.5),
        fd.Dense(K, activation=LOSSES.get(loss, "identity"), init=fd.init.Normal(0.3)),
    ]  # fmt: skip
    scaling = fd.Scaling.standard(x) if scaled else None
    return fd.Network(layers, loss=loss, dtype=dtype, scaling=scaling, seed=seed)


def run(path, x):
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": x}), strict=True))


def expected(net, x):
    """What the outputs are to be, by their names."""
    loss = net.loss_function
    if loss.y not in ("labels", "binary"):
        return {"output": net.logits(x)}
    kind = "scores" if loss.probabilities is None else "probabilities"
    scores = net.logits(x) if loss.probabilities is None else net.predict_proba(x)
    return {"label": net.predict(x), kind: scores}


def agree(found, net, x):
    wanted = expected(net, x)
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ROWS), st.sampled_from(DTYPES), st.sampled_from(sorted(ACTIVATIONS)),
    st.sampled_from(sorted(LOSSES)), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_a_runtime_gives_the_same(tmp_path_factory, kind, dtype, activation, loss, scaled, seed):
    x = rows(kind, seed)
    net = network(x, dtype, activation, loss, scaled, seed)
    path = tmp_path_factory.getbasetemp() / "net.onnx"
    net.to_onnx(path, rows=kind)
    agree(run(path, x), net, x)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_activation_far_from_zero(tmp_path, activation, dtype):
    x = np.linspace(-60, 60, 2 * D * N).reshape(-1, D).astype(dtype)
    net = network(x, dtype, activation)
    net.to_onnx(tmp_path / "net.onnx")
    agree(run(tmp_path / "net.onnx", x), net, x)


def test_the_graph_is_of_an_old_opset_with_a_named_batch_axis(tmp_path):
    net = network(rows("float32"), loss="softmax_cross_entropy")
    net.to_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert model.ir_version == 8
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    (x,) = model.graph.input
    assert x.name == "x"
    shapes = [
        [axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim]
        for each in (x, *model.graph.output)
    ]
    assert shapes == [["n", D], ["n"], ["n", K]]
    for n in (0, 1, 7):
        agree(run(tmp_path / "net.onnx", rows("float32", n=n)), net, rows("float32", n=n))


@pytest.mark.parametrize("kind", ROWS)
def test_it_takes_the_rows_that_the_network_was_fitted_on(tmp_path, kind):
    x = rows(kind)
    net = network(x)
    fd.Trainer(net, fd.SGD(0.01)).fit(x, np.zeros((N, K)))
    net.to_onnx(tmp_path / "net.onnx")
    given = x if kind == "uint8" else x.astype(np.float32)
    agree(run(tmp_path / "net.onnx", given), net, given)


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_go_by_their_running_values(tmp_path, dtype):
    x = rows(dtype)
    layers = [fd.Dense(D, H), fd.BatchNorm(activation="gelu"), fd.Dropout(0.2), fd.Dense(K)]
    net = fd.Network(layers, loss="mse", dtype=dtype)
    fd.Trainer(net, fd.SGD(0.1), batch_size=8).fit(x, np.zeros((N, K)), epochs=3)
    net.to_onnx(tmp_path / "net.onnx")
    agree(run(tmp_path / "net.onnx", x), net, x)


def test_digits_are_scaled_before_they_are_rounded(tmp_path):
    x = 1.7e9 + np.arange(D * 60.0).reshape(60, D)
    net = network(x, scaled=True)
    net.to_onnx(tmp_path / "net.onnx", rows="float64")
    agree(run(tmp_path / "net.onnx", x), net, x)


def test_a_loss_of_ones_own_and_one_output(tmp_path):
    def squared(logits, y):
        return ((logits - y) ** 2).sum(axis=1), 2 * (logits - y)

    for loss in (squared, "binary_cross_entropy", "mse"):
        net = fd.Network([D, 1], loss=loss)
        net.to_onnx(tmp_path / "net.onnx")
        found = run(tmp_path / "net.onnx", rows("float32"))
        assert [len(value) for value in found.values()] == [N] * len(found)
        first = next(iter(found.values()))
        np.testing.assert_allclose(first[:, 0], np.ravel(net.predict(rows("float32"))), rtol=1e-5)


def test_what_may_not_be_asked(tmp_path):
    net = network(rows("float32"))
    with pytest.raises(ValueError, match="float64, uint8, or None; got 'int8'"):
        net.to_onnx(tmp_path / "net.onnx", rows="int8")
    with pytest.raises(TypeError, match="path must be"):
        net.to_onnx(3)
    assert not list(tmp_path.iterdir())
    (tmp_path / "net.onnx").write_bytes(b"older")
    net.to_onnx(tmp_path / "net.onnx")
    assert [each.name for each in tmp_path.iterdir()] == ["net.onnx"]


def test_without_onnx_it_says_what_to_install():
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "import fastdl as fd\n"
        "try: fd.Network([2, 2]).to_onnx('net.onnx')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "use pip install 'fastdl[onnx]'" in done.stdout


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".pt", ".csv", ".pkl"])
def test_the_ending_of_another_format_is_refused(tmp_path, ending):
    path = tmp_path / f"net{ending}"
    with pytest.raises(ValueError, match=r"another format than \.onnx; .* use '.*net\.onnx'"):
        network(rows("float32")).to_onnx(path)
    assert not list(tmp_path.iterdir())
