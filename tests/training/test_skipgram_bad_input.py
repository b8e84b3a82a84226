"""What the skip-gram engine refuses, each in one line that says what to do."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.training.skipgram import SkipGram, train

N = 40
SETTING = SkipGram(
    dim=8,
    window=3,
    negatives=3,
    exponent=0.0,
    subsample=0.0,
    direction="both",
    shrink=True,
    epochs=3,
    learning_rate=0.05,
)
KERNELS = [
    {},
    {"loss": "softmax"},
    {"negatives": 8},
    {"sharing": "pair"},
    {"sharing": "pair", "loss": "softmax"},
    {"architecture": "cbow"},
    {"architecture": "cbow", "loss": "softmax"},
]


def corpus(sentences=400):
    """Sentences of ten of the eight items of one of five clusters."""
    random = np.random.default_rng(0)
    return Sequences.of(
        [(random.integers(0, 8, 10) * 5 + random.integers(5)).tolist() for _ in range(sentences)]
    )


@pytest.mark.parametrize("rate", [1.0, 3.0, 100.0, 1e6, 1e38, 1e39, np.inf, np.nan])
@pytest.mark.parametrize("values", KERNELS, ids=str)
def test_a_silly_learning_rate_names_the_epoch_itself_and_what_to_do(values, rate):
    """Whether tables go to infinity first, or the loss does: at a rate of 1 it alone may."""
    with pytest.raises(DataError) as error:
        train(corpus(), N, replace(SETTING, learning_rate=rate, **values))
    said = str(error.value)
    assert said.startswith(f"training diverged in epoch 1 of 3 at learning_rate {rate}: set it low")
    assert "\n" not in said
    assert "good state" not in said  # no checkpoint was asked for


def test_a_divergence_before_any_state_was_kept_says_so_and_leaves_no_file(tmp_path):
    with pytest.raises(DataError, match="; it came too early for a checkpoint"):
        train(corpus(), N, replace(SETTING, learning_rate=1e6), checkpoint=tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


def test_two_threads_stop_at_a_silly_learning_rate_as_well():
    with pytest.raises(DataError, match="training diverged in epoch 1 of 3"):
        train(corpus(), N, replace(SETTING, learning_rate=1e6), threads=2)


@pytest.mark.parametrize("values", KERNELS, ids=str)
def test_a_learning_rate_that_is_merely_high_is_not_refused(values):
    losses = train(corpus(), N, replace(SETTING, learning_rate=0.15, **values)).losses
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("rows", [[], [[]], [[3]], [[1], [], [2], [3]]])
@pytest.mark.parametrize("sharing", ["centre", "pair"])
def test_sequences_of_one_item_teach_nothing(rows, sharing):
    with pytest.raises(DataError, match="no sequence has two items"):
        train(Sequences.of(rows), 5, replace(SETTING, sharing=sharing))


def million():
    """One sequence of a million tokens between two of two."""
    values = np.random.default_rng(1).integers(0, N, 10**6 + 4).astype(np.int32)
    return Sequences(values, np.array([0, 2, 10**6 + 2, 10**6 + 4]))


@pytest.mark.parametrize("values", [{}, {"sharing": "pair"}, {"architecture": "cbow"}], ids=str)
def test_a_sequence_of_a_million_tokens_is_trained(values):
    setting = replace(SETTING, window=1, epochs=1, direction="past", **values)
    tables = train(million(), N, setting)
    assert tables.pairs == 10**6 - 1 + 2
    assert np.isfinite(tables.losses).all()


@pytest.mark.parametrize("epochs", [12, 100])
def test_a_window_of_all_of_it_is_refused_with_the_work_it_would_make(epochs):
    with pytest.raises(DataError) as error:
        train(million(), N, replace(SETTING, window=None, epochs=epochs))
    said = str(error.value)
    assert said == (
        f"a window of the whole sequence makes {epochs * 1e12:.0e} pairs here, the longest has "
        "1000000 items: set window to a number"
    )


def test_an_item_that_never_occurs_is_allowed_and_stays_as_it_began():
    tables = train(Sequences.of([[0, 1, 0, 1]] * 5), 10**4, SETTING)
    assert not tables.outputs[2:].any()
    start = train(Sequences.of([[0, 1]]), 10**4, replace(SETTING, learning_rate=0.0))
    assert tables.inputs[2:].tobytes() == start.inputs[2:].tobytes()
