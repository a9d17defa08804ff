"""Technion 236606 HW2, section d: a regression surface.

Claim: 1,000 points fit the surface better than 100, above all at its edges. The text asks for
x₁ exp(-x₁² - x₂²), the report's code fits x₁ + exp(-x₁² - x₂²): both are run.

    python -m experiments run hw2_regression
"""

from typing import Literal

import fastdl as fd

from ..spec import Assignment, Curves, Model, Search, Surface, Surfaces, Sweep, Training

HIDDEN = ((64,), (128,), (256,), (400,), (64, 64), (128, 64), (64, 128), (100, 200))
DECAYS = (5e-7, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 5e-3)
# The report's η is .1, but its code's gradient is ŷ - y, half the derivative of the square.
RATE = 0.05
CHOSEN = {100: (64, 64), 1_000: (128, 64)}
SYMBOL = {"product": "x₁ · exp", "sum": "x₁ + exp"}
Target = Literal["product", "sum"]
TARGETS: tuple[Target, ...] = ("product", "sum")


def fit(target: Target, m: int, hidden: tuple[int, ...]) -> Training:
    """The fit of a net to m points; the nets with the product answer the report's table."""
    chosen = hidden == CHOSEN[m]
    answers = (f"4-d{HIDDEN.index(hidden) + 1}", *(("4-d9", "4-d10") if chosen else ()))
    return Training(
        name="_".join(map(str, (target, f"m{m}", *hidden))),
        title=f"{SYMBOL[target]}, m = {m:,}, {'-'.join(map(str, (2, *hidden, 1)))}",
        answers=answers if target == "product" else (),
        data=Surface(target=target, m=m),
        model=Model(
            widths=(2, *hidden, 1), activations=("relu", "sigmoid")[: len(hidden)], loss="mse",
            init=fd.init.Uniform(),
        ),
        optimiser=fd.SGD(RATE), batch_size=m // 10, epochs=200, l2=5e-7,
        keep=("predictions",) if chosen else (),
    )  # fmt: skip


FITS = tuple(fit(target, m, hidden) for target in TARGETS for m in CHOSEN for hidden in HIDDEN)
SWEEPS = tuple(
    Search(
        name=f"{target}_m{m}_decay", title=f"weight decay, {SYMBOL[target]}, m = {m:,}",
        answers=("4-d0",) if target == "product" else (), base=fit(target, m, (128, 64)),
        axes={"l2": DECAYS}, rank="validation_loss",
    )
    for target in TARGETS
    for m in CHOSEN
)  # fmt: skip

SPEC = Assignment(
    title="HW2, section d: regression of a surface",
    asked=(
        "Fit f(x₁, x₂) = x₁ exp(-x₁² - x₂²) on [-2, 2]² from 100 and from 1,000 points with the "
        "mean squared error; choose a weight decay and a network for each, and draw the true and "
        "the fitted surface over a grid. Batches of a tenth of the points, 200 epochs."
    ),
    items=(*SWEEPS, *FITS),
    figures=(
        *(
            Sweep(
                of=(sweep.name,), metric="test",
                caption=f"Test loss against the weight decay, {sweep.title}.",
            )
            for sweep in SWEEPS
        ),
        *(
            Curves(
                of=(fit(target, m, hidden).name,), x="step", panels=("loss",),
                caption=f"Training and validation loss, {fit(target, m, hidden).title}.",
            )
            for target in TARGETS
            for m, hidden in CHOSEN.items()
        ),
        *(
            Surfaces(
                of=tuple(fit(target, m, hidden).name for m, hidden in CHOSEN.items()),
                caption=f"The true surface, the fitted one and their difference, {SYMBOL[target]}.",
                lead=target == "sum",
            )
            for target in TARGETS
        ),
    ),
)  # fmt: skip
