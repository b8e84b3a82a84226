"""Pairs are counted as a slow count in Python counts them, however little memory there is."""

import tracemalloc
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.data.sequences import Sequences
from recembed.training import cooccurrence
from recembed.training.cooccurrence import PAIR, TOKEN, count

PLENTY = 1 << 20


def slowly(rows, window):
    """Both orders of each pair of places, and of these those whose later row is first."""
    found = Counter()
    for row in rows:
        for i, first in enumerate(row):
            for j, second in enumerate(row):
                if 0 < abs(i - j) <= window and second <= first:
                    found[first, second] += 1 / abs(i - j)
    return found


def counted(files):
    """What the files hold; no pair may be there twice."""
    pairs = [each for path in files for each in np.fromfile(path, PAIR).tolist()]
    found = {(row, column): weight for row, column, weight in pairs}
    assert len(found) == len(pairs)
    return found


def test_a_pair_weighs_by_its_distances_and_a_word_beside_itself_counts_from_both_sides(tmp_path):
    files = count(Sequences.of([[0, 1, 0, 2], [1, 1]]), 3, 2, tmp_path, memory=PLENTY)
    found = {(1, 0): 2.0, (0, 0): 1.0, (2, 1): 0.5, (2, 0): 1.0, (1, 1): 2.0}
    assert counted(files) == pytest.approx(found)
    assert {*tmp_path.iterdir()} == {*files}  # nothing else is left


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 7), max_size=12), min_size=1, max_size=8),
    window=st.integers(1, 9),
    tokens=st.integers(1, 40),
)
def test_counts_are_those_of_a_slow_count_with_blocks_of_any_size(
    tmp_path_factory, rows, window, tokens
):
    folder = tmp_path_factory.mktemp("pairs")
    files = count(Sequences.of(rows), 8, window, folder, memory=tokens * TOKEN)
    assert counted(files) == pytest.approx(dict(slowly(rows, window)), rel=1e-6)


@pytest.fixture
def large():
    """Words as frequent as those of a language; and sequences of 0 to 60."""
    random = np.random.default_rng(0)
    drawn = np.minimum(random.zipf(1.3, 40_000) - 1, 999)
    cuts = np.sort(random.integers(0, 40_000, 1300))
    order = np.argsort(-np.bincount(drawn, minlength=1000), kind="stable")
    rank = np.argsort(order)
    return [part.tolist() for part in np.split(rank[drawn], cuts)]


@pytest.fixture
def sorted_rows(large):
    edges = np.cumsum([0, *map(len, large)])
    return Sequences(np.concatenate(large).astype(np.int32), edges.astype(np.int64))


def test_a_corpus_of_many_blocks_and_parts_has_the_counts_of_one(
    tmp_path, monkeypatch, sorted_rows
):
    """Buffers hold a few rows only; the pairs of 40 blocks are summed up again."""
    (tmp_path / "whole").mkdir()
    whole = counted(count(sorted_rows, 1000, 5, tmp_path / "whole", memory=PLENTY * 8))
    monkeypatch.setattr(cooccurrence, "PAIRS_A_PART", 2000)
    files = count(sorted_rows, 1000, 5, tmp_path, memory=1000 * TOKEN)
    assert counted(files) == pytest.approx(whole, rel=1e-5)
    assert len(files) > 20


def test_rows_are_handed_on_many_at_a_time_however_many_there_are(monkeypatch):
    """The last rows could have the most columns; rare words, they have the fewest."""
    monkeypatch.setattr(cooccurrence, "PAIRS_A_PART", 100)
    pairs = np.array([(row, 0, 1) for row in range(1000)], PAIR)
    step = partial(cooccurrence._merge, pairs, np.array([0]), np.array([1000]))
    sizes = [len(some) for some in cooccurrence._lines(step, 1000)]
    assert sum(sizes) == 1000
    assert min(sizes[:-1]) >= 100


def test_each_part_is_a_random_share_by_rows(tmp_path, monkeypatch, sorted_rows):
    monkeypatch.setattr(cooccurrence, "PAIRS_A_PART", 8000)
    files = count(sorted_rows, 1000, 5, tmp_path, memory=PLENTY * 8, seed=3)
    parts = [np.fromfile(path, PAIR) for path in files]
    mean = np.mean([len(part) for part in parts])
    for part in parts:
        assert abs(len(part) - mean) < 6 * np.sqrt(mean)
        assert (np.diff(part["row"]) >= 0).all()
        halves = part["row"] < np.median(np.concatenate(parts)["row"])
        assert halves.mean() == pytest.approx(0.5, abs=0.05)


def test_one_seed_deals_alike_another_does_not(tmp_path, monkeypatch, sorted_rows):
    monkeypatch.setattr(cooccurrence, "PAIRS_A_PART", 8000)
    dealt = []
    for at, seed in enumerate((0, 0, 1)):
        (tmp_path / str(at)).mkdir()
        files = count(sorted_rows, 1000, 5, tmp_path / str(at), memory=PLENTY, seed=seed)
        dealt.append([path.read_bytes() for path in files])
    assert dealt[0] == dealt[1] != dealt[2]


def test_memory_is_that_of_a_block_not_of_the_corpus(tmp_path, monkeypatch, sorted_rows):
    """Of what numpy tells tracemalloc; a compiled function's arrays are as many tokens long."""
    monkeypatch.setattr(cooccurrence, "PAIRS_A_PART", 1000)
    rows = [sorted_rows[at] for at in range(len(sorted_rows))] * 25
    corpus = Sequences(np.concatenate(rows), np.cumsum([0, *map(len, rows)], dtype=np.int64))
    assert len(corpus.values) == 1_000_000
    peaks = []
    for name, tokens in (("little", 25_000), ("plenty", 1_000_000)):
        (tmp_path / name).mkdir()
        tracemalloc.start()
        count(corpus, 1000, 5, tmp_path / name, memory=tokens * TOKEN)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    lines = 1000 * (8 + 4) + 2 * 2000 * (PAIR.itemsize + 2 * 8)
    assert peaks[0] < corpus.offsets.nbytes + 25_000 * TOKEN + lines < peaks[1]
