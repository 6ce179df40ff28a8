"""Whatever a service sends: no exception but UpstreamProblem, nothing restored twice, linear work."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from masquerade import Key, Masker
from masquerade.errors import UpstreamProblem
from masquerade.serve.gateway import ENDPOINTS
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import Exchange

MASKER = Masker(Key.generate())
EMAIL, OTHER = "ada.lovelace@example.com", "charles.babbage@example.com"
CHEAP = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
TABLES = [each for each in ENDPOINTS.values() if not each.media]


def asked(endpoint: Endpoint, text: str = f"{EMAIL} and {OTHER}") -> Exchange:
    """A request with two private values, as this endpoint takes it."""
    field = {"completions": "prompt", "images": "prompt"}.get(endpoint.name, "input")
    body: dict[str, Any] = {field: text, "messages": [{"role": "user", "content": text}], "stream": True}
    if endpoint.name not in ("chat", "messages", "count_tokens"):
        del body["messages"]
    return Exchange(MASKER, json.dumps(body).encode(), endpoint)


TOKENS = [each.text for each in asked(TABLES[0]).surrogates]
TOKEN = TOKENS[0]

# JSON of any shape, in which the fields that are known have values of any type

NAMES = sorted(
    {name for endpoint in TABLES for name in endpoint.written.kept}
    | {
        "choices",
        "delta",
        "message",
        "content",
        "tool_calls",
        "function",
        "arguments",
        "text",
        "output",
        "item",
    }
    | {"annotations", "start_index", "end_index", "logprobs", "finish_reason", "error", "response", "part"}
    | {
        "content_block",
        "input",
        "partial_json",
        "thinking",
        "output_index",
        "content_index",
        "sequence_number",
    }
    | {"reasoning", "summary", "parameters", "masquerade", "name", "refusal", "data", "embedding"}
)
KINDS = [
    *("response.created", "response.output_text.delta", "response.output_text.done", "response.completed"),
    *("response.output_item.done", "response.function_call_arguments.delta", "response.failed", "error"),
    *(
        "response.output_text.annotation.added",
        "response.content_part.done",
        ".delta",
        ".done",
        "message_start",
    ),
    *("content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"),
    *("text_delta", "input_json_delta", "thinking_delta", "thinking", "compaction", "compaction_delta"),
    *("image_generation.completed", "ping", "reasoning_text", "summary_text"),
]
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [*TOKENS, TOKEN[:9], TOKEN[9:], f"a{TOKEN}b", TOKEN.lower(), "\ud83d\ude00", "\x00", "\\u0000"]
    ),
    st.sampled_from(KINDS),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, -1, 2**63, 2**64 - 1, -(2**63), 10**300]),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), TREES, max_size=6)


def choices(delta: Any, **more: Any) -> Any:
    return {"choices": [{"index": 0, "delta": delta, **more}]}


CHUNKS = st.one_of(
    OBJECTS,
    OBJECTS.map(choices),
    st.lists(TREES, max_size=3).map(lambda each: {"choices": each}),
    TEXTS.map(lambda text: choices({"content": text})),
    TEXTS.map(lambda text: choices({"content": text}, finish_reason="stop")),
    st.tuples(st.sampled_from(KINDS), OBJECTS).map(lambda pair: {**pair[1], "type": pair[0]}),
    st.tuples(st.sampled_from(KINDS[:12]), TREES, TREES).map(
        lambda t: {"type": t[0], "delta": t[1], "output_index": t[2], "content_index": 0}
    ),
    st.tuples(st.sampled_from(KINDS), TREES, TREES).map(
        lambda t: {"type": "content_block_delta", "index": t[1], "delta": {"type": t[0], "text": t[2]}}
    ),
)


def event(tree: Any) -> bytes:
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def restored(exchange: Exchange, pieces: list[bytes]) -> bytes:
    """The client's bytes; of an odd stream, up to where it was found to be one, and what was held back."""
    stream = exchange.events()
    out = []
    try:
        for piece in pieces:
            out.append(stream.feed(piece))
            assert stream.held >= 0
        assert stream.broken in (False, True)
    except UpstreamProblem as problem:
        assert EMAIL not in str(problem)
    return b"".join((*out, stream.finish()))


