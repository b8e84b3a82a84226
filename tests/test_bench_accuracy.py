"""What the figures of `bin/bench accuracy` are made of; nothing large is trained."""

import importlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.metrics.accuracy import ndcg
from recembed.metrics.places import NEVER, Places
from recembed.models.presets import PRESETS
from recembed.models.registry import estimator
from recembed.pipeline.tuned import Tuned
from recembed.protocols import Machine
from recembed.settings import flat

ROOT = Path(__file__).parents[1]
HERE = Machine(threads=1, device="cpu")
BARS = {
    "ml1m_hr10": 0.3152,
    "ml1m_ndcg10": 0.1821,
    "beauty_hr10": 0.0974,
    "beauty_ndcg10": 0.0588,
    "cds_minus_best_baseline_low": 1e-12,
    "baskets_minus_knn_low": 1e-12,
    "presets_used": 4,
}


@pytest.fixture
def bench(monkeypatch):
    """The module."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return importlib.import_module("benchmarks.accuracy")


@pytest.fixture
def part(bench):
    """A module of the benchmark by the rest of its name."""
    return lambda name: importlib.import_module(f"benchmarks.accuracy_{name}")


@pytest.fixture
def data(part, monkeypatch, tmp_path):
    """Pairs of 40 users and 20 items, a fifth of which is for testing; `held` has these."""
    random = np.random.default_rng(0)
    pairs = np.array([(u, 100 + i) for u in range(40) for i in random.permutation(20)[:10]])
    split = np.where(np.arange(len(pairs)) % 5, "train", "test")
    table = {"user_id": pairs[:, 0], "item_id": pairs[:, 1], "split": split}
    (tmp_path / "pairs").mkdir()
    pq.write_table(pa.table(table), tmp_path / "pairs" / "interactions.parquet")
    monkeypatch.setenv("RECEMBED_DATA", str(tmp_path))
    data = part("data").Data("pairs", "pairs", "given", "random:0.1", k=5, part="split")
    for name in ("evidence", "make"):
        monkeypatch.setattr(part(name), "DATA", {"pairs": data})
    for name in ("evidence", "data"):
        monkeypatch.setattr(part(name), "DEPTH", 10)
    monkeypatch.setattr(part("evidence"), "FOLDER", tmp_path / "evidence")
    return data


def pairs_of(events):
    """(user, item) pairs by id."""
    users = np.array(events.users.ids.to_pylist())[events.events.owners()]
    return set(zip(users, events.items.take(events.rows).to_pylist(), strict=True))


def test_settings_are_chosen_without_the_test_part_and_tested_on_all_that_is_for_training(
    data, tmp_path
):
    everything = pq.read_table(tmp_path / "pairs" / "interactions.parquet").to_pydict()
    of = {"train": set(), "test": set()}
    for user, item, split in zip(*everything.values(), strict=True):
        of[split].add((user, item))
    (few, chosen), (log, asked) = data.cut("valid"), data.cut("test")
    hidden = pairs_of(few.interactions)
    assert pairs_of(log.interactions) == of["train"]
    assert hidden < of["train"]
    assert len(of["train"] - hidden) == len(chosen.targets.values)
    assert len(asked.targets.values) == len(of["test"])


def test_evidence_tells_again_where_everything_stood_and_whose_it_is(part, data):
    evidence, settings = part("evidence"), part("settings")
    row = settings.Row("pairs", "knn", "item-knn", {"neighbours": 5})
    part("make").make(row, 0, HERE)
    (made,) = evidence.read(row)
    asked = part("data").Asked.of(data, "test", HERE)
    model, _ = evidence.fit(row, 0, asked)
    places = asked.places(model)
    for name in ("offsets", "above", "tied"):
        assert getattr(made.places, name).tolist() == getattr(places, name).tolist()
    assert made.clusters.tolist() == list(range(40))
    assert 0 < data.metrics(made.places)["ndcg5"].mean() < 1
    with pytest.raises(
        evidence.BenchError, match=r"neighbours = 5, it is 6 now; make it: .*'pairs"
    ):
        evidence.read(settings.Row("pairs", "knn", "item-knn", {"neighbours": 6}))
    with pytest.raises(evidence.BenchError, match="pairs-ease-0 has never been trained"):
        evidence.read(settings.Row("pairs", "ease", "ease"))


def test_cases_of_one_person_next_to_each_other_stay_together(part, data, monkeypatch):
    evidence, row = part("evidence"), part("settings").Row("pairs", "top", "popularity")
    asked = part("data").Asked.of(data, "test", HERE)
    monkeypatch.setattr(type(asked), "clusters", lambda self: np.arange(40) // 3)
    evidence.write("pairs-top-0", asked, asked.places(asked.popular), row, evidence.Spent(1, 1))
    assert evidence.read(row)[0].clusters.tolist() == (np.arange(40) // 3).tolist()


def test_a_training_in_rounds_tells_its_course_and_asks_outside_of_its_seconds(
    part, data, capsys, monkeypatch
):
    make = part("make")
    row = make.changed("pairs", "item2vec", {"epochs": "3", "dim": "4"})
    courses, begun = [], make.Course
    monkeypatch.setattr(make, "Course", lambda asked: courses.append(begun(asked)) or courses[0])
    line = make.valid(row, 0, HERE)
    (course,) = courses
    assert course.looks == 3
    assert course.spent > 0
    said = [each for each in capsys.readouterr().err.splitlines() if each.startswith("look ")]
    best = max(float(each.split("ndcg5 ")[1]) for each in said)
    assert line.split(" seconds ")[0].endswith(f"ndcg5 {best:.4f}")


def test_a_row_is_changed_and_what_another_kind_of_a_part_lacks_is_left_out(part, monkeypatch):
    make, settings = part("make"), part("settings")
    row = settings.Row("d", "tower", "two-tower", {"tower.blocks": 1, "epochs": 3})
    monkeypatch.setattr(make, "rows", lambda: [row])
    assert make.changed("d", "tower", {"epochs": "4"}).values == {"tower.blocks": 1, "epochs": "4"}
    other = make.changed("d", "tower", {"tower": "mean"})
    assert other.values == {"tower": "mean", "epochs": 3}
    assert make.changed("d", "ease", {}).setting == flat(estimator("ease"))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_its_search_found(name, part):
    search = part("search")
    found = Tuned.read(search.kept(name))
    assert estimator(found.model, found.set) == estimator(*part("settings").preset_of(name))
    assert set(found.search.trials[0].setting) == set(search.SEARCHES[name].space)


def test_ranks_of_other_benchmarks_become_places(part):
    places = part("borrowed").listed(np.array([1, 3, 100, 101, -1], np.int32))
    assert places.above.tolist() == [0, 2, 99, NEVER, NEVER]
    assert ndcg(places, 10).tolist() == pytest.approx([1, 0.5, 0, 0, 0])


@pytest.fixture
def table(part, monkeypatch):
    """Outcomes where each tower finds a share of what is asked first of all, others nothing."""
    evidence, settings = part("evidence"), part("settings")
    shares = {"ml1m": 0.32, "beauty": 0.09, "cds": 1, "baskets": 0.5}
    presets = settings.PRESETS

    def outcome(data, label, share):
        above = np.where(np.arange(100) < 100 * share, 0, NEVER).astype(np.int32)
        places = Places(np.arange(101), above, np.ones(100, np.int32), 100)
        setting = None
        if label == "tower" and data in presets:
            own = flat(estimator(*settings.preset_of(presets[data])))
            setting = json.loads(json.dumps(own))
        made = [evidence.Made(places, np.arange(100) // 2, 3.0, "cpu", setting)] * 3
        return evidence.Outcome(data, label, made)

    def found():
        every = importlib.import_module("benchmarks.accuracy").DATA
        return {
            data: {
                "tower": outcome(data, "tower", shares.get(data, 0.5)),
                "item-knn": outcome(data, "item-knn", 0.25),
                "ease": outcome(data, "ease", 0.75),
            }
            for data in every
        }

    return found()


def test_bars_are_what_the_towers_are_worth_and_are_ahead(bench, table, monkeypatch):
    monkeypatch.setattr(bench, "outcomes", lambda: table)
    figures, bars = bench.run(False, False)
    assert {bar.name: bar.bound for bar in bars} == BARS
    values = {bar.name: bar.value for bar in bars}
    assert values["ml1m_hr10"] == values["ml1m_ndcg10"] == pytest.approx(0.32)
    assert [bar.name for bar in bars if not bar.holds] == ["beauty_hr10"]
    assert values["presets_used"] == 4
    assert figures["cds_minus_ease"] == pytest.approx(0.25)
    assert 0.1 < values["cds_minus_best_baseline_low"] < 0.25 < figures["cds_minus_ease_high"]
    assert figures["baskets_minus_item_knn"] == pytest.approx(0.25)
    low, high = (figures[f"ml1m_tower_ndcg10_{end}"] for end in ("low", "high"))
    assert low < figures["ml1m_tower_ndcg10"] < high
    assert figures["time_journey_tau_with_baskets"] == 1


def test_a_tower_that_is_no_preset_any_more_is_not_counted(bench, table, monkeypatch):
    table["cds"]["tower"].made[1].setting["epochs"] = 7
    assert bench.presets_used(table) == 3


def test_what_could_not_be_set_then_was_as_usual(bench):
    difference = importlib.import_module("benchmarks.harness").difference
    now = {"dim": 64, "older": True, "tower.new": 3}
    assert difference({"dim": 64}, now, {"dim": 32, "older": True}) is None
    assert difference({"dim": 64}, now, {"dim": 32, "older": False}) == (
        "older = False, it is True now"
    )
    assert difference({"dim": 32}, now, {}) == "dim = 32, it is 64 now"
    assert difference({"gone": 1}, now, {}) == "gone = 1, it is None now"


def test_models_that_change_places_agree_less(bench, table):
    assert bench.agreement(table["ml1m"], table["beauty"]) == pytest.approx(1 / 3)


def test_what_lacks_evidence_is_an_error_that_names_the_command(bench, part, monkeypatch, tmp_path):
    monkeypatch.setattr(part("evidence"), "FOLDER", tmp_path)
    with pytest.raises(bench.BenchError, match=r"accuracy_make make 'ml1m-tower-\*'"):
        bench.run(False, False)
    assert "tower" not in bench.outcomes(all_=False)["ml1m"]


def test_labels_stand_beside_their_dots_and_cover_no_other(part):
    pytest.importorskip("altair")
    plot = part("plot")
    points = [
        plot.Point(name, seconds, worth)
        for name, seconds, worth in (
            ("one", 10.0, 0.10),
            ("another-one", 11.0, 0.101),
            ("third", 10.5, 0.0995),
            ("popularity", 0.01, 0.01),
            ("longest-of-all", 99.0, 0.2),
        )
    ]
    axes = plot.Axes.around(points)
    boxes, dots = plot.labels(points, axes), [axes.at(point) for point in points]
    assert all(box.outside == 0 for box in boxes)
    assert all(box.over(dot) == 0 for box in boxes for dot in dots)
    assert all(a.over(b) == 0 for a in boxes for b in boxes if a is not b)
    for dot, point in zip(dots, points, strict=True):
        assert axes.value(dot) == pytest.approx({"seconds": point.seconds, "ndcg": point.ndcg})
