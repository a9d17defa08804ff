from dataclasses import replace

import numpy as np
import pytest
from matplotlib import rcParams

from experiments import plots
from experiments.spec import Curves, Figure, Templates


def texts(drawn):
    return [text.get_text() for text in drawn.texts]


@pytest.mark.parametrize("kind", [Curves, Templates])
def test_every_figure_says_what_it_is_and_that_the_data_stand_in(kind, results):
    drawn = plots.draw(kind("fit"), results[1], "made up")
    assert results[1].data.note in texts(drawn)
    assert f"made up\nfit: {kind.caption}" in texts(drawn)


def test_figures_of_real_data_carry_no_note(results):
    result = replace(results[1], data=replace(results[1].data, note=""))
    assert len(texts(plots.draw(Curves("fit"), result, "made up"))) == 1


def test_loss_cost_and_accuracy_have_an_axis_each(results):
    drawn = plots.draw(Curves("fit"), results[1], "made up")
    labels = [axes.get_ylabel() for axes in drawn.axes]
    assert [label.partition(":")[0] for label in labels] == ["loss", "cost", "accuracy"]
    for axes, metric in zip(drawn.axes, ("loss", "cost", "accuracy"), strict=True):
        assert axes.get_xlabel() == "epoch"
        assert axes.get_legend() is not None
        for line, column in zip(axes.lines[:2], (metric, f"val_{metric}"), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), results[1].history[column])


def test_templates_are_stretched_over_their_three_channels_together():
    weight = np.zeros((3072, 2), np.float32)
    weight[:1024, 0] = 5  # the red plane
    weight[1024, 1] = -1  # the first green pixel
    red, green = plots.templates(weight)
    np.testing.assert_array_equal(red, np.broadcast_to([1.0, 0.0, 0.0], (32, 32, 3)))
    assert green[0, 0].tolist() == [1, 0, 1]
    assert green[1:].min() == 1


def test_templates_name_the_classes(results):
    drawn = plots.draw(Templates("fit"), results[1], "made up")
    assert [axes.get_title() for axes in drawn.axes] == list(results[1].data.classes)


def test_the_style_stays_within_the_figures(results):
    before = dict(rcParams)
    plots.draw(Curves("fit"), results[1], "made up")
    assert dict(rcParams) == before


def test_an_unknown_kind_of_figure_is_refused(results):
    class Pie(Figure):
        caption = "a pie"

    with pytest.raises(TypeError, match="got Pie"):
        plots.draw(Pie("fit"), results[1], "made up")
