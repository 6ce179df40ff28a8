"""A mould is proven to fit, or it is not used: with moulds and without them, a client is told the same."""

from __future__ import annotations

import itertools
import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_exchange import EMAIL, MASKER, PHONE, Told, stream

from masquerade.wire import chunks as chunks_module
from masquerade.wire.exchange import Exchange
from masquerade.wire.mould import mould_of
from masquerade.wire.openai import CHAT


def chunk(delta: dict[str, Any], index: int = 0, choice: dict[str, Any] | None = None, **more: Any) -> bytes:
    choices = [{"index": index, "delta": delta, "finish_reason": None, **(choice or {})}]
    return json.dumps({"id": "x", "created": 1, "choices": choices, **more}).encode()


def test_a_text_is_read_and_written_in_its_place() -> None:
    mould = mould_of(chunk({"content": "a"}), CHAT.written)
    assert mould is not None
    assert mould.path == (0, "content")
    assert mould.read(chunk({"content": 'say "no" \\ \u4e2d'})) == 'say "no" \\ \u4e2d'
    assert mould.written(b"", 'x"\n') == b"data: " + chunk({"content": 'x"\n'}) + b"\n\n"


@pytest.mark.parametrize(
    "other",
    [
        chunk({"content": "a"}, 1),
        chunk({"content": "a"}, choice={"finish_reason": "stop"}),
        chunk({"content": None}),
        chunk({"content": 1}),
        chunk({"content": "a", "refusal": "b"}),
        chunk({"content": "a"}).replace(b'"a"', b'"\\ud800"'),
        chunk({"content": "a"}).replace(b'"a"', b'"a", "b": "c"'),
        chunk({"content": "a"})[:-1],
        b'{"id": "x", "created": 1, "choices": [{"index": 0, "delta": {"content": "',
    ],
)
def test_another_chunk_does_not_fit(other: bytes) -> None:
    mould = mould_of(chunk({"content": "a"}), CHAT.written)
    assert mould is not None
    assert mould.read(other) is None


@pytest.mark.parametrize(
    "data",
    [
        chunk({}),
        chunk({"role": "assistant"}),
        chunk({"content": "a", "refusal": "b"}),
        chunk({"content": "a"}, choice={"finish_reason": "stop"}),
        chunk({"content": "a"}, choice={"logprobs": {"content": []}}),
        chunk({"content": "a", "logprobs": {"content": []}}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}),
        chunk({"content": "a"}).replace(b", ", b",\n"),
        b'{"choices": []}',
        b"[]",
        b"no JSON",
    ],
)
def test_other_chunks_have_no_mould(data: bytes) -> None:
    assert mould_of(data, CHAT.written) is None


def test_the_same_name_elsewhere_is_not_taken_for_the_text() -> None:
    data = b'{"content": "x", "choices": [{"delta": {"content": "a"}, "note": "\\"content\\": \\"y\\""}]}'
    mould = mould_of(data, CHAT.written)
    assert mould is not None
    assert orjson.loads(mould.written(b"", "new")[6:])["choices"][0]["delta"] == {"content": "new"}


def test_padding_may_differ() -> None:
    mould = mould_of(chunk({"content": "a"}, obfuscation="x1"), CHAT.written)
    assert mould is not None
    other = chunk({"content": "bc"}, obfuscation="LongerPadding0")
    assert mould.read(other) == "bc"
    assert orjson.loads(mould.written(other, "d")[6:]) == orjson.loads(
        chunk({"content": "d"}, obfuscation="LongerPadding0")
    )
    assert mould.read(chunk({"content": "bc"}, obfuscation='"x')) is None


TOKENS = Exchange(MASKER, orjson.dumps({"messages": [{"role": "user", "content": f"{EMAIL} {PHONE}"}]}))
_SEEN = orjson.loads(TOKENS.request)["messages"][0]["content"]
_TEXTS = st.one_of(
    st.sampled_from(
        [_SEEN[:4], _SEEN[4:20], _SEEN[20:40], _SEEN, "", " ", "so ", '"', "\\", "中", "\n", "["]
    ),
    st.text(max_size=6),
)
_DELTAS = st.one_of(
    st.builds(lambda text: {"content": text}, _TEXTS),
    st.builds(lambda text: {"reasoning_content": text}, _TEXTS),
    st.builds(lambda text: {"content": text, "refusal": None}, _TEXTS),
    st.builds(
        lambda at, text: {"tool_calls": [{"index": at, "function": {"arguments": text}}]},
        st.integers(0, 1),
        _TEXTS,
    ),
)
_CHUNKS = st.builds(
    lambda delta, index, pad: chunk(delta, index, **({"obfuscation": pad} if pad else {})),
    _DELTAS,
    st.integers(0, 1),
    st.sampled_from(["", "", "aB3", "x"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_CHUNKS, max_size=20), st.lists(st.integers(0, 20), max_size=4))
@example([chunk({"content": text}) for text in ("to ", _SEEN[:9], _SEEN[9:], " now")], [2])
def test_a_client_is_told_the_same_with_moulds_and_without(chunks: list[bytes], cuts: list[int]) -> None:
    events = [b"data: " + data + b"\n\n" for data in chunks]
    bounds = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    reads = [b"".join(events[a:b]) for a, b in itertools.pairwise(bounds)]
    asked = orjson.dumps({"messages": [{"role": "user", "content": f"{EMAIL} {PHONE}"}], "stream": True})
    moulded = Told(stream(Exchange(MASKER, asked), reads))
    most, chunks_module._MOST_LEARNED = chunks_module._MOST_LEARNED, 0
    try:
        assert Told(stream(Exchange(MASKER, asked), reads)) == moulded
    finally:
        chunks_module._MOST_LEARNED = most


def test_chunks_that_come_together_leave_as_one() -> None:
    asked = orjson.dumps({"messages": [{"role": "user", "content": EMAIL}], "stream": True})
    one = Exchange(MASKER, asked)
    token = orjson.loads(one.request)["messages"][0]["content"]
    restorer = one.events()
    first = restorer.feed(b"data: " + chunk({"content": "Hello "}) + b"\n\n")
    assert first == b"data: " + chunk({"content": "Hello "}) + b"\n\n"
    pieces = (token[:5], token[5:], ". ", "好。")
    together = restorer.feed(b"".join(b"data: " + chunk({"content": p}) + b"\n\n" for p in pieces))
    assert together.count(b"data: ") == 1
    assert Told(together).content() == f"{EMAIL}. 好。"
