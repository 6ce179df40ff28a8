"""Looking for bytes in the memory of a process that waits (Linux): what it holds, or lately held."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PIECE = 1 << 20


def need() -> None:
    """Skip where memory cannot be read."""
    try:
        with Path("/proc/self/mem").open("rb"):
            pass
    except OSError:
        pytest.skip("the memory of processes is not readable here (Linux, as their owner)")


class Watched:
    """A program that prints lists, and after each waits for a line: time to look into it."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._to, self._lines, self.pid = child.stdin, child.stdout, child.pid

    def answer(self) -> Any:
        """The next list, among what Ray says of nodes that were killed."""
        line = self._lines.readline()
        while line and not line.startswith("["):
            line = self._lines.readline()
        return json.loads(line)

    def go_on(self) -> None:
        self._to.write("\n")
        self._to.flush()


@contextmanager
def watched(program: str, *arguments: str) -> Iterator[Watched]:
    """``program`` in a process of its own, which ends with this."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as child:
        try:
            yield Watched(child)
        finally:
            child.kill()


def held(pid: int, traces: Iterable[bytes]) -> set[bytes]:
    """Those of ``traces`` that are somewhere in the readable memory of the process ``pid``."""
    wanted, found = set(traces), set()
    longest = max(map(len, wanted))
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, access = line.split()[:2]
            if not access.startswith("rw") or "[v" in line:
                continue
            start, stop = (int(side, 16) for side in area.split("-"))
            for at in range(start, stop, PIECE):
                try:
                    memory.seek(at)
                    piece = memory.read(min(PIECE + longest, stop - at))
                except (OSError, ValueError, OverflowError):
                    break
                if not piece.strip(b"\0"):
                    continue  # room that was never used
                found |= {trace for trace in wanted - found if trace in piece}
    return found
