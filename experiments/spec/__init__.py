"""What an assignment is: its data, runs, searches and figures, and the reported rows they answer.

All of it is data: frozen dataclasses that ``coding`` writes as JSON. A new kind of run is a
dataclass here and a function in ``trial``; a new kind of figure one here and a function in
``plots``.
"""

from .assignment import Assignment, Item
from .data import Cifar10, Data, Mnist, Surface
from .figures import (
    AccuracyAgainstSeconds,
    Curves,
    Figure,
    HeatMap,
    Histograms,
    Scatter,
    Snapshots,
    Surfaces,
    Sweep,
    Templates,
)
from .groups import (
    Best,
    Between,
    Group,
    Search,
    log_uniform,
    symbol,
    with_setting,
)
from .runs import (
    CHEAP,
    QUICK_EPOCHS,
    GradientCheck,
    Model,
    Run,
    Training,
)

__all__ = [
    "CHEAP", "QUICK_EPOCHS", "AccuracyAgainstSeconds", "Assignment", "Best", "Between",
    "Cifar10", "Curves", "Data", "Figure", "GradientCheck", "Group", "HeatMap", "Histograms",
    "Item", "Mnist", "Model", "Run", "Scatter", "Search", "Snapshots", "Surface", "Surfaces",
    "Sweep", "Templates", "Training", "log_uniform", "symbol", "with_setting",
]  # fmt: skip
