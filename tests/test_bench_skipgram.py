"""What `bin/bench skipgram` is made of; nothing here is trained for longer than a moment."""

import importlib
import json
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.split import split
from recembed.data.vocabulary import Vocabulary
from recembed.evaluation.answers import Measure
from recembed.evaluation.cases import cases
from recembed.evaluation.runner import evaluate
from recembed.models.history import HistoryModel
from recembed.models.ranker import VectorRanker
from recembed.search.exact import ExactIndex
from recembed.training.recency import Recency

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "tests" / "benchmarks" / "skipgram.json"
SPEED = {
    "vs_gensim_sentences_d64": 6,
    "vs_gensim_sentences_d128": 6,
    "vs_gensim_corpus_file_d64": 5,
    "vs_gensim_corpus_file_d128": 5,
    "fma_share_d128": 0.25,
}
SCALE = {"second_start_seconds": 1.5, "cost_growth_100m": 2, "memory_overhead_mib": 200}
QUALITY = {
    "recall10_vs_gensim_ml1m": -0.002,
    "recall10_vs_gensim_beauty": -0.002,
    "words_vs_gensim": 0,
    "words_vs_gensim_least": -0.02,
    "tuned_vs_word2vec_defaults": 1,
    "ml1m_hr10": 0.284,
    "ml1m_ndcg10": 0.166,
    "ml1m_train_seconds": 60,
    "beauty_ndcg10": 0.050,
    "ml100k_ndcg10": 0.101,
}


