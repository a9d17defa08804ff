/* The type double for the templates: its format, and the constants of Cephes' exp, log and tanh. */
#define T double
#define TYPE f64
#define LEAST DBL_MIN
#define BITS long long
#define UNSIGNED_BITS unsigned long long
#define SQRT(x) __builtin_sqrt(x)
#define LEAKY_SLOPE 0.01
#define SELU_SCALE 1.0507009873554805
#define SELU_ALPHA 1.6732632423543772
#define FAR 32.0
#define ROUND 6755399441055744.0 /* 1.5 2^52 */
#define INTEGER_SHIFT 13
#define EXPONENT_BIAS 1023
#define EXPONENT_SHIFT 52
#define EXP_LEAST -746.0
#define LN2_HIGH 6.93145751953125e-1
#define LN2_LOW 1.42860682030941723212e-6
#define EXP_NORMAL -708.0
#define FUSE(a, b, c) __builtin_fma(a, b, c)
#define EXP_P(MA, r)                                                                             \
    ((r) * MA(MA(1.26177193074810590878e-4, (r) * (r), 3.02994407707441961300e-2), (r) * (r),     \
              9.99999999999999999910e-1))
#define EXP_Q(MA, z)                                                                             \
    MA(MA(MA(3.00198505138664455042e-6, z, 2.52448340349684104192e-3), z,                         \
          2.27265548208155028766e-1), z, 2.00000000000000000009e0)
#define EXP_OF_REST(MA, r)                                                                       \
    (1 + 2 * (EXP_P(MA, r) / (EXP_Q(MA, (r) * (r)) - EXP_P(MA, r))))
#define LOG_OF_REST(f)                                                                           \
    ((((((1.01875663804580931796e-4 * (f) + 4.97494994976747001425e-1) * (f) +                   \
         4.70579119878881725854e0) * (f) + 1.44989225341610930846e1) * (f) +                     \
       1.79368678507819816313e1) * (f) + 7.70838733755885391666e0) /                             \
     ((((((f) + 1.12873587189167450590e1) * (f) + 4.52279145837532221105e1) * (f) +              \
        8.29875266912776603211e1) * (f) + 7.11544750618563894466e1) * (f) +                      \
      2.31251620126765340583e1))
#define TANH_NEAR_ZERO(z)                                                                        \
    (((-9.64399179425052238628e-1 * (z) - 9.92877231001918586564e1) * (z) -                       \
      1.61468768441708447952e3) /                                                                 \
     ((((z) + 1.12811678491632931402e2) * (z) + 2.23548839060100448583e3) * (z) +                 \
      4.84406305325125486048e3))
