"""DD2424 assignment 1, bonus of 2019: shuffling, Xavier, decay, a grid search and an SVM.

Claim: shuffling and Xavier's initialisation change nothing beyond the noise; the decay of the
learning rate lifts 36.5 % to 38 %; the hinge loss loses about 2 points. The report leaves the decay
out of the grid and the SVM: both are run with and without it.

    python -m experiments run dd2424_a1_bonus_2019
"""

from dataclasses import replace

import fastdl as fd

from ..spec import Assignment, Curves, HeatMap, Histograms, Search, Templates
from . import dd2424_a1

# Schedules, both: a rate within is what the grid sets.
DECAYING = fd.SGD(fd.schedules.ExponentialDecay(0.02, 0.9))
CONSTANT = fd.SGD(fd.schedules.Constant(0.02))
BASE = replace(
    dd2424_a1.FIRST, name="unshuffled", title="λ = .01, η = .01, not shuffled", answers=("3-1",),
    data=replace(dd2424_a1.DATA, scaling="divided"), optimiser=fd.SGD(0.01), l2=0.01, keep=(),
)  # fmt: skip
SHUFFLED = replace(
    BASE, name="shuffled", title="λ = .01, η = .01, shuffled", answers=("3-2",), shuffle="rows"
)
SIGMA = replace(
    SHUFFLED, name="sigma0.01", title="λ = 0, σ = .01", answers=("3-3",), l2=0.0,
    keep=("gradients",),
)  # fmt: skip
XAVIER = replace(
    SIGMA, name="xavier", title="λ = 0, Xavier", answers=("3-4",),
    model=replace(SIGMA.model, init=fd.init.Xavier()),
)  # fmt: skip
DECAY = replace(
    SHUFFLED, name="decay", title="λ = 0, η = .02, decay .9", answers=("3-5",), l2=0.0,
    optimiser=DECAYING, keep=("weights",),
)  # fmt: skip
GRID = Search(
    name="grid", title="grid with the decay", answers=("3-6",), base=replace(DECAY, keep=()),
    axes={
        "l2": (0.0, 0.001, 0.0001),
        "batch_size": (64, 100, 128),
        "optimiser.learning_rate.rate": (0.01, 0.02, 0.03),
    },
)  # fmt: skip
GRID_CONSTANT = replace(
    GRID, name="grid_constant", title="grid without the decay", answers=(),
    base=replace(GRID.base, optimiser=CONSTANT),
)  # fmt: skip
BEST = replace(
    DECAY, name="best", title="λ = .0001, batch 64, η = .02, decay .9", answers=("3-7",),
    l2=0.0001, batch_size=64,
)  # fmt: skip
BEST_CONSTANT = replace(
    BEST, name="best_constant", title="the same without the decay", answers=(), optimiser=CONSTANT,
)  # fmt: skip
SVM = replace(
    BEST, name="svm", title="hinge loss, decay .9", answers=("3-8",),
    model=replace(BEST.model, loss="hinge"),
)  # fmt: skip
SVM_CONSTANT = replace(
    SVM, name="svm_constant", title="hinge loss without the decay", answers=(), optimiser=CONSTANT,
)  # fmt: skip

SPEC = Assignment(
    title="DD2424 assignment 1, bonus 2019: shuffling, Xavier, decay, grid search, SVM",
    asked=(
        "Improve the linear classifier of 2019 (pixels / 255) by shuffling, by Xavier's "
        "initialisation, by a learning rate that decays by .9 an epoch, and by a search over "
        "penalty, batch size and learning rate; then train it with the multi-class hinge loss of "
        "an SVM instead of cross-entropy."
    ),
    items=(
        BASE, SHUFFLED, SIGMA, XAVIER, DECAY, GRID, GRID_CONSTANT, BEST, BEST_CONSTANT, SVM,
        SVM_CONSTANT,
    ),
    figures=(
        Curves(of=("unshuffled",), caption="Learning curves, the batches in the file's order."),
        Curves(of=("shuffled",), caption="Learning curves, shuffled before every epoch."),
        Histograms(
            of=("sigma0.01", "xavier"),
            caption="The gradients of the weights over the training set, after training.",
        ),
        Curves(of=("decay",), caption="Learning curves with the decay, λ = 0, η = 0.02."),
        Templates(of=("decay",), caption="The weights of every class, trained with the decay."),
        HeatMap(of=("grid",), caption="Validation accuracy over the grid, with the decay."),
        HeatMap(of=("grid_constant",), caption="Validation accuracy over the grid, without it."),
        Curves(of=("best",), caption="Learning curves of the report's winner."),
        Templates(of=("best",), caption="The weights of every class of the report's winner."),
        Curves(of=("svm",), caption="Learning curves with the hinge loss."),
        Templates(of=("svm",), caption="The weights of every class with the hinge loss."),
    ),
)  # fmt: skip
