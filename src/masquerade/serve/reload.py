"""Files that a running gateway reads anew: when they change, and when it is told to (SIGHUP).

A file is looked at every second: its time, size and inode. It is read once it has been the same for
:data:`REST_SECONDS`, since an editor may still be writing, and counts only if it is the same after it was
read. What it says is made ready in a thread, and then taken in one step between two others of the event loop:
a request has the old or the new, and keeps it to its end. What is impossible is not taken: the old stays in
force, and the log says why, by kind and line, never by what stands there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple, TypeAlias

from masquerade.errors import BadInput, MissingPackage, PolicyProblem

LOOK_SECONDS = 1.0
"""From one look at a file to the next."""
REST_SECONDS = 2.0
"""How long a file must have been the same before it is read; SIGHUP does not wait."""

Outcome: TypeAlias = Literal["taken", "refused"]
Tell: TypeAlias = Callable[[str, Outcome, dict[str, Any]], None]


class _Stamp(NamedTuple):
    time: int
    size: int
    inode: int


@dataclass
class Source:
    """One file: what it is, where, how it is read (in a thread), and what is done with what it says."""

    name: str
    path: Path
    load: Callable[[], Any]
    take: Callable[[Any], None]
    stale: bool = False
    """Whether what it says now is not in force."""
    wanted: bool = False
    """Whether it is to be read at once."""
    due: bool = False
    """Whether it is to be read as soon as it rests, watched or not."""
    known: _Stamp | None = field(init=False)
    seen: _Stamp | None = field(init=False)
    since: float = field(init=False)

    def __post_init__(self) -> None:
        self.known = self.seen = _stamp(self.path)
        self.since = monotonic()


class Reloader:
    """Reads ``sources`` anew. Made before they are first read, so that no change is missed; belongs to one
    event loop. ``tell`` is told of each outcome; without ``watch`` nothing is read unless asked for."""

    def __init__(self, sources: list[Source], tell: Tell, *, watch: bool) -> None:
        self._sources, self._tell, self._watch = sources, tell, watch
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        if self._sources:
            self._task = asyncio.ensure_future(self._run())

    def ask(self) -> None:
        """Read everything now."""
        for source in self._sources:
            source.wanted = True
        self._asked.set()

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def state(self, name: str) -> str | None:
        """``loaded`` or ``stale``; None: there is no such file."""
        return next(("stale" if s.stale else "loaded" for s in self._sources if s.name == name), None)

    async def _run(self) -> None:
        for source in self._sources:  # it may have changed while the process began
            source.due = await asyncio.to_thread(_stamp, source.path) != source.known
        while True:
            self._asked.clear()
            for source in self._sources:
                await self._look(source)
            pending = self._watch or any(source.due for source in self._sources)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS if pending else None):
                    await self._asked.wait()

    async def _look(self, source: Source) -> None:
        stamp, now = await asyncio.to_thread(_stamp, source.path), monotonic()
        if stamp != source.seen:
            source.seen, source.since = stamp, now
        rested = (self._watch or source.due) and stamp != source.known and now - source.since >= REST_SECONDS
        if source.wanted or rested:
            await self._read(source, stamp)

    async def _read(self, source: Source, stamp: _Stamp | None) -> None:
        source.wanted, made, problem = False, None, None
        try:
            made = await asyncio.to_thread(source.load)
        except Exception as fault:
            problem = fault
        after = await asyncio.to_thread(_stamp, source.path)
        source.due = after != stamp  # it is being written
        if source.due:
            return
        if problem is None:
            try:
                source.take(made)
            except Exception as fault:  # a file that is gone again by now: the next look must still come
                problem = fault
        source.known, source.stale = stamp, problem is not None
        if problem is None:
            self._tell(source.name, "taken", {})
        else:
            self._tell(source.name, "refused", _why(problem, stamp))


def _why(problem: Exception, stamp: _Stamp | None) -> dict[str, Any]:
    """What may be said of a file that is refused; not its message, which may name what a person wrote."""
    told: dict[str, Any] = {"reason": _reason(problem) if stamp else "missing"}
    if line := getattr(problem, "line", None):
        told["line"] = line
    return told


def _reason(problem: Exception) -> str:
    if isinstance(problem, PolicyProblem | BadInput):
        return "impossible"
    if isinstance(problem, MissingPackage):
        return "missing package"
    return type(problem).__name__


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
