"""Where text sits in OpenAI's responses, and in the events by which one comes.

Source: OpenAI API reference, "Responses" (create, compact, input tokens, object, streaming events).

An item of a conversation is one of some thirty types that share their fields' names, so one table serves
all. What the service keeps (``previous_response_id``, ``conversation``) holds stand-ins of requests that
this one knows nothing of, so it is refused.
"""

from __future__ import annotations

from typing import Any

from masquerade.errors import BadInput
from masquerade.wire.endpoint import Endpoint, Kept, Restoring, check_stream
from masquerade.wire.replies import Step, Written, tool_of
from masquerade.wire.rules import (
    ALIAS,
    DEEP,
    DROP,
    JSON,
    NUMBER,
    OPAQUE,
    PASS,
    SCHEMA,
    TEXT,
    Names,
    Never,
    Only,
    Refuse,
    Rule,
)
from masquerade.wire.typed import Kinds, Piece, Tree, TypedStream

_KEPT = (
    "a single item that the service keeps is not known here, so its stand-ins could not be put back; go on "
    "from previous_response_id or a conversation, or send the item itself"
)
_NO_PICTURES = "pictures are not masked here, so they are not sent; send text"
_NO_FILES = "files are not masked yet, so they are not sent; send their text"
_NO_ITEM = "an item of this type cannot be looked at here, so it is not sent"
_NO_TOOL = "this tool works on pictures, which are not masked here; leave it out"
_NO_CREDENTIALS = (
    "credentials for somebody else's server are private, and would not work masked; leave them out, and call "
    "that server from your side"
)
_NO_LOCATION = "a person's location is private and cannot be masked here; leave it out"

# -- requests ------------------------------------------------------------------------------------------

ANNOTATION: dict[str, Rule] = {
    "type": PASS,
    "file_id": PASS,
    "container_id": PASS,
    "filename": TEXT,
    "title": TEXT,
    "url": TEXT,
    "index": NUMBER,
    "start_index": NUMBER,
    "end_index": NUMBER,
}

PART: dict[str, Rule] = {
    "image_url": Refuse(_NO_PICTURES),
    "input_audio": Refuse("sound is not masked yet, so it is not sent; use text"),
    "file_id": Refuse(_NO_FILES),
    "file_data": Refuse(_NO_FILES),
    "file_url": Refuse(_NO_FILES),
    "type": Only(
        frozenset({"input_text", "output_text", "text", "refusal", "reasoning_text", "summary_text"}),
        "only texts can be masked, so only they are sent",
    ),
    "text": TEXT,
    "refusal": TEXT,
    "annotations": [ANNOTATION],
    "logprobs": DROP,
    "prompt_cache_breakpoint": PASS,
}

OUTPUT: dict[str, Rule] = PART | {
    "stdout": TEXT,
    "stderr": TEXT,
    "outcome": {"type": PASS, "exit_code": NUMBER},
}
"""A part of what a tool gave: of a function's or custom tool's, or of a shell's commands."""

FORMAT: dict[str, Rule] = {
    "type": PASS,
    "name": PASS,
    "description": TEXT,
    "schema": SCHEMA,
    "strict": PASS,
}

FILTER: dict[str, Rule] = {
    "type": PASS,
    "key": PASS,
    "value": TEXT,
    "allowed_domains": PASS,
    "blocked_domains": PASS,
}
FILTER["filters"] = [FILTER]

ENVIRONMENT: dict[str, Rule] = {
    "type": PASS,
    "container_id": PASS,
    "file_ids": PASS,
    "memory_limit": PASS,
    "network_policy": {
        "type": PASS,
        "allowed_domains": PASS,
        "domain_secrets": Refuse(_NO_CREDENTIALS),
    },
    "skills": [
        {
            "type": PASS,
            "skill_id": PASS,
            "version": PASS,
            "name": PASS,
            "description": TEXT,
            "path": TEXT,
            "source": Refuse(_NO_FILES),
        }
    ],
}

