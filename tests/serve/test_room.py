"""What all requests hold together is bounded, and what is large does not keep others waiting."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from gateway_rig import WAIT, Gateway, Service, gateway

from masquerade import Key
from masquerade.errors import BadInput
from masquerade.serve.gateway import create_app
from masquerade.serve.refusal import Refusal
from masquerade.serve.room import Room
from masquerade.serve.settings import Settings
from masquerade.serve.upstream import Hold
from masquerade.wire.chunks import ChunkStream

EMAIL = "ada.lovelace@example.com"


@pytest.fixture(scope="module")
def small(upstream: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    told = {"upstream": upstream.url, "max_body": 60_000, "max_held": 130_000}
    with gateway(tmp_path_factory.mktemp("home"), **told) as running:
        yield running


def test_a_lease_takes_and_gives_back() -> None:
    room = Room(100, 1)
    one, two = room.lease(), room.lease()
    one.take(60)
    two.keep(40)
    two.keep(10)
    with pytest.raises(Refusal) as caught:
        two.take(31)
    assert (caught.value.status, caught.value.code) == (503, "overloaded")
    assert room.held == 70
    one.close()
    two.take(90)
    two.close()
    assert room.held == 0
    room.close()


def test_the_queue_for_a_thread_is_bounded_and_a_thread_keeps_its_bytes() -> None:
    async def run() -> None:
        room, go = Room(100, 1), threading.Event()
        lease = room.lease()
        lease.take(100)
        tasks = [asyncio.ensure_future(lease.in_thread(go.wait, WAIT)) for _ in range(17)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as caught:
            await room.lease().in_thread(go.wait, WAIT)
        assert caught.value.status == 503
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        lease.close()
        assert room.held == 100, "the first is running still"
        go.set()
        while room.held:
            await asyncio.sleep(0.01)
        assert await room.lease().in_thread(go.wait, WAIT)
        room.close()

    asyncio.run(asyncio.wait_for(run(), WAIT))


def test_work_that_is_called_off_holds_no_bytes() -> None:
    """Those of a client that hung up are given back at once, though its work waits in the queue still."""

    class Body:
        pass

    async def run() -> None:
        room, go = Room(100, 1), threading.Event()
        busy = asyncio.ensure_future(room.lease().in_thread(go.wait, WAIT))
        await asyncio.sleep(0)
        lease, body = room.lease(), Body()
        lease.take(100)
        there = weakref.ref(body)
        waiting = asyncio.ensure_future(lease.in_thread(id, body))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        del body, waiting
        lease.close()
        await asyncio.sleep(0)
        gc.collect()
        assert (room.held, there()) == (0, None)
        go.set()
        assert await busy
        assert await room.lease().in_thread(abs, -1) == 1
        room.close()

    asyncio.run(asyncio.wait_for(run(), WAIT))


def half_a_request(running: Gateway, content: str) -> tuple[socket.socket, bytes]:
    """A connection that has sent all of a body but its last byte, and that byte."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()
    connection = socket.create_connection(("127.0.0.1", running.port), WAIT)
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    connection.sendall(head.encode() + body[:-1])
    return connection, body[-1:]


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def test_bodies_beyond_the_ceiling_are_refused_and_those_inside_end_well(small: Gateway) -> None:
    long = "plain words. " * 4000
    waiting = [half_a_request(small, f"{EMAIL} {long}") for _ in range(2)]
    for _ in range(1000):  # until the two have arrived
        refused = small.chat(long)
        if refused.status != 200:
            break
    assert refused.status == 503
    assert refused.error["code"] == "overloaded"
    assert refused.error["type"] == "server_error"
    assert refused.headers["retry-after"] == "1"
    for connection, last in waiting:
        connection.sendall(last)
    for connection, _ in waiting:
        told = read_all(connection)
        connection.close()
        assert told.startswith(b"HTTP/1.1 200") or b'"overloaded"' in told, "its reply may find no room"
    assert any(small.chat(EMAIL + long[:30_000]).status == 200 for _ in range(1000))
    assert b'code="overloaded"' in small.get("/metrics").body


def test_a_ceiling_below_the_largest_body_is_refused() -> None:
    with pytest.raises(BadInput, match="max_held"):
        Settings(max_body=2000, max_held=1000)


