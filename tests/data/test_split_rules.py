"""Split rules as text, and the ones that are chosen for a log."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import build
from recembed.data.rules import Rule, rule_for
from recembed.errors import DataError

DAY = 86_400


@pytest.mark.parametrize(
    "text",
    [
        *("last:1", "last:20", "time:2017-12-01", "time:2017-12-01T10:00:00Z", "time:-14d"),
        *("time:-6h", "users:0.1", "users:.5", "groups:0.25", "groups:-2w", "groups:2017-12-01"),
        *("time:0.1", "time:-28d..-14d", "time:-2w..-36h", "time:2017-12-01..2017-12-15"),
        *("time:2017-12-01T10:00:00Z..2017-12-15", "users:0.1/0.2", "random:0.1", "given"),
    ],
)
def test_a_rule_reads_back_as_it_was_written(text):
    assert str(Rule.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["time:-14d..-28d", "time:-14d..-14d", "time:-2w..-14d", "time:2017-12-15..2017-12-01"],
)
def test_a_window_that_ends_before_it_begins_is_refused(text):
    with pytest.raises(DataError, match=f"{text} is a window that ends before it begins"):
        Rule.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "last", "last:", "last:0", "last:-1", "last:1.5", "last:²", "first:1"),
        *("time:14d", "time:-0d", "time:-14x", "time:2017-13-01", "time:1.0", "time:yesterday"),
        *("users:0", "users:1", "users:1.5", "users:0.0", "users:-14d", "users:nan"),
        *("groups:2", "groups:1.0", "last:" + 30 * "9", "time:-" + 5000 * "9" + "d"),
        *("time:-28d..", "time:..-14d", "time:0.1..0.2", "time:-28d..2017-12-01", "time:-9d..-0d"),
        *("time:2017-12-01..2017-12-15..2017-12-20", "groups:-28d..-14d", "last:1..2"),
        *("users:0.1/", "users:0.1/2", "users:0.1/0.2/0.3", "users:/0.2", "groups:0.1/0.2"),
        *("random", "random:1", "random:-14d", "given:1", "given:", "auto", "Given"),
    ],
)
def test_an_unreadable_rule_is_refused_with_the_forms(text):
    with pytest.raises(DataError, match=r"last:N.*time:-14d.*users:0\.1.*groups:-14d"):
        Rule.parse(text)


def test_dates_without_a_zone_are_utc_and_zones_are_obeyed():
    assert Rule.parse("time:1970-01-02").amount == DAY
    assert Rule.parse("time:1970-01-02T02:00:00+02:00").amount == DAY
    assert Rule.parse("groups:-2w").amount == 14 * DAY
    assert Rule.parse("time:-6h").amount == 6 * 3600


def test_the_second_amount_of_a_rule_ends_its_window_or_is_the_share_asked_for():
    dates = Rule.parse("time:1970-01-02..1970-01-04")
    assert (dates.by, dates.amount, dates.second) == ("since", DAY, 3 * DAY)
    spans = Rule.parse("time:-4w..-36h")
    assert (spans.by, spans.amount, spans.second) == ("span", 28 * DAY, 36 * 3600)
    users = Rule.parse("users:0.1/0.25")
    assert (users.by, users.amount, users.second) == ("share", 0.1, 0.25)
    assert Rule.parse("users:0.1").second is None


def log_of(**columns):
    ids = pa.array(["u", "u", "v", "v"])
    return build(ids, pa.array(list("abab")), **columns)


TIME, PART = np.array([4, 5, 4, 9]), np.array([0, 1, 0, 2], np.uint8)
GROUPS = pa.array([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"time": TIME, "sort_key": TIME, "order": "time", "group_ids": GROUPS}, "time:0.1"),
        ({"time": TIME, "part": PART, "order": "time"}, "given"),
        ({"time": TIME[:1].repeat(4), "order": "time"}, "last:1"),  # one moment cuts nothing
        ({"order": "position", "group_ids": GROUPS}, "last:1"),
        ({"group_ids": GROUPS}, "groups:0.1"),
        ({}, "random:0.1"),
    ],
)
def test_auto_is_the_rule_that_suits_the_log(columns, rule):
    assert str(rule_for("auto", log_of(**columns))) == rule
    assert str(rule_for("last:2", log_of(**columns))) == "last:2"


@pytest.mark.parametrize(
    ("test", "valid"),
    [
        *((rule, rule) for rule in ("last:3", "time:-14d", "time:0.2", "users:0.1/0.2")),
        *((rule, rule) for rule in ("random:0.3", "groups:-14d", "groups:0.2")),
        ("time:2017-12-01", "time:0.1"),
        ("time:-28d..-14d", "time:0.1"),
        ("time:2017-12-01..2017-12-15", "time:0.1"),
        ("groups:2017-12-01", "groups:0.1"),
    ],
)
def test_a_valid_part_by_itself_is_cut_as_the_test_part_was(test, valid):
    assert str(rule_for("auto", log_of(), Rule.parse(test))) == valid


def test_a_valid_part_beside_given_ones_is_the_given_one_where_there_is_one():
    log, test = log_of(time=TIME, sort_key=TIME, part=PART, order="time"), Rule.parse("given")
    assert str(rule_for("auto", log, test)) == "given"
    none = replace(log, part=np.array([0, 0, 0, 2], np.uint8))
    assert str(rule_for("auto", none, test)) == "time:0.1"


@given(
    st.sampled_from(["", "time:", "users:", "groups:", "last:", "random:"]),
    st.text("0123456789.-/:abdghimnoprstuvw", max_size=30),
)
def test_any_text_is_a_rule_that_reads_back_or_a_clear_error(kind, text):
    try:
        rule = Rule.parse(kind + text)
    except DataError:
        return
    assert Rule.parse(str(rule)) == rule
    assert rule.text == kind + text
