"""Technion 236606 HW2, section b: L1, L2 or no penalty.

Claim: at the decays that the report chose, the three norms do not differ beyond the noise of the
seed. A step adds the penalty's gradient once; the report's code divided it by the batch size.

    python -m experiments run hw2_regularization
"""

from dataclasses import replace

from ..spec import Assignment, Best, Curves, Search, Sweep
from .hw2_batch_size import BATCH128

DECAYS = (5e-7, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4)
NONE = replace(
    BATCH128, name="none", title="no penalty", answers=("4-b6",), batch_size=1_024, epochs=20
)
# The report says 10 epochs: the losses of its sweeps agree, those of its chosen nets ask for 20.
SHORT = replace(
    NONE,
    name="sweep_none",
    title="no penalty, 10 epochs",
    answers=("4-b3",),
    epochs=10,
    record="epoch",
    train_metrics="full",
)
BASE = replace(SHORT, answers=())
ZOOM = (700, 960)


def curves(name: str, title: str) -> tuple[Curves, Curves]:
    both = f"Loss and accuracy at every iteration, {title}."
    return (
        Curves(of=(name,), x="step", panels=("loss", "accuracy"), caption=both),
        Curves(
            of=(name,), x="step", panels=("loss", "accuracy"), zoom=ZOOM, suffix="zoom",
            caption=f"The last iterations, where the generalisation error shows, {title}.",
        ),
    )  # fmt: skip


SPEC = Assignment(
    title="HW2, section b: regularization on MNIST",
    asked=(
        "Train 784-128-10 with batches of 1,024 rows and an L1 penalty, an L2 penalty or none. "
        "Choose each norm's weight decay by the validation rows after 10 epochs, then compare the "
        "generalisation errors over 20 epochs at the chosen decays."
    ),
    items=(
        Search(
            name="sweep_l1", title="L1 sweep", answers=("4-b1",), base=BASE, axes={"l1": DECAYS}
        ),
        Search(
            name="sweep_l2", title="L2 sweep", answers=("4-b2",), base=BASE, axes={"l2": DECAYS}
        ),
        SHORT,
        Best(name="best_l1", title="L1", answers=("4-b4",), base=NONE, of="sweep_l1"),
        Best(name="best_l2", title="L2", answers=("4-b5",), base=NONE, of="sweep_l2"),
        NONE,
    ),
    figures=(
        Sweep(of=("sweep_l1",), caption="Validation loss and accuracy against the L1 decay."),
        Sweep(of=("sweep_l2",), caption="Validation loss and accuracy against the L2 decay."),
        *curves("best_l1", "L1"),
        *curves("best_l2", "L2"),
        *curves("none", "no penalty"),
    ),
)
