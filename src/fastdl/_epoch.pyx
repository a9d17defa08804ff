"""The door to the loops: an epoch, or an evaluation, in one call without the GIL.

A batch is cut into slices of rows whose x fits in a core's cache. A tile is a slice or two for each
thread of the team. It goes through stages; threads share the pieces of each, and meet after it:

    rows      read, forward, loss, backward to every layer's dz: a piece is some rows of a slice;
              or where rows are few, each of these by itself, and of a layer some rows and units
    weights   dW = x^T dz, slice by slice, and after the batch's last tile the update, for a
              few rows both at once: a piece is some of a layer's inputs and units

and where the gradient's norm has a bound the update is a stage of its own: only when all parts of
the gradient are there is the norm known. A layer that goes by all rows of the batch (batch
normalisation) is a stage of its own on the way forward and back, some units a piece, and the rows'
stage is cut there.

No piece adds to what another one writes, what has bits of its own depends on the shapes alone, and
slices are added in their order, so any number of threads gives the same bits.

What the loops do stands in _loops/, a file a job; here is what Python hands them.
"""

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.string cimport memset

from fastdl._kernels cimport (
    FASTDL_SOURCE_f32, FASTDL_SOURCE_f64, FASTDL_SOURCE_u8, MOST_SETTINGS, Update, Work, address,
    kernels_of, run_team, update_from,
)
from fastdl._loops.batches cimport (
    Progress, n_pieces, run_batch, run_batches, take_batch, take_tile, work_of,
)
from fastdl._loops.call cimport (
    Call, Memory, Outcome, Team, Tile, fastdl_begin_team, fastdl_end_team, fastdl_seconds,
)
from fastdl._loops.evaluation cimport (
    Evaluation, chunk_start, chunks_before, cut_evaluation, evaluate_pieces, evaluate_rows,
)
from fastdl._loops.input cimport View, are_often_sparse, lies_ready, may_skip, trains_in_place
from fastdl._loops.layers cimport weigh
from fastdl._loops.net cimport (
    CHUNK_ROWS, DENSE, MASK, NORM, Kind, Layer, Net, Stage, count_chunks, lay_out, most_rows,
    needs_blas, room_of_piece, room_of_rows, stride_of_weight,
)
from fastdl._loops.norms cimport fill_norms
from fastdl._loops.offset cimport fill_offset_parts
from fastdl._loops.pace cimport Pace, Stretch, learn, next_stretch
from fastdl._loops.weights cimport transpose_weights

import numpy

from fastdl import _memory

# C's own names: each small call would look others up in the module.
cdef object empty = numpy.empty, intp = numpy.intp, ndarray = numpy.ndarray


KIND_DENSE, KIND_MASK, KIND_NORM = DENSE, MASK, NORM  # of layers

cdef enum Answer:
    OUTPUTS  # whatever they are
    FINITE
    LABELS
    SOFTMAX

ANSWERS = {"outputs": OUTPUTS, "finite": FINITE, "labels": LABELS, "softmax": SOFTMAX}


def weight_stride(Py_ssize_t columns):
    """Items from row to row of a weight with so many columns; narrow rows lie side by side."""
    return stride_of_weight(columns)


def often_sparse(x, Py_ssize_t item):
    """Whether, of some rows of x, a quarter or more have zeros enough for products to skip them.

    item: bytes of one of the network's.
    """
    cdef View view = view_of(x)
    return bool(are_often_sparse(kernels_of(item), &view))


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


