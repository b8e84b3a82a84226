"""What the training of an encoder is told: refused before the work where it is of no use."""

import sys

import numpy as np
import pandas as pd
import pytest

import recembed
from recembed.errors import DataError
from recembed.run.folder import Run

pytest.importorskip("sklearn")

WORDS = ["ship", "sail", "wave", "tide", "oven", "loaf", "crust", "baker"]
TFIDF = ("--model", "tf-idf", "--set", "terms=words", "--set", "dim=4")
SPELLED = ("--set", "meaning=0", "--set", "tune.epochs=3", "--set", "tune.batch_size=16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Texts and pairs in files."""
    place, random = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 4)) for _ in range(80)]
    (place / "texts.txt").write_text("\n".join(texts))
    pairs = pd.DataFrame({"sentence1": texts[:40], "sentence2": texts[40:]})
    pairs.to_csv(place / "alike.csv", index=False)
    pairs.assign(score=random.random(40)).to_csv(place / "pairs.csv", index=False)
    pairs.assign(score=random.random(40)).to_csv(place / "valid.csv", index=False)
    pairs.assign(score=3).to_csv(place / "constant.csv", index=False)
    pairs.assign(score=3).head(1).to_csv(place / "one.csv", index=False)
    pairs.assign(sentence2=" ").to_csv(place / "blank.csv", index=False)
    return place


@pytest.fixture(scope="module")
def run(folder, call):
    """A run of TF-IDF; never change it."""
    call("text", "train", folder / "texts.txt", *TFIDF, "--out", folder / "run", "--quiet")
    return folder / "run"


@pytest.fixture(scope="module")
def tuned(folder, call):
    """A run of a bag that learned from pairs without scores, and what was said of it."""
    pytest.importorskip("torch")
    out, files = (
        folder / "tuned",
        ("--pairs", folder / "alike.csv", "--valid", folder / "pairs.csv"),
    )
    return out, call("text", "train", folder / "texts.txt", *SPELLED, *files, "--out", out).err


def test_mistakes_are_one_line(run, folder, refused, tmp_path):
    def says(message, *arguments):
        assert message in refused("text", *arguments)

    out = ("--out", tmp_path / "out")
    texts, pairs = folder / "texts.txt", folder / "pairs.csv"
    listed = "no encoder 'bert'; there is sbert, tf-idf, bag, network"
    says(listed, "train", texts, "--model", "bert", *out)
    says("there is no file", "train", tmp_path / "no", *TFIDF, *out, "--quiet")
    says("no hyperparameter 'dmi'", "train", texts, *TFIDF, "--set", "dmi=3", *out)
    says("does not learn from pairs", "train", texts, *TFIDF, "--pairs", pairs, *out, "--quiet")
    kept = ("--checkpoint", tmp_path / "kept", *out, "--quiet")
    says("tf-idf keeps no checkpoint", "train", texts, *TFIDF, *kept)
    says("from an encoder keeps no", "train", "--start", run, "--pairs", pairs, *kept)
    says("no column role 'txt'", "train", texts, *TFIDF, "--columns", "txt=a", *out)
    says("its lines are its texts", "train", texts, *TFIDF, "--columns", "text=a", *out)
    says("there is no file", "evaluate", run, tmp_path / "no")
    says("pairs are sentence1", "evaluate", run, texts)
    says("there is no folder", "evaluate", run, pairs, "--out", tmp_path / "no" / "report.json")
    says("there is no folder", "encode", run, texts, "--out", tmp_path / "no" / "file")
    says("has no column 'id'", "encode", run, texts, *out, "--columns", "id=id", "--quiet")
    says("no text column that can be guessed", "encode", run, pairs, *out, "--quiet")
    (tmp_path / "empty.txt").write_text("")
    says("there are 0 texts", "encode", run, tmp_path / "empty.txt", *out, "--quiet")
    with pytest.raises(DataError, match="none is named"):
        recembed.evaluate_text(run, [])
    with pytest.raises(DataError, match="invalid is refuse or replace"):
        recembed.encode_texts(run, texts, out=tmp_path / "out", invalid="ignore")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.txt"]


