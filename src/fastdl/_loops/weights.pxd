"""The weights of a tile: what it adds to the weights' gradient; after a batch's last the step.

Slices are added in their order. Where the gradient's norm has a bound the step is a stage of its
own, for which every part has left its sum of squares.
"""

from libc.math cimport sqrt

from fastdl._kernels cimport Coming, Fold, take_gradient
from fastdl._loops.call cimport (
    Call, Params, Tile, bytes_of, dz_at, is_transposed, outputs_at, param_at, x_at,
)
from fastdl._loops.input cimport after, take_in_place
from fastdl._loops.net cimport DENSE, MOST_CUTS, NORM, Layer
from fastdl._loops.norms cimport follow_batch
from fastdl._loops.offset cimport add_offset_gradient, fill_offset_part, offset_part
from fastdl._loops.parts cimport Part, find_part, find_piece, is_last
from fastdl._loops.rows cimport slice_start
from fastdl._matrix cimport Matrix, matrix

# --- the gradient ----------------------------------------------------------------------------

cdef inline Py_ssize_t place_of(const Layer* layer, const Part* part) noexcept nogil:
    """Where the part's weights begin."""
    if layer.by_unit:
        return layer.weight + part.unit * layer.ldw + part.start
    return layer.weight + part.start * layer.ldw + part.unit


cdef inline Matrix runs_of(const Layer* layer, const Part* part) noexcept nogil:
    """The part's weights as they lie: rows of some that are side by side; all where units are."""
    if layer.by_unit:
        return matrix(NULL, part.units, part.size, layer.ldw)
    if part.units < layer.h:
        return matrix(NULL, part.size, part.units, layer.ldw)
    return matrix(NULL, 1, part.size * layer.ldw, layer.ldw)


cdef inline Matrix grad_at(const Call* call, const Part* part) noexcept nogil:
    """The gradient of the part's weights: inputs x units, or units x inputs by unit."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Matrix grad = matrix(
        call.arrays.grads + bytes_of(call, place_of(layer, part)), part.size, part.units,
        layer.ldw)
    if layer.by_unit:
        grad.rows, grad.columns = part.units, part.size
    return grad


cdef inline Matrix inputs_of(
    const Call* call, const Tile* tile, const Part* part, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """What the part's inputs were for some rows of the tile."""
    cdef Matrix x
    if part.layer > 0:
        x = outputs_at(call, &call.net.layers[part.layer - 1], &tile.block, first, n)
    elif not call.in_place:
        x = x_at(call, &tile.block, first, n)
    else:
        x = take_in_place(call.rows, after(tile.which, first), n)
    x.at += bytes_of(call, part.start)
    x.columns = part.size
    return x


cdef inline Coming next_rows_of(
    const Call* call, const Tile* tile, const Part* part, Py_ssize_t first,
) noexcept nogil:
    """Rows of the next tile, from the part's first input on."""
    cdef Coming coming
    coming.columns = call.net.layers[0].by_unit
    coming.input = call.rows.item
    coming.row = coming.input * call.rows.stride
    coming.x = call.rows.x + coming.input * part.start
    coming.order = tile.next_rows + first
    return coming


cdef inline char* sums_of(const Call* call, const Part* part) noexcept nogil:
    """Where a piece of the first layer may sum dz: no other one of its part does."""
    cdef Py_ssize_t rows = call.net.layers[0].n_parts + part.i * MOST_CUTS + part.cut
    return offset_part(call, rows) + bytes_of(call, part.unit)


cdef inline void gradient_of_scanned(
    const Call* call, const Part* part, const Matrix* x, const Matrix* dz,
    const unsigned char* sparse, const Coming* next_rows, bint add,
) noexcept nogil:
    """dW = x^T dz (+ dW) for some of the first layer's inputs; rows are looked at for zeros."""
    cdef Matrix grad = grad_at(call, part)
    cdef Py_ssize_t i, n_sparse = 0
    for i in range(x.rows):
        n_sparse += sparse[i]
    if 2 * n_sparse > x.rows:
        call.kernels.skip_product(
            grad.rows, grad.columns, x.rows, x.at, 1, x.ld, dz.at, dz.ld, next_rows, add,
            grad.at, grad.ld)
    else:
        take_gradient(call.kernels, x, dz, next_rows, NULL, add, &grad)
    if n_sparse > 0 and call.memory.offset_parts != NULL:
        add_offset_gradient(
            call, part.start, sums_of(call, part), dz, sparse, &grad)


