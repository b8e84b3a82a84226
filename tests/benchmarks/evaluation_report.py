"""How large the page is that a real evaluation writes: six models on MovieLens-1M."""

from benchmarks.harness import ROOT, Bar, at_most, seconds
from benchmarks.skipgram_corpora import shared
from recembed.pipeline.evaluate import evaluate
from recembed.pipeline.train import train

FOLDER = ROOT / ".bench" / "report"
MODELS = {
    "popularity": {},
    "item-knn": {},
    "ease": {},
    "als": {"dim": 64},
    "bpr": {"dim": 64},
    "item2vec": {"epochs": 5},
}
MIB = 2**20


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """report_mb <= 3, in units of 2^20 bytes."""
    models = dict(list(MODELS.items())[:2]) if quick else MODELS
    for name, values in models.items():
        train(shared("ml-1m"), FOLDER / name, model=name, set=values, test="last:1", quiet=True)
    out = FOLDER / "report"
    took = seconds(
        lambda: evaluate(
            [FOLDER / name for name in models], slice=["item:categories"], out=out, quiet=True
        )
    )
    size = (out / "report.html").stat().st_size / MIB
    return {"report_seconds": took, "report_models": len(models)}, [at_most("report_mb", size, 3)]
