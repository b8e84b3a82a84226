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

    A score of -inf becomes 0; a row of nothing else sums up to 0. NaN stays NaN. Of scores in
    bfloat16, top and the sum are float32, and the sum is that of what was not rounded yet.
    """
    wide = torch.promote_types(scores.dtype, torch.float32)
    least = torch.finfo(scores.dtype).min  # finite where all are -inf
    top = scores.amax(dim=1).clamp_(min=least).to(wide)
    kernel = KERNELS.get(scores.dtype) if scores.device.type == "cpu" else None
    if kernel is None or torch.get_num_threads() > FEW:
        found = scores.to(wide).sub_(top[:, None]).exp_()
        if found is not scores:
            scores.copy_(found)
        return top, found.sum(dim=1)
    total = torch.empty_like(top)
    laid = scores if scores.dtype == wide else scores.view(torch.int16)  # NumPy has no bfloat16
    kernel(laid.numpy(), top.numpy(), total.numpy())
    return top, total


@njit(inline="always", fastmath=FAST)
def _exponential(score: Any) -> Any:
    power = score * LOG2_E
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
    return found * bits.view(np.float32)


@njit(nogil=True, fastmath=FAST)
def _float32(scores: Any, tops: Any, totals: Any) -> None:
    """A row at a time, while it is in the cache: a third of the time of torch's softmax."""
    for i in range(len(scores)):
        row, top, total = scores[i], tops[i], np.float32(0)
        for j in range(len(row)):
            row[j] = _exponential(row[j] - top)
            total += row[j]
        totals[i] = total


@njit(nogil=True, fastmath=FAST)
def _bfloat16(scores: Any, tops: Any, totals: Any) -> None:
    """The same; the bits of a bfloat16 are the first half of those of a float32."""
    for i in range(len(scores)):
        row, top, total = scores[i], tops[i], np.float32(0)
        for j in range(len(row)):
            wide = np.int32(np.int32(row[j]) << np.int32(16))
            found = np.float32(_exponential(wide.view(np.float32) - top))
            total += found
            bits = found.view(np.int32)
            odd = np.int32((bits >> np.int32(16)) & np.int32(1))  # rounded to the even neighbour
            row[j] = np.int16((bits + np.int32(0x7FFF) + odd) >> np.int32(16))
        totals[i] = total


KERNELS = {torch.float32: _float32, torch.bfloat16: _bfloat16}
