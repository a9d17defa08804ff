"""The compiled kernels as functions of NumPy arrays: check, allocate, run, return.

A call computes in float32 or float64, whichever its first array is; the others are taken where they
lose nothing by it. Narrower floats count as float32, integers and bools as float64. Strided,
Fortran-ordered and read-only input is taken (copied where its order asks for it); results are new
arrays in C order, except for the ``*_update`` functions, which change their arguments in place. NaN
and infinities propagate as in NumPy. The bits of a result do not depend on ``n_threads``.

n rows, d inputs, h units, k classes; ``dx`` is the gradient of the loss with respect to ``x``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastdl import _check, _kernels, _threads, activations, losses
from fastdl._check import Array
from fastdl.losses import Loss

__all__ = [
    "accuracy",
    "adam_hat_update",
    "adam_update",
    "adamw_update",
    "batch_norm",
    "batch_norm_backward",
    "bias_activation",
    "bias_activation_backward",
    "binary_cross_entropy",
    "dropout",
    "elu",
    "elu_backward",
    "exp",
    "exp_backward",
    "gather",
    "gelu",
    "gelu_backward",
    "hinge",
    "huber",
    "identity",
    "identity_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "mae",
    "matmul",
    "mish",
    "mish_backward",
    "momentum_update",
    "mse",
    "penalty",
    "poisson",
    "quantile",
    "relu",
    "relu_backward",
    "selu",
    "selu_backward",
    "sgd_update",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_cross_entropy",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "softplus_backward",
    "tanh",
    "tanh_backward",
]


# --- products and reading --------------------------------------------------------------------


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    n_threads: int | None = None,
) -> Array:
    """The product op(a) op(b), where op transposes if asked to.

    Parameters
    ----------
    a : float array (n, d), or (d, n) with ``transpose_a``
    b : float array (d, h), or (h, d) with ``transpose_b``
    transpose_a, transpose_b : bool
        Use the transpose, without copying it.
    n_threads : int or None
        None: as many as help.

    Returns
    -------
    float array (n, h)

    Raises
    ------
    TypeError, ValueError, OverflowError
        For a wrong dtype, shape or size.

    Examples
    --------
    >>> fd.ops.matmul([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [1.0, 1.0]], transpose_b=True)
    array([[1., 3.],
           [3., 7.]])
    """
    a = _check.floats("a", a, (None, None))
    b = _check.floats("b", b, (None, None), a.dtype)
    n, d = a.shape[::-1] if transpose_a else a.shape
    inner, h = b.shape[::-1] if transpose_b else b.shape
    if inner != d:
        raise ValueError(
            f"a and b must agree in their inner dimension; got {d} and {inner} "
            f"from shapes {a.shape} and {b.shape}{_transposed(a, b, transpose_a, transpose_b)}"
        )
    if 0 in (n, d, h):
        return np.zeros((n, h), a.dtype)
    out = np.empty((n, h), a.dtype)
    threads = _threads.resolve(n_threads, n * d * h)
    with _threads.serial_blas():
        _kernels.gemm(bool(transpose_a), bool(transpose_b), a, b, out, threads)
    return out


def _transposed(a: Array, b: Array, transpose_a: bool, transpose_b: bool) -> str:
    """Which transpose would make two factors agree, as the end of a sentence."""
    n, d = a.shape[::-1] if transpose_a else a.shape
    inner, h = b.shape[::-1] if transpose_b else b.shape
    if d == h:
        return f", use transpose_b={not transpose_b}"
    return f", use transpose_a={not transpose_a}" if n == inner else ""


def gather(
    x: ArrayLike,
    order: ArrayLike,
    *,
    shift: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    dtype: DTypeLike = np.float32,
    n_threads: int | None = None,
) -> Array:
    """The rows ``(x[order] - shift) * scale``, converted and scaled while they are read.

    Parameters
    ----------
    x : array (m, d) of any real dtype
    order : integer array (n,)
        Row numbers in [0, m), in any order, repeated or not.
    shift, scale : float array (d,), or None
        Given together or not at all. Where x is float64 so is this arithmetic, whatever ``dtype``
        is: numbers that are alike but for their last digits are told from each other.
    dtype : float32 or float64
        Of the result.
    n_threads : int or None

    Returns
    -------
    array (n, d) of ``dtype``

    Examples
    --------
    >>> x = np.array([[0, 255], [255, 0]], np.uint8)
    >>> fd.ops.gather(x, [1, 1, 0], shift=[0.0, 0.0], scale=[1 / 255, 1 / 255])
    array([[1., 0.],
           [1., 0.],
           [0., 1.]], dtype=float32)
    """
    x = _check.rows("x", x)
    rows = _check.order("order", order, len(x))
    kind = _check.dtype(dtype)
    if (shift is None) != (scale is None):
        missing = "shift=np.zeros(x.shape[1])" if shift is None else "scale=np.ones(x.shape[1])"
        raise ValueError(f"shift and scale must be given together; got one, use {missing} too")
    own = x.dtype if x.dtype == np.float64 else kind
    shifts = None if shift is None else _per_feature("shift", shift, x.shape[1], own)
    scales = None if scale is None else _per_feature("scale", scale, x.shape[1], own)
    out = np.empty((len(rows), x.shape[1]), kind)
    if out.size:
        threads = _threads.resolve(n_threads, out.size)
        _kernels.gather(x, rows, out, shifts, scales, threads)
    return out


def _per_feature(name: str, value: ArrayLike, d: int, own: np.dtype[Any]) -> Array:
    array = _check.floats(name, value, (d,))
    return array.astype(own) if np.can_cast(array.dtype, own) else _check.cast(name, array, own)


# --- activations -----------------------------------------------------------------------------


def bias_activation(
    z: ArrayLike, bias: ArrayLike, activation: str, *, n_threads: int | None = None
) -> Array:
    """activation(z + bias) in one pass.

    Parameters
    ----------
    z : float array (n, h)
    bias : float array (h,)
    activation : str
        The name of one of the functions below; ``leaky_relu`` has the slope 0.01 below zero.
    n_threads : int or None

    Returns
    -------
    float array (n, h)

    Examples
    --------
    >>> fd.ops.bias_activation([[1.0, -2.0]], [0.5, 0.5], "relu")
    array([[1.5, 0. ]])
    """
    z = _check.floats("z", z, (None, None))
    bias = _check.floats("bias", bias, (z.shape[1],), z.dtype)
    code = activations.get(activation).code
    out = z.copy()
    if out.size:
        _kernels.bias_activation(code, bias, out, _threads.resolve(n_threads, out.size))
    return out


def bias_activation_backward(
    dout: ArrayLike, out: ArrayLike, activation: str, *, n_threads: int | None = None
) -> tuple[Array, Array]:
    """The gradients of ``bias_activation``.

    Parameters
    ----------
    dout : float array (n, h)
        Gradient of its result.
    out : float array (n, h)
        Its result; of gelu, silu and mish what went in, z + bias.
    activation : str
        As there. The derivative of ``relu``, ``leaky_relu`` and ``selu`` at 0 is that of the left
        side.
    n_threads : int or None

    Returns
    -------
    dz : float array (n, h)
    dbias : float array (h,)

    Examples
    --------
    >>> out = fd.ops.bias_activation([[1.0, -2.0], [3.0, 4.0]], [0.5, 0.5], "relu")
    >>> dz, dbias = fd.ops.bias_activation_backward(np.ones((2, 2)), out, "relu")
    >>> dbias
    array([2., 1.])
    """
    out = _check.floats("out", out, (None, None))
    dz = _check.floats("dout", dout, out.shape, out.dtype).copy()
    code = activations.get(activation).code
    dbias = np.zeros(out.shape[1], out.dtype)
    if out.size:
        _kernels.activation_backward(code, out, dz, _threads.resolve(n_threads, out.size))
        _kernels.sum_rows(dz, dbias)
    return dz, dbias


def _activate(x: ArrayLike, activation: str) -> Array:
    array = _check.floats("x", x)
    flat = array.reshape(1, -1)
    bias = np.zeros(flat.shape[1], flat.dtype)
    return bias_activation(flat, bias, activation).reshape(array.shape)


def _activate_backward(dout: ArrayLike, by: ArrayLike, activation: str, name: str = "out") -> Array:
    known = _check.floats(name, by)
    gradient = _check.floats("dout", dout, known.shape, known.dtype)
    dz, _ = bias_activation_backward(gradient.reshape(1, -1), known.reshape(1, -1), activation)
    return dz.reshape(known.shape)


def identity(x: ArrayLike) -> Array:
    """x itself, as a new array; x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.identity(np.array([-1.0, 0.5]))
    array([-1. ,  0.5])
    """
    return _activate(x, "identity")


def relu(x: ArrayLike) -> Array:
    """max(x, 0); x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.relu(np.array([-1.0, 0.5]))
    array([0. , 0.5])
    """
    return _activate(x, "relu")


def leaky_relu(x: ArrayLike) -> Array:
    """x where x >= 0, else 0.01 x; x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.leaky_relu(np.array([-1.0, 0.5]))
    array([-0.01,  0.5 ])
    """
    return _activate(x, "leaky_relu")


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x)), without overflow; x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.sigmoid(np.array([-1.0, 0.5])).round(4)
    array([0.2689, 0.6225])
    """
    return _activate(x, "sigmoid")


