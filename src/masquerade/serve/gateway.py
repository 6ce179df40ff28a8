"""The gateway: a client on one side, a model service on the other, private data on the first only.

    POST /v1/chat/completions, /v1/responses, /v1/messages ...   masked, sent, restored: ``wire/``
    POST /v1/images/classifications   reduced and classified, where the service is a recogniser
    GET  /v1/models             passed through
    GET  /healthz  /readyz  /metrics   for whoever runs it
    GET  /openapi.json          what is served, and what is done with each field (``openapi.py``)
    /  /playground/*            the page for people (``trial.py``)

Everything else is refused. Whatever cannot be masked is not sent. A request's query string, and all its
headers but the credentials and the API's own, stay here.

The way of one request: who is it (``callers.py``), may it (``quota.py``), read the body, mask, send, restore
(``relay.py``), tell how it went (metrics and one log line, both of counts only).
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Mapping
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson

from masquerade.errors import BadInput, Blocked, JournalProblem, MissingPackage, StoreProblem, UpstreamProblem
from masquerade.keys import Key
from masquerade.serve import keyfile, log
from masquerade.serve.call import JSON, Call, Gone, Receive, Scope, Send
from masquerade.serve.callers import Callers, Who, free_words, read_clients
from masquerade.serve.clients import Clients
from masquerade.serve.kept import KeptRoutes
from masquerade.serve.memory import Memory
from masquerade.serve.metrics import CONTENT_TYPE as METRICS_TYPE
from masquerade.serve.metrics import Metrics, shared_between_workers
from masquerade.serve.openapi import description
from masquerade.serve.quota import Limits, Quotas
from masquerade.serve.ready import Readiness
from masquerade.serve.recorder import Recorder
from masquerade.serve.refusal import Refusal
from masquerade.serve.relay import Relay, as_refusal, require_answer, upstream_error
from masquerade.serve.reload import Outcome, Reloader, Source
from masquerade.serve.room import Room
from masquerade.serve.settings import Settings
from masquerade.serve.signals import Signals, hold_hangups
from masquerade.serve.tenants import Tenants
from masquerade.serve.tracing import tracer
from masquerade.serve.trial import Trial
from masquerade.serve.uploads import Uploads
from masquerade.serve.upstream import Http, Mirror, Upstream
from masquerade.wire import anthropic, openai, responses
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import check_names

if TYPE_CHECKING:
    from masquerade.serve.recogniser import Recogniser  # loads PyTorch

_SETTINGS = "MASQUERADE_SETTINGS"
ENDPOINTS: dict[str, Endpoint] = {
    "/v1" + each.path: each for each in (*openai.ENDPOINTS, *responses.ENDPOINTS, *anthropic.ENDPOINTS)
}
"""What is served by tables, by its address; the documentation's tables are written from it."""
REFUSED: dict[str, str] = {"/v1" + path: why for path, why in openai.REFUSED.items()}
"""Addresses that are known and refused, each with its reason."""
_ROUTES: dict[str, tuple[str, str]] = {
    **{path: (endpoint.name, "POST") for path, endpoint in ENDPOINTS.items()},
    "/v1/images/classifications": ("pictures", "POST"),
    "/v1/models": ("models", "GET"),
    "/healthz": ("health", "GET"),
    "/readyz": ("ready", "GET"),
    "/metrics": ("metrics", "GET"),
    "/openapi.json": ("openapi", "GET"),
    "/playground/mask": ("playground", "POST"),
    "/playground/try": ("playground", "POST"),
    "/playground/policy": ("playground", "POST"),
}

_OPERATORS = ("health", "ready", "metrics")
"""Routes that answer while the process is about to stop."""
_LOOK_SECONDS = 0.05
_HURRY_SECONDS = 1


