import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import MissingExtra, RunError
from recembed.protocols import Machine
from recembed.search.annoy import METRICS, AnnoyIndex, build_annoy
from recembed.search.exact import ExactIndex


@pytest.fixture(scope="module")
def embeddings():
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(3000, 8)).astype(np.float32)
    return Embeddings(Vocabulary.numbered(3000), vectors, rng.random(3000) < 0.9)


@pytest.fixture(scope="module", params=METRICS)
def index(request, embeddings, tmp_path_factory):
    path = tmp_path_factory.mktemp("annoy") / "items.ann"
    meta = build_annoy(embeddings, path, metric=request.param, trees=20)
    return AnnoyIndex(path, meta, embeddings, 600, Machine(threads=2))


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(6).normal(size=(200, 8)).astype(np.float32)


def recall(found, truth):
    listed = [len(set(a) & set(b)) for a, b in zip(found.rows, truth.rows, strict=True)]
    return sum(listed) / truth.rows.size


def test_annoy_itself_answers_and_finds_nearly_the_best(index, embeddings, queries):
    top = index.search(queries, 10)
    assert (top.tied == -1).all()  # exact answers would know
    assert 0.8 < recall(top, ExactIndex(embeddings).search(queries, 10)) < 1


def test_filters_cost_no_recall(index, embeddings, queries):
    exact = ExactIndex(embeddings)
    seen = exact.search(queries, 50).rows  # the hardest: each query's own best items
    exclude = Sequences.of(seen.tolist())
    mask = np.random.default_rng(7).random(3000) < 0.7
    top = index.search(queries, 10, exclude=exclude, allow=mask)
    assert (top.tied == -1).mean() > 0.9
    assert not (top.rows[:, :, None] == seen[:, None, :]).any()
    assert mask[top.rows].all()
    assert recall(top, exact.search(queries, 10, exclude=exclude, allow=mask)) > 0.8


def test_short_allow_lists_are_answered_exactly(index, embeddings, queries):
    allow = Sequences.of(np.random.default_rng(8).integers(0, 3000, (200, 400)).tolist())
    top = index.search(queries, 10, allow=allow)
    truth = ExactIndex(embeddings).search(queries, 10, allow=allow)
    assert np.array_equal(top.rows, truth.rows)
    assert np.array_equal(top.scores, truth.scores)
    assert np.array_equal(top.tied, truth.tied)


def test_long_allow_lists_go_through_annoy(index, embeddings, queries):
    rng = np.random.default_rng(9)
    allow = Sequences.of([np.flatnonzero(rng.random(3000) < 0.8).tolist() for _ in range(200)])
    top = index.search(queries, 10, allow=allow)
    assert (top.tied == -1).all()
    assert recall(top, ExactIndex(embeddings).search(queries, 10, allow=allow)) > 0.8


@pytest.mark.parametrize("metric", METRICS)
def test_one_thread_builds_the_same_bytes_twice_and_another_seed_others(
    metric, embeddings, tmp_path
):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    metas = [
        build_annoy(embeddings, path, metric=metric, trees=3, seed=seed)
        for path, seed in zip(paths, (0, 0, 1), strict=True)
    ]
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second != third
    assert [meta["bytes"] for meta in metas] == [len(first), len(second), len(third)]


def test_the_meta_says_what_was_built(index, embeddings):
    meta = index.meta
    assert meta["dim"] == 8
    assert meta["n"] == embeddings.known.sum()
    assert (meta["trees"], meta["seed"], meta["threads"]) == (20, 0, 1)
    assert meta["build_seconds"] > 0
    assert meta["annoy_version"].count(".") == 2


@pytest.fixture
def built(embeddings, tmp_path):
    path = tmp_path / "items.ann"
    return path, build_annoy(embeddings, path, metric="dot", trees=3)


@pytest.mark.parametrize("left", [0, 4, 1000])
def test_a_truncated_file_is_refused_before_annoy_sees_it(built, embeddings, left):
    path, meta = built
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(RunError, match=f"has {left} bytes where {meta['bytes']} were written"):
        AnnoyIndex(path, meta, embeddings, 100)


def test_a_missing_file_is_refused(built, embeddings):
    path, meta = built
    path.unlink()
    with pytest.raises(RunError, match="there is no index"):
        AnnoyIndex(path, meta, embeddings, 100)


def test_an_index_of_other_vectors_is_refused(built, embeddings):
    path, meta = built
    moved = embeddings.vectors.copy()
    moved[np.flatnonzero(embeddings.known)[5], 3] += 1
    fewer = embeddings.known.copy()
    fewer[np.flatnonzero(fewer)[0]] = False
    others = [
        replace(embeddings, vectors=moved),
        replace(embeddings, known=fewer),
        replace(embeddings, vectors=np.roll(embeddings.vectors, 1, axis=0)),
        replace(embeddings, metric="cosine"),
        replace(embeddings, vectors=embeddings.vectors[:, :7].copy()),
    ]
    for other in others:
        with pytest.raises(RunError, match="built for other item vectors: run `recembed index`"):
            AnnoyIndex(path, meta, other, 100)


def test_what_nobody_trained_may_change(built, embeddings):
    path, meta = built
    moved = embeddings.vectors.copy()
    moved[~embeddings.known] = 7
    longer = Embeddings(
        Vocabulary.numbered(3002),
        np.concatenate([moved, np.ones((2, 8), np.float32)]),
        np.append(embeddings.known, [False, False]),
    )
    query = np.ones((1, 8), np.float32)
    before = AnnoyIndex(path, meta, embeddings, 100).search(query, 10)
    after = AnnoyIndex(path, meta, longer, 100).search(query, 10)
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.scores, after.scores)


@pytest.mark.parametrize("metric", ["euclidean", None])
def test_a_metric_nobody_knows_is_refused(built, embeddings, metric):
    path, meta = built
    with pytest.raises(RunError, match="expected 'dot' or 'angular'"):
        AnnoyIndex(path, {**meta, "metric": metric}, embeddings, 100)


def test_without_annoy_the_message_says_how_to_get_it(embeddings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "annoy", None)
    with pytest.raises(MissingExtra, match=r"pip install 'recembed\[annoy\]'"):
        build_annoy(embeddings, tmp_path / "items.ann", metric="dot")


def test_search_loads_no_annoy_numba_or_torch():
    code = (
        "import sys, numpy as np\n"
        "import recembed.search.annoy, recembed.search.audit\n"
        "from recembed.data.embeddings import Embeddings\n"
        "from recembed.data.vocabulary import Vocabulary\n"
        "from recembed.search.exact import ExactIndex\n"
        "one = np.ones((1, 2), np.float32)\n"
        "items = Embeddings(Vocabulary.numbered(1), one, np.ones(1, bool))\n"
        "assert ExactIndex(items).search(one, 1).rows.tolist() == [[0]]\n"
        "assert not {'annoy', 'numba', 'torch', 'implicit'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
