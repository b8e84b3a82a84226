"""Held-out events that stand in training too."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, run_starts
from recembed.data.interactions import HABIT
from recembed.evaluation.border import Border
from recembed.report.document import Finding

RARE = 0.01  # share of repeats that is next to none


def duplicates(border: Border, repeats: bool) -> Iterator[Finding]:
    """Held-out events that stand in training too: lines of one purchase, rows that were copied.

    Twins have one user and item, and one time and group where the log has these. Where it has
    neither, a copy looks like a habit: it is a twin only if at least 5 % of what is held out has
    one, though training hardly repeats.
    A leak where items may come back: who lists the history has a hit for each twin. Elsewhere a
    note: an item of the history may not be listed, so that each twin is a miss for every model;
    figures are too low, and no model gains on another.
    """
    events = border.events
    pair = border.owner.astype(np.int64) * events.n_items + events.rows
    keys = [pair, *(each for each in (events.time, events.group) if each is not None)]
    twin = border.held & _on_both_sides(border, keys)
    share = np.count_nonzero(twin) / np.count_nonzero(border.held)
    if not share:
        return
    if repeats and len(keys) == 1:
        habit = events.keep(border.fitted).repeat_rate()
        if share < HABIT or habit >= RARE:
            return
    text = f"{border.held_events(twin)} ({share:.2%}) stood in training too; {border.items(twin)}"
    told = "cut by time or by groups, or leave them out" if repeats else "misses for every model"
    yield Finding("leak" if repeats else "note", "duplicates over the border", f"{text}: {told}")


def _on_both_sides(border: Border, keys: Sequence[NDArray[np.int64]]) -> Mask:
    """Events whose keys some event has that may be trained on, and some that is held out, [n]."""
    both = np.zeros(len(border.held), np.bool_)
    at = np.flatnonzero(border.held | (border.fitted & np.isin(keys[0], keys[0][border.held])))
    at = at[np.lexsort([key[at] for key in keys])]
    starts = run_starts(*(key[at] for key in keys))
    fitted, held = (
        np.add.reduceat(side[at], starts, dtype=np.int64) > 0
        for side in (border.fitted, border.held)
    )
    both[at] = np.repeat(fitted & held, np.diff(starts, append=len(at)))
    return both