def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent; x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.tanh(np.array([-1.0, 0.5])).round(4)
    array([-0.7616,  0.4621])
    """
    return _activate(x, "tanh")


def elu(x: ArrayLike) -> Array:
    """x where x > 0, else exp(x) - 1 (Clevert et al. 2016); x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.elu(np.array([-1.0, 0.5])).round(4)
    array([-0.6321,  0.5   ])
    """
    return _activate(x, "elu")


def selu(x: ArrayLike) -> Array:
    """1.0507 x where x > 0, else 1.7581 (exp(x) - 1) (Klambauer et al. 2017), to all digits.

    Examples
    --------
    >>> fd.ops.selu(np.array([-1.0, 0.5])).round(4)
    array([-1.1113,  0.5254])
    """
    return _activate(x, "selu")


def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x)), without overflow; x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.softplus(np.array([-1.0, 0.5])).round(4)
    array([0.3133, 0.9741])
    """
    return _activate(x, "softplus")


def exp(x: ArrayLike) -> Array:
    """exp(x); x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.exp(np.array([-1.0, 0.5])).round(4)
    array([0.3679, 1.6487])
    """
    return _activate(x, "exp")


def gelu(x: ArrayLike) -> Array:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (Hendrycks and Gimpel 2016).

    Examples
    --------
    >>> fd.ops.gelu(np.array([-1.0, 0.5])).round(4)
    array([-0.1588,  0.3457])
    """
    return _activate(x, "gelu")


def silu(x: ArrayLike) -> Array:
    """x sigmoid(x), also called swish; x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.silu(np.array([-1.0, 0.5])).round(4)
    array([-0.2689,  0.3112])
    """
    return _activate(x, "silu")


def mish(x: ArrayLike) -> Array:
    """x tanh(softplus(x)) (Misra 2020); x is a float array of any shape.

    Examples
    --------
    >>> fd.ops.mish(np.array([-1.0, 0.5])).round(4)
    array([-0.3034,  0.3752])
    """
    return _activate(x, "mish")


def identity_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = identity(x).

    Examples
    --------
    >>> out = fd.ops.identity(np.array([-1.0, 0.5]))
    >>> fd.ops.identity_backward(np.ones(2), out)
    array([1., 1.])
    """
    return _activate_backward(dout, out, "identity")


