"""The encoder `network`: learns, is stored, goes on, and refuses what does not fit."""

import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from recembed.arrays import unit
from recembed.errors import DataError, Interrupted, MissingExtra
from recembed.protocols import Machine
from recembed.settings import change
from recembed.text.network import Network
from recembed.text.network_encoder import NetworkEncoder
from recembed.text.pairs import TextPairs
from recembed.text.registry import text_estimator
from recembed.text.texts import Texts
from recembed.text.tokenizer import Subtokens

MACHINE = Machine(threads=1, device="cpu")
SMALL = {
    "dim": 8,
    "longest": 16,
    "tokens.size": 600,
    "skipgram.epochs": 2,
    "skipgram.negatives": 3,
    "masked.batch_size": 16,
    "tune.epochs": 3,
    "tune.learning_rate": 0.01,
    "tune.batch_size": 16,
}
NETWORKS = {
    "transformer": {"network.layers": 1, "network.heads": 2, "network.width": 2},
    "lstm": {"network": "lstm"},
    "cnn": {"network": "cnn", "network.layers": 1},
    "mean": {"network": "mean"},
}


def estimator(kind="transformer", **changes):
    return text_estimator("network", SMALL | NETWORKS[kind] | changes)


@pytest.fixture(scope="module")
def texts(corpus):
    return Texts.of(corpus)


@pytest.fixture(scope="module")
def made(texts):
    """Kind -> its encoder, fitted on the corpus; never change one."""
    found = {}

    def encoder(kind="transformer"):
        if kind not in found:
            found[kind] = estimator(kind).fit(texts, machine=MACHINE)
        return found[kind]

    return encoder


def pairs_of(topics, n=60, seed=0):
    """Texts of three words of a topic; a pair scores 1 if both are of one, 0 else."""
    random = np.random.default_rng(seed)
    names = random.choice([*topics], (2, n))
    first, second = ([" ".join(random.choice(topics[name], 3)) for name in side] for side in names)
    return TextPairs(first, second, (names[0] == names[1]).astype(np.float32))


def margin(encoder, topics):
    """How much nearer texts of one topic are than those of two, in cosines."""
    texts = [" ".join(words[at : at + 4]) for words in topics.values() for at in (0, 4)]
    vectors = unit(encoder.encode(texts))
    cosines, topic = vectors @ vectors.T, np.arange(len(texts)) // 2
    same = (topic[:, None] == topic) & ~np.eye(len(texts), dtype=bool)
    return cosines[same].mean() - cosines[topic[:, None] != topic].mean()


@pytest.mark.parametrize("kind", NETWORKS)
def test_pairs_bring_topics_together(kind, made, topics):
    tuned = estimator(kind, **{"tune.epochs": 12})
    found = tuned.fit(Texts(), pairs=pairs_of(topics), start=made(kind), machine=MACHINE)
    assert margin(found, topics) > margin(made(kind), topics) + 0.05


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_stored_network_places_texts_as_before(kind, made):
    encoder, asked = made(kind), ["The ship and the oven", "", "violin", "Schiff \U0001f6a2"]
    again = estimator(kind).restore(encoder.arrays(), MACHINE)
    assert again.encode(asked).tobytes() == encoder.encode(asked).tobytes()
    assert again.dim == encoder.dim == 8
    assert all(isinstance(array, np.ndarray) for array in encoder.arrays().values())


@pytest.mark.parametrize("kind", NETWORKS)
def test_texts_together_are_what_each_is_alone(kind, made, topics):
    asked = ["", *(" ".join(words[:at]) for words in topics.values() for at in range(8))]
    together = made(kind).encode(asked)
    alone = np.concatenate([made(kind).encode([text]) for text in asked])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert not together[0].any()
    assert together[2:8].any(axis=1).all()


def test_tokens_behind_the_longest_are_not_read(made):
    words = ["ship", "sail", "oven"] * 30
    one, other = made().encode([" ".join(words), " ".join([*words[:60], "violin"])])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_tokenizer_of_others_is_refused(made, topics):
    held = Texts(held=[" ".join(words) for words in topics.values()])
    other = Subtokens(size=520).train(held)
    arrays = made().arrays() | {"tokenizer": other.array()}
    with pytest.raises(DataError, match="not the one that the network was trained with"):
        estimator().restore(arrays, MACHINE)


