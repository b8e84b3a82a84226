"""Cases as people see them: what somebody had, what came next, and what each model said."""

from collections.abc import Mapping

import numpy as np

from recembed.arrays import Rows
from recembed.data.log import Log
from recembed.evaluation.cases import Cases
from recembed.protocols import Ranker
from recembed.report.document import Example, Listed
from recembed.seed import rng

NEWEST = 10  # events of a history that are shown
LENGTH = 10  # of the lists


def examples(
    rankers: Mapping[str, Ranker], cases: Cases, log: Log, *, n: int, repeats: bool, users: bool
) -> tuple[Example, ...]:
    """Cases drawn from those with a history (from all, where there is none).

    users: whether their ids are shown.
    """
    there = np.flatnonzero(cases.history_sizes > 0)
    pool = there if len(there) else np.arange(len(cases))
    at = rng(cases.seed, "examples").choice(pool, min(n, len(pool)), replace=False)
    if not len(at):
        return ()
    histories, exclude = cases.histories(at), cases.exclude(repeats, at)
    tops = {
        name: ranker.top_k(histories, LENGTH, exclude=exclude).rows
        for name, ranker in rankers.items()
    }
    found = []
    for i, case in enumerate(at.tolist()):
        targets, given = cases.targets[case], cases.given[case]
        past = histories.events[i][: len(histories.events[i]) - len(given)]
        found.append(
            Example(
                str(log.interactions.users.id(int(cases.owner[case]))) if users else None,
                tuple(log.names(past[-NEWEST:])),
                tuple(log.names(given)),
                tuple(log.names(targets)),
                {name: _list(log, rows[i], targets) for name, rows in tops.items()},
            )
        )
    return tuple(found)


def _list(log: Log, rows: Rows, targets: Rows) -> tuple[Listed, ...]:
    rows = rows[rows >= 0]
    return tuple(
        Listed(name, hit)
        for name, hit in zip(log.names(rows), np.isin(rows, targets).tolist(), strict=True)
    )
