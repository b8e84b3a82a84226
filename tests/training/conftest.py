"""The skip-gram engine once more, in plain Python and float64: what the kernels must agree with."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from recembed import seed as seeds
from recembed.data.sequences import Sequences
from recembed.training import shared, tiles
from recembed.training.sampler import AliasTable, keep_probability, negative_weights

WORD = 2**64 - 1
MULTIPLIER = 2685821657736338717


class Xorshift:
    """xorshift64* in whole numbers of Python."""

    def __init__(self, state):
        self.state = int(state)

    def bits(self):
        self.state ^= (self.state << 13) & WORD
        self.state ^= self.state >> 7
        self.state ^= (self.state << 17) & WORD
        return self.state * MULTIPLIER & WORD

    def draw(self, alias):
        bits = self.bits()
        slot = (bits >> 32) * len(alias.keep) >> 32
        stays = bits & 0xFFFFFFFF < int(float(alias.keep[slot]) * (2**32 - 1))
        return slot if stays else int(alias.other[slot])

    def within(self, most):
        return 1 + ((self.bits() >> 32) * most >> 32)

    def kept(self, chance):
        return chance >= 1 or (self.bits() >> 40) / 2**24 < chance


@dataclass
class Plain:
    """Tables, mean losses and pairs of a training in one chunk."""

    setting: object
    rows: list
    n_rows: int
    seed: int = 0
    bags: list | None = None
    losses: list = field(default_factory=list)
    pairs: int = 0

    def __post_init__(self):
        setting = self.setting
        counts = np.bincount(Sequences.of(self.rows).values, minlength=self.n_rows)
        random = seeds.rng(self.seed, "skipgram", "start")
        n_inputs = self.n_rows if self.bags is None else 1 + max(map(max, self.bags))
        start = random.random((n_inputs, setting.dim), np.float32).astype(float)
        self.inputs = (2 * start - 1) / setting.dim
        self.outputs = np.zeros((self.n_rows, setting.dim))
        weights = negative_weights(counts, setting.exponent)
        self.chance = weights / weights.sum()
        self.alias = AliasTable.of(weights)
        self.keep = keep_probability(counts, setting.subsample)
        self.direct = tiles.blocks(setting.negatives + 1)[1] == 1
        for epoch in range(setting.epochs):
            self.rate = setting.learning_rate * max(1 - epoch / setting.epochs, 1e-3)
            state = seeds.rng(self.seed, "skipgram", epoch, 0)
            self.random = Xorshift(state.integers(1, 2**63, dtype=np.uint64))
            self.found = []
            self.coming = self.drawn()
            each = self.crowds if setting.architecture == "cbow" else self.sentence
            for row in self.rows:
                each([value for value in row if self.random.kept(self.keep[value])])
            self.losses.append(float(np.mean(self.found)))
            self.pairs += len(self.found)

    def drawn(self):
        return [self.random.draw(self.alias) for _ in range(self.setting.negatives)]

    def targets(self, positive):
        """A positive and its negatives, which were drawn one positive ahead."""
        negatives, self.coming = self.coming, self.drawn()
        return [positive, *negatives]

    def reach(self, kept):
        if self.setting.window is None:
            return len(kept)
        return (
            self.random.within(self.setting.window) if self.setting.shrink else self.setting.window
        )

    def sentence(self, kept):
        past = self.setting.direction == "past"
        exact = self.setting.sharing == "pair" or self.bags is not None
        for at, centre in enumerate(kept):
            reach = self.reach(kept)
            before = kept[max(0, at - reach) : at]
            after = kept[at + 1 : at + reach + 1]
            if exact:  # the centre predicts what it is the context of
                self.predict(centre, after if past else before + after)
            elif around := (before if past else before + after):
                targets = self.targets(centre)
                for start in range(0, len(around), shared.NEAR):
                    self.together(targets, around[start : start + shared.NEAR])

    def bag(self, row):
        return [row] if self.bags is None else self.bags[row]

    def gains(self, scores, targets):
        """Loss of a pair, and -rate times the loss's derivatives by its scores."""
        there = np.array([True, *(target != targets[0] for target in targets[1:])])
        if self.setting.loss == "softmax":
            scores = scores - np.log(self.chance[targets])
            shares = np.where(there, np.exp(scores - scores[there].max()), 0)
            self.found.append(np.log(shares.sum()) + scores[there].max() - scores[0])
            return self.rate * (np.eye(len(targets))[0] - shares / shares.sum())
        signs = np.where(np.arange(len(targets)) == 0, -1, 1)
        self.found.append((there * np.logaddexp(0, signs * scores)).sum())
        return -self.rate * signs * there / (1 + np.exp(-signs * scores))

    def blocks(self, targets):
        width = tiles.blocks(len(targets))[0]
        return [slice(b, b + width) for b in range(0, len(targets), width)]

    def together(self, targets, near):
        """All scores from what was there; then blocks of targets, one after another, and inputs.

        In a single block a row that stands twice in the context has moved when it comes again.
        """
        gains = [self.gains(self.outputs[targets] @ self.inputs[row], targets) for row in near]
        change = np.zeros((len(near), self.setting.dim))
        for block in self.blocks(targets):
            ys = self.outputs[targets[block]]
            deltas = np.zeros_like(ys)
            for c, row in enumerate(near):
                deltas += np.outer(gains[c][block], self.inputs[row])
                if self.direct:
                    self.inputs[row] += gains[c][block] @ ys
                else:
                    change[c] += gains[c][block] @ ys
            np.add.at(self.outputs, targets[block], deltas)
        np.add.at(self.inputs, near, change)

    def predict(self, known, positives):
        """From the mean of a row's bag, pair by pair; each row of it gets the whole change."""
        query = start = self.inputs[self.bag(known)].mean(axis=0)
        for positive in positives:
            targets = self.targets(positive)
            gains = self.gains(self.outputs[targets] @ query, targets)
            change = np.zeros(self.setting.dim)
            for block in self.blocks(targets):
                change += gains[block] @ self.outputs[targets[block]]
                np.add.at(self.outputs, targets[block], np.outer(gains[block], query))
            query = query + change
        np.add.at(self.inputs, self.bag(known), query - start)

    def crowds(self, kept):
        """CBOW: some centres beside each other, then their common negatives."""
        setting = self.setting
        alone = setting.sharing == "pair" or setting.negatives < 16
        most = 1 if alone else min(setting.negatives // 8, 8)
        crowd = []
        for at in range(len(kept)):
            reach = self.reach(kept)
            stop = at if setting.direction == "past" else min(len(kept), at + reach + 1)
            around = range(max(0, at - reach), stop)
            there = [j for j in around if self.random.kept(np.float32(1 - setting.dropout))]
            found = [(kept[j], setting.decay ** (abs(j - at) - 1)) for j in there if j != at]
            if any(weight > 0 for _, weight in found):
                crowd.append((kept[at], found))
            if crowd and (len(crowd) == most or at + 1 == len(kept)):
                self.crowd(crowd)
                crowd = []

    def crowd(self, crowd):
        """All scores from what was there; then the negatives, then the centres one by one."""
        negatives, queries = self.targets(None)[1:], []
        for _, found in crowd:
            means = [weight * self.inputs[self.bag(row)].mean(axis=0) for row, weight in found]
            queries.append(np.sum(means, axis=0) / sum(weight for _, weight in found))
        gains = []
        for (centre, _), query in zip(crowd, queries, strict=True):
            targets = [centre, *negatives]
            gains.append(self.gains(self.outputs[targets] @ query, targets))
        own, gains, queries = np.array(gains)[:, 0], np.array(gains)[:, 1:], np.array(queries)
        change = np.zeros_like(queries)
        for block in self.blocks(negatives):
            change += gains[:, block] @ self.outputs[negatives[block]]
            np.add.at(self.outputs, negatives[block], gains[:, block].T @ queries)
        for c, (centre, found) in enumerate(crowd):
            change[c] += own[c] * self.outputs[centre]
            self.outputs[centre] += own[c] * queries[c]
            for row, weight in found:  # each row of a bag gets the whole change
                np.add.at(self.inputs, self.bag(row), weight * change[c])


@pytest.fixture(scope="session")
def plain():
    """The plain engine: plain(setting, rows, n_rows, seed, bags) has what training returns."""
    return Plain


@pytest.fixture(scope="session")
def xorshift():
    """The plain generator."""
    return Xorshift


@pytest.fixture
def agrees():
    """That trained tables, losses and pairs are those of the plain engine."""

    def check(tables, expected):
        assert tables.pairs == expected.pairs
        assert np.allclose(tables.losses, expected.losses, rtol=1e-5)
        for found, right in ((tables.outputs, expected.outputs), (tables.inputs, expected.inputs)):
            assert np.abs(found - right).max() < 1e-4 * np.abs(right).max()

    return check
