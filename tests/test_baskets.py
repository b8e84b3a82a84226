"""A basket at hand is served as a basket is evaluated."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import recembed
from recembed.data.split import split
from recembed.evaluation.cases import cases
from recembed.models.stored import ranker_of
from recembed.recommender import Recommender
from recembed.run.folder import Run
from recembed.run.log import load_log

SETTINGS = {
    "item-knn": {"unit": "group", "recency.decay": 0.5, "recency.past": 0.3},
    "als": {"unit": "group", "dim": 4, "recency.decay": 0.5, "recency.past": 0.3},
    "item2vec": {"unit": "group", "dim": 8, "epochs": 3, "recency.decay": 0.5},
}
RULE = "groups:1970-01-01T01:23:20"  # second 5000: the last basket of each user


@pytest.fixture(scope="module")
def purchases():
    """40 users with 6 baskets of 4 of the 10 products of their taste each."""
    random = np.random.default_rng(3)
    rows = [
        (f"u{user}", f"p{10 * (user % 3) + product}", f"b{user}-{basket}", 1000 * basket)
        for user in range(40)
        for basket in range(6)
        for product in random.permutation(10)[:4]
    ]
    users, items, baskets, times = zip(*rows, strict=True)
    return pa.table({"user": users, "item": items, "basket": baskets, "time": times})


@pytest.fixture(scope="module", params=SETTINGS)
def run(request, purchases, tmp_path_factory):
    out = tmp_path_factory.mktemp("baskets") / request.param
    recembed.train(
        purchases,
        out,
        model=request.param,
        set=SETTINGS[request.param],
        test=RULE,
        columns={"group": "basket"},
        threads=1,
        quiet=True,
    )
    return out


def test_the_order_within_a_basket_means_nothing(run):
    shop = recembed.Recommender.load(run)
    one, other = (shop.recommend_for(basket, 5) for basket in (["p1", "p4"], ["p4", "p1"]))
    assert [each.item for each in one] == [each.item for each in other]
    assert np.allclose([each.score for each in one], [each.score for each in other], atol=1e-6)


def test_a_user_with_a_basket_gets_what_a_case_of_the_evaluation_gets(run):
    opened = Run.open(run)
    parts = split(load_log(opened)[0], RULE)
    shop, ranker = recembed.Recommender.load(run), ranker_of(opened)[0]
    before = Recommender(replace(shop.state, log=parts.fitted("test")))  # as the case was asked
    asked, names = cases(parts), parts.log.interactions
    assert len(asked) == 40
    for case in range(len(asked)):
        one = np.array([case])
        given = asked.given.take(one)
        top = ranker.top_k(asked.histories(one), 5, exclude=given)
        held = names.items.take(given.values).to_pylist()
        answer = before.recommend(names.users.id(asked.owner[case]), 5, basket=held)
        assert [each.item for each in answer] == names.items.take(top.rows[0]).to_pylist()
        assert not {each.item for each in answer} & set(held)


def test_a_stranger_with_a_basket_is_placed_by_it(run):
    shop = recembed.Recommender.load(run)
    answer = shop.recommend("nobody", 5, basket=["p1", "p4"])
    assert answer.reason == "model"
    assert [each.item for each in answer] == [
        each.item for each in shop.recommend_for(["p1", "p4"], 5, exclude=["p1", "p4"])
    ]


def test_an_empty_allow_list_allows_nothing(run):
    (answer,) = recembed.recommend(run, user="u1", allow=[])
    assert len(answer) == 0
