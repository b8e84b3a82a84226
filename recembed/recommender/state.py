"""All that answers need of a run, loaded once and never changed: many threads may read it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from recembed.arrays import Vectors, unit
from recembed.data.files import Source
from recembed.data.log import Log
from recembed.errors import DataError, RunError
from recembed.models.ranker import WithFallback
from recembed.models.stored import has_vectors, ranker_of
from recembed.models.text_items import ENCODER, TEXTS, WithTexts
from recembed.protocols import THIS_MACHINE, Fitted, Machine, Ranker
from recembed.recommender.columns import ItemColumns
from recembed.recommender.newer import joined
from recembed.recommender.search import TextSearch
from recembed.recommender.similar import Near, near
from recembed.run.folder import Run
from recembed.run.log import load_log
from recembed.run.manifest import Manifest
from recembed.search.kinds import IndexKind

Placed: TypeAlias = Literal["events", "content", "text"]
TRIES = 3  # times that a run may be written anew while it is read


@dataclass(frozen=True, eq=False)
class State:
    """log: all events of the run, the held-out ones too, and newer ones. repeats: whether items of
    a history may come back. identity, created: of the run that this was read from. search: where
    the run has an encoder of texts.
    """

    log: Log
    ranker: Ranker
    model: Fitted
    repeats: bool
    machine: Machine = THIS_MACHINE
    identity: str = ""
    created: str = ""
    note: str | None = None
    search: TextSearch | None = None

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        index: IndexKind | None = None,
        min_recall: float | None = None,
        history: Source | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> "State":
        """From a run folder, or a link to one; see Recommender.load."""
        for tries in range(TRIES):
            folder = Path(run).resolve()  # a link that moves meanwhile does not mix two runs
            identity = Manifest.read(folder).identity
            try:
                opened = Run.open(folder, verify=False)  # what is read is checked byte by byte
                return cls._of(opened, index, min_recall, history, machine)
            except RunError:
                gone = Manifest.read(Path(run)).identity != identity
                if not gone or tries == TRIES - 1:
                    raise
        raise AssertionError("a try returns or raises")

    @classmethod
    def _of(
        cls,
        opened: Run,
        index: IndexKind | None,
        min_recall: float | None,
        history: Source | None,
        machine: Machine,
    ) -> "State":
        names = {"model", "index", ENCODER, TEXTS} - ({"index"} if index == "exact" else set())
        large = [name for name in names if opened.has(name)]
        with ThreadPoolExecutor(1) as beside:  # they are hashed without the GIL
            checking = beside.submit(opened.check, large)
            log, part = load_log(opened)
            checking.result()
        ranker, model = ranker_of(
            opened, index=index, min_recall=min_recall, machine=machine, loaded=(log, part)
        )
        note = None
        if history is not None:
            log, note = joined(log, history, opened.facts.get("read", {}))
        repeats = bool(opened.facts.get("repeats", False))
        made = (opened.identity, opened.created)
        search = TextSearch.of(opened, log.interactions.items, machine)
        return cls(log, ranker, model, repeats, machine, *made, note, search)

    @cached_property
    def near(self) -> Near:
        """What is near an item. Raises: DataError if the model compares no items."""
        return near(self.model, self.plain.known, self.machine)

    @cached_property
    def columns(self) -> ItemColumns:
        """The item table's columns."""
        return ItemColumns(self.log.items, self.log.interactions.n_items)

    @cached_property
    def directions(self) -> Vectors:
        """Item vectors of length 1, for how alike two items are, [n_items, dim].

        Raises: DataError if the model has none.
        """
        if not has_vectors(self.model):
            raise DataError("diversity needs item vectors: train item2vec, two-tower or als")
        return unit(self.model.neighbours.vectors)

    def placed(self, row: int) -> Placed | None:
        """What an item has its place in lists by, None where it is in none.

        events: those that training saw; content: its columns; text: its words.
        """
        if not self.ranker.known[row]:
            return None
        if isinstance(self.model, WithTexts) and not self.model.own[row]:
            return "text"
        if isinstance(self.ranker, WithFallback) and not self.ranker.popular.counts[row]:
            return "content"
        return "events"

    @property
    def plain(self) -> Ranker:
        """The ranker without its fallback to popular items."""
        return self.ranker.ranker if isinstance(self.ranker, WithFallback) else self.ranker
