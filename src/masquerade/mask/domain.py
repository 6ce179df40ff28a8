"""Domains: sets of values that a key permutes, so that every value becomes another of the same set.

Integers, Digits, Codes   by FF1       10^6 values and more
Table                     a shuffle    any list of values, however short
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.errors import BadInput
from masquerade.mask.content import encoded
from masquerade.mask.fpe import FF1, MIN_DOMAIN

_ROWS = 1 << 14
"""Strings that are taken apart at once, so that memory does not grow by much more than the result."""


class Domain(Protocol):
    """A set of values that a key permutes."""

    def permute(self, key: bytes, column: str, values: NDArray[Any], forward: bool) -> NDArray[Any]:
        """Each of ``values`` by its image, or back; the shape stays.

        Raises:
            BadInput: a value is outside the domain (its row is named, never the value), or the domain has
                fewer than 10^6 values and is no Table.
        """


@dataclass(frozen=True)
class Integers:
    """The integers from ``low`` to ``high``, both included; at most 2^64 of them, at least 10^6.

    The permutation is FF1 on bits, repeated until the result lies in the range again (cycle walking: Black
    and Rogaway, CT-RSA 2002, section 3); fewer than two turns of it on average.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        try:
            bounds = operator.index(self.low), operator.index(self.high)
        except TypeError:
            raise BadInput("the bounds of a range are integers") from None
        object.__setattr__(self, "low", bounds[0])
        object.__setattr__(self, "high", bounds[1])
        size = self.high - self.low + 1
        if size < MIN_DOMAIN:
            raise BadInput(
                f"a range needs at least {MIN_DOMAIN:,} integers, and this has {max(size, 0):,}: "
                "for fewer, use Table(range(low, high + 1))"
            )
        if size > 1 << 64 or self.low < -(1 << 63) or self.high >= 1 << 64:
            raise BadInput("a range is within 64 bits: from -2^63, to 2^64 - 1, and of at most 2^64 integers")

    def permute(self, key: bytes, column: str, values: NDArray[Any], forward: bool) -> NDArray[Any]:
        """As :meth:`Domain.permute`; any integer dtype that holds the whole range."""
        _require_integers(values, self.low, self.high)
        _refuse_first((values < self.low) | (values > self.high), "is not in the range")
        offsets = values.astype(np.uint64).reshape(-1) - np.uint64(self.low % (1 << 64))
        cipher, last = FF1(key, 2, encoded(column, "the name of a column")), self.high - self.low
        step = cipher.encrypt_numbers if forward else cipher.decrypt_numbers
        length = last.bit_length()
        moved = step(offsets, length)
        if last + 1 < 1 << length:
            while len(outside := np.flatnonzero(moved > np.uint64(last))):
                moved[outside] = step(moved[outside], length)
        return (moved + np.uint64(self.low % (1 << 64))).astype(values.dtype).reshape(values.shape)


