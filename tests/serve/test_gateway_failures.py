"""What goes wrong between a client, the gateway and a service, each with real sockets."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import signal
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway_rig import WAIT, Answer, Gateway, Service, gateway, pieces

from masquerade.serve import mirror

EMAIL = "ada.lovelace@example.com"
Behave = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def shared(upstream: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    told = {"upstream": upstream.url, "idle_timeout": 0.6, "timeout": 2.0, "max_body": 50_000}
    with gateway(tmp_path_factory.mktemp("home"), **told) as running:
        yield running


@pytest.fixture
def seen(upstream: Service) -> Iterator[Service]:
    upstream.reset()
    yield upstream
    assert EMAIL.encode() not in upstream.everything


def token_of(body: bytes) -> str:
    return str(json.loads(body)["messages"][-1]["content"]).removeprefix("mail ")


def event(tree: Any) -> bytes:
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def piece(text: str) -> bytes:
    return event({"id": "x", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


def events(answer: Answer) -> list[Any]:
    blocks = answer.body.split(b"\n\n")
    assert blocks.pop() == b""
    return [block[6:] if block == b"data: [DONE]" else json.loads(block[6:]) for block in blocks]


def said(answer: Answer) -> str:
    chunks = [tree for tree in events(answer) if isinstance(tree, dict) and "choices" in tree]
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


# The service answers with an error


@pytest.mark.parametrize(
    "told",
    [
        {"error": {"message": "bad {}", "type": "t", "param": "p", "code": "c"}},
        {"error": "bad {}"},
        {"detail": "bad {}"},
        {"message": "bad {}"},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_error_keeps_its_status_and_is_restored(
    shared: Gateway, seen: Service, told: Any, stream: bool
) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        text = json.dumps(told).replace("{}", token_of(body))
        return web.Response(
            status=429, text=text, content_type="application/json", headers={"retry-after": "7"}
        )

    seen.behave = behave
    answer = shared.chat(f"mail {EMAIL}", stream=stream)
    assert answer.status == 429
    assert answer.error["message"] == f"bad {EMAIL}"
    assert answer.headers["retry-after"] == "7"
    if isinstance(told.get("error"), dict):
        assert answer.error == {"message": f"bad {EMAIL}", "type": "t", "param": "p", "code": "c"}
    line = shared.logged(answer.headers["x-masquerade-request"])
    assert line["error"] == "upstream_error"


@pytest.mark.parametrize(
    "body", ["", "<html>gateway</html>", "[1]", "{", '"x"', '{"error": {}}', '{"error": 5}']
)
def test_an_error_of_another_shape_gets_ours(shared: Gateway, seen: Service, body: str) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        return web.Response(status=503, text=body, content_type="text/html")

    seen.behave = behave
    answer = shared.chat("hello")
    assert answer.status == 503
    assert answer.error["message"] == "the model service answered with status 503"
    assert answer.error["type"] == "upstream_error"


def test_a_redirect_is_not_followed(shared: Gateway, seen: Service) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    seen.behave = behave
    answer = shared.chat("hello")
    assert (answer.status, answer.error["code"]) == (502, "upstream_failed")
    assert len(seen.requests) == 1
    assert "location" not in answer.headers


def test_the_gateways_own_credentials_are_its_own_affair(upstream: Service, tmp_path: Path) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        return web.json_response({"error": {"message": "Incorrect API key provided: sk-held"}}, status=401)

    upstream.reset()
    upstream.behave = behave
    with gateway(tmp_path, {"K": "sk-held"}, upstream=upstream.url, upstream_key_env="K") as running:
        for answer in (running.chat("hello"), running.get("/v1/models")):
            assert answer.status == 502
            assert "sk-held" not in answer.body.decode()
            assert "credentials" in answer.error["message"]


@pytest.mark.parametrize("body", ["", "nonsense", "[1]", '{"choices": ['])
def test_a_reply_that_cannot_be_read(shared: Gateway, seen: Service, body: str) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        return web.Response(text=body, content_type="application/json")

    seen.behave = behave
    answer = shared.chat(f"mail {EMAIL}")
    assert (answer.status, answer.error["code"]) == (502, "upstream_failed")


def test_a_stream_that_was_asked_for_may_come_as_one_reply(shared: Gateway, seen: Service) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        message = {"role": "assistant", "content": token_of(body)}
        return web.json_response({"choices": [{"index": 0, "message": message}]})

    seen.behave = behave
    assert shared.chat(f"mail {EMAIL}", stream=True).content == EMAIL


def test_a_compressed_reply_is_read(shared: Gateway, seen: Service) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        message = {"role": "assistant", "content": token_of(body)}
        packed = gzip.compress(json.dumps({"choices": [{"index": 0, "message": message}]}).encode())
        return web.Response(
            body=packed, headers={"content-encoding": "gzip"}, content_type="application/json"
        )

    seen.behave = behave
    answer = shared.chat(f"mail {EMAIL}")
    assert answer.content == EMAIL
    assert "content-encoding" not in answer.headers


def test_a_reply_that_is_too_large(shared: Gateway, seen: Service) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        bomb = gzip.compress(b'{"x": "' + b"x" * 1_000_000 + b'"}')
        return web.Response(body=bomb, headers={"content-encoding": "gzip"}, content_type="application/json")

    seen.behave = behave
    answer = shared.chat("hello")
    assert answer.status == 502
    assert "too long" in answer.error["message"]


# The service is slow, or not there


@pytest.mark.parametrize("stream", [False, True])
def test_silence_is_a_timeout(shared: Gateway, seen: Service, stream: bool) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        await asyncio.sleep(WAIT)
        raise AssertionError

    seen.behave = behave
    answer = shared.chat(f"mail {EMAIL}", stream=stream)
    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
    assert seen.cancelled.wait(WAIT), "the service is told"


def test_dripping_beyond_the_total_is_a_timeout(shared: Gateway, seen: Service) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        return await pieces(request, 200, "application/json", (b" " for _ in range(200)), pause=0.1)

    seen.behave = behave
    answer = shared.chat("hello")
    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with gateway(tmp_path, upstream=f"http://127.0.0.1:{port}") as running:
        for answer in (running.chat("hello"), running.chat("hello", stream=True), running.get("/v1/models")):
            assert (answer.status, answer.error["code"]) == (502, "upstream_failed")
            assert str(port) not in answer.error["message"]


def test_a_service_that_speaks_no_http(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def chatter() -> None:
            for _ in range(2):
                peer, _ = listening.accept()
                peer.recv(65536)
                peer.sendall(b"SSH-2.0-x\r\n")
                peer.close()

        talk = threading.Thread(target=chatter, daemon=True)
        talk.start()
        with gateway(tmp_path, upstream=f"http://127.0.0.1:{listening.getsockname()[1]}/v1") as running:
            assert running.chat("hello").status == 502
            assert running.get("/v1/models").status == 502
        talk.join(WAIT)


def test_a_reply_that_breaks_off(shared: Gateway, seen: Service) -> None:
    async def behave(request: web.Request, _: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.abort()
        return response

    seen.behave = behave
    answer = shared.chat("hello")
    assert (answer.status, answer.error["code"]) == (502, "upstream_failed")


# In the middle of a stream


def broken(last: bytes, how: str) -> Behave:
    """Say the first half of a token and then fail."""

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(piece(f"Hi {token_of(body)} and ") + piece(token_of(body)[:9]) + last)
        if how == "abort":
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        elif how == "hang":
            await asyncio.sleep(WAIT)
        return response

    return behave


@pytest.mark.parametrize(
    ("last", "how", "code"),
    [
        (b"", "abort", "upstream_failed"),
        (b'data: {"choi', "abort", "upstream_failed"),
        (b"", "hang", "upstream_timeout"),
        (b"data: nonsense\n\n", "end", "upstream_failed"),
    ],
)
def test_a_stream_that_fails_gives_what_it_held_then_an_error_and_no_end(
    shared: Gateway, seen: Service, last: bytes, how: str, code: str
) -> None:
    seen.behave = broken(last, how)
    answer = shared.chat(f"mail {EMAIL}", stream=True)
    assert answer.status == 200
    assert said(answer).startswith(f"Hi {EMAIL} and [")
    assert events(answer)[-1]["error"]["code"] == code
    assert set(events(answer)[-1]["error"]) == {"message", "type", "param", "code"}
    assert b"[DONE]" not in answer.body
    assert shared.logged(answer.headers["x-masquerade-request"])["error"] == code


def test_a_stream_may_end_without_done(shared: Gateway, seen: Service) -> None:
    seen.behave = broken(b"", "end")
    answer = shared.chat(f"mail {EMAIL}", stream=True)
    assert said(answer).startswith(f"Hi {EMAIL} and [")
    assert b"error" not in answer.body


def test_an_error_event_is_restored(shared: Gateway, seen: Service) -> None:
    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        error = event({"error": {"message": f"no {token_of(body)}"}})
        return await pieces(request, 200, "text/event-stream", [error])

    seen.behave = behave
    assert events(shared.chat(f"mail {EMAIL}", stream=True))[0]["error"]["message"] == f"no {EMAIL}"


@pytest.mark.parametrize("stream", [False, True])
def test_when_the_client_hangs_up_the_service_is_told(shared: Gateway, seen: Service, stream: bool) -> None:
    asked = threading.Event()

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        asked.set()
        if stream:
            return await pieces(
                request, 200, "text/event-stream", (piece("word ") for _ in range(1000)), pause=0.02
            )
        await asyncio.sleep(0.5)
        return web.Response()

    seen.behave = behave
    body = json.dumps({"stream": stream, "messages": [{"role": "user", "content": f"mail {EMAIL}"}]}).encode()
    with socket.create_connection(("127.0.0.1", shared.port), timeout=WAIT) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        assert asked.wait(WAIT)
        if stream:
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert seen.cancelled.wait(WAIT)
    seen.behave = None
    assert shared.chat("hello").status == 200
    until = time.monotonic() + WAIT
    while not any(line.get("error") == "client_gone" for line in shared.log()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_client_that_never_sends_its_body(shared: Gateway, seen: Service) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=WAIT) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 100\r\n\r\n{"
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
    with socket.create_connection(("127.0.0.1", shared.port), timeout=WAIT) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    assert seen.requests == []
    assert shared.get("/healthz").status == 200


def test_nonsense_instead_of_http(shared: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=WAIT) as client:
        client.sendall(f"{EMAIL}\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert EMAIL not in shared.log_path.read_text()


# The mask itself fails


def test_what_could_not_be_masked_is_not_sent(upstream: Service, tmp_path: Path) -> None:
    """A finder that fails, in the gateway's own process: nothing leaves, and nothing is told of the text."""
    from masquerade.keys import Key
    from masquerade.serve.gateway import create_app
    from masquerade.serve.settings import Settings

    app = create_app(Settings(upstream=upstream.url, log="json"), Key.generate())
    masker = app._tenants.of("default").masker

    class Failing:
        policy = masker.policy

        def mask_all(self, texts: Any) -> Any:
            raise RuntimeError(f"cannot read {texts}")

    app._tenants._made["default"] = app._tenants.of("default")._replace(masker=Failing())  # type: ignore[arg-type]
    upstream.reset()
    sent: list[dict[str, Any]] = []
    body = json.dumps({"messages": [{"role": "user", "content": EMAIL}]}).encode()
    messages = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["error"]["code"] == "masking_failed"
    assert EMAIL.encode() not in sent[1]["body"]
    assert upstream.requests == []


