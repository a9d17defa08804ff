/* The type float for the templates: its format, and the constants of Cephes' exp and tanh. */
#define T float
#define TYPE f32
#define LEAST FLT_MIN
#define BITS int
#define UNSIGNED_BITS unsigned
#define SQRT(x) __builtin_sqrtf(x)
#define LEAKY_SLOPE 0.01f
#define ROUND 12582912.0f /* 1.5 2^23 */
#define INTEGER_SHIFT 10
#define EXPONENT_BIAS 127
#define EXPONENT_SHIFT 23
#define EXP_LEAST -104.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define EXP_OF_REST(r)                                                                           \
    (((((((1.9875691500e-4f * (r) + 1.3981999507e-3f) * (r) + 8.3334519073e-3f) * (r) +           \
         4.1665795894e-2f) * (r) + 1.6666665459e-1f) * (r) + 5.0000001201e-1f) * ((r) * (r)) +    \
      (r)) + 1)
#define TANH_NEAR_ZERO(z)                                                                        \
    ((((-5.70498872745e-3f * (z) + 2.06390887954e-2f) * (z) - 5.37397155531e-2f) * (z) +          \
      1.33314422036e-1f) * (z) - 3.33332819422e-1f)
