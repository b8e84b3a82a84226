"""Accuracy at k: worked examples, every order of tied items one by one, and scikit-learn."""

import math
from itertools import chain, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    label_ranking_average_precision_score,
    ndcg_score,
)

from recembed.arrays import offsets_of
from recembed.errors import DataError
from recembed.metrics.accuracy import METRICS, average_precision, hit_rate, mrr, ndcg, recall
from recembed.metrics.places import NEVER, Places


def placed(*cases, depth=99):
    """Places from (above, tied) pairs, a list of them a case."""
    flat = np.array([pair for case in cases for pair in case], np.int32).reshape(-1, 2)
    return Places(offsets_of(np.array([*map(len, cases)])), flat[:, 0], flat[:, 1], depth)


def values(places, k):
    return {name: metric(places, k).tolist() for name, metric in METRICS.items()}


def of_list(found, n_targets, k):
    """The metrics of one list, straight from their definitions; found: places from 1 of hits."""
    found = sorted(place for place in found if place <= k)
    best = range(1, min(n_targets, k) + 1)
    return {
        "recall": len(found) / n_targets,
        "precision": len(found) / k,
        "hit_rate": float(bool(found)),
        "mrr": 1 / found[0] if found else 0,
        "ndcg": sum(1 / math.log2(p + 1) for p in found) / sum(1 / math.log2(p + 1) for p in best),
        "map": sum(nth / p for nth, p in enumerate(found, 1)) / len(best),
    }


# Places 2 and 4 hold targets, a third is nowhere; one target, nowhere.
PLAIN = placed([(1, 1), (NEVER, 1), (3, 1)], [(NEVER, 1)])


def test_a_worked_example_at_four():
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    found = values(PLAIN, 4)
    assert found["recall"] == [2 / 3, 0]
    assert found["precision"] == [2 / 4, 0]
    assert found["hit_rate"] == [1, 0]
    assert found["mrr"] == [1 / 2, 0]
    assert found["map"] == pytest.approx([(1 / 2 + 2 / 4) / 3, 0])
    assert found["ndcg"] == pytest.approx([gain / ideal, 0])


def test_a_worked_example_at_two_where_more_is_to_be_found_than_fits():
    found = values(PLAIN, 2)
    assert found["recall"] == [1 / 3, 0]
    assert found["precision"] == [1 / 2, 0]
    assert found["map"] == pytest.approx([1 / 2 / 2, 0])
    assert found["ndcg"] == pytest.approx([1 / math.log2(3) / (1 + 1 / math.log2(3)), 0])
    assert sum(map(sum, values(PLAIN, 1).values())) == 0


def test_a_worked_example_of_ties():
    # One item leads, then two targets and two others are level; the list ends behind place 3.
    # Of the 6 ways to fill places 2 and 3, 1 holds both targets, 4 hold one, 1 holds none.
    tied = placed([(1, 4), (1, 4)])
    found = values(tied, 3)
    assert found["recall"] == pytest.approx([(1 * 2 + 4 * 1) / 6 / 2])
    assert found["hit_rate"] == pytest.approx([5 / 6])
    assert found["mrr"] == pytest.approx([(3 / 6) / 2 + (2 / 6) / 3])
    precisions = (1 / 2 + 2 / 3) * 1 / 6 + 1 / 2 * 2 / 6 + 1 / 3 * 2 / 6
    assert found["map"] == pytest.approx([precisions / 2])


def test_a_scorer_that_cannot_tell_items_apart_has_the_recall_of_chance():
    assert recall(placed([(0, 1000)], depth=10), 10) == pytest.approx([10 / 1000])
    assert mrr(placed([(0, 1000)], depth=10), 10) == pytest.approx(
        [sum(1 / p for p in range(1, 11)) / 1000]
    )


