"""A network as an ONNX graph: scaling, layers, activations, and what answers are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastdl import _check, _needed
from fastdl._check import Array
from fastdl.core import Core
from fastdl.layers import BatchNorm, Dense

OPSET, IR = 17, 8  # such as runtimes of the last years read
_ROWS = ("float32", "float64", "uint8")
_GELU = float(np.sqrt(2 / np.pi))
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_LEAKY_SLOPE = 0.01


class Graph:
    """Nodes and constants that grow from the rows to the outputs.

    Parameters
    ----------
    dtype : dtype
        Of the numbers that are added and multiplied.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._onnx = _needed.module("onnx", "to_onnx", "use pip install 'fastdl[onnx]'")
        self.dtype, self.nodes, self.constants = dtype, list[Any](), list[Any]()

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Add a node; the name of its output."""
        out = out or f"{kind.lower()}_{len(self.nodes)}"
        made = self._onnx.helper.make_node(kind, list(inputs), [out], name=out, **attributes)
        self.nodes.append(made)
        return out

    def constant(self, value: Array | float, name: str = "") -> str:
        """Add a constant, a number alone in the network's dtype; its name."""
        array = np.asarray(value, None if isinstance(value, np.ndarray) else self.dtype)
        name = name or f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(array) if array.ndim else array
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def cast(self, x: str, dtype: np.dtype[Any], out: str = "") -> str:
        """The same in another dtype."""
        return self.node("Cast", x, to=self.type(dtype), out=out)

    def above_zero(self, x: str, out: str = "") -> str:
        """Whether items are, as int64."""
        above = self.node("Greater", x, self.constant(0.0))
        return self.cast(above, np.dtype(np.int64), out)

    def type(self, dtype: np.dtype[Any]) -> int:
        """What ONNX calls a dtype."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def model(self, rows: tuple[str, np.dtype[Any], int], outputs: list[Any], doc: str) -> Any:
        """All of it, checked; rows: their name, dtype and number of columns."""
        helper, (name, dtype, d) = self._onnx.helper, rows
        given = helper.make_tensor_value_info(name, self.type(dtype), ["n", d])
        graph = helper.make_graph(self.nodes, "fastdl", [given], outputs, self.constants, doc)
        opset = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(graph, opset_imports=opset, producer_name="fastdl")
        made.ir_version = IR  # the helper's own is the newest, which older runtimes refuse
        self._onnx.checker.check_model(made, full_check=True)
        return made

    def output(self, name: str, dtype: Any, *shape: int) -> Any:
        """What the graph tells of one of its outputs (n, ...)."""
        kind = self.type(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, ["n", *shape])


Answers = Callable[[Graph, Core, str], list[Any]]


def to_onnx(core: Core, rows: str | None, answers: Answers | None = None) -> bytes:
    """A network as the bytes of an ONNX file.

    Parameters
    ----------
    core : Core
    rows : str or None
        The dtype of its input, see ``Network.to_onnx``.
    answers : callable, optional
        Adds what answers are made of to a graph with these logits, and tells its outputs; None: as
        ``Network.predict`` and ``predict_proba`` have them.
    """
    kind = None if core.inputs is None else core.inputs.kind
    if rows is None:
        rows = "uint8" if kind == "pixels" else core.dtype.name
    dtype = np.dtype(_check.choice("rows", rows, _ROWS, None, ", or None"))
    if dtype == np.uint8 and kind == "numbers" and core.scaling is None:
        raise ValueError(
            "rows must be float32 or float64 for a network that was fitted on numbers; got uint8, "
            f"which are pixels, use {core.dtype.name!r}"
        )
    graph = Graph(core.dtype)
    x = _scaled(graph, core, "x", dtype)
    for i, layer in enumerate(core.layers):
        if isinstance(layer, Dense | BatchNorm):
            z = (_product if isinstance(layer, Dense) else _normalised)(graph, core, i, x)
            x = _ACTIVATIONS[layer.activation](graph, z)
    outputs = (answers or _answers)(graph, core, x)
    doc = f"A network of fastdl with the loss {core.loss}."
    model = graph.model(("x", dtype, core.layers[0].d), outputs, doc)
    return bytes(model.SerializeToString())


def _product(graph: Graph, core: Core, i: int, x: str) -> str:
    names = f"layers.{i}.weight", f"layers.{i}.bias"
    return graph.node("Gemm", x, *(graph.constant(core.parameters[name], name) for name in names))


def _normalised(graph: Graph, core: Core, i: int, x: str) -> str:
    """By the running mean and variance, as the loops have it: no shift in which digits are lost."""
    parameters, layer = core.parameters, core.layers[i]
    assert isinstance(layer, BatchNorm)
    variance = parameters[f"layers.{i}.running_variance"].astype(np.float64)
    scale = parameters[f"layers.{i}.gamma"] / np.sqrt(variance + layer.epsilon)
    for operator, name, value in (
        ("Sub", "running_mean", parameters[f"layers.{i}.running_mean"]),
        ("Mul", "scale", scale.astype(core.dtype)),
        ("Add", "beta", parameters[f"layers.{i}.beta"]),
    ):
        x = graph.node(operator, x, graph.constant(value, f"layers.{i}.{name}"))
    return x


def _scaled(graph: Graph, core: Core, x: str, dtype: np.dtype[Any]) -> str:
    """Rows as inputs: as ``scaling.Applied`` has it, in the rows' own precision."""
    scaling = core.applied.of(np.empty(0, dtype))
    if scaling is None:
        return x if dtype == core.dtype else graph.cast(x, core.dtype)
    shift, scale = scaling
    if dtype != shift.dtype:
        x = graph.cast(x, shift.dtype)
    if shift.any():
        x = graph.node("Sub", x, graph.constant(shift, "scaling.shift"))
    x = graph.node("Mul", x, graph.constant(scale, "scaling.scale"))
    return x if shift.dtype == core.dtype else graph.cast(x, core.dtype)


