"""Searches: what they find, what they may not see, and the file that training reads."""

import json
from dataclasses import replace

import numpy as np
import pytest

import recembed
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.sequences import Sequences
from recembed.data.split import TEST, VALID, split
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.presets import PRESETS, suited
from recembed.models.registry import estimator
from recembed.pipeline import objective
from recembed.pipeline.objective import Objective, before_test, sampled
from recembed.pipeline.spaces import spaces
from recembed.pipeline.tune import tune
from recembed.pipeline.tuned import Tuned
from recembed.report.document import Search
from recembed.report.plain import of_plain, to_plain
from recembed.run.folder import Run
from recembed.settings import flat, kinds

DAY = 86_400
LAST = {"test": "last:1", "valid": "last:1", "threads": 1, "quiet": True}


@pytest.fixture
def few(monkeypatch):
    """A sample may be small."""
    monkeypatch.setattr(objective, "LEAST", 20)


def fashion(users=80):
    """Everybody took the old items for a hundred days; in the last ten, the new ones alone."""
    random = np.random.default_rng(5)
    rows, time = [], []
    for user in range(users):
        old, new = random.choice(20, 8, replace=False), 20 + random.choice(20, 6, replace=False)
        rows.append([*old, *new])
        days = np.concatenate([np.sort(random.integers(0, 100, 8)), 100 + np.arange(6)])
        time += (days * DAY + user).tolist()
    events = Interactions(
        Vocabulary.numbered(users, "user"),
        Vocabulary.numbered(40, "item"),
        Sequences.of(rows),
        time=np.array(time, np.int64),
        order="time",
    )
    return Log(events, None)


def test_the_setting_that_must_win_is_found(tmp_path):
    days = {"days": "none,400,3,200"}
    found = tune(fashion(), tmp_path, model="popularity", space=days, trials=8, **LAST)
    assert found.set == {"days": 3.0}
    tried = {trial.setting["days"]: trial.value for trial in found.search.trials}
    assert tried[None] < 0.1 < 0.2 < found.value == tried[3.0]
    assert len(found.search.trials) == 8


def test_the_defaults_are_tried_first_and_fixed_fields_are_never_drawn(shop, tmp_path):
    given = {"neighbours": 7, "similarity": "bm25"}
    found = tune(shop.log, tmp_path, model="item-knn", set=given, trials=3, **LAST)
    model = estimator("item-knn", given)
    searched = {"k1", "b", "recency.decay"}  # the log has no groups, so those do not matter
    assert searched < set(spaces(model))
    first = found.search.trials[0].setting
    assert first == {name: value for name, value in flat(model).items() if name in searched}
    assert all(set(trial.setting) == searched for trial in found.search.trials)
    assert found.set == given | dict(found.set)
    assert set(found.set) == set(given) | searched


def test_a_default_outside_the_given_space_is_not_tried(shop, tmp_path):
    narrow = {"dim": "4,8", "alpha": "1..2"}
    found = tune(shop.log, tmp_path, model="als", space=narrow, trials=3, **LAST)
    for trial in found.search.trials:
        assert trial.setting["dim"] in (4, 8)
        assert 1 <= trial.setting["alpha"] <= 2
    assert found.search.trials[0].setting["regularization"] == 1.0


@pytest.mark.parametrize("model", ["als", "repeat"])
def test_a_setting_is_worth_what_an_evaluation_of_its_training_says(model, shop, tmp_path):
    """With rounds and without: what training makes of it, not what was best on the way."""
    found = tune(shop.log, tmp_path / "search", model=model, trials=3, seed=2, **LAST)
    run = recembed.train(
        shop.log,
        tmp_path / "run",
        settings=tmp_path / "search" / "best.json",
        tune=True,
        seed=2,
        **LAST,
    )
    report = recembed.evaluate(run.folder, on="valid", k=10, html=False, seed=2, quiet=True)
    assert report.models[model]["ndcg@10"].mean == pytest.approx(found.value, rel=1e-6)
    assert found.search.share == 1.0
    assert found.value == max(trial.value for trial in found.search.trials)


