"""Networks over packed texts against plain ones, text by text."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from recembed.data.sequences import Sequences
from recembed.training import attention
from recembed.training.texts.networks import TextNetwork
from recembed.training.texts.packed import Packed
from recembed.training.texts.settings import CNN, LSTM, Mean, Transformer

DIM, N_TOKENS, LONGEST = 8, 12, 9
CPU = torch.device("cpu")
PARTS = {
    "transformer": Transformer(layers=2, heads=2, width=2),
    "lstm": LSTM(layers=2),
    "cnn": CNN(layers=2, reach=2),
    "mean": Mean(),
}
TEXTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5, 3, 5, 8], [], [2, 3], [7, 1, 8], [11, 2], []]
MANY = st.lists(st.lists(st.integers(0, N_TOKENS - 1), max_size=LONGEST), min_size=1, max_size=8)


def network_of(kind, seed=0):
    torch.manual_seed(seed)
    network = TextNetwork(PARTS[kind], N_TOKENS, DIM).double().eval()
    with torch.no_grad():
        for each in network.parameters():  # none of them is 0, or 1 on a diagonal
            each.add_(torch.randn_like(each), alpha=0.3)
    return network


def packed(texts):
    return Packed.of(Sequences.of(texts), CPU)


@pytest.fixture(scope="module")
def networks():
    return {kind: network_of(kind) for kind in PARTS}


@pytest.mark.parametrize("kind", PARTS)
@given(texts=MANY)
def test_texts_together_are_what_each_is_alone(networks, kind, texts):
    network = networks[kind]
    with torch.no_grad():
        alone = torch.cat([network(packed([text])) for text in texts])
        tokens = torch.cat([network.tokens(packed([text])) for text in texts if text] or [alone])
        torch.testing.assert_close(network(packed(texts)), alone)
        if any(texts):
            torch.testing.assert_close(network.tokens(packed(texts)), tokens)
    assert not alone[[not text for text in texts]].any()


@pytest.mark.parametrize("kind", PARTS)
def test_a_text_is_the_weighted_mean_of_its_tokens(networks, kind):
    network = networks[kind]
    found, tokens = network(packed(TEXTS)), network.tokens(packed(TEXTS))
    weight = network.weight.exp()
    begin = 0
    for text, mine in zip(TEXTS, found, strict=True):
        own, share = tokens[begin : begin + len(text)], weight[text]
        begin += len(text)
        expected = (own * share[:, None]).sum(dim=0) / max(share.sum(), 1e-9)
        torch.testing.assert_close(mine, expected)


@pytest.mark.parametrize("kind", PARTS)
def test_blocks_and_their_padding_change_no_slope(kind, monkeypatch):
    """The slopes in padded blocks are those of each text in a block of its own."""
    network = network_of(kind)

    def slopes():
        texts = packed(TEXTS)
        padded = sum(int((~block.there).sum()) for block in texts.blocks.blocks)
        return padded, torch.autograd.grad(network(texts).square().sum(), network.parameters())

    together = slopes()
    monkeypatch.setattr(attention, "MOST", 1)
    apart = slopes()
    assert together[0] > 0 == apart[0]
    torch.testing.assert_close(together[1], apart[1])
    assert all(each.any() for each in together[1])


@pytest.mark.parametrize("kind", ["transformer", "lstm", "cnn"])
def test_slopes_of_a_token_reach_its_text_and_no_other(networks, kind):
    network, texts = networks[kind], packed(TEXTS)
    body = network.body
    x = F.embedding(texts.rows, network.table).detach().requires_grad_()
    at = 8  # the third of TEXTS[2], which begins at 6
    [slope] = torch.autograd.grad(body(x, texts)[at].sum(), x)
    assert slope.abs().sum(dim=1).nonzero()[:, 0].tolist() == list(range(6, 12))


def turned(x):
    """[n, width, part] with pairs of numbers turned by place, one after the other."""
    found = x.clone()
    for place in range(x.shape[1]):
        for pair in range(0, x.shape[2], 2):
            angle = torch.tensor(place * 1e4 ** (-pair / x.shape[2]))
            one, other = x[:, place, pair], x[:, place, pair + 1]
            found[:, place, pair] = one * angle.cos() - other * angle.sin()
            found[:, place, pair + 1] = one * angle.sin() + other * angle.cos()
    return found


def plain_layer(layer, x, hidden):
    """[n, width, dim], the padding `hidden` [n, width]."""
    found = []
    mixed = layer.before(x) @ layer.mix.weight.T + layer.mix.bias
    for head in range(2):
        query, key, value = (
            each[:, :, head * DIM // 2 : (head + 1) * DIM // 2] for each in mixed.chunk(3, dim=2)
        )
        scores = turned(query) @ turned(key).transpose(1, 2) / (DIM // 2) ** 0.5
        share = scores.masked_fill(hidden[:, None], -torch.inf).softmax(dim=2)
        found.append(share @ value)
    x = x + layer.out(torch.cat(found, dim=2))
    return x + layer.narrow(F.gelu(layer.wide(layer.between(x))))


def test_padding_free_attention_equals_a_plain_masked_one(networks):
    """All texts at once, padded to the longest."""
    network = networks["transformer"]
    texts = [text for text in TEXTS if text]
    width = max(map(len, texts))
    hidden = torch.tensor([[at >= len(text) for at in range(width)] for text in texts])
    x = network.table[torch.tensor([text + [0] * (width - len(text)) for text in texts])]
    for layer in network.body.layers:
        x = plain_layer(layer, x, hidden)
    found = network.tokens(packed(TEXTS))
    torch.testing.assert_close(found, network.body.norm(x)[~hidden], rtol=1e-6, atol=1e-6)


def test_an_lstm_reads_each_text_as_a_plain_one_does(networks):
    network = networks["lstm"]
    found = network.tokens(packed(TEXTS)).split([len(text) for text in TEXTS])
    for text, mine in zip(TEXTS, found, strict=True):
        if text:
            x = network.table[text]
            torch.testing.assert_close(mine, x + network.body.lstm(x)[0])


def test_a_cnn_is_one_of_convolutions_with_zeros_at_both_ends(networks):
    network = networks["cnn"]
    body = network.body
    found = network.tokens(packed(TEXTS)).split([len(text) for text in TEXTS])
    for text, mine in zip(TEXTS, found, strict=True):
        if not text:
            continue
        x = network.table[text]
        for norm, each in zip(body.norms, body.maps, strict=True):
            kernel = each.weight.view(DIM, 5, DIM).transpose(1, 2)  # [out, in, width]
            x = x + F.gelu(F.conv1d(norm(x).T[None], kernel, each.bias, padding=2)[0].T)
        torch.testing.assert_close(mine, body.norm(x))


@pytest.mark.parametrize("kind", PARTS)
def test_the_order_of_tokens_counts_where_there_is_more_than_a_mean(networks, kind):
    one, other = networks[kind](packed([[1, 2, 3, 4], [3, 1, 4, 2]])).detach()
    assert torch.allclose(one, other) == (kind == "mean")


@pytest.mark.parametrize("kind", PARTS)
def test_dropout_is_of_training_alone(kind):
    network, texts = TextNetwork(replace(PARTS[kind], dropout=0.5), 12, 8), packed(TEXTS)
    assert torch.equal(network.eval()(texts), network(texts))
    network.train()
    torch.manual_seed(0)
    assert not torch.equal(network(texts), network(texts))


def test_frequent_tokens_begin_with_little_weight():
    """Half of that of a rare one where a token is one in a thousand, as SIF has it."""
    network, counts = network_of("mean"), np.zeros(N_TOKENS, np.int64)
    counts[:3] = 989, 1, 10
    network.begin(counts)
    weight = network.weight.detach().exp().numpy()
    expected = [1e-3 / 0.990, 1 / 2, 1 / 11, 1]
    np.testing.assert_allclose(weight[:4], expected, rtol=1e-6)


def test_given_vectors_keep_their_angles_at_about_length_1():
    network = network_of("mean")
    vectors = np.random.default_rng(0).normal(size=(N_TOKENS, DIM)).astype(np.float32) * 7
    network.begin(np.ones(N_TOKENS, np.int64), vectors)
    table = network.table.detach().numpy()
    assert np.square(table).sum(axis=1).mean() == pytest.approx(1, abs=1e-6)
    ratio = table / vectors
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)


@pytest.mark.parametrize("kind", PARTS)
def test_no_text_at_all_is_no_vector_at_all(networks, kind):
    assert networks[kind](packed([[], []])).tolist() == [[0.0] * DIM] * 2
    assert networks[kind](Packed.of(Sequences.of([]), CPU)).shape == (0, DIM)
