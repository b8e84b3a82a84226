"""A log: interactions with what is known of items and users."""

from dataclasses import dataclass, replace

from recembed.arrays import Mask, Rows
from recembed.data.catalogue import Catalogue
from recembed.data.interactions import Interactions


@dataclass(frozen=True, eq=False)
class Log:
    """What is read, split and trained on."""

    interactions: Interactions
    items: Catalogue | None = None
    users: Catalogue | None = None

    def keep(self, mask: Mask) -> "Log":
        """Only the events where `mask` is true; vocabularies and tables stay."""
        return replace(self, interactions=self.interactions.keep(mask))

    def in_file_order(self) -> "Log":
        """Events are in order as they stand, where they have no order of their own."""
        if self.interactions.order is not None:
            return self
        return replace(self, interactions=replace(self.interactions, order="position"))

    def names(self, rows: Rows) -> list[str]:
        """What people call each item: its title, or else its id, [len(rows)]."""
        ids = self.interactions.items.take(rows).to_pylist()
        titles = self.items.titles(rows) if self.items else [None] * len(rows)
        return [str(title or id) for title, id in zip(titles, ids, strict=True)]
