"""Where text sits in OpenAI's APIs: chat completions and what is smaller. ``responses.py`` has the largest.

Source: OpenAI API reference, "Chat Completions", "Completions", "Embeddings", "Moderations", "Images" and
"Audio", and the fields that servers of the same shape add (``reasoning``, ``reasoning_content``,
``reasoning_details``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from masquerade.errors import BadInput
from masquerade.wire.chunks import PLAIN, ChunkStream
from masquerade.wire.endpoint import Endpoint, Restoring, check_messages, check_stream
from masquerade.wire.replies import Step, Written
from masquerade.wire.rules import (
    ALIAS,
    DEEP,
    JSON,
    NUMBER,
    OPAQUE,
    PASS,
    PICTURE,
    SCHEMA,
    TEXT,
    Only,
    Refuse,
    Rule,
    Strings,
)
from masquerade.wire.typed import Kinds, TypedStream

_NO_PICTURES = "pictures go to a recogniser of the gateway's own only, so they are not sent; send text"
_NO_SOUND = "sound is not masked yet, so it is not sent or asked for; use text"
_NO_FILES = "files are not masked yet, so they are not sent; send their text"
_NO_FILMS = "films are not masked yet, so they are not sent; send text"

PART: dict[str, Rule] = {
    "image_url": Refuse(_NO_PICTURES),
    "input_audio": Refuse(_NO_SOUND),
    "file": Refuse(_NO_FILES),
    # Servers of the same shape know these too, and tell a part by them where it has no type.
    "image": Refuse(_NO_PICTURES),
    "image_embeds": Refuse(_NO_PICTURES),
    "audio": Refuse(_NO_SOUND),
    "audio_embeds": Refuse(_NO_SOUND),
    "audio_url": Refuse(_NO_SOUND),
    "video": Refuse(_NO_FILMS),
    "video_url": Refuse(_NO_FILMS),
    "type": Only(frozenset({"text", "refusal"}), "only text parts can be masked, so only they are sent"),
    "text": TEXT,
    "refusal": TEXT,
    "prompt_cache_breakpoint": PASS,
}

CALL: dict[str, Rule] = {"name": PASS, "arguments": JSON}

MESSAGE: dict[str, Rule] = {
    "role": PASS,
    "content": [PART],
    "name": TEXT,
    "refusal": TEXT,
    "tool_call_id": PASS,
    "tool_calls": [
        {
            "id": PASS,
            "type": PASS,
            "index": NUMBER,
            "function": CALL,
            "custom": {"name": PASS, "input": TEXT},
        }
    ],
    "function_call": CALL,
    "audio": Refuse(_NO_SOUND),
    "reasoning": TEXT,
    "reasoning_content": TEXT,
    "reasoning_details": [
        {
            "type": PASS,
            "id": PASS,
            "format": PASS,
            "index": NUMBER,
            "data": OPAQUE,
            "signature": OPAQUE,
            "text": TEXT,
            "summary": TEXT,
        }
    ],
}

FUNCTION: dict[str, Rule] = {"name": PASS, "description": TEXT, "parameters": SCHEMA, "strict": PASS}

REQUEST: dict[str, Rule] = {
    "model": PASS,
    "messages": [MESSAGE],
    "tools": [
        {
            "type": PASS,
            "function": FUNCTION,
            "custom": {
                "name": PASS,
                "description": TEXT,
                "format": {"type": PASS, "grammar": {"syntax": PASS, "definition": TEXT}},
            },
        }
    ],
    "functions": [FUNCTION],
    "response_format": {
        "type": PASS,
        "json_schema": {"name": PASS, "description": TEXT, "schema": SCHEMA, "strict": PASS},
    },
    "prediction": {"type": PASS, "content": [PART]},
    "stop": TEXT,
    "metadata": DEEP,
    "user": ALIAS,
    "safety_identifier": ALIAS,
    "prompt_cache_key": ALIAS,
    "web_search_options": {
        "search_context_size": PASS,
        "user_location": Refuse("a person's location is private and cannot be masked here; leave it out"),
    },
    "audio": Refuse(_NO_SOUND),
    "modalities": Only(frozenset({"text"}), _NO_SOUND),
}
REQUEST |= dict.fromkeys(
    (
        "function_call",
        "logprobs",
        "moderation",
        "parallel_tool_calls",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "tool_choice",
        "verbosity",
    ),
    PASS,
)
REQUEST |= dict.fromkeys(
    (
        "frequency_penalty",
        "logit_bias",
        "max_completion_tokens",
        "max_tokens",
        "n",
        "presence_penalty",
        "seed",
        "temperature",
        "top_logprobs",
        "top_p",
    ),
    NUMBER,
)

SEEN: dict[str, Rule] = PART | {
    "image_url": PICTURE,
    "type": Only(frozenset({"text", "refusal", "image_url"}), "only texts and pictures can be masked"),
}
REQUEST_WITH_PICTURES: dict[str, Rule] = REQUEST | {"messages": [MESSAGE | {"content": [SEEN]}]}
"""For a service that is shown pictures, once they are reduced: see ``Slots``."""

WRITTEN = Written(
    frozenset(
        {
            "created",
            "data",
            "encrypted_content",
            "finish_reason",
            "id",
            "index",
            "model",
            "object",
            "obfuscation",
            "role",
            "service_tier",
            "signature",
            "system_fingerprint",
            "type",
            "usage",
        }
    )
)


def wants_json(request: dict[str, Any]) -> bool:
    """Whether the request asks for content that is JSON (``response_format``)."""
    form = request.get("response_format")
    return type(form) is dict and form.get("type") in ("json_object", "json_schema")


def _is_json(path: tuple[Step, ...], json_content: bool) -> bool:
    return path[-1] == "arguments" or (json_content and "content" in path)


def _joins(path: tuple[Step, ...]) -> bool:
    return path[-1] == "text" and "content" in path


CHAT = Endpoint(
    "chat", "/chat/completions", REQUEST, check_messages, WRITTEN, ChunkStream, _is_json,
    joins=_joins, wants_json=wants_json, seen=REQUEST_WITH_PICTURES,
)  # fmt: skip


# -- what is smaller -----------------------------------------------------------------------------------

_NO_TOKENS = "numbers of tokens spell a text that cannot be looked at; send the text itself"
_UPLOAD = "it takes {} as a file, which cannot be looked at here yet, so nothing is sent"

REFUSED: dict[str, str] = {
    "/audio/transcriptions": _UPLOAD.format("sound"),
    "/audio/translations": _UPLOAD.format("sound"),
    "/images/edits": _UPLOAD.format("pictures"),
    "/images/variations": _UPLOAD.format("pictures"),
}
"""Addresses that are known and refused, each with its reason; those in no table are unknown."""

COMPLETION: dict[str, Rule] = {
    "model": PASS,
    "prompt": Strings(_NO_TOKENS),
    "suffix": TEXT,
    "stop": TEXT,
    "user": ALIAS,
    "echo": PASS,
    "stream": PASS,
    "stream_options": PASS,
}
COMPLETION |= dict.fromkeys(
    (
        "best_of",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "n",
        "presence_penalty",
        "seed",
        "temperature",
        "top_p",
    ),
    NUMBER,
)

EMBEDDING: dict[str, Rule] = {
    "model": PASS,
    "input": Strings(_NO_TOKENS),
    "dimensions": NUMBER,
    "encoding_format": PASS,
    "user": ALIAS,
}

MODERATION: dict[str, Rule] = {"model": PASS, "input": [PART]}

IMAGE: dict[str, Rule] = {
    "model": PASS,
    "prompt": TEXT,
    "safety_identifier": ALIAS,
    "user": ALIAS,
    "svg": PASS,
}
IMAGE |= dict.fromkeys(
    (
        "background",
        "complexity",
        "moderation",
        "output_format",
        "quality",
        "response_format",
        "size",
        "stream",
        "style",
    ),
    PASS,
)
IMAGE |= dict.fromkeys(
    ("frame_count", "frame_duration_ms", "n", "output_compression", "partial_images"), NUMBER
)

SPEECH: dict[str, Rule] = {
    "model": PASS,
    "input": TEXT,
    "instructions": TEXT,
    "voice": PASS,
    "response_format": PASS,
    "speed": NUMBER,
    "stream_format": PASS,
}


def _needs(field: str) -> Callable[[dict[str, Any]], None]:
    """A check that a request has this field."""

    def check(request: dict[str, Any]) -> None:
        if request.get(field) in (None, "", []):
            raise BadInput("a text is needed", source=field)
        check_stream(request)

    return check


def _plain_chunks(exchange: Restoring) -> ChunkStream:
    return ChunkStream(exchange, PLAIN)


_PICTURES = Kinds(
    piece=lambda event: None,
    ends=lambda event: None,
    told=lambda event: event if str(event.get("type")).endswith(".completed") else None,
)


def _pictures(exchange: Restoring) -> TypedStream:
    return TypedStream(exchange, _PICTURES)


_DRAWN = Written(WRITTEN.kept - {"data"} | {"b64_json", "url"})
_COUNTED = Written(
    WRITTEN.kept | {"embedding", "categories", "category_scores", "category_applied_input_types"}
)

COMPLETIONS = Endpoint("completions", "/completions", COMPLETION, check_stream, WRITTEN, _plain_chunks)
EMBEDDINGS = Endpoint("embeddings", "/embeddings", EMBEDDING, _needs("input"), _COUNTED, ChunkStream)
MODERATIONS = Endpoint("moderations", "/moderations", MODERATION, _needs("input"), _COUNTED, ChunkStream)
IMAGES = Endpoint("images", "/images/generations", IMAGE, _needs("prompt"), _DRAWN, _pictures)
SPOKEN = Endpoint(
    "speech", "/audio/speech", SPEECH, _needs("input"), WRITTEN, _pictures,
    media="something private was found, and what would be spoken is its stand-in, which cannot be put back; "
    "leave it out, or let the policy keep it",
)  # fmt: skip

ENDPOINTS = (CHAT, COMPLETIONS, EMBEDDINGS, MODERATIONS, IMAGES, SPOKEN)
