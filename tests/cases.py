"""What the tests by table and the benchmarks know of every op, loss and optimiser: one row each.

Activations make their rows themselves, from the library's own table. A new op is a row of ``OPS``,
a new loss one of ``LOSSES``, a new optimiser one of ``OPTIMISERS``; it is then tested on every
instruction set, in both dtypes, at extremes, in every layout, and beside NumPy.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastdl as fd
from fastdl import _kernels, losses, ops, optim

SIZES = {"n": 6, "d": 7, "k": 5}  # of arguments, where nothing else is asked for
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # of the greatest element
ACTIVATIONS = tuple(_kernels.ACTIVATIONS)
SIZE_OF_ROWS = {"exp": 0.1}  # of which nothing grows beyond all bounds


@contextmanager
def named(case: object) -> Iterator[None]:
    """What fails in here says in which case, of many in a test that are smaller than a test."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case: {case}")
        raise


# --- how arrays are drawn ---------------------------------------------------------------------


def normal(rng, shape, sizes):
    return rng.standard_normal(shape)


def wide(rng, shape, sizes):
    """Logits of which some are sure."""
    return 3 * rng.standard_normal(shape)


def positive(rng, shape, sizes):
    return rng.uniform(0.5, 2, shape)


def squares(rng, shape, sizes):
    return rng.standard_normal(shape) ** 2


def labels(rng, shape, sizes):
    return rng.integers(0, sizes["k"], shape)


def row_numbers(rng, shape, sizes):
    return rng.permutation(sizes["m"])[: shape[0]]


def bits(rng, shape, sizes):
    return 1.0 * rng.integers(0, 2, shape)


def counts(rng, shape, sizes):
    return 1.0 * rng.integers(0, 4, shape)


def pixels(rng, shape, sizes):
    return rng.integers(0, 256, shape, np.uint8)


@dataclass(frozen=True)
class Array:
    """An array that an op takes.

    Attributes
    ----------
    shape : str
        A letter an axis: n rows, d inputs, k classes, m rows to choose from.
    kind : str
        What may stand in it: "floats"; "rows", of any real dtype; "labels"; finite "targets";
        "counts", some whole numbers; "counts", of which not every number may be one;
        "weights", finite and not negative; or "state", floats that the op changes in place.
    draw : callable
        (rng, shape, sizes) -> array; float64 becomes the dtype that is asked for.
    optional : bool
        Whether it may be None.
    """

    shape: str
    kind: str = "floats"
    draw: Callable[..., np.ndarray] = normal
    optional: bool = False


@dataclass(frozen=True)
class Bench:
    """A size at which an op is timed; where benchmarks run as plain tests the first one shrinks."""

    label: str
    sizes: dict[str, int]
    settings: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)  # drawn otherwise than in tests


@dataclass(frozen=True)
class Op:
    """An op of ``fastdl.ops``.

    Attributes
    ----------
    arrays : dict of Array, by the name of the argument
    settings : dict
        What is given beside them; "dtype" is the one that is asked for.
    forms : sequence of dict
        Other settings with which it is to agree with the reference too.
    gradient_of : str or None
        By which argument its second result is the derivative of its first.
    backward_of : str or None
        The op whose derivatives it gives, from ``dout`` and from ``out`` or that op's arguments.
    of_nothing : bool
        Whether it takes arrays without rows; the mean of nothing is refused.
    bench : sequence of Bench
    """

    arrays: dict[str, Array]
    settings: dict[str, Any] = field(default_factory=dict)
    forms: tuple[dict[str, Any], ...] = ()
    gradient_of: str | None = None
    backward_of: str | None = None
    of_nothing: bool = True
    bench: tuple[Bench, ...] = ()

    @property
    def state(self) -> list[str]:
        """The arguments that it changes in place."""
        return [name for name, array in self.arrays.items() if array.kind == "state"]

    @property
    def optional(self) -> list[str]:
        """The arguments that may be None."""
        return [name for name, array in self.arrays.items() if array.optional]

    def arguments(self, rng, dtype=np.float64, settings=None, arrays=None, **sizes):
        """Good arguments by name; an array that ``settings`` gives is not drawn."""
        sizes = SIZES | sizes
        sizes.setdefault("m", sizes["n"])
        settings, result = self.settings | (settings or {}), {}
        if "dtype" in settings:
            settings["dtype"] = np.dtype(dtype)
        for name, array in (self.arrays | (arrays or {})).items():
            if name not in settings:
                shape = tuple(sizes[letter] for letter in array.shape)
                shape = shape[::-1] if settings.get(f"transpose_{name}") else shape
                drawn = array.draw(rng, shape, sizes)
                result[name] = drawn.astype(dtype) if drawn.dtype == float else drawn
        return result | settings


