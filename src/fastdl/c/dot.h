/* The product with a transpose, along the depth of both factors, for one type and one target.
 *
 * Before: DOT_ROWS and DOT_COLUMNS, the dot products that are taken at once, so that their sums fill
 * the registers; DOT_GROUP, the rows that meet a block of B before the next one; DOT_DEPTH, that of
 * such a block, so that some of its columns stay in the first-level cache. */

#define DOT_MOST 64 /* columns of a block */

/* Adds the products of a block of depth to rows x columns sums, each still a vector of lanes. */
INLINE void NAME(dots)(const int rows, const int columns, wide k, const T *const *a, wide at,
                       const T *b, wide ldb, V *sums)
{
    const T *from[DOT_ROWS];
    V sum[DOT_ROWS][DOT_COLUMNS];
    M last = MASK(k % L);
    wide p = 0;
    UNROLL
    for (int i = 0; i < rows; i++)
        from[i] = a[i] + at;
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
        for (int j = 0; j < columns; j++)
            sum[i][j] = sums[i * DOT_MOST + j];
    for (; p + L <= k; p += L) {
        V left[DOT_ROWS];
        UNROLL
        for (int i = 0; i < rows; i++)
            left[i] = LOAD(from[i] + p);
        UNROLL
        for (int j = 0; j < columns; j++) {
            V right = LOAD(b + j * ldb + p);
            UNROLL
            for (int i = 0; i < rows; i++)
                sum[i][j] = FMA(left[i], right, sum[i][j]);
        }
    }
    if (p < k)
        UNROLL
        for (int j = 0; j < columns; j++)
            UNROLL
            for (int i = 0; i < rows; i++)
                sum[i][j] = FMA(LOADM(from[i] + p, last), LOADM(b + j * ldb + p, last), sum[i][j]);
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
        for (int j = 0; j < columns; j++)
            sums[i * DOT_MOST + j] = sum[i][j];
}

#define CASE(columns)                                                                            \
    case columns: NAME(dots)(rows, columns, k, a, at, b, ldb, sums); return;
INLINE void NAME(dots_of)(const int rows, wide columns, wide k, const T *const *a, wide at,
                          const T *b, wide ldb, V *sums)
{
    switch (columns) {
        UP_TO(DOT_COLUMNS, CASE)
    }
}
#undef CASE

#define CASE(rows)                                                                               \
    case rows: NAME(dots_of)(rows, columns, k, a, at, b, ldb, sums); return;
static void NAME(some_dots)(wide rows, wide columns, wide k, const T *const *a, wide at,
                            const T *b, wide ldb, V *sums)
{
    switch (rows) {
        UP_TO(DOT_ROWS, CASE)
    }
}
#undef CASE

/* All columns for a few rows of C, which stay in the second-level cache for a block of depth. */
INLINE void NAME(dot_rows)(wide m, wide n, wide k, const T *const *a, const T *b, wide ldb, int add,
                           T *c, wide ldc)
{
    V sums[DOT_GROUP * DOT_MOST];
    for (wide i = 0; i < m; i++)
        for (wide j = 0; j < n; j++)
            sums[i * DOT_MOST + j] = SET1(0);
    for (wide p = 0; p < k; p += DOT_DEPTH)
        for (wide j = 0, columns; j < n; j += columns) {
            columns = share(n - j, DOT_COLUMNS);
            for (wide i = 0, rows; i < m; i += rows) {
                rows = share(m - i, DOT_ROWS);
                NAME(some_dots)(rows, columns, k - p < DOT_DEPTH ? k - p : DOT_DEPTH, a + i, p,
                                b + j * ldb + p, ldb, sums + i * DOT_MOST + j);
            }
        }
    for (wide i = 0; i < m; i++)
        for (wide j = 0; j < n; j++)
            c[i * ldc + j] = SUM(sums[i * DOT_MOST + j]) + (add ? c[i * ldc + j] : 0);
}

/* C (m x n) = A B^T (+ C): vectors run along the depth. */
static void NAME(dot_product)(wide m, wide n, wide k, const void *a, wide lda,
                              const ptrdiff_t *order, const void *b, wide ldb, int add, void *c,
                              wide ldc)
{
    const T *rows[DOT_GROUP];
    for (wide j = 0; j < n; j += DOT_MOST) {
        const wide columns = n - j < DOT_MOST ? n - j : DOT_MOST;
        for (wide i = 0; i < m; i += DOT_GROUP) {
            const wide few = m - i < DOT_GROUP ? m - i : DOT_GROUP;
            for (wide r = 0; r < few; r++)
                rows[r] = (const T *)a + (order ? order[i + r] : i + r) * lda;
            NAME(dot_rows)(few, columns, k, rows, (const T *)b + j * ldb, ldb, add,
                           (T *)c + i * ldc + j, ldc);
        }
    }
}

#undef DOT_MOST
