"""The recommender that answers right now, and the watch over the run that it came from."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread

import numpy as np

from recembed.errors import DataError
from recembed.recommender import Recommender
from recembed.run.manifest import Manifest
from recembed.serving.limits import line
from recembed.serving.meters import Meters

LONGEST_WAIT = 60.0  # seconds: a run that was refused may have been repaired in place
QUESTIONS = 5  # that warm a run; the quickest says what a question takes
QUICK = 0.005  # seconds
log = logging.getLogger(__name__)


class Live:
    """Takes up the run anew when a folder, or what a link points to, was replaced.

    A run is warmed before it answers. One that cannot be read is refused: the old one stays, and
    `trouble` says why. quick: a plain question takes so little that handing it to a thread, which
    waits for the interpreter in turn, would cost more than it gives.
    """

    def __init__(self, run: str | Path, load: Callable[[], Recommender], meters: Meters) -> None:
        """Load and warm the run. Raises: as `load`."""
        self._run, self._load, self.meters = Path(run), load, meters
        self._reloading = Lock()
        self._calls: SimpleQueue[bool] = SimpleQueue()  # a signal handler may not wait for a lock
        self._failures, self._again = 0, 0.0
        self._refused: tuple[Path, str] | None = None
        self.trouble: str | None = None
        self.recommender = self._warmed()

    def look(self) -> None:
        """Reload if another run is there; one that was refused is tried again ever more rarely."""
        there = self._there()
        if there == self._refused:
            if time.monotonic() >= self._again:
                self.reload()
        elif there[1] == self.recommender.state.identity:
            self._well()
        else:
            self.reload()

    def reload(self) -> bool:
        """Load the run again, also an unchanged one (newer events); whether it answers now."""
        with self._reloading:
            there = self._there()
            try:
                self.recommender = self._warmed()
            except Exception as error:  # a bug in reading a broken run must not end the watch
                self._fails(there, _told(error))
                return False
            self.meters.reloads.labels("ok").inc()
            self._well()
            log.info("serving run %s", self.recommender.state.identity[:12])
            return True

    def call(self) -> None:
        """Have the watch reload at once; safe in a signal handler."""
        self._calls.put(True)

    def watch(self, every: float) -> Callable[[], None]:
        """Look every so many seconds, in a thread of its own; the function returned ends it."""
        thread = Thread(target=self._watching, args=(every,), name="watch", daemon=True)
        thread.start()

        def end() -> None:
            self._calls.put(False)
            thread.join()

        return end

    def _watching(self, every: float) -> None:
        going = True
        while going:
            try:
                going = self._calls.get(timeout=every)
            except Empty:
                self.look()
            else:
                if going:
                    self.reload()

    def _there(self) -> tuple[Path, str]:
        """What is to be served: a whole copy of a refused run is another one."""
        folder = self._run.resolve()
        try:
            return folder, Manifest.read(folder).identity
        except Exception as error:  # whatever lies there, the old run goes on
            return folder, f"none: {_told(error)}"

    def _warmed(self) -> Recommender:
        """A recommender that has answered once: what is made on first use is made."""
        made = self._load()
        events, known = made.log.interactions, np.flatnonzero(made.ranker.known)
        times = [time.thread_time()]  # not what it waited for the questions of others
        for row in range(min(events.n_users, QUESTIONS)):
            made.recommend(events.users.id(row))
            times.append(time.thread_time())
        with suppress(DataError):  # a model that compares no items
            made.similar(events.items.id(int(known[0])) if len(known) else 0)
        if made.state.search is not None:
            made.search("warm")
        self.quick = min(np.diff(times), default=0.0) < QUICK
        self.meters.serves(made.state)
        return made

    def _well(self) -> None:
        self._refused, self._failures, self.trouble = None, 0, None
        self.meters.degraded.set(0)

    def _fails(self, there: tuple[Path, str], why: str) -> None:
        if why != self.trouble:
            log.warning("the old run stays, the new one is refused: %s", why)
        self._refused, self.trouble = there, why
        self._failures += 1
        self._again = time.monotonic() + min(2.0**self._failures, LONGEST_WAIT)
        self.meters.reloads.labels("failed").inc()
        self.meters.degraded.set(1)


def _told(error: Exception) -> str:
    return line(error) or type(error).__name__
