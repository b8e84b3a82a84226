"""Stand-alone, run by the peers' python: RecTools' metrics of lists in a file, when asked.

    python evaluation_metrics_peer.py FILE

FILE is an .npz: user, item, rank of the recommendations; test_user, test_item; train_user,
train_item; n_items; ks. For every line on standard input all metrics are computed once; the answer
is one JSON line, {"seconds", "values"}. The frames are made before, so that is not measured.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from rectools.metrics import (
    MAP,
    MRR,
    NDCG,
    AvgRecPopularity,
    CatalogCoverage,
    HitRate,
    MeanInvUserFreq,
    Precision,
    Recall,
    calc_metrics,
)


def metrics(ks: list[int]) -> dict[str, object]:
    """By our names, set to our definitions where RecTools has a choice."""
    return {
        f"{name}@{k}": metric(k=k, **more)
        for k in ks
        for name, metric, more in (
            ("recall", Recall, {}),
            ("ndcg", NDCG, {"divide_by_achievable": True}),
            ("mrr", MRR, {}),
            ("hit_rate", HitRate, {}),
            ("precision", Precision, {}),
            ("map", MAP, {}),
            ("coverage", CatalogCoverage, {"normalize": True}),
            ("novelty", MeanInvUserFreq, {}),
            ("popularity", AvgRecPopularity, {}),
        )
    }


if __name__ == "__main__":
    arrays = np.load(sys.argv[1])
    lists = pd.DataFrame({"user_id": arrays["user"], "item_id": arrays["item"]})
    lists["rank"] = arrays["rank"]
    test, train = (
        pd.DataFrame({"user_id": arrays[f"{part}_user"], "item_id": arrays[f"{part}_item"]})
        for part in ("test", "train")
    )
    catalogue, wanted = range(int(arrays["n_items"])), metrics(arrays["ks"].tolist())
    for _ in sys.stdin:
        begin = time.perf_counter()
        values = calc_metrics(wanted, lists, test, train, catalogue)
        seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "values": values}), flush=True)
