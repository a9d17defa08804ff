"""An evaluation: blocks of rows forward, each thread in its own part of the workspace."""

from libc.math cimport NAN
from libc.string cimport memcpy

from fastdl._kernels cimport Truth
from fastdl._loops.call cimport (
    Call, bytes_of, fastdl_claim, fastdl_seconds, fastdl_team_rank, outputs_at,
)
from fastdl._loops.input cimport Which, are_finite, take_truth
from fastdl._loops.net cimport EVALUATION_ROWS, Layer, room_of_piece
from fastdl._loops.rows cimport Piece, forward, read_piece, some_rows
from fastdl._matrix cimport Matrix

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
    cdef Py_ssize_t row, n_correct, size = bytes_of(call, call.net.k)
    cdef Which which
    cdef Piece piece
    cdef Truth truth
    cdef Matrix outputs, x
    which.order, which.first = NULL, i * call.net.evaluation_rows
    piece.first, piece.n = 0, min(call.net.evaluation_rows, call.rows.n - which.first)
    piece.block.n, piece.row, piece.t = piece.n, 0, -1
    piece.block.at = call.memory.rows + bytes_of(
        call, fastdl_team_rank() * room_of_piece(call.net))
    piece.sparse = sparse if call.skips else NULL
    read_piece(call, &piece, which)
    forward(call, &piece)
    outputs = outputs_at(call, last, &piece.block, 0, piece.n)
    for row in range(piece.n if call.rows.check_finite else 0):
        x = some_rows(call, &piece.x, row, row + 1)
        if not are_finite(call.kernels, &x):
            call.kernels.fill(NAN, outputs.at + row * size, call.net.k)
    if evaluation.out != NULL:
        memcpy(evaluation.out + which.first * size, outputs.at, piece.n * size)
    if evaluation.results != NULL:
        truth = take_truth(call.kernels, call.net, call.rows, which)
        evaluation.results[2 * i] = call.kernels.loss[call.net.loss](
            outputs.at, &truth, call.net.settings, 0, NULL, NULL, &n_correct, piece.n, call.net.k)
        evaluation.results[2 * i + 1] = <double> n_correct


cdef inline void evaluate_pieces(const Call* call, const Evaluation* evaluation) noexcept nogil:
    """Blocks of rows from evaluation.done on, until the deadline."""
    cdef Py_ssize_t i, start = evaluation.done, left = evaluation.n - evaluation.done
    i = fastdl_claim(&call.team.shared, left)
    while i >= 0:
        evaluate_piece(call, evaluation, start + i)
        if fastdl_seconds() > call.team.deadline:
            break  # every piece that was claimed is done
        i = fastdl_claim(&call.team.shared, left)
