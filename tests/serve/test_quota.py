"""Limits of tenants: buckets by a clock of the test's own, the file of client keys, and a real gateway."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway_rig import WAIT, Answer, Service, gateway, pieces
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput
from masquerade.serve import mirror, quota
from masquerade.serve.clients import Clients, new_key
from masquerade.serve.quota import Limits, Quotas
from masquerade.serve.refusal import Refusal

EMAIL = "ada.canary@example.com"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def quotas(clock: Clock, workers: int = 1, told: list[str] | None = None, **limits: int) -> Quotas:
    return Quotas(Limits(**limits), workers, clock, [].append if told is None else told.append)


def retry_after(problem: Refusal) -> int:
    return int(dict(problem.headers)[b"retry-after"])


# Buckets


def test_a_minute_holds_so_many_requests_and_no_more() -> None:
    clock, told = Clock(), []  # type: ignore[var-annotated]
    limited = quotas(clock, told=told, requests_per_minute=60)
    for _ in range(60):
        limited.enter("a").close(0)
    with pytest.raises(Refusal) as refused:
        limited.enter("a")
    assert (refused.value.status, refused.value.code) == (429, "rate_limited")
    assert retry_after(refused.value) == 1
    assert told == ["requests"]
    limited.enter("b").close(0)  # each tenant has its own
    clock.now += 1.0
    limited.enter("a").close(0)
    with pytest.raises(Refusal):
        limited.enter("a")
    clock.now += 3600.0  # a bucket is full at some time
    for _ in range(60):
        limited.enter("a").close(0)
    with pytest.raises(Refusal):
        limited.enter("a")


def test_what_it_says_of_when_to_come_back_is_true() -> None:
    clock = Clock()
    limited = quotas(clock, requests_per_minute=6, bytes_per_minute=600)
    limited.enter("a", 5_000).close(5_000)  # let in, for something was left; then it is a debt
    for _ in range(3):
        with pytest.raises(Refusal) as refused:
            limited.enter("a")
        clock.now += retry_after(refused.value) - 1.1
        with pytest.raises(Refusal):
            limited.enter("a")
        clock.now += 1.1
        limited.enter("a", 700).close(700)


def test_bytes_are_those_that_came_not_those_that_were_announced() -> None:
    clock = Clock()
    limited = quotas(clock, bytes_per_minute=1000)
    limited.enter("a", 999).close(10)
    limited.enter("a", 0).close(980)
    limited.enter("a").close(10)
    with pytest.raises(Refusal):
        limited.enter("a")


def test_requests_at_a_time() -> None:
    limited = quotas(Clock(), max_concurrent=2)
    first, second = limited.enter("a"), limited.enter("a")
    with pytest.raises(Refusal):
        limited.enter("a")
    limited.enter("b")
    first.close(0)
    first.close(0)  # once is enough
    limited.enter("a")
    with pytest.raises(Refusal):
        limited.enter("a")
    second.close(0)


def test_workers_share_a_limit() -> None:
    workers = [quotas(Clock(), 4, requests_per_minute=40, max_concurrent=8) for _ in range(4)]
    let_in = 0
    for worker in workers:
        running = []
        with pytest.raises(Refusal):
            while True:
                running.append(worker.enter("a"))
        assert len(running) == 2
        for each in running:
            each.close(0)
        let_in += len(running)
        with pytest.raises(Refusal):
            while True:
                worker.enter("a").close(0)
                let_in += 1
    assert let_in == 40
    one_each = quotas(Clock(), 64, requests_per_minute=3, max_concurrent=3)
    one_each.enter("a").close(0)  # a part of less than one request would let in nobody at all


def test_a_body_may_not_be_larger_than_both_limits() -> None:
    limited = quotas(Clock(), max_body=100)
    limited.use({"a": Limits(max_body=10), "b": Limits(max_body=1000)})
    assert [limited.enter(name).max_body for name in "abc"] == [10, 100, 100]
    with pytest.raises(Refusal) as refused:
        limited.enter("a", 11)
    assert refused.value.status == 413
    with pytest.raises(Refusal):
        limited.enter("b", int("9" * 90))


def test_tenants_are_bounded_and_who_asks_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "_MOST_TENANTS", 10)
    limited = quotas(Clock(), requests_per_minute=1)
    asking = limited.enter("asking")
    for i in range(1000):
        limited.enter(f"caller:{i}").close(0)
    assert len(limited._used) <= 10
    with pytest.raises(Refusal):
        limited.enter("asking")
    asking.close(0)
    for i in range(10):
        limited.enter(f"new:{i}")  # these go on
    with pytest.raises(Refusal):
        limited.enter("one more")


def test_new_limits_hold_at_once_and_what_was_used_stays_used() -> None:
    clock = Clock()
    limited = quotas(clock)
    limited.use({"a": Limits(requests_per_minute=2)})
    for _ in range(2):
        limited.enter("a").close(0)
    limited.use({"a": Limits(requests_per_minute=3)})
    limited.enter("a").close(0)
    with pytest.raises(Refusal):
        limited.enter("a")
    limited.use({})
    limited.enter("a").close(0)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=60),
)
def test_no_minute_sees_more_than_two_minutes_worth(limit: int, steps: list[tuple[float, int]]) -> None:
    """A full bucket and what flows in: the most that any sixty seconds can see."""
    clock = Clock()
    limited = quotas(clock, requests_per_minute=limit)
    let_in: list[float] = []
    for pause, tries in steps:
        clock.now += pause
        for _ in range(tries):
            try:
                limited.enter("a").close(0)
            except Refusal:
                continue
            let_in.append(clock.now)
    for i, begin in enumerate(let_in):
        assert sum(begin <= at < begin + 60 for at in let_in[i:]) <= 2 * limit


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "5"])
def test_a_limit_is_a_whole_number(limit: Any) -> None:
    with pytest.raises(BadInput, match="requests_per_minute is a whole number above 0"):
        Limits(requests_per_minute=limit)


# The file of client keys


def entry(more: str = "", tenant: str = "acme") -> str:
    return f'[[client]]\nname = "a"\ntenant = "{tenant}"\nhash = "{new_key()[1]}"\n{more}\n'


def test_limits_stand_with_any_key_of_a_tenant() -> None:
    text = entry("requests_per_minute = 5") + entry("max_body = 9") + entry() + entry(tenant="beta")
    assert Clients.parse(text).limits == {"acme": Limits(requests_per_minute=5, max_body=9)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (entry("requests_per_minute = 5") + entry("requests_per_minute = 6"), "client 2: another client"),
        (entry("requests_per_minute = 0"), "client 1: requests_per_minute is"),
        (entry("max_concurrent = 'many'"), "client 1: max_concurrent is"),
        (entry("requests_per_hour = 5"), "client 1 needs exactly"),
    ],
)
def test_impossible_limits_are_refused(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Clients.parse(text)


def test_a_new_key_leaves_limits_as_they_are(run: Any, home: Path) -> None:
    path = home / "clients.toml"
    home.mkdir()
    path.write_text("# ours\n" + entry("bytes_per_minute = 7  # seven"))
    before = path.read_text()
    assert run("keys", "client", "new one", "--tenant", "acme").code == 0
    assert path.read_text().startswith(before)
    assert Clients.parse(path.read_text()).limits == {"acme": Limits(bytes_per_minute=7)}


# A real gateway


def test_a_tenant_is_limited_by_its_keys(upstream: Service, tmp_path: Path) -> None:
    upstream.reset()
    (one, one_hash), (two, two_hash) = new_key(), new_key()
    file = tmp_path / "clients.toml"
    file.write_text(
        f'[[client]]\nname = "a"\ntenant = "acme"\nhash = "{one_hash}"\n'
        "requests_per_minute = 2\nmax_body = 400\n"
        f'[[client]]\nname = "b"\ntenant = "beta"\nhash = "{two_hash}"\n'
    )
    with gateway(
        tmp_path,
        {"UPSTREAM_KEY": "sk-x"},
        upstream=upstream.url,
        upstream_key_env="UPSTREAM_KEY",
        client_keys=file,
    ) as running:
        shown = {"authorization": f"Bearer {one}"}
        large = running.chat("x" * 500, shown)
        assert large.error["code"] == "request_too_large"
        assert [running.chat(f"mail {EMAIL}", shown).status for _ in range(2)] == [200, 200]
        refused = running.chat(f"mail {EMAIL}", shown)
        assert refused.status == 429
        assert refused.error["code"] == "rate_limited"
        assert refused.error["type"] == "rate_limit_error"
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert EMAIL not in refused.error["message"]
        assert running.get("/v1/models", shown).status == 429
        for _ in range(5):
            assert running.chat("hello", {"authorization": f"Bearer {two}"}).status == 200
        page = running.get("/metrics").body.decode()
        assert 'masquerade_limited_total{reason="requests"} 2.0' in page
        assert 'masquerade_limited_total{reason="body"} 1.0' in page
        assert 'masquerade_errors_total{code="rate_limited"} 2.0' in page
        assert "canary" not in running.log_path.read_text()
    assert len(upstream.requests) == 7


def test_a_body_that_did_not_say_its_length_is_measured(upstream: Service, tmp_path: Path) -> None:
    with gateway(tmp_path, upstream=upstream.url, max_body=1000) as running:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", running.port), timeout=WAIT) as line:
            line.sendall(
                head + b"transfer-encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n"
            )
            assert line.recv(64).startswith(b"HTTP/1.1 413 ")


def test_requests_at_a_time_end_with_their_replies(upstream: Service, tmp_path: Path) -> None:
    upstream.reset()
    go_on = threading.Event()

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        while b"wait" in body and not go_on.is_set():
            await asyncio.sleep(0.01)
        return await pieces(request, *mirror.answer(body))

    upstream.behave = behave
    with gateway(tmp_path, upstream=upstream.url, max_concurrent=1) as running:
        answers: list[Answer] = []
        client = threading.Thread(target=lambda: answers.append(running.chat("wait")))
        client.start()
        while not upstream.requests:
            assert client.is_alive()
        refused = running.chat("hello")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert running.get("/healthz").status == running.get("/readyz").status == 200
        go_on.set()
        client.join(WAIT)
        assert answers[0].status == 200
        until_free = [running.chat("hello").status for _ in range(20)]
        assert until_free[-1] == 200
    upstream.reset()


def test_the_client_of_openai_waits_and_tries_again(upstream: Service, tmp_path: Path) -> None:
    from openai import OpenAI

    upstream.reset()
    with gateway(tmp_path, upstream=upstream.url, requests_per_minute=60, max_concurrent=4) as running:
        with OpenAI(base_url=running.base, api_key="sk-x", max_retries=4) as client:
            for _ in range(62):
                told = client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"mail {EMAIL}"}]
                )
                assert EMAIL in str(told.choices[0].message.content)
        page = running.get("/metrics").body.decode()
    assert 'masquerade_limited_total{reason="requests"}' in page
    assert all(EMAIL not in json.dumps(json.loads(seen.body)) for seen in upstream.requests)


def test_each_api_is_told_in_its_own_words(tmp_path: Path) -> None:
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    with gateway(tmp_path, requests_per_minute=1) as running:
        assert running.post("/v1/messages", asked).status == 200
        refused = running.post("/v1/messages", asked)
    assert refused.status == 429
    assert refused.json["type"] == "error"
    assert refused.json["error"]["type"] == "rate_limit_error"
    assert int(refused.headers["retry-after"]) > 0


def test_files_have_a_limit_of_their_own() -> None:
    limited = quotas(Clock(), max_body=100, bytes_per_minute=10_000, requests_per_minute=2)
    limited.use({"a": Limits(max_body=10)})
    ticket = limited.enter("a", 5_000, file=True)
    assert ticket.max_body is None
    ticket.close(5_000)
    with pytest.raises(Refusal):
        limited.enter("a", 5_000)
    limited.enter("a", 20_000, file=True).close(20_000)
    with pytest.raises(Refusal) as refused:
        limited.enter("a", file=True)
    assert refused.value.code == "rate_limited"
