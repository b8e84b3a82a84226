"""Losses of pairs against slow formulas in NumPy: values, and gradients by finite differences."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from recembed.training.texts.contrast import Placed, loss_of, prefixes
from recembed.training.texts.tuning_settings import CoSENT, Softmax, Triplet

N, DIM = 5, 4
OWNER = np.array([0, 0, 3])  # pair 0 has two negatives, pairs 1, 2 and 4 have none
SCORES = np.array([0.5, 1.0, 0.5, 0.0, 0.25])
NOT_NEGATIVE, NOT_PARTNER = np.zeros((N, N + len(OWNER)), bool), np.zeros((N, N), bool)
NOT_NEGATIVE[[0, 2, 4], [3, 6, 0]] = True
NOT_PARTNER[[1, 3], [4, 0]] = True


def vectors():
    """First texts, second texts, negatives."""
    random = np.random.default_rng(0)
    return [random.normal(size=(n, DIM)) for n in (N, N, len(OWNER))]


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def cross_entropy(scores, wanted):
    return -np.log(np.exp(scores[wanted]) / sum(np.exp(score) for score in scores.values()))


def slow_softmax(first, second, negatives, temperature):
    candidates, total = [*second, *negatives], 0.0
    for i in range(N):
        there = {
            j: cosine(first[i], each) / temperature
            for j, each in enumerate(candidates)
            if not NOT_NEGATIVE[i, j]
        }
        back = {
            j: cosine(second[i], first[j]) / temperature for j in range(N) if not NOT_PARTNER[i, j]
        }
        total += cross_entropy(there, i) + cross_entropy(back, i)
    return total / (2 * N)


def slow_triplet(first, second, negatives, margin):
    missed = [
        max(0.0, margin - cosine(first[i], second[i]) + cosine(first[i], each))
        for i, each in zip(OWNER, negatives, strict=True)
    ]
    return sum(missed) / len(missed)


def slow_cosent(first, second, _, scale):
    cosines = [cosine(*each) for each in zip(first, second, strict=True)]
    wrong = [
        np.exp(scale * (cosines[j] - cosines[i]))
        for i in range(N)
        for j in range(N)
        if SCORES[i] > SCORES[j]
    ]
    return np.log(1 + sum(wrong))


CASES = [
    (Softmax(0.3), slow_softmax, 0.3),
    (Softmax(2.0), slow_softmax, 2.0),
    (Triplet(0.3), slow_triplet, 0.3),
    (Triplet(1.5), slow_triplet, 1.5),
    (CoSENT(20.0), slow_cosent, 20.0),
    (CoSENT(1.0), slow_cosent, 1.0),
]


def placed(first, second, negatives):
    """The same batch for us."""
    arrays = (OWNER, SCORES, NOT_NEGATIVE, NOT_PARTNER)
    return Placed(first, second, negatives, *map(torch.from_numpy, arrays))


def mine(loss, shortest=None):
    """Its value, and its gradients for all vectors."""
    leaves = [torch.from_numpy(each).requires_grad_() for each in vectors()]
    value = loss_of(placed(*leaves), loss, shortest)
    value.backward()
    grads = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    return value.item(), [each.numpy() for each in grads]


@pytest.mark.parametrize(("loss", "slow", "given"), CASES)
def test_a_loss_has_the_value_and_slopes_of_its_formula(loss, slow, given):
    arrays, step = vectors(), 1e-6
    value, slopes = mine(loss)
    assert value == pytest.approx(slow(*arrays, given), rel=1e-10)
    for array, slope in zip(arrays, slopes, strict=True):
        found = np.empty_like(array)
        for at in np.ndindex(array.shape):
            before = array[at]
            ends = []
            for move in (step, -step):
                array[at] = before + move
                ends.append(slow(*arrays, given))
            array[at] = before
            found[at] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(slope, found, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("loss", "slow", "given"), CASES)
def test_prefixes_are_losses_of_shorter_vectors(loss, slow, given):
    first, second, negatives = vectors()
    parts = [slow(first[:, :n], second[:, :n], negatives[:, :n], given) for n in (4, 2)]
    assert mine(loss, shortest=2)[0] == pytest.approx(sum(parts) / 2, rel=1e-10)


def test_prefixes_are_halves_down_to_the_shortest():
    assert prefixes(8, None) == [8]
    assert prefixes(8, 2) == [8, 4, 2]
    assert prefixes(100, 20) == [100, 50, 25]
    assert prefixes(8, 8) == prefixes(8, 5) == prefixes(8, 9) == [8]


def of(first, second, scores=None):
    """A batch without negatives or masks."""
    first, second = (torch.tensor(each, dtype=torch.float64) for each in (first, second))
    owner = torch.zeros(0, dtype=torch.int64)
    return Placed(first, second, first[:0], owner, None if scores is None else torch.tensor(scores))


def test_the_softmax_of_texts_at_right_angles():
    found = loss_of(of([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, 1.0]]), Softmax(0.5), None)
    assert found.item() == pytest.approx(np.log(1 + np.exp(-2)))  # one cosine is 1, the other 0


def test_cosent_looks_at_the_order_of_scores_alone():
    """Cosines .6 and .8 in the wrong order by .2, then in the right one."""
    first, second = [[1.0, 0.0], [1.0, 0.0]], [[0.6, 0.8], [0.8, 0.6]]
    for scores in ([1.0, 0.0], [5.0, 4.9]):
        found = loss_of(of(first, second, scores), CoSENT(20.0), None)
        assert found.item() == pytest.approx(np.log(1 + np.exp(4)))
    found = loss_of(of(first, second, [0.0, 1.0]), CoSENT(20.0), None)
    assert found.item() == pytest.approx(np.log(1 + np.exp(-4)))
    assert loss_of(of(first, second, [2.0, 2.0]), CoSENT(20.0), None).item() == 0


def test_what_is_no_negative_has_no_part_in_the_softmax():
    """Without its masked candidate a batch is the batch that never had it."""
    first, second, negatives = map(torch.from_numpy, vectors())
    whole = placed(first, second, negatives)
    kept = ~whole.not_negative[:, 5]
    whole.not_negative[:, 5] = True
    less = replace(
        whole,
        negatives=negatives[1:],
        owner=whole.owner[1:],
        not_negative=torch.cat([whole.not_negative[:, :5], whole.not_negative[:, 6:]], dim=1),
    )
    assert kept.any()
    torch.testing.assert_close(loss_of(whole, Softmax(), None), loss_of(less, Softmax(), None))


@pytest.mark.parametrize("loss", [Softmax(), Triplet(), CoSENT()])
def test_vectors_of_zeros_and_huge_ones_have_slopes_all_the_same(loss):
    leaves = [torch.from_numpy(each) for each in vectors()]
    leaves[0][1] = 0
    leaves[1][2] *= 1e6
    leaves[2][0] = 0
    for leaf in leaves:
        leaf.requires_grad_()
    loss_of(placed(*leaves), loss, None).backward()
    for leaf in leaves:
        assert leaf.grad is None or torch.isfinite(leaf.grad).all()


def test_where_no_negative_was_found_a_triplet_has_nothing_to_learn():
    batch = of([[1.0, 0.0]], [[0.0, 1.0]])
    batch.first.requires_grad_()
    found = loss_of(batch, Triplet(), None)
    found.backward()
    assert found.item() == 0
    assert not batch.first.grad.any()


def test_a_prefix_keeps_all_but_the_vectors():
    whole = placed(*map(torch.from_numpy, vectors()))
    cut = whole.prefix(2)
    assert cut.first.shape == (N, 2)
    torch.testing.assert_close(cut.first.norm(dim=1), torch.ones(N, dtype=torch.float64))
    for field in fields(Placed):
        if field.name not in ("first", "second", "negatives"):
            assert getattr(cut, field.name) is getattr(whole, field.name)
