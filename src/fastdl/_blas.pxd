"""The only file that names sgemm and dgemm: one row-major product for float and double."""

from cython cimport floating
from scipy.linalg.cython_blas cimport dgemm, sgemm


cdef inline void blas_gemm(
    bint transpose_a, bint transpose_b,  # in
    int m, int n, int k, floating alpha,
    const floating* a, int lda, const floating* b, int ldb,
    floating beta,
    floating* c, int ldc,  # out
) noexcept nogil:
    """C (m x n) = alpha op(A) op(B) + beta C, all row-major; k is the depth."""
    # BLAS is column-major: a row-major C is its C^T = op(B)^T op(A)^T. The casts drop the const
    # that SciPy's declarations lack.
    cdef char ta = c't' if transpose_a else c'n'
    cdef char tb = c't' if transpose_b else c'n'
    if floating is float:
        sgemm(&tb, &ta, &n, &m, &k, &alpha, <float*> b, &ldb, <float*> a, &lda, &beta, c, &ldc)
    else:
        dgemm(&tb, &ta, &n, &m, &k, &alpha, <double*> b, &ldb, <double*> a, &lda, &beta, c, &ldc)