cdef scale_view(View* view, scaling, bint scan_zeros):
    """Have rows scaled as they are read, which the caller keeps alive."""
    shift, scale, offset = scaling
    view.shift, view.scale, view.offset = address(shift), address(scale), address(offset)
    view.scan_zeros = scan_zeros and (shift is None or offset is not None)


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
        self.arrays = (x, scaling, labels, targets, weights)
        self.view = view_of(x)
        scale_view(&self.view, scaling, scan_zeros)
        self.view.truth.labels = <const int*> address(labels)
        self.view.truth.targets, self.view.truth.weights = address(targets), address(weights)
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
    penalties : float64 array (2, n_batches), optional
        The layers' penalties count penalties[0, i] times; what they were before the step, so
        counted, goes to penalties[1, i]. None: they count once.

    Attributes
    ----------
    done : int
        How many have been trained on, also where a signal broke the call off.
    """

    cdef const Py_ssize_t[::1] order, starts, stops
    cdef const double[::1] rates
    cdef double[::1] losses, sums
    cdef double[:, ::1] penalties
    cdef Py_ssize_t[::1] n_correct
    cdef readonly Py_ssize_t done

    def __cinit__(
        self, const Py_ssize_t[::1] order, const Py_ssize_t[::1] starts,
        const Py_ssize_t[::1] stops, const double[::1] rates, double[::1] losses,
        Py_ssize_t[::1] n_correct, double[::1] sums, double[:, ::1] penalties=None,
    ):
        self.order, self.starts, self.stops, self.rates = order, starts, stops, rates
        self.losses, self.n_correct, self.sums = losses, n_correct, sums
        self.penalties = penalties

    cdef Progress progress(self, Py_ssize_t t):
        """As the loops see them; t counts the optimiser's steps before."""
        cdef Progress progress
        progress.n, progress.done, progress.t = self.starts.shape[0], 0, t
        progress.diverged = False
        progress.starts, progress.stops = &self.starts[0], &self.stops[0]
        progress.rates, progress.losses = &self.rates[0], &self.losses[0]
        progress.n_correct = &self.n_correct[0]
        progress.penalties = NULL if self.penalties is None else &self.penalties[0, 0]
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
    cdef Workspace next_idle

    def __cinit__(
        self, Program program, *, Py_ssize_t batch=0, moments=(), unsigned long long seed=0,
        int n_threads=1,
    ):
        cdef const Net* net = &program.net
        cdef Py_ssize_t rows, transposed = 0
        dtype = "f" if net.single else "d"
        self.seed = seed
        if batch > 0:
            self.memory.n_rows = most_rows(net, batch)
            rows, transposed = room_of_rows(net, self.memory.n_rows), net.n_transposed
            self.grads = _memory.zeros(net.n_params, dtype)
            self.notes = _memory.empty(2 * net.n_parts + 3 * self.memory.n_rows, "d")
            self.memory.squares = <double*> address(self.notes, True)
            self.memory.done = <Py_ssize_t*> (self.memory.squares + net.n_parts)
            memset(self.memory.done, 0, net.n_parts * sizeof(Py_ssize_t))
            self.memory.found = <Outcome*> (self.memory.squares + 2 * net.n_parts)
            self.memory.sparse = <unsigned char*> (self.memory.found + self.memory.n_rows)
            self.first, self.second = [*moments, None, None][:2]
        else:
            rows = n_threads * room_of_piece(net)
        self.room = _memory.empty(rows + transposed + net.n_offset_parts + net.n_norms, dtype)
        self.memory.rows = <char*> address(self.room, True)
        self.memory.transposed = self.memory.rows + rows * net.item
        self.memory.offset_parts = self.memory.transposed + transposed * net.item
        self.memory.norms = self.memory.offset_parts + net.n_offset_parts * net.item


