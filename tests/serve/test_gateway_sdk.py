"""The official OpenAI client against a real gateway, as a user would point it there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from gateway_rig import Gateway, Service, service
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

EMAIL, PHONE, CARD = "ada.lovelace@example.com", "+1 415 555 0132", "4111 1111 1111 1111"
TEXT = f"Please send mail to {EMAIL} or call {PHONE}."
ASK: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXT}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "send_mail",
            "description": f"Send mail; for help write to {EMAIL}",
            "parameters": {
                "type": "object",
                "properties": {"email": {"type": "string"}, "phone": {"type": "string"}},
                "required": ["email"],
            },
        },
    }
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Service]:
    with service(EMAIL, PHONE, CARD, "555 0132") as running:
        yield running


def test_plain(client: OpenAI) -> None:
    told = client.chat.completions.create(model="m", messages=ASK)
    assert f"What I saw: {TEXT}" in str(told.choices[0].message.content)
    assert told.usage is not None
    assert told.usage.total_tokens > 0
    extra = told.model_extra or {}
    assert extra["masquerade"]["masked"] == {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}


def test_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="m", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    content, usage, summary = "", None, None
    for chunk in stream:
        content += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
        summary = (chunk.model_extra or {}).get("masquerade", summary)
    assert f"What I saw: {TEXT}" in content
    assert usage is not None
    assert summary == {
        "masked": {"EMAIL": {"token": 1}, "PHONE": {"token": 1}},
        "redacted": {},
        "unresolved": 0,
    }


def test_what_is_redacted_is_told(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": f"my card is {CARD}"}]
    )
    assert raw.headers["x-masquerade-redacted"] == "CREDIT_CARD=1"
    told = raw.parse()
    assert "[CREDIT_CARD_REDACTED]" in str(told.choices[0].message.content)


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(client: OpenAI, stream: bool) -> None:
    texts = {0: "", 1: "", 2: ""}
    if stream:
        for chunk in client.chat.completions.create(model="m", messages=ASK, n=3, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
    else:
        for whole in client.chat.completions.create(model="m", messages=ASK, n=3).choices:
            texts[whole.index] += whole.message.content or ""
    assert len(set(texts.values())) > 1, "the mirror words each choice in its own way"
    for text in texts.values():
        assert text.count(EMAIL.lower()) >= 2
        assert PHONE in text
        assert "[" not in text


def test_a_tool_is_called_and_its_result_comes_back(client: OpenAI, upstream: Service) -> None:
    told = client.chat.completions.create(model="m", messages=ASK, tools=TOOLS)
    (call,) = told.choices[0].message.tool_calls or []
    assert call.type == "function"
    arguments = {"email": EMAIL, "phone": PHONE}
    assert json.loads(call.function.arguments) == arguments
    again = [
        *ASK,
        told.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"sent": [EMAIL]})},
    ]
    told = client.chat.completions.create(model="m", messages=again, tools=TOOLS)
    assert f'{{"sent": ["{EMAIL}"]}}' in str(told.choices[0].message.content)
    history = upstream.last["messages"]
    assert json.loads(history[2]["tool_calls"][0]["function"]["arguments"])["email"].startswith("[EMAIL_")
    assert json.loads(history[3]["content"])["sent"][0] in history[1]["content"]


def test_streamed_tool_calls(client: OpenAI) -> None:
    with client.chat.completions.stream(model="m", messages=ASK, tools=TOOLS) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert json.loads(done[0].arguments) == {"email": EMAIL, "phone": PHONE}
    assert final.choices[0].finish_reason == "tool_calls"


def test_legacy_functions(client: OpenAI) -> None:
    told = client.chat.completions.create(model="m", messages=ASK, functions=[TOOLS[0]["function"]])
    assert told.choices[0].message.function_call is not None
    assert json.loads(told.choices[0].message.function_call.arguments)["email"] == EMAIL


def test_structured_output(client: OpenAI) -> None:
    class Contact(BaseModel):
        email: str
        phones: list[str]

    told = client.chat.completions.parse(model="m", messages=ASK, response_format=Contact)
    assert told.choices[0].message.parsed == Contact(email=EMAIL, phones=[PHONE])


def test_json_mode(client: OpenAI) -> None:
    told = client.chat.completions.create(model="m", messages=ASK, response_format={"type": "json_object"})
    assert json.loads(str(told.choices[0].message.content))["saw"] == TEXT


def test_parts_names_and_people(client: OpenAI, upstream: Service) -> None:
    message: Any = {"role": "user", "name": "ada", "content": [{"type": "text", "text": TEXT}]}
    told = client.chat.completions.create(
        model="m",
        messages=[message],
        user=EMAIL,
        safety_identifier=EMAIL,
        metadata={"by": EMAIL},
        logprobs=True,
    )
    assert TEXT in str(told.choices[0].message.content)
    assert upstream.last["user"] == upstream.last["safety_identifier"] != EMAIL


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["mirror"]


def test_errors_are_the_clients_own_kinds(client: OpenAI) -> None:
    picture: Any = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    with pytest.raises(openai.BadRequestError) as problem:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": picture}])
    assert problem.value.param == "messages[0].content[0].image_url"
    assert problem.value.code == "invalid_request"
    with pytest.raises(openai.NotFoundError):
        client.conversations.create(metadata={"by": EMAIL})


def test_an_error_in_a_stream_is_raised(client: OpenAI, upstream: Service) -> None:
    from aiohttp import web

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
        return web.Response(
            body=b"data: %s\n\ndata: {\n\n" % json.dumps(chunk).encode(), content_type="text/event-stream"
        )

    upstream.behave = behave
    said = ""
    try:
        with pytest.raises(openai.APIError, match="model service"):
            for part in client.chat.completions.create(model="m", messages=ASK, stream=True):
                said += part.choices[0].delta.content or ""
    finally:
        upstream.behave = None
    assert said == "Hi"


def test_the_async_client_many_at_once(shared: Gateway) -> None:
    async def one(client: AsyncOpenAI, i: int) -> None:
        who = f"user{i}.name@example.com"
        messages: Any = [{"role": "user", "content": f"mail {who}"}]
        if i % 2:
            told = await client.chat.completions.create(model="m", messages=messages)
            content = str(told.choices[0].message.content)
        else:
            content = ""
            async for chunk in await client.chat.completions.create(
                model="m", messages=messages, stream=True
            ):
                content += chunk.choices[0].delta.content or ""
        assert f"What I saw: mail {who}" in content
        assert content.count("@example.com") == content.count(who)

    async def all_of_them() -> None:
        async with AsyncOpenAI(base_url=shared.base, api_key="sk-test", max_retries=0) as client:
            await asyncio.gather(*(one(client, i) for i in range(40)))

    asyncio.run(all_of_them())
