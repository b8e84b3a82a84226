"""Where the items to be found stand in the lists: all that metrics of accuracy need to know."""

from dataclasses import dataclass

import numpy as np

from recembed.arrays import Mask, Offsets, Rows, offsets_of

NEVER = np.iinfo(np.int32).max  # `above` of a target that the lists do not reach


@dataclass(frozen=True, eq=False)
class Places:
    """Of every target of every case: how many items are ahead of it, and how many level with it.

    offsets int64 [n_cases + 1]: the targets of each case. above int32 [n_targets]: eligible items
    with a higher score, NEVER where the list does not reach the target. tied int32 [n_targets]:
    eligible items with its score, itself too. depth: how far lists reach; no k may be larger.
    A target's place is so one of above + 1 .. above + tied, each as likely.
    """

    offsets: Offsets
    above: Rows
    tied: Rows
    depth: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def keep(self, mask: Mask) -> "Places":
        """Only the targets where `mask` [n_targets] is true; cases that have none left stay."""
        owners = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        sizes = np.bincount(owners[mask], minlength=len(self))
        return Places(offsets_of(sizes), self.above[mask], self.tied[mask], self.depth)
