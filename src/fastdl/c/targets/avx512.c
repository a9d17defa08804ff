/* AVX-512: 16 floats or 8 doubles, 32 registers, masks of their own. */
#include "../compile.h"
#include "../kernels.h"

#ifdef __x86_64__
#include <immintrin.h>

#define TARGET avx512
#define DEPTH 512
#define COLUMN_VECTORS 4
#define TALL_VECTORS 2
#define FLAT_VECTORS 8
#define DOT_ROWS 5
#define DOT_COLUMNS 5
#define DOT_GROUP 5
#define DOT_DEPTH 4096

TARGET_BEGIN("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
#include "transpose_8x8.h"

#include "../types/f32.h"
#define TRANSPOSE_8X8 transpose_8x8
#define V __m512
#define M __mmask16
#define L 16
#define MASK(r) ((1u << (r)) - 1u)
#define LOAD(p) _mm512_loadu_ps(p)
#define LOADM(p, m) _mm512_maskz_loadu_ps(m, p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define STOREM(p, m, v) _mm512_mask_storeu_ps(p, m, v)
#define SET1(x) _mm512_set1_ps(x)
#define ADD(a, b) _mm512_add_ps(a, b)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define SUM(v) _mm512_reduce_add_ps(v)
#define NONZERO(v) _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ)
#include "../templates.h"

#include "../types/f64.h"
#define V __m512d
#define M __mmask8
#define L 8
#define MASK(r) ((1u << (r)) - 1u)
#define LOAD(p) _mm512_loadu_pd(p)
#define LOADM(p, m) _mm512_maskz_loadu_pd(m, p)
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define STOREM(p, m, v) _mm512_mask_storeu_pd(p, m, v)
#define SET1(x) _mm512_set1_pd(x)
#define ADD(a, b) _mm512_add_pd(a, b)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define SUM(v) _mm512_reduce_add_pd(v)
#define NONZERO(v) _mm512_cmp_pd_mask(v, _mm512_setzero_pd(), _CMP_NEQ_UQ)
#include "../templates.h"
TARGET_END

static int runs_here(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

const fastdl_target fastdl_avx512 = {
    .name = "avx512",
    .runs_here = runs_here,
    .sizes = {.few_columns = 16, .few_rows = 24, .long_depth = 176, .dot_columns = 64,
              .few_share = 6, .few_least = 16, .wide_columns = 128, .transpose_units = 16,
              .direct_depth = 64, .skip_columns = 48, .skip_depth = 64, .skip_most = 1024,
              .lanes = 16, .sum_lanes = 160, .sum_first = 40, .sum_later = 20},
    .types = {&kernels_avx512_f32, &kernels_avx512_f64},
};
#else
const fastdl_target fastdl_avx512 = {.name = "avx512"};
#endif
