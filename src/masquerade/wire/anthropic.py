"""Where text sits in Anthropic's messages.

Source: Anthropic API reference, "Messages" (create, count tokens, streaming), with its beta fields, as the
types of the official Python SDK have them; a test walks these types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from masquerade.wire.endpoint import Endpoint, Restoring, Stream, check_messages
from masquerade.wire.replies import Step, Written, index_of, tool_of
from masquerade.wire.rules import (
    ALIAS,
    DEEP,
    NUMBER,
    OPAQUE,
    PASS,
    SCHEMA,
    TEXT,
    Known,
    Only,
    Refuse,
    Rule,
    Signed,
)
from masquerade.wire.typed import Kinds, Piece, Tree, TypedStream

_NO_PICTURES = "pictures are not masked yet, so they are not sent; send text"
_NO_FILES = "files are not masked yet, so they are not sent; send their text"
_NO_PLACE = "a person's location is private and cannot be masked here; leave it out"
_NO_CREDENTIAL = "a credential of another service is not sent; let the client ask that service itself"
_NO_THREAD = "the service would keep the conversation, and nobody here its originals; send all messages"

_OWN_TEXTS = Known(
    re.compile(
        r"You are Claude Code, Anthropic's official CLI for Claude"
        r"(?:\.|, running within the Claude Agent SDK\.)"
        r"|You are a Claude agent, built on Anthropic's Claude Agent SDK\."
        r"|x-anthropic-billing-header: cc_version=[0-9]{1,3}(?:\.[0-9a-f]{1,4}){1,4}"
        r"(?:; cc_entrypoint=[a-z\-]{1,16})?(?:; cch=[0-9a-f]{1,8})?;?"
    ),
    TEXT,
)
"""The first blocks of Claude Code's system prompt, by which the service knows its own client."""


# Requests. A block is told by its type, but read by the names of its fields: where two types give one name
# different meanings, the row is the more careful of them.

_SEALS = ("signature", "encrypted_content")
_FOUND = Signed("web_search_result", ("encrypted_content",), TEXT)
_FOUND_PLACE = Signed("web_search_result_location", ("encrypted_index",), TEXT)

CITATION: dict[str, Rule] = {
    "type": PASS,
    "cited_text": _FOUND_PLACE,
    "title": _FOUND_PLACE,
    "url": _FOUND_PLACE,
    "encrypted_index": OPAQUE,
    "document_title": TEXT,
    "source": TEXT,
    "file_id": PASS,
    "enabled": PASS,
}
CITATION |= dict.fromkeys(
    (
        "document_index",
        "search_result_index",
        "start_char_index",
        "end_char_index",
        "start_page_number",
        "end_page_number",
        "start_block_index",
        "end_block_index",
    ),
    NUMBER,
)

TOOL: dict[str, Rule] = {
    "name": PASS,
    "type": PASS,
    "description": TEXT,
    "input_schema": SCHEMA,
    "input_examples": DEEP,
    "user_location": Refuse(_NO_PLACE),
}
TOOL |= dict.fromkeys(
    (
        "allowed_callers",
        "allowed_domains",
        "blocked_domains",
        "cache_control",
        "caching",
        "citations",
        "configs",
        "default_config",
        "defer_loading",
        "eager_input_streaming",
        "enable_zoom",
        "mcp_server_name",
        "model",
        "response_inclusion",
        "strict",
        "url_sources",
        "use_cache",
    ),
    PASS,
)
TOOL |= dict.fromkeys(
    (
        "display_height_px",
        "display_number",
        "display_width_px",
        "max_characters",
        "max_content_tokens",
        "max_tokens",
        "max_uses",
    ),
    NUMBER,
)
TOOL["tools"] = [TOOL]

