"""The kernel of single pairs, and of bags, against the same algorithm in plain Python."""

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
    "sharing": "pair",
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
        {"window": None, "exponent": 0.75},
        {"window": 2, "shrink": False, "subsample": 0.05, "exponent": -1.0},
    ],
)
def test_tables_and_losses_are_those_of_the_plain_algorithm(compare, direction, loss, bags, values):
    compare(direction=direction, loss=loss, bags=bags, **values)


@pytest.mark.parametrize("values", [{"negatives": 100}, {"negatives": 7, "loss": "softmax"}])
def test_more_negatives_than_a_block(compare, values):
    compare(epochs=1, learning_rate=0.1, **values)


@pytest.mark.parametrize("dim", [1, 5, 9, 27])
def test_rows_that_fill_no_whole_register_are_padded_and_cut_again(compare, dim):
    assert compare(dim=dim, bags=BAGS).inputs.shape == (14, dim)


def test_a_long_context(compare):
    row = np.random.default_rng(1).integers(0, 8, 150).tolist()
    compare([row], window=80, shrink=False, epochs=1, learning_rate=0.02)


def test_bags_of_the_row_itself_are_no_bags():
    setting = SkipGram(**SETTING)
    bare = train(Sequences.of(CORPUS), N, setting)
    alone = train(Sequences.of(CORPUS), N, setting, bags=Sequences.of([[i] for i in range(N)]))
    assert bare.inputs.tobytes() == alone.inputs.tobytes()
    assert bare.outputs.tobytes() == alone.outputs.tobytes()


def test_a_row_that_never_occurs_is_known_from_what_its_bag_shares():
    """Row 8 is not in the corpus; its bag's row 11 is, in the bags of 2 and 3."""
    bags = Sequences.of(BAGS)
    moved = train(Sequences.of(CORPUS), N, SkipGram(**SETTING), bags=bags)
    still = train(Sequences.of(CORPUS), N, SkipGram(**SETTING | {"learning_rate": 0.0}), bags=bags)
    assert moved.inputs[8].tobytes() == still.inputs[8].tobytes()
    assert np.abs(moved.inputs[11] - still.inputs[11]).max() > 0.1
