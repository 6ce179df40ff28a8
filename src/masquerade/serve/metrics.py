"""What a gateway counts, for Prometheus: numbers by route, status, kind and fate, and no value.

Every label has a bounded set of values: routes are those that exist, kinds those of the policy.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one process; :meth:`page` adds up those of all workers."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = own = CollectorRegistry()
        self._children: dict[tuple[str, ...], Counter] = {}
        name = "masquerade_"
        self._requests = Counter(name + "requests", "Requests answered", ("route", "status"), registry=own)
        self._errors = Counter(
            name + "errors", "Requests that failed, by error code", ("code",), registry=own
        )
        self._found = Counter(name + "found", "Private values found", ("kind", "fate"), registry=own)
        self._restored = Counter(name + "restored", "Stand-ins replaced by their originals", registry=own)
        self._unresolved = Counter(name + "unresolved", "Damaged or unknown stand-ins left", registry=own)
        self._withheld = Counter(
            name + "withheld", "Stand-ins left that would have gone elsewhere", ("where",), registry=own
        )
        self._bytes = Counter(name + "bytes", "Bytes from and to clients", ("direction",), registry=own)
        self._masking = Histogram(
            name + "masking_seconds", "Time to mask a request", buckets=_SECONDS, registry=own
        )
        self._upstream = Histogram(
            name + "upstream_seconds", "Time from sending to the reply's end", buckets=_SECONDS, registry=own
        )
        self._limited = Counter(
            name + "limited", "Requests refused by a limit of their tenant", ("reason",), registry=own
        )
        self._reloads = Counter(
            name + "reloads", "Files read anew while running", ("what", "outcome"), registry=own
        )
        self._stale = Gauge(
            name + "stale",
            "Whether a file says something else than what is in force",
            ("what",),
            registry=own,
            multiprocess_mode="mostrecent",
        )
        self._in, self._out = self._bytes.labels("in"), self._bytes.labels("out")

    def answered(self, route: str, status: int, bytes_in: int, bytes_out: int, code: str | None) -> None:
        """Count one request."""
        self._count(self._requests, route, str(status))
        self._in.inc(bytes_in)
        self._out.inc(bytes_out)
        if code is not None:
            self._count(self._errors, code)

    def masked(self, seconds: float, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Count what one request held."""
        self._masking.observe(seconds)
        for kind, fates in counts.items():
            for fate, n in fates.items():
                self._count(self._found, kind, str(fate), by=n)

    def replied(
        self,
        seconds: float,
        restored: int,
        unresolved: int,
        withheld: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Count one reply of the model service."""
        self._upstream.observe(seconds)
        if restored:
            self._restored.inc(restored)
        if unresolved:
            self._unresolved.inc(unresolved)
        for where, n in withheld.items():
            self._count(self._withheld, where, by=n)

    def limited(self, reason: str) -> None:
        """Count a request that a limit refused."""
        self._count(self._limited, reason)

    def reloaded(self, what: str, outcome: str) -> None:
        """Count a file that was read anew, and ``taken`` or ``refused``."""
        self._count(self._reloads, what, outcome)
        self._stale.labels(what).set(outcome == "refused")

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if _FOLDER not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)

    def _count(self, counter: Counter, *labels: str, by: int = 1) -> None:
        key = (counter._name, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = counter.labels(*labels)
        child.inc(by)


@contextmanager
def shared_between_workers() -> Iterator[None]:
    """While this lasts, processes started from here add their numbers in one private folder."""
    folder = tempfile.mkdtemp(prefix="masquerade-metrics-")
    os.environ[_FOLDER] = folder
    try:
        yield
    finally:
        del os.environ[_FOLDER]
        shutil.rmtree(folder, ignore_errors=True)
