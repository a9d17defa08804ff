/* The gradient of a weight for a batch of a few rows, and plain SGD's update by it, for one type and
 * one target.
 *
 * So few rows cost less than to read and write the weight, which lies in the second-level cache: it
 * is taken row by row as it lies, once, and the gradient is not stored if the update is done. */

#define ROW_VECTORS 8 /* of a row of C at once */

/* Some columns of one row of C: scale a B, and decay C with it if that was there before. */
INLINE void NAME(few_columns)(
    const int vectors, const int masked, wide k, const T *a, wide lda, const T *b, wide ldb,
    T scale, T decay, int before, T *c, M last)
{
    V sum[ROW_VECTORS];
    UNROLL
    for (int j = 0; j < vectors; j++)
        if (!before)
            sum[j] = SET1(0);
        else
            sum[j] = SET1(decay) * (masked && j == vectors - 1 ? LOADM(c + j * L, last)
                                                               : LOAD(c + j * L));
    KEEP_SHORT
    for (wide p = 0; p < k; p++, a += lda, b += ldb)
        NAME(add_row)(vectors, masked, SET1(scale * *a), b, last, sum);
    NAME(store_row)(vectors, masked, sum, c, last);
}

/* grad (m x n) = A^T B of at most FASTDL_FEW_ROWS rows, or if param is not NULL instead of it
 * param = decay param - rate grad. */
static void NAME(few_rows)(wide m, wide n, wide k, const void *a, wide lda, const void *b, wide ldb,
                           const fastdl_coming *coming, double rate, double decay, void *grad,
                           void *param, wide ldc)
{
    const wide width = ROW_VECTORS * L;
    const T *first = a, *second = b, scale = param ? -(T)rate : 1, left = (T)decay;
    T *c = param ? param : grad;
    for (wide p = 0; coming && p < k; p++)
        ask(coming, p, 0, coming->columns ? n : m);
    for (wide j = 0; j < n; j += width) {
        const wide columns = n - j < width ? n - j : width;
        const M last = MASK((columns - 1) % L + 1);
#define ROWS(vectors, masked)                                                                    \
    for (wide i = 0; i < m; i++)                                                                 \
        NAME(few_columns)(vectors, masked, k, first + i, lda, second + j, ldb, scale, left,      \
                          param != NULL, c + i * ldc + j, last);                                 \
    break;
#define CASE(vectors)                                                                            \
    case vectors: ROWS(vectors, 1)
        switch (columns == width ? 0 : (columns + L - 1) / L) {
        case 0: ROWS(ROW_VECTORS, 0)
            UP_TO(ROW_VECTORS, CASE)
        }
#undef CASE
#undef ROWS
    }
}
