"""The specification's own code, its vectors, and the product: all three agree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from masquerade.keys import Key
from masquerade.mask.restore import Restorer
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Mint, Surrogate, body_ok

ROOT = Path(__file__).resolve().parents[2]
VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (ROOT / "tests" / "vectors" / "tokens.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    """What the code on the specification's page defines."""
    page = (ROOT / "docs" / "spec" / "mask.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec("\n".join(blocks), names)
    return names


@pytest.mark.parametrize("row", VECTORS["tokens"], ids=lambda row: row["token"])
def test_tokens(row: dict[str, Any], spec: dict[str, Any]) -> None:
    root = bytes.fromhex(row["root_key"])
    minted = Mint(Key(root).tenant(row["tenant"])).token(row["kind"], row["value"], row["attempt"])
    key = spec["token_key"](root, row["tenant"])
    assert minted.text == spec["token"](key, row["kind"], row["value"], row["attempt"]) == row["token"]
    body = row["token"][-11:-1]
    assert body_ok(body)
    assert spec["body_ok"](body)


@pytest.mark.parametrize("row", VECTORS["same_entity"], ids=lambda row: row["kind"])
def test_ways_to_write_one_value_share_an_entity(row: dict[str, Any], spec: dict[str, Any]) -> None:
    mint = Mint(Key(bytes.fromhex(row["root_key"])).tenant(row["tenant"]))
    bodies = [mint.token(row["kind"], value).needle for value in row["values"]]
    assert len({body[:6] for body in bodies}) == 1
    assert len(set(bodies)) == len(bodies)
    assert len({spec["canonical"](value) for value in row["values"]}) == 1


@pytest.mark.parametrize("row", VECTORS["bad_bodies"], ids=lambda row: row["why"])
def test_what_is_no_body(row: dict[str, Any], spec: dict[str, Any]) -> None:
    assert not body_ok(row["body"])
    assert not spec["body_ok"](row["body"])


@pytest.mark.parametrize("row", VECTORS["replies"], ids=lambda row: row["name"])
def test_replies(row: dict[str, Any]) -> None:
    known = [
        Surrogate(token, token[-11:-1], original, token[1:-12], Fate.TOKEN)
        for token, original in row["known"].items()
    ]
    for size in (len(row["reply"]), 7, 1):
        restorer = Restorer(known)
        chunks = [row["reply"][at : at + size] for at in range(0, len(row["reply"]), size)]
        assert "".join(map(restorer.feed, chunks)) + restorer.finish() == row["restored"]
        assert (restorer.restored, restorer.unresolved) == (row["put_back"], row["left"])


def test_every_single_wrong_symbol_and_every_exchange_is_noticed(spec: dict[str, Any]) -> None:
    alphabet = spec["ALPHABET"]
    for row in VECTORS["tokens"]:
        body = row["token"][-11:-1]
        for at, symbol in enumerate(body):
            for other in alphabet.replace(symbol, ""):
                assert not body_ok(body[:at] + other + body[at + 1 :])
            for to in range(at + 1, 10):
                if body[to] != symbol:
                    assert not body_ok(body[:at] + body[to] + body[at + 1 : to] + symbol + body[to + 1 :])
