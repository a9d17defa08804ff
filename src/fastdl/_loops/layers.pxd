"""What a layer does to some rows on their way forward, and to their gradient on its way back.

It may do so for some of its units alone, or on the way back for some of its inputs: each element of
a product has the bits that it always has.
"""

from fastdl._kernels cimport Draw, multiply, serves
from fastdl._loops.call cimport (
    Block, Call, bytes_of, dz_at, inputs_at, is_transposed, outputs_at, param_at, weight_of, x_at,
)
from fastdl._loops.input cimport Which, look_for_zeros, read_rows, take_in_place
from fastdl._loops.net cimport DENSE, MASK, NORM, Layer
from fastdl._loops.norms cimport normalise, normalise_back
from fastdl._loops.offset cimport sparse_product
from fastdl._matrix cimport Matrix, column_step, matrix

cdef struct Piece:  # rows of a block on their way through the layers
    Block block
    Py_ssize_t first, n  # which of the block's
    Which which  # of the data set
    Matrix x  # where the first layer takes them from
    Py_ssize_t row  # the number of the first in its batch
    Py_ssize_t t  # the steps before this one; -1: masks are off
    unsigned char* sparse  # whether each is sparse; NULL: nobody asks


# --- rows, and some of a matrix --------------------------------------------------------------

cdef inline void place_x(const Call* call, Piece* piece) noexcept nogil:
    """Where the first layer finds the piece's x, once it is read."""
    if call.in_place:
        piece.x = take_in_place(call.rows, piece.which, piece.n)
    else:
        piece.x = x_at(call, &piece.block, piece.first, piece.n)


cdef inline void read_piece(const Call* call, const Piece* piece) noexcept nogil:
    """Have the piece's x there, and know which rows are sparse."""
    if not call.in_place:
        read_rows(call.kernels, call.rows, piece.which, &piece.x, piece.sparse)
    elif piece.sparse != NULL:
        look_for_zeros(call.kernels, call.rows, piece.which.first, piece.n, piece.sparse)


