from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

pytest.importorskip("torch")

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.content import content_of
from recembed.models.two_tower import TwoTower
from recembed.training.towers.settings import Features, Mean, Transformer

CLUSTERS, SIZE, TOUCHED = 6, 10, 8
texts = st.lists(st.none() | st.text("abc '-", max_size=12), min_size=2, max_size=8)
amounts = st.lists(st.none() | st.integers(-1000, 1000), min_size=2, max_size=8)


def content(table, trained=None, *, numbered=True, **features):
    """Of items "a", "b" and so on with a number each; all are trained if nothing is said."""
    table = pa.table(table)
    n = table.num_rows
    if numbered:
        table = table.append_column("number", pa.array(range(n)))
    items = Vocabulary(list("abcdefgh"[:n]), "item")
    trained = np.ones(n, bool) if trained is None else np.array(trained, bool)
    rows = Sequences.of([np.flatnonzero(trained).tolist()])
    events = Interactions(Vocabulary(["u"], "user"), items, rows)
    return content_of(Log(events, Catalogue(items, table)), Features(**features), trained)


def test_an_item_is_the_mean_of_its_categories_of_all_columns():
    table = {"tags": [["x", "y"], ["x"], None], "kind": ["k", None, "l"]}
    found = content(table, categories=("tags", "kind"))
    assert found.sparse.toarray().tolist() == [
        [0.5, 0.5, 1, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 1],
    ]
    assert found.dense.shape == (3, 0)


def test_a_category_that_only_untouched_items_have_counts_for_nothing():
    table = {"tags": [["x"], ["x", "y"], ["y"]]}
    found = content(table, [True, False, False], categories=("tags",))
    assert found.sparse.toarray().tolist() == [[1], [1], [0]]
    assert found.known.tolist() == [True, True, False]


def test_an_untouched_item_of_known_words_has_content_by_them_alone():
    table = {"title": ["red rose", "red tulip", "RED lily", "lily"]}
    found = content(table, [True, True, False, False], text=("title",))
    assert found.sparse.toarray().tolist() == [[1], [1], [1], [0]]


@given(texts, st.data())
def test_words_weigh_what_scikit_learn_says(rows, data):
    trained = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    mine = [text or "" for text in rows]
    reference = TfidfVectorizer(token_pattern=r"[a-z](?:[a-z]+|['-](?=[a-z]))*", min_df=2)
    taught = [text for text, there in zip(mine, trained, strict=True) if there]
    try:
        expected = reference.fit(taught).transform(mine).toarray()
    except ValueError:  # no word is left
        with pytest.raises(DataError, match="column 'title'"):
            content({"title": pa.array(rows, pa.string())}, trained, text=("title",))
        return
    found = content({"title": pa.array(rows, pa.string())}, trained, text=("title",))
    ours, theirs = np.sort(found.sparse.toarray()), np.sort(expected)
    assert np.allclose(ours, theirs, atol=1e-6)
    products = found.sparse @ found.sparse.T
    assert np.allclose(products.toarray(), expected @ expected.T, atol=1e-6)


def test_lists_of_text_are_read_as_one_text():
    whole = content({"title": ["red rose", "red tulip rose", "rose"]}, text=("title",))
    parts = content({"title": [["red", "rose"], ["red tulip", "rose"], ["rose"]]}, text=("title",))
    assert np.array_equal(whole.sparse.toarray(), parts.sparse.toarray())


def test_words_of_two_columns_are_apart_and_each_column_has_length_1():
    table = {"title": ["rose", "rose"], "text": ["rose red", "rose red"]}
    found = content(table, text=("title", "text"))
    assert found.sparse.shape == (2, 3)
    assert np.allclose(found.sparse.power(2).sum(axis=1), 2)


def test_numbers_are_measured_against_those_of_trained_items():
    table = {"price": [1.0, 3.0, 5.0, None]}
    found = content(table, [True, True, False, True], numbers=("price",))
    assert found.dense.ravel().tolist() == [-1, 1, 3, 0]


