"""item2vec: sentences, min_count, blend and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.item2vec import Item2Vec
from recembed.training.recency import Recency

QUICK = Item2Vec(dim=8, negatives=3, epochs=3, direction="both")


def test_items_below_min_count_are_left_out_of_sentences(log_of, one):
    log = log_of([[0, 3, 1, 2, 0], [2, 1, 0], [0, 1, 2]])
    model = replace(QUICK, min_count=2).fit(log, machine=one)
    assert model.items.known.tolist() == [True, True, True, False]
    without = log_of([[0, 1, 2, 0], [2, 1, 0], [0, 1, 2]], n_items=4)
    same = QUICK.fit(without, machine=one)
    assert model.items.vectors.tobytes() == same.items.vectors.tobytes()
    assert model.neighbours.vectors.tobytes() == same.neighbours.vectors.tobytes()


def test_where_all_items_are_too_rare_the_count_is_named(log_of, one):
    with pytest.raises(DataError, match="no item has 9 events: set min_count lower"):
        replace(QUICK, min_count=9).fit(log_of([[0, 1]]), machine=one)


@pytest.mark.parametrize("rows", [[[0], [1], [0]], [[], [2], []]])
def test_histories_of_one_item_teach_nothing(log_of, one, rows):
    with pytest.raises(DataError, match="no sequence has two items"):
        QUICK.fit(log_of(rows), machine=one)


def test_blend_adds_input_vectors_to_what_is_retrieved(log_of, one):
    log = log_of([[0, 1, 2, 0], [2, 1, 0], [0, 1, 2]])
    plain = QUICK.fit(log, machine=one)
    mixed = replace(QUICK, blend=0.5).fit(log, machine=one)
    expected = plain.items.vectors + np.float32(0.5) * plain.inputs.vectors
    assert np.array_equal(mixed.items.vectors, expected)
    assert np.array_equal(mixed.inputs.vectors, plain.inputs.vectors)


def test_baskets_are_sentences_as_the_histories_of_so_many_users_would_be(log_of, one):
    log = log_of([[0, 1, 2, 3, 4, 0], [5, 1, 2]], groups=[[0, 1, 0, 1, 1, 2], [3, 3, 3]])
    apart = log_of([[0, 2], [1, 3, 4], [0], [5, 1, 2]])
    even = replace(QUICK, recency=Recency(decay=1.0))
    baskets = replace(even, unit="group").fit(log, machine=one)
    users = even.fit(apart, machine=one)
    whole = even.fit(log, machine=one)
    assert baskets.items.vectors.tobytes() == users.items.vectors.tobytes()
    assert baskets.items.vectors.tobytes() != whole.items.vectors.tobytes()


def test_groups_of_a_log_without_groups_say_what_to_do(log_of, one):
    with pytest.raises(DataError, match="this log has no groups"):
        replace(QUICK, unit="group").fit(log_of([[0, 1]]), machine=one)


def test_an_item_that_never_stands_beside_another_is_not_known(log_of, one):
    model = QUICK.fit(log_of([[0, 1], [2], [1, 0], [0, 3]]), machine=one)
    assert model.items.known.tolist() == [True, True, False, True]
    assert model.neighbours.known.tolist() == [True, True, False, True]
    assert not model.neighbours.vectors[2].any()


@pytest.mark.parametrize("architecture", ["cbow", "skip-gram"])
def test_context_is_the_past_where_the_order_of_users_is_known(log_of, one, architecture):
    log = log_of([[0, 1, 2, 3], [2, 3, 0, 1]], groups=[[0, 0, 1, 1], [2, 2, 3, 3]])
    known = replace(log, interactions=replace(log.interactions, order="position"))
    setting = replace(QUICK, architecture=architecture, direction="auto")

    def inputs(log, **values):
        return replace(setting, **values).fit(log, machine=one).inputs.vectors.tobytes()

    assert inputs(known) == inputs(known, direction="past") != inputs(known, direction="both")
    unordered = replace(log, interactions=replace(log.interactions, order=None))
    assert inputs(unordered) == inputs(known, direction="both")
    assert inputs(known, unit="group") == inputs(known, unit="group", direction="both")


def test_the_items_of_a_basket_are_all_as_old(log_of, one):
    log = log_of([[0, 1, 2, 3], [2, 3, 0, 1]], groups=[[0, 0, 0, 0], [1, 1, 1, 1]])

    def inputs(decay, **values):
        setting = replace(QUICK, architecture="cbow", recency=Recency(decay=decay), **values)
        return setting.fit(log, machine=one).inputs.vectors.tobytes()

    assert inputs(0.5, unit="group") == inputs(1.0, unit="group")
    assert inputs(0.5) != inputs(1.0)
