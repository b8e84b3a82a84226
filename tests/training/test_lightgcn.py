"""LightGCN's training against the same on dense matrices in float64."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError, Diverged
from recembed.training.lightgcn.graph import Graph
from recembed.training.lightgcn.settings import BPR, Setting, Softmax
from recembed.training.lightgcn.steps import adam, add_rows
from recembed.training.lightgcn.train import Learner, train

SMALL = Setting(
    dim=5,
    layers=3,
    loss=Softmax(negatives=4, temperature=0.3),
    ids=True,
    epochs=2,
    batch_size=6,
    learning_rate=0.05,
    regularization=0.2,
)
LOSSES = [SMALL.loss, replace(SMALL.loss, score="dot"), BPR()]


def pairs(n_units=7, n_items=9, seed=0):
    """Weights of pairs; the last unit and the last item have none."""
    rng = np.random.default_rng(seed)
    dense = np.where(
        rng.random((n_units, n_items)) < 0.4, rng.integers(1, 4, (n_units, n_items)), 0
    )
    dense[-1] = 0
    dense[:, -1] = 0
    return sp.csr_matrix(dense.astype(np.float32))


def normalised(matrix):
    """D^-1/2 A D^-1/2, dense."""
    rows, columns = matrix.shape
    whole = np.zeros((rows + columns, rows + columns))
    whole[:rows, rows:] = matrix.toarray()
    whole[rows:, :rows] = matrix.toarray().T
    degree = np.maximum(whole.sum(axis=1), 1e-30)
    return whole / np.sqrt(np.outer(degree, degree))


def powers(matrix, layers):
    """The sum of the powers 0 .. layers of what is normalised."""
    step = normalised(matrix)
    return sum(np.linalg.matrix_power(step, k) for k in range(layers + 1))


def learner(setting, matrix, pool):
    """One that has learned for a while, so that no vectors are as at the start."""
    made = Learner(matrix, setting, Graph.of(matrix, pool, 1), seed=5)
    for _ in range(3):
        made.step(np.arange(matrix.nnz))
    made.table *= 5  # of a size at which all that a loss does shows
    return made


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as executor:
        yield executor


@given(
    n_units=st.integers(2, 12),
    n_items=st.integers(2, 12),
    layers=st.integers(0, 5),
    threads=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_vectors_spread_as_by_powers_of_the_dense_matrix(n_units, n_items, layers, threads, seed):
    matrix = pairs(n_units, n_items, seed)
    vectors = np.random.default_rng(seed).standard_normal((n_units + n_items, 3)).astype(np.float32)
    items_only = vectors.copy()
    items_only[:n_units] = 0
    expected = powers(matrix, layers)
    with ThreadPoolExecutor(threads) as executor:
        graph = Graph.of(matrix, executor, threads)
        close = {"rtol": 1e-4, "atol": 1e-5}
        assert np.allclose(graph.summed(vectors, layers), expected @ vectors, **close)
        assert np.allclose(graph.from_items(items_only, layers), expected @ items_only, **close)
        back = graph.to_items(vectors, layers)[n_units:]
        assert np.allclose(back, (expected @ vectors)[n_units:], **close)


def objective(setting, matrix, table, batch):
    """The mean loss of pairs, and the regularization of what is in the batch."""
    units, items, negatives = batch
    final = powers(matrix, setting.layers) @ table / (setting.layers + 1)
    if setting.loss.score == "cosine":
        final /= np.maximum(np.linalg.norm(final, axis=1, keepdims=True), 1e-30)
    n, total = matrix.shape[0], 0.0
    for k, (u, i) in enumerate(zip(units, items, strict=True)):
        if isinstance(setting.loss, BPR):
            if not matrix[u, negatives[k]]:
                total += np.log1p(np.exp(final[u] @ (final[n + negatives[k]] - final[n + i])))
        else:
            others = [i, *(j for j in negatives if j != i)]
            scores = final[u] @ final[n + np.array(others)].T / setting.loss.temperature
            total += np.log(np.exp(scores).sum()) - scores[0]
    rows = np.concatenate([units, n + items, n + negatives])
    return total / len(units), setting.regularization / 2 * (table[rows] ** 2).sum() / len(units)


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("layers", [0, 1, 2, 3])
@pytest.mark.parametrize("loss", LOSSES, ids=["cosine", "dot", "bpr"])
def test_the_gradient_is_the_slope_of_the_dense_objective(loss, layers, ids, pool):
    setting, matrix = replace(SMALL, loss=loss, layers=layers, ids=ids), pairs()
    made = learner(setting, matrix, pool)
    units = np.array([0, 1, 1, 4, 3], np.int32)
    items = np.array([matrix[u].indices[0] for u in units], np.int32)
    negatives = np.array([items[0], 2, 5, 5, 7], np.int32)  # one is a pair's own, one comes twice
    value, gradient = made.gradient(units, items, negatives)
    table, step = made.table.astype(float), 1e-5
    assert np.isclose(value, objective(setting, matrix, table, (units, items, negatives))[0])
    for row in range(0 if ids else made.n_units, len(table)):
        for column in range(setting.dim):
            ends = []
            for sign in (1, -1):
                moved = table.copy()
                moved[row, column] += sign * step
                ends.append(sum(objective(setting, matrix, moved, (units, items, negatives))))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert np.isclose(gradient[row, column], slope, rtol=1e-3, atol=1e-4)
    assert np.abs(gradient).max() > 0.01


def test_a_drawn_item_that_the_user_has_taken_teaches_nothing(pool):
    setting = replace(SMALL, loss=BPR(), regularization=0.0)
    made = learner(setting, pairs(), pool)
    unit = np.zeros(1, np.int32)
    taken = made.matrix[0].indices
    value, gradient = made.gradient(unit, taken[:1], taken[1:2])
    assert value == 0
    assert not gradient.any()


def test_adam_steps_as_its_paper_says():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((4, 3)).astype(np.float32)
    tables = (table, np.zeros_like(table), np.zeros_like(table))
    expected, mean, square = table.astype(float), 0.0, 0.0
    for step in range(1, 6):
        gradient = rng.standard_normal((4, 3)).astype(np.float32)
        mean = 0.9 * mean + 0.1 * gradient.astype(float)
        square = 0.999 * square + 0.001 * gradient.astype(float) ** 2
        down = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        expected[1:3] -= 0.1 * down[1:3]
        adam(tables, gradient, step, 0.1, 1, 3)
    assert np.allclose(table, expected, atol=1e-5)


def test_rows_that_come_twice_get_both():
    to = np.ones((3, 2), np.float32)
    add_rows(to, np.array([2, 0, 2], np.int32), np.arange(6, dtype=np.float32).reshape(3, 2))
    assert to.tolist() == [[3, 4], [1, 1], [5, 7]]


@pytest.mark.parametrize("ids", [True, False])
def test_units_and_items_without_pairs_stay_0(ids):
    made = train(pairs(), replace(SMALL, ids=ids), seed=1, threads=2)
    assert made.outputs.any(axis=1).tolist() == made.inputs.any(axis=1).tolist() == [True] * 8 + [0]
    assert made.own.any(axis=1).tolist() == [ids] * 6 + [False]


def test_the_loss_falls(pool):
    for loss in LOSSES:
        setting = replace(SMALL, loss=loss, regularization=0.0)
        made = Learner(pairs(), setting, Graph.of(pairs(), pool, 1), seed=0)
        losses = [made.step(np.arange(pairs().nnz)) for _ in range(60)]
        assert np.mean(losses[-10:]) < 0.8 * losses[0]


def test_a_softmax_draws_no_item_twice_and_all_where_they_are_few(pool):
    for asked, drawn in ((4, 4), (100, 8)):
        made = learner(replace(SMALL, loss=Softmax(negatives=asked)), pairs(), pool)
        seen, gradient = [], made.gradient
        made.gradient = lambda u, i, n, seen=seen, gradient=gradient: (
            seen.append(n) or gradient(u, i, n)
        )
        made.step(np.arange(5))
        assert len(seen[0]) == len(np.unique(seen[0])) == drawn
        assert set(seen[0].tolist()) <= set(range(8))  # the last item has no events


def test_threads_share_the_rows_without_changing_a_byte_of_what_spreads():
    matrix, vectors = pairs(40, 30), np.random.default_rng(0).random((70, 4), np.float32)
    found = []
    for threads in (1, 3):
        with ThreadPoolExecutor(threads) as executor:
            found.append(Graph.of(matrix, executor, threads).summed(vectors, 3).tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("loss", LOSSES, ids=["cosine", "dot", "bpr"])
def test_training_that_diverges_says_what_to_change(loss):
    with pytest.raises(Diverged, match=r"diverged in epoch 1 at learning_rate .*: set it lower"):
        train(pairs(), replace(SMALL, loss=loss, learning_rate=1e30), seed=0, threads=1)


def test_nothing_to_learn_from_is_told():
    with pytest.raises(DataError, match="no event weighs more than 0"):
        train(sp.csr_matrix((3, 4), dtype=np.float32), SMALL, seed=0, threads=1)
