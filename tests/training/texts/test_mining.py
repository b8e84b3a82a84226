"""Hard negatives: the nearest that is no partner, and not as near as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.data.sequences import Sequences
from recembed.protocols import Machine
from recembed.training.texts import mining
from recembed.training.texts.mining import hard_negatives
from recembed.training.texts.pairs import PairRows, Partners

MACHINE = Machine(threads=1)


def found(vectors, pairs, nearest):
    """What is mined for pairs of rows of vectors."""
    first, second = np.array(pairs, np.int64).T
    rows = PairRows(Sequences.of([[i] for i in range(len(vectors))]), first, second)
    vectors = np.asarray(vectors, np.float32)
    return hard_negatives(rows, Partners.of(rows), vectors, nearest, MACHINE).tolist()


def at(*degrees):
    """Vectors of the plane, not all of one length."""
    angles = np.deg2rad(degrees)
    return (
        np.stack([np.cos(angles), np.sin(angles)], axis=1) * (1 + np.arange(len(degrees)))[:, None]
    )


def test_the_nearest_other_text_that_is_not_too_near_is_found():
    """Text 0 is at 0 degrees, its partner at 40: cosine .766, so that .728 (43.3) is the limit."""
    vectors = at(0, 40, 10, 45, 80, 180)
    pairs = [(0, 1), (4, 2), (4, 3), (4, 5)]
    assert found(vectors, pairs, 0.95)[0] == 3  # 2 is nearer than the partner is
    assert found(vectors, pairs, 1.0)[0] == 3
    assert found(at(0, 40, 10, 42, 80, 180), pairs, 0.95)[0] == 5  # at 42 it is no negative
    assert found(at(0, 40, 10, 42, 80, 180), pairs, 1.0)[0] == 3


def test_partners_of_other_pairs_are_no_negatives():
    vectors = at(0, 40, 50, 60, 90)
    assert found(vectors, [(0, 1), (4, 2), (4, 3)], 0.95)[0] == 2
    assert found(vectors, [(0, 1), (0, 2), (4, 3)], 0.95)[0] == 3
    assert found(vectors, [(0, 1), (4, 2), (4, 3), (2, 0)], 0.95)[0] == 3  # from either side


def test_a_text_is_not_its_own_negative():
    assert found(at(0, 40, 50, 90), [(0, 1), (3, 0), (3, 2)], 0.95)[0] == 2


def test_where_all_others_are_too_near_there_is_none():
    assert found(at(0, 90, 10, 20), [(0, 1), (2, 3)], 0.95) == [-1, 1]


def test_a_partner_on_the_far_side_leaves_what_is_farther_still():
    """cos 120 = -.5, less 5 %: -.525 is at 121.7 degrees."""
    pairs = [(0, 1), (2, 3), (3, 2)]
    assert found(at(0, 120, 121, 170), pairs, 0.95)[0] == 3
    assert found(at(0, 120, 122, 170), pairs, 0.95)[0] == 2


def test_behind_too_many_near_ones_none_is_looked_for(monkeypatch):
    vectors, pairs = at(0, 40, 10, 45, 80), [(0, 1), (4, 2), (4, 3)]
    monkeypatch.setattr(mining, "DEPTH", 1)
    assert found(vectors, pairs, 0.95)[0] == -1
    monkeypatch.setattr(mining, "DEPTH", 2)
    assert found(vectors, pairs, 0.95)[0] == 3


def test_planted_hard_negatives_are_found_and_false_ones_passed_over():
    """Twenty subjects of two halves. A text of the same half is a partner that nobody named."""
    random = np.random.default_rng(0)
    half = random.integers(0, 40, 400)
    subjects, ways = random.normal(size=(20, 32)), random.normal(size=(40, 32))
    vectors = subjects[half // 2] + 0.4 * ways[half] + 0.1 * random.normal(size=(400, 32))
    pairs = [(row, int(random.choice(np.flatnonzero(half == half[row])))) for row in range(400)]
    careful, careless = (half[found(vectors, pairs, nearest)] for nearest in (0.95, 1.0))
    hard = (careful != half) & (careful // 2 == half // 2)
    assert hard.mean() > 0.9
    assert (careless == half).mean() > 0.3


def slow(vectors, pairs, nearest):
    """One after the other, in float64."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    known = {*pairs, *((b, a) for a, b in pairs)}
    answers = []
    for a, b in pairs:
        own = unit[a] @ unit[b]
        limit = own - (1 - nearest) * abs(own)
        left = [
            (unit[a] @ unit[c], c)
            for c in {second for _, second in pairs}
            if c != a and (a, c) not in known and unit[a] @ unit[c] <= limit
        ]
        answers.append(max(left)[1] if left else -1)
    return answers


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.9, 1.0]))
def test_mining_is_that_of_its_definition(seed, nearest):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(30, 3))
    pairs = [(int(a), int(b)) for a, b in random.integers(0, 30, (40, 2)) if a != b]
    assert found(vectors, pairs, nearest) == slow(vectors, pairs, nearest)


@pytest.mark.parametrize("nearest", [0.5, 1.0])
def test_alone_there_is_no_negative(nearest):
    assert found(at(0, 40), [(0, 1)], nearest) == [-1]
