"""The array kernels: loops over rows.

Each operation is one cdef function over a block of rows, which neither allocates nor fails, and
one def function that cuts an array into blocks of a fixed number of rows, hands them to threads
and adds what they return in their order: the result has the same bits for any number of threads.
fastdl.ops checks what comes in.

n rows, d inputs, h units, k classes (in a matrix product: m x n with depth k).
"""

import os

from cpython.buffer cimport (
    PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cython cimport floating
from cython.parallel cimport prange
from libc.float cimport DBL_MIN, FLT_MIN
from libc.math cimport fabs, isnan, log1p, sqrt

from fastdl._blas cimport blas_gemm


cdef extern from "_isa.h" nogil:
    ctypedef struct Kernels32 "fastdl_kernels_f32":
        void (*product)(
            long m, long n, long k, const float* a, long rs, long cs, const float* b, long ldb,
            const Py_ssize_t* order, const Coming* coming, int add, float* c, long ldc,
        ) noexcept nogil
        void (*few_rows)(
            long m, long n, long k, const float* a, long lda, const float* b, long ldb,
            const Coming* coming, float rate, float decay, float* grad, float* param, long ldc,
        ) noexcept nogil
        void (*dot_product)(
            long m, long n, long k, const float* a, long lda, const Py_ssize_t* order,
            const float* b, long ldb, int add, float* c, long ldc) noexcept nogil
        void (*skip_product)(
            long m, long n, long k, const float* a, long rs, long cs, const float* b, long ldb,
            const Coming* coming, int add, float* c, long ldc) noexcept nogil
        long (*zeros_f32)(const float* x, long d) noexcept nogil
        long (*zeros_f64)(const double* x, long d) noexcept nogil
        long (*zeros_u8)(const unsigned char* x, long d) noexcept nogil
        void (*gather_f32)(
            const float* x, const float* shift, const float* scale, float* out, long d,
        ) noexcept nogil
        void (*gather_f64)(
            const double* x, const double* shift, const double* scale, float* out, long d,
        ) noexcept nogil
        void (*gather_u8)(
            const unsigned char* x, const float* shift, const float* scale, float* out, long d,
        ) noexcept nogil
        void (*transpose)(
            long m, long n, const float* a, long lda, float* b, long ldb) noexcept nogil
        void (*sum_rows)(
            const float* x, long n, long h, long ldx, int add, float* out) noexcept nogil
        int (*finite)(const float* x, long size) noexcept nogil
        void (*sgd)(
            float rate, float l1, float l2, const float* grad, float* param, long size,
        ) noexcept nogil
        void (*momentum)(
            float rate, float momentum, int nesterov, float l1, float l2, const float* grad,
            float* param, float* velocity, long size) noexcept nogil
        void (*adam)(
            float rate, float root, float beta1, float rest1, float beta2, float rest2,
            float epsilon, float l1, float l2, const float* grad, float* param, float* mean,
            float* square, long size) noexcept nogil
        void (*activate)(
            int activation, const float* bias, float* z, long n, long h, long ld) noexcept nogil
        void (*activate_backward)(
            int activation, const float* out, float* dout, long n, long h, long ld,
        ) noexcept nogil
        long (*argmax)(const float* x, long k) noexcept nogil
        void (*softmax)(float* logits, long k) noexcept nogil
        long (*softmax_xent)(
            const float* logits, const int* labels, const double* scales, float* dlogits,
            double* excess, double* gap, long n, long k) noexcept nogil
        double (*row_loss)(
            int loss, const float* outputs, long label, const float* targets, double margin,
            double scale, float* doutputs, long k) noexcept nogil
    ctypedef struct Kernels64 "fastdl_kernels_f64":
        void (*product)(
            long m, long n, long k, const double* a, long rs, long cs, const double* b, long ldb,
            const Py_ssize_t* order, const Coming* coming, int add, double* c, long ldc,
        ) noexcept nogil
        void (*few_rows)(
            long m, long n, long k, const double* a, long lda, const double* b, long ldb,
            const Coming* coming, double rate, double decay, double* grad, double* param, long ldc,
        ) noexcept nogil
        void (*dot_product)(
            long m, long n, long k, const double* a, long lda, const Py_ssize_t* order,
            const double* b, long ldb, int add, double* c, long ldc) noexcept nogil
        void (*skip_product)(
            long m, long n, long k, const double* a, long rs, long cs, const double* b, long ldb,
            const Coming* coming, int add, double* c, long ldc) noexcept nogil
        long (*zeros_f32)(const float* x, long d) noexcept nogil
        long (*zeros_f64)(const double* x, long d) noexcept nogil
        long (*zeros_u8)(const unsigned char* x, long d) noexcept nogil
        void (*gather_f32)(
            const float* x, const double* shift, const double* scale, double* out, long d,
        ) noexcept nogil
        void (*gather_f64)(
            const double* x, const double* shift, const double* scale, double* out, long d,
        ) noexcept nogil
        void (*gather_u8)(
            const unsigned char* x, const double* shift, const double* scale, double* out, long d,
        ) noexcept nogil
        void (*transpose)(
            long m, long n, const double* a, long lda, double* b, long ldb) noexcept nogil
        void (*sum_rows)(
            const double* x, long n, long h, long ldx, int add, double* out) noexcept nogil
        int (*finite)(const double* x, long size) noexcept nogil
        void (*sgd)(
            double rate, double l1, double l2, const double* grad, double* param, long size,
        ) noexcept nogil
        void (*momentum)(
            double rate, double momentum, int nesterov, double l1, double l2, const double* grad,
            double* param, double* velocity, long size) noexcept nogil
        void (*adam)(
            double rate, double root, double beta1, double rest1, double beta2, double rest2,
            double epsilon, double l1, double l2, const double* grad, double* param, double* mean,
            double* square, long size) noexcept nogil
        void (*activate)(
            int activation, const double* bias, double* z, long n, long h, long ld) noexcept nogil
        void (*activate_backward)(
            int activation, const double* out, double* dout, long n, long h, long ld,
        ) noexcept nogil
        long (*argmax)(const double* x, long k) noexcept nogil
        void (*softmax)(double* logits, long k) noexcept nogil
        long (*softmax_xent)(
            const double* logits, const int* labels, const double* scales, double* dlogits,
            double* excess, double* gap, long n, long k) noexcept nogil
        double (*row_loss)(
            int loss, const double* outputs, long label, const double* targets, double margin,
            double scale, double* doutputs, long k) noexcept nogil
    ctypedef struct fastdl_isa:
        const char* name
        Kernels32 f32
        Kernels64 f64
    const fastdl_isa* fastdl_isa_at(int i)
    const int MOST_FEW_ROWS "FASTDL_FEW_ROWS"
    enum:
        LANES "FASTDL_LANES"
    const int SOFTMAX_XENT "FASTDL_SOFTMAX_XENT"
    const int HINGE "FASTDL_HINGE"
    const int SIGMOID_XENT "FASTDL_SIGMOID_XENT"
    const int MSE "FASTDL_MSE"
    const int IDENTITY "FASTDL_IDENTITY"
    const int RELU "FASTDL_RELU"
    const int LEAKY_RELU "FASTDL_LEAKY_RELU"
    const int SIGMOID "FASTDL_SIGMOID"
    const int TANH "FASTDL_TANH"

cdef extern from "_team.h" nogil:
    const int MOST "FASTDL_MOST"
    int fastdl_team_of(int n)

cdef extern from *:
    """
    enum { FASTDL_SGD, FASTDL_MOMENTUM, FASTDL_NESTEROV, FASTDL_ADAM };
    #ifdef _OPENMP
    #define FASTDL_OPENMP 1
    #else
    #define FASTDL_OPENMP 0
    #endif
    """
    const int SGD "FASTDL_SGD"
    const int MOMENTUM "FASTDL_MOMENTUM"
    const int NESTEROV "FASTDL_NESTEROV"
    const int ADAM "FASTDL_ADAM"
    const int HAS_OPENMP "FASTDL_OPENMP"
    const int IS_DEBUG "FASTDL_DEBUG"

OPENMP = bool(HAS_OPENMP)
DEBUG = bool(IS_DEBUG)
MOST_THREADS = MOST
ACTIVATIONS = {
    "identity": IDENTITY, "relu": RELU, "leaky_relu": LEAKY_RELU, "sigmoid": SIGMOID, "tanh": TANH,
}
LOSSES = {
    "softmax_cross_entropy": SOFTMAX_XENT, "hinge": HINGE,
    "sigmoid_cross_entropy": SIGMOID_XENT, "mse": MSE,
}
OPTIMISERS = {"sgd": SGD, "momentum": MOMENTUM, "nesterov": NESTEROV, "adam": ADAM}
BLOCK_ROWS = 256  # rows a block in the def functions

cdef Py_ssize_t BLOCK = BLOCK_ROWS
cdef enum:
    DOT_COLUMNS = 64  # so many at most a product with a transpose takes along its depth at once
    FEW_COLUMNS = 16  # It does so up to here,
    FEW_ROWS = 24  # or here, rather than that BLAS packs its factors,
    LONG_DEPTH = 176  # or in single precision for DOT_COLUMNS over so long a depth.
    FEW_SHARE = 6  # columns of a weight for each row of a batch, from which on those are few,
    FEW_LEAST = 16  # but so many at least
    WIDE_COLUMNS = 128  # in double precision BLAS, which packs, is faster beyond this
    TRANSPOSE_UNITS = 16  # of a weight, a row of a batch, that are transposed rather than summed
    DIRECT_DEPTH = 64  # from which it pays to take rows where they lie, if a first layer is narrow
    SKIP_COLUMNS = 48  # so many make it pay to look for the zeros of rows,
    SKIP_DEPTH = 64  # of at least so many items,
    SKIP_SHARE = 3,  # one in so many of which, or fewer, is not zero
    SKIP_MOST = 1024  # items of a row from which a narrow first layer lies by unit all the same

cdef const fastdl_isa* isa = fastdl_isa_at(0)


def available_isas():
    """The instruction sets for which this build has kernels and this machine has the hardware."""
    names = []
    while fastdl_isa_at(len(names)) != NULL:
        names.append(fastdl_isa_at(len(names)).name.decode())
    return tuple(names)


ISAS = available_isas()
ISA = ISAS[0]


def use_isa(str name):
    """Use the kernels of one of the available instruction sets, for the whole process."""
    global isa, ISA
    if name not in ISAS:
        raise ValueError(f"FASTDL_ISA must be one of {', '.join(ISAS)} here; got {name!r}")
    isa = fastdl_isa_at(ISAS.index(name))
    ISA = name


if "FASTDL_ISA" in os.environ:
    use_isa(os.environ["FASTDL_ISA"])


cdef int team_of(int n_threads) noexcept nogil:
    """The threads to enter a parallel region with, at most so many: what the system lets start."""
    return fastdl_team_of(n_threads)


# --- a block of rows -------------------------------------------------------------------------

cdef void gemm_block(
    bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,  # in
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    floating beta,
    floating* c, Py_ssize_t ldc,  # out
) noexcept nogil:
    """C (m x n) = op(A) op(B) + beta C, row-major; beta is 0 or 1.

    With multiplies() the one place that decides which kernel serves which shape.
    """
    cdef Py_ssize_t rs = 1 if transpose_a else lda, cs = lda if transpose_a else 1
    if chooses() and transpose_b and not transpose_a and (
            n <= FEW_COLUMNS or m <= FEW_ROWS
            or floating is float and n <= DOT_COLUMNS and k >= LONG_DEPTH):
        dot_block(m, n, k, a, lda, NULL, b, ldb, beta, c, ldc)
        return
    if not transpose_b and multiplies(floating is float, m, n):
        product_block(m, n, k, a, rs, cs, b, ldb, NULL, NULL, beta, c, ldc)
        return
    blas_gemm(
        transpose_a, transpose_b, <int> m, <int> n, <int> k, <floating> 1,
        a, <int> lda, b, <int> ldb, beta, c, <int> ldc,
    )


cdef void dot_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,  # in
    const floating* a, Py_ssize_t lda, const Py_ssize_t* order, const floating* b, Py_ssize_t ldb,
    floating beta,
    floating* c, Py_ssize_t ldc,  # out
) noexcept nogil:
    """C (m x n) = A[order] B^T + beta C by the micro-kernels; order NULL: A's first rows."""
    cdef Py_ssize_t i, j, few
    for i in range((n + DOT_COLUMNS - 1) // DOT_COLUMNS):
        j = i * DOT_COLUMNS
        few = min(<Py_ssize_t> DOT_COLUMNS, n - j)
        if floating is float:
            isa.f32.dot_product(m, few, k, a, lda, order, b + j * ldb, ldb, beta != 0, c + j, ldc)
        else:
            isa.f64.dot_product(m, few, k, a, lda, order, b + j * ldb, ldb, beta != 0, c + j, ldc)


cdef void gradient_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,  # in
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    const Py_ssize_t* order, const Coming* coming, const Step* step, double l2, floating beta,
    floating* grad, floating* param, Py_ssize_t ldc,  # out
) noexcept nogil:
    """grad (m x n) = A^T B[order] + beta grad, which may ask for coming rows meanwhile.

    order NULL: B's first rows, else there must be micro-kernels. coming may be NULL. step, if not
    NULL, is taken by param instead: for steps that fold and beta 0.
    """
    cdef double rate = 0 if step == NULL else step.learning_rate
    cdef floating decay = <floating> (1 - 2 * rate * l2)
    if step == NULL:
        param = NULL
    if order == NULL and beta == 0 and are_few(n, k):
        if floating is float:
            isa.f32.few_rows(
                m, n, k, a, lda, b, ldb, coming, <float> rate, decay, grad, param, ldc)
        else:
            isa.f64.few_rows(m, n, k, a, lda, b, ldb, coming, rate, decay, grad, param, ldc)
    elif order == NULL and not multiplies(floating is float, m, n):
        gemm_block(True, False, m, n, k, a, lda, b, ldb, beta, grad, ldc)
    else:
        product_block(m, n, k, a, 1, lda, b, ldb, order, coming, beta, grad, ldc)


