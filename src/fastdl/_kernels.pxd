"""What _epoch may call: kernels over a block of rows, serial, without the GIL.

Arrays are void: a table of kernels tells of which type they are.
"""

from cython cimport floating

ctypedef fused source:
    float
    double
    unsigned char

cdef extern from "kernels.h" nogil:
    ctypedef struct Coming "fastdl_coming":  # rows of a data set to ask for: see kernels.h
        const char* x
        Py_ssize_t row, input
        const Py_ssize_t* order
        bint columns
    ctypedef struct Truth "fastdl_truth":  # what is right for some rows
        const int* labels
        const void* targets
        const void* weights
        const Py_ssize_t* order
    ctypedef struct Step "fastdl_step":  # what one update needs to know besides the arrays
        int optimiser
        double learning_rate, momentum, beta1, beta2, epsilon
        double correction1, correction2  # Adam's 1 - beta^t
    enum:
        FASTDL_SOURCE_f32, FASTDL_SOURCE_f64, FASTDL_SOURCE_u8
    ctypedef struct Kernels "fastdl_kernels":  # what each of them does: kernels.h
        int item
        void (*product)(
            long m, long n, long k, const void* a, long rs, long cs, const void* b, long ldb,
            const Py_ssize_t* order, const Coming* coming, bint add, void* c, long ldc,
        ) noexcept nogil
        void (*few_rows)(
            long m, long n, long k, const void* a, long lda, const void* b, long ldb,
            const Coming* coming, double rate, double decay, void* grad, void* param, long ldc,
        ) noexcept nogil
        void (*dot_product)(
            long m, long n, long k, const void* a, long lda, const Py_ssize_t* order,
            const void* b, long ldb, bint add, void* c, long ldc) noexcept nogil
        void (*skip_product)(
            long m, long n, long k, const void* a, long rs, long cs, const void* b, long ldb,
            const Coming* coming, bint add, void* c, long ldc) noexcept nogil
        void (*transpose)(
            long m, long n, const void* a, long lda, void* b, long ldb) noexcept nogil
        void (*sum_rows)(
            const void* x, long n, long h, long ldx, bint add, void* out) noexcept nogil
        void (*add)(const void* x, void* out, long size) noexcept nogil
        void (*fill)(double value, void* out, long size) noexcept nogil
        bint (*finite)(
            const void* x, long ldx, const Py_ssize_t* order, long n, long d) noexcept nogil
        void (*softmax)(void* logits, long k) noexcept nogil
        double (*penalty)(const void* weight, long size, double l1, double l2) noexcept nogil
        void (*penalty_gradient)(
            const void* weight, long size, double l1, double l2, void* out) noexcept nogil
        void (*activate[1])(const void* bias, void* z, long n, long h, long ld) noexcept nogil
        void (*activate_backward[1])(
            const void* out, void* dout, long n, long h, long ld) noexcept nogil
        double (*loss[1])(
            const void* outputs, const Truth* truth, const double* settings, double scale,
            void* doutputs, double* each, Py_ssize_t* n_correct, long n, long k) noexcept nogil
        void (*update[1])(
            const Step* step, double l1, double l2, const void* grad, void* param, void* first,
            void* second, long size) noexcept nogil
        bint (*is_sparse[1])(const void* row, long d) noexcept nogil
        void (*read[1])(
            const void* x, long ldx, const Py_ssize_t* order, const void* shift,
            const void* scale, void* out, long ldo, unsigned char* sparse, long n, long d,
        ) noexcept nogil

cdef int team_of(int n_threads) noexcept nogil

cdef void* address(object array, bint writable=*) except? NULL

cdef const Kernels* kernels_of(Py_ssize_t item) noexcept nogil

cdef void multiply(
    const Kernels* kernels, bint transpose_a, bint transpose_b,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const void* a, Py_ssize_t lda, const void* b, Py_ssize_t ldb,
    bint add, void* c, Py_ssize_t ldc,
) noexcept nogil

cdef void take_gradient(
    const Kernels* kernels, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const void* a, Py_ssize_t lda, const void* b, Py_ssize_t ldb,
    const Py_ssize_t* order, const Coming* coming, const Step* step, double l2, bint add,
    void* grad, void* param, Py_ssize_t ldc,
) noexcept nogil

cdef bint folds(const Step* step, double l1, Py_ssize_t n, Py_ssize_t k) noexcept nogil

cdef bint has_microkernels() noexcept nogil

