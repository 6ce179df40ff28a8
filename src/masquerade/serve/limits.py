"""What a private training may take of its machine: declared before, looked at on the way."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from pathlib import Path

from masquerade.errors import BadInput

_MB = 1e6
_MARGIN = 1.1
"""A step is not exactly as long as the first one."""


class MachineLimits:
    """Processor time and memory of this process (:class:`masquerade.transfer.train.Limits`).

    Args:
        cpu_seconds: from the start of the process to the end of the training; None: as much as it takes.
        memory: the most it may hold at a time, in megabytes; None: as much as it takes.

    Raises:
        BadInput: a limit is not above 0.
    """

    def __init__(self, cpu_seconds: float | None = None, memory: float | None = None) -> None:
        for name, limit in (("processor seconds", cpu_seconds), ("megabytes", memory)):
            if limit is not None and not 0 < limit < math.inf:
                raise BadInput(f"a limit of {name} is above 0")
        if memory is not None and math.isnan(most_memory()):
            raise BadInput("this system does not tell how much memory a process takes: set no limit of it")
        self._seconds, self._memory, self._began = cpu_seconds, memory, 0.0

    def begin(self) -> None:
        """What is used from now on is the first step."""
        self._began = time.process_time()

    def tried(self, steps: int) -> None:
        """Raises BadInput if so many steps like the first one do not fit; it says how many would."""
        used = time.process_time()
        step = max(1e-9, (used - self._began) * _MARGIN)
        if self._seconds is not None and self._began + step * steps > self._seconds:
            fit = max(0, int((self._seconds - self._began) / step))
            raise BadInput(
                f"{steps} steps would take about {self._began + step * steps:.0f} processor seconds, and "
                f"{self._seconds:g} are allowed; nothing was paid. Take "
                + (f"{fit} steps, or smaller batches" if fit else "smaller batches")
            )
        if self._memory is not None and (peak := most_memory()) > self._memory:
            raise BadInput(
                f"the training takes {peak:.0f} MB, and {self._memory:g} are allowed; nothing was paid. Take "
                "smaller batches, or fewer features"
            )

    def go_on(self) -> bool:
        """Whether there is time left."""
        return self._seconds is None or time.process_time() < self._seconds


def most_memory() -> float:
    """The most that this process has held, in megabytes; NaN where the system does not tell."""
    with contextlib.suppress(
        OSError
    ):  # Linux, whose getrusage counts what held the process that started this
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / _MB
    try:
        import resource
    except ImportError:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB * (1 if sys.platform == "darwin" else 1024)
