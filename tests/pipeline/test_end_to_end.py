"""Every model through every verb, as a user types them."""

import json

import pytest

from recembed.models import registry
from recembed.report.document import Report
from recembed.run.folder import Run

VECTORS = ("als", "item2vec", "two-tower")
COMPARERS = (*VECTORS, "item-knn")
PERSONAL = (*COMPARERS, "repeat")
SIZE = 15  # items of a planted cluster


INDEX = ("--kind", "annoy", "--target-recall", 1)  # its lists are those of exact search


def cluster(item: str) -> int:
    return int(item) // SIZE


def share_of(cluster_, answer) -> float:
    items = [each["item"] for each in answer["items"]]
    return sum(cluster(item) == cluster_ for item in items) / len(items)


@pytest.fixture(scope="module")
def indexed(made, call, tmp_path_factory):
    """Copies of the runs with vectors, each with an index."""
    from shutil import copytree

    folder, runs = tmp_path_factory.mktemp("indexed"), {}
    for name in VECTORS:
        runs[name] = copytree(made(name), folder / name)
        audit = json.loads(call("index", runs[name], *INDEX, "--quiet").out)
        assert audit["recall"] == 1
        assert audit["queries"] == 60  # half of the users; the others chose the index
    return runs


@pytest.fixture(scope="module")
def report(made, indexed, call, tmp_path_factory):
    """All models, those with vectors through both indices, in one report; and what was said."""
    folder = tmp_path_factory.mktemp("reports") / "fresh" / "report"
    runs = [indexed.get(name) or made(name) for name in registry.names()]
    said = call("evaluate", *runs, "--index", "both", "--out", folder, "-k", 5, "-k", 10)
    return Report.from_json((folder / "report.json").read_text()), said, folder


@pytest.mark.parametrize("name", PERSONAL)
def test_models_that_know_the_user_beat_popularity_by_far(report, name):
    models = report[0].models
    popular = models["popularity"]["recall@10"].mean
    assert 0.1 < popular < 0.5
    margin = 1.1 if name == "repeat" else 1.5  # it knows what they had, not what is like it
    assert models[name]["recall@10"].mean > margin * popular


def test_one_report_has_all_runs_their_indices_and_a_verdict(report):
    found, said, folder = report
    assert {*found.models} == {*registry.names(), *(f"{name} + Annoy" for name in VECTORS)}
    assert found.ks == (5, 10)
    assert found.n_cases == 120
    assert sorted(path.name for path in folder.iterdir()) == [
        "places.npz",
        "report.html",
        "report.json",
        "report.md",
    ]
    assert said.out.startswith(found.verdict)
    assert found.verdict in (folder / "report.md").read_text().replace("\\", "")
    assert "recall@5" in said.out


def test_a_report_says_how_every_run_was_made(report):
    found, _, _ = report
    told = {name: run for name, (run,) in found.setting["runs"].items()}
    assert {*told} == {*registry.names()}
    assert told["item2vec"]["setting"]["dim"] == 8
    assert told["item2vec"]["index"]["audit"]["recall"] >= 0.95
    assert told["popularity"]["folder"] == "popularity"
    assert found.setting["split"]["test_events"] == 120


@pytest.mark.parametrize("name", VECTORS)
def test_annoy_at_recall_1_gives_the_numbers_of_exact_search(report, name):
    models = report[0].models
    exact, annoy = models[name]["recall@10"].mean, models[f"{name} + Annoy"]["recall@10"].mean
    assert annoy == pytest.approx(exact, abs=0.05)  # the audit allows 5 % of the lists


@pytest.mark.parametrize("name", PERSONAL)
def test_users_are_recommended_their_cluster(made, call, name):
    users = [f"u{number:03}" for number in range(40)]
    asked = [x for user in users for x in ("--user", user)]
    answers = call("recommend", made(name), *asked, "-k", 5).answers
    assert [answer["user"] for answer in answers] == users
    shares = [share_of(number % 4, answer) for number, answer in enumerate(answers)]
    assert sum(shares) / len(shares) > 0.6  # a quarter would be chance


@pytest.mark.parametrize("name", VECTORS)
def test_the_index_of_a_run_serves_what_exact_search_serves(indexed, call, name):
    asked = (indexed[name], "--user", "u001", "--user", "u002", "-k", 5)
    served, exact = (
        [[each["item"] for each in answer["items"]] for answer in call(*command).answers]
        for command in (("recommend", *asked), ("recommend", *asked, "--index", "exact"))
    )
    common = sum(len({*one} & {*other}) for one, other in zip(served, exact, strict=True))
    assert common >= 9  # of 10


@pytest.mark.parametrize("name", COMPARERS)
def test_similar_items_are_of_the_same_cluster(made, call, name):
    for answer in call("similar", made(name), "000", "016", "031", "046", "-k", 5).answers:
        assert share_of(cluster(answer["item"]), answer) > 0.5
        assert answer["items"][0]["title"] == f"Thing {int(answer['items'][0]['item'])}"


