"""Words that stand together more often than by chance become one: new york -> new_york."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, run_starts
from recembed.text.streams import BREAK, MANY, count, numbers

PAIRS = 1 << 25  # pairs counted in one reading: 0.5 GiB if all differ, twice that as they merge

Pairs = NDArray[np.int64]  # first word * n_words + second word


def find_phrases(path: Path, *, min_count: int, threshold: float, apart: Mask) -> Pairs:
    """The pairs of neighbours that are phrases, sorted.

    Two words are one if (count of the pair - min_count) / (product of their counts) * n_tokens is
    above the threshold. apart: words that are part of no phrase, [n_words].
    Source: Mikolov et al. 2013 (arXiv 1310.4546), section 4, as word2vec's word2phrase counts.
    """
    n = len(apart)
    counts = count(numbers(path), n)
    common = (counts >= min_count) & ~apart
    found = []
    for keys, times in _counted(path, common, int(counts.sum())):
        first, second = np.divmod(keys, n)
        product = counts[first].astype(np.float64) * counts[second]
        score = (times - min_count) / product * counts.sum()
        found.append(keys[score > threshold])
    return np.sort(np.concatenate(found))


def _counted(path: Path, common: Mask, n_tokens: int) -> Iterator[tuple[Pairs, NDArray[np.int64]]]:
    """Distinct pairs of common words and their counts; each reading takes a part of the words."""
    n, readings = len(common), 1 + n_tokens // PAIRS
    for part in range(readings):
        keys, times = np.empty(0, np.int64), np.empty(0, np.int64)
        for block in _overlapping(numbers(path)):
            first, second = block[:-1].astype(np.int64), block[1:].astype(np.int64)
            there = (first >= 0) & (second >= 0) & (first % readings == part)
            first, second = first[there], second[there]
            pairs = (first * n + second)[common[first] & common[second]]
            keys, times = _merged(keys, times, *np.unique(pairs, return_counts=True))
        yield keys, times


def _overlapping(blocks: Iterable[Rows]) -> Iterator[Rows]:
    """Blocks that begin with the last number of the one before: no pair of neighbours is lost."""
    last = np.empty(0, np.int32)
    for block in blocks:
        yield np.concatenate([last, block])
        last = block[-1:]


def _merged(
    keys: Pairs, times: NDArray[np.int64], more: Pairs, more_times: NDArray[np.int64]
) -> tuple[Pairs, NDArray[np.int64]]:
    """Counts of two sorted lists of keys as one."""
    both, both_times = np.concatenate([keys, more]), np.concatenate([times, more_times])
    order = np.argsort(both, kind="stable")
    both, both_times = both[order], both_times[order]
    starts = run_starts(both)
    return both[starts], np.add.reduceat(both_times, starts) if len(starts) else both_times


def join_phrases(
    path: Path, target: Path, phrases: Pairs, n_words: int, row: Callable[[int, int], int]
) -> None:
    """Write `path` to `target` with the words of each phrase as one; the leftmost pair wins.

    row: the number of the joined word, from those of its words.
    """
    firsts, seconds = np.divmod(phrases, n_words)
    joined = np.array(
        [row(a, b) for a, b in zip(firsts.tolist(), seconds.tolist(), strict=True)], np.int32
    )
    with target.open("wb") as file:
        for block in _whole_lines(numbers(path)):
            _joined(block, phrases, joined, n_words).tofile(file)


def _whole_lines(blocks: Iterable[Rows]) -> Iterator[Rows]:
    rest = np.empty(0, np.int32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        ends = np.flatnonzero(rest == BREAK)
        if len(ends) and len(rest) >= MANY:
            yield rest[: ends[-1] + 1]
            rest = rest[ends[-1] + 1 :]
    yield rest


def _joined(block: Rows, phrases: Pairs, joined: Rows, n_words: int) -> Rows:
    first, second = block[:-1].astype(np.int64), block[1:].astype(np.int64)
    keys = np.where((first >= 0) & (second >= 0), first * n_words + second, -1)
    at = np.searchsorted(phrases, keys)
    hits = np.flatnonzero(np.append(phrases, -2)[at] == keys)  # -2: no key lies behind the last
    starts = np.flatnonzero(np.diff(hits, prepend=-2) > 1)  # of runs of overlapping pairs
    place = np.arange(len(hits)) - np.repeat(starts, np.diff(starts, append=len(hits)))
    taken = hits[place % 2 == 0]  # of a b c, where both pairs are phrases, a_b is one word
    out = block.copy()
    out[taken] = joined[at[taken]]
    return np.delete(out, taken + 1)
