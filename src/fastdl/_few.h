/* The gradient of a weight for a batch of a few rows, and plain SGD's update by it, for one type and
 * one instruction set; _isa.c includes this once for each, after _gemm.h.
 *
 * So few rows cost less than to read and write the weight, which lies in the second-level cache: it
 * is taken row by row as it lies, once, and the gradient is not stored if the update is done. The
 * sums are those of _gemm.h, in its order. */

/* One row of C, vectors of its columns: grad, or if param is not NULL the update by it. */
static inline __attribute__((always_inline)) void NAME(few_columns)(
    const int vectors, const int masked, long k, const T *a, long lda, const T *const *b, long at,
    T rate, T l2, T *grad, T *param, M last)
{
    V sum[FEW_VECTORS];
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++)
        sum[j] = SET1(0);
    for (long p = 0; p < k; p++) {
        const V factor = SET1(a[p * lda]);
        const T *row = b[p] + at;
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++)
            sum[j] = FMA(factor, masked && j == vectors - 1 ? LOADM(row + j * L, last)
                                                            : LOAD(row + j * L), sum[j]);
    }
    if (param) {
        const V by = SET1(rate), twice = SET1(2 * l2);
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++) {
            const T *from = param + j * L;
            const V w = masked && j == vectors - 1 ? LOADM(from, last) : LOAD(from);
            sum[j] = w - by * (sum[j] + twice * w);
        }
        grad = param;
    }
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++)
        if (masked && j == vectors - 1)
            STOREM(grad + j * L, last, sum[j]);
        else
            STORE(grad + j * L, sum[j]);
}

/* grad (m x n) = A^T B of at most FASTDL_FEW_ROWS rows, or if param is not NULL instead of it param -= rate
 * (grad + 2 l2 param). */
static void NAME(few_rows)(long m, long n, long k, const T *a, long lda, const T *b, long ldb,
                           const ptrdiff_t *order, const fastdl_coming *coming, T rate, T l2,
                           T *grad, T *param, long ldc)
{
    const long width = FEW_VECTORS * L;
    const T *rows[FASTDL_FEW_ROWS];
    for (long p = 0; p < k; p++) {
        rows[p] = b + (order ? order[p] : p) * ldb;
        if (coming)
            ask(coming, p, 0, coming->columns ? n : m);
    }
    for (long j = 0; j < n; j += width) {
        const long columns = n - j < width ? n - j : width;
        const M last = MASK((columns - 1) % L + 1);
#define CASE(vectors, masked)                                                                    \
    for (long i = 0; i < m; i++)                                                                 \
        NAME(few_columns)(vectors, masked, k, a + i, lda, rows, j, rate, l2, grad + i * ldc + j, \
                          param ? param + i * ldc + j : NULL, last);                             \
    break;
        switch (columns == width ? 0 : (columns + L - 1) / L) {
        case 0: CASE(FEW_VECTORS, 0)
        case 1: CASE(1, 1)
        case 2: CASE(2, 1)
        case 3: CASE(3, 1)
        case 4: CASE(4, 1)
        case 5: CASE(5, 1)
        case 6: CASE(6, 1)
        case 7: CASE(7, 1)
        case 8: CASE(8, 1)
        }
#undef CASE
    }
}
