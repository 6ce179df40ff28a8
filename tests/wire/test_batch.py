"""Lines of files of requests and replies: what goes out, what comes back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from masquerade import Fate, Key, Masker, Policy
from masquerade.errors import BadInput, Blocked
from masquerade.mask.surrogate import Surrogate
from masquerade.wire.batch import masked_example, masked_request, restored_line
from masquerade.wire.openai import CHAT

EMAIL, OTHER = "ada@example.org", 'o"brien@example.com'
ENDPOINTS = {"/v1/chat/completions": CHAT}
MASKER = Masker(Key.generate())


def line(**fields: Any) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": f"Mail {EMAIL}."}]}
    told = {"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": body, **fields}
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


class Book:
    """What was remembered, by needle."""

    def __init__(self, surrogates: Sequence[Surrogate]) -> None:
        self.known = list(surrogates)

    def __call__(self, needles: Sequence[str]) -> list[Surrogate]:
        return [each for each in self.known if each.needle in needles]


def reply(content: str, custom_id: str = "request-1") -> bytes:
    body = {"object": "chat.completion", "choices": [{"index": 0, "message": {"content": content}}]}
    told = {"id": "r", "custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None}
    return json.dumps(told, ensure_ascii=False).encode()


def content(line: bytes) -> str:
    return str(json.loads(line)["response"]["body"]["choices"][0]["message"]["content"])


def test_a_line_is_masked_and_its_reply_comes_back() -> None:
    masked = masked_request(line(), 1, MASKER, ENDPOINTS)
    assert EMAIL.encode() not in masked.data
    assert masked.counts == {"EMAIL": {"token": 1}}
    sent = json.loads(masked.data)
    assert sent["custom_id"] == "request-1"
    token = sent["body"]["messages"][0]["content"].removeprefix("Mail ").removesuffix(".")
    back = restored_line(reply(f"Wrote to **{token}**."), Book(masked.surrogates), CHAT.written)
    assert content(back) == f"Wrote to **{EMAIL}**."


def test_a_custom_id_that_tells_comes_back_exactly() -> None:
    masked = masked_request(line(custom_id=f"job {EMAIL}"), 1, MASKER, ENDPOINTS)
    sent = json.loads(masked.data)["custom_id"]
    assert EMAIL not in sent
    back = restored_line(reply("ok", sent), Book(masked.surrogates), CHAT.written)
    assert json.loads(back)["custom_id"] == f"job {EMAIL}"


def test_json_in_a_reply_stays_json() -> None:
    masked = masked_request(line(custom_id=f"for {OTHER}"), 1, MASKER, ENDPOINTS)
    (token,) = [each.text for each in masked.surrogates if each.original in OTHER and each.original != EMAIL]
    back = restored_line(reply(json.dumps({"to": token})), Book(masked.surrogates), CHAT.written)
    json.loads(content(back))


def test_what_nobody_remembers_keeps_its_bytes() -> None:
    whole = reply("[EMAIL_K7Q2M9X4RT] 你好")
    assert restored_line(whole, Book([]), CHAT.written) == whole


def test_a_needle_that_stands_for_two_tells_neither() -> None:
    (one,) = masked_request(line(), 1, MASKER, ENDPOINTS).surrogates
    two = one._replace(original="eve@example.org")
    whole = reply(one.text)
    assert restored_line(whole, Book([one, two]), CHAT.written) == whole


def test_text_that_is_no_json_is_restored_as_text() -> None:
    (one,) = masked_request(line(), 1, MASKER, ENDPOINTS).surrogates
    told = b"\xff to " + one.text.encode()
    assert restored_line(told, Book([one]), CHAT.written) == b"\xff to " + EMAIL.encode()


@pytest.mark.parametrize(
    ("told", "where"),
    [
        (b"{", "line 7"),
        (b"[]", "line 7"),
        (line(url="/v1/unknown"), "line 7: url"),
        (line(url=None), "line 7: url"),
        (line(url=["/v1/chat/completions"]), "line 7: url"),
        (line(body="hello"), "line 7"),
        (line(custom_id=None), "line 7"),
        (line(method="GET"), "line 7: method"),
        (line(more="canary"), "line 7"),
        (line(body={"messages": []}), "line 7: body.messages"),
        (line(custom_id="card 4111 1111 1111 1111"), "line 7: custom_id"),
    ],
)
def test_what_cannot_be_masked_is_refused_with_its_line(told: bytes, where: str) -> None:
    with pytest.raises(BadInput) as problem:
        masked_request(told, 7, MASKER, ENDPOINTS)
    assert problem.value.source == where
    assert "canary" not in str(problem.value) and "4111" not in str(problem.value)


def test_a_policy_blocks_a_line() -> None:
    blocking = Masker(Key.generate(), Policy(fates={"EMAIL": Fate.BLOCK}))
    with pytest.raises(Blocked):
        masked_request(line(), 1, blocking, ENDPOINTS)


@pytest.mark.parametrize(
    "told",
    [
        {"messages": [{"role": "user", "content": EMAIL}, {"role": "assistant", "content": "ok"}]},
        {"prompt": EMAIL, "completion": "x"},
        {"input": {"messages": [{"role": "user", "content": EMAIL}]}, "preferred_output": []},
    ],
)
def test_training_examples_are_masked_whatever_their_shape(told: dict[str, Any]) -> None:
    masked = masked_example(json.dumps(told).encode(), 1, MASKER)
    assert EMAIL.encode() not in masked.data
    assert json.loads(masked.data).keys() == told.keys()
