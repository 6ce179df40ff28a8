"""``masquerade verify``: what it plants, what it sees, and that a weak policy is told from a good one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masquerade import Key, Masker, Policy
from masquerade.errors import BadInput, EngineProblem
from masquerade.mask.span import KINDS
from masquerade.serve import verify
from masquerade.serve.canaries import CANARIES, Canary, got_through, not_planted, planted
from masquerade.serve.gateway import ENDPOINTS
from masquerade.serve.planting import base, fields, requests
from masquerade.serve.settings import Settings
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.rules import DEEP, PASS, TEXT

KEY = Key.generate()

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker(KEY)


# What is planted


def test_every_kind_is_planted_in_both_languages() -> None:
    found = {(canary.kind, canary.language) for canary in CANARIES}
    assert found == {(kind, language) for kind in KINDS for language in ("en", "zh")}


def test_no_canary_is_taken_for_another() -> None:
    for one in CANARIES:
        for other in (each for each in CANARIES if each.language == one.language):
            words = [other.before, other.after, other.field]
            assert not got_through(one, words)
            if one.value != other.value:
                assert not got_through(one, [other.value])


@pytest.mark.parametrize("canary", CANARIES, ids=lambda c: f"{c.kind}-{c.language}")
def test_the_policy_that_is_built_in_covers_it(masker: Masker, canary: Canary) -> None:
    assert not got_through(canary, [masker.mask(canary.text).text])
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "x": {canary.field: canary.value}}
    sent = Exchange(masker, json.dumps(asked).encode()).request.decode()
    assert not got_through(canary, [sent])


@pytest.mark.parametrize(
    ("text", "through"),
    [
        ("call +1 (212) 555-0143 now", True),
        ("call 212.555.0143", True),
        ("call 2125550143", True),
        ("call 2 1 2 5 5 5 [PHONE_X]", True),  # most of it, from its beginning
        ("call [PHONE_X]5550143", True),  # or to its end
        ("call [PHONE_X]0143", False),
        ("call [PHONE_ABCDEFGHJK]", False),
    ],
)
def test_what_got_through_is_seen_however_it_is_written(text: str, through: bool) -> None:
    canary = next(c for c in CANARIES if c.kind == "PHONE")
    assert got_through(canary, [text]) is through


def test_words_of_the_policy_are_planted_too() -> None:
    policy = Policy.parse(
        "version = 1\n[[deny]]\nkind = 'PROJECT'\nwords = ['Blue Canary', 'x']\n"
        "[[pattern]]\nkind = 'STAFF_ID'\nexpression = 'E-[0-9]{6}'\n"
    )
    (own,) = [canary for canary in planted(policy) if canary.language == "own"]
    assert (own.kind, own.value) == ("PROJECT", "Blue Canary")
    assert not_planted(policy) == ("STAFF_ID",)


@pytest.mark.parametrize("path", sorted(ENDPOINTS))
def test_every_field_of_every_endpoint_takes_its_canaries(masker: Masker, path: str) -> None:
    """Built from the tables alone, and taken by the gateway's own reading of them."""
    endpoint = ENDPOINTS[path]
    alias = alias_under(KEY.tenant("default"))
    found = fields(endpoint)
    assert len({field.path for field in found}) == len(found)
    named = {name for name, rule in endpoint.request.items() if rule in (TEXT, DEEP)}
    assert named <= {field.path[0] for field in found}
    canaries = [canary for canary in CANARIES if canary.kind in ("EMAIL", "PHONE")]
    refusals = []
    for field in found:
        for _, body in requests(endpoint, field, canaries, stream=False):
            planted_there = verify.Seen("", body, "").texts
            assert all(got_through(canary, planted_there) for canary in canaries), field.name
            try:
                sent = Exchange(masker, body, endpoint, alias=alias).request.decode()
            except BadInput as problem:
                refusals.append((field.name, str(problem)))
                continue
            assert not any(got_through(canary, [sent]) for canary in canaries), field.name
    media = getattr(endpoint, "media", "")
    # Some names lead to what a service keeps, and a sentence leads nowhere.
    names = {field.name for field in found if field.rule is PASS}
    assert media or {name for name, _ in refusals} <= names


@pytest.mark.parametrize("path", sorted(ENDPOINTS))
def test_a_request_without_canaries_is_one(masker: Masker, path: str) -> None:
    asked = json.dumps(base(ENDPOINTS[path])).encode()
    assert Exchange(masker, asked, ENDPOINTS[path]).counts == {}


def test_texts_are_read_at_every_depth() -> None:
    inner = json.dumps({"手机": "13800138000", "n": 42})
    body = json.dumps({"a": [{"b": inner}], "c": json.dumps([json.dumps({"d": "深"})])})
    found = verify.Seen("head", body.encode(), "").texts
    assert {"手机", "13800138000", "42", "深", "head"} <= set(found)


# Runs


def told(run: Run, *args: str) -> tuple[int, dict[str, Any]]:
    ran = run("verify", "--json", *args)
    return ran.code, json.loads(ran.out)


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], str]:
    def written(text: str) -> str:
        path = tmp_path / "policy.toml"
        path.write_text("version = 1\n" + text)
        return str(path)

    return written


def test_with_the_built_in_policy_nothing_gets_through(run: Run, home: Path) -> None:
    code, report = told(run)
    assert (code, report["ok"]) == (0, True)
    assert report["kinds"].keys() == KINDS.keys()
    for kind, row in report["kinds"].items():
        assert row.keys() == {endpoint.name for endpoint in ENDPOINTS.values()}, kind
        for counts in row.values():
            assert counts.keys() <= {"masked", "refused"}
    assert report["got_through"] == report["failed"] == report["unreached"] == []
    assert report["replies"]["whole"]["chat"] >= 50
    assert report["replies"]["broken"] == {}
    assert not (home / "key").exists()  # the user's key has nothing to do with it


