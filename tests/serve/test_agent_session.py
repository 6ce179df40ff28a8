"""A long session of a coding agent through a real gateway: nothing private leaves, the prefix stays the same
from turn to turn, thoughts go back as they came, and the agent gets every original."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_session import (
    ADA,
    BILLING,
    CARD,
    IDENTITY,
    PASSWORD,
    PLANTED,
    answer,
    events,
    request,
    turns,
    without_markers,
)
from aiohttp import web
from anthropic import Anthropic
from gateway_rig import Gateway, Service, gateway, pieces, service

KEY = {"authorization": "Bearer sk-ant-oat01-x", "anthropic-version": "2023-06-01"}
BETAS = ["claude-code-20250219", "interleaved-thinking-2025-05-14"]


@pytest.fixture(scope="module")
def recording() -> Iterator[Service]:
    with service() as running:
        yield running


@pytest.fixture(scope="module")
def shared(recording: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("home"), anthropic=recording.url) as running:
        yield running


def unseen(recording: Service) -> None:
    everything = recording.everything.decode()
    for value in PLANTED:
        for spelled in (value, value.replace(" ", ""), json.dumps(value)[1:-1]):
            assert spelled not in everything, PLANTED[value]


def test_forty_turns(shared: Gateway, recording: Service) -> None:
    calls = iter([call for _, call in turns()])
    written: list[list[dict[str, Any]]] = []

    async def behave(asked: web.Request, body: bytes) -> web.StreamResponse:
        if asked.path.endswith("count_tokens"):
            return web.json_response({"input_tokens": len(body) // 4})
        written.append(answer(json.loads(body), next(calls)))
        size = 3 + len(written) % 9
        return await pieces(asked, 200, "text/event-stream", events(written[-1], size))

    recording.behave = behave
    history: list[dict[str, Any]] = []
    with Anthropic(base_url=shared.address, auth_token="sk-ant-oat01-x", max_retries=0) as client:
        for i, (new, _) in enumerate(turns()):
            history.append({"role": "user", "content": new})
            asked = request(history)
            if i % 10 == 0:
                parts = {name: asked[name] for name in ("model", "messages", "system", "tools", "thinking")}
                assert shared.post("/v1/messages/count_tokens?beta=true", parts, KEY).status == 200
            with client.beta.messages.stream(**asked, betas=BETAS, extra_query={"beta": "true"}) as stream:
                final = stream.get_final_message()
            assert final.stop_reason == "tool_use"
            content = [block.model_dump(exclude_none=True) for block in final.content]
            assert content[0] == written[-1][0], "a signed thought"
            assert "[" not in json.dumps(content[1]), "a stand-in reached the agent"
            assert not any(f"[{kind}_" in json.dumps(content[1:]) for kind in PLANTED.values())
            history.append({"role": "assistant", "content": content})
    recording.behave = None
    unseen(recording)
    check_what_was_sent(recording, written)
    told = json.dumps(history)
    assert all(told.count(value) for value in (ADA, PASSWORD, CARD))


def check_what_was_sent(recording: Service, written: list[list[dict[str, Any]]]) -> None:
    sent = [json.loads(each.body) for each in recording.requests if each.path == "/v1/messages?beta=true"]
    assert len(sent) == len(written) == 40
    assert len(recording.requests) == 44
    assert len(recording.requests[-1].body) > 50_000
    for each in sent:
        assert each["system"] == sent[0]["system"]
        assert each["tools"] == sent[0]["tools"]
        assert [block["text"] for block in each["system"][:2]] == [BILLING, IDENTITY]
    for before, after in itertools.pairwise(sent):
        n = len(before["messages"])
        assert without_markers(after["messages"][:n]) == without_markers(before["messages"])
    turns_of_the_model = [message["content"] for message in sent[-1]["messages"][1::2]]
    assert turns_of_the_model == written[:-1], "the service gets back what it wrote, thoughts and all"


def test_a_session_that_began_without_a_gateway(recording: Service, tmp_path: Path) -> None:
    """Its thoughts hold originals: such a session is refused, and says what to do."""
    recording.reset()
    said = {"type": "thinking", "thinking": f"They are {ADA}.", "signature": "QUJD" * 30}
    history = [
        {"role": "user", "content": [{"type": "text", "text": f"Fix it for {ADA}."}]},
        {"role": "assistant", "content": [said, {"type": "text", "text": "Done."}]},
        {"role": "user", "content": [{"type": "text", "text": "Thanks. More?"}]},
    ]
    with gateway(tmp_path, anthropic=recording.url) as running:
        answered = running.post("/v1/messages?beta=true", request(history), KEY)
        assert answered.status == 400
        assert "messages[1].content[0].thinking" in answered.anthropic_error["message"]
        assert "start a new conversation" in answered.anthropic_error["message"]
        assert ADA not in answered.body.decode()
        assert recording.requests == []
        del history[1]["content"][0]  # type: ignore[attr-defined]
        assert running.post("/v1/messages?beta=true", request(history), KEY).status == 200
    unseen(recording)
