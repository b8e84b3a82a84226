"""What training tends to is known in closed form: shared and exact negatives both get there.

With as many dimensions as rows the scores are free, and each has a best value. For the logistic
loss, a pair (x, y) that occurs a times and is drawn as a negative b times costs least at
log(a / b) (Levy, Goldberg 2014); for the softmax the best loss is the entropy of y given x.
A gap is the share of what there is to learn that was not learned: 1 for tables of zeros.
"""

from dataclasses import replace

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.training import skipgram
from recembed.training.skipgram import SkipGram, train

N, LENGTH, SENTENCES = 60, 20, 3000
SETTING = SkipGram(
    dim=N,
    window=2,
    negatives=5,
    exponent=0.75,
    subsample=0.0,
    direction="both",
    shrink=False,
    epochs=20,
    learning_rate=0.03,
)


@pytest.fixture(scope="module")
def corpus():
    """Walks of a Markov chain: rows by Zipf's law, eight times more often within the own sixth."""
    random, rows = np.random.default_rng(0), np.arange(N)
    step = (rows[None, :] - rows[:, None]) % 6
    jump = np.where(step == 0, 8, np.where(step == 1, 3, 1)) / (1 + rows)
    upto = np.cumsum(jump / jump.sum(axis=1, keepdims=True), axis=1)
    at, walks = np.zeros(SENTENCES, np.int64), []
    for _ in range(LENGTH):
        at = np.minimum((upto[at] < random.random((SENTENCES, 1))).sum(axis=1), N - 1)
        walks.append(at)
    values = np.stack(walks, axis=1).astype(np.int32).ravel()
    return Sequences(values, np.arange(0, len(values) + 1, LENGTH))


def occurrences(corpus, setting):
    """How often each row has each row in its window, [n_rows, n_rows]."""
    found, walks = np.zeros((N, N)), corpus.values.reshape(-1, LENGTH)
    for distance in range(1, setting.window + 1):
        np.add.at(found, (walks[:, :-distance], walks[:, distance:]), 1)
    return found if setting.direction == "past" else found + found.T


def logistic(scores, true, drawn):
    return (true * np.logaddexp(0, -scores) + drawn * np.logaddexp(0, scores)).sum()


def softmax(scores, true, _):
    top = scores.max(axis=1, keepdims=True)
    shares = np.exp(scores - top)
    return (true * (top + np.log(shares.sum(axis=1, keepdims=True)) - scores)).sum()


def gap(tables, corpus, setting):
    true = occurrences(corpus, setting)
    chance = np.bincount(corpus.values, minlength=N) ** setting.exponent
    # the positive itself is no negative
    drawn = setting.negatives * chance / chance.sum() * (true.sum(axis=1, keepdims=True) - true)
    cost = logistic if setting.loss == "logistic" else softmax
    base = drawn if cost is logistic else 1
    best = np.log(np.where(true > 0, true, 1e-9) / base)
    least, most = cost(best, true, drawn), cost(np.zeros((N, N)), true, drawn)
    scores = tables.inputs.astype(np.float64) @ tables.outputs.T.astype(np.float64)
    return (cost(scores, true, drawn) - least) / (most - least)


def near(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.argsort(-(unit @ unit.T), axis=1)[:, 1:9]


def agreement(one, other):
    """Mean share of the eight nearest rows that two tables have in common."""
    both = zip(near(one), near(other), strict=True)
    return np.mean([len(np.intersect1d(a, b)) / 8 for a, b in both])


@pytest.mark.parametrize("direction", ["both", "past"])
@pytest.mark.parametrize(("loss", "most"), [("logistic", 0.01), ("softmax", 0.02)])
def test_shared_negatives_learn_what_negatives_of_each_pair_learn(corpus, direction, loss, most):
    """What is left is the noise of the last steps; five negatives bias the softmax besides."""
    setting = replace(SETTING, direction=direction, loss=loss)
    fast = train(corpus, N, setting, seed=1)
    exact = train(corpus, N, replace(setting, sharing="pair"), seed=2)
    gaps = [gap(tables, corpus, setting) for tables in (fast, exact)]
    assert 0 < min(gaps) <= max(gaps) < most
    assert abs(gaps[0] - gaps[1]) < 0.003
    assert fast.pairs == exact.pairs
    assert agreement(fast.inputs, exact.inputs) > 0.9
    assert agreement(fast.outputs, exact.outputs) > 0.9


def test_two_threads_learn_it_as_well(corpus, monkeypatch):
    monkeypatch.setattr(skipgram, "CHUNK", 1000)
    assert gap(train(corpus, N, SETTING, threads=2), corpus, SETTING) < 0.01


@pytest.mark.parametrize("negatives", [5, 27])  # of each centre's own, and of three neighbours
def test_cbow_of_one_item_before_is_a_model_of_pairs(corpus, negatives):
    values = {"window": 1, "direction": "past", "negatives": negatives, "epochs": 30}
    setting = replace(SETTING, architecture="cbow", **values)
    assert gap(train(corpus, N, setting), corpus, setting) < 0.02
