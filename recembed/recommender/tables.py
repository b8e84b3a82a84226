"""Lists of many users as tables: in rows while they are made, with ids for others to join with."""

import numpy as np
import pyarrow as pa

from recembed.arrays import Rows, offsets_of
from recembed.data.interactions import Interactions
from recembed.recommender.answering import Ranked, ranked, reason_of
from recembed.recommender.histories import of_users
from recembed.recommender.reasons import reasons
from recembed.recommender.state import State
from recembed.recommender.wish import Wish


def lists_of(state: State, users: Rows, wish: Wish) -> pa.Table:
    """The lists of users of the log, a row for each (user, rank); users and items are rows.

    placed: whether the model answered. because, if it is asked for: item rows and their shares.
    """
    histories = of_users(state.log.interactions, users)
    found = ranked(state, histories, wish)
    there = found.top.rows >= 0  # [n_users, k]
    sizes = there.sum(axis=1)
    ranks = np.broadcast_to(np.arange(1, 1 + found.top.k, dtype=np.int32), there.shape)
    columns = {
        "user": np.repeat(users, sizes),
        "rank": ranks[there],
        "item": found.top.rows[there],
        "score": found.top.scores[there],
        "placed": np.repeat(found.placed, sizes),
    }
    if wish.because:
        columns["because"] = _because(state, histories, found, wish.because)
    return pa.table(columns)


def named(state: State, lists: pa.Table) -> pa.Table:
    """Such lists with ids: user, rank (1 is the best), item, score, reason, because."""
    events = state.log.interactions
    texts = pa.array([reason_of(placed) for placed in (False, True)])
    columns = {
        "user": events.users.ids.take(lists["user"]),
        "rank": lists["rank"],
        "item": events.items.ids.take(lists["item"]),
        "score": lists["score"],
        "reason": texts.take(lists["placed"].cast(pa.int8())),
    }
    if "because" in lists.column_names:
        because = lists["because"].combine_chunks()
        row, share = because.values.flatten()
        pairs = pa.StructArray.from_arrays([events.items.ids.take(row), share], ["item", "share"])
        columns["because"] = pa.ListArray.from_arrays(because.offsets, pairs)
    return pa.table(columns)


def _because(state: State, histories: Interactions, found: Ranked, most: int) -> pa.Array:
    """What carries each listed item's score; nothing where the model did not list it."""
    whys: list[list[tuple[int, float]]] = []
    for at, placed in enumerate(found.placed):
        rows = found.top.rows[at][found.top.rows[at] >= 0]
        history, scores = histories.take_users(np.array([at])), found.top.scores[at, : len(rows)]
        whys += reasons(state.plain, history, rows, scores, most) if placed else [[] for _ in rows]
    offsets = offsets_of(np.array([len(why) for why in whys], np.int64)).astype(np.int32)
    pairs = [pair for why in whys for pair in why]
    row = pa.array([row for row, _ in pairs], pa.int32())
    share = pa.array([share for _, share in pairs], pa.float64())
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.StructArray.from_arrays([row, share], ["row", "share"])
    )