@cython.final
cdef class Program:
    """A network as the loops see it: the layers' places in the flat parameters, and the loss.

    Parameters
    ----------
    layers : int64 array (n_layers, 8)
        Kind, code of the activation or of the mask, d, h; of a dense layer the offset of the
        weight, items from one of its rows to the next, offset of the bias, whether stored by unit.
        Between rows lie zeros, in gradients too. Of a norm those of gamma and beta, behind which
        its running mean and variance lie, all of them as far apart.
    settings : float64 array (n_layers, 2)
        l1 and l2 of each dense layer's weight; rate of a mask; momentum and epsilon of a norm.
    loss : int
        Code of the loss.
    of_loss : float64 array
        Settings of the loss: some numbers, as c/losses.h takes them.
    single : bool
        float32, else float64.
    """

    cdef Net net
    # One thread at a time trains; several may ask at once, which without a GIL take turns at what
    # they share: the evaluation's pace, and idle workspaces of answers (the first of a chain).
    cdef Pace training, evaluation
    cdef Workspace idle

    def __cinit__(
        self, const long long[:, ::1] layers, const double[:, ::1] settings, int loss,
        const double[::1] of_loss, bint single,
    ):
        cdef Py_ssize_t i
        cdef Layer* layer
        self.net.single = single
        self.net.n_layers = <int> layers.shape[0]
        self.net.layers = <Layer*> PyMem_Calloc(self.net.n_layers, sizeof(Layer))
        self.net.stages = <Stage*> PyMem_Calloc(4 * self.net.n_layers + 8, sizeof(Stage))
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
            elif layer.kind == NORM:
                layer.momentum, layer.epsilon = settings[i, 0], settings[i, 1]
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
        It takes as many of n_threads as are the fastest just then.
        """
        cdef Team team
        cdef Progress progress = batches.progress(t)
        cdef Call call = self.call(&rows.view, workspace, params, &team)
        cdef Training training
        cdef Stretch stretch
        training.call, training.progress, training.update = &call, &progress, update_from(hyper)
        call.in_place = trains_in_place(&self.net, &rows.view)
        call.clip_norm = hyper[2]
        weigh(&call)
        if batches.order is not None:
            call.order, call.n_order = &batches.order[0], batches.order.shape[0]
        transpose_weights(&call)
        fill_offset_parts(&call)
        while progress.done < progress.n and not progress.diverged:
            PyErr_CheckSignals()
            stretch = next_stretch(&self.training, n_threads)
            begin(&team, &stretch)
            run(&stretch, &team, train, &training)
            learn(&self.training, &stretch, batches.take(progress.done))
        return batches.done

    def gradient(self, Rows rows, Workspace workspace, params, doutputs=None, outputs=None):
        """The mean loss of all rows as a batch; its gradient, without a penalty, to the workspace.

        Or of whatever loss the outputs have the gradient doutputs (n, k) of the network's dtype;
        or where outputs (n, k) are given these are filled, and that is all.
        """
        cdef Team team
        cdef Outcome found
        cdef Call call = self.call(&rows.view, workspace, params, &team)
        call.in_place = trains_in_place(&self.net, &rows.view)
        call.doutputs, call.outputs = <char*> address(doutputs), <char*> address(outputs, True)
        memset(&team, 0, sizeof(Team))
        team.size = 1
        with nogil:
            transpose_weights(&call)
            fill_offset_parts(&call)
            found = run_batch(&call, 0, rows.view.n, NULL, -1, 1)
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
        cdef Evaluating evaluating
        cdef Stretch stretch
        cdef Py_ssize_t i, n
        cdef double loss = 0, of_block = 0, n_correct = 0
        cdef Py_ssize_t block = count_chunks(self.net.evaluation_rows)
        cdef Call call = self.call(&rows.view, workspace, params, &team)
        call.in_place = lies_ready(&self.net, &rows.view)
        weigh(&call)
        evaluation.done, evaluation.n = 0, self.chunks(rows.view.n)
        n_threads = <int> max(1, min(<Py_ssize_t> n_threads, evaluation.n))
        evaluation.out = <char*> address(out, True)
        evaluation.results = &results[0, 0] if results is not None else NULL
        evaluating.call, evaluating.evaluation = &call, &evaluation
        fill_offset_parts(&call)
        fill_norms(&call)
        while evaluation.done < evaluation.n:
            PyErr_CheckSignals()
            with cython.critical_section(self):
                stretch = next_stretch(&self.evaluation, n_threads)
            begin(&team, &stretch)
            cut_evaluation(&call, &evaluation)
            run(&stretch, &team, evaluate, &evaluating)
            n = min(team.shared.claimed * evaluation.run, evaluation.n - evaluation.done)
            with cython.critical_section(self):
                learn(&self.evaluation, &stretch, n * CHUNK_ROWS)
            evaluation.done += n
        if evaluation.results != NULL:
            for i in range(evaluation.n):
                of_block += evaluation.results[2 * i]
                n_correct += evaluation.results[2 * i + 1]
                if (i + 1) % block == 0 or i + 1 == evaluation.n:
                    loss += of_block
                    of_block = 0
        return loss, <Py_ssize_t> n_correct

    def answer(self, Reading reading, x, params, int kind):
        """The answer to a few rows, on this thread; None where Python has to look at them first.

        Outputs (n, k) of whatever they are, or finite ones, or the labels or the probabilities that
        follow from these.
        """
        cdef View view
        cdef Call call
        cdef Evaluation evaluation
        cdef Py_ssize_t i
        cdef const Net* net = &self.net
        cdef Py_ssize_t block = count_chunks(net.evaluation_rows)
        if not reading.take(x, &view) or needs_blas(net, view.n, False):
            return None
        if view.n > max(reading.most, net.evaluation_rows):
            return None
        view.check_finite = view.check_finite and kind != OUTPUTS
        out = empty((view.n, net.k), "f" if net.single else "d")
        workspace = self.take_idle()
        call = self.call(&view, workspace, params, NULL)
        call.in_place = lies_ready(net, &view)
        evaluation.n, evaluation.results = self.chunks(view.n), NULL
        evaluation.out = <char*> address(out)
        with nogil:
            fill_offset_parts(&call)
            fill_norms(&call)
            for i in range((evaluation.n + block - 1) // block):
                evaluate_rows(
                    &call, &evaluation, i * block, min((i + 1) * block, evaluation.n))
        self.give_back(workspace)
        return out if kind == OUTPUTS else answer_from(&call, out, evaluation.out, kind)

    cdef Workspace take_idle(self):
        """A workspace for an answer, which no other thread has."""
        cdef Workspace found
        with cython.critical_section(self):
            found = self.idle
            if found is not None:
                self.idle, found.next_idle = found.next_idle, None
        return Workspace(self) if found is None else found

    cdef give_back(self, Workspace workspace):
        with cython.critical_section(self):
            workspace.next_idle, self.idle = self.idle, workspace

    def needs_blas(self, Py_ssize_t n, bint trains):
        """Whether it may leave a product of up to n rows to BLAS."""
        return bool(needs_blas(&self.net, n, trains))

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
        call.memory.n_rows, team.size = most_rows(&self.net, batch), n_threads
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

    cdef Call call(self, const View* rows, Workspace workspace, params, Team* team):
        """What all threads share."""
        cdef Call call
        memset(&call, 0, sizeof(Call))
        call.kernels, call.net = kernels_of(self.net.item), &self.net
        call.rows, call.team, call.seed = rows, team, workspace.seed
        call.arrays.params = <char*> address(params, workspace.grads is not None)
        call.arrays.grads = <char*> address(workspace.grads, True)
        call.arrays.first = <char*> address(workspace.first, True)
        call.arrays.second = <char*> address(workspace.second, True)
        call.memory = workspace.memory
        call.skips = may_skip(&self.net, rows)
        if rows.offset == NULL or not call.skips:
            call.memory.offset_parts = NULL
        return call


# --- small calls -----------------------------------------------------------------------------

cdef struct Lying:  # an array of numbers, as it lies
    char type  # as buffers name it
    Py_ssize_t item, n, columns
    Py_ssize_t row, column  # bytes from one to the next
    const char* at


cdef bint look_at(array, int ndim, Lying* lying) except -1:
    """Whether it is an array of NumPy's own that kernels read; the caller keeps it alive."""
    cdef Py_buffer buffer
    cdef bint ready
    if type(array) is not ndarray:
        return False
    try:
        PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES | PyBUF_FORMAT)
    except (BufferError, ValueError):  # of times, say
        return False
    ready = buffer.ndim == ndim and buffer.format[1] == 0
    if ready:
        lying.type, lying.item, lying.at = buffer.format[0], buffer.itemsize, <char*> buffer.buf
        lying.n, lying.row = buffer.shape[0], buffer.strides[0]
        lying.columns = buffer.shape[1] if ndim == 2 else 1
        lying.column = buffer.strides[1] if ndim == 2 else lying.item
        ready = <size_t> lying.at % lying.item == 0 and lying.row % lying.item == 0
    PyBuffer_Release(&buffer)
    return ready and (lying.columns == 1 or lying.column == lying.item)


