"""Reading the four forms of CIFAR-10, whole and malicious."""

import gzip
import io
import tarfile
import tracemalloc

import numpy as np
import pytest

from fastdl.datasets import DatasetError, load_cifar10
from fastdl.datasets import _cifar10_forms as forms

pytestmark = pytest.mark.usefixtures("small")

FORMS = [("binary", False), ("python", False), ("binary", True), ("python", True)]


def load(root):
    return load_cifar10(train=range(1, 6), validation=[], data_dir=root)


@pytest.mark.parametrize(("form", "archived"), FORMS)
def test_every_form_holds_the_same(make, tmp_path, form, archived):
    make.cifar10(tmp_path, form, archived)
    (x, y), _, (xt, yt) = load(tmp_path)
    labels, pixels = zip(*map(make.cifar10_rows, make.batches), strict=True)
    np.testing.assert_array_equal(np.concatenate([x, xt]), np.concatenate(pixels))
    np.testing.assert_array_equal(np.concatenate([y, yt]), np.concatenate(labels))


def test_folders_come_before_archives_and_binary_before_python(make, tmp_path):
    found = []
    for form, archived in reversed(FORMS):
        make.cifar10(tmp_path, form, archived)
        found.append(forms.locate(tmp_path).path)
    assert [path.name for path in found] == [
        "cifar-10-python.tar.gz",
        "cifar-10-binary.tar.gz",
        "cifar-10-batches-py",
        "cifar-10-batches-bin",
    ]


def test_a_folder_needs_only_the_batches_that_are_loaded(make, tmp_path):
    folder = make.cifar10(tmp_path, "binary")
    (folder / "data_batch_5.bin").unlink()
    load_cifar10(data_dir=tmp_path)
    with pytest.raises(DatasetError, match="was not found"):
        load(tmp_path)


def test_a_label_out_of_range_is_told(make, tmp_path):
    folder = make.cifar10(tmp_path, "binary")
    content = bytearray(make.binary_batch("data_batch_1"))
    content[2 * 3073] = 10
    (folder / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(
        DatasetError, match=r"data_batch_1\.bin .*row 2 has 10; give it another name and run"
    ):
        load(tmp_path)


def special(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member


BIN = "cifar-10-batches-bin"
OUTSIDE = "/outside"  # stands for a folder that is there
INTRUDERS = {
    "traversal": [("../evil", b"x")],
    "absolute": [(f"{OUTSIDE}/evil", b"x")],
    "traversal inside": [(f"{BIN}/../../evil", b"x")],
    "unknown": [(f"{BIN}/evil.py", b"x")],
    "symbolic link": [(special(f"{BIN}/batches.meta.txt", tarfile.SYMTYPE, "/etc/passwd"), b"")],
    "hard link": [(special(f"{BIN}/batches.meta.txt", tarfile.LNKTYPE, "../evil"), b"")],
    "device": [(special(f"{BIN}/batches.meta.txt", tarfile.CHRTYPE), b"")],
    "block device": [(special(f"{BIN}/batches.meta.txt", tarfile.BLKTYPE), b"")],
    "sparse file": [(special(f"{BIN}/batches.meta.txt", tarfile.GNUTYPE_SPARSE), b"")],
    "contiguous file": [(special(f"{BIN}/batches.meta.txt", tarfile.CONTTYPE), b"")],
    "fifo": [(special(f"{BIN}/batches.meta.txt", tarfile.FIFOTYPE), b"")],
    "directory": [(special(f"{BIN}/batches.meta.txt", tarfile.DIRTYPE), b"")],
    "duplicate": [(f"{BIN}/data_batch_1.bin", bytes(4 * 3073))],
    "oversized": [(f"{BIN}/batches.meta.txt", bytes(1 << 17))],
    "long name": [("a" * 5000, b"x")],
    "many extensions": [(special("x", b"x"), b"") for _ in range(200)],
    "great extension": [(special("x", b"x"), bytes(1 << 24))],
}


@pytest.mark.parametrize("intruder", INTRUDERS)
@pytest.mark.parametrize("first", [True, False])
def test_malicious_archives_are_refused_and_write_nothing(make, tmp_path, intruder, first):
    members = make.cifar10_members("binary")
    evil = [
        (name.replace(OUTSIDE, str(tmp_path)) if isinstance(name, str) else name, content)
        for name, content in INTRUDERS[intruder]
    ]
    root = tmp_path / "inside" / "root"
    root.mkdir(parents=True)
    archive = root / "cifar-10-binary.tar.gz"
    archive.write_bytes(make.tar_gz(evil + members if first else members + evil))
    with pytest.raises(DatasetError, match=r"cifar-10-binary\.tar\.gz cannot be read"):
        load(root)
    assert {*tmp_path.rglob("*")} == {archive, root, root.parent}


def test_an_extension_cannot_redirect_a_member(make, tmp_path):
    """A remark that would rename the next member is passed over: the name in the header counts."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, content in make.cifar10_members("binary")[1:]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = {"path": "../evil", "mtime": "1.5"}
            tar.addfile(member, io.BytesIO(content))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(packed.getvalue())
    assert len(load(tmp_path)[0][0]) == 5 * make.rows


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("at", [0, 105, 130, 140, 156])  # name, mode, size, date, kind
def test_a_header_that_does_not_fit_its_checksum_is_told(make, tmp_path, at, by):
    content = bytearray(gzip.decompress(make.tar_gz(make.cifar10_members("binary"))))
    content[512 + at] += by
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DatasetError, match="not a tar archive, or one of its headers is damaged"):
        load(tmp_path)


@pytest.mark.parametrize("where", ["after the archive", "in a member", "for an archive"])
def test_a_gzip_bomb_is_given_up_early(make, tmp_path, where):
    members = make.cifar10_members("binary")
    zeros = bytes(1 << 26)
    plain = gzip.decompress(make.tar_gz(members))
    bomb, message = {
        "after the archive": (plain + zeros, "something follows the end"),
        "in a member": (
            gzip.decompress(make.tar_gz([(f"{BIN}/readme.html", zeros), *members])),
            "should hold 0 to 65,536 bytes, but holds 67,108,864",
        ),
        "for an archive": (zeros, "something follows the end"),
    }[where]
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(bomb, 9))
    del bomb, zeros
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match=message):
            load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_without_a_batch_is_told(make, tmp_path):
    members = [m for m in make.cifar10_members("binary") if "test_batch" not in str(m[0])]
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(make.tar_gz(members))
    with pytest.raises(DatasetError, match="lacks test_batch"):
        load(tmp_path)
