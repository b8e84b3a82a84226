"""`recembed text train`, `encode` and `evaluate`, and their twins, on two planted topics."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import recembed
from recembed.errors import Interrupted, RunError
from recembed.run.folder import Run

pytest.importorskip("sklearn")

SEA, BREAD = ["ship", "sail", "wave", "tide", "mast"], ["oven", "loaf", "crust", "baker", "dough"]
TFIDF = ("--model", "tf-idf", "--set", "terms=words", "--set", "dim=4")
NETWORK = {
    "dim": 16,
    "network": "mean",
    "tokens.size": 600,
    "skipgram.epochs": 0,
    "tune.epochs": 2,
    "tune.batch_size": 16,
}


def sentences(n, seed=0):
    """Sentences, and the topic of each."""
    random = np.random.default_rng(seed)
    topics = random.integers(0, 2, n)
    return [" ".join(random.choice((SEA, BREAD)[topic], 5)) for topic in topics], topics


def pairs_of(n, seed=0):
    """Pairs of sentences: those of one topic score 5, others 1."""
    (first, one), (second, other) = sentences(n, seed), sentences(n, seed + 1)
    return pd.DataFrame(
        {"sentence1": first, "sentence2": second, "score": np.where(one == other, 5, 1)}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Texts, pairs and labelled texts in files."""
    place = tmp_path_factory.mktemp("texts")
    texts, topics = sentences(600)
    (place / "texts.txt").write_text("\n".join(texts))
    pairs_of(80).to_csv(place / "pairs.csv", index=False)
    pairs_of(40, seed=5).to_parquet(place / "valid.parquet")
    alike = pairs_of(60, seed=9).query("score == 5").drop(columns="score")
    alike.set_axis(["query", "document"], axis=1).to_csv(place / "alike.tsv", index=False, sep="\t")
    shutil.copy(place / "alike.tsv", place / "found.tsv")
    labels = pd.DataFrame({"text": texts[:60], "topic": np.array(["sea", "bread"])[topics[:60]]})
    (place / "labels.jsonl").write_text(labels.to_json(orient="records", lines=True))
    return place


@pytest.fixture(scope="module")
def run(folder, call):
    """A run of TF-IDF; never change it."""
    call("text", "train", folder / "texts.txt", *TFIDF, "--out", folder / "run", "--quiet")
    return folder / "run"


@pytest.fixture(scope="module")
def tuned(folder):
    """A run of a network that learned from texts and pairs; never change it."""
    pytest.importorskip("torch")
    pytest.importorskip("tokenizers")
    return recembed.train_text(
        folder / "texts.txt",
        out=folder / "tuned",
        model="network",
        pairs=folder / "pairs.csv",
        valid=folder / "valid.parquet",
        set=NETWORK,
        threads=1,
        device="cpu",
        quiet=True,
    ).folder


def test_a_run_says_how_it_was_made(run):
    facts = Run.open(run).facts
    names = ("kind", "model", "dim", "seed", "start")
    assert [facts[name] for name in names] == ["encoder", "tf-idf", 4, 0, None]
    assert facts["setting"]["terms"]["kind"] == "words"
    told = {"files": ["texts.txt"], "texts": 600, "empty": 0, "cut": 0, "replaced": 0}
    assert facts["texts"] == told
    assert "pairs" not in facts
    assert {path.suffix for path in run.iterdir()} <= {".json", ".safetensors", ""}


