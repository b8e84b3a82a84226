"""What users get wrong: one line, exit 1, nothing half-written."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pytest

POPULAR = ("--model", "popularity", "--test", "none")
TOWERS = ("--model", "two-tower", "--set")
HEAD = "user_id,item_id,timestamp\n"


@pytest.fixture
def train_refused(refused, tmp_path):
    """Train into a new folder: the one line; and nothing was left behind."""

    def train(log, *options):
        there = {*tmp_path.iterdir()}
        line = refused("train", log, "--out", tmp_path / "run", *options)
        assert {*tmp_path.iterdir()} == there
        return line

    return train


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        ("person,item_id\n1,2\n", (), ["log.csv has no user column", "it has: person, item_id"]),
        (HEAD + "1,2,3\n", ("--columns", "user=who"), ["no column 'who'", "user_id, item_id"]),
        (HEAD + "1,2,3\n", ("--columns", "usr=a"), ["no column role 'usr'; there is user"]),
        (HEAD + "1,2,3\n", ("--columns", "group=b"), ["no column 'b' for group"]),
        (HEAD + "1,2,3\n1,2,soon\n", (), ["line 3 of log.csv", "'soon' is not a number or ISO"]),
        (HEAD + "1,2,3\n1,2\n", (), ["line 3 of log.csv has 2 columns, not 3"]),
        (HEAD + "1,2,3\n,2,3\n", (), ["user ids are missing", "line 3 of log.csv"]),
        ("", (), ["log.csv is empty"]),
        (HEAD, (), ["log.csv has no rows"]),
        (HEAD + "1,2,3\n", ("--min-item", 2), ["no event is left of 1"]),
        (HEAD + "1,2,3\n", ("--min-user", 0), ["at least 1, not 0"]),
        (HEAD + "1,2,3\n", ("--items", "no.csv"), ["there is no file no.csv"]),
        (HEAD + "1,2,3\n", ("--users", "no.csv"), ["there is no file no.csv"]),
        (HEAD + "1,2,3\n1,3,4\n", ("--test", "last:0"), ["'last:0' is not a split rule", "last:N"]),
        (HEAD + "1,2,3\n1,3,4\n", ("--test", "first:1"), ["is not a split rule", "time:-14d"]),
        (HEAD + "1,2,3\n1,3,4\n", ("--valid", "x"), ["'x' is not a split rule"]),
        (HEAD + "1,2,3\n1,3,4\n", ("--test", "last:9"), ["test part empty", "at most 2 each"]),
        (HEAD + "1,2,3\n1,3,4\n", ("--test", "time:1950-01-01"), ["train part empty"]),
        (HEAD + "1,2,3\n1,3,4\n", ("--test", "groups:0.5"), ["needs groups", "--columns group="]),
    ],
)
def test_a_log_that_is_wrong_is_told_in_one_line(tmp_path, train_refused, text, options, parts):
    (tmp_path / "log.csv").write_text(text)
    popular = POPULAR[:2] if {"--test", "--valid"} & {*options} else POPULAR
    line = train_refused(tmp_path / "log.csv", *popular, *options)
    for part in parts:
        assert part in line


def test_a_log_that_is_not_there_is_named(tmp_path, train_refused):
    assert "there is no file" in train_refused(tmp_path / "log.csv", *POPULAR)
    (tmp_path / "empty").mkdir()
    line = train_refused(tmp_path / "empty", *POPULAR)
    assert f"the folder {tmp_path / 'empty'} has no Parquet files" in line
    assert "did you mean ml-100k" in train_refused("dataset:ml-100", *POPULAR)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "itme2vec"), "no model 'itme2vec'; there is item2vec"),
        (("--model", "svd"), "no model 'svd'; there is popularity, repeat, item-knn, als"),
        (("--set", "dmi=8"), "no hyperparameter 'dmi'; there is dim"),
        (("--set", "recency.decya=1"), "no hyperparameter 'decya'; there is decay"),
        (("--set", "recency=1"), "recency has parts: set recency.decay, "),
        (("--set", "dim=0"), "dim must be at least 1, not 0"),
        (("--set", "dim=5000"), "dim must be at most 4096, not 5000"),
        (("--set", "dim=8.5"), "dim is of type int, '8.5' is not"),
        (("--set", "shrink=perhaps"), "shrink is of type bool, 'perhaps' is not"),
        (("--set", "unit=basket"), "unit is one of user, group, not 'basket'"),
        (("--set", "learning_rate=nan"), "learning_rate must be a finite number, not nan"),
        (("--set", "unit=group"), "this log has no groups: name their column"),
        (("--set", "min_count=999"), "no item has 999 events"),
        (("--model", "als", "--set", "epochs=3"), "no hyperparameter 'epochs'"),
        ((*TOWERS, "features=taste"), "features has parts: set features.categories, features.text"),
        ((*TOWERS, "features.categories=taste"), "features taste need an item table"),
        ((*TOWERS, "tower=meen"), "tower is one of mean, attention, transformer, not 'meen'"),
        ((*TOWERS, "tower.recency.decay=1"), "tower=transformer has no 'recency': choose"),
        ((*TOWERS, "loss.negatives=9"), "loss=full has no 'negatives': choose loss=sampled or"),
        ((*TOWERS, "tower.heads=3"), "dim 64 cannot be shared by 3 heads: choose a multiple"),
        (("--threads", 0), "threads must be at least 1, not 0"),
        (("--seed", -1), "seed is a whole number from 0 to 4294967295, not -1"),
        (("--seed", 2**32), "seed is a whole number from 0 to 4294967295"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(shop, train_refused, options, message):
    assert message in train_refused(shop.log, *options)


def test_training_that_diverges_is_one_line_and_no_run(shop, train_refused):
    quick = ("--set", "dim=8", "--set", "negatives=3")
    line = train_refused(shop.log, *quick, "--set", "learning_rate=1e30")
    assert "training diverged in epoch 1" in line


def test_a_missing_gpu_is_one_line(shop, train_refused):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    line = train_refused(shop.log, "--model", "two-tower", "--device", "cuda")
    assert "there is no CUDA device: use device 'cpu' or 'auto'" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--k", 0), "k must be at least 1"),
        (("--size", 0), "size must be at least 1"),
        (("--size", -1), "size must be at least 1"),  # Annoy would go on without end
        (("--threads", 0), "threads must be at least 1"),
        (("--target-recall", 1.5), "a share above 0 and up to 1, not 1.5"),
        (("--target-recall", 0), "a share above 0 and up to 1, not 0"),
        (("--seed", -1), "seed is a whole number"),
    ],
)
def test_wrong_options_of_an_index_leave_the_run_alone(made, contents, refused, options, message):
    before = contents(made("als"))
    assert message in refused("index", made("als"), *options)
    assert contents(made("als")) == before


def test_models_without_vectors_have_no_index(made, refused):
    assert "item-knn has no vectors" in refused("index", made("item-knn"))


def test_questions_that_have_no_answer_are_one_line(made, refused):
    def says(message, *arguments):
        assert message in refused(*arguments)

    run = made("item2vec")
    says("k must be at least 1, not 0", "recommend", run, "--user", "u001", "-k", 0)
    says("k must be at least 1, not 0", "similar", run, "001", "-k", 0)
    says("k must be at least 1, not 0", "evaluate", run, "-k", 0)
    says("threads must be at least 1", "evaluate", run, "--threads", 0)
    says("seed is a whole number", "evaluate", run, "--seed", -1)
    says("1 of 1 items are unknown, first: 'xyz'", "similar", run, "xyz")
    says("1 of 2 items are unknown, first: 'xyz'", "recommend", run, *history("001", "xyz"))
    says("or the items of one history", "recommend", run)
    says("user and history exclude each other", "recommend", run, "--user", "u001", *history("001"))
    says("has no Annoy index", "recommend", run, "--user", "u001", "--index", "annoy")
    says("has no Annoy index", "evaluate", run, "--index", "annoy")
    says("compares no items", "similar", made("popularity"), "001")
    for verb in ("index", "evaluate"):
        says("is not a run: it has no manifest.json", verb, "nowhere")
    says("is not a run", "recommend", "nowhere", "--user", 1)
    says("is not a run", "similar", "nowhere", 1)
    assert not Path("nowhere").exists()


def history(*items):
    return [x for item in items for x in ("--history", item)]


def test_an_output_that_cannot_be_is_one_line_and_nothing_is_touched(
    shop, made, refused, contents, tmp_path
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    before = contents(tmp_path)

    def says(message, *arguments):
        assert message in refused(*arguments)
        assert contents(tmp_path) == before

    train, file = ("train", shop.log, *POPULAR, "--out"), tmp_path / "mine" / "notes.txt"
    says("is neither empty nor a run", *train, tmp_path / "mine")
    says("is neither empty nor a run", *train, file)
    says("Not a directory", *train, file / "run")
    both = ("evaluate", made("als"), made("item-knn"))
    says("2 runs need a folder for their report", *both)
    says("cannot be a folder for the report", *both, "--out", file)
    says("cannot be a folder for the report", *both, "--out", file / "report")
    says("is named twice", "evaluate", made("als"), made("als"), "--out", tmp_path / "r")


def test_a_run_is_made_in_folders_that_do_not_exist_yet(shop, call, tmp_path):
    call("train", shop.log, "--out", tmp_path / "a" / "b" / "run", *POPULAR)
    assert (tmp_path / "a" / "b" / "run" / "manifest.json").is_file()


def test_a_failed_training_leaves_the_old_run_as_it_was(shop, copied, contents, refused):
    run = copied("popularity")
    before = contents(run)
    quick = ("--set", "dim=8", "--set", "negatives=3", "--set", "learning_rate=1e30")
    assert "diverged" in refused("train", shop.log, "--out", run, *quick)
    assert "unit" in refused("train", shop.log, "--out", run, "--set", "unit=x")
    assert contents(run) == before


@contextmanager
def nobody():
    """As a user without rights, where the tests run as root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_without_permission_is_one_line(made, call, refused, contents):
    with TemporaryDirectory() as temporary:
        folder, run, log = Path(temporary), Path(temporary, "run"), Path(temporary, "log.csv")
        copytree(made("popularity"), run)
        call("evaluate", run, "--quiet", "--out", folder / "loaded")  # nobody may not import
        log.write_text(HEAD + "1,2,3\n")
        before = contents(folder)

        def says(*arguments):
            assert "Permission denied" in refused(*arguments)

        for closed in (run, folder):
            closed.chmod(0o555)
        try:
            with nobody():
                says("train", log, *POPULAR, "--out", folder / "new")
                says("train", log, *POPULAR, "--out", run)
                says("evaluate", run, "--quiet")
                says("evaluate", run, "--quiet", "--out", folder / "report")
        finally:
            for closed in (run, folder):
                closed.chmod(0o755)
        assert contents(folder) == before