_REFUSED_TYPES: Mapping[str, str] = {
    "image": _NO_PICTURES,
    "container_upload": _NO_FILES,
    "file": _NO_FILES,
    "base64": _NO_FILES,
    "url": _NO_FILES,
}
SOURCE: dict[str, Rule] = {
    "type": Only(frozenset({"text", "content"}), _NO_FILES, _REFUSED_TYPES),
    "media_type": Only(frozenset({"text/plain"}), _NO_FILES),
    "url": Refuse(_NO_FILES),
    "file_id": Refuse(_NO_FILES),
    "data": TEXT,
}
BLOCK: dict[str, Rule] = {
    "type": Only(
        frozenset(
            {
                "advisor_redacted_result",
                "advisor_result",
                "advisor_tool_result",
                "advisor_tool_result_error",
                "bash_code_execution_output",
                "bash_code_execution_result",
                "bash_code_execution_tool_result",
                "bash_code_execution_tool_result_error",
                "browser_state",
                "code_execution_output",
                "code_execution_result",
                "code_execution_tool_result",
                "code_execution_tool_result_error",
                "compaction",
                "document",
                "encrypted_code_execution_result",
                "fallback",
                "mcp_tool_listing",
                "mcp_tool_result",
                "mcp_tool_use",
                "redacted_thinking",
                "search_result",
                "server_tool_use",
                "text",
                "text_editor_code_execution_create_result",
                "text_editor_code_execution_str_replace_result",
                "text_editor_code_execution_tool_result",
                "text_editor_code_execution_tool_result_error",
                "text_editor_code_execution_view_result",
                "thinking",
                "tool_addition",
                "tool_reference",
                "tool_removal",
                "tool_result",
                "tool_search_tool_result",
                "tool_search_tool_result_error",
                "tool_search_tool_search_result",
                "tool_use",
                "web_fetch_result",
                "web_fetch_tool_result",
                "web_fetch_tool_result_error",
                "web_search_result",
                "web_search_tool_result",
                "web_search_tool_result_error",
            }
        ),
        "what such a block holds is not known here, so it is not sent",
        _REFUSED_TYPES,
    ),
    "text": TEXT,
    "thinking": Signed("thinking", ("signature",), TEXT),
    "signature": OPAQUE,
    "data": OPAQUE,
    "input": DEEP,
    "source": SOURCE,
    "title": _FOUND,
    "url": _FOUND,
    "page_age": _FOUND,
    "encrypted_content": OPAQUE,
    "encrypted_stdout": OPAQUE,
    "citations": [CITATION],
    "context": TEXT,
    "stdout": TEXT,
    "stderr": TEXT,
    "lines": TEXT,
    "error_message": TEXT,
    "retrieved_at": TEXT,
    "trigger": DEEP,
    "tabs": DEEP,
    "state_changes": DEEP,
    "tool": {"type": PASS, "name": PASS, "server_name": PASS, "definition": TOOL},
    "tools": [TOOL],
}
BLOCK |= dict.fromkeys(
    (
        "cache_control",
        "caller",
        "error_code",
        "file_id",
        "file_type",
        "from",
        "id",
        "is_error",
        "is_file_update",
        "mcp_server_name",
        "name",
        "server_name",
        "stop_reason",
        "to",
        "tool_name",
        "tool_use_id",
        "toolset_name",
        "transformations",
    ),
    PASS,
)
BLOCK |= dict.fromkeys(
    (
        "new_lines",
        "new_start",
        "num_lines",
        "old_lines",
        "old_start",
        "return_code",
        "start_line",
        "total_lines",
    ),
    NUMBER,
)
BLOCK["content"] = Signed("compaction", _SEALS, [BLOCK])
BLOCK["tool_changes"] = BLOCK["tool_references"] = [BLOCK]
SOURCE["content"] = [BLOCK]

