"""A batch, tile by tile, and the batches of a call: every thread of the team runs these."""

from libc.math cimport isfinite

from fastdl._kernels cimport Update, count_update
from fastdl._loops.call cimport (
    Call, Outcome, Tile, fastdl_claim, fastdl_meet, fastdl_seconds, fastdl_team_rank,
    fastdl_team_size,
)
from fastdl._loops.net cimport TILE_ROWS, count_slices, piece_start
from fastdl._loops.rows cimport rows_phase, slice_start
from fastdl._loops.weights cimport norm_of_gradient, train_part, update_clipped_part

cdef struct Progress:  # of one call: its batches, and what they gave
    Py_ssize_t n, done, t  # how many, how many are done, the optimiser's steps before them
    bint diverged  # the loss of the batch after the done ones is not finite
    const Py_ssize_t* starts
    const Py_ssize_t* stops
    const double* rates
    double* losses
    Py_ssize_t* n_correct


cdef inline void take_tile(
    const Call* call, Tile* tile, Py_ssize_t start, Py_ssize_t slice,
) noexcept nogil:
    """The tile that begins with this slice of the batch whose first row is start."""
    cdef Py_ssize_t most = min(<Py_ssize_t> fastdl_team_size(), tile.batch_slices - slice)
    tile.first_slice, tile.n_slices = slice, 1
    while tile.n_slices < most and slice_start(tile, tile.n_slices + 1) <= TILE_ROWS:
        tile.n_slices += 1
    start += piece_start(slice, tile.batch_rows, tile.batch_slices)
    tile.block.at, tile.block.n = call.memory.rows, slice_start(tile, tile.n_slices)
    tile.which.first, tile.which.order, tile.next_rows = start, NULL, NULL
    if call.order != NULL:
        tile.which.order = call.order + start
        if start + 2 * tile.block.n <= call.n_order:
            tile.next_rows = tile.which.order + tile.block.n


cdef inline double take_clipped_step(const Call* call, Tile* tile) noexcept nogil:
    """The step by a gradient whose norm has a bound; gives the norm.

    One that is not finite leaves the parameters as they were.
    """
    cdef double norm = norm_of_gradient(call)
    cdef Py_ssize_t i
    if not isfinite(norm):
        return norm
    if norm > call.clip_norm:
        tile.factor = call.clip_norm / norm
    i = fastdl_claim(&call.team.shared, call.net.n_parts)
    while i >= 0:
        update_clipped_part(call, tile, i)
        i = fastdl_claim(&call.team.shared, call.net.n_parts)
    fastdl_meet(&call.team.shared, fastdl_team_size())
    return norm


cdef inline Outcome run_batch(
    const Call* call, Py_ssize_t start, Py_ssize_t stop, const Update* update, Py_ssize_t t,
) noexcept nogil:
    """One batch: its gradient and, with an update, the step. Gives the mean loss.

    t counts the steps before; -1 leaves masks out.

    A loss that is not finite leaves the parameters as they were; so does a norm that has a bound,
    which is then given instead of the loss.
    """
    cdef Tile tile
    cdef Outcome sum
    cdef double norm
    cdef Py_ssize_t i, n_parts, slice = 0
    tile.batch_rows, tile.scale, tile.t = stop - start, 1.0 / (stop - start), t
    tile.batch_slices = count_slices(call.net, tile.batch_rows)
    tile.update, tile.factor = NULL, 1
    sum.loss, sum.n_correct = 0, 0
    while slice < tile.batch_slices:
        take_tile(call, &tile, start, slice)
        slice += tile.n_slices
        rows_phase(call, &tile, &sum)
        tile.update = update if slice == tile.batch_slices and isfinite(sum.loss) else NULL
        n_parts = call.net.n_parts
        if call.outputs != NULL:
            tile.update, n_parts = NULL, 0
        i = fastdl_claim(&call.team.shared, n_parts)
        while i >= 0:
            train_part(call, &tile, i)
            i = fastdl_claim(&call.team.shared, n_parts)
        # Whoever is here has read the flag of the batch before: all see the same one.
        if fastdl_team_rank() == 0 and fastdl_seconds() > call.team.deadline:
            call.team.late = True
        fastdl_meet(&call.team.shared, fastdl_team_size())
    sum.loss *= tile.scale
    if tile.update != NULL and call.clip_norm != 0:
        norm = take_clipped_step(call, &tile)
        if not isfinite(norm):
            sum.loss = norm
    return sum


cdef inline void run_batches(const Call* call, Progress* batches, Update update) noexcept nogil:
    """Batches from batches.done on, to the end, a loss that is not finite, or the deadline."""
    cdef Py_ssize_t done = batches.done
    cdef Outcome found
    cdef bint leads = fastdl_team_rank() == 0
    while done < batches.n and not call.team.late:
        count_update(&update, batches.rates[done], batches.t + done + 1)
        found = run_batch(
            call, batches.starts[done], batches.stops[done], &update, batches.t + done)
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