WITHOUT = """
import sys
from pathlib import Path
for name in ("torch", "annoy", "faiss", "implicit"):
    sys.modules[name] = None  # as if it were not installed
from recembed.cli import main
def call(*arguments):
    sys.argv = ["recembed", *arguments]
    try:
        main()
    except SystemExit as end:
        print(end.code, flush=True)
log, run = sys.argv[1:]
for model in ("two-tower", "als", "item-knn"):
    call("train", log, "--model", model, "--out", "new", "--quiet")
call("index", run, "--kind", "annoy", "--quiet")
call("index", run, "--kind", "hnsw", "--quiet")
call("recommend", run, "--user", "u001", "-k", "1")
print(sorted(path.name for path in Path().iterdir()))
"""


def test_a_missing_extra_is_told_with_the_command_that_installs_it(shop, made, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(shop.log), str(made("two-tower"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stderr.splitlines()
    assert [re.findall(r"pip install '(.*)'$", line) for line in said] == [
        ["recembed[torch]"],
        ["recembed[implicit]"],
        ["recembed[implicit]"],
        ["recembed[annoy]"],
        ["recembed[faiss]"],
    ]
    *codes, answer, code, left = done.stdout.splitlines()
    assert (codes, code, left) == (["1"] * 5, "0", "[]")
    assert '"reason": "model"' in answer  # a trained two-tower serves without torch
