"""Search by text over HTTP, in a run that an encoder is attached to."""

import shutil

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
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


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"text": "red", "k": 21}, "k is at most 20"),
        ({"text": "x" * 4097}, "at most 4096 characters"),
        ({"k": 3}, "text: Field required"),
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
    @given(document["/search"]["GET"].as_strategy())
    def ask(case):
        asked.add(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    assert 200 in asked
