"""From histories and a wish to lists of items."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recembed.arrays import Mask, Rows, Vectors
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Id
from recembed.errors import DataError, first
from recembed.models.ranker import WithFallback
from recembed.protocols import Ranker, TopK
from recembed.recommender.answers import Because, Recommendation, Recommendations
from recembed.recommender.histories import of_guest
from recembed.recommender.reasons import reasons
from recembed.recommender.state import State
from recembed.recommender.wish import Wish
from recembed.search.rerank import Pool
from recembed.search.select import clipped, empty_top

MODEL, TEXT = "model", "text"  # the reasons of lists that the model made, or a text asked for
POOL, WIDER = 10, 4  # a reranked list is chosen from 10 k items, then from 4 times as many


@dataclass(frozen=True, eq=False)
class Ranked:
    """What is listed for histories. placed [n_users]: whether the model itself answered.

    notes: on ids of the wish that are unknown.
    """

    top: TopK
    placed: Mask
    notes: list[str]


def ranked(state: State, histories: Interactions, wish: Wish) -> Ranked:
    """The list of each history."""
    placed = _placed(state, histories)
    ranker = state.plain if placed.all() else state.ranker
    top, notes = lists(state, ranker, histories, wish)
    return Ranked(top, placed, notes)


def lists(
    state: State, ranker: Ranker, histories: Interactions, wish: Wish
) -> tuple[TopK, list[str]]:
    """What a ranker lists within the rules of a wish, and notes on ids of it that are unknown."""
    exclude, allow, notes = _rules(state, histories, wish)
    if wish.reranked:
        return _reranked(state, ranker, histories, wish, exclude, allow), notes
    return ranker.top_k(histories, wish.k, exclude=exclude, allow=allow), notes


def answers(
    state: State, histories: Interactions, wish: Wish, unknown: Sequence[str | None]
) -> list[Recommendations]:
    """The list of each history with ids and titles; unknown: who it is that nothing is known of."""
    found = ranked(state, histories, wish)
    top, made = found.top, []
    for at, why in enumerate(unknown):
        reason = reason_of(bool(found.placed[at]), why)
        made.append(listing(state, top.rows[at], top.scores[at], wish.k, reason, found.notes))
        if wish.because and reason == MODEL:
            history = histories.take_users(np.array([at]))
            made[-1] = _with_reasons(state, history, top.rows[at], made[-1], wish.because)
    return made


def searched(state: State, text: str, wish: Wish) -> Recommendations:
    """The list for a text; an empty one where the encoder knows nothing of it."""
    if state.search is None:
        raise DataError("the run has no text search: attach an encoder of texts (recembed attach)")
    if wish.because or wish.exclude_seen:
        raise DataError("a text has no history: leave because and exclude_seen out")
    query = state.search.query(text)
    if not query.understood:
        nothing = "the encoder knows nothing of this text"
        return Recommendations((), TEXT, "; ".join(filter(None, (nothing, state.note))))
    nobody = of_guest(state.log.interactions, np.zeros(0, np.int32))
    top, notes = lists(state, query, nobody, wish)
    return listing(state, top.rows[0], top.scores[0], wish.k, TEXT, notes)


def listing(
    state: State, rows: Rows, scores: Vectors, k: int, reason: str, notes: Sequence[str]
) -> Recommendations:
    """One list with ids and titles; rows end with -1 where there are fewer than k."""
    rows = rows[rows >= 0]
    notes = [*notes, state.note] if state.note else list(notes)
    if len(rows) < k:
        notes.append(f"{len(rows)} items instead of {k}: no more are eligible")
    ids, titles = _named(state, rows)
    items = zip(ids, scores[: len(ids)].tolist(), titles, strict=True)
    return Recommendations(
        tuple(Recommendation(*item) for item in items), reason, "; ".join(notes) or None
    )


def _rules(
    state: State, histories: Interactions, wish: Wish
) -> tuple[Sequences, Mask | None, list[str]]:
    """What no list may have, [n_users], what it may have, [n_items], and notes on unknown ids."""
    banned, notes = _rows(state, wish.exclude, "excluded")
    allow = state.columns.mask(wish.where)
    if wish.allow is not None:
        rows, more = _rows(state, wish.allow, "allowed")
        notes += more
        only = np.zeros(state.log.interactions.n_items, np.bool_)
        only[rows] = True
        allow = only if allow is None else allow & only
    seen = not state.repeats if wish.exclude_seen is None else wish.exclude_seen
    n, each = histories.n_users, len(banned)
    if not seen:
        return Sequences(np.tile(banned, n), each * np.arange(n + 1)), allow, notes
    if not each:
        return histories.events, allow, notes
    old = histories.events.offsets
    rows = np.insert(histories.rows, np.repeat(old[1:], each), np.tile(banned, n))
    return Sequences(rows, old + each * np.arange(n + 1)), allow, notes


def _rows(state: State, ids: Sequence[Id], what: str) -> tuple[Rows, list[str]]:
    """Rows of the ids that are known, and a note on those that are not."""
    rows = state.log.interactions.items.rows(ids)
    lost = [id for id, row in zip(ids, rows, strict=True) if row < 0]
    note = f"{len(lost)} of {len(rows)} {what} items are unknown, first: {first(lost[:4])}"
    return rows[rows >= 0], [note] if lost else []


def _reranked(
    state: State,
    ranker: Ranker,
    histories: Interactions,
    wish: Wish,
    exclude: Sequences,
    allow: Mask | None,
) -> TopK:
    """Lists chosen from a pool, which grows until they are full or nothing is left to choose."""
    n_items = state.log.interactions.n_items
    k, pool = clipped(wish.k, n_items), clipped(POOL * wish.k, n_items)
    found = empty_top(histories.n_users, k)
    left = np.arange(histories.n_users)
    while len(left):
        top = ranker.top_k(
            histories.take_users(left), pool, exclude=exclude.take(left), allow=allow
        )
        full = np.zeros(len(left), np.bool_)
        for at, one in enumerate(left):
            rows = top.rows[at][top.rows[at] >= 0]
            chosen = _pool(state, rows, top.scores[at, : len(rows)], wish).chosen(k, wish.diversity)
            found.rows[one, : len(chosen)] = rows[chosen]
            found.scores[one, : len(chosen)] = top.scores[at][chosen]
            full[at] = len(chosen) == k or len(rows) < pool or pool == n_items
        left, pool = left[~full], min(WIDER * pool, n_items)
    return found


def _pool(state: State, rows: Rows, scores: Vectors, wish: Wish) -> Pool:
    vectors = state.directions[rows] if wish.diversity else None
    kinds = [state.columns.of(name, rows) for name in wish.cap]
    return Pool(scores, vectors, kinds, list(wish.cap.values()))


def _placed(state: State, histories: Interactions) -> Mask:
    if isinstance(state.ranker, WithFallback):
        return state.ranker.places(histories)
    return np.ones(histories.n_users, np.bool_)


def reason_of(placed: bool, unknown: str | None = None) -> str:
    """Why a list is what it is."""
    if unknown is None and placed:
        return MODEL
    return f"{unknown or 'the history has no item that the model knows'}: popular items"


def _with_reasons(
    state: State, history: Interactions, rows: Rows, made: Recommendations, most: int
) -> Recommendations:
    """The same list, each item with what of the history carries its score."""
    rows = rows[rows >= 0]
    scores = np.array([one.score for one in made], np.float32)
    found = reasons(state.plain, history, rows, scores, most)
    items = []
    for one, why in zip(made, found, strict=True):
        ids, titles = _named(state, np.array([row for row, _ in why], np.int32))
        shares = [share for _, share in why]
        because = tuple(Because(*each) for each in zip(ids, shares, titles, strict=True))
        items.append(replace(one, because=because))
    return replace(made, items=tuple(items))


def _named(state: State, rows: Rows) -> tuple[list[Id], list[str | None]]:
    """Ids and titles, [len(rows)] each."""
    about = state.log.items
    titles = [None] * len(rows) if about is None else about.titles(rows)
    named = [None if title is None else str(title) for title in titles]
    return state.log.interactions.items.take(rows).to_pylist(), named
