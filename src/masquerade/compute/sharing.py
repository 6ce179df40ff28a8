"""Secrets in shares: vectors of words additively, keys after Shamir.

    additive   x = x_0 + ... + x_(s-1)  modulo 2^k; all s open it, any s - 1 are uniform
    Shamir     any ``threshold`` of the holders open it, any fewer are uniform

Both take their randomness as an argument, so that a run can be replayed; where none is given it is drawn from
the operating system.

Shamir, "How to share a secret", CACM 22 (11), 1979, over the field that the dtype of the secrets names; its
elements are shared side by side:

    uint8      GF(2^8) with the polynomial of AES, x^8 + x^4 + x^3 + x + 1, as in SLIP-0039: 255 holders
    uint16     GF(2^16) with x^16 + x^12 + x^3 + x + 1: 65,535 holders
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.compute.field import Words
from masquerade.errors import BadInput

MOST_HOLDERS = 255
"""GF(2^8) has so many places other than 0, where the secret stands."""

Elements = NDArray[Any]
"""Of GF(2^8) as uint8, of GF(2^16) as uint16."""

# -- masks and additive shares ---------------------------------------------------------------------------


def add_masks(total: Words, keys: Iterable[bytes], *, subtract: Iterable[bytes] = ()) -> None:
    """Add to ``total``, in place, the keystream of each key, and take that of each in ``subtract`` away.

    A keystream is read as little-endian words. It is made piece by piece in one small buffer and added while
    both are in the cache: one mask costs little more than its AES, and no memory. Additions are a quarter
    faster where ``total`` is :func:`aligned`.
    """
    streams: list[tuple[crypto.Keystream, np.ufunc]] = []
    streams += [(crypto.Keystream(key), np.add) for key in keys]
    streams += [(crypto.Keystream(key), np.subtract) for key in subtract]
    scratch = aligned(np.empty(crypto.STREAM_PIECE // total.itemsize, total.dtype.newbyteorder("<")))
    for at in range(0, total.size, scratch.size):
        piece = total[at : at + scratch.size]
        mask = scratch[: piece.size]
        room = mask.view(np.uint8).data
        for stream, combine in streams:
            stream.into(room)
            combine(piece, mask, piece)


def aligned(words: Words) -> Words:
    """A copy of ``words`` that starts at a multiple of 64 bytes, a line of the cache: no load spans two."""
    room = np.empty(words.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy: Words = room[start : start + words.nbytes].view(words.dtype)
    copy[...] = words
    return copy


def expand(key: bytes, size: int, dtype: np.dtype[Any]) -> Words:
    """The keystream of a 16-byte ``key`` as ``size`` words: the share for which the key stands."""
    words: Words = np.zeros(size, dtype)
    add_masks(words, [key])
    return words


def split(words: Words, keys: Sequence[bytes]) -> Words:
    """The additive share that, with the expansions of ``keys``, sums to ``words``; (n,) of the same dtype.

    ``keys`` are the other holders' shares in short: 16 uniform bytes each, of which :func:`expand` makes the
    words. Whoever lacks one of the ``len(keys) + 1`` shares sees uniform words only.
    """
    if not keys:
        raise BadInput("a sum is shared between at least two: one holder alone would see it")
    share = words.copy()
    add_masks(share, (), subtract=keys)
    return share


def share_keys(holders: int) -> list[bytes]:
    """Fresh keys for :func:`split` between ``holders``: one fewer than there are."""
    return [crypto.random_bytes(crypto.STREAM_KEY_BYTES) for _ in range(holders - 1)]


def join(shares: Iterable[Words]) -> Words:
    """The sum of ``shares`` modulo 2^k: the inverse of :func:`split`, and the sum of many of its kind.

    Raises:
        BadInput: there are none, or they differ in length or dtype.
    """
    total: Words | None = None
    for share in shares:
        if total is None:
            total = share.copy()
        elif share.shape != total.shape or share.dtype != total.dtype:
            raise BadInput("the shares differ in length or word size: they belong to different sums")
        else:
            np.add(total, share, out=total)
    if total is None:
        raise BadInput("no shares to join")
    return total


# -- Shamir ----------------------------------------------------------------------------------------------


def shamir_split(
    secrets: Elements, holders: int | Sequence[int], threshold: int, randomness: bytes | None = None
) -> Elements:
    """Shares of ``secrets``, any ``threshold`` of which open it: (holders, *secrets.shape), same dtype.

    Args:
        secrets: uint8 or uint16 of any shape; each element is shared by a polynomial of its own.
        holders: how many, at places 1, 2, ...; or the places themselves, different, from 1 to 255 or 65,535.
        threshold: 1 to the number of holders.
        randomness: ``(threshold - 1) * secrets.nbytes`` uniform bytes, read as ``secrets.dtype``: the
            coefficients of x, then of x^2, ...

    Raises:
        BadInput: places, threshold or dtype are impossible.
    """
    field = _field(secrets.dtype)
    places = _places(range(1, holders + 1) if isinstance(holders, int) else holders, field)
    if not 1 <= threshold <= len(places):
        raise BadInput(f"a threshold for {len(places)} holders is 1 to {len(places)}")
    need = (threshold - 1) * secrets.nbytes
    if randomness is None:
        randomness = crypto.random_bytes(need)
    if len(randomness) != need:
        raise BadInput(f"sharing needs {need} random bytes, not {len(randomness)}")
    coefficients = np.frombuffer(randomness, secrets.dtype).reshape(threshold - 1, secrets.size)
    value = np.zeros((len(places), secrets.size), secrets.dtype)
    times_place = field.times(places[:, None])
    for coefficient in coefficients[::-1]:
        value = times_place(value ^ coefficient)
    value = (value ^ secrets.reshape(-1)).astype(secrets.dtype, copy=False)
    return value.reshape(len(places), *secrets.shape)


def shamir_join(shares: Mapping[int, Elements]) -> Elements:
    """The secrets behind ``shares``, place by place: of the shape and dtype of one share.

    All shares given are used; there must be at least the threshold of them. Fewer, or a false one, give a
    wrong secret without notice: the caller checks it against what is public.

    Raises:
        BadInput: there are none, a place or dtype is impossible, or shapes or dtypes differ.
    """
    given = list(shares.values())
    if len({(share.shape, share.dtype) for share in given}) > 1:
        raise BadInput("the shares differ in size: they belong to different secrets")
    field = _field(given[0].dtype if given else np.dtype(np.uint8))
    places = _places(shares, field)
    secret = np.zeros_like(given[0])
    for weight, share in zip(_weights(places, field), given, strict=True):
        secret ^= field.times(weight)(share)
    return secret


def _places(places: Iterable[int], field: _Field) -> Elements:
    found = list(places)
    if not found:
        raise BadInput("a secret is shared between at least one holder")
    if len(set(found)) != len(found) or min(found) < 1 or max(found) > field.order:
        raise BadInput(f"holders stand at different places from 1 to {field.order}")
    return np.array(found, field.powers.dtype)


def _weights(places: Elements, field: _Field) -> Elements:
    """Lagrange's weights at 0: for each place i, the product over the others j of j / (j - i)."""
    own = field.logs[places]
    # On the diagonal stands the logarithm of 0, which is no turn.
    apart = field.logs[places[:, None] ^ places[None, :]].sum(axis=1)
    weights: Elements = field.powers[(own.sum() - own - apart) % field.order]
    return weights


