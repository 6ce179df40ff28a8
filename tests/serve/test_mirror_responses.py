"""The mirror model's other answers: responses, completions, embeddings, moderations."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse, ModerationCreateResponse
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from masquerade.serve.upstream import mirrored
from masquerade.wire.sse import DONE, EventStream

EMAIL, PHONE = "[EMAIL_K7Q2M9X4RT]", "[PHONE_PNXFVYQFMT]"
ASKED = f"Write to {EMAIL} and call {PHONE}."
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def whole(path: str, **fields: Any) -> dict[str, Any]:
    status, kind, parts = mirrored(path, json.dumps({"model": "m", **fields}).encode(), 7)
    assert (status, kind) == (200, "application/json")
    told: dict[str, Any] = json.loads(b"".join(parts))
    return told


def streamed(path: str, **fields: Any) -> list[Any]:
    body = json.dumps({"model": "m", "stream": True, **fields}).encode()
    status, kind, parts = mirrored(path, body, 7)
    assert (status, kind) == (200, "text/event-stream")
    stream = EventStream()
    events = [event for part in parts for event in stream.feed(part)]
    return [json.loads(data) for data, _ in events if data not in (None, DONE)]


def said(told: dict[str, Any]) -> str:
    return "".join(
        part["text"] for item in told["output"] if item["type"] == "message" for part in item["content"]
    )


TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "reach",
        "parameters": {"type": "object", "properties": {"email": {"type": "string"}}},
    },
    {"type": "custom", "name": "note"},
    {"type": "web_search"},
]
FIELDS: dict[str, dict[str, Any]] = {
    "text": {"input": ASKED},
    "items": {"input": [{"role": "developer", "content": "x"}, {"role": "user", "content": [
        {"type": "input_text", "text": ASKED}]}]},
    "thoughts": {"input": ASKED, "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]},
    "tools": {"input": f"{ASKED} reach and note", "tools": TOOLS},
    "short": {"input": ASKED, "max_output_tokens": 3},
    "form": {"input": ASKED, "text": {"format": {"type": "json_schema", "name": "x", "schema": {
        "type": "object", "properties": {"email": {"type": "string"}}}}}},
}  # fmt: skip


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_a_stream_says_what_a_whole_response_says(fields: dict[str, Any]) -> None:
    told = whole("/responses", **fields)
    Response.model_validate(told, strict=False)
    events = streamed("/responses", **fields)
    for event in events:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    last = events[-1]
    assert last["type"] == "response." + told["status"]
    assert said(last["response"]) == said(told)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == last["response"]["output"]
    assert not any(EMAIL in event.get("delta", "") for event in events)


def test_it_thinks_calls_and_is_cut_off() -> None:
    thought, message = whole("/responses", **FIELDS["thoughts"])["output"]
    assert EMAIL in thought["summary"][0]["text"]
    assert len(thought["encrypted_content"]) > 64
    assert message["content"][0]["text"].startswith(f"What I saw: {ASKED}")
    call, note = whole("/responses", **FIELDS["tools"])["output"]
    assert (call["type"], json.loads(call["arguments"])) == ("function_call", {"email": EMAIL})
    assert (note["type"], note["input"]) == ("custom_tool_call", f"{ASKED} reach and note")
    short = whole("/responses", **FIELDS["short"])
    assert (short["status"], said(short)) == ("incomplete", "What I saw: ")
    assert json.loads(said(whole("/responses", **FIELDS["form"]))) == {"email": EMAIL}


def test_it_answers_a_tools_result_with_words() -> None:
    items = [{"type": "function_call_output", "call_id": "c", "output": f"sent to {EMAIL}"}]
    assert said(whole("/responses", input=items, tools=TOOLS)).startswith(f"What I saw: sent to {EMAIL}")


def test_it_compacts_and_counts() -> None:
    (item,) = whole("/responses/compact", input=ASKED)["output"]
    assert item["type"] == "compaction"
    assert whole("/responses/input_tokens", input=ASKED) == {
        "object": "response.input_tokens",
        "input_tokens": 15,
    }


def test_completions_whole_and_streamed() -> None:
    told = whole("/completions", prompt=[ASKED, "b"], n=2, echo=True, stop=["\n\n"])
    Completion.model_validate(told)
    texts = [choice["text"] for choice in told["choices"]]
    assert texts == [f"{ASKED}What I saw: {ASKED}"] * 2 + ["bWhat I saw: b"] * 2
    pieces = streamed("/completions", prompt=[ASKED, "b"], n=2, echo=True, stop=["\n\n"])
    for i, text in enumerate(texts):
        mine = [each["choices"][0] for each in pieces if each["choices"][0]["index"] == i]
        assert "".join(choice["text"] for choice in mine) == text
        assert mine[-1]["finish_reason"] == "stop"


def test_embeddings_are_the_same_for_the_same_text_and_of_length_1() -> None:
    told = whole("/embeddings", input=[ASKED, "b", ASKED], dimensions=8)
    CreateEmbeddingResponse.model_validate(told)
    first, second, third = (each["embedding"] for each in told["data"])
    assert first == third != second
    assert sum(number * number for number in first) == pytest.approx(1)
    packed = whole("/embeddings", input=ASKED, dimensions=8, encoding_format="base64")["data"][0]["embedding"]
    assert struct.unpack("<8f", b64decode(packed)) == pytest.approx(first)


def test_moderations_find_no_fault() -> None:
    told = whole("/moderations", input=["a", "b"])
    ModerationCreateResponse.model_validate(told)
    assert [each["flagged"] for each in told["results"]] == [False, False]


@pytest.mark.parametrize(
    "path", ["/responses", "/responses/compact", "/completions", "/embeddings", "/moderations"]
)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"input": 7, "prompt": 7}', b'{"input": [1]}'])
def test_it_refuses_what_is_no_request(path: str, body: bytes) -> None:
    status, _, parts = mirrored(path, body)
    assert status == 400
    assert json.loads(b"".join(parts))["error"]["param"] in ("input", "prompt")


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [1, {"name": 3}, {"type": "custom"}]},
        {"tools": "x", "text": 1, "reasoning": "x"},
        {"text": {"format": {"type": "json_schema"}}, "tool_choice": 5, "max_output_tokens": "x"},
        {"include": 5, "reasoning": {}},
        {"input": [{"role": "user", "content": 5}, 7, {"output": {"a": 1}}]},
    ],
)
def test_odd_requests_do_not_break_it(fields: dict[str, Any]) -> None:
    assert whole("/responses", **{"input": "hello", **fields})["output"]


def test_it_does_not_draw() -> None:
    status, _, parts = mirrored("/images/generations", b"{}")
    assert status == 404
    assert "does not draw" in json.loads(b"".join(parts))["error"]["message"]
