"""Retrieval and serving: latency in process and over HTTP, reloads, memory, batches, opening.

Bars: inprocess_p99_ms <= 5, open_seconds <= 1; http_p99_ms <= 20, http_rps >= 400,
reload_failed_requests <= 0, soak_growth_mib <= 20; batch_vs_implicit >= 2; annoy_recall10 >= .95,
faiss_hnsw_recall10 >= .95. Each part says what it does. --quick serves and reloads for seconds and
holds no bar of HTTP.
"""

from benchmarks import serving_batch, serving_http, serving_process, serving_search
from benchmarks.harness import Bar


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The parts that a busy neighbour would spoil first."""
    parts = [
        part.measure(quick, repeat)
        for part in (serving_process, serving_search, serving_batch, serving_http)
    ]
    figures = {name: value for part, _ in parts for name, value in part.items()}
    return figures, [bar for _, bars in parts for bar in bars]
