"""What a gateway says on stderr: one line a request, of sizes, times and counts, never of values."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from time import perf_counter, time
from typing import Any, Literal

import orjson

from masquerade.errors import StoreProblem
from masquerade.serve.call import Call

Form = Literal["json", "text", "off"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are told by their name; others could be anything."""


def request(form: Form, call: Call) -> None:
    """Write the line of one request. Status 499 means that the client hung up before it was answered."""
    if form == "off":
        return
    status, ms = call.status or 499, (perf_counter() - call.started) * 1000
    if form == "text":
        found = " ".join(f"{kind}={sum(fates.values())}" for kind, fates in call.counts.items())
        withheld = "".join(f" withheld:{where}={n}" for where, n in call.withheld.items())
        _line(f"{status} {call.route} {ms:.1f} ms {call.code} {found}{withheld}".rstrip())
        return
    record: dict[str, Any] = {
        "time": round(time(), 3),
        "id": call.id,
        "route": call.route,
        "method": call.method if call.method in METHODS else "other",
        "status": status,
        "bytes_in": call.bytes_in,
        "bytes_out": call.bytes_out,
        "ms": round(ms, 3),
    }
    if call.tenant:
        record["tenant"] = call.tenant
    if call.mask_seconds:
        record["stream"] = call.stream
        record["ms_mask"] = round(call.mask_seconds * 1000, 3)
        record["ms_upstream"] = round(call.upstream_seconds * 1000, 3)
        record["found"] = call.counts
    if call.withheld:
        record["withheld"] = call.withheld
    if call.code:
        record["error"] = call.code
    _write(record)


def failure(call: Call, problem: Exception) -> None:
    """Write where something failed that should not, and not on what: the message may quote it."""
    place = problem.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
    _write({"time": round(time(), 3), "id": call.id, "failed": type(problem).__name__, "at": where})


def store(call: Call, problem: StoreProblem) -> None:
    """Write why the sealed store could not be used: its own words, which name a file and no value."""
    _write({"time": round(time(), 3), "id": call.id, "store": str(problem)})


def started(form: Form, address: str, upstream: str, workers: int) -> None:
    """Write that a server listens."""
    if form == "text":
        _line(f"Masquerade listens on {address} and speaks to {upstream}")
    elif form == "json":
        told = {"time": round(time(), 3), "event": "started", "address": address, "upstream": upstream}
        _write({**told, "workers": workers})


def event(form: Form, name: str, **facts: Any) -> None:
    """Write that something happened to the gateway itself."""
    if form == "text":
        _line(" ".join([name, *(f"{fact}={told}" for fact, told in facts.items())]))
    elif form == "json":
        _write({"time": round(time(), 3), "event": name, **facts})


def quiet_others() -> None:
    """Let libraries say who speaks and what kind of exception it was: their messages may quote values."""
    handler = logging.StreamHandler()
    handler.setFormatter(_NamesOnly())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _NamesOnly(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname,
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            told["exception"] = record.exc_info[0].__name__
        return orjson.dumps(told).decode()


def _write(record: dict[str, Any]) -> None:
    _line(orjson.dumps(record).decode())


def _line(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # a log that nobody reads any more stops no request
        sys.stderr.write(text + "\n")
