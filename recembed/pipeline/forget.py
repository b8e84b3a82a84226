"""Delete users from a run."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recembed.data.catalogue import Catalogue
from recembed.data.log import Log
from recembed.data.split import TRAIN, counts_of_parts
from recembed.data.vocabulary import Id, id_list
from recembed.errors import DataError, RunError
from recembed.models.stored import ANSWERING
from recembed.models.tower_model import without_users
from recembed.run.folder import Run, writing
from recembed.run.log import Parts, facts_of, load_log, store_log


@dataclass(frozen=True)
class Forgotten:
    """events: deleted with the users. dropped: files of the run that may have named them.

    foreign: files in the folder that are none of the run's, which nobody looked into.
    """

    users: int
    events: int
    dropped: tuple[str, ...]
    foreign: tuple[str, ...]


def forget(run: str | Path, *, user: Iterable[Id] | Id) -> Forgotten:
    """Delete users from RUN: their events, what is told of them, and a vector of their own.

    Everything that may name them goes from the folder: reports are dropped, to be made again by
    `evaluate`. What item vectors and counts of the model learned from them stays: train again to
    remove that too. Other users' answers stay as they are, but that popular items are counted anew.

    Raises: DataError if one is unknown or nobody would be left, and nothing changes then; RunError
    if old files cannot be removed.
    """
    ids = id_list(user)
    if not ids:
        raise DataError("name at least one user to forget")
    with writing(run, new=False) as writer:
        opened = Run.open(run, verify=False)
        log, part = load_log(opened)
        rows = np.unique(log.interactions.users.known_rows(ids))
        kept, parts = _without(log, part, rows)
        if not (parts < opened.facts.get("trained", TRAIN + 1)).any():
            raise DataError(f"without them {run} has nothing left: delete the folder")
        writer.arrays("model", without_users(opened.arrays("model"), log.interactions.users, rows))
        store_log(writer, kept, parts)
        writer.facts(_facts(opened.facts, kept, parts))
        old = opened.files
        dropped = [name for name in old if name not in ANSWERING]
        for name in dropped:
            writer.drop(name)
    foreign = _swept(Run.open(run, verify=False), old.values())
    n_events = len(log.interactions) - len(kept.interactions)
    return Forgotten(len(rows), n_events, tuple(sorted(dropped)), foreign)


def _without(log: Log, part: Parts, rows: np.ndarray[Any, Any]) -> tuple[Log, Parts]:
    """A log without these users, and the part of each of its events."""
    events = log.interactions
    others = np.delete(np.arange(events.n_users, dtype=np.int32), rows)
    kept = events.take_users(others)
    about = log.users
    if about is not None:
        table = about.table.take(pa.array(others))
        about = Catalogue(kept.users, _compact(table), about.title)
    return replace(log, interactions=kept, users=about), part[events.events.positions(others)]


def _compact(table: pa.Table) -> pa.Table:
    """The same table; no dictionary of a column has a value that stands in no row."""
    for at, field in enumerate(table.schema):
        if "dictionary" in str(field.type):
            values = pa.array(table.column(at).to_pylist(), field.type)
            table = table.set_column(at, field, values)
    return table


def _facts(facts: dict[str, Any], log: Log, part: Parts) -> dict[str, Any]:
    """What the manifest says of the log, of the log as it is now."""
    found, cut = facts_of(facts, log), facts.get("split")
    if cut:
        counts = counts_of_parts(log.interactions, part, cut["valid"] is not None)
        found["split"] = cut | {"counts": cut["counts"] | counts}
    return found


def _swept(run: Run, old: Iterable[Path]) -> tuple[str, ...]:
    """Files that are none of the run's. Raises: RunError if the old ones are still there."""
    own = {*run.files.values()}
    left = [path.name for path in {*old} - own if path.exists()]
    if left:
        raise RunError(
            f"{run.folder} is written anew, but old files could not be removed: delete "
            f"{', '.join(sorted(left))}"
        )
    there = {path for path in run.folder.rglob("*") if path.is_file()} - own
    names = {str(path.relative_to(run.folder)) for path in there}
    return tuple(sorted(names - {".lock", "manifest.json"}))
