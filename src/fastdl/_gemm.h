/* The matrix products for one type and one instruction set; _isa.c includes this once for each.
 *
 * Before: NAME(x) appends the suffix; T the type, V the vector of L lanes, M a mask of lanes;
 * LOAD, LOADM, STORE, STOREM, SET1, ADD, FMA, SUM, MASK(r): the first r lanes; COLUMN_VECTORS: how many
 * vectors wide a tile of six rows is and DOT_ROWS how many rows a tile of five dot products has, so that
 * the sums fill the registers.
 *
 * No product packs or copies its factors: a tile of C stays in registers over a block of depth.
 * Each element of C is summed in an order that depends on the depth alone, so cutting the rows or
 * the columns of a product anywhere leaves its bits as they are. */

#define INLINE static inline __attribute__((always_inline))

enum { NAME(DEPTH) = 256 };

/* C (rows x vectors L) = A B (+ C), A's element (i, p) at a[i rs + p cs]. */
INLINE void NAME(tile)(const int rows, const int vectors, const int masked, long k,
                       const T *a, long rs, long cs, const T *b, long ldb, int add,
                       T *c, long ldc, M last)
{
    V sum[6][COLUMN_VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++)
            sum[i][j] = SET1(0);
    for (long p = 0; p < k; p++) {
        V row[COLUMN_VECTORS];
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++)
            row[j] = masked && j == vectors - 1 ? LOADM(b + p * ldb + j * L, last)
                                                : LOAD(b + p * ldb + j * L);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            V factor = SET1(a[i * rs + p * cs]);
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++)
                sum[i][j] = FMA(factor, row[j], sum[i][j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) {
            T *at = c + i * ldc + j * L;
            if (masked && j == vectors - 1)
                STOREM(at, last, add ? ADD(sum[i][j], LOADM(at, last)) : sum[i][j]);
            else
                STORE(at, add ? ADD(sum[i][j], LOAD(at)) : sum[i][j]);
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
    for (long p = 0; p < k || p == 0; p += NAME(DEPTH)) {
        long depth = k - p < NAME(DEPTH) ? k - p : NAME(DEPTH), j = 0;
        const T *ap = a + p * cs, *bp = b + p * ldb;
        const int more = add || p > 0;
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

/* C (rows x columns) = A B^T: vectors run along the depth and are summed at the end. */
INLINE void NAME(dots)(const int rows, const int columns, long k, const T *a, long lda,
                       const T *b, long ldb, int add, T *c, long ldc)
{
    V sum[DOT_ROWS][5];
    M last = MASK(k % L);
    long p = 0;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < columns; j++)
            sum[i][j] = SET1(0);
    for (; p + L <= k; p += L) {
        V left[DOT_ROWS];
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            left[i] = LOAD(a + i * lda + p);
#pragma GCC unroll 8
        for (int j = 0; j < columns; j++) {
            V right = LOAD(b + j * ldb + p);
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++)
                sum[i][j] = FMA(left[i], right, sum[i][j]);
        }
    }
    if (p < k)
#pragma GCC unroll 8
        for (int j = 0; j < columns; j++)
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++)
                sum[i][j] = FMA(LOADM(a + i * lda + p, last), LOADM(b + j * ldb + p, last),
                                sum[i][j]);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < columns; j++)
            c[i * ldc + j] = SUM(sum[i][j]) + (add ? c[i * ldc + j] : 0);
}

INLINE void NAME(dot_column)(const int columns, long m, long k, const T *a, long lda, const T *b,
                             long ldb, int add, T *c, long ldc)
{
    long i = 0;
    for (; i + DOT_ROWS <= m; i += DOT_ROWS)
        NAME(dots)(DOT_ROWS, columns, k, a + i * lda, lda, b, ldb, add, c + i * ldc, ldc);
    a += i * lda;
    c += i * ldc;
    switch (m - i) {
#if DOT_ROWS == 5
    case 4: NAME(dots)(4, columns, k, a, lda, b, ldb, add, c, ldc); break;
    case 3: NAME(dots)(3, columns, k, a, lda, b, ldb, add, c, ldc); break;
    case 2: NAME(dots)(2, columns, k, a, lda, b, ldb, add, c, ldc); break;
#endif
    case 1: NAME(dots)(1, columns, k, a, lda, b, ldb, add, c, ldc); break;
    }
}

/* C (m x n) = A B^T (+ C), for few columns and a long depth. */
static void NAME(dot_product)(long m, long n, long k, const T *a, long lda, const T *b, long ldb,
                              int add, T *c, long ldc)
{
    long j = 0;
    for (; j + 5 <= n; j += 5)
        NAME(dot_column)(5, m, k, a, lda, b + j * ldb, ldb, add, c + j, ldc);
    b += j * ldb;
    c += j;
    switch (n - j) {
    case 4: NAME(dot_column)(4, m, k, a, lda, b, ldb, add, c, ldc); break;
    case 3: NAME(dot_column)(3, m, k, a, lda, b, ldb, add, c, ldc); break;
    case 2: NAME(dot_column)(2, m, k, a, lda, b, ldb, add, c, ldc); break;
    case 1: NAME(dot_column)(1, m, k, a, lda, b, ldb, add, c, ldc); break;
    }
}

#undef INLINE
