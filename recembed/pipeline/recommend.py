"""Ask a run: what to recommend, and what is similar."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from recembed.data.vocabulary import Id
from recembed.errors import DataError
from recembed.recommender import Recommendations, Recommender


def recommend(
    run: str | Path,
    *,
    user: Iterable[Id] = (),
    history: Iterable[Id] = (),
    basket: Iterable[Id] = (),
    k: int = 10,
    seen: Literal["auto", "allow", "exclude"] = "auto",
    allow: Iterable[Id] | None = None,
    exclude: Iterable[Id] = (),
    index: Literal["exact", "annoy"] | None = None,
) -> list[Recommendations]:
    """The best k items for each user, or for somebody with this history of items, oldest first.

    basket: what the users hold right now. seen: whether items of the history may come back; auto:
    as in the run's evaluation. allow: only these items; None: all.

    Raises: DataError if neither or both of user and history are given.
    """
    users, items, held = _ids(user), _ids(history), _ids(basket)
    if bool(users) == bool(items) or (items and held):
        raise DataError("name users (and what they hold), or the items of one history, not both")
    if seen not in ("auto", "allow", "exclude"):
        raise DataError(f"seen is 'auto', 'allow' or 'exclude', not {seen!r}")
    recommender = Recommender.load(run, index=index)
    filters = {
        "exclude_seen": None if seen == "auto" else seen == "exclude",
        "allow": None if allow is None else _ids(allow),
        "exclude": _ids(exclude),
    }
    if items:
        return [recommender.recommend_for(items, k, **filters)]
    filters["basket"] = held
    return [recommender.recommend(one, k, **filters) for one in users]  # type: ignore[arg-type]


def similar(run: str | Path, item: Iterable[Id], *, k: int = 10) -> list[Recommendations]:
    """The k items most similar to each item."""
    recommender = Recommender.load(run, index="exact")
    return [recommender.similar(one, k) for one in _ids(item)]


def _ids(ids: Iterable[Id] | Id) -> list[Id]:
    """One id or several, as a list."""
    if isinstance(ids, (int, str, np.generic)):
        ids = [ids]
    return [id.item() if isinstance(id, np.generic) else id for id in ids]
