"""Runs that were cut short, edited or mixed, and runs that do not belong together."""

import json
import resource
import shutil
from contextlib import contextmanager

import pytest

from recembed.report.document import Report
from recembed.run.folder import Run, writing


@pytest.fixture
def whole(copied, call):
    """A run with everything in it: an index and a report."""
    run = copied("als")
    call("index", run, "--kind", "annoy", "--quiet")
    call("evaluate", run, "--quiet")
    return run


def files(run):
    there = [path for path in run.iterdir() if path.name not in (".lock", "manifest.json")]
    assert len(there) == 9  # events, users, items, model, index, three of the report, places
    return sorted(there)


def makes(path):
    """The verb that makes a file again, None for what only training makes."""
    verbs = {"index": "index", "report": "evaluate", "places": "evaluate"}
    return verbs.get(path.name.split(".")[0])


def ask(run):
    return ("recommend", run, "--user", "u001")


def test_a_file_that_was_cut_short_or_removed_is_named_by_every_verb(whole, refused, call):
    for path in files(whole):
        content = path.read_bytes()
        for damage in (lambda p, c: p.write_bytes(c[: len(c) // 2]), lambda p, _: p.unlink()):
            damage(path, content)
            verbs = [ask(whole), ("similar", whole, "001"), ("evaluate", whole), ("index", whole)]
            for command in (*verbs, ("export", whole, "--out", whole.parent / "x")):
                if command[0] != makes(path):
                    assert path.name in refused(*command)
            path.write_bytes(content)
    assert not (whole.parent / "x").exists()
    assert call(*ask(whole)).answers[0]["reason"] == "model"


def test_a_damaged_index_or_report_is_made_again(whole, call):
    for path in files(whole):
        if makes(path):
            path.write_bytes(b"damaged")
            call(makes(path), whole, "--quiet")
            assert not path.exists() or path.read_bytes() != b"damaged"
            assert call(*ask(whole)).answers[0]["reason"] == "model"


def test_a_file_with_one_other_byte_is_named_before_it_is_used(whole, refused, contents):
    for path in files(whole):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        before = contents(whole)
        if makes(path) != "evaluate":
            assert f"{path.name} was edited: its sha256 differs" in refused("evaluate", whole)
        if makes(path) != "evaluate":
            assert path.name in refused(*ask(whole))
        assert contents(whole) == before
        path.write_bytes(content)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "\x00\x01"])
def test_a_broken_manifest_is_one_line(made, tmp_path, refused, text):
    run = shutil.copytree(made("als"), tmp_path / "run")
    (run / "manifest.json").write_text(text)
    for command in (ask(run), ("evaluate", run), ("index", run)):
        assert "manifest.json" in refused(*command)


def test_a_manifest_that_was_cut_anywhere_is_one_line(made, tmp_path, refused):
    run = shutil.copytree(made("als"), tmp_path / "run")
    text = (run / "manifest.json").read_text()
    for end in range(0, len(text) - 2, len(text) // 12):
        (run / "manifest.json").write_text(text[:end])
        assert "manifest.json" in refused(*ask(run))


def places(value, above=()):
    """Where every value of nested dictionaries stands."""
    for name, inner in value.items():
        yield (*above, name)
        if isinstance(inner, dict):
            yield from places(inner, (*above, name))


@pytest.mark.parametrize("value", ["missing", "other"])
def test_a_manifest_in_which_one_value_was_edited_is_one_line(whole, refused, contents, value):
    text = (whole / "manifest.json").read_text()
    for *above, name in places(json.loads(text)):
        manifest = json.loads(text)
        place = manifest
        for each in above:
            place = place[each]
        place[name] = value
        if value == "missing":
            del place[name]
        (whole / "manifest.json").write_text(json.dumps(manifest))
        before = contents(whole)
        assert "manifest" in refused(*ask(whole)), (*above, name)
        assert contents(whole) == before
    (whole / "manifest.json").write_text(text)
    assert "manifest" in refused("index", edited(whole))
    assert "manifest" in refused("evaluate", whole)
    assert "manifest" in refused("export", whole, "--out", whole.parent / "x")


def edited(run):
    """A run that claims to have trained on less than it did."""
    path = run / "manifest.json"
    text = path.read_text()
    assert text.count('"trained": 2') == 1
    path.write_text(text.replace('"trained": 2', '"trained": 1'))
    return run


def test_a_manifest_with_other_spaces_is_the_same(whole, call):
    path = whole / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert call(*ask(whole)).answers[0]["reason"] == "model"


def put(run, name, other):
    """A file of another run in place of this run's own, with what its manifest says of it."""
    theirs = Run.open(other)
    with writing(run, new=False) as writer:
        with writer.file(name, theirs.path(name).suffix.lstrip(".")) as path:
            shutil.copy(theirs.path(name), path)
        if name in theirs.facts:
            writer.facts({name: theirs.facts[name]})


def test_the_index_of_another_run_is_refused(whole, copied, refused, call):
    other = copied("item2vec")
    put(other, "index", whole)
    assert "this index was built for other item vectors" in refused(*ask(other))
    assert "this index was built for other item vectors" in refused("evaluate", other)
    assert call(*ask(other), "--index", "exact").answers[0]["reason"] == "model"
    call("index", other, "--kind", "annoy", "--quiet")
    assert call(*ask(other)).answers[0]["reason"] == "model"


def test_an_index_that_was_copied_by_hand_changes_nothing(whole, copied, call):
    other = copied("item2vec")
    answer = call(*ask(other)).answers
    shutil.copy(Run.open(whole).path("index"), other)
    assert call(*ask(other)).answers == answer


def test_the_model_of_another_run_is_refused(copied, made, refused):
    run = copied("als")
    with writing(run, new=False) as writer:
        writer.arrays("model", Run.open(made("item-knn")).arrays("model"))
    assert "is not whole" in refused(*ask(run))


@contextmanager
def little_room(size):
    """No file may grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_everything_as_it_was(
    shop, whole, call, refused, contents
):
    above = whole.parent
    report, out = ("evaluate", whole, "--quiet", "--out", above / "report"), above / "vectors"
    call(*report)
    call("export", whole, "--out", out)
    before = contents(above)
    train = ("train", shop.log, "--model", "popularity", "--quiet", "--out")
    forms = [("--form", form) for form in ("parquet", "word2vec", "word2vec-binary", "index")]
    for command in (
        *(("export", whole, "--out", out, *form) for form in forms),
        (*train, whole),
        (*train, above / "new"),
        ("index", whole, "--kind", "annoy", "--quiet"),
        ("evaluate", whole, "--quiet"),
        report,
    ):
        with little_room(500):
            assert "File too large" in refused(*command), command
        assert contents(above) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--test", "last:2"), "not cut from the same log by the same rules"),
        (("--valid", "last:1"), "not cut from the same log by the same rules"),
        (("--split-seed", 1), "not cut from the same log by the same rules"),
        (("--file-order",), "not cut from the same log by the same rules"),
        (("--min-user", 9), "not cut from the same log by the same rules"),
        (("--seen", "exclude"), "differ in whether seen items may come back"),
        (("--test", "none"), "holds nothing out"),
        (("--refit",), "1 model learned from the test part itself"),
    ],
)
def test_runs_of_different_cuts_are_not_compared(
    shop, made, call, refused, tmp_path, options, message
):
    other, items = tmp_path / "other", ("--items", shop.items)
    command = ("train", shop.log, *items, "--model", "popularity", "--test", "last:1")
    call(*command, "--out", other, "--quiet", *options)
    for pair in ((other, made("als")), (made("als"), other)):
        assert message in refused("evaluate", *pair, "--out", tmp_path / "report", "--quiet")
    assert not (tmp_path / "report").exists()


def test_runs_of_different_logs_are_not_compared(shop, made, call, refused, tmp_path):
    text = shop.log.read_text().splitlines()
    (tmp_path / "log.csv").write_text("\n".join([*text[:-1], ""]))
    other = tmp_path / "other"
    quick = ("--items", shop.items, "--model", "popularity", "--quiet")
    call("train", tmp_path / "log.csv", *quick, "--out", other)
    line = refused("evaluate", made("als"), other, "--out", tmp_path / "report")
    assert "not cut from the same log" in line


def test_runs_of_one_model_have_names_of_their_own(shop, call, tmp_path):
    runs = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "c" / "last"]
    for days, run in enumerate(runs, start=1):
        quick = ("--model", "popularity", "--set", f"days={days}", "--quiet")
        call("train", shop.log, *quick, "--out", run)
    call("evaluate", *runs, "--out", tmp_path / "report", "--quiet")
    report = Report.from_json((tmp_path / "report" / "report.json").read_text())
    assert {*report.models} == {
        f"popularity ({runs[0]})",
        f"popularity ({runs[1]})",
        "popularity (last)",
    }
    told = report.setting["runs"]
    assert [run["setting"]["days"] for (run,) in told.values()] == [1, 2, 3]
