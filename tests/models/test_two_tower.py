"""Two-tower: what categories are worth, and what it refuses."""

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.models.two_tower import TwoTower

QUICK = {"dim": 8, "epochs": 6, "batch_size": 64, "learning_rate": 0.02, "dropout": 0.0}


def worlds_of_colours(log_of, users=120, colours=4, size=12):
    """Each user takes one colour; a last item of each colour is taken once only, by one user."""
    random = np.random.default_rng(3)
    n = colours * (size + 1)
    rare = np.arange(colours * size, n)
    histories = [
        (random.integers(0, size, 8) * colours + random.integers(colours)).tolist()
        for _ in range(users)
    ]
    for colour in range(colours):
        for _ in range(2):  # the rare item stands beside items of every colour
            histories.append([int(random.integers(0, colours * size)), int(rare[colour])])
    colour_of = np.concatenate([np.arange(colours * size) % colours, np.arange(colours)])
    table = {"colour": [f"c{c}" for c in colour_of], "price": np.arange(n)}
    return log_of(histories, n_items=n, table=table), rare, colour_of, users


def rank_of_rare(model, log, rare, colour_of, users):
    """Mean rank of the rare item of the user's colour among the rare items, 0 is best."""
    scores = model.users(log.interactions)[:users] @ model.items.vectors.T
    colour = colour_of[[log.interactions.events[user][0] for user in range(users)]]
    mine = scores[np.arange(users), rare[colour]]
    return float((scores[:, rare] > mine[:, None]).sum(axis=1).mean())


def test_a_category_places_an_item_of_few_events(log_of, one):
    log, rare, colour_of, users = worlds_of_colours(log_of)
    ranks = [
        rank_of_rare(TwoTower(**QUICK, features=features).fit(log, machine=one), log, rare,
                     colour_of, users)
        for features in ((), ("colour",))
    ]  # fmt: skip
    assert ranks[0] > 1.0  # 1.5 is chance
    assert ranks[1] < 0.5


def test_a_column_that_is_missing_is_named_beside_those_there_are(log_of, one):
    log, *_ = worlds_of_colours(log_of)
    with pytest.raises(DataError) as error:
        TwoTower(features=("color",)).fit(log, machine=one)
    assert str(error.value) == "the item table has no column 'color'; it has: colour, price"


def test_features_without_an_item_table_say_so(log_of, one):
    with pytest.raises(DataError) as error:
        TwoTower(features=("colour", "brand")).fit(log_of([[0, 1]]), machine=one)
    assert str(error.value) == "features colour, brand need an item table (--items)"


@pytest.mark.parametrize("min_count", [1, 2])
def test_a_log_without_any_past_teaches_nothing(log_of, one, min_count):
    with pytest.raises(DataError, match="no event has a past"):
        TwoTower(min_count=min_count).fit(log_of([[0], [1], [0]]), machine=one)


@pytest.mark.parametrize("unit", ["user", "group"])
def test_where_all_items_are_too_rare_the_count_is_named(log_of, one, unit):
    log = log_of([[0, 1], [1, 0]], groups=[[0, 0], [1, 1]])
    with pytest.raises(DataError, match="no item has 9 events: set min_count lower"):
        TwoTower(min_count=9, unit=unit).fit(log, machine=one)


def test_items_below_min_count_are_neither_read_nor_retrieved(log_of, one):
    log = log_of([[0, 1, 2, 0], [1, 0, 1], [0, 1, 3]])
    model = TwoTower(**QUICK, min_count=2).fit(log, machine=one)
    assert model.items.known.tolist() == [True, True, False, False]
    alone = log_of([[0, 1, 0], [1, 0, 1], [0, 1]], n_items=4)
    same = TwoTower(**QUICK).fit(alone, machine=one)
    assert same.items.vectors.tobytes() == model.items.vectors.tobytes()
    assert np.array_equal(model.users(log.interactions), same.users(alone.interactions))


def test_a_basket_is_learned_from_its_own_items(log_of, one):
    """Users hop between worlds from basket to basket, so only the basket itself tells."""
    random = np.random.default_rng(0)
    rows, groups = [], []
    for user in range(60):
        worlds = random.integers(0, 4, 6)
        rows.append(np.concatenate([random.integers(0, 10, 4) * 4 + w for w in worlds]).tolist())
        groups.append([100 * user + i // 4 for i in range(24)])
    log = log_of(rows, n_items=40, groups=groups)
    setting = TwoTower(**QUICK | {"epochs": 12}, unit="group")
    setting = type(setting)(**vars(setting) | {"recency": type(setting.recency)(scope="group")})
    model = setting.fit(log, machine=one)
    scores = model.users(log.interactions) @ model.items.vectors.T
    near = np.argsort(-scores, axis=1)[:, :5] % 4
    last = np.array([mine[-1] for mine in rows]) % 4
    assert np.mean(near == last[:, None]) > 0.7
