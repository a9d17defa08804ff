/* AVX2 with FMA: 8 floats or 4 doubles, 16 registers. */
#include "../compile.h"
#include "../kernels.h"

#ifdef __x86_64__
#include <immintrin.h>

#define TARGET avx2
#define DEPTH 192
#define PACK_COLUMNS 64
#define PACK_MOST 192
#define GATHER_ROWS 24
#define COLUMN_VECTORS 2
#define FLAT_VECTORS 8
#define DOT_ROWS 3
#define DOT_COLUMNS 4
#define DOT_GROUP 24
#define DOT_DEPTH 1024

static const int ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

TARGET_BEGIN("avx2,fma")
#include "transpose_8x8.h"

static inline float sum_of_floats(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_shuffle_ps(half, half, 1)));
}

static inline double sum_of_doubles(__m256d v)
{
    __m128d half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

#include "../types/f32.h"
#define TRANSPOSE_8X8 transpose_8x8
#define V __m256
#define M __m256i
#define L 8
#define MASK(r) _mm256_loadu_si256((const __m256i *)(ones_then_zeros + 8 - (r)))
#define LOAD(p) _mm256_loadu_ps(p)
#define LOADM(p, m) _mm256_maskload_ps(p, m)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define STOREM(p, m, v) _mm256_maskstore_ps(p, m, v)
#define SET1(x) _mm256_set1_ps(x)
#define ADD(a, b) _mm256_add_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define SUM(v) sum_of_floats(v)
#define NONZERO(v)                                                                               \
    (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ))
#include "../templates.h"

#include "../types/f64.h"
#define V __m256d
#define M __m256i
#define L 4
#define MASK(r) _mm256_loadu_si256((const __m256i *)(ones_then_zeros + 8 - 2 * (r)))
#define LOAD(p) _mm256_loadu_pd(p)
#define LOADM(p, m) _mm256_maskload_pd(p, m)
#define STORE(p, v) _mm256_storeu_pd(p, v)
#define STOREM(p, m, v) _mm256_maskstore_pd(p, m, v)
#define SET1(x) _mm256_set1_pd(x)
#define ADD(a, b) _mm256_add_pd(a, b)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define SUM(v) sum_of_doubles(v)
#define NONZERO(v)                                                                               \
    (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_NEQ_UQ))
#include "../templates.h"
TARGET_END

static int runs_here(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const fastdl_target fastdl_avx2 = {
    .name = "avx2",
    .runs_here = runs_here,
    .sizes = {.few_columns = 16, .few_rows = 24, .long_depth = 176, .dot_columns = 64,
              .few_share = 6, .few_least = 16, .wide_columns = 128, .transpose_units = 16,
              .direct_depth = 64, .skip_columns = 48, .skip_depth = 64, .skip_most = 1024,
              .lanes = 16, .sum_lanes = 160, .sum_first = 40, .sum_later = 20},
    .types = {&kernels_avx2_f32, &kernels_avx2_f64},
};
#else
const fastdl_target fastdl_avx2 = {.name = "avx2"};
#endif
