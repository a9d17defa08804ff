"""A batch, tile by tile, and the batches of a call: every thread of the team runs these."""

from libc.math cimport isfinite

from fastdl._kernels cimport Update, count_update
from fastdl._loops.call cimport (
    Call, Outcome, Tile, fastdl_claim, fastdl_meet, fastdl_seconds, fastdl_team_rank,
    fastdl_team_size,
)
from fastdl._loops.net cimport (
    BACK, BACKWARD, DENSE, FORWARD, LOSS, MEETING, READ, ROWS, STEP, WEIGHTS, Layer, Stage,
    count_slices, most_rows, piece_start,
)
from fastdl._loops.parts cimport Part, count_pieces_of_weights, find_piece, share_of
from fastdl._loops.rows cimport (
    Rectangle, add_found, count_pieces_of_layer, count_pieces_of_rows, cut_bands, ends,
    find_rectangle, pass_layer, pass_rows, read_some, rows_start, slice_start, take_some_losses,
)
from fastdl._loops.weights cimport (
    norm_of_gradient, penalty_of_weights, step_weights, train_weights,
)

cdef struct Progress:  # of one call: its batches, and what they gave
    Py_ssize_t n, done, t  # how many, how many are done, the optimiser's steps before them
    bint diverged  # the loss of the batch after the done ones is not finite
    const Py_ssize_t* starts
    const Py_ssize_t* stops
    const double* rates
    double* losses
    Py_ssize_t* n_correct
    double* penalties  # by how much they count, and after these what they were; NULL: by 1, untold


cdef inline Tile take_batch(const Call* call, Py_ssize_t n, Py_ssize_t t) noexcept nogil:
    """A batch of n rows, of which no tile is taken yet; t counts the steps before."""
    cdef Tile tile
    tile.batch_rows, tile.scale, tile.t = n, 1.0 / n, t
    tile.batch_slices = count_slices(call.net, n)
    tile.update, tile.factor, tile.ridge = NULL, 1, 1
    tile.sum.loss, tile.sum.n_correct = 0, 0
    return tile


