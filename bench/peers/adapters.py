"""How each library trains a workload, as well as its own documentation knows to.

Every adapter has the same three methods. The libraries are imported when an adapter is made, so
that a process loads one of them alone, and knows what that took.
"""

import os
from importlib.util import find_spec

import numpy as np

from peers.workloads import L2, LEARNING_RATE, SEED


class Peer:
    """A library, about to train.

    Parameters
    ----------
    workload : Workload
    x, y : array
        Its data.
    n_threads : int or None
        None where the library chooses.
    """

    module: str  # what is imported; the peer is left out where it is not installed

    def epoch(self, order):
        """Train on all rows, in this order."""
        raise NotImplementedError

    def train(self, epochs):
        """Train for some epochs, each in a new order, as a user would."""
        for _ in range(epochs):
            self.epoch(self.rng.permutation(self.n))

    def parameters(self):
        """Weight (d, h) and bias (h,) of every layer in turn."""
        raise NotImplementedError

    def __init__(self, workload, x, y, n_threads):
        self.workload, self.x, self.y, self.n_threads = workload, x, y, n_threads
        self.n, self.batch_size = len(x), workload.batch_size
        self.rng = np.random.default_rng(SEED)


class Fastdl(Peer):
    """This project: a fit of so many epochs."""

    module = "fastdl"

    def __init__(self, workload, x, y, n_threads):
        super().__init__(workload, x, y, n_threads)
        import fastdl as fd

        loss = "mse" if workload.regression else "softmax_cross_entropy"
        self.network = fd.Network(workload.widths, loss=loss, dtype=x.dtype)
        pairs = zip(self.network.parameters.values(), workload.start(), strict=True)
        for parameter, start in pairs:
            parameter[...] = start
        self.trainer = fd.Trainer(
            self.network, fd.SGD(LEARNING_RATE), batch_size=workload.batch_size, l2=L2, seed=SEED,
            n_threads=n_threads,
        )  # fmt: skip

    def epoch(self, order):
        # The trainer makes its orders itself: its first one is that of the seed, as is ours.
        self.train(1)

    def train(self, epochs):
        self.trainer.fit(self.x, self.y, epochs=epochs, record=None, progress=False)

    def parameters(self):
        return list(self.network.parameters.values())


class NumPy(Peer):
    """In place, into buffers that are made once (``bench/baseline.py``)."""

    module = "numpy"

    def __init__(self, workload, x, y, n_threads):
        super().__init__(workload, x, y, n_threads)
        import baseline

        self.baseline = baseline.make(
            workload, workload.start(), l2=L2, learning_rate=LEARNING_RATE
        )

    def epoch(self, order):
        self.baseline.epoch(self.x, self.y, order)

    def parameters(self):
        pairs = zip(self.baseline.weights, self.baseline.biases, strict=True)
        return [parameter for pair in pairs for parameter in pair]


class PyTorch(Peer):
    """Eager, with the data in two tensors, one index_select a batch and the foreach SGD."""

    module = "torch"

    def __init__(self, workload, x, y, n_threads):
        super().__init__(workload, x, y, n_threads)
        import torch

        self.torch = torch
        torch.set_num_threads(n_threads)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        model, self.linears = self._model()
        criterion = torch.nn.MSELoss() if workload.regression else torch.nn.CrossEntropyLoss()
        self.loss = lambda x, y: criterion(model(x), y)
        weights = [linear.weight for linear in self.linears]
        biases = [linear.bias for linear in self.linears]
        # Its decay adds weight_decay * W to the gradient, and the penalty here is L2 * sum(W^2).
        groups = [{"params": weights, "weight_decay": 2 * L2}, {"params": biases}]
        self.optimiser = torch.optim.SGD(groups, lr=LEARNING_RATE, foreach=True)
        self.update = self.optimiser.step

    def _model(self):
        nn, start = self.torch.nn, self.workload.start()
        linears = [nn.utils.skip_init(nn.Linear, d, h) for d, h in self.workload.layers]
        with self.torch.no_grad():
            for linear, weight, bias in zip(linears, start[::2], start[1::2], strict=True):
                linear.weight.copy_(self.torch.from_numpy(weight.T))
                linear.bias.copy_(self.torch.from_numpy(bias))
        modules = [module for linear in linears for module in (linear, nn.ReLU())]
        return nn.Sequential(*modules[:-1]), linears

    def epoch(self, order):
        self._epoch(self.torch.from_numpy(order))

    def train(self, epochs):
        for _ in range(epochs):
            self._epoch(self.torch.randperm(self.n))

    def _epoch(self, order):
        for rows in order.split(self.batch_size):
            loss = self.loss(self.x.index_select(0, rows), self.y.index_select(0, rows))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.update()

    def parameters(self):
        tensors = [t for linear in self.linears for t in (linear.weight.T, linear.bias)]
        return [tensor.detach().numpy() for tensor in tensors]


