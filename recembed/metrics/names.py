"""How people name a metric."""

import difflib

from recembed.errors import DataError
from recembed.metrics.accuracy import METRICS


def metric_at(text: str) -> tuple[str, int]:
    """The name and the k of "ndcg@10".

    Raises: DataError for an unknown name, with the nearest ones, or a k that is none.
    """
    name, _, k = text.partition("@")
    counts = k.isascii() and k.isdecimal() and int(k) > 0
    if name not in METRICS:
        near = difflib.get_close_matches(name.lower(), METRICS, 3) or list(METRICS)
        there = ", ".join(f"{each}@{k if counts else 10}" for each in near)
        raise DataError(f"no metric {text!r}; there is {there}")
    if not counts:
        given = repr(k) if k else "missing"
        raise DataError(f"metric {text!r}: k is {given}, not a whole number above 0: '{name}@10'")
    return name, int(k)
