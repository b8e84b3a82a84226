"""Items that come after training are placed as if their table had named them in training."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.errors import DataError, RunError
from recembed.models.newcomers import newcomers
from recembed.models.registry import estimator
from recembed.protocols import Machine

ONE = Machine(threads=1)
ITEMS, NEW = 40, 12
TOWERS = {
    "dim": 8,
    "epochs": 2,
    "batch_size": 32,
    "features.categories": "tags,kind",
    "features.text": "title",
    "features.numbers": "price",
    "features.vectors": "look",
}
SETTINGS = {
    "two-tower": TOWERS,
    "two-tower with a bias": {**TOWERS, "bias": True, "tower.kind": "mean"},
    "two-tower of categories": {"dim": 8, "epochs": 2, "features.categories": "kind"},
    "item2vec": {"dim": 8, "negatives": 3, "epochs": 4, "features": "tags,kind", "blend": 0.5},
}


def table(n):
    """What is known of items; the last is told nothing of."""
    random = np.random.default_rng(4)
    words = np.array(["red", "rose", "blue", "lily", "green", "fern"])
    rows = [
        {
            "title": " ".join(random.choice(words, 3)) if item % 5 else None,
            "tags": [f"tag {tag}" for tag in random.integers(0, 9, item % 4)],
            "kind": f"kind {random.integers(0, 5 if item < ITEMS else 8)}",
            "price": float(random.normal()) if item % 3 else None,
            "look": random.normal(size=3).tolist() if item % 2 else None,
        }
        for item in range(ITEMS + NEW)
    ]
    nothing = {"title": "gnu", "tags": [], "kind": "kind of its own", "price": None, "look": None}
    return pa.Table.from_pylist([*rows[:-1], nothing]).slice(0, n)


def log_of(n, events=1200):
    random = np.random.default_rng(2)
    users, items = random.integers(0, 60, events), random.integers(0, ITEMS - 3, events)
    names = pa.array([f"i{item}" for item in items])
    made = build(pa.array(users), names, order="position")
    ids = made.items.extend([f"i{item}" for item in range(n)])
    own = np.array([int(id[1:]) for id in ids.ids.to_pylist()])
    made = replace(made, items=ids)
    return Log(made, Catalogue(ids, table(ITEMS + NEW).take(pa.array(own)), "title"))


def fitted(name, log):
    setting = estimator(name.split()[0], SETTINGS[name])
    return setting, setting.fit(log, machine=ONE)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "item2vec"])
def test_a_later_item_is_placed_as_if_it_had_been_there_all_along(name):
    pytest.importorskip("torch")
    before, after = log_of(ITEMS), log_of(ITEMS + NEW)
    setting, model = fitted(name, before)
    more = newcomers(setting, model, after)
    wanted = fitted(name, after)[1].arrays()
    known = more["known"].astype(bool)
    assert known[:-1].sum() >= NEW // 2
    assert not known[-1]
    for array, part in more.items():
        whole = np.concatenate([model.arrays()[array], part])
        assert whole.dtype == wanted[array].dtype
        np.testing.assert_allclose(whole, wanted[array], atol=2e-6)
        assert part[known].any()


def test_item2vec_places_a_later_item_as_one_without_events():
    """Its training draws other numbers for another number of items: so it is cut down instead."""
    log = log_of(ITEMS + NEW)
    setting, model = fitted("item2vec", log)
    arrays, per_item = model.arrays(), ("inputs", "outputs", "known", "features.trained")
    cut = arrays | {name: arrays[name][:ITEMS] for name in per_item}
    lesser = setting.restore(log_of(ITEMS).interactions.items, cut)
    more = newcomers(setting, lesser, log)
    assert {*more} == {"inputs", "outputs", "known"}
    for name, part in more.items():
        np.testing.assert_allclose(part, arrays[name][ITEMS:], atol=1e-6)
    assert more["known"].sum() >= NEW // 2
    assert not more["known"][-1]


def test_items_that_come_one_after_another_are_placed_as_those_that_come_together():
    setting, model = fitted("item2vec", log_of(ITEMS))
    together = newcomers(setting, model, log_of(ITEMS + NEW))
    first = newcomers(setting, model, log_of(ITEMS + 5))
    arrays = model.arrays() | {
        name: np.concatenate([model.arrays()[name], part]) for name, part in first.items()
    }
    grown = setting.restore(log_of(ITEMS + 5).interactions.items, arrays)
    second = newcomers(setting, grown, log_of(ITEMS + NEW))
    for name, array in together.items():
        assert np.array_equal(np.concatenate([first[name], second[name]]), array)


def test_a_model_without_vectors_is_not_told_to_get_an_encoder():
    setting = estimator("item-knn")
    model = setting.fit(log_of(ITEMS), machine=ONE)
    for texts in (False, True):
        with pytest.raises(DataError, match="item-knn has no vectors to place an item by"):
            newcomers(setting, model, log_of(ITEMS + 1), texts=texts)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("item2vec", {"dim": 8, "negatives": 3, "epochs": 1}),
        ("als", {"dim": 4}),
    ],
)
def test_a_model_that_learned_nothing_of_content_says_what_to_train(name, values):
    setting = estimator(name, values)
    model = setting.fit(log_of(ITEMS), machine=ONE)
    with pytest.raises(DataError, match=f"this {name} cannot place .* features"):
        newcomers(setting, model, log_of(ITEMS + NEW))


def test_another_table_than_that_of_training_is_refused():
    setting, model = fitted("item2vec", log_of(ITEMS))
    log = log_of(ITEMS + NEW)
    kinds = pa.array(["one"] * len(log.items.ids))
    other = log.items.table.set_column(log.items.table.column_names.index("kind"), "kind", kinds)
    with pytest.raises(RunError, match="not the one that was trained with"):
        newcomers(setting, model, replace(log, items=Catalogue(log.items.ids, other)))
