"""Into what the weights are cut: parts of a layer's inputs, by its shape, and these into pieces.

What is summed over a part (offset W, the squares of its gradient) or chosen for it (whether the
step folds) goes by the part. Its pieces, of some inputs and some units, are as many as keep all
threads busy: each has the whole depth of its sums, whose bits do not depend on what is beside it.
"""

from fastdl._kernels cimport folds, multiplies
from fastdl._loops.call cimport Call, Tile
from fastdl._loops.net cimport (
    ALIGNMENT, DENSE, GRAIN, PIECES_A_THREAD, WORK_LEAST, Cuts, Layer, cut_in, cut_start,
)

cdef extern from *:
    Py_ssize_t add_fetch "__atomic_add_fetch"(
        Py_ssize_t* to, Py_ssize_t n, int order) noexcept nogil
    const int IN_ORDER "__ATOMIC_ACQ_REL"

cdef struct Part:  # some inputs of one layer; or a piece of it, with some of its units alone
    int layer
    Py_ssize_t i  # which of the layer's parts
    Py_ssize_t start, size  # inputs
    Py_ssize_t unit, units  # the first, how many
    bint folds  # the weight takes the step together with its gradient
    Py_ssize_t n_pieces  # of the part
    Py_ssize_t cut  # of the part's inputs: which


cdef inline Part find_part(
    const Call* call, const Tile* tile, int index, Py_ssize_t i,
) noexcept nogil:
    """Part i of a layer."""
    cdef const Layer* layer = &call.net.layers[index]
    cdef Part part
    part.layer, part.i, part.start = index, i, i * layer.part
    part.size = min(layer.part, layer.d - part.start)
    part.unit, part.units, part.n_pieces, part.cut = 0, layer.h, 1, 0
    part.folds = (
        layer.kind == DENSE and tile.update != NULL and call.clip_norm == 0
        and not (index == 0 and (call.skips or call.in_place))
        and folds(tile.update, layer.l1, part.size if layer.by_unit else layer.h, tile.batch_rows))
    return part


# --- pieces ----------------------------------------------------------------------------------

cdef inline Py_ssize_t share_of(const Call* call, const Tile* tile) noexcept nogil:
    """About the weights of one piece; 0: of a part, for a thread that shares with nobody."""
    if call.team.size <= 1:
        return 0
    return max(
        call.net.n_weights // (PIECES_A_THREAD * call.team.size), WORK_LEAST // tile.block.n, 1)


cdef inline Cuts cuts_of(const Call* call, const Tile* tile, const Layer* layer) noexcept nogil:
    """Inputs are cut first, whose weights lie together. What BLAS serves is not cut: its bits."""
    cdef Cuts cuts
    cdef Py_ssize_t n = 1 if tile.share == 0 else layer.part * layer.h // tile.share
    cuts.first.n = min(layer.part, layer.d)  # so the first part, which has biases, has no empty cut
    cuts.first.grain = ALIGNMENT if layer.by_unit else GRAIN
    cuts.second.n, cuts.second.grain = layer.h, ALIGNMENT
    if n > 1 and not multiplies(
            call.net.single, layer.h if layer.by_unit else layer.part,
            layer.part if layer.by_unit else layer.h):
        n = 1
    cut_in(n, &cuts.first, &cuts.second)
    return cuts


cdef inline Py_ssize_t count_pieces_of_weights(const Call* call, const Tile* tile) noexcept nogil:
    """Of all layers."""
    cdef int i
    cdef Py_ssize_t n = 0
    cdef Cuts cuts
    for i in range(call.net.n_layers):
        cuts = cuts_of(call, tile, &call.net.layers[i])
        n += call.net.layers[i].n_parts * cuts.first.cuts * cuts.second.cuts
    return n


cdef inline Part cut_part(const Part* whole, Cuts cuts, Py_ssize_t i) noexcept nogil:
    """Piece i of a part, which may be shorter than others."""
    cdef Part part = whole[0]
    cdef Py_ssize_t unit = i % cuts.second.cuts
    cuts.first.n = whole.size
    part.n_pieces, part.cut = cuts.first.cuts * cuts.second.cuts, i // cuts.second.cuts
    part.start += cut_start(part.cut, cuts.first)
    part.size = whole.start + cut_start(part.cut + 1, cuts.first) - part.start
    part.unit = cut_start(unit, cuts.second)
    part.units = cut_start(unit + 1, cuts.second) - part.unit
    return part


cdef inline Part find_piece(const Call* call, const Tile* tile, Py_ssize_t i) noexcept nogil:
    """Piece i of all layers' weights."""
    cdef int index = 0
    cdef Cuts cuts = cuts_of(call, tile, &call.net.layers[0])
    cdef Py_ssize_t n = cuts.first.cuts * cuts.second.cuts
    cdef Part part
    while i >= n * call.net.layers[index].n_parts:
        i -= n * call.net.layers[index].n_parts
        index += 1
        cuts = cuts_of(call, tile, &call.net.layers[index])
        n = cuts.first.cuts * cuts.second.cuts
    part = find_part(call, tile, index, i // n)
    return cut_part(&part, cuts, i % n) if n > 1 else part


cdef inline bint is_last(const Call* call, const Part* piece) noexcept nogil:
    """Whether a piece that is done is the last one of its part."""
    cdef Py_ssize_t* done = call.memory.done + call.net.layers[piece.layer].first_part + piece.i
    if piece.n_pieces == 1:
        return True
    if add_fetch(done, 1, IN_ORDER) < piece.n_pieces:
        return False
    done[0] = 0
    return True
