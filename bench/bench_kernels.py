"""Every op of fastdl beside its plain-NumPy twin, at the shapes of the assignments, float32."""

import inspect

import numpy as np
import pytest

from fastdl import _reference, ops

BACKENDS = {"fastdl": ops, "numpy": _reference}
ACTIVATIONS = ("identity", "relu", "leaky_relu", "sigmoid", "tanh")
N, K = 10_000, 10


def normal(rng, *shape):
    return rng.standard_normal(shape, np.float32)


def product(n, d, h, transpose_a=False, transpose_b=False):
    def make(rng, share):
        rows = share(n)
        a = normal(rng, d, rows) if transpose_a else normal(rng, rows, d)
        b = normal(rng, h, d) if transpose_b else normal(rng, d, h)
        return {"a": a, "b": b, "transpose_a": transpose_a, "transpose_b": transpose_b}

    return make


def gather(kind):
    def make(rng, share):
        x = rng.integers(0, 256, (share(N), 3072), np.uint8).astype(kind)
        shift, scale = np.full((2, 3072), [[120], [1 / 64]], np.float32)
        return {"x": x, "order": rng.integers(0, len(x), 100), "shift": shift, "scale": scale}

    return make


def labelled(rng, share):
    return {"logits": normal(rng, share(N), K), "labels": rng.integers(0, K, share(N))}


def targeted(rng, share):
    return {"outputs": normal(rng, share(N), K), "targets": normal(rng, share(N), K)}


def update(*moments, **settings):
    def make(rng, share):
        arrays = {name: normal(rng, share(3072), 50) for name in ("param", "grad", *moments)}
        if "square" in arrays:
            np.square(arrays["square"], out=arrays["square"])
        return arrays | {"learning_rate": 1e-6, "l2": 0.01} | settings

    return make


CASES = {  # label: op, its arguments
    "forward 100x3072x10": ("matmul", product(100, 3072, 10)),
    "forward 100x3072x50": ("matmul", product(100, 3072, 50)),
    "forward 128x784x128": ("matmul", product(128, 784, 128)),
    "forward 1024x784x128": ("matmul", product(1024, 784, 128)),
    "forward 100x128x64": ("matmul", product(100, 128, 64)),
    "forward 10x128x64": ("matmul", product(10, 128, 64)),
    "forward 1024x512x512": ("matmul", product(1024, 512, 512)),
    "weight gradient 3072x100x10": ("matmul", product(3072, 100, 10, transpose_a=True)),
    "weight gradient 3072x100x50": ("matmul", product(3072, 100, 50, transpose_a=True)),
    "weight gradient 784x128x128": ("matmul", product(784, 128, 128, transpose_a=True)),
    "weight gradient 784x1024x128": ("matmul", product(784, 1024, 128, transpose_a=True)),
    "weight gradient 128x100x64": ("matmul", product(128, 100, 64, transpose_a=True)),
    "weight gradient 128x10x64": ("matmul", product(128, 10, 64, transpose_a=True)),
    "weight gradient 512x1024x512": ("matmul", product(512, 1024, 512, transpose_a=True)),
    "input gradient 100x10x50": ("matmul", product(100, 10, 50, transpose_b=True)),
    "input gradient 1024x512x512": ("matmul", product(1024, 512, 512, transpose_b=True)),
    "input gradient 100x64x128": ("matmul", product(100, 64, 128, transpose_b=True)),
    "input gradient 10x64x128": ("matmul", product(10, 64, 128, transpose_b=True)),
    "forward by unit 100x3072x50": ("matmul", product(100, 3072, 50, transpose_b=True)),
    "weight gradient by unit 50x100x3072": ("matmul", product(50, 100, 3072, transpose_a=True)),
    "forward by unit 100x3072x10": ("matmul", product(100, 3072, 10, transpose_b=True)),
    "weight gradient by unit 10x100x3072": ("matmul", product(10, 100, 3072, transpose_a=True)),
    "gather 100 of uint8": ("gather", gather(np.uint8)),
    "gather 100 of float32": ("gather", gather(np.float32)),
    **{
        f"{name} 128x128": (name, lambda rng, share: {"x": normal(rng, share(128), 128)})
        for name in ACTIVATIONS
    },
    **{
        f"{name}_backward 128x128": (
            f"{name}_backward",
            lambda rng, share: {name: normal(rng, share(128), 128) for name in ("dout", "out")},
        )
        for name in ACTIVATIONS
    },
    "bias_activation relu 100x50": (
        "bias_activation",
        lambda rng, share: {
            "z": normal(rng, share(100), 50), "bias": normal(rng, 50), "activation": "relu",
        },
    ),
    "bias_activation_backward relu 100x50": (
        "bias_activation_backward",
        lambda rng, share: {
            "dout": normal(rng, share(100), 50), "out": normal(rng, share(100), 50),
            "activation": "relu",
        },
    ),
    "softmax 10000x10": ("softmax", lambda rng, share: {"logits": normal(rng, share(N), K)}),
    "softmax_cross_entropy 10000x10": ("softmax_cross_entropy", labelled),
    "hinge 10000x10": ("hinge", labelled),
    "sigmoid_cross_entropy 10000x10": ("sigmoid_cross_entropy", labelled),
    "mse 10000x10": ("mse", targeted),
    "accuracy 10000x10": ("accuracy", labelled),
    "penalty 3072x50": (
        "penalty", lambda rng, share: {"weight": normal(rng, share(3072), 50), "l2": 0.01},
    ),
    "sgd_update 3072x50": ("sgd_update", update()),
    "momentum_update 3072x50": ("momentum_update", update("velocity")),
    "nesterov_update 3072x50": ("momentum_update", update("velocity", nesterov=True)),
    "adam_update 3072x50": ("adam_update", update("mean", "square", t=10)),
}  # fmt: skip


def run(backend, op, arguments):
    """The results of one call on copies: what it returns, or what it has changed."""
    function = getattr(BACKENDS[backend], op)
    copies = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    result = function(**copies)
    if result is None:
        return [copies[name] for name in copies if isinstance(copies[name], np.ndarray)]
    return result if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("label", CASES)
def test_kernel(label, backend, benchmark, counted, rng, share):
    op, make = CASES[label]
    arguments = make(rng, share)
    results = run("fastdl", op, arguments)
    for a, e in zip(results, run("numpy", op, arguments), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4 * np.abs(e).max())
    benchmark.group = label
    if op == "matmul":
        counted(2 * arguments["a"].size * results[0].shape[1])
    function = getattr(BACKENDS[backend], op)
    if "n_threads" in inspect.signature(function).parameters:
        arguments["n_threads"] = 1
    benchmark(function, **arguments)


def test_every_op_has_a_case():
    assert {op for op, _ in CASES.values()} == set(ops.__all__)
