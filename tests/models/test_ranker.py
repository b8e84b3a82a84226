"""Popular items for histories that the ranker cannot read."""

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.models.item_knn import ItemKNN
from recembed.models.popularity import Popularity
from recembed.models.ranker import with_fallback

ROWS = [[0, 1], [], [1, 2, 0], [5], [2, 2]]  # item 5 is known to the vocabulary alone
TRAINED = [[0, 1], [1, 2, 0], [2, 2, 3], [2, 1]]


@pytest.fixture
def parts(log_of, one):
    log = log_of(TRAINED, n_items=6)
    ranker, popular = ItemKNN().fit(log, machine=one), Popularity().fit(log)
    return ranker, popular, log_of(ROWS, n_items=6).interactions


def test_histories_without_a_known_item_get_what_is_popular(parts):
    ranker, popular, histories = parts
    both = with_fallback(ranker, popular)
    assert both.places(histories).tolist() == [True, False, True, False, True]
    top = both.top_k(histories, 3)
    own, other = ranker.top_k(histories, 3), popular.top_k(histories, 3)
    for user, placed in enumerate(both.places(histories)):
        expected = own if placed else other
        assert np.array_equal(top.rows[user], expected.rows[user])
        assert np.array_equal(top.scores[user], expected.scores[user])
        assert top.tied[user] == expected.tied[user]


@pytest.mark.parametrize("users", [[1, 3], [1], [], [0, 2]])
def test_all_users_may_be_of_one_kind(parts, users):
    ranker, popular, histories = parts
    some = histories.take_users(np.array(users, int))
    top = with_fallback(ranker, popular).top_k(some, 2)
    assert top.rows.shape == (len(users), 2)
    assert (top.rows >= 0).all()


def test_filters_reach_the_right_user(parts):
    ranker, popular, histories = parts
    both = with_fallback(ranker, popular)
    exclude = Sequences.of([[0], [2], [1, 2], [2, 1], []])
    allow = Sequences.of([[0, 3], [1, 2], [2, 3], [0, 1, 2, 5], [4, 5]])
    top = both.top_k(histories, 6, exclude=exclude, allow=allow)
    assert [[row for row in rows if row >= 0] for rows in top.rows.tolist()] == [
        [3], [1], [3], [0], [],
    ]  # fmt: skip


def test_the_fallback_recommends_nothing_that_the_ranker_does_not_know(log_of, one, parts):
    _, _, histories = parts
    narrow = ItemKNN().fit(log_of([[0, 1]], n_items=6), machine=one)
    wide = Popularity().fit(log_of(TRAINED, n_items=6))
    both = with_fallback(narrow, wide)
    assert np.array_equal(both.known, narrow.known)
    rows = both.top_k(histories, 6).rows
    assert set(rows.ravel().tolist()) == {0, 1, -1}
