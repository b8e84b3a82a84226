"""The evaluation of tiny real rankers: popularity, recency, and some that break their promise."""

import json
import math
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from recembed.data.embeddings import Embeddings
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.split import split
from recembed.errors import DataError
from recembed.evaluation.answers import Measure, Yardsticks
from recembed.evaluation.cases import cases
from recembed.evaluation.runner import evaluate
from recembed.evaluation.slices import Division
from recembed.metrics.accuracy import METRICS, recall
from recembed.metrics.intervals import Resamples
from recembed.metrics.places import NEVER
from recembed.metrics.significance import holm
from recembed.protocols import Ranker, TopK
from recembed.report.document import Report


def ranked(scores, k, exclude, allow):
    """The k best rows of each line of scores, smaller rows first among equals."""
    scores = scores.astype(np.float32)
    if allow is not None:
        barred = np.ones(scores.shape, bool)
        barred[allow.owners(), allow.values] = False
        scores[barred] = -np.inf
    if exclude is not None:
        scores[exclude.owners(), exclude.values] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    rows = np.where(np.isfinite(best), order, -1).astype(np.int32)
    tied = (scores == best[:, -1:]).sum(axis=1).astype(np.int32)
    return TopK(rows, best, tied)


@dataclass
class Popularity:
    """Every user gets the most frequent items."""

    counts: NDArray[np.int64]
    asked: list[int] = field(default_factory=list)

    @property
    def known(self):
        return self.counts > 0

    def top_k(self, histories, k, *, exclude=None, allow=None):
        self.asked.append(histories.n_users)
        scores = np.where(self.known, self.counts, -np.inf)
        return ranked(np.tile(scores, (histories.n_users, 1)), k, exclude, allow)


@dataclass
class Recency:
    """Every user gets the items of the own history, latest first, or earliest."""

    n_items: int
    newest: bool = True

    @property
    def known(self):
        return np.ones(self.n_items, bool)

    def top_k(self, histories, k, *, exclude=None, allow=None):
        scores = np.zeros((histories.n_users, self.n_items))
        places = np.arange(len(histories)) + 1  # later events overwrite earlier ones
        at = slice(None, None, 1 if self.newest else -1)
        scores[histories.events.owners()[at], histories.rows[at]] = places
        return ranked(scores, k, exclude, allow)


def log_of(rows):
    users, items, times = zip(*rows, strict=True)
    time = np.array(times, np.int64)
    events = build(pa.array(users), pa.array(items), sort_key=time, time=time, order="time")
    return Log(events)


# Rows: a 0, b 1, c 2, d 3. Trained on: a 3 times, b twice, c once; d never.
TINY = [("u", "a", 0), ("u", "b", 1), ("u", "c", 2), ("v", "a", 0), ("v", "b", 1), ("v", "a", 2)]
TINY += [("w", "a", 0), ("w", "d", 1)]


def tiny():
    found = cases(split(log_of(TINY), "last:1"))
    counts = np.array([3, 2, 0, 0])
    return found, {"popular": Popularity(counts), "recent": Recency(4)}


