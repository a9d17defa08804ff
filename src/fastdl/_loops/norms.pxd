"""Batch normalisation, unit by unit: by all rows of a batch in a step, else by running values.

A step keeps a row each of the batch's mean, its variance and one over its root; an answer the last
of these alone, of the running variance. Some units' rows are one piece, so no sum is cut.
"""

from fastdl._loops.call cimport Call, bytes_of, param_at
from fastdl._loops.net cimport NORM, Layer
from fastdl._matrix cimport Matrix


cdef inline bint is_training(const Call* call) noexcept nogil:
    return call.memory.n_rows > 0


cdef inline char* gamma_at(const Call* call, const Layer* layer, Py_ssize_t unit) noexcept nogil:
    return param_at(call, layer.weight + unit)


cdef inline char* running_at(
    const Call* call, const Layer* layer, int row, Py_ssize_t unit,
) noexcept nogil:
    """The running mean (row 0) or variance (1), from a unit on."""
    return param_at(call, layer.bias + (row + 1) * layer.ldw + unit)


cdef inline char* batch_at(
    const Call* call, const Layer* layer, int row, Py_ssize_t unit,
) noexcept nogil:
    """The batch's mean (row 0), variance (1), one over its root (2), from a unit on."""
    return call.memory.norms + bytes_of(call, layer.norm + row * layer.ldw + unit)


cdef inline char* mean_at(const Call* call, const Layer* layer, Py_ssize_t unit) noexcept nogil:
    if is_training(call):
        return batch_at(call, layer, 0, unit)
    return running_at(call, layer, 0, unit)


cdef inline void fill_norms(const Call* call) noexcept nogil:
    """What an answer needs of the running variances."""
    cdef int i
    cdef const Layer* layer
    for i in range(call.net.n_layers if call.net.n_norms > 0 else 0):
        layer = &call.net.layers[i]
        if layer.kind == NORM:
            call.kernels.inverse_root(
                running_at(call, layer, 1, 0), layer.epsilon, batch_at(call, layer, 2, 0), layer.h)


cdef inline void normalise(
    const Call* call, const Layer* layer, Py_ssize_t unit, const Matrix* x, const Matrix* out,
) noexcept nogil:
    """out = x, normalised, times gamma, from unit on; in a step x has all rows of the batch."""
    if is_training(call):
        call.kernels.moments(
            x.at, x.ld, x.rows, x.columns, batch_at(call, layer, 0, unit),
            batch_at(call, layer, 1, unit))
        call.kernels.inverse_root(
            batch_at(call, layer, 1, unit), layer.epsilon, batch_at(call, layer, 2, unit),
            x.columns)
    call.kernels.normalise(
        x.at, x.ld, mean_at(call, layer, unit), batch_at(call, layer, 2, unit),
        gamma_at(call, layer, unit), out.at, out.ld, x.rows, x.columns)


cdef inline void normalise_back(
    const Call* call, const Layer* layer, Py_ssize_t unit, const Matrix* x, const Matrix* dz,
    const Matrix* dx,
) noexcept nogil:
    """dx of all rows, and the gradients of gamma and beta, for the units from unit on."""
    cdef char* dgamma = call.arrays.grads + bytes_of(call, layer.weight + unit)
    cdef char* dbeta = call.arrays.grads + bytes_of(call, layer.bias + unit)
    call.kernels.normalise_back(
        x.at, x.ld, mean_at(call, layer, unit), batch_at(call, layer, 2, unit),
        gamma_at(call, layer, unit), dz.at, dz.ld, dgamma, dbeta, dx.at, dx.ld, x.rows, x.columns)


cdef inline void follow_batch(
    const Call* call, const Layer* layer, Py_ssize_t unit, Py_ssize_t units,
) noexcept nogil:
    """Take some units' batch into the running mean and variance."""
    cdef int row
    for row in range(2):
        call.kernels.follow(
            layer.momentum, batch_at(call, layer, row, unit), running_at(call, layer, row, unit),
            units)
