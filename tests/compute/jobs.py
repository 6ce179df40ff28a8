"""What the tests of engines compute."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

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

    def fail(self) -> None:
        raise KeyError(CANARY)
