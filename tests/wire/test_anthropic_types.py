"""The tables against the types of the official SDK: a field that is new there is noticed here."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import pydantic
import pytest
import typing_extensions
from anthropic.types import Message, RawMessageStreamEvent, message_count_tokens_params, message_create_params
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.beta import message_count_tokens_params as beta_count_tokens_params
from anthropic.types.beta import message_create_params as beta_create_params

from masquerade.wire.anthropic import BLOCK, REQUEST, SOURCE, WRITTEN
from masquerade.wire.rules import SCHEMA, How, Known, Names, Only, Refuse, Signed

NAMED = {
    "allowed_tools", "bill_to", "configs", "container", "file_id", "id", "inference_geo", "mcp_server_name",
    "model", "name", "previous_message_id", "server_name", "skill_id", "stop_reason", "tool_id", "tool_name",
    "tool_use_id", "toolset_name", "type", "url", "user_profile_id", "version", "workspace_id",
    "allowed_domains", "blocked_domains", "exclude_tools", "clear_tool_inputs", "betas", "speed", "fallbacks",
}  # fmt: skip
"""Free texts by their type that are names, ids or addresses of services by their meaning."""

KEPT = {
    "allowed_domains", "blocked_domains", "configs", "city", "country", "region", "timezone",  # of tools
    "name", "server_name", "mcp_server_name", "tool_name", "toolset_name",  # restored where they were masked
    "input_schema", "properties", "required", "description", "input_examples",
}  # fmt: skip
WRITTEN_BY_MODELS = {
    "cited_text", "content", "document_title", "error_message", "explanation", "input", "lines", "page_age",
    "partial_json", "retrieved_at", "source", "stderr", "stdout", "stop_sequence", "text", "thinking",
    "title", "url",
}  # fmt: skip
UNTOUCHED_PARENTS = {
    "caller",
    "container",
    "usage",
    "diagnostics",
    "context_management",
    "input_transformations",
}


class Field(NamedTuple):
    """A field of a type: its name, and what may stand there."""

    owner: str
    name: str
    text: bool
    below: list[type]


def kinds(hint: Any) -> Iterator[Any]:
    """The types that a hint allows, lists opened."""
    origin = get_origin(hint)
    if origin in (typing_extensions.Required, typing_extensions.NotRequired, typing.Annotated):
        yield from kinds(get_args(hint)[0])
    elif origin in (Union, types.UnionType):
        for each in get_args(hint):
            yield from kinds(each)
    elif isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping):
        yield from kinds(get_args(hint)[0])
    else:
        yield hint


def fields(owner: type) -> Iterator[Field]:
    for name, hint in typing_extensions.get_type_hints(owner).items():
        found = list(kinds(hint))
        text = any(each is str or get_origin(each) in (dict, Mapping) or each is object for each in found)
        yield Field(
            owner.__name__, name, text, [each for each in found if typing_extensions.is_typeddict(each)]
        )


def types_of(owner: type) -> set[str]:
    """What the field ``type`` of a type may say."""
    hint = typing_extensions.get_type_hints(owner).get("type")
    return {value for each in kinds(hint) if get_origin(each) is Literal for value in get_args(each)}


def unwrapped(rule: Any) -> Any:
    while isinstance(rule, Signed | Known | Names | list):
        rule = rule[0] if isinstance(rule, list) else rule.rule
    return rule


def check(owner: type, rules: dict[str, Any], seen: set[tuple[str, int]]) -> None:
    if (owner.__name__, id(rules)) in seen:
        return
    seen.add((owner.__name__, id(rules)))
    only = rules.get("type")
    if isinstance(only, Only) and not types_of(owner) <= only.values:
        assert types_of(owner) <= set(only.others), f"{owner.__name__} is refused without a reason"
        return
    for field in fields(owner):
        where = f"{field.owner}.{field.name}"
        assert field.name in rules, f"{where} is in no table"
        rule = unwrapped(rules[field.name])
        if rule is SCHEMA:
            continue
        if isinstance(rule, dict):
            for below in field.below:
                check(below, rule, seen)
        elif rule is How.PASS:
            assert not field.text or field.name in NAMED, f"{where} is a text, and passes"
            for below in field.below:
                check_names(below)
        elif rule is How.NUMBER:
            assert not field.text, f"{where} is a text, and passes"
        else:
            assert isinstance(rule, How | Only | Refuse)


def check_names(owner: type) -> None:
    """All below a field that passes are names."""
    for field in fields(owner):
        assert not field.text or field.name in NAMED, f"{field.owner}.{field.name} is a text, and passes"
        for below in field.below:
            check_names(below)


@pytest.mark.parametrize(
    "owner",
    [
        message_create_params.MessageCreateParamsBase,
        beta_create_params.MessageCreateParamsBase,
        message_count_tokens_params.MessageCountTokensParams,
        beta_count_tokens_params.MessageCountTokensParams,
    ],
    ids=["create", "beta create", "count", "beta count"],
)
def test_every_field_of_a_request_is_in_a_table(owner: type) -> None:
    seen: set[tuple[str, int]] = set()
    check(owner, REQUEST, seen)
    assert len(seen) > 50
    assert {id(BLOCK), id(SOURCE)} <= {rules for _, rules in seen}


def test_a_new_field_is_noticed() -> None:
    rules = {name: rule for name, rule in BLOCK.items() if name != "stdout"}
    content = REQUEST["messages"][0] | {"content": [rules | {"content": [rules]}]}
    with pytest.raises(AssertionError, match=r"\.stdout is in no table"):
        check(beta_create_params.MessageCreateParamsBase, REQUEST | {"messages": [content]}, set())


def models(hint: Any, seen: dict[type[pydantic.BaseModel], None]) -> None:
    for each in kinds(hint):
        if isinstance(each, type) and issubclass(each, pydantic.BaseModel) and each not in seen:
            seen[each] = None
            for name, field in each.model_fields.items():
                if name not in UNTOUCHED_PARENTS:
                    models(field.annotation, seen)


@pytest.mark.parametrize(
    "hint",
    [Message, RawMessageStreamEvent, BetaMessage, BetaRawMessageStreamEvent],
    ids=["message", "events", "beta message", "beta events"],
)
def test_every_text_of_a_reply_is_restored_or_known_to_be_none(hint: Any) -> None:
    found: dict[type[pydantic.BaseModel], None] = {}
    models(hint, found)
    assert len(found) > 10
    for owner in found:
        for name, field in owner.model_fields.items():
            each = set(map(str, kinds(field.annotation)))
            if {"<class 'str'>", "<class 'object'>"} & each or any("Dict" in kind for kind in each):
                known = KEPT | WRITTEN_BY_MODELS | WRITTEN.kept | WRITTEN.objects
                assert (field.alias or name) in known, f"{owner.__name__}.{name} is new"
    assert not WRITTEN_BY_MODELS & WRITTEN.kept
