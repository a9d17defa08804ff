/* Activations, softmax and its loss, for one type and one instruction set; the compiler vectorises
 * them. _isa.c includes this once for each, after one of _f32.h and _f64.h. A comparison that is
 * false for NaN is written so that NaN passes through it. */

/* exp(x) for x <= 0, as in Cephes: x = n ln 2 + r, and 2^n in two factors so that it underflows
 * gradually. Adding ROUND leaves n in the low bits of the sum; NaN passes through all of it. */
static inline T NAME(exp)(T x)
{
    x = x < EXP_LEAST ? EXP_LEAST : x;
    T shifted = x * (T)1.44269504088896341 + ROUND, n = shifted - ROUND, r = x - n * LN2_HIGH;
    r -= n * LN2_LOW;
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

/* The loops over LANES must stay loops: GCC unrolls them before it looks for vectors. */

/* row (LANES) = n items of x, then the one that is the greatest; e = exp(row - greatest). */
static inline void NAME(exponentials)(const T *x, long n, T greatest, T *row, T *e)
{
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        row[i] = i < n ? x[i] : greatest;
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        e[i] = NAME(exp)(row[i] - greatest);
}

/* logits = exp(logits) / the sum of exp(logits), in place; best: the index of the greatest. */
static void NAME(softmax)(T *logits, long best, long k)
{
    const T greatest = logits[best];
    double total = 0;
    for (long j = 0; j < k; j += LANES) {
        const long n = k - j < LANES ? k - j : LANES;
        T row[LANES], e[LANES];
        NAME(exponentials)(logits + j, n, greatest, row, e);
        for (long i = 0; i < n; i++) {
            logits[j + i] = e[i];
            total += e[i];
        }
    }
    for (long j = 0; j < k; j++)
        logits[j] = (T)(logits[j] / total);
}

/* What a - b loses when it is rounded: in float a millionth and more from 16 on. */
static inline double NAME(rest_of_difference)(T a, T b)
{
    const double rest = ((double)a - (double)b) - (double)(a - b);
    return __builtin_fabs(rest) < 1 ? rest : 0; /* also where a - b is no finite number */
}

/* -log softmax(logits)[label]; dlogits, if not NULL, = scale (softmax(logits) - onehot(label)).
 * best is the index of the greatest logit; dlogits may be logits itself. Keeping the sum over the
 * other classes apart loses no digit of a probability near one. */
static double NAME(softmax_xent)(const T *logits, long best, long label, double scale, T *dlogits,
                                 long k)
{
    const T greatest = logits[best], chosen = logits[label];
    double sums[LANES] = {0}, own = 0;
    for (long j = 0; j < k; j += LANES) {
        const long n = k - j < LANES ? k - j : LANES;
        T row[LANES], e[LANES];
        double exact[LANES];
        NAME(exponentials)(logits + j, n, greatest, row, e);
#pragma GCC unroll 1
        for (long i = 0; i < LANES; i++)
            exact[i] = e[i] * (1 + NAME(rest_of_difference)(row[i], greatest));
        if (label >= j && label < j + n)
            own = exact[label - j];
#pragma GCC unroll 1
        for (long i = 0; i < LANES; i++)
            sums[i] += i < n && i != label - j ? exact[i] : 0;
        if (dlogits)
            for (long i = 0; i < n; i++)
                dlogits[j + i] = e[i];
    }
#pragma GCC unroll 1
    for (int i = 0; i < LANES / 2; i++)
        sums[i] += sums[i + LANES / 2];
#pragma GCC unroll 1
    for (int i = 0; i < LANES / 4; i++)
        sums[i] += sums[i + LANES / 4];
    const double others = (sums[0] + sums[2]) + (sums[1] + sums[3]), total = others + own;
    if (dlogits) {
        const double share = scale / total;
        for (long j = 0; j < k; j++)
            dlogits[j] = (T)(share * dlogits[j]);
        dlogits[label] = (T)(-share * others);
    }
    /* Where the label's logit is the greatest, own is 1, or NaN, which must not be lost. */
    return best == label ? log1p(others) + (own - 1)
                         : (double)greatest - chosen + log(total);
}
