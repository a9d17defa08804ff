"""DD2424 assignment 1, bonus of 2021: all the data, and training fifty times as long.

Claim: 1,000 validation rows and all others to train on lift λ = 1 to about 38 %; 2,000 epochs do
not help, and training and validation cost never drift apart. Only the order of the batches is
shuffled, as in the report.

    python -m experiments run dd2424_a1_bonus_2021
"""

from dataclasses import replace

from ..spec import Assignment, Cifar10, Curves, Snapshots, Templates
from . import dd2424_a1

MARKS = (1, 10, 50, *range(100, 1001, 100))
ALL = replace(
    dd2424_a1.FOURTH, name="all_data", title="all the data, 40 epochs", answers=("0-2",),
    data=Cifar10(train=(1, 2, 3, 4, 5), validation=1_000), shuffle="batches", test_curve=True,
)  # fmt: skip
LONG = replace(
    ALL, name="long", title="all the data, 2,000 epochs", seeds=1, epochs=2_000, watch=0.5,
    answers=("0-3", *(f"0-4{letter}" for letter in "abcdefghijklm")),
    marks=MARKS, keep=("weights", "snapshots"),
)  # fmt: skip

SPEC = Assignment(
    title="DD2424 assignment 1, bonus 2021: more data, longer training",
    asked=(
        "Improve the linear classifier with λ = 1 and η = .001: (i) train on all five batches but "
        "1,000 images; (ii) train that for 2,000 epochs, with a snapshot of the three diagrams "
        "every 100 epochs, every epoch in a table, and a watch that tells when training and "
        "validation cost are more than .5 apart."
    ),
    items=(ALL, LONG),
    figures=(
        Curves(of=("all_data",), caption="Learning curves on all the data, λ = 1, η = 0.001."),
        Templates(of=("all_data",), caption="The weights of every class after 40 epochs."),
        Curves(of=("long",), caption="Learning curves of the long training."),
        Templates(of=("long",), caption="The weights of every class after the long training."),
        Snapshots(of=("long",), caption="The weights of every class at every snapshot."),
    ),
)
