"""The CBOW kernel against the same algorithm in plain Python."""

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.training.skipgram import SkipGram, train

N, SEED = 9, 11
CORPUS = [[0, 1, 2, 3, 1, 0, 5], [], [4], [2, 6, 7, 2, 0, 3, 4, 4]]  # row 8 does not occur
BAGS = [[0], [1, 10], [2, 10, 11], [3, 11], [4, 4, 12], [13, 5], [6], [7, 10, 12, 13], [8, 11]]
SETTING = {
    "dim": 8,
    "window": 3,
    "negatives": 3,
    "exponent": 0.0,
    "subsample": 0.0,
    "direction": "both",
    "shrink": True,
    "epochs": 3,
    "learning_rate": 0.2,
    "architecture": "cbow",
}


@pytest.fixture
def compare(plain, agrees):
    """Train both ways; the compiled tables."""

    def run(rows=CORPUS, bags=None, **values):
        setting = SkipGram(**SETTING | values)
        groups = None if bags is None else Sequences.of(bags)
        tables = train(Sequences.of(rows), N, setting, seed=SEED, bags=groups)
        agrees(tables, plain(setting, rows, N, SEED, bags))
        return tables

    return run


@pytest.mark.parametrize("direction", ["both", "past"])
@pytest.mark.parametrize("loss", ["logistic", "softmax"])
@pytest.mark.parametrize("bags", [None, BAGS], ids=["rows", "bags"])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"window": None, "exponent": 0.75, "decay": 0.7},
        {"window": 2, "shrink": False, "subsample": 0.05, "exponent": -1.0},
        {"dropout": 0.4, "decay": 0.5, "window": 5},
    ],
)
def test_tables_and_losses_are_those_of_the_plain_algorithm(compare, direction, loss, bags, values):
    compare(direction=direction, loss=loss, bags=bags, **values)


@pytest.mark.parametrize(
    ("negatives", "loss"),
    [*((n, "logistic") for n in (1, 9, 15, 16, 27, 64, 100)), (1, "softmax"), (27, "softmax")],
)
def test_many_negatives_are_shared_by_neighbours(compare, negatives, loss):
    """One centre for every eight negatives, and eight at most; the last ones of a row are fewer."""
    rows = [*CORPUS, np.random.default_rng(2).integers(0, 8, 29).tolist()]
    compare(rows, negatives=negatives, loss=loss, epochs=1, learning_rate=0.05)


@pytest.mark.parametrize("bags", [None, BAGS], ids=["rows", "bags"])
@pytest.mark.parametrize("values", [{}, {"dropout": 0.7}, {"direction": "past", "window": None}])
def test_neighbours_of_one_crowd_may_have_contexts_of_any_size(compare, bags, values):
    rows = [np.random.default_rng(5).integers(0, 8, n).tolist() for n in range(20)]
    compare(rows, bags, negatives=27, epochs=1, learning_rate=0.05, **values)


def test_negatives_of_its_own_for_each_centre_by_choice(compare):
    compare(negatives=27, sharing="pair", learning_rate=0.05)


@pytest.mark.parametrize("dim", [1, 5, 9, 27])
def test_rows_that_fill_no_whole_register_are_padded_and_cut_again(compare, dim):
    assert compare(dim=dim, bags=BAGS).inputs.shape == (14, dim)


def test_a_long_context_that_fades(compare):
    row = np.random.default_rng(1).integers(0, 8, 150).tolist()
    compare([row], window=None, decay=0.98, epochs=1)
    compare([row], window=None, decay=0.0, epochs=1)  # of the neighbours alone


def test_all_but_everything_dropped_trains_what_is_left(compare):
    tables = compare([[0, 1, 2, 3, 4, 5, 6, 7] * 9], dropout=0.95, epochs=1)
    assert 0 < tables.pairs < 72


def test_a_context_whose_weights_are_all_0_is_none(compare):
    """Without decay to spare the neighbours alone count, and dropout may leave both out."""
    rows = [[0, 1, 2, 3, 4, 5, 6, 7] * 9]
    one, all_there = (compare(rows, decay=0.0, dropout=x, epochs=1) for x in (0.5, 0.0))
    assert all_there.pairs == 72
    assert 72 * 0.55 < one.pairs < 72 * 0.9  # 3/4 in expectation, plus or minus 4 deviations
