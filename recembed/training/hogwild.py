"""Threads that train the same tables, a chunk each at a time, without locks around the tables.

Source: Recht et al. 2011 (Hogwild, arXiv 1106.5730).
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from recembed.training.checkpoint import SAVE_EVERY, Store
from recembed.training.state import State


class Work:
    """Hands chunks out to threads, takes their losses back and keeps the state.

    check: raises DataError if training went astray. note: what is said of the state.
    """

    def __init__(
        self, state: State, chunks: int, epochs: int, check: Callable[[], None], store: Store | None
    ) -> None:
        self.state, self.chunks, self.epochs = state, chunks, epochs
        self.check, self.store, self.lock = check, store, threading.Lock()
        self.saved = time.monotonic()
        self.next, self.stopped = 0, False

    def until_due(
        self,
        run: Callable[[int], tuple[float, int]],
        pool: ThreadPoolExecutor,
        threads: int,
        advance: Callable[[int, str], None],
    ) -> None:
        """Train to the end of the epoch, or until the state is to be saved.

        run: a chunk -> its loss, and of how many pairs. advance: told of each chunk, and a note.
        """
        self.next, self.stopped = self.state.chunk, False

        def worker() -> None:
            while (chunk := self._take()) is not None:
                loss, pairs = run(chunk)
                with self.lock:
                    self._give(loss, pairs)
                    advance(chunk, self._note())

        try:
            for each in [pool.submit(worker) for _ in range(threads)]:
                each.result()
        except KeyboardInterrupt:
            self.stopped = True
            pool.shutdown()  # the chunks at hand are finished: then the state is one of a border
            self.save()
            raise
        self.check()
        if self.state.chunk == self.chunks:
            self.state.end_epoch()
        if time.monotonic() - self.saved > SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Keep the state, if it is to be kept anywhere and is good."""
        if self.store is not None:
            self.check()
            self.store.save(self.state)
        self.saved = time.monotonic()

    def _take(self) -> int | None:
        with self.lock:
            due = self.store is not None and time.monotonic() - self.saved > SAVE_EVERY
            if self.stopped or due or self.next == self.chunks:
                return None
            self.next += 1
            return self.next - 1

    def _give(self, loss: float, pairs: int) -> None:
        self.state.loss += loss
        self.state.pairs += pairs
        self.state.chunk += 1
        self.stopped = self.stopped or not np.isfinite(loss)

    def _note(self) -> str:
        return f"epoch {self.state.epoch + 1}/{self.epochs}, loss {self.state.mean:.4f}"
