"""Bad arrays, for every public function: an error that names the argument, or the right answer.

An op has its row in cases.py; any other new function is one row of OTHERS: how it is called, its
array arguments and their kinds. What is no array is in test_bad_settings.py.
"""

import re
from tempfile import TemporaryFile

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.lib.stride_tricks import as_strided
from scipy import sparse

import fastdl as fd
from fastdl import _kernels, _reference, ops
from tests import public, remedies
from tests.cases import OPS, named

N, D, K = 20, 7, 5


def net(loss="softmax_cross_entropy"):
    return fd.Network([D, 6, K], loss=loss, dtype="float64", seed=1)


def wide_logits(x):
    """Those of layers that are wide enough for BLAS."""
    return [fd.Network([D, 160, K], dtype="float64").logits(x)]


def fit(x, y, loss="softmax_cross_entropy", **settings):
    network = net(loss)
    trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=4)
    history = trainer.fit(x, y, epochs=2, **settings)
    return *network.parameters.values(), history["loss"]


def step(x, y=None, **settings):
    network = net()
    loss = fd.Trainer(network, fd.SGD(0.1), batch_size=4).step(x, y, **settings)
    return *network.parameters.values(), np.nan if loss is None else loss


def range_test(x, y):
    result = fd.Trainer(net(), fd.SGD(0.1), batch_size=4).range_test(x, y, steps=5)
    return result.learning_rate, result.loss


def check_gradients(x, y=None, **settings):
    return [row[1:] for row in fd.check_gradients(net(), x, y, **settings).parameters]


def audit_gradients(x, y):
    audit = fd.audit_gradients(lambda x, y: net().gradients(x, y), net(), x, y)
    return [row[2:] for row in audit.parameters]


def scaling(make=fd.Scaling, **arrays):
    result = make(**arrays)
    return result.shift, result.scale


_data = {"x": "rows", "y": "labels"}
_found = {"x": "rows", "dlogits": "targets"}
_held_out = {"validation[0]": "rows", "validation[1]": "labels"}
OTHERS = {  # public name, in which way: how it is called with its array arguments, their kinds
    "Network.logits": (lambda x: [net().logits(x)], {"x": "rows"}),
    "Network.logits, wide": (wide_logits, {"x": "rows"}),
    "Network.predict": (lambda x: [net().predict(x)], {"x": "rows"}),
    "Network.predict_proba": (lambda x: [net().predict_proba(x)], {"x": "rows"}),
    "Network.evaluate": (lambda **a: net().evaluate(**a), _data | {"sample_weight": "weights"}),
    "Network.evaluate, mse": (
        lambda x, y: net("mse").evaluate(x, y)[:2], {"x": "rows", "y": "targets"},
    ),
    "Network.gradients": (lambda x, y: net().gradients(x, y).values(), _data),
    "Network.gradients, found": (
        lambda x, dlogits: net().gradients(x, dlogits=dlogits).values(), _found,
    ),
    "Trainer.step": (step, {"x": "finite rows", "y": "labels", "sample_weight": "weights"}),
    "Trainer.step, found": (step, {"x": "finite rows", "dlogits": "targets"}),
    "Trainer.fit": (fit, {"x": "finite rows", "y": "labels", "sample_weight": "weights"}),
    "Trainer.fit, mse": (lambda x, y: fit(x, y, "mse"), {"x": "finite rows", "y": "targets"}),
    "Trainer.fit, by class": (lambda **a: fit(class_weight="balanced", **a), _data),
    "Trainer.fit, validated": (
        lambda x, y, **a: fit(x, y, validation=tuple(a.values())), _data | _held_out,
    ),
    "Trainer.range_test": (range_test, {"x": "finite rows", "y": "labels"}),
    "check_gradients": (check_gradients, _data),
    "check_gradients, found": (check_gradients, _found),
    "audit_gradients": (audit_gradients, _data),
    "Scaling": (scaling, {"shift": "numbers", "scale": "numbers"}),
    "Scaling.standard": (lambda x: scaling(fd.Scaling.standard, x=x), {"x": "finite rows"}),
    "Scaling.centred": (lambda x: scaling(fd.Scaling.centred, x=x), {"x": "finite rows"}),
}  # fmt: skip
KINDS = {op: {name: array.kind for name, array in row.arrays.items()} for op, row in OPS.items()}
KINDS |= {name: kinds for name, (_, kinds) in OTHERS.items()}
ARRAYS = [(name, argument) for name, kinds in KINDS.items() for argument in kinds]


