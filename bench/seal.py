"""Sealing and opening, side by side with pyrage (age) and with what the machine can do.

    python bench/seal.py [--quick] [--json]

Times are CPU time of the process, everything in one thread. Contestants take turns, round by round; a figure
is the median over rounds. Memory is the peak of a process of its own that runs the command on a file.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import console, dump, machine, middle, number, options, rounds, table, version
from masquerade import crypto, seal
from masquerade.crypto import Kem
from masquerade.keys import Identity
from masquerade.seal.envelope import In

PIECE = 1 << 20
BLOCK = random.Random(1).randbytes(PIECE)
OURS = "Masquerade"
OWNER, RECEIVER = Identity.generate(), Identity.generate()


class Source(io.RawIOBase):
    """``size`` bytes out of memory, one block again and again."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), self._left, PIECE)
        buffer[:n] = BLOCK[:n] if n < PIECE else BLOCK
        self._left -= n
        return n

    def read(self, n: int = -1) -> bytes:
        n = min(self._left, PIECE if n < 0 else min(n, PIECE))
        self._left -= n
        return BLOCK[:n]


class Null:
    """Where everything may be written."""

    def write(self, data: Any) -> int:
        return len(data)

    def seek(self, offset: int) -> int:
        return offset

    def flush(self) -> None: ...


def sealed(size: int, recipients: int = 1) -> bytes:
    out = io.BytesIO()
    ours_seal(out, size, recipients)
    return out.getvalue()


def ours_seal(out: Any, size: int, recipients: int = 1) -> None:
    to = [
        seal.Recipient.of(RECEIVER),
        *(seal.Recipient.of(Identity.generate()) for _ in range(recipients - 1)),
    ]
    make: Callable[[], In] = lambda: Source(size)  # type: ignore[assignment, return-value]  # noqa: E731
    seal.seal(out, [seal.Entry("model", size, make)], to, OWNER, sequence=1)


def ours_open(data: bytes) -> None:
    package = seal.open(io.BytesIO(data), RECEIVER, OWNER.public)
    for part in package.parts("model"):
        len(part)
    package.finish()


