import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.search.mips import augment, augment_queries


def test_the_last_column_fills_up_to_the_longest():
    vectors = np.array([[3, 4], [0, 0], [0, 3]], np.float32)
    assert augment(vectors).tolist() == [[3, 4, 0], [0, 0, 5], [0, 3, 4]]
    assert augment(vectors).dtype == np.float32
    assert augment_queries(np.array([[1, 2]], np.float32)).tolist() == [[1, 2, 0]]
    assert augment(np.zeros((0, 2), np.float32)).shape == (0, 3)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_the_smallest_angle_is_the_highest_dot_product(seed):
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=(30, 4)) * rng.exponential(size=(30, 1))).astype(np.float32)
    query = rng.normal(size=(1, 4)).astype(np.float32)
    long, ask = augment(vectors).astype(float), augment_queries(query)[0].astype(float)
    norms = np.linalg.norm(long, axis=1)
    assert np.allclose(norms, np.linalg.norm(vectors, axis=1).max(), rtol=1e-5)
    angles = np.arccos(long @ ask / norms / np.linalg.norm(ask))
    dots = vectors.astype(float) @ query[0]
    assert dots[np.argmin(angles)] >= dots.max() - 1e-5
