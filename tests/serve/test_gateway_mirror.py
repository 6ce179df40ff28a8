"""The mirror model: deterministic, shows what it saw, uses what it was given as a model would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from masquerade.serve import mirror, mirror_messages
from masquerade.wire.sse import DONE, EventStream

EMAIL, PHONE = "[EMAIL_K7Q2M9X4RT]", "[PHONE_PNXFVYQFMT]"
ASKED = f"Write to {EMAIL} and call {PHONE}."


def whole(content: Any = ASKED, **fields: Any) -> dict[str, Any]:
    asked = {"model": "m", "messages": [{"role": "user", "content": content}], **fields}
    status, kind, pieces = mirror.answer(json.dumps(asked).encode(), 7)
    assert (status, kind) == (200, "application/json")
    told: dict[str, Any] = json.loads(b"".join(pieces))
    return told


def streamed(content: Any = ASKED, **fields: Any) -> list[Any]:
    asked = {"model": "m", "messages": [{"role": "user", "content": content}], "stream": True, **fields}
    status, kind, pieces = mirror.answer(json.dumps(asked).encode(), 7)
    assert (status, kind) == (200, "text/event-stream")
    stream = EventStream()
    events = [event.data for piece in pieces for event in stream.feed(piece)]
    assert events.pop() == DONE
    return [json.loads(data) for data in events if data is not None]


def said(content: Any = ASKED, **fields: Any) -> str:
    return str(whole(content, **fields)["choices"][0]["message"]["content"])


def test_it_says_what_it_saw_and_uses_every_stand_in_in_several_forms() -> None:
    text = said()
    assert text.startswith(f"What I saw: {ASKED}\n\nIn other words: ")
    assert f"**{EMAIL}**" in text
    assert f"`{PHONE}`" in text
    assert f"{EMAIL}'s" in text
    assert said() == text


def test_it_answers_chinese_in_chinese() -> None:
    assert said(f"给{EMAIL}写信").startswith(f"我看到的是：给{EMAIL}写信\n\n换句话说：")
    assert "没有替身" in said("你好")
    assert "no stand-in" in said("hello")


def test_a_stream_says_the_same_and_cuts_every_token() -> None:
    chunks = streamed(n=2, stream_options={"include_usage": True})
    texts = {0: "", 1: ""}
    for chunk in chunks[:-1]:
        (choice,) = chunk["choices"]
        piece = choice["delta"].get("content", "")
        assert EMAIL not in piece
        texts[choice["index"]] += piece
    assert texts[0] == said()
    assert texts[1] != texts[0]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == sum(
        chunks[-1]["usage"][name] for name in ("prompt_tokens", "completion_tokens")
    )
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-3:-1]] == ["stop", "stop"]


def test_it_reads_parts() -> None:
    assert said([{"type": "text", "text": "a"}, {"type": "text", "text": EMAIL}]).startswith(
        f"What I saw: a\n{EMAIL}"
    )


def test_it_stops_where_it_is_told() -> None:
    assert said(stop=["\n\n"]) == f"What I saw: {ASKED}"
    told = whole(max_tokens=2)["choices"][0]
    assert (told["message"]["content"], told["finish_reason"]) == ("What I s", "length")


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def calls(content: str = ASKED, **fields: Any) -> list[tuple[str, Any]]:
    message = whole(content, **fields)["choices"][0]["message"]
    found = message.get("tool_calls") or []
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in found]


def test_it_calls_a_tool_when_asked_and_fills_it_by_kind() -> None:
    tools = [tool("reach", phone={"type": "string"}, email_address={"type": "string"}, n={"type": "integer"})]
    expected = [("reach", {"phone": PHONE, "email_address": EMAIL, "n": 1})]
    assert calls(tools=tools) == expected
    assert calls("Tell me about it.", tools=tools) == []
    assert calls(f"请调用 {EMAIL}", tools=tools)[0][1]["phone"] == EMAIL, "the next one, where no kind fits"
    assert calls(tools=tools, tool_choice="none") == []
    assert calls("hello", tools=tools, tool_choice="required")[0][0] == "reach"
    named = {"type": "function", "function": {"name": "b"}}
    assert calls("hello", tools=[tool("a"), tool("b")], tool_choice=named) == [("b", {})]
    assert [name for name, _ in calls("a1 and b1", tools=[tool("a1"), tool("b1")])] == ["a1", "b1"]
    both = calls("a1 and b1", tools=[tool("a1"), tool("b1")], parallel_tool_calls=False)
    assert [name for name, _ in both] == ["a1"]


def test_it_answers_a_tools_result_with_words() -> None:
    asked = {"messages": [{"role": "tool", "content": f"call {EMAIL}"}], "tools": [tool("a")]}
    _, _, pieces = mirror.answer(json.dumps(asked).encode())
    message = json.loads(b"".join(pieces))["choices"][0]["message"]
    assert message["content"].startswith(f"What I saw: call {EMAIL}")


SCHEMA = {
    "type": "object",
    "$defs": {"who": {"type": "object", "properties": {"email": {"type": "string"}}}},
    "properties": {
        "who": {"$ref": "#/$defs/who"},
        "mood": {"enum": ["calm", "wild"]},
        "ok": {"type": "boolean"},
        "nothing": {"type": "null"},
        "least": {"type": "number", "minimum": 4},
        "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "phones": {"type": "array", "items": {"type": ["string", "null"]}},
        "fixed": {"const": "x"},
    },
}


def test_it_honours_a_schema() -> None:
    told = said(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}})
    assert json.loads(told) == {
        "who": {"email": EMAIL},
        "mood": "calm",
        "ok": True,
        "nothing": None,
        "least": 4,
        "either": 1,
        "phones": [PHONE],
        "fixed": "x",
    }


def test_json_mode() -> None:
    told = json.loads(said(response_format={"type": "json_object"}))
    assert told == {"saw": ASKED, "stand_ins": [EMAIL, PHONE]}


def test_a_schema_without_end_ends() -> None:
    endless = {"$ref": "#"}
    assert said(response_format={"type": "json_schema", "json_schema": {"schema": endless}}) == "null"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"messages": "x"}', b'{"messages": [1]}'])
def test_it_refuses_what_is_no_request(body: bytes) -> None:
    status, _, pieces = mirror.answer(body)
    assert status == 400
    assert json.loads(b"".join(pieces))["error"]["param"] == "messages"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [1, {"function": 2}, {"function": {"name": 3}}]},
        {"tools": "x"},
        {"functions": [{"name": "a", "parameters": 1}]},
        {"response_format": 1},
        {"response_format": {"type": "json_schema"}},
        {"n": 0, "stop": 1, "max_tokens": "x", "stream_options": 1},
        {"messages": [{"role": "user"}]},
    ],
)
def test_odd_requests_do_not_break_it(fields: dict[str, Any]) -> None:
    assert whole(**fields)["choices"]


def test_models() -> None:
    assert json.loads(mirror.models(7))["data"][0] == {
        "id": "mirror",
        "object": "model",
        "created": 7,
        "owned_by": "masquerade",
    }


# Behind Anthropic's API


def messages_answer(content: Any = ASKED, path: str = "/messages", **fields: Any) -> tuple[int, str, bytes]:
    asked = {"model": "m", "max_tokens": 999, "messages": [{"role": "user", "content": content}], **fields}
    status, kind, parts = mirror_messages.answer(path, json.dumps(asked).encode())
    return status, kind, b"".join(parts)


def test_it_says_the_same_behind_anthropics_api() -> None:
    status, kind, body = messages_answer()
    told = json.loads(body)
    assert (status, kind) == (200, "application/json")
    assert told["content"] == [{"type": "text", "text": said()}]
    assert messages_answer()[2] == body
    assert json.loads(messages_answer([{"type": "text", "text": ASKED}])[2])["content"] == told["content"]


def test_it_streams_what_it_says_whole() -> None:
    tools = [{"name": "reach", "input_schema": tool("x", phone={"type": "string"})["function"]["parameters"]}]
    fields: dict[str, Any] = {"tools": tools, "thinking": {"type": "adaptive"}}
    whole_told = json.loads(messages_answer(**fields)[2])
    status, kind, body = messages_answer(**fields, stream=True)
    assert (status, kind) == (200, "text/event-stream")
    blocks: dict[int, dict[str, Any]] = {}
    for event in EventStream().feed(body):
        tree = json.loads(event.data or b"")
        assert event.name.decode() == tree["type"]
        if tree["type"] == "content_block_start":
            blocks[tree["index"]] = tree["content_block"] | {"json": ""}
        elif tree["type"] == "content_block_delta":
            assert PHONE not in json.dumps(tree)
            block = blocks[tree["index"]]
            for name, value in tree["delta"].items():
                name = "json" if name == "partial_json" else name  # noqa: PLW2901
                block[name] = value if name in ("type", "signature") else block[name] + value
    kinds = {0: "thinking", 1: "tool_use"}
    merged = [block | {"type": kinds[i]} for i, block in blocks.items()]
    merged[1]["input"] = json.loads(merged[1]["json"])
    assert [{k: v for k, v in block.items() if k != "json"} for block in merged] == whole_told["content"]
    assert whole_told["stop_reason"] == "tool_use"


def test_it_knows_its_own_thoughts_again() -> None:
    thought, _ = json.loads(messages_answer(thinking={"type": "enabled"})[2])["content"]
    assert messages_answer([thought, {"type": "text", "text": "so?"}])[0] == 200
    status, _, body = messages_answer([thought | {"thinking": f"{thought['thinking']} "}])
    assert status == 400
    assert json.loads(body)["error"]["message"] == "thinking blocks cannot be modified"


def test_it_counts_roughly_and_always_the_same() -> None:
    few = json.loads(messages_answer(path="/messages/count_tokens")[2])
    many = json.loads(messages_answer(path="/messages/count_tokens", system="x" * 400)[2])
    assert many["input_tokens"] - few["input_tokens"] in (99, 100, 101)
    assert few == json.loads(messages_answer(path="/messages/count_tokens")[2])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"messages": "x"}', b'{"messages": [1]}'])
def test_it_refuses_what_is_no_request_for_messages(body: bytes) -> None:
    for path in ("/messages", "/messages/count_tokens"):
        status, _, parts = mirror_messages.answer(path, body)
        assert status == 400
        assert json.loads(b"".join(parts))["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [1, {"name": 3, "input_schema": 1}, {"name": "a", "input_schema": 1}], "tool_choice": 1},
        {"tools": "x", "tool_choice": {"type": ["any"]}, "output_config": 1, "thinking": 1},
        {"output_config": {"format": {"type": "json_schema", "schema": 5}}, "stop_sequences": 1},
        {"messages": [{"content": [1, {"type": "tool_result", "content": [1]}, {"text": 5}]}]},
        {"messages": [{"role": "user"}], "max_tokens": "x"},
    ],
)
def test_odd_requests_for_messages_do_not_break_it(fields: dict[str, Any]) -> None:
    assert messages_answer(**fields)[0] == 200
