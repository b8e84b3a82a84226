"""Losses against their naive forms in float64: values, and gradients by autograd."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from recembed.training.towers import losses
from recembed.training.towers.exponentials import exponentials
from recembed.training.towers.losses import Candidates, Targets

OWNER = torch.tensor([0, 0, 1, 3, 3, 3, 4, 6])  # queries 2 and 5 have no target
WANTED = torch.tensor([2, 5, 0, 10, 10, 1, 7, 3])  # one target stands twice
DRAWN = torch.tensor([1, 2, 3, 3, 10, 0, 8])  # hits of most targets, and one item twice
CHUNKS = pytest.mark.parametrize("chunk", [1, 30, 1 << 20])  # one query, a few, all at a time


def leaves(n_queries=7, n_items=11, dim=4, dtype=torch.float64):
    """Queries, table and a bias of items."""
    random = torch.Generator().manual_seed(0)
    shapes = ((n_queries, dim), (n_items, dim), (n_items,))
    return [torch.randn(shape, generator=random, dtype=dtype).requires_grad_() for shape in shapes]


def targets_of(query, table, bias):
    scores = (query[OWNER] * table[WANTED]).sum(dim=1) + bias[WANTED]
    return Targets(OWNER, WANTED, scores)


def cut(monkeypatch, chunk):
    monkeypatch.setattr(losses, "CHUNK", dict.fromkeys(losses.CHUNK, chunk))
    monkeypatch.setattr(losses, "LIMIT", chunk)


def agree(mine, naive, **far):
    """Both functions of fresh leaves have one value and the same gradients."""
    found, expected = leaves(), leaves()
    loss, other = mine(*found), naive(*expected)
    torch.testing.assert_close(loss, other, **far)
    (3 * loss).backward()
    (3 * other).backward()
    for one, two in zip(found, expected, strict=True):
        zero = torch.zeros_like(one)
        torch.testing.assert_close(zero if one.grad is None else one.grad,
                                   zero if two.grad is None else two.grad, **far)  # fmt: skip


def negatives(query, table, bias, correction):
    """Scores of each target's negatives, its hits at -inf, [n_targets, m]."""
    scores = query[OWNER] @ table[DRAWN].T + bias[DRAWN] + correction
    return scores.masked_fill(WANTED[:, None] == DRAWN, -torch.inf)


CORRECTION = torch.linspace(-1, 2, len(DRAWN), dtype=torch.float64)


def candidates_of(table, bias):
    return Candidates(table[DRAWN], bias[DRAWN] + CORRECTION, DRAWN)


@CHUNKS
def test_the_full_softmax_is_cross_entropy(monkeypatch, chunk):
    cut(monkeypatch, chunk)

    def mine(query, table, bias):
        found = targets_of(query, table, bias)
        return losses.full_softmax(query, Candidates(table, bias), found)

    def naive(query, table, bias):
        return F.cross_entropy((query @ table.T + bias)[OWNER], WANTED)

    agree(mine, naive)


RAISED = torch.tensor(
    [[0, 0, 1, 3, 4, 6], [1, 10, 3, 4, 0, 8], [0.5, -torch.inf, 2, 1.5, 3, -torch.inf]]
)


@CHUNKS
def test_scores_of_single_queries_are_raised_and_some_items_cannot_be(monkeypatch, chunk):
    cut(monkeypatch, chunk)
    added = torch.zeros(7, 11, dtype=torch.float64)
    added[RAISED[0].long(), RAISED[1].long()] = RAISED[2].double()

    def mine(query, table, bias):
        found = targets_of(query, table, bias)
        raised = losses.Raised(RAISED[0].long(), RAISED[1].long(), RAISED[2].double())
        return losses.full_softmax(query, Candidates(table, bias, raised=raised), found)

    def naive(query, table, bias):
        scores = query @ table.T + bias
        total = (scores + added).logsumexp(dim=1)
        return (total[OWNER] - scores[OWNER, WANTED]).mean()

    agree(mine, naive)


