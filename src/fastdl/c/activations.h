/* Activations and their derivatives, for one type and one target; the compiler vectorises them. */

/* A line here and two functions below: an activation. */
#ifndef FASTDL_ACTIVATIONS
#define FASTDL_ACTIVATIONS(X) X(identity) X(relu) X(leaky_relu) X(sigmoid) X(tanh)
#endif

#ifdef T

/* An activation of v, and dout times its derivative, by the activation's output. A comparison that is
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
    const T e = NAME(exp)(v < 0 ? v : -v);
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
    const T e = NAME(exp)(-2 * positive), far = (1 - e) / (1 + e);
    const T near = v + v * square * TANH_NEAR_ZERO(square);
    return positive < (T)0.625 ? near : v < 0 ? -far : far;
}

static inline T NAME(tanh_backward)(T out, T dout)
{
    return dout * (1 - out * out);
}

#define OF_ROWS(name)                                                                            \
    static void NAME(activate_##name)(const void *restrict bias, void *restrict z, long n,       \
                                      long h, long ld)                                           \
    {                                                                                            \
        const T *b = bias;                                                                       \
        for (long i = 0; i < n; i++) {                                                           \
            T *row = (T *)z + i * ld;                                                            \
            for (long j = 0; j < h; j++)                                                         \
                row[j] = NAME(name)(row[j] + b[j]);                                              \
        }                                                                                        \
    }                                                                                            \
                                                                                                 \
    static void NAME(activate_backward_##name)(const void *restrict out, void *restrict dout,    \
                                               long n, long h, long ld)                          \
    {                                                                                            \
        for (long i = 0; i < n; i++) {                                                           \
            const T *row = (const T *)out + i * ld;                                              \
            T *drow = (T *)dout + i * ld;                                                        \
            for (long j = 0; j < h; j++)                                                         \
                drow[j] = NAME(name##_backward)(row[j], drow[j]);                                \
        }                                                                                        \
    }

FASTDL_ACTIVATIONS(OF_ROWS)
#undef OF_ROWS
#endif
