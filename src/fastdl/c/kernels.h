/* The kernels: one table for each type on each target, all of them filled from the lists here.
 *
 * Arrays are void, of the table's type T; scalars are double, which a kernel takes as T. m x n is a
 * result, k its depth; n rows of d inputs, h units or k outputs; ld...: items from row to row. */
#ifndef FASTDL_KERNELS_H
#define FASTDL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "activations.h" /* without T these four are their lists alone */
#include "losses.h"
#include "masks.h"
#include "updates.h"

/* Counts and distances of items. No typedef: by its name GCC 12 allots other registers. */
#ifdef _WIN32
#define wide long long
#else
#define wide long
#endif

/* The instruction sets, the best first; the last one runs anywhere and leaves products to BLAS. */
#define FASTDL_TARGETS(X) X(avx512) X(avx2) X(neon) X(baseline)

/* Types of a data set's items: a name, the type, and the one that they are scaled in. */
#define FASTDL_SOURCES(X) X(f32, float, T) X(f64, double, double) X(u8, unsigned char, T)

/* --- codes --------------------------------------------------------------------------------- */

#define FASTDL_CODE_OF_LOSS(name) FASTDL_LOSS_##name,
#define FASTDL_CODE_OF_ACTIVATION(name) FASTDL_ACTIVATION_##name,
#define FASTDL_CODE_OF_MASK(name) FASTDL_MASK_##name,
#define FASTDL_CODE_OF_OPTIMISER(name) FASTDL_OPTIMISER_##name,
#define FASTDL_CODE_OF_SOURCE(name, type, scaled_in) FASTDL_SOURCE_##name,
enum { FASTDL_LOSSES(FASTDL_CODE_OF_LOSS) FASTDL_N_LOSSES };
enum { FASTDL_BY_OUTPUT(FASTDL_CODE_OF_ACTIVATION) FASTDL_N_BY_OUTPUT };
enum {
    FASTDL_LAST_BY_OUTPUT = FASTDL_N_BY_OUTPUT - 1,
    FASTDL_BY_INPUT(FASTDL_CODE_OF_ACTIVATION) FASTDL_N_ACTIVATIONS
};
enum { FASTDL_MASKS(FASTDL_CODE_OF_MASK) FASTDL_N_MASKS };
enum { FASTDL_OPTIMISERS(FASTDL_CODE_OF_OPTIMISER) FASTDL_N_OPTIMISERS };
enum { FASTDL_SOURCES(FASTDL_CODE_OF_SOURCE) FASTDL_N_SOURCES };

/* Their names by code, and NULL. */
extern const char *const fastdl_losses[], *const fastdl_activations[], *const fastdl_optimisers[];
extern const char *const fastdl_masks[];

/* --- what kernels are told ------------------------------------------------------------------- */

/* Rows of a data set that will be read soon, as many as the depth of a product with the inputs of
 * others: it asks for them meanwhile, so that they are in the cache when it is their turn. */
typedef struct {
    const char *x;          /* of the first input of the product */
    ptrdiff_t row, input;   /* bytes from one to the next */
    const ptrdiff_t *order; /* which rows */
    int columns;            /* whether the inputs are columns of C, else they are its rows */
} fastdl_coming;

/* What is right for some rows. labels or targets is NULL by the kind of loss; weights NULL: ones;
 * order tells which of all these belong to the rows, NULL: the first ones. */
typedef struct {
    const int *labels;
    const void *targets;
    const void *weights;
    const ptrdiff_t *order;
} fastdl_truth;

typedef struct { /* what one update needs to know besides the arrays */
    int optimiser;
    double learning_rate;
    double settings[4];    /* what they are stands in updates.h; the first two: how much of themselves
                            * running means keep, 0 where there are none, */
    double corrections[2]; /* and 1 - setting^t, as those begin at 0 and have met t gradients */
} fastdl_update;

enum { FASTDL_SETTINGS = 4 }; /* of a loss, at most */
/* By what the random factors of rows are told from all others, those of the same draw are the same:
 * the fit, its step, the layer of the network, and where the first row is in the batch. */
typedef struct {
    uint64_t seed, step, layer, row;
} fastdl_draw;

enum { FASTDL_FEW_ROWS = 16 }; /* of a batch that few_rows takes */

/* --- the table ------------------------------------------------------------------------------- */

