/* The loops over single elements that limit an epoch, for one type and one instruction set; the
 * compiler vectorises them. _isa.c includes this once for each, after _gemm.h. */

/* out = (x - shift) * scale; shift NULL: out = x. */
#define GATHER(NAME_OF_X, X)                                                                     \
    static void NAME(gather_##NAME_OF_X)(const X *restrict x, const T *restrict shift,            \
                                         const T *restrict scale, T *restrict out, long d)        \
    {                                                                                             \
        if (shift)                                                                                \
            for (long j = 0; j < d; j++)                                                          \
                out[j] = ((T)x[j] - shift[j]) * scale[j];                                         \
        else                                                                                      \
            for (long j = 0; j < d; j++)                                                          \
                out[j] = (T)x[j];                                                                 \
    }

GATHER(f32, float)
GATHER(f64, double)
GATHER(u8, unsigned char)
#undef GATHER

/* param -= rate (grad + 2 l2 param + l1 sign(param)). */
static void NAME(sgd)(T rate, T l1, T l2, const T *restrict grad, T *restrict param, long size)
{
    if (l1 == 0)
        for (long i = 0; i < size; i++)
            param[i] -= rate * (grad[i] + 2 * l2 * param[i]);
    else
        for (long i = 0; i < size; i++)
            param[i] -= rate * (grad[i] + 2 * l2 * param[i] +
                                l1 * (T)((param[i] > 0) - (param[i] < 0)));
}