# Stopping and starting


@pytest.mark.parametrize("workers", [1, 2])
def test_a_running_stream_finishes_when_the_gateway_is_told_to_stop(
    upstream: Service, tmp_path: Path, workers: int
) -> None:
    started = threading.Event()

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        started.set()
        return await pieces(request, *mirror.answer(body), pause=0.02)

    upstream.reset()
    upstream.behave = behave
    running = Gateway(tmp_path, upstream=upstream.url, workers=workers)
    answers: list[Answer] = []
    try:
        client = threading.Thread(target=lambda: answers.append(running.chat(f"mail {EMAIL}", stream=True)))
        client.start()
        assert started.wait(WAIT)
        running.process.send_signal(signal.SIGTERM)
        client.join(WAIT)
        assert answers[0].body.endswith(b"data: [DONE]\n\n")
        assert EMAIL in said(answers[0])
        assert running.process.wait(WAIT) == 0
        with pytest.raises(OSError):
            running.get("/healthz")
    finally:
        running.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_it_stops_in_silence(tmp_path: Path, workers: int, how: signal.Signals) -> None:
    running = Gateway(tmp_path, workers=workers)
    assert running.stop(how) == 0
    assert [line for line in running.log() if line.get("level") or "failed" in line] == []


def test_workers_share_tokens_and_metrics(upstream: Service, tmp_path: Path) -> None:
    upstream.reset()
    with gateway(tmp_path, upstream=upstream.url, workers=2) as running:
        for _ in range(40):
            assert EMAIL in running.chat(f"mail {EMAIL}").content
        counted = b'masquerade_requests_total{route="chat",status="200"} 40.0'
        until = time.monotonic() + WAIT
        while counted not in running.get("/metrics").body:  # a reply is there before it is counted
            assert time.monotonic() < until
            time.sleep(0.01)
        assert len({json.loads(seen.body)["messages"][0]["content"] for seen in upstream.requests}) == 1
        folders = [Path(p) for p in _environ(running.process.pid, "PROMETHEUS_MULTIPROC_DIR")]
    assert not any(folder.exists() for folder in folders)


