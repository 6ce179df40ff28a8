"""``masquerade verify``: made-up private values go through a gateway of the user's settings to a recorder.
What got through is told.

The gateway is a process of its own, as ``masquerade serve`` would start it, but on a loopback port, with a
key that is thrown away, and with the recorder of this process in place of the model service. What it keeps
elsewhere (client keys, limits, traces) is left out. The recorder answers as the mirror model does, so that
replies are seen to come back whole.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from masquerade.errors import BadInput, EngineProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import TOKEN
from masquerade.serve import keyfile
from masquerade.serve.canaries import Canary, got_through, not_planted, planted
from masquerade.serve.gateway import ENDPOINTS
from masquerade.serve.planting import Field, base, fields, requests
from masquerade.serve.settings import Settings, read
from masquerade.serve.upstream import Mirror, Upstream
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.rules import ALIAS, PASS

_START = (
    "import sys; from masquerade.serve.gateway import serve; from masquerade.serve.settings import Settings; "
    "serve(Settings.load(sys.argv[1]))"
)
_BEGIN_SECONDS = 120.0
_ANSWER_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_NEAR = 2

_UPSTREAMS = ("upstream", "anthropic")
_KEPT = ("policy", "max_body", "max_held", "threads", "timeout", "connect_timeout", "idle_timeout")
"""Settings that say what is done with a request; the rest is of no account here, or is somebody's."""

MASKED, KEPT, THROUGH, REFUSED, FAILED = "masked", "kept", "got through", "refused", "failed"
VERDICTS = (THROUGH, FAILED, KEPT, REFUSED, MASKED)
"""What became of a value, the worst first: ``kept`` and ``refused`` as the policy has it."""


class Finding(NamedTuple):
    """What became of one value in one request."""

    endpoint: str
    field: str
    form: str
    stream: bool
    canary: Canary
    verdict: str

    def told(self) -> dict[str, Any]:
        """Where it was planted, without the value."""
        where = {"endpoint": self.endpoint, "field": self.field, "form": self.form, "stream": self.stream}
        return {"kind": self.canary.kind, "language": self.canary.language, **where}


