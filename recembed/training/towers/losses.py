"""Losses of queries against candidates, without ever holding all their scores in memory."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = {"cpu": 1 << 20, "cuda": 1 << 26}  # logits in flight: 4 MB stay in a CPU's cache


@dataclass(frozen=True, eq=False)
class Candidates:
    """What queries are scored against.

    vectors [m, dim]; shift [m]: added to every score (a bias, a log-q correction), None: nothing.
    rows int64 [m]: the item of each, so that a target is not its own negative; None: all items.
    """

    vectors: Tensor
    shift: Tensor | None = None
    rows: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Targets:
    """The items wanted: of query `owner` [n_targets] the item `rows` [n_targets].

    scores [n_targets]: of each target with its query.
    """

    owner: Tensor
    rows: Tensor
    scores: Tensor

    def counts(self, n: int) -> Tensor:
        """Targets of each of n queries, [n]."""
        return torch.bincount(self.owner, minlength=n).to(self.scores.dtype)


class _LogSumExp(torch.autograd.Function):
    """sum_i weight_i * log(exp(positive_i) + sum_j exp(query_i . candidate_j + shift_j)).

    query [n, dim], candidates [m, dim], shift [m] or None, weight [n]; positive [n] or None: a
    score beside the candidates; own [n] or None: the item of each query that is no candidate for
    it, among the items rows [m]; hardest: only so many of the highest scores count.

    Gradients are worked out in the same pass, so that a block of scores is made once.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        candidates: Tensor,
        shift: Tensor | None,
        positive: Tensor | None,
        weight: Tensor,
        own: Tensor | None,
        rows: Tensor | None,
        hardest: int | None,
    ) -> Tensor:
        """The sum; gradients are kept for backward."""
        step = max(1, CHUNK.get(query.device.type, CHUNK["cuda"]) // len(candidates))
        to_query, to_candidates = torch.empty_like(query), torch.zeros_like(candidates)
        to_shift = None if shift is None else torch.zeros_like(shift)
        to_positive = None if positive is None else torch.empty_like(positive)
        total = torch.zeros((), dtype=torch.float64, device=query.device)
        for start in range(0, len(query), step):
            at = slice(start, start + step)
            logits = _logits(query[at], candidates, shift)  # [step, m]
            if own is not None and rows is not None:
                logits.masked_fill_(rows == own[at, None], -torch.inf)
            if hardest is not None and hardest < len(candidates):
                least = logits.topk(hardest, dim=1).values[:, -1:]
                logits.masked_fill_(logits < least, -torch.inf)
            top = logits.amax(dim=1, keepdim=True)
            share = torch.softmax(logits, dim=1)  # [step, m]
            rest = top - share.amax(dim=1, keepdim=True).log()
            if positive is not None and to_positive is not None:
                mine = positive[at, None]
                both = torch.logaddexp(rest.nan_to_num(nan=-torch.inf), mine)
                to_positive[at] = weight[at] * (mine - both).exp()[:, 0]
                share.nan_to_num_(nan=0.0).mul_((rest - both).nan_to_num(nan=-torch.inf).exp())
                rest = both
            share.mul_(weight[at, None])
            total += (weight[at] * rest[:, 0]).sum(dtype=torch.float64)
            torch.mm(share, candidates, out=to_query[at])
            to_candidates.addmm_(share.T, query[at])
            if to_shift is not None:
                to_shift += share.sum(dim=0)
        ctx.kept = (to_query, to_candidates, to_shift, to_positive)
        return total.to(query.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, scaled."""
        scaled = [None if kept is None else kept * grads[0] for kept in ctx.kept]
        return (*scaled, None, None, None, None)


def _logits(query: Tensor, candidates: Tensor, shift: Tensor | None) -> Tensor:
    if shift is None:
        return query @ candidates.T
    return torch.addmm(shift, query, candidates.T)


def full_softmax(query: Tensor, candidates: Candidates, targets: Targets) -> Tensor:
    """Mean cross-entropy of every target against all items.

    A query with several targets shares its softmax.
    """
    n = len(targets.owner)
    weight = targets.counts(len(query)) / n
    rests: Tensor = _LogSumExp.apply(
        query, candidates.vectors, candidates.shift, None, weight, None, None, None
    )
    return rests - targets.scores.mean()


def sampled_softmax(
    query: Tensor, candidates: Candidates, targets: Targets, hardest: int | None = None
) -> Tensor:
    """Mean cross-entropy of every target against itself and the candidates that are not it.

    candidates.shift: bias less log(expected count), so that the sum over the candidates stands for
    the sum over all items.
    """
    n = len(targets.owner)
    weight = targets.scores.new_full((n,), 1 / n)
    rests: Tensor = _LogSumExp.apply(
        query[targets.owner],
        candidates.vectors,
        candidates.shift,
        targets.scores,
        weight,
        targets.rows,
        candidates.rows,
        hardest,
    )
    return rests - targets.scores.mean()


def logistic(query: Tensor, candidates: Candidates, targets: Targets, power: float = 1.0) -> Tensor:
    """Mean binary cross-entropy of every target and the candidates that are not it.

    power: of the target's probability (gBCE's beta).
    """
    owner, step = targets.owner, max(1, CHUNK["cuda"] // len(candidates.vectors))
    total = -power * F.logsigmoid(targets.scores).sum()
    for start in range(0, len(owner), step):
        at = slice(start, start + step)
        logits = _logits(query[owner[at]], candidates.vectors, candidates.shift)  # [step, m]
        rows = candidates.rows
        if rows is not None:
            logits = logits.masked_fill(rows == targets.rows[at, None], -torch.inf)
        total = total + F.softplus(logits).sum()
    return total / len(owner)


def one_negative(targets: Targets, negatives: Tensor) -> Tensor:
    """Mean binary cross-entropy of every target's score and one negative's, [n_targets] both."""
    return F.softplus(-targets.scores).mean() + F.softplus(negatives).mean()


def calibrated(negatives: int, n_items: int, calibration: float) -> float:
    """gBCE's power of the target's probability, from 1 (plain) to the share that is sampled."""
    share = min(1.0, negatives / max(n_items - 1, 1))
    return share * (calibration * (1 - 1 / share) + 1 / share)
