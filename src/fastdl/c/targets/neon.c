/* NEON of 64-bit ARM: 4 floats or 2 doubles, 32 registers; every such machine has it. It knows no masks:
 * one is how many lanes it has. */
#include "../compile.h"
#include "../kernels.h"

#ifdef __aarch64__
#include <arm_neon.h>

#define TARGET neon
#define DEPTH 512
#define COLUMN_VECTORS 4
#define TALL_VECTORS 2
#define FLAT_VECTORS 8
#define DOT_ROWS 4
#define DOT_COLUMNS 5
#define DOT_GROUP 8
#define DOT_DEPTH 4096

INLINE float32x4_t some_floats(const float *p, int lanes)
{
    float some[4] = {0};
    for (int i = 0; i < lanes; i++)
        some[i] = p[i];
    return vld1q_f32(some);
}

INLINE void store_some_floats(float *p, int lanes, float32x4_t v)
{
    float some[4];
    vst1q_f32(some, v);
    for (int i = 0; i < lanes; i++)
        p[i] = some[i];
}

INLINE unsigned nonzero_floats(float32x4_t v)
{
    const uint32_t lanes[4] = {1, 2, 4, 8};
    return vaddvq_u32(vbicq_u32(vld1q_u32(lanes), vceqzq_f32(v)));
}

INLINE float64x2_t some_doubles(const double *p, int lanes)
{
    return lanes == 2 ? vld1q_f64(p) : vcombine_f64(vld1_f64(p), vdup_n_f64(0));
}

INLINE void store_some_doubles(double *p, int lanes, float64x2_t v)
{
    if (lanes == 2)
        vst1q_f64(p, v);
    else
        vst1q_lane_f64(p, v, 0);
}

INLINE unsigned nonzero_doubles(float64x2_t v)
{
    const uint64_t lanes[2] = {1, 2};
    return (unsigned)vaddvq_u64(vbicq_u64(vld1q_u64(lanes), vceqzq_f64(v)));
}

#include "../types/f32.h"
#define V float32x4_t
#define M int
#define L 4
#define MASK(r) (int)(r)
#define LOAD(p) vld1q_f32(p)
#define LOADM(p, m) some_floats(p, m)
#define STORE(p, v) vst1q_f32(p, v)
#define STOREM(p, m, v) store_some_floats(p, m, v)
#define SET1(x) vdupq_n_f32(x)
#define ADD(a, b) vaddq_f32(a, b)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define SUM(v) vaddvq_f32(v)
#define NONZERO(v) nonzero_floats(v)
#include "../templates.h"

#include "../types/f64.h"
#define V float64x2_t
#define M int
#define L 2
#define MASK(r) (int)(r)
#define LOAD(p) vld1q_f64(p)
#define LOADM(p, m) some_doubles(p, m)
#define STORE(p, v) vst1q_f64(p, v)
#define STOREM(p, m, v) store_some_doubles(p, m, v)
#define SET1(x) vdupq_n_f64(x)
#define ADD(a, b) vaddq_f64(a, b)
#define FMA(a, b, c) vfmaq_f64(c, a, b)
#define SUM(v) vaddvq_f64(v)
#define NONZERO(v) nonzero_doubles(v)
#include "../templates.h"

static int runs_here(void)
{
    return 1;
}

const fastdl_target fastdl_neon = {
    .name = "neon",
    .runs_here = runs_here,
    .sizes = {.few_columns = 16, .few_rows = 24, .long_depth = 176, .dot_columns = 64,
              .few_share = 6, .few_least = 16, .wide_columns = 128, .transpose_units = 16,
              .direct_depth = 64, .skip_columns = 48, .skip_depth = 64, .skip_most = 1024,
              .lanes = 16, .sum_lanes = 160, .sum_first = 40, .sum_later = 20},
    .types = {&kernels_neon_f32, &kernels_neon_f64},
};
#else
const fastdl_target fastdl_neon = {.name = "neon"};
#endif
