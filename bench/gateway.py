"""What a request costs in the gateway, side by side with proxies that change nothing.

    python bench/gateway.py [--quick] [--json] [--soak N] [--pace SECONDS]

CPU time (user and system) of the proxy's process, all its threads, before and after a number of requests. All
proxies run at once against one upstream and take turns, round by round, on the same requests, which are new
in every round; figures are medians over rounds, ratios medians of the ratios within a round. One worker each;
uvicorn with uvloop and httptools; everything on 127.0.0.1. The gateway logs as it does by default.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import corpus
from common import (
    HERE,
    console,
    cpu_seconds,
    descendants,
    dump,
    machine,
    middle,
    number,
    options,
    resident_mb,
    start,
    stop,
    table,
    version,
)

PROXIES = {
    "starlette": "Starlette + aiohttp, bare",
    "raw": "raw ASGI + aiohttp, bare",
    "masquerade": "Masquerade",
}
CONNECTIONS = 8
TARGETS = {"1 KB JSON": 0.9, "53-event stream": 2.0}
"""CPU ms of the gateway at most, on a machine where the bare Starlette proxy takes 0.33 and 0.73."""


# -- the client ----------------------------------------------------------------------------------------


class _Connection(asyncio.Protocol):
    """One kept-alive connection: raw requests out, whole replies in, nothing parsed but where they end."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    async def ask(self, request: bytes) -> bytes:
        self._waiter = asyncio.get_running_loop().create_future()
        self._buffer.clear()
        self.transport.write(request)
        return await self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._waiter is not None and not self._waiter.done() and self._whole():
            self._waiter.set_result(bytes(self._buffer))

    def _whole(self) -> bool:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        head = bytes(self._buffer[:head_end]).lower()
        _, there, length = head.partition(b"content-length:")
        if there:
            return len(self._buffer) >= head_end + 4 + int(length.split(b"\r\n")[0])
        return self._buffer.endswith(b"0\r\n\r\n")

    def connection_lost(self, problem: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(problem or ConnectionError("the proxy hung up"))


async def load(port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> list[bytes]:
    """Send all requests over a few connections, one after the other on each; the replies in order."""
    loop = asyncio.get_running_loop()
    replies: list[bytes] = [b""] * len(requests)
    todo = iter(range(len(requests)))

    async def one() -> None:
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        for index in todo:
            replies[index] = await asyncio.wait_for(connection.ask(requests[index]), 60)
            if not replies[index].startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"a proxy refused: {replies[index][:300]!r}")
        connection.transport.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(connections, len(requests))):
            group.create_task(one())
    return replies


def request(r: random.Random, stream: bool, private: bool = True, size: int = 1024) -> tuple[bytes, str]:
    """A chat completion of about ``size`` bytes of JSON, and what its user says."""
    frame: dict[str, Any] = {"model": "echo", "temperature": 0.2, "stream": stream}
    frame["messages"] = [{"role": "system", "content": "You are a helpful assistant."}]
    room = size - len(json.dumps(frame)) - 40
    if private:
        said = f"I am canary.{r.getrandbits(48):x}@example.com. " + corpus.dense(r, "mixed", room - 90)
    else:
        said = corpus.clean(r, "mixed", room - 40)
    frame["messages"].append({"role": "user", "content": said})
    body = json.dumps(frame, ensure_ascii=False).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer none\r\nuser-agent: bench\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    return head + body, said


# -- processes -----------------------------------------------------------------------------------------


