"""Where two features meet, each tested alone but not together, slips have lived: which test holds
each such pair. What is added to the library asks for its pairs here."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAIRS = {
    # Weights of rows: each batch's loss and gradient go by them.
    ("weights", "shuffled rows and batches"): (
        "test_epoch.py::test_weights_go_with_their_rows_in_any_order"
    ),
    ("weights", "zeros that are skipped, rows where they lie, folded steps, tiles"): (
        "test_epoch.py::test_a_weight_of_so_many_is_the_row_so_often_in_every_form"
    ),
    ("weights", "threads"): (
        "test_epoch.py::test_every_form_has_the_same_bits_on_any_number_of_threads"
    ),
    ("weights", "means over the batches"): (
        "test_epoch.py::test_the_mean_over_the_batches_is_weighted"
    ),
    ("weights", "blocks of 16 rows with one weight"): (
        "test_losses.py::test_one_weight_of_all_rows_is_a_factor"
    ),
    ("weights", "long evaluations"): "test_epoch.py::test_a_long_evaluation_is_that_of_its_parts",
    ("weights", "weights of classes"): (
        "test_trainer.py::test_class_weights_are_the_weights_of_their_rows"
    ),
    ("weights", "resuming"): "test_resume.py::test_what_goes_together_with_resuming",
    ("weights", "rows that are not finite"): (
        "test_trainer.py::test_a_bad_row_without_a_weight_is_refused_too"
    ),
    # Forms of the first layer: zeros that are skipped, rows where they lie, copied, folded steps.
    ("forms of the first layer", "shuffled rows"): (
        "test_epoch.py::test_every_form_of_shuffled_rows_is_those_rows_in_that_order"
    ),
    ("forms of the first layer", "optimisers with l1 and l2"): (
        "test_epoch.py::test_every_form_with_every_optimiser_and_both_penalties"
    ),
    ("forms of the first layer", "threads"): (
        "test_epoch.py::test_every_form_has_the_same_bits_on_any_number_of_threads"
    ),
    ("zeros that are skipped", "gradients() and evaluate()"): (
        "test_epoch.py::test_gradients_and_losses_of_rows_that_are_mostly_zero"
    ),
    ("zeros that are skipped", "few such rows"): (
        "test_epoch.py::test_few_sparse_rows_among_others_change_no_sum_but_by_rounding"
    ),
    ("zeros that are skipped", "NaN"): "test_epoch.py::test_what_is_not_a_number_is_not_skipped",
    ("folded steps", "transposed copies"): (
        "test_epoch.py::"
        "test_steps_that_are_folded_into_the_gradient_of_weights_with_a_transposed_copy"
    ),
    ("weights by unit", "momentum"): "test_epoch.py::test_any_widths_on_any_instruction_set",
    ("gaps between the rows of a weight", "l1 in every optimiser"): (
        "test_epoch.py::test_between_the_rows_of_a_weight_lie_zeros"
    ),
    ("penalties by batch", "optimisers, folded steps, l1, a bound of the norm, threads"): (
        "test_epoch.py::test_penalties_count_as_often_as_each_batch_says"
    ),
    ("weights", "estimators, sparse rows, rows held out"): (
        "test_sklearn_results.py::test_sparse_rows"
    ),
    ("an l1", "weights of zero"): "test_kernels.py::test_an_l1_leaves_a_weight_of_zero_where_it_is",
    ("an l1", "biases"): "test_optim.py::test_a_penalty_alone_shrinks_weights_and_no_biases",
    ("an activation of the outputs", "every loss and its settings"): (
        "test_epoch.py::test_outputs_with_an_activation_and_losses_with_settings"
    ),
    # A call goes on from stretch to stretch, a trainer from fit to fit.
    ("calls longer than a stretch", "Adam, rates, sums, orders, threads"): (
        "test_epoch.py::test_a_long_call_has_the_bits_of_many_short_ones"
    ),
    ("calls longer than a stretch", "evaluations"): (
        "test_epoch.py::test_a_long_evaluation_is_that_of_its_parts"
    ),
    ("threads", "work that changes its speed"): (
        "test_pace.py::test_a_change_is_noticed_within_seconds"
    ),
    ("later fits", "changed parameters, transposed copies, shares"): (
        "test_epoch.py::test_a_fit_after_the_parameters_were_changed_begins_with_those"
    ),
    ("later fits", "changed penalties"): (
        "test_epoch.py::test_a_fit_after_the_penalties_were_changed_goes_by_those"
    ),
    ("later fits", "schedules, moments, shuffling"): (
        "test_trainer.py::test_two_fits_are_one_long_fit"
    ),
    ("later fits", "divergence"): (
        "test_trainer.py::test_a_fit_after_divergence_goes_on_from_the_last_good_epoch"
    ),
    ("divergence", "Adam, dropped batches, shuffling"): (
        "test_trainer.py::test_adam_goes_back_with_its_moments_its_count_and_its_order"
    ),
    ("divergence", "a range test"): "test_trainer.py::test_range_test_leaves_no_trace",
    ("rows that are not finite", "shuffling, every form"): (
        "test_trainer.py::test_a_row_is_refused_at_its_batch_though_its_loss_is_finite"
    ),
    ("rows that are not finite", "threads"): (
        "test_trainer.py::test_a_row_that_is_not_finite_is_named_as_if_nothing_had_happened"
    ),
    ("rows that are not finite", "dropped batches"): (
        "test_trainer.py::test_rows_that_an_epoch_drops_are_looked_at_before"
    ),
    ("rows that are not finite", "blocks of 4,096 rows"): (
        "test_trainer.py::test_a_bad_row_anywhere_in_many_is_named"
    ),
    ("rows that are not finite", "resuming"): (
        "test_resume.py::test_a_refused_row_leaves_a_resumed_fit_where_it_was"
    ),
    ("resuming", "dropped batches, an l1, means over the batches"): (
        "test_resume.py::test_what_goes_together_with_resuming"
    ),
    ("resuming", "callbacks"): (
        "test_resume.py::test_callbacks_end_as_if_the_fit_had_never_stopped"
    ),
    ("resuming", "divergence"): (
        "test_resume.py::test_divergence_after_a_resume_goes_back_to_the_last_good_epoch"
    ),
    ("resuming", "a second fit"): (
        "test_resume.py::test_a_second_fit_is_resumed_with_its_own_epochs_and_history"
    ),
    ("Ctrl-C", "a divergence that is looked into"): (
        "test_resume.py::test_an_interrupt_while_a_divergence_is_looked_into_saves_nothing"
    ),
    ("penalties", "copies and files"): "test_network.py::test_a_file_gives_back_the_same_bits",
    ("scaling", "every kind of rows and stride"): (
        "test_epoch.py::test_rows_of_any_kind_scaling_and_stride"
    ),
    ("scaling", "copies in the other dtype"): (
        "test_network.py::test_a_copy_in_the_other_dtype_reads_rows_of_every_kind"
    ),
    ("a loss", "every activation and optimiser"): (
        "test_epoch.py::test_every_loss_activation_and_optimiser"
    ),
    # Dropout: what is drawn goes by the batch's rows and by the step, however they are cut.
    ("dropout", "every place, slices, tiles, optimisers"): (
        "test_epoch.py::test_masks_are_those_of_numpy"
    ),
    ("dropout", "forms of the first layer, scaling"): (
        "test_epoch.py::test_rows_that_are_mostly_zero_are_masked_too"
    ),
    ("dropout", "threads, records, means over the batches"): (
        "test_epoch.py::test_masks_have_the_same_bits_on_any_number_of_threads"
    ),
    ("dropout", "later fits, seeds"): (
        "test_epoch.py::test_masks_differ_from_step_to_step_fit_to_fit_and_seed_to_seed"
    ),
    ("dropout", "logits(), evaluate(), gradients()"): (
        "test_epoch.py::test_a_network_answers_as_if_it_had_no_masks"
    ),
    ("dropout", "differences"): "test_gradcheck.py::test_dropout_is_left_out",
    ("dropout", "audits"): "test_audit.py::test_dropout_is_left_out_and_not_counted",
    ("dropout", "resuming"): "test_resume.py::test_a_resumed_fit_ends_with_the_same_bits",
    ("dropout", "resuming without a seed"): (
        "test_resume.py::test_dropout_of_no_seed_goes_on_with_the_masks_of_the_fit_that_was_stopped"
    ),
    ("dropout", "copies and files"): "test_network.py::test_dropout_is_copied_and_saved",
    ("dropout", "penalties"): "test_layers.py::test_penalties_are_those_of_the_dense_layers",
    # Batch normalisation: a step sees all rows of its batch, an answer what they were like.
    ("batch norm", "every place, dropout, slices, tiles, penalties, a bound, weight decay"): (
        "test_epoch.py::test_norms_are_those_of_numpy"
    ),
    ("batch norm", "threads, records, means over the batches"): (
        "test_epoch.py::test_norms_have_the_same_bits_on_any_number_of_threads"
    ),
    ("batch norm", "logits(), evaluate(), gradients()"): (
        "test_epoch.py::test_a_network_answers_by_running_values_and_has_the_gradient_of_a_batch"
    ),
    ("batch norm", "forms of the first layer, scaling"): (
        "test_epoch.py::test_rows_of_every_form_are_normalised"
    ),
    ("batch norm", "rows that are not finite"): (
        "test_epoch.py::test_a_row_that_is_not_finite_moves_no_norm"
    ),
    ("batch norm", "a loss of your own"): (
        "test_epoch.py::test_a_loss_of_your_own_sees_the_logits_of_the_batch"
    ),
    ("batch norm", "steps"): "test_step.py::test_with_norms",
    ("batch norm", "differences"): "test_gradcheck.py::test_a_norm_takes_all_rows_as_one_batch",
    ("batch norm", "copies and files"): "test_network.py::test_norms_are_copied_and_saved",
    ("batch norm", "resuming"): "test_resume.py::test_a_resumed_fit_ends_with_the_same_bits",
    ("batch norm", "estimators"): "test_sklearn_more.py::test_batch_norm_of_every_hidden_layer",
    ("arrays that change", "fits"): (
        "test_changing_arrays.py::test_data_that_change_under_a_fit_crash_nothing"
    ),
    # Experiments.
    ("a run's settings", "every argument of the library"): (
        "experiments/test_trial.py::test_every_setting_of_a_run_reaches_the_library"
    ),
    ("a run's settings", "the key of its result"): (
        "experiments/test_coding.py::test_every_other_setting_makes_another_key"
    ),
    ("the seed", "first weights, order"): (
        "experiments/test_trial.py::test_the_seed_is_that_of_the_first_weights_and_of_the_order"
    ),
    ("bands", "numbers at their ends"): (
        "experiments/test_verdicts.py::test_a_reported_number_at_the_end_of_its_band_is_inside"
    ),
}


@pytest.mark.parametrize("pair", PAIRS, ids=" x ".join)
def test_every_pair_has_its_test(pair):
    file, _, name = PAIRS[pair].partition("::")
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
