"""Logs that bring their own train, valid and test: a column, or the names of files."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.data.columns import Columns
from recembed.data.read import read_log
from recembed.data.split import split
from recembed.errors import DataError

HEAD = "user_id,item_id,timestamp\n"


def written(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".").replace("_", "-")).write_text(text)
    return folder


def shown(log):
    """(user, item, part) of every event in order."""
    it = log.interactions
    users = it.users.take(it.events.owners()).to_pylist()
    return list(zip(users, it.items.take(it.rows).to_pylist(), it.part.tolist(), strict=True))


def test_a_named_column_says_the_part_of_each_event():
    words = ["test", "train", "Valid", "dev", " validation "]
    frame = pd.DataFrame({"user": list("uuuvv"), "item": list("abcde"), "split": words})
    frame["time"] = [3, 1, 2, 9, 8]
    log = read_log(frame, columns=Columns(part="split"))
    assert shown(log) == [("u", "b", 0), ("u", "c", 1), ("u", "a", 2), ("v", "e", 1), ("v", "d", 1)]
    assert log.interactions.part.dtype == np.uint8
    assert read_log(frame).interactions.part is None  # a column called so may mean anything
    assert str(split(log).test_rule) == "given"


@pytest.mark.parametrize(
    ("value", "said"),
    [("eval", "'eval'"), (None, "None"), ("2", "'2'"), ("", "None")],
)
def test_a_value_that_is_no_part_is_named_with_its_line(tmp_path, value, said):
    cells = ["train", "test", value or "", "train", value or ""]
    lines = "".join(f"u,i{at},{at},{cell}\n" for at, cell in enumerate(cells))
    (tmp_path / "log.csv").write_text(f"user,item,time,part\n{lines}")
    with pytest.raises(DataError) as error:
        read_log(tmp_path / "log.csv", columns=Columns(part="part"))
    assert str(error.value) == (
        f"line 4 of log.csv: part {said} is not one of train, valid, validation, dev, test "
        "(nor are 1 others of 5)"
    )


def test_a_part_column_that_is_not_there_or_no_text_is_refused():
    table = pa.table({"user": ["u"], "item": ["a"], "lists": [["train"]]})
    with pytest.raises(DataError, match="no column 'split' for part; it has: user, item, lists"):
        read_log(table, columns=Columns(part="split"))
    with pytest.raises(DataError, match=r"lists is list.*, not text"):
        read_log(table, columns=Columns(part="lists"))


def test_the_files_of_a_folder_are_parts_of_one_log(tmp_path):
    folder = written(
        tmp_path,
        train__csv=HEAD + "u,a,1\nv,a,5\nu,b,2\n",
        test__csv=HEAD + "u,d,4\nw,a,1\n",
        valid__csv=HEAD + "u,c,3\n",
        items__csv="item_id,title\na,A\n",
    )
    log = read_log(folder)
    wanted = [("u", "a", 0), ("u", "b", 0), ("u", "c", 1), ("u", "d", 2), ("v", "a", 0)]
    assert shown(log) == [*wanted, ("w", "a", 2)]
    assert log.interactions.time.tolist() == [1, 2, 3, 4, 5, 1]
    assert split(log, "given", "given").part.tolist() == log.interactions.part.tolist()
    (folder / "valid.csv").unlink()
    assert shown(read_log(folder)) == [*(each for each in wanted if each[2] != 1), ("w", "a", 2)]


def test_shards_compressed_files_and_recbole_names_are_parts_too(tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for name, items in {"train-0-of-2": "ab", "train-1-of-2": "c", "test-0-of-1": "d"}.items():
        table = pa.table({"user": ["u"] * len(items), "item": list(items)})
        pq.write_table(table, shards / f"{name}.parquet")
    assert [(item, part) for _, item, part in shown(read_log(shards))] == [
        *(("a", 0), ("b", 0), ("c", 0), ("d", 2))
    ]
    typed = "user_id:token\titem_id:token\n"
    atomic = written(
        tmp_path / "atomic",
        ml__train__inter=typed + "u\ta\n",
        ml__valid__inter=typed + "u\tb\n",
        ml__test__inter=typed + "u\tc\n",
    )
    assert [part for *_, part in shown(read_log(atomic))] == [0, 1, 2]
    packed = written(tmp_path / "packed", test__csv="user,item\nu,b\n")
    (packed / "train.csv.gz").write_bytes(gzip.compress(b"user,item\nu,a\n"))
    assert shown(read_log(packed)) == [("u", "a", 0), ("u", "b", 2)]


def test_ids_in_parts_have_one_type_among_them(tmp_path):
    folder = written(tmp_path, train__csv="user,item\n1,2\n", test__csv="user,item\n1,x\n")
    assert shown(read_log(folder)) == [(1, "2", 0), (1, "x", 2)]


def test_a_wrong_value_in_a_part_is_named_with_its_own_file_and_line(tmp_path):
    folder = written(
        tmp_path, train__csv=HEAD + "u,a,1\nu,b,2\n", test__csv=HEAD + "u,d,4\nu,e,soon\n"
    )
    with pytest.raises(DataError, match=r"line 3 of test\.csv: timestamp 'soon' is not"):
        read_log(folder)


def test_parts_that_do_not_fit_are_refused(tmp_path):
    folder = written(tmp_path, train__csv=HEAD + "u,a,1\n", test__csv="user_id,item\nu,a\n")
    with pytest.raises(DataError, match=r"test\.csv has no column 'item_id', other parts do"):
        read_log(folder)
    written(folder, test__csv=HEAD + "u,b,2\n", test__tsv=HEAD.replace(",", "\t") + "u\tb\t2\n")
    with pytest.raises(DataError, match=r"test\.csv and test\.tsv, the same part twice: keep one"):
        read_log(folder)


def test_a_folder_without_a_train_and_a_test_file_is_a_folder_of_parquet(tmp_path):
    pq.write_table(pa.table({"user": ["u"], "item": ["a"]}), tmp_path / "train.parquet")
    assert read_log(tmp_path).interactions.part is None
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no Parquet files"):
        read_log(tmp_path / "empty")
