import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.protocols import Machine
from recembed.search.audit import Truth, audit
from recembed.search.exact import ExactIndex
from recembed.search.faiss import STEPS
from recembed.search.kinds import KINDS, opened
from recembed.search.tuning import Asked, Tuning, tuned

ONE = Machine(threads=1)


def clustered(n=4000, dim=32, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, dim)) + 2 * rng.normal(size=(40, dim))[rng.integers(0, 40, n)]
    return Embeddings(Vocabulary.numbered(n), vectors.astype(np.float32), np.ones(n, bool))


@pytest.fixture(scope="module", params=KINDS)
def found(request, tmp_path_factory):
    """What is kept of a kind, the folder, the items and the users it was tuned with."""
    items, folder = clustered(), tmp_path_factory.mktemp(request.param)
    queries = np.random.default_rng(1).normal(size=(220, 32)).astype(np.float32)
    queries[::10] = 0
    tuning = Tuning(target_recall=0.9, k=5)
    built = tuned(request.param, items, Asked(queries), folder, tuning, machine=ONE)
    return request.param, built, folder, items


def test_the_target_is_reached_with_users_that_chose_nothing_and_one_file_is_kept(found):
    kind, built, folder, items = found
    assert list(folder.iterdir()) == [built.path]
    assert built.meta["kind"] == kind
    assert built.audit.recall >= 0.9
    assert (built.audit.k, built.audit.queries) == (5, 99)
    assert built.audit.bytes == built.path.stat().st_size
    others = np.random.default_rng(2).normal(size=(200, 32)).astype(np.float32)
    again = opened(built.path, built.meta, items, built.effort, ONE)
    assert audit(again, Truth.of(ExactIndex(items), others, 5)).recall > 0.85


def test_both_metrics_are_tried_and_each_size_with_one_of_them(found):
    kind, built, *_ = found
    tried = {(row["metric"], row["size"]) for row in built.tried}
    usual, *others = KINDS[kind].sizes(4000)
    assert {("dot", usual), ("angular", usual)} < tried
    assert sorted(size for _, size in tried) == sorted([usual, usual, *others])


def test_the_least_effort_that_reaches_the_target_is_kept(found):
    """Of four steps in each doubling: the step below was too little, unless it is the first."""
    _, built, _, _ = found
    own = (built.meta["metric"], built.meta["size"])
    rows = [row for row in built.tried if (row["metric"], row["size"]) == own]
    enough = [row["effort"] for row in rows if row["recall"] >= 0.9]
    short = [row["effort"] for row in rows if row["recall"] < 0.9]
    assert built.effort >= min(enough)
    if short and min(enough) < 4000:  # else exact search was far faster at once
        assert max(short) == STEPS[np.searchsorted(STEPS, min(enough)) - 1]


def test_what_was_asked_for_is_the_only_size(tmp_path):
    tuning = Tuning(target_recall=0.5, k=3, size=7)
    built = tuned("ivf", clustered(500), Asked(clustered(40, seed=3).vectors), tmp_path, tuning)
    assert {row["size"] for row in built.tried} == {7} == {built.meta["size"]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_catalogue_too_small_for_an_index_is_searched_in_full(kind, tmp_path):
    """Lists of 10 of 60 are made exactly: that they are right says nothing of lists of 5."""
    items = clustered(60)
    built = tuned(kind, items, Asked(items.vectors), tmp_path, machine=ONE)
    assert (built.effort, built.audit.recall) == (60, 1)
    index = opened(built.path, built.meta, items, built.effort, ONE)
    assert (index.search(items.vectors, 5).tied > 0).all()  # as exact search tells it


@pytest.mark.parametrize("kind", KINDS)
def test_one_user_both_tunes_and_audits(kind, tmp_path):
    items = clustered(300)
    built = tuned(kind, items, Asked(items.vectors[:1]), tmp_path, machine=ONE)
    assert built.audit.queries == 1
    assert built.audit.recall >= 0.95


def test_the_folder_of_the_index_is_made_and_an_empty_catalogue_has_one(tmp_path):
    nothing = Embeddings(Vocabulary.numbered(5), np.ones((5, 4), np.float32), np.zeros(5, np.bool_))
    built = tuned("ivf", nothing, Asked(np.ones((3, 4), np.float32)), tmp_path / "new", machine=ONE)
    assert built.path.parent == tmp_path / "new"
    assert built.audit.recall == 1


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_the_target_holds_for_users_who_have_seen_their_best_items(kind, tmp_path):
    items = clustered(3000)
    queries = clustered(200, seed=4).vectors
    exact = ExactIndex(items, ONE)
    seen = Sequences.of(exact.search(queries, 40).rows.tolist())
    built = tuned(kind, items, Asked(queries, seen), tmp_path, Tuning(k=5), machine=ONE)
    index = opened(built.path, built.meta, items, built.effort, ONE)
    assert audit(index, Truth.of(exact, queries, 5, seen)).recall > 0.93
