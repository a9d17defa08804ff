"""Keyword arguments that a class or method has not: told what to write, as attributes are.

Python's own sentence says no more than that the word is unexpected. It is Python that finds out, so
a call whose arguments are right is only passed on. What is called for every row or batch is left
out, for to pass a call on costs time: ``predict``, ``step`` and the ops.
"""

import functools
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from fastdl import _hints

# What other libraries have, by the parameter that it is here, with a note in brackets, or by what
# to use.
_ELSEWHERE = _hints.table(
    {
        "learning_rate": "lr learning_rate_init eta eta0 rate",
        "learning_rate (fd.schedules.Cosine(0.1, 1000), say)": "scheduler lr_scheduler",
        "nesterov": "nesterovs_momentum",
        "beta1": "beta_1",
        "beta2": "beta_2",
        "beta1 (and beta2)": "betas",
        "epsilon": "eps",
        "l2": "kernel_regularizer",
        "l2 (weight_decay / 2)": "weight_decay",
        "l2 (alpha / 2 / batch_size)": "alpha",
        "clip_norm": "clipnorm global_clipnorm max_grad_norm gradient_clip_val",
        "seed": "random_state random_seed",
        "n_threads": "n_jobs num_threads",
        "network": "model module",
        "optimiser": "optimizer solver",
        "epochs": "max_iter n_epochs num_epochs nb_epoch max_epochs",
        "validation": "validation_data eval_set",
        "validation_split": "validation_fraction",
        "progress (False shows no bar)": "verbose",
        "loss": "criterion loss_fn",
        "layers": "hidden_layer_sizes",
        "h (the number of units, which comes first: fd.Dense(64))": "units out_features",
        "d (the number of inputs, which comes before the units: fd.Dense(784, 64))": "in_features "
        "input_dim input_shape",
        "d": "num_features",
        "init": "kernel_initializer",
        "rate": "p drop_prob",
        "patience": "n_iter_no_change",
        "min_delta": "tol",
        "least": "min_lr",
        "path": "filepath filename",
        "best (its name is the column's)": "save_best_only",
        "steps": "T_max",
        "low": "eta_min",
        "sigma": "std stddev",
        "fd.EarlyStopping('val_loss') among the callbacks": "early_stopping",
        "fd.Dropout(0.5) among the layers": "dropout",
        "fd.BatchNorm() among the layers": "batch_norm",
        "leave it out, EarlyStopping goes back to the best all the same": "restore_best_weights",
        "leave it out, an epoch ends where its rows or batches do": "steps_per_epoch",
        "leave it out, every row of the validation set counts": "validation_steps "
        "validation_batch_size",
        "leave it out, layers have biases": "use_bias bias",
        "leave it out, biases begin at 0": "bias_initializer",
        "leave it out, a network lives on the CPU": "device",
    }
)
_SAME: dict[str, list[str]] = {}  # the other way round, where no note changes the number
for _word, _use in _ELSEWHERE.items():
    if "/" not in _use:
        _SAME.setdefault(_use.partition(" (")[0], []).append(_word)
_answered: dict[str, FunctionType] = {}  # by name; where several have a parameter, the first


def answer(*kinds: type, methods: tuple[str, ...] = (), module: str = "") -> None:
    """Have classes, and these methods of theirs, tell what to write in place of a wrong keyword."""
    for kind in kinds:
        for method in ("__init__", *methods):
            function = getattr(kind, method)
            name = module + f"{kind.__name__}.{method}".removesuffix(".__init__")
            _answered[name] = function
            setattr(kind, method, _telling(name, function))


def _telling(name: str, function: FunctionType) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            if (why := _why(name, args, kwargs)) is not None:
                raise TypeError(why) from None
            raise

    return call


def _why(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    """What is wrong with a call, if it is the names or the number of its arguments."""
    first, named = _parameters(_answered[name])
    for word in kwargs:
        if word not in named:
            return f"{name} takes no {word}{_instead(name, word, named)}"
    if len(args) - 1 <= len(first) or len(first) == len(named):
        return None
    n = len(args) - 1
    if first == ("layers",) and not any(isinstance(each, str | list | tuple) for each in args[1:]):
        widths = ", ".join(map(str, args[1:])) if all(isinstance(a, int) for a in args[1:]) else ""
        return (
            f"{name} takes layers as one list; got {n} values, use fd.{name}([{widths or '...'}])"
        )
    return (
        f"{name} takes {' and '.join(first)} without a name; got {n} values, use the names of the "
        f"others: {', '.join(named[len(first) :])}"
    )


def _instead(name: str, word: str, named: tuple[str, ...]) -> str:
    """The end of the sentence about a keyword that is not there."""
    use = _ELSEWHERE.get(word, word)
    parameter, bracket, note = use.partition(" (")
    if use.startswith("leave it out"):
        return f"; {use}"
    if name.startswith("sklearn.") and "/" not in note:  # whose names are scikit-learn's
        for same in _SAME.get(parameter, ()):
            if same in named:
                return f"; use {same}"
    if use.startswith("fd.") or parameter in named:
        return f"; use {use}"
    for owner, function in _answered.items():
        if parameter in _parameters(function)[1]:
            is_there = "" if use == word else f" is {parameter} of"
            return f", which{is_there} fd.{owner}{bracket}{note}" + " takes" * (use == word)
    return _hints.near(word, named) or f"; it takes {', '.join(named) or 'nothing'}"


def _parameters(function: FunctionType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of those that may be given without one, and of all, but self."""
    code = function.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    return names[: code.co_argcount - 1], names
