"""An untrusted relay for the messages of secure sums, over HTTPS.

    PUT /v1/{room}/{box}/{name}         leave a message; 201, 200 if the same is there, 409 if another is
    GET /v1/{room}/{box}?at=N&wait=S    the N-th message of a box, from 0; 204 if S seconds brought none
    GET /healthz                        200

Room, box and name are 32 hexadecimal digits each, which those who take part derive from what they know of the
round; the relay cannot tell who they are. It sees sealed bytes, their sizes and times, and keeps them in
memory only: so many rooms, messages and bytes, for so long. What it could do is lose, delay or cut off
messages: then a round fails, or a client counts as dropped out.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from masquerade.errors import BadInput, KeyProblem
from masquerade.serve import log
from masquerade.serve.call import Receive, Scope, Send

_PATH = re.compile(r"/v1/([0-9a-f]{32})/([0-9a-f]{32})(?:/([0-9a-f]{32}))?")
_READ_SECONDS = 120.0
_SEND_SECONDS = 120.0
_SEND_PIECE = 1 << 16
_KEPT = 512
"""Bytes that a message is counted as more than it is long: what it costs to keep even an empty one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mailbox keeps at most."""

    message: int = 64 << 20
    """Bytes of one message."""
    total: int = 1 << 30
    """Bytes of all messages together, and of those on their way in; each counts 512 more than it is long."""
    rooms: int = 100
    messages: int = 100_000
    """Messages of one room."""
    lifetime: float = 3600.0
    """Seconds from a room's first message until it is cleared away."""
    wait: float = 30.0
    """Seconds that one request may wait for a message."""


class Refused(BadInput):
    """A request that a mailbox turns down, with the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass(slots=True)
class _Room:
    opened: float
    boxes: dict[str, list[bytes]] = field(default_factory=dict)
    names: dict[str, tuple[str, int]] = field(default_factory=dict)
    bytes: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Store:
    """The rooms, in memory. ``clock`` gives seconds and never goes back."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self._clock = limits, clock
        self._rooms: dict[str, _Room] = {}
        self._opening = asyncio.Event()
        self.bytes = 0
        """Of all messages, and of what is reserved for those on their way in."""

    def reserve(self, size: int) -> None:
        """Set a message of ``size`` bytes aside, or refuse; :meth:`release` gives them back."""
        self._clear()
        if size > self.limits.message:
            raise Refused(413, f"a message is at most {self.limits.message:,} bytes")
        if self.bytes + size + _KEPT > self.limits.total:
            raise Refused(507, "the mailbox is full: try again when older rooms have been cleared away")
        self.bytes += size + _KEPT

    def release(self, size: int) -> None:
        """Give back what was reserved and is not kept."""
        self.bytes -= size + _KEPT

    def put(self, room: str, box: str, name: str, message: bytes) -> bool:
        """Keep a message for which room is reserved; False if this very message is there already."""
        found = self._rooms.get(room)
        if found is None:
            if len(self._rooms) >= self.limits.rooms:
                raise Refused(507, "the mailbox has no room left: try again later")
            found = self._rooms[room] = _Room(self._clock())
            opening, self._opening = self._opening, asyncio.Event()
            opening.set()
        if name in found.names:
            where, at = found.names[name]
            if where != box or found.boxes[where][at] != message:
                raise Refused(409, "another message of this name is here: a second try takes a new session")
            return False
        if len(found.names) >= self.limits.messages:
            raise Refused(507, f"a room keeps at most {self.limits.messages:,} messages")
        messages = found.boxes.setdefault(box, [])
        found.names[name] = box, len(messages)
        messages.append(message)
        found.bytes += len(message) + _KEPT
        news, found.news = found.news, asyncio.Event()
        news.set()
        return True

    async def get(self, room: str, box: str, at: int, wait: float) -> bytes | None:
        """Message ``at`` of a box, or None if it has not come within ``wait`` seconds."""
        until = self._clock() + min(wait, self.limits.wait)
        while True:
            self._clear()
            found = self._rooms.get(room)
            messages = found.boxes.get(box, []) if found else []
            if at < len(messages):
                return messages[at]
            left = until - self._clock()
            if left <= 0:
                return None
            news = found.news if found else self._opening
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), left)

    def _clear(self) -> None:
        oldest = self._clock() - self.limits.lifetime
        for name in [name for name, room in self._rooms.items() if room.opened < oldest]:
            room = self._rooms.pop(name)
            self.bytes -= room.bytes
            room.news.set()


