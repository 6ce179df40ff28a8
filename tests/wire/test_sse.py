"""Event streams: the rules of the WHATWG standard, and that no way to cut a stream changes its events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from masquerade.errors import UpstreamProblem
from masquerade.wire.sse import DONE, Event, EventStream, encode

RULES = [
    ("one event", b"data: a\n\n", [Event(b"a")]),
    ("two events", b"data: a\n\ndata: b\n\n", [Event(b"a"), Event(b"b")]),
    ("no space after the colon", b"data:a\n\n", [Event(b"a")]),
    ("only one space is taken", b"data:  a\n\n", [Event(b" a")]),
    ("CR", b"data: a\r\rdata: b\r\r", [Event(b"a"), Event(b"b")]),
    ("CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", [Event(b"a"), Event(b"b")]),
    ("ends mixed", b"data: a\r\n\ndata: b\n\r\n", [Event(b"a"), Event(b"b")]),
    ("CR then LF is one end", b"data: a\r\ndata: b\r\n\r\n", [Event(b"a\nb")]),
    ("several lines of data", b"data: a\ndata: b\ndata\n\n", [Event(b"a\nb\n")]),
    ("empty data", b"data:\n\n", [Event(b"")]),
    ("a name", b"event: error\ndata: a\n\n", [Event(b"a", b"error")]),
    ("a name without data is no event", b"event: ping\n\n", []),
    ("the name does not last", b"event: x\ndata: a\n\ndata: b\n\n", [Event(b"a", b"x"), Event(b"b")]),
    ("a comment", b": keep alive\n\n", [Event(None)]),
    ("a comment in an event", b": hello\ndata: a\n\n", [Event(b"a")]),
    ("id, retry and unknown fields", b"id: 1\nretry: 5\nfoo: bar\ndata: a\n\n", [Event(b"a")]),
    ("empty lines before", b"\n\n\ndata: a\n\n", [Event(b"a")]),
    ("more empty lines between", b"data: a\n\n\n\ndata: b\n\n", [Event(b"a"), Event(b"b")]),
    ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
    ("only the first one", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event(b"a")]),
    ("unfinished", b"data: a\n\ndata: b\n", [Event(b"a")]),
    ("done", b"data: [DONE]\n\n", [Event(DONE)]),
    ("a colon in the data", b"data: a: b\n\n", [Event(b"a: b")]),
    ("UTF-8", "data: 张三\n\n".encode(), [Event("张三".encode())]),
    ("nothing", b"", []),
]


def events(*chunks: bytes) -> list[Event]:
    stream = EventStream()
    return [event for chunk in chunks for event in stream.feed(chunk)] + stream.finish()


@pytest.mark.parametrize(
    ("stream", "expected"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_rules(stream: bytes, expected: list[Event]) -> None:
    assert events(stream) == expected


@pytest.mark.parametrize("stream", [rule[1] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_every_cut_in_two_and_every_byte_alone(stream: bytes) -> None:
    whole = events(stream)
    for cut in range(len(stream) + 1):
        assert events(stream[:cut], stream[cut:]) == whole
        assert events(stream[:cut], b"", stream[cut:]) == whole
    assert events(*(stream[i : i + 1] for i in range(len(stream)))) == whole


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"data: ", b"data:a", b":", b"event: e", b"\xef\xbb\xbf", b"x"])),
    st.data(),
)
@example([b"data:a", b"\r", b"\n", b"\r", b"\n"], None)
def test_no_cut_changes_the_events(pieces: list[bytes], data: st.DataObject | None) -> None:
    stream = b"".join(pieces)
    cuts = [] if data is None else sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    bounds = [0, *cuts, len(stream)]
    assert events(*(stream[a:b] for a, b in itertools.pairwise(bounds))) == events(stream)


@given(st.binary().filter(lambda data: b"\r" not in data), st.sampled_from([b"", b"error"]))
def test_what_is_encoded_is_read(data: bytes, name: bytes) -> None:
    assert events(encode(Event(data, name))) == [Event(data, name)]


def test_a_comment_keeps_the_line_open_on_the_other_side_too() -> None:
    assert encode(Event(None)) == b":\n\n"
    assert events(encode(Event(None))) == [Event(None)]


def test_an_endless_event_is_refused() -> None:
    stream = EventStream(limit=1000)
    with pytest.raises(UpstreamProblem, match="too long"):
        for _ in range(300):
            stream.feed(b"data: x")
