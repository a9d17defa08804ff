"""What all threads of a call to the loops share, and where the rows of a tile lie meanwhile."""

from fastdl._kernels cimport (
    Kernels, Update, team_rank as fastdl_team_rank, team_size as fastdl_team_size, transposes,
)
from fastdl._loops.input cimport View, Which
from fastdl._loops.net cimport SLICE_ROWS, Layer, Net
from fastdl._matrix cimport Matrix, matrix

cdef extern from "team.h" nogil:
    ctypedef struct fastdl_team:
        Py_ssize_t claimed
    void fastdl_begin_team(fastdl_team* team)
    void fastdl_end_team(fastdl_team* team)
    double fastdl_seconds()
    Py_ssize_t fastdl_claim(fastdl_team* team, Py_ssize_t pieces)
    void fastdl_meet(fastdl_team* team, int size)

cdef struct Outcome:
    double loss
    Py_ssize_t n_correct

cdef struct Team:  # what the threads tell each other
    fastdl_team shared
    int size  # how many there are
    double deadline  # when to go back to Python and look for signals
    bint late  # it has passed: all threads stop after this batch

cdef struct Memory:  # of a fit or of an evaluation
    Py_ssize_t n_rows  # of a tile: 0 for an evaluation, whose threads have a piece each
    char* rows  # x, every layer's outputs, their gradients, and inputs of activations
    char* transposed  # weights as (h x d)
    char* offset_parts  # of offset W, then sums of dz
    char* norms  # what a batch is like in each
    double* squares  # of the gradient of each part of the weights: their sum
    Py_ssize_t* done  # pieces of each part, meanwhile; then 0
    unsigned char* sparse  # whether a row of the tile is sparse
    Outcome* found  # by each chunk, at the place of its first row

cdef struct Params:  # flat arrays of one layout
    char* params
    char* grads
    char* first  # NULL, as second, where the optimiser has no such moment
    char* second

cdef struct Call:
    const Kernels* kernels
    const Net* net
    const View* rows
    Params arrays
    Memory memory  # offset_parts NULL: no row is left unshifted
    double clip_norm  # the most that the gradient of a batch may have; 0: no bound
    bint skips  # whether rows are looked at for zeros
    bint in_place  # whether rows are taken where they lie
    Py_ssize_t work, cut_work  # multiply-adds of a row, and of products that may be cut
    const Py_ssize_t* order  # of the rows; NULL: as they come
    Py_ssize_t n_order
    unsigned long long seed  # of masks
    bint once  # whether nobody in this call reads the parameters after their step
    char* outputs  # where those of a batch are to go, which then goes no further; NULL: not wanted
    const char* doutputs  # the gradient of a batch's outputs, if it is given; NULL: the loss has it
    Team* team

cdef struct Block:  # where n rows and what becomes of them lie
    char* at
    Py_ssize_t n

cdef struct Tile:  # some slices of a batch: rows of a data set
    Py_ssize_t batch_rows, batch_slices
    Py_ssize_t first_slice, n_slices
    Py_ssize_t bands, cuts  # of each slice, of each band
    Py_ssize_t longest  # rows of the thread that has most, if all layers are one stage
    int first_stage, last_stage  # of the network's
    Block block
    Which which  # rows of the data set
    const Py_ssize_t* next_rows  # of the tile after it, where that is known and has as many
    double scale  # of the loss: one over the batch's rows
    Py_ssize_t t  # the steps before this one; -1: none is taken, and masks are off
    const Update* update  # that the parameters take after this tile; NULL: none
    double factor  # of the gradient that they take
    double ridge  # by how much the layers' penalties count in this batch
    Outcome sum  # of the batch's tiles so far
    Py_ssize_t share  # about the weights of one piece; 0: parts are left whole


cdef inline Py_ssize_t bytes_of(const Call* call, Py_ssize_t items) noexcept nogil:
    return items * call.kernels.item


cdef inline bint is_transposed(const Call* call, const Layer* layer) noexcept nogil:
    """Whether a transposed copy of the layer's weight is kept."""
    return layer.transposed >= 0 and transposes(
        layer.h, min(call.memory.n_rows, <Py_ssize_t> SLICE_ROWS))


cdef inline char* param_at(const Call* call, Py_ssize_t at) noexcept nogil:
    return call.arrays.params + bytes_of(call, at)


cdef inline Matrix weight_of(const Call* call, const Layer* layer) noexcept nogil:
    """A layer's weight (d x h)."""
    cdef Matrix weight = matrix(param_at(call, layer.weight), layer.d, layer.h, layer.ldw)
    weight.transposed = layer.by_unit
    return weight


cdef inline Matrix x_at(
    const Call* call, const Block* block, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Where x lies of n rows of a block."""
    cdef Py_ssize_t ldx = call.net.ldx
    return matrix(block.at + bytes_of(call, first * ldx), n, call.net.d, ldx)


cdef inline Matrix outputs_at(
    const Call* call, const Layer* layer, const Block* block, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Where a layer's outputs lie of n rows of a block."""
    cdef Py_ssize_t at = block.n * (call.net.ldx + layer.column) + first * layer.ld
    return matrix(block.at + bytes_of(call, at), n, layer.h, layer.ld)


cdef inline Matrix dz_at(
    const Call* call, const Layer* layer, const Block* block, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Where the gradient of a layer's outputs lies of n rows of a block."""
    cdef Py_ssize_t skipped = call.net.ldx + call.net.width + layer.column
    cdef Py_ssize_t at = block.n * skipped + first * layer.ld
    return matrix(block.at + bytes_of(call, at), n, layer.h, layer.ld)


cdef inline Matrix inputs_at(
    const Call* call, const Layer* layer, const Block* block, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Where the inputs of a layer's activation lie of n rows of a block, if they are kept."""
    cdef Py_ssize_t skipped = call.net.ldx + 2 * call.net.width + layer.inputs
    cdef Py_ssize_t at = block.n * skipped + first * layer.ld
    cdef bint kept = layer.inputs >= 0 and call.memory.n_rows > 0
    return matrix(block.at + bytes_of(call, at) if kept else NULL, n, layer.h, layer.ld)
