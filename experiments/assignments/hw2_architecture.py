"""Technion 236606 HW2, section c: ten architectures.

Claim: one hidden layer of 512 units is the most accurate, about 97.8 %; a second, sigmoid layer
does not help at this learning rate.

    python -m experiments run hw2_architecture
"""

from dataclasses import replace

from ..spec import AccuracyAgainstSeconds, Assignment
from .hw2_batch_size import BATCH128

HIDDEN = (
    (64,), (128,), (256,), (512,), (64, 64), (512, 512), (128, 64), (80, 512), (100, 200), (512, 80)
)  # fmt: skip
RUNS = tuple(
    replace(
        BATCH128, name="_".join(map(str, hidden)), title="-".join(map(str, (784, *hidden, 10))),
        answers=(f"4-c{i}",), batch_size=1_024, epochs=20, l2=5e-5, validate=False,
        model=replace(
            BATCH128.model, widths=(784, *hidden, 10),
            activations=("relu", "sigmoid")[: len(hidden)],
        ),
    )
    for i, hidden in enumerate(HIDDEN, 1)
)  # fmt: skip

SPEC = Assignment(
    title="HW2, section c: ten architectures on MNIST",
    asked=(
        "Train at least nine networks of two or three layers, up to 512 units wide; compare "
        "weights, seconds, and loss and accuracy on training and test rows. The first hidden layer "
        "is ReLU, a second one sigmoid; 20 epochs of batches of 1,024 rows, L2 decay 5e-5."
    ),
    items=RUNS,
    figures=(
        AccuracyAgainstSeconds(
            of=tuple(run.name for run in RUNS),
            caption="Test accuracy against the seconds of the fit; areas show the weights.",
            lead=True,
        ),
    ),
)
