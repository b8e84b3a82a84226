"""How a tuning ends: as asked, by Ctrl-C, or astray; and what is kept of it."""

import os
import signal
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recembed.data.sequences import Sequences
from recembed.errors import Diverged
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.training.rounds import Training
from recembed.training.texts import tuning
from recembed.training.texts.pairs import PairRows
from recembed.training.texts.tuning import tune
from recembed.training.texts.tuning_settings import Mining, Tuning

MACHINE = Machine(threads=1, device="cpu")
SETTING = Tuning(epochs=4, batch_size=5, learning_rate=0.05)  # 21 pairs: five steps an epoch


class Net(nn.Module):
    """A mean of vectors, and a line of two layers."""

    def __init__(self):
        super().__init__()
        drawn = torch.Generator().manual_seed(0)
        self.table = nn.Parameter(torch.randn(30, 6, generator=drawn))
        self.map = nn.Parameter(torch.randn(6, 4, generator=drawn))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, packed):
        x = F.dropout(F.embedding(packed.rows, self.table), 0.3, self.training)
        sums = torch.zeros(len(packed), 6).index_add(0, packed.owner, x)
        return torch.tanh(sums) @ self.map + self.bias


class Stopping(Progress):
    """Keeps what it is told, and stops at one of its steps, as Ctrl-C does."""

    def __init__(self, at=None):
        super().__init__("quiet")
        self.at, self.notes, self.amounts, self.total = at, [], [], 0

    @contextmanager
    def task(self, label, total, unit):
        self.total = total
        with super().task(label, total, unit) as task:
            task.advance = self.advance
            yield task

    def advance(self, amount, note):
        self.amounts.append(amount)
        self.notes.append(note)
        if len(self.amounts) == self.at:
            raise KeyboardInterrupt


def pairs():
    random = np.random.default_rng(0)
    texts = Sequences.of([random.integers(0, 30, 1 + row % 4).tolist() for row in range(42)])
    return PairRows(texts, np.arange(21), np.arange(21, 42))


def run(network=None, *, stop=None, judge=None, seed=0, progress=None, **changes):
    """Weights' bytes, and how it went."""
    network = Net() if network is None else network
    training = tune(
        network,
        pairs(),
        replace(SETTING, **changes),
        judge=judge,
        seed=seed,
        machine=MACHINE,
        progress=progress or Stopping(stop),
    )
    return bytes_of(network), training


def bytes_of(network):
    return {name: each.detach().numpy().tobytes() for name, each in network.named_parameters()}


def judging(network, values, seen=None):
    """Finds these values, one a look; an exception among them is raised."""
    left = list(values)

    def judge():
        assert not network.training
        if seen is not None:
            seen.append(bytes_of(network))
        value = left.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return judge


def test_a_tuning_tells_how_it_went():
    assert run()[1] == Training(4, 4, 20, "complete")


def test_the_seed_decides_and_nothing_else():
    assert run(seed=1)[0] == run(seed=1)[0] != run()[0]
    mined = Mining(every=2)
    assert run(mining=mined)[0] == run(mining=mined)[0]


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize(("values", "best"), [([0.1, 0.5, 0.5, 0.2], 2), ([1, 2, 3, 4], 4)])
def test_the_best_that_was_judged_is_kept(values, best, average):
    network, seen = Net(), []
    found, training = run(network, judge=judging(network, values, seen), average=average)
    assert found == seen[best - 1]
    assert len(set(map(str, seen))) >= 3  # an average looks every ten steps
    assert (training.epochs, training.steps) == (best, 5 * best)
    assert training.looks == tuple(enumerate(values, start=1))


def test_a_judge_changes_nothing_but_what_is_kept():
    network = Net()
    assert run(network, judge=judging(network, [1, 2, 3, 4]), average=0.9)[0] == run(average=0.9)[0]


def test_the_average_is_steadier_than_the_weights():
    assert run(average=0.9)[0] != run()[0]


