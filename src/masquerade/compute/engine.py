"""Where parts are computed: the seam, and the engine for the processes of this machine.

An engine runs one function on many parts, each in one place, and tells what happens as it happens. It also
keeps actors: objects that live in a process of their own, hold what they are told, and answer questions by
their public methods.

    for event in engine.run(f, [arguments, ...]):      # "started", "done", "failed", "waiting"
        engine.value(event.result)                     # a result comes here only when it is asked for
    actor = engine.actor(Class, *arguments)
    actor.ask("method", *arguments)                    # results among the arguments go there, not here

This is the one place of the core that starts processes and reads a clock.

**Trust.** An engine isolates nobody. Processes of one user on one machine can read each other's memory;
whoever administers a machine or a cluster sees everything on it. Use an engine inside one organisation only.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, Protocol, cast

from masquerade.compute.worker import attempt, read_frame, write_frame
from masquerade.errors import BadInput, EngineProblem, ProtocolProblem

TICK = 0.2
"""Seconds after which a run says that it waits, if nothing else happened."""
PATIENCE = 300.0
"""Seconds in which an actor must answer."""
_NOTHING = bytes(8)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """Something that happened in a run. ``at`` is on the clock of ``time.monotonic``, in seconds.

    ``index`` says with which part (-1 for "waiting"). ``result`` of "done" is for :meth:`Engine.value` or
    :meth:`Actor.ask`; ``reason`` of "failed" holds no value of the data.
    """

    kind: Literal["started", "done", "failed", "waiting"]
    index: int
    at: float
    result: Any = None
    reason: str = ""


class Actor(Protocol):
    """An object in a process of its own."""

    def ask(self, method: str, *arguments: Any) -> Any:
        """What the object's method returns.

        Raises:
            EngineProblem: its process is gone, or it does not answer.
            ProtocolProblem: the method raised; the message is that of the package's own errors, or names the
                place.
        """

    def stop(self) -> None:
        """End its process; what it held is gone."""


class Engine(Protocol):
    """What :func:`masquerade.compute.total` needs of a place to compute."""

    def run(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        *,
        timeout: float | None = None,
        retries: int = 2,
    ) -> Iterator[Event]:
        """Compute ``function(*arguments)`` for each of ``calls``, and yield what happens, until all have
        ended.

        A call whose process or node died is tried again, ``retries`` times at most; one that raised, or that
        ran for more than ``timeout`` seconds, has failed. Whoever stops reading stops the run.
        """

    def value(self, result: Any) -> Any:
        """The result of a "done" event, brought here."""

    def actor(self, make: type, *arguments: Any) -> Actor:
        """A new ``make(*arguments)`` in a process of its own, on a node of its own where there are
        several."""

    def close(self) -> None:
        """End every process that this engine started."""


class LocalEngine:
    """Processes of this machine: the default.

    Each is a fresh interpreter with the environment and module path of this one; functions and data reach it
    pickled, by ``cloudpickle``, so that functions of a script, a notebook or a closure travel by value.
    (Plain pickle would take only functions of importable modules.) A result comes back packed as soon as it
    is there, so that the end of a process takes none away. Processes start when there is work, at most
    ``processes`` of them compute at a time, and each holds one part at a time. They end with :meth:`close`,
    or with this process, however it ends. Libraries of linear algebra get one thread each, unless the
    environment says otherwise.

    Args:
        processes: how many compute at a time; None: as many as this process may use cores.
    """

    def __init__(self, processes: int | None = None) -> None:
        if processes is not None and processes < 1:
            raise BadInput("an engine needs at least one process")
        self._limit = processes or _cores()
        self._inbox: _Inbox = queue.SimpleQueue()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._close = weakref.finalize(self, _end_all, self._all)

    def run(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        *,
        timeout: float | None = None,
        retries: int = 2,
    ) -> Iterator[Event]:
        """See :meth:`Engine.run`."""
        packed = pack(function, "the function")
        head = len(packed).to_bytes(8, "little")
        waiting, tries = deque(range(len(calls))), [0] * len(calls)
        busy: dict[_Process, tuple[int, float]] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self._limit:
                    index = waiting.popleft()
                    try:
                        body = pack(calls[index], "the part")
                    except BadInput as problem:
                        yield Event("failed", index, time.monotonic(), reason=str(problem))
                        continue
                    process = self._idle.pop() if self._idle else self._start(self._inbox)
                    busy[process] = index, time.monotonic()
                    known = process.knows is packed
                    process.knows = packed
                    process.send(b"R", _NOTHING if known else head, b"" if known else packed, body)
                    yield Event("started", index, time.monotonic())
                yield self._next(busy, waiting, tries, timeout, retries)
        finally:
            for process in busy:  # whoever stops reading wants no more of it
                self._end(process)

    def value(self, result: Any) -> Any:
        """See :meth:`Engine.value`."""
        import cloudpickle

        return cloudpickle.loads(result.packed) if isinstance(result, Packed) else result

    def actor(self, make: type, *arguments: Any) -> Actor:
        """See :meth:`Engine.actor`."""
        inbox: _Inbox = queue.SimpleQueue()
        actor = _LocalActor(self, self._start(inbox), inbox)
        actor.request(b"M", make, arguments)
        return actor

    def close(self) -> None:
        """See :meth:`Engine.close`. A closed engine starts anew when it is used."""
        _end_all(self._all)
        self._idle.clear()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(
        self,
        busy: dict[_Process, tuple[int, float]],
        waiting: deque[int],
        tries: list[int],
        timeout: float | None,
        retries: int,
    ) -> Event:
        """Wait for the next thing that happens to a busy process."""
        now = time.monotonic()
        patience = TICK if timeout is None or not busy else timeout - (now - min(t for _, t in busy.values()))
        try:
            process, frame = self._inbox.get(timeout=min(max(patience, 0.0), TICK))
        except queue.Empty:
            return self._overdue(busy, timeout)
        now = time.monotonic()
        if process not in busy:  # the last words of one that was ended
            return Event("waiting", -1, now)
        index, _ = busy.pop(process)
        if frame is None:
            tries[index] += 1
            cause = self._end(process)
            if tries[index] > retries:
                return Event(
                    "failed", index, now, reason=f"its process died {tries[index]} times, by {cause}"
                )
            waiting.appendleft(index)
            return Event("waiting", -1, now)
        self._idle.append(process)
        if frame[:1] == b"D":
            return Event("done", index, now, Packed(frame[1:]))
        return Event("failed", index, now, reason=frame[1:].decode())

    def _overdue(self, busy: dict[_Process, tuple[int, float]], timeout: float | None) -> Event:
        now = time.monotonic()
        if timeout is not None:
            for process, (index, since) in busy.items():
                if now - since >= timeout:
                    del busy[process]
                    self._end(process)
                    return Event("failed", index, now, reason=f"no result in {timeout:g} s, so it was ended")
        return Event("waiting", -1, now)

    def _start(self, inbox: _Inbox) -> _Process:
        process = _Process(inbox)
        self._all.add(process)
        return process

    def _end(self, process: _Process) -> str:
        self._all.discard(process)
        return process.end()


@dataclass(frozen=True, slots=True, repr=False)
class Packed:
    """A result as it came from the process that made it, not yet read."""

    packed: bytes


class _Process:
    """One child, and a thread that puts what it says into an inbox; None says that it is gone."""

    def __init__(self, inbox: _Inbox) -> None:
        if not sys.executable:
            raise EngineProblem("no Python interpreter is known here that could be started")
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
        environment = {**dict.fromkeys(_THREADS, "1"), **os.environ, "PYTHONPATH": path}
        try:
            child = subprocess.Popen(
                [sys.executable, "-c", "from masquerade.compute.worker import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
        except OSError:
            raise EngineProblem("a process could not be started: too many, or no memory") from None
        self._child = child
        self.knows: bytes | None = None  # the function that it got last
        self._to, self._from = cast(IO[bytes], child.stdin), cast(IO[bytes], child.stdout)
        self._listener = threading.Thread(target=self._listen, args=(inbox,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, *pieces: bytes) -> None:
        """One frame; a child that is gone says so in the inbox."""
        with contextlib.suppress(OSError):
            write_frame(self._to, *pieces)

    def end(self) -> str:
        """Kill the child, and say what it had died by."""
        status = self._child.poll()
        if status is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._child.wait(0.05 if not self._listener.is_alive() else 0)
        self._child.kill()
        self._child.wait()
        self._listener.join()
        for stream in (self._to, self._from):
            with contextlib.suppress(OSError):
                stream.close()
        if status is not None and status < 0:
            return f"signal {signal.Signals(-status).name}"
        return f"exit status {status}"

    def _listen(self, inbox: _Inbox) -> None:
        while (frame := read_frame(self._from)) is not None:
            inbox.put((self, frame))
        inbox.put((self, None))


_Inbox = queue.SimpleQueue[tuple[_Process, bytes | None]]


class _LocalActor:
    def __init__(self, engine: LocalEngine, process: _Process, inbox: _Inbox) -> None:
        self._engine, self._process, self._inbox = engine, process, inbox

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, method: str, *arguments: Any) -> Any:
        """See :meth:`Actor.ask`."""
        return self.request(b"A", method, tuple(self._engine.value(argument) for argument in arguments))

    def request(self, letter: bytes, name: Any, arguments: tuple[Any, ...]) -> Any:
        self._process.send(letter, pack((name, arguments), "the request"))
        try:
            _, frame = self._inbox.get(timeout=PATIENCE)
        except queue.Empty:
            self.stop()
            raise EngineProblem(f"an actor gave no answer in {PATIENCE:g} s") from None
        if frame is None:
            self._inbox.put((self._process, None))
            raise EngineProblem("the process of an actor is gone, and what it held with it: start again")
        if frame[:1] == b"F":
            raise ProtocolProblem(frame[1:].decode())
        return self._engine.value(Packed(frame[1:]))

    def stop(self) -> None:
        """See :meth:`Actor.stop`."""
        self._engine._end(self._process)


def pack(value: Any, what: str) -> bytes:
    """``value`` as bytes for another process; raises ``BadInput``, which says why and shows nothing of it."""
    import cloudpickle

    return bytes(sent(what, lambda: cloudpickle.dumps(value, protocol=5)))


def sent(what: str, send: Callable[[], Any]) -> Any:
    """What ``send`` returns; raises ``BadInput`` as :func:`pack`."""
    done, result = attempt(send)
    if not done:
        raise BadInput(f"{what} cannot be sent to another process ({result})")
    return result


def _end_all(processes: set[_Process]) -> None:
    while processes:
        processes.pop().end()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
