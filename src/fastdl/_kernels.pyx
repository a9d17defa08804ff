"""The array kernels: loops over rows.

Each operation is one cdef function over a block of rows, which neither allocates nor fails, and
one def function that cuts an array into blocks of a fixed number of rows, hands them to threads
and adds what they return in their order: the result has the same bits for any number of threads.
fastdl.ops checks what comes in.

n rows, d inputs, h units, k classes (in a matrix product: m x n with depth k).
"""

import os

from cpython.buffer cimport (
    PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cython cimport floating
from libc.string cimport memset

from fastdl._blas cimport blas_gemm
from fastdl._matrix cimport Matrix, column_step, matrix, row_step, transposed

ctypedef fused source:
    float
    double
    unsigned char


cdef extern from "kernels.h" nogil:
    ctypedef struct Sizes "fastdl_sizes":  # from which on a kernel is the better one: kernels.h
        int few_columns, few_rows, long_depth, dot_columns, few_share, few_least, wide_columns
        int transpose_units, direct_depth, skip_columns, skip_depth, skip_most
        int lanes, sum_lanes, sum_first, sum_later
    ctypedef struct Target "fastdl_target":
        const char* name
        Sizes sizes
        const Kernels* types[2]
    const Target* fastdl_target_at(int i)
    const char* const* fastdl_losses
    const char* const* fastdl_activations
    const char* const* fastdl_masks
    const char* const* fastdl_optimisers
    const int N_BY_OUTPUT "FASTDL_N_BY_OUTPUT"
    const int MOST_FEW_ROWS "FASTDL_FEW_ROWS"
    const int SGD "FASTDL_OPTIMISER_sgd"

cdef extern from "team.h" nogil:
    const int MOST "FASTDL_MOST"
    ctypedef struct Team "fastdl_team":
        pass
    void fastdl_begin_team(Team* team)
    void fastdl_end_team(Team* team)
    Py_ssize_t fastdl_claim(Team* team, Py_ssize_t pieces)
    void fastdl_team_run(int n, Work work, void* data)
    int fastdl_team_rank()
    int fastdl_team_size()
    const char[] fastdl_openmp
    int fastdl_openmp_limit()

cdef extern from *:
    const int IS_DEBUG "FASTDL_DEBUG"


cdef dict codes_of(const char* const* names):
    """The codes of a list of names, which count from 0."""
    cdef dict codes = {}
    while names[len(codes)] != NULL:
        codes[names[len(codes)].decode()] = len(codes)
    return codes


OPENMP = fastdl_openmp.decode()  # whose it is; empty: threads are our own
DEBUG = bool(IS_DEBUG)
MOST_THREADS = MOST
ACTIVATIONS = codes_of(fastdl_activations)
BY_INPUT = {name for name, code in ACTIVATIONS.items() if code >= N_BY_OUTPUT}
LOSSES = codes_of(fastdl_losses)
MASKS = codes_of(fastdl_masks)
OPTIMISERS = codes_of(fastdl_optimisers)
N_SETTINGS = MOST_SETTINGS  # of a loss
BLOCK_ROWS = 256  # rows a block in the def functions

cdef Py_ssize_t BLOCK = BLOCK_ROWS
cdef const Target* target = fastdl_target_at(0)


def available_isas():
    """The instruction sets for which this build has kernels and this machine has the hardware."""
    names = []
    while fastdl_target_at(len(names)) != NULL:
        names.append(fastdl_target_at(len(names)).name.decode())
    return tuple(names)


ISAS = available_isas()
ISA = ISAS[0]


def use_isa(str name):
    """Use the kernels of one of the available instruction sets, for the whole process."""
    global target, ISA
    if name not in ISAS:
        raise ValueError(f"FASTDL_ISA must be one of {', '.join(ISAS)} here; got {name!r}")
    target = fastdl_target_at(ISAS.index(name))
    ISA = name


if "FASTDL_ISA" in os.environ:
    use_isa(os.environ["FASTDL_ISA"])


cdef bint goes_by_input(int activation) noexcept nogil:
    """Whether an activation's derivative is found from its input, not from its output."""
    return activation >= N_BY_OUTPUT


# --- threads -----------------------------------------------------------------------------------

def openmp_limit():
    """The threads that OpenMP allows the thread that asks; 0 where there is none."""
    return fastdl_openmp_limit()


cdef void run_team(int n_threads, Work work, void* data) noexcept nogil:
    """The work on so many threads at once, or on as many of them as the system lets start."""
    fastdl_team_run(n_threads, work, data)


cdef int team_rank() noexcept nogil:
    """Which thread of its team this is, counted from 0."""
    return fastdl_team_rank()


cdef int team_size() noexcept nogil:
    """Of how many."""
    return fastdl_team_size()


cdef const Kernels* kernels_of(Py_ssize_t item) noexcept nogil:
    """The kernels for floats (4 bytes an item) or doubles (8)."""
    return target.types[item == sizeof(double)]


# --- which kernel serves which shape -----------------------------------------------------------

cdef void multiply(
    const Kernels* kernels, const Matrix* a, const Matrix* b, bint add, const Matrix* c,
) noexcept nogil:
    """C = A B (+ C if add).

    With multiplies() the one place that decides which kernel serves which shape.
    """
    cdef bint single = kernels.item == sizeof(float)
    cdef Py_ssize_t m = c.rows, n = c.columns, k = a.columns
    if not b.transposed and multiplies(single, m, n):
        kernels.product(
            m, n, k, a.at, row_step(a), column_step(a), b.at, b.ld, NULL, NULL, add, c.at, c.ld)
    elif b.transposed and not a.transposed and dots(single, m, n, k):
        kernels.dot_product(m, n, k, a.at, a.ld, NULL, b.at, b.ld, add, c.at, c.ld)
    else:
        blas_gemm(single, a, b, add, c)


cdef void take_gradient(
    const Kernels* kernels, const Matrix* a, const Matrix* b, const Coming* coming,
    const Fold* fold, bint add, const Matrix* grad,
) noexcept nogil:
    """grad = A^T B (+ grad if add), which may ask for coming rows meanwhile.

    Where B has an order there must be micro-kernels. coming may be NULL. fold, if not NULL, is done
    instead: for steps that fold, and without add.
    """
    cdef Py_ssize_t m = grad.rows, n = grad.columns, k = a.rows
    cdef double rate = 0 if fold == NULL else fold.update.learning_rate
    cdef double decay = 1 if fold == NULL else 1 - 2 * rate * fold.l2
    cdef Matrix left
    if fold != NULL or b.order == NULL and not add and are_few(n, k):
        kernels.few_rows(
            m, n, k, a.at, a.ld, b.at, b.ld, coming, rate, decay, grad.at,
            NULL if fold == NULL else fold.param, grad.ld)
    elif b.order == NULL and not multiplies(kernels.item == sizeof(float), m, n):
        left = transposed(a)
        multiply(kernels, &left, b, add, grad)
    else:
        kernels.product(
            m, n, k, a.at, 1, a.ld, b.at, b.ld, b.order, coming, add, grad.at, grad.ld)


cdef Update update_from(hyper):
    """An optimiser's update, of which no rate is known yet."""
    cdef Update update
    cdef int i
    memset(&update, 0, sizeof(Update))
    update.optimiser = hyper[0]
    for i, setting in enumerate(hyper[1]):
        update.settings[i] = setting
    return update


cdef bint folds(const Update* update, double l1, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Whether a step folds into a gradient of n columns, k deep, of rows without an order."""
    return update.optimiser == SGD and l1 == 0 and are_few(n, k)


cdef inline bint are_few(Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Whether k rows cost less than to read and write a weight of n columns.

    Rows that do not fill a vector are stored in part, and the next one would wait for that store.
    """
    return has_microkernels() and k <= MOST_FEW_ROWS and n >= max(
        <Py_ssize_t> target.sizes.few_least, target.sizes.few_share * k)


cdef bint multiplies(bint single, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """Whether the micro-kernels and not BLAS serve a product whose factor B lies by rows.

    Those who serve one serve any part of it.
    """
    return has_microkernels() and (
        single or n <= target.sizes.wide_columns or m <= target.sizes.few_rows)


cdef bint serves(const Kernels* kernels, Py_ssize_t m, const Matrix* b) noexcept nogil:
    """Whether they serve A B of m rows by rows, and so of any of them and any columns of B."""
    cdef bint single = kernels.item == sizeof(float)
    return not leaves_to_blas(single, b.transposed, m, b.columns, b.rows)


cdef inline bint dots(bint single, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Whether they serve a product with a transpose: along its depth."""
    cdef const Sizes* sizes = &target.sizes
    return has_microkernels() and (
        n <= sizes.few_columns or m <= sizes.few_rows
        or single and n <= sizes.dot_columns and k >= sizes.long_depth)


cdef bint has_microkernels() noexcept nogil:
    """Whether there are micro-kernels, which rows taken where they lie need."""
    return target.types[0].product != NULL


def lies_by_unit(Py_ssize_t d, Py_ssize_t h, bint single, bint first):
    """Whether a weight (d x h) is best kept unit by unit: products then run along the inputs.

    Along the units the last vector is filled in part; along the inputs each sum ends with the
    addition of a vector's lanes, which costs some multiply-adds. A first layer by unit takes rows
    where they lie, but skips no zeros.
    """
    cdef const Sizes* sizes = &target.sizes
    if h <= sizes.few_columns:
        return first and d >= sizes.direct_depth or (
            h * (d + (sizes.sum_first if first else sizes.sum_later)) < sizes.few_columns * d)
    if not single or h >= sizes.dot_columns or d < sizes.long_depth:
        return False
    if first and h >= sizes.skip_columns and d < sizes.skip_most:
        return False
    return h * (d + sizes.sum_lanes) < (h + sizes.lanes - 1) // sizes.lanes * sizes.lanes * d


cpdef bint leaves_to_blas(
    bint single, bint is_transposed, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """Whether multiply may leave a product (m x n, k deep) to BLAS, or one of fewer rows.

    is_transposed: whether its second factor lies so; the first does not.
    """
    return not (dots(single, m, n, k) if is_transposed else multiplies(single, m, n))


cdef bint transposes(Py_ssize_t h, Py_ssize_t n) noexcept nogil:
    """Whether batches of n rows make a transposed copy of a weight with h units pay.

    It costs some d h / 2 cycles a batch; dot products along the units end, for each of d n items,
    with the addition of a vector's lanes, or leave the packing of the weight to BLAS.
    """
    return target.sizes.transpose_units * n >= h


cdef bint skips(Py_ssize_t d, Py_ssize_t h) noexcept nogil:
    """Whether it pays to skip the zeros of rows of d inputs in products with (d x h)."""
    return has_microkernels() and d >= target.sizes.skip_depth and h >= target.sizes.skip_columns


# --- whole arrays ----------------------------------------------------------------------------

cdef void* address(object array, bint writable=False) except? NULL:
    """The address of an array's first item; NULL for None. The caller keeps the array alive."""
    cdef Py_buffer buffer
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES | (PyBUF_WRITABLE if writable else 0))
    PyBuffer_Release(&buffer)
    return buffer.buf


cdef inline Py_ssize_t block_rows(Py_ssize_t block, Py_ssize_t n) noexcept nogil:
    """The rows of a block: BLOCK, or what is left in the last one."""
    return min(BLOCK, n - block * BLOCK)


ctypedef void (*BlockWork)(const void* call, Py_ssize_t block) noexcept nogil

cdef struct Blocks:  # of rows, which threads take one by one
    Team team
    Py_ssize_t n
    BlockWork work
    const void* call


cdef void take_blocks(void* data) noexcept nogil:
    cdef Blocks* blocks = <Blocks*> data
    cdef Py_ssize_t i = fastdl_claim(&blocks.team, blocks.n)
    while i >= 0:
        blocks.work(blocks.call, i)
        i = fastdl_claim(&blocks.team, blocks.n)


cdef void run_blocks(
    Py_ssize_t rows, BlockWork work, const void* call, int n_threads,
) noexcept:
    """The work on every block of so many rows."""
    cdef Blocks blocks
    blocks.n, blocks.work, blocks.call = (rows + BLOCK - 1) // BLOCK, work, call
    with nogil:
        fastdl_begin_team(&blocks.team)
        run_team(n_threads, take_blocks, &blocks)
        fastdl_end_team(&blocks.team)


cdef struct Arrays:  # what all blocks of a call share
    const Kernels* kernels
    int activation
    Matrix a, b, out


cdef inline char* block_at(const Arrays* call, const Matrix* of, Py_ssize_t block) noexcept nogil:
    return of.at + block * BLOCK * row_step(of) * call.kernels.item


cdef void multiply_block(const void* data, Py_ssize_t block) noexcept nogil:
    """out = A B for one block of rows."""
    cdef const Arrays* call = <const Arrays*> data
    cdef Matrix some = call.a, out = call.out
    some.rows = out.rows = block_rows(block, out.rows)
    some.at, out.at = block_at(call, &some, block), block_at(call, &out, block)
    multiply(call.kernels, &some, &call.b, False, &out)


def gemm(
    bint transpose_a, bint transpose_b,
    const floating[:, ::1] a, const floating[:, ::1] b, floating[:, ::1] out, int n_threads,
):
    """out = op(a) op(b)."""
    cdef Arrays call
    call.kernels = kernels_of(sizeof(floating))
    call.a = matrix(&a[0, 0], a.shape[0], a.shape[1], a.shape[1])
    call.b = matrix(&b[0, 0], b.shape[0], b.shape[1], b.shape[1])
    call.out = matrix(&out[0, 0], out.shape[0], out.shape[1], out.shape[1])
    if transpose_a:
        call.a = transposed(&call.a)
    if transpose_b:
        call.b = transposed(&call.b)
    run_blocks(call.out.rows, multiply_block, &call, n_threads)


cdef struct Gathering:
    const Kernels* kernels
    int source
    const char* x
    Py_ssize_t stride
    const Py_ssize_t* order
    const void* shift
    const void* scale
    Matrix out


cdef void gather_block(const void* data, Py_ssize_t block) noexcept nogil:
    cdef const Gathering* call = <const Gathering*> data
    cdef Py_ssize_t first = block * BLOCK, d = call.out.columns
    call.kernels.read[call.source](
        call.x, call.stride, call.order + first, call.shift, call.scale,
        call.out.at + first * d * call.kernels.item, d, NULL, block_rows(block, call.out.rows), d)


def gather(
    const source[:, :] x, const Py_ssize_t[::1] order, floating[:, ::1] out, shift, scale,
    int n_threads,
):
    """out[i] = (x[order[i]] - shift) * scale; the items of a row of x lie side by side.

    shift and scale are of double where x is, else of the type of out; None: no scaling.
    """
    cdef Gathering call
    call.kernels = kernels_of(sizeof(floating))
    call.source = (
        FASTDL_SOURCE_f32 if source is float else
        FASTDL_SOURCE_f64 if source is double else FASTDL_SOURCE_u8)
    call.x, call.order = <const char*> &x[0, 0], &order[0]
    call.stride = x.strides[0] // <Py_ssize_t> sizeof(source)
    call.shift, call.scale = address(shift), address(scale)
    call.out = matrix(&out[0, 0], out.shape[0], out.shape[1], out.shape[1])
    run_blocks(call.out.rows, gather_block, &call, n_threads)


cdef void activate_block(const void* data, Py_ssize_t block) noexcept nogil:
    cdef const Arrays* call = <const Arrays*> data
    cdef Py_ssize_t h = call.out.columns
    call.kernels.activate[call.activation](
        call.a.at, block_at(call, &call.out, block), NULL, block_rows(block, call.out.rows), h, h)


def bias_activation(int activation, const floating[::1] bias, floating[:, ::1] z, int n_threads):
    """z = activation(z + bias), in place."""
    cdef Arrays call
    cdef Py_ssize_t n = z.shape[0], h = z.shape[1]
    call.kernels, call.activation = kernels_of(sizeof(floating)), activation
    call.a, call.out = matrix(&bias[0], 1, h, h), matrix(&z[0, 0], n, h, h)
    run_blocks(n, activate_block, &call, n_threads)


cdef void activate_backward_block(const void* data, Py_ssize_t block) noexcept nogil:
    cdef const Arrays* call = <const Arrays*> data
    cdef Py_ssize_t h = call.out.columns
    call.kernels.activate_backward[call.activation](
        block_at(call, &call.a, block), block_at(call, &call.out, block),
        block_rows(block, call.out.rows), h, h)


def activation_backward(
    int activation, const floating[:, ::1] by, floating[:, ::1] dout, int n_threads,
):
    """dz = dout * activation'(z), in place, by the activation's outputs or its inputs z."""
    cdef Arrays call
    cdef Py_ssize_t n = by.shape[0], h = by.shape[1]
    call.kernels, call.activation = kernels_of(sizeof(floating)), activation
    call.a, call.out = matrix(&by[0, 0], n, h, h), matrix(&dout[0, 0], n, h, h)
    run_blocks(n, activate_backward_block, &call, n_threads)


cdef struct Masking:
    const Kernels* kernels
    int code
    Draw draw
    double rate
    Matrix x, out


cdef void mask_block(const void* data, Py_ssize_t block) noexcept nogil:
    cdef const Masking* call = <const Masking*> data
    cdef Draw draw = call.draw
    cdef Py_ssize_t first = block * BLOCK, skip = first * call.x.ld * call.kernels.item
    draw.row += <unsigned long long> first
    call.kernels.mask[call.code](
        &draw, call.rate, call.x.at + skip, call.x.ld, call.out.at + skip, call.out.ld,
        block_rows(block, call.x.rows), call.x.columns)


def mask(
    int code, place, double rate, const floating[:, ::1] x, floating[:, ::1] out, int n_threads,
):
    """out = x times the factors of a mask; place: (seed, step, layer), rows count from 0."""
    cdef Py_ssize_t n = x.shape[0], h = x.shape[1]
    cdef Masking call
    call.kernels = kernels_of(sizeof(floating))
    call.code, call.rate, call.draw.row = code, rate, 0
    call.draw.seed, call.draw.step, call.draw.layer = place
    call.x, call.out = matrix(&x[0, 0], n, h, h), matrix(&out[0, 0], n, h, h)
    run_blocks(n, mask_block, &call, n_threads)


cdef struct Norming:
    const Kernels* kernels
    double epsilon
    Matrix x, dout, out
    char* mean  # rows: that, the variance, one over its root
    char* gamma
    char* grads  # rows: of gamma, of beta; NULL: forward
    bint of_batch  # whether the mean and the variance are to be those of x


cdef void norm_block(const void* data, Py_ssize_t block) noexcept nogil:
    """Some columns: all of their rows."""
    cdef const Norming* call = <const Norming*> data
    cdef const Kernels* kernels = call.kernels
    cdef Py_ssize_t h = call.x.ld, n = call.x.rows, row = h * kernels.item
    cdef Py_ssize_t skip = block * BLOCK * kernels.item, columns = block_rows(block, h)
    cdef char* mean = call.mean + skip
    if call.of_batch:
        kernels.moments(call.x.at + skip, h, n, columns, mean, mean + row)
    kernels.inverse_root(mean + row, call.epsilon, mean + 2 * row, columns)
    if call.grads == NULL:
        kernels.normalise(
            call.x.at + skip, h, mean, mean + 2 * row, call.gamma + skip, call.out.at + skip, h, n,
            columns)
    else:
        kernels.normalise_back(
            call.x.at + skip, h, mean, mean + 2 * row, call.gamma + skip, call.dout.at + skip, h,
            call.grads + skip, call.grads + row + skip, call.out.at + skip, h, n, columns)


cdef Norming norming(
    const floating[:, ::1] x, floating[:, ::1] moments, bint of_batch, double epsilon,
    const floating[::1] gamma, floating[:, ::1] out,
):
    """What both directions share."""
    cdef Norming call
    cdef Py_ssize_t n = x.shape[0], h = x.shape[1]
    call.kernels, call.epsilon, call.of_batch = kernels_of(sizeof(floating)), epsilon, of_batch
    call.x, call.out = matrix(&x[0, 0], n, h, h), matrix(&out[0, 0], n, h, h)
    call.mean, call.gamma, call.grads = <char*> &moments[0, 0], <char*> &gamma[0], NULL
    return call


def normalise(
    const floating[:, ::1] x, floating[:, ::1] moments, bint of_batch, double epsilon,
    const floating[::1] gamma, floating[:, ::1] out, int n_threads,
):
    """out = x, normalised by the first two of the three rows of moments, times gamma.

    of_batch: have x's own mean and variance there first.
    """
    cdef Norming call = norming[floating](x, moments, of_batch, epsilon, gamma, out)
    run_blocks(x.shape[1], norm_block, &call, n_threads)


def normalise_back(
    const floating[:, ::1] x, const floating[:, ::1] dout, floating[:, ::1] moments,
    double epsilon, const floating[::1] gamma, floating[:, ::1] dx, floating[:, ::1] grads,
    int n_threads,
):
    """dx, and the gradients of gamma and beta as rows, where x is normalised by its own moments."""
    cdef Norming call = norming[floating](x, moments, True, epsilon, gamma, dx)
    call.dout = matrix(&dout[0, 0], dout.shape[0], dout.shape[1], dout.shape[1])
    call.grads = <char*> &grads[0, 0]
    run_blocks(x.shape[1], norm_block, &call, n_threads)


cdef void softmax_block(const void* data, Py_ssize_t block) noexcept nogil:
    cdef const Arrays* call = <const Arrays*> data
    cdef Py_ssize_t row, k = call.out.columns
    for row in range(block_rows(block, call.out.rows)):
        call.kernels.softmax(
            block_at(call, &call.out, block) + row * k * call.kernels.item, k)


def softmax(floating[:, ::1] logits, int n_threads):
    """logits = softmax(logits), row by row, in place."""
    cdef Arrays call
    cdef Py_ssize_t n = logits.shape[0], k = logits.shape[1]
    call.kernels, call.out = kernels_of(sizeof(floating)), matrix(&logits[0, 0], n, k, k)
    run_blocks(n, softmax_block, &call, n_threads)


def sum_rows(const floating[:, ::1] x, floating[::1] out):
    """out = the sum of x over its rows."""
    cdef Py_ssize_t h = x.shape[1]
    with nogil:
        kernels_of(sizeof(floating)).sum_rows(&x[0, 0], x.shape[0], h, h, False, &out[0])


cdef struct Loss:
    const Kernels* kernels
    int code
    const double* settings
    double scale
    Truth truth
    Matrix logits
    char* dlogits
    double* partial  # results of each block


cdef Truth truth_of(answers):
    """Labels, targets and weights, or None for each, which the caller keeps alive."""
    cdef Truth truth
    labels, targets, weights = answers
    truth.labels, truth.order = <const int*> address(labels), NULL
    truth.targets, truth.weights = address(targets), address(weights)
    return truth


cdef void loss_of_block(const void* data, Py_ssize_t block) noexcept nogil:
    """The loss and the number correct of one block of rows."""
    cdef const Loss* call = <const Loss*> data
    cdef double* out = call.partial + 2 * block
    cdef Py_ssize_t n_correct, first = block * BLOCK, k = call.logits.columns
    cdef Py_ssize_t skip = first * k * call.kernels.item
    cdef Truth truth = truth_from(&call.truth, first, k, call.kernels.item)
    out[0] = call.kernels.loss[call.code](
        call.logits.at + skip, &truth, call.settings, call.scale,
        NULL if call.dlogits == NULL else call.dlogits + skip, NULL, &n_correct,
        block_rows(block, call.logits.rows), k)
    out[1] = <double> n_correct


def loss_forward_backward(
    int loss, const floating[:, ::1] logits, answers, const double[::1] settings,
    double scale, floating[:, ::1] dlogits, double[:, ::1] partial, int n_threads,
):
    """The weighted sum of the rows' losses and the number correct; fills dlogits.

    answers: labels, targets and weights, of which labels or targets is None, and weights may be, as
    dlogits. partial is workspace, two elements a block.
    """
    cdef Py_ssize_t n = logits.shape[0]
    cdef Loss call
    call.kernels, call.code, call.settings = kernels_of(sizeof(floating)), loss, &settings[0]
    call.scale, call.truth = scale, truth_of(answers)
    call.logits = matrix(&logits[0, 0], n, logits.shape[1], logits.shape[1])
    call.dlogits = <char*> &dlogits[0, 0] if dlogits is not None else NULL
    call.partial = &partial[0, 0]
    run_blocks(n, loss_of_block, &call, n_threads)
    return sum(partial[:, 0]), int(sum(partial[:, 1]))


def row_losses(
    int loss, const floating[:, ::1] logits, labels, targets, const double[::1] settings,
    double[::1] out,
):
    """out = the loss of each row; labels or targets is None."""
    cdef Truth truth = truth_of((labels, targets, None))
    cdef Py_ssize_t n_correct
    with nogil:
        kernels_of(sizeof(floating)).loss[loss](
            &logits[0, 0], &truth, &settings[0], 0, NULL, &out[0], &n_correct, logits.shape[0],
            logits.shape[1])


def finite(const floating[::1] x):
    """Whether no element is NaN or infinite."""
    return bool(kernels_of(sizeof(floating)).finite(&x[0], 0, NULL, 1, x.shape[0]))


def penalty(const floating[::1] weight, double l1, double l2):
    """l1 sum(|w|) + l2 sum(w^2)."""
    cdef double total
    with nogil:
        total = kernels_of(sizeof(floating)).penalty(&weight[0], weight.shape[0], l1, l2)
    return total


def penalty_gradient(const floating[::1] weight, double l1, double l2, floating[::1] dweight):
    """dweight = l1 sign(w) + 2 l2 w."""
    with nogil:
        kernels_of(sizeof(floating)).penalty_gradient(
            &weight[0], weight.shape[0], l1, l2, &dweight[0])


def update(
    hyper, double learning_rate, Py_ssize_t t, double l1, double l2, floating[::1] param,
    const floating[::1] grad, moments,
):
    """One step of an optimiser over a whole array; t counts its steps from 1.

    hyper: (optimiser, settings, a bound that is for loops); moments: as many as it has, up to two.
    """
    cdef Update update = update_from(hyper)
    first, second = [*moments, None, None][:2]
    cdef void* p_first = address(first, True)
    cdef void* p_second = address(second, True)
    count_update(&update, learning_rate, t)
    with nogil:
        kernels_of(sizeof(floating)).update[update.optimiser](
            &update, True, l1, l2, &grad[0], &param[0], p_first, p_second, param.shape[0])