def habitual(n_users=60, seed=0):
    """Users who keep to three items of their own out of 30, so recency beats popularity."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        own = random.integers(0, 30, 3)
        rows += [(f"u{user}", int(item), at) for at, item in enumerate(random.choice(own, 12))]
    log = log_of(rows)
    result = split(log, "last:3")
    counts = result.train.interactions.counts()
    return cases(result), {"popular": Popularity(counts), "recent": Recency(len(counts))}


def test_a_worked_example_with_repeats():
    # Targets: u c, v a, w d. Popular lists a, b for all: only v is found, at place 1.
    # Recent: u has b, a, then c level with d; v has b, a; w has a, then b, c, d level.
    found, rankers = tiny()
    report = evaluate(rankers, found, Measure(True, (1, 2, 4)))
    means = {name: {m: i.mean for m, i in each.items()} for name, each in report.models.items()}
    third = pytest.approx(1 / 3)
    assert [means["popular"][f"recall@{k}"] for k in (1, 2, 4)] == [third] * 3
    expected = [0, (1 + 1 / 3) / 3, 1]
    assert [means["recent"][f"recall@{k}"] for k in (1, 2, 4)] == pytest.approx(expected)
    u, v, w = [3, 4], [2], [2, 3, 4]  # the places that each target may have

    def mean_of(f):
        return np.mean([np.mean([f(place) for place in each]) for each in (u, v, w)])

    assert means["recent"]["mrr@4"] == pytest.approx(mean_of(lambda place: 1 / place))
    assert means["recent"]["map@4"] == pytest.approx(means["recent"]["mrr@4"])  # one target each
    assert means["recent"]["precision@4"] == pytest.approx(1 / 4)
    assert means["recent"]["ndcg@4"] == pytest.approx(mean_of(lambda p: 1 / math.log2(p + 1)))
    (recent,), (popular,) = report.places["recent"], report.places["popular"]
    assert (recent.above.tolist(), recent.tied.tolist()) == ([2, 1, 1], [2, 1, 3])
    assert popular.above.tolist() == [NEVER, 0, NEVER]
    assert report.details["popular"]["coverage@1"] == 1 / 4
    assert report.details["recent"]["coverage@4"] == 1
    assert report.counts["targets_excluded"] == 0
    assert report.counts["targets_never_trained"] == 2
    assert (report.n_cases, report.n_clusters) == (3, 3)
    beside = ("novelty", "popularity", "popularity_lift")
    names = [f"{name}@{k}" for k in (1, 2, 4) for name in METRICS]
    assert list(report.models["popular"])[: len(names)] == names
    assert set(report.models["popular"]) == {
        *names,
        *(f"{b}@{k}" for b in beside for k in (1, 2, 4)),
    }


def test_a_target_level_with_the_last_of_a_list_is_found_though_it_is_not_listed():
    # At 2, u's list b, a ends above c and d; w's a, b ends among b, c, d, which are level.
    found, rankers = tiny()
    (recent,) = evaluate(rankers, found, Measure(True, (2,))).places["recent"]
    assert (recent.above.tolist(), recent.tied.tolist()) == ([NEVER, 1, 1], [1, 1, 3])


def test_without_repeats_the_history_is_excluded_and_barred_targets_are_told():
    found, rankers = tiny()
    report = evaluate(rankers, found, Measure(False, (2,)))
    # v has a in the history: it cannot be listed. u gets c, d; w two of b, c, d: all are level.
    (recent,) = report.places["recent"]
    assert (recent.above.tolist(), recent.tied.tolist()) == ([0, NEVER, 0], [2, 1, 3])
    assert report.counts["targets_excluded"] == 1
    assert any("1 targets may not be listed" in note for note in report.notes)
    assert report.definitions["exclusion"] == "no item of the history may be listed"


def test_ties_at_the_end_of_the_list_are_told():
    found, rankers = tiny()
    # Popular at 1: a alone has 3. Recent at 3: u has its c after b, a tied with d; v b, a, then
    # c tied with d; w a, then b, c, d tied.
    assert evaluate(rankers, found, Measure(True, (1,))).details["popular"]["tied_share"] == 0
    assert evaluate(rankers, found, Measure(True, (3,))).details["recent"]["tied_share"] == 1
    silent = Spoiled(rankers["recent"], tied=-1)
    report = evaluate({"silent": silent}, found, Measure(True, (3,)))
    assert report.details["silent"]["tied_share"] is None


def test_blocks_change_nothing_but_the_number_of_questions():
    found, rankers = habitual()
    whole = evaluate(rankers, found, Measure(True, (5, 10)))
    assert rankers["popular"].asked == [60]
    parts = evaluate(rankers, found, Measure(True, (5, 10), memory=8000))
    assert len(rankers["popular"].asked) > 5
    assert parts.models == whole.models
    assert parts.slices == whole.slices
    assert parts.curves == whole.curves
    assert parts.bias == whole.bias


def test_a_planted_habit_is_found_and_the_interval_excludes_zero():
    found, rankers = habitual()
    report = evaluate(rankers, found, Measure(True, (3, 10)))
    (comparison,) = report.comparisons
    assert (comparison.better, comparison.other) == ("recent", "popular")
    means = [report.models[name]["recall@3"].mean for name in ("recent", "popular")]
    assert comparison.difference.mean == pytest.approx(means[0] - means[1])
    assert comparison.difference.low > 0.2
    assert report.verdict.startswith("recent leads popular on recall@3 by 0.")
    assert comparison.real
    assert comparison.p == comparison.p_holm < 0.001
    for each in report.models.values():
        for interval in each.values():
            assert interval.low - 1e-12 <= interval.mean <= interval.high + 1e-12


def test_equal_models_cannot_be_told_apart():
    found, rankers = habitual()
    twins = {"one": rankers["recent"], "two": rankers["recent"]}
    assert "one and two cannot be told apart" in evaluate(twins, found, Measure(True)).verdict


def test_a_single_model_has_a_verdict_too():
    found, rankers = habitual()
    report = evaluate({"only": rankers["recent"]}, found, Measure(True, (3,)))
    assert report.verdict.startswith(f"only has recall@3 {report.models['only']['recall@3']}")


def test_cases_of_one_user_have_no_interval():
    log = log_of([("u", item, at) for at, item in enumerate("abcab")])
    found = cases(split(log, "last:2"))
    report = evaluate({"a": Recency(3), "b": Recency(3)}, found, Measure(True, (2,)))
    assert "one user has no interval" in report.verdict
    assert json.loads(report.to_json())["models"]["a"]["recall@2"]["low"] is None
    assert math.isnan(Report.from_json(report.to_json()).models["a"]["recall@2"].low)


def test_k_above_the_catalogue_is_cut_and_noted():
    found, rankers = tiny()
    report = evaluate(rankers, found, Measure(True, (2, 10, 50)))
    assert report.ks == (2, 4)
    assert "k 10, 50 cut to the 4 items" in report.notes[0]
    assert "recall@4" in report.models["popular"]


@pytest.mark.parametrize("ks", [(), (0,), (5, -1), (3.5,), "10"])
def test_k_below_one_and_what_is_no_number_of_items_are_refused(ks):
    found, rankers = tiny()
    with pytest.raises(DataError, match="k must be at least 1"):
        evaluate(rankers, found, Measure(True, ks))


def test_no_model_and_no_case_are_refused():
    found, rankers = tiny()
    with pytest.raises(DataError, match="no model"):
        evaluate({}, found, Measure(True))
    lonely = cases(split(log_of([("u", "a", 0), ("v", "a", 1)]), "users:0.5"))
    with pytest.raises(DataError, match=r"users:0\.5 leaves no case .*users_of_one_event 1"):
        evaluate(rankers, lonely, Measure(True))
    with pytest.raises(DataError, match="recent ranks 9 items, the cases have 4"):
        evaluate({"recent": Recency(9)}, found, Measure(True))


@dataclass
class Spoiled:
    """A ranker whose answers get something changed."""

    ranker: Ranker
    rows: object = None
    width: int | None = None
    tied: int | None = None

    @property
    def known(self):
        return self.ranker.known

    def top_k(self, histories, k, *, exclude=None, allow=None):
        top = self.ranker.top_k(histories, k, exclude=exclude, allow=allow)
        rows = top.rows[:, : self.width].copy()
        if self.rows is not None:
            rows[:, :2] = self.rows
        tied = top.tied if self.tied is None else np.full_like(top.tied, self.tied)
        return TopK(rows, top.scores[:, : self.width], tied)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        ({"width": 1}, "bad answered"),
        ({"rows": (2, 2)}, "an item twice"),
        ({"rows": (0, 4)}, "outside the 4 items"),
        ({"rows": (0, -2)}, "outside the 4 items"),
        ({"rows": (0, -1)}, "an excluded item"),
    ],
)
def test_a_ranker_that_breaks_its_promise_is_refused(spoil, match):
    found, rankers = tiny()
    with pytest.raises(DataError, match=match):
        evaluate({"bad": Spoiled(rankers["recent"], **spoil)}, found, Measure(False, (2,)))


def test_only_the_rest_of_the_basket_is_excluded_where_things_come_back():
    rows = [("u", "a", 0, 0), ("u", "b", 0, 0), ("u", "a", 9, 1), ("u", "b", 9, 1)]
    users, items, times, groups = map(list, zip(*rows, strict=True))
    time = np.array(times, np.int64)
    log = Log(
        build(
            pa.array(users),
            pa.array(items),
            sort_key=time,
            time=time,
            group_ids=pa.array(groups),
            order="time",
        )
    )
    found = cases(split(log, "groups:1970-01-01T00:00:05"))
    report = evaluate({"recent": Recency(2)}, found, Measure(True, (1,)))
    assert report.models["recent"]["recall@1"].mean == 1  # the rest is latest, yet not listed
    assert report.counts["targets_excluded"] == 0
    assert "rest of the basket" in report.definitions["exclusion"]
    strict = evaluate({"recent": Recency(2)}, found, Measure(False, (1,)))
    assert strict.models["recent"]["recall@1"].mean == 0
    assert strict.counts["targets_excluded"] == 1


def test_the_same_seed_gives_the_same_report_and_all_of_it_survives_json():
    found, rankers = habitual()
    first, again = (evaluate(rankers, found, Measure(True, (3, 10))) for _ in range(2))
    assert first.models == again.models
    assert first.comparisons == again.comparisons
    assert Report.from_json(first.to_json()) == first
    assert first.setting["test_rule"] == "last:3"
    assert {"recembed", "python", "numpy", "data", "split_seed"} <= set(first.setting)


def test_intervals_are_over_households_not_over_their_baskets():
    rows = [
        (f"u{user}", (user + part) % 7, 10 * basket, 100 * user + basket)
        for user in range(10)
        for basket in range(6)
        for part in range(2)
    ]
    users, items, times, groups = map(np.array, zip(*rows, strict=True))
    log = Log(
        build(
            pa.array(users),
            pa.array(items),
            sort_key=times,
            time=times,
            group_ids=pa.array(groups),
            order="time",
        )
    )
    found = cases(split(log, "groups:1970-01-01T00:00:20"))
    report = evaluate({"recent": Recency(7)}, found, Measure(True, (3,)))
    (places,) = report.places["recent"]
    expected = Resamples(found.owner, seed=0).interval((places.above < 3).astype(float))
    assert (report.n_cases, report.n_clusters) == (40, 10)
    assert report.models["recent"]["hit_rate@3"] == expected


def test_seeds_of_a_model_are_averaged_case_by_case_and_their_spread_is_told():
    found, rankers = habitual()
    both = {"mixed": [rankers["recent"], rankers["popular"]], "recent": rankers["recent"]}
    report = evaluate(both, found, Measure(True, (3,)))
    alone = evaluate(rankers, found, Measure(True, (3,)))
    means = [alone.models[name]["recall@3"].mean for name in ("recent", "popular")]
    assert report.spread["mixed"]["recall@3"] == pytest.approx(tuple(means))
    assert report.models["mixed"]["recall@3"].mean == pytest.approx(np.mean(means))
    assert list(report.spread) == ["mixed"]
    assert len(report.places["mixed"]) == 2


def test_every_pair_is_compared_and_corrected_for_how_many_there_are():
    found, rankers = habitual()
    three = {**rankers, "odd": Recency(30, newest=False)}
    report = evaluate(three, found, Measure(True, (1,)))
    ps = np.array([each.p for each in report.comparisons])
    assert len(ps) == 3
    assert [each.p_holm for each in report.comparisons] == pytest.approx(holm(ps).tolist())
    assert {frozenset((each.better, each.other)) for each in report.comparisons} == {
        frozenset(pair) for pair in combinations(three, 2)
    }


def test_models_with_the_same_answers_are_one_model_to_the_correction():
    found, rankers = habitual()
    three = {**rankers, "again": rankers["recent"]}
    report = evaluate(three, found, Measure(True, (3,)))
    apart, twins = report.comparisons
    assert (apart.better, apart.other) == ("recent", "popular")
    assert apart.p_holm == apart.p
    assert (twins.better, twins.other) == ("recent", "again")
    assert (twins.p, twins.p_holm, twins.real) == (1, 1, False)


def test_a_slice_counts_only_its_own_cases_or_targets():
    found, rankers = tiny()
    odd = np.array([True, False, True])
    groups = {"odd": odd, "none": np.zeros(3, bool), "v": ~odd}
    divided = [Division("user", "cases", groups), Division("item", "targets", groups)]
    report = evaluate(rankers, found, Measure(True, (2,)), divisions=divided)
    assert [(each.by, each.label) for each in report.slices] == [
        *(("user", "odd"), ("user", "v"), ("item", "odd"), ("item", "v"))
    ]
    for each in report.slices:
        (places,) = report.places["recent"]
        mine = recall(places, 2)[groups[each.label]]
        assert each.models["recent"].mean == pytest.approx(mine.mean())
        assert each.n_cases == each.n_targets == groups[each.label].sum()


def test_the_deciding_metric_leads_and_a_typo_is_told_with_what_is_near():
    found, rankers = habitual()
    report = evaluate(rankers, found, Measure(True, (3, 10), "ndcg@10"))
    assert report.metric == report.comparisons[0].metric == "ndcg@10"
    with pytest.raises(DataError, match="ndcg"):
        evaluate(rankers, found, Measure(True, (3,), "ndgc@3"))
    with pytest.raises(DataError, match=r"ndcg@5 is not measured: add its k \(3, 10 are\)"):
        evaluate(rankers, found, Measure(True, (3, 10), "ndcg@5"))


def test_curves_end_in_the_figures_of_the_table():
    found, rankers = habitual()
    report = evaluate(rankers, found, Measure(True, (3, 10)))
    recalls = next(each for each in report.curves if each.metric == "recall")
    assert recalls.ks == (1, 2, 3, 5, 7, 10)
    for name, points in recalls.models.items():
        assert points[-1] == report.models[name]["recall@10"]
        assert points[2] == report.models[name]["recall@3"]
        assert all(a.mean <= b.mean for a, b in pairwise(points))


def test_the_popularity_groups_share_out_everything():
    found, rankers = habitual()
    bias = evaluate(rankers, found, Measure(True, (3,))).bias
    for shares in (bias.items, bias.targets, *bias.models.values()):
        assert sum(shares) == pytest.approx(1)
    assert bias.models["popular"][0] > bias.models["recent"][0]


def test_lists_are_measured_beside_accuracy_with_what_is_known_of_items():
    found, rankers = tiny()
    directions = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    vectors = Embeddings(found.items, directions, np.ones(4, bool))
    kinds = Sequences.of([[0], [0], [1], [1]])
    told = Yardsticks(found.events, vectors, kinds)
    report = evaluate(rankers, found, Measure(True, (2,)), yardsticks=told)
    popular = report.models["popular"]  # a, b for everybody: a right angle, one kind
    assert popular["distance_by_vector@2"].mean == pytest.approx(1)
    assert popular["distance_by_category@2"].mean == 0
    assert popular["popularity@2"].mean == pytest.approx((3 + 2) / 2)
