"""FF1, format-preserving encryption, over whole columns at once.

NIST SP 800-38G, section 5.1 (algorithms 7 and 8): ten Feistel rounds whose round function is AES in CBC-MAC
mode. All rows of a column go through a round together: NumPy does the arithmetic, and one call of AES-ECB the
blocks of some thousand rows. What is the same in all rows (the parameters, the tweak) is enciphered once.

A half of a numeral string is kept as limbs, the lowest first: numbers below 2^32 in base radix^k, so that
every product and every dividend fits in 64 bits, and strings may be of any length.

A domain of fewer than 10^6 strings is refused: there FF1 can be broken by guessing (SP 800-38G Rev. 1, second
draft of February 2025). FF3 was withdrawn by that draft and is not offered.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.errors import BadInput

MIN_DOMAIN = 10**6
"""The fewest strings a domain may have."""

_ROUNDS = 10
_ROWS = 4096
"""Rows that go through together: their blocks, 64 KiB, stay in the second-level cache."""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Limbs: TypeAlias = list[NDArray[np.uint64]]


class FF1:
    """One keyed permutation of the numeral strings of each length.

    ``key`` has 16, 24 or 32 bytes; ``radix`` is from 2 to 65536; ``tweak`` is public, and separates columns
    under one key. Under the secrecy of ``key`` the permutation of each length is indistinguishable from a
    random one, as far as FF1 is. It is deterministic: equal strings stay equal, and show it. One thread at a
    time.

    Raises:
        ValueError: an impossible radix, or a key of another length.
    """

    def __init__(self, key: bytes, radix: int, tweak: bytes = b"") -> None:
        if not 2 <= radix <= 1 << 16:
            raise ValueError(f"a radix is 2 to 65536, not {radix}")
        self.radix, self.tweak = radix, tweak
        self._blocks = crypto.Blocks(key)
        self._shapes: dict[int, _Shape] = {}

    def encrypt(self, numerals: NDArray[Any]) -> NDArray[Any]:
        """Strings of one length, a row each, as numerals below the radix, the most significant first.

        Args:
            numerals: shape (n, length), an unsigned integer dtype.

        Returns:
            the same shape and dtype.

        Raises:
            BadInput: fewer than 10^6 strings have this length, or a numeral is not below the radix.
        """
        return self._strings(numerals, forward=True)

    def decrypt(self, numerals: NDArray[Any]) -> NDArray[Any]:
        """The inverse of :meth:`encrypt`."""
        return self._strings(numerals, forward=False)

    def encrypt_numbers(self, numbers: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
        """The numbers below radix^length that the strings of this length write; at most 2^64 of them.

        Args:
            numbers: shape (n,), uint64, each below radix^length.

        Raises:
            BadInput: as :meth:`encrypt`.
        """
        return self._numbers(numbers, length, forward=True)

    def decrypt_numbers(self, numbers: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
        """The inverse of :meth:`encrypt_numbers`."""
        return self._numbers(numbers, length, forward=False)

    def _strings(self, numerals: NDArray[Any], *, forward: bool) -> NDArray[Any]:
        count, length = numerals.shape
        shape = self._shape(length)
        if count and int(numerals.max()) >= self.radix:
            wrong = (numerals >= self.radix).any(axis=1)
            raise BadInput(f"row {int(wrong.argmax())} has a numeral that is not below {self.radix}")
        out = np.empty_like(numerals, order="C")
        for start in range(0, count, _ROWS):
            rows, into = numerals[start : start + _ROWS], out[start : start + _ROWS]
            a, b = self._feistel(
                shape,
                _read(rows[:, : shape.u], self.radix, shape.limb),
                _read(rows[:, shape.u :], self.radix, shape.limb),
                forward,
            )
            _write(a, into[:, : shape.u], self.radix, shape.limb)
            _write(b, into[:, shape.u :], self.radix, shape.limb)
        return out

    def _numbers(self, numbers: NDArray[np.uint64], length: int, *, forward: bool) -> NDArray[np.uint64]:
        shape = self._shape(length)
        if shape.u > shape.limb or shape.v > shape.limb:
            raise ValueError("these strings are too long to be numbers of 64 bits")
        out = np.empty_like(numbers, order="C")
        high = np.uint64(self.radix**shape.v)
        for start in range(0, len(numbers), _ROWS):
            rows = numbers[start : start + _ROWS]
            top = rows // high
            a, b = self._feistel(shape, [top], [rows - top * high], forward)
            np.add(a[0] * high, b[0], out=out[start : start + _ROWS])
        return out

    def _shape(self, length: int) -> _Shape:
        if length < 2 or self.radix**length < MIN_DOMAIN:
            raise BadInput(
                f"{length} symbols of {self.radix} make {self.radix**length:,} strings, and FF1 needs at "
                f"least {MIN_DOMAIN:,}: list the values of so small a domain in a Table"
            )
        if length not in self._shapes:
            self._shapes[length] = _Shape(self.radix, length, self.tweak, self._blocks)
        return self._shapes[length]

    def _feistel(self, shape: _Shape, a: Limbs, b: Limbs, forward: bool) -> tuple[Limbs, Limbs]:
        """Steps 5 and 6 of algorithms 7 and 8. Decryption goes backwards, halves swapped."""
        work = _Scratch(len(a[0]))
        for i in range(_ROUNDS) if forward else reversed(range(_ROUNDS)):
            bases = shape.bases_v if i % 2 else shape.bases_u
            if forward:
                y = _reduce(self._digest(shape, work, i, b), bases)
                a, b = b, _add(a, y, bases)
            else:
                y = _reduce(self._digest(shape, work, i, a), bases)
                a, b = _subtract(b, y, bases), a
        return a, b

    def _digest(self, shape: _Shape, work: _Scratch, i: int, half: Limbs) -> Limbs:
        """Steps 6.i to 6.iii: S for the number that ``half`` is: 64 bits, then words of 32, highest first."""
        number = _words(half, shape.base, shape.number_words)
        for block in range(shape.inputs):
            for column in (0, 1):
                place = 2 * block + column
                words = number[2 * (2 * shape.inputs - 1 - place) :][:2]
                constant = shape.constants[i][place]
                if words:
                    both = words[0] | (words[1] << _HALF) if len(words) == 2 else words[0]
                    work.input[:, column] = both ^ constant
                else:
                    work.input[:, column] = constant
            if block:
                work.input ^= work.out
            self._blocks.encrypt_into(work.given.data, work.room.data)
        return self._stretch(work, shape.digest_words)

    def _stretch(self, work: _Scratch, wanted: int) -> Limbs:
        """R, or as much of R and AES(R xor j) as is ``wanted``; a pair of words, then single ones."""
        words = [work.out[:, 0].astype(np.uint64)]
        if wanted > 2:
            first = work.out.copy()
            words += _split(first[:, 1])
            for j in range(1, (wanted + 3) // 4):
                work.input[:] = first
                work.input[:, 1] ^= np.uint64(j)
                self._blocks.encrypt_into(work.given.data, work.room.data)
                words += _split(work.out[:, 0]) + _split(work.out[:, 1])
        return words[: wanted - 1]


class _Scratch:
    """What AES reads and writes for one run of rows: blocks as pairs of big-endian columns of 64 bits."""

    def __init__(self, rows: int) -> None:
        self.given = np.empty(rows * 16, np.uint8)
        self.input = self.given.view(">u8").reshape(rows, 2)
        self.room = np.empty(rows * 16 + 16, np.uint8)
        self.out = self.room[: rows * 16].view(">u8").reshape(rows, 2)


class _Shape:
    """All that depends only on radix, length, tweak and key (steps 1 to 5 of algorithm 7)."""

    def __init__(self, radix: int, length: int, tweak: bytes, blocks: crypto.Blocks) -> None:
        self.u, self.v = length // 2, length - length // 2
        self.limb = max(k for k in range(1, 33) if radix**k <= 1 << 32)
        """Numerals to a limb."""
        self.base = radix**self.limb
        self.bases_u, self.bases_v = self._bases(radix, self.u), self._bases(radix, self.v)
        size = ((radix**self.v - 1).bit_length() + 7) // 8  # b of the standard
        self.number_words = (size + 3) // 4
        self.digest_words = self.number_words + 1  # d, in words of four bytes
        self.inputs = (size + 16) // 16
        """Blocks that hold the round's number and the half, and so differ from row to row."""
        head = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([_ROUNDS, self.u % 256])
        head += length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
        tail = tweak + bytes(-(len(tweak) + size + 1) % 16)
        fixed = head + tail[: len(tail) + 1 + size - 16 * self.inputs]
        state = bytes(16)
        for start in range(0, len(fixed), 16):
            out = bytearray(31)
            blocks.encrypt_into(_xor(state, fixed[start : start + 16]), out)
            state = bytes(out[:16])
        rest = tail[len(fixed) - len(head) :]
        mixed = [
            _xor(state, (inputs := rest + bytes([i]) + bytes(size))[:16]) + inputs[16:]
            for i in range(_ROUNDS)
        ]
        self.constants = [[np.uint64(n) for (n,) in struct.iter_unpack(">Q", row)] for row in mixed]
        """For each round, what stands in those blocks before the half is put in, by columns of 64 bits."""

    def _bases(self, radix: int, numerals: int) -> list[int]:
        """The base of each limb of a half; the highest has only the numerals that are left."""
        full, left = divmod(numerals - 1, self.limb)
        return [self.base] * full + [radix ** (left + 1)]


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def _split(column: NDArray[Any]) -> Limbs:
    """The two words of a column of 64 bits, the highest first."""
    native = column.astype(np.uint64)
    return [native >> _HALF, native & _LOW]


