"""Ask a run: what to recommend, and what is similar."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from recembed.data.files import Source
from recembed.data.vocabulary import Id, id_list
from recembed.errors import DataError, many
from recembed.pipeline.batch import Batch, Shard
from recembed.pipeline.export import check_target
from recembed.pipeline.train import machine_of
from recembed.progress import Progress
from recembed.recommender import Recommendations, Recommender, Wish
from recembed.search.kinds import IndexKind

OTHER_FILES = (".csv", ".tsv", ".json", ".jsonl")


def recommend(
    run: str | Path,
    *,
    user: Iterable[Id] = (),
    history: Iterable[Id] = (),
    basket: Iterable[Id] = (),
    text: str | None = None,
    all_users: bool = False,
    out: str | Path | None = None,
    shard: str | None = None,
    k: int = 10,
    seen: Literal["auto", "allow", "exclude"] = "auto",
    allow: Iterable[Id] | None = None,
    exclude: Iterable[Id] = (),
    where: Mapping[str, Any] | None = None,
    diversity: float = 0.0,
    cap: Mapping[str, int] | None = None,
    because: int = 0,
    newer: Source | None = None,
    index: IndexKind | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> list[Recommendations]:
    """The best k items for each user, or for somebody with this history of items, oldest first.

    basket: what the users hold right now. text: instead, the items whose texts are most like it, in
    a run that an encoder is attached to. all_users: everybody's lists go into the Parquet file
    `out` instead, a row for each user and rank: user, rank, item, score, reason and, if it is asked
    for, because; nothing is returned. A call that was cut off goes on where it was when it is made
    again. shard: "2/8" is every 8th user from the 2nd on; all eight are all users. seen: whether
    items of the history may come back; auto: as in the run's evaluation. allow: only these items;
    None: all. where, diversity, cap, because: see Wish. newer: a log of events that the run lacks;
    histories go on with them.

    Raises: DataError if not exactly one of user, history, text and all_users is given.
    """
    users, items, held = id_list(user), id_list(history), id_list(basket)
    ways = {"user": users, "history": items, "text": text is not None, "all users": all_users}
    _check_ways([name for name, given in ways.items() if given], held)
    _check_file(all_users, out, shard)
    if seen not in ("auto", "allow", "exclude"):
        raise DataError(f"seen is 'auto', 'allow' or 'exclude', not {seen!r}")
    if text is not None and (because or seen == "exclude"):
        raise DataError("a text has no history: leave seen (--seen) and because (--because) out")
    wish: dict[str, Any] = {
        "exclude_seen": None if seen == "auto" else seen == "exclude",
        "allow": None if allow is None else id_list(allow),
        "exclude": id_list(exclude),
        "where": dict(where or {}),
        "diversity": diversity,
        "cap": dict(cap or {}),
        "because": because,
    }
    asked, part = Wish(k, **wish), Shard.parse(shard or "1/1")  # what is wrong is told first
    if out is not None:
        check_target(Path(out), [newer])
    recommender = Recommender.load(run, index=index, history=newer, machine=machine_of(threads))
    if out is not None:
        progress = Progress("quiet" if quiet else "auto")
        batch = Batch(recommender.state, asked, part, index, newer is not None)
        progress.say(f"{many(batch.into(Path(out), progress), 'row')} -> {out}")
        return []
    if text is not None:
        return [recommender.search(text, k, **wish)]
    if items:
        return [recommender.recommend_for(items, k, **wish)]
    return recommender.recommend_many(users, k, basket=held, **wish)


def similar(run: str | Path, item: Iterable[Id], *, k: int = 10) -> list[Recommendations]:
    """The k items most similar to each item."""
    recommender = Recommender.load(run, index="exact")
    return [recommender.similar(one, k) for one in id_list(item)]


def _check_ways(named: list[str], held: list[Id]) -> None:
    if len(named) > 1:
        raise DataError(f"{' and '.join(named)} exclude each other: ask for one of them")
    if not named or (held and named != ["user"]):
        raise DataError(
            "name users (and what they hold), or the items of one history, or a text, or ask for "
            "all users"
        )


def _check_file(all_users: bool, out: str | Path | None, shard: str | None) -> None:
    if all_users and out is None:
        raise DataError("all users are answered into a Parquet file: name it (out)")
    if not all_users and (out is not None or shard is not None):
        raise DataError("a file (out) and shards are for all users: ask for those, or leave it out")
    if out is not None and Path(out).suffix.lower() in OTHER_FILES:
        raise DataError(f"all users are answered into a Parquet file: name it so, not {out}")
