"""The official OpenAI client's other calls against a real gateway: responses, completions, embeddings."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from aiohttp import web
from gateway_rig import Gateway, Service, gateway, service
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

EMAIL, PHONE = "ada.lovelace@example.com", "+1 415 555 0132"
TEXT = f"Please send mail to {EMAIL} or call {PHONE}."
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "send_mail",
    "description": f"Send mail; for help write to {EMAIL}",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {"email": {"type": "string"}, "phone": {"type": "string"}},
    },
}
MASKED = {"masked": {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}, "redacted": {}, "unresolved": 0}


class Contact(BaseModel):
    email: str
    phones: list[str]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Service]:
    with service(EMAIL, PHONE, "555 0132") as running:
        yield running


# Responses


def test_plain(client: OpenAI, upstream: Service) -> None:
    told = client.responses.create(
        model="m", input=TEXT, instructions=f"You help {EMAIL}.", store=False, user=EMAIL,
        reasoning={"effort": "low"}, include=["reasoning.encrypted_content"],
    )  # fmt: skip
    assert f"What I saw: {TEXT}" in told.output_text
    assert told.instructions == f"You help {EMAIL}."
    (thought, _) = told.output
    assert thought.type == "reasoning"
    assert EMAIL in thought.summary[0].text
    assert (told.model_extra or {})["masquerade"]["masked"] == {"EMAIL": {"token": 2}, "PHONE": {"token": 1}}
    again: list[Any] = [{"role": "user", "content": TEXT}, *told.output, {"role": "user", "content": "And?"}]
    client.responses.create(model="m", input=again, store=False)
    assert upstream.last["input"][1]["encrypted_content"] == thought.encrypted_content
    assert "[EMAIL_" in upstream.last["input"][1]["summary"][0]["text"]


def test_streaming_helpers(client: OpenAI) -> None:
    texts: dict[str, str] = {}
    numbers = []
    with client.responses.stream(model="m", input=TEXT, reasoning={"effort": "low"}) as stream:
        for event in stream:
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                texts[event.type] = texts.get(event.type, "") + event.delta
                assert event.snapshot == texts[event.type]
            elif event.type == "response.reasoning_summary_text.delta":
                texts[event.type] = texts.get(event.type, "") + event.delta
        final = stream.get_final_response()
    assert numbers == list(range(len(numbers)))
    assert texts["response.output_text.delta"] == final.output_text
    assert f"What I saw: {TEXT}" in final.output_text
    assert texts["response.reasoning_summary_text.delta"] == f"There is {EMAIL}, {PHONE} in it."
    assert (final.model_extra or {})["masquerade"] == MASKED


def test_a_tool_is_called_and_its_result_comes_back(client: OpenAI, upstream: Service) -> None:
    tools: Any = [TOOL]
    told = client.responses.create(model="m", input=TEXT, tools=tools)
    (call,) = told.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"email": EMAIL, "phone": PHONE}
    result = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": json.dumps({"sent": [EMAIL]}),
    }
    again: Any = [{"role": "user", "content": TEXT}, call.to_dict(), result]
    told = client.responses.create(model="m", input=again, tools=tools)
    assert f'{{"sent": ["{EMAIL}"]}}' in told.output_text
    history = upstream.last["input"]
    token = json.loads(history[1]["arguments"])["email"]
    assert token.startswith("[EMAIL_")
    assert json.loads(history[2]["output"]) == {"sent": [token]}
    assert token in history[0]["content"]


def test_streamed_tools(client: OpenAI) -> None:
    tools: Any = [TOOL, {"type": "custom", "name": "note", "description": "Takes notes"}]
    arguments, written = "", ""
    with client.responses.stream(model="m", input=TEXT + " note it with send_mail", tools=tools) as stream:
        for event in stream:
            if event.type == "response.function_call_arguments.delta":
                arguments += event.delta
            elif event.type == "response.custom_tool_call_input.delta":
                written += event.delta
        final = stream.get_final_response()
    assert json.loads(arguments) == {"email": EMAIL, "phone": PHONE}
    assert written == TEXT + " note it with send_mail"
    assert [each.type for each in final.output] == ["function_call", "custom_tool_call"]


@pytest.mark.parametrize("streaming", [False, True])
def test_structured_output(client: OpenAI, streaming: bool) -> None:
    if streaming:
        with client.responses.stream(model="m", input=TEXT, text_format=Contact) as stream:
            for _ in stream:
                pass
            told = stream.get_final_response()
    else:
        told = client.responses.parse(model="m", input=TEXT, text_format=Contact)
    assert told.output_parsed == Contact(email=EMAIL, phones=[PHONE])


def test_what_is_cut_off_is_incomplete(client: OpenAI) -> None:
    last = None
    for event in client.responses.create(model="m", input=TEXT, max_output_tokens=13, stream=True):
        last = event
    assert last is not None
    assert last.type == "response.incomplete"
    assert f"What I saw: {TEXT}".startswith(last.response.output_text)


def test_compaction_and_counting(client: OpenAI, upstream: Service) -> None:
    compacted = client.responses.compact(model="m", input=TEXT)
    assert compacted.output[0].type == "compaction"
    assert "[EMAIL_" in upstream.last["input"]
    assert client.responses.input_tokens.count(model="m", input=TEXT).input_tokens > 1


def test_the_async_client_many_at_once(shared: Gateway) -> None:
    async def one(client: AsyncOpenAI, i: int) -> None:
        who = f"user{i}.name@example.com"
        if i % 2:
            text = (await client.responses.create(model="m", input=f"mail {who}")).output_text
        else:
            text = ""
            async with client.responses.stream(model="m", input=f"mail {who}") as stream:
                async for event in stream:
                    if event.type == "response.output_text.delta":
                        text += event.delta
        assert f"What I saw: mail {who}" in text
        assert text.count("@example.com") == text.count(who)

    async def all_of_them() -> None:
        async with AsyncOpenAI(base_url=shared.base, api_key="sk-test", max_retries=0) as client:
            await asyncio.gather(*(one(client, i) for i in range(24)))

    asyncio.run(all_of_them())


def test_errors_are_the_clients_own_kinds(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as problem:
        client.responses.create(model="m", input=[{"type": "item_reference", "id": "msg_1"}])
    assert problem.value.param == "input[0]"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(
            model="m",
            input=[
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "data:,x", "detail": "auto"}],
                }
            ],
        )


def test_an_error_in_a_stream_is_raised(client: OpenAI, upstream: Service) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        delta = {"type": "response.output_text.delta", "delta": "Hi", "output_index": 0, "content_index": 0}
        return web.Response(
            body=b"data: %s\n\ndata: {\n\n" % json.dumps(delta).encode(), content_type="text/event-stream"
        )

    upstream.behave = behave
    said = ""
    try:
        with pytest.raises(openai.APIError, match="model service"):
            for event in client.responses.create(model="m", input=TEXT, stream=True):
                said += event.delta  # type: ignore[union-attr]
    finally:
        upstream.behave = None
    assert said == "Hi"


# What is smaller


def test_completions(client: OpenAI) -> None:
    told = client.completions.create(model="m", prompt=[TEXT, "plain"], echo=True, n=1, suffix=f"by {EMAIL}")
    assert told.choices[0].text.startswith(f"{TEXT}What I saw: {TEXT}")
    assert told.choices[1].text.startswith("plainWhat I saw: plain")
    said = ""
    for chunk in client.completions.create(model="m", prompt=TEXT, stream=True):
        said += chunk.choices[0].text
    assert f"What I saw: {TEXT}" in said
    with pytest.raises(openai.BadRequestError) as problem:
        client.completions.create(model="m", prompt=[[1, 2], [3]])
    assert problem.value.param == "prompt"


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(client: OpenAI, upstream: Service, encoding: Any) -> None:
    first, second = client.embeddings.create(model="m", input=[TEXT, "plain"], encoding_format=encoding).data
    assert len(first.embedding) == len(second.embedding) == 16 or encoding == "base64"
    assert first.embedding != second.embedding
    assert "[EMAIL_" in upstream.last["input"][0]
    again = client.embeddings.create(model="m", input=TEXT, dimensions=5)
    assert len(again.data[0].embedding) == 5
    with pytest.raises(openai.BadRequestError) as problem:
        client.embeddings.create(model="m", input=[1, 2, 3])
    assert problem.value.param == "input"


def test_moderations(client: OpenAI, upstream: Service) -> None:
    told = client.moderations.create(model="m", input=[{"type": "text", "text": TEXT}])
    assert not told.results[0].flagged
    assert "[EMAIL_" in upstream.last["input"][0]["text"]


def test_pictures_of_a_prompt(client: OpenAI, upstream: Service) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        prompt = json.loads(body)["prompt"]
        return web.json_response({"created": 1, "data": [{"b64_json": "iVBORw0K", "revised_prompt": prompt}]})

    upstream.behave = behave
    try:
        told = client.images.generate(model="m", prompt=TEXT)
    finally:
        upstream.behave = None
    assert (told.data or [])[0].revised_prompt == TEXT
    assert (told.data or [])[0].b64_json == "iVBORw0K"


def test_speech_passes_where_nothing_is_found_and_is_refused_otherwise(
    client: OpenAI, upstream: Service
) -> None:
    sound = bytes(range(256)) * 1000

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(body=sound, content_type="audio/mpeg")

    upstream.behave = behave
    try:
        spoken = client.audio.speech.with_raw_response.create(model="m", voice="alloy", input="Good evening.")
        assert spoken.headers["content-type"] == "audio/mpeg"
        assert spoken.content == sound
        seen = len(upstream.requests)
        with pytest.raises(openai.BadRequestError, match="stand-in"):
            client.audio.speech.create(model="m", voice="alloy", input=TEXT)
        assert len(upstream.requests) == seen
    finally:
        upstream.behave = None


def test_speech_that_breaks_off_is_not_taken_for_whole(shared: Gateway, upstream: Service) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "audio/mpeg; charset=x"})
        await response.prepare(request)
        await response.write(b"ID3" * 1000)
        assert request.transport is not None
        request.transport.close()
        return response

    upstream.behave = behave
    try:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            shared.post("/v1/audio/speech", {"model": "m", "voice": "alloy", "input": "Good evening."})
    finally:
        upstream.behave = None
    assert shared.get("/healthz").status == 200


def test_uploads_are_refused_and_say_why(client: OpenAI, upstream: Service) -> None:
    seen = len(upstream.requests)
    sound = (f"{EMAIL}.mp3", b"ID3")
    picture = (f"{EMAIL}.png", b"\x89PNG")
    for ask in (
        lambda: client.audio.transcriptions.create(model="m", file=sound),
        lambda: client.audio.translations.create(model="whisper-1", file=sound),
        lambda: client.images.edit(model="m", image=picture, prompt=TEXT),
        lambda: client.images.create_variation(image=picture),
    ):
        with pytest.raises(openai.BadRequestError, match="cannot be looked at"):
            ask()  # type: ignore[no-untyped-call]
    assert len(upstream.requests) == seen


def test_the_mirror_needs_no_account(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        gateway(tmp_path_factory.mktemp("home")) as alone,
        OpenAI(base_url=alone.base, api_key="none", max_retries=0) as client,
    ):
        assert TEXT in client.responses.create(model="mirror", input=TEXT).output_text
        assert TEXT in client.completions.create(model="mirror", prompt=TEXT).choices[0].text
        assert len(client.embeddings.create(model="mirror", input=TEXT).data) == 1
        assert client.moderations.create(input=TEXT).results
        with pytest.raises(openai.NotFoundError, match="does not draw"):
            client.images.generate(prompt="a house")
