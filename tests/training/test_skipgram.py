"""Skip-gram: what it learns, what it refuses, what it draws."""

import contextlib
import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from recembed.data.sequences import Sequences
from recembed.progress import Progress
from recembed.training import cbow, pairs, shared, skipgram
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
    assert all(isinstance(loss, float) for loss in losses)
    assert losses[0] < 4 * np.log(2) + 0.01  # an untrained pair: one positive, three negatives
    assert losses[-1] < 0.8 * losses[0]


def test_the_same_seed_gives_the_same_bytes_in_many_chunks(monkeypatch):
    monkeypatch.setattr(skipgram, "CHUNK", 300)
    one, two = (train(clustered(), CLUSTERS * SIZE, SETTING, seed=9) for _ in range(2))
    assert one.inputs.tobytes() == two.inputs.tobytes()
    assert one.outputs.tobytes() == two.outputs.tobytes()
    other = train(clustered(), CLUSTERS * SIZE, SETTING, seed=10)
    assert one.inputs.tobytes() != other.inputs.tobytes()


def test_empty_and_one_item_sentences_change_nothing(monkeypatch):
    monkeypatch.setattr(skipgram, "CHUNK", 10**6)
    rows = [[0, 1, 2], [2, 3, 0, 1]]
    plain = train(Sequences.of(rows), 5, SETTING)
    holes = train(Sequences.of([[], rows[0], [], [], rows[1], []]), 5, SETTING)
    assert plain.inputs.tobytes() == holes.inputs.tobytes()
    assert plain.outputs.tobytes() == holes.outputs.tobytes()


SAME = """
import hashlib, sys
import numpy as np
from recembed.data.sequences import Sequences
from recembed.training.skipgram import SkipGram, train
values = np.random.default_rng(3).integers(0, 40, 2000).astype(np.int32)
corpus = Sequences(values, np.arange(0, 2001, 20))
for sharing, loss in (("centre", "logistic"), ("pair", "logistic")):
    setting = SkipGram(8, 3, 3, 0.5, 0.01, "both", True, 2, 0.05, sharing=sharing, loss=loss)
    tables = train(corpus, 40, setting, seed=4)
    print(hashlib.sha256(tables.inputs.tobytes() + tables.outputs.tobytes()).hexdigest())
"""


def test_a_new_process_gives_the_same_bytes():
    command = [sys.executable, "-c", SAME]
    one, two = (subprocess.run(command, capture_output=True, check=True) for _ in range(2))
    assert len(one.stdout.split()) == 2
    assert one.stdout == two.stdout
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(SAME, {})
    assert out.getvalue().encode() == one.stdout


@pytest.mark.parametrize(
    ("values", "module", "constants"),
    [
        ({}, shared, (4, True, False)),
        ({"sharing": "pair"}, pairs, (4, False)),
        ({"architecture": "cbow"}, cbow, (3, False)),
    ],
)
def test_a_mapped_corpus_gives_the_same_bytes_and_compiles_nothing_new(
    tmp_path, values, module, constants
):
    setting, corpus = replace(SETTING, epochs=2, **values), clustered(50)
    memory = train(corpus, CLUSTERS * SIZE, setting)
    run = module.kernel(*constants)
    known = set(run.signatures)
    assert known
    paths = []
    for name, array in (("values", corpus.values), ("offsets", corpus.offsets)):
        paths.append(tmp_path / name)
        array.tofile(paths[-1])
    for mode in ("r", "r+", "c"):
        values = np.memmap(paths[0], np.int32, mode)
        offsets = np.memmap(paths[1], np.int64, mode)
        mapped = train(Sequences(values, offsets), CLUSTERS * SIZE, setting)
        assert mapped.inputs.tobytes() == memory.inputs.tobytes()
        assert mapped.outputs.tobytes() == memory.outputs.tobytes()
    assert set(run.signatures) == known


def test_the_loss_is_the_mean_over_pairs_in_float64():
    """At a rate of 0 every pair costs what zeros cost: log 2 a target, however many pairs.

    A float32 sum of 7 million losses would be off in its sixth digit.
    """
    values = np.random.default_rng(0).integers(0, 10**6, 120_000).astype(np.int32)
    corpus = Sequences(values, np.array([0, 60_000, 120_000]))
    setting = replace(SETTING, window=30, shrink=False, epochs=1, learning_rate=0.0)
    tables = train(corpus, 10**6, setting)
    assert tables.pairs == 2 * (60_000 * 60 - 30 * 31)
    one = float(np.float32(4 * np.log(2)))
    assert abs(tables.losses[0] - one) < 1e-5


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
    setting = replace(SETTING, window=1, direction="past", epochs=1)
    assert train(corpus, 40, setting).pairs == 300 * 29
    pairs = train(corpus, 40, replace(setting, subsample=0.03)).pairs
    expected = keep[corpus.values].sum() - 300  # one pair a kept token but the first
    assert abs(pairs - expected) < 0.05 * expected


def test_progress_counts_tokens_and_shows_the_loss(capsys):
    train(clustered(20), CLUSTERS * SIZE, replace(SETTING, epochs=2), progress=Progress("lines"))
    said = capsys.readouterr().err
    assert said.startswith("skip-gram: done, 400 tokens in ")
    assert "(epoch 2/2, loss 2." in said
