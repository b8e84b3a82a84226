"""Masked tokens: what is hidden, that a grammar is learned, and that a training goes on."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch.nn import functional as F

from recembed.data.sequences import Sequences
from recembed.errors import DataError, Diverged
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.training.rounds import Training
from recembed.training.texts.guesses import Guesser, Guesses, State
from recembed.training.texts.masked import Stream, train_masked
from recembed.training.texts.networks import TextNetwork
from recembed.training.texts.packed import Packed
from recembed.training.texts.settings import CNN, LSTM, Masked, Transformer
from recembed.training.towers import precision

MASK, N_TOKENS, LENGTH, DIM = 1, 22, 12, 16
PARTS = {
    "transformer": Transformer(layers=1, heads=2, width=2),
    "lstm": LSTM(),
    "cnn": CNN(layers=1, reach=2),
}
SMALL = Masked(epochs=2, batch_size=4, learning_rate=0.01)
STEPS, AN_EPOCH = 10, 5  # 252 tokens are 21 sequences, of which 20 are trained on


def grammar(n, seed=0):
    """Tokens 2, 3 ... 21, 2 ... in this order, that now and then jump."""
    random = np.random.default_rng(seed)
    steps = np.where(random.random(n) < 0.05, random.integers(0, 20, n), 1)
    return (2 + np.cumsum(steps) % 20).astype(np.int32)


class Stopping(Progress):
    """Keeps what it is told, and stops at one of its steps, as Ctrl-C does."""

    def __init__(self, at=None):
        super().__init__("quiet")
        self.at, self.notes, self.amounts, self.before, self.total = at, [], [], 0, 0

    @contextmanager
    def task(self, label, total, unit):
        self.total = total
        with super().task(label, total, unit) as task:
            task.advance = self.advance
            yield task
            self.before = task.before

    def advance(self, amount, note):
        self.amounts.append(amount)
        self.notes.append(note)
        if len(self.amounts) == self.at:
            raise KeyboardInterrupt


def trained(file=None, *, kind="transformer", setting=SMALL, stop=None, seed=0, **more):
    """The network's weights, and how the training went."""
    torch.manual_seed(0)
    network = TextNetwork(PARTS[kind], N_TOKENS, DIM)
    training = train_masked(
        network,
        Stream(more.get("tokens", grammar(252)), LENGTH, MASK),
        setting,
        seed=seed,
        machine=Machine(threads=1, device="cpu", checkpoint=file),
        progress=more.get("progress") or Stopping(stop),
    )
    return of(network), training


def of(network):
    return {name: each.numpy().tobytes() for name, each in network.state_dict().items()}


@given(
    n=st.integers(1, 6),
    length=st.integers(1, 40),
    share=st.floats(0.01, 0.9),
    seed=st.integers(0, 99),
)
def test_what_is_asked_is_hidden_as_bert_hides_it_and_nothing_else(n, length, share, seed):
    random = np.random.default_rng(seed)
    rows = random.integers(100, 200, (n, length)).astype(np.int32)
    guesses = Guesses.of(rows, 100, MASK, share, random)  # any token is below 100
    asked = max(1, round(share * (n * length)))
    assert len(np.unique(guesses.places)) == len(guesses.places) == asked
    assert (guesses.wanted == rows.ravel()[guesses.places]).all()
    shown = guesses.shown.ravel()[guesses.places]
    changed = (guesses.shown != rows).sum()
    assert changed == round(0.8 * asked) + round(0.1 * asked)
    assert (shown != guesses.wanted).sum() == changed
    assert (shown == MASK).sum() - round(0.8 * asked) in range(round(0.1 * asked) + 1)
    assert guesses.shown.shape == rows.shape


def test_the_loss_is_the_cross_entropy_of_all_tokens_at_what_is_asked():
    torch.manual_seed(0)
    guesser = Guesser(TextNetwork(PARTS["transformer"], N_TOKENS, DIM)).eval()
    torch.nn.init.normal_(guesser.bias)
    rows = grammar(48).reshape(4, 12)
    guesses = Guesses.of(rows, N_TOKENS, MASK, 0.3, np.random.default_rng(0))
    logits = logits_of(guesser, guesses)
    wanted = torch.from_numpy(guesses.wanted).long()
    torch.testing.assert_close(guesser(guesses), F.cross_entropy(logits, wanted))


def logits_of(guesser, guesses):
    shown = Packed.of(Sequences.of(guesses.shown.tolist()), torch.device("cpu"))
    found = guesser.network.tokens(shown)[torch.from_numpy(guesses.places)]
    query = guesser.norm(F.gelu(guesser.map(found)))
    return query @ guesser.network.table.T + guesser.bias


