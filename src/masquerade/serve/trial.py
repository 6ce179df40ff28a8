"""The playground's side of the gateway: its files, what a text looks like masked, and one question asked.

    GET  /, /playground/*     the page
    POST /playground/mask     {"text", "history"?, "policy"?} -> {"spans", "masked", "redacted", "ms"}
    POST /playground/try      the same, "model"?, "picture"?, "stream"?
                              -> the same and {"model", "reply", "restored", "mirrored", "picture"}
    POST /playground/policy   {"toml"?} -> {"kinds", "weaker"}, without a policy also {"toml", "service", ...}

``history`` is earlier turns as messages, ``picture`` a ``data:`` address, and ``policy`` either ``{"toml":
text}`` or ``{"fates": {kind: fate}}``. What is wrong with a policy is refused with code ``policy`` and its
``line``.

A stream is of events: ``sent`` (what went out), ``model`` (an event of the service's stream, byte for byte),
``back`` (the same restored, as a client of the API gets it), and at last ``end`` or ``error``.

Only the page itself may call these: other origins are refused, and so are browsers that were led to a gateway
on loopback under a foreign name. A policy that could let through more than the one in force is tried on the
mirror only (``draft.py``). Nothing of a conversation is kept here: its page sends it again with each turn.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from masquerade.errors import BadInput, Blocked, PolicyProblem, UpstreamProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import Fate, Finder, Span
from masquerade.mask.text import Masked, Masker
from masquerade.serve import playground
from masquerade.serve.call import Call, Gone
from masquerade.serve.draft import TENANT, Draft, Drafts, Strict, Weaker, Weakness, told
from masquerade.serve.refusal import Header, Refusal
from masquerade.serve.relay import broken_off, require_whole
from masquerade.serve.settings import Settings, read
from masquerade.serve.upstream import Mirror, Reply, Upstream
from masquerade.wire.exchange import Exchange
from masquerade.wire.sse import Event, EventStream, encode

if TYPE_CHECKING:
    from masquerade.serve.recogniser import Recogniser  # loads PyTorch

Fates: TypeAlias = tuple[tuple[str, Fate], ...]

_MOST_FATES = 100
_MOST_MESSAGES = 200
_REPLY_FACTOR = 4
_PACE = 0.008
_PACED = 100
_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,30}")
_PAGE_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", playground.CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_NO_STORE: tuple[Header, ...] = ((b"cache-control", b"no-store"),)
_STREAMED: tuple[Header, ...] = (*_NO_STORE, (b"x-accel-buffering", b"no"))


class Question(NamedTuple):
    """What the page asks."""

    text: str
    history: tuple[tuple[str, str], ...]
    """Earlier turns: (role, text)."""
    toml: str | None
    fates: Fates
    model: str
    picture: str
    stream: bool

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is to be masked together, the last of it what is asked now."""
        return (*(text for _, text in self.history), self.text)

    def request(self, model: str) -> bytes:
        """The question as a chat completion."""
        content: Any = self.text
        if self.picture:
            content = [{"type": "image_url", "image_url": {"url": self.picture}}]
            if self.text:
                content.insert(0, {"type": "text", "text": self.text})
        messages = [{"role": role, "content": text} for role, text in self.history]
        messages.append({"role": "user", "content": content})
        return orjson.dumps(
            {"model": model, "messages": messages} | ({"stream": True} if self.stream else {})
        )


