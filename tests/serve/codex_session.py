"""A session as Codex has it: instructions, tools, and turns of reasoning, calls and what they gave.

Everything in it is made up. The model's side is a script: what it says at a turn, with the values written as
it saw them; the client's side is what the tools gave, with the values as they are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

PLANTED = {
    "owner": "ada.lovelace@example.com",
    "reviewer": "grace.hopper@example.org",
    "ops": "ops-oncall@example.net",
    "customer": "alan.turing@example.com",
    "phone": "+1 415 555 0132",
    "mobile": "13812345678",
    "card": "4111 1111 1111 1111",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "iban": "DE89 3704 0044 0532 0130 00",
    "password": "tr0ub4dor-und-3-rosen",
}
"""What must not leave, by a name for it."""

KEPT = {name: value for name, value in PLANTED.items() if name not in ("card", "aws", "password")}
"""Those that the default policy gives a token, so that they come back."""

INSTRUCTIONS = """You are a coding agent running in a terminal. You work in the user's repository.

# How you work
- Read before you write. Search with `rg`; list files with `rg --files`.
- Change files with `apply_patch` only. Keep changes small and in the style of what is there.
- Run the tests that cover what you changed. Do not fix what you were not asked to fix.
- Never commit, push, or change branches unless you are asked to.

# How you answer
- Plain text, short. Name files as `path:line`.
- Say what you changed, what you ran, and what is left.

# The sandbox
The filesystem is `workspace-write`, the network is off, approvals are `on-request`. A command that needs
more asks for it with `with_escalated_permissions` and one sentence of `justification`.
""" + "\n".join(
    f"## Rule {i}\nWhen a step of kind {i} fails, say so, show the last lines of its output, and try once "
    "more with the smallest change that could help. Do not guess at what a file holds.\n"
    for i in range(1, 24)
)


def _function(name: str, description: str, **properties: Any) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:1],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "name": name,
        "description": description,
        "strict": False,
        "parameters": parameters,
    }


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
TOOLS: list[dict[str, Any]] = [
    _function(
        "shell",
        "Runs a command and gives its output.",
        command={"type": "array", "items": _TEXT, "description": "The command and its arguments"},
        workdir={"type": "string", "description": "Where it runs"},
        timeout_ms={"type": "number", "description": "When it is ended"},
    ),
    _function("update_plan", "Updates the plan.", plan={"type": "array", "items": {
        "type": "object", "properties": {
            "step": _TEXT, "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]}}}}),
    _function("view_image", "Attaches a picture.", path=_TEXT),
    _function("read_file", "Reads a file.", file_path=_TEXT, offset=_NUMBER, limit=_NUMBER),
    _function("list_dir", "Lists a folder.", dir_path=_TEXT, depth=_NUMBER),
    _function("grep_files", "Searches files.", pattern=_TEXT, include=_TEXT, path=_TEXT),
    _function("exec_command", "Runs a command in a terminal.", cmd=_TEXT, yield_time_ms=_NUMBER),
    _function("write_stdin", "Writes to a terminal.", session_id=_NUMBER, chars=_TEXT),
    _function("list_mcp_resources", "Lists resources.", server=_TEXT),
    _function("read_mcp_resource", "Reads a resource.", server=_TEXT, uri=_TEXT),
    {
        "type": "custom", "name": "apply_patch", "description": "Changes files by a patch.",
        "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" LF hunk+'},
    },
    {"type": "web_search", "external_web_access": False},
]  # fmt: skip

ENVIRONMENT = """<environment_context>
  <cwd>~/billing</cwd>
  <approval_policy>on-request</approval_policy>
  <sandbox_mode>workspace-write</sandbox_mode>
  <network_access>restricted</network_access>
  <shell>zsh</shell>