def memory(size: int, turns: int, seed: int) -> dict[str, Any]:
    """GB a CPU second, from memory to nowhere."""
    many = sealed(size)
    pieces, out = crypto.Pieces(bytes(32)), bytearray(PIECE + 16)
    block = bytearray(BLOCK)

    def bare() -> None:
        for n in range(size // PIECE):
            pieces.seal_into(n, False, block, out)

    def hashed() -> None:
        for _ in range(size // PIECE):
            crypto.blake3(block)

    tasks: dict[str, Callable[[], object]] = {
        "AES-256-GCM alone": bare,
        "BLAKE3 alone": hashed,
        f"{OURS}: seal": lambda: ours_seal(Null(), size),
        f"{OURS}: seal to 10": lambda: ours_seal(Null(), size, 10),
        f"{OURS}: open": lambda: ours_open(many),
    }
    if version("pyrage"):
        import pyrage

        identity = pyrage.x25519.Identity.generate()
        theirs = io.BytesIO()
        pyrage.encrypt_io(Source(size), theirs, [identity.to_public()])
        tasks["pyrage: encrypt"] = lambda: pyrage.encrypt_io(Source(size), Null(), [identity.to_public()])
        tasks["pyrage: decrypt"] = lambda: pyrage.decrypt_io(
            io.BytesIO(theirs.getvalue()), Null(), [identity]
        )
    found = rounds(tasks, turns, seed)
    rates = {name: [size / 1e9 / spent for spent in times] for name, times in found.items()}
    return {
        "bytes": size,
        "gb_per_s": {name: middle(figures) for name, figures in rates.items()},
        "spread": {name: [min(figures), max(figures)] for name, figures in rates.items()},
    }


def small(turns: int, seed: int) -> dict[str, float]:
    """Milliseconds for a package of one kilobyte."""
    times = 20
    files = {kem: seal.Recipient.of(RECEIVER, kem) for kem in Kem}

    def make(kem: Kem) -> bytes:
        out = io.BytesIO()
        entry = seal.Entry("a", 1000, lambda: io.BytesIO(bytes(1000)))
        seal.seal(out, [entry], [files[kem]], OWNER, sequence=1)
        return out.getvalue()

    done = {kem: make(kem) for kem in Kem}

    def again(work: Callable[[], object]) -> Callable[[], object]:
        return lambda: [work() for _ in range(times)]

    tasks: dict[str, Callable[[], object]] = {}
    for kem in Kem:
        name = "ML-KEM-768 + X25519" if kem is Kem.HYBRID else "X25519"
        tasks[f"{OURS}: seal, {name}"] = again(lambda kem=kem: make(kem))  # type: ignore[misc]
        tasks[f"{OURS}: open, {name}"] = again(
            lambda kem=kem: seal.open(io.BytesIO(done[kem]), RECEIVER, OWNER.public).read("a")  # type: ignore[misc]
        )
    if version("pyrage"):
        import pyrage

        identity = pyrage.x25519.Identity.generate()
        theirs = pyrage.encrypt(bytes(1000), [identity.to_public()])
        tasks["pyrage: encrypt, X25519"] = again(lambda: pyrage.encrypt(bytes(1000), [identity.to_public()]))
        tasks["pyrage: decrypt, X25519"] = again(lambda: pyrage.decrypt(theirs, [identity]))
    return {name: middle(times_) / times * 1e3 for name, times_ in rounds(tasks, turns, seed).items()}


CHILD = """
import resource, sys, time
def usage():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
if sys.argv[1] == "pyrage":
    import pyrage
    identity = pyrage.x25519.Identity.generate()
    start = time.process_time()
    pyrage.encrypt_file(sys.argv[2], sys.argv[3], [identity.to_public()])
    middle = time.process_time()
    pyrage.decrypt_file(sys.argv[3], sys.argv[4], [identity])
    print(usage(), middle - start, time.process_time() - middle)
else:
    from masquerade.serve import cli
    code = cli.main(sys.argv[1:])
    print(usage(), time.process_time(), code)
"""


def command(size: int) -> dict[str, list[float]]:
    """Peak memory in MB and CPU seconds of the command on a file, disk included."""
    with tempfile.TemporaryDirectory() as folder:
        home = {**os.environ, "MASQUERADE_HOME": folder}

        def child(*argv: str) -> list[float]:
            done = subprocess.run(
                [sys.executable, "-c", CHILD, *argv], cwd=folder, env=home, capture_output=True, text=True,
                check=True, timeout=600,
            )  # fmt: skip
            return [float(word) for word in done.stdout.split()[-3:]]

        for name in ("a", "b"):
            child("keys", "new", name)
        with (Path(folder) / "model").open("wb") as file:
            for _ in range(size // PIECE):
                file.write(BLOCK)
        told = {
            "seal": child("seal", "model", "--to", "b.recipient", "--sign", "a", "-q", "-o", "m"),
            "open": child("open", "m", "--key", "b", "--from", "a.recipient", "-q", "-o", "out"),
            "inspect": child("inspect", "m"),
        }
        assert (Path(folder) / "out" / "model").read_bytes()[-PIECE:] == BLOCK
        (Path(folder) / "out" / "model").unlink()
        (Path(folder) / "m").unlink()
        if version("pyrage"):
            peak, one, two = child("pyrage", "model", "m.age", "back")
            told |= {"pyrage: encrypt_file": [peak, one], "pyrage: decrypt_file": [peak, two]}
        return {name: figures[:2] for name, figures in told.items()}


def main() -> None:
    args = options(__doc__.splitlines()[0]).parse_args()
    turns, size = (3, 1 << 27) if args.quick else (7, 1 << 29)
    whole = 1 << 28 if args.quick else 2_000_000_000 // PIECE * PIECE
    result = {
        "machine": machine(),
        "pyrage": version("pyrage"),
        "memory": memory(size, turns, args.seed),
        "small_ms": small(turns, args.seed),
        "command": {"bytes": whole, "peak_mb_and_cpu_s": command(whole)},
    }
    if args.json:
        dump(result)
        return
    console.print(json.dumps(result["machine"]))
    rates, spread = result["memory"]["gb_per_s"], result["memory"]["spread"]
    table(
        f"Memory to nowhere, {size / 1e6:,.0f} MB", ("GB a CPU second", "median", "least", "most"),
        [(name, number(rate), *map(number, spread[name])) for name, rate in rates.items()],
    )  # fmt: skip
    table(
        "A package of 1 kB", ("what", "ms"), [(name, number(ms)) for name, ms in result["small_ms"].items()]
    )
    table(
        f"The command, {whole / 1e9:.2g} GB, disk included", ("verb", "peak MB", "CPU s", "GB/CPU s"),
        [(name, number(peak), number(cpu), number(whole / 1e9 / cpu))
         for name, (peak, cpu) in result["command"]["peak_mb_and_cpu_s"].items()],
        "" if version("pyrage") else "pyrage is not installed",
    )  # fmt: skip


if __name__ == "__main__":
    main()
