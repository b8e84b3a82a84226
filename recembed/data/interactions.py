"""What people did: events sorted by user, then in time, with the columns that belong to them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Times, Vectors, offsets_of, ranges, run_starts, stable_order
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary, id_array
from recembed.errors import DataError

Order: TypeAlias = Literal["time", "position"] | None
PARTS = {"train": 0, "valid": 1, "test": 2}  # the codes of a log's parts
HABIT = 0.05  # share of repeated events from which on people repeat themselves by habit


@dataclass(frozen=True, eq=False)
class Interactions:
    """Item rows of each user in order, and aligned columns.

    events: one sequence of item rows a user, [n_users] sequences over [n] events.
    time: Unix seconds, [n]. weight: [n]. group: code of the basket or session, int64 [n]; codes are
    unique across users. part: which of PARTS the log itself puts an event in, uint8 [n].
    order says what the order is worth: by "time", by "position", or None.
    people: id of who is behind each history, null where nobody is known, [n_users]; None: the users
    themselves. Histories that are no users of a log, such as one a basket, are named otherwise.
    """

    users: Vocabulary
    items: Vocabulary
    events: Sequences
    time: Times | None = None
    weight: Vectors | None = None
    group: NDArray[np.int64] | None = None
    part: NDArray[np.uint8] | None = None
    order: Order = None
    people: pa.Array | None = None

    def __post_init__(self) -> None:
        if len(self.events) != len(self.users):
            raise DataError(f"{len(self.users)} users but {len(self.events)} histories")
        if self.people is not None and len(self.people) != len(self.users):
            raise DataError(f"{len(self.users)} histories but {len(self.people)} people")
        for name, column in self.columns().items():
            if len(column) != len(self):
                raise DataError(f"{name} has {len(column)} values for {len(self)} events")

    def __len__(self) -> int:
        return len(self.events.values)

    @property
    def n_users(self) -> int:
        """Users, those without events too."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Items of the vocabulary, those without events too."""
        return len(self.items)

    @property
    def rows(self) -> Rows:
        """Item row of each event, [n]."""
        return self.events.values

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """The aligned columns that are there."""
        named = {"time": self.time, "weight": self.weight, "group": self.group, "part": self.part}
        return {name: column for name, column in named.items() if column is not None}

    def counts(self) -> NDArray[np.int64]:
        """Events of each item, [n_items]."""
        return np.bincount(self.rows, minlength=self.n_items)

    def keep(self, mask: Mask) -> "Interactions":
        """Only the events where `mask` [n] is true; vocabularies stay as they are."""
        kept = {name: column[mask] for name, column in self.columns().items()}
        return replace(self, events=self.events.keep(mask), **kept)  # type: ignore[arg-type]

    def take_users(self, rows: NDArray[np.integer]) -> "Interactions":
        """The histories of these users alone, in this order."""
        at = self.events.positions(rows)
        kept = {name: column[at] for name, column in self.columns().items()}
        return replace(
            self,
            users=self.users.select(rows),
            events=self.events.take(rows),
            people=None if self.people is None else self.people.take(pa.array(rows)),
            **kept,  # type: ignore[arg-type]
        )

    def rows_among(self, people: Vocabulary) -> Rows:
        """Row in `people` of who is behind each history, -1 where it is none of them, [n_users]."""
        if self.people is None:
            return people.rows(self.users.ids)
        found = np.full(self.n_users, -1, np.int32)
        found[np.asarray(self.people.is_valid())] = people.rows(self.people.drop_null())
        return found

    def with_items(self, items: Vocabulary) -> "Interactions":
        """The same events over another item vocabulary; events of items it lacks are left out."""
        if items is self.items or items == self.items:
            return replace(self, items=items)
        rows = items.rows(self.items.ids)[self.rows]
        moved = replace(self, items=items, events=Sequences(rows, self.events.offsets))
        return moved if len(rows) == 0 or rows.min() >= 0 else moved.keep(rows >= 0)

    def sentences(self, unit: Literal["user", "group"] = "user") -> Sequences:
        """Item rows as sentences: whole histories, or one sentence a group, in order.

        Raises: DataError if groups are asked for and the log has none.
        """
        if unit == "user":
            return self.events
        if self.group is None:
            raise DataError("this log has no groups: name their column (--columns group=COLUMN)")
        order = stable_order(self.group)
        sizes = np.bincount(self.group[order]) if len(order) else np.zeros(0, np.int64)
        return Sequences(self.rows[order], offsets_of(sizes[sizes > 0]))

    def matrix(self) -> sp.csr_matrix:
        """User x item counts (sums of weights where there are weights), float32."""
        values = self.weight if self.weight is not None else np.ones(len(self), np.float32)
        matrix = sp.csr_matrix(
            (values.astype(np.float32), self.rows, self.events.offsets),
            shape=(self.n_users, self.n_items),
        )
        matrix = matrix.copy()  # summing duplicates works in place, and these arrays are shared
        matrix.sum_duplicates()
        return matrix

    @property
    def n_active(self) -> int:
        """Users who have events."""
        return int(np.count_nonzero(self.events.sizes))

    def repeat_rate(self) -> float:
        """Share of events whose item the user had touched before (0 where nothing repeats).

        Lines that say the same thing twice, at the same time, are one event here.
        """
        if not len(self):
            return 0.0
        pairs = self.events.owners().astype(np.int64) * self.n_items + self.rows
        order = np.argsort(pairs, kind="stable")
        again = pairs[order][1:] == pairs[order][:-1]
        if self.time is None:
            return float(again.sum() / len(self))
        moments = self.time[order]
        twins = again & (moments[1:] == moments[:-1])
        return float((again & ~twins).sum() / (len(self) - twins.sum()))

    def fingerprint(self) -> str:
        """sha256 over ids, events and columns, in order."""
        digest = hashlib.sha256(f"{self.users.fingerprint}{self.items.fingerprint}".encode())
        for array in (self.events.offsets, self.rows, *self.columns().values()):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def build(
    user_ids: pa.Array | pa.ChunkedArray,
    item_ids: pa.Array | pa.ChunkedArray,
    *,
    sort_key: NDArray[np.int64] | None = None,
    group_ids: pa.Array | pa.ChunkedArray | None = None,
    order: Order = None,
    **columns: NDArray[Any] | None,
) -> Interactions:
    """Interactions from columns in file order; columns: time, weight and part, [n] each.

    Users and items get rows in order of first appearance. Events are sorted by user, then by
    `sort_key` [n] (none: file order), then group, then file order.

    Raises: DataError if ids are missing or of mixed types, or there is no event.
    """
    user_keys, item_keys = _keys(user_ids, "user"), _keys(item_ids, "item")
    n = len(item_keys.values)
    if n == 0:
        raise DataError("the log is empty: it has no interactions")
    if group_ids is None:
        group_keys = _Keys(np.zeros(n, np.int32), None, "group")
    else:
        group_keys = _keys(group_ids, "group")
    with ThreadPoolExecutor(1) as beside:  # Arrow numbers the items meanwhile, on another core
        numbering = beside.submit(item_keys.encoded)
        # a user's basket mostly stands together in a file: number, check and sort runs, not events
        starts = run_starts(user_keys.values, group_keys.values)
        sizes = np.diff(starts, append=n)
        user_runs, users = user_keys.encoded(starts)
        group_runs, _ = group_keys.numbered(starts)
        if group_ids is not None:
            _check_groups(group_runs, user_runs, users)
        at = _sorting(user_runs, group_runs, starts, sizes, sort_key)
        there = {name: column for name, column in columns.items() if column is not None}
        moving = {name: beside.submit(np.take, column, at) for name, column in there.items()}
        item_codes, items = numbering.result()
        rows = beside.submit(item_codes.take, at)
        group = None if group_ids is None else np.repeat(group_runs.astype(np.int64), sizes)[at]
        events_of = np.bincount(user_runs, weights=sizes, minlength=len(users)).astype(np.int64)
        events = Sequences(rows.result(), offsets_of(events_of))
        moved = {name: column.result() for name, column in moving.items()}
    return Interactions(users, items, events, group=group, order=order, **moved)


