"""Files of the idx format: every type, packed or not, and what is wrong with one."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fastdl.datasets import DatasetError, MissingDatasetError, load_idx

CODES = 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E
TYPES = dict(zip(("uint8", "int8", "int16", "int32", "float32", "float64"), CODES, strict=True))


def idx(array):
    """A file of this array, as the format has it."""
    head = struct.pack(f">HBB{array.ndim}I", 0, TYPES[array.dtype.name], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "file"


@given(st.data(), st.sampled_from(list(TYPES)), st.booleans())
def test_any_array_comes_back(file, data, kind, packed):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    array = data.draw(arrays.arrays(kind, shape))
    file.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    found = load_idx(file)
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.dtype.isnative) == (array.dtype, True)
    assert found.flags.c_contiguous
    assert found.flags.writeable


IMAGES = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
WRONG = {
    "nothing": (b"", "it ends 4 bytes early"),
    "no idx": (b"\x89PNG" + IMAGES, r"it is no idx file, which begins .* but with 0x89 0x50 0x4e"),
    "no type": (IMAGES[:2] + b"\x0a" + IMAGES[3:], r"the code of a type \(0x08, .*0x00 0x00 0x0a"),
    "no axes": (IMAGES[:3] + b"\0" + IMAGES[4:], "it should have 1 to 32 axes, but has 0"),
    "many axes": (IMAGES[:3] + b"\xff" + IMAGES[4:], "1 to 32 axes, but has 255"),
    "no shape": (IMAGES[:10], "it ends 6 bytes early"),
    "cut off": (IMAGES[:-1], r"tells of 40 bytes, uint8 of the shape \(2, 3, 4\), but it holds 39"),
    "too long": (IMAGES + b"\0", "tells of 40 bytes, .* but it holds 41"),
    "huge": (IMAGES[:4] + b"\xff" * 12, "tells of 79,228,162,458,924,105,385,300,197,391 bytes"),
    "packed, cut off": (gzip.compress(IMAGES)[:-9], "ended before the end-of-stream marker"),
    "packed, too long": (gzip.compress(IMAGES + b"\0"), "it goes on after its last row"),
    "packed, too short": (gzip.compress(IMAGES[:-1]), "it ends 1 bytes early"),
    "packed, huge": (gzip.compress(IMAGES[:4] + b"\xff" * 12), "but it holds at most"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_told_in_little_memory(tmp_path, name):
    content, message = WRONG[name]
    (tmp_path / "file").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match=rf"file cannot be read: .*{message}"):
            load_idx(tmp_path / "file")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_changed_byte_of_a_packed_file_is_told(tmp_path):
    content = bytearray(gzip.compress(IMAGES, 0))
    content[-12] ^= 1
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DatasetError, match="CRC check failed"):
        load_idx(tmp_path / "file")


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(MissingDatasetError, match="path must be an idx file that is there"):
            load_idx(path)
