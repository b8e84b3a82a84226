"""A search is killed and goes on, gives up what falls behind, and refuses what is wrong."""

import fcntl
import math
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from recembed.errors import DataError
from recembed.pipeline.objective import Objective
from recembed.pipeline.trials import opened
from recembed.pipeline.tune import tune
from recembed.settings import between, one_of

LAST = {"test": "last:1", "valid": "last:1", "threads": 1, "quiet": True}
RULES = ("--test", "last:1", "--valid", "last:1")
SPACES = {"x": between(0.0, 1.0), "kind": one_of("a", "b")}
FIRST = {"x": 0.5, "kind": "a"}


def searching(folder, seed=0, **about):
    return opened(folder, SPACES, FIRST, {"metric": "ndcg@10", **about}, seed)


def parabola(values, look):
    """Best at x = 0.3, and better with b."""
    return -((values["x"] - 0.3) ** 2) + 0.1 * (values["kind"] == "b")


def plain(trials):
    """Without their seconds; as text, where nan is nan."""
    return [(str(each.value), each.state, each.setting) for each in trials]


def run(folder, n, attempt=parabola):
    """n more trials of the search there, and what all of them were."""
    with searching(folder) as study:
        for _ in range(n):
            study.run(attempt)
        return study.told()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that was never stopped: ten trials are drawn at random, then it learns."""
    return run(tmp_path_factory.mktemp("whole"), 16)


def test_trials_begin_with_the_first_setting_and_come_near_the_best(whole):
    assert whole[0].setting == FIRST
    best = max(whole, key=lambda each: each.value).setting
    assert abs(best["x"] - 0.3) < 0.1
    assert best["kind"] == "b"
    learned = [each.value for each in whole[10:]]
    assert sum(learned) / 6 > sum(each.value for each in whole[:10]) / 10
    assert all(f"{each.setting['x']:.4g}" == f"{each.setting['x']}" for each in whole)


def test_a_search_that_stops_in_its_trials_goes_on_as_if_it_had_not(whole, tmp_path):
    def stopping(values, look):
        raise KeyboardInterrupt

    for at in (0, 1, 12):
        run(tmp_path, at - len(run(tmp_path, 0)))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, 1, stopping)
    assert plain(run(tmp_path, 2)) == plain(whole[:14])


KILLED = """
import os, signal, sys
from recembed.pipeline import tune
from recembed.pipeline.objective import Objective
value, calls = Objective.value, []
def dying(self, model):
    calls.append(model)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return value(self, model)
Objective.value = dying
tune.tune(sys.argv[1], sys.argv[2], model="repeat", trials=4, test="last:1", valid="last:1",
    threads=1, quiet=True)
