/* The kernels that are compiled once for each instruction set and chosen at run time. */
#ifndef FASTDL_ISA_H
#define FASTDL_ISA_H

#include <stddef.h>

enum { FASTDL_SOFTMAX_XENT, FASTDL_HINGE, FASTDL_SIGMOID_XENT, FASTDL_MSE };
enum { FASTDL_IDENTITY, FASTDL_RELU, FASTDL_LEAKY_RELU, FASTDL_SIGMOID, FASTDL_TANH };

/* Rows of a data set that will be read soon, as many as the depth of a product with the inputs of
 * others: it asks for them meanwhile, so that they are in the cache when it is their turn. */
typedef struct {
    const char *x;          /* of the first input of the product */
    ptrdiff_t row, input;   /* bytes from one to the next */
    const ptrdiff_t *order; /* which rows */
    int columns;            /* whether the inputs are columns of C, else they are its rows */
} fastdl_coming;

enum { FASTDL_FEW_ROWS = 16 }; /* of a batch that few_rows takes */
enum { FASTDL_LANES = 16 };    /* rows at once, the most of softmax_xent */

/* The kernels of one type:
 * product      C (m x n) = A B (+ C if add): A's element (i, p) at a[i rs + p cs], the rest by rows
 * few_rows     grad (m x n) = A^T B of k <= FASTDL_FEW_ROWS rows, or if param is not NULL instead of
 *              it param = decay param - rate grad
 * dot_product  C (m x n) = A B^T (+ C if add), all by rows, for few columns and a long depth
 *              order: which rows of B, or of A, to take; NULL: the first ones
 * skip_product product, where rs or cs is 1: skips the zeros of A
 *              coming: rows to ask for meanwhile, or NULL
 * zeros_*      how many items of x are 0
 * gather_*     out = (x - shift) * scale, in double where x is; shift NULL: 0; scale NULL: 1
 * transpose    b (n x m) = a^T
 * sum_rows     out (h) = the sum of x (n x h) over its rows (+ out if add)
 * finite       whether no item of x is NaN or infinite
 * sgd          param -= rate (grad + 2 l2 param + l1 sign(param))
 * momentum, adam  the other updates, with the same penalty
 * activate     z (n x h) = activation(z + bias), in place
 * activate_backward  dz (n x h) = dout activation'(z), in place, from the activation's outputs
 * argmax       the first index of the greatest of a row; 0 where the first is NaN
 * softmax      of a row of logits, in place
 * softmax_xent of n <= FASTDL_LANES rows of logits: the losses as gap + log1p(excess), dlogits, their
 *              gradients times scales, if not NULL (nor scales then); how many are right
 * row_loss     another loss of a row, by its code, and doutputs, its gradient times scale, if not
 *              NULL; label or targets is of no matter by the kind of loss */
#define FASTDL_KERNELS(T)                                                                        \
    void (*product)(long m, long n, long k, const T *a, long rs, long cs, const T *b, long ldb,  \
                    const ptrdiff_t *order, const fastdl_coming *coming, int add, T *c,          \
                    long ldc);                                                                   \
    void (*few_rows)(long m, long n, long k, const T *a, long lda, const T *b, long ldb,         \
                     const fastdl_coming *coming, T rate, T decay, T *grad, T *param,            \
                     long ldc);                                                                  \
    void (*dot_product)(long m, long n, long k, const T *a, long lda, const ptrdiff_t *order,    \
                        const T *b, long ldb, int add, T *c, long ldc);                          \
    void (*skip_product)(long m, long n, long k, const T *a, long rs, long cs, const T *b,       \
                         long ldb, const fastdl_coming *coming, int add, T *c, long ldc);        \
    long (*zeros_f32)(const float *x, long d);                                                   \
    long (*zeros_f64)(const double *x, long d);                                                  \
    long (*zeros_u8)(const unsigned char *x, long d);                                            \
    void (*gather_f32)(const float *x, const T *shift, const T *scale, T *out, long d);          \
    void (*gather_f64)(const double *x, const double *shift, const double *scale, T *out,       \
                       long d);                                                                  \
    void (*gather_u8)(const unsigned char *x, const T *shift, const T *scale, T *out, long d);   \
    void (*transpose)(long m, long n, const T *a, long lda, T *b, long ldb);                     \
    void (*sum_rows)(const T *x, long n, long h, long ldx, int add, T *out);                     \
    int (*finite)(const T *x, long size);                                                        \
    void (*sgd)(T rate, T l1, T l2, const T *grad, T *param, long size);                         \
    void (*momentum)(T rate, T momentum, int nesterov, T l1, T l2, const T *grad, T *param,      \
                     T *velocity, long size);                                                    \
    void (*adam)(T rate, T root, T beta1, T rest1, T beta2, T rest2, T epsilon, T l1, T l2,      \
                 const T *grad, T *param, T *mean, T *square, long size);                        \
    void (*activate)(int activation, const T *bias, T *z, long n, long h, long ld);              \
    void (*activate_backward)(int activation, const T *out, T *dout, long n, long h, long ld);   \
    long (*argmax)(const T *x, long k);                                                          \
    void (*softmax)(T *logits, long k);                                                          \
    long (*softmax_xent)(const T *logits, const int *labels, const double *scales, T *dlogits,   \
                         double *excess, double *gap, long n, long k);                           \
    double (*row_loss)(int loss, const T *outputs, long label, const T *targets, double margin,  \
                       double scale, T *doutputs, long k);

typedef struct {
    FASTDL_KERNELS(float)
} fastdl_kernels_f32;

typedef struct {
    FASTDL_KERNELS(double)
} fastdl_kernels_f64;

typedef struct {
    const char *name;
    fastdl_kernels_f32 f32;
    fastdl_kernels_f64 f64;
} fastdl_isa;

/* The i-th instruction set that this build and this machine have, the best first; NULL after the
 * last, which is always "baseline": its products are NULL and BLAS does them. */
const fastdl_isa *fastdl_isa_at(int i);

#endif
