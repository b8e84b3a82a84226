"""The closed form against ridge regressions, one an item, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models import ease, memory
from recembed.models.ease import EASE
from recembed.training.recency import Recency

ROWS = [[0, 1, 2], [0, 1], [1, 2, 3, 3], [3, 4], [0, 4, 4, 4]]


def by_regression(columns, regularization):
    """Each column from all others: what the zeros on the diagonal mean."""
    n = columns.shape[1]
    weights = np.zeros((n, n))
    for j in range(n):
        others = np.delete(np.arange(n), j)
        x = columns[:, others]
        left = x.T @ x + regularization * np.eye(n - 1)
        weights[others, j] = np.linalg.solve(left, x.T @ columns[:, j])
    return weights


@pytest.mark.parametrize("regularization", [0.5, 3.0])
def test_weights_are_those_of_a_ridge_regression_of_each_item_on_all_others(
    log_of, one, regularization
):
    log = log_of(ROWS)
    model = EASE(regularization=regularization).fit(log, machine=one)
    expected = by_regression(log.interactions.matrix().toarray().astype(float), regularization)
    assert np.allclose(model.weights, expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_two_items_by_hand(log_of, one):
    """Counts [[1, 1], [1, 0]]: G = [[2, 1], [1, 1]], so 1 explains 0 by 1 / (1 + 1)."""
    model = EASE(regularization=1.0).fit(log_of([[0, 1], [0]]), machine=one)
    assert np.allclose(model.weights, [[0, 1 / 3], [1 / 2, 0]], atol=1e-6)


def test_a_large_gram_matrix_comes_in_blocks(planted, one):
    whole = EASE().fit(planted.log, machine=one).weights
    assert np.array_equal(EASE().fit(planted.log, machine=replace(one, memory=1)).weights, whole)


def test_a_score_is_the_sum_of_rows_the_newest_weighing_most(log_of, one):
    log = log_of(ROWS)
    model = EASE(regularization=1.0, recency=Recency(decay=0.5)).fit(log, machine=one)
    top = model.top_k(log.interactions, 5)
    expected = model.weights[1] + 0.5 * model.weights[0]  # the user who took 0, then 1
    assert np.allclose(top.scores[1], np.sort(expected)[::-1], atol=1e-6)
    assert top.rows[1].tolist() == np.argsort(-expected, kind="stable").tolist()


def test_rare_items_are_left_out_of_the_weights_and_the_lists(log_of, one):
    log = log_of(ROWS, n_items=7)
    model = EASE(min_count=3).fit(log, machine=one)
    assert model.rows.tolist() == [0, 1, 3, 4]
    assert model.weights.shape == (4, 4)
    top = model.top_k(log.interactions, 5)
    assert set(top.rows.ravel().tolist()) == {0, 1, 3, 4, -1}


def test_one_item_is_no_trouble(log_of, one):
    assert EASE().fit(log_of([[0]]), machine=one).weights.tolist() == [[0]]


def test_more_items_than_there_is_memory_for_are_refused_with_the_bytes(log_of, one, monkeypatch):
    monkeypatch.setattr(ease, "free_memory", lambda: 99)
    with pytest.raises(DataError) as error:
        EASE().fit(log_of(ROWS), machine=one)
    assert str(error.value).startswith(
        "EASE needs more memory than the 99 bytes that are free: 5 items, 100 bytes (0.0 GiB)"
    )
    monkeypatch.setattr(ease, "free_memory", lambda: 100)
    assert EASE().fit(log_of(ROWS), machine=one).known.all()


def test_too_many_items_are_refused_and_rare_ones_can_be_left_out(log_of, one, monkeypatch):
    monkeypatch.setattr(ease, "MOST_ITEMS", 4)
    with pytest.raises(DataError, match=r"EASE is for up to 4 items; this log has 5 items"):
        EASE().fit(log_of(ROWS), machine=one)
    assert EASE(min_count=3).fit(log_of(ROWS), machine=one).known.sum() == 4


def test_a_matrix_without_an_inverse_says_what_to_change(log_of, one):
    twins = log_of([[0, 1]] * 2, weights=[[3000.0, 3000.0]] * 2)
    with pytest.raises(DataError, match=r"no answer at regularization 0.001: set regularization"):
        EASE(regularization=0.001).fit(twins, machine=one)


def test_weights_below_0_are_refused(log_of, one):
    with pytest.raises(DataError, match="have a weight below 0"):
        EASE().fit(log_of([[0, 1]], weights=[[1.0, -2.0]]), machine=one)


def test_free_memory_is_what_the_system_or_the_container_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "LIMIT", tmp_path)
    system = memory.free_memory()
    assert system is None or system > 1 << 20
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    assert memory.free_memory() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert (memory.free_memory() is None) == (system is None)


def test_events_too_heavy_for_an_answer_are_told(log_of, one):
    log = log_of(ROWS)
    heavy = replace(log.interactions, weight=np.full(len(log.interactions), 1e30, np.float32))
    with pytest.raises(DataError, match="make the weights of events smaller"):
        EASE().fit(replace(log, interactions=heavy), machine=one)


def test_a_count_that_no_item_has_is_told_and_nothing_else_is_said(log_of, one, capfd):
    with pytest.raises(DataError, match="no item has 99 events: set min_count lower"):
        EASE(min_count=99).fit(log_of(ROWS), machine=one)
    assert capfd.readouterr() == ("", "")