def with_other_test_items(log):
    """The same log, but in the test part everybody comes back to their first item."""
    part = split(log, "last:1", "last:1").part
    events = log.interactions
    rows = events.rows.copy()
    rows[part == TEST] = events.rows[events.events.offsets[:-1]]
    changed = replace(events, events=Sequences(rows, events.events.offsets))
    assert events.repeat_rate() == 0
    assert changed.repeat_rate() > 0.05  # enough for `train` to let items come back
    return replace(log, interactions=changed)


def test_what_the_test_part_holds_cannot_change_the_outcome(few, tmp_path):
    log, given = fashion(), {"model": "item-knn", "trials": 4, "sample": 0.4, **LAST}
    one = tune(log, tmp_path / "one", **given)
    other = tune(with_other_test_items(log), tmp_path / "other", **given)
    assert one.search.share == pytest.approx(0.4)
    assert (one.set, one.value) == (other.set, other.value)
    assert values(one) == values(other)
    assert one.data != other.data


def values(found):
    """The trials without their seconds."""
    return [(str(trial.value), trial.state, trial.setting) for trial in found.search.trials]


def test_the_best_of_a_sample_are_trained_on_all_and_the_defaults_too(few, tmp_path, monkeypatch):
    trained = []
    fit = Objective.fit

    def watched(self, setting, validate=None):
        trained.append((len(self.cases), setting.days))
        return fit(self, setting, validate)

    monkeypatch.setattr(Objective, "fit", watched)
    days = {"days": "none,1,2,3,4,5,400"}
    found = tune(fashion(), tmp_path, model="popularity", space=days, trials=9, sample=0.3, **LAST)
    few_cases, all_cases = 24, 80
    assert [size for size, _ in trained[:9]] == [few_cases] * 9
    finals = trained[9:]
    assert [size for size, _ in finals] == [all_cases] * len(finals)
    assert 1 < len(finals) <= 4
    assert None in [days for _, days in finals]
    assert found.set["days"] in (1.0, 2.0, 3.0, 4.0, 5.0)


def test_as_many_of_the_best_as_asked_for_are_trained_on_all_users(few, tmp_path):
    how = {"model": "popularity", "space": {"days": "none,1,2,3,400"}, **LAST}
    found = tune(fashion(), tmp_path, trials=4, sample=0.3, finalists=1, **how)
    assert 0 < found.search.share < 1
    sizes = []

    def counted(self, *rest):
        sizes.append(len(self.cases))
        return fit(self, *rest)

    fit = Objective.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objective, "fit", counted)
        again = tune(fashion(), tmp_path, trials=5, sample=0.3, finalists=1, **how)
    assert sizes == [24, 80, 80]  # one more trial; the best one and where it began
    assert len(again.search.trials) == 5


def test_a_search_begins_at_a_preset_and_looks_at_what_is_named_alone(shop, call, tmp_path):
    pytest.importorskip("torch")
    preset = PRESETS["unordered"]
    small = ("--set", "dim=8", "--set", "epochs=1", "--threads", 1, "--quiet", "--trials", 2)
    rules = ("--test", "last:1", "--valid", "last:1")
    here = ("--only", "dropout", "--only", "average", "--space", "average=0.9,0.998")
    out = ("--out", tmp_path / "found")
    call("tune", shop.log, "--preset", "unordered", *small, *rules, *here, *out)
    found = Tuned.read(tmp_path / "found" / "best.json")
    first = found.search.trials[0].setting
    assert first == {"dropout": preset.values["dropout"], "average": preset.values["average"]}
    assert all(set(trial.setting) == set(first) for trial in found.search.trials)
    fixed = {"dim": 8, "epochs": 1, **{name: found.set[name] for name in first}}
    asked = estimator(preset.model, {**preset.values, **fixed})
    assert estimator(found.model, found.set) == asked


