"""An index with items beside it answers as one of all items would."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.search.delta import DeltaIndex
from recembed.search.exact import ExactIndex

SEEDS = st.integers(0, 2**32)


def parted(build, embeddings, seed):
    """The index of some items, with the others beside it."""
    random = np.random.default_rng(seed)
    added = random.random(len(embeddings.known)) < random.choice([0.0, 0.1, 0.5, 1.0])
    built = Embeddings(
        embeddings.vocabulary, embeddings.vectors, embeddings.known & ~added, embeddings.metric
    )
    return DeltaIndex.of(build(built), embeddings, added)


@given(seed=SEEDS)
@settings(max_examples=60)
def test_beside_an_exact_index_the_answer_is_that_of_one_index(exactly, world, seed):
    here = world(seed)
    wanted = here.search(ExactIndex(here.embeddings))
    found = here.search(parted(exactly, here.embeddings, seed))
    assert np.array_equal(found.rows, wanted.rows)
    assert np.array_equal(found.scores, wanted.scores)
    assert np.array_equal(found.tied, wanted.tied)


@given(seed=SEEDS)
@settings(max_examples=30)
def test_beside_every_index_lists_are_full_eligible_and_truly_scored(build, world, seed):
    here = world(seed)
    top = here.search(parted(build, here.embeddings, seed))
    may, scores = here.eligible(), here.scores()
    for query, (rows, given_scores) in enumerate(zip(top.rows, top.scores, strict=True)):
        size = min(here.k, may[query].sum())
        assert (rows[size:] == -1).all()
        rows, given_scores = rows[:size], given_scores[:size]
        assert len({*rows.tolist()} - {-1}) == size
        assert may[query, rows].all()
        assert np.array_equal(given_scores, scores[query, rows])
        assert np.array_equal(np.lexsort((rows, -given_scores)), np.arange(size))


def test_an_added_item_stands_where_its_score_puts_it():
    vectors = np.array([[3], [1], [2], [0]], np.float32)
    items = Embeddings(Vocabulary.numbered(4), vectors, np.ones(4, bool))
    old = Embeddings(items.vocabulary, vectors, np.array([True, True, False, False]))
    index = DeltaIndex.of(ExactIndex(old), items, np.array([False, False, True, True]))
    top = index.search(np.ones((2, 1), np.float32), 3, exclude=Sequences.of([[], [0, 1]]))
    assert top.rows.tolist() == [[0, 2, 1], [2, 3, -1]]
    assert top.tied.tolist() == [1, 1]
