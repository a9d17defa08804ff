/* Sums over rows, and two loops over items, for one type and one target; the compiler vectorises them. */

#define SUM_COLUMNS 64 /* that are summed at once */
#define SUM_RUN 16     /* rows whose sum keeps the type */

/* out (columns) = the sums of some columns of x over its rows (+ out). */
INLINE void NAME(sum_columns)(const int columns, const T *restrict x, wide n, wide ldx, int add,
                              T *restrict out)
{
    double total[SUM_COLUMNS] = {0};
    for (wide start = 0; start < n; start += SUM_RUN) {
        const wide stop = n - start < SUM_RUN ? n : start + SUM_RUN;
        T run[SUM_COLUMNS] = {0};
        for (wide i = start; i < stop; i++)
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
static void NAME(sum_rows)(const void *x, wide n, wide h, wide ldx, int add, void *out)
{
    const T *from = x;
    T *to = out;
    wide j = 0;
    for (; j + SUM_COLUMNS <= h; j += SUM_COLUMNS)
        NAME(sum_columns)(SUM_COLUMNS, from + j, n, ldx, add, to + j);
    if (j < h)
        NAME(sum_columns)(h - j, from + j, n, ldx, add, to + j);
}

#undef SUM_COLUMNS
#undef SUM_RUN

/* out += x. */
static void NAME(add)(const void *restrict x, void *restrict out, wide size)
{
    const T *from = x;
    T *to = out;
    for (wide j = 0; j < size; j++)
        to[j] += from[j];
}

/* x *= factor. */
static void NAME(scale)(double factor, void *x, wide size)
{
    T *to = x;
    for (wide j = 0; j < size; j++)
        to[j] *= (T)factor;
}

/* out = value. */
static void NAME(fill)(double value, void *out, wide size)
{
    T *to = out;
    for (wide j = 0; j < size; j++)
        to[j] = (T)value;
}
