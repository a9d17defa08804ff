/* The exponential and the activations, for one type and one instruction set; the compiler vectorises
 * them. _isa.c includes this once for each, after one of _f32.h and _f64.h. A comparison that is
 * false for NaN is written so that NaN passes through it. */

/* exp(x + tail) for x <= 0 and a small tail, as in Cephes: x = n ln 2 + r, and 2^n in two factors so
 * that it underflows gradually. Adding ROUND leaves n in the low bits of the sum; NaN passes through
 * all of it. */
static inline T NAME(exp_of_sum)(T x, T tail)
{
    x = x < EXP_LEAST ? EXP_LEAST : x;
    T shifted = x * (T)1.44269504088896341 + ROUND, n = shifted - ROUND, r = x - n * LN2_HIGH;
    r = r - n * LN2_LOW + tail;
    BITS whole, half, rest;
    __builtin_memcpy(&whole, &shifted, sizeof whole);
    whole = (BITS)((UNSIGNED_BITS)whole << INTEGER_SHIFT) >> INTEGER_SHIFT;
    half = whole >> 1;
    rest = whole - half;
    half = (BITS)((UNSIGNED_BITS)(half + EXPONENT_BIAS) << EXPONENT_SHIFT);
    rest = (BITS)((UNSIGNED_BITS)(rest + EXPONENT_BIAS) << EXPONENT_SHIFT);
    T up, down;
    __builtin_memcpy(&up, &half, sizeof up);
    __builtin_memcpy(&down, &rest, sizeof down);
    return EXP_OF_REST(r) * up * down;
}

static inline T NAME(exp)(T x)
{
    return NAME(exp_of_sum)(x, 0);
}

/* z (h) = activation(z + bias), in place. tanh is near zero a polynomial, which keeps all digits,
 * elsewhere by the exponential. */
static inline void NAME(activate_row)(int activation, const T *restrict bias, T *restrict z, long h)
{
    if (activation == FASTDL_RELU)
        for (long j = 0; j < h; j++)
            z[j] = z[j] + bias[j] < 0 ? 0 : z[j] + bias[j];
    else if (activation == FASTDL_LEAKY_RELU)
        for (long j = 0; j < h; j++)
            z[j] = (z[j] + bias[j] < 0 ? LEAKY_SLOPE : 1) * (z[j] + bias[j]);
    else if (activation == FASTDL_SIGMOID)
        for (long j = 0; j < h; j++) {
            T v = z[j] + bias[j], e = NAME(exp)(v < 0 ? v : -v);
            z[j] = (v < 0 ? e : (T)1) / (1 + e);
        }
    else if (activation == FASTDL_TANH)
        for (long j = 0; j < h; j++) {
            T v = z[j] + bias[j], positive = v < 0 ? -v : v, square = v * v;
            T e = NAME(exp)(-2 * positive), far = (1 - e) / (1 + e);
            T near = v + v * square * TANH_NEAR_ZERO(square);
            z[j] = positive < (T)0.625 ? near : v < 0 ? -far : far;
        }
    else
        for (long j = 0; j < h; j++)
            z[j] += bias[j];
}

static void NAME(activate)(int activation, const T *bias, T *z, long n, long h, long ld)
{
    for (long i = 0; i < n; i++)
        NAME(activate_row)(activation, bias, z + i * ld, h);
}

/* dz (h) = dout activation'(z), in place, with the derivative written in terms of out. */
static inline void NAME(activate_row_backward)(int activation, const T *restrict out,
                                               T *restrict dout, long h)
{
    if (activation == FASTDL_RELU)
        for (long j = 0; j < h; j++)
            dout[j] = out[j] > 0 ? dout[j] : 0;
    else if (activation == FASTDL_LEAKY_RELU)
        for (long j = 0; j < h; j++)
            dout[j] = (out[j] > 0 ? 1 : LEAKY_SLOPE) * dout[j];
    else if (activation == FASTDL_SIGMOID)
        for (long j = 0; j < h; j++)
            dout[j] = dout[j] * (out[j] * (1 - out[j]));
    else if (activation == FASTDL_TANH)
        for (long j = 0; j < h; j++)
            dout[j] = dout[j] * (1 - out[j] * out[j]);
}

static void NAME(activate_backward)(int activation, const T *out, T *dout, long n, long h, long ld)
{
    for (long i = 0; i < n; i++)
        NAME(activate_row_backward)(activation, out + i * ld, dout + i * ld, h);
}
