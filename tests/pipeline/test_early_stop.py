"""Training that is watched, or ends before its time: what the run has and says."""

import os
import signal

import numpy as np
import pytest
from click.testing import CliRunner

from recembed import Recommender
from recembed.cli import cli
from recembed.data.split import VALID
from recembed.pipeline.commands import commands
from recembed.run.folder import Run, writing
from recembed.training import skipgram
from recembed.training.towers.state import State

SET = (
    *("dim=8", "epochs=6", "batch_size=64", "learning_rate=0.01", "average=0"),
    *("tower.blocks=1", "tower.heads=1", "tower.width=1"),
)
TOWERS = ("--model", "two-tower", "--threads", "1", *(x for each in SET for x in ("--set", each)))
HELD = ("--test", "last:1", "--valid", "last:1")


@pytest.fixture
def train(shop, call, tmp_path):
    """Train with these options: the Run."""

    def run(*options, out="run"):
        call("train", shop.log, "--out", tmp_path / out, "--quiet", *options)
        return Run.open(tmp_path / out)

    return run


@pytest.fixture
def ended(shop, tmp_path):
    """Train into "run": the exit code and what was said."""

    def run(*options):
        words = ["train", shop.log, "--out", tmp_path / "run", "--quiet", *options]
        done = CliRunner().invoke(cli, list(map(str, words)))
        return done.exit_code, done.output

    return run


