"""The item tower: ids and content added up, and gradients where they belong."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from recembed.training.towers.items import Content, ItemTower, mapped

WORDS = np.array([[1, 0.5, 0], [0, 0, 0], [0, 0, 2], [0, 0, 0], [0, 3, 0]], np.float32)
NUMBERS = np.array([[1, -1], [0, 0], [0, 0], [2, 0], [0, 5]], np.float32)
CONTENT = Content(sp.csr_matrix(WORDS), NUMBERS)  # nothing is known of item 1


def tower_of(content, id_dropout=0.0, touched=False):
    torch.manual_seed(0)
    return ItemTower(content, 4, 0.02, biased=True, id_dropout=id_dropout, touched=touched)


def content_vectors(tower):
    sparse, dense = tower.sparse.detach().numpy(), tower.dense.detach().numpy()
    return WORDS @ sparse + NUMBERS @ dense


def test_an_item_is_its_id_its_words_and_its_numbers():
    tower = tower_of(CONTENT)
    expected = tower.ids.detach().numpy() + content_vectors(tower)
    np.testing.assert_allclose(tower().detach().numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("touched", [True, False])
@pytest.mark.parametrize("content", [CONTENT, Content.none(5)])
def test_some_items_are_rows_of_all(content, touched):
    tower = tower_of(content, touched=touched)
    tower.bias.data = torch.arange(5.0)
    rows = torch.tensor([4, 1, 1, 0])
    torch.testing.assert_close(tower(rows), tower()[rows])
    assert tower.biases(rows).tolist() == [4, 1, 1, 0]
    assert tower.biases().tolist() == [0, 1, 2, 3, 4]


def test_without_content_an_item_is_its_id():
    tower = tower_of(Content.none(5), id_dropout=0.9)
    assert not Content.none(5)
    assert torch.equal(tower(), tower.ids)
    assert ItemTower(CONTENT, 4, 0.02, biased=False, id_dropout=0, touched=False).biases() is None


def test_the_gradient_reaches_only_what_was_asked_for():
    tower = tower_of(CONTENT, touched=True)
    tower(torch.tensor([4, 0, 4])).sum().backward()
    found = tower.ids.grad.coalesce()
    assert found.indices().tolist() == [[0, 4]]
    assert found.values()[:, 0].tolist() == [1, 2]
    assert tower.sparse.grad[:, 0].tolist() == [1, 6.5, 0]
    assert tower.dense.grad[:, 0].tolist() == [1, 9]


def test_a_dropped_id_leaves_the_content_and_one_without_content_stays():
    tower = tower_of(CONTENT, id_dropout=0.25)
    ids, content = tower.ids.detach().numpy(), content_vectors(tower)
    kept = np.zeros(5)
    for _ in range(400):
        found = tower().detach().numpy()
        has_id = np.isclose(found, ids + content, atol=1e-6).all(axis=1)
        without = np.isclose(found, content, atol=1e-6).all(axis=1)
        assert (has_id ^ without).all()
        kept += has_id
    assert kept[1] == 400
    others = np.delete(kept, 1)
    assert (abs(others / 400 - 0.75) < 0.1).all()
    tower.eval()
    np.testing.assert_allclose(tower().detach().numpy(), ids + content, rtol=1e-5, atol=1e-6)


def test_known_are_items_with_any_content():
    assert CONTENT.known.tolist() == [True, False, True, True, True]
    assert CONTENT.take(np.array([3, 1])).known.tolist() == [True, False]
    assert CONTENT


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
def test_a_sparse_map_and_its_gradient_are_those_of_an_embedding_bag(n, m, seed):
    random = np.random.default_rng(seed)
    matrix = sp.csr_matrix((random.random((n, m)) < 0.4) * random.normal(size=(n, m)))
    table = torch.from_numpy(random.normal(size=(m, 3)).astype(np.float32))
    mine, other = table.clone().requires_grad_(), table.clone().requires_grad_()
    found = mapped(matrix, mine)
    weights = torch.from_numpy(matrix.data.astype(np.float32))
    rows, starts = torch.from_numpy(matrix.indices).long(), torch.from_numpy(matrix.indptr).long()
    expected = F.embedding_bag(
        rows, other, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
    torch.testing.assert_close(found, expected)
    slope = torch.from_numpy(random.normal(size=(n, 3)).astype(np.float32))
    found.backward(slope)
    expected.backward(slope)
    torch.testing.assert_close(mine.grad, other.grad)
