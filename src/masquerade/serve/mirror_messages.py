"""The mirror model behind Anthropic's API: it says the same as ``mirror.py`` has it say.

Where thinking is asked for, it thinks, and signs its thoughts with their hash: when they come back changed,
it refuses them, as the service does.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from masquerade import crypto
from masquerade.mask.surrogate import TOKEN
from masquerade.serve import mirror
from masquerade.serve.mirror import Answer
from masquerade.serve.refusal import anthropic_error
from masquerade.wire.sse import Event, encode

_COUNTED = ("system", "messages", "tools")
_CHARACTERS = 4
_STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}

Block = dict[str, Any]


def answer(path: str, body: bytes) -> Answer:
    """The answer to a request to ``path``, below the version segment."""
    if path == "/models":
        return _whole(_models())
    request, messages = mirror.asked(body)
    if not messages:
        return _whole(anthropic_error(400, "messages: field required"), 400)
    if path == "/messages/count_tokens":
        return _whole({"input_tokens": _count(request)})
    for block in _blocks(messages):
        if block.get("type") == "thinking" and block.get("signature") != _signature(block.get("thinking")):
            return _whole(anthropic_error(400, "thinking blocks cannot be modified"), 400)
    message = _message(request, messages, body)
    if request.get("stream") is True:
        return Answer(200, "text/event-stream", _stream(message))
    return _whole(message)


def _whole(tree: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, "application/json", [orjson.dumps(tree)])


def _models() -> dict[str, Any]:
    card = {
        "type": "model",
        "id": mirror.NAME,
        "display_name": "Mirror",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    }
    return {"data": [card], "has_more": False, "first_id": mirror.NAME, "last_id": mirror.NAME}


def _count(request: dict[str, Any]) -> int:
    """A token for every four bytes of what is sent, as JSON: a rough guess, always the same."""
    return len(orjson.dumps([request.get(name) for name in _COUNTED])) // _CHARACTERS + 1


def _message(request: dict[str, Any], messages: list[dict[str, Any]], body: bytes) -> dict[str, Any]:
    turn = mirror.turn(_as_chat(request), [_last(messages[-1])], 0)
    content = [
        *_thoughts(request, messages),
        *([{"type": "text", "text": turn.message["content"]}] if turn.message.get("content") else []),
        *(
            {
                "type": "tool_use",
                "id": f"toolu_mirror_{i}",
                "name": call["function"]["name"],
                "input": orjson.loads(call["function"]["arguments"]),
            }
            for i, call in enumerate(turn.message.get("tool_calls") or ())
        ),
    ]
    return {
        "id": f"msg_mirror_{zlib.crc32(body):08x}",
        "type": "message",
        "role": "assistant",
        "model": str(request.get("model") or mirror.NAME),
        "content": content,
        "stop_reason": _STOPS[turn.finish_reason],
        "stop_sequence": None,
        "usage": {
            "input_tokens": _count(request),
            "output_tokens": len(orjson.dumps(content)) // _CHARACTERS + 1,
        },
    }


def _as_chat(request: dict[str, Any]) -> dict[str, Any]:
    """What a request asks for, in the words of a chat completion."""
    tools = request.get("tools")
    choice = request.get("tool_choice")
    choice = choice if type(choice) is dict else {}
    config = request.get("output_config")
    form = config.get("format") if type(config) is dict else None
    return {
        "tools": [
            {"function": {"name": tool.get("name"), "parameters": tool["input_schema"]}}
            for tool in (tools if type(tools) is list else ())
            if type(tool) is dict and "input_schema" in tool
        ],
        "tool_choice": {
            "any": "required",
            "none": "none",
            "tool": {"function": {"name": choice.get("name")}},
        }.get(str(choice.get("type")), "auto"),
        "parallel_tool_calls": choice.get("disable_parallel_tool_use") is not True,
        "stop": request.get("stop_sequences"),
        "max_tokens": request.get("max_tokens"),
        "response_format": {"type": "json_schema", "json_schema": form} if type(form) is dict else None,
    }


def _last(message: dict[str, Any]) -> dict[str, Any]:
    blocks = list(_blocks([message]))
    told = any(block.get("type") == "tool_result" for block in blocks)
    return {"role": "tool" if told else "user", "content": "\n".join(_texts(message))}


def _texts(node: dict[str, Any]) -> Iterator[str]:
    """The texts of a message or tool result."""
    content = node.get("content")
    if type(content) is str:
        yield content
    for block in _blocks([node]):
        if type(block.get("text")) is str:
            yield block["text"]
        elif block.get("type") == "tool_result":
            yield from _texts(block)


def _blocks(messages: list[dict[str, Any]]) -> Iterator[Block]:
    for message in messages:
        content = message.get("content")
        yield from (block for block in (content if type(content) is list else ()) if type(block) is dict)


def _thoughts(request: dict[str, Any], messages: list[dict[str, Any]]) -> list[Block]:
    thinking = request.get("thinking")
    if type(thinking) is not dict or thinking.get("type") not in ("enabled", "adaptive"):
        return []
    seen = "\n".join(_texts(messages[-1]))
    tokens = dict.fromkeys(match[0] for match in TOKEN.finditer(seen))
    thought = f"What I was given: {', '.join(tokens) or 'no stand-ins'}."
    return [{"type": "thinking", "thinking": thought, "signature": _signature(thought)}]


def _signature(thought: Any) -> str:
    return base64.b64encode(crypto.sha256(str(thought).encode())).decode()


# Streaming


def _stream(message: dict[str, Any]) -> Iterator[bytes]:
    content, usage = message["content"], message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield _event("message_start", message=begun)
    yield _event("ping")
    for i, block in enumerate(content):
        kind = block["type"]
        empty: dict[str, Block] = {
            "text": {"text": ""},
            "thinking": {"thinking": "", "signature": ""},
            "tool_use": {"input": {}},
        }
        yield _event("content_block_start", index=i, content_block={**block, **empty[kind]})
        for delta in _deltas(block):
            yield _event("content_block_delta", index=i, delta=delta)
        yield _event("content_block_stop", index=i)
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=ended, usage={"output_tokens": usage["output_tokens"]})
    yield _event("message_stop")


def _deltas(block: Block) -> Iterator[Block]:
    if block["type"] == "text":
        for piece in mirror.pieces_of(block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": ""}
        for piece in mirror.pieces_of(orjson.dumps(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": piece}
    else:
        for piece in mirror.pieces_of(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}


def _event(kind: str, **fields: Any) -> bytes:
    return encode(Event(orjson.dumps({"type": kind, **fields}), kind.encode()))