TOOL: dict[str, Rule] = {
    "type": Never(frozenset({"image_generation", "computer", "computer_use_preview"}), _NO_TOOL),
    "name": PASS,
    "description": TEXT,
    "parameters": SCHEMA,
    "output_schema": SCHEMA,
    "format": {"type": PASS, "syntax": PASS, "definition": TEXT},
    "vector_store_ids": PASS,
    "max_num_results": NUMBER,
    "ranking_options": PASS,
    "filters": FILTER,
    "user_location": Refuse(_NO_LOCATION),
    "server_label": PASS,
    "server_url": PASS,
    "server_description": TEXT,
    "tunnel_id": PASS,
    "connector_id": PASS,
    "allowed_tools": PASS,
    "require_approval": PASS,
    "authorization": Refuse(_NO_CREDENTIALS),
    "headers": Refuse(_NO_CREDENTIALS),
    "container": ENVIRONMENT,
    "environment": ENVIRONMENT,
    "input_schema": SCHEMA,
    "annotations": DEEP,
}
TOOL |= dict.fromkeys(
    (
        "allowed_callers",
        "async",
        "defer_loading",
        "execution",
        "external_web_access",
        "search_content_types",
        "search_context_size",
        "strict",
    ),
    PASS,
)
TOOL["tools"] = [TOOL]

ACTION: dict[str, Rule] = {
    "type": PASS,
    "command": TEXT,
    "commands": TEXT,
    "env": DEEP,
    "working_directory": TEXT,
    "user": TEXT,
    "query": TEXT,
    "queries": TEXT,
    "pattern": TEXT,
    "url": TEXT,
    "sources": [{"type": PASS, "url": TEXT}],
    "timeout_ms": NUMBER,
    "max_output_length": NUMBER,
}
"""What a shell or a search is to do."""

REASONING: dict[str, Rule] = dict.fromkeys(("context", "effort", "generate_summary", "mode", "summary"), PASS)

ITEM: dict[str, Rule] = {
    "type": Only(
        frozenset(
            {
                "additional_tools",
                "apply_patch_call",
                "apply_patch_call_output",
                "code_interpreter_call",
                "compaction",
                "compaction_trigger",
                "configuration_update",
                "custom_tool_call",
                "custom_tool_call_output",
                "file_search_call",
                "function_call",
                "function_call_output",
                "local_shell_call",
                "local_shell_call_output",
                "mcp_approval_request",
                "mcp_approval_response",
                "mcp_call",
                "mcp_list_tools",
                "message",
                "program",
                "program_output",
                "reasoning",
                "shell_call",
                "shell_call_output",
                "tool_search_call",
                "tool_search_output",
                "web_search_call",
            }
        ),
        _NO_ITEM,
    ),
    "content": [PART],
    "summary": [PART],
    "encrypted_content": OPAQUE,
    "arguments": JSON,
    "input": TEXT,
    "output": [OUTPUT],
    "action": ACTION,
    "operation": {"type": PASS, "path": TEXT, "diff": TEXT},
    "code": TEXT,
    "result": TEXT,
    "fingerprint": OPAQUE,
    "outputs": [{"type": Only(frozenset({"logs"}), _NO_PICTURES), "logs": TEXT, "url": Refuse(_NO_PICTURES)}],
    "queries": TEXT,
    "results": [
        {"file_id": PASS, "filename": TEXT, "score": NUMBER, "text": TEXT, "attributes": DEEP},
    ],
    "tools": [TOOL],
    "error": TEXT,
    "reason": TEXT,
    "environment": ENVIRONMENT,
    "reasoning": REASONING,
    "text": {"format": FORMAT, "verbosity": PASS},
    "created_by": TEXT,
    "max_output_length": NUMBER,
}
ITEM |= dict.fromkeys(
    (
        "approval_request_id",
        "approve",
        "async",
        "call_id",
        "caller",
        "container_id",
        "execution",
        "id",
        "name",
        "namespace",
        "phase",
        "role",
        "server_label",
        "status",
    ),
    PASS,
)

