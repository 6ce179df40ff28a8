"""The mirror model's answers to ``POST /v1/responses`` and what belongs to it."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from masquerade.serve.mirror import NAME, Answer, Turn, pieces_of, refusal, stand_ins, text_of, turn
from masquerade.wire.sse import Event, encode

_ECHOED = (
    "background",
    "instructions",
    "max_output_tokens",
    "metadata",
    "reasoning",
    "safety_identifier",
    "store",
    "text",
    "truncation",
    "user",
)


def answer(body: bytes, created: int = 0) -> Answer:
    """The answer to ``POST /v1/responses``; it says what it saw in the last item."""
    request = _read(body)
    messages = _messages(request)
    if not messages:
        return refusal("input")
    number = f"{zlib.crc32(body):08x}"
    said = turn(_as_chat(request), messages, 0)
    output = list(_output(request, said, messages[-1], number))
    unfinished = said.finish_reason == "length"
    head = {
        "id": f"resp_mirror_{number}",
        "object": "response",
        "created_at": created,
        "model": str(request.get("model") or NAME),
        "error": None,
        "parallel_tool_calls": request.get("parallel_tool_calls") is not False,
        "temperature": request.get("temperature", 1.0),
        "top_p": request.get("top_p", 1.0),
        "tool_choice": request.get("tool_choice") or "auto",
        "tools": request.get("tools") or [],
        **{name: request.get(name) for name in _ECHOED},
    }
    whole = {
        **head,
        "status": "incomplete" if unfinished else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if unfinished else None,
        "output": output,
        "usage": _usage(messages, output),
    }
    if request.get("stream") is True:
        return Answer(200, "text/event-stream", streamed(head, output, whole))
    return Answer(200, "application/json", [orjson.dumps(whole)])


def compact(body: bytes, created: int = 0) -> Answer:
    """The answer to ``POST /v1/responses/compact``."""
    messages = _messages(_read(body))
    if not messages:
        return refusal("input")
    number = f"{zlib.crc32(body):08x}"
    item = {"type": "compaction", "id": f"cmp_mirror_{number}", "encrypted_content": _sealed(number)}
    whole = {
        "id": f"resp_mirror_{number}",
        "object": "response.compaction",
        "created_at": created,
        "output": [item],
        "usage": _usage(messages, [item]),
    }
    return Answer(200, "application/json", [orjson.dumps(whole)])


def count(body: bytes, created: int = 0) -> Answer:
    """The answer to ``POST /v1/responses/input_tokens``."""
    messages = _messages(_read(body))
    counted = {"object": "response.input_tokens", "input_tokens": _usage(messages, [])["input_tokens"]}
    return Answer(200, "application/json", [orjson.dumps(counted)])


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        request = None
    return request if type(request) is dict else {}


def _list(request: dict[str, Any], field: str) -> list[Any]:
    value = request.get(field)
    return value if type(value) is list else []


def _objects(request: dict[str, Any], field: str) -> list[dict[str, Any]]:
    return [each for each in _list(request, field) if type(each) is dict]


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of a request as messages of chat completions, as far as there is text in them."""
    asked = request.get("input")
    if type(asked) is str:
        return [{"role": "user", "content": asked}]
    return [
        {"role": item.get("role"), "content": item.get("content")}
        if item.get("content") is not None
        else {"role": "tool", "content": item.get("output")}
        for item in _objects(request, "input")
        if item.get("content") is not None or item.get("output") is not None
    ]


def _as_chat(request: dict[str, Any]) -> dict[str, Any]:
    """What chat completions would say for these tools, this form and this length."""
    tools = _objects(request, "tools")
    text = request.get("text")
    form = text.get("format") if type(text) is dict else None
    if type(form) is dict and form.get("type") == "json_schema":
        form = {"type": "json_schema", "json_schema": form}
    return {
        "tools": [{"type": "function", "function": each} for each in tools if "name" in each],
        "tool_choice": request.get("tool_choice") or "auto",
        "parallel_tool_calls": request.get("parallel_tool_calls"),
        "response_format": form,
        "max_tokens": request.get("max_output_tokens"),
    }


