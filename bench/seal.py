"""Sealing and opening 2 GB from memory to nowhere, beside age (pyrage): GB a CPU second, and memory."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from typing import Any

import common
from masquerade.keys import Identity
from masquerade.seal.envelope import PIECE_BYTES, Sealed, seal
from masquerade.seal.manifest import Member

ALICE, BOB = Identity(bytes([1]) * 32), Identity(bytes([2]) * 32)


class Ring:
    """A file of ``size`` bytes that repeats one piece: reading it costs a copy, as from the page cache."""

    def __init__(self, size: int) -> None:
        self._left, self._piece = size, memoryview(bytes(range(256)) * (PIECE_BYTES // 256))

    def read(self, size: int = -1) -> bytes:
        count = min(size, self._left, PIECE_BYTES)
        self._left -= count
        return bytes(self._piece[:count])


def package(size: int) -> Any:
    return seal([(Member("x", size), Ring(size))], to=[BOB.recipient], sign=ALICE, name="bench", number=0)


def ours_seal(size: int) -> float:
    start = time.process_time()
    for _ in package(size):
        pass
    return size / 1e9 / (time.process_time() - start)


class Made:
    """A package as a file that is made while it is read; the time of making is taken off."""

    def __init__(self, size: int) -> None:
        self._pieces, self._rest, self.spent = package(size), b"", 0.0

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            start = time.process_time()
            self._rest = bytes(next(self._pieces, b""))
            self.spent += time.process_time() - start
        some, self._rest = self._rest[:size], self._rest[size:]
        return some


def ours_open(size: int) -> float:
    start = time.process_time()
    file = Made(size)
    for _ in Sealed.read(file).open(BOB, ALICE.recipient).chunks(file):
        pass
    return size / 1e9 / (time.process_time() - start - file.spent)


def age(size: int) -> tuple[float, float]:
    from pyrage import decrypt_io, encrypt_io, x25519

    identity = x25519.Identity.generate()
    data, out, back = io.BytesIO(bytes(size)), io.BytesIO(), io.BytesIO()
    start = time.process_time()
    encrypt_io(data, out, [identity.to_public()])
    sealed = time.process_time() - start
    out.seek(0)
    start = time.process_time()
    decrypt_io(out, back, [identity])
    return size / 1e9 / sealed, size / 1e9 / (time.process_time() - start)


def alone(call: Callable[[int], Any], size: int) -> tuple[Any, float]:
    """The result of ``call`` in a process of its own, and the rise of its memory in MB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measured, call, size).result()


def _measured(call: Callable[[int], Any], size: int) -> tuple[Any, float]:
    call(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = call(size)
    return result, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e6


def main() -> None:
    told = common.options(__doc__ or "").parse_args()
    size, rounds = (200_000_000, 1) if told.quick else (2_000_000_000, 3)
    rows: list[dict[str, Any]] = []
    for verb, call in (("seal", ours_seal), ("open", ours_open)):
        runs = [alone(call, size) for _ in range(rounds)]
        rows.append({"tool": "masquerade", "verb": verb, "gb_per_s": median(run[0] for run in runs),
                     "memory_mb": max(run[1] for run in runs)})  # fmt: skip
    try:
        peer = [alone(age, min(size, 200_000_000)) for _ in range(rounds)]
    except ImportError:
        peer = []
    for at, verb in enumerate(("seal", "open") if peer else ()):
        speed, memory = median(run[0][at] for run in peer), max(run[1] for run in peer)
        name = f"pyrage {common.version('pyrage')}"
        rows.append({"tool": name, "verb": verb, "gb_per_s": speed, "memory_mb": memory})
    if told.json:
        common.dump({"machine": common.machine(), "bytes": size, "rows": rows})
        return
    common.table(
        f"Sealing and opening {size / 1e9:g} GB",
        ("tool", "verb", "GB a CPU second", "memory MB"),
        [
            (row["tool"], row["verb"], common.number(row["gb_per_s"]), common.number(row["memory_mb"]))
            for row in rows
        ],
        "memory: rise of the process. The peer's streams lie in memory: it is given 0.2 GB, and its memory "
        "says nothing.",
    )


if __name__ == "__main__":
    main()
