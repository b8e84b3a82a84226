"""From a model to a ranker: vectors through an index, own items, popular ones for the unknown."""

from dataclasses import dataclass, replace

import numpy as np

from recembed.arrays import Mask
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.models.own_items import own_items, with_own
from recembed.models.popularity import PopularityModel
from recembed.protocols import Habitual, Index, Ranker, TopK, VectorModel


@dataclass(frozen=True, eq=False)
class VectorRanker:
    """Places users by the model, finds items by the index."""

    model: VectorModel
    index: Index

    @property
    def known(self) -> Mask:
        """Items with a vector."""
        return self.model.items.known

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        users = self.model.users(histories)
        top = self.index.search(users, k, exclude=exclude, allow=allow)
        raised = self.model.raises(histories) if isinstance(self.model, Habitual) else None
        if raised is None:
            return top
        return with_own(top, own_items(self.model.items, users, raised, exclude, allow))


@dataclass(frozen=True, eq=False)
class Without:
    """Asks `ranker` for lists without some items, removed bool [n_items]; histories keep them."""

    ranker: Ranker
    removed: Mask

    @property
    def known(self) -> Mask:
        """Items that it lists."""
        return self.ranker.known & ~self.removed

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        if isinstance(allow, Sequences):
            allow = allow.keep(~self.removed[allow.values])
        else:
            allow = ~self.removed if allow is None else allow & ~self.removed
        return self.ranker.top_k(histories, k, exclude=exclude, allow=allow)


@dataclass(frozen=True, eq=False)
class WithFallback:
    """Asks `ranker`, and `popular` for histories without any item of `read` [n_items]."""

    ranker: Ranker
    popular: PopularityModel
    read: Mask

    @property
    def known(self) -> Mask:
        """Items the ranker knows; the fallback knows no others."""
        return self.ranker.known

    def places(self, histories: Interactions) -> Mask:
        """Whether the ranker itself answers each history, [n_users]."""
        hits = self.read[histories.rows]
        return np.bincount(histories.events.owners()[hits], minlength=histories.n_users) > 0

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        placed = self.places(histories)
        if placed.all():
            return self.ranker.top_k(histories, k, exclude=exclude, allow=allow)
        parts = []
        for ranker, theirs in ((self.ranker, placed), (self.popular, ~placed)):
            rows = np.flatnonzero(theirs)
            parts.append(
                ranker.top_k(
                    histories.take_users(rows),
                    k,
                    exclude=None if exclude is None else exclude.take(rows),
                    allow=allow.take(rows) if isinstance(allow, Sequences) else allow,
                )
            )
        order = np.argsort(np.concatenate([np.flatnonzero(placed), np.flatnonzero(~placed)]))
        mine, other = parts
        return TopK(
            np.concatenate([mine.rows, other.rows])[order],
            np.concatenate([mine.scores, other.scores])[order],
            np.concatenate([mine.tied, other.tied])[order],
        )


def with_fallback(ranker: Ranker, popular: PopularityModel) -> WithFallback:
    """`ranker`, with popular items (of those it lists) where a history has nothing it knows."""
    return WithFallback(ranker, replace(popular, known=ranker.known), read_by(ranker))


def read_by(ranker: Ranker) -> Mask:
    """Items that `ranker` reads in histories, also those that it no longer lists, [n_items]."""
    return ranker.ranker.known if isinstance(ranker, Without) else ranker.known
