"""Items on a plane: what is alike stands together."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.report import maps
from recembed.report.maps import item_map


def mapped(vectors, *, known=None, events=None, seed=0):
    n = len(vectors)
    embeddings = Embeddings(
        Vocabulary([f"i{row}" for row in range(n)]),
        np.asarray(vectors, np.float32),
        np.ones(n, bool) if known is None else known,
    )
    titles = [f"title {row}" for row in range(n)]
    categories = [f"category {row % 3}" for row in range(n)]
    counts = np.arange(n, 0, -1) if events is None else np.asarray(events)
    return item_map("als", embeddings, titles, categories, counts, seed)


def clusters(n, dim, seed=0):
    drawn = np.random.default_rng(seed)
    centres = drawn.normal(0, 3, (3, dim))
    return centres[np.arange(n) % 3] + drawn.normal(0, 0.3, (n, dim))


def test_the_known_items_with_most_events_are_on_it():
    known = np.array([True, True, False, True])
    made = mapped(np.eye(4), known=known, events=[1, 7, 9, 7])
    assert made.titles == ("title 1", "title 3", "title 0")
    assert made.events == (7, 7, 1)
    assert made.categories == ("category 1", "category 0", "category 0")


def test_no_more_items_than_a_plane_holds(monkeypatch):
    monkeypatch.setattr(maps, "ITEMS", 4)
    assert len(mapped(clusters(9, 3)).pca) == 4


def test_the_first_plane_is_scikit_learns_pca():
    vectors = clusters(40, 6)
    ours = np.array(mapped(vectors).pca)
    theirs = PCA(2).fit_transform(vectors)
    theirs /= np.abs(theirs).max()
    for axis in range(2):
        sign = np.sign(ours[:, axis] @ theirs[:, axis])
        np.testing.assert_allclose(ours[:, axis], sign * theirs[:, axis], atol=2e-4)


def test_planted_clusters_stand_apart_on_both_planes():
    made = mapped(clusters(60, 70))
    for plane in (made.pca, made.tsne):
        places = np.array(plane)
        assert np.abs(places).max() == 1
        distances = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        assert (distances.argmin(axis=1) % 3 == np.arange(60) % 3).all()


def test_the_same_seed_gives_the_same_map():
    vectors = clusters(30, 8)
    assert mapped(vectors, seed=3) == mapped(vectors, seed=3)


@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 7])
@pytest.mark.parametrize("dim", [1, 2, 8])
def test_a_few_items_have_a_place_each(n, dim):
    made = mapped(clusters(n, dim))
    assert np.array(made.pca).shape == np.array(made.tsne).shape == ((n, 2) if n else (0,))
    assert np.isfinite(np.array(made.tsne)).all()


def test_items_that_are_all_alike_stand_on_one_spot():
    made = mapped(np.ones((12, 5)))
    assert set(made.pca) == set(made.tsne) == {(0.0, 0.0)}


def test_items_that_are_often_the_same_have_finite_places():
    vectors = np.ones((40, 5))
    vectors[7] = -1
    assert np.isfinite(np.array(mapped(vectors).tsne)).all()