cdef bint are_labels(y, Py_ssize_t n, Lying* lying) except -1:
    """Whether they are n integers of four or eight bytes; the caller keeps them alive."""
    return look_at(y, 1, lying) and lying.n == n and lying.type in b"ilq"


cdef bint copy_labels(const Lying* labels, Py_ssize_t k, int* out) noexcept nogil:
    """Copy labels; whether all lie in [0, k)."""
    cdef Py_ssize_t i
    cdef long long label
    cdef const char* at = labels.at
    for i in range(labels.n):
        label = (<const int*> at)[0] if labels.item == sizeof(int) else (<const long long*> at)[0]
        if not 0 <= label < k:
            return False
        out[i], at = <int> label, at + labels.row
    return True


cdef bint are_numbers(
    y, Py_ssize_t n, Py_ssize_t k, bint single, Lying* lying,
) except -1:
    """Whether they are finite numbers (n, k), or (n,) where k is 1, side by side."""
    cdef Py_ssize_t item = sizeof(float) if single else sizeof(double)
    return (
        (look_at(y, 2, lying) or k == 1 and look_at(y, 1, lying))
        and lying.n == n and lying.columns == k and lying.type == (c"f" if single else c"d")
        and (n == 1 or lying.row == k * item)
        and kernels_of(item).finite(lying.at, k, NULL, n, k))


