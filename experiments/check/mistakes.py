"""The known mistakes, a line each: its name, what it is in words, and what it changes of a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.check.recipe import Recipe


@dataclass(frozen=True)
class Mistake:
    """Something that goes wrong in a student's code.

    Attributes
    ----------
    name : str
        In tables and files.
    says : str
        What the code does, and what it should do, in a sentence.
    changes : mapping of str to value
        Fields of the recipe and what they are instead.
    wrong : bool
        False for another way to do it right, which the assignment leaves open.
    """

    name: str
    says: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    wrong: bool = True

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with this mistake."""
        return replace(recipe, **self.changes)

    def shows(self, recipe: Recipe) -> bool:
        """Whether it can change anything: what is done to a penalty of zero cannot."""
        return bool(recipe.l2) or not self.of_penalty

    @property
    def of_penalty(self) -> bool:
        """Whether it is about the penalty."""
        about = ("penalty", "penalty_over_batch", "penalised")
        return bool({*about} & {*self.changes}) or self.changes.get("reported") in OF_PENALTY


OF_PENALTY = ("cost without penalty", "cost with half", "loss is cost")
RIGHT = Mistake("none", "code that does what the assignment asks for", wrong=False)

# fmt: off
ALWAYS = (
    Mistake("gradient_summed", "the gradients of a batch are summed where their mean is asked for", {"gradient": "sum"}),
    Mistake("mean_twice", "the mean over the batch is taken twice: the gradient is divided by n²", {"gradient": "twice"}),
    Mistake("wrong_sign", "the step goes up the gradient: W + ηdW in place of W - ηdW", {"rate_factor": -1.0}),
    Mistake("never_updated", "the steps change a copy, and the network stays as it was drawn", {"rate_factor": 0.0}),
    Mistake("rate_times_10", "the learning rate is ten times what the setting says", {"rate_factor": 10.0}),
    Mistake("rate_by_10", "the learning rate is a tenth of what the setting says", {"rate_factor": 0.1}),
    Mistake("no_bias", "there are no biases, or they are never updated", {"biases": False}),
    Mistake("softmax_over_rows", "softmax sums over the rows of the batch where it should sum over the classes", {"softmax": "rows"}),
    Mistake("softmax_unshifted", "softmax does not take off the maximum, and overflows where logits are large", {"softmax": "unshifted"}),
    Mistake("x_shuffled_alone", "the images are shuffled and their labels are not", {"order": "x alone"}),
    Mistake("same_batch", "every step takes the first mini-batch: the index of the batch never moves", {"order": "first batch"}),
    Mistake("labels_next", "the training labels are one too high, those of the other rows are not", {"labels": "train next"}),
    Mistake("init_times_10", "the weights start ten times too large", {"init_factor": 10.0}),
    Mistake("init_zero", "the weights start at zero", {"init_factor": 0.0}),
    Mistake("last_batch", "the training numbers are those of the last mini-batch alone", {"reported": "last batch"}),
    Mistake("test_is_train", "the test numbers are those of the training rows", {"reported": "test is train"}),
    Mistake("test_is_validation", "the test numbers are those of the validation rows", {"reported": "test is validation"}),
    Mistake("validation_is_train", "the validation numbers are those of the training rows", {"reported": "validation is train"}),
    Mistake("best_on_test", "the epoch that is told is the one with the best test accuracy: the test rows were used for the choice", {"reported": "best test"}),
    Mistake("loss_summed", "the loss is a sum over rows and not their mean", {"reported": "loss summed"}),
    Mistake("log10", "the loss takes the logarithm to base 10", {"reported": "log10"}),
)
PENALTY = (
    Mistake("penalty_half", "the gradient of the penalty lacks its factor 2: λW in place of 2λW", {"penalty": 1.0}),
    Mistake("penalty_over_batch", "the gradient of the penalty is divided by the batch size", {"penalty_over_batch": True}),
    Mistake("penalty_not_in_gradient", "the penalty is in the cost and not in the gradient", {"penalty": 0.0}),
    Mistake("penalty_sign", "the gradient of the penalty has the wrong sign, and weights grow", {"penalty": -2.0}),
    Mistake("cost_without_penalty", "what is told as the cost is the loss, without the penalty", {"reported": "cost without penalty"}),
    Mistake("cost_half_penalty", "the cost counts half of the penalty: ½λ|W|² in place of λ|W|²", {"reported": "cost with half"}),
    Mistake("loss_is_cost", "what is told as the loss is the cost, with the penalty", {"reported": "loss is cost"}),
)
BIASES_PENALISED = Mistake("bias_penalised", "the biases are in the penalty, where only weights are asked for", {"penalised": ("W1", "b1")})
DEEP_BIASES_PENALISED = replace(BIASES_PENALISED, changes={"penalised": ("W1", "b1", "W2", "b2")})
CIFAR = (
    Mistake("pixels_raw", "the pixels are taken as they are, from 0 to 255", {"scaling": "raw"}),
    Mistake("pixels_divided", "the pixels are divided by 255 and not z-scored", {"scaling": "divided"}),
    Mistake("pixels_centred", "the mean is taken off, but nothing is divided by the standard deviation", {"scaling": "centred"}),
    Mistake("pixels_by_variance", "the pixels are divided by the variance and not by the standard deviation", {"scaling": "variance"}),
    Mistake("pixels_by_image", "every image is normalised by its own mean and deviation", {"scaling": "image"}),
    Mistake("pixels_one_number", "one mean and one deviation are taken over all pixels together", {"scaling": "one number"}),
    Mistake("pixels_own", "validation and test rows are normalised by their own statistics, not by the training rows'", {"scaling": "own"}),
    Mistake("pixels_train_alone", "the training rows are normalised, validation and test rows are not", {"scaling": "training rows alone"}),
    Mistake("images_reshaped", "the images are reshaped where they should be transposed, so rows mix pixels of many images", {"scaling": "reshaped"}),
)
DEEP = (
    Mistake("mask_left_out", "the gradient goes back through the ReLU unchanged: the mask is left out", {"derivative": "one"}),
    Mistake("mask_of_sigmoid", "the gradient goes back through the ReLU by the derivative of a sigmoid, h (1 - h)", {"derivative": "sigmoid"}),
    Mistake("no_activation", "the hidden layer has no ReLU", {"activation": "identity"}),
    Mistake("relu_on_scores", "the ReLU is put on the scores too, before the softmax", {"output_relu": True}),
    Mistake("first_layer_frozen", "only the last layer is trained", {"trained": (1,)}),
    Mistake("last_layer_frozen", "only the first layer is trained", {"trained": (0,)}),
)
CYCLES = (
    Mistake("rate_by_epoch", "the cyclical learning rate counts epochs where it should count steps", {"clock": "epoch"}),
    Mistake("rate_at_peak", "the learning rate stays at its maximum", {"clock": "peak"}),
    Mistake("rate_half_cycle", "n_s is taken for the whole cycle: there are twice as many", {"clock": "half"}),
    Mistake("rate_sawtooth", "the learning rate starts at its maximum, falls over a cycle and jumps back", {"clock": "fall"}),
)
A1 = (
    *ALWAYS, *PENALTY, BIASES_PENALISED, *CIFAR,
    Mistake("init_times_4", "the weights start four times too large, σ = .04", {"init_factor": 4.0}),
    Mistake("rows_shuffled", "the rows are shuffled before every epoch, which the assignment leaves open", {"order": "rows"}, wrong=False),
)
A2 = (
    *ALWAYS, *PENALTY, DEEP_BIASES_PENALISED, *CIFAR, *DEEP, *CYCLES,
    Mistake("init_of_a1", "the weights of both layers start at σ = .01, not at 1 / √d", {"init_factor": (0.554, 0.0707)}),
    Mistake("penalty_first_alone", "only the first layer's weights are in the penalty", {"penalised": ("W1",)}),
    Mistake("penalty_last_alone", "only the last layer's weights are in the penalty", {"penalised": ("W2",)}),
    Mistake("rows_shuffled", "the rows are shuffled before every epoch, which the assignment leaves open", {"order": "rows"}, wrong=False),
)
HW2 = (
    *ALWAYS, *PENALTY, DEEP_BIASES_PENALISED, *DEEP,
    Mistake("not_shuffled", "the rows are not shuffled", {"order": "file"}),
    Mistake("batches_shuffled", "the order of the batches is shuffled, their rows are not", {"order": "batches"}),
    Mistake("pixels_raw", "the pixels are taken from 0 to 255, less their mean", {"scaling": "raw centred"}),
    Mistake("pixels_not_centred", "the mean of the training rows is not taken off", {"scaling": "divided"}),
    Mistake("pixels_own", "validation and test rows have their own means taken off", {"scaling": "own mean"}),
    Mistake("pixels_train_alone", "the mean is taken off the training rows alone", {"scaling": "training mean alone"}),
    Mistake("images_reshaped", "the images are reshaped where they should be transposed, so rows mix pixels of many images", {"scaling": "reshaped centred"}),
)
# fmt: on
# The mistakes of every assignment that can be checked, and the runs that have stored distributions.
MISTAKES: dict[str, tuple[Mistake, ...]] = {
    "dd2424_a1": A1,
    "dd2424_a2": A2,
    "hw2_batch_size": HW2,
    "hw2_regularization": HW2,
}
SETTINGS: dict[str, tuple[str, ...]] = {
    "dd2424_a1": (
        "lambda0_eta0.1", "lambda0_eta0.001", "lambda0.1_eta0.001", "lambda1_eta0.001"
    ),
    "dd2424_a2": ("figure3", "figure4"),
    "hw2_batch_size": ("batch128", "batch1024"),
    "hw2_regularization": ("sweep_l2_l20.0005",),
}  # fmt: skip


def of(assignment: str, recipe: Recipe) -> tuple[Mistake, ...]:
    """Correct code and the mistakes that can show in a setting, correct code first."""
    return (RIGHT, *(each for each in MISTAKES[assignment] if each.shows(recipe)))
