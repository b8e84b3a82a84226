"""Settings of the baselines, and what they are compared with."""

from typing import Any

# Chosen on the valid part, test never looked at.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "popularity": {"ml100k": {}, "ml1m": {}, "beauty": {}},
    "item-knn": {
        "ml100k": {"similarity": "tfidf", "neighbours": 1600, "recency.decay": 0.7},
        "ml1m": {"similarity": "tfidf", "neighbours": 1600, "recency.decay": 0.6},
        "beauty": {"similarity": "bm25", "neighbours": 1600, "b": 0.2, "recency.decay": 0.6},
    },
    "ease": {
        "ml100k": {"regularization": 400.0, "recency.decay": 0.9},
        "ml1m": {"regularization": 500.0, "recency.decay": 0.8},
        "beauty": {"regularization": 50.0, "recency.decay": 0.7},
    },
    "als": {
        "ml100k": {"dim": 256, "regularization": 30.0, "recency.decay": 0.8},
        "ml1m": {
            "dim": 256,
            "regularization": 30.0,
            "alpha": 5.0,
            "iterations": 10,
            "recency.decay": 0.7,
        },
        "beauty": {"dim": 256, "alpha": 30.0, "recency.decay": 0.4},
    },
    "ials": {
        "ml100k": {
            "dim": 512,
            "alpha0": 0.3,
            "regularization": 0.01,
            "iterations": 8,
            "recency.decay": 0.9,
        },
        "ml1m": {"dim": 256, "alpha0": 0.3, "iterations": 8, "recency.decay": 0.8},
        "beauty": {
            "dim": 256,
            "alpha0": 0.03,
            "regularization": 0.001,
            "iterations": 10,
            "recency.decay": 0.4,
        },
    },
    "bpr": {
        "ml100k": {
            "learning_rate": 0.01,
            "regularization": 0.03,
            "iterations": 200,
            "strength": 1.0,
            "recency.decay": 0.7,
        },
        "ml1m": {"learning_rate": 0.01, "recency.decay": 0.7},
        "beauty": {
            "dim": 128,
            "learning_rate": 0.05,
            "iterations": 200,
            "strength": 4.0,
            "recency.decay": 0.5,
        },
    },
}
# nDCG@10 of the test that such baselines reach elsewhere: by implicit, irspack and a closed form,
# tuned on valid too, every event weighing the same and, of BPR, with users as they were trained.
ELSEWHERE = {
    ("popularity", "ml100k"): 0.0439,
    ("popularity", "ml1m"): 0.0178,
    ("popularity", "beauty"): 0.0059,
    ("item-knn", "ml100k"): 0.0587,
    ("item-knn", "ml1m"): 0.0416,
    ("item-knn", "beauty"): 0.0428,
    ("ease", "ml100k"): 0.0723,
    ("ease", "ml1m"): 0.0544,
    ("ease", "beauty"): 0.0445,
    ("als", "ml100k"): 0.0649,
    ("als", "ml1m"): 0.0493,
    ("als", "beauty"): 0.0393,
    ("ials", "ml100k"): 0.0758,
    ("ials", "beauty"): 0.0393,
    ("bpr", "ml100k"): 0.0651,
    ("bpr", "beauty"): 0.0238,
}
