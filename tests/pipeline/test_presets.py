"""Training with a preset: that of the log's kind, or the one that is named."""

import pandas as pd
import pytest

from recembed.models.presets import PRESETS
from recembed.run.folder import Run

QUICK = ("--threads", "1", "--test", "last:1", "--set", "epochs=1", "--set", "dim=8")


def test_auto_takes_the_preset_of_the_log_and_says_why(shop, call, tmp_path):
    said = call("train", shop.log, "--out", tmp_path / "run", "--preset", "auto", *QUICK).err
    facts = Run.open(tmp_path / "run").facts
    name, why = facts["preset"]["name"], facts["preset"]["why"]
    assert f"preset {name}: {why}" in said
    assert "events a user, in order" in why
    assert facts["model"] == PRESETS[name].model
    assert (facts["setting"]["dim"], facts["setting"]["epochs"]) == (8, 1)


def test_the_order_of_a_file_counts_for_auto(shop, call, tmp_path):
    said = call(
        *("train", without(shop.log, "timestamp", tmp_path / "log.csv"), "--file-order"),
        *("--out", tmp_path / "run", "--preset", "auto", *QUICK),
    ).err
    assert "events a user, in order" in said


def without(log, column, out):
    """The log as a file that lacks a column."""
    pd.read_csv(log, dtype=str).drop(columns=column).to_csv(out, index=False)
    return out


def test_a_preset_that_is_named_is_taken(shop, call, tmp_path):
    out = ("--out", tmp_path / "run", "--quiet", "--preset", "unordered")
    call("train", shop.log, *out, *QUICK)
    facts = Run.open(tmp_path / "run").facts
    assert facts["preset"] == {"name": "unordered", "why": "asked for"}
    assert facts["setting"]["tower"]["kind"] == "mean"


def test_a_preset_goes_with_no_model_and_no_settings(shop, refused, tmp_path):
    def says(message, *arguments):
        assert message in refused("train", shop.log, "--out", tmp_path / "run", *arguments)

    says("leave --model and --settings out", "--preset", "auto", "--model", "als")
    says("no preset 'spars'; there is sparse", "--preset", "spars")
    says("no hyperparameter 'factors'", "--preset", "auto", "--set", "factors=3", "--quiet")
    assert not (tmp_path / "run").exists()


def test_a_preset_that_the_log_lacks_something_for_is_refused(shop, refused, tmp_path):
    log = without(shop.log, "timestamp", tmp_path / "log.csv")
    for verb in ("train", "tune"):
        for name, lacking in (("sparse", "neither times nor positions"), ("baskets", "has none")):
            out = ("--out", tmp_path / "out", "--preset", name)
            assert lacking in refused(verb, log, *out)
            assert not (tmp_path / "out").exists()


def test_auto_says_that_a_smaller_model_may_lead_with_few_users(shop, call, tmp_path):
    asked = ("train", shop.log, "--out", tmp_path / "run", "--preset", "auto", *QUICK)
    assert "users are few: als may lead, train it, too" in call(*asked).err


def test_a_log_without_order_is_told(shop, call, tmp_path):
    log = without(shop.log, "timestamp", tmp_path / "log.csv")
    told = "events have no order: --columns time=COLUMN names times, --file-order takes the file's"
    out = ("--model", "popularity", "--test", "none", "--out", tmp_path / "run")
    assert told in call("train", log, *out).err
    assert told not in call("train", log, "--file-order", *out).err
    assert told not in call("train", shop.log, *out).err


def test_what_train_takes_for_a_log_is_what_tune_takes(call, tmp_path):
    """52 events a user, 47 before the test part."""
    pytest.importorskip("optuna")
    rows = [f"u{user},i{(user * at) % 97},{at}" for user in range(40) for at in range(52)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows, ""]))
    asked = (tmp_path / "log.csv", "--preset", "auto", "--set", "epochs=1", "--set", "dim=8")
    trained = call("train", *asked, "--out", tmp_path / "run").err
    tuned = call("tune", *asked, "--out", tmp_path / "s", "--trials", 1, "--only", "dropout").err
    assert "preset sparse: 47.0" in trained
    assert trained.split("\n")[0] == tuned.split("\n")[0]