class Way(NamedTuple):
    """Where a question goes, masked, and why it goes to the mirror if another model was named."""

    model: str
    upstream: Upstream
    exchange: Exchange
    headers: Mapping[str, str]
    mirrored: Sequence[Weakness]


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
        recogniser: Recogniser | None = None,
    ) -> None:
        self._settings, self._upstream, self._credentials = settings, upstream, credentials
        self._key, self._recogniser = key, recogniser
        self.use(policy, finders)
        self._mirror = Mirror()
        self._assets = playground.assets()

    def has(self, path: str) -> bool:
        """Whether the page has a file at ``path``."""
        return path in self._assets

    def use(self, policy: Policy, finders: Sequence[Finder]) -> None:
        """From now on this policy, whose file the settings name, is the one in force."""
        told = self._settings
        file = read(told.policy) if told.policy else None
        self._drafts = Drafts(self._key, policy, finders, file, private=told.loopback)

    async def page(self, call: Call) -> None:
        """Answer with one of the page's files."""
        kind, body = self._assets[call.path]
        await call.respond(200, body, kind.encode(), _PAGE_HEADERS)

    async def ask(self, call: Call) -> None:
        """Answer one of the three calls."""
        _require_same_origin(call)
        body = await call.read(self._settings.max_body, self._settings.idle_timeout)
        try:
            async with call.while_client_waits():
                if call.path == "/playground/policy":
                    await self._tell_policy(call, _toml(body))
                else:
                    await self._ask(call, await call.lease.work(len(body), _question, body))
        except PolicyProblem as problem:
            error = Refusal(400, "policy", problem.message)
            await call.refuse(error, error=error.body()["error"] | {"line": problem.line})

    # The policy

    async def _tell_policy(self, call: Call, toml: str | None) -> None:
        draft = await call.lease.in_thread(self._drafts.of, toml)
        answer: dict[str, Any] = {"kinds": told(draft.policy), "weaker": draft.weaker}
        if toml is None:
            path = self._settings.policy
            answer |= {
                "toml": self._drafts.text,
                "whole": self._drafts.private,
                "file": path.name if path and self._drafts.private else "",
                "service": self._service,
                "longest": self._settings.max_body,
            }
        await call.respond(200, orjson.dumps(answer), headers=_NO_STORE)

    @property
    def _service(self) -> str:
        if self._recogniser is not None:
            return "recogniser"
        return "mirror" if isinstance(self._upstream, Mirror) else "model"

    # A text, and a question

    async def _ask(self, call: Call, question: Question) -> None:
        draft = await call.lease.in_thread(self._drafts.of, question.toml, question.fates)
        try:
            answer = await call.lease.in_thread(_shown, draft.masker, question.texts)
            if call.path == "/playground/try":
                way = await self._way(call, draft, question)
                answer |= _sent(way)
        except Blocked as problem:
            error = Refusal(400, "blocked", str(problem))
            shown = error.body()["error"] | {"counts": problem.counts}
            found = await call.lease.in_thread(draft.masker.find, question.text)
            await call.refuse(error, error=shown, spans=_spans(draft.masker, found))
            return
        if call.path == "/playground/mask":
            await call.respond(200, orjson.dumps(answer), headers=_NO_STORE)
        elif question.stream:
            await self._stream(call, way, answer)
        else:
            answer |= await self._reply(call, way)
            await call.respond(200, orjson.dumps(answer), headers=_NO_STORE)

    async def _way(self, call: Call, draft: Draft, question: Question) -> Way:
        """Whom to ask: the service, if a model is named and the policy is not weaker; else the mirror."""
        reasons: Sequence[Weakness] = draft.weaker if question.model else ()
        if question.model and not reasons:
            credentials = self._credentials(call)
            try:
                exchange = await self._exchange(call, draft.masker.strictly(), question, question.model)
            except Weaker:
                reasons = ({"what": "here", "name": ""},)
            else:
                await call.lease.in_thread(_check_name, self._drafts.own.masker, question.model)
                headers = {"content-type": "application/json", **credentials}
                return Way(question.model, self._upstream, exchange, headers, ())
        exchange = await self._exchange(call, draft.masker, question, "mirror")
        return Way("mirror", self._mirror, exchange, {"content-type": "application/json"}, reasons)

    async def _exchange(self, call: Call, masker: Strict, question: Question, model: str) -> Exchange:
        picture = self._recogniser.reducer() if self._recogniser is not None else None
        asked = question.request(model)
        return await call.lease.in_thread(Exchange, masker, asked, picture=picture)

    async def _send(self, call: Call, way: Way) -> Reply:
        call.tenant, call.sent = TENANT, way.upstream is not self._mirror
        call.note(way.exchange)
        return await way.upstream.send("POST", "/chat/completions", way.exchange.request, way.headers)

    async def _reply(self, call: Call, way: Way) -> dict[str, Any]:
        reply = await self._send(call, way)
        try:
            body = await self._body(call, reply)
        finally:
            reply.close()
        restored = await call.lease.in_thread(way.exchange.reply, body)
        call.note(way.exchange)
        return {"reply": _content(body), "restored": _content(restored)}

    async def _body(self, call: Call, reply: Reply) -> bytes:
        if not 200 <= reply.status < 300:
            raise UpstreamProblem(f"the model service answered with status {reply.status}")
        return await reply.read(self._settings.max_body * _REPLY_FACTOR, call.lease.take)

    async def _stream(self, call: Call, way: Way, answer: dict[str, Any]) -> None:
        await call.start(200, b"text/event-stream; charset=utf-8", _STREAMED, None)
        await call.write(encode(Event(orjson.dumps(answer), b"sent")), more=True)
        both = _Both(way.exchange)
        try:
            reply = await self._send(call, way)
            try:
                await self._pass(call, way, reply, both)
            finally:
                reply.close()
            require_whole(both.broken)
            end = both.finish() + encode(Event(b"{}", b"end"))
        except Gone:
            raise
        except Exception as problem:
            end = self._broken(call, problem, both)
        call.note(way.exchange)
        await call.write(end, more=False)

    async def _pass(self, call: Call, way: Way, reply: Reply, both: _Both) -> None:
        """Both streams to the page, as they come."""
        if reply.content_type != "text/event-stream" or not 200 <= reply.status < 300:
            body = await self._body(call, reply)
            restored = await call.lease.in_thread(way.exchange.reply, body)
            await call.write(_named(b"model", [Event(body)]) + _named(b"back", [Event(restored)]), more=True)
            return
        paced = _PACED if isinstance(way.upstream, Mirror) else 0  # whose stream is there at once
        async for piece in reply.pieces():
            out = await call.lease.work(both.held + len(piece), both.feed, piece)
            call.lease.keep(both.held)
            if out:
                await call.write(out, more=True)
            if paced > 0:  # slowly enough to be seen
                paced -= 1
                await asyncio.sleep(_PACE)

    def _broken(self, call: Call, problem: Exception, both: _Both) -> bytes:
        """The end of a stream that broke: what was held back, and why."""
        refusal, out = broken_off(call, problem, both)
        return out + encode(Event(orjson.dumps(refusal.body()), b"error"))


