"""Two-tower: what each choice is worth on planted data, and what it refuses."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.registry import estimator
from recembed.models.two_tower import TwoTower
from recembed.settings import change
from recembed.training.towers.settings import Features, Loss, Mean, Tower, Transformer, Users

QUICK = {"dim": 8, "epochs": 6, "batch_size": 64, "learning_rate": 0.02, "average": 0.0}
KINDS = [{"tower": "mean"}, {"tower": "attention"}, {"tower.blocks": 1}, {"loss": "sampled"}]


def quick(**values):
    dotted = {name.replace("__", "."): value for name, value in values.items()}
    return change(TwoTower(**QUICK), dotted)


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


@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_a_category_places_an_item_of_few_events(log_of, one, tower):
    log, rare, colour_of, users = worlds_of_colours(log_of)
    ranks = [
        rank_of_rare(
            quick(tower=tower, features__categories=features).fit(log, machine=one),
            log,
            rare,
            colour_of,
            users,
        )
        for features in ((), ("colour",))
    ]
    assert ranks[0] > 0.7  # 1.5 is chance, for four items that fell somewhere
    assert ranks[1] < 0.4


def test_an_item_that_nobody_touched_is_recommended_by_its_category(log_of, one):
    log, rare, colour_of, users = worlds_of_colours(log_of)
    cold = log.keep(~np.isin(log.interactions.rows, rare))
    setting = quick(tower="mean", features__categories="colour", features__id_dropout=0.5)
    model = setting.fit(cold, machine=one)
    assert model.items.known.all()
    assert rank_of_rare(model, log, rare, colour_of, users) < 0.2


def test_a_column_that_is_missing_is_named_beside_those_there_are(log_of, one):
    log, *_ = worlds_of_colours(log_of)
    with pytest.raises(DataError) as error:
        TwoTower(features=Features(categories=("color",))).fit(log, machine=one)
    assert str(error.value) == "the item table has no column 'color'; it has: colour, price"


def test_features_without_an_item_table_say_so(log_of, one):
    with pytest.raises(DataError) as error:
        TwoTower(features=Features(categories=("colour", "brand"))).fit(
            log_of([[0, 1]]), machine=one
        )
    assert str(error.value) == "features colour, brand need an item table (--items)"


@pytest.mark.parametrize("unit", ["user", "group"])
@pytest.mark.parametrize("tower", [Mean(), Transformer()])
def test_a_log_without_any_past_teaches_nothing(log_of, one, unit, tower):
    log = log_of([[0], [1], [0]], groups=[[0], [1], [2]])
    with pytest.raises(DataError, match="no event has a past"):
        TwoTower(unit=unit, tower=tower).fit(log, machine=one)


@pytest.mark.parametrize("unit", ["user", "group"])
def test_where_all_items_are_too_rare_the_count_is_named(log_of, one, unit):
    log = log_of([[0, 1], [1, 0]], groups=[[0, 0], [1, 1]])
    with pytest.raises(DataError, match="no item has 9 events: set min_count lower"):
        TwoTower(min_count=9, unit=unit).fit(log, machine=one)


@pytest.mark.parametrize("values", KINDS)
def test_a_mean_reads_all_of_a_history_and_other_towers_the_newest(log_of, one, values):
    log = log_of([[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]])
    setting = replace(change(quick(epochs=1), values), reach=2)
    model = setting.fit(log, machine=one)
    model = setting.restore(log.interactions.items, model.arrays())
    whole, newest = log.interactions, log_of([[3, 4], [1, 0]], n_items=5).interactions
    same = np.array_equal(model.users(whole), model.users(newest))
    assert same == (not isinstance(setting.tower, Mean))


@pytest.mark.parametrize("part", [*get_args(Tower), *get_args(Loss)])
def test_a_part_is_of_no_kind_but_its_own(part):
    with pytest.raises(DataError, match=f"kind is one of {part.kind}, not 'x'"):
        part(kind="x")


@pytest.mark.parametrize("values", KINDS)
def test_items_below_min_count_are_neither_read_nor_retrieved(log_of, one, values):
    setting = change(quick(), values)
    log = log_of([[0, 1, 2, 0], [1, 0, 1], [0, 1, 3]])
    model = replace(setting, min_count=2).fit(log, machine=one)
    assert model.items.known.tolist() == [True, True, False, False]
    alone = log_of([[0, 1, 0], [1, 0, 1], [0, 1]], n_items=4)
    same = setting.fit(alone, machine=one)
    assert same.items.vectors.tobytes() == model.items.vectors.tobytes()
    assert np.array_equal(model.users(log.interactions), same.users(alone.interactions))


@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_a_basket_is_learned_from_its_own_items(log_of, one, tower):
    """Users hop between worlds from basket to basket, so only the basket itself tells."""
    random = np.random.default_rng(0)
    rows, groups = [], []
    for user in range(60):
        worlds = random.integers(0, 4, 6)
        rows.append(np.concatenate([random.integers(0, 10, 4) * 4 + w for w in worlds]).tolist())
        groups.append([100 * user + i // 4 for i in range(24)])
    log = log_of(rows, n_items=40, groups=groups)
    setting = quick(unit="group", tower=tower, epochs=12)
    if tower == "mean":
        setting = change(setting, {"tower.recency.scope": "group"})
    model = setting.fit(log, machine=one)
    scores = model.users(log.interactions) @ model.items.vectors.T
    near = np.argsort(-scores, axis=1)[:, :5] % 4
    last = np.array([mine[-1] for mine in rows]) % 4
    assert np.mean(near == last[:, None]) > 0.7


def test_gaps_need_times(log_of, one):
    with pytest.raises(DataError) as error:
        quick(tower__gaps=True).fit(log_of([[0, 1], [1, 0]]), machine=one)
    assert str(error.value) == (
        "tower.gaps needs times, this log has none: name their column (--columns time=COLUMN), or "
        "set tower.gaps=false"
    )


@pytest.mark.parametrize(
    "values", [*KINDS, {"score": "cosine"}, {"bias": True}, {"tower.predict": "last"}]
)
def test_histories_that_are_all_the_same_teach_what_comes_next(log_of, one, values):
    log = log_of([[0, 1, 2, 3]] * 40)
    model = change(quick(epochs=30, batch_size=8), values).fit(log, machine=one)
    asked = log_of([[0], [0, 1], [0, 1, 2]], n_items=4).interactions
    scores = model.users(asked) @ model.items.vectors.T
    after = scores.argmax(axis=1).tolist()
    # in one pass, the first events were only ever seen with others after them
    assert after == [1, 2, 3] if "tower.predict" in values else after[2] == 3


@pytest.mark.parametrize("values", [*KINDS, {"loss": "gbce"}, {"loss": "in-batch"}])
def test_a_catalogue_of_one_item_has_one_answer(log_of, one, ranked, values):
    log = log_of([[0, 0, 0], [0, 0]])
    model = change(quick(), values).fit(log, machine=one)
    top = ranked(model).top_k(log.interactions, 5)
    assert top.rows[:, 0].tolist() == [0, 0]
    assert np.isfinite(top.scores[:, 0]).all()


def tastes(log_of):
    """Everybody has the one history, but users take what comes then by their habit alone."""
    random = np.random.default_rng(4)
    habit = np.arange(60) % 3
    events = [[0, *(1 + 3 * random.integers(0, 2, 6) + of)] for of in habit]
    log = log_of(events, n_items=7)
    table = pa.table({"habit": [None if at == 59 else f"h{of}" for at, of in enumerate(habit)]})
    return replace(log, users=Catalogue(log.interactions.users, table)), habit


def hits(model, histories, habit):
    """Share of first places that go to an item of the user's habit."""
    scores = model.users(histories) @ model.items.vectors.T
    return float((scores[:, 1:].argmax(axis=1) % 3 == habit).mean())


