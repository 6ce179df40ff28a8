"""Completions, embeddings, moderations, pictures and speech: what leaves, and what comes back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.wire.test_canary import tree

from masquerade.errors import BadInput
from masquerade.keys import Key
from masquerade.mask.text import Masker
from masquerade.wire import openai
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.rules import NUMBER, PASS

EMAIL, PHONE = "ada.lovelace@example.com", "13812345678"
KEY = Key(bytes(range(32)))
MASKER, ALIAS = Masker(KEY), alias_under(KEY.tenant("default"))
TEXT = f"write to {EMAIL} or {PHONE}"
TEXTS = {"completions": "prompt", "embeddings": "input", "moderations": "input", "images": "prompt"}
WITH_TEXT = [each for each in openai.ENDPOINTS if each.name in TEXTS]
ids = {"ids": lambda each: each.name if isinstance(each, Endpoint) else None}


def exchange(endpoint: Endpoint, **fields: Any) -> Exchange:
    return Exchange(MASKER, json.dumps({"model": "m", **fields}).encode(), endpoint, alias=ALIAS)


def sent(one: Exchange) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(one.request)
    return told


def tokens(one: Exchange) -> list[str]:
    return str(sent(one)["prompt"]).removeprefix("write to ").split(" or ")


# What leaves


@pytest.mark.parametrize("endpoint", WITH_TEXT, **ids)
def test_the_text_is_masked_and_people_are_aliased(endpoint: Endpoint) -> None:
    one = exchange(endpoint, **{TEXTS[endpoint.name]: TEXT}, user="ada", extra=[EMAIL])
    assert b"lovelace" not in one.request
    assert PHONE.encode() not in one.request
    assert sent(one)["model"] == "m"
    if "user" in endpoint.request:
        assert str(sent(one)["user"]).startswith("mq-")


@pytest.mark.parametrize("endpoint", [openai.COMPLETIONS, openai.EMBEDDINGS, openai.MODERATIONS], **ids)
def test_a_list_of_texts_is_masked(endpoint: Endpoint) -> None:
    field = TEXTS[endpoint.name]
    told = sent(exchange(endpoint, **{field: ["plain", TEXT]}))[field]
    assert told[0] == "plain"
    assert EMAIL not in told[1]


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], ["x", 5], 7, {"x": "y"}, [["x"]]])
@pytest.mark.parametrize("endpoint", [openai.COMPLETIONS, openai.EMBEDDINGS], **ids)
def test_numbers_of_tokens_are_refused(endpoint: Endpoint, given: Any) -> None:
    with pytest.raises(BadInput, match="cannot be looked at") as problem:
        exchange(endpoint, **{TEXTS[endpoint.name]: given})
    assert problem.value.source == TEXTS[endpoint.name]


def test_suffix_and_stops_are_masked() -> None:
    one = exchange(openai.COMPLETIONS, prompt="x", suffix=f"for {EMAIL}", stop=[EMAIL, "\n"])
    assert b"lovelace" not in one.request
    assert sent(one)["stop"][1] == "\n"


def test_parts_of_moderations_are_masked_and_pictures_refused() -> None:
    one = exchange(openai.MODERATIONS, input=[{"type": "text", "text": TEXT}])
    assert b"lovelace" not in one.request
    picture = {"type": "image_url", "image_url": {"url": "data:,x"}}
    with pytest.raises(BadInput) as problem:
        exchange(openai.MODERATIONS, input=[{"type": "text", "text": "x"}, picture])
    assert problem.value.source == "input[1].image_url"


@pytest.mark.parametrize("endpoint", [*WITH_TEXT, openai.SPOKEN], **ids)
def test_no_known_field_passes_prose(endpoint: Endpoint) -> None:
    for name, rule in endpoint.request.items():
        if rule in (PASS, NUMBER) and name != "stream":
            fields = {TEXTS.get(endpoint.name, "input"): "x", name: f"mine is {EMAIL}"}
            try:
                assert b"lovelace" not in exchange(endpoint, **fields).request
            except BadInput:
                assert endpoint.media


def test_speech_of_stand_ins_is_refused() -> None:
    with pytest.raises(BadInput, match="stand-in") as problem:
        exchange(openai.SPOKEN, input=TEXT, voice="alloy")
    assert "lovelace" not in str(problem.value)
    spoken = {"input": "Good evening.", "voice": "alloy", "speed": 1.5, "instructions": "slowly"}
    assert sent(exchange(openai.SPOKEN, **spoken)) == {"model": "m", **spoken}


@pytest.mark.parametrize(
    "endpoint", [openai.EMBEDDINGS, openai.MODERATIONS, openai.IMAGES, openai.SPOKEN], **ids
)
def test_without_a_text_there_is_no_request(endpoint: Endpoint) -> None:
    with pytest.raises(BadInput, match="a text is needed"):
        exchange(endpoint)


# What comes back


def test_completions_are_restored_with_their_echo() -> None:
    one = exchange(openai.COMPLETIONS, prompt=TEXT, echo=True, logprobs=2)
    choice = {
        "index": 0,
        "text": sent(one)["prompt"] + "!",
        "logprobs": {"tokens": ["[EM"]},
        "finish_reason": "stop",
    }
    told = json.loads(one.reply(json.dumps({"id": "cmpl-1", "choices": [choice]}).encode()))
    assert told["choices"][0]["text"] == TEXT + "!"
    assert told["choices"][0]["logprobs"] is None
    assert told["masquerade"]["masked"] == {"EMAIL": {"token": 1}, "PHONE": {"token": 1}}


def test_embeddings_keep_every_number() -> None:
    one = exchange(openai.EMBEDDINGS, input=TEXT)
    data = [{"object": "embedding", "index": 0, "embedding": [0.1, -1.5e-9]}, {"embedding": "zczMPQ=="}]
    told = json.loads(one.reply(json.dumps({"object": "list", "data": data}).encode()))
    assert told["data"] == data


def test_a_revised_prompt_is_restored_and_pictures_pass() -> None:
    one = exchange(openai.IMAGES, prompt=TEXT)
    data = [{"b64_json": "iVBORw0K", "revised_prompt": sent(one)["prompt"]}]
    told = json.loads(one.reply(json.dumps({"created": 1, "data": data}).encode()))
    assert told["data"] == [{"b64_json": "iVBORw0K", "revised_prompt": TEXT}]
    done = {"type": "image_generation.completed", "b64_json": "iVBORw0K"}
    out = one.events().feed(b"event: x\ndata: " + json.dumps(done).encode() + b"\n\n")
    event = json.loads(out.partition(b"data: ")[2])
    assert event.pop("masquerade")["masked"]
    assert event == done


def chunk(text: str | None, index: int = 0, finish: str | None = None, **more: Any) -> bytes:
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
    whole = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


def conversation(one: Exchange, size: int) -> list[bytes]:
    email, phone = tokens(one)
    texts = [f"Hi {email}, I call {phone}.", f"{phone}{email}"]
    pieces = [[text[i : i + size] for i in range(0, len(text), size)] for text in texts]
    chunks = [
        chunk(piece, i)
        for row in itertools.zip_longest(*pieces)
        for i, piece in enumerate(row)
        if piece is not None
    ]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    chunks += [chunk("", 0, "stop"), chunk("", 1, "length")]
    return [
        *chunks,
        b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n",
        b"data: [DONE]\n\n",
    ]


def streamed(one: Exchange, chunks: Iterable[bytes]) -> list[Any]:
    restorer = one.events()
    out = b"".join(map(restorer.feed, chunks)) + restorer.finish()
    blocks = [block.removeprefix(b"data: ") for block in out.split(b"\n\n")[:-1]]
    return [block if block == b"[DONE]" else json.loads(block) for block in blocks]


def check(told: list[Any]) -> None:
    assert told.pop() == b"[DONE]"
    texts, ended, summary = {0: "", 1: ""}, {}, None
    for each in told:
        summary = each.get("masquerade", summary)
        for choice in each["choices"]:
            assert "delta" not in choice
            assert isinstance(choice["text"], str)
            assert choice["index"] not in ended
            texts[choice["index"]] += choice["text"]
            if choice["finish_reason"]:
                ended[choice["index"]] = choice["finish_reason"]
    assert texts == {0: f"Hi {EMAIL}, I call {PHONE}.", 1: f"{PHONE}{EMAIL}"}
    assert ended == {0: "stop", 1: "length"}
    assert summary == {
        "masked": {"EMAIL": {"token": 1}, "PHONE": {"token": 1}},
        "redacted": {},
        "unresolved": 0,
    }
    assert told[-1]["usage"]["total_tokens"] == 3


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_cut_of_a_stream_gives_everything_back(data: st.DataObject) -> None:
    one = exchange(openai.COMPLETIONS, prompt=TEXT, stream=True, n=2)
    stream = b"".join(conversation(one, data.draw(st.integers(1, 40))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    bounds = [0, *cuts, len(stream)]
    check(streamed(one, (stream[a:b] for a, b in itertools.pairwise(bounds))))


def test_a_stream_that_ends_without_a_reason_gives_all_its_text() -> None:
    one = exchange(openai.COMPLETIONS, prompt=TEXT, stream=True)
    email, _ = tokens(one)
    told = streamed(one, [chunk(f"to {email[:-3]}")])
    assert "".join(choice["text"] for tree in told for choice in tree["choices"]) == f"to {email[:-3]}"
    assert told[-1]["object"] == "text_completion"
    assert told[-1]["masquerade"]["masked"]


def test_plain_chunks_stay_as_they_are() -> None:
    one = exchange(openai.COMPLETIONS, prompt=TEXT, stream=True)
    untouched = b'data: {"id":"x",  "choices":[{"index":0,"text":"plain words ","x":1.50}]}\n\n'
    stream = one.events()
    assert stream.feed(untouched) == untouched
    assert stream.feed(untouched + untouched) == untouched + untouched


# Wherever it stands


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*WITH_TEXT, openai.SPOKEN]), st.data())
def test_wherever_it_stands_it_does_not_leave(endpoint: Endpoint, data: st.DataObject) -> None:
    numbers = {name for name, rule in endpoint.request.items() if rule is NUMBER}
    known = sorted(endpoint.request.keys() - numbers - {"stream"})
    fields = data.draw(st.dictionaries(st.sampled_from([*known, "note", EMAIL]), tree, max_size=4))
    field = TEXTS.get(endpoint.name, "input")
    try:
        request = exchange(endpoint, **{field: "x", **fields}).request.decode()
    except BadInput as problem:
        assert "lovelace" not in str(problem)
        assert "4111" not in str(problem)
        return
    assert "lovelace" not in request
    assert "4111111111111111" not in request
