"""One request and its reply, against the real mask: what leaves, what comes back, however it is cut."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput, Blocked, UpstreamProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import Fate
from masquerade.mask.text import Masker
from masquerade.wire.exchange import Exchange, alias_under

EMAIL, PHONE, CARD = "ada.lovelace@example.com", "13812345678", "4111 1111 1111 1111"
KEY = Key(bytes(range(32)))
MASKER = Masker(KEY)
ALIAS = alias_under(KEY.tenant("default"))


def exchange(
    content: Any = f"write to {EMAIL} or {PHONE}", masker: Masker = MASKER, **fields: Any
) -> Exchange:
    asked = {"model": "m", "messages": [{"role": "user", "content": content}], **fields}
    return Exchange(masker, json.dumps(asked).encode(), alias=ALIAS)


def seen(one: Exchange) -> str:
    content = json.loads(one.request)["messages"][-1]["content"]
    assert isinstance(content, str)
    return content


def tokens(one: Exchange) -> list[str]:
    return seen(one).removeprefix("write to ").split(" or ")


def reply_to(one: Exchange, **message: Any) -> dict[str, Any]:
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
    told: dict[str, Any] = json.loads(one.reply(json.dumps(whole).encode()))
    return told


def chunk(delta: dict[str, Any], index: int = 0, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**whole, "choices": [choice], **more}).encode() + b"\n\n"


def cut(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


class Told:
    """What a client adds up from a stream."""

    def __init__(self, stream: bytes) -> None:
        self.texts: dict[tuple[Any, ...], str] = {}
        self.finish: dict[int, str] = {}
        self.late: list[bytes] = []
        self.summary: dict[str, Any] | None = None
        self.usage: dict[str, Any] | None = None
        self.done = False
        for block in stream.split(b"\n\n")[:-1]:
            if block == b"data: [DONE]":
                self.done = True
                continue
            tree = json.loads(block.removeprefix(b"data: "))
            self.summary = tree.get("masquerade", self.summary)
            self.usage = tree.get("usage") or self.usage
            for choice in tree["choices"]:
                index = choice["index"]
                if index in self.finish:
                    self.late.append(block)
                self._add((index,), choice["delta"])
                if choice.get("finish_reason"):
                    self.finish[index] = choice["finish_reason"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Told) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def _add(self, path: tuple[Any, ...], node: dict[str, Any]) -> None:
        for key, value in node.items():
            if value is None:
                continue
            if isinstance(value, str):
                self.texts[*path, key] = self.texts.get((*path, key), "") + value
            elif isinstance(value, dict):
                self._add((*path, key), value)
            elif isinstance(value, list):
                for part in value:
                    self._add((*path, key, part["index"]), part)

    def content(self, index: int = 0) -> str:
        return self.texts.get((index, "content"), "")


def stream(one: Exchange, chunks: Iterable[bytes]) -> bytes:
    restorer = one.events()
    return b"".join(map(restorer.feed, chunks)) + restorer.finish()


# What leaves


def test_nothing_private_leaves_and_everything_comes_back() -> None:
    one = exchange()
    assert EMAIL.encode() not in one.request
    assert PHONE.encode() not in one.request
    assert one.counts == {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}
    told = reply_to(one, content=f"**{seen(one)}**")
    assert told["choices"][0]["message"]["content"] == f"**write to {EMAIL} or {PHONE}**"
    assert told["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    assert told["masquerade"] == {
        "masked": {"EMAIL": {"token": 1}, "PHONE": {"token": 1}},
        "redacted": {},
        "unresolved": 0,
    }
    assert one.restored == 2


def test_cards_are_redacted_and_the_reply_says_so() -> None:
    one = exchange(f"card {CARD} of {EMAIL}")
    assert "4111" not in one.request.decode()
    assert one.redacted == {"CREDIT_CARD": 1}
    told = reply_to(one, content=seen(one))
    assert told["choices"][0]["message"]["content"] == f"card [CREDIT_CARD_REDACTED] of {EMAIL}"
    assert told["masquerade"]["redacted"] == {"CREDIT_CARD": 1}
    assert told["masquerade"]["masked"] == {"EMAIL": {"token": 1}}


def test_without_finds_a_reply_passes_byte_for_byte() -> None:
    one = exchange("what is it that a capital is?")
    body = b'{ "choices": [ {"logprobs": {"content": [1.50]}, "message": {"content": "Paris"}} ] }'
    assert one.reply(body) == body
    chunks = [chunk({"content": "Par"}), chunk({"content": "is"}, finish="stop"), b"data: [DONE]\n\n"]
    assert stream(one, chunks) == b"".join(chunks)


def test_history_gets_the_same_tokens_without_a_store() -> None:
    first = exchange()
    answered = reply_to(first, content=f"noted: {seen(first)}")["choices"][0]["message"]
    asked = {"messages": [{"role": "user", "content": f"write to {EMAIL} or {PHONE}"}, answered]}
    again = json.loads(Exchange(Masker(KEY), json.dumps(asked).encode()).request)["messages"]
    assert again[0]["content"] == seen(first)
    assert again[1]["content"] == f"noted: {seen(first)}"


def test_a_duplicate_field_does_not_smuggle() -> None:
    body = b'{"messages":[{"role":"user","content":"%s"}],"messages":[{"role":"user","content":"x"}]}'
    assert EMAIL.encode() not in Exchange(MASKER, body % EMAIL.encode()).request


def test_a_person_is_aliased_the_same_way_every_time_and_otherwise_elsewhere() -> None:
    users = [json.loads(exchange(user="ada").request)["user"] for _ in range(2)]
    other = alias_under(KEY.tenant("other"))("ada")
    assert users[0] == users[1] != other
    assert users[0].startswith("mq-")
    assert "ada" not in users[0]


def test_a_blocking_policy_stops_the_request() -> None:
    masker = Masker(KEY, Policy(fates={"EMAIL": Fate.BLOCK}))
    with pytest.raises(Blocked) as problem:
        exchange(masker=masker)
    assert problem.value.counts == {"EMAIL": 1}
    assert EMAIL not in str(problem.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe{}",
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":[{"role":"user","content":NaN}]}',
        b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"messages":[{"role":"user","content":"a@example.com"},]}',
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput) as problem:
        Exchange(MASKER, body)
    assert "example" not in str(problem.value)


def test_repr_shows_counts_only() -> None:
    assert repr(exchange()) == (
        "Exchange(counts={'EMAIL': {'token': 1}, 'PHONE': {'token': 1}}, redacted={}, stream=False)"
    )


# What comes back


def test_tool_arguments_are_masked_out_and_restored_with_escapes() -> None:
    masker = Masker(KEY, Policy.parse('version = 1\n[[deny]]\nkind = "PERSON"\nwords = [\'Ada "A" L\']'))
    one = exchange('call Ada "A" L', masker)
    token = seen(one).removeprefix("call ")
    arguments = json.dumps({"who": token})
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    told = reply_to(one, content=None, tool_calls=[call])
    restored = told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(restored) == {"who": 'Ada "A" L'}
    sent = {
        "messages": [
            told["choices"][0]["message"],
            {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
        ]
    }
    again = json.loads(Exchange(masker, json.dumps(sent).encode()).request)
    assert again["messages"][0]["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_json_content_is_escaped_when_json_was_asked_for(kind: str) -> None:
    masker = Masker(KEY, Policy.parse('version = 1\n[[deny]]\nkind = "PERSON"\nwords = [\'Ada "A" L\']'))
    one = exchange('of Ada "A" L', masker, response_format={"type": kind, "json_schema": {"name": "x"}})
    told = reply_to(one, content=json.dumps({"who": seen(one).removeprefix("of ")}))
    assert json.loads(told["choices"][0]["message"]["content"]) == {"who": 'Ada "A" L'}


def test_json_content_in_parts_is_escaped_too() -> None:
    masker = Masker(KEY, Policy.parse('version = 1\n[[deny]]\nkind = "PERSON"\nwords = [\'Ada "A" L\']'))
    one = exchange('of Ada "A" L', masker, response_format={"type": "json_object"})
    part = {"type": "text", "text": json.dumps({"who": seen(one).removeprefix("of ")})}
    told = reply_to(one, content=[part])
    assert json.loads(told["choices"][0]["message"]["content"][0]["text"]) == {"who": 'Ada "A" L'}


@pytest.mark.parametrize("depth", [260, 900])
def test_what_is_nested_deeper_than_can_be_written_is_refused(depth: int) -> None:
    nest = "[" * depth + "]" * depth
    with pytest.raises(BadInput, match="nested too deeply"):
        Exchange(MASKER, f'{{"messages": [{{"role": "user", "content": "x"}}], "m": {nest}}}'.encode())


@pytest.mark.parametrize("depth", [254, 900])
def test_a_reply_that_is_nested_deeper_than_can_be_written_is_a_problem_upstream(depth: int) -> None:
    nested = b'{"a":' * depth + b'""' + b"}" * depth
    with pytest.raises(UpstreamProblem, match="nested too deeply"):
        exchange().reply(b'{"choices": [], "x": ' + nested + b"}")
    token = tokens(one := exchange())[0].encode()
    with pytest.raises(UpstreamProblem, match="nested too deeply"):
        one.events().feed(
            b'data: {"choices": [{"delta": {"content": "' + token + b'", "x": ' + nested + b"}}]}\n\n"
        )


def test_a_service_cannot_open_texts_without_end() -> None:
    """Each text of a stream that is not at its end is remembered, and the service says how many there are."""
    one = exchange()
    stream = one.events()
    with pytest.raises(UpstreamProblem, match="too many parts"):
        for index in range(10_000):
            stream.feed(chunk({"content": "[EMAIL_"}, index))
    assert stream.finish().count(b"[EMAIL_") > 1000
    closing = one.events()
    for index in range(10_000):  # one after the other is no trouble
        closing.feed(chunk({"content": "[EMAIL_"}, index) + chunk({}, index, "stop"))


def test_every_text_of_a_reply_is_restored() -> None:
    one = exchange()
    email, _ = tokens(one)
    told = reply_to(
        one,
        content=[{"type": "text", "text": email}],
        refusal=email,
        reasoning_content=email,
        function_call={"name": "f", "arguments": json.dumps([email])},
        tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "f", "input": email}}],
        annotations=[{"type": "url_citation", "url_citation": {"title": email}}],
        audio={"id": "a", "data": "AAAA", "transcript": email},
    )
    text = json.dumps(told["choices"])
    assert email not in text
    assert text.count(EMAIL) == 7


def test_log_probabilities_are_dropped_where_something_was_masked() -> None:
    one = exchange(logprobs=True)
    body = {
        "choices": [{"index": 0, "message": {"content": "x"}, "logprobs": {"content": [{"token": "[EM"}]}}]
    }
    assert json.loads(one.reply(json.dumps(body).encode()))["choices"][0]["logprobs"] is None
    lines = chunk({"content": "x"}).replace(b'"logprobs": null', b'"logprobs": {"content": []}')
    assert json.loads(stream(one, [lines]).split(b"\n\n")[0][6:])["choices"][0]["logprobs"] is None


def test_a_damaged_token_is_left_and_counted() -> None:
    one = exchange()
    email, _ = tokens(one)
    damaged = email[:-4] + ("AAA]" if not email.endswith("AAA]") else "BBB]")
    told = reply_to(one, content=damaged)
    assert told["choices"][0]["message"]["content"] == damaged
    assert told["masquerade"]["unresolved"] == 1


def test_an_error_is_restored_like_a_reply() -> None:
    one = exchange()
    body = json.dumps({"error": {"message": f"cannot parse: {seen(one)}"}}).encode()
    assert json.loads(one.reply(body))["error"]["message"] == f"cannot parse: write to {EMAIL} or {PHONE}"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b'{"choices":', b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"]
)
def test_a_reply_that_cannot_be_read_is_a_problem_upstream(body: bytes) -> None:
    with pytest.raises(UpstreamProblem):
        exchange().reply(body)


# Streams


def conversation(one: Exchange, size: int = 3) -> list[bytes]:
    """Two choices and two tool calls, interleaved, every token cut."""
    email, phone = tokens(one)
    first, second = cut(f"Hi {email}, I call {phone}.", size), cut(f"{phone}{email}", size)
    calls = [cut(json.dumps({"to": email}), size), cut(json.dumps({"no": phone, "to": email}), size)]
    chunks = [chunk({"role": "assistant", "content": ""}, i) for i in range(2)]
    chunks += [
        chunk({"tool_calls": [{"index": i, "id": f"call_{i}", "function": {"name": "f", "arguments": ""}}]})
        for i in range(2)
    ]
    for a, b, c, d in itertools.zip_longest(first, second, *calls):
        chunks += [chunk({"content": a})] if a else []
        chunks += [chunk({"content": b}, 1)] if b else []
        for i, piece in enumerate((c, d)):
            if piece:
                chunks.append(chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]}))
    chunks += [chunk({}, 0, "tool_calls"), chunk({}, 1, "stop")]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    chunks.append(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
    return [*chunks, b"data: [DONE]\n\n"]


def check(told: Told) -> None:
    assert told.content(0) == f"Hi {EMAIL}, I call {PHONE}."
    assert told.content(1) == f"{PHONE}{EMAIL}"
    first, second = (told.texts[0, "tool_calls", i, "function", "arguments"] for i in range(2))
    assert json.loads(first) == {"to": EMAIL}
    assert json.loads(second) == {"no": PHONE, "to": EMAIL}
    assert told.texts[0, "tool_calls", 1, "function", "name"] == "f"
    assert told.finish == {0: "tool_calls", 1: "stop"}
    assert told.late == []
    assert told.usage == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert told.summary is not None
    assert told.summary["unresolved"] == 0
    assert told.done


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_choices_and_tool_calls_interleave(size: int) -> None:
    one = exchange(stream=True, n=2)
    check(Told(stream(one, conversation(one, size))))
    assert one.restored == 7


def test_every_cut_of_the_bytes_in_two_gives_the_same_stream() -> None:
    whole = exchange(stream=True)
    chunks = b"".join(conversation(whole))
    expected = Told(stream(whole, [chunks]))
    check(expected)
    for at in range(0, len(chunks), 7):
        assert Told(stream(exchange(stream=True), [chunks[:at], chunks[at:]])) == expected


def test_every_byte_alone_gives_the_same_stream() -> None:
    one = exchange(stream=True)
    chunks = b"".join(conversation(one))
    expected = Told(stream(exchange(stream=True), [chunks]))
    assert Told(stream(one, (chunks[i : i + 1] for i in range(len(chunks))))) == expected


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_cut_of_bytes_and_of_text_gives_everything_back(data: st.DataObject) -> None:
    one = exchange(stream=True)
    chunks = b"".join(conversation(one, data.draw(st.integers(1, 40))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(chunks)), max_size=30)))
    bounds = [0, *cuts, len(chunks)]
    check(Told(stream(one, (chunks[a:b] for a, b in itertools.pairwise(bounds)))))


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends_are_read(end: str) -> None:
    one = exchange(stream=True)
    check(Told(stream(one, [part.replace(b"\n", end.encode()) for part in conversation(one)])))


def test_events_of_several_lines_stay_whole() -> None:
    one = exchange()
    token = tokens(one)[0]
    pretty = [
        b"data: " + json.dumps(json.loads(chunk({"content": text})[6:]), indent=1).encode()
        for text in ("a ", "b ", token, " c")
    ]
    reply = one.events()
    told = b"".join(reply.feed(each.replace(b"\n", b"\ndata: ") + b"\n\n") for each in pretty)
    blocks = (told + reply.finish()).split(b"\n\n")[:-1]
    lines = [line for block in blocks for line in block.split(b"\n")]
    assert all(line.startswith(b"data: ") for line in lines)
    trees = [json.loads(block.replace(b"\ndata: ", b"\n").removeprefix(b"data: ")) for block in blocks]
    assert "".join(tree["choices"][0]["delta"].get("content", "") for tree in trees) == f"a b {EMAIL} c"


@pytest.mark.parametrize("last", [{}, {"content": ""}, {"content": []}, {"content": [{"type": "text"}]}])
@pytest.mark.parametrize("end", ["stop", None])
def test_a_field_that_changes_its_shape_loses_nothing(last: dict[str, Any], end: str | None) -> None:
    """A service that thinks sends parts first, then a plain text; what was held back of both comes out."""
    reply = exchange().events()
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm [EM"}]}
    deltas = [chunk({"content": [thought]}), chunk({"content": "so [EM"}), chunk(last, finish=end)]
    told = b"".join(map(reply.feed, deltas)) + reply.finish()
    trees = [json.loads(block.removeprefix(b"data: ")) for block in told.split(b"\n\n")[:-1]]
    assert all(len(tree["choices"]) == 1 for tree in trees)
    contents = [tree["choices"][0]["delta"].get("content") for tree in trees]
    assert "".join(each for each in contents if type(each) is str) == "so [EM"
    parts = [part for each in contents if type(each) is list for part in each]
    assert "".join(part["thinking"][0]["text"] for part in parts if "thinking" in part) == "hm [EM"


def test_what_stands_in_the_way_of_a_rest_stays() -> None:
    held = {"a": "x [EM", "b": ["y [EM"], "c": {"d": "z [EM"}, "e": [[{"f": "w [EM"}]]}
    reply = exchange().events()
    last = chunk({"a": 7, "b": {}, "c": ["q"], "e": "r"}, finish="stop")
    told = reply.feed(chunk(held)) + reply.feed(last)
    for text in (b'"x "', b'"y [EM"', b'"z "', b'"w "', b'"a":7', b'"c":["q"]', b'"e":"r"'):
        assert text in told
    assert told.count(b'"[EM"') == 3


def test_what_stands_beside_a_delta_is_restored() -> None:
    one = exchange()
    token = tokens(one)[0]
    choice = {"index": 0, "delta": {"content": "a"}, "message": {"content": f"a {token}"}}
    told = {"choices": [choice], "error": {"message": f"no {token}"}, "note": f"on {token}", "id": "x"}
    reply = one.events()
    for _ in range(3):  # and no mould is made of it
        out = reply.feed(b"data: " + json.dumps(told).encode() + b"\n\n")
        assert out.count(EMAIL.encode()) == 3
        assert b"[EMAIL" not in out


def test_what_is_held_back_comes_before_the_reason_to_stop() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    told = Told(stream(one, [chunk({"content": "to "}), chunk({"content": email[:-3]}, finish="length")]))
    assert told.content() == "to " + email[:-3]
    assert told.finish == {0: "length"}
    assert told.late == []


def test_reasoning_ends_before_the_answer_begins() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    out = stream(
        one,
        [
            chunk({"role": "assistant", "content": "", "reasoning_content": ""}),
            chunk({"content": None, "reasoning_content": f"it is {email[:5]}"}),
            chunk({"reasoning_content": email[5:] + ", so m"}),
            chunk({"reasoning_content": "ail th"}),
            chunk({"content": f"To {email}"}),
            chunk({}, finish="stop"),
        ],
    )
    told = Told(out)
    assert told.texts[0, "reasoning_content"] == f"it is {EMAIL}, so mail th"
    assert told.content() == f"To {EMAIL}"
    assert out.rindex(b"reasoning_content") < out.index(b'"To ')


def test_text_in_the_last_chunk_is_restored() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    told = Told(stream(one, [chunk({"content": email[:5]}), chunk({"content": email[5:]}, finish="stop")]))
    assert told.content() == EMAIL


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
def test_a_stream_that_ends_without_a_reason_gives_all_its_text(end: bytes) -> None:
    one = exchange(stream=True)
    email, phone = tokens(one)
    chunks = [chunk({"content": email + phone[:9]}), chunk({"content": phone[:-3]}, 1), end]
    told = Told(stream(one, chunks))
    assert told.content(0) == EMAIL + phone[:9]
    assert told.content(1) == phone[:-3]
    assert told.summary is not None
    assert told.done == bool(end)


def test_what_came_before_a_bad_event_is_not_lost() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    restorer = one.events()
    with pytest.raises(UpstreamProblem):
        restorer.feed(chunk({"content": f"to {email}"}) + b"data: nonsense\n\n")
    assert Told(restorer.finish()).content() == f"to {EMAIL}"


def test_comments_and_named_events_pass() -> None:
    one = exchange(stream=True)
    email, _ = tokens(one)
    out = stream(
        one,
        [
            b": processing\n\n",
            b"event: error\ndata: " + json.dumps({"error": {"message": email}}).encode() + b"\n\n",
        ],
    )
    assert out.startswith(b':\n\nevent: error\ndata: {"error":{"message":"' + EMAIL.encode())


def test_a_stream_keeps_what_it_need_not_change() -> None:
    one = exchange(stream=True)
    untouched = b'data: {"id":"x",  "choices":[{"index":0,"delta":{"content":"plain words "},"x":1.50}]}\n\n'
    assert one.events().feed(untouched) == untouched


def test_plain_words_are_hardly_held_back() -> None:
    restorer = exchange(stream=True).events()
    said, told = "", ""
    for word in ("Birds ", "sing ", "about ", "noon. "):
        said += word
        told += Told(restorer.feed(chunk({"content": word}))).content()
        assert said.startswith(told)
        assert len(said) - len(told) <= 4


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[1]",
        b"nonsense",
        b'{"choices":["x"]}',
        b'{"choices":[{"delta":' + b'{"a":' * 1010 + b'"x"' + b"}" * 1010 + b"}]}",
    ],
)
def test_an_unreadable_event_is_a_problem_upstream(data: bytes) -> None:
    restorer = exchange(stream=True).events()
    with pytest.raises(UpstreamProblem):
        restorer.feed(b"data: " + data + b"\n\n")


@pytest.mark.parametrize(
    ("field", "more", "kind"),
    [
        ("stream_options", {"stream_options": {"n": "AKIAIOSFODNN7EXAMPLE"}}, "SECRET"),
        (
            "messages",
            {"messages": [{"role": "tool", "tool_call_id": "call_4111111111111111"}]},
            "CREDIT_CARD",
        ),
        ("model", {"model": "ft:4111111111111111:x"}, "CREDIT_CARD"),
        (
            "tools",
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {
                "type": "object", "properties": {"AKIAIOSFODNN7EXAMPLE": {"type": "string"}}}}}]},
            "SECRET",
        ),
    ],
)  # fmt: skip
def test_a_name_that_is_proven_private_is_refused(field: str, more: dict[str, Any], kind: str) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], **more}
    with pytest.raises(BadInput, match=kind) as caught:
        Exchange(MASKER, orjson.dumps(asked))
    assert str(caught.value).startswith(field)
    assert "4111" not in str(caught.value) and "AKIA" not in str(caught.value)


def test_ids_of_services_pass() -> None:
    for name in (
        "call_9qXW1nVbT0kLr2mZ8yHc7D4e",
        "chatcmpl-tool-0d3a1f2b9c8e4d5fa6b7c8d9e0f1a2b3",
        "toolu_01A09q90qw90lq917835lq9",
    ):
        asked = {
            "model": "gpt-4o-2024-08-06",
            "messages": [{"role": "tool", "tool_call_id": name, "content": "x"}],
        }
        assert name.encode() in Exchange(MASKER, orjson.dumps(asked)).request


# Annotations


def cited(text: str, *values: str) -> list[dict[str, Any]]:
    """Annotations of ``values`` in ``text``, as a service counts."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": text.index(value),
                "end_index": text.index(value) + len(value),
                "url": "https://example.org",
                "title": value,
            },
        }
        for value in values
    ]


