"""The processes of the gateway bench: a recording upstream, two bare proxies, and Masquerade.

    python bench/servers.py upstream|starlette|raw|masquerade PORT [UPSTREAM_PORT] [PACE]

Each serves on 127.0.0.1 and ends when its standard input closes, so none outlives the bench.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import threading
from typing import Any

CANARY = b"canary."
"""Begins an e-mail address in every request; the upstream counts the bodies in which it still stands."""
EVENTS = 53
_HEAD = b"\r\n\r\n"


# -- the upstream --------------------------------------------------------------------------------------


class Upstream(asyncio.Protocol):
    """Answers a chat completion with what the user said, at once or in 53 events; counts what it saw."""

    requests = 0
    canaries = 0
    pace = 0.0

    def __init__(self) -> None:
        self._buffer = bytearray()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(_HEAD)) >= 0:
            head = bytes(self._buffer[:head_end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            end = head_end + 4 + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[head_end + 4 : end])
            del self._buffer[:end]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get /seen"):
            seen = json.dumps({"requests": Upstream.requests, "canaries": Upstream.canaries}).encode()
            self._whole(seen)
            return
        Upstream.requests += 1
        Upstream.canaries += CANARY in body
        request = json.loads(body)
        said = request["messages"][-1]["content"]
        if request.get("stream"):
            self._task = asyncio.get_running_loop().create_task(self._stream(said))
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 300, "completion_tokens": 300, "total_tokens": 600}
            self._whole(json.dumps(_frame("chat.completion", [choice]) | {"usage": usage}).encode())

    def _whole(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    async def _stream(self, said: str) -> None:
        pieces = EVENTS - 3
        cuts = [len(said) * i // pieces for i in range(pieces + 1)]
        deltas: list[dict[str, str]] = [{"role": "assistant"}]
        deltas += [{"content": said[a:b]} for a, b in itertools.pairwise(cuts)]
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for delta in [*deltas, {}]:
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
            self._event(json.dumps(_frame("chat.completion.chunk", [choice])).encode())
            await asyncio.sleep(Upstream.pace)
        self._event(b"[DONE]")
        self._transport.write(b"0\r\n\r\n")

    def _event(self, data: bytes) -> None:
        event = b"data: " + data + b"\n\n"
        self._transport.write(b"%x\r\n%s\r\n" % (len(event), event))


def _frame(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-0", "object": kind, "created": 1, "model": "echo", "choices": choices}


async def upstream(port: int) -> None:
    """Serve until cancelled."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


# -- proxies that change nothing -----------------------------------------------------------------------


def starlette_proxy(base: str) -> Any:
    """A pass-through as most people would write it: Starlette, and aiohttp's client."""
    import contextlib

    import aiohttp
    from starlette.applications import Starlette
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    sessions: list[aiohttp.ClientSession] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> Any:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            sessions.append(session)
            yield

    async def chat(request: Any) -> Any:
        body = await request.body()
        headers = {
            "content-type": "application/json",
            "authorization": request.headers.get("authorization", ""),
        }
        reply = await sessions[0].post(base + request.url.path, data=body, headers=headers)
        kind = reply.headers["content-type"]
        if kind != "text/event-stream":
            return Response(await reply.read(), reply.status, media_type=kind)
        return StreamingResponse(reply.content.iter_any(), reply.status, media_type=kind)

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])], lifespan=lifespan)


def raw_proxy(base: str) -> Any:
    """The least that ASGI asks for, and aiohttp's client."""
    import aiohttp

    session: aiohttp.ClientSession | None = None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal session
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                if kind == "lifespan.shutdown" and session is not None:
                    await session.close()
                await send({"type": kind + ".complete"})
                if kind == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if session is None:
            session = aiohttp.ClientSession(auto_decompress=False)
        headers = {"content-type": "application/json"}
        async with session.post(base + scope["path"], data=body, headers=headers) as reply:
            kind = reply.headers["content-type"].encode()
            streamed = kind == b"text/event-stream"
            content = b"" if streamed else await reply.read()
            told = [(b"content-type", kind)]
            if not streamed:
                told.append((b"content-length", b"%d" % len(content)))
            await send({"type": "http.response.start", "status": reply.status, "headers": told})
            if streamed:
                async for piece in reply.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": content})

    return app


# -- starting one --------------------------------------------------------------------------------------


def _end_with_parent() -> None:
    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    base = f"http://127.0.0.1:{sys.argv[3]}" if len(sys.argv) > 3 else ""
    _end_with_parent()
    if name == "upstream":
        Upstream.pace = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
        asyncio.run(upstream(port))
    elif name == "masquerade":
        from masquerade.serve.gateway import serve
        from masquerade.serve.settings import Settings

        serve(Settings(port=port, upstream=base, workers=1))
    else:
        import uvicorn

        app = {"starlette": starlette_proxy, "raw": raw_proxy}[name](base)
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
