"""The compiled kernel against the same algorithm in plain Python."""

import math

import numpy as np
import pytest

from recembed import seed as seeds
from recembed.data.sequences import Sequences
from recembed.training.sampler import AliasTable, keep_probability, negative_weights
from recembed.training.skipgram import SkipGram, train

WORD = 2**64 - 1
N, SEED = 9, 5
CORPUS = [[0, 1, 2, 3, 1, 0, 5], [], [4], [2, 6, 7, 2, 0, 3, 4, 4]]  # row 8 does not occur


class Xorshift:
    def __init__(self, state):
        self.state = int(state)

    def next(self):
        self.state ^= (self.state << 13) & WORD
        self.state ^= self.state >> 7
        self.state ^= (self.state << 17) & WORD
        return self.state

    def unit(self):
        return (self.next() >> 40) / 2**24

    def draw(self, alias):
        slot = ((self.next() >> 32) * len(alias.keep)) >> 32
        return slot if self.unit() < alias.keep[slot] else int(alias.other[slot])


def binned(score):
    """Scores are looked up at the middle of 1024 steps between -8 and 8."""
    step = math.floor((min(max(score, -7.9992), 7.9992) + 8) * 64)
    return (step + 0.5) / 64 - 8


def sigmoid(score):
    return 1 / (1 + math.exp(-binned(score)))


def loss_of(score):
    return math.log1p(math.exp(binned(score)))


def reference(setting):
    """Tables and mean losses after all epochs."""
    corpus = Sequences.of(CORPUS)
    counts = np.bincount(corpus.values, minlength=N)
    random = seeds.rng(SEED, "skipgram", "start")
    inputs = (random.random((N, setting.dim), np.float32).astype(float) - 0.5) / setting.dim
    outputs, losses = np.zeros((N, setting.dim)), []
    alias = AliasTable.of(negative_weights(counts, setting.exponent))
    keep = keep_probability(counts, setting.subsample)
    for epoch in range(setting.epochs):
        rate = setting.learning_rate * max(1 - epoch / setting.epochs, 1e-3)
        state = seeds.rng(SEED, "skipgram", epoch, 0).integers(1, 2**63, dtype=np.uint64)
        random, found = Xorshift(state), []
        for sentence in CORPUS:
            kept = [v for v in sentence if keep[v] >= 1 or random.unit() < keep[v]]
            for centre in range(len(kept)):
                window = setting.window or 10**6
                if setting.shrink and setting.window:
                    window = 1 + (random.next() >> 33) % window
                around = list(range(max(0, centre - window), centre))
                if setting.direction == "both":
                    around += range(centre + 1, min(len(kept), centre + window + 1))
                if not around:
                    continue
                targets = [kept[centre], *(random.draw(alias) for _ in range(setting.negatives))]
                found += update(inputs, outputs, targets, [kept[at] for at in around], rate)
        losses.append(sum(found) * (setting.negatives + 1) / len(found))  # a pair
    return inputs, outputs, losses


def update(inputs, outputs, targets, context, rate):
    """One centre: outputs as they were for all its pairs, inputs move pair by pair."""
    before = outputs[targets].copy()
    change, losses = np.zeros_like(before), []
    for row in context:
        x = inputs[row].copy()
        for k, target in enumerate(targets):
            if k > 0 and target == targets[0]:
                losses.append(0.0)
                continue
            score = float(x @ before[k])
            gain = rate * (sigmoid(-score) if k == 0 else -sigmoid(score))
            losses.append(loss_of(-score if k == 0 else score))
            inputs[row] += gain * before[k]
            change[k] += gain * x
    for k, target in enumerate(targets):
        outputs[target] += change[k]
    return losses


@pytest.mark.parametrize("direction", ["both", "past"])
@pytest.mark.parametrize("shrink", [True, False])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"window": None, "exponent": 0.75},
        {"window": 2, "subsample": 0.05, "exponent": -1.0},
        {"learning_rate": 0.8, "epochs": 1, "window": 9},  # scores run into the clip
    ],
)
def test_tables_and_losses_are_those_of_the_plain_algorithm(direction, shrink, values):
    setting = SkipGram(
        **{
            "dim": 8,
            "window": 3,
            "negatives": 3,
            "exponent": 0.0,
            "subsample": 0.0,
            "direction": direction,
            "shrink": shrink,
            "epochs": 3,
            "learning_rate": 0.3,
        }
        | values
    )
    tables = train(Sequences.of(CORPUS), N, setting, seed=SEED)
    inputs, outputs, losses = reference(setting)
    assert np.abs(outputs).max() > 0.05
    assert np.allclose(tables.inputs, inputs, rtol=1e-4, atol=2e-5)
    assert np.allclose(tables.outputs, outputs, rtol=1e-4, atol=2e-5)
    assert np.allclose(tables.losses, losses, rtol=1e-4)
    assert not tables.outputs[8].any()