@dataclasses.dataclass
class Report:
    """What a whole run found."""

    policy: str
    findings: list[Finding] = dataclasses.field(default_factory=list)
    requests: int = 0
    whole: Counter[str] = dataclasses.field(default_factory=Counter)
    """Replies with stand-ins in them that came back whole, by endpoint."""
    broken: Counter[str] = dataclasses.field(default_factory=Counter)
    unreached: list[str] = dataclasses.field(default_factory=list)
    """Endpoints that refuse even what holds nothing private: nothing is known of them."""
    not_planted: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def wrong(self) -> list[Finding]:
        """What is not as the policy says."""
        return [each for each in self.findings if each.verdict in (THROUGH, FAILED)]

    @property
    def ok(self) -> bool:
        """Whether all is as the policy says."""
        return not self.wrong and not self.broken and not self.unreached

    def counts(self) -> dict[str, dict[str, Counter[str]]]:
        """How often a value of each kind met each verdict, by kind and endpoint."""
        table: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        for each in self.findings:
            table[each.canary.kind][each.endpoint][each.verdict] += 1
        return table


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the command line says; 0: nothing got through that the policy does not keep.

    Raises:
        BadInput, PolicyProblem: the settings or the policy cannot be used.
        EngineProblem: the gateway does not start.
    """
    policy = Policy()
    if settings.policy is not None:
        policy = Policy.parse(read(settings.policy), source=str(settings.policy), finders=False)
    known = {endpoint.name: (path, endpoint) for path, endpoint in ENDPOINTS.items()}
    if unknown := sorted(set(args.endpoint) - known.keys()):
        raise BadInput(f"no endpoint is called {unknown[0]}; these are: {', '.join(known)}")
    wanted = [known[name] for name in args.endpoint or known]
    report = verify(settings, policy, wanted)
    print(json.dumps(_as_json(report), ensure_ascii=False) if args.json else "\n".join(_as_text(report)))
    return 0 if report.ok else 1


def verify(settings: Settings, policy: Policy, wanted: Sequence[tuple[str, Endpoint]]) -> Report:
    """Send canaries of every kind to each of these addresses of a gateway, in every field.

    Raises:
        EngineProblem: the gateway does not start.
    """
    started = time.monotonic()
    report = Report(policy.version, not_planted=not_planted(policy))
    with Recorder() as recorder, _gateway(settings, recorder) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
        with contextlib.closing(connection):
            tried: set[tuple[int, object]] = set()
            for path, endpoint in wanted:
                _Trial(report, recorder, connection, policy, path, endpoint).run(tried)
    report.seconds = time.monotonic() - started
    return report


class _Trial:
    """One endpoint."""

    def __init__(
        self,
        report: Report,
        recorder: Recorder,
        connection: http.client.HTTPConnection,
        policy: Policy,
        path: str,
        endpoint: Endpoint,
    ) -> None:
        self._report, self._recorder, self._connection = report, recorder, connection
        self._policy, self._path, self._endpoint = policy, path, endpoint
        recorder.api = endpoint.api
        canaries = planted(policy)
        # What the policy blocks would hide the rest of its request.
        self._blocked = [each for each in canaries if policy.fate(each.kind) is Fate.BLOCK]
        self._rest = [each for each in canaries if each not in self._blocked]

    def run(self, tried: set[tuple[int, object]]) -> None:
        """Everything in every field; then, in the field that the model answers, each value by itself and
        all of them in a stream. Rows that are deep in a table which an endpoint before had too, are not
        ``tried`` again."""
        self._send(json.dumps(base(self._endpoint)).encode())
        if self._recorder.take() is None:
            self._report.unreached.append(self._endpoint.name)
        answered: Field | None = None
        found = fields(self._endpoint)
        for field in found:
            if _row(field) in tried and len(field.path) > _NEAR:
                continue
            if self._ask(field, self._rest) and answered is None and field.rule not in (PASS, ALIAS):
                answered = field
        if answered is None:
            answered = found[0]
        for canary in (*self._blocked, *self._rest):
            self._ask(answered, [canary])
        if "stream" in self._endpoint.request:
            self._ask(answered, self._rest, stream=True)
        tried.update(map(_row, found))

    def _ask(self, field: Field, canaries: Sequence[Canary], *, stream: bool = False) -> bool:
        """Whether the model's answer had stand-ins in it."""
        answered = False
        for form, body in requests(self._endpoint, field, canaries, stream=stream):
            status, reply = self._send(body)
            seen = self._recorder.take()
            for canary in canaries:
                verdict = self._verdict(canary, status, seen)
                finding = Finding(self._endpoint.name, field.name, form, stream, canary, verdict)
                self._report.findings.append(finding)
            # Some services echo a request's names and the keys of its objects, which are not restored.
            told = field.rule is not PASS and form != "data"
            if status == 200 and seen and told and _stand_ins(seen.answer):
                answered = True
                counted = self._report.broken if _stand_ins(reply) else self._report.whole
                counted[self._endpoint.name] += 1
        return answered

    def _verdict(self, canary: Canary, status: int, seen: Seen | None) -> str:
        if seen is not None and got_through(canary, seen.texts):
            return KEPT if self._policy.fate(canary.kind) is Fate.KEEP else THROUGH
        if status >= 500:
            return FAILED
        return REFUSED if seen is None else MASKED

    def _send(self, body: bytes) -> tuple[int, str]:
        self._report.requests += 1
        headers = {
            "content-type": "application/json",
            "authorization": "Bearer verify",
            "anthropic-version": "2023-06-01",
        }
        try:
            self._connection.request("POST", self._path, body, headers)
            response = self._connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 599, ""


def _row(field: Field) -> tuple[int, object]:
    """By which row of which table it is treated."""
    return id(field.tables[-1]), field.path[-1]


def _stand_ins(text: str) -> bool:
    """Whether there are stand-ins in it that come back."""
    return any("_REDACTED" not in match[0].upper() for match in TOKEN.finditer(text))


# The recorder


