"""Evaluation: metrics and top-k beside their peers, a million users, tuned baselines, the page.

Bars: vs_rectools_metrics >= 5; vs_implicit_topk >= 2, gemm_share >= 0.5, million_by_100k_minutes
<= 6, million_peak_gib <= 1.5, bf16_metric_difference <= 0.0005; als_beauty_ndcg10 >= .039,
knn_beauty_ndcg10 >= .042, ease_beauty_ndcg10 >= .044, ials_beauty_ndcg10 >= .039 (recomputed from
the evidence in evaluation/, nothing is trained); report_mb <= 3. --quick leaves out the million
users and most models of the page.
"""

from benchmarks import (
    evaluation_baselines,
    evaluation_metrics,
    evaluation_report,
    evaluation_topk,
)
from benchmarks.harness import Bar


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Baselines first: they end at once where evidence is lacking."""
    parts = [
        part.measure(quick, repeat)
        for part in (evaluation_baselines, evaluation_metrics, evaluation_topk, evaluation_report)
    ]
    figures = {name: value for part, _ in parts for name, value in part.items()}
    return figures, [bar for _, bars in parts for bar in bars]
