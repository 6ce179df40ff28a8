"""What must outlast a request is gone, or finds no room: for requests that need it, and those that do not."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from gateway_rig import Answer, Gateway, gateway
from redis_rig import Redis
from rough import Right, Rough, Step, right, rough
from test_faults import EMAIL, ask, whole

TEXT = f"Write to {EMAIL}."


@pytest.fixture(scope="module")
def service() -> Iterator[Rough]:
    with rough() as running:
        yield running


@pytest.fixture(autouse=True)
def files(service: Rough) -> Iterator[Rough]:
    service.reset()
    service.script = keeping
    yield service
    assert EMAIL.encode() not in service.heard


KEPT: list[bytes] = []


def keeping(it: Right) -> Sequence[Step]:
    """Keeps a file, and gives it back."""
    if b"multipart" not in it.asked and b'name="file"' not in it.asked:
        if it.asked:
            return right(it)
        return [it.head(len(KEPT[-1]), kind="application/octet-stream") + KEPT[-1]]
    KEPT.append(it.asked.split(b"\r\n\r\n")[-1].partition(b"\r\n--")[0])
    body = json.dumps({"id": f"file-{len(KEPT)}", "object": "file"}).encode()
    return [it.head(len(body), kind="application/json") + body]


def upload(running: Gateway, text: str = TEXT) -> Answer:
    fields = {"purpose": "user_data", 'file"; filename="a.txt': text}
    parts = "".join(
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    kind = {"content-type": "multipart/form-data; boundary=b"}
    return running.request("POST", "/v1/files", f"{parts}--b--\r\n".encode(), kind)


def download(running: Gateway) -> Answer:
    return running.get(f"/v1/files/file-{len(KEPT)}/content")


def refused(running: Gateway, service: Rough, text: str = TEXT) -> None:
    """What needs the store is refused, and what does not goes on."""
    before = service.requests
    answer = upload(running, text)
    assert (answer.status, answer.error["code"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert "store" not in answer.error["message"], "a client is not told where it lies"
    assert service.requests == before, "nothing was sent"
    assert whole("chat", ask(running, "chat"))
    assert running.logged(answer.headers["x-masquerade-request"])["error"] == "store_unavailable"


def clean(running: Gateway) -> None:
    told = running.log_path.read_text() + running.get("/metrics").body.decode()
    assert EMAIL not in told
    assert not [line for line in running.log() if "failed" in line or "level" in line], "a fault of ours"


def test_redis_is_gone_for_a_while(service: Rough, redis: Redis, tmp_path: Path) -> None:
    with gateway(tmp_path, upstream=service.address, store=redis.url) as running:
        assert upload(running).status == 200
        assert download(running).body.decode() == TEXT
        redis.kill()
        refused(running, service)
        answer = download(running)
        assert (answer.status, answer.error["code"]) == (503, "store_unavailable")
        redis.start()
        assert download(running).body.decode() == TEXT, "what was promised is kept"
        assert upload(running).status == 200
        assert download(running).body.decode() == TEXT
        clean(running)


def test_the_file_is_removed_and_put_back(service: Rough, tmp_path: Path) -> None:
    with gateway(tmp_path, upstream=service.address) as running:
        assert upload(running).status == 200
        files = list(tmp_path.glob("store.db*"))
        for each in files:
            each.rename(each.with_name(f"away-{each.name}"))
        refused(running, service)
        assert download(running).status == 503
        clean(running)
        for each in files:
            each.with_name(f"away-{each.name}").rename(each)
        assert download(running).body.decode() == TEXT, "what was promised is kept"
        assert upload(running).status == 200


@pytest.mark.parametrize("room", [0, 20_000, 100_000], ids=["for no file", "for the file", "almost"])
def test_the_disk_is_full(service: Rough, tmp_path: Path, room: int) -> None:
    """The log lies on it too, and says no more; requests go on."""
    many = " ".join(f"a{n}.b@example.com" for n in range(400))
    with gateway(tmp_path, upstream=service.address) as running:
        assert upload(running).status == 200
        limit(running, room)
        before = service.requests
        answer = upload(running, many)
        assert (answer.status, answer.error["code"]) == (503, "store_unavailable")
        assert service.requests == before, "nothing was sent"
        assert whole("chat", ask(running, "chat"))
        assert download(running).body.decode() == TEXT, "what was promised is kept"
        limit(running, resource.RLIM_INFINITY)
        assert upload(running, many).status == 200
        assert download(running).body.decode() == many
        clean(running)


def limit(running: Gateway, size: int) -> None:
    """From now on no file of this gateway grows beyond ``size`` bytes."""
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
