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
        "fd.Network([784, 128, 10])": "Sequential Model Functional Module MLP nn Input InputLayer",
        "fd.Network([784, 128, 10], seed=1)": "seed manual_seed set_seed set_random_seed",
        "fd.Network([784, 128, 10], loss='softmax_cross_entropy')": "CrossEntropyLoss NLLLoss "
        "CategoricalCrossentropy SparseCategoricalCrossentropy",
        "fd.Network([784, 128, 1], loss='binary_cross_entropy')": "BCELoss BCEWithLogitsLoss "
        "BinaryCrossentropy",
        "fd.Network([784, 128, 1], loss='mse')": "MSELoss MeanSquaredError",
        "fd.Network([784, 128, 1], loss='mae')": "L1Loss MeanAbsoluteError",
        "fd.Network([784, 128, 1], loss='huber')": "HuberLoss SmoothL1Loss",
        "fd.Network([784, 128, 1], loss='poisson')": "PoissonNLLLoss",
        "fd.Network([784, 128, 10], loss='hinge')": "MultiMarginLoss CategoricalHinge",
        "fd.Dense(784, 128)": "Linear LazyLinear Layer",
        "fd.Activation('relu')": "ReLU Tanh Sigmoid GELU SiLU LeakyReLU ELU SELU Softplus",
        "fd.BatchNorm()": "BatchNorm1d BatchNormalization",
        "fd.Adam(0.001)": "RMSprop Adagrad Adadelta Adamax Nadam NAdam RAdam Ftrl",
        "fd.schedules.StepDecay(0.1)": "StepLR",
        "fd.schedules.ExponentialDecay(0.1, 0.95)": "ExponentialLR",
        "fd.schedules.Cosine(0.1, 1000)": "CosineAnnealingLR CosineDecay",
        "fd.schedules.Triangular(0.01, 0.1, 1000)": "CyclicLR",
        "fd.Trainer(net, fd.SGD(0.1)).fit(x, y)": "DataLoader Dataset TensorDataset",
        "np.asarray(x)": "tensor Tensor from_numpy",
        "net.save(path)": "save save_model",
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
            homes = {"losses": losses, "schedules": schedules, "init": init}
            hint = next(
                (
                    f"; use fd.{home}.{name}"
                    for home, module in homes.items()
                    if getattr(vars(module).get(name), "__module__", "") == module.__name__
                ),
                "",
            )
            hint = hint or _hints.near(name, __all__, 0.75)  # names of another library are not near
        raise AttributeError(f"fastdl has no {name}{hint}")
