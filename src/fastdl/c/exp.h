/* Exponential and logarithm, for one type and one target; the compiler vectorises what calls them. A comparison that
 * is false for NaN is written so that NaN passes through it. */

#define ROUNDED(a, b, c) ((a) * (b) + (c))
#ifdef V
#define FUSED FUSE
#else
#define FUSED ROUNDED /* a machine without it would call a function */
#endif

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
    return EXP_OF_REST(ROUNDED, r) * up * down;
}

/* exp(x) for x <= 0. */
static inline T NAME(exp_below)(T x)
{
    return NAME(exp_of_sum)(x, 0);
}

/* exp(z - greatest), also of what the difference loses: that in float is a millionth and more from 16 on
 * (Knuth, TAOCP 2, 4.2.2). Sums are fused, and below EXP_NORMAL, where there may be no normal number, it
 * is 0: so it costs less than exp_of_difference. */
static inline T NAME(exp_of_gap)(T z, T greatest)
{
    const T x = z - greatest, part = x - z, tail = (z - (x - part)) - (greatest + part);
    const T shifted = FUSED(x, (T)1.44269504088896341, ROUND), n = shifted - ROUND;
    const T r = FUSED(n, -LN2_LOW, FUSED(n, -LN2_HIGH, x)) + tail;
    UNSIGNED_BITS whole;
    T power;
    __builtin_memcpy(&whole, &shifted, sizeof whole);
    whole = (whole + EXPONENT_BIAS) << EXPONENT_SHIFT;
    __builtin_memcpy(&power, &whole, sizeof power);
    return x < EXP_NORMAL ? 0 : EXP_OF_REST(FUSED, r) * power;
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
