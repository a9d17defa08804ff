"""_hints.py: what is looked for under another name says where it lives; nothing else changes."""

import copy
import inspect
import pickle
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest

import fastdl as fd
from fastdl import _hints, activations, losses, network, optim, run, trainer

X = np.ones((4, 3), np.float32)
Y = np.array([0, 1, 1, 0])


def make():
    net = fd.Network([3, 4, 2])
    return {"Network": net, "Trainer": fd.Trainer(net, fd.SGD(0.1))}


MISSING = [
    (kind, name, use)
    for kind, module in {"Network": network, "Trainer": trainer}.items()
    for name, use in module._ELSEWHERE.items()
]


@pytest.mark.parametrize(("kind", "name", "use"), MISSING, ids=lambda value: str(value)[:30])
def test_a_name_of_another_library_is_told_what_to_use_and_that_works(kind, name, use, tmp_path):
    made = make()
    with pytest.raises(AttributeError) as caught:
        getattr(made[kind], name)
    assert str(caught.value) == f"{kind} has no {name}; use {use}"
    assert not hasattr(made[kind], name)
    path = str(tmp_path / "net.safetensors")
    made["Network"].save(path)
    names = {"fd": fd, "np": np, "x": X, "y": Y, "path": path, "net": made["Network"],
             "trainer": made["Trainer"], "arrays": dict(made["Network"].parameters)}  # fmt: skip
    if "resume" in use:
        made["Trainer"].fit(X, Y, callbacks=[fd.Checkpoint(path)])
    eval(use.partition(", and another")[0], names)


@pytest.mark.parametrize(("kind", "name", "use"), MISSING, ids=lambda value: str(value)[:30])
def test_setting_such_a_name_would_do_nothing_and_is_refused(kind, name, use):
    with pytest.raises(AttributeError) as caught:
        setattr(make()[kind], name, 0.01)
    assert str(caught.value) == f"{kind} has no {name} to set; use {use}"


@pytest.mark.parametrize(("kind", "name", "near"), [
    ("Network", "predict_probas", "predict_proba"), ("Network", "predict_pro", "predict_proba"),
    ("Network", "evaluat", "evaluate"), ("Network", "Predict", "predict"),
    ("Network", "logit", "logits"), ("Network", "parameter", "parameters"),
    ("Trainer", "optimizr", "optimiser"), ("Trainer", "batchsize", "batch_size"),
    ("Trainer", "networks", "network"), ("Trainer", "resum", "resume"),
])  # fmt: skip
def test_a_name_that_is_nearly_right_is_suggested(kind, name, near):
    with pytest.raises(AttributeError) as caught:
        getattr(make()[kind], name)
    assert str(caught.value) == f"{kind} has no {name}, did you mean {near!r}?"


def test_losses_and_activations_of_other_libraries_are_told_what_to_use_and_that_works():
    for module, make_one in (
        (activations, lambda name: fd.Dense(3, 2, name)),
        (losses, lambda name: fd.Network([3, 2], loss=name)),
    ):
        for name, use in module._ELSEWHERE.items():
            for written in (name, name.title()):
                with pytest.raises(ValueError, match=re.escape(f"; got {written!r}, use {use}")):
                    make_one(written)
            make_one(use.split("'")[1])
    with pytest.raises(ValueError, match="got None, use 'identity'"):
        fd.Dense(3, 2, None)


def test_names_that_the_module_has_not_are_told_what_to_use_and_that_works(tmp_path):
    path = str(tmp_path / "net.safetensors")
    make()["Network"].save(path)
    for name, use in fd._ELSEWHERE.items():
        code = f"import fastdl as fd\nfd.{name}"  # elsewhere: here all modules are imported
        if name in ("sklearn", "river"):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            assert f"fastdl has no {name}; use {use}" in done.stderr
        else:
            with pytest.raises(AttributeError, match=re.escape(f"fastdl has no {name}; use {use}")):
                getattr(fd, name)
        names = {"fd": fd, "np": np, "x": X, "y": Y, "path": path, "net": make()["Network"]}
        exec(use, names)
    for name, hint in {
        "Netwrk": ", did you mean 'Network'?",
        "ExponentialDecay": "; use fd.schedules.ExponentialDecay",
        "Huber": "; use fd.losses.Huber",
        "banana": "",
        "Conv2d": "",
        "LayerNorm": "",
        "Parameter": "",
        "relu": "",
        "__wrapped__": "",
    }.items():
        with pytest.raises(AttributeError) as caught:
            getattr(fd, name)
        assert str(caught.value) == f"fastdl has no {name}{hint}"


@pytest.mark.parametrize("optimiser", [fd.SGD(0.1), fd.Adam(), fd.AdamHat(), fd.AdamW()])
def test_an_optimiser_tells_of_its_own_names(optimiser):
    names = {"fd": fd, "optimiser": optimiser, "net": fd.Network([3, 2]), "x": X, "y": Y}
    for name, use in optim._ELSEWHERE.items():
        with pytest.raises(AttributeError, match=re.escape(f"has no {name}; use {use}")):
            getattr(optimiser, name)
        eval(use, names)
    with pytest.raises(AttributeError, match="has no learning_rat, did you mean 'learning_rate'"):
        optimiser.learning_rat  # noqa: B018
    assert pickle.loads(pickle.dumps(optimiser)) == copy.deepcopy(optimiser) == optimiser


