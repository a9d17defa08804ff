"""The first phase of a tile: its rows are read, go forward, to the loss, and back to every dz."""

from libc.math cimport NAN

from fastdl._kernels cimport Draw, Truth, multiply, serves_any_rows, truth_after
from fastdl._loops.call cimport (
    Block, Call, Outcome, Tile, bytes_of, dz_at, inputs_at, is_transposed, outputs_at, param_at,
    weight_of, x_at,
)
from fastdl._loops.input cimport (
    Which, after, are_finite, ask_for_truth, look_for_zeros, read_rows, take_in_place, take_truth,
)
from fastdl._loops.net cimport (
    CHUNK_ROWS, MASK, Layer, count_chunks, count_pieces, piece_start,
)
from fastdl._loops.offset cimport sparse_product
from fastdl._matrix cimport Matrix, matrix

cdef struct Piece:  # rows of a block on their way through the layers
    Block block
    Py_ssize_t first, n  # which of the block's
    Matrix x  # where the first layer takes them from
    Py_ssize_t row  # the number of the first in its batch
    Py_ssize_t t  # the steps before this one; -1: masks are off
    unsigned char* sparse  # whether each is mostly zero; NULL: nobody asks


# --- one piece -------------------------------------------------------------------------------

cdef inline void read_piece(const Call* call, Piece* piece, Which which) noexcept nogil:
    """Have the piece's x where the first layer can take it, and know which rows are sparse."""
    if call.in_place:
        piece.x = take_in_place(call.rows, which, piece.n)
        if piece.sparse != NULL:
            look_for_zeros(call.kernels, call.rows, which.first, piece.n, piece.sparse)
    else:
        piece.x = x_at(call, &piece.block, piece.first, piece.n)
        read_rows(call.kernels, call.rows, which, &piece.x, piece.sparse)


