"""The mirror model: answers in this process, so that a first run needs no account. Here: chat completions.

It says what it saw, which is what a real service would see, and then uses the stand-ins it was given as a
model would: in bold, in code, quoted, in lower case, as a possessive, as arguments of a tool. It keeps no
state and asks nothing of the network; the same request gets the same answer.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from masquerade.mask.surrogate import TOKEN
from masquerade.wire.sse import DONE, Event, encode

NAME = "mirror"

_HAN = re.compile(r"[\u3400-\u9fff]")
_PIECES = (1, 4, 2, 7, 3, 5)
"""Lengths of streamed pieces, in characters: none as long as a token, so every token is cut."""

_ASKS_FOR_TOOL = re.compile(
    r"\b(?:call|use|run|invoke|send|look up|search|book|create)\b|调用|使用|运行|发送|查询|搜索|预订|创建",
    re.I,
)
_DEEPEST = 16


class Answer(NamedTuple):
    """Status, content type and body in pieces, as a service would send them."""

    status: int
    content_type: str
    pieces: Iterable[bytes]


def models(created: int = 0) -> bytes:
    """The body of ``GET /v1/models``."""
    card = {"id": NAME, "object": "model", "created": created, "owned_by": "masquerade"}
    return orjson.dumps({"object": "list", "data": [card]})


def asked(body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A request, and its messages; none if it is no such request."""
    try:
        request = orjson.loads(body)
        return request, [message for message in request["messages"] if type(message) is dict]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return {}, []


def answer(body: bytes, created: int = 0) -> Answer:
    """The answer to ``POST /v1/chat/completions``; ``created`` is the time to write into it, in seconds."""
    request, messages = asked(body)
    if not messages:
        return refusal("messages")
    n = request.get("n")
    turns = [turn(request, messages, i) for i in range(n if type(n) is int and 0 < n <= 128 else 1)]
    head = {
        "id": f"chatcmpl-mirror-{zlib.crc32(body):08x}",
        "created": created,
        "model": str(request.get("model") or NAME),
    }
    usage = usage_of(messages, turns)
    if request.get("stream") is True:
        options = request.get("stream_options")
        told = type(options) is dict and options.get("include_usage") is True
        return Answer(200, "text/event-stream", _stream(head, turns, usage if told else None))
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": None, "refusal": None, **turn.message},
            "logprobs": None,
            "finish_reason": turn.finish_reason,
        }
        for i, turn in enumerate(turns)
    ]
    whole = {**head, "object": "chat.completion", "choices": choices, "usage": usage}
    return Answer(200, "application/json", [orjson.dumps(whole)])


def refusal(field: str) -> Answer:
    """The error of a request without ``field``."""
    problem = {"message": f"{field} is missing", "type": "invalid_request_error", "param": field}
    return Answer(400, "application/json", [orjson.dumps({"error": problem})])


class Turn(NamedTuple):
    """What the model says, as a message of chat completions."""

    message: dict[str, Any]
    finish_reason: str