@pytest.mark.parametrize("at", [10, 11, 17])
def test_ctrl_c_leaves_what_was_learned_so_far(at):
    network, stopped = Net(), Stopping(at)
    found, training = run(network, progress=stopped)
    why = f"interrupted in epoch {-(-at // 5)} of 4"
    assert training == Training(at // 5, 4, at, "interrupted", why)
    assert found not in (bytes_of(Net()), run()[0])


def test_ctrl_c_leaves_the_best_that_was_judged():
    network, seen = Net(), []
    judge = judging(network, [0.3, 0.1, 0.2], seen)
    found, training = run(network, judge=judge, stop=17)
    assert found == seen[0]
    assert (training.epochs, training.steps, training.ended) == (1, 5, "interrupted")


def test_ctrl_c_in_the_first_look_leaves_that_epoch():
    network, seen = Net(), []
    judge = judging(network, [KeyboardInterrupt()], seen)
    found, training = run(network, judge=judge, average=0.5)
    assert found == seen[0]
    assert (training.epochs, training.looks) == (1, ())


def test_ctrl_c_before_anything_was_learned_leaves_the_network_as_it_was(monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "loss_of", stop)
    network = Net()
    with pytest.raises(KeyboardInterrupt):
        run(network)
    assert bytes_of(network) == bytes_of(Net())


def test_a_signal_waits_for_the_step_and_a_second_one_does_not(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    forward, presses = Net.forward, 1

    def pressed(network, packed):
        network.seen = getattr(network, "seen", 0) + 1
        if network.seen == 10:
            for _ in range(presses):
                os.kill(os.getpid(), signal.SIGINT)
        return forward(network, packed)

    monkeypatch.setattr(Net, "forward", pressed)
    try:
        network, seen = Net(), []
        assert run()[1].steps == 10
        presses = 2
        assert run(network, judge=judging(network, [1], seen))[1].steps == 5
        assert bytes_of(network) == seen[0]
    finally:
        signal.signal(signal.SIGINT, before)


def spoil(monkeypatch, at, how):
    """how(network, vectors) -> vectors, at this forward pass of a network."""
    forward = Net.forward

    def spoiled(network, packed):
        network.seen = getattr(network, "seen", 0) + 1
        found = forward(network, packed)
        return how(network, found) if network.seen == at else found

    monkeypatch.setattr(Net, "forward", spoiled)


def lost(_, found):
    return found * torch.nan


def burst(network, found):
    network.table.data[1, 1] = torch.inf
    return found


@pytest.mark.parametrize(("how", "at"), [(lost, 11), (lost, 13), (burst, 15), (burst, 11)])
def test_a_tuning_that_diverges_leaves_the_last_good_epoch(monkeypatch, how, at):
    network, seen = Net(), []
    run(network, judge=judging(network, [1, 2, 3, 4], seen))
    spoil(monkeypatch, at, how)
    found, training = run()
    assert found == seen[1]
    why = "tuning diverged in epoch 3 at learning_rate 0.05: set it lower"
    assert training == Training(2, 4, 10, "diverged", why)
    with pytest.raises(Diverged, match="epoch 3"):
        training.checked("model")


def test_where_the_first_epoch_diverges_the_network_is_as_it_was(monkeypatch):
    spoil(monkeypatch, 3, lost)
    network = Net()
    with pytest.raises(Diverged, match="tuning diverged in epoch 1"):
        run(network)
    assert bytes_of(network) == bytes_of(Net())


def test_a_learning_rate_too_high_names_itself():
    with pytest.raises(Diverged, match=r"learning_rate 1e\+30: set it lower"):
        run(learning_rate=1e30)


def test_weights_whose_squares_are_no_numbers_are_astray(monkeypatch):
    def grown(network, found):
        network.table.data *= 1e30  # finite, but vectors of it have no length
        return found

    spoil(monkeypatch, 15, grown)
    assert run()[1].ended == "diverged"


def test_global_random_state_and_threads_are_left_alone():
    torch.manual_seed(5)
    expected, before = torch.random.get_rng_state(), torch.get_num_threads()
    run()
    with pytest.raises(Diverged):
        run(learning_rate=1e30)
    assert torch.equal(torch.random.get_rng_state(), expected)
    assert torch.get_num_threads() == before


def test_progress_counts_pairs_and_shows_epoch_loss_and_value():
    network, told = Net(), Stopping()
    run(network, progress=told, judge=judging(network, [0.125, 0.25, 0.5, 0.75]))
    assert sum(told.amounts) == told.total == 4 * 21
    assert sorted(told.amounts[:5]) == [4, 4, 4, 4, 5]  # no step has a few pairs only
    assert told.notes[0].startswith("epoch 1/4, loss ")
    assert "valid" not in told.notes[3]
    assert told.notes[4].startswith("epoch 1/4, loss ")
    assert told.notes[4].endswith(", valid 0.1250")
    assert told.notes[5].startswith("epoch 2/4, loss ")
    assert told.notes[5].endswith(", valid 0.1250")
    assert told.notes[-1].endswith(", valid 0.7500")


def test_the_step_size_rises_to_what_was_set_and_falls_to_nothing():
    from recembed.training.texts.steps import step_size

    setting = Tuning(learning_rate=1.0, warmup=0.2)
    sizes = [step_size(setting, steps, 20) for steps in range(21)]
    assert sizes[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert np.allclose(np.diff(sizes[4:]), -1 / 16)
    assert sizes[20] == 0
    assert step_size(replace(setting, warmup=0.0), 0, 20) == 1.0
    assert step_size(replace(setting, warmup=1.0), 19, 20) == 1.0