def _words(limbs: Limbs, base: int, count: int) -> Limbs:
    """The number with these ``limbs`` as ``count`` words of 32 bits, the lowest first."""
    words = [limbs[-1]]
    for limb in reversed(limbs[:-1]):
        carry = limb
        for j, word in enumerate(words):
            total = word * np.uint64(base) + carry
            words[j] = total & _LOW
            carry = total >> _HALF
        if len(words) < count:
            words.append(carry)
    return words


def _reduce(digest: Limbs, bases: list[int]) -> Limbs:
    """What :meth:`FF1._digest` gave, modulo the product of ``bases``, as limbs."""
    limbs = []
    pair, words = digest[0], digest[1:]
    for base in bases[:-1]:
        rest, quotients = _divide([pair >> _HALF, pair & _LOW, *words], base)
        limbs.append(rest)
        pair, words = (quotients[0] << _HALF) | quotients[1], quotients[2:]
    return [*limbs, _divide([pair, *words], bases[-1])[0]]


def _divide(words: Limbs, base: int) -> tuple[NDArray[np.uint64], Limbs]:
    """Rest and quotient of a number given by ``words``, the highest first, which may be a pair; the rest is
    below 2^32."""
    divisor, quotients = np.uint64(base), []
    rest = np.zeros_like(words[0])
    for word in words:
        total = (rest << _HALF) | word
        quotient = total // divisor
        rest = total - quotient * divisor
        quotients.append(quotient)
    return rest, quotients