def turn(request: dict[str, Any], messages: Sequence[dict[str, Any]], i: int) -> Turn:
    """What the model says to the last of ``messages``, in its ``i``-th wording."""
    last = messages[-1]
    seen = text_of(last)
    if last.get("role") not in ("tool", "function") and (calls := _calls(request, seen)):
        if request.get("functions") and not request.get("tools"):
            return Turn({"function_call": calls[0]["function"]}, "function_call")
        return Turn({"tool_calls": calls}, "tool_calls")
    content = _formatted(request, seen)
    if content is None:
        content = rephrase(seen, i)
    return cut(request, content)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message, of all its parts."""
    content = message.get("content")
    if type(content) is str:
        return content
    parts = content if type(content) is list else []
    return "\n".join(part["text"] for part in parts if type(part) is dict and type(part.get("text")) is str)


def stand_ins(text: str) -> list[str]:
    """The tokens in a text, each once."""
    return list(dict.fromkeys(match[0] for match in TOKEN.finditer(text)))


def rephrase(seen: str, i: int) -> str:
    """What the model makes of what it saw."""
    found = stand_ins(seen)
    worn = [_wear(token, i + k) for k, token in enumerate(found)]
    if _HAN.search(TOKEN.sub("", seen)):
        head = f"我看到的是：{seen}"
        if not found:
            return f"{head}\n\n换句话说：里面没有替身，我看到的就是您写的。"
        first = found[i % len(found)]
        listed = "、".join(worn)
        return f"{head}\n\n换句话说：您提到了{listed}。我会这样回信：“关于{first}的事，我已收到。”"
    head = f"What I saw: {seen}"
    if not found:
        return f"{head}\n\nIn other words: there is no stand-in in it, so I saw just what you wrote."
    listed = ", ".join(worn[:-1]) + (" and " if worn[1:] else "") + worn[-1]
    first = found[i % len(found)]
    words = f"you mention {listed}. I would begin: \u201cOn {first}'s matter: noted.\u201d"
    return f"{head}\n\nIn other words: {words}"


def _wear(token: str, k: int) -> str:
    forms = (f"**{token}**", f"`{token}`", f"\u201c{token}\u201d", token.lower(), f"*{token}*")
    return forms[k % len(forms)]


def cut(request: dict[str, Any], content: str) -> Turn:
    """``content`` as far as the request lets the model speak."""
    stops = request.get("stop")
    for stop in [stops] if type(stops) is str else stops if type(stops) is list else []:
        if type(stop) is str and stop:
            content = content.partition(stop)[0]
    most = request.get("max_completion_tokens") or request.get("max_tokens")
    if type(most) is int and 0 < most * 4 < len(content):
        return Turn({"content": content[: most * 4]}, "length")
    return Turn({"content": content}, "stop")


def usage_of(messages: Sequence[dict[str, Any]], turns: Sequence[Turn]) -> dict[str, int]:
    """Counts of tokens, four characters each."""
    asked = sum(len(text_of(message)) for message in messages) // 4 + 1
    said = sum(len(orjson.dumps(turn.message)) for turn in turns) // 4 + 1
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


# Tools and structured output


def _calls(request: dict[str, Any], seen: str) -> list[dict[str, Any]]:
    """Calls of the offered functions that the message names or asks for, or that ``tool_choice`` forces."""
    tools = request.get("tools")
    offered = [tool.get("function") for tool in tools if type(tool) is dict] if type(tools) is list else []
    if not tools and type(request.get("functions")) is list:
        offered = request["functions"]
    functions = [f for f in offered if type(f) is dict and type(f.get("name")) is str]
    choice = request.get("tool_choice", request.get("function_call", "auto"))
    if not functions or choice == "none":
        return []
    if type(choice) is dict:
        name = (choice.get("function") or choice).get("name")
        wanted = [f for f in functions if f["name"] == name]
    else:
        wanted = [f for f in functions if f["name"] in seen]
        if not wanted and (choice == "required" or _ASKS_FOR_TOOL.search(seen)):
            wanted = functions[:1]
    if request.get("parallel_tool_calls") is False:
        wanted = wanted[:1]
    return [
        {
            "id": f"call_mirror_{i}",
            "type": "function",
            "function": {"name": f["name"], "arguments": _arguments(f, seen)},
        }
        for i, f in enumerate(wanted)
    ]


def _arguments(function: dict[str, Any], seen: str) -> str:
    schema = function.get("parameters")
    filled = _fill(schema, schema, "", _Pieces(seen), 0) if type(schema) is dict else {}
    return orjson.dumps(filled).decode()


def _formatted(request: dict[str, Any], seen: str) -> str | None:
    """The content that ``response_format`` asks for, or None where it asks for text."""
    form = request.get("response_format")
    if type(form) is not dict:
        return None
    kind = form.get("type")
    if kind == "json_object":
        return orjson.dumps({"saw": seen, "stand_ins": stand_ins(seen)}).decode()
    if kind == "json_schema":
        schema = (form.get("json_schema") or {}).get("schema") or {}
        return orjson.dumps(_fill(schema, schema, "", _Pieces(seen), 0)).decode()
    return None


class _Pieces:
    """Pieces of the text to fill strings with: the stand-in of the kind that a name suggests, or the next."""

    def __init__(self, seen: str) -> None:
        self._seen = seen
        self._left = stand_ins(seen)

    def take(self, name: str) -> str:
        for token in self._left:
            kind = token[1:].rpartition("_")[0].lower()
            if name and (
                name.lower() in kind or any(word in kind for word in re.findall("[a-z]{3,}", name.lower()))
            ):
                self._left.remove(token)
                return token
        return self._left.pop(0) if self._left else self._seen


def _fill(schema: Any, root: Any, name: str, pieces: _Pieces, depth: int) -> Any:
    """The smallest value that a JSON Schema allows, with pieces of the text as its strings."""
    if type(schema) is not dict or depth > _DEEPEST:
        return None
    if type(schema.get("$ref")) is str:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target.get(step) if type(target) is dict else None
        return _fill(target, root, name, pieces, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for way in ("anyOf", "oneOf", "allOf"):
        if schema.get(way):
            return _fill(schema[way][0], root, name, pieces, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if type(kind) is list and kind else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        return {key: _fill(value, root, key, pieces, depth + 1) for key, value in properties.items()}
    if kind == "array":
        return [_fill(schema.get("items"), root, name, pieces, depth + 1)]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return True
    return None if kind == "null" else pieces.take(name)


# Streaming


def _stream(head: dict[str, Any], turns: Sequence[Turn], usage: dict[str, int] | None) -> Iterator[bytes]:
    head = {**head, "object": "chat.completion.chunk"}
    empty = {} if usage is None else {"usage": None}

    def chunk(i: int, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": i, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return encode(Event(orjson.dumps({**head, "choices": [choice], **empty})))

    for i in range(len(turns)):
        yield chunk(i, {"role": "assistant", "content": ""})
    # Choices take turns, as a service interleaves them.
    for deltas in itertools.zip_longest(*(_deltas(turn.message) for turn in turns)):
        for i, delta in enumerate(deltas):
            if delta is not None:
                yield chunk(i, delta)
    for i, turn in enumerate(turns):
        yield chunk(i, {}, turn.finish_reason)
    if usage is not None:
        yield encode(Event(orjson.dumps({**head, "choices": [], "usage": usage})))
    yield encode(Event(DONE))


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces_of(message.get("content") or ""):
        yield {"content": piece}
    if call := message.get("function_call"):
        yield {"function_call": {"name": call["name"], "arguments": ""}}
        for piece in pieces_of(call["arguments"]):
            yield {"function_call": {"arguments": piece}}
    for i, call in enumerate(message.get("tool_calls") or ()):
        opening = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{"index": i, "id": call["id"], "type": "function", "function": opening}]}
        for piece in pieces_of(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": i, "function": {"arguments": piece}}]}


def pieces_of(text: str) -> Iterator[str]:
    """A text as the model streams it."""
    lengths = itertools.cycle(_PIECES)
    at = 0
    while at < len(text):
        length = next(lengths)
        yield text[at : at + length]
        at += length
