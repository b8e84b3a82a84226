"""From scores to loss and gains: what the kernels do between their two products.

Vector code without tables and branches; a score that is NaN stays NaN in the loss, where training
looks for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.polynomial import Chebyshev, Polynomial

from recembed.training.lanes import Arguments, Lanes, Register

# fastmath less nnan and ninf: with those, the compiler may assume that no loss is NaN
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
FAR, SQUARINGS = 32.0, 5  # exp(-32) is 1e-14, nothing beside 1; 32 = 2 ** 5


def _fitted(function: Callable[[Any], Any], degree: int) -> tuple[float, ...]:
    """Coefficients of a polynomial that is near the function on [0, 1]."""
    series = Chebyshev.interpolate(function, degree, [0, 1])
    return tuple(float(np.float32(c)) for c in series.convert(kind=Polynomial).coef)


_EXP = _fitted(lambda u: np.exp(-u), 6)
_LOG = _fitted(np.log1p, 9)


def _exp_of_minus(a: Lanes) -> Lanes:
    """exp(-a) for a >= 0, to 3e-6 of itself: a polynomial of a / 32, squared five times."""
    e = (a.where("<", FAR, a, a.like(FAR)) * (1 / FAR)).polynomial(_EXP)
    for _ in range(SQUARINGS):
        e = e * e
    return e


@intrinsic
def logistic(typing, lines, line, sign, weight, lr):  # type: ignore # noqa: ANN001, ANN201
    """Turn lines[line] from scores into gains; returns its loss.

    sign: -1 for the positive target, 1 for negatives. weight: 0 leaves one out.
    loss: sum of weight * log(1 + exp(sign * score)); gain: -lr times its derivative.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of = Arguments(context, builder, signature, args)
        scores, signs, weights = of.row(0, of[1]), of.row(2), of.row(3)
        loss = Register(Lanes.full(builder, 0.0))
        rate = Lanes.spread(builder, of[4])
        with of.steps(of.length(0)) as (k, _):
            z = scores[k] * signs[k]
            e = _exp_of_minus(abs(z))
            loss.add(weights[k] * ((z + abs(z)) * 0.5 + e.polynomial(_LOG)))
            share = e.like(1.0) / (e + 1.0)  # the sigmoid of |z|
            slope = z.where(">", 0.0, share, e * share)
            scores[k] = signs[k] * weights[k] * slope * rate * -1.0
        return loss.get().total()

    return types.float32(lines, types.int64, sign, weight, types.float32), generate


@intrinsic
def _exponentials(typing, lines, line, weight, top):  # type: ignore # noqa: ANN001, ANN202
    """Replace a line of scores by weight * exp(score - top), top the largest of them; their sum."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of = Arguments(context, builder, signature, args)
        scores, weights = of.row(0, of[1]), of.row(2)
        total, highest = Register(Lanes.full(builder, 0.0)), Lanes.spread(builder, of[3])
        with of.steps(of.length(0)) as (k, _):
            e = weights[k] * _exp_of_minus(abs(highest - scores[k]))
            total.add(e)
            scores[k] = e
        return total.get().total()

    return types.float32(lines, types.int64, weight, types.float32), generate


@njit(inline="always", fastmath=FAST)
def softmax(lines: Any, line: int, offset: Any, weight: Any, positive: int, lr: np.float32) -> Any:
    """The same for cross-entropy; offset is added to the scores, one of which is the positive's.

    loss: log(sum of exp(score)) - score of the positive.
    """
    scores = lines[line]
    top = np.float32(-np.inf)
    for k in range(len(weight)):
        scores[k] += offset[k]
        # NaN becomes the top, and stays it
        if weight[k] > 0 and not (scores[k] <= top or np.isnan(top)):
            top = scores[k]
    truth = scores[positive]
    total = _exponentials(lines, line, weight, top)
    scale = -lr / total
    for k in range(len(weight)):
        scores[k] *= scale
    scores[positive] += lr
    return np.float32(np.log(total)) + top - truth
