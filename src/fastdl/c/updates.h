/* Penalties, and the optimisers' updates, for one type and one target; the compiler vectorises them. */

/* A line here and an update of that name below: an optimiser. */
#ifndef FASTDL_OPTIMISERS
#define FASTDL_OPTIMISERS(X) X(sgd) X(momentum) X(nesterov) X(adam) X(adamw) X(adam_hat)
#endif

#ifdef T

/* l1 sum(|w|) + l2 sum(w^2). */
static double NAME(penalty)(const void *weight, wide size, double l1, double l2)
{
    const T *w = weight;
    double absolute = 0, square = 0;
    if (l1 != 0)
        for (wide i = 0; i < size; i++)
            absolute += fabs((double)w[i]);
    if (l2 != 0)
        for (wide i = 0; i < size; i++)
            square += (double)w[i] * w[i];
    return l1 * absolute + l2 * square;
}

/* grad + the gradient of l1 |w| + l2 w^2 (at w = 0 the subgradient 0). */
static inline T NAME(penalised)(T grad, T w, T l1, T l2)
{
    return grad + 2 * l2 * w + l1 * (T)((w > 0) - (w < 0));
}

static void NAME(penalty_gradient)(const void *weight, wide size, double l1, double l2, void *out)
{
    const T *w = weight;
    T *dw = out;
    for (wide i = 0; i < size; i++)
        dw[i] = NAME(penalised)(0, w[i], (T)l1, (T)l2);
}

#define SQUARES 16 /* sums side by side, for the compiler to vectorise */

/* grad += the gradient of the penalty; gives the sum of the squares of grad. */
static double NAME(penalise)(const void *weight, wide size, double l1, double l2, void *grad)
{
    const T *w = weight;
    T *dw = grad;
    double sums[SQUARES] = {0}, total = 0;
    if (l1 != 0 || l2 != 0)
        for (wide i = 0; i < size; i++)
            dw[i] = NAME(penalised)(dw[i], w[i], (T)l1, (T)l2);
    for (; size >= SQUARES; size -= SQUARES, dw += SQUARES)
        KEEP_LANES
        for (int j = 0; j < SQUARES; j++)
            sums[j] += (double)dw[j] * dw[j];
    for (wide j = 0; j < size; j++)
        sums[j] += (double)dw[j] * dw[j];
    for (int j = 0; j < SQUARES; j++)
        total += sums[j];
    return total;
}

#undef SQUARES

/* An update of the arrays as T; what its settings are it says itself. */
#define UPDATE(name)                                                                             \
    static void NAME(name)(const fastdl_update *update, int decays, double lasso, double ridge,  \
                           const void *restrict grads, void *restrict params,                    \
                           void *restrict firsts, void *restrict seconds, wide size)
#define SETTINGS                                                                                 \
    const T l1 = (T)lasso, l2 = (T)ridge, *grad = grads;                                         \
    T *param = params;

/* param -= rate (grad + 2 l2 param + l1 sign(param)). */
UPDATE(sgd)
{
    SETTINGS
    const T rate = (T)update->learning_rate;
    if (l1 == 0)
        for (wide i = 0; i < size; i++)
            param[i] -= rate * (grad[i] + 2 * l2 * param[i]);
    else
        for (wide i = 0; i < size; i++)
            param[i] -= rate * NAME(penalised)(grad[i], param[i], l1, l2);
}

/* velocity = momentum velocity + gradient; param -= rate velocity.
 * Settings: 0, 0, momentum. */
UPDATE(momentum)
{
    SETTINGS
    const T rate = (T)update->learning_rate, momentum = (T)update->settings[2];
    T *velocity = firsts;
    for (wide i = 0; i < size; i++) {
        velocity[i] = momentum * velocity[i] + NAME(penalised)(grad[i], param[i], l1, l2);
        param[i] -= rate * velocity[i];
    }
}

/* The same from where the momentum leads; the same settings. */
UPDATE(nesterov)
{
    SETTINGS
    const T rate = (T)update->learning_rate, momentum = (T)update->settings[2];
    T *velocity = firsts;
    for (wide i = 0; i < size; i++) {
        T g = NAME(penalised)(grad[i], param[i], l1, l2);
        velocity[i] = momentum * velocity[i] + g;
        param[i] -= rate * (g + momentum * velocity[i]);
    }
}

/* Adam, its corrections in rate and root, or with a hat in the rate alone; decay: of the parameters,
 * which only counts if it is asked for. Epsilon is not 0, as a small one is in single precision: 0 / 0
 * would follow where no gradient is. */
INLINE void NAME(take_adam)(const fastdl_update *update, const int decays, const int hat, T decay,
                            double lasso, double ridge, const void *restrict grads,
                            void *restrict params, void *restrict firsts,
                            void *restrict seconds, wide size)
{
    SETTINGS
    const double *settings = update->settings;
    const T beta1 = (T)settings[0], rest1 = (T)(1 - settings[0]);
    const T beta2 = (T)settings[1], rest2 = (T)(1 - settings[1]);
    const double corrected = update->learning_rate / update->corrections[0];
    const double correction = sqrt(update->corrections[1]);
    const T rate = (T)(hat ? corrected * correction : corrected), root = (T)(hat ? 1 : correction);
    const T epsilon = (T)settings[2] > LEAST ? (T)settings[2] : LEAST;
    T *mean = firsts, *square = seconds;
    for (wide i = 0; i < size; i++) {
        T g = NAME(penalised)(grad[i], param[i], l1, l2);
        mean[i] = beta1 * mean[i] + rest1 * g;
        square[i] = beta2 * square[i] + rest2 * g * g;
        T step = rate * mean[i] / (SQRT(square[i]) / root + epsilon);
        param[i] -= decays ? step + decay * param[i] : step;
    }
}

/* Adam (Kingma & Ba 2015, algorithm 1). Settings: beta1, beta2, epsilon. */
UPDATE(adam)
{
    (void)decays;
    NAME(take_adam)(update, 0, 0, 0, lasso, ridge, grads, params, firsts, seconds, size);
}

/* AdamW (Loshchilov & Hutter 2019): a weight's decay passes the moments by, and l1 and l2, which are
 * part of the gradient, do not. Settings: Adam's, then the decay. */
UPDATE(adamw)
{
    const T decay = decays ? (T)(update->learning_rate * update->settings[3]) : 0;
    NAME(take_adam)(update, 1, 0, decay, lasso, ridge, grads, params, firsts, seconds, size);
}

/* Adam in the other order that its paper gives (the end of section 2): epsilon stands beside the root
 * of a mean that is not corrected. Settings: Adam's. */
UPDATE(adam_hat)
{
    (void)decays;
    NAME(take_adam)(update, 0, 1, 0, lasso, ridge, grads, params, firsts, seconds, size);
}

#undef UPDATE
#undef SETTINGS
#endif
