"""What tuning learns from planted topics."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.protocols import Machine
from recembed.training.texts.packed import Packed
from recembed.training.texts.pairs import PairRows
from recembed.training.texts.tuning import tune
from recembed.training.texts.tuning_settings import (
    Auto,
    CoSENT,
    Mining,
    Softmax,
    Triplet,
    Tuning,
    decided,
)

TOPICS, WORDS, COMMON, DIM = 8, 12, 6, 16
MACHINE = Machine(threads=1, device="cpu")
SMALL = Tuning(epochs=4, batch_size=16, learning_rate=0.05)


class Bag(nn.Module):
    """The mean of the vectors of a text's tokens."""

    def __init__(self, n=TOPICS * WORDS + COMMON):
        super().__init__()
        drawn = torch.Generator().manual_seed(3)
        self.table = nn.Parameter(0.3 * torch.randn(n, DIM, generator=drawn))

    def forward(self, packed):
        x = F.dropout(F.embedding(packed.rows, self.table), 0.2, self.training)
        sizes = np.maximum(np.diff(packed.offsets), 1).astype(np.float32)
        sums = torch.zeros(len(packed), DIM).index_add(0, packed.owner, x)
        return sums / torch.from_numpy(sizes)[:, None]


def corpus(n, seed=0):
    """n texts: two words of a topic, three that all topics have. And their topics."""
    random = np.random.default_rng(seed)
    topics = random.integers(0, TOPICS, n)
    own = topics[:, None] * WORDS + random.integers(0, WORDS, (n, 2))
    common = TOPICS * WORDS + random.integers(0, COMMON, (n, 3))
    return Sequences.of(np.concatenate([own, common], axis=1).tolist()), topics


def vectors(network, texts):
    """Of length 1."""
    network.eval()
    with torch.no_grad():
        return F.normalize(network(Packed.of(texts, torch.device("cpu")))).numpy()


def agreement(network, dim=DIM):
    """Share of new texts whose nearest other one is of their topic; by chance it is 1 in 8."""
    texts, topics = corpus(300, seed=9)
    found = vectors(network, texts)[:, :dim]
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosines = found @ found.T
    np.fill_diagonal(cosines, -np.inf)
    return float((topics[cosines.argmax(axis=1)] == topics).mean())


def topical(n=400, kind="pairs", seed=1):
    """Pairs of a topic; with a negative of another one; or any pairs, with a score."""
    texts, topics = corpus(2 * n, seed)
    random = np.random.default_rng(seed)
    first = random.integers(0, len(texts), n)
    alike = [random.choice(np.flatnonzero(topics == topics[row])) for row in first]
    other = np.array([random.choice(np.flatnonzero(topics != topics[row])) for row in first])
    if kind == "triplets":
        return PairRows(texts, first, np.array(alike), other)
    if kind == "scores":
        same = random.random(n) < 0.3
        scores = (same + 0.1 * random.random(n)).astype(np.float32)
        return PairRows(texts, first, np.where(same, alike, other), scores=scores)
    return PairRows(texts, first, np.array(alike))


def tuned(pairs, setting=SMALL, **more):
    """A network that was tuned, and how that went."""
    network = Bag()
    return network, tune(network, pairs, setting, machine=MACHINE, **more)


BEFORE = agreement(Bag())


@pytest.mark.parametrize(
    ("kind", "loss", "least"),
    [
        ("pairs", Auto(), 0.95),
        ("pairs", Softmax(temperature=0.2), 0.95),
        ("triplets", Auto(), 0.95),
        ("triplets", Triplet(), 0.9),
        ("scores", Auto(), 0.7),
        ("scores", CoSENT(scale=5.0), 0.8),
    ],
)
def test_planted_topics_are_learned(kind, loss, least):
    network, training = tuned(topical(kind=kind), replace(SMALL, loss=loss))
    assert BEFORE < 0.4
    assert agreement(network) > least
    assert (training.epochs, training.steps, training.ended) == (4, 100, "complete")


def test_a_text_and_itself_teach_that_common_words_say_little():
    """Dropout makes two of one text; what tells texts apart grows, and what all have does not."""
    texts, _ = corpus(400, seed=1)
    network, training = tuned(PairRows.themselves(texts))
    lengths = network.table.detach().norm(dim=1)
    assert agreement(network) > BEFORE + 0.2
    assert lengths[TOPICS * WORDS :].mean() < 0.8 * lengths[: TOPICS * WORDS].mean()
    assert training.of == 4


def test_the_first_numbers_of_a_vector_are_one_by_themselves():
    """Four numbers hardly tell eight topics apart, unless they are told to."""
    whole, _ = tuned(topical())
    short, _ = tuned(topical(), replace(SMALL, shortest=4))
    assert agreement(short) > 0.95
    assert agreement(short, 4) > agreement(whole, 4) + 0.05


