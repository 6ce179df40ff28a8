"""Law: wherever a private value stands in a request, it does not leave: it is masked, or all is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput
from masquerade.keys import Key
from masquerade.mask.text import Masker
from masquerade.wire import anthropic, openai
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.rules import SCHEMA, How, Known, Names, Only, Signed

CANARY = "ada.lovelace@example.com"
NUMBER = 4111111111111111
ENDPOINTS = {each.name: each for each in (openai.CHAT, anthropic.MESSAGES, anthropic.COUNT_TOKENS)}
KEY = Key(bytes(range(32)))
MASKER, ALIAS = Masker(KEY), alias_under(KEY.tenant("default"))


def names(rule: Any, depth: int = 0) -> set[str]:
    """Every field name that the tables know."""
    if depth > 6 or isinstance(rule, How | Only):
        return set()
    if isinstance(rule, dict):
        below = [names(each, depth + 1) for each in rule.values()]
        return set(rule).union(*below)
    if isinstance(rule, list):
        return names(rule[0], depth + 1)
    return names(rule.rule, depth + 1) if isinstance(rule, Names | Signed | Known) else set()


def numbers(endpoint: Endpoint) -> set[str]:
    """Fields in which a number is not private."""
    rows = [endpoint.request, SCHEMA, anthropic.BLOCK, anthropic.TOOL, anthropic.CITATION]
    return {name for row in rows for name, rule in row.items() if rule is How.NUMBER}


def known(endpoint: Endpoint) -> list[str]:
    """The names of an endpoint's fields that may hold something private."""
    return sorted(names(endpoint.request) - {"*", "stream", "index", "max_tokens"} - numbers(endpoint))


private = st.sampled_from(
    [
        CANARY,
        f"mail {CANARY}, please",
        f"给{CANARY}写信",
        json.dumps({"to": CANARY, "card": NUMBER}),
        json.dumps({"to": CANARY, CANARY: [CANARY]}).replace("@", "\\u0040"),
        f'{{"to": "{CANARY}"',
        f'{{"to": "{CANARY}"'.replace("@", "\\u0040"),
        f'Result: {{"to": "{CANARY}"}}'.replace("a", "\\u0061"),
        NUMBER,
    ]
)
leaf = st.one_of(
    private, st.none(), st.booleans(), st.integers(0, 9), st.sampled_from(["text", "user", "function", ""])
)
_chat_key = st.one_of(st.sampled_from(known(openai.CHAT)), st.sampled_from([CANARY, "note", "type", "text"]))
tree = st.recursive(
    leaf,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(_chat_key, below, max_size=4)),
    max_leaves=12,
)
SIGNATURE = "EqQBCkYIBBgCKkDt" * 4


def requests(endpoint: Endpoint) -> st.SearchStrategy[dict[str, Any]]:
    """Requests of any shape, with fields that the endpoint knows, and private values anywhere."""
    odd = st.sampled_from([CANARY, "note", "type", "text", "content", "signature"])
    key = st.one_of(st.sampled_from(known(endpoint)), odd)
    tree = st.recursive(
        st.one_of(leaf, st.sampled_from(["thinking", "tool_use", "compaction", SIGNATURE])),
        lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(key, below, max_size=4)),
        max_leaves=12,
    )
    thought = st.fixed_dictionaries(
        {"type": st.sampled_from(["thinking", "compaction", "text", "web_search_result"])},
        optional={
            **dict.fromkeys(("thinking", "content", "text", "title", "note"), private),
            "signature": st.sampled_from([SIGNATURE, "", CANARY]),
            "encrypted_content": st.sampled_from([SIGNATURE, "", CANARY]),
        },
    )
    message = st.dictionaries(
        st.one_of(st.sampled_from(["role", "content", "tool_calls", "function_call", "name"]), key),
        st.one_of(tree, st.lists(thought, max_size=2)),
    )
    messages = st.lists(message, min_size=1, max_size=3)
    return st.builds(lambda a, b: {**a, "messages": b}, st.dictionaries(key, tree, max_size=5), messages)


@pytest.mark.parametrize("name", ENDPOINTS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_wherever_it_stands_it_does_not_leave(name: str, data: st.DataObject) -> None:
    endpoint = ENDPOINTS[name]
    asked = data.draw(requests(endpoint))
    if SIGNATURE in json.dumps(
        asked
    ):  # what a model was first to write is its own: so let it be the client's
        asked["messages"].insert(0, {"role": "user", "content": f"mail {CANARY}"})
    try:
        sent = Exchange(MASKER, json.dumps(asked).encode(), endpoint, alias=ALIAS).request.decode()
    except BadInput as problem:
        assert "lovelace" not in str(problem)
        assert str(NUMBER) not in str(problem)
        return
    assert "lovelace" not in sent
    assert str(NUMBER) not in sent
    assert set(json.loads(sent)) >= {field for field in asked if field != CANARY}
