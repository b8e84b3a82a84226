"""One seed enters a run; every part draws from its own named stream of it."""

import hashlib

import numpy as np


def rng(seed: int, *names: str | int) -> np.random.Generator:
    """A generator that depends on the seed and the names only, never on what ran before."""
    digest = hashlib.sha256("\0".join(str(name) for name in names).encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4")
    return np.random.default_rng([seed, *(int(word) for word in words)])
