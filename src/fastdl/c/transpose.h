/* Transposing, for one type and one target. TRANSPOSE_8X8, if the target has one for the type, does so
 * in registers. */

#ifdef TRANSPOSE_8X8
#define SIDE 8
#define TRANSPOSE_SQUARE TRANSPOSE_8X8
#else
#define SIDE 4
#define TRANSPOSE_SQUARE NAME(transpose_square)
/* b = the transpose of a, in a square that stays in registers. */
static inline void NAME(transpose_square)(const T *restrict a, wide lda, T *restrict b, wide ldb)
{
    T square[SIDE][SIDE];
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++)
            square[c][r] = a[r * lda + c];
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++)
            b[r * ldb + c] = square[r][c];
}
#endif

/* b (n x m) = the transpose of a (m x n). */
static void NAME(transpose)(wide m, wide n, const void *restrict from, wide lda,
                            void *restrict to, wide ldb)
{
    const T *a = from;
    T *b = to;
    wide i = 0;
    for (; i + SIDE <= m; i += SIDE) {
        wide j = 0;
        for (; j + SIDE <= n; j += SIDE)
            TRANSPOSE_SQUARE(a + i * lda + j, lda, b + j * ldb + i, ldb);
        for (; j < n; j++)
            for (int r = 0; r < SIDE; r++)
                b[j * ldb + i + r] = a[(i + r) * lda + j];
    }
    for (; i < m; i++)
        for (wide j = 0; j < n; j++)
            b[j * ldb + i] = a[i * lda + j];
}

#undef SIDE
#undef TRANSPOSE_SQUARE