@dataclass(frozen=True, eq=False)
class _Keys:
    """A column of ids as whole numbers: themselves, or their places in `dictionary`."""

    values: NDArray[np.integer]
    dictionary: pa.Array | None
    name: str

    def numbered(self, at: NDArray[np.int64] | None = None) -> tuple[Rows, pa.Array]:
        """Numbers in order of first appearance [n, or len(at)], and the ids in that order."""
        encoded = pa.array(self.values if at is None else self.values[at]).dictionary_encode()
        ids = encoded.dictionary
        if self.dictionary is not None:
            ids = self.dictionary.take(ids)
        return encoded.indices.to_numpy(), id_array(ids, self.name)

    def encoded(self, at: NDArray[np.int64] | None = None) -> tuple[Rows, Vocabulary]:
        """The same, the ids as a vocabulary."""
        codes, ids = self.numbered(at)
        return codes, Vocabulary(ids, self.name, distinct=self.dictionary is None)


def _keys(ids: pa.Array | pa.ChunkedArray, name: str) -> _Keys:
    if ids.null_count:
        at = int(np.flatnonzero(np.asarray(ids.is_null()))[0])
        raise DataError(f"{ids.null_count} of {len(ids)} {name}s are missing, first at row {at}")
    if pa.types.is_integer(ids.type):
        return _Keys(ids.to_numpy(), None, name)
    encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return _Keys(encoded.indices.to_numpy(), encoded.dictionary, name)


def _check_groups(group_runs: Rows, user_runs: Rows, users: Vocabulary) -> None:
    owner = np.zeros(int(group_runs.max()) + 1, np.int32)
    owner[group_runs] = user_runs
    wrong = np.flatnonzero(owner[group_runs] != user_runs)
    if len(wrong):
        raise DataError(
            f"{len(np.unique(group_runs[wrong]))} groups belong to more than one user, first seen "
            f"with user {users.id(int(user_runs[wrong[0]]))!r}: a basket or session has one user"
        )


def _sorting(
    user_runs: Rows,
    group_runs: Rows,
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    sort_key: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """Positions that sort by user, sort_key, group, file order; cheap where the file is sorted.

    user_runs, group_runs: of each run of events, whose first event is at `starts`.
    """
    key = np.zeros(int(sizes.sum()), np.int8) if sort_key is None else sort_key
    back = group_runs[1:] < group_runs[:-1]
    tied = key[starts[1:]] == key[starts[1:] - 1]
    if not bool((back & tied).any()) and bool((key[1:] >= key[:-1]).all()):
        order = stable_order(user_runs)
        return ranges(starts[order], sizes[order])
    order = np.lexsort([np.repeat(group_runs, sizes), key])  # the last one leads
    return order[stable_order(np.repeat(user_runs, sizes)[order])]
