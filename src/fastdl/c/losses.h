/* The losses of rows of k outputs, for one type and one target; the compiler vectorises them. */

/* A line here and a function of that name below: a loss. */
#ifndef FASTDL_LOSSES
#define FASTDL_LOSSES(X)                                                                         \
    X(softmax_cross_entropy) X(hinge) X(sigmoid_cross_entropy) X(binary_cross_entropy) X(mse)    \
    X(mae) X(huber) X(quantile) X(poisson)
#endif

#ifdef T

/* A loss of one row and, unless it is NULL, its gradient times scale, of the label or the targets,
 * whichever the loss goes by. A comparison that is false for NaN is written so that NaN passes. */
typedef double (*NAME(row_loss))(const T *outputs, long label, const T *targets,
                                 const double *settings, double scale, T *doutputs, long k);

#define FACTORS 32 /* of at most 2, in LANES products, whose product is no infinity yet */

/* max(0, z - own + margin) of a class that is not the label's; NaN stays. */
static inline double NAME(violation)(T z, int is_label, double own, double margin)
{
    const double violation = (double)z - own + margin;
    return is_label || violation <= 0 ? 0 : violation;
}

/* The sum over j != label of max(0, logits[j] - logits[label] + margin) and its subgradient. */
static double NAME(hinge)(const T *logits, long label, const T *targets, const double *settings,
                          double scale, T *dlogits, long k)
{
    const double own = logits[label], margin = settings[0];
    double loss = 0, count = 0;
    long j = 0;
    if (k >= LANES) {
        double losses[LANES] = {0}, counts[LANES] = {0};
        for (; j + LANES <= k; j += LANES) {
            T dz[LANES];
            KEEP_LOOP
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

/* Cross-entropies of n sigmoids: log(1 + exp(s)) = max(0, s) + log1p(exp(-|s|)), where s is z or, where
 * 1 is right, -z: at the label, or where targets, if not NULL, say so. Adds max(0, s) to sums, and
 * multiplies 1 + products by 1 + exp(-|s|); past the items these are as good as nothing. */
INLINE void NAME(sigmoid_items)(const T *z, long n, long label, const T *targets, double scale,
                                T *dz, double *sums, double *products)
{
    T row[LANES], e[LANES];
    const int has_label = label >= 0 && label < n;
    KEEP_LOOP
    for (long i = 0; i < LANES; i++)
        row[i] = i < n ? z[i] : EXP_LEAST;
    if (has_label)
        row[label] = -row[label];
    for (long i = 0; targets && i < n; i++)
        row[i] = targets[i] != 0 ? -row[i] : row[i];
    KEEP_LOOP
    for (long i = 0; i < LANES; i++)
        e[i] = NAME(exp_below)(row[i] < 0 ? row[i] : -row[i]);
    KEEP_LOOP
    for (long i = 0; i < LANES; i++)
        sums[i] += row[i] < 0 ? 0 : row[i];
    KEEP_LOOP
    for (long i = 0; i < LANES; i++)
        products[i] += e[i] + products[i] * e[i];
    KEEP_LOOP
    for (long i = 0; i < LANES; i++)
        e[i] = (T)(scale * ((row[i] < 0 ? e[i] : (T)1) / (1 + e[i])));
    if (has_label)
        e[label] = -e[label];
    for (long i = 0; targets && i < n; i++)
        e[i] = targets[i] != 0 ? -e[i] : e[i];
    if (dz)
        memcpy(dz, e, n * sizeof(T));
}

/* log of the product of 1 + products, which become 1. */
static double NAME(take_log)(double *products)
{
    KEEP_LOOP
    for (int i = 0; i < LANES / 2; i++)
        products[i] += products[i + LANES / 2] + products[i] * products[i + LANES / 2];
    KEEP_LOOP
    for (int i = 0; i < LANES / 4; i++)
        products[i] += products[i + LANES / 4] + products[i] * products[i + LANES / 4];
    double all = 0;
    for (int i = 0; i < LANES / 4; i++)
        all += products[i] + all * products[i];
    memset(products, 0, LANES * sizeof(double));
    return log1p(all);
}

INLINE double NAME(sigmoids)(const T *logits, long label, const T *targets, double scale,
                             T *dlogits, long k)
{
    double sums[LANES] = {0}, products[LANES] = {0}, logs = 0;
    for (long j = 0; j < k; j += LANES) {
        const T *wanted = targets ? targets + j : NULL;
        T *dz = dlogits ? dlogits + j : NULL;
        if (k - j >= LANES)
            NAME(sigmoid_items)(logits + j, LANES, label - j, wanted, scale / k, dz, sums, products);
        else
            NAME(sigmoid_items)(logits + j, k - j, label - j, wanted, scale / k, dz, sums, products);
        if (j / LANES % FACTORS == FACTORS - 1)
            logs += NAME(take_log)(products);
    }
    logs += NAME(take_log)(products);
    return (NAME(sum_lanes)(sums) + logs) / k;
}

/* The binary cross-entropy of each output against onehot(label): the mean over the k outputs. */
static double NAME(sigmoid_cross_entropy)(const T *logits, long label, const T *targets,
                                          const double *settings, double scale, T *dlogits, long k)
{
    return NAME(sigmoids)(logits, label, NULL, scale, dlogits, k);
}

/* The same against targets that are 0 or 1. Settings: the most that an output's loss counts for, where it
 * is as good as its logit on the wrong side; 0: all. */
static double NAME(binary_cross_entropy)(const T *logits, long label, const T *targets,
                                         const double *settings, double scale, T *dlogits, long k)
{
    double above = 0;
    for (long j = 0; settings[0] != 0 && j < k; j++) { /* before, for dlogits may be the logits */
        const double wrong = targets[j] != 0 ? -(double)logits[j] : (double)logits[j];
        above += wrong > settings[0] ? wrong - settings[0] : 0;
    }
    const double loss = NAME(sigmoids)(logits, -1, targets, scale, dlogits, k);
    return above > 0 ? loss - above / k : loss;
}

/* --- the mean over the k outputs of a loss of each, by how far it is off its target -------------- */

/* (output - target)^2. */
static inline double NAME(mse_item)(double output, double target, double setting, double *slope)
{
    const double off = output - target;
    (void)setting;
    *slope = 2 * off;
    return off * off;
}

/* |output - target|, where it has a kink the slope 0. */
static inline double NAME(mae_item)(double output, double target, double setting, double *slope)
{
    const double off = output - target;
    (void)setting;
    *slope = off > 0 ? 1 : off < 0 ? -1 : off;
    return off < 0 ? -off : off;
}

/* off^2 / 2 up to delta, from there on a line. */
static inline double NAME(huber_item)(double output, double target, double delta, double *slope)
{
    const double off = output - target, size = off < 0 ? -off : off;
    *slope = size > delta ? (off < 0 ? -delta : delta) : off;
    return size > delta ? delta * (size - delta / 2) : off * off / 2;
}

/* q or 1 - q times |output - target|, whether the output is below or above. */
static inline double NAME(quantile_item)(double output, double target, double q, double *slope)
{
    const double off = output - target;
    *slope = off > 0 ? 1 - q : off < 0 ? -q : off;
    return *slope * off;
}

/* output - target log(output) of a mean above 0, which is taken for 1e-30 at least. */
static inline double NAME(poisson_item)(double output, double target, double setting, double *slope)
{
    const double mean = output < 1e-30 ? 1e-30 : output;
    (void)setting;
    *slope = 1 - target / mean;
    return mean - target * log(mean);
}

#define ITEM_BY_ITEM(name)                                                                       \
    static double NAME(name)(const T *outputs, long label, const T *targets,                     \
                             const double *settings, double scale, T *doutputs, long k)          \
    {                                                                                            \
        const double rate = scale / k, setting = settings[0];                                    \
        double loss = 0;                                                                         \
        long j = 0;                                                                              \
        (void)label;                                                                             \
        if (k >= LANES) {                                                                        \
            double losses[LANES] = {0};                                                          \
            for (; j + LANES <= k; j += LANES) {                                                 \
                T d[LANES];                                                                      \
                KEEP_LOOP                                                                        \
                for (long i = 0; i < LANES; i++) {                                               \
                    double slope;                                                                \
                    losses[i] += NAME(name##_item)(outputs[j + i], targets[j + i], setting,      \
                                                   &slope);                                      \
                    d[i] = (T)(rate * slope);                                                    \
                }                                                                                \
                if (doutputs)                                                                    \
                    memcpy(doutputs + j, d, sizeof d);                                           \
            }                                                                                    \
            loss = NAME(sum_lanes)(losses);                                                      \
        }                                                                                        \
        for (; j < k; j++) {                                                                     \
            double slope;                                                                        \
            loss += NAME(name##_item)(outputs[j], targets[j], setting, &slope);                  \
            if (doutputs)                                                                        \
                doutputs[j] = (T)(rate * slope);                                                 \
        }                                                                                        \
        return loss / k;                                                                         \
    }

ITEM_BY_ITEM(mse)
ITEM_BY_ITEM(mae)
ITEM_BY_ITEM(huber)
ITEM_BY_ITEM(quantile)
ITEM_BY_ITEM(poisson)
#undef ITEM_BY_ITEM

/* Whether every output is above 0 where its target is 1, and nowhere else. */
static inline int NAME(all_right)(const T *outputs, const T *targets, long k)
{
    int right = 1;
    for (long j = 0; j < k; j++)
        right &= (outputs[j] > 0) == (targets[j] != 0);
    return right;
}

/* What is not a number is never right. */
INLINE double NAME(rows)(const NAME(row_loss) row_loss, int binary, const void *outputs,
                         const fastdl_truth *truth, const double *settings, double scale,
                         void *doutputs, double *each, ptrdiff_t *n_correct, long n, long k)
{
    const T *weights = truth->weights, *targets = truth->targets;
    double total = 0;
    *n_correct = 0;
    for (long i = 0; i < n; i++) {
        const T *row = (const T *)outputs + i * k;
        const long at = truth->order ? truth->order[i] : i;
        const long label = truth->labels ? truth->labels[at] : 0;
        const double weight = weights ? weights[at] : 1;
        const T *wanted = targets ? targets + at * k : NULL;
        int hit = truth->labels && label == NAME(argmax)(row, k); /* row may be doutputs */
        if (binary)
            hit = NAME(all_right)(row, wanted, k);
        const double loss = row_loss(row, label, wanted, settings, weight * scale,
                                     doutputs ? (T *)doutputs + i * k : NULL, k);
        *n_correct += hit && !isnan(loss);
        total += weight * loss;
        if (each)
            each[i] = loss;
    }
    return total;
}

#define ROW_BY_ROW(name, binary)                                                                 \
    static double NAME(loss_##name)(const void *outputs, const fastdl_truth *truth,              \
                                    const double *settings, double scale, void *doutputs,        \
                                    double *each, ptrdiff_t *n_correct, long n, long k)          \
    {                                                                                            \
        return NAME(rows)(NAME(name), binary, outputs, truth, settings, scale, doutputs, each,   \
                          n_correct, n, k);                                                      \
    }

ROW_BY_ROW(hinge, 0)
ROW_BY_ROW(sigmoid_cross_entropy, 0)
ROW_BY_ROW(binary_cross_entropy, 1)
ROW_BY_ROW(mse, 0)
ROW_BY_ROW(mae, 0)
ROW_BY_ROW(huber, 0)
ROW_BY_ROW(quantile, 0)
ROW_BY_ROW(poisson, 0)
#undef ROW_BY_ROW
#undef FACTORS
#undef LANES
#undef NARROW
#endif
