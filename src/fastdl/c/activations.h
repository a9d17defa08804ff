/* Activations and their derivatives, for one type and one target; the compiler vectorises them. */

/* A line here and two functions below: an activation. The derivative of the first ones goes by the
 * output, that of the others by the input. */
#ifndef FASTDL_ACTIVATIONS
#define FASTDL_BY_OUTPUT(X)                                                                      \
    X(identity) X(relu) X(leaky_relu) X(sigmoid) X(tanh) X(elu) X(selu) X(softplus) X(exp)
#define FASTDL_BY_INPUT(X) X(gelu) X(silu) X(mish)
#define FASTDL_ACTIVATIONS(X) FASTDL_BY_OUTPUT(X) FASTDL_BY_INPUT(X)
#endif

#ifdef T

/* An activation of v, and dout times its derivative, by its output or its input. A comparison that is
 * false for NaN is written so that NaN passes through it. */

static inline T NAME(identity)(T v)
{
    return v;
}

static inline T NAME(identity_backward)(T out, T dout)
{
    (void)out;
    return dout;
}

static inline T NAME(relu)(T v)
{
    return v < 0 ? 0 : v;
}

static inline T NAME(relu_backward)(T out, T dout)
{
    return out > 0 ? dout : 0;
}

static inline T NAME(leaky_relu)(T v)
{
    return (v < 0 ? LEAKY_SLOPE : 1) * v;
}

static inline T NAME(leaky_relu_backward)(T out, T dout)
{
    return (out > 0 ? 1 : LEAKY_SLOPE) * dout;
}

static inline T NAME(sigmoid)(T v)
{
    const T e = NAME(exp_below)(v < 0 ? v : -v);
    return (v < 0 ? e : (T)1) / (1 + e);
}

static inline T NAME(sigmoid_backward)(T out, T dout)
{
    return dout * (out * (1 - out));
}

/* Near zero a polynomial, which keeps all digits, elsewhere by the exponential. */
static inline T NAME(tanh)(T v)
{
    const T positive = v < 0 ? -v : v, square = v * v;
    const T e = NAME(exp_below)(-2 * positive), far = (1 - e) / (1 + e);
    const T near = v + v * square * TANH_NEAR_ZERO(square);
    return positive < (T)0.625 ? near : v < 0 ? -far : far;
}

static inline T NAME(tanh_backward)(T out, T dout)
{
    return dout * (1 - out * out);
}

static inline T NAME(exp)(T v)
{
    return NAME(exp_below)(v > -EXP_LEAST ? -EXP_LEAST : v); /* from there on infinite */
}

static inline T NAME(exp_backward)(T out, T dout)
{
    return dout * out;
}

/* exp(v) - 1: near zero by tanh(v / 2), which keeps all digits, and v where that has no square. */
static inline T NAME(expm1)(T v)
{
    const T half = v / 2, square = half * half;
    const T tanh = half + half * square * TANH_NEAR_ZERO(square);
    const T near = square == 0 ? v : 2 * tanh / (1 - tanh);
    return v > (T)-0.5 && v < (T)0.5 ? near : NAME(exp)(v) - 1;
}

static inline T NAME(elu)(T v)
{
    return v > 0 ? v : NAME(expm1)(v);
}

static inline T NAME(elu_backward)(T out, T dout)
{
    return out > 0 ? dout : dout * (out + 1);
}

static inline T NAME(selu)(T v)
{
    return v > 0 ? SELU_SCALE * v : SELU_SCALE * SELU_ALPHA * NAME(elu)(v);
}

static inline T NAME(selu_backward)(T out, T dout)
{
    return out > 0 ? SELU_SCALE * dout : dout * (out + SELU_SCALE * SELU_ALPHA);
}

static inline T NAME(softplus)(T v)
{
    return (v < 0 ? 0 : v) + NAME(log_above)(NAME(exp_below)(v < 0 ? v : -v));
}

/* 1 - exp(-out), which keeps the digits of a small one. */
static inline T NAME(softplus_backward)(T out, T dout)
{
    return dout * -NAME(expm1)(-out);
}

/* 2 sqrt(2 / pi) (v + 0.044715 v^3), of which the logistic function is near the normal one. */
static inline T NAME(gelu_logit)(T v)
{
    return (T)1.5957691216057308 * (v + (T)0.044715 * v * v * v);
}

static inline T NAME(gelu)(T v)
{
    return v * NAME(sigmoid)(NAME(gelu_logit)(v));
}

/* Beyond FAR the share is 0 or 1, and the square of v need not be finite. */
static inline T NAME(gelu_backward)(T v, T dout)
{
    const T near = v > FAR ? FAR : v < -FAR ? -FAR : v;
    const T share = NAME(sigmoid)(NAME(gelu_logit)(near));
    const T slope = (T)1.5957691216057308 * (1 + 3 * (T)0.044715 * near * near);
    return dout * (share + near * share * (1 - share) * slope);
}

static inline T NAME(silu)(T v)
{
    return v * NAME(sigmoid)(v);
}

static inline T NAME(silu_backward)(T v, T dout)
{
    const T share = NAME(sigmoid)(v);
    return dout * (share + v * share * (1 - share));
}

/* tanh(softplus(v)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1) with e = exp(v), in terms of exp(-|v|). */
static inline T NAME(mish_share)(T v)
{
    const T e = NAME(exp_below)(v < 0 ? v : -v);
    const T low = e * (e + 2), high = 1 + 2 * e;
    return v < 0 ? low / (low + 2) : high / (high + 2 * e * e);
}

static inline T NAME(mish)(T v)
{
    return v * NAME(mish_share)(v);
}

static inline T NAME(mish_backward)(T v, T dout)
{
    const T share = NAME(mish_share)(v);
    return dout * (share + v * (1 - share * share) * NAME(sigmoid)(v));
}

#define ACTIVATE(name)                                                                           \
    static void NAME(activate_##name)(const void *restrict bias, void *restrict z,               \
                                      void *restrict inputs, wide n, wide h, wide ld)            \
    {                                                                                            \
        const T *b = bias;                                                                       \
        for (wide i = 0; i < n; i++) {                                                           \
            T *row = (T *)z + i * ld, *input = inputs ? (T *)inputs + i * ld : NULL;             \
            for (wide j = 0; input && j < h; j++)                                                \
                input[j] = row[j] + b[j];                                                        \
            for (wide j = 0; j < h; j++)                                                         \
                row[j] = NAME(name)(row[j] + b[j]);                                              \
        }                                                                                        \
    }                                                                                            \
                                                                                                 \
    static void NAME(activate_backward_##name)(const void *restrict by, void *restrict dout,     \
                                               wide n, wide h, wide ld)                          \
    {                                                                                            \
        for (wide i = 0; i < n; i++) {                                                           \
            const T *row = (const T *)by + i * ld;                                               \
            T *drow = (T *)dout + i * ld;                                                        \
            for (wide j = 0; j < h; j++)                                                         \
                drow[j] = NAME(name##_backward)(row[j], drow[j]);                                \
        }                                                                                        \
    }

FASTDL_ACTIVATIONS(ACTIVATE)
#undef ACTIVATE
#endif
