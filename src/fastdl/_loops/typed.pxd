"""The kernels over blocks of rows for arrays whose type is known at run time.

What a function takes of an array is a Matrix or a pointer; single tells float from double.
"""

from fastdl._kernels cimport (
    Coming, Step, activate_backward_block, activate_block, dot_block, gather_block, gemm_block,
    gradient_block, is_finite, is_sparse, loss_block, skip_block, sum_rows_block, transpose_block,
    update_block,
)

cdef struct Kernels:  # of one type
    bint single
    Py_ssize_t item

cdef struct Matrix:  # rows x columns in a product
    char* at
    Py_ssize_t rows, columns
    Py_ssize_t ld  # items from one row to the next as it lies
    bint transposed  # it lies as columns x rows
    const Py_ssize_t* order  # which of the rows that lie there; NULL: the first ones

cdef struct Which:  # rows of a data set: order[0], order[1] ..., or where order is NULL,
    const Py_ssize_t* order
    Py_ssize_t first  # first, first + 1 ...

cdef struct Source:  # rows of a data set and their scaling
    int kind  # of x: 0 float, 1 double, 2 unsigned char
    Py_ssize_t stride
    const char* x
    const void* shift  # double where x is, as scale; else of the network's type
    const void* scale

cdef struct Answers:  # of a data set's rows
    const int* labels
    const void* targets
    const void* weights

cdef struct Loss:
    int code
    double margin

cdef struct Outcome:
    double loss
    Py_ssize_t n_correct

cdef struct Params:  # flat arrays of one layout
    char* params
    char* grads
    char* first
    char* second

cdef struct Fold:  # a step that a weight takes together with its gradient
    Step* step
    double l2
    char* param


cdef inline Matrix matrix(
    const void* at, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t ld,
) noexcept nogil:
    """One that lies row by row."""
    cdef Matrix result
    result.at, result.rows, result.columns, result.ld = <char*> at, rows, columns, ld
    result.transposed, result.order = False, NULL
    return result


cdef inline void product(
    const Kernels* kernels, const Matrix* a, const Matrix* b, bint add, const Matrix* c,
) noexcept nogil:
    """C = A B (+ C if add)."""
    if kernels.single:
        gemm_block[float](
            a.transposed, b.transposed, c.rows, c.columns, a.columns, <float*> a.at, a.ld,
            <float*> b.at, b.ld, add, <float*> c.at, c.ld)
    else:
        gemm_block[double](
            a.transposed, b.transposed, c.rows, c.columns, a.columns, <double*> a.at, a.ld,
            <double*> b.at, b.ld, add, <double*> c.at, c.ld)


cdef inline void dots(
    const Kernels* kernels, const Matrix* a, const Matrix* b, const Matrix* c,
) noexcept nogil:
    """C = A B by the micro-kernels, B transposed: A may have an order."""
    if kernels.single:
        dot_block[float](
            c.rows, c.columns, a.columns, <float*> a.at, a.ld, a.order, <float*> b.at, b.ld, 0,
            <float*> c.at, c.ld)
    else:
        dot_block[double](
            c.rows, c.columns, a.columns, <double*> a.at, a.ld, a.order, <double*> b.at, b.ld, 0,
            <double*> c.at, c.ld)


cdef inline void gradient(
    const Kernels* kernels, const Matrix* a, const Matrix* b, const Coming* coming,
    const Fold* fold, bint add, const Matrix* grad,
) noexcept nogil:
    """grad = A^T B (+ grad if add), B may have an order; coming and fold may be NULL."""
    cdef Step* step = NULL if fold == NULL else <Step*> fold.step
    cdef double l2 = 0 if fold == NULL else fold.l2
    cdef char* param = NULL if fold == NULL else fold.param
    if kernels.single:
        gradient_block[float](
            grad.rows, grad.columns, a.rows, <float*> a.at, a.ld, <float*> b.at, b.ld, b.order,
            coming, step, l2, add, <float*> grad.at, <float*> param, grad.ld)
    else:
        gradient_block[double](
            grad.rows, grad.columns, a.rows, <double*> a.at, a.ld, <double*> b.at, b.ld, b.order,
            coming, step, l2, add, <double*> grad.at, <double*> param, grad.ld)


cdef inline void skipping(
    const Kernels* kernels, const Matrix* a, const Matrix* b, const Coming* coming, bint add,
    const Matrix* c,
) noexcept nogil:
    """C = A B (+ C if add), where most of A is zero."""
    if kernels.single:
        skip_block[float](
            a.transposed, c.rows, c.columns, a.columns, <float*> a.at, a.ld, <float*> b.at, b.ld,
            coming, add, <float*> c.at, c.ld)
    else:
        skip_block[double](
            a.transposed, c.rows, c.columns, a.columns, <double*> a.at, a.ld, <double*> b.at, b.ld,
            coming, add, <double*> c.at, c.ld)


cdef inline void transpose(
    const Kernels* kernels, const Matrix* a, const Matrix* b,
) noexcept nogil:
    """B = the transpose of A."""
    if kernels.single:
        transpose_block(<float*> a.at, a.ld, <float*> b.at, b.ld, a.rows, a.columns)
    else:
        transpose_block(<double*> a.at, a.ld, <double*> b.at, b.ld, a.rows, a.columns)


