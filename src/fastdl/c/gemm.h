/* The matrix product for one type and one target.
 *
 * Before: COLUMN_VECTORS, the width of one of six rows of C, FLAT_VECTORS, of one of a single row, and
 * TALL_VECTORS, of one of twelve, or none, so that the sums of a tile fill the registers; DEPTH, about
 * that of a block whose products a tile sums there; for narrow tiles PACK_COLUMNS, from which on a
 * gradient's product copies A, PACK_MOST, the columns that a copy meets, so that they stay in the
 * second-level cache, and GATHER_ROWS, from which on chosen rows of B are copied.
 *
 * No other product packs or copies its factors: a tile of C stays in registers over a block of depth.
 * Rows of a data set are taken where they lie: order, if not NULL, says which. A product with the
 * inputs of some rows may ask for those of coming rows, one cache line or a few at each step; where
 * they are B's own, chosen ones, no register is spent on where they lie. What a tile will read of A
 * and B some tiles later, and add to or overwrite of C at its end, it asks for as well: factors of
 * wide layers come from the third-level cache, whose latency would show.
 * Each element of C is summed in an order that depends on the depth alone, so cutting the rows or
 * the columns of a product anywhere leaves its bits as they are. */

_Static_assert(COLUMN_VECTORS <= FLAT_VECTORS, "a tile has room for as many vectors");

#define ASK_DEPTH 128 /* from which a tile asks for its C before */
#define LINE (CACHE_LINE / (wide)sizeof(T))

/* C (rows x vectors L) = A B (+ C), A's element (i, p) at a[i rs + p cs]; next_a and next_b,
 * if asks: items to ask for, as many as k, cs and ldb apart, or NULL. */
