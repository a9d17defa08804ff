/* Exponential and logarithm, for one type and one target; the compiler vectorises what calls them. A comparison that
 * is false for NaN is written so that NaN passes through it. */

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

/* exp(x) for x <= 0. */
static inline T NAME(exp_below)(T x)
{
    return NAME(exp_of_sum)(x, 0);
}

/* log(1 + e) for 0 <= e <= 1: from sqrt(2) on, half of it and log 2, as in Cephes; no digit of a small e
 * is lost. */
static inline T NAME(log_above)(T e)
{
    const int far = e > (T)0.41421356237309505;
    const T f = far ? (e - 1) / 2 : e, square = f * f;
    const T low = f * square * LOG_OF_REST(f) + (far ? LN2_LOW : 0) - square / 2;
    return low + f + (far ? LN2_HIGH : 0);
}
