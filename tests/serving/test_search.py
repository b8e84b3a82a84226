"""Search by text over HTTP, in a run that an encoder is attached to."""

import shutil

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

import recembed
from recembed.run.folder import writing
from recembed.settings import as_dict
from recembed.text.texts import Texts
from recembed.text.tfidf import TfIdf, Words

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def searched(made, serve, tmp_path_factory):
    """A client of the shop, whose items can be found by their colours, and the run."""
    folder, setting = tmp_path_factory.mktemp("search"), TfIdf(terms=Words(), dim=0)
    run = shutil.copytree(made("als"), folder / "run")
    encoder = setting.fit(Texts(held=[f"thing of colour {at}" for at in range(5)]))
    with writing(folder / "encoder", new=True) as writer:
        writer.arrays("model", encoder.arrays())
        writer.facts({"kind": "encoder", "model": setting.name, "setting": as_dict(setting)})
    recembed.attach(run, folder / "encoder", text="title,colour", quiet=True)
    return serve(run, k=20), run


def test_what_is_found_is_what_python_finds(searched):
    client, run = searched
    answer = client.get("/search", params={"text": "colour 2", "k": 5})
    assert answer.status_code == 200
    found = answer.json()
    (made,) = recembed.recommend(run, text="colour 2", k=5)
    assert [one["item"] for one in found["items"]] == [one.item for one in made]
    assert found["reason"] == "text"
    assert {int(one["item"]) // 15 for one in found["items"]} == {2}


def test_a_search_takes_what_a_list_takes_and_finds_what_python_finds(searched):
    client, run = searched
    first = recembed.recommend(run, text="colour 2", k=1)[0][0].item
    wish = {"exclude": [first], "k": 6}
    wish |= {"where": {"colour": ["colour 2", "colour 3"]}, "cap": {"colour": 2}}
    (made,) = recembed.recommend(run, text="colour 2", **wish, diversity=0.5)
    wanted = [one.item for one in made]
    assert len(wanted) == 4
    posted = client.post("/search", json={"text": "colour 2", **wish, "diversity": 0.5})
    query = {
        **wish,
        "where": ["colour=colour 2", "colour=colour 3"],
        "cap": ["colour=2"],
        "diversity": 0.5,
    }
    asked = client.get("/search", params={"text": "colour 2", **query})
    for answer in (posted, asked):
        assert answer.status_code == 200, answer.json()
        assert [one["item"] for one in answer.json()["items"]] == wanted
    only = client.get("/search", params={"text": "colour 2", "allow": [first]}).json()
    assert [one["item"] for one in only["items"]] == [first]


def test_what_is_placed_by_its_text_was_not_trained(searched):
    items = [searched[0].get(f"/items/{item}").json() for item in ("017", "061")]
    assert [(one["trained"], one["placed"]) for one in items] == [(True, "events"), (False, "text")]


def test_the_document_says_what_a_search_takes(searched):
    paths = searched[0].get("/openapi.json").json()["paths"]["/search"]
    schemas = {each["name"]: each["schema"] for each in paths["get"]["parameters"]}
    (content,) = paths["post"]["requestBody"]["content"].values()
    assert set(schemas) == set(content["schema"]["properties"])
    for each in (schemas["text"], content["schema"]["properties"]["text"]):
        assert each["maxLength"] == 4096
        assert "at most 4096 characters" in each["description"]


@pytest.mark.parametrize("how", [{"params": {"text": "red"}}, {"json": {"text": "red"}}])
def test_a_run_without_an_encoder_has_no_search(client, how):
    answer = client.request("POST" if "json" in how else "GET", "/search", **how)
    assert answer.status_code == 404
    assert "recembed attach" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"text": "red", "k": 21}, "k is at most 20"),
        ({"text": "x" * 4097}, "at most 4096 characters"),
        ({"k": 3}, "text: Field required"),
        ({"text": "red", "because": 1}, "because: Extra inputs"),
        ({"text": "red", "where": "colour"}, "where and cap are COLUMN=VALUE"),
        ({"text": ["a", "b"]}, "one value is taken"),
    ],
)
def test_questions_that_make_no_sense_are_refused_in_one_line(searched, query, says):
    answer = searched[0].get("/search", params=query)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_a_text_of_nothing_known_finds_nothing(searched):
    found = searched[0].get("/search", params={"text": "🦄 gnu"}).json()
    assert found["items"] == []
    assert "knows nothing" in found["note"]


def test_whatever_is_searched_for_the_answer_is_what_the_document_says(searched):
    document = schemathesis.openapi.from_asgi("/openapi.json", searched[0].app)
    asked = set()

    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(st.one_of(*(document["/search"][each].as_strategy() for each in ("GET", "POST"))))
    def ask(case):
        asked.add(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    assert 200 in asked
