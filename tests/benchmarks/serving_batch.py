"""The best 100 items for all users at once, beside implicit with the same factors.

Bar: batch_vs_implicit >= 2: users a second over those of implicit's recommend, the smaller ratio of
MovieLens-1M and Amazon Beauty; both with ALS factors of 64 numbers in float32, seen items left out,
two threads, by turns.
"""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import Bar, alternate, at_least, say
from benchmarks.skipgram_corpora import shared
from recembed.data.embeddings import Embeddings
from recembed.data.read import read_log
from recembed.protocols import Machine
from recembed.search.exact import ExactIndex

DIM, K, THREADS = 64, 100, 2
DATA = {"ml1m": "ml-1m", "beauty": "amazon-beauty"}


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Users a second of both, on both."""
    figures, ratios = {}, []
    for name, data in DATA.items():
        say(f"serving: batches of {name} beside implicit ...")
        n_users, work = sides(data)
        taken = alternate(work, 3 if quick else 9 if repeat else 5)
        for who, seconds in taken.items():
            figures[f"batch_{name}_{who}_users_s"] = n_users / seconds
        ratios.append(taken["implicit"] / taken["recembed"])
        figures[f"batch_{name}_ratio"] = ratios[-1]
    return figures, [at_least("batch_vs_implicit", min(ratios), 2)]


def sides(data: str) -> tuple[int, dict[str, Callable[[], object]]]:
    """The two that answer, and how many users they answer to; their lists are the same."""
    from implicit.als import AlternatingLeastSquares

    log = read_log(shared(data)).interactions
    seen = log.matrix()
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=DIM, iterations=5, num_threads=THREADS, random_state=0, use_gpu=False
        )
        model.fit(seen, show_progress=False)
    known = log.counts() > 0
    index = ExactIndex(Embeddings(log.items, model.item_factors, known), Machine(THREADS))
    users, everybody = model.user_factors, np.arange(log.n_users)

    def ours() -> np.ndarray:
        return index.search(users, K, exclude=log.events).rows

    def theirs() -> np.ndarray:
        with threadpool_limits(1, "blas"):  # as it asks for: its own threads fill the cores
            return model.recommend(everybody, seen, N=K, filter_already_liked_items=True)[0]

    alike = np.mean(ours() == theirs())
    if alike < 0.98:  # equal scores may stand in another order
        raise AssertionError(f"the lists differ: {alike:.3f} of their places are the same")
    return log.n_users, {"recembed": ours, "implicit": theirs}