def _answers(graph: Graph, core: Core, logits: str) -> list[Any]:
    """The outputs: what ``predict`` gives, then ``predict_proba``, or scores of labels."""
    loss, k, dtype = core.loss, core.layers[-1].h, core.dtype
    if loss.y not in ("labels", "binary"):
        graph.node("Identity", logits, out="output")
        return [graph.output("output", dtype, k)]
    if loss.y == "labels":
        graph.node("ArgMax", logits, axis=1, keepdims=0, out="label")
        return [graph.output("label", np.int64), scores(graph, core, logits)]
    graph.above_zero(logits, "label")
    return [graph.output("label", np.int64, k), scores(graph, core, logits)]


def scores(graph: Graph, core: Core, logits: str) -> Any:
    """The output by which labels are chosen: probabilities, or where there are none the logits."""
    kind = core.loss.probabilities
    operator, settings = {
        None: ("Identity", {}), "softmax": ("Softmax", {"axis": 1}), "sigmoid": ("Sigmoid", {}),
    }[kind]  # fmt: skip
    name = "scores" if kind is None else "probabilities"
    graph.node(operator, logits, out=name, **settings)
    return graph.output(name, core.dtype, core.layers[-1].h)


# --- activations -----------------------------------------------------------------------------
# Of operators that runtimes have for float64 too, which lack Elu, Selu, LeakyRelu and Softplus.


def _relu(graph: Graph, z: str) -> str:
    return graph.node("Max", z, graph.constant(0.0))


def _negative(graph: Graph, z: str) -> str:
    return graph.node("Min", z, graph.constant(0.0))


def _leaky_relu(graph: Graph, z: str) -> str:
    left = graph.node("Mul", _negative(graph, z), graph.constant(_LEAKY_SLOPE))
    return graph.node("Add", _relu(graph, z), left)


def _bent(graph: Graph, z: str, alpha: float, scale: float) -> str:
    """scale z above 0, scale alpha (exp(z) - 1) below."""
    below = graph.node("Exp", _negative(graph, z))
    below = graph.node("Sub", below, graph.constant(1.0))
    below = graph.node("Mul", below, graph.constant(alpha * scale))
    above = graph.node("Mul", _relu(graph, z), graph.constant(scale))
    return graph.node("Add", above, below)


def _softplus(graph: Graph, z: str) -> str:
    """max(z, 0) + log(1 + exp(-|z|)), which overflows nowhere."""
    far = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    log = graph.node("Log", graph.node("Add", far, graph.constant(1.0)))
    return graph.node("Add", _relu(graph, z), log)


def _gelu(graph: Graph, z: str) -> str:
    """Its tanh form."""
    cube = graph.node("Mul", graph.node("Mul", z, z), z)
    inner = graph.node("Add", z, graph.node("Mul", cube, graph.constant(0.044715)))
    t = graph.node("Tanh", graph.node("Mul", inner, graph.constant(_GELU)))
    half = graph.node("Mul", graph.node("Add", t, graph.constant(1.0)), graph.constant(0.5))
    return graph.node("Mul", z, half)


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda graph, z: z,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "sigmoid": lambda graph, z: graph.node("Sigmoid", z),
    "tanh": lambda graph, z: graph.node("Tanh", z),
    "elu": lambda graph, z: _bent(graph, z, 1.0, 1.0),
    "selu": lambda graph, z: _bent(graph, z, _SELU_ALPHA, _SELU_SCALE),
    "softplus": _softplus,
    "exp": lambda graph, z: graph.node("Exp", z),
    "gelu": _gelu,
    "silu": lambda graph, z: graph.node("Mul", z, graph.node("Sigmoid", z)),
    "mish": lambda graph, z: graph.node("Mul", z, graph.node("Tanh", _softplus(graph, z))),
}