@pytest.fixture
def make(arguments, rng):
    """make(name): good arguments."""
    x, weight = rng.standard_normal((N, D)), rng.uniform(1, 2, N)
    labels, targets = rng.integers(0, K, N), rng.standard_normal((N, K))
    good = {"labels": labels, "targets": targets, "weights": weight, "numbers": weight}

    def good_arguments(name):
        if name in OPS:
            return arguments(name, N)
        return {argument: good.get(kind, x) for argument, kind in KINDS[name].items()}

    return good_arguments


@pytest.fixture
def run(call):
    """run(name, arguments): the results as arrays."""

    def results(name, arguments):
        found = call(ops, name, arguments) if name in OPS else OTHERS[name][0](**arguments)
        return [np.asarray(a) for a in found]

    return results


def same_bits(results, expected):
    assert [(a.shape, a.tobytes()) for a in results] == [(e.shape, e.tobytes()) for e in expected]


def naming(*arguments):
    """A pattern: the message says which argument is wrong, or one of those that disagree."""
    return rf"(?<!\w)({'|'.join(re.escape(a) for a in arguments)})(?!\w)"


# --- what is always refused ------------------------------------------------------------------

NOT_NUMBERS = {
    "None": lambda a: None,
    "dict": lambda a: {"a": 1},
    "ragged": lambda a: [[1.0], [1.0, 2.0]],
    "complex": lambda a: a.astype(complex),
    "objects, one of them no number": lambda a: with_one("a")(a.astype(object)),
    "objects, one of them missing": lambda a: with_one(None)(a.astype(object)),
    "str": lambda a: a.astype(str),
    "datetime": lambda a: a.astype("i8").view("M8[s]"),
    "masked": lambda a: np.ma.masked_array(a, a > np.median(a)),
    "sparse matrix": lambda a: sparse.csr_matrix(np.atleast_2d(a)),
    "sparse array": lambda a: sparse.coo_array(a),
    "data frame of words": lambda a: pd.DataFrame(a.astype(str)),
    "data frame of words and numbers": lambda a: pd.DataFrame({"a": a.ravel(), "b": "word"}),
    "categories": lambda a: pd.Series(a.ravel().astype(str)).astype("category"),
}
NOT_FLOATS = NOT_NUMBERS | {
    "integers that lose their end": lambda a: np.full(a.shape, 2**53 + 1),
    "more digits than float64": lambda a: a.astype(np.longdouble) / 3,
}
IN_PLACE = {  # what is changed in place cannot be converted before
    "bool": lambda a: a.astype(bool),
    "int": lambda a: a.astype(np.int64),
    "float16": lambda a: a.astype(np.float16),
    "big-endian": lambda a: a.astype(">f8"),
}
NOT_LABELS = NOT_NUMBERS | {
    "fractions": lambda a: a + 0.5,
    "not finite": lambda a: with_one(np.nan)(a.astype(float)),
    "one-hot": lambda a: np.eye(K, dtype=int)[a % K],
    "several labels a row": lambda a: np.ones((len(a), K), bool),
    "negative": lambda a: np.where(np.arange(len(a)) == 3, -1, a),
    "too large": lambda a: np.where(np.arange(len(a)) == 3, N, a),
    "wraps to 1 as C int": lambda a: a + 2**32,
    "above int64": lambda a: a.astype(np.uint64) + 2**63,
}


def with_one(value):
    return lambda a: np.where(np.arange(a.size).reshape(a.shape) == 3, value, a)


