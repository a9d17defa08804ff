from experiments.spec import QUICK_EPOCHS, QUICK_ROWS, Curves, Templates


def test_quick_shortens_every_run(made_up):
    check, fit = made_up.quick().runs
    assert check.data.rows == fit.data.rows == QUICK_ROWS
    assert fit.epochs == 2 <= QUICK_EPOCHS
    assert fit.optimiser == made_up.runs[1].optimiser


def test_figures_are_called_after_run_and_kind():
    assert (Curves("fit").name, Templates("fit").name) == ("fit_curves", "fit_templates")
