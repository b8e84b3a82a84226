"""`recembed text` and its twins, on a small corpus with two planted topics."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from gensim.models import KeyedVectors

import recembed
from recembed.errors import DataError
from recembed.pipeline.words import word_model
from recembed.run.folder import Run

SEA, BREAD = ["ship", "sail", "wave", "tide", "mast"], ["oven", "loaf", "crust", "baker", "dough"]
QUICK = {"negatives": 3, "epochs": 8, "learning_rate": 0.05, "subsample": 0}
QUICK = {"dim": 8} | {f"method.{name}": value for name, value in QUICK.items()}
SET = [x for name, value in QUICK.items() for x in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    random = np.random.default_rng(0)
    topics = (random.choice(SEA if random.random() < 0.5 else BREAD, 6) for _ in range(1500))
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n".join(" ".join(line).title() + "!" for line in topics))
    return path


@pytest.fixture(scope="module")
def words(corpus, call, tmp_path_factory):
    """The run of the corpus; never change it."""
    run = tmp_path_factory.mktemp("words") / "run"
    call("text", "train-words", corpus, "--out", run, *SET, "--threads", 1, "--quiet")
    return run


@pytest.fixture
def tests_of_it(tmp_path):
    pairs = [*zip(SEA, SEA[1:], [9] * 4, strict=False), *zip(SEA, BREAD, range(5), strict=True)]
    lines = [f"{first}\t{second}\t{score}" for first, second, score in pairs]
    (tmp_path / "pairs.tsv").write_text("\n".join([*lines, "ship\tzebra\t3"]))
    (tmp_path / "questions.txt").write_text(": topics\nship sail oven loaf\nship sail x y\n")
    return tmp_path / "pairs.tsv", tmp_path / "questions.txt"


def test_a_run_of_words_says_how_it_was_made(words):
    facts = Run.open(words).facts
    assert (facts["kind"], facts["model"], facts["seed"]) == ("words", "word-vectors", 0)
    assert facts["corpus"] == {"files": ["corpus.txt"], "tokens": 9000, "words": 10}
    assert facts["setting"]["tokens"]["min_count"] == 5
    assert {path.suffix for path in words.iterdir()} <= {".json", ".parquet", ".safetensors", ""}


def test_nearest_words_come_as_json_lines_and_from_python(words, call):
    answers = call("text", "nearest", words, "ship", "Oven", "-k", 4).answers
    assert [each["word"] for each in answers] == ["ship", "Oven"]
    for answer, topic in zip(answers, (SEA, BREAD), strict=True):
        assert {each["word"] for each in answer["nearest"]} == {*topic} - {answer["word"].lower()}
        scores = [each["score"] for each in answer["nearest"]]
        assert scores == sorted(scores, reverse=True)
    assert [each.to_dict() for each in recembed.nearest_words(words, ["ship", "Oven"], k=4)] == [
        {**answer, "nearest": tuple(answer["nearest"])} for answer in answers
    ]


@pytest.mark.parametrize("form", ["word2vec", "word2vec-binary", "parquet"])
def test_every_form_has_the_vectors_of_the_run(words, call, tmp_path, form):
    out = tmp_path / "vectors"
    told = call("text", "export", words, "--out", out, "--form", form).out
    assert told == f"10 vectors -> {out}\n"
    wanted = word_model(words).words
    if form == "parquet":
        table = pq.read_table(out)
        assert table.column("id").to_pylist() == wanted.vocabulary.ids.to_pylist()
        np.testing.assert_array_equal(table.column("vector").to_pylist(), wanted.vectors)
        return
    theirs = KeyedVectors.load_word2vec_format(str(out), binary=form == "word2vec-binary")
    assert theirs.index_to_key == wanted.vocabulary.ids.to_pylist()
    np.testing.assert_array_equal(theirs.vectors, wanted.vectors)
    near = [word for word, _ in theirs.most_similar("ship", topn=4)]
    for vectors in (words, out):
        (answer,) = call("text", "nearest", vectors, "ship", "-k", 4).answers
        assert [each["word"] for each in answer["nearest"]] == near


def test_a_file_that_ends_so_is_parquet_unless_a_form_is_named(words, call, tmp_path):
    out = tmp_path / "vectors.parquet"
    call("text", "export", words, "--out", out)
    assert pq.read_table(out).column_names == ["id", "vector"]
    assert recembed.export_words(words, out, form="word2vec") == 10
    assert out.read_text().startswith("10 8\n")


def test_words_without_a_vector_are_told(call, refused, tmp_path):
    (tmp_path / "corpus").write_text("ship sail\n" * 9 + "book\n" * 9)
    run = tmp_path / "run"
    options = ("--out", run, "--set", "dim=4", "--set", "method.subsample=0")
    said = call("text", "train-words", tmp_path / "corpus", *options).err.splitlines()[-1]
    assert said.startswith("3 words, 1 of them never beside another word, trained in ")
    line = refused("text", "nearest", run, "book")
    assert line.endswith("the word 'book' never stood beside another word: it has no vector")
    assert "'boook' is unknown; no word is spelt like it" in refused(
        "text", "nearest", run, "boook"
    )


def test_a_report_has_each_test_and_is_the_same_from_a_run_and_its_file(
    words, call, tests_of_it, tmp_path
):
    out, vectors = tmp_path / "report.json", tmp_path / "vectors"
    said = call("text", "evaluate-words", words, *tests_of_it, "--out", out).out
    head, pairs, blank, analogy, questions, topics = said.splitlines()
    assert head.split()[:3] == ["similarity", "pairs", "unknown"]
    assert pairs.split()[:3] == ["pairs.tsv", "10", "1"]
    assert (blank, analogy.split()[0]) == ("", "analogies")
    assert questions.split()[:3] == ["questions.txt", "2", "1"]
    assert topics.split()[:3] == ["topics", "2", "1"]
    told = json.loads(out.read_text())
    assert told["similarity"][0]["spearman"] > 0.5  # pairs of a topic are scored 9, others below
    (analogies,) = told["analogies"]
    assert analogies["accuracy"] == analogies["categories"][0]["accuracy"] == analogies["right"]
    call("text", "export", words, "--out", vectors)
    assert call("text", "evaluate-words", vectors, *tests_of_it).out == said
    assert recembed.evaluate_words(words, tests_of_it).table() + "\n" == said


def test_training_with_a_checkpoint_gives_the_same_run_and_leaves_no_file(
    words, corpus, call, tmp_path
):
    run, kept = tmp_path / "run", tmp_path / "state"
    options = (*SET, "--threads", 1, "--quiet", "--checkpoint", kept)
    call("text", "train-words", corpus, "--out", run, *options)
    assert not kept.exists()
    assert word_model(run).words.vectors.tobytes() == word_model(words).words.vectors.tobytes()


def test_subwords_are_set_by_name_and_give_unknown_words_a_vector(corpus, call, refused, tmp_path):
    run = tmp_path / "run"
    command = (
        "text",
        "train-words",
        corpus,
        "--out",
        run,
        *SET,
        "--set",
        "method.subwords.max_n=4",
    )
    call(*command, "--threads", 1, "--quiet")
    (answer,) = call("text", "nearest", run, "sails", "-k", 1).answers
    assert answer["nearest"][0]["word"] in SEA
    assert "'qqq' is unknown" in refused("text", "nearest", run, "qqq")


def test_runs_of_words_and_runs_of_items_are_told_apart(words, made, refused, tmp_path):
    items = made("popularity")
    for command in (("recommend", words, "--user", "u"), ("evaluate", words), ("index", words)):
        line = refused(*command)
        assert line.endswith(f"{words} is a run of words, not of items: see `recembed text`")
    for command in (
        ("nearest", items, "word"),
        ("export", items, "--out", tmp_path / "out"),
    ):
        assert "is a run of items, not of words" in refused("text", *command)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", (), "no word in "),
        (b"word", (), "none of 1 words occurs 5 times"),
        (b"word", ("tokens.min_count=1",), "nothing to learn from"),
        (b"rare words only", (), "none of 3 words occurs 5 times"),
        (b"\x93NUMPY\x01\x00", (), "is not "),
        (b"a b\n" * 9, ("tokens.pattern=(",), "is no regular expression"),
        (b"a b\n" * 9, ("tokens.min_cuont=1",), "there is min_count"),
        (b"a b\n" * 9, ("min_count=1",), "no hyperparameter 'min_count'"),
        (b"a b\n" * 9, ("tokens.stop_words=klingon",), "there is no file klingon"),
        (b"a b\n" * 9, ("method.subwords.max_n=2",), "max_n must be at least min_n"),
        (b"a b c\n" * 999, ("method.learning_rate=1e9",), "training diverged in epoch 1"),
        (
            b"a b c\n" * 999,
            ("method=glove", "method.learning_rate=1e20"),
            "training diverged in epoch 1",
        ),
        (
            b"a b\n" * 9,
            ("method=glove", "method.negatives=3"),
            "method=glove has no 'negatives': choose method=word2vec",
        ),
        (b"a b\n" * 9, ("method=svd",), "method is one of word2vec, glove, not 'svd'"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_no_run(
    refused, tmp_path, content, options, message
):
    (tmp_path / "corpus").write_bytes(content)
    given = [x for one in options for x in ("--set", one)]
    out = tmp_path / "run"
    command = ("text", "train-words", tmp_path / "corpus", "--out", out, *given, "--quiet")
    assert message in refused(*command)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_other_mistakes_are_one_line(words, refused, tests_of_it, tmp_path):
    def says(message, *arguments):
        assert message in refused("text", *arguments)

    says("there is no file", "train-words", tmp_path / "no", "--out", tmp_path / "run", "--quiet")
    says("there is no file", "nearest", tmp_path / "no", "word")
    says("the word 'shipp' is unknown; there is ship", "nearest", words, "shipp")
    says("k ", "nearest", words, "ship", "-k", 0)
    says("there is no file", "evaluate-words", words, tmp_path / "no")
    says("at least 1, not 0", "evaluate-words", words, tests_of_it[0], "--most-frequent", 0)
    says("there is no folder", "evaluate-words", words, tests_of_it[0], "--out", "no/such/file")
    says("its first line has to be two whole numbers", "nearest", tests_of_it[0], "word")
    says("there is no folder", "export", words, "--out", tmp_path / "no" / "file")
    with pytest.raises(DataError, match="form is auto, word2vec, word2vec-binary or parquet"):
        recembed.export_words(words, tmp_path / "out", form="csv")
    with pytest.raises(DataError, match="a test is a file of word pairs or analogies"):
        recembed.evaluate_words(words, [])


def test_a_damaged_run_is_refused(words, refused, tmp_path):
    import shutil

    copy = shutil.copytree(words, tmp_path / "copy")
    (model,) = copy.glob("model.*")
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    assert "was edited" in refused("text", "nearest", copy, "ship")