NOT_FINITE = {str(value): with_one(value) for value in (np.nan, np.inf, -np.inf)}
TWINS = (["floats", "floats"], ["state", "floats"])
LEADING = {"a", "z", "out", ("batch_norm", "x"), ("batch_norm_backward", "x")} | {
    (f"{name}_backward", "x") for name in _kernels.BY_INPUT
}  # whose dtype is the call's
REFUSED = {
    "floats": NOT_FLOATS,
    "state": NOT_FLOATS | IN_PLACE,
    "rows": NOT_FLOATS,
    "finite rows": NOT_FLOATS | NOT_FINITE,
    "targets": NOT_NUMBERS | NOT_FINITE,
    "counts": NOT_NUMBERS | NOT_FINITE | {"negative": with_one(-1.0)},
    "weights": NOT_NUMBERS | NOT_FINITE | {"negative": with_one(-1.0), "zeros": np.zeros_like},
    "labels": NOT_LABELS,
    "numbers": NOT_NUMBERS | NOT_FINITE,
}
NO_REMEDY = ("None", "dict", "ragged", "objects, one of them no number")  # nobody can know
FOLLOWED_ELSEWHERE = (  # by a network of other sizes: test_refusals.py
    "data frame of words",
    "data frame of words and numbers",
    "categories",
    "too large",
    "negative",
    "several labels a row",
)


def has_a_remedy(name, argument, how):
    """Whether what the refusal tells makes this very call succeed."""
    kind = KINDS[name][argument]
    one_axis = argument in ("shift", "scale") or (
        name in OPS and kind == "floats" and len(OPS[name].arrays[argument].shape) == 1
    )
    flat = kind in ("labels", "weights", "numbers") or one_axis
    in_place = kind == "state" and how.startswith(("sparse", "complex"))
    twice = how == "sparse matrix" and flat  # it is made dense first, and flat then
    no_row = one_axis and how == "objects, one of them missing"
    elsewhere = argument in ("order", "validation[1]") or in_place or twice or no_row
    return not elsewhere and how not in NO_REMEDY + FOLLOWED_ELSEWHERE


NONE_IS_FINE = [(name, "sample_weight") for name in OTHERS]
NONE_IS_FINE += [(op, name) for op, row in OPS.items() for name in row.optional]


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_wrong_arrays_are_refused_by_name_and_the_remedy_works(name, argument, make, run):
    refused = dict(REFUSED[KINDS[name][argument]])
    if (name, argument) in NONE_IS_FINE:
        del refused["None"]
    for how, spoil in refused.items():
        given = make(name)
        given[argument] = spoil(given[argument])
        with named(how):
            with pytest.raises((TypeError, ValueError), match=naming(argument)) as caught:
                run(name, given)
            if has_a_remedy(name, argument, how):
                run(name, remedies.follow(str(caught.value), argument, given))


@pytest.mark.parametrize(
    ("name", "argument"),
    [(op, arg) for op in OPS for arg in KINDS[op] if list(KINDS[op].values())[:2] in TWINS],
)
def test_two_dtypes_in_one_call_are_refused_or_are_the_wider_one(name, argument, make, run):
    given = make(name)
    narrow = given[argument].astype(np.float32)
    if {argument, (name, argument)} & LEADING or KINDS[name][argument] == "state":
        with pytest.raises(TypeError, match=naming(*KINDS[name])):
            run(name, given | {argument: narrow})
    else:
        results = run(name, given | {argument: narrow})
        same_bits(results, run(name, given | {argument: narrow.astype(np.float64)}))


SHAPES = {
    "an axis more": lambda a: a[None],
    "an axis less": lambda a: a[0],
    "a number": lambda a: a.flat[0],
    "a row less": lambda a: a[:-1],
    "a row more": lambda a: np.concatenate([a, a[:1]]),
    "a column less": lambda a: a[..., :-1],
    "transposed": lambda a: a.T[None] if a.ndim == 1 else a.T,
}
ANY_ROWS = (
    "Network.logits",
    "Network.logits, wide",
    "Network.predict",
    "Network.predict_proba",
)


