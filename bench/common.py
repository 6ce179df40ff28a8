"""What the benches share: CPU clocks, medians, tables, children that cannot outlive their parent."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
console = Console(stderr=False, width=160 if not sys.stdout.isatty() else None)


def options(description: str) -> argparse.ArgumentParser:
    """The options that every bench has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--quick", action="store_true", help="about 20 seconds: fewer rounds, sizes and languages"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--seed", type=int, default=1, help="of the generator of texts (default 1)")
    return parser


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cpu": model,
        "cores": str(os.cpu_count()),
    }


def version(package: str) -> str | None:
    """The installed version of ``package``, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def middle(values: Iterable[float]) -> float:
    """The median; not a number when there are no values."""
    values = list(values)
    return median(values) if values else float("nan")


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def rounds(tasks: Mapping[str, Callable[[], object]], turns: int, seed: int) -> dict[str, list[float]]:
    """CPU seconds of each task in every round, after one that warms up; each round in another order."""
    found: dict[str, list[float]] = {name: [] for name in tasks}
    order = list(tasks)
    for turn in range(turns + 1):
        random.Random(f"{seed} {turn}").shuffle(order)
        for name in order:
            spent = seconds(tasks[name])
            if turn:
                found[name].append(spent)
    return found


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> None:
    """Print a table; the first column is text, the others are numbers."""
    out = Table(title=title, caption=note or None, title_justify="left", caption_justify="left")
    for index, column in enumerate(columns):
        out.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in rows:
        out.add_row(*map(str, row))
    console.print(out)


def number(value: float | None, digits: int = 3) -> str:
    """A figure with ``digits`` significant digits; a dash where there is none."""
    if value is None or value != value:
        return "-"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def dump(result: dict[str, Any]) -> None:
    """The whole result as JSON; figures that could not be measured are null."""
    print(json.dumps(_without_nan(result), indent=1, ensure_ascii=False))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and value != value else value


# -- processes -----------------------------------------------------------------------------------------


def start(command: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
    """Start a child whose standard input is a pipe of ours: it closes when we end, however we end."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, **more)


def stop(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """End children that :func:`start` gave, first politely."""
    children = [child for child in children if child.poll() is None]
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(5)


def cpu_seconds(pid: int) -> float:
    """CPU time of the process ``pid``, all its threads, in seconds.

    By the process's own CPU clock (Linux, nanoseconds), else by /proc or psutil, whose step is a tick.
    """
    if sys.platform == "linux":
        try:
            return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)
        except OSError:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident_mb(pid: int) -> float:
    """Resident memory of the process ``pid``, in MB (10^6 bytes)."""
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    import psutil

    return float(psutil.Process(pid).memory_info().rss) / 1e6


def descendants(pid: int) -> list[int]:
    """``pid`` and all the processes below it."""
    found = [pid]
    for child in _lines(f"/proc/{pid}/task/{pid}/children"):
        for word in child.split():
            found += descendants(int(word))
    return found


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
