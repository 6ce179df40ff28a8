"""The fault table: what goes wrong around a gateway, with real sockets, for each API, plain and streaming.

In each row: nothing private leaves or is told, the client gets all that came or a clear error in its API's
shape, nobody is asked twice, and room and connections are given back.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import itertools
import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from gateway_rig import WAIT, Answer, Gateway, gateway
from rough import CUT, END, Right, Rough, Script, Step, quoting, right, rough

EMAIL = "ada.lovelace@example.com"
TEXT = f"请给 {EMAIL} 写信。" + " word" * 200
"""Its answer is in Chinese, and quotes it."""
ROOM = 8000
"""Bytes that the gateway may hold: enough for one request and its reply, and not for what another left."""
APIS = ("chat", "responses", "messages")
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
LAST = {"chat": b"data: [DONE]", "responses": b"response.completed", "messages": b"message_stop"}
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-canary-credential"}


@pytest.fixture(scope="module")
def service() -> Iterator[Rough]:
    with rough() as running:
        yield running


@pytest.fixture(scope="module")
def shared(service: Rough, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    told: dict[str, Any] = {"upstream": service.address, "anthropic": service.address}
    told |= {"idle_timeout": 0.8, "timeout": 3.0, "max_body": ROOM, "max_held": ROOM}
    with gateway(tmp_path_factory.mktemp("home"), **told) as running:
        yield running


@pytest.fixture
def rig(shared: Gateway, service: Rough) -> Iterator[tuple[Gateway, Rough]]:
    service.reset()
    yield shared, service
    settled(shared, service)


def asked(api: str, stream: bool = False, text: str = TEXT) -> bytes:
    said = [{"role": "user", "content": text}]
    body = {"input": text} if api == "responses" else {"messages": said}
    more = {"max_tokens": 999} if api == "messages" else {}
    return json.dumps({"model": "m", "stream": stream, **body, **more}, ensure_ascii=False).encode()


def ask(running: Gateway, api: str, stream: bool = False) -> Answer:
    return running.request("POST", PATHS[api], asked(api, stream), HEADERS)


def settled(running: Gateway, service: Rough) -> None:
    """Whatever was before: nothing was told, all is given back, and the next requests work."""
    service.script = right
    until = time.monotonic() + WAIT
    while service.busy:
        assert time.monotonic() < until, "the service is not told"
        time.sleep(0.005)
    for api in APIS:
        while (answer := ask(running, api)).status == 503:
            assert time.monotonic() < until, "the room was not given back"
            time.sleep(0.02)
        assert whole(api, answer)
    while service.open > 2:  # one that is kept for each API
        assert time.monotonic() < until, "a connection was not given back"
        time.sleep(0.02)
    told = running.log_path.read_bytes() + running.get("/metrics").body
    assert EMAIL.encode() not in told + service.heard
    assert b"sk-canary" not in told
    assert not [line for line in running.log() if "failed" in line or "level" in line], "a fault of ours"


# What a client sees


def whole(api: str, answer: Answer) -> bool:
    """Whether all came: the whole answer, restored, and its end."""
    assert answer.status == 200
    if answer.headers["content-type"] == "application/json":
        tree = answer.json
        if api == "chat":
            said = answer.content
        else:
            (item,) = tree["output"][0]["content"] if api == "responses" else tree["content"]
            said = item["text"]
    else:
        assert LAST[api] in answer.body
        assert broken(api, answer) is None
        said = "".join(pieces(answer))
    return said.startswith(f"我看到的是：{TEXT}\n\n") and said.endswith("”") and said.count(EMAIL) == 3


def pieces(answer: Answer) -> Iterator[str]:
    """The text of a stream."""
    for event in events(answer):
        kind = event.get("type")
        if kind == "response.output_text.delta":
            yield event["delta"]
        elif kind == "content_block_delta":
            yield event["delta"]["text"]
        for choice in event.get("choices", ()):
            yield choice["delta"].get("content") or ""


def events(answer: Answer) -> Iterator[dict[str, Any]]:
    for block in answer.body.split(b"\n\n"):
        data = b"".join(line[6:] for line in block.split(b"\n") if line.startswith(b"data: "))
        if data and data != b"[DONE]":
            yield json.loads(data)


def broken(api: str, answer: Answer) -> str | None:
    """The message of the error that a stream ends with, in the shape of its API; None if there is none."""
    found = [event for event in events(answer) if event.get("error") and "choices" not in event]
    if not found:
        return None
    (event,) = found
    assert event == list(events(answer))[-1]
    assert LAST[api] not in answer.body, "what broke off does not look complete"
    if api != "chat":
        assert event["type"] == "error"
        assert answer.body.rpartition(b"event: ")[2].startswith(b"error\n")
    if api == "responses":
        assert event["message"] == event["error"]["message"]
        assert event["code"] == event["error"]["code"]
    assert set(event["error"]) == ({"type", "message"} if api == "messages" else SHAPE)
    return str(event["error"]["message"])


SHAPE = {"message", "type", "param", "code"}


class Refused(NamedTuple):
    """An error in place of the answer."""

    status: int
    code: str
    """As the log names it."""

    def check(self, api: str, answer: Answer, running: Gateway) -> None:
        assert answer.status == self.status
        error = answer.anthropic_error if api == "messages" else answer.error
        assert error["message"]
        assert running.logged(answer.headers["x-masquerade-request"])["error"] == self.code


class Broken(NamedTuple):
    """A stream that had begun: what came, then an error, and no end."""

    code: str
    text: bool = True
    """Whether the stream had come as far as the first stand-in."""

    def check(self, api: str, answer: Answer, running: Gateway) -> None:
        assert answer.status == 200
        assert broken(api, answer)
        said = "".join(pieces(answer))
        assert f"我看到的是：{TEXT}".startswith(said[:100])
        assert (EMAIL in said) == self.text
        assert running.logged(answer.headers["x-masquerade-request"])["error"] == self.code


class Whole(NamedTuple):
    """All of it."""

    def check(self, api: str, answer: Answer, running: Gateway) -> None:
        assert whole(api, answer)
        assert "error" not in running.logged(answer.headers["x-masquerade-request"])


Seen = Refused | Broken | Whole

# The service fails


class Fault(NamedTuple):
    script: Script
    plain: Seen
    stream: Seen


LATE, LOST = "upstream_timeout", "upstream_failed"
NONE = Refused(502, LOST)
BROKEN = Broken(LOST)


def character(it: Right) -> bytes:
    """The body up to the middle of a character that takes three bytes."""
    return it.body[: it.body.rindex("“".encode()) + 1]


def middle(it: Right) -> bytes:
    """The body up to the middle of an event."""
    return it.body[: it.body.index(b"word", len(it.body) // 2) + 2]


def pieces_of(it: Right, count: int, pause: float) -> Sequence[Step]:
    size = len(it.body) // count + 1
    parts = [it.body[i : i + size] for i in range(0, len(it.body), size)]
    return [it.head(), *(step for part in parts for step in (part, pause))]


def drip(it: Right) -> Sequence[Step]:
    dot = b":\n\n" if "event" in it.kind else b" "
    return [it.head(500), *(step for _ in range(60) for step in (dot, 0.1))]


def zipped(it: Right, end: int | None = None) -> Sequence[Step]:
    body = gzip.compress(it.body)
    return [it.head(len(body), more="content-encoding: gzip\r\n") + body[:end], *([END] if end else [])]


def other(kind: str, body: bytes, status: int = 200) -> Script:
    return lambda it: [it.head(len(body), status, kind) + body]


STOLEN = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"stolen": 1}\n'
LIMITED = "retry-after: 7\r\n"
FAULTS: dict[str, Fault] = {
    "slow to the first byte": Fault(lambda it: [0.3, *right(it)], Whole(), Whole()),
    "slow between head and body": Fault(lambda it: [it.head(), 0.3, it.body], Whole(), Whole()),
    "silent": Fault(lambda it: [WAIT], Refused(504, LATE), Refused(504, LATE)),
    "silent after its head": Fault(lambda it: [it.head(), WAIT], Refused(504, LATE), Broken(LATE, False)),
    "silent in the middle": Fault(lambda it: [it.head(), middle(it), WAIT], Refused(504, LATE), Broken(LATE)),
    "it drips": Fault(lambda it: pieces_of(it, 40, 0.01), Whole(), Whole()),
    "it drips without end": Fault(drip, Refused(504, LATE), Broken(LATE, False)),
    "every byte alone": Fault(lambda it: [it.head(), *(bytes([b]) for b in it.body)], Whole(), Whole()),
    "cut before its head": Fault(lambda it: [CUT], NONE, NONE),
    "ended before its head": Fault(lambda it: [END], NONE, NONE),
    "cut in its head": Fault(lambda it: [it.head()[:30], CUT], NONE, NONE),
    "cut after its head": Fault(lambda it: [it.head(), CUT], NONE, Broken(LOST, False)),
    "cut in an event": Fault(lambda it: [it.head(), middle(it), 0.05, CUT], NONE, BROKEN),
    "cut in a character": Fault(lambda it: [it.head(), character(it), 0.05, CUT], NONE, BROKEN),
    "ended in an event": Fault(lambda it: [it.head(None), middle(it), END], NONE, BROKEN),
    "ended in a character": Fault(lambda it: [it.head(None), character(it), END], NONE, BROKEN),
    "shorter than said": Fault(lambda it: [it.head(len(it.body) + 9), it.body[:-9], END], NONE, BROKEN),
    "longer than said": Fault(lambda it: [it.head(len(middle(it))), middle(it), 0.05, it.body], NONE, BROKEN),
    "two replies in one": Fault(lambda it: [it.head() + it.body + STOLEN], Whole(), Whole()),
    "a reply that nobody asked for": Fault(lambda it: [*right(it), 0.05, STOLEN], Whole(), Whole()),
    "a length that is no number": Fault(
        lambda it: [it.head().replace(b"length: ", b"length: x") + it.body], NONE, NONE
    ),
    "two lengths": Fault(lambda it: [it.head(more="content-length: 5\r\n") + it.body], NONE, NONE),
    "gzip": Fault(zipped, Whole(), Whole()),
    "gzip that breaks off": Fault(lambda it: zipped(it, -20), NONE, BROKEN),
    "no gzip, though it says so": Fault(
        lambda it: [it.head(more="content-encoding: gzip\r\n") + it.body], NONE, Broken(LOST, False)
    ),
    "no JSON": Fault(other("application/json", b"nonsense"), NONE, NONE),
    "half of a JSON": Fault(other("application/json", b'{"choices": ['), NONE, NONE),
    "a list": Fault(other("application/json", b"[1]"), NONE, NONE),
    "a page": Fault(other("text/html", b"<html>welcome</html>"), NONE, NONE),
    "nothing": Fault(other("application/json", b""), NONE, NONE),
    "no events": Fault(other("text/event-stream", b""), NONE, Broken(LOST, False)),
    "events that say they are JSON": Fault(
        other("application/json", b"data: {}\n\ndata: [DONE]\n\n"), NONE, NONE
    ),
    "JSON that says it is events": Fault(
        lambda it: [it.head(2, kind="text/event-stream") + b"{}"], NONE, Broken(LOST, False)
    ),
    "a page that says it is events": Fault(
        other("text/event-stream", b"<html>\n\nwelcome</html>\n\n"), NONE, Broken(LOST, False)
    ),
    "a limit": Fault(quoting(429, LIMITED), Refused(429, "upstream_error"), Refused(429, "upstream_error")),
    "an error page": Fault(
        other("text/html", b"<html>bad gateway</html>", 502),
        Refused(502, "upstream_error"),
        Refused(502, "upstream_error"),
    ),
    "an error without a body": Fault(
        other("application/json", b"", 500), Refused(500, "upstream_error"), Refused(500, "upstream_error")
    ),
    "an error that breaks off": Fault(lambda it: [it.head(99, 500) + b'{"err', END], NONE, NONE),
} | {
    f"error {status}": Fault(
        quoting(status), Refused(status, "upstream_error"), Refused(status, "upstream_error")
    )
    for status in (500, 502, 503, 529)
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", FAULTS)
def test_the_service_fails(rig: tuple[Gateway, Rough], name: str, api: str, stream: bool) -> None:
    running, service = rig
    fault = FAULTS[name]
    service.script = fault.script
    answer = ask(running, api, stream)
    (fault.stream if stream else fault.plain).check(api, answer, running)
    assert service.requests == 1, "nobody is asked twice"
    if answer.status >= 400:
        assert str(service.port) not in answer.body.decode()
        quoted = fault.script.__qualname__.startswith("quoting")
        assert (EMAIL in answer.body.decode()) == quoted, "the client's own words come back to it only"
    assert answer.headers.get("retry-after") == ("7" if name == "a limit" else None)


# The client is gone


class Hangup(NamedTuple):
    """How much of a request a client sends, whether it waits for the answer to begin, and what is counted."""

    share: float
    begun: bool = False
    stream: bool = False
    sent: bool = True
    """Whether anything had to reach the service."""


HANGUPS = {
    "before the body": Hangup(0.0, sent=False),
    "in the body": Hangup(0.5, sent=False),
    "after the body": Hangup(1.0),
    "after the body, of a stream": Hangup(1.0, stream=True),
    "in a stream": Hangup(1.0, begun=True, stream=True),
}


@pytest.mark.parametrize("how", ["closes", "resets"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", HANGUPS)
def test_the_client_is_gone(rig: tuple[Gateway, Rough], name: str, api: str, how: str) -> None:
    running, service = rig
    hangup, before = HANGUPS[name], gone(running)
    service.script = lambda it: [it.head(), middle(it), WAIT] if hangup.begun else [WAIT]
    body = asked(api, hangup.stream)
    head = f"POST {PATHS[api]} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    lines = "".join(f"{field}: {value}\r\n" for field, value in HEADERS.items())
    with socket.create_connection(("127.0.0.1", running.port), timeout=WAIT) as client:
        client.sendall(f"{head}{lines}\r\n".encode() + body[: int(len(body) * hangup.share)])
        if hangup.sent:
            assert service.asked.wait(WAIT)
        if hangup.begun:
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        if how == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if hangup.sent:
        assert service.left.wait(WAIT), "the service is not told"
    until = time.monotonic() + WAIT
    while gone(running) == before:
        assert time.monotonic() < until, "it is not counted"
        time.sleep(0.01)
    assert service.requests == hangup.sent


def gone(running: Gateway) -> int:
    """How many clients had hung up so far."""
    return sum(line.get("error") == "client_gone" for line in running.log())


# The service cannot be reached


ADDRESSES = {
    "a name that nobody has": "http://nowhere.invalid/v1",
    "nobody there": "http://127.0.0.1:{closed}/v1",
    "TLS to a port without": "https://127.0.0.1:{chatter}/v1",
    "no HTTP": "http://127.0.0.1:{chatter}/v1",
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_service_cannot_be_reached(service: Rough, tmp_path: Path, name: str) -> None:
    service.reset()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ports = {"closed": unused.getsockname()[1], "chatter": listening.getsockname()[1]}
        threading.Thread(target=chatter, args=(listening,), daemon=True).start()
        address = ADDRESSES[name].format(**ports)
        told: dict[str, Any] = {"upstream": address, "anthropic": address, "connect_timeout": 2.0}
        with gateway(tmp_path, **told) as running:
            for api, stream in itertools.product(APIS, (False, True)):
                answer = ask(running, api, stream)
                NONE.check(api, answer, running)
                for secret in (EMAIL, "invalid", *map(str, ports.values()), str(service.port)):
                    assert secret not in answer.body.decode(), "nothing is told of the address"
            assert running.get("/v1/models").status == 502
            assert EMAIL not in running.log_path.read_text() + running.get("/metrics").body.decode()
            assert not [line for line in running.log() if "failed" in line or "level" in line]
    assert EMAIL.encode() not in service.heard


def chatter(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = listening.accept()
            peer.recv(65536)
            peer.sendall(b"SSH-2.0-x\r\n")
            peer.close()


# A worker is killed


def test_a_killed_worker_takes_only_its_own_requests_with_it(service: Rough, tmp_path: Path) -> None:
    service.reset()
    service.script = lambda it: [it.head(), middle(it), 2.0, it.body[len(middle(it)) :]]
    with gateway(tmp_path, upstream=service.address, workers=2) as running:
        master = psutil.Process(running.process.pid)
        wanted = {worker.pid for worker in workers(master)}
        clients: dict[int, http.client.HTTPConnection] = {}
        for _ in range(12):
            client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=WAIT)
            client.request("POST", PATHS["chat"], asked("chat", True), HEADERS)
            clients[client.sock.getsockname()[1]] = client
        answers = {port: client.getresponse() for port, client in clients.items()}
        holders = {port: holder(workers(master), port) for port in clients}
        victim = next(iter(holders.values()))
        os.kill(victim, signal.SIGKILL)
        for port, answer in answers.items():
            if holders[port] == victim:
                with pytest.raises((http.client.IncompleteRead, OSError)):
                    answer.read()
            else:
                assert whole("chat", Answer(answer.status, dict(answer.headers), answer.read()))
        service.script = right
        until = time.monotonic() + WAIT
        while len(now := {worker.pid for worker in workers(master)}) < 2 or now == wanted:
            assert time.monotonic() < until, "no new worker was started"
            time.sleep(0.05)
        for _ in range(20):
            assert whole("chat", ask(running, "chat"))
        metrics = running.get("/metrics").body
        assert b'masquerade_requests_total{route="chat",status="200"}' in metrics
        assert EMAIL.encode() not in metrics + running.log_path.read_bytes() + service.heard


def workers(master: Any) -> list[Any]:
    """The processes that serve."""
    found = []
    for each in master.children():
        with contextlib.suppress(psutil.Error):
            if each.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(each.cmdline()):
                found.append(each)
    return found


def holder(processes: list[Any], port: int) -> int:
    """Which of them has the connection from this port."""
    for process in processes:
        if any(each.raddr and each.raddr.port == port for each in process.net_connections("tcp")):
            return int(process.pid)
    raise AssertionError("nobody has the connection")
