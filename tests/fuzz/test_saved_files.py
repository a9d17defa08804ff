"""Damaged and forged saved networks and checkpoints: taken or refused, soon and in little memory.

A file is damaged byte by byte, or forged: changed in its meaning and sealed again with the right
digests, so that the checks behind them are met.
"""

import copy
import json
import os
import re
import struct
from collections import Counter

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load

import fastdl as fd
from fastdl.files import pack
from tests import nightly

resource = pytest.importorskip("resource")
pytestmark = [
    pytest.mark.timeout(nightly.count(300, 7200)),
    pytest.mark.filterwarnings("ignore:nothing of the resumed fit is left"),
    pytest.mark.needs("proc"),
]
WARM = 200  # files, before memory is looked at
MARGIN = 64 << 20  # bytes that a million files may leave behind, the interpreter's own included
X, Y = np.linspace(-1, 1, 30).reshape(10, 3), np.arange(10) % 2
NASTY = (
    None, True, -1, 0, 1, 3, 2**31, 2**63, 10**300, 0.5, -1e308, float("nan"), float("inf"), "",
    "x", "float64", "\ud800", [], {}, [[]], [0], ["a"] * 3, ["a", "b"], {"": 1}, {"state": -1},
)  # fmt: skip


def make():
    layers = [fd.Dense(3, 4, "relu"), fd.Dropout(0.5), fd.Dense(4, 2)]
    network = fd.Network(layers, scaling=fd.Scaling.divided(3), dtype="float64")
    return fd.Trainer(network, fd.Adam(0.01), batch_size=4)


def fit(trainer):
    return trainer.fit(X, Y, epochs=3, record=1, validation=(X, Y))


class Stop(fd.Callback):
    steps = 5

    def on_step(self, run):
        run.keep("best")
        run.save(self.path)
        run.stop("enough")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A saved network and a checkpoint in the middle of an epoch: bytes, arrays, configuration."""
    folder, trainer, stop = tmp_path_factory.mktemp("files"), make(), Stop()
    stop.path = folder / "checkpoint"
    trainer.network.save(folder / "network")
    trainer.fit(X, Y, epochs=3, record=1, validation=(X, Y), callbacks=[stop])
    found = []
    for path in (folder / "network", stop.path):
        with safe_open(path, framework="numpy") as file:
            config = json.loads(file.metadata()["config"])
        content = path.read_bytes()
        found.append((content, load(content), config))
    return found


# --- damage ----------------------------------------------------------------------------------


def flip(content, rng):
    """Some bytes, most of them in the header."""
    result, reach = bytearray(content), len(content) if rng.random() < 0.3 else 2000
    for at in rng.integers(0, min(reach, len(content)), rng.integers(1, 8)):
        result[at] = rng.integers(256)
    return bytes(result)


def cut(content, rng):
    return content[: rng.integers(len(content))] + bytes(rng.integers(0, 2) * rng.integers(100))


def splice(content, rng):
    start, to, stop = sorted(rng.integers(0, len(content), 3))
    return content[:to] + content[start:stop] + content[to + rng.integers(0, 100) :]


def lengthen(content, rng):
    """Another length of the header."""
    length = (rng.integers(0, 5000), 2 ** rng.integers(64, dtype=np.uint64))[rng.integers(2)]
    return struct.pack("<Q", int(length)) + content[8:]


def renumber(content, rng):
    """Another number, or a list, in the header: shapes, offsets."""
    length = struct.unpack("<Q", content[:8])[0]
    header = content[8 : 8 + length]
    numbers = [found.start() for found in re.finditer(rb"(?<=[\[,:])\d", header)]
    at = numbers[rng.integers(len(numbers))]
    new = (b"0", b"-1", b"99999999999", b"18446744073709551615", b"1e9", b"[", b'"', b"1.5", b"")
    header = header[:at] + new[rng.integers(len(new))] + header[at + 1 :]
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


# --- forgery ---------------------------------------------------------------------------------


def nodes(tree, found):
    """Every place in a tree of JSON, as its holder and key."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        found.append((tree, key))
        if isinstance(tree[key], dict | list):
            nodes(tree[key], found)
    return found


