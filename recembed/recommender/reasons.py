"""Which items of a history carry the score of what is recommended."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Vectors
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.ranker import read_by
from recembed.protocols import Ranker

NEWEST = 50  # items of a history that are looked at: each one is a question to the model


def reasons(
    ranker: Ranker, history: Interactions, rows: Rows, scores: Vectors, most: int
) -> list[list[tuple[int, float]]]:
    """For each listed row: up to `most` (item row, share) of one history, most important first.

    What an item carries is what the score falls by where the history lacks it; its share is that
    of all falls. Items whose absence raises a score speak against it, and are not named.
    """
    items = _newest(history.rows[read_by(ranker)[history.rows]])
    if not len(items) or not len(rows):
        return [[] for _ in rows]
    without = _scores(ranker, _each_without(history, items), rows)  # [items, listed]
    falls = np.maximum(scores - without, 0)
    total = falls.sum(axis=0)
    shares = falls / np.where(total > 0, total, 1)
    found = []
    for column in shares.T:
        order = np.argsort(-column, kind="stable")[:most]
        found.append([(int(items[at]), float(column[at])) for at in order if column[at] > 0])
    return found


def _newest(rows: Rows) -> Rows:
    """Each item once, the newest first, up to NEWEST."""
    turned = rows[::-1]
    _, at = np.unique(turned, return_index=True)
    newest: Rows = turned[np.sort(at)[:NEWEST]]
    return newest


def _each_without(history: Interactions, items: Rows) -> Interactions:
    """One copy of the history for each of the items, without its events."""
    n, size = len(items), len(history)
    people = history.users.ids if history.people is None else history.people
    columns = {name: np.tile(column, n) for name, column in history.columns().items()}
    if history.group is not None:  # codes are unique across users
        columns["group"] += np.repeat(np.arange(n), size) * (int(history.group.max(initial=0)) + 1)
    copies = replace(
        history,
        users=Vocabulary.numbered(n, "copy"),
        events=Sequences(np.tile(history.rows, n), np.arange(n + 1, dtype=np.int64) * size),
        people=people.take(pa.array(np.zeros(n, np.int64))),
        **columns,  # type: ignore[arg-type]
    )
    return copies.keep(copies.rows != np.repeat(items, size))


def _scores(ranker: Ranker, histories: Interactions, rows: Rows) -> NDArray[np.float64]:
    """Score of each row for each history, [histories, rows]; 0 where it has none."""
    n = histories.n_users
    allow = Sequences(np.tile(rows, n), np.arange(n + 1, dtype=np.int64) * len(rows))
    top = ranker.top_k(histories, len(rows), allow=allow)
    found = np.zeros((n, int(rows.max()) + 1))
    listed: Mask = top.rows >= 0
    found[np.nonzero(listed)[0], top.rows[listed]] = top.scores[listed]
    wanted: NDArray[np.float64] = found[:, rows]
    return wanted
