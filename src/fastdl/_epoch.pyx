"""The loops over batches and over tiles: an epoch, or an evaluation, in one call without the GIL.

A batch is cut into slices of rows whose x fits in a core's cache. A tile is a slice for each thread
of the team, and takes two phases:

    rows      read, forward, loss, backward to every layer's dz: a piece is a part of a slice
    weights   dW = x^T dz, slice by slice, and after the batch's last tile the update, for a
              few rows both at once: a piece is some of the inputs

The slices and the pieces depend on the shapes alone, no piece adds to what another one writes, and
slices are added in their order, so any number of threads gives the same bits.

Rows are copied to the workspace, unless the first layer's weight lies unit by unit and they need no
conversion: then products take them where they lie.

A row that is mostly zero stays so: its products skip the zeros, and what the shift would have
added, offset = -shift * scale, reaches the first layer as offset W and its gradient as
offset^T (sum of dz). Both are kept a row for each piece of that layer, under the name of shares.

n rows, d inputs, h units, k classes; a tile's workspace holds x, every layer's output and dz.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cython cimport floating
from cython.parallel cimport parallel
from libc.math cimport NAN, isfinite
from libc.string cimport memcpy, memset

from fastdl._kernels cimport (
    Coming, Step, activate_backward_block, activate_block, address, chooses, dot_block, folds,
    gather_block, gemm_block, gradient_block, is_finite, is_sparse, loss_block, skip_block, skips,
    sum_rows_block, team_of, transpose_block, transposes, update_block,
)

from fastdl._pace cimport LOOK, STRETCH, Pace, learn, looks, takes_all

cdef extern from "team.h" nogil:
    ctypedef struct fastdl_team:
        long claimed
    int fastdl_team_size()
    int fastdl_team_rank()
    double fastdl_seconds()
    long fastdl_claim(fastdl_team* team, long pieces)
    void fastdl_meet(fastdl_team* team, int size)

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void* address) noexcept nogil

cdef enum:
    ALIGNMENT = 16  # items: vectors that cross a cache line cost twice
    SAMPLE = 64  # rows by which is judged whether it is worth to look at each
    POWER = 64  # items: rows a multiple of it apart share a few places of the cache,
    APART_COLUMNS = 256  # which begins to matter for a weight with so many
    TILE_ROWS = 512  # the most rows of a batch in the workspace at once
    SLICE_BYTES = 320 << 10  # of x in a slice: a third of a core's second-level cache
    SLICE_LEAST = 20  # rows
    SLICES = 256  # of a batch, at most, while they fit in a tile: each rounds the gradient once
    PIECE_ROWS = 64  # about the rows of one piece of the first phase,
    WIDE_ROWS = 128  # or where a weight leaves the second-level cache between two of them:
    WIDE_BYTES = 1 << 20  # one larger than this
    PIECES_MOST = 64  # of the first phase of one tile: a slice has half of SLICE_LEAST rows or more
    PIECE_INPUTS = 256  # the most inputs of one piece of the second phase
    EVALUATION_ROWS = 128  # the most rows of one piece of an evaluation
    EVALUATION_ITEMS = 100_000  # about the workspace of one piece of an evaluation, for the cache


cdef struct Layer:
    Py_ssize_t d, h
    Py_ssize_t ld, ldw, ldt  # items from row to row of its outputs, its weight, that transposed
    Py_ssize_t weight, bias  # where they lie in the flat parameters
    Py_ssize_t column  # items of the workspace, a row, before this layer's
    Py_ssize_t transposed  # where its weight lies as (h x d), if it does; else -1
    Py_ssize_t first_piece, n_pieces, piece  # of the second phase
    int activation
    bint by_unit  # the weight lies unit by unit (h x d), which suits narrow layers
    double l1, l2

cdef struct Net:
    int n_layers, loss
    bint single  # float, else double
    double margin
    Py_ssize_t d, k  # inputs, outputs
    Py_ssize_t ldx, width  # items of the workspace, a row, for x and for all layers' outputs
    Py_ssize_t slice_rows  # the most of a slice
    Py_ssize_t piece_rows  # about those of one piece of the first phase
    Py_ssize_t n_pieces
    Py_ssize_t evaluation_rows  # of one piece of an evaluation
    Py_ssize_t n_transposed  # items of all transposed weights
    Py_ssize_t n_shares  # items of the first layer's shares
    Layer* layers

cdef struct Team:  # what the threads of a call share
    fastdl_team shared
    double began
    double deadline  # when to go back to Python and look for signals
    bint late  # it has passed: all threads stop after this batch
    bint skips  # whether rows are looked at for zeros
    bint direct  # whether rows are taken where they lie
    unsigned char sparse[TILE_ROWS]  # whether a row of the tile is mostly zero
    double losses[PIECES_MOST]
    Py_ssize_t n_correct[PIECES_MOST]

cdef struct Arrays:  # of a call, all of the parameters' type
    Py_ssize_t n_rows  # for which the workspace has room
    void* transposed  # weights as (h x d)
    void* shares  # of offset W, then sums of dz; NULL where no row is looked at or none shifted
    void* grads
    void* first
    void* second
    void* workspace

cdef struct Batches:  # of one call: what goes in, and what comes out
    Py_ssize_t n, done, t  # how many, how many are done, the optimiser's steps before them
    bint diverged  # the loss of the batch after the done ones is not finite
    const Py_ssize_t* order
    Py_ssize_t n_order
    const Py_ssize_t* starts
    const Py_ssize_t* stops
    const double* rates
    double* losses
    Py_ssize_t* n_correct

cdef struct Tile:  # some slices of a batch: rows of a data set
    Py_ssize_t batch_rows, batch_slices
    Py_ssize_t first_slice, n_slices
    Py_ssize_t first, n  # rows
    const Py_ssize_t* order  # which they are; NULL: first, first + 1 ...
    const Py_ssize_t* next  # those of the tile after it, where that is known and has as many

cdef struct View:  # a data set as pointers; what has the network's dtype is void
    int kind  # of x: 0 float, 1 double, 2 unsigned char
    Py_ssize_t n, stride
    bint look  # whether a row may be worth a look for zeros
    bint trusted  # whether no row has to be looked at for NaN and infinities
    const void* x
    const void* shift  # double where x is, as scale
    const void* scale
    const void* offset
    const int* labels
    const void* targets
    const void* weights


cdef inline Py_ssize_t aligned(Py_ssize_t items) noexcept nogil:
    """items, rounded up to whole cache lines."""
    return (items + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef inline Py_ssize_t apart(Py_ssize_t items) noexcept nogil:
    """From one row of so many items to the next, each on a cache line, and these spread."""
    cdef Py_ssize_t ld = aligned(items)
    return ld + ALIGNMENT if ld % POWER == 0 else ld


def weight_stride(Py_ssize_t columns):
    """Items from row to row of a weight with so many columns; narrow rows lie side by side."""
    if columns <= ALIGNMENT:
        return columns
    return apart(columns) if columns >= APART_COLUMNS else aligned(columns)


# --- pieces ----------------------------------------------------------------------------------

cdef inline Py_ssize_t count_pieces(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """About n / most pieces, at least one."""
    return max(1, (n + most // 2) // most)


cdef inline Py_ssize_t piece_start(Py_ssize_t i, Py_ssize_t n, Py_ssize_t pieces) noexcept nogil:
    """Where piece i of n rows begins; pieces differ by one row at most."""
    return i * n // pieces


cdef inline Py_ssize_t count_slices(const Net* net, Py_ssize_t n) noexcept nogil:
    """The slices of a batch of n rows: an even number or one, for two threads to share."""
    cdef Py_ssize_t most = min(<Py_ssize_t> TILE_ROWS, max(net.slice_rows, n // SLICES))
    cdef Py_ssize_t slices = (n + most - 1) // most
    return slices + slices % 2 if slices > 1 else 1


cdef inline Py_ssize_t slice_start(const Tile* tile, Py_ssize_t i) noexcept nogil:
    """The row of the tile where its slice i begins."""
    cdef Py_ssize_t n = tile.batch_rows, slices = tile.batch_slices
    return piece_start(tile.first_slice + i, n, slices) - piece_start(tile.first_slice, n, slices)


cdef inline void begin(
    Team* team, const Net* net, const View* rows, double deadline,
) noexcept nogil:
    memset(team, 0, sizeof(Team))
    team.skips = may_skip(net, rows)
    team.direct = net.layers[0].by_unit and chooses() and usable(net, rows)
    team.deadline = deadline


cdef inline bint usable(const Net* net, const View* rows) noexcept nogil:
    """Whether products can take the rows as they lie."""
    return rows.shift == NULL and rows.kind == (0 if net.single else 1) and rows.stride >= net.d


cdef inline bint may_skip(const Net* net, const View* rows) noexcept nogil:
    """Whether rows are looked at for zeros."""
    return rows.look and not net.layers[0].by_unit and skips(net.layers[0].d, net.layers[0].h)


cdef bint is_sparse_at(const View* rows, Py_ssize_t row, Py_ssize_t d) noexcept nogil:
    """Whether one row is sparse."""
    cdef Py_ssize_t start = row * rows.stride
    if rows.kind == 0:
        return is_sparse(<const float*> rows.x + start, d)
    if rows.kind == 1:
        return is_sparse(<const double*> rows.x + start, d)
    return is_sparse(<const unsigned char*> rows.x + start, d)


cdef bint are_finite(
    const floating* x, Py_ssize_t ldx, const Py_ssize_t* order, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    """Whether the rows x[order], or the first ones of x, have no NaN and no infinity."""
    cdef Py_ssize_t i
    cdef bint finite = True
    for i in range(n):
        finite &= is_finite(x + (i if order == NULL else order[i]) * ldx, d)
    return finite


# --- reading rows ----------------------------------------------------------------------------

cdef void read_x(
    const View* rows, const Py_ssize_t* order, Py_ssize_t first,
    floating* out, Py_ssize_t ldo, unsigned char* sparse, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    """out (n x d) = the rows order[0:n], or first, first + 1 ... where order is NULL, scaled.

    Sparse ones are not shifted; sparse is NULL where nobody asks.
    """
    cdef Py_ssize_t skip = 0 if order != NULL else first * rows.stride
    if rows.kind == 0:
        gather_block(
            <const float*> rows.x + skip, rows.stride, order, rows.shift, rows.scale, out, ldo,
            sparse, n, d)
    elif rows.kind == 1:
        gather_block(
            <const double*> rows.x + skip, rows.stride, order, rows.shift, rows.scale, out, ldo,
            sparse, n, d)
    else:
        gather_block(
            <const unsigned char*> rows.x + skip, rows.stride, order, rows.shift, rows.scale,
            out, ldo, sparse, n, d)


cdef void ask_for_labels(
    const Net* net, const View* rows, const Py_ssize_t* order, Py_ssize_t n,
) noexcept nogil:
    """Have what the loss will read of the rows order[0:n] fetched meanwhile.

    In an order at random each would be waited for: some 100 ns a row where memory is far.
    """
    cdef Py_ssize_t i, at, item = 4 if net.single else 8, size = net.k * item
    for i in range(n):
        if rows.labels != NULL:
            prefetch(rows.labels + order[i])
        if rows.targets != NULL:
            for at in range(0, size, 64):
                prefetch(<const char*> rows.targets + order[i] * size + at)
            prefetch(<const char*> rows.targets + order[i] * size + size - 1)
        if rows.weights != NULL:
            prefetch(<const char*> rows.weights + order[i] * item)


cdef double read_loss(
    const Net* net, const View* rows, const Py_ssize_t* order, Py_ssize_t first,
    const floating* logits, double scale, floating* dlogits, Py_ssize_t* n_correct, Py_ssize_t n,
) noexcept nogil:
    """The weighted sum of the losses of the rows order[0:n], or first, first + 1 ..."""
    cdef Py_ssize_t skip = first if order == NULL else 0
    return loss_block(
        net.loss, logits,
        rows.labels + skip if rows.labels != NULL else NULL,
        <const floating*> rows.targets + skip * net.k if rows.targets != NULL else NULL,
        <const floating*> rows.weights + skip if rows.weights != NULL else NULL,
        order, net.margin, scale, dlogits, n_correct, n, net.k,
    )


# --- the first phase: rows -------------------------------------------------------------------

cdef void fill_shares(
    const Net* net, const floating* params, const floating* offset, floating* shares,
    Py_ssize_t start, Py_ssize_t size,
) noexcept nogil:
    """The share of offset W that one piece, inputs start to start + size, has."""
    cdef const Layer* layer = &net.layers[0]
    gemm_block[floating](
        False, False, 1, layer.h, size, offset + start, layer.d,
        params + layer.weight + start * layer.ldw, layer.ldw, 0,
        shares + start // layer.piece * aligned(layer.h), layer.h,
    )


cdef void fill_all_shares(
    const Net* net, const View* rows, const floating* params, floating* shares,
) noexcept nogil:
    """The shares of offset W of all pieces; shares NULL: none."""
    cdef Py_ssize_t i, start
    cdef const Layer* layer = &net.layers[0]
    for i in range(layer.n_pieces if shares != NULL else 0):
        start = i * layer.piece
        fill_shares(
            net, params, <const floating*> rows.offset, shares, start,
            min(layer.piece, layer.d - start))


cdef void sparse_rows(
    const Net* net, const floating* params, const floating* shares,
    const floating* x, Py_ssize_t ldx, floating* z, Py_ssize_t n,
) noexcept nogil:
    """The first layer's product for rows that are mostly zero, and not shifted."""
    cdef const Layer* layer = &net.layers[0]
    cdef Py_ssize_t i, j, h = layer.h, ldz = layer.ld
    if shares != NULL:
        memcpy(z, shares, h * sizeof(floating))
        for i in range(1, layer.n_pieces):
            for j in range(h):
                z[j] += shares[i * aligned(h) + j]
        for i in range(1, n):
            memcpy(z + i * ldz, z, h * sizeof(floating))
    skip_block[floating](
        False, n, h, layer.d, x, ldx, params + layer.weight, layer.ldw, NULL, shares != NULL,
        z, ldz)


