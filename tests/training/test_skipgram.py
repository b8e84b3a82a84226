"""Skip-gram: what it learns, what it refuses, what it draws."""

from dataclasses import replace

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import Progress
from recembed.training import skipgram
from recembed.training.skipgram import SkipGram, train

SETTING = SkipGram(
    dim=8,
    window=3,
    negatives=3,
    exponent=0.0,
    subsample=0.0,
    direction="both",
    shrink=True,
    epochs=12,
    learning_rate=0.05,
)
CLUSTERS, SIZE = 5, 8


def clustered(sentences=400):
    """Sentences of ten items of one cluster each; item i is of cluster i % CLUSTERS."""
    random = np.random.default_rng(0)
    return Sequences.of(
        [
            (random.integers(0, SIZE, 10) * CLUSTERS + random.integers(CLUSTERS)).tolist()
            for _ in range(sentences)
        ]
    )


def share_near(vectors):
    """Share of the five nearest neighbours (cosine) that are of the item's own cluster."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -1)
    near = np.argsort(-similar, axis=1)[:, :5]
    return np.mean(near % CLUSTERS == np.arange(len(vectors))[:, None] % CLUSTERS)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("direction", ["both", "past"])
def test_neighbours_are_of_the_same_planted_cluster(monkeypatch, threads, direction):
    monkeypatch.setattr(skipgram, "CHUNK", 500)  # eight chunks, so that two threads share tables
    setting = replace(SETTING, direction=direction)
    tables = train(clustered(), CLUSTERS * SIZE, setting, threads=threads)
    assert share_near(tables.inputs) > 0.95
    assert share_near(tables.outputs) > 0.95


def test_the_loss_falls_and_one_is_kept_an_epoch():
    losses = train(clustered(), CLUSTERS * SIZE, SETTING).losses
    assert len(losses) == 12
    assert losses[0] < 4 * np.log(2) + 0.01  # an untrained pair: one positive, three negatives
    assert losses[-1] < 0.8 * losses[0]


def test_the_same_seed_gives_the_same_bytes_in_many_chunks(monkeypatch):
    monkeypatch.setattr(skipgram, "CHUNK", 300)
    one, two = (train(clustered(), CLUSTERS * SIZE, SETTING, seed=9) for _ in range(2))
    assert one.inputs.tobytes() == two.inputs.tobytes()
    assert one.outputs.tobytes() == two.outputs.tobytes()
    other = train(clustered(), CLUSTERS * SIZE, SETTING, seed=10)
    assert one.inputs.tobytes() != other.inputs.tobytes()


@pytest.mark.parametrize("rate", [3.0, 1e6, 1e38, float("inf")])
def test_a_learning_rate_too_high_names_the_epoch_and_itself(rate):
    with pytest.raises(DataError) as error:
        train(clustered(50), CLUSTERS * SIZE, replace(SETTING, learning_rate=rate))
    assert str(error.value).startswith(f"training diverged in epoch 1 at learning_rate {rate}: ")


@pytest.mark.parametrize("rows", [[], [[]], [[3]], [[1], [], [2], [3]]])
def test_sentences_of_one_item_teach_nothing(rows):
    with pytest.raises(DataError, match="no sequence has two items"):
        train(Sequences.of(rows), 5, SETTING)


def test_empty_and_one_item_sentences_change_nothing(monkeypatch):
    monkeypatch.setattr(skipgram, "CHUNK", 10**6)
    rows = [[0, 1, 2], [2, 3, 0, 1]]
    plain = train(Sequences.of(rows), 5, SETTING)
    holes = train(Sequences.of([[], rows[0], [], [], rows[1], []]), 5, SETTING)
    assert plain.inputs.tobytes() == holes.inputs.tobytes()
    assert plain.outputs.tobytes() == holes.outputs.tobytes()


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_are_runs_of_whole_sentences_that_cover_all(monkeypatch, chunk):
    monkeypatch.setattr(skipgram, "CHUNK", chunk)
    corpus = Sequences.of([[], [1, 2, 3, 4], [], [5], [6, 7, 8, 9, 1, 2], [], []])
    edges = skipgram._chunks(corpus)
    assert edges[0] == 0
    assert edges[-1] == len(corpus)
    assert (np.diff(edges) > 0).all()


def test_subsampling_keeps_the_expected_share_of_pairs(monkeypatch):
    """A frequent item is half of all tokens; with it dropped, fewer pairs are trained."""
    random = np.random.default_rng(1)
    rows = [
        np.where(random.random(30) < 0.5, 0, random.integers(1, 40, 30)).tolist()
        for _ in range(300)
    ]
    corpus = Sequences.of(rows)
    keep = skipgram.keep_probability(np.bincount(corpus.values), 0.03)
    assert 0.2 < keep[0] < 0.4
    pairs = []
    compiled = skipgram.kernel

    def counting(*arguments):
        run = compiled(*arguments)

        def counted(*arrays):
            loss, n = run(*arrays)
            pairs.append(n)
            return loss, n

        return counted

    monkeypatch.setattr(skipgram, "kernel", counting)
    setting = replace(SETTING, window=1, direction="past", epochs=1)
    train(corpus, 40, setting)
    train(corpus, 40, replace(setting, subsample=0.03))
    assert pairs[0] == 300 * 29
    expected = keep[corpus.values].sum() - 300  # one pair a kept token but the first
    assert abs(pairs[1] - expected) < 0.05 * expected


def test_progress_counts_tokens_and_shows_the_loss(capsys):
    train(clustered(20), CLUSTERS * SIZE, replace(SETTING, epochs=2), progress=Progress("lines"))
    said = capsys.readouterr().err
    assert said.startswith("skip-gram: done, 400 tokens in ")
    assert "(epoch 2/2, loss 2." in said
