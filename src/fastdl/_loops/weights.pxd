"""The second phase of a tile: what it adds to the weights' gradient; after a batch's last the step.

A piece is a part of one layer's inputs. Slices are added in their order. Where the gradient's norm
has a bound the step is a phase of its own, for which every part has left its sum of squares.
"""

from libc.math cimport sqrt

from fastdl._kernels cimport Coming, Fold, folds, take_gradient
from fastdl._loops.call cimport (
    Call, Params, Tile, bytes_of, dz_at, is_transposed, outputs_at, param_at, x_at,
)
from fastdl._loops.input cimport after, take_in_place
from fastdl._loops.net cimport Layer
from fastdl._loops.offset cimport add_offset_gradient, fill_offset_part
from fastdl._loops.rows cimport slice_start
from fastdl._matrix cimport Matrix, matrix

cdef struct Part:  # some inputs of one layer
    int layer
    Py_ssize_t i  # which of the layer's parts
    Py_ssize_t start, size
    bint folds  # the weight takes the step together with its gradient


# --- the gradient ----------------------------------------------------------------------------

cdef inline Py_ssize_t place_of(const Layer* layer, const Part* part) noexcept nogil:
    """Where the part's weights begin."""
    return layer.weight + (part.start if layer.by_unit else part.start * layer.ldw)


cdef inline Py_ssize_t run_of(const Layer* layer, const Part* part) noexcept nogil:
    """How many of the part's weights lie side by side: all, or by unit those of each unit."""
    return part.size if layer.by_unit else part.size * layer.ldw


cdef inline Matrix grad_at(const Call* call, const Part* part) noexcept nogil:
    """The gradient of the part's weights, (size x h), or (h x size) where they lie by unit."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Matrix grad = matrix(
        call.arrays.grads + bytes_of(call, place_of(layer, part)), part.size, layer.h, layer.ldw)
    if layer.by_unit:
        grad.rows, grad.columns = layer.h, part.size
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
        add_offset_gradient(call, part.i, dz, sparse, &grad)


cdef inline void gradient_of_dense(
    const Call* call, const Tile* tile, const Part* part, const Matrix* x, const Matrix* dz,
    const Coming* next_rows, bint add,
) noexcept nogil:
    """dW = x^T dz (+ dW), and with it the step if it folds."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Matrix grad = grad_at(call, part)
    cdef Fold fold
    fold.update, fold.l2 = tile.update, layer.l2
    fold.param = param_at(call, place_of(layer, part))
    if layer.by_unit:
        take_gradient(call.kernels, dz, x, next_rows, &fold if part.folds else NULL, add, &grad)
    else:
        take_gradient(call.kernels, x, dz, next_rows, &fold if part.folds else NULL, add, &grad)


cdef inline void add_slice(
    const Call* call, const Tile* tile, const Part* part, Py_ssize_t i,
) noexcept nogil:
    """What slice i of the tile adds to the part's gradient; the bias goes with the first inputs."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Py_ssize_t first = slice_start(tile, i), n = slice_start(tile, i + 1) - first
    cdef bint add = tile.first_slice + i > 0
    cdef Matrix x = inputs_of(call, tile, part, first, n)
    cdef Matrix dz = dz_at(call, layer, &tile.block, first, n)
    cdef Coming coming
    cdef const Coming* next_rows = NULL
    if part.layer == 0 and tile.next_rows != NULL:
        coming = next_rows_of(call, tile, part, first)
        next_rows = &coming
    if part.layer == 0 and call.skips:
        gradient_of_scanned(call, part, &x, &dz, call.team.sparse + first, next_rows, add)
    else:
        gradient_of_dense(call, tile, part, &x, &dz, next_rows, add)
    if part.start == 0:
        call.kernels.sum_rows(
            dz.at, n, layer.h, dz.ld, add, call.arrays.grads + bytes_of(call, layer.bias))


cdef inline void close_gradient(const Call* call, const Part* part) noexcept nogil:
    """Add the penalty's to the part's gradient; leave the sum of its squares."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Py_ssize_t j, skip, at = place_of(layer, part), size = run_of(layer, part)
    cdef double squares = 0
    for j in range(layer.h if layer.by_unit else 1):
        skip = bytes_of(call, at + j * layer.ldw)
        squares += call.kernels.penalise(
            call.arrays.params + skip, size, layer.l1, layer.l2, call.arrays.grads + skip)
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


