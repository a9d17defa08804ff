"""The only file that names sgemm and dgemm: one row-major product for float and double."""

from scipy.linalg.cython_blas cimport dgemm, sgemm


cdef inline void blas_gemm(
    bint single, bint transpose_a, bint transpose_b,  # in
    int m, int n, int k, const void* a, int lda, const void* b, int ldb, bint add,
    void* c, int ldc,  # out
) noexcept nogil:
    """C (m x n) = op(A) op(B) (+ C if add), all row-major; k is the depth."""
    # BLAS is column-major: a row-major C is its C^T = op(B)^T op(A)^T. The casts drop the const
    # that SciPy's declarations lack.
    cdef char ta = c't' if transpose_a else c'n'
    cdef char tb = c't' if transpose_b else c'n'
    cdef float one = 1, beta = add
    cdef double one_of_doubles = 1, beta_of_doubles = add
    if single:
        sgemm(
            &tb, &ta, &n, &m, &k, &one, <float*> b, &ldb, <float*> a, &lda, &beta, <float*> c,
            &ldc)
    else:
        dgemm(
            &tb, &ta, &n, &m, &k, &one_of_doubles, <double*> b, &ldb, <double*> a, &lda,
            &beta_of_doubles, <double*> c, &ldc)
