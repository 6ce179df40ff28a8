"""Masking bytes, arrays and columns, side by side with what the machine can do and with peers.

    python bench/arrays.py [--quick] [--json]

Times are CPU time of this process (``time.process_time``), everything in one thread. Contestants take turns,
round by round; a figure is the median over rounds, a ratio the median of the ratios within a round. Before
anything is measured, the peers must give the same ciphertexts as we do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from common import console, dump, machine, middle, number, options, rounds, table, version
from masquerade.keys import Key
from masquerade.mask.array import DifferenceMask, Digits, Integers, PrivacyMask, RandomMask, Table
from masquerade.mask.fpe import FF1

PIECE = 1 << 18
PEERS = ("libffx", "fastfpe")
OURS = "Masquerade"
SECRET = bytes(range(32))


def rates_of(
    tasks: dict[str, Callable[[], object]], amounts: dict[str, float], turns: int, seed: int
) -> dict[str, list[float]]:
    """For each task, its amount a CPU second in every round."""
    spent = rounds(tasks, turns, seed)
    return {name: [amounts[name] / each for each in times] for name, times in spent.items()}


def against(ours: list[float], theirs: list[float]) -> float:
    """The median ratio within a round."""
    return middle(a / b for a, b in zip(ours, theirs, strict=True))


# -- memory to memory ------------------------------------------------------------------------------------


def memory(size: int, turns: int, seed: int) -> dict[str, Any]:
    """GB/s of masking and unmasking ``size`` bytes into buffers that are used again."""
    data = np.frombuffer(random.Random(seed).randbytes(size), np.uint8)
    other, room, back = data[::-1].copy(), np.zeros(size + 4096, np.uint8), np.zeros(size, np.uint8)
    mask = RandomMask(Key.generate())
    message = mask.mask(data)
    assert np.array_equal(mask.unmask(message), data)
    keystream = bytearray(PIECE)
    zeros = bytes(PIECE)

    def raw(bits: int) -> Callable[[], object]:
        def work() -> None:
            stream = Cipher(AES(SECRET[: bits // 8]), CTR(bytes(16))).encryptor()
            for _ in range(0, size, PIECE):
                stream.update_into(zeros, keystream)

        return work

    def ctr(bits: int) -> Callable[[], object]:
        def work() -> None:
            stream = Cipher(AES(SECRET[: bits // 8]), CTR(bytes(16))).encryptor()
            for start in range(0, size, PIECE):
                stream.update_into(data.data[start : start + PIECE], room.data[start : start + PIECE])

        return work

    def gcm() -> None:
        for start in range(0, size, 1 << 20):
            AESGCM(SECRET).encrypt_into(
                start.to_bytes(12, "big"), data.data[start : start + (1 << 20)], None,
                room.data[: min(1 << 20, size - start) + 16],
            )  # fmt: skip

    tasks: dict[str, Callable[[], object]] = {
        "memcpy": lambda: np.copyto(back, data),
        "xor of two arrays": lambda: np.bitwise_xor(data, other, out=back),
        "AES-128-CTR keystream, one piece again and again": raw(128),
        "AES-256-CTR keystream, one piece again and again": raw(256),
        "AES-128-CTR, memory to memory": ctr(128),
        "AES-256-CTR, memory to memory": ctr(256),
        "AES-256-GCM, bare": gcm,
        f"{OURS}: mask": lambda: mask.mask(data, out=room),
        f"{OURS}: unmask": lambda: mask.unmask(message, out=back),
    }
    rates = rates_of(tasks, dict.fromkeys(tasks, size / 1e9), turns, seed)
    ours = rates[f"{OURS}: mask"]
    return {
        "bytes": size,
        "gb_per_s": {name: middle(figures) for name, figures in rates.items()},
        "spread": {name: [min(figures), max(figures)] for name, figures in rates.items()},
        "ratio_of_mask": {name: against(ours, figures) for name, figures in rates.items()},
    }


# -- columns ---------------------------------------------------------------------------------------------


def peers() -> dict[str, Callable[[str], str]]:
    """FF1 of those that are installed: AES-256, digits, no tweak; one value a call is what they offer."""
    found: dict[str, Callable[[str], str]] = {}
    if version("libffx"):
        import ffx

        cipher = ffx.FF1(SECRET, radix=10)
        found["libffx"] = cipher.encrypt
    if version("fastfpe"):
        from fastfpe import ff1

        secret = SECRET.hex()
        found["fastfpe"] = lambda text: ff1.encrypt(secret, "", "0123456789", text)
    return found


def columns(count: int, turns: int, seed: int) -> dict[str, Any]:
    """Values a second by FF1, 16 digits, AES-256; ours over a column, peers value by value."""
    r = random.Random(seed)
    texts = [f"{r.randrange(10**16):016d}" for _ in range(count)]
    few = texts[:: max(1, count // 2000)]
    strings = np.array(texts, "S16")
    numerals = (strings.view(np.uint8) - ord("0")).reshape(count, 16)
    cipher, others = FF1(SECRET, 10), peers()
    masked = cipher.encrypt(numerals[:: max(1, count // 2000)])
    told = ["".join(map(str, row)) for row in masked.tolist()]
    for name, encrypt in others.items():
        assert [encrypt(text) for text in few] == told, f"{name} gives other ciphertexts"
    key = Key(SECRET)
    mask = PrivacyMask(key, Digits())
    tasks: dict[str, Callable[[], object]] = {
        f"{OURS}: column of strings": lambda: mask.mask(strings),
        f"{OURS}: column of numerals": lambda: cipher.encrypt(numerals),
    }
    amounts = dict.fromkeys(tasks, float(count))
    for name, encrypt in others.items():
        tasks[name] = lambda encrypt=encrypt: [encrypt(text) for text in few]  # type: ignore[misc]
        amounts[name] = float(len(few))
    rates = rates_of(tasks, amounts, turns, seed)
    ours = rates[f"{OURS}: column of strings"]
    return {
        "values": count,
        "per_s": {name: middle(figures) for name, figures in rates.items()},
        "spread": {name: [min(figures), max(figures)] for name, figures in rates.items()},
        "ratio": {name: against(ours, rates[name]) for name in others},
    }


def others(count: int, turns: int, seed: int) -> dict[str, float]:
    """Values a second of the other masks."""
    key, r = Key(SECRET), np.arange(count)
    names = np.array([f"subject {n % (count // 50)}" for n in range(count)])
    dates = r.astype("M8[s]")
    cards = np.array([text for n in range(count) if _luhn(text := f"{n:015d}0")])
    checked = PrivacyMask(key, Digits(luhn=True))
    shift, whole = DifferenceMask(key), PrivacyMask(key, Integers(0, 10**9))
    listed = PrivacyMask(key, Table(range(1000)))
    small = r % 1000
    tasks: dict[str, Callable[[], object]] = {
        "dates moved, 50 a subject": lambda: shift.mask(dates, names),
        "dates moved, one subject": lambda: shift.mask(dates, "subject"),
        "integers shared, sums kept": lambda: shift.mask_keeping_sum(r),
        "integers in 0 to 10^9": lambda: whole.mask(r),
        "cards with their check digit": lambda: checked.mask(cards),
        "table of 1,000 values": lambda: listed.mask(small),
    }
    amounts = dict.fromkeys(tasks, float(count)) | {"cards with their check digit": float(len(cards))}
    return {name: middle(figures) for name, figures in rates_of(tasks, amounts, turns, seed).items()}


def _luhn(text: str) -> bool:
    twice = [int(c) * (2 - i % 2) for i, c in enumerate(text)]
    return sum(n - 9 * (n > 9) for n in twice) % 10 == 0


# -- the whole -------------------------------------------------------------------------------------------


def main() -> None:
    args = options(__doc__.splitlines()[0]).parse_args()
    turns = 3 if args.quick else 7
    size, count = (1 << 24, 50_000) if args.quick else (1 << 26, 200_000)
    result: dict[str, Any] = {
        "machine": machine(),
        "versions": {name: version(name) or "not installed" for name in ("numpy", "cryptography", *PEERS)},
        "memory": memory(size, turns, args.seed),
        "columns": columns(count, turns, args.seed),
        "others_per_s": others(count, turns, args.seed),
    }
    if args.json:
        return dump(result)
    return show(result)


def show(result: dict[str, Any]) -> None:
    """The same as tables."""
    console.print(" · ".join(f"{k} {v}" for k, v in result["machine"].items()))
    console.print(" · ".join(f"{k} {v}" for k, v in result["versions"].items()) + "\n")
    told = result["memory"]
    table(
        f"Memory to memory: GB a CPU second, {told['bytes'] >> 20} MiB into a buffer that is used again",
        ["", "GB/s", "mask is, times this"],
        [
            [name, number(rate), number(told["ratio_of_mask"][name])]
            for name, rate in told["gb_per_s"].items()
        ],
        "mask authenticates; the bare streams above do not",
    )
    told = result["columns"]
    table(
        f"FF1, AES-256, 16 digits: values a CPU second ({told['values']:,} in a column)",
        ["", "values/s", f"{OURS} is, times this"],
        [[name, number(rate), number(told["ratio"].get(name))] for name, rate in told["per_s"].items()]
        + [[name, "not installed", ""] for name in PEERS if name not in told["per_s"]],
        "the ratios are of the column of strings, which the peers take too; the aims are 100 and 20",
    )
    table(
        "The other masks: values a CPU second",
        ["", "values/s"],
        [[name, number(rate)] for name, rate in result["others_per_s"].items()],
    )


if __name__ == "__main__":
    main()
