"""Similarity and analogies: by hand, and against gensim on the same vectors and files."""

import numpy as np
import pytest
from gensim.models import KeyedVectors

from recembed.text import word_tests
from recembed.text.word_lists import Pairs, Questions, read_test
from recembed.text.word_tests import Analogies, analogies, similarity

SQUARE = {"a": [1, 0], "b": [1, 1], "c": [0, 1], "d": [-1, 1]}


def pairs(*lines):
    first, second, scores = zip(*lines, strict=True)
    return Pairs("test", [*first], [*second], np.array(scores, float))


def test_spearman_by_hand_with_and_without_unknown_pairs(model_of):
    model = model_of(SQUARE)  # cosines: a b .71, a c 0, a d -.71, a ? unknown
    found = similarity(model, pairs(("a", "b", 9), ("a", "c", 1), ("a", "d", 5), ("a", "x", 7)))
    assert (found.test, found.pairs, found.unknown) == ("test", 4, 1)
    assert found.spearman == pytest.approx(0.5)  # ranks 3 2 1 and 3 1 2
    # ranks 4 2.5 1 2.5 and 4 1 2 3: products of deviations 3, squares 4.5 and 5
    assert found.spearman_all == pytest.approx(3 / np.sqrt(4.5 * 5))


def test_without_two_different_scores_there_is_no_correlation(model_of):
    model = model_of(SQUARE)
    for lines in ([("a", "b", 9)], [("a", "b", 9), ("b", "c", 9)], [("x", "y", 1), ("y", "z", 2)]):
        assert similarity(model, pairs(*lines)).spearman is None


@pytest.fixture(scope="module")
def random_words():
    random = np.random.default_rng(3)
    words = ["".join(random.choice(list("abcdefgh"), 4)) for _ in range(150)]
    words = [*dict.fromkeys(words)]
    return dict(zip(words, random.normal(size=(len(words), 6)).astype(np.float32), strict=True))


@pytest.fixture
def theirs(random_words):
    made = KeyedVectors(vector_size=6)
    made.add_vectors([*random_words], np.array([*random_words.values()]))
    return made


def test_similarity_is_gensims(model_of, random_words, theirs, tmp_path):
    random = np.random.default_rng(4)
    words = [*random_words, "zzzz", "zzzy"]
    lines = ["\t".join([*random.choice(words, 2), f"{random.random():.3f}"]) for _ in range(200)]
    (tmp_path / "pairs").write_text("\n".join([*lines, f"{words[0]}\tzzzz\t0.5", ""]))
    found = similarity(model_of(random_words), read_test(tmp_path / "pairs"))
    _, covered, share = theirs.evaluate_word_pairs(str(tmp_path / "pairs"))
    _, everything, _ = theirs.evaluate_word_pairs(str(tmp_path / "pairs"), dummy4unknown=True)
    assert found.unknown > 0
    assert 100 * found.unknown / found.pairs == pytest.approx(share)
    assert found.spearman == pytest.approx(covered.statistic, abs=1e-9)
    assert found.spearman_all == pytest.approx(everything.statistic, abs=1e-9)


@pytest.mark.parametrize("limit", [None, 80])
def test_analogies_are_gensims_in_any_block(
    model_of, random_words, theirs, tmp_path, monkeypatch, limit
):
    random = np.random.default_rng(5)
    words = [*random_words]
    table = np.array([*random_words.values()])
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    lines = []
    for section in ("one", "two"):
        lines.append(f": {section}")
        for _ in range(60):
            a, b, c = random.choice(len(words), 3, replace=False)
            scores = (table[b] - table[a] + table[c]) @ table.T
            scores[[a, b, c]] = -9
            right = int(scores.argmax()) if random.random() < 0.5 else random.integers(len(words))
            lines.append(" ".join(words[at] for at in (a, b, c, right)))
        lines.append(f"{words[0]} {words[1]} {words[2]} zzzz")
    (tmp_path / "questions").write_text("\n".join(lines))
    test, model = read_test(tmp_path / "questions"), model_of(random_words)
    found = analogies(model, test, limit)
    score, sections = theirs.evaluate_word_analogies(
        str(tmp_path / "questions"), restrict_vocab=limit or len(words)
    )
    assert found.accuracy == pytest.approx(score)
    assert 0.2 < score < 0.8
    for ours, own in zip(found.categories, sections[:-1], strict=True):
        assert (ours.test, ours.questions, ours.right) == (own["section"], 61, len(own["correct"]))
        assert ours.questions - ours.unknown == len(own["correct"]) + len(own["incorrect"])
    monkeypatch.setattr(word_tests, "MEMORY", 1000)
    assert analogies(model, test, limit) == found


def test_words_that_were_never_trained_are_neither_asked_nor_answered(model_of):
    model = model_of(SQUARE | {"e": [0, 2]}, [True, True, True, True, False])
    columns = (["a", "a"], ["b", "b"], ["d", "e"], ["c", "c"])
    test = Questions("test", columns, np.array([0, 0]), ["all"])
    assert analogies(model, test) == Analogies("test", 2, 1, 1, (Analogies("all", 2, 1, 1),))


def test_no_question_with_known_words_has_no_accuracy(model_of):
    test = Questions("test", (["x"], ["y"], ["z"], ["a"]), np.array([0]), ["all"])
    assert analogies(model_of(SQUARE), test).accuracy is None
