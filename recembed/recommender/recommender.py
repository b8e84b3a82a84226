"""One object that answers from a run: to several threads, and from a newer run after `reload`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from recembed.data.files import Source
from recembed.data.log import Log
from recembed.data.vocabulary import Id
from recembed.errors import DataError
from recembed.protocols import THIS_MACHINE, Fitted, Machine, Ranker
from recembed.recommender.answering import answers, listing, searched
from recembed.recommender.answers import Recommendations
from recembed.recommender.histories import of_guest, of_users, then
from recembed.recommender.state import State
from recembed.recommender.wish import Wish, as_ids
from recembed.search.kinds import IndexKind


class Recommender:
    """Answers from a run.

    Several threads may ask it at once; each answer is of one run, also while another is loaded.
    """

    def __init__(self, state: State, load: Callable[[], State] | None = None) -> None:
        """From what is loaded already; load: how to load it again. Else use `load`."""
        self._state, self._load = state, load

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        index: IndexKind | None = None,
        min_recall: float | None = None,
        history: Source | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> "Recommender":
        """From a run folder, or a link to one.

        index: None is the index the run has, exact search where it has none. min_recall: refuse an
        index whose audit found less. history: a log of newer events, which histories go on with;
        `reload` reads it again.

        Raises: RunError if the run is not whole, or has no such index; DataError if the newer
        events cannot be read.
        """

        def state() -> State:
            return State.load(
                run, index=index, min_recall=min_recall, history=history, machine=machine
            )

        return cls(state(), state)

    def reload(self) -> None:
        """Load the run again, and answer from it from now on.

        Where that fails the old one stays. Raises: as load.
        """
        if self._load is None:
            raise DataError(
                "this recommender was not loaded from a run: there is nothing to reload"
            )
        self._state = self._load()

    @property
    def state(self) -> State:
        """What it answers from right now."""
        return self._state

    @property
    def log(self) -> Log:
        """All events of the run, the held-out ones too, and newer ones."""
        return self._state.log

    @property
    def ranker(self) -> Ranker:
        """What lists items."""
        return self._state.ranker

    @property
    def model(self) -> Fitted:
        """What was trained."""
        return self._state.model

    def recommend(
        self, user: Id, k: int = 10, *, basket: Iterable[Id] = (), **wish: Any
    ) -> Recommendations:
        """The best k items for a user of the log, from all of their events.

        basket: what the user holds right now; it ends the history, and is never recommended.
        wish: see Wish. Somebody unknown gets popular items; `reason` says so.

        Raises: DataError if an item of the basket is unknown, or a wish makes no sense.
        """
        return self.recommend_many([user], k, basket=basket, **wish)[0]

    def recommend_many(
        self, users: Iterable[Id], k: int = 10, *, basket: Iterable[Id] = (), **wish: Any
    ) -> list[Recommendations]:
        """The same for several users at once; each gets the list that they would get alone."""
        state, wanted, people = self._state, Wish(k, **wish), as_ids(users, "users")
        log, held = state.log.interactions, as_ids(basket, "basket")
        rows = log.users.rows(people)
        histories = of_users(log, rows)
        if held:
            histories = then(histories, log.items.known_rows(held))
            wanted = replace(wanted, exclude=[*wanted.exclude, *held])
        unknown = [
            f"user {user!r} is unknown" if row < 0 and not held else None
            for user, row in zip(people, rows, strict=True)
        ]
        return answers(state, histories, wanted, unknown)

    def recommend_for(self, history: Iterable[Id], k: int = 10, **wish: Any) -> Recommendations:
        """The best k items for somebody with this history of item ids, oldest first.

        Where the run's log has groups, the history is one of them: a basket without an order.
        wish: see Wish.

        Raises: DataError if an item is unknown, or a wish makes no sense.
        """
        state, wanted = self._state, Wish(k, **wish)
        log = state.log.interactions
        rows = log.items.known_rows(as_ids(history, "history"))
        return answers(state, of_guest(log, rows), wanted, [None])[0]

    def similar(self, item: Id, k: int = 10) -> Recommendations:
        """The k items nearest to one: by cosine of vectors, or by the model's own similarity.

        Raises: DataError if the item is unknown or was never trained, the model compares no items,
        or k is below 1.
        """
        state = self._state
        row = int(state.log.interactions.items.known_rows([item])[0])
        if not state.near.known[row]:
            raise DataError(
                f"item {item!r} is known but was never trained: it has no event, or too few, in "
                "the part of the log that was trained on"
            )
        top = state.near.to(row, k)
        return listing(state, top.rows[0], top.scores[0], k, "model", [])

    def search(self, text: str, k: int = 10, **wish: Any) -> Recommendations:
        """The k items whose texts are most like this one, by cosine.

        wish: see Wish; there is no history that it could speak of.

        Raises: DataError if no encoder is attached to the run, or a wish makes no sense.
        """
        return searched(self._state, text, Wish(k, **wish))
