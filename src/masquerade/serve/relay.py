"""One request to one address of a model service: masked, sent, restored, as it comes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from masquerade.errors import MasqueradeError, UpstreamProblem
from masquerade.serve import log
from masquerade.serve.call import Call, Gone
from masquerade.serve.callers import Who
from masquerade.serve.memory import Memory
from masquerade.serve.metrics import Metrics
from masquerade.serve.refusal import Header, Refusal, anthropic_error
from masquerade.serve.settings import Settings
from masquerade.serve.tenants import Tenant
from masquerade.serve.upstream import Reply, Upstream
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import Exchange, Later
from masquerade.wire.sse import encode
from masquerade.wire.typed import TypedStream

if TYPE_CHECKING:
    from masquerade.serve.recogniser import Recogniser  # loads PyTorch

_REPLY_FACTOR = 4
_MEDIA_TYPE = re.compile(r"[a-z]{1,32}/[a-z0-9.+\-]{1,64}")


class Ending(Protocol):
    """A stream that may end early."""

    def finish(self) -> bytes:
        """What it held back."""
        ...


class Relay:
    """Carries requests to the upstream of their API, and replies back. One serves a whole process."""

    def __init__(
        self,
        settings: Settings,
        upstreams: Mapping[str, Upstream],
        metrics: Metrics,
        memory: Memory,
        recogniser: Recogniser | None = None,
    ) -> None:
        self._settings, self._upstreams = settings, upstreams
        self._metrics, self._memory, self._recogniser = metrics, memory, recogniser

    async def carry(self, call: Call, endpoint: Endpoint, who: Who, tenant: Tenant) -> None:
        """Answer ``call``, which is for ``endpoint``.

        Raises:
            MasqueradeError: before anything is sent to the client, what went wrong.
            Gone: the client hung up.
        """
        body = await call.read(self._settings.max_body, self._settings.idle_timeout)
        with call.phase("mask"):
            exchange = await self._mask(call, endpoint, tenant, body)
        call.stream = exchange.stream
        conversation = None
        if exchange.keeps:
            conversation = await call.lease.in_thread(self._memory.remember, who.tenant, exchange)
        thread = _Thread(self._memory, who.tenant, conversation)
        async with call.while_client_waits():
            await self._send(call, exchange, who.credentials, tenant, thread)

    async def fetch(
        self,
        call: Call,
        endpoint: Endpoint,
        path: str,
        name: str,
        who: Who,
        tenant: Tenant,
        after: int | None = None,
    ) -> None:
        """Answer ``call`` with what the service has kept under ``name``, restored by what was remembered;
        with a stream from behind the event of the number ``after``.

        Raises:
            MasqueradeError, Gone: as :meth:`carry`.
        """
        known = await call.lease.in_thread(self._memory.recall, who.tenant, (name,))
        exchange = Later(tenant.masker, endpoint._replace(path=path), known, after)
        exchange.stream = call.stream = b"stream=true" in call.query.split(b"&")
        async with call.while_client_waits():
            thread = _Thread(self._memory, who.tenant, None)
            await self._send(call, exchange, who.credentials, tenant, thread, call.method)

    async def _mask(self, call: Call, endpoint: Endpoint, tenant: Tenant, body: bytes) -> Exchange:
        started = perf_counter()
        try:
            mask = partial(Exchange, tenant.masker, body, endpoint, alias=tenant.alias)
            if endpoint.kept is not None:  # it may have to ask the store
                recall = partial(self._memory.recall, call.tenant)
                exchange = await call.lease.in_thread(mask, recall=recall)
            elif self._recogniser is None:
                exchange = await call.lease.work(len(body), mask)
            else:  # a small file may hold a large picture
                exchange = await call.lease.in_thread(mask, picture=self._recogniser.reducer())
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

    async def _send(
        self,
        call: Call,
        exchange: Exchange,
        credentials: Mapping[str, str],
        tenant: Tenant,
        thread: _Thread,
        method: str = "POST",
    ) -> None:
        started = perf_counter()
        headers = {"content-type": "application/json", **credentials}
        call.sent, call.policy = True, tenant.masker.policy.version
        reply = await self._upstreams[exchange.endpoint.api].send(
            method,
            exchange.endpoint.path + call.query_for(exchange.endpoint),
            exchange.request or None,
            headers,
        )
        try:
            shown = [*reply.headers, *_told(exchange, tenant)]
            if 200 <= reply.status < 300 and reply.content_type == "text/event-stream":
                if not exchange.stream and not exchange.endpoint.media:
                    raise UpstreamProblem("the model service sent events, though none were asked for")
                with call.phase("restore"):
                    await self._stream(call, exchange, reply, shown, thread)
            elif 200 <= reply.status < 300 and exchange.endpoint.media:
                await _as_it_comes(call, reply, shown)
            else:
                body = await reply.read(self._settings.max_body * _REPLY_FACTOR, call.lease.take)
                call.upstream_seconds = perf_counter() - started
                with call.phase("restore"):
                    status, body = await self._restored(call, exchange, reply.status, body)
                await thread.link(call, exchange)
                if status >= 400:
                    call.code = "upstream_error"
                await call.respond(status, body, headers=shown)
        finally:
            reply.close()
            call.upstream_seconds = call.upstream_seconds or perf_counter() - started
            call.phases.append(("upstream", started, started + call.upstream_seconds))
            call.note(exchange)
            self._metrics.replied(
                call.upstream_seconds, exchange.restored, exchange.unresolved, exchange.withheld
            )

    async def _restored(self, call: Call, exchange: Exchange, status: int, body: bytes) -> tuple[int, bytes]:
        if 200 <= status < 300:
            return status, await call.lease.work(len(body), exchange.reply, body)
        require_answer(self._settings, call.api, status)
        told = await call.lease.work(
            len(body), upstream_error, call.api, status, body, exchange.restore_whole
        )
        return status, orjson.dumps(told)

    async def _stream(
        self, call: Call, exchange: Exchange, reply: Reply, shown: list[Header], thread: _Thread
    ) -> None:
        restorer = exchange.events()
        shown = [*shown, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await call.start(reply.status, b"text/event-stream; charset=utf-8", shown, None)
        try:
            async for piece in reply.pieces():
                out = await call.lease.work(restorer.held + len(piece), restorer.feed, piece)
                call.lease.keep(restorer.held)
                await thread.link(call, exchange)
                if out:
                    await call.write(out, more=True)
            require_whole(restorer.broken)
            out = restorer.finish()
        except Gone:
            raise
        except Exception as problem:
            # The status is sent, so the error is an event; without [DONE] no client takes this for the end.
            refusal, out = broken_off(call, problem, restorer)
            out += encode(refusal.event(call.api, typed=isinstance(restorer, TypedStream)))
        await call.write(out, more=False)


async def _as_it_comes(call: Call, reply: Reply, shown: list[Header]) -> None:
    """Sound, say, of a request in which nothing was found."""
    kind = reply.content_type if _MEDIA_TYPE.fullmatch(reply.content_type) else "application/octet-stream"
    await call.start(reply.status, kind.encode(), shown, None)
    async for piece in reply.pieces():
        await call.write(piece, more=True)
    await call.write(b"", more=False)


class _Thread:
    """The conversation that a reply belongs to: its id is linked before the client sees it."""

    def __init__(self, memory: Memory, tenant: str, conversation: str | None) -> None:
        self._memory, self._tenant, self._conversation = memory, tenant, conversation

    async def link(self, call: Call, exchange: Exchange) -> None:
        if self._conversation is not None and exchange.name is not None:
            conversation, self._conversation = self._conversation, None
            await call.lease.in_thread(self._memory.link, self._tenant, exchange.name, conversation)


def _told(exchange: Exchange, tenant: Tenant) -> list[Header]:
    """What a reply's headers say of masking."""
    headers = [(b"x-masquerade-policy", tenant.masker.policy.version.encode())]
    masked = {kind: sum(fates.values()) for kind, fates in exchange.summary()["masked"].items()}
    for name, counts in ((b"x-masquerade-masked", masked), (b"x-masquerade-redacted", exchange.redacted)):
        if counts:
            headers.append((name, ", ".join(f"{kind}={n}" for kind, n in counts.items()).encode()))
    return headers


