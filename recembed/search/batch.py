"""Exact search for many queries: threads, each with blocks of scores that stay in its cache."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows, Vectors, blocks
from recembed.data.sequences import Sequences
from recembed.protocols import Machine, TopK
from recembed.search.candidates import Candidates
from recembed.search.products import Product, one_search, one_thread
from recembed.search.select import Places, unfilled_top

ROWS, TILE = 128, 4096  # queries and items at a time: 2 MiB of scores, most of the matrix rate

Kernel = Callable[..., None]


@dataclass(frozen=True, eq=False)
class Batch:
    """What the best k of many queries are looked for with.

    queries: float32 [q, dim]. product(queries, items, out): writes their scores, [., .], which are
    off from true by margins [q] / 2 at most. reach: so many best by these scores, and what is
    within the margin of them, are scored truly. exclude: rows, a sequence a query. barred: places,
    for all.
    """

    candidates: Candidates
    queries: Vectors
    product: Product
    margins: NDArray[np.float64]
    reach: int
    exclude: Sequences
    barred: Places

    def search(self, k: int, machine: Machine) -> TopK:
        """The lists, and tied -1 where more are within the margin than there is room for."""
        from recembed.search import kernels, order  # Numba: loaded where it pays

        compiled = kernels.gather(), kernels.answer()  # before there are threads
        m, n = len(self.candidates), len(self.queries)
        width, tile = order.room(self.reach, m), min(m, TILE)
        memory = machine.memory // machine.threads
        step = max(1, min(ROWS, memory // (4 * tile + 8 * width)))
        top = unfilled_top(n, k)
        todo = iter(list(blocks(n, 1, step)))  # a list's iterator may be shared by threads

        def work() -> None:
            scores = np.empty(step * tile, np.float32)
            found, places = np.empty((step, width), np.float32), np.empty((step, width), np.int32)
            with one_thread():
                for block in todo:
                    self._block(block, compiled, scores, found, places, top)

        threads = max(1, min(machine.threads, -(-n // step)))
        with one_search(), ThreadPoolExecutor(threads) as pool:
            for each in [pool.submit(work) for _ in range(threads)]:
                each.result()
        return top

    def _block(
        self,
        block: slice,
        compiled: tuple[Kernel, Kernel],
        scores: Vectors,
        found: Vectors,
        places: Rows,
        top: TopK,
    ) -> None:
        gather, answer = compiled
        candidates, size = self.candidates, block.stop - block.start
        sizes, bounds = np.zeros(size, np.int64), np.empty(size, np.float32)
        offsets = self.exclude.offsets[block.start : block.stop + 1]
        for items in blocks(len(candidates), 1, TILE):
            width = items.stop - items.start
            part = scores[: size * width].reshape(size, width)
            self.product(block, items, part)
            gather(
                part,
                items.start,
                self.barred[slice(*np.searchsorted(self.barred, (items.start, items.stop)))],
                self.exclude.values,
                offsets,
                candidates.place_of,
                self.reach,
                self.margins[block],
                bounds,
                found,
                places,
                sizes,
            )
        answer(
            self.queries[block],
            candidates.vectors,
            candidates.rows,
            places,
            sizes,
            top.rows[block],
            top.scores[block],
            top.tied[block],
        )
