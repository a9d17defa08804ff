"""The door to the loops: an epoch, or an evaluation, in one call without the GIL.

A batch is cut into slices of rows whose x fits in a core's cache. A tile is a slice or two for each
thread of the team, and goes through stages, whose pieces the threads share, and then they meet:

    rows      read, forward, loss, backward to every layer's dz: a piece is some rows of a slice;
              or where rows are few, each of these by itself, and of a layer some rows and units
    weights   dW = x^T dz, slice by slice, and after the batch's last tile the update, for a
              few rows both at once: a piece is some of a layer's inputs and units

and where the gradient's norm has a bound the update is a stage of its own: only when all parts of
the gradient are there is the norm known.

No piece adds to what another one writes, what has bits of its own depends on the shapes alone, and
slices are added in their order, so any number of threads gives the same bits.

What the loops do stands in _loops/, a file a job; here is what Python hands them.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cython.parallel cimport parallel
from libc.string cimport memset

from fastdl._kernels cimport (
    FASTDL_SOURCE_f32, FASTDL_SOURCE_f64, FASTDL_SOURCE_u8, MOST_SETTINGS, Update, address,
    kernels_of, team_of, update_from,
)
from fastdl._loops.batches cimport (
    Progress, n_pieces, run_batch, run_batches, take_batch, take_tile, work_of,
)
from fastdl._loops.call cimport Call, Memory, Outcome, Team, Tile, fastdl_seconds
from fastdl._loops.evaluation cimport (
    Evaluation, chunk_start, chunks_before, cut_evaluation, evaluate_pieces,
)
from fastdl._loops.input cimport View, are_often_sparse, lies_ready, may_skip, trains_in_place
from fastdl._loops.layers cimport weigh
from fastdl._loops.net cimport (
    CHUNK_ROWS, DENSE, MASK, TILE_ROWS, Kind, Layer, Net, Stage, count_chunks, lay_out,
    room_of_piece, room_of_rows, stride_of_weight,
)
from fastdl._loops.offset cimport fill_offset_parts
from fastdl._loops.pace cimport LOOK, STRETCH, Pace, learn, looks, takes_all
from fastdl._loops.weights cimport transpose_weights

from fastdl import _memory


KIND_DENSE, KIND_MASK = DENSE, MASK  # of layers


def weight_stride(Py_ssize_t columns):
    """Items from row to row of a weight with so many columns; narrow rows lie side by side."""
    return stride_of_weight(columns)


def often_sparse(x):
    """Whether, of some rows of x, a quarter or more have zeros enough for products to skip them."""
    cdef View view = view_of(x)
    return bool(are_often_sparse(kernels_of(sizeof(float)), &view))


cdef View view_of(x):
    """Rows alone, which the caller keeps alive."""
    cdef View view
    memset(&view, 0, sizeof(View))
    view.n, view.d = x.shape
    view.kind = (
        FASTDL_SOURCE_f32, FASTDL_SOURCE_f64, FASTDL_SOURCE_u8)["fdB".index(x.dtype.char)]
    view.item, view.stride = x.itemsize, x.strides[0] // x.itemsize
    view.x = <const char*> address(x)
    return view


@cython.final
cdef class Rows:
    """A data set: rows, their scaling, and labels or targets, and weights; each but x may be None.

    Everything has been checked: x is float32, float64 or uint8 with the items of a row side by
    side; labels are C ints in range; targets and weights are of the network's dtype.

    Parameters
    ----------
    x : array (n, d)
    scaling : (shift, scale, offset)
        shift and scale are float64 where x is, else, like offset (-shift * scale), of the network's
        dtype. A shift without an offset is too large to reach the first layer by itself: every row
        is shifted, none looked at for zeros.
    labels, targets, weights : array or None
    scan_zeros : bool
        Whether a row may be worth a look for zeros. Each decides for itself, so its outputs do not
        depend on the others.
    check_finite : bool
        The loss and the outputs of a row are NaN where it is not finite, or is not once it is
        scaled and converted; else it is taken to be finite.
    """

    cdef View view
    cdef object arrays

    def __cinit__(self, x, scaling, labels, targets, weights, bint scan_zeros, bint check_finite):
        shift, scale, offset = scaling
        self.arrays = (x, scaling, labels, targets, weights)
        self.view = view_of(x)
        self.view.shift, self.view.scale = address(shift), address(scale)
        self.view.offset = address(offset)
        self.view.truth.labels = <const int*> address(labels)
        self.view.truth.targets, self.view.truth.weights = address(targets), address(weights)
        self.view.scan_zeros = scan_zeros and (shift is None or offset is not None)
        self.view.check_finite = check_finite and self.view.kind != FASTDL_SOURCE_u8


@cython.final
cdef class Batches:
    """Batches to train on in one call, and what they give.

    Parameters
    ----------
    order : intp array or None
        Batch i takes the rows order[starts[i]:stops[i]], or starts[i]:stops[i] without an order,
    starts, stops : intp array (n_batches,)
    rates : float64 array (n_batches,)
        at the rate rates[i].
    losses : float64 array (n_batches,)
        Its mean loss goes here,
    n_correct : intp array (n_batches,)
        and its number correct here.
    sums : float64 array (3,)
        To which its loss times its rows, its number correct and its rows are added.

    Attributes
    ----------
    done : int
        How many have been trained on, also where a signal broke the call off.
    """

    cdef const Py_ssize_t[::1] order, starts, stops
    cdef const double[::1] rates
    cdef double[::1] losses, sums
    cdef Py_ssize_t[::1] n_correct
    cdef readonly Py_ssize_t done

    def __cinit__(
        self, const Py_ssize_t[::1] order, const Py_ssize_t[::1] starts,
        const Py_ssize_t[::1] stops, const double[::1] rates, double[::1] losses,
        Py_ssize_t[::1] n_correct, double[::1] sums,
    ):
        self.order, self.starts, self.stops, self.rates = order, starts, stops, rates
        self.losses, self.n_correct, self.sums = losses, n_correct, sums

    cdef Progress progress(self, Py_ssize_t t):
        """As the loops see them; t counts the optimiser's steps before."""
        cdef Progress progress
        progress.n, progress.done, progress.t = self.starts.shape[0], 0, t
        progress.diverged = False
        progress.starts, progress.stops = &self.starts[0], &self.stops[0]
        progress.rates, progress.losses = &self.rates[0], &self.losses[0]
        progress.n_correct = &self.n_correct[0]
        return progress

    cdef Py_ssize_t take(self, Py_ssize_t done):
        """Add up what was found until so many are done; the rows since the last time."""
        cdef Py_ssize_t i, rows, n = 0
        for i in range(self.done, done):
            rows = self.stops[i] - self.starts[i]
            self.sums[0] += self.losses[i] * <double> rows
            self.sums[1] += <double> self.n_correct[i]
            self.sums[2] += <double> rows
            n += rows
        self.done = done
        return n


