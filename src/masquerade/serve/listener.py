"""What the gateway and the mailbox listen with, and how connections are read: uvicorn's protocol, with an
end to how long a request's head may be and take.

uvicorn bounds bodies (by not reading on) but neither the size of a head nor the time in which it arrives, so
that anyone who reaches the port could fill the memory, or hold connections open for nothing. And it sends
chunks to clients of HTTP/1.0, which do not know them (RFC 9112, section 6.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.supervisors import Multiprocess

from masquerade.errors import BadInput
from masquerade.serve.signals import HANGUP, terminal_gone

HEAD_BYTES = 512 << 10
"""A head is refused from here on. The chunk in which it begins counts in full, whatever else is in it."""

HEAD_SECONDS = 30.0
"""Seconds that a head, or a connection's first byte, may be awaited."""


class Listener(HttpToolsProtocol):
    """One connection."""

    _in_head = False
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self.send_400_response("The head of this request is too long.")
        elif self._deadline is None:
            self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._forget_deadline()
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.__class__ = _UntilClosed

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _too_late(self) -> None:
        self._deadline = None
        self.transport.close()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _UntilClosed(RequestResponseCycle):
    """A response of unknown length that ends where the connection does."""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            told = any(name.lower() == b"content-length" for name, _ in message["headers"])
            self.chunked_encoding = None if told else False
            self._measured = told
        elif not self._measured:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)

    _measured = True


class Workers(Multiprocess):
    """Several processes behind one socket. A SIGHUP goes on to each, which reads its files anew by itself;
    uvicorn would replace them one by one."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._terminal_gone = terminal_gone()

    def handle_hup(self) -> None:
        """See the class; where its terminal has gone, it stops."""
        if self._terminal_gone():
            self.should_exit.set()
            return
        for process in self.processes:
            # One that still begins would be ended by it, and reads the files anyway.
            if HANGUP is not None and process.pid is not None and process.is_ready():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, HANGUP)


# Starting


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        BadInput: the port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as problem:
        raise BadInput(f"cannot listen on {host} port {port}: {problem.strerror}; try another port") from None


def address(scheme: str, host: str, listening: socket.socket) -> str:
    """Where a server is reached."""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{listening.getsockname()[1]}"


def configured(app: Any, **more: Any) -> uvicorn.Config:
    """A server of ``app`` that says nothing of itself, writes no log and believes no proxy."""
    return uvicorn.Config(
        app, http=Listener, loop="uvloop" if sys.platform != "win32" else "asyncio", ws="none", lifespan="on",
        log_config=None, access_log=False, proxy_headers=False, server_header=False, **more,
    )  # fmt: skip


@contextlib.contextmanager
def signals_are_the_servers() -> Iterator[None]:
    """Once stopped, uvicorn repeats the signal that stopped it; what ended well is to end with status 0."""
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
