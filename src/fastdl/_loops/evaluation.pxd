"""An evaluation: rows forward, each thread in its own part of the workspace.

Rows are cut into blocks, blocks into chunks: all of them are counted through. A thread takes some
chunks that follow each other, and goes forward with those of a block together.
"""

from libc.math cimport NAN
from libc.string cimport memcpy

from fastdl._kernels cimport Truth
from fastdl._loops.call cimport (
    Call, bytes_of, fastdl_claim, fastdl_seconds, fastdl_team_rank, outputs_at,
)
from fastdl._loops.input cimport Which, are_finite, take_truth
from fastdl._loops.net cimport (
    CHUNK_ROWS, EVALUATION_ROWS, Layer, Net, count_chunks, room_of_piece,
)
from fastdl._loops.layers cimport Piece, forward, place_x, read_piece, some_rows
from fastdl._matrix cimport Matrix

cdef struct Evaluation:
    Py_ssize_t done, n  # chunks
    Py_ssize_t run  # of a piece
    char* out  # the outputs; NULL: not wanted
    double* results  # of each chunk its loss and its number correct; NULL: not wanted


cdef inline Py_ssize_t chunks_before(const Net* net, Py_ssize_t row) noexcept nogil:
    """How many begin before a row."""
    cdef Py_ssize_t block = row // net.evaluation_rows
    return block * count_chunks(net.evaluation_rows) + count_chunks(
        row - block * net.evaluation_rows)


cdef inline Py_ssize_t chunk_start(const Net* net, Py_ssize_t i) noexcept nogil:
    """The row where one begins."""
    cdef Py_ssize_t chunks = count_chunks(net.evaluation_rows)
    return i // chunks * net.evaluation_rows + i % chunks * CHUNK_ROWS


cdef inline void take_results(
    const Call* call, const Matrix* outputs, Py_ssize_t first, double* results,
) noexcept nogil:
    """The loss and the number correct of each chunk, from the outputs of the rows from first on."""
    cdef Py_ssize_t i, j, n_correct
    cdef Which which
    cdef Truth truth
    cdef Matrix chunk
    which.order = NULL
    for j in range(count_chunks(outputs.rows)):
        i = CHUNK_ROWS * j
        which.first = first + i
        chunk = some_rows(call, outputs, i, min(i + CHUNK_ROWS, outputs.rows))
        truth = take_truth(call.kernels, call.net, call.rows, which)
        results[2 * j] = call.kernels.loss[call.net.loss](
            chunk.at, &truth, call.net.settings, 0, NULL, NULL, &n_correct, chunk.rows,
            chunk.columns)
        results[2 * j + 1] = <double> n_correct


cdef inline void evaluate_rows(
    const Call* call, const Evaluation* evaluation, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """Chunks start to stop, of one block, forward.

    The outputs of rows that must be looked at, and are not finite, are NaN.
    """
    cdef const Layer* last = &call.net.layers[call.net.n_layers - 1]
    cdef unsigned char sparse[EVALUATION_ROWS]
    cdef Py_ssize_t row, size = bytes_of(call, call.net.k)
    cdef Piece piece
    cdef Matrix outputs, x
    piece.which.order, piece.which.first = NULL, chunk_start(call.net, start)
    piece.first, piece.n = 0, min(chunk_start(call.net, stop), call.rows.n) - piece.which.first
    piece.block.n, piece.row, piece.t = piece.n, 0, -1
    piece.block.at = call.memory.rows + bytes_of(
        call, fastdl_team_rank() * room_of_piece(call.net))
    piece.sparse = sparse if call.skips else NULL
    place_x(call, &piece)
    read_piece(call, &piece)
    forward(call, &piece, 0, call.net.n_layers)
    outputs = outputs_at(call, last, &piece.block, 0, piece.n)
    for row in range(piece.n if call.rows.check_finite else 0):
        x = some_rows(call, &piece.x, row, row + 1)
        if not are_finite(call.kernels, &x):
            call.kernels.fill(NAN, outputs.at + row * size, call.net.k)
    if evaluation.out != NULL:
        memcpy(evaluation.out + piece.which.first * size, outputs.at, piece.n * size)
    if evaluation.results != NULL:
        take_results(call, &outputs, piece.which.first, evaluation.results + 2 * start)


cdef inline void cut_evaluation(const Call* call, Evaluation* evaluation) noexcept nogil:
    """Into runs of chunks so that no thread has a tenth more than its share, if there is a way."""
    cdef Py_ssize_t left = evaluation.n - evaluation.done, team = call.team.size
    cdef Py_ssize_t run = count_chunks(call.net.evaluation_rows), longest, least = left
    evaluation.run = run
    while call.cut_work == call.work and run > 0 and 10 * team * least > 11 * left:
        longest = run * (((left + run - 1) // run + team - 1) // team)
        if longest < least:
            least, evaluation.run = longest, run
        run -= 1


cdef inline void evaluate_pieces(const Call* call, const Evaluation* evaluation) noexcept nogil:
    """Rows from the done chunks on, until the deadline."""
    cdef Py_ssize_t block = count_chunks(call.net.evaluation_rows)
    cdef Py_ssize_t pieces = (evaluation.n - evaluation.done + evaluation.run - 1) // evaluation.run
    cdef Py_ssize_t start, stop, middle, i = fastdl_claim(&call.team.shared, pieces)
    while i >= 0:
        start = evaluation.done + i * evaluation.run
        stop = min(start + evaluation.run, evaluation.n)
        middle = min((start // block + 1) * block, stop)  # where the next block begins
        evaluate_rows(call, evaluation, start, middle)
        if middle < stop:
            evaluate_rows(call, evaluation, middle, stop)
        if fastdl_seconds() > call.team.deadline:
            break  # every piece that was claimed is done
        i = fastdl_claim(&call.team.shared, pieces)
