"""Anthropic's messages: what leaves, what comes back, what is signed and stays, however a stream is cut."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput, Blocked, UpstreamProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import Fate
from masquerade.mask.text import Masker
from masquerade.wire.anthropic import COUNT_TOKENS, MESSAGES, REQUEST
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.rules import NUMBER, PASS
from masquerade.wire.slots import Slots

CANARY = EMAIL = "ada.lovelace@example.com"
PHONE, CARD = "13812345678", 4111111111111111
KEY = Key(bytes(range(32)))
MASKER = Masker(KEY)
ALIAS = alias_under(KEY.tenant("default"))
SIGNATURE = "EqQBCkYIBBgCKkDt" * 16


def request(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": list(messages or (user("hello"),)), **fields}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def block(kind: str, **fields: Any) -> dict[str, Any]:
    return request(user([{"type": kind, **fields}]))


def tool(**fields: Any) -> dict[str, Any]:
    return request(tools=[{"name": "f", **fields}])


def exchange(asked: dict[str, Any] | None = None, masker: Masker = MASKER, **fields: Any) -> Exchange:
    asked = asked or request(user(f"write to {EMAIL} or {PHONE}"))
    return Exchange(masker, json.dumps(asked | fields).encode(), MESSAGES, alias=ALIAS)


def sent(one: Exchange) -> Any:
    return json.loads(one.request)


def tokens(one: Exchange) -> list[str]:
    content: str = sent(one)["messages"][-1]["content"]
    return content.removeprefix("write to ").split(" or ")


# What leaves

RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}
SEEN = {
    "content": request(user(f"write to {CANARY}")),
    "text": block("text", text=CANARY),
    "system": request(system=f"you serve {CANARY}"),
    "system block": request(system=[{"type": "text", "text": CANARY}]),
    "system message": request({"role": "system", "content": [{"type": "text", "text": CANARY}]}),
    "a known text, and more": request(
        system=f"You are Claude Code, Anthropic's official CLI for Claude. {CANARY}"
    ),
    "unknown role": request({"role": CANARY, "content": "x"}),
    "tool input": block("tool_use", id="toolu_1", name="f", input={"to": [CANARY]}),
    "number in tool input": block("tool_use", id="toolu_1", name="f", input={"card": CARD}),
    "key in tool input": block("tool_use", id="toolu_1", name="f", input={CANARY: 1}),
    "tool input as text": block("tool_use", id="toolu_1", name="f", input=CANARY),
    "server tool input": block("server_tool_use", id="x", name="web_search", input={"query": CANARY}),
    "mcp tool input": block("mcp_tool_use", id="x", name="f", server_name="s", input={"q": CANARY}),
    "result": request(user([{**RESULT, "content": CANARY}])),
    "result in blocks": request(user([{**RESULT, "content": [{"type": "text", "text": CANARY}]}])),
    "result as an object": request(user([{**RESULT, "content": {"to": CANARY, "card": CARD}}])),
    "mcp result": block("mcp_tool_result", tool_use_id="x", content=[{"type": "text", "text": CANARY}]),
    "document": block(
        "document", source={"type": "text", "media_type": "text/plain", "data": CANARY}, title=CANARY
    ),
    "document's context": block("document", source={"type": "content", "content": "x"}, context=CANARY),
    "document of blocks": block(
        "document", source={"type": "content", "content": [{"type": "text", "text": CANARY}]}
    ),
    "document of text": block("document", source={"type": "content", "content": CANARY}),
    "search result": block(
        "search_result", source=CANARY, title=CANARY, content=[{"type": "text", "text": CANARY}]
    ),
    "citation": block(
        "text",
        text="x",
        citations=[{"type": "char_location", "cited_text": CANARY, "document_title": CANARY}],
    ),
    "citation of a search": block(
        "text",
        text="x",
        citations=[{"type": "search_result_location", "cited_text": CANARY, "source": CANARY}],
    ),
    "fetched page": block(
        "web_fetch_tool_result",
        tool_use_id="x",
        content={
            "type": "web_fetch_result",
            "url": CANARY,
            "content": {"type": "document", "source": {"type": "text", "data": CANARY}},
        },
    ),
    "found page without a signature": block(
        "web_search_tool_result",
        tool_use_id="x",
        content=[{"type": "web_search_result", "url": CANARY, "title": CANARY, "encrypted_content": CANARY}],
    ),
    "output": block(
        "code_execution_tool_result",
        content={"type": "code_execution_result", "stdout": CANARY, "stderr": CANARY, "content": []},
    ),
    "output of a shell": block(
        "bash_code_execution_tool_result", content={"type": "bash_code_execution_result", "stdout": CANARY}
    ),
    "view of a file": block(
        "text_editor_code_execution_tool_result",
        content={"type": "text_editor_code_execution_view_result", "content": CANARY},
    ),
    "lines of a file": block(
        "text_editor_code_execution_tool_result",
        content={"type": "text_editor_code_execution_str_replace_result", "lines": ["x", CANARY]},
    ),
    "browser": block("browser_state", tabs=[{"tab_id": CANARY, "title": CANARY, "url": CANARY}]),
    "downloads": block("browser_state", state_changes=[{"path": CANARY, "url": CANARY}]),
    "advice": block("advisor_tool_result", content={"type": "advisor_result", "text": CANARY}),
    "compaction without a signature": block("compaction", content=CANARY),
    "thought without a signature": block("thinking", thinking=CANARY),
    "thought with an empty signature": block("thinking", thinking=CANARY, signature=""),
    "thought with words for a signature": block("thinking", thinking=CANARY, signature=f"by {CANARY}"),
    "signed, but no thought": block("text", thinking=CANARY, signature=SIGNATURE),
    "hidden thought that is text": block("redacted_thinking", data=CANARY),
    "signed result": request(
        user([{**RESULT, "content": CANARY, "signature": SIGNATURE, "encrypted_content": SIGNATURE}])
    ),
    "unknown field beside a signed thought": block(
        "thinking", thinking="x", signature=SIGNATURE, note=CANARY
    ),
    "fallback": block("fallback", **{"from": {"model": CANARY}}, trigger={"x": CANARY}),
    "tool ids": block("tool_result", tool_use_id=CANARY, content="x"),
    "new tool": block(
        "tool_addition",
        tool={"type": "tool_definition", "definition": {"name": "f", "description": CANARY}},
    ),
    "listed tool": block("mcp_tool_listing", tools=[{"name": "f", "description": CANARY}]),
    "tool description": tool(description=CANARY),
    "tool name": tool(name=CANARY),
    "tool schema": tool(input_schema={"type": "object", "properties": {"a": {"description": CANARY}}}),
    "tool schema's property": tool(input_schema={"properties": {CANARY: {}}, "required": [CANARY]}),
    "tool example": tool(input_examples=[{"to": CANARY, "card": CARD}]),
    "tool of a set": tool(type="mcp_toolset", tools=[{"name": "f", "description": CANARY}]),
    "unknown field of a tool": tool(notes={"deep": [CANARY]}),
    "tool choice": request(tool_choice={"type": "tool", "name": CANARY}),
    "stop": request(stop_sequences=["a", CANARY]),
    "user": request(metadata={"user_id": CANARY}),
    "other metadata": request(metadata={"who": CANARY, CANARY: CARD}),
    "output format": request(output_config={"format": {"type": "json_schema", "schema": {"title": CANARY}}}),
    "instructions": request(
        context_management={"edits": [{"type": "compact_20260112", "instructions": CANARY}]}
    ),
    "compaction": request(compaction={"type": "summarize", "instructions": CANARY}),
    "mcp server": request(mcp_servers=[{"type": "url", "name": CANARY, "url": CANARY}]),
    "unknown field": request(extra={"a": [{"b": CANARY}], CANARY: CARD}),
    "unknown field of a message": request({**user("x"), "notes": {"deep": [CANARY]}}),
    "unknown field of a block": block("text", text="x", notes=[CANARY]),
    "cache control": block("text", text="x", cache_control={"type": CANARY, CANARY: "x"}),
    "model": request(model=CANARY),
}  # fmt: skip


@pytest.mark.parametrize("endpoint", [MESSAGES, COUNT_TOKENS], ids=lambda each: each.name)
@pytest.mark.parametrize("asked", SEEN.values(), ids=SEEN)
def test_every_text_of_a_request_is_looked_at(asked: dict[str, Any], endpoint: Any) -> None:
    out = Exchange(MASKER, json.dumps(asked).encode(), endpoint, alias=ALIAS).request.decode()
    assert "lovelace" not in out
    assert str(CARD) not in out


@pytest.mark.parametrize(
    "field", [name for name, rule in REQUEST.items() if rule in (PASS, NUMBER) and name != "stream"]
)
def test_no_known_field_passes_prose(field: str) -> None:
    assert b"lovelace" not in exchange(request(**{field: f"mine is {CANARY}"})).request


def test_what_holds_nothing_private_keeps_every_byte() -> None:
    marker = {"type": "ephemeral", "ttl": "1h"}
    asked = request(
        user([{"type": "text", "text": "Read \u5f20 it.", "cache_control": marker}]),
        assistant(
            [
                {"type": "thinking", "thinking": "hm \u00e9\U0001f600 \"x\"\\n", "signature": SIGNATURE},
                {"type": "redacted_thinking", "data": SIGNATURE},
                {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "mcp__x__read_file",
                 "input": {"b": 1.5, "a": [True, None, -3], "": ""}, "cache_control": marker},
            ]
        ),
        user([{**RESULT, "content": "ok", "is_error": False}, {"type": "text", "text": "go on"}]),
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.37.3c3; "
                                     "cc_entrypoint=cli; cch=a1b2c;"},
            {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude.",
             "cache_control": marker},
        ],
        tools=[
            {"name": "f-1", "description": "Reads.", "cache_control": marker,
             "input_schema": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}}},
            {"type": "web_search_20260318", "name": "web_search", "max_uses": 5,
             "allowed_domains": ["example.org"], "allowed_callers": ["direct"]},
        ],
        thinking={"type": "enabled", "budget_tokens": 31999},
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high"},
        stream=True,
        temperature=1,
    )  # fmt: skip
    assert sent(exchange(asked)) == asked
    assert list(sent(exchange(asked))) == list(asked)


def test_a_field_name_is_evidence_for_its_value() -> None:
    asked = block("tool_use", id="t", name="f", input={"password": "hunter2", "x": 5})
    slots = Slots(asked, REQUEST)
    assert slots.texts[-4:] == ["password", "password: hunter2", "x", "x: 5"]


REFUSED = {
    "type": [
        block("image", source={"type": "base64", "media_type": "image/png", "data": "AAAA"}),
        block("image", source={"type": "url", "url": "https://example.org/a.png"}),
        block("container_upload", file_id="file_1"),
        block("hologram", hologram="x"),
        request(user([{**RESULT, "content": [{"type": "image", "source": {}}]}])),
    ],
    "source.type": [
        block("document", source={"type": "base64", "media_type": "application/pdf", "data": "AAAA"}),
        block("document", source={"type": "file"}),
    ],
    "source.media_type": [block("document", source={"media_type": "application/pdf", "data": "AAAA"})],
    "source.url": [block("document", source={"type": "url", "url": "https://example.org/a.pdf"})],
    "source.file_id": [block("document", source={"file_id": "file_1"})],
    "user_location": [tool(type="web_search_20250305", user_location={"city": "Berlin"})],
    "authorization_token": [
        request(mcp_servers=[{"type": "url", "url": "https://a.example", "authorization_token": "x"}])
    ],
    "thread": [request(thread={"type": "continue", "previous_message_id": "msg_1"})],
    "messages": [{"model": "m"}, {"messages": []}],
    "stream": [request(stream="yes")],
}


@pytest.mark.parametrize(
    ("field", "asked"), [(field, asked) for field, all_ in REFUSED.items() for asked in all_]
)
def test_what_cannot_be_masked_is_refused_by_name(field: str, asked: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as problem:
        exchange(asked)
    assert str(problem.value.source).endswith(field)


def test_a_picture_is_refused_as_a_picture() -> None:
    with pytest.raises(BadInput, match=r"messages\[0\]\.content\[0\]\.type: pictures are not masked yet"):
        exchange(block("image", source={"type": "base64", "media_type": "image/png", "data": "AAAA"}))


def test_a_person_is_aliased() -> None:
    assert sent(exchange(request(metadata={"user_id": "ada"})))["metadata"] == {"user_id": ALIAS("ada")}


# What is signed


def thought(text: str, kind: str = "thinking") -> dict[str, Any]:
    return {"type": kind, "thinking": text, "signature": SIGNATURE}


def test_a_signed_thought_goes_back_as_it_came() -> None:
    (token, _), text = tokens(exchange()), 'so **{}** it is, \u2028 "\\u0041" \u5f20\u4f1f\U0001f600 1e5'
    thoughts = [thought(text.format(token)), {"type": "redacted_thinking", "data": "QUJD" * 40}]
    asked = request(user(f"write to {EMAIL}"), assistant([*thoughts, {"type": "text", "text": EMAIL}]))
    out = sent(exchange(asked))["messages"][1]["content"]
    assert out[:2] == thoughts
    assert out[2] == {"type": "text", "text": token}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_signed_thought_keeps_its_value_both_ways(text: str) -> None:
    one = exchange()
    email, _ = tokens(one)
    said = thought(f"{text} {email} {text}")
    assert reply_to(one, said)["content"] == [said]
    asked = request(user(f"write to {EMAIL}"), assistant([said]), user("go on"))
    assert sent(exchange(asked))["messages"][1]["content"] == [said]


def passes(said: str, *before: Any, **fields: Any) -> bool:
    """Whether a signed thought goes out after some messages; if it does, then untouched."""
    asked = request(*before, assistant([thought(said)]), user("go on"), **fields)
    try:
        out = sent(exchange(asked))["messages"][len(before)]["content"]
    except BadInput as problem:
        assert problem.source == f"messages[{len(before)}].content[0].thinking"
        assert "start a new conversation" in str(problem)
        assert said not in str(problem)
        return False
    assert out == [thought(said)]
    return True


@pytest.mark.parametrize(
    ("said", "before", "fields"),
    [
        (f"mail {EMAIL}", [user(f"write to {EMAIL}")], {}),
        ('{"to": "ada.lovelace\\u0040example.com"}', [user(f"write to {EMAIL}")], {}),
        (f"mail {EMAIL.upper()}", [user(f"write to {EMAIL}")], {}),
        (f"mail {EMAIL}", [user("hello")], {"system": [{"type": "text", "text": f"serve {EMAIL}"}]}),
        (f"mail {EMAIL}", [user("hello")], {"tools": [{"name": "f", "description": f"of {EMAIL}"}]}),
        (f"mail {EMAIL}", [user("x"), assistant("y"), user([{**RESULT, "content": EMAIL}])], {}),
        (f"mail {EMAIL}", [user(f"write to {EMAIL}"), assistant(EMAIL), user("yes")], {}),
        ("call 138-1234-5678", [user(f"call {PHONE}")], {}),
        ("I ask Grace Hopper.", [user("Ask Grace Hopper about it, she is an admiral.")], {}),
        ("it is 4111 1111 1111 1111", [user("hello")], {}),
        ("the key is AKIAIOSFODNN7EXAMPLE", [user("hello"), assistant("AKIAIOSFODNN7EXAMPLE")], {}),
    ],
    ids=["said before", "escaped", "in capitals", "in the system prompt", "in a tool", "in a result",
         "repeated", "spelled otherwise", "a full name", "a card", "a key"],
)  # fmt: skip
def test_a_signed_thought_with_a_value_of_the_clients_is_refused(
    said: str, before: list[Any], fields: dict[str, Any]
) -> None:
    assert not passes(said, *before, **fields)


@pytest.mark.parametrize(
    ("said", "before"),
    [
        ("a test user test.user@example.org", [user("write a test")]),
        (
            "again test.user@example.org",
            [user("write a test"), assistant("for test.user@example.org"),
             user([{**RESULT, "content": "wrote test.user@example.org"}])],
        ),
        ("London is in England", [user("When is it noon in London, dear?")]),
        ("bind to 127.0.0.1", [user("listen on 127.0.0.1 please")]),
        ("see https://example.org/docs", [user("read https://example.org/docs first")]),
        ("Microsoft has that", [user("Ask Microsoft about their cloud.")]),
    ],
    ids=["its own idea", "its own idea, echoed", "a place", "an address", "a page", "a company"],
)  # fmt: skip
def test_a_signed_thought_with_what_a_model_has_by_itself_passes(said: str, before: list[Any]) -> None:
    assert passes(said, *before)


def test_what_a_later_message_says_is_no_reason_to_refuse_an_earlier_thought() -> None:
    asked = request(user("x"), assistant([thought("try a.b@example.org")]), user("it is a.b@example.org!"))
    assert sent(exchange(asked))["messages"][1]["content"] == [thought("try a.b@example.org")]


def test_a_signed_thought_of_a_client_is_nobodys_own_idea() -> None:
    with pytest.raises(BadInput):
        exchange(request(user([thought(f"mail {EMAIL}")])))


def test_a_blocking_policy_looks_at_signed_thoughts_too() -> None:
    masker = Masker(KEY, Policy(fates={"EMAIL": Fate.BLOCK}))
    with pytest.raises(BadInput, match="EMAIL"):
        exchange(request(user("x"), assistant([thought(EMAIL)])), masker)
    with pytest.raises(Blocked):
        exchange(request(user(EMAIL), assistant([thought("hm")])), masker)


def test_what_is_signed_is_not_counted_as_masked() -> None:
    one = exchange(request(user("x"), assistant([thought("a test user x.y@example.org")])))
    assert one.counts == {}
    assert one.reply(b'{ "content": [] }') == b'{ "content": [] }'


def test_a_signed_summary_goes_back_as_it_came() -> None:
    (token, _) = tokens(exchange())
    summary = {"type": "compaction", "content": f"They wrote to **{token}**.", "signature": SIGNATURE}
    asked = request(assistant([summary]), user(f"who? {EMAIL}?"))
    assert sent(exchange(asked))["messages"][0]["content"] == [summary]
    with pytest.raises(BadInput, match=r"messages\[1\]\.content\[0\]\.content: it is signed"):
        exchange(request(user(EMAIL), assistant([{**summary, "content": f"of {EMAIL}"}])))


def test_a_summary_without_a_signature_is_masked_and_restored() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    summary = {"type": "compaction", "content": f"of {email}", "signature": None}
    assert reply_to(one, summary)["content"] == [summary | {"content": f"of {EMAIL}"}]
    events = [
        event("content_block_start", index=0, content_block={"type": "compaction", "content": ""}),
        *(delta(0, "compaction_delta", content=part) for part in cut(f"of {email}", 4)),
        event("content_block_stop", index=0),
    ]
    assert Told(stream(one, events)).blocks[0]["content"] == f"of {EMAIL}"
    sealed = delta(0, "compaction_delta", content=email, encrypted_content=SIGNATURE)
    assert one.events().feed(sealed) == sealed


def test_found_pages_go_back_as_they_came() -> None:
    found = {
        "type": "web_search_result",
        "url": "https://example.org/on/noon",
        "title": "Noon in London",
        "page_age": "April 30, 2025",
        "encrypted_content": SIGNATURE,
    }
    asked = request(
        user("noon?"),
        assistant([{"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]}]),
    )
    assert sent(exchange(asked)) == asked
    with pytest.raises(BadInput, match=r"content\[0\]\.title"):
        exchange(
            request(
                user(f"of {EMAIL}"),
                assistant([{"type": "web_search_tool_result", "content": [found | {"title": EMAIL}]}]),
            )
        )


# What comes back


def reply_to(one: Exchange, *content: Any, **fields: Any) -> Any:
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 5},
        **fields,
    }
    return json.loads(one.reply(json.dumps(whole).encode()))


def test_every_text_of_a_reply_is_restored() -> None:
    one = exchange()
    email, phone = tokens(one)
    told = reply_to(
        one,
        {"type": "text", "text": f"**{email}**", "citations": [
            {"type": "char_location", "cited_text": email, "document_title": email, "document_index": 0},
            {"type": "search_result_location", "cited_text": email, "source": email, "title": email}]},
        {"type": "tool_use", "id": "toolu_1", "name": "f",
         "input": {"id": email, "type": phone, "text": email, "thinking": email, "deep": [{phone: [email]}]}},
        {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {"query": email}},
        {"type": "mcp_tool_result", "content": [{"type": "text", "text": email}]},
        {"type": "bash_code_execution_tool_result",
         "content": {"type": "bash_code_execution_result", "stdout": email, "stderr": email}},
        stop_sequence=email,
        stop_details={"type": "refusal", "explanation": email},
    )  # fmt: skip
    text = json.dumps(told)
    assert "[EMAIL" not in text
    assert "[PHONE" not in text
    assert text.count(EMAIL) == 16
    assert told["content"][1]["input"]["deep"] == [{PHONE: [EMAIL]}]
    assert told["masquerade"]["masked"] == {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}
    assert told["usage"] == {"input_tokens": 7, "output_tokens": 5}


def test_what_is_signed_in_a_reply_stays() -> None:
    one = exchange()
    email, _ = tokens(one)
    signed = [
        {"type": "thinking", "thinking": f"I see {email}", "signature": email},
        {"type": "redacted_thinking", "data": email},
        {"type": "compaction", "content": f"of {email}", "encrypted_content": email, "signature": email},
    ]
    assert reply_to(one, *signed, {"type": "text", "text": email})["content"] == [
        *signed,
        {"type": "text", "text": EMAIL},
    ]


def test_json_that_was_asked_for_is_escaped_and_a_tools_input_is_not() -> None:
    masker = Masker(KEY, Policy.parse('version = 1\n[[deny]]\nkind = "PERSON"\nwords = [\'Ada "A" L\']'))
    asked = request(user('Ada "A" L'))
    one = exchange(asked, masker, output_config={"format": {"type": "json_schema", "schema": {}}})
    token = sent(one)["messages"][0]["content"]
    told = reply_to(
        one,
        {"type": "text", "text": json.dumps({"who": token})},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"text": token, "partial_json": token}},
    )["content"]
    assert json.loads(told[0]["text"]) == {"who": 'Ada "A" L'}
    assert told[1]["input"] == {"text": 'Ada "A" L', "partial_json": 'Ada "A" L'}


def test_a_turn_that_was_restored_is_masked_to_what_it_was() -> None:
    one = exchange()
    email, phone = tokens(one)
    turn = [
        thought(f"They want {email}."),
        {"type": "text", "text": f"I write to {email}."},
        {"type": "tool_use", "id": "toolu_1", "name": "send", "input": {"to": email, phone: [phone]}},
    ]
    told = reply_to(one, *turn)["content"]
    assert told[1:] != turn[1:]
    asked = request(user(f"write to {EMAIL} or {PHONE}"), assistant(told), user("go on"))
    assert sent(exchange(asked))["messages"][1]["content"] == turn


# Streams


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def cut(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


class Told:
    """What a client adds up from a stream."""

    def __init__(self, stream: bytes) -> None:
        self.blocks: dict[int, dict[str, Any]] = {}
        self.stopped: list[int] = []
        self.late: list[Any] = []
        self.kinds: list[str] = []
        self.summary: Any = None
        self.last: Any = None
        for part in stream.split(b"\n\n")[:-1]:
            name, _, data = part.partition(b"\ndata: ")
            tree = json.loads(data)
            assert name == b"event: " + tree["type"].encode()
            self.kinds.append(tree["type"])
            self._add(tree)

    def __eq__(self, other: object) -> bool:
        mine, theirs = vars(self) | {"kinds": 0}, vars(other) | {"kinds": 0}
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]

    def _add(self, tree: dict[str, Any]) -> None:
        index = tree.get("index")
        if index in self.stopped or (index is not None and self.last):
            self.late.append(tree)
        if tree["type"] == "content_block_start":
            self.blocks[tree["index"]] = dict(tree["content_block"])
        elif tree["type"] == "content_block_delta":
            held = self.blocks[tree["index"]]
            for field, value in tree["delta"].items():
                if field == "citation":
                    held.setdefault("citations", []).append(value)
                elif field != "type":
                    held[field] = held.get(field, "") + value
        elif tree["type"] == "content_block_stop":
            self.stopped.append(tree["index"])
        elif tree["type"] == "message_delta":
            self.last, self.summary = tree["delta"], tree.get("masquerade")


def stream(one: Exchange, chunks: Iterable[bytes]) -> bytes:
    restorer = one.events()
    return b"".join(map(restorer.feed, chunks)) + restorer.finish()


def conversation(one: Exchange, size: int = 3) -> list[bytes]:
    """A thought, words with a citation, and two tool calls whose pieces take turns; every token cut."""
    email, phone = tokens(one)
    begun = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": {}}
    events = [event("message_start", message=begun), event("ping")]
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    events.append(event("content_block_start", index=0, content_block=thinking))
    events += [delta(0, "thinking_delta", thinking=part) for part in cut(f"I see {email}.", size)]
    events += [delta(0, "signature_delta", signature=SIGNATURE), event("content_block_stop", index=0)]
    events.append(event("content_block_start", index=1, content_block={"type": "text", "text": ""}))
    events += [delta(1, "text_delta", text=part) for part in cut(f"Hi {email}, I call {phone}", size)]
    cited = {"type": "char_location", "cited_text": f"of {email}", "document_index": 0}
    events += [delta(1, "citations_delta", citation=cited), event("content_block_stop", index=1)]
    calls = [json.dumps({"to": email, phone: 1}), json.dumps({"deep": [{"n": phone}], "x": f"a {email}"})]
    for i in (2, 3):
        call = {"type": "tool_use", "id": f"toolu_{i}", "name": "f", "input": {}}
        events.append(event("content_block_start", index=i, content_block=call))
        events.append(delta(i, "input_json_delta", partial_json=""))
    for pieces in itertools.zip_longest(*(cut(call, size) for call in calls)):
        for i, piece in enumerate(pieces, 2):
            events += [delta(i, "input_json_delta", partial_json=piece)] if piece else []
    events += [event("content_block_stop", index=i) for i in (2, 3)]
    ended = {"stop_reason": "stop_sequence", "stop_sequence": email}
    events.append(event("message_delta", delta=ended, usage={"output_tokens": 9}))
    return [*events, event("message_stop")]


def check(one: Exchange, told: Told) -> None:
    email, _ = tokens(one)
    assert told.blocks[0] == {"type": "thinking", "thinking": f"I see {email}.", "signature": SIGNATURE}
    assert told.blocks[1]["text"] == f"Hi {EMAIL}, I call {PHONE}"
    assert told.blocks[1]["citations"][0]["cited_text"] == f"of {EMAIL}"
    assert json.loads(told.blocks[2]["partial_json"]) == {"to": EMAIL, PHONE: 1}
    assert json.loads(told.blocks[3]["partial_json"]) == {"deep": [{"n": PHONE}], "x": f"a {EMAIL}"}
    assert told.stopped == [0, 1, 2, 3]
    assert told.late == []
    assert told.last == {"stop_reason": "stop_sequence", "stop_sequence": EMAIL}
    assert told.summary["masked"] == {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}
    assert told.summary["unresolved"] == 0
    assert told.kinds[-1] == "message_stop"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_tokens_lie_over_deltas(size: int) -> None:
    one = exchange(stream=True)
    check(one, Told(stream(one, conversation(one, size))))


def test_every_cut_of_the_bytes_gives_the_same_stream() -> None:
    whole = exchange(stream=True)
    chunks = b"".join(conversation(whole, 9))
    expected = Told(stream(whole, [chunks]))
    check(whole, expected)
    for at in range(0, len(chunks), 7):
        assert Told(stream(exchange(stream=True), [chunks[:at], chunks[at:]])) == expected
    assert Told(stream(exchange(stream=True), (chunks[i : i + 1] for i in range(len(chunks))))) == expected


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_cut_of_bytes_and_of_text_equals_restoring_the_whole(data: st.DataObject) -> None:
    one = exchange(stream=True)
    chunks = b"".join(conversation(one, data.draw(st.integers(1, 40))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(chunks)), max_size=30)))
    bounds = [0, *cuts, len(chunks)]
    check(one, Told(stream(one, (chunks[a:b] for a, b in itertools.pairwise(bounds)))))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_stream_says_what_the_whole_reply_says(data: st.DataObject) -> None:
    one = exchange(stream=True)
    email, phone = tokens(one)
    piece = st.sampled_from([email, phone, email.lower(), email[:-1], "[", "]", " ", "x", '"', "\\", "中"])
    text = "".join(data.draw(st.lists(piece, max_size=12)))
    size = data.draw(st.integers(1, 30))
    events = [
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(delta(0, "text_delta", text=part) for part in cut(text, size)),
        event("content_block_stop", index=0),
    ]
    told = Told(stream(one, events)).blocks[0]["text"]
    assert told == reply_to(exchange(), {"type": "text", "text": text})["content"][0]["text"]


def test_what_is_put_into_streamed_json_is_escaped() -> None:
    masker = Masker(KEY, Policy.parse('version = 1\n[[deny]]\nkind = "PERSON"\nwords = [\'Ada "A" L\']'))
    one = exchange(request(user('Ada "A" L'), stream=True), masker)
    token = sent(one)["messages"][0]["content"]
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    events = [event("content_block_start", index=0, content_block=call)]
    events += [delta(0, "input_json_delta", partial_json=p) for p in cut(json.dumps({token: token}), 4)]
    told = Told(stream(one, [*events, event("content_block_stop", index=0)]))
    assert json.loads(told.blocks[0]["partial_json"]) == {'Ada "A" L': 'Ada "A" L'}


def test_thoughts_keep_every_byte_in_a_stream() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    odd = event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": email})
    odd = odd.replace(b'", "', b'" ,  "')
    for each in (odd, delta(0, "signature_delta", signature=email), event("ping")):
        assert one.events().feed(each) == each


def test_without_finds_a_stream_passes_byte_for_byte() -> None:
    one = exchange(request(user("hello")))
    chunks = [b"event: ping\ndata:  {}\n\n", delta(0, "text_delta", text="[EMAIL_"), b"data: x\n\n"]
    assert stream(one, chunks) == b"".join(chunks)


@pytest.mark.parametrize("size", [1, 5, 100])
def test_an_error_in_a_stream_is_restored_and_loses_nothing(size: int) -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    events = [
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(delta(0, "text_delta", text=part) for part in cut(f"to {email}, or [EMAIL_", size)),
        event("error", error={"type": "overloaded_error", "message": f"no {email}"}),
    ]
    out = stream(one, events)
    assert Told(out).blocks[0]["text"] == f"to {EMAIL}, or [EMAIL_"
    assert f'"message":"no {EMAIL}"'.encode() in out.split(b"\n\n")[-2]


def test_a_stream_that_breaks_off_gives_all_its_text() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    start = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    assert Told(stream(one, [start, delta(0, "text_delta", text=email[:-3])])).blocks[0]["text"] == email[:-3]
    restorer = one.events()
    restorer.feed(start)
    with pytest.raises(UpstreamProblem):
        restorer.feed(delta(0, "text_delta", text=f"to {email}") + b"data: nonsense\n\n")
    assert EMAIL.encode() in restorer.finish()


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "content_block_delta", "index": [], "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": [], "text": "x"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}},
        {"type": "content_block_delta", "index": 0, "delta": "x"},
        {"type": ["content_block_stop"]},
        {"type": "content_block_stop", "index": {}},
        {"content": [{"type": ["thinking"], "text": "x"}]},
        {},
    ],
)
def test_odd_events_do_not_break_it(odd: dict[str, Any]) -> None:
    one = exchange(stream=True)
    assert json.loads(stream(one, [b"data: " + json.dumps(odd).encode() + b"\n\n"])[6:]) == odd


_names = st.sampled_from(
    [
        "type",
        "index",
        "delta",
        "content_block",
        "text",
        "partial_json",
        "thinking",
        "input",
        "message",
        "content",
        "citation",
        "citations",
        "signature",
        "masquerade",
        "error",
        "logprobs",
        "annotations",
        "encrypted_content",
    ]
)
_odd = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 2),
        st.text("[EMAIL_]x", max_size=6),
        st.sampled_from(
            [
                "content_block_start",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "text_delta",
                "input_json_delta",
                "thinking_delta",
                "compaction_delta",
                "citations_delta",
                "error",
                "ping",
            ]
        ),
    ),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(_names, below, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(_names, _odd, max_size=5), max_size=4))
def test_whatever_a_service_sends_is_restored_or_its_own_problem(events: list[dict[str, Any]]) -> None:
    one = exchange(stream=True)
    try:
        out = stream(one, [b"data: " + json.dumps(each).encode() + b"\n\n" for each in events])
        one.reply(json.dumps({"content": events}).encode())
    except UpstreamProblem:
        return
    for part in out.split(b"\n\n")[:-1]:
        assert isinstance(json.loads(part.removeprefix(b"data: ")), dict)
