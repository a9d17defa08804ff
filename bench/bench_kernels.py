"""Every op of fastdl beside its plain-NumPy twin, in float32, at the sizes that cases.py gives."""

import inspect

import numpy as np
import pytest

from fastdl import _reference, ops
from tests import cases

BACKENDS = {"fastdl": ops, "numpy": _reference}
CASES = {bench.label: (op, bench) for op, row in cases.OPS.items() for bench in row.bench}


def draw(op, bench, rng, share):
    first = next(iter(bench.sizes))
    sizes = bench.sizes | {first: share(bench.sizes[first])}
    return cases.OPS[op].arguments(rng, np.float32, bench.settings, bench.arrays, **sizes)


def run(backend, op, arguments):
    """The results of one call on copies: what it returns, or what it has changed."""
    function = getattr(BACKENDS[backend], op)
    copies = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    result = function(**copies)
    if result is None:
        return [copies[name] for name in cases.OPS[op].state]
    return result if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("label", CASES)
def test_kernel(label, backend, benchmark, counted, rng, share):
    op, bench = CASES[label]
    arguments = draw(op, bench, rng, share)
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


def test_every_op_is_timed():
    assert all(row.bench for row in cases.OPS.values())