class Seen(NamedTuple):
    """One request as a model service would get it, and what was answered."""

    head: str
    body: bytes
    answer: str

    @property
    def texts(self) -> list[str]:
        """All that can be read in it: as it stands, and with the escapes of JSON undone, at every depth."""
        found = [self.head, self.body.decode("utf-8", "replace")]
        with contextlib.suppress(ValueError):
            found += _texts(json.loads(self.body))
        return found


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif node is not None:
        yield str(node)
        if isinstance(node, str) and node[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                yield from _texts(json.loads(node))


class Recorder:
    """A model service on a loopback port that keeps what it is sent, one request at a time."""

    def __init__(self) -> None:
        self.api = "openai"
        """In which API's shapes it answers."""
        self._seen: list[Seen] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, kind, answer = asyncio.run(recorder._answer(self.path, body))
                head = f"{self.path}\n{self.headers}"
                recorder._seen.append(Seen(head, body, answer.decode("utf-8", "replace")))
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def take(self) -> Seen | None:
        """The request that came since the last time, if one did; of several, all that they held."""
        seen, self._seen = self._seen, []
        if not seen:
            return None
        return Seen("\n".join(s.head for s in seen), b"\n".join(s.body for s in seen), seen[-1].answer)

    async def _answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        path = urlsplit(path).path
        reply = await _mirror(self.api).send("POST", re.sub(r"^/v1(?=/)", "", path), body, {})
        return reply.status, reply.content_type, await reply.read(1 << 30, lambda size: None)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _mirror(api: str) -> Upstream:
    return Mirror(api)


# The gateway


def settings_for(settings: Settings, upstream: str, store: str) -> Settings:
    """The user's settings for one run against ``upstream``: what masks, and nothing that is kept or spent."""
    told = {name: getattr(settings, name) for name in _KEPT} | dict.fromkeys(_UPSTREAMS, upstream)
    return Settings(
        **told, store=store, port=0, playground=False, log="json", no_watch=True, no_journal=True, grace=0.0
    )


@contextlib.contextmanager
def _gateway(settings: Settings, recorder: Recorder) -> Iterator[int]:
    """The port of a gateway in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environ = {**kept, keyfile.ENVIRONMENT: Key.generate().export()}
    with tempfile.TemporaryDirectory(prefix="masquerade-verify-") as folder:
        log = Path(folder) / "log"
        told = settings_for(settings, recorder.address, str(Path(folder) / "store.db"))
        with log.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _START, told.dump()],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:
            yield _port(process, log)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + _BEGIN_SECONDS
    while time.monotonic() < until:
        first, end, _ = log.read_bytes().partition(b"\n")
        if end:
            with contextlib.suppress(ValueError, KeyError):
                return int(urlsplit(json.loads(first)["address"]).port or 0)
        if process.poll() is not None:
            break
        time.sleep(_LOOK_SECONDS)
    raise EngineProblem("the gateway did not start with these settings; try  masquerade serve  with them")


# What is told


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "policy": report.policy,
        "requests": report.requests,
        "seconds": round(report.seconds, 1),
        "kinds": {
            kind: {name: dict(counts) for name, counts in row.items()}
            for kind, row in report.counts().items()
        },
        "got_through": [each.told() for each in report.wrong if each.verdict == THROUGH],
        "failed": [each.told() for each in report.wrong if each.verdict == FAILED],
        "replies": {"whole": dict(report.whole), "broken": dict(report.broken)},
        "unreached": report.unreached,
        "not_planted": list(report.not_planted),
    }


def _as_text(report: Report) -> Iterator[str]:
    names = list(dict.fromkeys(each.endpoint for each in report.findings))
    rows = [
        [kind, *(_cell(row.get(name, {})) for name in names)] for kind, row in sorted(report.counts().items())
    ]
    rows.append(["replies", *(_replies(report, name) for name in names)])
    table = [["kind", *names], *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(names) + 1)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield from _wrong(report)
    for name in report.unreached:
        yield f"{name}: refuses even what holds nothing private, so nothing is known of it"
    for kind in report.not_planted:
        yield f"{kind}: not tried, for only an expression says what it looks like"
    values = f"{len(report.findings):,} values in {report.requests:,} requests, {report.seconds:.1f} s"
    said = "nothing got through that the policy does not keep" if report.ok else "NOT as the policy says"
    yield f"policy {report.policy}: {said} ({values})"


def _cell(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts.get(verdict)) or "-"


def _replies(report: Report, name: str) -> str:
    counts = {"not whole": report.broken[name], "whole": report.whole[name]}
    return ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "-"


def _wrong(report: Report) -> Iterator[str]:
    places: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for each in report.wrong:
        places[each.canary.kind, each.verdict, each.endpoint][f"{each.field} ({each.form})"] += 1
    for (kind, verdict, endpoint), where in places.items():
        shown = ", ".join(list(where)[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
        yield f"{kind} {verdict}: {endpoint}, {shown}"
