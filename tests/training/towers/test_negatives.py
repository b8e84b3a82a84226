"""Negatives: where they come from, and that their correction makes a sample stand for all."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recembed.training.towers import losses
from recembed.training.towers.losses import Candidates, Targets
from recembed.training.towers.negatives import Negatives
from recembed.training.towers.settings import BCE, FullSoftmax, InBatch, SampledSoftmax

COUNTS = np.array([40, 1, 3, 10, 2, 25, 5, 1, 7, 6])
TARGETS = np.repeat(np.arange(10), COUNTS)  # a batch with exactly the shares of the log
MANY = 40_000


def drawn(loss, targets=TARGETS, seed=0):
    return Negatives.of(loss, COUNTS).draw(targets, np.random.default_rng(seed))


def test_losses_that_share_no_negatives_have_none():
    assert Negatives.of(FullSoftmax(), COUNTS) is None
    assert Negatives.of(BCE(), COUNTS) is None


@pytest.mark.parametrize(
    ("loss", "chance"),
    [
        (SampledSoftmax(negatives=MANY, popular=0.0), np.full(10, 0.1)),
        (SampledSoftmax(negatives=MANY, popular=1.0), COUNTS / 100),
        (
            SampledSoftmax(negatives=MANY, popular=1.0, exponent=0.5),
            COUNTS**0.5 / (COUNTS**0.5).sum(),
        ),
        (SampledSoftmax(negatives=MANY, popular=0.0, batch=1.0), COUNTS / 100),
        (
            SampledSoftmax(negatives=MANY, popular=0.5, batch=0.2, exponent=0.0),
            0.8 * 0.1 + 0.2 * COUNTS / 100,
        ),
    ],
    ids=["uniform", "popular", "exponent", "batch", "mixed"],
)
def test_each_item_comes_as_often_as_its_sources_say(loss, chance):
    found = drawn(loss)
    assert found.rows.shape == (MANY,)
    times = np.bincount(found.rows, minlength=10)
    assert (abs(times - MANY * chance) < 5 * np.sqrt(MANY * chance)).all()
    np.testing.assert_allclose(found.correction, -np.log(MANY * chance[found.rows]), rtol=1e-5)


def test_the_batch_gives_only_what_it_holds():
    assert set(
        drawn(SampledSoftmax(negatives=100, popular=0.0, batch=1.0), np.array([3, 8])).rows
    ) == {3, 8}


def test_without_correction_scores_are_left_as_they_are():
    assert drawn(SampledSoftmax(negatives=9, correct=False)).correction is None


def gradients(of):
    """Of the loss of ten queries by each item's table row and each query, flat."""
    random = torch.Generator().manual_seed(3)
    query = torch.randn(10, 6, generator=random, dtype=torch.float64).requires_grad_()
    table = torch.randn(10, 6, generator=random, dtype=torch.float64).requires_grad_()
    of(query, table).backward()
    return torch.cat([query.grad.ravel(), table.grad.ravel()]).numpy()


def full(query, table):
    return F.cross_entropy(query @ table.T, torch.arange(10))


def sampled(found):
    """The sampled softmax of ten queries, each with an item of its own for its target."""

    def loss(query, table):
        at, rows = torch.arange(10), torch.from_numpy(found.rows)
        shift = None if found.correction is None else torch.from_numpy(found.correction).double()
        candidates = Candidates(table[rows], shift, rows)
        return losses.sampled_softmax(
            query, candidates, Targets(at, at, (query * table).sum(dim=1))
        )

    return loss


def error(found):
    right = gradients(full)
    return np.linalg.norm(gradients(sampled(found)) - right) / np.linalg.norm(right)


SOURCES = {
    "uniform": {"popular": 0.0},
    "popular": {"popular": 1.0},
    "flat": {"popular": 1.0, "exponent": 0.4},
    "batch": {"popular": 0.0, "batch": 1.0},
    "mixed": {"popular": 0.5, "batch": 0.3},
}


@pytest.mark.parametrize("name", SOURCES)
def test_many_corrected_negatives_have_the_gradient_of_all_items(name):
    assert error(drawn(SampledSoftmax(negatives=MANY, **SOURCES[name]))) < 0.03


@pytest.mark.parametrize("name", ["popular", "flat", "batch", "mixed"])
def test_uncorrected_ones_have_not_even_when_scaled_to_the_catalogue(name):
    found = drawn(SampledSoftmax(negatives=MANY, **SOURCES[name], correct=False))
    uniform = np.full(MANY, -np.log(MANY / 10))
    assert error(type(found)(found.rows, uniform)) > 0.1


@pytest.mark.parametrize("name", SOURCES)
def test_few_corrected_negatives_have_it_on_the_mean_of_many_draws(name):
    negatives = Negatives.of(SampledSoftmax(negatives=400, **SOURCES[name]), COUNTS)
    random = np.random.default_rng(5)
    mean = np.mean(
        [gradients(sampled(negatives.draw(TARGETS, random))) for _ in range(100)], axis=0
    )
    right = gradients(full)
    assert np.linalg.norm(mean - right) / np.linalg.norm(right) < 0.05


@pytest.mark.parametrize("correct", [True, False])
def test_in_batch_is_the_softmax_over_all_targets_of_the_batch(correct):
    targets = np.array([3, 3, 0, 8, 3, 0])
    found = drawn(InBatch(correct=correct), targets)
    assert found.rows.tolist() == [0, 3, 8]
    random = torch.Generator().manual_seed(0)
    query = torch.randn(6, 4, generator=random, dtype=torch.float64)
    table = torch.randn(10, 4, generator=random, dtype=torch.float64)
    wanted, rows = torch.from_numpy(targets), torch.from_numpy(found.rows)
    mine = losses.sampled_softmax(
        query,
        Candidates(table[rows], torch.from_numpy(found.correction).double(), rows),
        Targets(torch.arange(6), wanted, (query * table[wanted]).sum(dim=1)),
    )
    expected = []
    for i, target in enumerate(targets):
        own, rest = float(query[i] @ table[target]), 0.0
        for other in targets:
            if other != target:
                score = float(query[i] @ table[other])
                rest += np.exp(score) / (6 * COUNTS[other] / 100 if correct else 1)
        expected.append(np.log(np.exp(own) + rest) - own)
    assert float(mine) == pytest.approx(np.mean(expected))


def test_a_seed_draws_the_same_and_another_does_not():
    loss = SampledSoftmax(negatives=50, popular=0.4, batch=0.2)
    one, again, other = drawn(loss), drawn(loss), drawn(loss, seed=1)
    assert one.rows.tolist() == again.rows.tolist()
    assert one.rows.tolist() != other.rows.tolist()
