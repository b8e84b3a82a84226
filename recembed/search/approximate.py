"""What every approximate index has in common: full lists of true scores, from whatever finds."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np

from recembed.arrays import Mask, Vectors, blocks
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.errors import RunError
from recembed.protocols import THIS_MACHINE, Machine, TopK
from recembed.search.candidates import Filter, fingerprint
from recembed.search.exact import ExactIndex
from recembed.search.select import Places, best_pairs, check_filters, clipped, joined

Metric: TypeAlias = Literal["dot", "angular"]
METRICS: tuple[Metric, ...] = ("dot", "angular")
Answer = TypeVar("Answer")

HOPELESS = 8  # a list longer than 1/8 of the items: scoring all of them is cheaper than fetching
ANSWER = 256  # bytes that an item takes on its way, as a Python int of Annoy's and in arrays


class Finder(Protocol):
    """Finds places near a query, most of them among the nearest.

    cost: what one item looked at costs, in items scored exactly. masks: whether it keeps to a mask
    by itself, so that none of what it fetches is lost to it.
    """

    @property
    def cost(self) -> int: ...

    @property
    def masks(self) -> bool: ...

    def nearest(
        self, queries: Vectors, fetch: Places, effort: Places, mask: Mask | None
    ) -> tuple[Places, Places]:
        """(query, place) pairs, each once, at most `fetch` of a query or a little more.

        fetch, effort: [q], at least 1, effort not below fetch. effort: items to look at. mask: bool
        [m], the places to keep to; a finder without masks may ignore it.
        """


class ApproximateIndex:
    """Candidates of a finder, scored and ordered by their true dot products.

    Every list is full: where filters eat into it more is fetched, and a query that the finder
    cannot answer for less than scoring all its eligible items is answered exactly.
    """

    def __init__(
        self,
        finder: Finder,
        embeddings: Embeddings,
        effort: int,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """effort: items that the finder looks at for a query without filters."""
        self.exact = ExactIndex(embeddings, machine)
        self.candidates = self.exact.candidates
        self.finder, self.effort, self.machine = finder, effort, machine

    def search(
        self,
        queries: Vectors,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        """Min(k, eligible) items of each query [q, dim], nearly the best; `tied` is unknown (-1).

        Raises: DataError if k, the queries or the filters do not fit.
        """
        if not len(self.candidates):
            return self.exact.search(queries, k, exclude=exclude, allow=allow)
        self.candidates.prepared(queries)  # all that is wrong is said before anything is searched
        k = clipped(k, self.candidates.n)
        check_filters(exclude, allow, len(queries), self.candidates.n)
        parts = []
        for block in blocks(len(queries), ANSWER * k, self.machine.memory):
            rows = np.arange(block.start, block.stop)
            ban = None if exclude is None else exclude.take(rows)
            own = allow.take(rows) if isinstance(allow, Sequences) else allow
            parts.append(self._block(queries[block], k, ban, own))
        return joined(parts, k)

    def _block(
        self,
        raw: Vectors,
        k: int,
        exclude: Sequences | None,
        allow: Mask | Sequences | None,
    ) -> TopK:
        queries = self.candidates.prepared(raw)
        rules = Filter.of(self.candidates, len(queries), exclude, allow)
        owners, places = self._found(queries, k, rules)
        scores = self.candidates.dots(queries, owners, places, self.machine.memory)
        top = self.candidates.as_rows(best_pairs(owners, places, scores, len(queries), k))
        top.tied[:] = -1
        rest = np.flatnonzero(np.bincount(owners, minlength=len(queries)) == 0)
        if len(rest):
            true = self.exact.search(
                raw[rest],
                k,
                exclude=None if exclude is None else exclude.take(rest),
                allow=allow.take(rest) if isinstance(allow, Sequences) else allow,
            )
            top.rows[rest], top.scores[rest], top.tied[rest] = true.rows, true.scores, true.tied
        return top

    def _found(self, queries: Vectors, k: int, rules: Filter) -> tuple[Places, Places]:
        """(query, place) pairs that pass the rules, at least min(k, eligible) a query or none.

        A query that may list 1 item in f looks at f times as many to find as good a list; it gets
        none where that costs more than scoring the items it may list.
        """
        eligible, m = rules.eligible(), len(self.candidates)
        wider = m / np.maximum(eligible, 1)
        kept_to = self.finder.masks and rules.mask is not None
        fetch = np.ceil(k * (1 if kept_to else wider) + rules.taken()).astype(np.int64)
        look = np.ceil(self.effort * wider + rules.taken()).astype(np.int64)
        hopeful = self.finder.cost * look < eligible
        pending = np.flatnonzero(hopeful & (HOPELESS * fetch <= m))
        kept: list[tuple[Places, Places]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        while len(pending):
            effort = np.maximum(look, fetch)[pending]
            found = self.finder.nearest(queries[pending], fetch[pending], effort, rules.mask)
            owners, places = pending[found[0]], found[1]
            passed = rules.passes(owners, places)
            owners, places = owners[passed], places[passed]
            full = np.bincount(owners, minlength=len(queries)) >= np.minimum(k, eligible)
            kept.append((owners[full[owners]], places[full[owners]]))
            fetch, look = 2 * fetch, 2 * look
            pending = pending[~full[pending] & (HOPELESS * fetch[pending] <= m)]
        return np.concatenate([o for o, _ in kept]), np.concatenate([p for _, p in kept])


def spread(ask: Callable[[Places], Answer], chunks: list[Places], threads: int) -> list[Answer]:
    """What `ask`, which lets go of the GIL, answers to each chunk of queries."""
    if threads == 1 or len(chunks) == 1:
        return [ask(chunk) for chunk in chunks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, chunks))


def check(path: Path, meta: Mapping[str, Any], embeddings: Embeddings) -> None:
    """Raise RunError unless `path` is safe to load: native code would crash on a short file."""
    if not path.is_file():
        raise RunError(f"there is no index at {path}: run `recembed index` again")
    size = path.stat().st_size
    if size != meta.get("bytes"):
        raise RunError(
            f"{path} has {size} bytes where {meta.get('bytes')} were written: it was cut short or "
            "replaced, run `recembed index` again"
        )
    if meta.get("metric") not in METRICS:
        raise RunError(
            f"{path} has the metric {meta.get('metric')!r}, expected 'dot' or 'angular': "
            "run `recembed index` again"
        )
    built = tuple(meta.get(name) for name in ("dim", "n", "vectors_sha256"))
    if built != (embeddings.dim, int(embeddings.known.sum()), fingerprint(embeddings)):
        raise RunError(
            f"{path}: this index was built for other item vectors: run `recembed index` again"
        )
