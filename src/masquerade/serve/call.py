"""One request on its way through the gateway: reading it, answering it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from types import TracebackType
from typing import Any, TypeAlias

import orjson

from masquerade import crypto
from masquerade.serve.quota import Ticket, too_large
from masquerade.serve.refusal import Header, Refusal
from masquerade.serve.room import Lease
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import Exchange

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

JSON = b"application/json"
_LONGEST_LENGTH = 100


class Gone(Exception):
    """The client hung up, or takes nothing any more."""


class Call:
    """One request, and what is told about it afterwards: sizes, times and counts.

    ``patience`` is how many seconds its client may take nothing of what it is sent, and ``lease`` what it
    holds of the room that all requests share.
    """

    __slots__ = (
        "_patience",
        "api",
        "bytes_in",
        "bytes_out",
        "code",
        "counts",
        "done",
        "gone",
        "headers",
        "id",
        "lease",
        "mask_seconds",
        "method",
        "most",
        "onward",
        "path",
        "phases",
        "policy",
        "query",
        "receive",
        "repeats",
        "restored",
        "route",
        "send",
        "sent",
        "started",
        "status",
        "stream",
        "tenant",
        "ticket",
        "unresolved",
        "upstream_seconds",
        "withheld",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, patience: float, lease: Lease) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.repeats: bool = len(self.headers) < len(scope["headers"]) and _repeats(scope["headers"])
        """Whether a header is there twice of which no two can be obeyed."""
        self.receive, self.send, self._patience, self.lease = receive, send, patience, lease
        self.id = crypto.random_bytes(9).hex()
        self.route = "other"
        self.api = "openai"
        self.started = perf_counter()
        self.status = self.bytes_in = self.bytes_out = 0
        self.mask_seconds = self.upstream_seconds = 0.0
        self.counts: Mapping[str, Mapping[str, int]] = {}
        self.sent = False
        """Whether anything of it went to a service."""
        self.restored = self.unresolved = 0
        self.policy = ""
        """The version of the policy that it was masked under."""
        self.withheld: Mapping[str, int] = {}
        self.tenant = self.code = ""
        self.stream = self.gone = self.done = False
        self.most: int | None = None
        """Bytes that its tenant may send at most, where that is less than all may."""
        self.ticket: Ticket | None = None
        self.onward: Mapping[str, str] = {}
        """Headers that go on to the service beside those of its caller."""
        self.phases: list[tuple[str, float, float]] = []
        """What was done for it, from when to when (``perf_counter``)."""

    def query_for(self, endpoint: Endpoint) -> str:
        """The part of the query string that goes on to a service, with its question mark."""
        kept = [part for part in endpoint.query if part.encode() in self.query.split(b"&")]
        return "?" + "&".join(kept) if kept else ""

    def note(self, exchange: Exchange) -> None:
        """Keep what is told afterwards of what was found in it, and of its reply."""
        self.counts, self.withheld = exchange.counts, exchange.withheld
        self.restored, self.unresolved = exchange.restored, exchange.unresolved

    @property
    def kind(self) -> bytes:
        """The content type of the body, without its options."""
        return self.headers.get(b"content-type", b"").lower().partition(b";")[0].strip()

    @property
    def announced(self) -> int:
        """How long its body is, as far as its head says; else 0."""
        length = self.headers.get(b"content-length", b"")
        return int(length) if length.isdigit() and len(length) < _LONGEST_LENGTH else 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is inside belongs to this phase of the request."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.phases.append((name, begun, perf_counter()))

    async def read(self, limit: int, seconds: float, files: Sequence[bytes] = ()) -> bytes:
        """The body, which is to be JSON of at most ``limit`` bytes and to arrive within so many ``seconds``;
        or a file of one of the content types ``files``.

        Raises:
            Refusal: it is something else (415), larger (413; what is beyond is not kept), late (408), or
                there is no room for it now (503).
            Gone: the client hung up.
        """
        options = self.headers.get(b"content-type", b"").lower().partition(b";")[2]
        charset = options.replace(b" ", b"").replace(b'"', b"")
        if self.kind not in files and (self.kind != JSON or charset not in (b"", b"charset=utf-8")):
            raise Refusal(415, "unsupported_media_type", "the content type must be application/json (UTF-8)")
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refusal(415, "unsupported_encoding", "send the body uncompressed")
        limit = limit if self.most is None else min(limit, self.most)
        if self.announced > limit:
            raise too_large(limit)
        try:
            async with asyncio.timeout(seconds):
                return await self._whole(limit)
        except TimeoutError:
            raise Refusal(408, "request_timeout", "the body did not arrive in time") from None

    async def _whole(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        async for piece in self._pieces(limit):
            self.lease.take(len(piece))
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pieces(self, limit: int, seconds: float) -> AsyncIterator[bytes]:
        """A body of any kind as it comes, of at most ``limit`` bytes, never silent for so many ``seconds``.

        Raises:
            Refusal, Gone: as :meth:`read`.
        """
        if self.announced > limit:
            raise too_large(limit)
        pieces = self._pieces(limit)
        while True:
            try:
                async with asyncio.timeout(seconds):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise Refusal(408, "request_timeout", "the body did not arrive in time") from None
            if piece is None:
                return
            yield piece

    async def _pieces(self, limit: int) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Gone
            piece = message.get("body", b"")
            more = message.get("more_body", False)
            self.bytes_in += len(piece)
            if self.bytes_in > limit:
                raise too_large(limit)
            yield piece

    def enter(self, ticket: Ticket) -> None:
        """It was let in."""
        self.ticket, self.most = ticket, ticket.max_body

    def leave(self) -> None:
        """It is over: give everything back."""
        self.lease.close()
        if self.ticket is not None:
            self.ticket.close(self.bytes_in)

    async def start(
        self, status: int, content_type: bytes, headers: Sequence[Header], length: int | None
    ) -> None:
        """Send the head of the response."""
        self.status = status
        head = [(b"content-type", content_type), (b"x-masquerade-request", self.id.encode()), *headers]
        if length is not None:
            head.append((b"content-length", b"%d" % length))
        await self.send({"type": "http.response.start", "status": status, "headers": head})

    async def write(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the body, or with ``more=False`` the last.

        Raises:
            Gone: the client took nothing of what was sent before for longer than ``patience``.
        """
        self.bytes_out += len(body)
        self.done = not more
        try:
            async with asyncio.timeout(self._patience):
                await self.send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError:
            raise Gone from None

    async def respond(
        self, status: int, body: bytes, content_type: bytes = JSON, headers: Sequence[Header] = ()
    ) -> None:
        """Send a whole response."""
        await self.start(status, content_type, headers, len(body))
        await self.write(body, more=False)

    async def refuse(self, problem: Refusal, **more: Any) -> None:
        """Answer with an error; where the answer has already begun, there is nothing left to say."""
        self.code = problem.code
        if self.status == 0:
            body = orjson.dumps(problem.body(self.api) | more)
            await self.respond(problem.status, body, headers=problem.headers)

    def while_client_waits(self) -> _Waiting:
        """Cancel what is inside when the client hangs up: nobody pays for an answer that nobody reads.

        Raises:
            Gone: that happened.
        """
        return _Waiting(self)

    async def _watch(self, task: asyncio.Task[Any]) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if not self.done:
            self.gone = True
            task.cancel()


class _Waiting:
    __slots__ = ("_call", "_task", "_watcher")

    def __init__(self, call: Call) -> None:
        self._call = call

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._task = task
        self._watcher = asyncio.ensure_future(self._call._watch(task))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._watcher.cancel()
        if self._call.gone and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            raise Gone from None


_SINGLE = frozenset(
    (
        b"anthropic-beta",
        b"anthropic-version",
        b"api-key",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"x-api-key",
        b"x-masquerade-tenant",
    )
)


def _repeats(headers: Sequence[Header]) -> bool:
    names = [name for name, _ in headers if name in _SINGLE]
    return len(set(names)) < len(names)
