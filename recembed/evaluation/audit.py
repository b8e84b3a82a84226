"""Looks for leaks between what may be trained on and what is held out, before anyone believes it.

A leak makes figures worthless, a note is to be known. Users are counted, never named.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from recembed.arrays import Mask
from recembed.data.split import TEST, Part, Split
from recembed.errors import DataError, first, many
from recembed.evaluation.border import Border, date
from recembed.evaluation.duplicates import duplicates
from recembed.evaluation.side_tables import of_later
from recembed.report.document import Finding


def audit(
    split: Split,
    on: Part,
    *,
    repeats: bool,
    trained: Mapping[str, int] | None = None,
    features: Mapping[str, Sequence[str]] | None = None,
    tuned: Mapping[str, Mapping[str, Any]] | None = None,
    watched: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """What is wrong with a held-out part, leaks first.

    repeats: whether items of the history may be listed again. trained: model -> it learned from the
    parts below this number. features: model -> the columns of the item or user table it reads.
    tuned: model -> the "test" and "valid" rule and the "split_seed" that this very log was cut by
    when its setting was searched. watched: models of which the valid part chose the round.

    Raises: DataError if the split has no such part.
    """
    border = Border.of(split, on)
    found = [
        *_trained_on(trained or {}, split.code(on), on),
        *_trained_apart(trained or {}),
        *_chosen_on(tuned or {}, split, on),
        *_stopped_on(watched, on),
        *_unequal(tuned or {}, trained or {}),
        *(each for check in CHECKS.get(border.rule.kind, ()) for each in check(border)),
        *duplicates(border, repeats),
        *of_later(border, split.log, features or {}),
        *_others_future(border),
        *_cold(border),
        *_sizes(border),
        *_no_part(split),
    ]
    return tuple(sorted(found, key=lambda finding: finding.kind != "leak"))


def hold(findings: Sequence[Finding], allow: bool) -> None:
    """Raises: DataError that tells the leaks and how to go on, unless they are allowed."""
    leaks = [f"{each.name}: {each.text}" for each in findings if each.kind == "leak"]
    if leaks and not allow:
        raise DataError(
            f"the audit found {many(len(leaks), 'leak')}: {'. '.join(leaks)}. Mend that, or get "
            "figures that say so with --leaks report"
        )


def _trained_on(trained: Mapping[str, int], code: int, on: Part) -> Iterator[Finding]:
    names = [name for name, below in trained.items() if below > code]
    if names:
        how = "with --tune" if on == "valid" else "without --refit"
        text = (
            f"{many(len(names), 'model')} learned from the {on} part itself: {first(names)} (train "
            f"{how})"
        )
        yield Finding("leak", "trained on what is asked", text)


def _trained_apart(trained: Mapping[str, int]) -> Iterator[Finding]:
    less = [name for name, below in trained.items() if below < max(trained.values())]
    if less:
        text = f"{first(less)} learned from fewer parts than the others: train all alike to compare"
        yield Finding("note", "trained on different parts", text)


def _chosen_on(tuned: Mapping[str, Mapping[str, Any]], split: Split, on: Part) -> Iterator[Finding]:
    """A setting knows of what the search saw: of the valid part, and of all that came before."""
    now: dict[str, Any] = {"test": str(split.test_rule)}
    if split.test_rule.kind not in ("time", "given"):  # these draw nothing
        now["split_seed"] = split.seed
    other = [name for name, cut in tuned.items() if {each: cut[each] for each in now} != now]
    if other and on == "test":
        text = (
            f"the setting of {first(other)} was searched with another test part of this log "
            f"({tuned[other[0]]['test']}): it may have seen what is asked here"
        )
        yield Finding("leak", "setting chosen on what is asked", text)
    if tuned and on == "valid":
        text = f"the setting of {first([*tuned])} was chosen on the valid part: its figure flatters"
        yield Finding("note", "setting chosen on what is asked", text)


def _stopped_on(watched: Sequence[str], on: Part) -> Iterator[Finding]:
    if watched and on == "valid":
        text = f"the valid part chose when training of {first(watched)} ended: its figure flatters"
        yield Finding("note", "training ended by what is asked", text)


def _unequal(tuned: Mapping[str, Any], trained: Mapping[str, Any]) -> Iterator[Finding]:
    """A model that was tuned beside one that was not says little of the two."""
    others = [name for name in trained if name not in tuned]
    if tuned and others:
        text = (
            f"a search chose the setting of {first([*tuned])}, none that of {first(others)}: some "
            "of the difference may be that"
        )
        yield Finding("note", "not tuned alike", text)


def _one_moment(border: Border) -> Iterator[Finding]:
    """A point in time: nothing at or after it may be trained on."""
    times = border.events.time
    if times is not None:
        begin = times[border.held].min()
        yield from _late(border, border.fitted & (times >= begin), begin)


def _late(border: Border, late: Mask, begin: np.int64) -> Iterator[Finding]:
    if late.any():
        text = (
            f"{many(np.count_nonzero(late), 'event')} that may be trained on came at or after the "
            f"first held-out moment, {date(begin)}; {border.items(late)}"
        )
        yield Finding("leak", "test before train", text)


def _whole_groups(border: Border) -> Iterator[Finding]:
    """Groups stand on one side; where the rule is of time, they begin on the right one.

    A group that begins before the border and runs over it is trained on whole: that is the rule.
    """
    group, times = border.events.group, border.events.time
    if group is None:
        return
    _, of = np.unique(group, return_inverse=True)
    n = int(of.max()) + 1
    held = np.bincount(of[border.held], minlength=n) > 0
    torn = held & (np.bincount(of[border.fitted], minlength=n) > 0)
    if torn.any():
        text = f"{many(np.count_nonzero(torn), 'group')} had events on both sides"
        yield Finding("leak", "torn groups", f"{text}; {border.items(torn[of] & border.held)}")
    if times is None or not border.by_time:
        return
    begins = np.full(n, np.iinfo(np.int64).max)
    either = border.held | border.fitted
    np.minimum.at(begins, of[either], times[either])
    start = begins[held].min()
    yield from _late(border, border.fitted & ~held[of] & (begins[of] >= start), start)
    over = border.fitted & (begins[of] < start) & (times >= start)
    if over.any():
        text = f"{many(np.count_nonzero(over), 'event')} came after the border, in groups begun"
        yield Finding("note", "groups over the border", f"{text} before it: trained on whole")


def _own_past(border: Border) -> Iterator[Finding]:
    """Each user's held-out events come after those of the same user that may be trained on."""
    if border.clock is None:
        return
    latest = border.latest()
    early, level = border.held & (border.clock < latest), border.held & (border.clock == latest)
    if early.any():
        text = f"{border.held_events(early)} came before one of theirs that may be trained on"
        yield Finding("leak", "test before train", f"{text}; {border.items(early)}")
    if level.any():
        text = f"{border.held_events(level)} had the time of their last one that may be trained on"
        yield Finding("note", "ties at the border", f"{text}: such have no order")