@cython.final
cdef class Workspace:
    """What the loops write to beside the results; a fit, or an evaluation, makes it once.

    Parameters
    ----------
    program : Program
    batch : int
        Rows of the largest batch of a fit; 0 for an evaluation. All calls with the same workspace
        sum in the same order.
    moments : sequence of array
        Of a fit's optimiser, up to two, of the parameters' layout.
    seed : int
        Of a fit's masks.
    n_threads : int
        Of an evaluation.

    Attributes
    ----------
    grads : array
        The gradient of a fit's last batch, of the parameters' layout; None for an evaluation. It is
        the one that was clipped, with the penalty's, where the norm has a bound.
    """

    cdef Memory memory
    cdef unsigned long long seed
    cdef readonly object grads
    cdef object first, second, room, notes

    def __cinit__(
        self, Program program, *, Py_ssize_t batch=0, moments=(), unsigned long long seed=0,
        int n_threads=1,
    ):
        cdef const Net* net = &program.net
        cdef Py_ssize_t rows, transposed = 0
        dtype = "f" if net.single else "d"
        self.seed = seed
        if batch > 0:
            self.memory.n_rows = min(batch, <Py_ssize_t> TILE_ROWS)
            rows, transposed = room_of_rows(net, self.memory.n_rows), net.n_transposed
            self.grads = _memory.zeros(net.n_params, dtype)
            self.notes = _memory.empty(2 * net.n_parts + 3 * self.memory.n_rows, "d")
            self.memory.squares = <double*> address(self.notes, True)
            self.memory.done = <long*> (self.memory.squares + net.n_parts)
            memset(self.memory.done, 0, net.n_parts * sizeof(long))
            self.memory.found = <Outcome*> (self.memory.squares + 2 * net.n_parts)
            self.memory.sparse = <unsigned char*> (self.memory.found + self.memory.n_rows)
            self.first, self.second = [*moments, None, None][:2]
        else:
            rows = n_threads * room_of_piece(net)
        self.room = _memory.empty(rows + transposed + net.n_offset_parts, dtype)
        self.memory.rows = <char*> address(self.room, True)
        self.memory.transposed = self.memory.rows + rows * net.item
        self.memory.offset_parts = self.memory.transposed + transposed * net.item


