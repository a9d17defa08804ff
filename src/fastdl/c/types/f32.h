/* The type float for the templates: its format, and the constants of Cephes' exp, log and tanh. */
#define T float
#define TYPE f32
#define LEAST FLT_MIN
#define BITS int
#define UNSIGNED_BITS unsigned
#define SQRT(x) __builtin_sqrtf(x)
#define LEAKY_SLOPE 0.01f
#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f
#define FAR 32.0f
#define ROUND 12582912.0f /* 1.5 2^23 */
#define INTEGER_SHIFT 10
#define EXPONENT_BIAS 127
#define EXPONENT_SHIFT 23
#define EXP_LEAST -104.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define EXP_NORMAL -87.0f
#define FUSE(a, b, c) __builtin_fmaf(a, b, c)
#define EXP_OF_REST(MA, r)                                                                       \
    (MA(MA(MA(MA(MA(MA(1.9875691500e-4f, r, 1.3981999507e-3f), r, 8.3334519073e-3f), r,          \
                 4.1665795894e-2f), r, 1.6666665459e-1f), r, 5.0000001201e-1f), (r) * (r), r) + 1)
#define LOG_OF_REST(f)                                                                           \
    ((((((((7.0376836292e-2f * (f) - 1.1514610310e-1f) * (f) + 1.1676998740e-1f) * (f) -         \
          1.2420140846e-1f) * (f) + 1.4249322787e-1f) * (f) - 1.6668057665e-1f) * (f) +          \
       2.0000714765e-1f) * (f) - 2.4999993993e-1f) * (f) + 3.3333331174e-1f)
#define TANH_NEAR_ZERO(z)                                                                        \
    ((((-5.70498872745e-3f * (z) + 2.06390887954e-2f) * (z) - 5.37397155531e-2f) * (z) +          \
      1.33314422036e-1f) * (z) - 3.33332819422e-1f)
