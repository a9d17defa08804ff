"""Training as good NumPy code does it: in place, in float32, into buffers that are made once."""

import numpy as np


class Baseline:
    """A dense ReLU network with softmax cross-entropy and an L2 penalty, trained by plain SGD.

    Parameters
    ----------
    weights, biases : sequence of float32 array
        (d, h) and (h,), a layer each; trained in place.
    batch_size : int
    learning_rate, l2 : float
    """

    def __init__(self, weights, biases, *, batch_size, learning_rate, l2):
        self.weights, self.biases = weights, biases
        self.batch_size, self.learning_rate, self.l2 = batch_size, learning_rate, l2
        self.dweights = [np.empty_like(w) for w in weights]
        self.dbiases = [np.empty_like(b) for b in biases]
        widths = [len(weights[0]), *(len(b) for b in biases)]
        self.x, *self.outputs = (np.empty((batch_size, d), np.float32) for d in widths)
        self.douts = [np.empty_like(out) for out in self.outputs]
        self.masks = [np.empty(out.shape, bool) for out in self.outputs[:-1]]
        self.row = np.empty((batch_size, 1), np.float32)
        self.pixels = np.empty(self.x.shape, np.uint8)

    def epoch(self, x, labels, order):
        """All rows of x, uint8 ones scaled to [0, 1], in this order; a last partial batch too."""
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            inputs = self._read(x, rows)
            logits = self._forward(inputs)
            self._output_gradient(logits, labels[rows])
            self._backward(inputs)
            self._update()

    def evaluate(self, x, labels):
        """Mean loss and accuracy, a batch at a time."""
        loss, n_correct = 0.0, 0
        for start in range(0, len(x), self.batch_size):
            y = labels[start : start + self.batch_size]
            block = x[start : start + self.batch_size]
            if x.dtype == np.uint8:
                block = np.multiply(block, np.float32(1 / 255), out=self.x[: len(block)])
            logits = self._forward(block)
            n_correct += np.count_nonzero(logits.argmax(axis=1) == y)
            logits -= np.max(logits, axis=1, keepdims=True, out=self.row[: len(y)])
            own = logits[np.arange(len(y)), y].sum()
            np.exp(logits, out=logits)
            loss += np.log(logits.sum(axis=1)).sum() - own
        return loss / len(x), n_correct / len(x)

    def _read(self, x, rows):
        n = len(rows)
        if x.dtype == np.uint8:
            pixels = np.take(x, rows, axis=0, out=self.pixels[:n], mode="clip")
            return np.multiply(pixels, np.float32(1 / 255), out=self.x[:n])
        # mode="clip" writes into out; the default makes a copy first.
        return np.take(x, rows, axis=0, out=self.x[:n], mode="clip")

    def _forward(self, x):
        n, last = len(x), len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = np.matmul(x, weight, out=self.outputs[i][:n])
            x += bias
            if i < last:
                np.maximum(x, 0, out=x)
        return x

    def _output_gradient(self, logits, labels):
        n = len(labels)
        p, row = self.douts[-1][:n], self.row[:n]
        np.subtract(logits, np.max(logits, axis=1, keepdims=True, out=row), out=p)
        np.exp(p, out=p)
        p /= np.sum(p, axis=1, keepdims=True, out=row)
        self.losses = -np.log(p[np.arange(n), labels])
        p[np.arange(n), labels] -= 1
        p /= n

    def _backward(self, inputs):
        n = len(inputs)
        for i in reversed(range(len(self.weights))):
            dout = self.douts[i][:n]
            below = inputs if i == 0 else self.outputs[i - 1][:n]
            np.matmul(below.T, dout, out=self.dweights[i])
            np.sum(dout, axis=0, out=self.dbiases[i])
            if i > 0:
                dbelow = np.matmul(dout, self.weights[i].T, out=self.douts[i - 1][:n])
                dbelow *= np.greater(below, 0, out=self.masks[i - 1][:n])

    def _update(self):
        for weight, dweight in zip(self.weights, self.dweights, strict=True):
            dweight *= self.learning_rate
            if self.l2:
                weight *= 1 - 2 * self.learning_rate * self.l2
            weight -= dweight
        for bias, dbias in zip(self.biases, self.dbiases, strict=True):
            dbias *= self.learning_rate
            bias -= dbias


class Regression(Baseline):
    """The same with mean squared error, to targets (n, k)."""

    def _output_gradient(self, outputs, targets):
        dout = np.subtract(outputs, targets, out=self.douts[-1][: len(targets)])
        dout *= 2 / dout.size


def make(workload, start, **settings):
    """The one for a workload (``peers/workloads.py``) that trains from these parameters."""
    kind = Regression if workload.regression else Baseline
    return kind(start[::2], start[1::2], batch_size=workload.batch_size, **settings)
