/* Activations, softmax and its loss, for one type and one instruction set; the compiler vectorises
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

/* The loops over LANES must stay loops: GCC unrolls them before it looks for vectors. */

/* exp(z - greatest), also of what z - greatest loses, which in float is a millionth and more from 16
 * on: Knuth, TAOCP 2, 4.2.2. */
static inline T NAME(exp_of_difference)(T z, T greatest)
{
    const T difference = z - greatest, part = difference - z;
    const T tail = (z - (difference - part)) - (greatest + part);
    return NAME(exp_of_sum)(difference, tail > -1 && tail < 1 ? tail : 0); /* it may be NaN */
}

/* e = exp(z - greatest) of n items, added to sums but for one, skip; what that is: own. */
static inline __attribute__((always_inline)) void NAME(exponentials)(
    const T *z, long n, long skip, T greatest, T *e, double *sums, double *own)
{
    T row[LANES];
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        row[i] = NAME(exp_of_difference)(i < n ? z[i] : greatest, greatest);
    if (skip >= 0)
        *own = row[skip];
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        sums[i] += i < n && i != skip ? row[i] : 0;
    if (e)
        memcpy(e, row, n * sizeof(T));
}

static inline double NAME(sum_lanes)(double *sums)
{
#pragma GCC unroll 1
    for (int i = 0; i < LANES / 2; i++)
        sums[i] += sums[i + LANES / 2];
#pragma GCC unroll 1
    for (int i = 0; i < LANES / 4; i++)
        sums[i] += sums[i + LANES / 4];
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/* The first index of the greatest of k items. */
static inline long NAME(argmax)(const T *x, long k)
{
    T greatest[LANES];
    BITS best[LANES] = {0};
    long j = 0, first = 0;
    for (int i = 0; i < LANES; i++)
        greatest[i] = x[0];
    for (; j + LANES <= k; j += LANES)
#pragma GCC unroll 1
        for (int i = 0; i < LANES; i++) {
            const BITS more = -(BITS)(x[j + i] > greatest[i]); /* all its bits: no branch */
            best[i] = (best[i] & ~more) | ((BITS)(j + i) & more);
            greatest[i] = x[j + i] > greatest[i] ? x[j + i] : greatest[i];
        }
    for (int i = 0; i < LANES; i++)
        if (x[best[i]] > x[first] || (x[best[i]] == x[first] && best[i] < first))
            first = best[i];
    for (; j < k; j++)
        if (x[j] > x[first])
            first = j;
    return first;
}

/* logits = exp(logits) / the sum of exp(logits), in place. */
static void NAME(softmax)(T *logits, long k)
{
    const T greatest = logits[NAME(argmax)(logits, k)];
    double sums[LANES] = {0};
    long j = 0;
    for (; j + LANES <= k; j += LANES)
        NAME(exponentials)(logits + j, LANES, -1, greatest, logits + j, sums, NULL);
    if (j < k)
        NAME(exponentials)(logits + j, k - j, -1, greatest, logits + j, sums, NULL);
    const double total = NAME(sum_lanes)(sums);
    for (j = 0; j < k; j++)
        logits[j] = (T)(logits[j] / total);
}

/* The loss -log softmax(logits)[label] as gap + log1p(excess), where others is the sum of
 * exp(z - greatest) but for the label's own: no digit of a probability near one is lost. Where the
 * label's is the greatest, own is 1, or NaN, which must not be lost either. */
static inline double NAME(excess)(int best, double others, double own)
{
    return best ? others + (own - 1) : (others + own) - 1;
}

/* softmax_xent of one row: lanes for its classes. */
static int NAME(softmax_xent_row)(const T *logits, long label, double scale, T *dlogits,
                                  double *excess, double *gap, long k)
{
    const long best = NAME(argmax)(logits, k);
    const T greatest = logits[best], chosen = logits[label];
    double sums[LANES] = {0}, own = 0;
    for (long j = 0; j < k; j += LANES) {
        const long n = k - j < LANES ? k - j : LANES, at = label - j;
        T *e = dlogits ? dlogits + j : NULL;
        if (n == LANES && (at < 0 || at >= n))
            NAME(exponentials)(logits + j, LANES, -1, greatest, e, sums, NULL);
        else
            NAME(exponentials)(logits + j, n, at < n ? at : -1, greatest, e, sums, &own);
    }
    const double others = NAME(sum_lanes)(sums);
    if (dlogits) {
        const double share = scale / (others + own);
        for (long j = 0; j < k; j++)
            dlogits[j] = (T)(share * dlogits[j]);
        dlogits[label] = (T)(-share * others);
    }
    *excess = NAME(excess)(best == label, others, own);
    *gap = (double)greatest - chosen;
    return best == label;
}

/* softmax_xent of up to LANES rows of few classes: a lane for each row. */
static long NAME(softmax_xent_rows)(const T *logits, const int *labels, const double *scales,
                                    T *dlogits, double *excess, double *gap, long n, long k)
{
    T block[NARROW][LANES] = {{0}}, greatest[LANES], chosen[LANES] = {0};
    BITS label[LANES] = {0}, best[LANES] = {0};
    double others[LANES] = {0}, own[LANES], share[LANES];
    long n_correct = 0;
    NAME(transpose)(n, k, logits, k, block[0], LANES);
    for (long i = 0; i < n; i++) {
        label[i] = labels[i];
        chosen[i] = logits[i * k + labels[i]];
    }
    memcpy(greatest, block[0], sizeof greatest);
    for (long j = 1; j < k; j++)
#pragma GCC unroll 1
        for (long i = 0; i < LANES; i++) {
            const BITS more = -(BITS)(block[j][i] > greatest[i]);
            best[i] = (best[i] & ~more) | ((BITS)j & more);
            greatest[i] = block[j][i] > greatest[i] ? block[j][i] : greatest[i];
        }
    for (long j = 0; j < k; j++)
#pragma GCC unroll 1
        for (long i = 0; i < LANES; i++) {
            block[j][i] = NAME(exp_of_difference)(block[j][i], greatest[i]);
            others[i] += label[i] == (BITS)j ? 0 : block[j][i];
        }
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        own[i] = NAME(exp_of_difference)(chosen[i], greatest[i]);
    for (long i = 0; i < n; i++) {
        excess[i] = NAME(excess)(best[i] == label[i], others[i], own[i]);
        gap[i] = (double)greatest[i] - chosen[i];
        n_correct += best[i] == label[i];
    }
    if (!dlogits)
        return n_correct;
    for (long i = 0; i < LANES; i++)
        share[i] = (i < n ? scales[i] : 0) / (others[i] + own[i]);
    for (long j = 0; j < k; j++)
#pragma GCC unroll 1
        for (long i = 0; i < LANES; i++)
            block[j][i] = (T)(share[i] * block[j][i]);
    NAME(transpose)(k, n, block[0], LANES, dlogits, k);
    for (long i = 0; i < n; i++)
        dlogits[i * k + label[i]] = (T)(-share[i] * others[i]);
    return n_correct;
}

/* Of n <= LANES rows: their losses as gap + log1p(excess), and dlogits, if not NULL,
 * = scale (softmax(logits) - onehot(label)), which may be logits itself. Returns how many labels
 * have the greatest logit, the first one where it is shared. */
static long NAME(softmax_xent)(const T *logits, const int *labels, const double *scales,
                               T *dlogits, double *excess, double *gap, long n, long k)
{
    long n_correct = 0;
    if (n >= LANES / 2 && k <= NARROW)
        return NAME(softmax_xent_rows)(logits, labels, scales, dlogits, excess, gap, n, k);
    for (long i = 0; i < n; i++)
        n_correct += NAME(softmax_xent_row)(logits + i * k, labels[i], scales[i],
                                            dlogits ? dlogits + i * k : NULL, &excess[i],
                                            &gap[i], k);
    return n_correct;
}
