"""Ask every ranker for every case, over all items, and measure what comes back."""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed import __version__
from recembed.arrays import Mask, Rows, blocks
from recembed.data.sequences import Sequences
from recembed.errors import DataError, first
from recembed.evaluation.cases import Cases
from recembed.report.document import Comparison, Report
from recembed.metrics.accuracy import METRICS, first_places, hits_of
from recembed.metrics.beyond import listed
from recembed.metrics.intervals import (
    LEVEL,
    REPEATS,
    Interval,
    bootstrap_columns,
    paired_difference,
)
from recembed.progress import QUIET, Progress
from recembed.protocols import Ranker, TopK

DEFINITIONS = {
    "ranking": "all items of the catalogue are ranked, none are sampled; equal scores: the smaller "
    "row first",
    "recall@k": "targets among the first k / targets of the case (not min(targets, k))",
    "ndcg@k": "sum of 1 / log2(place + 1) over targets among the first k / the same sum of the "
    "best list, which has min(targets, k) targets at its head",
    "mrr@k": "1 / place of the first target among the first k, 0 if there is none",
    "hit_rate@k": "1 if a target is among the first k, else 0",
    "precision@k": "targets among the first k / k, for shorter lists too",
    "coverage@k": "items in the first k of at least one case / items of the catalogue",
    "tied_share": "share of cases in which another eligible item has the score of the last listed",
    "cases_per_second": "cases / seconds spent in the ranker on this machine",
    "mean": "over cases; a target that nobody trained on, or that may not be listed, is a miss",
    "interval": f"{LEVEL:.0%} percentile bootstrap, {REPEATS} resamples of users with all their "
    "cases, sum of values / number of cases in each",
    "comparison": "leader on the first metric minus another model, case by case, by the same "
    "bootstrap; not corrected for the number of models nor for picking the leader on these cases",
}


@dataclass(frozen=True, eq=False)
class _Answers:
    """hits bool [n_cases, K], tied int32 [n_cases], listed: k -> bool [n_items]."""

    hits: Mask
    tied: Rows
    listed: dict[int, Mask]
    seconds: float

    def details(self) -> dict[str, float | None]:
        """What is known beside accuracy."""
        told = self.tied[self.tied >= 0]
        return {
            **{f"coverage@{k}": float(mask.mean()) for k, mask in self.listed.items()},
            "tied_share": float((told > 1).mean()) if len(told) else None,
            "cases_per_second": len(self.hits) / max(self.seconds, 1e-9),
        }


def evaluate(
    rankers: Mapping[str, Ranker],
    cases: Cases,
    *,
    ks: Sequence[int] = (10, 20, 50),
    repeats: bool,
    memory: int = 1 << 30,
    setting: Mapping[str, Any] | None = None,
    progress: Progress = QUIET,
) -> Report:
    """Metrics of each ranker at each k, with intervals over users.

    repeats: whether items of the history may be listed again (groceries: yes, films: no).
    memory: bytes for the scores of one block of cases. setting: what else the report should say,
    under "caller"; what JSON cannot hold becomes text.

    Raises: DataError if there are no cases or rankers, a k is below 1, or a ranker breaks its
    promise (wrong shape, an excluded item, an item twice).
    """
    _check(rankers, cases)
    ks, notes = _places(ks, cases.histories.n_items)
    exclude, n_relevant = cases.exclude(repeats), cases.targets.sizes
    barred = _barred(cases, exclude)
    if barred:
        notes.append(f"{barred} targets may not be listed (excluded): a miss for every model")
    models: dict[str, dict[str, Interval]] = {}
    details: dict[str, dict[str, float | None]] = {}
    ranks: dict[str, Rows] = {}
    leading: dict[str, NDArray[np.float64]] = {}
    for name, ranker in rankers.items():
        answers = _ask(name, ranker, cases, exclude, ks, memory=memory, progress=progress)
        names = [f"{metric}@{k}" for k in ks for metric in METRICS]
        values = np.stack(
            [metric(answers.hits, n_relevant, k) for k in ks for metric in METRICS.values()], axis=1
        )
        intervals = bootstrap_columns(values, cases.owner, seed=cases.seed)
        models[name] = dict(zip(names, intervals, strict=True))
        details[name], ranks[name] = answers.details(), first_places(answers.hits)
        leading[name] = values[:, 0]
    n_clusters = len(np.unique(cases.owner))
    if n_clusters == 1:
        notes.append("all cases are of one user: there is no interval")
    return Report(
        models=models,
        details=details,
        comparisons=_compared(leading, cases, f"{next(iter(METRICS))}@{ks[0]}"),
        ks=ks,
        n_cases=len(cases),
        n_clusters=n_clusters,
        counts={**cases.counts, "targets_excluded": barred},
        definitions={**DEFINITIONS, "exclusion": _exclusion(cases, repeats)},
        setting=_setting(cases, repeats, setting or {}),
        notes=tuple(notes),
        ranks=ranks,
    )


