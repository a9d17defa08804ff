from dataclasses import replace

import pytest

import fastdl as fd
from experiments import assignments, coding
from experiments.spec import (
    QUICK_EPOCHS,
    Best,
    Between,
    Cifar10,
    Curves,
    Histograms,
    Mnist,
    Run,
    Search,
    log_uniform,
    with_setting,
)

LONG_FIT = {"data": Cifar10(train=(1, 2, 3, 4, 5), validation=(2,)), "epochs": 2_000}


def test_a_quick_look_leaves_whole_what_is_cheap_and_cuts_the_searches(made_up):
    check, fit, search, best = made_up.quick().items
    assert (check, fit) == made_up.items[:2]
    assert not made_up.items[1].cut
    assert (search.base.cut, search.base.seeds) == ("1 of 2 settings", 1)
    assert list(search.axes["l2"]) == [0.0]
    assert best.base.cut == "chosen by a cut search"
    assert best.base.epochs == fit.epochs


def test_a_long_run_is_cut_and_its_title_says_what_was_run(made_up):
    long = replace(made_up.items[1], title="mine, 2,000 epochs", every=100, **LONG_FIT)
    small = long.quick()
    assert small.epochs == QUICK_EPOCHS
    assert small.title == f"mine, {QUICK_EPOCHS} epochs"
    assert small.cut == f"{QUICK_EPOCHS} of 2,000 epochs"
    assert small.epochs // small.every == 5
    wide = replace(long, title="mine", epochs=90, model=replace(long.model, widths=(3072, 500)))
    assert (wide.quick().epochs, wide.quick().cut) == (22, "22 of 90 epochs")
    tiny = replace(long, data=replace(long.data, rows=10), title="mine")
    assert tiny.quick() is tiny


@pytest.mark.parametrize(("n", "left"), [(2, 1), (3, 2), (6, 3), (7, 4), (15, 5)])
def test_an_axis_keeps_its_ends_or_nearly(made_up, n, left):
    values = tuple(float(i) for i in range(n))
    search = Search(name="s", title="s", base=made_up.items[1], axes={"l2": values})
    kept = search.quick().axes["l2"]
    assert len(kept) == left
    assert kept[0] == values[0]
    assert set(kept) <= set(values)


def test_draws_of_a_long_run_are_few_and_short(made_up):
    base = replace(made_up.items[1], **LONG_FIT | {"epochs": 90})
    drawn = Between(name="b", title="b", base=base, of="s", draws=20).quick()
    assert drawn.draws == 3
    assert drawn.base.epochs == 15
    assert drawn.base.cut == "3 of 20 draws after a cut search, 15 of 90 epochs"


def test_a_part_of_a_search_is_cut_like_it(made_up):
    part = replace(made_up.items[1], searched=True)
    assert part.quick() == part
    dear = replace(part, **LONG_FIT | {"epochs": 90}).quick()
    assert (dear.epochs, dear.cut) == (15, "15 of 90 epochs")


def test_no_two_trials_of_a_quick_look_have_one_key_and_two_titles():
    for name in assignments.names():
        titles = {}
        for item in assignments.get(name).quick().items:
            runs = [item] if isinstance(item, Run) else []
            runs += [item.run(each) for each in item.settings()] if hasattr(item, "axes") else []
            for run in runs:
                titles.setdefault(coding.key(run, 0), set()).add(run.title)
        batches = [title for found in titles.values() if len(found) > 1 for title in found]
        assert not [title for title in batches if "batch" in title or "epochs" in title]


def test_what_looks_at_many_rows_costs_more(made_up):
    fit = made_up.items[1]
    every_step = replace(fit, record=1)
    assert every_step.cost > fit.cost > replace(fit, validate=False).cost
    assert made_up.items[0].cost == 0


