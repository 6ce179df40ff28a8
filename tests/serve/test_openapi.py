"""The gateway as its OpenAPI description says it is, asked by a stranger that has read only that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_rig import WAIT, Gateway, gateway
from hypothesis import HealthCheck, Phase, given, seed, settings

from masquerade.serve.gateway import _ROUTES, ENDPOINTS, REFUSED
from masquerade.serve.openapi import DONE, description
from masquerade.wire.rules import How

schemathesis = pytest.importorskip("schemathesis", reason="pip install 'masquerade[test]'")
from schemathesis.specs.openapi import checks  # noqa: E402

DESCRIPTION = description(ENDPOINTS, REFUSED)
OPERATIONS = [each.ok() for each in schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations()]
DESCRIBED = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
)
ASKED = [
    pytest.param(operation, mode, id=f"{mode.value}-{operation.label}")
    for operation in OPERATIONS
    for mode in schemathesis.GenerationMode
    if mode.is_positive or operation.body or len(operation.path_parameters)
]
WANTED: dict[str, dict[str, Any]] = {"/v1/completions": {"prompt": "hi"}, "/v1/responses": {"input": "hi"}}
WANTED["/v1/responses/compact"] = WANTED["/v1/responses"]
"""What the mirror wants beside what the gateway needs."""
ANSWERED = {
    f"POST {path}"
    for path, endpoint in ENDPOINTS.items()
    if endpoint.name not in ("images", "speech", "conversations")
}
"""What the mirror can answer."""
EXAMPLES = 8
"""A test asks so many requests of an address as the description has them, and as many that break it."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("home"), max_body=1 << 20) as made:
        yield made
        assert not [line for line in made.log() if "failed" in line], "a fault of ours"


def test_it_is_served(running: Gateway) -> None:
    answer = running.get("/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == json.loads(json.dumps(DESCRIPTION))


def test_it_names_every_address() -> None:
    named = set(description(ENDPOINTS, REFUSED, pictures=True)["paths"])
    assert named >= {*_ROUTES, *REFUSED}
    assert not {path for path in description(ENDPOINTS, REFUSED, page=False)["paths"] if "playground" in path}


def test_it_names_every_field_of_the_tables() -> None:
    made = DESCRIPTION["components"]["schemas"]
    for endpoint in ENDPOINTS.values():
        assert any(set(endpoint.request) == set(schema.get("properties", ())) for schema in made.values())
    assert set(DONE) == set(How)


def test_what_a_request_cannot_be_without() -> None:
    def needed(path: str) -> dict[str, list[str]]:
        asked = DESCRIPTION["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert asked.get("required", []) == list(asked.get("properties", {}))
        forms = {field: schema["anyOf"] for field, schema in asked.get("properties", {}).items()}
        return {
            field: [f"{each['type']} {each.get('items', {}).get('type', '')}".strip() for each in schemas]
            for field, schemas in forms.items()
        }

    assert needed("/v1/chat/completions") == needed("/v1/messages") == {"messages": ["array object"]}
    assert needed("/v1/embeddings") == {"input": ["string", "array string", "array object"]}
    assert needed("/v1/responses") == {}


def kept(ctx: Any, response: Any, case: Any) -> None:
    """Nothing fails here; files alone are what the mirror model cannot do."""
    files = case.path.startswith(("/v1/files", "/v1/batches"))
    assert response.status_code < 500 or (files and response.status_code == 502)
    assert response.headers["x-masquerade-request"]


@pytest.mark.parametrize(("operation", "mode"), ASKED)
def test_every_answer_is_as_described(running: Gateway, operation: Any, mode: Any) -> None:
    statuses: set[int] = set()

    @seed(6)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode.is_positive and operation.path in WANTED:
            case.body = {**WANTED[operation.path], **case.body}
        answer = case.call_and_validate(base_url=running.address, checks=[kept, *DESCRIBED], timeout=WAIT)
        statuses.add(answer.status_code)

    ask()
    if mode.is_positive and operation.label in ANSWERED:
        assert 200 in statuses, "nothing of it came through"