INLINE void NAME(tile)(const int chosen, const int rows, const int vectors, const int masked,
                       const int asks, wide k, const T *a, wide rs, wide cs, const T *b, wide ldb,
                       const ptrdiff_t *order, const fastdl_coming soon, const T *next_a,
                       const T *next_b, int add, T *c, wide ldc, M last)
{
    V sum[12][FLAT_VECTORS];
    if (k >= ASK_DEPTH)
        UNROLL
        for (int i = 0; i < rows; i++)
            UNROLL
            for (int j = 0; j < vectors * L; j += LINE)
                __builtin_prefetch(c + i * ldc + j, 1, 3);
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
        for (int j = 0; j < vectors; j++)
            sum[i][j] = SET1(0);
    const T *third[4]; /* of every third row: all rows would take more registers than there are */
    UNROLL
    for (int i = 0; i < rows; i += 3)
        third[i / 3] = a + i * rs;
    for (wide p = 0; p < k; p++) {
        const T *from = b + (chosen ? order[p] : p) * ldb;
        V row[FLAT_VECTORS];
        if (rows > 2) /* fewer rows leave registers enough, and HERE would cost an addition a step */
            HERE(from);
        UNROLL
        for (int j = 0; j < vectors; j++)
            row[j] = masked && j == vectors - 1 ? LOADM(from + j * L, last) : LOAD(from + j * L);
        if (asks && next_a)
            __builtin_prefetch(next_a + p * cs, 0, 2);
        if (asks && next_b)
            __builtin_prefetch(next_b + p * ldb, 0, 2);
        if (soon.order) {
            UNROLL
            for (int j = 0; j < vectors; j++) {
                if (chosen)
                    __builtin_prefetch(b + soon.order[p] * ldb + j * L, 0, 2);
                else if (j == 0 || soon.columns)
                    __builtin_prefetch(
                        soon.x + soon.order[p] * soon.row + j * L * soon.input, 0, 2);
            }
        }
        UNROLL
        for (int i = 0; i < rows; i++) {
            V factor = SET1(third[i / 3][i % 3 * rs]);
            UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = FMA(factor, row[j], sum[i][j]);
            AFTER(third[(i + 1) % rows / 3], factor, sum[i][vectors - 1]);
        }
        UNROLL
        for (int i = 0; i < rows; i += 3) {
            third[i / 3] += cs;
            asm("" : "+r"(third[i / 3])); /* or GCC makes a pointer of each row after all */
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
        for (int j = 0; j < vectors; j++) {
            T *at = c + i * ldc + j * L;
            if (masked && j == vectors - 1)
                STOREM(at, last, add ? ADD(sum[i][j], LOADM(at, last)) : sum[i][j]);
            else
                STORE(at, add ? ADD(sum[i][j], LOAD(at)) : sum[i][j]);
        }
}

/* C of one row or two for most of the columns, which it returns: as many at once as keep enough sums
 * under way, each of which waits for the one before it. */
INLINE wide NAME(flat_product)(const int chosen, wide m, wide n, wide k, const T *a, wide rs,
                               wide cs, const T *b, wide ldb, const ptrdiff_t *order,
                               fastdl_coming soon, int add, T *c, wide ldc)
{
    const wide width = FLAT_VECTORS / m * L;
    wide j = 0;
    for (; j + width <= n; j += width, soon = beyond(soon, !soon.columns, width)) {
        if (m == 1)
            NAME(tile)(chosen, 1, FLAT_VECTORS, 0, 0, k, a, rs, cs, b + j, ldb, order, soon, NULL,
                       NULL, add, c + j, ldc, MASK(L));
        else
            NAME(tile)(chosen, 2, FLAT_VECTORS / 2, 0, 0, k, a, rs, cs, b + j, ldb, order, soon,
                       NULL, NULL, add, c + j, ldc, MASK(L));
    }
    return j;
}

/* Where A lies along its columns, and the tile at a takes the last items of their cache lines: the
 * second lines after those. */
INLINE const T *NAME(lines_after)(const T *a, wide rs)
{
    const int last = (uintptr_t)a % CACHE_LINE + 6 * sizeof(T) >= CACHE_LINE;
    return rs == 1 && last ? a + 2 * LINE : NULL;
}

/* A tile of so many rows, for panel and tall. */
#define CASE(rows)                                                                               \
    case rows:                                                                                   \
        NAME(tile)(chosen, rows, vectors, masked, 0, k, a, rs, cs, b, ldb, order, soon, NULL,    \
                   NULL, add, c, ldc, last);                                                     \
        break;

/* All rows of C for one panel of columns; next_b: where B's next panel begins, or NULL. */
INLINE void NAME(panel)(const int chosen, const int vectors, const int masked, wide m, wide k,
                        const T *a, wide rs, wide cs, const T *b, wide ldb, const ptrdiff_t *order,
                        fastdl_coming soon, const T *next_b, int add, T *c, wide ldc, M last)
{
    const T *end = next_b ? next_b + COLUMN_VECTORS * L : NULL;
    for (; m == 6 || m > 10;
         m -= 6, a += 6 * rs, c += 6 * ldc, soon = beyond(soon, soon.columns, 6)) {
        const T *next_a = NAME(lines_after)(a, rs);
        if (next_a || next_b)
            NAME(tile)(chosen, 6, vectors, masked, 1, k, a, rs, cs, b, ldb, order, soon, next_a,
                       next_b, add, c, ldc, last);
        else
            NAME(tile)(chosen, 6, vectors, masked, 0, k, a, rs, cs, b, ldb, order, soon, NULL,
                       NULL, add, c, ldc, last);
        if (next_b && (next_b += LINE) == end)
            next_b = NULL;
    }
    for (wide rows; m > 0;
         m -= rows, a += rows * rs, c += rows * ldc, soon = beyond(soon, soon.columns, rows)) {
        rows = share(m, 6);
        switch (rows) {
            UP_TO(5, CASE)
        }
    }
}

/* The last columns of C, at most a panel. A function of its own: in the midst of a larger one a tile and
 * its mask do not get the registers that they need. */
static NOINLINE void NAME(last_panel)(wide m, wide n, wide k, const T *a, wide rs, wide cs,
                                      const T *b, wide ldb, const ptrdiff_t *order,
                                      fastdl_coming soon, int add, T *c, wide ldc)
{
    const M last = MASK((n - 1) % L + 1);
#define LAST(vectors)                                                                            \
    case vectors:                                                                                \
        if (order)                                                                               \
            NAME(panel)(1, vectors, 1, m, k, a, rs, cs, b, ldb, order, soon, NULL, add, c, ldc,  \
                        last);                                                                   \
        else                                                                                     \
            NAME(panel)(0, vectors, 1, m, k, a, rs, cs, b, ldb, NULL, soon, NULL, add, c, ldc,   \
                        last);                                                                   \
        break;
    switch ((n + L - 1) / L) {
        UP_TO(COLUMN_VECTORS, LAST)
    }
#undef LAST
}

#ifdef TALL_VECTORS
/* C of 7 to 12 rows at once for a panel of at most two vectors: B is read only once. */
INLINE void NAME(tall)(const int chosen, const int vectors, const int masked, wide m, wide k,
                       const T *a, wide rs, wide cs, const T *b, wide ldb, const ptrdiff_t *order,
                       const fastdl_coming soon, int add, T *c, wide ldc, M last)
{
    switch (m) {
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
    }
}

INLINE void NAME(tall_product)(const int chosen, wide m, wide n, wide k, const T *a, wide rs,
                               wide cs, const T *b, wide ldb, const ptrdiff_t *order,
                               fastdl_coming soon, int add, T *c, wide ldc)
{
    const wide width = TALL_VECTORS * L;
    wide j = 0;
    for (; j + width <= n; j += width, soon = beyond(soon, !soon.columns, width))
        NAME(tall)(chosen, TALL_VECTORS, 0, m, k, a, rs, cs, b + j, ldb, order, soon, add, c + j,
                   ldc, MASK(L));
    for (; j < n; j += L, soon = beyond(soon, !soon.columns, L))
        NAME(tall)(chosen, 1, 1, m, k, a, rs, cs, b + j, ldb, order, soon, add, c + j, ldc,
                   MASK(n - j < L ? n - j : L));
}
#endif
#undef CASE

#ifdef PACK_COLUMNS
/* C (m x n) = A B (+ C), where A lies along its columns. Tiles are narrow and A's lines far apart: six
 * of its columns at a time are copied side by side into the first-level cache, and there meet B, from
 * the second-level one. */
static void NAME(packed)(wide m, wide n, wide k, const T *a, wide cs, const T *b, wide ldb,
                         fastdl_coming soon, int add, T *c, wide ldc)
{
    enum { SIX = (6 + L - 1) / L * L };
    const wide width = COLUMN_VECTORS * L;
    T copy[SIX * (DEPTH + DEPTH / 2)];
    for (; m > 0; m -= 6, a += 6, c += 6 * ldc, soon = beyond(soon, soon.columns, 6)) {
        const wide rows = m < 6 ? m : 6;
        fastdl_coming next = soon;
        for (wide p = 0; p < k; p++)
            for (wide i = 0; i < rows; i += L)
                STORE(copy + p * SIX + i, LOADM(a + p * cs + i, MASK(rows - i < L ? rows - i : L)));
        wide j = 0;
        for (; j + width <= n; j += width, next = beyond(next, !next.columns, width))
            NAME(panel)(0, COLUMN_VECTORS, 0, rows, k, copy, 1, SIX, b + j, ldb, NULL, next, NULL,
                        add, c + j, ldc, MASK(L));
        if (j < n)
            NAME(last_panel)(rows, n - j, k, copy, 1, SIX, b + j, ldb, NULL, next, add, c + j, ldc);
    }
}

/* Some columns of the chosen rows of B, whose lines may share a few places of the first-level cache,
 * side by side; those of coming rows are asked for. */
INLINE void NAME(gather)(const int vectors, const int masked, wide k, const T *b, wide ldb,
                         const ptrdiff_t *order, const ptrdiff_t *coming, T *copy, M last)
{
    for (wide p = 0; p < k; p++) {
        const T *from = b + order[p] * ldb;
        UNROLL
        for (int j = 0; j < vectors; j++)
            STORE(copy + (p * vectors + j) * L,
                  masked && j == vectors - 1 ? LOADM(from + j * L, last) : LOAD(from + j * L));
        if (coming)
            UNROLL
            for (int j = 0; j < vectors; j++)
                __builtin_prefetch(b + coming[p] * ldb + j * L, 0, 2);
    }
}

/* C (m x n) = A B (+ C), where rows of B are chosen: panel by panel these are copied. */
static void NAME(gathered)(wide m, wide n, wide k, const T *a, wide rs, wide cs, const T *b,
                           wide ldb, const ptrdiff_t *order, const ptrdiff_t *coming, int add,
                           T *c, wide ldc)
{
    const wide width = COLUMN_VECTORS * L;
    const fastdl_coming none = {0};
    const M last = MASK((n - 1) % L + 1);
    T copy[COLUMN_VECTORS * L * (DEPTH + DEPTH / 2)];
    for (; n >= width; n -= width, b += width, c += width) {
        NAME(gather)(COLUMN_VECTORS, 0, k, b, ldb, order, coming, copy, last);
        NAME(panel)(0, COLUMN_VECTORS, 0, m, k, a, rs, cs, copy, width, NULL, none, NULL, add, c,
                    ldc, last);
    }
#define CASE(vectors)                                                                            \
    case vectors:                                                                                \
        NAME(gather)(vectors, 1, k, b, ldb, order, coming, copy, last);                          \
        NAME(last_panel)(m, n, k, a, rs, cs, copy, vectors * L, NULL, none, add, c, ldc);        \
        break;
    switch ((n + L - 1) / L) {
        UP_TO(COLUMN_VECTORS, CASE)
    }
#undef CASE
}
#endif

INLINE void NAME(product_of)(const int chosen, wide m, wide n, wide k, const T *a, wide rs,
                             wide cs, const T *b, wide ldb, const ptrdiff_t *order,
                             const fastdl_coming *coming, int add, T *c, wide ldc)
{
    const wide width = COLUMN_VECTORS * L;
    const wide blocks = k < DEPTH ? 1 : (k + DEPTH / 2) / DEPTH;
    const wide most = (k + blocks - 1) / blocks;
    wide p = 0;
    do {
        fastdl_coming soon = {0};
        wide depth = k - p < most ? k - p : most, j = 0;
        const T *ap = a + p * cs, *bp = chosen ? b : b + p * ldb;
        const ptrdiff_t *here = chosen ? order + p : NULL;
        const int more = add || p > 0;
        if (coming) {
            soon = *coming;
            soon.order += p;
        }
#ifdef TALL_VECTORS
        if (m > 6 && m <= 12) {
            NAME(tall_product)(chosen, m, n, depth, ap, rs, cs, bp, ldb, here, soon, more, c, ldc);
            continue;
        }
#endif
        if (m <= 2) {
            j = NAME(flat_product)(
                chosen, m, n, depth, ap, rs, cs, bp, ldb, here, soon, more, c, ldc);
            soon = beyond(soon, !soon.columns, j);
        }
#ifdef PACK_COLUMNS
        if (chosen && m >= GATHER_ROWS) {
            NAME(gathered)(m, n, depth, ap, rs, cs, bp, ldb, here, soon.order, more, c, ldc);
            continue;
        }
        if (!chosen && rs == 1 && n >= PACK_COLUMNS) {
            for (wide some; j < n; j += some, soon = beyond(soon, !soon.columns, some)) {
                some = n - j < PACK_MOST ? n - j : PACK_MOST;
                NAME(packed)(m, some, depth, ap, cs, bp + j, ldb, soon, more, c + j, ldc);
            }
            continue;
        }
#endif
        for (; j + width <= n; j += width, soon = beyond(soon, !soon.columns, width)) {
            const T *next_b = chosen          ? NULL
                              : j + width < n ? bp + j + width
                              : p + most < k  ? bp + most * ldb
                                              : NULL;
            NAME(panel)(chosen, COLUMN_VECTORS, 0, m, depth, ap, rs, cs, bp + j, ldb, here, soon,
                        next_b, more, c + j, ldc, MASK(L));
        }
        if (j < n)
            NAME(last_panel)(m, n - j, depth, ap, rs, cs, bp + j, ldb, here, soon, more, c + j, ldc);
    } while ((p += most) < k);
}

/* C (m x n) = A B (+ C): B lies row by row, so vectors run along the columns. */
static void NAME(product)(wide m, wide n, wide k, const void *a, wide rs, wide cs, const void *b,
                          wide ldb, const ptrdiff_t *order, const fastdl_coming *coming, int add,
                          void *c, wide ldc)
{
    if (order)
        NAME(product_of)(1, m, n, k, a, rs, cs, b, ldb, order, coming, add, c, ldc);
    else
        NAME(product_of)(0, m, n, k, a, rs, cs, b, ldb, NULL, coming, add, c, ldc);
}

#undef LINE
#undef ASK_DEPTH
