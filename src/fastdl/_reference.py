"""Every function of fastdl.ops in plain NumPy: the tests' oracle and the benchmark's baseline.

Written straight from the formulas, with the names and signatures of fastdl.ops (except n_threads)
and nothing of its code. It computes in the dtype that it is given; float64 makes it an oracle.

n rows, d inputs, h units, k classes; ``dx`` is the gradient of the loss with respect to ``x``.
"""

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating]
Integers = NDArray[np.integer]

LEAKY_SLOPE = 0.01
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_GELU = float(np.sqrt(2 / np.pi))


# --- products and reading --------------------------------------------------------------------


def matmul(a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False) -> Array:
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


def gather(
    x: Array,
    order: Integers,
    *,
    shift: Array | None = None,
    scale: Array | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    rows = x[order]
    if rows.dtype != np.float64:
        rows = rows.astype(dtype)
    if shift is not None and scale is not None:
        rows = (rows - shift.astype(rows.dtype)) * scale.astype(rows.dtype)
    return rows.astype(dtype)


# --- activations -----------------------------------------------------------------------------


def identity(x: Array) -> Array:
    return x.copy()


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def leaky_relu(x: Array) -> Array:
    return np.where(x < 0, LEAKY_SLOPE * x, x)


def sigmoid(x: Array) -> Array:
    e: Array = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def tanh(x: Array) -> Array:
    result: Array = np.tanh(x)
    return result


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def selu(x: Array) -> Array:
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * elu(x))


def softplus(x: Array) -> Array:
    result: Array = np.logaddexp(0, x)
    return result


def exp(x: Array) -> Array:
    result: Array = np.exp(x)
    return result


def gelu(x: Array) -> Array:
    t: Array = np.tanh(_GELU * (x + 0.044715 * x**3))
    return x * (1 + t) / 2


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def mish(x: Array) -> Array:
    return x * np.tanh(softplus(x))


def identity_backward(dout: Array, out: Array) -> Array:
    return dout.copy()


def relu_backward(dout: Array, out: Array) -> Array:
    return np.where(out > 0, dout, 0)


def leaky_relu_backward(dout: Array, out: Array) -> Array:
    return np.where(out > 0, dout, LEAKY_SLOPE * dout)


def sigmoid_backward(dout: Array, out: Array) -> Array:
    return dout * (out * (1 - out))


def tanh_backward(dout: Array, out: Array) -> Array:
    return dout * (1 - out * out)


def elu_backward(dout: Array, out: Array) -> Array:
    return np.where(out > 0, dout, dout * (out + 1))


def selu_backward(dout: Array, out: Array) -> Array:
    return np.where(out > 0, SELU_SCALE * dout, dout * (out + SELU_SCALE * SELU_ALPHA))


def softplus_backward(dout: Array, out: Array) -> Array:
    dx: Array = dout * -np.expm1(-out)
    return dx


def exp_backward(dout: Array, out: Array) -> Array:
    return dout * out


def gelu_backward(dout: Array, x: Array) -> Array:
    near = np.clip(x, -32, 32)
    t: Array = np.tanh(_GELU * (near + 0.044715 * near**3))
    return dout * (1 + t + near * (1 - t * t) * _GELU * (1 + 3 * 0.044715 * near**2)) / 2


def silu_backward(dout: Array, x: Array) -> Array:
    s = sigmoid(x)
    return dout * (s + x * s * (1 - s))


def mish_backward(dout: Array, x: Array) -> Array:
    t: Array = np.tanh(softplus(x))
    return dout * (t + x * (1 - t * t) * sigmoid(x))


def bias_activation(z: Array, bias: Array, activation: str) -> Array:
    result: Array = globals()[activation](z + bias)
    return result


def bias_activation_backward(dout: Array, out: Array, activation: str) -> tuple[Array, Array]:
    dz = globals()[f"{activation}_backward"](dout, out)
    return dz, dz.sum(axis=0)


# --- batch normalisation ---------------------------------------------------------------------


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array | None = None,
    variance: Array | None = None,
    *,
    epsilon: float = 1e-5,
) -> Array:
    if mean is None or variance is None:
        mean, variance = _moments(x)
    out: Array = gamma * (x - mean) * _inverse(variance, epsilon) + beta
    return out


