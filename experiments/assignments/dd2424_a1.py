"""DD2424 assignment 1, the protocol of 2020 to 2024: one linear layer on CIFAR-10.

Claim: gradients that agree with centred differences below 1e-6, and test accuracies of about 29,
39, 39 and 37.5 %. The batches come in the order of the file: shuffling was a bonus.

    python -m experiments run dd2424_a1
"""

from collections.abc import Iterable
from dataclasses import replace

import fastdl as fd

from ..spec import (
    Assignment,
    Cifar10,
    Curves,
    Figure,
    GradientCheck,
    Model,
    Templates,
    Training,
)

DATA = Cifar10(train=(1,), validation=(2,))
MODEL = Model(widths=(3072, 10), init=fd.init.Normal(0.01))
LARGE = replace(MODEL, init=fd.init.Normal(0.04))
FIRST = Training(
    name="lambda0_eta0.1", title="λ = 0, η = 0.1", answers=("0-5", "1-1"), data=DATA, model=MODEL,
    optimiser=fd.SGD(0.1), batch_size=100, epochs=40, shuffle=None, keep=("weights",),
)  # fmt: skip
SECOND = replace(
    FIRST, name="lambda0_eta0.001", title="λ = 0, η = 0.001", answers=("0-6", "1-2"),
    optimiser=fd.SGD(0.001),
)  # fmt: skip
THIRD = replace(
    SECOND, name="lambda0.1_eta0.001", title="λ = 0.1, η = 0.001", answers=("0-7", "1-3"), l2=0.1
)
FOURTH = replace(
    SECOND, name="lambda1_eta0.001", title="λ = 1, η = 0.001", answers=("0-1", "0-8", "1-4"), l2=1.0
)
TRAININGS = (FIRST, SECOND, THIRD, FOURTH)
TOO_LARGE = tuple(
    replace(
        run, name=f"sigma0.04_lambda{run.l2:g}", title=f"{run.title}, weights from σ = 0.04",
        answers=(), model=LARGE, keep=(),
    )
    for run in (SECOND, THIRD, FOURTH)
)  # fmt: skip
CHECK = GradientCheck(
    name="gradient_check", title="gradient check", answers=("1-0",), data=DATA, model=MODEL,
    samples=20,
)  # fmt: skip


def figures(runs: Iterable[Training]) -> tuple[Figure, ...]:
    return tuple(
        figure
        for run in runs
        for figure in (
            Curves(of=(run.name,), caption=f"Learning curves, {run.title}."),
            Templates(
                of=(run.name,), caption=f"The weights of every class, {run.title}.",
                lead=run is FOURTH,
            ),
        )
    )  # fmt: skip


SPEC = Assignment(
    title="DD2424 assignment 1: a linear classifier of CIFAR-10",
    asked=(
        "Train one linear layer with softmax cross-entropy and an L2 penalty by mini-batch "
        "gradient descent: data_batch_1 to train, data_batch_2 to validate, test_batch to test, "
        "every pixel z-scored by the training images; 40 epochs of batches of 100, for four "
        "settings of the penalty λ and the learning rate η. Check the gradients; show loss, cost "
        "and accuracy after every epoch and the learnt weights as images."
    ),
    items=(CHECK, *TRAININGS, *TOO_LARGE),
    figures=figures(TRAININGS),
)
