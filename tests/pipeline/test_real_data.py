"""MovieLens 100K through the verbs; skipped where the data are not at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from recembed.report.document import Report
from recembed.run.folder import Run
from recembed.run.log import load_log

BESIDE = Path(__file__).parents[3] / "shared" / "data"
ML_100K = Path(os.environ.get("RECEMBED_DATA", BESIDE)) / "ml-100k"
MODELS = ("popularity", "item-knn", "item2vec")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ML_100K / "interactions.parquet").is_file(),
        reason="no ml-100k in $RECEMBED_DATA (see `recembed datasets show ml-100k`)",
    ),
]


@pytest.fixture(scope="module")
def runs(call, tmp_path_factory):
    """One run a model with its defaults, trained on all but each user's last film."""
    folder = tmp_path_factory.mktemp("ml-100k")
    for model in MODELS:
        options = ("--model", model, "--test", "last:1", "--out", folder / model)
        call("train", ML_100K, *options, "--quiet")
    return folder


@pytest.fixture(scope="module")
def report(runs, call):
    paths = [runs / model for model in MODELS]
    call("evaluate", *paths, "--out", runs / "report", "--quiet")
    return Report.from_json((runs / "report" / "report.json").read_text())


def test_the_data_are_the_known_ones(report):
    counts = report.setting["split"]
    assert report.n_cases == 943
    assert counts["train_events"] + counts["test_events"] == 100_000
    assert counts["test_events"] == 943
    assert report.setting["repeats"] is False  # nobody rates a film twice


def test_popularity_is_what_counting_by_hand_gives(runs, report):
    log, part = load_log(Run.open(runs / "popularity"))
    events = log.interactions
    counts = np.bincount(events.rows[part == 0], minlength=events.n_items)
    found = 0
    for user in range(943):
        mine = slice(*events.events.offsets[user : user + 2])
        rows, held = events.rows[mine], part[mine] == 2
        left = np.where(np.isin(np.arange(events.n_items), rows[~held]), -1, counts)
        mine = left[rows[held][0]]
        above, level = np.count_nonzero(left > mine), np.count_nonzero(left == mine)
        found += min(max(10 - above, 0) / level, 1) if mine > -1 else 0
    assert report.models["popularity"]["recall@10"].mean == pytest.approx(found / 943)


def test_models_with_their_defaults_beat_popularity_by_the_known_margins(report):
    recall = {name: found["recall@10"].mean for name, found in report.models.items()}
    # last film by time, all films ranked, seen ones left out
    assert recall["item-knn"] > 1.2 * recall["popularity"]
    assert recall["item2vec"] > 2 * recall["popularity"]
    assert recall["item2vec"] < 0.3  # nobody reaches that: the test part would have leaked
    assert report.comparisons[0].better == "item2vec"
    assert report.comparisons[0].real


def test_neighbours_are_films_that_people_see_together(runs, call):
    answer = call("similar", runs / "item-knn", 50, "-k", 3).answers[0]  # Star Wars (1977)
    titles = {each["title"] for each in answer["items"]}
    assert "Return of the Jedi (1983)" in titles
    assert "Empire Strikes Back, The (1980)" in titles


def test_a_user_is_recommended_films_they_have_not_seen(runs, call):
    import pyarrow.parquet as pq

    table = pq.read_table(ML_100K / "interactions.parquet")
    users, items = (np.asarray(table.column(name)) for name in ("user_id", "item_id"))
    answer = call("recommend", runs / "item2vec", "--user", 1, "-k", 50).answers[0]
    listed = [each["item"] for each in answer["items"]]
    assert len({*listed}) == 50
    assert not {*listed} & {*items[users == 1].tolist()}
