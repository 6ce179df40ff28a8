"""A long session of a coding agent, as Claude Code sends one: what it asks, and what a model answers.

Made by hand after the shape of real ones: three system blocks, 17 tools, 40 turns with tool calls and
results, signed thoughts, a growing history with cache markers that move, token counts in between.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

PLANTED = {
    "ada.lovelace@example.com": "EMAIL",
    "grace.hopper@example.org": "EMAIL",
    "billing-oncall@example.net": "EMAIL",
    "+44 20 7946 0958": "PHONE",
    "13812345678": "PHONE",
    "4111 1111 1111 1111": "CREDIT_CARD",
    "GB82 WEST 1234 5698 7654 32": "IBAN",
    "sk-proj-4fJ2kLm9QwErTy7UiOp3AsDf": "SECRET",
    "correct-horse-battery-9": "SECRET",
    "203.0.113.77": "IP_ADDRESS",
}
"""Everything private in it, and its kind."""

(ADA, GRACE, ONCALL, PHONE, MOBILE, CARD, IBAN, API_KEY, PASSWORD, HOST) = PLANTED

BILLING = "x-anthropic-billing-header: cc_version=2.1.37.3c3; cc_entrypoint=cli; cch=a1b2c;"
IDENTITY = "You are Claude Code, Anthropic's official CLI for Claude."
PROMPT = f"""You are an interactive agent that helps users with software engineering tasks.

# Tone
Be concise. Do not add comments unless asked. Never guess URLs.

# Doing tasks
Read code before you change it. Run the tests after a change. Prefer editing to creating files.
{"Use the tools; keep each call small, and explain a command that changes the system. " * 40}

