"""item2vec with categories of items: what they share, and items that nobody touched."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recembed.data.read import read_log
from recembed.errors import DataError
from recembed.models.features import Features
from recembed.models.item2vec import Item2Vec

CLUSTERS, SIZE, TOUCHED = 6, 10, 8
SETTING = Item2Vec(dim=16, epochs=5, features=("kind",))


@pytest.fixture(scope="module")
def log():
    """Histories of one cluster each; the last two items of each cluster are in nobody's."""
    random = np.random.default_rng(0)
    rows = [
        (user, user % CLUSTERS * SIZE + random.integers(TOUCHED), at)
        for user in range(300)
        for at in range(10)
    ]
    events = pd.DataFrame(rows, columns=["user", "item", "time"])
    items = pd.DataFrame({"item": range(CLUSTERS * SIZE + 1)})
    items["kind"] = [f"k{item // SIZE}" for item in items["item"]]  # the last one's has no other
    items["words"] = [["all", f"w{item // SIZE}"] for item in items["item"]]
    return read_log(events, items=items)


def parts(model):
    ids = np.asarray(model.items.vocabulary.ids)
    return ids // SIZE, ids % SIZE >= TOUCHED


@pytest.mark.parametrize("names", [("kind",), ("words",), ("kind", "words")])
def test_untouched_items_stand_with_their_category(log, one, names):
    model = replace(SETTING, features=names).fit(log, machine=one)
    cluster, untouched = parts(model)
    scores = model.inputs.vectors @ model.items.vectors.T
    near = np.argsort(-scores[untouched & (cluster < CLUSTERS)], axis=1)[:, :5]
    assert (cluster[near] == cluster[untouched & (cluster < CLUSTERS)][:, None]).mean() > 0.95
    candidates = np.flatnonzero(untouched & (cluster < CLUSTERS))
    best = candidates[np.argmax(scores[~untouched][:, candidates], axis=1)]
    assert (cluster[best] == cluster[~untouched]).mean() > 0.95


def test_an_untouched_item_of_an_untouched_category_is_not_known(log, one):
    model = SETTING.fit(log, machine=one)
    cluster, _ = parts(model)
    assert model.items.known.tolist() == (cluster < CLUSTERS).tolist()
    assert not model.inputs.vectors[cluster == CLUSTERS].any()


def test_a_trained_input_vector_is_the_mean_of_its_own_row_and_its_categories(log):
    trained = np.zeros(len(log.interactions.items), bool)
    trained[:3] = True
    features = Features.of(log, ("words",), trained)
    bags = features.bags()
    n = len(trained)
    assert bags[0].tolist()[0] == 0
    assert (bags[0][1:] >= n).all()
    assert (np.concatenate([bags[i] for i in range(3, n)]) >= n).all()
    table = np.random.default_rng(0).random((int(bags.values.max()) + 1, 4), np.float32)
    outputs = np.random.default_rng(1).random((n, 4), np.float32)
    inputs, spread, known = features.spread(table, outputs)
    assert np.allclose(inputs[0], table[bags[0]].mean(axis=0))
    assert np.array_equal(spread[:3], outputs[:3])
    assert known.all()  # all have the word "all", which a trained item has


def test_features_without_an_item_table_say_what_to_do(log_of, one):
    with pytest.raises(DataError, match=r"features kind need an item table \(--items\)"):
        SETTING.fit(log_of([[0, 1]]), machine=one)


def test_an_unknown_column_names_those_there_are(log, one):
    with pytest.raises(DataError, match="no column 'colour'"):
        replace(SETTING, features=("colour",)).fit(log, machine=one)


def test_columns_in_which_trained_items_have_nothing_are_refused(one):
    events = pd.DataFrame({"user": [1, 1], "item": [0, 1], "time": [0, 1]})
    nothing = {"item": [0, 1, 2], "kind": [None, None, "a"]}
    strangers = {"item": [7, 8], "kind": ["a", "b"]}
    empty = {"item": [0, 1], "kind": [[], [None]]}
    for table in map(pd.DataFrame, (nothing, strangers, empty)):
        with pytest.raises(DataError, match="none of 2 trained items has a category in kind: "):
            SETTING.fit(read_log(events, items=table), machine=one)
