"""A network over subword tokens: learns from texts alone, then from pairs of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows, Vectors
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.settings import check, setting
from recembed.text.encoder import Encoder, Judge
from recembed.text.encoding import check_texts
from recembed.text.network_encoder import DIGEST, WEIGHTS, NetworkEncoder, check_torch
from recembed.text.pairs import TextPairs
from recembed.text.streams import BREAK, as_sequences
from recembed.text.texts import Texts
from recembed.text.tokenizer import MASK, Subtokens, Tokenizer, tokenizers_library
from recembed.training.corpus import counts_of
from recembed.training.texts.settings import LSTM, Masked, Mean, Part, SkipGramStart, Transformer
from recembed.training.texts.tuning_settings import Tuning, decided

if TYPE_CHECKING:
    from recembed.training.texts.pairs import PairRows


@dataclass(frozen=True)
class Network:
    """A network over the tokens of a text, and the mean of what it makes of them.

    Its tokens begin with skip-gram vectors and the weights of SIF; it learns to guess masked
    tokens, then, where there are pairs, to place those alike near each other.
    """

    name: ClassVar[str] = "network"
    dim: int = setting(256, "length of a vector, also of a token's", low=1, high=4096)
    network: Part = setting(Transformer(), "what tokens come to in their text")
    tokens: Subtokens = setting(Subtokens(), "how text becomes tokens")
    longest: int = setting(128, "tokens of a text that are read", low=2, high=1 << 14)
    skipgram: SkipGramStart = setting(SkipGramStart(), "what vectors of tokens begin with")
    masked: Masked = setting(Masked(), "guessing masked tokens")
    simcse: bool = setting(
        False,
        "without pairs, tune by each text and itself, other numbers left out (arXiv 2104.08821)",
    )
    tune: Tuning = setting(Tuning(), "learning from pairs")

    def __post_init__(self) -> None:
        check(self)
        if isinstance(self.network, Transformer) and self.dim % (2 * self.network.heads):
            twice = 2 * self.network.heads
            raise DataError(f"dim {self.dim} is not {twice} (twice network.heads) times a number")
        if isinstance(self.network, LSTM) and self.dim % 2:
            raise DataError(f"dim {self.dim} cannot be shared by an LSTM each way: choose it even")

    @property
    def resumes(self) -> bool:
        """Where it guesses masked tokens."""
        return self.masked.epochs > 0 and not isinstance(self.network, Mean)

    def ready(self, pairs: TextPairs | None = None) -> None:
        check_torch()
        tokenizers_library()
        if pairs is not None:
            decided(self.tune, pairs.scores, negatives=pairs.negatives is not None)
        elif self.simcse:
            decided(self.tune, None)

    def fit(
        self,
        texts: Texts,
        *,
        pairs: TextPairs | None = None,
        judge: Judge | None = None,
        start: Encoder | None = None,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> NetworkEncoder:
        """Learn from texts, then from pairs; start: an encoder to go on from with pairs alone.

        machine.checkpoint keeps the training on masked tokens.

        Raises: MissingExtra without torch; DataError if there is too little to learn from, or start
        is another network; Diverged or Interrupted with the encoder so far.
        """
        self.ready(pairs)
        if start is not None:
            encoder = self._copy(start, machine)
            if pairs is None:
                raise DataError("an encoder goes on with pairs of texts: there are none")
            return self._tuned(encoder, self._rows(encoder, pairs), judge, seed, progress)
        texts.check()
        tokenizer = self.tokens.train(texts, progress=progress)
        with TemporaryDirectory() as folder:
            corpus = self._corpus(texts, tokenizer, Path(folder), progress)
            encoder = self._new(corpus, tokenizer, seed, machine, progress)
            self._learn(encoder, corpus, seed, progress)
            if pairs is not None:
                return self._tuned(encoder, self._rows(encoder, pairs), judge, seed, progress)
            if self.simcse:
                from recembed.training.texts.pairs import PairRows

                alone = PairRows.themselves(_cut(corpus, self.longest))
                return self._tuned(encoder, alone, judge, seed, progress)
        return encoder

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], machine: Machine = THIS_MACHINE
    ) -> NetworkEncoder:
        """The encoder whose `arrays()` these are."""
        check_torch()
        tokenizer = self.tokens.restore(arrays["tokenizer"])
        if bytes(arrays[DIGEST]).decode() != tokenizer.digest:
            raise DataError(
                "the tokenizer is not the one that the network was trained with: take both from "
                "one encoder"
            )
        encoder = self._encoder(tokenizer, machine)
        encoder.put(
            {
                name.removeprefix(WEIGHTS): array
                for name, array in arrays.items()
                if name.startswith(WEIGHTS)
            }
        )
        return encoder

    def _encoder(self, tokenizer: Tokenizer, machine: Machine) -> NetworkEncoder:
        """With random weights."""
        from recembed.training.devices import device_of
        from recembed.training.texts.networks import TextNetwork

        network = TextNetwork(self.network, len(tokenizer), self.dim)
        network = network.to(device_of(machine)).eval()
        return NetworkEncoder(network, tokenizer, self.longest, machine)

    def _copy(self, start: Encoder, machine: Machine) -> NetworkEncoder:
        """What goes on from `start`, which stays as it is."""
        if not isinstance(start, NetworkEncoder):
            raise DataError("a network goes on from a network only: name another start, or none")
        theirs = start.network.setting
        if (theirs, start.dim) != (self.network, self.dim):
            raise DataError(f"start has network={theirs} and dim={start.dim}: set the same")
        encoder = self._encoder(start.tokenizer, machine)
        encoder.put(start.weights())
        return encoder

    def _corpus(
        self, texts: Texts, tokenizer: Tokenizer, folder: Path, progress: Progress
    ) -> Sequences:
        """The tokens of all texts, as mapped files in `folder`."""

        def read() -> Iterator[Rows]:
            for lines in texts.lines(task):
                rows = tokenizer.rows(lines)
                yield np.insert(rows.values, rows.offsets[1:], BREAK)

        with progress.task("tokens", texts.size, texts.unit) as task:
            corpus = as_sequences(read(), folder)
        if len(corpus.values) < 2:
            raise DataError(f"there are no two tokens in {texts.where}: nothing to learn from")
        return corpus

    def _new(
        self,
        corpus: Sequences,
        tokenizer: Tokenizer,
        seed: int,
        machine: Machine,
        progress: Progress,
    ) -> NetworkEncoder:
        """Before it learns as a whole."""
        import torch

        from recembed import seed as seeds
        from recembed.training.devices import alone, device_of

        with alone(machine, device_of(machine)):
            torch.manual_seed(int(seeds.rng(seed, "network").integers(2**62)))
            encoder = self._encoder(tokenizer, machine)
        vectors = None
        if self.skipgram.epochs and (corpus.sizes > 1).any():
            vectors = self._skipgram(corpus, len(tokenizer), seed, machine, progress)
        encoder.network.begin(counts_of(corpus, len(tokenizer)), vectors)
        return encoder

    def _skipgram(
        self, corpus: Sequences, n_tokens: int, seed: int, machine: Machine, progress: Progress
    ) -> Vectors:
        from recembed.training.skipgram import SkipGram, train

        engine = SkipGram.of(
            self.skipgram, dim=self.dim, exponent=0.75, direction="both", shrink=True
        )
        tables = train(
            corpus, n_tokens, engine, seed=seed, threads=machine.threads, progress=progress
        )
        return tables.inputs

    def _learn(
        self, encoder: NetworkEncoder, corpus: Sequences, seed: int, progress: Progress
    ) -> None:
        """Guess masked tokens, where the network sees any around them."""
        if not self.resumes:
            return
        from recembed.training.texts.masked import Stream, train_masked

        stream = Stream(corpus.values, self.longest, MASK)
        training = train_masked(
            encoder.network,
            stream,
            self.masked,
            seed=seed,
            machine=encoder.machine,
            progress=progress,
        )
        training.checked(replace(encoder, training=training))

    def _rows(self, encoder: NetworkEncoder, pairs: TextPairs) -> "PairRows":
        """Pairs as rows of their texts' tokens."""
        from recembed.training.texts.pairs import PairRows

        n, texts = len(pairs), pairs.texts()
        check_texts(texts)
        first = np.arange(n)
        negatives = None if pairs.negatives is None else first + 2 * n
        rows = encoder.tokenizer.rows(texts, self.longest)
        return PairRows(rows, first, first + n, negatives, pairs.scores)

    def _tuned(
        self,
        encoder: NetworkEncoder,
        pairs: "PairRows",
        judge: Judge | None,
        seed: int,
        progress: Progress,
    ) -> NetworkEncoder:
        from recembed.training.texts.tuning import tune

        training = tune(
            encoder.network,
            pairs,
            self.tune,
            judge=None if judge is None else lambda: judge(encoder),
            seed=seed,
            machine=encoder.machine,
            progress=progress,
        )
        return training.checked(replace(encoder, training=training))


def _cut(texts: Sequences, longest: int) -> Sequences:
    """Only the first tokens of each."""
    at = np.arange(len(texts.values)) - np.repeat(texts.offsets[:-1], texts.sizes)
    return texts.keep(at < longest)
