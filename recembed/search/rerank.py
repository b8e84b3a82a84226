"""Another order than by score: lists whose items differ, and that no kind fills."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates of one list, best first, and what tells them apart.

    scores [n]. vectors [n, dim]: of length 1, zeros where nothing is known. kinds: for each cap,
    the kinds that each candidate is of; most: how many of one kind are listed, one number a cap.
    """

    scores: Vectors
    vectors: Vectors | None
    kinds: Sequence[Sequence[NDArray[np.integer]]]
    most: Sequence[int]

    def chosen(self, k: int, diversity: float) -> list[int]:
        """Places of at most k candidates, in the order in which they are listed.

        The next one has the highest (1 - diversity) * score - diversity * similarity: the score
        brought to 0..1 over the pool, and the highest cosine with an item that is listed already.
        Source: maximal marginal relevance, Carbonell, Goldstein 1998.
        """
        worth = (1 - diversity) * _spread(self.scores)
        nearest = np.zeros(len(worth), np.float32)
        counts: list[dict[int, int]] = [{} for _ in self.most]
        chosen: list[int] = []
        left = np.ones(len(worth), np.bool_)
        while len(chosen) < k and left.any():
            now = worth if self.vectors is None else worth - diversity * nearest
            at = int(np.argmax(np.where(left, now, -np.inf)))
            left[at] = False
            if not self._counted(at, counts):
                continue
            if self.vectors is not None:
                alike = self.vectors @ self.vectors[at]
                nearest = np.maximum(nearest, alike) if chosen else alike
            chosen.append(at)
        return chosen

    def _counted(self, at: int, counts: list[dict[int, int]]) -> bool:
        """Whether each of its kinds has room; it takes its place in all of them, or in none."""
        mine = [set(kinds[at].tolist()) for kinds in self.kinds]  # a list may name one twice
        for count, most, kinds in zip(counts, self.most, mine, strict=True):
            if any(count.get(kind, 0) >= most for kind in kinds):
                return False
        for count, kinds in zip(counts, mine, strict=True):
            for kind in kinds:
                count[kind] = count.get(kind, 0) + 1
        return True


def _spread(scores: Vectors) -> Vectors:
    """Scores from 0, the lowest, to 1; all 1 where they are equal."""
    low, high = scores.min(initial=np.inf), scores.max(initial=-np.inf)
    if not high > low:
        return np.ones_like(scores)
    spread: Vectors = (scores - low) / (high - low)
    return spread
