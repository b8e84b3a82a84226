"""Popularity and repeat purchase, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.popularity import DAY, Popularity
from recembed.models.repeat import RepeatPurchase
from recembed.training.recency import Recency

ROWS = [[0, 1, 1, 0, 2], [2, 2, 3], [2, 4]]  # events: 2, 2, 4, 1, 1


def test_popular_items_come_by_events_then_by_row(log_of):
    log = log_of(ROWS)
    top = Popularity().fit(log).top_k(log.interactions, 5)
    assert top.rows.tolist() == [[2, 0, 1, 3, 4]] * 3
    assert top.scores.tolist() == [[4, 2, 2, 1, 1]] * 3


def test_only_the_last_days_count_but_older_items_stay_known(log_of):
    log = log_of(ROWS)
    time = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], np.int64) * DAY
    log = replace(log, interactions=replace(log.interactions, time=time))
    top = Popularity(days=2).fit(log).top_k(log.interactions, 5)  # the events 3, 2, 4
    assert top.rows[0].tolist() == [2, 3, 4, 0, 1]
    assert top.scores[0].tolist() == [1, 1, 1, 0, 0]


def test_last_days_without_times_say_what_to_do(log_of):
    with pytest.raises(DataError, match="needs times: leave days out"):
        Popularity(days=3).fit(log_of(ROWS))


def test_own_items_come_by_count_then_by_popularity_then_the_others(log_of):
    log = log_of(ROWS)
    top = RepeatPurchase().fit(log).top_k(log.interactions, 5)
    assert top.rows.tolist() == [[0, 1, 2, 3, 4], [2, 3, 0, 1, 4], [2, 4, 0, 1, 3]]
    own = (top.scores > 0).sum(axis=1)
    assert own.tolist() == [3, 2, 2]


def test_old_habits_fade(log_of):
    log = log_of(ROWS)
    fading = RepeatPurchase(recency=Recency(decay=0.5)).fit(log)
    top = fading.top_k(log.interactions, 3)
    # first user: item 2 weighs 1, item 0 1/2 + 1/16, item 1 1/4 + 1/8
    assert top.rows[0].tolist() == [2, 0, 1]
    assert np.allclose(top.scores[0], [1, 0.5625, 0.375], rtol=2e-3)


def test_the_oldest_habit_of_a_long_history_still_stands_above_what_is_popular(log_of):
    log = log_of([[1] + [0] * 400, [2] * 50])
    top = RepeatPurchase(recency=Recency(decay=0.8)).fit(log).top_k(log.interactions, 3)
    assert top.rows.tolist() == [[0, 1, 2], [2, 0, 1]]


def test_habits_of_one_basket_come_by_popularity_however_old(log_of):
    rows = [[0, 1, 2, 3], [2] * 3 + [1] * 2]
    log = log_of(rows, groups=[[0, 0, 0, 1], [2] * 5])
    top = RepeatPurchase(recency=Recency(decay=1e-6)).fit(log).top_k(log.interactions, 4)
    assert top.rows[0].tolist() == [3, 2, 1, 0]


def test_repeats_are_found_far_more_often_than_by_popularity(log_of):
    rng = np.random.default_rng(0)
    own = [rng.choice(60, 4, replace=False) for _ in range(80)]
    log = log_of([rng.choice(mine, 12).tolist() for mine in own], n_items=60)
    following = np.array([rng.choice(mine) for mine in own])
    hits = {
        name: np.mean((model.top_k(log.interactions, 4).rows == following[:, None]).any(axis=1))
        for name, model in (("repeat", RepeatPurchase().fit(log)), ("all", Popularity().fit(log)))
    }
    assert hits["repeat"] > 0.85
    assert hits["all"] < 0.3