def relu_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = relu(x): dout where out > 0, else 0.

    Examples
    --------
    >>> out = fd.ops.relu(np.array([-1.0, 0.5]))
    >>> fd.ops.relu_backward(np.ones(2), out)
    array([0., 1.])
    """
    return _activate_backward(dout, out, "relu")


def leaky_relu_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = leaky_relu(x): dout where out > 0, else 0.01 dout.

    Examples
    --------
    >>> out = fd.ops.leaky_relu(np.array([-1.0, 0.5]))
    >>> fd.ops.leaky_relu_backward(np.ones(2), out)
    array([0.01, 1.  ])
    """
    return _activate_backward(dout, out, "leaky_relu")


def sigmoid_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = sigmoid(x): dout out (1 - out).

    Examples
    --------
    >>> out = fd.ops.sigmoid(np.array([-1.0, 0.5]))
    >>> fd.ops.sigmoid_backward(np.ones(2), out).round(4)
    array([0.1966, 0.235 ])
    """
    return _activate_backward(dout, out, "sigmoid")


def tanh_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = tanh(x): dout (1 - out^2).

    Examples
    --------
    >>> out = fd.ops.tanh(np.array([-1.0, 0.5]))
    >>> fd.ops.tanh_backward(np.ones(2), out).round(4)
    array([0.42  , 0.7864])
    """
    return _activate_backward(dout, out, "tanh")


def elu_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = elu(x): dout where out > 0, else dout (out + 1).

    Examples
    --------
    >>> out = fd.ops.elu(np.array([-1.0, 0.5]))
    >>> fd.ops.elu_backward(np.ones(2), out).round(4)
    array([0.3679, 1.    ])
    """
    return _activate_backward(dout, out, "elu")


def selu_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = selu(x): 1.0507 dout where out > 0, else dout (out + 1.7581).

    Examples
    --------
    >>> out = fd.ops.selu(np.array([-1.0, 0.5]))
    >>> fd.ops.selu_backward(np.ones(2), out).round(4)
    array([0.6468, 1.0507])
    """
    return _activate_backward(dout, out, "selu")


