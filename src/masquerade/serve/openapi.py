"""What the gateway serves, as an OpenAPI description: written from the tables by which requests are masked.

A body's schema says what is done with each field. It says little of what a service wants there: fields that
are in no table may come, and are masked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from masquerade import __version__
from masquerade.errors import BadInput
from masquerade.mask.span import Fate
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.rules import How, Known, Names, Never, Only, Refuse, Rule, Signed, Strings

Tree: TypeAlias = dict[str, Any]

DONE = {
    How.PASS: "passed as it is while it looks like a name, a number or an enumeration, else masked as text",
    How.NUMBER: "a number, which passes",
    How.TEXT: "masked as text",
    How.JSON: "masked inside: JSON written as text, its strings, numbers and keys one by one",
    How.DEEP: "masked inside: strings, numbers and keys, one by one",
    How.ALIAS: "replaced by a keyed alias, which never comes back",
    How.OPAQUE: "passed byte for byte if it has the form of signed data, else masked as text",
    How.PICTURE: "a picture: reduced to what is to be seen of it",
    How.DROP: "left out: it cannot be looked at, and the service does not need it",
}
"""What is done with a value, in words."""

_TYPES: dict[How, list[str]] = {
    How.NUMBER: ["number", "null"],
    How.TEXT: ["string", "array", "null"],
    How.JSON: ["string", "null"],
    How.ALIAS: ["string", "null"],
}
_FORMS: tuple[tuple[Any, Tree], ...] = (
    ("x", {"type": "string", "minLength": 1}),
    (["x"], {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}),
    ([{}], {"type": "array", "minItems": 1, "items": {"type": "object"}}),
)
"""Forms that a needed field may have, each with a value of it."""
_UNNAMED = re.compile(r"[^A-Za-z0-9._-]")
_COUNTS: Tree = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_SHAPES: Tree = {
    "Masked": {
        "type": "object",
        "description": "What was masked, in counts by kind; it is there where anything was.",
        "required": ["masked", "redacted", "unresolved"],
        "properties": {
            "masked": {"type": "object", "additionalProperties": _COUNTS},
            "redacted": _COUNTS,
            "unresolved": {"type": "integer", "minimum": 0},
        },
    },
    "openai.Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {"message": {"type": "string", "minLength": 1}},
            }
        },
    },
    "anthropic.Error": {
        "type": "object",
        "required": ["type", "error"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {
                    "type": {"type": "string"},
                    "message": {"type": "string", "minLength": 1},
                },
            },
        },
    },
    "Question": {
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string"},
            "model": {"type": ["string", "null"]},
            "policy": {
                "type": "object",
                "properties": {
                    "fates": {
                        "type": "object",
                        "propertyNames": {"pattern": "^[A-Z][A-Z0-9_]{1,30}$"},
                        "additionalProperties": {"enum": [str(fate) for fate in Fate]},
                    }
                },
            },
        },
    },
    "Upload": {
        "type": "object",
        "required": ["purpose", "file"],
        "properties": {
            "purpose": {"enum": ["batch", "fine-tune", "evals", "assistants", "user_data"]},
            "file": {"type": "string", "format": "binary"},
        },
    },
    "Batch": {"type": "object"},
    "Picture": {"type": "object"},
    "Change": {"type": "object"},
    "Draft": {"type": "object", "properties": {"toml": {"type": ["string", "null"]}}},
}
_JSON = "application/json"
_OTHERS: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("GET", "/v1/models", "the service's models, passed through", "", _JSON, ""),
    ("GET", "/healthz", "whether it serves", "", _JSON, ""),
    ("GET", "/readyz", "whether it can take requests", "", _JSON, ""),
    ("GET", "/metrics", "counts, for Prometheus", "", "text/plain", ""),
    ("GET", "/openapi.json", "this description", "", _JSON, ""),
    ("GET", "/v1/files", "the service's files, restored", "", _JSON, ""),
    ("POST", "/v1/files", "a file, masked line by line", "multipart/form-data", _JSON, "Upload"),
    ("GET", "/v1/files/{id}", "what is said of a file, restored", "", _JSON, ""),
    ("DELETE", "/v1/files/{id}", "passed on", "", _JSON, ""),
    ("GET", "/v1/files/{id}/content", "a file, restored line by line", "", "*/*", ""),
    ("GET", "/v1/batches", "the service's batches, restored", "", _JSON, ""),
    ("POST", "/v1/batches", "a batch of an uploaded file", _JSON, _JSON, "Batch"),
    ("GET", "/v1/batches/{id}", "what is said of a batch, restored", "", _JSON, ""),
    ("POST", "/v1/batches/{id}/cancel", "passed on", "", _JSON, ""),
    ("GET", "/v1/responses/{id}", "a kept response, restored", "", _JSON, ""),
    ("DELETE", "/v1/responses/{id}", "passed on", "", _JSON, ""),
    ("POST", "/v1/responses/{id}/cancel", "passed on", "", _JSON, ""),
    ("GET", "/v1/responses/{id}/input_items", "what was asked, restored", "", _JSON, ""),
    ("GET", "/v1/conversations/{id}", "a kept conversation, restored", "", _JSON, ""),
    ("POST", "/v1/conversations/{id}", "a change of it, masked", _JSON, _JSON, "Change"),
    ("DELETE", "/v1/conversations/{id}", "passed on", "", _JSON, ""),
    ("GET", "/v1/conversations/{id}/items", "its items, restored", "", _JSON, ""),
    ("POST", "/v1/conversations/{id}/items", "more items, masked", _JSON, _JSON, "Change"),
    ("GET", "/v1/conversations/{id}/items/{item}", "one item, restored", "", _JSON, ""),
    ("DELETE", "/v1/conversations/{id}/items/{item}", "passed on", "", _JSON, ""),
)
"""What is served beside the tables: method, address, what it is, the types of body and answer, its schema."""
_PICTURES = (
    ("POST", "/v1/images/classifications", "a picture, reduced and classified", _JSON, _JSON, "Picture"),
)
_PAGE = (
    ("GET", "/", "the page for people", "", "text/html", ""),
    ("POST", "/playground/mask", "a text, masked", _JSON, _JSON, "Question"),
    ("POST", "/playground/policy", "what a policy would do", _JSON, _JSON, "Draft"),
    ("POST", "/playground/try", "a text, masked, asked, restored", _JSON, _JSON, "Question"),
)


def description(
    endpoints: Mapping[str, Endpoint],
    refused: Mapping[str, str],
    *,
    page: bool = True,
    pictures: bool = False,
) -> Tree:
    """The description of a gateway that serves ``endpoints`` by their addresses; the addresses of ``refused``
    are known and answered with the reason. ``page``: it has the page for people; ``pictures``: its service is
    a recogniser."""
    schemas = _Schemas()
    paths: Tree = {path: {"post": _asked(endpoint, schemas)} for path, endpoint in endpoints.items()}
    for path, why in refused.items():
        told = f"Refused: {why}."
        paths[path] = {"post": {"summary": "refused", "description": told, "responses": _errors("openai")}}
    others = (*_OTHERS, *(_PICTURES if pictures else ()), *(_PAGE if page else ()))
    for method, path, what, takes, gives, schema in others:
        paths.setdefault(path, {})[method.lower()] = _other(path, what, takes, gives, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Masquerade", "version": __version__, "summary": "Private data stays here."},
        "paths": paths,
        "components": {"schemas": {**_SHAPES, **schemas.made}},
    }


def _asked(endpoint: Endpoint, schemas: _Schemas) -> Tree:
    """One address of the tables."""
    body = schemas.of(endpoint.request, endpoint.name)
    if needed := _needed(endpoint):
        body = {"allOf": [body], "required": list(needed), "properties": needed}
    reply: Tree = {"schema": {"type": "object", "properties": {"masquerade": _ref("Masked")}}}
    given: Tree = {"*/*": {}} if endpoint.media else {_JSON: reply}
    if "stream" in endpoint.request:
        given["text/event-stream"] = {}
    told: Tree = {
        "summary": endpoint.name,
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": {"200": {"description": "the service's reply, restored", "content": given}},
    }
    if endpoint.media:
        told["description"] = f"Refused if anything is found in it: {endpoint.media}."
    if endpoint.query:
        names = [(part.partition("=")[0], part.partition("=")[2]) for part in endpoint.query]
        told["parameters"] = [
            {"name": name, "in": "query", "schema": {"enum": [value]}} for name, value in names
        ]
    told["responses"] |= _errors(endpoint.api)
    return told


def _needed(endpoint: Endpoint) -> Tree:
    """The field that a request cannot be without, if there is one, with its forms: found out by asking the
    endpoint's own check."""
    field = _missed(endpoint, {})
    if field is None:
        return {}
    return {field: {"anyOf": [schema for value, schema in _FORMS if not _missed(endpoint, {field: value})]}}


