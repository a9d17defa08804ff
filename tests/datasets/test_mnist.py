"""Reading MNIST, and its split."""

import gzip
import os

import numpy as np
import pytest

from fastdl.datasets import DatasetError, MissingDatasetError, load_mnist


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("validation", [0, 2, 5])
def test_the_last_rows_validate(make, tmp_path, packed, validation):
    make.mnist(tmp_path, packed)
    training, held_out, test = load_mnist(validation=validation, data_dir=tmp_path)
    images, labels = make.mnist_rows(6)
    n = 6 - validation
    for (x, y), rows, expected in (
        (training, images[:n], labels[:n]),
        (held_out, images[n:], labels[n:]),
        (test, *make.mnist_rows(4)),
    ):
        np.testing.assert_array_equal(x, rows.reshape(len(rows), 784))
        np.testing.assert_array_equal(y, expected)
        assert (x.dtype, y.dtype) == (np.uint8, np.int64)
        assert all(a.flags.c_contiguous and a.flags.writeable for a in (x, y))


@pytest.mark.usefixtures("small")
def test_unpacked_files_come_first(make, tmp_path):
    folder = make.mnist(tmp_path)
    packed = folder / "train-labels-idx1-ubyte.gz"
    (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.write_bytes(b"")
    load_mnist(validation=1, data_dir=tmp_path)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("kind", "numbers"), [("images-idx3", 4), ("labels-idx1", 2)])
@pytest.mark.parametrize(("part", "n"), [("train", 6), ("t10k", 4)])
def test_another_kind_or_other_dimensions_are_told(make, tmp_path, part, n, kind, numbers, packed):
    """Every byte of a header, which is a number for the kind and one for each dimension."""
    file = make.mnist(tmp_path, packed) / f"{part}-{kind}-ubyte{'.gz' if packed else ''}"
    pack, unpack = (gzip.compress, gzip.decompress) if packed else (bytes, bytes)
    whole = unpack(file.read_bytes())
    for at in range(4 * numbers):
        content = bytearray(whole)
        content[at] ^= 1
        file.write_bytes(pack(content))
        with pytest.raises(DatasetError, match=f"header is not that of the {n} {kind[:6]} of MN"):
            load_mnist(validation=1, data_dir=tmp_path)


@pytest.mark.usefixtures("small")
def test_a_gzip_bomb_is_given_up_early(make, tmp_path):
    folder = make.mnist(tmp_path)
    file = folder / "train-images-idx3-ubyte.gz"
    content = gzip.decompress(file.read_bytes()) + bytes(1 << 25)
    file.write_bytes(gzip.compress(content, 9))
    with pytest.raises(DatasetError, match="goes on after its last row"):
        load_mnist(validation=1, data_dir=tmp_path)


@pytest.mark.parametrize("validation", [-1, 60_000])
def test_wrong_values_are_told(validation):
    with pytest.raises(ValueError, match=r"validation must lie in \[0, 59999\]"):
        load_mnist(validation=validation)


def test_a_missing_data_set_names_places_and_command(tmp_path):
    with pytest.raises(
        MissingDatasetError, match=r"python -m fastdl\.datasets download mnist"
    ) as e:
        load_mnist(data_dir=tmp_path)
    assert str(tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte") in str(e.value)
    assert isinstance(e.value, FileNotFoundError)


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="needs FASTDL_DATA_DIR")
def test_real_data():
    (x, y), (xv, yv), (xt, yt) = load_mnist()
    assert (len(x), len(xv), len(xt)) == (50_000, 10_000, 10_000)
    assert y[:5].tolist() == [5, 0, 4, 1, 9]
    assert yv[:5].tolist() == [3, 8, 6, 9, 6]
    assert yt[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.concatenate([x, xv]).mean() == pytest.approx(255 * 0.1307, abs=0.02)
