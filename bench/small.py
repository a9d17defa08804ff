"""Small calls, in microseconds beyond their products: python bench/small.py

The products of a step are what a batch of such rows takes in an epoch of many; those of an answer
what the bare call of the loops takes, with everything made before; those of an epoch likewise.
"""

import sys
import threading
import time

import numpy as np

import fastdl as fd
from fastdl import data
from fastdl._epoch import Workspace
from fastdl.network import core_of

SHAPES = {"2-128-64-1": ([2, 128, 64, 1], "mse", 10), "784-128-10": ([784, 128, 10], None, 1)}
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
    widths, loss, n = SHAPES[name]
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
    one, two = (
        microseconds(lambda: trainer.fit(xs, ys, epochs=epochs, record=None, progress=False))
        for epochs in (1, 3)
    )
    return (two - one) / (2 * many)


def show(name, call, base):
    whole = microseconds(call)
    print(f"{name:40}{whole:9.2f}{base:10.2f}{whole - base:9.2f}")


def calls():
    print(f"{'microseconds':40}{'call':>9}{'products':>10}{'beyond':>9}")
    for name in SHAPES:
        net, x, y = made(name)
        trainer = trainer_of(net, len(x))
        if hasattr(trainer, "n_steps"):
            show(f"step {name}, {len(x)} rows", lambda: trainer.step(x, y), batch(net, x, y))
        net, x, y = made(name, 1)
        for method in ("predict", "logits", "predict_proba")[: 3 - (name[0] == "2")]:
            show(f"{method} {name}, one row", lambda: getattr(net, method)(x), bare(net, x))
        net, x, y = made(name, 64)
        show(f"predict {name}, 64 rows", lambda: net.predict(x), bare(net, x))
        net, x, y = made(name, 1000)
        trainer = trainer_of(net, 100)
        trainer.fit(x, y, epochs=50, record=None)  # so that it has learnt something
        base = 10 * batch(net, x[:100], y[:100], 20)
        for record in (None, "epoch"):
            extra = bare(net, x) if record else 0.0
            show(
                f"fit {name}, 1000 rows, record={record}",
                lambda: trainer.fit(x, y, record=record, progress=False),
                base + extra,
            )


def server(n_threads, seconds=1.0):
    """Answers of one row a second, by so many threads on one network."""
    for name in SHAPES:
        net, x, _ = made(name, 1)
        done, stop = [0] * n_threads, time.perf_counter() + seconds

        def serve(i):
            while time.perf_counter() < stop:
                for _ in range(100):
                    net.predict(x)
                done[i] += 100

        threads = [threading.Thread(target=serve, args=(i,)) for i in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{n_threads} threads, predict {name}, one row: {sum(done) / seconds:9.0f} a second")


if __name__ == "__main__":
    calls()
    for n_threads in (1, 2, 8) if "--server" in sys.argv else ():
        server(n_threads)
