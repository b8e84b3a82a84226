"""recembed: embeddings for recommendations, from a log of interactions to served lists."""

__version__ = "0.1.0"
