"""The gateway: an OpenAI client on one side, a model service on the other, private data on the first only.

    POST /v1/chat/completions   masked, sent, restored; plain and streaming
    GET  /v1/models             passed through
    GET  /healthz  /metrics     for whoever runs it
    GET  /  /playground/*       the page for people, and POST /playground/mask and /playground/try

Everything else is refused. Whatever cannot be masked is not sent. Errors have OpenAI's shape and hold nothing
private. A request's query string and all its headers but the credentials and OpenAI's own stay here.

Order of one completion: who is it (tenant, credentials) - read the body - mask - send - restore - tell how
it went (metrics and one log line, both of counts only).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, time
from typing import Any, NamedTuple, TypeAlias

import orjson

from masquerade import crypto
from masquerade.errors import BadInput, Blocked, KeyProblem, MasqueradeError, UpstreamProblem
from masquerade.keys import Key
from masquerade.mask.policy import Fate, Policy
from masquerade.mask.span import Span
from masquerade.mask.text import Masker
from masquerade.serve import keyfile, playground
from masquerade.serve.clients import TENANT, Clients
from masquerade.serve.metrics import CONTENT_TYPE as METRICS_TYPE
from masquerade.serve.metrics import Metrics, shared_between_workers
from masquerade.serve.settings import Settings
from masquerade.serve.upstream import Http, Mirror, Reply, Upstream
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.sse import Event, encode

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]
Headers: TypeAlias = list[Header]

JSON = b"application/json"
_IN_THREAD = 64 << 10
"""Bodies of at least this many bytes are masked and restored in a thread, so that others need not wait."""
_MOST_TENANTS = 1024
_MOST_VARIANTS = 64
_REPLY_FACTOR = 4
_OPENAI_NAME = re.compile(rb"[A-Za-z0-9_\-=,. ]{1,200}")
_ROUTES: dict[str, tuple[str, str]] = {
    "/v1/chat/completions": ("chat", "POST"),
    "/v1/models": ("models", "GET"),
    "/healthz": ("health", "GET"),
    "/metrics": ("metrics", "GET"),
    "/playground/mask": ("playground", "POST"),
    "/playground/try": ("playground", "POST"),
}


class Refusal(MasqueradeError):
    """A request that is answered with an error. The message is for the client and holds nothing private."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        self.status, self.code, self.param, self.headers = status, code, param, headers or []
        super().__init__(message)


class _Gone(Exception):
    """The client hung up."""


class _Who(NamedTuple):
    """Where a request belongs, and what it shows to the upstream."""

    tenant: str
    credentials: dict[str, str]


class _Tenant(NamedTuple):
    masker: Masker
    alias: Callable[[str], str]


class _Call:
    """One request on its way through: what is known of it, and what is told about it afterwards."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "code",
        "counts",
        "done",
        "gone",
        "headers",
        "id",
        "mask_seconds",
        "method",
        "path",
        "receive",
        "route",
        "send",
        "started",
        "status",
        "stream",
        "tenant",
        "upstream_seconds",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.receive, self.send = receive, send
        self.id = crypto.random_bytes(9).hex()
        self.route = "other"
        self.started = perf_counter()
        self.status = self.bytes_in = self.bytes_out = 0
        self.mask_seconds = self.upstream_seconds = 0.0
        self.counts: Mapping[str, Mapping[str, int]] = {}
        self.tenant = self.code = ""
        self.stream = self.gone = self.done = False

    async def start(
        self, status: int, content_type: bytes, headers: Sequence[Header], length: int | None
    ) -> None:
        """Send the head of the response."""
        self.status = status
        head = [(b"content-type", content_type), (b"x-masquerade-request", self.id.encode()), *headers]
        if length is not None:
            head.append((b"content-length", str(length).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": head})

    async def write(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the body, or with ``more=False`` the last."""
        self.bytes_out += len(body)
        self.done = not more
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def respond(
        self, status: int, body: bytes, content_type: bytes = JSON, headers: Sequence[Header] = ()
    ) -> None:
        """Send a whole response."""
        await self.start(status, content_type, headers, len(body))
        await self.write(body, more=False)