def _add(a: Limbs, b: Limbs, bases: list[int]) -> Limbs:
    """The sum modulo the product of ``bases``."""
    out = []
    carry: Any = np.uint64(0)
    for x, y, base in zip(a, b, bases, strict=True):
        total = x + y + carry
        carry = total >= np.uint64(base)
        total -= carry * np.uint64(base)
        out.append(total)
    return out


def _subtract(a: Limbs, b: Limbs, bases: list[int]) -> Limbs:
    """The difference modulo the product of ``bases``."""
    out = []
    borrow: Any = np.uint64(0)
    for x, y, base in zip(a, b, bases, strict=True):
        total = x + np.uint64(base) - y - borrow
        enough = total >= np.uint64(base)
        total -= enough * np.uint64(base)
        borrow = ~enough
        out.append(total)
    return out


def _read(numerals: NDArray[Any], radix: int, limb: int) -> Limbs:
    """The number that each row of ``numerals`` writes."""
    limbs = []
    for end in range(numerals.shape[1], 0, -limb):
        total: Any = np.uint64(0)
        for column in range(max(0, end - limb), end):
            total = total * np.uint64(radix) + numerals[:, column].astype(np.uint64)
        limbs.append(total)
    return limbs


def _write(limbs: Limbs, numerals: NDArray[Any], radix: int, limb: int) -> None:
    """The inverse of :func:`_read`, into ``numerals``."""
    divisor = np.uint64(radix)
    for which, end in enumerate(range(numerals.shape[1], 0, -limb)):
        rest = limbs[which]
        for column in range(end - 1, max(0, end - limb) - 1, -1):
            quotient = rest // divisor
            numerals[:, column] = rest - quotient * divisor
            rest = quotient
