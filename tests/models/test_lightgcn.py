"""Users placed from histories, against the whole graph that they were trained in."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.lightgcn import LightGCN
from recembed.models.registry import restore
from recembed.models.tower_model import without_users
from recembed.models.units import unit_matrix
from recembed.settings import as_dict
from recembed.training.lightgcn.graph import Graph
from recembed.training.lightgcn.settings import BPR, Setting, Softmax
from recembed.training.lightgcn.train import Learner
from recembed.training.recency import Recency

OWN = LightGCN(dim=8, loss=BPR(), ids=True, epochs=5, batch_size=256)


@pytest.fixture(scope="module")
def fitted(planted, one):
    return OWN.fit(planted.log, seed=1, machine=one)


def strangers(histories):
    return replace(histories, users=Vocabulary.numbered(histories.n_users, "user"))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("score", ["dot", "cosine"])
def test_a_user_of_the_training_is_placed_as_in_the_whole_graph(planted, layers, ids, score):
    """By powers of the dense matrix in float64."""
    setting = LightGCN(dim=8, layers=layers, ids=ids, loss=Softmax(score=score), batch_size=256)
    events = planted.histories
    matrix = unit_matrix(events, "user")
    with ThreadPoolExecutor(1) as pool:
        learner = Learner(matrix, Setting.of(setting), Graph.of(matrix, pool, 1), seed=0)
        for _ in range(5):
            learner.step(np.arange(256))
        model = setting.model(events, events.counts() > 0, learner.export())
    whole = np.zeros(2 * learner.table.shape[:1])
    whole[: events.n_users, events.n_users :] = matrix.toarray()
    whole += whole.T
    degree = np.maximum(whole.sum(axis=1), 1e-30)
    step = whole / np.sqrt(np.outer(degree, degree))
    sums = sum(np.linalg.matrix_power(step, k) for k in range(layers + 1))
    expected = sums @ learner.table / (layers + 1)
    if score == "cosine":
        expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-30)
    users = model.users(events)
    assert np.allclose(users, expected[: events.n_users], atol=1e-5)
    assert np.allclose(model.items.vectors, expected[events.n_users :], atol=1e-5)
    assert np.abs(users).max() > 0.01


def test_a_new_user_lacks_nothing_but_a_vector_of_their_own(planted, fitted):
    events = planted.histories
    own = fitted.people.added(events)
    assert own.any(axis=1).all()
    known, new = fitted.users(events), fitted.users(strangers(events))
    assert np.allclose(known - own, new, atol=1e-6)
    assert not np.allclose(known, new, atol=1e-3)


def test_users_with_vectors_of_their_own_survive_a_restore_and_can_be_forgotten(planted, fitted):
    arrays, items = fitted.arrays(), planted.histories.items
    again = restore("lightgcn", as_dict(OWN), items, arrays)
    expected = fitted.users(planted.histories)
    assert again.users(planted.histories).tobytes() == expected.tobytes()
    rest = without_users(arrays, planted.histories.users, np.array([0, 3], np.int32))
    left = restore("lightgcn", as_dict(OWN), items, rest).users(planted.histories)
    same = (left == expected).all(axis=1)
    assert np.flatnonzero(~same).tolist() == [0, 3]


@pytest.mark.parametrize(
    "setting",
    [
        replace(OWN, epochs=60),
        replace(OWN, loss=Softmax(), epochs=15),
        replace(OWN, loss=Softmax(score="dot", temperature=1.0), ids=False, epochs=15),
    ],
    ids=["as published", "softmax", "softmax of dots"],
)
def test_every_loss_finds_planted_clusters(setting, planted, one, ranked):
    model = replace(setting, learning_rate=0.02).fit(planted.log, seed=1, machine=one)
    seen = planted.histories.events
    top = ranked(model).top_k(planted.histories, 4, exclude=seen)
    assert (planted.cluster[top.rows] == planted.favourite[:, None]).mean() > 0.6


def test_groups_have_no_vector_that_anybody_could_come_back_with(planted, one):
    model = replace(OWN, unit="group", epochs=1).fit(planted.log, machine=one)
    assert model.people is None
    assert list(model.arrays()) == ["inputs", "outputs", "known"]


def test_a_history_is_weighted_by_recency(planted, one):
    model = replace(OWN, ids=False, recency=Recency(last=1)).fit(planted.log, machine=one)
    last = planted.histories.rows[planted.histories.events.offsets[1:] - 1]
    assert np.allclose(model.users(planted.histories), model.inputs.vectors[last], atol=1e-6)


def test_weights_are_those_of_the_graph(log_of, one):
    """A pair of weight 0 is none, and one of weight 2 is one that came twice."""
    setting = replace(OWN, ids=False)
    twice = setting.fit(log_of([[0, 0, 1], [1, 2]], n_items=4), machine=one)
    weights = [[2.0, 1.0, 0.0], [1.0, 1.0]]
    once = setting.fit(log_of([[0, 1, 3], [1, 2]], weights=weights), machine=one)
    assert once.items.vectors.tobytes() == twice.items.vectors.tobytes()
    assert once.items.known.tolist() == [True, True, True, False]


def test_one_item_stays_finite(log_of, one):
    for loss in (BPR(), Softmax()):
        log = log_of([[0], [0], []])
        model = LightGCN(dim=4, loss=loss, epochs=3).fit(log, machine=one)
        assert np.isfinite(model.items.vectors).all()
        assert model.users(log.interactions).any(axis=1).tolist() == [True, True, False]


def test_weights_below_0_are_refused(log_of, one):
    with pytest.raises(DataError, match="have a weight below 0"):
        LightGCN().fit(log_of([[0, 1]], weights=[[1.0, -2.0]]), machine=one)
