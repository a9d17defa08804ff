"""The stages of a tile's rows: they are read, go forward, to the loss, and back to every dz.

Where there are rows enough for all threads, each takes some of them through all layers, or as far
as a norm. Else every layer is a stage of its own, as a norm always is, and threads share its units,
or on the way back its inputs.
"""

from libc.math cimport NAN
from libc.string cimport memcpy

from fastdl._kernels cimport Truth
from fastdl._loops.call cimport Call, Outcome, Tile, bytes_of, dz_at, outputs_at
from fastdl._loops.input cimport after, are_finite, ask_for_truth, take_truth
from fastdl._loops.layers cimport (
    Piece, activate_back, backward, backward_layer, forward, forward_layer, may_cut, place_x,
    read_piece,
)
from fastdl._loops.net cimport (
    ALIGNMENT, CHUNK_ROWS, GRAIN_ROWS, MASK, NORM, PIECES_A_THREAD, ROWS, WORK_LEAST, Cuts, Layer,
    Stage, count_chunks, count_pieces, cut_in, cut_start, piece_start,
)
from fastdl._matrix cimport Matrix

cdef struct Rectangle:  # of what a layer gives to the rows of a tile
    Py_ssize_t row, rows, column, columns


# --- pieces ----------------------------------------------------------------------------------

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
    cdef Py_ssize_t n, cuts, chunks, longest
    tile.bands = count_pieces(rows, call.net.band_rows)
    tile.cuts, tile.longest = 1, tile.block.n
    if team == 1:
        return
    n = tile.bands * tile.n_slices
    chunks = count_chunks(tile.block.n // n)  # of the smallest band
    tile.longest = (n + team - 1) // team * ((tile.block.n + n - 1) // n)
    for cuts in range(2, chunks + 1 if call.cut_work == call.work else 0):
        if 10 * team * tile.longest <= 11 * tile.block.n:
            return
        longest = (n * cuts + team - 1) // team * ((chunks + cuts - 1) // cuts) * CHUNK_ROWS
        if longest < tile.longest:
            tile.longest, tile.cuts = longest, cuts


cdef inline Py_ssize_t count_pieces_of_rows(const Tile* tile) noexcept nogil:
    return tile.n_slices * tile.bands * tile.cuts


cdef inline Py_ssize_t rows_start(const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The row of the tile where piece i of all bands' pieces begins."""
    cdef Py_ssize_t start = band_start(tile, i // tile.cuts)
    cdef Py_ssize_t size = band_start(tile, i // tile.cuts + 1) - start
    return start + CHUNK_ROWS * piece_start(i % tile.cuts, count_chunks(size), tile.cuts)


cdef inline Piece find_rows(
    const Call* call, const Tile* tile, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Rows first to first + n of the tile."""
    cdef Piece piece
    piece.block, piece.first, piece.n, piece.t = tile.block, first, n, tile.t
    piece.which = after(tile.which, first)
    piece.row = first + piece_start(tile.first_slice, tile.batch_rows, tile.batch_slices)
    piece.sparse = call.memory.sparse + first if call.skips else NULL
    place_x(call, &piece)
    return piece


cdef inline Piece find_piece_of_rows(
    const Call* call, const Tile* tile, Py_ssize_t i,
) noexcept nogil:
    """Piece i of all bands' pieces."""
    cdef Py_ssize_t first = rows_start(tile, i)
    return find_rows(call, tile, first, rows_start(tile, i + 1) - first)


# --- all layers ------------------------------------------------------------------------------

cdef inline void read(const Call* call, const Piece* piece) noexcept nogil:
    cdef Truth truth
    if piece.which.order != NULL:
        truth = take_truth(call.kernels, call.net, call.rows, piece.which)
        ask_for_truth(call.net, &truth, piece.which.order, piece.n)
    read_piece(call, piece)


cdef inline void take_loss(
    const Call* call, const Tile* tile, const Piece* piece, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """The loss of a chunk of a piece, and the gradient of its outputs in its place.

    Where it is for somebody else to find them, the outputs are handed out, or the gradient is taken
    as it is given.
    """
    cdef const Layer* last = &call.net.layers[call.net.n_layers - 1]
    cdef Outcome* found = &call.memory.found[piece.first + first]
    cdef Matrix outputs = outputs_at(call, last, &piece.block, piece.first + first, n)
    cdef Matrix doutputs = dz_at(call, last, &piece.block, piece.first + first, n)
    cdef Py_ssize_t size = bytes_of(call, n * last.h)
    cdef Py_ssize_t skip = bytes_of(call, (piece.row + first) * last.h)
    cdef Truth truth
    found.loss, found.n_correct = 0, 0
    if call.outputs != NULL:
        memcpy(call.outputs + skip, outputs.at, size)
    elif call.doutputs != NULL:
        memcpy(doutputs.at, call.doutputs + skip, size)
    else:
        truth = take_truth(call.kernels, call.net, call.rows, after(piece.which, first))
        found.loss = call.kernels.loss[call.net.loss](
            outputs.at, &truth, call.net.settings, tile.scale, doutputs.at, NULL,
            &found.n_correct, n, last.h)


cdef inline void take_losses(
    const Call* call, const Tile* tile, const Piece* piece,
) noexcept nogil:
    """The losses of a piece, chunk by chunk, and the last layer's dz.

    The loss of rows that must be looked at, and are not finite, is NaN.
    """
    cdef Py_ssize_t i, j
    for j in range(count_chunks(piece.n)):
        i = CHUNK_ROWS * j
        take_loss(call, tile, piece, i, min(<Py_ssize_t> CHUNK_ROWS, piece.n - i))
    if call.rows.check_finite and not are_finite(call.kernels, &piece.x):
        call.memory.found[piece.first].loss = NAN
    if call.outputs == NULL:
        activate_back(call, piece, call.net.n_layers - 1, 0, call.net.k)


cdef inline bint ends(const Call* call, const Stage* stage) noexcept nogil:
    """Whether a stage of rows goes on to the loss and back."""
    return stage.work == ROWS and stage.stop == call.net.n_layers


cdef inline void pass_rows(
    const Call* call, const Tile* tile, const Stage* stage, Py_ssize_t i,
) noexcept nogil:
    """Piece i of the rows, forward or back through the stage's layers."""
    cdef Piece piece = find_piece_of_rows(call, tile, i)
    if stage.work == ROWS:
        if stage.layer == 0:
            read(call, &piece)
        forward(call, &piece, stage.layer, stage.stop)
        if not ends(call, stage):
            return
        take_losses(call, tile, &piece)
    if call.outputs == NULL:
        backward(call, &piece, stage.layer, stage.stop)


cdef inline void read_some(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """Piece i of the rows, to where the first layer takes them."""
    cdef Piece piece = find_piece_of_rows(call, tile, i)
    read(call, &piece)


cdef inline void take_some_losses(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """Of piece i of the rows."""
    cdef Piece piece = find_piece_of_rows(call, tile, i)
    take_losses(call, tile, &piece)


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


# --- one layer -------------------------------------------------------------------------------

cdef inline Cuts cuts_of_layer(
    const Call* call, const Tile* tile, const Layer* layer, bint back,
) noexcept nogil:
    """Columns are cut first: each weight is read by few threads.

    A mask has all of them in a piece, a norm all rows.
    """
    cdef Cuts cuts
    cdef Py_ssize_t n = PIECES_A_THREAD * call.team.size
    cuts.first.n, cuts.first.grain = layer.d if back else layer.h, ALIGNMENT
    cuts.second.n, cuts.second.grain = tile.block.n, GRAIN_ROWS
    if layer.kind == MASK:
        cuts.first.grain = cuts.first.n
    elif layer.kind == NORM:
        cuts.second.grain = cuts.second.n
    else:
        n = min(n, tile.block.n * layer.d * layer.h // WORK_LEAST)
    cut_in(n, &cuts.first, &cuts.second)
    return cuts


cdef inline Py_ssize_t count_pieces_of_layer(
    const Call* call, const Tile* tile, int index, bint back,
) noexcept nogil:
    """Bands if it may not be cut: they are what products take where rows take all layers."""
    cdef Cuts cuts
    if not may_cut(call, index, back):
        return tile.n_slices * tile.bands
    cuts = cuts_of_layer(call, tile, &call.net.layers[index], back)
    return cuts.first.cuts * cuts.second.cuts


cdef inline Rectangle find_rectangle(
    const Call* call, const Tile* tile, int index, bint back, Py_ssize_t i,
) noexcept nogil:
    """Piece i of what a layer gives."""
    cdef Cuts cuts = cuts_of_layer(call, tile, &call.net.layers[index], back)
    cdef Py_ssize_t column = i % cuts.first.cuts, row = i // cuts.first.cuts
    cdef Rectangle part
    if not may_cut(call, index, back):
        part.column, part.columns = 0, cuts.first.n
        part.row, part.rows = band_start(tile, i), band_start(tile, i + 1) - band_start(tile, i)
        return part
    part.column, part.row = cut_start(column, cuts.first), cut_start(row, cuts.second)
    part.columns = cut_start(column + 1, cuts.first) - part.column
    part.rows = cut_start(row + 1, cuts.second) - part.row
    return part


cdef inline void pass_layer(
    const Call* call, const Tile* tile, int index, bint back, Py_ssize_t i,
) noexcept nogil:
    """Piece i of what a layer gives, on the way forward or back."""
    cdef Rectangle part = find_rectangle(call, tile, index, back, i)
    cdef Piece piece = find_rows(call, tile, part.row, part.rows)
    if back:
        backward_layer(call, &piece, index, part.column, part.columns)
    else:
        forward_layer(call, &piece, index, part.column, part.columns)
