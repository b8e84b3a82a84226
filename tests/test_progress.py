"""Progress: silent, in lines with a clock that the test turns, or as a bar."""

import pytest

from recembed import progress
from recembed.progress import QUIET, Progress


class Clock:
    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def lines(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""  # results go there, progress never does
    return captured.err.splitlines()


def test_quiet_says_nothing(capsys):
    with QUIET.task("work", 10, "steps") as task:
        task.advance(4)
        task.advance(6, "loss 1")
    QUIET.say("news")
    assert task.done == 10
    assert lines(capsys) == []


def test_lines_come_every_ten_seconds_and_at_the_end(capsys, clock):
    with Progress("lines").task("training", 1000, "tokens") as task:
        clock.now += 9
        task.advance(90, "loss 3")
        assert lines(capsys) == []
        clock.now += 1
        task.advance(110, "loss 2.5")
        assert lines(capsys) == ["training: 20%, 20 tokens/s, 40 s left (loss 2.5)"]
        clock.now += 5
        task.advance(100)
        assert lines(capsys) == []
        clock.now += 85
        task.advance(700)
        assert lines(capsys) == []  # the end is said once
    assert lines(capsys) == ["training: done, 1,000 tokens in 100.0 s, 10 tokens/s (loss 2.5)"]


def test_what_takes_seconds_each_is_not_told_to_be_none_a_second(capsys, clock):
    with Progress("lines").task("trials", 3, "trials") as task:
        clock.now += 12
        task.advance(3)
    assert lines(capsys) == ["trials: done, 3 trials in 12.0 s, 0.25 trials/s"]


def test_what_was_done_before_says_nothing_of_the_speed(capsys, clock):
    with Progress("lines").task("training", 1000, "tokens") as task:
        task.resume(600)
        clock.now += 10
        task.advance(100)
        clock.now += 10
        task.advance(300)
    assert lines(capsys) == [
        "training: 70%, 10 tokens/s, 30 s left",
        "training: done, 1,000 tokens in 20.0 s, 20 tokens/s",
    ]
    with Progress("bar").task("training", 1000, "tokens") as task:
        task.resume(600)
        task.advance(400)
        assert task.bar.format_dict["initial"] == 600
        assert task.bar.n == 1000


def test_nothing_done_yet_has_no_end_in_sight_and_no_total_is_no_error(capsys, clock):
    with Progress("lines").task("waiting", 10, "steps") as task:
        clock.now += 20
        task.advance(0)
    with Progress("lines").task("empty", 0, "steps"):
        pass
    assert lines(capsys) == [
        "waiting: 0%, 0 steps/s, inf s left",
        "waiting: done, 0 steps in 20.0 s, 0 steps/s",
        "empty: done, 0 steps in 0.0 s, 0 steps/s",
    ]


@pytest.mark.parametrize("mode", ["lines", "quiet", "bar"])
def test_work_that_fails_is_not_called_done_and_its_error_comes_through(capsys, mode):
    def work():
        with Progress(mode).task("work", 10, "steps") as task:
            task.advance(4)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert "done" not in capsys.readouterr().err


def test_a_bar_shows_label_total_and_note(capsys):
    with Progress("bar").task("training", 5, "steps") as task:
        task.advance(2, "loss 0.5")
        task.advance(3)
    said = capsys.readouterr().err
    assert "training: 100%" in said
    assert "5.00/5.00" in said
    assert "loss 0.5" in said


def test_auto_is_lines_where_there_is_no_terminal(capsys, monkeypatch):
    assert Progress().mode == "lines"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert Progress().mode == "bar"
    assert Progress("quiet").mode == "quiet"


def test_news_is_one_line(capsys):
    Progress("lines").say("reading 3 files")
    Progress("bar").say("done")
    assert lines(capsys) == ["reading 3 files", "done"]