/* Products in registers, NULL where the target has none:
 * product      C (m x n) = A B[order] (+ C if add): A's element (i, p) at a[i rs + p cs], the rest by
 *              rows; order NULL: B's first rows
 *              coming: rows to ask for meanwhile, or NULL
 * few_rows     grad (m x n) = A^T B of k <= FASTDL_FEW_ROWS rows, or if param is not NULL instead of
 *              it param = decay param - rate grad
 * dot_product  C (m x n) = A[order] B^T (+ C if add), all by rows, for few columns or a long depth
 * skip_product product, where rs or cs is 1: skips the zeros of A */
#define FASTDL_PRODUCTS(X)                                                                       \
    X(void, product,                                                                             \
      (wide m, wide n, wide k, const void *a, wide rs, wide cs, const void *b, wide ldb,         \
       const ptrdiff_t *order, const fastdl_coming *coming, int add, void *c, wide ldc))         \
    X(void, few_rows,                                                                            \
      (wide m, wide n, wide k, const void *a, wide lda, const void *b, wide ldb,                 \
       const fastdl_coming *coming, double rate, double decay, void *grad, void *param,          \
       wide ldc))                                                                                \
    X(void, dot_product,                                                                         \
      (wide m, wide n, wide k, const void *a, wide lda, const ptrdiff_t *order, const void *b,   \
       wide ldb, int add, void *c, wide ldc))                                                    \
    X(void, skip_product,                                                                        \
      (wide m, wide n, wide k, const void *a, wide rs, wide cs, const void *b, wide ldb,         \
       const fastdl_coming *coming, int add, void *c, wide ldc))

/* Loops over items:
 * transpose    b (n x m) = a^T
 * sum_rows     out (h) = the sum of x (n x h) over its rows (+ out if add)
 * add          out (size) += x
 * fill         out (size) = value
 * finite       whether no item of x[order] (n x d) is NaN or infinite; order NULL: the first rows
 * greatest     out (n) = where the first greatest item of each row of x (n x k) is, of finite ones
 * softmax      of a row of k logits, in place
 * penalty      l1 sum(|w|) + l2 sum(w^2)
 * penalty_gradient  out = the gradient of that; 0 where a weight is
 * penalise     grad += the gradient of that; gives the sum of the squares of grad
 * scale        x *= factor
 * moments      mean (h), variance (h) = those of x (n x h) over its rows; the variance is the biased one
 * inverse_root  out = 1 / sqrt(variance + epsilon); NaN where a variance is infinite
 * normalise    out (n x h) = (x - mean) inverse gamma
 * normalise_back  dx (n x h), dgamma (h), dbeta (h), from the gradient dout of normalise's result + beta
 *              where mean and inverse are those of x itself
 * follow       out = keep out + (1 - keep) x
 *
 * and one for each line of a list, called by its code:
 * activate     z (n x h) = activation(z + bias), in place; inputs, if not NULL, = z + bias
 * activate_backward  dz (n x h) = dout activation'(z), in place, from the activation's outputs, or its
 *              inputs if it is BY_INPUT
 * loss         by its settings, the sum of weights times losses of n rows; doutputs, its gradient times
 *              scale, each, the rows' own losses, both unless NULL; n_correct, how many labels have the
 *              first greatest output, or for binary targets how many rows are right in all outputs, of
 *              those whose loss is a number. The last bits of a softmax cross-entropy depend on
 *              whether a row is one of few, whose exponentials are added in another order.
 * mask         out (n x h) = x times a factor for each item, which the draw decides and a rate, of which
 *              0 makes all factors one; the gradient of x is that of out by the same
 * update       one step of the optimiser for the gradient of the loss and of l1 |param| + l2 param^2;
 *              first and second are its moments, NULL where it has none; decays: whether these are
 *              weights, which a decay of the optimiser's own is for
 * is_sparse    whether so much of a row of d inputs is zero that a product should skip it
 * read         out (n x d) = (x[order] - shift) * scale, both double where x is, else T; order NULL:
 *              the first rows; scale NULL: 1 and no shift; sparse, if not NULL, tells which rows are:
 *              those are not shifted */
