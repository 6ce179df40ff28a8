"""Traces of requests: what a real collector gets from a real gateway, and what must never be in it."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from gateway_rig import Service, gateway

from masquerade.errors import BadInput, MissingPackage
from masquerade.serve import tracing
from masquerade.serve.settings import Settings

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="masquerade[otel] is not installed")

EMAIL = "ada.canary@example.com"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALLOWED = {
    *("http.request.method", "http.route", "http.response.status_code", "error.type"),
    *("masquerade.bytes_in", "masquerade.bytes_out", "masquerade.stream"),
}


class Collector:
    """Takes OTLP over HTTP on a port of its own."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.heads: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers.get("content-encoding") == "gzip"
                collector.heads.append(f"{self.path} {self.headers}")
                collector.bodies.append(gzip.decompress(body) if packed else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self) -> list[Any]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    try:
        yield running
    finally:
        running.close()


def attributes(span: Any) -> dict[str, Any]:
    kinds = {each.key: each.value.WhichOneof("value") for each in span.attributes}
    return {each.key: getattr(each.value, kinds[each.key]) for each in span.attributes}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_is_traced_in_numbers(
    upstream: Service, tmp_path: Path, collector: Collector, workers: int
) -> None:
    upstream.reset()
    secret = {"authorization": "Bearer sk-canary-key", "x-canary": "canary", "user-agent": "canary"}
    with gateway(tmp_path, upstream=upstream.url, otel=collector.url, workers=workers) as running:
        assert running.chat(f"mail {EMAIL}", secret).status == 200
        assert running.chat(f"mail {EMAIL}", secret, stream=True).status == 200
        assert running.post("/v1/chat/completions?canary=1", {"messages": "canary"}, secret).status == 400
        assert running.post(f"/v1/canary/{EMAIL}", {"canary": EMAIL}).status == 404
        assert running.request("MKCOL", "/healthz").status == 405
    everything = b"\n".join(collector.bodies) + "".join(collector.heads).encode()
    assert b"canary" not in everything.lower()
    assert all(head.startswith("/v1/traces ") for head in collector.heads)
    spans = collector.spans()
    roots = [span for span in spans if span.name == "request"]
    told = {(attributes(s)["http.route"], attributes(s)["http.response.status_code"]) for s in roots}
    assert {("chat", 200), ("chat", 400), ("other", 404), ("health", 405)} <= told
    for span in spans:
        names = attributes(span).keys()
        assert {name for name in names if not name.startswith("masquerade.found.")} <= ALLOWED
        assert not span.events
    chats = [span for span in roots if attributes(span).get("masquerade.found.EMAIL.token") == 1]
    assert len(chats) == 2
    assert {attributes(span)["masquerade.stream"] for span in chats} == {True, False}
    for root in chats:
        below = [span for span in spans if span.parent_span_id == root.span_id]
        assert {span.name for span in below} == {"mask", "upstream", "restore"}
        for span in below:
            assert span.trace_id == root.trace_id
            assert root.start_time_unix_nano <= span.start_time_unix_nano + 5_000_000
            assert span.start_time_unix_nano <= span.end_time_unix_nano
    assert all("traceparent" not in {name.lower() for name in seen.headers} for seen in upstream.requests)


@pytest.mark.parametrize("onward", [False, True])
def test_a_trace_of_the_client_is_continued(
    upstream: Service, tmp_path: Path, collector: Collector, onward: bool
) -> None:
    upstream.reset()
    shown = {"traceparent": PARENT, "tracestate": "vendor=canary", "baggage": "who=canary"}
    with gateway(tmp_path, upstream=upstream.url, otel=collector.url, trace_upstream=onward) as running:
        running.chat("hello", shown)
        running.chat("hello", {"traceparent": "00-canary"})
    ours = [span for span in collector.spans() if span.trace_id.hex() == PARENT.split("-")[1]]
    (root,) = [span for span in ours if span.name == "request"]
    assert root.parent_span_id.hex() == PARENT.split("-")[2]
    assert len(ours) == 4
    told = [{k.lower(): v for k, v in seen.headers.items()} for seen in upstream.requests]
    if onward:
        assert told[0]["traceparent"] == f"00-{root.trace_id.hex()}-{root.span_id.hex()}-01"
        assert len(told[1]["traceparent"]) == len(PARENT)
    else:
        assert all("traceparent" not in headers for headers in told)
    assert "canary" not in str(told) + str(collector.bodies)


def test_a_collector_that_is_not_there_stops_nothing(upstream: Service, tmp_path: Path) -> None:
    upstream.reset()
    with gateway(tmp_path, upstream=upstream.url, otel="http://127.0.0.1:9") as running:
        for _ in range(20):
            assert running.chat(f"mail {EMAIL}").status == 200
        assert running.stop() == 0
        assert "canary" not in running.log_path.read_text()


def test_the_switch_of_opentelemetry_counts(upstream: Service, tmp_path: Path, collector: Collector) -> None:
    upstream.reset()
    off = {"OTEL_SDK_DISABLED": "true"}
    with gateway(tmp_path, off, upstream=upstream.url, otel=collector.url, trace_upstream=True) as running:
        assert running.chat("hello").status == 200
    assert collector.bodies == []


def test_the_variable_of_opentelemetry_counts(
    upstream: Service, tmp_path: Path, collector: Collector
) -> None:
    with gateway(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, upstream=upstream.url) as running:
        running.chat("hello")
    assert "request" in {span.name for span in collector.spans()}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_nothing_is_traced_unless_asked_for(environ: dict[str, str]) -> None:
    assert isinstance(tracing.tracer(Settings(), environ), tracing._Silent)


def test_what_is_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingPackage, match="masquerade\\[otel\\]"):
        tracing.tracer(Settings(otel="http://127.0.0.1:9"))
    variable = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"
    }  # that of a whole machine may be meant for others
    assert isinstance(tracing.tracer(Settings(), variable), tracing._Silent)
    assert "missing package" in capsys.readouterr().err


def test_nothing_of_it_is_loaded_unless_asked_for(tmp_path: Path) -> None:
    program = (
        "import sys; from masquerade.serve.gateway import create_app; from masquerade.keys import Key; "
        "from masquerade.serve.settings import Settings; create_app(Settings(), Key.generate()); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "address", ["collector:4318", "http://me:hunter2@collector", "http://c/?key=hunter2"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadInput, match="collector") as problem:
        Settings(otel=address)
    assert "hunter2" not in str(problem.value)


def test_closing_is_bounded(tmp_path: Path) -> None:
    """Even where the collector takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with gateway(tmp_path, otel=url) as running:
            running.get("/healthz")
            assert running.stop() == 0
