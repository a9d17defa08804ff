/* Rows of a data set as rows of T, and what is known of a row, for one type and one target; the compiler
 * vectorises these loops. */

/* The most items, but for zeros, that a sparse row has. In double a product that skips zeros is the faster
 * one up to here; elsewhere it would be from fewer zeros on, too, but known bits (tests/golden) are kept. */
#define SPARSE_MOST(X, d) (sizeof(X) + sizeof(T) == 2 * sizeof(double) ? 5 * (d) / 8 : (d) / 3)
#define RUN 32768 /* items whose count fits in 16 bits: so narrow are the lanes */
#define AHEAD 8   /* rows from one that is read to the one that is asked for */
#define AHEAD_BYTES 512 /* of it, after which the processor sees by itself what comes */

/* Doubles are scaled before they become T, which may not tell them from each other. */
#define SOURCE(name, X, S)                                                                       \
    static int NAME(is_sparse_##name)(const void *row, wide d)                                   \
    {                                                                                            \
        const X *x = row;                                                                        \
        wide zeros = 0;                                                                          \
        for (wide start = 0; start < d; start += RUN) {                                          \
            const wide n = d - start < RUN ? d - start : RUN;                                    \
            unsigned short run = 0;                                                              \
            for (wide j = 0; j < n; j++)                                                         \
                run += x[start + j] == 0;                                                        \
            zeros += run;                                                                        \
        }                                                                                        \
        return d - zeros <= SPARSE_MOST(X, d);                                                   \
    }                                                                                            \
                                                                                                 \
    static void NAME(scaled_##name)(const X *restrict x, const S *restrict shift,                \
                                    const S *restrict scale, T *restrict out, wide d)            \
    {                                                                                            \
        if (shift)                                                                               \
            for (wide j = 0; j < d; j++)                                                         \
                out[j] = (T)(((S)x[j] - shift[j]) * scale[j]);                                   \
        else if (scale)                                                                          \
            for (wide j = 0; j < d; j++)                                                         \
                out[j] = (T)((S)x[j] * scale[j]);                                                \
        else                                                                                     \
            for (wide j = 0; j < d; j++)                                                         \
                out[j] = (T)x[j];                                                                \
    }                                                                                            \
                                                                                                 \
    static void NAME(read_##name)(const void *x, wide ldx, const ptrdiff_t *order,               \
                                  const void *shift, const void *scale, void *out, wide ldo,     \
                                  unsigned char *sparse, wide n, wide d)                         \
    {                                                                                            \
        const fastdl_coming soon = {                                                             \
            .order = order, .x = x, .row = ldx * (wide)sizeof(X), .input = sizeof(X)};           \
        const wide most = AHEAD_BYTES / (wide)sizeof(X);                                         \
        for (wide i = 0; i < n; i++) {                                                           \
            const X *row = (const X *)x + (order ? order[i] : i) * ldx;                          \
            if (order && i + AHEAD < n)                                                          \
                ask(&soon, i + AHEAD, 0, d < most ? d : most);                                   \
            const int skips = sparse && NAME(is_sparse_##name)(row, d);                          \
            if (sparse)                                                                          \
                sparse[i] = (unsigned char)skips;                                                \
            NAME(scaled_##name)(row, skips ? NULL : shift, scale, (T *)out + i * ldo, d);        \
        }                                                                                        \
    }

FASTDL_SOURCES(SOURCE)
#undef SOURCE
#undef SPARSE_MOST
#undef RUN
#undef AHEAD
#undef AHEAD_BYTES

static int NAME(finite_row)(const T *x, wide size)
{
    int bad = 0;
    for (wide j = 0; j < size; j++)
        bad |= x[j] - x[j] != 0;
    return !bad;
}

/* Whether no item of some rows is NaN or infinite. */
static int NAME(finite)(const void *x, wide ldx, const ptrdiff_t *order, wide n, wide d)
{
    int all = 1;
    for (wide i = 0; i < n; i++)
        all &= NAME(finite_row)((const T *)x + (order ? order[i] : i) * ldx, d);
    return all;
}