#define FASTDL_LOOPS(X)                                                                          \
    X(void, transpose, (wide m, wide n, const void *a, wide lda, void *b, wide ldb))             \
    X(void, sum_rows, (const void *x, wide n, wide h, wide ldx, int add, void *out))             \
    X(void, add, (const void *x, void *out, wide size))                                          \
    X(void, fill, (double value, void *out, wide size))                                          \
    X(int, finite, (const void *x, wide ldx, const ptrdiff_t *order, wide n, wide d))            \
    X(void, greatest, (const void *x, wide n, wide k, ptrdiff_t *out))                           \
    X(void, softmax, (void *logits, wide k))                                                     \
    X(double, penalty, (const void *weight, wide size, double l1, double l2))                    \
    X(void, penalty_gradient,                                                                    \
      (const void *weight, wide size, double l1, double l2, void *out))                          \
    X(double, penalise, (const void *weight, wide size, double l1, double l2, void *grad))       \
    X(void, scale, (double factor, void *x, wide size))                                          \
    X(void, moments, (const void *x, wide ldx, wide n, wide h, void *mean, void *variance))      \
    X(void, inverse_root, (const void *variance, double epsilon, void *out, wide size))          \
    X(void, normalise,                                                                           \
      (const void *x, wide ldx, const void *mean, const void *inverse, const void *gamma,        \
       void *out, wide ldo, wide n, wide h))                                                     \
    X(void, normalise_back,                                                                      \
      (const void *x, wide ldx, const void *mean, const void *inverse, const void *gamma,        \
       const void *dout, wide ldd, void *dgamma, void *dbeta, void *dx, wide ldo, wide n,        \
       wide h))                                                                                  \
    X(void, follow, (double keep, const void *x, void *out, wide size))

#define FASTDL_MEMBER(returns, name, arguments) returns(*name) arguments;
typedef struct {
    int item; /* bytes */
    FASTDL_PRODUCTS(FASTDL_MEMBER)
    FASTDL_LOOPS(FASTDL_MEMBER)
    void (*activate[FASTDL_N_ACTIVATIONS])(const void *bias, void *z, void *inputs, wide n, wide h,
                                           wide ld);
    void (*activate_backward[FASTDL_N_ACTIVATIONS])(const void *by, void *dout, wide n, wide h,
                                                    wide ld);
    double (*loss[FASTDL_N_LOSSES])(const void *outputs, const fastdl_truth *truth,
                                    const double *settings, double scale, void *doutputs,
                                    double *each, ptrdiff_t *n_correct, wide n, wide k);
    void (*mask[FASTDL_N_MASKS])(const fastdl_draw *draw, double rate, const void *x, wide ldx,
                                 void *out, wide ldo, wide n, wide h);
    void (*update[FASTDL_N_OPTIMISERS])(const fastdl_update *update, int decays, double l1,
                                        double l2, const void *grad, void *param, void *first,
                                        void *second, wide size);
    int (*is_sparse[FASTDL_N_SOURCES])(const void *row, wide d);
    void (*read[FASTDL_N_SOURCES])(const void *x, wide ldx, const ptrdiff_t *order,
                                   const void *shift, const void *scale, void *out, wide ldo,
                                   unsigned char *sparse, wide n, wide d);
} fastdl_kernels;

/* From which sizes on a kernel is the better one; those of the choice between kernels and BLAS mean
 * nothing where there are no products. */
typedef struct {
    int few_columns;     /* a product with a transpose takes dot products up to here, */
    int few_rows;        /* or here, rather than that BLAS packs its factors, */
    int long_depth;      /* or in single precision for */
    int dot_columns;     /* so many over so long a depth */
    int few_share;       /* columns of a weight for each row of a batch, from which on those are few, */
    int few_least;       /* but so many at least */
    int wide_columns;    /* in double precision BLAS, which packs, is faster beyond this */
    int transpose_units; /* of a weight, a row of a batch, that are transposed rather than summed */
    int direct_depth;    /* from which it pays to take rows where they lie, if a first layer is narrow */
    int skip_columns;    /* so many make it pay to look for the zeros of rows, */
    int skip_depth;      /* of at least so many items */
    int skip_most;       /* items of a row from which a narrow first layer lies by unit all the same */
    int lanes;           /* of a vector of floats */
    int sum_lanes;       /* multiply-adds that it costs to add these at the end of a sum, */
    int sum_first;       /* or in a narrow first layer, which gains elsewhere, */
    int sum_later;       /* or another narrow one, of which a transposed copy would be kept */
} fastdl_sizes;

typedef struct {
    const char *name;
    int (*runs_here)(void); /* NULL where this build has no kernels for it */
    fastdl_sizes sizes;
    const fastdl_kernels *types[2]; /* of float and of double */
} fastdl_target;

#define FASTDL_DECLARE_TARGET(name) extern const fastdl_target fastdl_##name;
FASTDL_TARGETS(FASTDL_DECLARE_TARGET)

/* The i-th target that this build and this machine have, the best first; NULL after the last. */
const fastdl_target *fastdl_target_at(int i);

#endif