cdef inline void take_tile(
    const Call* call, Tile* tile, Py_ssize_t start, Py_ssize_t slice,
) noexcept nogil:
    """The tile that begins with this slice of the batch whose first row is start."""
    cdef Py_ssize_t rows = most_rows(call.net, tile.batch_rows)
    cdef Py_ssize_t tiles = max(1, tile.batch_slices // call.team.size)
    cdef Py_ssize_t most = min(
        (tile.batch_slices + tiles - 1) // tiles, tile.batch_slices - slice)
    if call.net.n_norms > 0:
        most = tile.batch_slices
    tile.first_slice, tile.n_slices = slice, 1
    while tile.n_slices < most and slice_start(tile, tile.n_slices + 1) <= rows:
        tile.n_slices += 1
    start += piece_start(slice, tile.batch_rows, tile.batch_slices)
    tile.block.at, tile.block.n = call.memory.rows, slice_start(tile, tile.n_slices)
    tile.share = share_of(call, tile)
    cut_bands(call, tile)
    choose_stages(call, tile)
    tile.which.first, tile.which.order, tile.next_rows = start, NULL, NULL
    if call.order != NULL:
        tile.which.order = call.order + start
        if start + 2 * tile.block.n <= call.n_order:
            tile.next_rows = tile.which.order + tile.block.n


cdef inline void choose_stages(const Call* call, Tile* tile) noexcept nogil:
    """Every layer is a stage where a thread has much more than its share of the rows.

    What that saves, beyond a tenth of the share, must be worth that all threads meet so often.
    """
    cdef Py_ssize_t team = call.team.size
    cdef Py_ssize_t more = call.net.n_stages - 2 * call.net.n_whole
    cdef Py_ssize_t saved = (10 * team * tile.longest - 11 * tile.block.n) * call.cut_work
    tile.first_stage, tile.last_stage = 0, call.net.n_whole
    if saved > 10 * team * more * MEETING:
        tile.first_stage, tile.last_stage = call.net.n_whole, call.net.n_stages


# --- stages ----------------------------------------------------------------------------------

cdef inline Py_ssize_t n_pieces(
    const Call* call, const Tile* tile, const Stage* stage,
) noexcept nogil:
    """None of what follows the outputs where these are what is wanted."""
    if call.outputs != NULL and stage.work in (BACK, BACKWARD, WEIGHTS, STEP):
        return 0
    if stage.work == FORWARD or stage.work == BACKWARD:
        return count_pieces_of_layer(call, tile, stage.layer, stage.work == BACKWARD)
    if stage.work == WEIGHTS or stage.work == STEP:
        return count_pieces_of_weights(call, tile)
    return count_pieces_of_rows(tile)


cdef inline void do_piece(
    const Call* call, const Tile* tile, const Stage* stage, Py_ssize_t i,
) noexcept nogil:
    if stage.work == ROWS or stage.work == BACK:
        pass_rows(call, tile, stage, i)
    elif stage.work == WEIGHTS:
        train_weights(call, tile, i)
    elif stage.work == STEP:
        step_weights(call, tile, i)
    elif stage.work == READ:
        read_some(call, tile, i)
    elif stage.work == LOSS:
        take_some_losses(call, tile, i)
    else:
        pass_layer(call, tile, stage.layer, stage.work == BACKWARD, i)


cdef inline Py_ssize_t work_of(
    const Call* call, const Tile* tile, const Stage* stage, Py_ssize_t i,
) noexcept nogil:
    """The multiply-adds of a piece's products; between norms as if rows took all layers there."""
    cdef const Layer* layer = &call.net.layers[stage.layer]
    cdef Part part
    cdef Rectangle some
    if stage.work == ROWS or stage.work == BACK:
        return call.work * (rows_start(tile, i + 1) - rows_start(tile, i))
    if stage.work == WEIGHTS:
        part = find_piece(call, tile, i)
        return tile.block.n * part.size * part.units
    if layer.kind == DENSE and (stage.work == FORWARD or stage.work == BACKWARD):
        some = find_rectangle(call, tile, stage.layer, stage.work == BACKWARD, i)
        return some.rows * some.columns * (layer.d if stage.work == FORWARD else layer.h)
    return 0


cdef inline void bound_step(const Call* call, Tile* tile) noexcept nogil:
    """How much of the gradient the step takes; none where the norm is not finite."""
    cdef double norm = norm_of_gradient(call)
    if not isfinite(norm):
        tile.update, tile.sum.loss = NULL, norm
    elif norm > call.clip_norm:
        tile.factor = call.clip_norm / norm


cdef inline void run_stage(const Call* call, Tile* tile, const Stage* stage) noexcept nogil:
    """Pieces until none is left; then what all of them have given."""
    cdef Py_ssize_t pieces = n_pieces(call, tile, stage)
    cdef Py_ssize_t i = fastdl_claim(&call.team.shared, pieces)
    while i >= 0:
        do_piece(call, tile, stage, i)
        i = fastdl_claim(&call.team.shared, pieces)
    # Whoever met after the rows has read the flag of the batch before: all see the same one.
    if stage.work == WEIGHTS and fastdl_team_rank() == 0 and (
            fastdl_seconds() > call.team.deadline):
        call.team.late = True
    fastdl_meet(&call.team.shared, fastdl_team_size())
    if ends(call, stage) or stage.work == LOSS:
        add_found(call, tile)
        if not isfinite(tile.sum.loss):
            tile.update = NULL
    elif stage.work == WEIGHTS and tile.update != NULL and call.clip_norm != 0:
        bound_step(call, tile)


# --- batches ---------------------------------------------------------------------------------

cdef inline Outcome run_batch(
    const Call* call, Py_ssize_t start, Py_ssize_t stop, const Update* update, Py_ssize_t t,
    double ridge,
) noexcept nogil:
    """One batch: its gradient and, with an update, the step. Gives the mean loss.

    t counts the steps before; -1 leaves masks out. The layers' penalties count ridge times.

    A loss that is not finite leaves the parameters as they were; so does a norm that has a bound,
    which is then given instead of the loss.
    """
    cdef Tile tile = take_batch(call, stop - start, t)
    cdef const Stage* stage
    cdef Py_ssize_t slice = 0
    cdef int i
    tile.ridge = ridge
    while slice < tile.batch_slices:
        take_tile(call, &tile, start, slice)
        slice += tile.n_slices
        tile.update = NULL
        if slice == tile.batch_slices and call.outputs == NULL:
            tile.update = update
        for i in range(tile.first_stage, tile.last_stage):
            stage = &call.net.stages[i]
            if stage.work != STEP or call.clip_norm != 0 and tile.update != NULL:
                run_stage(call, &tile, stage)
    tile.sum.loss *= tile.scale
    return tile.sum


cdef inline void run_batches(const Call* call, Progress* batches, Update update) noexcept nogil:
    """Batches from batches.done on, to the end, a loss that is not finite, or the deadline."""
    cdef Py_ssize_t done = batches.done
    cdef Outcome found
    cdef double ridge = 1
    cdef bint leads = fastdl_team_rank() == 0
    while done < batches.n and not call.team.late:
        count_update(&update, batches.rates[done], batches.t + done + 1)
        if batches.penalties != NULL:
            ridge = batches.penalties[done]
            if leads:  # the others may read rows meanwhile: weights change in a later stage
                batches.penalties[batches.n + done] = ridge * penalty_of_weights(call)
        found = run_batch(
            call, batches.starts[done], batches.stops[done], &update, batches.t + done, ridge)
        if leads:
            batches.losses[done] = found.loss
            batches.n_correct[done] = found.n_correct
        if not isfinite(found.loss):
            if leads:
                batches.diverged = True
            break
        done += 1
    # Nobody reads batches.done after the last meeting but the caller.
    if leads:
        batches.done = done
