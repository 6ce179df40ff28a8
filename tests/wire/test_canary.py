"""Law: wherever a private value stands in a request, it does not leave: it is masked, or all is refused."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput
from masquerade.keys import Key
from masquerade.mask.text import Masker
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.openai import REQUEST
from masquerade.wire.rules import SCHEMA, How, Names, Only

CANARY = "ada.lovelace@example.com"
NUMBER = 4111111111111111
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
    return names(rule.rule, depth + 1) if isinstance(rule, Names) else set()


KNOWN = sorted(
    names(REQUEST)
    - {"*", "stream", "index"}
    - {name for name, rule in (REQUEST | SCHEMA).items() if rule is How.NUMBER}
)

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
key = st.one_of(st.sampled_from(KNOWN), st.sampled_from([CANARY, "note", "type", "text"]))
tree = st.recursive(
    leaf,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(key, below, max_size=4)),
    max_leaves=12,
)
message = st.dictionaries(
    st.one_of(st.sampled_from(["role", "content", "tool_calls", "function_call", "name"]), key), tree
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(key, tree, max_size=5), st.lists(message, min_size=1, max_size=3))
def test_wherever_it_stands_it_does_not_leave(fields: dict[str, Any], messages: list[dict[str, Any]]) -> None:
    body = json.dumps({**fields, "messages": messages}).encode()
    try:
        sent = Exchange(MASKER, body, alias=ALIAS).request.decode()
    except BadInput as problem:
        assert "lovelace" not in str(problem)
        assert str(NUMBER) not in str(problem)
        return
    assert "lovelace" not in sent
    assert str(NUMBER) not in sent
    assert set(json.loads(sent)) >= {name for name in fields if name != CANARY}
