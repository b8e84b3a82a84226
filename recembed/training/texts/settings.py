"""What users choose of a network over tokens, and of how it learns from text alone."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from recembed.settings import between, check, log_between, one_of, setting


@dataclass(frozen=True)
class Transformer:
    """Self-attention over a text, both ways, with the norms before each part.

    How far tokens are from each other is told by turned queries and keys, which are learned from
    sooner than positions. Source: Devlin et al. 2018 (arXiv 1810.04805); norms: Xiong et al. 2020
    (arXiv 2002.04745); turns: Su et al. 2021 (arXiv 2104.09864).
    """

    layers: int = setting(4, "one on top of the other", low=1, high=64, search=one_of(2, 4, 6))
    heads: int = setting(4, "attentions side by side; divides dim", low=1, high=256)
    width: int = setting(4, "of the feed-forward part, times dim", low=1, high=64)
    dropout: float = setting(
        0.1, "share of numbers left out in each layer", low=0, high=0.95, search=between(0.0, 0.3)
    )
    kind: Literal["transformer"] = setting("transformer", "self-attention, both ways")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class LSTM:
    """Two LSTMs that read a text forwards and backwards, beside a shortcut.

    Source: Conneau et al. 2017 (arXiv 1705.02364).
    """

    layers: int = setting(1, "one on top of the other", low=1, high=16)
    dropout: float = setting(0.1, "share of numbers of tokens left out", low=0, high=0.95)
    kind: Literal["lstm"] = setting("lstm", "an LSTM each way")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class CNN:
    """Convolutions over the tokens of a text, each after a norm and beside a shortcut.

    Source: Kim 2014 (arXiv 1408.5882), here one on top of the other.
    """

    layers: int = setting(2, "one on top of the other", low=1, high=64, search=one_of(1, 2, 4))
    reach: int = setting(1, "tokens to each side that a layer sees", low=1, high=64)
    dropout: float = setting(0.1, "share of numbers left out in each layer", low=0, high=0.95)
    kind: Literal["cnn"] = setting("cnn", "convolutions over neighbouring tokens")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Mean:
    """The tokens' own vectors: a text is their weighted mean, whatever their order."""

    dropout: float = setting(0.1, "share of tokens left out", low=0, high=0.95)
    kind: Literal["mean"] = setting("mean", "the mean of token vectors (the fastest)")

    def __post_init__(self) -> None:
        check(self)


Part: TypeAlias = Transformer | LSTM | CNN | Mean


@dataclass(frozen=True)
class SkipGramStart:
    """Skip-gram over the tokens of the texts: what their vectors begin with.

    Source: Mikolov et al. 2013 (arXiv 1301.3781, 1310.4546).
    """

    epochs: int = setting(5, "passes over the texts; 0: random numbers", low=0)
    window: int = setting(5, "context reaches N tokens away", low=1)
    negatives: int = setting(5, "negatives a centre", low=1, high=4096)
    subsample: float = setting(1e-3, "threshold share of frequent tokens; 0: keep all", low=0)
    learning_rate: float = setting(0.025, "first step size, falls linearly to 0", low=1e-6)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Masked:
    """Guessing tokens from those around them; a network that sees none around (mean) has no use.

    Texts are joined, so that nothing is padded. Every time others are hidden: 80 % of them behind
    a token of its own, 10 % behind any, 10 % not at all. Source: RoBERTa (arXiv 1907.11692).
    """

    epochs: int = setting(1, "passes over the texts; 0: none", low=0, search=one_of(1, 2, 4))
    share: float = setting(
        0.2, "of tokens that are to be guessed", low=0.01, high=0.9, search=one_of(0.15, 0.2, 0.3)
    )
    batch_size: int = setting(64, "sequences a step, as long as the texts that are read", low=1)
    learning_rate: float = setting(
        1e-3, "AdamW's step size, falls linearly to 0", low=0, search=log_between(2e-4, 4e-3)
    )
    warmup: float = setting(0.05, "share of the steps in which it rises first", low=0, high=1)
    weight_decay: float = setting(0.01, "of matrices, a step: times the step size", low=0, high=1)

    def __post_init__(self) -> None:
        check(self)
