"""Search by text: the items whose texts are most like it, by the encoder that the run keeps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from recembed.arrays import Mask, Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.stored import encoder_in, removed_items, texts_in
from recembed.protocols import Machine, TopK
from recembed.run.folder import Run
from recembed.search.exact import ExactIndex

if TYPE_CHECKING:
    from recembed.text.encoder import Encoder


@dataclass(frozen=True, eq=False)
class TextSearch:
    """vectors [n_items, d]: of the items' texts. listed [n_items]. load: restores the encoder.

    What it takes to search is made when it is first asked, as most runs never are.
    """

    items: Vocabulary
    vectors: Vectors
    listed: Mask
    load: "Callable[[], Encoder]"
    machine: Machine

    @classmethod
    def of(cls, run: Run, items: Vocabulary, machine: Machine) -> "TextSearch | None":
        """None where no encoder was attached to the run. Raises: RunError if it is not whole."""
        texts = texts_in(run)
        if texts is None:
            return None
        listed = ~removed_items(run, len(items))
        return cls(items, texts.vectors, listed, encoder_in(run, machine), machine)

    @cached_property
    def encoder(self) -> "Encoder":
        """What made the vectors. Raises: MissingExtra without what it runs on."""
        return self.load()

    @cached_property
    def index(self) -> ExactIndex:
        """By cosine, of the items that have a text."""
        there = self.listed & self.vectors.any(axis=1)
        return ExactIndex(Embeddings(self.items, self.vectors, there, "cosine"), self.machine)

    def query(self, text: str) -> "TextQuery":
        """What lists the items for a text."""
        from recembed.text.encoding import encoded

        vector = encoded(self.encoder, [text]).vectors
        return TextQuery(self.index, vector)


@dataclass(frozen=True, eq=False)
class TextQuery:
    """A ranker for one text, whatever the history is; items whose score is 0 or less are not like
    it. vector [1, d].
    """

    index: ExactIndex
    vector: Vectors

    @property
    def known(self) -> Mask:
        """Items that have a text."""
        there = np.zeros(self.index.candidates.n, np.bool_)
        there[self.index.candidates.rows] = True
        return there

    @property
    def understood(self) -> bool:
        """Whether the encoder knows anything of the text."""
        return bool(self.vector.any())

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        vectors = self.vector.repeat(histories.n_users, axis=0)
        top = self.index.search(vectors, k, exclude=exclude, allow=allow)
        like, full = top.scores > 0, top.scores[:, -1] > 0  # what is not like the text is no hit
        return TopK(
            np.where(like, top.rows, -1).astype(np.int32),
            np.where(like, top.scores, -np.inf).astype(np.float32),
            np.where(full, top.tied, 0).astype(np.int32),
        )
