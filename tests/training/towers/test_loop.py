"""How a training of towers ends: as asked, out of patience, by Ctrl-C, or astray."""

import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from recembed.errors import DataError, Diverged, Interrupted
from recembed.progress import Progress
from recembed.training.held import held
from recembed.training.rounds import Training
from recembed.training.towers import loop, precision
from recembed.training.towers.state import State


@pytest.fixture
def heard():
    """A shell starts what it runs in the background deaf to SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press():
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def spoil(monkeypatch, at, how):
    """how(state, loss) -> the loss of step `at`, after that step."""
    step = State.step

    def spoiled(state, *given):
        loss = step(state, *given)
        return how(state, loss) if state.steps == at else loss

    monkeypatch.setattr(State, "step", spoiled)


def test_a_training_tells_how_it_went(world):
    assert world()[1] == Training(4, 4, 24, "complete")


@pytest.mark.parametrize("at", [12, 13, 17])
def test_ctrl_c_leaves_what_a_shorter_training_would_have_left(world, of, at):
    """12 steps are two epochs of six, and what is trained does not depend on how many follow."""
    trained, training = world(stop=at, average=0.0)
    assert training == Training(
        at // 6, 4, at, "interrupted", f"interrupted in epoch {-(-at // 6)} of 4"
    )
    shorter = of(world(epochs=2, average=0.0)[0])
    assert (of(trained) == shorter) == (at == 12)


def test_ctrl_c_leaves_the_best_round_where_one_was_asked_about(world, of, watching):
    rounds = watching([0.2, 0.1, 0.15, 0.1])
    trained, training = world(stop=20, rounds=rounds)
    assert of(trained) == of(world(epochs=1)[0])
    assert (training.epochs, training.steps, training.ended) == (1, 6, "interrupted")
    assert training.looks == ((1, 0.2), (2, 0.1), (3, 0.15))


def test_ctrl_c_in_the_first_look_leaves_that_epoch(world, of, watching):
    trained, training = world(rounds=watching([KeyboardInterrupt()]))
    assert of(trained) == of(world(epochs=1)[0])
    assert (training.epochs, training.looks) == (1, ())


def test_ctrl_c_before_anything_was_learned_leaves_nothing(world, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Examples, "batch", stop)
    with pytest.raises(KeyboardInterrupt) as end:
        world()
    assert not isinstance(end.value, Interrupted)


@pytest.mark.usefixtures("heard")
def test_a_signal_waits_for_the_step_and_a_second_one_does_not(world, of, monkeypatch):
    forward, presses = loop.Towers.forward, {12: 1}

    def pressed(towers, batch, random):
        towers.seen = getattr(towers, "seen", 0) + 1
        for _ in range(presses.get(towers.seen, 0)):
            press()
        return forward(towers, batch, random)

    monkeypatch.setattr(loop.Towers, "forward", pressed)
    trained, training = world()
    assert (training.ended, training.steps) == ("interrupted", 12)
    presses = {}
    assert of(trained) == of(world(epochs=2)[0])
    presses = {12: 2}
    with pytest.raises(KeyboardInterrupt) as end:
        world()
    assert not isinstance(end.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("heard")
def test_a_second_signal_keeps_no_half_step_in_a_checkpoint(world, of, monkeypatch, tmp_path):
    forward, file = loop.Towers.forward, tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        world(file, stop=9)
    before = file.read_bytes()

    def pressed(*given):
        press()
        press()
        return forward(*given)

    monkeypatch.setattr(loop.Towers, "forward", pressed)
    with pytest.raises(KeyboardInterrupt):
        world(file)
    assert file.read_bytes() == before
    monkeypatch.undo()
    assert of(world(file)[0]) == of(world()[0])


@pytest.mark.usefixtures("heard")
def test_what_is_held_ends_before_ctrl_c_comes_through():
    done = []

    def pressed():
        with held():
            press()
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        pressed()
    with pytest.raises(ZeroDivisionError), held():
        raise ZeroDivisionError
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_is_held_outside_the_main_thread_where_no_signal_arrives(world, of):
    found = []
    thread = threading.Thread(target=lambda: found.append(of(world()[0])))
    thread.start()
    thread.join()
    assert found == [of(world()[0])]


def lost(_, loss):
    return loss * torch.nan


def large(_, loss):
    return loss + 1e3


def burst(state, loss):
    for each in (state.named, state.average.kept):
        each["items.ids"].data[2, 1] = torch.inf
    return loss


@pytest.mark.parametrize(("how", "at"), [(lost, 13), (large, 14), (burst, 18), (burst, 13)])
def test_a_training_that_diverges_leaves_the_last_good_epoch(world, of, monkeypatch, how, at):
    two = of(world(epochs=2)[0])
    spoil(monkeypatch, at, how)
    trained, training = world()
    assert of(trained) == two
    why = "training diverged in epoch 3 at learning_rate 0.05: set it lower"
    assert training == Training(2, 4, 12, "diverged", why)
    with pytest.raises(Diverged, match="epoch 3") as error:
        training.checked("model")
    assert error.value.model == "model"


def test_weights_that_burst_in_the_very_last_step_are_not_kept(world, of, monkeypatch):
    three = of(world(epochs=3)[0])
    spoil(monkeypatch, world.STEPS, burst)
    trained, training = world()
    assert (of(trained), training.epochs, training.ended) == (three, 3, "diverged")


def test_what_diverges_leaves_the_best_round_where_one_was_asked_about(
    world, of, watching, monkeypatch
):
    one = of(world(epochs=1)[0])
    spoil(monkeypatch, 20, lost)
    trained, training = world(rounds=watching([0.2, 0.1, 0.1, 0.3]))
    assert (of(trained), training.epochs, training.ended) == (one, 1, "diverged")


@pytest.mark.parametrize("rate", [1e3, 1e30])
def test_a_learning_rate_too_high_names_the_epoch_and_itself(world, rate):
    with pytest.raises(Diverged) as error:
        world(learning_rate=rate, average=0.0)
    said = f"training diverged in epoch 1 at learning_rate {rate}: set it lower"
    assert str(error.value) == said
    assert error.value.model is None
    assert isinstance(error.value, DataError)


def test_a_learning_rate_too_high_for_the_second_epoch_keeps_the_first(world):
    trained, training = world(learning_rate=1e4, batch_size=99)  # an epoch of one step
    assert (training.epochs, training.steps, training.ended) == (1, 1, "diverged")
    assert "epoch 2 at learning_rate 10000.0" in training.why
    assert np.isfinite(trained.table).all()


@pytest.mark.parametrize(
    ("values", "patience", "asked", "best"),
    [
        ([0.1, 0.2, 0.3, 0.4], 1, 4, 4),
        ([0.4, 0.3, 0.5, 0.6], 1, 2, 1),
        ([0.4, 0.3, 0.5, 0.5], 2, 4, 3),
        ([0.4, 0.4, 0.4, 0.5], 2, 3, 1),
        ([0.4, 0.3, 0.2, 0.1], None, 4, 1),
    ],
)
def test_patience_ends_a_training_that_does_not_get_better(
    world, of, watching, values, patience, asked, best
):
    trained, training = world(rounds=watching(values, patience=patience))
    assert training.looks == tuple(enumerate(values[:asked], start=1))
    assert (training.epochs, training.steps) == (best, 6 * best)
    assert training.ended == ("complete" if asked == 4 else "patience")
    assert of(trained) == of(world(epochs=best)[0])


def test_progress_counts_positions_and_shows_epoch_loss_and_value(world, watching, stopping):
    told = stopping()
    world(progress=told, rounds=watching([0.125, 0.25, 0.5, 0.75]))
    events = world.events().events
    assert sum(told.amounts) == told.total == 4 * int((events.sizes - 1).sum())
    assert told.notes[0].startswith("epoch 1/4, loss ")
    assert "valid" not in told.notes[5]
    assert told.notes[6].startswith("epoch 2/4, loss ")
    assert told.notes[6].endswith(", valid 0.1250")
    assert told.notes[-1].endswith(", valid 0.5000")


def test_lines_say_how_it_ended_only_where_it_did(world, capsys):
    world(progress=Progress("lines"))
    assert capsys.readouterr().err.startswith("two-tower: done, ")


def test_a_loss_that_takes_waiting_is_read_now_and_then_and_changes_nothing(
    world, of, monkeypatch, stopping
):
    told, whole = stopping(), of(world()[0])
    monkeypatch.setattr(loop, "READ", {"cpu": 5})
    assert of(world(progress=told)[0]) == whole
    assert told.notes[:4] == [""] * 4
    assert [at for at in range(1, 24) if told.notes[at] != told.notes[at - 1]] == [4, 9, 14, 19]


def test_the_loss_falls(world, stopping):
    told, tower = stopping(), replace(world.setting().tower, dropout=0.0)
    world(progress=told, epochs=30, dropout=0.0, tower=tower)
    losses = [float(note.split()[-1]) for note in told.notes]
    assert losses[0] == pytest.approx(np.log(9), abs=0.05)
    assert np.mean(losses[-6:]) < 0.85 * losses[0]  # the last epoch


def test_where_bfloat16_pays_training_is_nearly_the_same(every_world, monkeypatch):
    monkeypatch.setattr(precision, "pays", lambda device: False)
    exact = every_world()[0]
    monkeypatch.setattr(precision, "pays", lambda device: True)
    rough = every_world()[0]
    moved = np.abs(rough.table - exact.table).max()
    assert 0 < moved < 0.1 * np.abs(exact.table).max()
    assert rough.table.dtype == np.float32


def test_the_seed_decides_and_nothing_else(world, of):
    assert of(world(seed=1)[0]) == of(world(seed=1)[0]) != of(world()[0])


def test_global_random_state_and_threads_are_left_alone(world):
    torch.manual_seed(5)
    expected, before = torch.random.get_rng_state(), torch.get_num_threads()
    world.machine = replace(world.machine, threads=before + 1)
    world()
    with pytest.raises(DataError):
        world(learning_rate=1e30)
    assert torch.equal(torch.random.get_rng_state(), expected)
    assert torch.get_num_threads() == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_machine_without_cuda_says_what_to_use(world):
    world.machine = replace(world.machine, device="cuda")
    with pytest.raises(DataError, match="no CUDA device: use device 'cpu' or 'auto'"):
        world()
    world.machine = replace(world.machine, device="auto")
    world(epochs=1)
