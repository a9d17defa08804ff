/* The greatest of a row, its softmax, and the cross-entropy of that, for one type and one target; the
 * compiler vectorises them.
 *
 * Exponentials are taken in the rows' own type, sums in double, of many classes after some have been
 * added in their own type: in LANES of their own, which cost less and lose less. A comparison that is
 * false for NaN is written so that NaN passes through it. */

#define LANES 16    /* exponentials that are taken at once, rows that are */
#define NARROW 32   /* classes up to which a block of rows has a lane for each; more take exp_of_gap */
#define STRETCH 128 /* items after which sums in their own type go to those in double */
_Static_assert(LANES == 16, "sum_lanes ends with four lanes");

static inline double NAME(sum_lanes)(double *sums)
{
    KEEP_LOOP
    for (int i = 0; i < LANES / 2; i++)
        sums[i] += sums[i + LANES / 2];
    KEEP_LOOP
    for (int i = 0; i < LANES / 4; i++)
        sums[i] += sums[i + LANES / 4];
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/* The first index of the greatest of k items; 0 where x[0] is NaN. */
static wide NAME(argmax)(const T *x, wide k)
{
    wide j = 1, first = 0;
    if (k >= LANES) {
        T greatest[LANES];
        BITS best[LANES] = {0};
        for (int i = 0; i < LANES; i++)
            greatest[i] = x[0];
        for (j = 0; j + LANES <= k; j += LANES)
            KEEP_LOOP
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

/* The greatest of k items, the first of them if it is NaN: what argmax finds, for less. */
static T NAME(maximum)(const T *x, wide k)
{
    T greatest[LANES], most = x[0];
    for (wide j = 1; k < LANES && j < k; j++)
        most = x[j] > most ? x[j] : most;
    if (k < LANES)
        return most;
    for (int i = 0; i < LANES; i++)
        greatest[i] = x[0];
    for (wide j = 0; j < k; j += LANES) {
        const T *last = x + (j < k - LANES ? j : k - LANES); /* which may take some once more */
        KEEP_LOOP
        for (int i = 0; i < LANES; i++)
            greatest[i] = last[i] > greatest[i] ? last[i] : greatest[i];
    }
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            greatest[i] = greatest[i + half] > greatest[i] ? greatest[i + half] : greatest[i];
    return greatest[0];
}

/* Whether an item is among the first n. */
static int NAME(is_among)(T item, const T *x, wide n)
{
    int is = 0;
    for (wide j = 0; j < n; j++)
        is |= x[j] == item;
    return is;
}

/* Where the first greatest item of each row is. */
static void NAME(greatest)(const void *x, wide n, wide k, ptrdiff_t *out)
{
    for (wide i = 0; i < n; i++)
        out[i] = NAME(argmax)((const T *)x + i * k, k);
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
INLINE void NAME(exponentials)(
    const T *z, wide n, wide skip, T greatest, T *e, double *sums, double *own)
{
    T row[LANES];
    KEEP_LANES
    for (wide i = 0; i < LANES; i++)
        row[i] = NAME(exp_of_difference)(i < n ? z[i] : greatest, greatest);
    if (skip >= 0)
        *own = row[skip];
    KEEP_LANES
    for (wide i = 0; i < LANES; i++)
        sums[i] += i < n && i != skip ? row[i] : 0;
    if (e)
        memcpy(e, row, n * sizeof(T));
}

/* e = exp(z - greatest) of a row, where e is not NULL; returns the sum of all but skip's, which goes to
 * own. */
static double NAME(exponentials_of_few)(
    const T *z, wide skip, T greatest, T *e, double *own, wide k)
{
    double sums[LANES] = {0};
    for (wide j = 0; j < k; j += LANES) {
        const wide n = k - j < LANES ? k - j : LANES, at = skip - j;
        T *out = e ? e + j : NULL;
        if (n == LANES && (at < 0 || at >= n))
            NAME(exponentials)(z + j, LANES, -1, greatest, out, sums, NULL);
        else
            NAME(exponentials)(z + j, n, at < n ? at : -1, greatest, out, sums, own);
    }
    return NAME(sum_lanes)(sums);
}

INLINE void NAME(exponentials_of_gaps)(const T *z, T greatest, T *e)
{
    KEEP_LANES
    for (wide i = 0; i < LANES; i++)
        e[i] = NAME(exp_of_gap)(z[i], greatest);
}

/* The same of more than NARROW classes, by exp_of_gap. */
static double NAME(exponentials_of_many)(
    const T *z, wide skip, T greatest, T *e, double *own, wide k)
{
    const wide whole = k / LANES * LANES, rest = k - LANES;
    T row[LANES], last[LANES], some[LANES];
    double sums[LANES] = {0};
    NAME(exponentials_of_gaps)(z + rest, greatest, last); /* before e, which may be z, is written */
    for (wide i = 0; i < LANES; i++)
        some[i] = rest + i < whole || rest + i == skip ? 0 : last[i];
    if (skip >= whole)
        *own = last[skip - rest];
    for (wide j = 0; j < whole;) {
        for (const wide stop = j + STRETCH; j < whole && j < stop; j += LANES) {
            NAME(exponentials_of_gaps)(z + j, greatest, row);
            if (e)
                memcpy(e + j, row, sizeof row);
            if (skip >= j && skip < j + LANES) {
                *own = row[skip - j];
                row[skip - j] = 0;
            }
            KEEP_LANES
            for (wide i = 0; i < LANES; i++)
                some[i] += row[i];
        }
        KEEP_LANES
        for (wide i = 0; i < LANES; i++) {
            sums[i] += some[i];
            some[i] = 0;
        }
    }
    if (e)
        memcpy(e + rest, last, sizeof last);
    return NAME(sum_lanes)(sums);
}

/* logits = exp(logits) / the sum of exp(logits), in place. */
static void NAME(softmax)(void *row, wide k)
{
    T *logits = row;
    double own;
    const double total = (k > NARROW ? NAME(exponentials_of_many) : NAME(exponentials_of_few))(
        logits, -1, NAME(maximum)(logits, k), logits, &own, k);
    for (wide j = 0; j < k; j++)
        logits[j] = (T)(logits[j] / total);
}

/* The loss -log softmax(logits)[label] as gap + log1p(excess), where others is the sum of
 * exp(z - greatest) but for the label's own: no digit of a probability near one is lost. Where the
 * label's is the greatest, own is 1, or NaN, which must not be lost either. */
static inline double NAME(excess)(int best, double others, double own)
{
    return best ? others + (own - 1) : (others + own) - 1;
}

/* softmax_xent of up to LANES rows: lanes for the classes of each. Row by row what comes next would wait
 * for what was before. */
static wide NAME(softmax_xent_rows)(const T *logits, const int *labels, const double *scales,
                                    T *dlogits, double *excess, double *gap, wide n, wide k)
{
    T greatest[LANES];
    double others[LANES], own[LANES];
    int best[LANES];
    wide n_correct = 0;
    for (wide i = 0; i < n; i++)
        greatest[i] = NAME(maximum)(logits + i * k, k);
    for (wide i = 0; i < n; i++) {
        const T *row = logits + i * k, chosen = row[labels[i]];
        best[i] = chosen == greatest[i] && !NAME(is_among)(chosen, row, labels[i]);
        gap[i] = (double)greatest[i] - chosen;
        others[i] = (k > NARROW ? NAME(exponentials_of_many) : NAME(exponentials_of_few))(
            row, labels[i], greatest[i], dlogits ? dlogits + i * k : NULL, &own[i], k);
    }
    for (wide i = 0; i < n; i++) {
        excess[i] = NAME(excess)(best[i], others[i], own[i]);
        n_correct += best[i] && !isnan(excess[i]);
    }
    for (wide i = 0; dlogits && i < n; i++, dlogits += k) {
        const double share = scales[i] / (others[i] + own[i]);
        if (k > NARROW)
            NAME(scale)(share, dlogits, k);
        else /* in double, as known bits (tests/golden) ask for */
            for (wide j = 0; j < k; j++)
                dlogits[j] = (T)(share * dlogits[j]);
        dlogits[labels[i]] = (T)(-share * others[i]);
    }
    return n_correct;
}

/* softmax_xent of up to LANES rows of few classes: a lane for each row. */
static wide NAME(softmax_xent_lanes)(const T *logits, const int *labels, const double *scales,
                                     T *dlogits, double *excess, double *gap, wide n, wide k)
{
    T block[NARROW][LANES], greatest[LANES];
    BITS label[LANES], best[LANES];
    double others[LANES], own[LANES], share[LANES];
    wide n_correct = 0;
    if (n < LANES) {
        memset(block, 0, k * sizeof block[0]);
        memset(label, 0, sizeof label);
    }
    NAME(transpose)(n, k, logits, k, block[0], LANES);
    for (wide i = 0; i < n; i++)
        label[i] = labels[i];
    KEEP_LOOP
    for (wide i = 0; i < LANES; i++) {
        greatest[i] = block[0][i];
        best[i] = 0;
        others[i] = 0;
    }
    for (wide j = 1; j < k; j++)
        KEEP_LOOP
        for (wide i = 0; i < LANES; i++) {
            const BITS more = -(BITS)(block[j][i] > greatest[i]);
            best[i] = (best[i] & ~more) | ((BITS)j & more);
            greatest[i] = block[j][i] > greatest[i] ? block[j][i] : greatest[i];
        }
    for (wide i = 0; i < n; i++)
        gap[i] = (double)greatest[i] - block[label[i]][i];
    for (wide j = 0; j < k; j++)
        KEEP_LANES
        for (wide i = 0; i < LANES; i++) {
            block[j][i] = NAME(exp_of_difference)(block[j][i], greatest[i]);
            others[i] += label[i] == (BITS)j ? 0 : block[j][i];
        }
    for (wide i = 0; i < LANES; i++)
        own[i] = block[label[i]][i];
    for (wide i = 0; i < n; i++) {
        excess[i] = NAME(excess)(best[i] == label[i], others[i], own[i]);
        n_correct += best[i] == label[i] && !isnan(excess[i]);
    }
    if (!dlogits)
        return n_correct;
    for (wide i = 0; i < LANES; i++)
        share[i] = (i < n ? scales[i] : 0) / (others[i] + own[i]);
    for (wide j = 0; j < k; j++)
        KEEP_LANES
        for (wide i = 0; i < LANES; i++)
            block[j][i] = (T)(share[i] * block[j][i]);
    NAME(transpose)(k, n, block[0], LANES, dlogits, k);
    for (wide i = 0; i < n; i++)
        dlogits[i * k + label[i]] = (T)(-share[i] * others[i]);
    return n_correct;
}

/* Of n <= LANES rows: their losses as gap + log1p(excess), and dlogits, if not NULL,
 * = scale (softmax(logits) - onehot(label)), which may be logits itself. Returns how many are right. */
static wide NAME(softmax_xent)(const T *logits, const int *labels, const double *scales,
                               T *dlogits, double *excess, double *gap, wide n, wide k)
{
    return (n >= LANES / 2 && k <= NARROW ? NAME(softmax_xent_lanes) : NAME(softmax_xent_rows))(
        logits, labels, scales, dlogits, excess, gap, n, k);
}

/* The sum of weight (gap + log1p(excess)), by one logarithm where all weigh the same: of the product of all
 * 1 + excess, in four lanes, for each factor waits for the one before. Beyond n all are 0. */
static inline double NAME(sum_of_logs)(const double *weight, const double *gap,
                                       const double *excess, wide n)
{
    int equal = 1;
    double gaps[4] = {0}, products[4] = {0}, total = 0; /* products: less 1 */
    for (wide i = 0; i < n; i++)
        equal = equal && weight[i] == weight[0];
    for (wide i = 0; i < LANES; i += 4)
        KEEP_LOOP
        for (wide j = 0; j < 4; j++) {
            gaps[j] += gap[i + j];
            products[j] += excess[i + j] + products[j] * excess[i + j];
        }
    products[0] += products[2] + products[0] * products[2];
    products[1] += products[3] + products[1] * products[3];
    products[0] += products[1] + products[0] * products[1];
    if (equal)
        return weight[0] * ((gaps[0] + gaps[2]) + (gaps[1] + gaps[3]) + log1p(products[0]));
    for (wide i = 0; i < n; i++)
        total += weight[i] * (gap[i] + log1p(excess[i]));
    return total;
}

/* What losses have above the most that they count for; no logarithm where none can reach it. */
static double NAME(take_cap)(double most, const double *weight, double *gap, double *excess, wide n)
{
    double above = 0;
    for (wide i = 0; i < n; i++)
        if (gap[i] + excess[i] > most && gap[i] + log1p(excess[i]) > most) {
            above += weight[i] * (gap[i] + log1p(excess[i]) - most);
            gap[i] = most;
            excess[i] = 0;
        }
    return above;
}

/* What a share of the label, spread over all classes, adds to the loss: share (z - mean of all z). */
static void NAME(lift_of_smoothing)(const T *logits, const int *labels, double share, double *lift,
                                    wide n, wide k)
{
    for (wide i = 0; i < n; i++, logits += k) {
        double sum = 0;
        for (wide j = 0; j < k; j++)
            sum += logits[j];
        lift[i] = share * (logits[labels[i]] - sum / k);
    }
}

/* And to its gradient. */
static void NAME(smooth)(const int *labels, const double *scales, double share, T *dlogits, wide n,
                         wide k)
{
    for (wide i = 0; i < n; i++, dlogits += k) {
        for (wide j = 0; j < k; j++)
            dlogits[j] -= (T)(share * scales[i] / k);
        dlogits[labels[i]] += (T)(share * scales[i]);
    }
}

/* Settings: the share of the label that is smoothed, the most that a row's loss counts for; 0: all. */
static double NAME(loss_softmax_cross_entropy)(const void *outputs, const fastdl_truth *truth,
                                               const double *settings, double scale,
                                               void *doutputs, double *each, ptrdiff_t *n_correct,
                                               wide n, wide k)
{
    const T *weights = truth->weights;
    int label[LANES];
    double weight[LANES], scales[LANES], excess[LANES], gap[LANES], total = 0;
    const double smoothing = settings[0];
    double lift[LANES] = {0};
    *n_correct = 0;
    for (wide start = 0; start < n; start += LANES) {
        const wide few = n - start < LANES ? n - start : LANES;
        for (wide i = 0; i < few; i++) {
            const wide row = truth->order ? truth->order[start + i] : start + i;
            label[i] = truth->labels[row];
            weight[i] = weights ? weights[row] : 1;
            scales[i] = weight[i] * scale;
        }
        if (few < LANES) {
            memset(excess, 0, sizeof excess);
            memset(gap, 0, sizeof gap);
        }
        T *dlogits = doutputs ? (T *)doutputs + start * k : NULL;
        if (smoothing != 0) /* before, for dlogits may be the logits */
            NAME(lift_of_smoothing)((const T *)outputs + start * k, label, smoothing, lift, few, k);
        *n_correct += NAME(softmax_xent)((const T *)outputs + start * k, label, scales, dlogits,
                                         excess, gap, few, k);
        total += NAME(sum_of_logs)(weight, gap, excess, few);
        if (settings[1] != 0)
            total -= NAME(take_cap)(settings[1], weight, gap, excess, few);
        for (wide i = 0; each && i < few; i++)
            each[start + i] = gap[i] + log1p(excess[i]) + lift[i];
        if (smoothing != 0) {
            for (wide i = 0; i < few; i++)
                total += weight[i] * lift[i];
            if (dlogits)
                NAME(smooth)(label, scales, smoothing, dlogits, few, k);
        }
    }
    return total;
}
