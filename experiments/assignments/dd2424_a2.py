"""DD2424 assignment 2: two layers, cyclical learning rates, a search for λ.

Claim: about 46 % and 47 % in the assignment's figures 3 and 4, 50 % and more after the search; 53 %
is what the report's network reaches on validation rows, not on test rows.

    python -m experiments run dd2424_a2
"""

from dataclasses import replace

import fastdl as fd

from ..spec import (
    Assignment,
    Best,
    Between,
    Cifar10,
    Curves,
    GradientCheck,
    Model,
    Scatter,
    Search,
    Training,
    log_uniform,
)
from . import dd2424_a1


def cycles(half_cycle: int) -> fd.SGD:
    return fd.SGD(fd.schedules.Triangular(1e-5, 1e-1, half_cycle))


SEARCHED = Cifar10(train=(1, 2, 3, 4, 5), validation=5_000)
MODEL = Model(widths=(3072, 50, 10), activations=("relu",), init=fd.init.Xavier())
CHECK = GradientCheck(
    name="gradient_check", title="gradient check", answers=("2-0",), data=dd2424_a1.DATA,
    model=MODEL, samples=20, l2=0.01,
)  # fmt: skip
OVERFIT = Training(
    name="overfit", title="100 images, 200 epochs, λ = 0", model=MODEL,
    data=replace(dd2424_a1.DATA, train_rows=100), optimiser=fd.SGD(0.01), batch_size=10, epochs=200,
)  # fmt: skip
FIGURE3 = Training(
    name="figure3", title="n_s = 500, 1 cycle", answers=("2-1",), data=dd2424_a1.DATA, model=MODEL,
    optimiser=cycles(500), l2=0.01, batch_size=100, epochs=10, shuffle=None, record=20,
    test_curve=True,
)  # fmt: skip
FIGURE4 = replace(
    FIGURE3, name="figure4", title="n_s = 800, 3 cycles", answers=("2-2",), optimiser=cycles(800),
    epochs=48,
)  # fmt: skip
COARSE = replace(
    FIGURE3, name="coarse", title="coarse", answers=(), optimiser=cycles(45), batch_size=1_000,
    data=SEARCHED, epochs=2, shuffle="rows",
    record="epoch", test_curve=False,
)  # fmt: skip
FINE = replace(
    COARSE, name="fine", title="fine", optimiser=cycles(196), epochs=24, test_curve=True,
    data=replace(SEARCHED, validation=1_000), searched=True,
)  # fmt: skip
FINAL = replace(FINE, name="final", title="final", optimiser=cycles(1_960), batch_size=100)
REPORTED_COARSE = tuple(
    replace(COARSE, name=f"reported_coarse_{i}", title=f"λ = {l2:.4g}", answers=(f"2-3{i}",), l2=l2)
    for i, l2 in zip(
        "abc", (0.00017243318991509566, 0.00012858001895121613, 0.000177731895593419), strict=True
    )
)
# The report's batch of 1,000 and n_s = n / batch cannot give its 54 %: this gives it.
COARSE_BATCH100 = replace(
    REPORTED_COARSE[0], name="coarse_batch100", answers=(), optimiser=cycles(900), batch_size=100,
    title=f"{REPORTED_COARSE[0].title}, batch 100, n_s = 900", epochs=4,
)  # fmt: skip
REPORTED_FINE = tuple(
    replace(FINE, name=f"reported_fine_{i}", title=f"λ = {l2:.5g}", answers=(f"2-4{i}",), l2=l2)
    for i, l2 in zip(
        "abc", (0.00014723136921651275, 0.00014766421591256475, 0.00016984897921736686), strict=True
    )
)
REPORTED_BEST = replace(
    FINAL, name="reported_best", title="λ = 0.00014766, batch 100", answers=("2-5",),
    l2=REPORTED_FINE[1].l2,
)  # fmt: skip

SPEC = Assignment(
    title="DD2424 assignment 2: a two-layer network with cyclical learning rates",
    asked=(
        "Train 3072-50-10 with ReLU and a learning rate that goes up and down between 1e-5 and "
        "1e-1. Check the gradients, overfit 100 images, repeat the assignment's figures 3 and 4, "
        "search for λ coarsely over 10^-5 to 10^-1 and finely around the best, and train the best "
        "network on all but 1,000 images."
    ),
    items=(
        CHECK, OVERFIT, FIGURE3, FIGURE4, *REPORTED_COARSE, COARSE_BATCH100,
        Search(
            name="coarse", title="coarse search", base=COARSE_BATCH100,
            axes={"l2": log_uniform(15, -5, -1, seed=0)},
        ),
        *REPORTED_FINE,
        Between(name="fine", title="fine search", base=FINE, of="coarse", draws=8),
        REPORTED_BEST,
        Best(name="best", title="best of the fine search", base=FINAL, of="fine"),
    ),
    figures=(
        Curves(of=("overfit",), caption="100 images are learnt by heart: the gradients work."),
        Curves(of=("figure3",), x="step", caption="The assignment's figure 3: one cycle."),
        Curves(of=("figure4",), x="step", lead=True,
               caption="The assignment's figure 4: three cycles."),
        Scatter(
            of=("coarse",), caption="Coarse search: draws of λ, ranked by validation accuracy "
            "and, as the report did by mistake, by training accuracy.",
        ),
        Scatter(of=("fine",), caption="Fine search between the extremes of the coarse top three."),
        *(
            Curves(of=(run.name,), x="step", caption=f"Fine search at the report's {run.title}.")
            for run in REPORTED_FINE
        ),
        Curves(of=("reported_best",), caption="The report's best network."),
        Curves(of=("best",), caption="The best network of our search."),
    ),
)  # fmt: skip