@CHUNKS
def test_negatives_are_raised_too(monkeypatch, chunk):
    cut(monkeypatch, chunk)
    query_of, at = torch.tensor([0, 1, 1, 5]), torch.tensor([0, 1, 4, 6])
    by = torch.tensor([0.5, -torch.inf, 2.0, -torch.inf], dtype=torch.float64)
    added = torch.zeros(len(OWNER), len(DRAWN), dtype=torch.float64)
    added[query_of, at] = by

    def mine(query, table, bias):
        found, drawn = targets_of(query, table, bias), candidates_of(table, bias)
        raised = losses.Raised(query_of, at, by)
        return losses.sampled_softmax(query, replace(drawn, raised=raised), found)

    def naive(query, table, bias):
        others = negatives(query, table, bias, CORRECTION) + added
        mine = targets_of(query, table, bias).scores
        return F.cross_entropy(torch.cat([mine[:, None], others], dim=1), torch.zeros_like(WANTED))

    agree(mine, naive)


def test_without_a_bias_nothing_is_added():
    def mine(query, table, bias):
        found = targets_of(query, table, 0 * bias)
        return losses.full_softmax(query, Candidates(table), found)

    agree(mine, lambda query, table, _: F.cross_entropy((query @ table.T)[OWNER], WANTED))


@CHUNKS
@pytest.mark.parametrize("hardest", [None, 2, 7, 99])
def test_the_sampled_softmax_is_cross_entropy_over_the_target_and_its_negatives(
    monkeypatch, chunk, hardest
):
    cut(monkeypatch, chunk)

    def mine(query, table, bias):
        found = targets_of(query, table, bias)
        return losses.sampled_softmax(query, candidates_of(table, bias), found, hardest)

    def naive(query, table, bias):
        others = negatives(query, table, bias, CORRECTION)
        if hardest is not None:
            others = others.sort(dim=1, descending=True).values[:, :hardest]
        mine = targets_of(query, table, bias).scores
        return F.cross_entropy(torch.cat([mine[:, None], others], dim=1), torch.zeros_like(WANTED))

    agree(mine, naive)


def test_the_gradient_is_that_of_the_log_q_paper():
    """(1 - p) x (score - log of the summed corrected negatives), no gradient through 1 - p."""

    def mine(query, table, bias):
        found = targets_of(query, table, bias)
        return losses.sampled_softmax(query, candidates_of(table, bias), found)

    def paper(query, table, bias):
        scores = targets_of(query, table, bias).scores
        rest = negatives(query, table, bias, CORRECTION).logsumexp(dim=1)
        weight = 1 - (scores - torch.logaddexp(scores, rest)).exp()
        return -(weight.detach() * (scores - rest)).mean()

    found, expected = leaves(), leaves()
    mine(*found).backward()
    paper(*expected).backward()
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one.grad, two.grad)


@CHUNKS
@pytest.mark.parametrize("power", [1.0, 0.3])
def test_gbce_is_the_log_likelihood_of_its_paper(monkeypatch, chunk, power):
    """-log(sigmoid(score) ** beta) - sum of log(1 - sigmoid(negative))."""
    cut(monkeypatch, chunk)

    def mine(query, table, bias):
        found = targets_of(query, table, bias)
        return losses.logistic(query, candidates_of(table, bias), found, power)

    def naive(query, table, bias):
        positive = (targets_of(query, table, bias).scores.sigmoid() ** power).log()
        other = (1 - negatives(query, table, bias, CORRECTION).sigmoid()).log()
        return -(positive + other.sum(dim=1)).mean()

    agree(mine, naive)


