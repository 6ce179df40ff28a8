"""The gateway: a client on one side, a model service on the other, private data on the first only.

    POST /v1/chat/completions, /v1/responses, /v1/messages ...   masked, sent, restored: ``wire/``
    POST /v1/images/classifications   reduced and classified, where the service is a recogniser
    GET  /v1/models             passed through
    GET  /healthz  /metrics     for whoever runs it
    GET  /openapi.json          what is served, and what is done with each field (``openapi.py``)
    /  /playground/*            the page for people (``trial.py``)

Everything else is refused. Whatever cannot be masked is not sent. A request's query string, and all its
headers but the credentials and the API's own, stay here.

The way of one request: who is it (``callers.py``), read the body, mask, send, restore (``relay.py``), tell
how it went (metrics and one log line, both of counts only).
"""

from __future__ import annotations

import gc
import os
from functools import cached_property
from typing import TYPE_CHECKING

import orjson

from masquerade.errors import BadInput, Blocked, MissingPackage, StoreProblem, UpstreamProblem
from masquerade.keys import Key
from masquerade.serve import keyfile, log
from masquerade.serve.call import JSON, Call, Gone, Receive, Scope, Send
from masquerade.serve.callers import Callers
from masquerade.serve.memory import Memory
from masquerade.serve.metrics import CONTENT_TYPE as METRICS_TYPE
from masquerade.serve.metrics import Metrics, shared_between_workers
from masquerade.serve.openapi import description
from masquerade.serve.refusal import Refusal
from masquerade.serve.relay import Relay, as_refusal, require_answer, upstream_error
from masquerade.serve.room import Room
from masquerade.serve.settings import Settings
from masquerade.serve.tenants import Tenants
from masquerade.serve.trial import Trial
from masquerade.serve.uploads import Uploads
from masquerade.serve.upstream import Http, Mirror, Upstream
from masquerade.wire import anthropic, openai, responses
from masquerade.wire.endpoint import Endpoint

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
    "/metrics": ("metrics", "GET"),
    "/openapi.json": ("openapi", "GET"),
    "/playground/mask": ("playground", "POST"),
    "/playground/try": ("playground", "POST"),
}


class Gateway:
    """The application, by the ASGI specification (version 3). See the module for what it serves.

    Raises:
        BadInput, KeyProblem, PolicyProblem: what the settings name is missing or cannot be used.
        MissingPackage: what reads the policy's models is not installed.
    """

    def __init__(self, settings: Settings, key: Key | None = None) -> None:
        self._settings = settings
        self._key = key or keyfile.load_or_create()
        self._tenants = Tenants(settings, self._key)
        self._callers = Callers(settings, self._key)
        self._recogniser = _recogniser(settings)
        self._upstreams = _upstreams(settings, self._recogniser)
        self._metrics = Metrics()
        self._room = Room(settings.max_held, settings.threads)
        self._relay = Relay(settings, self._upstreams, self._metrics, self._recogniser)
        self._memory = Memory(settings, self._key)
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
            try:
                await self._serve(call)
            finally:
                call.lease.close()
                self._tell(call)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                for upstream in self._upstreams.values():
                    await upstream.close()
                self._room.close()
                self._memory.close()
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
        elif b"anthropic-version" in call.headers:
            call.api = "anthropic"
        if call.repeats:
            raise Refusal(400, "repeated_header", "a header is there twice, and only one can hold")
        known = _ROUTES.get(call.path)
        if known is None and self._uploads.has(call.path):
            known = ("files", call.method)
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
        if call.api not in self._upstreams and (endpoint is not None or call.route in ("models", "files")):
            option = self._settings.services[call.api].name
            raise Refusal(404, "no_upstream", f"no service is known for this API: start with --{option} URL")
        if endpoint is not None:
            who = self._callers.who(call)
            call.tenant = who.tenant
            await self._relay.carry(call, endpoint, who, self._tenants.of(who.tenant))
        elif call.route == "files":
            who = self._callers.who(call)
            call.tenant = who.tenant
            await self._uploads.serve(call, who, self._tenants.of(who.tenant))
        elif call.route == "pictures" and self._recogniser is not None:
            await self._pictures(call, self._recogniser)
        elif call.route == "models":
            await self._models(call)
        elif call.route == "health":
            await call.respond(200, b'{"status":"ok"}')
        elif call.route == "metrics":
            await call.respond(200, self._metrics.page(), METRICS_TYPE.encode())
        elif call.route == "openapi":
            await call.respond(200, self._description)
        elif self._trial is not None:
            self._callers.require_own_name(call)
            await (self._trial.page if call.route == "page" else self._trial.ask)(call)

    @cached_property
    def _description(self) -> bytes:
        page, pictures = self._trial is not None, self._recogniser is not None
        return orjson.dumps(description(ENDPOINTS, REFUSED, page=page, pictures=pictures))

    async def _pictures(self, call: Call, recogniser: Recogniser) -> None:
        call.tenant = self._callers.who(call).tenant
        body = await call.read(self._settings.max_body, self._settings.idle_timeout, recogniser.kinds)
        question = await call.lease.in_thread(recogniser.question, body, file=call.kind != JSON)
        async with call.while_client_waits():
            reply = await self._upstreams["openai"].send("POST", "/images/classifications", question, {})
            await call.respond(reply.status, await reply.read(self._settings.max_body, call.lease.take))

    async def _models(self, call: Call) -> None:
        who = self._callers.who(call)
        call.tenant = who.tenant
        async with call.while_client_waits():
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

    def _tell(self, call: Call) -> None:
        self._metrics.answered(
            call.route, call.status or 499, call.bytes_in, call.bytes_out, call.code or None
        )
        log.request(self._settings.log, call)


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
            Multiprocess(config, sockets=[listening]).run()


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