@pytest.fixture
def pressed(monkeypatch):
    """Ctrl-C in a step, once."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    step = State.step

    def press(at):
        def pressing(state, *given):
            if state.steps == at:
                monkeypatch.setattr(State, "step", step)
                os.kill(os.getpid(), signal.SIGINT)
            return step(state, *given)

        monkeypatch.setattr(State, "step", pressing)

    yield press
    signal.signal(signal.SIGINT, before)


def model(run):
    return {name: each.tobytes() for name, each in run.arrays("model").items()}


def test_the_best_round_is_kept_and_the_run_says_which(train):
    watched = train(*TOWERS, *HELD, "--early-stop")
    values, training = watched.facts["watched"]["values"], watched.facts["training"]
    assert watched.facts["trained"] == VALID
    assert (len(values), watched.facts["watched"]["metric"]) == (6, "ndcg@10")
    assert training["epochs"] == 1 + int(np.argmax(values))
    assert training["looks"] == [[at, value] for at, value in enumerate(values, start=1)]
    assert (training["of"], training["ended"]) == (6, "complete")
    shorter = ("--set", f"epochs={training['epochs']}")
    assert model(train(*TOWERS, *shorter, *HELD, "--tune", out="again")) == model(watched)


def test_what_is_watched_is_what_an_evaluation_on_the_valid_part_finds(train, evaluated):
    watched = train(*TOWERS, *HELD, "--early-stop")
    report = evaluated(watched.folder, "--on", "valid")
    (found,) = report.models.values()
    assert found["ndcg@10"].mean == pytest.approx(max(watched.facts["watched"]["values"]))
    names = [each.name for each in report.findings]
    assert "training ended by what is asked" in names
    assert "training ended before its time" not in names


@pytest.mark.parametrize("how", ["--early-stop", "--tune"])
def test_of_twins_one_that_was_watched_is_enough_to_be_told(train, evaluated, how):
    als = ("--model", "als", "--set", "iterations=2", *HELD)
    runs = [train(*als, "--tune", out="one"), train(*als, how, "--seed", "1", out="other")]
    report = evaluated(runs[0].folder, runs[1].folder, "--on", "valid")
    (name,) = report.models
    told = [each.text for each in report.findings if each.name == "training ended by what is asked"]
    assert len(told) == (how == "--early-stop")
    assert all(f"training of '{name}' ended" in text for text in told)


def test_patience_ends_it(train):
    impatient = train(*TOWERS, *HELD, "--early-stop", "--set", "patience=1", "--set", "epochs=40")
    training = impatient.facts["training"]
    assert training["ended"] == "patience"
    assert len(training["looks"]) < 20
    assert training["looks"][-2][0] == training["epochs"]


def test_the_commands_of_a_report_watch_again(train):
    watched = train(*TOWERS, *HELD, "--early-stop")
    first, *_ = commands([watched], ["run"], {})
    assert "--early-stop" in first
    assert "--tune" not in first
    first, *_ = commands([train(*TOWERS, *HELD, "--tune", out="tuned")], ["run"], {})
    assert "--early-stop" not in first
    assert "--tune" in first


def test_other_models_of_rounds_are_watched_as_well(train):
    watched = train("--model", "als", "--set", "iterations=4", *HELD, "--early-stop").facts
    assert len(watched["watched"]["values"]) == 4
    assert watched["trained"] == VALID


def test_a_model_without_rounds_is_refused_and_leaves_no_run(shop, refused, tmp_path):
    said = refused(
        *("train", shop.log, "--out", tmp_path / "run", "--quiet"),
        *("--model", "popularity", *HELD, "--early-stop"),
    )
    assert said == "recembed: popularity is not trained in rounds: leave early_stop out"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--test", "last:1"), "needs a valid part: name its rule (--valid auto)"),
        ((*HELD, "--refit"), "leaves the valid part out, refit nothing: choose one"),
    ],
)
def test_without_a_valid_part_there_is_nothing_to_watch(shop, refused, tmp_path, options, why):
    said = refused("train", shop.log, "--out", tmp_path / "run", "--early-stop", *options)
    assert said == f"recembed: early_stop {why}"


def test_ctrl_c_leaves_a_run_that_says_so_and_answers(ended, pressed, train, tmp_path):
    a_step_of = train(*TOWERS, *HELD, "--set", "epochs=1", out="one").facts["training"]["steps"]
    pressed(at=2 * a_step_of - 1)
    code, said = ended(*TOWERS, *HELD)
    run = Run.open(tmp_path / "run")
    assert code == 130
    assert said == (
        f"recembed: interrupted in epoch 2 of 6; {run.folder} has what was learned by then\n"
    )
    training = run.facts["training"]
    assert (training["ended"], training["epochs"], training["of"]) == ("interrupted", 2, 6)
    assert training["steps"] == 2 * a_step_of
    assert model(run) == model(train(*TOWERS, *HELD, "--set", "epochs=2", out="two"))
    assert len(Recommender.load(run.folder).recommend("u001", k=5).items) == 5


def test_ctrl_c_twice_leaves_nothing(ended, monkeypatch, tmp_path):
    def press(state, *_):
        state.whole = False
        raise KeyboardInterrupt

    monkeypatch.setattr(State, "step", press)
    code, said = ended(*TOWERS, *HELD)
    assert (code, said.strip()) == (1, "Aborted!")
    assert [*tmp_path.iterdir()] == []


def test_ctrl_c_with_a_checkpoint_keeps_the_state_and_the_same_call_goes_on(
    ended, pressed, train, tmp_path
):
    file, watched = tmp_path / "state", (*TOWERS, *HELD, "--early-stop")
    pressed(at=5)
    code, said = ended(*watched, "--checkpoint", file)
    assert code == 130
    assert said == (
        f"recembed: interrupted; {file} keeps the state, the same call goes on from there\n"
    )
    assert [*tmp_path.iterdir()] == [file]
    assert ended(*watched, "--checkpoint", file) == (0, "")
    assert not file.exists()
    run, whole = Run.open(tmp_path / "run"), train(*watched, out="whole")
    assert model(run) == model(whole)
    assert run.facts["training"] == whole.facts["training"]
    assert run.facts["watched"] == whole.facts["watched"]


def test_the_states_of_item_vectors_and_words_are_told_alike(ended, monkeypatch, tmp_path):
    def press(work, *_):
        work.save()
        raise KeyboardInterrupt

    monkeypatch.setattr(skipgram.Work, "until_due", press)
    file = tmp_path / "state"
    told = f"recembed: interrupted; {file} keeps the state, the same call goes on from there\n"
    assert ended("--set", "dim=8", "--checkpoint", file) == (130, told)
    (tmp_path / "words.txt").write_text("one two three\n" * 50)
    words = ("text", "train-words", tmp_path / "words.txt", "--out", tmp_path / "words", "--quiet")
    options = ("--set", "tokens.min_count=1", "--set", "dim=8", "--checkpoint", tmp_path / "other")
    done = CliRunner().invoke(cli, [*map(str, (*words, *options))])
    assert (done.exit_code, done.output) == (130, told.replace(str(file), str(tmp_path / "other")))
    assert {path.name for path in tmp_path.iterdir()} == {"state", "other", "words.txt"}


def test_what_diverges_leaves_the_last_good_run_and_says_what_to_change(shop, refused, tmp_path):
    given = (*TOWERS, *HELD, "--set", "batch_size=500", "--set", "learning_rate=1e4")
    said = refused("train", shop.log, "--out", tmp_path / "run", "--quiet", *given)
    run = Run.open(tmp_path / "run")
    training = run.facts["training"]
    assert (training["ended"], training["epochs"]) == ("diverged", 1)
    assert training["why"] == "training diverged in epoch 2 at learning_rate 10000.0: set it lower"
    assert said == f"recembed: {training['why']}; {run.folder} has what was learned by then"
    assert all(np.isfinite(each).all() for each in run.arrays("model").values())


@pytest.mark.parametrize("end", ["interrupted", "diverged", "patience", "complete"])
def test_a_report_says_of_which_runs_training_ended_before_its_time(train, evaluated, end):
    runs = [train("--model", "popularity", *HELD, out=out) for out in ("whole", "run")]
    with writing(runs[1].folder, new=False) as writer:
        writer.facts({"training": {"ended": end, "why": "it stopped in epoch 2 of 6"}})
    findings = evaluated(runs[0].folder, runs[1].folder).findings
    told = [each for each in findings if each.name == "training ended before its time"]
    if end in ("patience", "complete"):
        assert told == []
        return
    (found,) = told
    assert found.kind == "note"
    assert found.text == (
        "popularity (run), seed 0: it stopped in epoch 2 of 6; what was learned by then is measured"
    )


@pytest.mark.parametrize("end", ["interrupted", "diverged"])
def test_a_backtest_trains_again_what_ended_before_its_time(shop, call, tmp_path, end):
    command = ("backtest", shop.log, "--out", tmp_path / "back", "--model", "popularity")
    options = ("--points", 1, "--window", "2d", "--quiet")
    call(*command, *options)
    (folder,) = {path.parent for path in (tmp_path / "back").rglob("manifest.json")}
    with writing(folder, new=False) as writer:
        writer.facts({"training": {"ended": end}})
    call(*command, *options)
    assert "training" not in Run.open(folder).facts
    created = Run.open(folder).created
    call(*command, *options)
    assert Run.open(folder).created == created
