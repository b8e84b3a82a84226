"""Where targets stand: worked examples, and the scores of all items one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.metrics.places import NEVER, Places, holds, places_of
from recembed.protocols import TopK
from recembed.search.select import select


def asked(*scores, k):
    """The lists of dense scores, and the scores of their own targets on demand."""
    scores = np.array(scores, np.float32)
    top = select(scores.copy(), k)

    def level(targets):
        def answer(cases):
            own = np.full((len(cases), scores.shape[1]), -np.inf, np.float32)
            for i, case in enumerate(cases):
                own[i, targets[case]] = scores[case, targets[case]]
            return select(own, int(targets.sizes.max()))

        return answer

    return top, level


def pairs(places):
    return [*zip(places.above.tolist(), places.tied.tolist(), strict=True)]


def test_a_place_is_how_many_are_ahead_and_how_many_level():
    top, _ = asked([5, 3, 3, 1, 9], [1, 2, 3, 4, 5], k=5)
    places = places_of(top, Sequences.of([[1, 4, 3], [0]]), None)
    assert pairs(places) == [(2, 2), (0, 1), (4, 1), (4, 1)]
    assert places.offsets.tolist() == [0, 3, 4]
    assert places.depth == 5


def test_a_group_that_the_list_cuts_counts_all_of_its_items():
    # 9 leads; items 1 to 4 are level, two of them are listed.
    top, level = asked([9, 3, 3, 3, 3, 0], k=3)
    targets = Sequences.of([[1, 4, 5]])
    assert top.rows.tolist() == [[0, 1, 2]]
    assert pairs(places_of(top, targets, level(targets))) == [(1, 4), (1, 4), (NEVER, 1)]
    # Nobody to ask: what is not listed is never reached, what is listed has the same place.
    assert pairs(places_of(top, targets, None)) == [(1, 4), (NEVER, 1), (NEVER, 1)]


def test_an_unknown_number_of_ties_is_that_of_the_list():
    top, level = asked([9, 3, 3, 3, 3, 0], k=3)
    unknown = TopK(top.rows, top.scores, np.array([-1], np.int32))
    targets = Sequences.of([[1, 4]])
    assert pairs(places_of(unknown, targets, level(targets))) == [(1, 2), (NEVER, 1)]


def test_a_short_list_ends_where_no_item_is_left():
    top, level = asked([1, 1, -np.inf, -np.inf], k=4)
    targets = Sequences.of([[0, 2, 3]])
    assert pairs(places_of(top, targets, level(targets))) == [(0, 2), (NEVER, 1), (NEVER, 1)]


def test_only_cases_that_may_have_a_target_behind_the_cut_are_asked_again():
    scores = [[3, 3, 3, 0], [3, 2, 1, 0], [3, 3, 3, 0], [3, 3, 3, 0]]
    top, level = asked(*scores, k=2)
    targets = Sequences.of([[2], [3], [0, 1], [3]])
    seen = []

    def watched(cases):
        seen.append(cases.tolist())
        return level(targets)(cases)

    places = places_of(top, targets, watched)
    assert seen == [[0, 3]]
    assert pairs(places) == [(0, 3), (NEVER, 1), (0, 3), (0, 3), (NEVER, 1)]


@st.composite
def scorings(draw):
    n_items, n = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    score = st.one_of(st.integers(0, 3), st.just(-np.inf))
    scores = [draw(st.lists(score, min_size=n_items, max_size=n_items)) for _ in range(n)]
    wanted = st.lists(st.integers(0, n_items - 1), max_size=n_items, unique=True)
    return scores, [draw(wanted) for _ in range(n)], draw(st.integers(1, n_items))


@given(scorings())
def test_places_are_those_of_counting_all_scores(example):
    scores, wanted, k = example
    top, level = asked(*scores, k=k)
    targets = Sequences.of(wanted)
    expected = []
    for line, items in zip(scores, wanted, strict=True):
        for item in items:
            above = sum(score > line[item] for score in line)
            reached = above < k and line[item] > -np.inf
            expected.append((above, line.count(line[item])) if reached else (NEVER, 1))
    assert pairs(places_of(top, targets, level(targets))) == expected


def test_keep_leaves_cases_that_have_no_target_left():
    places = Places(
        np.array([0, 2, 3]), np.array([4, 5, 6], np.int32), np.array([1, 2, 3], np.int32), 9
    )
    kept = places.keep(np.array([False, True, False]))
    assert (kept.offsets.tolist(), pairs(kept), len(kept)) == ([0, 1, 1], [(5, 2)], 2)


@given(scorings())
def test_a_list_holds_what_is_in_its_own_case(example):
    scores, wanted, k = example
    rows = asked(*scores, k=k)[0].rows
    expected = [
        [item in items for item in row] for row, items in zip(rows.tolist(), wanted, strict=True)
    ]
    assert holds(rows, Sequences.of(wanted)).tolist() == expected


def test_nothing_listed_holds_nothing():
    rows = np.array([[0, -1], [1, 2]], np.int32)
    assert not holds(rows, Sequences.of([[], []])).any()
    assert holds(rows[:, :0], Sequences.of([[0], [1]])).shape == (2, 0)


def test_lists_of_other_cases_are_refused():
    with pytest.raises(DataError, match=r"lists of shape \(2, 3\) do not fit 1 cases"):
        holds(np.zeros((2, 3), np.int32), Sequences.of([[1]]))
