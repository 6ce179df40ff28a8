"""Looking for bytes in the memory of a process that waits (Linux): what it holds, or lately held."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

PIECE = 1 << 20


def need() -> None:
    """Skip where memory cannot be read."""
    try:
        with Path("/proc/self/mem").open("rb"):
            pass
    except OSError:
        pytest.skip("the memory of processes is not readable here (Linux, as their owner)")


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
