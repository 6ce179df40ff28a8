"""OpenAI's responses: what leaves, what comes back, and a stream of events that is cut anywhere."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.wire.test_canary import private, tree

from masquerade.errors import BadInput
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.surrogate import Surrogate
from masquerade.mask.text import Masker
from masquerade.wire.exchange import Exchange, Later, alias_under
from masquerade.wire.responses import COMPACTION, ITEM, REQUEST, RESPONSES, TOKEN_COUNT
from masquerade.wire.rules import NUMBER, PASS

EMAIL, PHONE, CANARY = "ada.lovelace@example.com", "13812345678", "ada.lovelace@example.com"
KEY = Key(bytes(range(32)))
MASKER, ALIAS = Masker(KEY), alias_under(KEY.tenant("default"))
TEXT = f"write to {EMAIL} or {PHONE}"


def exchange(
    asked: Any = TEXT, masker: Masker = MASKER, known: Iterable[Surrogate] = (), **fields: Any
) -> Exchange:
    if known:
        fields["previous_response_id"] = "resp_1"
    body = json.dumps({"model": "m", "input": asked, **fields}).encode()
    return Exchange(masker, body, RESPONSES, alias=ALIAS, recall=(lambda names: known) if known else None)


def sent(one: Exchange) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(one.request)
    return told


def tokens(one: Exchange) -> list[str]:
    return str(sent(one)["input"]).removeprefix("write to ").split(" or ")


# What leaves


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"input": [{"type": kind, **fields}]}


SEEN: dict[str, dict[str, Any]] = {
    "input": {"input": CANARY},
    "instructions": {"instructions": CANARY},
    "message": {"input": [{"role": "user", "content": CANARY}]},
    "parts": item("message", role="user", content=[{"type": "input_text", "text": CANARY}]),
    "answer": item("message", role="assistant", content=[{"type": "output_text", "text": CANARY}]),
    "refusal": item("message", role="assistant", content=[{"type": "refusal", "refusal": CANARY}]),
    "title of a source": item("message", content=[
        {"type": "output_text", "text": "x", "annotations": [{"title": CANARY, "url": f"x.org/?{CANARY}"}]}]),
    "log probabilities": item("message", content=[
        {"type": "output_text", "text": "x", "logprobs": [{"token": CANARY, "logprob": -1, "bytes": []}]}]),
    "call": item("function_call", name="f", call_id="c1", arguments=json.dumps({"to": CANARY})),
    "escaped call": item("function_call", arguments='{"to": "ada.lovelace\\u0040example.com"}'),
    "name of a call": item("function_call", name=CANARY, arguments="{}"),
    "output": item("function_call_output", call_id="c1", output=CANARY),
    "output of JSON": item("function_call_output", output=json.dumps({"who": CANARY})),
    "output in parts": item("function_call_output", output=[{"type": "input_text", "text": CANARY}]),
    "custom call": item("custom_tool_call", name="apply_patch", input=f"+{CANARY}"),
    "custom output": item("custom_tool_call_output", output=CANARY),
    "thoughts": item("reasoning", summary=[{"type": "summary_text", "text": CANARY}]),
    "thoughts in full": item("reasoning", content=[{"type": "reasoning_text", "text": CANARY}]),
    "what is not sealed": item("reasoning", summary=[], encrypted_content=f"is {CANARY}"),
    "local shell": item("local_shell_call", action={
        "type": "exec", "command": ["mail", CANARY], "env": {"TO": CANARY, CANARY: "x"}, "user": CANARY,
        "working_directory": f"/srv/{CANARY}"}),
    "local shell output": item("local_shell_call_output", id="1", output=CANARY),
    "shell": item("shell_call", action={"commands": [f"mail {CANARY}"]}),
    "shell output": item("shell_call_output", output=[{"stdout": CANARY, "stderr": CANARY, "outcome": {}}]),
    "patch": item("apply_patch_call", operation={"type": "update_file", "path": CANARY, "diff": CANARY}),
    "patch output": item("apply_patch_call_output", output=CANARY),
    "code": item("code_interpreter_call", code=f"mail('{CANARY}')", outputs=[
        {"type": "logs", "logs": CANARY}]),
    "file search": item("file_search_call", queries=[CANARY], results=[
        {"text": CANARY, "filename": CANARY, "attributes": {"who": CANARY}}]),
    "web search": item("web_search_call", action={"type": "search", "query": CANARY, "queries": [CANARY]}),
    "page": item("web_search_call", action={"type": "open_page", "url": f"https://example.org/?q={CANARY}"}),
    "tool search": item("tool_search_call", arguments={"goal": CANARY, CANARY: 1}),
    "found tools": item("tool_search_output", tools=[
        {"type": "function", "name": "f", "description": CANARY}]),
    "mcp call": item("mcp_call", name="f", server_label="s", arguments=json.dumps([CANARY]), output=CANARY,
                     error={"type": "http_error", "code": 4, "message": CANARY}),
    "mcp tools": item("mcp_list_tools", server_label="s", tools=[
        {"name": "f", "description": CANARY, "input_schema": {"properties": {"a": {"const": CANARY}}},
         "annotations": {"title": CANARY}}]),
    "approval": item("mcp_approval_response", approve=True, approval_request_id="r1", reason=CANARY),
    "program": item("program", code=CANARY, fingerprint="f1", call_id="c1", id="p1"),
    "program's result": item("program_output", result=CANARY),
    "item's own field": item("message", role="user", content="x", note=[CANARY]),
    "function": {"tools": [{"type": "function", "name": "f", "description": CANARY, "parameters": {
        "properties": {"a": {"description": CANARY, "enum": [CANARY]}}}}]},
    "grammar": {"tools": [{"type": "custom", "format": {"type": "grammar", "definition": CANARY}}]},
    "namespace": {"tools": [{"type": "namespace", "name": "n", "tools": [
        {"type": "function", "name": "f", "description": CANARY}]}]},
    "filter": {"tools": [{"type": "file_search", "filters": {
        "type": "and", "filters": [{"type": "eq", "key": "who", "value": CANARY}]}}]},
    "skill": {"tools": [{"type": "shell", "environment": {"type": "local", "skills": [
        {"name": "s", "description": CANARY, "path": CANARY}]}}]},
    "form": {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"description": CANARY}}}},
    "variables": {"prompt": {"id": "pmpt_1", "variables": {
        "who": CANARY, "part": {"type": "input_text", "text": CANARY}}}},
    "metadata": {"metadata": {"who": CANARY, CANARY: "x"}},
    "people": {"user": CANARY, "safety_identifier": CANARY, "prompt_cache_key": CANARY},
    "a client's own": {"client_metadata": {"deep": [CANARY], CANARY: 1}},
}  # fmt: skip


@pytest.mark.parametrize("fields", SEEN.values(), ids=SEEN)
def test_every_text_of_a_request_is_looked_at(fields: dict[str, Any]) -> None:
    asked = {"model": "m", "input": "hello", **fields}
    for endpoint in (RESPONSES, COMPACTION, TOKEN_COUNT):
        request = Exchange(MASKER, json.dumps(asked).encode(), endpoint, alias=ALIAS).request
        assert b"lovelace" not in request


KNOWN = sorted({*REQUEST, *ITEM} - {"stream", "type", "background", "previous_response_id", "conversation"})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(KNOWN), tree, max_size=4),
    st.lists(st.dictionaries(st.sampled_from(KNOWN), st.one_of(private, tree), max_size=5), max_size=3),
)
def test_wherever_it_stands_it_does_not_leave(fields: dict[str, Any], items: list[dict[str, Any]]) -> None:
    asked = {**fields, "input": [{"role": "user", **each} for each in items]}
    try:
        request = Exchange(MASKER, json.dumps(asked).encode(), RESPONSES, alias=ALIAS).request.decode()
    except BadInput as problem:
        assert "lovelace" not in str(problem)
        return
    assert "lovelace" not in request
    numbers = {name for name, rule in (REQUEST | ITEM).items() if rule is NUMBER}
    if not numbers & {name for each in (fields, *items) for name in each}:
        assert "4111111111111111" not in request


@pytest.mark.parametrize("name", [name for name, rule in REQUEST.items() if rule in (PASS, NUMBER)])
def test_no_known_field_passes_prose(name: str) -> None:
    if name != "stream":
        body = json.dumps({"model": "m", "input": "x", name: f"mine is {CANARY}"}).encode()
        one = Exchange(MASKER, body, RESPONSES, alias=ALIAS, recall=lambda names: ())
        assert CANARY not in one.request.decode()


SEALED = "gAAAAABo" + "x-Yz_09" * 40 + "=="


def test_what_holds_nothing_private_keeps_every_byte() -> None:
    asked = {
        "model": "gpt-5-codex",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "hello"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": SEALED},
            {"type": "function_call", "id": "fc_1", "call_id": "call_9", "name": "shell",
             "status": "completed", "arguments": '{ "command" : ["ls", "-la"],  "timeout_ms": 1.50e3 }'},
            {"type": "function_call_output", "call_id": "call_9", "output": '{"o":"1 \\\\u2013 2 \\\\/x"}'},
            {"type": "custom_tool_call", "call_id": "call_10", "name": "apply_patch", "input": "*** Begin"},
            {"type": "compaction", "id": "cmp_1", "encrypted_content": SEALED},
        ],
        "tools": [
            {"type": "function", "name": "shell", "strict": False, "parameters": {
                "type": "object", "additionalProperties": False, "properties": {
                    "command": {"type": "array", "items": {"type": "string"}}}}},
            {"type": "web_search", "filters": {"allowed_domains": ["example.org"]}},
            {"type": "mcp", "server_label": "deep", "server_url": "https://mcp.example.org/sse",
             "require_approval": "never", "allowed_tools": ["ask"]},
            {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto",
                        "tools": [{"type": "function", "name": "shell"}]},
        "parallel_tool_calls": False, "reasoning": {"effort": "high", "summary": "auto"},
        "store": False, "stream": True, "include": ["reasoning.encrypted_content"], "background": False,
        "text": {"verbosity": "low", "format": {"type": "text"}}, "truncation": "auto", "temperature": 0.7,
        "context_management": [{"type": "compaction", "compact_threshold": 200000}],
    }  # fmt: skip
    body = json.dumps(asked).encode()
    assert json.dumps(json.loads(Exchange(MASKER, body, RESPONSES).request)).encode() == body


def test_sealed_thoughts_go_back_as_they_came_beside_what_is_masked() -> None:
    asked = [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": SEALED,
         "summary": [{"type": "summary_text", "text": TEXT}]},
    ]  # fmt: skip
    (told,) = sent(exchange(asked))["input"]
    assert told["encrypted_content"] == SEALED
    assert EMAIL not in told["summary"][0]["text"]


def part(kind: str, **fields: Any) -> dict[str, Any]:
    return item("message", role="user", content=[{"type": kind, **fields}])


def tool(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"name": "f", **fields}]}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "reference": (item("item_reference", id="msg_1"), "input[0]"),
    "reference without a type": ({"input": [{"id": "msg_1"}]}, "input[0]"),
    "picture": (part("input_image", image_url="data:,x"), "input[0].content[0].image_url"),
    "picture's id": (part("input_image", file_id="file-1"), "input[0].content[0].file_id"),
    "file": (part("input_file", file_data="x"), "input[0].content[0].file_data"),
    "file's address": (
        item("function_call_output", output=[{"type": "input_file", "file_url": "x"}]),
        "input[0].output[0].file_url",
    ),
    "sound": (part("input_audio", input_audio={}), "input[0].content[0].input_audio"),
    "unknown part": (part("hologram", hologram="x"), "input[0].content[0].type"),
    "unknown item": (item("hologram", hologram="x"), "input[0].type"),
    "screenshot": (item("computer_call_output", output={"image_url": "x"}), "input[0].type"),
    "drawn picture": (item("image_generation_call", result="AAAA"), "input[0].type"),
    "plot": (item("code_interpreter_call", outputs=[{"url": "x"}]), "input[0].outputs[0].url"),
    "drawing": (tool(type="image_generation"), "tools[0].type"),
    "screen": (tool(type="computer_use_preview"), "tools[0].type"),
    "location": (tool(type="web_search", user_location={"city": "x"}), "tools[0].user_location"),
    "authorization": (tool(type="mcp", authorization="x"), "tools[0].authorization"),
    "headers": (tool(type="mcp", headers={"x": "y"}), "tools[0].headers"),
    "secrets": (
        tool(type="shell", environment={"network_policy": {"domain_secrets": [{}]}}),
        "tools[0].environment.network_policy.domain_secrets",
    ),
    "zipped skill": (
        tool(type="shell", environment={"skills": [{"source": {"data": "x"}}]}),
        "tools[0].environment.skills[0].source",
    ),
    "no items": ({"input": ["x"]}, "input[0]"),
    "no input": ({"input": {"role": "user"}}, "input"),
    "stream": ({"stream": "yes"}, "stream"),
}


@pytest.mark.parametrize(("fields", "where"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_masked_is_refused(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as problem:
        Exchange(MASKER, json.dumps({"input": "x", **fields}).encode(), RESPONSES, alias=ALIAS)
    assert problem.value.source == where


def test_what_the_service_keeps_is_refused_where_nobody_remembers_it() -> None:
    with pytest.raises(BadInput, match="send all of it"):
        exchange("x", previous_response_id="resp_1")


# What comes back


def message(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **more}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def reply_to(one: Exchange, *output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    whole = {"id": "resp_1", "object": "response", "status": "completed", "output": list(output), **fields}
    told: dict[str, Any] = json.loads(one.reply(json.dumps(whole).encode()))
    return told


def test_every_text_of_a_reply_is_restored() -> None:
    one = exchange(instructions=f"obey {EMAIL}", metadata={"who": EMAIL})
    email, phone = tokens(one)
    told = reply_to(
        one,
        {"type": "reasoning", "id": "rs_1", "encrypted_content": SEALED,
         "summary": [{"type": "summary_text", "text": email}],
         "content": [{"type": "reasoning_text", "text": phone}]},
        message(f"**{email}**", logprobs=[{"token": email[:3], "logprob": -1, "bytes": []}]),
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps({"to": email})},
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": email},
        {"type": "local_shell_call", "action": {"command": ["mail", email], "env": {email: phone}}},
        {"type": "shell_call", "action": {"commands": [f"mail {email}"]}},
        {"type": "apply_patch_call", "operation": {"type": "update_file", "path": "a", "diff": f"+{phone}"}},
        {"type": "code_interpreter_call", "code": email, "outputs": [{"type": "logs", "logs": phone}]},
        {"type": "web_search_call", "action": {"type": "search", "query": email, "sources": []}},
        {"type": "tool_search_call", "arguments": {"goal": email, phone: [email]}},
        {"type": "mcp_call", "name": "f", "arguments": json.dumps([email]), "output": phone},
        instructions=sent(one)["instructions"], metadata=sent(one)["metadata"], error={"message": email},
        tools=[{"type": "function", "name": "f", "parameters": {"properties": {email: {"const": phone}}}}],
    )  # fmt: skip
    text = json.dumps(told)
    assert email not in text
    assert phone not in text
    assert told["output"][0]["encrypted_content"] == SEALED
    assert told["output"][1]["content"][0]["logprobs"] == []
    assert told["metadata"] == {"who": EMAIL}
    assert told["tools"][0]["parameters"] == {"properties": {EMAIL: {"const": PHONE}}}
    assert told["masquerade"]["masked"] == {"EMAIL": {"token": 3}, "PHONE": {"token": 1}}


QUOTED = Policy.parse('version = 1\n[[deny]]\nkind = "PERSON"\nwords = [\'Ada "A" L\']')


def test_json_is_escaped_where_text_is_json_and_nowhere_else() -> None:
    form = {"format": {"type": "json_schema", "name": "x", "schema": {}}}
    one = exchange('of Ada "A" L', Masker(KEY, QUOTED), text=form)
    token = sent(one)["input"].removeprefix("of ")
    told = reply_to(
        one,
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": f"it is {token}"}],
         "content": [{"type": "reasoning_text", "text": f"it is {token}"}]},
        message(json.dumps({"who": token})),
        {"type": "function_call", "name": "f", "call_id": "c", "arguments": json.dumps({"arguments": token})},
        {"type": "tool_search_call", "arguments": {"text": token, "arguments": token}},
        instructions=f"obey {token}",
    )  # fmt: skip
    thought, said, called, searched = told["output"]
    name = 'Ada "A" L'
    assert thought["summary"][0]["text"] == thought["content"][0]["text"] == f"it is {name}"
    assert json.loads(said["content"][0]["text"]) == {"who": name}
    assert json.loads(called["arguments"]) == {"arguments": name}
    assert searched["arguments"] == {"text": name, "arguments": name}
    assert told["instructions"] == f"obey {name}"


def marks(text: str, *values: str) -> list[dict[str, Any]]:
    return [
        {"type": "url_citation", "title": value, "url": "https://example.org",
         "start_index": text.index(value), "end_index": text.index(value) + len(value)}
        for value in values
    ]  # fmt: skip


def places(text: str, annotations: Iterable[dict[str, Any]]) -> list[str]:
    return [text[mark["start_index"] : mark["end_index"]] for mark in annotations]


def test_offsets_of_annotations_follow_the_text() -> None:
    one = exchange()
    email, phone = tokens(one)
    said = f"Ask {email} here, or {phone} there."
    told = reply_to(one, message(said, annotations=marks(said, "Ask", email, "here", phone, "there.")))
    part = told["output"][0]["content"][0]
    assert places(part["text"], part["annotations"]) == ["Ask", EMAIL, "here", PHONE, "there."]


# What is known of earlier turns

SUMMARY = {"masked": {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}, "redacted": {}, "unresolved": 0}


def test_earlier_turns_are_restored_when_they_are_given_and_not_otherwise() -> None:
    first = exchange()
    email, phone = tokens(first)
    later = exchange("and now?", known=first.surrogates)
    told = reply_to(later, message(f"{email}, {phone}"))
    assert told["output"][0]["content"][0]["text"] == f"{EMAIL}, {PHONE}"
    alone = json.loads(exchange("and now?").reply(json.dumps({"output": [message(email)]}).encode()))
    assert alone["output"][0]["content"][0]["text"] == email


def test_a_stream_is_restored_by_earlier_turns_too() -> None:
    first = exchange()
    later = exchange("and now?", known=first.surrogates, stream=True)
    output = output_for(first)
    told = streamed(later, events_of(first, 3, output))
    check(
        first, output, [*told[:-1], told[-1] | {"response": told[-1]["response"] | {"masquerade": SUMMARY}}]
    )
    assert told[-1]["response"]["masquerade"] == {"masked": {}, "redacted": {}, "unresolved": 0}


def test_the_same_value_has_the_same_token_in_a_later_turn() -> None:
    first = exchange()
    later = exchange(known=first.surrogates)
    assert tokens(later) == tokens(first)
    assert set(later.surrogates) == set(first.surrogates)


def test_a_stand_in_of_an_earlier_turn_is_taken_for_nothing_else() -> None:
    """Two values whose stand-ins come out alike: the later one gets another."""
    first = exchange()
    (known,) = [each for each in first.surrogates if each.original == EMAIL]
    twin = known._replace(original="grace.hopper@example.org")
    later = exchange(known=[twin])
    email = tokens(later)[0]
    assert email != known.text
    told = reply_to(later, message(f"{email} and {known.text}"))
    assert told["output"][0]["content"][0]["text"] == f"{EMAIL} and grace.hopper@example.org"


def test_what_is_known_is_in_no_repr() -> None:
    later = exchange("x", known=exchange().surrogates)
    assert EMAIL not in repr(later) + repr(vars(later))


# Streams


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def cut(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def events_of(one: Exchange, size: int, output: list[dict[str, Any]]) -> list[bytes]:
    """A response as a service streams it; of items whose text comes in pieces, the pieces take turns."""
    opening = [
        event("response.created", response={"id": "resp_1", "output": [], "instructions": tokens(one)[0]})
    ]
    texts: list[list[dict[str, Any]]] = []
    closing: list[dict[str, Any]] = []
    for i, each in enumerate(output):
        at = {"output_index": i, "item_id": f"item_{i}"}
        opening.append(event("response.output_item.added", output_index=i, item={"type": each["type"]}))
        for base, index, field, text, marked in _texts(each):
            here = {**at, **index}
            more = {"obfuscation": "aB3"} if base == "response.output_text" else {}
            deltas = [event(f"{base}.delta", **here, delta=piece, **more) for piece in cut(text, size)]
            for k, mark in enumerate(marked):
                added = event(
                    "response.output_text.annotation.added", **here, annotation=mark, annotation_index=k
                )
                deltas.insert(len(deltas) // 2 + 1, added)
            texts.append(deltas)
            closing.append(event(f"{base}.done", **here, **{field: text}))
        closing.append(event("response.output_item.done", output_index=i, item=each))
    turns = [each for row in itertools.zip_longest(*texts) for each in row if each]
    whole = {"id": "resp_1", "status": "completed", "output": output}
    all_of_them = [*opening, *turns, *closing, event("response.completed", response=whole)]
    return [
        b"event: %s\ndata: %s\n\n"
        % (each["type"].encode(), json.dumps({**each, "sequence_number": n}).encode())
        for n, each in enumerate(all_of_them)
    ]


def _texts(item: dict[str, Any]) -> Iterable[tuple[str, dict[str, int], str, str, list[dict[str, Any]]]]:
    for i, part in enumerate(item.get("summary", [])):
        yield "response.reasoning_summary_text", {"summary_index": i}, "text", part["text"], []
    for i, part in enumerate(item.get("content", [])):
        name = part["type"]
        base = "response.refusal" if name == "refusal" else f"response.{name}"
        field = "refusal" if name == "refusal" else "text"
        yield base, {"content_index": i}, field, part[field], part.get("annotations", [])
    kinds = {
        "function_call": ("response.function_call_arguments", "arguments"),
        "mcp_call": ("response.mcp_call_arguments", "arguments"),
        "custom_tool_call": ("response.custom_tool_call_input", "input"),
        "code_interpreter_call": ("response.code_interpreter_call_code", "code"),
    }
    if item["type"] in kinds:
        base, field = kinds[item["type"]]
        yield base, {}, field, item[field], []


def output_for(one: Exchange) -> list[dict[str, Any]]:
    email, phone = tokens(one)
    said = f"Ask **{email}**, or {phone} now"
    return [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": SEALED,
         "summary": [{"type": "summary_text", "text": email}, {"type": "summary_text", "text": phone}],
         "content": [{"type": "reasoning_text", "text": f"{email}{phone}"}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [
            {"type": "output_text", "text": said, "annotations": marks(said, email, phone), "logprobs": []},
            {"type": "refusal", "refusal": f"not to {email}"}]},
        {"type": "function_call", "id": "fc_1", "arguments": json.dumps({"to": email, "no": phone})},
        {"type": "mcp_call", "id": "mcp_1", "name": "f", "arguments": json.dumps([phone])},
        {"type": "custom_tool_call", "id": "ctc_1", "name": "patch", "input": f"+ {email}\n- {phone}"},
        {"type": "code_interpreter_call", "id": "ci_1", "code": f"mail({email!r})"},
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": email}},
    ]  # fmt: skip


def streamed(one: Exchange, chunks: Iterable[bytes]) -> list[dict[str, Any]]:
    restorer = one.events()
    out = b"".join(map(restorer.feed, chunks)) + restorer.finish()
    told = []
    for block in out.split(b"\n\n")[:-1]:
        name, _, data = block.partition(b"\ndata: ")
        tree = json.loads(data)
        assert name == b"event: " + tree["type"].encode()
        told.append(tree)
    return told


def check(one: Exchange, output: list[dict[str, Any]], told: list[dict[str, Any]]) -> None:
    """What clients add up from pieces, what they read whole, and what comes without a stream are the same."""
    expected = reply_to(exchange(), *json.loads(json.dumps(output)))
    whole = told[-1]["response"]
    assert told[-1]["type"] == "response.completed"
    assert whole["output"] == expected["output"]
    assert whole["masquerade"] == expected["masquerade"]
    assert [each["sequence_number"] for each in told] == list(range(len(told)))
    assert EMAIL in told[0]["response"]["instructions"]
    added: dict[tuple[Any, ...], str] = {}
    ended: set[tuple[Any, ...]] = set()
    marked: list[dict[str, Any]] = []
    for each in told:
        kind = each["type"]
        base = kind.rpartition(".")[0]
        key = (base, each.get("output_index"), each.get("content_index"), each.get("summary_index"))
        if kind.endswith(".delta"):
            assert key not in ended, "a piece after its end"
            added[key] = added.get(key, "") + each["delta"]
        elif kind == "response.output_item.done":
            assert each["item"] == expected["output"][each["output_index"]]
        elif kind.endswith(".done"):
            field = next(
                field for field in ("text", "refusal", "arguments", "input", "code") if field in each
            )
            assert added[key] == each[field]
            ended.add(key)
        elif kind == "response.output_text.annotation.added":
            marked.append(each["annotation"])
    said = expected["output"][1]["content"][0]
    assert sorted(places(said["text"], marked)) == sorted(places(said["text"], said["annotations"]))
    assert set(added) == ended
    assert "[EMAIL" not in json.dumps(told)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12, 100])
def test_texts_that_take_turns_come_back_whole(size: int) -> None:
    one = exchange(stream=True)
    output = output_for(one)
    check(one, output, streamed(one, events_of(one, size, output)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_cut_of_bytes_and_of_text_gives_everything_back(data: st.DataObject) -> None:
    one = exchange(stream=True)
    output = output_for(one)
    stream = b"".join(events_of(one, data.draw(st.integers(1, 40)), output))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    bounds = [0, *cuts, len(stream)]
    check(one, output, streamed(one, (stream[a:b] for a, b in itertools.pairwise(bounds))))


def test_without_finds_a_stream_passes_byte_for_byte() -> None:
    one = exchange("what is it that a capital is?", stream=True)
    stream = b"".join(events_of(exchange(), 3, output_for(exchange())))
    assert one.events().feed(stream) == stream


def test_a_stream_keeps_what_it_need_not_change() -> None:
    one = exchange(stream=True)
    untouched = (
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",  "item_id":"msg_1",'
        b'"output_index":0,"content_index":0,"delta":"plain words ","sequence_number":0,"logprobs":[]}\n\n'
    )
    assert one.events().feed(untouched) == untouched


def test_log_probabilities_of_pieces_are_emptied_and_padding_is_kept() -> None:
    one = exchange(stream=True)
    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "plain "}
    body = json.dumps({**delta, "logprobs": [{"token": "pl", "logprob": -1}], "obfuscation": "aB3"}).encode()
    told = json.loads(one.events().feed(b"data: " + body + b"\n\n").removeprefix(b"data: "))
    assert (told["logprobs"], told["obfuscation"], told["delta"]) == ([], "aB3", "plain ")


def test_json_pieces_are_escaped() -> None:
    form = {"format": {"type": "json_object"}}
    one = exchange('of Ada "A" L', Masker(KEY, QUOTED), text=form, stream=True)
    token = sent(one)["input"].removeprefix("of ")
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": f"it is {token}"}]},
        message(json.dumps({"who": token})),
        {"type": "function_call", "arguments": json.dumps({"to": token})},
        {"type": "custom_tool_call", "input": token},
    ]
    restorer = one.events()
    stream = b"".join(_numbered(each) for each in _plain_events(output))
    out = restorer.feed(stream) + restorer.finish()
    texts: dict[str, str] = {}
    for block in out.split(b"\n\n")[:-1]:
        tree = json.loads(block.partition(b"data: ")[2])
        if "delta" in tree:
            texts[tree["type"]] = texts.get(tree["type"], "") + tree["delta"]
    assert texts["response.reasoning_summary_text.delta"] == 'it is Ada "A" L'
    assert json.loads(texts["response.output_text.delta"]) == {"who": 'Ada "A" L'}
    assert json.loads(texts["response.function_call_arguments.delta"]) == {"to": 'Ada "A" L'}
    assert texts["response.custom_tool_call_input.delta"] == 'Ada "A" L'


def _numbered(each: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(each).encode() + b"\n\n"


def _plain_events(output: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for i, each in enumerate(output):
        for base, index, field, text, _ in _texts(each):
            for piece in cut(text, 4):
                yield event(f"{base}.delta", output_index=i, **index, delta=piece)
            yield event(f"{base}.done", output_index=i, **index, **{field: text})


@pytest.mark.parametrize("kind", ["response.failed", "response.incomplete", "error", None])
def test_what_is_held_back_comes_out_however_a_stream_ends(kind: str | None) -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    at = {"output_index": 0, "content_index": 0}
    stream = [event("response.output_text.delta", **at, delta=f"to {email[:-3]}", sequence_number=4)]
    if kind == "error":
        stream.append(event(kind, message=f"no {email}", code="x", param=None, sequence_number=5))
    elif kind:
        response = {"status": "failed", "error": {"code": "x", "message": f"no {email}"}, "output": []}
        stream.append(event(kind, response=response, sequence_number=5))
    restorer = one.events()
    out = b"".join(restorer.feed(_numbered(each)) for each in stream) + restorer.finish()
    told = [json.loads(block.removeprefix(b"data: ")) for block in out.split(b"\n\n")[:-1]]
    assert "".join(each.get("delta", "") for each in told) == f"to {email[:-3]}"
    assert [each["sequence_number"] for each in told] == list(range(4, 4 + len(told)))
    if kind:
        assert told[-1]["type"] == kind
        assert f"no {EMAIL}" in json.dumps(told[-1])
        assert ("masquerade" in told[-1].get("response", {})) is (kind != "error")


def test_a_shells_output_comes_in_pieces_too() -> None:
    one = exchange(stream=True)
    email, phone = tokens(one)
    at = {"output_index": 0, "command_index": 0, "item_id": "x"}
    kind = "response.shell_call_output_content"
    stream = [
        event(f"{kind}.delta", **at, delta={"stdout": piece, "stderr": ""}) for piece in cut(f"{email}!", 3)
    ]
    stream += [
        event(f"{kind}.delta", **at, delta={"stdout": "", "stderr": piece}) for piece in cut(f"{phone}!", 3)
    ]
    stream.append(event(f"{kind}.done", **at, output=[{"stdout": f"{email}!", "stderr": f"{phone}!"}]))
    restorer = one.events()
    out = b"".join(restorer.feed(_numbered(each)) for each in stream)
    told = [json.loads(block.removeprefix(b"data: ")) for block in out.split(b"\n\n")[:-1]]
    for name, value in (("stdout", EMAIL), ("stderr", PHONE)):
        assert "".join(each["delta"][name] for each in told[:-1]) == f"{value}!"
        assert told[-1]["output"][0][name] == f"{value}!"


def test_annotations_do_not_wait_without_end() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    at = {"output_index": 0, "content_index": 0}
    added = event("response.output_text.annotation.added", **at, annotation={"title": email * 20_000})
    restorer = one.events()
    restorer.feed(_numbered(event("response.output_text.delta", **at, delta=f"{email} [EM")))
    out = b"".join(restorer.feed(_numbered(added)) for _ in range(20))
    assert 0 < out.count(b"annotation.added") < 20
    rest = restorer.finish()
    assert out.count(b"annotation.added") + rest.count(b"annotation.added") == 20
    assert b"[EMAIL" not in out + rest


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_that_is_taken_up_again_loses_and_doubles_nothing(size: int) -> None:
    asked = {"model": "m", "stream": True, "input": "Write to ada.lovelace@example.com"}
    masker = Masker(Key(bytes(range(32))))
    one = Exchange(masker, json.dumps(asked).encode(), RESPONSES)
    said = "I write to " + one.surrogates[0].text
    at = {"output_index": 0, "content_index": 0}
    told = [{"type": "response.created", "response": {"id": "resp_1"}}] + [
        {"type": "response.output_text.delta", **at, "delta": said[i : i + size]}
        for i in range(0, len(said), size)
    ]
    told.append({"type": "response.output_text.done", **at, "text": said})
    told.append({"type": "response.completed", "response": {"id": "resp_1", "output": []}})
    sent = [
        b"data: " + json.dumps({**each, "sequence_number": n}).encode() + b"\n\n"
        for n, each in enumerate(told)
    ]

    def read(exchange: Exchange) -> list[Any]:
        stream = exchange.events()
        out = b"".join(map(stream.feed, sent)) + stream.finish()
        trees = [json.loads(block.removeprefix(b"data: ")) for block in out.split(b"\n\n") if block]
        return [
            {name: tree[name] for name in tree if name not in ("masquerade", "response")} for tree in trees
        ]

    whole = read(one)
    assert [tree["sequence_number"] for tree in whole] == list(range(len(whole)))
    for seen in range(len(whole)):
        later = Later(masker, RESPONSES, one.surrogates, seen)
        assert whole[: seen + 1] + read(later) == whole


def test_an_error_names_no_field_that_the_client_made_up() -> None:
    variables = {"ada@example.com": [{"type": "input_image", "image_url": "x"}]}
    asked = {"model": "m", "input": "x", "prompt": {"id": "p", "variables": variables}}
    with pytest.raises(BadInput) as problem:
        Exchange(Masker(Key(bytes(range(32)))), json.dumps(asked).encode(), RESPONSES)
    assert problem.value.source == "prompt.variables.*[0].image_url"
    assert "ada" not in str(problem.value)