def ready_labels(y, Py_ssize_t n, Py_ssize_t k):
    """A copy as C ints of n labels in [0, k) that are ready as they come; else None."""
    cdef Lying lying
    if not are_labels(y, n, &lying):
        return None
    labels = empty(n, "i")
    return labels if copy_labels(&lying, k, <int*> address(labels)) else None


def ready_numbers(y, Py_ssize_t n, Py_ssize_t k, bint single):
    """Whether they are finite numbers (n, k), or (n,) where k is 1, ready as they come."""
    cdef Lying lying
    return bool(are_numbers(y, n, k, single, &lying))


@cython.final
cdef class Reading:
    """Which rows a network takes as they come, without a look by Python, and how they are scaled.

    Parameters
    ----------
    d : int
        Columns.
    most : int
        Rows of a small call; one thread takes what the loops do not cut, however much that is.
    scalings : sequence of (shift, scale, offset)
        Of rows of float32, of float64, of uint8; as ``Rows`` takes it.

    Attributes
    ----------
    takes : tuple of bool
        Whether it takes rows of float32, float64, uint8.
    """

    cdef View views[3]
    cdef bint takes_type[3]
    cdef Py_ssize_t d, most
    cdef object scalings

    def __cinit__(self, Py_ssize_t d, Py_ssize_t most, scalings):
        cdef int i
        self.d, self.most, self.scalings = d, most, scalings
        for i in range(3):
            memset(&self.views[i], 0, sizeof(View))
            scale_view(&self.views[i], scalings[i], True)

    @property
    def takes(self):
        return tuple([bool(each) for each in self.takes_type])

    @takes.setter
    def takes(self, takes):
        self.takes_type = takes

    def has(self, x):
        """Whether it takes these rows."""
        cdef View view
        return bool(self.take(x, &view))

    cdef bint take(self, x, View* view) except -1:
        """Have rows in a view if it takes them."""
        cdef Lying lying
        cdef int i
        if not look_at(x, 2, &lying):
            return False
        i = 0 if lying.type == c"f" else 1 if lying.type == c"d" else 2
        if not (self.takes_type[i] and (i < 2 or lying.type == c"B")):
            return False
        view[0] = self.views[i]
        view.n, view.d, view.x = lying.n, lying.columns, lying.at
        view.kind = (FASTDL_SOURCE_f32, FASTDL_SOURCE_f64, FASTDL_SOURCE_u8)[i]
        view.item, view.stride, view.check_finite = lying.item, lying.row // lying.item, i < 2
        return view.d == self.d and view.n > 0