def answers(name, how):
    """Whether a function that is none of ops may take this shape."""
    return name.startswith("Scaling.") or (name in ANY_ROWS and "row" in how)


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_wrong_shapes_are_refused_by_name_or_answered_rightly(name, argument, make, run, call):
    for how, spoil in SHAPES.items():
        given = make(name)
        given[argument] = spoil(given[argument])
        with named(how):
            try:
                results, message = run(name, given), None
            except (TypeError, ValueError) as error:
                message = str(error)
            if message is not None:
                assert re.search(naming(*KINDS[name]), message)
            elif name in OPS:
                for a, e in zip(results, call(_reference, name, given), strict=True):
                    np.testing.assert_allclose(a, e, rtol=1e-12)
            else:
                assert answers(name, how)


@pytest.mark.parametrize("name", OTHERS)
def test_no_rows_have_no_mean(name, make, run):
    given = {argument: array[:0] for argument, array in make(name).items()}
    if name in ANY_ROWS:
        assert run(name, given)[0].shape in ((0,), (0, K))
    elif name == "Scaling":
        assert run(name, given)[0].shape == (0,)
    else:
        with pytest.raises(ValueError, match="x must have at least one row"):
            run(name, given)


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_dimensions_that_no_c_int_holds_are_refused(name, argument, make, little_memory):
    function = getattr(ops, name) if name in OPS else OTHERS[name][0]
    for axis in (0, -1):
        given = make(name)
        shape = list(given[argument].shape)
        shape[axis] = 2**31
        given[argument] = as_strided(given[argument], shape, (0,) * len(shape))
        with (
            named(f"axis {axis}"),
            pytest.raises((OverflowError, ValueError), match=naming(argument)),
        ):
            function(**given)


# --- what is always right --------------------------------------------------------------------

WHOLE = {
    "bool": (bool, 0, 1),
    "int8": (np.int8, -9, 9),
    "uint16": (np.uint16, 0, 9),
    "int32": (np.int32, -9, 9),
    "uint32": (np.uint32, 0, 9),
    "int64": (np.int64, -9, 9),
    "uint64": (np.uint64, 0, 9),
    "float16": (np.float16, -9, 9),
    "bfloat16": (ml_dtypes.bfloat16, -9, 9),
    "longdouble": (np.longdouble, -9, 9),
    "big-endian float32": (">f4", -9, 9),
    "big-endian float64": (">f8", -9, 9),
    "big-endian int64": (">i8", -9, 9),
    "objects": (object, -9, 9),
}
NARROW = ("float16", "bfloat16", "big-endian float32")
RANGES = {"labels": (0, K - 1), "weights": (1, 9), "finite rows": (-2, 2)}
RANGES |= {"binary_cross_entropy": (0, 1), "poisson": (0, 9)}  # of all their arrays
CONVERTED = [
    (name, argument)
    for name, argument in ARRAYS
    if KINDS[name][argument] != "state" and argument != "order"
]  # what is changed in place cannot be converted before; row numbers are integers


@pytest.mark.parametrize(("name", "argument"), CONVERTED)
def test_what_casts_without_loss_gives_the_bits_of_the_plain_array(name, argument, make, run, rng):
    leads, kind = {argument, (name, argument)} & LEADING, KINDS[name][argument]
    for how, (dtype, least, most) in WHOLE.items():
        if leads and how in NARROW:
            continue
        given = make(name)
        low, high = RANGES.get(name, RANGES.get(kind, (least, most)))
        plain = rng.integers(max(low, least), min(high, most) + 1, given[argument].shape)
        native = np.float32 if how in NARROW else np.float64
        with named(how):
            results = run(name, given | {argument: plain.astype(dtype)})
            wanted = plain if kind == "labels" else plain.astype(native)
            same_bits(results, run(name, given | {argument: wanted}))


def with_steps(a):
    view = np.zeros([2 * length for length in a.shape], a.dtype)[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def misaligned(a):
    view = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "Fortran order": lambda a: np.asfortranarray(a) if a.ndim > 1 else np.repeat(a, 3)[::3],
    "steps": with_steps,
    "rows reversed": lambda a: a[::-1].copy()[::-1],
    "all reversed": lambda a: np.flip(np.flip(a).copy()),
    "one row many times": lambda a: np.broadcast_to(a[:1], a.shape),
    "overlapping rows": lambda a: as_strided(a, strides=(a.itemsize,) * a.ndim, writeable=True),
    "misaligned": misaligned,
    "read-only": read_only,
}


