"""Where text sits in OpenAI's chat completions.

Source: OpenAI API reference, "Chat Completions" (create, object, streaming), and the fields that servers of
the same shape add (``reasoning``, ``reasoning_content``, ``reasoning_details``).
"""

from __future__ import annotations

from typing import Any

from masquerade.wire.chunks import ChunkStream
from masquerade.wire.endpoint import Endpoint, check_messages
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
)

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


CHAT = Endpoint(
    "chat", "/chat/completions", REQUEST, check_messages, WRITTEN, ChunkStream, _is_json, wants_json,
    seen=REQUEST_WITH_PICTURES,
)  # fmt: skip