cdef inline void gradient_of_dense(
    const Call* call, const Tile* tile, const Part* part, const Matrix* x, const Matrix* dz,
    const Coming* next_rows, bint add,
) noexcept nogil:
    """dW = x^T dz (+ dW), and with it the step if it folds."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Matrix grad = grad_at(call, part)
    cdef Fold fold
    fold.update, fold.l2 = tile.update, tile.ridge * layer.l2
    fold.param = param_at(call, place_of(layer, part))
    if layer.by_unit:
        take_gradient(call.kernels, dz, x, next_rows, &fold if part.folds else NULL, add, &grad)
    else:
        take_gradient(call.kernels, x, dz, next_rows, &fold if part.folds else NULL, add, &grad)


cdef inline void add_slice(
    const Call* call, const Tile* tile, const Part* part, Py_ssize_t i,
) noexcept nogil:
    """What slice i of the tile adds to the gradient; biases go with the first inputs."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Py_ssize_t first = slice_start(tile, i), n = slice_start(tile, i + 1) - first
    cdef bint add = tile.first_slice + i > 0
    cdef Matrix x = inputs_of(call, tile, part, first, n)
    cdef Matrix dz = dz_at(call, layer, &tile.block, first, n)
    cdef Coming coming
    cdef const Coming* next_rows = NULL
    dz.at += bytes_of(call, part.unit)
    dz.columns = part.units
    if part.layer == 0 and part.unit == 0 and tile.next_rows != NULL:
        coming = next_rows_of(call, tile, part, first)
        next_rows = &coming
    if part.layer == 0 and call.skips:
        gradient_of_scanned(call, part, &x, &dz, call.memory.sparse + first, next_rows, add)
    else:
        gradient_of_dense(call, tile, part, &x, &dz, next_rows, add)
    if part.start == 0:
        call.kernels.sum_rows(
            dz.at, n, part.units, dz.ld, add,
            call.arrays.grads + bytes_of(call, layer.bias + part.unit))


cdef inline void close_gradient(
    const Call* call, const Tile* tile, const Part* part,
) noexcept nogil:
    """Add the penalty's to the part's gradient; leave the sum of its squares."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Matrix runs = runs_of(layer, part)
    cdef Py_ssize_t j, skip, at = place_of(layer, part)
    cdef double squares = 0
    for j in range(runs.rows):
        skip = bytes_of(call, at + j * runs.ld)
        squares += call.kernels.penalise(
            call.arrays.params + skip, runs.columns, tile.ridge * layer.l1, tile.ridge * layer.l2,
            call.arrays.grads + skip)
    if part.start == 0:
        skip = bytes_of(call, layer.bias)
        squares += call.kernels.penalise(
            call.arrays.params + skip, layer.h, 0, 0, call.arrays.grads + skip)
    call.memory.squares[layer.first_part + part.i] = squares


cdef inline double norm_of_gradient(const Call* call) noexcept nogil:
    """Of all parameters as one vector, from what the parts have left."""
    cdef double squares = 0
    cdef Py_ssize_t i
    for i in range(call.net.n_parts):
        squares += call.memory.squares[i]
    return sqrt(squares)


cdef inline double penalty_of_weights(const Call* call) noexcept nogil:
    """Those of all layers; between rows lie zeros."""
    cdef const Layer* layer
    cdef double total = 0
    cdef char* at
    cdef int i
    for i in range(call.net.n_layers):
        layer = &call.net.layers[i]
        at = param_at(call, layer.weight)
        if layer.kind == DENSE and layer.l1 != 0:
            total += call.kernels.penalty(at, layer.bias - layer.weight, layer.l1, layer.l2)
        elif layer.kind == DENSE and layer.l2 != 0:  # that of a gradient is summed in vectors
            total += layer.l2 * call.kernels.penalise(at, layer.bias - layer.weight, 0, 0, at)
    return total


# --- the step --------------------------------------------------------------------------------

cdef inline void update(
    const Call* call, const Tile* tile, const Layer* weights, Py_ssize_t at, Py_ssize_t size,
) noexcept nogil:
    """So many parameters from at on take the step: weights of a layer, or if it is NULL others."""
    cdef const Params* arrays = &call.arrays
    cdef Py_ssize_t skip = bytes_of(call, at)
    cdef bint penalised = weights != NULL and call.clip_norm == 0  # else the gradient has it
    if tile.factor != 1:
        call.kernels.scale(tile.factor, arrays.grads + skip, size)
    call.kernels.update[tile.update.optimiser](
        tile.update, weights != NULL, tile.ridge * weights.l1 if penalised else 0,
        tile.ridge * weights.l2 if penalised else 0, arrays.grads + skip, arrays.params + skip,
        NULL if arrays.first == NULL else arrays.first + skip,
        NULL if arrays.second == NULL else arrays.second + skip, size)


cdef inline void update_weight(const Call* call, const Tile* tile, const Part* part) noexcept nogil:
    """The part's weights take the step."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Matrix runs = runs_of(layer, part)
    cdef Py_ssize_t j, at = place_of(layer, part)
    for j in range(runs.rows):
        update(
            call, tile, layer if layer.kind == DENSE else NULL, at + j * runs.ld, runs.columns)


