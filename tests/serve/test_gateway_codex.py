"""A long session of Codex, turn by turn through a real gateway: nothing leaves, all comes back, and what was
sent once is sent in the same bytes again, so that the provider's prompt cache stays warm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from codex_session import (
    AGENTS,
    ENVIRONMENT,
    INSTRUCTIONS,
    PLANTED,
    QUESTION,
    TOOLS,
    filled,
    items,
    result,
    turns,
)
from gateway_rig import Service, gateway, pieces, service
from openai import OpenAI

from masquerade.serve.mirror_responses import streamed

SHOWN = re.compile(r"^- (\w+): (\[[A-Z_]+_[0-9A-Z]{10}\])$", re.MULTILINE)
TURNS = 30
WHERE = {
    "response.output_text.delta": lambda item: item["content"][0]["text"],
    "response.reasoning_summary_text.delta": lambda item: item["summary"][0]["text"],
    "response.function_call_arguments.delta": lambda item: item["arguments"],
    "response.custom_tool_call_input.delta": lambda item: item["input"],
}
KEPT_THE_SAME: dict[str, Any] = {
    "model": "gpt-5-codex",
    "instructions": INSTRUCTIONS,
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199a213-81c0-7800-8aa1-bbab2a035a53",
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Service]:
    with service() as running:
        yield running


def test_a_long_session_of_codex(upstream: Service, tmp_path: Path) -> None:
    script = list(turns(TURNS))

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        """The model: it knows of each value what the first message shows of it."""
        n = len(upstream.requests) - 1
        shown = json.loads(body)["input"][0]["content"][0]["text"]
        output = items(script[n], n, dict(SHOWN.findall(shown)))
        head = {"id": f"resp_{n}", "object": "response"}
        whole = {**head, "status": "completed", "output": output, "usage": None}
        return await pieces(request, 200, "text/event-stream", streamed(head, output, whole))

    asks = (filled(AGENTS, PLANTED), ENVIRONMENT, filled(QUESTION, PLANTED))
    history: list[dict[str, Any]] = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        for text in asks
    ]
    upstream.reset()
    upstream.behave = behave
    with (
        gateway(tmp_path, upstream=upstream.url) as running,
        OpenAI(base_url=running.base, api_key="sk-test", max_retries=0) as client,
    ):
        for n, turn in enumerate(script):
            output = asked(client, history)
            assert output == items(turn, n, PLANTED), f"turn {n}"
            history += output
            if turn.call:
                history.append(result(output[-1], filled(turn.gave, PLANTED)))
    assert len(upstream.requests) == TURNS
    assert len(upstream.requests[-1].body) > 100_000
    everything = upstream.everything.decode()
    assert [name for name, value in PLANTED.items() if value in everything] == []
    stays_as_it_was(upstream)


def asked(client: OpenAI, history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One request as Codex makes it, and the items of its reply as Codex takes them from the stream."""
    output: list[dict[str, Any]] = []
    texts: dict[tuple[str, int], str] = {}
    for event in client.responses.create(input=history, stream=True, **KEPT_THE_SAME):  # type: ignore[call-overload]
        told = event.to_dict()
        if event.type.endswith(".delta"):
            key = (event.type, told["output_index"])
            texts[key] = texts.get(key, "") + told["delta"]
        elif event.type == "response.output_item.done":
            output.append(told["item"])
    assert event.type == "response.completed"
    for (kind, index), text in texts.items():
        assert text == WHERE[kind](output[index])
    return output


def stays_as_it_was(upstream: Service) -> None:
    """Each request begins with the bytes of the one before."""
    before: list[bytes] = []
    for seen in upstream.requests:
        body = json.loads(seen.body)
        now = [orjson.dumps(body[name]) for name in ("instructions", "tools", "prompt_cache_key")]
        now += [orjson.dumps(item) for item in body["input"]]
        assert now[: len(before)] == before
        assert len(now) > len(before)
        before = now
