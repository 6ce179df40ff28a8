"""The mailbox: what it keeps, for how long, and what it refuses."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from masquerade.serve.mailbox import _KEPT, Limits, Mailbox, Refused, Store

ROOM, BOX, NAME = "0" * 32, "1" * 32, "2" * 32


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def leave(store: Store, message: bytes, name: str = NAME, room: str = ROOM, box: str = BOX) -> bool:
    store.reserve(len(message))
    kept = False
    try:
        kept = store.put(room, box, name, message)
    finally:
        if not kept:
            store.release(len(message))
    return kept


def test_messages_come_out_in_the_order_in_which_they_came() -> None:
    store = Store(Limits())
    for i in range(3):
        assert leave(store, b"%d" % i, name=f"{i:032x}")
    got = [asyncio.run(store.get(ROOM, BOX, i, 0)) for i in range(4)]
    assert got == [b"0", b"1", b"2", None]
    assert asyncio.run(store.get(ROOM, "f" * 32, 0, 0)) is None
    assert asyncio.run(store.get("f" * 32, BOX, 0, 0)) is None


def test_a_second_message_of_a_name_must_be_the_same() -> None:
    store = Store(Limits())
    assert leave(store, b"one")
    assert not leave(store, b"one")
    with pytest.raises(Refused, match="new session") as caught:
        leave(store, b"two")
    assert caught.value.status == 409
    assert store.bytes == 3 + _KEPT


def test_sizes_counts_and_lifetimes_are_bounded() -> None:
    clock = Clock()
    store = Store(Limits(message=10, total=25 + 3 * _KEPT, rooms=2, messages=2, lifetime=60), clock)
    for size, status in ((11, 413), (1 << 62, 413)):
        with pytest.raises(Refused) as caught:
            store.reserve(size)
        assert caught.value.status == status
    leave(store, b"x" * 10, "a" * 32)
    leave(store, b"y" * 10, "b" * 32)
    for message, name, room in ((b"z", "c" * 32, ROOM), (b"z" * 6, NAME, "1" * 32)):
        with pytest.raises(Refused) as caught:
            leave(store, message, name, room)
        assert caught.value.status == 507
    leave(store, b"z", NAME, "1" * 32)
    with pytest.raises(Refused, match="no room left"):
        store.put("2" * 32, BOX, NAME, b"z")
    assert store.bytes == 21 + 3 * _KEPT
    clock.now = 61.0
    leave(store, b"z", NAME, "2" * 32)
    assert store.bytes == 1 + _KEPT
    assert asyncio.run(store.get(ROOM, BOX, 0, 0)) is None


@pytest.mark.parametrize(("at", "elsewhere"), [(1, {"box": "5" * 32}), (0, {"room": "7" * 32})])
def test_who_waits_is_told_when_a_message_comes(at: int, elsewhere: dict[str, str]) -> None:
    """Into this box, even if it opens the room, and into no other."""

    async def both() -> bytes | None:
        store = Store(Limits())
        for i in range(at):
            leave(store, b"before", name=f"{i:032x}")
        waiting = asyncio.create_task(store.get(ROOM, BOX, at, 20))
        await asyncio.sleep(0.01)
        leave(store, b"elsewhere", name="4" * 32, **elsewhere)
        await asyncio.sleep(0.01)
        assert not waiting.done()
        leave(store, b"waited for")
        return await waiting

    assert asyncio.run(both()) == b"waited for"


# -- over ASGI -------------------------------------------------------------------------------------------


def ask(
    app: Mailbox,
    method: str,
    path: str,
    body: bytes = b"",
    query: str = "",
    length: str | None = None,
    parts: int = 1,
) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []
    size = max(1, -(-len(body) // parts))
    events = [
        {"type": "http.request", "body": body[i * size : (i + 1) * size], "more_body": i + 1 < parts}
        for i in range(parts)
    ]

    async def receive() -> dict[str, Any]:
        if not events:
            await asyncio.sleep(60)  # the client stays, and says nothing more
        return events.pop(0)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    headers = [] if length == "" else [(b"content-length", (length or str(len(body))).encode())]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": headers,
    }
    asyncio.run(app(scope, receive, send))
    assert [event.get("more_body", False) for event in sent[1:]] == [True] * (len(sent) - 2) + [False]
    return sent[0]["status"], b"".join(event["body"] for event in sent[1:])


def test_a_message_is_left_and_taken() -> None:
    app = Mailbox()
    path = f"/v1/{ROOM}/{BOX}"
    assert ask(app, "PUT", f"{path}/{NAME}", b"sealed bytes", parts=4) == (201, b"")
    assert ask(app, "PUT", f"{path}/{NAME}", b"sealed bytes") == (200, b"")
    assert ask(app, "PUT", f"{path}/{NAME}", b"other")[0] == 409
    assert ask(app, "GET", path) == (200, b"sealed bytes")
    assert ask(app, "GET", path, query="at=0&wait=0.01") == (200, b"sealed bytes")
    assert ask(app, "GET", path, query="at=1&wait=0.01") == (204, b"")
    assert ask(app, "GET", "/healthz") == (200, b"")
    assert app.store.bytes == len(b"sealed bytes") + _KEPT


def test_empty_messages_count_too() -> None:
    """What keeping one costs is in the limit of bytes: 10^7 empty ones would take 4 GB otherwise."""
    store = Store(Limits(total=100 * _KEPT))
    for i in range(100):
        assert leave(store, b"", name=f"{i:032x}", box=f"{i:032x}")
    with pytest.raises(Refused, match="full"):
        leave(store, b"", name="f" * 32)
    tracemalloc.start()
    try:
        store = Store(Limits())
        for i in range(2000):
            leave(store, b"", name=f"{i:032x}", box=f"{i:032x}")
        assert tracemalloc.get_traced_memory()[0] < store.bytes
    finally:
        tracemalloc.stop()


def test_who_does_not_read_fills_no_memory() -> None:
    """A large message goes out in pieces, each when the connection has taken the one before."""
    message = bytes(range(256)) * 4096
    app = Mailbox()
    path = f"/v1/{ROOM}/{BOX}"
    assert ask(app, "PUT", f"{path}/{NAME}", message)[0] == 201
    assert ask(app, "GET", path) == (200, message)

    async def stuck() -> int:
        given = 0

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(event: dict[str, Any]) -> None:
            nonlocal given
            given += len(event.get("body", b""))
            if given:
                await asyncio.sleep(60)

        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        async with asyncio.timeout(20):
            await app(scope, receive, send)
        return given

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("masquerade.serve.mailbox._SEND_SECONDS", 0.05)
        assert 0 < asyncio.run(stuck()) <= 1 << 16


def test_who_hangs_up_is_waited_for_no_longer() -> None:
    async def hang_up() -> int:
        events = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return events.pop(0)

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = {"type": "http", "method": "GET", "path": f"/v1/{ROOM}/{BOX}", "headers": []}
        async with asyncio.timeout(5):
            await Mailbox()(scope | {"query_string": b"wait=30"}, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(hang_up()) == 204


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/v1/../../etc/passwd", {}, 404),
        ("GET", f"/v1/{ROOM}", {}, 404),
        ("GET", f"/v1/{ROOM.replace('0', 'G')}/{BOX}", {}, 404),
        ("GET", f"/v1/{ROOM}/{BOX}/{NAME}", {}, 405),
        ("DELETE", f"/v1/{ROOM}/{BOX}", {}, 405),
        ("PUT", f"/v1/{ROOM}/{BOX}", {}, 405),
        ("GET", f"/v1/{ROOM}/{BOX}", {"query": "at=-1"}, 400),
        ("GET", f"/v1/{ROOM}/{BOX}", {"query": "at=1&wait=1e9"}, 400),
        ("GET", f"/v1/{ROOM}/{BOX}", {"query": "wait=nan"}, 400),
        ("PUT", f"/v1/{ROOM}/{BOX}/{NAME}", {"length": ""}, 411),
        ("PUT", f"/v1/{ROOM}/{BOX}/{NAME}", {"length": "-5"}, 411),
        ("PUT", f"/v1/{ROOM}/{BOX}/{NAME}", {"body": b"abc", "length": "2"}, 400),
        ("PUT", f"/v1/{ROOM}/{BOX}/{NAME}", {"body": b"abc", "length": "4"}, 400),
        ("PUT", f"/v1/{ROOM}/{BOX}/{NAME}", {"length": "9" * 30}, 413),
    ],
)
def test_what_is_refused_leaves_nothing(method: str, path: str, more: dict[str, Any], status: int) -> None:
    app = Mailbox()
    assert ask(app, method, path, **more)[0] == status
    assert app.store.bytes == 0
    assert not app.store._rooms