def test_a_search_begins_at_the_preset_that_suits_the_log(shop, call, tmp_path):
    pytest.importorskip("torch")
    small = ("--set", "dim=8", "--set", "epochs=1", "--threads", 1, "--trials", 1)
    rules = ("--test", "last:1", "--valid", "last:1", "--only", "tower.dropout,learning_rate")
    said = call("tune", shop.log, "--preset", "auto", *small, *rules, "--out", tmp_path)
    name, values = (
        suited(read_log(shop.log).interactions, False)[0],
        Tuned.read(tmp_path / "best.json").set,
    )
    assert f"preset {name}: " in said.err
    assert values["tower.dropout"] == PRESETS[name].values["tower.dropout"]
    trial = json.loads((tmp_path / "best.json").read_text())["search"]["trials"][0]
    assert set(trial["setting"]) == {"tower.dropout", "learning_rate"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "sparse", "--model", "als"), "leave --model and --settings out"),
        (("--preset", "spars"), "no preset 'spars'; there is sparse"),
        (("--model", "als", "--only", "dims"), "no hyperparameter 'dims'; there is dim"),
        (("--model", "als", "--finalists", 0), "finalists is a whole number, 1 at least, not 0"),
        (("--preset", "auto", "--only", "dims"), "no hyperparameter 'dims'; there is dim"),
        (("--only", "unit"), "unit matters with a column group alone: name it (--columns group="),
    ],
)
def test_a_search_that_cannot_begin_is_one_line(words, message, shop, refused, tmp_path):
    said = refused("tune", shop.log, "--out", tmp_path / "out", "--quiet", *words)
    assert message in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [{"only": "dim"}, {"finalists": 1.5}, {"finalists": "2"}])
def test_what_only_python_can_get_wrong_is_told(wrong, shop, tmp_path):
    with pytest.raises(DataError, match=r"only is a list of names|finalists is a whole number"):
        tune(shop.log, tmp_path / "out", model="als", **wrong, **LAST)


def test_a_search_with_other_words_of_items_is_not_gone_on_with(shop, call, refused, tmp_path):
    given = ("tune", shop.log, "--out", tmp_path / "found", "--model", "popularity", "--quiet")
    rules = ("--trials", 1, "--test", "last:1", "--valid", "last:1")
    call(*given, *rules, "--items", shop.items)
    other = tmp_path / "items.csv"
    other.write_text(shop.items.read_text().replace("Thing 7,", "Ding 7,"))
    assert other.read_text() != shop.items.read_text()
    assert " has a search with items " in refused(*given, *rules, "--items", other)
    call(*given, *rules, "--items", shop.items)


def test_patience_ends_no_trial(shop, tmp_path):
    """`train` with the settings has nothing to watch, and trains to the end."""
    pytest.importorskip("torch")
    fixed = TOWERS | {"tower": "mean", "loss.negatives": 8, "epochs": 12, "learning_rate": 0.1}
    values = [
        tune(shop.log, tmp_path / name, model="two-tower", set=fixed | more, trials=1, **LAST).value
        for name, more in (("one", {}), ("two", {"patience": 1}))
    ]
    assert values[0] == values[1]


def test_a_sample_has_the_items_and_whole_users_and_enough_of_those_asked(few):
    parts = before_test(split(fashion(), "last:1", "time:-1d"))
    assert parts.part.max() == VALID
    asked = np.unique(parts.valid.interactions.events.owners())
    some, share = sampled(parts, 0.0001, seed=1)
    owners = some.log.interactions.events.owners()
    chosen = np.unique(owners)
    assert some.log.interactions.n_items == 40
    assert len(np.intersect1d(chosen, asked)) == min(20, len(asked))
    assert share == min(20, len(asked)) / len(asked)
    sizes = parts.log.interactions.events.sizes
    assert (some.log.interactions.events.sizes[chosen] == sizes[chosen]).all()
    assert len(some.part) == len(some.log.interactions)
    whole, share = sampled(parts, 1.0, seed=1)
    assert share == 1.0
    assert whole is parts