# --- the step --------------------------------------------------------------------------------

cdef inline void update(
    const Call* call, const Tile* tile, const Layer* weights, Py_ssize_t at, Py_ssize_t size,
) noexcept nogil:
    """So many parameters from at on take the step: weights of a layer, or if it is NULL biases."""
    cdef const Params* arrays = &call.arrays
    cdef Py_ssize_t skip = bytes_of(call, at)
    cdef bint penalised = weights != NULL and call.clip_norm == 0  # else the gradient has it
    if tile.factor != 1:
        call.kernels.scale(tile.factor, arrays.grads + skip, size)
    call.kernels.update[tile.update.optimiser](
        tile.update, weights != NULL, weights.l1 if penalised else 0,
        weights.l2 if penalised else 0, arrays.grads + skip, arrays.params + skip,
        NULL if arrays.first == NULL else arrays.first + skip,
        NULL if arrays.second == NULL else arrays.second + skip, size)


cdef inline void update_weight(const Call* call, const Tile* tile, const Part* part) noexcept nogil:
    """The part's weights take the step."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    cdef Py_ssize_t j, at = place_of(layer, part), size = run_of(layer, part)
    for j in range(layer.h if layer.by_unit else 1):
        update(call, tile, layer, at + j * layer.ldw, size)


cdef inline void transpose_part(
    const Call* call, const Layer* layer, Py_ssize_t start, Py_ssize_t size,
) noexcept nogil:
    """Copy some inputs' weights to where the layer's weight lies as (h x d)."""
    call.kernels.transpose(
        size, layer.h, param_at(call, layer.weight + start * layer.ldw), layer.ldw,
        call.memory.transposed + bytes_of(call, layer.transposed + start), layer.ldt)


cdef inline void transpose_weights(const Call* call) noexcept nogil:
    """The weights of all layers of which a transposed copy is kept."""
    cdef int i
    for i in range(call.net.n_layers):
        if is_transposed(call, &call.net.layers[i]):
            transpose_part(call, &call.net.layers[i], 0, call.net.layers[i].d)


cdef inline void update_part(const Call* call, const Tile* tile, const Part* part) noexcept nogil:
    """The part's weights (and the bias with the first) take the step; and what follows them."""
    cdef const Layer* layer = &call.net.layers[part.layer]
    if not part.folds:
        update_weight(call, tile, part)
    if part.start == 0:
        update(call, tile, NULL, layer.bias, layer.h)
    if call.once:
        return
    if is_transposed(call, layer):
        transpose_part(call, layer, part.start, part.size)
    if part.layer == 0 and call.memory.offset_parts != NULL:
        fill_offset_part(call, part.i)


# --- one piece -------------------------------------------------------------------------------

cdef inline Part find_part(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """Part i of all layers' parts."""
    cdef Part part
    cdef const Layer* layer = &call.net.layers[0]
    part.layer = 0
    while i >= layer.first_part + layer.n_parts:
        part.layer += 1
        layer = &call.net.layers[part.layer]
    part.i = i - layer.first_part
    part.start = part.i * layer.part
    part.size = min(layer.part, layer.d - part.start)
    part.folds = (
        tile.update != NULL and call.clip_norm == 0
        and not (part.layer == 0 and (call.skips or call.in_place))
        and folds(tile.update, layer.l1, part.size if layer.by_unit else layer.h, tile.batch_rows))
    return part


cdef inline void train_part(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The gradient of part i of all layers' parts, and the step if there is one."""
    cdef Part part = find_part(call, tile, i)
    cdef Py_ssize_t j
    for j in range(tile.n_slices):
        add_slice(call, tile, &part, j)
    if tile.update == NULL:
        return
    if call.clip_norm == 0:
        update_part(call, tile, &part)
    else:
        close_gradient(call, &part)


cdef inline void update_clipped_part(
    const Call* call, const Tile* tile, Py_ssize_t i,
) noexcept nogil:
    """The step of part i of all layers' parts, whose gradient is complete."""
    cdef Part part = find_part(call, tile, i)
    update_part(call, tile, &part)