def test_what_is_of_no_use_is_refused_before_a_text_is_read(tuned, folder, refused, tmp_path):
    def says(message, *arguments):
        given = (*arguments, "--out", tmp_path / "out", "--quiet")
        assert message in refused("text", "train", *given)

    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"\xff\n")  # whoever reads it refuses that
    files = {
        name: folder / f"{name}.csv" for name in ("pairs", "constant", "one", "blank", "alike")
    }
    scored, same = ("--pairs", files["pairs"]), ("--valid", files["pairs"])
    says("does not learn from pairs", bad, *TFIDF, *scored)
    says("scores of the pairs are all alike", bad, "--pairs", files["constant"])
    says("set tune.loss=cosent", bad, *scored, "--set", "tune.loss=softmax")
    says("needs a negative", bad, "--pairs", files["alike"], "--set", "tune.loss=triplet")
    says("pairs of blank.csv has an empty text", bad, "--pairs", files["blank"])
    says("constant.csv judges nothing", bad, *scored, "--valid", files["constant"])
    says("one.csv judges nothing", bad, *scored, "--valid", files["one"])
    says("would judge by what it learns from", bad, *scored, *same)
    says("goes on with pairs alone: leave the texts out", bad, "--start", tuned[0], *scored)
    for given in ((bad,), scored, same):
        says("sbert is as it is: leave", *given, "--model", "sbert", "--set", "path=nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.txt"]


class Without:
    """Finds that a package is not there."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, *_):
        if name == self.package:
            raise ModuleNotFoundError(name=name)


@pytest.mark.parametrize(
    ("model", "package"), [("tf-idf", "sklearn"), ("network", "torch"), ("network", "tokenizers")]
)
def test_a_package_that_is_missing_is_told_before_a_text_is_read(
    model, package, refused, tmp_path, monkeypatch
):
    (tmp_path / "bad.txt").write_bytes(b"\xff\n")
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(package), *sys.meta_path])
    given = ("--model", model, "--out", tmp_path / "out", "--quiet")
    assert "needs an optional package" in refused("text", "train", tmp_path / "bad.txt", *given)


def test_a_file_that_training_does_not_keep_its_state_in_is_never_removed(
    folder, call, refused, tmp_path
):
    titles, before = tmp_path / "titles.txt", (folder / "texts.txt").read_bytes()
    titles.write_bytes(before)
    out = ("--out", tmp_path / "out", "--quiet")
    for setting in (
        ("--model", "tf-idf"),
        ("--set", "meaning=0"),
        ("--model", "network", "--set", "network=mean"),
        ("--model", "network", "--set", "masked.epochs=0"),
    ):
        line = refused("text", "train", titles, *setting, "--checkpoint", titles, *out)
        assert "keeps no checkpoint: leave it out" in line
    quick = ("--set", "words.dim=8", "--set", "words.method.epochs=1")
    quick += ("--set", "words.method.subsample=0")
    kept = refused("text", "train", titles, *quick, "--checkpoint", titles, *out)
    assert "cannot be read as a checkpoint" in kept
    assert titles.read_bytes() == before
    line = refused("text", "train", titles, *quick, "--checkpoint", tmp_path, *out)
    assert "is not a file: name another" in line
    line = refused("text", "train-words", titles, "--checkpoint", tmp_path, *out)
    assert "is not a file: name another" in line
    call("text", "train", titles, *quick, "--checkpoint", tmp_path / "kept", *out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "titles.txt"]


def test_a_tuned_bag_tells_its_course_and_the_epoch_that_was_kept(tuned):
    run, said = Run.open(tuned[0]), tuned[1]
    looks = dict(map(tuple, run.facts["training"]["looks"]))
    kept, value = run.facts["training"]["epochs"], run.facts["valid"]["value"]
    assert [*looks] == [1, 2, 3]
    assert looks[kept] == max(looks.values()) == pytest.approx(value)
    line = said.splitlines()[-1]
    assert f", spearman {value:.4f} on pairs.csv, epoch {kept} of 3 kept -> " in line


def test_a_bag_goes_on_with_scores_from_pairs_without(tuned, folder, tmp_path):
    options = {"out": tmp_path / "run", "start": tuned[0], "pairs": folder / "valid.csv"}
    run = recembed.train_text(**options, quiet=True)
    assert run.facts["pairs"]["scored"]


def test_a_column_that_is_guessed_is_told(folder, run, call, tmp_path):
    table = tmp_path / "table.csv"
    pd.DataFrame({"title": ["ship sail"] * 9, "body": ["oven loaf"] * 9}).to_csv(table, index=False)
    told = "table.csv: its texts are 'title'"
    words = ("--set", "dim=4", "--set", "method.subsample=0")
    for at, command in enumerate(
        (("train", table, *TFIDF), ("encode", run, table), ("train-words", table, *words))
    ):
        given = ("text", *command, "--out", tmp_path / str(at))
        assert told in call(*given).err.splitlines()
        named = (*given[:-1], tmp_path / f"{at} named", "--columns", "text=body")
        assert told not in call(*named).err
    found = [each.word for each in recembed.nearest_words(tmp_path / "2 named", "oven")[0].nearest]
    assert found == ["loaf"]
