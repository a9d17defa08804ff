import json
from dataclasses import fields, replace

import pytest

import fastdl as fd
from experiments import assignments, coding, results
from experiments.store import Store


@pytest.mark.parametrize("name", assignments.names())
def test_every_run_of_every_assignment_survives_json(name, tmp_path):
    spec = assignments.get(name)
    for trial in results.collect(name, spec, 1, Store(tmp_path)).missing:
        text = json.dumps(coding.plain(trial.run))
        assert coding.restore(json.loads(text)) == trial.run


def test_only_known_kinds_come_back():
    with pytest.raises(ValueError, match=r"kind must be one of .*Training.*; got 'Popen'"):
        coding.restore({"kind": "Popen", "args": "true"})
    with pytest.raises(ValueError, match="got None"):
        coding.restore({"kind": "Training", "model": {"widths": [1, 2]}})


def test_the_key_is_of_settings_not_of_names(made_up):
    fit = made_up.items[1]
    key = coding.key(fit, 0)
    assert key == coding.key(
        replace(fit, name="a", title="b", answers=("c",), seeds=3, cut="d", searched=True), 0
    )
    others = [
        coding.key(fit, 1),
        coding.key(replace(fit, l2=0.2), 0),
        coding.key(replace(fit, optimiser=fd.SGD(0.01, momentum=0.9)), 0),
        coding.key(replace(fit, data=replace(fit.data, rows=None)), 0),
    ]
    assert len({key, *others}) == 5


def test_every_other_setting_makes_another_key(made_up):
    """Also one of what a run has in it; a new field of a run needs a value here."""
    fit = made_up.items[1]
    data, model = fit.data, fit.model
    changed = {
        "data": [
            replace(data, train=(3,)), replace(data, validation=(4,)),
            replace(data, scaling="divided"),
            replace(data, stand_in=False), replace(data, train_rows=9), replace(data, rows=9),
        ],
        "model": [
            replace(model, widths=(3072, 9, 10), activations=("relu",)),
            replace(model, widths=(3072, 9, 10), activations=("tanh",)),
            replace(model, loss="hinge"), replace(model, init=fd.init.Normal(0.02)),
            replace(model, init=fd.init.He()),
        ],
        "optimiser": [
            fd.SGD(0.02), fd.SGD(0.01, momentum=0.5), fd.SGD(0.01, momentum=0.5, nesterov=True),
            fd.Adam(0.01), fd.SGD(fd.schedules.Cosine(0.01, 9)),
            fd.SGD(fd.schedules.Cosine(0.01, 8)),
        ],
        "batch_size": [51], "epochs": [3], "l1": [0.1], "l2": [0.2], "shuffle": ["batches", None],
        "drop_last": [True], "record": [1, 2], "train_metrics": ["batches"], "validate": [False],
        "test_curve": [True], "marks": [(1,), (2,)], "watch": [0.5], "keep": [(), ("gradients",)],
        "every": [5],
    }  # fmt: skip
    labels = {"name", "title", "answers", "seeds", "cut", "searched"}
    assert set(changed) | labels == {each.name for each in fields(fit)}
    runs = [fit, *(replace(fit, **{name: v}) for name, each in changed.items() for v in each)]
    assert len({coding.key(run, 0) for run in runs}) == len(runs)


def test_another_version_of_the_library_makes_another_key(made_up, monkeypatch):
    before = coding.key(made_up.items[1], 0)
    monkeypatch.setattr(fd, "__version__", "9.9.9")
    assert coding.key(made_up.items[1], 0) != before