REQUEST: dict[str, Rule] = {
    "model": PASS,
    "instructions": TEXT,
    "input": [ITEM],
    "tools": [TOOL],
    "text": {"format": FORMAT, "verbosity": PASS},
    "prompt": {"id": PASS, "version": PASS, "variables": Names([PART])},
    "metadata": DEEP,
    "user": ALIAS,
    "safety_identifier": ALIAS,
    "prompt_cache_key": ALIAS,
    "previous_response_id": PASS,
    "conversation": {"id": PASS},
    "background": PASS,
    "reasoning": REASONING,
}
REQUEST |= dict.fromkeys(
    (
        "access_programs",
        "background_options",
        "context_management",
        "image",
        "include",
        "moderation",
        "parallel_tool_calls",
        "personality",
        "prompt_cache_options",
        "prompt_cache_retention",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "tool_choice",
        "truncation",
    ),
    PASS,
)
REQUEST |= dict.fromkeys(
    ("max_output_tokens", "max_tool_calls", "temperature", "top_logprobs", "top_p"), NUMBER
)


def _check_items(request: dict[str, Any]) -> None:
    check_input({"input": request.get("items")})


def check_input(request: dict[str, Any]) -> None:
    """Refuse what is no request, and references to items that the service keeps.

    Raises:
        BadInput: ``input`` is neither a text nor a list of items, or ``stream`` is no truth value.
    """
    items = request.get("input")
    if type(items) not in (str, list, type(None)):
        raise BadInput("input is a text or a list of items", source="input")
    for i, item in enumerate(items if type(items) is list else ()):
        if type(item) is not dict:
            raise BadInput("an item is an object with a type", source=f"input[{i}]")
        kind = item.get("type")
        if kind == "item_reference" or (kind is None and "role" not in item):
            raise BadInput(_KEPT, source=f"input[{i}]")
    check_stream(request)


def wants_json(request: dict[str, Any]) -> bool:
    """Whether the request asks for a text that is JSON (``text.format``)."""
    text = request.get("text")
    form = text.get("format") if type(text) is dict else None
    return type(form) is dict and form.get("type") in ("json_object", "json_schema")


def _refers(request: dict[str, Any]) -> tuple[str, ...]:
    conversation = request.get("conversation")
    if type(conversation) is dict:
        conversation = conversation.get("id")
    ids = (request.get("previous_response_id"), conversation)
    return tuple(each for each in ids if type(each) is str)


def _keeps(request: dict[str, Any]) -> bool:
    return request.get("store") is not False


def _name(reply: dict[str, Any]) -> str | None:
    said = reply.get("response", reply)
    name = said.get("id") if type(said) is dict else None
    return name if type(name) is str else None


KEPT = Kept(_refers, _keeps, _name)

# -- replies -------------------------------------------------------------------------------------------

_OBJECTS = frozenset(
    {"arguments", "env", "input_schema", "metadata", "output_schema", "parameters", "schema"}
)
_THOUGHTS = frozenset({"reasoning_text", "summary_text", "input_text", "response.reasoning_text.done"}) | {
    "response.reasoning_summary_text.done"
}
_PLAIN = _OBJECTS | _THOUGHTS | {"instructions", "tools", "prompt"}

WRITTEN = Written(
    kept=frozenset(
        {
            "b64_json",
            "call_id",
            "container_id",
            "created_at",
            "encrypted_content",
            "file_id",
            "fingerprint",
            "id",
            "item_id",
            "model",
            "object",
            "obfuscation",
            "partial_image_b64",
            "phase",
            "prompt_cache_key",
            "role",
            "safety_identifier",
            "service_tier",
            "status",
            "type",
            "usage",
            "user",
        }
    ),
    objects=_OBJECTS,
    told=_THOUGHTS,
)


def _is_json(path: tuple[Step, ...], json_content: bool) -> bool:
    if path[-1] == "arguments":
        return _PLAIN.isdisjoint(path[:-1])
    return json_content and path[-1] == "text" and _PLAIN.isdisjoint(path)


