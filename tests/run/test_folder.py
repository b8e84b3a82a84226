import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from recembed.errors import RunError
from recembed.run.folder import Run, writing

DTYPES = ["bool", "u1", "<i2", "<i4", "<i8", "<f4", "<f8"]
TABLE = pa.table({"id": pa.array(["a", "b"], pa.large_string()), "year": [1999, None]})


@pytest.fixture
def run(tmp_path):
    """A run with one file of every kind."""
    with writing(tmp_path / "run", new=True) as writer:
        writer.arrays("model", {"counts": np.arange(3, dtype=np.float32)})
        writer.table("items", TABLE)
        writer.json("report.json", {"ndcg@10": 0.5})
        writer.text("report.md", "# Ergebnis: gut ✓\n", "md")
        with writer.file("index", "ann") as path:
            path.write_bytes(b"native")
        writer.facts({"model": "popularity", "repeats": True})
    return tmp_path / "run"


def files(folder):
    """Everything in a folder, byte for byte; the lock file belongs to no version."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


def stored(folder, start):
    (path,) = folder.glob(f"{start}.*")
    return path


def edit_manifest(folder, change):
    value = json.loads((folder / "manifest.json").read_text())
    change(value)
    (folder / "manifest.json").write_text(json.dumps(value))


def test_what_was_written_is_read(run):
    opened = Run.open(run)
    assert opened.facts == {"model": "popularity", "repeats": True}
    assert opened.arrays("model")["counts"].tolist() == [0, 1, 2]
    assert opened.table("items").equals(TABLE)
    assert opened.json("report.json") == {"ndcg@10": 0.5}
    assert opened.text("report.md") == "# Ergebnis: gut ✓\n"
    assert opened.path("index").read_bytes() == b"native"
    assert opened.has("index")
    assert not opened.has("embeddings")


def test_files_carry_their_sha_in_their_name(run):
    names = {p.name.split(".")[0]: p.name for p in run.iterdir() if p.suffix == ".ann"}
    entry = json.loads((run / "manifest.json").read_text())["files"]["index"]
    assert names["index"] == f"index.{entry['sha256'][:12]}.ann" == entry["file"]
    assert sorted(p.suffix for p in run.glob("report.*")) == [".json", ".md"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text("abcxyz_/ é", min_size=1, max_size=6),
        st.sampled_from(DTYPES).flatmap(
            lambda d: arrays(d, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_arrays_come_back_bit_for_bit(tmp_path, named, transposed):
    if transposed:  # safetensors itself stores the wrong bytes of an array that is not dense
        named = {key: array.T[..., ::-1] if array.ndim else array for key, array in named.items()}
    with writing(tmp_path / "run", new=True) as writer:
        writer.arrays("model", named)
    back = Run.open(tmp_path / "run").arrays("model")
    assert back.keys() == named.keys()
    for key, array in named.items():
        assert back[key].dtype == array.dtype
        assert back[key].shape == array.shape
        assert back[key].tobytes() == array.tobytes()


def test_big_endian_arrays_keep_their_values(tmp_path):
    with writing(tmp_path / "run", new=True) as writer:
        writer.arrays("model", {"x": np.arange(3, dtype=">f4")})
    assert Run.open(tmp_path / "run").arrays("model")["x"].tolist() == [0, 1, 2]


def safetensors(header, data):
    """A safetensors file by hand."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("spaces", range(8))
def test_arrays_are_read_wherever_they_lie_in_the_file(tmp_path, spaces):
    numbers = np.arange(5, dtype=np.float64)
    told = {"dtype": "F64", "shape": [5], "data_offsets": [0, 40]}
    content = safetensors({"x" + "_" * spaces: told}, numbers.tobytes())
    with (
        writing(tmp_path / "run", new=True) as writer,
        writer.file("model", "safetensors") as path,
    ):
        path.write_bytes(content)
    (array,) = Run.open(tmp_path / "run").arrays("model").values()
    assert array.tolist() == numbers.tolist()
    assert array.flags.aligned


def test_arrays_are_mapped_not_read_and_outlive_their_file(run):
    arrays = Run.open(run).arrays("model")
    with pytest.raises(ValueError, match="read-only"):
        arrays["counts"][0] = 7
    mapped = arrays["counts"]
    while mapped.base is not None and not isinstance(mapped, np.memmap):
        mapped = mapped.base
    assert isinstance(mapped, np.memmap)
    with writing(run, new=True) as writer:
        writer.json("note", 1)
    assert arrays["counts"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"native",
        b"\xff" * 64,
        safetensors({"x": {"dtype": "F64", "shape": [5], "data_offsets": [0, 40]}}, b"too short"),
        safetensors({"x": {"dtype": "F64", "shape": [6], "data_offsets": [0, 40]}}, bytes(40)),
        safetensors({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
    ],
)
def test_a_file_that_holds_no_arrays_is_one_clear_error(tmp_path, content):
    with (
        writing(tmp_path / "run", new=True) as writer,
        writer.file("model", "safetensors") as path,
    ):
        path.write_bytes(content)
    with pytest.raises(RunError, match="is no safetensors file"):
        Run.open(tmp_path / "run").arrays("model")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abcdef", min_size=1), json_values, max_size=4))
def test_facts_come_back_as_they_were(tmp_path, facts):
    with writing(tmp_path / "run", new=True) as writer:
        writer.facts(facts)
    assert Run.open(tmp_path / "run").facts == facts


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, np.float32(1), "\ud800"])
def test_facts_that_are_no_json_are_refused(tmp_path, value):
    with (
        pytest.raises(RunError, match="facts cannot be stored as JSON"),
        writing(tmp_path / "run", new=True) as writer,
    ):
        writer.facts({"x": value})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("bad", [np.array([None]), np.array(["a"]), np.zeros(2, "M8[s]")])
