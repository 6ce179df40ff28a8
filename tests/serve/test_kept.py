"""Conversations that the provider keeps: the official client, a real gateway, a provider with a memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web
from gateway_rig import Gateway, Service, gateway, pieces
from openai import OpenAI
from redis_rig import Redis

from masquerade.keys import Key
from masquerade.serve.store import Store
from masquerade.serve.upstream import mirrored

EMAIL, OTHER, PHONE = "ada.lovelace@example.com", "grace@example.org", "+1 415 555 0132"
ACME = {"x-masquerade-tenant": "acme"}
TOLD = (EMAIL, OTHER, PHONE, "ada.lovelace", "555 0132")


class Provider:
    """Responses that are kept: what is asked of a later one is put behind all that was said before."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.said: dict[str, list[Any]] = {}

    async def __call__(self, request: web.Request, body: bytes) -> web.StreamResponse:
        _, _, what, *rest = request.path.split("/")
        if request.method == "POST" and what == "conversations":
            asked = json.loads(body)
            name = rest[0] if rest else f"conv_{len(self.said)}"
            self.said[name] = [*self.said.get(name, []), *(asked.get("items") or [])]
            if rest:
                return web.json_response(
                    {
                        "object": "list",
                        "data": self.said[name],
                        "first_id": "a",
                        "last_id": "a",
                        "has_more": False,
                    }
                )
            return web.json_response(
                {"id": name, "object": "conversation", "created_at": 1, "metadata": asked.get("metadata")}
            )
        if request.method == "POST" and not rest:
            return await self.answer(request, json.loads(body))
        if rest[0] not in self.kept and rest[0] not in self.said:
            return web.json_response({"error": {"message": f"No response {rest[0]}"}}, status=404)
        if rest[-1] in ("input_items", "items"):
            return web.json_response(
                {
                    "object": "list",
                    "data": self.said[rest[0]],
                    "first_id": "a",
                    "last_id": "a",
                    "has_more": False,
                }
            )
        if request.method == "DELETE":
            return web.json_response({"id": rest[0], "object": "response", "deleted": True})
        return web.json_response(self.kept[rest[0]])

    async def answer(self, request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        items = asked["input"]
        new = [{"type": "message", "role": "user", "content": items}] if isinstance(items, str) else items
        before = asked.get("previous_response_id") or asked.get("conversation")
        said = [*self.said.get(before, []), *new]
        everything = json.dumps(said, ensure_ascii=False)
        whole = {**asked, "input": [{"type": "message", "role": "user", "content": f"all: {everything}"}]}
        answer = mirrored("/responses", json.dumps(whole).encode())
        if asked.get("stream"):
            body = b"".join(answer.pieces)
            name = json.loads(body.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
            told = name.encode()
            name = f"resp_{len(self.kept)}"
            self.kept[name], self.said[name] = {}, said
            return await pieces(request, 200, "text/event-stream", [body.replace(told, name.encode())])
        tree = json.loads(b"".join(answer.pieces))
        tree["id"] = name = f"resp_{len(self.kept)}"
        tree["status"] = "queued" if asked.get("background") else "completed"
        self.kept[name], self.said[name] = tree, said
        return web.json_response(tree)


def listed(items: list[Any]) -> web.Response:
    return web.json_response(
        {"object": "list", "data": items, "first_id": "a", "last_id": "a", "has_more": False}
    )


@pytest.fixture
def provider(upstream: Service) -> Iterator[Provider]:
    made = Provider()
    upstream.reset()
    upstream.behave = made
    yield made
    for value in TOLD:
        assert value.encode() not in upstream.everything


@pytest.fixture(scope="module", params=["file", "redis"])
def shared(
    request: pytest.FixtureRequest, upstream: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    home = tmp_path_factory.mktemp("home")
    store = None
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        store = redis.url
    with gateway(home, upstream=upstream.url, store=store) as running:
        yield running


@pytest.fixture
def client(shared: Gateway, provider: Provider) -> Iterator[OpenAI]:
    with OpenAI(base_url=shared.base, api_key="sk-test", max_retries=0) as made:
        yield made


def test_a_later_turn_restores_what_an_earlier_one_said(client: OpenAI) -> None:
    first = client.responses.create(model="m", input=f"Write to {EMAIL}")
    assert EMAIL in first.output_text
    second = client.responses.create(model="m", input=f"and {OTHER}", previous_response_id=first.id)
    assert EMAIL in second.output_text and OTHER in second.output_text
    third = client.responses.create(model="m", input="who?", previous_response_id=second.id)
    assert EMAIL in third.output_text and OTHER in third.output_text


def test_a_stream_goes_on_and_is_gone_on_from(client: OpenAI) -> None:
    first = client.responses.create(model="m", input=f"Write to {EMAIL}")
    with client.responses.stream(model="m", input=f"or {OTHER}", previous_response_id=first.id) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        last = stream.get_final_response()
    assert EMAIL in text and OTHER in text and EMAIL in last.output_text
    third = client.responses.create(model="m", input="who?", previous_response_id=last.id)
    assert EMAIL in third.output_text and OTHER in third.output_text


def test_what_was_kept_is_fetched_later(client: OpenAI) -> None:
    asked = client.responses.create(model="m", input=f"Write to {EMAIL}", background=True)
    later = client.responses.retrieve(asked.id)
    assert EMAIL in later.output_text
    items = client.responses.input_items.list(asked.id).data
    assert EMAIL in str(items[0])
    client.responses.delete(asked.id)


def test_a_stream_is_taken_up_again_by_the_numbers_that_the_client_knows(
    client: OpenAI, shared: Gateway, upstream: Service
) -> None:
    asked = {"model": "m", "input": f"Write to {EMAIL}", "stream": True}
    key = {"authorization": "Bearer sk-test"}
    whole = shared.post("/v1/responses", asked, key).body.decode()
    name = json.loads(whole.split("data: ")[1].split("\n")[0])["response"]["id"]
    service = b"".join(
        b"data: " + json.dumps({"type": "response.in_progress", "sequence_number": n}).encode() + b"\n\n"
        for n in range(4)
    )

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        assert "starting_after" not in request.query and request.query["stream"] == "true"
        return await pieces(request, 200, "text/event-stream", [service])

    upstream.behave = behave
    back = shared.get(f"/v1/responses/{name}?stream=true&starting_after=2", key)
    assert back.body.count(b"data: ") == 1 and b'"sequence_number": 3' in back.body


def test_conversations_and_their_items(client: OpenAI) -> None:
    item: Any = {"type": "message", "role": "user", "content": f"I am {EMAIL}"}
    made = client.conversations.create(items=[item], metadata={"who": EMAIL})
    assert made.metadata == {"who": EMAIL}
    client.conversations.items.create(made.id, items=[{**item, "content": f"and {OTHER}"}])
    said = client.responses.create(model="m", input="who?", conversation=made.id)
    assert EMAIL in said.output_text and OTHER in said.output_text
    assert OTHER in str(client.conversations.items.list(made.id).data)


def test_another_account_restores_nothing(client: OpenAI, shared: Gateway) -> None:
    first = client.responses.create(model="m", input=f"Write to {EMAIL}")
    with OpenAI(base_url=shared.base, api_key="sk-other", max_retries=0) as other:
        assert EMAIL not in other.responses.retrieve(first.id).output_text
        later = other.responses.create(model="m", input="who?", previous_response_id=first.id)
        assert EMAIL not in later.output_text


def test_what_nobody_kept_is_the_services_own_error(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_unknown")


def test_after_a_restart_it_goes_on_and_after_an_erasure_it_does_not(
    upstream: Service, provider: Provider, tmp_path: Path
) -> None:
    home, key = tmp_path / "home", Key.generate()
    environ = {"MASQUERADE_KEY": key.export().strip()}

    def ask(text: str, **more: Any) -> Any:
        with (
            gateway(home, environ, upstream=upstream.url, trust_tenant_header=True) as running,
            OpenAI(
                base_url=running.base, api_key="k", default_headers={"x-masquerade-tenant": "acme"}
            ) as client,
        ):
            return client.responses.create(model="m", input=text, **more)

    first = ask(f"Write to {EMAIL}", user="patient 7")
    assert EMAIL in ask("who?", previous_response_id=first.id).output_text
    store = Store.open(home / "store.db", key)
    assert store.erase("acme", subject="patient 7").conversations == 1
    store.close()
    assert EMAIL not in ask("who?", previous_response_id=first.id).output_text


def test_without_a_store_what_is_kept_is_not_sent(
    upstream: Service, provider: Provider, tmp_path: Path
) -> None:
    with (
        gateway(tmp_path / "home", upstream=upstream.url, store="redis://127.0.0.1:1/0") as running,
        OpenAI(base_url=running.base, api_key="k", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError) as problem:
            client.responses.create(model="m", input=f"Write to {EMAIL}")
        assert problem.value.status_code == 503 and problem.value.code == "store_unavailable"
        assert not upstream.requests
        assert EMAIL in client.responses.create(model="m", input=f"Write to {EMAIL}", store=False).output_text