def _joins(path: tuple[Step, ...]) -> bool:
    return path[-1] == "text" and _PLAIN.isdisjoint(path)


_INDEXES = ("content_index", "summary_index", "command_index")
_DELTA, _DONE = ".delta", ".done"
_JSON_PIECES = ("response.function_call_arguments", "response.mcp_call_arguments")
_TEXT_PIECES = "response.output_text"
_PARTS = frozenset({"response.content_part", "response.reasoning_summary_part"})
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})


def _place(event: Tree, base: str) -> tuple[Step, ...]:
    """Which text an event is about: of the output, the part of it, and what it is called there."""
    place = _item(event)
    name = next((name for name in _INDEXES if type(event.get(name)) is int), "")
    index: Step = event[name] if name else 0
    called = "arguments" if base in _JSON_PIECES else "text" if base == _TEXT_PIECES else base
    return (*place, name, index, called)


def _item(event: Tree) -> tuple[Step, ...]:
    index = event.get("output_index")
    return (index if type(index) is int else -1,)


def _piece(event: Tree) -> Piece | None:
    kind = event.get("type")
    if type(kind) is not str or not kind.endswith(_DELTA):
        return None
    path, delta = _place(event, kind.removesuffix(_DELTA)), event.get("delta")
    if type(delta) is str:
        return Piece(path, event, "delta")
    if type(delta) is dict:  # of a shell, which writes to one of two
        for field, text in delta.items():
            if type(text) is str and text:
                return Piece((*path, field), delta, field)
    return None


def _ends(event: Tree) -> tuple[Step, ...] | None:
    kind = event.get("type")
    if type(kind) is not str:
        return ()
    if kind in _LAST or kind == "error":
        return ()
    if not kind.endswith(_DONE):
        return None
    base = kind.removesuffix(_DONE)
    if base == "response.output_item":
        return _item(event)
    place = _place(event, base)
    return place[:-1] if base in _PARTS else place


def _calls(event: Tree) -> tuple[tuple[Step, ...], str] | None:
    item = event.get("item")
    tool = tool_of(item) if type(item) is dict else None
    return None if tool is None else (_item(event), tool)


def _told(event: Tree) -> Tree | None:
    kind, response = event.get("type"), event.get("response")
    return response if type(kind) is str and kind in _LAST and type(response) is dict else None


def _beside(event: Tree) -> tuple[Step, ...] | None:
    is_one = event.get("type") == "response.output_text.annotation.added"
    return _place(event, _TEXT_PIECES) if is_one else None


_KINDS = Kinds(_piece, _ends, _told, number="sequence_number", beside=_beside, calls=_calls, repeats=True)


def _stream(exchange: Restoring) -> TypedStream:
    return TypedStream(exchange, _KINDS)


RESPONSES = Endpoint(
    "responses", "/responses", REQUEST, check_input, WRITTEN, _stream, _is_json,
    joins=_joins, wants_json=wants_json, kept=KEPT,
)  # fmt: skip
COMPACTION = RESPONSES._replace(name="compaction", path="/responses/compact")
TOKEN_COUNT = RESPONSES._replace(
    name="token_count", path="/responses/input_tokens", kept=KEPT._replace(keeps=lambda request: False)
)
CONVERSATIONS = RESPONSES._replace(
    name="conversations",
    path="/conversations",
    request={"items": [ITEM], "metadata": DEEP},
    needs=_check_items,
    kept=KEPT._replace(refers=lambda request: (), keeps=lambda request: True),
)

ENDPOINTS = (RESPONSES, COMPACTION, TOKEN_COUNT, CONVERSATIONS)


def below(conversation: str, path: str) -> Endpoint:
    """What is sent to an address ``path`` below a conversation that the service keeps."""
    kept = KEPT._replace(refers=lambda request: (conversation,), keeps=lambda request: True)
    return CONVERSATIONS._replace(path=path, kept=kept)
