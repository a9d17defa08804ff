"""A network as the loops see it: where its parameters lie, and into what its rows are cut.

A batch is cut into slices of rows whose x fits in a core's cache, a slice into chunks, the inputs
of a layer into parts. All of these depend on the shapes alone.

n rows, d inputs, h units, k classes.
"""

from fastdl._kernels cimport MOST_SETTINGS, goes_by_input, leaves_to_blas, transposes

cdef enum:
    ALIGNMENT = 16  # items: vectors that cross a cache line cost twice
    POWER = 64  # items: rows a multiple of it apart share a few places of the cache,
    PADDED_COLUMNS = 256  # which begins to matter for a weight with so many
    TILE_ROWS = 4096  # the most rows of a batch in the workspace at once,
    SLICE_ROWS = 512  # and of one slice of it
    SLICE_BYTES = 320 << 10  # of x in a slice: a third of a core's second-level cache
    SLICE_LEAST = 20  # rows
    SLICES = 256  # of a batch, at most, while they are that small: each rounds the gradient once
    BAND_ROWS = 64  # about the rows of a slice that go through all layers together,
    WIDE_ROWS = 128  # or where a weight leaves the second-level cache between two bands:
    WIDE_BYTES = 1 << 20  # one larger than this
    CHUNK_ROWS = 16  # that a loss takes at once: those of a piece of a band are so many or more
    GRAIN = 4  # inputs of a weight that lies by input, and
    GRAIN_ROWS = 4  # rows, that stay together; of all else a cache line does
    MOST_CUTS = 64  # of the inputs of one part of a layer
    PART_INPUTS = MOST_CUTS * GRAIN  # at most
    CUT_LEAST = 64  # rows, inputs or units of a piece, while the other side can be cut
    PIECES_A_THREAD = 10  # about as many of a layer's weights, to share them evenly,
    WORK_LEAST = 10_000  # while each has so many multiply-adds
    MEETING = 20_000  # multiply-adds in the time of one meeting
    EVALUATION_ROWS = 128  # the most rows of one piece of an evaluation
    EVALUATION_ITEMS = 100_000  # about the workspace of one piece of an evaluation, for the cache


cdef enum Kind:  # what becomes of the rows in a layer
    DENSE  # x W + bias, and an activation
    MASK  # x times random factors, while a network trains
    NORM  # x normalised by its batch, unit by unit, times gamma; beta, and an activation

cdef struct Layer:  # a step of the rows on their way; they come back by its mirror image
    Kind kind
    int code  # of its activation, or of its mask
    Py_ssize_t d, h
    Py_ssize_t ld, ldw, ldt  # items from row to row of its outputs, its weight, that transposed
    Py_ssize_t weight, bias  # where they, or gamma and beta, lie in the flat parameters
    Py_ssize_t norm  # where what a batch is like lies in the memory of all norms
    Py_ssize_t column  # items of the workspace, a row, before this layer's outputs,
    Py_ssize_t inputs  # and before its activation's inputs if the derivative goes by them; else -1
    Py_ssize_t transposed  # where its weight lies as (h x d), if it does; else -1
    Py_ssize_t first_part, n_parts, part  # of all parts of all layers; part: inputs of each
    bint by_unit  # the weight lies unit by unit (h x d), which suits narrow layers
    double l1, l2  # of a dense layer
    double rate  # of a mask
    double momentum, epsilon  # of a norm: what its running mean keeps; beside the variance

cdef enum Work:  # of a stage: all threads share its pieces, and meet
    ROWS  # forward through some layers: from the first of all they are read, and from the last of
    # all go on to the loss and back
    BACK  # back through some layers
    READ, FORWARD, LOSS, BACKWARD  # the same, layer by layer
    WEIGHTS  # the gradient, and unless its norm has a bound the step
    STEP  # by a gradient whose norm is known

cdef struct Stage:
    Work work
    int layer, stop  # the first layer that goes forward or back, and that after the last one

cdef struct Net:
    int n_layers, loss
    int first  # the layer that is the first dense one
    double settings[MOST_SETTINGS]  # of the loss
    bint single  # float, else double
    Py_ssize_t item  # bytes of one
    Py_ssize_t d, k  # inputs, outputs
    Py_ssize_t ldx, width  # items of the workspace, a row, for x and for all layers' outputs,
    Py_ssize_t n_inputs  # and for the inputs of activations
    Py_ssize_t slice_rows  # the most of a slice
    Py_ssize_t band_rows  # about those of one band
    Py_ssize_t evaluation_rows  # of one piece of an evaluation
    Py_ssize_t n_parts
    Py_ssize_t n_weights  # multiply-adds of a row in the gradients of all of them
    Py_ssize_t n_params  # items of all parameters
    Py_ssize_t n_transposed  # items of all transposed weights
    Py_ssize_t n_offset_parts  # items of the parts of offset W, and of sums of dz
    Py_ssize_t n_norms  # items of what a batch is like in all norms
    Layer* layers
    int n_stages
    Stage* stages  # of a tile: first those where rows take all layers at once,
    int n_whole  # so many; then those where every layer is a stage