@pytest.mark.parametrize("about", [Users(ids=True), Users(categories=("habit",))])
def test_what_is_known_of_users_tells_them_apart_where_histories_do_not(log_of, one, about):
    log, habit = tastes(log_of)
    model = replace(quick(epochs=40, tower="mean"), users=about).fit(log, machine=one)
    first = log.interactions.keep(np.arange(len(log.interactions)) % 7 == 0)
    assert hits(model, first, habit) > 0.9
    strangers = replace(first, users=Vocabulary([f"new {at}" for at in range(60)]))
    assert hits(model, strangers, habit) < 0.5
    again = estimator("two-tower", {"tower": "mean", "dim": 8}).restore(
        log.interactions.items, model.arrays()
    )
    assert np.array_equal(again.users(first), model.users(first))


def test_a_user_whom_the_user_table_lacks_is_placed_by_the_history_alone(log_of, one):
    log, _ = tastes(log_of)
    setting = replace(quick(tower="mean"), users=Users(categories=("habit",)))
    model = setting.fit(log, machine=one)
    alone = log.interactions.take_users(np.array([59]))
    stranger = replace(alone, users=Vocabulary(["new"]))
    assert np.array_equal(model.users(alone), model.users(stranger))
    other = log.interactions.take_users(np.array([58]))
    assert not np.allclose(
        model.users(other), model.users(replace(other, users=Vocabulary(["new"])))
    )


def test_user_columns_without_a_table_or_that_are_missing_say_so(log_of, one):
    log, _ = tastes(log_of)
    with pytest.raises(DataError) as error:
        quick(users__categories="age").fit(log, machine=one)
    assert str(error.value) == "the user table has no column 'age'; it has: habit"
    with pytest.raises(DataError) as error:
        quick(users__categories="age,habit").fit(replace(log, users=None), machine=one)
    assert str(error.value) == "users.categories age, habit need a user table (--users)"


def test_heads_that_do_not_share_the_dim_and_a_cosine_with_a_bias_are_refused():
    with pytest.raises(DataError, match="dim 10 cannot be shared by 4 heads: choose a multiple"):
        quick(dim=10, tower="attention")
    with pytest.raises(DataError, match="a cosine has no bias: set bias=false, or score=dot"):
        quick(score="cosine", bias=True)


def test_what_would_do_nothing_is_refused():
    with pytest.raises(DataError, match="given is of what is read as a whole"):
        quick(tower="transformer", given=0.5)
    with pytest.raises(DataError, match="older is for a transformer"):
        quick(tower="mean", older=True)


@pytest.mark.parametrize("tower", ["attention", "transformer"])
def test_a_basket_may_come_after_a_past_of_as_many_baskets_as_are_read(log_of, one, tower):
    log = log_of(
        [[0, 1, 2, 3, 4]] * 20, groups=[[5 * u, 5 * u + 1, *[5 * u + 2] * 3] for u in range(20)]
    )
    model = quick(unit="group", tower=tower, reach=1).fit(log, machine=one)
    assert np.isfinite(model.users(log.interactions)).all()


def test_a_low_temperature_is_no_divergence(log_of, one):
    log = log_of([[at % 9, (at + 1) % 9, (at + 2) % 9] for at in range(30)])
    model = quick(score="cosine", temperature=0.001, learning_rate=0.002).fit(log, machine=one)
    assert model.training.ended == "complete"
