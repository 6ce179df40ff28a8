"""Whether a gateway can take requests: what it says of itself, and what it does when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from gateway_rig import WAIT, Answer, Gateway, Service, gateway, pieces

from masquerade.errors import OutputProblem
from masquerade.mask.policy import Policy
from masquerade.serve import mirror, ready
from masquerade.serve.ready import Readiness

EMAIL = "ada.canary@example.com"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def page(readiness: Readiness) -> tuple[int, dict[str, str]]:
    status, body = asyncio.run(readiness.page({"policy": "loaded"}))
    return status, json.loads(body)


# What it says


def test_without_checks_it_is_ready() -> None:
    assert page(Readiness(Clock())) == (200, {"status": "ready", "policy": "loaded"})


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (lambda: None, "ok"),
        (lambda: "the disk is full", "the disk is full"),
        (lambda: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_check_says_what_is_not_there(check: Any, told: str) -> None:
    readiness = Readiness(Clock())
    readiness.register("store", check)
    readiness.register("journal", lambda: None)
    ok = told == "ok"
    status, body = page(readiness)
    assert status == (200 if ok else 503)
    assert body == {
        "status": "ready" if ok else "not ready",
        "policy": "loaded",
        "store": told,
        "journal": "ok",
    }


def test_what_a_check_raises_is_told_by_its_name_alone() -> None:
    def check() -> str | None:
        raise OutputProblem("ada canary", made=True)

    readiness = Readiness(Clock())
    readiness.register("journal", check)
    assert page(readiness)[1]["journal"] == "OutputProblem"


def test_a_check_that_hangs_does_not_hang_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "_SECONDS", 0.05)
    go_on = threading.Event()
    readiness = Readiness(Clock())
    readiness.register("store", lambda: go_on.wait(WAIT) and None)
    try:
        assert page(readiness)[1]["store"] == "does not answer"
    finally:
        go_on.set()


def test_checks_run_once_a_second_whoever_asks() -> None:
    clock, runs = Clock(), []
    readiness = Readiness(clock)
    readiness.register("store", lambda: runs.append(1))  # type: ignore[func-returns-value]

    async def many() -> None:
        await asyncio.gather(*(readiness.page({}) for _ in range(50)))
        assert len(runs) == 1
        await readiness.page({})
        assert len(runs) == 1
        clock.now += 1.5
        await readiness.page({})
        assert len(runs) == 2

    asyncio.run(many())


def test_a_gateway_says_what_it_has_loaded(upstream: Service, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[finder]\nuse = "rules"\n')
    with gateway(tmp_path, upstream=upstream.url) as running:
        told = running.get("/readyz")
        assert told.status == 200
        assert told.headers["content-type"] == "application/json"
        assert told.json == {
            "status": "ready",
            "policy": "built in",
            "policy_version": Policy().version,
            "clients": "none",
            "names": "loaded",
            "journal": "ok",
        }
        assert running.request("HEAD", "/readyz").status == 200
        assert running.post("/readyz", {}).status == 405
    with gateway(tmp_path, upstream=upstream.url, policy=policy) as running:
        told = running.get("/readyz")
        assert (told.json["policy"], told.json["names"]) == ("loaded", "off")


# When it is told to stop


def asking(running: Gateway) -> threading.Thread:
    """A client who waits, and may be cut off."""

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            running.chat("hello")

    client = threading.Thread(target=ask, daemon=True)
    client.start()
    return client


def held_back(upstream: Service) -> threading.Event:
    """The service answers once the event is set."""
    go_on = threading.Event()

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        return await pieces(request, *mirror.answer(body))

    upstream.reset()
    upstream.behave = behave
    return go_on


@pytest.mark.parametrize("workers", [1, 2])
def test_while_replies_finish_it_is_not_ready(upstream: Service, tmp_path: Path, workers: int) -> None:
    go_on = held_back(upstream)
    running = Gateway(tmp_path, upstream=upstream.url, workers=workers)
    kept = http.client.HTTPConnection("127.0.0.1", running.port, timeout=WAIT)
    try:
        answers: list[Answer] = []
        client = threading.Thread(target=lambda: answers.append(running.chat(f"mail {EMAIL}", stream=True)))
        client.start()
        while not upstream.requests:
            assert client.is_alive()
        running.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + WAIT
        while workers == 1 and running.get("/readyz").status == 200:
            assert time.monotonic() < until
        if workers == 1:  # with two, the other one has nothing to wait for and is gone at once
            told = running.get("/readyz")
            assert (told.status, told.json["status"]) == (503, "stopping")
            assert running.get("/healthz").status == 200
            refused = running.chat("hello")
            assert (refused.status, refused.error["code"]) == (503, "stopping")
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["connection"] == "close"
        go_on.set()
        client.join(WAIT)
        assert answers[0].body.endswith(b"data: [DONE]\n\n")
        assert running.process.wait(WAIT) == 0
        assert [line for line in running.log() if line.get("level") or "failed" in line] == []
    finally:
        kept.close()
        go_on.set()
        running.stop()
        upstream.reset()


@pytest.mark.parametrize("grace", [0.0, 0.2])
def test_it_waits_no_longer_than_it_may(upstream: Service, tmp_path: Path, grace: float) -> None:
    go_on = held_back(upstream)
    running = Gateway(tmp_path, upstream=upstream.url, grace=grace)
    client = asking(running)
    try:
        while not upstream.requests:
            assert client.is_alive()
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(WAIT)
        assert not go_on.is_set()
    finally:
        go_on.set()
        running.stop()
        upstream.reset()
        client.join(WAIT)


def test_a_second_signal_makes_it_hurry(upstream: Service, tmp_path: Path) -> None:
    go_on = held_back(upstream)
    running = Gateway(tmp_path, upstream=upstream.url, grace=1000.0)
    client = asking(running)
    try:
        while not upstream.requests:
            assert client.is_alive()
        until = time.monotonic() + WAIT
        running.process.send_signal(signal.SIGINT)
        while running.get("/readyz").status == 200:
            assert time.monotonic() < until
        running.process.send_signal(signal.SIGINT)
        running.process.wait(WAIT)
    finally:
        go_on.set()
        running.stop()
        upstream.reset()
        client.join(WAIT)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_with_its_terminal(tmp_path: Path, workers: str) -> None:
    """SIGHUP means that files are to be read anew, unless the terminal has gone."""
    leader, follower = pty.openpty()
    command = [
        *("setsid", "--ctty", "--wait", "masquerade", "serve", "--port", "0", "--workers", workers),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (tmp_path / "log").open("wb") as log:
        try:
            process = subprocess.Popen(
                command,
                stdin=follower,
                stderr=log,
                env={**os.environ, "PATH": path, "MASQUERADE_HOME": str(tmp_path)},
            )
        except FileNotFoundError:
            pytest.skip("there is no setsid here (util-linux), to start a process away from its terminal")
    os.close(follower)
    try:
        until = time.monotonic() + WAIT
        while b'"started"' not in (tmp_path / "log").read_bytes():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        address = urlsplit(json.loads((tmp_path / "log").read_text())["address"])
        connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=WAIT)
        connection.request("GET", "/healthz")  # waits in the socket until somebody takes it
        assert connection.getresponse().status == 200
        connection.close()
        os.close(leader)
        process.wait(WAIT)
    finally:
        process.kill()


# What it needs outside the process


def test_a_store_that_is_not_there_is_told(upstream: Service, tmp_path: Path) -> None:
    with gateway(tmp_path, upstream=upstream.url, store=str(tmp_path / "store.db")) as running:
        told = running.get("/readyz")
        assert (told.status, told.json["store"]) == (200, "ok")
    with gateway(tmp_path, upstream=upstream.url, store="redis://127.0.0.1:9/0") as running:
        told = running.get("/readyz")
        assert (told.status, told.json["status"]) == (503, "not ready")
        assert told.json["store"] not in ("ok", "")
        assert "127.0.0.1" not in told.body.decode()
        assert running.get("/healthz").status == 200
        assert running.chat("hello").status == 200  # it needs no store