cdef inline void gather(
    const Kernels* kernels, const Source* source, Which which, const Matrix* out,
    unsigned char* sparse,
) noexcept nogil:
    """out = some rows, scaled; sparse, if not NULL, tells which are, and these are not shifted."""
    cdef const char* x = source.x
    if which.order == NULL:
        x += which.first * source.stride * size_of(source.kind)
    if kernels.single:
        if source.kind == 0:
            gather_block(<float*> x, source.stride, which.order, source.shift, source.scale,
                         <float*> out.at, out.ld, sparse, out.rows, out.columns)
        elif source.kind == 1:
            gather_block(<double*> x, source.stride, which.order, source.shift, source.scale,
                         <float*> out.at, out.ld, sparse, out.rows, out.columns)
        else:
            gather_block(<unsigned char*> x, source.stride, which.order, source.shift, source.scale,
                         <float*> out.at, out.ld, sparse, out.rows, out.columns)
    elif source.kind == 0:
        gather_block(<float*> x, source.stride, which.order, source.shift, source.scale,
                     <double*> out.at, out.ld, sparse, out.rows, out.columns)
    elif source.kind == 1:
        gather_block(<double*> x, source.stride, which.order, source.shift, source.scale,
                     <double*> out.at, out.ld, sparse, out.rows, out.columns)
    else:
        gather_block(<unsigned char*> x, source.stride, which.order, source.shift, source.scale,
                     <double*> out.at, out.ld, sparse, out.rows, out.columns)


cdef inline Py_ssize_t size_of(int kind) noexcept nogil:
    """The bytes of an item."""
    return 4 if kind == 0 else 8 if kind == 1 else 1


cdef inline bint row_is_sparse(const Source* source, Py_ssize_t row, Py_ssize_t d) noexcept nogil:
    """Whether so much of a row is zero that a product should skip it."""
    cdef const char* x = source.x + row * source.stride * size_of(source.kind)
    if source.kind == 0:
        return is_sparse(<float*> x, d)
    if source.kind == 1:
        return is_sparse(<double*> x, d)
    return is_sparse(<unsigned char*> x, d)


cdef inline bint items_are_finite(
    const Kernels* kernels, const char* at, Py_ssize_t size,
) noexcept nogil:
    if kernels.single:
        return is_finite(<float*> at, size)
    return is_finite(<double*> at, size)


cdef inline void activate(
    const Kernels* kernels, int activation, const char* bias, const Matrix* z,
) noexcept nogil:
    """z = activation(z + bias), in place."""
    if kernels.single:
        activate_block(activation, <float*> bias, <float*> z.at, z.rows, z.columns, z.ld)
    else:
        activate_block(activation, <double*> bias, <double*> z.at, z.rows, z.columns, z.ld)


cdef inline void activate_backward(
    const Kernels* kernels, int activation, const Matrix* out, const Matrix* dout,
) noexcept nogil:
    """dz = dout * activation'(z), in place; both lie alike."""
    if kernels.single:
        activate_backward_block(
            activation, <float*> out.at, <float*> dout.at, dout.rows, dout.columns, dout.ld)
    else:
        activate_backward_block(
            activation, <double*> out.at, <double*> dout.at, dout.rows, dout.columns, dout.ld)


cdef inline void sum_rows(
    const Kernels* kernels, const Matrix* x, bint add, char* out,
) noexcept nogil:
    """out = the sum of x over its rows (+ out if add)."""
    if kernels.single:
        sum_rows_block(<float*> x.at, x.ld, <float> add, <float*> out, x.rows, x.columns)
    else:
        sum_rows_block(<double*> x.at, x.ld, <double> add, <double*> out, x.rows, x.columns)


cdef inline void add_to(
    const Kernels* kernels, const char* x, char* out, Py_ssize_t size,
) noexcept nogil:
    """out += x."""
    cdef Py_ssize_t j
    if kernels.single:
        for j in range(size):
            (<float*> out)[j] += (<float*> x)[j]
    else:
        for j in range(size):
            (<double*> out)[j] += (<double*> x)[j]


cdef inline Outcome losses(
    const Kernels* kernels, const Loss* loss, const Answers* answers, Which which,
    const Matrix* logits, double scale, char* dlogits,
) noexcept nogil:
    """The weighted sum of the losses of some rows; dlogits, if not NULL, its gradient by scale."""
    cdef Outcome result
    cdef Py_ssize_t skip = which.first if which.order == NULL else 0
    cdef Py_ssize_t k = logits.columns
    cdef const int* labels = answers.labels
    cdef const char* targets = <const char*> answers.targets
    cdef const char* weights = <const char*> answers.weights
    if labels != NULL:
        labels += skip
    if targets != NULL:
        targets += skip * k * kernels.item
    if weights != NULL:
        weights += skip * kernels.item
    if kernels.single:
        result.loss = loss_block(
            loss.code, <float*> logits.at, labels, <float*> targets, <float*> weights,
            which.order, loss.margin, scale, <float*> dlogits, &result.n_correct, logits.rows, k)
    else:
        result.loss = loss_block(
            loss.code, <double*> logits.at, labels, <double*> targets, <double*> weights,
            which.order, loss.margin, scale, <double*> dlogits, &result.n_correct, logits.rows, k)
    return result


cdef inline void update(
    const Kernels* kernels, const Step* step, double l1, double l2, const Params* arrays,
    Py_ssize_t at, Py_ssize_t size,
) noexcept nogil:
    """One step of the optimiser for size parameters from at on."""
    cdef Py_ssize_t skip = at * kernels.item
    cdef char* param = arrays.params + skip
    cdef char* grad = arrays.grads + skip
    cdef char* first = NULL if arrays.first == NULL else arrays.first + skip
    cdef char* second = NULL if arrays.second == NULL else arrays.second + skip
    if kernels.single:
        update_block(
            step, l1, l2, <float*> grad, <float*> param, <float*> first, <float*> second, size)
    else:
        update_block(
            step, l1, l2, <double*> grad, <double*> param, <double*> first, <double*> second, size)