# Environment
Working directory: /srv/billing
Is a git repository: yes
The user's e-mail address is {ADA}.
Recent commits:
3f2a1bc Retry failed payments ({GRACE})
9d8e7fa Rotate keys, page {ONCALL} or {PHONE} when it fails
"""


def tools() -> list[dict[str, Any]]:
    """What the agent may call."""
    text, number, flag = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
    made = {
        "Bash": {"command": text, "description": text, "timeout": number, "run_in_background": flag},
        "BashOutput": {"bash_id": text, "filter": text},
        "Edit": {"file_path": text, "old_string": text, "new_string": text, "replace_all": flag},
        "ExitPlanMode": {"plan": text},
        "Glob": {"pattern": text, "path": text},
        "Grep": {"pattern": text, "path": text, "glob": text, "-A": number, "-n": flag, "multiline": flag},
        "KillShell": {"shell_id": text},
        "LS": {"path": text, "ignore": {"type": "array", "items": text}},
        "MultiEdit": {"file_path": text, "edits": {"type": "array", "items": {"type": "object"}}},
        "NotebookEdit": {"notebook_path": text, "cell_id": text, "new_source": text},
        "Read": {"file_path": text, "offset": number, "limit": number},
        "Task": {"description": text, "prompt": text, "kind": text},
        "TodoWrite": {
            "todos": {"type": "array", "items": {"type": "object", "properties": {"content": text}}}
        },
        "WebFetch": {"url": {"type": "string", "format": "uri"}, "prompt": text},
        "Write": {"file_path": text, "content": text},
        "mcp__crm__find_customer": {"email": text, "phone": text},
        "mcp__crm__send_mail": {"to": text, "subject": text, "body": text},
    }
    return [
        {
            "name": name,
            "description": f"{name}: {'use it for what it says, and for nothing else. ' * 12}",
            "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": properties,
                "required": list(properties)[:1],
                "additionalProperties": False,
            },
        }
        for name, properties in made.items()
    ]


RESULTS = (
    f'     1\\tDB_HOST={HOST}\\n     2\\tDB_PASSWORD="{PASSWORD}"\\n     3\\tOPENAI_API_KEY={API_KEY}',
    json.dumps({"customer": {"mail": ADA, "mobile": MOBILE, "iban": IBAN, "card": CARD}}, indent=2),
    f"src/pay.py:12: owner = '{GRACE}'\nsrc/pay.py:40:     # call {PHONE}",
    "def retry(n: int) -> None:\n    for attempt in range(n):\n        send(attempt)\n" * 12,
    f"PASSED 31 tests\nwarning: mail to {ONCALL} failed: timeout at {HOST}:5432",
)
CALLS = ("Read", "mcp__crm__find_customer", "Grep", "Read", "Bash")


def turns(n: int = 40) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """What the agent adds to its history before each request, and which call the model will make then."""
    user = f"<system-reminder>Today's task is billing.</system-reminder>\nFix the retry for {ADA}, please."
    new: list[dict[str, Any]] = [{"type": "text", "text": user}]
    for i in range(n):
        yield new, {"id": f"toolu_01{i:022d}", "name": CALLS[i % len(CALLS)]}
        result = RESULTS[i % len(RESULTS)]
        content: Any = result if i % 2 else [{"type": "text", "text": result}]
        new = [{"type": "tool_result", "tool_use_id": f"toolu_01{i:022d}", "content": content}]
        if i % 7 == 6:
            new.append({"type": "text", "text": f"And tell {GRACE} that step {i} is done."})


def request(history: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """One request: the whole history, with cache markers on the last two messages of the user."""
    marker = {"type": "ephemeral", "ttl": "1h"}
    messages = json.loads(json.dumps(history))
    for message in [each for each in messages if each["role"] == "user"][-2:]:
        message["content"][-1]["cache_control"] = marker
    return {
        "model": "claude-opus-5",
        "messages": messages,
        "system": [
            {"type": "text", "text": BILLING},
            {"type": "text", "text": IDENTITY, "cache_control": marker},
            {"type": "text", "text": PROMPT, "cache_control": marker},
        ],
        "tools": tools(),
        "metadata": {"user_id": "user_0a1b_account_8d1f0c1e_session_4f5a6b7c"},
        "max_tokens": 32000,
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        **fields,
    }


# The model


def signature(thought: str) -> str:
    return base64.b64encode(hashlib.sha512(thought.encode()).digest() * 3).decode()


# Kinds that rules find wherever they stand: a name may go unfound in the next sentence.
_TOKEN = re.compile(r"\[(?:EMAIL|PHONE|IBAN|IP_ADDRESS)_[0-9A-Z]{10}\]")


def answer(asked: dict[str, Any], call: dict[str, Any]) -> list[dict[str, Any]]:
    """What the model says: it thinks, speaks and calls a tool, with stand-ins that it was shown."""
    shown = list(dict.fromkeys(_TOKEN.findall(json.dumps([asked["system"], asked["messages"]]))))
    i = len(asked["messages"])
    some = [shown[(i * 3 + k) % len(shown)] for k in range(3)]
    rest = f"\u201cretry\u201d \U0001f600 must not mail test.user{i}@example.com.\n"
    thought = f"Step {i}: they mention {some[0]}; {rest}"
    given = {"file_path": f"/srv/billing/{i}.py", "note": {some[1]: [f"for {some[2]}", i, 1.5, None]}}
    return [
        {"type": "thinking", "thinking": thought, "signature": signature(thought)},
        {"type": "text", "text": f"I look at **{some[0]}**, then at `{some[1]}`."},
        {"type": "tool_use", **call, "input": given},
    ]


def events(content: list[dict[str, Any]], size: int) -> Iterator[bytes]:
    """``content`` as an event stream, in pieces of ``size`` characters."""

    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    usage = {"input_tokens": 9, "cache_read_input_tokens": 9, "output_tokens": 1}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": usage,
    }
    yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
    yield event("ping")
    parts = {"thinking": "thinking_delta", "text": "text_delta", "tool_use": "input_json_delta"}
    for i, block in enumerate(content):
        kind = block["type"]
        field = {"tool_use": "partial_json"}.get(kind, kind)
        text = json.dumps(block["input"]) if kind == "tool_use" else block[kind]
        empty = {
            "thinking": {"thinking": "", "signature": ""},
            "text": {"text": ""},
            "tool_use": {"input": {}},
        }
        yield event("content_block_start", index=i, content_block={**block, **empty[kind]})
        for at in range(0, len(text), size):
            delta = {"type": parts[kind], field: text[at : at + size]}
            yield event("content_block_delta", index=i, delta=delta)
        if kind == "thinking":
            delta = {"type": "signature_delta", "signature": block["signature"]}
            yield event("content_block_delta", index=i, delta=delta)
        yield event("content_block_stop", index=i)
    yield event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage=usage)
    yield event("message_stop")


def without_markers(node: Any) -> Any:
    """The same without cache markers."""
    if isinstance(node, dict):
        return {name: without_markers(value) for name, value in node.items() if name != "cache_control"}
    return [without_markers(each) for each in node] if isinstance(node, list) else node
