import json

import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.models.popularity import Popularity
from recembed.recommender import Recommender, State
from recembed.serving.live import Live
from recembed.serving.meters import Meters

WISHES = [
    {},
    {"k": 3, "exclude_seen": False},
    {"exclude": ["001", "002"], "because": 2},
    {"allow": ["000", "001", "020", "021"]},
    {"where": {"colour": ["colour 1", "colour 2"]}},
    {"diversity": 0.5, "cap": {"colour": 2}},
]


def told(recommendations):
    """As JSON says it: each item has reasons, be they none."""
    whole = recommendations.to_dict()
    return {**whole, "items": [{"because": [], **item} for item in whole["items"]]}


def plain(value):
    return json.loads(json.dumps(value))


def as_query(wish):
    """(name, text) pairs."""
    pairs = []
    for name, value in wish.items():
        if isinstance(value, dict):
            texts = [
                f"{key}={one}"
                for key, each in value.items()
                for one in (each if isinstance(each, list) else [each])
            ]
        else:
            texts = value if isinstance(value, list) else [value]
        pairs += [(name, str(text)) for text in texts]
    return pairs


@pytest.mark.parametrize("wish", WISHES)
def test_a_user_gets_over_http_what_the_recommender_answers(client, recommender, wish):
    wanted = plain(told(recommender.recommend("u001", **wish)))
    assert len(wanted["items"]) >= 2
    assert client.get("/recommend", params=[("user", "u001"), *as_query(wish)]).json() == wanted
    assert client.post("/recommend", json={"user": "u001", **wish}).json() == wanted


def test_a_history_gets_over_http_what_the_recommender_answers(client, recommender):
    wanted = plain(told(recommender.recommend_for(["001", "003"], 4)))
    query = [("history", "001"), ("history", "003"), ("k", "4")]
    assert client.get("/recommend", params=query).json() == wanted
    assert client.post("/recommend", json={"history": ["001", "003"], "k": 4}).json() == wanted


def test_an_empty_history_gets_popular_items(client):
    answer = client.post("/recommend", json={"history": []}).json()
    assert "popular" in answer["reason"]
    assert len(answer["items"]) == 10


def test_what_a_user_holds_counts_and_is_not_recommended(client, recommender):
    wanted = plain(told(recommender.recommend("u001", basket=["031", "032"])))
    query = [("user", "u001"), ("basket", "031"), ("basket", "032")]
    assert client.get("/recommend", params=query).json() == wanted
    assert wanted != plain(told(recommender.recommend("u001")))


def test_many_users_get_the_lists_that_each_gets_alone(client):
    users = ["u003", "nobody", "u001", "u003"]
    lists = client.post("/recommend_many", json={"users": users, "k": 5}).json()["lists"]
    alone = [client.get("/recommend", params={"user": user, "k": 5}).json() for user in users]
    assert [one["reason"] for one in lists] == [one["reason"] for one in alone]
    for mine, other in zip(lists, alone, strict=True):
        assert [item["item"] for item in mine["items"]] == [item["item"] for item in other["items"]]


def test_somebody_unknown_gets_popular_items_and_the_reason(client):
    answer = client.get("/recommend", params={"user": "nobody"})
    assert answer.status_code == 200
    assert answer.json()["reason"] == "user 'nobody' is unknown: popular items"


def test_similar_items_are_what_the_recommender_says(client, recommender):
    answer = client.get("/similar", params={"item": "001", "k": 3}).json()
    assert answer == plain(told(recommender.similar("001", 3)))


def test_an_item_is_told_with_its_columns(client):
    assert client.get("/items/017").json() == {
        "item": "017",
        "title": "Thing 17",
        "trained": True,
        "placed": "events",
        "columns": {"title": "Thing 17", "colour": "colour 1"},
    }
    of_the_table_alone = client.get("/items/061").json()
    assert (of_the_table_alone["trained"], of_the_table_alone["placed"]) == (False, None)


@pytest.fixture(scope="module")
def strange(serve):
    """Whole numbers as users; items with slashes, dots and signs in their ids, and a date each."""
    items = ["a/b", "../etc", "50% off", "ü ✓", "a?b#c"]
    events = build(pa.array([7, 7, 42, 42, 42]), pa.array(items), order="position")
    dates = pa.array([0] * len(items), pa.timestamp("s"))
    about = {"name": [*items[:-1], None], "added": dates, "raw": [b"\xff"] * len(items)}
    about["ends"] = pa.array([2**59] * len(items), pa.timestamp("us", "UTC"))  # never
    table = pa.table(about)
    log = Log(events, Catalogue(events.items, table, "name"))
    model = Popularity().fit(log)
    made = "2026-01-02T03:04:05+00:00"
    state = State(log, model, model, repeats=True, identity="x", created=made)
    return serve(None, live=Live("nowhere", lambda: Recommender(state), Meters())), items


def test_ids_are_numbers_or_texts_as_the_run_has_them(strange):
    client, _ = strange
    ours = client.get("/recommend", params={"user": "42"}).json()
    assert ours["reason"] == "model"
    assert client.post("/recommend", json={"user": 42}).json() == ours
    assert "unknown" in client.post("/recommend", json={"user": "42"}).json()["reason"]


def test_any_id_can_stand_in_a_path(strange):
    client, items = strange
    for item in items:
        escaped = "".join(f"%{byte:02X}" for byte in item.encode())
        answer = client.get(f"/items/{escaped}")
        assert answer.status_code == 200, item
        assert answer.json()["item"] == item


def test_values_that_json_lacks_are_told_as_text(strange):
    client, _ = strange
    columns = client.get("/items/a%2Fb").json()["columns"]
    assert columns["added"].startswith("1970-01-01")
    assert columns["ends"].startswith("20237-")
    assert isinstance(columns["raw"], str)


def test_health_names_the_run_and_needs_no_key(serve, run, recommender):
    client = serve(run, key="secret")
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/health/ready").json() == {
        "status": "ready",
        "identity": recommender.state.identity,
        "created": recommender.state.created,
        "reason": None,
    }


def test_requests_are_counted_by_route_and_status(serve, run):
    client = serve(run)
    for path in ("/items/001", "/items/002", "/items/none", "/recommend?user=u001", "/nowhere"):
        client.get(path)
    lines = client.get("/metrics").text.splitlines()
    assert 'recembed_requests_total{route="/items/{id}",status="200"} 2.0' in lines
    assert 'recembed_requests_total{route="/items/{id}",status="404"} 1.0' in lines
    assert 'recembed_requests_total{route="other",status="404"} 1.0' in lines
    assert 'recembed_request_seconds_count{route="/recommend"} 1.0' in lines
    assert 'recembed_reloads_total{result="ok"} 0.0' in lines
    assert not [line for line in lines if "none" in line or "nowhere" in line or "u001" in line]


def test_the_page_of_the_document_loads_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    parts = [part.split('"')[0] for part in page.replace("'", '"').split('="')[1:]]
    parts = [part for part in parts if "/" in part]
    assert parts
    assert "://" not in page.replace("window.location", "")
    for part in parts:
        if part.startswith("/"):
            assert client.get(part).status_code == 200
