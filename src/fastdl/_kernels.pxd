"""What _epoch may call: kernels over a block of rows, serial, without the GIL.

Arrays are void: a table of kernels tells of which type they are.
"""

from fastdl._matrix cimport Matrix

cdef extern from "kernels.h" nogil:
    ctypedef Py_ssize_t wide
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
    ctypedef struct Update "fastdl_update":  # what one update needs to know: kernels.h
        int optimiser
        double learning_rate
        double settings[4]
        double corrections[2]
    ctypedef struct Draw "fastdl_draw":  # by what random factors are told from all others
        unsigned long long seed, step, layer, row
    enum:
        MOST_SETTINGS "FASTDL_SETTINGS"
        FASTDL_SOURCE_f32, FASTDL_SOURCE_f64, FASTDL_SOURCE_u8
    ctypedef struct Kernels "fastdl_kernels":  # what each of them does: kernels.h
        int item
        void (*product)(
            wide m, wide n, wide k, const void* a, wide rs, wide cs, const void* b, wide ldb,
            const Py_ssize_t* order, const Coming* coming, bint add, void* c, wide ldc,
        ) noexcept nogil
        void (*few_rows)(
            wide m, wide n, wide k, const void* a, wide lda, const void* b, wide ldb,
            const Coming* coming, double rate, double decay, void* grad, void* param, wide ldc,
        ) noexcept nogil
        void (*dot_product)(
            wide m, wide n, wide k, const void* a, wide lda, const Py_ssize_t* order,
            const void* b, wide ldb, bint add, void* c, wide ldc) noexcept nogil
        void (*skip_product)(
            wide m, wide n, wide k, const void* a, wide rs, wide cs, const void* b, wide ldb,
            const Coming* coming, bint add, void* c, wide ldc) noexcept nogil
        void (*transpose)(
            wide m, wide n, const void* a, wide lda, void* b, wide ldb) noexcept nogil
        void (*sum_rows)(
            const void* x, wide n, wide h, wide ldx, bint add, void* out) noexcept nogil
        void (*add)(const void* x, void* out, wide size) noexcept nogil
        void (*fill)(double value, void* out, wide size) noexcept nogil
        bint (*finite)(
            const void* x, wide ldx, const Py_ssize_t* order, wide n, wide d) noexcept nogil
        void (*greatest)(const void* x, wide n, wide k, Py_ssize_t* out) noexcept nogil
        void (*softmax)(void* logits, wide k) noexcept nogil
        double (*penalty)(const void* weight, wide size, double l1, double l2) noexcept nogil
        void (*penalty_gradient)(
            const void* weight, wide size, double l1, double l2, void* out) noexcept nogil
        double (*penalise)(
            const void* weight, wide size, double l1, double l2, void* grad) noexcept nogil
        void (*scale)(double factor, void* x, wide size) noexcept nogil
        void (*moments)(
            const void* x, wide ldx, wide n, wide h, void* mean, void* variance) noexcept nogil
        void (*inverse_root)(
            const void* variance, double epsilon, void* out, wide size) noexcept nogil
        void (*normalise)(
            const void* x, wide ldx, const void* mean, const void* inverse, const void* gamma,
            void* out, wide ldo, wide n, wide h) noexcept nogil
        void (*normalise_back)(
            const void* x, wide ldx, const void* mean, const void* inverse, const void* gamma,
            const void* dout, wide ldd, void* dgamma, void* dbeta, void* dx, wide ldo, wide n,
            wide h) noexcept nogil
        void (*follow)(double keep, const void* x, void* out, wide size) noexcept nogil
        void (*activate[1])(
            const void* bias, void* z, void* inputs, wide n, wide h, wide ld) noexcept nogil
        void (*activate_backward[1])(
            const void* by, void* dout, wide n, wide h, wide ld) noexcept nogil
        double (*loss[1])(
            const void* outputs, const Truth* truth, const double* settings, double scale,
            void* doutputs, double* each, Py_ssize_t* n_correct, wide n, wide k) noexcept nogil
        void (*mask[1])(
            const Draw* draw, double rate, const void* x, wide ldx, void* out, wide ldo, wide n,
            wide h) noexcept nogil
        void (*update[1])(
            const Update* update, bint decays, double l1, double l2, const void* grad,
            void* param, void* first, void* second, wide size) noexcept nogil
        bint (*is_sparse[1])(const void* row, wide d) noexcept nogil
        void (*read[1])(
            const void* x, wide ldx, const Py_ssize_t* order, const void* shift,
            const void* scale, void* out, wide ldo, unsigned char* sparse, wide n, wide d,
        ) noexcept nogil

cdef bint goes_by_input(int activation) noexcept nogil

ctypedef void (*Work)(void* data) noexcept nogil  # that every thread of a team does

cdef void run_team(int n_threads, Work work, void* data) noexcept nogil

cdef int team_rank() noexcept nogil

cdef int team_size() noexcept nogil

cdef void* address(object array, bint writable=*) except? NULL

cdef const Kernels* kernels_of(Py_ssize_t item) noexcept nogil

cdef struct Fold:  # an update that a weight takes together with its gradient
    const Update* update
    double l2
    void* param

cdef inline Truth truth_from(
    const Truth* truth, Py_ssize_t first, Py_ssize_t k, Py_ssize_t item,
) noexcept nogil:
    """What is right for the rows from first on; k outputs, item bytes each of a target."""
    cdef Truth result = truth[0]
    if truth.labels != NULL:
        result.labels = truth.labels + first
    if truth.targets != NULL:
        result.targets = <const char*> truth.targets + first * k * item
    if truth.weights != NULL:
        result.weights = <const char*> truth.weights + first * item
    return result

cdef void multiply(
    const Kernels* kernels, const Matrix* a, const Matrix* b, bint add, const Matrix* c,
) noexcept nogil

cdef void take_gradient(
    const Kernels* kernels, const Matrix* a, const Matrix* b, const Coming* coming,
    const Fold* fold, bint add, const Matrix* grad,
) noexcept nogil

cdef Update update_from(object hyper)

cdef inline void count_update(Update* update, double learning_rate, Py_ssize_t t) noexcept nogil:
    """Make it the t-th one, counted from 1."""
    cdef int i
    update.learning_rate = learning_rate
    for i in range(2):
        update.corrections[i] = 1
        if update.settings[i] != 0:  # a power costs as much as a step of a small network
            update.corrections[i] -= update.settings[i] ** <double> t

cpdef bint leaves_to_blas(
    bint single, bint is_transposed, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil

cdef bint folds(const Update* update, double l1, Py_ssize_t n, Py_ssize_t k) noexcept nogil

cdef bint multiplies(bint single, Py_ssize_t m, Py_ssize_t n) noexcept nogil

cdef bint serves(const Kernels* kernels, Py_ssize_t m, const Matrix* b) noexcept nogil

cdef bint has_microkernels() noexcept nogil

cdef bint transposes(Py_ssize_t h, Py_ssize_t n) noexcept nogil

cdef bint skips(Py_ssize_t d, Py_ssize_t h) noexcept nogil
