/* The matrix product that skips zeros of A, for one type and one target.
 *
 * A is looked at in squares of 64 x 64: the bits of a row tell which rows of B it takes, and these
 * stay in the first-level cache for all rows of the square. The order of a sum depends on the depth
 * and on the row of A alone. */

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
    V sum[ROW_VECTORS];
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

/* C (m x n) = A B (+ C), skipping the zeros of A: one of its strides is 1, B and C lie by rows. */
static void NAME(skip_product)(wide m, wide n, wide k, const void *a, wide rs, wide cs,
                               const void *b, wide ldb, const fastdl_coming *coming, int add,
                               void *c, wide ldc)
{
    uint64_t bits[SQUARE];
    for (wide j = 0; j < n; j += ROW_VECTORS * L) {
        const wide columns = n - j < ROW_VECTORS * L ? n - j : ROW_VECTORS * L;
        const M last = MASK((columns - 1) % L + 1);
        for (wide p = 0; p < k; p += SQUARE)
            for (wide i = 0; i < m; i += SQUARE) {
                const wide rows = m - i < SQUARE ? m - i : SQUARE;
                const wide depth = k - p < SQUARE ? k - p : SQUARE;
                const T *square = (const T *)a + i * rs + p * cs;
                const T *bp = (const T *)b + p * ldb + j;
                const int more = add || p > 0;
                T *out = (T *)c + i * ldc + j;
                NAME(nonzeros)(rows, depth, square, rs, cs, bits);
#define CASE(v)                                                                                  \
    case v:                                                                                      \
        for (wide r = 0; r < rows; r++) {                                                        \
            for (wide next = r; coming && j == 0 && next < depth; next += rows)                  \
                ask(coming, p + next, i, rows);                                                  \
            if (bits[r] || !more)                                                                \
                NAME(chosen)(v, bits[r], square + r * rs, cs, bp, ldb, more, out + r * ldc,      \
                             columns % L, last);                                                 \
        }                                                                                        \
        break;
                switch ((columns + L - 1) / L) {
                    UP_TO(ROW_VECTORS, CASE)
                }
#undef CASE
            }
    }
}
