/* The matrix products for one type and one instruction set; _isa.c includes this once for each.
 *
 * Before: NAME(x) appends the suffix; T the type, V the vector of L lanes, M a mask of lanes;
 * LOAD, LOADM, STORE, STOREM, SET1, ADD, FMA, SUM, MASK(r): the first r lanes. So that the sums of a
 * tile fill the registers: COLUMN_VECTORS, the width of one of six rows; TALL_VECTORS, of one of
 * twelve; DOT_ROWS, the rows of one of five dot products.
 *
 * No product packs or copies its factors: a tile of C stays in registers over a block of depth.
 * Each element of C is summed in an order that depends on the depth alone, so cutting the rows or
 * the columns of a product anywhere leaves its bits as they are. */

#define INLINE static inline __attribute__((always_inline))

#ifndef DEPTH
enum {
    DEPTH = 256,      /* of a block that one tile of a product sums in registers */
    DOT_DEPTH = 1024, /* of a block of rows that dot products read again for further columns */
    DOT_MOST = 16     /* columns of a dot product */
};
#define DEPTH DEPTH
#endif

/* C (rows x vectors L) = A B (+ C), A's element (i, p) at a[i rs + p cs]. */
INLINE void NAME(tile)(const int rows, const int vectors, const int masked, long k,
                       const T *a, long rs, long cs, const T *b, long ldb, int add,
                       T *c, long ldc, M last)
{
    V sum[12][COLUMN_VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++)
            sum[i][j] = SET1(0);
    for (long p = 0; p < k; p++) {
        V row[COLUMN_VECTORS];
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++)
            row[j] = masked && j == vectors - 1 ? LOADM(b + p * ldb + j * L, last)
                                                : LOAD(b + p * ldb + j * L);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            V factor = SET1(a[i * rs + p * cs]);
#pragma GCC unroll 16
            for (int j = 0; j < vectors; j++)
                sum[i][j] = FMA(factor, row[j], sum[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++) {
            T *at = c + i * ldc + j * L;
            if (masked && j == vectors - 1)
                STOREM(at, last, add ? ADD(sum[i][j], LOADM(at, last)) : sum[i][j]);
            else
                STORE(at, add ? ADD(sum[i][j], LOAD(at)) : sum[i][j]);
        }
}

/* C of 7 to 12 rows at once for a panel of at most two vectors: B is read only once. */
INLINE void NAME(tall)(const int vectors, const int masked, long m, long k, const T *a, long rs,
                       long cs, const T *b, long ldb, int add, T *c, long ldc, M last)
{
    switch (m) {
    case 7: NAME(tile)(7, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 8: NAME(tile)(8, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 9: NAME(tile)(9, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 10: NAME(tile)(10, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 11: NAME(tile)(11, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 12: NAME(tile)(12, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    }
}

static void NAME(tall_product)(long m, long n, long k, const T *a, long rs, long cs, const T *b,
                               long ldb, int add, T *c, long ldc)
{
    long j = 0;
    for (; j + TALL_VECTORS * L <= n; j += TALL_VECTORS * L)
        NAME(tall)(TALL_VECTORS, 0, m, k, a, rs, cs, b + j, ldb, add, c + j, ldc, MASK(L));
    for (; j < n; j += L) {
        M last = MASK(n - j < L ? n - j : L);
        NAME(tall)(1, 1, m, k, a, rs, cs, b + j, ldb, add, c + j, ldc, last);
    }
}

/* All rows of C for one panel of columns. */
INLINE void NAME(panel)(const int vectors, const int masked, long m, long k, const T *a, long rs,
                        long cs, const T *b, long ldb, int add, T *c, long ldc, M last)
{
    long i = 0;
    for (; i + 6 <= m; i += 6)
        NAME(tile)(6, vectors, masked, k, a + i * rs, rs, cs, b, ldb, add, c + i * ldc, ldc, last);
    a += i * rs;
    c += i * ldc;
    switch (m - i) {
    case 5: NAME(tile)(5, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 4: NAME(tile)(4, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 3: NAME(tile)(3, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 2: NAME(tile)(2, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    case 1: NAME(tile)(1, vectors, masked, k, a, rs, cs, b, ldb, add, c, ldc, last); break;
    }
}

/* C (m x n) = A B (+ C): B lies row by row, so vectors run along the columns. */
static void NAME(product)(long m, long n, long k, const T *a, long rs, long cs, const T *b,
                          long ldb, int add, T *c, long ldc)
{
    const long width = COLUMN_VECTORS * L;
    for (long p = 0; p < k || p == 0; p += DEPTH) {
        long depth = k - p < DEPTH ? k - p : DEPTH, j = 0;
        const T *ap = a + p * cs, *bp = b + p * ldb;
        const int more = add || p > 0;
        if (m > 6 && m <= 12) {
            NAME(tall_product)(m, n, depth, ap, rs, cs, bp, ldb, more, c, ldc);
            continue;
        }
        for (; j + width <= n; j += width)
            NAME(panel)(COLUMN_VECTORS, 0, m, depth, ap, rs, cs, bp + j, ldb, more, c + j, ldc,
                        MASK(L));
        if (j == n)
            continue;
        M last = MASK((n - j - 1) % L + 1);
        switch ((n - j + L - 1) / L) {
#if COLUMN_VECTORS == 4
        case 4: NAME(panel)(4, 1, m, depth, ap, rs, cs, bp + j, ldb, more, c + j, ldc, last); break;
        case 3: NAME(panel)(3, 1, m, depth, ap, rs, cs, bp + j, ldb, more, c + j, ldc, last); break;
#endif
        case 2: NAME(panel)(2, 1, m, depth, ap, rs, cs, bp + j, ldb, more, c + j, ldc, last); break;
        case 1: NAME(panel)(1, 1, m, depth, ap, rs, cs, bp + j, ldb, more, c + j, ldc, last); break;
        }
    }
}

/* Adds the products of a block of depth to rows x columns sums, each still a vector of lanes. */
INLINE void NAME(dots)(const int rows, const int columns, long k, const T *a, long lda,
                       const T *b, long ldb, V *sums)
{
    V sum[DOT_ROWS][5];
    M last = MASK(k % L);
    long p = 0;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++)
            sum[i][j] = sums[i * DOT_MOST + j];
    for (; p + L <= k; p += L) {
        V left[DOT_ROWS];
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            left[i] = LOAD(a + i * lda + p);
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++) {
            V right = LOAD(b + j * ldb + p);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++)
                sum[i][j] = FMA(left[i], right, sum[i][j]);
        }
    }
    if (p < k)
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++)
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++)
                sum[i][j] = FMA(LOADM(a + i * lda + p, last), LOADM(b + j * ldb + p, last),
                                sum[i][j]);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++)
            sums[i * DOT_MOST + j] = sum[i][j];
}

/* All columns for a few rows of C, which come from the first-level cache for all but the first. */
INLINE void NAME(dot_rows)(const int rows, long n, long k, const T *a, long lda, const T *b,
                           long ldb, int add, T *c, long ldc)
{
    V sums[DOT_ROWS * DOT_MOST];
    for (int i = 0; i < rows; i++)
        for (long j = 0; j < n; j++)
            sums[i * DOT_MOST + j] = SET1(0);
    for (long p = 0; p < k; p += DOT_DEPTH) {
        long depth = k - p < DOT_DEPTH ? k - p : DOT_DEPTH, j = 0;
        for (; j + 5 <= n; j += 5)
            NAME(dots)(rows, 5, depth, a + p, lda, b + j * ldb + p, ldb, sums + j);
        const T *rest = b + j * ldb + p;
        switch (n - j) {
        case 4: NAME(dots)(rows, 4, depth, a + p, lda, rest, ldb, sums + j); break;
        case 3: NAME(dots)(rows, 3, depth, a + p, lda, rest, ldb, sums + j); break;
        case 2: NAME(dots)(rows, 2, depth, a + p, lda, rest, ldb, sums + j); break;
        case 1: NAME(dots)(rows, 1, depth, a + p, lda, rest, ldb, sums + j); break;
        }
    }
    for (int i = 0; i < rows; i++)
        for (long j = 0; j < n; j++)
            c[i * ldc + j] = SUM(sums[i * DOT_MOST + j]) + (add ? c[i * ldc + j] : 0);
}

/* C (m x n) = A B^T (+ C), for at most DOT_MOST columns: vectors run along the depth. */
static void NAME(dot_product)(long m, long n, long k, const T *a, long lda, const T *b, long ldb,
                              int add, T *c, long ldc)
{
    long i = 0;
    for (; i + DOT_ROWS <= m; i += DOT_ROWS)
        NAME(dot_rows)(DOT_ROWS, n, k, a + i * lda, lda, b, ldb, add, c + i * ldc, ldc);
    a += i * lda;
    c += i * ldc;
    switch (m - i) {
#if DOT_ROWS == 5
    case 4: NAME(dot_rows)(4, n, k, a, lda, b, ldb, add, c, ldc); break;
    case 3: NAME(dot_rows)(3, n, k, a, lda, b, ldb, add, c, ldc); break;
    case 2: NAME(dot_rows)(2, n, k, a, lda, b, ldb, add, c, ldc); break;
#endif
    case 1: NAME(dot_rows)(1, n, k, a, lda, b, ldb, add, c, ldc); break;
    }
}

#undef INLINE
