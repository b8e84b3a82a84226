import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

TRICKS = [
    "..%2f..%2fetc%2fpasswd",
    "../../etc/passwd",
    "%00",
    "001%00",
    "%ff%fe",
    "x" * 20_000,
    "%F0%9F%A6%86",
    "001%20",
    "-0",
    "1e3",
    "9" * 400,
]
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"user": true}',
    b'{"user": 1.5}',
    b'{"user": "\\ud800"}',
    b'{"user": 99999999999999999999999}',
    b'{"user": "u001", "usr": 1}',
    b'{"user": "u001", "k": 0}',
    b'{"user": "u001", "k": "5"}',
    b'{"user": "u001", "k": true}',
    b'{"user": "u001", "exclude": "001"}',
    b'{"user": "u001", "k": 1e400}',
    b'{"user": "u001", "where": {"colour": {"$ne": 1}}}',
    b'{"user": "u001", "where": {"nothing": 1}}',
    b'{"user": "u001", "cap": {"colour": 0}}',
    b'{"user": "u001", "diversity": NaN}',
    b'{"user": "u001", "history": ["001"]}',
    b'{"history": ["001"], "basket": ["002"]}',
    b'{"history": ["no such item"]}',
    b"\xff\xfe",
    b'{"user": ' + b"[" * 100_000,
]
QUERIES = [
    "",
    "user=",
    "usr=1",
    "user=u001&history=001",
    "user=u001&user=u002",
    "history=no-such-item",
    "user=u001&k=ten",
    "user=u001&k=101",
    "user=u001&k=99999999999999999999",
    "user=u001&where=colour",
    "user=u001&cap=colour=none",
    "user=u001&cap=colour=1&cap=colour=2",
    "user=u001&cap=colour=99999999999999999999",
    "user=u001&diversity=nan",
    "user=u001&because=51",
]


def detail(answer):
    """The one line of a refusal."""
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"detail"}
    line = answer.json()["detail"]
    assert line
    assert "\n" not in line
    assert len(line) < 520
    return line