class Gateway:
    """The application, by the ASGI specification (version 3). See the module for what it serves.

    Raises:
        BadInput, KeyProblem, PolicyProblem: what the settings name is missing or cannot be used.
    """

    def __init__(self, settings: Settings, key: Key | None = None) -> None:
        self._settings = settings
        self._key = key or keyfile.load_or_create()
        self._policy = _policy(settings)
        self._clients = _clients(settings)
        self._held = _held_key(settings)
        self._mirror = Mirror()
        self._upstream: Upstream = Http(settings, settings.base) if settings.base else self._mirror
        self._metrics = Metrics()
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._variants: OrderedDict[tuple[tuple[str, Fate], ...], Masker] = OrderedDict()
        self._callers = crypto.Prf(self._key.tenant("").purpose("caller"))
        self._policy_header = (b"x-masquerade-policy", self._policy.version.encode())
        self._own_names = {"localhost", "127.0.0.1", "[::1]", settings.host, *settings.hosts}
        self._assets = playground.assets() if settings.playground else {}
        self._page_headers: Headers = [
            (b"content-security-policy", playground.CONTENT_SECURITY_POLICY.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-cache"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            call = _Call(scope, receive, send)
            try:
                await self._serve(call)
            finally:
                self._tell(call)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                await self._upstream.close()
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return

    async def _serve(self, call: _Call) -> None:
        try:
            await self._route(call)
        except Refusal as problem:
            await self._refuse(call, problem)
        except Blocked as problem:
            await self._refuse(call, Refusal(400, "blocked_by_policy", str(problem)))
        except BadInput as problem:
            param = problem.source
            await self._refuse(call, Refusal(400, "invalid_request", str(problem), param=param))
        except UpstreamProblem as problem:
            code = "upstream_timeout" if problem.status == 504 else "upstream_failed"
            await self._refuse(call, Refusal(problem.status, code, str(problem)))
        except _Gone:
            call.code = "client_gone"
        except Exception as problem:
            _log_failure(call, problem)
            await self._refuse(
                call, Refusal(500, "internal_error", "the gateway failed; nothing more was sent upstream")
            )

    async def _route(self, call: _Call) -> None:
        known = _ROUTES.get(call.path)
        if known is None and call.path in self._assets:
            known = ("playground", "GET")
        if known is None or (known[0] == "playground" and not self._settings.playground):
            raise Refusal(
                404,
                "unknown_url",
                "there is no such address here; this gateway serves POST /v1/chat/completions and "
                "GET /v1/models, and refuses what it cannot mask",
            )
        call.route, method = known
        if call.method != method and not (method == "GET" and call.method == "HEAD"):
            allowed = (b"allow", b"GET, HEAD" if method == "GET" else b"POST")
            raise Refusal(405, "method_not_allowed", f"use {method} here", headers=[allowed])
        if call.route == "chat":
            await self._chat(call)
        elif call.route == "models":
            await self._models(call)
        elif call.route == "playground":
            await self._play(call)
        elif call.route == "health":
            await call.respond(200, b'{"status":"ok"}')
        else:
            await call.respond(200, self._metrics.page(), METRICS_TYPE.encode())

    async def _refuse(self, call: _Call, problem: Refusal, extra: dict[str, Any] | None = None) -> None:
        """Answer with an error in OpenAI's shape; if the answer has begun, there is nothing left to say."""
        call.code = problem.code
        if call.status == 0:
            body = orjson.dumps(_error(problem) | (extra or {}))
            await call.respond(problem.status, body, headers=problem.headers)

    # Who is it

    def _who(self, call: _Call) -> _Who:
        authorization = call.headers.get(b"authorization", b"")
        passed = {
            name: value.decode()
            for name in ("openai-organization", "openai-project", "openai-beta")
            if (value := call.headers.get(name.encode(), b"")) and _OPENAI_NAME.fullmatch(value)
        }
        if self._clients is not None:
            scheme, _, token = authorization.partition(b" ")
            client = self._clients.find(token.strip()) if scheme.lower() == b"bearer" else None
            if client is None:
                raise Refusal(
                    401,
                    "invalid_api_key",
                    "this gateway gives out its own keys, and this is not one of them",
                    headers=[(b"www-authenticate", b"Bearer")],
                )
            return _Who(client.tenant, self._held)
        if self._settings.holds_key:
            self._require_own_name(call)
            return _Who(self._named_tenant(call) or "default", self._held)
        for name in ("authorization", "api-key"):
            if shown := call.headers.get(name.encode()):
                passed[name] = shown.decode("latin-1")
        return _Who(self._named_tenant(call) or self._caller(call), passed)

    def _named_tenant(self, call: _Call) -> str | None:
        if not self._settings.trust_tenant_header:
            return None
        name = call.headers.get(b"x-masquerade-tenant", b"").decode("latin-1")
        if name and not TENANT.fullmatch(name):
            raise Refusal(400, "invalid_tenant", "x-masquerade-tenant is 1 to 64 of A-Z a-z 0-9 . _ -")
        return name or None

    def _caller(self, call: _Call) -> str:
        """A tenant for each set of credentials, so that no two accounts share a token that links them.

        The colon keeps these apart from every name that a person can give.
        """
        shown = call.headers.get(b"authorization") or call.headers.get(b"api-key")
        return "default" if shown is None else "caller:" + self._callers.digest(shown)[:8].hex()

    def _require_own_name(self, call: _Call) -> None:
        """Refuse a browser that was led here under a foreign name (DNS rebinding)."""
        if not self._settings.loopback:
            return
        host = call.headers.get(b"host", b"").decode("latin-1").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in self._own_names:
            raise Refusal(403, "foreign_host", "this gateway is reached under another name: see its settings")

    def _tenant(self, name: str) -> _Tenant:
        found = self._tenants.get(name)
        if found is None:
            found = _Tenant(Masker(self._key, self._policy, name), alias_under(self._key.tenant(name)))
            self._tenants[name] = found
            if len(self._tenants) > _MOST_TENANTS:
                self._tenants.popitem(last=False)
        else:
            self._tenants.move_to_end(name)
        return found

    # Reading

    async def _body(self, call: _Call) -> bytes:
        kind, _, options = call.headers.get(b"content-type", b"").lower().partition(b";")
        charset = options.replace(b" ", b"").replace(b'"', b"")
        if kind.strip() != b"application/json" or charset not in (b"", b"charset=utf-8"):
            raise Refusal(415, "unsupported_media_type", "the content type must be application/json (UTF-8)")
        if call.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refusal(415, "unsupported_encoding", "send the body uncompressed")
        limit = self._settings.max_body
        length = call.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        first = await call.receive()
        body = first.get("body", b"")
        if first.get("more_body"):
            pieces, size = [body], len(body)
            while True:
                message = await call.receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                size += len(message["body"])
                if size > limit:
                    raise _too_large(limit)
                pieces.append(message["body"])
                if not message.get("more_body"):
                    break
            body = b"".join(pieces)
        elif first["type"] == "http.disconnect":
            raise _Gone
        call.bytes_in = len(body)
        return bytes(body)

    # Completions

    async def _chat(self, call: _Call) -> None:
        who = self._who(call)
        call.tenant = who.tenant
        body = await self._body(call)
        exchange = await self._mask(call, self._tenant(who.tenant), body)
        call.stream = exchange.stream
        async with _while_client_waits(call):
            await self._relay(call, exchange, who.credentials)

    async def _mask(self, call: _Call, tenant: _Tenant, body: bytes) -> Exchange:
        started = perf_counter()
        try:
            if len(body) < _IN_THREAD:
                exchange = Exchange(tenant.masker, body, alias=tenant.alias)
            else:
                exchange = await asyncio.to_thread(Exchange, tenant.masker, body, alias=tenant.alias)
        except MasqueradeError:
            raise
        except Exception as problem:
            _log_failure(call, problem)
            raise Refusal(
                500, "masking_failed", "the request could not be masked, so nothing was sent"
            ) from None
        finally:
            call.mask_seconds = perf_counter() - started
        call.counts = exchange.counts
        self._metrics.masked(call.mask_seconds, exchange.counts)
        return exchange

    async def _relay(self, call: _Call, exchange: Exchange, credentials: Mapping[str, str]) -> None:
        started = perf_counter()
        headers = {"content-type": "application/json", **credentials}
        reply = await self._upstream.send("POST", "/chat/completions", exchange.request, headers)
        try:
            shown = [*reply.headers, *self._counts_headers(exchange)]
            if 200 <= reply.status < 300 and reply.content_type == "text/event-stream":
                await self._stream(call, exchange, reply, shown)
            else:
                body = await reply.read(self._settings.max_body * _REPLY_FACTOR)
                call.upstream_seconds = perf_counter() - started
                status, body = await self._restored(exchange, reply.status, body)
                if status >= 400:
                    call.code = "upstream_error"
                await call.respond(status, body, headers=shown)
        finally:
            reply.close()
            call.upstream_seconds = call.upstream_seconds or perf_counter() - started
            self._metrics.replied(call.upstream_seconds, exchange.restored, exchange.unresolved)

    async def _restored(self, exchange: Exchange, status: int, body: bytes) -> tuple[int, bytes]:
        if 200 <= status < 300:
            if len(body) < _IN_THREAD:
                return status, exchange.reply(body)
            return status, await asyncio.to_thread(exchange.reply, body)
        self._check_status(status)
        return status, orjson.dumps(_upstream_error(status, body, exchange.restore_whole))

    def _check_status(self, status: int) -> None:
        if self._settings.holds_key and status in (401, 403):
            raise UpstreamProblem("the model service refuses this gateway's own credentials")
        if status < 400:
            raise UpstreamProblem("the model service redirects elsewhere, which is not followed")

    async def _stream(self, call: _Call, exchange: Exchange, reply: Reply, shown: Headers) -> None:
        restorer = exchange.events()
        shown = [*shown, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await call.start(reply.status, b"text/event-stream; charset=utf-8", shown, None)
        try:
            async for piece in reply.pieces():
                if out := restorer.feed(piece):
                    await call.write(out, more=True)
            out = restorer.finish()
        except Exception as problem:
            # The status is sent, so the error is an event; without [DONE] no client takes this for the end.
            if isinstance(problem, UpstreamProblem):
                code = "upstream_timeout" if problem.status == 504 else "upstream_failed"
                refusal = Refusal(problem.status, code, str(problem))
                out = restorer.finish()
            else:
                _log_failure(call, problem)
                refusal = Refusal(500, "internal_error", "the gateway failed while it restored the reply")
                out = b""
            call.code = refusal.code
            out += encode(Event(orjson.dumps(_error(refusal))))
        await call.write(out, more=False)

    def _counts_headers(self, exchange: Exchange) -> Headers:
        summary = exchange.summary()
        headers = [self._policy_header]
        if masked := summary["masked"]:
            told = ", ".join(f"{kind}={sum(fates.values())}" for kind, fates in masked.items())
            headers.append((b"x-masquerade-masked", told.encode()))
        if redacted := summary["redacted"]:
            told = ", ".join(f"{kind}={n}" for kind, n in redacted.items())
            headers.append((b"x-masquerade-redacted", told.encode()))
        return headers

    async def _models(self, call: _Call) -> None:
        who = self._who(call)
        call.tenant = who.tenant
        async with _while_client_waits(call):
            reply = await self._upstream.send("GET", "/models", None, who.credentials)
            try:
                body = await reply.read(self._settings.max_body)
                if 200 <= reply.status < 300:
                    await call.respond(reply.status, body, headers=reply.headers)
                else:
                    self._check_status(reply.status)
                    call.code = "upstream_error"
                    error = orjson.dumps(_upstream_error(reply.status, body, None))
                    await call.respond(reply.status, error, headers=reply.headers)
            finally:
                reply.close()

    # The playground

    async def _play(self, call: _Call) -> None:
        self._require_own_name(call)
        asset = self._assets.get(call.path)
        if asset is not None:
            kind, body = asset
            await call.respond(200, body, kind.encode(), self._page_headers)
            return
        _require_same_origin(call)
        ask = _question(await self._body(call))
        masker = self._variant(ask.fates)
        try:
            if call.path == "/playground/mask":
                answer = await asyncio.to_thread(self._shown, masker, ask.text)
            else:
                async with _while_client_waits(call):
                    answer = await self._try(call, masker, ask)
        except Blocked as problem:
            refusal = Refusal(400, "blocked", str(problem))
            error = _error(refusal)
            error["error"]["counts"] = problem.counts
            spans = self._spans(masker, masker.find(ask.text))
            await self._refuse(call, refusal, {**error, "spans": spans})
            return
        await call.respond(200, orjson.dumps(answer), headers=[(b"cache-control", b"no-store")])

    def _variant(self, fates: tuple[tuple[str, Fate], ...]) -> Masker:
        """A masker with other fates for some kinds: the page lets people see what each would do."""
        found = self._variants.get(fates)
        if found is None:
            policy = (
                replace(self._policy, fates={**self._policy.fates, **dict(fates)}) if fates else self._policy
            )
            found = self._variants[fates] = Masker(self._key, policy, "playground")
            if len(self._variants) > _MOST_VARIANTS:
                self._variants.popitem(last=False)
        return found

    def _spans(self, masker: Masker, spans: Sequence[Span]) -> list[dict[str, Any]]:
        return [{**span._asdict(), "fate": str(masker.policy.fate(span.kind))} for span in spans]

    def _shown(self, masker: Masker, text: str) -> dict[str, Any]:
        started = perf_counter()
        masked = masker.mask(text)
        ms = (perf_counter() - started) * 1000
        shown: dict[tuple[str, str], str] = {}
        for each in masked._surrogates:
            shown.setdefault((each.kind, each.original), each.text)
        spans = self._spans(masker, masked.spans)
        for span in spans:
            value = text[span["start"] : span["end"]]
            span["surrogate"] = shown.get((span["kind"], value), f"[{span['kind']}_REDACTED]")
        return {"spans": spans, "masked": masked.text, "redacted": masked.redacted, "ms": ms}

    async def _try(self, call: _Call, masker: Masker, ask: _Question) -> dict[str, Any]:
        """The whole way for one text. A weaker fate than the policy's is tried on the mirror only."""
        answer = await asyncio.to_thread(self._shown, masker, ask.text)
        upstream, credentials, model = self._for_trial(call, ask)
        question = {"model": model, "messages": [{"role": "user", "content": ask.text}]}
        exchange = await asyncio.to_thread(Exchange, masker, orjson.dumps(question))
        headers = {"content-type": "application/json", **credentials}
        reply = await upstream.send("POST", "/chat/completions", exchange.request, headers)
        try:
            body = await reply.read(self._settings.max_body)
        finally:
            reply.close()
        if not 200 <= reply.status < 300:
            raise UpstreamProblem(f"the model service answered with status {reply.status}")
        restored = exchange.reply(body)
        return {**answer, "model": model, "reply": _content(body), "restored": _content(restored)}

    def _for_trial(self, call: _Call, ask: _Question) -> tuple[Upstream, Mapping[str, str], str]:
        weaker = any(fate.strictness < self._policy.fate(kind).strictness for kind, fate in ask.fates)
        if not ask.model or weaker:
            return self._mirror, {}, "mirror"
        return self._upstream, self._who(call).credentials, ask.model

    # Afterwards

    def _tell(self, call: _Call) -> None:
        status = call.status or 499
        self._metrics.answered(call.route, status, call.bytes_in, call.bytes_out, call.code or None)
        if self._settings.log == "off":
            return
        seconds = perf_counter() - call.started
        if self._settings.log == "text":
            found = " ".join(f"{kind}={sum(fates.values())}" for kind, fates in call.counts.items())
            line = f"{status} {call.route} {seconds * 1000:.1f} ms {call.code} {found}"
            sys.stderr.write(line.rstrip() + "\n")
            return
        record: dict[str, Any] = {
            "time": round(time(), 3),
            "id": call.id,
            "route": call.route,
            "method": call.method if call.method in _METHODS else "other",
            "status": status,
            "bytes_in": call.bytes_in,
            "bytes_out": call.bytes_out,
            "ms": round(seconds * 1000, 3),
        }
        if call.tenant:
            record["tenant"] = call.tenant
        if call.mask_seconds:
            record |= {
                "stream": call.stream,
                "ms_mask": round(call.mask_seconds * 1000, 3),
                "ms_upstream": round(call.upstream_seconds * 1000, 3),
                "found": call.counts,
            }
        if call.code:
            record["error"] = call.code
        sys.stderr.write(orjson.dumps(record).decode() + "\n")


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@contextlib.asynccontextmanager
async def _while_client_waits(call: _Call) -> Any:
    """Cancel what is inside when the client hangs up: nobody pays for an answer that nobody reads.

    Raises:
        _Gone: that happened.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101

    async def watch() -> None:
        while (await call.receive())["type"] != "http.disconnect":
            pass
        if not call.done:
            call.gone = True
            task.cancel()

    watcher = asyncio.ensure_future(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not call.gone:
            raise
        task.uncancel()
        raise _Gone from None
    finally:
        watcher.cancel()


# Shapes


def _error(problem: Refusal) -> dict[str, Any]:
    kind = {401: "authentication_error", 403: "permission_error"}.get(problem.status)
    kind = kind or ("invalid_request_error" if problem.status < 500 else "server_error")
    return {"error": {"message": str(problem), "type": kind, "param": problem.param, "code": problem.code}}


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413, "request_too_large", f"the body is larger than {limit} bytes, which is the limit here"
    )


def _upstream_error(
    status: int, body: bytes, restore: Callable[[dict[str, Any]], bool] | None
) -> dict[str, Any]:
    """The service's error in OpenAI's shape, restored, for it may quote what it was sent."""
    told: Any = None
    with contextlib.suppress(orjson.JSONDecodeError):
        told = orjson.loads(body)
    if not isinstance(told, dict):
        told = {}
    elif restore is not None:
        restore(told)
    error = told.get("error", told.get("detail", told.get("message")))
    fields = error if isinstance(error, dict) else {}
    message = fields.get("message") if fields else error
    if not isinstance(message, str) or not message:
        message = f"the model service answered with status {status}"
    return {
        "error": {
            "message": message,
            "type": fields.get("type") or "upstream_error",
            "param": fields.get("param"),
            "code": fields.get("code"),
        }
    }


class _Question(NamedTuple):
    text: str
    fates: tuple[tuple[str, Fate], ...]
    model: str


def _question(body: bytes) -> _Question:
    """What the page asks: ``{"text": str, "policy": {"fates": {kind: fate}}, "model": str}``."""
    try:
        told = orjson.loads(body)
        text, model = told["text"], told.get("model", "")
        fates = told.get("policy", {}).get("fates", {})
        chosen = tuple(sorted((str(kind), Fate(fate)) for kind, fate in fates.items()))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
        chosen, text, model = (), None, ""
    if not isinstance(text, str) or not isinstance(model, str) or len(chosen) > 100:
        raise BadInput('expected {"text": ..., "policy": {"fates": {kind: fate}}}')
    return _Question(text, chosen, model)


def _content(body: bytes) -> str:
    try:
        content = orjson.loads(body)["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        content = None
    return content if isinstance(content, str) else ""


def _require_same_origin(call: _Call) -> None:
    """Other sites may not use the page's calls. A program that is no browser sends neither header."""
    site = call.headers.get(b"sec-fetch-site", b"same-origin")
    origin = call.headers.get(b"origin")
    own = origin is None or origin.partition(b"://")[2] == call.headers.get(b"host", b"")
    if site != b"same-origin" or not own:
        raise Refusal(403, "foreign_origin", "only the gateway's own page may call this")


# Starting


def create_app(settings: Settings, key: Key | None = None) -> Gateway:
    """The gateway as an ASGI application; the key is the stored one, made at first use, unless given."""
    return Gateway(settings, key)


def worker() -> Gateway:
    """The application of one worker process, from the settings that :func:`serve` left for it."""
    _log_quietly()
    return create_app(Settings.load(os.environ[_SETTINGS]))


_SETTINGS = "MASQUERADE_SETTINGS"


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let running replies finish for up to ``settings.grace`` seconds.

    Raises:
        BadInput: the port is taken, or a file that the settings name cannot be used.
        KeyProblem, PolicyProblem: the key or the policy cannot be used.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    app = create_app(settings)  # also where there are workers: what is wrong shows here, once
    listening = _listen(settings)
    port = listening.getsockname()[1]
    _log_quietly()
    config = uvicorn.Config(
        app if settings.workers == 1 else "masquerade.serve.gateway:worker",
        factory=settings.workers > 1,
        workers=settings.workers,
        http="httptools",
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.grace),
        timeout_worker_healthcheck=60,
    )
    _announce(settings, port)
    if settings.workers == 1:
        uvicorn.Server(config).run(sockets=[listening])
        return
    os.environ[_SETTINGS] = settings.dump()
    with shared_between_workers():
        Multiprocess(config, sockets=[listening]).run()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as problem:
        raise BadInput(
            f"cannot listen on {settings.host} port {settings.port}: {problem.strerror}; try another port"
        ) from None
    listening.set_inheritable(True)
    return listening


def _announce(settings: Settings, port: int) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = f"http://{host}:{port}"
    model = settings.base or "the mirror model"
    if settings.log == "text":
        sys.stderr.write(f"Masquerade listens on {where} and speaks to {model}\n")
    elif settings.log == "json":
        started = {"time": round(time(), 3), "event": "started", "address": where, "upstream": model}
        sys.stderr.write(orjson.dumps(started | {"workers": settings.workers}).decode() + "\n")
    sys.stderr.flush()


def _policy(settings: Settings) -> Policy:
    if settings.policy is None:
        return Policy()
    return Policy.parse(_read(settings.policy), source=str(settings.policy))


def _clients(settings: Settings) -> Clients | None:
    if settings.client_keys is None:
        return None
    return Clients.parse(_read(settings.client_keys), source=str(settings.client_keys))


def _held_key(settings: Settings) -> dict[str, str]:
    if settings.upstream_key_env:
        key = os.environ.get(settings.upstream_key_env, "")
        where = f"the environment variable {settings.upstream_key_env}"
    elif settings.upstream_key_file:
        key, where = _read(settings.upstream_key_file), str(settings.upstream_key_file)
    else:
        return {}
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise KeyProblem(f"no usable upstream key in {where}")
    return {"authorization": f"Bearer {key}"}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise BadInput(f"cannot be read: {problem.strerror}", source=str(path)) from None
    except UnicodeDecodeError:
        raise BadInput("is not UTF-8 text", source=str(path)) from None


class _Quiet(logging.Formatter):
    """Names who speaks and the type of an exception; messages and tracebacks may quote values, so none."""

    def format(self, record: logging.LogRecord) -> str:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        told = {"time": round(record.created, 3), "level": record.levelname, "logger": record.name}
        return orjson.dumps(told | ({"exception": kind} if kind else {})).decode()


def _log_quietly() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Quiet())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _log_failure(call: _Call, problem: Exception) -> None:
    """Where it failed, not what it failed on."""
    place = problem.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
    failed = {"time": round(time(), 3), "id": call.id, "failed": type(problem).__name__, "at": where}
    sys.stderr.write(orjson.dumps(failed).decode() + "\n")
