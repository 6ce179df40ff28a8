"""Real processes and sockets for the gateway's tests: a gateway of our own, and a service that records."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from masquerade.serve import mirror_messages
from masquerade.serve.settings import Settings
from masquerade.serve.upstream import mirrored

Behave = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]

_START = (
    "import sys; from masquerade.serve.gateway import serve; from masquerade.serve.settings import Settings; "
    "serve(Settings.load(sys.argv[1]))"
)
WAIT = 20.0


class Seen(NamedTuple):
    """One request as the service got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Service:
    """A model service on a port of its own, in a thread, that keeps all it is sent.

    It answers as the mirror does, unless ``behave`` says otherwise.
    """

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.behave: Behave | None = None
        self.cancelled = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(WAIT)

    @property
    def everything(self) -> bytes:
        """All bytes of all requests: lines, headers and bodies."""
        return b"\n".join(
            f"{seen.method} {seen.path} {seen.headers}".encode() + seen.body for seen in self.requests
        )

    @property
    def last(self) -> Any:
        """The last body, as JSON."""
        return json.loads(self.requests[-1].body)

    def reset(self) -> None:
        """Forget what was seen, and behave as at first."""
        self.requests.clear()
        self.behave = None
        self.cancelled.clear()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(Seen(request.method, request.path_qs, dict(request.headers), body))
        try:
            if self.behave is not None:
                return await self.behave(request, body)
            if "anthropic-version" in request.headers:
                path = request.path.removeprefix("/v1")
                return await pieces(request, *mirror_messages.answer(path, body))
            return await pieces(request, *mirrored(request.path.removeprefix("/v1"), body))
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def pieces(
    request: web.Request, status: int, content_type: str, parts: Any, pause: float = 0.0
) -> web.StreamResponse:
    """Answer in pieces, each flushed by itself."""
    response = web.StreamResponse(status=status, headers={"content-type": content_type})
    await response.prepare(request)
    async for part in _each(parts):
        await response.write(part)
        await asyncio.sleep(pause)
    await response.write_eof()
    return response


async def _each(parts: Any) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Gateway:
    """A gateway in a process of its own, on a free port."""

    def __init__(self, home: Path, environ: dict[str, str] | None = None, **settings: Any) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log_path = home / f"log-{time.monotonic_ns()}"
        self.settings = Settings(port=0, **settings)
        env = {**os.environ, "MASQUERADE_HOME": str(home), **(environ or {})}
        with self.log_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, self.settings.dump()], env=env, stderr=stderr
            )
        until = time.monotonic() + WAIT
        while (
            not self.log_path.read_bytes().startswith(b'{"time"') or b"\n" not in self.log_path.read_bytes()
        ):
            assert self.process.poll() is None, self.log_path.read_text()
            assert time.monotonic() < until, "the gateway did not start"
            time.sleep(0.02)
        self.address = str(self.log()[0]["address"])
        while True:
            try:
                if self.get("/healthz").status == 200:
                    return
            except OSError:
                assert time.monotonic() < until, "the gateway does not answer"
                time.sleep(0.02)

    @property
    def base(self) -> str:
        return self.address + "/v1"

    @property
    def port(self) -> int:
        port = urlsplit(self.address).port
        assert port is not None
        return port

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log so far."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def logged(self, request_id: str) -> dict[str, Any]:
        """The log line of one request, once it is there."""
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            for line in self.log():
                if line.get("id") == request_id and "status" in line:
                    return line
            time.sleep(0.01)
        raise AssertionError("no line was logged")

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, tree: Any, headers: dict[str, str] | None = None) -> Answer:
        body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
        return self.request("POST", path, body, {"content-type": "application/json", **(headers or {})})

    def chat(self, content: Any, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
        asked = {"model": "m", "messages": [{"role": "user", "content": content}], **fields}
        return self.post("/v1/chat/completions", asked, headers)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(WAIT)
        finally:
            if self.process.poll() is None:
                self.process.kill()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, which must have OpenAI's shape and nothing else."""
        assert set(self.json) == {"error"}
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert self.headers["content-type"] == "application/json"
        return error

    @property
    def anthropic_error(self) -> dict[str, Any]:
        """The error, which must have Anthropic's shape and nothing else."""
        assert set(self.json) <= {"type", "error", "request_id"}
        assert self.json["type"] == "error"
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"type", "message"}
        assert self.headers["content-type"] == "application/json"
        return error

    @property
    def content(self) -> str:
        return str(self.json["choices"][0]["message"]["content"])


@contextmanager
def gateway(home: Path, environ: dict[str, str] | None = None, **settings: Any) -> Iterator[Gateway]:
    """A gateway that is stopped at the end."""
    running = Gateway(home, environ, **settings)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def service(*never: str) -> Iterator[Service]:
    """A service that is stopped at the end, and then must have been sent none of these values."""
    running = Service()
    try:
        yield running
        for value in never:
            assert value.encode() not in running.everything
    finally:
        running.close()
