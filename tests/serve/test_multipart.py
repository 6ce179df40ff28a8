"""Bodies of forms, cut anywhere, as httpx and aiohttp write them, and malformed ones."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masquerade.errors import BadInput
from masquerade.serve.multipart import Begin, Data, Event, Multipart


def form(files: dict[str, tuple[str, bytes, str]], data: dict[str, str]) -> tuple[bytes, bytes]:
    request = httpx.Request("POST", "http://127.0.0.1/", files=files, data=data)
    return request.headers["content-type"].encode(), request.read()


def read(kind: bytes, body: bytes, cuts: list[int]) -> list[Event]:
    parts, events, at = Multipart(kind), [], 0
    for cut in [*sorted(cuts), len(body)]:
        events += parts.feed(body[at:cut])
        at = max(at, cut)
    parts.finish()
    return events


def joined(events: list[Event]) -> list[tuple[Begin, bytes]]:
    found: list[tuple[Begin, bytes]] = []
    for event in events:
        if isinstance(event, Begin):
            found.append((event, b""))
        elif isinstance(event, Data):
            found[-1] = (found[-1][0], found[-1][1] + event.data)
    return found


@given(st.binary(max_size=200), st.lists(st.integers(0, 700), max_size=6))
def test_every_way_to_cut_gives_the_same(content: bytes, cuts: list[int]) -> None:
    kind, body = form({"file": ("über 名.jsonl", content, "application/jsonl")}, {"purpose": "batch"})
    (purpose, told), (file, data) = joined(read(kind, body, cuts))
    assert (purpose.name, purpose.filename, told) == ("purpose", None, b"batch")
    assert (file.name, file.content_type, data) == ("file", "application/jsonl", content)
    assert file.filename == "über 名.jsonl"


@pytest.mark.parametrize(
    "kind", [b"", b"text/plain", b"multipart/form-data", b"multipart/form-data; boundary=" + b"x" * 71]
)
def test_a_head_that_is_none(kind: bytes) -> None:
    with pytest.raises(BadInput):
        Multipart(kind)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"--x\r\n\r\nno name\r\n--x--\r\n",
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nbreaks off',
        b"--x\r\n" + b"a: " + b"b" * 9000 + b"\r\n\r\n--x--\r\n",
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n\r\n' * 70 + b"--x--\r\n",
    ],
)
def test_a_body_that_is_none(body: bytes) -> None:
    with pytest.raises(BadInput):
        read(b"multipart/form-data; boundary=x", body, [])
