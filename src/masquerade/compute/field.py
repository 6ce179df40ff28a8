"""Numbers as words of Z_2^32 or Z_2^64, in which sums are made without the summands, and back.

    words = fixed.encode(values, clients=n).words        # x -> round(x * 2^fraction_bits) mod 2^bits
    fixed.decode(sum of the words of up to n clients)    # -> the sum of the values

A sum of words that passes half the ring would come back as another number, and nobody could tell. So the
bound on one client's values is part of the format, and the number of clients is checked against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from masquerade.errors import BadInput

Words = NDArray[np.uint32] | NDArray[np.uint64]
"""A vector of ring elements, in one dimension."""

_PIECE = 1 << 15
"""Values converted at a time, so that the float64 in between stays in the cache."""


@dataclass(frozen=True, slots=True, repr=False)
class Encoded:
    """What :meth:`FixedPoint.encode` made."""

    words: Words
    clipped: int
    """How many values lay outside the bound and were set to it; 0 unless clipping was asked for."""

    def __repr__(self) -> str:
        return f"Encoded({self.words.size} words, clipped={self.clipped})"


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A fixed-point format that all clients of a sum agree on.

    A value ``x`` with ``|x| <= bound`` becomes ``round(x * 2**fraction_bits)``, half to even, in two's
    complement modulo ``2**bits``. One value is off by at most ``2**-(fraction_bits + 1)``, a sum of ``n``
    values by at most ``n`` times that.

    With a ``weight_bound`` each client sends ``(w * x, w)``: one coordinate more, which holds its weight
    ``w`` from 0 to ``weight_bound``; :meth:`decode_mean` divides the sums.

    Raises:
        BadInput: the format is impossible, or not even one client's values fit.
    """

    bits: int
    """32 or 64: the size of the ring."""
    fraction_bits: int
    """How many bits of a word stand after the point."""
    bound: float
    """The largest magnitude of one client's value, in the value's own unit."""
    weight_bound: float | None = None
    """The largest weight of one client; None: a plain sum."""

    def __post_init__(self) -> None:
        if self.bits not in (32, 64):
            raise BadInput("bits is 32 or 64: the words of the sum are uint32 or uint64")
        if not isinstance(self.fraction_bits, int) or not 0 <= self.fraction_bits < self.bits:
            raise BadInput(f"fraction_bits is 0 to {self.bits - 1}")
        for name, value in (("bound", self.bound), ("weight_bound", self.weight_bound)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise BadInput(f"{name} is a finite number greater than 0")
        if self.capacity < 1:
            raise BadInput(
                f"{self.fraction_bits} bits after the point leave no room in {self.bits} bits for a value as "
                "large as the bound: take fewer, or 64 bits"
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint32 or uint64."""
        return np.dtype(np.uint32 if self.bits == 32 else np.uint64)

    @property
    def largest(self) -> int:
        """The largest magnitude of one client's word, in grid units of ``2**-fraction_bits``."""
        greatest = self.bound
        if self.weight_bound is not None:
            greatest = max(self.bound, 1.0) * self._on_grid(self.weight_bound)
        return (
            round(math.ldexp(greatest, self.fraction_bits)) if greatest < 2.0**self.bits else 1 << self.bits
        )

    @property
    def capacity(self) -> int:
        """How many clients may take part: the sum of so many largest words stays below half the ring."""
        return ((1 << (self.bits - 1)) - 1) // max(self.largest, 1)

    def check(self, clients: int) -> None:
        """Refuse a number of clients whose sum could wrap around.

        Raises:
            BadInput: more clients than :attr:`capacity`, or fewer than one.
        """
        if clients < 1:
            raise BadInput("a sum needs at least one client")
        if clients > self.capacity:
            raise BadInput(
                f"the sum of {clients:,} clients could wrap around {self.bits} bits, which hold "
                f"{self.capacity:,} of this bound: take 64 bits, fewer after the point, or a smaller bound"
            )

    def encode(
        self, values: ArrayLike, *, clients: int, weight: float | None = None, clip: bool = False
    ) -> Encoded:
        """One client's values as words, in C order, of shape (n,) or, with its weight at the end, (n + 1,).

        Args:
            values: real numbers of any shape; floating, integer or boolean. Integers are converted exactly.
            clients: how many take part at most; checked against the range.
            weight: this client's weight, exactly if the format has a ``weight_bound``.
            clip: set values outside the bound to it, and count them, instead of refusing them.

        Raises:
            BadInput: NaN or infinity (never clipped), a value or weight outside its bound, a dtype that is
                not of real numbers, an array that hides some of its values (``numpy.ma``), or too many
                clients. The message counts values, and shows none.
        """
        self.check(clients)
        flat = _flat(values)
        factor = self._weight(weight)
        extra = 0 if factor is None else 1
        words = np.empty(flat.size + extra, self.dtype)
        signed = words.view(np.int32 if self.bits == 32 else np.int64)
        if flat.dtype.kind in "iub" and factor is None:
            clipped = self._integers(flat, signed, clip)
        else:
            clipped = self._floats(flat, signed, 1.0 if factor is None else factor, clip)
        if factor is not None:
            signed[-1] = round(math.ldexp(factor, self.fraction_bits))
        return Encoded(words, clipped)

    def decode(self, words: Words) -> NDArray[np.float64]:
        """Sums of words as numbers: float64 of shape (n,), exact up to 53 significant bits."""
        numbers = self.decode_integers(words).astype(np.float64)
        return np.ldexp(numbers, -self.fraction_bits, out=numbers)

    def decode_integers(self, words: Words) -> NDArray[np.int64]:
        """The same in grid units, exact: int64 of shape (n,)."""
        if words.dtype != self.dtype or words.ndim != 1:
            raise BadInput(f"expected words of {self.dtype.name} in one dimension")
        return words.view(np.int32 if self.bits == 32 else np.int64).astype(np.int64)

    def decode_mean(self, words: Words) -> tuple[NDArray[np.float64], float]:
        """The weighted mean, float64 of shape (n,), and the sum of the weights, from (n + 1,) summed words.

        Raises:
            BadInput: the format has no weights, or they sum to nothing, so that there is no mean.
        """
        if self.weight_bound is None:
            raise BadInput("this format has no weights: give it a weight_bound")
        sums = self.decode(words)
        if sums.size == 0 or sums[-1] <= 0:
            raise BadInput("the weights sum to nothing, so there is no mean")
        return sums[:-1] / sums[-1], float(sums[-1])

    def _weight(self, weight: float | None) -> float | None:
        if (weight is None) != (self.weight_bound is None):
            raise BadInput(
                "this format has no weights: give it a weight_bound"
                if weight is not None
                else "this format has weights: give this client's"
            )
        if weight is None or self.weight_bound is None:
            return None
        if not 0 <= weight <= self.weight_bound:  # also refuses NaN
            raise BadInput("the weight lies outside 0 to weight_bound")
        # On the grid, so that the weight that multiplies and the weight that divides are one number.
        return self._on_grid(weight)

    def _on_grid(self, value: float) -> float:
        if value >= 2.0**self.bits:
            return value
        return math.ldexp(round(math.ldexp(value, self.fraction_bits)), -self.fraction_bits)

    def _floats(self, flat: NDArray[Any], signed: NDArray[Any], factor: float, clip: bool) -> int:
        outside, scale = 0, 2.0**self.fraction_bits
        scratch = np.empty(min(_PIECE, flat.size))
        for at in range(0, flat.size, _PIECE):
            piece = scratch[: flat.size - at]
            piece[...] = flat[at : at + _PIECE]
            if not (piece.min() >= -self.bound and piece.max() <= self.bound):  # so it is with a NaN, too
                _refuse_not_finite(flat, piece)
                outside += int(np.count_nonzero(np.abs(piece) > self.bound))
            if clip:
                np.clip(piece, -self.bound, self.bound, out=piece)
            elif outside:
                continue
            if factor != 1.0:
                piece *= factor
            np.rint(np.multiply(piece, scale, out=piece), out=piece)
            signed[at : at + piece.size] = piece
        if outside and not clip:
            raise self._outside(flat, outside)
        return outside

    def _integers(self, flat: NDArray[Any], signed: NDArray[Any], clip: bool) -> int:
        most = math.floor(self.bound)
        info = np.iinfo(flat.dtype) if flat.dtype.kind != "b" else None
        low, high = (0, 1) if info is None else (int(info.min), int(info.max))
        above = flat > most if most < high else np.False_
        below = flat < -most if -most > low else np.False_
        outside = int(np.count_nonzero(above | below))
        if outside and not clip:
            raise self._outside(flat, outside)
        if outside:
            flat = np.clip(flat, max(-most, low), min(most, high))
        signed[: flat.size] = flat
        signed <<= self.fraction_bits
        return outside

    def _outside(self, flat: NDArray[Any], outside: int) -> BadInput:
        return BadInput(
            f"{outside:,} of {flat.size:,} values lie outside the bound of {self.bound:g}: "
            "enlarge it, or clip them"
        )


def hides_values(values: Any) -> bool:
    """Whether this is an array of ``numpy.ma`` with masked values: NumPy would bring them back unasked."""
    return isinstance(values, np.ma.MaskedArray) and bool(np.ma.is_masked(values))


def _flat(values: ArrayLike) -> NDArray[Any]:
    if hides_values(values):
        raise BadInput("some of the values are hidden by a mask of numpy.ma: fill them, or leave them out")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError):
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub":
        raise BadInput(
            "the values are no real numbers: give floating or integer numbers, in one regular array"
        )
    return np.ravel(array)


def _refuse_not_finite(flat: NDArray[Any], piece: NDArray[np.float64]) -> None:
    if not np.isfinite(piece).all():
        wrong = int(np.count_nonzero(~np.isfinite(flat.astype(np.float64))))
        raise BadInput(f"{wrong:,} of {flat.size:,} values are not finite (NaN or infinity), and have no sum")
