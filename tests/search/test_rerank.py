import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.search.rerank import Pool


def pool(scores, vectors=None, kinds=(), most=()):
    kinds = [[np.array(each) for each in column] for column in kinds]
    vectors = None if vectors is None else np.array(vectors, np.float32)
    return Pool(np.array(scores, np.float32), vectors, kinds, list(most))


ALIKE = [[1, 0], [1, 0], [0, 1]]  # the second is as the first, the third is another direction


def test_without_diversity_or_caps_the_best_come_as_they_stand():
    assert pool([3, 2, 1], ALIKE).chosen(2, 0.0) == [0, 1]


def test_marginal_relevance_as_worked_out_by_hand():
    # spread scores 1, .5, 0; after the first: .5 * .5 - .5 * 1 = -.25 against 0 - 0 = 0
    assert pool([3, 2, 1], ALIKE).chosen(3, 0.5) == [0, 2, 1]
    # .9 * .5 - .1 * 1 = .35 against 0: so little diversity changes nothing
    assert pool([3, 2, 1], ALIKE).chosen(3, 0.1) == [0, 1, 2]


def test_equal_scores_keep_their_order():
    assert pool([1, 1, 1], np.eye(3)).chosen(3, 0.5) == [0, 1, 2]
    assert pool([], np.zeros((0, 2))).chosen(3, 0.5) == []


def test_a_cap_leaves_out_what_comes_too_often():
    kinds = [[[0], [0], [0, 1], [1], []]]
    assert pool([5, 4, 3, 2, 1], kinds=kinds, most=[1]).chosen(5, 0.0) == [0, 3, 4]
    assert pool([5, 4, 3, 2, 1], kinds=kinds, most=[2]).chosen(3, 0.0) == [0, 1, 3]


def test_a_kind_that_an_item_names_twice_counts_once():
    assert pool([3, 2, 1], kinds=[[[0, 0], [0], [0]]], most=[2]).chosen(3, 0.0) == [0, 1]


def test_what_one_cap_refuses_takes_no_room_in_another():
    kinds = [[[0], [0], [1]], [[0], [7], [7]]]
    assert pool([3, 2, 1], kinds=kinds, most=[1, 1]).chosen(3, 0.0) == [0, 2]


@given(
    st.lists(st.tuples(st.floats(-5, 5, width=32), st.integers(0, 3)), max_size=30),
    st.integers(1, 12),
    st.integers(1, 4),
    st.floats(0, 1),
)
def test_a_list_keeps_its_caps_and_is_full_where_it_can_be(items, k, most, diversity):
    scores, kinds = [score for score, _ in items], [kind for _, kind in items]
    vectors = np.eye(4)[kinds] if kinds else np.zeros((0, 4))
    one = pool(sorted(scores, reverse=True), vectors, [[[kind] for kind in kinds]], [most])
    chosen = one.chosen(k, diversity)
    counts = np.bincount(np.array(kinds)[chosen] if chosen else [], minlength=4)
    room = np.minimum(np.bincount(kinds or [0], minlength=4) if kinds else np.zeros(4, int), most)
    assert counts.max(initial=0) <= most
    assert len(set(chosen)) == len(chosen) == min(k, room.sum())


@pytest.mark.parametrize("diversity", [0.0, 1.0])
def test_the_first_is_always_the_best(diversity):
    assert pool([3, 2, 1], ALIKE).chosen(1, diversity) == [0]
