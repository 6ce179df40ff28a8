"""What the journal costs: a record, a line that is verified, a line that is verified and counted.

    python bench/journal.py [LINES]

Times are CPU time of the process, the journal's thread with its checkpoints included. The default is a
million lines, some 430 MB, in a temporary folder.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from masquerade import Key, Policy
from masquerade.mask.span import KINDS
from masquerade.serve.journal import Entry, Journal, Verdict, signers
from masquerade.serve.proof import Reading
from masquerade.serve.record_page import page
from masquerade.serve.report import About, record, tallied

KEY, VERSION, NAMES = Key.generate(), Policy().version, list(KINDS)


def entry(i: int) -> Entry:
    """One of many: up to five kinds, three recipients, seven tenants."""
    found = {NAMES[(i + k) % 9]: {"token": 1 + k} for k in range(i % 6)}
    return Entry(
        f"tenant-{i % 7}", f"{i:018x}", "chat", VERSION, Verdict.SENT, status=200, found=found,
        recipient=f"host-{i % 3}.example.com", restored=i % 4,
        bytes_in=1000 + i % 977, bytes_out=2000 + i % 1009, mask_seconds=i % 101 / 10_000,
        upstream_seconds=i % 211 / 100, seconds=i % 223 / 100,
    )  # fmt: skip


def measured(what: str, lines: int, work: Callable[[], object]) -> None:
    """Do it, and print what a line took."""
    before = time.process_time()
    work()
    seconds = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what:28} {1e6 * seconds / lines:6.2f} us a line {lines / seconds:12,.0f} a second {peak:6.0f} MB"
    )


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Journal(folder, KEY) as journal:

            def write() -> None:
                for i in range(lines):
                    journal.record(entry(i))

            def report() -> None:
                reading = Reading(folder, signers(KEY))
                page(record(tallied(reading), reading, About(), made="now"))

            measured("entry, record", lines, write)
        measured("verify", lines, lambda: Reading(folder, signers(KEY)).verify())
        measured("verify, count, page", lines, report)
        measured("making the entries alone", lines, lambda: [entry(i) and None for i in range(lines)])


if __name__ == "__main__":
    main()