# What is changed in place must be in order: test_ops.py.
READ = [(name, argument) for name, argument in ARRAYS if KINDS[name][argument] != "state"]


@pytest.mark.parametrize(("name", "argument"), READ)
def test_any_layout_gives_the_same_bits_as_a_copy(name, argument, make, run):
    for how, laid in LAYOUTS.items():
        given = make(name)
        view = laid(given[argument])
        # First the view: what memory the copy's right answer has left would hide that nothing was
        # done.
        with named(how):
            results = run(name, given | {argument: view})
            same_bits(results, run(name, given | {argument: np.array(view, order="C")}))


class Wilful(np.ndarray):
    """A subclass of which nothing but the memory is as usual."""

    def refuse(self, *_, **__):
        raise AssertionError("a method of the subclass was called")

    __array_ufunc__ = __array_function__ = __getitem__ = __lt__ = __ge__ = any = refuse


def mapped(a):
    with TemporaryFile() as file:
        file.write(a.tobytes())
        file.flush()
        return np.memmap(file, a.dtype, "r", shape=a.shape)


def framed(a, dtype=None):
    return (pd.Series if a.ndim == 1 else pd.DataFrame)(a).astype(dtype or a.dtype)


def tabled(a):
    return pa.array(a) if a.ndim == 1 else pa.table({str(i): a[:, i] for i in range(a.shape[1])})


HOLDERS = {
    "list": np.ndarray.tolist,
    "memory map": mapped,
    "subclass": lambda a: a.view(Wilful),
    "pandas": framed,
    "pandas, nullable": lambda a: framed(a, a.dtype.name.capitalize()),
    "pandas, Arrow": lambda a: framed(a, pd.ArrowDtype(pa.from_numpy_dtype(a.dtype))),
    "Arrow": tabled,
}


@pytest.mark.parametrize(("name", "argument"), READ)
def test_whatever_holds_an_array_gives_its_bits(name, argument, make, run):
    given = make(name)
    expected = run(name, given)
    for how, hold in HOLDERS.items():
        with named(how):
            same_bits(run(name, given | {argument: hold(given[argument])}), expected)


def test_a_missing_value_of_a_data_frame_is_told():
    x = pd.DataFrame(np.ones((6, D))).astype("Float64")
    x.iloc[2, 3] = None
    with pytest.raises(ValueError, match="x must be finite; got nan at row 2, column 3"):
        fit(x, np.zeros(6, int))
    with pytest.raises(ValueError, match="y must be finite; got nan at row 1"):
        fit(np.ones((3, D)), pd.Series([0, None, 1]).astype("Int64"))


def test_rows_of_a_tall_view_are_read_and_never_copied(little_memory):
    row = np.arange(7.0)
    tall = as_strided(row, (2**31 - 1, 7), (0, row.itemsize))
    np.testing.assert_array_equal(ops.gather(tall, [0, 2**31 - 2]), [row, row])


def test_what_does_not_fit_into_memory_is_a_memory_error(little_memory):
    tall = as_strided(np.zeros(1), (2**31 - 1, 7), (0, 0))
    with pytest.raises(MemoryError):
        ops.relu(tall)
    assert ops.relu(np.ones(3)).sum() == 3


PUBLIC = dict(public.functions())


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_of_arrays_has_its_row(name):
    arrays = {p.name for p in public.parameters(PUBLIC[name]) if "rray" in str(p.annotation)}
    if name == "RangeTest" or name.endswith(".rates"):  # made, and called, by the library alone
        return
    if name.endswith(".load_state"):  # as the parameters' update: test_parameters.py
        return
    rows = [row for row in KINDS if row.partition(",")[0] == name.removeprefix("ops.")]
    assert arrays <= {argument.partition("[")[0] for row in rows for argument in KINDS[row]}
