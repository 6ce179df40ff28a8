"""The mirror model's older and smaller answers: completions, embeddings, moderations."""

from __future__ import annotations

import base64
import itertools
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from masquerade.serve.mirror import NAME, Answer, Turn, cut, pieces_of, refusal, rephrase, usage_of
from masquerade.wire.sse import DONE, Event, encode

_NUMBERS = 16
_MOST_NUMBERS = 4096
_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def completions(body: bytes, created: int = 0) -> Answer:
    """The answer to ``POST /v1/completions``."""
    request, texts = _read(body, "prompt")
    if not texts:
        return refusal("prompt")
    n = request.get("n")
    turns = [
        _completed(request, text, i)
        for text in texts
        for i in range(n if type(n) is int and 0 < n <= 128 else 1)
    ]
    head = {
        "id": f"cmpl-mirror-{zlib.crc32(body):08x}",
        "object": "text_completion",
        "created": created,
        "model": str(request.get("model") or NAME),
    }
    usage = usage_of([{"content": text} for text in texts], turns)
    if request.get("stream") is True:
        return Answer(200, "text/event-stream", _stream(head, turns))
    choices = [_choice(i, turn.message["content"], turn.finish_reason) for i, turn in enumerate(turns)]
    return Answer(200, "application/json", [orjson.dumps({**head, "choices": choices, "usage": usage})])


def _completed(request: dict[str, Any], text: str, i: int) -> Turn:
    said = cut(request, rephrase(text, i))
    return (
        Turn({"content": text + said.message["content"]}, said.finish_reason) if request.get("echo") else said
    )


def _choice(i: int, text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": i, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _stream(head: dict[str, Any], turns: list[Turn]) -> Iterator[bytes]:
    for pieces in itertools.zip_longest(*(pieces_of(turn.message["content"]) for turn in turns)):
        for i, piece in enumerate(pieces):
            if piece is not None:
                yield encode(Event(orjson.dumps({**head, "choices": [_choice(i, piece)]})))
    for i, turn in enumerate(turns):
        yield encode(Event(orjson.dumps({**head, "choices": [_choice(i, "", turn.finish_reason)]})))
    yield encode(Event(DONE))


def embeddings(body: bytes, created: int = 0) -> Answer:
    """The answer to ``POST /v1/embeddings``: a few numbers of length 1, from a check sum of the text."""
    request, texts = _read(body, "input")
    if not texts:
        return refusal("input")
    asked = request.get("dimensions")
    size = asked if type(asked) is int and 0 < asked <= _MOST_NUMBERS else _NUMBERS
    spelt = _in_base64 if request.get("encoding_format") == "base64" else list
    data = [
        {"object": "embedding", "index": i, "embedding": spelt(_numbers(text, size))}
        for i, text in enumerate(texts)
    ]
    count = sum(map(len, texts)) // 4 + 1
    whole = {
        "object": "list",
        "data": data,
        "model": str(request.get("model") or NAME),
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
    return Answer(200, "application/json", [orjson.dumps(whole)])


def _numbers(text: str, size: int) -> list[float]:
    drawn = [zlib.crc32(f"{i} {text}".encode()) / 2**31 - 1 for i in range(size)]
    length = math.hypot(*drawn) or 1.0
    return [number / length for number in drawn]


def _in_base64(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def moderations(body: bytes, created: int = 0) -> Answer:
    """The answer to ``POST /v1/moderations``: the mirror finds no fault with anything."""
    request, texts = _read(body, "input")
    if not texts:
        return refusal("input")
    result = {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": dict.fromkeys(_CATEGORIES, 0.0),
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
    whole = {
        "id": f"modr-mirror-{zlib.crc32(body):08x}",
        "model": str(request.get("model") or NAME),
        "results": [result for _ in texts],
    }
    return Answer(200, "application/json", [orjson.dumps(whole)])


def _read(body: bytes, field: str) -> tuple[dict[str, Any], list[str]]:
    """A request, and the texts in one of its fields."""
    try:
        request = orjson.loads(body)
        found = request[field]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return {}, []
    each = found if type(found) is list else [found]
    texts = [part.get("text") if type(part) is dict else part for part in each]
    return request, [text for text in texts if type(text) is str]