def cut(data: st.DataObject | None, whole: bytes) -> list[bytes]:
    if data is None:
        return [whole]
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[a:b] for a, b in itertools.pairwise([0, *places, len(whole)])]


LINES = st.one_of(
    CHUNKS.map(lambda tree: b"data: " + json.dumps(tree).encode("utf-8", "surrogatepass")),
    CHUNKS.map(lambda tree: b"data:" + json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace")),
    st.sampled_from(
        [b"data: [DONE]", b": keep alive", b":", b"id: 7", b"retry: 10", b"event: error", b"data"]
    ),
    st.sampled_from([b"\xef\xbb\xbf", b"data: \x00", b"data: \xff\xfe", b"\xe5\xbc", b"event: " + b"x" * 99]),
    st.binary(max_size=12).map(lambda noise: b"data: " + noise),
)
ENDS = st.sampled_from([b"\n\n", b"\n", b"\r\n\r\n", b"\r\r", b"\r", b"\n\r\n", b""])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=8).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)


@pytest.mark.parametrize("endpoint", TABLES, ids=lambda each: each.name)
@CHEAP
@given(stream=STREAMS, data=st.data())
@example(stream=event({"type": ["a list"], "delta": TOKEN}), data=None)
@example(stream=event({"choices": True, "text": TOKEN}), data=None)
@example(stream=event({"choices": {"text": TOKEN}}), data=None)
def test_any_stream(endpoint: Endpoint, stream: bytes, data: st.DataObject | None) -> None:
    alone = restored(asked(endpoint), [stream[i : i + 1] for i in range(len(stream))])
    for pieces in ([stream], cut(data, stream)):
        assert texts(restored(asked(endpoint), pieces)) == texts(alone), "a cut changes nothing of the text"


def texts(out: bytes) -> str:
    """All that a client reads of a stream, in whatever chunks it came."""
    told = []
    for block in out.split(b"\n\n"):
        for line in block.split(b"\n"):
            if line.startswith(b"data: {"):
                told += strings(json.loads(line[6:]), "")
    return "".join(told)


def strings(node: Any, at: str) -> list[str]:
    if isinstance(node, dict):
        return [s for key, value in node.items() if key != "masquerade" for s in strings(value, key)]
    if isinstance(node, list):
        return [s for value in node for s in strings(value, at)]
    return [node] if isinstance(node, str) and at in ("content", "text", "delta", "partial_json") else []


@pytest.mark.parametrize("endpoint", TABLES, ids=lambda each: each.name)
@CHEAP
@given(tree=st.one_of(OBJECTS, CHUNKS, TREES), whole=st.booleans())
@example(
    tree={"choices": [{"index": 2**64, "message": {"content": TOKEN, "annotations": [{"start_index": 1}]}}]},
    whole=True,
)
def test_any_reply(endpoint: Endpoint, tree: Any, whole: bool) -> None:
    body = json.dumps(tree, ensure_ascii=whole).encode("utf-8", "surrogatepass")
    try:
        asked(endpoint).reply(body)
    except UpstreamProblem as problem:
        assert EMAIL not in str(problem)