@pytest.mark.parametrize("change", [{"dim": 32}, {"network": "cnn"}])
def test_weights_of_another_setting_are_refused(made, change):
    values = {**SMALL, **({} if "network" in change else NETWORKS["transformer"]), **change}
    with pytest.raises(DataError, match="weights are of another network"):
        text_estimator("network", values).restore(made().arrays(), MACHINE)


def test_to_go_on_leaves_the_start_as_it_is(made, topics):
    before = made().encode(["a ship"]).tobytes()
    found = estimator().fit(Texts(), pairs=pairs_of(topics), start=made(), machine=MACHINE)
    assert made().encode(["a ship"]).tobytes() == before != found.encode(["a ship"]).tobytes()
    assert found.tokenizer is made().tokenizer


def test_only_a_network_of_the_same_setting_is_gone_on_from(made, topics):
    pairs = pairs_of(topics)
    with pytest.raises(DataError, match="start has network=Transformer"):
        estimator("cnn").fit(Texts(), pairs=pairs, start=made(), machine=MACHINE)
    with pytest.raises(DataError, match="from a network only"):
        estimator().fit(Texts(), pairs=pairs, start=object(), machine=MACHINE)
    with pytest.raises(DataError, match="there are none"):
        estimator().fit(Texts(), start=made(), machine=MACHINE)


def test_the_best_that_the_judge_saw_is_kept(made, topics):
    seen = []

    def judge(encoder):
        assert isinstance(encoder, NetworkEncoder)
        seen.append(encoder.encode(["a ship", "a loaf"]).tobytes())
        return -len(seen)

    found = estimator().fit(
        Texts(), pairs=pairs_of(topics), start=made(), judge=judge, machine=MACHINE
    )
    assert len(set(seen)) == 3
    assert found.encode(["a ship", "a loaf"]).tobytes() == seen[0]
    assert [value for _, value in found.training.looks] == [-1, -2, -3]


def test_texts_alone_tune_it_where_that_is_asked_for(texts, made):
    held = Texts(held=next(texts.lines())[:200])
    plain = estimator("cnn", **{"masked.epochs": 0})
    once = plain.fit(held, machine=MACHINE)
    tuned = replace(plain, simcse=True).fit(held, machine=MACHINE)
    assert once.training is None
    assert tuned.training.of == 3
    assert once.encode(["ship"]).tobytes() != tuned.encode(["ship"]).tobytes()


@pytest.mark.parametrize("kind", ["transformer", "mean"])
def test_one_seed_and_one_thread_give_the_same_bytes(kind, topics):
    held = Texts(held=[" ".join(words) for words in topics.values()] * 20)
    pairs = pairs_of(topics)

    def bytes_of(seed):
        found = estimator(kind).fit(held, pairs=pairs, seed=seed, machine=MACHINE)
        return {name: array.tobytes() for name, array in found.arrays().items()}

    assert bytes_of(1) == bytes_of(1) != bytes_of(2)


def test_ctrl_c_leaves_an_encoder_as_far_as_it_is_trained(texts, monkeypatch):
    from recembed.training.texts.guesses import State

    step = State.step

    def stop(state, *given):
        if state.steps == 5:
            raise KeyboardInterrupt
        return step(state, *given)

    monkeypatch.setattr(State, "step", stop)
    with pytest.raises(Interrupted, match="epoch 1 of 1 of masked tokens") as end:
        estimator().fit(texts, machine=MACHINE)
    assert end.value.model.encode(["ship"]).any()
    assert end.value.model.training.steps == 5


def test_what_cannot_be_is_refused(topics):
    with pytest.raises(DataError, match="dim 12 is not 8"):
        Network(dim=12)
    with pytest.raises(DataError, match="dim 7 cannot be shared by an LSTM"):
        change(Network(), {"dim": 7, "network": "lstm"})
    with pytest.raises(DataError, match="no text"):
        estimator().fit(Texts(held=["", " "]), machine=MACHINE)


def test_without_torch_it_says_what_to_install(monkeypatch, made):
    arrays = made().arrays()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'recembed\[torch\]'"):
        estimator().fit(Texts(held=["a text"]))
    with pytest.raises(MissingExtra, match="torch"):
        estimator().restore(arrays)
