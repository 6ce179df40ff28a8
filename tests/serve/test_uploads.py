"""Files and batches by the official client, through a real gateway, to a provider that keeps what it got."""

from __future__ import annotations

import asyncio
import errno
import http.client
import io
import json
import resource
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from aiohttp import web
from gateway_rig import Gateway, Service, gateway
from openai import OpenAI

from masquerade.serve import mirror
from masquerade.serve.gateway import create_app
from masquerade.serve.multipart import Begin, Data, Multipart
from masquerade.serve.refusal import Refusal
from masquerade.serve.settings import Settings
from masquerade.serve.store import Store
from masquerade.serve.upstream import LocalReply, Mirror

EMAIL, OTHER, CARD = "ada.lovelace@example.com", "grace@example.org", "4111 1111 1111 1111"
TOLD = (EMAIL, OTHER, CARD, "Lovelace")


class Provider:
    """Files and batches, as the API reference tells of them; a batch is done at once."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.batches: dict[str, dict[str, Any]] = {}

    async def __call__(self, request: web.Request, body: bytes) -> web.StreamResponse:
        *_, what = request.path.split("/v1/", 1)
        parts = what.split("/")
        if parts[0] == "files" and request.method == "POST":
            return web.json_response(self.keep(*self.form(request, body)))
        if parts[0] == "files" and len(parts) == 1:
            return web.json_response({"object": "list", "data": [told for told, _ in self.files.values()]})
        if parts[0] in ("files", "batches") and len(parts) > 1:
            known: dict[str, Any] = self.files if parts[0] == "files" else self.batches
            if parts[1] not in known:
                return web.json_response({"error": {"message": "No such thing"}}, status=404)
        if parts[0] == "files" and parts[-1] == "content":
            return web.Response(body=self.files[parts[1]][1], content_type="application/octet-stream")
        if parts[0] == "files" and request.method == "DELETE":
            del self.files[parts[1]]
            return web.json_response({"id": parts[1], "object": "file", "deleted": True})
        if parts[0] == "files":
            return web.json_response(self.files[parts[1]][0])
        if request.method == "POST" and len(parts) == 1:
            return web.json_response(self.run(json.loads(body)))
        if len(parts) == 1:
            return web.json_response({"object": "list", "data": [*self.batches.values()], "has_more": False})
        return web.json_response(self.batches[parts[1]])

    def form(self, request: web.Request, body: bytes) -> tuple[str, str, bytes]:
        form = Multipart(request.headers["content-type"].encode())
        fields: dict[str, bytes] = {}
        name = filename = ""
        for event in form.feed(body):
            if isinstance(event, Begin):
                name, filename = event.name, event.filename or filename
                fields[name] = b""
            elif isinstance(event, Data):
                fields[name] += event.data
        form.finish()
        return fields["purpose"].decode(), filename, fields["file"]

    def keep(self, purpose: str, filename: str, data: bytes) -> dict[str, Any]:
        told = {
            "id": f"file-{len(self.files):04}",
            "object": "file",
            "bytes": len(data),
            "created_at": 1,
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        self.files[str(told["id"])] = (told, data)
        return told

    def run(self, asked: dict[str, Any]) -> dict[str, Any]:
        out = []
        for line in self.files[asked["input_file_id"]][1].splitlines():
            each = json.loads(line)
            body = json.loads(b"".join(mirror.answer(json.dumps(each["body"]).encode()).pieces))
            response = {"status_code": 200, "request_id": "r", "body": body}
            told = {"id": "b", "custom_id": each["custom_id"], "response": response, "error": None}
            out.append(json.dumps(told, ensure_ascii=False).encode())
        kept = self.keep("batch_output", "out.jsonl", b"\n".join(out) + b"\n")
        batch = {
            "id": f"batch_{len(self.batches)}",
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": "24h",
            "status": "completed",
            "created_at": 1,
            "output_file_id": kept["id"],
            "metadata": asked.get("metadata"),
        }
        self.batches[str(batch["id"])] = batch
        return batch


@pytest.fixture
def provider(upstream: Service) -> Iterator[Provider]:
    made = Provider()
    upstream.reset()
    upstream.behave = made
    yield made
    for value in TOLD:
        assert value.encode() not in upstream.everything


@pytest.fixture(scope="module")
def shared(upstream: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("home"), upstream=upstream.url, max_body=1 << 20) as running:
        yield running


@pytest.fixture
def client(shared: Gateway, provider: Provider) -> Iterator[OpenAI]:
    with OpenAI(base_url=shared.base, api_key="sk-test", max_retries=0) as made:
        yield made


def request(i: int, content: str, **fields: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **fields}
    return {"custom_id": f"request-{i}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(*lines: Any) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def test_a_batch_goes_out_masked_and_comes_back_whole(client: OpenAI, provider: Provider) -> None:
    data = jsonl(
        request(0, f"Mail {EMAIL}"),
        {**request(1, f"{OTHER}，亲爱的"), "custom_id": f"for {EMAIL}"},
        request(2, "nothing"),
        request(3, f"card {CARD}"),
    )
    file = client.files.create(file=("Ada Lovelace.jsonl", data), purpose="batch")
    assert file.filename == "Ada Lovelace.jsonl"
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h",
        metadata={"owner": EMAIL},
    )  # fmt: skip
    assert batch.metadata == {"owner": EMAIL}
    done = client.batches.retrieve(batch.id)
    assert done.output_file_id is not None
    lines = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert [line["custom_id"] for line in lines] == ["request-0", f"for {EMAIL}", "request-2", "request-3"]
    said = [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines]
    assert f"Mail {EMAIL}" in said[0] and OTHER in said[1] and "CREDIT_CARD_REDACTED" in said[3]
    first, *_ = client.files.content(file.id).text.splitlines()
    assert json.loads(first) == request(0, f"Mail {EMAIL}")
    assert client.files.retrieve(file.id).filename == "Ada Lovelace.jsonl"
    assert any(each.filename == "Ada Lovelace.jsonl" for each in client.files.list())
    assert client.batches.list().data[0].metadata == {"owner": EMAIL}
    assert client.files.delete(file.id).deleted


def test_another_account_restores_nothing(client: OpenAI, shared: Gateway) -> None:
    file = client.files.create(file=("a.jsonl", jsonl(request(0, f"Mail {EMAIL}"))), purpose="batch")
    with OpenAI(base_url=shared.base, api_key="sk-other", max_retries=0) as other:
        assert EMAIL not in other.files.content(file.id).text


def test_training_examples_and_texts(client: OpenAI, provider: Provider) -> None:
    example = {"messages": [{"role": "user", "content": EMAIL}, {"role": "assistant", "content": "ok"}]}
    kept = client.files.create(file=("a.jsonl", jsonl(example)), purpose="fine-tune")
    assert client.files.content(kept.id).text == jsonl(example).decode().replace(" ", "")
    text = f"Dear Ms. Lovelace,\nwrite to {EMAIL}.\n"
    kept = client.files.create(file=("letter.txt", text.encode()), purpose="assistants")
    assert client.files.content(kept.id).text == text


@pytest.mark.parametrize(
    ("name", "data", "purpose", "where"),
    [
        (
            "a.jsonl",
            jsonl(request(0, "ok"), request(1, "x", audio={"voice": "v"})),
            "batch",
            "line 2: body.audio",
        ),
        ("a.jsonl", b"{\n", "batch", "line 1"),
        ("a.pdf", b"%PDF", "user_data", "file"),
        ("a.png", b"\x89PNG", "vision", "purpose"),
        ("a.txt", b"\xff\xfe", "user_data", "file"),
        ("a.txt", f"Mail {EMAIL}".encode("utf-16-le"), "user_data", "file"),
        (f"{CARD}.jsonl", b"", "batch", "file"),
        ("a.jsonl", b"x" * (1 << 20) + b"xx", "batch", "file"),
    ],
)
def test_what_cannot_be_masked_is_not_sent(
    client: OpenAI, provider: Provider, upstream: Service, name: str, data: bytes, purpose: Any, where: str
) -> None:
    with pytest.raises(openai.BadRequestError) as problem:
        client.files.create(file=(name, data), purpose=purpose)
    assert problem.value.param == where
    assert not upstream.requests and not provider.files


def test_a_form_must_say_what_for_first(shared: Gateway, provider: Provider) -> None:
    answer = httpx.post(shared.base + "/files", files={"file": ("a.jsonl", b"{}")}, trust_env=False)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "purpose"


def test_a_large_file_takes_no_memory(
    shared: Gateway, client: OpenAI, provider: Provider, tmp_path: Path
) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        for i in range(20_000):
            file.write(jsonl(request(i, f"user{i}@example.com wrote: " + "plain words and more. " * 40)))
    before = resident(shared)
    with path.open("rb") as file:
        kept = client.files.create(file=file, purpose="batch")
    assert resident(shared) - before < 40
    back = tmp_path / "back.jsonl"
    with client.files.with_streaming_response.content(kept.id) as answer:
        answer.stream_to_file(back)
    assert resident(shared) - before < 60
    with path.open("rb") as one, back.open("rb") as two:
        for i, (sent, came) in enumerate(zip(one, two, strict=True)):
            if i % 997 == 0:
                assert json.loads(sent) == json.loads(came)


def resident(running: Gateway) -> float:
    """MB."""
    pages = int(Path(f"/proc/{running.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def test_a_store_that_is_not_there_sends_nothing(
    upstream: Service, provider: Provider, tmp_path: Path
) -> None:
    with gateway(tmp_path / "home", upstream=upstream.url, store="redis://127.0.0.1:1/0") as running:
        answer = httpx.post(
            running.base + "/files", data={"purpose": "batch"}, trust_env=False,
            files={"file": ("a.jsonl", jsonl(request(0, f"Mail {EMAIL}")))},
        )  # fmt: skip
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "store_unavailable"
        assert not upstream.requests
        upstream.behave = None
        assert EMAIL in running.chat(f"Mail {EMAIL}").content  # what needs no store goes on


@pytest.mark.parametrize(
    ("way", "where"),
    [
        (("GET", "/v1/files/file-4111111111111111"), "id"),
        (("DELETE", "/v1/files/4111111111111111"), "id"),
        (("GET", "/v1/files/4111-1111-1111-1111/content"), "id"),
        (("POST", "/v1/batches/4111111111111111/cancel"), "id"),
        (("GET", "/v1/files?after=4111111111111111"), "after"),
        (("GET", "/v1/responses/4111111111111111"), "id"),
        (("GET", "/v1/responses/resp_1?include=4111-1111-1111-1111"), "include"),
        (("GET", "/v1/conversations/conv_1/items/4111111111111111"), "id"),
    ],
)
def test_an_address_that_holds_a_value_is_not_asked_for(
    shared: Gateway, provider: Provider, upstream: Service, way: tuple[str, str], where: str
) -> None:
    answer = shared.request(*way)
    assert answer.status == 400 and answer.error["param"] == where
    assert b"4111" not in answer.body and not upstream.requests


@pytest.mark.parametrize("name", ["openai-organization", "openai-project", "openai-beta"])
def test_a_header_that_holds_a_value_is_not_passed(
    shared: Gateway, provider: Provider, upstream: Service, name: str
) -> None:
    answer = shared.chat("hello", {name: "a, 4111 1111 1111 1111"})
    assert answer.status == 400 and answer.error["param"] == name
    assert not upstream.requests


def test_an_id_has_no_backslash(shared: Gateway, provider: Provider, upstream: Service) -> None:
    assert shared.get("/v1/files/a%5Cb/content").status == 404
    assert not upstream.requests


def test_a_part_that_is_encoded_is_not_sent(shared: Gateway, provider: Provider, upstream: Service) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\nYWRhLmxvdmVsYWNlQGV4YW1wbGUuY29t\r\n--b--\r\n"
    )
    answer = shared.request("POST", "/v1/files", body, {"content-type": "multipart/form-data; boundary=b"})
    assert answer.status == 400 and not upstream.requests


def entries(home: Path) -> int:
    with sqlite3.connect(home / "store.db") as db:
        return int(db.execute("SELECT count(*) FROM entry").fetchone()[0])


MANY = jsonl(*(request(i, f"user{i}@example.com") for i in range(2500)))


def test_an_upload_that_was_not_sent_leaves_nothing_in_the_store(
    upstream: Service, provider: Provider, tmp_path: Path
) -> None:
    with gateway(tmp_path, upstream=upstream.url) as running:
        files = {"file": ("a.jsonl", MANY + b"{\n")}
        told = httpx.post(running.base + "/files", data={"purpose": "batch"}, files=files, trust_env=False)
        assert told.status_code == 400
        assert entries(tmp_path) == 0
        asked = httpx.Request(
            "POST", running.base, data={"purpose": "batch"}, files={"file": ("a.jsonl", MANY)}
        )
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        connection.putrequest("POST", "/v1/files")
        connection.putheader("content-type", asked.headers["content-type"])
        connection.putheader("content-length", "9000000")
        connection.endheaders(asked.read())
        until = time.monotonic() + 20
        while entries(tmp_path) == 0 and time.monotonic() < until:
            time.sleep(0.05)
        assert entries(tmp_path) > 0
        connection.close()
        while entries(tmp_path) and time.monotonic() < until:
            time.sleep(0.05)
        assert entries(tmp_path) == 0
        assert not upstream.requests


def test_the_store_is_never_waited_for_by_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path))
    app = create_app(Settings(no_watch=True, store=str(tmp_path / "store.db")))
    seen: list[bool] = []
    opened = app._uploads._store

    def store() -> Store:
        seen.append(threading.current_thread() is threading.main_thread())
        return opened()

    answers = [
        LocalReply(
            mirror.Answer(200, "application/json", [b'{"id":"file-1","note":"[EMAIL_AAAAAAAAAAAA]"}'])
        ),
        LocalReply(mirror.Answer(200, "application/json", [b'{"id":"batch_1"}'])),
        LocalReply(mirror.Answer(400, "application/json", [b'{"error":"about [EMAIL_AAAAAAAAAAAA]"}'])),
    ]

    class One(Mirror):
        async def send(self, *told: Any) -> Any:
            return answers.pop(0)

    app._uploads._store, app._uploads._upstreams = store, {"openai": One()}
    form = httpx.Request(
        "POST", "http://x", data={"purpose": "batch"}, files={"file": ("a", jsonl(request(0, EMAIL)))}
    )
    told = json.dumps({"metadata": {"owner": EMAIL}}).encode()
    assert asyncio.run(asked(app, "/v1/files", form.read(), form.headers["content-type"])) == 200
    assert asyncio.run(asked(app, "/v1/batches", told, "application/json")) == 200
    assert asyncio.run(asked(app, "/v1/batches", told, "application/json")) == 400
    assert seen and not any(seen)


async def asked(app: Any, path: str, body: bytes, kind: str) -> int:
    """The status of an answer by the application itself, in this process."""
    sent: list[dict[str, Any]] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.sleep(60)
        return parts.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-type", kind.encode()), (b"host", b"localhost")]
    await app({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
    return int(sent[0]["status"])


def test_uploads_share_a_disk_that_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path))
    app = create_app(Settings(no_watch=True, max_upload=1000))
    uploads = app._uploads
    with uploads._share() as one, uploads._share() as other:
        one(3000)
        other(1000)
        with pytest.raises(Refusal) as problem:
            other(1001)
        assert problem.value.status == 503
    assert uploads._spooled == 0


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path))
    app = create_app(Settings(no_watch=True, store=str(tmp_path / "store.db")))
    form = httpx.Request(
        "POST", "http://x", data={"purpose": "batch"}, files={"file": ("a", jsonl(request(0, "x")))}
    )

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **told: Full())
    assert asyncio.run(asked(app, "/v1/files", form.read(), form.headers["content-type"])) == 503
    assert app._uploads._spooled == 0
