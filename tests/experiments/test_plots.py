from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_hex

import fastdl as fd
from experiments import plots, spec
from experiments.compare import Comparison
from experiments.plots import images, sheet
from experiments.reported import Reported
from experiments.results import GroupResult, Results, RunResult
from experiments.store import Outcome
from experiments.verdicts import Verdict

NOTE = "stand-in data"
EPOCHS = np.arange(1.0, 4.0)
MODEL = spec.Model(widths=(3072, 10))
FIT = spec.Training(
    name="fit", title="the fit", data=spec.Cifar10(train=(1,), validation=(2,)), model=MODEL,
    optimiser=fd.SGD(0.1), batch_size=100, epochs=3, every=1, l2=0.1,
)  # fmt: skip
SURFACE = replace(
    FIT, name="surface", title="a surface", data=spec.Surface(target="sum", m=10, side=6),
    model=spec.Model(widths=(2, 4, 1), activations=("relu",), loss="mse"),
)  # fmt: skip


def outcome(run, seed=0, accuracy=0.4, note=NOTE, **arrays):
    """What a trial would have given."""
    metrics = {
        "train_accuracy": 1 - accuracy, "validation_accuracy": accuracy, "test_accuracy": accuracy,
        "validation_loss": 1 / accuracy, "test_loss": 1 / accuracy, "seconds": 1 + accuracy + seed,
    }  # fmt: skip
    curve = accuracy * EPOCHS / 3 + 0.01 * seed
    names = ("loss", "cost", "accuracy", "val_loss", "val_cost", "val_accuracy")
    history = {"epoch": EPOCHS, "step": 100 * EPOCHS}
    history |= {name: i + curve for i, name in enumerate(names, 1)}
    classes = tuple(f"class {i}" for i in range(10))
    return Outcome(
        run, seed, metrics, "made up", note, {}, classes, history=history, arrays=arrays
    )  # fmt: skip


def failed(run, seed=0):
    return Outcome(run, seed, {}, "made up", NOTE, {}, (), failure="the loss is NaN")


def results(*runs, group=None):
    """Results of runs with these outcomes each, and of a group of all of them."""
    found = {run.run.name: run for run in runs}
    groups = {} if group is None else {group.name: GroupResult(group, tuple(found.values()))}
    assignment = spec.Assignment(title="A1: made up", asked="", items=(FIT,), figures=())
    return Results("a1", assignment, 1, found, groups, [])


def one(*outcomes):
    return results(RunResult(outcomes[0].run, outcomes))


def searched(accuracies, axes, note=NOTE, rank="validation_accuracy"):
    """The results of a search with these accuracies, None where a run has failed."""
    search = spec.Search(name="search", title="a search", base=FIT, axes=axes, rank=rank)
    runs = []
    for settings, accuracy in zip(search.settings(), accuracies, strict=True):
        run = search.run(settings)
        done = failed(run) if accuracy is None else outcome(run, accuracy=accuracy, note=note)
        runs.append(RunResult(run, (done,), settings))
    return results(*runs, group=search)


def decays(*accuracies):
    return searched(accuracies, {"l2": tuple(10.0**i for i in range(len(accuracies)))})