def softplus_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = softplus(x): dout (1 - exp(-out)).

    Examples
    --------
    >>> out = fd.ops.softplus(np.array([-1.0, 0.5]))
    >>> fd.ops.softplus_backward(np.ones(2), out).round(4)
    array([0.2689, 0.6225])
    """
    return _activate_backward(dout, out, "softplus")


def exp_backward(dout: ArrayLike, out: ArrayLike) -> Array:
    """dx from dout and out = exp(x): dout out.

    Examples
    --------
    >>> out = fd.ops.exp(np.array([-1.0, 0.5]))
    >>> fd.ops.exp_backward(np.ones(2), out).round(4)
    array([0.3679, 1.6487])
    """
    return _activate_backward(dout, out, "exp")


def gelu_backward(dout: ArrayLike, x: ArrayLike) -> Array:
    """dx from dout and x, of which gelu(x) was taken.

    Examples
    --------
    >>> fd.ops.gelu_backward(np.ones(2), np.array([-1.0, 0.5])).round(4)
    array([-0.083 ,  0.8674])
    """
    return _activate_backward(dout, x, "gelu", "x")


def silu_backward(dout: ArrayLike, x: ArrayLike) -> Array:
    """dx from dout and x, of which silu(x) was taken: dout s (1 + x (1 - s)), s = sigmoid(x).

    Examples
    --------
    >>> fd.ops.silu_backward(np.ones(2), np.array([-1.0, 0.5])).round(4)
    array([0.0723, 0.74  ])
    """
    return _activate_backward(dout, x, "silu", "x")


def mish_backward(dout: ArrayLike, x: ArrayLike) -> Array:
    """dx from dout and x, of which mish(x) was taken.

    Examples
    --------
    >>> fd.ops.mish_backward(np.ones(2), np.array([-1.0, 0.5])).round(4)
    array([0.0592, 0.8864])
    """
    return _activate_backward(dout, x, "mish", "x")


# --- masks -----------------------------------------------------------------------------------


def dropout(
    x: ArrayLike,
    *,
    rate: float,
    seed: int,
    step: int = 0,
    layer: int = 0,
    n_threads: int | None = None,
) -> Array:
    """x with a random share of its items set to zero, the others divided by 1 - rate.

    It is its own derivative: the gradient of x is ``dropout`` of the gradient of the result, with
    the same numbers. NaN and infinities stay NaN where they would be set to zero.

    Parameters
    ----------
    x : float array (n, h)
    rate : float in [0, 1)
        The share.
    seed, step, layer : int
        What is set to zero depends on these, on the row and on the unit, and on nothing else.
    n_threads : int or None

    Returns
    -------
    float array (n, h)

    Examples
    --------
    >>> kept = fd.ops.dropout(np.ones((100, 100)), rate=0.5, seed=1)
    >>> np.unique(kept), bool(abs(kept.mean() - 1) < 0.05)
    (array([0., 2.]), True)
    """
    x = _check.floats("x", x, (None, None))
    rate = _check.real("rate", rate, 0.0, 1.0)
    numbers = {"seed": seed, "step": step, "layer": layer}
    place = tuple(_check.integer(name, n, 0, 2**63 - 1) for name, n in numbers.items())
    out = np.empty_like(x)
    if out.size:
        threads = _threads.resolve(n_threads, out.size)
        _kernels.mask(_kernels.MASKS["dropout"], place, rate, x, out, threads)
    return out


# --- batch normalisation ---------------------------------------------------------------------


def batch_norm(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    *,
    epsilon: float = 1e-5,
    n_threads: int | None = None,
) -> Array:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, column by column.

    The variance of a batch is the biased one, found from the differences to the mean. A column
    whose variance is more than its type holds becomes NaN.

    Parameters
    ----------
    x : float array (n, h)
    gamma, beta : float array (h,)
    mean, variance : float array (h,), optional
        Both or neither; None: those of x over its rows.
    epsilon : float
    n_threads : int or None

    Returns
    -------
    float array (n, h)

    Examples
    --------
    >>> fd.ops.batch_norm([[1.0, 5.0], [3.0, 5.0]], [2.0, 2.0], [0.0, 1.0]).round(3)
    array([[-2.,  1.],
           [ 2.,  1.]])
    """
    x = _check.floats("x", x, (None, None))
    gamma, beta = (
        _check.floats(name, value, x.shape[1:], x.dtype)
        for name, value in (("gamma", gamma), ("beta", beta))
    )
    if (mean is None) != (variance is None):
        lacking, other = ("mean", "variance") if mean is None else ("variance", "mean")
        of_x = "x.mean(axis=0)" if mean is None else "x.var(axis=0)"
        raise ValueError(
            f"{lacking} must be given with {other}; got None, use {of_x} where it is that of x"
        )
    moments = np.zeros((3, x.shape[1]), x.dtype)
    if mean is not None and variance is not None:
        moments[0] = _check.floats("mean", mean, x.shape[1:], x.dtype)
        moments[1] = _check.floats("variance", variance, x.shape[1:], x.dtype)
    epsilon = _check.real("epsilon", epsilon, 0.0)
    out = np.empty_like(x)
    if out.size:
        threads = _threads.resolve(n_threads, out.size)
        _kernels.normalise(x, moments, mean is None, epsilon, gamma, out, threads)
        _kernels.bias_activation(_kernels.ACTIVATIONS["identity"], beta, out, threads)
    return out


