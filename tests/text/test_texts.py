"""Texts from files, tables and lists: each one once, whole, and what is wrong with it told."""

import gzip

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.progress import Task
from recembed.text import blocks, texts
from recembed.text.blocks import Counts
from recembed.text.texts import Texts

SOME = ["one text", "\u00e9t\u00e9 \U0001f600", "", 'a\nline, "quoted"', "   ", "the last"]
READ = ["one text", "\u00e9t\u00e9 \U0001f600", "", 'a line, "quoted"', "", "the last"]


def listed(texts, **options):
    return [text for some in texts.lines(**options) for text in some]


@pytest.fixture
def table(tmp_path):
    """An ending -> a file with a text a row, beside a number."""

    def write(ending, values=SOME, column="Sentence", kind=None):
        found = pa.table({"id": range(len(values)), column: pa.array(values, kind)})
        path = tmp_path / f"texts.{ending}"
        if ending == "parquet":
            pq.write_table(found, path)
            return path
        tab = "\t" if "tsv" in ending else ","
        with pa.output_stream(str(path), compression="detect") as file:
            pv.write_csv(found, file, pv.WriteOptions(delimiter=tab))
        return path

    return write


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "csv.gz"])
def test_a_column_of_a_table_is_read_like_a_list(table, ending):
    path = table(ending)
    assert listed(Texts.of(path), empty=True) == READ == listed(Texts(held=SOME), empty=True)
    assert listed(Texts.of(path, column="Sentence")) == [text for text in READ if text]
    assert Texts.of(path).counts() == Texts(held=SOME).counts() == Counts(texts=4, empty=2)


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary()], ids=str
)
def test_texts_may_be_stored_in_several_types_and_a_missing_one_is_empty(table, kind):
    path = table("parquet", ["one", None, "two", "one"], "text", kind)
    assert listed(Texts.of(path), empty=True) == ["one", "", "two", "one"]


def test_a_table_larger_than_a_batch_is_read_whole(table, monkeypatch):
    many = [f"text {at}\n{'x' * (at % 50)}" for at in range(5000)]
    wanted = [text.replace("\n", " ").strip() for text in many]
    assert listed(Texts.of(table("parquet", many))) == wanted
    monkeypatch.setattr("recembed.data.text_files.ROW", 1000)
    assert listed(Texts.of(table("csv", many))) == wanted


def test_tables_files_and_several_of_them_are_one_after_the_other(table, tmp_path):
    (tmp_path / "plain.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\n two")
    (tmp_path / "more.txt.gz").write_bytes(gzip.compress(b"three\n"))
    files = [tmp_path / "plain.txt", table("csv", ["four"]), tmp_path / "more.txt.gz"]
    found = Texts.of(files)
    assert listed(found, empty=True) == ["one", "", "two", "four", "three"]
    assert found.counts() == Counts(texts=4, empty=1)


@pytest.mark.parametrize("ending", ["parquet", "csv", "txt", "txt.gz"])
def test_reading_advances_the_task_by_the_size(table, tmp_path, ending):
    many = [f"a text of some words {at}" for at in range(3000)]
    path = tmp_path / f"texts.{ending}"
    if "txt" in ending:
        data = "\n".join(many).encode()
        path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    else:
        table(ending, many)
    found = Texts.of(path)
    task = Task("", found.size, found.unit)
    assert len(listed(found, task=task)) == 3000
    assert task.done == path.stat().st_size


def test_a_list_advances_the_task_by_its_texts():
    found = Texts(held=["a"] * 3000)
    task = Task("", found.size, found.unit)
    listed(found, task=task)
    assert (task.done, found.unit) == (3000, "texts")


COLUMNS = {
    "no usual name": (["a", "b"], None, "no text column that can be guessed; it has: a, b"),
    "not there": (["a", "text"], "c", "has no column 'c' for text; it has: a, text"),
    "numbers": (["a", "text"], "a", "the column 'a' holds int64, not text"),
}


