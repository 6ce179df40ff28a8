"""A policy that changes under a running gateway: taken whole or not at all, and said in words of kinds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway_rig import WAIT, Gateway, Service, gateway

from masquerade.errors import PolicyProblem
from masquerade.mask.policy import Policy
from masquerade.serve import reload
from masquerade.serve.clients import new_key
from masquerade.serve.reload import Reloader, Source

EMAIL, PHONE = "ada.canary@example.com", "13812345678"
TOKENS = 'version = 1\n[fates]\nEMAIL = "token"\nPHONE = "token"\n'
REDACTS = 'version = 1\n[fates]\nEMAIL = "redact"\nPHONE = "redact"\n'
VERSIONS = {Policy.parse(text).version: text for text in (TOKENS, REDACTS)}


def until(what: Callable[[], bool], why: str) -> None:
    end = time.monotonic() + WAIT
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.02)


def put(path: Path, text: str) -> None:
    """As a careful editor does: beside it, then in its place."""
    beside = path.with_name("beside")
    beside.write_text(text)
    beside.replace(path)


def in_force(running: Gateway) -> str:
    return running.chat("hello").headers["x-masquerade-policy"]


def reloads(running: Gateway) -> list[dict[str, Any]]:
    return [line for line in running.log() if line.get("event") == "reload"]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(TOKENS)
    return path


# A real process


@pytest.mark.parametrize("workers", [1, 2])
def test_under_load_every_request_is_under_one_policy(
    upstream: Service, tmp_path: Path, policy: Path, workers: int
) -> None:
    """Fifty flips; each reply says under which policy it was, and all of it must be."""
    upstream.reset()
    versions: dict[str, int] = dict.fromkeys(VERSIONS, 0)

    async def ask(session: aiohttp.ClientSession, running: Gateway, done: asyncio.Event, i: int) -> None:
        while not done.is_set():
            i += 1
            body = {
                "model": "m",
                "stream": i % 2 == 0,
                "messages": [{"role": "user", "content": f"mail {EMAIL} or call {PHONE}"}],
            }
            async with session.post(f"{running.base}/chat/completions", json=body) as response:
                text = (await response.read()).decode()
                assert response.status == 200, text
                version = response.headers["x-masquerade-policy"]
                masked = response.headers.get("x-masquerade-masked", "")
                redacted = response.headers.get("x-masquerade-redacted", "")
            if VERSIONS[version] == TOKENS:
                assert (masked, redacted) == ("EMAIL=1, PHONE=1", "")
                assert "_REDACTED]" not in text
            else:
                assert (masked, redacted) == ("", "EMAIL=1, PHONE=1")
                assert EMAIL not in text
                assert PHONE not in text
            versions[version] += 1

    async def load(running: Gateway) -> None:
        done = asyncio.Event()
        async with aiohttp.ClientSession() as session:
            asking = [asyncio.ensure_future(ask(session, running, done, i)) for i in range(6)]
            for flip in range(50):
                put(policy, (REDACTS, TOKENS)[flip % 2])
                running.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.1)
            done.set()
            await asyncio.gather(*asking)

    with gateway(tmp_path, upstream=upstream.url, policy=policy, workers=workers) as running:
        asyncio.run(load(running))
        log = running.log_path.read_text()
        taken = reloads(running)
    assert all(versions.values()), versions
    assert len(taken) >= 10
    assert {line["outcome"] for line in taken} == {"taken"}
    assert b"canary" not in upstream.everything
    assert PHONE.encode() not in upstream.everything
    assert "canary" not in log
    assert "failed" not in log


@pytest.mark.parametrize("workers", [1, 2])
def test_a_changed_policy_is_taken_by_itself(
    upstream: Service, tmp_path: Path, policy: Path, workers: int
) -> None:
    with gateway(tmp_path, upstream=upstream.url, policy=policy, workers=workers) as running:
        put(policy, REDACTS)
        new = Policy.parse(REDACTS).version
        until(lambda: len(reloads(running)) == workers, "it was not taken")
        assert {in_force(running) for _ in range(10)} == {new}
        told = running.get("/readyz")
        assert told.status == 200
        assert told.json["policy"] == "loaded"
        assert told.json["policy_version"] == new
        page = running.get("/metrics").body.decode()
        assert f'masquerade_reloads_total{{outcome="taken",what="policy"}} {workers}.0' in page


def test_what_is_impossible_is_not_taken(upstream: Service, tmp_path: Path, policy: Path) -> None:
    with gateway(tmp_path, upstream=upstream.url, policy=policy) as running:
        before = in_force(running)
        for bad, line in (
            ('version = 1\n[fates]\nEMAIL = "ada canary"\n', 3),
            ('version = 1\n[fates]\n"Ada Canary" = "token"\n', 3),
            ('version = 1\n\n[[deny]]\nkind = "PERSON"\nwords = ["Ada Canary", ""]\n', 5),
            ('version = 1\nAda Canary = "token"\n', 2),
        ):
            count = len(reloads(running))
            put(policy, bad)
            running.process.send_signal(signal.SIGHUP)
            until(lambda count=count: len(reloads(running)) > count, "nothing was said")  # type: ignore[misc]
            last = reloads(running)[-1]
            assert (last["outcome"], last["reason"], last["line"]) == ("refused", "impossible", line)
            assert last["policy"] == before
            assert in_force(running) == before
        ready = running.get("/readyz")
        assert ready.status == 200
        assert (ready.json["status"], ready.json["policy"]) == ("ready", "stale")
        page = running.get("/metrics").body.decode()
        assert 'masquerade_reloads_total{outcome="refused",what="policy"} 4.0' in page
        assert 'masquerade_stale{what="policy"} 1.0' in page
        put(policy, REDACTS)
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.get("/readyz").json["policy"] == "loaded", "it stayed stale")
        assert 'masquerade_stale{what="policy"} 0.0' in running.get("/metrics").body.decode()
        policy.unlink()
        until(lambda: running.get("/readyz").json["policy"] == "stale", "a missing file was not noticed")
        assert reloads(running)[-1]["reason"] == "missing"
        assert in_force(running) == Policy.parse(REDACTS).version
        everything = running.log_path.read_text() + running.get("/readyz").body.decode() + page
    assert "anary" not in everything


def test_without_watching_only_the_signal_counts(upstream: Service, tmp_path: Path, policy: Path) -> None:
    with gateway(tmp_path, upstream=upstream.url, policy=policy, no_watch=True) as running:
        put(policy, REDACTS)
        time.sleep(2 * reload.LOOK_SECONDS + reload.REST_SECONDS)
        assert in_force(running) == Policy.parse(TOKENS).version
        running.process.send_signal(signal.SIGHUP)
        until(lambda: in_force(running) == Policy.parse(REDACTS).version, "it was not taken")


def test_the_playground_shows_the_policy_in_force(upstream: Service, tmp_path: Path, policy: Path) -> None:
    with gateway(tmp_path, upstream=upstream.url, policy=policy) as running:

        def masked() -> str:
            return str(running.post("/playground/mask", {"text": f"mail {EMAIL}"}).json["masked"])

        assert "REDACTED" not in masked()
        put(policy, REDACTS)
        running.process.send_signal(signal.SIGHUP)
        until(lambda: masked() == "mail [EMAIL_REDACTED]", "it shows the old one")


def test_client_keys_are_read_anew(upstream: Service, tmp_path: Path) -> None:
    (one, one_hash), (two, two_hash) = new_key(), new_key()
    file = tmp_path / "clients.toml"
    entry = '[[client]]\nname = "a"\ntenant = "acme"\nhash = "{}"\n'
    file.write_text(entry.format(one_hash))
    held = {"upstream": upstream.url, "upstream_key_env": "K", "client_keys": file}
    with gateway(tmp_path, {"K": "sk-x"}, **held) as running:

        def status(key: str) -> int:
            return running.chat("hello", {"authorization": f"Bearer {key}"}).status

        assert (status(one), status(two)) == (200, 401)
        file.write_text(entry.format(two_hash) + "requests_per_minute = 2\n")
        running.process.send_signal(signal.SIGHUP)
        until(lambda: status(one) == 401, "the old key was let in")
        assert (status(two), status(two), status(two)) == (200, 200, 429)
        file.write_text("")  # nobody could use it, so it is not taken
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.get("/readyz").json["clients"] == "stale", "it was taken")
        assert status(one) == 401
        assert status(two) in (200, 429)


def test_a_request_ends_under_the_policy_that_it_began_with(
    upstream: Service, tmp_path: Path, policy: Path
) -> None:
    """Its reply is held back until the new policy is in force."""
    from aiohttp import web
    from gateway_rig import pieces

    from masquerade.serve import mirror

    go_on = tmp_path / "go on"

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        while b"hello" not in body and not go_on.exists():
            await asyncio.sleep(0.01)
        return await pieces(request, *mirror.answer(body))

    async def ask(running: Gateway) -> tuple[str, str]:
        async with aiohttp.ClientSession() as session:
            body = {"model": "m", "messages": [{"role": "user", "content": f"mail {EMAIL}"}]}
            asked = asyncio.ensure_future(session.post(f"{running.base}/chat/completions", json=body))
            while not upstream.requests:
                await asyncio.sleep(0.01)
            put(policy, REDACTS)
            running.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(
                until, lambda: in_force(running) == Policy.parse(REDACTS).version, "it was not taken"
            )
            go_on.touch()
            async with await asked as response:
                return response.headers["x-masquerade-policy"], await response.text()

    upstream.reset()
    upstream.behave = behave
    with gateway(tmp_path, upstream=upstream.url, policy=policy) as running:
        version, text = asyncio.run(ask(running))
    upstream.reset()
    assert version == Policy.parse(TOKENS).version
    assert EMAIL in text


def test_a_worker_that_died_comes_back_with_the_policy_of_now(
    upstream: Service, tmp_path: Path, policy: Path
) -> None:
    with gateway(tmp_path, upstream=upstream.url, policy=policy, workers=2) as running:
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
        if not children.exists():
            pytest.skip("this system does not tell whose child a process is")
        put(policy, REDACTS)
        running.process.send_signal(signal.SIGHUP)
        until(lambda: len(reloads(running)) == 2, "it was not taken")
        worker = next(
            int(pid)
            for pid in children.read_text().split()
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(worker, signal.SIGKILL)
        until(lambda: str(worker) not in children.read_text().split(), "it did not die")
        until(lambda: running.get("/healthz").status == 200, "none came back")
        assert {in_force(running) for _ in range(10)} == {Policy.parse(REDACTS).version}


# Without one


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reload, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(reload, "REST_SECONDS", 0.15)
    yield


def test_a_file_that_is_being_written_is_not_taken(quick: None, tmp_path: Path) -> None:
    """Line by line, each of them the end of a policy that could be taken, and weaker."""
    path = tmp_path / "policy.toml"
    path.write_text(TOKENS)
    whole = 'version = 1\n[fates]\nEMAIL = "block"\nPHONE = "block"\nSECRET = "block"\nIBAN = "block"\n'
    taken: list[str] = []

    async def run() -> None:
        source = Source("policy", path, lambda: Policy.parse(path.read_text()).version, taken.append)
        reloader = Reloader([source], lambda *told: None, watch=True)
        reloader.start()
        with path.open("w") as file:
            for line in whole.splitlines(keepends=True):
                file.write(line)
                file.flush()
                await asyncio.sleep(0.05)
        async with asyncio.timeout(WAIT):
            while not taken:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        await reloader.close()

    asyncio.run(run())
    assert taken == [Policy.parse(whole).version]


def test_a_file_that_changes_while_it_is_read_is_read_again(quick: None, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("one")
    taken: list[str] = []
    loads = 0

    def load() -> str:
        nonlocal loads
        loads += 1
        text = path.read_text()
        if loads == 1:
            path.write_text("three")
        return text

    async def run() -> None:
        reloader = Reloader([Source("x", path, load, taken.append)], lambda *told: None, watch=False)
        reloader.start()
        path.write_text("two.")
        reloader.ask()
        async with asyncio.timeout(WAIT):
            while not taken:
                await asyncio.sleep(0.01)
        await reloader.close()

    asyncio.run(run())
    assert taken == ["three"]


def test_what_changed_while_the_process_began_is_not_missed(quick: None, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("one")
    taken: list[str] = []

    async def run() -> None:
        reloader = Reloader([Source("x", path, path.read_text, taken.append)], lambda *_: None, watch=False)
        path.write_text("two.")  # after the old one was read
        reloader.start()
        async with asyncio.timeout(WAIT):
            while not taken:
                await asyncio.sleep(0.01)
        await reloader.close()

    asyncio.run(run())
    assert taken == ["two."]


def test_a_bad_file_is_told_of_once(quick: None, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(TOKENS)
    told: list[Any] = []

    def load() -> None:
        raise PolicyProblem("Ada Canary", line=7)

    async def run() -> None:
        source = Source("policy", path, load, lambda made: None)
        reloader = Reloader([source], lambda *facts: told.append(facts), watch=True)
        path.write_text("changed")
        reloader.start()
        async with asyncio.timeout(WAIT):
            while not told:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert reloader.state("policy") == "stale"
        await reloader.close()

    asyncio.run(run())
    assert told == [("policy", "refused", {"reason": "impossible", "line": 7})]
    assert json.dumps(told)


def test_what_cannot_be_taken_is_refused_and_the_next_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("a")
    told: list[str] = []
    taken: list[str] = []

    def take(text: str) -> None:
        if text == "b":
            raise OSError("gone again")
        taken.append(text)

    async def run() -> None:
        source = Source("policy", path, path.read_text, take)
        reloader = Reloader([source], lambda what, outcome, facts: told.append(outcome), watch=False)
        reloader.start()
        for text in "bc":
            path.write_text(text)
            reloader.ask()
            async with asyncio.timeout(WAIT):
                while len(told) < "bc".index(text) + 1:
                    await asyncio.sleep(0.01)
        await reloader.close()

    asyncio.run(run())
    assert told == ["refused", "taken"] and taken == ["c"]
