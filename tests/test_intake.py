"""Whatever holds numbers, in whatever dtype and layout: the plain array's values, or a refusal."""

import os
import re
from collections import UserList
from functools import partial

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import sliding_window_view

import fastdl as fd
from fastdl import _intake

D, K = 3, 4
NETWORK = fd.Network([D, 5, K], dtype="float64")

DTYPES = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *(">i2", ">i4", ">u8", "float16", "float32", "float64", ">f2", ">f4", ">f8", "longdouble"),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, object),
]


def steps(a):
    view = np.zeros([2 * length + 1 for length in a.shape], a.dtype)[(slice(1, None, 2),) * a.ndim]
    view[...] = a
    return view


def misaligned(a):
    if a.dtype.hasobject:
        return a
    view = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def frozen(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = [
    np.ascontiguousarray, np.asfortranarray, steps, misaligned, frozen,
    lambda a: a[::-1].copy()[::-1],
    lambda a: np.flip(np.flip(a).copy()),
]  # fmt: skip


def framed(a, dtype=None):
    if a.dtype.kind == "V" or not a.dtype.isnative or a.dtype == np.longdouble:
        a = a.astype(np.float64)
    made = (pd.Series if a.ndim == 1 else pd.DataFrame)(a)
    return made if dtype is None else made.astype(dtype)


def nullable(a):
    return framed(
        a, "Float64" if a.dtype.kind in "fVO" else "boolean" if a.dtype == bool else "Int64"
    )


def tabled(a):
    a = a.astype(np.float64)
    return pa.array(a) if a.ndim == 1 else pa.table({f"c{i}": a[:, i] for i in range(a.shape[1])})


def masked(a):
    return np.ma.masked_array(a, np.zeros(a.shape, bool))


class Tensor:
    """Another library's array, which NumPy asks for its own."""

    def __init__(self, a):
        self.a = a

    def __array__(self, dtype=None, copy=None):
        return self.a if dtype is None else self.a.astype(dtype)


HOLDERS = [
    lambda a: a,
    np.ndarray.tolist,
    lambda a: UserList(a.tolist()),
    *(framed, nullable, tabled, masked, Tensor),
]


def numbers(shape, least=-60, most=60):
    return hnp.arrays(np.int64, shape, elements=st.integers(least, most))


def brought(plain, dtype, layout, holder):
    """The same numbers as somebody has them, or None where this dtype has not all of them."""
    if np.dtype(dtype).kind == "u" and (plain < 0).any():  # they would wrap there and back
        return None
    try:
        with np.errstate(all="ignore"):
            cast = plain.astype(dtype)
        if (cast.astype(np.int64) != plain).any():
            return None
        return holder(layout(cast))
    except (TypeError, ValueError, NotImplementedError):  # pandas has not every dtype
        return None


ways = st.tuples(st.sampled_from(DTYPES), st.sampled_from(LAYOUTS), st.sampled_from(HOLDERS))


def taken(function, name):
    """The result, or the sentence of a refusal, which names the argument."""
    try:
        return function(), None
    except (TypeError, ValueError, OverflowError) as error:
        message = str(error)
    assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message), message
    return None, message


@given(st.integers(1, 6).flatmap(lambda n: numbers((n, D))), ways)
def test_rows_have_the_values_of_the_plain_array(plain, way):
    x = brought(plain, *way)
    if x is None:
        return
    result, refused = taken(lambda: NETWORK.logits(x), "x")
    assert refused is None
    is_image = type(x) is not pd.DataFrame and np.asarray(x).dtype == np.uint8
    expected = NETWORK.logits(plain / 255 if is_image else plain.astype(float))
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


@given(st.integers(1, 6).flatmap(lambda n: numbers(n, 0, K - 1)), ways, st.booleans())
def test_labels_have_the_values_of_the_plain_array(plain, way, as_column):
    y = brought(plain[:, None] if as_column else plain, *way)
    if y is None:
        return
    x = np.ones((len(plain), D))
    assert taken(lambda: NETWORK.evaluate(x, y), "y") == (NETWORK.evaluate(x, plain), None)


@given(st.integers(1, 6).flatmap(lambda n: numbers(n, 1, 50)), ways, st.booleans())
def test_weights_have_the_values_of_the_plain_array(plain, way, as_column):
    weight = brought(plain[:, None] if as_column else plain, *way)
    if weight is None:
        return
    x, y = np.arange(len(plain) * D).reshape(-1, D) / 10, np.arange(len(plain)) % K
    expected = NETWORK.evaluate(x, y, sample_weight=plain.astype(float))
    found = taken(lambda: NETWORK.evaluate(x, y, sample_weight=weight), "sample_weight")
    assert found == (expected, None)


