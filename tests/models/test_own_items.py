"""Items of the own history, raised, in the lists of an index."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.own_items import own_items, with_own
from recembed.models.registry import estimator
from recembed.models.stored import exact_ranker, has_vectors
from recembed.search.exact import ExactIndex
from recembed.search.select import select

DIM = 3
HABITUAL = {
    "unit": "group",
    "tower": "mean",
    "dim": 8,
    "epochs": 2,
    "bias": True,
    "habits.weight": 0.05,
    "learning_rate": 0.01,
}


def lists_of(random, n, n_items):
    return Sequences.of(
        [sorted(random.permutation(n_items)[: random.integers(n_items)]) for _ in range(n)]
    )


@given(
    st.integers(1, 5),
    st.integers(1, 12),
    st.integers(1, 14),
    st.sampled_from(["all", "items", "lists"]),
    st.booleans(),
    st.integers(0, 999),
)
def test_lists_are_those_of_all_scores_raised(n, n_items, k, allowed, excluded, seed):
    """Whatever may be listed: as if every item had been scored, raised and sorted."""
    random = np.random.default_rng(seed)
    # few distinct numbers, so that there are ties
    vectors = random.integers(-1, 2, (n_items, DIM)).astype(np.float32)
    items = Embeddings(Vocabulary.numbered(n_items, "item"), vectors, random.random(n_items) < 0.8)
    users = random.integers(-1, 2, (n, DIM)).astype(np.float32)
    raised = sp.random_array((n, n_items), density=0.4, rng=random, format="csr").astype(np.float32)
    raised.data = np.ceil(raised.data * 2)
    raised = sp.csr_matrix(raised)
    exclude = lists_of(random, n, n_items) if excluded else None
    allow = {
        "all": None,
        "items": random.random(n_items) < 0.7,
        "lists": lists_of(random, n, n_items),
    }[allowed]

    top = ExactIndex(items).search(users, k, exclude=exclude, allow=allow)
    found = with_own(top, own_items(items, users, raised, exclude, allow))

    scores = users @ vectors.T + raised.toarray()
    scores[:, ~items.known] = -np.inf
    for query in range(n):
        if exclude is not None:
            scores[query, exclude[query]] = -np.inf
        if isinstance(allow, Sequences):
            scores[query, ~np.isin(np.arange(n_items), allow[query])] = -np.inf
        elif allow is not None:
            scores[query, ~allow] = -np.inf
    expected = select(scores, k)
    assert np.array_equal(found.scores, expected.scores)
    assert np.array_equal(found.rows, expected.rows)
    full = found.rows[:, -1] >= 0
    assert np.array_equal(found.tied[full], expected.tied[full])


def habitual(log, one, **more):
    return estimator("two-tower", HABITUAL | more).fit(log, machine=one)


@pytest.fixture
def baskets(log_of):
    """Everybody takes the item of their number in every basket, and another one."""
    random = np.random.default_rng(0)
    rows = [[x for _ in range(6) for x in (user, 12 + random.integers(8))] for user in range(12)]
    groups = [[basket for basket in range(6) for _ in range(2)] for _ in range(12)]
    return log_of(rows, n_items=20, groups=groups)


def test_what_a_user_takes_in_every_basket_comes_first(baskets, one):
    with_habits = exact_ranker(habitual(baskets, one), one).top_k(baskets.interactions, 1)
    assert with_habits.rows[:, 0].tolist() == list(range(12))


def test_a_model_with_habits_comes_back_from_its_arrays(baskets, one):
    model, asked = habitual(baskets, one), baskets.interactions
    assert has_vectors(model)
    again = estimator("two-tower", HABITUAL).restore(asked.items, model.arrays(), one)
    first, second = (exact_ranker(each, one).top_k(asked, 5) for each in (model, again))
    assert np.array_equal(first.rows, second.rows)
    assert np.array_equal(first.scores, second.scores)


def test_a_history_of_unknown_items_has_no_habits(log_of, baskets, one):
    model = habitual(baskets, one)
    stranger = log_of([[20]], n_items=21).interactions
    known = np.append(model.table.known, False)
    assert model.table.known.sum() == 20
    assert model.raises(stranger.keep(known[stranger.rows])).nnz == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"bias": False}, "set bias=true"),
        ({"unit": "user", "tower": "transformer"}, "set tower.predict=last or unit=group"),
        ({"loss": "gbce"}, "set loss=full or loss=sampled"),
        ({"score": "cosine"}, "or score=dot"),
    ],
)
def test_where_habits_cannot_be_learned_it_says_what_to_set(values, words):
    with pytest.raises(DataError, match=words):
        estimator("two-tower", HABITUAL | values)


def test_a_user_without_order_has_no_habits_to_learn(log_of, one):
    log = log_of([[0, 1, 2], [1, 2]])
    unordered = replace(log, interactions=replace(log.interactions, order=None))
    with pytest.raises(DataError, match=r"nothing comes again: set habits\.weight=0"):
        habitual(unordered, one, unit="user")


def test_an_item_known_by_its_content_alone_is_raised_as_a_usual_one(log_of, one):
    rows = [[0, 1, 0, 2], [1, 0, 1, 0], [2, 1, 2, 3]]
    groups = [[0, 0, 1, 1]] * 3
    log = log_of(rows, n_items=5, groups=groups, table={"kind": ["a", "a", "b", "b", "b"]})
    model = habitual(log, one, min_count=2, **{"features.categories": "kind"})
    assert model.table.known.all()
    assert (model.shares > 0).all()
    assert model.shares[3] == model.shares[4] == pytest.approx((4 * 4 * 3 / 11**3) ** (1 / 3))
    raised = model.raises(log_of([[3, 4]], n_items=5).interactions)
    assert np.isfinite(raised.data).all()
