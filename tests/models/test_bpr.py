"""Users folded in, against the pairwise objective summed up over every pair."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.bpr import BPR
from recembed.models.implicit_door import implicit_module
from recembed.training.recency import Recency


@pytest.fixture(scope="module")
def fitted(planted):
    from recembed.protocols import Machine

    setting = BPR(dim=8, learning_rate=0.05, iterations=40, recency=Recency(decay=0.8))
    return setting.fit(planted.log, seed=1, machine=Machine(threads=1))


def test_users_are_the_second_order_optimum_of_the_pairwise_objective(planted, fitted):
    """Every pair of an item of the history and any known item, in float64."""
    found = fitted.users(planted.histories)
    weights = fitted.setting.recency.matrix(planted.histories).toarray()
    y = fitted.items.vectors[:, :8].astype(float)
    known = np.flatnonzero(fitted.items.known)
    for user in range(5):
        left, right = fitted.setting.regularization * np.eye(8), np.zeros(8)
        for i in np.flatnonzero(weights[user]):
            share = weights[user, i] / weights[user].sum() / len(known)
            apart = y[i] - y[known]  # [m, dim]
            left += share * apart.T @ apart / 4
            right += share * apart.sum(axis=0) / 2
        expected = fitted.setting.strength * np.linalg.solve(left, right)
        assert np.allclose(found[user, :8], expected, atol=1e-3)
        assert np.abs(expected).max() > 0.1


def test_the_last_column_is_the_items_bias(planted, fitted):
    assert fitted.items.dim == 9
    assert fitted.neighbours.dim == 8
    assert (fitted.users(planted.histories)[:, 8] == 1).all()
    alike = replace(fitted, setting=replace(fitted.setting, strength=0))
    scores = alike.users(planted.histories) @ fitted.items.vectors.T
    assert (scores == scores[0]).all()


def test_biases_follow_popularity(log_of, one):
    log = log_of([[0, 1, 2 + user % 8] for user in range(80)])
    bias = BPR(dim=2, learning_rate=0.05).fit(log, machine=one).items.vectors[:, -1]
    assert bias[:2].min() > bias[2:].max() + 0.1


def test_nobody_is_placed_where_nothing_is_known(planted, fitted):
    nothing = planted.histories.keep(np.zeros(len(planted.histories), bool))
    assert not fitted.users(nothing).any()


@pytest.mark.parametrize("validate", [None, lambda model: 0.0])
def test_training_that_diverges_says_what_to_change(planted, one, validate):
    with pytest.raises(DataError, match=r"BPR diverged at learning_rate .*: set them lower"):
        BPR(dim=8, learning_rate=1e30).fit(planted.log, validate=validate, machine=one)


def test_a_decay_that_diverges_is_told_as_such(planted, one):
    with pytest.raises(DataError, match=r"diverged .* regularization 1000000\.0: set them lower"):
        BPR(dim=8, regularization=1e6, iterations=3).fit(planted.log, machine=one)


def test_factors_that_end_up_infinite_are_told_as_divergence(planted, one, monkeypatch):
    """implicit itself refuses NaN alone."""
    theirs = implicit_module("implicit.cpu.bpr").BayesianPersonalizedRanking

    def overflowing(self, matrix, **_):
        self.item_factors = np.full((matrix.shape[1], self.factors + 1), np.inf, np.float32)

    monkeypatch.setattr(theirs, "fit", overflowing)
    with pytest.raises(DataError, match=r"BPR diverged at learning_rate 0\.02 .*: set them lower"):
        BPR(dim=8).fit(planted.log, machine=one)


def test_one_item_and_more_factors_than_items_stay_finite(log_of, one):
    for rows in ([[0], [0]], [[0, 1], [1, 2], [0]]):
        model = BPR(dim=16, iterations=3).fit(log_of(rows), machine=one)
        assert np.isfinite(model.users(log_of(rows).interactions)).all()


def test_weights_below_0_are_refused(log_of, one):
    with pytest.raises(DataError, match="have a weight below 0"):
        BPR().fit(log_of([[0, 1]], weights=[[1.0, -2.0]]), machine=one)
