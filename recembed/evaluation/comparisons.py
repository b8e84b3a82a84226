"""Every pair of models over the same cases: how large the difference, and how sure."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from recembed.arrays import PerCase
from recembed.metrics.intervals import Resamples
from recembed.metrics.significance import holm, permutation_test
from recembed.report.document import Comparison


def compared(
    values: Mapping[str, PerCase], resamples: Resamples, metric: str
) -> tuple[Comparison, ...]:
    """All pairs, those of the best model first. values: name -> metric of each case, [n_cases].

    Models with the same value in every case (a model, and it through an index that misses nothing)
    are one model: the others are compared with the first of them, which only shows up last.
    """
    order = sorted(values, key=lambda name: -values[name].mean())
    firsts: dict[bytes, str] = {}
    twins = [
        (first, name)
        for name in order
        if (first := firsts.setdefault(values[name].tobytes(), name)) != name
    ]
    pairs = list(combinations(firsts.values(), 2))
    ps = [
        permutation_test(values[better], values[other], resamples.clusters, seed=resamples.seed)
        for better, other in pairs
    ]
    both = [*zip(pairs, ps, holm(np.array(ps)), strict=True), *((pair, 1.0, 1.0) for pair in twins)]
    return tuple(
        Comparison(
            metric,
            better,
            other,
            resamples.interval(values[better] - values[other]),
            p,
            float(corrected),
        )
        for (better, other), p, corrected in both
    )
