import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import TEST, TRAIN
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, RunError
from recembed.run.folder import Run, writing
from recembed.run.log import load_log, store_log


def small(**columns):
    return Log(build(pa.array(["u", "v", "u"]), pa.array([7, 7, 9]), **columns))


def through(folder, log, part):
    with writing(folder, new=True) as writer:
        store_log(writer, log, part)
    return load_log(Run.open(folder))


def same(one, other):
    """Whether two columns are equal to the last bit, or both missing."""
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


int_ids = st.integers(-(2**63), 2**63 - 1)
text_ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@st.composite
def logs(draw):
    size = draw(st.integers(1, 12))

    def column(values):
        return draw(st.lists(values, min_size=size, max_size=size))

    def optional(values, dtype):
        return np.array(column(values), dtype) if draw(st.booleans()) else None

    users, items = (
        column(draw(st.sampled_from([int_ids, text_ids]))),
        column(draw(st.sampled_from([int_ids, text_ids]))),
    )
    groups = pa.array([f"{user}" for user in users]) if draw(st.booleans()) else None
    time = optional(int_ids, np.int64)
    events = build(
        pa.array(users),
        pa.array(items),
        time=time,
        weight=optional(st.floats(width=32), np.float32),
        part=optional(st.integers(0, 2), np.uint8),
        group_ids=groups,
        order=draw(st.sampled_from(["time", "position", None])),
    )
    more = Vocabulary([f"n{i}" for i in range(draw(st.integers(0, 3)))])
    if not events.items.is_int:
        events = events.with_items(events.items.extend(more.ids))
    return Log(events, draw(about(events.items)), draw(about(events.users)))


@st.composite
def about(draw, ids):
    n = len(ids)
    columns = {
        "id": pa.array(range(n), pa.int16()),
        "_id": pa.array([None] * n, pa.large_string()),
        "name": pa.array([f"é{i}" for i in range(n)]),
        "tags": pa.array([["x", None][: i % 3] if i % 4 else None for i in range(n)]),
        "day": pa.array([i * 10**15 for i in range(n)], pa.timestamp("ns", "UTC")),
    }
    names = draw(st.none() | st.lists(st.sampled_from(list(columns)), unique=True))
    if names is None:
        return None
    bare = pa.table({"": pa.nulls(n)}).remove_column(0)  # no column, but n rows
    table = pa.table({name: columns[name] for name in names}) if names else bare
    return Catalogue(ids, table, draw(st.sampled_from([None, *names])))


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(logs(), st.integers(0, 2**32 - 1))
def test_a_log_comes_back_bit_for_bit(tmp_path, log, seed):
    part = np.random.default_rng(seed).integers(0, 3, len(log.interactions)).astype(np.uint8)
    back, part_back = through(tmp_path / "run", log, part)
    mine, other = log.interactions, back.interactions
    assert same(part, part_back)
    assert other.users.ids.equals(mine.users.ids)
    assert other.items.ids.equals(mine.items.ids)
    assert (other.users.name, other.items.name) == ("user", "item")
    assert same(mine.rows, other.rows)
    assert same(mine.events.offsets, other.events.offsets)
    for name in ("time", "weight", "group", "part"):
        assert same(getattr(mine, name), getattr(other, name))
    assert other.order == mine.order
    assert other.fingerprint() == mine.fingerprint()
    for was, found in ((log.items, back.items), (log.users, back.users)):
        assert (was is None) == (found is None)
        if was is not None:
            assert found.table.equals(was.table)
            assert found.table.num_rows == was.table.num_rows
            assert found.title == was.title


def test_an_int_id_and_its_text_stay_different(tmp_path):
    log = Log(build(pa.array(["007", "7"]), pa.array([7, 8])))
    back, _ = through(tmp_path / "run", log, np.zeros(2, np.uint8))
    assert back.interactions.users.rows(["7", "007", 7]).tolist() == [1, 0, -1]
    assert back.interactions.items.rows([8, "8"]).tolist() == [1, -1]


def test_parts_select_the_events_that_were_trained_on(tmp_path):
    part = np.array([TRAIN, TEST, TRAIN], np.uint8)
    back, part_back = through(tmp_path / "run", small(), part)
    assert back.keep(part_back == TRAIN).interactions.rows.tolist() == [0, 0]


@pytest.mark.parametrize("part", [np.zeros(2, np.uint8), np.zeros(3, np.int64)])
def test_a_part_of_another_shape_is_refused(tmp_path, part):
    with pytest.raises(DataError, match=r"3 events need part uint8 \[3\]"):
        through(tmp_path / "run", small(), part)


def test_a_catalogue_of_other_items_is_refused(tmp_path):
    log = small()
    other = Log(log.interactions, Catalogue(Vocabulary([1, 2]), pa.table({"x": [1, 2]})))
    with pytest.raises(DataError, match="does not describe the items of the log"):
        through(tmp_path / "run", other, np.zeros(3, np.uint8))


def test_a_run_without_a_log_is_one_clear_error(tmp_path):
    with writing(tmp_path / "run", new=True):
        pass
    with pytest.raises(RunError, match="has no 'events'"):
        load_log(Run.open(tmp_path / "run"))


@pytest.mark.parametrize(
    "facts", [{}, None, 7, {"order": None}, {"order": None, "users": None, "items": {}}]
)
def test_a_log_whose_facts_were_changed_is_one_clear_error(tmp_path, facts):
    with writing(tmp_path / "run", new=True) as writer:
        store_log(writer, small(), np.zeros(3, np.uint8))
        writer.facts({"log": facts})
    with pytest.raises(RunError, match="is not whole"):
        load_log(Run.open(tmp_path / "run"))


def test_a_log_of_two_runs_is_never_mixed(tmp_path):
    with writing(tmp_path / "run", new=True) as writer:
        store_log(writer, small(), np.zeros(3, np.uint8))
        writer.table("users", pa.table({"id": [1]}))
    with pytest.raises(RunError, match="1 users but 2 histories"):
        load_log(Run.open(tmp_path / "run"))