"""


def test_killed_outright_the_same_command_brings_the_trials_that_were_asked_for(shop, tmp_path):
    code, folder = textwrap.dedent(KILLED), tmp_path / "killed"
    command = [sys.executable, "-c", code, str(shop.log), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (folder / "best.json").exists()
    found = tune(shop.log, folder, model="repeat", trials=4, **LAST)
    never = tune(shop.log, tmp_path / "whole", model="repeat", trials=4, **LAST)
    assert len(found.search.trials) == 4
    assert plain(found.search.trials) == plain(never.search.trials)
    assert (found.set, found.value) == (never.set, never.value)


def test_when_the_time_is_over_no_trial_begins_and_what_was_found_is_kept(shop, tmp_path):
    command = {"model": "repeat", **LAST}
    assert len(tune(shop.log, tmp_path, trials=3, timeout=1e-9, **command).search.trials) == 1
    assert len(tune(shop.log, tmp_path, trials=3, timeout=1e-9, **command).search.trials) == 2
    assert len(tune(shop.log, tmp_path, trials=3, **command).search.trials) == 3


def test_what_falls_behind_is_given_up_in_the_middle_of_its_training(shop, tmp_path, monkeypatch):
    looks = []

    def by_size(self, model):
        looks.append(model.items.dim)
        return model.items.dim / 10

    monkeypatch.setattr(Objective, "value", by_size)
    given = {"set": {"iterations": 4}, "space": {"dim": "2..9"}}
    found = tune(shop.log, tmp_path, model="als", trials=9, **given, **LAST)
    trials = found.search.trials
    pruned = [each for each in trials if each.state == "pruned"]
    assert pruned
    assert max(each.setting["dim"] for each in pruned) < found.set["dim"]
    assert all(math.isnan(each.value) for each in pruned)
    assert len(looks) == 4 * len(trials) - len(pruned)  # given up at the third of four looks
    ended = [each for each in trials if each.state == "complete"]
    assert len(ended) + len(pruned) == len(trials)
    assert trials[:5] == tuple(ended[:5])
    assert found.set["dim"] == max(each.setting["dim"] for each in ended)


def test_a_setting_that_cannot_be_trained_is_a_failed_trial(shop, tmp_path):
    given = {"space": {"min_count": "1,9999"}, "set": {"dim": 8, "negatives": 3, "epochs": 1}}
    found = tune(shop.log, tmp_path, trials=5, **given, **LAST)
    states = {(each.setting["min_count"], each.state) for each in found.search.trials}
    assert states == {(1, "complete"), (9999, "failed")}
    assert found.set["min_count"] == 1


def test_where_all_trials_fail_it_is_one_line_that_says_why(shop, refused, tmp_path):
    out = tmp_path / "found"
    said = refused(
        *("tune", shop.log, "--out", out, "--trials", 2, "--set", "min_count=9999"),
        *(*RULES, "--quiet"),
    )
    assert said == (
        "recembed: none of 2 trials of item2vec came to an end, the first: no item has 9999 "
        "events: set min_count lower"
    )
    assert not (out / "best.json").exists()


def test_another_search_may_begin_where_nothing_came_of_one(shop, call, refused, tmp_path):
    asked = ("tune", shop.log, "--out", tmp_path / "found", "--trials", 1, *RULES, "--quiet")
    refused(*asked, "--set", "min_count=9999")
    call(*asked, "--model", "popularity")
    assert "has a search with model popularity" in refused(*asked)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric", "ndgc@10"), "ndcg"),
        (("--metric", "ndcg@0"), "k is '0', not a whole number above 0"),
        (("--trials", "0"), "trials is a whole number, 1 at least, not 0"),
        (("--timeout", "0"), "timeout is a number of seconds above 0, not 0"),
        (("--timeout", "nan"), "timeout is a number of seconds above 0, not nan"),
        (("--sample", "0"), "sample is a share of the users, above 0 and at most 1, not 0"),
        (("--sample", "1.5"), "sample is a share of the users, above 0 and at most 1, not 1.5"),
        (("--model", "alz"), "no model 'alz'; there is als"),
        (("--set", "dimm=3"), "no hyperparameter 'dimm'; there is dim"),
        (("--space", "dimm=1,2"), "no hyperparameter 'dimm'; there is dim"),
        (("--space", "dim=64..8"), "dim cannot be searched in '64..8': 64 is above 8"),
        (("--space", "alpha=0..1:log"), "a logarithm needs ends above 0"),
        (("--space", "dim=few,many"), "dim is of type int, 'few' is not"),
        (("--space", "dim=0..8"), "dim must be at least 1, not 0"),
        (
            ("--space", "dim=8,16", "--set", "dim=8"),
            "'dim' is fixed (--set) and searched (--space, --only)",
        ),
        (("--test", "none"), "a search needs a test part to leave alone and a valid part"),
        (("--valid", "none"), "a search needs a test part to leave alone and a valid part"),
        (("--valid", "lost:1"), "'lost:1' is not a split rule"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_written(
    options, message, shop, refused, tmp_path
):
    given = ("tune", shop.log, "--out", tmp_path / "out", "--model", "als", *RULES, *options)
    assert message in refused(*given)
    assert not (tmp_path / "out").exists()


def test_a_model_without_anything_to_search_says_so(refused, tmp_path):
    (tmp_path / "log.csv").write_text("user,item\n" + "a,1\na,2\na,3\nb,1\nb,2\nb,3\n")
    given = ("tune", tmp_path / "log.csv", "--model", "popularity", "--file-order", *RULES)
    said = refused(*given, "--out", tmp_path / "out")
    assert said.startswith("recembed: nothing of popularity is to be searched here: name a space")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--metric", "recall@10"), "a search with metric ndcg@10, this one has recall@10"),
        (("--model", "als"), "a search with model repeat, this one has als"),
        (("--seed", "1"), "a search with seed 0, this one has 1"),
        (("--sample", "0.5"), "a search with sample 0.1, this one has 0.5"),
        (("--test", "last:2"), "a search with test rule last:1, this one has last:2"),
        (("--min-item", "3"), "a search with log "),
        (
            ("--set", "recency.last=3"),
            "a search with setting recency.last None, this one has 3: name another",
        ),
        (
            ("--space", "recency.decay=0..1"),
            "a search with space recency.decay 0.3..1.0, this one has 0.0..1.0",
        ),
    ],
)
def test_a_folder_with_another_search_is_refused_and_left_as_it_was(
    changed, message, shop, call, refused, contents, tmp_path
):
    given = ("tune", shop.log, "--out", tmp_path, "--model", "repeat", "--trials", 1, *RULES)
    call(*given, "--quiet")
    before = contents(tmp_path)
    said = refused(*given, *changed)
    assert message in said
    assert said.endswith("name another folder, or ask for the same")
    assert contents(tmp_path) == before


def test_a_file_that_is_no_search_is_one_line(shop, refused, tmp_path):
    given = ("tune", shop.log, "--model", "repeat", *RULES)
    (tmp_path / "search.db").write_text("this is no database, but long enough to be one" * 99)
    assert "search.db cannot be used as a search: " in refused(*given, "--out", tmp_path)
    (tmp_path / "file").write_text("")
    assert refused(*given, "--out", tmp_path / "file").endswith("is no folder: name another")
    sqlite3.connect(tmp_path / "other.db").execute("create table studies (a)").connection.close()
    (tmp_path / "other.db").replace(tmp_path / "search.db")
    assert "search.db cannot be used as a search: " in refused(*given, "--out", tmp_path)


def test_two_do_not_search_in_one_folder(shop, refused, tmp_path):
    with (tmp_path / ".search.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = refused("tune", shop.log, "--out", tmp_path, "--model", "repeat", *RULES)
    assert said.endswith("wait until it is done")


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "a?b=%41 #1"
    with searching(folder) as study:
        study.run(parabola)
    assert sorted(path.name for path in folder.iterdir()) == [".search.lock", "search.db"]
    with searching(folder) as study:
        assert len(study) == 1


def test_without_optuna_the_extra_is_named(shop, refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = refused("tune", shop.log, "--out", tmp_path / "out", *RULES)
    assert said == "recembed: tune needs an optional package: pip install 'recembed[tune]'"
    assert not (tmp_path / "out").exists()


def test_an_error_of_the_data_alone_is_a_failed_trial(tmp_path):
    def broken(values, look):
        raise RuntimeError("a mistake of the program")

    with searching(tmp_path) as study, pytest.raises(RuntimeError, match="a mistake"):
        study.run(broken)

    def impossible(values, look):
        raise DataError("no item has 9 events")

    with searching(tmp_path) as study:
        study.run(impossible)
        assert [each.state for each in study.told()] == ["failed"]
        assert study.why() == "no item has 9 events"