cdef inline void transpose_part(
    const Call* call, const Layer* layer, const Part* part,
) noexcept nogil:
    """Copy the part's weights to where the layer's weight lies as (h x d)."""
    cdef Py_ssize_t at = layer.transposed + part.unit * layer.ldt + part.start
    call.kernels.transpose(
        part.size, part.units, param_at(call, place_of(layer, part)), layer.ldw,
        call.memory.transposed + bytes_of(call, at), layer.ldt)


cdef inline void transpose_weights(const Call* call) noexcept nogil:
    """The weights of all layers of which a transposed copy is kept."""
    cdef int i
    cdef Part whole
    cdef const Layer* layer
    for i in range(call.net.n_layers):
        layer = &call.net.layers[i]
        whole.start, whole.size, whole.unit, whole.units = 0, layer.d, 0, layer.h
        if is_transposed(call, layer):
            transpose_part(call, layer, &whole)


# --- one piece -------------------------------------------------------------------------------

cdef inline void step_piece(const Call* call, const Tile* tile, const Part* part) noexcept nogil:
    """The piece's weights (and biases, with the first inputs) take the step; what follows them."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    if not part.folds:
        update_weight(call, tile, part)
    if part.start == 0:
        update(call, tile, NULL, layer.bias + part.unit, part.units)
    if layer.kind == NORM:
        follow_batch(call, layer, part.unit, part.units)
    if call.once:
        return
    if is_transposed(call, layer):
        transpose_part(call, layer, part)
    if part.layer == 0 and call.memory.offset_parts != NULL and is_last(call, part):
        fill_offset_part(call, part.i)


cdef inline void train_weights(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The gradient of piece i of all layers' weights, and the step if there is one.

    That of a norm's gamma and beta is there since its rows came back.
    """
    cdef Part piece = find_piece(call, tile, i), part
    cdef Py_ssize_t j
    cdef bint summed = piece.size > 0 and call.net.layers[piece.layer].kind == DENSE
    for j in range(tile.n_slices if summed else 0):
        add_slice(call, tile, &piece, j)
    if tile.update == NULL:
        return
    if call.clip_norm == 0:
        step_piece(call, tile, &piece)
    elif is_last(call, &piece):
        part = find_part(call, tile, piece.layer, piece.i)
        close_gradient(call, tile, &part)


cdef inline void step_weights(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The step of piece i of all layers' weights, whose gradient is complete."""
    cdef Part piece = find_piece(call, tile, i)
    step_piece(call, tile, &piece)