cdef inline Matrix some_rows(
    const Call* call, const Matrix* whole, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    return matrix(
        whole.at + bytes_of(call, start * whole.ld), stop - start, whole.columns, whole.ld)


cdef inline void first_product(
    const Call* call, const Piece* piece, const Matrix* weight, const Matrix* z,
) noexcept nogil:
    """z = x W, run by run of rows that are sparse or are not."""
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
            sparse_product(call, &x, weight, &out)
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


cdef inline void forward(const Call* call, const Piece* piece) noexcept nogil:
    """Every layer's outputs."""
    cdef int i
    cdef const Layer* layer
    cdef Matrix x = piece.x, weight, z, inputs
    for i in range(call.net.n_layers):
        layer = &call.net.layers[i]
        z = outputs_at(call, layer, &piece.block, piece.first, piece.n)
        if layer.kind == MASK:
            mask(call, piece, i, &x, &z)
            x = z
            continue
        weight = weight_of(call, layer)
        inputs = inputs_at(call, layer, &piece.block, piece.first, piece.n)
        if i == 0:
            first_product(call, piece, &weight, &z)
        else:
            multiply(call.kernels, &x, &weight, False, &z)
        call.kernels.activate[layer.code](
            param_at(call, layer.bias), z.at, inputs.at, z.rows, z.columns, z.ld)
        x = z


cdef inline Matrix weight_backward(const Call* call, const Layer* layer) noexcept nogil:
    """A layer's weight as (h x d)."""
    cdef Matrix weight
    if is_transposed(call, layer):
        return matrix(
            call.memory.transposed + bytes_of(call, layer.transposed), layer.h, layer.d, layer.ldt)
    weight = matrix(param_at(call, layer.weight), layer.h, layer.d, layer.ldw)
    weight.transposed = not layer.by_unit
    return weight


cdef inline void backward(const Call* call, const Piece* piece) noexcept nogil:
    """Every layer's dz, from the gradient of the outputs in the last layer's place."""
    cdef int i
    cdef const Layer* layer
    cdef Matrix by, dz, weight, dx
    for i in range(call.net.n_layers - 1, call.net.first - 1, -1):
        layer = &call.net.layers[i]
        dz = dz_at(call, layer, &piece.block, piece.first, piece.n)
        if i > call.net.first:
            dx = dz_at(call, &call.net.layers[i - 1], &piece.block, piece.first, piece.n)
        if layer.kind == MASK:
            mask(call, piece, i, &dz, &dx)
            continue
        by = inputs_at(call, layer, &piece.block, piece.first, piece.n)
        if by.at == NULL:
            by = outputs_at(call, layer, &piece.block, piece.first, piece.n)
        call.kernels.activate_backward[layer.code](
            by.at, dz.at, dz.rows, dz.columns, dz.ld)
        if i > call.net.first:
            weight = weight_backward(call, layer)
            multiply(call.kernels, &dz, &weight, False, &dx)


cdef inline void take_losses(
    const Call* call, const Tile* tile, const Piece* piece, const Truth* truth,
) noexcept nogil:
    """The losses of a piece, chunk by chunk, and their gradient."""
    cdef const Layer* last = &call.net.layers[call.net.n_layers - 1]
    cdef Outcome* found
    cdef Matrix outputs, doutputs
    cdef Truth of_chunk
    cdef Py_ssize_t i, j, n
    for j in range(count_chunks(piece.n)):
        i = CHUNK_ROWS * j
        n = min(<Py_ssize_t> CHUNK_ROWS, piece.n - i)
        found = &call.memory.found[piece.first + i]
        outputs = outputs_at(call, last, &piece.block, piece.first + i, n)
        doutputs = dz_at(call, last, &piece.block, piece.first + i, n)
        of_chunk = truth_after(truth, i, call.net.k, call.kernels.item)
        found.loss = call.kernels.loss[call.net.loss](
            outputs.at, &of_chunk, call.net.settings, tile.scale, doutputs.at, NULL,
            &found.n_correct, n, outputs.columns)


cdef inline void train_piece(
    const Call* call, const Tile* tile, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Read, forward, loss and backward for rows first to first + n of a tile.

    The loss of rows that must be looked at, and are not finite, is NaN.
    """
    cdef Which which = after(tile.which, first)
    cdef Truth truth = take_truth(call.kernels, call.net, call.rows, which)
    cdef Piece piece
    piece.block, piece.first, piece.n, piece.t = tile.block, first, n, tile.t
    piece.row = first + piece_start(tile.first_slice, tile.batch_rows, tile.batch_slices)
    piece.sparse = call.memory.sparse + first if call.skips else NULL
    if which.order != NULL:
        ask_for_truth(call.net, &truth, which.order, n)
    read_piece(call, &piece, which)
    forward(call, &piece)
    take_losses(call, tile, &piece, &truth)
    if call.rows.check_finite and not are_finite(call.kernels, &piece.x):
        call.memory.found[first].loss = NAN
    backward(call, &piece)


# --- all of them -----------------------------------------------------------------------------

cdef inline bint may_cut_rows(const Call* call, bint trains) noexcept nogil:
    """Whether no product's bits depend on how many rows it has: BLAS serves none."""
    cdef int i
    cdef Matrix weight
    for i in range(call.net.first, call.net.n_layers):
        if call.net.layers[i].kind == MASK:
            continue
        weight = weight_of(call, &call.net.layers[i])
        if not serves_any_rows(call.kernels, &weight):
            return False
        weight = weight_backward(call, &call.net.layers[i])
        if trains and i > call.net.first and not serves_any_rows(call.kernels, &weight):
            return False
    return True


cdef inline Py_ssize_t slice_start(const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The row of the tile where its slice i begins."""
    cdef Py_ssize_t n = tile.batch_rows, slices = tile.batch_slices
    return piece_start(tile.first_slice + i, n, slices) - piece_start(tile.first_slice, n, slices)


cdef inline Py_ssize_t band_start(const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The row of the tile where band i of all slices' bands begins."""
    cdef Py_ssize_t start = slice_start(tile, i // tile.bands)
    cdef Py_ssize_t size = slice_start(tile, i // tile.bands + 1) - start
    return start + piece_start(i % tile.bands, size, tile.bands)


cdef inline void cut_bands(const Call* call, Tile* tile) noexcept nogil:
    """Slices into bands by their size; these so that no thread has a tenth more than its share.

    Chunks stay whole: the bits of a loss depend on the rows that it takes at once. Few threads take
    whole bands, which read the weights less often.
    """
    cdef Py_ssize_t rows = tile.batch_rows // tile.batch_slices, team = call.team.size
    cdef Py_ssize_t chunks, n, cuts, longest, least
    tile.bands = count_pieces(rows, call.net.band_rows)
    tile.cuts = 1
    if team <= 1 or not call.cuts_rows:
        return
    chunks = count_chunks(rows // tile.bands)
    n = tile.bands * tile.n_slices
    least = n * chunks
    for cuts in range(1, chunks + 1):
        longest = (n * cuts + team - 1) // team * ((chunks + cuts - 1) // cuts)
        if longest < least:
            least, tile.cuts = longest, cuts
        if 10 * team * least <= 11 * n * chunks:
            return


cdef inline Py_ssize_t count_pieces_of_rows(const Tile* tile) noexcept nogil:
    return tile.n_slices * tile.bands * tile.cuts


cdef inline Py_ssize_t rows_start(const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The row of the tile where piece i of all bands' pieces begins."""
    cdef Py_ssize_t start = band_start(tile, i // tile.cuts)
    cdef Py_ssize_t size = band_start(tile, i // tile.cuts + 1) - start
    return start + CHUNK_ROWS * piece_start(i % tile.cuts, count_chunks(size), tile.cuts)


cdef inline void train_rows(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """Piece i of the tile's rows."""
    cdef Py_ssize_t first = rows_start(tile, i)
    train_piece(call, tile, first, rows_start(tile, i + 1) - first)


cdef inline void add_found(const Call* call, Tile* tile) noexcept nogil:
    """To the batch's sum what the chunks of the tile have found."""
    cdef const Outcome* found
    cdef Py_ssize_t i, j
    cdef double loss
    for i in range(tile.n_slices * tile.bands):
        loss, found = 0, call.memory.found + band_start(tile, i)
        for j in range(count_chunks(band_start(tile, i + 1) - band_start(tile, i))):
            loss += found[CHUNK_ROWS * j].loss
            tile.sum.n_correct += found[CHUNK_ROWS * j].n_correct
        tile.sum.loss += loss
