"""The fitted two-tower model: NumPy's towers against torch's, users' own vectors, cosines."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.people import People
from recembed.models.tower_math import NumpyTower, _gelu
from recembed.models.tower_model import TowerModel
from recembed.search.exact import ExactIndex
from recembed.search.kinds import build, opened
from recembed.training.recency import Recency
from recembed.training.towers.buckets import Histories
from recembed.training.towers.settings import Attention, Mean, Transformer
from recembed.training.towers.users import Packed, user_tower

N_ITEMS, DIM, REACH = 30, 8, 12
TOWERS = {
    "mean": Mean(recency=Recency(decay=0.7)),
    "attention of one head": Attention(heads=1),
    "attention of four heads": Attention(heads=4),
    "transformer of one block": Transformer(blocks=1, heads=1),
    "transformer of two heads": Transformer(blocks=2, heads=2, width=1),
    "transformer of four heads": Transformer(blocks=3, heads=4),
    "transformer with gaps": Transformer(blocks=2, heads=2, gaps=True),
}


@pytest.fixture(scope="module", params=TOWERS)
def setting(request):
    return TOWERS[request.param]


def events_of(lengths, seed=0, grouped=False):
    """Histories of random items and times; one of four events a group."""
    random = np.random.default_rng(seed)
    n = sum(lengths)
    rows = Sequences(
        random.integers(0, N_ITEMS, n).astype(np.int32),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )
    return Interactions(
        Vocabulary([f"user {i}" for i in range(len(lengths))], "user"),
        Vocabulary.numbered(N_ITEMS, "item"),
        rows,
        time=np.cumsum(random.integers(0, 10 ** random.integers(1, 9, n))),
        group=np.arange(n, dtype=np.int64) // 4 + 10**6 * rows.owners() if grouped else None,
    )


def torch_tower(setting, seed=0):
    """A tower all of whose numbers are random."""
    torch.manual_seed(seed)
    tower = user_tower(setting, DIM, REACH, every=False).eval()
    with torch.no_grad():
        for each in tower.parameters():
            each += 0.5 * torch.randn(each.shape)
    return tower


def arrays_of(tower):
    return {name: each.detach().numpy().copy() for name, each in tower.named_parameters()}


def table_of(known=None, seed=1):
    vectors = np.random.default_rng(seed).standard_normal((N_ITEMS, DIM)).astype(np.float32)
    known = np.ones(N_ITEMS, bool) if known is None else known
    return Embeddings(Vocabulary.numbered(N_ITEMS, "item"), vectors * known[:, None], known)


def model_of(setting, *, score="dot", bias=None, people=None, table=None):
    tower = NumpyTower(setting, arrays_of(torch_tower(setting)))
    return TowerModel(table or table_of(), bias, tower, people, REACH, score)


def placed_by_torch(setting, histories):
    """All at once, as in training."""
    rows, cpu = histories.rows.astype(np.int64), torch.device("cpu")
    packed = Packed.of(Histories.of(histories, setting), rows, cpu)
    with torch.no_grad():
        return torch_tower(setting)(torch.from_numpy(table_of().vectors), packed).numpy()


LENGTHS = [1, 12, 3, 2, 7, 7, 8, 1, 5, 11, 4, 12, 6, 9, 10, 2]


@pytest.mark.parametrize("grouped", [False, True])
def test_users_are_placed_as_by_torch_whose_histories_are_packed(setting, grouped):
    histories = events_of(LENGTHS, grouped=grouped)
    placed = model_of(setting).users(histories)
    assert placed.dtype == np.float32
    assert np.allclose(placed, placed_by_torch(setting, histories), atol=1e-5, rtol=1e-5)
    assert np.abs(placed).max() > 0.1


def test_a_user_alone_is_placed_bit_by_bit_as_among_others(setting):
    histories, model = events_of(LENGTHS * 9), model_of(setting)
    together = model.users(histories)
    for user in range(len(LENGTHS)):
        alone = model.users(histories.take_users(np.array([user])))
        assert alone.tobytes() == together[user].tobytes()


def test_only_the_newest_events_count_as_if_there_were_no_others(setting):
    histories = events_of([REACH + 5, 40, 3])
    newest = [histories.events.offsets[i + 1] - REACH for i in range(2)]
    kept = np.ones(len(histories), bool)
    kept[: newest[0]] = False
    kept[histories.events.offsets[1] : newest[1]] = False
    model = model_of(setting)
    assert np.array_equal(model.users(histories), model.users(histories.keep(kept)))


def test_what_nobody_trained_is_read_over_and_nothing_known_is_zeros(setting):
    known = np.arange(N_ITEMS) < 20
    model = model_of(setting, table=table_of(known))
    histories = events_of([6, 0, 9, 4])
    rows = histories.rows.copy()
    rows[-4:] = 25  # the last user has nothing else
    histories = replace(histories, events=Sequences(rows, histories.events.offsets))
    placed = model.users(histories)
    assert not placed[[1, 3]].any()
    assert placed[[0, 2]].any(axis=1).all()
    assert np.array_equal(placed, model.users(histories.keep(known[histories.rows])))


def test_of_no_histories_there_are_no_vectors(setting):
    assert model_of(setting).users(events_of([])).shape == (0, DIM)
    assert not model_of(setting).users(events_of([0, 0])).any()


def test_times_that_nobody_knows_are_no_gaps():
    model, histories = model_of(TOWERS["transformer with gaps"]), events_of([5, 3])
    unknown = model.users(replace(histories, time=None))
    assert np.isfinite(unknown).all()
    assert not np.allclose(unknown, model.users(histories))
    starts = histories.take_users(np.array([0])).keep(np.arange(5) < 1)
    assert np.array_equal(model.users(starts), model.users(replace(starts, time=None)))


def test_gelu_is_that_of_torch():
    x = np.concatenate([np.linspace(-12, 12, 4001), [0, 1e-30, -1e-30, 1e4, -1e4, 1e15, -1e15]])
    x = x.astype(np.float32)
    expected = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    assert np.allclose(_gelu(x.copy()), expected, atol=1e-6, rtol=1e-6)


def people(ids, seed=5):
    vectors = np.random.default_rng(seed).standard_normal((len(ids), DIM)).astype(np.float32)
    return People(Vocabulary(ids, "user"), vectors)


def test_a_known_user_gets_a_vector_of_their_own_and_a_new_one_does_not(setting):
    own = people(["user 2", "somebody else", "user 0"])
    plain, histories = model_of(setting), events_of([4, 5, 6, 0])
    found = model_of(setting, people=own).users(histories) - plain.users(histories)
    assert np.allclose(found[[0, 2]], own.vectors[[2, 0]], atol=1e-5)
    assert not found[[1, 3]].any()


def test_the_owner_of_a_case_counts_and_not_its_number():
    own, setting = people([0, 1, 7]), TOWERS["mean"]
    plain, model = model_of(setting), model_of(setting, people=own)
    histories = replace(events_of([3, 4, 5]), users=Vocabulary.numbered(3, "case"))
    histories = replace(histories, people=pa.array([7, None, 7]))
    found = model.users(histories) - plain.users(histories)
    assert np.allclose(found[[0, 2]], own.vectors[[2, 2]], atol=1e-5)
    assert not found[1].any()
    turned = histories.take_users(np.array([2, 1]))
    assert np.allclose(
        model.users(turned) - plain.users(turned), [own.vectors[2], np.zeros(DIM)], atol=1e-5
    )


@pytest.mark.parametrize("ids", [[7, -1, 2**62], ["7", "", "ü 7", "日本\n", "7 "], []])
def test_people_come_back_from_numbers_as_they_were(ids):
    own = people(ids)
    arrays = own.arrays()
    assert {array.dtype.kind for array in arrays.values()} <= set("iuf")
    again = People.restore({name: array.copy() for name, array in arrays.items()})
    assert again.ids.ids.to_pylist() == ids
    assert np.array_equal(again.vectors, own.vectors)


@pytest.mark.parametrize(("ids", "other"), [([7, 8], ["7", "8"]), (["7", "8"], [7, 8])])
def test_a_number_is_never_taken_for_a_text(ids, other):
    own = People.restore(people(ids).arrays())
    empty = Sequences.of([[], []])
    items = Vocabulary.numbered(N_ITEMS)
    assert own.added(Interactions(Vocabulary(ids), items, empty)).any()
    assert not own.added(Interactions(Vocabulary(other), items, empty)).any()


def test_only_users_of_whom_something_was_learned_are_kept():
    vectors = np.array([[0, 0], [1, 0], [0, 0], [0, 2]], np.float32)
    own = People.of(Vocabulary(["a", "b", "c", "d"]), vectors)
    assert own.ids.ids.to_pylist() == ["b", "d"]
    assert np.array_equal(own.vectors, vectors[[1, 3]])


def test_a_model_comes_back_from_its_arrays(setting):
    bias = np.arange(N_ITEMS, dtype=np.float32)
    model = model_of(setting, bias=bias, people=people(["user 1", "x"]))
    again = TowerModel.restore(model.items.vocabulary, model.arrays(), setting, REACH, "dot")
    histories = events_of(LENGTHS)
    assert np.array_equal(again.users(histories), model.users(histories))
    assert np.array_equal(again.items.vectors, model.items.vectors)
    assert set(again.arrays()) == set(model.arrays())


def test_the_bias_of_an_item_is_added_to_its_score_and_to_nothing_else():
    bias = np.linspace(-1, 1, N_ITEMS).astype(np.float32)
    setting, histories = TOWERS["mean"], events_of([3, 4])
    plain, biased = model_of(setting), model_of(setting, bias=bias)
    expected = plain.users(histories) @ plain.items.vectors.T + bias
    assert np.allclose(biased.users(histories) @ biased.items.vectors.T, expected, atol=1e-5)
    assert biased.neighbours is biased.table


def test_a_model_of_cosines_is_scored_by_cosines_everywhere(setting, one, tmp_path):
    """By exact search, through Annoy, and where somebody takes plain dot products."""
    known = np.arange(N_ITEMS) != 4
    histories = events_of([*LENGTHS, 0])
    plain = model_of(setting, table=table_of(known))
    model = model_of(setting, score="cosine", table=table_of(known))
    users, items = plain.users(histories), plain.table.vectors
    lengths = np.linalg.norm(users, axis=1)[:, None] * np.linalg.norm(items, axis=1)
    expected = users @ items.T / np.maximum(lengths, 1e-12)  # [n, n_items]
    assert model.items.metric == model.neighbours.metric == "cosine"
    assert np.allclose(model.users(histories) @ model.items.vectors.T, expected, atol=1e-5)
    meta = build("annoy", model.items, tmp_path / "index", metric="dot", size=20)
    annoy = opened(tmp_path / "index", meta, model.items, 10**4, one)
    for index, k in ((ExactIndex(model.items, one), N_ITEMS - 1), (annoy, 3)):
        top = index.search(model.users(histories), k)
        assert (top.rows[:, :k] >= 0).all()
        found = np.take_along_axis(expected, top.rows.astype(np.int64), axis=1)
        assert np.allclose(top.scores, found, atol=1e-5)


def test_vectors_of_a_model_of_dots_are_left_as_they_are():
    model = model_of(TOWERS["mean"])
    assert model.items is model.neighbours is model.table
    assert model.items.metric == "dot"
