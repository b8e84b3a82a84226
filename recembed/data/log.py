"""A log: interactions with what is known of items and users."""

from dataclasses import dataclass, replace

from recembed.arrays import Mask
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