def test_arrays_that_are_no_numbers_are_refused(tmp_path, bad):
    with (
        pytest.raises(RunError, match="model cannot be stored"),
        writing(tmp_path / "run", new=True) as writer,
    ):
        writer.arrays("model", {"x": bad})


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "Model", "a" * 99, "a\n"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path, name):
    with (
        pytest.raises(RunError, match="is no name"),
        writing(tmp_path / "run", new=True) as writer,
    ):
        writer.json(name, 1)


def test_an_update_keeps_the_rest_and_removes_what_it_replaced(run):
    model, old = stored(run, "model"), stored(run, "index")
    with writing(run, new=False) as writer:
        with writer.file("index", "ann") as path:
            path.write_bytes(b"better")
        writer.facts({"index": {"kind": "annoy"}})
        writer.drop("report.md")
    opened = Run.open(run)
    assert opened.path("index").read_bytes() == b"better"
    assert opened.path("model") == model
    assert opened.facts["model"] == "popularity"
    assert opened.facts["index"] == {"kind": "annoy"}
    assert not old.exists()
    assert not list(run.glob("*.md"))


def test_a_new_run_replaces_all_of_the_old_one(run):
    with writing(run, new=True) as writer:
        writer.json("note", "hello")
    assert Run.open(run).facts == {}
    assert sorted(name.split(".")[0] for name in files(run)) == ["manifest", "note"]


def test_the_same_content_is_stored_as_the_same_file(run):
    before = files(run)
    with writing(run, new=False) as writer:
        writer.arrays("model", {"counts": np.arange(3, dtype=np.float32)})
    assert files(run) == before


def test_the_last_of_two_writes_under_one_name_counts(run):
    with writing(run, new=False) as writer:
        writer.json("note", 1)
        writer.json("note", 2)
        writer.json("gone", 3)
        writer.drop("gone")
    assert Run.open(run).json("note") == 2
    assert not Run.open(run).has("gone")


def test_an_exception_changes_nothing(run):
    before = files(run)
    for new in (True, False):
        with pytest.raises(KeyError), writing(run, new=new) as writer:  # noqa: PT012
            writer.json("note", 1)
            writer.drop("model")
            writer.facts({"model": "other"})
            raise KeyError
        assert files(run) == before


def test_an_exception_while_files_are_moved_in_changes_nothing(run, monkeypatch):
    before, moves = files(run), []
    real = Path.replace

    def full_at_the_second(self, target):
        moves.append(target)
        if len(moves) == 2:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full_at_the_second)
    with (  # noqa: PT012
        pytest.raises(RunError, match="cannot be written: No space left on device"),
        writing(run, new=False) as writer,
    ):
        writer.json("a", 1)
        writer.json("b", 2)
    assert len(moves) == 2
    assert files(run) == before


@pytest.mark.parametrize("new", [True, False])
def test_a_write_that_fails_leaves_no_new_folder(tmp_path, new):
    with (  # noqa: PT012
        pytest.raises((KeyError, RunError)),
        writing(tmp_path / "a/b/run", new=new) as writer,
    ):
        writer.json("note", 1)
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_an_empty_folder_empty(tmp_path):
    with pytest.raises(KeyError), writing(tmp_path, new=True):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_native_writer_that_wrote_nothing_is_an_error(run):
    with (
        pytest.raises(RunError, match="nothing was written"),
        writing(run, new=False) as writer,
        writer.file("index", "ann"),
    ):
        pass


@pytest.mark.parametrize("name", ["notes.txt", "main.3fa8c1000000.js", "manifest.json", ".lock"])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, name):
    (tmp_path / name).write_text("{}")
    (tmp_path / "model.3fa8c1000000.safetensors").write_text("mine")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(RunError, match="neither empty nor a run"), writing(tmp_path, new=True):
        pass
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_files_of_others_in_a_run_stay(run):
    (run / "notes.txt").write_text("mine")
    with writing(run, new=True) as writer:
        writer.json("note", 1)
    assert (run / "notes.txt").read_text() == "mine"


