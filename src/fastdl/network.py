"""A network: what it is made of, what it answers, and how it is copied and saved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastdl import _check, _hints, data, export, files, losses, ops, saved
from fastdl._check import Array
from fastdl._epoch import Workspace
from fastdl._warnings import warn
from fastdl.core import Core
from fastdl.data import Data
from fastdl.evaluation import AnyEvaluation, Evaluator, answers
from fastdl.init import Init, Normal
from fastdl.inputs import Inputs
from fastdl.layers import (
    Given,
    Layer,
    check_outputs,
    dense_of,
    from_dictionaries,
    from_given,
    penalised,
    unlike_logits,
)  # fmt: skip
from fastdl.losses import Function, Hinge, Loss, Own
from fastdl.parameters import Parameters
from fastdl.scaling import Scaling
from fastdl.summary import Summary, html, summary

_CONFIG_LOSSES = {"cross-entropy": "softmax_cross_entropy", "MSE": "mse"}
_ELSEWHERE = _hints.table(  # what a user of another library looks for, and what it is here
    {
        "fd.Trainer(net, fd.SGD(0.1)).fit(x, y)": "fit train",
        "fd.Trainer(net, fd.SGD(0.1)).step(x, y)": "step partial_fit train_on_batch",
        "fd.Trainer(net, fd.SGD(0.1))": "compile optimizer optimiser learning_rate batch_size",
        "net.evaluate(x, y).accuracy": "score",
        "net.logits(x)": "forward call decision_function transform fit_transform",
        "net.predict(x)": "predict_classes eval",
        "np.log(net.predict_proba(x))": "predict_log_proba",
        "net.gradients(x, y)": "backward",
        "net.parameters": "get_weights weights biases weight bias coefs_ intercepts_",
        "net.load_state(arrays)": "load_state_dict set_weights",
        "net.save(path)": "save_weights save_model",
        "fd.Network.load(path)": "load_weights load_model",
        "fd.Network([fd.Dense(784, 128), fd.Dense(10)])": "add append pop",
        'net.copy("float64")': "to astype double float half",
        "net.copy()": "clone",
        "net.n_parameters": "count_params",
        "net.set_penalty(l2=0.001)": "l1 l2 weight_decay alpha",
        "net.layers[0].activation": "activation",
    }
)


class Network(_hints.Hinted):
    """A dense feed-forward network.

    Its seed is 0 unless another one is given: networks that are made alike, in a loop, say, begin
    with the same parameters.

    Parameters
    ----------
    layers : sequence of int, or of Dense, BatchNorm, Activation and Dropout
        Widths, inputs first: ``[3072, 50, 10]``; or the layers themselves, of which each but the
        first takes what the one before it gives: ``[Dense(784, 128), BatchNorm(),
        Activation("relu"), Dropout(0.5), Dense(10)]``.
    activation : str
        As for ``Dense``: of the hidden layers where ``layers`` are widths.
    loss : str, Loss or callable
        By its name, or with settings of your own, from ``fastdl.losses``: of labels
        "softmax_cross_entropy", "hinge" or "sigmoid_cross_entropy"; of targets that are 0 or 1
        "binary_cross_entropy"; of numbers "mse", "mae", "huber", "quantile" or "poisson", with
        which the last of layers that are widths has the activation "exp". Or a function of your
        own, ``(logits, y) -> (losses, dlogits)``: see ``fastdl.losses.Own``.
    init : {"he", "xavier", "normal", "uniform"} or Init
        Of every weight whose layer names none; biases start at zero.
    dtype : "float32" or "float64"
        Of parameters and arithmetic.
    seed : int, optional
        Of the initialisation; None: a different one each time.
    scaling : Scaling, optional
        How features become inputs, whatever their dtype.
    margin : float, optional
        Of the hinge: ``loss="hinge", margin=0.5`` is ``loss=fd.losses.Hinge(0.5)``.

    Notes
    -----
    Without a scaling a uint8 array is an image and is divided by 255; all else is numbers, which
    are taken as they are, whatever their dtype; a data frame is always numbers. A network remembers
    which of the two it was fitted on, and the columns of a frame (``inputs``), and refuses what
    means something else. Pixels may come in any integer dtype from then on.

    Examples
    --------
    >>> net = fd.Network([4, 8, 3], seed=0)
    >>> net.predict(np.zeros((2, 4), np.float32))
    array([0, 0])
    """

    def _elsewhere(self) -> Mapping[str, str]:
        return _ELSEWHERE

    if not TYPE_CHECKING:

        def __call__(self, *args: object, **kwargs: object) -> NoReturn:
            raise TypeError(
                "a Network cannot be called; use net.predict(x) for the labels, or net.logits(x) "
                "for the outputs of the last layer"
            )

    def __init__(
        self,
        layers: Sequence[int] | Sequence[Given],
        *,
        activation: str = "relu",
        loss: str | Loss | Function = "softmax_cross_entropy",
        init: str | Init = "he",
        dtype: DTypeLike = "float32",
        seed: int | None = 0,
        scaling: Scaling | None = None,
        margin: float | None = None,
    ) -> None:
        chosen = losses.with_margin(loss, margin)
        dense = from_given(layers, activation, (*chosen.outputs, "identity")[0])
        check_outputs(dense, chosen, layers)
        if (why := unlike_logits(dense, chosen)) is not None:
            warn(why)
        self._core = Core(dense, chosen, _check.dtype(dtype), scaling)
        self._core.draw(init, seed)

    @_hints.maker
    def from_config(
        cls,
        config: Sequence[Mapping[str, Any]],
        loss: str = "cross-entropy",
        weight_decay: float = 0.0,
        *,
        init: str | Init = "uniform",
        **settings: Any,
    ) -> Network:
        """A network from the dictionaries of Technion 236606 HW2.

        Parameters
        ----------
        config : sequence of dict
            ``{"input": 784, "output": 128, "nonlinear": "relu" | "sigmoid" | "softmax" | "none",
            "regularization": "l1" | "l2" | "none"}``, a layer each.
        loss : {"cross-entropy", "MSE"}
            Cross-entropy goes with a last layer of softmax, MSE with any other.
        weight_decay : float
            The factor of the penalties that the layers name.
        init : str or Init
        **settings
            As for ``Network``: dtype, seed, scaling.
        """
        _check.choice("loss", loss, tuple(_CONFIG_LOSSES))
        dense = from_dictionaries(config, _check.real("weight_decay", weight_decay, 0.0))
        if (config[-1].get("nonlinear") == "softmax") != (loss == "cross-entropy"):
            raise ValueError(
                f"nonlinear of config[{len(config) - 1}] must be softmax with cross-entropy, and "
                f"only with it; got {config[-1].get('nonlinear', 'none')!r} with {loss}, use "
                + ("'softmax'" if loss == "cross-entropy" else "'none'")
            )
        return cls(dense, loss=_CONFIG_LOSSES[loss], init=init, **settings)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, inputs first, with all their widths."""
        return self._core.layers

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return self._core.loss.name

    @property
    def loss_function(self) -> Loss:
        """The loss with its settings."""
        return self._core.loss

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of parameters and arithmetic."""
        return self._core.dtype

    @property
    def margin(self) -> float:
        """Of the hinge; other losses have none."""
        if not isinstance(self._core.loss, Hinge):
            raise AttributeError(f"margin must be asked of a network with the hinge; got {self!r}")
        return self._core.loss.margin

    @property
    def scaling(self) -> Scaling | None:
        """How features become inputs."""
        return self._core.scaling

    @property
    def inputs(self) -> Inputs | None:
        """What its rows are, once it has been fitted: pixels or numbers, and their columns."""
        return self._core.inputs

    # --- parameters --------------------------------------------------------------------------

    @property
    def parameters(self) -> Parameters:
        """Views of the parameters: ``layers.0.weight`` (d, h), ``layers.0.bias`` (h,), ...

        Writing to a view or in its place changes the network. The memory order of a weight is the
        library's business: some layers are kept unit by unit, so their views are in Fortran order,
        and rows may lie apart.
        """
        return self._core.parameters

    @property
    def n_parameters(self) -> int:
        """Weights and biases together, and gamma and beta of each ``BatchNorm``."""
        return self._core.n_parameters

    def set_penalty(self, *, l1: float | None = None, l2: float | None = None) -> None:
        """Give every layer this l1 or l2; None leaves what the layers have.

        Raises
        ------
        RuntimeError
            While the network is being fitted.
        """
        with self.exclusive():
            self._core.set_layers(penalised(self.layers, l1, l2))

    def penalty(self) -> float:
        """The sum over the layers of ``l1 sum(|W|) + l2 sum(W^2)``."""
        core = self._core
        return core.places.penalty(core.flat, core.layers)

    # --- answers -----------------------------------------------------------------------------

    def logits(self, x: ArrayLike, *, n_threads: int | None = None) -> Array:
        """The outputs of the last layer.

        Parameters
        ----------
        x : array (n, d)
            Of any real dtype; NaN and infinities give what arithmetic makes of them.
        n_threads : int or None
            At most so many; None: as many as help.

        Returns
        -------
        array (n, k) of the network's dtype
        """
        found = self._core.answer(x, n_threads, "outputs")
        return self._outputs(data.read(self._core, "x", x), n_threads) if found is None else found

    def _outputs(self, given: Data, n_threads: int | None, check_finite: bool = False) -> Array:
        """Outputs of checked rows; where asked for, NaN for each row that is not finite."""
        core, n = self._core, len(given.x)
        out = np.empty((n, core.layers[-1].h), core.dtype)
        threads = core.threads(n_threads, n)
        if n:
            rows = data.compiled(core, given, check_finite=check_finite)
            workspace = Workspace(core.program, n_threads=threads)
            with core.serial_blas(n):
                core.program.evaluate(rows, workspace, core.flat, out, None, threads)
        return out

    def _answers(self, x: ArrayLike, n_threads: int | None) -> Array:
        """Outputs that are numbers, all of them."""
        found = self._core.answer(x, n_threads, "finite")
        if found is not None:
            return found
        given = data.read(self._core, "x", x)
        return self._finite(given, self._outputs(given, n_threads, check_finite=True))

    def _finite(self, given: Data, out: Array) -> Array:
        """Outputs of rows, if they are numbers."""
        bad = ~np.isfinite(out).all(axis=1)
        if bad.any():
            data.refuse_if_not_finite(self._core, "x", given.x)
            raise ValueError(
                f"x must give outputs that are finite; got others at row {int(bad.argmax())}, "
                "look at that row and at the parameters"
            )
        return out

    def predict(self, x: ArrayLike, *, n_threads: int | None = None) -> Array:
        """The most likely label of each row; where y are numbers the outputs themselves.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype.
        n_threads : int or None

        Returns
        -------
        int64 array (n,) of labels; with ``binary_cross_entropy`` int64 array (n, k) of 0 and 1;
        where y are numbers, or the loss is one's own, float array (n, k); both (n,) where k is 1

        Raises
        ------
        ValueError
            Where a row of x, or its outputs, are not finite, so that no label is the likeliest.
        """
        core = self._core
        if core.loss.y == "labels":
            labels = core.answer(x, n_threads, "labels")
            if labels is not None:
                return labels
        return answers(core.loss, self._answers(x, n_threads))

    def predict_proba(self, x: ArrayLike, *, n_threads: int | None = None) -> Array:
        """The probability of each class: softmax, or with a loss of sigmoids each of these.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype.
        n_threads : int or None

        Returns
        -------
        array (n, k) of the network's dtype

        Raises
        ------
        ValueError
            For a loss that has no probabilities, or as for ``predict``.
        """
        kind = self._core.loss.probabilities
        if kind is None:
            raise ValueError(
                f"predict_proba must have a loss with probabilities; got {self.loss}, "
                "use net.logits(x)"
            )
        if kind == "softmax":
            found = self._core.answer(x, n_threads, "softmax")
            if found is not None:
                return found
        logits = self._answers(x, n_threads)
        return (
            ops.softmax(logits, n_threads=n_threads) if kind == "softmax" else ops.sigmoid(logits)
        )

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> AnyEvaluation:
        """Loss and cost on a data set, and accuracy, or how near numbers are to their targets.

        The cost has the penalties of the layers, not those of a ``Trainer``. Of the data set's
        size nothing is kept, but the outputs where y are numbers.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype.
        y : labels (n,) in [0, k), or targets (n, k), as the loss takes them; (n,) too where k is 1
        sample_weight : array (n,), optional
            The loss is then sum(w loss) / sum(w); the accuracy counts every row once.
        n_threads : int or None

        Returns
        -------
        Evaluation, or RegressionEvaluation where y are numbers, or with a loss of one's own
        OwnEvaluation
        """
        core = self._core
        given = data.check(core, x, y)
        n = len(given.x)
        if sample_weight is not None:
            double = np.dtype(np.float64)
            weights = _check.weights("sample_weight", sample_weight, n, double)
            given = data.weighted(core, given, weights)
        rows = data.compiled(core, given, check_finite=True)
        evaluator = Evaluator(core, given, core.threads(n_threads, n), rows=rows)
        with core.serial_blas(n):
            found = evaluator.evaluate(self.penalty())
        if np.isnan(found.loss):
            data.refuse_if_not_finite(core, "x", given.x)
        return found

    def gradients(
        self, x: ArrayLike, y: ArrayLike | None = None, *, dlogits: ArrayLike | None = None
    ) -> dict[str, Array]:
        """The gradient of the cost on a data set, named and shaped like ``parameters``.

        It is that of the network as it answers, ``Dropout`` left out, but that a ``BatchNorm``
        takes all rows as one batch, as in a step; its running mean and variance have none.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype.
        y : as for ``evaluate``
        dlogits : float array (n, k), optional
            Instead of y: the gradient by the logits of whatever the loss is, as for
            ``Trainer.step``.

        Returns
        -------
        dict of str to array
        """
        core = self._core
        data.refuse_unless_one(y, dlogits)
        given, led = self._judged(x, y) if dlogits is None else data.led(core, x, dlogits)
        workspace = Workspace(core.program, batch=len(given.x))
        with core.serial_blas(len(given.x), trains=True):
            core.program.gradient(data.compiled(core, given), workspace, core.flat, led)
        gradients = core.places.trained(workspace.grads)
        for i, layer in dense_of(core.layers).items():
            name = f"layers.{i}.weight"
            gradients[name] += ops.penalty(self.parameters[name], l1=layer.l1, l2=layer.l2)[1]
        return gradients

    def _judged(self, x: ArrayLike, y: ArrayLike | None) -> tuple[Data, Array | None]:
        """Checked rows, and the gradient of their logits where the loss is one's own."""
        core = self._core
        given = data.check(core, x, y)  # type: ignore[arg-type]
        data.refuse_if_not_finite(core, "x", given.x)
        if not isinstance(core.loss, Own):
            return given, None
        return given, core.loss.of(self._of_batch(given), given.targets, None)[1]

    def _of_batch(self, given: Data) -> Array:
        """Outputs of checked rows, which are one batch to layers that normalise by it."""
        core, n = self._core, len(given.x)
        outputs = np.empty((n, core.layers[-1].h), core.dtype)
        workspace = Workspace(core.program, batch=n)
        with core.serial_blas(n, trains=True):
            core.program.gradient(data.compiled(core, given), workspace, core.flat, None, outputs)
        return self._finite(given, outputs)

    # --- copies and files --------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the network for a fit; a second one at the same time is refused."""
        with self._core.exclusive():
            yield

    def copy(self, dtype: DTypeLike | None = None) -> Network:
        """A network of its own with the same parameters, in another dtype if one is given."""
        result = type(self).__new__(type(self))
        result.__dict__.update(self.__dict__)
        result._core = self._core.copy(self.dtype if dtype is None else _check.dtype(dtype))
        return result

    __copy__ = copy

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file, whole or not at all.

        Parameters
        ----------
        path : path
            A file that is there is replaced once the new one is complete. The ending of another
            format, such as ``.npz`` or ``.pt``, is refused.
        """
        core = self._core.copy(self.dtype)  # a fit may go on meanwhile
        files.write(path, *saved.contents(core))

    @_hints.maker
    def load(cls, path: str | os.PathLike[str], *, loss: Function | Loss | None = None) -> Network:
        """The network that ``save`` wrote.

        Parameters
        ----------
        path : path
        loss : callable, optional
            Where the network has a loss of your own, of which a file has no more than its name.

        Raises
        ------
        CheckpointError
            For a file that is not one, or whose arrays do not fit its layers.
        TypeError
            Where it is called on a network, which would stay as it is: ``load_state`` changes one.
        """
        found, scaling, arrays = saved.read(path, loss)
        network = cls(
            found.layers, loss=found.loss, init=Normal(0.0), dtype=found.dtype,
            scaling=scaling,
        )  # fmt: skip
        network._core.inputs = found.inputs
        for name, view in network.parameters.items():
            view[...] = arrays[name]
        return network

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        rows: Literal["uint8", "float32", "float64"] | None = None,
    ) -> None:
        """Write the network as an ONNX graph, for runtimes that know no fastdl.

        It takes ``x`` (n, d), raw as ``predict`` does: the scaling is part of it. Its outputs are
        ``label``, int64 (n,), and ``probabilities`` or, where the loss has none, ``scores`` (n, k);
        with ``binary_cross_entropy`` the label is 0 or 1 for each output (n, k); where y are
        numbers, or the loss is one's own, ``output`` (n, k). Opset 17, ir_version 8. Nothing is
        refused there: a row with NaN gives what arithmetic makes of it.

        Parameters
        ----------
        path : path
            A file that is there is replaced once the new one is complete.
        rows : {"uint8", "float32", "float64"}, optional
            The dtype of x: pixels, or numbers; None: pixels where the network was fitted on such,
            else the network's dtype.

        Raises
        ------
        ImportError
            Without the package onnx: ``pip install 'fastdl[onnx]'``.

        Examples
        --------
        >>> net = fd.Network([4, 8, 3])
        >>> net.to_onnx("net.onnx")  # doctest: +SKIP
        >>> session = onnxruntime.InferenceSession("net.onnx")  # doctest: +SKIP
        >>> label, probabilities = session.run(None, {"x": x})  # doctest: +SKIP
        """
        path = _check.new_file(_check.written(path, ".onnx"))
        files.replace(path, export.to_onnx(self._core.copy(self.dtype), rows))

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters by name, in C order: ``load_state`` takes them back."""
        return {name: np.array(view, order="C") for name, view in self.parameters.items()}

    def load_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Take all parameters from a mapping of names to arrays; where one is refused, none.

        Parameters
        ----------
        state : mapping of str to array
            Such as ``state_dict()`` of a network alike, or an ``.npz`` file with its names.

        Raises
        ------
        ValueError, KeyError
            For a name too many or too few, or an array of another shape or with numbers that are
            not finite.
        """
        missing = [name for name in self.parameters if name not in state]
        if missing:
            remedy = "net.parameters.update(state) to set some alone"
            if any(type(each).__module__ == "torch" for each in state.values()):
                remedy = "fd.from_torch(module), which knows PyTorch's names"
            raise ValueError(
                f"state must have every parameter; got none named {missing[0]!r}, use {remedy}"
            )
        self.parameters.update(state)

    def summary(self) -> Summary:
        """The layers as a table with their parameters and penalties, to be printed.

        Returns
        -------
        str
        """
        return summary(self.layers, self._facts())

    def _facts(self) -> tuple[str, ...]:
        scaling = "none" if self.scaling is None else "(x - shift) * scale, feature by feature"
        return f"loss: {self._core.loss}", f"dtype: {self.dtype.name}", f"scaling: {scaling}"

    def _repr_html_(self) -> str:
        return html(self.layers, self._facts())

    def __repr__(self) -> str:
        dense = dense_of(self.layers).values()
        widths = "-".join(str(d) for d in (self.layers[0].d, *(layer.h for layer in dense)))
        titles = ", ".join(layer.title for layer in self.layers)
        return (
            f"<Network {widths}: {titles}; {self._core.loss}; {self.dtype.name}; "
            f"{self.n_parameters:,} parameters>"
        )


def core_of(network: Network) -> Core:
    """What the library's own modules know a network by: the one door to it."""
    return network._core


def answering(network: Network) -> Network:
    """A copy in float64 without the layers that do nothing where it answers."""
    result = network.copy("float64")
    core_of(result).leave_masks_out()
    return result