def test_the_command_says_what_the_file_has(shop, call, tmp_path):
    command = ("tune", shop.log, "--out", tmp_path / "found", "--model", "repeat", "--trials", 2)
    rules = ("--test", "last:1", "--valid", "last:1", "--metric", "recall@5")
    said = call(*command, *rules, "--space", "recency.decay=0.5..0.9")
    found = Tuned.read(tmp_path / "found" / "best.json")
    told = {"model": "repeat", "set": found.set, "recall@5": found.value}
    assert said.answers == [told]
    assert 0.5 <= found.set["recency.decay"] <= 0.9
    assert "2 trials" in said.err
    assert said.err.rstrip().endswith(f"-> {tmp_path / 'found' / 'best.json'}")


def tuned(**values):
    one = Tuned(
        "als", {"dim": 8, "recency.decay": 0.5}, "ndcg@10", 0.25, "last:1", "last:1", 0, "x", NONE
    )
    return replace(one, **values)


NONE = Search("ndcg@10", 1.0, ())


def test_training_takes_the_model_and_the_setting_and_keeps_the_search(shop, call, tmp_path):
    tuned().write(tmp_path / "best.json")
    command = ("train", shop.log, "--settings", tmp_path / "best.json", "--quiet")
    call(*command, "--set", "dim=4", "--set", "iterations=2", "--out", tmp_path / "run")
    facts = Run.open(tmp_path / "run").facts
    assert facts["model"] == "als"
    setting = facts["setting"]
    assert (setting["dim"], setting["iterations"], setting["recency"]["decay"]) == (4, 2, 0.5)
    assert of_plain(Search, facts["search"]) == NONE
    cut = {"data": "x", "test": "last:1", "valid": "last:1", "split_seed": 0}
    assert facts["tuned"] == cut


def test_a_run_whose_setting_saw_its_test_part_is_not_evaluated_without_a_word(
    shop, call, refused, tmp_path
):
    run = tmp_path / "run"
    data = read_log(shop.log).interactions.fingerprint()
    tuned(data=data, test="last:2").write(tmp_path / "best.json")
    settings = ("--settings", tmp_path / "best.json", "--set", "iterations=2", "--test", "last:1")
    call("train", shop.log, *settings, "--out", run, "--quiet")
    assert "setting chosen on what is asked" in refused("evaluate", run, "--no-html", "--quiet")
    said = call("evaluate", run, "--no-html", "--quiet", "--leaks", "report")
    assert "Not to be trusted: the audit found 1 leak." in said.out


def test_a_searched_setting_is_audited_behind_an_equal_one_that_was_not_searched(
    shop, call, refused, tmp_path
):
    data = read_log(shop.log).interactions.fingerprint()
    tuned(model="popularity", set={}, data=data, test="last:2").write(tmp_path / "best.json")
    how = ("--test", "last:1", "--quiet")
    call("train", shop.log, "--model", "popularity", *how, "--out", tmp_path / "plain")
    settings = ("--settings", tmp_path / "best.json", "--seed", 1)
    call("train", shop.log, *settings, *how, "--out", tmp_path / "tuned")
    both = (tmp_path / "plain", tmp_path / "tuned", "--out", tmp_path / "report")
    assert "setting chosen on what is asked" in refused("evaluate", *both, "--no-html", "--quiet")


TOWERS = {"tower": "attention", "loss": "sampled", "dim": 8, "epochs": 4, "batch_size": 64}


def test_the_chosen_kinds_of_parts_are_searched_and_trained_again(shop, call, tmp_path):
    pytest.importorskip("torch")
    fixed = [word for name, value in TOWERS.items() for word in ("--set", f"{name}={value}")]
    rules = ("--test", "last:1", "--valid", "last:1", "--threads", 1, "--quiet")
    how = ("--model", "two-tower", *fixed, "--trials", 2, *rules)
    call("tune", shop.log, *how, "--space", "loss.negatives=4,8", "--out", tmp_path)
    found = Tuned.read(tmp_path / "best.json")
    assert {name: found.set[name] for name in ("tower.kind", "loss.kind", "dim")} == {
        "tower.kind": "attention", "loss.kind": "sampled", "dim": 8,
    }  # fmt: skip
    assert {"tower.heads", "loss.negatives", "loss.popular"} <= set(found.set)
    assert {"tower.blocks", "dim"}.isdisjoint(found.search.trials[1].setting)
    settings = ("--settings", tmp_path / "best.json", *rules, "--tune")
    call("train", shop.log, *settings, "--out", tmp_path / "run")
    facts = Run.open(tmp_path / "run").facts
    made = estimator("two-tower", facts["setting"])
    assert made == estimator("two-tower", found.set)
    assert kinds(made) == {"tower": "attention", "loss": "sampled"}
    assert made.loss.negatives == found.set["loss.negatives"] in (4, 8)


