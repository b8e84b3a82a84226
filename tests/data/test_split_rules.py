"""Split rules as text."""

import pytest

from recembed.data.split import Rule
from recembed.errors import DataError

DAY = 86_400


@pytest.mark.parametrize(
    "text",
    [
        *("last:1", "last:20", "time:2017-12-01", "time:2017-12-01T10:00:00Z", "time:-14d"),
        *("time:-6h", "users:0.1", "users:.5", "groups:0.25", "groups:-2w", "groups:2017-12-01"),
    ],
)
def test_a_rule_reads_back_as_it_was_written(text):
    assert str(Rule.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "last", "last:", "last:0", "last:-1", "last:1.5", "last:²", "first:1"),
        *("time:14d", "time:-0d", "time:-14x", "time:2017-13-01", "time:1.0", "time:yesterday"),
        *("users:0", "users:1", "users:1.5", "users:0.0", "users:-14d", "users:nan"),
        *("groups:2", "groups:1.0", "last:" + 30 * "9", "time:-" + 5000 * "9" + "d"),
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