def batch_norm_backward(
    dout: Array, x: Array, gamma: Array, *, epsilon: float = 1e-5
) -> tuple[Array, Array, Array]:
    mean, variance = _moments(x)
    inverse, n = _inverse(variance, epsilon), max(1, len(x))
    normal: Array = (x - mean) * inverse
    dgamma, dbeta = (dout * normal).sum(axis=0), dout.sum(axis=0)
    return gamma * inverse * (dout - dbeta / n - normal * (dgamma / n)), dgamma, dbeta


def _moments(x: Array) -> tuple[Array, Array]:
    n = max(1, len(x))
    mean: Array = x.sum(axis=0) / n
    return mean, ((x - mean) ** 2).sum(axis=0) / n


def _inverse(variance: Array, epsilon: float) -> Array:
    """NaN where a variance is infinite."""
    result: Array = (variance - variance + 1) / np.sqrt(variance + epsilon)
    return result


# --- masks -----------------------------------------------------------------------------------


def dropout(x: Array, *, rate: float, seed: int, step: int = 0, layer: int = 0) -> Array:
    keep = _bits(x.shape, seed, step, layer) >= int(rate * 2**32)
    return x * np.where(keep, 1 / (1 - rate), 0).astype(x.dtype)


def _bits(shape: tuple[int, ...], *counts: int) -> Integers:
    """32 random bits for each unit of each row of the draw that is counted so."""
    n, h = shape
    key: Integers = np.zeros(n, np.uint64)
    for count in (*counts, np.arange(n)):
        key = _mix(key + np.asarray(count, np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    low, high = (key[:, None] & 0xFFFFFFFF).astype(np.uint32), (key >> 32).astype(np.uint32)
    v: Integers = np.arange(h, dtype=np.uint32) * np.uint32(0x9E3779B9) + low
    v = (v ^ v >> 16) * np.uint32(0x85EBCA6B) ^ high[:, None]
    v = (v ^ v >> 13) * np.uint32(0xC2B2AE35)
    return v ^ v >> 16


def _mix(v: Integers) -> Integers:
    """Every bit of v decides over every bit."""
    v = (v ^ v >> 30) * np.uint64(0xBF58476D1CE4E5B9)
    v = (v ^ v >> 27) * np.uint64(0x94D049BB133111EB)
    return v ^ v >> 31


# --- losses ----------------------------------------------------------------------------------


def softmax(logits: Array) -> Array:
    e: Array = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    total: Array = e.sum(axis=1, keepdims=True)
    return e / total


def softmax_cross_entropy(
    logits: Array,
    labels: Integers,
    *,
    label_smoothing: float = 0.0,
    sample_weight: Array | None = None,
) -> tuple[float, Array]:
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=1)
    losses, dlogits = np.log(total) - shifted[rows, labels], e / total[:, None]
    dlogits[rows, labels] -= 1
    if label_smoothing:
        losses += label_smoothing * (shifted[rows, labels] - shifted.mean(axis=1))
        dlogits -= label_smoothing / logits.shape[1]
        dlogits[rows, labels] += label_smoothing
    return _mean(losses, dlogits, sample_weight)


def hinge(
    logits: Array, labels: Integers, *, margin: float = 1.0, sample_weight: Array | None = None
) -> tuple[float, Array]:
    rows = np.arange(len(labels))
    violations = np.maximum(logits - logits[rows, labels][:, None] + margin, 0)
    violations[rows, labels] = 0
    dlogits = (violations > 0).astype(logits.dtype)
    dlogits[rows, labels] = -dlogits.sum(axis=1)
    return _mean(violations.sum(axis=1), dlogits, sample_weight)


def sigmoid_cross_entropy(
    logits: Array, labels: Integers, *, sample_weight: Array | None = None
) -> tuple[float, Array]:
    one_hot = np.zeros_like(logits)
    one_hot[np.arange(len(labels)), labels] = 1
    losses = np.logaddexp(0, np.where(one_hot == 1, -logits, logits)).mean(axis=1)
    return _mean(losses, (sigmoid(logits) - one_hot) / logits.shape[1], sample_weight)


def binary_cross_entropy(
    logits: Array, targets: Array, *, sample_weight: Array | None = None
) -> tuple[float, Array]:
    wanted = targets.reshape(logits.shape)
    losses = np.logaddexp(0, np.where(wanted == 1, -logits, logits)).mean(axis=1)
    return _mean(losses, (sigmoid(logits) - wanted) / logits.shape[1], sample_weight)


def mse(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> tuple[float, Array]:
    n, k = outputs.shape
    difference = outputs - targets.reshape(n, k)
    losses = (difference * difference).mean(axis=1)
    return _mean(losses, 2 * difference / k, sample_weight)


def mae(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> tuple[float, Array]:
    off = outputs - targets.reshape(outputs.shape)
    return _mean(np.abs(off).mean(axis=1), np.sign(off) / off.shape[1], sample_weight)


def huber(
    outputs: Array, targets: Array, *, delta: float = 1.0, sample_weight: Array | None = None
) -> tuple[float, Array]:
    off = outputs - targets.reshape(outputs.shape)
    size = np.abs(off)
    losses = np.where(size > delta, delta * (size - delta / 2), off * off / 2).mean(axis=1)
    return _mean(losses, np.clip(off, -delta, delta) / off.shape[1], sample_weight)


def quantile(
    outputs: Array, targets: Array, *, q: float = 0.5, sample_weight: Array | None = None
) -> tuple[float, Array]:
    off = outputs - targets.reshape(outputs.shape)
    slope = np.where(off > 0, 1 - q, np.where(off < 0, -q, off))
    return _mean((slope * off).mean(axis=1), slope / off.shape[1], sample_weight)


def poisson(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> tuple[float, Array]:
    wanted, means = targets.reshape(outputs.shape), np.maximum(outputs, 1e-30)
    losses = (means - wanted * np.log(means)).mean(axis=1)
    return _mean(losses, (1 - wanted / means) / outputs.shape[1], sample_weight)


def _mean(losses: Array, gradients: Array, sample_weight: Array | None) -> tuple[float, Array]:
    """The weighted mean of the rows' losses, and its gradient from theirs."""
    n = len(losses)
    if sample_weight is None:
        return float(losses.mean()), gradients / n
    return float(sample_weight @ losses) / n, gradients * (sample_weight / n)[:, None]


def accuracy(logits: Array, labels: Integers) -> float:
    right = (logits.argmax(axis=1) == labels) & ~np.isnan(logits).any(axis=1)
    return float(right.mean())


# --- penalties and updates -------------------------------------------------------------------


def penalty(weight: Array, *, l1: float = 0.0, l2: float = 0.0) -> tuple[float, Array]:
    cost = l1 * np.abs(weight).sum() + l2 * np.square(weight).sum()
    return float(cost), l1 * np.sign(weight) + 2 * l2 * weight


def sgd_update(
    param: Array, grad: Array, *, learning_rate: float, l1: float = 0.0, l2: float = 0.0
) -> None:
    param -= learning_rate * _penalised(grad, param, l1, l2)


def momentum_update(
    param: Array,
    grad: Array,
    velocity: Array,
    *,
    learning_rate: float,
    momentum: float = 0.9,
    nesterov: bool = False,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    g = _penalised(grad, param, l1, l2)
    velocity *= momentum
    velocity += g
    param -= learning_rate * (g + momentum * velocity if nesterov else velocity)


def adam_update(
    param: Array,
    grad: Array,
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
    g = _penalised(grad, param, l1, l2)
    mean *= beta1
    mean += (1 - beta1) * g
    square *= beta2
    square += (1 - beta2) * g * g
    corrected_mean = mean / (1 - beta1**t)
    corrected_square = square / (1 - beta2**t)
    param -= learning_rate * corrected_mean / (np.sqrt(corrected_square) + epsilon)


def adam_hat_update(
    param: Array,
    grad: Array,
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
    g = _penalised(grad, param, l1, l2)
    mean *= beta1
    mean += (1 - beta1) * g
    square *= beta2
    square += (1 - beta2) * g * g
    rate = learning_rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    param -= rate * mean / (np.sqrt(square) + epsilon)


def adamw_update(
    param: Array,
    grad: Array,
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
    decay = learning_rate * weight_decay * param
    adam_update(
        param, grad, mean, square, t=t, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
        epsilon=epsilon, l1=l1, l2=l2,
    )  # fmt: skip
    param -= decay


def _penalised(grad: Array, param: Array, l1: float, l2: float) -> Array:
    """The gradient of the cost: grad + 2 l2 param + l1 sign(param)."""
    if l2:
        grad = grad + 2 * l2 * param
    return grad + l1 * np.sign(param) if l1 else grad
