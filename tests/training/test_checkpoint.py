"""Training stops and goes on to the same bytes; a file of another training is refused."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import Progress
from recembed.training import hogwild, skipgram
from recembed.training.skipgram import SkipGram, train

N = 30
SETTING = SkipGram(
    dim=8,
    window=3,
    negatives=3,
    exponent=0.75,
    subsample=0.01,
    direction="both",
    shrink=True,
    epochs=3,
    learning_rate=0.05,
)
BAGS = Sequences.of([[i, N + i % 3] for i in range(N)])


def corpus(seed=0):
    random = np.random.default_rng(seed)
    return Sequences.of([random.integers(0, N, 10).tolist() for _ in range(25)])


class Interrupting(Progress):
    """Progress that raises at one of its calls, as Ctrl-C does."""

    def __init__(self, at):
        super().__init__("quiet")
        self.left, self.amounts = at, []

    def task(self, label, total, unit):
        made = super().task(label, total, unit)
        made.gen = self._watched(made.gen)
        return made

    def _watched(self, generator):
        for task in generator:
            task.advance = self.advance
            yield task
            self.before = task.before

    def advance(self, amount, note):
        self.amounts.append(amount)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def five_chunks(monkeypatch):
    """An epoch of the corpus is five chunks."""
    monkeypatch.setattr(skipgram, "CHUNK", 50)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state.safetensors"


@pytest.fixture
def stopped(file):
    """A file of training stopped after seven of fifteen chunks."""
    interrupted(file, 7)
    return file


def interrupted(file, at, setting=SETTING, **more):
    with pytest.raises(KeyboardInterrupt):
        train(corpus(), N, setting, checkpoint=file, progress=Interrupting(at), **more)
    assert file.exists()


def same(one, other):
    """Equal bytes, and equal losses and pairs."""
    assert one.inputs.tobytes() == other.inputs.tobytes()
    assert one.outputs.tobytes() == other.outputs.tobytes()
    assert (one.losses, one.pairs) == (other.losses, other.pairs)


@pytest.mark.parametrize("at", range(1, 16))
def test_stopped_after_any_chunk_training_goes_on_to_the_same_bytes(file, at):
    interrupted(file, at)
    same(train(corpus(), N, SETTING, checkpoint=file), train(corpus(), N, SETTING))
    assert list(file.parent.iterdir()) == [file]  # its end, until the tables are safe


@pytest.mark.parametrize(
    ("changes", "bags"),
    [
        ({"architecture": "cbow", "decay": 0.5}, None),
        ({"sharing": "pair", "loss": "softmax"}, None),
        ({}, BAGS),
    ],
)
def test_so_does_every_kernel(file, changes, bags):
    setting = replace(SETTING, **changes)
    interrupted(file, 7, setting, bags=bags)
    whole = train(corpus(), N, setting, bags=bags)
    same(train(corpus(), N, setting, bags=bags, checkpoint=file), whole)


def test_stopped_again_and_again_it_still_ends_at_the_same_bytes(file):
    for _ in range(14):
        interrupted(file, 1)
    same(train(corpus(), N, SETTING, checkpoint=file), train(corpus(), N, SETTING))


class Watched(skipgram.Work):
    """Work that signals when its first chunk ends, then is slower than the main thread is."""

    def until_due(self, run, pool, threads, advance):
        self.begun, self.ended = threading.Barrier(threads, timeout=10), 0

        def slow(chunk):
            self.begun.wait()
            if chunk > 0:
                self.wait()
                time.sleep(0.05)  # longer than it takes to keep a state too early
            self.ended += 1
            return run(chunk)

        def signalling(*_):
            if not self.stopped:
                time.sleep(0.05)  # until the main thread waits, or it may miss the signal
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                self.wait()

        super().until_due(slow, pool, threads, signalling)

    def wait(self):
        for _ in range(5000):
            if not self.stopped:
                time.sleep(0.001)

    def save(self):
        assert self.ended == self.begun.parties == self.state.chunk
        super().save()


@pytest.fixture
def heard():
    """A shell starts what it runs in the background deaf to SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_is_heard_when_the_chunks_at_hand_are_finished(file, monkeypatch, threads):
    with monkeypatch.context() as patch:
        patch.setattr(skipgram, "Work", Watched)
        with pytest.raises(KeyboardInterrupt):
            train(corpus(), N, SETTING, checkpoint=file, threads=threads)
    assert file.exists()
    if threads == 1:
        same(train(corpus(), N, SETTING, checkpoint=file), train(corpus(), N, SETTING))


def test_progress_says_how_much_the_checkpoint_had_done(stopped):
    told = Interrupting(0)
    train(corpus(), N, SETTING, checkpoint=stopped, progress=told)
    assert told.before == 350
    assert sum(told.amounts) == 3 * 250 - 350


