"""DD2424 assignment 1, the protocol of 2017 to 2019: pixels / 255 and η = .01.

Claim: test accuracies of about 22 to 31, 37, 33 and 18 to 23 %.

    python -m experiments run dd2424_a1 --year 2019
"""

from dataclasses import replace

import fastdl as fd

from ..spec import Assignment
from . import dd2424_a1

RUNS = tuple(
    replace(
        dd2424_a1.FIRST, name=f"lambda{l2:g}_eta{rate:g}", title=f"λ = {l2:g}, η = {rate:g}",
        answers=(f"2019-{i}",), data=replace(dd2424_a1.DATA, scaling="divided"), l2=l2,
        optimiser=fd.SGD(rate),
    )
    for i, (l2, rate) in enumerate(((0.0, 0.1), (0.0, 0.01), (0.1, 0.01), (1.0, 0.01)), 1)
)  # fmt: skip

SPEC = Assignment(
    title="DD2424 assignment 1, 2017 to 2019: a linear classifier of CIFAR-10",
    asked=(
        "The same linear classifier as asked for until 2019: pixels are divided by 255 and not "
        "z-scored, and the small learning rate is .01."
    ),
    items=RUNS,
    figures=dd2424_a1.figures(RUNS),
)
