"""How many texts a second a bag encodes, from Python strings to vectors, on two threads.

The bag is as it comes (640 numbers), trained on the sentences of STS-B's train part; those
sentences, some 11 words each, are asked nine times over. Bar: bag_texts_per_second >= 100,000, the
median of five rounds.
"""

import statistics

from benchmarks.harness import Bar, at_least, seconds
from benchmarks.text_sts import pairs
from recembed.protocols import Machine
from recembed.text.registry import text_estimator
from recembed.text.texts import Texts

TIMES = 9


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The rate of a bag, warm."""
    sentences = pairs("train").texts()
    encoder = text_estimator("bag").fit(Texts(held=sentences), machine=Machine(threads=2))
    asked = sentences * TIMES
    encoder.encode(asked)  # kernels are loaded, words are known
    took = statistics.median(seconds(lambda: encoder.encode(asked)) for _ in range(5))
    return {}, [at_least("bag_texts_per_second", len(asked) / took, 100_000)]