def _environ(pid: int, name: str) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        return []
    found = []
    for child in children.read_text().split():
        for entry in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if entry.startswith(name.encode() + b"="):
                found.append(entry.partition(b"=")[2].decode())
    assert found
    return found


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"policy": "missing.toml"}, "cannot be read"),
        ({"client_keys": "missing.toml"}, "cannot be read"),
        ({"upstream": "http://127.0.0.1:1", "upstream_key_env": "NOT_THERE"}, "NOT_THERE"),
    ],
)
def test_what_cannot_start_says_why(told: dict[str, Any], why: str, tmp_path: Path) -> None:
    from masquerade.errors import MasqueradeError
    from masquerade.keys import Key
    from masquerade.serve.gateway import create_app
    from masquerade.serve.settings import Settings

    named = {name: tmp_path / value if value.endswith(".toml") else value for name, value in told.items()}
    with pytest.raises(MasqueradeError, match=why):
        create_app(Settings(**named), Key.generate())


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from masquerade.errors import BadInput
    from masquerade.serve.gateway import serve
    from masquerade.serve.settings import Settings

    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadInput, match="another port"):
        serve(Settings(port=taken.getsockname()[1]))


# Clients that mean harm


def test_a_head_without_end_is_refused(shared: Gateway) -> None:
    for sent in (b"X-A: " + b"a" * 65_000, b"X-A: b\r\n" * 8_000):
        with socket.create_connection(("127.0.0.1", shared.port), timeout=WAIT) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
            total = 0
            with pytest.raises(OSError):
                for _ in range(200):
                    client.sendall(sent)
                    total += len(sent)
            assert total < 8 << 20
    assert shared.get("/healthz").status == 200
    assert shared.get("/healthz", {"x-long": "a" * 60_000}).status == 200


def test_a_client_that_does_not_read_is_let_go(seen: Service, shared: Gateway) -> None:
    async def endless(request: web.Request, body: bytes) -> web.StreamResponse:
        return await pieces(request, 200, "text/event-stream", itertools.repeat(piece("x" * 8000)))

    seen.behave = endless
    body = json.dumps({"messages": [{"role": "user", "content": f"mail {EMAIL}"}], "stream": True}).encode()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", shared.port))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        assert seen.cancelled.wait(WAIT), "the service still sends"
