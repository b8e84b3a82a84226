"""Named streams of one seed."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recembed.seed import rng

names = st.lists(st.text(max_size=4) | st.integers(-3, 3), max_size=3)


def draw(seed, *parts):
    return rng(seed, *parts).integers(0, 2**62, 4).tolist()


@given(st.integers(0, 2**63), names)
def test_a_stream_depends_on_its_seed_and_names_alone(seed, parts):
    first = draw(seed, *parts)
    draw(seed + 1, *parts)
    np.random.default_rng(0).random(3)
    assert draw(seed, *parts) == first


def test_streams_of_other_seeds_and_names_differ():
    streams = [
        draw(0, "a"),
        draw(1, "a"),
        draw(2**32, "a"),
        draw(0, "b"),
        draw(0),
        draw(0, "a", 0),
        draw(0, "a", 1),
        draw(0, "a", "b"),
        draw(0, "ab"),
        draw(0, "b", "a"),
    ]
    assert len({tuple(stream) for stream in streams}) == len(streams)


def test_streams_are_not_correlated():
    one, two = (rng(5, "negatives", epoch).random(20_000) for epoch in (0, 1))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03


def test_another_process_draws_the_same_whatever_its_hash_seed():
    code = "from recembed.seed import rng; print(rng(7, 'a', 3).integers(0, 2**62, 4).tolist())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "123"},
    )  # fmt: skip
    assert done.stdout.strip() == str(draw(7, "a", 3))
