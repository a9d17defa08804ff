/* All kernels for one type and one target, and their table; a target includes this once for each type.
 *
 * Before, from the target: TARGET, its name; from types/: T, TYPE, its name in those of functions, its
 * format and constants; and if the target has products what follows, else none of it:
 *   V, the vector of L lanes; M, a mask of lanes, MASK(r), the first r of them
 *   LOAD, STORE, and LOADM, STOREM for the lanes of a mask; SET1, ADD, FMA, SUM of the lanes
 *   NONZERO(v), an integer whose bit i tells that lane i is not zero (NaN is not)
 *   the sizes that gemm.h and dot.h ask for */
#include "bits.h"
#include "compile.h"
#include "kernels.h"
#include "prefetch.h"
#include "tiles.h"

#define NAME(x) JOIN_NAMES(x, TARGET, TYPE)

#ifdef V
#include "gemm.h"
#include "dot.h"
#include "row.h"
#include "few.h"
#include "sparse.h"
#endif
#include "reading.h"
#include "sums.h"
#include "transpose.h"
#include "exp.h"
#include "activations.h"
#include "softmax.h"
#include "losses.h"
#include "masks.h"
#include "norm.h"
#include "updates.h"

#define FILL(returns, name, arguments) .name = NAME(name),
#define LEAVE(returns, name, arguments) .name = NULL,
#define ACTIVATE(name) [FASTDL_ACTIVATION_##name] = NAME(activate_##name),
#define ACTIVATE_BACKWARD(name) [FASTDL_ACTIVATION_##name] = NAME(activate_backward_##name),
#define LOSS(name) [FASTDL_LOSS_##name] = NAME(loss_##name),
#define MASK_OF(name) [FASTDL_MASK_##name] = NAME(mask_##name),
#define UPDATE(name) [FASTDL_OPTIMISER_##name] = NAME(name),
#define IS_SPARSE(name, X, S) [FASTDL_SOURCE_##name] = NAME(is_sparse_##name),
#define READ(name, X, S) [FASTDL_SOURCE_##name] = NAME(read_##name),

static const fastdl_kernels NAME(kernels) = {
    .item = sizeof(T),
#ifdef V
    FASTDL_PRODUCTS(FILL)
#else
    FASTDL_PRODUCTS(LEAVE)
#endif
    FASTDL_LOOPS(FILL)
    .activate = {FASTDL_ACTIVATIONS(ACTIVATE)},
    .activate_backward = {FASTDL_ACTIVATIONS(ACTIVATE_BACKWARD)},
    .loss = {FASTDL_LOSSES(LOSS)},
    .mask = {FASTDL_MASKS(MASK_OF)},
    .update = {FASTDL_OPTIMISERS(UPDATE)},
    .is_sparse = {FASTDL_SOURCES(IS_SPARSE)},
    .read = {FASTDL_SOURCES(READ)},
};

#undef FILL
#undef LEAVE
#undef ACTIVATE
#undef ACTIVATE_BACKWARD
#undef LOSS
#undef MASK_OF
#undef UPDATE
#undef IS_SPARSE
#undef READ
#include "types/undef.h"
