"""Estimators as ONNX graphs, with the outputs that skl2onnx gives them."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from fastdl import _check, export, files
from fastdl.core import Core
from fastdl.export import Graph
from fastdl.network import core_of


class ToOnnx:
    """An estimator that writes itself as an ONNX graph."""

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        rows: Literal["uint8", "float32", "float64"] | None = None,
    ) -> None:
        """Write the fitted estimator as an ONNX graph: opset 17, input ``x`` (n, d).

        A classifier's outputs are ``label`` (n,), of the kind of ``classes_``, and
        ``probabilities`` (n, k), or ``scores`` where there are none; of several labels a row 0 and
        1 for each (n, k). A regressor's is ``variable`` (n, k).

        Parameters
        ----------
        path : path
            A file that is there is replaced once the new one is complete.
        rows : {"uint8", "float32", "float64"}, optional
            The dtype of x; None: that of the estimator's weights, or pixels where it was fitted on
            such.

        Raises
        ------
        ImportError
            Without the package onnx: ``pip install 'fastdl[onnx]'``.
        """
        path = _check.written(path, ".onnx")
        core = core_of(self.network_)  # type: ignore[attr-defined]
        files.replace(path, export.to_onnx(core, rows, self._answers))

    def _answers(self, graph: Graph, core: Core, logits: str) -> list[Any]:
        return (_labels if is_classifier(self) else _numbers)(self, graph, core, logits)


def _numbers(estimator: Any, graph: Graph, core: Core, logits: str) -> list[Any]:
    """A regressor's output."""
    graph.node("Identity", logits, out="variable")
    return [graph.output("variable", core.dtype, core.layers[-1].h)]


def _labels(estimator: Any, graph: Graph, core: Core, logits: str) -> list[Any]:
    """A classifier's outputs: labels, and what they are chosen by."""
    k = core.layers[-1].h
    if k == 1:
        likely = graph.node("Sigmoid", logits)
        other = graph.node("Sub", graph.constant(1.0), likely)
        graph.node("Concat", other, likely, axis=1, out="probabilities")
        scores = graph.output("probabilities", core.dtype, 2)
        flat = graph.constant(np.array([-1]), "flat")
        numbers = graph.node("Reshape", graph.above_zero(logits), flat)
    else:
        scores = export.scores(graph, core, logits)
        if core.loss.y == "binary":  # several labels a row
            graph.above_zero(logits, "label")
            return [graph.output("label", np.int64, k), scores]
        numbers = graph.node("ArgMax", logits, axis=1, keepdims=0)
    classes = _classes(estimator.classes_)
    graph.node("Gather", graph.constant(classes, "classes"), numbers, out="label")
    return [graph.output("label", classes.dtype), scores]


def _classes(classes: NDArray[Any]) -> NDArray[Any]:
    """Classes in a type that ONNX has: int64, float64 or strings."""
    if classes.dtype.kind in "OUS":
        return np.array([str(each) for each in classes], object)
    return classes.astype(np.float64 if classes.dtype.kind == "f" else np.int64)
