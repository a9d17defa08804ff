/* The matrix product that skips zeros of A, for one type and one target.
 *
 * A is looked at in squares of 64 x 64: the bits of a row tell which rows of B it takes, some columns of
 * which stay in the first-level cache for all rows of the square. The order of a sum depends on the
 * depth and on the row of A alone. */

#define SKIP_VECTORS 12 /* of a row of C at once: each visit of a row ends with a branch that is guessed wrong */

/* Bit i tells that item i of at most 64 is not zero. */
static inline uint64_t NAME(nonzero)(const T *x, wide n)
{
    uint64_t bits = 0;
    wide i = 0;
    for (; i + L <= n; i += L)
        bits |= (uint64_t)NONZERO(LOAD(x + i)) << i;
    if (i < n)
        bits |= (uint64_t)NONZERO(LOADM(x + i, MASK(n - i))) << i;
    return bits;
}

/* The bits of m <= 64 rows of A over k <= 64 columns. */
static void NAME(nonzeros)(wide m, wide k, const T *a, wide rs, wide cs, uint64_t *bits)
{
    if (cs == 1) {
        for (wide i = 0; i < m; i++)
            bits[i] = NAME(nonzero)(a + i * rs, k);
        return;
    }
    memset(bits, 0, SQUARE * sizeof *bits);
    for (wide p = 0; p < k; p++)
        bits[p] = NAME(nonzero)(a + p * cs, m);
    transpose_bits(bits);
}

/* c (vectors L) = the sum of a[p s] times row p of B over the set bits p (+ c). */
INLINE void NAME(chosen)(
    const int vectors, uint64_t bits, const T *a, wide s, const T *b, wide ldb, int add, T *c,
    int partial, M last)
{
    V sum[SKIP_VECTORS];
    UNROLL
    for (int j = 0; j < vectors; j++) {
        sum[j] = !add ? SET1(0) : j == vectors - 1 ? LOADM(c + j * L, last) : LOAD(c + j * L);
        HOLD(sum[j]);
    }
    for (; bits; bits &= bits - 1) {
        const wide p = first_bit(bits);
        NAME(add_row)(vectors, 1, SET1(a[p * s]), b + p * ldb, last, sum);
    }
    NAME(store_row)(vectors, partial, sum, c, last);
}

/* Some columns of C for a square of A, of which bits tells what is not zero. */
INLINE void NAME(chosen_rows)(const int vectors, wide rows, wide depth, const uint64_t *bits,
                              const T *a, wide rs, wide cs, const T *b, wide ldb,
                              const fastdl_coming *soon, int add, T *c, wide ldc, int partial,
                              M last)
{
    for (wide r = 0; r < rows; r++) {
        for (wide next = r; soon->order && next < depth; next += rows)
            ask(soon, next, 0, rows);
        if (bits[r] || !add)
            NAME(chosen)(vectors, bits[r], a + r * rs, cs, b, ldb, add, c + r * ldc, partial, last);
    }
}

/* All columns of C for a square of A. */
static void NAME(square_product)(wide rows, wide n, wide depth, const T *a, wide rs, wide cs,
                                 const T *b, wide ldb, fastdl_coming soon, int add, T *c,
                                 wide ldc)
{
    uint64_t bits[SQUARE];
    NAME(nonzeros)(rows, depth, a, rs, cs, bits);
    for (wide j = 0, columns; j < n; j += columns, soon.order = NULL) {
        const wide vectors = share((n - j + L - 1) / L, SKIP_VECTORS);
        columns = n - j < vectors * L ? n - j : vectors * L;
        const M last = MASK((columns - 1) % L + 1);
#define CASE(v)                                                                                  \
    case v:                                                                                      \
        NAME(chosen_rows)(v, rows, depth, bits, a, rs, cs, b + j, ldb, &soon, add, c + j, ldc,   \
                          columns % L, last);                                                    \
        break;
        switch (vectors) {
            UP_TO(SKIP_VECTORS, CASE)
        }
#undef CASE
    }
}

/* C (m x n) = A B (+ C), skipping the zeros of A: one of its strides is 1, B and C lie by rows. */
static void NAME(skip_product)(wide m, wide n, wide k, const void *a, wide rs, wide cs,
                               const void *b, wide ldb, const fastdl_coming *coming, int add,
                               void *c, wide ldc)
{
    for (wide p = 0; p < k; p += SQUARE) {
        fastdl_coming soon = {0};
        if (coming) {
            soon = *coming;
            soon.order += p;
        }
        for (wide i = 0; i < m; i += SQUARE, soon = beyond(soon, 0, SQUARE))
            NAME(square_product)(
                m - i < SQUARE ? m - i : SQUARE, n, k - p < SQUARE ? k - p : SQUARE,
                (const T *)a + i * rs + p * cs, rs, cs, (const T *)b + p * ldb, ldb, soon,
                add || p > 0, (T *)c + i * ldc, ldc);
    }
}