cdef inline Matrix some_rows(
    const Call* call, const Matrix* whole, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    return matrix(
        whole.at + bytes_of(call, start * whole.ld), stop - start, whole.columns, whole.ld)


cdef inline Matrix some_columns(
    const Call* call, const Matrix* whole, Py_ssize_t start, Py_ssize_t n,
) noexcept nogil:
    cdef Matrix result = whole[0]
    result.columns = n
    if result.at != NULL:
        result.at += bytes_of(call, start * column_step(whole))
    return result


# --- forward ---------------------------------------------------------------------------------

cdef inline void first_product(
    const Call* call, const Piece* piece, Py_ssize_t unit, const Matrix* weight, const Matrix* z,
) noexcept nogil:
    """z = x W for the units from unit on, run by run of rows that are sparse or are not."""
    cdef const unsigned char* sparse = piece.sparse
    cdef Py_ssize_t start = 0, stop
    cdef Matrix x, out
    if piece.x.order != NULL:
        call.kernels.dot_product(
            z.rows, z.columns, weight.rows, piece.x.at, piece.x.ld, piece.x.order, weight.at,
            weight.ld, False, z.at, z.ld)
        return
    while start < piece.n:
        stop = piece.n if sparse == NULL else start + 1
        while stop < piece.n and sparse[stop] == sparse[start]:
            stop += 1
        x = some_rows(call, &piece.x, start, stop)
        out = some_rows(call, z, start, stop)
        if sparse != NULL and sparse[start]:
            sparse_product(call, unit, &x, weight, &out)
        else:
            multiply(call.kernels, &x, weight, False, &out)
        start = stop


cdef inline void mask(
    const Call* call, const Piece* piece, int i, const Matrix* x, const Matrix* out,
) noexcept nogil:
    """out = x times the factors of layer i, on the way forward and on the way back."""
    cdef const Layer* layer = &call.net.layers[i]
    cdef Draw draw
    draw.seed, draw.layer = call.seed, <unsigned long long> i
    draw.step, draw.row = <unsigned long long> piece.t, <unsigned long long> piece.row
    call.kernels.mask[layer.code](
        &draw, layer.rate if piece.t >= 0 else 0, x.at, x.ld, out.at, out.ld, out.rows,
        out.columns)


cdef inline void forward_layer(
    const Call* call, const Piece* piece, int i, Py_ssize_t unit, Py_ssize_t units,
) noexcept nogil:
    """Some outputs of layer i; of a mask all, of a norm those of all rows."""
    cdef const Layer* layer = &call.net.layers[i]
    cdef Matrix x = piece.x, weight, z, inputs
    if i > 0:
        x = outputs_at(call, layer - 1, &piece.block, piece.first, piece.n)
    z = outputs_at(call, layer, &piece.block, piece.first, piece.n)
    if layer.kind == MASK:
        mask(call, piece, i, &x, &z)
        return
    weight = weight_of(call, layer)
    inputs = inputs_at(call, layer, &piece.block, piece.first, piece.n)
    weight = some_columns(call, &weight, unit, units)
    inputs = some_columns(call, &inputs, unit, units)
    z = some_columns(call, &z, unit, units)
    if layer.kind == NORM:
        x = some_columns(call, &x, unit, units)
        normalise(call, layer, unit, &x, &z)
    elif i == 0:
        first_product(call, piece, unit, &weight, &z)
    else:
        multiply(call.kernels, &x, &weight, False, &z)
    call.kernels.activate[layer.code](
        param_at(call, layer.bias + unit), z.at, inputs.at, z.rows, z.columns, z.ld)


cdef inline void forward(const Call* call, const Piece* piece, int first, int stop) noexcept nogil:
    """Some layers' outputs."""
    cdef int i
    for i in range(first, stop):
        forward_layer(call, piece, i, 0, call.net.layers[i].h)


# --- back ------------------------------------------------------------------------------------

cdef inline Matrix weight_backward(const Call* call, const Layer* layer) noexcept nogil:
    """A layer's weight as (h x d)."""
    cdef Matrix weight
    if is_transposed(call, layer):
        return matrix(
            call.memory.transposed + bytes_of(call, layer.transposed), layer.h, layer.d, layer.ldt)
    weight = matrix(param_at(call, layer.weight), layer.h, layer.d, layer.ldw)
    weight.transposed = not layer.by_unit
    return weight


cdef inline void activate_back(
    const Call* call, const Piece* piece, int i, Py_ssize_t unit, Py_ssize_t units,
) noexcept nogil:
    """Some of dz of layer i, from the gradient of its outputs in the same place."""
    cdef const Layer* layer = &call.net.layers[i]
    cdef Matrix dz, by
    if layer.kind == MASK:
        return
    dz = dz_at(call, layer, &piece.block, piece.first, piece.n)
    by = inputs_at(call, layer, &piece.block, piece.first, piece.n)
    if by.at == NULL:
        by = outputs_at(call, layer, &piece.block, piece.first, piece.n)
    by = some_columns(call, &by, unit, units)
    dz = some_columns(call, &dz, unit, units)
    call.kernels.activate_backward[layer.code](by.at, dz.at, dz.rows, dz.columns, dz.ld)


cdef inline void backward_layer(
    const Call* call, const Piece* piece, int i, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """From dz of layer i that of the layer before it, for some of its inputs; of a mask all.

    Of a norm for all rows, and the gradients of gamma and beta.
    """
    cdef const Layer* layer = &call.net.layers[i]
    cdef Matrix dz = dz_at(call, layer, &piece.block, piece.first, piece.n), weight, x
    cdef Matrix dx = dz_at(
        call, &call.net.layers[i - 1], &piece.block, piece.first, piece.n)
    if layer.kind == MASK:
        mask(call, piece, i, &dz, &dx)
    elif layer.kind == NORM:
        x = outputs_at(call, layer - 1, &piece.block, piece.first, piece.n)
        x, dz = some_columns(call, &x, first, n), some_columns(call, &dz, first, n)
        dx = some_columns(call, &dx, first, n)
        normalise_back(call, layer, first, &x, &dz, &dx)
    else:
        weight = weight_backward(call, layer)
        weight = some_columns(call, &weight, first, n)
        dx = some_columns(call, &dx, first, n)
        multiply(call.kernels, &dz, &weight, False, &dx)
    activate_back(call, piece, i - 1, first, n)


cdef inline void backward(
    const Call* call, const Piece* piece, int first, int stop,
) noexcept nogil:
    """From dz of the last of some layers those of all of them, and of the layer before."""
    cdef int i
    for i in range(stop - 1, max(first - 1, call.net.first), -1):
        backward_layer(call, piece, i, 0, call.net.layers[i].d)


# --- what may be cut -------------------------------------------------------------------------

cdef inline bint may_cut(const Call* call, int i, bint back) noexcept nogil:
    """Whether the bits of layer i's product do not depend on where it is cut: BLAS serves none."""
    cdef const Layer* layer = &call.net.layers[i]
    cdef Py_ssize_t most = call.memory.n_rows
    cdef Matrix weight = weight_backward(call, layer) if back else weight_of(call, layer)
    if most == 0:
        most = call.net.evaluation_rows
    return layer.kind != DENSE or serves(call.kernels, most, &weight)


cdef inline void weigh(Call* call) noexcept nogil:
    """The multiply-adds of a row on its way, and of those products that may be cut."""
    cdef int i
    cdef Py_ssize_t work
    call.work, call.cut_work = 0, 0
    for i in range(call.net.first, call.net.n_layers):
        work = call.net.layers[i].d * call.net.layers[i].h
        if call.net.layers[i].kind != DENSE:
            continue
        call.work += work
        call.cut_work += work if may_cut(call, i, False) else 0
        if call.memory.n_rows > 0 and i > call.net.first:
            call.work += work
            call.cut_work += work if may_cut(call, i, True) else 0