def _missed(endpoint: Endpoint, request: Tree) -> str | None:
    try:
        endpoint.needs(request)
    except BadInput as problem:
        return problem.source
    return None


def _other(path: str, what: str, takes: str, gives: str, schema: str) -> Tree:
    content: Tree = {gives: {"schema": {"type": "object"}} if gives == _JSON else {}}
    told: Tree = {"summary": what, "responses": {"200": {"description": "it", "content": content}}}
    if takes:
        told["requestBody"] = {"required": True, "content": {takes: {"schema": _ref(schema)}}}
    if names := re.findall(r"\{(\w+)\}", path):
        form = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}
        told["parameters"] = [
            {"name": each, "in": "path", "required": True, "schema": form} for each in names
        ]
    if path == "/readyz":
        told["responses"]["503"] = told["responses"]["200"]
    told["responses"] |= _errors("openai", "anthropic")
    return told


def _errors(*apis: str) -> Tree:
    """Errors of ours and of the service, in the shape that an API's clients know."""
    shapes = [_ref(f"{api}.Error") for api in apis]
    content = {_JSON: {"schema": shapes[0] if len(shapes) == 1 else {"anyOf": shapes}}}
    why = {"4XX": "refused, here or by the service", "5XX": "the service failed, or the gateway did"}
    return {status: {"description": each, "content": content} for status, each in why.items()}


