"""Losses over the whole catalogue, without ever holding examples x items in memory."""

from typing import Any

import torch
from torch import Tensor

CHUNK = 1 << 20  # logits in flight: 4 MB of float32 stay in the cache between the passes


class FullSoftmax(torch.autograd.Function):
    """Mean cross-entropy of every target against all items, and its gradients in the same pass.

    query [batch, dim], table [n_items, dim], bias [n_items]; owner and target [n_targets]: the row
    of the query and of the item of each target. A query with several targets shares its softmax.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, table: Tensor, bias: Tensor, owner: Tensor, target: Tensor
    ) -> Tensor:
        """The loss; gradients are kept for backward."""
        step = max(1, CHUNK // len(table))
        counts = torch.bincount(owner, minlength=len(query)).to(query.dtype)
        to_query, to_table = torch.empty_like(query), torch.zeros_like(table)
        to_bias, rests = torch.zeros_like(bias), torch.empty_like(counts)
        for start in range(0, len(query), step):
            rows = slice(start, start + step)
            logits = torch.addmm(bias, query[rows], table.T)  # [step, n_items]
            top = logits.amax(dim=1, keepdim=True)
            logits.sub_(top).exp_()
            total = logits.sum(dim=1, keepdim=True)
            rests[rows] = (total.log() + top)[:, 0]
            logits.mul_(counts[rows, None] / total)  # targets x probability
            torch.mm(logits, table, out=to_query[rows])
            to_table.addmm_(logits.T, query[rows])
            to_bias += logits.sum(dim=0)
        wanted = table[target]  # [n_targets, dim]
        scores = (query[owner] * wanted).sum(dim=1) + bias[target]
        to_query.index_add_(0, owner, wanted, alpha=-1)
        to_table.index_add_(0, target, query[owner], alpha=-1)
        to_bias.index_add_(0, target, torch.ones_like(scores), alpha=-1)
        n = len(owner)
        ctx.save_for_backward(to_query.div_(n), to_table.div_(n), to_bias.div_(n))
        return (rests[owner] - scores).mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, scaled."""
        return (*(kept * grads[0] for kept in ctx.saved_tensors), None, None)


def full_softmax(
    query: Tensor, table: Tensor, bias: Tensor, owner: Tensor, target: Tensor
) -> Tensor:
    """See FullSoftmax."""
    loss: Tensor = FullSoftmax.apply(query, table, bias, owner, target)
    return loss
