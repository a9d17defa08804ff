"""The only file that names sgemm and dgemm: one row-major product for float and double."""

from scipy.linalg.cython_blas cimport dgemm, sgemm

from fastdl._matrix cimport Matrix


cdef inline void blas_gemm(
    bint single, const Matrix* a, const Matrix* b, bint add, const Matrix* c,
) noexcept nogil:
    """C = A B (+ C if add), all row-major."""
    # BLAS is column-major: a row-major C is its C^T = B^T A^T.
    cdef char ta = c't' if a.transposed else c'n'
    cdef char tb = c't' if b.transposed else c'n'
    cdef int m = <int> c.rows, n = <int> c.columns, k = <int> a.columns
    cdef int lda = <int> a.ld, ldb = <int> b.ld, ldc = <int> c.ld
    cdef float one = 1, beta = add
    cdef double one_of_doubles = 1, beta_of_doubles = add
    if single:
        sgemm(
            &tb, &ta, &n, &m, &k, &one, <float*> b.at, &ldb, <float*> a.at, &lda, &beta,
            <float*> c.at, &ldc)
    else:
        dgemm(
            &tb, &ta, &n, &m, &k, &one_of_doubles, <double*> b.at, &ldb, <double*> a.at, &lda,
            &beta_of_doubles, <double*> c.at, &ldc)
