"""The softmax over all items against torch's own cross-entropy and its autograd."""

import pytest
import torch
from torch.nn import functional as F

from recembed.training import losses
from recembed.training.losses import full_softmax


def leaves(batch=7, n_items=11, dim=4, dtype=torch.float64):
    random = torch.Generator().manual_seed(0)
    shapes = ((batch, dim), (n_items, dim), (n_items,))
    return [torch.randn(shape, generator=random, dtype=dtype).requires_grad_() for shape in shapes]


OWNER = torch.tensor([0, 0, 1, 3, 3, 3, 4, 6])  # queries 2 and 5 have no target
TARGET = torch.tensor([2, 5, 0, 10, 10, 1, 7, 3])  # one target stands twice


def plain(query, table, bias):
    return F.cross_entropy((query @ table.T + bias)[OWNER], TARGET)


@pytest.mark.parametrize("chunk", [1, 30, 1 << 20])  # one query, two, or all at a time
def test_value_and_gradients_are_those_of_cross_entropy(monkeypatch, chunk):
    monkeypatch.setattr(losses, "CHUNK", chunk)
    mine, other = leaves(), leaves()
    loss, expected = full_softmax(*mine, OWNER, TARGET), plain(*other)
    assert torch.allclose(loss, expected)
    (3 * loss).backward()
    (3 * expected).backward()
    for one, two in zip(mine, other, strict=True):
        assert torch.allclose(one.grad, two.grad)


def test_scores_far_apart_neither_overflow_nor_vanish():
    query, table, bias = (tensor.detach() * 1000 for tensor in leaves(dtype=torch.float32))
    loss = full_softmax(query, table, bias, OWNER, TARGET)
    assert torch.isfinite(loss)
    assert torch.allclose(loss, plain(query, table, bias), rtol=1e-4)
