"""Requests with canaries in them, made from the tables of an endpoint: one for each field that takes text.

Tables say what is done with each field, so they say too which fields there are: an endpoint that is new to
the gateway is covered by having a table. One request holds canaries in one field only, because what is found
in one place of a request is masked in all of it.
"""

from __future__ import annotations

import copy
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from masquerade.errors import BadInput
from masquerade.serve.canaries import Canary
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.rules import (
    ALIAS,
    DEEP,
    JSON,
    PASS,
    SCHEMA,
    TEXT,
    How,
    Known,
    Names,
    Never,
    Only,
    Refuse,
    Rule,
    Signed,
    Strings,
)

Path: TypeAlias = tuple[str | None, ...]
"""Names of fields; None is an element of a list."""

_MOST_VISITS = 2
_UNKNOWN = "x_unknown_field"
_NAME = "name"
_BASE: dict[str, Any] = {
    "model": "verify",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hello"}],
    "input": "hello",
    "prompt": "hello",
    "voice": "alloy",
    "store": False,
}
"""What requests of all endpoints cannot be without; an endpoint takes of it what its table names."""


class Field(NamedTuple):
    """One place of a request that takes text."""

    path: Path
    rule: How
    tables: tuple[dict[str, Any], ...]
    """The table of each object on the way, the request's first."""

    @property
    def name(self) -> str:
        """As the documentation writes it."""
        return "".join("[]" if step is None else f".{step}" for step in self.path).lstrip(".")


def fields(endpoint: Endpoint) -> list[Field]:
    """Every field of an endpoint that takes text, the nearest first; those of one table at two places at
    most, for the same is done with them everywhere."""
    found = [Field((_UNKNOWN,), DEEP, (endpoint.request,))]
    visits: Counter[int] = Counter()
    queue: deque[tuple[Path, Any, tuple[dict[str, Any], ...]]] = deque([((), endpoint.request, ())])
    while queue:
        path, rule, tables = queue.popleft()
        if isinstance(rule, How):
            if rule in (TEXT, JSON, DEEP, ALIAS, PASS):
                found.append(Field(path, rule, tables))
        elif rule is SCHEMA:
            for name, below in (("description", TEXT), ("examples", DEEP)):
                found.append(Field((*path, name), below, (*tables, {})))
        elif isinstance(rule, dict):
            if visits[id(rule)] < _MOST_VISITS and not any(rule is table for table in tables):
                visits[id(rule)] += 1
                queue.extend(((*path, name), below, (*tables, rule)) for name, below in rule.items())
        elif isinstance(rule, list):
            queue.append(((*path, None), rule[0], tables))
            plain = Field(path, TEXT, tables)  # a text may stand where a list of parts does
            if isinstance(rule[0], dict) and _takes(endpoint, plain):
                found.append(plain)
        elif isinstance(rule, Names):
            queue.append(((*path, _NAME), rule.rule, (*tables, {_NAME: rule.rule})))
        elif isinstance(rule, Never):
            queue.append((path, PASS, tables))
        elif isinstance(rule, Signed | Known):
            queue.append((path, rule.rule, tables))
        elif isinstance(rule, Strings):
            queue.append((path, TEXT, tables))
        else:
            assert isinstance(rule, Refuse | Only), "a word of the tables that nothing is planted by"  # noqa: S101
    return [field for field in found if field.path not in (("stream",), ("type",))]


def _takes(endpoint: Endpoint, field: Field) -> bool:
    tree = base(endpoint)
    _put(tree, field, "hello")
    try:
        endpoint.needs(tree)
    except BadInput:
        return False
    return True


def requests(
    endpoint: Endpoint, field: Field, canaries: Sequence[Canary], *, stream: bool
) -> Iterator[tuple[str, bytes]]:
    """Bodies with all ``canaries`` in ``field``, each with the form that they have there: ``prose``,
    ``json`` (in a document that is written as text) or ``data`` (as an object)."""
    prose = "\n\n".join(canary.text for canary in canaries)
    yield "prose", _body(endpoint, field, prose, stream)
    if field.rule is JSON:
        yield "json", _body(endpoint, field, json.dumps(_rows(canaries), ensure_ascii=False), stream)
        yield "json", _body(endpoint, field, json.dumps({"rows": _rows(canaries)}), stream)
    elif field.rule is DEEP:
        yield "data", _body(endpoint, field, {"rows": _rows(canaries)}, stream)


def _rows(canaries: Sequence[Canary]) -> list[dict[str, str]]:
    """Objects with all of them, in which no two have one name."""
    rows: list[dict[str, str]] = [{}]
    for canary in canaries:
        row = next((row for row in rows if canary.field not in row), None)
        if row is None:
            rows.append(row := {})
        row[canary.field] = canary.value
    return rows


def _body(endpoint: Endpoint, field: Field, value: Any, stream: bool) -> bytes:
    tree = base(endpoint)
    _put(tree, field, value)
    if stream:
        tree["stream"] = True
    return json.dumps(tree, ensure_ascii=False).encode()


def base(endpoint: Endpoint) -> dict[str, Any]:
    """A request to ``endpoint`` with nothing private in it."""
    tree = {name: copy.deepcopy(told) for name, told in _BASE.items() if name in endpoint.request}
    for _ in endpoint.request:
        try:
            endpoint.needs(tree)
        except BadInput as problem:
            name = (problem.source or "").partition("[")[0].partition(".")[0]
            if name not in endpoint.request or name in tree:
                break
            tree[name] = _least(endpoint.request[name])
        else:
            break
    return tree


def _least(rule: Rule) -> Any:
    if isinstance(rule, list):
        return [_least(rule[0])]
    if isinstance(rule, dict):
        return {name: _least(rule[name]) for name in ("type", "role", "content", "text") if name in rule}
    if isinstance(rule, Only):
        return min(rule.values, key=str)
    return "hello"


def _put(tree: dict[str, Any], field: Field, value: Any) -> None:
    """Write ``value`` at the place of ``field``; elements go behind those that are there."""
    at: Any = tree
    tables = iter(field.tables[1:])
    for step, after in zip(field.path, (*field.path[1:], ""), strict=True):
        made: Any = value if after == "" else [] if after is None else {}
        if type(made) is dict and made is not value:
            made = _beside(next(tables, {}), field.path)
        if step is None:
            at.append(made)
            at = made
        else:
            there = at.get(step)
            if made is value or type(there) is not type(made):
                at[step] = made
            elif type(made) is dict:
                there |= made
            at = at[step]


def _beside(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """What an object needs beside the field that is planted."""
    made: dict[str, Any] = {}
    kind = table.get("type")
    if isinstance(kind, Only):
        made["type"] = _kind(kind.values, path)
    elif kind is not None:
        made["type"] = "function" if path[0] in ("tools", "functions") else "text"
    if "role" in table:
        made["role"] = "user" if "content" in path else "assistant"
    return made


def _kind(values: Any, path: Path) -> Any:
    """The type whose field is planted, as far as names tell: ``text`` for ``text``."""
    names = [step for step in reversed(path) if step]
    for name in (*names, "message", "text"):
        if name in values:
            return name
    near = [value for value in sorted(values, key=str) if any(str(name) in str(value) for name in names[:1])]
    return (near or sorted(values, key=str))[0]