@pytest.mark.parametrize("kind", PARTS)
def test_a_grammar_is_learned(kind, tmp_path):
    """The most frequent token is one in 20."""
    setting = Masked(epochs=12, batch_size=16, learning_rate=0.01)
    file = tmp_path / "state"
    trained(file, kind=kind, setting=setting, tokens=grammar(4000))
    guesser = Guesser(TextNetwork(PARTS[kind], N_TOKENS, DIM)).eval()
    arrays = load_file(file)
    guesser.load_state_dict(
        {name: torch.from_numpy(arrays[f"weights.{name}"]) for name in guesser.state_dict()}
    )
    rows = grammar(1200, seed=1).reshape(100, 12)
    guesses = Guesses.of(rows, N_TOKENS, MASK, 0.15, np.random.default_rng(0))
    with torch.no_grad():
        guessed = logits_of(guesser, guesses).argmax(dim=1).numpy()
    assert (guessed == guesses.wanted).mean() > 0.4


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("at", [1, 5, 7, 10])
def test_stopped_after_any_step_training_goes_on_to_the_same_bytes(kind, at, tmp_path):
    file = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        trained(file, kind=kind, stop=at)
    progress = Stopping()
    assert trained(file, kind=kind, progress=progress) == trained(kind=kind)
    assert len(progress.amounts) == STEPS - at
    assert progress.before + sum(progress.amounts) == progress.total
    assert list(tmp_path.iterdir()) == [file]


def test_the_end_that_is_kept_is_not_trained_again(tmp_path):
    first, progress = trained(tmp_path / "state"), Stopping()
    assert trained(tmp_path / "state", progress=progress) == first
    assert (progress.notes, progress.before) == ([], progress.total)


@pytest.mark.parametrize(
    "other",
    [
        {"tokens": grammar(252, seed=1)},
        {"setting": replace(SMALL, share=0.3)},
        {"seed": 1},
        {"kind": "cnn"},
    ],
)
def test_the_checkpoint_of_another_training_is_refused(other, tmp_path):
    trained(tmp_path / "state")
    with pytest.raises(DataError, match="belongs to other data, another setting or seed"):
        trained(tmp_path / "state", **other)


def test_another_learning_rate_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "state", stop=5)
    found = trained(tmp_path / "state", setting=replace(SMALL, learning_rate=0.001))
    assert found[1] == Training(2, 2, STEPS, "complete")
    assert found != trained()


def test_a_training_tells_how_it_went_and_what_it_does():
    progress = Stopping()
    assert trained(progress=progress)[1] == Training(2, 2, STEPS, "complete")
    assert sum(progress.amounts) == progress.total == 2 * 20 * LENGTH
    assert [note[:15] for note in progress.notes] == ["epoch 1/2, loss"] * 5 + [
        "epoch 2/2, loss"
    ] * 5


def test_the_seed_decides_and_nothing_else():
    assert trained(seed=1) == trained(seed=1) != trained()


def test_ctrl_c_keeps_what_was_learned():
    whole = trained()[0]
    weights, training = trained(stop=STEPS)
    assert weights == whole
    weights, training = trained(stop=7)
    assert training == Training(
        1, 2, 7, "interrupted", "interrupted in epoch 2 of 2 of masked tokens"
    )
    assert weights not in (whole, trained(setting=replace(SMALL, learning_rate=0.0))[0])


def test_ctrl_c_before_the_first_step_leaves_nothing(monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(State, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        trained()


@pytest.mark.parametrize("at", [4, 10])
def test_a_training_that_diverges_leaves_what_was_good_last(at, monkeypatch):
    step = State.step

    def burst(state, *given):
        loss = step(state, *given)
        if state.steps == at:
            state.named["network.table"].data[2, 1] = torch.inf
        return loss

    good = trained(stop=at - 1)[0]
    monkeypatch.setattr(State, "step", burst)
    weights, training = trained()
    assert weights == good
    epoch = -(-at // AN_EPOCH)
    assert training == Training(
        (at - 1) // AN_EPOCH,
        2,
        at - 1,
        "diverged",
        f"training on masked tokens diverged in epoch {epoch} at learning_rate 0.01: set it lower",
    )


def test_a_loss_that_is_no_number_is_divergence(monkeypatch, tmp_path):
    step = State.step
    monkeypatch.setattr(
        State,
        "step",
        lambda state, *given: step(state, *given) * (torch.nan if state.steps == 6 else 1),
    )
    assert trained()[1].ended == "diverged"
    with pytest.raises(Diverged, match="too early for a checkpoint"):
        trained(tmp_path / "state")


def test_a_learning_rate_too_high_from_the_first_step_is_an_error():
    with pytest.raises(Diverged, match=r"epoch 1 at learning_rate 1e\+30: set it lower"):
        trained(setting=replace(SMALL, learning_rate=1e30))


@pytest.mark.parametrize("n", [2, 5, 12, 13, 24, 25])
def test_few_tokens_are_one_sequence(n):
    progress = Stopping()
    setting = replace(SMALL, epochs=3)
    trained(tokens=grammar(n), setting=setting, progress=progress)
    assert progress.amounts == [min(n, 12)] * 3


@pytest.mark.parametrize("kind", PARTS)
def test_where_bfloat16_pays_training_is_nearly_the_same(kind, monkeypatch):
    monkeypatch.setattr(precision, "pays", lambda device: False)
    exact = trained(kind=kind)[0]
    monkeypatch.setattr(precision, "pays", lambda device: True)
    rough = trained(kind=kind)[0]
    one, other = (np.frombuffer(each["table"], np.float32) for each in (exact, rough))
    assert 0 < np.abs(one - other).mean() < 0.1 * np.abs(one).mean()


def test_global_random_state_and_threads_are_left_alone():
    torch.manual_seed(0)
    network = TextNetwork(PARTS["cnn"], N_TOKENS, DIM)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    machine = Machine(threads=threads + 1, device="cpu")
    train_masked(network, Stream(grammar(99), LENGTH, MASK), SMALL, seed=0, machine=machine)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