# --- losses and optimisers --------------------------------------------------------------------


@dataclass(frozen=True)
class Loss:
    """A loss of ``fastdl.losses``, which tells by what it goes.

    Attributes
    ----------
    settings : dict
        Of its op, other than the defaults.
    targets : callable
        How its targets are drawn, if it takes any.
    outputs : callable
        How its outputs are drawn: those of a Poisson regression lie above 0.
    shift_free : bool
        Whether nothing changes where all outputs of a row rise alike.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    targets: Callable[..., np.ndarray] = normal
    outputs: Callable[..., np.ndarray] = wide
    shift_free: bool = False


LOSSES = {
    "softmax_cross_entropy": Loss({"label_smoothing": 0.1}, shift_free=True),
    "hinge": Loss({"margin": 0.7}, shift_free=True),
    "sigmoid_cross_entropy": Loss(),
    "binary_cross_entropy": Loss(targets=bits),
    "mse": Loss(),
    "mae": Loss(),
    "huber": Loss({"delta": 0.7}),
    "quantile": Loss({"q": 0.8}),
    "poisson": Loss(targets=counts, outputs=positive),
}
LABELLED = [name for name, loss in losses.LOSSES.items() if loss.y == "labels"]


@dataclass(frozen=True)
class Optimiser:
    """An optimiser as the kernels name it: made with settings of its own, and its op."""

    made: optim.Optimiser
    op: str


OPTIMISERS = {
    "sgd": Optimiser(fd.SGD(0.1), "sgd_update"),
    "momentum": Optimiser(fd.SGD(0.05, momentum=0.9), "momentum_update"),
    "nesterov": Optimiser(fd.SGD(0.05, momentum=0.9, nesterov=True), "momentum_update"),
    # Adam divides by the size of a gradient, which makes the rounding of a gradient near zero as
    # large as a step; this epsilon is above what float32 rounds away.
    "adam": Optimiser(fd.Adam(0.01, epsilon=1e-3), "adam_update"),
    "adam_hat": Optimiser(fd.AdamHat(0.01, epsilon=1e-3), "adam_hat_update"),
    "adamw": Optimiser(fd.AdamW(0.01, weight_decay=0.5, epsilon=1e-3), "adamw_update"),
}


def made(loss):
    """The loss with settings of its own."""
    return losses.LOSSES[loss](**LOSSES[loss].settings)


def last_activation(loss, usual="identity"):
    """What the last layer may have with a loss."""
    return (*losses.LOSSES[loss].outputs, usual)[0]


def problem(loss, rng, n, k, dtype=np.float64, scale=1.0):
    """Outputs (n, k) of a network, and labels or targets for them."""
    outputs = scale * rng.standard_normal((n, k))
    if LOSSES[loss].outputs is positive:
        outputs = np.abs(outputs) + 0.1
    outputs = outputs.astype(dtype)
    return outputs, wanted(loss, rng, n, k, dtype)


def wanted(loss, rng, n, k, dtype=np.float64):
    """Labels (n,) or targets (n, k)."""
    if losses.LOSSES[loss].y != "labels":
        return LOSSES[loss].targets(rng, (n, k), {}).astype(dtype)
    return rng.integers(0, k, n)


def update(module, optimiser, param, grad, moments, t, is_bias=False, **penalties):
    """A step of an optimiser with the op of a module: of ``fastdl.ops`` or of the reference."""
    name = {code: name for name, code in _kernels.OPTIMISERS.items()}[optimiser.hyper.optimiser]
    op = OPTIMISERS[name].op
    settings = {
        setting: getattr(optimiser, setting)
        for setting in inspect.signature(getattr(ops, op)).parameters
        if hasattr(optimiser, setting)
    }
    if is_bias and "weight_decay" in settings:
        settings["weight_decay"] = 0.0
    if "t" in inspect.signature(getattr(ops, op)).parameters:
        settings["t"] = t
    getattr(module, op)(param, grad, *moments[: optimiser.n_moments], **settings, **penalties)


# --- the ops ----------------------------------------------------------------------------------

STEP = {"learning_rate": 0.1, "l1": 0.01, "l2": 0.02}
LITTLE = STEP | {"learning_rate": 1e-6, "l1": 0.0}  # of which a million steps overflow nothing
LOGITS = Array("nk", draw=wide)
LABELS = Array("n", "labels", labels)
WEIGHTS = Array("n", "weights", positive, optional=True)
TO_A_AND_B = {"transpose_a": True}, {"transpose_b": True}
PRODUCTS = (  # those of the layers of the assignments and of wider ones
    ("forward", (100, 3072, 10), (100, 3072, 50), (128, 784, 128), (1024, 784, 128)),
    ("forward", (100, 128, 64), (10, 128, 64), (1024, 512, 512)),
    ("weight gradient", (3072, 100, 10), (3072, 100, 50), (784, 128, 128), (784, 1024, 128)),
    ("weight gradient", (128, 100, 64), (128, 10, 64), (512, 1024, 512)),
    ("input gradient", (100, 10, 50), (1024, 512, 512), (100, 64, 128), (10, 64, 128)),
    ("forward by unit", (100, 3072, 50), (100, 3072, 10)),
    ("weight gradient by unit", (50, 100, 3072), (10, 100, 3072)),
)
TRANSPOSED = {
    "forward": {},
    "weight gradient": {"transpose_a": True},
    "input gradient": {"transpose_b": True},
    "forward by unit": {"transpose_b": True},
    "weight gradient by unit": {"transpose_a": True},
}


def timed(label, n, d, **settings):
    """Of n rows of d inputs or classes."""
    return Bench(f"{label} {n}x{d}", {"n": n, "d": d, "k": d}, settings)


def activation_op(name, backward_of=None):
    """The row of an activation or of its derivative: arrays of one shape, by its names."""
    names = inspect.signature(getattr(ops, name)).parameters
    return Op(
        {x: Array("nd") for x in names}, backward_of=backward_of, bench=(timed(name, 128, 128),)
    )


def loss_op(name):
    """The row of a loss: outputs and what they are to be, by its names, and weights."""
    outputs, y = list(inspect.signature(getattr(ops, name)).parameters)[:2]
    row = LOSSES[name]
    targets = Array("nk", "targets" if row.targets is normal else "counts", row.targets)
    answers = LABELS if losses.LOSSES[name].y == "labels" else targets
    drawn = Array("nk", draw=LOSSES[name].outputs)
    return Op(
        {outputs: drawn, y: answers, "sample_weight": WEIGHTS}, LOSSES[name].settings,
        gradient_of=outputs, of_nothing=False,
        bench=(timed(name, 10_000, 10, sample_weight=None),),
    )  # fmt: skip


OPS = {
    "matmul": Op(
        {"a": Array("nd"), "b": Array("dk")},
        forms=(*TO_A_AND_B, TO_A_AND_B[0] | TO_A_AND_B[1]),
        bench=tuple(
            Bench(f"{label} {n}x{d}x{k}", {"n": n, "d": d, "k": k}, TRANSPOSED[label])
            for label, *sizes in PRODUCTS
            for n, d, k in sizes
        ),
    ),
    "gather": Op(
        {
            "x": Array("md", "rows"), "order": Array("n", "labels", row_numbers),
            "shift": Array("d", optional=True), "scale": Array("d", optional=True),
        },
        {"dtype": None},
        bench=(
            Bench("gather 100 of uint8", {"m": 10_000, "n": 100, "d": 3072}, {}, {
                "x": Array("md", "rows", pixels),
            }),
            Bench("gather 100 of float32", {"m": 10_000, "n": 100, "d": 3072}),
        ),
    ),
    "bias_activation": Op(
        {"z": Array("nd"), "bias": Array("d")}, {"activation": "sigmoid"},
        forms=tuple({"activation": activation} for activation in ACTIVATIONS),
        bench=(timed("bias_activation relu", 100, 50, activation="relu"),),
    ),
    "bias_activation_backward": Op(
        {"dout": Array("nd"), "out": Array("nd")}, {"activation": "leaky_relu"},
        backward_of="bias_activation",
        forms=tuple({"activation": activation} for activation in ACTIVATIONS),
        bench=(timed("bias_activation_backward relu", 100, 50, activation="relu"),),
    ),
    **{name: activation_op(name) for name in ACTIVATIONS},
    **{f"{name}_backward": activation_op(f"{name}_backward", name) for name in ACTIVATIONS},
    "batch_norm": Op(
        {
            "x": Array("nd"), "gamma": Array("d"), "beta": Array("d"),
            "mean": Array("d", optional=True),
            "variance": Array("d", draw=squares, optional=True),
        },
        forms=({"epsilon": 0.1},),
        bench=(timed("batch_norm", 128, 512, mean=None, variance=None),),
    ),
    "batch_norm_backward": Op(
        {"dout": Array("nd"), "x": Array("nd"), "gamma": Array("d")},
        forms=({"epsilon": 0.1},), bench=(timed("batch_norm_backward", 128, 512),),
    ),
    "dropout": Op(
        {"x": Array("nd")}, {"rate": 0.3, "seed": 5}, forms=({"step": 2, "layer": 1},),
        bench=(timed("dropout", 128, 512, rate=0.5, seed=1),),
    ),
    "softmax": Op({"logits": LOGITS}, bench=(timed("softmax", 10_000, 10),)),
    **{name: loss_op(name) for name in losses.LOSSES},
    "accuracy": Op(
        {"logits": LOGITS, "labels": LABELS}, of_nothing=False,
        bench=(timed("accuracy", 10_000, 10),),
    ),
    "penalty": Op(
        {"weight": Array("nd")}, {"l1": 0.1, "l2": 0.2}, gradient_of="weight",
        bench=(timed("penalty", 3072, 50, l1=0.0, l2=0.01),),
    ),
    "sgd_update": Op(
        {"param": Array("nd", "state"), "grad": Array("nd")}, STEP,
        bench=(timed("sgd_update", 3072, 50, **LITTLE),),
    ),
    "momentum_update": Op(
        {
            "param": Array("nd", "state"), "grad": Array("nd"),
            "velocity": Array("nd", "state"),
        },
        STEP | {"momentum": 0.8},
        forms=({"nesterov": True},),
        bench=(
            timed("momentum_update", 3072, 50, **LITTLE),
            timed("nesterov_update", 3072, 50, **LITTLE, nesterov=True),
        ),
    ),
    "adam_update": Op(
        {
            "param": Array("nd", "state"), "grad": Array("nd"),
            "mean": Array("nd", "state"), "square": Array("nd", "state", squares),
        },
        STEP | {"t": 3},
        bench=(timed("adam_update", 3072, 50, **LITTLE, t=10),),
    ),
    "adam_hat_update": Op(
        {
            "param": Array("nd", "state"), "grad": Array("nd"),
            "mean": Array("nd", "state"), "square": Array("nd", "state", squares),
        },
        STEP | {"t": 3},
        bench=(timed("adam_hat_update", 3072, 50, **LITTLE, t=10),),
    ),
    "adamw_update": Op(
        {
            "param": Array("nd", "state"), "grad": Array("nd"),
            "mean": Array("nd", "state"), "square": Array("nd", "state", squares),
        },
        STEP | {"t": 3, "weight_decay": 0.3},
        bench=(timed("adamw_update", 3072, 50, **LITTLE, t=10),),
    ),
}  # fmt: skip
