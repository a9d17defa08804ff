"""A matrix as products take it: where it lies, and how."""

cdef struct Matrix:  # rows x columns in a product
    char* at
    Py_ssize_t rows, columns
    Py_ssize_t ld  # items from one row to the next, as it lies
    bint transposed  # it lies as columns x rows
    const Py_ssize_t* order  # which of the rows that lie there; NULL: the first ones


cdef inline Matrix matrix(
    const void* at, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t ld,
) noexcept nogil:
    """One that lies row by row."""
    cdef Matrix result
    result.at, result.rows, result.columns, result.ld = <char*> at, rows, columns, ld
    result.transposed, result.order = False, NULL
    return result


cdef inline Matrix transposed(const Matrix* a) noexcept nogil:
    """The transpose, where it lies."""
    cdef Matrix result = a[0]
    result.rows, result.columns, result.transposed = a.columns, a.rows, not a.transposed
    return result


cdef inline Py_ssize_t row_step(const Matrix* a) noexcept nogil:
    """Items from a row to the next."""
    return 1 if a.transposed else a.ld


cdef inline Py_ssize_t column_step(const Matrix* a) noexcept nogil:
    """Items from a column to the next."""
    return a.ld if a.transposed else 1
