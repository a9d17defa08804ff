"""summary.py: a network as a table."""

import pytest

import fastdl as fd

RULE = "-" * 68  # as long as the longest line


def test_a_network_of_several_kinds_of_layers():
    layers = [
        fd.Dense(784, 128, "relu", l2=1e-5),
        fd.Dense(128, 30, "tanh", l1=0.01, l2=0.5),
        fd.Dense(30, 10),
    ]
    network = fd.Network(layers, loss="hinge", margin=0.5, scaling=fd.Scaling.divided(784))
    assert str(network.summary()) == "\n".join([
        "layer  kind   inputs  units  activation  parameters  penalty",
        RULE,
        "0      Dense     784    128  relu           100,480  l2 1e-05",
        "1      Dense     128     30  tanh             3,870  l1 0.01, l2 0.5",
        "2      Dense      30     10  identity           310  none",
        RULE,
        "all              784     10                 104,660",
        "loss: hinge, margin 0.5",
        "dtype: float32",
        "scaling: (x - shift) * scale, feature by feature",
    ])  # fmt: skip
    assert network.n_parameters == 104_660


def test_dropout_has_a_line_of_its_own():
    network = fd.Network([fd.Dense(784, 30, "relu"), fd.Dropout(0.25), fd.Dense(10)])
    assert [line.split() for line in network.summary().splitlines()[2:5]] == [
        ["0", "Dense", "784", "30", "relu", "23,550", "none"],
        ["1", "Dropout", "30", "30", "dropout", "0.25", "0", "none"],
        ["2", "Dense", "30", "10", "identity", "310", "none"],
    ]
    assert repr(network) == (
        "<Network 784-30-10: relu, dropout 0.25, identity; softmax_cross_entropy; float32; "
        "23,860 parameters>"
    )


def test_a_norm_has_one_too():
    network = fd.Network([fd.Dense(784, 30), fd.BatchNorm(), fd.Activation("relu"), fd.Dense(10)])
    assert network.summary().splitlines()[3].split() == [
        "1", "BatchNorm", "30", "30", "batch_norm", "relu", "60", "none",
    ]  # fmt: skip
    assert "784-30-10: identity, batch_norm relu, identity;" in repr(network)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mse"])
def test_what_is_not_there_is_said_to_be_none(loss, dtype):
    lines = fd.Network([2, 3], loss=loss, dtype=dtype).summary().splitlines()
    assert lines[2].endswith("none")
    assert lines[-3:] == [f"loss: {loss}", f"dtype: {dtype}", "scaling: none"]


def test_the_prompt_shows_what_print_does():
    summary = fd.Network([2, 3]).summary()
    assert isinstance(summary, str)
    assert repr(summary) == str(summary)
    assert "\n" in repr(summary)


def test_the_penalty_that_a_fit_has_given_is_told():
    network = fd.Network([2, 2])
    network.set_penalty(l2=0.25)
    assert "l2 0.25" in network.summary()
