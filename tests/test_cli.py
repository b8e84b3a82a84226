"""How the command line speaks: exit codes, progress, interruption."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import redirect_stderr
from pathlib import Path

import pytest

import recembed
from recembed.cli import main
from recembed.models import registry
from recembed.models.presets import PRESETS
from recembed.text import registry as texts

PROGRAM = [sys.executable, "-c", "from recembed.cli import main; main()"]
QUICK = ("--set", "dim=8", "--set", "negatives=3", "--set", "epochs=2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Usage: recembed"),
        (("trian",), "No such command 'trian'"),
        (("train",), "Missing argument 'LOG'"),
        (("train", "log.csv"), "Missing option '--out'"),
        (("train", "log.csv", "--out", "x", "--epochs", "3"), "No such option"),
        (("train", "log.csv", "--out", "x", "--set", "dim"), "'dim' is not NAME=VALUE"),
        (("train", "log.csv", "--out", "x", "--set", "=8"), "'=8' is not NAME=VALUE"),
        (("train", "log.csv", "--out", "x", "--min-user", "x"), "'x' is not a valid integer"),
        (("train", "log.csv", "--out", "x", "--seen", "never"), "'auto', 'allow', 'exclude'"),
        (("index", "run", "--kind", "faiss"), "'auto', 'exact', 'annoy', 'hnsw', 'ivf'"),
        (("evaluate",), "Missing argument 'RUNS...'"),
        (("evaluate", "run", "--on", "train"), "'valid', 'test'"),
        (("recommend", "run", "--k", "ten"), "'ten' is not a valid integer"),
        (("similar", "run"), "Missing argument 'ITEM...'"),
        (("export", "run"), "Missing option '--out'"),
        (("export", "run", "--out", "x", "--form", "csv"), "'word2vec-binary'"),
        (("datasets", "show"), "Missing argument 'NAME'"),
    ],
)
def test_wrong_usage_exits_2_and_says_why(misused, arguments, message):
    assert message in misused(*arguments)


def test_help_names_every_command(call):
    told = call("--help").out
    for name in ("train", "index", "evaluate", "recommend", "similar", "export", "models"):
        assert f"  {name} " in told
    assert call("-h").out == told
    assert call("--version").out == f"recembed, version {recembed.__version__}\n"


def test_models_lists_them_and_their_hyperparameters_with_defaults(call, refused):
    named = [*registry.names(), *texts.names(), "word-vectors"]
    presets = [f"preset {name}" for name in PRESETS]
    lines = call("models").out.splitlines()
    assert [line[:19].rstrip() for line in lines[len(named) :]] == presets
    assert [line.split()[0] for line in lines[: len(named)]] == named
    told = call("models", "item2vec").out
    assert "dim = 128 1..4096: length of a vector" in told
    assert "recency.decay = 0.65 0.0..1.0: " in told
    for name in (*named, *PRESETS):
        assert call("models", name).out
    assert "'item-kn'; there is item-knn" in refused("models", "item-kn")
    assert "no model or preset 'dens'; there is dense" in refused("models", "dens")


def test_datasets_are_listed_and_shown(call, refused):
    names = [line.split()[0] for line in call("datasets", "list").out.splitlines()]
    assert "ml-100k" in names
    for name in names:
        assert json.loads(call("datasets", "show", name).out)["name"] == name
    assert "did you mean ml-100k" in refused("datasets", "show", "ml-100")


def test_doctor_says_what_is_there(call):
    assert "ok  numpy" in call("doctor").out


def test_progress_is_plain_lines_where_stderr_is_no_terminal(shop, call, tmp_path):
    said = call("train", shop.log, "--test", "last:1", "--out", tmp_path / "run", *QUICK)
    assert said.out == ""
    first, last, held = said.err.splitlines()
    assert first.startswith("cbow: done, ")
    assert last.startswith("item2vec trained in ")
    assert held == "held out by last:1: 120 events"
    assert "\r" not in said.err
    said = call("evaluate", tmp_path / "run")
    assert said.err.startswith("evaluate item2vec: done, 120 cases")
    assert said.out.startswith("item2vec has recall@10 ")


def test_quiet_says_nothing_on_stderr(shop, call, tmp_path):
    run = tmp_path / "run"
    assert call("train", shop.log, "--out", run, "--quiet", *QUICK).err == ""
    assert call("index", run, "--kind", "annoy", "--quiet").err == ""
    assert call("evaluate", run, "--quiet").err == ""


def test_answers_are_json_lines_and_nothing_else(made, call):
    run = made("item2vec")
    said = call("recommend", run, "--user", "u001", "--user", "nobody", "-k", 3)
    assert said.err == ""
    assert [answer["user"] for answer in said.answers] == ["u001", "nobody"]
    assert [len(answer["items"]) for answer in said.answers] == [3, 3]
    assert said.answers[0]["reason"] == "model"
    assert said.answers[1]["reason"] == "user 'nobody' is unknown: popular items"
    said = call("similar", run, "001", "059")
    assert (said.err, [answer["item"] for answer in said.answers]) == ("", ["001", "059"])


def test_a_terminal_gets_a_bar(shop, call, tmp_path):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    shown: list[bytes] = []

    def watch():
        while True:
            try:
                shown.append(os.read(ours, 4096))
            except OSError:
                return
            if not shown[-1]:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    before, terminal = sys.argv, os.fdopen(theirs, "w")
    sys.argv = ["recembed", "train", str(shop.log), "--out", str(tmp_path / "run"), *QUICK]
    try:
        with terminal, redirect_stderr(terminal), pytest.raises(SystemExit) as end:
            main()
    finally:
        sys.argv = before
        watcher.join(5)
        os.close(ours)
    text = b"".join(shown).decode()
    assert not end.value.code
    assert "\r" in text
    assert "cbow: 100%|" in text
    assert "loss" in text
    assert "item2vec trained in" in text


def started(*arguments):
    """A command in a process of its own, which hears Ctrl-C even where its parent does not."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def interrupted(shop, folder: Path):
    """Ctrl-C while training into `folder`: the exit code and what was said."""
    endless = ("--set", "dim=8", "--set", "negatives=3", "--set", "epochs=1000000")
    process = started("train", shop.log, "--out", folder, *endless)
    patience = time.monotonic() + 30
    while not (folder / ".writing").exists() and time.monotonic() < patience:
        time.sleep(0.02)
    assert (folder / ".writing").exists(), process.communicate(timeout=1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == ""
    return process.returncode, err


def test_an_interrupted_training_leaves_no_run_and_no_traceback(shop, tmp_path):
    code, said = interrupted(shop, tmp_path / "run")
    assert code in (1, 130)
    assert said.strip() == "Aborted!"
    assert [*tmp_path.iterdir()] == []


def test_an_interrupted_training_leaves_the_old_run(shop, copied, contents, call):
    run = copied("popularity")
    before = contents(run)
    code, said = interrupted(shop, run)
    assert code in (1, 130)
    assert "Traceback" not in said
    assert contents(run) == before
    assert call("recommend", run, "--user", "u001").answers[0]["reason"] == "model"


def test_an_output_that_nobody_reads_is_no_traceback(made):
    process = started("recommend", made("popularity"), *["--user", "u001"] * 40, "-k", "60")
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert "Traceback" not in process.stderr.read()
    process.wait(30)