@given(st.integers(1, 6).flatmap(lambda n: numbers((n, K))), ways)
def test_targets_have_the_values_of_the_plain_array(plain, way):
    y = brought(plain, *way)
    if y is None:
        return
    network = fd.Network([D, K], loss="mse", dtype="float64")
    x = np.ones((len(plain), D))
    found = taken(lambda: network.evaluate(x, y).loss, "y")
    assert found == (network.evaluate(x, plain.astype(float)).loss, None)


ANYTHING = hnp.arrays(
    st.sampled_from(
        ["f2", "f4", "f8", "i1", "i8", "u8", "?", "c16", "U3", "S2", "M8[s]", "m8[D]", object]
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)  # fmt: skip


@given(ANYTHING)
def test_anything_is_taken_with_its_values_or_refused_by_name(array):
    result, refused = taken(lambda: NETWORK.logits(array), "x")
    if refused is None:
        with np.errstate(all="ignore"):
            plain = array.astype(np.float64)
            expected = NETWORK.logits(plain)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("row", [[1, 2], (), range(2), np.zeros(2), os.environ], ids=type)
@pytest.mark.parametrize("other", ["a", 1])
def test_a_row_among_labels_is_told(row, other):
    y = np.empty(2, object)
    y[:] = other
    y[1] = row
    for name, brings in {
        "y": partial(NETWORK.evaluate, np.zeros((2, D))),
        "x": NETWORK.predict,
    }.items():
        with pytest.raises(TypeError, match=rf"^{name} must .* items such as .* by one number$"):
            brings(y)


def test_rows_of_one_length_become_an_array_as_told():
    x = np.empty(2, object)
    x[0] = x[1] = list(range(D))
    with pytest.raises(TypeError, match=r"use np.array\(x.tolist\(\)\)$"):
        NETWORK.predict(x)
    NETWORK.predict(np.array(x.tolist()))


@given(ANYTHING)
def test_any_labels_are_taken_with_their_values_or_refused_by_name(array):
    x = np.ones((len(array) if array.ndim else 1, D))
    if not len(x):
        return
    result, refused = taken(lambda: NETWORK.evaluate(x, array), "y")
    if refused is None:
        expected = NETWORK.evaluate(x, np.array(array, np.float64).reshape(-1).astype(int))
        assert result == expected


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("at", [53, 60, 62])
def test_integers_are_taken_as_far_as_float64_has_them(dtype, at):
    held, lost = 2**at, 2**at + 1
    exact = np.array([[held, 0, 1]], dtype)
    np.testing.assert_array_equal(_intake.as_float("x", exact), [[float(held), 0, 1]])
    with pytest.raises(ValueError, match=rf"x must hold .* exactly; got {lost} at row 0, column 1"):
        _intake.as_float("x", np.array([[0, lost, 1]], dtype))
    with pytest.raises(ValueError, match="exactly"):
        _intake.as_float("x", np.array([-lost]))


def test_long_doubles_are_taken_as_far_as_float64_has_them():
    third = np.longdouble(1) / 3
    np.testing.assert_array_equal(
        _intake.as_float("x", np.array([0.5, np.nan], "g")), [0.5, np.nan]
    )
    if third != float(third):  # not where long double is double
        with pytest.raises(ValueError, match="x must hold numbers that float64 holds exactly"):
            _intake.as_float("x", np.array([third]))


def test_windows_over_a_series_are_rows():
    series = np.arange(20.0)
    windows = sliding_window_view(series, D)
    np.testing.assert_array_equal(NETWORK.logits(windows), NETWORK.logits(windows.copy()))


def test_a_frame_of_polars_is_taken_column_by_column():
    polars = pytest.importorskip("polars")
    rows = np.arange(12).reshape(4, D)
    frame = polars.DataFrame({"a": rows[:, 0], "b": rows[:, 1] * 1.0, "c": rows[:, 2] > 5})
    plain = np.column_stack([rows[:, 0], rows[:, 1], rows[:, 2] > 5]).astype(float)
    np.testing.assert_array_equal(NETWORK.logits(frame), NETWORK.logits(plain))
    with pytest.raises(TypeError, match=r"column 'c' of x must hold .* use x\.to_dummies\('c'\)"):
        NETWORK.logits(frame.with_columns(c=polars.lit("w")))


def test_the_index_of_a_frame_is_not_looked_at():
    rng = np.random.default_rng(0)
    x, y = pd.DataFrame(rng.normal(size=(12, D))), pd.Series(np.arange(12) % K)

    def parameters(x, y):
        network = fd.Network([D, 5, K])
        fd.Trainer(network, fd.SGD(0.1), batch_size=5).fit(x, y)
        return [view.tobytes() for view in network.parameters.values()]

    expected = parameters(x.to_numpy(), y.to_numpy())
    assert parameters(x.set_axis(np.arange(12)[::-1]), y) == expected
    assert parameters(x, y.set_axis(list("abcdefghijkl"))) == expected
