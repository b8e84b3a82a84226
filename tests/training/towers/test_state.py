"""Training of towers stops and goes on to the same bytes; another training's file is refused."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from recembed.errors import DataError
from recembed.training.towers import loop
from recembed.training.towers.settings import Transformer
from recembed.training.towers.state import Kept, State


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state.safetensors"


def stop(world, file, at, **more):
    with pytest.raises(KeyboardInterrupt):
        world(file, stop=at, **more)
    assert file.exists()


@pytest.fixture
def stopped(world, file):
    """A file of training stopped after ten of its steps."""
    stop(world, file, 10)
    return file


@pytest.mark.parametrize("at", [1, 6, 7, 10, 23, 24])
def test_stopped_after_any_step_training_goes_on_to_the_same_bytes(every_world, file, of, at):
    stop(every_world, file, at)
    trained, training = every_world(file)
    whole, known = every_world()
    assert of(trained) == of(whole)
    assert training == known
    assert list(file.parent.iterdir()) == [file]  # its end, until the run is safe


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_stopped_again_and_again_it_still_ends_at_the_same_bytes(world, file, of, schedule):
    for _ in range(23):
        stop(world, file, 1, schedule=schedule)
    assert of(world(file, schedule=schedule)[0]) == of(world(schedule=schedule)[0])


def test_the_end_that_is_kept_is_not_trained_again(world, file, of, stopping):
    first, progress = world(file), stopping()
    again = world(file, progress=progress)
    assert (of(again[0]), again[1]) == (of(first[0]), first[1])
    assert (progress.notes, progress.before) == ([], progress.total)


VALUES = [0.3, 0.5, 0.4, 0.1]


@pytest.mark.parametrize("at", [3, 8, 13, 18, 22])
def test_the_best_round_is_kept_beside_the_state(every_world, file, of, watching, at):
    asked = watching(VALUES)
    stop(every_world, file, at, rounds=asked)
    trained, training = every_world(file, rounds=watching(asked.left))
    whole, known = every_world(rounds=watching(VALUES))
    assert (of(trained), training) == (of(whole), known)
    assert (training.epochs, training.steps) == (2, 12)
    assert training.looks == ((1, 0.3), (2, 0.5), (3, 0.4), (4, 0.1))


@pytest.mark.parametrize("look", [0, 1, 2, 3])
def test_a_look_that_was_stopped_is_made_again(world, file, of, watching, look):
    asked = watching([*VALUES[:look], KeyboardInterrupt(), *VALUES[look:]])
    with pytest.raises(KeyboardInterrupt):
        world(file, rounds=asked)
    trained, training = world(file, rounds=watching(asked.left))
    whole, known = world(rounds=watching(VALUES))
    assert (of(trained), training) == (of(whole), known)


def test_a_training_that_ran_out_of_patience_does_not_go_on(world, file, of, watching, stopping):
    first, progress = world(file, rounds=watching(VALUES, patience=1)), stopping()
    again = world(file, rounds=watching([], patience=1), progress=progress)
    assert (of(again[0]), again[1]) == (of(first[0]), first[1])
    assert (first[1].ended, first[1].epochs, progress.notes) == ("patience", 2, [])


def test_progress_says_how_much_the_file_had_done(world, stopped, stopping):
    whole, rest = stopping(), stopping()
    world(progress=whole)
    world(stopped, progress=rest)
    assert rest.before == sum(whole.amounts[:10])
    assert rest.amounts == whole.amounts[10:]
    assert sum(whole.amounts) == whole.total


@pytest.mark.parametrize("seconds", [0, 5, 1000])
def test_a_state_is_saved_whenever_it_is_due_and_changes_nothing(
    world, file, of, monkeypatch, seconds
):
    """A clock that is a second later whenever it is asked."""
    clock, saved, save = iter(range(10**6)), [], loop.Store.save

    def counting(store, kept):
        save(store, kept)
        saved.append(kept.state.steps)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(loop, "SAVE_EVERY", seconds)
    monkeypatch.setattr(loop.Store, "save", counting)
    assert of(world(file)[0]) == of(world()[0])
    assert saved[-1] == world.STEPS
    assert len(saved) == {0: 25, 5: 5, 1000: 1}[seconds]  # the end is kept as well


KILLED = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("small", sys.argv[1])
small = importlib.util.module_from_spec(spec)
sys.modules["small"] = small
spec.loader.exec_module(small)
from recembed.training.towers import loop
loop.SAVE_EVERY = -1
save, saves = loop.Store.save, []

def stopping(store, kept):
    save(store, kept)
    saves.append(kept)
    if len(saves) == 9:
        print("saved", flush=True)
        sys.stdin.read()  # until it is killed

loop.Store.save = stopping
small.World()(Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_after_a_save_another_process_goes_on_to_the_same_bytes(
    world, file, of, stopping, request
):
    small = request.path.with_name("conftest.py")
    command = [sys.executable, "-c", KILLED, str(small), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"saved\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    rest = stopping()
    assert of(world(file, progress=rest)[0]) == of(world()[0])
    assert len(rest.notes) == world.STEPS - 9


def test_the_state_comes_back_as_it_was_the_optimisers_too(every_world, file, monkeypatch):
    seen = []

    def keep(store, kept):
        seen.append((kept.arrays(), kept.facts()))

    stop(every_world, file, 11)
    monkeypatch.setattr(loop.Store, "save", keep)
    with pytest.raises(KeyboardInterrupt):
        every_world(stop=11, file=file.with_name("other"))
    monkeypatch.undo()
    events = every_world.events()
    towers = loop.Towers(every_world.data(events), every_world.setting())
    kept = Kept(State(towers), loop.Rounds(None, 4))
    examples = loop.Examples.of(events, "user", 9, every=every_world.setting().every)
    machine = loop.replace(every_world.machine, checkpoint=file)
    loop._store(machine, examples, every_world.data(events), every_world.setting(), 0).load(kept)
    (arrays, facts) = seen[0]
    assert kept.facts() == facts
    assert {name: each.tobytes() for name, each in kept.arrays().items()} == {
        name: each.tobytes() for name, each in arrays.items()
    }
    assert sum(name.startswith("optimiser.") for name in arrays) >= 9


def test_the_file_of_another_training_is_refused_and_left(world, stopped):
    before, other = stopped.read_bytes(), type(world)(data_seed=1)
    for train in (
        lambda: other(stopped),
        lambda: world(stopped, dim=8),
        lambda: world(stopped, epochs=5),
        lambda: world(stopped, tower=Transformer(blocks=2)),
        lambda: world(stopped, seed=1),
        lambda: type(world)("touched rows")(stopped),
        lambda: type(world)("content and users")(stopped),
    ):
        with pytest.raises(DataError, match="belongs to other data, another setting or seed") as e:
            train()
        assert str(stopped) in str(e.value)
        assert "\n" not in str(e.value)
    assert stopped.read_bytes() == before


def test_the_file_of_another_share_that_is_given_is_refused(world, file):
    there, other = (type(world)("content and users", order=None, given=each) for each in (0.0, 0.5))
    stop(there, file, 3)
    with pytest.raises(DataError, match="belongs to other data, another setting or seed"):
        other(file)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "header", "bit", "other", "folder"])
def test_a_damaged_file_is_refused_in_one_line(world, stopped, damage):
    whole = stopped.read_bytes()
    if damage == "folder":
        stopped.unlink()
        stopped.mkdir()
    elif damage == "other":
        save_file({"weights.users": np.zeros((2, 2), np.float32)}, stopped)
    else:
        broken = {"empty": b"", "cut": whole[:-8], "text": b"hello, world", "header": whole[9:]}
        broken["bit"] = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
        stopped.write_bytes(broken[damage])
    with pytest.raises(DataError, match=r"checkpoint .*name another") as error:
        world(stopped)
    assert "\n" not in str(error.value)


def test_the_advice_to_lower_the_learning_rate_can_be_followed_from_the_state(
    world, stopped, of, stopping
):
    rest = stopping()
    lower, training = world(stopped, learning_rate=0.01, progress=rest)
    assert len(rest.notes) == 14
    assert training.epochs == 4
    assert of(lower) != of(world()[0])


@pytest.mark.parametrize("bad", ["loss", "weights"])
def test_what_diverges_leaves_the_last_good_state(world, stopped, monkeypatch, bad):
    """Saved while all was well; then it goes bad, and the file is as it was."""
    good, step = stopped.read_bytes(), State.step

    def spoiled(state, *given):
        loss = step(state, *given)
        if bad == "loss":
            return loss * torch.nan
        state.named["items.ids"].data.fill_(torch.inf)
        return loss

    monkeypatch.setattr(State, "step", spoiled)
    monkeypatch.setattr(loop, "SAVE_EVERY", -1)
    with pytest.raises(DataError) as error:
        world(stopped)
    assert str(error.value) == (
        "training diverged in epoch 2 at learning_rate 0.05: set it lower; the last good state "
        f"is in {stopped}"
    )
    assert stopped.read_bytes() == good


def test_what_diverges_before_it_was_saved_says_so(world, file):
    with pytest.raises(DataError, match="lower; it came too early for a checkpoint"):
        world(file, learning_rate=1e30)
    assert not file.exists()
