/* The loops over single elements that limit an epoch, for one type and one instruction set; the
 * compiler vectorises them. _isa.c includes this once for each, after _gemm.h, _sparse.h and one of
 * _f32.h and _f64.h. */

/* How many items of x are zero, in runs whose count fits in 16 bits: so narrow are the lanes.
 * out = (x - shift) * scale; shift NULL: 0; scale NULL: 1, and no shift. S is the type of that
 * arithmetic: doubles are scaled before they become T, which may not tell them from each other. */
#define READ(NAME_OF_X, X, S)                                                                    \
    static long NAME(zeros_##NAME_OF_X)(const X *x, long d)                                       \
    {                                                                                             \
        long zeros = 0;                                                                           \
        for (long start = 0; start < d; start += 32768) {                                         \
            const long n = d - start < 32768 ? d - start : 32768;                                 \
            unsigned short run = 0;                                                               \
            for (long j = 0; j < n; j++)                                                          \
                run += x[start + j] == 0;                                                         \
            zeros += run;                                                                         \
        }                                                                                         \
        return zeros;                                                                             \
    }                                                                                             \
    static void NAME(gather_##NAME_OF_X)(const X *restrict x, const S *restrict shift,            \
                                         const S *restrict scale, T *restrict out, long d)        \
    {                                                                                             \
        if (shift)                                                                                \
            for (long j = 0; j < d; j++)                                                          \
                out[j] = (T)(((S)x[j] - shift[j]) * scale[j]);                                    \
        else if (scale)                                                                           \
            for (long j = 0; j < d; j++)                                                          \
                out[j] = (T)((S)x[j] * scale[j]);                                                 \
        else                                                                                      \
            for (long j = 0; j < d; j++)                                                          \
                out[j] = (T)x[j];                                                                 \
    }

READ(f32, float, T)
READ(f64, double, double)
READ(u8, unsigned char, T)
#undef READ

/* out (columns) = the sums of some columns of x over its rows (+ out). */
static inline __attribute__((always_inline)) void NAME(sum_columns)(
    const int columns, const T *restrict x, long n, long ldx, int add, T *restrict out)
{
    double total[SUM_COLUMNS] = {0};
    for (long start = 0; start < n; start += SUM_RUN) {
        const long stop = n - start < SUM_RUN ? n : start + SUM_RUN;
        T run[SUM_COLUMNS] = {0};
        for (long i = start; i < stop; i++)
            for (int j = 0; j < columns; j++)
                run[j] += x[i * ldx + j];
        for (int j = 0; j < columns; j++)
            total[j] += run[j];
    }
    for (int j = 0; j < columns; j++)
        out[j] = (T)(total[j] + (add ? out[j] : 0));
}

/* out (h) = the sum of x (n x h) over its rows (+ out). Runs of a few rows are summed in T and added
 * in double, so that no number of rows wears the sum out. */
static void NAME(sum_rows)(const T *x, long n, long h, long ldx, int add, T *out)
{
    long j = 0;
    for (; j + SUM_COLUMNS <= h; j += SUM_COLUMNS)
        NAME(sum_columns)(SUM_COLUMNS, x + j, n, ldx, add, out + j);
    if (j < h)
        NAME(sum_columns)(h - j, x + j, n, ldx, add, out + j);
}

/* Whether no item is NaN or infinite. */
static int NAME(finite)(const T *x, long size)
{
    int bad = 0;
    for (long i = 0; i < size; i++)
        bad |= x[i] - x[i] != 0;
    return !bad;
}

/* b = the transpose of a, in a square that stays in registers. */
#ifdef TRANSPOSE_8X8
#define SIDE 8
#define TRANSPOSE_SQUARE TRANSPOSE_8X8
#else
#define SIDE 4
#define TRANSPOSE_SQUARE NAME(transpose_square)
static inline void NAME(transpose_square)(const T *restrict a, long lda, T *restrict b, long ldb)
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
static void NAME(transpose)(long m, long n, const T *restrict a, long lda, T *restrict b, long ldb)
{
    long i = 0;
    for (; i + SIDE <= m; i += SIDE) {
        long j = 0;
        for (; j + SIDE <= n; j += SIDE)
            TRANSPOSE_SQUARE(a + i * lda + j, lda, b + j * ldb + i, ldb);
        for (; j < n; j++)
            for (int r = 0; r < SIDE; r++)
                b[j * ldb + i + r] = a[(i + r) * lda + j];
    }
    for (; i < m; i++)
        for (long j = 0; j < n; j++)
            b[j * ldb + i] = a[i * lda + j];
}
#undef SIDE
#undef TRANSPOSE_SQUARE

/* param -= rate (grad + 2 l2 param + l1 sign(param)). */
static void NAME(sgd)(T rate, T l1, T l2, const T *restrict grad, T *restrict param, long size)
{
    if (l1 == 0)
        for (long i = 0; i < size; i++)
            param[i] -= rate * (grad[i] + 2 * l2 * param[i]);
    else
        for (long i = 0; i < size; i++)
            param[i] -= rate * (grad[i] + 2 * l2 * param[i] +
                                l1 * (T)((param[i] > 0) - (param[i] < 0)));
}

/* The gradient of the loss and of l1 |w| + l2 w^2 (at w = 0 the subgradient 0). */
static inline T NAME(penalised)(T grad, T w, T l1, T l2)
{
    return grad + 2 * l2 * w + l1 * (T)((w > 0) - (w < 0));
}

/* velocity = momentum velocity + gradient; param -= rate times it, or where it looks ahead. */
static void NAME(momentum)(T rate, T momentum, int nesterov, T l1, T l2, const T *restrict grad,
                           T *restrict param, T *restrict velocity, long size)
{
    if (nesterov)
        for (long i = 0; i < size; i++) {
            T g = NAME(penalised)(grad[i], param[i], l1, l2);
            velocity[i] = momentum * velocity[i] + g;
            param[i] -= rate * (g + momentum * velocity[i]);
        }
    else
        for (long i = 0; i < size; i++) {
            velocity[i] = momentum * velocity[i] + NAME(penalised)(grad[i], param[i], l1, l2);
            param[i] -= rate * velocity[i];
        }
}

/* Adam (Kingma & Ba 2015, algorithm 1), its corrections in rate and root. */
static void NAME(adam)(T rate, T root, T beta1, T rest1, T beta2, T rest2, T epsilon, T l1, T l2,
                       const T *restrict grad, T *restrict param, T *restrict mean,
                       T *restrict square, long size)
{
    for (long i = 0; i < size; i++) {
        T g = NAME(penalised)(grad[i], param[i], l1, l2);
        mean[i] = beta1 * mean[i] + rest1 * g;
        square[i] = beta2 * square[i] + rest2 * g * g;
        param[i] -= rate * mean[i] / (SQRT(square[i]) / root + epsilon);
    }
}