@cache
def everything():
    """A fit that has kept all that a figure may want."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3072, 10))
    return one(
        outcome(
            FIT, weights=weights, snapshots=np.stack([weights] * 3), gradients=weights,
            scale=np.ones(3072),
        )
    )  # fmt: skip


GRID = {"l2": (0.0, 0.1), "batch_size": (50, 100), "optimiser.learning_rate": (0.1, 0.2)}
KINDS = {
    spec.Curves: "fit", spec.Templates: "fit", spec.Snapshots: "fit", spec.Histograms: "fit",
    spec.AccuracyAgainstSeconds: "fit", spec.Surfaces: "surface", spec.Scatter: "search",
    spec.Sweep: "search", spec.HeatMap: "search",
}  # fmt: skip
WITH_AXES = [kind for kind in KINDS if kind not in (spec.Templates, spec.Snapshots)]


@pytest.fixture
def kept():
    return everything()


@cache
def drawn_of(kind):
    """A figure of a kind from results that suit it: one for all tests, which only look at it."""
    found = {
        spec.Scatter: decays(0.3, 0.4),
        spec.Sweep: decays(0.3, 0.4),
        spec.HeatMap: searched(np.linspace(0.1, 0.8, 8), GRID),
        spec.Surfaces: one(outcome(SURFACE, predictions=np.ones((36, 1)))),
    }.get(kind, everything())
    return plots.draw(kind(of=(KINDS[kind],), caption=""), found)


def curves(*outcomes, **settings):
    return plots.draw(spec.Curves(of=("fit",), caption="", **settings), one(*outcomes))


def texts(drawn):
    return [text.get_text() for text in drawn.texts]


def in_legend(drawn):
    (legend,) = drawn.legends
    return [text.get_text() for text in (legend.get_title(), *legend.get_texts())]


def test_every_kind_of_figure_has_a_test_here():
    assert set(KINDS) == set(spec.Figure.__subclasses__())


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_says_what_it_is_of_and_that_the_data_stand_in(kind):
    drawn = drawn_of(kind)
    title = {"fit": "the fit", "surface": "a surface", "search": "a search"}[KINDS[kind]]
    assert f"A1: {title}" in map(str.strip, texts(drawn))
    (note,) = (text for text in drawn.texts if text.get_text() == NOTE)
    assert note.get_color() == sheet.NOTE_COLOUR
    assert drawn.get_figwidth() <= 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_note_is_in_nobodys_way(kind):
    drawn = drawn_of(kind)
    (note,) = (text for text in drawn.texts if text.get_text() == NOTE)
    others = [*drawn.legends, *drawn.axes]
    assert not any(note.get_window_extent().overlaps(each.get_tightbbox()) for each in others)


@pytest.mark.parametrize("kind", WITH_AXES)
def test_every_axis_has_a_name_and_colours_are_explained(kind):
    drawn = drawn_of(kind)
    assert all(axes.get_xlabel() for axes in drawn.axes)
    shared = drawn.axes[1:] if kind in (spec.HeatMap, spec.Surfaces) else []
    bars = [axes for axes in drawn.axes if hasattr(axes, "_colorbar")]
    assert all(axes.get_ylabel() for axes in drawn.axes if axes not in (*shared, *bars))
    assert drawn.legends or bars


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_small(kind):
    drawn = drawn_of(kind)
    assert drawn.dpi == 150
    sizes = [text.get_fontsize() for text in drawn.findobj(match=_is_shown_text)]
    assert min(sizes) >= 8


def _is_shown_text(artist):
    return bool(getattr(artist, "get_text", str)()) and hasattr(artist, "get_fontsize")


def test_figures_of_real_data_carry_no_note():
    drawn = curves(outcome(FIT, note=""))
    assert texts(drawn) == ["A1: the fit"]


def test_loss_cost_and_accuracy_have_an_axis_each():
    drawn = curves(outcome(FIT))
    labels = [axes.get_ylabel() for axes in drawn.axes]
    assert labels == ["loss (nats)", "cost (nats)", "accuracy (%)"]
    assert drawn.axes[1].get_title("left") == "cost: loss + λ ΣW²"
    for axes, metric in zip(drawn.axes, ("loss", "cost", "accuracy"), strict=True):
        assert axes.get_xlabel() == "epoch"
        for line, column in zip(axes.lines[:2], (metric, f"val_{metric}"), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), outcome(FIT).history[column])


def test_without_a_penalty_one_panel_says_that_it_is_both_loss_and_cost():
    drawn = curves(outcome(replace(FIT, l2=0.0)))
    assert [axes.get_ylabel() for axes in drawn.axes] == ["loss = cost (nats)", "accuracy (%)"]
    assert "λ = 0" in drawn.axes[0].get_title("left")


def test_both_penalties_are_named():
    drawn = curves(outcome(replace(FIT, l1=0.1)))
    assert drawn.axes[1].get_title("left") == "cost: loss + λ₁ Σ|W| + λ ΣW²"


def test_curves_are_means_over_the_seeds_with_a_band_of_one_sd():
    found = [outcome(FIT, seed) for seed in range(3)]
    axes = curves(*found).axes[0]
    columns = np.stack([each.history["loss"] for each in found])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), columns.mean(axis=0))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx((columns.mean(axis=0) + columns.std(axis=0, ddof=1)).max())


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([outcome(FIT)], "one seed"),
        ([outcome(FIT), outcome(FIT, 1)], "mean of 2 seeds ± sd"),
        ([outcome(FIT), failed(FIT, 1)], "one seed (1 failed)"),
    ],
)
def test_the_legend_tells_how_many_seeds_there_are(outcomes, said):
    assert in_legend(curves(*outcomes))[0] == said


def test_the_test_rows_are_a_curve_or_what_they_end_at():
    assert "test, at the end: 40.00 %" in in_legend(curves(outcome(FIT)))
    known = outcome(FIT)
    known.history["test_accuracy"] = known.history["accuracy"]
    assert in_legend(curves(known))[1:] == ["training", "validation", "test"]


def test_curves_of_batches_are_called_so():
    run = replace(FIT, train_metrics="batches")
    assert "training batch" in in_legend(curves(outcome(run)))


def test_a_column_of_nan_is_no_curve():
    known = outcome(FIT)
    for name in ("val_loss", "val_cost", "val_accuracy"):
        known.history[name] = np.full(3, np.nan)
    assert "validation" not in in_legend(curves(known))


@pytest.mark.parametrize(("zoom", "steps"), [((200, 300), [200, 300]), ((400, 600), [200, 300])])
def test_a_zoom_shows_these_steps_or_the_same_share_of_fewer(zoom, steps):
    drawn = curves(outcome(FIT), x="step", zoom=zoom)
    assert drawn.axes[0].lines[0].get_xdata().tolist() == steps


@pytest.mark.parametrize(("last", "scale"), [(0.001, "log"), (0.5, "linear")])
def test_a_loss_that_falls_far_has_a_logarithmic_axis(last, scale):
    known = outcome(FIT)
    known.history["loss"] = np.array([3.0, 1.0, last])
    assert curves(known).axes[0].get_yscale() == scale


def test_colours_are_those_of_the_style_and_lines_differ_in_dashes_too():
    lines = curves(outcome(FIT)).axes[0].lines
    assert [to_hex(line.get_color()).upper() for line in lines] == ["#0072B2", "#D55E00"]
    assert len({line.get_linestyle() for line in lines}) == 2


def test_pictures_are_stretched_over_their_three_channels_together():
    weight = np.zeros((3072, 2))
    weight[:1024, 0] = 5  # the red plane
    weight[1024:1124, 1] = -1  # green pixels
    red, green = images.pictures(weight)
    np.testing.assert_array_equal(red, np.broadcast_to([1.0, 0.0, 0.0], (32, 32, 3)))
    assert green[0, 0].tolist() == [1, 0, 1]
    assert green[4:].min() == 1


def test_pictures_are_in_the_unit_of_a_pixel():
    weight = np.linspace(1, 2, 3072)[:, np.newaxis]
    scale = np.random.default_rng(0).uniform(1, 2, 3072)
    np.testing.assert_allclose(
        images.pictures(weight * scale[:, np.newaxis], scale), images.pictures(weight)
    )


def test_a_few_extreme_weights_do_not_turn_a_picture_grey():
    weight = np.linspace(0, 1, 3072)[:, np.newaxis]
    weight[7] = 100
    assert images.pictures(weight).std() > 0.25


def test_templates_name_the_classes():
    (axes,) = drawn_of(spec.Templates).axes
    assert [text.get_text() for text in axes.texts] == [f"class {i}" for i in range(10)]


def test_every_snapshot_has_a_row_and_a_figure_with_the_curves_up_to_it(kept):
    wanted = spec.Snapshots(of=("fit",), caption="")
    (axes,) = plots.draw(wanted, kept).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2", "3"]
    found = list(plots.snapshots(wanted, kept))
    assert [epoch for epoch, _ in found] == [1, 2, 3]
    for epoch, drawn in found:
        assert NOTE in texts(drawn)
        *panels, templates = drawn.axes
        assert [len(each.lines[0].get_xdata()) for each in panels] == [epoch] * 3
        assert len(templates.images) == 1


def test_histograms_share_their_bins():
    first, second = (
        outcome(replace(FIT, name=name), gradients=np.linspace(-reach, reach, 1000))
        for name, reach in (("a", 1), ("b", 2))
    )
    found = results(*(RunResult(each.run, (each,)) for each in (first, second)))
    drawn = plots.draw(spec.Histograms(of=("a", "b"), caption=""), found)
    edges = [each.get_data().edges for each in drawn.axes[0].patches]
    assert all(np.array_equal(each, edges[0]) for each in edges)
    assert -2 < edges[0][0] < -1.9


def marks(drawn):
    """The numbered circles of a scatter: place, λ and whether they are filled."""
    return [
        (int(text.get_text()), text.xy[0], to_hex(text.get_bbox_patch().get_facecolor()))
        for text in drawn.axes[0].texts
    ]


def test_a_scatter_marks_the_best_three_by_either_ranking():
    drawn = plots.draw(
        spec.Scatter(of=("search",), caption=""), decays(0.30, 0.45, 0.44, 0.20, None, 0.46)
    )
    hollow, filled = marks(drawn)[:3], marks(drawn)[3:]
    assert hollow == [(1, 1e3, "#ffffff"), (2, 1e0, "#ffffff"), (3, 1e2, "#ffffff")]
    assert [mark[:2] for mark in filled] == [(1, 1e5), (2, 1e1), (3, 1e2)]
    assert "#ffffff" not in {mark[2] for mark in filled}
    heights = [text.xy[1] for text in drawn.axes[0].texts]  # of training, then of validation
    assert heights == pytest.approx([0.80, 0.70, 0.56, 0.46, 0.45, 0.44])
    assert drawn.axes[0].get_xscale() == "log"
    assert "the best 3 by training accuracy" in in_legend(drawn)


def test_error_bars_need_two_seeds():
    def bars(n):
        run = spec.Search(name="search", title="", base=FIT, axes={"l2": (0.1,)})
        member = run.run({"l2": 0.1})
        outcomes = tuple(outcome(member, seed, 0.4 + 0.1 * seed) for seed in range(n))
        found = results(RunResult(member, outcomes, {"l2": 0.1}), group=run)
        drawn = plots.draw(spec.Sweep(of=("search",), caption=""), found)
        return [each.get_segments() for each in drawn.axes[1].collections]

    assert bars(1) == []
    ((segment,),) = bars(2)
    assert np.ptp(segment[:, 1]) == pytest.approx(2 * 0.1 / np.sqrt(2))


def test_a_setting_of_zero_fits_a_logarithmic_axis():
    found = searched((0.3, 0.4, 0.5), {"l2": (0.0, 0.01, 0.1)})
    drawn = plots.draw(spec.Scatter(of=("search",), caption=""), found)
    assert drawn.axes[0].get_xscale() == "symlog"


def test_a_sweep_tells_the_best_by_the_ranking_and_leaves_out_what_there_is_not():
    found = decays(0.3, 0.5, None)
    drawn = plots.draw(spec.Sweep(of=("search",), caption="", metric="test"), found)
    assert [axes.get_ylabel() for axes in drawn.axes] == ["loss (nats)", "accuracy (%)"]
    assert "best by validation accuracy: λ = 10" in in_legend(drawn)
    for run in found.runs.values():
        for each in run.good:
            del each.metrics["test_accuracy"]
    drawn = plots.draw(spec.Sweep(of=("search",), caption="", metric="test"), found)
    assert len(drawn.axes) == 1


def test_a_heat_map_prints_every_value_and_frames_the_best():
    found = searched((0.11, 0.22, None, 0.44, 0.88, 0.66, 0.77, 0.55), GRID)
    drawn = plots.draw(spec.HeatMap(of=("search",), caption=""), found)
    panels = drawn.axes[:2]
    assert [axes.get_title("left") for axes in panels] == ["batch = 50", "batch = 100"]
    shown = [[text.get_text() for text in axes.texts] for axes in panels]
    assert shown == [["11.0", "22.0", "88.0", "66.0"], ["failed", "44.0", "77.0", "55.0"]]
    ((frame,), ()) = ([patch.get_center() for patch in axes.patches] for axes in panels)
    assert frame == pytest.approx((1, 0))  # λ = .1, η = .1
    assert drawn.axes[2].get_xlabel().startswith("validation accuracy (%)")


def test_a_heat_map_needs_three_settings():
    with pytest.raises(ValueError, match="3 settings; got 1 in search"):
        plots.draw(spec.HeatMap(of=("search",), caption=""), decays(0.1, 0.2))


def test_labels_of_architectures_do_not_overlap():
    runs = []
    for i in range(6):
        model = spec.Model(widths=(3072, 10 + i, 10), activations=("relu",))
        run = replace(FIT, name=str(i), title=f"784-{100 + i}-10", model=model)
        runs.append(RunResult(run, (outcome(run, accuracy=0.9 + i / 1e4),)))
    wanted = spec.AccuracyAgainstSeconds(of=tuple("012345"), caption="")
    drawn = plots.draw(wanted, results(*runs))
    (axes,) = drawn.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 6
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert axes.get_xscale() == "log"
    assert "1 hidden layer" in in_legend(drawn)


def test_surfaces_are_heat_maps_beside_their_difference_on_one_scale():
    drawn = drawn_of(spec.Surfaces)
    *maps, bar = drawn.axes
    assert [axes.get_title("left") for axes in maps] == ["true, m = 10", "fitted", "fitted − true"]
    assert len({axes.images[0].get_clim() for axes in maps}) == 1
    low, high = maps[0].images[0].get_clim()
    assert low == -high
    true, fitted, difference = (axes.images[0].get_array() for axes in maps)
    np.testing.assert_allclose(fitted - true, difference, atol=1e-6)
    assert "difference" in bar.get_xlabel()


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_leaves_its_figure(kind):
    drawn = drawn_of(kind)
    drawn.canvas.draw()
    whole = drawn.bbox.padded(1)
    labels = [each for axes in drawn.axes for each in (axes.xaxis.label, axes.yaxis.label)]
    for text in [*drawn.texts, *drawn.legends, *labels]:
        box = text.get_window_extent()
        assert box.width == 0 or (whole.x0 <= box.x0 <= box.x1 <= whole.x1), text


def test_a_label_beside_long_ticks_is_whole():
    found = decays(0.3, 0.5, 0.4)
    for i, run in enumerate(found.runs.values()):
        for each in run.good:
            del each.metrics["test_accuracy"]
            each.metrics["test_loss"] = 0.018365 + i * 1e-5
    drawn = plots.draw(spec.Sweep(of=("search",), caption="", metric="test"), found)
    drawn.canvas.draw()
    assert drawn.axes[0].yaxis.label.get_window_extent().x0 >= 0


@pytest.mark.parametrize("kind", [spec.Templates, spec.Snapshots])
def test_on_a_dark_page_pictures_keep_their_colours(kind, kept):
    light, dark = (plots.draw(kind(of=("fit",), caption=""), kept, dark=each) for each in (0, 1))
    assert to_hex(light.get_facecolor()) == "#ffffff"
    assert to_hex(dark.get_facecolor()) == sheet.DARK["figure.facecolor"]
    first, second = (each.axes[0].images[0].get_array() for each in (light, dark))
    np.testing.assert_array_equal(first, second)
    assert (first[..., 3] == 0).any()  # the page is seen between them


def test_a_figure_says_what_is_cut_of_its_own_runs_alone(kept):
    cut = replace(FIT, name="cut", cut="3 of 9 epochs")
    whole = outcome(FIT, note="")
    found = results(RunResult(FIT, (whole,)), RunResult(cut, (outcome(cut, note=""),)))
    first, second = (
        plots.draw(spec.Curves(of=(name,), caption=""), found) for name in ("fit", "cut")
    )
    assert not any("quick look" in text for text in texts(first))
    assert "quick look: 3 of 9 epochs" in texts(second)


def comparison(number, metric="test_accuracy", mean=0.4, **changes):
    row = Reported(id=number, metric=metric, reported=0.41, ours=metric)
    known = {
        "row": row, "run": "the fit", "run_name": "fit", "mean": mean, "sd": 0.01, "n": 5,
        "text": "", "band": (0.38, 0.42), "band_from": "public", "verdict": Verdict.REPRODUCED,
        "why": "", "evidence": "",
    }  # fmt: skip
    return Comparison(**known | changes)


def test_reported_accuracies_stand_in_a_row_each_beside_ours():
    shown = [
        comparison("1-1"),
        comparison("1-2", "train_cost"),
        comparison("1-3", mean=None),
        comparison("1-4", mean=0.5, verdict=Verdict.OUTSIDE, band_from="tolerance"),
    ]
    drawn = plots.verdicts(shown, results())
    (axes,) = drawn.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["1-1 test: the fit", "1-4 test: the fit"]
    assert in_legend(drawn) == [
        "mean of 5 seeds ± sd", "reported", "band of other public reports", "reported ± tolerance",
        "ours: reproduced", "ours: outside",
    ]  # fmt: skip
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [
        (pytest.approx(0.38), pytest.approx(0.04))
    ] * 2
    assert axes.get_xlabel() == "accuracy (%)"


def test_without_accuracies_there_is_no_overview():
    assert plots.verdicts([comparison("1-2", "train_cost")], results()) is None


@pytest.mark.parametrize(
    ("wanted", "found", "reason"),
    [
        (spec.Curves, one(failed(FIT)), "the loss is NaN"),
        (spec.Curves, results(), "it was not run"),
        (spec.Templates, one(outcome(FIT)), "weights"),
        (spec.Scatter, decays(None, None), "of fit must have runs"),
    ],
)
def test_what_cannot_be_drawn_is_said(wanted, found, reason):
    with pytest.raises(plots.Undrawable, match=reason):
        plots.draw(wanted(of=("fit",), caption=""), found)


def test_a_figure_of_many_runs_leaves_out_the_failed():
    other = replace(FIT, name="other")
    found = results(RunResult(FIT, (outcome(FIT),)), RunResult(other, (failed(other),)))
    drawn = plots.draw(spec.AccuracyAgainstSeconds(of=("other", "fit"), caption=""), found)
    assert [text.get_text() for text in drawn.axes[0].texts] == ["the fit"]


def test_the_style_stays_within_the_figures(kept):
    before = dict(rcParams)
    list(plots.snapshots(spec.Snapshots(of=("fit",), caption=""), kept))
    plots.draw(spec.Curves(of=("fit",), caption=""), kept)
    assert dict(rcParams) == before


def test_an_unknown_kind_of_figure_is_refused(kept):
    with pytest.raises(TypeError, match="got Figure"):
        plots.draw(spec.Figure(of=("fit",), caption="a pie"), kept)
