"""The skip-gram engine: speed beside gensim, what size costs, what the vectors are worth.

The three parts run alone, too, with their bars in their docstrings: skipgram-quality (from the
evidence in skipgram/, nothing is trained), skipgram-speed, skipgram-scale. --quick trains on the
heads of the corpora and leaves out what takes long, and so the bars of both.
"""

from benchmarks import skipgram_quality, skipgram_scale, skipgram_speed
from benchmarks.harness import Bar


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Quality first: it ends at once where evidence is lacking."""
    parts = [part.run(quick, repeat) for part in (skipgram_quality, skipgram_speed, skipgram_scale)]
    figures = {name: value for part, _ in parts for name, value in part.items()}
    return figures, [bar for _, bars in parts for bar in bars]
