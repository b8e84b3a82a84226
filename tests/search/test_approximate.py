"""What holds for every approximate index beyond the contract: how it finds, and what it refuses."""

import json
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
from recembed.search.annoy import AnnoyFinder
from recembed.search.approximate import METRICS
from recembed.search.exact import ExactIndex
from recembed.search.kinds import KINDS, build, opened, suited

SIZES = {"annoy": 20, "hnsw": 12, "ivf": 40}
EFFORTS = {"annoy": 600, "hnsw": 24, "ivf": 400}


@pytest.fixture(scope="module")
def embeddings():
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(3000, 8)).astype(np.float32)
    return Embeddings(Vocabulary.numbered(3000), vectors, rng.random(3000) < 0.9)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module", params=METRICS)
def file(request, kind, embeddings, tmp_path_factory):
    path = tmp_path_factory.mktemp(kind) / "items.index"
    return path, build(kind, embeddings, path, metric=request.param, size=SIZES[kind])


@pytest.fixture(scope="module")
def index(file, kind, embeddings):
    return opened(*file, embeddings, EFFORTS[kind], Machine(threads=2))


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(6).normal(size=(200, 8)).astype(np.float32)


def recall(found, truth):
    listed = [len(set(a) & set(b)) for a, b in zip(found.rows, truth.rows, strict=True)]
    return sum(listed) / truth.rows.size


def test_the_finder_itself_answers_and_finds_nearly_the_best(index, embeddings, queries):
    top = index.search(queries, 10)
    assert (top.tied == -1).all()  # exact answers would know
    assert 0.8 < recall(top, ExactIndex(embeddings).search(queries, 10)) < 1


def test_filters_cost_no_recall(index, embeddings, queries):
    exact = ExactIndex(embeddings)
    seen = exact.search(queries, 20).rows  # the hardest: each query's own best items
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


def test_long_allow_lists_go_through_the_finder(index, embeddings, queries):
    rng = np.random.default_rng(9)
    allow = Sequences.of([np.flatnonzero(rng.random(3000) < 0.8).tolist() for _ in range(200)])
    top = index.search(queries, 10, allow=allow)
    assert (top.tied == -1).all()
    assert recall(top, ExactIndex(embeddings).search(queries, 10, allow=allow)) > 0.8


@pytest.mark.parametrize("metric", METRICS)
def test_one_thread_builds_the_same_bytes_twice_and_another_seed_others(
    kind, metric, embeddings, tmp_path
):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    metas = [
        build(kind, embeddings, path, metric=metric, size=SIZES[kind], seed=seed)
        for path, seed in zip(paths, (0, 0, 1), strict=True)
    ]
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second != third
    assert [meta["bytes"] for meta in metas] == [len(first), len(second), len(third)]


def test_the_meta_says_what_was_built(file, kind, embeddings):
    meta = file[1]
    assert meta["dim"] == 8
    assert meta["n"] == embeddings.known.sum()
    assert (meta["kind"], meta["size"], meta["seed"], meta["threads"]) == (kind, SIZES[kind], 0, 1)
    assert meta["build_seconds"] > 0
    assert meta["version"].count(".") == 2


