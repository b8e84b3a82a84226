"""Tower, EASE and last-item transitions together: a row of its own on ML-100K.

What the members score is standardised for each history over the items that may be listed, weighted
and added up. Weights are chosen on the valid part, that of the tower is 1. Towers are kept under
.bench/ when they are trained, so that none is trained twice.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from benchmarks.accuracy_data import Asked
from benchmarks.accuracy_evidence import Spent, fit
from benchmarks.accuracy_settings import TOWER, WEIGHTS, Row, members
from benchmarks.harness import ROOT, say
from benchmarks.skipgram_items import gains
from recembed.arrays import Mask, Vectors, blocks
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.models.registry import estimator
from recembed.models.stored import exact_ranker
from recembed.protocols import Fitted, Ranker, TopK
from recembed.search.select import hide, rank

SCRATCH = ROOT / ".bench" / "accuracy"
AT_ONCE = 256  # histories: all items are scored and sorted for each
SOME = 4000  # cases that weights are chosen by: all scores of theirs stand in memory
TRIED = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0)


@dataclass(frozen=True, eq=False)
class Transitions:
    """Scores an item by log(1 + how often it came right after a history's last one).

    counts [n_items, n_items]: from item to item.
    """

    counts: sp.csr_matrix
    known: Mask

    @classmethod
    def of(cls, log: Log) -> "Transitions":
        """Count."""
        events = log.interactions
        owner, n = events.events.owners(), events.n_items
        within = owner[1:] == owner[:-1]
        pairs = events.rows[:-1][within], events.rows[1:][within]
        counts = sp.coo_matrix((np.ones(len(pairs[0]), np.float32), pairs), shape=(n, n)).tocsr()
        return cls(counts, events.counts() > 0)

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        offsets = histories.events.offsets
        known = np.flatnonzero(np.diff(offsets))
        last = sp.csr_matrix(
            (
                np.ones(len(known), np.float32),
                (known, histories.rows[offsets[known + 1] - 1]),
            ),
            shape=(histories.n_users, histories.n_items),
        )
        return rank(
            lambda block: np.log1p((last[block] @ self.counts).toarray()),
            histories.n_users,
            k,
            known=self.known,
            exclude=exclude,
            allow=allow,
        )


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Rankers that know the same items, added up by weight."""

    members: Sequence[Ranker]
    weights: Sequence[float]

    @property
    def known(self) -> Mask:
        """Items of the first."""
        return self.members[0].known

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        """Standardised over all that is not excluded, whatever is allowed."""

        def scores(block: slice) -> Vectors:
            at = np.arange(block.start, block.stop)
            barred = None if exclude is None else exclude.take(at)
            return added(standardised(self.members, histories.take_users(at), barred), self.weights)

        return rank(
            scores,
            histories.n_users,
            k,
            known=self.known,
            exclude=exclude,
            allow=allow,
            memory=8 * histories.n_items * AT_ONCE,
        )


def standardised(
    members: Sequence[Ranker], histories: Interactions, exclude: Sequences | None
) -> list[Vectors]:
    """Scores of each member, mean 0 and deviation 1 over what it may list, [n_users, n_items].

    0 for all else, and where all scores are equal.
    """
    return [_standardised(each, histories, exclude) for each in members]


def _standardised(member: Ranker, histories: Interactions, exclude: Sequences | None) -> Vectors:
    n = histories.n_items
    found = np.zeros((histories.n_users, n + 1), np.float32)  # one for what is past the end
    for block in blocks(histories.n_users, 1, AT_ONCE):
        at = np.arange(block.start, block.stop)
        barred = None if exclude is None else exclude.take(at)
        top = member.top_k(histories.take_users(at), n, exclude=barred)
        listed = top.rows >= 0
        size = listed.sum(axis=1, keepdims=True)
        scores = np.where(listed, top.scores, 0)
        scores -= scores.sum(axis=1, keepdims=True) / np.maximum(size, 1)
        scores *= listed
        deviation = np.sqrt((scores**2).sum(axis=1, keepdims=True) / np.maximum(size, 1))
        scores /= np.where(deviation > 0, deviation, 1)
        found[at[:, None], top.rows] = scores
    return found[:, :n]


def added(scores: Sequence[Vectors], weights: Sequence[float]) -> Vectors:
    """The weighted sum."""
    total = np.float32(weights[0]) * scores[0]
    for weight, each in zip(weights[1:], scores[1:], strict=True):
        total += np.float32(weight) * each
    return total


def together(row: Row, seed: int, asked: Asked) -> tuple[Ensemble, Spent]:
    """The members, and what all of them took."""
    rankers, spent = _members(row.data, seed, asked)
    return Ensemble(rankers, list(row.values.values())), spent


def _members(data: str, seed: int, asked: Asked) -> tuple[list[Ranker], Spent]:
    """In the order of their weights."""
    trained = [kept(row, seed, asked) for row in members(data)]
    rankers = [exact_ranker(model, asked.machine) for model, _ in trained]
    seconds, cpu = (sum(getattr(each, name) for _, each in trained) for name in ("seconds", "cpu"))
    return [*rankers, Transitions.of(asked.log)], Spent(seconds, cpu)


def choose(data: str, asked: Asked) -> Iterator[tuple[float, tuple[float, ...]]]:
    """nDCG@10 of some cases with each combination of weights that is tried."""
    rankers, _ = _members(data, 0, asked)
    at = np.unique(np.linspace(0, len(asked.cases) - 1, SOME).astype(np.int64))
    barred, targets = asked.cases.exclude(False, at), asked.cases.targets.take(at).values
    scores = standardised(rankers, asked.cases.histories(at), barred)
    for others in itertools.product(TRIED, repeat=len(scores) - 1):
        weights = (1.0, *others)
        total = added(scores, weights)
        hide(total, slice(0, len(at)), rankers[0].known, barred, None)
        own = total[np.arange(len(at)), targets]
        places = np.where(own > -np.inf, (total >= own[:, None]).sum(axis=1), -1)
        yield float(gains(places).mean()), weights


def kept(row: Row, seed: int, asked: Asked) -> tuple[Fitted, Spent]:
    """Trained, unless a tower of this setting, seed and part was kept."""
    if row.label != TOWER or row.data not in WEIGHTS:
        return fit(row, seed, asked)
    setting = json.dumps([row.setting, seed, asked.on, asked.cases.setting["data"]], default=str)
    file = SCRATCH / f"{row.data}-{hashlib.sha256(setting.encode()).hexdigest()[:16]}.npz"
    if file.exists():
        say(f"{file.name} has it: {row.data} {row.label} {seed}")
        with np.load(file) as arrays:
            held = dict(arrays)
        spent = Spent(*held.pop("spent").tolist())
        items = asked.log.interactions.items
        return estimator(row.model, row.values).restore(items, held, asked.machine), spent
    model, spent = fit(row, seed, asked)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    np.savez(file, spent=[spent.seconds, spent.cpu], **model.arrays())
    return model, spent