class _Both:
    """A service's stream, and the same restored, as one stream of events."""

    def __init__(self, exchange: Exchange) -> None:
        self._restored = exchange.events()
        self._model, self._back = EventStream(), EventStream()
        self._begun = False

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their event."""
        return self._restored.held + self._model.held + self._back.held

    @property
    def broken(self) -> bool:
        """Whether it began, and ended within an event."""
        return self._begun and self._restored.broken

    def feed(self, piece: bytes) -> bytes:
        """What can be shown now."""
        self._begun = True
        seen = _named(b"model", self._model.feed(piece))
        return seen + _named(b"back", self._back.feed(self._restored.feed(piece)))

    def finish(self) -> bytes:
        """What was held back."""
        return _named(b"back", self._back.feed(self._restored.finish())) if self._begun else b""


def _named(name: bytes, events: Iterable[Event]) -> bytes:
    return b"".join(encode(Event(event.data, name)) for event in events if event.data is not None)


def _shown(masker: Masker, texts: tuple[str, ...]) -> dict[str, Any]:
    """What the last of these texts is, masked together with those before it."""
    started = perf_counter()
    masked = masker.mask_all(texts)
    ms = (perf_counter() - started) * 1000
    stand_ins: dict[tuple[str, str], str] = {}
    for each in masked.surrogates:
        stand_ins.setdefault((each.kind, each.original), each.text)
    spans = _spans(masker, masked.all_spans[-1])
    for span in spans:
        value = texts[-1][span["start"] : span["end"]]
        span["surrogate"] = stand_ins.get((span["kind"], value), f"[{span['kind']}_REDACTED]")
    redacted = _redacted(masker, masked)
    return {"spans": spans, "masked": masked.texts[-1], "redacted": redacted, "ms": ms}


def _redacted(masker: Masker, masked: Masked) -> dict[str, int]:
    counts: dict[str, int] = {}
    for span in masked.all_spans[-1]:
        if masker.policy.fate(span.kind) is Fate.REDACT:
            counts[span.kind] = counts.get(span.kind, 0) + 1
    return counts


def _spans(masker: Masker, spans: Sequence[Span]) -> list[dict[str, Any]]:
    return [{**span._asdict(), "fate": str(masker.policy.fate(span.kind))} for span in spans]


def _sent(way: Way) -> dict[str, Any]:
    """What went out, read from the very bytes."""
    content = orjson.loads(way.exchange.request)["messages"][-1]["content"]
    parts = content if isinstance(content, list) else [{"text": content}]
    return {
        "model": way.model,
        "mirrored": way.mirrored,
        "masked": "".join(part.get("text", "") for part in parts),
        "picture": next((part["image_url"]["url"] for part in parts if "image_url" in part), None),
    }


def _check_name(own: Masker, model: str) -> None:
    """Refuse a model's name that the policy in force would: names go as they are, whatever is edited."""
    Exchange(own, orjson.dumps({"model": model, "messages": [{"role": "user", "content": ""}]}))


def _question(body: bytes) -> Question:
    try:
        asked = orjson.loads(body)
        text, model, picture = asked["text"], asked.get("model") or "", asked.get("picture") or ""
        history = tuple((each["role"], each["content"]) for each in asked.get("history") or ())
        policy = asked.get("policy") or {}
        toml, fates = policy.get("toml"), policy.get("fates") or {}
        chosen = tuple(sorted((kind, Fate(fate)) for kind, fate in fates.items()))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
        raise _unread() from None
    right = (
        all(isinstance(each, str) for each in (text, model, picture, toml or ""))
        and len(history) <= _MOST_MESSAGES
        and all(role in ("user", "assistant") and isinstance(said, str) for role, said in history)
        and len(chosen) <= _MOST_FATES
        and all(_KIND.fullmatch(kind) for kind, _ in chosen)
        and (not picture or picture.startswith("data:"))
    )
    if not right:
        raise _unread()
    return Question(text, history, toml, chosen, model, picture, asked.get("stream") is True)


def _toml(body: bytes) -> str | None:
    try:
        toml = orjson.loads(body).get("toml")
    except (orjson.JSONDecodeError, AttributeError):
        raise _unread() from None
    if not isinstance(toml, str | None):
        raise _unread()
    return toml


def _unread() -> BadInput:
    return BadInput(
        'expected {"text": ..., "history": [{"role", "content"}], "policy": {"toml": ...}}, '
        f"with at most {_MOST_MESSAGES} messages"
    )


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
