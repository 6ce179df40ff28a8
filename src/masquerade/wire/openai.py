"""Where text sits in OpenAI's chat completions: tables for requests, a walk for replies and their pieces.

The tables say, for every field of a request, what is done with what stands there. A field that is in no table
is treated as private: every string, number and key below it is looked at (``DEEP``).

Source: OpenAI API reference, "Chat Completions" (create, object, streaming), and the fields that servers of
the same shape add (``reasoning``, ``reasoning_content``, ``reasoning_details``).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, NamedTuple, TypeAlias


class How(enum.Enum):
    """What is done with a value."""

    PASS = enum.auto()  # a name or an enumeration; a string of another shape is masked as text
    NUMBER = enum.auto()  # a number, which passes; anything else is treated as by PASS
    TEXT = enum.auto()  # masked as text
    JSON = enum.auto()  # JSON written as text: strings, numbers and keys in it are masked one by one
    DEEP = enum.auto()  # whatever it is: strings, numbers and keys below it are masked one by one
    ALIAS = enum.auto()  # names a person to the service: replaced by a keyed alias, never restored
    OPAQUE = enum.auto()  # signed or encrypted by the service: goes back byte for byte
    PICTURE = enum.auto()  # a picture: reduced to what is to be seen of it, all else with it is dropped


class Refuse(NamedTuple):
    """The request is refused if this field is present."""

    why: str


class Only(NamedTuple):
    """The request is refused unless this field has one of these values."""

    values: frozenset[str]
    why: str


class Names(NamedTuple):
    """An object whose keys are names and whose values all follow one rule."""

    rule: Rule


Rule: TypeAlias = "How | Refuse | Only | Names | dict[str, Any] | list[Any]"
# A dict says what happens to each field ("*" to others, DEEP by default), a list to each element. A string
# that stands where an object or a list was expected is text; so is a long number where none was expected.

PASS, NUMBER, TEXT, JSON, DEEP, ALIAS, OPAQUE, PICTURE = How

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

SCHEMA: dict[str, Rule] = {
    "type": PASS,
    "format": PASS,
    "$ref": PASS,
    "$schema": PASS,
    "$id": PASS,
    "required": PASS,
    "enum": DEEP,
    "const": DEEP,
    "default": DEEP,
    "examples": DEEP,
}
SCHEMA |= dict.fromkeys(
    ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    NUMBER,
)
SCHEMA |= dict.fromkeys(("minItems", "maxItems", "minProperties", "maxProperties"), NUMBER)
_schemas = Names(SCHEMA)
SCHEMA |= {"properties": _schemas, "patternProperties": _schemas, "$defs": _schemas, "definitions": _schemas}
SCHEMA["*"] = SCHEMA

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


# Replies

KEPT = frozenset(
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
"""Fields of a reply in which no model writes text."""

Step: TypeAlias = "str | int"
Move: TypeAlias = Callable[[tuple[Step, ...], int], int]
"""Where a character now stands of the text beside which an annotation stands; and the path of these two."""
Restore: TypeAlias = Callable[[tuple[Step, ...], str], str]
"""Restores one text (or one more piece of it) that stands at a path; elements of lists by their ``index``."""


def restore_texts(node: Any, restore: Restore, path: tuple[Step, ...] = (), move: Move | None = None) -> bool:
    """Restore every text under ``node`` in place; whether anything changed.

    Log probabilities spell the stand-ins piece by piece, so they become null. Annotations say where in the
    text they belong, so their offsets go through ``move``.
    """
    changed = False
    listed = type(node) is list
    items = enumerate(node) if listed else node.items()
    for key, value in items:
        kind = type(value)
        if kind is str:
            if key in KEPT:
                continue
            new = restore((*path, key), value)
            if new != value:
                node[key] = new
                changed = True
        elif kind is dict or kind is list:
            if key == "logprobs":
                node[key] = None
                changed = True
            elif key not in KEPT:
                step = index_of(value, key) if listed and kind is dict else key
                changed |= restore_texts(value, restore, (*path, step), move)
    if move is not None and not listed and type(node.get("annotations")) is list:
        changed |= move_offsets(node["annotations"], lambda offset: move(path, offset))
    return changed


def index_of(part: dict[str, Any], otherwise: int = 0) -> int:
    """Which of its kind a choice or tool call of a reply says that it is."""
    index = part.get("index")
    return index if type(index) is int else otherwise


def move_offsets(node: Any, move: Callable[[int], int]) -> bool:
    """Change every offset under ``node`` in place; whether anything changed."""
    changed = False
    for key, value in list(enumerate(node) if type(node) is list else node.items()):
        if key in ("start_index", "end_index") and type(value) is int:
            node[key] = new = move(value)
            changed |= new != value
        elif type(value) in (dict, list):
            changed |= move_offsets(value, move)
    return changed


def is_json(path: tuple[Step, ...], *, json_content: bool) -> bool:
    """Whether the text at ``path`` of a reply is JSON, so that what is put into it must be escaped."""
    return path[-1] == "arguments" or (json_content and "content" in path)


def escape_json(text: str) -> str:
    """``text`` as it stands inside a JSON string, without the quotation marks."""
    return encode_basestring(text)[1:-1]


def wants_json(request: dict[str, Any]) -> bool:
    """Whether the request asks for content that is JSON (``response_format``)."""
    form = request.get("response_format")
    return type(form) is dict and form.get("type") in ("json_object", "json_schema")


def delta_of(path: tuple[Step, ...], text: str) -> dict[str, Any]:
    """The smallest delta that carries ``text`` at ``path``: the inverse of walking to it."""
    value: Any = text
    for step in reversed(path):
        value = [_element(step, value)] if type(step) is int else {step: value}
    return value  # type: ignore[no-any-return]


def _element(index: int, value: Any) -> Any:
    return {"index": index, **value} if type(value) is dict else value


def merge_delta(delta: dict[str, Any], path: tuple[Step, ...], text: str) -> bool:
    """Append ``text`` to what ``delta`` already carries at ``path``; False, and nothing is done, where a
    value of another shape stands in the way."""
    node: Any = delta
    for i, step in enumerate(path):
        if type(step) is int:
            if type(node) is not list:
                return False
            found = next((part for part in node if type(part) is dict and part.get("index") == step), None)
            if found is None:
                node.append(_element(step, delta_of(path[i + 1 :], text)))
                return True
        else:
            if type(node) is not dict:
                return False
            found = node.get(step)
            if found is None or found == "":
                node |= delta_of(path[i:], text)
                return True
            if i + 1 == len(path) and type(found) is str:
                node[step] = found + text
                return True
        node = found
    return False