ODD = {
    "deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "deeper": b"[" * 100_000,
    "deep lists": b'{"choices":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "a huge number": b'{"index": ' + b"9" * 5000 + b"}",
    "a huge exponent": b'{"index": 1e999}',
    "twice the same key": b'{"choices": 1, "choices": [{"index": 0, "delta": {"content": "x"}}]}',
    "half a surrogate pair": b'{"choices": [{"index": 0, "delta": {"content": "\\ud83d"}}]}',
    "no UTF-8": b'{"choices": [{"index": 0, "delta": {"content": "\xff"}}]}',
    "NUL": b'{"choices": [{"index": 0, "delta": {"content": "\x00"}}]}',
    "NaN": b'{"choices": [{"index": NaN}]}',
}


@pytest.mark.parametrize("endpoint", TABLES, ids=lambda each: each.name)
@pytest.mark.parametrize("name", ODD)
def test_odd_json(endpoint: Endpoint, name: str) -> None:
    restored(asked(endpoint), [b"data: " + ODD[name] + b"\n\n"])
    try:
        asked(endpoint).reply(ODD[name])
    except UpstreamProblem as problem:
        assert str(problem)


# Once, and not twice


WRAPS = {
    "chat": lambda text: choices({"content": text}),
    "completions": lambda text: {"choices": [{"index": 0, "text": text, "finish_reason": None}]},
    "responses": lambda text: {"type": "response.output_text.delta", "delta": text, "output_index": 0},
    "messages": lambda text: {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    },
}


@pytest.mark.parametrize(
    "endpoint", [each for each in TABLES if each.name in WRAPS], ids=lambda each: each.name
)
@CHEAP
@given(
    said=st.lists(st.sampled_from([*TOKENS, " ", "x", "[", "]", "[EMAIL_", "张", "**"]), max_size=12),
    data=st.data(),
)
def test_nothing_is_restored_twice(endpoint: Endpoint, said: list[str], data: st.DataObject) -> None:
    """Each stand-in is replaced once, however it is cut, and counted once."""
    whole, exchange = "".join(said), asked(endpoint)
    pieces = split(data, whole)
    lines = [b"data: " + json.dumps(WRAPS[endpoint.name](piece)).encode() + b"\n\n" for piece in pieces]
    out = texts(restored(exchange, lines))
    expected = whole
    for surrogate in exchange.surrogates:
        expected = expected.replace(surrogate.text, surrogate.original)
    assert out == expected
    assert exchange.restored == sum(whole.count(surrogate.text) for surrogate in exchange.surrogates)


def split(data: st.DataObject, whole: str) -> list[str]:
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[a:b] for a, b in itertools.pairwise([0, *places, len(whole)])]


# Twice the bytes, twice the work


def calls(exchange: Exchange, pieces: list[bytes]) -> int:
    """How many functions are called, Python's and C's, while a stream is restored."""
    count = 0

    def on(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    stream = exchange.events()
    sys.setprofile(on)
    try:
        for piece in pieces:
            stream.feed(piece)
        stream.finish()
    finally:
        sys.setprofile(None)
    return count


LONG = {
    "one line, byte by byte": lambda wrap, n: [bytes([b]) for b in b"data: " + wrap("x" * n)],
    "many events": lambda wrap, n: [b"data: " + wrap("word ") + b"\n\n"] * n,
    "many brackets": lambda wrap, n: [b"data: " + wrap("[EMAIL_") + b"\n\n"] * n,
    "many stand-ins in one": lambda wrap, n: [b"data: " + wrap(TOKEN * n) + b"\n\n"],
    "half of a stand-in each": lambda wrap, n: [
        b"data: " + wrap(TOKEN[i % 2 * 9 :][:9]) + b"\n\n" for i in range(n)
    ],
    "empty lines": lambda wrap, n: [b"\r\n"] * n,
    "comments": lambda wrap, n: [b": x\n\n"] * n,
    "lines of data": lambda wrap, n: [b"data: 1\n"] * n,
}


@pytest.mark.parametrize(
    "endpoint", [each for each in TABLES if each.name in WRAPS], ids=lambda each: each.name
)
@pytest.mark.parametrize("name", LONG)
def test_work_grows_as_the_stream_does(endpoint: Endpoint, name: str) -> None:
    def wrap(text: str) -> bytes:
        return json.dumps(WRAPS[endpoint.name](text)).encode()

    few, many = (calls(asked(endpoint), LONG[name](wrap, n)) for n in (300, 1200))
    assert many <= 4.4 * few + 200
