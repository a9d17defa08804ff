#include "_shared.h"

/* Clang defines __GNUC__ but does not know the pragmas below: it gets the baseline. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FASTDL_X86 1
#include <immintrin.h>

static const int ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

/* b = the transpose of a, 8 x 8: two rows of 4 in a register, four rows apart. */
#pragma GCC push_options
#pragma GCC target("avx2")
static inline __attribute__((always_inline)) void transpose_8x8(const float *a, long lda, float *b,
                                                                long ldb)
{
    for (int half = 0; half < 8; half += 4, a += 4, b += 4 * ldb) {
        __m256 row[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            row[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a + i * lda)),
                                          _mm_loadu_ps(a + (i + 4) * lda), 1);
        __m256 low01 = _mm256_unpacklo_ps(row[0], row[1]);
        __m256 low23 = _mm256_unpacklo_ps(row[2], row[3]);
        __m256 high01 = _mm256_unpackhi_ps(row[0], row[1]);
        __m256 high23 = _mm256_unpackhi_ps(row[2], row[3]);
        _mm256_storeu_ps(b, _mm256_shuffle_ps(low01, low23, 0x44));
        _mm256_storeu_ps(b + ldb, _mm256_shuffle_ps(low01, low23, 0xee));
        _mm256_storeu_ps(b + 2 * ldb, _mm256_shuffle_ps(high01, high23, 0x44));
        _mm256_storeu_ps(b + 3 * ldb, _mm256_shuffle_ps(high01, high23, 0xee));
    }
}
#pragma GCC pop_options

/* --- AVX-512 ------------------------------------------------------------------------------- */
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
#define DEPTH 512
#define COLUMN_VECTORS 4
#define TALL_VECTORS 2
#define DOT_ROWS 5
#define DOT_GROUP 5
#define MASK(r) ((1u << (r)) - 1u)

#define NAME(x) x##_avx512_f32
#include "_f32.h"
#define TRANSPOSE_8X8 transpose_8x8
#define V __m512
#define M __mmask16
#define L 16
#define LOAD(p) _mm512_loadu_ps(p)
#define LOADM(p, m) _mm512_maskz_loadu_ps(m, p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define STOREM(p, m, v) _mm512_mask_storeu_ps(p, m, v)
#define SET1(x) _mm512_set1_ps(x)
#define ADD(a, b) _mm512_add_ps(a, b)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define SUM(v) _mm512_reduce_add_ps(v)
#define NONZERO(v) _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ)
#include "_gemm.h"
#include "_row.h"
#include "_few.h"
#include "_sparse.h"
#include "_loops.h"
#include "_activations.h"
#include "_losses.h"
#include "_isa_undef.h"

#define NAME(x) x##_avx512_f64
#include "_f64.h"
#define V __m512d
#define M __mmask8
#define L 8
#define LOAD(p) _mm512_loadu_pd(p)
#define LOADM(p, m) _mm512_maskz_loadu_pd(m, p)
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define STOREM(p, m, v) _mm512_mask_storeu_pd(p, m, v)
#define SET1(x) _mm512_set1_pd(x)
#define ADD(a, b) _mm512_add_pd(a, b)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define SUM(v) _mm512_reduce_add_pd(v)
#define NONZERO(v) _mm512_cmp_pd_mask(v, _mm512_setzero_pd(), _CMP_NEQ_UQ)
#include "_gemm.h"
#include "_row.h"
#include "_few.h"
#include "_sparse.h"
#include "_loops.h"
#include "_activations.h"
#include "_losses.h"
#include "_isa_undef.h"

#undef DEPTH
#undef COLUMN_VECTORS
#undef TALL_VECTORS
#undef DOT_ROWS
#undef DOT_GROUP
#undef MASK
#pragma GCC pop_options

/* --- AVX2 ---------------------------------------------------------------------------------- */
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define DEPTH 192
#define PACK_COLUMNS 128
#define COLUMN_VECTORS 2
#define TALL_VECTORS 1
#define DOT_ROWS 2
#define DOT_GROUP 8

static inline float sum_avx2_f32(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_shuffle_ps(half, half, 1)));
}

static inline double sum_avx2_f64(__m256d v)
{
    __m128d half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

#define NAME(x) x##_avx2_f32
#include "_f32.h"
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
#define SUM(v) sum_avx2_f32(v)
#define NONZERO(v)                                                                               \
    (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ))
#include "_gemm.h"
#include "_row.h"
#include "_few.h"
#include "_sparse.h"
#include "_loops.h"
#include "_activations.h"
#include "_losses.h"
#include "_isa_undef.h"
#undef MASK

#define NAME(x) x##_avx2_f64
#include "_f64.h"
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
#define SUM(v) sum_avx2_f64(v)
#define NONZERO(v)                                                                               \
    (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_NEQ_UQ))
#include "_gemm.h"
#include "_row.h"
#include "_few.h"
#include "_sparse.h"
#include "_loops.h"
#include "_activations.h"
#include "_losses.h"
#include "_isa_undef.h"

#pragma GCC pop_options
#endif

/* --- the baseline, for any machine: no products ---------------------------------------------- */
#define NAME(x) x##_baseline_f32
#include "_f32.h"
#include "_loops.h"
#include "_activations.h"
#include "_losses.h"
#include "_isa_undef.h"

#define NAME(x) x##_baseline_f64
#include "_f64.h"
#include "_loops.h"
#include "_activations.h"
#include "_losses.h"
#include "_isa_undef.h"

#define LOOPS(s)                                                                                 \
    zeros_f32_##s, zeros_f64_##s, zeros_u8_##s, gather_f32_##s, gather_f64_##s, gather_u8_##s,   \
        transpose_##s, sum_rows_##s, finite_##s, sgd_##s, momentum_##s, adam_##s,                \
        activate_##s, activate_backward_##s, argmax_##s, softmax_##s, softmax_xent_##s,          \
        row_loss_##s
#define ALL(s) {product_##s, few_rows_##s, dot_product_##s, skip_product_##s, LOOPS(s)}

const fastdl_isa *fastdl_isa_at(int i)
{
    static const fastdl_isa baseline = {
        "baseline",
        {NULL, NULL, NULL, NULL, LOOPS(baseline_f32)},
        {NULL, NULL, NULL, NULL, LOOPS(baseline_f64)},
    };
#ifdef FASTDL_X86
    static const fastdl_isa avx512 = {"avx512", ALL(avx512_f32), ALL(avx512_f64)};
    static const fastdl_isa avx2 = {"avx2", ALL(avx2_f32), ALL(avx2_f64)};
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && i-- == 0)
        return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && i-- == 0)
        return &avx2;
#endif
    return i == 0 ? &baseline : NULL;
}
