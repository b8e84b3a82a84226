"""exp(score - highest score) of each row of scores, in their place."""

from typing import Any

import numpy as np
import torch
from numpy.polynomial import Chebyshev, Polynomial
from torch import Tensor

from recembed.compiled import njit

FEW = 2  # threads: one of the kernel does as much as two to three of torch
# fastmath less nnan and ninf: with those, the compiler may assume that no score is NaN
FAST = {"reassoc", "contract", "nsz"}
LOG2_E = np.float32(np.log2(np.e))
# 2 ** u on [-1/2, 1/2], to 2e-7 of itself; 1 at 0 exactly, so that the top's own is 1
SERIES = Chebyshev.interpolate(np.exp2, 5, [-0.5, 0.5]).convert(kind=Polynomial).coef
POWER = (np.float32(1), *(np.float32(c) for c in SERIES[1:]))


def exponentials(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Turn scores [n, m] into exp(score - top of its row); returns top and their sum, [n] both.

    A score of -inf becomes 0; a row of nothing else sums up to 0. NaN stays NaN.
    """
    top = scores.amax(dim=1).clamp_(min=torch.finfo(scores.dtype).min)  # finite where all are -inf
    plain = scores.device.type == "cpu" and scores.dtype == torch.float32
    if not plain or torch.get_num_threads() > FEW:
        return top, scores.sub_(top[:, None]).exp_().sum(dim=1)
    total = torch.empty_like(top)
    _exponentials(scores.numpy(), top.numpy(), total.numpy())
    return top, total


@njit(nogil=True, fastmath=FAST)
def _exponentials(scores: Any, tops: Any, totals: Any) -> None:
    """A row at a time, while it is in the cache: a third of the time of torch's softmax."""
    for i in range(len(scores)):
        row, top, total = scores[i], tops[i], np.float32(0)
        for j in range(len(row)):
            power = (row[j] - top) * LOG2_E
            power = np.float32(-127) if power < np.float32(-127) else power
            whole = np.floor(power + np.float32(0.5))
            rest = power - whole
            found = POWER[5]
            found = found * rest + POWER[4]
            found = found * rest + POWER[3]
            found = found * rest + POWER[2]
            found = found * rest + POWER[1]
            found = found * rest + POWER[0]
            bits = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))  # of 2 ** whole
            found *= bits.view(np.float32)
            row[j] = found
            total += found
        totals[i] = total
