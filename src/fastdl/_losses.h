/* The losses of rows of k outputs, for one type and one instruction set; the compiler vectorises them.
 * _isa.c includes this once for each, after _activations.h.
 *
 * Exponentials are taken in the rows' own type, sums in double: in LANES of their own, which cost
 * less and lose less. A comparison that is false for NaN is written so that NaN passes through it.
 * The loops over LANES must stay loops: GCC unrolls them before it looks for vectors. */

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

/* The first index of the greatest of k items; 0 where x[0] is NaN. */
static long NAME(argmax)(const T *x, long k)
{
    long j = 1, first = 0;
    if (k >= LANES) {
        T greatest[LANES];
        BITS best[LANES] = {0};
        for (int i = 0; i < LANES; i++)
            greatest[i] = x[0];
        for (j = 0; j + LANES <= k; j += LANES)
#pragma GCC unroll 1
            for (int i = 0; i < LANES; i++) {
                const BITS more = -(BITS)(x[j + i] > greatest[i]); /* all its bits: no branch */
                best[i] = (best[i] & ~more) | ((BITS)(j + i) & more);
                greatest[i] = x[j + i] > greatest[i] ? x[j + i] : greatest[i];
            }
        for (int i = 0; i < LANES; i++)
            if (x[best[i]] > x[first] || (x[best[i]] == x[first] && best[i] < first))
                first = best[i];
    }
    for (; j < k; j++)
        if (x[j] > x[first])
            first = j;
    return first;
}

/* exp(z - greatest), also of what z - greatest loses, which in float is a millionth and more from 16
 * on: Knuth, TAOCP 2, 4.2.2. */
static inline T NAME(exp_of_difference)(T z, T greatest)
{
    const T difference = z - greatest, part = difference - z;
    const T tail = (z - (difference - part)) - (greatest + part); /* NaN where that is infinite */
    return NAME(exp_of_sum)(difference, difference > EXP_LEAST ? tail : 0);
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
    return best == label && !isnan(*excess);
}