@pytest.mark.parametrize("seconds", [3, 10, 60])
def test_a_state_is_saved_whenever_it_is_due_and_changes_nothing(file, monkeypatch, seconds):
    """A clock that is a second later whenever it is asked; a chunk asks once."""
    clock, saved = iter(range(10**6)), []
    monkeypatch.setattr(hogwild, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(hogwild, "SAVE_EVERY", seconds)
    save = skipgram.Store.save

    def counting(store, state):
        save(store, state)
        saved.append(state.epoch * 5 + state.chunk)

    monkeypatch.setattr(skipgram.Store, "save", counting)
    tables = train(corpus(), N, SETTING, checkpoint=file)
    assert saved == sorted(saved)
    assert len(saved) > {3: 5, 10: 1, 60: 0}[seconds]  # the end is kept as well
    monkeypatch.undo()
    monkeypatch.setattr(skipgram, "CHUNK", 50)
    same(tables, train(corpus(), N, SETTING))


KILLED = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from recembed.data.sequences import Sequences
from recembed.training import hogwild, skipgram
clock = iter(range(10**6))
hogwild.time = SimpleNamespace(monotonic=lambda: next(clock))
skipgram.CHUNK, hogwild.SAVE_EVERY = 50, 4
random = np.random.default_rng(0)
corpus = Sequences.of([random.integers(0, 30, 10).tolist() for _ in range(25)])
setting = skipgram.SkipGram(8, 3, 3, 0.75, 0.01, "both", True, 3, 0.05)
save, saves = skipgram.Store.save, []

def stopping(store, state):
    save(store, state)
    saves.append(state)
    if len(saves) == 2:
        print("saved", flush=True)
        sys.stdin.read()  # until it is killed

skipgram.Store.save = stopping
skipgram.train(corpus, 30, setting, checkpoint=Path(sys.argv[1]))
"""


def test_killed_after_a_save_another_process_goes_on_to_the_same_bytes(file):
    command = [sys.executable, "-c", KILLED, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"saved\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert file.exists()
    same(train(corpus(), N, SETTING, checkpoint=file), train(corpus(), N, SETTING))
    same(train(corpus(), N, SETTING, checkpoint=file), train(corpus(), N, SETTING))  # at its end


@pytest.mark.parametrize(
    "other",
    [
        {"corpus": corpus(1)},
        {"corpus": Sequences.of([corpus().values.tolist()])},  # the same values, other borders
        {"setting": replace(SETTING, window=4)},
        {"setting": replace(SETTING, epochs=4)},
        {"seed": 1},
        {"bags": BAGS},
        {"n_rows": N + 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_state_of_another_training_is_refused_and_left(stopped, other):
    before = stopped.read_bytes()
    given = {"corpus": corpus(), "n_rows": N, "setting": SETTING} | other
    with pytest.raises(DataError, match="belongs to other data, another setting or seed") as error:
        train(**given, checkpoint=stopped)
    assert str(stopped) in str(error.value)
    assert "\n" not in str(error.value)
    assert stopped.read_bytes() == before


@pytest.mark.parametrize(
    "damage", ["empty", "cut", "text", "header", "bit", "other file", "folder"]
)
def test_a_damaged_file_is_refused_in_one_line(stopped, damage):
    whole = stopped.read_bytes()
    if damage == "folder":
        stopped.unlink()
        stopped.mkdir()
    elif damage == "other file":
        save_file({"inputs": np.zeros((2, 2), np.float32)}, stopped)
    else:
        broken = {"empty": b"", "cut": whole[:-8], "text": b"hello, world", "header": whole[9:]}
        broken["bit"] = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
        stopped.write_bytes(broken[damage])
    with pytest.raises(DataError, match=r"checkpoint .*name another") as error:
        train(corpus(), N, SETTING, checkpoint=stopped)
    assert "\n" not in str(error.value)


def test_the_advice_to_lower_the_learning_rate_can_be_followed_from_the_state(stopped):
    lower = train(corpus(), N, replace(SETTING, learning_rate=0.01), checkpoint=stopped)
    assert len(lower.losses) == SETTING.epochs


def test_no_folder_for_the_file_is_said_before_training(file):
    with pytest.raises(DataError, match=r"no folder .*nowhere for the checkpoint: make it first"):
        train(corpus(), N, SETTING, checkpoint=file.parent / "nowhere" / "state")


@pytest.mark.parametrize("at", [0, 2], ids=["alone", "interrupted as well"])
def test_what_diverges_leaves_the_last_good_state(file, monkeypatch, at):
    """Saved while all was well; then the tables go bad, and the file is as it was."""
    interrupted(file, 7)
    good = file.read_bytes()
    make = skipgram._kernel

    def spoiled(corpus, counts, setting, state, bags):
        run = make(corpus, counts, setting, state, bags)

        def bad(first, stop, rate, generator):
            state.tables["inputs"][3, 2] = np.nan
            return run(first, stop, rate, generator)

        return bad

    monkeypatch.setattr(skipgram, "_kernel", spoiled)
    with pytest.raises(DataError, match=f"; the last good state is in {file}"):
        train(corpus(), N, SETTING, checkpoint=file, progress=Interrupting(at))
    assert file.read_bytes() == good