@pytest.mark.parametrize(
    ("settings", "n"),
    [
        ({"validation": (3,)}, 20_000),
        ({"validation": 1_000}, 19_000),
        ({"validation": 1_000, "rows": 500}, 500),
        ({"validation": (3,), "rows": 500, "train_rows": 100}, 100),
    ],
)
def test_training_rows_are_those_of_the_batches_that_are_left(settings, n):
    assert Cifar10(train=(1, 2), **settings).n_train == n


def test_a_search_is_every_combination(made_up):
    search = Search(
        name="s", title="s", base=made_up.items[1],
        axes={"l2": (0.0, 0.5), "batch_size": (10, 20)},
    )  # fmt: skip
    runs = [search.run(each) for each in search.settings()]
    assert [(run.l2, run.batch_size) for run in runs] == [(0, 10), (0, 20), (0.5, 10), (0.5, 20)]
    assert runs[3].name == "s_l20.5_batch_size20"
    assert runs[3].title == "λ = 0.5, batch = 20"
    assert runs[3].answers == ()


def test_draws_lie_between_the_best(made_up):
    group = Between(name="b", title="b", base=made_up.items[1], of="s", top=2, draws=20)
    drawn = [each["l2"] for each in group.settings([{"l2": 0.3}, {"l2": 0.1}, {"l2": 9.0}])]
    assert drawn == sorted(drawn)
    assert len(drawn) == 20
    assert 0.1 <= drawn[0] < drawn[-1] <= 0.3


def test_the_best_bears_the_name_of_its_group(made_up):
    best = Best(name="best", title="best", base=made_up.items[1], of="s")
    (settings,) = best.settings([{"l2": 0.25}, {"l2": 0.5}])
    run = best.run(settings)
    assert (run.name, run.title, run.l2) == ("best", "best: λ = 0.25", 0.25)


def test_a_setting_deep_inside(made_up):
    fit = replace(made_up.items[1], optimiser=fd.SGD(fd.schedules.ExponentialDecay(0.1, 0.9)))
    changed = with_setting(fit, "optimiser.learning_rate.rate", 0.5)
    assert changed.optimiser.learning_rate == fd.schedules.ExponentialDecay(0.5, 0.9)
    with pytest.raises(TypeError, match="unexpected keyword"):
        with_setting(fit, "no_such_setting", 1)


def test_log_uniform():
    drawn = log_uniform(50, -5, -1, seed=0)
    assert drawn == log_uniform(50, -5, -1, seed=0) != log_uniform(50, -5, -1, seed=1)
    assert 1e-5 <= drawn[0] < 1e-4
    assert 1e-2 < drawn[-1] <= 0.1


def test_stand_ins_take_the_place_of_the_data_that_are_missing(made_up):
    assignment = replace(
        made_up, items=(*made_up.items, replace(made_up.items[1], name="digits", data=Mnist()))
    )
    assert assignment.sources == {"cifar10", "mnist"}
    changed = assignment.on_stand_in(frozenset({"mnist"}))
    assert not changed.items[1].data.stand_in
    assert not changed.items[2].base.data.stand_in
    assert changed.items[-1].data.stand_in


def test_figures_are_called_after_run_and_kind():
    assert Histograms(of=("fit", "b"), caption="").name == "fit_histograms"
    assert Curves(of=("fit",), caption="", suffix="zoom").name == "fit_curves_zoom"


@pytest.mark.parametrize("of", [(), ("fit", "check")])
def test_a_figure_of_one_run_is_of_one(of):
    with pytest.raises(ValueError, match=r"Curves must be of exactly one run or group; got \("):
        Curves(of=of, caption="")


def test_an_assignment_knows_its_names(made_up):
    with pytest.raises(ValueError, match=r"figures must be of items, check, fit.*; got fat"):
        replace(made_up, figures=(Curves(of=("fat",), caption=""),))
    with pytest.raises(ValueError, match="items must have names of their own"):
        replace(made_up, items=(*made_up.items, made_up.items[0]))
