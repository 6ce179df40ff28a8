"""Whether a gateway can take requests: what is loaded, what it needs is there, and it is not about to stop.

Whoever keeps something outside the process (a store, a journal) registers a check for it. Checks run in a
thread, with an end to their time, and not more often than once a second, however often somebody asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import orjson

Check: TypeAlias = Callable[[], str | None]
"""Looks at one thing that a gateway needs, and says why it is not there; None: it is. What it raises counts
as a reason too, by its name alone. A reason holds no value."""

_SECONDS = 2.0
_FRESH = 1.0
_THREADS = 2


class Readiness:
    """What one process says of itself. Belongs to one event loop; ``clock`` tells seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._checks: dict[str, Check] = {}
        self._clock = clock
        self._last: tuple[float, dict[str, str]] = (-_FRESH, {})
        self._running: asyncio.Task[dict[str, str]] | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="masquerade-check")
        self.stopping = False
        """Whether the process was told to stop, and lets running requests finish."""

    def register(self, name: str, check: Check) -> None:
        """From now on ``name`` is looked at."""
        self._checks[name] = check

    async def page(self, state: Mapping[str, str]) -> tuple[int, bytes]:
        """The status and JSON body to answer with; ``state`` is told beside what the checks say."""
        checked = await self._checked()
        ok = not self.stopping and all(told == "ok" for told in checked.values())
        status = "stopping" if self.stopping else "ready" if ok else "not ready"
        return 200 if ok else 503, orjson.dumps({"status": status, **state, **checked})

    def close(self) -> None:
        """No check begins any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _checked(self) -> dict[str, str]:
        at, told = self._last
        if not self._checks or self._clock() - at < _FRESH:
            return told
        if self._running is None:
            self._running = asyncio.ensure_future(self._check_all())
        return await asyncio.shield(self._running)

    async def _check_all(self) -> dict[str, str]:
        try:
            names = list(self._checks)
            told = await asyncio.gather(*(self._check(self._checks[name]) for name in names))
            self._last = self._clock(), dict(zip(names, told, strict=True))
            return self._last[1]
        finally:
            self._running = None

    async def _check(self, check: Check) -> str:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SECONDS):
                return await loop.run_in_executor(self._pool, check) or "ok"
        except TimeoutError:
            return "does not answer"
        except Exception as problem:
            return type(problem).__name__
