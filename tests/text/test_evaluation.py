"""Tests of encoders, by hand and against plain formulas."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recembed.errors import DataError
from recembed.protocols import Machine
from recembed.text import evaluation
from recembed.text.evaluation import judged, likeness, retrieval, uniformity
from recembed.text.evaluation_labels import grouping
from recembed.text.pair_files import Labelled
from recembed.text.pairs import TextPairs

ONE = Machine(threads=1)


@dataclass
class Known:
    """An encoder that knows the vectors of a few texts."""

    vectors: dict

    @property
    def dim(self):
        return len(next(iter(self.vectors.values())))

    def encode(self, texts):
        nothing = [0.0] * self.dim
        return np.array([self.vectors.get(text, nothing) for text in texts], np.float32)

    def arrays(self):
        return {}


def turned(*degrees):
    """Texts "0", "30" ... as directions in a plane."""
    at = np.radians(degrees)
    pairs = zip(np.cos(at), np.sin(at), strict=True)
    return Known({str(angle): list(pair) for angle, pair in zip(degrees, pairs, strict=True)})


def pairs_of(*rows, scores=None, negatives=None):
    first, second = zip(*rows, strict=True)
    scores = None if scores is None else np.array(scores, np.float32)
    return TextPairs(first, second, scores, negatives)


def test_likeness_is_the_correlation_of_cosines_with_scores():
    encoder = turned(0, 10, 40, 90, 120)
    pairs = pairs_of(("0", "10"), ("0", "40"), ("0", "90"), ("10", "120"), scores=[5, 2, 3, 0])
    found = likeness(encoder, pairs, "by hand")
    cosines = np.cos(np.radians([10, 40, 90, 110]))
    assert found.spearman.mean == pytest.approx(stats.spearmanr(cosines, [5, 2, 3, 0]).statistic)
    assert found.pearson.mean == pytest.approx(
        stats.pearsonr(cosines, [5, 2, 3, 0]).statistic, abs=1e-6
    )
    assert found.spearman.low <= found.spearman.mean <= found.spearman.high
    assert (found.test, found.pairs, found.tally.texts) == ("by hand", 4, 8)
    assert found.space.alignment == pytest.approx(2 - 2 * np.cos(np.radians(10)), abs=1e-6)


def test_texts_without_a_vector_have_the_cosine_0_and_are_counted():
    encoder = turned(0, 60, 120)
    rows = (("0", "60"), ("0", "  "), ("0", "what"), ("0", "120"))
    found = likeness(encoder, pairs_of(*rows, scores=[3, 2, 2, 1]))
    assert found.spearman.mean == pytest.approx(1)
    assert (found.tally.texts, found.tally.empty, found.tally.unknown) == (8, 1, 1)
    assert found.tally.told() == "1 empty, 1 unknown"


def test_equal_cosines_have_no_correlation_and_the_worst_judgement():
    encoder = turned(0, 60)
    pairs = pairs_of(("0", "60"), ("60", "0"), scores=[1, 2])
    assert math.isnan(likeness(encoder, pairs).spearman.mean)
    assert judged(encoder, pairs) == 0


def test_retrieval_by_hand():
    encoder = turned(0, 1, 10, 21, 90, 165)
    found = retrieval(encoder, pairs_of(("0", "10"), ("1", "21"), ("90", "165")), machine=ONE)
    # "0": 10 is first; "1": 21 is behind 10; "90": 165 is behind 21, before 10
    assert found.recall_at_1.mean == pytest.approx(1 / 3)
    assert found.recall_at_10.mean == 1
    assert found.mrr_at_10.mean == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert (found.pairs, found.queries, found.candidates) == (3, 3, 3)
    assert found.tally.texts == 6


def test_negatives_are_candidates():
    encoder = turned(0, 10, 20)
    plain = retrieval(encoder, pairs_of(("0", "20")), machine=ONE)
    hard = retrieval(encoder, pairs_of(("0", "20"), negatives=["10"]), machine=ONE)
    assert (plain.mrr_at_10.mean, hard.mrr_at_10.mean) == (1, 0.5)
    assert (plain.candidates, hard.candidates) == (1, 2)


def test_equal_texts_are_one_query_and_one_candidate():
    encoder = turned(0, 10, 20, 30)
    rows = (("0", "10"), ("0", "20"), ("0", "10"), ("30", "20"))
    found = retrieval(encoder, pairs_of(*rows), machine=ONE)
    assert (found.pairs, found.queries, found.candidates) == (4, 2, 2)
    assert found.recall_at_1.mean == pytest.approx((1 / 2 + 1) / 2)  # two belong to "0", one fits
    assert found.mrr_at_10.mean == 1


def test_what_is_level_counts_as_in_any_order():
    same = Known({"a": [1, 0], "b": [1, 0], "c": [1, 0], "d": [1, 0]})
    found = retrieval(same, pairs_of(("a", "b"), ("a", "c"), ("d", "d")), machine=ONE)
    assert found.recall_at_1.mean == pytest.approx(1 / 3)
    nothing = retrieval(Known({"x": [1, 0]}), pairs_of(("a", "b"), ("c", "d")), machine=ONE)
    assert nothing.recall_at_1.mean == pytest.approx(1 / 2)
    assert nothing.tally.unknown == 4


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(1, 30), st.integers(0, 1000))
def test_retrieval_is_the_same_by_sorting_all_scores(n_texts, n_pairs, seed):
    random = np.random.default_rng(seed)
    encoder = Known({str(at): random.normal(size=3).tolist() for at in range(n_texts)})
    rows = random.integers(0, n_texts, (n_pairs, 2))
    found = retrieval(encoder, pairs_of(*[(str(a), str(b)) for a, b in rows]), machine=ONE)
    candidates = sorted({*rows[:, 1].tolist()})
    recalls, ranks = [], []
    for query in {*rows[:, 0].tolist()}:
        own = {b for a, b in rows.tolist() if a == query}
        vector = np.array(encoder.vectors[str(query)])
        cosine = {
            each: -vector
            @ np.array(encoder.vectors[str(each)])
            / np.linalg.norm(encoder.vectors[str(each)])
            for each in candidates
        }
        order = sorted(candidates, key=cosine.get)[:10]
        recalls.append(len(own & {*order}) / len(own))
        ranks.append(max((1 / (1 + order.index(one)) for one in own if one in order), default=0))
    assert found.recall_at_10.mean == pytest.approx(np.mean(recalls))
    assert found.mrr_at_10.mean == pytest.approx(np.mean(ranks))
    assert judged(encoder, pairs_of(*[(str(a), str(b)) for a, b in rows])) == pytest.approx(
        np.mean(ranks)
    )


def test_a_judge_prefers_the_better_encoder():
    scored = pairs_of(("0", "10"), ("0", "40"), ("0", "90"), scores=[3, 2, 1])
    assert judged(turned(0, 10, 40, 90), scored) == pytest.approx(1)
    other = {"0": [1, 0], "10": [0, 1], "40": [1, 1], "90": [1, 0]}
    assert judged(Known(other), scored) == pytest.approx(-1)


def test_texts_that_are_all_the_same_are_aligned_and_not_below():
    texts = {str(at): np.array([0.6, 0.8], np.float32) * 1.0000001 for at in range(4)}
    space = likeness(Known(texts), pairs_of(("0", "1"), ("2", "3"), scores=[1, 2])).space
    assert f"{space.alignment:.4f}" == "0.0000"


def test_uniformity_is_the_plain_formula(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = [
        ((one - other) ** 2).sum()
        for i, one in enumerate(vectors.astype(np.float64))
        for j, other in enumerate(vectors.astype(np.float64))
        if i != j
    ]
    wanted = math.log(np.exp(-2 * np.array(distances)).mean())
    assert uniformity(vectors) == pytest.approx(wanted, abs=1e-5)
    monkeypatch.setattr(evaluation, "MEMORY", 8 * 40 * 7)
    assert uniformity(vectors) == pytest.approx(wanted, abs=1e-5)
    assert uniformity(np.ones((9, 1), np.float32)) == pytest.approx(0, abs=1e-6)


def test_spread_texts_have_less_uniformity_than_crowded_ones():
    rows = [("0", "1"), ("2", "3")]
    crowded = likeness(turned(0, 1, 2, 3), pairs_of(*rows, scores=[1, 2])).space
    spread = turned(0, 90, 180, 270)
    spread = Known(dict(zip("0123", spread.vectors.values(), strict=True)))
    wide = likeness(spread, pairs_of(*rows, scores=[1, 2])).space
    assert wide.uniformity < crowded.uniformity
    assert wide.alignment > crowded.alignment  # of the second pair alone, whose score is high


def test_pairs_without_scores_have_no_likeness():
    with pytest.raises(DataError, match="have no scores"):
        likeness(turned(0, 1), pairs_of(("0", "1")))


def planted(noise, seed=0, n=60):
    """Texts of three topics, and an encoder that places them so far from their topic."""
    random = np.random.default_rng(seed)
    labels = [("sea", "bread", "music")[at % 3] for at in range(n)]
    centres = {"sea": [4, 0, 0], "bread": [0, 4, 0], "music": [0, 0, 4]}
    vectors = {
        f"text {at}": (np.array(centres[label]) + noise * random.normal(size=3)).tolist()
        for at, label in enumerate(labels)
    }
    return Known(vectors), Labelled([*vectors], labels)


def test_planted_labels_are_found_and_lost_in_noise():
    found = grouping(*planted(0.3), "topics", machine=ONE)
    assert found.v_measure == pytest.approx(1)
    assert found.accuracy.mean == 1
    assert found.silhouette > 0.8
    assert (found.texts, found.labels, found.rare) == (60, 3, 0)
    assert found.most_frequent == pytest.approx(1 / 3)
    lost = grouping(*planted(100), "topics", machine=ONE)
    assert lost.v_measure < 0.2
    assert lost.accuracy.mean < 0.6
    assert lost.silhouette < 0.1


def test_the_length_of_vectors_does_not_matter():
    encoder, labelled = planted(3)
    longer = Known({text: (1000 * np.array(at)).tolist() for text, at in encoder.vectors.items()})
    one, other = (grouping(each, labelled, machine=ONE) for each in (encoder, longer))
    assert one.accuracy == other.accuracy
    assert one.silhouette == pytest.approx(other.silhouette, abs=1e-5)


def test_rare_labels_are_left_out_and_counted():
    encoder, labelled = planted(0.3)
    more = Labelled([*labelled.texts, "rare", "rarer"], [*labelled.labels, "x", "y"])
    found = grouping(encoder, more, machine=ONE)
    assert (found.texts, found.labels, found.rare, found.tally.texts) == (60, 3, 2, 60)
    with pytest.raises(DataError, match="1 of 2 labels with at least 5 texts: two are needed"):
        grouping(encoder, Labelled(["a"] * 9, ["x"] * 6 + ["y"] * 3), machine=ONE)


def test_texts_that_are_all_the_same_are_grouped_without_a_warning():
    same = Known({"a": [1.0, 0.0]})
    found = grouping(same, Labelled(["a"] * 20, ["x", "y"] * 10), machine=ONE)
    assert found.v_measure == 0
    assert found.accuracy.mean <= 0.5
