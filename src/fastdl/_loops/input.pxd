"""The rows of a data set: which of them, how they are looked at and how they get into a product.

They are copied to the workspace, unless they need no conversion and the products can take them
where they lie.
"""

from fastdl._kernels cimport has_microkernels, skips
from fastdl._loops.net cimport Net
from fastdl._loops.typed cimport (
    Answers, Kernels, Matrix, Source, Which, gather, items_are_finite, matrix, row_is_sparse,
)

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void* address) noexcept nogil

cdef enum:
    SAMPLE = 64  # rows by which is decided whether it is worth to look at each

cdef struct View:  # a data set as pointers
    Py_ssize_t n
    Source source
    Answers answers
    const void* offset  # -shift * scale, of the network's type
    bint scan_zeros  # whether a row may be worth a look for zeros
    bint check_finite  # whether every row has to be looked at for NaN and infinities


cdef inline bint lies_ready(const Net* net, const View* rows) noexcept nogil:
    """Whether products can take the rows as they lie."""
    return (rows.source.shift == NULL and rows.source.kind == (0 if net.single else 1)
            and rows.source.stride >= net.d)


cdef inline bint trains_in_place(const Net* net, const View* rows) noexcept nogil:
    """Whether a fit takes the rows where they lie, in any order."""
    return net.layers[0].by_unit and has_microkernels() and lies_ready(net, rows)


cdef inline bint may_skip(const Net* net, const View* rows) noexcept nogil:
    """Whether each row is looked at for zeros."""
    return rows.scan_zeros and not net.layers[0].by_unit and skips(
        net.layers[0].d, net.layers[0].h)


cdef inline bint are_often_sparse(
    const Source* source, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    """Whether, of some of n rows, a quarter or more are mostly zero."""
    cdef Py_ssize_t i, sparse = 0, some = min(<Py_ssize_t> SAMPLE, n)
    for i in range(some):
        sparse += row_is_sparse(source, i * n // some, d)
    return 4 * sparse >= some


cdef inline Matrix rows_in_place(
    const Source* source, Which which, Py_ssize_t n, Py_ssize_t d, Py_ssize_t item,
) noexcept nogil:
    """Some rows where they lie."""
    cdef Matrix x = matrix(source.x, n, d, source.stride)
    x.order = which.order
    if which.order == NULL:
        x.at += which.first * source.stride * item
    return x


cdef inline void look_for_zeros(
    const Source* source, Py_ssize_t first, const Matrix* x, unsigned char* sparse,
) noexcept nogil:
    """Which of the rows from first on are mostly zero."""
    cdef Py_ssize_t i
    for i in range(x.rows):
        sparse[i] = row_is_sparse(source, first + i, x.columns)


cdef inline bint row_is_finite(
    const Kernels* kernels, const Matrix* x, Py_ssize_t i,
) noexcept nogil:
    """Whether a row has no NaN and no infinity."""
    cdef Py_ssize_t row = i if x.order == NULL else x.order[i]
    return items_are_finite(kernels, x.at + row * x.ld * kernels.item, x.columns)


cdef inline bint are_finite(const Kernels* kernels, const Matrix* x) noexcept nogil:
    cdef Py_ssize_t i
    cdef bint finite = True
    for i in range(x.rows):
        finite &= row_is_finite(kernels, x, i)
    return finite


cdef inline void ask_for_answers(
    const Net* net, const Answers* answers, const Py_ssize_t* order, Py_ssize_t n,
) noexcept nogil:
    """Have what the loss will read of the rows order[0:n] fetched meanwhile.

    In an order at random each would be waited for: some 100 ns a row where memory is far.
    """
    cdef const char* targets = <const char*> answers.targets
    cdef const char* weights = <const char*> answers.weights
    cdef Py_ssize_t i, at, size = net.k * net.item
    for i in range(n):
        if answers.labels != NULL:
            prefetch(answers.labels + order[i])
        if targets != NULL:
            for at in range(0, size, 64):  # lines of the cache
                prefetch(targets + order[i] * size + at)
            prefetch(targets + order[i] * size + size - 1)
        if weights != NULL:
            prefetch(weights + order[i] * net.item)
