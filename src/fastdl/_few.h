/* The gradient of a weight for a batch of a few rows, and plain SGD's update by it, for one type and
 * one instruction set; _isa.c includes this once for each, after _row.h.
 *
 * So few rows cost less than to read and write the weight, which lies in the second-level cache: it
 * is taken row by row as it lies, once, and the gradient is not stored if the update is done. */

/* Some columns of one row of C: scale a B, and decay C with it if that was there before. */
static inline __attribute__((always_inline)) void NAME(few_columns)(
    const int vectors, const int masked, long k, const T *a, long lda, const T *b, long ldb,
    T scale, T decay, int before, T *c, M last)
{
    V sum[ROW_VECTORS];
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++)
        if (!before)
            sum[j] = SET1(0);
        else
            sum[j] = SET1(decay) * (masked && j == vectors - 1 ? LOADM(c + j * L, last)
                                                               : LOAD(c + j * L));
    for (long p = 0; p < k; p++, a += lda, b += ldb)
        NAME(add_row)(vectors, masked, SET1(scale * *a), b, last, sum);
    NAME(store_row)(vectors, masked, sum, c, last);
}

/* grad (m x n) = A^T B of at most FASTDL_FEW_ROWS rows, or if param is not NULL instead of it
 * param = decay param - rate grad. */
static void NAME(few_rows)(long m, long n, long k, const T *a, long lda, const T *b, long ldb,
                           const fastdl_coming *coming, T rate, T decay, T *grad, T *param,
                           long ldc)
{
    const long width = ROW_VECTORS * L;
    const T scale = param ? -rate : 1;
    T *c = param ? param : grad;
    for (long p = 0; coming && p < k; p++)
        ask(coming, p, 0, coming->columns ? n : m);
    for (long j = 0; j < n; j += width) {
        const long columns = n - j < width ? n - j : width;
        const M last = MASK((columns - 1) % L + 1);
#define CASE(vectors, masked)                                                                    \
    for (long i = 0; i < m; i++)                                                                 \
        NAME(few_columns)(vectors, masked, k, a + i, lda, b + j, ldb, scale, decay,              \
                          param != NULL, c + i * ldc + j, last);                                 \
    break
        switch (columns == width ? 0 : (columns + L - 1) / L) {
        case 0: CASE(ROW_VECTORS, 0);
        case 1: CASE(1, 1);
        case 2: CASE(2, 1);
        case 3: CASE(3, 1);
        case 4: CASE(4, 1);
        case 5: CASE(5, 1);
        case 6: CASE(6, 1);
        case 7: CASE(7, 1);
        case 8: CASE(8, 1);
        }
#undef CASE
    }
}
