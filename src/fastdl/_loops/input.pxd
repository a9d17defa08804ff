"""The rows of a data set: which of them, how they are looked at, where products take them from.

They are copied to the workspace, unless they need no conversion and the products can take them
where they lie.
"""

from fastdl._kernels cimport (
    FASTDL_SOURCE_f32, FASTDL_SOURCE_f64, Kernels, Truth, has_microkernels, skips, truth_from,
)
from fastdl._loops.net cimport DENSE, Layer, Net
from fastdl._matrix cimport Matrix, matrix

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void* address) noexcept nogil

cdef enum:
    SAMPLE = 64  # rows by which is decided whether it is worth to look at each

cdef struct View:  # a data set as pointers
    Py_ssize_t n, d
    int kind  # the code of the type of x
    Py_ssize_t item, stride  # bytes of an item of x, items from row to row
    const char* x
    const void* shift  # double where x is, as scale; else of the network's type
    const void* scale
    const void* offset  # -shift * scale, of the network's type
    Truth truth
    bint scan_zeros  # whether a row may be worth a look for zeros
    bint check_finite  # whether every row has to be looked at for NaN and infinities

cdef struct Which:  # of its rows: order[0], order[1] ..., or where order is NULL,
    const Py_ssize_t* order
    Py_ssize_t first  # first, first + 1 ...


cdef inline Which after(Which which, Py_ssize_t n) noexcept nogil:
    """The rows that come after so many."""
    which.first += n
    if which.order != NULL:
        which.order += n
    return which


# --- how a data set is read ------------------------------------------------------------------

cdef inline bint lies_ready(const Net* net, const View* rows) noexcept nogil:
    """Whether products can take the rows as they lie."""
    cdef int wanted = FASTDL_SOURCE_f32 if net.single else FASTDL_SOURCE_f64
    return rows.shift == NULL and rows.kind == wanted and rows.stride >= net.d


cdef inline bint trains_in_place(const Net* net, const View* rows) noexcept nogil:
    """Whether a fit takes the rows where they lie, in any order."""
    return net.layers[0].by_unit and has_microkernels() and lies_ready(net, rows)


cdef inline bint may_skip(const Net* net, const View* rows) noexcept nogil:
    """Whether each row is looked at for zeros."""
    cdef const Layer* layer = &net.layers[0]
    return rows.scan_zeros and layer.kind == DENSE and not layer.by_unit and skips(
        layer.d, layer.h)


# --- some of its rows ------------------------------------------------------------------------

cdef inline bint is_sparse(const Kernels* kernels, const View* rows, Py_ssize_t i) noexcept nogil:
    """Whether so much of row i is zero that a product should skip it."""
    return kernels.is_sparse[rows.kind](rows.x + i * rows.stride * rows.item, rows.d)


cdef inline bint are_often_sparse(const Kernels* kernels, const View* rows) noexcept nogil:
    """Whether, of some of the rows, a quarter or more are."""
    cdef Py_ssize_t i, sparse = 0, some = min(<Py_ssize_t> SAMPLE, rows.n)
    for i in range(some):
        sparse += is_sparse(kernels, rows, i * rows.n // some)
    return 4 * sparse >= some


cdef inline Matrix take_in_place(const View* rows, Which which, Py_ssize_t n) noexcept nogil:
    """Some rows where they lie."""
    cdef Matrix x = matrix(rows.x, n, rows.d, rows.stride)
    x.order = which.order
    if which.order == NULL:
        x.at += which.first * rows.stride * rows.item
    return x


cdef inline void look_for_zeros(
    const Kernels* kernels, const View* rows, Py_ssize_t first, Py_ssize_t n,
    unsigned char* sparse,
) noexcept nogil:
    """Which of n rows are sparse."""
    cdef Py_ssize_t i
    for i in range(n):
        sparse[i] = is_sparse(kernels, rows, first + i)


cdef inline void read_rows(
    const Kernels* kernels, const View* rows, Which which, const Matrix* out,
    unsigned char* sparse,
) noexcept nogil:
    """out = some rows, scaled; sparse, if not NULL, tells which are, and these are not shifted."""
    cdef Matrix x = take_in_place(rows, which, out.rows)
    kernels.read[rows.kind](
        x.at, x.ld, x.order, rows.shift, rows.scale, out.at, out.ld, sparse, out.rows, out.columns)


cdef inline bint are_finite(const Kernels* kernels, const Matrix* x) noexcept nogil:
    """Whether no item is NaN or infinite."""
    return kernels.finite(x.at, x.ld, x.order, x.rows, x.columns)


# --- what is right for them ------------------------------------------------------------------

cdef inline Truth take_truth(
    const Kernels* kernels, const Net* net, const View* rows, Which which,
) noexcept nogil:
    """What is right for some rows."""
    cdef Truth truth = truth_from(
        &rows.truth, which.first if which.order == NULL else 0, net.k, kernels.item)
    truth.order = which.order
    return truth


cdef inline void ask_for_truth(
    const Net* net, const Truth* truth, const Py_ssize_t* order, Py_ssize_t n,
) noexcept nogil:
    """Have what the loss will read of the rows order[0:n] fetched meanwhile.

    In an order at random each would be waited for: some 100 ns a row where memory is far.
    """
    cdef const char* targets = <const char*> truth.targets
    cdef const char* weights = <const char*> truth.weights
    cdef Py_ssize_t i, at, size = net.k * net.item
    for i in range(n):
        if truth.labels != NULL:
            prefetch(truth.labels + order[i])
        if targets != NULL:
            for at in range(0, size, 64):  # lines of the cache
                prefetch(targets + order[i] * size + at)
            prefetch(targets + order[i] * size + size - 1)
        if weights != NULL:
            prefetch(weights + order[i] * net.item)