def test_in_groups_each_few_targets_have_negatives_of_their_own():
    """Five targets in twos, three negatives for each two."""
    query, table, bias = leaves()
    found, shift = targets_of(query, table, bias), torch.arange(9.0, dtype=query.dtype) / 9
    candidates = Candidates(table[torch.arange(9) % len(table)], shift, torch.arange(9))
    five = Targets(found.owner[:5], found.rows[:5], found.scores[:5])
    expected = 0.0
    for at in range(5):
        part = slice(3 * (at // 2), 3 * (at // 2) + 3)
        negatives = Candidates(candidates.vectors[part], shift[part], candidates.rows[part])
        one = Targets(five.owner[at : at + 1], five.rows[at : at + 1], five.scores[at : at + 1])
        expected += losses.logistic(query, negatives, one, 0.4) / 5
    mine = losses.logistic_in_groups(query, candidates, five, 0.4, 2)
    torch.testing.assert_close(mine, expected)


@given(st.integers(1, 500), st.integers(2, 500), st.floats(0, 1))
def test_gbce_s_power_is_that_of_its_paper(negatives, n_items, calibration):
    alpha = min(1.0, negatives / (n_items - 1))
    expected = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    assert losses.calibrated(negatives, n_items, calibration) == pytest.approx(expected)


def test_gbce_s_power_runs_from_plain_to_the_share_that_is_drawn():
    assert losses.calibrated(25, 101, 0.0) == 1
    assert losses.calibrated(25, 101, 1.0) == 0.25
    assert losses.calibrated(25, 101, 0.75) == pytest.approx(0.4375)  # 1 - .75 * (1 - .25)
    assert losses.calibrated(25, 1, 0.75) == 1  # one item: nothing is left out


def test_one_negative_is_binary_cross_entropy_of_both():
    scores, other = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.1, 3.0, -7.0])
    found = losses.one_negative(Targets(OWNER[:3], WANTED[:3], scores), other)
    both = F.binary_cross_entropy_with_logits
    expected = both(scores, torch.ones(3)) + both(other, torch.zeros(3))
    torch.testing.assert_close(found, expected)


def single(score, rows, shift=None, kind=torch.float32):
    """One query, one target with this score, and negatives that score as much."""
    query = torch.ones(1, 1, dtype=kind, requires_grad=True)
    table = torch.full((len(rows), 1), score, dtype=kind, requires_grad=True)
    at = torch.zeros(1, dtype=torch.int64)
    target = Targets(at, at, (query * score)[:, 0])
    return query, table, Candidates(table, shift, torch.tensor(rows)), target


def test_where_all_negatives_are_the_target_there_is_nothing_to_learn():
    query, table, candidates, target = single(2.0, [0, 0, 0])
    loss = losses.sampled_softmax(query, candidates, target)
    loss.backward()
    assert loss == 0
    assert query.grad == 0
    assert not table.grad.any()
    query, _, candidates, target = single(2.0, [0, 0, 0])
    loss = losses.logistic(query, candidates, target)
    assert loss.item() == pytest.approx(np.log1p(np.exp(-2)))


def test_with_one_item_there_is_nothing_to_learn():
    query, _, candidates, target = single(2.0, [0])
    loss = losses.full_softmax(query, candidates, target)
    loss.backward()
    assert loss == 0
    assert query.grad == 0


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["full_softmax", "sampled_softmax", "logistic"])
def test_huge_scores_neither_overflow_nor_vanish(name, sign):
    query, table, bias = (leaf.detach().requires_grad_() for leaf in leaves(dtype=torch.float32))
    with torch.no_grad():
        query *= 100 * sign
        table *= 100
    whole = Candidates(table, bias, torch.arange(11))
    found = targets_of(query, table, bias)
    assert found.scores.abs().max() > 1e4
    loss = getattr(losses, name)(query, whole, found)
    loss.backward()
    exact = (query.double() @ table.double().T + bias.double())[OWNER]
    if name == "logistic":
        wanted = exact[torch.arange(8), WANTED]
        rest = F.softplus(exact).sum(dim=1) - F.softplus(wanted)
        expected = (rest + F.softplus(-wanted)).mean()
    else:
        expected = F.cross_entropy(exact, WANTED)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-2)
    for leaf in (query, table, bias):
        assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("name", ["full_softmax", "sampled_softmax", "logistic"])
