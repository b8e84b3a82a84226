"""How much each event of a history counts when a user is placed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.interactions import Interactions
from recembed.settings import between, check, log_between, setting


@dataclass(frozen=True)
class Recency:
    """Weights of a history: decay ** age over its last events.

    The age of an event is the number of events after it; in a log with groups, the number of
    groups after its own, so that the items of one basket weigh the same. Where the log has weights
    of its own, they multiply.
    """

    decay: float = setting(
        1.0, "weight of one step back in time", low=0.0, high=1.0, search=between(0.3, 1.0)
    )
    last: int | None = setting(None, "only the last N events; None: all", low=1)
    scope: Literal["user", "group"] = setting("user", "whole history, or the last group alone")
    past: float = setting(
        1.0,
        "extra factor on groups before the last one",
        low=0.0,
        search=log_between(0.03, 1.0, needs="group"),
    )

    def __post_init__(self) -> None:
        check(self)

    def weights(self, histories: Interactions) -> Vectors:
        """Weight of each event, float32 [n]."""
        age = ages(histories)
        weight = np.power(np.float32(self.decay), age.astype(np.float32))
        if self.last is not None:
            weight[_events_after(histories) >= self.last] = 0
        if histories.group is not None:
            weight[age > 0] *= 0 if self.scope == "group" else self.past
        if histories.weight is not None:
            weight *= histories.weight
        return weight.astype(np.float32)

    def shares(self, histories: Interactions) -> Vectors:
        """Weights that sum to 1 (regardless of sign) in each history, float32 [n]."""
        weight = self.weights(histories)
        owner = histories.events.owners()
        total = np.bincount(owner, abs(weight), histories.n_users)
        shares: Vectors = (weight / np.where(total > 0, total, 1)[owner]).astype(np.float32)
        return shares

    def matrix(self, histories: Interactions) -> sp.csr_matrix:
        """User x item weights; an item that came often weighs the sum, float32."""
        matrix = sp.csr_matrix(
            (self.weights(histories), histories.rows.copy(), histories.events.offsets.copy()),
            shape=(histories.n_users, histories.n_items),
        )
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        return matrix

    def pool(self, histories: Interactions, vectors: Vectors) -> Vectors:
        """Weighted mean of the vectors of each history, [n_users, dim]; zeros where it is empty."""
        shares = sp.csr_matrix(
            (self.shares(histories), histories.rows, histories.events.offsets),
            shape=(histories.n_users, len(vectors)),
        )
        pooled: Vectors = shares @ vectors
        return pooled


def ages(histories: Interactions) -> NDArray[np.int64]:
    """How many events, or groups where the log has them, came after each of its history, [n]."""
    if histories.group is None:
        return _events_after(histories)
    return _groups_after(histories.group, histories.events.owners())


def _events_after(histories: Interactions) -> NDArray[np.int64]:
    sequences = histories.events
    owner = sequences.owners()
    after: NDArray[np.int64] = sequences.offsets[1:][owner] - 1 - np.arange(len(owner))
    return after


def _groups_after(group: NDArray[np.int64], owner: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many changes of group lie between each event and its user's newest one."""
    if len(group) == 0:
        return np.zeros(0, np.int64)
    change = np.concatenate([(group[1:] != group[:-1]) & (owner[1:] == owner[:-1]), [False]])
    after = np.cumsum(change[::-1])[::-1]  # changes from here to the very end
    newest = np.concatenate([owner[1:] != owner[:-1], [True]])
    end = np.zeros(int(owner[-1]) + 1, np.int64)
    end[owner[newest]] = after[newest]
    return (after - end[owner]).astype(np.int64)
