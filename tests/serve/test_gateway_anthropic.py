"""Anthropic's API through a real gateway: the official client, and what goes over the wires beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from aiohttp import web
from anthropic import Anthropic, AsyncAnthropic
from gateway_rig import Answer, Gateway, Service, gateway, service
from pydantic import BaseModel

from masquerade.serve.clients import new_key

EMAIL, PHONE, CARD = "ada.lovelace@example.com", "+1 415 555 0132", "4111 1111 1111 1111"
PRIVATE = (EMAIL, PHONE, CARD, "555 0132")
TEXT = f"Please send mail to {EMAIL} or call {PHONE}."
ASK: list[Any] = [{"role": "user", "content": TEXT}]
TOOLS: list[Any] = [
    {
        "name": "send_mail",
        "description": f"Send mail; for help write to {EMAIL}",
        "input_schema": {
            "type": "object",
            "properties": {"email": {"type": "string"}, "phone": {"type": "string"}},
            "required": ["email"],
        },
        "cache_control": {"type": "ephemeral"},
    }
]
MODEL = "claude-opus-5"
THINKS: Any = {"type": "enabled", "budget_tokens": 1024}
KEY = {"x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def recording() -> Iterator[Service]:
    with service() as running:
        yield running
        for value in PRIVATE:
            assert value.encode() not in running.everything


@pytest.fixture(scope="module")
def shared(recording: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("home"), anthropic=recording.url) as running:
        yield running


@pytest.fixture(scope="module")
def client(shared: Gateway) -> Iterator[Anthropic]:
    with Anthropic(base_url=shared.address, api_key="sk-ant-test", max_retries=0) as made:
        yield made


@pytest.fixture
def seen(recording: Service) -> Iterator[Service]:
    for value in PRIVATE:
        assert value.encode() not in recording.everything
    recording.reset()
    yield recording
    for value in PRIVATE:
        assert value.encode() not in recording.everything
    recording.reset()


def said(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def sent_headers(upstream: Service) -> dict[str, str]:
    return {name.lower(): value for name, value in upstream.requests[-1].headers.items()}


# The official client


def test_plain(client: Anthropic, seen: Service) -> None:
    told = client.messages.create(
        model=MODEL, max_tokens=4000, system=f"You serve {EMAIL}.", messages=ASK, metadata={"user_id": EMAIL}
    )
    assert f"What I saw: {TEXT}" in said(told)
    assert told.stop_reason == "end_turn"
    assert told.usage.output_tokens > 0
    extra = told.model_extra or {}
    assert extra["masquerade"]["masked"] == {"EMAIL": {"token": 2}, "PHONE": {"token": 1}}
    assert seen.last["metadata"]["user_id"].startswith("mq-")


def test_stream(client: Anthropic, seen: Service) -> None:
    with client.messages.stream(model=MODEL, max_tokens=4000, messages=ASK, thinking=THINKS) as stream:
        events = list(stream)
        final = stream.get_final_message()
    assert "".join(event.text for event in events if event.type == "text") == said(final)
    assert f"What I saw: {TEXT}" in said(final)
    thought = final.content[0]
    assert thought.type == "thinking"
    assert thought.thinking.startswith("What I was given: [EMAIL_")
    told = [event for event in events if event.type == "message_delta"]
    assert (told[0].model_extra or {})["masquerade"]["redacted"] == {}


def test_raw_events(client: Anthropic, seen: Service) -> None:
    text = ""
    for event in client.messages.create(model=MODEL, max_tokens=4000, messages=ASK, stream=True):
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            text += event.delta.text
    assert f"What I saw: {TEXT}" in text


def test_a_conversation_with_thoughts_and_tools(client: Anthropic, seen: Service) -> None:
    told = client.messages.create(
        model=MODEL, max_tokens=4000, messages=ASK, tools=TOOLS, thinking=THINKS, tool_choice={"type": "auto"}
    )
    assert told.stop_reason == "tool_use"
    thought, call = told.content
    assert thought.type == "thinking"
    assert call.type == "tool_use"
    assert call.input == {"email": EMAIL, "phone": PHONE}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": json.dumps({"sent": [EMAIL]})}
    again: list[Any] = [*ASK, told.to_param(), {"role": "user", "content": [result]}]
    told = client.messages.create(model=MODEL, max_tokens=4000, messages=again, tools=TOOLS, thinking=THINKS)
    assert f'{{"sent": ["{EMAIL}"]}}' in said(told)
    history = seen.last["messages"]
    assert history[1]["content"][0] == thought.model_dump()  # or the mirror would have refused it
    assert history[1]["content"][1]["input"]["email"] in history[0]["content"]
    assert seen.last["tools"][0]["cache_control"] == {"type": "ephemeral"}


def test_streamed_tool_input(client: Anthropic, seen: Service) -> None:
    with client.messages.stream(model=MODEL, max_tokens=4000, messages=ASK, tools=TOOLS) as stream:
        pieces = [event for event in stream if event.type == "input_json"]
        final = stream.get_final_message()
    assert pieces[-1].snapshot == {"email": EMAIL, "phone": PHONE}
    (call,) = final.content
    assert call.type == "tool_use"
    assert call.input == {"email": EMAIL, "phone": PHONE}


def test_structured_output(client: Anthropic, seen: Service) -> None:
    class Contact(BaseModel):
        email: str
        phone: str

    told = client.messages.parse(model=MODEL, max_tokens=4000, messages=ASK, output_format=Contact)
    assert told.parsed_output == Contact(email=EMAIL, phone=PHONE)


def test_beta(client: Anthropic, seen: Service) -> None:
    betas = [
        "context-management-2025-06-27",
        "interleaved-thinking-2025-05-14",
        *(f"x-{i}-2026-01-01" for i in range(20)),
    ]
    told = client.beta.messages.create(
        model=MODEL, max_tokens=4000, messages=ASK, betas=betas, extra_query={"beta": "true", "who": EMAIL}
    )
    assert f"What I saw: {TEXT}" in said(told)
    assert seen.requests[-1].path == "/v1/messages?beta=true"
    assert sent_headers(seen)["anthropic-beta"] == ",".join(betas)
    with client.beta.messages.stream(model=MODEL, max_tokens=4000, messages=ASK, tools=TOOLS) as stream:
        assert stream.get_final_message().stop_reason == "tool_use"


def test_count_tokens(client: Anthropic, seen: Service) -> None:
    few = client.messages.count_tokens(model=MODEL, messages=ASK)
    many = client.beta.messages.count_tokens(model=MODEL, messages=ASK, tools=TOOLS, system=TEXT)
    assert 0 < few.input_tokens < many.input_tokens
    assert seen.requests[-1].path == "/v1/messages/count_tokens"


def test_models(client: Anthropic, seen: Service) -> None:
    assert [model.id for model in client.models.list()] == ["mirror"]
    assert sent_headers(seen)["authorization"] == "Bearer sk-ant-test"


def test_the_async_client_many_at_once(shared: Gateway, seen: Service) -> None:
    async def one(client: AsyncAnthropic, i: int) -> None:
        who = f"user{i}.name@example.com"
        ask: Any = {
            "model": MODEL,
            "max_tokens": 4000,
            "messages": [{"role": "user", "content": f"mail {who}"}],
        }
        if i % 2:
            text = said(await client.messages.create(**ask))
        else:
            async with client.messages.stream(**ask) as stream:
                text = said(await stream.get_final_message())
        assert f"What I saw: mail {who}" in text
        assert text.count("@example.com") == text.count(who)

    async def all_of_them() -> None:
        async with AsyncAnthropic(base_url=shared.address, api_key="sk-ant-test", max_retries=0) as client:
            await asyncio.gather(*(one(client, i) for i in range(30)))

    asyncio.run(all_of_them())


def test_what_is_redacted_is_told(client: Anthropic, seen: Service) -> None:
    raw = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=4000, messages=[{"role": "user", "content": f"my card is {CARD}"}]
    )
    assert raw.headers["x-masquerade-redacted"] == "CREDIT_CARD=1"
    assert "[CREDIT_CARD_REDACTED]" in said(raw.parse())


def test_errors_are_the_clients_own_kinds(client: Anthropic, seen: Service) -> None:
    picture: Any = [{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}]
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\].content\[0\].type: pictures"):
        client.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": picture}])
    with pytest.raises(anthropic.NotFoundError, match="no such address"):
        client.messages.batches.list()
    with pytest.raises(anthropic.BadRequestError, match="signed"):
        thought: Any = {"type": "thinking", "thinking": f"mail {EMAIL}", "signature": "QUJD" * 20}
        messages: Any = [*ASK, {"role": "assistant", "content": [thought]}, *ASK]
        client.messages.create(model=MODEL, max_tokens=9, messages=messages)
    assert seen.requests == []


def test_the_mirror_serves_it_without_an_account(tmp_path: Path) -> None:
    with (
        gateway(tmp_path) as alone,
        Anthropic(base_url=alone.address, api_key="none", max_retries=0) as client,
    ):
        assert f"What I saw: {TEXT}" in said(
            client.messages.create(model="mirror", max_tokens=4000, messages=ASK)
        )
        assert [model.id for model in client.models.list()] == ["mirror"]
        assert client.messages.count_tokens(model="mirror", messages=ASK).input_tokens > 0
        assert alone.get("/v1/models").json["object"] == "list"
        assert EMAIL in alone.chat(TEXT).content


# The wires


def ask(
    running: Gateway, headers: dict[str, str] | None = None, path: str = "/v1/messages", **fields: Any
) -> Answer:
    asked = {"model": MODEL, "max_tokens": 4000, "messages": ASK, **fields}
    return running.post(path, asked, {**KEY, **(headers or {})})


def test_only_credentials_and_anthropics_headers_go_upstream(shared: Gateway, seen: Service) -> None:
    private = {
        "cookie": f"session={EMAIL}",
        "user-agent": f"claude-cli/2.0 ({EMAIL})",
        "x-app": "cli",
        "x-stainless-os": "Linux",
        "x-claude-code-session-id": EMAIL,
        "openai-organization": "org-1",
        "api-key": "sk-other",
        "referer": EMAIL,
    }
    passed = {
        "authorization": "Bearer sk-ant-oat01-x",
        "anthropic-beta": "claude-code-20250219,oauth-2025-04-20",
        "anthropic-workspace-id": "wrkspc_1",
        **KEY,
    }
    assert ask(shared, {**private, **passed}, f"/v1/messages?who={EMAIL}&beta=true").status == 200
    sent = sent_headers(seen)
    assert {name: sent.pop(name) for name in passed} == passed
    assert sent.pop("user-agent").startswith("masquerade/")
    assert set(sent) == {"host", "accept", "accept-encoding", "content-length", "content-type"}
    assert seen.requests[-1].path == "/v1/messages?beta=true"


@pytest.mark.parametrize("query", ["", "?", "?beta=false", "?beta=truer", "?x=beta=true", "?BETA=true"])
def test_no_other_query_goes_on(shared: Gateway, seen: Service, query: str) -> None:
    assert ask(shared, path=f"/v1/messages{query}").status == 200
    assert seen.requests[-1].path == "/v1/messages"


def test_what_its_clients_need_comes_back(shared: Gateway, seen: Service) -> None:
    needed = {
        "request-id": "req_1",
        "retry-after": "7",
        "x-should-retry": "true",
        "anthropic-organization-id": "5e1f",
        "anthropic-ratelimit-requests-remaining": "3",
        **{f"anthropic-ratelimit-unified-{i}h-utilization": "0.5" for i in range(20)},
    }

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.json_response({"content": []}, headers={**needed, "set-cookie": "a=b", "cf-ray": "1"})

    seen.behave = behave
    headers = ask(shared).headers
    assert {name: headers.get(name) for name in needed} == needed
    assert not {"set-cookie", "cf-ray"} & set(headers)


@pytest.mark.parametrize("name", ["x-api-key", "anthropic-version", "anthropic-beta"])
def test_a_header_that_is_there_twice_is_refused(shared: Gateway, seen: Service, name: str) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=20)
    connection.putrequest("POST", "/v1/messages")
    for value in ("a", "b"):
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    assert response.status == 400
    assert told["type"] == "error"
    assert seen.requests == []


def account(running: Gateway, upstream: Service, headers: dict[str, str]) -> str:
    asked = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": EMAIL}]}
    assert running.post("/v1/messages", asked, headers).status == 200
    return str(upstream.last["messages"][0]["content"])


def test_each_account_has_tokens_of_its_own(shared: Gateway, seen: Service) -> None:
    version = {"anthropic-version": "2023-06-01"}
    found = [
        account(shared, seen, {**version, **headers})
        for headers in (
            {"x-api-key": "sk-a"},
            {"x-api-key": "sk-b"},
            {"authorization": "Bearer sk-a"},
            {},
            {"x-api-key": "sk-a", "authorization": "Bearer sk-z"},
        )
    ]
    assert len(set(found)) == 4
    assert found[0] == found[4]


def test_client_keys_stand_for_the_services_key(recording: Service, seen: Service, tmp_path: Path) -> None:
    key, digest = new_key()
    file = tmp_path / "clients.toml"
    file.write_text(f'[[client]]\nname = "n"\ntenant = "t"\nhash = "{digest}"\n')
    held = tmp_path / "key"
    held.write_text("sk-ant-held\n")
    told: dict[str, Any] = {"anthropic": recording.url, "anthropic_key_file": held, "client_keys": file}
    version = {"anthropic-version": "2023-06-01"}
    with gateway(tmp_path / "home", **told) as running:
        shown: list[dict[str, str]] = [{"x-api-key": key}, {"authorization": f"Bearer {key}"}]
        for headers in shown:
            account(running, recording, {**version, "anthropic-workspace-id": "w", **headers})
            sent = sent_headers(recording)
            assert sent["x-api-key"] == "sk-ant-held"
            assert not {"authorization", "anthropic-workspace-id"} & set(sent)
        recording.reset()
        for headers in ({}, {"x-api-key": "sk-ant-held"}, {"x-api-key": f"Bearer {key}"}, {"api-key": key}):
            answer = running.post("/v1/messages", {"messages": ASK}, {**version, **headers})
            assert answer.status == 401
            assert answer.anthropic_error["type"] == "authentication_error"
        assert recording.requests == []
        with Anthropic(base_url=running.address, api_key=key, max_retries=0) as client:
            assert client.models.list().data[0].id == "mirror"
        log = running.log_path.read_text()
    assert key not in log
    assert "sk-ant-held" not in log
    assert key not in recording.everything.decode()


@pytest.mark.parametrize(
    "way",
    [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/conversations/conv_1"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/file-1/content"),
        ("POST", "/playground/try"),
    ],
)
def test_a_held_key_never_goes_to_the_other_service(
    recording: Service, seen: Service, tmp_path: Path, way: tuple[str, str]
) -> None:
    environ = {"HELD": "sk-ant-held"}
    told: dict[str, Any] = {"upstream": recording.url, "anthropic": "http://127.0.0.1:9"}
    with gateway(tmp_path, environ, **told, anthropic_key_env="HELD") as running:
        body = json.dumps({"text": "x", "model": "m"}).encode() if way[0] == "POST" else None
        headers = {"anthropic-version": "2023-06-01", "content-type": "application/json"}
        running.request(*way, body, headers)
        assert "sk-ant-held" not in recording.everything.decode()


def test_a_held_key_is_not_spent_under_a_foreign_name(
    recording: Service, seen: Service, tmp_path: Path
) -> None:
    environ = {"HELD": "sk-ant-held"}
    with gateway(tmp_path, environ, anthropic=recording.url, anthropic_key_env="HELD") as running:
        assert ask(running, {"host": "attacker.example"}).anthropic_error["type"] == "permission_error"
        assert recording.requests == []
        assert ask(running, {"x-api-key": "mine"}).status == 200
        assert sent_headers(recording)["x-api-key"] == "sk-ant-held"


def test_each_api_has_its_own_service(recording: Service, seen: Service, tmp_path: Path) -> None:
    with service() as other, gateway(tmp_path, upstream=other.url, anthropic=recording.url) as running:
        assert running.chat("hello", {"authorization": "Bearer sk-o"}).status == 200
        assert ask(running).status == 200
        assert running.get("/v1/models", KEY).json["data"][0]["type"] == "model"
        assert running.get("/v1/models").json["object"] == "list"
        assert [request.path for request in other.requests] == ["/v1/chat/completions", "/v1/models"]
        assert [request.path for request in recording.requests] == ["/v1/messages", "/v1/models"]
        assert b"sk-ant" not in other.everything
        assert b"sk-o" not in recording.everything


def test_an_api_without_a_service_says_which_option_is_missing(upstream: Service, tmp_path: Path) -> None:
    with gateway(tmp_path / "a", upstream=upstream.url) as running:
        upstream.reset()
        for answer in (ask(running), running.get("/v1/models", KEY)):
            assert answer.status == 404
            assert "--anthropic" in answer.anthropic_error["message"]
        assert upstream.requests == []
    with gateway(tmp_path / "b", anthropic=upstream.url) as running:
        for answer in (running.chat("x"), running.get("/v1/models")):
            assert (answer.status, answer.error["code"]) == (404, "no_upstream")
            assert "--upstream" in answer.error["message"]
        assert running.post("/playground/try", {"text": TEXT}).json["model"] == "mirror"
        assert upstream.requests == []


# Errors


async def _overloaded(request: web.Request, body: bytes) -> web.StreamResponse:
    error = {"type": "overloaded_error", "message": f"no: {json.loads(body)['messages'][0]['content']}"}
    return web.json_response(
        {"type": "error", "error": error, "request_id": "req_1"}, status=529, headers={"retry-after": "3"}
    )


async def _page(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(status=503, text="<html>")


async def _odd(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.json_response({"error": {"type": 5, "message": {}}}, status=400)


async def _elsewhere(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(status=307, headers={"location": "https://example.org"})


async def _limited(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.json_response({"type": "error", "error": {"message": "slow down"}}, status=429)


@pytest.mark.parametrize(
    ("behave", "status", "kind", "message"),
    [
        (_overloaded, 529, "overloaded_error", f"no: {TEXT}"),
        (_limited, 429, "rate_limit_error", "slow down"),
        (_page, 503, "overloaded_error", "answered with status 503"),
        (_odd, 400, "invalid_request_error", "answered with status 400"),
        (_elsewhere, 502, "api_error", "redirects"),
    ],
)
def test_errors_of_the_service(
    shared: Gateway, seen: Service, behave: Any, status: int, kind: str, message: str
) -> None:
    seen.behave = behave
    answer = ask(shared)
    assert (answer.status, answer.anthropic_error["type"]) == (status, kind)
    assert message in answer.anthropic_error["message"]
    if behave is _overloaded:
        assert answer.headers["retry-after"] == "3"
        assert answer.json["request_id"] == "req_1"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "kind"),
    [
        ("POST", "/v1/messages", b"{", {}, 400, "invalid_request_error"),
        ("POST", "/v1/messages", b"{}", {}, 400, "invalid_request_error"),
        ("POST", "/v1/messages", b"{}", {"content-type": "text/plain"}, 415, "invalid_request_error"),
        ("GET", "/v1/messages", b"", {}, 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", b"{}", {}, 404, "not_found_error"),
        ("POST", "/v1/threads", b"{}", {}, 404, "not_found_error"),
        ("GET", f"/v1/models/{EMAIL}", b"", {}, 404, "not_found_error"),
        ("POST", "/v1/messages", b"[" * 300_000, {}, 413, "request_too_large"),
    ],
)
def test_errors_of_the_gateway(
    recording: Service, seen: Service, small: Gateway, method: str, path: str, body: bytes,
    headers: dict[str, str], status: int, kind: str,
) -> None:  # fmt: skip
    answer = small.request(method, path, body, {"content-type": "application/json", **KEY, **headers})
    assert (answer.status, answer.anthropic_error["type"]) == (status, kind)
    assert EMAIL not in answer.body.decode()
    assert seen.requests == []


@pytest.fixture(scope="module")
def small(recording: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("small"), anthropic=recording.url, max_body=200_000) as running:
        yield running


def test_an_unreachable_service(tmp_path: Path) -> None:
    with gateway(tmp_path, anthropic="http://127.0.0.1:9") as running:
        answer = ask(running)
        assert (answer.status, answer.anthropic_error["type"]) == (502, "api_error")


def test_a_stream_that_breaks_ends_in_an_error_event(client: Anthropic, seen: Service) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi [EM"}}
        begun: Any = {"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}}
        out = b"".join(
            b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode())
            for each in (begun, start, piece)
        )
        return web.Response(body=out + b"event: x\ndata: {\n\n", content_type="text/event-stream")

    seen.behave = behave
    text = ""
    with pytest.raises(anthropic.APIStatusError, match="model service"):
        for event in client.messages.create(model=MODEL, max_tokens=9, messages=ASK, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
    assert text == "Hi [EM"


def test_the_log_and_metrics_name_the_routes(shared: Gateway, seen: Service) -> None:
    line = shared.logged(ask(shared).headers["x-masquerade-request"])
    assert line["route"] == "messages"
    assert line["found"] == {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}
    ask(shared, path="/v1/messages/count_tokens")
    page = shared.get("/metrics").body.decode()
    assert 'masquerade_requests_total{route="count_tokens",status="200"}' in page
    assert not any(value in page + shared.log_path.read_text() for value in (*PRIVATE, "sk-ant-test"))
