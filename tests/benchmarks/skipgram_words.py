"""Word vectors of the books with equal settings, ours and gensim's, through the same word tests.

The corpus is the books' lines as they are, words are [a-z]+ of the lower-cased text. Ours come out
of the product's own estimator, from the file to the vectors; seconds are of all that, both sides.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import BenchError
from benchmarks.skipgram_corpora import MIN_COUNT, SCRATCH, shared, tokenised
from benchmarks.skipgram_evidence import Made
from benchmarks.skipgram_peer import Trained, same, saved, trained
from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.protocols import Machine
from recembed.settings import flat
from recembed.text.normal import Normal
from recembed.text.subwords import Subwords
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens
from recembed.text.word2vec import Word2Vec
from recembed.text.word_lists import Pairs, read_test
from recembed.text.word_model import WordModel
from recembed.text.word_tests import analogies, similarity
from recembed.text.word_vectors import WordVectors

TESTS = {
    "wordsim353": "wordsim353.tsv",
    "simlex999": "simlex999.txt",
    "men": "men.csv",
    "rarewords": "rw.csv",
    "google": "questions-words.txt",
}
ARCHITECTURES = ("skip-gram", "cbow", "subwords")
THREADS = 1  # as gensim, so that a seed gives one outcome
NGRAMS = Subwords(min_n=3, max_n=6, buckets=200_000)


def estimator(name: str) -> WordVectors:
    """The architecture; subwords are read by skip-gram."""
    method = Word2Vec(
        architecture="cbow" if name == "cbow" else "skip-gram",
        window=5,
        shrink=True,
        negatives=5,
        exponent=0.75,
        subsample=1e-3,
        epochs=5,
        learning_rate=0.025,
        subwords=NGRAMS if name == "subwords" else Subwords(),
    )
    return WordVectors(100, Tokens(pattern="[a-z]+", min_count=MIN_COUNT), method)


def setting(name: str) -> dict[str, Any]:
    """All that ours depends on, by the names of when it was trained.

    NFC changes no such word of the books: lower case is all that `tokens.normal` does to them.
    """
    ours = estimator(name)
    kept = {key: each for key, each in flat(ours).items() if not key.startswith("tokens.normal.")}
    values = {key.removeprefix("method."): value for key, value in kept.items()}
    lowercase = ours.tokens.normal == Normal()
    return values | {"tokens.lowercase": lowercase, "threads": THREADS}


def gensim_setting(name: str) -> dict[str, Any]:
    """The same in gensim's words."""
    grams = {"min_n": NGRAMS.min_n, "max_n": NGRAMS.max_n, "bucket": NGRAMS.buckets}
    ours = estimator(name)
    engine = ours.method.engine(ours.dim)
    return same(engine, MIN_COUNT, grams if name == "subwords" else {})


def equal(name: str, seed: int) -> Made:
    """Ours."""
    begin = time.perf_counter()
    model = estimator(name).fit(Texts.of(text()), seed=seed, machine=Machine(threads=THREADS))
    seconds = time.perf_counter() - begin
    words = model.words.vocabulary
    return Made(seconds, scores=scores(words, model.words.vectors))


def equal_gensim(name: str, before: Path | None, seed: int) -> Made:
    """gensim's, trained now, or `before` and found in that folder."""
    peer = trained_before(before, name, seed) if before else None
    if peer is None:
        peer = trained(gensim_setting(name), text(), seed)
    found = scores(Vocabulary(peer.words, "word"), peer.inputs)
    return Made(peer.seconds, scores=found, versions=peer.versions)


def trained_before(folder: Path, name: str, seed: int) -> Trained | None:
    """What `wv.save` wrote as ARCHITECTURE-SEED.kv, with its line of seconds in FOLDER.log."""
    file = folder / f"{name}-{seed}.kv"
    lines = map(str.split, folder.with_suffix(".log").read_text().splitlines())
    seconds = {(architecture, int(at)): float(took) for architecture, at, took in lines}
    if not file.exists() or (name, seed) not in seconds:  # not there, or not whole yet
        return None
    return replace(saved(file), seconds=seconds[name, seed])


def scores(words: Vocabulary, vectors: Vectors) -> dict[str, float]:
    """Spearman's correlations and the share of right analogies, of what the vocabulary covers.

    "_of": how many pairs or questions that is. Only whole words are looked up: what n-grams say
    of words outside the vocabulary is no part of it.
    """
    known = np.ones(len(words), np.bool_)
    model = WordModel(Embeddings(words, vectors, known, "cosine"))
    found: dict[str, float] = {}
    for name, file in TESTS.items():
        test = read_test(shared("words") / file)
        if isinstance(test, Pairs):
            alike = similarity(model, test)
            score, covered = alike.spearman, alike.pairs - alike.unknown
        else:
            asked = analogies(model, test)
            score, covered = asked.accuracy, asked.questions - asked.unknown
        if score is None:
            raise BenchError(f"the vocabulary of {len(words)} words covers nothing of {file}")
        found |= {name: round(score, 5), f"{name}_of": covered}
    return found


def text() -> Path:
    """The books, a paragraph a line; rare words are in it, both sides count for themselves."""
    path = SCRATCH / "all-books.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        beside = path.with_suffix(".part")
        with beside.open("w", encoding="utf-8") as file:
            file.writelines(" ".join(words) + "\n" for words in tokenised())
        beside.replace(path)
    return path
