import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.data.columns import Columns
from recembed.data.read import read_log
from recembed.errors import DataError

HEAD = "user_id,item_id,timestamp\n"
OK = "1,2,3\n"


def says(error, *parts):
    """The message is one line and has all parts."""
    message = str(error.value)
    assert "\n" not in message
    assert [part for part in parts if part not in message] == [], message


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["log.csv is empty"]),
        (b"\n\n", ["log.csv is empty"]),
        (HEAD.encode(), ["log.csv has no rows"]),
        (HEAD.strip().encode(), ["log.csv has no rows"]),
        ((HEAD + OK + "1,2\n").encode(), ["line 3 of log.csv has 2 columns, not 3: '1,2'"]),
        ((HEAD + "1,2,3,4\n").encode(), ["line 2 of log.csv has 4 columns, not 3"]),
        ((HEAD + OK + "caf\xe9,2,3\n").encode("latin-1"), ["line 3 of log.csv is not UTF-8"]),
        ("us\xe9r,item_id\n1,2\n".encode("latin-1"), ["line 1 of log.csv is not UTF-8"]),
        ((HEAD + OK).encode("utf-16"), ["log.csv is neither UTF-8 text nor Parquet"]),
        (b"user_id,user_id,item_id\n1,2,3\n", ["two columns called user_id"]),
        (b"userid,user_id,item_id\n1,2,3\n", ["user could be any of userid, user_id"]),
        (b"who,item_id\n1,2\n", ["no user column", "it has: who, item_id"]),
        (b"\nuser,item\n1,2\n", ["first line of log.csv is blank"]),
        ((HEAD + OK + ",2,3\n,3,3\n").encode(), ["2 of 3 user ids are missing", "line 3 of log"]),
        ((HEAD + "1,2,\n" + OK).encode(), ["1 of 2 times are missing", "line 2 of log.csv"]),
        ((HEAD + OK + "\n1,2,yesterday\n").encode(), ["line 4 of log.csv: timestamp 'yesterday'"]),
        ((HEAD + OK * 200_000 + "1,2,soon\n").encode(), ["line 200002 of log.csv: timestamp"]),
        ((HEAD + "1,2,2020-01-01\n" + OK).encode(), ["line 3 of log.csv: timestamp '3'", "others"]),
        (b"PAR1 and no more", ["log.csv is not a whole Parquet file"]),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, content, parts):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_log(path)
    says(error, *parts)


def test_a_missing_file_and_a_folder_without_parquet_are_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*none\.csv"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(DataError, match="has no Parquet files"):
        read_log(tmp_path)


def test_damaged_compressed_files_are_named(tmp_path):
    rng = np.random.default_rng(0)
    rows = "".join(f"{a},{b},{c}\n" for a, b, c in rng.integers(0, 10**9, (5000, 3)))
    whole = gzip.compress((HEAD + rows).encode())
    for damaged in (whole[: len(whole) // 2], b"not gzip at all", whole[:500] + b"x" * 500):
        path = tmp_path / "log.csv.gz"
        path.write_bytes(damaged)
        with pytest.raises(DataError) as error:
            read_log(path)
        says(error, "log.csv.gz")


def test_damaged_parquet_is_named(tmp_path):
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"user": range(1000), "item": range(1000)}), path)
    whole = path.read_bytes()
    for damaged in (whole[:-100], whole[:4] + b"\xff" * 600 + whole[604:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError) as error:
            read_log(path)
        says(error, "log.parquet is not a whole Parquet file")


def test_a_part_that_lacks_a_column_is_named(tmp_path):
    pq.write_table(pa.table({"user": [1], "item": [2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"user": [1]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet has no column 'item'"):
        read_log(tmp_path)
    pq.write_table(pa.table({"user": [1], "item": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="do not fit together"):
        read_log(tmp_path)


def test_a_named_column_must_be_there():
    table = pa.table({"user": [1], "item": [2]})
    with pytest.raises(DataError, match=r"no column 'nope' for group; it has: user, item"):
        read_log(table, columns=Columns(group="nope"))
    with pytest.raises(DataError, match=r"no column 'size' for title"):
        read_log(table, items=table, columns=Columns(title="user+size"))


def test_ids_that_are_floats_say_what_to_do():
    frame = pd.DataFrame({"user": [1, 2], "item": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"item ids .* are double, first: 1\.0, 2\.0: make them"):
        read_log(frame)


def test_missing_ids_in_a_frame_name_the_row():
    frame = pd.DataFrame({"user": ["a", None, "b"], "item": [1, 2, 3]})
    with pytest.raises(DataError, match=r"1 of 3 user ids are missing.*row 1 of"):
        read_log(frame)


def test_mixed_ids_in_a_frame_are_an_error():
    with pytest.raises(DataError, match="make the column one type"):
        read_log(pd.DataFrame({"user": [1, "a"], "item": [1, 2]}))


def test_int_ids_against_text_ids_are_an_error():
    log = pa.table({"user": [1], "item": [2]})
    with pytest.raises(DataError, match="item ids are int in the log table and text in the item"):
        read_log(log, items=pa.table({"item": ["2"]}))


def test_an_id_twice_in_the_item_table_is_named():
    log = pa.table({"user": [1], "item": [2]})
    with pytest.raises(DataError, match=r"the item table: 1 items stand twice, first: 7"):
        read_log(log, items=pa.table({"item": [2, 7, 7]}))


def test_a_weight_that_is_no_number_is_named(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,n\n1,2,3\n1,2,many\n")
    with pytest.raises(DataError, match=r"line 3 of log\.csv: n 'many' is not a number"):
        read_log(path, columns=Columns(weight="n"))


def test_a_basket_of_two_users_is_an_error():
    table = pa.table({"user": [1, 2], "item": [2, 2], "basket": [7, 7]})
    with pytest.raises(DataError, match="1 groups belong to more than one user"):
        read_log(table, columns=Columns(group="basket"))


def test_options_are_checked():
    table = pa.table({"user": [1], "item": [2]})
    with pytest.raises(DataError, match="'keep' or 'collapse', not 'drop'"):
        read_log(table, repeats="drop")
    with pytest.raises(DataError, match="at least 1"):
        read_log(table, min_user=0)
    with pytest.raises(DataError, match="not int"):
        read_log(7)


@pytest.mark.parametrize("text", ["user_id,item_id\r1,2\r3,4\r", "user_id,item_id" + 200_000 * "x"])
def test_a_header_that_is_no_header_is_one_line(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text + "\n", newline="")
    with pytest.raises(DataError, match=r"line 1 of log\.csv does not name columns"):
        read_log(path)


def test_a_broken_line_is_told_though_a_cell_before_it_is_very_long(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"user_id,item_id\n{200_000 * 'x'},1\n1,2,3\n")
    with pytest.raises(DataError, match=r"line 3 of log\.csv has 3 columns, not 2"):
        read_log(path)


@pytest.mark.parametrize("weight", ["1e300", "-1e31", "inf"])
def test_a_weight_that_float32_cannot_hold_is_an_error(tmp_path, weight):
    path = tmp_path / "log.csv"
    path.write_text(f"user_id,item_id,w\na,b,1\na,c,{weight}\n")
    with pytest.raises(DataError, match=r"line 3 of log\.csv: w .* is not a number up to 1e\+30"):
        read_log(path, columns=Columns(weight="w"))
