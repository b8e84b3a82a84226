"""Users folded in, against irspack's own Cholesky solver and the objective itself."""

import warnings

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.ials import IALS
from recembed.training.recency import Recency

SMALL = {"dim": 12, "iterations": 3, "alpha0": 0.2, "regularization": 0.02}


def irspacks_own(model, matrix):
    """The users that irspack computes from the same item factors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from irspack import IALSRecommender
    made = model.setting
    known = model.items.known
    other = IALSRecommender(
        matrix[:, known],
        n_components=made.dim,
        alpha0=made.alpha0,
        reg=made.regularization,
        nu=made.nu,
        solver_type="CHOLESKY",
        n_threads=1,
    )
    other.start_learning()
    other.trainer.core_trainer.item = model.items.vectors[known]
    return other.compute_user_embedding(matrix[:, known])


@pytest.mark.parametrize("nu", [0.0, 0.5, 1.0])
def test_users_are_those_of_irspack(planted, one, nu):
    model = IALS(**SMALL, nu=nu).fit(planted.log, machine=one)
    expected = irspacks_own(model, planted.histories.matrix())
    assert np.allclose(model.users(planted.histories), expected, atol=1e-3)
    assert np.abs(expected).max() > 0.05


def test_recency_scales_the_weight_of_an_event(planted, one):
    recency = Recency(decay=0.7, last=8)
    model = IALS(**SMALL, recency=recency).fit(planted.log, machine=one)
    expected = irspacks_own(model, recency.matrix(planted.histories))
    assert np.allclose(model.users(planted.histories), expected, atol=1e-3)


def test_a_user_minimises_the_objective(log_of, one):
    log = log_of([[0, 1, 1], [1, 2], [0, 2, 3], [3, 0]])
    model = IALS(dim=2, alpha0=0.3, regularization=0.1, nu=0.5, iterations=3).fit(log, machine=one)
    y, x = model.items.vectors.astype(float), model.users(log.interactions)[0].astype(float)
    weight, scale = np.array([1.0, 2, 0, 0]), (2 + 0.3 * 4) ** 0.5

    def loss(x):
        scores = y @ x
        return weight @ (scores - 1) ** 2 + 0.3 * scores @ scores + 0.1 * scale * x @ x

    around = [loss(x + step * axis) for step in (-1e-3, 1e-3) for axis in np.eye(2)]
    assert min(around) > loss(x)


def test_items_and_users_without_events_change_nothing(log_of, one):
    rows = [[0, 1], [1, 2], [0, 2], [2, 3]]
    few = IALS(**SMALL).fit(log_of(rows), machine=one)
    more = IALS(**SMALL).fit(log_of([*rows, []], n_items=6), machine=one)
    assert np.allclose(more.items.vectors[:4], few.items.vectors, atol=1e-5)
    found = more.users(log_of([*rows, []], n_items=6).interactions)
    assert np.allclose(found[:4], few.users(log_of(rows).interactions), atol=1e-5)
    assert not found[4].any()


def test_threads_do_not_change_the_factors(planted, one):
    from dataclasses import replace

    alone = IALS(**SMALL).fit(planted.log, seed=2, machine=one)
    two = IALS(**SMALL).fit(planted.log, seed=2, machine=replace(one, threads=2))
    users = [model.users(planted.histories) @ model.items.vectors.T for model in (alone, two)]
    assert np.allclose(*users, atol=1e-3)


def test_the_best_round_is_kept(planted, one):
    values = iter([0.1, 0.5, 0.3, 0.2])
    seen = []

    def validate(model):
        seen.append(model)
        return next(values)

    setting = IALS(**SMALL | {"iterations": 4})
    kept = setting.fit(planted.log, validate=validate, seed=1, machine=one)
    two = IALS(**SMALL | {"iterations": 2}).fit(planted.log, seed=1, machine=one)
    assert len(seen) == 4
    assert kept is seen[1]
    assert np.array_equal(kept.items.vectors, two.items.vectors)


def test_one_item_and_more_factors_than_items_stay_finite(log_of, one):
    for rows in ([[0], [0]], [[0, 1], [1, 2], [0]]):
        model = IALS(dim=16, iterations=3).fit(log_of(rows), machine=one)
        assert np.isfinite(model.users(log_of(rows).interactions)).all()


def test_weights_below_0_are_refused(log_of, one):
    with pytest.raises(DataError, match="have a weight below 0"):
        IALS().fit(log_of([[0, 1]], weights=[[1.0, -2.0]]), machine=one)


def test_weights_beyond_float32_say_what_to_change(log_of, one):
    with pytest.raises(DataError, match="iALS has no answer at regularization"):
        IALS(dim=4).fit(log_of([[0, 1]], weights=[[1e38, 1e38]]), machine=one)