def test_known_partners_are_nobody_s_negatives():
    """All first texts share one second: there is nothing to tell it from, and nothing moves."""
    texts, _ = corpus(20)
    pairs = PairRows(texts, np.arange(1, 20), np.zeros(19, np.int64))
    still = replace(SMALL, weight_decay=0.0, batch_size=64)
    network, _ = tuned(PairRows(texts, pairs.second, pairs.first), still)
    assert torch.equal(network.table, Bag().table)
    network, _ = tuned(replace_last(pairs), still)
    assert not torch.equal(network.table, Bag().table)


def replace_last(pairs):
    """The last pair has another second text."""
    second = pairs.second.copy()
    second[-1] = 5
    return replace(pairs, second=second)


def test_equal_texts_are_nobody_s_negatives_either():
    texts = Sequences.of([[1, 2], [1, 2], [1, 2], [3], [3]])
    pairs = PairRows(texts, np.array([0, 1, 2]), np.array([3, 4, 3]))
    network, _ = tuned(pairs, replace(SMALL, weight_decay=0.0))
    assert torch.equal(network.table, Bag().table)


def halves(n, seed):
    """n texts: four words of a subject, one of its half alone. And their halves, 2 x 20."""
    random = np.random.default_rng(seed)
    half = random.integers(0, 40, n)
    own = half // 2 * 10 + 2 + half % 2 * 4 + random.integers(0, 4, (1, n))
    shared = half // 2 * 10 + random.integers(0, 2, (4, n))
    return Sequences.of(np.concatenate([own, shared]).T.tolist()), half


def half_found(setting):
    """Share of new texts whose nearest is of their half, after tuning on pairs of a half."""
    (texts, half), random = halves(600, 1), np.random.default_rng(1)
    first = random.integers(0, 600, 300)
    second = np.array([random.choice(np.flatnonzero(half == half[row])) for row in first])
    network = Bag(200)
    tune(network, PairRows(texts, first, second), setting, machine=MACHINE)
    texts, half = halves(300, 9)
    found = vectors(network, texts)
    cosines = found @ found.T
    np.fill_diagonal(cosines, -np.inf)
    return float((half[cosines.argmax(axis=1)] == half).mean())


def test_mined_negatives_teach_what_a_small_batch_seldom_has():
    """The other half of a subject is one text in forty, and the nearest that is no partner."""
    small = replace(SMALL, batch_size=4)
    plain, mined = half_found(small), half_found(replace(small, mining=Mining(every=1)))
    assert mined > max(0.9, plain + 0.03)


def test_negatives_are_mined_anew_every_so_many_epochs():
    once, _ = tuned(topical(n=60), replace(SMALL, mining=Mining(every=4)))
    often, _ = tuned(topical(n=60), replace(SMALL, mining=Mining(every=1)))
    never, _ = tuned(topical(n=60))
    assert len({each.table.detach().numpy().tobytes() for each in (once, often, never)}) == 3


def test_triplets_may_be_mined():
    setting = replace(SMALL, loss=Triplet(), mining=Mining(every=1))
    network, _ = tuned(topical(), setting)
    assert agreement(network) > 0.8


@pytest.mark.parametrize(
    ("kind", "setting", "message"),
    [
        ("pairs", Tuning(loss=CoSENT()), "needs pairs with scores: set tune.loss=softmax"),
        ("scores", Tuning(loss=Softmax()), "loss=softmax takes pairs that belong together"),
        ("scores", Tuning(loss=Triplet()), "loss=triplet takes pairs that belong together"),
        ("pairs", Tuning(loss=Triplet()), "loss=triplet needs a negative for each pair"),
        ("scores", Tuning(mining=Mining(every=1)), "loss=cosent takes no negatives"),
    ],
)
def test_pairs_that_do_not_fit_their_loss_are_refused(kind, setting, message):
    with pytest.raises(DataError, match=message):
        tuned(topical(n=20, kind=kind), setting)


def test_scores_that_are_all_one_are_refused():
    pairs = replace(topical(n=20), scores=np.ones(20, np.float32))
    with pytest.raises(DataError, match="scores of the pairs are all alike: leave"):
        tuned(pairs)


def test_scores_beside_negatives_are_refused():
    pairs = replace(topical(n=20, kind="scores"), negatives=np.zeros(20, np.int64))
    with pytest.raises(DataError, match="leave them, or the scores, out"):
        tuned(pairs)


def test_auto_looks_at_the_scores():
    assert decided(SMALL, None).loss == Softmax()
    assert decided(SMALL, None, negatives=True).loss == Softmax()
    assert decided(SMALL, np.array([1, 2], np.float32)).loss == CoSENT()
    assert decided(replace(SMALL, loss=Softmax(0.1)), None).loss == Softmax(0.1)
