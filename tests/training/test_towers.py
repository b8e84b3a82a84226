"""Two-tower training: the towers by hand, the exported tables, and what stays untouched."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.progress import QUIET, Progress, Task
from recembed.protocols import Machine
from recembed.training import loop
from recembed.training.examples import Examples
from recembed.training.loop import Items, Towers, train
from recembed.training.recency import Recency
from recembed.training.towers import HistoryTower, ItemTower

ONE = Machine(threads=1, device="cpu")
RECENCY = Recency(decay=0.5)
SETTING = Towers(dim=3, epochs=2, batch_size=4, learning_rate=0.05, dropout=0.0, recency=RECENCY)
CATEGORIES = Sequences.of([[0, 1], [], [1], [0], [2, 2, 0]])


def events():
    rows = Sequences.of([[0, 1, 3, 0], [3, 4, 1], [4, 0], [1, 4, 4, 3]])  # item 2 has none
    return Interactions(Vocabulary.numbered(4), Vocabulary.numbered(5), rows)


def run(setting=SETTING, seed=0, machine=ONE, progress=QUIET):
    log = events()
    catalogue = Items(log.counts() > 0, CATEGORIES, 3)
    examples = Examples.of(log, "user", 9)
    return train(examples, catalogue, setting, seed=seed, machine=machine, progress=progress)


def test_an_item_is_its_id_plus_the_mean_of_its_categories():
    tower = ItemTower(CATEGORIES, 3, 2, torch.Generator().manual_seed(1))
    ids, categories = tower.ids.detach().numpy(), tower.categories.detach().numpy()
    expected = ids.copy()
    expected[0] += (categories[0] + categories[1]) / 2
    expected[2] += categories[1]
    expected[3] += categories[0]
    expected[4] += (2 * categories[2] + categories[0]) / 3
    assert np.allclose(tower().detach().numpy(), expected)


def test_an_item_without_any_categories_is_its_id():
    tower = ItemTower(Sequences.of([[], []]), 0, 2, torch.Generator().manual_seed(1))
    assert torch.equal(tower(), tower.ids)


def test_a_user_is_the_mapped_weighted_sum_of_their_items():
    items = torch.tensor([[1.0, 0], [0, 1], [2, 2]])
    tower = HistoryTower(2)
    tower.map.data = torch.tensor([[0.0, 1], [1, 1]])
    rows, offsets = torch.tensor([0, 2, 1]), torch.tensor([0, 2, 2, 3])
    users = tower(items, rows, offsets, torch.tensor([0.25, 0.75, 1]))
    mean = np.array([[1.75, 1.5], [0, 0], [0, 1]])
    assert np.allclose(users.detach(), mean @ [[0, 1], [1, 1]])


def test_the_exported_tables_score_as_the_trained_towers_do(monkeypatch):
    """The score is spelled out from the parameters: user history, item, bias."""
    towers = {}
    for name in ("ItemTower", "HistoryTower"):
        made = getattr(loop, name)

        def keep(*arguments, name=name, made=made):
            towers[name] = made(*arguments)
            return towers[name]

        monkeypatch.setattr(loop, name, keep)
    read, found = run()
    log = events()
    users = RECENCY.pool(log, read)
    items, history = towers["ItemTower"], towers["HistoryTower"].map.detach().numpy()
    ids, categories = items.ids.detach().numpy(), items.categories.detach().numpy()
    bias = items.bias.detach().numpy()
    known = [0, 1, 3, 4]
    table = [
        ids[at] + (categories[CATEGORIES[row]].mean(axis=0) if len(CATEGORIES[row]) else 0)
        for at, row in enumerate(known)
    ]
    vector = dict(zip(known, table, strict=True))
    for user in range(4):
        mine = log.events[user].tolist()
        weights = np.array([0.5 ** (len(mine) - 1 - at) for at in range(len(mine))])
        mean = sum(w * vector[item] for w, item in zip(weights, mine, strict=True)) / weights.sum()
        expected = [mean @ history @ vector[item] + bias[at] for at, item in enumerate(known)]
        assert np.allclose((users @ found.T)[user][known], expected, atol=1e-5)
    assert not read[2].any()
    assert not found[2].any()
    assert np.abs(bias).max() > 1e-3
    assert np.abs(history - np.eye(3)).max() > 1e-3


class Recording(Progress):
    """Keeps the losses that are shown."""

    def __init__(self):
        super().__init__("quiet")
        self.losses = []

    @contextmanager
    def task(self, label, total, unit):
        task = Task(label, total, unit)
        task.advance = lambda amount, note: self.losses.append(float(note.split()[-1]))
        yield task


def test_the_loss_starts_at_chance_and_falls():
    progress = Recording()
    run(replace(SETTING, epochs=60, batch_size=99, learning_rate=0.1), progress=progress)
    assert len(progress.losses) == 60
    assert progress.losses[0] < 3 * np.log(4)
    assert progress.losses[-1] < 0.7 * progress.losses[0]


def test_dropout_moves_training_and_the_seed_decides():
    dropped = replace(SETTING, dropout=0.5)
    plain, one, again, other = run(), run(dropped), run(dropped), run(dropped, seed=1)
    assert not np.allclose(plain[0], one[0])
    assert one[0].tobytes() == again[0].tobytes()
    assert not np.allclose(one[0], other[0])


def test_a_share_of_the_table_is_dropped_and_the_rest_scaled_up():
    table = torch.ones(10_000, 2)
    kept = loop._drop(table, 0.25, torch.Generator().manual_seed(0))
    rows = kept[:, 0]
    assert torch.equal(kept[:, 0], kept[:, 1])
    assert np.allclose(rows.unique(), [0, 4 / 3])
    assert abs((rows > 0).float().mean() - 0.75) < 0.02
    assert loop._drop(table, 0, torch.Generator()) is table


def test_global_random_state_and_threads_are_left_alone():
    torch.manual_seed(5)
    expected = torch.random.get_rng_state()
    before = torch.get_num_threads()
    run(machine=Machine(threads=before + 1, device="cpu"))
    assert torch.equal(torch.random.get_rng_state(), expected)
    assert torch.get_num_threads() == before


def test_threads_are_given_back_when_training_fails():
    before = torch.get_num_threads()
    with pytest.raises(DataError):
        run(replace(SETTING, learning_rate=1e30), machine=Machine(before + 1, "cpu"))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("rate", [1e3, 1e30])
@pytest.mark.parametrize("batch_size", [4, 99])  # with 99 the first step is the epoch's last
def test_a_learning_rate_too_high_names_the_epoch_and_itself(rate, batch_size):
    setting = replace(SETTING, learning_rate=rate, batch_size=batch_size)
    epoch = 1 if batch_size == 4 else 2
    with pytest.raises(DataError) as error:
        run(setting)
    expected = f"training diverged in epoch {epoch} at learning_rate {rate}: set it lower"
    assert str(error.value) == expected


def test_vectors_that_overflow_in_the_very_last_step_are_no_model():
    with pytest.raises(DataError, match="diverged in epoch 1"):
        run(replace(SETTING, learning_rate=1e30, batch_size=99, epochs=1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_machine_without_cuda_says_what_to_use():
    with pytest.raises(DataError, match="no CUDA device: use device 'cpu' or 'auto'"):
        run(machine=Machine(threads=1, device="cuda"))


def test_progress_counts_examples_and_shows_the_loss(capsys):
    run(progress=Progress("lines"))
    said = capsys.readouterr().err
    assert said.startswith("two-tower: done, 18 examples in ")
    assert "(epoch 2/2, loss " in said