cdef bint transposes(Py_ssize_t h, Py_ssize_t n) noexcept nogil

cdef bint skips(Py_ssize_t d, Py_ssize_t h) noexcept nogil


# --- the same for a type that the caller knows -------------------------------------------------

cdef inline void gemm_block(
    bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    floating beta, floating* c, Py_ssize_t ldc,
) noexcept nogil:
    multiply(
        kernels_of(sizeof(floating)), transpose_a, transpose_b, m, n, k, a, lda, b, ldb,
        beta != 0, c, ldc)


cdef inline void dot_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const Py_ssize_t* order, const floating* b, Py_ssize_t ldb,
    floating beta, floating* c, Py_ssize_t ldc,
) noexcept nogil:
    kernels_of(sizeof(floating)).dot_product(
        m, n, k, a, lda, order, b, ldb, beta != 0, c, ldc)


cdef inline void gradient_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    const Py_ssize_t* order, const Coming* coming, const Step* step, double l2, floating beta,
    floating* grad, floating* param, Py_ssize_t ldc,
) noexcept nogil:
    take_gradient(
        kernels_of(sizeof(floating)), m, n, k, a, lda, b, ldb, order, coming, step, l2,
        beta != 0, grad, param, ldc)


cdef inline void transpose_block(
    const floating* a, Py_ssize_t lda, floating* b, Py_ssize_t ldb, Py_ssize_t m, Py_ssize_t n,
) noexcept nogil:
    kernels_of(sizeof(floating)).transpose(m, n, a, lda, b, ldb)


cdef inline void skip_block(
    bint transpose_a, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    const Coming* coming, floating beta, floating* c, Py_ssize_t ldc,
) noexcept nogil:
    kernels_of(sizeof(floating)).skip_product(
        m, n, k, a, 1 if transpose_a else lda, lda if transpose_a else 1, b, ldb, coming,
        beta != 0, c, ldc)


cdef inline int code_of(const source* x) noexcept nogil:
    """The code of a type of items."""
    if source is float:
        return FASTDL_SOURCE_f32
    elif source is double:
        return FASTDL_SOURCE_f64
    else:
        return FASTDL_SOURCE_u8


cdef inline bint is_sparse(const source* row, Py_ssize_t d) noexcept nogil:
    return kernels_of(4).is_sparse[code_of(row)](row, d)


cdef inline bint is_finite(const floating* row, Py_ssize_t d) noexcept nogil:
    return kernels_of(sizeof(floating)).finite(row, 0, NULL, 1, d)


cdef inline void gather_block(
    const source* x, Py_ssize_t stride, const Py_ssize_t* order,
    const void* shift, const void* scale,
    floating* out, Py_ssize_t ldo, unsigned char* sparse, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    kernels_of(sizeof(floating)).read[code_of(x)](
        x, stride, order, shift, scale, out, ldo, sparse, n, d)


cdef inline void activate_block(
    int activation, const floating* bias, floating* z, Py_ssize_t n, Py_ssize_t h, Py_ssize_t ld,
) noexcept nogil:
    kernels_of(sizeof(floating)).activate[activation](bias, z, n, h, ld)


cdef inline void activate_backward_block(
    int activation, const floating* out, floating* dout, Py_ssize_t n, Py_ssize_t h,
    Py_ssize_t ld,
) noexcept nogil:
    kernels_of(sizeof(floating)).activate_backward[activation](out, dout, n, h, ld)


cdef inline void sum_rows_block(
    const floating* x, Py_ssize_t ldx, floating beta, floating* out, Py_ssize_t n, Py_ssize_t h,
) noexcept nogil:
    kernels_of(sizeof(floating)).sum_rows(x, n, h, ldx, beta != 0, out)


cdef inline double loss_block(
    int loss, const floating* logits, const int* labels, const floating* targets,
    const floating* weights, const Py_ssize_t* order, double margin, double scale,
    floating* dlogits, Py_ssize_t* n_correct, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    cdef Truth truth
    truth.labels, truth.targets, truth.weights, truth.order = labels, targets, weights, order
    return kernels_of(sizeof(floating)).loss[loss](
        logits, &truth, &margin, scale, dlogits, NULL, n_correct, n, k)


cdef inline void update_block(
    const Step* step, double l1, double l2, const floating* grad,
    floating* param, floating* first, floating* second, Py_ssize_t size,
) noexcept nogil:
    kernels_of(sizeof(floating)).update[step.optimiser](
        step, l1, l2, grad, param, first, second, size)