@pytest.fixture
def part(monkeypatch, tmp_path):
    """A module of the benchmark; what it writes goes to a folder of the test."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    monkeypatch.setattr(load("corpora"), "SCRATCH", tmp_path / "scratch")
    return load


def load(name):
    return importlib.import_module(f"benchmarks.skipgram_{name}")


def test_pairs_are_what_counting_over_every_reach_gives(part):
    corpus = Sequences.of([[1], [1, 2], [3, 4, 5, 6, 7, 8, 9], []])
    counted = 0.0
    for size in corpus.sizes.tolist():
        for centre in range(size):
            for reach in range(1, 6):
                around = range(max(0, centre - reach), min(size, centre + reach + 1))
                counted += (len(around) - 1) / 5
    assert part("speed").pairs(corpus) == pytest.approx(counted)


def test_turns_are_reversed_every_other_round_and_give_the_median_of_what_was_said(part):
    calls, said = [], iter([1.0, 10.0, 30.0, 3.0, 2.0, 20.0])

    def work(name):
        calls.append(name)
        return next(said)

    found = part("speed").in_turns({"a": lambda: work("a"), "b": lambda: work("b")}, 3)
    assert "".join(calls) == "abbaab"
    assert found == {"a": 2.0, "b": 20.0}


def test_the_ratio_of_a_bar_is_the_smallest_of_the_corpora(part, monkeypatch, tmp_path):
    speed, corpora = part("speed"), part("corpora")
    there = [
        corpora.Corpus(name, Sequences.of([[0, 1]] * 50), 2, tmp_path)
        for name in ("complete-journey", "ml-1m", "books")
    ]
    seconds = {"complete-journey": 2.0, "ml-1m": 1.0, "books": 4.0}

    @contextmanager
    def gensim():
        yield lambda mode, dim, threads, path: 12.0 if mode == "sentences" else 24.0

    monkeypatch.setattr(speed, "corpora", lambda *limit: there)
    monkeypatch.setattr(speed, "gensim", gensim)
    monkeypatch.setattr(speed, "ours", lambda corpus, dim, threads: seconds[corpus.name])
    monkeypatch.setattr(speed, "SIDE", 8)
    figures, bars = speed.run(quick=False, repeat=False)
    assert {bar.name: bar.bound for bar in bars} == SPEED
    value = {bar.name: bar.value for bar in bars}
    assert value["vs_gensim_sentences_d64"] == 3.0
    assert value["vs_gensim_corpus_file_d128"] == 6.0
    assert figures["ml-1m_d128_1t_vs_sentences"] == 12.0
    assert figures["ml-1m_d64_2t_recembed_tokens_s"] == 100
    assert not speed.run(quick=True, repeat=False)[1]


def test_growth_is_measured_in_a_process_that_maps_the_corpora(part, monkeypatch):
    scale = part("scale")
    small = replace(scale.setting(8), negatives=3)
    for name, value in {"SMALL": 2_000, "LARGE": 6_000, "N_ROWS": 50, "DIM": 8}.items():
        monkeypatch.setattr(scale, name, value)
    monkeypatch.setattr(scale, "setting", lambda dim: small)
    monkeypatch.setattr(
        scale, "starts", lambda n: ({}, [scale.at_most("second_start_seconds", 1, 1.5)])
    )
    monkeypatch.setattr(scale, "vocabularies", lambda sizes: {})
    figures, bars = scale.run(quick=False, repeat=False)
    assert {bar.name: bar.bound for bar in bars} == SCALE
    assert all(bar.value > 0 for bar in bars)
    assert figures["zipf_peak_mib"] > figures["zipf_start_mib"] > 1


def test_a_zipf_corpus_is_of_the_length_asked_for_and_falls_as_one_over_rank(part):
    corpora = part("corpora")
    corpus = corpora.mapped(corpora.zipf(100, 50_000))
    assert len(corpus.values) == 50_000
    assert corpus.sizes[:-1].min() >= 25
    assert corpus.sizes.max() <= 75
    counts = np.bincount(corpus.values, minlength=100)
    total = np.sum(1 / np.arange(1, 101))
    np.testing.assert_allclose(counts[:3] / 50_000, 1 / (np.arange(1, 4) * total), rtol=0.05)


def test_rare_words_are_left_out_and_the_text_has_the_same_tokens(part, tmp_path):
    corpora = part("corpora")
    paragraphs = [["a", "rare", "b"], ["b", "b"], ["rare"], ["b", "b", "a", "a", "a", "a"]]
    words, found = corpora.encoded(paragraphs)
    assert words.ids.to_pylist() == ["a", "b"]  # five each, the first seen stands first
    assert [found[at].tolist() for at in range(len(found))] == [[0, 1], [1, 1], [1, 1, 0, 0, 0, 0]]
    corpora.write_text(found, words, tmp_path / "text")
    assert (tmp_path / "text").read_text() == "a b\nb b\nb b a a a a\n"


@pytest.fixture
def asked():
    """A log of 40 users and 25 items, its cases and a random model that knows all items but one."""
    random = np.random.default_rng(3)
    rows = [random.permutation(25)[: random.integers(4, 9)].tolist() for _ in range(40)]
    users, items = Vocabulary.numbered(40), Vocabulary.numbered(25)
    log = Log(Interactions(users, items, Sequences.of(rows), order="position"), None, None)
    tables = tuple(random.standard_normal((25, 4)).astype(np.float32) for _ in range(2))
    known = np.arange(25) != 7
    return cases(split(log, "last:1")), HistoryModel.of(items, tables, known, Recency(decay=0.5))


def test_places_give_the_metrics_of_the_evaluation(part, asked):
    items, (questions, model) = part("items"), asked
    found = items.places(model.users(questions.histories()), model.items, questions)
    ranker = VectorRanker(model, ExactIndex(model.items))
    report = evaluate({"it": ranker}, questions, Measure(False, (5,))).models["it"]
    assert items.hits(found, 5).mean() == pytest.approx(report["hit_rate@5"].mean)
    assert items.gains(found, 5).mean() == pytest.approx(report["ndcg@5"].mean)
    assert (found[questions.targets.values == 7] == -1).all()
    assert (questions.targets.values == 7).any()


def test_a_hidden_item_stands_behind_all_of_the_same_score(part, asked):
    questions, model = asked
    flat = Embeddings(model.items.vocabulary, np.ones((25, 4), np.float32), np.ones(25, bool))
    found = part("items").places(model.users(questions.histories()), flat, questions)
    assert found.tolist() == (25 - questions.history_sizes).tolist()


def test_gensim_is_told_the_same_setting(part):
    items, words, same = part("items"), part("words"), part("peer").same
    told = same(items.EQUAL, 1, {})
    assert (told["model"], told["sg"], told["min_count"]) == ("Word2Vec", 1, 1)
    for theirs, ours in {
        "vector_size": "dim",
        "ns_exponent": "exponent",
        "alpha": "learning_rate",
    }.items():
        assert told[theirs] == asdict(items.EQUAL)[ours]
    assert {words.gensim_setting(name)["sg"] for name in words.ARCHITECTURES} == {0, 1}
    assert (
        words.gensim_setting("subwords")["bucket"] == words.setting("subwords")["subwords.buckets"]
    )


def test_evidence_of_another_setting_is_refused_and_that_of_fewer_fields_is_not(
    part, monkeypatch, tmp_path
):
    evidence = part("evidence")
    monkeypatch.setattr(evidence, "FOLDER", tmp_path / "evidence")
    made = evidence.Made(1.5, np.array([1, -1, 12], np.int32))
    evidence.write("x-0", {"dim": 8, "shape": (1, 2)}, made)
    there = evidence.read("x-0", {"dim": 8, "shape": (1, 2), "later": None})
    assert (there.seconds, there.places.tolist()) == (1.5, [1, -1, 12])
    with pytest.raises(evidence.BenchError, match="x-0 was trained with dim = 8, it is 16 now"):
        evidence.read("x-0", {"dim": 16, "shape": (1, 2)})
    with pytest.raises(evidence.BenchError, match="x-1 has never been trained"):
        evidence.read("x-1", {})


@pytest.fixture
def pretended(part, monkeypatch, tmp_path):
    """The quality part with trainings that take no time: ours finds one item more than gensim."""
    quality, evidence, words = part("quality"), part("evidence"), part("words")
    monkeypatch.setattr(evidence, "FOLDER", tmp_path / "evidence")
    places = {"recembed": [1, 10, 11, -1], "gensim": [1, 11, 11, -1], "word2vec": [3, 11, 11, -1]}
    trainings = {}
    for key, each in quality.trainings().items():
        given = {
            "places": np.array(places.get(each.system, [1, 1, 1, 11]), np.int32),
            "scores": {test: 0.3 if each.system == "gensim" else 0.31 for test in words.TESTS},
        }
        given.pop("places" if each.part.startswith("words") else "scores")
        made = evidence.Made(2.0, **given)
        trainings[key] = replace(each, make=lambda seed, made=made: made)
    monkeypatch.setattr(quality, "trainings", lambda saved=None: trainings)
    return quality


def test_quality_is_worked_out_from_evidence_alone(pretended):
    pretended.make(["*"], None)
    figures, bars = pretended.run(quick=False, repeat=False)
    assert {bar.name: bar.bound for bar in bars} == QUALITY
    value = {bar.name: bar.value for bar in bars}
    assert value["recall10_vs_gensim_ml1m"] == pytest.approx(0.25)
    assert value["words_vs_gensim"] == pytest.approx(0.01)
    assert value["words_vs_gensim_least"] == pytest.approx(0.01)
    assert value["ml1m_hr10"] == 0.75
    assert value["tuned_vs_word2vec_defaults"] == pytest.approx(0.75 / (0.25 / 2) - 1)
    assert figures["subwords_men_gensim"] == pytest.approx(0.3)


def test_only_what_is_lacking_and_asked_for_is_trained(pretended, capsys):
    pretended.make(["ml1m-*"], None)
    first = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert len(first) == 9  # word2vec, chosen, shipped
    assert all(name.startswith("ml1m-") for name in first)
    pretended.make(["ml1m-*", "equal-*"], None)
    second = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert len(second) == 12
    assert all(name.startswith("equal-") for name in second)
    with pytest.raises(load("evidence").BenchError, match="has never been trained; make it"):
        pretended.run(quick=False, repeat=False)


@pytest.mark.skipif(not KEPT.exists(), reason="bin/bench skipgram has not kept an outcome yet")
def test_the_figures_that_are_kept_are_those_of_the_evidence(part):
    told = json.loads(KEPT.read_text())
    assert {bar["name"] for bar in told["bars"]} == {*QUALITY, *SPEED, *SCALE}
    figures, bars = part("quality").run(quick=False, repeat=False)
    kept = told["figures"] | {bar["name"]: bar["value"] for bar in told["bars"]}
    for name, value in (figures | {bar.name: bar.value for bar in bars}).items():
        assert kept[name] == pytest.approx(value), name


def test_every_file_of_evidence_is_of_a_training_there_is(part):
    quality, evidence = part("quality"), part("evidence")
    known = {
        evidence.stem(each.part, each.system, seed)
        for each in quality.trainings().values()
        for seed in quality.SEEDS
    }
    assert {path.stem for path in evidence.FOLDER.glob("*") if path.is_file()} <= known