def places(text: str, annotations: list[dict[str, Any]]) -> list[str]:
    return [text[a["url_citation"]["start_index"] : a["url_citation"]["end_index"]] for a in annotations]


def test_offsets_of_annotations_follow_the_text() -> None:
    one = exchange()
    email, phone = tokens(one)
    said = f"Ask **{email}** here, or {phone.lower()} there, 中文 {email} end."
    marks = cited(said, "Ask", "here", email, f"or {phone.lower()}", "there", "end.")
    message = {"role": "assistant", "content": said, "annotations": marks}
    told = orjson.loads(one.reply(orjson.dumps({"choices": [{"index": 0, "message": message}]})))
    message = told["choices"][0]["message"]
    assert places(message["content"], message["annotations"]) == [
        "Ask", "here", EMAIL, f"or {PHONE}", "there", "end.",
    ]  # fmt: skip
    assert [a["url_citation"]["title"] for a in message["annotations"]][2] == EMAIL


@pytest.mark.parametrize("size", [1, 3, 8, 100])
@pytest.mark.parametrize("late", ["before the end", "at the end", "after the end"])
def test_offsets_of_annotations_follow_the_text_of_a_stream(size: int, late: str) -> None:
    one = exchange(stream=True)
    email, phone = tokens(one)
    said = f"Ask {email} here, or {phone}"
    marks = {"annotations": cited(said, "here", email, phone)}
    chunks = [chunk({"content": part}) for part in cut(said, size)]
    if late == "before the end":
        chunks += [chunk(marks), chunk({}, finish="stop")]
    elif late == "at the end":
        chunks += [chunk(marks, finish="stop")]
    else:
        chunks += [chunk({}, finish="stop"), chunk(marks)]
    out = stream(one, chunks)
    content, found = "", []
    for block in out.split(b"\n\n")[:-1]:
        for choice in json.loads(block.removeprefix(b"data: "))["choices"]:
            content += choice["delta"].get("content") or ""
            found += choice["delta"].get("annotations") or []
    assert content == f"Ask {EMAIL} here, or {PHONE}"
    assert places(content, found) == ["here", EMAIL, PHONE]
