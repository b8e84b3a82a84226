"""How accurate models are on dense, sparse and unordered logs and on baskets, one preset each.

Everything is recomputed from evidence (accuracy/, which accuracy_make.py makes, and that of
evaluation, skipgram and two-tower); nothing is trained. ML-1M, Beauty, ML-100K: leave-one-out.
Amazon-CDs: as it is given, all of a user's test items are to be found. Baskets: the demo's, one
product of each hidden. time-*: the last tenth of all events, whatever a user took in it. Metrics
are means over cases and seeds, with intervals over people.

Bars: ml1m_hr10 >= .3152, ml1m_ndcg10 >= .1821, beauty_hr10 >= .0974, beauty_ndcg10 >= .0588;
cds_minus_best_baseline_low > 0, the lower end of the interval of nDCG@20 less that of the best row
that is no tower; baskets_minus_knn_low > 0, as much of recall@10 and item-kNN, over households;
presets_used >= 4, the presets that made the towers these bars are of, unchanged.
"""

from collections.abc import Iterable, Mapping

from scipy.stats import kendalltau

from benchmarks.accuracy_borrowed import borrowed
from benchmarks.accuracy_data import DATA
from benchmarks.accuracy_evidence import Outcome, read
from benchmarks.accuracy_settings import ENSEMBLE, PRESETS, TOWER, is_preset, rows
from benchmarks.harness import Bar, BenchError, at_least
from recembed.metrics.intervals import REPEATS, Interval, Resamples

TINY = 1e-12  # "above 0" as a bar that holds at its bound
BARRED = ("ml1m", "beauty", "cds", "baskets")  # whose towers bars are of
ORDERS = {"time-ml100k": "ml100k", "time-journey": "baskets"}  # the same log, cut otherwise
LEAVE_ONE_OUT = {"ml1m": (0.3152, 0.1821), "beauty": (0.0974, 0.0588)}
STEADY = 20_000  # draws of an interval whose end is a bar: of 1,000 they move it by .0003

Table = Mapping[str, Mapping[str, Outcome]]


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Every row with its interval, and the bars; nothing is trained, however quick or often."""
    found = outcomes()
    figures, bars = {}, leave_one_out(found)
    for data, table in found.items():
        figures |= of_rows(data, table.values())
    for data, other in ORDERS.items():
        figures[f"{_word(data)}_tau_with_{_word(other)}"] = agreement(found[data], found[other])
    best, ahead = minus_best(found["cds"])
    households = minus(found["baskets"], "item-knn", "recall10")
    for name, rival, gap in (
        ("cds_minus_best_baseline", best, ahead),
        ("baskets_minus_knn", "item-knn", households),
    ):
        data = name.partition("_")[0]
        figures[f"{data}_minus_{_word(rival)}"] = gap.mean
        figures[f"{data}_minus_{_word(rival)}_high"] = gap.high
        bars.append(at_least(f"{name}_low", gap.low, TINY))
    bars.append(at_least("presets_used", presets_used(found), 4))
    return figures, bars


def outcomes(*, all_: bool = True) -> dict[str, dict[str, Outcome]]:
    """Data -> label -> outcome.

    all_: rows without evidence are an error; else they are left out.

    Raises: BenchError if a row's evidence is not there, or was made with another setting.
    """
    found: dict[str, dict[str, Outcome]] = {data: {} for data in DATA}
    readers = [(row.data, row.label, lambda row=row: read(row)) for row in rows()]
    for data, label, reader in (*borrowed(), *readers):
        try:
            found[data][label] = Outcome(data, label, reader())
        except BenchError:
            if all_:
                raise
    return found


def of_rows(data: str, table: Iterable[Outcome]) -> dict[str, float]:
    """Means, intervals and seconds."""
    figures: dict[str, float] = {}
    each = list(table)
    draws = resamples(each[0])
    for row in each:
        label = f"{_word(data)}_{_word(row.label)}"
        for metric, sure in zip(row.values, draws.intervals([*row.values.values()]), strict=True):
            name = f"{label}_{metric}"
            figures |= {name: sure.mean, f"{name}_low": sure.low, f"{name}_high": sure.high}
        figures[f"{label}_seconds"] = row.seconds
    return figures


def resamples(row: Outcome, repeats: int = REPEATS) -> Resamples:
    """Of the people whose cases a data set asks; the same for all its rows."""
    return Resamples(row.made[0].clusters, seed=0, repeats=repeats)


def leave_one_out(found: Table) -> list[Bar]:
    """Of ML-1M and Beauty; with one item to be found, recall is the hit rate."""
    bars = []
    for data, (hits, gains) in LEAVE_ONE_OUT.items():
        values = found[data][TOWER].values
        bars.append(at_least(f"{data}_hr10", float(values["recall10"].mean()), hits))
        bars.append(at_least(f"{data}_ndcg10", float(values["ndcg10"].mean()), gains))
    return bars


def minus(table: Mapping[str, Outcome], rival: str, metric: str) -> Interval:
    """How far the tower is ahead on the same cases."""
    ahead = table[TOWER].values[metric] - table[rival].values[metric]
    return resamples(table[TOWER], STEADY).interval(ahead)


def minus_best(table: Mapping[str, Outcome]) -> tuple[str, Interval]:
    """The rival with the highest nDCG@20, and how far the tower is ahead of it."""
    rivals = [label for label in table if not label.startswith((TOWER, ENSEMBLE))]
    best = max(rivals, key=lambda label: float(table[label].values["ndcg20"].mean()))
    return best, minus(table, best, "ndcg20")


def agreement(table: Mapping[str, Outcome], other: Mapping[str, Outcome]) -> float:
    """Kendall's tau of the models that both have, by nDCG@10: 1 is the same order, -1 reversed."""
    both = [label for label in table if label in other]
    means = [
        [float(each[label].values["ndcg10"].mean()) for label in both] for each in (table, other)
    ]
    return float(kendalltau(*means).statistic)


def presets_used(found: Table) -> int:
    """How many presets made the towers that bars are of, by what their evidence says."""
    return sum(
        all(
            each.setting is not None and is_preset(PRESETS[data], each.setting)
            for each in found[data][TOWER].made
        )
        for data in BARRED
    )


def _word(name: str) -> str:
    return name.replace("-", "_")
