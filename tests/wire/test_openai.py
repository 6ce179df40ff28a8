"""Where text sits in a request: everything private is seen by the mask, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from masquerade.errors import BadInput
from masquerade.wire.chunks import delta_of, merge_delta
from masquerade.wire.openai import CHAT, REQUEST
from masquerade.wire.replies import restore_texts
from masquerade.wire.rules import NUMBER, PASS
from masquerade.wire.slots import Slots

CANARY = "ada.lovelace@example.com"
CARD = 4111111111111111


def masked(request: dict[str, Any]) -> dict[str, Any]:
    """The request with every canary replaced, as a mask that knows only the canaries would leave it."""
    slots = Slots(request, CHAT.request, alias=lambda who: "alias")
    slots.put([text.replace(CANARY, "[M]").replace(str(CARD), "[N]") for text in slots.texts])
    return request


def request(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt", "messages": [{"role": "user", "content": "hello"}], **fields}


def message(**fields: Any) -> dict[str, Any]:
    return request(messages=[{"role": "assistant", "content": None, **fields}])


def tool(**function: Any) -> dict[str, Any]:
    return request(tools=[{"type": "function", "function": {"name": "f", **function}}])


SEEN = {
    "content": message(content=f"write to {CANARY}"),
    "part": message(content=[{"type": "text", "text": f"to {CANARY}"}]),
    "refusal part": message(content=[{"type": "refusal", "refusal": CANARY}]),
    "refusal": message(refusal=CANARY),
    "name": message(name=CANARY),
    "unknown role": request(messages=[{"role": CANARY, "content": "x"}]),
    "unknown field of a message": message(notes={"deep": [CANARY]}),
    "arguments": message(
        tool_calls=[{"id": "1a", "function": {"name": "f", "arguments": f'{{"to":"{CANARY}"}}'}}]
    ),
    "number in arguments": message(
        tool_calls=[{"id": "1a", "function": {"name": "f", "arguments": f'{{"card":{CARD}}}'}}]
    ),
    "key in arguments": message(
        tool_calls=[{"id": "1a", "function": {"name": "f", "arguments": f'{{"{CANARY}": 1}}'}}]
    ),
    "escaped in arguments": message(
        tool_calls=[
            {"id": "1a", "function": {"name": "f", "arguments": '{"to":"ada.lovelace\\u0040example.com"}'}}
        ]
    ),
    "broken arguments": message(function_call={"name": "f", "arguments": f'{{"to": {CANARY}'}),
    "arguments as an object": message(function_call={"name": "f", "arguments": {"to": CANARY}}),
    "custom tool input": message(tool_calls=[{"id": "1a", "custom": {"name": "f", "input": CANARY}}]),
    "JSON in content": message(content='{"to": "ada.lovelace\\u0040example.com"}'),
    "reasoning": message(reasoning_content=CANARY, reasoning=CANARY),
    "reasoning details": message(reasoning_details=[{"type": "text", "text": CANARY, "data": CANARY}]),
    "call id": message(tool_calls=[{"id": CANARY}]),
    "tool description": tool(description=CANARY),
    "tool name": tool(name=CANARY),
    "schema description": tool(parameters={"type": "object", "properties": {"a": {"description": CANARY}}}),
    "schema enum": tool(parameters={"properties": {"a": {"enum": [CANARY, CARD]}}}),
    "schema default": tool(parameters={"properties": {"a": {"default": {"deep": CANARY}}}}),
    "schema title deep": tool(parameters={"anyOf": [{"items": {"title": CANARY}}]}),
    "schema property": tool(parameters={"properties": {CANARY: {}}, "required": [CANARY]}),
    "schema keyword": tool(parameters={CANARY: {"not": {CANARY: 1}}}),
    "token number": request(logit_bias={str(CARD): 1}),
    "functions": request(functions=[{"name": "f", "description": CANARY}]),
    "custom tool": request(tools=[{"type": "custom", "custom": {"description": CANARY, "format": CANARY}}]),
    "grammar": request(
        tools=[{"type": "custom", "custom": {"format": {"grammar": {"definition": CANARY}}}}],
    ),
    "response format": request(
        response_format={"json_schema": {"name": "n", "schema": {"description": CANARY}}}
    ),
    "prediction": request(prediction={"type": "content", "content": CANARY}),
    "prediction parts": request(prediction={"content": [{"type": "text", "text": CANARY}]}),
    "stop": request(stop=CANARY),
    "stops": request(stop=["a", CANARY]),
    "metadata": request(metadata={"who": CANARY, CANARY: "x", "n": CARD}),
    "unknown field": request(extra=CANARY),
    "unknown object": request(extra={"a": [{"b": CANARY}], CANARY: CARD}),
    "unknown name": request(**{CANARY: True}),
    "text where a number belongs": request(temperature=f"is {CANARY}", n=[CANARY]),
    "text where a list belongs": request(tools=CANARY, functions={"x": CANARY}),
    "tool choice": request(tool_choice={"type": "function", "function": {"name": CANARY}}),
    "number for a name": request(model=CARD, messages=[{"role": CARD, "content": CARD}]),
    "user": request(user=CANARY, safety_identifier=CANARY, prompt_cache_key=CANARY),
    "model": request(model=CANARY),
}


@pytest.mark.parametrize("asked", SEEN.values(), ids=SEEN)
def test_every_text_of_a_request_is_looked_at(asked: dict[str, Any]) -> None:
    out = json.dumps(masked(asked))
    assert "ada.lovelace" not in out
    assert str(CARD) not in out


@pytest.mark.parametrize(
    "field", [name for name, rule in REQUEST.items() if rule in (PASS, NUMBER) and name != "stream"]
)
def test_no_known_field_passes_prose(field: str) -> None:
    assert CANARY not in json.dumps(masked(request(**{field: f"mine is {CANARY}"})))


def test_what_holds_nothing_private_keeps_every_byte() -> None:
    asked = {
        "temperature": 0.7,
        "model": "vendor/gpt-5.1:free",
        "logit_bias": {"50256": -100},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": 'a {"b": "\\u5f20"} c'}]},
            {"role": "assistant", "tool_calls": [
                {"id": "call_9", "type": "function",
                 "function": {"name": "f-1", "arguments": '{ "a" : [1.50, 1E5, "\\u5f20\\/x"],  "a": true}'}}
            ]},
            {"role": "tool", "tool_call_id": "call_9", "content": '{"x": "\\u5f20"}'},
        ],
        "tools": [{"type": "function", "function": {"name": "f-1", "parameters": {
            "type": "object", "required": ["type"],
            "properties": {"type": {"type": ["string", "null"], "minimum": 3}}}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
        "metadata": {"n": "1"},
        "unknown": [1, 2.5, True, None, "x"],
    }  # fmt: skip
    before = json.dumps(asked)
    assert json.dumps(masked(asked)) == before


def test_json_keeps_everything_but_what_was_found() -> None:
    arguments = f'{{ "n" : 12345678901234567890123, "x":1.50, "to" : ["{CANARY}"] , "x": "\\u5f20" }}'
    asked = masked(message(function_call={"name": "f", "arguments": arguments}))
    told = asked["messages"][0]["function_call"]["arguments"]
    assert told == arguments.replace(CANARY, "[M]")


def test_a_field_name_is_evidence_for_its_value() -> None:
    slots = Slots(
        message(function_call={"name": "f", "arguments": '{"password": "hunter2", "x": 5}'}), CHAT.request
    )
    assert slots.texts == ["password", "password: hunter2", "x", "x: 5"]
    slots.put(["password", "password: [M]", "x", "x: 5"])


def test_a_mask_that_grows_over_the_field_name_still_covers_the_value() -> None:
    asked = request(metadata={"a": "b"})
    slots = Slots(asked, CHAT.request)
    slots.put(["hello", "a", "[M]"])
    assert asked["metadata"] == {"a": "[M]"}


def test_two_keys_that_mask_alike_stay_two() -> None:
    asked = request(metadata={"p": 1, "q": 2, "r": 3})
    slots = Slots(asked, CHAT.request)
    slots.put(["[M]" if text in ("p", "q") else text for text in slots.texts])
    assert asked["metadata"] == {"[M]": 1, "[M] (2)": 2, "r": 3}


def test_many_keys_that_mask_alike() -> None:
    n = 20_000
    asked = request(metadata={f"{CARD} {i}": i for i in range(n)} | {"[N] (7)": "kept"})
    slots = Slots(asked, CHAT.request)
    slots.put(["[N]" if text.startswith(str(CARD)) and ":" not in text else text for text in slots.texts])
    assert list(asked["metadata"].values()) == [*range(n), "kept"]
    assert asked["metadata"]["[N] (7)"] == "kept"


def test_a_whole_number_beyond_64_bits_is_looked_at_digit_by_digit() -> None:
    slots = Slots(request(metadata={"account": 123456789012345678901234.0}), CHAT.request)
    assert any(text.startswith("account: 1234567890123456") for text in slots.texts)


def test_keys_keep_their_order() -> None:
    asked = masked(request(metadata={"a": 1, CANARY: 2, "c": 3}))
    assert list(asked["metadata"]) == ["a", "[M]", "c"]


REFUSED = {
    "image_url": {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    "input_audio": {"input_audio": {"data": "AAAA"}, "type": "input_audio"},
    "file": {"type": "file", "file": {"file_id": "file-1"}},
    "type": {"type": "hologram", "hologram": "x"},
    "video_url": {"type": "video_url", "video_url": "x"},
    # without a type, servers of the same shape look at what is there
    "image": {"image": "data:image/png;base64,AAAA"},
    "image_embeds": {"image_embeds": "AAAA", "text": "x"},
    "audio": {"audio": "https://example.com/a.mp3"},
    "audio_embeds": {"audio_embeds": "AAAA"},
    "audio_url": {"audio_url": {"url": "https://example.com/a.mp3"}},
    "video": {"video": ["data:image/png;base64,AAAA"]},
}


@pytest.mark.parametrize(("field", "part"), REFUSED.items(), ids=REFUSED)
def test_parts_that_cannot_be_masked_are_refused_by_name(field: str, part: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "x"}, part]
    with pytest.raises(BadInput) as problem:
        Slots(request(messages=[{"role": "user", "content": content}]), CHAT.request)
    assert problem.value.source == f"messages[0].content[1].{field}"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"audio": {"voice": "x", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        (
            {"web_search_options": {"user_location": {"approximate": {"city": "Berlin"}}}},
            "web_search_options.user_location",
        ),
        ({"messages": [{"role": "assistant", "audio": {"id": "x"}}]}, "messages[0].audio"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
    ],
)
def test_what_cannot_be_masked_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as problem:
        asked = request(**fields)
        CHAT.needs(asked)
        Slots(asked, CHAT.request)
    assert problem.value.source == field


def test_numbers_pass_where_numbers_belong() -> None:
    asked = request(seed=CARD, max_tokens=CARD, logit_bias={"1": CARD})
    asked |= tool(parameters={"properties": {"a": {"maximum": CARD}}})
    before = json.dumps(asked)
    assert json.dumps(masked(asked)) == before


def test_text_only_modalities_pass() -> None:
    assert masked(request(modalities=["text"]))["modalities"] == ["text"]


def test_without_a_key_a_person_is_not_named() -> None:
    with pytest.raises(BadInput, match="user"):
        Slots(request(user="ada"), CHAT.request)


def test_the_same_alias_stands_for_the_same_person() -> None:
    asked = masked(request(user="ada", safety_identifier="", prompt_cache_key=12345))
    assert [asked[name] for name in ("user", "safety_identifier", "prompt_cache_key")] == [
        "alias",
        "",
        "alias",
    ]


def test_nesting_beyond_reason_is_refused() -> None:
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(BadInput, match="nested"):
        Slots(request(extra=deep), CHAT.request)


def test_signed_reasoning_goes_back_as_it_came() -> None:
    signed = "gAAAAABn" * 8
    asked = masked(message(reasoning_details=[{"type": "reasoning.encrypted", "data": signed, "index": 0}]))
    assert asked["messages"][0]["reasoning_details"][0]["data"] == signed


def walk(delta: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    walked: list[tuple[tuple[str | int, ...], str]] = []

    def restore(path: tuple[str | int, ...], text: str) -> str:
        walked.append((path, text))
        return text

    assert not restore_texts(delta, restore, CHAT.written)
    return walked


def test_only_elements_of_lists_go_by_their_index() -> None:
    assert walk({"thought": {"index": 3, "text": "x"}}) == [(("thought", "text"), "x")]
    assert walk({"parts": [{"index": 3, "text": "x"}, {"text": "y"}]}) == [
        (("parts", 3, "text"), "x"),
        (("parts", 1, "text"), "y"),
    ]


def test_a_delta_is_the_inverse_of_walking_to_it() -> None:
    paths = [
        ("content",),
        ("tool_calls", 1, "function", "arguments"),
        ("tool_calls", 0, "custom", "input"),
        ("function_call", "arguments"),
        ("audio", "transcript"),
    ]
    merged: dict[str, Any] = {}
    for path in paths:
        assert walk(delta_of(path, "x")) == [(path, "x")]
        merge_delta(merged, path, "a")
        merge_delta(merged, path, "b")
    assert sorted(map(repr, walk(merged))) == sorted(repr((path, "ab")) for path in paths)