def batch_norm_backward(
    dout: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike,
    *,
    epsilon: float = 1e-5,
    n_threads: int | None = None,
) -> tuple[Array, Array, Array]:
    """The gradients of ``batch_norm`` by the mean and variance of x itself.

    Parameters
    ----------
    dout : float array (n, h)
        Gradient of its result.
    x : float array (n, h)
    gamma : float array (h,)
    epsilon : float
        As there.
    n_threads : int or None

    Returns
    -------
    dx : float array (n, h)
    dgamma, dbeta : float array (h,)

    Examples
    --------
    >>> dx, dgamma, dbeta = fd.ops.batch_norm_backward([[1.0], [1.0]], [[1.0], [3.0]], [2.0])
    >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
    ([[0.0], [0.0]], [0.0], [2.0])
    """
    x = _check.floats("x", x, (None, None))
    dout = _check.floats("dout", dout, x.shape, x.dtype)
    gamma = _check.floats("gamma", gamma, x.shape[1:], x.dtype)
    epsilon = _check.real("epsilon", epsilon, 0.0)
    dx, moments = np.empty_like(x), np.zeros((3, x.shape[1]), x.dtype)
    grads = np.zeros((2, x.shape[1]), x.dtype)
    if dx.size:
        threads = _threads.resolve(n_threads, dx.size)
        _kernels.normalise_back(x, dout, moments, epsilon, gamma, dx, grads, threads)
    return dx, grads[0], grads[1]


# --- losses ----------------------------------------------------------------------------------


def softmax(logits: ArrayLike, *, n_threads: int | None = None) -> Array:
    """exp(logits) / sum(exp(logits)) of each row, finite for any finite logits.

    Parameters
    ----------
    logits : float array (n, k)
    n_threads : int or None

    Returns
    -------
    float array (n, k)

    Examples
    --------
    >>> fd.ops.softmax([[0.0, 0.0, 1000.0], [1.0, 2.0, 3.0]]).round(4)
    array([[0.    , 0.    , 1.    ],
           [0.09  , 0.2447, 0.6652]])
    """
    out = _check.floats("logits", logits, (None, None)).copy()
    if out.size:
        _kernels.softmax(out, _threads.resolve(n_threads, 20 * out.size))
    return out


def softmax_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """The mean over the rows of -log softmax(logits)[label], and its gradient, in one pass.

    Parameters
    ----------
    logits : float array (n, k)
    labels : array (n,) of whole numbers in [0, k)
    label_smoothing : float in [0, 1)
        The share of each label that is spread over all k classes.
    sample_weight : float array (n,), optional
        The mean is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
        Finite for any finite logits.
    dlogits : float array (n, k)

    Raises
    ------
    TypeError, ValueError, OverflowError
        For a wrong dtype, shape or size, no rows, or a label outside [0, k).

    Examples
    --------
    >>> loss, dlogits = fd.ops.softmax_cross_entropy([[2.0, 0.0], [0.0, 0.0]], [0, 1])
    >>> round(loss, 4), dlogits.round(4)
    (0.41, array([[-0.0596,  0.0596],
           [ 0.25  , -0.25  ]]))
    """
    return _loss(
        losses.SoftmaxCrossEntropy(label_smoothing), logits, labels, sample_weight, n_threads
    )