@given(amounts, st.integers(1, 100), st.integers(-100, 100))
def test_the_unit_of_a_number_does_not_matter(rows, scale, shift):
    if all(each is None for each in rows):
        rows = [*rows[1:], 1]
    moved = [None if each is None else each * scale + shift for each in rows]
    found, other = (content({"price": each}, numbers=("price",)) for each in (rows, moved))
    assert np.allclose(found.dense, other.dense, atol=1e-4)
    assert found.dense.dtype == np.float32


def test_whole_numbers_that_a_float_cannot_hold_are_read_all_the_same():
    large = [2**60 + 1, 2**61 + 1, None]
    assert np.allclose(content({"n": large}, numbers=("n",)).dense.ravel(), [-1, 1, 0])
    found = content({"n": [large[:1], large[1:2], None]}, vectors=("n",))
    assert np.allclose(found.dense.ravel(), [-1, 1, 0])


@pytest.mark.parametrize("column", [[0.1, 0.1, 0.1], [7, None, 7], [float("nan"), 2.0, None]])
def test_a_number_that_is_the_same_for_all_says_nothing(column):
    assert not content({"price": column}, numbers=("price",)).dense.any()


def test_vectors_are_centred_and_of_length_1_in_the_root_mean_square():
    table = {"image": [[1.0, 0.0], [3.0, 4.0], None, [5.0, 8.0]]}
    found = content(table, vectors=("image",)).dense
    assert not found[2].any()
    there = found[[0, 1, 3]]
    assert np.allclose(there.sum(axis=0), 0, atol=1e-6)
    assert np.isclose(np.square(there).sum(axis=1).mean(), 1)
    assert np.allclose(there[0], -there[2])  # (1, 0) and (5, 8) lie about their mean (3, 4)
    assert np.allclose(there[1], 0, atol=1e-6)


@pytest.mark.parametrize("kind", [pa.list_(pa.float64(), 2), pa.large_list(pa.int32())])
def test_vectors_may_be_stored_as_lists_of_any_numbers(kind):
    rows = [[1, 2], None, [3, 1]]
    plain = content({"image": rows}, vectors=("image",))
    assert np.array_equal(
        content({"image": pa.array(rows, kind)}, vectors=("image",)).dense, plain.dense
    )


def test_without_features_nothing_is_known():
    found = content({"title": ["x", "y"]})
    assert not found
    assert not found.known.any()


@pytest.mark.parametrize(
    ("table", "features", "message"),
    [
        ({"a": [1, 2]}, {"text": ("b",)}, "no column 'b'; it has: a, number"),
        ({"a": [1, 2]}, {"text": ("a",)}, "column 'a' holds int64, not text"),
        ({"a": ["x", "y"]}, {"text": ("a",)}, "no 2 trained items share a word of column 'a'"),
        ({"a": ["x", "y"]}, {"numbers": ("a",)}, "column 'a' holds string, not numbers"),
        ({"a": [True, False]}, {"numbers": ("a",)}, "column 'a' holds bool, not numbers"),
        ({"a": [[1], [2]]}, {"numbers": ("a",)}, "column 'a' holds list.*, not numbers"),
        (
            {"a": np.array(["2020-01-01", "2021-01-01"], "M8[s]")},
            {"numbers": ("a",)},
            "column 'a' holds timestamp.*, not numbers: name another",
        ),
        ({"a": [1.0, np.inf]}, {"numbers": ("a",)}, "1 item has infinite numbers .* first: 'b'"),
        ({"a": [1.0, 2.0]}, {"vectors": ("a",)}, "column 'a' holds double, not vectors"),
        ({"a": [["x"], ["y"]]}, {"vectors": ("a",)}, "column 'a' holds list.*, not vectors"),
        (
            {"a": [[1.0, 2.0], [1.0], [3.0, 4.0], [0.0, None], [5.0, 6.0]]},
            {"vectors": ("a",)},
            "2 items have no vector of 2 numbers, as the others have, in column 'a', first: "
            "'b', 'd'",
        ),
        (
            {"a": [[1.0, 2.0], [np.nan, np.inf]]},
            {"vectors": ("a",)},
            "1 item has numbers that are not finite in column 'a', first: 'b'",
        ),
        ({"a": [[["x"]], [["y"]]]}, {"categories": ("a",)}, "column 'a' holds list.*, no categ"),
    ],
)
def test_a_column_that_is_something_else_is_refused_in_one_line(table, features, message):
    with pytest.raises(DataError, match=message) as told:
        content(table, **features)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["categories", "text", "numbers", "vectors"])
