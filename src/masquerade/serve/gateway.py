"""The gateway: an OpenAI client on one side, a model service on the other, private data on the first only.

    POST /v1/chat/completions   masked, sent, restored; plain and streaming
    POST /v1/images/classifications   reduced and classified, where the service is a recogniser
    GET  /v1/models             passed through
    GET  /healthz  /metrics     for whoever runs it
    /  /playground/*            the page for people (``trial.py``)

Everything else is refused. Whatever cannot be masked is not sent. A request's query string, and all its
headers but the credentials and OpenAI's own, stay here.

The way of one completion: who is it (tenant, credentials), read the body, mask, send, restore, tell how it
went (metrics and one log line, both of counts only).
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from masquerade import crypto
from masquerade.errors import (
    BadInput,
    Blocked,
    KeyProblem,
    MasqueradeError,
    MissingPackage,
    UpstreamProblem,
)
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.text import Masker
from masquerade.serve import keyfile, log
from masquerade.serve.call import JSON, Call, Gone, Receive, Scope, Send
from masquerade.serve.clients import TENANT, Clients
from masquerade.serve.finders import finders
from masquerade.serve.metrics import CONTENT_TYPE as METRICS_TYPE
from masquerade.serve.metrics import Metrics, shared_between_workers
from masquerade.serve.refusal import Header, Refusal
from masquerade.serve.room import Room
from masquerade.serve.settings import Settings
from masquerade.serve.trial import Trial
from masquerade.serve.upstream import Http, Mirror, Reply, Upstream
from masquerade.wire.exchange import Exchange, alias_under
from masquerade.wire.sse import Event, encode

if TYPE_CHECKING:
    from masquerade.serve.recogniser import Recogniser  # loads PyTorch

_MOST_TENANTS = 1024
_REPLY_FACTOR = 4
_OPENAI_NAME = re.compile(rb"[A-Za-z0-9_\-=,. ]{1,200}")
_OPENAI_HEADERS = [(n, n.encode()) for n in ("openai-organization", "openai-project", "openai-beta")]
_SETTINGS = "MASQUERADE_SETTINGS"
_ROUTES: dict[str, tuple[str, str]] = {
    "/v1/chat/completions": ("chat", "POST"),
    "/v1/images/classifications": ("pictures", "POST"),
    "/v1/models": ("models", "GET"),
    "/healthz": ("health", "GET"),
    "/metrics": ("metrics", "GET"),
    "/playground/mask": ("playground", "POST"),
    "/playground/try": ("playground", "POST"),
}


class _Who(NamedTuple):
    """Where a request belongs, and what it shows to the upstream."""

    tenant: str
    credentials: dict[str, str]


class _Tenant(NamedTuple):
    masker: Masker
    alias: Callable[[str], str]


class Gateway:
    """The application, by the ASGI specification (version 3). See the module for what it serves.

    Raises:
        BadInput, KeyProblem, PolicyProblem: what the settings name is missing or cannot be used.
        MissingPackage: what reads the policy's models is not installed.
    """

    def __init__(self, settings: Settings, key: Key | None = None) -> None:
        self._settings = settings
        self._key = key or keyfile.load_or_create()
        self._policy = _policy(settings)
        self._finders = finders(self._policy, str(settings.policy))
        self._clients = _clients(settings)
        self._held = _held_key(settings)
        self._recogniser = _recogniser(settings)
        self._upstream: Upstream = self._recogniser or (
            Http(settings, settings.base) if settings.base else Mirror()
        )
        self._metrics = Metrics()
        self._room = Room(settings.max_held, settings.threads)
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._callers = crypto.Prf(self._key.tenant("").purpose("caller"))
        self._policy_header = (b"x-masquerade-policy", self._policy.version.encode())
        self._own_names = {"localhost", "127.0.0.1", "[::1]", settings.host, *settings.hosts}
        self._trial = (
            Trial(
                settings,
                self._key,
                self._policy,
                self._finders,
                self._upstream,
                lambda call: self._who(call).credentials,
            )
            if settings.playground
            else None
        )
        self._tenant("default").masker.mask(
            ""
        )  # compiles rules, loads models, so that no request waits for that

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            call = Call(scope, receive, send, self._settings.idle_timeout, self._room.lease())
            try:
                await self._serve(call)
            finally:
                call.lease.close()
                self._tell(call)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                await self._upstream.close()
                self._room.close()
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return

    async def _serve(self, call: Call) -> None:
        try:
            await self._route(call)
        except Refusal as problem:
            await call.refuse(problem)
        except Blocked as problem:
            await call.refuse(Refusal(400, "blocked_by_policy", str(problem)))
        except BadInput as problem:
            param = problem.source
            await call.refuse(Refusal(400, "invalid_request", str(problem), param=param))
        except UpstreamProblem as problem:
            await call.refuse(_as_refusal(problem))
        except Gone:
            call.code = "client_gone"
        except Exception as problem:
            log.failure(call, problem)
            await call.refuse(Refusal(500, "internal_error", "the gateway failed on this request"))

    async def _route(self, call: Call) -> None:
        if call.repeats:
            raise Refusal(400, "repeated_header", "a header is there twice, and only one can hold")
        known = _ROUTES.get(call.path)
        if known is None and self._trial is not None and self._trial.has(call.path):
            known = ("page", "GET")
        off = {"playground": self._trial is None, "pictures": self._recogniser is None}
        if known is None or off.get(known[0]):
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
        elif call.route == "pictures" and self._recogniser is not None:
            await self._pictures(call, self._recogniser)
        elif call.route == "models":
            await self._models(call)
        elif call.route == "health":
            await call.respond(200, b'{"status":"ok"}')
        elif call.route == "metrics":
            await call.respond(200, self._metrics.page(), METRICS_TYPE.encode())
        elif self._trial is not None:
            self._require_own_name(call)
            await (self._trial.page if call.route == "page" else self._trial.ask)(call)

    # Who is it

    def _who(self, call: Call) -> _Who:
        authorization = call.headers.get(b"authorization", b"")
        passed = {
            name: value.decode()
            for name, field in _OPENAI_HEADERS
            if (value := call.headers.get(field)) and _OPENAI_NAME.fullmatch(value)
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

    def _named_tenant(self, call: Call) -> str | None:
        if not self._settings.trust_tenant_header:
            return None
        name = call.headers.get(b"x-masquerade-tenant", b"").decode("latin-1")
        if name and not TENANT.fullmatch(name):
            raise Refusal(400, "invalid_tenant", "x-masquerade-tenant is 1 to 64 of A-Z a-z 0-9 . _ -")
        return name or None

    def _caller(self, call: Call) -> str:
        """A tenant for each set of credentials, so that no two accounts share a token that links them.

        The colon keeps these apart from every name that a person can give.
        """
        shown = call.headers.get(b"authorization") or call.headers.get(b"api-key")
        return "default" if shown is None else "caller:" + self._callers.digest(shown)[:8].hex()

    def _require_own_name(self, call: Call) -> None:
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
            masker = Masker(self._key, self._policy, name, self._finders)
            found = _Tenant(masker, alias_under(self._key.tenant(name)))
            self._tenants[name] = found
            if len(self._tenants) > _MOST_TENANTS:
                self._tenants.popitem(last=False)
        else:
            self._tenants.move_to_end(name)
        return found

    # Completions

    async def _chat(self, call: Call) -> None:
        who = self._who(call)
        call.tenant = who.tenant
        body = await call.read(self._settings.max_body, self._settings.idle_timeout)
        exchange = await self._mask(call, self._tenant(who.tenant), body)
        call.stream = exchange.stream
        async with call.while_client_waits():
            await self._relay(call, exchange, who.credentials)

    async def _mask(self, call: Call, tenant: _Tenant, body: bytes) -> Exchange:
        started = perf_counter()
        try:
            if self._recogniser is None:
                exchange = await call.lease.work(len(body), Exchange, tenant.masker, body, alias=tenant.alias)
            else:  # a small file may hold a large picture
                exchange = await call.lease.in_thread(
                    Exchange, tenant.masker, body, alias=tenant.alias, picture=self._recogniser.reducer()
                )
        except MasqueradeError:
            raise
        except Exception as problem:
            log.failure(call, problem)
            raise Refusal(
                500, "masking_failed", "the request could not be masked, so nothing was sent"
            ) from None
        finally:
            call.mask_seconds = perf_counter() - started
        call.counts = exchange.counts
        self._metrics.masked(call.mask_seconds, exchange.counts)
        return exchange

    async def _relay(self, call: Call, exchange: Exchange, credentials: Mapping[str, str]) -> None:
        started = perf_counter()
        headers = {"content-type": "application/json", **credentials}
        reply = await self._upstream.send("POST", "/chat/completions", exchange.request, headers)
        try:
            shown = [*reply.headers, *self._counts_headers(exchange)]
            if 200 <= reply.status < 300 and reply.content_type == "text/event-stream":
                await self._stream(call, exchange, reply, shown)
            else:
                body = await reply.read(self._settings.max_body * _REPLY_FACTOR, call.lease.take)
                call.upstream_seconds = perf_counter() - started
                status, body = await self._restored(call, exchange, reply.status, body)
                if status >= 400:
                    call.code = "upstream_error"
                await call.respond(status, body, headers=shown)
        finally:
            reply.close()
            call.upstream_seconds = call.upstream_seconds or perf_counter() - started
            self._metrics.replied(call.upstream_seconds, exchange.restored, exchange.unresolved)

    async def _restored(self, call: Call, exchange: Exchange, status: int, body: bytes) -> tuple[int, bytes]:
        if 200 <= status < 300:
            return status, await call.lease.work(len(body), exchange.reply, body)
        self._require_answer(status)
        return status, orjson.dumps(_upstream_error(status, body, exchange.restore_whole))

    def _require_answer(self, status: int) -> None:
        """Refuse statuses that say nothing to the client: they are about the gateway."""
        if self._settings.holds_key and status in (401, 403):
            raise UpstreamProblem("the model service refuses this gateway's own credentials")
        if status < 400:
            raise UpstreamProblem("the model service redirects elsewhere, which is not followed")

    async def _stream(self, call: Call, exchange: Exchange, reply: Reply, shown: list[Header]) -> None:
        restorer = exchange.events()
        shown = [*shown, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await call.start(reply.status, b"text/event-stream; charset=utf-8", shown, None)
        try:
            async for piece in reply.pieces():
                out = await call.lease.work(restorer.held + len(piece), restorer.feed, piece)
                call.lease.keep(restorer.held)
                if out:
                    await call.write(out, more=True)
            out = restorer.finish()
        except Gone:
            raise
        except Exception as problem:
            # The status is sent, so the error is an event; without [DONE] no client takes this for the end.
            if isinstance(problem, UpstreamProblem | Refusal):
                refusal = problem if isinstance(problem, Refusal) else _as_refusal(problem)
                out = restorer.finish()
            else:
                log.failure(call, problem)
                refusal = Refusal(500, "internal_error", "the gateway failed while it restored the reply")
                out = b""
            call.code = refusal.code
            out += encode(Event(orjson.dumps(refusal.body())))
        await call.write(out, more=False)

    def _counts_headers(self, exchange: Exchange) -> list[Header]:
        headers = [self._policy_header]
        masked = {kind: sum(fates.values()) for kind, fates in exchange.summary()["masked"].items()}
        for name, counts in ((b"x-masquerade-masked", masked), (b"x-masquerade-redacted", exchange.redacted)):
            if counts:
                headers.append((name, ", ".join(f"{kind}={n}" for kind, n in counts.items()).encode()))
        return headers

    async def _pictures(self, call: Call, recogniser: Recogniser) -> None:
        call.tenant = self._who(call).tenant
        body = await call.read(self._settings.max_body, self._settings.idle_timeout, recogniser.kinds)
        question = await call.lease.in_thread(recogniser.question, body, file=call.kind != JSON)
        async with call.while_client_waits():
            reply = await self._upstream.send("POST", "/images/classifications", question, {})
            await call.respond(reply.status, await reply.read(self._settings.max_body, call.lease.take))

    async def _models(self, call: Call) -> None:
        who = self._who(call)
        call.tenant = who.tenant
        async with call.while_client_waits():
            reply = await self._upstream.send("GET", "/models", None, who.credentials)
            try:
                body = await reply.read(self._settings.max_body, call.lease.take)
                if 200 <= reply.status < 300:
                    await call.respond(reply.status, body, headers=reply.headers)
                else:
                    self._require_answer(reply.status)
                    call.code = "upstream_error"
                    error = orjson.dumps(_upstream_error(reply.status, body, None))
                    await call.respond(reply.status, error, headers=reply.headers)
            finally:
                reply.close()

    def _tell(self, call: Call) -> None:
        self._metrics.answered(
            call.route, call.status or 499, call.bytes_in, call.bytes_out, call.code or None
        )
        log.request(self._settings.log, call)


def _as_refusal(problem: UpstreamProblem) -> Refusal:
    code = "upstream_timeout" if problem.status == 504 else "upstream_failed"
    return Refusal(problem.status, code, str(problem))


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


# Starting


def create_app(settings: Settings, key: Key | None = None) -> Gateway:
    """The gateway as an ASGI application; the key is the stored one, made at first use, unless given."""
    return Gateway(settings, key)


def worker() -> Gateway:
    """The application of one worker process, from the settings that :func:`serve` left for it."""
    log.quiet_others()
    app = create_app(Settings.load(os.environ[_SETTINGS]))
    _settle()
    return app


def _settle() -> None:
    """Take what lives as long as the process out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let running replies finish for up to ``settings.grace`` seconds.

    Raises:
        BadInput: the port is taken, or a file that the settings name cannot be used.
        KeyProblem, PolicyProblem: the key or the policy cannot be used.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from masquerade.serve.listener import address, configured, listen, signals_are_the_servers

    app = create_app(settings)  # also where there are workers: what is wrong shows here, once
    listening = listen(settings.host, settings.port)
    listening.set_inheritable(True)
    log.quiet_others()
    config = configured(
        app if settings.workers == 1 else "masquerade.serve.gateway:worker",
        factory=settings.workers > 1,
        workers=settings.workers,
        timeout_graceful_shutdown=int(settings.grace),
        timeout_worker_healthcheck=60,
    )
    here = address("http", settings.host, listening)
    service = "the recogniser" if settings.recogniser else settings.base or "the mirror model"
    log.started(settings.log, here, service, settings.workers)
    if settings.workers > 1:
        del app  # and its models with it: each worker has its own
    with signals_are_the_servers():
        if settings.workers == 1:
            config.load()
            _settle()
            uvicorn.Server(config).run(sockets=[listening])
            return
        os.environ[_SETTINGS] = settings.dump()
        with shared_between_workers():
            Multiprocess(config, sockets=[listening]).run()


def _recogniser(settings: Settings) -> Recogniser | None:
    if settings.recogniser is None:
        return None
    try:
        from masquerade.serve.recogniser import Recogniser
    except ImportError:
        raise MissingPackage("recognising pictures", "transfer") from None
    return Recogniser.load(settings.recogniser)


def _policy(settings: Settings) -> Policy:
    if settings.policy is None:
        return Policy()
    return Policy.parse(_read(settings.policy), source=str(settings.policy), finders=False)


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
