"""What a real gateway writes into its journal, and an erasure from the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gateway_rig import Service, gateway

from masquerade.keys import Key
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Surrogate
from masquerade.serve import keyfile
from masquerade.serve.store import Store

EMAIL = "canary.lovelace@example.org"


def lines(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in sorted(folder.glob("*"))
        if file.suffix != ".head"
        for line in file.read_text().splitlines()
    ]


def test_each_request_has_a_line_without_values(upstream: Service, tmp_path: Path) -> None:
    upstream.reset()
    home = tmp_path / "home"
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[fates]\nCREDIT_CARD = "block"\n')
    with gateway(home, upstream=upstream.url, policy=policy) as running:
        assert running.chat(f"mail {EMAIL}").status == 200
        assert running.chat("card 4111 1111 1111 1111").status == 400
        assert running.post("/v1/chat/completions", b"{").status == 400
        assert running.get("/readyz").status == 200
    told = b"".join(file.read_bytes() for file in (home / "journal").iterdir() if file.is_file())
    assert b"canary" not in told and b"4111" not in told and b"lovelace" not in told
    found = [line for line in lines(home / "journal") if line.get("verdict")]
    assert [line["verdict"] for line in found] == ["sent", "blocked", "refused"]
    sent, blocked, refused = found
    assert sent["found"] == {"EMAIL": {"token": 1}} and sent["to"].startswith("127.0.0.1:")
    assert sent["endpoint"] == "chat" and sent["restored"] >= 1 and sent["status"] == 200
    assert "to" not in blocked and blocked["code"] == "blocked_by_policy"
    assert refused["code"] == "invalid_request"


def test_what_goes_nowhere_has_no_line_and_what_the_page_sends_has_one(
    upstream: Service, tmp_path: Path
) -> None:
    upstream.reset()
    home = tmp_path / "home"
    asked = {"text": f"mail {EMAIL}"}
    with gateway(home, upstream=upstream.url) as running:
        assert running.post("/playground/mask", asked).status == 200
        assert running.post("/playground/try", asked).status == 200  # of the mirror, in the gateway itself
        assert running.get("/openapi.json").status == 200
        assert running.post("/playground/try", {**asked, "model": "m"}).status == 200
        assert running.post("/playground/try", {**asked, "model": "m", "stream": True}).status == 200
    found = [line for line in lines(home / "journal") if line.get("verdict")]
    assert [(line["endpoint"], line["verdict"], line["tenant"]) for line in found] == [
        ("playground", "sent", "playground")
    ] * 2
    assert all(line["found"] == {"EMAIL": {"token": 1}} and line["restored"] >= 1 for line in found)


def test_the_report_is_made_of_it(
    upstream: Service, tmp_path: Path, run: Callable[..., Any], home: Path
) -> None:
    with gateway(home, upstream=upstream.url) as running:
        running.chat(f"mail {EMAIL}")
    assert run("report", "--verify").code == 0
    told = json.loads(run("report", "--json").out)
    assert told["requests"]["verdicts"] == {"sent": 1}


def test_without_a_journal_none_is_kept(upstream: Service, tmp_path: Path) -> None:
    with gateway(tmp_path / "home", upstream=upstream.url, no_journal=True) as running:
        assert running.chat("hello").status == 200
    assert not (tmp_path / "home" / "journal").exists()


def test_a_journal_that_cannot_be_made(upstream: Service, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    home = tmp_path / "home"
    home.mkdir()
    (home / "journal").write_text("")  # a file stands where the folder would be
    with gateway(home, upstream=upstream.url) as running:
        assert running.chat("hello").status == 200
        assert running.get("/readyz").json["journal"] != "ok"
    with pytest.raises(AssertionError), gateway(tmp_path / "other", upstream=upstream.url, journal=blocked):
        pass


def remembered(home: Path, key: Key) -> Store:
    store = Store.open(home / "store.db", key)
    surrogate = Surrogate("[EMAIL_K7Q2M9X4RT]", "K7Q2M9X4RT", EMAIL, "EMAIL", Fate.TOKEN)
    store.remember("acme", "thread:1", [surrogate], "canary patient")
    store.link("acme", "resp_1", "thread:1")
    store.remember("acme", "thread:2", [surrogate])
    return store


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (["--subject", "canary patient"], 1),
        (["--tenant", "acme", "--conversation", "resp_1"], 1),
        (["--tenant", "acme"], 0),
        (["--tenant", "other"], 2),
    ],
)
def test_an_erasure_is_done_and_logged(
    asked: list[str], left: int, run: Callable[..., Any], home: Path
) -> None:
    key = keyfile.load_or_create()
    remembered(home, key).close()
    ran = run("erase", *asked, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["conversations"] == 2 - left
    store = Store.open(home / "store.db", key)
    assert sum(bool(store.recall("acme", f"thread:{i}")) for i in (1, 2)) == left
    store.close()
    journal = b"".join(file.read_bytes() for file in (home / "journal").iterdir() if file.is_file())
    assert b"erasure" in journal and b"canary" not in journal
    assert run("report", "--verify").code == 0


@pytest.mark.parametrize(
    ("asked", "code"), [([], 2), (["--conversation", "resp_1"], 2), (["--tenant", "acme"], 65)]
)
def test_an_erasure_that_names_nothing(
    asked: list[str], code: int, run: Callable[..., Any], home: Path
) -> None:
    keyfile.load_or_create()
    assert run("erase", *asked).code == code