def _output(
    request: dict[str, Any], said: Turn, last: dict[str, Any], number: str
) -> Iterator[dict[str, Any]]:
    if type(request.get("reasoning")) is dict:
        yield _thought(request, last, number)
    if content := said.message.get("content"):
        part = {"type": "output_text", "text": content, "annotations": [], "logprobs": []}
        yield {
            "type": "message",
            "id": f"msg_mirror_{number}",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
    custom = [each.get("name") for each in _objects(request, "tools") if each.get("type") == "custom"]
    for i, call in enumerate(said.message.get("tool_calls") or ()):
        called = call["function"]
        ids = {
            "id": f"fc_mirror_{number}_{i}",
            "call_id": f"call_mirror_{number}_{i}",
            "name": called["name"],
        }
        if called["name"] in custom:
            yield {"type": "custom_tool_call", **ids, "input": text_of(last)}
        else:
            yield {"type": "function_call", **ids, "arguments": called["arguments"], "status": "completed"}


def _thought(request: dict[str, Any], last: dict[str, Any], number: str) -> dict[str, Any]:
    found = ", ".join(stand_ins(text_of(last))) or "no stand-in"
    item: dict[str, Any] = {
        "type": "reasoning",
        "id": f"rs_mirror_{number}",
        "summary": [{"type": "summary_text", "text": f"There is {found} in it."}],
    }
    if "reasoning.encrypted_content" in _list(request, "include"):
        item["encrypted_content"] = _sealed(number)
    return item


def _sealed(number: str) -> str:
    """What looks like text that only the service can read."""
    return base64.urlsafe_b64encode(f"the mirror keeps no secrets, {number * 8}".encode()).decode()


def _usage(messages: list[dict[str, Any]], output: list[dict[str, Any]]) -> dict[str, Any]:
    asked = sum(len(text_of(message)) for message in messages) // 4 + 1
    said = len(orjson.dumps(output)) // 4
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + said,
    }


# Streaming


def streamed(head: dict[str, Any], output: list[dict[str, Any]], whole: dict[str, Any]) -> Iterator[bytes]:
    """The events by which a response comes."""
    begun = {**head, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    events = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
    for i, item in enumerate(output):
        events += _events(item, i)
    events.append((f"response.{whole['status']}", {"response": whole}))
    for number, (kind, fields) in enumerate(events):
        data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
        yield encode(Event(data, kind.encode()))


def _events(item: dict[str, Any], i: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events by which an item comes."""
    at = {"output_index": i, "item_id": item["id"]}
    empty = {"content": [], "summary": [], "arguments": "", "input": ""}
    opening = {**item, **{name: value for name, value in empty.items() if name in item}}
    if "status" in item:
        opening["status"] = "in_progress"
    yield "response.output_item.added", {"output_index": i, "item": opening}
    for j, part in enumerate(item.get("summary") or ()):
        here = {**at, "summary_index": j}
        yield from _part(part, here, "response.reasoning_summary_part", "response.reasoning_summary_text", {})
    for j, part in enumerate(item.get("content") or ()):
        here = {**at, "content_index": j}
        yield from _part(part, here, "response.content_part", "response.output_text", {"logprobs": []})
    for field, kind in (
        ("arguments", "response.function_call_arguments"),
        ("input", "response.custom_tool_call_input"),
    ):
        if field in item:
            for piece in pieces_of(item[field]):
                yield f"{kind}.delta", {**at, "delta": piece}
            yield f"{kind}.done", {**at, field: item[field]}
    yield "response.output_item.done", {"output_index": i, "item": item}


def _part(
    part: dict[str, Any], at: dict[str, Any], kind: str, text_kind: str, beside: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield f"{kind}.added", {**at, "part": {**part, "text": ""}}
    for piece in pieces_of(part["text"]):
        yield f"{text_kind}.delta", {**at, "delta": piece, **beside}
    yield f"{text_kind}.done", {**at, "text": part["text"], **beside}
    yield f"{kind}.done", {**at, "part": part}
