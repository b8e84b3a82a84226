"""Losses as plain functions."""

import torch
from torch import Tensor


def full_softmax(logits: Tensor, owner: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy of every target against all items.

    logits [batch, n_items]; owner and target [n_targets]: the row and the column of each target.
    """
    rest = torch.logsumexp(logits, dim=1)  # [batch]
    return (rest[owner] - logits[owner, target]).mean()
