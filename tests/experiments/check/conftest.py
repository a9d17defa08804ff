"""A small setting on made-up rows."""

import pytest

import fastdl as fd
from experiments.check import stored
from experiments.spec import Cifar10, Model, Training

RUN = Training(
    name="tiny", title="tiny", data=Cifar10(train=(1,), validation=(2,), rows=60, stand_in=True),
    model=Model(widths=(3072, 4, 10), activations=("relu",), init=fd.init.Xavier()),
    optimiser=fd.SGD(fd.schedules.Triangular(1e-4, 0.01, 5)), batch_size=20, epochs=2, l2=0.1,
    shuffle=None,
)  # fmt: skip


@pytest.fixture
def tiny(tmp_path):
    return stored.Setting("dd2424_a2", RUN, tmp_path)
