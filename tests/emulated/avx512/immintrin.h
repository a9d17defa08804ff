/* The intrinsics of AVX-512 that c/targets/avx512.c calls, lane by lane, for a processor that has AVX2 alone:
 * their results are those of AVX-512 to the bit, their speed is not. GCC finds it before its own header. */
#ifndef FASTDL_EMULATED
#define FASTDL_EMULATED
#include_next <immintrin.h>

#undef TARGET_BEGIN
#define TARGET_BEGIN(features) \
    FASTDL_PRAGMA(GCC push_options) FASTDL_PRAGMA(GCC target("avx2,fma"))
#define __builtin_cpu_supports(feature) __builtin_cpu_supports("avx2")
#undef UNROLL /* with the lanes of each vector that would take GCC more than ten minutes */
#define UNROLL
#pragma GCC optimize("O2")
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors of 64 bytes are handed on in memory */

#define EMULATED static inline __attribute__((always_inline, target("avx2,fma")))
#define EACH_LANE(lanes) for (int i = 0; i < (lanes); i++)

/* V, a vector of so many lanes of T; M, its masks. Lanes are summed half by half, as _mm512_reduce_add does. */
#define EMULATE(T, V, M, suffix, lanes, fma)                             \
    EMULATED V emulated_loadu_##suffix(const T *p)                       \
    {                                                                    \
        V v;                                                             \
        memcpy(&v, p, sizeof v);                                         \
        return v;                                                        \
    }                                                                    \
    EMULATED V emulated_maskz_loadu_##suffix(M m, const T *p)            \
    {                                                                    \
        V v;                                                             \
        EACH_LANE(lanes) v[i] = m >> i & 1 ? p[i] : 0;                   \
        return v;                                                        \
    }                                                                    \
    EMULATED void emulated_storeu_##suffix(T *p, V v)                    \
    {                                                                    \
        memcpy(p, &v, sizeof v);                                         \
    }                                                                    \
    EMULATED void emulated_mask_storeu_##suffix(T *p, M m, V v)          \
    {                                                                    \
        EACH_LANE(lanes) if (m >> i & 1) p[i] = v[i];                    \
    }                                                                    \
    EMULATED V emulated_set1_##suffix(T x)                               \
    {                                                                    \
        V v;                                                             \
        EACH_LANE(lanes) v[i] = x;                                       \
        return v;                                                        \
    }                                                                    \
    EMULATED V emulated_add_##suffix(V a, V b)                           \
    {                                                                    \
        return a + b;                                                    \
    }                                                                    \
    EMULATED V emulated_fmadd_##suffix(V a, V b, V c)                    \
    {                                                                    \
        EACH_LANE(lanes) c[i] = fma(a[i], b[i], c[i]);                   \
        return c;                                                        \
    }                                                                    \
    EMULATED T emulated_reduce_add_##suffix(V v)                         \
    {                                                                    \
        for (int half = lanes / 2; half > 0; half /= 2)                  \
            EACH_LANE(half) v[i] += v[i + half];                         \
        return v[0];                                                     \
    }                                                                    \
    EMULATED M emulated_nonzero_##suffix(V v)                            \
    {                                                                    \
        M m = 0;                                                         \
        EACH_LANE(lanes) m |= (M)((v[i] != 0) << i);                     \
        return m;                                                        \
    }
EMULATE(float, __m512, __mmask16, ps, 16, __builtin_fmaf)
EMULATE(double, __m512d, __mmask8, pd, 8, __builtin_fma)

#define _mm512_loadu_ps emulated_loadu_ps
#define _mm512_loadu_pd emulated_loadu_pd
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_maskz_loadu_pd emulated_maskz_loadu_pd
#define _mm512_storeu_ps emulated_storeu_ps
#define _mm512_storeu_pd emulated_storeu_pd
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_mask_storeu_pd emulated_mask_storeu_pd
#define _mm512_set1_ps emulated_set1_ps
#define _mm512_set1_pd emulated_set1_pd
#define _mm512_add_ps emulated_add_ps
#define _mm512_add_pd emulated_add_pd
#define _mm512_fmadd_ps emulated_fmadd_ps
#define _mm512_fmadd_pd emulated_fmadd_pd
#define _mm512_reduce_add_ps emulated_reduce_add_ps
#define _mm512_reduce_add_pd emulated_reduce_add_pd
#define _mm512_setzero_ps() emulated_set1_ps(0)
#define _mm512_setzero_pd() emulated_set1_pd(0)
#define _mm512_cmp_ps_mask(v, zero, kind) emulated_nonzero_ps(v)
#define _mm512_cmp_pd_mask(v, zero, kind) emulated_nonzero_pd(v)
#endif