_FORMAT: dict[str, Rule] = {"type": PASS, "schema": SCHEMA}
_OUTPUT: dict[str, Rule] = {"effort": PASS, "format": _FORMAT, "task_budget": PASS}
REQUEST: dict[str, Rule] = {
    "model": PASS,
    "messages": [{"role": PASS, "content": [BLOCK], "clear_at": PASS, "output_config": _OUTPUT}],
    "system": Known(_OWN_TEXTS.form, [BLOCK | {"text": _OWN_TEXTS}]),
    "tools": [TOOL],
    "stop_sequences": TEXT,
    "metadata": {"user_id": ALIAS},
    "output_config": _OUTPUT,
    "output_format": _FORMAT,
    "fallbacks": [
        {"model": PASS, "max_tokens": NUMBER, "output_config": _OUTPUT, "speed": PASS, "thinking": PASS}
    ],
    "fallback_credit_token": {"token": OPAQUE, "mode": PASS},
    "context_management": {
        "edits": [
            {
                "type": PASS,
                "clear_at_least": PASS,
                "clear_tool_inputs": PASS,
                "exclude_tools": PASS,
                "keep": PASS,
                "trigger": PASS,
                "pause_after_compaction": PASS,
                "instructions": TEXT,
            }
        ]
    },
    "compaction": {"type": PASS, "instructions": TEXT},
    "mcp_servers": [
        {
            "name": PASS,
            "type": PASS,
            "url": PASS,
            "authorization_token": Refuse(_NO_CREDENTIAL),
            "tool_configuration": PASS,
        }
    ],
    "thread": Refuse(_NO_THREAD),
}
REQUEST |= dict.fromkeys(
    (
        "betas",
        "billing_policy",
        "cache_control",
        "container",
        "diagnostics",
        "inference_geo",
        "service_tier",
        "speed",
        "stream",
        "thinking",
        "tool_choice",
        "user_profile_id",
        "workspace_id",
    ),
    PASS,
)
REQUEST |= dict.fromkeys(("max_tokens", "temperature", "top_k", "top_p"), NUMBER)


# Replies

WRITTEN = Written(
    kept=frozenset(
        {
            "cache_control",
            "caller",
            "container",
            "context_management",
            "data",
            "diagnostics",
            "encrypted_content",
            "encrypted_index",
            "encrypted_stdout",
            "error_code",
            "fallback_credit_token",
            "file_id",
            "id",
            "index",
            "input_transformations",
            "model",
            "recommended_model",
            "request_id",
            "role",
            "signature",
            "stop_reason",
            "tool_use_id",
            "type",
            "usage",
        }
    ),
    objects=frozenset({"input"}),
    signed={
        "thinking": (),
        "thinking_delta": (),
        "signature_delta": (),
        "redacted_thinking": (),
        "compaction": _SEALS,
        "compaction_delta": _SEALS,
    },
)

_PIECES = {"text_delta": "text", "input_json_delta": "partial_json", "compaction_delta": "content"}


def _piece(event: Tree) -> Piece | None:
    delta = event.get("delta")
    if event.get("type") != "content_block_delta" or type(delta) is not dict:
        return None
    field = _PIECES.get(str(delta.get("type")))
    if field is None or type(delta.get(field)) is not str or any(map(delta.get, _SEALS)):
        return None
    return Piece((index_of(event), field), delta, field)


def _ends(event: Tree) -> tuple[Step, ...] | None:
    kind = event.get("type")
    if kind == "content_block_stop":
        return (index_of(event),)
    return () if kind in ("message_delta", "message_stop", "error") else None


def _calls(event: Tree) -> tuple[tuple[Step, ...], str] | None:
    block = event.get("content_block")
    tool = tool_of(block) if type(block) is dict else None
    return None if tool is None else ((index_of(event),), tool)


def _told(event: Tree) -> Tree | None:
    return event if event.get("type") == "message_delta" else None


def _stream(exchange: Restoring) -> Stream:
    return TypedStream(exchange, Kinds(_piece, _ends, _told, calls=_calls))


def wants_json(request: dict[str, Any]) -> bool:
    """Whether the request asks for content that is JSON (``output_config.format``)."""
    config = request.get("output_config")
    form = config.get("format") if type(config) is dict else None
    form = form or request.get("output_format")
    return type(form) is dict and form.get("type") == "json_schema"


def _is_json(path: tuple[Step, ...], json_content: bool) -> bool:
    if "input" in path:
        return False
    return path[-1] == "partial_json" or (json_content and path[-1] == "text")


def _joins(path: tuple[Step, ...]) -> bool:
    return path[-1] == "text" and "input" not in path


_QUERY = ("beta=true",)
MESSAGES = Endpoint(
    "messages",
    "/messages",
    REQUEST,
    check_messages,
    WRITTEN,
    _stream,
    _is_json,
    wants_json=wants_json,
    joins=_joins,
    api="anthropic",
    query=_QUERY,
)
COUNT_TOKENS = MESSAGES._replace(name="count_tokens", path="/messages/count_tokens")
ENDPOINTS = (MESSAGES, COUNT_TOKENS)
