"""Clients that others made, pointed at a real gateway by their address alone: LangChain's and LiteLLM's.

They talk to 127.0.0.1 only: what they would tell their makers is switched off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from gateway_rig import Gateway, Service, service

EMAIL, PHONE = "ada.lovelace@example.com", "+1 415 555 0132"
TEXT = f"Please send mail to {EMAIL} or call {PHONE}."
SILENT = {
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # its prices from its package, not from its maker
    "LITELLM_TELEMETRY": "False",
}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "send_mail",
        "description": f"Send mail; for help write to {EMAIL}",
        "parameters": {
            "type": "object",
            "properties": {"email": {"type": "string"}, "phone": {"type": "string"}},
        },
    },
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Service]:
    with service(EMAIL, PHONE, "555 0132") as running:
        yield running


def ran(program: str, shared: Gateway) -> Any:
    """What a program prints as JSON; it runs by itself, with nothing of these tests' environment but what is
    needed, and may reach this machine only."""
    wall = (
        "import socket\n"
        "_connect = socket.socket.connect\n"
        "def connect(self, to):\n"
        "    assert self.family == socket.AF_UNIX or to[0] in ('127.0.0.1', '::1'), 'reaches out'\n"
        "    return _connect(self, to)\n"
        "socket.socket.connect = connect\n"
        f"BASE, TEXT, TOOL = {shared.base!r}, {TEXT!r}, {TOOL!r}\n"
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", wall + program],
        env={**kept, **SILENT, "OPENAI_API_KEY": "sk-test", "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


LANGCHAIN = """
import json
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

class Contact(BaseModel):
    email: str
    phones: list[str]

def words(message):
    return message.content if isinstance(message.content, str) else "".join(
        part.get("text", "") for part in message.content)

told = {}
for name, more in (("chat", {}), ("responses", {"use_responses_api": True})):
    model = ChatOpenAI(model="m", base_url=BASE, max_retries=0, **more)
    told[name] = words(model.invoke(TEXT))
    told[name + " streamed"] = "".join(words(piece) for piece in model.stream(TEXT))
    told[name + " tools"] = [call["args"] for call in model.bind_tools([TOOL]).invoke(TEXT).tool_calls]
    told[name + " shaped"] = model.with_structured_output(Contact).invoke(TEXT).model_dump()
told["completions"] = OpenAI(model="m", base_url=BASE, max_retries=0).invoke(TEXT)
plain = OpenAIEmbeddings(model="m", base_url=BASE, max_retries=0, check_embedding_ctx_length=False)
told["embeddings"] = [len(numbers) for numbers in plain.embed_documents([TEXT, "plain"])]
print(json.dumps(told))
"""


@pytest.mark.skipif(
    find_spec("langchain_openai") is None,
    reason="no langchain-openai: see masquerade[test]",
)
def test_langchain(shared: Gateway) -> None:
    told = ran(LANGCHAIN, shared)
    for name in ("chat", "responses"):
        assert f"What I saw: {TEXT}" in told[name]
        assert f"What I saw: {TEXT}" in told[name + " streamed"]
        assert told[name + " tools"] == [{"email": EMAIL, "phone": PHONE}]
        assert told[name + " shaped"] == {"email": EMAIL, "phones": [PHONE]}
    assert f"What I saw: {TEXT}" in told["completions"]
    assert told["embeddings"] == [16, 16]


LITELLM = """
import asyncio, json
import litellm

litellm.telemetry = False
kept = {"model": "openai/m", "api_base": BASE, "api_key": "sk-test", "num_retries": 0}
asked = {**kept, "messages": [{"role": "user", "content": TEXT}]}
told = {"chat": litellm.completion(**asked).choices[0].message.content}
told["chat streamed"] = "".join(
    chunk.choices[0].delta.content or "" for chunk in litellm.completion(stream=True, **asked))
calls = litellm.completion(tools=[TOOL], **asked).choices[0].message.tool_calls
told["chat tools"] = [json.loads(call.function.arguments) for call in calls]

async def later():
    return (await litellm.acompletion(**asked)).choices[0].message.content

told["chat later"] = asyncio.run(later())
reply = litellm.responses(input=TEXT, **kept)
told["responses"] = "".join(
    part.text for item in reply.output if item.type == "message" for part in item.content)
told["responses streamed"] = "".join(
    event.delta for event in litellm.responses(input=TEXT, stream=True, **kept)
    if event.type == "response.output_text.delta")
older = {**kept, "model": "text-completion-openai/m"}
told["completions"] = litellm.text_completion(prompt=TEXT, **older).choices[0].text
plain = litellm.embedding(input=[TEXT, "plain"], **kept)
told["embeddings"] = [len(each["embedding"]) for each in plain.data]
print()
print(json.dumps(told))
"""


@pytest.mark.heavy
@pytest.mark.skipif(
    find_spec("litellm") is None, reason="litellm is not installed: some 240 MB, so it is in no extra"
)
def test_litellm(shared: Gateway) -> None:
    told = ran(LITELLM, shared)
    for name in ("chat", "chat streamed", "chat later", "responses", "responses streamed", "completions"):
        assert f"What I saw: {TEXT}" in told[name], name
    assert told["chat tools"] == [{"email": EMAIL, "phone": PHONE}]
    assert told["embeddings"] == [16, 16]
