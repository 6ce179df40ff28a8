"""The tables know every field of the official clients' types, so a new one is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import (
    completion_create_params,
    embedding_create_params,
    image_generate_params,
    moderation_create_params,
)
from openai.types.audio import speech_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.conversations import conversation_create_params
from openai.types.responses import (
    ResponseItem,
    ResponseStreamEvent,
    input_token_count_params,
    response_compact_params,
    response_create_params,
)
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from tests.wire.sdk import fields, is_known, members, values

from masquerade.wire import openai, responses
from masquerade.wire.endpoint import Endpoint

REQUESTS: dict[str, tuple[Endpoint, Any]] = {
    "chat": (openai.CHAT, chat_create_params.CompletionCreateParamsNonStreaming),
    "completions": (openai.COMPLETIONS, completion_create_params.CompletionCreateParamsNonStreaming),
    "embeddings": (openai.EMBEDDINGS, embedding_create_params.EmbeddingCreateParams),
    "moderations": (openai.MODERATIONS, moderation_create_params.ModerationCreateParams),
    "images": (openai.IMAGES, image_generate_params.ImageGenerateParamsNonStreaming),
    "speech": (openai.SPOKEN, speech_create_params.SpeechCreateParams),
    "responses": (responses.RESPONSES, response_create_params.ResponseCreateParamsNonStreaming),
    "compaction": (responses.COMPACTION, response_compact_params.ResponseCompactParams),
    "token_count": (responses.TOKEN_COUNT, input_token_count_params.InputTokenCountParams),
    "conversations": (responses.CONVERSATIONS, conversation_create_params.ConversationCreateParams),
}

REFUSED_ITEMS = frozenset(
    {"image_generation_call", "computer_call", "computer_call_output", "item_reference"}
)
REFUSED = REFUSED_ITEMS | {
    "input_image", "input_file", "input_audio", "image_url", "file",
    "image_generation", "computer", "computer_use_preview",
}  # fmt: skip
"""Types of items, parts and tools that are refused whole, which other tests hold."""


def test_every_endpoint_is_walked() -> None:
    known = {endpoint.name for endpoint in (*openai.ENDPOINTS, *responses.ENDPOINTS)}
    assert set(REQUESTS) == known


@pytest.mark.parametrize("name", REQUESTS)
def test_the_tables_know_every_field_of_a_request(name: str) -> None:
    endpoint, kind = REQUESTS[name]
    walked = set(fields(kind, REFUSED))
    assert len(walked) >= 3
    unknown = {path for path in walked if not is_known(endpoint.request, path)}
    assert sorted(unknown) == []


def test_a_new_field_would_be_noticed() -> None:
    rules = {name: rule for name, rule in responses.REQUEST.items() if name != "truncation"}
    assert not is_known(rules, "truncation")
    assert not is_known(responses.REQUEST, "input[].content[].new")
    assert not is_known(responses.REQUEST, "tools[].environment.new")
    assert is_known(responses.REQUEST, "input[].content[].text")


def test_every_type_of_item_is_let_through_or_refused() -> None:
    told = set().union(*(values(item, "type") for item in members(ResponseInputItemParam)))
    allowed = set(responses.ITEM["type"].values)  # type: ignore[union-attr]
    assert told - allowed == REFUSED_ITEMS
    assert allowed <= told


def test_every_type_of_item_of_a_reply_can_be_sent_again() -> None:
    told = set().union(*(values(item, "type") for item in members(ResponseItem)))
    assert told - set(responses.ITEM["type"].values) <= REFUSED_ITEMS  # type: ignore[union-attr]


EVENTS = {value: event for event in members(ResponseStreamEvent) for value in values(event, "type")}
SOUND = {"response.audio.delta"}


def told(kind: str) -> dict[str, Any]:
    """An event of this type with all its fields, as far as the stream looks at them."""
    names = dict(fields_of(kind))
    event: dict[str, Any] = {name: 0 for name in names if name.endswith("_index")}
    return {"type": kind, "sequence_number": 0, **event}


def fields_of(kind: str) -> list[tuple[str, Any]]:
    return [(name, field.annotation) for name, field in EVENTS[kind].model_fields.items()]


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind.endswith(".delta") and kind not in SOUND])
def test_every_text_that_comes_in_pieces_ends_with_an_event(kind: str) -> None:
    in_two = kind == "response.shell_call_output_content.delta"
    piece = responses._piece(told(kind) | {"delta": {"stdout": "x"} if in_two else "x"})
    assert piece is not None
    done = kind.removesuffix(".delta") + ".done"
    assert done in EVENTS
    prefix = responses._ends(told(done))
    assert prefix is not None
    assert piece.path[: len(prefix)] == prefix
    for last in ("response.completed", "response.failed", "response.incomplete", "error"):
        assert responses._ends(told(last)) == ()


def test_no_other_event_carries_a_piece() -> None:
    """Text that comes in pieces is called delta; what is new in kind is seen here."""
    with_delta = {kind for kind in EVENTS if "delta" in dict(fields_of(kind))}
    assert with_delta == {kind for kind in EVENTS if kind.endswith(".delta")}
    last = {kind for kind in EVENTS if "response" in dict(fields_of(kind))}
    assert last == {"response.created", "response.in_progress", "response.queued"} | responses._LAST
