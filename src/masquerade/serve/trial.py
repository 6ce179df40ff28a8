"""The playground's side of the gateway: its files, what a text looks like masked, and one question asked.

    GET  /, /playground/*     the page
    POST /playground/mask     {"text", "policy"?: {"fates": {kind: fate}}}
                              -> {"spans", "masked", "redacted", "ms"}
    POST /playground/try      the same and "model"?
                              -> the same and {"model", "reply", "restored"}

Only the page itself may call these: other origins are refused, and so are browsers that were led to a
gateway on loopback under a foreign name. Fates weaker than the policy's are tried on the mirror only.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import orjson

from masquerade.errors import BadInput, Blocked, UpstreamProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import Fate, Finder, Span
from masquerade.mask.text import Masker
from masquerade.serve import playground
from masquerade.serve.call import Call
from masquerade.serve.refusal import Header, Refusal
from masquerade.serve.settings import Settings
from masquerade.serve.upstream import Mirror, Upstream
from masquerade.wire.exchange import Exchange

Fates: TypeAlias = tuple[tuple[str, Fate], ...]

_MOST_VARIANTS = 64
_MOST_FATES = 100
_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,30}")
_PAGE_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", playground.CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_NO_STORE: tuple[Header, ...] = ((b"cache-control", b"no-store"),)


class Question(NamedTuple):
    """What the page asks."""

    text: str
    fates: Fates
    model: str


class Trial:
    """The playground of one gateway. ``credentials`` says what a call may show to the upstream."""

    def __init__(
        self,
        settings: Settings,
        key: Key,
        policy: Policy,
        finders: Sequence[Finder],
        upstream: Upstream,
        credentials: Callable[[Call], Mapping[str, str]],
    ) -> None:
        self._settings, self._key, self._policy, self._finders = settings, key, policy, finders
        self._upstream, self._credentials = upstream, credentials
        self._mirror = Mirror()
        self._assets = playground.assets()
        self._variants: OrderedDict[Fates, Masker] = OrderedDict()

    def has(self, path: str) -> bool:
        """Whether the page has a file at ``path``."""
        return path in self._assets

    def use(self, policy: Policy, finders: Sequence[Finder]) -> None:
        """From now on this policy is tried."""
        self._policy, self._finders = policy, finders
        self._variants.clear()

    async def page(self, call: Call) -> None:
        """Answer with one of the page's files."""
        kind, body = self._assets[call.path]
        await call.respond(200, body, kind.encode(), _PAGE_HEADERS)

    async def ask(self, call: Call) -> None:
        """Answer one of the two calls."""
        _require_same_origin(call)
        question = _read(await call.read(self._settings.max_body, self._settings.idle_timeout))
        masker = self._masker(question.fates)
        try:
            async with call.while_client_waits():
                answer = await call.lease.in_thread(_shown, masker, question.text)
                if call.path == "/playground/try":
                    answer |= await self._answer(call, masker, question)
        except Blocked as problem:
            error = Refusal(400, "blocked", str(problem))
            told = error.body()["error"] | {"counts": problem.counts}
            spans = _spans(masker, masker.find(question.text))
            await call.refuse(error, error=told, spans=spans)
            return
        await call.respond(200, orjson.dumps(answer), headers=_NO_STORE)

    def _masker(self, fates: Fates) -> Masker:
        found = self._variants.get(fates)
        if found is None:
            policy = self._policy
            if fates:
                policy = replace(policy, fates={**policy.fates, **dict(fates)})
            found = self._variants[fates] = Masker(self._key, policy, "playground", self._finders)
            if len(self._variants) > _MOST_VARIANTS:
                self._variants.popitem(last=False)
        return found

    async def _answer(self, call: Call, masker: Masker, question: Question) -> dict[str, Any]:
        """The whole way of a chat completion, with what went over it shown."""
        weaker = any(fate.strictness < self._policy.fate(kind).strictness for kind, fate in question.fates)
        if not question.model or weaker:
            upstream: Upstream = self._mirror
            credentials: Mapping[str, str] = {}
            model = "mirror"
        else:
            upstream, credentials, model = self._upstream, self._credentials(call), question.model
        asked = {"model": model, "messages": [{"role": "user", "content": question.text}]}
        exchange = await call.lease.in_thread(Exchange, masker, orjson.dumps(asked))
        headers = {"content-type": "application/json", **credentials}
        reply = await upstream.send("POST", "/chat/completions", exchange.request, headers)
        try:
            body = await reply.read(self._settings.max_body, call.lease.take)
        finally:
            reply.close()
        if not 200 <= reply.status < 300:
            raise UpstreamProblem(f"the model service answered with status {reply.status}")
        restored = await call.lease.in_thread(exchange.reply, body)
        return {"model": model, "reply": _content(body), "restored": _content(restored)}


def _shown(masker: Masker, text: str) -> dict[str, Any]:
    started = perf_counter()
    masked = masker.mask(text)
    ms = (perf_counter() - started) * 1000
    stand_ins: dict[tuple[str, str], str] = {}
    for each in masked.surrogates:
        stand_ins.setdefault((each.kind, each.original), each.text)
    spans = _spans(masker, masked.spans)
    for span in spans:
        value = text[span["start"] : span["end"]]
        span["surrogate"] = stand_ins.get((span["kind"], value), f"[{span['kind']}_REDACTED]")
    return {"spans": spans, "masked": masked.text, "redacted": masked.redacted, "ms": ms}


def _spans(masker: Masker, spans: Sequence[Span]) -> list[dict[str, Any]]:
    return [{**span._asdict(), "fate": str(masker.policy.fate(span.kind))} for span in spans]


def _read(body: bytes) -> Question:
    try:
        told = orjson.loads(body)
        text, model = told["text"], told.get("model") or ""
        fates = (told.get("policy") or {}).get("fates") or {}
        chosen = tuple(sorted((kind, Fate(fate)) for kind, fate in fates.items()))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
        chosen, text, model = (), None, ""
    kinds_ok = len(chosen) <= _MOST_FATES and all(_KIND.fullmatch(kind) for kind, _ in chosen)
    if not isinstance(text, str) or not isinstance(model, str) or not kinds_ok:
        raise BadInput('expected {"text": ..., "policy": {"fates": {kind: fate}}}')
    return Question(text, chosen, model)


def _content(body: bytes) -> str:
    try:
        content = orjson.loads(body)["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        content = None
    return content if isinstance(content, str) else ""


def _require_same_origin(call: Call) -> None:
    """Other sites may not use the page's calls. A program that is no browser sends neither header."""
    site = call.headers.get(b"sec-fetch-site", b"same-origin")
    origin = call.headers.get(b"origin")
    own = origin is None or origin.partition(b"://")[2] == call.headers.get(b"host", b"")
    if site != b"same-origin" or not own:
        raise Refusal(403, "foreign_origin", "only the gateway's own page may call this")