class Gateway:
    """The application, by the ASGI specification (version 3). See the module for what it serves.

    Raises:
        BadInput, KeyProblem, PolicyProblem: what the settings name is missing or cannot be used.
        MissingPackage: what reads the policy's models is not installed.
    """

    def __init__(self, settings: Settings, key: Key | None = None) -> None:
        self._settings = settings
        self._key = key or keyfile.load_or_create()
        self._reloader = Reloader(self._sources(), self._tell_of_reload, watch=not settings.no_watch)
        self._tenants = Tenants(settings, self._key)
        self._callers = Callers(settings, self._key)
        self._recogniser = _recogniser(settings)
        self._upstreams = _upstreams(settings, self._recogniser)
        self._metrics = Metrics()
        self._quotas = Quotas(Limits.of(settings), settings.workers, monotonic, self._metrics.limited)
        self._quotas.use(self._callers.limits)
        self.ready = Readiness(monotonic)
        """Whoever keeps something that the gateway needs registers a check of it here."""
        self._running = 0
        self._tracer = tracer(settings)
        self._room = Room(settings.max_held, settings.threads)
        self._memory = Memory(settings, self._key)
        self._recorder = Recorder(settings, self._key)
        self.ready.register("journal", self._recorder.check)
        if settings.store is not None:
            self.ready.register("store", lambda: self._memory.store().check())
        self._relay = Relay(settings, self._upstreams, self._metrics, self._memory, self._recogniser)
        self._kept = KeptRoutes(self._relay)
        by_path = {path: each for path, each in ENDPOINTS.items() if each.api == "openai" and not each.media}
        self._uploads = Uploads(settings, self._upstreams, self._memory.store, self._metrics, by_path)
        self._trial = (
            Trial(
                settings,
                self._key,
                self._tenants.policy,
                self._tenants.finders,
                self._upstreams.get("openai") or Mirror(),
                lambda call: self._callers.who(call).credentials,
                self._recogniser,
            )
            if settings.playground
            else None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            call = Call(scope, receive, send, self._settings.idle_timeout, self._room.lease())
            trace = self._tracer.begin(call)
            self._running += 1
            try:
                await self._serve(call)
            finally:
                self._running -= 1
                call.leave()
                self._tell(call)
                self._tracer.end(trace, call)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                try:
                    self._recorder.start(self._tenants.policy)
                except JournalProblem as problem:
                    await send({"type": "lifespan.startup.failed", "message": str(problem)})
                    return
                self._reloader.start()
                Signals(self._reloader.ask, self._drain).obey()
            if kind == "lifespan.shutdown":
                await self._reloader.close()
                self.ready.close()
                await asyncio.to_thread(self._tracer.close)
                for upstream in self._upstreams.values():
                    await upstream.close()
                self._room.close()
                self._memory.close()
                self._recorder.close()
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return

    async def _serve(self, call: Call) -> None:
        try:
            await self._route(call)
        except Refusal as problem:
            if problem.code == "request_too_large":
                self._metrics.limited("body")
            await call.refuse(problem)
        except Blocked as problem:
            await call.refuse(Refusal(400, "blocked_by_policy", str(problem)))
        except BadInput as problem:
            param = problem.source
            await call.refuse(Refusal(400, "invalid_request", str(problem), param=param))
        except StoreProblem as problem:
            log.store(call, problem)  # where it lies is nothing to a client
            why = "what must outlast this request cannot be kept or read now; try again later"
            await call.refuse(Refusal(503, "store_unavailable", why, headers=[(b"retry-after", b"5")]))
        except UpstreamProblem as problem:
            await call.refuse(as_refusal(problem))
        except Gone:
            call.code = "client_gone"
        except Exception as problem:
            log.failure(call, problem)
            await call.refuse(Refusal(500, "internal_error", "the gateway failed on this request"))

    async def _route(self, call: Call) -> None:
        endpoint = ENDPOINTS.get(call.path)
        if endpoint is not None:
            call.api = endpoint.api
        elif b"anthropic-version" in call.headers and not call.path.startswith("/playground/"):
            call.api = "anthropic"
        if call.repeats:
            raise Refusal(400, "repeated_header", "a header is there twice, and only one can hold")
        known = _ROUTES.get(call.path)
        if known is None and call.api == "openai":  # these speak to its service, so with its credentials
            if self._uploads.has(call.path):
                known = ("files", call.method)
            elif self._kept.has(call.path):
                known = ("kept", call.method)
        if known is None and self._trial is not None and self._trial.has(call.path):
            known = ("page", "GET")
        off = {"playground": self._trial is None, "pictures": self._recogniser is None}
        if why := REFUSED.get(call.path):
            raise Refusal(400, "cannot_be_masked", f"this address is not served: {why}")
        if known is None or off.get(known[0]):
            raise Refusal(
                404,
                "unknown_url",
                "there is no such address here; this gateway serves the addresses in its documentation, such "
                "as POST /v1/chat/completions, and refuses what it cannot mask",
            )
        call.route, method = known
        if call.method != method and not (method == "GET" and call.method == "HEAD"):
            allowed = (b"allow", b"GET, HEAD" if method == "GET" else b"POST")
            raise Refusal(405, "method_not_allowed", f"use {method} here", headers=[allowed])
        if self.ready.stopping and call.route not in _OPERATORS:
            raise Refusal(
                503,
                "stopping",
                "the gateway is about to stop: try again",
                headers=[(b"retry-after", b"1"), (b"connection", b"close")],
            )
        if call.api not in self._upstreams and (
            endpoint is not None or call.route in ("models", "files", "kept")
        ):
            option = self._settings.services[call.api].name
            raise Refusal(404, "no_upstream", f"no service is known for this API: start with --{option} URL")
        if endpoint is not None:
            who = self._admit(call)
            await self._relay.carry(call, endpoint, who, self._tenants.of(who.tenant))
        elif call.route in ("files", "kept"):
            who = self._admit(call, file=call.route == "files")
            room = self._uploads if call.route == "files" else self._kept
            await room.serve(call, who, self._tenants.of(who.tenant))
        elif call.route == "pictures" and self._recogniser is not None:
            await self._pictures(call, self._recogniser)
        elif call.route == "models":
            await self._models(call)
        elif call.route == "health":
            await call.respond(200, b'{"status":"ok"}')
        elif call.route == "ready":
            await call.respond(*await self.ready.page(self._state()))
        elif call.route == "metrics":
            await call.respond(200, self._metrics.page(), METRICS_TYPE.encode())
        elif call.route == "openapi":
            await call.respond(200, self._description)
        elif self._trial is not None:
            self._callers.require_own_name(call)
            if call.route == "playground":
                call.enter(self._quotas.enter("playground", call.announced))
            await (self._trial.page if call.route == "page" else self._trial.ask)(call)

    @cached_property
    def _description(self) -> bytes:
        page, pictures = self._trial is not None, self._recogniser is not None
        return orjson.dumps(description(ENDPOINTS, REFUSED, page=page, pictures=pictures))

    def _admit(self, call: Call, *, file: bool = False) -> Who:
        """Who asks, and is let in; with ``file``, whose body may be longer than those of others."""
        who = self._callers.who(call)
        call.tenant = who.tenant
        call.enter(self._quotas.enter(who.tenant, call.announced, file=file))
        if words := free_words(who.credentials):
            check_names(self._tenants.of(who.tenant).masker, words)
        return who._replace(credentials={**who.credentials, **call.onward}) if call.onward else who

    async def _pictures(self, call: Call, recogniser: Recogniser) -> None:
        self._admit(call)
        body = await call.read(self._settings.max_body, self._settings.idle_timeout, recogniser.kinds)
        question = await call.lease.in_thread(recogniser.question, body, file=call.kind != JSON)
        async with call.while_client_waits():
            reply = await self._upstreams["openai"].send("POST", "/images/classifications", question, {})
            await call.respond(reply.status, await reply.read(self._settings.max_body, call.lease.take))

    async def _models(self, call: Call) -> None:
        who = self._admit(call)
        async with call.while_client_waits():
            call.sent = True
            reply = await self._upstreams[call.api].send("GET", "/models", None, who.credentials)
            try:
                body = await reply.read(self._settings.max_body, call.lease.take)
                if 200 <= reply.status < 300:
                    await call.respond(reply.status, body, headers=reply.headers)
                else:
                    require_answer(self._settings, call.api, reply.status)
                    call.code = "upstream_error"
                    error = orjson.dumps(upstream_error(call.api, reply.status, body, None))
                    await call.respond(reply.status, error, headers=reply.headers)
            finally:
                reply.close()

    # What may change while it runs

    def _sources(self) -> list[Source]:
        settings, sources = self._settings, []
        if settings.policy is not None:
            make = lambda: Tenants(settings, self._key)  # noqa: E731
            sources.append(Source("policy", settings.policy, make, self._take_tenants))
        if settings.client_keys is not None:
            sources.append(
                Source("clients", settings.client_keys, lambda: read_clients(settings), self._take_clients)
            )
        return sources

    def _take_tenants(self, tenants: Tenants) -> None:
        if self._trial is not None:
            self._trial.use(tenants.policy, tenants.finders)
        self._recorder.policy(tenants.policy)
        self._tenants = tenants

    def _take_clients(self, clients: Clients | None) -> None:
        self._callers.use(clients)
        self._quotas.use(self._callers.limits)

    def _tell_of_reload(self, what: str, outcome: Outcome, facts: Mapping[str, Any]) -> None:
        self._metrics.reloaded(what, outcome)
        version = self._tenants.policy.version
        log.event(self._settings.log, "reload", what=what, outcome=outcome, **facts, policy=version)

    def _state(self) -> dict[str, str]:
        """What is loaded, in words and versions."""
        policy = self._tenants.policy
        return {
            "policy": self._reloader.state("policy") or "built in",
            "policy_version": policy.version,
            "clients": self._reloader.state("clients") or "none",
            "names": "loaded" if policy.finder.names else "off",
        }

    async def _drain(self) -> None:
        """Be ready no more, and let what runs finish, as long as the settings allow."""
        self.ready.stopping = True
        until = monotonic() + self._settings.grace
        while self._running and monotonic() < until:
            await asyncio.sleep(_LOOK_SECONDS)

    def _tell(self, call: Call) -> None:
        self._metrics.answered(
            call.route, call.status or 499, call.bytes_in, call.bytes_out, call.code or None
        )
        log.request(self._settings.log, call)
        self._recorder.record(call, self._tenants.policy.version)


# Starting


def create_app(settings: Settings, key: Key | None = None) -> Gateway:
    """The gateway as an ASGI application; the key is the stored one, made at first use, unless given."""
    return Gateway(settings, key)


def worker() -> Gateway:
    """The application of one worker process, from the settings that :func:`serve` left for it."""
    hold_hangups()
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

    from masquerade.serve.listener import Workers, address, configured, listen, signals_are_the_servers

    hold_hangups()
    app = create_app(settings)  # also where there are workers: what is wrong shows here, once
    listening = listen(settings.host, settings.port)
    listening.set_inheritable(True)
    log.quiet_others()
    config = configured(
        app if settings.workers == 1 else "masquerade.serve.gateway:worker",
        factory=settings.workers > 1,
        workers=settings.workers,
        timeout_graceful_shutdown=_HURRY_SECONDS,  # after the gateway has waited itself
        timeout_worker_healthcheck=60,
    )
    here = address("http", settings.host, listening)
    bases = [told.base for told in settings.services.values() if told.base]
    services = ["the recogniser"] * bool(settings.recogniser) + bases
    log.started(settings.log, here, " and ".join(services) or "the mirror model", settings.workers)
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
            Workers(config, [listening]).run()


def _upstreams(settings: Settings, recogniser: Recogniser | None) -> dict[str, Upstream]:
    """The upstreams that the settings name, by API; the mirror for each, where they name none."""
    made: dict[str, Upstream] = {
        api: Http(settings, told.base) for api, told in settings.services.items() if told.base
    }
    if recogniser is not None:
        made["openai"] = recogniser
    return made or {api: Mirror(api) for api in settings.services}


def _recogniser(settings: Settings) -> Recogniser | None:
    if settings.recogniser is None:
        return None
    try:
        from masquerade.serve.recogniser import Recogniser
    except ImportError:
        raise MissingPackage("recognising pictures", "transfer") from None
    return Recogniser.load(settings.recogniser)
