"""What people take again and again: how far their own history raises the scores of its items."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.interactions import Interactions
from recembed.settings import check, setting
from recembed.training.recency import Recency


@dataclass(frozen=True)
class Habits:
    """A score is raised by log(1 + weight * times / share) where the history has the item.

    times: its events in the history, by their age; share: its part of all events of training. On
    top of a bias near log(share) that is the log of share + weight * times, so a mixture of what
    all take and what this user takes. Source: Dirichlet smoothing, Zhai and Lafferty 2004 (doi
    10.1145/984321.984322), of a user's history by all others'.
    """

    weight: float = setting(
        0.0,
        "what one event of the own history adds to an item's share of all; 0: no habits",
        low=0.0,
        high=1.0,
    )
    recency: Recency = setting(Recency(decay=0.97), "how the events of a history are counted")

    def __post_init__(self) -> None:
        check(self)

    def __bool__(self) -> bool:
        return self.weight > 0

    def raises(self, histories: Interactions, shares: Vectors) -> sp.csr_matrix:
        """What is added to the scores of the items of each history, float32 [n_users, n_items].

        shares [n_items]: above 0 for all items of the histories.
        """
        found = self.recency.matrix(histories)
        np.maximum(found.data, 0, out=found.data)  # more returned than taken
        found.data = np.log1p(np.float32(self.weight) * found.data / shares[found.indices])
        return found


def shares_of(counts: NDArray[np.int64]) -> Vectors:
    """What each item is of all events, [n_items]; those without events are as the usual others."""
    shares = counts / counts.sum()
    return np.where(shares > 0, shares, usual_share(shares[shares > 0])).astype(np.float32)


def usual_share(shares: NDArray[np.floating]) -> float:
    """That whose log is the mean of their logs, as a bias starts at the log of a share."""
    return float(np.exp(np.log(shares).mean()))
