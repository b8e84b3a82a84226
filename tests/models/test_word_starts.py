"""Words of a two-tower model's texts that start from vectors of all items' texts."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from recembed.arrays import unit
from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.errors import DataError
from recembed.models.content import counted_words
from recembed.models.two_tower import TwoTower
from recembed.models.word_starts import word_starts
from recembed.progress import QUIET
from recembed.protocols import Machine
from recembed.settings import change

ONE = Machine(threads=1)
SORTS = ("rose lily fern moss ivy", "bolt nail screw hinge lock")
VALUES = {"dim": 8, "features.text": "title", "features.pretrain": 20, "epochs": 1}


def log_of(n=400, touched=120):
    """Titles of three words of one sort; most items have no event, and one word stands once."""
    random = np.random.default_rng(0)
    titles = [" ".join(random.choice(SORTS[item % 2].split(), 3)) for item in range(n)]
    titles[0] += " unique unheard"
    titles[1] += " unheard"
    events = [(user, item) for user in range(60) for item in random.integers(0, touched, 6)]
    users, items = (
        pa.array([int(each) for each in column]) for column in zip(*events, strict=True)
    )
    made = build(users, items, order="position")
    made = replace(made, items=made.items.extend(list(range(n))))
    own = pa.array([titles[item] for item in made.items.ids.to_pylist()])
    return Log(made, Catalogue(made.items, pa.table({"title": own}), "title"))


def starts_of(log, **values):
    model = change(TwoTower(), VALUES | values)
    known = log.interactions.counts() > 0
    found = word_starts(log, model, known, seed=0, machine=ONE, progress=QUIET)
    return found, counted_words(log.items, "title", known)[1]


def test_words_that_stand_together_in_any_title_start_near_each_other():
    found, words = starts_of(log_of())
    assert {*words} >= {*" ".join(SORTS).split()}
    sort = np.array([SORTS[0].split().count(word) for word in words])
    plain = np.isin(words, " ".join(SORTS).split())
    vectors = unit(found[plain])
    cosines, same = vectors @ vectors.T, sort[plain][:, None] == sort[plain]
    others = ~np.eye(len(vectors), dtype=bool)
    assert cosines[same & others].mean() > cosines[~same].mean() + 0.3


def test_numbers_are_as_large_as_those_from_chance_and_one_seed_gives_the_same():
    found, _ = starts_of(log_of())
    there = found.any(axis=1)
    assert np.sqrt(np.square(found[there]).mean()) == pytest.approx(0.02, rel=1e-5)
    assert np.array_equal(starts_of(log_of())[0], found)


def test_the_items_tower_begins_there_and_learns_on():
    torch = pytest.importorskip("torch")
    import scipy.sparse as sp

    from recembed.training.content import Content
    from recembed.training.towers.items import ItemTower

    content = Content(sp.csr_matrix(np.eye(4, dtype=np.float32)), np.zeros((4, 0), np.float32))
    starts = np.array([[1, 2], [0, 0]], np.float32)  # of the last two columns; one is unknown
    towers = []
    for given in (None, starts):
        torch.manual_seed(0)
        how = {"biased": False, "id_dropout": 0.0, "touched": False, "starts": given}
        towers.append(ItemTower(content, 2, 0.02, **how).sparse.detach().numpy())
    assert towers[1][2].tolist() == [1, 2]
    assert np.array_equal(np.delete(towers[0], 2, 0), np.delete(towers[1], 2, 0))


def test_a_model_is_trained_from_there():
    pytest.importorskip("torch")
    log = log_of(80, 60)
    models = [
        change(TwoTower(), VALUES | {"features.pretrain": passes}).fit(log, machine=ONE)
        for passes in (0, 5, 5)
    ]
    tables = [model.items.vectors for model in models]
    assert np.array_equal(tables[1], tables[2])
    assert not np.array_equal(tables[0], tables[1])
    assert models[1].items.known.all()


def test_without_texts_it_says_what_to_name():
    with pytest.raises(DataError, match=r"features.pretrain needs texts"):
        starts_of(log_of(), **{"features.text": ""})