def test_columns_in_which_trained_items_have_nothing_are_refused(kind):
    table = {"a": [None, "x"], "b": ["y", None]}
    with pytest.raises(DataError, match="none of 1 trained item has anything in column 'a': "):
        content(table, [True, False], **{kind: ("a",)})


def test_items_of_the_log_without_a_row_are_refused_or_known_by_their_ids_alone():
    table = {"kind": ["x", None, None, None, "x", None], "size": [1, 2, None, None, None, None]}
    trained = [True, True, True, True, True, False]
    with pytest.raises(
        DataError,
        match=r"^2 of 5 items of the log have nothing in the item table, first: 'c', 'd': .* "
        r"set features\.uncovered=id-only$",
    ):
        content(table, trained, numbered=False, categories=("kind",))
    found = content(table, trained, numbered=False, categories=("kind",), uncovered="id-only")
    assert found.known.tolist() == [True, False, False, False, True, False]


def test_features_without_an_item_table_say_what_to_do():
    items = Vocabulary(["a"], "item")
    log = Log(Interactions(Vocabulary(["u"], "user"), items, Sequences.of([[0]])))
    with pytest.raises(DataError, match=r"features kind need an item table \(--items\)"):
        content_of(log, Features(categories=("kind",)), np.ones(1, bool))


@pytest.fixture
def clusters(log_of):
    """Histories of one cluster each; the last two items of each cluster are in nobody's."""
    random = np.random.default_rng(0)
    histories = [
        (user % CLUSTERS * SIZE + random.integers(0, TOUCHED, 8)).tolist() for user in range(240)
    ]
    cluster = np.arange(CLUSTERS * SIZE) // SIZE
    table = {
        "kind": [["all", f"k{c}"] for c in cluster],
        "title": [f"item of world{c}" for c in cluster],
        "image": (np.eye(CLUSTERS)[cluster] + random.normal(0, 0.1, (60, 6))).tolist(),
    }
    return log_of(histories, n_items=CLUSTERS * SIZE, table=table)


@pytest.mark.parametrize("score", ["dot", "cosine"])
@pytest.mark.parametrize(
    "setting",
    [
        TwoTower(dim=16, epochs=6, batch_size=128, learning_rate=0.02, tower=Mean()),
        TwoTower(dim=16, epochs=6, batch_size=16, learning_rate=0.02, tower=Transformer(blocks=1)),
    ],
    ids=["mean", "transformer"],
)
@pytest.mark.parametrize("column", ["categories=kind", "text=title", "vectors=image"])
def test_an_item_that_nobody_touched_is_found_by_its_content(clusters, one, column, setting, score):
    kind, name = column.split("=")
    features = Features(**{kind: (name,)}, id_dropout=0.5)
    model = replace(setting, features=features, score=score).fit(clusters, machine=one)
    events = clusters.interactions
    untouched = np.flatnonzero(events.counts() == 0)
    assert len(untouched) == CLUSTERS * (SIZE - TOUCHED)
    assert model.items.known.all()
    scores = model.users(events) @ model.items.scored()[untouched].T
    best = untouched[np.argsort(-scores, axis=1)[:, :2]] // SIZE
    assert (best == (np.arange(240) % CLUSTERS)[:, None]).mean() > 0.9
