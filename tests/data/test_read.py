import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.data.columns import Columns
from recembed.data.read import read_log
from recembed.errors import DataError

CSV = """user_id,item_id,timestamp,rating
u2,b,30,5
u1,a,20,4
u1,b,10,3
u2,a,30,1
"""


def written(folder, text, name="log.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def shown(log):
    """(user, item, time) of every event in order."""
    it = log.interactions
    users = it.users.take(it.events.owners()).to_pylist()
    times = [None] * len(it) if it.time is None else it.time.tolist()
    return list(zip(users, it.items.take(it.rows).to_pylist(), times, strict=True))


SORTED = [("u2", "b", 30), ("u2", "a", 30), ("u1", "b", 10), ("u1", "a", 20)]


def test_a_csv_is_sorted_by_user_and_time_and_ties_stay_in_file_order(tmp_path):
    log = read_log(written(tmp_path, CSV))
    assert shown(log) == SORTED
    assert log.interactions.order == "time"
    assert log.interactions.weight is None


def test_every_container_of_the_same_rows_gives_the_same_log(tmp_path):
    path = written(tmp_path, CSV)
    expected = read_log(path).interactions.fingerprint()
    frame = pd.read_csv(path)
    table = pa.Table.from_pandas(frame)
    pq.write_table(table, tmp_path / "log.parquet")
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    pq.write_table(table.slice(0, 1), tmp_path / "parts" / "a.parquet")
    pq.write_table(table.slice(1), tmp_path / "parts" / "deep" / "b.parquet")
    sources = [
        frame,
        table,
        tmp_path / "log.parquet",
        str(tmp_path / "parts"),
        written(tmp_path, CSV.replace(",", "\t"), "log.tsv"),
        written(tmp_path, CSV.replace(",", ";"), "semi.csv"),
        written(tmp_path, CSV.replace("\n", "\r\n"), "crlf.csv"),
        written(tmp_path, b"\xef\xbb\xbf" + CSV.encode(), "bom.csv"),
        written(tmp_path, gzip.compress(CSV.encode()), "log.csv.gz"),
    ]
    assert [read_log(source).interactions.fingerprint() for source in sources] == [expected] * 9


def test_movielens_files_without_a_header_are_known(tmp_path):
    rows = [("1", "10", "5", "100"), ("2", "11", "3", "90"), ("1", "11", "4", "50")]
    tabs = written(tmp_path, "".join("\t".join(row) + "\n" for row in rows), "u.data")
    colons = written(tmp_path, "".join("::".join(row) + "\n" for row in rows), "ratings.dat")
    films = "10::Café (1995)::Drama|Comedy\n11::Nothing (1996)::\n"
    items = written(tmp_path, films.encode("latin-1"), "movies.dat")
    expected = [(1, 11, 50), (1, 10, 100), (2, 11, 90)]
    assert shown(read_log(tabs)) == expected
    log = read_log(colons, items=items)
    assert shown(log) == expected
    assert log.items.titles(np.array([0, 1])) == ["Café (1995)", "Nothing (1996)"]
    assert log.items.column("genres").to_pylist() == [["Drama", "Comedy"], None]


def test_recbole_files_are_known_by_their_typed_headers(tmp_path):
    inter = "user_id:token\titem_id:token\ttimestamp:float\n1\t7\t20.5\n1\t8\t20.25\n"
    item = 'item_id:token\ttitle:token_seq\tclass:token_seq\n8\tThe "x\tA B\n7\t\tC\n'
    log = read_log(written(tmp_path, inter, "x.inter"), items=written(tmp_path, item, "x.item"))
    assert shown(log) == [(1, 8, 20), (1, 7, 20)]
    assert log.items.column("class").to_pylist() == [["C"], ["A", "B"]]
    assert log.items.titles(np.array([0, 1])) == [None, 'The "x']


@pytest.mark.parametrize(
    ("written_ids", "kept"),
    [
        (["1", "20", "-3"], [1, 20, -3]),
        (["7", "007", "70"], ["7", "007", "70"]),
        (["1", "1.0", "2"], ["1", "1.0", "2"]),
        (["0x1F", "0xFFFFFFFFFFFFFFF", "00000"], ["0x1F", "0xFFFFFFFFFFFFFFF", "00000"]),
        (["-0", "1", "2"], ["-0", "1", "2"]),
        (["9223372036854775807", "-9223372036854775808", "0"], [2**63 - 1, -(2**63), 0]),
        (["9223372036854775808", "1", "2"], ["9223372036854775808", "1", "2"]),
        (["NA", "null", "nan"], ["NA", "null", "nan"]),
        (["+1", " 2", "3"], ["+1", " 2", "3"]),
    ],
)
def test_ids_in_text_keep_what_was_written(tmp_path, written_ids, kept):
    text = "user,item\n" + "".join(f"{id},{id}\n" for id in written_ids)
    it = read_log(written(tmp_path, text)).interactions
    assert it.items.ids.to_pylist() == kept
    assert it.users.ids.to_pylist() == kept
    assert it.order is None


def test_typed_ids_keep_their_type():
    table = pa.table({"user": ["1", "2"], "item": pa.array([3, 4], pa.uint8())})
    it = read_log(table).interactions
    assert (it.users.ids.to_pylist(), it.items.ids.to_pylist()) == (["1", "2"], [3, 4])


def test_a_categorical_column_gets_rows_by_appearance_and_none_for_unused_categories():
    items = pd.Categorical(["b", "a", "b"], categories=["unused", "a", "b"])
    log = read_log(pd.DataFrame({"user": [1, 1, 2], "item": items}))
    assert log.interactions.items.ids.to_pylist() == ["b", "a"]
    assert log.interactions.rows.tolist() == [0, 1, 0]


def test_a_frame_with_an_index_and_unrelated_odd_columns_is_read():
    frame = pd.DataFrame({"item": ["a", "b"], "user": [2, 1], "odd": [1, "x"], 5: [0, 0]})
    assert shown(read_log(frame[::-1])) == [(1, "b", None), (2, "a", None)]


def test_named_columns_win_over_guessed_ones():
    table = pa.table(
        {"user_id": [1, 1], "item_id": [5, 6], "time": [1, 2], "what": ["x", "y"], "age": [9, 3]}
    )
    log = read_log(table, columns=Columns(item="what", time="age"))
    assert shown(log) == [(1, "y", 3), (1, "x", 9)]


def test_usual_names_are_guessed_whatever_their_case():
    table = pa.table({"HouseHold_ID": [1], "ProductId": [2], "Transaction Timestamp": [3]})
    assert shown(read_log(table)) == [(1, 2, 3)]


def test_position_orders_where_there_is_no_time_and_breaks_ties_where_asked():
    columns = {"user": [1, 1, 1], "item": [5, 6, 7], "position": [2, 1, 0]}
    it = read_log(pa.table(columns)).interactions
    assert (it.rows.tolist(), it.order) == ([2, 1, 0], "position")
    timed = pa.table(columns | {"time": [10, 10, 20]})
    assert read_log(timed).interactions.rows.tolist() == [0, 1, 2]
    tied = read_log(timed, columns=Columns(position="position")).interactions
    assert (tied.rows.tolist(), tied.order) == ([1, 0, 2], "time")


def test_weight_and_group_are_taken_only_when_named():
    table = pa.table(
        {"user": [1, 2, 1], "item": [5, 6, 7], "quantity": [2, 1, 3], "basket": ["x", "y", "z"]}
    )
    plain = read_log(table).interactions
    assert plain.weight is None
    assert plain.group is None
    it = read_log(table, columns=Columns(weight="quantity", group="basket")).interactions
    assert it.weight.tolist() == [2, 3, 1]
    assert it.group.tolist() == [0, 2, 1]


def test_collapse_keeps_the_last_event_and_adds_weights():
    table = pa.table(
        {"user": [1, 1, 1, 2], "item": [5, 6, 5, 5], "time": [1, 2, 3, 4], "n": [1, 10, 100, 7]}
    )
    log = read_log(table, columns=Columns(weight="n"), repeats="collapse")
    assert shown(log) == [(1, 6, 2), (1, 5, 3), (2, 5, 4)]
    assert log.interactions.weight.tolist() == [10, 101, 7]


def test_thresholds_are_iterated_until_both_hold():
    # item 9 has one event; without it user 3 has one; without that item 8 has one, and so on
    pairs = [(3, 9), (1, 5), (1, 6), (2, 5), (2, 6), (3, 8), (4, 8), (4, 5)]
    table = pa.table({"user": [u for u, _ in pairs], "item": [i for _, i in pairs]})
    it = read_log(table, min_user=2, min_item=2).interactions
    assert it.users.ids.to_pylist() == [1, 2]
    assert it.items.ids.to_pylist() == [5, 6]
    assert it.rows.tolist() == [0, 1, 0, 1]


def test_groups_stay_dense_under_thresholds():
    table = pa.table({"user": [1, 2, 2], "item": [5, 5, 6], "basket": [70, 71, 72]})
    it = read_log(table, columns=Columns(group="basket"), min_user=2).interactions
    assert it.group.tolist() == [0, 1]
    assert it.sentences("group").sizes.tolist() == [1, 1]


def test_thresholds_that_leave_nothing_are_named():
    with pytest.raises(DataError, match=r"no event is left of 1: .*min_user.*lower"):
        read_log(pa.table({"user": [1], "item": [2]}), min_user=2)


def test_items_known_only_from_the_table_come_after_the_log_s():
    log = pa.table({"user": [1, 1], "item": ["b", "a"]})
    items = pa.table({"item": ["c", "a"], "title": ["C", "A"], "tags": [["x", "y"], []]})
    read = read_log(log, items=items)
    assert read.interactions.items.ids.to_pylist() == ["b", "a", "c"]
    assert read.interactions.rows.tolist() == [0, 1]
    assert read.items.titles(np.arange(3)) == [None, "A", "C"]
    assert read.items.column("tags").to_pylist() == [None, [], ["x", "y"]]
    assert read.items.table.column_names == ["title", "tags"]
    tags, meanings = read.items.categories(("tags",))
    assert ([row.tolist() for row in tags.take(np.arange(3))], meanings) == (
        [[], [], [0, 1]],
        ["tags=x", "tags=y"],
    )


def test_titles_of_several_columns_leave_nulls_out():
    log = pa.table({"user": [1, 1, 1], "item": [1, 2, 3]})
    items = pa.table({"id": [1, 2, 3], "kind": ["Milk", None, None], "size": [2, 3, None]})
    read = read_log(log, items=items, columns=Columns(title="kind+size"))
    assert read.items.titles(np.arange(3)) == ["Milk 2", "3", None]
    assert read.items.title == "title"


def test_user_tables_are_laid_out_along_the_users_of_the_log():
    log = pa.table({"user_id": [3, 1], "item": [1, 2]})
    users = pa.table({"user_id": [1, 2], "age": [30, 40]})
    read = read_log(log, users=users)
    assert read.users.column("age").to_pylist() == [None, 30]
    assert read.interactions.n_users == 2


def test_ids_of_two_text_files_meet_as_text(tmp_path):
    log = written(tmp_path, "user,item\n1,10\n1,20\n")
    items = written(tmp_path, "item,title\n10,ten\nx20,other\n", "items.csv")
    read = read_log(log, items=items)
    assert read.interactions.items.ids.to_pylist() == ["10", "20", "x20"]
    assert read.items.titles(np.arange(3)) == ["ten", None, "other"]


def test_one_user_is_a_log():
    assert len(read_log(pa.table({"user": [1], "item": [2]})).interactions) == 1


def test_a_folder_with_interactions_brings_its_tables(tmp_path):
    pq.write_table(pa.table({"user": [1], "item": [2]}), tmp_path / "interactions.parquet")
    pq.write_table(pa.table({"item": [2], "title": ["two"]}), tmp_path / "items.parquet")
    assert read_log(tmp_path).items.titles(np.array([0])) == ["two"]
