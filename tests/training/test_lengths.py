"""Vectors of length 1 and their gradient, beside torch's own."""

import pytest
import torch
from torch.nn import functional as F

from recembed.training.lengths import SHORT, unit


@pytest.mark.parametrize("size", [1.0, 100 * SHORT, SHORT / 100, 0.0])
def test_lengths_and_gradients_are_those_of_torch(size):
    random = torch.Generator().manual_seed(0)
    start = F.normalize(torch.randn(7, 5, generator=random, dtype=torch.float64), dim=1) * size
    up = torch.randn(7, 5, generator=random, dtype=torch.float64)
    found = []
    for of in (unit, lambda x: F.normalize(x, dim=1, eps=SHORT)):
        vectors = start.clone().requires_grad_()
        made = of(vectors)
        made.backward(up)
        found.append((made.detach(), vectors.grad))
    (one, grad), (other, expected) = found
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(grad, expected)
