"""Change the items of a run between trainings: new ones are placed by content, others leave."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recembed.arrays import Mask
from recembed.data.catalogue import Catalogue
from recembed.data.columns import Columns
from recembed.data.descriptions import Description, describe
from recembed.data.files import Source, Table
from recembed.data.ids import IdColumn
from recembed.data.log import Log
from recembed.data.vocabulary import Id, Vocabulary, id_list
from recembed.errors import DataError
from recembed.models import registry
from recembed.models.newcomers import newcomers
from recembed.models.stored import (
    ADDED,
    ANSWERING,
    CHANGES,
    encoder_in,
    has_vectors,
    model_arrays,
    model_of,
    removed_items,
    texts_in,
)
from recembed.models.text_items import FACT, TEXTS, ItemTexts, texts_of
from recembed.protocols import Arrays
from recembed.run.folder import Run, writing
from recembed.run.log import facts_of, load_log, store_log
from recembed.settings import change
from recembed.text.encoding import encoded

SHOWN = 3  # ids


@dataclass(frozen=True)
class Updated:
    """added: items that the run has now, placed: those of them that can be recommended.

    removed: items that are no longer recommended; back: items that were, and are again. unplaced:
    the first of those added but not placed, as they have nothing that the model learned of.
    """

    added: int = 0
    placed: int = 0
    removed: int = 0
    back: int = 0
    unplaced: tuple[Id, ...] = ()


def update(
    run: str | Path,
    *,
    items: Source | None = None,
    remove: Iterable[Id] | Id = (),
    columns: Mapping[str, str] | None = None,
) -> Updated:
    """Add items to RUN and take items out of its lists, without training again.

    items: a table with columns as the run's own; its new items are placed by what the model learned
    of theirs (two-tower or item2vec with features), or by their text where an encoder is attached,
    and found beside the index until it is built again. Those that the run has stay as they are, and
    come back if they were removed. remove: items that are never listed from now on; histories keep
    them. columns: their roles, where they are not as in training. Reports in the run are dropped:
    they tell of other lists.

    Raises: DataError if an id to remove is unknown, or the model learned nothing of content.
    """
    gone = id_list(remove)
    if items is None and not gone:
        raise DataError("name items to add (--items), or ids to remove (--remove)")
    with writing(run, new=False) as writer:
        opened = Run.open(run, verify=False)
        old, part = load_log(opened)
        log, listed = (old, None) if items is None else _with_items(opened, old, items, columns)
        changes = opened.arrays(CHANGES) if opened.has(CHANGES) else {}
        n, n_old = log.interactions.n_items, old.interactions.n_items
        later = _placed(opened, old, log) if n > n_old else _Later()
        if later.arrays:
            store_log(writer, log, part)
            writer.facts(facts_of(opened.facts, log))
        if later.texts is not None:
            writer.arrays(TEXTS, later.texts.arrays())
        before = np.append(removed_items(opened, n_old), np.zeros(n - n_old, np.bool_))
        now = _removed(log.interactions.items, before, listed, gone)
        for name in opened.files.keys() - {*ANSWERING}:
            writer.drop(name)  # a report of other lists
        writer.arrays(
            CHANGES,
            {
                **changes,
                **{
                    ADDED + name: _joined(changes.get(ADDED + name), array)
                    for name, array in later.arrays.items()
                },
                "removed": np.flatnonzero(now).astype(np.int32),
            },
        )
    unplaced = n_old + np.flatnonzero(~later.placed)[:SHOWN].astype(np.int32)
    return Updated(
        added=n - n_old,
        placed=int(np.count_nonzero(later.placed)),
        removed=int(np.count_nonzero(now & ~before)),
        back=int(np.count_nonzero(before & ~now)),
        unplaced=tuple(log.interactions.items.take(unplaced).to_pylist()),
    )


def _joined(old: NDArray[Any] | None, more: NDArray[Any]) -> NDArray[Any]:
    return more if old is None else np.concatenate([old, more])


def _with_items(
    run: Run, log: Log, items: Source, columns: Mapping[str, str] | None
) -> tuple[Log, Vocabulary]:
    """The log with the new items of a table after its own, and all items of the table."""
    old, about = log.interactions.items, log.items
    if about is None:
        raise DataError(f"{run.folder} has no item table: train with one (--items) to add to it")
    named = {**run.facts.get("read", {}).get("columns", {}), **(columns or {})}
    table = _described(items, old, change(Columns(), named, "column role"))
    own = table.own.like(old)
    every = old.extend(own.ids)
    fresh = pa.array(own.rows(every.ids[len(old) :]))
    more = [_like(table.columns, field).take(fresh) for field in about.table.schema]
    added = pa.table(more, schema=about.table.schema)
    catalogue = Catalogue(every, pa.concat_tables([about.table, added]), about.title)
    events = replace(log.interactions, items=every)
    return replace(log, interactions=events, items=catalogue), own


def _described(items: Source, old: Vocabulary, roles: Columns) -> Description:
    """What the table says; ids that look like numbers are text where the run's are."""
    name = roles.item or "item_id"
    ids = old.ids if old.is_int else old.ids.cast(pa.string())
    run = Table("the run", (name,), lambda *_: pa.table({name: ids}), str, text=not old.is_int)
    _, table = describe(items, "item", roles, IdColumn(pa.chunked_array([ids]), run, "item", name))
    assert table is not None
    return table


def _like(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    """A column as the run has it; nulls where the table lacks it."""
    if field.name not in table.column_names:
        return pa.chunked_array([pa.nulls(len(table), field.type)])
    column = table.column(field.name)
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise DataError(
            f"column {field.name!r} holds {column.type} here and {field.type} in the run: make "
            "it the same"
        ) from error


@dataclass(frozen=True, eq=False)
class _Later:
    """What the model's arrays lack of items that came later, and which of these have a vector.

    texts: of all items, where the run has them.
    """

    arrays: Arrays = field(default_factory=dict)
    placed: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    texts: ItemTexts | None = None


def _placed(run: Run, old: Log, log: Log) -> _Later:
    name, setting, items = run.facts["model"], run.facts["setting"], old.interactions.items
    model, texts = model_of(run, items), texts_in(run)
    by_text = texts is not None and has_vectors(model)
    more = newcomers(registry.estimator(name, setting), model, log, texts=by_text)
    if texts is None:
        return _Later(more, more["known"] > 0)
    arrays = model_arrays(run)
    arrays |= {each: np.concatenate([arrays[each], array]) for each, array in more.items()}
    whole = registry.restore(name, setting, log.interactions.items, arrays)
    assert log.items is not None  # its texts were encoded
    new = texts_of(log.items, tuple(run.facts[FACT]["columns"]))[len(items) :]
    vectors = encoded(encoder_in(run)(), new).vectors
    grown = texts.grown(vectors, whole if has_vectors(whole) else None)
    return _Later(more, grown.known[len(items) :] > 0, grown)


def _removed(ids: Vocabulary, before: Mask, back: Vocabulary | None, gone: list[Id]) -> Mask:
    """Items that are not listed any more, of all that there are now, [n_items]."""
    now = before.copy()
    if back is not None:
        now[ids.rows(back.ids)] = False
    now[ids.known_rows(gone)] = True
    return now