def _ref(name: str) -> Tree:
    return {"$ref": f"#/components/schemas/{name}"}


class _Schemas:
    """The schemas of tables, each under the name of the first place where it was met."""

    def __init__(self) -> None:
        self.made: Tree = {}
        self._names: dict[int, str] = {}

    def of(self, rule: Rule, name: str) -> Tree:
        """The schema of a value that is treated by ``rule`` and stands at ``name``."""
        if isinstance(rule, dict):
            return _ref(self._object(rule, name))
        if isinstance(rule, list):
            each = self.of(rule[0], name)
            return {"anyOf": [{"type": "array", "items": each}, each, {"type": ["string", "null"]}]}
        if isinstance(rule, Names):
            return {"type": ["object", "null"], "additionalProperties": self.of(rule.rule, name)}
        if isinstance(rule, Signed | Known):
            return self.of(rule.rule, name)
        return _simple(rule)

    def _object(self, rule: dict[str, Rule], name: str) -> str:
        known = self._names.get(id(rule))
        if known is None:
            known = self._names[id(rule)] = _UNNAMED.sub("", name)
            fields = {
                field: self.of(each, f"{known}.{field}") for field, each in rule.items() if field != "*"
            }
            self.made[known] = {"type": "object", "properties": fields}
            if "*" in rule:
                self.made[known]["additionalProperties"] = self.of(rule["*"], f"{known}.others")
        return known


def _simple(rule: Rule) -> Tree:
    if isinstance(rule, Refuse):
        return {"type": "null", "description": f"refused: {rule.why}"}
    if isinstance(rule, Only):
        values = sorted(rule.values, key=str)
        several = {"type": "array", "items": {"enum": values}}
        return {"anyOf": [{"enum": [*values, None]}, several], "description": f"else refused: {rule.why}"}
    if isinstance(rule, Never):
        return {"not": {"enum": sorted(rule.values)}, "description": f"those are refused: {rule.why}"}
    if isinstance(rule, Strings):
        texts = {"type": ["string", "array", "null"], "items": {"type": "string"}}
        return {**texts, "description": f"masked as text; anything else is refused: {rule.why}"}
    assert isinstance(rule, How)  # noqa: S101
    told: Tree = {"description": DONE[rule]}
    return {"type": _TYPES[rule], **told} if rule in _TYPES else told
