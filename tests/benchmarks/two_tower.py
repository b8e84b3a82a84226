"""Two-tower models: what they are worth on Amazon Beauty, how fast they train, what size costs.

Bars: beauty_hr10 >= .0921, beauty_ndcg10 >= .0531, beauty_minus_best_baseline_low > 0,
cold_minus_text_low > 0 (recomputed from the evidence in two_tower/, nothing is trained);
vs_rectools_beauty_full >= 10, vs_rectools_beauty_sampled >= 5, vs_padded_torch_ml1m >= 3;
ml1m_epoch_seconds <= 25, peak_gib <= 3. Each part says what it does. --quick trains on a few users
and leaves out the bars of speed and size.
"""

from benchmarks import two_tower_cold, two_tower_quality, two_tower_scale, two_tower_speed
from benchmarks.harness import Bar


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Evidence first: it ends at once where some is lacking."""
    parts = [
        part.measure(quick, repeat)
        for part in (two_tower_quality, two_tower_cold, two_tower_speed, two_tower_scale)
    ]
    figures = {name: value for part, _ in parts for name, value in part.items()}
    return figures, [bar for _, bars in parts for bar in bars]
