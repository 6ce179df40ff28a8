"""Integers drawn exactly: discrete Gaussian, discrete Laplace, and the shares of a discrete Laplace.

Nothing here rounds a real number. A distribution is a list of integer weights, summed up to thresholds of
128 bits; a draw compares uniform bits with them. The first 64 bits decide all but one draw in about 2**50,
and the next 64 those. What a draw's distribution lacks to the exact one is a bound on total variation that
each sampler states as ``tv``: below 2**-110 a draw, so below 1e-26 over a million.

Uniform bits come from a function ``read(n) -> n bytes``: ``crypto.Keystream.fresh().read``, or in a test
whatever is to be replayed. Draws are not made in constant time: who can measure cache and branches of this
process learns something of the noise.

Sources: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (NeurIPS 2020); Kairouz,
Liu, Steinke, "The Distributed Discrete Gaussian Mechanism" (ICML 2021); Micciancio and Walter, "Gaussian
Sampling over the Integers" (CRYPTO 2017), for wide Gaussians from narrow ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from masquerade.errors import BadInput

Read = Callable[[int], bytes]
"""Uniform bytes: ``read(n)`` gives the next ``n``."""

Ints = npt.NDArray[np.int64]

_BITS = 128
"""Of a threshold."""
_SCALE = 1 << 256
"""Weights are integers; the largest is this."""
_TAIL = 2.0**-_BITS
"""What a tail that is left out may weigh."""
_CELLS = 1 << 16
"""Of the guide: the first 16 bits of a draw, which alone decide most of them."""
_PIECE = 1 << 16
"""Draws made at once: their arrays stay in the second-level cache."""

WIDEST_TABLE = 128.0
"""The largest sigma that gets a table of its own; wider ones are put together from several."""
SMALLEST_SHARE = 2.0
"""The least sigma of a summand, in grid units: below it a sum of discrete Gaussians is visibly none."""
LARGEST_SCALE = 1024.0
"""The largest scale of a discrete Laplace that is drawn in shares, in grid units."""


class Sampler(Protocol):
    """A distribution over the integers that can be drawn from."""

    tv: float
    """Bound on the total variation between one draw and the exact distribution."""

    def draw(self, n: int, read: Read) -> Ints:
        """``n`` independent draws, int64."""


class Table:
    """Integers ``first``, ``first + 1``, ... with probabilities in the ratio of ``weights``."""

    def __init__(self, first: int, weights: list[int], tail: float = 0.0) -> None:
        """``tail`` is what the exact distribution has outside, as a fraction."""
        total, reached, thresholds = sum(weights), 0, []
        for weight in weights[:-1]:
            reached += weight
            thresholds.append(min((reached << _BITS) // total, (1 << _BITS) - 1))
        self._first = first
        self._thresholds = thresholds
        self._high = np.array([each >> 64 for each in thresholds], dtype=np.uint64)
        below = np.searchsorted(self._high, np.arange(_CELLS, dtype=np.uint64) << np.uint64(48))
        upto = np.append(below[1:], len(thresholds))
        self._guide = np.where(below == upto, below, -1).astype(np.int64)
        self.tv = len(weights) * 2.0**-_BITS + tail

    def draw(self, n: int, read: Read) -> Ints:
        """``n`` independent draws, int64; takes 8 bytes a draw, and 8 more where these do not decide."""
        out = np.empty(n, dtype=np.int64)
        for start in range(0, n, _PIECE):
            piece = out[start : start + _PIECE]
            words = np.frombuffer(read(8 * len(piece)), dtype="<u8")
            np.take(self._guide, (words >> np.uint64(48)).astype(np.intp), out=piece)
            open_ = np.flatnonzero(piece < 0)
            asked = words[open_]
            found = np.searchsorted(self._high, asked, side="right")
            piece[open_] = found
            ties = np.flatnonzero(self._high[np.maximum(found, 1) - 1] == asked) if len(self._high) else ()
            for i in ties:
                piece[open_[i]] = self._settled(int(asked[i]), read)
        out += self._first
        return out

    def _settled(self, word: int, read: Read) -> int:
        """How many thresholds a draw reaches whose first 64 bits are those of a threshold."""
        drawn = word << 64 | int.from_bytes(read(8), "little")
        low, high = 0, len(self._thresholds)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._thresholds[middle] <= drawn else (low, middle)
        return low


class Gaussian:
    """The discrete Gaussian: P(k) in the ratio of exp(-k**2 / (2 sigma**2)), k any integer.

    A ``sigma`` above ``WIDEST_TABLE`` is the sum of a narrow one and a multiple of another; each term's
    share of the exponent is wide enough (``SMALLEST_SHARE``) that every probability is right to 1e-33 of
    itself. ``sigma`` is the width that was reached: as asked, or above by at most a part in 2**48.
    """

    def __init__(self, sigma: float) -> None:
        if not (0 < sigma < 2.0**48):
            raise BadInput(f"sigma is between 0 and 2**48 grid units, not {sigma:g}")
        self._terms: list[tuple[int, Table]] = []
        self.tv = 0.0
        self.sigma = self._build(sigma, 1)

    def _build(self, sigma: float, times: int) -> float:
        if sigma <= WIDEST_TABLE:
            table = _gaussian_table(sigma)
            self._terms.append((times, table))
            self.tv += table.tv
            return sigma
        narrow = min(WIDEST_TABLE, sigma / math.sqrt(2))
        step = int(narrow / (math.sqrt(2) * SMALLEST_SHARE))
        self._build(narrow, times)
        wide = self._build(math.sqrt(sigma**2 - narrow**2) / step * (1 + 2.0**-50), times * step)
        common = narrow * wide / math.hypot(narrow, step * wide)
        self.tv += 4 * math.exp(-2 * (math.pi * common) ** 2)
        return max(sigma, math.hypot(narrow, step * wide) * (1 - 2.0**-51))

    def draw(self, n: int, read: Read) -> Ints:
        """``n`` independent draws, int64."""
        times, table = self._terms[0]
        out = table.draw(n, read) * times
        for times, table in self._terms[1:]:
            out += table.draw(n, read) * times
        return out


class Laplace:
    """The discrete Laplace: P(k) in the ratio of exp(-|k| / scale): two geometric draws, subtracted.

    The binary digits of a geometric draw are independent: digit j is 1 with probability
    ``x / (1 + x)``, ``x = exp(-2**j / scale)``. Each is compared to 128 bits.
    """

    def __init__(self, scale: float) -> None:
        if not (0 < scale < 2.0**48):
            raise BadInput(f"the scale of a Laplace is between 0 and 2**48 grid units, not {scale:g}")
        self.scale = scale
        digits = max(1, math.ceil(math.log2(scale * -math.log(_TAIL))))
        with localcontext() as context:
            context.prec = 60
            powers = [(-(Decimal(2) ** j) / Decimal(scale)).exp() for j in range(digits)]
            self._odds = [int(x / (1 + x) * (1 << _BITS)) for x in powers]
        self.tv = 2 * (digits * 2.0**-_BITS + _TAIL)

    def draw(self, n: int, read: Read) -> Ints:
        """``n`` independent draws, int64."""
        return self._geometric(n, read) - self._geometric(n, read)

    def _geometric(self, n: int, read: Read) -> Ints:
        out = np.zeros(n, dtype=np.int64)
        for j, odds in enumerate(self._odds):
            first, rest = odds >> (_BITS - 32), odds & ((1 << (_BITS - 32)) - 1)
            words = np.frombuffer(read(4 * n), dtype="<u4")
            digit = words < first
            for i in np.flatnonzero(words == first):
                digit[i] = int.from_bytes(read((_BITS - 32) // 8), "little") < rest
            out |= digit.astype(np.int64) << j
        return out


class LaplaceShare:
    """One of ``parties`` summands whose sum is the discrete Laplace of ``scale``, exactly.

    The difference of two draws of the negative binomial with shape 1 / parties (Goryczka and Xiong, "A
    Comprehensive Comparison of Multiparty Secure Additions with Differential Privacy", 2017, section 4).
    """

    def __init__(self, scale: float, parties: int) -> None:
        if not (0 < scale <= LARGEST_SCALE):
            raise BadInput(
                f"a shared Laplace has a scale of at most {LARGEST_SCALE:g} grid units, not {scale:g}"
            )
        if parties < 1:
            raise BadInput(f"noise is shared among at least 1 party, not {parties}")
        self._table = _polya_table(scale, parties)
        self.tv = 2 * self._table.tv

    def draw(self, n: int, read: Read) -> Ints:
        """``n`` independent draws, int64."""
        return self._table.draw(n, read) - self._table.draw(n, read)


def share_sigma(sigma: float, parties: int) -> float:
    """The sigma of each of ``parties`` discrete Gaussians whose sum has at least ``sigma``, in grid units."""
    if parties < 1:
        raise BadInput(f"noise is shared among at least 1 party, not {parties}")
    return max(SMALLEST_SHARE, sigma / math.sqrt(parties) * (1 + 2.0**-50))


def sum_ratio(sigma: float, parties: int) -> float:
    """How far a sum of ``parties`` discrete Gaussians of ``sigma`` is from a discrete Gaussian.

    A bound on the absolute logarithm of the ratio of the probabilities of any one integer under both
    (Kairouz, Liu, Steinke 2021, theorem 1: tau). With ``sigma`` at ``SMALLEST_SHARE`` and 100 parties it is
    7e-17, with any wider one 0 in effect.
    """
    return 10 * sum(math.exp(-2 * (math.pi * sigma) ** 2 * k / (k + 1)) for k in range(1, parties))


@lru_cache(maxsize=64)
def _gaussian_table(sigma: float) -> Table:
    """All integers from -k to k, beyond which lies less than ``_TAIL``."""
    k = math.ceil(sigma * math.sqrt(-2 * math.log(_TAIL / 16))) + 1
    with localcontext() as context:
        context.prec = 90
        exact = Decimal(sigma)
        ratio = int((-1 / (2 * exact * exact)).exp() * _SCALE)
    # The weight of k + 1 is that of k times q ** (2k + 1), and this factor grows by q ** 2 with each k.
    half, weight, step = [_SCALE], _SCALE, ratio * ratio // _SCALE
    for _ in range(k):
        weight = weight * ratio // _SCALE
        ratio = ratio * step // _SCALE
        half.append(weight)
    tail = 2 * math.exp(-((k + 1) ** 2) / (2 * sigma**2)) / -math.expm1(-(2 * k + 3) / (2 * sigma**2))
    return Table(-k, half[:0:-1] + half, tail / max(1.0, sigma))


@lru_cache(maxsize=16)
def _polya_table(scale: float, parties: int) -> Table:
    with localcontext() as context:
        context.prec = 90
        p = int((-1 / Decimal(scale)).exp() * _SCALE)
    last = math.ceil(scale * -math.log(_TAIL)) + 1
    weights = [_SCALE]
    for k in range(last):
        weights.append(weights[-1] * p // _SCALE * (k * parties + 1) // ((k + 1) * parties))
    # From here on each weight is at most p times the one before.
    return Table(0, weights, math.exp(-last / scale) / -math.expm1(-1 / scale))
