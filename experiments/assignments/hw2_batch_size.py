"""Technion 236606 HW2, section a: the batch size.

Claim: with one learning rate for all, larger batches take fewer steps and end at a lower accuracy:
about 97.5, 97, 95 and 92.5 %. The validation rows are evaluated at every iteration.

    python -m experiments run hw2_batch_size
"""

from dataclasses import replace

import fastdl as fd

from ..spec import Assignment, Curves, Mnist, Model, Training

BATCH128 = Training(
    name="batch128", title="batch 128", answers=("4-a1",), data=Mnist(),
    model=Model(widths=(784, 128, 10), activations=("relu",), init=fd.init.Uniform()),
    optimiser=fd.SGD(1.0), batch_size=128, epochs=4, drop_last=True, record=1,
    train_metrics="batches",
)  # fmt: skip
RUNS = (
    BATCH128,
    *(
        replace(
            BATCH128, name=f"batch{size}", title=f"batch {size:,}", answers=(f"4-a{i}",),
            batch_size=size, epochs=epochs,
        )
        for i, (size, epochs) in enumerate(((1_024, 10), (10_000, 30), (20_000, 30)), 2)
    ),
)  # fmt: skip

SPEC = Assignment(
    title="HW2, section a: the batch size on MNIST",
    asked=(
        "Train 784-128-10 with ReLU and softmax on MNIST less its mean, with batches of 128, "
        "1,024, 10,000 and 20,000 rows, one learning rate and no penalty. Show loss and accuracy "
        "of batch and validation rows at every iteration, and the seconds."
    ),
    items=RUNS,
    figures=tuple(
        Curves(
            of=(run.name,), x="step", panels=("loss", "accuracy"),
            caption=f"Loss and accuracy at every iteration, {run.title}. The training curve is of "
            "the batch at hand.",
        )
        for run in RUNS
    ),
)  # fmt: skip