cdef void first_product(
    const Net* net, const floating* params, const floating* shares, const unsigned char* sparse,
    const floating* x, Py_ssize_t ldx, const Py_ssize_t* order, floating* z, Py_ssize_t n,
) noexcept nogil:
    """The first layer's product: of the rows x[order], or the first ones of x.

    It goes run by run of rows that are sparse or are not; sparse may be NULL.
    """
    cdef const Layer* layer = &net.layers[0]
    cdef Py_ssize_t start = 0, stop, h = layer.h, ldz = layer.ld
    if order != NULL:
        dot_block[floating](
            n, h, layer.d, x, ldx, order, params + layer.weight, layer.ldw, 0, z, ldz)
        return
    while start < n:
        stop = n if sparse == NULL else start + 1
        while stop < n and sparse[stop] == sparse[start]:
            stop += 1
        if sparse != NULL and sparse[start]:
            sparse_rows(
                net, params, shares, x + start * ldx, ldx, z + start * ldz, stop - start)
        else:
            gemm_block[floating](
                False, layer.by_unit, stop - start, h, layer.d, x + start * ldx, ldx,
                params + layer.weight, layer.ldw, 0, z + start * ldz, ldz,
            )
        start = stop


cdef void forward_piece(
    const Net* net, const floating* params, const floating* shares, const unsigned char* sparse,
    const floating* x, Py_ssize_t ldx, const Py_ssize_t* order, floating* outputs,
    Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Every layer's output for n rows; sparse, and order or x, point at the first of them."""
    cdef int i
    cdef Layer* layer
    cdef floating* z
    for i in range(net.n_layers):
        layer = &net.layers[i]
        z = outputs + tile * layer.column + first * layer.ld
        if i == 0:
            first_product(net, params, shares, sparse, x, ldx, order, z, n)
        else:
            gemm_block[floating](
                False, layer.by_unit, n, layer.h, layer.d, x, net.layers[i - 1].ld,
                params + layer.weight, layer.ldw, 0, z, layer.ld,
            )
        activate_block[floating](layer.activation, params + layer.bias, z, n, layer.h, layer.ld)
        x = z


cdef void backward_piece(
    const Net* net, const floating* params, const Arrays* arrays,
    const floating* outputs, floating* dz, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n,
) noexcept nogil:
    """Every layer's dz for n rows, from the gradient of the outputs in the last layer's place."""
    cdef const floating* weight
    cdef bint as_it_lies
    cdef int i
    cdef Layer* layer = &net.layers[net.n_layers - 1]
    cdef Layer* below
    cdef Py_ssize_t here = tile * layer.column + first * layer.ld, there, ldw
    activate_backward_block[floating](
        layer.activation, outputs + here, dz + here, n, layer.h, layer.ld)
    for i in range(net.n_layers - 1, 0, -1):
        layer = &net.layers[i]
        below = &net.layers[i - 1]
        there = tile * below.column + first * below.ld
        weight, as_it_lies, ldw = params + layer.weight, layer.by_unit, layer.ldw
        if is_transposed(layer, arrays):
            weight = <const floating*> arrays.transposed + layer.transposed
            as_it_lies, ldw = True, layer.ldt
        gemm_block[floating](
            False, not as_it_lies, n, layer.d, layer.h, dz + here, layer.ld, weight, ldw, 0,
            dz + there, below.ld,
        )
        activate_backward_block[floating](
            below.activation, outputs + there, dz + there, n, below.h, below.ld)
        here = there


cdef void rows_piece(
    const Net* net, const View* rows, const Tile* tile, const floating* params,
    const Arrays* arrays, double scale, Py_ssize_t first, Py_ssize_t n,
    double* loss, Py_ssize_t* n_correct, Team* team,
) noexcept nogil:
    """Read, forward, loss and backward for rows first to first + n of a tile.

    The loss of rows that must be looked at, and are not finite, is NaN.
    """
    cdef floating* workspace = <floating*> arrays.workspace
    cdef const floating* x = workspace + first * net.ldx
    cdef Py_ssize_t ldx = net.ldx
    cdef floating* outputs = workspace + tile.n * net.ldx
    cdef floating* dz = outputs + tile.n * net.width
    cdef Py_ssize_t last = tile.n * net.layers[net.n_layers - 1].column + first * net.k
    cdef unsigned char* sparse = team.sparse + first if team.skips else NULL
    cdef const Py_ssize_t* order = NULL
    if tile.order != NULL:
        order = tile.order + first
        ask_for_labels(net, rows, order, n)
    if team.direct:
        x, ldx = <const floating*> rows.x, rows.stride
        if order == NULL:
            x += (tile.first + first) * ldx
    else:
        read_x(
            rows, order, tile.first + first, workspace + first * ldx, ldx, sparse, n, net.d)
    forward_piece(
        net, params, <const floating*> arrays.shares, sparse, x, ldx,
        order if team.direct else NULL, outputs, tile.n, first, n)
    loss[0] = read_loss[floating](
        net, rows, order, tile.first + first, outputs + last, scale, dz + last, n_correct, n)
    if not (rows.trusted or are_finite(x, ldx, order if team.direct else NULL, n, net.d)):
        loss[0] = NAN
    backward_piece[floating](net, params, arrays, outputs, dz, tile.n, first, n)


cdef void rows_phase(
    const Net* net, const View* rows, const Tile* tile, const floating* params,
    const Arrays* arrays, double scale, double* loss, Py_ssize_t* n_correct, Team* team,
) noexcept nogil:
    """Read, forward, loss and backward for the rows of a tile; adds to their loss and number."""
    cdef Py_ssize_t i, start, size, first, stop
    cdef Py_ssize_t slice, part
    cdef Py_ssize_t parts = count_pieces(
        tile.batch_rows // tile.batch_slices, net.piece_rows)
    cdef Py_ssize_t pieces = tile.n_slices * parts
    i = fastdl_claim(&team.shared, pieces)
    while i >= 0:
        slice, part = i // parts, i % parts
        start = slice_start(tile, slice)
        size = slice_start(tile, slice + 1) - start
        first = start + piece_start(part, size, parts)
        stop = start + piece_start(part + 1, size, parts)
        rows_piece(
            net, rows, tile, params, arrays, scale, first, stop - first, &team.losses[i],
            &team.n_correct[i], team)
        i = fastdl_claim(&team.shared, pieces)
    fastdl_meet(&team.shared, fastdl_team_size())
    for i in range(pieces):
        loss[0] += team.losses[i]
        n_correct[0] += team.n_correct[i]


# --- the second phase: weights ---------------------------------------------------------------

cdef void first_gradient(
    const Net* net, const View* rows, Py_ssize_t start, Py_ssize_t size, const floating* x,
    const floating* dz, const unsigned char* sparse, Py_ssize_t n, const Coming* coming,
    floating beta, floating* shares, floating* dweight,
) noexcept nogil:
    """dW = x^T dz for some of the first layer's inputs where rows are looked at for zeros.

    Where rows are not shifted, dW lacks offset^T (the sum of their dz): shares has room for it.
    """
    cdef const Layer* layer = &net.layers[0]
    cdef Py_ssize_t i, j, h = layer.h, n_sparse = 0
    for i in range(n):
        n_sparse += sparse[i]
    if 2 * n_sparse > n:
        skip_block(
            True, size, h, n, x, net.ldx, dz, layer.ld, coming, beta, dweight, layer.ldw)
    else:
        gradient_block(
            size, h, n, x, net.ldx, dz, layer.ld, NULL, coming, NULL, 0, beta, dweight, NULL,
            layer.ldw)
    if n_sparse == 0 or shares == NULL:
        return
    shares += (layer.n_pieces + start // layer.piece) * aligned(h)
    memset(shares, 0, h * sizeof(floating))
    for i in range(n):
        if sparse[i]:
            for j in range(h):
                shares[j] += dz[i * layer.ld + j]
    gemm_block(
        False, False, size, h, 1, <const floating*> rows.offset + start, 1, shares, h, 1,
        dweight, layer.ldw)


cdef void direct_gradient(
    const Net* net, const View* rows, const Tile* tile, Py_ssize_t first, Py_ssize_t n,
    Py_ssize_t start, Py_ssize_t size, const floating* dz, const Coming* coming, floating beta,
    floating* dweight,
) noexcept nogil:
    """dW = dz^T x for some of the first layer's inputs, x where it lies."""
    cdef const Layer* layer = &net.layers[0]
    cdef const floating* x = <const floating*> rows.x + start
    cdef const Py_ssize_t* order = NULL
    if tile.order != NULL:
        order = tile.order + first
    else:
        x += (tile.first + first) * rows.stride
    gradient_block(
        layer.h, size, n, dz, layer.ld, x, rows.stride, order, coming, NULL, 0, beta,
        dweight, NULL, layer.ldw)


cdef inline Coming coming_rows(
    const Net* net, const View* rows, const Tile* tile, Py_ssize_t first, Py_ssize_t start,
) noexcept nogil:
    """Rows of the next tile, from one of their inputs on."""
    cdef Coming coming
    coming.columns = net.layers[0].by_unit
    coming.input = 4 if rows.kind == 0 else 8 if rows.kind == 1 else 1
    coming.row = coming.input * rows.stride
    coming.x = <const char*> rows.x + coming.input * start
    coming.order = tile.next + first
    return coming


cdef void slice_gradient(
    const Net* net, const View* rows, const Tile* tile, Py_ssize_t first, Py_ssize_t n, int i,
    Py_ssize_t start, Py_ssize_t size, floating beta, const Step* step, floating* params,
    const Arrays* arrays, Team* team,
) noexcept nogil:
    """What n rows of a tile add to the gradient of some inputs of layer i.

    The bias goes with the first inputs. beta 0: nothing was there before. step, if not NULL, is
    taken by the weight instead.
    """
    cdef const Layer* layer = &net.layers[i]
    cdef Py_ssize_t h = layer.h, ld = layer.ld, ldw = layer.ldw
    cdef Py_ssize_t ldx = net.ldx if i == 0 else net.layers[i - 1].ld
    cdef const floating* workspace = <const floating*> arrays.workspace
    cdef const floating* x = workspace + first * ldx + start
    cdef const floating* dz = workspace + tile.n * (net.ldx + net.width + layer.column) + first * ld
    cdef Py_ssize_t at = layer.weight + (start if layer.by_unit else start * ldw)
    cdef floating* dweight = <floating*> arrays.grads + at
    cdef floating* weight = params + at
    cdef Coming coming
    cdef const Coming* soon = NULL
    if i > 0:
        x += tile.n * (net.ldx + net.layers[i - 1].column)
    elif tile.next != NULL:
        coming = coming_rows(net, rows, tile, first, start)
        soon = &coming
    if i == 0 and team.direct:
        direct_gradient(net, rows, tile, first, n, start, size, dz, soon, beta, dweight)
    elif i == 0 and team.skips:
        first_gradient(
            net, rows, start, size, x, dz, team.sparse + first, n, soon, beta,
            <floating*> arrays.shares, dweight)
    elif layer.by_unit:
        gradient_block(
            h, size, n, dz, ld, x, ldx, NULL, soon, step, layer.l2, beta, dweight, weight, ldw)
    else:
        gradient_block(
            size, h, n, x, ldx, dz, ld, NULL, soon, step, layer.l2, beta, dweight, weight, ldw)
    if start == 0:
        sum_rows_block(dz, ld, beta, <floating*> arrays.grads + layer.bias, n, h)


cdef void weights_piece(
    const Net* net, const View* rows, const Tile* tile, Py_ssize_t piece, const Step* step,
    floating* params, const Arrays* arrays, Team* team,
) noexcept nogil:
    """The gradient of some inputs of one layer; step NULL leaves the parameters alone."""
    cdef int i = 0
    while piece >= net.layers[i].first_piece + net.layers[i].n_pieces:
        i += 1
    cdef const Layer* layer = &net.layers[i]
    cdef Py_ssize_t start = (piece - layer.first_piece) * layer.piece
    cdef Py_ssize_t j, first, size = min(layer.piece, layer.d - start)
    cdef bint folded = step != NULL and not (i == 0 and (team.skips or team.direct))
    if folded:
        folded = folds(step, layer.l1, size if layer.by_unit else layer.h, tile.batch_rows)
    for j in range(tile.n_slices):
        first = slice_start(tile, j)
        slice_gradient[floating](
            net, rows, tile, first, slice_start(tile, j + 1) - first, i, start, size,
            0 if tile.first_slice + j == 0 else 1, step if folded else NULL, params, arrays, team)
    if step != NULL:
        update_piece(net, rows, i, start, size, step, folded, params, arrays)


cdef void update_piece(
    const Net* net, const View* rows, int i, Py_ssize_t start, Py_ssize_t size, const Step* step,
    bint folded, floating* params, const Arrays* arrays,
) noexcept nogil:
    """Some inputs' weights of layer i (and the bias with the first), and what follows them.

    folded: the weights have taken the step already.
    """
    cdef Layer* layer = &net.layers[i]
    if not folded:
        update_weight(layer, start, size, step, params, arrays)
    if start == 0:
        update_at(step, 0, 0, params, arrays, layer.bias, layer.h)
    if is_transposed(layer, arrays):
        transpose_slice(layer, <const floating*> params, arrays, start, size)
    if i == 0 and arrays.shares != NULL:
        fill_shares(
            net, <const floating*> params, <const floating*> rows.offset,
            <floating*> arrays.shares, start, size)


cdef void update_weight(
    const Layer* layer, Py_ssize_t start, Py_ssize_t size, const Step* step, floating* params,
    const Arrays* arrays,
) noexcept nogil:
    """Some inputs' weights of one layer."""
    cdef Py_ssize_t j
    if not layer.by_unit:
        update_at(step, layer.l1, layer.l2, params, arrays,
                  layer.weight + start * layer.ldw, size * layer.ldw)
        return
    for j in range(layer.h):
        update_at(step, layer.l1, layer.l2, params, arrays,
                  layer.weight + j * layer.ldw + start, size)


cdef inline void update_at(
    const Step* step, double l1, double l2, floating* params, const Arrays* arrays,
    Py_ssize_t at, Py_ssize_t size,
) noexcept nogil:
    cdef floating* grads = <floating*> arrays.grads
    cdef floating* first = <floating*> arrays.first
    cdef floating* second = <floating*> arrays.second
    update_block(
        step, l1, l2, <const floating*> grads + at, params + at,
        NULL if first == NULL else first + at, NULL if second == NULL else second + at, size,
    )


cdef inline bint is_transposed(const Layer* layer, const Arrays* arrays) noexcept nogil:
    """Whether a transposed copy of the layer's weight is kept."""
    return layer.transposed >= 0 and transposes(layer.h, arrays.n_rows)


cdef void transpose_slice(
    const Layer* layer, const floating* params, const Arrays* arrays,
    Py_ssize_t start, Py_ssize_t size,
) noexcept nogil:
    """Copy some inputs' weights to where the layer's weight lies as (h x d)."""
    cdef floating* out = <floating*> arrays.transposed + layer.transposed + start
    transpose_block(
        params + layer.weight + start * layer.ldw, layer.ldw, out, layer.ldt, size, layer.h)


cdef void transpose_all(
    const Net* net, const floating* params, const Arrays* arrays,
) noexcept nogil:
    """The weights of all layers of which a transposed copy is kept."""
    cdef int i
    for i in range(net.n_layers):
        if is_transposed(&net.layers[i], arrays):
            transpose_slice(&net.layers[i], params, arrays, 0, net.layers[i].d)


# --- a batch, and the batches: every thread of the team runs these -----------------------------

cdef inline void take_tile(
    Tile* tile, const Batches* batches, Py_ssize_t start, Py_ssize_t slice, int threads,
) noexcept nogil:
    """The tile that begins with this slice of the batch whose first row is start."""
    tile.first_slice, tile.n_slices = slice, 1
    while (tile.n_slices < min(<Py_ssize_t> threads, tile.batch_slices - slice)
           and slice_start(tile, tile.n_slices + 1) <= TILE_ROWS):
        tile.n_slices += 1
    start += piece_start(slice, tile.batch_rows, tile.batch_slices)
    tile.first, tile.n = start, slice_start(tile, tile.n_slices)
    tile.order = tile.next = NULL
    if batches.order != NULL:
        tile.order = batches.order + start
        if start + 2 * tile.n <= batches.n_order:
            tile.next = tile.order + tile.n


cdef double run_batch(
    const Net* net, const View* rows, const Batches* batches, Py_ssize_t start, Py_ssize_t stop,
    const Step* step, floating* params, const Arrays* arrays, Py_ssize_t* n_correct, Team* team,
) noexcept nogil:
    """One batch: its gradient and, with a step, the update. Returns the mean loss.

    A loss that is not finite leaves the parameters as they were.
    """
    cdef Tile tile
    cdef double scale = 1.0 / (stop - start), loss = 0
    cdef Py_ssize_t i, slice = 0
    cdef const Step* update
    tile.batch_rows = stop - start
    tile.batch_slices = count_slices(net, tile.batch_rows)
    n_correct[0] = 0
    while slice < tile.batch_slices:
        take_tile(&tile, batches, start, slice, fastdl_team_size())
        slice += tile.n_slices
        rows_phase[floating](
            net, rows, &tile, params, arrays, scale, &loss, n_correct, team)
        update = step if slice == tile.batch_slices and isfinite(loss) else NULL
        i = fastdl_claim(&team.shared, net.n_pieces)
        while i >= 0:
            weights_piece[floating](net, rows, &tile, i, update, params, arrays, team)
            i = fastdl_claim(&team.shared, net.n_pieces)
        # Whoever is here has read the flag of the batch before: all see the same one.
        if fastdl_team_rank() == 0 and fastdl_seconds() > team.deadline:
            team.late = True
        fastdl_meet(&team.shared, fastdl_team_size())
    return scale * loss


cdef void run_batches(
    const Net* net, const View* rows, Batches* batches, Step step, floating* params,
    const Arrays* arrays, Team* team,
) noexcept nogil:
    """Batches from batches.done on, to the end, a loss that is not finite, or the deadline."""
    cdef Py_ssize_t start, stop, n_correct, done = batches.done
    cdef double loss
    cdef bint leads = fastdl_team_rank() == 0
    while done < batches.n and not team.late:
        start, stop = batches.starts[done], batches.stops[done]
        step.learning_rate = batches.rates[done]
        step.correction1 = 1 - step.beta1 ** <double> (batches.t + done + 1)
        step.correction2 = 1 - step.beta2 ** <double> (batches.t + done + 1)
        loss = run_batch[floating](
            net, rows, batches, start, stop, &step, params, arrays, &n_correct, team)
        if leads:
            batches.losses[done] = loss
            batches.n_correct[done] = n_correct
        if not isfinite(loss):
            if leads:
                batches.diverged = True
            break
        done += 1
    # Nobody reads batches.done after the last meeting but the caller.
    if leads:
        batches.done = done


cdef void evaluation_piece(
    const Net* net, const View* rows, const floating* params, const floating* shares, bint look,
    floating* workspace, Py_ssize_t piece, floating* out, double* results,
) noexcept nogil:
    """One block of rows forward; the outputs to out, or loss and number correct to results.

    The outputs of rows that must be looked at, and are not finite, are NaN.
    """
    cdef Py_ssize_t i, j, n_correct, first = piece * net.evaluation_rows
    cdef Py_ssize_t n = min(net.evaluation_rows, rows.n - first)
    cdef const floating* x = workspace
    cdef Py_ssize_t ldx = net.ldx
    cdef floating* outputs = workspace + n * net.ldx
    cdef unsigned char flags[EVALUATION_ROWS]
    cdef unsigned char* sparse = flags if look else NULL
    if not usable(net, rows):
        read_x(rows, NULL, first, workspace, net.ldx, sparse, n, net.d)
    else:
        x, ldx = <const floating*> rows.x + first * rows.stride, rows.stride
        for i in range(n if look else 0):
            flags[i] = is_sparse(x + i * ldx, net.d)
    forward_piece(net, params, shares, sparse, x, ldx, NULL, outputs, n, 0, n)
    outputs += n * net.layers[net.n_layers - 1].column
    for i in range(0 if rows.trusted else n):
        if not are_finite(x + i * ldx, ldx, NULL, 1, net.d):
            for j in range(net.k):
                outputs[i * net.k + j] = NAN
    if out != NULL:
        memcpy(out + first * net.k, outputs, n * net.k * sizeof(floating))
    if results != NULL:
        results[2 * piece] = read_loss[floating](
            net, rows, NULL, first, outputs, 0, NULL, &n_correct, n)
        results[2 * piece + 1] = <double> n_correct


cdef void evaluate_pieces(
    const Net* net, const View* rows, const floating* params, const floating* shares,
    floating* workspace, Py_ssize_t start, Py_ssize_t stop, floating* out, double* results,
    Team* team,
) noexcept nogil:
    """Blocks of rows forward until the deadline, each thread in its own part of the workspace."""
    cdef Py_ssize_t i, share = net.evaluation_rows * (net.ldx + net.width)
    i = fastdl_claim(&team.shared, stop - start)
    while i >= 0:
        evaluation_piece(
            net, rows, params, shares, team.skips, workspace + fastdl_team_rank() * share,
            start + i, out, results)
        if fastdl_seconds() > team.deadline:
            break  # every piece that was claimed is done
        i = fastdl_claim(&team.shared, stop - start)


# --- what Python calls -----------------------------------------------------------------------

@cython.final
cdef class Rows:
    """A data set: rows, their scaling, labels or targets, and weights; each but x may be None.

    Everything has been checked: x is float32, float64 or uint8 with the items of a row side by
    side; shift and scale are float64 where x is, else, like offset (-shift * scale), targets and
    weights, of the network's dtype; labels are C ints in range. A shift without an offset is too
    large to reach the first layer by itself: every row is shifted, none looked at for zeros.
    """

    cdef View view
    cdef Py_ssize_t d
    cdef object arrays

    def __cinit__(self, x, shift, scale, offset, labels, targets, weights):
        self.arrays = (x, shift, scale, offset, labels, targets, weights)
        self.view.kind = "fdB".index(x.dtype.char)
        self.view.n, self.d = x.shape[0], x.shape[1]
        self.view.look = shift is None or offset is not None
        self.view.trusted = True
        self.view.stride = x.strides[0] // x.itemsize
        self.view.x = address(x)
        self.view.shift = address(shift)
        self.view.scale = address(scale)
        self.view.offset = address(offset)
        self.view.labels = <const int*> address(labels)
        self.view.targets = address(targets)
        self.view.weights = address(weights)

    def judge(self):
        """Look at no row for zeros from now on, if of some rows fewer than a quarter have enough.

        For a fit, which reads every row many times. A row's outputs would depend on the others.
        """
        cdef Py_ssize_t i, sparse = 0, n = min(<Py_ssize_t> SAMPLE, self.view.n)
        for i in range(n):
            sparse += is_sparse_at(&self.view, i * self.view.n // n, self.d)
        self.view.look = self.view.look and 4 * sparse >= n

    def trust(self, bint trusted):
        """Whether x is taken to be finite.

        Else the loss and the outputs of a row are NaN where it is not finite, or is not once it is
        scaled and converted.
        """
        self.view.trusted = trusted or self.view.kind == 2


@cython.final
cdef class Program:
    """A network as the loops see it: the layers' places in the flat parameters, and the loss.

    Parameters
    ----------
    layers : int64 array (n_layers, 7)
        d, h, offset of the weight, items from one of its rows to the next, offset of the bias,
        activation code, whether stored by unit. Between rows lie zeros, in gradients too.
    penalties : float64 array (n_layers, 2)
        l1 and l2 of each layer's weight.
    loss : int
        Code of the loss.
    margin : float
        Of the hinge.
    single : bool
        float32, else float64.
    """

    cdef Net net
    cdef Pace training, evaluation
    cdef public Py_ssize_t done  # batches of the last train(), also where a signal broke it off

    def __cinit__(
        self, const long long[:, ::1] layers, const double[:, ::1] penalties, int loss,
        double margin, bint single,
    ):
        cdef Py_ssize_t i, pieces, item = 4 if single else 8
        cdef Layer* layer
        self.net.single = single
        self.net.n_layers = <int> layers.shape[0]
        self.net.layers = <Layer*> PyMem_Malloc(self.net.n_layers * sizeof(Layer))
        if self.net.layers == NULL:
            raise MemoryError
        self.net.loss = loss
        self.net.margin = margin
        self.net.piece_rows = PIECE_ROWS
        for i in range(self.net.n_layers):
            layer = &self.net.layers[i]
            layer.d, layer.h = layers[i, 0], layers[i, 1]
            if layer.d * layer.h * item > WIDE_BYTES:
                self.net.piece_rows = WIDE_ROWS
            layer.weight, layer.ldw, layer.bias = layers[i, 2], layers[i, 3], layers[i, 4]
            layer.activation, layer.by_unit = <int> layers[i, 5], <bint> layers[i, 6]
            layer.l1, layer.l2 = penalties[i, 0], penalties[i, 1]
            layer.column = self.net.width
            # The last layer's outputs lie side by side, as a caller wants them.
            layer.ld = layer.h if i == self.net.n_layers - 1 else apart(layer.h)
            layer.transposed = -1
            if i > 0 and not layer.by_unit:
                layer.transposed = self.net.n_transposed
                layer.ldt = apart(layer.d)
                self.net.n_transposed += layer.ldt * layer.h
            pieces = (layer.d + PIECE_INPUTS - 1) // PIECE_INPUTS
            layer.piece = ((layer.d + pieces - 1) // pieces + 15) // 16 * 16
            layer.n_pieces = (layer.d + layer.piece - 1) // layer.piece
            layer.first_piece = self.net.n_pieces
            self.net.n_pieces += layer.n_pieces
            self.net.width += aligned(layer.ld)
        layer = &self.net.layers[0]
        if not layer.by_unit:
            self.net.n_shares = 2 * layer.n_pieces * aligned(layer.h)
        self.net.d = layer.d
        self.net.ldx = apart(self.net.d)
        # As many rows as the layer has units: to add to dW costs no more than to read x.
        self.net.slice_rows = max(
            SLICE_BYTES // (self.net.ldx * item), layer.h, <Py_ssize_t> SLICE_LEAST)
        self.net.k = self.net.layers[self.net.n_layers - 1].h
        self.net.evaluation_rows = EVALUATION_ITEMS // (self.net.ldx + self.net.width)
        self.net.evaluation_rows = max(
            16, min(<Py_ssize_t> EVALUATION_ROWS, self.net.evaluation_rows))

    def __dealloc__(self):
        PyMem_Free(self.net.layers)

    def training_size(self, Py_ssize_t batch):
        """The items of workspace that batches of at most this many rows need."""
        tile = min(batch, <Py_ssize_t> TILE_ROWS) * (self.net.ldx + 2 * self.net.width)
        return tile + self.net.n_transposed + self.net.n_shares

    def evaluation_size(self, int n_threads):
        """The items of workspace that an evaluation or a prediction needs."""
        row = self.net.ldx + self.net.width
        return n_threads * self.net.evaluation_rows * row + self.net.n_shares

    def train(
        self, Rows rows, const Py_ssize_t[::1] order, const Py_ssize_t[::1] starts,
        const Py_ssize_t[::1] stops, const double[::1] rates, hyper, Py_ssize_t t,
        params, grads, first, second, workspace,
        double[::1] losses, Py_ssize_t[::1] n_correct, double[::1] sums, int n_threads,
    ):
        """Train on batches; returns how many were done, fewer where a loss was not finite.

        Batch i takes the rows order[starts[i]:stops[i]] (rows starts[i]:stops[i] where order is
        None) at the rate rates[i] and leaves its mean loss and number correct in losses and
        n_correct. It adds its loss times its rows, number correct and rows to sums.
        hyper: (optimiser, momentum, beta1, beta2, epsilon); t counts its steps before.
        It takes one thread or n_threads, whichever is the faster just then.
        """
        cdef void* p = address(params, True)
        cdef Arrays arrays = self.arrays(rows, workspace)
        cdef Step step
        cdef Batches batches
        cdef Team team
        cdef Py_ssize_t i, n
        cdef int threads
        arrays.grads = address(grads, True)
        arrays.first, arrays.second = address(first, True), address(second, True)
        step.optimiser, step.momentum, step.beta1, step.beta2, step.epsilon = hyper
        batches.n, batches.t = starts.shape[0], t
        batches.order, batches.n_order = NULL, 0
        if order is not None:
            batches.order, batches.n_order = &order[0], order.shape[0]
        batches.starts, batches.stops, batches.rates = &starts[0], &stops[0], &rates[0]
        batches.losses, batches.n_correct = &losses[0], &n_correct[0]
        batches.done = self.done = 0
        batches.diverged = False
        if self.net.single:
            transpose_all(&self.net, <const float*> p, &arrays)
            fill_all_shares(&self.net, &rows.view, <float*> p, <float*> arrays.shares)
        else:
            transpose_all(&self.net, <const double*> p, &arrays)
            fill_all_shares(&self.net, &rows.view, <double*> p, <double*> arrays.shares)
        while self.done < batches.n:
            PyErr_CheckSignals()
            threads = self.start(&team, rows, &self.training, n_threads)
            with nogil, parallel(num_threads=threads, use_threads_if=threads > 1):
                if self.net.single:
                    run_batches(
                        &self.net, &rows.view, &batches, step, <float*> p, &arrays, &team)
                else:
                    run_batches(
                        &self.net, &rows.view, &batches, step, <double*> p, &arrays, &team)
            n = 0
            for i in range(self.done, batches.done):
                n += stops[i] - starts[i]
                sums[0] += losses[i] * <double> (stops[i] - starts[i])
                sums[1] += <double> n_correct[i]
                sums[2] += <double> (stops[i] - starts[i])
            self.finish(&team, &self.training, n_threads, threads, n)
            self.done = batches.done
            if batches.diverged:
                break
        return self.done

    cdef int start(self, Team* team, Rows rows, const Pace* pace, int n_threads):
        """Begin a stretch; returns the threads that it takes: one, or all that can be had."""
        cdef double now = fastdl_seconds()
        cdef bint everyone = n_threads == 1 or takes_all(pace)
        cdef bint look = n_threads > 1 and looks(pace, everyone)
        begin(team, &self.net, &rows.view, now + (LOOK if look else STRETCH))
        team.began = now
        return team_of(n_threads) if everyone else 1

    cdef finish(self, const Team* team, Pace* pace, int n_threads, int threads, Py_ssize_t rows):
        """A stretch of so many rows is done."""
        if n_threads > 1 and rows > 0:
            learn(pace, threads > 1, fastdl_seconds() - team.began, rows)

    cdef Arrays arrays(self, Rows rows, workspace):
        """The workspace of a fit or of an evaluation, cut up from its end.

        Transposed weights pay for batches of some size. The workspace tells of the fit's largest
        batch, and only of that: so all calls of a fit sum in the same order.
        """
        cdef Arrays arrays
        cdef Py_ssize_t item = 4 if self.net.single else 8, row = self.net.ldx + 2 * self.net.width
        cdef Py_ssize_t free = len(workspace) - self.net.n_shares
        memset(&arrays, 0, sizeof(Arrays))
        arrays.workspace = address(workspace, True)
        if rows.view.offset != NULL and may_skip(&self.net, &rows.view):
            arrays.shares = <char*> arrays.workspace + free * item
        free -= self.net.n_transposed
        arrays.transposed = <char*> arrays.workspace + free * item
        arrays.n_rows = free // row
        return arrays

    def gradient(self, Rows rows, params, grads, workspace):
        """grads = the gradient of the mean loss of all rows, without the penalty; the loss."""
        cdef void* p = address(params)
        cdef Arrays arrays = self.arrays(rows, workspace)
        cdef Py_ssize_t n_correct
        cdef double loss
        cdef Batches batches
        cdef Team team
        arrays.grads = address(grads, True)
        memset(&batches, 0, sizeof(Batches))
        begin(&team, &self.net, &rows.view, 0)
        with nogil:
            if self.net.single:
                transpose_all(&self.net, <const float*> p, &arrays)
                fill_all_shares(&self.net, &rows.view, <const float*> p, <float*> arrays.shares)
                loss = run_batch(
                    &self.net, &rows.view, &batches, 0, rows.view.n, NULL, <float*> p, &arrays,
                    &n_correct, &team)
            else:
                transpose_all(&self.net, <const double*> p, &arrays)
                fill_all_shares(&self.net, &rows.view, <const double*> p, <double*> arrays.shares)
                loss = run_batch(
                    &self.net, &rows.view, &batches, 0, rows.view.n, NULL, <double*> p, &arrays,
                    &n_correct, &team)
        return loss

    def evaluate(self, Rows rows, params, workspace, out, double[:, ::1] results, int n_threads):
        """All rows forward: their outputs to out (n x k), if not None; else the losses.

        Returns the sum of the weighted losses and the number correct, which it adds up in
        results, a row for each block of rows.
        """
        cdef void* p = address(params)
        cdef void* o = address(out, True)
        cdef Arrays arrays = self.arrays(rows, workspace)
        cdef void* w = arrays.workspace
        cdef double* r = &results[0, 0] if results is not None else NULL
        cdef Py_ssize_t i, n, stop, start = 0, pieces = self.pieces(rows.view.n)
        cdef int threads
        cdef double loss = 0, n_correct = 0
        cdef Team team
        if self.net.single:
            fill_all_shares(&self.net, &rows.view, <const float*> p, <float*> arrays.shares)
        else:
            fill_all_shares(&self.net, &rows.view, <const double*> p, <double*> arrays.shares)
        while start < pieces:
            PyErr_CheckSignals()
            threads = self.start(&team, rows, &self.evaluation, n_threads)
            with nogil, parallel(num_threads=threads, use_threads_if=threads > 1):
                if self.net.single:
                    evaluate_pieces(
                        &self.net, &rows.view, <const float*> p, <const float*> arrays.shares,
                        <float*> w, start, pieces, <float*> o, r, &team)
                else:
                    evaluate_pieces(
                        &self.net, &rows.view, <const double*> p, <const double*> arrays.shares,
                        <double*> w, start, pieces, <double*> o, r, &team)
            stop = min(pieces, start + team.shared.claimed)
            n = (stop - start) * self.net.evaluation_rows
            self.finish(&team, &self.evaluation, n_threads, threads, n)
            start = stop
        if r != NULL:
            for i in range(pieces):
                loss += r[2 * i]
                n_correct += r[2 * i + 1]
        return loss, <Py_ssize_t> n_correct

    cpdef Py_ssize_t pieces(self, Py_ssize_t n):
        """The rows of ``results`` that an evaluation of n rows needs."""
        return (n + self.net.evaluation_rows - 1) // self.net.evaluation_rows
