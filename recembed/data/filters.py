"""Thinning a log: one event a pair, and users and items with enough events."""

from dataclasses import replace

import numpy as np

from recembed.data.interactions import Interactions
from recembed.errors import DataError


def collapse(events: Interactions) -> Interactions:
    """Only a user's last event with each item; it weighs as much as all of them did."""
    n = len(events)
    pairs = events.events.owners().astype(np.int64) * events.n_items + events.rows
    _, from_end, pair = np.unique(pairs[::-1], return_index=True, return_inverse=True)
    last = n - 1 - from_end
    mask = np.zeros(n, np.bool_)
    mask[last] = True
    if events.weight is None:
        return events.keep(mask)
    weight = np.zeros(n, np.float32)
    weight[last] = np.bincount(pair, weights=events.weight[::-1])
    return replace(events, weight=weight).keep(mask)


def core(events: Interactions, min_user: int, min_item: int) -> Interactions:
    """Users with `min_user` events and items with `min_item`, left out until both hold (k-core).

    Rows stay dense and in their old order.

    Raises: DataError if nothing is left.
    """
    if min_user <= 1 and min_item <= 1:
        return events
    owners = events.events.owners()
    mask = np.ones(len(events), np.bool_)
    left = -1
    while left != (left := int(mask.sum())):
        enough_user = np.bincount(owners[mask], minlength=events.n_users) >= min_user
        enough_item = np.bincount(events.rows[mask], minlength=events.n_items) >= min_item
        mask &= enough_user[owners] & enough_item[events.rows]
    if left == 0:
        raise DataError(
            f"no event is left of {len(events)}: no {min_user} events a user (min_user) and "
            f"{min_item} an item (min_item) hold together; lower them"
        )
    kept = events.keep(mask)
    kept = kept.take_users(np.flatnonzero(kept.events.sizes))
    kept = kept.with_items(kept.items.select(np.flatnonzero(kept.counts())))
    if kept.group is None:
        return kept
    return replace(kept, group=np.unique(kept.group, return_inverse=True)[1].astype(np.int64))