</environment_context>"""

AGENTS = "# AGENTS.md\n\nPeople and accounts of this repository:\n" + "\n".join(
    f"- {name}: {{{name}}}" for name in KEPT
)

QUESTION = """The nightly invoice run mails {customer} twice. Find out why and fix it. The owner is {owner},
who can be called at {phone}; {reviewer} has to be named in the change log."""


class Turn(NamedTuple):
    """What the model says, and what its call gives."""

    thought: str
    call: str
    """The tool; the model answers with a text where there is none."""
    said: Any
    """The arguments, or the input of a custom tool, or the text of the answer."""
    gave: str


def _code(n: int) -> str:
    """A file, as it is printed: most of what an agent sends is such text."""
    return "\n".join(
        f"{i:>4}\tdef step_{n}_{i}(rows: list[Row], limit: int = {i}) -> list[Row]:\n"
        f"{i + 1:>4}\t    return [row for row in rows if row.total > {i * 7} and row.state == 'open'][:limit]"
        for i in range(1, 40, 2)
    )


_OUTPUTS = (
    "src/invoices/mail.py\nsrc/invoices/run.py\nsrc/invoices/model.py\ntests/test_mail.py\n",
    "# settings\nMAIL_FROM={ops}\nOWNER={owner}\npassword: {password}\nAWS_ACCESS_KEY_ID={aws}\n",
    "commit 3f1c2ab\nAuthor: A <{owner}>\n    Once\n\ncommit 9d0e77c\nAuthor: G <{reviewer}>\n    Retry\n",
    '{{"customer": {{"mail": "{customer}", "phone": "{mobile}", "iban": "{iban}", "card": "{card}"}}}}',
    "INFO sent invoice 1042 to {customer}\nINFO sent invoice 1042 to {customer}\nWARN retried by {ops}\n",
    "F tests/test_mail.py::test_once - AssertionError: ['{customer}', '{customer}'] != ['{customer}']\n",
    "1 passed in 0.31s\n",
)
_THOUGHTS = (
    "**Looking around**\n\nI want to see which files send mail.",
    "**Reading the settings**\n\n{ops} is the sender, and {owner} the owner.",
    "**Who changed it**\n\n{reviewer} added the retry.",
    "**The record**\n\n{customer} has one record, with {mobile} and {iban}.",
    "**The log**\n\nBoth mails to {customer} have the same number.",
    "**The test**\n\nIt expects one mail to {customer}.",
    "**Done**\n\nThe test passes.",
)


def turns(number: int = 30) -> Iterator[Turn]:
    """The script: values stand in braces, by their names."""
    for n in range(number):
        kind = n % 7
        thought, gave = _THOUGHTS[kind], _OUTPUTS[kind]
        if n == number - 1:
            answer = "Fixed in src/invoices/mail.py:42: {customer} got both mails from the retry. "
            yield Turn(thought, "", answer + "Tell {owner} ({phone}); {reviewer} is in the change log.", "")
        elif kind == 5:
            change = "@@\n-    two\n+    assert sent == ['{customer}']\n"
            patch = f"*** Begin Patch\n*** Update File: tests/test_mail.py\n{change}*** End Patch"
            yield Turn(thought, "apply_patch", patch, gave)
        elif kind == 2:
            yield Turn(
                thought, "shell", {"command": ["git", "log", "--author", "{reviewer}"], "workdir": "."}, gave
            )
        else:
            command = ["bash", "-lc", "rg -n {customer} src | head -20"]
            code = _code(n).replace("{", "{{").replace("}", "}}")
            yield Turn(thought, "shell", {"command": command, "timeout_ms": 10000}, f"{gave}\n{code}")


def filled(tree: Any, values: dict[str, str]) -> Any:
    """``tree`` with values in place of their names."""
    if isinstance(tree, str):
        return tree.format_map(values)
    if isinstance(tree, list):
        return [filled(each, values) for each in tree]
    if isinstance(tree, dict):
        return {name: filled(each, values) for name, each in tree.items()}
    return tree


def sealed(n: int) -> str:
    """What only the service can read: some kilobytes for each turn."""
    return "gAAAAAB" + base64.urlsafe_b64encode(f"turn {n}: ".encode() * 120).decode()


def items(turn: Turn, n: int, values: dict[str, str]) -> list[dict[str, Any]]:
    """The output of one reply."""
    said = filled(turn.said, values)
    thought = {
        "type": "reasoning",
        "id": f"rs_{n:048x}",
        "summary": [{"type": "summary_text", "text": filled(turn.thought, values)}],
        "content": None,
        "encrypted_content": sealed(n),
    }
    called = {"id": f"fc_{n:048x}", "call_id": f"call_{n:024d}x", "name": turn.call, "status": "completed"}
    if not turn.call:
        part = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_{n:048x}", "role": "assistant", "status": "completed"}
        return [thought, {**message, "content": [part]}]
    if turn.call == "apply_patch":
        return [thought, {"type": "custom_tool_call", **called, "input": said}]
    return [thought, {"type": "function_call", **called, "arguments": json.dumps(said)}]


def result(call: dict[str, Any], gave: str) -> dict[str, Any]:
    """What the client sends of a call's output."""
    kind = "custom_tool_call_output" if call["type"] == "custom_tool_call" else "function_call_output"
    return {"type": kind, "call_id": call["call_id"], "output": gave}