class _Stream:
    """A service that answers with one event."""

    status, content_type = 200, "text/event-stream"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(self, size: int) -> None:
        self._size = size

    async def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> _Stream:
        return self

    async def read(self, limit: int, hold: Hold) -> bytes:
        raise AssertionError

    async def pieces(self) -> AsyncIterator[bytes]:
        choice = {"index": 0, "delta": {"content": "word " * (self._size // 5)}, "finish_reason": "stop"}
        event = b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n"
        for at in range(0, len(event), 10_000):
            yield event[at : at + 10_000]

    def close(self) -> None:
        pass


def ask(settings: Settings, size: int) -> bytes:
    app = create_app(settings, Key.generate())
    app._upstreams["openai"] = _Stream(size)  # type: ignore[assignment]
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": EMAIL}]}
    sent: list[bytes] = []

    async def run() -> None:
        requests = iter([{"type": "http.request", "body": json.dumps(asked).encode()}])

        async def receive() -> dict[str, Any]:
            for request in requests:
                return request
            return await asyncio.Future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message.get("body", b""))

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
        await app(scope, receive, send)
        assert app._room.held == 0

    asyncio.run(asyncio.wait_for(run(), WAIT))
    return b"".join(sent)


def test_a_large_event_is_restored_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[tuple[int, threading.Thread]] = []
    feed = ChunkStream.feed

    def watched(self: ChunkStream, chunk: bytes) -> bytes:
        threads.append((self.held + len(chunk), threading.current_thread()))
        return feed(self, chunk)

    monkeypatch.setattr(ChunkStream, "feed", watched)
    assert b"word word" in ask(Settings(log="off"), 300_000)
    here = threading.main_thread()
    assert {thread is here for size, thread in threads if size < 64 << 10} == {True}
    assert {thread is here for size, thread in threads if size >= 64 << 10} == {False}


def test_an_event_beyond_the_ceiling_ends_its_stream_with_an_error() -> None:
    told = ask(Settings(log="off", max_body=1000, max_held=100_000), 300_000)
    assert told.count(b"data: ") == 2
    assert b'"overloaded"' in told
    assert b"[DONE]" not in told


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_stream_over_either_http(small: Gateway, version: str) -> None:
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"mail {EMAIL}"}]}
    body = json.dumps(asked).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", small.port), WAIT) as connection:
        connection.sendall(head.encode() + body)
        told, _, stream = read_all(connection).partition(b"\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200")
    assert (b"transfer-encoding: chunked" in told) == (version == "1.1")
    assert b"connection: close" in told
    assert b"data: [DONE]\n\n" in stream
    if version == "1.0":
        events = stream.removesuffix(b"\n\n").split(b"\n\n")
        assert all(event.startswith(b"data: ") for event in events)
        choices = [json.loads(event[6:])["choices"][0] for event in events[:-1]]
        assert EMAIL in "".join(choice["delta"].get("content") or "" for choice in choices)


def test_a_whole_reply_over_http_1_0(small: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", small.port), WAIT) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        told = read_all(connection)
    assert told.endswith(b'\r\n\r\n{"status":"ok"}')


@pytest.mark.parametrize("name", ["host", "authorization", "content-type"])
def test_a_header_that_is_there_twice_is_refused(small: Gateway, name: str) -> None:
    with socket.create_connection(("127.0.0.1", small.port), WAIT) as connection:
        twice = f"{name}: localhost\r\n" * 2
        connection.sendall(f"GET / HTTP/1.1\r\nhost: localhost\r\n{twice}connection: close\r\n\r\n".encode())
        told = read_all(connection)
    assert told.startswith(b"HTTP/1.1 400")
    assert b'"repeated_header"' in told


def test_only_known_headers_of_a_service_come_back(small: Gateway, upstream: Service) -> None:
    from aiohttp import web

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        told = {f"openai-x{'y' * i}": "z" for i in range(20)} | {"openai-version": "2020-10-01"}
        told |= {"openai-model": "m" * 4000, "x-ratelimit-remaining-tokens": "7"}
        return web.json_response({"choices": [choice]}, headers=told)

    upstream.behave = behave
    try:
        headers = small.chat("hello").headers
    finally:
        upstream.reset()
    assert {name for name in headers if name.startswith(("openai", "x-rate"))} == {
        "openai-version",
        "x-ratelimit-remaining-tokens",
    }