def test_a_threshold_that_lets_a_kind_through_is_caught(run: Run, home: Path, policy: Any) -> None:
    code, report = told(run, "--policy", policy("[thresholds]\nPHONE = 0.9\n"), "--endpoint", "chat")
    assert (code, report["ok"]) == (1, False)
    assert {each["kind"] for each in report["got_through"]} == {"PHONE"}
    fields_told = {each["field"] for each in report["got_through"]}
    assert {"messages[].content", "messages[].tool_calls[].function.arguments"} <= fields_told
    assert {each["stream"] for each in report["got_through"]} == {True, False}


def test_an_allowed_word_is_caught(run: Run, home: Path, policy: Any) -> None:
    word = next(canary.value for canary in CANARIES if canary.kind == "ORGANIZATION")
    path = policy(f'[[allow]]\nwords = ["{word}"]\n')
    code, report = told(run, "--policy", path, "--endpoint", "chat")
    assert code == 1
    assert {each["kind"] for each in report["got_through"]} == {"ORGANIZATION"}


def test_rules_that_are_off_are_caught(run: Run, home: Path, policy: Any) -> None:
    code, report = told(run, "--policy", policy("rules = false\n"), "--endpoint", "chat")
    assert code == 1
    kinds = {each["kind"] for each in report["got_through"]}
    assert {"EMAIL", "SECRET", "CN_RESIDENT_ID"} <= kinds
    assert "PERSON" not in kinds


def test_what_the_policy_says_is_no_fault(run: Run, home: Path, policy: Any) -> None:
    fates = "EMAIL = 'keep'\nIBAN = 'block'\nIMEI = 'redact'\nURL = 'plausible'\n"
    path = policy(f"[fates]\n{fates}[[deny]]\nkind = 'PROJECT'\nwords = ['Blue Zephyr']\n")
    code, report = told(run, "--policy", path, "--endpoint", "chat")
    assert (code, report["ok"]) == (0, True)
    kinds = {kind: row["chat"] for kind, row in report["kinds"].items()}
    assert kinds["EMAIL"]["kept"] > 20
    assert kinds["IBAN"].keys() == {"refused"}
    assert kinds["IMEI"].keys() == kinds["URL"].keys() == kinds["PROJECT"].keys() == {"masked"}


def test_what_is_printed_holds_no_value(run: Run, home: Path, policy: Any) -> None:
    path = policy(
        "rules = false\n[[deny]]\nkind = 'PROJECT'\nwords = ['Blue Zephyr']\n"
        "[[allow]]\nwords = ['Margaret Holloway']\n"
    )
    ran = run("verify", "--policy", path)
    assert ran.code == 1
    assert "EMAIL got through: chat, " in ran.out
    assert "NOT as the policy says" in ran.out
    assert re.search(r"^PROJECT +\d+ masked(?: |$)", ran.out, re.MULTILINE)
    assert "Zephyr" not in ran.out
    for canary in CANARIES:
        assert canary.value not in ran.out + ran.err


def test_the_users_own_things_are_left_alone(tmp_path: Path) -> None:
    told = Settings(
        upstream="https://api.example.com",
        upstream_key_env="K",
        client_keys=tmp_path / "clients.toml",
        policy=tmp_path / "policy.toml",
        host="0.0.0.0",
        workers=4,
        requests_per_minute=1,
        otel="http://127.0.0.1:4318",
        max_body=12345,
    )
    used = verify.settings_for(told, "http://127.0.0.1:9/v1", "store.db")
    assert used == Settings(
        upstream="http://127.0.0.1:9/v1",
        anthropic="http://127.0.0.1:9/v1",
        store="store.db",
        policy=tmp_path / "policy.toml",
        max_body=12345,
        port=0,
        playground=False,
        no_watch=True,
        no_journal=True,
        grace=0.0,
    )


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        (("--endpoint", "chats"), 65, "no endpoint is called chats"),
        (("--policy", "nowhere.toml"), 65, "nowhere.toml"),
        (("--port", "x"), 2, ""),
        (("--upstream", "ftp://x"), 65, "https"),
    ],
)
def test_what_cannot_be_tried_is_said(run: Run, home: Path, args: Any, code: int, why: str) -> None:
    ran = run("verify", *args)
    assert (ran.code, why in ran.err) == (code, True)


def test_a_gateway_that_does_not_start_is_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_START", "raise SystemExit(1)")
    with pytest.raises(EngineProblem, match="did not start"):
        verify.verify(Settings(), Policy(), list(ENDPOINTS.items()))


def test_a_gateway_that_leaks_or_refuses_all_is_caught(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the policy but the gateway itself is weakened: it sends everything as it is, or nothing at all."""
    leaks = "from masquerade.wire import slots; slots.Slots.put = lambda *told: None; " + verify._START
    chat = [(path, endpoint) for path, endpoint in ENDPOINTS.items() if endpoint.name == "chat"]
    monkeypatch.setattr(verify, "_START", leaks)
    report = verify.verify(Settings(), Policy(), chat)
    assert {each.canary.kind for each in report.wrong} == KINDS.keys()
    refuses = "import sys; from masquerade.wire import openai; openai.REQUEST.clear(); " + (
        "from masquerade.wire.rules import Refuse; openai.REQUEST['messages'] = Refuse('no'); "
        + verify._START
    )
    monkeypatch.setattr(verify, "_START", refuses)
    report = verify.verify(Settings(), Policy(), chat)
    assert report.unreached == ["chat"]
    assert not report.ok