class Mailbox:
    """The relay as an ASGI application."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.store = Store(limits or Limits())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope: HTTP, or the server's start and end."""
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            status, body = await self._answer(scope, receive)
        except Refused as problem:
            status, body = problem.status, str(problem).encode()
        except asyncio.CancelledError:  # who waits for a message is let go when the server stops
            status, body = 503, b"the mailbox is closing"
        kind = b"application/octet-stream" if status == 200 else b"text/plain; charset=utf-8"
        headers = [
            (b"content-type", kind),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if status != 204:
            headers.append((b"content-length", str(len(body)).encode()))
        if status in (408, 413, 507):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await _send(send, body)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        path, method = scope["path"], scope["method"]
        if path == "/healthz" and method == "GET":
            return 200, b""
        found = _PATH.fullmatch(path)
        if found is None:
            raise Refused(404, "nothing is here: messages are at /v1/{room}/{box}/{name}")
        room, box, name = found.groups()
        if name is not None and method == "PUT":
            return await self._put(scope, receive, room, box, name), b""
        if name is None and method == "GET":
            message = await self._get(receive, room, box, *_query(scope))
            return (204, b"") if message is None else (200, message)
        raise Refused(405, "a message is left with PUT, and a box is read with GET")

    async def _get(self, receive: Receive, room: str, box: str, at: int, wait: float) -> bytes | None:
        """As :meth:`Store.get`, but who hangs up is waited for no longer."""
        getting = asyncio.ensure_future(self.store.get(room, box, at, wait))
        leaving = asyncio.ensure_future(_hang_up(receive))
        try:
            await asyncio.wait((getting, leaving), return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()
            leaving.cancel()

    async def _put(self, scope: Scope, receive: Receive, room: str, box: str, name: str) -> int:
        length = dict(scope["headers"]).get(b"content-length", b"")
        if not length.isdigit():
            raise Refused(411, "say how long the message is: content-length is missing")
        size = int(length[:20])
        self.store.reserve(size)
        kept = False
        try:
            async with asyncio.timeout(_READ_SECONDS):
                message = await _read(receive, size)
            kept = self.store.put(room, box, name, message)
        except TimeoutError:
            raise Refused(408, "the message did not arrive in time") from None
        finally:
            if not kept:
                self.store.release(size)
        return 201 if kept else 200


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive, size: int) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Refused(400, "the connection ended within the message")
        body += event.get("body", b"")
        if len(body) > size:
            raise Refused(400, "the message is longer than was said")
        if not event.get("more_body"):
            break
    if len(body) != size:
        raise Refused(400, "the message is shorter than was said")
    return bytes(body)


async def _send(send: Send, body: bytes) -> None:
    """In pieces, each of which waits until those before have gone: who reads slowly fills no memory."""
    with contextlib.suppress(TimeoutError):  # a response that is cut off ends its connection
        async with asyncio.timeout(_SEND_SECONDS):
            for at in range(0, max(len(body), 1), _SEND_PIECE):
                piece, more = body[at : at + _SEND_PIECE], at + _SEND_PIECE < len(body)
                await send({"type": "http.response.body", "body": piece, "more_body": more})


def _query(scope: Scope) -> tuple[int, float]:
    told = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    at, wait = told.get("at", "0"), told.get("wait", "0")
    if not re.fullmatch(r"\d{1,9}", at) or not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", wait):
        raise Refused(400, "at is a number of a message, wait a number of seconds")
    return int(at), float(wait)


def serve(host: str, port: int, certificate: Path, key: Path, limits: Limits) -> None:
    """Serve over TLS until SIGTERM or SIGINT.

    Raises:
        KeyProblem: the certificate or its key cannot be used.
        BadInput: the port is taken.
    """
    import uvicorn

    from masquerade.serve.listener import address, configured, listen, signals_are_the_servers

    listening = listen(host, port)
    log.quiet_others()
    config = configured(
        Mailbox(limits), timeout_graceful_shutdown=2, limit_concurrency=2000,
        ssl_certfile=certificate, ssl_keyfile=key,
    )  # fmt: skip
    try:
        config.load()
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        reason = getattr(problem, "strerror", None) or "it is no PEM file of its kind"
        raise KeyProblem(f"cannot use the certificate {certificate} with the key {key}: {reason}") from None
    log.started("text", address("https", host, listening), "nobody: it keeps sealed messages", 1)
    with signals_are_the_servers():
        uvicorn.Server(config).run(sockets=[listening])