@pytest.mark.parametrize(("names", "column", "message"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_that_cannot_be_read_is_refused_before_the_work(tmp_path, names, column, message):
    pq.write_table(pa.table({name: [1, 2] for name in names}), tmp_path / "texts.parquet")
    with pytest.raises(DataError, match=message) as error:
        Texts.of(tmp_path / "texts.parquet", column=column)
    assert "\n" not in str(error.value)


def test_a_column_of_plain_lines_and_a_choice_that_there_is_not_are_refused(tmp_path):
    (tmp_path / "plain.txt").write_text("one")
    with pytest.raises(DataError, match=r"plain.txt has no column 'text': its lines are its texts"):
        Texts.of(tmp_path / "plain.txt", column="text")
    with pytest.raises(DataError, match="invalid is refuse or replace, not 'skip'"):
        Texts.of(tmp_path / "plain.txt", invalid="skip")


def test_files_that_are_not_whole_are_refused(table, tmp_path):
    path = table("parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"texts\.parquet cannot be read: "):
        Texts.of(path)
    (tmp_path / "texts.csv").write_text("id,text\n1,one\n2\n")
    with pytest.raises(DataError, match=r"line 3 of texts.csv has 1 columns, not 2"):
        listed(Texts.of(tmp_path / "texts.csv"))


def test_a_row_of_a_text_table_that_is_too_long_is_refused(table, monkeypatch):
    monkeypatch.setattr("recembed.data.text_files.ROW", 1000)
    path = table("csv", ["short", "long " * 1000, *["short"] * 1000])
    with pytest.raises(DataError, match=r"texts\.csv has a row of more than 1,000 bytes: is a"):
        listed(Texts.of(path))


BAD = b"good\nbad \xff\n\xe2\x82\nnull\0\nlast"


def test_what_is_not_utf8_is_refused_with_its_place_or_replaced_and_counted(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(BAD.replace(b"\0", b""))
    with pytest.raises(DataError, match=r"line 2 of .*bad.txt is not UTF-8: convert the file"):
        Texts.of(path).counts()
    path.write_bytes(BAD)
    found = Texts.of(path, invalid="replace")
    assert listed(found) == ["good", "bad \ufffd", "\ufffd", "null\ufffd", "last"]
    assert found.counts() == Counts(texts=5, replaced=3)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_cell_that_is_not_utf8_is_refused_with_its_row_or_replaced(tmp_path, ending):
    values = [b"good", b"two\nlines", b"bad \xff"]
    path = tmp_path / f"bad.{ending}"
    if ending == "csv":
        path.write_bytes(b"text,n\n" + b"\n".join(b'"%s",1' % value for value in values))
    else:
        pq.write_table(pa.table({"text": pa.array(values, pa.binary())}), path)
    with pytest.raises(DataError, match=r"row 2 of .*bad\.\w+ is not UTF-8"):
        listed(Texts.of(path))
    assert listed(Texts.of(path, invalid="replace")) == ["good", "two lines", "bad \ufffd"]


def test_half_a_surrogate_pair_is_replaced_and_two_halves_are_joined():
    found = Texts(held=["one \ud83d", "\ud83d\ude00", "\ude00 \ud83d", "two\nlines", "nul\0"])
    assert listed(found) == ["one \ufffd", "\U0001f600", "\ufffd \ufffd", "two lines", "nul\0"]
    assert found.counts() == Counts(texts=5, replaced=3)


@pytest.mark.parametrize("kind", ["file", "list", "csv"])
def test_a_text_that_is_too_long_is_cut_and_counted(tmp_path, table, kind, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 1 << 12)
    monkeypatch.setattr(texts, "LONGEST", 10_000)
    many = ["short", "ab cd " * 5000, "x" * 10_000, "\u4e2d" * 20_000, "behind"]
    if kind == "file":
        (tmp_path / "long").write_text("\n".join(many), "utf-8")
    found = {
        "file": lambda: Texts.of(tmp_path / "long"),
        "list": lambda: Texts(held=many),
        "csv": lambda: Texts.of(table("csv", many)),
    }[kind]()
    assert listed(found) == [text.strip()[:10_000] for text in many]
    assert found.counts() == Counts(texts=5, cut=2)


def test_a_file_without_any_space_or_line_break_is_read_in_bounded_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    text = "\u4e2d\u6587\U0001f600" * 1000
    (tmp_path / "text").write_text(text, "utf-8")
    found = [*Texts.of(tmp_path / "text").blocks()]
    assert max(map(len, found)) <= 3 * 64
    assert "".join(block.decode() for block in found) == text + "\n"


@given(st.lists(st.text(alphabet="a \n\r\t\u00e9\u4e2d\U0001f600\ud83d\ude00\0", max_size=30)))
def test_a_list_is_read_text_by_text(held):
    whole = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in held]
    wanted = [text.replace("\n", " ").strip() for text in whole]
    assert listed(Texts(held=held), empty=True) == wanted
    assert listed(Texts(held=held)) == [text for text in wanted if text]


def test_nothing_at_all_is_refused():
    with pytest.raises(DataError, match="there is no text in the texts"):
        Texts(held=["", " \n"]).check()
    Texts(held=["", "a"]).check()
