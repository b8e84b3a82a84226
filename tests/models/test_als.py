"""Users folded in by least squares, against implicit's own solver and the formula."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.als import ALS
from recembed.models.implicit_door import implicit_module
from recembed.protocols import Machine
from recembed.training.recency import Recency


def implicits_own(model, matrix):
    """The users that implicit computes from the same item factors."""
    als = implicit_module("implicit.cpu.als").AlternatingLeastSquares(
        factors=model.items.dim,
        regularization=model.setting.regularization,
        alpha=model.setting.alpha,
        num_threads=1,
    )
    als.item_factors = model.items.vectors
    return als.recalculate_user(np.arange(matrix.shape[0]), matrix)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 20.0])
def test_users_are_those_of_implicit(planted, one, alpha):
    model = ALS(dim=12, iterations=3, alpha=alpha, regularization=0.3).fit(planted.log, machine=one)
    expected = implicits_own(model, planted.histories.matrix())
    assert np.allclose(model.users(planted.histories), expected, atol=1e-3)
    assert np.abs(expected).max() > 0.05


def test_recency_scales_the_confidence(planted, one):
    recency = Recency(decay=0.7, last=8)
    model = ALS(dim=12, iterations=3, recency=recency).fit(planted.log, machine=one)
    expected = implicits_own(model, recency.matrix(planted.histories))
    assert np.allclose(model.users(planted.histories), expected, atol=1e-3)


def test_a_user_minimises_the_weighted_error_over_all_items(log_of, one):
    log = log_of([[0, 1, 1], [1, 2], [0, 2, 3], [3, 0]])
    setting = ALS(dim=2, alpha=4.0, regularization=0.5, iterations=3)
    model = setting.fit(log, machine=one)
    factors = model.items.vectors.astype(float)
    confidence = np.ones(4)
    confidence[[0, 1]] = [4 * 1, 4 * 2]
    wants = np.array([1.0, 1.0, 0.0, 0.0])
    left = (factors.T * confidence) @ factors + 0.5 * np.eye(2)
    expected = np.linalg.solve(left, factors.T @ (confidence * wants))
    assert np.allclose(model.users(log.interactions)[0], expected, atol=1e-5)


def test_a_block_of_users_is_solved_within_the_memory(planted, one):
    wide = ALS(dim=12, iterations=2).fit(planted.log, seed=1, machine=one)
    tight = ALS(dim=12, iterations=2).fit(
        planted.log, seed=1, machine=Machine(threads=1, memory=4 * 4 * 12 * 12 * 3 * 7)
    )
    assert np.array_equal(wide.users(planted.histories), tight.users(planted.histories))


def test_weights_of_the_log_are_confidence(log_of, one):
    rows = [[0, 1], [1, 2], [0, 2]]
    plain = ALS(dim=2, iterations=3).fit(log_of(rows), machine=one)
    ones = log_of(rows, weights=[[1.0, 1], [1, 1], [1, 1]])
    heavy = log_of(rows, weights=[[9.0, 1], [1, 1], [1, 1]])
    same = ALS(dim=2, iterations=3).fit(ones, machine=one)
    moved = ALS(dim=2, iterations=3).fit(heavy, machine=one)
    assert np.array_equal(same.items.vectors, plain.items.vectors)
    assert not np.allclose(moved.items.vectors, plain.items.vectors, atol=1e-3)


def test_without_regularization_and_more_dimensions_than_items_users_stay_finite(log_of, one):
    log = log_of([[0, 1], [1, 2], [0]], n_items=4)
    model = ALS(dim=16, iterations=2, regularization=0.0).fit(log, machine=one)
    users = model.users(log.interactions)
    assert np.isfinite(users).all()


def test_groups_are_factorized_instead_of_users(log_of, one):
    """Two items that never share a basket are unlike, though one user takes both."""
    log = log_of([[0, 1, 2, 3] * 5] * 4, groups=[[10 * u + i // 2 for i in range(20)]
                                               for u in range(4)])  # fmt: skip
    model = ALS(unit="group", dim=4, iterations=10, regularization=0.1).fit(log, machine=one)
    unit = model.items.vectors / np.linalg.norm(model.items.vectors, axis=1, keepdims=True)
    assert (unit @ unit.T)[0, 1] > 0.9
    assert (unit @ unit.T)[0, 2] < 0.5


def test_least_squares_without_an_answer_say_what_to_change(log_of, one):
    with pytest.raises(DataError, match="set regularization higher, or alpha lower"):
        ALS(dim=4, alpha=1e38).fit(log_of([[0]]), machine=one)


def test_factors_that_end_up_infinite_are_told_too(planted, one, monkeypatch):
    """implicit itself refuses NaN alone."""
    theirs = implicit_module("implicit.cpu.als").AlternatingLeastSquares

    def overflowing(self, matrix, **_):
        self.item_factors = np.full((matrix.shape[1], self.factors), np.inf, np.float32)

    monkeypatch.setattr(theirs, "fit", overflowing)
    with pytest.raises(DataError, match="set regularization higher, or alpha lower"):
        ALS(dim=4).fit(planted.log, machine=one)


def test_a_user_without_an_answer_says_what_to_change(log_of, one):
    log = log_of([[0, 1], [1, 2]])
    model = ALS(dim=2, iterations=1).fit(log, machine=one)
    flat = replace(model.items, vectors=np.zeros((3, 2), np.float32))
    singular = replace(model, items=flat, setting=ALS(dim=2, regularization=0))
    with pytest.raises(DataError, match="place a user have no answer: set regularization higher"):
        singular.users(log.interactions)
