"""Many requests at once: nothing planted is seen by the service, every reply is whole, memory is flat."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway_rig import Gateway, Service, gateway, service

AT_ONCE = 16


class Planted:
    """The private values of one request, all different from those of every other."""

    def __init__(self, i: int) -> None:
        self.email = f"ada{i}.lovelace@example.com"
        self.phone = f"138{i:08d}"
        self.address = f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"
        self.secret = f"sk-proj-{random.Random(i).randbytes(24).hex()}"

    @property
    def all(self) -> tuple[str, ...]:
        return self.email, self.phone, self.address, self.secret


def request(i: int, planted: Planted) -> dict[str, Any]:
    text = f"Request {i}: mail {planted.email}, 手机{planted.phone}谢谢, 服务器{planted.address}在访问"
    messages: list[Any] = [
        {"role": "system", "content": f"Use the key {planted.secret} only here."},
        {"role": "user", "content": text},
    ]
    if i % 5 == 1:
        arguments = json.dumps({"to": planted.email, "phone": int(planted.phone)})
        call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        messages[1:1] = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"ip": planted.address})},
        ]
    if i % 5 == 2:
        messages[1]["content"] = [{"type": "text", "text": text}]
    return {
        "model": "m",
        "messages": messages,
        "user": planted.email,
        "metadata": {"by": planted.phone},
        "stream": i % 2 == 0,
        "n": 1 + i % 3 // 2,
    }


async def contents(response: aiohttp.ClientResponse) -> list[str]:
    body = await response.read()
    assert response.status == 200, body
    if response.content_type == "application/json":
        return [choice["message"]["content"] for choice in json.loads(body)["choices"]]
    texts: dict[int, str] = {}
    for block in body.split(b"\n\n"):
        if block.startswith(b"data: {"):
            for choice in json.loads(block[6:])["choices"]:
                index = choice["index"]
                texts[index] = texts.get(index, "") + choice["delta"].get("content", "")
    return list(texts.values())


async def load(running: Gateway, upstream: Service, numbers: range) -> None:
    left = iter(numbers)

    async def work(session: aiohttp.ClientSession) -> None:
        for i in left:
            planted = Planted(i)
            asked = request(i, planted)
            headers = {"authorization": f"Bearer sk-{i % 7}"}
            async with session.post(
                f"{running.base}/chat/completions", json=asked, headers=headers
            ) as response:
                for text in await contents(response):
                    for value in (planted.email, planted.phone, planted.address):
                        assert value in text, (i, text)
            check(upstream, planted)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))


def check(upstream: Service, planted: Planted) -> None:
    recent = b"".join(seen.body for seen in upstream.requests[-4 * AT_ONCE :]).decode()
    for value in planted.all:
        assert value not in recent


def resident(running: Gateway) -> float:
    """Megabytes of memory that the gateway holds."""
    for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def all_seen(upstream: Service, numbers: range) -> None:
    everything = upstream.everything.decode()
    for part in ("lovelace", "sk-proj-", "@example.com"):
        assert part not in everything
    for i in numbers:
        for value in Planted(i).all:
            assert value not in everything


@pytest.fixture
def upstream() -> Iterator[Service]:
    with service() as running:
        yield running


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_planted_is_seen(upstream: Service, tmp_path: Path, workers: int) -> None:
    numbers = range(250)
    with gateway(tmp_path, upstream=upstream.url, workers=workers) as running:
        asyncio.run(load(running, upstream, numbers))
        log = running.log_path.read_text()
    all_seen(upstream, numbers)
    assert "lovelace" not in log


@pytest.mark.heavy
def test_nothing_planted_is_seen_in_ten_thousand(upstream: Service, tmp_path: Path) -> None:
    numbers = range(10_000)
    with gateway(tmp_path, upstream=upstream.url) as running:
        asyncio.run(load(running, upstream, numbers[:2_000]))
        before = resident(running)
        asyncio.run(load(running, upstream, numbers[2_000:]))
        time.sleep(0.5)
        assert resident(running) < before + 8
        log = running.log_path.read_text()
    assert len(upstream.requests) == len(numbers)
    for start in range(0, len(numbers), 500):
        part = upstream.requests[max(0, start - 100) : start + 600]
        everything = b"".join(seen.body for seen in part).decode()
        for i in numbers[start : start + 500]:
            for value in Planted(i).all:
                assert value not in everything
    everything = upstream.everything.decode()
    for value in ("lovelace", "sk-proj-", "@example.com"):
        assert value not in everything
    assert "lovelace" not in log