@pytest.mark.parametrize("item", TRICKS)
def test_tricks_in_ids_are_items_that_the_run_does_not_have(client, item):
    for path in (f"/items/{item}", f"/similar?item={item}"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert detail(answer) in ("the run has no such item", "Not Found")


@pytest.mark.parametrize("item", TRICKS)
def test_tricks_in_the_id_of_a_user_get_popular_items(client, item):
    answer = client.get(f"/recommend?user={item}")
    assert answer.status_code == 200
    assert "popular" in answer.json()["reason"]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", ["/recommend", "/recommend_many"])
def test_bodies_that_make_no_sense_are_refused_in_one_line(client, path, body):
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, body[:100]
    detail(answer)


@pytest.mark.parametrize("query", QUERIES)
def test_queries_that_make_no_sense_are_refused_in_one_line(client, query):
    answer = client.get(f"/recommend?{query}")
    if query == "user=":
        assert "popular" in answer.json()["reason"]
    else:
        assert answer.status_code == 422
        detail(answer)


def test_other_methods_and_routes_are_refused_as_json(client):
    assert detail(client.put("/recommend")) == "Method Not Allowed"
    assert detail(client.get("/../etc/passwd")) == "Not Found"


def test_a_run_without_text_search_says_so(client):
    answer = client.get("/search?text=red")
    assert answer.status_code == 404
    assert "text" in detail(answer)


def test_lists_are_as_long_as_allowed_and_no_longer(serve, run):
    client = serve(run, k=5, ids=3)
    assert len(client.get("/recommend?user=u001&k=5").json()["items"]) == 5
    assert "k is at most 5" in detail(client.get("/recommend?user=u001&k=6"))
    assert "k is at most 5" in detail(client.get("/similar?item=001&k=6"))
    three = ["001", "002", "003"]
    for name in ("allow", "exclude", "basket"):
        body = {"user": "u001", "k": 5, name: three}
        assert client.post("/recommend", json=body).status_code == 200
        body[name] = [*three, "004"]
        assert f"{name} has 4 values" in detail(client.post("/recommend", json=body))
    assert client.post("/recommend", json={"history": three, "k": 5}).status_code == 200
    for body in (
        {"history": [*three, "004"], "k": 5},
        {"user": "u001", "k": 5, "where": {"colour": [1, 2, 3, 4]}},
    ):
        assert "has 4 values" in detail(client.post("/recommend", json=body))
    assert client.post("/recommend_many", json={"users": three, "k": 5}).status_code == 200
    assert "users has 4" in detail(
        client.post("/recommend_many", json={"users": [*three, "x"], "k": 5})
    )


def pieces(size, of=10):
    for _ in range(size // of):
        yield b" " * of


def test_a_body_is_as_large_as_allowed_and_no_larger_also_in_pieces(serve, run):
    client = serve(run, body=100)
    whole = b'{"user": "u001"}'.ljust(100)
    given = {"content-type": "application/json"}
    assert client.post("/recommend", content=whole, headers=given).status_code == 200
    assert (
        client.post("/recommend", content=iter([whole[:50], whole[50:]]), headers=given).status_code
        == 200
    )
    for body in (whole + b" ", pieces(110), pieces(100_000)):
        answer = client.post("/recommend", content=body, headers=given)
        assert answer.status_code == 413
        assert detail(answer) == "a body has at most 100 bytes"
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "secret",
        "Bearer",
        "Bearer ",
        "Bearer secre",
        "Bearer secret ü",
        "Bearer SECRET",
        "x" * 9999,
    ],
)
def test_another_key_or_none_is_refused(serve, run, given):
    client = serve(run, key="secret")
    headers = {} if given is None else {"authorization": given.encode()}
    for path in ("/recommend?user=u001", "/items/001", "/metrics", "/similar?item=001", "/nowhere"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "key" in detail(answer)
    assert client.post("/recommend", content=pieces(1000), headers=headers).status_code == 401


def test_the_right_key_is_taken(serve, run):
    client = serve(run, key="sécret")
    for scheme in ("Bearer", "bearer"):  # RFC 9110: in any case
        right = {"authorization": f"{scheme} sécret".encode()}
        assert client.get("/recommend?user=u001", headers=right).status_code == 200


def test_the_document_says_whether_a_key_is_needed(serve, run, client):
    locked = serve(run, key="secret").get("/openapi.json").json()
    assert locked["security"] == [{"key": []}]
    assert locked["paths"]["/health/live"]["get"]["security"] == []
    assert "security" not in client.get("/openapi.json").json()


def test_an_answer_that_takes_too_long_is_given_up_and_health_goes_on(serve, run):
    free, pool = threading.Event(), ThreadPoolExecutor(1)
    client = serve(run, pool=pool, seconds=0.2)
    pool.submit(free.wait)
    try:
        answer = client.get("/recommend?user=u001&because=1")
        assert answer.status_code == 503
        assert detail(answer) == "no answer within 0.2 seconds"
        assert client.get("/health/live").status_code == 200
    finally:
        free.set()
    assert client.get("/recommend?user=u001&because=1").status_code == 200


def test_too_many_requests_at_once_are_refused_but_not_those_for_health(serve, run, monkeypatch):
    monkeypatch.setattr("recembed.serving.guard.MOST_AT_ONCE", 0)
    client = serve(run)
    answer = client.get("/recommend?user=u001")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "too many" in detail(answer)
    assert client.get("/health/ready").status_code == 200


def test_an_error_of_the_server_is_one_line_and_tells_nothing_of_the_request(
    serve, run, caplog, monkeypatch
):
    client = serve(run, key="my-secret")
    right = {"authorization": "Bearer my-secret"}

    def fails(self, ids):
        raise KeyError(ids)

    monkeypatch.setattr("recembed.data.vocabulary.Vocabulary.rows", fails)
    with caplog.at_level(logging.DEBUG):
        answer = client.get("/recommend?user=mary-jane", headers=right)
        assert client.get("/recommend?user=mary-jane&k=x", headers=right).status_code == 422
        assert client.get("/recommend?user=mary-jane").status_code == 401
    assert answer.status_code == 500
    assert "mary" not in detail(answer)
    ours = [record for record in caplog.records if record.name.startswith("recembed")]
    assert [re.sub(r"at .*:\d+", "at PLACE", one.getMessage()) for one in ours] == [
        "KeyError at PLACE"
    ]
    assert "test_refusals.py" in ours[0].getMessage()
    assert not [one for one in ours if "secret" in one.getMessage() or one.exc_info]
