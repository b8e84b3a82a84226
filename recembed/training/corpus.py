"""What the engine asks of a corpus, which may be larger than memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask
from recembed.data.sequences import Sequences

BLOCK = 1 << 22  # values looked at a time


def counts_of(corpus: Sequences, n_rows: int) -> NDArray[np.int64]:
    """How often each row occurs, [n_rows]."""
    counts = np.zeros(n_rows, np.int64)
    for start in range(0, len(corpus.values), BLOCK):
        counts += np.bincount(corpus.values[start : start + BLOCK], minlength=n_rows)
    return counts


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """As a mapped file is: else a kernel is compiled twice, for arrays and for files."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def trained_rows(corpus: Sequences, counts: NDArray[np.int64]) -> Mask:
    """Rows that stand beside another one in a sequence, [n_rows]: the others have no pair.

    counts: how often each row occurs.
    """
    alone = corpus.values[corpus.offsets[:-1][corpus.sizes == 1]]
    return counts > np.bincount(alone, minlength=len(counts))