def hinge(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """The multi-class hinge of Weston and Watkins (1999), and its subgradient.

    The mean over the rows of the sum over j != y of max(0, s_j - s_y + margin); at the kink the
    subgradient is 0.

    Parameters
    ----------
    logits : float array (n, k)
        The scores s.
    labels : array (n,) of whole numbers in [0, k)
    margin : float
        Not negative.
    sample_weight : float array (n,), optional
        The mean is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    dlogits : float array (n, k)

    Examples
    --------
    >>> loss, dlogits = fd.ops.hinge([[2.0, 1.5], [0.0, 3.0]], [0, 1])
    >>> loss, dlogits
    (0.25, array([[-0.5,  0.5],
           [ 0. , -0. ]]))
    """
    return _loss(losses.Hinge(margin), logits, labels, sample_weight, n_threads)


def sigmoid_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """Binary cross-entropy of sigmoid(logits) against one-hot labels, the mean over the k outputs.

    Parameters
    ----------
    logits : float array (n, k)
    labels : array (n,) of whole numbers in [0, k)
    sample_weight : float array (n,), optional
        The mean over the rows is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    dlogits : float array (n, k)

    Examples
    --------
    >>> loss, dlogits = fd.ops.sigmoid_cross_entropy([[2.0, 0.0]], [0])
    >>> round(loss, 4), dlogits.round(4)
    (0.41, array([[-0.0596,  0.25  ]]))
    """
    return _loss(losses.SigmoidCrossEntropy(), logits, labels, sample_weight, n_threads)


def binary_cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """Binary cross-entropy of sigmoid(logits) against targets, the mean over the k outputs.

    Parameters
    ----------
    logits : float array (n, k)
    targets : array (n, k) of 0 and 1, or (n,) where k is 1
    sample_weight : float array (n,), optional
        The mean over the rows is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    dlogits : float array (n, k)

    Examples
    --------
    >>> loss, dlogits = fd.ops.binary_cross_entropy([[2.0, 0.0]], [[1, 1]])
    >>> round(loss, 4), dlogits.round(4)
    (0.41, array([[-0.0596, -0.25  ]]))
    """
    return _loss(losses.BinaryCrossEntropy(), logits, targets, sample_weight, n_threads)


def mse(
    outputs: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """The mean over rows and outputs of (outputs - targets)^2, and its gradient.

    Parameters
    ----------
    outputs : float array (n, k)
    targets : float array (n, k), or (n,) where k is 1
    sample_weight : float array (n,), optional
        The mean over the rows is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    doutputs : float array (n, k)

    Examples
    --------
    >>> loss, doutputs = fd.ops.mse([[1.0], [3.0]], [1.0, 1.0])
    >>> loss, doutputs.ravel()
    (2.0, array([0., 2.]))
    """
    return _loss(losses.MeanSquared(), outputs, targets, sample_weight, n_threads)


def mae(
    outputs: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """The mean over rows and outputs of abs(outputs - targets), and its subgradient, 0 at the kink.

    Parameters
    ----------
    outputs : float array (n, k)
    targets : float array (n, k), or (n,) where k is 1
    sample_weight : float array (n,), optional
        The mean over the rows is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    doutputs : float array (n, k)

    Examples
    --------
    >>> loss, doutputs = fd.ops.mae([[1.5], [3.0]], [1.0, 4.0])
    >>> loss, doutputs.ravel()
    (0.75, array([ 0.5, -0.5]))
    """
    return _loss(losses.MeanAbsolute(), outputs, targets, sample_weight, n_threads)


def huber(
    outputs: ArrayLike,
    targets: ArrayLike,
    *,
    delta: float = 1.0,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """The mean over rows and outputs of Huber's loss (1964), and its gradient.

    off^2 / 2 where off = outputs - targets is at most delta, else delta (abs(off) - delta / 2).

    Parameters
    ----------
    outputs : float array (n, k)
    targets : float array (n, k), or (n,) where k is 1
    delta : float
        Above 0.
    sample_weight : float array (n,), optional
        The mean over the rows is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    doutputs : float array (n, k)

    Examples
    --------
    >>> loss, doutputs = fd.ops.huber([[1.5], [9.0]], [1.0, 1.0], delta=2.0)
    >>> loss, doutputs.ravel()
    (7.0625, array([0.25, 1.  ]))
    """
    return _loss(losses.Huber(delta), outputs, targets, sample_weight, n_threads)


def quantile(
    outputs: ArrayLike,
    targets: ArrayLike,
    *,
    q: float = 0.5,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """The mean over rows and outputs of the loss of a quantile, and its subgradient, 0 at the kink.

    abs(outputs - targets) times q where an output is below its target, else times 1 - q.

    Parameters
    ----------
    outputs : float array (n, k)
    targets : float array (n, k), or (n,) where k is 1
    q : float
        Between 0 and 1.
    sample_weight : float array (n,), optional
        The mean over the rows is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    doutputs : float array (n, k)

    Examples
    --------
    >>> loss, doutputs = fd.ops.quantile([[1.0], [3.0]], [2.0, 2.0], q=0.75)
    >>> loss, doutputs.ravel()
    (0.5, array([-0.375,  0.125]))
    """
    return _loss(losses.Quantile(q), outputs, targets, sample_weight, n_threads)


def poisson(
    outputs: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Array]:
    """The mean over rows and outputs of outputs - targets log(outputs), and its gradient.

    Outputs are means of counts; those below 1e-30 count as that.

    Parameters
    ----------
    outputs : float array (n, k)
    targets : float array (n, k), or (n,) where k is 1; not negative
    sample_weight : float array (n,), optional
        The mean over the rows is then sum(w loss) / n.
    n_threads : int or None

    Returns
    -------
    loss : float
    doutputs : float array (n, k)

    Examples
    --------
    >>> loss, doutputs = fd.ops.poisson([[1.0], [2.0]], [1.0, 4.0])
    >>> round(loss, 4), doutputs.ravel()
    (0.1137, array([ 0. , -0.5]))
    """
    return _loss(losses.Poisson(), outputs, targets, sample_weight, n_threads)


def _loss(
    loss: Loss,
    outputs: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    n_threads: int | None,
) -> tuple[float, Array]:
    outputs_name = "outputs" if loss.y == "numbers" else "logits"
    logits = _check.floats(outputs_name, outputs, (None, None))
    _check.some(outputs_name, logits)
    n, k = logits.shape
    if k == 0:
        raise ValueError(
            f"{outputs_name} must have a column for each output of a network; got shape {(n, k)}"
        )
    y_name = "labels" if loss.y == "labels" else "targets"
    labels, targets = loss.read(y_name, y, n, k, logits.dtype)
    weights = None
    if sample_weight is not None:
        weights = _check.weights("sample_weight", sample_weight, n, logits.dtype)
    dlogits = np.empty_like(logits)
    blocks = -(-n // _kernels.BLOCK_ROWS)
    total, _ = _kernels.loss_forward_backward(
        loss.code, logits, (labels, targets, weights), loss.numbers, 1 / n, dlogits,
        np.empty((blocks, 2)), _threads.resolve(n_threads, 20 * n * k),
    )  # fmt: skip
    return total / n, dlogits


def accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """The share of rows whose greatest logit (the first of equals) is that of the label.

    A row with NaN is never right.

    Parameters
    ----------
    logits : float array (n, k)
    labels : array (n,) of whole numbers in [0, k)

    Examples
    --------
    >>> fd.ops.accuracy([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, 1.0]], [0, 1, 1, 1])
    0.75
    """
    logits = _check.floats("logits", logits, (None, None))
    _check.some("logits", logits)
    rows = _check.labels("labels", labels, *logits.shape)
    right = (logits.argmax(axis=1) == rows) & ~np.isnan(logits).any(axis=1)
    return float(right.mean())


# --- penalties and updates -------------------------------------------------------------------


def penalty(weight: ArrayLike, *, l1: float = 0.0, l2: float = 0.0) -> tuple[float, Array]:
    """``l1 sum(|w|) + l2 sum(w^2)``, and its gradient ``l1 sign(w) + 2 l2 w``.

    Parameters
    ----------
    weight : float array of any shape
    l1, l2 : float
        Not negative.

    Returns
    -------
    penalty : float
    dweight : float array of that shape

    Examples
    --------
    >>> total, dweight = fd.ops.penalty([1.0, -2.0], l1=0.5, l2=0.25)
    >>> total, dweight
    (2.75, array([ 1. , -1.5]))
    """
    weight = _check.floats("weight", weight)
    l1, l2 = _check.real("l1", l1, 0.0), _check.real("l2", l2, 0.0)
    dweight = np.empty_like(weight)
    if not weight.size:
        return 0.0, dweight
    flat = weight.reshape(-1)
    _kernels.penalty_gradient(flat, l1, l2, dweight.reshape(-1))
    return _kernels.penalty(flat, l1, l2), dweight


def sgd_update(
    param: Array, grad: ArrayLike, *, learning_rate: float, l1: float = 0.0, l2: float = 0.0
) -> None:
    """param -= learning_rate (grad + 2 l2 param + l1 sign(param)), in place.

    Parameters
    ----------
    param : float array, writable and in C order
    grad : float array of that shape and dtype
    learning_rate, l1, l2 : float
        Not negative.

    Examples
    --------
    >>> param = np.array([1.0, -1.0])
    >>> fd.ops.sgd_update(param, [2.0, 2.0], learning_rate=0.25)
    >>> param
    array([ 0.5, -1.5])
    """
    _update(("sgd", ()), 1, param, grad, {}, learning_rate, l1, l2)


def momentum_update(
    param: Array,
    grad: ArrayLike,
    velocity: Array,
    *,
    learning_rate: float,
    momentum: float = 0.9,
    nesterov: bool = False,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """One step with momentum (Polyak 1964; Nesterov as in Sutskever et al. 2013), in place.

    With g = grad + 2 l2 param + l1 sign(param): velocity = momentum velocity + g, then
    param -= learning_rate velocity, or learning_rate (g + momentum velocity) with ``nesterov``.

    Parameters
    ----------
    param, velocity : float array, writable and in C order
    grad : float array of that shape and dtype
    learning_rate, l1, l2 : float
        Not negative.
    momentum : float in [0, 1)
    nesterov : bool

    Examples
    --------
    >>> param, velocity = np.array([1.0, -1.0]), np.zeros(2)
    >>> for _ in range(2):
    ...     fd.ops.momentum_update(param, [2.0, 2.0], velocity, learning_rate=0.25, momentum=0.5)
    >>> param, velocity
    (array([-0.25, -2.25]), array([3., 3.]))
    """
    momentum = _check.real("momentum", momentum, 0.0, 1.0)
    name = "nesterov" if _check.boolean("nesterov", nesterov) else "momentum"
    optimiser = name, (0.0, 0.0, momentum)
    _update(optimiser, 1, param, grad, {"velocity": velocity}, learning_rate, l1, l2)


def adam_update(
    param: Array,
    grad: ArrayLike,
    mean: Array,
    square: Array,
    *,
    t: int,
    learning_rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """One step of Adam (Kingma and Ba 2015, algorithm 1), in place.

    Parameters
    ----------
    param : float array, writable and in C order
    grad : float array of that shape and dtype
    mean, square : float array of that shape and dtype, writable and in C order
        The running means of the gradient and of its square; zeros before the first step.
    t : int
        The number of this step, from 1.
    learning_rate, epsilon, l1, l2 : float
        Not negative.
    beta1, beta2 : float in [0, 1)

    Examples
    --------
    >>> param, mean, square = np.array([1.0, -1.0]), np.zeros(2), np.zeros(2)
    >>> fd.ops.adam_update(param, [2.0, -3.0], mean, square, t=1, learning_rate=0.25)
    >>> param.round(4)
    array([ 0.75, -0.75])
    """
    _adam("adam", (beta1, beta2, epsilon), t, param, grad, (mean, square), learning_rate, (l1, l2))


def adam_hat_update(
    param: Array,
    grad: ArrayLike,
    mean: Array,
    square: Array,
    *,
    t: int,
    learning_rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """One step of Adam whose epsilon stands beside a root that is not corrected, in place.

    Parameters
    ----------
    param, grad, mean, square, t, learning_rate, beta1, beta2, epsilon, l1, l2
        As for ``adam_update``.

    Examples
    --------
    >>> param, mean, square = np.array([1.0, -1.0]), np.zeros(2), np.zeros(2)
    >>> fd.ops.adam_hat_update(param, [2.0, -3.0], mean, square, t=1, learning_rate=0.25)
    >>> param.round(4)
    array([ 0.75, -0.75])
    """
    settings = beta1, beta2, epsilon
    _adam("adam_hat", settings, t, param, grad, (mean, square), learning_rate, (l1, l2))


def adamw_update(
    param: Array,
    grad: ArrayLike,
    mean: Array,
    square: Array,
    *,
    t: int,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-2,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """One step of Adam, and of the parameters' own decay (Loshchilov and Hutter 2019), in place.

    Parameters
    ----------
    param, grad, mean, square, t, beta1, beta2 : as for ``adam_update``
    learning_rate, weight_decay, epsilon, l1, l2 : float
        Not negative. The decay takes learning_rate weight_decay param; l1 and l2 are part of the
        gradient.

    Examples
    --------
    >>> param, mean, square = np.array([1.0, -1.0]), np.zeros(2), np.zeros(2)
    >>> fd.ops.adamw_update(param, [2.0, -3.0], mean, square, t=1, learning_rate=0.25)
    >>> param.round(4)
    array([ 0.7475, -0.7475])
    """
    decay = _check.real("weight_decay", weight_decay, 0.0)
    settings = beta1, beta2, epsilon, decay
    _adam("adamw", settings, t, param, grad, (mean, square), learning_rate, (l1, l2))


def _adam(
    name: str,
    settings: tuple[float, ...],
    t: int,
    param: Array,
    grad: ArrayLike,
    moments: tuple[Array, Array],
    learning_rate: float,
    penalties: tuple[float, float],
) -> None:
    """Step t of Adam or a kind of it, whose first settings are Adam's."""
    beta1, beta2, epsilon, *others = settings
    settings = (
        _check.real("beta1", beta1, 0.0, 1.0),
        _check.real("beta2", beta2, 0.0, 1.0),
        _check.real("epsilon", epsilon, 0.0),
        *others,
    )
    named = dict(zip(("mean", "square"), moments, strict=True))
    t = _check.integer("t", t)
    _update((name, settings), t, param, grad, named, learning_rate, *penalties)


def _update(
    optimiser: tuple[str, tuple[float, ...]],
    t: int,
    param: Array,
    grad: ArrayLike,
    moments: dict[str, Array],
    learning_rate: float,
    l1: float,
    l2: float,
) -> None:
    """Step t of an optimiser, which is given by its name and settings."""
    param = _check.writable("param", param)
    grad = _check.floats("grad", grad, param.shape, param.dtype)
    moments = {key: _check.writable(key, moment, param) for key, moment in moments.items()}
    _check.apart(param=param, grad=grad, **moments)
    name, settings = optimiser
    if param.size:
        _kernels.update(
            (_kernels.OPTIMISERS[name], settings, 0.0),
            _check.real("learning_rate", learning_rate, 0.0), t,
            _check.real("l1", l1, 0.0), _check.real("l2", l2, 0.0), param.reshape(-1),
            grad.reshape(-1), [moment.reshape(-1) for moment in moments.values()],
        )  # fmt: skip
