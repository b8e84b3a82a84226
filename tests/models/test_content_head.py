"""The content head: a ridge regression whose ridge is chosen by what is left out."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from recembed.arrays import unit
from recembed.models import content_head
from recembed.models.content_head import NEAR, RIDGES, SHARPNESS, ContentHead, nearest


def planted(n, d, dim, noise, seed=0):
    random = np.random.default_rng(seed)
    texts = random.normal(size=(n, d)) * np.linspace(2, 0.2, d) + 1
    truth = random.normal(size=(d, dim))
    vectors = texts @ truth + noise * random.normal(size=(n, dim)) + 3
    return texts.astype(np.float32), vectors.astype(np.float32)


def of_sklearn(ridge, texts, vectors):
    """What RIDGES are shares of is the mean eigenvalue of the texts' scatter."""
    scatter = np.square(texts - texts.mean(axis=0)).sum() / texts.shape[1]
    return Ridge(alpha=ridge * scatter, solver="svd").fit(texts, vectors)


@pytest.mark.parametrize(("n", "noise"), [(40, 0.1), (40, 5.0), (12, 1.0)])
def test_the_ridge_is_the_one_by_which_rows_are_best_told_from_the_others(n, noise):
    texts, vectors = (each.astype(np.float64) for each in planted(n, 15, 3, noise))
    losses = []
    for ridge in RIDGES:
        loss = 0.0
        alpha = ridge * np.square(texts - texts.mean(axis=0)).sum() / 15
        for out in range(n):
            others = np.arange(n) != out
            fitted = Ridge(alpha=alpha, solver="svd").fit(texts[others], vectors[others])
            loss += np.square(fitted.predict(texts[out : out + 1]) - vectors[out]).sum()
        losses.append(loss)
    head = ContentHead.of(texts.astype(np.float32), vectors.astype(np.float32))
    assert head.ridge == RIDGES[int(np.argmin(losses))]
    means = (vectors.sum(axis=0) - vectors) / (n - 1)  # of the others
    explained = 1 - min(losses) / np.square(vectors - means).sum()
    np.testing.assert_allclose(head.explained, max(0, explained), atol=1e-3)


def test_it_is_the_ridge_regression_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(content_head, "MEMORY", 1 << 10)  # many blocks
    texts, vectors = planted(300, 15, 4, 2.0)
    head = ContentHead.of(texts, vectors)
    expected = of_sklearn(head.ridge, texts, vectors).predict(texts[:20])
    np.testing.assert_allclose(head.told(texts[:20]), expected, rtol=1e-4, atol=1e-4)


def test_noise_alone_is_told_by_its_mean():
    random = np.random.default_rng(1)
    texts = random.normal(size=(60, 40)).astype(np.float32)
    head = ContentHead.of(texts, random.normal(2, 1, size=(60, 5)).astype(np.float32))
    assert head.ridge >= 10
    assert head.explained < 0.03
    assert not head.tells
    np.testing.assert_allclose(head.told(texts).mean(axis=0), head.offset, atol=0.1)


def test_what_is_stored_answers_the_same():
    texts, vectors = planted(30, 6, 3, 0.5)
    head = ContentHead.of(texts, vectors)
    again = ContentHead.restore(head.arrays())
    assert np.array_equal(again.told(texts), head.told(texts))
    assert (again.ridge, again.length, again.dim) == (head.ridge, head.length, 3)
    assert again.explained == head.explained


def test_texts_that_are_all_alike_tell_the_mean():
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    head = ContentHead.of(np.ones((4, 2), np.float32), vectors)
    np.testing.assert_allclose(head.told(np.ones((1, 2), np.float32)), [[4.5, 5.5, 6.5]])


def test_near_texts_weigh_as_the_exponential_of_their_cosine():
    random = np.random.default_rng(3)
    of, texts = (random.normal(size=(n, 5)).astype(np.float32) for n in (100, 4))
    cosines = unit(texts).astype(np.float64) @ unit(of).T.astype(np.float64)
    found = nearest(texts, of).toarray()
    for row, each in zip(found, cosines, strict=True):
        best = np.argsort(-each)[:NEAR]
        expected = np.zeros(100)
        expected[best] = np.exp(SHARPNESS * each[best])
        np.testing.assert_allclose(row, expected / expected.sum(), atol=1e-6)
    few = nearest(texts, of[:3]).toarray()
    np.testing.assert_allclose(few.sum(axis=1), 1, rtol=1e-6)
    assert (few > 0).all()


def test_what_no_line_tells_is_told_by_items_that_read_alike():
    """A ridge cannot tell where the halves of a circle lie that take turns; neighbours can."""
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    texts = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    side = np.sign(np.sin(4 * angle))
    vectors = np.column_stack([side, 1 - abs(side)]).astype(np.float32)
    vectors[side == 0, 0] = 1
    head = ContentHead.of(texts[::2], vectors[::2])
    asked, answers = texts[1::2], vectors[1::2]
    found = head.placed(asked, nearest(asked, texts[::2]), texts[::2], vectors[::2])
    right = np.sign(found[:, 0]) == answers[:, 0]
    assert right.mean() > 0.9
    assert abs((np.sign(head.told(asked)[:, 0]) == answers[:, 0]).mean() - 0.5) < 0.1
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), head.length, rtol=1e-5)


def test_what_is_placed_is_as_long_as_the_shorter_trained_vectors():
    texts, vectors = planted(200, 6, 3, 0.5)
    lengths = np.sort(np.linalg.norm(vectors, axis=1))
    head = ContentHead.of(texts, vectors)
    assert lengths[45] < head.length < lengths[55]
