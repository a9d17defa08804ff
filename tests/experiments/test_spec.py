from dataclasses import replace

import pytest

import fastdl as fd
from experiments.spec import (
    QUICK_EPOCHS,
    QUICK_ROWS,
    Best,
    Between,
    Cifar10,
    Curves,
    Histograms,
    Mnist,
    Search,
    Surface,
    log_uniform,
    with_setting,
)


def test_quick_shortens_every_run(made_up):
    check, fit, search, _ = made_up.quick().items
    assert check.data.rows == fit.data.rows == search.base.data.rows == QUICK_ROWS
    assert fit.epochs == 2 <= QUICK_EPOCHS
    assert fit.batch_size == 50
    assert fit.optimiser == made_up.items[1].optimiser


def test_quick_keeps_the_number_of_cycles_and_some_records(made_up):
    fit = replace(
        made_up.items[1], data=Cifar10(train=(1,), validation=(2,)), batch_size=100, epochs=48,
        record=20,
        optimiser=fd.SGD(fd.schedules.Triangular(1e-5, 0.1, 800)),
    )  # fmt: skip
    small = fit.quick()
    steps = small.epochs * QUICK_ROWS // small.batch_size
    assert steps // (2 * small.optimiser.learning_rate.half_cycle) == 3
    assert 5 <= steps // small.record <= 15


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


def test_a_surface_keeps_its_batches(made_up):
    fit = replace(made_up.items[1], data=Surface(target="sum", m=100), batch_size=10, epochs=200)
    small = fit.quick()
    assert (small.epochs, small.batch_size, small.data.m) == (QUICK_EPOCHS, 10, 100)


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