@st.composite
def rankings(draw):
    """Groups of level items as lists of bools (target or not), in order, and k.

    Some targets are nowhere; the last group may go on behind the list that k cuts.
    """
    groups, room = [], 9
    while room and draw(st.booleans()):
        size = draw(st.integers(1, min(room, 5)))
        groups.append(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
        room -= size
    lost = draw(st.integers(0, 2))
    return groups, lost or int(not any(map(any, groups))), draw(st.integers(1, 11))


def as_case(groups, lost):
    above, case = 0, [(NEVER, 1)] * lost
    for group in groups:
        case += [(above, len(group))] * sum(group)
        above += len(group)
    return case


def over_all_orders(groups, lost, k):
    """Each metric's mean over every order of the items of every group."""
    n_targets = lost + sum(map(sum, groups))
    orders = [
        of_list([p for p, hit in enumerate(chain(*order), 1) if hit], n_targets, k)
        for order in product(*([*{*permutations(group)}] for group in groups))
    ]
    return {name: np.mean([each[name] for each in orders]) for name in METRICS}


@given(st.lists(rankings(), min_size=1, max_size=4), st.randoms())
def test_every_metric_is_its_mean_over_all_orders_of_tied_items(examples, random):
    k = examples[0][2]
    cases = [as_case(groups, lost) for groups, lost, _ in examples]
    for case in cases:
        random.shuffle(case)
    found = values(placed(*cases), k)
    expected = [over_all_orders(groups, lost, k) for groups, lost, _ in examples]
    for name in METRICS:
        assert found[name] == pytest.approx([each[name] for each in expected]), name


@st.composite
def scored(draw):
    """Scores of ten items with ties, and which of them are targets (some, not all)."""
    scores = draw(st.lists(st.integers(0, 4), min_size=10, max_size=10))
    wanted = draw(st.sets(st.integers(0, 9), min_size=1, max_size=9))
    return np.array(scores), np.isin(np.arange(10), [*wanted])


def places_in(scores, wanted, depth=10):
    return placed(
        [((scores > scores[t]).sum(), (scores == scores[t]).sum()) for t in np.flatnonzero(wanted)],
        depth=depth,
    )


@given(scored(), st.integers(1, 10))
def test_ndcg_is_that_of_scikit_learn_which_averages_ties_too(example, k):
    scores, wanted = example
    theirs = ndcg_score(wanted[None].astype(float), scores[None], k=k)
    assert ndcg(places_in(scores, wanted), k) == pytest.approx([theirs])


@given(st.permutations(range(10)), scored())
def test_average_precision_over_all_items_is_that_of_scikit_learn(order, example):
    scores, wanted = np.array(order), example[1]
    found = average_precision(places_in(scores, wanted), 10)
    assert found == pytest.approx([average_precision_score(wanted, scores)])
    assert found == pytest.approx(
        [label_ranking_average_precision_score(wanted[None], scores[None])]
    )


@given(st.lists(rankings(), min_size=1, max_size=3))
def test_metrics_stay_between_nothing_and_the_best_list_and_grow_with_k(examples):
    places = placed(*(as_case(groups, lost) for groups, lost, _ in examples))
    for name, metric in METRICS.items():
        found = np.array([metric(places, k) for k in range(1, 13)])
        assert (found >= 0).all(), name
        assert (found <= 1 + 1e-12).all(), name
        if name in {"recall", "hit_rate", "mrr"}:
            assert (np.diff(found, axis=0) >= -1e-12).all(), name


def test_the_best_list_has_one():
    best = placed([(0, 1), (1, 1), (2, 1)], [(0, 2), (0, 2)])
    for k in (1, 2, 3, 9):
        found = values(best, k)
        for name in ("ndcg", "map", "mrr", "hit_rate"):
            assert found[name] == pytest.approx([1, 1]), (name, k)


def test_many_cases_are_measured_as_each_alone():
    cases = [[(0, 3), (0, 3)], [(NEVER, 1)], [(2, 4), (0, 1), (2, 4)], [(5, 1)]]
    for k in (1, 2, 4, 6):
        together = values(placed(*cases), k)
        for i, case in enumerate(cases):
            assert {name: [each[i]] for name, each in together.items()} == values(placed(case), k)


def test_no_cases_have_no_values():
    assert values(placed(), 5) == {name: [] for name in METRICS}


@pytest.mark.parametrize("metric", METRICS.values())
def test_nonsense_is_refused(metric):
    with pytest.raises(DataError, match="1 of 2 cases have no target: leave them out"):
        metric(placed([], [(0, 1)]), 2)
    with pytest.raises(DataError, match=r"k must be in 1\.\.4, as far as the lists reach, not 0"):
        metric(placed([(0, 1)], depth=4), 0)
    with pytest.raises(DataError, match="not 5"):
        metric(placed([(0, 1)], depth=4), 5)


def test_a_hit_is_certain_only_where_no_tie_can_miss_it():
    assert hit_rate(placed([(0, 2), (0, 2)], [(0, 2)], [(0, 3), (0, 3)]), 1) == pytest.approx(
        [1, 1 / 2, 2 / 3]
    )