@cython.final
cdef class Program:
    """A network as the loops see it: the layers' places in the flat parameters, and the loss.

    Parameters
    ----------
    layers : int64 array (n_layers, 8)
        Kind, code of the activation or of the mask, d, h; of a dense layer the offset of the
        weight, items from one of its rows to the next, offset of the bias, whether stored by unit.
        Between rows lie zeros, in gradients too.
    settings : float64 array (n_layers, 2)
        l1 and l2 of each dense layer's weight; rate of a mask.
    loss : int
        Code of the loss.
    of_loss : float64 array
        Settings of the loss: some numbers, as c/losses.h takes them.
    single : bool
        float32, else float64.
    """

    cdef Net net
    cdef Pace training, evaluation

    def __cinit__(
        self, const long long[:, ::1] layers, const double[:, ::1] settings, int loss,
        const double[::1] of_loss, bint single,
    ):
        cdef Py_ssize_t i
        cdef Layer* layer
        self.net.single = single
        self.net.n_layers = <int> layers.shape[0]
        self.net.layers = <Layer*> PyMem_Calloc(self.net.n_layers, sizeof(Layer))
        self.net.stages = <Stage*> PyMem_Calloc(2 * self.net.n_layers + 6, sizeof(Stage))
        if self.net.layers == NULL or self.net.stages == NULL:
            raise MemoryError
        self.net.loss = loss
        for i in range(MOST_SETTINGS):
            self.net.settings[i] = of_loss[i]
        for i in range(self.net.n_layers):
            layer = &self.net.layers[i]
            layer.kind, layer.code = <Kind> layers[i, 0], <int> layers[i, 1]
            layer.d, layer.h = layers[i, 2], layers[i, 3]
            layer.weight, layer.ldw, layer.bias = layers[i, 4], layers[i, 5], layers[i, 6]
            layer.by_unit = <bint> layers[i, 7]
            if layer.kind == DENSE:
                layer.l1, layer.l2 = settings[i, 0], settings[i, 1]
            else:
                layer.rate = settings[i, 0]
        lay_out(&self.net)

    def __dealloc__(self):
        PyMem_Free(self.net.layers)
        PyMem_Free(self.net.stages)

    def train(
        self, Rows rows, Workspace workspace, Batches batches, hyper, Py_ssize_t t, params,
        int n_threads,
    ):
        """Train on batches; returns how many were done, fewer where a loss was not finite.

        hyper: (optimiser, settings, clip_norm: 0 for no bound); t counts its steps before.
        It takes one thread or n_threads, whichever is the faster just then.
        """
        cdef Team team
        cdef int threads
        cdef Progress progress = batches.progress(t)
        cdef Update update = update_from(hyper)
        cdef Call call = self.call(rows, workspace, params, &team)
        call.in_place = trains_in_place(&self.net, &rows.view)
        call.clip_norm = hyper[2]
        weigh(&call)
        if batches.order is not None:
            call.order, call.n_order = &batches.order[0], batches.order.shape[0]
        transpose_weights(&call)
        fill_offset_parts(&call)
        while progress.done < progress.n and not progress.diverged:
            PyErr_CheckSignals()
            threads = start(&team, &self.training, n_threads)
            with nogil, parallel(num_threads=threads, use_threads_if=threads > 1):
                run_batches(&call, &progress, update)
            finish(&team, &self.training, threads, batches.take(progress.done))
        return batches.done

    def gradient(self, Rows rows, Workspace workspace, params):
        """The mean loss of all rows; its gradient, without the penalty, to the workspace."""
        cdef Team team
        cdef Outcome found
        cdef Call call = self.call(rows, workspace, params, &team)
        call.in_place = trains_in_place(&self.net, &rows.view)
        memset(&team, 0, sizeof(Team))
        team.size = 1
        with nogil:
            transpose_weights(&call)
            fill_offset_parts(&call)
            found = run_batch(&call, 0, rows.view.n, NULL, -1)
        return found.loss

    def evaluate(
        self, Rows rows, Workspace workspace, params, out, double[:, ::1] results, int n_threads,
    ):
        """All rows forward: their outputs to out (n x k), if not None; else the losses.

        Returns the sum of the weighted losses and the number correct, which it adds up in
        results, a row for each chunk of rows.
        """
        cdef Team team
        cdef Evaluation evaluation
        cdef Py_ssize_t i, n
        cdef int threads
        cdef double loss = 0, of_block = 0, n_correct = 0
        cdef Py_ssize_t block = count_chunks(self.net.evaluation_rows)
        cdef Call call = self.call(rows, workspace, params, &team)
        call.in_place = lies_ready(&self.net, &rows.view)
        weigh(&call)
        evaluation.done, evaluation.n = 0, self.chunks(rows.view.n)
        evaluation.out = <char*> address(out, True)
        evaluation.results = &results[0, 0] if results is not None else NULL
        fill_offset_parts(&call)
        while evaluation.done < evaluation.n:
            PyErr_CheckSignals()
            threads = start(&team, &self.evaluation, n_threads)
            cut_evaluation(&call, &evaluation)
            with nogil, parallel(num_threads=threads, use_threads_if=threads > 1):
                evaluate_pieces(&call, &evaluation)
            n = min(team.shared.claimed * evaluation.run, evaluation.n - evaluation.done)
            finish(&team, &self.evaluation, threads, n * CHUNK_ROWS)
            evaluation.done += n
        if evaluation.results != NULL:
            for i in range(evaluation.n):
                of_block += evaluation.results[2 * i]
                n_correct += evaluation.results[2 * i + 1]
                if (i + 1) % block == 0 or i + 1 == evaluation.n:
                    loss += of_block
                    of_block = 0
        return loss, <Py_ssize_t> n_correct

    cpdef Py_ssize_t chunks(self, Py_ssize_t n):
        """The rows of ``results`` that an evaluation of n rows needs."""
        return chunks_before(&self.net, n)

    def stages(self, Py_ssize_t batch, int n_threads):
        """The multiply-adds of each piece of each stage of a batch of so many rows in a fit."""
        cdef Team team
        cdef Call call
        cdef Tile tile
        cdef Py_ssize_t i, slice = 0
        cdef int stage
        memset(&call, 0, sizeof(Call))
        call.kernels, call.net, call.team = kernels_of(self.net.item), &self.net, &team
        call.memory.n_rows, team.size = min(batch, <Py_ssize_t> TILE_ROWS), n_threads
        weigh(&call)
        tile = take_batch(&call, batch, 0)
        found = []
        while slice < tile.batch_slices:
            take_tile(&call, &tile, 0, slice)
            slice += tile.n_slices
            for stage in range(tile.first_stage, tile.last_stage):
                found.append([
                    work_of(&call, &tile, &self.net.stages[stage], i)
                    for i in range(n_pieces(&call, &tile, &self.net.stages[stage]))
                ])
        return found

    def evaluation_pieces(self, Py_ssize_t n, int n_threads):
        """The multiply-adds of each piece of an evaluation of n rows."""
        cdef Team team
        cdef Call call
        cdef Evaluation evaluation
        cdef Py_ssize_t i
        memset(&call, 0, sizeof(Call))
        call.kernels, call.net, call.team = kernels_of(self.net.item), &self.net, &team
        team.size = n_threads
        weigh(&call)
        evaluation.done, evaluation.n = 0, self.chunks(n)
        cut_evaluation(&call, &evaluation)
        return [
            self.net.n_weights * (
                min(n, chunk_start(&self.net, min(i + evaluation.run, evaluation.n)))
                - chunk_start(&self.net, i))
            for i in range(0, evaluation.n, evaluation.run)
        ]

    cdef Call call(self, Rows rows, Workspace workspace, params, Team* team):
        """What all threads share."""
        cdef Call call
        memset(&call, 0, sizeof(Call))
        call.kernels, call.net = kernels_of(self.net.item), &self.net
        call.rows, call.team, call.seed = &rows.view, team, workspace.seed
        call.arrays.params = <char*> address(params, workspace.grads is not None)
        call.arrays.grads = <char*> address(workspace.grads, True)
        call.arrays.first = <char*> address(workspace.first, True)
        call.arrays.second = <char*> address(workspace.second, True)
        call.memory = workspace.memory
        call.skips = may_skip(&self.net, &rows.view)
        if rows.view.offset == NULL or not call.skips:
            call.memory.offset_parts = NULL
        return call


# --- stretches -------------------------------------------------------------------------------

cdef int start(Team* team, const Pace* pace, int n_threads):
    """Begin a stretch; returns the threads that it takes: one, or all that can be had."""
    cdef bint everyone = n_threads == 1 or takes_all(pace)
    cdef bint look = n_threads > 1 and looks(pace, everyone)
    memset(team, 0, sizeof(Team))
    team.paced = n_threads > 1
    team.began = fastdl_seconds()
    team.deadline = team.began + (LOOK if look else STRETCH)
    team.size = team_of(n_threads) if everyone else 1
    return team.size


cdef finish(const Team* team, Pace* pace, int threads, Py_ssize_t rows):
    """A stretch of so many rows is done."""
    if team.paced and rows > 0:
        learn(pace, threads > 1, fastdl_seconds() - team.began, rows)
