import sys

import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.errors import RunError
from recembed.search.exact import ExactIndex
from recembed.search.faiss import STEPS, FaissFinder, _rounded
from recembed.search.kinds import build, opened

KINDS = ("hnsw", "ivf")


@pytest.fixture(scope="module")
def items():
    vectors = np.random.default_rng(3).normal(size=(2000, 6)).astype(np.float32)
    return Embeddings(Vocabulary.numbered(2000), vectors, np.ones(2000, bool))


@pytest.fixture(scope="module", params=KINDS)
def file(request, items, tmp_path_factory):
    path = tmp_path_factory.mktemp("faiss") / "index"
    return path, build(request.param, items, path, metric="dot", size=16)


def test_a_mask_is_kept_to_by_the_finder_so_that_nothing_fetched_is_lost(file, items):
    mask = np.random.default_rng(4).random(2000) < 0.2
    queries = np.random.default_rng(5).normal(size=(50, 6)).astype(np.float32)
    fetch, effort = np.full(50, 10), np.full(50, 800)
    owners, places = FaissFinder(*file, 1).nearest(queries, fetch, effort, mask)
    assert mask[places].all()
    assert (np.bincount(owners) == 10).all()
    truth = ExactIndex(items).search(queries, 10, allow=mask).rows
    found = {*zip(owners.tolist(), places.tolist(), strict=True)}
    hits = sum((query, row) in found for query in range(50) for row in truth[query])
    assert hits > 450


def test_all_lists_or_a_graph_followed_to_its_end_are_exact_search(file, items):
    queries = np.random.default_rng(6).normal(size=(30, 6)).astype(np.float32)
    fetch, effort = np.full(30, 10), np.full(30, 2000)
    owners, places = FaissFinder(*file, 2).nearest(queries, fetch, effort, None)
    truth = ExactIndex(items).search(queries, 10).rows
    found = places.reshape(30, 10)
    assert (owners == np.repeat(np.arange(30), 10)).all()
    assert np.array_equal(np.sort(found), np.sort(truth))


def test_each_query_has_its_own_length_whatever_is_asked_beside_it(file):
    queries = np.random.default_rng(7).normal(size=(90, 6)).astype(np.float32)
    fetch = np.random.default_rng(8).integers(1, 60, 90)
    finder = FaissFinder(*file, 1)
    owners, places = finder.nearest(queries, fetch, fetch + 40, None)
    for query in range(90):
        one = slice(query, query + 1)
        alone = finder.nearest(queries[one], fetch[one], fetch[one] + 40, None)[1]
        assert fetch[query] <= len(alone) == _rounded(fetch[one])[0]
        assert np.array_equal(np.sort(alone), np.sort(places[owners == query]))


def test_steps_are_four_in_each_doubling_and_a_step_is_its_own():
    values = np.arange(1, 5000)
    rounded = _rounded(values)
    assert (rounded >= values).all()
    assert (rounded <= np.ceil(values * 2**0.25)).all()
    assert np.array_equal(_rounded(rounded), rounded)
    assert _rounded(np.array([2**40]))[0] == STEPS[-1]


def test_a_file_of_another_kind_is_refused(file, items):
    path, meta = file
    (other,) = {*KINDS} - {meta["kind"]}
    with pytest.raises(RunError, match="holds another index than it says"):
        opened(path, {**meta, "kind": other}, items, 10)


def test_a_file_that_faiss_cannot_read_is_refused(file, items, tmp_path):
    meta = file[1]
    (tmp_path / "index").write_bytes(bytes(meta["bytes"]))
    with pytest.raises(RunError, match=r"FAISS cannot read .*: run `recembed index` again"):
        opened(tmp_path / "index", meta, items, 10)


def test_a_host_that_uses_faiss_keeps_its_threads(file):
    faiss = sys.modules["faiss"]
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    one = np.ones(1, np.int64)
    FaissFinder(*file, 1).nearest(np.ones((1, 6), np.float32), 5 * one, 20 * one, None)
    assert faiss.omp_get_max_threads() == 3
    faiss.omp_set_num_threads(before)