def test_vectors_in_the_file_are_those_of_the_encoder(run, call, tmp_path):
    texts = ["ship sail", "", "what is this", "oven Oven", "baker tide"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    out = tmp_path / "vectors.parquet"
    said = call("text", "encode", run, tmp_path / "texts.txt", "--out", out)
    assert said.err.splitlines()[-1] == f"5 texts encoded (1 empty, 1 unknown) -> {out}"
    table = pq.read_table(out)
    assert table.column("row").to_pylist() == [0, 1, 2, 3, 4]
    vectors = np.array(table.column("vector").to_pylist(), np.float32)
    np.testing.assert_array_equal(vectors, recembed.encoder_of(run).encode(texts))
    assert vectors[[0, 3, 4]].any(axis=1).all()
    assert not vectors[[1, 2]].any()


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_ids_name_the_vectors(run, call, tmp_path, ending):
    table = pd.DataFrame(
        {"key": [f"00{at}" for at in range(3000)], "body": ["ship", "", "a\nb"] * 1000}
    )
    path, out = tmp_path / f"texts.{ending}", tmp_path / "out.parquet"
    if ending == "jsonl":
        table.to_json(path, orient="records", lines=True)
    elif ending == "csv":
        table.replace("a\nb", "a b").to_csv(path, index=False)
    else:
        table.to_parquet(path)
    command = ("text", "encode", run, path, "--out", out, "--columns", "id=key", "--quiet")
    call(*command, "--columns", "text=body")
    found = pq.read_table(out)
    assert found.column_names == ["key", "vector"]
    assert found.column("key").to_pylist() == table["key"].tolist()
    there = np.array(found.column("vector").to_pylist()).any(axis=1)
    np.testing.assert_array_equal(there, table["body"] == "ship")


def test_a_report_has_what_suits_each_file(run, folder, call, tmp_path):
    out = tmp_path / "report.json"
    files = [folder / name for name in ("valid.parquet", "alike.tsv", "labels.jsonl")]
    said = call("text", "evaluate", run, *files, "--out", out).out
    lines = said.splitlines()
    assert lines[0].split()[:2] == ["scored", "pairs"]
    assert lines[1].startswith("valid.parquet")
    assert lines[3].split()[:4] == ["retrieval", "queries", "among", "recall@1"]
    assert lines[6].split()[:3] == ["labels", "texts", "labels"]
    told = json.loads(out.read_text())
    kinds = ("likeness", "retrieval", "grouping")
    (likeness,), (retrieval,), (grouping,) = (told[name] for name in kinds)
    assert likeness["spearman"]["mean"] > 0.7  # topics share no word
    assert likeness["spearman"]["low"] < likeness["spearman"]["mean"]
    assert retrieval["recall_at_10"]["mean"] > 10 / retrieval["candidates"]
    assert grouping["accuracy"]["mean"] == 1
    assert grouping["v_measure"] > 0.9
    assert recembed.evaluate_text(run, files).table() + "\n" == said
    assert recembed.evaluate_text(run, files[0]).likeness[0].pairs == 40
    meant = "\n".join(lines[-3:])
    for word in ("alignment, uniformity: lower", "recall@k: the share", "most frequent: the"):
        assert word in meant


def test_what_is_odd_in_a_test_is_told(run, call, tmp_path):
    pd.DataFrame({"first": ["ship", "", "zzz"], "second": ["sail"] * 3, "score": [3, 2, 1]}).to_csv(
        tmp_path / "pairs.csv", index=False
    )
    said = call("text", "evaluate", run, tmp_path / "pairs.csv").out
    assert said.splitlines()[-1] == "pairs.csv: of 6 texts 1 empty, 1 unknown"


def test_without_texts_those_of_the_pairs_are_learned_from(folder, tmp_path, refused):
    pytest.importorskip("torch")
    pytest.importorskip("tokenizers")
    options = {"model": "network", "set": NETWORK, "quiet": True, "device": "cpu"}
    run = recembed.train_text(out=tmp_path / "run", pairs=folder / "pairs.csv", **options)
    assert run.facts["texts"]["files"] == []
    assert run.facts["texts"]["texts"] == 160
    command = ("text", "train", "--out", tmp_path / "no", *TFIDF, "--quiet")
    assert "no text for tf-idf to learn from: name files" in refused(*command)
    assert "no text for tf-idf" in refused(*command, "--columns", "text=a")
    assert not (tmp_path / "no").exists()


def test_a_tuned_run_tells_its_pairs_and_its_judge(tuned):
    facts = Run.open(tuned).facts
    assert facts["pairs"] == {"file": "pairs.csv", "pairs": 80, "left_out": 0, "scored": True}
    assert facts["training"]["ended"] == "complete"
    valid = facts["valid"]
    assert (valid["file"], valid["pairs"], valid["metric"]) == ("valid.parquet", 40, "spearman")
    assert valid["value"] == max(value for _, value in facts["training"]["looks"])
    report = recembed.evaluate_text(tuned, tuned.parent / "valid.parquet", device="cpu")
    assert report.likeness[0].spearman.mean == pytest.approx(valid["value"], abs=1e-6)


def test_training_goes_on_from_a_run_with_its_setting(tuned, folder, tmp_path, refused):
    run = recembed.train_text(
        out=tmp_path / "run",
        start=tuned,
        pairs=folder / "alike.tsv",
        valid=folder / "found.tsv",
        set={"tune.epochs": 1},
        device="cpu",
        quiet=True,
    )
    before = Run.open(tuned)
    assert run.facts["start"] == before.identity
    assert run.facts["setting"]["tokens"] == before.facts["setting"]["tokens"]
    assert run.facts["setting"]["tune"]["epochs"] == 1
    assert run.facts["valid"]["metric"] == "mrr@10"
    command = ("text", "train", "--start", tuned, "--out", tmp_path / "no", "--quiet")
    pairs = ("--pairs", folder / "pairs.csv")
    assert "is an encoder of network, which does not become bag" in refused(
        *command, *pairs, "--model", "bag"
    )
    assert "set the same" in refused(*command, *pairs, "--set", "dim=32")
    assert not (tmp_path / "no").exists()


def test_what_was_learned_until_ctrl_c_is_a_run(folder, tuned, tmp_path, monkeypatch):
    looks = []

    def stopped_once(*asked):
        looks.append(asked)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return 0.5

    monkeypatch.setattr(recembed.pipeline.text_options, "judged", stopped_once)
    run, files = tmp_path / "run", {"pairs": folder / "pairs.csv", "valid": folder / "alike.tsv"}
    with pytest.raises(Interrupted, match="has what was learned by then"):
        recembed.train_text(out=run, start=tuned, **files, device="cpu", quiet=True)
    facts = Run.open(run).facts
    assert facts["training"]["ended"] == "interrupted"
    assert recembed.encoder_of(run).encode(["ship"]).any()


def test_runs_of_encoders_words_and_items_are_told_apart(run, made, folder, refused, tmp_path):
    items = made("popularity")
    for command in (("recommend", run, "--user", "u"), ("index", run)):
        assert f"{run} is a run of an encoder, not of items" in refused(*command)
    assert "a run of an encoder, not of words: see `recembed text evaluate`" in refused(
        "text", "nearest", run, "ship"
    )
    for command in (
        ("evaluate", items, folder / "pairs.csv"),
        ("encode", items, folder / "texts.txt", "--out", tmp_path / "out"),
        ("train", "--start", items, "--out", tmp_path / "run", "--quiet"),
    ):
        line = refused("text", *command)
        assert f"{items} is a run of items, not of an encoder: `recembed text train`" in line
    with pytest.raises(RunError, match="is not a run"):
        recembed.encoder_of(folder)
    assert not (tmp_path / "out").exists()


def test_texts_that_are_no_utf8_are_refused_or_replaced(call, refused, tmp_path):
    path, out = tmp_path / "texts.txt", tmp_path / "run"
    path.write_bytes(b"ship sail\ncaf\xe9 tide\n\n" + b"wave " * 300_000)
    command = ("text", "train", path, *TFIDF, "--out", out, "--quiet")
    assert f"line 2 of {path} is not UTF-8" in refused(*command)
    assert not out.exists()
    call(*command, "--invalid", "replace", "--set", "dim=2")
    facts = Run.open(out).facts["texts"]
    assert facts == {"files": ["texts.txt"], "texts": 3, "empty": 1, "cut": 1, "replaced": 1}
    vectors = tmp_path / "vectors"
    assert "is not UTF-8" in refused("text", "encode", out, path, "--out", vectors, "--quiet")
    assert [each.name for each in tmp_path.iterdir() if each != vectors] == ["texts.txt", "run"]
    said = call("text", "encode", out, path, "--out", vectors, "--invalid", "replace")
    assert "4 texts encoded (1 empty, 1 cut, 1 replaced)" in said.err


def test_a_damaged_run_is_refused(run, folder, refused, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (model,) = copy.glob("model.*")
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    assert "was edited" in refused("text", "evaluate", copy, folder / "pairs.csv")


def test_a_stored_setting_that_does_not_fit_is_refused(run, folder, refused, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    with recembed.run.folder.writing(copy, new=False) as writer:
        writer.facts({"setting": {"terms": {"kind": "syllables"}}})
    assert "the encoder in" in refused("text", "evaluate", copy, folder / "pairs.csv")
