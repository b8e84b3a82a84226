"""What a rule holds out of a log: one function a kind."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, ranges
from recembed.data.interactions import Interactions
from recembed.data.rules import Rule
from recembed.errors import DataError


@dataclass(frozen=True, eq=False)
class Cut:
    """held: which events are held out, [n_events]. later: which stand after a window of time.

    told: what was counted on the way. moments: "from" and, of a window, "until" in Unix seconds;
    events at "until" are later ones.
    """

    held: Mask
    later: Mask | None = None
    told: dict[str, int] = field(
        default_factory=lambda: {"users_too_short": 0, "users_with_ties_cut": 0}
    )
    moments: dict[str, int] = field(default_factory=dict)


def cut(
    events: Interactions,
    rule: Rule,
    generator: np.random.Generator,
    *,
    part: int,
    file_order: bool = False,
) -> Cut:
    """The events that the rule holds out. part: the code of what it cuts, in a log's own parts.

    file_order: equal times of a user are in order, as they stand.

    Raises: DataError if the log lacks the column that the rule needs.
    """
    match rule.kind:
        case "last":
            return _last(events, rule, generator, file_order)
        case "time":
            return _time(events, rule)
        case "users":
            return _units(events, rule, events.events.owners(), generator)
        case "groups":
            return _units(events, rule, _groups(events, rule), generator)
        case "random":
            return _random(events, rule, generator)
        case "given":
            return Cut(_parts(events, rule) == part)


def last_events(
    events: Interactions,
    n: int | NDArray[np.int64],
    generator: np.random.Generator,
    *,
    file_order: bool = False,
) -> tuple[Mask, dict[str, int]]:
    """Which events are the last n of a user who has more than n, [n_events], and the counts.

    n: the same for all, or one a user, [n_users]. Events that have no order among them (equal
    times; all of a user's where the log has no order) are shuffled by `generator` first, unless
    file_order.
    """
    sizes, ends = events.events.sizes, events.events.offsets[1:]
    wanted = np.broadcast_to(n, sizes.shape)
    enough = (sizes > wanted) & (wanted > 0)
    border = ends[enough] - wanted[enough]  # position of the first held-out event
    mask = np.zeros(len(events), np.bool_)
    mask[ranges(border, wanted[enough])] = True
    block = _unordered(events)
    tied = block[border] == block[border - 1]
    if not file_order:
        crossing = np.zeros(block.max(initial=0) + 1, np.bool_)
        crossing[block[border[tied]]] = True
        at = np.flatnonzero(crossing[block])
        mask[at[np.lexsort((generator.random(len(at)), block[at]))]] = mask[at]
    too_short = int(np.count_nonzero((sizes > 0) & ~enough))
    return mask, {"users_too_short": too_short, "users_with_ties_cut": int(np.count_nonzero(tied))}


def _unordered(events: Interactions) -> NDArray[np.int64]:
    """A number for each event, equal where two events of a user have no order among them, [n]."""
    owner = events.events.owners()
    if events.order is None:
        return owner.astype(np.int64)
    fresh = np.ones(len(events), np.bool_)
    if events.order == "time" and events.time is not None:
        fresh[1:] = (owner[1:] != owner[:-1]) | (events.time[1:] != events.time[:-1])
    return np.cumsum(fresh)


def _last(
    events: Interactions, rule: Rule, generator: np.random.Generator, file_order: bool
) -> Cut:
    if events.order is None:
        raise DataError(
            f"{rule} needs an order, this log has {_columns(events)}: pass --file-order if the "
            f"file is in order, or use users:0.1, groups:0.1 or random:0.1"
        )
    held, told = last_events(events, int(rule.amount), generator, file_order=file_order)
    return Cut(held, told=told)


def _time(events: Interactions, rule: Rule) -> Cut:
    times, begin = _times(events, rule), _start(events, rule)
    if rule.second is None:
        return Cut(times >= begin, moments={"from": begin})
    until = _moment(events, rule, rule.second)
    held = (times >= begin) & (times < until)
    return Cut(held, times >= until, moments={"from": begin, "until": until})


def _units(
    events: Interactions,
    rule: Rule,
    unit: NDArray[np.integer],
    generator: np.random.Generator,
) -> Cut:
    """A share of the units, drawn, or those that begin late enough; always whole ones."""
    units, of = np.unique(unit, return_inverse=True)
    if rule.by == "share":
        held, n = np.zeros(len(units), np.bool_), round(rule.amount * len(units))
        held[generator.choice(len(units), n, replace=False)] = True
        return Cut(held[of])
    begin, start = np.full(len(units), np.iinfo(np.int64).max), _start(events, rule)
    np.minimum.at(begin, of, _times(events, rule))
    return Cut((begin >= start)[of], moments={"from": start})


def _random(events: Interactions, rule: Rule, generator: np.random.Generator) -> Cut:
    """A share of each user's distinct items with all their events, so none is on both sides.

    At least one where a user has two, and never all.
    """
    pairs = events.events.owners().astype(np.int64) * events.n_items + events.rows
    pairs, of = np.unique(pairs, return_inverse=True)
    owner = pairs // events.n_items
    sizes = np.bincount(owner, minlength=events.n_users)
    enough = np.minimum(np.maximum(np.rint(rule.amount * sizes), 1), sizes - 1)
    drawn = np.lexsort((generator.random(len(pairs)), owner))
    place = np.arange(len(pairs)) - (np.cumsum(sizes) - sizes)[owner]
    held = np.empty(len(pairs), np.bool_)
    held[drawn] = place < enough[owner]
    too_short = int(np.count_nonzero(sizes == 1))
    return Cut(held[of], told={"users_too_short": too_short, "users_with_ties_cut": 0})


def _columns(events: Interactions) -> str:
    return "only " + ", ".join(["users and items", *events.columns()]) + f", order {events.order}"


def _times(events: Interactions, rule: Rule) -> NDArray[np.int64]:
    if events.time is None:
        raise DataError(f"{rule} needs times, this log has {_columns(events)}: name their column")
    return events.time


def _groups(events: Interactions, rule: Rule) -> NDArray[np.int64]:
    if events.group is None:
        raise DataError(
            f"{rule} needs groups (baskets, sessions), this log has {_columns(events)}: "
            f"name their column (--columns group=COLUMN)"
        )
    return events.group


def _parts(events: Interactions, rule: Rule) -> NDArray[np.uint8]:
    if events.part is None:
        raise DataError(
            f"{rule} needs the part of each event, this log has {_columns(events)}: name its "
            f"column (--columns part=COLUMN), or read a folder of train.*, valid.* and test.*"
        )
    return events.part


def _start(events: Interactions, rule: Rule) -> int:
    """The first second that is held out."""
    if rule.by != "share":
        return _moment(events, rule, rule.amount)
    moments, counts = np.unique(_times(events, rule), return_counts=True)
    if len(moments) == 1:
        return int(moments[0])
    held = np.cumsum(counts[::-1])[:-1]  # by the last moment, the last two ...; never by all
    return int(moments[-1 - np.argmin(np.abs(held - rule.amount * len(events)))])


def _moment(events: Interactions, rule: Rule, amount: float) -> int:
    """Unix seconds of a date, or of what stands so long before the end."""
    if rule.by == "since":
        return int(amount)
    return int(_times(events, rule).max()) - int(amount) + 1
