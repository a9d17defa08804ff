"""An evaluation: blocks of rows forward, each thread in its own part of the workspace."""

from libc.string cimport memcpy, memset

from fastdl._loops.call cimport (
    Call, bytes_of, fastdl_claim, fastdl_seconds, fastdl_team_rank, outputs_at,
)
from fastdl._loops.input cimport row_is_finite
from fastdl._loops.net cimport EVALUATION_ROWS, Layer, room_of_piece
from fastdl._loops.rows cimport Piece, forward, read_piece
from fastdl._loops.typed cimport Matrix, Outcome, Which, losses

cdef struct Evaluation:
    Py_ssize_t done, n  # blocks of rows
    char* out  # the outputs; NULL: not wanted
    double* results  # of each block its loss and its number correct; NULL: not wanted


cdef inline void evaluate_piece(
    const Call* call, const Evaluation* evaluation, Py_ssize_t i,
) noexcept nogil:
    """Block i of the rows forward.

    The outputs of rows that must be looked at, and are not finite, are NaN.
    """
    cdef const Layer* last = &call.net.layers[call.net.n_layers - 1]
    cdef unsigned char sparse[EVALUATION_ROWS]
    cdef Py_ssize_t row, size = bytes_of(call, call.net.k)
    cdef Which which
    cdef Piece piece
    cdef Matrix outputs
    cdef Outcome found
    which.order, which.first = NULL, i * call.net.evaluation_rows
    piece.first, piece.n = 0, min(call.net.evaluation_rows, call.rows.n - which.first)
    piece.block.n = piece.n
    piece.block.at = call.memory.rows + bytes_of(
        call, fastdl_team_rank() * room_of_piece(call.net))
    piece.sparse = sparse if call.skips else NULL
    read_piece(call, &piece, which)
    forward(call, &piece)
    outputs = outputs_at(call, last, &piece.block, 0, piece.n)
    for row in range(piece.n if call.rows.check_finite else 0):
        if not row_is_finite(call.kernels, &piece.x, row):
            memset(outputs.at + row * size, 0xFF, size)  # NaN, single or double
    if evaluation.out != NULL:
        memcpy(evaluation.out + which.first * size, outputs.at, piece.n * size)
    if evaluation.results != NULL:
        found = losses(
            call.kernels, &call.net.loss, &call.rows.answers, which, &outputs, 0, NULL)
        evaluation.results[2 * i] = found.loss
        evaluation.results[2 * i + 1] = <double> found.n_correct


cdef inline void evaluate_pieces(const Call* call, const Evaluation* evaluation) noexcept nogil:
    """Blocks of rows from evaluation.done on, until the deadline."""
    cdef Py_ssize_t i, start = evaluation.done, left = evaluation.n - evaluation.done
    i = fastdl_claim(&call.team.shared, left)
    while i >= 0:
        evaluate_piece(call, evaluation, start + i)
        if fastdl_seconds() > call.team.deadline:
            break  # every piece that was claimed is done
        i = fastdl_claim(&call.team.shared, left)