cdef bint folds(const Step* step, double l1, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Whether gradient_block, order NULL, takes the step with a gradient of n columns, k deep."""
    return step.optimiser == SGD and l1 == 0 and are_few(n, k)


cdef inline bint are_few(Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Whether k rows cost less than to read and write a weight of n columns.

    Rows that do not fill a vector are stored in part, and the next one would wait for that store.
    """
    return chooses() and k <= MOST_FEW_ROWS and max(<Py_ssize_t> FEW_LEAST, FEW_SHARE * k) <= n


cdef inline void product_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,  # in
    const floating* a, Py_ssize_t rs, Py_ssize_t cs, const floating* b, Py_ssize_t ldb,
    const Py_ssize_t* order, const Coming* coming, floating beta,
    floating* c, Py_ssize_t ldc,  # out
) noexcept nogil:
    """C (m x n) = A B[order] + beta C by the micro-kernels; A (i, p) lies at a[i rs + p cs]."""
    if floating is float:
        isa.f32.product(m, n, k, a, rs, cs, b, ldb, order, coming, beta != 0, c, ldc)
    else:
        isa.f64.product(m, n, k, a, rs, cs, b, ldb, order, coming, beta != 0, c, ldc)


cdef inline bint multiplies(bint single, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """Whether the micro-kernels and not BLAS serve a product whose factor B lies by rows."""
    return chooses() and (single or n <= WIDE_COLUMNS or m <= FEW_ROWS)


cdef bint chooses() noexcept nogil:
    """Whether there are micro-kernels, which rows taken where they lie need."""
    return isa.f32.product != NULL


def lies_by_unit(Py_ssize_t d, Py_ssize_t h, bint single, bint first):
    """Whether a weight (d x h) is best kept unit by unit: products then run along the inputs.

    Along the units the last vector of 16 is filled in part; along the inputs each sum ends with the
    addition of a vector's lanes, which costs some 160 multiply-adds, or less in a narrow layer:
    40, since its gradient gains by it, and 20 if it is not the first, since by inputs a transposed
    copy would be kept. A first layer by unit takes rows where they lie, but skips no zeros.
    """
    if h <= FEW_COLUMNS:
        return first and d >= DIRECT_DEPTH or h * (d + (40 if first else 20)) < FEW_COLUMNS * d
    if not single or h >= DOT_COLUMNS or d < LONG_DEPTH:
        return False
    if first and h >= SKIP_COLUMNS and d < SKIP_MOST:
        return False
    return h * (d + 160) < (h + 15) // 16 * 16 * d


def forward_needs_blas(Py_ssize_t h, bint single):
    """Whether gemm_block may leave a forward product with h units to BLAS."""
    return isa.f32.product == NULL or not single and h > WIDE_COLUMNS


cdef void transpose_block(
    const floating* a, Py_ssize_t lda,  # in
    floating* b, Py_ssize_t ldb,  # out
    Py_ssize_t m, Py_ssize_t n,
) noexcept nogil:
    """b (n x m) = the transpose of a (m x n)."""
    if floating is float:
        isa.f32.transpose(m, n, a, lda, b, ldb)
    else:
        isa.f64.transpose(m, n, a, lda, b, ldb)


cdef bint transposes(Py_ssize_t h, Py_ssize_t n) noexcept nogil:
    """Whether batches of n rows make a transposed copy of a weight with h units pay.

    It costs some d h / 2 cycles a batch; dot products along the units end, for each of d n items,
    with the addition of a vector's lanes, or leave the packing of the weight to BLAS.
    """
    return TRANSPOSE_UNITS * n >= h


cdef bint skips(Py_ssize_t d, Py_ssize_t h) noexcept nogil:
    """Whether it pays to skip the zeros of rows of d inputs in products with (d x h)."""
    return isa.f32.skip_product != NULL and d >= SKIP_DEPTH and h >= SKIP_COLUMNS


cdef void skip_block(
    bint transpose_a, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,  # in
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    const Coming* coming, floating beta,
    floating* c, Py_ssize_t ldc,  # out
) noexcept nogil:
    """C (m x n) = op(A) B + beta C as gemm_block, where most of A is zero; coming may be NULL."""
    cdef Py_ssize_t rs = 1 if transpose_a else lda, cs = lda if transpose_a else 1
    if floating is float:
        isa.f32.skip_product(m, n, k, a, rs, cs, b, ldb, coming, beta != 0, c, ldc)
    else:
        isa.f64.skip_product(m, n, k, a, rs, cs, b, ldb, coming, beta != 0, c, ldc)


cdef bint is_sparse(const source* row, Py_ssize_t d) noexcept nogil:
    """Whether so much of a row is zero that a product should skip it."""
    cdef Py_ssize_t zeros
    if source is float:
        zeros = isa.f32.zeros_f32(row, d)
    elif source is double:
        zeros = isa.f32.zeros_f64(row, d)
    else:
        zeros = isa.f32.zeros_u8(row, d)
    return SKIP_SHARE * (d - zeros) <= d


cdef bint is_finite(const floating* row, Py_ssize_t d) noexcept nogil:
    """Whether no item of a row is NaN or infinite."""
    if floating is float:
        return isa.f32.finite(row, d)
    else:
        return isa.f64.finite(row, d)


cdef void gather_block(
    const source* x, Py_ssize_t stride, const Py_ssize_t* order,  # in
    const void* shift, const void* scale,
    floating* out, Py_ssize_t ldo, unsigned char* sparse,  # out
    Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    """out[i] = (x[order[i]] - shift) * scale; order NULL: the rows as they lie.

    shift and scale are double where x is, else of the type of out. sparse, if not NULL, tells of
    each row whether it is; a sparse one is not shifted.
    """
    cdef Py_ssize_t i
    cdef const source* row
    cdef const void* wanted = shift
    for i in range(n):
        row = x + (i if order == NULL else order[i]) * stride
        shift = wanted
        if sparse != NULL:
            sparse[i] = is_sparse(row, d)
            if sparse[i]:
                shift = NULL
        if floating is float:
            if source is float:
                isa.f32.gather_f32(
                    row, <const float*> shift, <const float*> scale, out + i * ldo, d)
            elif source is double:
                isa.f32.gather_f64(
                    row, <const double*> shift, <const double*> scale, out + i * ldo, d)
            else:
                isa.f32.gather_u8(
                    row, <const float*> shift, <const float*> scale, out + i * ldo, d)
        else:
            if source is float:
                isa.f64.gather_f32(
                    row, <const double*> shift, <const double*> scale, out + i * ldo, d)
            elif source is double:
                isa.f64.gather_f64(
                    row, <const double*> shift, <const double*> scale, out + i * ldo, d)
            else:
                isa.f64.gather_u8(
                    row, <const double*> shift, <const double*> scale, out + i * ldo, d)


cdef void activate_block(
    int activation, const floating* bias,  # in
    floating* z, Py_ssize_t n, Py_ssize_t h, Py_ssize_t ld,  # in and out
) noexcept nogil:
    """z (n x h) = activation(z + bias), in place."""
    if floating is float:
        isa.f32.activate(activation, bias, z, n, h, ld)
    else:
        isa.f64.activate(activation, bias, z, n, h, ld)


cdef void activate_backward_block(
    int activation, const floating* out,  # in
    floating* dout, Py_ssize_t n, Py_ssize_t h, Py_ssize_t ld,  # in and out
) noexcept nogil:
    """dz (n x h) = dout * activation'(z), in place."""
    if floating is float:
        isa.f32.activate_backward(activation, out, dout, n, h, ld)
    else:
        isa.f64.activate_backward(activation, out, dout, n, h, ld)


cdef void sum_rows_block(
    const floating* x, Py_ssize_t ldx, floating beta,  # in
    floating* out, Py_ssize_t n, Py_ssize_t h,  # out
) noexcept nogil:
    """out (h) = the sum of x (n x h) over its rows + beta out; beta is 0 or 1."""
    if floating is float:
        isa.f32.sum_rows(x, n, h, ldx, beta != 0, out)
    else:
        isa.f64.sum_rows(x, n, h, ldx, beta != 0, out)


cdef double loss_block(
    int loss, const floating* logits, const int* labels, const floating* targets,  # in
    const floating* weights, const Py_ssize_t* order, double margin, double scale,
    floating* dlogits, Py_ssize_t* n_correct,  # out
    Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """The weighted sum of the rows' losses; dlogits = its gradient times scale.

    labels or targets is NULL by the kind of loss; weights NULL: ones; order tells which of all
    these belong to the logits, NULL: the first; dlogits NULL: not wanted.
    """
    cdef Py_ssize_t i, row
    cdef double weight, row_loss, total = 0
    cdef int label = 0
    cdef bint hit = False
    cdef const floating* wanted = NULL
    if loss == SOFTMAX_XENT:
        return softmax_xent_block(
            logits, labels, weights, order, scale, dlogits, n_correct, n, k)
    n_correct[0] = 0
    for i in range(n):
        row = i if order == NULL else order[i]
        weight = 1 if weights == NULL else weights[row]
        if targets != NULL:
            wanted = targets + row * k
        if labels != NULL:
            label = labels[row]
            hit = label == argmax(logits, k)
        if floating is float:
            row_loss = isa.f32.row_loss(
                loss, logits, label, wanted, margin, weight * scale, dlogits, k)
        else:
            row_loss = isa.f64.row_loss(
                loss, logits, label, wanted, margin, weight * scale, dlogits, k)
        n_correct[0] += hit and not isnan(row_loss)  # what is not a number is never right
        total += weight * row_loss
        logits += k
        if dlogits != NULL:
            dlogits += k
    return total


cdef inline Py_ssize_t argmax(const floating* x, Py_ssize_t k) noexcept nogil:
    """The first index of the greatest element."""
    if floating is float:
        return isa.f32.argmax(x, k)
    else:
        return isa.f64.argmax(x, k)


cdef double softmax_xent_block(
    const floating* logits, const int* labels, const floating* weights,  # in
    const Py_ssize_t* order, double scale,
    floating* dlogits, Py_ssize_t* n_correct,  # out
    Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """loss_block for softmax and cross-entropy: LANES rows at once."""
    cdef int label[LANES]
    cdef double weight[LANES]
    cdef double scales[LANES]
    cdef double excess[LANES]
    cdef double gap[LANES]
    cdef double total = 0
    cdef Py_ssize_t i, row, few, start = 0
    n_correct[0] = 0
    while start < n:
        few = min(<Py_ssize_t> LANES, n - start)
        for i in range(few):
            row = start + i if order == NULL else order[start + i]
            label[i] = labels[row]
            weight[i] = 1 if weights == NULL else weights[row]
            scales[i] = weight[i] * scale
        n_correct[0] += softmax_xent(logits, label, scales, dlogits, excess, gap, few, k)
        total += sum_of_logs(weight, gap, excess, few)
        logits += few * k
        if dlogits != NULL:
            dlogits += few * k
        start += few
    return total


cdef inline Py_ssize_t softmax_xent(
    const floating* logits, const int* labels, const double* scales,  # in
    floating* dlogits, double* excess, double* gap,  # out
    Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """The losses of at most LANES rows as gap + log1p(excess); how many of them are right."""
    if floating is float:
        return isa.f32.softmax_xent(logits, labels, scales, dlogits, excess, gap, n, k)
    else:
        return isa.f64.softmax_xent(logits, labels, scales, dlogits, excess, gap, n, k)


cdef inline double sum_of_logs(
    const double* weight, const double* gap, const double* excess, Py_ssize_t n,
) noexcept nogil:
    """The sum of weight (gap + log1p(excess)), by one logarithm where all weigh the same."""
    cdef Py_ssize_t i
    cdef bint equal = True
    cdef double gaps = 0, product = 0, total = 0  # product: of all 1 + excess, less 1
    for i in range(n):
        equal = equal and weight[i] == weight[0]
        gaps += gap[i]
        product += excess[i] + product * excess[i]
    if equal:
        return weight[0] * (gaps + log1p(product))
    for i in range(n):
        total += weight[i] * (gap[i] + log1p(excess[i]))
    return total


cdef double penalty_block(
    const floating* weight, Py_ssize_t size, double l1, double l2,  # in
) noexcept nogil:
    """l1 sum(|w|) + l2 sum(w^2)."""
    cdef Py_ssize_t i
    cdef double absolute = 0, square = 0
    if l1 != 0:
        for i in range(size):
            absolute += fabs(weight[i])
    if l2 != 0:
        for i in range(size):
            square += <double> weight[i] * weight[i]
    return l1 * absolute + l2 * square


cdef inline floating penalised(
    floating grad, floating w, floating l1, floating l2,
) noexcept nogil:
    """grad + the gradient of l1 |w| + l2 w^2 (at w = 0 the subgradient 0)."""
    return grad + 2 * l2 * w + l1 * ((w > 0) - (w < 0))


cdef void update_block(
    const Step* step, double l1, double l2, const floating* grad,  # in
    floating* param, floating* first, floating* second, Py_ssize_t size,  # in and out
) noexcept nogil:
    """One step of the optimiser; first and second are its moments, NULL where it has none."""
    cdef floating a = <floating> l1, b = <floating> l2
    cdef floating rate = <floating> step.learning_rate, mu = <floating> step.momentum
    cdef floating beta1 = <floating> step.beta1, beta2 = <floating> step.beta2
    cdef floating rest1 = <floating> (1 - step.beta1), rest2 = <floating> (1 - step.beta2)
    cdef floating rate1 = <floating> (step.learning_rate / step.correction1)
    cdef floating root2 = <floating> sqrt(step.correction2)
    # Not 0, as a small one is in single precision: 0 / 0 would follow where no gradient is.
    cdef floating least = FLT_MIN if floating is float else DBL_MIN
    cdef floating epsilon = max(<floating> step.epsilon, least)
    cdef bint nesterov = step.optimiser == NESTEROV
    if step.optimiser == SGD:
        if floating is float:
            isa.f32.sgd(rate, a, b, grad, param, size)
        else:
            isa.f64.sgd(rate, a, b, grad, param, size)
    elif step.optimiser == ADAM:
        if floating is float:
            isa.f32.adam(
                rate1, root2, beta1, rest1, beta2, rest2, epsilon, a, b, grad, param, first,
                second, size)
        else:
            isa.f64.adam(
                rate1, root2, beta1, rest1, beta2, rest2, epsilon, a, b, grad, param, first,
                second, size)
    elif floating is float:
        isa.f32.momentum(rate, mu, nesterov, a, b, grad, param, first, size)
    else:
        isa.f64.momentum(rate, mu, nesterov, a, b, grad, param, first, size)


# --- whole arrays ----------------------------------------------------------------------------

cdef void* address(object array, bint writable=False) except? NULL:
    """The address of an array's first item; NULL for None. The caller keeps the array alive."""
    cdef Py_buffer buffer
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES | (PyBUF_WRITABLE if writable else 0))
    PyBuffer_Release(&buffer)
    return buffer.buf


cdef inline Py_ssize_t n_blocks(Py_ssize_t n) noexcept nogil:
    return (n + BLOCK - 1) // BLOCK


cdef inline Py_ssize_t block_rows(Py_ssize_t block, Py_ssize_t n) noexcept nogil:
    """The rows of a block: BLOCK, or what is left in the last one."""
    return min(BLOCK, n - block * BLOCK)


def gemm(
    bint transpose_a, bint transpose_b,
    const floating[:, ::1] a, const floating[:, ::1] b, floating[:, ::1] out, int n_threads,
):
    """out = op(a) op(b)."""
    cdef Py_ssize_t i, m = out.shape[0], n = out.shape[1]
    cdef Py_ssize_t k = a.shape[0] if transpose_a else a.shape[1]
    cdef Py_ssize_t row_step = 1 if transpose_a else a.shape[1]
    n_threads = team_of(n_threads)
    for i in prange(
        n_blocks(m), nogil=True, schedule="dynamic", num_threads=n_threads,
        use_threads_if=n_threads > 1,
    ):
        gemm_block[floating](
            transpose_a, transpose_b, block_rows(i, m), n, k,
            &a[0, 0] + i * BLOCK * row_step, a.shape[1], &b[0, 0], b.shape[1],
            0, &out[i * BLOCK, 0], n,
        )


def gather(
    const source[:, :] x, const Py_ssize_t[::1] order, floating[:, ::1] out, shift, scale,
    int n_threads,
):
    """out[i] = (x[order[i]] - shift) * scale; the items of a row of x lie side by side.

    shift and scale are of double where x is, else of the type of out; None: no scaling.
    """
    cdef Py_ssize_t i, n = out.shape[0], d = out.shape[1]
    cdef Py_ssize_t stride = x.strides[0] // <Py_ssize_t> sizeof(source)
    cdef const void* p_shift = address(shift)
    cdef const void* p_scale = address(scale)
    n_threads = team_of(n_threads)
    for i in prange(
        n_blocks(n), nogil=True, schedule="dynamic", num_threads=n_threads,
        use_threads_if=n_threads > 1,
    ):
        gather_block(
            <const source*> &x[0, 0], stride, &order[i * BLOCK], p_shift, p_scale,
            &out[i * BLOCK, 0], d, NULL, block_rows(i, n), d,
        )


def bias_activation(int activation, const floating[::1] bias, floating[:, ::1] z, int n_threads):
    """z = activation(z + bias), in place."""
    cdef Py_ssize_t i, n = z.shape[0], h = z.shape[1]
    n_threads = team_of(n_threads)
    for i in prange(
        n_blocks(n), nogil=True, schedule="dynamic", num_threads=n_threads,
        use_threads_if=n_threads > 1,
    ):
        activate_block(activation, &bias[0], &z[i * BLOCK, 0], block_rows(i, n), h, h)


def activation_backward(
    int activation, const floating[:, ::1] out, floating[:, ::1] dout, int n_threads,
):
    """dz = dout * activation'(z), in place."""
    cdef Py_ssize_t i, n = out.shape[0], h = out.shape[1]
    n_threads = team_of(n_threads)
    for i in prange(
        n_blocks(n), nogil=True, schedule="dynamic", num_threads=n_threads,
        use_threads_if=n_threads > 1,
    ):
        activate_backward_block(
            activation, &out[i * BLOCK, 0], &dout[i * BLOCK, 0], block_rows(i, n), h, h,
        )


def softmax(floating[:, ::1] logits, int n_threads):
    """logits = softmax(logits), row by row, in place."""
    cdef Py_ssize_t i, n = logits.shape[0], k = logits.shape[1]
    n_threads = team_of(n_threads)
    for i in prange(
        n, nogil=True, schedule="static", num_threads=n_threads, use_threads_if=n_threads > 1,
    ):
        if floating is float:
            isa.f32.softmax(&logits[i, 0], k)
        else:
            isa.f64.softmax(&logits[i, 0], k)


def sum_rows(const floating[:, ::1] x, floating[::1] out):
    """out = the sum of x over its rows."""
    cdef Py_ssize_t h = x.shape[1]
    with nogil:
        sum_rows_block[floating](&x[0, 0], h, 0, &out[0], x.shape[0], h)


def loss_forward_backward(
    int loss, const floating[:, ::1] logits, const int[::1] labels,
    const floating[:, ::1] targets, const floating[::1] weights, double margin, double scale,
    floating[:, ::1] dlogits, double[::1] partial, Py_ssize_t[::1] n_correct, int n_threads,
):
    """The weighted sum of the rows' losses and the number correct; fills dlogits.

    labels or targets, weights and dlogits may be None. partial and n_correct are workspace, an
    element a block.
    """
    cdef Py_ssize_t i, n = logits.shape[0], k = logits.shape[1]
    cdef const int* p_labels = &labels[0] if labels is not None else NULL
    cdef const floating* p_targets = &targets[0, 0] if targets is not None else NULL
    cdef const floating* p_weights = &weights[0] if weights is not None else NULL
    cdef floating* p_dlogits = &dlogits[0, 0] if dlogits is not None else NULL
    n_threads = team_of(n_threads)
    for i in prange(
        n_blocks(n), nogil=True, schedule="dynamic", num_threads=n_threads,
        use_threads_if=n_threads > 1,
    ):
        partial[i] = loss_block(
            loss, &logits[i * BLOCK, 0],
            p_labels + i * BLOCK if p_labels != NULL else NULL,
            p_targets + i * BLOCK * k if p_targets != NULL else NULL,
            p_weights + i * BLOCK if p_weights != NULL else NULL, NULL, margin, scale,
            p_dlogits + i * BLOCK * k if p_dlogits != NULL else NULL,
            &n_correct[i], block_rows(i, n), k,
        )
    return sum(partial), sum(n_correct)


def row_losses(
    int loss, const floating[:, ::1] logits, const int[::1] labels,
    const floating[:, ::1] targets, double margin, double[::1] out,
):
    """out = the loss of each row; labels or targets is None."""
    cdef double excess[LANES]
    cdef Py_ssize_t i, few, n = logits.shape[0], k = logits.shape[1], hit, start = 0
    cdef const int* p_labels = &labels[0] if labels is not None else NULL
    cdef const floating* p_targets = &targets[0, 0] if targets is not None else NULL
    with nogil:
        while loss == SOFTMAX_XENT and start < n:
            few = min(<Py_ssize_t> LANES, n - start)
            softmax_xent[floating](
                &logits[start, 0], p_labels + start, NULL, NULL, excess, &out[start], few, k)
            for i in range(few):
                out[start + i] += log1p(excess[i])
            start += few
        for i in range(start, n):
            out[i] = loss_block[floating](
                loss, &logits[i, 0], p_labels + i if p_labels != NULL else NULL,
                p_targets + i * k if p_targets != NULL else NULL, NULL, NULL, margin, 0,
                NULL, &hit, 1, k,
            )


def finite(const floating[::1] x):
    """Whether no element is NaN or infinite."""
    return bool(is_finite(&x[0], x.shape[0]))


def penalty(const floating[::1] weight, double l1, double l2):
    """l1 sum(|w|) + l2 sum(w^2)."""
    cdef double total
    with nogil:
        total = penalty_block(&weight[0], weight.shape[0], l1, l2)
    return total


def penalty_gradient(const floating[::1] weight, double l1, double l2, floating[::1] dweight):
    """dweight = l1 sign(w) + 2 l2 w."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(weight.shape[0]):
            dweight[i] = penalised[floating](0, weight[i], <floating> l1, <floating> l2)


def update(
    int optimiser, floating[::1] param, const floating[::1] grad,
    floating[::1] first, floating[::1] second, double learning_rate, double momentum,
    double beta1, double beta2, double epsilon, Py_ssize_t t, double l1, double l2,
):
    """One step of an optimiser over a whole array; t counts its steps from 1."""
    cdef Step step
    step.optimiser = optimiser
    step.learning_rate = learning_rate
    step.momentum = momentum
    step.beta1 = beta1
    step.beta2 = beta2
    step.epsilon = epsilon
    step.correction1 = 1 - beta1 ** t
    step.correction2 = 1 - beta2 ** t
    cdef floating* p_first = &first[0] if first is not None else NULL
    cdef floating* p_second = &second[0] if second is not None else NULL
    with nogil:
        update_block(
            &step, l1, l2, &grad[0], &param[0], p_first, p_second, param.shape[0],
        )
