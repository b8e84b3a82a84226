"""The index of a kind that answers a run's users fastest, and well enough."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.search.approximate import HOPELESS, METRICS, ApproximateIndex, Metric
from recembed.search.audit import Audit, Truth, audit, placed
from recembed.search.exact import ExactIndex
from recembed.search.faiss import STEPS
from recembed.search.kinds import KINDS, Approximate, build, opened

LEAP = 8  # steps at a time until the target is reached: four times the effort
SLOW = 0.5  # of exact search's speed: one user at a time may still be quicker
POINTLESS = 0.1  # of exact search's speed, and still too little found: minutes for nothing
QUERIES = 1000  # of users; a recall over them has a standard error below 0.01


@dataclass(frozen=True)
class Tuning:
    """What `tuned` looks for, and where."""

    target_recall: float = 0.95
    """Share of the exact top k that the index has to find."""
    k: int = 10
    """Length of the audited lists."""
    size: int | None = None
    """Trees, links or lists; None: those that are worth trying."""
    seed: int = 0
    threads: int = 1
    """Build threads; above 1 the same seed may not give the same file."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Users' vectors [q, dim], and the rows that each may not list when they are served.

    Half of them tune, the other half audits what came of it.
    """

    queries: Vectors
    exclude: Sequences | None = None


@dataclass(frozen=True)
class Built:
    """An index file, what opens it, and what it was found to be worth.

    effort: items that it looks at for a query. tried: every audit that it was chosen by.
    """

    path: Path
    meta: dict[str, Any]
    effort: int
    audit: Audit
    tried: list[dict[str, Any]]

    @property
    def gain(self) -> float:
        """How many times as fast as exact search it answers."""
        return self.audit.queries_per_second / self.audit.exact_queries_per_second


def tuned(
    kind: Approximate,
    embeddings: Embeddings,
    asked: Asked,
    folder: Path,
    tuning: Tuning = Tuning(),
    *,
    machine: Machine = THIS_MACHINE,
    progress: Progress = QUIET,
) -> Built:
    """Build indices of a kind in `folder` and keep the one that suits these users.

    Both metrics are built at the usual size, the other sizes with the faster one. For each the
    least effort is looked for that reaches the target recall, unless a rival has reached it faster.
    Neither metric wins everywhere: Annoy's own "dot" loses nearly all recall on some vectors and is
    the faster one on others. The audit of what is kept is made with users who chose nothing.

    Raises: DataError if no query is left; MissingExtra if the kind's package is not installed.
    """
    folder.mkdir(exist_ok=True)
    rows = placed(asked.queries)
    exact = ExactIndex(embeddings, machine)

    def truth(rows: NDArray[np.int64]) -> Truth:
        barred = asked.exclude and asked.exclude.take(rows)
        return Truth.of(exact, asked.queries[rows], tuning.k, barred)

    search = _Search(
        kind,
        embeddings,
        folder,
        tuning,
        machine,
        progress,
        truth(rows[::2]),
        [],
    )
    sizes = KINDS[kind].sizes(len(exact.candidates)) if tuning.size is None else (tuning.size,)
    best: Built | None = None
    for metric in METRICS:
        best = search.better(metric, sizes[0], best)
    assert best is not None
    for size in sizes[1:]:
        best = search.better(best.meta["metric"], size, best)
    return search.audited(best, truth(rows[1::2]) if len(rows) > 1 else search.truth)


@dataclass(frozen=True, eq=False)
class _Search:
    kind: Approximate
    embeddings: Embeddings
    folder: Path
    tuning: Tuning
    machine: Machine
    progress: Progress
    truth: Truth
    tried: list[dict[str, Any]]

    def better(self, metric: Metric, size: int, rival: Built | None) -> Built:
        """The faster one of a new index and its rival; the other one's file is removed."""
        path = self.folder / f"{metric}-{size}.index"
        tuning = self.tuning
        meta = build(
            self.kind,
            self.embeddings,
            path,
            metric=metric,
            size=size,
            seed=tuning.seed,
            threads=tuning.threads,
        )
        new = self._least(path, meta, rival)
        kept, left = new, rival
        if rival is not None and not _wins(new, rival):
            kept, left = rival, new
        if left is not None:
            left.path.unlink()
        return kept

    def audited(self, built: Built, truth: Truth) -> Built:
        """With the audit by another truth; it takes more effort where it falls short there."""
        index, effort = self._open(built.path, built.meta), built.effort
        while True:
            found = self._ask(index, built.meta, effort, truth)
            if found.recall >= self.tuning.target_recall or effort >= built.meta["n"]:
                return replace(built, effort=effort, audit=found)
            effort = self._step(built.meta["n"], self._at(effort) + 1)

    def _least(self, path: Path, meta: dict[str, Any], rival: Built | None) -> Built:
        """The least effort that reaches the target: up in leaps, then by halves of the last one.

        All items at last, which is exact search, where that is far faster.
        """
        n, target, k = meta["n"], self.tuning.target_recall, self.tuning.k
        index = self._open(path, meta)
        searched = HOPELESS * k <= n  # else exact search answers at any effort: nothing is learned
        low, high = -1, self._at(k if searched else n)
        while True:
            found = self._try(index, path, meta, self._step(n, high))
            reached = found.audit.recall >= target
            if reached or found.gain < POINTLESS or (rival and not _wins(found, rival)):
                break
            low, high = high, high + LEAP
        while reached and low >= 0 and high - low > 1:
            middle = (low + high) // 2
            tried = self._try(index, path, meta, self._step(n, middle))
            low, high = (low, middle) if tried.audit.recall >= target else (middle, high)
            found = tried if high == middle else found
        if found.gain >= SLOW or found.effort >= n:
            return found
        return self._try(index, path, meta, n)

    def _open(self, path: Path, meta: dict[str, Any]) -> ApproximateIndex:
        return opened(path, meta, self.embeddings, 1, self.machine)

    def _try(self, index: ApproximateIndex, path: Path, meta: dict[str, Any], effort: int) -> Built:
        found = self._ask(index, meta, effort, self.truth)
        row = {"metric": meta["metric"], "size": meta["size"], "effort": effort}
        self.tried.append({**row, **asdict(found)})
        return Built(path, meta, effort, found, self.tried)

    def _ask(
        self, index: ApproximateIndex, meta: dict[str, Any], effort: int, truth: Truth
    ) -> Audit:
        index.effort = effort
        price = {"build_seconds": meta["build_seconds"], "bytes": meta["bytes"]}
        result = audit(index, truth, **price)
        kind = KINDS[self.kind]
        self.progress.say(
            f"{kind.label} {meta['metric']}, {meta['size']:,} {kind.parts}, effort {effort:,}: "
            f"recall@{truth.k} {result.recall:.3f}, {result.queries_per_second:,.0f} queries/s"
        )
        return result

    def _at(self, effort: int) -> int:
        return int(np.searchsorted(STEPS, effort))

    def _step(self, n: int, at: int) -> int:
        """An effort; n, where everything is scored exactly, is the last one."""
        return int(min(STEPS[min(at, len(STEPS) - 1)], max(n, 1)))


def _wins(new: Built, rival: Built) -> bool:
    """Whether an index may be the faster one; more effort only makes it slower.

    Exact search under its name does not win by the noise of a clock.
    """
    return _merit(new) > _merit(rival)


def _merit(built: Built) -> tuple[bool, float]:
    return built.effort < built.meta["n"], built.audit.queries_per_second
