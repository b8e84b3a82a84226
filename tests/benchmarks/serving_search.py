"""Approximate indices beside exact search on 100,000 items x 64, asked with the run's users.

Bars: annoy_recall10 >= .95, faiss_hnsw_recall10 >= .95. Also printed: their queries a second over
exact search's in the same audit, what they weigh and how long they take to build.
"""

from benchmarks.harness import Bar, at_least, say
from benchmarks.serving_process import DIM, ITEMS, USERS
from benchmarks.serving_runs import made
from recembed.pipeline.index import index

KINDS = {"annoy": "annoy", "faiss_hnsw": "hnsw", "faiss_ivf": "ivf"}


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """One index after another; the run is left without one."""
    run = made(10_000 if quick else ITEMS, DIM, USERS)
    figures, bars = {}, []
    for name, kind in KINDS.items():
        say(f"serving: {name.replace('_', ' ')} ...")
        audit = index(run, kind=kind, target_recall=0.95, quiet=True)
        assert audit is not None
        figures[f"{name}_queries_s"] = audit.queries_per_second
        figures[f"{name}_over_exact"] = audit.queries_per_second / audit.exact_queries_per_second
        figures[f"{name}_build_seconds"] = audit.build_seconds
        figures[f"{name}_mib"] = audit.bytes / 2**20
        if name == "faiss_ivf":
            figures["faiss_ivf_recall10"] = audit.recall
        else:
            bars.append(at_least(f"{name}_recall10", audit.recall, 0.95))
    index(run, kind="exact", quiet=True)
    return figures, bars