def test_a_file_in_place_of_a_folder_is_one_clear_error(tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunError, match="neither empty nor a run"), writing(tmp_path / "run", new=1):
        pass
    with pytest.raises(RunError, match="is not a run"):
        Run.open(tmp_path / "run")
    with pytest.raises(RunError, match="cannot be written"), writing(tmp_path / "run/x", new=True):
        pass


def test_a_missing_run_is_named(tmp_path):
    for what in (lambda: Run.open(tmp_path / "no"), writing(tmp_path / "no", new=False).__enter__):
        with pytest.raises(RunError, match=r"no is not a run: it has no manifest\.json"):
            what()


def test_a_file_the_run_lacks_is_named_with_those_it_has(run):
    with pytest.raises(
        RunError, match=r"has no 'embeddings'; it has: index, items, model, report.json, report.md"
    ):
        Run.open(run).arrays("embeddings")


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("start", ["model", "items", "index"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"has \d+ bytes instead of \d+"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), r"has \d+ bytes instead of \d+"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "was edited"),
    ],
)
def test_a_damaged_file_is_named_before_it_is_read(run, start, damage, message, verify):
    path = stored(run, start)
    damage(path)
    with pytest.raises(RunError, match=f"{path.name} {message}.*make '{start}' again"):
        Run.open(run, verify=verify).path(start)


def test_a_damaged_index_can_be_written_again(run):
    stored(run, "index").write_bytes(b"")
    with writing(run, new=False) as writer, writer.file("index", "ann") as path:
        path.write_bytes(b"native")
    assert Run.open(run).path("index").read_bytes() == b"native"


def test_content_is_hashed_once_for_each_opened_run(run, monkeypatch):
    opened = Run.open(run)
    hashing = "recembed.run.folder.found_sha256"
    monkeypatch.setattr(hashing, lambda path: pytest.fail("hashed twice"))
    opened.arrays("model")
    opened.path("index")


@pytest.mark.parametrize("number", [0, 2, 17])
def test_another_format_is_refused_with_both_numbers(run, number):
    edit_manifest(run, lambda value: value.update(format=number))
    with pytest.raises(RunError, match=f"has format {number}, .* reads format 1"):
        Run.open(run)
    before = files(run)
    with pytest.raises(RunError, match=f"has format {number}"), writing(run, new=False):
        pass
    with pytest.raises(KeyError), writing(run, new=True):
        raise KeyError
    assert files(run) == before


@pytest.mark.parametrize("number", [None, True, 1.0, "1", []])
def test_a_format_that_is_no_number_is_no_run(run, number):
    edit_manifest(run, lambda value: value.update(format=number))
    with pytest.raises(RunError, match="has no format number"):
        Run.open(run)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "\x00", "[" * 100_000, '{"format": ' + "1" * 5000 + "}"]
)
def test_a_manifest_that_is_no_json_object_is_one_clear_error(run, text):
    (run / "manifest.json").write_text(text)
    with pytest.raises(RunError, match=r"manifest\.json is ") as caught:
        Run.open(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "file",
    [
        "../secret.000000000000.txt",
        "/etc/passwd",
        "a/model.000000000000.txt",
        "..",
        "manifest.json",
        ".lock",
        "model.000000000000.txt",
        7,
        None,
    ],
)
def test_a_manifest_that_points_elsewhere_is_refused(run, file):
    (run.parent / "secret.000000000000.txt").write_text("secret")
    edit_manifest(run, lambda value: value["files"]["model"].update(file=file))
    with pytest.raises(RunError, match="the entry 'model' is not valid"):
        Run.open(run)


places = st.sampled_from(["format", "files", "facts", "created", "recembed"])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places, json_values, st.sampled_from(["file", "sha256", "bytes", None]))
def test_no_change_of_the_manifest_ends_in_another_error(run, place, value, key):
    copy = run.parent / "copy"
    shutil.copytree(run, copy, dirs_exist_ok=True)
    if key is None:
        edit_manifest(copy, lambda manifest: manifest.update({place: value}))
    else:
        edit_manifest(copy, lambda manifest: manifest["files"]["model"].update({key: value}))
    try:
        opened = Run.open(copy)
    except RunError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:  # what was changed is not checked by anything: facts, dates and versions
        assert key is None
        assert place in ("facts", "created", "recembed", "files")
        assert place != "files" or opened._files == {}


def test_a_file_that_is_whole_but_of_another_kind_is_refused(run):
    with writing(run, new=False) as writer:
        for name, ext in (("model", "safetensors"), ("items", "parquet"), ("report.json", "json")):
            writer.text(name, "\u00ffnothing of this kind", ext)
        with writer.file("report.md", "md") as path:
            path.write_bytes(b"\xff\xfe\xff")
    opened = Run.open(run)
    for read, name in (
        (opened.arrays, "model"),
        (opened.table, "items"),
        (opened.json, "report.json"),
        (opened.text, "report.md"),
    ):
        with pytest.raises(RunError, match=f"make '{name}' again") as caught:
            read(name)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"), writing(tmp_path / "run", new=True):
        pass