class CompiledPyTorch(PyTorch):
    """The loss with its gradient, and the optimiser's step, under torch.compile."""

    def __init__(self, workload, x, y, n_threads):
        # A pool of compilers would outlive the compilation and hold memory.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
        super().__init__(workload, x, y, n_threads)
        # A last batch of fewer rows is compiled for itself: kernels for any number are slower.
        self.loss = self.torch.compile(self.loss, dynamic=False)
        self.update = self.torch.compile(self.optimiser.step)


class Jax(Peer):
    """The whole epoch in one jit, a lax.scan over the batches; parameters are donated."""

    module = "jax"

    def __init__(self, workload, x, y, n_threads):
        super().__init__(workload, x, y, n_threads)
        import jax

        self.jax = jax
        self.x = jax.numpy.asarray(x)
        self.y = jax.numpy.asarray(y if workload.regression else y.astype(np.int32))
        self.values = [jax.numpy.array(start) for start in workload.start()]
        self.compiled = jax.jit(self._epoch, donate_argnums=0)

    def _epoch(self, values, x, y, order):
        def step(values, rows):
            def read(array):
                return array.at[rows].get(mode="promise_in_bounds", unique_indices=True)

            gradients = self.jax.grad(self._loss)(values, read(x), read(y))
            moved = [
                value - LEARNING_RATE * (gradient + 2 * L2 * value * (value.ndim > 1))
                for value, gradient in zip(values, gradients, strict=True)
            ]
            return moved, None

        size = self.batch_size
        n_full = self.n // size
        values, _ = self.jax.lax.scan(step, values, order[: n_full * size].reshape(n_full, size))
        return step(values, order[n_full * size :])[0] if self.n % size else values

    def _loss(self, values, x, y):
        for i in range(0, len(values), 2):
            x = (self.jax.nn.relu(x) if i else x) @ values[i] + values[i + 1]
        if self.workload.regression:
            return ((x - y) ** 2).mean()
        own = self.jax.numpy.take_along_axis(x, y[:, None], axis=1)[:, 0]
        return (self.jax.nn.logsumexp(x, axis=1) - own).mean()

    def epoch(self, order):
        self.values = self.compiled(self.values, self.x, self.y, order.astype(np.int32))

    def train(self, epochs):
        super().train(epochs)
        self.jax.block_until_ready(self.values)

    def parameters(self):
        return [np.asarray(value) for value in self.values]


class ScikitLearn(Peer):
    """MLPClassifier or MLPRegressor, one partial_fit an epoch."""

    module = "sklearn"

    def __init__(self, workload, x, y, n_threads):
        super().__init__(workload, x, y, n_threads)
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        # Its penalty is alpha / 2 * sum(W^2) over the rows of the batch, and its squared loss
        # has a factor of 1/2: twice the rate and half the penalty are the same step. Only a last
        # batch of fewer rows decays a little more.
        factor = 2 if workload.regression else 1
        self.model = (MLPRegressor if workload.regression else MLPClassifier)(
            hidden_layer_sizes=workload.widths[1:-1], solver="sgd", momentum=0.0,
            batch_size=workload.batch_size,
            learning_rate_init=factor * LEARNING_RATE, random_state=0,
            alpha=2 * L2 * workload.batch_size / factor,
        )  # fmt: skip
        self.y = y[:, 0] if workload.regression else y
        self.classes = {} if workload.regression else {"classes": np.arange(workload.widths[-1])}
        # Only a first step makes the parameters, which are then set to the start.
        self._partial_fit(np.arange(self.batch_size))
        start = workload.start()
        pairs = zip(self.parameters(), start, strict=True)
        for parameter, value in pairs:
            parameter[...] = value

    def _partial_fit(self, rows=slice(None)):
        self.model.partial_fit(self.x[rows], self.y[rows], **self.classes)

    def epoch(self, order):
        class InThisOrder(np.random.RandomState):
            def shuffle(self, indices):
                indices[...] = order

        self.model.set_params(random_state=InThisOrder())
        self._partial_fit()
        self.model.set_params(random_state=np.random.RandomState(SEED))

    def train(self, epochs):
        for _ in range(epochs):
            self._partial_fit()

    def parameters(self):
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [parameter for pair in pairs for parameter in pair]


PEERS = {
    "fastdl": Fastdl,
    "NumPy": NumPy,
    "PyTorch": PyTorch,
    "torch.compile": CompiledPyTorch,
    "JAX": Jax,
    "scikit-learn": ScikitLearn,
}


def missing(names):
    """Of these peers those that are not installed: what has to be imported for each."""
    modules = {name: PEERS[name].module for name in names}
    return {name: module for name, module in modules.items() if find_spec(module) is None}
