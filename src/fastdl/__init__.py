"""Train dense neural networks on a CPU, fast.

>>> import fastdl as fd
>>> net = fd.Network([784, 128, 10])
>>> trainer = fd.Trainer(net, fd.SGD(0.1), batch_size=128)
"""

from fastdl import _openmp  # noqa: F401  # isort: skip - before anything else loads OpenMP
from typing import TYPE_CHECKING

from fastdl import _hints, _keywords, datasets, init, losses, ops, schedules
from fastdl.advice import ScalingWarning
from fastdl.audit import GradientAudit, audit_gradients
from fastdl.callbacks import (
    Checkpoint,
    CSVLog,
    EarlyStopping,
    OverfitWatch,
    ReduceOnPlateau,
    Snapshot,
)
from fastdl.config import show_config
from fastdl.evaluation import Evaluation, RegressionEvaluation
from fastdl.files import CheckpointError
from fastdl.fit import DivergenceError
from fastdl.gradcheck import GradientCheck, check_gradients
from fastdl.history import History
from fastdl.interop import from_keras, from_torch, to_torch
from fastdl.layers import Activation, BatchNorm, Dense, Dropout
from fastdl.network import Network
from fastdl.optim import SGD, Adam, AdamHat, AdamW
from fastdl.run import Callback, Run
from fastdl.scaling import Scaling
from fastdl.trainer import RangeTest, Trainer

__version__ = "0.2.0"

__all__ = [
    "SGD",
    "Activation",
    "Adam",
    "AdamHat",
    "AdamW",
    "BatchNorm",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "Dense",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "Evaluation",
    "GradientAudit",
    "GradientCheck",
    "History",
    "Network",
    "OverfitWatch",
    "RangeTest",
    "ReduceOnPlateau",
    "RegressionEvaluation",
    "Run",
    "Scaling",
    "ScalingWarning",
    "Snapshot",
    "Trainer",
    "audit_gradients",
    "check_gradients",
    "datasets",
    "from_keras",
    "from_torch",
    "init",
    "ops",
    "schedules",
    "show_config",
    "to_torch",
]

_keywords.answer(SGD, Adam, AdamHat, AdamW)
_keywords.answer(Trainer, methods=("fit", "range_test"))
_keywords.answer(Network, methods=("evaluate",))
_keywords.answer(Dense, BatchNorm, Dropout, Activation, Scaling)
_keywords.answer(EarlyStopping, ReduceOnPlateau, Checkpoint, CSVLog, OverfitWatch, Snapshot)
_keywords.answer(
    *(schedules.Constant, schedules.ExponentialDecay, schedules.StepDecay, schedules.Triangular),
    *(schedules.Cosine, schedules.Warmup),
    module="schedules.",
)
_keywords.answer(*losses.LOSSES.values(), module="losses.")
_keywords.answer(init.Normal, module="init.")

_ELSEWHERE = _hints.table(  # what a user of another library looks for, and what it is here
    {
        "fd.Network([784, 128, 10])": "Sequential Model Module MLP nn",
        "fd.Dense(784, 128)": "Linear Layer",
        "fd.Activation('relu')": "ReLU Tanh Sigmoid GELU SiLU LeakyReLU ELU SELU Softplus",
        "fd.BatchNorm()": "BatchNorm1d BatchNormalization",
        "fd.Network.load(path)": "load load_model",
        "fd.Scaling.standard(x)": "StandardScaler Normalization",
        "fd.Checkpoint('run.safetensors')": "ModelCheckpoint BackupAndRestore",
        "fd.ReduceOnPlateau()": "ReduceLROnPlateau",
        "fd.CSVLog('log.csv')": "CSVLogger",
        "from fastdl.sklearn import MLPClassifier": "MLPClassifier",
        "from fastdl.sklearn import MLPRegressor": "MLPRegressor",
        "from fastdl.sklearn import NetworkClassifier": "NetworkClassifier",
        "from fastdl.sklearn import NetworkRegressor": "NetworkRegressor",
        "import fastdl.sklearn": "sklearn",
        "import fastdl.river": "river",
    }
)

if not TYPE_CHECKING:  # a type checker is to go on refusing names that are not there

    def __getattr__(name: str) -> object:
        hint = f"; use {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
        if not hint and not name.startswith("_"):
            hint = _hints.near(name, __all__)
        raise AttributeError(f"fastdl has no {name}{hint}")
