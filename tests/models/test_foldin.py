"""Users by least squares, against a dense solve of the same equations."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.models.foldin import fold_in, on_axes, spread_of
from recembed.protocols import Machine

ONE = Machine(threads=1)


def world(seed, n_items=40, dim=6, n_users=25):
    """Factors on their axes, histories from none to nearly all items, c and w of each pair."""
    rng = np.random.default_rng(seed)
    factors = on_axes(rng.normal(size=(n_items, dim)).astype(np.float32))
    sizes = np.append(rng.integers(0, n_items, n_users - 1), 0)
    rows = [np.sort(rng.choice(n_items, size, replace=False)) for size in sizes]
    indptr = np.append(0, np.cumsum(sizes))
    ones = np.ones(indptr[-1], np.float32)
    histories = sp.csr_matrix((ones, np.concatenate(rows), indptr), (n_users, n_items))
    wanted, extra = rng.normal(size=len(ones)), rng.uniform(-1, 9, len(ones))
    return factors, spread_of(factors), histories, wanted, extra, rng.uniform(0.5, 3, n_users)


def slowly(factors, _, histories, wanted, extra, ridge):
    """The normal equations of each user, in float64."""
    y = factors.astype(float)
    users = np.zeros((histories.shape[0], y.shape[1]))
    for user in range(len(users)):
        at = slice(histories.indptr[user], histories.indptr[user + 1])
        mine = y[histories.indices[at]]
        left = y.T @ y + ridge[user] * np.eye(y.shape[1]) + (mine.T * extra[at]) @ mine
        users[user] = np.linalg.solve(left, mine.T @ wanted[at])
    return users


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_users_are_those_of_the_normal_equations_with_short_and_long_histories(seed):
    asked = world(seed)
    found = fold_in(*asked, ONE)
    assert found.dtype == np.float32
    assert np.allclose(found, slowly(*asked), atol=2e-4)
    assert np.abs(found).max() > 0.01


def test_a_user_without_a_history_is_zero():
    asked = world(1)
    assert not fold_in(*asked, ONE)[np.diff(asked[2].indptr) == 0].any()


def test_neither_batches_nor_threads_change_a_byte():
    asked = world(3, dim=8, n_users=60)
    whole = fold_in(*asked, ONE)
    for machine in (Machine(threads=1, memory=1), Machine(threads=3)):
        assert fold_in(*asked, machine).tobytes() == whole.tobytes()


def test_no_users_are_no_vectors():
    factors, spread, histories, *_ = world(0)
    nothing = np.zeros(0)
    assert fold_in(factors, spread, histories[:0], nothing, nothing, 1.0, ONE).shape == (0, 6)


def test_axes_keep_dot_products_and_part_the_columns():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(50, 7)).astype(np.float32) @ rng.normal(size=(7, 7))
    turned = on_axes(factors.astype(np.float32))
    assert np.allclose(turned @ turned.T, factors @ factors.T, atol=1e-3)
    gram = turned.T @ turned
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-3
    assert (np.diff(np.diag(gram)) <= 0).all()


@pytest.mark.parametrize("broken", [0.0, np.inf])
def test_equations_without_an_answer_are_told(broken):
    factors, spread, histories, wanted, extra, _ = world(2)
    if broken:
        wanted = np.full_like(wanted, broken)
    else:
        factors, spread = np.zeros_like(factors), np.zeros_like(spread)
    with pytest.raises(DataError, match="set regularization higher"):
        fold_in(factors, spread, histories, wanted, extra, 0.0, ONE)


def test_factors_that_are_not_finite_have_no_axes():
    with pytest.raises(np.linalg.LinAlgError):
        on_axes(np.array([[1.0, np.nan]], np.float32))
