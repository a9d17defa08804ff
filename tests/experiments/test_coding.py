import json
from dataclasses import replace

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
