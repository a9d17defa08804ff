/* A row of C in registers, at most ROW_VECTORS of its vectors, for one type and one instruction set:
 * what _few.h and _sparse.h share. _isa.c includes this once for each, after _gemm.h.
 *
 * masked: the last vector has the lanes of last alone. */

/* sum += factor row. */
static inline __attribute__((always_inline)) void NAME(add_row)(
    const int vectors, const int masked, V factor, const T *row, M last, V *sum)
{
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++)
        sum[j] = FMA(factor, masked && j == vectors - 1 ? LOADM(row + j * L, last)
                                                        : LOAD(row + j * L), sum[j]);
}

/* c = sum. */
static inline __attribute__((always_inline)) void NAME(store_row)(
    const int vectors, const int masked, const V *sum, T *c, M last)
{
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++)
        if (masked && j == vectors - 1)
            STOREM(c + j * L, last, sum[j]);
        else
            STORE(c + j * L, sum[j]);
}
