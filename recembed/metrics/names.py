"""How people name a metric."""

import difflib
import re
from collections.abc import Sequence

import numpy as np

from recembed.arrays import PerCase
from recembed.errors import DataError
from recembed.metrics.accuracy import METRICS
from recembed.metrics.places import Places


def metric_at(text: str) -> tuple[str, int]:
    """The name and the k of "ndcg@10".

    Raises: DataError for an unknown name, with the nearest ones, or a k that is none.
    """
    name, _, k = text.partition("@")
    counts = re.fullmatch("0*[1-9][0-9]{0,17}", k) is not None
    if name not in METRICS:
        near = difflib.get_close_matches(name.lower(), METRICS, 3) or list(METRICS)
        there = ", ".join(f"{each}@{k if counts else 10}" for each in near)
        raise DataError(f"no metric {text!r}; there is {there}")
    if not counts:
        given = repr(k) if k else "missing"
        raise DataError(f"metric {text!r}: k is {given}, not a whole number above 0: '{name}@10'")
    return name, int(k)


def per_case(metric: str, seeds: Sequence[Places]) -> PerCase:
    """A metric of each case, its mean over the places that several seeds gave, [n_cases]."""
    name, k = metric_at(metric)
    values = [METRICS[name](places, k) for places in seeds]
    return values[0] if len(values) == 1 else np.mean(values, axis=0)