def _check(rankers: Mapping[str, Ranker], cases: Cases) -> None:
    if not rankers:
        raise DataError("there is no model to evaluate")
    if not len(cases):
        told = ", ".join(f"{name} {count}" for name, count in cases.counts.items() if count)
        raise DataError(f"{cases.rule} leaves no case to evaluate ({told or 'nothing held out'})")
    for name, ranker in rankers.items():
        if len(ranker.known) != cases.histories.n_items:
            raise DataError(
                f"{name} ranks {len(ranker.known)} items, the cases have "
                f"{cases.histories.n_items}: train it on the same split"
            )


def _places(ks: Sequence[int], n_items: int) -> tuple[tuple[int, ...], list[str]]:
    """Every k once, none above the catalogue, and a note on those that were."""
    wrong = [k for k in ks if k < 1]
    if wrong or not ks:
        raise DataError(f"k must be at least 1, not {first(wrong) if wrong else 'missing'}")
    above = [k for k in ks if k > n_items]
    notes = [f"k {first(above)} cut to the {n_items} items of the catalogue"] if above else []
    return tuple(dict.fromkeys(min(int(k), n_items) for k in ks)), notes


def _barred(cases: Cases, exclude: Sequences) -> int:
    """Targets that stand among their own case's excluded items."""
    n_items, targets = cases.histories.n_items, cases.targets
    wanted = targets.owners().astype(np.int64) * n_items + targets.values
    barred = exclude.owners().astype(np.int64) * n_items + exclude.values
    return int(np.count_nonzero(np.isin(wanted, barred)))


def _ask(
    name: str,
    ranker: Ranker,
    cases: Cases,
    exclude: Sequences,
    ks: Sequence[int],
    *,
    memory: int,
    progress: Progress,
) -> _Answers:
    """The ranker's lists for all cases, block by block, reduced to what the metrics need."""
    n, n_items, k = len(cases), cases.histories.n_items, max(ks)
    hits, tied = np.zeros((n, k), np.bool_), np.empty(n, np.int32)
    seen = {each: np.zeros(n_items, np.bool_) for each in ks}
    seconds = 0.0
    history = 32 * len(cases.histories) // n  # bytes of an average one: its columns and positions
    with progress.task(f"evaluate {name}", n, "cases") as task:
        for block in blocks(n, 8 * n_items + 48 * k + history, memory):
            at = np.arange(block.start, block.stop)
            histories, barred = cases.histories.take_users(at), exclude.take(at)
            begin = time.perf_counter()
            top = ranker.top_k(histories, k, exclude=barred)
            seconds += time.perf_counter() - begin
            _check_lists(name, top, (len(at), k), n_items, barred)
            hits[block], tied[block] = hits_of(top.rows, cases.targets.take(at)), top.tied
            for each, mask in seen.items():
                mask |= listed(top.rows[:, :each], n_items)
            task.advance(len(at))
    return _Answers(hits, tied, seen, seconds)


def _check_lists(
    name: str, top: TopK, shape: tuple[int, int], n_items: int, exclude: Sequences
) -> None:
    """A list that breaks the rules would be measured as if it were good."""
    rows = top.rows
    if rows.shape != shape or top.tied.shape != shape[:1]:
        raise DataError(f"{name} answered {rows.shape} rows where {shape} were asked for")
    if rows.min(initial=0) < -1 or rows.max(initial=-1) >= n_items:
        raise DataError(f"{name} listed rows outside the {n_items} items")
    ordered = np.sort(rows, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise DataError(f"{name} listed an item twice for one case")
    if hits_of(rows, exclude).any():
        raise DataError(f"{name} listed an excluded item")


def _compared(
    leading: Mapping[str, NDArray[np.float64]], cases: Cases, metric: str
) -> tuple[Comparison, ...]:
    """The leader against each other model, best first."""
    leader, *others = sorted(leading, key=lambda name: -leading[name].mean())
    return tuple(
        Comparison(
            metric,
            leader,
            other,
            paired_difference(leading[leader], leading[other], cases.owner, seed=cases.seed),
        )
        for other in others
    )


def _exclusion(cases: Cases, repeats: bool) -> str:
    if not repeats:
        return "no item of the history may be listed"
    if cases.rule.kind == "groups":
        return "no item of the rest of the basket may be listed; items of earlier baskets may"
    return "none: items of the history may be listed again"


def _setting(cases: Cases, repeats: bool, caller: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **cases.setting,
        "repeats": repeats,
        "bootstrap_seed": cases.seed,
        "recembed": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        **({"caller": json.loads(json.dumps(dict(caller), default=str))} if caller else {}),
    }
