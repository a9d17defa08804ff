"""What _epoch may call: kernels over a block of rows, serial, without the GIL."""

from cython cimport floating

ctypedef fused source:
    float
    double
    unsigned char

cdef extern from "_isa.h":
    ctypedef struct Coming "fastdl_coming":  # rows of a data set to ask for: see _isa.h
        const char* x
        Py_ssize_t row, input
        const Py_ssize_t* order
        bint columns

cdef struct Step:  # what one update needs to know besides the arrays
    int optimiser
    double learning_rate, momentum, beta1, beta2, epsilon
    double correction1, correction2  # Adam's 1 - beta^t

cdef int team_of(int n_threads) noexcept nogil

cdef void* address(object array, bint writable=*) except? NULL

cdef void gemm_block(
    bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    floating beta, floating* c, Py_ssize_t ldc,
) noexcept nogil

cdef void dot_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const Py_ssize_t* order, const floating* b, Py_ssize_t ldb,
    floating beta, floating* c, Py_ssize_t ldc,
) noexcept nogil

cdef void gradient_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    const Py_ssize_t* order, const Coming* coming, const Step* step, double l2, floating beta,
    floating* grad, floating* param, Py_ssize_t ldc,
) noexcept nogil

cdef bint folds(const Step* step, double l1, Py_ssize_t n, Py_ssize_t k) noexcept nogil

cdef bint chooses() noexcept nogil

cdef void transpose_block(
    const floating* a, Py_ssize_t lda, floating* b, Py_ssize_t ldb, Py_ssize_t m, Py_ssize_t n,
) noexcept nogil

cdef bint transposes(Py_ssize_t h, Py_ssize_t n) noexcept nogil

cdef bint skips(Py_ssize_t d, Py_ssize_t h) noexcept nogil

cdef void skip_block(
    bint transpose_a, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t lda, const floating* b, Py_ssize_t ldb,
    const Coming* coming, floating beta, floating* c, Py_ssize_t ldc,
) noexcept nogil

cdef bint is_sparse(const source* row, Py_ssize_t d) noexcept nogil

cdef bint is_finite(const floating* row, Py_ssize_t d) noexcept nogil

cdef void gather_block(
    const source* x, Py_ssize_t stride, const Py_ssize_t* order,
    const void* shift, const void* scale,
    floating* out, Py_ssize_t ldo, unsigned char* sparse, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil

cdef void activate_block(
    int activation, const floating* bias, floating* z, Py_ssize_t n, Py_ssize_t h, Py_ssize_t ld,
) noexcept nogil

cdef void activate_backward_block(
    int activation, const floating* out, floating* dout, Py_ssize_t n, Py_ssize_t h,
    Py_ssize_t ld,
) noexcept nogil

cdef void sum_rows_block(
    const floating* x, Py_ssize_t ldx, floating beta, floating* out, Py_ssize_t n, Py_ssize_t h,
) noexcept nogil

cdef double loss_block(
    int loss, const floating* logits, const int* labels, const floating* targets,
    const floating* weights, const Py_ssize_t* order, double margin, double scale,
    floating* dlogits, Py_ssize_t* n_correct, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil

cdef double penalty_block(
    const floating* weight, Py_ssize_t size, double l1, double l2,
) noexcept nogil

cdef void update_block(
    const Step* step, double l1, double l2, const floating* grad,
    floating* param, floating* first, floating* second, Py_ssize_t size,
) noexcept nogil
