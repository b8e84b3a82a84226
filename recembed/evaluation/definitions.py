"""What every figure of a report means, in words."""

from recembed.evaluation.cases import Cases
from recembed.metrics.intervals import BINS, LEVEL, REPEATS

DEFINITIONS = {
    "ranking": "all items of the catalogue are ranked, none are sampled",
    "ties": "items with equal scores share their places: a metric is its mean over all orders",
    "recall@k": "targets among the first k / targets of the case (not min(targets, k))",
    "ndcg@k": "sum of 1 / log2(place + 1) over targets among the first k / the same sum of the "
    "best list, which has min(targets, k) targets at its head",
    "mrr@k": "1 / place of the first target among the first k, 0 if there is none",
    "hit_rate@k": "1 if a target is among the first k, else 0",
    "precision@k": "targets among the first k / k, for shorter lists too",
    "map@k": "mean, over min(targets, k), of the precision at the place of each target among the "
    "first k",
    "novelty@k": "mean of -log2(training events of the item / all training events) over the list; "
    "an item without events counts as one event",
    "popularity@k": "mean number of training events of the items listed",
    "popularity_lift@k": "that mean / the mean over the items of the history, minus 1: above 0, "
    "the lists are more popular than what the user chose",
    "distance_by_vector@k": "mean of 1 - cosine over the pairs of a list, by the same item vectors "
    "for all models",
    "distance_by_category@k": "mean of 1 - (shared / all categories) over the pairs of a list",
    "coverage@k": "items in the first k of at least one case / items of the catalogue",
    "gini@k": "how unevenly the places go to the items of the catalogue: 0 all alike, 1 all to one",
    "tied_share": "share of cases in which another eligible item has the score of the last listed",
    "cases_per_second": "cases / seconds spent in the ranker on this machine",
    "mean": "over cases; a target that nobody trained on, or that may not be listed, is a miss; "
    "with several seeds, over those too",
    "slices": "a slice of targets counts only these as relevant, at the places they have among all "
    "items; head, middle and tail are the most popular items, the next and the last, each with a "
    "third of the training events",
    "interval": f"{LEVEL:.0%} percentile bootstrap, {REPEATS} resamples of users with all their "
    f"cases (of {BINS:,} random groups of users, where there are more), sum of values / number of "
    "cases in each; it does not cover the spread of seeds",
    "comparison": "one model minus another, case by case, by the same bootstrap",
    "p": "two-sided permutation test: the signs of users' differences are flipped at random; "
    "corrected for all pairs compared (Holm); models with the same value in every case are one",
}


def definitions(cases: Cases, repeats: bool) -> dict[str, str]:
    """The definitions, and what may not be listed here."""
    return {**DEFINITIONS, "exclusion": _exclusion(cases, repeats)}


def _exclusion(cases: Cases, repeats: bool) -> str:
    if not repeats:
        return "no item of the history may be listed"
    if cases.rule.kind == "groups":
        return "no item of the rest of the basket may be listed; items of earlier baskets may"
    return "none: items of the history may be listed again"
