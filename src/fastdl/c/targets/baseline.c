/* Any machine: what the compiler makes of the loops; BLAS multiplies. Its sizes lay weights out as the
 * other targets do. */
#include "../compile.h"
#include "../kernels.h"

#define TARGET baseline

#include "../types/f32.h"
#include "../templates.h"

#include "../types/f64.h"
#include "../templates.h"

static int runs_here(void)
{
    return 1;
}

const fastdl_target fastdl_baseline = {
    .name = "baseline",
    .runs_here = runs_here,
    .sizes = {.few_columns = 16, .few_rows = 24, .long_depth = 176, .dot_columns = 64,
              .few_share = 6, .few_least = 16, .wide_columns = 128, .transpose_units = 16,
              .direct_depth = 64, .skip_columns = 48, .skip_depth = 64, .skip_most = 1024,
              .lanes = 16, .sum_lanes = 160, .sum_first = 40, .sum_later = 20},
    .types = {&kernels_baseline_f32, &kernels_baseline_f64},
};
