"""Encoders of texts: what they are worth on STS-B and for cold items, and how fast a bag is.

Bars: sts_tfidf_char >= 71, sts_bag >= 72, sts_trained >= 75, sts_trained_minus_bag_low > 0,
sts_minilm within .3 of 82; cold_item2vec_minus_text_low, cold_als_minus_text_low and
cold_tower_minus_text_low > 0; bag_texts_per_second >= 100,000, mlm_matrix_share >= 0.3. Each part
says what it does.
"""

from benchmarks import text_cold, text_speed, text_sts
from benchmarks.harness import Bar


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Evidence first: it ends at once where some is lacking."""
    parts = [part.measure(quick, repeat) for part in (text_sts, text_cold, text_speed)]
    figures = {name: value for part, _ in parts for name, value in part.items()}
    return figures, [bar for _, bars in parts for bar in bars]
