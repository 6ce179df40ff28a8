"""Traces of requests for OpenTelemetry: how long what took, sizes, counts and statuses, never text.

A span for the request, and below it one for each of its phases: mask, upstream, restore. No attribute holds
a text, a header, an address or a tenant; names of spans are those of routes and phases. Nothing of
OpenTelemetry is loaded unless there is a collector to send to. What it sends is OTLP over HTTP, from a thread
of its own; a collector that is slow or gone costs spans, never a request.

A ``traceparent`` of the client is continued. The service is told one only where the settings say so, for it
would link requests.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from time import perf_counter, time_ns
from typing import Any, Protocol

from masquerade import __version__
from masquerade.errors import MissingPackage
from masquerade.serve import log
from masquerade.serve.call import Call
from masquerade.serve.settings import Settings

_PATH = "/v1/traces"
_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_CLOSE_SECONDS = 3.0
_PARENT = "traceparent"


class Tracer(Protocol):
    """What a gateway tells about its requests."""

    def begin(self, call: Call) -> Any:
        """A request has come; what is returned belongs to it."""
        ...

    def end(self, trace: Any, call: Call) -> None:
        """It was answered."""
        ...

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        ...


class _Silent:
    """Tells nothing."""

    def begin(self, call: Call) -> None:
        pass

    def end(self, trace: None, call: Call) -> None:
        pass

    def close(self) -> None:
        pass


def tracer(settings: Settings, environ: Mapping[str, str] | None = None) -> Tracer:
    """What the settings, or else the variables that OpenTelemetry has for it, ask for.

    Raises:
        MissingPackage: the settings name a collector, and what speaks to it is not installed.
    """
    env = os.environ if environ is None else environ
    if settings.otel is None and (
        not any(map(env.get, _VARIABLES))
        or env.get("OTEL_TRACES_EXPORTER") == "none"
        or env.get("OTEL_SDK_DISABLED", "").lower() == "true"
    ):
        return _Silent()
    try:
        return _Otlp(settings.otel, settings.trace_upstream)
    except ImportError:
        if settings.otel is None:  # a variable of the whole machine may be meant for others
            log.event(settings.log, "tracing", outcome="off", reason="missing package")
            return _Silent()
        raise MissingPackage("sending traces", "otel") from None


class _Otlp:
    def __init__(self, endpoint: str | None, onward: bool) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if endpoint is not None:
            endpoint = endpoint.rstrip("/")
            endpoint = endpoint if endpoint.endswith(_PATH) else endpoint + _PATH
        named = {"service.name": "masquerade"} if "OTEL_SERVICE_NAME" not in os.environ else {}
        self._provider = TracerProvider(
            resource=Resource.create(named | {"service.version": __version__}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("masquerade", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._trace, self._onward = trace, onward

    def begin(self, call: Call) -> Any:
        parent = call.headers.get(_PARENT.encode(), b"").decode("latin-1")
        span = self._tracer.start_span(
            "request",
            context=self._propagator.extract({_PARENT: parent}) if parent else None,
            kind=self._trace.SpanKind.SERVER,
        )
        if self._onward:
            told: dict[str, str] = {}
            self._propagator.inject(told, self._trace.set_span_in_context(span))
            call.onward = {_PARENT: told[_PARENT]} if _PARENT in told else {}
        return span

    def end(self, trace: Any, call: Call) -> None:
        if trace.is_recording():
            offset = time_ns() - int(perf_counter() * 1e9)
            context = self._trace.set_span_in_context(trace)
            for name, begun, ended in call.phases:
                kind = self._trace.SpanKind.CLIENT if name == "upstream" else self._trace.SpanKind.INTERNAL
                child = self._tracer.start_span(
                    name, context=context, kind=kind, start_time=int(begun * 1e9) + offset
                )
                child.end(int(ended * 1e9) + offset)
            trace.set_attributes(_attributes(call))
            if (call.status or 499) >= 500:
                trace.set_status(self._trace.StatusCode.ERROR)
        trace.end()

    def close(self) -> None:
        # A collector that does not answer may hold this up: then it ends with the process.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _attributes(call: Call) -> dict[str, str | int | bool]:
    told: dict[str, str | int | bool] = {
        "http.request.method": call.method if call.method in log.METHODS else "other",
        "http.route": call.route,
        "http.response.status_code": call.status or 499,
        "masquerade.bytes_in": call.bytes_in,
        "masquerade.bytes_out": call.bytes_out,
        "masquerade.stream": call.stream,
    }
    for kind, fates in call.counts.items():
        for fate, n in fates.items():
            told[f"masquerade.found.{kind}.{fate}"] = n
    if call.code:
        told["error.type"] = call.code
    return told
