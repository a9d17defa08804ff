"""Small calls, in microseconds beyond their products: python bench/small.py

The products of a step are what a batch of such rows takes in an epoch of many; those of an answer
what the bare call of the loops takes, with everything made before; those of a fit are a step.
"""

import sys
import threading
import time
from functools import partial

import numpy as np

import fastdl as fd
from fastdl import data, river
from fastdl._epoch import Workspace
from fastdl.network import core_of

SHAPES = {"2-128-64-1": ([2, 128, 64, 1], "mse", 10), "784-128-10": ([784, 128, 10], None, 1)}
LARGE = {"784-512-512-10": ([784, 512, 512, 10], None, 1)}
SECONDS = 0.3


def microseconds(call, calls=0):
    """The least of several means of a call, by the clock of the process."""
    if not calls:
        call()
        calls = max(1, int(SECONDS / 20 / max(1e-7, microseconds(call, 3) * 1e-6)))
    times = []
    for _ in range(15 if calls > 3 else 2):
        began = time.process_time()
        for _ in range(calls):
            call()
        times.append((time.process_time() - began) / calls * 1e6)
    return min(times)


def made(name, rows=None):
    """A network, rows, and what is right for them."""
    widths, loss, n = (SHAPES | LARGE)[name]
    n = rows or n
    rng = np.random.default_rng(0)
    net = fd.Network(widths, loss=loss or "softmax_cross_entropy")
    x = rng.normal(size=(n, widths[0])).astype(np.float32)
    y = x[:, :1].copy() if loss else x[:, :10].argmax(axis=1)
    return net, x, y


def trainer_of(net, n):
    return fd.Trainer(net, fd.SGD(0.01), batch_size=n, shuffle=None, n_threads=1)


def bare(net, x):
    """The loops' own call of an answer."""
    core = core_of(net)
    rows, workspace = data.compiled(core, data.read(core, "x", x)), Workspace(core.program)
    out = np.empty((len(x), core.layers[-1].h), np.float32)
    return microseconds(lambda: core.program.evaluate(rows, workspace, core.flat, out, None, 1))


def batch(net, x, y, many=1000):
    """A batch of an epoch of many."""
    trainer = trainer_of(net, len(x))
    xs, ys = np.tile(x, (many, 1)), np.concatenate([y] * many)
    fit = partial(trainer.fit, xs, ys, record=None, progress=False)
    return (microseconds(partial(fit, epochs=3)) - microseconds(fit)) / (2 * many)


def show(name, call, base):
    whole = microseconds(call)
    print(f"{name:40}{whole:9.2f}{base:10.2f}{whole - base:9.2f}")


def squared(logits, y):
    off = logits - y
    return (off * off).mean(axis=1), 2 * off


def steps(name):
    net, x, y = made(name)
    base, n = batch(net, x, y), len(x)
    show(f"step {name}, {n} rows", partial(trainer_of(net, n).step, x, y), base)
    dlogits = 1e-6 * net.logits(x)
    show(f"step {name}, dlogits", partial(trainer_of(net, n).step, x, dlogits=dlogits), base)
    own = fd.Network(SHAPES[name][0], loss=squared)
    given = np.zeros_like(dlogits)
    show(f"step {name}, a loss of one's own", partial(trainer_of(own, n).step, x, given), base)


def answers(name):
    for n, methods in ((1, ("predict", "logits", "predict_proba")), (64, ("predict",))):
        net, x, _ = made(name, n)
        for method in methods:
            if method != "predict_proba" or net.loss_function.probabilities:
                show(f"{method} {name}, {n} rows", partial(getattr(net, method), x), bare(net, x))


def fits(name):
    """A fit of one batch beside a step of it, the least of many single calls of each."""
    net, x, y = made(name, 10)
    trainer = trainer_of(net, 10)
    trainer.fit(x, y, epochs=50, record=None)  # so that it has learnt something
    base = least(partial(trainer.step, x, y))
    for record in (None, "epoch"):
        whole = least(partial(trainer.fit, x, y, record=record, progress=False))
        print(f"{f'fit {name}, 10 rows, {record=}':40}{whole:9.2f}{base:10.2f}{whole - base:9.2f}")


def least(call, calls=2000):
    """Microseconds of the quickest of single calls, which neighbours seldom disturb."""
    best = float("inf")
    for _ in range(calls):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return 1e6 * best


def by_rows(made, y):
    """What dictionaries of features cost beside the step of the same row."""
    x = {f"f{i}": float(i) for i in range(20)}
    made.learn_one(x, y)
    row = np.array([[*x.values()]], np.float32)
    labels = made.trainer.network.loss_function.y == "labels"
    target = np.zeros(1, np.int64) if labels else np.ones((1, 1), np.float32)
    name = f"learn_one {type(made).__name__} {made.trainer.network.loss}"
    show(name, partial(made.learn_one, x, y), microseconds(partial(made.trainer.step, row, target)))


def serve(net, x, stop, done):
    """Answer until it is time to stop; how often goes to done."""
    n = 0
    while time.perf_counter() < stop:
        for _ in range(100):
            net.predict(x)
        n += 100
    done.append(n)


def server(name, n_threads, seconds=0.3, rounds=7):
    """Answers of one row a second by so many threads on one network, and the processor's time.

    Where neighbours hold the cores the latter tells whether threads are in each other's way.
    """
    net, x, _ = made(name, 1)
    found = []
    for _ in range(rounds):
        done = []
        began = time.process_time()
        given = net, x, time.perf_counter() + seconds, done
        threads = [threading.Thread(target=serve, args=given) for _ in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        each = (time.process_time() - began) / sum(done)
        found.append((sum(done) / seconds, each * 1e6, each * sum(done) / seconds))
    most, each, cores = max(found)
    print(
        f"{n_threads} threads, predict {name}, one row: {most:7.0f} a second, "
        f"{each:6.2f} microseconds of a core each, {cores:.2f} cores"
    )


if __name__ == "__main__":
    print(f"{'microseconds':40}{'call':>9}{'products':>10}{'beyond':>9}")
    for name in SHAPES:
        steps(name)
        answers(name)
        fits(name)
    print("beside the step alone")
    for kind, k in ((river.Regressor, 1), (river.Classifier, 1), (river.Classifier, 2)):
        by_rows(kind([20, 32, k], fd.SGD(0.001)), 1)
    for name in SHAPES | LARGE if "--server" in sys.argv else ():
        for n_threads in (1, 2, 8):
            server(name, n_threads)