ANSWER = """
import json, sys
import numpy as np
from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.search.kinds import opened
from pathlib import Path
folder, path, effort = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
meta = json.loads((folder / "meta.json").read_text())
arrays = np.load(folder / "arrays.npz")
items = Embeddings(Vocabulary.numbered(3000), arrays["vectors"], arrays["known"])
index = opened(path, meta, items, effort)
top = index.search(arrays["queries"], 10)
assert str(path) in Path("/proc/self/maps").read_text(), "the file is read, not mapped"
print(json.dumps([top.rows.tolist(), top.scores.tolist()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_another_process_maps_the_same_file_and_answers_alike(
    file, kind, index, embeddings, queries, tmp_path
):
    path, meta = file
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    np.savez(
        tmp_path / "arrays.npz",
        vectors=embeddings.vectors,
        known=embeddings.known,
        queries=queries,
    )
    command = [sys.executable, "-c", ANSWER, str(tmp_path), str(path), str(EFFORTS[kind])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    here = index.search(queries, 10)
    assert json.loads(done.stdout) == [here.rows.tolist(), here.scores.tolist()]


def test_one_query_is_answered_as_among_hundreds(index, queries):
    rng = np.random.default_rng(12)
    seen = Sequences.of([rng.integers(0, 3000, rng.integers(0, 60)).tolist() for _ in queries])
    top = index.search(queries, 10, exclude=seen)
    for query in range(0, 200, 7):
        alone = index.search(queries[[query]], 10, exclude=seen.take(np.array([query])))
        assert np.array_equal(alone.rows[0], top.rows[query])
        assert np.array_equal(alone.scores[0], top.scores[query])


@pytest.fixture
def built(kind, embeddings, tmp_path):
    path = tmp_path / "items.index"
    return path, build(kind, embeddings, path, metric="dot", size=3)


@pytest.mark.parametrize("left", [0, 4, 1000])
def test_a_truncated_file_is_refused_before_native_code_sees_it(built, embeddings, left):
    path, meta = built
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(RunError, match=f"has {left} bytes where {meta['bytes']} were written"):
        opened(path, meta, embeddings, 100)


def test_a_missing_file_is_refused(built, embeddings):
    path, meta = built
    path.unlink()
    with pytest.raises(RunError, match="there is no index"):
        opened(path, meta, embeddings, 100)


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
            opened(path, meta, other, 100)


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
    before = opened(path, meta, embeddings, 100).search(query, 10)
    after = opened(path, meta, longer, 100).search(query, 10)
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.scores, after.scores)


@pytest.mark.parametrize("metric", ["euclidean", None])
def test_a_metric_nobody_knows_is_refused(built, embeddings, metric):
    path, meta = built
    with pytest.raises(RunError, match="expected 'dot' or 'angular'"):
        opened(path, {**meta, "metric": metric}, embeddings, 100)


@pytest.mark.parametrize(("name", "effort"), [("faiss", 100), (None, 100), ("own", 0)])
def test_a_kind_nobody_knows_and_an_effort_of_nothing_are_refused(built, embeddings, name, effort):
    path, meta = built
    named = meta["kind"] if name == "own" else name
    with pytest.raises(RunError, match="there is annoy, hnsw, ivf, from effort 1 on"):
        opened(path, {**meta, "kind": named}, embeddings, effort)


@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [("annoy", "annoy", "annoy"), ("hnsw", "faiss", "faiss"), ("ivf", "faiss", "faiss")],
)
def test_without_its_package_the_message_says_how_to_get_it(
    kind, module, extra, embeddings, tmp_path, monkeypatch
):
    path = tmp_path / "items.index"
    meta = build(kind, embeddings, path, metric="dot", size=3)
    monkeypatch.setitem(sys.modules, module, None)
    for asked in (
        lambda: build(kind, embeddings, tmp_path / "new", metric="dot", size=3),
        lambda: opened(path, meta, embeddings, 100),
    ):
        with pytest.raises(MissingExtra, match=rf"pip install 'recembed\[{extra}\]'"):
            asked()


def test_small_catalogues_are_searched_exactly_and_large_ones_by_what_is_installed(monkeypatch):
    assert suited(0) == suited(5000) == ()
    assert suited(10**6) == ("ivf", "hnsw")
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert suited(10**6) == ("annoy",)


def test_search_loads_no_annoy_faiss_numba_or_torch():
    code = (
        "import sys, numpy as np\n"
        "import recembed.search.kinds, recembed.search.tuning\n"
        "from recembed.data.embeddings import Embeddings\n"
        "from recembed.data.vocabulary import Vocabulary\n"
        "from recembed.search.exact import ExactIndex\n"
        "one = np.ones((1, 2), np.float32)\n"
        "items = Embeddings(Vocabulary.numbered(1), one, np.ones(1, bool))\n"
        "assert ExactIndex(items).search(one, 1).rows.tolist() == [[0]]\n"
        "assert not {'annoy', 'faiss', 'numba', 'torch', 'implicit'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_forest_that_went_meanwhile_is_told_in_one_line(tmp_path):
    with pytest.raises(RunError, match=r"Annoy cannot read .*gone: run `recembed index` again"):
        AnnoyFinder(tmp_path / "gone", {"metric": "dot", "dim": 4}, 1)