@pytest.mark.parametrize("broken", [0, 1])  # a query, an item that is nobody's target
def test_a_nan_is_seen_in_the_loss(name, broken):
    query, table, bias = (leaf.detach() for leaf in leaves(dtype=torch.float32))
    (query, table)[broken][4, 0] = torch.nan
    loss = getattr(losses, name)(
        query, Candidates(table, bias, torch.arange(11)), targets_of(query, table, bias)
    )
    assert torch.isnan(loss)


class Sizes(TorchDispatchMode):
    """The largest tensor that anything returns."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            self.most = max(self.most, found.numel())
        return found


@pytest.mark.parametrize("name", ["full_softmax", "sampled_softmax", "logistic"])
def test_positions_by_items_never_stand_in_memory(monkeypatch, name):
    cut(monkeypatch, 10_000)
    query, table = torch.randn(300, 2), torch.randn(400, 2, requires_grad=True)
    at = torch.arange(300)
    found = Targets(at, at, (query * table[at]).sum(dim=1))
    with Sizes() as sizes:
        getattr(losses, name)(query, Candidates(table, None, torch.arange(400)), found).backward()
    assert 5_000 < sizes.most <= 10_000  # 120,000 scores in all


@pytest.mark.parametrize("name", ["full_softmax", "sampled_softmax", "logistic"])
def test_in_bfloat16_a_loss_is_near_and_its_gradients_are_float32(name):
    def run(lower):
        query, table, bias = leaves(dtype=torch.float32)
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            found = targets_of(query, table, bias)
            whole = Candidates(table, bias, torch.arange(11))
            loss = getattr(losses, name)(query.bfloat16() if lower else query, whole, found)
        loss.backward()
        return loss, query.grad, table.grad, bias.grad

    for one, two in zip(run(True), run(False), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, two, rtol=0.05, atol=0.05)


@given(st.integers(1, 5), st.integers(1, 40), st.floats(0.1, 60), st.integers(0, 99))
def test_exponentials_are_those_of_float64(n, m, size, seed):
    scores = torch.from_numpy(
        (np.random.default_rng(seed).normal(size=(n, m)) * size).astype(np.float32)
    )
    scores[0, 0] = -torch.inf if m > 1 else 0
    wide = scores.double()
    expected = (wide - wide.amax(dim=1, keepdim=True)).exp()
    top, total = exponentials(scores)
    assert torch.equal(top.double(), wide.amax(dim=1))
    torch.testing.assert_close(scores.double(), expected, rtol=3e-5, atol=1e-30)
    torch.testing.assert_close(total.double(), expected.sum(dim=1), rtol=1e-5, atol=0)


@given(st.integers(1, 5), st.integers(1, 40), st.floats(0.1, 60), st.integers(0, 99))
def test_exponentials_in_bfloat16_are_rounded_but_not_their_sum(n, m, size, seed):
    random = np.random.default_rng(seed)
    scores = torch.from_numpy((random.normal(size=(n, m)) * size).astype(np.float32)).bfloat16()
    scores[0, 0] = -torch.inf if m > 1 else 0
    wide = scores.double()
    expected = (wide - wide.amax(dim=1, keepdim=True)).exp()
    top, total = exponentials(scores)
    assert scores.dtype == torch.bfloat16
    assert top.dtype == total.dtype == torch.float32
    assert torch.equal(top.double(), wide.amax(dim=1))
    torch.testing.assert_close(scores.double(), expected, rtol=2**-8, atol=1e-30)
    torch.testing.assert_close(total.double(), expected.sum(dim=1), rtol=1e-5, atol=0)


def test_a_nan_in_bfloat16_stays_one():
    scores = torch.tensor([[1.0, torch.nan, 2.0]]).bfloat16()
    _, total = exponentials(scores)
    assert total.isnan().all()
    assert scores[0, 1].isnan()


def test_exponentials_of_rows_without_a_score_are_nothing():
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        scores = torch.tensor([[-torch.inf, -torch.inf], [1.0, -torch.inf]], dtype=kind)
        top, total = exponentials(scores)
        assert total.tolist() == [0, 1]
        assert scores.tolist() == [[0, 0], [1, 0]]
        assert torch.isfinite(top).all()
