"""Secrets in shares: vectors of words additively, keys after Shamir.

    additive   x = x_0 + ... + x_(s-1)  modulo 2^k; all s open it, any s - 1 are uniform
    Shamir     any ``threshold`` of up to 255 holders open it, any fewer are uniform

Both take their randomness as an argument, so that a run can be replayed; where none is given it is drawn from
the operating system.

Shamir, "How to share a secret", CACM 22 (11), 1979, over GF(2^8) with the polynomial of AES
(x^8 + x^4 + x^3 + x + 1), as in SLIP-0039; bytes are shared side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.compute.field import Words
from masquerade.errors import BadInput

MOST_HOLDERS = 255
"""GF(2^8) has so many places other than 0, where the secret stands."""

Bytes = NDArray[np.uint8]

# -- masks and additive shares ---------------------------------------------------------------------------


def add_masks(total: Words, keys: Iterable[bytes], *, subtract: Iterable[bytes] = ()) -> None:
    """Add to ``total``, in place, the keystream of each key, and take that of each in ``subtract`` away.

    A keystream is read as little-endian words. It is made piece by piece in one small buffer and added while
    both are in the cache: one mask costs little more than its AES, and no memory.
    """
    streams: list[tuple[crypto.Keystream, np.ufunc]] = []
    streams += [(crypto.Keystream(key), np.add) for key in keys]
    streams += [(crypto.Keystream(key), np.subtract) for key in subtract]
    size = total.itemsize
    per_piece = crypto.STREAM_PIECE // size
    scratch = np.empty(per_piece + 16 // size, total.dtype.newbyteorder("<"))
    room = scratch.view(np.uint8).data
    for at in range(0, total.size, per_piece):
        piece = total[at : at + per_piece]
        mask = scratch[: piece.size]
        for stream, combine in streams:
            stream.into(room, piece.size * size)
            combine(piece, mask, out=piece)


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
    secrets: Bytes, holders: int | Sequence[int], threshold: int, randomness: bytes | None = None
) -> Bytes:
    """Shares of ``secrets``, any ``threshold`` of which open it; uint8 of shape (holders, *secrets.shape).

    Args:
        secrets: uint8 of any shape; each byte is shared by a polynomial of its own.
        holders: how many, at places 1, 2, ...; or the places themselves, 1 to 255 and different.
        threshold: 1 to the number of holders.
        randomness: ``(threshold - 1) * secrets.size`` uniform bytes: the coefficients of x, then of x^2, ...

    Raises:
        BadInput: places or threshold are impossible.
    """
    places = _places(range(1, holders + 1) if isinstance(holders, int) else holders)
    if not 1 <= threshold <= len(places):
        raise BadInput(f"a threshold for {len(places)} holders is 1 to {len(places)}")
    need = (threshold - 1) * secrets.size
    if randomness is None:
        randomness = crypto.random_bytes(need)
    if len(randomness) != need:
        raise BadInput(f"sharing needs {need} random bytes, not {len(randomness)}")
    coefficients = np.frombuffer(randomness, np.uint8).reshape(threshold - 1, secrets.size)
    row = places.astype(np.intp)[:, None] << 8  # where the products of a place begin in the table
    products = _products().reshape(-1)
    value = np.zeros((len(places), secrets.size), np.uint8)
    for coefficient in coefficients[::-1]:
        value = products.take(row | (value ^ coefficient))
    return (value ^ secrets.reshape(-1)).reshape(len(places), *secrets.shape)


def shamir_join(shares: Mapping[int, Bytes]) -> Bytes:
    """The secrets behind ``shares``, place by place: uint8 of the shape of one share.

    All shares given are used; there must be at least the threshold of them. Fewer, or a false one, give a
    wrong secret without notice: the caller checks it against what is public.

    Raises:
        BadInput: there are none, a place is impossible, or shapes differ.
    """
    places = _places(list(shares))
    if len({share.shape for share in shares.values()}) != 1:
        raise BadInput("the shares differ in size: they belong to different secrets")
    secret = np.zeros_like(next(iter(shares.values())))
    for weight, share in zip(_weights(places), shares.values(), strict=True):
        secret ^= _products()[weight][share]
    return secret


def _places(places: Iterable[int]) -> Bytes:
    found = list(places)
    if not found:
        raise BadInput("a secret is shared between at least one holder")
    if len(set(found)) != len(found) or min(found) < 1 or max(found) > MOST_HOLDERS:
        raise BadInput(f"holders stand at different places from 1 to {MOST_HOLDERS}")
    return np.array(found, np.uint8)


def _weights(places: Bytes) -> Bytes:
    """Lagrange's weights at 0: for each place i, the product over the others j of j / (j - i)."""
    logs, powers = _logarithms()
    apart = logs[places[:, None] ^ places[None, :]].sum(axis=1)  # the logarithm of 0, on the diagonal, is 0
    own = logs[places]
    weights: Bytes = powers[(own.sum() - own - apart) % 255]
    return weights


@cache
def _logarithms() -> tuple[NDArray[np.intp], Bytes]:
    """Logarithms to the generator x + 1, (256,) with 0 at 0, and its powers, (510,), so that two add up."""
    powers = np.zeros(510, np.uint8)
    logs = np.zeros(256, np.intp)
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logs[value] = exponent
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)
    return logs, powers


@cache
def _products() -> Bytes:
    """The products of GF(2^8): uint8 of shape (256, 256), 64 KiB.

    A look-up at a secret place is not constant in time; it happens on the machine of the secret's owner, who
    is not defended against programs that share its caches.
    """
    logs, powers = _logarithms()
    table: Bytes = powers[logs[:, None] + logs[None, :]]
    table[0, :] = table[:, 0] = 0
    return table