cdef answer_from(const Call* call, out, char* outputs, int kind):
    """What outputs say; None where they are not all finite."""
    cdef Py_ssize_t i, n = call.rows.n, k = call.net.k
    if not call.kernels.finite(outputs, k, NULL, n, k):
        return None
    if kind == LABELS:
        labels = empty(n, intp)
        call.kernels.greatest(outputs, n, k, <Py_ssize_t*> address(labels))
        return labels
    for i in range(n if kind == SOFTMAX else 0):
        call.kernels.softmax(outputs + i * k * call.kernels.item, k)
    return out


@cython.final
cdef class Steps:
    """Batch after batch, each in a call of its own.

    Parameters
    ----------
    program : Program
    hyper : (optimiser, settings, clip_norm: 0 for no bound)
    params : array
        Of the network.
    moments : sequence of array
        The optimiser's.
    seed : int
        Of masks.
    reading : Reading
    y : {"labels", "numbers", ""}
        What the loss goes by, if that may be ready as it comes.

    Attributes
    ----------
    t : int
        The optimiser's steps; set it before a call, which counts its own if it takes it.
    n_correct : int
        Of the batch before.
    """

    cdef Program program
    cdef Reading reading
    cdef Workspace workspace
    cdef Update update
    cdef double clip_norm
    cdef unsigned long long seed
    cdef object params, moments, labels
    cdef Py_ssize_t n_labels
    cdef bint by_labels, by_numbers
    cdef public Py_ssize_t t
    cdef readonly Py_ssize_t n_correct

    def __cinit__(
        self, Program program, hyper, params, moments, unsigned long long seed, Reading reading,
        str y,
    ):
        self.program, self.reading, self.seed = program, reading, seed
        self.params, self.moments = params, moments
        self.update, self.clip_norm = update_from(hyper), hyper[2]
        self.by_labels, self.by_numbers = y == "labels", y == "numbers"

    def take_ready(self, x, y, double rate):
        """A step by a batch that is ready as it comes; None where Python has to look at it first.

        Gives the mean loss; where that is not finite no step was taken.
        """
        cdef View view
        if not self.take_rows(x, &view):
            return None
        if self.by_labels and self.take_labels(y, &view):
            return self.run(&view, rate, 1, NULL, NULL)
        if self.by_numbers:
            view.truth.targets = self.numbers(y, view.n)
            if view.truth.targets != NULL:
                return self.run(&view, rate, 1, NULL, NULL)
        return None

    def follow_ready(self, x, doutputs, double rate):
        """As ``take_ready``, by the gradient of the outputs (n, k)."""
        cdef View view
        cdef const char* given
        if not self.take_rows(x, &view):
            return None
        given = self.numbers(doutputs, view.n)
        return None if given == NULL else self.run(&view, rate, 1, NULL, given)

    def take(self, Rows rows, double rate, int n_threads):
        """A step by a batch; as ``take_ready`` otherwise."""
        return self.run(&rows.view, rate, n_threads, NULL, NULL)

    def outputs(self, Rows rows, int n_threads):
        """The outputs (n, k) of a batch that is to be trained on: masks are those of the step.

        None where a row is not finite.
        """
        cdef const Net* net = &self.program.net
        out = empty((rows.view.n, net.k), "f" if net.single else "d")
        cdef Py_ssize_t t = self.t
        loss = self.run(&rows.view, 0, n_threads, <char*> address(out), NULL)
        self.t = t
        return out if loss == 0 else None

    def follow(self, Rows rows, doutputs, double rate, int n_threads):
        """A step by the gradient (n, k) of a batch's outputs, of the network's dtype."""
        return self.run(&rows.view, rate, n_threads, NULL, <char*> address(doutputs))

    cdef bint take_rows(self, x, View* view) except -1:
        """Have a batch in a view if it is ready, and small."""
        cdef const Net* net = &self.program.net
        if not self.reading.take(x, view) or view.n > self.reading.most:
            return False
        if needs_blas(net, view.n, True):
            return False
        if may_skip(net, view):
            view.scan_zeros = are_often_sparse(kernels_of(net.item), view)
        return True

    cdef bint take_labels(self, y, View* view) except -1:
        """Have a copy of labels in the view, if they are ready and lie in [0, k)."""
        cdef Lying lying
        if not are_labels(y, view.n, &lying):
            return False
        if lying.n > self.n_labels:
            self.labels, self.n_labels = empty(lying.n, "i"), lying.n
        view.truth.labels = <const int*> address(self.labels)
        return copy_labels(&lying, self.program.net.k, <int*> view.truth.labels)

    cdef const char* numbers(self, y, Py_ssize_t n):
        """Where numbers (n, k) lie if they are ready and finite; else NULL."""
        cdef Lying lying
        cdef const Net* net = &self.program.net
        return lying.at if are_numbers(y, n, net.k, net.single, &lying) else NULL

    cdef make_room(self, Py_ssize_t n):
        """A workspace for n rows, or for more, so that few are made."""
        cdef Py_ssize_t room = 16
        while room < most_rows(&self.program.net, n):
            room *= 2
        if self.workspace is None or self.workspace.memory.n_rows < room:
            self.workspace = Workspace(
                self.program, batch=room, moments=self.moments, seed=self.seed)

    cdef double run(
        self, const View* view, double rate, int n_threads, char* outputs, const char* doutputs,
    ) except? -1:
        """A step, or where outputs are wanted these alone; gives the loss."""
        cdef Team team
        cdef Call call
        cdef Progress progress
        cdef double loss = 0
        cdef Py_ssize_t first = 0
        cdef Training training
        cdef Stretch stretch = next_stretch(&self.program.training, n_threads)
        self.make_room(view.n)
        call = self.program.call(view, self.workspace, self.params, &team)
        call.memory.n_rows = most_rows(call.net, view.n)  # as of a fit with such batches
        call.in_place = trains_in_place(call.net, view)
        call.clip_norm, call.once = self.clip_norm, True
        call.outputs, call.doutputs = outputs, doutputs
        weigh(&call)
        progress.n, progress.done, progress.t, progress.diverged = 1, 0, self.t, False
        progress.starts, progress.stops, progress.rates = &first, &view.n, &rate
        progress.losses, progress.n_correct, progress.penalties = &loss, &self.n_correct, NULL
        training.call, training.progress, training.update = &call, &progress, self.update
        with nogil:
            fill_offset_parts(&call)
            if outputs == NULL:
                transpose_weights(&call)
        begin(&team, &stretch)
        run(&stretch, &team, train, &training)
        if outputs == NULL:
            learn(&self.program.training, &stretch, view.n)
        self.t += progress.done
        return loss


# --- stretches -------------------------------------------------------------------------------

cdef struct Training:
    const Call* call
    Progress* progress
    Update update

cdef struct Evaluating:
    const Call* call
    const Evaluation* evaluation


cdef void train(void* data) noexcept nogil:
    cdef Training* training = <Training*> data
    run_batches(training.call, training.progress, training.update)


cdef void evaluate(void* data) noexcept nogil:
    cdef Evaluating* evaluating = <Evaluating*> data
    evaluate_pieces(evaluating.call, evaluating.evaluation)


cdef void begin(Team* team, const Stretch* stretch) noexcept:
    """Of so many threads work is cut into pieces before it is run."""
    memset(team, 0, sizeof(Team))
    team.size = stretch.threads


cdef void run(Stretch* stretch, Team* team, Work work, void* data) noexcept:
    """The work on the threads of a stretch until its time is over."""
    cdef double began = fastdl_seconds()
    team.deadline = began + stretch.seconds
    with nogil:
        fastdl_begin_team(&team.shared)
        run_team(stretch.threads, work, data)
        fastdl_end_team(&team.shared)
    stretch.seconds = fastdl_seconds() - began
