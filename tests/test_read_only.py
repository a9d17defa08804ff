"""What arrives in memory that may only be read: it is copied where it is written to, else read."""

import copy
import io
import pickle

import numpy as np
import pytest

import fastdl as fd

WIDTHS = [700, 400, 3]  # over a megabyte of weights, from where on joblib maps them


@pytest.fixture
def problem(rng):
    return rng.standard_normal((60, 700)).astype(np.float32), rng.integers(0, 3, 60)


def out_of_band(thing):
    """Through pickle's fifth protocol, whose buffers may only be read."""
    buffers = []
    data = pickle.dumps(thing, 5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])


def through_joblib(thing, mode):
    joblib = pytest.importorskip("joblib")

    def mapped(folder):
        joblib.dump(thing, folder / "thing")
        return joblib.load(folder / "thing", mmap_mode=mode)

    return mapped


WAYS = {
    "pickle": lambda thing, folder: pickle.loads(pickle.dumps(thing)),
    "pickle out of band": lambda thing, folder: out_of_band(thing),
    "joblib, read-only": lambda thing, folder: through_joblib(thing, "r")(folder),
    "joblib, copied on write": lambda thing, folder: through_joblib(thing, "c")(folder),
    "deep copy": lambda thing, folder: copy.deepcopy(thing),
    "copy": lambda thing, folder: copy.copy(thing),
}
OPTIMISERS = {"sgd": fd.SGD(0.01), "momentum": fd.SGD(0.01, momentum=0.9), "adam": fd.Adam()}


def bits(network):
    return [array.tobytes() for array in network.parameters.values()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_a_network_that_arrives_trains_and_answers_as_the_one_that_was_sent(
    way, dtype, problem, tmp_path
):
    x, y = problem
    network = fd.Network(WIDTHS, scaling=fd.Scaling.standard(x), dtype=dtype)
    arrived = WAYS[way](network, tmp_path)
    np.testing.assert_array_equal(arrived.logits(x), network.logits(x))
    for view in arrived.parameters.values():
        assert view.flags.writeable
    for each in (network, arrived):
        fd.Trainer(each, fd.SGD(0.01), batch_size=10).fit(x, y, epochs=2)
    assert bits(arrived) == bits(network)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("way", [way for way in WAYS if way != "copy"])
def test_a_trainer_that_arrives_goes_on_as_the_one_that_was_sent(way, optimiser, problem, tmp_path):
    x, y = problem
    trainer = fd.Trainer(fd.Network(WIDTHS), OPTIMISERS[optimiser], batch_size=10)
    trainer.fit(x, y, epochs=2)
    arrived = WAYS[way](trainer, tmp_path)
    histories = [each.fit(x, y, epochs=2) for each in (trainer, arrived)]
    assert histories[0]["loss"].tolist() == histories[1]["loss"].tolist()
    assert bits(arrived.network) == bits(trainer.network)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_fit_gives_arrives(way, problem, tmp_path):
    x, y = problem
    trainer = fd.Trainer(fd.Network(WIDTHS), fd.SGD(0.01), batch_size=10)
    history, found = trainer.fit(x, y, epochs=2), trainer.range_test(x, y, steps=20)
    scaling = fd.Scaling.standard(x)
    arrived = WAYS[way](history, tmp_path)
    assert arrived.records == history.records
    arrived = WAYS[way](found, tmp_path)
    assert arrived.suggestion == found.suggestion
    arrived = WAYS[way](scaling, tmp_path)
    np.testing.assert_array_equal(arrived.shift, scaling.shift)


def mapped(array, folder):
    path = folder / f"{len(list(folder.iterdir()))}.npy"  # to write to one that is mapped is fatal
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def frozen(array, folder):
    array = array.copy()
    array.flags.writeable = False
    return array


def buffered(array, folder):
    return np.frombuffer(io.BytesIO(array.tobytes()).getvalue(), array.dtype).reshape(array.shape)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "int64", "float16"])
@pytest.mark.parametrize("way", [mapped, frozen, buffered])
def test_data_that_may_only_be_read_train_and_predict(way, kind, rng, tmp_path):
    x, y = rng.integers(0, 100, (60, 20)).astype(kind), rng.integers(0, 3, 60)
    weight = rng.uniform(1, 2, 60)
    results = []
    for take in (lambda array: array, lambda array: way(array, tmp_path)):
        network = fd.Network([20, 8, 3], scaling=fd.Scaling.standard(take(x)))
        trainer = fd.Trainer(network, fd.SGD(0.01), batch_size=10)
        history = trainer.fit(
            take(x), take(y), validation=(take(x), take(y)), sample_weight=take(weight)
        )
        results.append(
            (bits(network), history["val_loss"].tolist(), network.predict(take(x)).tolist())
        )
    assert results[0] == results[1]


def trained(network, x, y):
    fd.Trainer(network, fd.SGD(0.01), batch_size=10).fit(x, y)
    return bits(network)


def test_workers_of_joblib_train_what_they_are_sent(problem):
    joblib = pytest.importorskip("joblib")
    network = fd.Network(WIDTHS)
    tasks = [joblib.delayed(trained)(network, *problem) for _ in range(2)]
    assert joblib.Parallel(n_jobs=2, max_nbytes=1000)(tasks) == [trained(network, *problem)] * 2
