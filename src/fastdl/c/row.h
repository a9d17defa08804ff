/* A row of C in registers, some of its vectors, for one type and one target: what few.h and sparse.h share.
 *
 * masked: the last vector has the lanes of last alone. */

/* sum += factor row. */
INLINE void NAME(add_row)(
    const int vectors, const int masked, V factor, const T *row, M last, V *sum)
{
    UNROLL
    for (int j = 0; j < vectors; j++)
        sum[j] = FMA(factor, masked && j == vectors - 1 ? LOADM(row + j * L, last)
                                                        : LOAD(row + j * L), sum[j]);
}

/* c = sum. */
INLINE void NAME(store_row)(
    const int vectors, const int masked, const V *sum, T *c, M last)
{
    UNROLL
    for (int j = 0; j < vectors; j++)
        if (masked && j == vectors - 1)
            STOREM(c + j * L, last, sum[j]);
        else
            STORE(c + j * L, sum[j]);
}