/* softmax_xent of up to LANES rows of few classes: a lane for each row. */
static long NAME(softmax_xent_rows)(const T *logits, const int *labels, const double *scales,
                                    T *dlogits, double *excess, double *gap, long n, long k)
{
    T block[NARROW][LANES], greatest[LANES], chosen[LANES] = {0};
    BITS label[LANES] = {0}, best[LANES] = {0};
    double others[LANES] = {0}, own[LANES], share[LANES];
    long n_correct = 0;
    if (n < LANES)
        memset(block, 0, k * sizeof block[0]);
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
        n_correct += best[i] == label[i] && !isnan(excess[i]);
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
 * have the greatest logit, the first one where it is shared; none does in a row whose loss is not a
 * number. The last bits of a row depend on
 * whether it is one of few, whose exponentials are added in another order. */
static long NAME(softmax_xent)(const T *logits, const int *labels, const double *scales,
                               T *dlogits, double *excess, double *gap, long n, long k)
{
    long n_correct = 0;
    if (n >= LANES / 2 && k <= NARROW)
        return NAME(softmax_xent_rows)(logits, labels, scales, dlogits, excess, gap, n, k);
    for (long i = 0; i < n; i++)
        n_correct += NAME(softmax_xent_row)(logits + i * k, labels[i], dlogits ? scales[i] : 0,
                                            dlogits ? dlogits + i * k : NULL, &excess[i],
                                            &gap[i], k);
    return n_correct;
}

/* max(0, z - own + margin) of a class that is not the label's; NaN stays. */
static inline double NAME(violation)(T z, int is_label, double own, double margin)
{
    const double violation = (double)z - own + margin;
    return is_label || violation <= 0 ? 0 : violation;
}

/* The sum over j != label of max(0, logits[j] - logits[label] + margin) and its subgradient. */
static double NAME(hinge)(const T *logits, long label, double margin, double scale, T *dlogits,
                          long k)
{
    const double own = logits[label];
    double loss = 0, count = 0;
    long j = 0;
    if (k >= LANES) {
        double losses[LANES] = {0}, counts[LANES] = {0};
        for (; j + LANES <= k; j += LANES) {
            T dz[LANES];
#pragma GCC unroll 1
            for (long i = 0; i < LANES; i++) {
                const double v = NAME(violation)(logits[j + i], j + i == label, own, margin);
                losses[i] += v;
                counts[i] += v != 0;
                dz[i] = v != 0 ? (T)scale : 0;
            }
            if (dlogits)
                memcpy(dlogits + j, dz, sizeof dz);
        }
        loss = NAME(sum_lanes)(losses);
        count = NAME(sum_lanes)(counts);
    }
    for (; j < k; j++) {
        const double v = NAME(violation)(logits[j], j == label, own, margin);
        loss += v;
        count += v != 0;
        if (dlogits)
            dlogits[j] = v != 0 ? (T)scale : 0;
    }
    if (dlogits)
        dlogits[label] = (T)(-scale * count);
    return loss;
}

/* sigmoid_xent of n items: log(1 + exp(s)) = max(0, s) + log1p(exp(-|s|)), where s is z or, of the
 * label, -z. Adds max(0, s) to sums, and multiplies 1 + products by 1 + exp(-|s|); past the items
 * these are as good as nothing. */
static inline __attribute__((always_inline)) void NAME(sigmoid_items)(
    const T *z, long n, long label, double scale, T *dz, double *sums, double *products)
{
    T row[LANES], e[LANES];
    const int has_label = label >= 0 && label < n;
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        row[i] = i < n ? z[i] : EXP_LEAST;
    if (has_label)
        row[label] = -row[label];
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        e[i] = NAME(exp)(row[i] < 0 ? row[i] : -row[i]);
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        sums[i] += row[i] < 0 ? 0 : row[i];
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        products[i] += e[i] + products[i] * e[i];
#pragma GCC unroll 1
    for (long i = 0; i < LANES; i++)
        e[i] = (T)(scale * ((row[i] < 0 ? e[i] : (T)1) / (1 + e[i])));
    if (has_label)
        e[label] = -e[label];
    if (dz)
        memcpy(dz, e, n * sizeof(T));
}

/* log of the product of 1 + products, which become 1. */
static double NAME(take_log)(double *products)
{
#pragma GCC unroll 1
    for (int i = 0; i < LANES / 2; i++)
        products[i] += products[i + LANES / 2] + products[i] * products[i + LANES / 2];
#pragma GCC unroll 1
    for (int i = 0; i < LANES / 4; i++)
        products[i] += products[i + LANES / 4] + products[i] * products[i + LANES / 4];
    double all = 0;
    for (int i = 0; i < LANES / 4; i++)
        all += products[i] + all * products[i];
    memset(products, 0, LANES * sizeof(double));
    return log1p(all);
}

/* The binary cross-entropy of each output against onehot(label): the mean over the k outputs. */
static double NAME(sigmoid_xent)(const T *logits, long label, double scale, T *dlogits, long k)
{
    double sums[LANES] = {0}, products[LANES] = {0}, logs = 0;
    for (long j = 0; j < k; j += LANES) {
        T *dz = dlogits ? dlogits + j : NULL;
        if (k - j >= LANES)
            NAME(sigmoid_items)(logits + j, LANES, label - j, scale / k, dz, sums, products);
        else
            NAME(sigmoid_items)(logits + j, k - j, label - j, scale / k, dz, sums, products);
        if (j / LANES % FACTORS == FACTORS - 1)
            logs += NAME(take_log)(products);
    }
    logs += NAME(take_log)(products);
    return (NAME(sum_lanes)(sums) + logs) / k;
}

/* The mean over the k outputs of (outputs - targets)^2. */
static double NAME(mse)(const T *outputs, const T *targets, double scale, T *doutputs, long k)
{
    const double rate = 2 * scale / k;
    double loss = 0;
    long j = 0;
    if (k >= LANES) {
        double losses[LANES] = {0};
        for (; j + LANES <= k; j += LANES) {
            T d[LANES];
#pragma GCC unroll 1
            for (long i = 0; i < LANES; i++) {
                const double difference = (double)outputs[j + i] - targets[j + i];
                losses[i] += difference * difference;
                d[i] = (T)(rate * difference);
            }
            if (doutputs)
                memcpy(doutputs + j, d, sizeof d);
        }
        loss = NAME(sum_lanes)(losses);
    }
    for (; j < k; j++) {
        const double difference = (double)outputs[j] - targets[j];
        loss += difference * difference;
        if (doutputs)
            doutputs[j] = (T)(rate * difference);
    }
    return loss / k;
}

/* The loss of one row, but for softmax_xent. */
static double NAME(row_loss)(int loss, const T *outputs, long label, const T *targets,
                             double margin, double scale, T *doutputs, long k)
{
    if (loss == FASTDL_HINGE)
        return NAME(hinge)(outputs, label, margin, scale, doutputs, k);
    if (loss == FASTDL_SIGMOID_XENT)
        return NAME(sigmoid_xent)(outputs, label, scale, doutputs, k);
    return NAME(mse)(outputs, targets, scale, doutputs, k);
}