def require_answer(settings: Settings, api: str, status: int) -> None:
    """Refuse statuses that say nothing to the client: they are about the gateway.

    Raises:
        UpstreamProblem: it is such a status.
    """
    if settings.services[api].holds_key and status in (401, 403):
        raise UpstreamProblem("the model service refuses this gateway's own credentials")
    if status < 400:
        raise UpstreamProblem("the model service redirects elsewhere, which is not followed")


def require_whole(broken: bool) -> None:
    """Refuse a stream that ended within an event, or never was one.

    Raises:
        UpstreamProblem: it is ``broken``.
    """
    if broken:
        raise UpstreamProblem("the model service broke off its reply, or sent no events")


def broken_off(call: Call, problem: Exception, stream: Ending) -> tuple[Refusal, bytes]:
    """What to say of a stream that ``problem`` broke, and what it still held back."""
    if isinstance(problem, UpstreamProblem | Refusal):
        refusal = problem if isinstance(problem, Refusal) else as_refusal(problem)
        out = stream.finish()
    else:
        log.failure(call, problem)
        refusal = Refusal(500, "internal_error", "the gateway failed while it restored the reply")
        out = b""
    call.code = refusal.code
    return refusal, out


def as_refusal(problem: UpstreamProblem) -> Refusal:
    """What a client is told of it."""
    code = "upstream_timeout" if problem.status == 504 else "upstream_failed"
    return Refusal(problem.status, code, str(problem))


def upstream_error(
    api: str, status: int, body: bytes, restore: Callable[[dict[str, Any]], bool] | None
) -> dict[str, Any]:
    """The service's error in the shape of its API, restored, for it may quote what it was sent."""
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
    if api == "anthropic":
        kind = fields.get("type")
        shaped = anthropic_error(status, message, kind if isinstance(kind, str) else None)
        return shaped | ({"request_id": told["request_id"]} if "request_id" in told else {})
    return {
        "error": {
            "message": message,
            "type": fields.get("type") or "upstream_error",
            "param": fields.get("param"),
            "code": fields.get("code"),
        }
    }
