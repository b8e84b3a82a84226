"""Similarities against brute force, and scores worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.item_knn import ItemKNN
from recembed.training.recency import Recency

ROWS = [[0, 1, 2], [0, 1], [1, 2, 3, 3], [3, 4], [0, 4, 4, 4]]


def counts_of(log):
    return log.interactions.matrix().toarray().astype(float)  # [n_users, n_items]


def cosine(columns):
    norms = np.linalg.norm(columns, axis=0)
    return (columns.T @ columns) / np.outer(norms, norms)


def test_similarity_is_the_cosine_of_columns(log_of, one):
    log = log_of(ROWS)
    model = ItemKNN(neighbours=5).fit(log, machine=one)
    assert np.allclose(model.similarity.toarray(), cosine(counts_of(log)), atol=1e-6)


def test_a_score_is_the_weighted_sum_of_similarities(log_of, one):
    log = log_of(ROWS)
    setting = ItemKNN(neighbours=5, recency=Recency(decay=0.5))
    top = setting.fit(log, machine=one).top_k(log.interactions, 5)
    similar = cosine(counts_of(log))
    expected = similar[1] + 0.5 * similar[0]  # the user who took 0, then 1
    assert np.allclose(top.scores[1], np.sort(expected)[::-1], atol=1e-6)
    assert top.rows[1].tolist() == np.argsort(-expected, kind="stable").tolist()


def test_items_near_nothing_of_the_history_come_last_by_popularity(log_of, one):
    log = log_of([[0, 1], [2, 3], [3, 4], [3, 4]])
    model = ItemKNN(neighbours=5).fit(log, machine=one)
    top = model.top_k(log.interactions.take_users(np.array([0])), 5)
    assert top.rows[0].tolist()[2:] == [3, 4, 2]


def test_groups_are_what_items_share(log_of, one):
    log = log_of([[0, 1, 2, 3]], groups=[[0, 0, 1, 1]])
    shared = ItemKNN(unit="group", neighbours=4).fit(log, machine=one).similarity.toarray()
    assert np.allclose(shared, [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])


def test_only_the_nearest_are_kept(log_of, one):
    log = log_of(ROWS)
    full = cosine(counts_of(log))
    kept = ItemKNN(neighbours=2).fit(log, machine=one).similarity.toarray()
    near = -np.sort(-full, axis=0)[:2]  # of each item, itself and one more
    assert ((kept > 0).sum(axis=0) == 2).all()
    assert np.allclose(-np.sort(-kept, axis=0)[:2], near, atol=1e-6)


@pytest.mark.parametrize("similarity", ["tfidf", "bm25"])
def test_weighted_columns_make_another_symmetric_similarity(log_of, one, similarity):
    log = log_of(ROWS)
    table = ItemKNN(neighbours=5, similarity=similarity).fit(log, machine=one).similarity.toarray()
    assert np.allclose(table, table.T, atol=1e-5)
    assert not np.allclose(table, cosine(counts_of(log)), atol=0.05)
    assert (table[0, :3] > 0).all()
    assert table[1, 4] == 0


def test_bm25_parameters_matter(log_of, one):
    log = log_of(ROWS)
    tables = [
        ItemKNN(neighbours=5, similarity="bm25", k1=k1, b=b).fit(log, machine=one).similarity
        for k1, b in ((1.2, 0.75), (100.0, 0.75), (1.2, 0.0))
    ]
    assert not np.allclose(tables[0].toarray(), tables[1].toarray())
    assert not np.allclose(tables[0].toarray(), tables[2].toarray())


def weighing(log, weights):
    """The log with a weight for each event."""
    events = replace(log.interactions, weight=np.array(weights, np.float32))
    return replace(log, interactions=events)


@pytest.mark.parametrize("similarity", ["cosine", "tfidf", "bm25"])
def test_events_of_weight_0_are_as_if_they_were_not_there(log_of, one, similarity):
    log = weighing(log_of([[0, 1, 2], [0, 1], [1, 3]]), [1, 1, 0, 1, 2, 0, 1])
    without = weighing(log_of([[0, 1], [0, 1], [3]]), [1, 1, 1, 2, 1])
    setting = ItemKNN(neighbours=4, similarity=similarity)
    found = setting.fit(log, machine=one).similarity.toarray()
    assert np.array_equal(found, setting.fit(without, machine=one).similarity.toarray())
    assert found[0, 1] > 0


def test_weights_below_0_are_refused_where_they_sum_up_to_less_than_0(log_of, one):
    log = log_of([[0, 1, 1], [0, 2]])
    with pytest.raises(DataError, match=r"1 of 4 pairs of user and item have a weight below 0"):
        ItemKNN().fit(weighing(log, [1, 1, -2, 1, 1]), machine=one)
    returned = ItemKNN(neighbours=3).fit(weighing(log, [1, 2, -2, 1, 1]), machine=one)
    assert returned.similarity.toarray()[0, 1] == 0