def test_a_history_of_somebody_new_is_answered_with_filters(made, call):
    asked = ("recommend", made("item2vec"), "--history", "000", "--history", "003")
    items = [each["item"] for each in call(*asked, "-k", 10).answers[0]["items"]]
    assert {"000", "003"} & {*items}  # this log has habits: seen items may come back
    rest = call(*asked, "-k", 10, "--seen", "exclude").answers[0]
    assert not {"000", "003"} & {each["item"] for each in rest["items"]}
    assert "user" not in rest
    some = call(*asked, "--allow", "000", "--allow", "016", "--exclude", "000").answers[0]
    assert [each["item"] for each in some["items"]] == ["016"]
    assert "1 items instead of 10" in some["note"]


def test_a_basket_at_hand_turns_the_answer_and_is_not_recommended(made, call, refused):
    run, held = made("item2vec"), ("015", "016", "017")  # u000 is of cluster 0, these of 1
    basket = [x for item in held for x in ("--basket", item)]
    without, with_it = (
        call("recommend", run, "--user", "u000", "-k", 5, *more).answers[0] for more in ((), basket)
    )
    assert share_of(0, without) > share_of(0, with_it)
    assert not {*held} & {each["item"] for each in with_it["items"]}
    somebody = call("recommend", run, "--user", "nobody", "-k", 5, *basket).answers[0]
    assert somebody["reason"] == "model"
    assert share_of(1, somebody) > 0.5
    assert "'xyz'" in refused("recommend", run, "--user", "u000", "--basket", "xyz")
    assert "or the items of one history" in refused("recommend", run, "--history", "000", *basket)


def test_an_item_without_events_is_known_but_never_recommended(made, call, refused):
    answers = call("recommend", made("item2vec"), "--user", "u001", "-k", 100).answers
    assert "060" not in {each["item"] for each in answers[0]["items"]}
    assert "'060' is known but was never trained" in refused("similar", made("item2vec"), "060")


def test_a_report_of_one_run_is_kept_in_it(copied, call):
    folder = copied("popularity")
    said = call("evaluate", folder, "--quiet")
    run = Run.open(folder)
    assert Report.from_json(run.text("report.json")).verdict == said.out.splitlines()[0]
    assert run.text("report.md").startswith("# Evaluation")
    call("evaluate", folder, "--quiet", "-k", 3)
    assert Report.from_json(Run.open(folder).text("report.json")).ks == (3,)


def test_training_again_replaces_the_run_its_index_and_its_report(shop, copied, call):
    folder = copied("item2vec")
    call("index", folder, "--kind", "annoy", "--quiet")
    call("evaluate", folder, "--quiet")
    call("train", shop.log, "--out", folder, "--model", "popularity", "--quiet")
    run = Run.open(folder)
    assert run.facts["model"] == "popularity"
    assert not any(run.has(name) for name in ("index", "report.json", "report.md"))
    names = {path.name.split(".")[0] for path in folder.iterdir()} - {""}
    assert names == {"manifest", "model", "events", "users", "items"}


def test_indexing_again_replaces_the_index_and_exact_removes_it(copied, call, refused):
    folder = copied("als")
    call("index", folder, "--kind", "annoy", "--size", 5, "--quiet")
    call("index", folder, "--kind", "hnsw", "--size", 7, "--seed", 3, "--quiet")
    facts = Run.open(folder).facts["index"]
    assert (facts["kind"], facts["meta"]["size"], facts["meta"]["seed"]) == ("hnsw", 7, 3)
    assert len([*folder.glob("*.ann")]) == 1
    assert call("index", folder, "--kind", "exact", "--quiet").out == '{"kind": "exact"}\n'
    assert [*folder.glob("*.ann")] == []
    assert call("recommend", folder, "--user", "u001").answers[0]["reason"] == "model"
    assert "has no Annoy index" in refused(
        "recommend", folder, "--user", "u001", "--index", "annoy"
    )


def test_a_seed_gives_the_same_run_twice(shop, call, tmp_path):
    for name in ("one", "two"):
        command = ("train", shop.log, "--set", "dim=8", "--set", "negatives=3")
        call(*command, "--out", tmp_path / name, "--threads", 1, "--seed", 5, "--quiet")
    files = [
        {path.name for path in (tmp_path / name).iterdir()} - {"manifest.json"}
        for name in ("one", "two")
    ]
    assert files[0] == files[1]  # the names carry the sha256 of the contents


def test_files_of_a_run_are_as_open_as_the_umask_lets_them(copied, call, shop, tmp_path):
    from os import umask

    folder = copied("popularity")
    before = umask(0o027)
    try:
        call("train", shop.log, "--out", folder, "--model", "popularity", "--quiet")
        call("train", shop.log, "--out", tmp_path / "new", "--model", "popularity", "--quiet")
        (tmp_path / "like this").write_text("")
    finally:
        umask(before)
    wanted = (tmp_path / "like this").stat().st_mode & 0o777
    assert wanted == 0o640
    for path in (tmp_path / "new").iterdir():
        assert path.stat().st_mode & 0o777 == wanted, path.name