@dataclass(frozen=True, eq=False)
class _Field:
    """GF(2^8) or GF(2^16), by logarithms.

    A look-up at a secret place is not constant in time; it happens on the machine of the secret's owner, who
    is not defended against programs that share its caches.
    """

    order: int
    """Elements other than 0."""
    logs: NDArray[np.intp]
    """Logarithms to a generator; of 0 twice the order: no turn at all, and beyond the sum of two others."""
    powers: Elements
    """The generator's powers, as far as two logarithms of others than 0 add up to, and zeros after them."""

    def times(self, factor: Elements) -> Callable[[Elements], Elements]:
        """Multiplication by ``factor``, elementwise; shapes broadcast."""
        if self.order == MOST_HOLDERS:  # one look-up instead of two
            products, row = _products().reshape(-1), factor.astype(np.intp) << 8
            return lambda value: products.take(row | value)
        log = self.logs[factor]
        return lambda value: self.powers.take(self.logs.take(value) + log)


_MODULI = {1: (0x11B, 3), 2: (0x1100B, 2)}
"""Bytes of an element: the field's modulus, and a generator of its elements other than 0."""


def _field(dtype: np.dtype[Any]) -> _Field:
    if dtype.kind != "u" or dtype.itemsize not in _MODULI:
        raise BadInput("secrets that are shared are uint8 or uint16")
    return _logarithms(dtype.itemsize)


@cache
def _logarithms(size: int) -> _Field:
    modulus, generator = _MODULI[size]
    order = (1 << 8 * size) - 1
    cycle, value = [], 1
    for _ in range(order):
        cycle.append(value)
        value = value << 1 ^ (value if generator == 3 else 0)
        value = min(value, value ^ modulus)
    powers = np.zeros(4 * order + 1, f"u{size}")
    powers[:order] = powers[order : 2 * order] = cycle
    logs = np.full(order + 1, 2 * order, np.intp)
    logs[cycle] = np.arange(order)
    return _Field(order, logs, powers)


@cache
def _products() -> Elements:
    """The products of GF(2^8): uint8 of shape (256, 256), 64 KiB."""
    field = _logarithms(1)
    table: Elements = field.powers[field.logs[:, None] + field.logs[None, :]]
    return table
