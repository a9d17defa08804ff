"""fastdl in one process with libraries that bring threads and a BLAS of their own."""

import itertools
from importlib.util import find_spec

import pytest

from tests.fresh import run_python

OTHERS = {
    "torch": "torch.nn.Linear(300, 200)(torch.ones(400, 300)).sum().backward()",
    "sklearn": (
        "from sklearn.cluster import KMeans; "
        "KMeans(3, n_init=1).fit(numpy.random.default_rng(0).normal(size=(3000, 20)))"
    ),
}
TRAIN = """
import hashlib
rng = numpy.random.default_rng(0)
x, y = rng.normal(size=(600, 300)).astype("f"), rng.integers(0, 10, 600)
net = fastdl.Network([300, 200, 10])
fastdl.Trainer(net, fastdl.SGD(0.01), n_threads=2).fit(x, y, epochs=2, progress=False)
print(hashlib.sha256(net.parameters["layers.0.weight"].tobytes()).hexdigest())
"""


@pytest.mark.parametrize("others", [["torch"], ["sklearn"], ["torch", "sklearn"]], ids="-".join)
def test_the_bits_are_those_of_fastdl_alone_in_any_order(others):
    for other in others:
        if find_spec(other) is None:
            pytest.skip(f"needs {other}")
    alone = run_python("import numpy, fastdl" + TRAIN)
    use = "\n".join(OTHERS[other] for other in others)
    for order in itertools.permutations(["fastdl", *others]):
        found = run_python(f"import numpy, {', '.join(order)}\n{use}\n{TRAIN}\n{use}", timeout=120)
        assert found == alone
