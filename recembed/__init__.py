"""recembed: embeddings for recommendations, from a log of interactions to served lists.

The verbs of the command line are functions here, with the same names and defaults. Everything is
imported when it is first used, so that `import recembed` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "train": "recembed.pipeline.train",
    "tune": "recembed.pipeline.tune",
    "index": "recembed.pipeline.index",
    "evaluate": "recembed.pipeline.evaluate",
    "backtest": "recembed.pipeline.backtest",
    "compare": "recembed.pipeline.compare",
    "recommend": "recembed.pipeline.recommend",
    "similar": "recembed.pipeline.recommend",
    "update": "recembed.pipeline.update",
    "attach": "recembed.pipeline.attach",
    "forget": "recembed.pipeline.forget",
    "export": "recembed.pipeline.export",
    "serve": "recembed.pipeline.serve",
    "train_text": "recembed.pipeline.text",
    "encode_texts": "recembed.pipeline.text",
    "evaluate_text": "recembed.pipeline.text",
    "train_words": "recembed.pipeline.words",
    "evaluate_words": "recembed.pipeline.words",
    "nearest_words": "recembed.pipeline.words",
    "export_words": "recembed.pipeline.words",
    "doctor": "recembed.pipeline.doctor",
    "demo": "recembed.pipeline.demo",
    "read_log": "recembed.data.read",
    "Recommender": "recembed.recommender",
    "encoder_of": "recembed.text.stored",
}
__all__ = ["__version__", "datasets", *_PLACES]


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return import_module("recembed.pipeline.datasets")
    if name not in _PLACES:
        raise AttributeError(f"module 'recembed' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