def test_looks_at_towers_on_the_way_are_told_to_the_search(shop, tmp_path, monkeypatch):
    """At most ten of them, after epochs; what falls behind can be given up there."""
    pytest.importorskip("torch")
    looks = []
    value = Objective.value

    def counted(self, model):
        looks.append(value(self, model))
        return looks[-1]

    monkeypatch.setattr(Objective, "value", counted)
    fixed = TOWERS | {"tower": "mean", "epochs": 3, "loss.negatives": 8}
    found = tune(shop.log, tmp_path, model="two-tower", set=fixed, trials=1, **LAST)
    assert len(looks) == 3
    assert found.value == looks[-1]


def test_a_kind_that_is_set_beside_a_settings_file_takes_the_place_of_its_part(
    shop, call, tmp_path
):
    pytest.importorskip("torch")
    values = {"tower.kind": "attention", "tower.heads": 1, "dim": 8, "epochs": 1}
    tuned(model="two-tower", set=values).write(tmp_path / "best.json")
    settings = ("--settings", tmp_path / "best.json", "--set", "tower=mean", "--quiet")
    call("train", shop.log, *settings, "--out", tmp_path / "run")
    made = estimator("two-tower", Run.open(tmp_path / "run").facts["setting"])
    assert made == estimator("two-tower", {"tower": "mean", "dim": 8, "epochs": 1})


def test_settings_of_another_model_are_refused(shop, refused, tmp_path):
    tuned().write(tmp_path / "best.json")
    command = ("train", shop.log, "--settings", tmp_path / "best.json", "--model", "repeat")
    said = refused(*command, "--out", tmp_path / "run")
    assert said == "recembed: the settings are of als, not of repeat: leave --model out"
    assert not (tmp_path / "run").exists()


def test_a_settings_file_reads_as_it_was_written(tmp_path):
    one = tuned(set={"days": None, "unit": "group", "shrink": True, "features": ["a", "b"]})
    one.write(tmp_path / "best.json")
    assert Tuned.read(tmp_path / "best.json") == one
    assert [*tmp_path.iterdir()] == [tmp_path / "best.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model: als", "is not what `recembed tune` writes (best.json)"),
        (b"\xff\xfe", "is not what `recembed tune` writes (best.json)"),
        (b"[]", "is not what `recembed tune` writes (best.json)"),
        (b'{"model": "als"}', "is not what `recembed tune` writes (best.json)"),
        (json.dumps(to_plain(tuned(model=3))).encode(), "it names no model, or no setting"),
        (json.dumps(to_plain(tuned()) | {"set": [1]}).encode(), "is not what"),
        (json.dumps(to_plain(tuned()) | {"search": 1}).encode(), "is not what"),
        (json.dumps(to_plain(tuned(model="alz"))).encode(), "no model 'alz'; there is als"),
        (json.dumps(to_plain(tuned(set={"dimm": 1}))).encode(), "no hyperparameter 'dimm'"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_no_setting_is_one_line(content, message, shop, refused, tmp_path):
    if content is not None:
        (tmp_path / "best.json").write_bytes(content)
    said = refused(
        "train", shop.log, "--settings", tmp_path / "best.json", "--out", tmp_path / "run"
    )
    assert message in said
    assert not (tmp_path / "run").exists()


def test_a_valid_part_that_asks_nothing_is_one_line(tmp_path):
    with pytest.raises(DataError, match="leaves"):
        tune(
            fashion(), tmp_path / "out", model="repeat", test="last:1", valid="last:50", quiet=True
        )
    assert not (tmp_path / "out").exists()
