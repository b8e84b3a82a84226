import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
FEW, MANY = 8, 150  # requests a route
NEVER_WRONG = ("/health", "/metrics", "/items")  # they take nothing, or any text


@pytest.mark.parametrize(
    "n", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize("mode", GenerationMode)
def test_whatever_is_asked_the_answer_is_what_the_document_says(client, mode, n):
    document = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    asked = set()
    for operation in document.get_all_operations():
        if mode == GenerationMode.NEGATIVE and operation.ok().path.startswith(NEVER_WRONG):
            continue

        @settings(max_examples=n, suppress_health_check=list(HealthCheck))
        @given(operation.ok().as_strategy(generation_mode=mode))
        def ask(case):
            answer = case.call_and_validate(checks=CHECKS)
            asked.add((case.method, case.path, answer.status_code))

        ask()
    usual = ("GET", "/health/live", 200) if mode == "positive" else ("POST", "/recommend", 422)
    assert usual in asked