cdef struct Side:  # of a weight, or of what a layer gives
    Py_ssize_t n
    Py_ssize_t grain  # items that stay together
    Py_ssize_t cuts

cdef struct Cuts:
    Side first, second


cdef inline Py_ssize_t aligned(Py_ssize_t items) noexcept nogil:
    """items, rounded up to whole cache lines."""
    return (items + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef inline Py_ssize_t padded_stride(Py_ssize_t items) noexcept nogil:
    """From one row of so many items to the next, each on a cache line, and these spread."""
    cdef Py_ssize_t ld = aligned(items)
    return ld + ALIGNMENT if ld % POWER == 0 else ld


cdef inline Py_ssize_t stride_of_weight(Py_ssize_t columns) noexcept nogil:
    """Items from row to row of a weight with so many columns; narrow rows lie side by side."""
    if columns <= ALIGNMENT:
        return columns
    return padded_stride(columns) if columns >= PADDED_COLUMNS else aligned(columns)


# --- where everything lies -------------------------------------------------------------------

cdef inline void lay_out(Net* net) noexcept nogil:
    """Give every layer its places, from its sizes and where its parameters lie."""
    cdef int i
    cdef Layer* layer = NULL
    net.item = 4 if net.single else 8
    net.band_rows = BAND_ROWS
    for i in range(net.n_layers):
        layer = &net.layers[i]
        place_outputs(net, layer, i == net.n_layers - 1)
        layer.transposed = -1
        if layer.kind == DENSE:
            place_dense(net, layer, i)
        elif layer.kind == NORM:
            place_norm(net, layer)
    net.k = layer.h
    net.n_params = aligned(layer.bias + layer.h)
    layer = &net.layers[net.first]
    if net.first == 0 and not layer.by_unit:
        net.n_offset_parts = (1 + MOST_CUTS) * layer.n_parts * aligned(layer.h)
    net.d = layer.d
    net.ldx = padded_stride(net.d)
    # As many rows as the layer has units: to add to dW costs no more than to read x.
    net.slice_rows = max(SLICE_BYTES // (net.ldx * net.item), layer.h, <Py_ssize_t> SLICE_LEAST)
    net.evaluation_rows = EVALUATION_ITEMS // (net.ldx + net.width)
    net.evaluation_rows = max(16, min(<Py_ssize_t> EVALUATION_ROWS, net.evaluation_rows))
    cut_stages(net)


cdef inline void add_stage(Net* net, Work work, int layer, int stop) noexcept nogil:
    net.stages[net.n_stages].work = work
    net.stages[net.n_stages].layer, net.stages[net.n_stages].stop = layer, stop
    net.n_stages += 1


cdef inline int after_norm(const Net* net, int i) noexcept nogil:
    """The first of the layers before layer i that rows take together."""
    while i > 0 and net.layers[i - 1].kind != NORM:
        i -= 1
    return i


cdef inline void cut_stages(Net* net) noexcept nogil:
    """A batch, wherever threads need what others have done: a norm needs all its rows."""
    cdef int i, first
    for i in range(net.n_layers + 1):
        first = after_norm(net, i)
        if first < i and (i == net.n_layers or net.layers[i].kind == NORM):
            add_stage(net, ROWS, first, i)
        if i < net.n_layers and net.layers[i].kind == NORM:
            add_stage(net, FORWARD, i, i + 1)
    for i in range(net.n_layers - 1, net.first, -1):
        first = after_norm(net, i)
        if net.layers[i].kind == NORM:
            add_stage(net, BACKWARD, i, i + 1)
            if max(first, net.first + 1) < i:
                add_stage(net, BACK, first, i)
    add_stage(net, WEIGHTS, 0, 0)
    add_stage(net, STEP, 0, 0)
    net.n_whole = net.n_stages
    add_stage(net, READ, 0, 0)
    for i in range(net.n_layers):
        add_stage(net, FORWARD, i, i + 1)
    add_stage(net, LOSS, 0, 0)
    for i in range(net.n_layers - 1, net.first, -1):
        add_stage(net, BACKWARD, i, i + 1)
    add_stage(net, WEIGHTS, 0, 0)
    add_stage(net, STEP, 0, 0)


cdef inline void place_outputs(Net* net, Layer* layer, bint last) noexcept nogil:
    """The last layer's outputs lie side by side, as a caller wants them."""
    layer.ld = layer.h if last else padded_stride(layer.h)
    layer.column = net.width
    net.width += aligned(layer.ld)
    layer.inputs = -1
    if layer.kind != MASK and goes_by_input(layer.code):
        layer.inputs = net.n_inputs
        net.n_inputs += aligned(layer.ld)


cdef inline void place_dense(Net* net, Layer* layer, int i) noexcept nogil:
    """Dense layer i of the network: what its weight needs."""
    if net.n_parts == 0:
        net.first = i
    elif not layer.by_unit:  # the gradient of the first one's inputs is not asked for
        place_transposed(net, layer)
    if layer.d * layer.h * net.item > WIDE_BYTES:
        net.band_rows = WIDE_ROWS
    cut_inputs(net, layer)
    net.n_weights += layer.d * layer.h


cdef inline void place_norm(Net* net, Layer* layer) noexcept nogil:
    """What it keeps of a batch: three rows; gamma and beta are a part of one input."""
    layer.norm = net.n_norms
    net.n_norms += 3 * layer.ldw
    layer.part, layer.n_parts, layer.first_part = 1, 1, net.n_parts
    net.n_parts += 1


cdef inline void place_transposed(Net* net, Layer* layer) noexcept nogil:
    layer.transposed = net.n_transposed
    layer.ldt = padded_stride(layer.d)
    net.n_transposed += layer.ldt * layer.h


cdef inline void cut_inputs(Net* net, Layer* layer) noexcept nogil:
    """Into parts that differ little, each but the last of whole cache lines."""
    cdef Py_ssize_t parts = (layer.d + PART_INPUTS - 1) // PART_INPUTS
    layer.part = aligned((layer.d + parts - 1) // parts)
    layer.n_parts = (layer.d + layer.part - 1) // layer.part
    layer.first_part = net.n_parts
    net.n_parts += layer.n_parts


# --- into what rows are cut ------------------------------------------------------------------

cdef inline Py_ssize_t count_pieces(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """About n / most pieces, at least one."""
    return max(1, (n + most // 2) // most)


cdef inline Py_ssize_t piece_start(Py_ssize_t i, Py_ssize_t n, Py_ssize_t pieces) noexcept nogil:
    """Where piece i of n rows begins; pieces differ by one row at most."""
    if i == 0 or i == pieces:  # a small network would notice the division
        return n if i > 0 else 0
    return i * n // pieces


cdef inline Py_ssize_t cut_start(Py_ssize_t i, Side side) noexcept nogil:
    """Where cut i of a side begins. One of few items may have cuts that are empty."""
    return min(side.n, side.grain * piece_start(
        i, (side.n + side.grain - 1) // side.grain, side.cuts))


cdef inline void cut_in(Py_ssize_t pieces, Side* first, Side* second) noexcept nogil:
    """Cut two sides into about so many pieces: the first one first, while these are not thin."""
    first.cuts, second.cuts = 1, 1
    if pieces <= 1:  # divisions cost as much as a small network's piece
        return
    first.cuts = max(1, min(pieces, first.n // CUT_LEAST))
    second.cuts = max(1, min(pieces // first.cuts, second.n // CUT_LEAST))
    first.cuts = max(1, min(pieces // second.cuts, (first.n + first.grain - 1) // first.grain))
    second.cuts = max(1, min(pieces // first.cuts, (second.n + second.grain - 1) // second.grain))


cdef inline Py_ssize_t count_chunks(Py_ssize_t n) noexcept nogil:
    return (n + CHUNK_ROWS - 1) // CHUNK_ROWS


cdef inline Py_ssize_t count_slices(const Net* net, Py_ssize_t n) noexcept nogil:
    """The slices of a batch of n rows: an even number or one, for two threads to share."""
    cdef Py_ssize_t most = min(<Py_ssize_t> SLICE_ROWS, max(net.slice_rows, n // SLICES))
    cdef Py_ssize_t slices = (n + most - 1) // most
    return slices + slices % 2 if slices > 1 else 1


# --- how much room all of it takes -----------------------------------------------------------

cdef inline Py_ssize_t most_rows(const Net* net, Py_ssize_t n) noexcept nogil:
    """Of a batch of n rows those that are in the workspace at once, at most: a norm needs all."""
    return n if net.n_norms > 0 else min(n, <Py_ssize_t> TILE_ROWS)


cdef inline Py_ssize_t room_of_rows(const Net* net, Py_ssize_t n) noexcept nogil:
    """Items for n rows of a tile: x, layers' outputs, their gradients, activations' inputs."""
    return n * (net.ldx + 2 * net.width + net.n_inputs)


cdef inline Py_ssize_t room_of_piece(const Net* net) noexcept nogil:
    """Items for a piece of an evaluation: x and every layer's outputs."""
    return net.evaluation_rows * (net.ldx + net.width)


# --- who multiplies --------------------------------------------------------------------------

cdef inline bint needs_blas(const Net* net, Py_ssize_t n, bint trains) noexcept nogil:
    """Whether a product of up to n rows on their way may be left to BLAS."""
    cdef int i
    cdef bint single = net.single
    cdef Py_ssize_t d, h
    cdef const Layer* layer
    for i in range(net.n_layers):
        layer = &net.layers[i]
        d, h = layer.d, layer.h
        if layer.kind == DENSE and (
            leaves_to_blas(single, layer.by_unit, n, h, d)
            or trains and (
                leaves_to_blas(single, False, h, d, n) if layer.by_unit else
                leaves_to_blas(single, False, d, h, n))
            or trains and i > net.first and leaves_to_blas(
                single, not layer.by_unit and not transposes(h, min(n, <Py_ssize_t> TILE_ROWS)),
                n, d, h)
        ):
            return True
    return False
