/* Batch normalisation: what a batch's rows are like unit by unit, and what becomes of them, for one type
 * and one target; the compiler vectorises it. Sums are double, each over the rows in their order. */

#define NORM_COLUMNS 16 /* units whose sums are kept at once */

/* mean (columns), variance = those of each column of x over its n rows; the biased variance, from the
 * differences to the mean. */
INLINE void NAME(moments_of)(const int columns, const T *restrict x, wide ldx, wide n,
                             T *restrict mean, T *restrict variance)
{
    double means[NORM_COLUMNS] = {0}, squares[NORM_COLUMNS] = {0};
    for (wide i = 0; i < n; i++) {
        KEEP_LANES
        for (int j = 0; j < columns; j++)
            means[j] += x[i * ldx + j];
    }
    for (int j = 0; j < columns; j++)
        means[j] /= (double)n;
    for (wide i = 0; i < n; i++) {
        KEEP_LANES
        for (int j = 0; j < columns; j++) {
            const double off = x[i * ldx + j] - means[j];
            squares[j] += off * off;
        }
    }
    for (int j = 0; j < columns; j++) {
        mean[j] = (T)means[j];
        variance[j] = (T)(squares[j] / (double)n);
    }
}

static void NAME(moments)(const void *x, wide ldx, wide n, wide h, void *mean, void *variance)
{
    const T *from = x;
    T *m = mean, *v = variance;
    wide j = 0;
    for (; j + NORM_COLUMNS <= h; j += NORM_COLUMNS)
        NAME(moments_of)(NORM_COLUMNS, from + j, ldx, n, m + j, v + j);
    if (j < h)
        NAME(moments_of)(h - j, from + j, ldx, n, m + j, v + j);
}

/* out = 1 / sqrt(variance + epsilon); NaN, not 0, where the type cannot hold a variance. */
static void NAME(inverse_root)(const void *variance, double epsilon, void *out, wide size)
{
    const T *v = variance;
    T *to = out;
    for (wide j = 0; j < size; j++)
        to[j] = (T)((v[j] - v[j] + 1) / __builtin_sqrt(v[j] + epsilon));
}

/* out (n x h) = (x - mean) inverse gamma. */
static void NAME(normalise)(const void *restrict x, wide ldx, const void *restrict mean,
                            const void *restrict inverse, const void *restrict gamma,
                            void *restrict out, wide ldo, wide n, wide h)
{
    const T *m = mean, *s = inverse, *g = gamma;
    for (wide i = 0; i < n; i++) {
        const T *from = (const T *)x + i * ldx;
        T *to = (T *)out + i * ldo;
        for (wide j = 0; j < h; j++)
            to[j] = (from[j] - m[j]) * (s[j] * g[j]);
    }
}

/* dgamma, dbeta (columns) = the sums of dout times what was normalised, and of dout; from these dx. */
INLINE void NAME(normalise_back_of)(const int columns, const T *restrict x, wide ldx, wide n,
                                    const T *restrict mean, const T *restrict inverse,
                                    const T *restrict gamma, const T *restrict dout, wide ldd,
                                    T *restrict dgamma, T *restrict dbeta, T *restrict dx,
                                    wide ldo)
{
    double sums[NORM_COLUMNS] = {0}, products[NORM_COLUMNS] = {0};
    T along[NORM_COLUMNS] = {0}, level[NORM_COLUMNS] = {0}, factor[NORM_COLUMNS] = {0};
    for (wide i = 0; i < n; i++) {
        KEEP_LANES
        for (int j = 0; j < columns; j++) {
            sums[j] += dout[i * ldd + j];
            products[j] += (double)dout[i * ldd + j] * ((x[i * ldx + j] - mean[j]) * inverse[j]);
        }
    }
    for (int j = 0; j < columns; j++) {
        dbeta[j] = (T)sums[j];
        dgamma[j] = (T)products[j];
        level[j] = (T)(sums[j] / (double)n);
        along[j] = (T)(products[j] / (double)n * inverse[j]);
        factor[j] = gamma[j] * inverse[j];
    }
    for (wide i = 0; i < n; i++) {
        KEEP_LANES
        for (int j = 0; j < columns; j++)
            dx[i * ldo + j] = factor[j] * ((dout[i * ldd + j] - level[j])
                                           - (x[i * ldx + j] - mean[j]) * along[j]);
    }
}

static void NAME(normalise_back)(const void *x, wide ldx, const void *mean, const void *inverse,
                                 const void *gamma, const void *dout, wide ldd, void *dgamma,
                                 void *dbeta, void *dx, wide ldo, wide n, wide h)
{
    const T *from = x, *m = mean, *s = inverse, *g = gamma, *d = dout;
    T *dg = dgamma, *db = dbeta, *to = dx;
    wide j = 0;
    for (; j + NORM_COLUMNS <= h; j += NORM_COLUMNS)
        NAME(normalise_back_of)(NORM_COLUMNS, from + j, ldx, n, m + j, s + j, g + j, d + j, ldd,
                                dg + j, db + j, to + j, ldo);
    if (j < h)
        NAME(normalise_back_of)(h - j, from + j, ldx, n, m + j, s + j, g + j, d + j, ldd, dg + j,
                                db + j, to + j, ldo);
}

#undef NORM_COLUMNS

/* out = keep out + (1 - keep) x. */
static void NAME(follow)(double keep, const void *restrict x, void *restrict out, wide size)
{
    const T *from = x;
    T *to = out;
    for (wide j = 0; j < size; j++)
        to[j] = (T)keep * to[j] + (T)(1 - keep) * from[j];
}
