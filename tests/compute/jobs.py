"""What the tests of engines compute."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from masquerade.compute.engine import Engine, Event
from masquerade.compute.worker import attempt

CANARY = "canary-e5b0"


def square(x: Any) -> Any:
    return x * x


def pid(_: Any) -> int:
    return os.getpid()


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def die(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marker: str) -> int:
    """The first process that comes here is killed in the middle of its work; the next one is not."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def complain(x: Any) -> Any:
    if x == 3:
        raise ValueError(f"{CANARY} is no good")
    return x


def leave(_: Any) -> None:
    raise SystemExit(CANARY)


def talk(x: Any) -> Any:
    print("printed")
    assert input is not None
    return x


def refuse() -> None:
    raise ImportError(CANARY)


@dataclass(frozen=True)
class Moments:
    count: Any
    sums: Any


class Pair(NamedTuple):
    left: Any
    right: Any


class Unreadable:
    """A function that can be sent and not received."""

    def __call__(self, x: Any) -> Any:
        return x

    def __reduce__(self) -> Any:
        return refuse, ()


class Cell:
    """An actor."""

    def __init__(self, start: Any) -> None:
        self.value = start

    def add(self, *more: Any) -> Any:
        for each in more:
            self.value += each
        return self.value

    def where(self) -> int:
        return os.getpid()

    def node(self) -> str:
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def doze(self, seconds: float) -> None:
        time.sleep(seconds)

    def fail(self) -> None:
        raise KeyError(CANARY)


def results(engine: Engine, f: Callable[..., Any], calls: Sequence[Any], **options: Any) -> list[Any]:
    """What each call gives, or the reason why it failed."""
    found: dict[int, Any] = {}
    for event in engine.run(f, [(call,) for call in calls], **options):
        if event.kind == "done":
            found[event.index] = engine.value(event.result)
        elif event.kind == "failed":
            found[event.index] = event.reason
    return [found[i] for i in range(len(calls))]


class Here:
    """An engine that computes in this very process: for laws, where processes would cost too much."""

    def run(self, function: Any, calls: Any, *, timeout: float | None = None, retries: int = 2) -> Any:
        for index, arguments in enumerate(calls):
            yield Event("started", index, float(index))
            done, result = attempt(lambda arguments=arguments: function(*arguments))
            if done:
                yield Event("done", index, index + 0.5, result)
            else:
                yield Event("failed", index, index + 0.5, reason=result)

    def value(self, result: Any) -> Any:
        return result

    def actor(self, make: type, *arguments: Any) -> Any:
        return HereActor(make(*arguments))

    def close(self) -> None:
        pass


class HereActor:
    def __init__(self, made: Any) -> None:
        self.made = made

    def ask(self, method: str, *arguments: Any) -> Any:
        return getattr(self.made, method)(*arguments)

    def stop(self) -> None:
        pass


def canary(part: int) -> float:
    """A number that only who computes it knows, of 52 bits, exact in fixed point with 24 bits after the
    point."""
    digest = sha256(f"canary {part}".encode()).digest()
    return int.from_bytes(digest[:6], "little") / 2**20


def canaries(part: int) -> Any:
    return np.full(4096, canary(part))


def many_canaries(part: int) -> Any:
    """So many that Ray keeps them in the store of the node, not beside the message."""
    return np.full(40_000, canary(part))


def traces(part: int) -> list[bytes]:
    """How the canary looks in memory: as a float, as a word of the sum, as text."""
    value = canary(part)
    words = [np.full(2, value), np.full(2, int(value * 2**24), np.uint64)]
    return [*(each.tobytes() for each in words), repr(value).encode()]