@dataclass(frozen=True)
class Codes:
    """Strings over ``alphabet``; each keeps its length. ``separators`` stay where they stand.

    Every length is a domain of its own, and must have at least 10^6 strings: 6 digits, 5 letters.
    """

    alphabet: str
    separators: str = ""

    def __post_init__(self) -> None:
        together = self.alphabet + self.separators
        if not 2 <= len(self.alphabet) <= 1 << 16 or len(set(together)) < len(together) or "\0" in together:
            raise BadInput(
                "an alphabet is 2 to 65,536 different characters, no separator and no NUL among them"
            )

    def permute(self, key: bytes, column: str, values: NDArray[Any], forward: bool) -> NDArray[Any]:
        """As :meth:`Domain.permute`; dtypes ``U`` and ``S``."""
        return self._permute_by(key, column, values, forward, _plain)

    def _permute_by(
        self, key: bytes, column: str, values: NDArray[Any], forward: bool, turn: _Turn
    ) -> NDArray[Any]:
        cipher = FF1(key, len(self.alphabet), encoded(column, "the name of a column"))
        step = cipher.encrypt if forward else cipher.decrypt
        out, characters = _characters(values)
        if out.dtype.kind == "S" and not (self.alphabet + self.separators).isascii():
            raise BadInput("an array of bytes holds ASCII only: give one of dtype U for this alphabet")
        for start in range(0, len(characters), _ROWS):
            self._rows(characters[start : start + _ROWS], start, lambda numerals: turn(step, numerals))
        return out

    def _rows(self, characters: NDArray[Any], first: int, step: _Step) -> None:
        """Permute some rows in place; ``first`` is the number of the first of them."""
        if self._in_a_run and characters.size:
            numerals = characters - characters.dtype.type(self._codes[0])
            if int(numerals.max()) < len(self.alphabet):  # all of one length, with nothing between
                moved = self._stepped(step, numerals, np.arange(first, first + len(numerals)))
                np.add(moved, self._codes[0], out=characters, casting="unsafe")
                return
        places = self._place_of[np.minimum(characters, len(self._place_of) - 1)]
        _refuse_first((places == _UNKNOWN).any(axis=1), "has a character that is not in the alphabet", first)
        inside = places >= 0
        lengths = inside.sum(axis=1)
        for length in map(int, np.unique(lengths)):
            chosen: Any = lengths == length
            rows: Any = slice(None) if chosen.all() else np.flatnonzero(chosen)
            block = inside[rows, :length].all()  # nothing between the symbols; else they are gathered
            numerals = (
                places[rows, :length] if block else places[inside & chosen[:, None]].reshape(-1, length)
            )
            moved = self._codes[self._stepped(step, numerals, first + np.flatnonzero(chosen))]
            if block:
                characters[rows, :length] = moved
            else:
                characters[inside & chosen[:, None]] = moved.reshape(-1)

    def _stepped(self, step: _Step, numerals: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
        try:
            return step(numerals.astype(np.uint8 if len(self.alphabet) <= 256 else np.uint16))
        except _Row as fault:
            raise BadInput(f"row {rows[fault.row]} {fault}") from None
        except BadInput as fault:
            raise BadInput(f"row {rows[0]}: {fault}") from None

    @cached_property
    def _in_a_run(self) -> bool:
        """Whether the alphabet's characters follow each other, as the digits do, and any dtype holds them."""
        return bool((np.diff(self._codes.astype(np.int64)) == 1).all() and self._codes[-1] < 256)

    @cached_property
    def _codes(self) -> NDArray[np.uint32]:
        return np.array([ord(symbol) for symbol in self.alphabet], np.uint32)

    @cached_property
    def _place_of(self) -> NDArray[np.int32]:
        """For each character its place in the alphabet; the last entry is for all characters above."""
        table = np.full(max(map(ord, self.alphabet + self.separators)) + 2, _UNKNOWN, np.int32)
        table[[0, *map(ord, self.separators)]] = _PASSED  # NumPy fills strings up with NUL
        table[self._codes] = np.arange(len(self.alphabet))
        return table


@dataclass(frozen=True)
class Digits:
    """Strings of the digits 0 to 9; each keeps its length. ``separators`` stay where they stand.

    With ``luhn`` the last digit of every value is its check digit (ISO/IEC 7812-1, annex B), before and
    after: the others are permuted, and the check digit is computed anew. At least 6 digits are permuted.
    """

    luhn: bool = False
    separators: str = ""

    def permute(self, key: bytes, column: str, values: NDArray[Any], forward: bool) -> NDArray[Any]:
        """As :meth:`Domain.permute`; dtypes ``U`` and ``S``. A wrong check digit is refused."""
        codes = Codes("0123456789", self.separators)
        return codes._permute_by(key, column, values, forward, _with_check if self.luhn else _plain)


class Table:
    """A list of values, shuffled: for domains of any size, all of whose values are known.

    ``values`` are all strings or all integers, at least two and no value twice; their order does not matter.
    The permutation is uniform among all of them, from an AES-CTR keystream under a key for this column and
    exactly these values, so one value more makes another permutation. It may leave a value as it is.

    Raises:
        BadInput: fewer than two values, one of them twice, or neither strings nor integers.
    """

    def __init__(self, values: Iterable[str] | Iterable[int]) -> None:
        listed = [value.item() if isinstance(value, np.generic) else value for value in values]
        one = {bool: None, str: "U", int: "i"}.get(type(listed[0])) if len(listed) > 1 else None
        if one is None or any(type(value) is not type(listed[0]) for value in listed):
            raise BadInput("a Table takes two or more values, all strings or all integers")
        try:
            self._values = np.unique(np.array(listed, np.int64 if one == "i" else np.str_))
        except OverflowError:
            raise BadInput("the integers of a Table are within 64 bits, signed") from None
        if len(self._values) < len(listed):
            raise BadInput(
                "a Table has no value twice (nor two that differ only in NUL characters at the end)"
            )

    def __repr__(self) -> str:
        return f"Table({len(self._values)} values)"

    def permute(self, key: bytes, column: str, values: NDArray[Any], forward: bool) -> NDArray[Any]:
        """As :meth:`Domain.permute`; a value that is not in the table is refused."""
        kind = self._values.dtype.kind
        if kind == "i":
            low, high = int(self._values[0]), int(self._values[-1])
            _require_integers(values, low, high)
            _refuse_first((values < low) | (values > high), "has a value that is not in the table")
            listed = values.astype(np.int64)  # else NumPy compares uint64 with these as fractions
        elif values.dtype.kind != "U":
            raise BadInput("this table is of strings: give an array of dtype U, or a list of str")
        else:
            listed = values
        at = np.minimum(np.searchsorted(self._values, listed), len(self._values) - 1)
        _refuse_first(self._values[at] != listed, "has a value that is not in the table")
        order = self._order(key, column)
        if not forward:
            order = np.argsort(order)
        moved: NDArray[Any] = self._values[order[at]]
        return moved.astype(values.dtype) if kind == "i" else moved

    def _order(self, key: bytes, column: str) -> NDArray[np.intp]:
        """A uniform permutation: the places sorted by 128 random bits each."""
        same_everywhere = self._values.astype(self._values.dtype.newbyteorder("<"))
        what = crypto.sha256(same_everywhere.dtype.str.encode() + b"\0" + same_everywhere.tobytes())
        own = crypto.derive(key, "masquerade table", what + encoded(column, "the name of a column"))
        chance = np.frombuffer(crypto.keystream(own, 16 * len(self._values)), "<u8")
        order: NDArray[np.intp] = np.lexsort((chance[::2], chance[1::2]))
        return order


_UNKNOWN, _PASSED = -2, -1
_Step: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
_Turn: TypeAlias = Callable[[_Step, NDArray[Any]], NDArray[Any]]


class _Row(BadInput):
    """A fault of one row, by its number among those of its length."""

    def __init__(self, row: int, message: str) -> None:
        self.row = row
        super().__init__(message)


def _plain(step: _Step, digits: NDArray[Any]) -> NDArray[Any]:
    return step(digits)


def _with_check(step: _Step, digits: NDArray[Any]) -> NDArray[Any]:
    payload = digits[:, :-1]
    wrong = _check_digits(payload) != digits[:, -1] if digits.shape[1] else np.zeros(len(digits), bool)
    if wrong.any():
        raise _Row(int(wrong.argmax()), "has a wrong check digit")
    moved = step(payload)
    return np.concatenate([moved, _check_digits(moved)[:, None]], axis=1)


def _check_digits(payload: NDArray[Any]) -> NDArray[Any]:
    """The Luhn digit after each row: from the right, every other digit counts double, digit by digit."""
    doubled = payload[:, ::-1].copy()
    doubled[:, ::2] *= 2
    total: NDArray[Any] = (doubled - 9 * (doubled > 9)).sum(axis=1, dtype=np.uint16)
    return (10 - total % 10) % 10


def _characters(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A copy of an array of strings, and a view of that copy as character codes, a row each."""
    if values.dtype.kind not in "US":
        raise BadInput(f"strings are of dtype U or S, or a list of str, and this is {values.dtype}")
    out = values.astype(values.dtype.newbyteorder("="), order="C")
    code = np.dtype(np.uint32 if out.dtype.kind == "U" else np.uint8)
    if not out.nbytes:
        return out, np.empty((out.size, 0), code)
    return out, out.reshape(-1).view(code).reshape(out.size, -1)


def _require_integers(values: NDArray[Any], low: int, high: int) -> None:
    if values.dtype.kind not in "iu":
        raise BadInput(f"these are integers by their domain, and {values.dtype} by their dtype")
    kept = np.iinfo(values.dtype)
    if low < kept.min or high > kept.max:
        raise BadInput(f"{values.dtype} does not hold every value from the domain's lowest to its highest")


def _refuse_first(wrong: NDArray[Any], why: str, first: int = 0) -> None:
    wrong = wrong.reshape(-1)
    if wrong.any():
        raise BadInput(f"row {first + int(wrong.argmax())} {why}")
