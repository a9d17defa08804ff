"""The first layer for sparse rows, which stay so: they are not shifted.

What the shift would have added, offset = -shift * scale, reaches the first layer as offset W and
its gradient as offset^T (the sum of dz). Both are kept a row for each part of the inputs.
"""

from libc.string cimport memcpy, memset

from fastdl._kernels cimport multiply
from fastdl._loops.call cimport Call, bytes_of, param_at
from fastdl._loops.net cimport Layer, aligned
from fastdl._matrix cimport Matrix, matrix


cdef inline char* offset_part(const Call* call, Py_ssize_t i) noexcept nogil:
    """Where part i of offset W lies; beyond these, the sums of dz."""
    return call.memory.offset_parts + bytes_of(call, i * aligned(call.net.layers[0].h))


cdef inline Matrix offset_at(const Call* call, Py_ssize_t start, Py_ssize_t size) noexcept nogil:
    """The offset of some inputs, as a row."""
    return matrix(<char*> call.rows.offset + bytes_of(call, start), 1, size, call.net.d)


cdef inline void fill_offset_part(const Call* call, Py_ssize_t i) noexcept nogil:
    """offset W for one part of the inputs."""
    cdef const Layer* layer = &call.net.layers[0]
    cdef Py_ssize_t start = i * layer.part, size = min(layer.part, layer.d - start)
    cdef Matrix offset = offset_at(call, start, size)
    cdef Matrix weight = matrix(
        param_at(call, layer.weight + start * layer.ldw), size, layer.h, layer.ldw)
    cdef Matrix out = matrix(offset_part(call, i), 1, layer.h, layer.h)
    multiply(call.kernels, &offset, &weight, False, &out)


cdef inline void fill_offset_parts(const Call* call) noexcept nogil:
    """offset W for all of them, if any row may be left unshifted."""
    cdef Py_ssize_t i
    for i in range(call.net.layers[0].n_parts if call.memory.offset_parts != NULL else 0):
        fill_offset_part(call, i)


cdef inline void sparse_product(
    const Call* call, Py_ssize_t unit, const Matrix* x, const Matrix* weight, const Matrix* z,
) noexcept nogil:
    """z = x W, from unit on, for sparse rows, as if they had been shifted."""
    cdef const Layer* layer = &call.net.layers[0]
    cdef bint shifted = call.memory.offset_parts != NULL
    cdef Py_ssize_t i, row = bytes_of(call, z.columns), skip = bytes_of(call, unit)
    if shifted:
        memcpy(z.at, offset_part(call, 0) + skip, row)
        for i in range(1, layer.n_parts):
            call.kernels.add(offset_part(call, i) + skip, z.at, z.columns)
        for i in range(1, z.rows):
            memcpy(z.at + bytes_of(call, i * z.ld), z.at, row)
    call.kernels.skip_product(
        z.rows, z.columns, x.columns, x.at, x.ld, 1, weight.at, weight.ld, NULL, shifted,
        z.at, z.ld)


cdef inline void add_offset_gradient(
    const Call* call, Py_ssize_t start, char* sums_at, const Matrix* dz,
    const unsigned char* sparse, const Matrix* grad,
) noexcept nogil:
    """grad += offset^T (the sum of dz over the sparse rows), for the inputs from start on."""
    cdef Matrix sums = matrix(sums_at, 1, dz.columns, dz.columns)
    cdef Matrix offset = offset_at(call, start, grad.rows)
    cdef Py_ssize_t row
    memset(sums.at, 0, bytes_of(call, dz.columns))
    for row in range(dz.rows):
        if sparse[row]:
            call.kernels.add(dz.at + bytes_of(call, row * dz.ld), sums.at, dz.columns)
    offset.rows, offset.columns, offset.ld = offset.columns, 1, 1
    multiply(call.kernels, &offset, &sums, True, grad)