class Server:
    """A child process that serves on a port of its own."""

    def __init__(self, name: str, *arguments: object, home: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        command = [sys.executable, str(HERE / "servers.py"), name, str(self.port), *map(str, arguments)]
        self._errors = Path(home, name + ".log")
        with self._errors.open("wb") as log:
            environment = {"MASQUERADE_HOME": home, "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
            self.process = start(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        self._wait()

    def _wait(self) -> None:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
                if self.process.poll() is not None:
                    break
        raise RuntimeError("a server did not start:\n" + self._errors.read_text()[-2000:])

    def cpu(self) -> float:
        return sum(cpu_seconds(pid) for pid in descendants(self.process.pid))

    def resident(self) -> float:
        return sum(resident_mb(pid) for pid in descendants(self.process.pid))


def seen(upstream: Server) -> dict[str, int]:
    """What the upstream counted so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream.port}/seen", timeout=10) as reply:
        counted: dict[str, int] = json.load(reply)
    return counted


# -- measurements --------------------------------------------------------------------------------------


def check(proxies: dict[str, Server], upstream: Server) -> None:
    """Before anything is measured: the gateway hides every canary from the upstream and brings it back."""
    r = random.Random(0)
    for name, server in proxies.items():
        before = seen(upstream)["canaries"]
        asked = [request(r, stream) for stream in (False, True) for _ in range(10)]
        replies = asyncio.run(load(server.port, [raw for raw, _ in asked]))
        showed = seen(upstream)["canaries"] - before
        if showed != (0 if name == "masquerade" else len(asked)):
            raise RuntimeError(f"the upstream saw {showed} of {len(asked)} canaries through {name}")
        for reply, (_, said) in zip(replies, asked, strict=True):
            if said.split()[2].rstrip(".") not in _text(reply):
                raise RuntimeError(f"an address did not come back through {name}")


def _text(reply: bytes) -> str:
    body = reply.partition(b"\r\n\r\n")[2]
    if b'"chat.completion"' in body:
        return str(json.loads(body)["choices"][0]["message"]["content"])
    said = ""
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                said += choice["delta"].get("content") or ""
    return said


def costs(proxies: dict[str, Server], seed: int, rounds: int, counts: dict[str, int]) -> dict[str, Any]:
    """CPU ms a request of every proxy, for every kind of request."""
    result: dict[str, Any] = {}
    for what, n in counts.items():
        taken: dict[str, list[float]] = {name: [] for name in proxies}
        walls: dict[str, list[float]] = {name: [] for name in proxies}
        for turn in range(rounds + 1):
            r = random.Random(f"{seed} {what} {turn}")
            asked = [request(r, "stream" in what, "clean" not in what)[0] for _ in range(n if turn else 40)]
            order = list(proxies)
            r.shuffle(order)
            for name in order:
                server = proxies[name]
                before, begin = server.cpu(), time.perf_counter()
                asyncio.run(load(server.port, asked))
                if turn:
                    taken[name].append((server.cpu() - before) / n * 1000)
                    walls[name].append((time.perf_counter() - begin) / n * 1000)
        bare = taken["starlette"]
        result[what] = {
            name: {
                "cpu_ms": middle(figures),
                "spread": [min(figures), max(figures)],
                "ratio": middle(a / b for a, b in zip(figures, bare, strict=True)),
                "wall_ms": middle(walls[name]),
            }
            for name, figures in taken.items()
        }
    return result


def soak(server: Server, seed: int, total: int) -> dict[str, Any]:
    """Many different requests, one in ten a stream; memory after each fiftieth part of them."""
    r = random.Random(f"{seed} soak")
    step = max(20, total // 50)
    samples: list[tuple[int, float]] = [(0, server.resident())]
    while samples[-1][0] < total:
        asked = [request(r, r.random() < 0.1)[0] for _ in range(step)]
        asyncio.run(load(server.port, asked))
        samples.append((samples[-1][0] + step, server.resident()))
    settled = samples[len(samples) // 2 :]
    return {
        "requests": samples[-1][0],
        "first_mb": samples[0][1],
        "half_mb": settled[0][1],
        "last_mb": samples[-1][1],
        "slope_kb_per_1000": _slope(settled) * 1e6,
        "samples": samples,
    }


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares."""
    n = len(points)
    x0, y0 = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - x0) ** 2 for x, _ in points)
    return sum((x - x0) * (y - y0) for x, y in points) / spread if spread else 0.0


# -- the whole -----------------------------------------------------------------------------------------


def main() -> None:
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--soak", type=int, default=0, help="requests of the memory check (5000, quick 1000)")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between two events of a stream")
    args = parser.parse_args()
    quick = args.quick
    rounds = 3 if quick else 9
    counts = {"1 KB JSON": 150 if quick else 500, "53-event stream": 60 if quick else 200}
    if not quick:
        counts["1 KB JSON, clean"] = 500
    result: dict[str, Any] = {
        "machine": machine(),
        "versions": {
            n: version(n) or "not installed"
            for n in ("masquerade", "starlette", "aiohttp", "uvicorn", "uvloop")
        },
    }
    servers: list[Server] = []
    with tempfile.TemporaryDirectory() as home:
        try:
            upstream = Server("upstream", 0, args.pace, home=home)
            servers.append(upstream)
            proxies: dict[str, Server] = {}
            for name in PROXIES:
                proxies[name] = Server(name, upstream.port, home=home)
                servers.append(proxies[name])
            check(proxies, upstream)
            result["cost"] = costs(proxies, args.seed, rounds, counts)
            result["rss_mb"] = {name: server.resident() for name, server in proxies.items()}
            before = seen(upstream)
            result["soak"] = soak(proxies["masquerade"], args.seed, args.soak or (1000 if quick else 5000))
            after = seen(upstream)
            result["soak"]["seen_upstream"] = after["canaries"] - before["canaries"]
        finally:
            stop(server.process for server in servers)
    if args.json:
        dump(result)
    else:
        show(result)


def show(result: dict[str, Any]) -> None:
    """The same as tables."""
    console.print(" · ".join(f"{k} {v}" for k, v in result["machine"].items()))
    console.print(" · ".join(f"{k} {v}" for k, v in result["versions"].items()) + "\n")
    for what, rows in result["cost"].items():
        target = TARGETS.get(what)
        table(
            what,
            ["proxy, one worker", "CPU ms a request", "from", "to", "times bare", "wall ms", "RSS MB"],
            [
                [
                    PROXIES[name],
                    number(row["cpu_ms"]),
                    *map(number, row["spread"]),
                    f"{row['ratio']:.2f}",
                    number(row["wall_ms"]),
                    number(result["rss_mb"][name], 2),
                ]
                for name, row in rows.items()
            ],
            f"aim of the gateway: {target} ms where bare Starlette takes {0.33 if 'JSON' in what else 0.73}"
            if target
            else "",
        )
    flat = result["soak"]
    table(
        "Memory of the gateway",
        [
            "requests",
            "RSS MB before",
            "half way",
            "at the end",
            "KB more a 1,000 requests",
            "seen by the upstream",
        ],
        [
            [
                f"{flat['requests']:,}",
                *(number(flat[k], 4) for k in ("first_mb", "half_mb", "last_mb", "slope_kb_per_1000")),
                flat["seen_upstream"],
            ]
        ],
        "the slope is of the second half; the last column counts planted addresses that reached the upstream",
    )


if __name__ == "__main__":
    main()
