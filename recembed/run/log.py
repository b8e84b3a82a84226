"""The log inside a run: what was trained on, and the histories that serving answers from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, RunError
from recembed.run.folder import Run, Writer
from recembed.run.manifest import Manifest

COLUMNS = ("time", "weight", "group", "part")  # as Interactions has them
CUT = "cut"  # the part that the split puts an event in; `part` is what the log itself says

Parts = NDArray[np.uint8]
Arrays = dict[str, NDArray[Any]]


def store_log(writer: Writer, log: Log, part: Parts) -> None:
    """Put a log into a run. part: of each event, as split tells them, uint8 [n_events].

    Raises: DataError if `part` is something else.
    """
    events = log.interactions
    if part.shape != (len(events),) or part.dtype != np.uint8:
        raise DataError(
            f"{len(events)} events need part uint8 [{len(events)}], not {part.dtype} {part.shape}"
        )
    own: Arrays = {"values": events.rows, "offsets": events.events.offsets, CUT: part}
    writer.arrays("events", {**own, **events.columns()})
    writer.table("users", _joined(events.users, log.users))
    writer.table("items", _joined(events.items, log.items))
    about = {"users": _described(log.users), "items": _described(log.items)}
    writer.facts({"log": {"order": events.order, **about}})


def facts_of(facts: Mapping[str, Any], log: Log) -> dict[str, Any]:
    """The fingerprints in a run's facts, where its log has become another one."""
    data = log.interactions.fingerprint()
    tuned = facts.get("tuned")
    if tuned and tuned.get("data") == facts.get("data"):
        return {"data": data, "tuned": {**tuned, "data": data}}
    return {"data": data}


def kind_of(run: Run) -> str:
    """What it is a run of: items, words, an encoder."""
    return _named(run.facts.get("kind", "items"))


def _named(kind: Any) -> str:
    return "an encoder" if kind == "encoder" else str(kind)


def check_kind(run: Run) -> None:
    """Raises: RunError if a run is not one of items."""
    kind = kind_of(run)
    if kind != "items":
        raise RunError(f"{run.folder} is a run of {kind}, not of items: see `recembed text`")


def check_replaced(out: str | Path, kind: str) -> None:
    """Before the work, not after it. Raises: RunError if `out` is a run of another kind."""
    try:
        there = Manifest.read(Path(out)).facts.get("kind", "items")
    except RunError:  # none is there, or none that can be read: who writes says more
        return
    if there != kind:
        raise RunError(
            f"{out} is a run of {_named(there)}, which one of {_named(kind)} does not replace: "
            "name another folder"
        )


def load_log(run: Run) -> tuple[Log, Parts]:
    """The log of a run and the part of each event.

    Raises: RunError if the run has no log, or one that does not fit together.
    """
    check_kind(run)
    arrays, users, items = run.arrays("events"), run.table("users"), run.table("items")
    try:
        facts = run.facts["log"]
        user_ids, about_users = _parted(users, "user", facts["users"])
        item_ids, about_items = _parted(items, "item", facts["items"])
        events = Interactions(
            user_ids,
            item_ids,
            Sequences(arrays["values"], arrays["offsets"]),
            order=facts["order"],
            **{name: arrays[name] for name in COLUMNS if name in arrays},
        )
        return Log(events, about_items, about_users), arrays[CUT]
    except (KeyError, TypeError, IndexError, DataError) as error:
        raise RunError(f"the log in {run.folder} is not whole ({error}): train again") from error


def _described(about: Catalogue | None) -> dict[str, Any] | None:
    return None if about is None else {"title": about.title}


def _joined(ids: Vocabulary, about: Catalogue | None) -> pa.Table:
    """The ids as first column, under a name that no column of theirs has."""
    if about is not None and about.ids != ids:
        raise DataError(f"the {ids.name} table does not describe the {ids.name}s of the log")
    name = "id"
    while about is not None and name in about.table.column_names:
        name = f"_{name}"
    table = pa.table({name: ids.ids})
    for own in [] if about is None else about.table.column_names:
        table = table.append_column(about.table.field(own), about.table.column(own))  # type: ignore[union-attr]
    return table


def _parted(
    table: pa.Table, name: str, about: dict[str, Any] | None
) -> tuple[Vocabulary, Catalogue | None]:
    ids = Vocabulary(table.column(0), name, distinct=True)  # they were one when they were stored
    if about is None:
        return ids, None
    return ids, Catalogue(ids, table.remove_column(0), about["title"])