def _drawn(border: Border) -> Iterator[Finding]:
    """Drawn from all of a user's events: later ones are trained on because the rule says so."""
    early = border.held & (border.clock < border.latest()) if border.clock is not None else None
    if early is not None and early.any():
        share = np.count_nonzero(early) / np.count_nonzero(border.held)
        text = (
            f"{share:.1%} of held-out events came before one of the same user that may be trained "
            f"on, as {border.rule} asks: models fill gaps, they do not foretell"
        )
        yield Finding("note", "test before train", text)


CHECKS: dict[str, tuple[Callable[[Border], Iterator[Finding]], ...]] = {
    "time": (_one_moment,),
    "groups": (_whole_groups,),
    "last": (_own_past,),
    "given": (_own_past,),
    "random": (_drawn,),
}  # users rules: nobody is on both sides, so nobody has a before and an after


def _others_future(border: Border) -> Iterator[Finding]:
    times = border.events.time
    if times is None or border.by_time:
        return
    share = float(np.mean(times[border.fitted] > np.median(times[border.held])))
    if share:
        text = (
            f"{share:.1%} of the events that may be trained on came after the median held-out "
            f"moment: under {border.rule} models see other users' future, under a point in time not"
        )
        yield Finding("note", "others' future", text)


def _cold(border: Border) -> Iterator[Finding]:
    """Items and users that are held out and nowhere in training."""
    events, owner = border.events, border.owner
    trained = np.bincount(events.rows[border.fitted], minlength=events.n_items) > 0
    new = border.held & ~trained[events.rows]
    if new.any():
        items = many(len(np.unique(events.rows[new])), "item")
        text = f"{border.held_events(new)} went to {items} that no event trains"
        yield Finding("note", "cold items", f"{text}: misses for models without features")
    seen = np.bincount(owner[border.fitted], minlength=events.n_users) > 0
    alone = border.held & ~seen[owner]
    if border.rule.kind != "users" and alone.any():  # users rules ask for this
        text = f"{border.held_events(alone)} followed no event of theirs: an empty history"
        yield Finding("note", "cold users", text)


def _sizes(border: Border) -> Iterator[Finding]:
    held, fitted = np.count_nonzero(border.held), np.count_nonzero(border.fitted)
    if held > fitted:
        text = f"{many(held, 'held-out event')}, only {fitted:,} that may be trained on"
        yield Finding("note", "more held out than trained on", text)
    group = border.events.group if border.rule.kind == "groups" else None
    unit = border.owner if group is None else group
    asked = border.owner[border.held][np.unique(unit[border.held], return_index=True)[1]]
    most = int(np.bincount(asked).max())
    if 2 * most > len(asked):
        of = many(len(asked), "held-out user" if group is None else "held-out group")
        text = f"{most:,} of {of} came from one user: the figures are about this one"
        yield Finding("note", "one user decides", text)


def _no_part(split: Split) -> Iterator[Finding]:
    after = int(np.count_nonzero(split.part > TEST))
    if after:
        text = f"{many(after, 'event')} after the window were neither trained on nor asked for"
        yield Finding("note", "events of no part", text)
