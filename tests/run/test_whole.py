import os
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.errors import DataError
from recembed.run.whole import whole


def test_a_file_takes_its_place_at_the_end_and_not_before(tmp_path):
    target = tmp_path / "out"
    target.write_text("old")
    with whole(target) as beside:
        beside.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    target = tmp_path / "out"
    target.write_text("old")

    def fail():
        with whole(target) as beside:
            beside.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_never_replaced(tmp_path, make):
    target = tmp_path / "out"
    make(target)
    says = "is there and is no file: name another one to write"
    with pytest.raises(DataError, match=says), whole(target):
        pass
    assert not target.is_file()
    assert target.exists()


def test_threads_of_one_process_do_not_write_into_each_other(tmp_path):
    target = tmp_path / "out"
    with whole(target) as one, whole(target) as other:
        one.write_text("one")
        other.write_text("other")
    assert target.read_text() == "one"  # which was done last
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_the_disk_refuses_is_told_of_the_file_that_was_named(tmp_path):
    target = tmp_path / "gone" / "out"
    says = f"{re.escape(str(target))} cannot be written: No such file or directory$"
    with pytest.raises(DataError, match=says), whole(target) as beside:
        beside.write_text("new")
    with pytest.raises(DataError, match=says), whole(target) as beside:
        pq.write_table(pa.table({"id": [1]}), beside)
    full = rf"{tmp_path}/out cannot be written: No space left on device$"
    with (
        pytest.raises(DataError, match=full),
        whole(tmp_path / "out"),
        pa.OSFile("/dev/full", "wb") as file,
    ):
        file.write(b"x" * (1 << 20))


def test_what_cannot_be_read_meanwhile_is_not_blamed_on_the_target(tmp_path):
    with pytest.raises(FileNotFoundError), whole(tmp_path / "out"):
        (tmp_path / "input").read_text()
