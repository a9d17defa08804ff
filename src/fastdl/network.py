"""A network: its layers, its parameters in one flat array, and what it answers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastdl import (
    _check,
    _hints,
    _kernels,
    _memory,
    _threads,
    checkpoint,
    init,
    inputs,
    layers,
    losses,
    ops,
)
from fastdl._check import Array
from fastdl._epoch import Program, Rows, Workspace, weight_stride
from fastdl.checkpoint import OF_LAYER, CheckpointError, Layout
from fastdl.evaluation import Evaluation, Evaluator, RegressionEvaluation
from fastdl.init import Init
from fastdl.inputs import Inputs
from fastdl.layers import Dense
from fastdl.parameters import Parameters
from fastdl.scaling import Scaling
from fastdl.summary import Summary, summary

_CONFIG_LOSSES = {"cross-entropy": "softmax_cross_entropy", "MSE": "mse"}
_LARGEST_OFFSET = 256.0  # deviations from zero to a mean: with more, (x - 0) * scale loses digits
_ELSEWHERE = _hints.table(  # what a user of another library looks for, and what it is here
    {
        "fd.Trainer(net, fd.SGD(0.1)).fit(x, y)": "fit train partial_fit train_on_batch",
        "fd.Trainer(net, fd.SGD(0.1))": "compile optimizer optimiser learning_rate batch_size",
        "net.evaluate(x, y).accuracy": "score",
        "net.logits(x)": "forward call decision_function transform fit_transform",
        "net.predict(x)": "predict_classes",
        "np.log(net.predict_proba(x))": "predict_log_proba",
        "net.gradients(x, y)": "backward",
        "net.parameters": "state_dict get_weights weights biases weight bias coefs_ intercepts_",
        "net.parameters.update(arrays)": "load_state_dict set_weights",
        "net.save(path)": "save_weights save_model",
        "fd.Network.load(path)": "load_weights load_model",
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
    layers : sequence of int, or of Dense
        Widths, inputs first: ``[3072, 50, 10]``; or the layers themselves.
    activation : {"relu", "leaky_relu", "sigmoid", "tanh", "identity"}
        Of the hidden layers where ``layers`` are widths.
    loss : {"softmax_cross_entropy", "hinge", "sigmoid_cross_entropy", "mse"}
    init : {"he", "xavier", "normal", "uniform"} or Init
        Of every weight whose layer names none; biases start at zero.
    dtype : "float32" or "float64"
        Of parameters and arithmetic.
    seed : int, optional
        Of the initialisation; None: a different one each time.
    scaling : Scaling, optional
        How features become inputs, whatever their dtype.
    margin : float
        Of the hinge loss.

    Notes
    -----
    Without a scaling a uint8 array is an image and is divided by 255; all else is numbers, which
    are taken as they are, whatever their dtype; a data frame is always numbers. A network remembers
    which of the two it was fitted on, and the columns of a frame (``inputs``), and refuses what
    means something else. Pixels may come in any integer dtype from then on.

    Examples
    --------
    >>> net = Network([4, 8, 3], seed=0)
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
        layers: Sequence[int] | Sequence[Dense],
        *,
        activation: str = "relu",
        loss: str = "softmax_cross_entropy",
        init: str | Init = "he",
        dtype: DTypeLike = "float32",
        seed: int | None = 0,
        scaling: Scaling | None = None,
        margin: float = 1.0,
    ) -> None:
        self._layers = _as_layers(layers, activation)
        self._loss = losses.get(loss).name
        _check_outputs(self._layers, self._loss, layers)
        self._dtype = _check.dtype(dtype)
        self._margin = _check.real("margin", margin, 0.0)
        self._scaling = scaling
        self._inputs: Inputs | None = None
        self._busy = _threads.Claim()
        self._set_scaling()
        self._lay_out()
        self._draw(init, seed)

    @classmethod
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
        dense = layers.from_dictionaries(config, _check.real("weight_decay", weight_decay, 0.0))
        if (config[-1].get("nonlinear") == "softmax") != (loss == "cross-entropy"):
            raise ValueError(
                f"nonlinear of config[{len(config) - 1}] must be softmax with cross-entropy, and "
                f"only with it; got {config[-1].get('nonlinear', 'none')!r} with {loss}, use "
                + ("'softmax'" if loss == "cross-entropy" else "'none'")
            )
        return cls(dense, loss=_CONFIG_LOSSES[loss], init=init, **settings)

    @property
    def layers(self) -> tuple[Dense, ...]:
        """The layers, inputs first."""
        return self._layers

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return self._loss

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of parameters and arithmetic."""
        return self._dtype

    @property
    def margin(self) -> float:
        """Of the hinge loss."""
        return self._margin

    @property
    def scaling(self) -> Scaling | None:
        """How features become inputs."""
        return self._scaling

    @property
    def inputs(self) -> Inputs | None:
        """What its rows are, once it has been fitted: pixels or numbers, and their columns."""
        return self._inputs

    # --- parameters --------------------------------------------------------------------------

    def _lay_out(self) -> None:
        """Give every weight and bias its place in the flat parameters."""
        rows, at = [], 0
        for i, layer in enumerate(self.layers):
            code = _kernels.ACTIVATIONS[layer.activation]
            by_unit = _kernels.lies_by_unit(layer.d, layer.h, self.dtype == np.float32, i == 0)
            n, columns = (layer.h, layer.d) if by_unit else (layer.d, layer.h)
            ld = weight_stride(columns)
            bias = at + n * ld
            rows.append((layer.d, layer.h, at, ld, bias, code, by_unit))
            at = _memory.aligned(bias + layer.h)
        self._table = np.array(rows, np.int64)
        self._flat: Array = _memory.zeros(at, self.dtype)
        self._compile()

    def _compile(self) -> None:
        self._program = self._program_of(self.layers)

    def _program_of(self, layers: tuple[Dense, ...]) -> Program:
        """The loops over this network's arrays, with the penalties of these layers."""
        penalties = np.array([(layer.l1, layer.l2) for layer in layers], np.float64)
        code = losses.LOSSES[self.loss].code
        return Program(self._table, penalties, code, self.margin, self.dtype == np.float32)

    def _draw(self, default: str | Init, seed: int | None) -> None:
        default = init.get(default)
        if seed is not None:
            _check.integer("seed", seed, 0, 2**63 - 1)
        rng = np.random.default_rng(seed)
        parameters = self.parameters
        for i, layer in enumerate(self.layers):
            chosen = default if layer.init is None else init.get(layer.init)
            weight = _check.cast("init", chosen.draw(rng, layer.d, layer.h), self.dtype)
            parameters[f"layers.{i}.weight"][...] = weight

    def _set_scaling(self) -> None:
        """The scaling in the types in which rows are scaled, or that of pixels where none is."""
        d = self.layers[0].d
        if self.scaling is not None and not isinstance(self.scaling, Scaling):
            raise TypeError(
                f"scaling must be a Scaling; got {self.scaling!r:.100}, use "
                f"fd.Scaling.divided({d}) for pixels or fd.Scaling.standard(x)"
            )
        if self.scaling is not None and len(self.scaling.shift) != d:
            raise ValueError(
                f"scaling must be of {d} features, the network's inputs; got "
                f"{len(self.scaling.shift)}, use fd.Scaling.divided({d}) or make it of these rows"
            )
        scaling = self.scaling or Scaling.divided(d)
        shift = _check.cast("scaling.shift", scaling.shift, self.dtype)
        scale = _check.cast("scaling.scale", scaling.scale, self.dtype)
        if ((scale == 0) & (scaling.scale != 0)).any():
            raise ValueError(
                f"scaling.scale must not be as small as {np.abs(scaling.scale).min():g} in "
                f"{self.dtype}; use dtype='float64'"
            )
        self._scalings = {self.dtype: (shift, scale)}
        self._scalings[np.dtype(np.float64)] = (scaling.shift, scaling.scale)
        offset = _check.cast("scaling.shift", -scaling.shift * scaling.scale, self.dtype)
        self._offset = offset if np.abs(offset).max() <= _LARGEST_OFFSET else None

    @property
    def parameters(self) -> Parameters:
        """Views of the parameters: ``layers.0.weight`` (d, h), ``layers.0.bias`` (h,), ...

        Writing to a view or in its place changes the network. The memory order of a weight is the
        library's business: some layers are kept unit by unit, so their views are in Fortran order,
        and rows may lie apart.
        """
        return Parameters(self._views(self._flat))

    def _views(self, flat: Array) -> dict[str, Array]:
        """A flat array of the parameters' size, cut up as the parameters are."""
        views = {}
        for i, (d, h, weight, ld, bias, _, by_unit) in enumerate(self._table.tolist()):
            w = flat[weight:bias].reshape(-1, ld)
            views[f"layers.{i}.weight"] = w[:, :d].T if by_unit else w[:, :h]
            views[f"layers.{i}.bias"] = flat[bias : bias + h]
        return views

    @property
    def n_parameters(self) -> int:
        """Weights and biases together."""
        return sum(layer.n_parameters for layer in self.layers)

    def set_penalty(self, *, l1: float | None = None, l2: float | None = None) -> None:
        """Give every layer this l1 or l2; None leaves what the layers have.

        Raises
        ------
        RuntimeError
            While the network is being fitted.
        """
        with self.exclusive():
            layers = self._penalised(l1, l2)
            if layers != self._layers:  # a program also knows how many threads are worth it by now
                self._layers = layers
                self._compile()

    def _penalised(self, l1: float | None, l2: float | None) -> tuple[Dense, ...]:
        """The layers, but with this l1 or l2; None stands for what they have."""
        if l1 is None and l2 is None:
            return self.layers
        l1 = None if l1 is None else _check.real("l1", l1, 0.0)
        l2 = None if l2 is None else _check.real("l2", l2, 0.0)
        return tuple(
            replace(layer, l1=layer.l1 if l1 is None else l1, l2=layer.l2 if l2 is None else l2)
            for layer in self.layers
        )

    def penalty(self) -> float:
        """The sum over the layers of l1 sum(|W|) + l2 sum(W^2)."""
        return self._penalty_of(self.layers)

    def _penalty_of(self, layers: tuple[Dense, ...]) -> float:
        """The penalties that these layers put on this network's weights."""
        total = 0.0
        for layer, (_, _, weight, _, bias, _, _) in zip(layers, self._table.tolist(), strict=True):
            if layer.l1 or layer.l2:
                total += _kernels.penalty(self._flat[weight:bias], layer.l1, layer.l2)
        return total

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
        rows, _ = self._read("x", x)
        return self._outputs(rows, n_threads)

    def _outputs(self, rows: Array, n_threads: int | None, check_finite: bool = False) -> Array:
        """Outputs of checked rows; where asked for, NaN for each row that is not finite."""
        out = np.empty((len(rows), self.layers[-1].h), self.dtype)
        threads = self._threads(n_threads, len(rows))
        if len(rows):
            compiled = self._rows(rows, check_finite=check_finite)
            workspace = Workspace(self._program, n_threads=threads)
            with self._serial_blas():
                self._program.evaluate(compiled, workspace, self._flat, out, None, threads)
        return out

    def _answers(self, x: ArrayLike, n_threads: int | None) -> Array:
        """Outputs that are numbers, all of them."""
        rows, _ = self._read("x", x)
        out = self._outputs(rows, n_threads, check_finite=True)
        bad = ~np.isfinite(out).all(axis=1)
        if bad.any():
            self._refuse_if_not_finite("x", rows)
            raise ValueError(
                f"x must give outputs that are finite; got others at row {int(bad.argmax())}, "
                "look at that row and at the parameters"
            )
        return out

    def predict(self, x: ArrayLike, *, n_threads: int | None = None) -> Array:
        """The most likely label of each row; for ``mse`` the outputs themselves.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype.
        n_threads : int or None

        Returns
        -------
        int64 array (n,), or for ``mse`` float array (n, k), or (n,) where k is 1

        Raises
        ------
        ValueError
            Where a row of x, or its outputs, are not finite, so that no label is the likeliest.
        """
        outputs = self._answers(x, n_threads)
        if losses.LOSSES[self.loss].targets:
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        labels: Array = outputs.argmax(axis=1)
        return labels

    def predict_proba(self, x: ArrayLike, *, n_threads: int | None = None) -> Array:
        """The probability of each class: softmax, or for ``sigmoid_cross_entropy`` each sigmoid.

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
        kind = losses.LOSSES[self.loss].probabilities
        if kind is None:
            raise ValueError(
                f"predict_proba must have a loss with probabilities; got {self.loss}, "
                "use net.logits(x)"
            )
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
    ) -> Evaluation | RegressionEvaluation:
        """Loss and cost on a data set, and accuracy, or how near numbers are to their targets.

        The cost has the penalties of the layers, not those of a ``Trainer``. Of the data set's
        size nothing is kept, but the outputs where y are numbers.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype.
        y : labels (n,) in [0, k); for ``mse`` targets (n, k), or (n,) where k is 1
        sample_weight : array (n,), optional
            The loss is then sum(w loss) / sum(w); the accuracy counts every row once.
        n_threads : int or None

        Returns
        -------
        Evaluation, or RegressionEvaluation for ``mse``
        """
        rows = self._data(x, y)
        n = len(rows.x)
        if sample_weight is not None:
            double = np.dtype(np.float64)
            rows = self._weighted(rows, _check.weights("sample_weight", sample_weight, n, double))
        compiled = self._compiled(rows, check_finite=True)
        evaluator = Evaluator(self, rows, self._threads(n_threads, n), rows=compiled)
        with self._serial_blas():
            found = evaluator.evaluate(self.penalty())
        if np.isnan(found.loss):
            self._refuse_if_not_finite("x", rows.x)
        return found

    def gradients(self, x: ArrayLike, y: ArrayLike) -> dict[str, Array]:
        """The gradient of the cost on a data set, named and shaped like ``parameters``.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype.
        y : as for ``evaluate``

        Returns
        -------
        dict of str to array
        """
        rows = self._data(x, y)
        self._refuse_if_not_finite("x", rows.x)
        workspace = Workspace(self._program, batch=len(rows.x))
        with _threads.serial_blas():
            self._program.gradient(self._compiled(rows), workspace, self._flat)
        gradients = self._views(workspace.grads)
        for i, layer in enumerate(self.layers):
            name = f"layers.{i}.weight"
            gradients[name] += ops.penalty(self.parameters[name], l1=layer.l1, l2=layer.l2)[1]
        return gradients

    def _serial_blas(self) -> AbstractContextManager[None]:
        """BLAS on one thread, where a forward pass calls it at all."""
        single = self.dtype == np.float32
        return _threads.serial_blas(
            any(_kernels.forward_needs_blas(layer.h, single) for layer in self.layers)
        )

    def _threads(self, n_threads: int | None, n: int) -> int:
        return _threads.resolve(n_threads, n * self.n_parameters)

    def _rows(
        self,
        x: Array,
        labels: Array | None = None,
        targets: Array | None = None,
        weights: Array | None = None,
        *,
        scan_zeros: bool = True,
        check_finite: bool = False,
    ) -> Rows:
        """Checked arrays as the loops take them."""
        scaling = self._scaling_of(x)
        applied = (None, None, None) if scaling is None else (*scaling, self._offset)
        return Rows(x, applied, labels, targets, weights, scan_zeros, check_finite)

    def _compiled(self, data: Data, scan_zeros: bool = True, check_finite: bool = False) -> Rows:
        """A data set as the loops take it."""
        return self._rows(
            data.x, data.labels, data.targets, data.weights,
            scan_zeros=scan_zeros, check_finite=check_finite,
        )  # fmt: skip

    def _scaling_of(self, x: Array) -> tuple[Array, Array] | None:
        """The shift and the scale of rows of this dtype, in the type in which they are applied."""
        if self.scaling is None and x.dtype != np.uint8:
            return None
        return self._scalings[x.dtype if x.dtype == np.float64 else self.dtype]

    def _read(self, name: str, x: ArrayLike, known: Inputs | None = None) -> tuple[Array, Inputs]:
        """Rows as the loops take them, and what they are: as those known, or as it was fitted."""
        given = _check.table(name, x, self.layers[0].d)
        return inputs.read(name, given, known or self.inputs, self.scaling is not None)

    def _refuse_parameters_that_are_not_finite(self) -> None:
        if _kernels.finite(self._flat):
            return
        for name, view in self.parameters.items():
            if not np.isfinite(view).all():
                raise ValueError(
                    f"parameters[{name!r}] must be finite; got {view[~np.isfinite(view)][0]}, "
                    "make the network again or load it"
                )

    def _refuse_if_not_finite(self, name: str, rows: Array) -> None:
        """Name the first item that is not finite, or is not once it is an input."""
        _check.finite(name, rows, self.dtype, self._scaling_of(rows))

    def _data(
        self,
        x: ArrayLike,
        y: ArrayLike,
        names: tuple[str, str] = ("x", "y"),
        known: Inputs | None = None,
    ) -> Data:
        """Check rows with their labels or targets; known: what rows beside these are."""
        x_name, y_name = names
        rows, found = self._read(x_name, x, known)
        _check.some(x_name, rows)
        n, k = len(rows), self.layers[-1].h
        labels = targets = None
        if losses.LOSSES[self.loss].targets:
            targets = _check.targets(y_name, y, n, k, self.dtype)
        else:
            labels = _check.labels(y_name, y, n, k)
        return Data(rows, labels, targets, found)

    def _weighted(self, data: Data, weights: Array) -> Data:
        """The data set with weights (n,) on its rows, brought to a mean of one."""
        share = weights / weights.max()  # so that no sum of them overflows
        return data._replace(weights=(share / share.mean()).astype(self.dtype))

    # --- copies and files --------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the network for a fit; a second one at the same time is refused."""
        if not self._busy.take():
            raise RuntimeError(
                "this network must not be fitted twice at a time; it is being fitted already, "
                "use net.copy() or wait for that fit"
            )
        try:
            yield
        finally:
            self._busy.give_back()

    def copy(self, dtype: DTypeLike | None = None) -> Network:
        """A network of its own with the same parameters, in another dtype if one is given."""
        result = type(self).__new__(type(self))
        result.__dict__.update(self.__dict__)
        result._busy = _threads.Claim()
        result._dtype = self.dtype if dtype is None else _check.dtype(dtype)
        result._set_scaling()
        result._lay_out()
        # Not as they lie in memory: where a weight lies by unit depends on the dtype.
        for name, view in result.parameters.items():
            view[...] = self.parameters[name]
        return result

    __copy__ = copy

    def __getstate__(self) -> dict[str, Any]:
        made = ("_busy", "_program", "_scalings", "_offset")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._flat = _memory.own(self._flat)
        self._busy = _threads.Claim()
        self._set_scaling()
        self._compile()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file, whole or not at all.

        Parameters
        ----------
        path : path
            A file that is there is replaced once the new one is complete.
        """
        checkpoint.write(path, *checkpoint.contents(self.copy()))  # a fit may go on meanwhile

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """The network that ``save`` wrote.

        Raises
        ------
        CheckpointError
            For a file that is not one, or whose arrays do not fit its layers.
        """
        config, arrays = checkpoint.read(path, lambda config: _layout(_described(path, config)))
        saved = _described(path, config)
        scaling = None
        if saved.scaled:
            try:
                scaling = Scaling(arrays["scaling.shift"], arrays["scaling.scale"])
            except ValueError as error:
                raise CheckpointError(f"{path} must hold a scaling: {error}") from error
        network = cls(
            saved.layers, loss=saved.loss, init=init.Normal(0.0), dtype=saved.dtype,
            scaling=scaling, margin=saved.margin,
        )  # fmt: skip
        network._inputs = saved.inputs
        for name, view in network.parameters.items():
            view[...] = arrays[name]
        return network

    def summary(self) -> Summary:
        """The layers as a table with their parameters and penalties, to be printed.

        Returns
        -------
        str
        """
        margin = f", margin {self.margin:g}" if self.loss == "hinge" else ""
        scaling = "none" if self.scaling is None else "(x - shift) * scale, feature by feature"
        facts = f"loss: {self.loss}{margin}", f"dtype: {self.dtype.name}", f"scaling: {scaling}"
        return summary(self.layers, facts)

    def __repr__(self) -> str:
        widths = "-".join(str(d) for d in (self.layers[0].d, *(layer.h for layer in self.layers)))
        activations = ", ".join(layer.activation for layer in self.layers)
        return (
            f"<Network {widths}: {activations}; {self.loss}; {self.dtype.name}; "
            f"{self.n_parameters:,} parameters>"
        )


class _Saved(NamedTuple):
    """What a file says of its network."""

    layers: list[Dense]
    loss: str
    dtype: np.dtype[Any]
    margin: float
    scaled: bool
    inputs: Inputs | None


def _described(path: str | os.PathLike[str], config: Mapping[str, Any]) -> _Saved:
    try:
        dense = [_from_saved(layer) for layer in config["layers"]]
        layers.check_chain(dense)
        loss = losses.get(config["loss"]).name
        _check_outputs(dense, loss, dense)
        return _Saved(
            dense,
            loss,
            _check.dtype(_check.choice("dtype", config["dtype"], ("float32", "float64"))),
            _check.real("margin", config["margin"], 0.0),
            bool(config["scaled"]),
            inputs.from_saved(config.get("inputs"), dense[0].d),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path} must describe a network: {error}") from error


def _layout(saved: _Saved) -> Layout:
    """The arrays of a saved network."""
    layout: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    for i, layer in enumerate(saved.layers):
        layout[f"layers.{i}.weight"] = ((layer.d, layer.h), saved.dtype)
        layout[f"layers.{i}.bias"] = ((layer.h,), saved.dtype)
    if saved.scaled:
        shape = (saved.layers[0].d,)
        layout["scaling.shift"] = layout["scaling.scale"] = (shape, np.dtype(np.float64))
    return layout


def _from_saved(layer: Mapping[str, Any]) -> Dense:
    if not set(layer) <= set(OF_LAYER):
        raise ValueError(f"a layer must have the keys {', '.join(OF_LAYER)}; got {list(layer)}")
    return Dense(**layer)


class Data(NamedTuple):
    """A checked data set: rows, labels or targets, and weights."""

    x: Array
    labels: NDArray[np.intc] | None
    targets: Array | None
    inputs: Inputs
    weights: Array | None = None


def _check_outputs(
    dense: Sequence[Dense], loss: str, given: Sequence[int] | Sequence[Dense]
) -> None:
    """A single output would be the only class there is, and so always right."""
    if dense[-1].h == 1 and not losses.LOSSES[loss].targets:
        raise ValueError(
            f"layers[-1] must have an output for each label with {loss}; got 1 alone, use "
            + (f"fd.Dense({dense[-1].d}, 2)" if isinstance(given[-1], Dense) else "2")
            + " for the labels 0 and 1, or loss='mse' for numbers"
        )


def _as_layers(given: Sequence[int] | Sequence[Dense], activation: str) -> tuple[Dense, ...]:
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray):
        raise TypeError(
            f"layers must be widths or Dense layers; got {given!r:.100}, use [784, 128, 10]"
        )
    if all(isinstance(layer, Dense) for layer in given):
        dense = tuple(layer for layer in given if isinstance(layer, Dense))
    elif any(isinstance(layer, Dense) for layer in given):
        i = next(i for i, layer in enumerate(given) if not isinstance(layer, Dense))
        raise TypeError(
            f"layers[{i}] must be a Dense layer, as others are; got {given[i]!r:.100}, "
            f"use {_between(given, i)}"
        )
    else:
        _check.choice("activation", activation, tuple(_kernels.ACTIVATIONS))
        dense = layers.from_widths(cast(Sequence[int], given), activation)
    layers.check_chain(dense)
    return dense


def _between(given: Sequence[object], i: int) -> str:
    """In code, the layer that fits where something else is given."""
    before, odd, after = given[i - 1 : i], given[i], given[i + 1 : i + 2]
    d = next((layer.h for layer in before if isinstance(layer, Dense)), 784)
    h = odd if type(odd) is int and odd > 0 else 10
    return f"fd.Dense({d}, {next((layer.d for layer in after if isinstance(layer, Dense)), h)})"
