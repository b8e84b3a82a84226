"""Events that are newer than a run: its histories go on with them, its model stays."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import offsets_of
from recembed.data.catalogue import Catalogue
from recembed.data.columns import Columns
from recembed.data.files import Source
from recembed.data.filters import collapse
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, EmptyLog


def joined(log: Log, source: Source, read: Mapping[str, Any]) -> tuple[Log, str | None]:
    """A log with the events of `source` after its own, and what was left out of them.

    read: how the run's own log was read. Users may be new; events of items that the log lacks are
    left out, and so are those that it has already (user, item and time; without times nobody can
    tell, and all of them count).

    Raises: DataError if source cannot be read, or lacks times or groups that the log has.
    """
    try:
        newer = read_log(source, columns=Columns(**read.get("columns", {}))).interactions
    except EmptyLog:  # nothing is newer, as after a log was begun anew
        return log, None
    events = log.interactions
    for name in ("time", "group"):
        if name in events.columns() and name not in newer.columns():
            raise DataError(f"the newer events have no {name}, which those of the run have")
    known = _among(newer, events.items)
    unknown = len(newer) - len(known)
    merged = _merged(events, known)
    if read.get("repeats") == "collapse":
        merged = collapse(merged)
    about = log.users
    if about is not None and merged.users is not about.ids:
        about = Catalogue.align(merged.users, about.ids, about.table, about.title)
    note = f"{unknown} of {len(newer)} newer events are of items that the run lacks"
    return Log(merged, log.items, about), note if unknown else None


def _among(newer: Interactions, items: Vocabulary) -> Interactions:
    """The events of these items; one id that is no number makes text of all ids of a file."""
    theirs = items.like(newer.items)
    own = replace(newer, items=newer.items.like(theirs))
    return replace(own.with_items(theirs), items=items)


def _merged(old: Interactions, new: Interactions) -> Interactions:
    """By user, then by time, then old before new."""
    theirs = new.users.like(old.users)
    users = old.users.extend(theirs.ids)
    owners = old.events.owners(), users.rows(theirs.ids)[new.events.owners()]
    if old.time is not None and new.time is not None and len(new):
        recent = old.time >= new.time.min()
        have = _packed(owners[0][recent], old.rows[recent], old.time[recent])
        fresh = ~np.isin(_packed(owners[1], new.rows, new.time), have)
        new, owners = new.keep(fresh), (owners[0], owners[1][fresh])
    owner, rows = np.concatenate(owners), np.concatenate([old.rows, new.rows])
    columns = {name: _with(name, column, new) for name, column in old.columns().items()}
    order = np.lexsort([columns.get("time", owner), owner])
    events = Sequences(rows[order], offsets_of(np.bincount(owner, minlength=len(users))))
    moved: dict[str, Any] = {name: column[order] for name, column in columns.items()}
    return replace(old, users=users, events=events, **moved)


def _packed(*keys: NDArray[Any]) -> NDArray[np.void]:
    """Values that are equal where all keys are."""
    packed = np.empty(len(keys[0]), [(f"key{at}", np.int64) for at in range(len(keys))])
    for name, key in zip(packed.dtype.names or (), keys, strict=True):
        packed[name] = key
    return packed


def _with(name: str, column: NDArray[Any], new: Interactions) -> NDArray[Any]:
    """A column of the old events with that of the new ones after it."""
    more = new.columns().get(name)
    if more is None:  # weights count 1 where nothing is said, and parts are of the run's own log
        more = np.ones(len(new), column.dtype)
    elif name == "group":
        more = more + column.max(initial=-1) + 1
    return np.concatenate([column, more.astype(column.dtype)])
