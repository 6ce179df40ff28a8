"""The literal formulas of the literature, over words of w bits, for study: what each keeps and leaks.

    random       M = D xor R            bijective in D for every R
    difference   M = D xor (R - D)      for no R; keeps no difference, and half of D is gone
    privacy      M = D xor (R * D)      for even R only; shows the number of trailing zeros of D

All arithmetic is modulo 2^w, for w = 8, 16, 32 or 64; R is a word for each word of D, or one for all. **Do
not protect anything with these**: ``masquerade.mask.array`` has the sound form of each. What is said of them
here is exact, and checked by enumeration at w = 8 in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from masquerade.errors import BadInput
from masquerade.mask.array import RandomMask

Formula: TypeAlias = Literal["random", "difference", "privacy"]

_WORDS = 1 << 16
"""Words whose bits are spread out at once."""


@dataclass(frozen=True)
class Properties:
    """What holds for a formula at a width of ``w`` bits; averages are over uniform, independent D and R."""

    formula: Formula
    law: str
    bijective_for: str
    """The R for which M determines D."""
    images: float
    """Different M over all D: the average over all R for which the row speaks, out of 2^w."""
    bits_kept: float
    """Bits of D that M and R determine together, of w, on average over those R."""
    differences: str
    leaks: str
    """What M shows of D without R, if R is uniform and new for every word."""


def properties(w: int) -> tuple[Properties, ...]:
    """The table of the three formulas at a width of ``w`` bits: 8, 16, 32 or 64.

    The row of ``privacy`` speaks of even R; for odd R the lowest bit of M is always 0.
    """
    _word(w)
    return (
        Properties("random", "D xor R", "every R", 2.0**w, float(w), "not kept", "nothing"),
        Properties(
            "difference",
            "D xor (R - D)",
            "no R",
            1.5 ** (w - 1),
            (w - 1) / 2,
            "not kept",
            "nothing by itself; its side stream is bits of D",
        ),
        Properties(
            "privacy",
            "D xor (R * D)",
            "every even R",
            2.0**w,
            float(w),
            "not kept",
            "the number of trailing zeros of D, so its parity, and whether it is 0",
        ),
    )


def mask(formula: Formula, data: ArrayLike, r: ArrayLike) -> NDArray[Any]:
    """M, by the literal ``formula``.

    Args:
        data: D, an array of an unsigned dtype of 8 to 64 bits, any shape.
        r: R, of the same dtype, in the shape of ``data`` or one that broadcasts to it.

    Raises:
        BadInput: another dtype, another formula, or an ``r`` that does not fit.
    """
    d, r = _both(data, r)
    if formula == "random":
        return _array(d ^ r)
    if formula == "difference":
        return _array(d ^ np.subtract(r, d))
    if formula == "privacy":
        return _array(d ^ np.multiply(r, d))
    raise BadInput(f"the formulas are {', '.join(get_args(Formula))}")


def unmask(
    formula: Formula,
    masked: ArrayLike,
    r: ArrayLike,
    side: NDArray[np.uint8] | bytes | None = None,
    seal: RandomMask | None = None,
) -> NDArray[Any]:
    """D, where M and R determine it, or with what is missing from ``side``.

    - ``random``: M xor R.
    - ``difference``: with ``side``, which :func:`side_stream` made, and the ``seal`` that it was given.
    - ``privacy``: for even R, by X <- M, then X <- M xor R*X until nothing changes. Each step makes v2(R)
      more bits right, the lowest first (v2 counts trailing zeros), so there are at most ceil(w / v2(R)).

    Raises:
        BadInput: R is odd somewhere under ``privacy`` (the place is named), the side stream is missing or of
            another length, or as :func:`mask`.
        Tampered, KeyProblem: the side stream does not open.
    """
    m, r = _both(masked, r)
    if formula == "random":
        return _array(m ^ r)
    if formula == "privacy":
        return _iterated(m, r)
    if formula != "difference":
        raise BadInput(f"the formulas are {', '.join(get_args(Formula))}")
    if side is None or seal is None:
        raise BadInput(
            "D xor (R - D) loses half of D: undoing it takes its side stream, and what sealed that"
        )
    return _with_side(m, r, np.frombuffer(seal.unmask(side), np.uint8))


def side_stream(data: ArrayLike, r: ArrayLike, seal: RandomMask) -> NDArray[np.uint8]:
    """Exactly the bits of D that D xor (R - D) loses, (w + 1)/2 a word on average, sealed.

    D + (R - D) = R and x + y = (x xor y) + 2 (x and y), so M and R give 2 (D and (R - D)) = R - M. Below the
    highest bit, D is known where M has a 0, and unknown where it has a 1; the highest bit is always unknown.
    Every value of the unknown bits is possible, so no shorter stream would do. They are bits of D in clear,
    hence the ``seal``.

    Raises:
        BadInput: as :func:`mask`.
    """
    d, r = _both(data, r)
    places = _missing(_array(d ^ np.subtract(r, d))).reshape(-1)
    words = np.broadcast_to(d, places.shape) if d.ndim == 0 else d.reshape(-1)
    taken = [
        _spread(words[start : start + _WORDS])[_spread(places[start : start + _WORDS])]
        for start in range(0, len(words), _WORDS)
    ]
    bits = np.concatenate([np.empty(0, bool), *taken])
    return seal.mask(np.packbits(bits).tobytes())


def missing_bits(masked: ArrayLike) -> int:
    """How many bits :func:`side_stream` carries for this M of D xor (R - D)."""
    m = _array(masked)
    _word(8 * m.dtype.itemsize, m.dtype)
    return int(np.bitwise_count(_missing(m)).sum(dtype=np.int64))


def _with_side(m: NDArray[Any], r: NDArray[Any], side: NDArray[np.uint8]) -> NDArray[Any]:
    places, total = _missing(m), missing_bits(m)
    if len(side) != (total + 7) // 8:
        raise BadInput("the side stream has another length than these words need: it belongs to others")
    bits = np.unpackbits(side, count=total).view(bool)
    known: NDArray[Any] = (np.subtract(r, m) >> m.dtype.type(1)) & ~places
    out, at = known.reshape(-1).copy(), 0
    flat = places.reshape(-1)
    for start in range(0, len(out), _WORDS):
        spread = _spread(flat[start : start + _WORDS])
        count = int(spread.sum())
        spread[spread] = bits[at : at + count]
        out[start : start + _WORDS] |= _gathered(spread, m.dtype)
        at += count
    return out.reshape(m.shape)


def _iterated(m: NDArray[Any], r: NDArray[Any]) -> NDArray[Any]:
    odd = (r & r.dtype.type(1)).reshape(-1)
    if odd.any():
        raise BadInput(f"D xor (R * D) is no bijection for odd R, as at place {int(odd.argmax())}: D is lost")
    x: NDArray[Any] = m.copy()
    while not np.array_equal(better := _array(m ^ np.multiply(r, x)), x):
        x = better
    return x


def _missing(m: NDArray[Any]) -> NDArray[Any]:
    """The bits of D that M and R do not determine: where M has a 1, and the highest."""
    return _array(m | m.dtype.type(1 << (8 * m.dtype.itemsize - 1)))


def _spread(words: NDArray[Any]) -> NDArray[np.bool_]:
    """The bits of each word, a row each."""
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), words.dtype.itemsize)
    return np.unpackbits(octets, axis=1).view(bool)


def _gathered(bits: NDArray[np.bool_], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inverse of :func:`_spread`."""
    words: NDArray[Any] = np.packbits(bits, axis=1).view(dtype).reshape(-1)
    return words


def _word(w: int, dtype: np.dtype[Any] | None = None) -> None:
    if w not in (8, 16, 32, 64) or (dtype is not None and dtype.kind != "u"):
        raise BadInput("words are unsigned integers of 8, 16, 32 or 64 bits")


def _both(data: ArrayLike, r: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    d, other = _array(data), _array(r)
    _word(8 * d.dtype.itemsize, d.dtype)
    if other.dtype != d.dtype:
        raise BadInput(f"R is of {other.dtype} and the data of {d.dtype}: both are words of one width")
    try:
        return d, np.broadcast_to(other, d.shape)
    except ValueError:
        raise BadInput(f"R of shape {other.shape} does not fit data of shape {d.shape}") from None


def _array(words: Any) -> NDArray[Any]:
    """In this machine's byte order; results of one element are arrays too."""
    array = np.asarray(words)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