def change_config(arrays, config, rng):
    for _ in range(rng.integers(1, 3)):
        places = nodes(config, [])
        holder, key = places[rng.integers(len(places))]
        kind = rng.integers(4)
        if kind == 0 and isinstance(holder, dict):
            del holder[key]
        elif kind == 1:
            other, place = places[rng.integers(len(places))]
            holder[key] = copy.deepcopy(other[place])
        elif kind == 2 and isinstance(holder[key], int | float):
            holder[key] += int(rng.integers(-3, 4))
        else:
            holder[key] = copy.deepcopy(NASTY[rng.integers(len(NASTY))])


def change_array(arrays, config, rng):
    names = sorted(arrays)
    name = names[rng.integers(len(names))]
    array = arrays.pop(name)
    changed = (
        dict,
        lambda: {name + "x": array},
        lambda: {name: array, f"training.{name}": array},
        lambda: {name: array.astype(np.float32)},
        lambda: {name: array.astype(np.int64)},
        lambda: {name: array.T.copy()},
        lambda: {name: array.reshape(-1)},
        lambda: {name: array[:0]},
        lambda: {name: np.full_like(array, (np.nan, np.inf, -1e308, 0)[rng.integers(4)])},
        lambda: {name: np.concatenate([array, array])},
    )
    arrays |= changed[rng.integers(len(changed))]()


def forged(change):
    def forge(arrays, config, rng):
        arrays, config = dict(arrays), copy.deepcopy(config)
        change(arrays, config, rng)
        return pack(arrays, config)[0]

    return forge


# --- what becomes of them --------------------------------------------------------------------


def load_network(path):
    network = fd.Network.load(path)
    logits = network.logits(np.zeros((1, network.layers[0].d)))
    assert logits.shape == (1, network.layers[-1].h)


def resume(path, trainer):
    """Forged numbers may be too large to train on."""
    trainer.resume(path)
    try:
        fit(trainer)
    except (fd.DivergenceError, ValueError) as error:
        if "finite" not in str(error):
            raise
        trainer.network.parameters["layers.0.weight"].fill(0)
    assert trainer.network.logits(X).shape == (10, 2)


def survey(contents):
    """How many were taken and refused; anything else than a refusal is raised."""
    found, trainer = Counter(taken=0, refused=0), make()
    number = os.memfd_create("fuzz")
    path = f"/proc/self/fd/{number}"
    before = None
    for i, content in enumerate(contents):
        os.ftruncate(number, 0)
        os.pwrite(number, content, 0)
        for use in (load_network, lambda path: resume(path, trainer)):
            try:
                use(path)
                found["taken"] += 1
            except fd.CheckpointError:
                found["refused"] += 1
        if i == WARM:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    os.close(number)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < MARGIN
    return {**found, "files": i + 1, "grown_kib": grown}


DAMAGE = {change.__name__: change for change in (flip, cut, splice, lengthen, renumber)}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.usefixtures("little_memory")
def test_damaged_files_are_refused_or_whole(files, change):
    rng = np.random.default_rng(list(DAMAGE.values()).index(change))
    n = nightly.count(12_500, 150_000)
    found = survey(change(files[i % 2][0], rng) for i in range(n))
    nightly.report(f"damaged saved files: {change.__name__}", **found)
    assert found["refused"] > found["taken"]


@pytest.mark.parametrize("change", [change_config, change_array])
@pytest.mark.usefixtures("little_memory")
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.* a last layer of:UserWarning")
def test_forged_files_are_refused_or_make_sense(files, change):
    rng, forge = np.random.default_rng(7), forged(change)
    n = nightly.count(4_000, 150_000)
    found = survey(forge(*files[i % 2][1:], rng) for i in range(n))
    nightly.report(f"forged saved files: {change.__name__}", **found)
    assert found["refused"] > 0 < found["taken"]


def test_whole_files_are_taken(files):
    found = survey(content for content, _, _ in files for _ in range(WARM))
    assert found["taken"] == 3 * WARM
