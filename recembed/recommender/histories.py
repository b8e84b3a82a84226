"""Histories to answer for: of users, with what they hold now, and of people without a name."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from recembed.arrays import Rows, offsets_of
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary

NOW = -1  # the code of the group that is being filled: no group of a log has it


def of_users(log: Interactions, rows: Rows) -> Interactions:
    """The histories of these users of a log, [len(rows)]; an empty one where a row is -1.

    They are guests, so that one user may stand twice; who is behind each is in `people`.
    """
    there = np.flatnonzero(rows >= 0)
    known = rows[there]
    sizes = np.zeros(len(rows), np.int64)
    sizes[there] = log.events.sizes_of(known)
    at = log.events.positions(known)
    columns: dict[str, Any] = {name: column[at] for name, column in log.columns().items()}
    return replace(
        log,
        users=_guests(len(rows)),
        events=Sequences(log.rows[at], offsets_of(sizes)),
        people=log.users.ids.take(pa.array(rows, mask=rows < 0)),
        **columns,
    )


@lru_cache(maxsize=4)
def _guests(n: int) -> Vocabulary:
    """Names of n histories; mostly one, or as many as a block has."""
    return Vocabulary.numbered(n, "guest")


def of_guest(log: Interactions, rows: Rows) -> Interactions:
    """The history of somebody without a name: where the log has groups, one of them."""
    guest = of_users(log, np.array([-1], np.int32))
    return replace(then(guest, rows), time=None, order="position")


def then(histories: Interactions, rows: Rows) -> Interactions:
    """Each history with events of the items `rows` after it, as old as its newest one.

    They weigh 1, and are one group where there are groups.
    """
    old, more = histories.events.offsets, len(rows)
    at = np.repeat(old[1:], more)
    fresh: dict[str, Any] = {"group": NOW, "weight": 1, "part": 0}
    if histories.time is not None:
        newest = np.append(histories.time, 0)[old[1:] - 1]  # nothing is newer than nothing
        fresh["time"] = np.repeat(np.where(histories.events.sizes > 0, newest, 0), more)
    moved: dict[str, Any] = {
        name: np.insert(column, at, fresh[name]) for name, column in histories.columns().items()
    }
    events = np.insert(histories.rows, at, np.tile(rows, histories.n_users))
    offsets = old + more * np.arange(len(old))
    return replace(histories, events=Sequences(events, offsets), **moved)
