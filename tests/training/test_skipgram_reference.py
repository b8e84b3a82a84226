"""The kernel of shared negatives against the same algorithm in plain Python."""

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.training.shared import NEAR
from recembed.training.skipgram import SkipGram, train

N, SEED = 9, 5
CORPUS = [[0, 1, 2, 3, 1, 0, 5], [], [4], [2, 6, 7, 2, 0, 3, 4, 4]]  # row 8 does not occur
SETTING = {
    "dim": 8,
    "window": 3,
    "negatives": 3,
    "exponent": 0.0,
    "subsample": 0.0,
    "direction": "both",
    "shrink": True,
    "epochs": 3,
    "learning_rate": 0.3,
}


@pytest.fixture
def compare(plain, agrees):
    """Train both ways; the compiled tables."""

    def run(rows=CORPUS, n_rows=N, **values):
        setting = SkipGram(**SETTING | values)
        tables = train(Sequences.of(rows), n_rows, setting, seed=SEED)
        agrees(tables, plain(setting, rows, n_rows, SEED))
        return tables

    return run


@pytest.mark.parametrize("direction", ["both", "past"])
@pytest.mark.parametrize("shrink", [True, False])
@pytest.mark.parametrize("loss", ["logistic", "softmax"])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"window": None, "exponent": 0.75},
        {"window": 2, "subsample": 0.05, "exponent": -1.0},
        {"learning_rate": 0.4, "epochs": 1, "window": 9, "exponent": 1.0},
    ],
)
def test_tables_and_losses_are_those_of_the_plain_algorithm(
    compare, direction, shrink, loss, values
):
    tables = compare(direction=direction, shrink=shrink, loss=loss, **values)
    assert not tables.outputs[8].any()


@pytest.mark.parametrize("negatives", [*range(1, 14), 100])
def test_any_number_of_negatives_fills_its_blocks(compare, negatives):
    """More than a block, blocks that are not full, and rows that are drawn more than once."""
    compare(negatives=negatives, learning_rate=0.05)


@pytest.mark.parametrize("negatives", [2, 100])
def test_any_number_of_negatives_does_so_for_the_softmax(compare, negatives):
    compare(negatives=negatives, loss="softmax", exponent=0.5)


@pytest.mark.parametrize("dim", [1, 5, 9, 16, 27])
def test_rows_that_fill_no_whole_register_are_padded_and_cut_again(compare, dim):
    assert compare(dim=dim).inputs.shape == (N, dim)


@pytest.mark.parametrize("direction", ["both", "past"])
@pytest.mark.parametrize("negatives", [3, 8])  # one block, whose inputs move at once, and three
@pytest.mark.parametrize("length", [NEAR, NEAR + 1, NEAR + 2, 2 * NEAR + 9])
def test_a_context_of_more_than_a_block_is_taken_in_turns(compare, direction, negatives, length):
    """Lengths around the block, and one with the centre alone in the last turn."""
    row = np.random.default_rng(length).integers(0, 8, length).tolist()
    values = {"direction": direction, "negatives": negatives, "learning_rate": 0.02}
    tables = compare([row, [1, 2]], window=None, epochs=1, **values)
    assert tables.pairs == (length * (length - 1) + 2) // (1 if direction == "both" else 2)


@pytest.mark.parametrize("negatives", [3, 8])
def test_a_row_that_stands_twice_in_a_context_gets_both_changes(compare, negatives):
    rows = [[0, 1, 1, 0, 0, 1, 2], [2, 2, 2]]
    compare(rows, 3, negatives=negatives, window=None, learning_rate=0.1)


def test_the_centre_is_never_its_own_negative(compare):
    """Of one kind of row, all negatives are the centre: the positive alone is left."""
    tables = compare([[0, 0, 0]], 1, window=None, epochs=1)
    assert tables.losses[0] < np.log(2)
