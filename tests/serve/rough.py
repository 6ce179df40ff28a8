"""A model service that answers with whatever bytes a test wants, when it wants, and keeps all it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

from gateway_rig import WAIT

from masquerade.serve import mirror_messages
from masquerade.serve.upstream import mirrored


class Right(NamedTuple):
    """The answer that would be right: what the mirror says to the same request."""

    kind: str
    body: bytes
    asked: bytes
    """The request's body."""

    def head(self, length: int | None = -1, status: int = 200, kind: str = "", more: str = "") -> bytes:
        """A head of its own; ``length`` is that of the right body by default, None says none."""
        size = len(self.body) if length == -1 else length
        told = "connection: close" if size is None else f"content-length: {size}"
        lines = f"HTTP/1.1 {status} x\r\ncontent-type: {kind or self.kind}\r\n{told}\r\n{more}\r\n"
        return lines.encode()


CUT, END = "cut", "end"
Step: TypeAlias = "bytes | float | str"
"""Bytes are sent, numbers are seconds of silence, CUT resets the connection, END closes it."""
Script: TypeAlias = Callable[[Right], Sequence[Step]]


def right(it: Right) -> Sequence[Step]:
    """The right answer, rightly sent."""
    return [it.head() + it.body]


class Rough:
    """Such a service, on a port of its own, in a thread. It answers rightly, unless ``script`` says more."""

    def __init__(self) -> None:
        self.script: Script = right
        self.heard = b""
        self.requests = self.open = self.busy = 0
        """Requests so far, connections that are open, and answers that are being sent."""
        self.asked, self.left = threading.Event(), threading.Event()
        """Something was asked; a connection was closed from the other side while an answer was due."""
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(WAIT)

    def reset(self) -> None:
        """Answer rightly from now on, and forget."""
        self.script, self.heard, self.requests = right, b"", 0
        self.asked.clear()
        self.left.clear()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready))
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        ready.set()
        await self._stop.wait()
        server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        size = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
        body = await reader.readexactly(size)
        self.heard += head + body
        self.requests += 1
        self.asked.set()
        path = head.split()[1].decode().removeprefix("/v1")
        answer = (mirror_messages.answer if path.startswith("/messages") else mirrored)(path, body)
        steps = self.script(Right(answer.content_type, b"".join(answer.pieces), body))
        self.busy += 1
        try:
            return await self._play(steps, reader, writer)
        finally:
            self.busy -= 1

    async def _play(
        self, steps: Sequence[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        for step in steps:
            if step == CUT:
                writer.transport.abort()
                return False
            if step == END:
                return False
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float | int):
                until = self._loop.time() + step
                while self._loop.time() < until and not _left(reader):
                    await asyncio.sleep(min(step, 0.02))
            if _left(reader):
                self.left.set()
                return False
        return True


def _left(reader: asyncio.StreamReader) -> bool:
    return reader.at_eof() or reader.exception() is not None


@contextmanager
def rough() -> Iterator[Rough]:
    """Such a service, stopped at the end."""
    running = Rough()
    try:
        yield running
    finally:
        running.close()


def quoting(status: int, more: str = "") -> Script:
    """An error that quotes what was asked."""

    def script(it: Right) -> Sequence[Step]:
        told = {"type": "t", "message": f"no: {it.asked.decode()}", "param": None, "code": "c"}
        body = json.dumps({"type": "error", "error": told}).encode()
        return [it.head(len(body), status, "application/json", more) + body]

    return script
