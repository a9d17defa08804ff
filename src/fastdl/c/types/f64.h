/* The type double for the templates: its format, and the constants of Cephes' exp and tanh. */
#define T double
#define TYPE f64
#define LEAST DBL_MIN
#define BITS long long
#define UNSIGNED_BITS unsigned long long
#define SQRT(x) __builtin_sqrt(x)
#define LEAKY_SLOPE 0.01
#define ROUND 6755399441055744.0 /* 1.5 2^52 */
#define INTEGER_SHIFT 13
#define EXPONENT_BIAS 1023
#define EXPONENT_SHIFT 52
#define EXP_LEAST -746.0
#define LN2_HIGH 6.93145751953125e-1
#define LN2_LOW 1.42860682030941723212e-6
#define EXP_P(r)                                                                                 \
    ((r) * ((1.26177193074810590878e-4 * ((r) * (r)) + 3.02994407707441961300e-2) * ((r) * (r)) + \
            9.99999999999999999910e-1))
#define EXP_Q(z)                                                                                 \
    (((3.00198505138664455042e-6 * (z) + 2.52448340349684104192e-3) * (z) +                       \
      2.27265548208155028766e-1) * (z) + 2.00000000000000000009e0)
#define EXP_OF_REST(r) (1 + 2 * (EXP_P(r) / (EXP_Q((r) * (r)) - EXP_P(r))))
#define TANH_NEAR_ZERO(z)                                                                        \
    (((-9.64399179425052238628e-1 * (z) - 9.92877231001918586564e1) * (z) -                       \
      1.61468768441708447952e3) /                                                                 \
     ((((z) + 1.12811678491632931402e2) * (z) + 2.23548839060100448583e3) * (z) +                 \
      4.84406305325125486048e3))
