"""Losses of queries against candidates, without ever holding all their scores in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from recembed.training.towers.exponentials import exponentials

CHUNK = {"cpu": 1 << 19, "cuda": 1 << 26}  # logits in flight: 2 MB stay in a core's cache

TILE = 32  # queries, of what a CPU multiplies at once
# With fewer queries at once, gathering the gradients of many candidates takes longer than all else;
# then scores leave the cache, up to LIMIT of them.
WORTH, LIMIT = 256, 1 << 25


@dataclass(frozen=True, eq=False)
class Candidates:
    """What queries are scored against.

    vectors [m, dim]; shift [m]: added to every score (a bias, a log-q correction), None: nothing.
    rows int64 [m]: the item of each, so that a target is not its own negative; None: all items.
    raised: what is added to scores of single queries, for them and the candidates by number (for
    none twice), -inf where one cannot be; None: nothing.
    """

    vectors: Tensor
    shift: Tensor | None = None
    rows: Tensor | None = None
    raised: "Raised | None" = None


@dataclass(frozen=True, eq=False)
class Raised:
    """Pairs int64 [pairs] each of a query and a candidate, by query, and what each is raised by."""

    query: Tensor
    candidate: Tensor
    by: Tensor


@dataclass(frozen=True, eq=False)
class Targets:
    """The items wanted: of query `owner` [n_targets] the item `rows` [n_targets].

    scores [n_targets]: of each target with its query.
    """

    owner: Tensor
    rows: Tensor
    scores: Tensor

    @property
    def alike(self) -> Tensor:
        """The weight of each target in their mean, [n_targets]."""
        return self.scores.new_full(self.scores.shape, 1 / len(self.scores))

    def weights(self, n: int) -> Tensor:
        """The weight of each of n queries, by its targets, [n]."""
        return torch.bincount(self.owner, self.alike, n)


# From scores [n, m] and those of the positives [n] to what they come to, [n]. The scores become
# its slopes but for a factor, [n], that is returned along with the slopes of the positives.
Link: TypeAlias = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor, Tensor | None]]


@dataclass(frozen=True, eq=False)
class _Sum:
    """sum_i weight_i * link(query_i . candidates + shift, positive_i): all but what has a slope.

    own [n]: the item of each query that is no candidate for it, among the items rows [m]; None:
    all are. raised: see Candidates. hardest: only so many of the highest scores count.
    """

    link: Link
    weight: Tensor
    own: Tensor | None = None
    rows: Tensor | None = None
    raised: Raised | None = None
    hardest: int | None = None

    def mask(self, scores: Tensor, at: slice) -> None:
        """Raise the scores of queries `at`, and take out what is no candidate for them."""
        if self.raised is not None:
            query, found = self.raised.query, self.raised.candidate
            edges = query.new_tensor([at.start, at.start + len(scores)])
            own = slice(*torch.searchsorted(query, edges).tolist())
            scores[query[own] - at.start, found[own]] += self.raised.by[own].to(scores.dtype)
        if self.own is not None and self.rows is not None:
            own = self.own[at]
            hit = torch.isin(own, self.rows).nonzero()[:, 0]  # few: a look at all takes longer
            scores[hit] = scores[hit].masked_fill_(self.rows == own[hit, None], -torch.inf)
        if self.hardest is not None and self.hardest < scores.shape[1]:
            least = scores.topk(self.hardest, dim=1).values[:, -1:]
            scores.masked_fill_(scores < least, -torch.inf)


class _Summed(torch.autograd.Function):
    """The value of a _Sum. Gradients are worked out in the same pass: scores are made once."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        candidates: Tensor,
        shift: Tensor | None,
        positive: Tensor | None,
        what: _Sum,
    ) -> Tensor:
        """The sum of queries [n, dim], candidates [m, dim], shift [m] and positive [n]."""
        kind, step = _of_products(query), _rows_at_once(query, candidates)
        against = candidates.to(kind)
        turned = against.T
        if kind != query.dtype:  # in bfloat16 a product takes a seventh of that with .T
            turned = turned.contiguous()
        asked = _filled(query.to(kind), step)
        space = against.new_empty(step, len(candidates))
        to_query, to_candidates = torch.empty_like(query), torch.zeros_like(candidates)
        to_shift = None if shift is None else torch.zeros_like(shift)
        to_positive = None if positive is None else torch.empty_like(positive)
        total = query.new_zeros((), dtype=torch.float64)
        for start in range(0, len(query), step):
            at = slice(start, start + step)
            own = query[at]
            torch.mm(asked[at], turned, out=space)
            scores = space[: len(own)]  # [step, m]
            if shift is not None:
                scores = scores.to(query.dtype).add_(shift)  # bfloat16 would lose of the sum
            what.mask(scores, at)
            value, scale, slope = what.link(scores, None if positive is None else positive[at])
            if scores.dtype != kind:
                space[: len(own)] = scores
            weight = what.weight[at]
            total += (weight * value).sum(dtype=torch.float64)
            scale = scale * weight  # joins small matrices: scores are not touched again
            torch.mul((space @ against)[: len(own)], scale[:, None], out=to_query[at])
            to_candidates += space.T @ _filled((own * scale[:, None]).to(kind), step)
            if to_shift is not None:
                to_shift.addmv_(scores.T, scale)
            if to_positive is not None:
                torch.mul(slope, weight, out=to_positive[at])
        ctx.kept = (to_query, to_candidates, to_shift, to_positive)
        return total.to(query.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, scaled."""
        return (*(None if kept is None else kept * grads[0] for kept in ctx.kept), None)


def _rows_at_once(query: Tensor, candidates: Tensor) -> int:
    """Queries of a step: of few sizes (see attention.ROWS), and whole tiles."""
    cached = CHUNK.get(query.device.type, CHUNK["cuda"]) // len(candidates)
    most = max(1, cached, min(WORTH, LIMIT // len(candidates)))
    return min(most - most % min(TILE, most), len(query) + -len(query) % TILE)


def _filled(rows: Tensor, size: int) -> Tensor:
    """With zeros after them, to a multiple of `size`."""
    return F.pad(rows, (0, 0, 0, -len(rows) % size))


def _of_products(values: Tensor) -> torch.dtype:
    """What matrix products of such values are made in."""
    device = values.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else values.dtype


def _softmax(scores: Tensor, positive: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """log(exp(positive) + sum of exp(score))."""
    top, total = exponentials(scores)
    value = total.log_().add_(top)
    if positive is None:
        return value, (top - value).exp_(), None
    value = torch.logaddexp(value, positive)
    return value, (top - value).exp_(), (positive - value).exp_()


def _logistic(scores: Tensor, positive: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """The sum of log(1 + exp(score)); the positive is left to others."""
    value = F.softplus(scores.to(torch.promote_types(scores.dtype, torch.float32))).sum(dim=1)
    scores.sigmoid_()
    return value, torch.ones_like(value), positive


def full_softmax(query: Tensor, candidates: Candidates, targets: Targets) -> Tensor:
    """Mean cross-entropy of every target against all items.

    A query with several targets shares its softmax.
    """
    what = _Sum(_softmax, targets.weights(len(query)), raised=candidates.raised)
    return _summed(query, candidates, None, what) - targets.scores.mean()


def sampled_softmax(
    query: Tensor, candidates: Candidates, targets: Targets, hardest: int | None = None
) -> Tensor:
    """Mean cross-entropy of every target against itself and the candidates that are not it.

    candidates.raised is of the targets, for each of which its query is asked. candidates.shift:
    bias less log(expected count), so that the sum over the candidates stands for that over all.
    """
    of = (targets.rows, candidates.rows, candidates.raised)
    what = _Sum(_softmax, targets.alike, *of, hardest)
    asked = query.index_select(0, targets.owner)
    return _summed(asked, candidates, targets.scores, what) - targets.scores.mean()


def logistic(query: Tensor, candidates: Candidates, targets: Targets, power: float = 1.0) -> Tensor:
    """Mean binary cross-entropy of every target and the candidates that are not it.

    power: of the target's probability (gBCE's beta).
    """
    what = _Sum(_logistic, targets.alike, targets.rows, candidates.rows)
    negatives = _summed(query.index_select(0, targets.owner), candidates, None, what)
    return negatives - power * F.logsigmoid(targets.scores).mean()


def logistic_in_groups(
    query: Tensor, candidates: Candidates, targets: Targets, power: float, size: int
) -> Tensor:
    """As logistic, but every `size` targets have their own share of the candidates."""
    asked, groups = query[targets.owner].split(size), -(-len(targets.rows) // size)
    rows, scores = targets.rows.split(size), targets.scores.split(size)
    vectors, shared = candidates.vectors.chunk(groups), _chunks(candidates.rows, groups)
    shifts = _chunks(candidates.shift, groups)
    total = query.new_zeros(())
    for each in range(groups):
        n = len(rows[each])
        own = Targets(torch.arange(n, device=query.device), rows[each], scores[each])
        part = Candidates(vectors[each], shifts[each], shared[each])
        total = total + n * logistic(asked[each], part, own, power)
    return total / len(targets.rows)


def _chunks(values: Tensor | None, n: int) -> Sequence[Tensor | None]:
    return [None] * n if values is None else values.chunk(n)


def _summed(query: Tensor, candidates: Candidates, positive: Tensor | None, what: _Sum) -> Tensor:
    found: Tensor = _Summed.apply(
        query.to(candidates.vectors.dtype), candidates.vectors, candidates.shift, positive, what
    )
    return found


def one_negative(targets: Targets, negatives: Tensor) -> Tensor:
    """Mean binary cross-entropy of every target's score and one negative's, [n_targets] both."""
    return F.softplus(-targets.scores).mean() + F.softplus(negatives).mean()


def calibrated(negatives: int, n_items: int, calibration: float) -> float:
    """GBCE's power of the target's probability, from 1 (plain) to the share that is sampled."""
    share = min(1.0, negatives / max(n_items - 1, 1))
    return share * (calibration * (1 - 1 / share) + 1 / share)
