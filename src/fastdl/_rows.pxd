"""The mathematics of one row. Nothing here knows of batches or threads.

k is the number of classes (or outputs). Exponentials are taken in the row's own precision; sums and
logarithms in double, which costs nothing at these lengths.
A comparison that is false for NaN is written so that NaN passes through it.
"""

from cython cimport floating
from libc.math cimport exp, expf, fabs, log1p


cdef extern from *:
    """
    enum { FASTDL_SOFTMAX_XENT, FASTDL_HINGE, FASTDL_SIGMOID_XENT, FASTDL_MSE };
    """
    const int SOFTMAX_XENT "FASTDL_SOFTMAX_XENT"
    const int HINGE "FASTDL_HINGE"
    const int SIGMOID_XENT "FASTDL_SIGMOID_XENT"
    const int MSE "FASTDL_MSE"


cdef inline floating exp_of(floating x) noexcept nogil:
    if floating is float:
        return expf(x)
    else:
        return exp(x)


cdef inline floating sigmoid_of(floating x) noexcept nogil:
    """1 / (1 + exp(-x)), without overflow on either side."""
    cdef floating e = exp_of(<floating> -fabs(x))
    return (e if x < 0 else <floating> 1) / (1 + e)


cdef inline Py_ssize_t argmax_row(const floating* x, Py_ssize_t k) noexcept nogil:
    """The first index of the greatest element."""
    cdef Py_ssize_t j, best = 0
    for j in range(1, k):
        if x[j] > x[best]:
            best = j
    return best


cdef inline double hinge_row(
    const floating* logits, int label, double margin, double scale,
    floating* dlogits, Py_ssize_t k,
) noexcept nogil:
    """Sum over j != label of max(0, logits[j] - logits[label] + margin) and its subgradient."""
    cdef Py_ssize_t j
    cdef double violation, own = logits[label], loss = 0, count = 0
    for j in range(k):
        violation = logits[j] - own + margin
        if j == label or violation <= 0:
            violation = 0
        else:
            count += 1
        loss += violation
        if dlogits != NULL:
            dlogits[j] = 0 if violation == 0 else <floating> scale
    if dlogits != NULL:
        dlogits[label] = <floating> (-scale * count)
    return loss


cdef inline double sigmoid_xent_row(
    const floating* logits, int label, double scale, floating* dlogits, Py_ssize_t k,
) noexcept nogil:
    """Binary cross-entropy of each output against onehot(label), the mean over the k outputs."""
    cdef Py_ssize_t j
    cdef floating s
    cdef double loss = 0
    for j in range(k):
        s = -logits[j] if j == label else logits[j]  # the loss of one output is log(1 + exp(s))
        loss += (0 if s < 0 else s) + log1p(exp_of(<floating> -fabs(s)))
        if dlogits != NULL:
            dlogits[j] = <floating> (scale / k * sigmoid_of(s) * (-1 if j == label else 1))
    return loss / k


cdef inline double mse_row(
    const floating* outputs, const floating* targets, double scale,
    floating* doutputs, Py_ssize_t k,
) noexcept nogil:
    """The mean over the k outputs of (outputs - targets)^2."""
    cdef Py_ssize_t j
    cdef double difference, loss = 0
    for j in range(k):
        difference = <double> outputs[j] - targets[j]
        loss += difference * difference
        if doutputs != NULL:
            doutputs[j] = <floating> (2 * scale / k * difference)
    return loss / k
