"""Many queries at a time: what NumPy answers, to the byte, from any blocks, tiles and threads."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import norm
from threadpoolctl import threadpool_info

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, MissingExtra
from recembed.protocols import Machine
from recembed.search.exact import ExactIndex
from recembed.search.select import MANY


def items(vectors):
    vectors = np.asarray(vectors, np.float32)
    return Embeddings(Vocabulary.numbered(len(vectors)), vectors, np.ones(len(vectors), bool))


def same(top, other):
    return all(
        one.tobytes() == two.tobytes()
        for one, two in ((top.rows, other.rows), (top.scores, other.scores), (top.tied, other.tied))
    )


class Few(ExactIndex):
    """By NumPy alone, however many are asked for."""

    many = sys.maxsize


@pytest.fixture(scope="module")
def crowd():
    """More queries than there must be for the kernels, items on several tiles, seen items."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9000, 21)).astype(np.float32)
    vectors[4000:4700] = vectors[:700]
    queries = rng.normal(size=(MANY + 50, 21)).astype(np.float32)
    seen = Sequences.of([rng.integers(0, 9000, rng.integers(0, 60)).tolist() for _ in queries])
    return items(vectors), queries, seen


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_kernels_and_numpy_give_the_same_bytes(exactly, world, seed):
    here = world(seed, most=400)
    here = replace(here, k=int(np.random.default_rng(seed).choice([1, 7, 60, 300])))
    assert same(here.search(exactly(here.embeddings)), here.search(Few(here.embeddings)))


@pytest.mark.parametrize("k", [1, 10, 400])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_memory_change_no_byte(crowd, k, threads):
    embeddings, queries, seen = crowd
    truth = Few(embeddings).search(queries, k, exclude=seen)
    for memory in (1, 1 << 30):
        machine = Machine(threads=threads, memory=memory)
        top = ExactIndex(embeddings, machine).search(queries, k, exclude=seen)
        assert same(top, truth)


def test_masks_wide_and_narrow_are_kept(crowd):
    embeddings, queries, seen = crowd
    for share in (0.1, 0.7):
        mask = np.random.default_rng(1).random(9000) < share
        top = ExactIndex(embeddings).search(queries, 20, exclude=seen, allow=mask)
        assert mask[top.rows].all()
        assert same(top, Few(embeddings).search(queries, 20, exclude=seen, allow=mask))


def test_a_list_that_every_later_item_changes_is_the_right_one():
    index = ExactIndex(items(np.arange(20_000)[:, None]))  # each tile is better than all before
    top = index.search(np.ones((MANY, 1), np.float32), 30)
    assert (top.rows == np.arange(19_999, 19_969, -1)).all()


def test_a_catalogue_of_twins_and_queries_of_zeros_are_listed_by_row():
    vectors = np.ones((3000, 5), np.float32)
    vectors[1234] = 2
    queries = np.ones((MANY, 5), np.float32)
    queries[::7] = 0
    top = ExactIndex(items(vectors)).search(queries, 3)
    assert (top.rows[::7] == [0, 1, 2]).all()
    assert (top.tied[::7] == 3000).all()
    assert (top.rows[1:7] == [1234, 0, 1]).all()
    assert (top.tied[1:7] == 2999).all()


@pytest.mark.parametrize("dim", [1, 7, 8, 9, 64, 131])
def test_true_scores_are_summed_in_one_order_by_both(dim):
    rng = np.random.default_rng(dim)
    signs = rng.choice([-1, 1], (40, dim))
    vectors = (signs * 10.0 ** rng.integers(-8, 9, (40, dim))).astype(np.float32)
    queries = 1 / np.abs(vectors[rng.integers(0, 40, MANY)]) * rng.normal(1, 1e-7, (MANY, dim))
    queries = queries.astype(np.float32)  # terms nearly cancel: the order of the sum would show
    embeddings = items(vectors)
    assert same(ExactIndex(embeddings).search(queries, 40), Few(embeddings).search(queries, 40))


def test_vectors_mapped_from_a_file_are_searched_as_they_are(crowd, tmp_path):
    embeddings, queries, seen = crowd
    np.save(tmp_path / "vectors.npy", embeddings.vectors)
    mapped = replace(embeddings, vectors=np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    frozen = queries.copy()
    frozen.flags.writeable = False
    top = ExactIndex(mapped).search(frozen, 5, exclude=seen)
    assert same(top, Few(embeddings).search(queries, 5, exclude=seen))


def blas_threads():
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_searches_at_one_time_are_right_and_matrix_products_get_their_threads_back(crowd):
    embeddings, queries, seen = crowd
    before, index = blas_threads(), ExactIndex(embeddings, Machine(threads=2))
    truth = index.search(queries, 9, exclude=seen)
    with ThreadPoolExecutor(4) as pool:
        tops = [pool.submit(index.search, queries, 9, exclude=seen) for _ in range(8)]
        assert all(same(top.result(), truth) for top in tops)
    assert blas_threads() == before


def test_a_product_in_a_search_has_one_thread(crowd, monkeypatch):
    told = []

    def product(queries, vectors):
        def write(block, items, out):
            told.extend(blas_threads())
            np.matmul(queries[block], vectors[items].T, out=out)

        return write

    monkeypatch.setattr("recembed.search.exact.float32_product", product)
    ExactIndex(crowd[0], Machine(threads=2)).search(crowd[1], 3)
    assert set(told) == {1}


def test_what_goes_wrong_in_a_thread_is_raised_and_threads_come_back(crowd, monkeypatch):
    before = blas_threads()
    monkeypatch.setattr("recembed.search.exact.float32_product", lambda *_: lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ExactIndex(crowd[0]).search(crowd[1], 3)
    assert blas_threads() == before


def test_bfloat16_lists_nearly_the_same_with_true_scores(crowd):
    pytest.importorskip("torch")
    embeddings, queries, seen = crowd
    rough = ExactIndex(embeddings, precision="bfloat16").search(queries, 10, exclude=seen)
    truth = ExactIndex(embeddings).search(queries, 10, exclude=seen)
    assert (rough.rows == truth.rows).mean() > 0.99
    true = (queries[:, None].astype(float) * embeddings.vectors[rough.rows]).sum(axis=2)
    assert np.allclose(rough.scores, true, rtol=1e-6, atol=1e-6)
    assert norm(rough.scores - true) < 1e-4 * norm(true)  # bfloat16 itself is off by 1e-3


def test_bfloat16_refuses_what_float32_refuses(crowd):
    pytest.importorskip("torch")
    embeddings, queries, _ = crowd
    wrong = queries.copy()
    wrong[3, 3] = np.nan
    with pytest.raises(DataError, match="1 of 306 queries have NaN or infinite values"):
        ExactIndex(embeddings, precision="bfloat16").search(wrong, 10)


def test_bfloat16_without_torch_says_how_to_get_it(crowd, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'recembed\[torch\]'"):
        ExactIndex(crowd[0], precision="bfloat16").search(crowd[1], 10)


def test_compiled_search_loads_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from recembed.data.embeddings import Embeddings\n"
        "from recembed.data.vocabulary import Vocabulary\n"
        "from recembed.search.exact import ExactIndex\n"
        "vectors = np.eye(300, dtype=np.float32)\n"
        "items = Embeddings(Vocabulary.numbered(300), vectors, np.ones(300, bool))\n"
        "assert (ExactIndex(items).search(vectors, 1).rows[:, 0] == np.arange(300)).all()\n"
        "assert 'numba' in sys.modules\n"
        "assert not {'annoy', 'torch', 'implicit'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
