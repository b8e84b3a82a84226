"""Losses of pairs of texts, by the cosines of their vectors."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from recembed.training.lengths import unit
from recembed.training.texts.tuning_settings import CoSENT, Loss, Softmax, Triplet


@dataclass(frozen=True, eq=False)
class Placed:
    """The texts of a batch as vectors: float32 [n, dim] of the pairs, [m, dim] of the negatives.

    owner int64 [m]: the pair that each negative is of. scores float32 [n], where there are any.
    not_negative bool [n, n + m], not_partner bool [n, n]: where a first text belongs together with
    another pair's second text or a negative, and a second with another pair's first.
    """

    first: Tensor
    second: Tensor
    negatives: Tensor
    owner: Tensor
    scores: Tensor | None = None
    not_negative: Tensor | None = None
    not_partner: Tensor | None = None

    def prefix(self, dim: int) -> "Placed":
        """By the first `dim` numbers of each vector alone, at length 1."""
        first, second, negatives = (
            unit(each[:, :dim]) for each in (self.first, self.second, self.negatives)
        )
        return replace(self, first=first, second=second, negatives=negatives)


def loss_of(placed: Placed, loss: Loss, shortest: int | None) -> Tensor:
    """The mean of the losses of the whole vectors, their first halves ... down to `shortest`."""
    found = [_loss(placed.prefix(dim), loss) for dim in prefixes(placed.first.shape[1], shortest)]
    return torch.stack(found).mean()


def prefixes(dim: int, shortest: int | None) -> list[int]:
    """Lengths of a vector that are trained: dim, dim // 2 ... as long as they reach `shortest`."""
    found = [dim]
    while shortest is not None and found[-1] // 2 >= shortest:
        found.append(found[-1] // 2)
    return found


def _loss(placed: Placed, loss: Loss) -> Tensor:
    if isinstance(loss, Softmax):
        return softmax(placed, loss.temperature)
    if isinstance(loss, Triplet):
        return triplet(placed, loss.margin)
    assert isinstance(loss, CoSENT)  # "auto" was decided
    return cosent(placed, loss.scale)


def softmax(placed: Placed, temperature: float) -> Tensor:
    """Mean cross-entropy of each text's partner, from both sides; vectors have length 1."""
    candidates = torch.cat([placed.second, placed.negatives])
    there = placed.first @ candidates.T / temperature  # [n, n + m]
    back = placed.second @ placed.first.T / temperature  # [n, n]
    if placed.not_negative is not None:
        there = there.masked_fill(placed.not_negative, -torch.inf)
    if placed.not_partner is not None:
        back = back.masked_fill(placed.not_partner, -torch.inf)
    own = torch.arange(len(back), device=back.device)
    return (F.cross_entropy(there, own) + F.cross_entropy(back, own)) / 2


def triplet(placed: Placed, margin: float) -> Tensor:
    """Mean over the negatives of what each is nearer than the partner less the margin."""
    cosines = (placed.first * placed.second).sum(dim=1)
    others = (placed.first[placed.owner] * placed.negatives).sum(dim=1)
    missed = F.relu(margin - cosines[placed.owner] + others)
    return missed.sum() / max(len(missed), 1)  # mining may find none at all


def cosent(placed: Placed, scale: float) -> Tensor:
    """log(1 + sum of exp(scale x (cosine_j - cosine_i)) over pairs i that score above pairs j)."""
    assert placed.scores is not None
    cosines = scale * (placed.first * placed.second).sum(dim=1)
    above = placed.scores[:, None] > placed.scores  # [n, n]
    wrong = (cosines - cosines[:, None])[above]
    return torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong]), dim=0)