def test_a_callback_with_another_librarys_hooks_is_told_its_own():
    for name, use in run._ELSEWHERE.items():
        with pytest.raises(TypeError, match=re.escape(f"has; got {name}, use {use}")):
            type("Own", (fd.Callback,), {name: lambda self, run: None})
        assert hasattr(fd.Callback, use.partition("(")[0])


@pytest.mark.parametrize("kind", make())
def test_a_name_like_no_other_is_only_not_there(kind):
    for name in ("zzz", "x", "banana"):
        with pytest.raises(AttributeError, match=f"^{kind} has no {name}$"):
            getattr(make()[kind], name)


def test_a_network_is_not_called():
    net = make()["Network"]
    for call in (lambda: net(X), lambda: net(), lambda: net(X, training=True)):
        with pytest.raises(TypeError, match=r"cannot be called; use net\.predict\(x\)"):
            call()


def test_attributes_of_ones_own_may_be_set_where_a_fit_does_not_go_by_attributes():
    for made in make().values():
        if isinstance(made, fd.Trainer):
            with pytest.raises(AttributeError, match="no batchsize to set, did you mean 'batch_si"):
                made.batchsize = 3
            continue
        made.remark = "the third"
        assert copy.copy(made).remark == "the third"


def test_a_subclass_may_have_what_the_library_has_not():
    class Own(fd.Network):
        l2 = None

        def fit(self, x, y):
            return fd.Trainer(self, fd.SGD(0.1)).fit(x, y)

    own = Own([3, 2])
    own.l2 = 0.5
    assert own.l2 == 0.5
    assert own.fit(X, Y).n_records == 1
    with pytest.raises(AttributeError, match=r"^Own has no score; use net\.evaluate"):
        own.score(X, Y)


def test_a_property_that_fails_speaks_for_itself():
    class Own(fd.Network):
        @property
        def broken(self):
            return self.layers[0].nothing

    with pytest.raises(AttributeError, match=r"'Dense' object has no attribute 'nothing'"):
        Own([3, 2]).broken  # noqa: B018
    with pytest.raises(AttributeError, match="_core"):
        fd.Network.__new__(fd.Network).layers  # noqa: B018


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "joblib": lambda value: joblib.Parallel(2)([joblib.delayed(copy.copy)(value)])[0],
    **{f"pickle {p}": lambda value, p=p: pickle.loads(pickle.dumps(value, p)) for p in (2, 4, 5)},
}


@pytest.mark.parametrize("how", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", make())
def test_copies_work(kind, how):
    other = how(make()[kind])
    assert type(other).__name__ == kind
    net = other if kind == "Network" else other.network
    assert net.logits(X).tolist() == make()["Network"].logits(X).tolist()
    assert not hasattr(other, "score")


def test_python_suggests_no_name_a_second_time():
    code = "import fastdl as fd; fd.Network([3, 2]).predict_probas"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert len(re.findall("(?i)did you mean", done.stderr)) == 1


def test_type_checkers_go_on_refusing_names_that_are_not_there():
    text = inspect.getsource(_hints.Hinted)
    assert text.index("if not TYPE_CHECKING") < text.index("def __getattr__")


@pytest.mark.parametrize("name", [None, 3, [], "", "l"])
def test_nothing_is_near_to_what_is_no_name(name):
    assert _hints.near(name, ["loss", "learning_rate"]) == ""


CONFIG = [{"input": 3, "output": 2, "nonlinear": "softmax"}]
MADE_OF = {"load": "path", "from_config": "config", "standard": "x", "centred": "x", "divided": "d"}
MAKERS = [
    (kind, name)
    for kind in (getattr(fd, each) for each in fd.__all__)
    if inspect.isclass(kind)
    for name, function in vars(kind).items()
    if isinstance(function, classmethod) and not name.startswith("_")
]


def test_there_are_the_class_methods_that_are_tried_below():
    assert {name for _, name in MAKERS} == set(MADE_OF)


@pytest.mark.parametrize(("kind", "name"), MAKERS)
def test_what_makes_an_object_is_refused_on_one(kind, name, tmp_path):
    net, path = make()["Network"], str(tmp_path / "net.safetensors")
    net.save(path)
    given = {"path": path, "config": CONFIG, "x": X + np.arange(4)[:, None], "d": 3}
    one = {fd.Network: net, fd.Scaling: fd.Scaling.divided(3)}[kind]
    before = pickle.dumps(one)
    with pytest.raises(TypeError, match=rf"^{name} must be called on the class, ") as caught:
        getattr(one, name)(given[MADE_OF[name]])
    assert pickle.dumps(one) == before
    known = dict(given, fd=fd)
    exec(str(caught.value).partition(", use ")[2], known)
    assert isinstance(known["net" if kind is fd.Network else "scaling"], kind)
    maker = getattr(kind, name)
    assert pickle.loads(pickle.dumps(maker)) == maker
    assert getattr(one, name).__doc__ == maker.__doc__


def test_a_subclass_makes_its_own_and_is_named(tmp_path):
    class Own(fd.Network):
        @classmethod
        def load(cls, path):
            return super().load(path)

        @classmethod
        def of(cls, config):
            return super().from_config(config)

    own, path = Own([3, 2]), tmp_path / "net.safetensors"
    own.save(path)
    assert type(Own.load(path)) is type(own.load(path)) is type(own.of(CONFIG)) is Own
    with pytest.raises(TypeError, match=r"use own = Own\.from_config\(config\)"):
        own.from_config(CONFIG)
