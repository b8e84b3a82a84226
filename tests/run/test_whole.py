import os

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
